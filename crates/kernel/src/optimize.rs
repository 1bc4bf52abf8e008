//! From a problem to a certified optimum: search, exact zeros, certificate, escapes and restarts.

use crate::certificate::{Certificate, Curvature, MANY_EFFECTS, TermOptimality, certify};
use crate::covariance;
use crate::error::KernelError;
use crate::identify::flat_terms;
use crate::newton::{
    Control, Objective, Point, Step, TraceEntry, active_coordinates, minimize, noise,
    smallest_singular_value, trust_region_step, zeros,
};
use crate::problem::Problem;
use crate::start::moment_start;

/// Singular values of T below this (relative to the larger of 1 and the largest) are tried at exactly zero.
const SNAP: f64 = 2e-2;
/// Certificates pass when the criterion could fall by no more than this.
const GAP_LIMIT: f64 = 1e-7;
/// Smallest diagonal of a given start.
const LIFT: f64 = 0.05;
/// Curvature this slightly negative counts as flat when no step along it lowers the criterion.
const NEARLY_FLAT: f64 = 1e-3;
/// Restarts at most.
const MOST_RESTARTS: usize = 6;
/// Starts by default where several optima are likely, and what counts as few random effects.
const RIVAL_STARTS: usize = 7;
const FEW_EFFECTS: usize = 150;
/// What is left to gain where the criterion's rounding may hide it, and that rounding where group effects are 1e5 times
/// the error (relative).
const ROUNDING_GAP: f64 = 1e-6;
const ROUNDING: f64 = 1e-7;
/// Attempts to leave a saddle or a wrong boundary before restarting.
const ESCAPES: usize = 8;

/// An optimum with its proof.
#[derive(Clone, Debug)]
pub struct Optimum {
    /// Canonical: singular directions are zero columns of T.
    pub point: Point,
    pub curvature: Curvature,
    pub certificate: Certificate,
    pub trace: Vec<TraceEntry>,
    /// Where in the trace the search from each start begins.
    pub searches: Vec<usize>,
    /// The search that ended here.
    pub chosen: usize,
}

/// Fits the model. `start` is in kernel coordinates; without it the search starts from moments.
pub fn optimize(
    problem: &Problem,
    reml: bool,
    start: Option<&[f64]>,
    control: &Control,
) -> Result<Optimum, KernelError> {
    let objective = Objective::new(problem, reml);
    let first = match start {
        Some(theta) => {
            check_parameters(problem, theta)?;
            // at a singular T descent directions are hidden by symmetry: start next to it
            let coords = covariance::coordinates(&problem.widths);
            let lifted = |(c, v): (&covariance::Coordinate, &f64)| {
                if c.row == c.col && v.abs() < LIFT { LIFT.copysign(*v) } else { *v }
            };
            coords.iter().zip(theta).map(lifted).collect()
        }
        None => moment_start(problem)?,
    };
    let mut trace = vec![];
    let mut searches = vec![0];
    let mut best = from_start(&objective, &first, control, Step::Start, &mut trace)?;
    // more starts when asked for, when the certificate fails, or, unless a start is given, where few levels make several
    // optima likely
    let search_rivals = start.is_none() && has_likely_rivals(problem);
    let starts = control.starts.max(if search_rivals { RIVAL_STARTS } else { 1 });
    for index in 1..=MOST_RESTARTS {
        let wanted = index < starts || !best.certificate.passed();
        if !wanted || trace.len() >= control.max_evaluations {
            break;
        }
        let restart =
            if index == 1 { scaled_identity(problem, 0.5) } else { scattered(problem, index as u64) };
        searches.push(trace.len());
        let all = vec![true; restart.len()];
        let found = minimize(&objective, &restart, &all, control, Step::Restart, &mut trace)?;
        let slack = noise(problem, best.point.criterion).max(1e-9);
        // only what may replace the best is certified
        if found.criterion < best.point.criterion - slack
            || (!best.certificate.passed() && found.criterion < best.point.criterion + 1e-3)
        {
            let other = from_start(&objective, &found.theta, control, Step::Restart, &mut trace)?;
            let better = other.point.criterion < best.point.criterion - slack;
            let as_good = other.point.criterion <= best.point.criterion + slack;
            if better || (as_good && other.certificate.passed() && !best.certificate.passed()) {
                best = Optimum { chosen: searches.len() - 1, ..other };
            }
        }
    }
    if best.certificate.passed() {
        best.certificate.flat = flat_terms(&objective, &best.point)?;
    }
    Ok(Optimum { trace, searches, ..best })
}

