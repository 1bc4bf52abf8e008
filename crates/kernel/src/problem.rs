//! Checked inputs -> crossproducts, once per model. After this nothing depends on the number of rows.
//!
//! The leading factor is treated level by level with an orthogonal decomposition of its rows: Z_j = Q_j R_j, every
//! other column W is split into its part c_j = Q_j'W in the span of Z_j and the rest, and crossproducts are formed of
//! the rest. The Schur complement of the leading factor is then a sum of nonnegative terms
//! (rest'rest + c_j'(I + N_j N_j')^-1 c_j with N_j = R_j T) and loses no digits however large the group variance is.

use std::sync::Arc;

use crate::blocks::{Blocks, Grouped, Pattern};
use crate::core::CoreMatrix;
use crate::core_sparse::LARGEST_DENSE;
use crate::dense;
use crate::error::KernelError;
use crate::memory;
use crate::scaling::{self, Rank};
use crate::watch;

/// Aliasing tolerance for columns of the fixed part (as R's `qr`).
const ALIAS_TOLERANCE: f64 = 1e-7;
/// Below this a column of a random term is a combination of the others.
const DEPENDENT_TOLERANCE: f64 = 1e-11;
/// A response whose residual is this small relative to itself is reproduced exactly.
const PERFECT_FIT_TOLERANCE: f64 = 1e-14;

/// Crossproducts of y are formed again when the fixed effects take all but this share of what varies within levels.
const CANCELLATION: f64 = 1e-2;

/// Multiplications of a dense factorization that take as long as one in the small blocks of a level.
const SMALL_BLOCKS: f64 = 50.0;

/// A grouping factor: level of each row.
pub struct FactorInput<'a> {
    pub codes: &'a [i32],
    pub n_levels: usize,
}

/// A random term: its factor and its k columns.
pub struct TermInput<'a> {
    pub factor: usize,
    pub columns: Vec<&'a [f64]>,
}

/// What the caller hands over; everything has one entry per row.
pub struct Input<'a> {
    /// Response, offset subtracted.
    pub y: &'a [f64],
    pub x: Vec<&'a [f64]>,
    pub weights: Option<&'a [f64]>,
    pub factors: Vec<FactorInput<'a>>,
    pub terms: Vec<TermInput<'a>>,
}

/// Crossproducts at an eliminated factor. For the leading one `diag` holds R_j and `panel` holds c_j; for later ones
/// both hold crossproducts of the parts outside the leading factor's span.
#[derive(Clone, Debug)]
pub struct Panels {
    /// q blocks k x k.
    pub diag: Vec<f64>,
    /// total_rows rows of k values.
    pub panel: Vec<f64>,
}

impl Panels {
    /// A copy, if it can be had.
    pub fn copy(&self) -> Result<Self, KernelError> {
        Ok(Self { diag: memory::copy(&self.diag)?, panel: memory::copy(&self.panel)? })
    }
}

/// Everything the criterion needs; immutable after construction.
#[derive(Clone, Debug)]
pub struct Problem {
    pub n: usize,
    pub blocks: Arc<Blocks>,
    /// Columns per term.
    pub widths: Vec<usize>,
    /// Number of columns of X as given.
    pub p: usize,
    pub rank: Rank,
    /// Triangular factor of the kept columns of W^1/2 X (rank x rank).
    pub x_scale: Vec<f64>,
    /// Coefficients of the least-squares fit, in orthonormal coordinates, original units of y.
    pub ls_coef: Vec<f64>,
    /// Root mean square of the least-squares residual: the unit of y inside the kernel.
    pub y_scale: f64,
    /// Sum of log prior weights.
    pub log_weights: f64,
    /// Per term: triangular factor R with Z = Q R, mean squares of Q equal to 1.
    pub term_scale: Vec<Vec<f64>>,
    pub panels: Vec<Panels>,
    pub core: CoreMatrix,
    /// core_dim x tail.
    pub border: Vec<f64>,
    /// tail x tail.
    pub tail: Vec<f64>,
}

fn check_finite(what: &'static str, values: &[f64]) -> Result<(), KernelError> {
    match values.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(KernelError::NotFinite { what, index }),
        None => Ok(()),
    }
}

/// Sums of squares must neither overflow nor vanish.
fn check_scale(what: &'static str, r: &[f64]) -> Result<(), KernelError> {
    if r.iter().all(|v| v.is_finite()) { Ok(()) } else { Err(KernelError::Scale { what }) }
}

