//! The parts of the inverse that derivatives, conditional variances and leverages need (a blocked Takahashi recursion).
//!
//! With M_ZZ the random part of M and U = T M_ZZ^-1 T', U is the covariance of b given y and beta, in units of sigma^2.
//! The uncertainty of beta adds V V' to it, where V (p columns) holds -T K L_x^-T for random effects and L_x^-T for the
//! fixed ones (K = M_ZZ^-1 T'Z'WX, L_x the factor of X'V^-1 X). U and V are formed for the core, then downwards through
//! the eliminated factors; every quantity is a sum of nonnegative terms.

use crate::blocks::{Blocks, Pattern};
use crate::core::CoreMatrix;
use crate::covariance;
use crate::dense;
use crate::error::KernelError;
use crate::factor::Factorization;
use crate::memory;
use crate::modes::shrink;
use crate::problem::Problem;
use crate::watch;

/// U and V of a later eliminated factor.
#[derive(Clone, Debug, Default)]
pub struct PanelInverse {
    /// U_ll: q blocks k x k.
    pub diag: Vec<f64>,
    /// U between the random rows of each panel and its level (tail rows unused).
    pub panel: Vec<f64>,
    /// V: q blocks k x p.
    pub v: Vec<f64>,
}

/// What to compute besides the information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Count the uncertainty of beta in `information` (REML).
    pub with_fixed: bool,
    /// U_jj of the leading levels.
    pub leading_covariance: bool,
}

/// Blocks of U and V, and per factor the information sum over levels of [Z'P Z]_ll.
#[derive(Clone, Debug)]
pub struct Inverse {
    /// U over the core, both triangles.
    pub core: CoreMatrix,
    /// V over the core: core_dim x p.
    core_v: Vec<f64>,
    /// L_x^-T: p x p.
    fixed_v: Vec<f64>,
    p: usize,
    /// By position in `Blocks::eliminated`, minus one.
    pub later: Vec<PanelInverse>,
    /// U_jj of the leading levels (q blocks k x k); empty unless wanted.
    pub leading: Vec<f64>,
    /// Per factor (kernel order), k x k: sum over levels of [Z'P Z]_ll with P = V^-1 (ML) or its projection (REML).
    pub information: Vec<Vec<f64>>,
}

impl Inverse {
    pub fn new(problem: &Problem, factor: &Factorization, wanted: Wanted) -> Result<Self, KernelError> {
        let blocks = &problem.blocks;
        watch::check()?;
        let mut out = Self::of_core(problem, factor, wanted.with_fixed)?;
        for e in (1..blocks.eliminated.len()).rev() {
            out.descend(problem, factor, e)?;
        }
        match blocks.eliminated[0].k {
            1 => out.leading_levels::<1>(problem, factor, wanted)?,
            2 => out.leading_levels::<2>(problem, factor, wanted)?,
            3 => out.leading_levels::<3>(problem, factor, wanted)?,
            _ => out.leading_levels::<0>(problem, factor, wanted)?,
        }
        Ok(out)
    }

    /// Var(b | y, beta) / sigma^2 per factor in kernel order: the diagonal blocks of U. The leading factor's must have been
    /// wanted.
    pub fn into_conditional(self, blocks: &Blocks) -> Result<Vec<Vec<f64>>, KernelError> {
        let mut out: Vec<Vec<f64>> = vec![vec![]; blocks.factors.len()];
        for (pattern, later) in blocks.eliminated[1..].iter().zip(self.later) {
            out[pattern.factor] = later.diag;
        }
        for &(f, offset) in &blocks.core {
            let (q, k) = (blocks.factors[f].q, blocks.factors[f].k);
            out[f] = memory::room(&[q, k, k])?;
            for start in (0..q).map(|l| offset + l * k) {
                for b in 0..k {
                    out[f].extend((0..k).map(|a| self.core.get(start + a, start + b)));
                }
            }
        }
        out[blocks.eliminated[0].factor] = self.leading;
        Ok(out)
    }

