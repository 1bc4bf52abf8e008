//! Parameters <-> T <-> Sigma. The only place that knows the order of theta.
//!
//! Each random term has an unstructured k x k relative covariance Sigma = T T', T lower triangular.
//! theta lists the lower triangles term by term, column-major, as lme4 does. The optimizer works in
//! *kernel coordinates*: the same layout for T* of Sigma* = R Sigma R', where R orthonormalizes the
//! term's columns over the rows (see `scaling.rs`).

use crate::dense;
use crate::error::KernelError;

/// Number of free entries of a k x k lower triangle.
pub fn triangle(k: usize) -> usize {
    k * (k + 1) / 2
}

/// Where one entry of theta lives.
#[derive(Clone, Copy, Debug)]
pub struct Coordinate {
    pub term: usize,
    pub row: usize,
    pub col: usize,
}

/// Coordinates of theta for terms of the given widths, in order.
pub fn coordinates(widths: &[usize]) -> Vec<Coordinate> {
    let mut out = Vec::new();
    for (term, &k) in widths.iter().enumerate() {
        for col in 0..k {
            for row in col..k {
                out.push(Coordinate { term, row, col });
            }
        }
    }
    out
}

/// One lower triangle (k x k, column-major, zeros above) per term.
pub fn unpack(widths: &[usize], theta: &[f64]) -> Vec<Vec<f64>> {
    let mut out: Vec<Vec<f64>> = widths.iter().map(|k| vec![0.0; k * k]).collect();
    for (c, value) in coordinates(widths).iter().zip(theta) {
        out[c.term][c.row + c.col * widths[c.term]] = *value;
    }
    out
}

/// Inverse of [`unpack`].
pub fn pack(widths: &[usize], factors: &[Vec<f64>]) -> Vec<f64> {
    coordinates(widths).iter().map(|c| factors[c.term][c.row + c.col * widths[c.term]]).collect()
}

/// T T' (k x k).
pub fn product(k: usize, t: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; k * k];
    for j in 0..k {
        for i in 0..k {
            out[i + j * k] = (0..k).map(|c| t[i + c * k] * t[j + c * k]).sum();
        }
    }
    out
}

/// Canonical lower-triangular L with L L' = A A', A of shape k x r: nonnegative diagonal, and a zero
/// column wherever a row of A depends on the rows above it. Gram-Schmidt on the rows, twice for accuracy,
/// so that nothing is squared.
pub fn lower_root(k: usize, r: usize, a: &[f64]) -> Vec<f64> {
    let mut l = vec![0.0; k * k];
    let mut basis: Vec<Option<Vec<f64>>> = Vec::with_capacity(k);
    for i in 0..k {
        let mut row: Vec<f64> = (0..r).map(|c| a[i + c * k]).collect();
        let norm = dense::dot(&row, &row).sqrt();
        for _ in 0..2 {
            for (c, q) in basis.iter().enumerate() {
                if let Some(q) = q {
                    let h = dense::dot(q, &row);
                    l[i + c * k] += h;
                    dense::axpy(-h, q, &mut row);
                }
            }
        }
        let rest = dense::dot(&row, &row).sqrt();
        if rest > 1e-13 * norm && rest > 0.0 {
            l[i + i * k] = rest;
            basis.push(Some(row.iter().map(|v| v / rest).collect()));
        } else {
            basis.push(None);
        }
    }
    l
}

/// T of the original columns from T* of the scaled ones: Sigma = R^-1 Sigma* R^-T.
pub fn to_original(k: usize, t_star: &[f64], r: &[f64]) -> Vec<f64> {
    let mut a = t_star.to_vec();
    for column in a.chunks_exact_mut(k) {
        dense::solve_upper(k, r, column);
    }
    lower_root(k, k, &a)
}

/// T* of the scaled columns from T of the original ones: Sigma* = R Sigma R'.
pub fn to_scaled(k: usize, t: &[f64], r: &[f64]) -> Vec<f64> {
    let mut a = vec![0.0; k * k];
    dense::multiply_small(k, k, k, r, t, &mut a);
    lower_root(k, k, &a)
}

