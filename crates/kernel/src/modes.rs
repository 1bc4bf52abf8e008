//! Fixed effects and conditional modes from a factorization, in kernel units.

use crate::blocks::{Blocks, Pattern};
use crate::core;
use crate::dense;
use crate::error::KernelError;
use crate::factor::Factorization;
use crate::memory;
use crate::problem::Problem;

/// Solution of the penalized least-squares problem. All in orthonormal columns and units of `Problem::y_scale`.
#[derive(Clone, Debug)]
pub struct Modes {
    /// Correction to the least-squares coefficients.
    pub beta: Vec<f64>,
    /// Per factor (kernel order), q x k by level: e = Z'V^-1(y - X beta), the derivative of the fit at the level.
    pub score: Vec<Vec<f64>>,
    /// Per factor, q x k by level: b = Sigma e.
    pub b: Vec<Vec<f64>>,
}

/// Coefficients of the panel rows of a level except the response: parents, core, fixed effects.
pub struct PanelCoefficients<'a> {
    pub blocks: &'a Blocks,
    /// b of later eliminated factors by position in `Blocks::eliminated` (empty slots before them).
    pub later: &'a [Vec<f64>],
    pub core: &'a [f64],
    pub beta: &'a [f64],
}

impl PanelCoefficients<'_> {
    /// out (k) <- response row - sum over rows of coefficient * row, for panel rows `rows` of level `j`.
    #[inline(always)]
    fn residual(&self, pattern: &Pattern, j: usize, k: usize, rows: &[f64], out: &mut [f64]) {
        let core = pattern.core(j);
        let tail_start = pattern.parent_rows + core.len();
        let p = self.beta.len();
        out.copy_from_slice(&rows[(tail_start + p) * k..(tail_start + p + 1) * k]);
        for parent in &pattern.parents {
            let kp = self.blocks.eliminated[parent.elim].k;
            let level = parent.level[j] as usize;
            for a in 0..kp {
                let b = self.later[parent.elim][level * kp + a];
                dense::axpy(-b, &rows[(parent.first_row + a) * k..(parent.first_row + a + 1) * k], out);
            }
        }
        for (c, &at) in core.iter().enumerate() {
            let r = pattern.parent_rows + c;
            dense::axpy(-self.core[at as usize], &rows[r * k..(r + 1) * k], out);
        }
        for (t, &b) in self.beta.iter().enumerate() {
            let r = tail_start + t;
            dense::axpy(-b, &rows[r * k..(r + 1) * k], out);
        }
    }
}

/// T^-T x for a lower triangular k x k root with nonzero diagonal.
pub fn inverse_transposed_root(k: usize, t: &[f64], x: &mut [f64]) {
    dense::backward_small(k, t, x);
}

/// (I + H Sigma)^-1 B in place (nrhs columns).
pub fn shrink(k: usize, h: &[f64], sigma: &[f64], b: &mut [f64], nrhs: usize) -> Result<(), KernelError> {
    if k == 1 {
        let d = 1.0 + h[0] * sigma[0];
        b.iter_mut().for_each(|v| *v /= d);
        return Ok(());
    }
    let mut a = vec![0.0; k * k];
    dense::multiply_small(k, k, k, h, sigma, &mut a);
    for i in 0..k {
        a[i + i * k] += 1.0;
    }
    dense::solve_general_small(k, &mut a, b, nrhs)
}

/// Estimates of the fixed effects: the correction to the least-squares coefficients.
pub fn fixed_effects(factor: &Factorization, p: usize) -> Vec<f64> {
    let width = p + 1;
    let mut beta: Vec<f64> = (0..p).map(|i| factor.tail[p + i * width]).collect();
    for i in (0..p).rev() {
        let mut s = beta[i];
        for c in i + 1..p {
            s -= factor.tail[c + i * width] * beta[c];
        }
        beta[i] = s / factor.tail[i + i * width];
    }
    beta
}