/// The power of two next to the largest absolute value: dividing by it is exact.
pub fn power_of_two(values: &[f64]) -> f64 {
    let largest = values.iter().fold(0.0f64, |a, v| a.max(v.abs()));
    if largest > 0.0 { largest.log2().floor().clamp(-1000.0, 1000.0).exp2() } else { 1.0 }
}

fn check_length(what: &'static str, expected: usize, found: usize) -> Result<(), KernelError> {
    if expected == found { Ok(()) } else { Err(KernelError::Length { what, expected, found }) }
}

impl FactorInput<'_> {
    /// Length and range of the codes; `factor` is its position, for the error.
    pub(crate) fn check(&self, n: usize, factor: usize) -> Result<(), KernelError> {
        check_length("level codes", n, self.codes.len())?;
        // every level of a design has rows; a count far beyond that is an error, not a request for memory
        let n_levels = self.n_levels;
        if n_levels > 4 * n + 65_536 {
            return Err(KernelError::TooManyLevels { factor, n_levels, rows: n });
        }
        if n_levels == 0 {
            return Err(KernelError::Empty { what: "factor", index: factor });
        }
        match self.codes.iter().position(|&c| c < 0 || c as usize >= n_levels) {
            Some(index) => {
                let code = i64::from(self.codes[index]);
                Err(KernelError::LevelCode { factor, index, code, n_levels })
            }
            None => Ok(()),
        }
    }
}

impl Input<'_> {
    /// Lengths, finiteness, codes within range, positive weights.
    pub fn check(&self) -> Result<(), KernelError> {
        let n = self.y.len();
        if n == 0 {
            return Err(KernelError::Empty { what: "response", index: 0 });
        }
        check_finite("response", self.y)?;
        for column in &self.x {
            check_length("fixed-effects column", n, column.len())?;
            check_finite("fixed-effects column", column)?;
        }
        if let Some(w) = self.weights {
            check_length("prior weights", n, w.len())?;
            if let Some(index) = w.iter().position(|&v| !v.is_finite() || v <= 0.0) {
                return Err(KernelError::Weight { index, value: w[index] });
            }
        }
        if self.terms.is_empty() {
            return Err(KernelError::Empty { what: "list of random terms", index: 0 });
        }
        for (factor, f) in self.factors.iter().enumerate() {
            f.check(n, factor)?;
            if !self.terms.iter().any(|t| t.factor == factor) {
                return Err(KernelError::Empty { what: "factor", index: factor });
            }
        }
        for (term, t) in self.terms.iter().enumerate() {
            if t.factor >= self.factors.len() {
                return Err(KernelError::UnknownFactor { term, factor: t.factor });
            }
            if t.columns.is_empty() {
                return Err(KernelError::Empty { what: "random term", index: term });
            }
            for column in &t.columns {
                check_length("random-effects column", n, column.len())?;
                check_finite("random-effects column", column)?;
            }
        }
        Ok(())
    }

    pub fn root_weight(&self, i: usize) -> f64 {
        self.weights.map_or(1.0, |w| w[i].sqrt())
    }

    /// A copy of some of the rows, in the order given; levels keep their codes.
    pub fn rows(&self, rows: &[u32]) -> Result<OwnedInput, KernelError> {
        fn take<T: Copy>(column: &[T], rows: &[u32]) -> Result<Vec<T>, KernelError> {
            let mut out = memory::room(&[rows.len()])?;
            out.extend(rows.iter().map(|&i| column[i as usize]));
            Ok(out)
        }
        let all = |columns: &[&[f64]]| columns.iter().map(|c| take(c, rows)).collect::<Result<Vec<_>, _>>();
        let factor = |f: &FactorInput| Ok((take(f.codes, rows)?, f.n_levels));
        Ok(OwnedInput {
            y: take(self.y, rows)?,
            x: all(&self.x)?,
            weights: self.weights.map(|w| take(w, rows)).transpose()?,
            factors: self.factors.iter().map(factor).collect::<Result<_, KernelError>>()?,
            terms: self
                .terms
                .iter()
                .map(|t| Ok((t.factor, all(&t.columns)?)))
                .collect::<Result<_, KernelError>>()?,
        })
    }
}

/// An [`Input`] that owns its arrays.
#[derive(Clone, Debug)]
pub struct OwnedInput {
    y: Vec<f64>,
    x: Vec<Vec<f64>>,
    weights: Option<Vec<f64>>,
    factors: Vec<(Vec<i32>, usize)>,
    terms: Vec<(usize, Vec<Vec<f64>>)>,
}