    fn of_core(problem: &Problem, factor: &Factorization, with_fixed: bool) -> Result<Self, KernelError> {
        let blocks = &problem.blocks;
        let (dim, width) = (blocks.core_dim, blocks.tail);
        let p = if with_fixed { width - 1 } else { 0 };
        let mut lx = memory::zeros(&[p, p])?;
        for c in 0..p {
            for r in c..p {
                lx[r + c * p] = factor.tail[r + c * width];
            }
        }
        let mut fixed_v = memory::zeros(&[p, p])?;
        for c in 0..p {
            fixed_v[c + c * p] = 1.0;
            dense::backward_small(p, &lx, &mut fixed_v[c * p..(c + 1) * p]);
        }
        // W = K L_x^-T with K = S^-1 B_X
        let mut w = memory::copy(&factor.border[..p * dim])?;
        factor.core.backward(&mut w, p)?;
        for i in 0..dim {
            for c in 0..p {
                let mut s = w[i + c * dim];
                for h in 0..c {
                    s -= w[i + h * dim] * lx[c + h * p];
                }
                w[i + c * dim] = s / lx[c + c * p];
            }
        }
        let mut core = factor.core.inverse()?;
        let mut information: Vec<Vec<f64>> = blocks.factors.iter().map(|f| vec![0.0; f.k * f.k]).collect();
        for &(f, offset) in &blocks.core {
            let (q, k) = (blocks.factors[f].q, blocks.factors[f].k);
            // sum over levels of I - P_ll with P = S^-1 (+ W W'), then T^-T . T^-1
            let mut sum = vec![0.0; k * k];
            for start in (0..q).map(|l| offset + l * k) {
                for b in 0..k {
                    for a in 0..k {
                        let unit = if a == b { 1.0 } else { 0.0 };
                        let fixed: f64 =
                            (0..p).map(|c| w[start + a + c * dim] * w[start + b + c * dim]).sum();
                        sum[a + b * k] += unit - core.get(start + a, start + b) - fixed;
                    }
                }
            }
            let root = &factor.roots[f];
            if (0..k).all(|i| root[i + i * k] != 0.0) {
                for _ in 0..2 {
                    for column in sum.chunks_exact_mut(k) {
                        dense::backward_small(k, root, column);
                    }
                    transpose_in_place(k, &mut sum);
                }
            } else {
                sum.fill(0.0);
            }
            information[f] = sum;
        }
        core.congruence(blocks, &factor.roots, false);
        core.mirror();
        crate::core::apply_blocks(blocks, &factor.roots, false, &mut w, p);
        w.iter_mut().for_each(|v| *v = -*v);
        let later = vec![PanelInverse::default(); factor.later.len()];
        Ok(Self { core, core_v: w, fixed_v, p, later, leading: vec![], information })
    }

    /// out (k x p) <- sum over random and fixed panel rows of y_r V_r', y given as rows of k values.
    #[inline(always)]
    fn weighted_v(&self, blocks: &Blocks, e: usize, j: usize, k: usize, y: &[f64], out: &mut [f64]) {
        let pattern = &blocks.eliminated[e];
        let core = pattern.core(j);
        let tail_start = pattern.parent_rows + core.len();
        let p = self.p;
        out[..k * p].fill(0.0);
        for c in 0..p {
            let target = &mut out[c * k..(c + 1) * k];
            for parent in &pattern.parents {
                let kp = blocks.eliminated[parent.elim].k;
                let v = &self.later[parent.elim - 1].v[parent.level[j] as usize * kp * p + c * kp..][..kp];
                for (a, &va) in v.iter().enumerate() {
                    let r = parent.first_row + a;
                    dense::axpy(va, &y[r * k..(r + 1) * k], target);
                }
            }
            let column = &self.core_v[c * blocks.core_dim..(c + 1) * blocks.core_dim];
            for (h, &at) in core.iter().enumerate() {
                let r = pattern.parent_rows + h;
                dense::axpy(column[at as usize], &y[r * k..(r + 1) * k], target);
            }
            // L_x^-T is upper triangular
            for t in 0..=c {
                let r = tail_start + t;
                dense::axpy(self.fixed_v[t + c * p], &y[r * k..(r + 1) * k], target);
            }
        }
    }

