//! Other starts: where an optimum lower than the first one may lie.
//!
//! The criterion is not convex. With one or two standard deviations it is read on a lattice over decades, which costs
//! criteria only, and each of its hollows is searched. With more parameters, searches from starts over decades race: each
//! makes a few steps, and those that are then lowest go on. How many there are depends on what an evaluation costs and on how
//! likely another optimum is.

use crate::covariance;
use crate::dense;
use crate::error::{KernelError, at_these_parameters};
use crate::newton::{Control, Known, Objective, Point, Step, TraceEntry, minimize_unless};
use crate::problem::Problem;
use crate::start::{joint_scale, leading_moments, plain_start};

/// Work (`Problem::work`) that the searches from other starts may do, and the share of the first search's evaluations that
/// they may cost in any case.
const WORK: f64 = 4e7;
const SHARE: f64 = 0.25;
/// Criteria that cost as much as one evaluation with derivatives.
const VALUES: f64 = 3.0;
/// Steps of a lattice, as ratios, for one standard deviation and for two.
const FINE: f64 = 2.0;
const COARSE: f64 = 5.0;
/// The same for whole terms, and factors of a single effect, where there are more parameters.
const DECADE: f64 = 10.0;
const FACTORS: [f64; 11] = [-30.0, -10.0, -3.0, -1.0, -0.3, 0.0, 0.3, 1.0, 3.0, 10.0, 30.0];
/// Searches from hollows at most, and the least standard deviation from which one starts.
const HOLLOWS: usize = 12;
const LEAST_SIZE: f64 = 1e-3;
/// Points of a line at most, and of each side of a lattice.
const LONGEST: usize = 60;
const WIDEST: usize = 15;
/// A line begins where the largest level's information about a standard deviation is this (relative to the error's), and
/// ends where the smallest one's is its inverse.
const FAINT: f64 = 0.03;
/// Evaluations of each search before those that are behind are given up.
const LAP: usize = 8;
/// Searches where optima are many, per column and at most: where a factor has fewer levels than this per column.
const FEW_LEVELS: usize = 8;
const PER_COLUMN: usize = 8;
const MANY: usize = 32;
/// Searches where random effects are few, and where they are many.
const SOME: usize = 4;
const FEW_EFFECTS: usize = 150;
const LEAST: usize = 2;
/// Of the searches, one in this many goes on after the first lap.
const GO_ON: usize = 4;
/// Decades over which standard deviations are scattered around their scale, to either side.
const DECADES: f64 = 2.0;
/// Standard deviations at the large and the small end.
const LARGE: f64 = 1e3;
const SMALL: f64 = 0.05;

/// What a search from another start did.
pub struct Search {
    pub point: Point,
    pub trace: Vec<TraceEntry>,
}

/// What the searches from other starts did.
#[derive(Default)]
pub struct Found {
    /// In the order in which they began.
    pub searches: Vec<Search>,
    /// Criteria that were read to choose starts.
    pub probes: usize,
}

/// How much is looked at.
pub struct Extent {
    /// Criteria at most.
    probes: usize,
    /// Searches from hollows at most.
    hollows: usize,
    /// Searches from scattered starts.
    scattered: usize,
}

impl Extent {
    /// What a model is worth after a first search of `evaluations`; at least `asked` scattered starts.
    pub fn new(problem: &Problem, evaluations: usize, asked: usize) -> Self {
        let affordable = WORK / problem.work() + SHARE * evaluations as f64;
        let blocks = &problem.blocks;
        let few_levels = blocks.factors.iter().any(|f| f.q < FEW_LEVELS * f.k);
        let columns: usize = problem.widths.iter().sum();
        let (hollows, scattered) = if is_on_lattice(problem) {
            (HOLLOWS, 0)
        } else if few_levels {
            (HOLLOWS, (PER_COLUMN * columns).min(MANY))
        } else if problem.n_random() <= FEW_EFFECTS {
            (SOME, SOME)
        } else {
            (LEAST, LEAST)
        };
        let laps = (affordable / LAP as f64) as usize;
        Self {
            probes: (0.5 * VALUES * affordable) as usize,
            hollows: hollows.min(laps),
            scattered: scattered.min(laps).max(asked),
        }
    }
}

/// One or two standard deviations: all of their values are looked at.
fn is_on_lattice(problem: &Problem) -> bool {
    problem.widths[..] == [1] || problem.widths[..] == [1, 1]
}