impl OwnedInput {
    pub fn input(&self) -> Input<'_> {
        Input {
            y: &self.y,
            x: self.x.iter().map(Vec::as_slice).collect(),
            weights: self.weights.as_deref(),
            factors: self
                .factors
                .iter()
                .map(|(codes, n_levels)| FactorInput { codes, n_levels: *n_levels })
                .collect(),
            terms: self
                .terms
                .iter()
                .map(|(factor, columns)| TermInput {
                    factor: *factor,
                    columns: columns.iter().map(Vec::as_slice).collect(),
                })
                .collect(),
        }
    }
}

/// Rows of one leading level, split into the span of its random columns and the rest. A workspace.
#[derive(Clone, Debug, Default)]
pub(crate) struct LevelRows {
    /// Q_j: m x k, columns contiguous.
    pub q: Vec<f64>,
    /// What Q_j leaves of the fixed columns and the response: m x tail, columns contiguous.
    pub rest: Vec<f64>,
    /// R_j: k x k.
    pub r: Vec<f64>,
    /// Q_j'[X y]: tail rows of k values.
    pub coef: Vec<f64>,
    /// One row of the tail or of a factor.
    row: Vec<f64>,
    /// One row of every factor (kernel order).
    others: Vec<Vec<f64>>,
}

impl Problem {
    pub fn new(input: &Input) -> Result<Self, KernelError> {
        Self::with_core(input, true)
    }

    /// `sparse = false` keeps the core dense whatever its pattern.
    pub(crate) fn with_core(input: &Input, sparse: bool) -> Result<Self, KernelError> {
        input.check()?;
        let n = input.y.len();
        let p = input.x.len();
        let unit = power_of_two(input.y);
        let full = scaling::streaming_qr(n, p + 1, |i, row| {
            let w = input.root_weight(i);
            for (v, column) in row.iter_mut().zip(&input.x) {
                *v = w * column[i];
            }
            row[p] = w * (input.y[i] / unit);
        })?;
        check_scale("fixed-effects columns", &full)?;
        let rank = scaling::rank(p, p + 1, &full, ALIAS_TOLERANCE)?;
        let r = rank.kept.len();
        if n <= r {
            return Err(KernelError::TooFewRows { rows: n, rank: r });
        }
        let reduced = scaling::restrict(p + 1, &full, &rank.kept)?;
        let x_scale: Vec<f64> = (0..r * r).map(|h| reduced[h % r + (h / r) * (r + 1)]).collect();
        let ls_coef = reduced[r * (r + 1)..r * (r + 1) + r].iter().map(|c| c * unit).collect();
        let y_norm = dense::dot(&reduced[r * (r + 1)..], &reduced[r * (r + 1)..]).sqrt();
        let residual_norm = reduced[r + r * (r + 1)].abs();
        let y_scale = residual_norm * unit / (n as f64).sqrt();
        if !(1e-150..=1e150).contains(&y_scale) && residual_norm > PERFECT_FIT_TOLERANCE * y_norm {
            return Err(KernelError::Scale { what: "response" });
        }
        if residual_norm <= PERFECT_FIT_TOLERANCE * y_norm {
            return Err(KernelError::PerfectFit);
        }
        let term_scale = input
            .terms
            .iter()
            .enumerate()
            .map(|(term, t)| orthonormalize_term(n, term, t, |i| input.root_weight(i)))
            .collect::<Result<Vec<_>, _>>()?;
        let sizes: Vec<usize> = input.factors.iter().map(|f| f.n_levels).collect();
        let codes: Vec<&[i32]> = input.factors.iter().map(|f| f.codes).collect();
        let terms: Vec<(usize, usize)> = input.terms.iter().map(|t| (t.factor, t.columns.len())).collect();
        let mut blocks = Blocks::new(&sizes, &codes, &terms, r)?;
        if !sparse {
            blocks.core_pattern = None;
        }
        if blocks.core_pattern.is_none() && blocks.core_dim > LARGEST_DENSE {
            return Err(KernelError::CoreTooLarge { dim: blocks.core_dim, largest: LARGEST_DENSE });
        }
        let n_theta = terms.iter().map(|&(_, k)| crate::covariance::triangle(k)).sum();
        memory::check(blocks.bytes_of_an_evaluation(n_theta)?)?;
        let blocks = Arc::new(blocks);
        let mut problem = Self {
            n,
            widths: terms.iter().map(|t| t.1).collect(),
            p,
            rank,
            x_scale,
            ls_coef,
            y_scale,
            log_weights: input.weights.map_or(0.0, |w| w.iter().map(|v| v.ln()).sum()),
            term_scale,
            panels: blocks
                .eliminated
                .iter()
                .map(|e| {
                    let diag = memory::zeros(&[e.q, e.k, e.k])?;
                    Ok(Panels { diag, panel: memory::zeros(&[e.total_rows(), e.k])? })
                })
                .collect::<Result<Vec<_>, KernelError>>()?,
            core: CoreMatrix::zeros(&blocks)?,
            border: memory::zeros(&[blocks.core_dim, blocks.tail])?,
            tail: memory::zeros(&[blocks.tail, blocks.tail])?,
            blocks,
        };
        let levels = problem.leading_rows(input)?;
        problem.accumulate(input, &levels)?;
        if let Some(step) = problem.within_level_step() {
            for (c, s) in problem.ls_coef.iter_mut().zip(&step) {
                *c += s * problem.y_scale;
            }
            problem.accumulate(input, &levels)?;
        }
        Ok(problem)
    }