    /// form (k x k) += Y'U Y over pairs of rows with at least one parent row; the core's own pairs are not counted.
    #[inline(always)]
    fn add_parent_forms(&self, blocks: &Blocks, e: usize, j: usize, k: usize, y: &[f64], form: &mut [f64]) {
        let pattern = &blocks.eliminated[e];
        let mut s = vec![0.0; k];
        for parent in &pattern.parents {
            let above = &blocks.eliminated[parent.elim];
            let (kp, level) = (above.k, parent.level[j] as usize);
            let inverse = &self.later[parent.elim - 1];
            let first = above.start(level);
            let map = &parent.core_map[pattern.core_ptr[j]..pattern.core_ptr[j + 1]];
            for b in 0..kp {
                s.fill(0.0);
                let mut add = |value: f64, r: usize| dense::axpy(value, &y[r * k..(r + 1) * k], &mut s);
                // half the parent's own block: s y' + y s' counts it once
                for a in 0..kp {
                    add(0.5 * inverse.diag[level * kp * kp + a + b * kp], parent.first_row + a);
                }
                let shift = parent.first_row + kp;
                for r in shift..pattern.parent_rows {
                    add(inverse.panel[(first + r - shift) * kp + b], r);
                }
                for (c, &at) in map.iter().enumerate() {
                    let value = inverse.panel[(first + above.parent_rows + at as usize) * kp + b];
                    add(value, pattern.parent_rows + c);
                }
                let yb = &y[(parent.first_row + b) * k..(parent.first_row + b + 1) * k];
                for c in 0..k {
                    for a in 0..k {
                        form[a + c * k] += s[a] * yb[c] + yb[a] * s[c];
                    }
                }
            }
        }
    }

    /// out (random rows x k) <- U Y over the random panel rows of level j.
    fn times_rows(
        &self,
        blocks: &Blocks,
        e: usize,
        j: usize,
        k: usize,
        y: &[f64],
        out: &mut Vec<f64>,
    ) -> Result<(), KernelError> {
        let pattern = &blocks.eliminated[e];
        let core = pattern.core(j);
        let rows = pattern.parent_rows + core.len();
        memory::clear(out, &[rows, k])?;
        for parent in &pattern.parents {
            let above = &blocks.eliminated[parent.elim];
            let (kp, level) = (above.k, parent.level[j] as usize);
            let inverse = &self.later[parent.elim - 1];
            let first = above.start(level);
            let map = &parent.core_map[pattern.core_ptr[j]..pattern.core_ptr[j + 1]];
            for b in 0..kp {
                let col = parent.first_row + b;
                for a in 0..kp {
                    let value = inverse.diag[level * kp * kp + a + b * kp];
                    let r = parent.first_row + a;
                    dense::axpy(value, &y[col * k..(col + 1) * k], &mut out[r * k..(r + 1) * k]);
                }
                let mut pair = |value: f64, r: usize| {
                    dense::axpy(value, &y[col * k..(col + 1) * k], &mut out[r * k..(r + 1) * k]);
                    dense::axpy(value, &y[r * k..(r + 1) * k], &mut out[col * k..(col + 1) * k]);
                };
                let shift = parent.first_row + kp;
                for r in shift..pattern.parent_rows {
                    pair(inverse.panel[(first + r - shift) * kp + b], r);
                }
                for (c, &at) in map.iter().enumerate() {
                    let value = inverse.panel[(first + above.parent_rows + at as usize) * kp + b];
                    pair(value, pattern.parent_rows + c);
                }
            }
        }
        for (b, &col) in core.iter().enumerate() {
            let yb = &y[(pattern.parent_rows + b) * k..(pattern.parent_rows + b + 1) * k];
            for (a, &row) in core.iter().enumerate() {
                let r = pattern.parent_rows + a;
                dense::axpy(self.core.get(row as usize, col as usize), yb, &mut out[r * k..(r + 1) * k]);
            }
        }
        Ok(())
    }