/// Searches from other starts than the one that led to `best`. `given` are further starts, which are searched in any case.
pub fn search(
    objective: &Objective,
    best: &Point,
    given: &[Vec<f64>],
    extent: &Extent,
    control: &Control,
) -> Result<Found, KernelError> {
    let mut known = Known::new(objective, best);
    let mut found = Found::default();
    let mut starts = given.to_vec();
    let certain = starts.len();
    if extent.probes > 0 {
        let hollows = hollows(objective, best, extent.probes, &mut found.probes)?;
        starts.extend(hollows.into_iter().take(extent.hollows));
    }
    let going_on = (starts.len() - certain + extent.scattered).div_ceil(GO_ON).max(LEAST);
    starts.extend(scattered_starts(objective.problem, best, extent.scattered));
    // one lap of all, then those in front go on
    for (index, start) in starts.iter().enumerate() {
        let limit = if index < certain { control.max_evaluations } else { LAP.min(control.max_evaluations) };
        let mut trace = vec![];
        // a start where the criterion does not exist leads nowhere
        if let Some(point) = at_these_parameters(run(objective, start, limit, control, &known, &mut trace))? {
            if trace.len() < limit {
                known.add(&point);
            }
            found.searches.push(Search { point, trace });
        }
    }
    let mut order: Vec<usize> =
        (0..found.searches.len()).filter(|&i| found.searches[i].trace.len() == LAP).collect();
    order.sort_by(|&a, &b| found.searches[a].point.criterion.total_cmp(&found.searches[b].point.criterion));
    for &i in order.iter().take(going_on) {
        let search = &mut found.searches[i];
        let theta = search.point.theta.clone();
        let limit = LAP + control.max_evaluations;
        let end = run(objective, &theta, limit, control, &known, &mut search.trace);
        if let Some(point) = at_these_parameters(end)? {
            known.add(&point);
            search.point = point;
        }
    }
    Ok(found)
}

fn run(
    objective: &Objective,
    start: &[f64],
    limit: usize,
    control: &Control,
    known: &Known,
    trace: &mut Vec<TraceEntry>,
) -> Result<Point, KernelError> {
    let all = vec![true; start.len()];
    let budget = Control { max_evaluations: limit, ..*control };
    minimize_unless(objective, start, &all, &budget, Step::Restart, Some(known), trace)
}

/// Standard deviations of a term between which the criterion can have its hollows: where the error hides all of its levels,
/// and where it hides none.
fn range(problem: &Problem, term: usize) -> (f64, f64) {
    let (factor, offset) = problem.blocks.term_place[term];
    let leading = &problem.blocks.eliminated[0];
    let k = problem.widths[term];
    let mut low = f64::INFINITY;
    let mut high = 0.0f64;
    let mut consider = |h: f64| {
        if h > 0.0 {
            low = low.min(h);
            high = high.max(h);
        }
    };
    if leading.factor == factor {
        let kf = leading.k;
        for r in problem.panels[0].diag.chunks_exact(kf * kf) {
            for c in offset..offset + k {
                consider(dense::dot(&r[c * kf..(c + 1) * kf], &r[c * kf..(c + 1) * kf]));
            }
        }
    } else {
        let f = &problem.blocks.factors[factor];
        let mean = problem.n as f64 / f.q as f64;
        consider(mean);
    }
    if low > high {
        return (SMALL, LARGE);
    }
    // group effects may be as much larger than the error as the response is larger than what varies within levels
    let p = problem.n_fixed();
    let within = problem.tail[p + p * problem.blocks.tail] / problem.n as f64;
    let ratio = within.max(1e-12).sqrt().recip();
    ((FAINT / high).sqrt(), ratio / (FAINT * low).sqrt())
}

fn line(low: f64, high: f64, ratio: f64, most: usize) -> Vec<f64> {
    let decades = (high / low).ln();
    let n = ((decades / ratio.ln()).ceil() as usize + 1).clamp(2, most.max(2));
    (0..n).map(|i| low * (decades * i as f64 / (n - 1) as f64).exp()).collect()
}

