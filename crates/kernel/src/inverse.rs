//! The parts of the inverse that derivatives, conditional variances and leverages need (a blocked Takahashi recursion).
//!
//! With P = M^-1 (including the fixed effects, or the random part alone), U = blockdiag(T, I) P blockdiag(T', I) is the
//! covariance of the prediction errors of (b, beta) in units of sigma^2. It is formed for the core, then downwards for
//! the panels of eliminated factors.

use crate::blocks::{Blocks, Pattern};
use crate::core::CoreMatrix;
use crate::covariance;
use crate::dense;
use crate::error::KernelError;
use crate::factor::Factorization;
use crate::modes::shrink;
use crate::problem::{Problem, spread};

/// Levels whose panels are combined into one dense product.
const BATCH: usize = 64;

/// U of one eliminated factor: diagonal blocks (q, k x k) and panel (random and fixed rows; the response row is unused).
#[derive(Clone, Debug)]
pub struct PanelInverse {
    pub diag: Vec<f64>,
    pub panel: Vec<f64>,
}

/// Blocks of U over core, tail and later eliminated factors.
#[derive(Clone, Debug)]
pub struct Inverse {
    /// True when the fixed effects are part of M.
    pub with_fixed: bool,
    /// Fixed effects counted: rank, or 0 without them.
    pub p: usize,
    pub core: CoreMatrix,
    /// core_dim x p.
    pub core_fixed: Vec<f64>,
    /// p x p: unscaled covariance of beta.
    pub fixed: Vec<f64>,
    /// By position in `Blocks::eliminated`, minus one.
    pub later: Vec<PanelInverse>,
    /// Per factor (kernel order), k x k: sum over levels of [Z'P_V Z]_ll with P_V = V^-1 or its projection.
    pub information: Vec<Vec<f64>>,
}

/// Level-wise quantities handed to a visitor of the leading factor.
pub struct LeadingLevel<'a> {
    pub level: usize,
    /// Panel rows taken part (parents, core, fixed effects when counted).
    pub rows: usize,
    /// U over those rows (rows x rows); empty where the dense shortcut was used.
    pub u: &'a [f64],
    /// G c: rows x k, row-major.
    pub y: &'a [f64],
    /// Q_j'P_V Q_j (k x k).
    pub e: &'a [f64],
    /// Y'U Y (k x k).
    pub yuy: &'a [f64],
}

impl Inverse {
    /// `with_fixed`: REML's P (with the fixed effects), else ML's and the conditional variances'. `visit` sees every
    /// leading level; `need_u` asks for U even where a dense shortcut would avoid gathering it.
    pub fn new(
        problem: &Problem,
        factor: &Factorization,
        with_fixed: bool,
        need_u: bool,
        mut visit: impl FnMut(&LeadingLevel),
    ) -> Result<Self, KernelError> {
        let blocks = &problem.blocks;
        let mut out = Self::of_core(problem, factor, with_fixed);
        out.later = vec![PanelInverse { diag: vec![], panel: vec![] }; factor.later.len()];
        for e in (1..blocks.eliminated.len()).rev() {
            out.descend(problem, factor, e)?;
        }
        match blocks.eliminated[0].k {
            1 => out.leading::<1>(problem, factor, need_u, &mut visit),
            2 => out.leading::<2>(problem, factor, need_u, &mut visit),
            3 => out.leading::<3>(problem, factor, need_u, &mut visit),
            _ => out.leading::<0>(problem, factor, need_u, &mut visit),
        }
        Ok(out)
    }

