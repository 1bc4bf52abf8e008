//! Many refits of one design with other responses, in threads, reusing the crossproducts of everything but the response.

use std::borrow::Cow;
use std::sync::Arc;

use crate::blocks::Grouped;
use crate::certificate::term_optimalities;
use crate::covariance;
use crate::dense;
use crate::error::KernelError;
use crate::factor::Factorization;
use crate::memory;
use crate::modes::Modes;
use crate::newton::{Control, Objective, Point, Step, minimize, noise};
use crate::optimize::{SIZES, escape, snap};
use crate::pool;
use crate::problem::{Input, LevelRows, Problem, power_of_two};
use crate::solution::unscale_coefficients;
use crate::start::moment_start;
use crate::watch;

/// Attempts to leave a boundary that is not optimal.
const MOST_ESCAPES: usize = 3;

/// Scaled rows in the order of the leading levels: what a new response is projected on.
pub struct Rows {
    levels: Grouped,
    root_weight: Vec<f64>,
    /// n x p, orthonormal columns, row-major.
    fixed: Vec<f64>,
    /// The same after projection on the leading level's columns.
    fixed_rest: Vec<f64>,
    /// n x k, Q_j of the leading levels, row-major.
    leading: Vec<f64>,
    /// Per other factor (kernel order): codes and n x k columns, row-major.
    others: Vec<(usize, Vec<u32>, Vec<f64>)>,
}

impl Rows {
    pub fn new(problem: &Problem, input: &Input) -> Result<Self, KernelError> {
        let blocks = &problem.blocks;
        let pattern = &blocks.eliminated[0];
        let (n, p, k) = (problem.n, problem.n_fixed(), pattern.k);
        let codes = |f: usize| input.factors[blocks.factors[f].input].codes;
        let levels = problem.leading_rows(input)?;
        let root_weight: Vec<f64> = levels.order.iter().map(|&i| input.root_weight(i as usize)).collect();
        let mut fixed = memory::zeros(&[n, p])?;
        let mut row = vec![0.0; p + 1];
        for (h, &i) in levels.order.iter().enumerate() {
            problem.tail_row(input, i as usize, root_weight[h], &mut row);
            fixed[h * p..(h + 1) * p].copy_from_slice(&row[..p]);
        }
        let mut leading = memory::zeros(&[n, k])?;
        let mut fixed_rest = memory::zeros(&[n, p])?;
        let mut scratch = LevelRows::default();
        for j in 0..pattern.q {
            let m = levels.rows(j).len();
            watch::check()?;
            problem.project(input, levels.rows(j), &mut scratch)?;
            for h in 0..m {
                let at = levels.ptr[j] + h;
                for c in 0..k {
                    leading[at * k + c] = scratch.q[h + c * m];
                }
                for t in 0..p {
                    fixed_rest[at * p + t] = scratch.rest[h + t * m];
                }
            }
        }
        let others = (0..blocks.factors.len())
            .filter(|&f| f != pattern.factor)
            .map(|f| {
                let kf = blocks.factors[f].k;
                let mut columns = memory::zeros(&[n, kf])?;
                for (h, &i) in levels.order.iter().enumerate() {
                    let out = &mut columns[h * kf..(h + 1) * kf];
                    problem.random_row(input, f, i as usize, root_weight[h], out);
                }
                Ok((f, levels.order.iter().map(|&i| codes(f)[i as usize] as u32).collect(), columns))
            })
            .collect::<Result<_, KernelError>>()?;
        Ok(Self { levels, root_weight, fixed, fixed_rest, leading, others })
    }