    /// Rows by level of the leading factor.
    pub(crate) fn leading_rows(&self, input: &Input) -> Result<Grouped, KernelError> {
        let leading = &self.blocks.eliminated[0];
        Grouped::new(input.factors[self.blocks.factors[leading.factor].input].codes, leading.q)
    }

    /// Where group effects dwarf the error, the least-squares coefficients are off by far more than the error, and what is
    /// left of y within levels would cancel against the later correction. Then the step from there to the within-level
    /// coefficients, by which y must be moved and crossproducts formed again; None where that gains nothing.
    pub(crate) fn within_level_step(&self) -> Option<Vec<f64>> {
        let (p, width) = (self.n_fixed(), self.blocks.tail);
        // within-level regression; columns that do not vary within levels keep their coefficient
        let mut basis: Vec<usize> = vec![];
        // rows of the Cholesky factor of the basis' crossproducts
        let mut l: Vec<Vec<f64>> = vec![];
        let solve = |l: &[Vec<f64>], mut x: Vec<f64>| {
            for i in 0..l.len() {
                let known = dense::dot(&l[i][..i], &x[..i]);
                x[i] = (x[i] - known) / l[i][i];
            }
            x
        };
        for c in 0..p {
            let own = self.tail[c + c * width];
            let mut row = solve(&l, basis.iter().map(|&b| self.tail[b + c * width]).collect());
            let pivot = own - dense::dot(&row, &row);
            if own > 1e-10 && pivot.is_finite() && pivot > 1e-8 * own {
                row.push(pivot.sqrt());
                basis.push(c);
                l.push(row);
            }
        }
        let m = basis.len();
        let mut step = solve(&l, basis.iter().map(|&c| self.tail[c + p * width]).collect());
        let explained = dense::dot(&step, &step);
        let within = self.tail[p + p * width];
        if m == 0 || within <= 0.0 || within - explained > CANCELLATION * within {
            return None;
        }
        for i in (0..m).rev() {
            let known: f64 = (i + 1..m).map(|c| l[c][i] * step[c]).sum();
            step[i] = (step[i] - known) / l[i][i];
        }
        let mut out = vec![0.0; p];
        for (&c, s) in basis.iter().zip(&step) {
            out[c] = *s;
        }
        Some(out)
    }

    /// A copy, if it can be had.
    pub fn copy(&self) -> Result<Self, KernelError> {
        Ok(Self {
            n: self.n,
            blocks: Arc::clone(&self.blocks),
            widths: self.widths.clone(),
            p: self.p,
            rank: self.rank.clone(),
            x_scale: memory::copy(&self.x_scale)?,
            ls_coef: self.ls_coef.clone(),
            y_scale: self.y_scale,
            log_weights: self.log_weights,
            term_scale: self.term_scale.clone(),
            panels: self.panels.iter().map(Panels::copy).collect::<Result<_, _>>()?,
            core: self.core.copy()?,
            border: memory::copy(&self.border)?,
            tail: memory::copy(&self.tail)?,
        })
    }

    /// Number of estimable fixed effects.
    pub fn n_fixed(&self) -> usize {
        self.rank.kept.len()
    }

    /// Number of random effects.
    pub fn n_random(&self) -> usize {
        self.blocks.factors.iter().map(|f| f.q * f.k).sum()
    }

