//! The core as a dense square matrix: lower triangle of a symmetric matrix, its Cholesky factor, or (both triangles) its
//! inverse.

use std::ops::Range;

use crate::blocks::{Blocks, Pattern};
use crate::dense;
use crate::error::KernelError;
use crate::memory;
use crate::pool;
use crate::watch;

/// Entries of a tile of columns that stays in cache while all levels pass over it.
const TILE: usize = 1 << 19;
/// Partial sums that threads share.
const PARTS: usize = 4;
/// Levels between two looks at whether the work is to stop.
const LEVELS_BETWEEN: usize = 256;
/// Levels whose panels are combined into one dense product.
const BATCH: usize = 64;

fn tile_width(dim: usize) -> usize {
    (TILE / dim.max(1)).max(8)
}

/// Positions of the coordinates (ascending) that lie in columns first..first + count.
#[inline(always)]
fn columns_within(coordinates: &[u32], first: usize, count: usize) -> Range<usize> {
    let position = |limit: usize| coordinates.partition_point(|&c| (c as usize) < limit);
    let start = if first == 0 { 0 } else { position(first) };
    start..position(first + count)
}

fn batches(q: usize) -> impl Iterator<Item = Range<usize>> {
    (0..q).step_by(BATCH).map(move |first| first..(first + BATCH).min(q))
}

/// Core rows of the panels of some levels, spread over the whole core: dim x (levels * k), column-major.
fn spread(
    pattern: &Pattern,
    panel: &[f64],
    levels: Range<usize>,
    dim: usize,
    out: &mut Vec<f64>,
) -> Result<(), KernelError> {
    let k = pattern.k;
    memory::clear(out, &[dim, k, levels.len()])?;
    for (index, j) in levels.enumerate() {
        let first = (pattern.start(j) + pattern.parent_rows) * k;
        for (c, &at) in pattern.core(j).iter().enumerate() {
            for a in 0..k {
                out[at as usize + (index * k + a) * dim] = panel[first + c * k + a];
            }
        }
    }
    Ok(())
}

/// Column-major dim x dim.
#[derive(Clone, Debug)]
pub struct DenseCore {
    pub dim: usize,
    pub values: Vec<f64>,
}

impl DenseCore {
    pub fn zeros(dim: usize) -> Result<Self, KernelError> {
        Ok(Self { dim, values: memory::zeros(&[dim, dim])? })
    }

    /// A copy, if it can be had.
    pub fn copy(&self) -> Result<Self, KernelError> {
        Ok(Self { dim: self.dim, values: memory::copy(&self.values)? })
    }

    /// Adds to the entry at (row, col) or its mirror image.
    #[inline(always)]
    pub fn add(&mut self, a: usize, b: usize, value: f64) {
        let (row, col) = if a >= b { (a, b) } else { (b, a) };
        self.values[row + col * self.dim] += value;
    }

    /// Adds sign * V V' of every level, V being the core rows of its panel.
    pub fn add_panels(&mut self, pattern: &Pattern, panel: &[f64], sign: f64) -> Result<(), KernelError> {
        if pattern.core_rows.is_empty() {
            return Ok(());
        }
        if pattern.meets_most_of_core(self.dim) {
            let mut buffer = vec![];
            for levels in batches(pattern.q) {
                watch::check()?;
                let m = pattern.k * levels.len();
                spread(pattern, panel, levels, self.dim, &mut buffer)?;
                dense::add_outer_lower(self.dim, m, sign, &buffer, &mut self.values);
            }
            return Ok(());
        }
        match pattern.k {
            1 => self.add_panels_sized::<1>(pattern, panel, sign),
            2 => self.add_panels_sized::<2>(pattern, panel, sign),
            _ => self.add_panels_sized::<0>(pattern, panel, sign),
        }
        watch::check()
    }

