//! Profile likelihood of single parameters: standard deviations, correlations, sigma, coefficients.
//!
//! The criterion is that of maximum likelihood. Both sides of every parameter are walked on their own, in threads where an
//! evaluation is worth it; nothing here depends on the number of rows.

mod coordinates;
mod evaluation;
#[cfg(test)]
mod tests;
mod walk;

use crate::certificate::{Curvature, worth_threads};
use crate::covariance;
use crate::error::KernelError;
use crate::gradient::{fixed_covariance, product_derivative};
use crate::newton::{Objective, Point, trust_region_step};
use crate::pool;
use crate::problem::Problem;
use crate::watch::Watch;

use coordinates::{Coordinates, Estimate};
use evaluation::Evaluation;
use walk::{BELOW_FIT, Mark, Walk};

pub use coordinates::Parameter;

/// Steps of differences, in units of the coordinates.
const DIFFERENCE: f64 = 1e-4;
/// Stops and spacings that a walk can take (zeta units): 38 is the end of the normal distribution in double precision.
const STOPS: (f64, f64) = (0.0, 100.0);
const SPACINGS: (f64, f64) = (1e-3, 100.0);
/// A stop is sought directly from this close (zeta units).
const LAST_LEG: f64 = 0.75;

/// The profile of one parameter on its own scale, ascending.
#[derive(Clone, Debug)]
pub struct Curve {
    pub estimate: f64,
    pub values: Vec<f64>,
    pub zeta: Vec<f64>,
    /// d zeta / d value; infinite where the scale ends.
    pub slope: Vec<f64>,
}

/// Curves of `parameters` at the maximum-likelihood estimate `theta` (kernel coordinates). Each side goes through the
/// `stops` (values of |zeta|, ascending) or to the bound, with points about `spacing` apart in between where it is given.
pub fn profile(
    problem: &Problem,
    theta: &[f64],
    parameters: &[Parameter],
    stops: &[f64],
    spacing: Option<f64>,
    watch: &Watch,
) -> Result<Vec<Curve>, KernelError> {
    if let Some(index) = parameters.iter().position(|p| !p.exists(problem)) {
        return Err(KernelError::UnknownParameter { index });
    }
    stops.iter().try_for_each(|&stop| check_range("stop of a profile", stop, STOPS))?;
    spacing.map_or(Ok(()), |spacing| check_range("spacing of a profile", spacing, SPACINGS))?;
    if parameters.is_empty() {
        return Ok(vec![]);
    }
    let objective = Objective::new(problem, false);
    let point = objective.point(theta)?;
    let (unit, free) = (vec![1.0; theta.len()], vec![true; theta.len()]);
    let (_, _, gain) = trust_region_step(&point.first.gradient, &point.hessian, &unit, &free, 1.0)?;
    if gain.is_finite() && gain > BELOW_FIT {
        return Err(KernelError::Profile { parameter: 0, reason: Box::new(KernelError::BelowFit { gain }) });
    }
    let estimate = Estimate {
        theta: theta.to_vec(),
        log_sigma: 0.5 * (point.factor.pwrss / problem.n as f64).ln(),
        beta: point.modes.beta.clone(),
        fixed_covariance: fixed_covariance(problem, &point.factor)?,
    };
    let missing = missing_curvature(&objective, &point)?;
    let threads = worth_threads(problem);
    let systems: Vec<Coordinates> =
        in_threads(threads, parameters, |&parameter| Coordinates::new(problem, &estimate, parameter))
            .into_iter()
            .collect::<Result<_, _>>()?;
    let ceilings = ceilings(&objective, &estimate, parameters, threads, watch);
    let corrections = in_threads(threads, &systems, |system| {
        watch.check()?;
        match &missing {
            Some(missing) => Ok(carry(system, theta, missing)),
            None => differences(&objective, system, watch),
        }
    });
    let sides: Vec<(usize, f64)> = (0..parameters.len()).flat_map(|i| [(i, -1.0), (i, 1.0)]).collect();
    let found = in_threads(threads, &sides, |&(i, sign)| {
        watch.check()?;
        let system = &systems[i];
        let ceiling = ceilings[i].clone()?;
        let correction = Some(corrections[i].clone()?);
        let walk = Walk::new(&objective, system, correction, watch)?.with_ceiling(ceiling);
        let marks = side(walk, system, sign, stops, spacing);
        watch.count();
        marks
    });
    let mut found = found.into_iter();
    systems
        .iter()
        .enumerate()
        .map(|(parameter, system)| {
            let mut both = || found.next().unwrap_or(Err(KernelError::Interrupted));
            let (below, above) = (both(), both());
            let named = |e| KernelError::Profile { parameter, reason: Box::new(e) };
            Ok(curve(system, below.map_err(named)?, above.map_err(named)?))
        })
        .collect()
}

fn check_range(what: &'static str, value: f64, (low, high): (f64, f64)) -> Result<(), KernelError> {
    if (low..=high).contains(&value) {
        Ok(())
    } else {
        Err(KernelError::OutOfRange { what, value, low, high })
    }
}

fn in_threads<T: Sync, R: Send>(threads: bool, items: &[T], work: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
    if threads { pool::map(items, work) } else { items.iter().map(work).collect() }
}

/// Exact Hessian of the profiled criterion less that of the model (m x m, kernel coordinates); None at a singular T, where
/// it does not tell about all directions.
fn missing_curvature(objective: &Objective, point: &Point) -> Result<Option<Vec<f64>>, KernelError> {
    if !covariance::is_regular(&objective.problem.widths, &point.theta)? {
        return Ok(None);
    }
    let exact = Curvature::new(objective, point)?.hessian;
    Ok(Some(exact.iter().zip(&point.hessian).map(|(a, b)| a - b).collect()))
}

