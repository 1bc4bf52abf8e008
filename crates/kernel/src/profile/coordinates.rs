//! Coordinates in which one parameter of the model is one coordinate.
//!
//! All of them list m + 1 numbers: the entries of T of every term (the order of theta), then log sigma in units of the
//! response's residual. A standard deviation or a correlation is held in a term whose columns are turned so that its effects
//! come first: b_turned = B b*, b* being the effects of the kernel's columns, and Sigma* = S Sigma_turned S' with S = B^-1.
//! Then sd_1 = sigma T_11, and with T_21 = A sin(omega), T_22 = A cos(omega) the correlation of the first two is sin(omega).
//! The places of T_11 (or log T_11), T_21, T_22 in the list hold psi, (omega, log A) instead; all else stays free and smooth
//! up to the boundary. For a coefficient, sigma is profiled out and its place holds the coefficient, counted from its
//! estimate in standard errors.

use crate::covariance::{self, Coordinate, coordinates, triangle};
use crate::dense;
use crate::error::KernelError;
use crate::problem::Problem;

/// A standard deviation below this counts as zero when it is part of a correlation.
const ABSENT: f64 = 1e-6;
/// Smallest unit of an entry of T.
const SMALLEST_UNIT: f64 = 0.05;

/// A parameter of the model as the user knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// Standard deviation of a column's effect.
    Sd {
        term: usize,
        column: usize,
    },
    /// Correlation of two columns' effects.
    Correlation {
        term: usize,
        first: usize,
        second: usize,
    },
    Sigma,
    /// Estimable coefficient, counted without the aliased ones.
    Coefficient {
        index: usize,
    },
}

impl Parameter {
    /// True where the problem has this parameter.
    pub fn exists(self, problem: &Problem) -> bool {
        let width = |term: usize| problem.widths.get(term).copied().unwrap_or(0);
        match self {
            Self::Sd { term, column } => column < width(term),
            Self::Correlation { term, first, second } => {
                first != second && first < width(term) && second < width(term)
            }
            Self::Sigma => true,
            Self::Coefficient { index } => index < problem.n_fixed(),
        }
    }
}

/// The maximum-likelihood estimate in kernel units.
pub struct Estimate {
    pub theta: Vec<f64>,
    pub log_sigma: f64,
    /// Correction to the least-squares coefficients and its unscaled covariance.
    pub beta: Vec<f64>,
    pub fixed_covariance: Vec<f64>,
}

/// A coefficient as a combination a'beta of the orthonormal columns' coefficients.
#[derive(Clone, Debug)]
pub struct Combination {
    pub a: Vec<f64>,
    pub estimate: f64,
    pub standard_error: f64,
}

#[derive(Clone, Debug)]
enum Kind {
    /// Positions of T_11.
    Sd {
        at: usize,
    },
    /// Positions of T_11, T_21, T_22.
    Correlation {
        first: usize,
        below: usize,
        second: usize,
    },
    Sigma,
    Coefficient(Combination),
}

#[derive(Clone, Debug)]
pub struct Coordinates {
    kind: Kind,
    pub widths: Vec<usize>,
    pub list: Vec<Coordinate>,
    /// Per term, S (k x k).
    pub scales: Vec<Vec<f64>>,
    /// Position of the parameter.
    pub held: usize,
    /// The term it belongs to, and how many of its columns are bound by it.
    pub turned: Option<(usize, usize)>,
    pub bounds: [f64; 2],
    /// The estimate in these coordinates.
    pub start: Vec<f64>,
    /// The criterion does not depend on the parameter: a correlation with an effect of zero variance.
    pub is_flat: bool,
    unit: f64,
    origin: f64,
}

/// B (k x k): unit vectors along the given rows, then an orthonormal basis of what is orthogonal to them.
fn turning(k: usize, rows: &[Vec<f64>]) -> Vec<f64> {
    let mut basis: Vec<Vec<f64>> = vec![];
    let mut out = vec![0.0; k * k];
    let extend = |mut v: Vec<f64>, basis: &mut Vec<Vec<f64>>| {
        for _ in 0..2 {
            for q in basis.iter() {
                let h = dense::dot(q, &v);
                dense::axpy(-h, q, &mut v);
            }
        }
        let norm = dense::dot(&v, &v).sqrt();
        v.iter_mut().for_each(|x| *x /= norm);
        basis.push(v);
    };
    for (i, row) in rows.iter().enumerate() {
        let norm = dense::dot(row, row).sqrt();
        for c in 0..k {
            out[i + c * k] = row[c] / norm;
        }
        extend(row.clone(), &mut basis);
    }
    for i in rows.len()..k {
        // the unit vector that is farthest from what is there
        let rest = |c: usize| 1.0 - basis.iter().map(|q| q[c] * q[c]).sum::<f64>();
        let best = (0..k).max_by(|&a, &b| rest(a).total_cmp(&rest(b))).unwrap_or(0);
        let mut v = vec![0.0; k];
        v[best] = 1.0;
        extend(v, &mut basis);
        for c in 0..k {
            out[i + c * k] = basis[i][c];
        }
    }
    out
}