    /// U, V and information of a later eliminated factor, from those above it.
    fn descend(&mut self, problem: &Problem, factor: &Factorization, e: usize) -> Result<(), KernelError> {
        let blocks = &problem.blocks;
        let pattern = &blocks.eliminated[e];
        let (k, p) = (pattern.k, self.p);
        let root = &factor.roots[pattern.factor];
        let root_t = transpose(k, root);
        let sigma = covariance::product(k, root);
        let this = &factor.later[e - 1];
        let mut out = PanelInverse {
            diag: memory::zeros(&[pattern.q, k, k])?,
            panel: memory::zeros(&[this.schur.panel.len()])?,
            v: memory::zeros(&[pattern.q, k, p])?,
        };
        let mut information = vec![0.0; k * k];
        let (mut d_inverse, mut td, mut tdt) = (vec![0.0; k * k], vec![0.0; k * k], vec![0.0; k * k]);
        let (mut y, mut uy, mut yv) = (vec![], vec![], vec![0.0; k * p]);
        for j in 0..pattern.q {
            watch::check()?;
            let (start, rows) = (pattern.start(j), pattern.rows(j) - 1);
            let h_rows = &this.schur.panel[start * k..(start + rows) * k];
            let block = j * k * k..(j + 1) * k * k;
            // z = T D^-1 T'h: U_rl = -U z, V_l = -sum z V, U_ll = T D^-1 T' + z'U z
            dense::inverse_from_cholesky_small(k, &this.chol[block.clone()], &mut d_inverse);
            dense::multiply_small(k, k, k, root, &d_inverse, &mut td);
            dense::multiply_small(k, k, k, &td, &root_t, &mut tdt);
            memory::clear(&mut y, &[rows, k])?;
            for (z, h) in y.chunks_exact_mut(k).zip(h_rows.chunks_exact(k)) {
                dense::matvec_small(k, &tdt, h, z);
            }
            self.times_rows(blocks, e, j, k, &y, &mut uy)?;
            for (t, v) in out.panel[start * k..].iter_mut().zip(&uy) {
                *t = -v;
            }
            let diag = &mut out.diag[block.clone()];
            diag.copy_from_slice(&tdt);
            add_rows_product(k, &y, &uy, 1.0, diag);
            self.weighted_v(blocks, e, j, k, &y, &mut yv);
            for (t, v) in out.v[j * k * p..(j + 1) * k * p].iter_mut().zip(&yv) {
                *t = -v;
            }
            // B_ll = (I + H Sigma)^-1 H - f'U f - (f'V)(f'V)', f = (I + H Sigma)^-1 h
            let h = &this.schur.diag[block];
            let mut b = h.to_vec();
            shrink(k, h, &sigma, &mut b, k)?;
            y.copy_from_slice(h_rows);
            shrink(k, h, &sigma, &mut y, rows)?;
            self.times_rows(blocks, e, j, k, &y, &mut uy)?;
            add_rows_product(k, &y, &uy, -1.0, &mut b);
            self.weighted_v(blocks, e, j, k, &y, &mut yv);
            subtract_outer(k, &yv, &mut b);
            dense::axpy(1.0, &b, &mut information);
        }
        symmetrize(k, &mut information);
        self.information[pattern.factor] = information;
        self.later[e - 1] = out;
        Ok(())
    }

