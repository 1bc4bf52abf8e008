//! The exact Hessian of the profiled criterion, in closed form, for models whose only eliminated factor is the leading one.
//!
//! With P = V^-1 (ML) or its projection off X (REML), r2 = pwrss, g = d log r2 and V_a = d V in direction a,
//! H_ab = -t_ab + 2 I_ab + N g_a g_b + tr(Gamma d2 Sigma_ab), t_ab = tr(P V_a P V_b), I the average information (Johnson &
//! Thompson 1995, J. Dairy Sci. 78, for the parts). t_ab is a sum over pairs of levels l of f and m of g,
//! tr(B_lm' Sdot_a B_lm Sdot_b) with B_lm = Z_l'P Z_m, hence linear in the sum of vec(B_lm) vec(B_lm)', which is formed once
//! for all directions.
//!
//! Core factors are taken in spherical coordinates: T'B_c. in place of B_c. and T^-1 Sdot T^-T in place of Sdot. With
//! X_j = L_j^-1 R_j of the leading factor, E_j = X_j'(L_j^-1 c_j) its panel, S = L L' the core and F = L^-1 T'E, then
//! B_jj' = [j = j'] X_j'X_j - F_j'F_j', B_cj = L^-T F_j, B_cc = I - S^-1, each less D D' for REML, where D = Z'V^-1 X L_x^-T.

use std::ops::Range;

use crate::blocks::{Blocks, Pattern};
use crate::core::{CoreMatrix, DenseCore};
use crate::covariance::coordinates;
use crate::dense;
use crate::error::KernelError;
use crate::factor::Factorization;
use crate::gradient::{Direction, FirstOrder, root_directions};
use crate::memory;
use crate::newton::second_order_of_product;
use crate::problem::Problem;
use crate::watch;

/// What a gradient spends on a panel row, in multiplications of a large product (measured).
const PANEL_ROW: f64 = 500.0;
/// The same for a pair of panel rows of a level.
const PANEL_PAIR: f64 = 3.0;
/// Entries beyond which a sum over levels is not stored.
const LARGEST_SUM: usize = 10_000_000;
/// Leading levels treated at a time.
const BATCH: usize = 128;
/// Leading levels whose products with all others are formed at a time.
const TILE: usize = 16;
/// Entries collected before they are summed.
const BUFFER: usize = 1 << 13;

/// Hessian over kernel coordinates (m x m) and, per coordinate, the derivative of the unscaled covariance of the fixed
/// effects (p x p, orthonormal coordinates).
///
/// `factor` and `first` belong to `term_roots`, `information` (m x m) is the profiled average information there. None where
/// later factors are eliminated too, where the core is sparse, where T of a core factor is singular, where terms are too wide
/// (more than 56 columns), and where central differences of the gradient cost less (many core levels of which each leading
/// level meets few).
pub fn exact(
    problem: &Problem,
    factor: &Factorization,
    term_roots: &[Vec<f64>],
    first: &FirstOrder,
    information: &[f64],
    reml: bool,
) -> Result<Option<(Vec<f64>, Vec<Vec<f64>>)>, KernelError> {
    let blocks = &problem.blocks;
    let CoreMatrix::Dense(core) = &factor.core else { return Ok(None) };
    let singular = blocks.core.iter().any(|&(f, _)| {
        let k = blocks.factors[f].k;
        (0..k).any(|i| factor.roots[f][i + i * k] == 0.0)
    });
    let too_wide = blocks.factors.iter().any(|f| (f.k * f.k.max(problem.n_fixed())).pow(2) > LARGEST_SUM);
    if blocks.eliminated.len() != 1 || singular || too_wide {
        return Ok(None);
    }
    if work(blocks, reml) > differences_work(problem) {
        return Ok(None);
    }
    let directions = sphered(blocks, factor, root_directions(problem, term_roots));
    let levels = LevelProducts::new(problem, factor, core, reml)?;
    let m = directions.len();
    let n = problem.n_effective(reml);
    let (coords, g) = (coordinates(&problem.widths), &first.log_pwrss_gradient);
    let mut hessian = levels.traces(blocks, &directions);
    for b in 0..m {
        for a in 0..m {
            let at = a + b * m;
            hessian[at] = 2.0 * information[at] - hessian[at]
                + n * g[a] * g[b]
                + second_order_of_product(&coords, &problem.widths, &first.gamma, a, b);
        }
    }
    let fixed = directions.iter().map(|d| levels.fixed_covariance_along(blocks, d)).collect();
    Ok(hessian.iter().all(|v| v.is_finite()).then_some((hessian, fixed)))
}

/// Rows of F and, for REML, of D': the rank of what is subtracted from the diagonal blocks of the leading factor.
fn subtracted_rank(blocks: &Blocks, reml: bool) -> usize {
    blocks.core_dim + if reml { blocks.tail - 1 } else { 0 }
}

/// Multiplications for the pairs of leading levels, (one by one, through the moments of F and D).
fn leading_pairs_work(blocks: &Blocks, reml: bool) -> (f64, f64) {
    let (q, k) = (blocks.eliminated[0].q as f64, blocks.eliminated[0].k as f64);
    let r = subtracted_rank(blocks, reml) as f64;
    (0.5 * (q * k).powi(2) * (r + 0.5 * k * k), 0.5 * q * (r * k).powi(2) + r * r * k.powi(4))
}

