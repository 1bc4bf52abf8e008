//! Trust-region Newton on the entries of T, with a trace of every evaluation.

use crate::certificate::Curvature;
use crate::covariance::{self, Coordinate, coordinates};
use crate::criterion::criterion;
use crate::dense;
use crate::error::KernelError;
use crate::factor::Factorization;
use crate::gradient::{FirstOrder, average_information, root_directions};
use crate::modes::Modes;
use crate::problem::Problem;

/// Diagonals of T of core factors are kept at least this far from zero where derivatives are read.
pub const FLOOR: f64 = 3e-5;

/// Standard deviation of scaled effects, in those of the error, from which rounding is looked at.
const FAR: f64 = 1e3;

/// Core dimension from which evaluations are saved rather than repeated for a few digits more.
const EXPENSIVE: usize = 500;
/// Newton decrement at which the search stops for an expensive core: with so many levels it is far below the accuracy
/// asked of any estimate.
const EXPENSIVE_GAP: f64 = 1e-8;
/// Newton decrement below which gradient differences say something about the optimum's curvature.
const NEAR: f64 = 0.02;
/// The same where the model misjudged the step by more than `MISJUDGED`.
const FAIR: f64 = 1.0;
const MISJUDGED: f64 = 0.3;

/// Newton decrement below which a search is judged by where it leads: above a known optimum when the criterion is higher by
/// this many decrements, to it when standard deviations differ by no more than this share.
const QUADRATIC: f64 = 1.0;
const FAR_ABOVE: f64 = 5.0;
const CLOSE: f64 = 0.1;
/// A difference of variances below this is none.
const SAME_VARIANCE: f64 = 1e-6;

/// Newton decrement below which exact zeros are tried, and singular values of T (relative to the larger of 1 and the
/// largest) that are tried: Newton goes to one zero quickly, to several at once through a flat ravine.
const SNAP_NEAR: f64 = 0.1;
const SNAP_EARLY: f64 = 0.1;
/// A zero that the quadratic model expects to cost more than this is not tried.
const HOPELESS: f64 = 5.0;
/// Evaluations after which a search counts as slow.
const SLOW: usize = 10;
/// Evaluations after which the exact Hessian is formed, as the average information misses what makes the search long: at every
/// step where that is cheap (`Problem::work` times parameters squared), else once in as many steps as there are parameters.
const LONG: usize = 20;
const CHEAP: f64 = 1e7;

/// What made an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Start,
    Newton,
    Rejected,
    Snap,
    Escape,
    Restart,
}

impl Step {
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Newton => "newton",
            Self::Rejected => "rejected",
            Self::Snap => "snap",
            Self::Escape => "escape",
            Self::Restart => "restart",
        }
    }
}

/// One evaluation of the criterion.
#[derive(Clone, Debug)]
pub struct TraceEntry {
    pub theta: Vec<f64>,
    pub criterion: f64,
    /// NaN where only the criterion was evaluated.
    pub gradient_norm: f64,
    /// Newton decrement in criterion units; NaN where not formed.
    pub decrement: f64,
    pub step: Step,
}

/// Limits of the search.
#[derive(Clone, Copy, Debug)]
pub struct Control {
    pub max_evaluations: usize,
    /// The search stops when the Newton decrement falls below this (criterion units).
    pub gap_tolerance: f64,
    /// Number of starting points; the best optimum is kept.
    pub starts: usize,
}

impl Default for Control {
    fn default() -> Self {
        Self { max_evaluations: 200, gap_tolerance: 1e-10, starts: 1 }
    }
}

/// Criterion and derivatives at one theta.
#[derive(Clone, Debug)]
pub struct Point {
    pub theta: Vec<f64>,
    pub criterion: f64,
    pub first: FirstOrder,
    /// Average information over kernel coordinates (m x m), nonnegative definite.
    pub information: Vec<f64>,
    /// Average information plus the second-order term of Sigma = TT'.
    pub hessian: Vec<f64>,
    /// What the derivatives were read from (at the floored theta).
    pub factor: Factorization,
    pub modes: Modes,
}

