//! Dense linear algebra on column-major slices: plain loops for the k x k blocks of a level,
//! faer for matrices large enough to repay its set-up.

use faer::dyn_stack::{MemBuffer, MemStack, StackReq};
use faer::linalg::cholesky::llt;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::{matmul, triangular_solve};
use faer::prelude::IntoConst;
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};

use crate::error::KernelError;
use crate::memory;
use crate::pool;
use crate::watch;

/// Below this dimension plain loops beat faer.
const SMALL: usize = 24;
/// From this dimension on factorization and inverse proceed by blocks of columns, between which the work can be stopped.
const BY_BLOCKS: usize = 3000;
const BLOCK: usize = 512;
/// A pivot below this, per row and relative to what it was before elimination, is nothing but rounding.
const PIVOT: f64 = 2.0 * f64::EPSILON;
/// Eigenvalues of a symmetric matrix with unit diagonal below this are directions about which it says nothing.
const DETERMINED: f64 = 1e-9;
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

/// In-place Cholesky of the lower triangle of a symmetric k x k matrix; the strict upper triangle is left alone. A matrix of
/// less than full rank in double precision is refused.
#[inline(always)]
pub fn cholesky_small(k: usize, a: &mut [f64]) -> Result<(), KernelError> {
    for j in 0..k {
        let own = a[j + j * k];
        let mut d = own;
        for c in 0..j {
            d -= a[j + c * k] * a[j + c * k];
        }
        if d <= PIVOT * j as f64 * own || !d.is_finite() {
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

/// Solves the k x k system A X = B (nrhs columns, in place) by Gaussian elimination with partial pivoting. A matrix of less
/// than full rank in double precision is refused: one whose pivot is but rounding of its column.
pub fn solve_general_small(k: usize, a: &mut [f64], b: &mut [f64], nrhs: usize) -> Result<(), KernelError> {
    let sizes: Vec<f64> =
        a.chunks_exact(k.max(1)).map(|c| c.iter().fold(0.0f64, |s, v| s.max(v.abs()))).collect();
    for j in 0..k {
        let mut pivot = j;
        for i in j + 1..k {
            if a[i + j * k].abs() > a[pivot + j * k].abs() {
                pivot = i;
            }
        }
        let size = a[pivot + j * k].abs();
        if size <= PIVOT * j as f64 * sizes[j] || !size.is_finite() {
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

/// Least-norm solution x of A x = b for a symmetric nonnegative definite k x k matrix, in units that make its diagonal one:
/// directions that A does not determine get nothing.
pub fn least_norm_solution(k: usize, a: &[f64], b: &[f64]) -> Result<Vec<f64>, KernelError> {
    let unit: Vec<f64> =
        (0..k).map(|i| a[i + i * k]).map(|d| if d > 0.0 { d.sqrt().recip() } else { 0.0 }).collect();
    let scaled: Vec<f64> = (0..k * k).map(|h| a[h] * unit[h % k] * unit[h / k]).collect();
    if let Some(index) =
        scaled.iter().zip(b.iter().cycle()).position(|(x, y)| !x.is_finite() || !y.is_finite())
    {
        return Err(KernelError::NotPositiveDefinite { index: index % k });
    }
    let (values, vectors) = symmetric_eigen(k, &scaled)?;
    let mut x = vec![0.0; k];
    for (value, v) in values.iter().zip(vectors.chunks_exact(k.max(1))) {
        if *value > DETERMINED {
            let along: f64 = (0..k).map(|i| v[i] * b[i] * unit[i]).sum();
            axpy(along / value, v, &mut x);
        }
    }
    x.iter_mut().zip(&unit).for_each(|(v, u)| *v *= u);
    Ok(x)
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
    let own: Vec<f64> = (0..n).map(|j| a[j + j * n]).collect();
    parallel(n, |par| {
        let a = MatMut::from_column_major_slice_mut(a, n, n);
        if n < BY_BLOCKS { cholesky_whole(a, par) } else { cholesky_by_blocks(a, par) }
    })?;
    // pivots gather rounding slowly: one factor for all of them
    match (0..n).find(|&j| a[j + j * n] * a[j + j * n] <= PIVOT * own[j] || !a[j + j * n].is_finite()) {
        Some(index) => Err(KernelError::NotPositiveDefinite { index }),
        None => Ok(()),
    }
}

fn cholesky_whole(a: MatMut<f64>, par: Par) -> Result<(), KernelError> {
    let size = llt::factor::cholesky_in_place_scratch::<f64>(a.nrows(), par, Default::default());
    let mut buffer = workspace(size)?;
    let stack = MemStack::new(&mut buffer);
    match llt::factor::cholesky_in_place(a, Default::default(), par, stack, Default::default()) {
        Ok(_) => Ok(()),
        Err(llt::factor::LltError::NonPositivePivot { index }) => {
            Err(KernelError::NotPositiveDefinite { index })
        }
    }
}

/// Left-looking: columns done before are taken out of a block, then it is factored.
fn cholesky_by_blocks(mut a: MatMut<f64>, par: Par) -> Result<(), KernelError> {
    let n = a.nrows();
    for first in (0..n).step_by(BLOCK) {
        watch::check()?;
        let width = BLOCK.min(n - first);
        let (done, rest) = a.as_mut().split_at_col_mut(first);
        let done = done.into_const().subrows(first, n - first);
        let (mut diagonal, mut below) =
            rest.submatrix_mut(first, 0, n - first, width).split_at_row_mut(width);
        let (upper, lower) = done.split_at_row(width);
        triangular::matmul(
            diagonal.as_mut(),
            BlockStructure::TriangularLower,
            Accum::Add,
            upper,
            BlockStructure::Rectangular,
            upper.transpose(),
            BlockStructure::Rectangular,
            -1.0,
            par,
        );
        matmul::matmul(below.as_mut(), Accum::Add, lower, upper.transpose(), -1.0, par);
        cholesky_whole(diagonal.as_mut(), par).map_err(|error| match error {
            KernelError::NotPositiveDefinite { index } => {
                KernelError::NotPositiveDefinite { index: first + index }
            }
            other => other,
        })?;
        triangular_solve::solve_lower_triangular_in_place(diagonal.as_ref(), below.transpose_mut(), par);
    }
    Ok(())
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
        let target = MatMut::from_column_major_slice_mut(out, n, n);
        let l = MatRef::from_column_major_slice(l, n, n);
        if n >= BY_BLOCKS {
            return inverse_by_blocks(target, l, par);
        }
        let mut buffer = workspace(llt::inverse::inverse_scratch::<f64>(n, par))?;
        llt::inverse::inverse(target, l, par, MemStack::new(&mut buffer));
        Ok(())
    })?;
    mirror_lower(n, out);
    Ok(())
}

/// X = L^-1, then the lower triangle of X'X, both in place by blocks of rows.
fn inverse_by_blocks(mut x: MatMut<f64>, l: MatRef<f64>, par: Par) -> Result<(), KernelError> {
    let n = l.nrows();
    let mut buffer = memory::zeros(&[BLOCK, n])?;
    x.fill(0.0);
    for first in (0..n).step_by(BLOCK) {
        watch::check()?;
        let width = BLOCK.min(n - first);
        let diagonal = l.submatrix(first, first, width, width);
        let (done, rest) = x.as_mut().split_at_row_mut(first);
        let mut rows = rest.subrows_mut(0, width);
        let mut before = MatMut::from_column_major_slice_mut(&mut buffer[..width * first], width, first);
        triangular::matmul(
            before.as_mut(),
            BlockStructure::Rectangular,
            Accum::Replace,
            l.submatrix(first, 0, width, first),
            BlockStructure::Rectangular,
            done.as_ref().subcols(0, first),
            BlockStructure::TriangularLower,
            -1.0,
            par,
        );
        rows.as_mut().subcols_mut(0, first).copy_from(before.as_ref());
        (0..width).for_each(|i| rows[(i, first + i)] = 1.0);
        triangular_solve::solve_lower_triangular_in_place(diagonal, rows.subcols_mut(0, first + width), par);
    }
    for first in (0..n).step_by(BLOCK) {
        watch::check()?;
        let width = BLOCK.min(n - first);
        let end = first + width;
        let mut product = MatMut::from_column_major_slice_mut(&mut buffer[..width * end], width, end);
        let below = x.as_ref().submatrix(first, 0, n - first, end);
        let own = below.subcols(first, width);
        matmul::matmul(product.as_mut(), Accum::Replace, own.transpose(), below, 1.0, par);
        x.as_mut().submatrix_mut(first, 0, width, end).copy_from(product.as_ref());
    }
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

/// Eigenvalues (ascending) and eigenvectors (columns) of a symmetric n x n matrix; one that is not finite is refused.
pub fn symmetric_eigen(n: usize, a: &[f64]) -> Result<(Vec<f64>, Vec<f64>), KernelError> {
    if n == 0 {
        return Ok((vec![], vec![]));
    }
    if a[..n * n].iter().any(|v| !v.is_finite()) {
        return Err(KernelError::Decomposition);
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
    if a[..m * n].iter().any(|v| !v.is_finite()) {
        return Err(KernelError::Decomposition);
    }
    let matrix = Mat::from_fn(m, n, |i, j| a[i + j * m]);
    let svd = matrix.thin_svd().map_err(|_| KernelError::Decomposition)?;
    let r = m.min(n);
    let u = (0..m * r).map(|h| svd.U()[(h % m, h / m)]).collect();
    let s = (0..r).map(|i| svd.S()[i]).collect();
    let v = (0..n * r).map(|h| svd.V()[(h % n, h / n)]).collect();
    Ok((u, s, v))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::numbers::Numbers;

    #[test]
    fn large_matrices_are_factored_and_inverted_by_blocks() {
        let n = BY_BLOCKS + 37;
        let mut numbers = Numbers(9);
        // diagonally dominant, with entries in a band and in the last rows
        let mut a = vec![0.0; n * n];
        for j in 0..n {
            for i in (j..n).filter(|&i| i < j + 40 || i + 3 > n) {
                a[i + j * n] = if i == j { 100.0 } else { 0.5 * numbers.next() };
            }
        }
        for j in n - 3..n {
            a[j + j * n] = 1e4;
        }
        let mut l = a.clone();
        cholesky(n, &mut l).unwrap();
        let mut inverse = vec![0.0; n * n];
        inverse_from_cholesky(n, &l, &mut inverse).unwrap();
        mirror_lower(n, &mut a);
        for j in (0..n).step_by(211).chain(n - 3..n) {
            let row = (0..n).map(|i| dot_long(&a[i * n..(i + 1) * n], &inverse[j * n..(j + 1) * n]));
            let off =
                row.enumerate().map(|(i, v)| (v - f64::from(u8::from(i == j))).abs()).fold(0.0, f64::max);
            assert!(off < 1e-12, "{j} {off}");
        }
        l.copy_from_slice(&a);
        l[2500 + 2500 * n] = -1.0;
        assert_eq!(cholesky(n, &mut l), Err(KernelError::NotPositiveDefinite { index: 2500 }));
    }
}