/// True where the products of all pairs of leading levels are cheaper than the moments.
fn pair_by_pair(blocks: &Blocks, reml: bool) -> bool {
    let (pairs, moments) = leading_pairs_work(blocks, reml);
    let stored = (subtracted_rank(blocks, reml) * blocks.eliminated[0].k).pow(2);
    blocks.core_dim > 0 && (pairs < moments || stored > LARGEST_SUM)
}

/// Multiplications in all.
fn work(blocks: &Blocks, reml: bool) -> f64 {
    let (pairs, moments) = leading_pairs_work(blocks, reml);
    let (dim, p) = (blocks.core_dim as f64, (blocks.tail - 1) as f64);
    let size = |f: usize| (blocks.factors[f].q as f64, blocks.factors[f].k as f64);
    let leading = blocks.eliminated[0].factor;
    let (q, k) = size(leading);
    let mut total = if pair_by_pair(blocks, reml) { pairs } else { moments };
    total += 0.5 * q * (k.powi(4) + (p * k).powi(2)) + dim * dim * (q * k + dim / 3.0);
    for (index, &(f, _)) in blocks.core.iter().enumerate() {
        let (qf, kf) = size(f);
        total += 0.5 * qf * (p * kf).powi(2);
        for g in blocks.core[..=index].iter().map(|&(g, _)| g).chain([leading]) {
            let (qg, kg) = size(g);
            total += 0.5 * qf * qg * (kf * kg).powi(2);
        }
    }
    total
}

/// The work of two gradients per coordinate, in the same unit.
fn differences_work(problem: &Problem) -> f64 {
    let pattern = &problem.blocks.eliminated[0];
    let (dim, k) = (problem.blocks.core_dim as f64, pattern.k as f64);
    let of_level = |rows: f64| rows * (PANEL_ROW + PANEL_PAIR * k * rows);
    let levels: f64 = (0..pattern.q).map(|j| of_level(pattern.rows(j) as f64)).sum();
    2.0 * problem.n_theta() as f64 * (dim.powi(3) + levels)
}

/// Sum of v v' over vectors of one length, collected and summed many at a time.
struct OuterSum {
    size: usize,
    buffer: Vec<f64>,
    /// Lower triangle until finished.
    sum: Vec<f64>,
}

impl OuterSum {
    fn new(size: usize) -> Result<Self, KernelError> {
        Ok(Self { size, buffer: memory::room(&[BUFFER + size])?, sum: memory::zeros(&[size, size])? })
    }

    /// Adds the k_f x k_g block at (row, col) of a matrix with `ld` rows, as a vector.
    #[inline(always)]
    fn push_block(
        &mut self,
        matrix: &[f64],
        ld: usize,
        (row, col): (usize, usize),
        (kf, kg): (usize, usize),
    ) {
        for j in 0..kg {
            let column = &matrix[row + (col + j) * ld..][..kf];
            // a copy of known length is no call
            match kf {
                1 => self.push_sized::<1>(column),
                2 => self.push_sized::<2>(column),
                3 => self.push_sized::<3>(column),
                4 => self.push_sized::<4>(column),
                _ => self.buffer.extend_from_slice(column),
            }
        }
        if self.buffer.len() >= BUFFER {
            self.flush();
        }
    }

    #[inline(always)]
    fn push_sized<const N: usize>(&mut self, column: &[f64]) {
        if let Some(values) = column.first_chunk::<N>() {
            self.buffer.extend_from_slice(values);
        }
    }

    fn flush(&mut self) {
        add_outer(self.size, &self.buffer, &mut self.sum);
        self.buffer.clear();
    }

    /// The sum, both triangles.
    fn finish(mut self) -> Vec<f64> {
        self.flush();
        dense::mirror_lower(self.size, &mut self.sum);
        self.sum
    }

    /// The sum over blocks k_f x k_g with its indices (i, j), (i', j') rearranged as (i, i'), (j, j').
    fn finish_paired(self, kf: usize, kg: usize) -> Vec<f64> {
        let n = kf * kg;
        let sum = self.finish();
        let mut out = vec![0.0; n * n];
        for j2 in 0..kg {
            for j in 0..kg {
                for i2 in 0..kf {
                    for i in 0..kf {
                        out[i + i2 * kf + (j + j2 * kg) * kf * kf] = sum[i + j * kf + (i2 + j2 * kf) * n];
                    }
                }
            }
        }
        out
    }
}

/// Lower triangle of `sum` (n x n) += sum of v v' over the vectors of length n in `vectors`.
fn add_outer(n: usize, vectors: &[f64], sum: &mut [f64]) {
    match n {
        0 => {}
        1 => sum[0] += dense::dot_long(vectors, vectors),
        2 => add_outer_sized::<2>(vectors, sum),
        3 => add_outer_sized::<3>(vectors, sum),
        4 => add_outer_sized::<4>(vectors, sum),
        6 => add_outer_sized::<6>(vectors, sum),
        _ => dense::add_outer_lower(n, vectors.len() / n, 1.0, vectors, sum),
    }
}