pub fn check_parameters(problem: &Problem, theta: &[f64]) -> Result<(), KernelError> {
    let expected = problem.n_theta();
    if theta.len() != expected {
        return Err(KernelError::Length { what: "theta", expected, found: theta.len() });
    }
    match theta.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(KernelError::Parameter { index, value: theta[index] }),
        None => Ok(()),
    }
}

/// Three or more parameters on few levels: such a likelihood sometimes has more than one optimum, and starts are cheap.
fn has_likely_rivals(problem: &Problem) -> bool {
    problem.n_random() <= FEW_EFFECTS && problem.n_theta() >= 3
}

/// A start with correlations of either sign, the same for the same index.
fn scattered(problem: &Problem, index: u64) -> Vec<f64> {
    let mut state = index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    covariance::coordinates(&problem.widths)
        .iter()
        .map(|c| {
            let u = uniform();
            // standard deviations from 0.1 to 2, loadings from -1 to 1
            if c.row == c.col { 0.1 * 20f64.powf(u) } else { 2.0 * u - 1.0 }
        })
        .collect()
}

fn scaled_identity(problem: &Problem, size: f64) -> Vec<f64> {
    covariance::coordinates(&problem.widths).iter().map(|c| if c.row == c.col { size } else { 0.0 }).collect()
}

fn from_start(
    objective: &Objective,
    start: &[f64],
    control: &Control,
    label: Step,
    trace: &mut Vec<TraceEntry>,
) -> Result<Optimum, KernelError> {
    let all = vec![true; start.len()];
    let mut point = minimize(objective, start, &all, control, label, trace)?;
    let mut attempt = 0;
    loop {
        point = snap(objective, point, control, trace)?;
        let mut curvature = Curvature::new(objective, &point)?;
        let mut certificate = certify(objective, &point.theta, &point.first, &curvature, GAP_LIMIT)?;
        // one step with the exact Hessian brings the gap to rounding level
        let enough = if objective.is_expensive() { 1e-9 } else { 1e-14 };
        if certificate.negative_direction.is_none() && certificate.gap > enough {
            let polished = polish(objective, &point, &curvature, trace)?;
            if let Some(next) = polished {
                if objective.problem.n_random() < MANY_EFFECTS {
                    // few levels: the curvature still changes within the last step's 1e-5 standard errors
                    curvature = Curvature::new(objective, &next)?;
                } else {
                    curvature.log_pwrss_gradient.clone_from(&next.first.log_pwrss_gradient);
                }
                certificate = certify(objective, &next.theta, &next.first, &curvature, GAP_LIMIT)?;
                point = next;
            }
        }
        attempt += 1;
        if certificate.reason == "negative_curvature"
            && certificate.lowest_curvature > -NEARLY_FLAT
            && certificate.gap <= GAP_LIMIT
            && escape(objective, &point, certificate.negative_direction.as_deref(), &certificate.terms)?
                .is_none()
        {
            certificate.reason = "";
        }
        let done = certificate.passed() || attempt > ESCAPES || trace.len() >= control.max_evaluations;
        let next = if done {
            None
        } else {
            escape(objective, &point, certificate.negative_direction.as_deref(), &certificate.terms)?
        };
        match next {
            Some(theta) => point = minimize(objective, &theta, &all, control, Step::Escape, trace)?,
            None => {
                return Ok(Optimum {
                    point,
                    curvature,
                    certificate,
                    trace: vec![],
                    searches: vec![],
                    chosen: 0,
                });
            }
        }
    }
}

/// Whether T is so near a singular one that [`snap`] would try it.
pub fn is_near_boundary(widths: &[usize], theta: &[f64]) -> Result<bool, KernelError> {
    Ok(smallest_singular_value(widths, theta)?.is_some_and(|s| s <= SNAP))
}