/// The criterion as a function of kernel coordinates.
pub struct Objective<'a> {
    pub problem: &'a Problem,
    pub reml: bool,
    pub coords: Vec<Coordinate>,
    /// Per coordinate: a diagonal entry of a term whose factor is in the core.
    core_diagonal: Vec<bool>,
}

impl<'a> Objective<'a> {
    pub fn new(problem: &'a Problem, reml: bool) -> Self {
        let coords = coordinates(&problem.widths);
        let core_diagonal = coords
            .iter()
            .map(|c| {
                let f = problem.blocks.term_place[c.term].0;
                c.row == c.col && problem.blocks.core.iter().any(|&(g, _)| g == f)
            })
            .collect();
        Self { problem, reml, coords, core_diagonal }
    }

    /// True when the dense core dominates: an evaluation then costs so much that none is repeated.
    pub fn is_expensive(&self) -> bool {
        self.problem.blocks.core_dim >= EXPENSIVE && self.problem.blocks.core_pattern.is_none()
    }

    fn roots(&self, theta: &[f64]) -> Vec<Vec<f64>> {
        covariance::unpack(&self.problem.widths, theta)
    }

    /// Factorization at `theta`.
    pub fn factorize(&self, theta: &[f64]) -> Result<Factorization, KernelError> {
        Factorization::new(self.problem, &self.roots(theta))
    }

    /// Criterion alone.
    pub fn value(&self, theta: &[f64]) -> Result<f64, KernelError> {
        Ok(criterion(self.problem, &self.factorize(theta)?, self.reml))
    }

    /// True where group effects so far exceed the error that the criterion's rounding is no longer that of a number.
    pub fn is_far(&self, theta: &[f64]) -> bool {
        theta.iter().any(|t| t.abs() > FAR)
    }

    /// True when derivatives at `theta` are read next to it.
    pub fn is_floored(&self, theta: &[f64]) -> bool {
        self.floored(theta) != theta
    }

    /// theta with the diagonals of core factors moved off zero.
    fn floored(&self, theta: &[f64]) -> Vec<f64> {
        theta
            .iter()
            .zip(&self.core_diagonal)
            .map(|(&v, &core)| if core && v.abs() < FLOOR { FLOOR.copysign(v) } else { v })
            .collect()
    }

    /// T of each term where derivatives are read.
    pub fn floored_roots(&self, theta: &[f64]) -> Vec<Vec<f64>> {
        self.roots(&self.floored(theta))
    }

    /// Gradient and its companions.
    pub fn first_order(&self, theta: &[f64]) -> Result<(Factorization, Modes, FirstOrder), KernelError> {
        let roots = self.roots(&self.floored(theta));
        let factor = Factorization::new(self.problem, &roots)?;
        let modes = Modes::new(self.problem, &factor)?;
        let keep = self.is_expensive();
        let first = FirstOrder::new(self.problem, &factor, &modes, &roots, self.reml, keep)?;
        Ok((factor, modes, first))
    }

    /// Criterion, gradient and average-information Hessian.
    pub fn point(&self, theta: &[f64]) -> Result<Point, KernelError> {
        let at = self.floored(theta);
        let (factor, modes, first) = self.first_order(&at)?;
        let value =
            if at == theta { criterion(self.problem, &factor, self.reml) } else { self.value(theta)? };
        let directions = root_directions(self.problem, &self.roots(&at));
        let (q, s) = average_information(self.problem, &factor, &modes, &directions)?;
        let m = self.coords.len();
        let scale = self.problem.n_effective(self.reml) / factor.pwrss;
        let mut information = vec![0.0; m * m];
        let mut hessian = vec![0.0; m * m];
        for b in 0..m {
            for a in 0..m {
                let at = a + b * m;
                information[at] = scale * (q[at] - s[a] * s[b] / factor.pwrss);
                hessian[at] = information[at]
                    + second_order_of_product(&self.coords, &self.problem.widths, &first.gamma, a, b);
            }
        }
        Ok(Point { theta: theta.to_vec(), criterion: value, first, information, hessian, factor, modes })
    }
}

