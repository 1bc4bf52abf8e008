//! Variances of linear predictors x'beta + z'(b - b-hat) for arbitrary rows: leverages of the data's own rows, standard
//! errors of predictions.

use crate::core::{self, CoreMatrix};
use crate::covariance;
use crate::dense;
use crate::error::KernelError;
use crate::factor::Factorization;
use crate::memory;
use crate::pool;
use crate::problem::Problem;
use crate::watch;

/// Rows handed in: fixed-effects columns as in the problem's input, and per factor a level (-1: none) and columns.
pub struct RowInput<'a> {
    pub n: usize,
    pub x: Vec<&'a [f64]>,
    /// Per factor in the caller's order.
    pub codes: Vec<&'a [i32]>,
    /// Per term its k columns.
    pub columns: Vec<Vec<&'a [f64]>>,
}

/// Rows solved at a time.
const BATCH: usize = 256;
/// Relative variance of a core effect up to which entries of the inverse are read: what cancels between them leaves errors
/// of 1e-16 times this.
const LARGEST_VARIANCE: f64 = 1e6;
/// Cost of an entry read here and there, in units of one in a triangular solve.
const SCATTERED: f64 = 8.0;

/// Var(x'beta + z'(b - b-hat)) / sigma^2 for each row: |L^-1 [T'z; x]|^2 (levels below zero contribute nothing).
/// `with_fixed = false` holds the fixed effects known.
pub fn predictor_variances(
    problem: &Problem,
    theta_star: &[f64],
    input: &RowInput,
    with_fixed: bool,
) -> Result<Vec<f64>, KernelError> {
    let roots = covariance::unpack(&problem.widths, theta_star);
    let factor = Factorization::new(problem, &roots)?;
    check(problem, input)?;
    let solver = Solver::new(problem, &factor, input, with_fixed);
    if solver.inverse_is_exact() && solver.inverse_pays() { solver.by_inverse() } else { solver.by_solves() }
}

/// The factored problem and the rows to be solved for.
struct Solver<'a> {
    problem: &'a Problem,
    factor: &'a Factorization,
    input: &'a RowInput<'a>,
    /// L_x, p x p.
    tail: Vec<f64>,
    with_fixed: bool,
}

impl<'a> Solver<'a> {
    fn new(
        problem: &'a Problem,
        factor: &'a Factorization,
        input: &'a RowInput<'a>,
        with_fixed: bool,
    ) -> Self {
        let (p, width) = (problem.n_fixed(), problem.blocks.tail);
        let mut tail = vec![0.0; p * p];
        for c in 0..p {
            for r in c..p {
                tail[r + c * p] = factor.tail[r + c * width];
            }
        }
        Self { problem, factor, input, tail, with_fixed }
    }

    /// Whether variances of the core's effects are small enough to be summed with either sign.
    fn inverse_is_exact(&self) -> bool {
        self.problem.blocks.core.iter().all(|&(f, _)| {
            let k = self.problem.blocks.factors[f].k;
            // a row's sum of squares is the effect's variance
            (0..k).all(|r| {
                let row = self.factor.roots[f].iter().skip(r).step_by(k);
                row.map(|t| t * t).sum::<f64>() <= LARGEST_VARIANCE
            })
        })
    }

    /// Whether the inverse of the core costs less than a solve per row: rows touch few core levels each.
    fn inverse_pays(&self) -> bool {
        let blocks = &self.problem.blocks;
        let dim = blocks.core_dim as f64;
        if !matches!(self.factor.core, CoreMatrix::Dense(_)) {
            return false;
        }
        let pattern = &blocks.eliminated[0];
        let codes = self.input.codes[blocks.factors[pattern.factor].input];
        let touched = |&code: &i32| usize::try_from(code).map_or(1.0, |j| 1.0 + pattern.core(j).len() as f64);
        let entries: f64 = codes.iter().map(touched).map(|m| m * m).sum();
        SCATTERED * entries + dim.powi(3) < self.input.n as f64 * dim * dim
    }

    /// The fixed-effects columns of row `i`, scaled; zeros where the fixed effects are known.
    fn fixed_row(&self, i: usize, out: &mut [f64]) {
        if self.with_fixed {
            for (v, &c) in out.iter_mut().zip(&self.problem.rank.kept) {
                *v = self.input.x[c][i];
            }
            dense::solve_row_upper(out.len(), &self.problem.x_scale, out);
        }
    }