    /// Length of theta.
    pub fn n_theta(&self) -> usize {
        self.widths.iter().map(|&k| crate::covariance::triangle(k)).sum()
    }

    /// Time of one evaluation with derivatives, in multiplications of a dense factorization (a rough count: of the core's
    /// factor and the products of the levels' panels).
    pub fn work(&self) -> f64 {
        let dim = self.blocks.core_dim;
        let levels = |e: &Pattern| -> f64 {
            let filled = e.meets_most_of_core(dim);
            let level = |j: usize| {
                let (rows, core) = (e.rows(j), e.core(j).len());
                // products within a filled core are dense ones
                let (dense, small) =
                    if filled { (dim * dim, rows * (rows - core)) } else { (0, rows * rows) };
                dense as f64 + SMALL_BLOCKS * small as f64
            };
            e.k as f64 * (0..e.q).map(level).sum::<f64>()
        };
        let core = match &self.blocks.core_pattern {
            Some(pattern) => pattern.work(),
            None => (dim as f64).powi(3) / 3.0,
        };
        core + self.blocks.eliminated.iter().map(levels).sum::<f64>()
    }

    /// Observations that count: n (ML) or n - rank (REML).
    pub fn n_effective(&self, reml: bool) -> f64 {
        (if reml { self.n - self.n_fixed() } else { self.n }) as f64
    }

    /// T of each factor (k x k, block-diagonal over its terms) from T of each term.
    pub fn factor_roots(&self, term_roots: &[Vec<f64>]) -> Vec<Vec<f64>> {
        self.blocks
            .factors
            .iter()
            .map(|f| {
                let mut out = vec![0.0; f.k * f.k];
                for &(term, offset) in &f.terms {
                    let k = self.widths[term];
                    for c in 0..k {
                        for r in 0..k {
                            out[offset + r + (offset + c) * f.k] = term_roots[term][r + c * k];
                        }
                    }
                }
                out
            })
            .collect()
    }

    /// Scaled row of the random columns of one factor.
    pub fn random_row(&self, input: &Input, factor: usize, i: usize, weight: f64, out: &mut [f64]) {
        for &(term, offset) in &self.blocks.factors[factor].terms {
            let k = self.widths[term];
            let part = &mut out[offset..offset + k];
            for (v, column) in part.iter_mut().zip(&input.terms[term].columns) {
                *v = weight * column[i];
            }
            dense::solve_row_upper(k, &self.term_scale[term], part);
        }
    }

    /// Scaled row of the fixed columns and the response's least-squares residual.
    pub fn tail_row(&self, input: &Input, i: usize, weight: f64, out: &mut [f64]) {
        let r = self.n_fixed();
        for (v, &c) in out.iter_mut().zip(&self.rank.kept) {
            *v = weight * input.x[c][i];
        }
        dense::solve_row_upper(r, &self.x_scale, &mut out[..r]);
        out[r] = (weight * input.y[i] - dense::dot(&out[..r], &self.ls_coef)) / self.y_scale;
    }

    /// One pass over the rows, grouped by leading level.
    pub(crate) fn accumulate(&mut self, input: &Input, levels: &Grouped) -> Result<(), KernelError> {
        for panels in &mut self.panels {
            panels.diag.fill(0.0);
            panels.panel.fill(0.0);
        }
        self.core.fill(0.0);
        self.border.fill(0.0);
        self.tail.fill(0.0);
        let mut scratch = LevelRows::default();
        for j in 0..self.blocks.eliminated[0].q {
            watch::check()?;
            self.add_level(input, j, levels.rows(j), &mut scratch)?;
        }
        // what the leading levels explain of the core's columns is taken out again
        self.core.add_panels(&self.blocks.eliminated[0], &self.panels[0].panel, -1.0)
    }

    /// Puts other rows in the place of those a leading level had: what its old rows gave is taken out, what the new ones
    /// give is added. The caller makes sure that little cancels.
    pub(crate) fn replace_level(
        &mut self,
        input: &Input,
        j: usize,
        old: &[u32],
        new: &[u32],
        scratch: &mut LevelRows,
    ) -> Result<(), KernelError> {
        let blocks = Arc::clone(&self.blocks);
        let leading = &blocks.eliminated[0];
        self.core.add_level(leading, &self.panels[0].panel, j, 1.0);
        self.project(input, old, scratch)?;
        self.add_products(input, &blocks, j, old, -1.0, scratch);
        let k = leading.k;
        let at = leading.start(j);
        self.panels[0].diag[j * k * k..(j + 1) * k * k].fill(0.0);
        self.panels[0].panel[at * k..(at + leading.rows(j)) * k].fill(0.0);
        if !new.is_empty() {
            self.add_level(input, j, new, scratch)?;
            self.core.add_level(leading, &self.panels[0].panel, j, -1.0);
        }
        Ok(())
    }

