//! The core as a sparse matrix in the pattern of its own Cholesky factor, blocks of k columns per level: fill-reducing order
//! and pattern once per model, then a left-looking factorization and a selected inverse (Takahashi, Fagan & Chen 1973;
//! Erisman & Tinney 1975) in place.

use std::sync::Arc;

use faer::dyn_stack::MemStack;
use faer::sparse::SymbolicSparseColMatRef;
use faer::sparse::linalg::amd;

use crate::blocks::{Blocks, Pattern};
use crate::dense;
use crate::error::KernelError;
use crate::memory;
use crate::watch;

/// Cores up to this dimension are dense.
const ALWAYS_DENSE: usize = 700;
/// Pairs of levels beyond which the pattern is not even formed.
const MOST_PAIRS: usize = 200_000_000;
/// Bytes per pair of levels in the lists of neighbours while they grow.
const PAIR_BYTES: usize = 8;
/// A dense factorization does this many more operations per second than this sparse one.
const DENSE_ADVANTAGE: f64 = 30.0;
/// Largest dense core: beyond it (8 bytes * dim^2, three times) memory runs out before time does.
pub const LARGEST_DENSE: usize = 30_000;

/// Symbolic factorization over the core's levels.
#[derive(Clone, Debug)]
pub struct SparsePattern {
    dim: usize,
    /// Per coordinate: block (elimination order) and place within it.
    place: Vec<(u32, u32)>,
    /// Per block: factor, width, first scalar row in elimination order.
    factor: Vec<usize>,
    width: Vec<usize>,
    start: Vec<usize>,
    /// nb + 1 offsets into `row_blocks`; a column's first row block is its own.
    col_ptr: Vec<usize>,
    row_blocks: Vec<u32>,
    /// Aligned with `row_blocks`: first scalar row within the column's panel.
    row_offset: Vec<u32>,
    /// Scalar rows of each column's panel.
    height: Vec<usize>,
    /// nb + 1 offsets into the values; a panel is height x width, column-major.
    value_ptr: Vec<usize>,
}

impl SparsePattern {
    /// The pattern of the core after eliminating `top`, the last eliminated factor, when sparse work is cheaper.
    pub fn choose(blocks: &Blocks) -> Result<Option<Self>, KernelError> {
        let Some(top) = blocks.eliminated.last() else { return Ok(None) };
        if blocks.core_dim <= ALWAYS_DENSE {
            return Ok(None);
        }
        let levels: Vec<(usize, usize)> = blocks.core_levels().collect();
        let mut level_of = memory::filled(0u32, &[blocks.core_dim])?;
        for (l, &(f, start)) in levels.iter().enumerate() {
            level_of[start..start + blocks.factors[f].k].fill(l as u32);
        }
        let met = |j: usize| {
            let mut out: Vec<u32> = top.core(j).iter().map(|&c| level_of[c as usize]).collect();
            out.dedup();
            out
        };
        let pairs: usize = (0..top.q).map(|j| met(j).len().pow(2)).sum();
        // levels that meet more pairs than the matrix has entries fill it, or nearly
        let likely_full = pairs > blocks.core_dim * blocks.core_dim / 2 && blocks.core_dim < 8000;
        if pairs > MOST_PAIRS || likely_full {
            return Ok(None);
        }
        memory::check(pairs.min(levels.len().pow(2)).saturating_mul(PAIR_BYTES))?;
        let mut neighbours: Vec<Vec<u32>> = memory::filled(vec![], &[levels.len()])?;
        for j in 0..top.q {
            watch::check()?;
            let list = met(j);
            for &a in &list {
                let mine = &mut neighbours[a as usize];
                mine.extend(list.iter().filter(|&&b| b != a));
                // duplicates are dropped before they pile up
                if mine.len() > 4 * levels.len() {
                    mine.sort_unstable();
                    mine.dedup();
                }
            }
        }
        for list in &mut neighbours {
            list.sort_unstable();
            list.dedup();
        }
        let Some(order) = fill_reducing_order(&neighbours)? else { return Ok(None) };
        Self::symbolic(blocks, &levels, &neighbours, &order)
    }

    /// Time of a factorization, in multiplications of a dense one.
    pub fn work(&self) -> f64 {
        self.height.iter().zip(&self.width).map(|(&h, &w)| panel_work(h, w)).sum()
    }