fn add_outer_sized<const N: usize>(vectors: &[f64], sum: &mut [f64]) {
    let mut total = [[0.0f64; N]; N];
    for v in vectors.chunks_exact(N) {
        for (column, &vb) in total.iter_mut().zip(v) {
            for (t, &va) in column.iter_mut().zip(v) {
                *t += va * vb;
            }
        }
    }
    for (target, t) in sum.iter_mut().zip(total.as_flattened()) {
        *target += t;
    }
}

/// Transpose of a rows x columns matrix.
fn transposed(rows: usize, columns: usize, a: &[f64]) -> Vec<f64> {
    (0..rows * columns).map(|h| a[h / columns + (h % columns) * rows]).collect()
}

/// For some leading levels: X_j'X_j, F and D' (columns of a level together).
struct LeadingLevels {
    base: Vec<f64>,
    /// dim x (levels k).
    f: Vec<f64>,
    /// p x (levels k).
    d: Vec<f64>,
}

impl LeadingLevels {
    fn new(
        problem: &Problem,
        factor: &Factorization,
        lx: &[f64],
        levels: Range<usize>,
    ) -> Result<Self, KernelError> {
        match problem.blocks.eliminated[0].k {
            1 => Self::sized::<1>(problem, factor, lx, levels),
            2 => Self::sized::<2>(problem, factor, lx, levels),
            3 => Self::sized::<3>(problem, factor, lx, levels),
            _ => Self::sized::<0>(problem, factor, lx, levels),
        }
    }

    fn sized<const K: usize>(
        problem: &Problem,
        factor: &Factorization,
        lx: &[f64],
        levels: Range<usize>,
    ) -> Result<Self, KernelError> {
        watch::check()?;
        let blocks = &problem.blocks;
        let pattern = &blocks.eliminated[0];
        let k = if K > 0 { K } else { pattern.k };
        let (dim, p, columns) = (blocks.core_dim, blocks.tail - 1, levels.len() * k);
        let mut base = memory::zeros(&[columns, k])?;
        let mut f = memory::zeros(&[dim, columns])?;
        let mut d = memory::zeros(&[p, columns])?;
        let (mut x, mut row_e) = (vec![0.0; k * k], vec![0.0; k]);
        for (index, j) in levels.enumerate() {
            let block = j * k * k..(j + 1) * k * k;
            x.copy_from_slice(&problem.panels[0].diag[block.clone()]);
            for column in x.chunks_exact_mut(k) {
                dense::forward_small(k, &factor.leading.chol[block.clone()], column);
            }
            let square = &mut base[index * k * k..(index + 1) * k * k];
            dense::multiply_transposed_small(k, k, k, &x, &x, square);
            let core = pattern.core(j);
            let start = pattern.start(j);
            let rows = factor.leading.panel[start * k..(start + core.len() + p) * k].chunks_exact(k);
            for (r, row) in rows.enumerate() {
                dense::matvec_transposed_small(k, &x, row, &mut row_e);
                let (target, ld, at) = match core.get(r) {
                    Some(&c) => (&mut f, dim, c as usize),
                    None => (&mut d, p, r - core.len()),
                };
                for (i, &value) in row_e.iter().enumerate() {
                    target[at + (index * k + i) * ld] = value;
                }
            }
        }
        if dim > 0 {
            apply_roots_transposed(blocks, factor, &mut f);
            factor.core.forward(&mut f, columns)?;
            let mut explained = memory::zeros(&[p, columns])?;
            dense::multiply_transposed(p, dim, columns, &factor.border[..p * dim], &f, &mut explained);
            dense::axpy(-1.0, &explained, &mut d);
        }
        dense::forward(p, lx, &mut d, columns);
        Ok(Self { base, f, d })
    }
}

/// I - S^-1, dim x dim.
fn core_products(core: &DenseCore) -> Result<Vec<f64>, KernelError> {
    let mut out = core.inverse()?.values;
    out.iter_mut().for_each(|v| *v = -*v);
    for i in 0..core.dim {
        out[i + i * core.dim] += 1.0;
    }
    Ok(out)
}

/// Sigma-dot of each direction, of core factors in spherical coordinates: T^-1 Sigma-dot T^-T.
fn sphered(blocks: &Blocks, factor: &Factorization, mut directions: Vec<Direction>) -> Vec<Direction> {
    for d in &mut directions {
        let k = blocks.factors[d.factor].k;
        if d.factor != blocks.eliminated[0].factor {
            for _ in 0..2 {
                for column in d.sigma_dot.chunks_exact_mut(k) {
                    dense::forward_small(k, &factor.roots[d.factor], column);
                }
                d.sigma_dot = transposed(k, k, &d.sigma_dot);
            }
        }
    }
    directions
}

