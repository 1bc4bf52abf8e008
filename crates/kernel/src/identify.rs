//! Whether the data can tell the covariance parameters apart, decided from the columns alone, before any search.
//!
//! With V = I + sum_a gamma_a V_a (rows scaled by their weights) all that residuals tell is M V M, M the projection off the
//! columns of X. The parameters are identified by REML exactly where M and the M V_a M are linearly independent. Where only I
//! and the V_a themselves are, maximum likelihood has a single optimum, but the design alone chooses it, whatever the
//! response. For symmetric matrices A_a and random w the vectors A_a w are independent only if the A_a are, and those of as
//! many w as there are matrices are dependent only if the A_a are (the w for which some combination vanishes have a smaller
//! dimension). So one w, and a part of the rows at first, prove independence at little cost; dependence is only told from all
//! rows and as many w as it takes.

use crate::covariance::{self, Coordinate, coordinates};
use crate::dense;
use crate::error::KernelError;
use crate::gradient::{Direction, average_information, term_direction};
use crate::memory;
use crate::newton::{Objective, Point};
use crate::problem::{Input, Problem};
use crate::scaling;

/// Matrices are dependent where a combination of them, each in units of its size before projection, is smaller than this.
const DEPENDENT: f64 = 1e-9;
/// Singular values of few vectors above this prove independence.
const PLAIN: f64 = 1e-4;
/// Vectors of a first look.
const FEW: usize = 1;
/// Rows of the first look, and by how much a second look has more.
const SOME_ROWS: usize = 4096;
const MORE_ROWS: usize = 16;
/// Levels of the leading factor that stay together in a part of the rows: neighbours often share a level of another factor.
const NEIGHBOURS: usize = 8;
/// Columns of X whose part beside the others is smaller than this are left out of a part of the rows.
const ALIASED: f64 = 1e-9;
/// Columns that X leaves nothing but rounding of.
const ABSORBED: f64 = 1e-9;

/// A direction is flat where the criterion changes by less than this while variances change by half.
const NO_CHANGE: f64 = 1e-3;
/// Parts of that step that are tried where the whole leaves the cone of covariance matrices.
const STEPS: [f64; 10] = [1.0, -1.0, 0.5, -0.5, 0.25, -0.25, 0.125, -0.125, 0.0625, -0.0625];
/// Parameters whose share of a flat direction is smaller are not named.
const SHARE: f64 = 0.1;

/// What the data cannot tell. Empty where everything is identified.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unidentified {
    /// Changes of the parameters that leave M V M as it is, in the user's columns: per direction the lower triangles of
    /// the changes of Sigma in the order of theta, then that of the residual variance.
    pub directions: Vec<Vec<f64>>,
    /// Per term: combinations of its columns that the fixed effects take up in every level, k values each.
    pub absorbed: Vec<Vec<Vec<f64>>>,
}

/// Decides for a problem and the input it was made from; `off_fixed` of M V M, else of V.
pub fn unidentified(problem: &Problem, input: &Input, off_fixed: bool) -> Result<Unidentified, KernelError> {
    let n = problem.n;
    let mut size = SOME_ROWS;
    while 2 * size < n {
        let rows = some_rows(problem, input, size)?;
        let view = View::new(problem, input, &rows, off_fixed)?;
        if view.left() > 0 && smallest(&view.independence(FEW)?)? > PLAIN {
            return Ok(Unidentified::default());
        }
        size *= MORE_ROWS;
    }
    let mut all = memory::room(&[n])?;
    all.extend(0..n as u32);
    let view = View::new(problem, input, &all, off_fixed)?;
    if smallest(&view.independence(FEW)?)? > PLAIN {
        return Ok(Unidentified::default());
    }
    let m = view.parameters();
    let r = view.independence(m.min(view.left()).max(FEW))?;
    let (_, s, v) = dense::singular_values(m, m, &r)?;
    let null: Vec<&[f64]> = (0..m).filter(|&i| s[i] <= DEPENDENT).map(|i| &v[i * m..(i + 1) * m]).collect();
    if null.is_empty() {
        return Ok(Unidentified::default());
    }
    let scales = view.sizes();
    let directions = null
        .iter()
        .map(|v| to_original(problem, &view.coords, v.iter().zip(&scales).map(|(c, s)| c / s).collect()))
        .collect();
    let absorbed = (0..problem.widths.len()).map(|term| view.absorbed(term)).collect::<Result<_, _>>()?;
    Ok(Unidentified { directions, absorbed })
}