    /// None where a dense factorization is cheaper; a pattern that fills is given up before it is formed.
    fn symbolic(
        blocks: &Blocks,
        levels: &[(usize, usize)],
        neighbours: &[Vec<u32>],
        order: &[usize],
    ) -> Result<Option<Self>, KernelError> {
        let nb = levels.len();
        let mut position = memory::filled(0u32, &[nb])?;
        for (at, &level) in order.iter().enumerate() {
            position[level] = at as u32;
        }
        let width: Vec<usize> = order.iter().map(|&l| blocks.factors[levels[l].0].k).collect();
        let factor: Vec<usize> = order.iter().map(|&l| levels[l].0).collect();
        let mut start = Vec::with_capacity(nb);
        let mut place = memory::filled((0u32, 0u32), &[blocks.core_dim])?;
        let mut at = 0;
        for (block, &level) in order.iter().enumerate() {
            start.push(at);
            at += width[block];
            for i in 0..width[block] {
                place[levels[level].1 + i] = (block as u32, i as u32);
            }
        }
        // column structures: own neighbours below, and the structures of children in the elimination tree
        let dense = (blocks.core_dim as f64).powi(3) / 3.0;
        let mut work = 0.0;
        let mut structures: Vec<Vec<u32>> = memory::room(&[nb])?;
        let mut children: Vec<Vec<usize>> = memory::filled(vec![], &[nb])?;
        let mut rows: Vec<u32> = memory::room(&[nb])?;
        let mut mark = memory::filled(usize::MAX, &[nb])?;
        for c in 0..nb {
            watch::check()?;
            rows.clear();
            rows.push(c as u32);
            mark[c] = c;
            let mut visit = |r: u32, rows: &mut Vec<u32>| {
                if r as usize > c && mark[r as usize] != c {
                    mark[r as usize] = c;
                    rows.push(r);
                }
            };
            for &b in &neighbours[order[c]] {
                visit(position[b as usize], &mut rows);
            }
            for &child in &children[c] {
                for &r in &structures[child] {
                    visit(r, &mut rows);
                }
            }
            rows.sort_unstable();
            if let Some(&parent) = rows.get(1) {
                children[parent as usize].push(c);
            }
            work += panel_work(rows.iter().map(|&r| width[r as usize]).sum(), width[c]);
            if work >= dense {
                return Ok(None);
            }
            structures.push(memory::copy(&rows)?);
        }
        let stored = structures.iter().map(Vec::len).sum();
        let mut out = Self {
            dim: blocks.core_dim,
            place,
            factor,
            width,
            start,
            col_ptr: vec![0],
            row_blocks: memory::room(&[stored])?,
            row_offset: memory::room(&[stored])?,
            height: vec![],
            value_ptr: vec![0],
        };
        let mut values = 0;
        for (c, rows) in structures.iter().enumerate() {
            let mut height = 0;
            for &r in rows {
                out.row_blocks.push(r);
                out.row_offset.push(height as u32);
                height += out.width[r as usize];
            }
            out.col_ptr.push(out.row_blocks.len());
            out.height.push(height);
            values += height * out.width[c];
            out.value_ptr.push(values);
        }
        Ok(Some(out))
    }

    /// Number of values stored.
    pub fn entries(&self) -> usize {
        self.value_ptr[self.blocks()]
    }

    fn blocks(&self) -> usize {
        self.width.len()
    }

    /// Row blocks of a column with their offsets in the panel.
    fn rows(&self, c: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let range = self.col_ptr[c]..self.col_ptr[c + 1];
        self.row_blocks[range.clone()]
            .iter()
            .zip(&self.row_offset[range])
            .map(|(&b, &o)| (b as usize, o as usize))
    }

    /// Offset of a row block in a column's panel.
    #[inline(always)]
    fn find(&self, c: usize, row: usize) -> Option<usize> {
        let range = self.col_ptr[c]..self.col_ptr[c + 1];
        let at = self.row_blocks[range.clone()].binary_search(&(row as u32)).ok()?;
        Some(self.row_offset[range.start + at] as usize)
    }

    /// Place of entry (a, b) among the values, if in the pattern.
    #[inline(always)]
    fn index(&self, a: usize, b: usize) -> Option<usize> {
        let ((pa, ia), (pb, ib)) = (self.place[a], self.place[b]);
        let ((row, i), (col, j)) =
            if (pa, ia) >= (pb, ib) { ((pa, ia), (pb, ib)) } else { ((pb, ib), (pa, ia)) };
        let (row, col) = (row as usize, col as usize);
        let offset = self.find(col, row)?;
        Some(self.value_ptr[col] + offset + i as usize + j as usize * self.height[col])
    }

