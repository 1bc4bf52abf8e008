//! Estimates without some of the rows, for many sets of rows in turn, in threads.
//!
//! The crossproducts of the full problem are kept, with its scaling, and lose what the rows left out gave. Only the leading
//! levels those rows belong to are read again; a level without rows stays as an empty one, which changes nothing. Three
//! things can make that unsafe, and each has its answer: where the set touches most rows, or where sums would cancel, they
//! are formed again from the rows left; where columns lose most of their length or the response its centre, so that rank
//! and scaling are in doubt, the whole problem is made anew.

use crate::blocks::Grouped;
use crate::certificate::Curvature;
use crate::covariance;
use crate::criterion::criterion;
use crate::dense;
use crate::error::KernelError;
use crate::factor::Factorization;
use crate::gradient::fixed_covariance;
use crate::modes::Modes;
use crate::newton::{Control, Objective, active_coordinates, trust_region_step};
use crate::optimize::{check_parameters, is_near_boundary, optimize};
use crate::pool;
use crate::problem::{FactorInput, Input, LevelRows, OwnedInput, Problem};
use crate::resample::{Refit, reading, search};
use crate::solution::unscale_fixed;
use crate::start::moment_start;

/// Below this share of its square a column's part that the columns before do not explain puts the rank in doubt.
const SAFE_PIVOT: f64 = 1e-3;
/// Sums that keep less than this share lose too many digits by subtraction; sums below the second number are rounding.
const CANCELLATION: f64 = 1e-2;
const ROUNDING: f64 = 1e-25;
/// Sum of squares of y that the fixed effects may explain in units of what is left, y being centred as in the full problem.
const MOST_EXPLAINED: f64 = 1e4;
/// The decrement at which a search stops: half the squared distance in standard errors, which are to be right to 1e-7.
const GAP: f64 = 1e-14;
/// The decrement from which plain Newton steps are tried, and the share of it that may be left after each.
const NEAR: f64 = 1.0;
const FALL: f64 = 0.2;

/// A problem with its rows, and disjoint sets of them to be left out one at a time.
pub struct Deletions {
    input: OwnedInput,
    problem: Problem,
    /// Rows by leading level.
    levels: Grouped,
    /// Rows by set.
    sets: Grouped,
    /// Rows of each level of each factor (the caller's order).
    sizes: Vec<Vec<usize>>,
    reml: bool,
    parameters: Parameters,
    /// Of the criterion of all rows at the start, in the scaling of their problem.
    hessian: Option<Vec<f64>>,
}

/// What is done without the rows.
#[derive(Clone, Debug)]
pub enum Parameters {
    /// All parameters are estimated, from this theta (lme4's order) or, without one or at a singular one, from moments.
    Estimated { start: Option<Vec<f64>>, control: Control },
    /// Theta is held at this value.
    Held { theta: Vec<f64> },
}

/// Estimates without one set of rows.
#[derive(Clone, Debug)]
pub struct Deletion {
    pub refit: Refit,
    /// (X'V^-1 X)^-1 in units of sigma^2, of the columns that can still be estimated.
    pub vcov_unscaled: Vec<f64>,
    /// The same fixed effects can be estimated as with all rows.
    pub same_rank: bool,
}

/// Workspace of one thread.
struct Scratch {
    out: Vec<bool>,
    level: LevelRows,
    row: Vec<f64>,
}