impl Coordinates {
    pub fn new(problem: &Problem, estimate: &Estimate, parameter: Parameter) -> Result<Self, KernelError> {
        let widths = problem.widths.clone();
        let list = coordinates(&widths);
        let m = list.len();
        let mut scales: Vec<Vec<f64>> = widths.iter().map(|&k| dense::identity(k, 1.0)).collect();
        let mut start = estimate.theta.clone();
        start.push(estimate.log_sigma);
        let first_of = |term: usize| widths[..term].iter().map(|&k| triangle(k)).sum::<usize>();
        let infinite = [f64::NEG_INFINITY, f64::INFINITY];
        let mut out = Self {
            kind: Kind::Sigma,
            held: m,
            turned: None,
            bounds: infinite,
            start: vec![],
            is_flat: false,
            unit: problem.y_scale,
            origin: 0.0,
            scales: vec![],
            widths: widths.clone(),
            list,
        };
        match parameter {
            Parameter::Sigma => {}
            Parameter::Sd { term, column } => {
                let at = first_of(term);
                let size = out.turn(problem, term, &[column], &mut scales, &mut start)?;
                start[at] *= estimate.log_sigma.exp();
                out.kind = Kind::Sd { at };
                out.held = at;
                out.turned = Some((term, 1));
                out.bounds = [0.0, f64::INFINITY];
                out.unit = size * problem.y_scale;
            }
            Parameter::Correlation { term, first, second } => {
                let (at, k) = (first_of(term), widths[term]);
                out.turn(problem, term, &[first, second], &mut scales, &mut start)?;
                let (t11, t21, t22) = (start[at], start[at + 1], start[at + k]);
                let length = t21.hypot(t22);
                out.is_flat = t11 < ABSENT || length < ABSENT;
                start[at] = t11.max(ABSENT * ABSENT).ln();
                start[at + 1] = if out.is_flat { 0.0 } else { t21.atan2(t22) };
                start[at + k] = length.max(ABSENT * ABSENT).ln();
                out.kind = Kind::Correlation { first: at, below: at + 1, second: at + k };
                out.held = at + 1;
                out.turned = Some((term, 2));
                out.bounds = [-std::f64::consts::FRAC_PI_2, std::f64::consts::FRAC_PI_2];
            }
            Parameter::Coefficient { index } => {
                let p = problem.n_fixed();
                let inverse = dense::inverse_upper(p, &problem.x_scale);
                let a: Vec<f64> = (0..p).map(|c| inverse[index + c * p]).collect();
                let mut half = vec![0.0; p];
                dense::matvec_small(p, &estimate.fixed_covariance, &a, &mut half);
                let standard_error = dense::dot(&a, &half).sqrt() * estimate.log_sigma.exp();
                let combination = Combination { estimate: dense::dot(&a, &estimate.beta), standard_error, a };
                out.unit = standard_error * problem.y_scale;
                out.origin =
                    combination.estimate * problem.y_scale + dense::dot(&combination.a, &problem.ls_coef);
                out.kind = Kind::Coefficient(combination);
                start[m] = 0.0;
            }
        }
        out.scales = scales;
        out.start = start;
        Ok(out)
    }

    /// Turns a term's columns so that the effects of the given ones come first; returns |r_1|, the first effect being
    /// |r_1| times the first turned one.
    fn turn(
        &self,
        problem: &Problem,
        term: usize,
        columns: &[usize],
        scales: &mut [Vec<f64>],
        start: &mut [f64],
    ) -> Result<f64, KernelError> {
        let k = self.widths[term];
        let inverse = dense::inverse_upper(k, &problem.term_scale[term]);
        let rows: Vec<Vec<f64>> =
            columns.iter().map(|&j| (0..k).map(|c| inverse[j + c * k]).collect()).collect();
        let mut b = turning(k, &rows);
        let mut roots = covariance::unpack(&self.widths, start);
        roots[term] = covariance::to_scaled(k, &roots[term], &b);
        start[..self.list.len()].copy_from_slice(&covariance::pack(&self.widths, &roots));
        let mut s = dense::identity(k, 1.0);
        dense::solve_general_small(k, &mut b, &mut s, k)?;
        scales[term] = s;
        Ok(dense::dot(&rows[0], &rows[0]).sqrt())
    }

    pub fn combination(&self) -> Option<&Combination> {
        match &self.kind {
            Kind::Coefficient(c) => Some(c),
            _ => None,
        }
    }

