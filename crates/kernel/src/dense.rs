//! Dense linear algebra on column-major slices: plain loops for the k x k blocks of a level,
//! faer for matrices large enough to repay its set-up.

use faer::dyn_stack::{MemBuffer, MemStack, StackReq};
use faer::linalg::cholesky::llt;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::{matmul, triangular_solve};
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};

use crate::error::KernelError;
use crate::pool;

/// Below this dimension plain loops beat faer.
const SMALL: usize = 24;
/// From this dimension on a factorization is worth two threads.
const PARALLEL: usize = 1500;

/// Runs a routine of faer, in threads from a dimension on.
fn parallel<R: Send>(dim: usize, routine: impl FnOnce(Par) -> R + Send) -> R {
    pool::dense(dim >= PARALLEL, routine)
}

/// Workspace of a routine of faer.
pub fn workspace(size: StackReq) -> Result<MemBuffer, KernelError> {
    MemBuffer::try_new(size).map_err(|_| KernelError::Memory { bytes: size.size_bytes() })
}

#[inline(always)]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Dot product with four accumulators: for long vectors, faster and more accurate than one running sum.
pub fn dot_long(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0f64; 8];
    let (head_a, head_b) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail = dot(head_a.remainder(), head_b.remainder());
    for (x, y) in head_a.zip(head_b) {
        for i in 0..8 {
            sums[i] += x[i] * y[i];
        }
    }
    tail + ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]))
}

/// `size` times the identity (k x k).
pub fn identity(k: usize, size: f64) -> Vec<f64> {
    (0..k * k).map(|h| if h % k == h / k { size } else { 0.0 }).collect()
}

#[inline(always)]
pub fn axpy(alpha: f64, x: &[f64], y: &mut [f64]) {
    for (yi, xi) in y.iter_mut().zip(x) {
        *yi += alpha * xi;
    }
}

/// In-place Cholesky of the lower triangle of a symmetric k x k matrix; the strict upper triangle is left alone.
#[inline(always)]
pub fn cholesky_small(k: usize, a: &mut [f64]) -> Result<(), KernelError> {
    for j in 0..k {
        let mut d = a[j + j * k];
        for c in 0..j {
            d -= a[j + c * k] * a[j + c * k];
        }
        if d <= 0.0 || !d.is_finite() {
            return Err(KernelError::NotPositiveDefinite { index: j });
        }
        let d = d.sqrt();
        a[j + j * k] = d;
        for i in j + 1..k {
            let mut s = a[i + j * k];
            for c in 0..j {
                s -= a[i + c * k] * a[j + c * k];
            }
            a[i + j * k] = s / d;
        }
    }
    Ok(())
}

/// x <- L^-1 x for a k x k lower triangle.
#[inline(always)]
pub fn forward_small(k: usize, l: &[f64], x: &mut [f64]) {
    for i in 0..k {
        let mut s = x[i];
        for c in 0..i {
            s -= l[i + c * k] * x[c];
        }
        x[i] = s / l[i + i * k];
    }
}

/// x <- L^-T x for a k x k lower triangle.
#[inline(always)]
pub fn backward_small(k: usize, l: &[f64], x: &mut [f64]) {
    for i in (0..k).rev() {
        let mut s = x[i];
        for c in i + 1..k {
            s -= l[c + i * k] * x[c];
        }
        x[i] = s / l[i + i * k];
    }
}

/// Inverse of L L' into `out` (k x k, full), for a k x k lower triangle.
#[inline(always)]
pub fn inverse_from_cholesky_small(k: usize, l: &[f64], out: &mut [f64]) {
    out[..k * k].fill(0.0);
    for c in 0..k {
        out[c + c * k] = 1.0;
        let column = &mut out[c * k..(c + 1) * k];
        forward_small(k, l, column);
        backward_small(k, l, column);
    }
}

/// c (m x n) <- a (m x l) b (l x n).
#[inline(always)]
pub fn multiply_small(m: usize, l: usize, n: usize, a: &[f64], b: &[f64], c: &mut [f64]) {
    for j in 0..n {
        for i in 0..m {
            let mut s = 0.0;
            for h in 0..l {
                s += a[i + h * m] * b[h + j * l];
            }
            c[i + j * m] = s;
        }
    }
}

/// c (m x n) <- a' b with a (l x m), b (l x n).
#[inline(always)]
pub fn multiply_transposed_small(m: usize, l: usize, n: usize, a: &[f64], b: &[f64], c: &mut [f64]) {
    for j in 0..n {
        for i in 0..m {
            let mut s = 0.0;
            for h in 0..l {
                s += a[h + i * l] * b[h + j * l];
            }
            c[i + j * m] = s;
        }
    }
}

