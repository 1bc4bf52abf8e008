//! From a problem to a certified optimum: search, exact zeros, certificate, escapes and restarts.

use crate::certificate::{Certificate, Curvature, MANY_EFFECTS, TermOptimality, certify};
use crate::covariance;
use crate::error::{KernelError, at_these_parameters};
use crate::identify::flat_terms;
use crate::newton::{
    Control, Objective, Point, Step, TraceEntry, active_coordinates, minimize, noise,
    smallest_singular_value, trust_region_step, zeros,
};
use crate::problem::Problem;
use crate::rivals::{self, Extent};
use crate::start::{moment_starts, plain_start};

/// Singular values of T below this (relative to the larger of 1 and the largest) are tried at exactly zero.
const SNAP: f64 = 2e-2;
/// Certificates pass when the criterion could fall by no more than this.
const GAP_LIMIT: f64 = 1e-7;
/// Smallest diagonal of a given start.
const LIFT: f64 = 0.05;
/// Sizes of the steps by which a failed certificate is tested, largest first.
pub const SIZES: [f64; 5] = [1.0, 0.1, 0.01, 1e-3, 1e-4];
/// Relative changes of T, of no consequence, by which the criterion's rounding is read, the margin it is given, and the
/// rounding up to which nothing else is needed for a certificate.
const NUDGES: [f64; 6] = [1e-13, -1e-13, 2e-13, -2e-13, 3e-13, -3e-13];
const MARGIN: f64 = 3.0;
const ROUNDING_LIMIT: f64 = 2e-5;
/// What is left to gain where the criterion's rounding may hide it, and that rounding where group effects are 1e5 times
/// the error (relative).
const ROUNDING_GAP: f64 = 1e-6;
const ROUNDING: f64 = 1e-7;
/// Ends of other searches that are tried in place of an optimum whose certificate fails.
const STAND_INS: usize = 3;
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
    /// How often the criterion alone was read to choose starts.
    pub probes: usize,
}

/// Fits the model. `start` is in kernel coordinates; without it the search starts from moments, and others from elsewhere
/// look for a lower optimum.
pub fn optimize(
    problem: &Problem,
    reml: bool,
    start: Option<&[f64]>,
    control: &Control,
) -> Result<Optimum, KernelError> {
    let objective = Objective::new(problem, reml);
    let mut firsts = match start {
        Some(theta) => {
            check_parameters(problem, theta)?;
            // at a singular T descent directions are hidden by symmetry: start next to it
            let coords = covariance::coordinates(&problem.widths);
            let lifted = |(c, v): (&covariance::Coordinate, &f64)| {
                if c.row == c.col && v.abs() < LIFT { LIFT.copysign(*v) } else { *v }
            };
            vec![coords.iter().zip(theta).map(lifted).collect()]
        }
        None => moment_starts(problem, reml)?,
    };
    // where there is no criterion there is no search: then the next start, last the plain one
    firsts.push(plain_start(problem));
    let mut trace = vec![];
    let mut best = loop {
        let first = firsts.remove(0);
        trace.clear();
        match from_start(&objective, &first, control, Step::Start, &mut trace) {
            Err(KernelError::NotPositiveDefinite { .. } | KernelError::Decomposition)
                if !firsts.is_empty() => {}
            found => break found?,
        }
    };
    // the other moments are another start, the plain one is among the scattered ones
    firsts.pop();
    let mut searches = vec![0];
    // a given start is searched alone unless more are asked for or its certificate fails
    let asked = control.starts.saturating_sub(1);
    let mut probes = 0;
    let mut stand_ins = STAND_INS;
    if start.is_none() || asked > 0 || !best.certificate.passed() {
        let extent = Extent::new(problem, trace.len(), asked);
        let found = rivals::search(&objective, &best.point, &firsts, &extent, control)?;
        probes = found.probes;
        for search in found.searches {
            searches.push(trace.len());
            trace.extend(search.trace);
            let criterion = search.point.criterion;
            let slack = noise(problem, best.point.criterion).max(1e-9);
            // only what may replace the best is certified
            let instead =
                !best.certificate.passed() && stand_ins > 0 && criterion < best.point.criterion + 1e-3;
            if criterion < best.point.criterion - slack || instead {
                stand_ins -= usize::from(instead);
                let mut rest = vec![];
                let other = from_start(&objective, &search.point.theta, control, Step::Restart, &mut rest);
                trace.extend(rest);
                let Some(other) = at_these_parameters(other)? else { continue };
                let gain = best.point.criterion - other.point.criterion;
                let better = gain > slack && gain > MARGIN * rounding(&objective, &other.point)?.0;
                let as_good = other.point.criterion <= best.point.criterion + slack;
                if better || (as_good && other.certificate.passed() && !best.certificate.passed()) {
                    best = Optimum { chosen: searches.len() - 1, ..other };
                }
            }
        }
    }
    if best.certificate.passed() {
        best.certificate.flat = flat_terms(&objective, &best.point)?;
    }
    Ok(Optimum { trace, searches, probes, ..best })
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
        if certificate.reason != "negative_curvature" && certificate.gap > enough {
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
        let mut next = None;
        let mut slack = 0.0;
        if !certificate.passed() || objective.is_far(&point.theta) {
            let lowest;
            (slack, lowest) = rounding(objective, &point)?;
            if let Some(theta) = lowest {
                point = objective.point(&theta)?;
            }
        }
        if !certificate.passed() {
            attempt += 1;
            let (doubtful, terms) = (&certificate.doubtful, &certificate.terms);
            next = escape(objective, &point, doubtful, terms, &SIZES, MARGIN * slack)?;
            if next.is_none() && slack <= ROUNDING_LIMIT {
                // the derivatives promise what the criterion does not hold: their rounding, not a way down
                certificate.reason = "";
                certificate.gap = 0.0;
            }
        }
        certificate.gap = certificate.gap.max(slack);
        if certificate.passed() && slack > ROUNDING_LIMIT {
            certificate.reason = "rounding";
        }
        match next {
            Some(theta) if attempt <= ESCAPES && trace.len() < control.max_evaluations => {
                point = minimize(objective, &theta, &all, control, Step::Escape, trace)?;
            }
            _ => {
                return Ok(Optimum {
                    point,
                    curvature,
                    certificate,
                    trace: vec![],
                    searches: vec![],
                    chosen: 0,
                    probes: 0,
                });
            }
        }
    }
}