    fn of_core(problem: &Problem, factor: &Factorization, with_fixed: bool) -> Self {
        let blocks = &problem.blocks;
        let (dim, width) = (blocks.core_dim, blocks.tail);
        let p = if with_fixed { width - 1 } else { 0 };
        // columns L_x^-1 e_i, then (L_x L_x')^-1
        let mut lx = vec![0.0; p * p];
        for c in 0..p {
            for r in c..p {
                lx[r + c * p] = factor.tail[r + c * width];
            }
        }
        let mut fixed = vec![0.0; p * p];
        dense::inverse_from_cholesky(p, &lx, &mut fixed);
        // K = S^-1 B_X, W = K L_x^-T
        let mut k = factor.border[..p * dim].to_vec();
        factor.core.backward(&mut k, p);
        let mut w = k.clone();
        for i in 0..dim {
            for c in 0..p {
                let mut s = w[i + c * dim];
                for h in 0..c {
                    s -= w[i + h * dim] * lx[c + h * p];
                }
                w[i + c * dim] = s / lx[c + c * p];
            }
        }
        let mut core = factor.core.inverse(Some((&w, p)));
        let mut information: Vec<Vec<f64>> = blocks.factors.iter().map(|f| vec![0.0; f.k * f.k]).collect();
        for &(f, offset) in &blocks.core {
            let (q, kf) = (blocks.factors[f].q, blocks.factors[f].k);
            // sum over levels of I - P_ll, then T^-T . T^-1
            let mut sum = vec![0.0; kf * kf];
            for l in 0..q {
                let start = offset + l * kf;
                for b in 0..kf {
                    for a in 0..kf {
                        let unit = if a == b { 1.0 } else { 0.0 };
                        let (row, col) = if a >= b { (start + a, start + b) } else { (start + b, start + a) };
                        sum[a + b * kf] += unit - core.values[row + col * dim];
                    }
                }
            }
            let root = &factor.roots[f];
            if (0..kf).all(|i| root[i + i * kf] != 0.0) {
                for _ in 0..2 {
                    for column in sum.chunks_exact_mut(kf) {
                        dense::backward_small(kf, root, column);
                    }
                    transpose_in_place(kf, &mut sum);
                }
            } else {
                sum.fill(0.0);
            }
            information[f] = sum;
        }
        core.congruence(blocks, &factor.roots, false);
        dense::mirror_lower(dim, &mut core.values);
        // U_cX = -T K (L_x L_x')^-1
        let mut core_fixed = vec![0.0; dim * p];
        dense::multiply(dim, p, p, &k, &fixed, &mut core_fixed);
        core_fixed.iter_mut().for_each(|v| *v = -*v);
        crate::core::apply_blocks(blocks, &factor.roots, false, &mut core_fixed, p);
        Self { with_fixed, p, core, core_fixed, fixed, later: vec![], information }
    }

    /// Number of panel rows of a level that take part.
    fn rows(&self, pattern: &Pattern, j: usize) -> usize {
        pattern.parent_rows + pattern.core(j).len() + self.p
    }

    /// U over the panel rows of level `j` of eliminated factor `e` (rows x rows, full).
    fn gather(&self, blocks: &Blocks, e: usize, j: usize, out: &mut Vec<f64>) -> usize {
        let pattern = &blocks.eliminated[e];
        let ld = self.rows(pattern, j);
        let core = pattern.core(j);
        let core_at = pattern.parent_rows;
        let fixed_at = core_at + core.len();
        out.clear();
        out.resize(ld * ld, 0.0);
        for parent in &pattern.parents {
            let above = &blocks.eliminated[parent.elim];
            let (kp, level) = (above.k, parent.level[j] as usize);
            let inverse = &self.later[parent.elim - 1];
            let first = above.start(level);
            for b in 0..kp {
                let col = parent.first_row + b;
                for a in 0..kp {
                    out[parent.first_row + a + col * ld] = inverse.diag[level * kp * kp + a + b * kp];
                }
                let mut set = |at: usize, r: usize| {
                    let value = inverse.panel[(first + at) * kp + b];
                    out[r + col * ld] = value;
                    out[col + r * ld] = value;
                };
                let shift = parent.first_row + kp;
                for r in shift..pattern.parent_rows {
                    set(r - shift, r);
                }
                let map = &parent.core_map[pattern.core_ptr[j]..pattern.core_ptr[j + 1]];
                for (c, &at) in map.iter().enumerate() {
                    set(above.parent_rows + at as usize, core_at + c);
                }
                let tail_at = above.rows(level) - above.tail;
                for t in 0..self.p {
                    set(tail_at + t, fixed_at + t);
                }
            }
        }
        self.core.gather(core, out, ld, core_at);
        let dim = self.core.dim;
        for t in 0..self.p {
            for (c, &at) in core.iter().enumerate() {
                let value = self.core_fixed[at as usize + t * dim];
                out[core_at + c + (fixed_at + t) * ld] = value;
                out[fixed_at + t + (core_at + c) * ld] = value;
            }
            for s in 0..self.p {
                out[fixed_at + s + (fixed_at + t) * ld] = self.fixed[s + t * self.p];
            }
        }
        ld
    }

