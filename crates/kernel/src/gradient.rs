//! Exact gradient and average information from one factorization.

use crate::covariance::{Coordinate, coordinates};
use crate::dense;
use crate::error::KernelError;
use crate::factor::Factorization;
use crate::inverse::{Inverse, Wanted};
use crate::memory;
use crate::modes::Modes;
use crate::problem::Problem;

/// First-order quantities at one theta; enough for the gradient and for differences of it.
#[derive(Clone, Debug)]
pub struct FirstOrder {
    /// Gradient of the criterion over kernel coordinates.
    pub gradient: Vec<f64>,
    /// Per term, k x k: derivative of log |M| with respect to Sigma* (the sum of [Z'P_V Z]_ll over levels).
    pub information: Vec<Vec<f64>>,
    /// Per term, k x k: minus the derivative of pwrss, the sum of e e' over levels.
    pub score_outer: Vec<Vec<f64>>,
    /// Per term, k x k: derivative of the criterion, information - N / pwrss * score_outer.
    pub gamma: Vec<Vec<f64>>,
    /// Gradient of log pwrss over kernel coordinates.
    pub log_pwrss_gradient: Vec<f64>,
    /// Unscaled covariance of the fixed effects in orthonormal coordinates (p x p).
    pub fixed_covariance: Vec<f64>,
    /// Var(b | y, beta) / sigma^2 per factor (kernel order, q blocks k x k), when asked for.
    pub conditional: Option<Vec<Vec<f64>>>,
}

/// k x k block of a factor's matrix belonging to a term.
fn term_block(problem: &Problem, term: usize, matrix: &[f64]) -> Vec<f64> {
    let (f, offset) = problem.blocks.term_place[term];
    let (kf, k) = (problem.blocks.factors[f].k, problem.widths[term]);
    (0..k * k).map(|h| matrix[offset + h % k + (offset + h / k) * kf]).collect()
}

/// sum over levels of e e' (k x k).
fn outer_sum(k: usize, e: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; k * k];
    for level in e.chunks_exact(k) {
        for b in 0..k {
            for a in 0..k {
                out[a + b * k] += level[a] * level[b];
            }
        }
    }
    out
}

/// 2 (S T)_rc over the coordinates, S symmetric per term.
pub fn along_roots(
    coords: &[Coordinate],
    widths: &[usize],
    symmetric: &[Vec<f64>],
    roots: &[Vec<f64>],
) -> Vec<f64> {
    coords
        .iter()
        .map(|c| {
            let k = widths[c.term];
            let (s, t) = (&symmetric[c.term], &roots[c.term]);
            2.0 * (c.col..k).map(|i| s[c.row + i * k] * t[i + c.col * k]).sum::<f64>()
        })
        .collect()
}

impl FirstOrder {
    /// `term_roots` is T of each term at which `factor` and `modes` were computed.
    pub fn new(
        problem: &Problem,
        factor: &Factorization,
        modes: &Modes,
        term_roots: &[Vec<f64>],
        reml: bool,
        keep_conditional: bool,
    ) -> Result<Self, KernelError> {
        let wanted = Wanted { with_fixed: reml, leading_covariance: keep_conditional };
        let inverse = Inverse::new(problem, factor, wanted)?;
        let scale = problem.n_effective(reml) / factor.pwrss;
        let n_terms = problem.widths.len();
        let mut gamma = Vec::with_capacity(n_terms);
        let mut information = Vec::with_capacity(n_terms);
        let mut score_outer = Vec::with_capacity(n_terms);
        let outer: Vec<Vec<f64>> =
            problem.blocks.factors.iter().zip(&modes.score).map(|(f, e)| outer_sum(f.k, e)).collect();
        for term in 0..n_terms {
            let f = problem.blocks.term_place[term].0;
            let b = term_block(problem, term, &inverse.information[f]);
            let ee = term_block(problem, term, &outer[f]);
            gamma.push(b.iter().zip(&ee).map(|(b, e)| b - scale * e).collect::<Vec<f64>>());
            information.push(b);
            score_outer.push(ee);
        }
        let coords = coordinates(&problem.widths);
        let gradient = along_roots(&coords, &problem.widths, &gamma, term_roots);
        let log_pwrss_gradient = along_roots(&coords, &problem.widths, &score_outer, term_roots)
            .iter()
            .map(|g| -g / factor.pwrss)
            .collect();
        let fixed_covariance = fixed_covariance(problem, factor)?;
        let conditional =
            if keep_conditional { Some(inverse.into_conditional(&problem.blocks)?) } else { None };
        Ok(Self {
            gradient,
            information,
            score_outer,
            gamma,
            log_pwrss_gradient,
            fixed_covariance,
            conditional,
        })
    }
}