/// T' on the core coordinates of every column.
fn apply_roots_transposed(blocks: &Blocks, factor: &Factorization, x: &mut [f64]) {
    for &(f, start) in &blocks.core {
        let (q, k, root) = (blocks.factors[f].q, blocks.factors[f].k, &factor.roots[f]);
        for column in x.chunks_exact_mut(blocks.core_dim) {
            let part = &mut column[start..start + q * k];
            match k {
                1 => part.iter_mut().for_each(|v| *v *= root[0]),
                2 => apply_root_transposed::<2>(k, root, part),
                3 => apply_root_transposed::<3>(k, root, part),
                _ => apply_root_transposed::<0>(k, root, part),
            }
        }
    }
}

/// T' on every k values, in place: row i of T' takes only values from i on.
fn apply_root_transposed<const K: usize>(k: usize, root: &[f64], x: &mut [f64]) {
    let k = if K > 0 { K } else { k };
    for level in x.chunks_exact_mut(k) {
        for i in 0..k {
            level[i] = (i..k).map(|c| root[c + i * k] * level[c]).sum();
        }
    }
}

/// What all directions share: sums over levels and pairs of levels.
struct LevelProducts {
    /// Per pair of factors (f, g): sum over pairs of levels of B_lm[i, j] B_lm[i', j'] at (i, i'), (j, j'), k_f^2 x k_g^2.
    pairs: Vec<(usize, usize, Vec<f64>)>,
    /// Per factor: sum over levels of D_l'[s, i] D_l'[t, i'] at (s, i), (t, i'), p k square.
    fixed: Vec<Vec<f64>>,
    /// L_x, p x p.
    lx: Vec<f64>,
    p: usize,
}

impl LevelProducts {
    fn new(
        problem: &Problem,
        factor: &Factorization,
        core: &DenseCore,
        reml: bool,
    ) -> Result<Self, KernelError> {
        let blocks = &problem.blocks;
        let (dim, width) = (blocks.core_dim, blocks.tail);
        let p = width - 1;
        let mut lx = vec![0.0; p * p];
        for c in 0..p {
            lx[c + c * p..(c + 1) * p].copy_from_slice(&factor.tail[c + c * width..c * width + p]);
        }
        let mut out = Self { pairs: vec![], fixed: vec![vec![]; blocks.factors.len()], lx: lx.clone(), p };

        // D' over the core: L_x^-1 (L^-T border)'
        let mut border = memory::copy(&factor.border[..p * dim])?;
        factor.core.backward(&mut border, p)?;
        let mut core_d = transposed(dim, p, &border);
        dense::forward(p, &lx, &mut core_d, dim);
        let fixed = FixedPart::new(p, dim, &core_d, reml);
        if dim > 0 {
            out.add_core(blocks, core, &core_d, &fixed)?;
        }
        out.add_leading(problem, factor, &fixed, reml)?;
        Ok(out)
    }

    /// Pairs of core levels.
    fn add_core(
        &mut self,
        blocks: &Blocks,
        core: &DenseCore,
        core_d: &[f64],
        fixed: &FixedPart,
    ) -> Result<(), KernelError> {
        let (dim, p) = (blocks.core_dim, self.p);
        let mut b = core_products(core)?;
        fixed.subtract(0..dim, core_d, &mut b);
        for (index, &(f, first_f)) in blocks.core.iter().enumerate() {
            let (qf, kf) = (blocks.factors[f].q, blocks.factors[f].k);
            let mut sum = OuterSum::new(p * kf)?;
            memory::grow(&mut sum.buffer, qf * kf * p)?;
            sum.buffer.extend_from_slice(&core_d[first_f * p..(first_f + qf * kf) * p]);
            self.fixed[f] = sum.finish();
            for &(g, first_g) in &blocks.core[..index] {
                let (qg, kg) = (blocks.factors[g].q, blocks.factors[g].k);
                let mut sum = OuterSum::new(kf * kg)?;
                for m in 0..qg {
                    watch::check()?;
                    for l in 0..qf {
                        sum.push_block(&b, dim, (first_f + l * kf, first_g + m * kg), (kf, kg));
                    }
                }
                self.pairs.push((f, g, sum.finish_paired(kf, kg)));
            }
            let mut own = OwnPairs::new(kf)?;
            for m in 0..qf {
                watch::check()?;
                own.push_column(&b, dim, first_f + m * kf, first_f + m * kf, qf - m);
            }
            self.pairs.push((f, f, own.finish()));
        }
        Ok(())
    }