    /// U and information of a later eliminated factor, from U above it.
    fn descend(&mut self, problem: &Problem, factor: &Factorization, e: usize) -> Result<(), KernelError> {
        let blocks = &problem.blocks;
        let pattern = &blocks.eliminated[e];
        let k = pattern.k;
        let root = &factor.roots[pattern.factor];
        let sigma = covariance::product(k, root);
        let this = &factor.later[e - 1];
        let mut diag = vec![0.0; pattern.q * k * k];
        let mut panel = vec![0.0; this.schur.panel.len()];
        let mut information = vec![0.0; k * k];
        let mut u = vec![];
        let (mut d_inverse, mut td, mut tdt) = (vec![0.0; k * k], vec![0.0; k * k], vec![0.0; k * k]);
        let mut z = vec![];
        let mut uz = vec![];
        for j in 0..pattern.q {
            let r = self.gather(blocks, e, j, &mut u);
            let start = pattern.start(j);
            let rows = &this.schur.panel[start * k..(start + r) * k];
            dense::inverse_from_cholesky_small(k, &this.chol[j * k * k..(j + 1) * k * k], &mut d_inverse);
            dense::multiply_small(k, k, k, root, &d_inverse, &mut td);
            let transposed = transpose(k, root);
            dense::multiply_small(k, k, k, &td, &transposed, &mut tdt);
            z.clear();
            z.resize(r * k, 0.0);
            for (zr, h) in z.chunks_exact_mut(k).zip(rows.chunks_exact(k)) {
                dense::matvec_small(k, &tdt, h, zr);
            }
            symmetric_times_rows(r, k, &u, &z, &mut uz);
            let target = &mut panel[start * k..(start + r) * k];
            for (t, v) in target.iter_mut().zip(&uz) {
                *t = -v;
            }
            let block = &mut diag[j * k * k..(j + 1) * k * k];
            block.copy_from_slice(&tdt);
            add_rows_product(r, k, &z, &uz, 1.0, block);
            // B_ll = (I + H Sigma)^-1 H - f U f', f = (I + H Sigma)^-1 h
            let h = &this.schur.diag[j * k * k..(j + 1) * k * k];
            let mut fh = h.to_vec();
            shrink(k, h, &sigma, &mut fh, k)?;
            z.copy_from_slice(rows);
            shrink(k, h, &sigma, &mut z, r)?;
            symmetric_times_rows(r, k, &u, &z, &mut uz);
            add_rows_product(r, k, &z, &uz, -1.0, &mut fh);
            for (s, v) in information.iter_mut().zip(&fh) {
                *s += v;
            }
        }
        symmetrize(k, &mut information);
        self.information[pattern.factor] = information;
        self.later[e - 1] = PanelInverse { diag, panel };
        Ok(())
    }

    /// Information of the leading factor: B_jj = R_j' E_j R_j, E_j = G - (Gc) U (Gc)'.
    fn leading<const K: usize>(
        &mut self,
        problem: &Problem,
        factor: &Factorization,
        need_u: bool,
        visit: &mut impl FnMut(&LeadingLevel),
    ) {
        let blocks = &problem.blocks;
        let pattern = &blocks.eliminated[0];
        let k = if K > 0 { K } else { pattern.k };
        let mut information = vec![0.0; k * k];
        let mut u: Vec<f64> = vec![];
        let (mut y, mut uy) = (vec![], vec![]);
        let (mut e, mut er, mut b, mut yuy) =
            (vec![0.0; k * k], vec![0.0; k * k], vec![0.0; k * k], vec![0.0; k * k]);
        let only_tail = pattern.parent_rows == 0 && blocks.core_dim == 0;
        let dense_core =
            !need_u && pattern.parents.is_empty() && pattern.meets_most_of_core(self.core.dim) && pattern.q > 1;
        let mut batch = DenseBatch::default();
        if only_tail {
            u = self.fixed.clone();
        }
        for j in 0..pattern.q {
            let l = &factor.leading.chol[j * k * k..(j + 1) * k * k];
            let r = self.rows(pattern, j);
            let start = pattern.start(j);
            y.clear();
            y.extend_from_slice(&factor.leading.panel[start * k..(start + r) * k]);
            for row in y.chunks_exact_mut(k) {
                dense::backward_small(k, l, row);
            }
            yuy.fill(0.0);
            if dense_core {
                if j % BATCH == 0 {
                    batch.fill(self, factor, pattern, j..(j + BATCH).min(pattern.q));
                }
                batch.product(self, pattern, j, &y, &mut yuy);
            } else {
                if !only_tail {
                    self.gather(blocks, 0, j, &mut u);
                }
                symmetric_times_rows(r, k, &u, &y, &mut uy);
                add_rows_product(r, k, &y, &uy, 1.0, &mut yuy);
            }
            dense::inverse_from_cholesky_small(k, l, &mut e);
            for (a, v) in e.iter_mut().zip(&yuy) {
                *a -= v;
            }
            let rj = &problem.panels[0].diag[j * k * k..(j + 1) * k * k];
            dense::multiply_small(k, k, k, &e, rj, &mut er);
            dense::multiply_transposed_small(k, k, k, rj, &er, &mut b);
            for (s, v) in information.iter_mut().zip(&b) {
                *s += v;
            }
            visit(&LeadingLevel { level: j, rows: r, u: &u, y: &y, e: &e, yuy: &yuy });
        }
        symmetrize(k, &mut information);
        self.information[pattern.factor] = information;
    }
}