/// tr(Gamma d2(TT')) for two coordinates: 2 Gamma_rs in the same column of the same term, else 0.
pub fn second_order_of_product(
    coords: &[Coordinate],
    widths: &[usize],
    gamma: &[Vec<f64>],
    a: usize,
    b: usize,
) -> f64 {
    let (x, y) = (coords[a], coords[b]);
    if x.term == y.term && x.col == y.col { 2.0 * gamma[x.term][x.row + y.row * widths[x.term]] } else { 0.0 }
}

/// Size of each coordinate: the norm of its row of T (the standard deviation of its column's random effect).
pub fn row_sizes(coords: &[Coordinate], widths: &[usize], theta: &[f64]) -> Vec<f64> {
    let mut squares: Vec<Vec<f64>> = widths.iter().map(|&k| vec![0.0; k]).collect();
    for (c, v) in coords.iter().zip(theta) {
        squares[c.term][c.row] += v * v;
    }
    coords.iter().map(|c| squares[c.term][c.row].sqrt()).collect()
}

/// Unit of each coordinate for the trust region.
fn units(coords: &[Coordinate], widths: &[usize], theta: &[f64]) -> Vec<f64> {
    row_sizes(coords, widths, theta).iter().map(|s| s.max(0.05)).collect()
}

/// A quadratic model over the free coordinates by the eigenvalues of its Hessian, every coordinate in its unit (More &
/// Sorensen 1983).
pub struct Spectrum {
    /// Free coordinates and their units.
    index: Vec<usize>,
    unit: Vec<f64>,
    /// Ascending.
    values: Vec<f64>,
    vectors: Vec<f64>,
    largest: f64,
    size: usize,
}

impl Spectrum {
    /// `hessian` is m x m, `unit` and `free` have length m.
    pub fn new(hessian: &[f64], unit: &[f64], free: &[bool]) -> Result<Self, KernelError> {
        let m = unit.len();
        let index: Vec<usize> = (0..m).filter(|&i| free[i]).collect();
        let r = index.len();
        let scaled: Vec<f64> = (0..r * r)
            .map(|h| {
                let (a, b) = (index[h % r], index[h / r]);
                hessian[a + b * m] * unit[a] * unit[b]
            })
            .collect();
        let (values, vectors) = dense::symmetric_eigen(r, &scaled)?;
        let largest = values.iter().fold(0.0f64, |a, &v| a.max(v.abs()));
        Ok(Self { unit: index.iter().map(|&i| unit[i]).collect(), index, values, vectors, largest, size: m })
    }

    /// A gradient's components along the eigenvectors.
    pub fn along(&self, gradient: &[f64]) -> Vec<f64> {
        let r = self.index.len();
        let g: Vec<f64> = self.index.iter().zip(&self.unit).map(|(&a, u)| gradient[a] * u).collect();
        (0..r).map(|i| dense::dot(&self.vectors[i * r..(i + 1) * r], &g)).collect()
    }

    fn tiny(&self) -> f64 {
        1e-11 * self.largest + f64::MIN_POSITIVE
    }

    fn lowest(&self) -> f64 {
        self.values.first().copied().unwrap_or(0.0)
    }

    fn is_indefinite(&self) -> bool {
        self.lowest() < -1e-9 * self.largest
    }

    /// g'H^-1 g / 2, infinite when H is indefinite.
    pub fn decrement(&self, along: &[f64]) -> f64 {
        if self.is_indefinite() {
            return f64::INFINITY;
        }
        let tiny = self.tiny();
        along.iter().zip(&self.values).map(|(a, v)| 0.5 * a * a / v.max(tiny)).sum()
    }

    /// a'H^+ b, directions without curvature left out.
    pub fn product(&self, a: &[f64], b: &[f64]) -> f64 {
        let flat = 1e-9 * self.largest;
        let terms = a.iter().zip(b).zip(&self.values).filter(|(_, v)| **v > flat);
        terms.map(|((x, y), v)| x * y / v).sum()
    }

