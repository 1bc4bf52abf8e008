//! What can be proved about a stationary point on the cone of covariance matrices.

use crate::covariance;
use crate::dense;
use crate::error::KernelError;
use crate::gradient::{FirstOrder, average_information, term_direction};
use crate::hessian;
use crate::newton::{Objective, Point, active_coordinates, row_sizes, second_order_of_product};
use crate::pool;
use crate::problem::Problem;

/// Steps of the differences of the gradient, in units of the term's T: four evaluations per parameter for small problems,
/// two where sums over many levels carry less noise, one where an evaluation is expensive (error of this relative order).
const FIVE_POINT: f64 = 1e-3;
const CENTRAL: f64 = 1e-4;
const ONE_SIDED: f64 = 1e-6;
/// A small T is not a small unit: the criterion is even in its columns.
const SMALLEST_UNIT: f64 = 0.5;
/// Random effects from which two evaluations per parameter do.
pub const MANY_EFFECTS: usize = 500;
/// Problems whose evaluations are shared between threads: large enough to repay it, small enough for a copy of the core each.
const THREADS_FROM: usize = 200;
const THREADS_UP_TO: usize = 2500;
/// Eigenvalues of the Hessian below this, relative to the largest, are negative ones.
const NEGATIVE: f64 = -1e-6;
/// Eigenvalues of the Hessian below this, relative to the largest, count as flat.
const FLAT: f64 = 1e-10;

/// Exact second-order quantities over kernel coordinates (m = length of theta).
#[derive(Clone, Debug)]
pub struct Curvature {
    /// m x m Hessian of the profiled criterion.
    pub hessian: Vec<f64>,
    /// Per coordinate: derivative of the unscaled covariance of the fixed effects (p x p, orthonormal coordinates).
    pub fixed_covariance_gradient: Vec<Vec<f64>>,
    /// Derivative of log pwrss.
    pub log_pwrss_gradient: Vec<f64>,
    /// Coordinates on the active face: those in nonzero columns of T.
    pub active: Vec<bool>,
}

/// Optimality of one term's Sigma*.
#[derive(Clone, Debug)]
pub struct TermOptimality {
    pub rank: usize,
    /// Smallest eigenvalue of Gamma on the null space of Sigma*; infinite when Sigma* is regular.
    pub null_eigenvalue: f64,
    /// Null space of Sigma* in kernel columns (k x (k - rank)).
    pub null_space: Vec<f64>,
    /// A direction v in which adding v v' to Sigma* lowers the criterion: (v, step, gain), if any.
    pub descent: Option<(Vec<f64>, f64, f64)>,
}

/// The certificate in kernel units.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub gap: f64,
    pub gradient_norm: f64,
    /// Smallest eigenvalue of the Hessian on the active face relative to the largest.
    pub lowest_curvature: f64,
    /// Steps (kernel coordinates) along which the criterion may fall: to where the model expects to gain something, or one unit
    /// along a direction of negative curvature.
    pub doubtful: Vec<Vec<f64>>,
    pub terms: Vec<TermOptimality>,
    /// Terms whose parameters the data hardly tell apart, see [`crate::identify::flat_terms`].
    pub flat: Vec<usize>,
    pub reason: &'static str,
}

impl Certificate {
    pub fn passed(&self) -> bool {
        self.reason.is_empty()
    }
}

/// True where evaluations are shared between threads.
pub fn worth_threads(problem: &Problem) -> bool {
    problem.n_random() >= THREADS_FROM && problem.blocks.core_dim <= THREADS_UP_TO
}

