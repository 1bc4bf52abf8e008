//! -2 log-likelihood with its derivatives at one place of a profile's coordinates.
//!
//! Sigma free: d = log|M| + W / sigma^2 + n log(2 pi sigma^2), W the penalized residual sum of squares. A coefficient held at
//! c: d = log|M| + n (1 + log(2 pi r^2 / n)), r^2 = W + (c - c_hat)^2 / v with c_hat and v its estimate and unscaled variance at
//! theta. The gradient is exact; of the Hessian the part quadratic in the covariance is average information.

use crate::covariance;
use crate::criterion::{given_sigma, log_determinant, log_unit, profiled};
use crate::dense;
use crate::error::KernelError;
use crate::factor::Factorization;
use crate::gradient::{
    FirstOrder, along_roots, average_information, fixed_covariance, product_derivative, term_direction,
};
use crate::modes::{Modes, fixed_effects};
use crate::newton::{Objective, second_order_of_product};
use crate::profile::coordinates::{Combination, Coordinates};

#[derive(Clone, Debug)]
pub struct Evaluation {
    pub value: f64,
    /// Over the m + 1 coordinates.
    pub gradient: Vec<f64>,
    pub hessian: Vec<f64>,
    /// The Hessian without its parts of either sign.
    pub information: Vec<f64>,
    /// Per term, derivative with respect to Sigma of the turned columns, and that of log|M| alone.
    pub gamma: Vec<Vec<f64>>,
    pub log_det_gradient: Vec<Vec<f64>>,
    pub units: Vec<f64>,
}

/// What a coefficient held away from its estimate adds.
struct Held {
    beta: Vec<f64>,
    /// Change of beta per unit of the coefficient, others at their best.
    along: Vec<f64>,
    /// c - c_hat, and v.
    distance: f64,
    variance: f64,
}

impl Held {
    fn new(
        objective: &Objective,
        factor: &Factorization,
        combination: &Combination,
        psi: f64,
    ) -> Result<Self, KernelError> {
        let p = objective.problem.n_fixed();
        let mut beta = fixed_effects(factor, p);
        let mut along = vec![0.0; p];
        dense::matvec_small(p, &fixed_covariance(objective.problem, factor)?, &combination.a, &mut along);
        let variance = dense::dot(&combination.a, &along);
        along.iter_mut().for_each(|v| *v /= variance);
        let distance =
            combination.estimate + psi * combination.standard_error - dense::dot(&combination.a, &beta);
        dense::axpy(distance, &along, &mut beta);
        Ok(Self { beta, along, distance, variance })
    }

    fn excess(&self) -> f64 {
        self.distance * self.distance / self.variance
    }
}

/// The criterion from log|M| and, with a coefficient held, r^2, or else W and log sigma.
fn criterion(objective: &Objective, factor: &Factorization, held: Option<&Held>, log_sigma: f64) -> f64 {
    let problem = objective.problem;
    let n = problem.n as f64;
    let log_det = log_determinant(problem, factor, false) + log_unit(problem, n);
    match held {
        Some(held) => profiled(log_det, factor.pwrss + held.excess(), n),
        None => given_sigma(log_det, factor.pwrss, n, log_sigma),
    }
}

