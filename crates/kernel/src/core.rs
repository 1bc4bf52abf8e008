//! The core: what is left after the eliminated factors, a symmetric matrix over the core's random effects. Dense when small
//! or filled, sparse when large and sparse; decided once per model (see `core_sparse.rs`).

use std::sync::Arc;

use crate::blocks::{Blocks, Pattern};
pub use crate::core_dense::DenseCore;
pub use crate::core_sparse::{SparseCore, SparsePattern};
use crate::dense;
use crate::error::KernelError;
use crate::memory;

/// The core matrix, its factor or its (selected) inverse.
#[derive(Clone, Debug)]
pub enum CoreMatrix {
    Dense(DenseCore),
    Sparse(SparseCore),
}

impl CoreMatrix {
    pub fn zeros(blocks: &Blocks) -> Result<Self, KernelError> {
        Ok(match &blocks.core_pattern {
            Some(pattern) => Self::Sparse(SparseCore::zeros(Arc::clone(pattern))?),
            None => Self::Dense(DenseCore::zeros(blocks.core_dim)?),
        })
    }

    /// A copy, if it can be had.
    pub fn copy(&self) -> Result<Self, KernelError> {
        Ok(match self {
            Self::Dense(m) => Self::Dense(m.copy()?),
            Self::Sparse(m) => Self::Sparse(m.copy()?),
        })
    }

    pub fn fill(&mut self, value: f64) {
        match self {
            Self::Dense(m) => m.values.fill(value),
            Self::Sparse(m) => m.values.fill(value),
        }
    }

    pub fn dim(&self) -> usize {
        match self {
            Self::Dense(m) => m.dim,
            Self::Sparse(m) => m.dim(),
        }
    }

    /// Adds to the entry at (a, b) and its mirror image.
    pub fn add(&mut self, a: usize, b: usize, value: f64) {
        match self {
            Self::Dense(m) => m.add(a, b, value),
            Self::Sparse(m) => m.add(a, b, value),
        }
    }

    /// Adds sign * V V' of every level, V being the core rows of its panel.
    pub fn add_panels(&mut self, pattern: &Pattern, panel: &[f64], sign: f64) -> Result<(), KernelError> {
        match self {
            Self::Dense(m) => m.add_panels(pattern, panel, sign),
            Self::Sparse(m) => m.add_panels(pattern, panel, sign),
        }
    }

    /// Adds sign * V V' of one level, V being the core rows of its panel.
    pub fn add_level(&mut self, pattern: &Pattern, panel: &[f64], j: usize, sign: f64) {
        let (k, core) = (pattern.k, pattern.core(j));
        let at = (pattern.start(j) + pattern.parent_rows) * k;
        let rows = &panel[at..at + core.len() * k];
        for (b, vb) in rows.chunks_exact(k).enumerate() {
            for (a, va) in rows.chunks_exact(k).enumerate().skip(b) {
                self.add(core[a] as usize, core[b] as usize, sign * dense::dot(va, vb));
            }
        }
    }

    /// Y'A Y (k x k) of every level, Y being the core rows of its panel and A this inverse.
    pub fn quadratic_forms(&self, pattern: &Pattern, panel: &[f64]) -> Result<Vec<f64>, KernelError> {
        match self {
            Self::Dense(m) => m.quadratic_forms(pattern, panel),
            Self::Sparse(m) => m.quadratic_forms(pattern, panel),
        }
    }

    /// Replaces the matrix A by T' A T (`transposed`) or T A T' over the blocks of the core levels.
    pub fn congruence(&mut self, blocks: &Blocks, factors: &[Vec<f64>], transposed: bool) {
        match self {
            Self::Dense(m) => m.congruence(blocks, factors, transposed),
            Self::Sparse(m) => m.congruence(blocks, factors, transposed),
        }
    }

    /// The k x k diagonal blocks of the core levels, one after the other.
    pub fn diagonal_blocks(&self, blocks: &Blocks) -> Result<Vec<f64>, KernelError> {
        let widest = blocks.core.iter().map(|&(f, _)| blocks.factors[f].k).max().unwrap_or(0);
        let mut out = memory::room(&[blocks.core_dim, widest])?;
        for (f, start) in blocks.core_levels() {
            let k = blocks.factors[f].k;
            for b in 0..k {
                for a in 0..k {
                    out.push(self.get(start + a.max(b), start + a.min(b)));
                }
            }
        }
        Ok(out)
    }

    pub fn add_identity(&mut self) {
        for i in 0..self.dim() {
            self.add(i, i, 1.0);
        }
    }

    /// Replaces the lower triangle by its Cholesky factor.
    pub fn cholesky(&mut self) -> Result<(), KernelError> {
        match self {
            Self::Dense(m) => m.cholesky(),
            Self::Sparse(m) => m.cholesky(),
        }
    }

    /// log det of the matrix of which this is the Cholesky factor.
    pub fn log_det(&self) -> f64 {
        (0..self.dim()).map(|i| 2.0 * self.get(i, i).ln()).sum()
    }

    /// B <- L^-1 B (m columns); rows in elimination order.
    pub fn forward(&self, b: &mut [f64], m: usize) -> Result<(), KernelError> {
        match self {
            Self::Dense(c) => {
                c.forward(b, m);
                Ok(())
            }
            Self::Sparse(c) => c.forward(b, m),
        }
    }

    /// B <- L^-T B (m columns); rows in elimination order on entry.
    pub fn backward(&self, b: &mut [f64], m: usize) -> Result<(), KernelError> {
        match self {
            Self::Dense(c) => {
                c.backward(b, m);
                Ok(())
            }
            Self::Sparse(c) => c.backward(b, m),
        }
    }

    /// Inverse of L L': all of it (dense) or its entries in the pattern of L (sparse).
    pub fn inverse(&self) -> Result<Self, KernelError> {
        Ok(match self {
            Self::Dense(m) => Self::Dense(m.inverse()?),
            Self::Sparse(m) => Self::Sparse(m.inverse()?),
        })
    }

    /// Entry (a, b) with a >= b, or any entry of an inverse that lies in the pattern.
    pub fn get(&self, a: usize, b: usize) -> f64 {
        match self {
            Self::Dense(m) => m.get(a, b),
            Self::Sparse(m) => m.get(a, b),
        }
    }

    /// Fills the upper triangle where it is stored.
    pub fn mirror(&mut self) {
        if let Self::Dense(m) = self {
            m.mirror();
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