    /// Pairs with leading levels.
    fn add_leading(
        &mut self,
        problem: &Problem,
        factor: &Factorization,
        core_fixed: &FixedPart,
        reml: bool,
    ) -> Result<(), KernelError> {
        let blocks = &problem.blocks;
        let pattern = &blocks.eliminated[0];
        let (q, k, dim, p) = (pattern.q, pattern.k, blocks.core_dim, self.p);
        let whole = pair_by_pair(blocks, reml);
        let mut d_sum = OuterSum::new(p * k)?;
        let mut with_core = blocks
            .core
            .iter()
            .map(|&(f, _)| OuterSum::new(k * blocks.factors[f].k))
            .collect::<Result<Vec<_>, _>>()?;
        let mut by_rank = RankPairs::new(blocks, k, reml)?;
        let mut own = OwnPairs::new(k)?;
        let step = if whole { q } else { BATCH };
        for first in (0..q).step_by(step) {
            let count = step.min(q - first);
            let levels = LeadingLevels::new(problem, factor, &self.lx, first..first + count)?;
            add_outer(p * k, &levels.d, &mut d_sum.sum);
            if whole {
                leading_pairs(pattern, dim, p, &levels, reml, &mut own)?;
            } else {
                by_rank.add(&levels, p)?;
            }
            if dim > 0 {
                let mut b = levels.f;
                factor.core.backward(&mut b, count * k)?;
                core_fixed.subtract(0..dim, &levels.d, &mut b);
                for (&(f, start), sum) in blocks.core.iter().zip(&mut with_core) {
                    let (qf, kf) = (blocks.factors[f].q, blocks.factors[f].k);
                    for m in 0..count {
                        for l in 0..qf {
                            sum.push_block(&b, dim, (start + l * kf, m * k), (kf, k));
                        }
                    }
                }
            }
        }
        let leading = pattern.factor;
        self.fixed[leading] = d_sum.finish();
        for (&(f, _), sum) in blocks.core.iter().zip(with_core) {
            self.pairs.push((f, leading, sum.finish_paired(blocks.factors[f].k, k)));
        }
        let sum = if whole { own.finish() } else { by_rank.finish(&self.fixed[leading])? };
        self.pairs.push((leading, leading, sum));
        Ok(())
    }

    /// t_ab of all pairs of directions, m x m.
    fn traces(&self, blocks: &Blocks, directions: &[Direction]) -> Vec<f64> {
        let m = directions.len();
        let of = |f: usize| -> (Vec<usize>, Vec<f64>) {
            let index: Vec<usize> = (0..m).filter(|&a| directions[a].factor == f).collect();
            let columns = index.iter().flat_map(|&a| directions[a].sigma_dot.iter().copied()).collect();
            (index, columns)
        };
        let mut out = vec![0.0; m * m];
        for (f, g, sum) in &self.pairs {
            let (kf2, kg2) = (blocks.factors[*f].k.pow(2), blocks.factors[*g].k.pow(2));
            let ((at_f, s_f), (at_g, s_g)) = (of(*f), of(*g));
            let mut half = vec![0.0; kf2 * at_g.len()];
            dense::multiply(kf2, kg2, at_g.len(), sum, &s_g, &mut half);
            let mut t = vec![0.0; at_f.len() * at_g.len()];
            dense::multiply_transposed(at_f.len(), kf2, at_g.len(), &s_f, &half, &mut t);
            for (j, &b) in at_g.iter().enumerate() {
                for (i, &a) in at_f.iter().enumerate() {
                    let value = if f == g {
                        0.5 * (t[i + j * at_f.len()] + t[j + i * at_f.len()])
                    } else {
                        t[i + j * at_f.len()]
                    };
                    out[a + b * m] = value;
                    out[b + a * m] = value;
                }
            }
        }
        out
    }

    /// Derivative of (X'V^-1 X)^-1: L_x^-T (sum over levels of D_l' Sigma-dot D_l) L_x^-1.
    fn fixed_covariance_along(&self, blocks: &Blocks, direction: &Direction) -> Vec<f64> {
        let (p, k) = (self.p, blocks.factors[direction.factor].k);
        let sums = &self.fixed[direction.factor];
        let mut out = vec![0.0; p * p];
        for j in 0..k {
            for i in 0..k {
                let weight = direction.sigma_dot[i + j * k];
                if weight != 0.0 {
                    for (t, column) in out.chunks_exact_mut(p.max(1)).enumerate() {
                        dense::axpy(weight, &sums[i * p + (t + j * p) * p * k..][..p], column);
                    }
                }
            }
        }
        dense::backward(p, &self.lx, &mut out, p);
        out = transposed(p, p, &out);
        dense::backward(p, &self.lx, &mut out, p);
        out
    }
}

/// D of some levels (ld x p), to be subtracted in products; p = 0 for ML.
struct FixedPart {
    p: usize,
    ld: usize,
    d: Vec<f64>,
}

impl FixedPart {
    /// `d_transposed`: D' (p x ld).
    fn new(p: usize, ld: usize, d_transposed: &[f64], reml: bool) -> Self {
        if reml { Self { p, ld, d: transposed(p, ld, d_transposed) } } else { Self { p: 0, ld, d: vec![] } }
    }

    /// x -= D_rows D_columns', for D_columns' given (p x columns).
    fn subtract(&self, rows: Range<usize>, columns: &[f64], x: &mut [f64]) {
        if self.p == 0 {
            return;
        }
        for (target, coefficients) in x.chunks_exact_mut(rows.len()).zip(columns.chunks_exact(self.p)) {
            for (t, &value) in coefficients.iter().enumerate() {
                dense::axpy(-value, &self.d[t * self.ld..][rows.clone()], target);
            }
        }
    }
}

/// Sums over all ordered pairs of levels of one factor, from the pairs l >= m.
struct OwnPairs {
    k: usize,
    equal: OuterSum,
    below: OuterSum,
}

impl OwnPairs {
    fn new(k: usize) -> Result<Self, KernelError> {
        Ok(Self { k, equal: OuterSum::new(k * k)?, below: OuterSum::new(k * k)? })
    }