    /// Quadratic forms in T K^-1 T', the core's part of the inverse.
    fn by_inverse(&self) -> Result<Vec<f64>, KernelError> {
        let blocks = &self.problem.blocks;
        let (dim, p) = (blocks.core_dim, self.problem.n_fixed());
        let mut inverse = self.factor.core.inverse()?;
        inverse.congruence(blocks, &self.factor.roots, false);
        let mut solved = memory::copy(&self.factor.border[..p * dim])?;
        self.factor.core.backward(&mut solved, p)?;
        core::apply_blocks(blocks, &self.factor.roots, false, &mut solved, p);
        let mut out = memory::zeros(&[self.input.n])?;
        pool::for_chunks(&mut out, BATCH, |batch, part| {
            if watch::is_stopped() {
                return;
            }
            let mut row = CoreRow::new(dim);
            let mut fixed = vec![0.0; p];
            for (h, variance) in part.iter_mut().enumerate() {
                let i = batch * BATCH + h;
                fixed.fill(0.0);
                self.fixed_row(i, &mut fixed);
                *variance = eliminate(self.problem, self.factor, self.input, i, &mut row, &mut fixed);
                for &a in &row.touched {
                    for &b in &row.touched {
                        *variance += row.values[a] * row.values[b] * inverse.get(a.max(b), a.min(b));
                    }
                }
                if self.with_fixed {
                    for (c, v) in fixed.iter_mut().enumerate() {
                        *v -= row.touched.iter().map(|&a| row.values[a] * solved[a + c * dim]).sum::<f64>();
                    }
                    dense::forward_small(p, &self.tail, &mut fixed);
                    *variance += dense::dot(&fixed, &fixed);
                }
                row.clear();
            }
        });
        watch::check()?;
        Ok(out)
    }

    /// Triangular solves, some rows at a time.
    fn by_solves(&self) -> Result<Vec<f64>, KernelError> {
        let blocks = &self.problem.blocks;
        let (dim, p) = (blocks.core_dim, self.problem.n_fixed());
        let mut out = memory::zeros(&[self.input.n])?;
        let mut row = CoreRow::new(dim);
        let mut core_rhs = vec![];
        let mut fixed_rhs = vec![];
        for (batch, part) in out.chunks_mut(BATCH).enumerate() {
            let m = part.len();
            watch::check()?;
            memory::clear(&mut core_rhs, &[dim, m])?;
            memory::clear(&mut fixed_rhs, &[p, m])?;
            for (h, variance) in part.iter_mut().enumerate() {
                let i = batch * BATCH + h;
                let fixed = &mut fixed_rhs[h * p..(h + 1) * p];
                self.fixed_row(i, fixed);
                *variance = eliminate(self.problem, self.factor, self.input, i, &mut row, fixed);
                for &a in &row.touched {
                    core_rhs[h * dim + a] = row.values[a];
                }
                row.clear();
            }
            core::apply_blocks(blocks, &self.factor.roots, true, &mut core_rhs, m);
            self.factor.core.forward(&mut core_rhs, m)?;
            let mut explained = vec![0.0; p * m];
            if self.with_fixed {
                let border = &self.factor.border[..p * dim];
                dense::multiply_transposed(p, dim, m, border, &core_rhs, &mut explained);
                for (v, e) in fixed_rhs.iter_mut().zip(&explained) {
                    *v -= e;
                }
                dense::forward(p, &self.tail, &mut fixed_rhs, m);
            }
            for (h, variance) in part.iter_mut().enumerate() {
                let core = &core_rhs[h * dim..(h + 1) * dim];
                *variance += dense::dot_long(core, core);
                if self.with_fixed {
                    let fixed = &fixed_rhs[h * p..(h + 1) * p];
                    *variance += dense::dot(fixed, fixed);
                }
            }
        }
        Ok(out)
    }
}

/// The core's right-hand side of one row, not yet multiplied by T': few of its entries are not zero.
struct CoreRow {
    values: Vec<f64>,
    /// Coordinates that were written to, once each.
    touched: Vec<usize>,
    is_touched: Vec<bool>,
}

impl CoreRow {
    fn new(dim: usize) -> Self {
        Self { values: vec![0.0; dim], touched: vec![], is_touched: vec![false; dim] }
    }

    fn add(&mut self, at: usize, value: f64) {
        self.values[at] += value;
        if !self.is_touched[at] {
            self.is_touched[at] = true;
            self.touched.push(at);
        }
    }