/// Terms among whose parameters an optimum lies in a valley so flat that variances may change by half while the criterion
/// does not; empty where there is none. By the average information over changes of Sigma*, in units of the largest variance
/// or, where that is larger, of each parameter's own error; what it suggests is tried.
pub fn flat_terms(objective: &Objective, point: &Point) -> Result<Vec<usize>, KernelError> {
    let problem = objective.problem;
    let m = objective.coords.len();
    if m < 2 {
        return Ok(vec![]);
    }
    let directions: Vec<Direction> = objective.coords.iter().map(|c| unit_change(problem, c)).collect();
    let (q, s) = average_information(problem, &point.factor, &point.modes, &directions)?;
    let pwrss = point.factor.pwrss;
    let scale = problem.n_effective(objective.reml) / pwrss;
    let information = |a: usize, b: usize| scale * (q[a + b * m] - s[a] * s[b] / pwrss);
    let roots = covariance::unpack(&problem.widths, &point.theta);
    let sigmas: Vec<Vec<f64>> =
        roots.iter().zip(&problem.widths).map(|(root, &k)| covariance::product(k, root)).collect();
    let variances = sigmas.iter().zip(&problem.widths).flat_map(|(s, &k)| s.iter().step_by(k + 1));
    let largest = variances.fold(0.0f64, |a, &v| a.max(v));
    let units: Vec<f64> = (0..m)
        .map(|a| {
            let error = (2.0 / information(a, a)).sqrt();
            if error.is_finite() { largest.max(error) } else { largest }
        })
        .collect();
    let scaled: Vec<f64> =
        (0..m * m).map(|h| information(h % m, h / m) * units[h % m] * units[h / m]).collect();
    if scaled.iter().any(|v| !v.is_finite()) {
        return Ok(vec![]);
    }
    let (values, vectors) = dense::symmetric_eigen(m, &scaled)?;
    for (value, v) in values.iter().zip(vectors.chunks_exact(m)) {
        // the criterion changes by half of value step^2
        let most = v.iter().fold(0.0f64, |a, x| a.max(x.abs()));
        if 0.125 * value >= NO_CHANGE * most * most {
            break;
        }
        for part in STEPS {
            let Some(theta) = moved(objective, &sigmas, |a| 0.5 * part * units[a] * v[a] / most)? else {
                continue;
            };
            let change = objective.value(&theta)? - point.criterion;
            if change.abs() < NO_CHANGE * part * part {
                let named = |&t: &usize| {
                    let own = objective.coords.iter().zip(v).filter(|(c, _)| c.term == t);
                    own.fold(0.0f64, |a, (_, x)| a.max(x.abs())) > SHARE * most
                };
                return Ok((0..problem.widths.len()).filter(named).collect());
            }
        }
    }
    Ok(vec![])
}

/// A unit change of one entry of a term's Sigma*.
fn unit_change(problem: &Problem, c: &Coordinate) -> Direction {
    let k = problem.widths[c.term];
    let mut change = vec![0.0; k * k];
    change[c.row + c.col * k] = 1.0;
    change[c.col + c.row * k] = 1.0;
    term_direction(problem, c.term, &change)
}