impl Deletions {
    /// `set`: per row the number of its set in 0..n_sets.
    pub fn new(
        input: &Input,
        set: &[i32],
        n_sets: usize,
        reml: bool,
        parameters: Parameters,
    ) -> Result<Self, KernelError> {
        let problem = Problem::new(input)?;
        let n = problem.n;
        FactorInput { codes: set, n_levels: n_sets }.check(n, input.factors.len())?;
        let all: Vec<u32> = (0..n as u32).collect();
        let sizes = input
            .factors
            .iter()
            .map(|f| {
                let rows = Grouped::new(f.codes, f.n_levels)?;
                Ok((0..f.n_levels).map(|l| rows.rows(l).len()).collect())
            })
            .collect::<Result<_, KernelError>>()?;
        let (parameters, hessian) = match parameters {
            Parameters::Estimated { start: Some(theta), control } => {
                check_parameters(&problem, &theta)?;
                let here = scaled(&problem, &theta);
                // zeros are stationary, whether or not they are optimal without the rows
                if !covariance::is_regular(&problem.widths, &here)? {
                    (Parameters::Estimated { start: None, control }, None)
                } else {
                    let objective = Objective::new(&problem, reml);
                    let hessian = if control.starts <= 1 {
                        Some(Curvature::new(&objective, &objective.point(&here)?)?.hessian)
                    } else {
                        None
                    };
                    (Parameters::Estimated { start: Some(theta), control }, hessian)
                }
            }
            Parameters::Held { theta } => {
                check_parameters(&problem, &theta)?;
                (Parameters::Held { theta }, None)
            }
            estimated => (estimated, None),
        };
        Ok(Self {
            input: input.rows(&all)?,
            levels: problem.leading_rows(input)?,
            sets: Grouped::new(set, n_sets)?,
            problem,
            sizes,
            reml,
            parameters,
            hessian,
        })
    }

