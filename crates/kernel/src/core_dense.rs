//! The core as a dense square matrix: lower triangle of a symmetric matrix, its Cholesky factor, or (both triangles) its
//! inverse.

use std::ops::Range;

use rayon::prelude::*;

use crate::blocks::{Blocks, Pattern};
use crate::dense;
use crate::error::KernelError;

/// Entries of a tile of columns that stays in cache while all levels pass over it.
const TILE: usize = 1 << 19;
/// Partial sums that threads share.
const PARTS: usize = 4;
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
fn spread(pattern: &Pattern, panel: &[f64], levels: Range<usize>, dim: usize, out: &mut Vec<f64>) {
    let k = pattern.k;
    out.clear();
    out.resize(dim * k * levels.len(), 0.0);
    for (index, j) in levels.enumerate() {
        let first = (pattern.start(j) + pattern.parent_rows) * k;
        for (c, &at) in pattern.core(j).iter().enumerate() {
            for a in 0..k {
                out[at as usize + (index * k + a) * dim] = panel[first + c * k + a];
            }
        }
    }
}

/// Column-major dim x dim.
#[derive(Clone, Debug)]
pub struct DenseCore {
    pub dim: usize,
    pub values: Vec<f64>,
}

impl DenseCore {
    pub fn zeros(dim: usize) -> Self {
        Self { dim, values: vec![0.0; dim * dim] }
    }

    /// Adds to the entry at (row, col) or its mirror image.
    #[inline(always)]
    pub fn add(&mut self, a: usize, b: usize, value: f64) {
        let (row, col) = if a >= b { (a, b) } else { (b, a) };
        self.values[row + col * self.dim] += value;
    }

    /// Adds sign * V V' of every level, V being the core rows of its panel.
    pub fn add_panels(&mut self, pattern: &Pattern, panel: &[f64], sign: f64) {
        if pattern.core_rows.is_empty() {
            return;
        }
        if pattern.meets_most_of_core(self.dim) {
            let mut buffer = vec![];
            for levels in batches(pattern.q) {
                let m = pattern.k * levels.len();
                spread(pattern, panel, levels, self.dim, &mut buffer);
                dense::add_outer_lower(self.dim, m, sign, &buffer, &mut self.values);
            }
            return;
        }
        match pattern.k {
            1 => self.add_panels_sized::<1>(pattern, panel, sign),
            2 => self.add_panels_sized::<2>(pattern, panel, sign),
            _ => self.add_panels_sized::<0>(pattern, panel, sign),
        }
    }

    fn add_panels_sized<const K: usize>(&mut self, pattern: &Pattern, panel: &[f64], sign: f64) {
        let k = if K > 0 { K } else { pattern.k };
        let (dim, width) = (self.dim, tile_width(self.dim));
        let work = |(tile, values): (usize, &mut [f64])| {
            let first = tile * width;
            for j in 0..pattern.q {
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
            work((0, &mut self.values));
        } else {
            self.values.par_chunks_mut(dim * width).enumerate().for_each(work);
        }
    }

    /// Y'A Y (k x k) of every level, Y being the core rows of its panel and A this matrix (both
    /// triangles filled).
    pub fn quadratic_forms(&self, pattern: &Pattern, panel: &[f64]) -> Vec<f64> {
        let size = pattern.q * pattern.k * pattern.k;
        if pattern.core_rows.is_empty() {
            return vec![0.0; size];
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

    fn quadratic_forms_sized<const K: usize>(&self, pattern: &Pattern, panel: &[f64]) -> Vec<f64> {
        let k = if K > 0 { K } else { pattern.k };
        let (dim, width) = (self.dim, tile_width(self.dim));
        let work = |tile: usize, out: &mut [f64]| {
            let first = tile * width;
            let values = &self.values[first * dim..((first + width) * dim).min(dim * dim)];
            let mut s = vec![0.0; k];
            for j in 0..pattern.q {
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
        let size = pattern.q * k * k;
        let tiles = dim.div_ceil(width);
        if tiles == 1 {
            let mut out = vec![0.0; size];
            work(0, &mut out);
            return out;
        }
        // a fixed split, so that sums do not depend on the number of threads
        let parts: Vec<Vec<f64>> = (0..PARTS)
            .into_par_iter()
            .map(|part| {
                let mut out = vec![0.0; size];
                (part..tiles).step_by(PARTS).for_each(|tile| work(tile, &mut out));
                out
            })
            .collect();
        let mut out = vec![0.0; size];
        for part in &parts {
            dense::axpy(1.0, part, &mut out);
        }
        out
    }

    fn quadratic_forms_dense(&self, pattern: &Pattern, panel: &[f64]) -> Vec<f64> {
        let (k, dim) = (pattern.k, self.dim);
        let mut out = vec![0.0; pattern.q * k * k];
        let (mut y, mut product) = (vec![], vec![]);
        for levels in batches(pattern.q) {
            let m = k * levels.len();
            spread(pattern, panel, levels.clone(), dim, &mut y);
            product.resize(dim * m, 0.0);
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
        out
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
    pub fn inverse(&self) -> Self {
        let mut out = Self::zeros(self.dim);
        dense::inverse_from_cholesky(self.dim, &self.values, &mut out.values);
        out
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