/// Starts in the hollows of a lattice over one or two standard deviations, or of lines through the optimum along which one term
/// or one effect grows; lowest first.
fn hollows(
    objective: &Objective,
    best: &Point,
    most: usize,
    probes: &mut usize,
) -> Result<Vec<Vec<f64>>, KernelError> {
    let problem = objective.problem;
    let widths = &problem.widths;
    let mut values = |thetas: &[Vec<f64>]| -> Result<Vec<f64>, KernelError> {
        *probes += thetas.len();
        let value = |theta: &Vec<f64>| at_these_parameters(objective.value(theta));
        thetas.iter().map(|theta| Ok(value(theta)?.unwrap_or(f64::INFINITY))).collect()
    };
    let mut out: Vec<(f64, Vec<f64>)> = vec![];
    if widths[..] == [1] {
        let (low, high) = range(problem, 0);
        let line: Vec<Vec<f64>> =
            line(low, high, FINE, most.min(LONGEST)).into_iter().map(|s| vec![s]).collect();
        let values = values(&line)?;
        let own = |i: usize| {
            let (left, right) = (
                i.checked_sub(1).map_or(0.0, |j| line[j][0]),
                line.get(i + 1).map_or(f64::INFINITY, |s| s[0]),
            );
            (left..=right).contains(&best.theta[0]) && values[i] >= best.criterion
        };
        out.extend(minima(&values).filter(|&i| !own(i)).map(|i| (values[i], line[i].clone())));
    } else if widths[..] == [1, 1] {
        let side = ((most as f64).sqrt() as usize).min(WIDEST);
        let lines = [0, 1].map(|term| {
            let (low, high) = range(problem, term);
            let mut line = line(low, high, COARSE, side);
            line.insert(0, 0.0);
            line
        });
        let (a, b) = (lines[0].len(), lines[1].len());
        let lattice: Vec<Vec<f64>> = (0..a * b).map(|h| vec![lines[0][h % a], lines[1][h / a]]).collect();
        let values = values(&lattice)?;
        for h in 0..a * b {
            let (i, j) = (h % a, h / a);
            let lowest = (i.saturating_sub(1)..(i + 2).min(a))
                .flat_map(|x| (j.saturating_sub(1)..(j + 2).min(b)).map(move |y| x + y * a))
                .all(|other| values[h] <= values[other]);
            let around = |line: &[f64], i: usize, s: f64| {
                s >= line[i.saturating_sub(1)] && line.get(i + 1).is_none_or(|&next| s <= next)
            };
            let own = around(&lines[0], i, best.theta[0]) && around(&lines[1], j, best.theta[1]);
            if lowest && values[h].is_finite() && !(own && values[h] >= best.criterion) {
                out.push((values[h], lattice[h].clone()));
            }
        }
    } else {
        let roots = covariance::unpack(widths, &best.theta);
        let with = |term: usize, root: Vec<f64>| {
            let mut trial = roots.clone();
            trial[term] = root;
            covariance::pack(widths, &trial)
        };
        // every term as large or small as it may be
        for (term, &k) in widths.iter().enumerate() {
            let (low, high) = range(problem, term);
            let sizes = line(low, high, DECADE, most / (2 * widths.len()));
            let line: Vec<Vec<f64>> = sizes.iter().map(|&s| with(term, dense::identity(k, s))).collect();
            let values = values(&line)?;
            out.extend(minima(&values).map(|i| (values[i], line[i].clone())));
        }
        // every effect of a term larger, smaller, or of the other sign beside the term's others
        let effects: Vec<(usize, usize)> = (0..widths.len())
            .filter(|&term| widths[term] > 1)
            .flat_map(|term| (0..widths[term]).map(move |i| (term, i)))
            .collect();
        if effects.len() * FACTORS.len() <= most {
            for (term, i) in effects {
                let root = |factor: f64| {
                    with_effect_times(widths[term], &roots[term], &problem.term_scale[term], i, factor)
                };
                let line: Vec<Vec<f64>> = FACTORS.iter().map(|&f| with(term, root(f))).collect();
                let values = values(&line)?;
                let others = minima(&values).filter(|&h| FACTORS[h] != 1.0);
                out.extend(others.map(|h| (values[h], line[h].clone())));
            }
        }
    }
    out.sort_by(|a, b| a.0.total_cmp(&b.0));
    // where T is singular derivatives hide the way
    let lift = |theta: Vec<f64>| -> Vec<f64> {
        let coords = objective.coords.iter().zip(theta);
        coords.map(|(c, v)| if c.row == c.col && v == 0.0 { LEAST_SIZE } else { v }).collect()
    };
    Ok(out.into_iter().map(|s| lift(s.1)).collect())
}