    /// The problem of all rows.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    pub fn n_sets(&self) -> usize {
        self.sets.ptr.len() - 1
    }

    /// Estimates without each of the sets `first..last`, in order.
    pub fn refit(&self, first: usize, last: usize) -> Vec<Result<Deletion, KernelError>> {
        let input = self.input.input();
        let scratch = || Scratch {
            out: vec![false; self.problem.n],
            level: LevelRows::default(),
            row: vec![0.0; self.widest_row()],
        };
        let count = last.min(self.n_sets()).saturating_sub(first);
        pool::map_init(count, scratch, |scratch, set| {
            self.refit_one(&input, self.sets.rows(first + set), scratch)
        })
    }

    fn refit_one(&self, input: &Input, set: &[u32], scratch: &mut Scratch) -> Result<Deletion, KernelError> {
        if matches!(self.parameters, Parameters::Estimated { .. }) {
            self.check_levels(input, set)?;
        }
        for &i in set {
            scratch.out[i as usize] = true;
        }
        let found = match self.by_downdating(input, set, scratch) {
            Some(found) => Ok(found),
            None => self.formed_anew(input, &scratch.out),
        };
        for &i in set {
            scratch.out[i as usize] = false;
        }
        found
    }

    /// Estimates from the full problem's crossproducts in its scaling; None where that is unsafe or fails.
    fn by_downdating(&self, input: &Input, set: &[u32], scratch: &mut Scratch) -> Option<Deletion> {
        if !self.scaling_is_safe(input, set, scratch) {
            return None;
        }
        let problem = self.downdated(input, set, scratch)?;
        let (found, explained) = self.estimates(&problem, self.hessian.as_deref()).ok()?;
        // explained by the fixed effects as of another centre: what is left of y has lost these digits
        (explained <= MOST_EXPLAINED).then_some(found)
    }

    /// Estimates from the rows left, all formed anew.
    fn formed_anew(&self, input: &Input, out: &[bool]) -> Result<Deletion, KernelError> {
        let left: Vec<u32> = (0..self.problem.n as u32).filter(|&i| !out[i as usize]).collect();
        let problem = Problem::new(&input.rows(&left)?.input())?;
        Ok(self.estimates(&problem, None)?.0)
    }

    /// Estimates of a problem, and the sum of squares of y that the fixed effects explain, in units of what is left.
    fn estimates(&self, problem: &Problem, hessian: Option<&[f64]>) -> Result<(Deletion, f64), KernelError> {
        let objective = Objective::new(problem, self.reml);
        let scaled = |theta: &[f64]| scaled(problem, theta);
        let (refit, factor) = match &self.parameters {
            Parameters::Held { theta } => held(&objective, &scaled(theta))?,
            Parameters::Estimated { start, control } => {
                estimated(&objective, start.as_deref().map(scaled).as_deref(), hessian, control)?
            }
        };
        let p = problem.n_fixed();
        let explained: f64 = (0..p).map(|t| factor.tail[p + t * (p + 1)].powi(2)).sum();
        let found = Deletion {
            refit,
            vcov_unscaled: unscale_fixed(problem, &fixed_covariance(problem, &factor)?),
            same_rank: problem.rank == self.problem.rank,
        };
        Ok((found, explained / factor.pwrss))
    }

    fn widest_row(&self) -> usize {
        let blocks = &self.problem.blocks;
        blocks.factors.iter().map(|f| f.k).max().unwrap_or(0).max(blocks.tail)
    }

    /// Every factor must be left with two levels or more.
    fn check_levels(&self, input: &Input, set: &[u32]) -> Result<(), KernelError> {
        for (factor, (f, sizes)) in input.factors.iter().zip(&self.sizes).enumerate() {
            let mut codes: Vec<i32> = set.iter().map(|&i| f.codes[i as usize]).collect();
            codes.sort_unstable();
            let lost =
                codes.chunk_by(|a, b| a == b).filter(|run| run.len() == sizes[run[0] as usize]).count();
            let present = sizes.iter().filter(|&&size| size > 0).count();
            if lost > 0 && present - lost < 2 {
                return Err(KernelError::TooFewLevels { factor });
            }
        }
        Ok(())
    }

    /// Whether each column of the fixed part and of the random terms keeps enough of what the columns before it do not
    /// explain. All rows together have the identity (n times it, for random terms) as crossproducts.
    fn scaling_is_safe(&self, input: &Input, set: &[u32], scratch: &mut Scratch) -> bool {
        let problem = &self.problem;
        let p = problem.n_fixed();
        if problem.n - set.len() <= p {
            return false;
        }
        let mut left = dense::identity(p, 1.0);
        for &i in set {
            let row = &mut scratch.row[..=p];
            problem.tail_row(input, i as usize, input.root_weight(i as usize), row);
            subtract_outer(&row[..p], 1.0, &mut left);
        }
        if !pivots_are_safe(p, &mut left) {
            return false;
        }
        problem.blocks.factors.iter().enumerate().all(|(f, info)| {
            let mut left: Vec<Vec<f64>> =
                info.terms.iter().map(|&(t, _)| dense::identity(problem.widths[t], 1.0)).collect();
            for &i in set {
                let row = &mut scratch.row[..info.k];
                problem.random_row(input, f, i as usize, input.root_weight(i as usize), row);
                for (left, &(t, offset)) in left.iter_mut().zip(&info.terms) {
                    subtract_outer(&row[offset..offset + problem.widths[t]], 1.0 / problem.n as f64, left);
                }
            }
            left.iter_mut().zip(&info.terms).all(|(left, &(t, _))| pivots_are_safe(problem.widths[t], left))
        })
    }

    /// The full problem without the rows of a set, in the full problem's scaling; None where the response needs another
    /// centre.
    fn downdated(&self, input: &Input, set: &[u32], scratch: &mut Scratch) -> Option<Problem> {
        let mut problem = self.problem.copy().ok()?;
        problem.n -= set.len();
        if let Some(w) = input.weights {
            problem.log_weights -= set.iter().map(|&i| w[i as usize].ln()).sum::<f64>();
        }
        let leading = &problem.blocks.eliminated[0];
        let codes = input.factors[problem.blocks.factors[leading.factor].input].codes;
        let mut touched: Vec<usize> = set.iter().map(|&i| codes[i as usize] as usize).collect();
        touched.sort_unstable();
        touched.dedup();
        // rows of touched levels are read twice, to be taken out and put back
        let read: usize = touched.iter().map(|&j| 2 * self.levels.rows(j).len()).sum();
        let mut patched = read < self.problem.n;
        if patched {
            for &j in &touched {
                let old = self.levels.rows(j);
                let new: Vec<u32> = old.iter().copied().filter(|&i| !scratch.out[i as usize]).collect();
                problem.replace_level(input, j, old, &new, &mut scratch.level).ok()?;
            }
            patched = !self.cancels(&problem);
        }
        if !patched {
            problem.accumulate(input, &self.levels.without(&scratch.out).ok()?).ok()?;
        }
        problem.within_level_step().is_none().then_some(problem)
    }

    /// Whether a sum of squares lost so much that what is left is inexact.
    fn cancels(&self, left: &Problem) -> bool {
        let lost = |full: f64, left: f64| full > ROUNDING && left < CANCELLATION * full;
        let full = &self.problem;
        let width = full.blocks.tail;
        (0..width).any(|t| lost(full.tail[t + t * width], left.tail[t + t * width]))
            || (0..full.blocks.core_dim).any(|a| lost(full.core.get(a, a), left.core.get(a, a)))
            || full.blocks.eliminated.iter().enumerate().skip(1).any(|(e, pattern)| {
                let k = pattern.k;
                (0..pattern.q * k).any(|c| {
                    let at = c / k * k * k + c % k * (k + 1);
                    lost(full.panels[e].diag[at], left.panels[e].diag[at])
                })
            })
    }
}