    fn add_panels_sized<const K: usize>(&mut self, pattern: &Pattern, panel: &[f64], sign: f64) {
        let k = if K > 0 { K } else { pattern.k };
        let (dim, width) = (self.dim, tile_width(self.dim));
        let work = |tile: usize, values: &mut [f64]| {
            let first = tile * width;
            for j in 0..pattern.q {
                if j % LEVELS_BETWEEN == 0 && watch::is_stopped() {
                    return;
                }
                let core = pattern.core(j);
                let at = (pattern.start(j) + pattern.parent_rows) * k;
                let rows = &panel[at..at + core.len() * k];
                for b in columns_within(core, first, values.len() / dim) {
                    let column = &mut values[(core[b] as usize - first) * dim..][..dim];
                    let vb = &rows[b * k..(b + 1) * k];
                    for (&row, va) in core[b..].iter().zip(rows[b * k..].chunks_exact(k)) {
                        column[row as usize] += sign * dense::dot(va, vb);
                    }
                }
            }
        };
        if dim <= width {
            work(0, &mut self.values);
        } else {
            pool::for_chunks(&mut self.values, dim * width, work);
        }
    }

    /// Y'A Y (k x k) of every level, Y being the core rows of its panel and A this matrix (both
    /// triangles filled).
    pub fn quadratic_forms(&self, pattern: &Pattern, panel: &[f64]) -> Result<Vec<f64>, KernelError> {
        if pattern.core_rows.is_empty() {
            return memory::zeros(&[pattern.q, pattern.k, pattern.k]);
        }
        if pattern.meets_most_of_core(self.dim) {
            return self.quadratic_forms_dense(pattern, panel);
        }
        match pattern.k {
            1 => self.quadratic_forms_sized::<1>(pattern, panel),
            2 => self.quadratic_forms_sized::<2>(pattern, panel),
            _ => self.quadratic_forms_sized::<0>(pattern, panel),
        }
    }

    fn quadratic_forms_sized<const K: usize>(
        &self,
        pattern: &Pattern,
        panel: &[f64],
    ) -> Result<Vec<f64>, KernelError> {
        let k = if K > 0 { K } else { pattern.k };
        let (dim, width) = (self.dim, tile_width(self.dim));
        let work = |tile: usize, out: &mut [f64]| {
            let first = tile * width;
            let values = &self.values[first * dim..((first + width) * dim).min(dim * dim)];
            let mut s = vec![0.0; k];
            for j in 0..pattern.q {
                if j % LEVELS_BETWEEN == 0 && watch::is_stopped() {
                    return;
                }
                let core = pattern.core(j);
                let at = (pattern.start(j) + pattern.parent_rows) * k;
                let rows = &panel[at..at + core.len() * k];
                let form = &mut out[j * k * k..(j + 1) * k * k];
                for b in columns_within(core, first, values.len() / dim) {
                    let column = &values[(core[b] as usize - first) * dim..][..dim];
                    let yb = &rows[b * k..(b + 1) * k];
                    // half the diagonal, so that s y_b' + y_b s' counts it once
                    let half = 0.5 * column[core[b] as usize];
                    for (si, y) in s.iter_mut().zip(yb) {
                        *si = half * y;
                    }
                    for (&row, ya) in core[b + 1..].iter().zip(rows[(b + 1) * k..].chunks_exact(k)) {
                        dense::axpy(column[row as usize], ya, &mut s);
                    }
                    for c in 0..k {
                        for a in 0..k {
                            form[a + c * k] += s[a] * yb[c] + yb[a] * s[c];
                        }
                    }
                }
            }
        };
        let tiles = dim.div_ceil(width);
        let mut out = memory::zeros(&[pattern.q, k, k])?;
        if tiles == 1 {
            work(0, &mut out);
            watch::check()?;
            return Ok(out);
        }
        // a fixed split, so that sums do not depend on the number of threads
        let parts: [usize; PARTS] = std::array::from_fn(|part| part);
        let parts = pool::map(&parts, |&part| {
            let mut out = memory::zeros(&[pattern.q, k, k])?;
            (part..tiles).step_by(PARTS).for_each(|tile| work(tile, &mut out));
            Ok(out)
        });
        for part in parts {
            dense::axpy(1.0, &part?, &mut out);
        }
        watch::check()?;
        Ok(out)
    }