/// (X'V^-1 X)^-1 in orthonormal coordinates.
pub fn fixed_covariance(problem: &Problem, factor: &Factorization) -> Result<Vec<f64>, KernelError> {
    let (p, width) = (problem.n_fixed(), problem.blocks.tail);
    let mut l = vec![0.0; p * p];
    for c in 0..p {
        for r in c..p {
            l[r + c * p] = factor.tail[r + c * width];
        }
    }
    let mut out = vec![0.0; p * p];
    dense::inverse_from_cholesky(p, &l, &mut out)?;
    Ok(out)
}

/// A direction in the space of covariance matrices: Sigma-dot (k x k, symmetric) of one factor.
pub struct Direction {
    pub factor: usize,
    pub sigma_dot: Vec<f64>,
}

/// Directions of the kernel coordinates.
pub fn root_directions(problem: &Problem, term_roots: &[Vec<f64>]) -> Vec<Direction> {
    coordinates(&problem.widths)
        .iter()
        .map(|c| {
            term_direction(
                problem,
                c.term,
                &product_derivative(c, problem.widths[c.term], &term_roots[c.term]),
            )
        })
        .collect()
}

/// d(T T')/dT_rc = e_r t_c' + t_c e_r' (k x k) for one coordinate.
pub fn product_derivative(c: &Coordinate, k: usize, root: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; k * k];
    for i in 0..k {
        let t = root[i + c.col * k];
        out[c.row + i * k] += t;
        out[i + c.row * k] += t;
    }
    out
}

/// Direction of one term's Sigma* embedded in its factor.
pub fn term_direction(problem: &Problem, term: usize, inner: &[f64]) -> Direction {
    let (f, offset) = problem.blocks.term_place[term];
    let (kf, k) = (problem.blocks.factors[f].k, problem.widths[term]);
    let mut sigma_dot = vec![0.0; kf * kf];
    for b in 0..k {
        for a in 0..k {
            sigma_dot[offset + a + (offset + b) * kf] = inner[a + b * k];
        }
    }
    Direction { factor: f, sigma_dot }
}

