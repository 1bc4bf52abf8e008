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

/// -2 log-likelihood of n rows (REML: n - p) whose variance is sigma^2, from log|M| and the penalized residual sum of
/// squares W: log|M| + W / sigma^2 + n log(2 pi sigma^2).
pub fn given_sigma(log_det: f64, pwrss: f64, n: f64, log_sigma: f64) -> f64 {
    log_likelihood(log_det, pwrss * (-2.0 * log_sigma).exp(), n, 2.0 * log_sigma)
}

/// The same at its minimum over sigma^2, which is W / n.
pub fn profiled(log_det: f64, pwrss: f64, n: f64) -> f64 {
    log_likelihood(log_det, n, n, (pwrss / n).ln())
}

fn log_likelihood(log_det: f64, residual: f64, n: f64, log_variance: f64) -> f64 {
    log_det + residual + n * ((2.0 * PI).ln() + log_variance)
}

/// What the unit of y adds to log|M|, so that its square cannot overflow.
pub fn log_unit(problem: &Problem, n: f64) -> f64 {
    2.0 * n * problem.y_scale.ln()
}

/// -2 log-likelihood (ML) or REML criterion, constants included, original units.
pub fn criterion(problem: &Problem, factor: &Factorization, reml: bool) -> f64 {
    let n = problem.n_effective(reml);
    profiled(log_determinant(problem, factor, reml) + log_unit(problem, n), factor.pwrss, n)
}