    /// Splits the rows of one leading level into the span of its columns and the rest.
    pub(crate) fn project(
        &self,
        input: &Input,
        rows: &[u32],
        scratch: &mut LevelRows,
    ) -> Result<(), KernelError> {
        let blocks = &self.blocks;
        let leading = &blocks.eliminated[0];
        let (m, k, tail) = (rows.len(), leading.k, blocks.tail);
        let LevelRows { q, rest, r, coef, row, .. } = scratch;
        memory::clear(q, &[m, k])?;
        memory::clear(rest, &[m, tail])?;
        row.resize(tail.max(k), 0.0);
        r.clear();
        r.resize(k * k, 0.0);
        coef.clear();
        coef.resize(tail * k, 0.0);
        for (h, &i) in rows.iter().enumerate() {
            let i = i as usize;
            let weight = input.root_weight(i);
            self.random_row(input, leading.factor, i, weight, &mut row[..k]);
            for c in 0..k {
                q[h + c * m] = row[c];
            }
            self.tail_row(input, i, weight, &mut row[..tail]);
            for c in 0..tail {
                rest[h + c * m] = row[c];
            }
        }
        orthogonalize(m, k, q, r);
        for (column, coef) in rest.chunks_exact_mut(m.max(1)).zip(coef.chunks_exact_mut(k)) {
            for _ in 0..2 {
                for c in 0..k {
                    let q = &q[c * m..(c + 1) * m];
                    let h = dense::dot_long(q, column);
                    coef[c] += h;
                    dense::axpy(-h, q, column);
                }
            }
        }
        Ok(())
    }

    /// Adds a leading level that has no rows yet, except for its part of the core's correction.
    fn add_level(
        &mut self,
        input: &Input,
        j: usize,
        rows: &[u32],
        scratch: &mut LevelRows,
    ) -> Result<(), KernelError> {
        let blocks = Arc::clone(&self.blocks);
        let leading = &blocks.eliminated[0];
        let k = leading.k;
        self.project(input, rows, scratch)?;
        self.panels[0].diag[j * k * k..(j + 1) * k * k].copy_from_slice(&scratch.r);
        let end = (leading.start(j) + leading.rows(j)) * k;
        self.panels[0].panel[end - blocks.tail * k..end].copy_from_slice(&scratch.coef);
        self.add_products(input, &blocks, j, rows, 1.0, scratch);
        Ok(())
    }

    /// Adds `sign` times what the rows of one leading level, split by [`Self::project`], give to everything that is summed
    /// over levels (the core's correction apart). With `sign` 1 the level's own panel is filled, with -1 it is read.
    fn add_products(
        &mut self,
        input: &Input,
        blocks: &Blocks,
        j: usize,
        rows: &[u32],
        sign: f64,
        scratch: &mut LevelRows,
    ) {
        let (m, tail) = (rows.len(), blocks.tail);
        let w = &scratch.rest;
        for a in 0..tail {
            for b in 0..=a {
                let s = sign * dense::dot_long(&w[a * m..(a + 1) * m], &w[b * m..(b + 1) * m]);
                self.tail[a + b * tail] += s;
                if a != b {
                    self.tail[b + a * tail] += s;
                }
            }
        }
        if blocks.factors.len() > 1 {
            scratch.others.resize(blocks.factors.len(), vec![]);
            for (row, f) in scratch.others.iter_mut().zip(&blocks.factors) {
                row.resize(f.k, 0.0);
            }
            let codes: Vec<&[i32]> = blocks.factors.iter().map(|f| input.factors[f.input].codes).collect();
            let LevelRows { q, rest, others, .. } = scratch;
            self.add_others(input, blocks, &codes, j, rows, sign, (q, rest, others));
        }
    }