/// Hessian column and derivative of the fixed covariance along one coordinate, by differences of exact quantities.
fn difference_column(
    objective: &Objective,
    theta: &[f64],
    first: &FirstOrder,
    size: f64,
    b: usize,
) -> Result<(Vec<f64>, Vec<f64>), KernelError> {
    let unit = size.max(SMALLEST_UNIT);
    // offsets and weights of the stencil; offset 0 is the point itself
    let stencil: Vec<(f64, f64)> = if objective.is_expensive() {
        let h = ONE_SIDED * unit;
        vec![(h, 1.0 / h), (0.0, -1.0 / h)]
    } else if objective.problem.n_random() >= MANY_EFFECTS {
        let h = CENTRAL * unit;
        vec![(h, 0.5 / h), (-h, -0.5 / h)]
    } else {
        let h = FIVE_POINT * unit;
        let (near, far) = (8.0 / (12.0 * h), 1.0 / (12.0 * h));
        vec![(h, near), (-h, -near), (2.0 * h, -far), (-2.0 * h, far)]
    };
    let mut column = vec![0.0; theta.len()];
    let mut fixed = vec![0.0; first.fixed_covariance.len()];
    for (offset, weight) in stencil {
        let moved;
        let at = if offset == 0.0 {
            first
        } else {
            let mut t = theta.to_vec();
            t[b] += offset;
            moved = objective.first_order(&t)?.2;
            &moved
        };
        dense::axpy(weight, &at.gradient, &mut column);
        dense::axpy(weight, &at.fixed_covariance, &mut fixed);
    }
    Ok((column, fixed))
}

impl Curvature {
    /// In closed form where that is cheaper (`hessian.rs`), else the exact gradient differenced on the active face; on the
    /// columns that are zero the criterion is even and its Hessian is 2 Gamma.
    pub fn new(objective: &Objective, point: &Point) -> Result<Self, KernelError> {
        let (theta, first) = (&point.theta[..], &point.first);
        let m = theta.len();
        let widths = &objective.problem.widths;
        let active = active_coordinates(objective, theta);
        let (mut hessian, mut fixed) = match hessian::exact(
            objective.problem,
            &point.factor,
            &objective.floored_roots(theta),
            first,
            &point.information,
            objective.reml,
        )? {
            Some(closed) => closed,
            None => Self::differences(objective, theta, first, &active)?,
        };
        for b in 0..m {
            if !active[b] {
                fixed[b].fill(0.0);
            }
            for a in 0..=b {
                let value = if active[a] && active[b] {
                    0.5 * (hessian[a + b * m] + hessian[b + a * m])
                } else if !active[a] && !active[b] {
                    second_order_of_product(&objective.coords, widths, &first.gamma, a, b)
                } else {
                    0.0
                };
                hessian[a + b * m] = value;
                hessian[b + a * m] = value;
            }
        }
        Ok(Self {
            hessian,
            fixed_covariance_gradient: fixed,
            log_pwrss_gradient: first.log_pwrss_gradient.clone(),
            active,
        })
    }

    /// Columns of the Hessian and derivatives of the fixed covariance by differences, zero for inactive coordinates.
    fn differences(
        objective: &Objective,
        theta: &[f64],
        first: &FirstOrder,
        active: &[bool],
    ) -> Result<(Vec<f64>, Vec<Vec<f64>>), KernelError> {
        let m = theta.len();
        let sizes = row_sizes(&objective.coords, &objective.problem.widths, theta);
        let along = |b: usize| difference_column(objective, theta, first, sizes[b], b);
        let free: Vec<usize> = (0..m).filter(|&b| active[b]).collect();
        let columns: Result<Vec<_>, _> = if worth_threads(objective.problem) {
            pool::map(&free, |&b| along(b)).into_iter().collect()
        } else {
            free.iter().map(|&b| along(b)).collect()
        };
        let p = objective.problem.n_fixed();
        let mut hessian = vec![0.0; m * m];
        let mut fixed = vec![vec![0.0; p * p]; m];
        for (&b, (column, derivative)) in free.iter().zip(columns?) {
            for &a in &free {
                hessian[a + b * m] = column[a];
            }
            fixed[b] = derivative;
        }
        Ok((hessian, fixed))
    }
}

