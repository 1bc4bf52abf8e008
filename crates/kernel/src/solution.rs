//! Everything a fit reports, in the user's columns and units, read off the factorization at the optimum.

use crate::covariance;
use crate::criterion::{criterion, pwrss};
use crate::dense;
use crate::error::KernelError;
use crate::factor::Factorization;
use crate::gradient::fixed_covariance;
use crate::inverse::{Inverse, Wanted};
use crate::memory;
use crate::modes::Modes;
use crate::newton::{Objective, Point};
use crate::problem::Problem;

/// Estimates at one theta.
#[derive(Clone, Debug)]
pub struct Solution {
    pub criterion: f64,
    /// T of each term in the user's columns, packed as lme4's theta.
    pub theta: Vec<f64>,
    pub sigma: f64,
    pub pwrss: f64,
    /// Estimable coefficients.
    pub beta: Vec<f64>,
    /// rank x rank.
    pub vcov: Vec<f64>,
    /// Per term, k x k: sigma^2 Sigma.
    pub term_cov: Vec<Vec<f64>>,
    /// Per factor in the caller's order: q x k, row-major.
    pub modes: Vec<Vec<f64>>,
    /// Per factor in the caller's order: q blocks k x k.
    pub mode_cov: Vec<Vec<f64>>,
}

/// R^-1 C R^-T for the triangular scale R of the fixed part.
pub fn unscale_fixed(problem: &Problem, covariance: &[f64]) -> Vec<f64> {
    let p = problem.n_fixed();
    let inverse = dense::inverse_upper(p, &problem.x_scale);
    let mut half = vec![0.0; p * p];
    dense::multiply_small(p, p, p, &inverse, covariance, &mut half);
    let mut out = vec![0.0; p * p];
    for j in 0..p {
        for i in 0..p {
            out[i + j * p] = (j..p).map(|c| half[i + c * p] * inverse[j + c * p]).sum();
        }
    }
    out
}

/// Coefficients of the user's columns from the correction to the least-squares fit in orthonormal coordinates.
pub fn unscale_coefficients(problem: &Problem, correction: &[f64]) -> Vec<f64> {
    let mut beta: Vec<f64> =
        correction.iter().zip(&problem.ls_coef).map(|(b, c)| b * problem.y_scale + c).collect();
    dense::solve_upper(problem.n_fixed(), &problem.x_scale, &mut beta);
    beta
}

/// Inverse scale of a factor's columns (k x k upper triangular over its terms).
fn unscale_factor(problem: &Problem, factor: usize) -> Vec<f64> {
    let f = &problem.blocks.factors[factor];
    let mut out = vec![0.0; f.k * f.k];
    for &(term, offset) in &f.terms {
        let k = problem.widths[term];
        let inverse = dense::inverse_upper(k, &problem.term_scale[term]);
        for c in 0..k {
            for r in 0..=c {
                out[offset + r + (offset + c) * f.k] = inverse[r + c * k];
            }
        }
    }
    out
}

impl Solution {
    /// `theta_star` in kernel coordinates.
    pub fn new(problem: &Problem, theta_star: &[f64], reml: bool) -> Result<Self, KernelError> {
        let roots = covariance::unpack(&problem.widths, theta_star);
        let factor = Factorization::new(problem, &roots)?;
        let modes = Modes::new(problem, &factor)?;
        Self::read(problem, &roots, &factor, &modes, reml, None)
    }

    /// Reads the factorization of an optimum; anew where its derivatives were taken next to a singular theta.
    pub fn of_point(objective: &Objective, point: &Point) -> Result<Self, KernelError> {
        if objective.is_floored(&point.theta) {
            return Self::new(objective.problem, &point.theta, objective.reml);
        }
        let roots = covariance::unpack(&objective.problem.widths, &point.theta);
        let conditional = point.first.conditional.as_deref();
        Self::read(objective.problem, &roots, &point.factor, &point.modes, objective.reml, conditional)
    }

    fn read(
        problem: &Problem,
        roots: &[Vec<f64>],
        factor: &Factorization,
        modes: &Modes,
        reml: bool,
        conditional: Option<&[Vec<f64>]>,
    ) -> Result<Self, KernelError> {
        let pwrss = pwrss(problem, factor);
        let sigma2 = pwrss / problem.n_effective(reml);

        let beta = unscale_coefficients(problem, &modes.beta);
        let mut vcov = unscale_fixed(problem, &fixed_covariance(problem, factor)?);
        vcov.iter_mut().for_each(|v| *v *= sigma2);

        let original: Vec<Vec<f64>> = (0..problem.widths.len())
            .map(|t| covariance::to_original(problem.widths[t], &roots[t], &problem.term_scale[t]))
            .collect();
        let term_cov = original
            .iter()
            .zip(&problem.widths)
            .map(|(t, &k)| covariance::product(k, t).iter().map(|v| v * sigma2).collect())
            .collect();

        let blocks = &problem.blocks;
        let computed;
        let conditional = match conditional {
            Some(given) => given,
            None => {
                let wanted = Wanted { with_fixed: false, leading_covariance: true };
                computed = Inverse::new(problem, factor, wanted)?.into_conditional(blocks)?;
                &computed
            }
        };
        let mut mode_values = vec![vec![]; blocks.factors.len()];
        let mut mode_cov = vec![vec![]; blocks.factors.len()];
        for (f, info) in blocks.factors.iter().enumerate() {
            let k = info.k;
            let back = unscale_factor(problem, f);
            let mut b = memory::zeros(&[info.q, k])?;
            for (out, level) in b.chunks_exact_mut(k).zip(modes.b[f].chunks_exact(k)) {
                dense::matvec_small(k, &back, level, out);
                out.iter_mut().for_each(|v| *v *= problem.y_scale);
            }
            let mut cov = memory::zeros(&[info.q, k, k])?;
            let mut half = vec![0.0; k * k];
            for (out, c) in cov.chunks_exact_mut(k * k).zip(conditional[f].chunks_exact(k * k)) {
                dense::multiply_small(k, k, k, &back, c, &mut half);
                for j in 0..k {
                    for i in 0..k {
                        out[i + j * k] =
                            sigma2 * (j..k).map(|h| half[i + h * k] * back[j + h * k]).sum::<f64>();
                    }
                }
            }
            mode_values[info.input] = b;
            mode_cov[info.input] = cov;
        }
        Ok(Self {
            criterion: criterion(problem, factor, reml),
            theta: covariance::pack(&problem.widths, &original),
            sigma: (factor.pwrss / problem.n_effective(reml)).sqrt() * problem.y_scale,
            pwrss,
            beta,
            vcov,
            term_cov,
            modes: mode_values,
            mode_cov,
        })
    }
}