    /// Minimizer of g's + s'Hs/2 over |s / unit| <= radius: the step (length m) and its predicted change.
    pub fn step(&self, along: &[f64], radius: f64) -> (Vec<f64>, f64) {
        let r = self.index.len();
        let tiny = self.tiny();
        let length = |shift: f64| -> f64 {
            along
                .iter()
                .zip(&self.values)
                .map(|(a, v)| {
                    let d = (v + shift).max(tiny);
                    (a / d) * (a / d)
                })
                .sum::<f64>()
                .sqrt()
        };
        let mut shift = (-self.lowest()).max(0.0) * (1.0 + 1e-6);
        let mut hard = vec![0.0; r];
        if length(shift) > radius {
            let norm = dense::dot(along, along).sqrt();
            let (mut low, mut high) = (shift, shift + norm / radius + self.largest);
            for _ in 0..100 {
                shift = 0.5 * (low + high);
                if length(shift) > radius {
                    low = shift;
                } else {
                    high = shift;
                }
                if high - low <= 1e-10 * high {
                    break;
                }
            }
            shift = high;
        } else if self.is_indefinite() {
            // the gradient has (almost) no part along the lowest curvature: go to the boundary along it
            let rest = (radius * radius - length(shift).powi(2)).max(0.0).sqrt();
            hard[0] = if along[0] > 0.0 { -rest } else { rest };
        }
        let mut step = vec![0.0; self.size];
        let mut change = 0.0;
        for i in 0..r {
            let s = -along[i] / (self.values[i] + shift).max(tiny) + hard[i];
            change += along[i] * s + 0.5 * self.values[i] * s * s;
            for (h, (&a, u)) in self.index.iter().zip(&self.unit).enumerate() {
                step[a] += s * self.vectors[h + i * r] * u;
            }
        }
        (step, change)
    }
}

/// One step of a trust-region search: the step, its predicted change, and the Newton decrement (infinite when H is
/// indefinite).
pub fn trust_region_step(
    gradient: &[f64],
    hessian: &[f64],
    unit: &[f64],
    free: &[bool],
    radius: f64,
) -> Result<(Vec<f64>, f64, f64), KernelError> {
    let spectrum = Spectrum::new(hessian, unit, free)?;
    let along = spectrum.along(gradient);
    let (step, change) = spectrum.step(&along, radius);
    Ok((step, change, spectrum.decrement(&along)))
}

/// What the average-information Hessian misses, learned from gradient differences along accepted steps: a symmetric
/// secant update in the metric of the information (Dennis, Gay & Welsch 1981, ACM TOMS 7, sections 2 and 3).
#[derive(Clone)]
pub struct Correction {
    matrix: Vec<f64>,
    pub in_use: bool,
    /// The corrected Hessian is the exact one: where it is indefinite, so is the criterion.
    is_exact: bool,
}

impl Correction {
    pub fn new(m: usize) -> Self {
        Self { matrix: vec![0.0; m * m], in_use: false, is_exact: false }
    }

    /// Starts from a known difference to the exact Hessian.
    pub fn known(matrix: Vec<f64>) -> Self {
        Self { matrix, in_use: true, is_exact: false }
    }

    fn exact(matrix: Vec<f64>) -> Self {
        Self { matrix, in_use: true, is_exact: true }
    }

    pub fn corrected(&self, hessian: &[f64]) -> Vec<f64> {
        hessian.iter().zip(&self.matrix).map(|(h, c)| h + c).collect()
    }

    /// After a step s along which the gradient changed by y, both zero where coordinates are held:
    /// (model at the new point + correction) s = y.
    pub fn update(&mut self, s: &[f64], y: &[f64], hessian: &[f64], information: &[f64], free: &[bool]) {
        let m = free.len();
        let times = |a: &[f64]| -> Vec<f64> {
            (0..m).map(|i| if free[i] { (0..m).map(|c| a[i + c * m] * s[c]).sum() } else { 0.0 }).collect()
        };
        let missing: Vec<f64> = y.iter().zip(times(hessian)).map(|(a, b)| a - b).collect();
        let v = times(information);
        let curvature = dense::dot(&v, s);
        if curvature <= 1e-12 * dense::dot(s, s) * largest_diagonal(m, information) {
            return;
        }
        self.in_use = true;
        self.is_exact = false;
        // sizing: an old correction larger than what the step shows is shrunk
        let before = times(&self.matrix);
        let (shown, held) = (dense::dot(s, &missing).abs(), dense::dot(s, &before).abs());
        let size = if held > shown { shown / held } else { 1.0 };
        self.matrix.iter_mut().for_each(|c| *c *= size);
        let rest: Vec<f64> = missing.iter().zip(&before).map(|(r, b)| r - size * b).collect();
        let along = dense::dot(&rest, s) / (curvature * curvature);
        for b in 0..m {
            for a in 0..m {
                self.matrix[a + b * m] += (rest[a] * v[b] + v[a] * rest[b]) / curvature - along * v[a] * v[b];
            }
        }
    }
}