/// Rounding of the criterion at a point, as read next to it: where group effects are 1e5 times the error it is far above that
/// of the number itself. Then also the theta next to it where the criterion is lowest.
fn rounding(objective: &Objective, point: &Point) -> Result<(f64, Option<Vec<f64>>), KernelError> {
    let own = noise(objective.problem, point.criterion);
    let mut largest = own;
    let mut lowest = (point.criterion - own, None);
    for nudge in NUDGES {
        let theta: Vec<f64> = point.theta.iter().map(|t| t * (1.0 + nudge)).collect();
        if let Some(value) = at_these_parameters(objective.value(&theta))? {
            largest = largest.max((value - point.criterion).abs());
            if value < lowest.0 {
                lowest = (value, Some(theta));
            }
        }
    }
    Ok((largest, lowest.1))
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

/// A point where the criterion is lower by more than `slack`, next to a stationary point that failed its certificate: along
/// the `doubtful` steps or off the boundary, at each of the `sizes`.
pub fn escape(
    objective: &Objective,
    point: &Point,
    doubtful: &[Vec<f64>],
    terms: &[TermOptimality],
    sizes: &[f64],
    slack: f64,
) -> Result<Option<Vec<f64>>, KernelError> {
    let widths = &objective.problem.widths;
    let mut trials: Vec<Vec<f64>> = vec![];
    for step in doubtful {
        for size in sizes.iter().flat_map(|s| [*s, -s]) {
            trials.push(point.theta.iter().zip(step).map(|(t, d)| t + size * d).collect());
        }
    }
    for (term, optimality) in terms.iter().enumerate() {
        if let Some((v, step, _)) = &optimality.descent {
            let k = widths[term];
            for size in sizes {
                let mut roots = covariance::unpack(widths, &point.theta);
                let mut wide = roots[term].clone();
                wide.extend(v.iter().map(|x| x * (size * step).sqrt()));
                roots[term] = covariance::lower_root(k, k + 1, &wide);
                trials.push(covariance::pack(widths, &roots));
            }
        }
    }
    let mut best = (point.criterion - slack, None);
    for theta in trials {
        if let Some(value) = at_these_parameters(objective.value(&theta))?
            && value < best.0
        {
            best = (value, Some(theta));
        }
    }
    Ok(best.1)
}