impl Modes {
    /// `score` of core factors needs a nonsingular T; with a singular one it is left at zero (b is always right).
    pub fn new(problem: &Problem, factor: &Factorization) -> Result<Self, KernelError> {
        Self::given(problem, factor, fixed_effects(factor, problem.n_fixed()))
    }

    /// The same with the fixed effects held at given values.
    pub fn given(problem: &Problem, factor: &Factorization, beta: Vec<f64>) -> Result<Self, KernelError> {
        let blocks = &problem.blocks;
        let dim = blocks.core_dim;
        let p = beta.len();
        let zeros = || -> Result<Vec<Vec<f64>>, KernelError> {
            blocks.factors.iter().map(|f| memory::zeros(&[f.q, f.k])).collect()
        };
        let (mut score, mut b) = (zeros()?, zeros()?);
        let mut u = memory::copy(&factor.border[p * dim..])?;
        for (t, &coef) in beta.iter().enumerate() {
            dense::axpy(-coef, &factor.border[t * dim..(t + 1) * dim], &mut u);
        }
        factor.core.backward(&mut u, 1)?;
        for &(f, offset) in &blocks.core {
            let (q, k) = (blocks.factors[f].q, blocks.factors[f].k);
            let root = &factor.roots[f];
            let regular = (0..k).all(|i| root[i + i * k] != 0.0);
            score[f].copy_from_slice(&u[offset..offset + q * k]);
            for l in 0..q {
                let part = &mut score[f][l * k..(l + 1) * k];
                if regular {
                    inverse_transposed_root(k, root, part);
                } else {
                    part.fill(0.0);
                }
            }
        }
        core::apply_blocks(blocks, &factor.roots, false, &mut u, 1);
        for &(f, offset) in &blocks.core {
            let size = b[f].len();
            b[f].copy_from_slice(&u[offset..offset + size]);
        }

        let mut later: Vec<Vec<f64>> = vec![vec![]; blocks.eliminated.len()];
        for e in (1..blocks.eliminated.len()).rev() {
            let pattern = &blocks.eliminated[e];
            let (f, k) = (pattern.factor, pattern.k);
            let sigma = crate::covariance::product(k, &factor.roots[f]);
            let coefficients = PanelCoefficients { blocks, later: &later, core: &u, beta: &beta };
            let schur = &factor.later[e - 1].schur;
            let mut modes = memory::zeros(&[pattern.q, k])?;
            for j in 0..pattern.q {
                let start = pattern.start(j);
                let rows = &schur.panel[start * k..(start + pattern.rows(j)) * k];
                let part = &mut score[f][j * k..(j + 1) * k];
                coefficients.residual(pattern, j, k, rows, part);
                shrink(k, &schur.diag[j * k * k..(j + 1) * k * k], &sigma, part, 1)?;
                dense::matvec_small(k, &sigma, part, &mut modes[j * k..(j + 1) * k]);
            }
            b[f].copy_from_slice(&modes);
            later[e] = modes;
        }

        let pattern = &blocks.eliminated[0];
        let (f, k) = (pattern.factor, pattern.k);
        let sigma = crate::covariance::product(k, &factor.roots[f]);
        let coefficients = PanelCoefficients { blocks, later: &later, core: &u, beta: &beta };
        let mut x = vec![0.0; k];
        for j in 0..pattern.q {
            let start = pattern.start(j);
            let rows = &factor.leading.panel[start * k..(start + pattern.rows(j)) * k];
            coefficients.residual(pattern, j, k, rows, &mut x);
            dense::backward_small(k, &factor.leading.chol[j * k * k..(j + 1) * k * k], &mut x);
            let part = &mut score[f][j * k..(j + 1) * k];
            dense::matvec_transposed_small(k, &problem.panels[0].diag[j * k * k..(j + 1) * k * k], &x, part);
            dense::matvec_small(k, &sigma, part, &mut b[f][j * k..(j + 1) * k]);
        }
        Ok(Self { beta, score, b })
    }
}