/// y <- A x (k x k).
#[inline(always)]
pub fn matvec_small(k: usize, a: &[f64], x: &[f64], y: &mut [f64]) {
    for i in 0..k {
        let mut s = 0.0;
        for c in 0..k {
            s += a[i + c * k] * x[c];
        }
        y[i] = s;
    }
}

/// y <- A' x (k x k).
#[inline(always)]
pub fn matvec_transposed_small(k: usize, a: &[f64], x: &[f64], y: &mut [f64]) {
    for i in 0..k {
        let mut s = 0.0;
        for c in 0..k {
            s += a[c + i * k] * x[c];
        }
        y[i] = s;
    }
}

/// Solves the k x k system A X = B (nrhs columns, in place) by Gaussian elimination with partial pivoting.
pub fn solve_general_small(k: usize, a: &mut [f64], b: &mut [f64], nrhs: usize) -> Result<(), KernelError> {
    for j in 0..k {
        let mut pivot = j;
        for i in j + 1..k {
            if a[i + j * k].abs() > a[pivot + j * k].abs() {
                pivot = i;
            }
        }
        if a[pivot + j * k] == 0.0 || !a[pivot + j * k].is_finite() {
            return Err(KernelError::NotPositiveDefinite { index: j });
        }
        if pivot != j {
            for c in 0..k {
                a.swap(j + c * k, pivot + c * k);
            }
            for c in 0..nrhs {
                b.swap(j + c * k, pivot + c * k);
            }
        }
        for i in j + 1..k {
            let factor = a[i + j * k] / a[j + j * k];
            for c in j + 1..k {
                a[i + c * k] -= factor * a[j + c * k];
            }
            for c in 0..nrhs {
                b[i + c * k] -= factor * b[j + c * k];
            }
        }
    }
    for c in 0..nrhs {
        for i in (0..k).rev() {
            let mut s = b[i + c * k];
            for h in i + 1..k {
                s -= a[i + h * k] * b[h + c * k];
            }
            b[i + c * k] = s / a[i + i * k];
        }
    }
    Ok(())
}

/// x R = z solved for the row x in place, R upper triangular k x k.
#[inline(always)]
pub fn solve_row_upper(k: usize, r: &[f64], x: &mut [f64]) {
    for j in 0..k {
        let mut s = x[j];
        for c in 0..j {
            s -= x[c] * r[c + j * k];
        }
        x[j] = s / r[j + j * k];
    }
}

/// R x = b solved in place, R upper triangular k x k.
pub fn solve_upper(k: usize, r: &[f64], x: &mut [f64]) {
    for i in (0..k).rev() {
        let mut s = x[i];
        for c in i + 1..k {
            s -= r[i + c * k] * x[c];
        }
        x[i] = s / r[i + i * k];
    }
}

/// Inverse of an upper triangular k x k matrix.
pub fn inverse_upper(k: usize, r: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; k * k];
    for c in 0..k {
        out[c + c * k] = 1.0;
        solve_upper(k, r, &mut out[c * k..(c + 1) * k]);
    }
    out
}

/// In-place Cholesky of the lower triangle of an n x n matrix.
pub fn cholesky(n: usize, a: &mut [f64]) -> Result<(), KernelError> {
    if n <= SMALL {
        return cholesky_small(n, a);
    }
    parallel(n, |par| {
        let mut buffer =
            workspace(llt::factor::cholesky_in_place_scratch::<f64>(n, par, Default::default()))?;
        let a = MatMut::from_column_major_slice_mut(a, n, n);
        let stack = MemStack::new(&mut buffer);
        match llt::factor::cholesky_in_place(a, Default::default(), par, stack, Default::default()) {
            Ok(_) => Ok(()),
            Err(llt::factor::LltError::NonPositivePivot { index }) => {
                Err(KernelError::NotPositiveDefinite { index })
            }
        }
    })
}

/// B <- L^-1 B for an n x n lower triangle and n x m right-hand sides.
pub fn forward(n: usize, l: &[f64], b: &mut [f64], m: usize) {
    if n <= SMALL {
        for column in b.chunks_exact_mut(n.max(1)) {
            forward_small(n, l, column);
        }
        return;
    }
    parallel(if m >= 32 { n } else { 0 }, |par| {
        let l = MatRef::from_column_major_slice(l, n, n);
        let b = MatMut::from_column_major_slice_mut(b, n, m);
        triangular_solve::solve_lower_triangular_in_place(l, b, par);
    });
}

/// B <- L^-T B for an n x n lower triangle and n x m right-hand sides.
pub fn backward(n: usize, l: &[f64], b: &mut [f64], m: usize) {
    if n <= SMALL {
        for column in b.chunks_exact_mut(n.max(1)) {
            backward_small(n, l, column);
        }
        return;
    }
    parallel(if m >= 32 { n } else { 0 }, |par| {
        let l = MatRef::from_column_major_slice(l, n, n).transpose();
        let b = MatMut::from_column_major_slice_mut(b, n, m);
        triangular_solve::solve_upper_triangular_in_place(l, b, par);
    });
}