    /// Replaces the response in a problem: every crossproduct that involves y.
    pub fn respond(&self, problem: &mut Problem, y: &[f64]) -> Result<(), KernelError> {
        let (n, p) = (problem.n, problem.n_fixed());
        if y.len() != n {
            return Err(KernelError::Length { what: "response", expected: n, found: y.len() });
        }
        if let Some(index) = y.iter().position(|v| !v.is_finite()) {
            return Err(KernelError::NotFinite { what: "response", index });
        }
        let unit = power_of_two(y);
        let mut rest: Vec<f64> = self
            .levels
            .order
            .iter()
            .zip(&self.root_weight)
            .map(|(&i, w)| w * (y[i as usize] / unit))
            .collect();
        let norm = dense::dot_long(&rest, &rest).sqrt();
        let mut coef = vec![0.0; p];
        for _ in 0..2 {
            let mut step = vec![0.0; p];
            for (row, &v) in self.fixed.chunks_exact(p.max(1)).zip(&rest) {
                dense::axpy(v, row, &mut step);
            }
            for (row, v) in self.fixed.chunks_exact(p.max(1)).zip(rest.iter_mut()) {
                *v -= dense::dot(row, &step);
            }
            dense::axpy(1.0, &step, &mut coef);
        }
        let residual = dense::dot_long(&rest, &rest).sqrt();
        if residual <= 1e-14 * norm {
            return Err(KernelError::PerfectFit);
        }
        let scale = residual / (n as f64).sqrt();
        problem.y_scale = scale * unit;
        problem.ls_coef = coef.iter().map(|c| c * unit).collect();
        rest.iter_mut().for_each(|v| *v /= scale);

        let blocks = Arc::clone(&problem.blocks);
        let pattern = &blocks.eliminated[0];
        let (k, width) = (pattern.k, blocks.tail);
        for j in 0..pattern.q {
            let rows = self.levels.ptr[j]..self.levels.ptr[j + 1];
            let at = (pattern.start(j) + pattern.rows(j) - 1) * k;
            let target = &mut problem.panels[0].panel[at..at + k];
            target.fill(0.0);
            for _ in 0..2 {
                let mut step = vec![0.0; k];
                for h in rows.clone() {
                    dense::axpy(rest[h], &self.leading[h * k..(h + 1) * k], &mut step);
                }
                for h in rows.clone() {
                    rest[h] -= dense::dot(&self.leading[h * k..(h + 1) * k], &step);
                }
                dense::axpy(1.0, &step, target);
            }
        }
        let mut cross = vec![0.0; p];
        for (row, &v) in self.fixed_rest.chunks_exact(p.max(1)).zip(&rest) {
            dense::axpy(v, row, &mut cross);
        }
        for (t, &v) in cross.iter().enumerate() {
            problem.tail[p + t * width] = v;
            problem.tail[t + p * width] = v;
        }
        problem.tail[p + p * width] = dense::dot_long(&rest, &rest);
        problem.border[p * blocks.core_dim..].fill(0.0);
        for (f, codes, columns) in &self.others {
            let kf = blocks.factors[*f].k;
            if let Some(&(_, offset)) = blocks.core.iter().find(|c| c.0 == *f) {
                for ((&code, row), &v) in codes.iter().zip(columns.chunks_exact(kf)).zip(&rest) {
                    let at = p * blocks.core_dim + offset + code as usize * kf;
                    dense::axpy(v, row, &mut problem.border[at..at + kf]);
                }
            } else if let Some(e) = blocks.eliminated.iter().position(|e| e.factor == *f) {
                let above = &blocks.eliminated[e];
                let panel = &mut problem.panels[e].panel;
                for l in 0..above.q {
                    let at = (above.start(l) + above.rows(l) - 1) * kf;
                    panel[at..at + kf].fill(0.0);
                }
                for ((&code, row), &v) in codes.iter().zip(columns.chunks_exact(kf)).zip(&rest) {
                    let l = code as usize;
                    let at = (above.start(l) + above.rows(l) - 1) * kf;
                    dense::axpy(v, row, &mut panel[at..at + kf]);
                }
            }
        }
        Ok(())
    }
}

