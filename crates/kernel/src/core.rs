//! The core: what is left after the eliminated factors. A symmetric matrix over the core's random effects,
//! bordered by the tail (fixed effects and response).

use crate::blocks::Blocks;
use crate::dense;
use crate::error::KernelError;

/// Symmetric core matrix over the core coordinates, lower triangle of a dense square.
#[derive(Clone, Debug)]
pub struct CoreMatrix {
    pub dim: usize,
    pub values: Vec<f64>,
}

impl CoreMatrix {
    pub fn zeros(dim: usize) -> Self {
        Self { dim, values: vec![0.0; dim * dim] }
    }

    /// Adds to the entry at (row, col) or its mirror image.
    #[inline(always)]
    pub fn add(&mut self, a: usize, b: usize, value: f64) {
        let (row, col) = if a >= b { (a, b) } else { (b, a) };
        self.values[row + col * self.dim] += value;
    }

    /// Adds sign * V V' for panel rows V (one row of k values per listed coordinate, coordinates ascending).
    #[inline(always)]
    pub fn add_outer(&mut self, coordinates: &[u32], k: usize, v: &[f64], sign: f64) {
        let dim = self.dim;
        for (b, &col) in coordinates.iter().enumerate() {
            let column = &mut self.values[col as usize * dim..(col as usize + 1) * dim];
            let vb = &v[b * k..(b + 1) * k];
            for (a, &row) in coordinates.iter().enumerate().skip(b) {
                column[row as usize] += sign * dense::dot(&v[a * k..(a + 1) * k], vb);
            }
        }
    }

    /// Adds sign * V V' for V dense over the whole core (dim x m, column-major).
    pub fn add_outer_dense(&mut self, m: usize, v: &[f64], sign: f64) {
        dense::add_outer_lower(self.dim, m, sign, v, &mut self.values);
    }

    /// Replaces the matrix A by T' A T (`transposed`) or T A T' over the blocks of the core levels.
    pub fn congruence(&mut self, blocks: &Blocks, factors: &[Vec<f64>], transposed: bool) {
        let dim = self.dim;
        let levels: Vec<(usize, usize)> = blocks.core_levels().collect();
        let scalar: Option<Vec<f64>> = levels
            .iter()
            .map(|&(f, _)| (blocks.factors[f].k == 1).then(|| factors[f][0]))
            .collect();
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

    /// The k x k diagonal blocks of the core levels, one after the other.
    pub fn diagonal_blocks(&self, blocks: &Blocks) -> Vec<f64> {
        let mut out = vec![];
        for (f, start) in blocks.core_levels() {
            let k = blocks.factors[f].k;
            for b in 0..k {
                for a in 0..k {
                    let (row, col) = (start + a.max(b), start + a.min(b));
                    out.push(self.values[row + col * self.dim]);
                }
            }
        }
        out
    }

    pub fn add_identity(&mut self) {
        for i in 0..self.dim {
            self.values[i + i * self.dim] += 1.0;
        }
    }

    /// Replaces the lower triangle by its Cholesky factor.
    pub fn cholesky(&mut self) -> Result<(), KernelError> {
        dense::cholesky(self.dim, &mut self.values)
    }

    /// log det of the matrix of which this is the Cholesky factor.
    pub fn log_det(&self) -> f64 {
        (0..self.dim).map(|i| 2.0 * self.values[i + i * self.dim].ln()).sum()
    }

    /// B <- L^-1 B (m columns).
    pub fn forward(&self, b: &mut [f64], m: usize) {
        dense::forward(self.dim, &self.values, b, m);
    }

    /// B <- L^-T B (m columns).
    pub fn backward(&self, b: &mut [f64], m: usize) {
        dense::backward(self.dim, &self.values, b, m);
    }

    /// Inverse of L L' (both triangles), plus W W' when given (dim x m).
    pub fn inverse(&self, w: Option<(&[f64], usize)>) -> Self {
        let mut out = Self::zeros(self.dim);
        dense::inverse_from_cholesky(self.dim, &self.values, &mut out.values);
        if let Some((w, m)) = w
            && self.dim > 0
            && m > 0
        {
            dense::add_outer_lower(self.dim, m, 1.0, w, &mut out.values);
            dense::mirror_lower(self.dim, &mut out.values);
        }
        out
    }

    /// Copies the sub-matrix at the listed coordinates into `out` (leading dimension ld, at row and column `at`).
    #[inline(always)]
    pub fn gather(&self, coordinates: &[u32], out: &mut [f64], ld: usize, at: usize) {
        for (b, &col) in coordinates.iter().enumerate() {
            let column = &self.values[col as usize * self.dim..(col as usize + 1) * self.dim];
            let target = &mut out[(at + b) * ld + at..];
            for (slot, &row) in target.iter_mut().zip(coordinates) {
                *slot = column[row as usize];
            }
        }
    }
}

/// x <- T x or T' x on the core coordinates of `m` columns.
pub fn apply_blocks(blocks: &Blocks, factors: &[Vec<f64>], transposed: bool, x: &mut [f64], m: usize) {
    let widest = blocks.factors.iter().map(|f| f.k).max().unwrap_or(1);
    let mut buffer = vec![0.0; widest];
    for column in x.chunks_exact_mut(blocks.core_dim.max(1)).take(m) {
        for (f, start) in blocks.core_levels() {
            let k = blocks.factors[f].k;
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