    /// Blocks of `count` levels in the columns from `col` on; the diagonal block is at `row`.
    fn push_column(&mut self, matrix: &[f64], ld: usize, row: usize, col: usize, count: usize) {
        let k = self.k;
        self.equal.push_block(matrix, ld, (row, col), (k, k));
        for l in 1..count {
            self.below.push_block(matrix, ld, (row + l * k, col), (k, k));
        }
    }

    fn finish(self) -> Vec<f64> {
        let mut out = self.equal.finish_paired(self.k, self.k);
        // B_ml = B_lm' exchanges the two directions, over which `traces` takes the mean
        dense::axpy(2.0, &self.below.finish_paired(self.k, self.k), &mut out);
        out
    }
}

/// Pairs of leading levels one by one.
fn leading_pairs(
    pattern: &Pattern,
    dim: usize,
    p: usize,
    levels: &LeadingLevels,
    reml: bool,
    own: &mut OwnPairs,
) -> Result<(), KernelError> {
    let (q, k) = (pattern.q, pattern.k);
    let fixed = FixedPart::new(p, q * k, &levels.d, reml);
    let mut b = vec![];
    for first in (0..q).step_by(TILE) {
        let last = (first + TILE).min(q);
        let (rows, columns) = ((q - first) * k, (last - first) * k);
        let below = &levels.f[first * k * dim..];
        watch::check()?;
        memory::clear(&mut b, &[rows, columns])?;
        dense::multiply_transposed(rows, dim, columns, below, &below[..columns * dim], &mut b);
        b.iter_mut().for_each(|v| *v = -*v);
        fixed.subtract(first * k..q * k, &levels.d[first * k * p..last * k * p], &mut b);
        for m in first..last {
            let at = (m - first) * k;
            for (j, base) in levels.base[m * k * k..(m + 1) * k * k].chunks_exact(k).enumerate() {
                dense::axpy(1.0, base, &mut b[at + (at + j) * rows..][..k]);
            }
            own.push_column(&b, rows, at, at, q - m);
        }
    }
    Ok(())
}

/// Pairs of leading levels through the low rank of what is not block-diagonal, B_lm = [l = m] B0_l - G_l'G_m with G = F,
/// or F over D' (REML): all pairs of G_l'G_m follow from the moments sum_l G_l (x) G_l, those of equal levels are replaced.
struct RankPairs {
    k: usize,
    dim: usize,
    /// Rows of G.
    rank: usize,
    /// B_ll and G_l'G_l.
    equal: OuterSum,
    replaced: OuterSum,
    /// Moments of G; not formed without a core, where they are those of D.
    moments: Vec<f64>,
}

impl RankPairs {
    fn new(blocks: &Blocks, k: usize, reml: bool) -> Result<Self, KernelError> {
        let (dim, rank) = (blocks.core_dim, subtracted_rank(blocks, reml));
        let formed = dim > 0 && !pair_by_pair(blocks, reml);
        let moments = if formed { memory::zeros(&[rank, k, rank, k])? } else { vec![] };
        Ok(Self { k, dim, rank, equal: OuterSum::new(k * k)?, replaced: OuterSum::new(k * k)?, moments })
    }

    fn add(&mut self, levels: &LeadingLevels, p: usize) -> Result<(), KernelError> {
        let (k, dim, rank) = (self.k, self.dim, self.rank);
        let mut stacked = vec![];
        let g: &[f64] = match (dim, rank - dim) {
            (_, 0) => &levels.f,
            (0, _) => &levels.d,
            _ => {
                memory::grow(&mut stacked, rank * levels.base.len() / k)?;
                for (f, d) in levels.f.chunks_exact(dim).zip(levels.d.chunks_exact(p)) {
                    stacked.extend_from_slice(f);
                    stacked.extend_from_slice(d);
                }
                &stacked
            }
        };
        if dim > 0 {
            add_outer(rank * k, g, &mut self.moments);
        }
        let mut square = vec![0.0; k * k];
        for (l, base) in levels.base.chunks_exact(k * k).enumerate() {
            let column = |i: usize| &g[(l * k + i) * rank..(l * k + i + 1) * rank];
            if rank > 0 {
                for j in 0..k {
                    for i in 0..=j {
                        let value = dense::dot_long(column(i), column(j));
                        square[i + j * k] = value;
                        square[j + i * k] = value;
                    }
                }
                self.replaced.push_block(&square, k, (0, 0), (k, k));
            }
            let at = self.equal.buffer.len();
            self.equal.buffer.extend_from_slice(base);
            dense::axpy(-1.0, &square, &mut self.equal.buffer[at..]);
            if self.equal.buffer.len() >= BUFFER {
                self.equal.flush();
            }
        }
        Ok(())
    }