/// Average information for the given directions: Q_ab = f_a'P f_b and s_a = f_a'P y with f_a = Z Sigma-dot_a e, as
/// (Q, s) in kernel units (Gilmour, Thompson & Cullis 1995). The profiled curvature is N/r2 Q - N/r4 s s'.
pub fn average_information(
    problem: &Problem,
    factor: &Factorization,
    modes: &Modes,
    directions: &[Direction],
) -> Result<(Vec<f64>, Vec<f64>), KernelError> {
    let blocks = &problem.blocks;
    let m = directions.len();
    // in order of elimination, so that the directions present at a stage are a prefix
    let stage_of = |f: usize| blocks.eliminated.iter().position(|e| e.factor == f).unwrap_or(usize::MAX);
    let mut order: Vec<usize> = (0..m).collect();
    order.sort_by_key(|&a| stage_of(directions[a].factor));
    let stages: Vec<usize> = order.iter().map(|&a| stage_of(directions[a].factor)).collect();
    let count = |e: usize| stages.partition_point(|&s| s <= e);

    let h = order
        .iter()
        .map(|&a| {
            let d = &directions[a];
            let k = blocks.factors[d.factor].k;
            let mut out = memory::zeros(&[modes.score[d.factor].len()])?;
            for (o, e) in out.chunks_exact_mut(k).zip(modes.score[d.factor].chunks_exact(k)) {
                dense::matvec_small(k, &d.sigma_dot, e, o);
            }
            Ok(out)
        })
        .collect::<Result<Vec<_>, KernelError>>()?;
    let s_ordered: Vec<f64> = order
        .iter()
        .zip(&h)
        .map(|(&a, ha)| dense::dot_long(ha, &modes.score[directions[a].factor]))
        .collect();

    let mut q = vec![0.0; m * m];
    let (dim, width) = (blocks.core_dim, blocks.tail);
    let p = width - 1;
    // right-hand sides W'V^-1 Z h of later stages: per later eliminated level (k x m), core (dim x m), fixed (p x m)
    let mut rhs_later = blocks.eliminated[1..]
        .iter()
        .map(|e| memory::zeros(&[e.q, e.k, m]))
        .collect::<Result<Vec<_>, _>>()?;
    let mut rhs_core = memory::zeros(&[dim, m])?;
    let mut rhs_fixed = memory::zeros(&[p, m])?;

    for (e, pattern) in blocks.eliminated.iter().enumerate() {
        let k = pattern.k;
        let present = count(e);
        if present == 0 {
            continue;
        }
        let before = if e == 0 { 0 } else { count(e - 1) };
        let mut v = vec![0.0; k * m];
        for j in 0..pattern.q {
            let start = pattern.start(j);
            let range = start * k..(start + pattern.rows(j)) * k;
            let block = j * k * k..(j + 1) * k * k;
            if e == 0 {
                let (l, r) = (&factor.leading.chol[block.clone()], &problem.panels[0].diag[block]);
                for a in 0..present {
                    let va = &mut v[a * k..(a + 1) * k];
                    dense::matvec_small(k, r, &h[a][j * k..(j + 1) * k], va);
                    dense::forward_small(k, l, va);
                }
                let rows = &factor.leading.panel[range];
                accumulate_products(&v, k, present, m, 1.0, &mut q);
                let mut targets =
                    RightHandSides { later: &mut rhs_later, core: &mut rhs_core, fixed: &mut rhs_fixed };
                targets.add(problem, 0, j, rows, &v[..present * k], 0, 1.0);
                continue;
            }
            let this = &factor.later[e - 1];
            let schur = &this.schur.diag[block.clone()];
            let rhs = &mut rhs_later[e - 1][j * k * m..(j + 1) * k * m];
            for a in before..present {
                dense::matvec_small(k, schur, &h[a][j * k..(j + 1) * k], &mut rhs[a * k..(a + 1) * k]);
            }
            for b in before..present {
                let hb = &h[b][j * k..(j + 1) * k];
                for a in 0..=b {
                    let value = dense::dot(&rhs[a * k..(a + 1) * k], hb);
                    q[a + b * m] += value;
                    if a != b {
                        q[b + a * m] += value;
                    }
                }
            }
            for a in 0..present {
                let va = &mut v[a * k..(a + 1) * k];
                dense::matvec_transposed_small(
                    k,
                    &factor.roots[pattern.factor],
                    &rhs[a * k..(a + 1) * k],
                    va,
                );
                dense::forward_small(k, &this.chol[block.clone()], va);
            }
            accumulate_products(&v, k, present, m, -1.0, &mut q);
            let own: Vec<f64> = (before..present).flat_map(|a| h[a][j * k..(j + 1) * k].to_vec()).collect();
            let mut targets =
                RightHandSides { later: &mut rhs_later, core: &mut rhs_core, fixed: &mut rhs_fixed };
            targets.add(problem, e, j, &this.schur.panel[range.clone()], &own, before, 1.0);
            targets.add(problem, e, j, &this.panel[range], &v[..present * k], 0, -1.0);
        }
    }

    let before = blocks.eliminated.len().checked_sub(1).map_or(0, count);
    if dim > 0 {
        crate::core::apply_blocks(blocks, &factor.roots, true, &mut rhs_core, before);
        // a core direction enters as -L^-1 g with g = T^-1 h, see below
        let mut g = memory::zeros(&[dim, m - before])?;
        for a in before..m {
            let f = directions[order[a]].factor;
            let k = blocks.factors[f].k;
            let offset = blocks.core.iter().find(|c| c.0 == f).map_or(0, |c| c.1);
            for (l, level) in h[a].chunks_exact(k).enumerate() {
                let at = offset + l * k + (a - before) * dim;
                g[at..at + k].copy_from_slice(level);
                dense::forward_small(k, &factor.roots[f], &mut g[at..at + k]);
            }
        }
        // h'H h - z'z with z = L^-1 T'H h = L'g - L^-1 g leaves g'g - (L^-1 g)'(L^-1 g)
        for b in 0..m - before {
            for a in 0..m - before {
                q[before + a + (before + b) * m] +=
                    dense::dot_long(&g[a * dim..(a + 1) * dim], &g[b * dim..(b + 1) * dim]);
            }
        }
        for (target, value) in rhs_core[before * dim..].iter_mut().zip(&g) {
            *target = -value;
        }
        factor.core.forward(&mut rhs_core, m)?;
        accumulate_products(&rhs_core, dim, m, m, -1.0, &mut q);
        let mut explained = vec![0.0; p * m];
        dense::multiply_transposed(p, dim, m, &factor.border[..p * dim], &rhs_core, &mut explained);
        for (t, v) in rhs_fixed.iter_mut().zip(&explained) {
            *t -= v;
        }
    }
    let mut lx = vec![0.0; p * p];
    for c in 0..p {
        for r in c..p {
            lx[r + c * p] = factor.tail[r + c * width];
        }
    }
    dense::forward(p, &lx, &mut rhs_fixed, m);
    accumulate_products(&rhs_fixed, p, m, m, -1.0, &mut q);

    let mut out = vec![0.0; m * m];
    let mut s = vec![0.0; m];
    for a in 0..m {
        s[order[a]] = s_ordered[a];
        for b in 0..m {
            out[order[a] + order[b] * m] = q[a + b * m];
        }
    }
    Ok((out, s))
}