/// Difference over the free coordinates, zero elsewhere.
fn free_difference(new: &[f64], old: &[f64], free: &[bool]) -> Vec<f64> {
    (0..free.len()).map(|i| if free[i] { new[i] - old[i] } else { 0.0 }).collect()
}

fn largest_diagonal(m: usize, a: &[f64]) -> f64 {
    (0..m).fold(0.0f64, |s, i| s.max(a[i + i * m]))
}

fn largest_entry(v: &[f64], free: &[bool]) -> f64 {
    v.iter().zip(free).filter(|(_, f)| **f).fold(0.0f64, |a, (x, _)| a.max(x.abs()))
}

/// Coordinates in columns of T with a nonzero diagonal: the active face.
pub fn active_coordinates(objective: &Objective, theta: &[f64]) -> Vec<bool> {
    let widths = &objective.problem.widths;
    let roots = covariance::unpack(widths, theta);
    objective.coords.iter().map(|c| roots[c.term][c.col + c.col * widths[c.term]] != 0.0).collect()
}

/// Smallest nonzero singular value of any term's T, relative to the larger of 1 and the term's largest.
pub fn smallest_singular_value(widths: &[usize], theta: &[f64]) -> Result<Option<f64>, KernelError> {
    let mut smallest: Option<f64> = None;
    for (root, &k) in covariance::unpack(widths, theta).iter().zip(widths) {
        let (_, s, _) = dense::singular_values(k, k, root)?;
        for v in s.iter().filter(|v| **v > 0.0) {
            let relative = v / s[0].max(1.0);
            smallest = Some(smallest.map_or(relative, |m| m.min(relative)));
        }
    }
    Ok(smallest)
}

/// Tries small singular values of T at exactly zero, term by term; returns theta in canonical form where that does not
/// raise the criterion by more than `slack`, None where nothing was set to zero. Each attempt costs one criterion; none is
/// made where the quadratic model expects a rise above `hopeless`.
pub fn zeros(
    objective: &Objective,
    point: &Point,
    limit: f64,
    slack: f64,
    hopeless: f64,
    trace: &mut Vec<TraceEntry>,
) -> Result<Option<Vec<f64>>, KernelError> {
    let widths = &objective.problem.widths;
    let mut roots = covariance::unpack(widths, &point.theta);
    let mut reference = point.criterion;
    let mut found = None;
    for term in 0..widths.len() {
        let k = widths[term];
        covariance::nonnegative_diagonal(k, &mut roots[term]);
        let (_, s, _) = dense::singular_values(k, k, &roots[term])?;
        let limit = limit * s[0].max(1.0);
        // the largest set of small directions first, then fewer
        let mut thresholds: Vec<f64> = s.iter().copied().filter(|&v| v <= limit && v > 0.0).collect();
        thresholds.dedup();
        for threshold in thresholds {
            let (reduced, _) = covariance::reduce_rank(k, &roots[term], threshold)?;
            let mut trial = roots.clone();
            trial[term] = reduced;
            let theta = covariance::pack(widths, &trial);
            if predicted_change(point, &theta) > hopeless {
                continue;
            }
            let value = objective.value(&theta)?;
            let accepted = value <= reference + slack;
            trace.push(TraceEntry {
                theta: theta.clone(),
                criterion: value,
                gradient_norm: f64::NAN,
                decrement: f64::NAN,
                step: if accepted { Step::Snap } else { Step::Rejected },
            });
            if accepted {
                roots = trial;
                reference = reference.min(value);
                found = Some(theta);
                break;
            }
        }
    }
    Ok(found)
}

