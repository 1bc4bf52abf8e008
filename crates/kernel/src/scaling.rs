//! Making the problem well-scaled, exactly: triangular factors of the weighted columns by a
//! QR that streams over chunks of rows, and the rank decision for the fixed part.

use crate::dense;
use crate::error::KernelError;
use crate::memory;
use crate::watch;

/// Rows of a chunk added to the running triangle at a time.
const CHUNK: usize = 96;

/// Upper triangular R (w x w, column-major) with R'R = C'C for the n x w matrix C whose row i is written by
/// `fill(i, row)`. Householder reflections on [R; chunk], so nothing is squared and no n x w matrix is formed.
pub fn streaming_qr(n: usize, w: usize, fill: impl Fn(usize, &mut [f64])) -> Result<Vec<f64>, KernelError> {
    let rows_per_chunk = CHUNK.max(2 * w);
    let height = w + rows_per_chunk;
    let mut a = memory::zeros(&[height, w])?;
    let mut row = memory::zeros(&[w])?;
    let mut start = 0;
    while start < n {
        let m = rows_per_chunk.min(n - start);
        for i in 0..m {
            fill(start + i, &mut row);
            for (c, &v) in row.iter().enumerate() {
                a[w + i + c * height] = v;
            }
        }
        reflect(w, m, height, &mut a)?;
        start += m;
    }
    let mut r = memory::zeros(&[w, w])?;
    for c in 0..w {
        for i in 0..=c {
            r[i + c * w] = a[i + c * height];
        }
    }
    Ok(r)
}

/// Householder triangularization of [R; B], R upper triangular w x w on top of m rows B; B is destroyed.
fn reflect(w: usize, m: usize, height: usize, a: &mut [f64]) -> Result<(), KernelError> {
    for j in 0..w {
        watch::check()?;
        let (left, right) = a.split_at_mut((j + 1) * height);
        let column = &mut left[j * height..];
        let below = dense::dot_long(&column[w..w + m], &column[w..w + m]);
        if below == 0.0 {
            continue;
        }
        let alpha = column[j];
        let norm = (alpha * alpha + below).sqrt();
        let beta = if alpha > 0.0 { -norm } else { norm };
        let v0 = alpha - beta;
        column[j] = beta;
        for v in &mut column[w..w + m] {
            *v /= v0;
        }
        let tau = -v0 / beta;
        let v = &left[j * height + w..j * height + w + m];
        for other in right.chunks_exact_mut(height) {
            let s = tau * (other[j] + dense::dot_long(v, &other[w..w + m]));
            other[j] -= s;
            dense::axpy(-s, v, &mut other[w..w + m]);
        }
    }
    Ok(())
}

/// Result of the rank decision: which columns are estimable.
#[derive(Clone, Debug, PartialEq)]
pub struct Rank {
    /// Columns kept, ascending.
    pub kept: Vec<usize>,
    /// Columns that are linear combinations of kept ones before them.
    pub dropped: Vec<usize>,
}

/// Left-to-right rank decision on a triangular factor R (stride `ld`, first p columns): a column whose part
/// orthogonal to the kept ones is below `tolerance` times its norm is dropped, the later of two aliased columns
/// goes, as in R's `lm` and lme4.
pub fn rank(p: usize, ld: usize, r: &[f64], tolerance: f64) -> Result<Rank, KernelError> {
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let mut out = Rank { kept: vec![], dropped: vec![] };
    for j in 0..p {
        watch::check()?;
        let mut column = memory::zeros(&[p])?;
        column[..=j].copy_from_slice(&r[j * ld..j * ld + j + 1]);
        let norm = dense::dot(&column, &column).sqrt();
        for _ in 0..2 {
            for q in &basis {
                let h = dense::dot(q, &column);
                dense::axpy(-h, q, &mut column);
            }
        }
        let rest = dense::dot(&column, &column).sqrt();
        if rest > tolerance * norm && rest > 0.0 {
            column.iter_mut().for_each(|v| *v /= rest);
            basis.push(column);
            out.kept.push(j);
        } else {
            out.dropped.push(j);
        }
    }
    Ok(out)
}

/// Triangular factor of the kept columns (and, appended, the last column of R: the response) from the factor of all.
pub fn restrict(ld: usize, r: &[f64], kept: &[usize]) -> Result<Vec<f64>, KernelError> {
    let rank = kept.len();
    let columns: Vec<usize> = kept.iter().copied().chain([ld - 1]).collect();
    streaming_qr(ld, rank + 1, |i, row| {
        for (v, &c) in row.iter_mut().zip(&columns) {
            *v = r[i + c * ld];
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn column(i: usize, c: usize) -> f64 {
        let x = i as f64;
        match c {
            0 => 1.0,
            1 => 2010.0 + (i % 8) as f64,
            2 => (0.7 * x).sin() * 1e9,
            3 => 3.0 - 2.0 * (2010.0 + (i % 8) as f64),
            _ => (0.3 * x).cos(),
        }
    }

    #[test]
    fn streaming_qr_reproduces_the_gram_matrix() {
        let (n, w) = (1000, 5);
        let r = streaming_qr(n, w, |i, row| {
            for (c, v) in row.iter_mut().enumerate() {
                *v = column(i, c);
            }
        })
        .unwrap();
        for a in 0..w {
            for b in 0..w {
                let gram: f64 = (0..n).map(|i| column(i, a) * column(i, b)).sum();
                let size: f64 = (0..n).map(|i| (column(i, a) * column(i, b)).abs()).sum();
                let product: f64 = (0..w).map(|i| r[i + a * w] * r[i + b * w]).sum();
                assert!((gram - product).abs() <= 1e-12 * size, "{a} {b} {gram} {product}");
            }
        }
    }

    #[test]
    fn the_later_of_two_aliased_columns_is_dropped() {
        let r = streaming_qr(200, 5, |i, row| {
            for (c, v) in row.iter_mut().enumerate() {
                *v = column(i, c);
            }
        })
        .unwrap();
        assert_eq!(rank(5, 5, &r, 1e-7), Ok(Rank { kept: vec![0, 1, 2, 4], dropped: vec![3] }));
    }
}