    fn clear(&mut self) {
        for &at in &self.touched {
            self.values[at] = 0.0;
            self.is_touched[at] = false;
        }
        self.touched.clear();
    }
}

fn check(problem: &Problem, input: &RowInput) -> Result<(), KernelError> {
    let length = |what, found| {
        if found == input.n { Ok(()) } else { Err(KernelError::Length { what, expected: input.n, found }) }
    };
    if input.x.len() != problem.p {
        return Err(KernelError::Length { what: "columns of x", expected: problem.p, found: input.x.len() });
    }
    input.x.iter().try_for_each(|c| length("fixed-effects column", c.len()))?;
    let counts = [
        ("factors", problem.blocks.factors.len(), input.codes.len()),
        ("terms", problem.widths.len(), input.columns.len()),
    ];
    for (what, expected, found) in counts {
        if expected != found {
            return Err(KernelError::Length { what, expected, found });
        }
    }
    for f in &problem.blocks.factors {
        let codes = input.codes[f.input];
        length("level codes", codes.len())?;
        if let Some(index) = codes.iter().position(|&c| c >= f.q as i32) {
            let code = i64::from(codes[index]);
            return Err(KernelError::LevelCode { factor: f.input, index, code, n_levels: f.q });
        }
    }
    for (term, columns) in input.columns.iter().enumerate() {
        if columns.len() != problem.widths[term] {
            return Err(KernelError::Length {
                what: "random-effects columns",
                expected: problem.widths[term],
                found: columns.len(),
            });
        }
        columns.iter().try_for_each(|c| length("random-effects column", c.len()))?;
    }
    Ok(())
}

/// Forward elimination of one row through the eliminated factors: adds to the core's and the fixed effects' right-hand
/// sides (the core's not yet multiplied by T') and returns the variance explained so far.
fn eliminate(
    problem: &Problem,
    factor: &Factorization,
    input: &RowInput,
    i: usize,
    core_rhs: &mut CoreRow,
    fixed_rhs: &mut [f64],
) -> f64 {
    let blocks = &problem.blocks;
    let mut variance = 0.0;
    // right-hand sides of eliminated factors, by level: own z plus what earlier eliminations add
    let mut pending: Vec<Vec<(usize, Vec<f64>)>> = vec![vec![]; blocks.eliminated.len()];
    for (e, pattern) in blocks.eliminated.iter().enumerate() {
        if let Some((level, z)) = random_part(problem, input, pattern.factor, i) {
            pending[e].push((level, z));
        }
    }
    for &(f, offset) in &blocks.core {
        if let Some((level, z)) = random_part(problem, input, f, i) {
            for (a, &v) in z.iter().enumerate() {
                core_rhs.add(offset + level * z.len() + a, v);
            }
        }
    }
    for e in 0..blocks.eliminated.len() {
        let pattern = &blocks.eliminated[e];
        let k = pattern.k;
        let root = &factor.roots[pattern.factor];
        // one entry per level
        let mut entries = std::mem::take(&mut pending[e]);
        entries.sort_by_key(|entry| entry.0);
        let mut merged: Vec<(usize, Vec<f64>)> = vec![];
        for (level, z) in entries {
            match merged.last_mut() {
                Some(last) if last.0 == level => dense::axpy(1.0, &z, &mut last.1),
                _ => merged.push((level, z)),
            }
        }
        for (j, z) in merged {
            let mut scaled = vec![0.0; k];
            dense::matvec_transposed_small(k, root, &z, &mut scaled);
            let start = pattern.start(j);
            let block = j * k * k..(j + 1) * k * k;
            let (rows, weights) = if e == 0 {
                // M = N'N + I: z'T M^-1 T'z = |T'z|^2 - |L^-1 N T'z|^2, and c'G N T'z for the rest
                let mut n = vec![0.0; k * k];
                dense::multiply_small(k, k, k, &problem.panels[0].diag[block.clone()], root, &mut n);
                let mut m = vec![0.0; k * k];
                dense::multiply_transposed_small(k, k, k, &n, &n, &mut m);
                for a in 0..k {
                    m[a + a * k] += 1.0;
                }
                let mut solved = scaled.clone();
                if dense::cholesky_small(k, &mut m).is_ok() {
                    dense::forward_small(k, &m, &mut solved);
                    variance += dense::dot(&solved, &solved);
                }
                let mut v = vec![0.0; k];
                dense::matvec_small(k, &n, &scaled, &mut v);
                dense::forward_small(k, &factor.leading.chol[block], &mut v);
                (&factor.leading.panel, v)
            } else {
                let this = &factor.later[e - 1];
                dense::forward_small(k, &this.chol[block], &mut scaled);
                variance += dense::dot(&scaled, &scaled);
                (&this.panel, scaled)
            };
            let row = |r: usize| &rows[(start + r) * k..(start + r + 1) * k];
            for parent in &pattern.parents {
                let kp = blocks.eliminated[parent.elim].k;
                let add: Vec<f64> =
                    (0..kp).map(|a| -dense::dot(row(parent.first_row + a), &weights)).collect();
                pending[parent.elim].push((parent.level[j] as usize, add));
            }
            let core = pattern.core(j);
            for (c, &at) in core.iter().enumerate() {
                core_rhs.add(at as usize, -dense::dot(row(pattern.parent_rows + c), &weights));
            }
            let tail_start = pattern.parent_rows + core.len();
            for (t, v) in fixed_rhs.iter_mut().enumerate() {
                *v -= dense::dot(row(tail_start + t), &weights);
            }
        }
    }
    variance
}