/// Small singular values of T at exactly zero where that does not raise the criterion; returns the canonical point.
pub fn snap(
    objective: &Objective,
    point: Point,
    control: &Control,
    trace: &mut Vec<TraceEntry>,
) -> Result<Point, KernelError> {
    let slack = noise(objective.problem, point.criterion).max(1e-11);
    if let Some(theta) = zeros(objective, &point, SNAP, slack, f64::INFINITY, trace)? {
        let free = active_coordinates(objective, &theta);
        let budget = Control { max_evaluations: trace.len() + 25, ..*control };
        return minimize(objective, &theta, &free, &budget, Step::Snap, trace);
    }
    // signs only: the criterion is even in each column, derivatives follow the signs
    let widths = &objective.problem.widths;
    let mut roots = covariance::unpack(widths, &point.theta);
    for (root, &k) in roots.iter_mut().zip(widths) {
        covariance::nonnegative_diagonal(k, root);
    }
    let theta = covariance::pack(widths, &roots);
    if theta == point.theta { Ok(point) } else { objective.point(&theta) }
}

/// One Newton step with the exact Hessian on the active face; kept when the criterion does not rise or, where so little is
/// left to gain that the rounding of the criterion decides, when the gradient falls.
fn polish(
    objective: &Objective,
    point: &Point,
    curvature: &Curvature,
    trace: &mut Vec<TraceEntry>,
) -> Result<Option<Point>, KernelError> {
    let unit = vec![1.0; point.theta.len()];
    let (step, change, decrement) = trust_region_step(
        &point.first.gradient,
        &curvature.hessian,
        &unit,
        &curvature.active,
        f64::MAX.sqrt(),
    )?;
    if change >= 0.0 || !decrement.is_finite() {
        return Ok(None);
    }
    let theta: Vec<f64> = point.theta.iter().zip(&step).map(|(t, s)| t + s).collect();
    if active_coordinates(objective, &theta) != curvature.active {
        return Ok(None);
    }
    let next = objective.point(&theta)?;
    let rise = next.criterion - point.criterion;
    let mut accepted = rise <= noise(objective.problem, point.criterion);
    if !accepted && decrement <= ROUNDING_GAP && rise <= ROUNDING * point.criterion.abs() {
        let (_, _, left) = trust_region_step(
            &next.first.gradient,
            &curvature.hessian,
            &unit,
            &curvature.active,
            f64::MAX.sqrt(),
        )?;
        accepted = left <= 0.01 * decrement;
    }
    trace.push(TraceEntry {
        theta,
        criterion: next.criterion,
        gradient_norm: next.first.gradient.iter().fold(0.0f64, |a, g| a.max(g.abs())),
        decrement,
        step: if accepted { Step::Newton } else { Step::Rejected },
    });
    Ok(accepted.then_some(next))
}

/// A point with a lower criterion next to a stationary point that failed its certificate.
pub fn escape(
    objective: &Objective,
    point: &Point,
    negative_direction: Option<&[f64]>,
    terms: &[TermOptimality],
) -> Result<Option<Vec<f64>>, KernelError> {
    let widths = &objective.problem.widths;
    let mut trials: Vec<Vec<f64>> = vec![];
    if let Some(direction) = negative_direction {
        for size in [1.0, -1.0, 0.1, -0.1, 0.01, -0.01] {
            trials.push(point.theta.iter().zip(direction).map(|(t, d)| t + size * d).collect());
        }
    }
    for (term, optimality) in terms.iter().enumerate() {
        if let Some((v, step, _)) = &optimality.descent {
            let k = widths[term];
            for size in [1.0, 0.1, 0.01] {
                let mut roots = covariance::unpack(widths, &point.theta);
                let mut wide = roots[term].clone();
                wide.extend(v.iter().map(|x| x * (size * step).sqrt()));
                roots[term] = covariance::lower_root(k, k + 1, &wide);
                trials.push(covariance::pack(widths, &roots));
            }
        }
    }
    let mut best = (point.criterion - noise(objective.problem, point.criterion), None);
    for theta in trials {
        if let Ok(value) = objective.value(&theta)
            && value < best.0
        {
            best = (value, Some(theta));
        }
    }
    Ok(best.1)
}