    /// Core rows of a level's panel as (block, first row, width), in elimination order.
    fn level_blocks(&self, coordinates: &[u32], out: &mut Vec<(usize, usize, usize)>) {
        out.clear();
        let mut r = 0;
        while r < coordinates.len() {
            let block = self.place[coordinates[r] as usize].0 as usize;
            out.push((block, r, self.width[block]));
            r += self.width[block];
        }
        out.sort_unstable();
    }
}

/// Time of a panel of the factor, in multiplications of a dense factorization.
fn panel_work(height: usize, width: usize) -> f64 {
    DENSE_ADVANTAGE * (height as f64).powi(2) * width as f64
}

/// Approximate minimum degree order of an undirected graph.
fn fill_reducing_order(neighbours: &[Vec<u32>]) -> Result<Option<Vec<usize>>, KernelError> {
    let n = neighbours.len();
    let mut col_ptr = vec![0usize];
    let mut row_idx: Vec<usize> = memory::room(&[neighbours.iter().map(Vec::len).sum::<usize>() / 2 + 1])?;
    for (c, list) in neighbours.iter().enumerate() {
        row_idx.extend(list.iter().map(|&r| r as usize).filter(|&r| r < c));
        col_ptr.push(row_idx.len());
    }
    let matrix = SymbolicSparseColMatRef::new_checked(n, n, &col_ptr, None, &row_idx);
    let (mut order, mut inverse) = (memory::filled(0usize, &[n])?, memory::filled(0usize, &[n])?);
    let mut buffer = dense::workspace(amd::order_scratch::<usize>(n, row_idx.len()))?;
    let stack = MemStack::new(&mut buffer);
    let found = amd::order(&mut order, &mut inverse, matrix, amd::Control::default(), stack);
    Ok(found.is_ok().then_some(order))
}

/// Values in the pattern of the factor: the matrix, its Cholesky factor, or its selected inverse.
#[derive(Clone, Debug)]
pub struct SparseCore {
    pattern: Arc<SparsePattern>,
    pub values: Vec<f64>,
}

impl SparseCore {
    pub fn zeros(pattern: Arc<SparsePattern>) -> Result<Self, KernelError> {
        let values = memory::zeros(&[pattern.entries()])?;
        Ok(Self { pattern, values })
    }

    /// A copy, if it can be had.
    pub fn copy(&self) -> Result<Self, KernelError> {
        Ok(Self { pattern: Arc::clone(&self.pattern), values: memory::copy(&self.values)? })
    }

    pub fn dim(&self) -> usize {
        self.pattern.dim
    }

    pub fn get(&self, a: usize, b: usize) -> f64 {
        self.pattern.index(a, b).map_or(0.0, |at| self.values[at])
    }

    pub fn add(&mut self, a: usize, b: usize, value: f64) {
        if let Some(at) = self.pattern.index(a, b) {
            self.values[at] += value;
        }
    }