    fn finish(mut self, d_moments: &[f64]) -> Result<Vec<f64>, KernelError> {
        let (k, r) = (self.k, self.rank);
        let mut out = self.equal.finish_paired(k, k);
        if r == 0 {
            return Ok(out);
        }
        dense::axpy(-1.0, &self.replaced.finish_paired(k, k), &mut out);
        let moments = if self.dim == 0 {
            d_moments
        } else {
            dense::mirror_lower(r * k, &mut self.moments);
            &self.moments
        };
        // sum over (s, t) of M[(s, i), (t, i')] M[(s, j), (t, j')]
        let mut by_pair = memory::room(&[moments.len()])?;
        for i2 in 0..k {
            for i in 0..k {
                for t in 0..r {
                    by_pair.extend_from_slice(&moments[i * r + (t + i2 * r) * r * k..][..r]);
                }
            }
        }
        let mut all = vec![0.0; k.pow(4)];
        dense::multiply_transposed(k * k, r * r, k * k, &by_pair, &by_pair, &mut all);
        dense::axpy(1.0, &all, &mut out);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::newton::Objective;
    use crate::numbers::Numbers;
    use crate::problem::{FactorInput, Input, TermInput};

    struct Case {
        n: usize,
        levels: &'static [usize],
        /// Factor and columns of each term.
        terms: &'static [(usize, usize)],
        p: usize,
        weights: bool,
    }

    fn problem(case: &Case, seed: u64) -> Problem {
        let mut numbers = Numbers(seed);
        let n = case.n;
        let y = numbers.column(n);
        let x: Vec<Vec<f64>> = (0..case.p).map(|_| numbers.column(n)).collect();
        let weights: Vec<f64> = numbers.column(n).iter().map(|v| 1.5 + v).collect();
        let codes: Vec<Vec<i32>> = case
            .levels
            .iter()
            .map(|&q| numbers.column(n).iter().map(|v| ((0.5 + 0.5 * v) * q as f64) as i32).collect())
            .collect();
        let columns: Vec<Vec<Vec<f64>>> =
            case.terms.iter().map(|&(_, k)| (0..k).map(|_| numbers.column(n)).collect()).collect();
        let input = Input {
            y: &y,
            x: x.iter().map(Vec::as_slice).collect(),
            weights: case.weights.then_some(&weights),
            factors: codes
                .iter()
                .zip(case.levels)
                .map(|(codes, &n_levels)| FactorInput { codes, n_levels })
                .collect(),
            terms: case
                .terms
                .iter()
                .zip(&columns)
                .map(|(&(factor, _), c)| TermInput { factor, columns: c.iter().map(Vec::as_slice).collect() })
                .collect(),
        };
        Problem::new(&input).unwrap()
    }

    /// Central differences of fourth order of the gradient and of the covariance of the fixed effects.
    fn differences(objective: &Objective, theta: &[f64], scale: f64) -> (Vec<f64>, Vec<Vec<f64>>) {
        let h = 1e-3 * scale;
        let mut hessian = vec![];
        let mut fixed = vec![];
        for b in 0..theta.len() {
            let at = |steps: f64| {
                let mut t = theta.to_vec();
                t[b] += steps * h;
                objective.first_order(&t).unwrap().2
            };
            let (a1, a2, b1, b2) = (at(1.0), at(2.0), at(-1.0), at(-2.0));
            let slope = |get: fn(&FirstOrder) -> &Vec<f64>| -> Vec<f64> {
                let near = get(&a1).iter().zip(get(&b1)).map(|(u, v)| 8.0 * (u - v));
                let far = get(&a2).iter().zip(get(&b2)).map(|(u, v)| u - v);
                near.zip(far).map(|(u, v)| (u - v) / (12.0 * h)).collect()
            };
            hessian.extend(slope(|f| &f.gradient));
            fixed.push(slope(|f| &f.fixed_covariance));
        }
        (hessian, fixed)
    }

    fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
        assert_eq!(a.len(), b.len());
        let size = b.iter().fold(1e-300f64, |s, v| s.max(v.abs()));
        a.iter().zip(b).fold(0.0f64, |s, (u, v)| s.max((u - v).abs())) / size
    }

    fn check(case: &Case, seed: u64, scale: f64) {
        let problem = problem(case, seed);
        for reml in [false, true] {
            let objective = Objective::new(&problem, reml);
            let mut numbers = Numbers(seed + 17);
            let theta: Vec<f64> = objective
                .coords
                .iter()
                .map(|c| scale * (if c.row == c.col { 1.0 } else { 0.0 } + 0.4 * numbers.next()))
                .collect();
            let roots = crate::covariance::unpack(&problem.widths, &theta);
            let (factor, _, first) = objective.first_order(&theta).unwrap();
            let information = objective.point(&theta).unwrap().information;
            let (hessian, fixed) =
                exact(&problem, &factor, &roots, &first, &information, reml).unwrap().unwrap();
            let (expected, expected_fixed) = differences(&objective, &theta, scale);
            // the differences themselves are good to about 1e-10; those of the covariance relative to its size
            assert!(largest_difference(&hessian, &expected) < 1e-9, "{hessian:?}\n{expected:?}");
            let size = first.fixed_covariance.iter().fold(0.0f64, |s, v| s.max(v.abs())) / scale;
            for (a, b) in fixed.iter().flatten().zip(expected_fixed.iter().flatten()) {
                assert!((a - b).abs() < 1e-10 * size, "{a} {b} {size}");
            }
        }
    }