    /// Crossproducts of the other factors with everything, for the rows of one leading level.
    fn add_others(
        &mut self,
        input: &Input,
        blocks: &Blocks,
        codes: &[&[i32]],
        j: usize,
        rows: &[u32],
        sign: f64,
        (q_rows, tail_rest, others): (&[f64], &[f64], &mut [Vec<f64>]),
    ) {
        let leading = &blocks.eliminated[0];
        let (k, tail, m) = (leading.k, blocks.tail, rows.len());
        let start = leading.start(j);
        let core = leading.core(j);
        let fill = sign > 0.0;
        for (h, &i) in rows.iter().enumerate() {
            let i = i as usize;
            let weight = input.root_weight(i);
            for f in 0..blocks.factors.len() {
                if f != leading.factor {
                    let mut z = std::mem::take(&mut others[f]);
                    self.random_row(input, f, i, weight, &mut z);
                    others[f] = z;
                }
            }
            // c_j of the random rows
            for parent in leading.parents.iter().filter(|_| fill) {
                let z = &others[blocks.eliminated[parent.elim].factor];
                for (a, &za) in z.iter().enumerate() {
                    let slot = (start + parent.first_row + a) * k;
                    for c in 0..k {
                        self.panels[0].panel[slot + c] += za * q_rows[h + c * m];
                    }
                }
            }
            for &(f, offset) in &blocks.core {
                let coordinate = offset + codes[f][i] as usize * blocks.factors[f].k;
                if fill {
                    let at = leading.parent_rows + core.partition_point(|&c| (c as usize) < coordinate);
                    for (a, &za) in others[f].iter().enumerate() {
                        let slot = (start + at + a) * k;
                        for c in 0..k {
                            self.panels[0].panel[slot + c] += za * q_rows[h + c * m];
                        }
                    }
                }
                for (a, &za) in others[f].iter().enumerate() {
                    for t in 0..tail {
                        self.border[coordinate + a + t * blocks.core_dim] += sign * za * tail_rest[h + t * m];
                    }
                }
                for &(g, offset_g) in &blocks.core {
                    let second = offset_g + codes[g][i] as usize * blocks.factors[g].k;
                    if second > coordinate {
                        continue;
                    }
                    for (b, &zb) in others[g].iter().enumerate() {
                        for (a, &za) in others[f].iter().enumerate() {
                            if second + b <= coordinate + a {
                                self.core.add(coordinate + a, second + b, sign * za * zb);
                            }
                        }
                    }
                }
            }
            // later eliminated factors: diagonal block, parents, core, tail
            for e in 1..blocks.eliminated.len() {
                let pattern = &blocks.eliminated[e];
                let z = &others[pattern.factor];
                let level = codes[pattern.factor][i] as usize;
                let (ke, first) = (pattern.k, pattern.start(level));
                let panels = &mut self.panels[e];
                for b in 0..ke {
                    for a in 0..ke {
                        panels.diag[level * ke * ke + a + b * ke] += sign * z[a] * z[b];
                    }
                }
                let mut add = |row: usize, value: f64| {
                    for (a, &za) in z.iter().enumerate() {
                        panels.panel[(first + row) * ke + a] += sign * za * value;
                    }
                };
                for parent in &pattern.parents {
                    for (b, &zb) in others[blocks.eliminated[parent.elim].factor].iter().enumerate() {
                        add(parent.first_row + b, zb);
                    }
                }
                let core = pattern.core(level);
                for &(f, offset) in &blocks.core {
                    let coordinate = offset + codes[f][i] as usize * blocks.factors[f].k;
                    let at = pattern.parent_rows + core.partition_point(|&c| (c as usize) < coordinate);
                    for (b, &zb) in others[f].iter().enumerate() {
                        add(at + b, zb);
                    }
                }
                let tail_at = pattern.rows(level) - tail;
                for t in 0..tail {
                    add(tail_at + t, tail_rest[h + t * m]);
                }
            }
        }
        // the same for later eliminated factors
        let rows = leading.rows(j);
        let panel = std::mem::take(&mut self.panels[0].panel);
        let (_, later) = self.panels.split_at_mut(1);
        let mut targets = Targets { later, border: &mut [], tail: &mut [] };
        targets.add_level(blocks, 0, j, &panel[start * k..(start + rows - tail) * k], -sign, false);
        self.panels[0].panel = panel;
    }
}

/// Where the Schur complement of an eliminated level goes: panels of later eliminated factors, border, tail.
pub struct Targets<'a> {
    /// Panels of `Blocks::eliminated[1..]` or of those after the one being eliminated (see `add_level`).
    pub later: &'a mut [Panels],
    pub border: &'a mut [f64],
    pub tail: &'a mut [f64],
}

