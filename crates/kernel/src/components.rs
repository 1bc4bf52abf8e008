//! The parts of the criterion and their gradients at any theta, in the user's columns.

use crate::covariance;
use crate::criterion::{criterion, log_determinant, pwrss};
use crate::error::KernelError;
use crate::gradient::{along_roots, fixed_covariance};
use crate::modes::Modes;
use crate::newton::Objective;
use crate::solution::{unscale_coefficients, unscale_fixed};

/// Criterion = log_det + pwrss / sigma^2 + N log(2 pi sigma^2), minimized over sigma^2 = pwrss / N.
#[derive(Clone, Debug)]
pub struct Components {
    pub criterion: f64,
    /// log |M| with all constants except those of sigma.
    pub log_det: f64,
    pub pwrss: f64,
    /// Gradients over theta in lme4's order.
    pub log_det_gradient: Vec<f64>,
    pub log_pwrss_gradient: Vec<f64>,
    /// Estimable coefficients.
    pub beta: Vec<f64>,
    /// Their covariance divided by sigma^2 (rank x rank).
    pub vcov_unscaled: Vec<f64>,
}

impl Components {
    /// `theta` in lme4's order and the user's columns.
    pub fn new(objective: &Objective, theta: &[f64]) -> Result<Self, KernelError> {
        let problem = objective.problem;
        let (widths, scales) = (&problem.widths, &problem.term_scale);
        let star = covariance::theta_to_scaled(widths, scales, theta);
        let (factor, modes, first) = objective.first_order(&star)?;
        let roots = covariance::unpack(widths, theta);
        let gradient = |derivatives: &[Vec<f64>]| {
            let original: Vec<Vec<f64>> = (0..widths.len())
                .map(|t| covariance::derivative_to_original(widths[t], &derivatives[t], &scales[t]))
                .collect();
            along_roots(&objective.coords, widths, &original, &roots)
        };
        // at singular T of core factors derivatives are read next to it, the value at it
        let (at, modes) = if objective.is_floored(&star) {
            let exact = objective.factorize(&star)?;
            let modes = Modes::new(problem, &exact)?;
            (exact, modes)
        } else {
            (factor, modes)
        };
        Ok(Self {
            criterion: criterion(problem, &at, objective.reml),
            log_det: log_determinant(problem, &at, objective.reml),
            pwrss: pwrss(problem, &at),
            log_det_gradient: gradient(&first.information),
            log_pwrss_gradient: gradient(&first.score_outer).iter().map(|g| -g / at.pwrss).collect(),
            beta: unscale_coefficients(problem, &modes.beta),
            vcov_unscaled: unscale_fixed(problem, &fixed_covariance(problem, &at)?),
        })
    }
}