    #[test]
    fn one_factor_matches_differences_of_the_gradient() {
        for (k, p) in [(1, 0), (1, 2), (2, 1), (2, 3), (3, 0), (3, 2), (4, 1)] {
            let terms: &'static [(usize, usize)] = [&[(0, 1)], &[(0, 2)], &[(0, 3)], &[(0, 4)]][k - 1];
            let case = Case { n: 120, levels: &[14], terms, p, weights: p == 2 };
            check(&case, 40 + k as u64, 0.8);
        }
    }

    #[test]
    fn terms_of_one_factor_match_differences_of_the_gradient() {
        let case = Case { n: 150, levels: &[15], terms: &[(0, 1), (0, 2)], p: 2, weights: true };
        check(&case, 3, 1.1);
    }

    #[test]
    fn crossed_factors_match_differences_of_the_gradient() {
        for p in 0..4 {
            let weights = p % 2 == 1;
            check(&Case { n: 160, levels: &[11, 7], terms: &[(0, 2), (1, 1)], p, weights }, 5, 0.7);
            check(&Case { n: 200, levels: &[9, 8], terms: &[(1, 2), (0, 2)], p, weights }, 6, 0.7);
            check(&Case { n: 200, levels: &[60, 4], terms: &[(0, 2), (1, 2)], p, weights }, 7, 0.7);
            check(&Case { n: 300, levels: &[200, 3], terms: &[(0, 1), (1, 1)], p, weights }, 8, 0.9);
        }
    }

    #[test]
    fn several_core_factors_match_differences_of_the_gradient() {
        let case =
            Case { n: 260, levels: &[10, 8, 5], terms: &[(0, 1), (1, 3), (2, 2)], p: 2, weights: true };
        check(&case, 9, 0.6);
        let case = Case {
            n: 300,
            levels: &[90, 5, 6],
            terms: &[(0, 2), (2, 1), (1, 2), (2, 1)],
            p: 1,
            weights: false,
        };
        check(&case, 10, 0.6);
    }

    #[test]
    fn small_and_large_roots_match_differences_of_the_gradient() {
        for scale in [0.02, 20.0] {
            check(
                &Case { n: 200, levels: &[9, 8], terms: &[(0, 2), (1, 2)], p: 2, weights: true },
                13,
                scale,
            );
            check(
                &Case { n: 200, levels: &[60, 4], terms: &[(0, 2), (1, 2)], p: 2, weights: true },
                14,
                scale,
            );
        }
    }

    #[test]
    fn both_ways_over_leading_pairs_are_taken() {
        let way = |levels, terms| {
            pair_by_pair(&problem(&Case { n: 200, levels, terms, p: 2, weights: false }, 1).blocks, true)
        };
        assert!(way(&[9, 8], &[(0, 2), (1, 2)]));
        assert!(!way(&[60, 4], &[(0, 2), (1, 2)]));
        assert!(!way(&[14], &[(0, 2)]));
    }

    #[test]
    fn singular_leading_root_matches_differences_of_the_gradient() {
        let case = Case { n: 160, levels: &[11, 7], terms: &[(0, 2), (1, 1)], p: 1, weights: false };
        let problem = problem(&case, 12);
        let objective = Objective::new(&problem, true);
        let theta = [0.7, 0.2, 0.0, 0.5];
        let roots = crate::covariance::unpack(&problem.widths, &theta);
        let point = objective.point(&theta).unwrap();
        let factor = objective.factorize(&theta).unwrap();
        let (hessian, _) =
            exact(&problem, &factor, &roots, &point.first, &point.information, true).unwrap().unwrap();
        assert!(largest_difference(&hessian, &differences(&objective, &theta, 0.1).0) < 1e-9);
    }

    #[test]
    fn later_eliminated_factors_and_singular_core_roots_are_declined() {
        let (y, codes) = ([0.1, 0.7, -0.3, 0.4, 0.9, -0.8, 0.2, 0.5], [0, 0, 1, 1, 2, 2, 3, 3]);
        let (nested, crossed) = ([0, 0, 0, 0, 1, 1, 1, 1], [0, 1, 0, 1, 0, 1, 0, 1]);
        let ones = [1.0; 8];
        let declined = |second: &[i32], theta: [f64; 2]| {
            let input = Input {
                y: &y,
                x: vec![],
                weights: None,
                factors: vec![
                    FactorInput { codes: &codes, n_levels: 4 },
                    FactorInput { codes: second, n_levels: 2 },
                ],
                terms: (0..2).map(|factor| TermInput { factor, columns: vec![&ones] }).collect(),
            };
            let problem = Problem::new(&input).unwrap();
            let objective = Objective::new(&problem, false);
            let point = objective.point(&theta).unwrap();
            let factor = objective.factorize(&theta).unwrap();
            let roots = crate::covariance::unpack(&problem.widths, &theta);
            exact(&problem, &factor, &roots, &point.first, &point.information, false).unwrap().is_none()
        };
        assert!(declined(&nested, [0.5, 0.5]));
        assert!(declined(&crossed, [0.5, 0.0]));
        assert!(!declined(&crossed, [0.5, 0.5]));
    }
}