/// U Y for the core rows of a batch of leading levels by one dense product.
#[derive(Default)]
struct DenseBatch {
    first: usize,
    spread: Vec<f64>,
    product: Vec<f64>,
}

impl DenseBatch {
    fn fill(
        &mut self,
        inverse: &Inverse,
        factor: &Factorization,
        pattern: &Pattern,
        levels: std::ops::Range<usize>,
    ) {
        let (k, dim) = (pattern.k, inverse.core.dim);
        let m = k * levels.len();
        self.first = levels.start;
        // rows of the panel are L^-1 c; L^-T is applied level by level after spreading
        spread(pattern, &factor.leading.panel, levels.clone(), dim, &mut self.spread);
        let mut row = vec![0.0; k];
        for (index, j) in levels.enumerate() {
            let l = &factor.leading.chol[j * k * k..(j + 1) * k * k];
            for &at in pattern.core(j) {
                for a in 0..k {
                    row[a] = self.spread[at as usize + (index * k + a) * dim];
                }
                dense::backward_small(k, l, &mut row);
                for a in 0..k {
                    self.spread[at as usize + (index * k + a) * dim] = row[a];
                }
            }
        }
        self.product.resize(dim * m, 0.0);
        dense::multiply(dim, dim, m, &inverse.core.values, &self.spread, &mut self.product);
    }

    /// out <- Y'U Y over the core and fixed rows of level `j`; y is rows x k, core rows first.
    fn product(&self, inverse: &Inverse, pattern: &Pattern, j: usize, y: &[f64], out: &mut [f64]) {
        let (k, dim, p) = (pattern.k, inverse.core.dim, inverse.p);
        let core = pattern.core(j);
        let at = (j - self.first) * k;
        for b in 0..k {
            let uy = &self.product[(at + b) * dim..(at + b + 1) * dim];
            for a in 0..k {
                out[a + b * k] = core.iter().enumerate().map(|(c, &i)| y[c * k + a] * uy[i as usize]).sum();
            }
        }
        let fixed_rows = &y[core.len() * k..];
        for t in 0..p {
            let column = &inverse.core_fixed[t * dim..(t + 1) * dim];
            let yt = &fixed_rows[t * k..(t + 1) * k];
            for a in 0..k {
                let cross: f64 =
                    core.iter().enumerate().map(|(c, &i)| y[c * k + a] * column[i as usize]).sum();
                for b in 0..k {
                    out[a + b * k] += cross * yt[b];
                    out[b + a * k] += cross * yt[b];
                }
            }
            for s in 0..p {
                let ys = &fixed_rows[s * k..(s + 1) * k];
                for b in 0..k {
                    for a in 0..k {
                        out[a + b * k] += ys[a] * inverse.fixed[s + t * p] * yt[b];
                    }
                }
            }
        }
    }
}

/// out (r x k row-major) <- U Y with U symmetric r x r, Y r x k row-major.
#[inline(always)]
fn symmetric_times_rows(r: usize, k: usize, u: &[f64], y: &[f64], out: &mut Vec<f64>) {
    out.clear();
    out.resize(r * k, 0.0);
    for s in 0..r {
        let column = &u[s * r..(s + 1) * r];
        let ys = &y[s * k..(s + 1) * k];
        for (target, &v) in out.chunks_exact_mut(k).zip(column) {
            for a in 0..k {
                target[a] += v * ys[a];
            }
        }
    }
}

/// out (k x k) += sign * A'B for row-major A, B (r x k).
#[inline(always)]
fn add_rows_product(r: usize, k: usize, a: &[f64], b: &[f64], sign: f64, out: &mut [f64]) {
    for s in 0..r {
        for j in 0..k {
            let v = sign * b[s * k + j];
            for i in 0..k {
                out[i + j * k] += a[s * k + i] * v;
            }
        }
    }
}

fn symmetrize(k: usize, a: &mut [f64]) {
    for j in 0..k {
        for i in 0..j {
            let mean = 0.5 * (a[i + j * k] + a[j + i * k]);
            a[i + j * k] = mean;
            a[j + i * k] = mean;
        }
    }
}

fn transpose(k: usize, a: &[f64]) -> Vec<f64> {
    (0..k * k).map(|h| a[h / k + (h % k) * k]).collect()
}

fn transpose_in_place(k: usize, a: &mut [f64]) {
    for j in 0..k {
        for i in 0..j {
            a.swap(i + j * k, j + i * k);
        }
    }
}