/// q[a, b] += sign * v_a'v_b over the first `present` columns of V (length k each).
#[inline(always)]
fn accumulate_products(v: &[f64], k: usize, present: usize, m: usize, sign: f64, q: &mut [f64]) {
    for b in 0..present {
        let vb = &v[b * k..(b + 1) * k];
        for a in 0..=b {
            let value = sign * dense::dot(&v[a * k..(a + 1) * k], vb);
            q[a + b * m] += value;
            if a != b {
                q[b + a * m] += value;
            }
        }
    }
}

struct RightHandSides<'a> {
    later: &'a mut [Vec<f64>],
    core: &'a mut [f64],
    fixed: &'a mut [f64],
}

impl RightHandSides<'_> {
    /// Adds sign * (panel rows) V to the right-hand sides of the rows' owners; V's first column is direction `first`.
    #[allow(clippy::too_many_arguments)]
    #[inline(always)]
    fn add(
        &mut self,
        problem: &Problem,
        e: usize,
        j: usize,
        rows: &[f64],
        v: &[f64],
        first: usize,
        sign: f64,
    ) {
        let blocks = &problem.blocks;
        let pattern = &blocks.eliminated[e];
        let k = pattern.k;
        let p = blocks.tail - 1;
        let core = pattern.core(j);
        let tail_start = pattern.parent_rows + core.len();
        for (index, va) in v.chunks_exact(k).enumerate() {
            let a = first + index;
            for parent in &pattern.parents {
                let kp = blocks.eliminated[parent.elim].k;
                let m = self.later[parent.elim - 1].len() / (blocks.eliminated[parent.elim].q * kp);
                let at = parent.level[j] as usize * kp * m + a * kp;
                for b in 0..kp {
                    let r = parent.first_row + b;
                    self.later[parent.elim - 1][at + b] += sign * dense::dot(&rows[r * k..(r + 1) * k], va);
                }
            }
            let dim = blocks.core_dim;
            for (c, &at) in core.iter().enumerate() {
                let r = pattern.parent_rows + c;
                self.core[at as usize + a * dim] += sign * dense::dot(&rows[r * k..(r + 1) * k], va);
            }
            for t in 0..p {
                let r = tail_start + t;
                self.fixed[t + a * p] += sign * dense::dot(&rows[r * k..(r + 1) * k], va);
            }
        }
    }
}