impl Targets<'_> {
    /// Adds sign * V V' where V holds the panel rows of level `j` of eliminated factor `e` (k values per row, tail rows
    /// last when `with_tail`). `self.later` starts at eliminated factor e + 1. The core matrix itself is updated for all
    /// levels at once by `CoreMatrix::add_panels`.
    #[inline(always)]
    pub fn add_level(&mut self, blocks: &Blocks, e: usize, j: usize, v: &[f64], sign: f64, with_tail: bool) {
        let pattern = &blocks.eliminated[e];
        let (k, tail) = (pattern.k, pattern.tail);
        let core = pattern.core(j);
        let core_start = pattern.parent_rows;
        let tail_start = core_start + core.len();
        let row = |r: usize| &v[r * k..(r + 1) * k];
        for (index, parent) in pattern.parents.iter().enumerate() {
            let above = &blocks.eliminated[parent.elim];
            let (kp, level) = (above.k, parent.level[j] as usize);
            let target = &mut self.later[index];
            let first = above.start(level);
            for b in 0..kp {
                let vb = row(parent.first_row + b);
                for a in 0..kp {
                    target.diag[level * kp * kp + a + b * kp] +=
                        sign * dense::dot(row(parent.first_row + a), vb);
                }
                let mut add = |at: usize, r: usize| {
                    target.panel[(first + at) * kp + b] += sign * dense::dot(row(r), vb);
                };
                // later parents follow in the same order, `kp` rows earlier in the parent's own panel
                let shift = parent.first_row + kp;
                for r in shift..pattern.parent_rows {
                    add(r - shift, r);
                }
                let map = &parent.core_map[pattern.core_ptr[j]..pattern.core_ptr[j + 1]];
                for (c, &at) in map.iter().enumerate() {
                    add(above.parent_rows + at as usize, core_start + c);
                }
                if with_tail {
                    let at = above.rows(level) - tail;
                    for t in 0..tail {
                        add(at + t, tail_start + t);
                    }
                }
            }
        }
        if with_tail {
            let dim = blocks.core_dim;
            for t in 0..tail {
                let vt = row(tail_start + t);
                let border = &mut self.border[t * dim..(t + 1) * dim];
                for (c, &at) in core.iter().enumerate() {
                    border[at as usize] += sign * dense::dot(row(core_start + c), vt);
                }
                for s in 0..tail {
                    self.tail[s + t * tail] += sign * dense::dot(row(tail_start + s), vt);
                }
            }
        }
    }
}

fn orthonormalize_term(
    n: usize,
    term: usize,
    input: &TermInput,
    root_weight: impl Fn(usize) -> f64,
) -> Result<Vec<f64>, KernelError> {
    let k = input.columns.len();
    let mut r = scaling::streaming_qr(n, k, |i, row| {
        let w = root_weight(i);
        for (v, column) in row.iter_mut().zip(&input.columns) {
            *v = w * column[i];
        }
    })?;
    check_scale("random-effects columns", &r)?;
    if let Some(&column) = scaling::rank(k, k, &r, DEPENDENT_TOLERANCE)?.dropped.first() {
        return Err(KernelError::DependentColumns { term, column });
    }
    let unit = 1.0 / (n as f64).sqrt();
    for c in 0..k {
        for i in 0..k {
            r[i + c * k] *= unit;
        }
    }
    // positive diagonal, so that a single column keeps its sign
    for i in 0..k {
        if r[i + i * k] < 0.0 {
            for c in i..k {
                r[i + c * k] = -r[i + c * k];
            }
        }
    }
    Ok(r)
}

/// Z <- Q with Z = Q R (m x k, columns contiguous), Gram-Schmidt twice; dependent columns become zero, as do their rows
/// of R.
pub fn orthogonalize(m: usize, k: usize, z: &mut [f64], r: &mut [f64]) {
    for c in 0..k {
        let (done, rest) = z.split_at_mut(c * m);
        let column = &mut rest[..m];
        let norm = dense::dot_long(column, column).sqrt();
        for _ in 0..2 {
            for b in 0..c {
                let q = &done[b * m..(b + 1) * m];
                let h = dense::dot_long(q, column);
                r[b + c * k] += h;
                dense::axpy(-h, q, column);
            }
        }
        let left = dense::dot_long(column, column).sqrt();
        if left > 1e-13 * norm && left > 0.0 {
            r[c + c * k] = left;
            column.iter_mut().for_each(|v| *v /= left);
        } else {
            column.fill(0.0);
        }
    }
}