    fn quadratic_forms_dense(&self, pattern: &Pattern, panel: &[f64]) -> Result<Vec<f64>, KernelError> {
        let (k, dim) = (pattern.k, self.dim);
        let mut out = memory::zeros(&[pattern.q, k, k])?;
        let (mut y, mut product) = (vec![], vec![]);
        for levels in batches(pattern.q) {
            watch::check()?;
            let m = k * levels.len();
            spread(pattern, panel, levels.clone(), dim, &mut y)?;
            memory::clear(&mut product, &[dim, m])?;
            dense::multiply(dim, dim, m, &self.values, &y, &mut product);
            for (index, j) in levels.enumerate() {
                let block = index * k * dim..(index + 1) * k * dim;
                let form = &mut out[j * k * k..(j + 1) * k * k];
                for c in 0..k {
                    for a in 0..k {
                        let (left, right) = (&y[block.clone()], &product[block.clone()]);
                        form[a + c * k] =
                            dense::dot_long(&left[a * dim..(a + 1) * dim], &right[c * dim..(c + 1) * dim]);
                    }
                }
            }
        }
        Ok(out)
    }

    /// Replaces the matrix A by T' A T (`transposed`) or T A T' over the blocks of the core levels.
    pub fn congruence(&mut self, blocks: &Blocks, factors: &[Vec<f64>], transposed: bool) {
        let dim = self.dim;
        let levels: Vec<(usize, usize)> = blocks.core_levels().collect();
        let scalar: Option<Vec<f64>> =
            levels.iter().map(|&(f, _)| (blocks.factors[f].k == 1).then(|| factors[f][0])).collect();
        if let Some(scale) = scalar {
            for col in 0..dim {
                let s = scale[col];
                let column = &mut self.values[col * dim..(col + 1) * dim];
                for row in col..dim {
                    column[row] *= s * scale[row];
                }
            }
            return;
        }
        let widest = blocks.factors.iter().map(|f| f.k).max().unwrap_or(1);
        let mut buffer = vec![0.0; widest];
        for &(f, start) in &levels {
            let k = blocks.factors[f].k;
            for j in 0..k {
                for i in j + 1..k {
                    self.values[start + j + (start + i) * dim] = self.values[start + i + (start + j) * dim];
                }
            }
            // columns of the block: A M with M = T (transposed) or T'
            for row in start..dim {
                for j in 0..k {
                    buffer[j] = (0..k)
                        .map(|c| {
                            let m = if transposed { factors[f][c + j * k] } else { factors[f][j + c * k] };
                            self.values[row + (start + c) * dim] * m
                        })
                        .sum();
                }
                for j in 0..k {
                    self.values[row + (start + j) * dim] = buffer[j];
                }
            }
        }
        for col in 0..dim {
            let column = &mut self.values[col * dim..(col + 1) * dim];
            for &(f, start) in &levels {
                let k = blocks.factors[f].k;
                if start + k <= col {
                    continue;
                }
                let part = &mut column[start..start + k];
                if transposed {
                    dense::matvec_transposed_small(k, &factors[f], part, &mut buffer);
                } else {
                    dense::matvec_small(k, &factors[f], part, &mut buffer);
                }
                part.copy_from_slice(&buffer[..k]);
            }
        }
    }

    /// Replaces the lower triangle by its Cholesky factor.
    pub fn cholesky(&mut self) -> Result<(), KernelError> {
        dense::cholesky(self.dim, &mut self.values)
    }

    /// B <- L^-1 B (m columns).
    pub fn forward(&self, b: &mut [f64], m: usize) {
        dense::forward(self.dim, &self.values, b, m);
    }

    /// B <- L^-T B (m columns).
    pub fn backward(&self, b: &mut [f64], m: usize) {
        dense::backward(self.dim, &self.values, b, m);
    }

    /// Inverse of L L', both triangles.
    pub fn inverse(&self) -> Result<Self, KernelError> {
        let mut out = Self::zeros(self.dim)?;
        dense::inverse_from_cholesky(self.dim, &self.values, &mut out.values)?;
        Ok(out)
    }

    /// Entry (a, b) of an inverse, or of the lower triangle when a >= b.
    #[inline(always)]
    pub fn get(&self, a: usize, b: usize) -> f64 {
        self.values[a + b * self.dim]
    }

    /// Fills the upper triangle from the lower one.
    pub fn mirror(&mut self) {
        dense::mirror_lower(self.dim, &mut self.values);
    }
}