/// What a refit returns.
#[derive(Clone, Debug)]
pub struct Refit {
    pub criterion: f64,
    /// lme4's order, user's columns.
    pub theta: Vec<f64>,
    pub sigma: f64,
    pub beta: Vec<f64>,
    /// The Newton decrement fell below the tolerance.
    pub converged: bool,
}

/// Refits the model to each response (columns of length n), in threads. `start` in kernel coordinates.
pub fn refit_many(
    problem: &Problem,
    rows: &Rows,
    responses: &[f64],
    reml: bool,
    start: &[f64],
    control: &Control,
) -> Vec<Result<Refit, KernelError>> {
    let regular = covariance::is_regular(&problem.widths, start).unwrap_or(false);
    pool::map_init(
        responses.len() / problem.n,
        || problem.copy(),
        |local, i| {
            let local = local.as_mut().map_err(|error| error.clone())?;
            rows.respond(local, &responses[i * problem.n..(i + 1) * problem.n])?;
            // a singular start would hide descent directions: moments instead
            let from = if regular { start.to_vec() } else { moment_start(local, reml)? };
            let objective = Objective::new(local, reml);
            let (point, converged) = search(&objective, &from, control)?;
            let (factor, modes) = reading(&objective, &point)?;
            Ok(Refit::read(&objective, point.criterion, &point.theta, &factor, &modes, converged))
        },
    )
}

impl Refit {
    /// Estimates from the factorization at `theta` (kernel coordinates).
    pub(crate) fn read(
        objective: &Objective,
        criterion: f64,
        theta: &[f64],
        factor: &Factorization,
        modes: &Modes,
        converged: bool,
    ) -> Self {
        let problem = objective.problem;
        let pwrss = crate::criterion::pwrss(problem, factor);
        Self {
            criterion,
            theta: covariance::theta_to_original(&problem.widths, &problem.term_scale, theta),
            sigma: (pwrss / problem.n_effective(objective.reml)).sqrt(),
            beta: unscale_coefficients(problem, &modes.beta),
            converged,
        }
    }
}

/// Factorization and modes at a point; anew where its derivatives were taken next to a singular theta.
pub(crate) fn reading<'a>(
    objective: &Objective,
    point: &'a Point,
) -> Result<(Cow<'a, Factorization>, Cow<'a, Modes>), KernelError> {
    if !objective.is_floored(&point.theta) {
        return Ok((Cow::Borrowed(&point.factor), Cow::Borrowed(&point.modes)));
    }
    let factor = objective.factorize(&point.theta)?;
    let modes = Modes::new(objective.problem, &factor)?;
    Ok((Cow::Owned(factor), Cow::Owned(modes)))
}

/// One search from `start`, left for the inside where a boundary is not optimal; true where its Newton decrement fell below
/// the tolerance. No exact Hessian, no restarts.
pub(crate) fn search(
    objective: &Objective,
    start: &[f64],
    control: &Control,
) -> Result<(Point, bool), KernelError> {
    let mut trace = vec![];
    let all = vec![true; start.len()];
    let point = minimize(objective, start, &all, control, Step::Start, &mut trace)?;
    let mut point = snap(objective, point, control, &mut trace)?;
    // a zero must be optimal: no direction off the boundary may lower the criterion
    for _ in 0..MOST_ESCAPES {
        let terms = term_optimalities(objective, &point.theta, &point.first)?;
        let gain: f64 = terms.iter().filter_map(|t| t.descent.as_ref().map(|d| d.2)).sum();
        if gain <= control.gap_tolerance.max(1e-8) {
            break;
        }
        let slack = noise(objective.problem, point.criterion);
        let Some(theta) = escape(objective, &point, &[], &terms, &SIZES[..3], slack)? else { break };
        point = minimize(objective, &theta, &all, control, Step::Escape, &mut trace)?;
    }
    let converged = trace
        .iter()
        .rev()
        .find(|t| t.decrement.is_finite())
        .is_some_and(|t| t.decrement <= control.gap_tolerance.max(1e-7));
    Ok((point, converged))
}