/// Inverse of L L' into `out`, both triangles.
pub fn inverse_from_cholesky(n: usize, l: &[f64], out: &mut [f64]) -> Result<(), KernelError> {
    if n <= SMALL {
        inverse_from_cholesky_small(n, l, out);
        return Ok(());
    }
    parallel(n, |par| {
        let mut buffer = workspace(llt::inverse::inverse_scratch::<f64>(n, par))?;
        let target = MatMut::from_column_major_slice_mut(out, n, n);
        let l = MatRef::from_column_major_slice(l, n, n);
        llt::inverse::inverse(target, l, par, MemStack::new(&mut buffer));
        Ok(())
    })?;
    mirror_lower(n, out);
    Ok(())
}

/// Copies the lower triangle of an n x n matrix onto the upper one, in cache-sized tiles.
pub fn mirror_lower(n: usize, a: &mut [f64]) {
    const TILE: usize = 32;
    for jb in (0..n).step_by(TILE) {
        for ib in (jb..n).step_by(TILE) {
            for j in jb..(jb + TILE).min(n) {
                for i in ib.max(j + 1)..(ib + TILE).min(n) {
                    a[j + i * n] = a[i + j * n];
                }
            }
        }
    }
}

/// Lower triangle of C (n x n) += alpha A A' with A (n x m).
pub fn add_outer_lower(n: usize, m: usize, alpha: f64, a: &[f64], c: &mut [f64]) {
    parallel(n, |par| {
        let a = MatRef::from_column_major_slice(a, n, m);
        triangular::matmul(
            MatMut::from_column_major_slice_mut(c, n, n),
            BlockStructure::TriangularLower,
            Accum::Add,
            a,
            BlockStructure::Rectangular,
            a.transpose(),
            BlockStructure::Rectangular,
            alpha,
            par,
        );
    });
}

/// C (m x n) = A (m x l) B (l x n), all column-major.
pub fn multiply(m: usize, l: usize, n: usize, a: &[f64], b: &[f64], c: &mut [f64]) {
    if m * l * n <= SMALL * SMALL * SMALL {
        multiply_small(m, l, n, a, b, c);
        return;
    }
    parallel(m.min(l), |par| {
        let c = MatMut::from_column_major_slice_mut(c, m, n);
        let (a, b) = (MatRef::from_column_major_slice(a, m, l), MatRef::from_column_major_slice(b, l, n));
        matmul::matmul(c, Accum::Replace, a, b, 1.0, par);
    });
}

/// C (m x n) = A' B with A (l x m), B (l x n).
pub fn multiply_transposed(m: usize, l: usize, n: usize, a: &[f64], b: &[f64], c: &mut [f64]) {
    if m * l * n <= SMALL * SMALL * SMALL {
        multiply_transposed_small(m, l, n, a, b, c);
        return;
    }
    parallel(m.min(l), |par| {
        let c = MatMut::from_column_major_slice_mut(c, m, n);
        let (a, b) = (MatRef::from_column_major_slice(a, l, m), MatRef::from_column_major_slice(b, l, n));
        matmul::matmul(c, Accum::Replace, a.transpose(), b, 1.0, par);
    });
}

/// Eigenvalues (ascending) and eigenvectors (columns) of a symmetric n x n matrix.
pub fn symmetric_eigen(n: usize, a: &[f64]) -> Result<(Vec<f64>, Vec<f64>), KernelError> {
    if n == 0 {
        return Ok((vec![], vec![]));
    }
    if n == 1 {
        return Ok((vec![a[0]], vec![1.0]));
    }
    let matrix = Mat::from_fn(n, n, |i, j| 0.5 * (a[i + j * n] + a[j + i * n]));
    let eigen = matrix.self_adjoint_eigen(Side::Lower).map_err(|_| KernelError::Decomposition)?;
    let values = (0..n).map(|i| eigen.S()[i]).collect();
    let vectors = (0..n * n).map(|h| eigen.U()[(h % n, h / n)]).collect();
    Ok((values, vectors))
}

/// Thin singular value decomposition of an m x n matrix with m >= n or m < n: (U, s, V), s descending.
pub fn singular_values(m: usize, n: usize, a: &[f64]) -> Result<(Vec<f64>, Vec<f64>, Vec<f64>), KernelError> {
    let matrix = Mat::from_fn(m, n, |i, j| a[i + j * m]);
    let svd = matrix.thin_svd().map_err(|_| KernelError::Decomposition)?;
    let r = m.min(n);
    let u = (0..m * r).map(|h| svd.U()[(h % m, h / m)]).collect();
    let s = (0..r).map(|i| svd.S()[i]).collect();
    let v = (0..n * r).map(|h| svd.V()[(h % n, h / n)]).collect();
    Ok((u, s, v))
}