/// T* (scaled columns, Sigma* = R Sigma R') when effect `i` of the original columns is multiplied by `factor`.
fn with_effect_times(k: usize, root: &[f64], r: &[f64], i: usize, factor: f64) -> Vec<f64> {
    let mut a = root.to_vec();
    for column in a.chunks_exact_mut(k) {
        dense::solve_upper(k, r, column);
        column[i] *= factor;
    }
    let mut scaled = vec![0.0; k * k];
    dense::multiply_small(k, k, k, r, &a, &mut scaled);
    covariance::lower_root(k, k, &scaled)
}

/// Places of the local minima of values along a line, its ends included.
fn minima(values: &[f64]) -> impl Iterator<Item = usize> {
    let at = |i: Option<usize>| i.and_then(|i| values.get(i)).copied().unwrap_or(f64::INFINITY);
    (0..values.len()).filter(move |&i| {
        values[i].is_finite() && values[i] <= at(i.checked_sub(1)) && values[i] < at(Some(i + 1))
    })
}

/// Starts over decades: the plain one, the large and the small end, then scattered ones.
fn scattered_starts(problem: &Problem, best: &Point, count: usize) -> Vec<Vec<f64>> {
    let joint = shared_scales(problem);
    (0..count)
        .map(|index| match index {
            0 => plain_start(problem),
            1 => scaled_identity(problem, LARGE),
            2 => scaled_identity(problem, SMALL),
            _ => scattered(problem, best, &joint, index as u64),
        })
        .collect()
}

fn scaled_identity(problem: &Problem, size: f64) -> Vec<f64> {
    covariance::coordinates(&problem.widths).iter().map(|c| if c.row == c.col { size } else { 0.0 }).collect()
}

/// Numbers between 0 and 1, the same for the same seed.
struct Uniform(u64);

impl Uniform {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// L of the columns of each factor with several terms (`joint_scale`), where it exists.
fn shared_scales(problem: &Problem) -> Vec<Option<Vec<f64>>> {
    let leading = &problem.blocks.eliminated[0];
    (0..problem.blocks.factors.len())
        .map(|f| {
            let info = &problem.blocks.factors[f];
            (f == leading.factor && info.terms.len() > 1)
                .then(|| joint_scale(problem.n, info.k, &leading_moments(problem).0).ok())
                .flatten()
        })
        .collect()
}

/// Rows of T over decades, around one or around their size at the optimum, with loadings of either sign; where terms share a
/// factor, every second time in the joint columns, so that large variances may hide each other.
fn scattered(problem: &Problem, best: &Point, joint: &[Option<Vec<f64>>], index: u64) -> Vec<f64> {
    let mut uniform = Uniform(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let widths = &problem.widths;
    let at_best = covariance::unpack(widths, &best.theta);
    let largest = best.theta.iter().fold(0.0f64, |a, v| a.max(v.abs()));
    let mut roots: Vec<Vec<f64>> = widths
        .iter()
        .enumerate()
        .map(|(term, &k)| {
            let mut root = vec![0.0; k * k];
            for i in 0..k {
                let own = (0..=i).map(|c| at_best[term][i + c * k].powi(2)).sum::<f64>().sqrt();
                let around = match index % 2 {
                    0 if own > 0.0 => own,
                    0 if largest > 0.0 => largest,
                    _ => 1.0,
                };
                let size = around * 10f64.powf(DECADES * (2.0 * uniform.next() - 1.0));
                for c in 0..=i {
                    root[i + c * k] = size * (2.0 * uniform.next() - 1.0);
                }
            }
            root
        })
        .collect();
    if index % 4 >= 2 {
        for (info, scale) in problem.blocks.factors.iter().zip(joint) {
            let Some(l) = scale else { continue };
            let kf = info.k;
            let mut root = vec![0.0; kf * kf];
            for i in 0..kf {
                root[i + i * kf] = 10f64.powf(DECADES * (2.0 * uniform.next() - 1.0));
                dense::backward_small(kf, l, &mut root[i * kf..(i + 1) * kf]);
            }
            for &(term, offset) in &info.terms {
                let k = widths[term];
                let rows: Vec<f64> = (0..k * kf).map(|i| root[offset + i % k + (i / k) * kf]).collect();
                roots[term] = covariance::lower_root(k, kf, &rows);
            }
        }
    }
    covariance::pack(widths, &roots)
}