    /// Information of the leading factor: B_jj = R_j'E_j R_j with E_j = G - (Gc)'(U + V V')(Gc); U_jj when wanted.
    fn leading_levels<const K: usize>(
        &mut self,
        problem: &Problem,
        factor: &Factorization,
        wanted: Wanted,
    ) -> Result<(), KernelError> {
        let blocks = &problem.blocks;
        let pattern = &blocks.eliminated[0];
        let k = if K > 0 { K } else { pattern.k };
        let root = &factor.roots[pattern.factor][..k * k];
        let mut information = vec![0.0; k * k];
        let y = solved_panel::<K>(pattern, factor)?;
        let mut forms = self.core.quadratic_forms(pattern, &y)?;
        if wanted.leading_covariance {
            self.leading = memory::zeros(&[pattern.q, k, k])?;
        }
        let (mut e, mut er, mut b, mut yv) =
            (vec![0.0; k * k], vec![0.0; k * k], vec![0.0; k * k], vec![0.0; k * self.p]);
        for (j, form) in forms.chunks_exact_mut(k * k).enumerate() {
            let start = pattern.start(j);
            let rows = &y[start * k..(start + pattern.rows(j)) * k];
            if !pattern.parents.is_empty() {
                self.add_parent_forms(blocks, 0, j, k, rows, form);
            }
            self.weighted_v(blocks, 0, j, k, rows, &mut yv);
            let block = j * k * k..(j + 1) * k * k;
            dense::inverse_from_cholesky_small(k, &factor.leading.chol[block.clone()], &mut e);
            dense::axpy(-1.0, form, &mut e);
            subtract_outer(k, &yv, &mut e);
            let r = &problem.panels[0].diag[block.clone()];
            dense::multiply_small(k, k, k, &e, r, &mut er);
            dense::multiply_transposed_small(k, k, k, r, &er, &mut b);
            dense::axpy(1.0, &b, &mut information);
            if wanted.leading_covariance {
                conditional_covariance(k, r, root, form, &mut self.leading[block]);
            }
        }
        symmetrize(k, &mut information);
        self.information[pattern.factor] = information;
        Ok(())
    }
}

/// Panel rows G c of the leading levels (G = (L L')^-1), from L^-1 c.
fn solved_panel<const K: usize>(pattern: &Pattern, factor: &Factorization) -> Result<Vec<f64>, KernelError> {
    let k = if K > 0 { K } else { pattern.k };
    let mut y = memory::copy(&factor.leading.panel)?;
    for j in 0..pattern.q {
        let l = &factor.leading.chol[j * k * k..(j + 1) * k * k];
        let start = pattern.start(j);
        for row in y[start * k..(start + pattern.rows(j)) * k].chunks_exact_mut(k) {
            dense::backward_small(k, l, row);
        }
    }
    Ok(y)
}

/// U_jj = T (N'N + I)^-1 T' + (R Sigma)' F (R Sigma) with N = R T and F = (Gc)'U(Gc).
fn conditional_covariance(k: usize, r: &[f64], root: &[f64], form: &[f64], out: &mut [f64]) {
    let (mut n, mut m) = (vec![0.0; k * k], vec![0.0; k * k]);
    dense::multiply_small(k, k, k, r, root, &mut n);
    dense::multiply_transposed_small(k, k, k, &n, &n, &mut m);
    for i in 0..k {
        m[i + i * k] += 1.0;
    }
    // N'N + I is positive definite whenever its entries are finite, which the factorization has checked
    if dense::cholesky_small(k, &mut m).is_err() {
        return;
    }
    for c in 0..k {
        let mut column: Vec<f64> = (0..k).map(|i| root[c + i * k]).collect();
        dense::forward_small(k, &m, &mut column);
        dense::backward_small(k, &m, &mut column);
        dense::matvec_small(k, root, &column, &mut out[c * k..(c + 1) * k]);
    }
    let sigma = covariance::product(k, root);
    let (mut rs, mut inner, mut add) = (vec![0.0; k * k], vec![0.0; k * k], vec![0.0; k * k]);
    dense::multiply_small(k, k, k, r, &sigma, &mut rs);
    dense::multiply_small(k, k, k, form, &rs, &mut inner);
    dense::multiply_transposed_small(k, k, k, &rs, &inner, &mut add);
    dense::axpy(1.0, &add, out);
}

/// out (k x k) += sign * A'B for row-major A, B with as many rows as B has.
#[inline(always)]
fn add_rows_product(k: usize, a: &[f64], b: &[f64], sign: f64, out: &mut [f64]) {
    for (ra, rb) in a.chunks_exact(k).zip(b.chunks_exact(k)) {
        for (j, &v) in rb.iter().enumerate() {
            dense::axpy(sign * v, ra, &mut out[j * k..(j + 1) * k]);
        }
    }
}

/// out (k x k) -= V V' for V with columns of length k.
#[inline(always)]
fn subtract_outer(k: usize, v: &[f64], out: &mut [f64]) {
    for column in v.chunks_exact(k) {
        for (j, &x) in column.iter().enumerate() {
            dense::axpy(-x, column, &mut out[j * k..(j + 1) * k]);
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