/// Kernel coordinates after changes of the terms' Sigma*; None where one is no covariance matrix any more.
fn moved(
    objective: &Objective,
    sigmas: &[Vec<f64>],
    change: impl Fn(usize) -> f64,
) -> Result<Option<Vec<f64>>, KernelError> {
    let widths = &objective.problem.widths;
    let mut changed = sigmas.to_vec();
    for (a, c) in objective.coords.iter().enumerate() {
        let k = widths[c.term];
        changed[c.term][c.row + c.col * k] += change(a);
        if c.row != c.col {
            changed[c.term][c.col + c.row * k] += change(a);
        }
    }
    let mut roots = vec![];
    for (sigma, &k) in changed.iter().zip(widths) {
        let (values, mut vectors) = dense::symmetric_eigen(k, sigma)?;
        if values[0] < -DEPENDENT * values[k - 1].abs() {
            return Ok(None);
        }
        for (column, value) in vectors.chunks_exact_mut(k).zip(&values) {
            column.iter_mut().for_each(|v| *v *= value.max(0.0).sqrt());
        }
        roots.push(covariance::lower_root(k, k, &vectors));
    }
    Ok(Some(covariance::pack(widths, &roots)))
}

fn smallest(r: &[f64]) -> Result<f64, KernelError> {
    let m = r.len().isqrt();
    Ok(dense::singular_values(m, m, r)?.1.last().copied().unwrap_or(0.0))
}

/// About `size` rows: runs of neighbouring levels of the leading factor, of each level its first rows.
fn some_rows(problem: &Problem, input: &Input, size: usize) -> Result<Vec<u32>, KernelError> {
    let leading = &problem.blocks.eliminated[0];
    let codes = input.factors[problem.blocks.factors[leading.factor].input].codes;
    let levels = (size * leading.q / problem.n).clamp(4 * NEIGHBOURS, leading.q.max(4 * NEIGHBOURS));
    let stride = (leading.q / levels).max(1);
    let per_level = size.div_ceil(levels.min(leading.q));
    let mut taken = memory::filled(0usize, &[leading.q])?;
    let mut out = vec![];
    for (i, &code) in codes.iter().enumerate() {
        let level = code as usize;
        if (level / NEIGHBOURS) % stride == 0 && taken[level] < per_level {
            taken[level] += 1;
            out.push(i as u32);
        }
    }
    Ok(out)
}

/// A symmetric change of one term's Sigma* as one of Sigma in the user's columns: R^-1 A R^-T, lower triangle.
fn to_original(problem: &Problem, coords: &[Coordinate], values: Vec<f64>) -> Vec<f64> {
    let mut out = values.clone();
    for (term, &k) in problem.widths.iter().enumerate() {
        let mut a = vec![0.0; k * k];
        for (c, &v) in coords.iter().zip(&values).filter(|(c, _)| c.term == term) {
            a[c.row + c.col * k] = v;
            a[c.col + c.row * k] = v;
        }
        for _ in 0..2 {
            for column in a.chunks_exact_mut(k) {
                dense::solve_upper(k, &problem.term_scale[term], column);
            }
            a = (0..k * k).map(|h| a[h / k + (h % k) * k]).collect();
        }
        for (c, v) in coords.iter().zip(&mut out).filter(|(c, _)| c.term == term) {
            *v = a[c.row + c.col * k];
        }
    }
    out
}

/// Some rows of a problem: orthonormal columns of X, and Z in the kernel's columns.
struct View<'a> {
    problem: &'a Problem,
    coords: Vec<Coordinate>,
    n: usize,
    /// Columns of X, and their values, row after row.
    rank: usize,
    q: Vec<f64>,
    /// Random columns of all terms, row after row, and where each term begins.
    width: usize,
    z: Vec<f64>,
    first: Vec<usize>,
    /// Level of each row and number of levels, per term.
    codes: Vec<(Vec<u32>, usize)>,
}