    /// The parameter on its own scale.
    pub fn value(&self, psi: f64) -> f64 {
        match self.kind {
            Kind::Sd { .. } => self.unit * psi,
            Kind::Correlation { .. } => psi.sin(),
            Kind::Sigma => self.unit * psi.exp(),
            Kind::Coefficient(_) => self.origin + self.unit * psi,
        }
    }

    /// A derivative with respect to psi as one with respect to the parameter; infinite at a correlation of -1 or 1.
    pub fn by_value(&self, psi: f64, derivative: f64) -> f64 {
        match self.kind {
            Kind::Sd { .. } | Kind::Coefficient(_) => derivative / self.unit,
            Kind::Correlation { .. } if psi.cos() < 1e-12 => f64::INFINITY,
            Kind::Correlation { .. } => derivative / psi.cos(),
            Kind::Sigma => derivative / (self.unit * psi.exp()),
        }
    }

    /// Entries of T in turned columns, then log sigma (of no meaning for a coefficient).
    pub fn natural(&self, x: &[f64]) -> Vec<f64> {
        let mut out = x.to_vec();
        match self.kind {
            Kind::Sd { at } => out[at] = x[at] * (-x[x.len() - 1]).exp(),
            Kind::Correlation { first, below, second } => {
                out[first] = x[first].exp();
                out[below] = x[second].exp() * x[below].sin();
                out[second] = x[second].exp() * x[below].cos();
            }
            Kind::Sigma | Kind::Coefficient(_) => {}
        }
        out
    }

    /// Jacobian of [`Self::natural`], column-major; None where it is the identity.
    pub fn jacobian(&self, x: &[f64], natural: &[f64]) -> Option<Vec<f64>> {
        let size = x.len();
        let mut out = dense::identity(size, 1.0);
        match self.kind {
            Kind::Sd { at } => {
                out[at + at * size] = (-x[size - 1]).exp();
                out[at + (size - 1) * size] = -natural[at];
            }
            Kind::Correlation { first, below, second } => {
                out[first + first * size] = natural[first];
                out[below + below * size] = natural[second];
                out[below + second * size] = natural[below];
                out[second + below * size] = -natural[below];
                out[second + second * size] = natural[second];
            }
            Kind::Sigma | Kind::Coefficient(_) => return None,
        }
        Some(out)
    }

    /// Second derivatives of [`Self::natural`] times a gradient over it: entries (row, column, value), row >= column not
    /// implied.
    pub fn bend(&self, x: &[f64], natural: &[f64], gradient: &[f64]) -> Vec<(usize, usize, f64)> {
        match self.kind {
            Kind::Sd { at } => {
                let s = x.len() - 1;
                let mixed = -gradient[at] * (-x[s]).exp();
                vec![(at, s, mixed), (s, at, mixed), (s, s, gradient[at] * natural[at])]
            }
            Kind::Correlation { first, below, second } => {
                let (sine, cosine) = (natural[below], natural[second]);
                let (by_sine, by_cosine) = (gradient[below], gradient[second]);
                let inward = by_sine * sine + by_cosine * cosine;
                let across = by_sine * cosine - by_cosine * sine;
                vec![
                    (first, first, gradient[first] * natural[first]),
                    (below, below, -inward),
                    (second, second, inward),
                    (below, second, across),
                    (second, below, across),
                ]
            }
            Kind::Sigma | Kind::Coefficient(_) => vec![],
        }
    }

    /// Unit of each coordinate: the norm of its row of T, 1 for logarithms and angles.
    pub fn units(&self, natural: &[f64]) -> Vec<f64> {
        let theta = &natural[..self.list.len()];
        let mut out: Vec<f64> = crate::newton::row_sizes(&self.list, &self.widths, theta)
            .iter()
            .map(|v| v.max(SMALLEST_UNIT))
            .collect();
        out.push(1.0);
        if let Kind::Correlation { first, below, second } = self.kind {
            for at in [first, below, second] {
                out[at] = 1.0;
            }
        }
        out
    }

    /// Positions of the logarithms of a correlation's two standard deviations.
    pub fn logarithms(&self) -> Option<[usize; 2]> {
        match self.kind {
            Kind::Correlation { first, second, .. } => Some([first, second]),
            _ => None,
        }
    }

    /// The estimate with the turned term's first effect without variance (its column of T zero, the others as large as they
    /// were), and the positions of that column.
    pub fn without_first(&self, term: usize) -> (Vec<f64>, Vec<usize>) {
        let m = self.list.len();
        let k = self.widths[term];
        let natural = self.natural(&self.start);
        let mut roots = covariance::unpack(&self.widths, &natural[..m]);
        for c in 0..k {
            roots[term][c * k] = 0.0;
        }
        roots[term] = covariance::lower_root(k, k, &roots[term]);
        let mut start = covariance::pack(&self.widths, &roots);
        start.push(natural[m]);
        let zero = (0..m).filter(|&i| self.list[i].term == term && self.list[i].col == 0).collect();
        (start, zero)
    }
}