/// Kernel coordinates of theta given in the original columns.
pub fn theta_to_scaled(widths: &[usize], scales: &[Vec<f64>], theta: &[f64]) -> Vec<f64> {
    let roots = unpack(widths, theta);
    let scaled: Vec<Vec<f64>> =
        widths.iter().zip(&roots).zip(scales).map(|((&k, t), r)| to_scaled(k, t, r)).collect();
    pack(widths, &scaled)
}

/// theta of the original columns from kernel coordinates.
pub fn theta_to_original(widths: &[usize], scales: &[Vec<f64>], theta: &[f64]) -> Vec<f64> {
    let roots = unpack(widths, theta);
    let original: Vec<Vec<f64>> =
        widths.iter().zip(&roots).zip(scales).map(|((&k, t), r)| to_original(k, t, r)).collect();
    pack(widths, &original)
}

/// Derivative with respect to Sigma of the original columns from that with respect to Sigma* = R Sigma R': R' G* R.
pub fn derivative_to_original(k: usize, g_star: &[f64], r: &[f64]) -> Vec<f64> {
    let mut half = vec![0.0; k * k];
    let mut out = vec![0.0; k * k];
    dense::multiply_small(k, k, k, g_star, r, &mut half);
    dense::multiply_transposed_small(k, k, k, r, &half, &mut out);
    out
}

/// Least singular value of a T of full rank.
const REGULAR: f64 = 1e-3;