/// Kernel coordinates of theta.
fn scaled(problem: &Problem, theta: &[f64]) -> Vec<f64> {
    covariance::theta_to_scaled(&problem.widths, &problem.term_scale, theta)
}

/// a -= scale * row row' (lower triangle).
fn subtract_outer(row: &[f64], scale: f64, a: &mut [f64]) {
    let k = row.len();
    for c in 0..k {
        for r in c..k {
            a[r + c * k] -= scale * row[r] * row[c];
        }
    }
}

/// Factors a crossproduct that was the identity; false where a pivot is small.
fn pivots_are_safe(k: usize, a: &mut [f64]) -> bool {
    dense::cholesky_small(k, a).is_ok() && (0..k).all(|i| a[i + i * k] * a[i + i * k] > SAFE_PIVOT)
}

/// A stationary point with what was read there.
struct Stationary {
    theta: Vec<f64>,
    factor: Factorization,
    modes: Modes,
}

/// Newton steps with a given Hessian, brought up to date by what the gradient shows (BFGS), until the decrement is below
/// `GAP`; None where it does not fall fast. Where the Hessian is nearly right, this costs a few gradients only.
fn descend(
    objective: &Objective,
    theta: &[f64],
    hessian: &[f64],
    free: &[bool],
) -> Result<Option<Stationary>, KernelError> {
    let mut theta = theta.to_vec();
    let mut hessian = hessian.to_vec();
    let unit = vec![1.0; theta.len()];
    let mut largest = NEAR;
    let mut before: Option<(Vec<f64>, Vec<f64>)> = None;
    loop {
        if objective.is_floored(&theta) {
            return Ok(None);
        }
        let (factor, modes, first) = objective.first_order(&theta)?;
        if let Some((step, gradient)) = before {
            let change: Vec<f64> = first.gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
            update(&mut hessian, &step, &change, free);
        }
        let (step, _, decrement) =
            trust_region_step(&first.gradient, &hessian, &unit, free, f64::MAX.sqrt())?;
        if decrement <= GAP {
            return Ok(Some(Stationary { theta, factor, modes }));
        }
        if decrement.is_nan() || decrement > largest {
            return Ok(None);
        }
        largest = FALL * decrement;
        for (t, s) in theta.iter_mut().zip(&step) {
            *t += s;
        }
        before = Some((step, first.gradient));
    }
}

/// The BFGS update of a Hessian (Nocedal & Wright 2006, eq. 6.19) on the free coordinates, where curvature is positive.
fn update(hessian: &mut [f64], step: &[f64], change: &[f64], free: &[bool]) {
    let m = step.len();
    let y: Vec<f64> = change.iter().zip(free).map(|(c, &f)| if f { *c } else { 0.0 }).collect();
    let hs: Vec<f64> = (0..m).map(|b| dense::dot(&hessian[b * m..(b + 1) * m], step)).collect();
    let (along, model) = (dense::dot(&y, step), dense::dot(&hs, step));
    if along > 0.0 && model > 0.0 {
        for b in 0..m {
            for a in 0..m {
                if free[a] && free[b] {
                    hessian[a + b * m] += y[a] * y[b] / along - hs[a] * hs[b] / model;
                }
            }
        }
    }
}

/// Estimates at a point where the gradient vanishes.
fn read_stationary(objective: &Objective, at: Stationary) -> (Refit, Factorization) {
    let value = criterion(objective.problem, &at.factor, objective.reml);
    (Refit::read(objective, value, &at.theta, &at.factor, &at.modes, true), at.factor)
}

