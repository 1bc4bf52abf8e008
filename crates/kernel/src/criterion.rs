//! The ML and REML criteria from a factorization: the only definition in the project.

use std::f64::consts::PI;

use crate::factor::Factorization;
use crate::problem::Problem;

/// log |M| with the constants that do not depend on sigma: minus the sum of log weights and, for REML, the scale of X.
pub fn log_determinant(problem: &Problem, factor: &Factorization, reml: bool) -> f64 {
    let mut value = factor.log_det_random - problem.log_weights;
    if reml {
        let p = problem.n_fixed();
        let log_r: f64 = (0..p).map(|i| 2.0 * problem.x_scale[i + i * p].abs().ln()).sum();
        value += factor.log_det_fixed + log_r;
    }
    value
}

/// Penalized residual sum of squares in the units of the response.
pub fn pwrss(problem: &Problem, factor: &Factorization) -> f64 {
    factor.pwrss * problem.y_scale * problem.y_scale
}

/// -2 log-likelihood (ML) or REML criterion, constants included, original units.
pub fn criterion(problem: &Problem, factor: &Factorization, reml: bool) -> f64 {
    let n = problem.n_effective(reml);
    // the unit of y apart, so that its square cannot overflow
    let log_variance = (2.0 * PI * factor.pwrss / n).ln() + 2.0 * problem.y_scale.ln();
    log_determinant(problem, factor, reml) + n * (1.0 + log_variance)
}