impl<'a> View<'a> {
    fn new(problem: &'a Problem, input: &Input, rows: &[u32], off_fixed: bool) -> Result<Self, KernelError> {
        let n = rows.len();
        let p = problem.n_fixed();
        let mut tail = memory::zeros(&[n, p + 1])?;
        for (out, &i) in tail.chunks_exact_mut(p + 1).zip(rows) {
            problem.tail_row(input, i as usize, input.root_weight(i as usize), out);
        }
        let r = scaling::streaming_qr(n, p, |i, out| out.copy_from_slice(&tail[i * (p + 1)..][..p]))?;
        let kept = if off_fixed { scaling::rank(p, p, &r, ALIASED)?.kept } else { vec![] };
        let rank = kept.len();
        // of the kept columns only, again by a QR
        let triangle = scaling::streaming_qr(p, rank, |i, out| {
            for (v, &c) in out.iter_mut().zip(&kept) {
                *v = r[i + c * p];
            }
        })?;
        let mut q = memory::zeros(&[n, rank])?;
        for (out, row) in q.chunks_exact_mut(rank.max(1)).zip(tail.chunks_exact(p + 1)) {
            for (v, &c) in out.iter_mut().zip(&kept) {
                *v = row[c];
            }
            dense::solve_row_upper(rank, &triangle, out);
        }
        let width = problem.widths.iter().sum();
        let mut z = memory::zeros(&[n, width])?;
        let mut first = vec![];
        let mut at = 0;
        for (term, &k) in problem.widths.iter().enumerate() {
            first.push(at);
            for (row, &i) in rows.iter().enumerate() {
                let weight = input.root_weight(i as usize);
                let out = &mut z[row * width + at..][..k];
                for (v, column) in out.iter_mut().zip(&input.terms[term].columns) {
                    *v = weight * column[i as usize];
                }
                dense::solve_row_upper(k, &problem.term_scale[term], out);
            }
            at += k;
        }
        let codes = input.terms.iter().map(|t| {
            let factor = &input.factors[t.factor];
            (rows.iter().map(|&i| factor.codes[i as usize] as u32).collect(), factor.n_levels)
        });
        let codes = codes.collect();
        Ok(Self { problem, coords: coordinates(&problem.widths), n, rank, q, width, z, first, codes })
    }

    /// Rows less columns of X.
    fn left(&self) -> usize {
        self.n - self.rank
    }

    /// Covariance parameters and the residual variance.
    fn parameters(&self) -> usize {
        self.coords.len() + 1
    }

    /// v <- M v; twice, so that what X absorbs leaves rounding only.
    fn project(&self, v: &mut [f64]) {
        if self.rank == 0 {
            return;
        }
        let mut h = vec![0.0; self.rank];
        for _ in 0..2 {
            h.fill(0.0);
            for (row, &value) in self.q.chunks_exact(self.rank).zip(&*v) {
                dense::axpy(value, row, &mut h);
            }
            for (row, value) in self.q.chunks_exact(self.rank).zip(v.iter_mut()) {
                *value -= dense::dot(row, &h);
            }
        }
    }

    /// Size of every V_a before projection, a covariance's being that of the two variances it belongs to; of the identity
    /// after it.
    fn sizes(&self) -> Vec<f64> {
        let mut norms = vec![vec![]; self.first.len()];
        for (term, norms) in norms.iter_mut().enumerate() {
            let (codes, q) = &self.codes[term];
            for c in 0..self.problem.widths[term] {
                let mut sums = vec![0.0; *q];
                for (row, &l) in self.z.chunks_exact(self.width).zip(codes) {
                    sums[l as usize] += row[self.first[term] + c].powi(2);
                }
                norms.push(dense::dot_long(&sums, &sums).sqrt());
            }
        }
        let of = |c: &Coordinate| (norms[c.term][c.row] * norms[c.term][c.col]).sqrt();
        let sizes = self.coords.iter().map(of).chain([(self.left() as f64).sqrt()]);
        sizes.map(|s| if s > 0.0 { s } else { 1.0 }).collect()
    }