/// Change of the criterion from `point` to `theta` by the quadratic model.
fn predicted_change(point: &Point, theta: &[f64]) -> f64 {
    let m = theta.len();
    let s: Vec<f64> = theta.iter().zip(&point.theta).map(|(a, b)| a - b).collect();
    let quadratic: f64 = (0..m).map(|b| s[b] * dense::dot(&point.hessian[b * m..(b + 1) * m], &s)).sum();
    dense::dot(&point.first.gradient, &s) + 0.5 * quadratic
}

/// Rounding noise of the criterion.
pub fn noise(problem: &Problem, criterion: f64) -> f64 {
    1e-14 * (criterion.abs() + problem.n as f64)
}

/// Where searches have ended, and what leads there.
pub struct Known {
    lowest: f64,
    /// Per end: Sigma* of each term.
    ends: Vec<Vec<Vec<f64>>>,
    widths: Vec<usize>,
    slack: f64,
}

impl Known {
    pub fn new(objective: &Objective, point: &Point) -> Self {
        let slack = noise(objective.problem, point.criterion).max(1e-9);
        let widths = objective.problem.widths.clone();
        let mut out = Self { lowest: f64::INFINITY, ends: vec![], widths, slack };
        out.add(point);
        out
    }

    pub fn add(&mut self, point: &Point) {
        self.lowest = self.lowest.min(point.criterion);
        if !self.ends.iter().any(|end| self.is_close(end, &point.theta)) {
            self.ends.push(self.covariances(&point.theta));
        }
    }

    fn covariances(&self, theta: &[f64]) -> Vec<Vec<f64>> {
        let roots = covariance::unpack(&self.widths, theta);
        roots.iter().zip(&self.widths).map(|(root, &k)| covariance::product(k, root)).collect()
    }

    /// Whether a search that stands at `point` with this Newton decrement ends where another did, or above the lowest.
    fn ends_search(&self, point: &Point, decrement: f64) -> bool {
        let above = point.criterion - self.lowest;
        decrement < QUADRATIC
            && above >= -self.slack
            && (above > FAR_ABOVE * decrement
                || (decrement < NEAR && self.ends.iter().any(|end| self.is_close(end, &point.theta))))
    }

    /// Standard deviations and covariances of all terms are nearly the same.
    fn is_close(&self, end: &[Vec<f64>], theta: &[f64]) -> bool {
        self.covariances(theta).iter().zip(end).zip(&self.widths).all(|((here, there), &k)| {
            let size = |i: usize| here[i + i * k].max(there[i + i * k]).max(SAME_VARIANCE);
            (0..k * k).all(|h| (here[h] - there[h]).abs() <= CLOSE * (size(h % k) * size(h / k)).sqrt())
        })
    }
}

/// Minimizes from `theta` over the free coordinates. Every evaluation is recorded.
pub fn minimize(
    objective: &Objective,
    theta: &[f64],
    free: &[bool],
    control: &Control,
    first_step: Step,
    trace: &mut Vec<TraceEntry>,
) -> Result<Point, KernelError> {
    minimize_unless(objective, theta, free, control, first_step, None, trace)
}