/// All parameters, searched for from `start` (kernel coordinates). With the exact `hessian` of the full problem the search
/// begins with that.
fn estimated(
    objective: &Objective,
    start: Option<&[f64]>,
    hessian: Option<&[f64]>,
    control: &Control,
) -> Result<(Refit, Factorization), KernelError> {
    let problem = objective.problem;
    if let (Some(theta), Some(hessian)) = (start, hessian) {
        let all = vec![true; theta.len()];
        if let Ok(Some(at)) = descend(objective, theta, hessian, &all)
            && !is_near_boundary(&problem.widths, &at.theta)?
        {
            return Ok(read_stationary(objective, at));
        }
    }
    let control = Control { gap_tolerance: control.gap_tolerance.min(GAP), ..*control };
    // one search for each set of rows, as for other refits; a fit's searches from elsewhere where it fails or more are asked for
    let searched = if control.starts <= 1 {
        let moments = if start.is_none() { Some(moment_start(problem, objective.reml)?) } else { None };
        let from = start.or(moments.as_deref());
        from.and_then(|theta| search(objective, theta, &control).ok()).filter(|found| found.1)
    } else {
        None
    };
    let (point, converged) = match searched {
        Some(found) => found,
        None => {
            let optimum = optimize(problem, objective.reml, start, &control)?;
            let converged = optimum.certificate.passed();
            (optimum.point, converged)
        }
    };
    // the search ends where the criterion stands still in its own rounding; the gradient still shows the way
    let free = active_coordinates(objective, &point.theta);
    if let Ok(Some(at)) = descend(objective, &point.theta, &point.hessian, &free) {
        return Ok(read_stationary(objective, at));
    }
    let (factor, modes) = reading(objective, &point)?;
    let refit = Refit::read(objective, point.criterion, &point.theta, &factor, &modes, converged);
    Ok((refit, factor.into_owned()))
}