    pub fn add_panels(&mut self, pattern: &Pattern, panel: &[f64], sign: f64) -> Result<(), KernelError> {
        let k = pattern.k;
        let sp = Arc::clone(&self.pattern);
        let mut list = vec![];
        for j in 0..pattern.q {
            watch::check()?;
            sp.level_blocks(pattern.core(j), &mut list);
            let base = (pattern.start(j) + pattern.parent_rows) * k;
            let row = |r: usize| &panel[base + r * k..base + (r + 1) * k];
            for (at, &(col, first_b, wb)) in list.iter().enumerate() {
                let (origin, height) = (sp.value_ptr[col], sp.height[col]);
                for &(block, first_a, wa) in &list[at..] {
                    let Some(offset) = sp.find(col, block) else { continue };
                    for b in 0..wb {
                        for a in 0..wa {
                            self.values[origin + offset + a + b * height] +=
                                sign * dense::dot(row(first_a + a), row(first_b + b));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    pub fn quadratic_forms(&self, pattern: &Pattern, panel: &[f64]) -> Result<Vec<f64>, KernelError> {
        let k = pattern.k;
        let sp = &self.pattern;
        let mut out = memory::zeros(&[pattern.q, k, k])?;
        let mut list = vec![];
        let mut s = vec![0.0; k];
        for (j, form) in out.chunks_exact_mut(k * k).enumerate() {
            watch::check()?;
            sp.level_blocks(pattern.core(j), &mut list);
            let base = (pattern.start(j) + pattern.parent_rows) * k;
            let row = |r: usize| &panel[base + r * k..base + (r + 1) * k];
            for (at, &(col, first_b, wb)) in list.iter().enumerate() {
                let (origin, height) = (sp.value_ptr[col], sp.height[col]);
                for b in 0..wb {
                    s.fill(0.0);
                    for &(block, first_a, wa) in &list[at..] {
                        let Some(offset) = sp.find(col, block) else { continue };
                        // the diagonal block is full: half of it, as s y' + y s' counts it twice
                        let share = if block == col { 0.5 } else { 1.0 };
                        for a in 0..wa {
                            let value = self.values[origin + offset + a + b * height];
                            dense::axpy(share * value, row(first_a + a), &mut s);
                        }
                    }
                    let yb = row(first_b + b);
                    for c in 0..k {
                        for a in 0..k {
                            form[a + c * k] += s[a] * yb[c] + yb[a] * s[c];
                        }
                    }
                }
            }
        }
        Ok(out)
    }

    pub fn congruence(&mut self, _blocks: &Blocks, factors: &[Vec<f64>], transposed: bool) {
        let sp = Arc::clone(&self.pattern);
        let widest = sp.width.iter().copied().max().unwrap_or(1);
        let mut buffer = vec![0.0; widest];
        for c in 0..sp.blocks() {
            let (w, h) = (sp.width[c], sp.height[c]);
            let t = &factors[sp.factor[c]];
            let panel = &mut self.values[sp.value_ptr[c]..sp.value_ptr[c + 1]];
            for j in 0..w {
                for i in 0..j {
                    panel[i + j * h] = panel[j + i * h];
                }
            }
            for row in 0..h {
                for (j, out) in buffer[..w].iter_mut().enumerate() {
                    *out = (0..w)
                        .map(|i| panel[row + i * h] * if transposed { t[i + j * w] } else { t[j + i * w] })
                        .sum();
                }
                for j in 0..w {
                    panel[row + j * h] = buffer[j];
                }
            }
            for (block, offset) in sp.rows(c) {
                let wr = sp.width[block];
                let tr = &factors[sp.factor[block]];
                for j in 0..w {
                    let part = &mut panel[offset + j * h..offset + wr + j * h];
                    if transposed {
                        dense::matvec_transposed_small(wr, tr, part, &mut buffer);
                    } else {
                        dense::matvec_small(wr, tr, part, &mut buffer);
                    }
                    part.copy_from_slice(&buffer[..wr]);
                }
            }
        }
    }

    pub fn cholesky(&mut self) -> Result<(), KernelError> {
        let sp = Arc::clone(&self.pattern);
        let nb = sp.blocks();
        // columns waiting at a row block, and how far each finished column has been used
        let mut waiting: Vec<Vec<usize>> = memory::filled(vec![], &[nb])?;
        let mut next = memory::filled(0usize, &[nb])?;
        let mut offset_of = memory::filled(0usize, &[nb])?;
        for c in 0..nb {
            watch::check()?;
            let (w, h) = (sp.width[c], sp.height[c]);
            for (block, offset) in sp.rows(c) {
                offset_of[block] = offset;
            }
            let (done, rest) = self.values.split_at_mut(sp.value_ptr[c]);
            let panel = &mut rest[..h * w];
            for d in std::mem::take(&mut waiting[c]) {
                let (wd, hd) = (sp.width[d], sp.height[d]);
                let source = &done[sp.value_ptr[d]..sp.value_ptr[d + 1]];
                let at = sp.col_ptr[d] + next[d];
                let own = sp.row_offset[at] as usize;
                for index in at..sp.col_ptr[d + 1] {
                    let (block, from) = (sp.row_blocks[index] as usize, sp.row_offset[index] as usize);
                    let to = offset_of[block];
                    for j in 0..w {
                        for l in 0..wd {
                            let factor = source[own + j + l * hd];
                            dense::axpy(
                                -factor,
                                &source[from + l * hd..from + l * hd + sp.width[block]],
                                &mut panel[to + j * h..to + j * h + sp.width[block]],
                            );
                        }
                    }
                }
                next[d] += 1;
                if let Some(&block) = sp.row_blocks[..sp.col_ptr[d + 1]].get(sp.col_ptr[d] + next[d]) {
                    waiting[block as usize].push(d);
                }
            }
            let mut l: Vec<f64> = (0..w * w).map(|i| panel[i % w + (i / w) * h]).collect();
            dense::cholesky_small(w, &mut l)
                .map_err(|_| KernelError::NotPositiveDefinite { index: sp.start[c] })?;
            for j in 0..w {
                panel[j * h..j * h + w].copy_from_slice(&l[j * w..(j + 1) * w]);
                for i in 0..j {
                    panel[i + j * h] = 0.0;
                }
            }
            for row in w..h {
                for j in 0..w {
                    let mut s = panel[row + j * h];
                    for i in 0..j {
                        s -= panel[row + i * h] * l[j + i * w];
                    }
                    panel[row + j * h] = s / l[j + j * w];
                }
            }
            next[c] = 1;
            if let Some(&block) = sp.row_blocks[..sp.col_ptr[c + 1]].get(sp.col_ptr[c] + 1) {
                waiting[block as usize].push(c);
            }
        }
        Ok(())
    }

    /// Elimination order from core order.
    fn permuted(&self, x: &[f64]) -> Result<Vec<f64>, KernelError> {
        let mut out = memory::zeros(&[x.len()])?;
        for (value, &(block, i)) in x.iter().zip(&self.pattern.place) {
            out[self.pattern.start[block as usize] + i as usize] = *value;
        }
        Ok(out)
    }

    pub fn forward(&self, b: &mut [f64], m: usize) -> Result<(), KernelError> {
        let sp = &self.pattern;
        for column in b.chunks_exact_mut(sp.dim.max(1)).take(m) {
            watch::check()?;
            let mut x = self.permuted(column)?;
            for c in 0..sp.blocks() {
                let (w, h, s) = (sp.width[c], sp.height[c], sp.start[c]);
                let panel = &self.values[sp.value_ptr[c]..sp.value_ptr[c + 1]];
                for j in 0..w {
                    x[s + j] /= panel[j + j * h];
                    let v = x[s + j];
                    for i in j + 1..w {
                        x[s + i] -= panel[i + j * h] * v;
                    }
                    for (block, offset) in sp.rows(c).skip(1) {
                        let wr = sp.width[block];
                        let target = &mut x[sp.start[block]..sp.start[block] + wr];
                        dense::axpy(-v, &panel[offset + j * h..offset + wr + j * h], target);
                    }
                }
            }
            column.copy_from_slice(&x);
        }
        Ok(())
    }

    pub fn backward(&self, b: &mut [f64], m: usize) -> Result<(), KernelError> {
        let sp = &self.pattern;
        for column in b.chunks_exact_mut(sp.dim.max(1)).take(m) {
            watch::check()?;
            for c in (0..sp.blocks()).rev() {
                let (w, h, s) = (sp.width[c], sp.height[c], sp.start[c]);
                let panel = &self.values[sp.value_ptr[c]..sp.value_ptr[c + 1]];
                for j in (0..w).rev() {
                    let mut v = column[s + j];
                    for i in j + 1..w {
                        v -= panel[i + j * h] * column[s + i];
                    }
                    for (block, offset) in sp.rows(c).skip(1) {
                        let wr = sp.width[block];
                        v -= dense::dot(
                            &panel[offset + j * h..offset + wr + j * h],
                            &column[sp.start[block]..sp.start[block] + wr],
                        );
                    }
                    column[s + j] = v / panel[j + j * h];
                }
            }
            let x = memory::copy(column)?;
            for (slot, &(block, i)) in column.iter_mut().zip(&sp.place) {
                *slot = x[sp.start[block as usize] + i as usize];
            }
        }
        Ok(())
    }

    /// Entries of (L L')^-1 in the pattern of L; diagonal blocks full.
    pub fn inverse(&self) -> Result<Self, KernelError> {
        let sp = Arc::clone(&self.pattern);
        let mut out = Self::zeros(Arc::clone(&sp))?;
        for c in (0..sp.blocks()).rev() {
            watch::check()?;
            let (w, h) = (sp.width[c], sp.height[c]);
            let factor = &self.values[sp.value_ptr[c]..sp.value_ptr[c + 1]];
            let l: Vec<f64> = (0..w * w).map(|i| factor[i % w + (i / w) * h]).collect();
            // Y = L_Rc L_cc^-1 (rows below the diagonal block)
            let mut y = memory::copy(factor)?;
            for row in w..h {
                for j in (0..w).rev() {
                    let mut s = y[row + j * h];
                    for i in j + 1..w {
                        s -= y[row + i * h] * l[i + j * w];
                    }
                    y[row + j * h] = s / l[j + j * w];
                }
            }
            // Z = P_RR Y
            let mut z = memory::zeros(&[h, w])?;
            let rows: Vec<(usize, usize)> = sp.rows(c).skip(1).collect();
            for (index, &(s, from_s)) in rows.iter().enumerate() {
                let (ws, hs) = (sp.width[s], sp.height[s]);
                let panel = &out.values[sp.value_ptr[s]..sp.value_ptr[s + 1]];
                let mut at = sp.col_ptr[s];
                for &(i, from_i) in &rows[index..] {
                    while (sp.row_blocks[at] as usize) < i {
                        at += 1;
                    }
                    let offset = sp.row_offset[at] as usize;
                    for b in 0..ws {
                        for a in 0..sp.width[i] {
                            let p = panel[offset + a + b * hs];
                            for j in 0..w {
                                z[from_i + a + j * h] += p * y[from_s + b + j * h];
                                if i != s {
                                    z[from_s + b + j * h] += p * y[from_i + a + j * h];
                                }
                            }
                        }
                    }
                }
            }
            let mut diagonal = vec![0.0; w * w];
            dense::inverse_from_cholesky_small(w, &l, &mut diagonal);
            let panel = &mut out.values[sp.value_ptr[c]..sp.value_ptr[c + 1]];
            for j in 0..w {
                for i in 0..w {
                    let below = dense::dot(&y[w + i * h..h + i * h], &z[w + j * h..h + j * h]);
                    panel[i + j * h] = diagonal[i + j * w] + below;
                }
                for row in w..h {
                    panel[row + j * h] = -z[row + j * h];
                }
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::newton::Objective;
    use crate::problem::{FactorInput, Input, Problem, TermInput};

    /// Pupils who change between neighbouring teachers: a banded core with k columns per teacher.
    fn compare(k: usize, reml: bool) {
        let (pupils, teachers, rows) = (2500usize, 900usize, 3usize);
        let n = pupils * rows;
        let mut state = 7u64;
        let mut uniform = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f64 / (1u64 << 24) as f64 - 0.5
        };
        let pupil: Vec<i32> = (0..n).map(|i| (i / rows) as i32).collect();
        let teacher: Vec<i32> = (0..n)
            .map(|i| {
                let near = (i / rows) * teachers / pupils;
                let shift = ((uniform() + 0.5) * 4.0) as usize;
                let far = if i % 97 == 0 { 311 } else { 0 };
                ((near + shift + far) % teachers) as i32
            })
            .collect();
        let columns: Vec<Vec<f64>> =
            (0..k).map(|c| (0..n).map(|_| if c == 0 { 1.0 } else { uniform() }).collect()).collect();
        let ones = vec![1.0; n];
        let y: Vec<f64> =
            (0..n).map(|i| f64::from(teacher[i] % 7) + f64::from(pupil[i] % 5) + uniform()).collect();
        let input = Input {
            y: &y,
            x: vec![&ones, &columns[k - 1]],
            weights: None,
            factors: vec![
                FactorInput { codes: &pupil, n_levels: pupils },
                FactorInput { codes: &teacher, n_levels: teachers },
            ],
            terms: vec![
                TermInput { factor: 0, columns: vec![&ones] },
                TermInput { factor: 1, columns: columns.iter().map(Vec::as_slice).collect() },
            ],
        };
        let sparse = Problem::new(&input).unwrap();
        let dense = Problem::with_core(&input, false).unwrap();
        assert!(sparse.blocks.core_pattern.is_some());
        let theta: Vec<f64> = (0..sparse.n_theta()).map(|i| 0.9 - 0.2 * i as f64).collect();
        let a = Objective::new(&sparse, reml).point(&theta).unwrap();
        let b = Objective::new(&dense, reml).point(&theta).unwrap();
        let close = |x: f64, y: f64| assert!((x - y).abs() <= 1e-9 * (1.0 + y.abs()), "{x} {y}");
        close(a.criterion, b.criterion);
        for (x, y) in a.first.gradient.iter().zip(&b.first.gradient) {
            close(*x, *y);
        }
        for (x, y) in a.hessian.iter().zip(&b.hessian) {
            close(*x, *y);
        }
        for (x, y) in a.modes.b.iter().flatten().zip(b.modes.b.iter().flatten()) {
            close(*x, *y);
        }
    }

    #[test]
    fn sparse_core_agrees_with_dense_core() {
        compare(1, true);
        compare(1, false);
        compare(2, true);
        compare(3, false);
    }
}