    /// Triangular factor of the stacked vectors M V_a M w over `count` random w, in units of the sizes.
    fn independence(&self, count: usize) -> Result<Vec<f64>, KernelError> {
        let (m, n) = (self.parameters(), self.n);
        let sizes = self.sizes();
        let unit = 1.0 / (count as f64).sqrt();
        let mut numbers = Uniform::new();
        let mut stacked: Vec<f64> = vec![];
        let mut vectors = memory::zeros(&[n, m])?;
        for _ in 0..count {
            let mut w = numbers.take(n);
            self.project(&mut w);
            let scores: Vec<Vec<f64>> = (0..self.first.len()).map(|term| self.scores(term, &w)).collect();
            for (a, column) in vectors.chunks_exact_mut(n).enumerate() {
                match self.coords.get(a) {
                    Some(c) => {
                        self.fill(c, &scores[c.term], column);
                        self.project(column);
                    }
                    None => column.copy_from_slice(&w),
                }
                let scale = unit / sizes[a];
                column.iter_mut().for_each(|v| *v *= scale);
            }
            let r = scaling::streaming_qr(n, m, |i, row| {
                for (a, v) in row.iter_mut().enumerate() {
                    *v = vectors[i + a * n];
                }
            })?;
            stacked.extend((0..m).flat_map(|i| (0..m).map(move |c| (i, c))).map(|(i, c)| r[i + c * m]));
        }
        scaling::streaming_qr(count * m, m, |i, row| row.copy_from_slice(&stacked[i * m..(i + 1) * m]))
    }

    /// Z_l'w of every level of a term, k values each.
    fn scores(&self, term: usize, w: &[f64]) -> Vec<f64> {
        let (k, (codes, q)) = (self.problem.widths[term], &self.codes[term]);
        let mut out = vec![0.0; q * k];
        for ((row, &l), &value) in self.z.chunks_exact(self.width).zip(codes).zip(w) {
            dense::axpy(value, &row[self.first[term]..][..k], &mut out[l as usize * k..][..k]);
        }
        out
    }

    /// out <- Z E Z'w for a unit change E of Sigma*.
    fn fill(&self, c: &Coordinate, scores: &[f64], out: &mut [f64]) {
        let (k, first) = (self.problem.widths[c.term], self.first[c.term]);
        for ((row, &l), v) in self.z.chunks_exact(self.width).zip(&self.codes[c.term].0).zip(out.iter_mut()) {
            let s = &scores[l as usize * k..][..k];
            *v = row[first + c.row] * s[c.col];
            if c.row != c.col {
                *v += row[first + c.col] * s[c.row];
            }
        }
    }

    /// Combinations c of a term's columns, the user's, with M Z_l c = 0 in all levels l.
    fn absorbed(&self, term: usize) -> Result<Vec<Vec<f64>>, KernelError> {
        let (k, n) = (self.problem.widths[term], self.n);
        let (codes, q) = &self.codes[term];
        let mut numbers = Uniform::new();
        let mut stacked = vec![];
        let mut columns = memory::zeros(&[n, k])?;
        for _ in 0..k + 1 {
            let b = numbers.take(*q);
            for (c, column) in columns.chunks_exact_mut(n).enumerate() {
                for ((row, &l), v) in self.z.chunks_exact(self.width).zip(codes).zip(column.iter_mut()) {
                    *v = row[self.first[term] + c] * b[l as usize];
                }
                self.project(column);
            }
            let r = scaling::streaming_qr(n, k, |i, row| {
                for (c, v) in row.iter_mut().enumerate() {
                    *v = columns[i + c * n];
                }
            })?;
            stacked.extend((0..k).flat_map(|i| (0..k).map(move |c| (i, c))).map(|(i, c)| r[i + c * k]));
        }
        let rows = stacked.len() / k;
        let r = scaling::streaming_qr(rows, k, |i, row| row.copy_from_slice(&stacked[i * k..(i + 1) * k]))?;
        let (_, s, v) = dense::singular_values(k, k, &r)?;
        // mean squares of the kernel's columns are 1
        let limit = ABSORBED * (rows as f64 / k as f64 * n as f64).sqrt();
        let found = (0..k).filter(|&i| s[i] <= limit).map(|i| {
            let mut c = v[i * k..(i + 1) * k].to_vec();
            dense::solve_upper(k, &self.problem.term_scale[term], &mut c);
            c
        });
        Ok(found.collect())
    }
}

/// Reproducible numbers of variance 1.
struct Uniform(u64);

impl Uniform {
    fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    fn take(&mut self, n: usize) -> Vec<f64> {
        (0..n)
            .map(|_| {
                self.0 =
                    self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                3f64.sqrt() * ((self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0)
            })
            .collect()
    }
}