/// Fixed effects and sigma at a theta that is held (kernel coordinates).
fn held(objective: &Objective, theta: &[f64]) -> Result<(Refit, Factorization), KernelError> {
    let factor = objective.factorize(theta)?;
    let modes = Modes::new(objective.problem, &factor)?;
    let value = criterion(objective.problem, &factor, objective.reml);
    Ok((Refit::read(objective, value, theta, &factor, &modes, true), factor))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::numbers::Numbers;
    use crate::problem::TermInput;

    struct Data {
        y: Vec<f64>,
        x: Vec<Vec<f64>>,
        weights: Vec<f64>,
        codes: Vec<(Vec<i32>, usize)>,
    }

    /// 24 groups of 5 rows in 6 regions, crossed with 4 items; columns of x: 1, a covariate, an arm of three groups.
    fn data() -> Data {
        let n = 120;
        let mut numbers = Numbers(11);
        let mut uniform = || 0.5 * numbers.next();
        let effects: Vec<f64> = (0..60).map(|_| 3.0 * uniform()).collect();
        let group: Vec<i32> = (0..n).map(|i| (i / 5) as i32).collect();
        let region: Vec<i32> = (0..n).map(|i| (i / 20) as i32).collect();
        let item: Vec<i32> = (0..n).map(|i| ((i * 7 + i / 5) % 4) as i32).collect();
        let covariate: Vec<f64> = (0..n).map(|_| 2010.0 + 4.0 * uniform()).collect();
        let arm: Vec<f64> = group.iter().map(|&g| if g < 3 { 1.0 } else { 0.0 }).collect();
        let y = (0..n)
            .map(|i| {
                let g = group[i] as usize;
                effects[g]
                    + effects[24 + g] * (covariate[i] - 2010.0) * 0.5
                    + effects[48 + region[i] as usize]
                    + effects[54 + item[i] as usize]
                    + arm[i]
                    + 2.0 * uniform()
            })
            .collect();
        let weights = (0..n).map(|_| 1.0 + uniform()).collect();
        Data {
            y,
            x: vec![vec![1.0; n], covariate, arm],
            weights,
            codes: vec![(group, 24), (region, 6), (item, 4)],
        }
    }

    /// Random slopes of groups; `factors` others with random intercepts.
    fn input<'a>(data: &'a Data, others: &[usize], weighted: bool) -> Input<'a> {
        let chosen: Vec<usize> = [0].iter().chain(others).copied().collect();
        let mut terms = vec![TermInput { factor: 0, columns: vec![&data.x[0], &data.x[1]] }];
        terms.extend((1..chosen.len()).map(|factor| TermInput { factor, columns: vec![&data.x[0][..]] }));
        Input {
            y: &data.y,
            x: data.x.iter().map(Vec::as_slice).collect(),
            weights: weighted.then_some(&data.weights[..]),
            factors: chosen
                .iter()
                .map(|&f| FactorInput { codes: &data.codes[f].0, n_levels: data.codes[f].1 })
                .collect(),
            terms,
        }
    }

    fn anew(input: &Input, out: impl Fn(usize) -> bool) -> Problem {
        let left: Vec<u32> = (0..input.y.len() as u32).filter(|&i| !out(i as usize)).collect();
        Problem::new(&input.rows(&left).unwrap().input()).unwrap()
    }

    fn close(a: f64, b: f64, tolerance: f64) {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{a} {b}");
    }

    /// Deletion by every kind of set: criterion and estimates at one theta as from the rows left.
    #[test]
    fn crossproducts_without_a_set_are_those_of_the_rows_left() {
        let data = data();
        let rows: Vec<i32> = (0..120).collect();
        for (others, weighted) in [(vec![], false), (vec![1], true), (vec![2], false), (vec![1, 2], true)] {
            let input = input(&data, &others, weighted);
            for (sets, n_sets) in
                [(&rows, 120), (&data.codes[0].0, 24), (&data.codes[1].0, 6), (&data.codes[2].0, 4)]
            {
                let mut theta = vec![0.8, 0.3, 0.5];
                theta.extend(others.iter().map(|_| 0.7));
                let parameters = Parameters::Held { theta: theta.clone() };
                let deletions = Deletions::new(&input, sets, n_sets, true, parameters).unwrap();
                for (set, found) in deletions.refit(0, n_sets).into_iter().enumerate() {
                    let found = found.unwrap();
                    let problem = anew(&input, |i| sets[i] == set as i32);
                    let objective = Objective::new(&problem, true);
                    let (wanted, factor) = held(&objective, &scaled(&problem, &theta)).unwrap();
                    let vcov = unscale_fixed(&problem, &fixed_covariance(&problem, &factor).unwrap());
                    assert_eq!(found.same_rank, problem.n_fixed() == 3);
                    close(found.refit.criterion, wanted.criterion, 1e-11);
                    close(found.refit.sigma, wanted.sigma, 1e-11);
                    // the intercept lies 2010 units of the covariate away
                    for (a, b) in found.refit.beta.iter().zip(&wanted.beta) {
                        close(*a, *b, 1e-9);
                    }
                    for (a, b) in found.vcov_unscaled.iter().zip(&vcov) {
                        close(*a, *b, 1e-9);
                    }
                }
            }
        }
    }

    #[test]
    fn estimates_without_a_set_are_those_of_a_certified_fit() {
        let data = data();
        let control = Control { gap_tolerance: GAP, ..Control::default() };
        for others in [vec![], vec![1], vec![2]] {
            for reml in [true, false] {
                let input = input(&data, &others, false);
                let full = optimize(&Problem::new(&input).unwrap(), reml, None, &control).unwrap();
                let problem = Problem::new(&input).unwrap();
                let theta =
                    covariance::theta_to_original(&problem.widths, &problem.term_scale, &full.point.theta);
                for start in [Some(theta), None] {
                    let parameters = Parameters::Estimated { start, control };
                    let sets = &data.codes[0].0;
                    let deletions = Deletions::new(&input, sets, 24, reml, parameters).unwrap();
                    for (set, found) in deletions.refit(0, 24).into_iter().enumerate() {
                        let found = found.unwrap();
                        let problem = anew(&input, |i| sets[i] == set as i32);
                        let wanted = optimize(&problem, reml, None, &control).unwrap();
                        assert!(found.refit.converged && wanted.certificate.passed());
                        close(found.refit.criterion, wanted.point.criterion, 1e-11);
                        let theta = covariance::theta_to_original(
                            &problem.widths,
                            &problem.term_scale,
                            &wanted.point.theta,
                        );
                        for (a, b) in found.refit.theta.iter().zip(&theta) {
                            close(*a, *b, 2e-7);
                        }
                    }
                }
            }
        }
    }

    /// Zero is stationary: a search from there would find it optimal without any set.
    #[test]
    fn a_singular_start_hides_no_variance() {
        let mut data = data();
        // variances between groups: 0.8; within: 2.1, and 170 in the first group, which hides the others'
        for (i, y) in data.y.iter_mut().enumerate() {
            let within = [-2.0, 1.0, 0.5, 1.5, -1.0][i % 5];
            let between = if i / 5 % 2 == 0 { -0.9 } else { 0.9 };
            *y = between + if i < 5 { 9.0 * within } else { within };
        }
        let mut input = input(&data, &[], false);
        input.x.truncate(1);
        input.terms[0].columns.truncate(1);
        let control = Control::default();
        let full = optimize(&Problem::new(&input).unwrap(), true, None, &control).unwrap();
        assert_eq!(full.point.theta, [0.0]);
        let parameters = Parameters::Estimated { start: Some(vec![0.0]), control };
        let deletions = Deletions::new(&input, &data.codes[0].0, 24, true, parameters).unwrap();
        let found = deletions.refit(0, 1).remove(0).unwrap().refit;
        let wanted = optimize(&anew(&input, |i| i < 5), true, None, &control).unwrap();
        assert!(wanted.point.theta[0] > 0.1, "{:?}", wanted.point.theta);
        close(found.criterion, wanted.point.criterion, 1e-9);
        close(found.theta[0], wanted.point.theta[0], 1e-6);
    }

    /// One group holds nearly all that varies: what is left by subtraction would have lost its digits.
    #[test]
    fn an_overwhelming_group_leaves_no_rounding_behind() {
        let mut data = data();
        for i in 0..5 {
            data.y[i] = 1e9 * (1.0 + i as f64).sin();
        }
        let input = input(&data, &[1], false);
        let sets = &data.codes[0].0;
        let theta = vec![0.8, 0.3, 0.5, 0.7];
        let parameters = Parameters::Held { theta: theta.clone() };
        let deletions = Deletions::new(&input, sets, 24, true, parameters).unwrap();
        let found = deletions.refit(0, 1).remove(0).unwrap();
        let problem = anew(&input, |i| i < 5);
        let (wanted, _) = held(&Objective::new(&problem, true), &scaled(&problem, &theta)).unwrap();
        close(found.refit.criterion, wanted.criterion, 1e-10);
        close(found.refit.sigma, wanted.sigma, 1e-10);
    }

    #[test]
    fn a_factor_left_with_one_level_is_named() {
        let data = data();
        let input = input(&data, &[1], false);
        let sets: Vec<i32> = data.codes[1].0.iter().map(|&r| i32::from(r == 0)).collect();
        let control = Control::default();
        let parameters = Parameters::Estimated { start: None, control };
        let deletions = Deletions::new(&input, &sets, 2, true, parameters).unwrap();
        let found = deletions.refit(0, 2);
        assert_eq!(found[0].as_ref().map(|_| ()).unwrap_err(), &KernelError::TooFewLevels { factor: 1 });
        assert!(found[1].is_ok());
    }

    #[test]
    fn sets_are_checked() {
        let data = data();
        let input = input(&data, &[], false);
        let held = || Parameters::Held { theta: vec![1.0, 0.0, 1.0] };
        let wrong = |sets: &[i32], n_sets: usize, parameters: Parameters| {
            Deletions::new(&input, sets, n_sets, true, parameters).map(|_| ()).unwrap_err()
        };
        assert!(matches!(wrong(&[0; 119], 1, held()), KernelError::Length { .. }));
        assert!(matches!(wrong(&[2; 120], 2, held()), KernelError::LevelCode { .. }));
        let short = Parameters::Held { theta: vec![1.0] };
        assert!(matches!(wrong(&[0; 120], 1, short), KernelError::Length { .. }));
    }
}