impl Evaluation {
    pub fn new(objective: &Objective, coordinates: &Coordinates, x: &[f64]) -> Result<Self, KernelError> {
        let problem = objective.problem;
        let (widths, list) = (&coordinates.widths, &coordinates.list);
        let m = list.len();
        let natural = coordinates.natural(x);
        if let Some(index) = natural.iter().position(|v| !v.is_finite()) {
            return Err(KernelError::Parameter { index, value: natural[index] });
        }
        let star = covariance::theta_to_scaled(widths, &coordinates.scales, &natural[..m]);
        let roots = objective.floored_roots(&star);
        let factor = Factorization::new(problem, &roots)?;
        let hold = |factor: &Factorization| {
            coordinates.combination().map(|c| Held::new(objective, factor, c, x[m])).transpose()
        };
        let held = hold(&factor)?;
        let modes = match &held {
            Some(h) => Modes::given(problem, &factor, h.beta.clone())?,
            None => Modes::new(problem, &factor)?,
        };
        let first = FirstOrder::new(problem, &factor, &modes, &roots, false, false)?;
        // at singular T of core factors derivatives are read next to it, the value at it
        let value = if objective.is_floored(&star) {
            let exact = objective.factorize(&star)?;
            criterion(objective, &exact, hold(&exact)?.as_ref(), natural[m])
        } else {
            criterion(objective, &factor, held.as_ref(), natural[m])
        };

        // 1 / sigma^2, free or profiled out
        let n = problem.n as f64;
        let precision = match &held {
            Some(h) => n / (factor.pwrss + h.excess()),
            None => (-2.0 * natural[m]).exp(),
        };
        let turned = covariance::unpack(widths, &natural[..m]);
        let back = |matrices: &[Vec<f64>]| -> Vec<Vec<f64>> {
            let of = |t: usize| {
                covariance::derivative_to_original(widths[t], &matrices[t], &coordinates.scales[t])
            };
            (0..widths.len()).map(of).collect()
        };
        let log_det_gradient = back(&first.information);
        let gamma: Vec<Vec<f64>> = log_det_gradient
            .iter()
            .zip(back(&first.score_outer))
            .map(|(b, e)| b.iter().zip(e).map(|(b, e)| b - precision * e).collect())
            .collect();
        let mut gradient = along_roots(list, widths, &gamma, &turned);

        let directions: Vec<_> = list
            .iter()
            .map(|c| {
                let k = widths[c.term];
                let change = product_derivative(c, k, &turned[c.term]);
                let change = covariance::change_to_scaled(k, &change, &coordinates.scales[c.term]);
                term_direction(problem, c.term, &change)
            })
            .collect();
        let (q, s) = average_information(problem, &factor, &modes, &directions)?;
        let size = m + 1;
        let mut information = vec![0.0; size * size];
        let mut cross = vec![0.0; m];
        let last = match &held {
            Some(h) => {
                // x'P f_a, x being the column held and P the projection off the others
                let moved: Vec<f64> = h.beta.iter().zip(&h.along).map(|(b, a)| b + a).collect();
                let other = Modes::given(problem, &factor, moved)?;
                let kappa: Vec<f64> = directions
                    .iter()
                    .map(|d| {
                        let k = problem.blocks.factors[d.factor].k;
                        let (e, f) = (&modes.score[d.factor], &other.score[d.factor]);
                        let mut image = vec![0.0; k];
                        let levels = e.chunks_exact(k).zip(f.chunks_exact(k));
                        levels
                            .map(|(e, f)| {
                                dense::matvec_small(k, &d.sigma_dot, e, &mut image);
                                image.iter().zip(e.iter().zip(f)).map(|(i, (e, f))| i * (e - f)).sum::<f64>()
                            })
                            .sum()
                    })
                    .collect();
                let pull = 2.0 * h.distance / h.variance * precision / n;
                for b in 0..m {
                    for a in 0..m {
                        // with x in the projection; the change of its part in y's residual has no trace to offset it
                        let own = q[a + b * m] + 2.0 * h.variance * kappa[a] * kappa[b];
                        information[a + b * size] = precision * (own - precision / n * s[a] * s[b]);
                    }
                }
                // per standard error
                let unit = coordinates.combination().map_or(1.0, |c| c.standard_error);
                for a in 0..m {
                    cross[a] = unit * precision * (pull * s[a] + 2.0 * kappa[a]);
                }
                gradient.push(unit * n * pull);
                unit * unit * (2.0 * precision / h.variance - n * pull * pull)
            }
            None => {
                for b in 0..m {
                    for a in 0..m {
                        information[a + b * size] = precision * q[a + b * m];
                    }
                    cross[b] = 2.0 * precision * s[b];
                }
                gradient.push(2.0 * n - 2.0 * factor.pwrss * precision);
                4.0 * factor.pwrss * precision
            }
        };
        for a in 0..m {
            information[a + m * size] = cross[a];
            information[m + a * size] = cross[a];
        }
        information[m + m * size] = last;
        let mut hessian = information.clone();
        for b in 0..m {
            for a in 0..m {
                hessian[a + b * size] += second_order_of_product(list, widths, &gamma, a, b);
            }
        }
        if let Some(j) = coordinates.jacobian(x, &natural) {
            let bend = coordinates.bend(x, &natural, &gradient);
            hessian = covariance::derivative_to_original(size, &hessian, &j);
            information = covariance::derivative_to_original(size, &information, &j);
            for (a, b, v) in bend {
                hessian[a + b * size] += v;
            }
            let mut moved = vec![0.0; size];
            dense::matvec_transposed_small(size, &j, &gradient, &mut moved);
            gradient = moved;
        }
        let units = coordinates.units(&natural);
        Ok(Self { value, gradient, hessian, information, gamma, log_det_gradient, units })
    }
}