/// Level and scaled random columns of row `i` for one factor; None for an unseen level.
fn random_part(problem: &Problem, input: &RowInput, f: usize, i: usize) -> Option<(usize, Vec<f64>)> {
    let info = &problem.blocks.factors[f];
    let code = input.codes[info.input][i];
    let level = usize::try_from(code).ok()?;
    let mut z = vec![0.0; info.k];
    for &(term, offset) in &info.terms {
        let k = problem.widths[term];
        let part = &mut z[offset..offset + k];
        for (v, column) in part.iter_mut().zip(&input.columns[term]) {
            *v = column[i];
        }
        dense::solve_row_upper(k, &problem.term_scale[term], part);
    }
    Some((level, z))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::numbers::Numbers;
    use crate::problem::{FactorInput, Input, TermInput};

    /// 1200 rows in 400 groups with random slopes, crossed with 40 items: rows touch few of the core's levels.
    fn with_solver<R>(theta: [f64; 4], with_fixed: bool, work: impl Fn(&Solver) -> R) -> R {
        let n = 1200;
        let mut numbers = Numbers(7);
        let x = [vec![1.0; n], numbers.column(n)];
        let y = numbers.column(n);
        let groups: Vec<i32> = (0..n as i32).map(|i| i / 3).collect();
        let items: Vec<i32> = numbers.column(n).iter().map(|v| (20.0 + 20.0 * v) as i32).collect();
        let input = Input {
            y: &y,
            x: vec![&x[0], &x[1]],
            weights: None,
            factors: vec![
                FactorInput { codes: &groups, n_levels: 400 },
                FactorInput { codes: &items, n_levels: 40 },
            ],
            terms: vec![
                TermInput { factor: 0, columns: vec![&x[0], &x[1]] },
                TermInput { factor: 1, columns: vec![&x[0]] },
            ],
        };
        let problem = Problem::new(&input).unwrap();
        let rows = RowInput {
            n,
            x: input.x.clone(),
            codes: vec![&groups, &items],
            columns: input.terms.iter().map(|t| t.columns.clone()).collect(),
        };
        let star = covariance::theta_to_scaled(&problem.widths, &problem.term_scale, &theta);
        let factor = Factorization::new(&problem, &covariance::unpack(&problem.widths, &star)).unwrap();
        work(&Solver::new(&problem, &factor, &rows, with_fixed))
    }

    #[test]
    fn both_ways_give_the_same_variances() {
        for theta in [[0.0, 0.0, 0.0, 0.0], [0.5, 0.2, 0.7, 0.4], [30.0, -9.0, 5.0, 90.0]] {
            for with_fixed in [true, false] {
                let (one, other) = with_solver(theta, with_fixed, |solver| {
                    (solver.by_inverse().unwrap(), solver.by_solves().unwrap())
                });
                for (a, b) in one.iter().zip(&other) {
                    assert!((a - b).abs() <= 1e-11 * b.abs(), "{theta:?} {a} {b}");
                }
            }
        }
    }

    #[test]
    fn the_inverse_is_left_where_large_variances_would_cancel() {
        let exact =
            |sd: f64| with_solver([sd, 0.0, sd, sd], true, |s| (s.inverse_pays(), s.inverse_is_exact()));
        assert_eq!(exact(900.0), (true, true));
        assert_eq!(exact(1100.0), (true, false));
    }
}
