//! The blocked Cholesky factorization at one value of theta, by successive elimination.
//!
//! With V_e = I + sum over the first e eliminated factors of Z Sigma Z', every step turns W'V_{e-1}^-1 W into W'V_e^-1 W for
//! the columns W still to come. The leading factor uses the orthogonal form of `problem.rs`; later ones use
//! W'V_e^-1 W = H - H_W T (T'H_l T + I)^-1 T'H_W'. All blocks except the core's are kept in the scaled columns of Z, not
//! multiplied by T, so derivatives exist at singular T as well.

use crate::blocks::Blocks;
use crate::core::{self, CoreMatrix};
use crate::dense;
use crate::error::KernelError;
use crate::memory;
use crate::problem::{Panels, Problem, Targets};
use crate::watch;

/// Factor of the leading levels: L of I + N_j N_j' and panel L^-1 c_j.
#[derive(Clone, Debug)]
pub struct LeadingFactor {
    pub chol: Vec<f64>,
    pub panel: Vec<f64>,
}

/// Factor of a later eliminated factor's levels.
#[derive(Clone, Debug)]
pub struct LaterFactor {
    /// H_l and the unscaled panel, as left by the factors before.
    pub schur: Panels,
    /// L of T'H_l T + I.
    pub chol: Vec<f64>,
    /// Panel L^-1 T' h.
    pub panel: Vec<f64>,
}

/// The factorization; solves and derivatives read it.
#[derive(Clone, Debug)]
pub struct Factorization {
    /// T of each factor, k x k.
    pub roots: Vec<Vec<f64>>,
    pub leading: LeadingFactor,
    pub later: Vec<LaterFactor>,
    /// L of T'H T + I over the core.
    pub core: CoreMatrix,
    /// Diagonal blocks of H over the core levels, in core order (k x k each).
    pub core_schur: Vec<f64>,
    /// H between core and tail (core_dim x tail), not multiplied by T.
    pub border_schur: Vec<f64>,
    /// L^-1 T'H (core_dim x tail).
    pub border: Vec<f64>,
    /// Cholesky factor of the tail: fixed effects, then the response; its last diagonal is r.
    pub tail: Vec<f64>,
    /// log |M_ZZ|.
    pub log_det_random: f64,
    /// log |X'V^-1 X| in orthonormal coordinates.
    pub log_det_fixed: f64,
    /// Penalized residual sum of squares in kernel units.
    pub pwrss: f64,
}

impl Factorization {
    pub fn new(problem: &Problem, term_roots: &[Vec<f64>]) -> Result<Self, KernelError> {
        watch::check()?;
        let blocks = &problem.blocks;
        let roots = problem.factor_roots(term_roots);
        let mut later = problem.panels[1..].iter().map(Panels::copy).collect::<Result<Vec<_>, _>>()?;
        let mut core = problem.core.copy()?;
        let mut border = memory::copy(&problem.border)?;
        let mut tail = memory::copy(&problem.tail)?;
        let mut log_det_random = 0.0;

        let mut targets = Targets { later: &mut later, border: &mut border, tail: &mut tail };
        let leading = eliminate_leading(problem, &roots, &mut targets, &mut log_det_random)?;
        core.add_panels(&blocks.eliminated[0], &leading.panel, 1.0)?;
        let mut done = Vec::with_capacity(later.len());
        for e in 1..blocks.eliminated.len() {
            let (now, rest) = later[e - 1..].split_at_mut(1);
            let schur = std::mem::replace(&mut now[0], Panels { diag: vec![], panel: vec![] });
            let mut targets = Targets { later: rest, border: &mut border, tail: &mut tail };
            let eliminated = eliminate_later(blocks, e, schur, &roots, &mut targets, &mut log_det_random)?;
            core.add_panels(&blocks.eliminated[e], &eliminated.panel, -1.0)?;
            done.push(eliminated);
        }

        let core_schur = core.diagonal_blocks(blocks)?;
        core.congruence(blocks, &roots, true);
        core.add_identity();
        core.cholesky()?;
        log_det_random += core.log_det();
        let border_schur = memory::copy(&border)?;
        let width = blocks.tail;
        core::apply_blocks(blocks, &roots, true, &mut border, width);
        core.forward(&mut border, width)?;
        let mut explained = memory::zeros(&[width, width])?;
        dense::multiply_transposed(width, blocks.core_dim, width, &border, &border, &mut explained);
        for (t, e) in tail.iter_mut().zip(&explained) {
            *t -= e;
        }
        dense::cholesky(width, &mut tail)
            .map_err(|_| KernelError::NotPositiveDefinite { index: blocks.core_dim })?;
        let p = width - 1;
        let log_det_fixed = (0..p).map(|i| 2.0 * tail[i + i * width].ln()).sum();
        let r = tail[p + p * width];
        Ok(Self {
            roots,
            leading,
            later: done,
            core,
            core_schur,
            border_schur,
            border,
            tail,
            log_det_random,
            log_det_fixed,
            pwrss: r * r,
        })
    }
}