/// Checks the optimality conditions at `theta` (canonical: singular directions are zero columns).
pub fn certify(
    objective: &Objective,
    theta: &[f64],
    first: &FirstOrder,
    curvature: &Curvature,
    gap_limit: f64,
) -> Result<Certificate, KernelError> {
    let m = theta.len();
    let index: Vec<usize> = (0..m).filter(|&i| curvature.active[i]).collect();
    let r = index.len();
    let restricted: Vec<f64> =
        (0..r * r).map(|h| curvature.hessian[index[h % r] + index[h / r] * m]).collect();
    // correlation-like scaling, so that flatness is judged free of units
    let unit: Vec<f64> =
        (0..r).map(|i| 1.0 / restricted[i + i * r].abs().sqrt().max(f64::MIN_POSITIVE.sqrt())).collect();
    let scaled: Vec<f64> = (0..r * r).map(|h| restricted[h] * unit[h % r] * unit[h / r]).collect();
    let (values, vectors) = dense::symmetric_eigen(r, &scaled)?;
    let largest = values.iter().fold(0.0f64, |a, &v| a.max(v.abs()));
    let mut gap = 0.0;
    let mut gradient_norm = 0.0f64;
    let mut doubtful = vec![];
    for i in 0..r {
        let v = &vectors[i * r..(i + 1) * r];
        let along: f64 = (0..r).map(|h| v[h] * first.gradient[index[h]] * unit[h]).sum();
        let curvature = values[i].abs().max(FLAT * largest).max(f64::MIN_POSITIVE);
        let gain = 0.5 * along * along / curvature;
        gap += gain;
        let negative = values[i] < NEGATIVE * largest;
        if negative || gain > gap_limit / r as f64 {
            let size = if negative { 1.0 } else { -along / curvature };
            let mut step = vec![0.0; m];
            for h in 0..r {
                step[index[h]] = size * v[h] * unit[h];
            }
            doubtful.push(step);
        }
    }
    for &a in &index {
        gradient_norm = gradient_norm.max(first.gradient[a].abs());
    }
    let lowest_curvature = if r > 0 { values[0] / largest.max(f64::MIN_POSITIVE) } else { 1.0 };
    let terms = term_optimalities(objective, theta, first)?;
    let off_cone: f64 = terms.iter().filter_map(|t| t.descent.as_ref().map(|d| d.2)).sum();
    gap += off_cone;
    let reason = if lowest_curvature < NEGATIVE {
        "negative_curvature"
    } else if off_cone > gap_limit {
        "boundary"
    } else if gap > gap_limit || gap.is_nan() {
        "gradient"
    } else {
        ""
    };
    Ok(Certificate { gap, gradient_norm, lowest_curvature, doubtful, terms, flat: vec![], reason })
}

/// The cone conditions of every term: rank, Gamma on the null space, directions of descent off the boundary.
pub fn term_optimalities(
    objective: &Objective,
    theta: &[f64],
    first: &FirstOrder,
) -> Result<Vec<TermOptimality>, KernelError> {
    (0..objective.problem.widths.len()).map(|term| term_optimality(objective, theta, first, term)).collect()
}

fn term_optimality(
    objective: &Objective,
    theta: &[f64],
    first: &FirstOrder,
    term: usize,
) -> Result<TermOptimality, KernelError> {
    let k = objective.problem.widths[term];
    let root = &covariance::unpack(&objective.problem.widths, theta)[term];
    let rank = (0..k).filter(|&c| root[c + c * k] != 0.0).count();
    let (u, _, _) = dense::singular_values(k, k, root)?;
    let null_space = u[rank * k..].to_vec();
    let gamma = &first.gamma[term];
    let nulls = k - rank;
    let null_eigenvalue = if nulls == 0 {
        f64::INFINITY
    } else {
        let mut inner = vec![0.0; k * nulls];
        dense::multiply_small(k, k, nulls, gamma, &null_space, &mut inner);
        let mut restricted = vec![0.0; nulls * nulls];
        dense::multiply_transposed_small(nulls, k, nulls, &null_space, &inner, &mut restricted);
        dense::symmetric_eigen(nulls, &restricted)?.0[0]
    };
    // the cone of covariance matrices: no v with v'Gamma v < 0 may exist, where Sigma is singular
    let mut descent = None;
    if nulls > 0 {
        let (values, vectors) = dense::symmetric_eigen(k, gamma)?;
        if values[0] < 0.0 {
            let v = vectors[..k].to_vec();
            let outer: Vec<f64> = (0..k * k).map(|h| v[h % k] * v[h / k]).collect();
            let (factor, modes, _) = objective.first_order(theta)?;
            let (q, s) = average_information(
                objective.problem,
                &factor,
                &modes,
                &[term_direction(objective.problem, term, &outer)],
            )?;
            let scale = objective.problem.n_effective(objective.reml) / factor.pwrss;
            let curvature = (scale * (q[0] - s[0] * s[0] / factor.pwrss)).max(f64::MIN_POSITIVE);
            let step = -values[0] / curvature;
            descent = Some((v, step, 0.5 * values[0] * values[0] / curvature));
        }
    }
    Ok(TermOptimality { rank, null_eigenvalue, null_space, descent })
}