/// The same in a profile's coordinates, by central differences of the exact gradient.
fn differences(objective: &Objective, system: &Coordinates, watch: &Watch) -> Result<Vec<f64>, KernelError> {
    let here = Evaluation::new(objective, system, &system.start)?;
    let size = system.start.len();
    let mut hessian = vec![0.0; size * size];
    for i in 0..size {
        let step = DIFFERENCE * here.units[i];
        for sign in [1.0, -1.0] {
            watch.check()?;
            let mut x = system.start.clone();
            x[i] += sign * step;
            let gradient = Evaluation::new(objective, system, &x)?.gradient;
            for (r, g) in gradient.iter().enumerate() {
                // both halves of the symmetric matrix
                hessian[r + i * size] += 0.25 * sign * g / step;
                hessian[i + r * size] += 0.25 * sign * g / step;
            }
        }
    }
    Ok(hessian.iter().zip(&here.hessian).map(|(a, b)| a - b).collect())
}

/// [`missing_curvature`] in a profile's coordinates.
fn carry(system: &Coordinates, theta: &[f64], missing: &[f64]) -> Vec<f64> {
    let (m, widths) = (system.list.len(), &system.widths);
    let size = m + 1;
    let roots = covariance::unpack(widths, theta);
    let natural = system.natural(&system.start);
    let turned = covariance::unpack(widths, &natural[..m]);
    // d theta / d natural, bordered by a coordinate that theta does not depend on
    let mut change = vec![0.0; size * size];
    for (b, c) in system.list.iter().enumerate() {
        let k = widths[c.term];
        let sigma = product_derivative(c, k, &turned[c.term]);
        let sigma = covariance::change_to_scaled(k, &sigma, &system.scales[c.term]);
        let mut all: Vec<Vec<f64>> = widths.iter().map(|k| vec![0.0; k * k]).collect();
        all[c.term] = covariance::root_derivative(k, &roots[c.term], &sigma);
        change[b * size..b * size + m].copy_from_slice(&covariance::pack(widths, &all));
    }
    let mut bordered = vec![0.0; size * size];
    for b in 0..m {
        bordered[b * size..b * size + m].copy_from_slice(&missing[b * m..(b + 1) * m]);
    }
    let inner = covariance::derivative_to_original(size, &bordered, &change);
    match system.jacobian(&system.start, &natural) {
        Some(j) => covariance::derivative_to_original(size, &inner, &j),
        None => inner,
    }
}

/// Per parameter: a criterion that its profile reaches at most. A correlation does not matter where one of its effects has no
/// variance, so D never exceeds the criterion of the model without that effect.
fn ceilings(
    objective: &Objective,
    estimate: &Estimate,
    parameters: &[Parameter],
    threads: bool,
    watch: &Watch,
) -> Vec<Result<f64, KernelError>> {
    let mut effects: Vec<(usize, usize)> = parameters
        .iter()
        .filter_map(|p| match *p {
            Parameter::Correlation { term, first, second } => Some([(term, first), (term, second)]),
            _ => None,
        })
        .flatten()
        .collect();
    effects.sort_unstable();
    effects.dedup();
    let without = in_threads(threads, &effects, |&(term, column)| {
        let system = Coordinates::new(objective.problem, estimate, Parameter::Sd { term, column })?;
        let (start, zero) = system.without_first(term);
        Walk::new(objective, &system, None, watch)?.without_first(start, &zero)
    });
    let of = |effect: (usize, usize)| match effects.binary_search(&effect) {
        Ok(at) => without[at].clone(),
        Err(_) => Ok(f64::INFINITY),
    };
    parameters
        .iter()
        .map(|p| match *p {
            Parameter::Correlation { term, first, second } => Ok(of((term, first))?.min(of((term, second))?)),
            _ => Ok(f64::INFINITY),
        })
        .collect()
}

/// Marks of one side, outwards, the estimate first.
fn side(
    mut walk: Walk,
    system: &Coordinates,
    sign: f64,
    stops: &[f64],
    spacing: Option<f64>,
) -> Result<Vec<Mark>, KernelError> {
    let bound = system.bounds[usize::from(sign > 0.0)];
    let estimate = walk.estimate()?;
    let mut marks = vec![estimate];
    if system.is_flat {
        marks.push(Mark { psi: bound, zeta: 0.0, rate: 0.0 });
        return Ok(marks);
    }
    let mut last = estimate;
    for &stop in stops {
        if let Some(spacing) = spacing {
            while last.psi != bound && last.zeta.abs() < stop - LAST_LEG && last.rate > 0.0 {
                let ahead = last.psi + sign * spacing / last.rate;
                let next = if sign > 0.0 { ahead.min(bound) } else { ahead.max(bound) };
                if next == last.psi {
                    break;
                }
                last = walk.settle(next)?;
                marks.push(last);
            }
        }
        if last.psi != bound && last.zeta.abs() < stop {
            last = walk.seek(sign * stop)?;
            marks.push(last);
        }
    }
    Ok(marks)
}

fn curve(system: &Coordinates, below: Vec<Mark>, above: Vec<Mark>) -> Curve {
    let marks: Vec<Mark> = below.iter().rev().chain(above.iter().skip(1)).copied().collect();
    Curve {
        estimate: system.value(system.start[system.held]),
        values: marks.iter().map(|m| system.value(m.psi)).collect(),
        zeta: marks.iter().map(|m| m.zeta).collect(),
        slope: marks.iter().map(|m| system.by_value(m.psi, m.rate)).collect(),
    }
}