fn eliminate_leading(
    problem: &Problem,
    roots: &[Vec<f64>],
    targets: &mut Targets,
    log_det: &mut f64,
) -> Result<LeadingFactor, KernelError> {
    match problem.blocks.eliminated[0].k {
        1 => eliminate_leading_sized::<1>(problem, roots, targets, log_det),
        2 => eliminate_leading_sized::<2>(problem, roots, targets, log_det),
        3 => eliminate_leading_sized::<3>(problem, roots, targets, log_det),
        _ => eliminate_leading_sized::<0>(problem, roots, targets, log_det),
    }
}

/// `K` is the compiled number of columns, 0 for any.
fn eliminate_leading_sized<const K: usize>(
    problem: &Problem,
    roots: &[Vec<f64>],
    targets: &mut Targets,
    log_det: &mut f64,
) -> Result<LeadingFactor, KernelError> {
    let blocks = &problem.blocks;
    let pattern = &blocks.eliminated[0];
    let k = if K > 0 { K } else { pattern.k };
    let t = &roots[pattern.factor][..k * k];
    let base = &problem.panels[0];
    let mut chol = memory::zeros(&[pattern.q, k, k])?;
    let mut panel = memory::copy(&base.panel)?;
    let mut n = vec![0.0; k * k];
    let mut determinant = 1.0f64;
    for j in 0..pattern.q {
        dense::multiply_small(k, k, k, &base.diag[j * k * k..(j + 1) * k * k], t, &mut n);
        let l = &mut chol[j * k * k..(j + 1) * k * k];
        for b in 0..k {
            for a in b..k {
                let mut s = if a == b { 1.0 } else { 0.0 };
                for c in 0..k {
                    s += n[a + c * k] * n[b + c * k];
                }
                l[a + b * k] = s;
            }
        }
        dense::cholesky_small(k, l)?;
        for i in 0..k {
            determinant *= l[i + i * k];
        }
        // the logarithm is taken before the running product can overflow (its entries are at least 1)
        if determinant > 1e100 {
            *log_det += 2.0 * determinant.ln();
            determinant = 1.0;
        }
        let start = pattern.start(j);
        let rows = &mut panel[start * k..(start + pattern.rows(j)) * k];
        for row in rows.chunks_exact_mut(k) {
            dense::forward_small(k, l, row);
        }
        targets.add_level(blocks, 0, j, rows, 1.0, true);
    }
    *log_det += 2.0 * determinant.ln();
    Ok(LeadingFactor { chol, panel })
}

fn eliminate_later(
    blocks: &Blocks,
    e: usize,
    schur: Panels,
    roots: &[Vec<f64>],
    targets: &mut Targets,
    log_det: &mut f64,
) -> Result<LaterFactor, KernelError> {
    let pattern = &blocks.eliminated[e];
    let k = pattern.k;
    let t = &roots[pattern.factor];
    let mut chol = memory::zeros(&[pattern.q, k, k])?;
    let mut panel = memory::zeros(&[schur.panel.len()])?;
    let mut ht = vec![0.0; k * k];
    for j in 0..pattern.q {
        let l = &mut chol[j * k * k..(j + 1) * k * k];
        dense::multiply_small(k, k, k, &schur.diag[j * k * k..(j + 1) * k * k], t, &mut ht);
        dense::multiply_transposed_small(k, k, k, t, &ht, l);
        for i in 0..k {
            l[i + i * k] += 1.0;
        }
        dense::cholesky_small(k, l)?;
        *log_det += (0..k).map(|i| 2.0 * l[i + i * k].ln()).sum::<f64>();
        let start = pattern.start(j);
        let range = start * k..(start + pattern.rows(j)) * k;
        let rows = &mut panel[range.clone()];
        for (row, h) in rows.chunks_exact_mut(k).zip(schur.panel[range].chunks_exact(k)) {
            dense::matvec_transposed_small(k, t, h, row);
            dense::forward_small(k, l, row);
        }
        targets.add_level(blocks, e, j, rows, -1.0, true);
    }
    Ok(LaterFactor { schur, chol, panel })
}