/// Whether every T (kernel coordinates) has full rank: derivatives there tell about all directions.
pub fn is_regular(widths: &[usize], theta: &[f64]) -> Result<bool, KernelError> {
    for (root, &k) in unpack(widths, theta).iter().zip(widths) {
        let (_, s, _) = dense::singular_values(k, k, root)?;
        if s.last().is_some_and(|&v| v < REGULAR) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A change of Sigma as one of Sigma* = R Sigma R': R A R'.
pub fn change_to_scaled(k: usize, a: &[f64], r: &[f64]) -> Vec<f64> {
    let mut half = vec![0.0; k * k];
    dense::multiply_small(k, k, k, r, a, &mut half);
    let mut out = vec![0.0; k * k];
    for j in 0..k {
        for i in 0..k {
            out[i + j * k] = (0..k).map(|c| half[i + c * k] * r[j + c * k]).sum();
        }
    }
    out
}

/// L^-1 A L^-T for a symmetric A and a lower triangular L, nonsingular (k x k).
pub fn congruence_by_inverse(k: usize, l: &[f64], a: &[f64]) -> Vec<f64> {
    let mut inner = a.to_vec();
    for _ in 0..2 {
        for column in inner.chunks_exact_mut(k) {
            dense::forward_small(k, l, column);
        }
        inner = (0..k * k).map(|h| inner[h / k + (h % k) * k]).collect();
    }
    inner
}

/// Change of the lower triangular L when L L' changes by the symmetric A, L nonsingular: L times the lower triangle of
/// L^-1 A L^-T with half its diagonal.
pub fn root_derivative(k: usize, l: &[f64], a: &[f64]) -> Vec<f64> {
    let mut inner = congruence_by_inverse(k, l, a);
    for j in 0..k {
        inner[j + j * k] *= 0.5;
        inner[j * k..j * k + j].fill(0.0);
    }
    let mut out = vec![0.0; k * k];
    dense::multiply_small(k, k, k, l, &inner, &mut out);
    out
}

/// Null-space vectors v* of Sigma* (columns of length k, in place) as combinations of the original effects: the variance
/// of c'b is c'Sigma c, zero for c = R'v*. Each is scaled to largest entry 1.
pub fn to_original_combinations(k: usize, r: &[f64], vectors: &mut [f64]) {
    let mut out = vec![0.0; k];
    for v in vectors.chunks_exact_mut(k) {
        dense::matvec_transposed_small(k, r, v, &mut out);
        let largest = out.iter().fold(0.0f64, |a, x| if x.abs() > a.abs() { *x } else { a });
        for (target, x) in v.iter_mut().zip(&out) {
            *target = x / largest;
        }
    }
}

/// Rank-reduced T: singular values of T at or below `threshold` set to zero. Returns the canonical root and
/// the left singular vectors of the dropped directions (k x dropped).
pub fn reduce_rank(k: usize, t: &[f64], threshold: f64) -> Result<(Vec<f64>, Vec<f64>), KernelError> {
    let (u, s, _) = dense::singular_values(k, k, t)?;
    let kept = s.iter().filter(|&&v| v > threshold).count();
    let mut a = vec![0.0; k * kept];
    for c in 0..kept {
        for i in 0..k {
            a[i + c * k] = u[i + c * k] * s[c];
        }
    }
    Ok((lower_root(k, kept, &a), u[kept * k..].to_vec()))
}

/// T with every column whose diagonal is nonpositive flipped in sign: Sigma is unchanged.
pub fn nonnegative_diagonal(k: usize, t: &mut [f64]) {
    for c in 0..k {
        if t[c + c * k] < 0.0 {
            for v in &mut t[c * k..(c + 1) * k] {
                *v = -*v;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_column_major_lower_triangles() {
        let c: Vec<_> = coordinates(&[2, 1]).iter().map(|c| (c.term, c.row, c.col)).collect();
        assert_eq!(c, [(0, 0, 0), (0, 1, 0), (0, 1, 1), (1, 0, 0)]);
    }

    #[test]
    fn pack_inverts_unpack() {
        let theta: Vec<f64> = (0..16).map(f64::from).collect();
        assert_eq!(pack(&[2, 3, 1, 3], &unpack(&[2, 3, 1, 3], &theta)), theta);
    }

    #[test]
    fn lower_root_of_singular_matrix_has_a_zero_column() {
        // rows (1, 0), (2, 0), (0, 3): the second depends on the first
        let l = lower_root(3, 2, &[1.0, 2.0, 0.0, 0.0, 0.0, 3.0]);
        assert_eq!(l, [1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0]);
    }

    #[test]
    fn scaling_there_and_back_is_the_identity() {
        let r = [2.0, 0.0, 0.0, -1.0, 3.0, 0.0, 0.5, 0.25, 4.0];
        let t = [1.0, -0.5, 2.0, 0.0, 0.7, 0.3, 0.0, 0.0, 0.1];
        let back = to_original(3, &to_scaled(3, &t, &r), &r);
        for (a, b) in t.iter().zip(&back) {
            assert!((a - b).abs() < 1e-14, "{a} {b}");
        }
    }

    #[test]
    fn root_derivative_is_the_difference_of_roots() {
        let (k, h) = (3, 1e-6);
        let l = [1.0, -0.5, 2.0, 0.0, 0.7, 0.3, 0.0, 0.0, 0.4];
        let a = [0.3, -0.2, 0.5, -0.2, 1.0, 0.1, 0.5, 0.1, -0.4];
        let moved = |sign: f64| -> Vec<f64> {
            let mut sigma: Vec<f64> = product(k, &l).iter().zip(&a).map(|(s, d)| s + sign * h * d).collect();
            dense::cholesky_small(k, &mut sigma).unwrap();
            sigma
        };
        let (up, down, wanted) = (moved(1.0), moved(-1.0), root_derivative(k, &l, &a));
        for (r, c) in [(0, 0), (1, 0), (2, 0), (1, 1), (2, 1), (2, 2)] {
            let at = r + c * k;
            assert!(((up[at] - down[at]) / (2.0 * h) - wanted[at]).abs() < 1e-8, "{r} {c}");
        }
    }

    #[test]
    fn reduced_rank_keeps_the_large_directions() {
        let t = [1.0, 1.0, 0.0, 1e-9];
        let (reduced, dropped) = reduce_rank(2, &t, 1e-6).unwrap_or_default();
        let sigma = product(2, &reduced);
        for (a, b) in sigma.iter().zip([1.0, 1.0, 1.0, 1.0]) {
            assert!((a - b).abs() < 1e-8);
        }
        assert!((dropped[0] + dropped[1]).abs() < 1e-8);
    }
}