/// The same, given up where the search ends at a `known` optimum or above it.
pub fn minimize_unless(
    objective: &Objective,
    theta: &[f64],
    free: &[bool],
    control: &Control,
    first_step: Step,
    known: Option<&Known>,
    trace: &mut Vec<TraceEntry>,
) -> Result<Point, KernelError> {
    let widths = &objective.problem.widths;
    let mut point = objective.point(theta)?;
    let gap_tolerance = if objective.is_expensive() {
        control.gap_tolerance.max(EXPENSIVE_GAP)
    } else {
        control.gap_tolerance
    };
    let mut free = free.to_vec();
    let mut radius = 1.0;
    let mut label = first_step;
    // singular value below which the next attempt at exact zeros is worth an evaluation
    let mut snap_below = SNAP_EARLY;
    let begun = trace.len();
    let mut tried = begun;
    let mut exact_from = LONG;
    let mut correction = Correction::new(free.len());
    loop {
        let unit = units(&objective.coords, widths, &point.theta);
        let mut hessian = correction.corrected(&point.hessian);
        let (mut step, mut change, mut decrement) =
            trust_region_step(&point.first.gradient, &hessian, &unit, &free, radius)?;
        if !decrement.is_finite() && correction.in_use && !correction.is_exact {
            correction = Correction::new(free.len());
            hessian.clone_from(&point.hessian);
            (step, change, decrement) =
                trust_region_step(&point.first.gradient, &hessian, &unit, &free, radius)?;
        }
        trace.push(TraceEntry {
            theta: point.theta.clone(),
            criterion: point.criterion,
            gradient_norm: largest_entry(&point.first.gradient, &free),
            decrement,
            step: label,
        });
        if decrement <= gap_tolerance || known.is_some_and(|k| k.ends_search(&point, decrement)) {
            return Ok(point);
        }
        loop {
            if trace.len() >= control.max_evaluations {
                return Ok(point);
            }
            let theta: Vec<f64> = point.theta.iter().zip(&step).map(|(t, s)| t + s).collect();
            let slack = noise(objective.problem, point.criterion);
            let next = objective.point(&theta);
            let (value, next) = match next {
                Ok(p) => (p.criterion, Some(p)),
                Err(KernelError::NotPositiveDefinite { .. }) => (f64::INFINITY, None),
                Err(e) => return Err(e),
            };
            let length = step.iter().zip(&unit).map(|(s, u)| (s / u) * (s / u)).sum::<f64>().sqrt();
            let ratio = (point.criterion - value) / (-change).max(f64::MIN_POSITIVE);
            if let Some(next) = next
                && (ratio > 1e-4 || (-change <= 10.0 * slack && value <= point.criterion + slack))
            {
                if ratio > 0.75 && length > 0.8 * radius {
                    radius *= 4.0;
                } else if ratio < 0.25 {
                    radius = 0.5 * length;
                }
                let stalled = -change <= slack;
                if trace.len() - begun >= exact_from && !objective.is_expensive() {
                    let cheap = objective.problem.work() * (free.len() * free.len()) as f64 <= CHEAP;
                    let pause = if cheap { 1 } else { free.len() };
                    exact_from = trace.len() - begun + pause;
                    let exact = Curvature::new(objective, &next)?.hessian;
                    let missing = exact.iter().zip(&next.hessian).map(|(e, h)| e - h);
                    correction = Correction::exact(missing.collect());
                } else if decrement < NEAR || (decrement < FAIR && (ratio - 1.0).abs() > MISJUDGED) {
                    let s = free_difference(&next.theta, &point.theta, &free);
                    let y = free_difference(&next.first.gradient, &point.first.gradient, &free);
                    correction.update(&s, &y, &next.hessian, &next.information, &free);
                }
                point = next;
                label = Step::Newton;
                if stalled {
                    trace.push(TraceEntry {
                        theta: point.theta.clone(),
                        criterion: point.criterion,
                        gradient_norm: largest_entry(&point.first.gradient, &free),
                        decrement: -change,
                        step: label,
                    });
                    return Ok(point);
                }
                // a long search is a ravine: zeros are then tried whatever the quadratic model says
                let slow = trace.len() - begun >= SLOW && (trace.len() - tried) >= SLOW / 2;
                if decrement < SNAP_NEAR
                    && let Some(smallest) = smallest_singular_value(widths, &point.theta)?
                    && (smallest < snap_below || (slow && smallest < SNAP_EARLY))
                {
                    snap_below = 0.3 * smallest;
                    tried = trace.len();
                    let hopeless = if slow { f64::INFINITY } else { HOPELESS };
                    if let Some(theta) = zeros(objective, &point, SNAP_EARLY, 0.0, hopeless, trace)? {
                        free = active_coordinates(objective, &theta);
                        point = objective.point(&theta)?;
                        correction = Correction::new(free.len());
                        radius = 1.0;
                        label = Step::Snap;
                    }
                }
                break;
            }
            trace.push(TraceEntry {
                theta,
                criterion: value,
                gradient_norm: f64::NAN,
                decrement: f64::NAN,
                step: Step::Rejected,
            });
            radius = 0.25 * length.min(radius);
            if radius < 1e-13 {
                return Ok(point);
            }
            (step, change, _) = trust_region_step(&point.first.gradient, &hessian, &unit, &free, radius)?;
        }
    }
}
