"""Null distributions of likelihood ratios when variances lie on the boundary of their space.

The statistic is asymptotically the squared length of the projection of a normal vector on a cone (Self &
Liang 1987): directions that are free, and one cone of positive semidefinite matrices per random term with
variances that the null hypothesis sets to zero. One such variance gives the mixtures of Stram & Lee (1994).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

FloatArray = NDArray[np.float64]

# Criteria of two optima that differ by no more are equal: each is known to about a tenth of this.
EQUAL = 1e-7
# Directions drawn; each is used with its opposite, which evens out the weights.
DRAWS = 10000
_SEED = 20040107


def chi_square_tail(statistic: float | FloatArray, df: float) -> FloatArray:
    """P(chi-square_df >= statistic); chi-square_0 is zero."""
    x = np.maximum(np.asarray(statistic, dtype=np.float64), 0.0)
    return np.where(x <= 0, 1.0, chdtrc(df, x) if df > 0 else 0.0)


def likelihood_ratio(smaller: float, larger: float) -> float:
    """Criterion of the smaller model less that of the larger; zero, no rounding error, where both are equal.

    >>> likelihood_ratio(12.0, 12.0 - 3e-14), likelihood_ratio(12.0, 12.5), likelihood_ratio(12.5, 12.0)
    (0.0, 0.0, 0.5)
    """
    difference = smaller - larger
    return difference if difference > EQUAL else 0.0


def boundary_p_value(
    statistic: float, df: int, n_boundary: Sequence[int], covariance: FloatArray | None = None
) -> float:
    """p-value of a likelihood ratio with variances on the boundary.

    Parameters
    ----------
    statistic
        The likelihood ratio.
    df
        Difference in the number of parameters.
    n_boundary
        Per random term, how many variances the null hypothesis sets to zero (m).
    covariance
        Asymptotic covariance, up to a factor, of the entries of the m x m matrices of those terms (lower
        triangles by column, term after term), needed only if more than one variance is tested.

    Returns
    -------
    float
        0.5 P(chi2_{df-1} >= x) + 0.5 P(chi2_df >= x) for one variance (Stram & Lee 1994, cases 1 to 3);
        simulated weights for several.

    Examples
    --------
    >>> round(boundary_p_value(2.7055, 1, [1]), 4), round(boundary_p_value(2.7055, 1, []), 4)
    (0.05, 0.1)
    """
    sizes = [m for m in n_boundary if m > 0]
    if statistic <= 0:
        return 1.0
    if not sizes:
        return float(chi_square_tail(statistic, df))
    if sizes == [1]:
        return float(0.5 * chi_square_tail(statistic, df - 1) + 0.5 * chi_square_tail(statistic, df))
    if covariance is None:
        raise ValueError("several variances on the boundary need the covariance of their estimates")
    return _projected_p_value(statistic, df, sizes, covariance)


def _projected_p_value(statistic: float, df: int, sizes: Sequence[int], covariance: FloatArray) -> float:
    """Mean over random directions u of P(chi2_df >= x / |P_C u|^2): length and direction are independent.

    So the tail is exact for each direction, and small p-values are as accurate as large ones.
    """
    rng = np.random.default_rng(_SEED)
    in_cone = covariance.shape[0]
    root = np.linalg.cholesky(covariance)
    half = rng.standard_normal((DRAWS // 2, in_cone))
    white = np.concatenate([half, -half])
    free = rng.chisquare(df - in_cone, DRAWS) if df > in_cone else np.zeros(DRAWS)
    total = np.sum(white**2, axis=1)
    distance = _squared_distance(
        white @ root.T, np.linalg.inv(covariance).astype(np.float64, copy=False), sizes
    )
    share = (free + np.maximum(total - distance, 0.0)) / (free + total)
    tails = np.zeros(DRAWS)
    inside = share > 1e-12
    tails[inside] = chi_square_tail(statistic / share[inside], df)
    return float(tails.mean())


def _squared_distance(points: FloatArray, metric: FloatArray, sizes: Sequence[int]) -> FloatArray:
    """Squared distance of points (draws, d) from the product of cones of m x m matrices, in a metric.

    Accelerated projected gradient, all draws at once.
    """
    turn = _balance(metric, sizes)
    back = np.linalg.inv(turn)
    points, metric = points @ turn.T, back.T @ metric @ back
    step = 1.0 / float(np.linalg.eigvalsh(metric)[-1])
    nearest = nearest_semidefinite(points, sizes)
    left = np.arange(len(points))
    at = momentum = nearest
    t = 1.0
    for _ in range(500):
        moved = nearest_semidefinite(momentum - step * ((momentum - points[left]) @ metric), sizes)
        t_next = (1 + math.sqrt(1 + 4 * t * t)) / 2
        momentum = moved + ((t - 1) / t_next) * (moved - at)
        going = np.max(np.abs(moved - at), axis=1) >= 1e-6
        nearest[left] = moved
        # Draws that have arrived leave.
        left, at, momentum, t = left[going], moved[going], momentum[going], t_next
        if not len(left):
            break
    gap = nearest - points
    squared: FloatArray = np.sum((gap @ metric) * gap, axis=1)
    return squared


def lower_triangle(m: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the lower triangle, column by column."""
    columns, rows = np.triu_indices(m)
    return rows, columns


def _weights(m: int) -> FloatArray:
    rows, columns = lower_triangle(m)
    return np.where(rows == columns, 1.0, math.sqrt(2.0))


def _balance(metric: FloatArray, sizes: Sequence[int]) -> FloatArray:
    """A change of coordinates that keeps the cone and brings the metric near to that of Frobenius.

    Each matrix X becomes L'XL, told by its entries with sqrt(2) on those off the diagonal, where S = LL'
    makes vec(X)'(S x S)vec(X) the metric as nearly as its largest entries tell: with one matrix and groups
    that are alike it does so exactly, and then the projection is found at once.
    """
    out = np.zeros_like(metric)
    at = 0
    for m in sizes:
        rows, columns = lower_triangle(m)
        part = slice(at, at + len(rows))
        own = metric[part, part]
        place = {(r, c): i for i, (r, c) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True))}
        # metric(E_ii, E_ii) = S_ii^2 and metric(E_ii, E_ij + E_ji) = 2 S_ii S_ij.
        s = np.diag([math.sqrt(own[place[i, i], place[i, i]]) for i in range(m)])
        for i, j in ((r, c) for r, c in place if r > c):
            s[i, j] = s[j, i] = sum(own[place[k, k], place[i, j]] / (4 * s[k, k]) for k in (i, j))
        try:
            lower = np.linalg.cholesky(s)
        except np.linalg.LinAlgError:
            lower = np.diag(np.sqrt(np.diagonal(s)))
        for i, (r, c) in enumerate(zip(rows, columns, strict=True)):
            unit = np.zeros((m, m))
            unit[r, c] = unit[c, r] = 1.0
            out[part, at + i] = (lower.T @ unit @ lower)[rows, columns] * _weights(m)
        at += len(rows)
    return out


def nearest_semidefinite(points: FloatArray, sizes: Sequence[int]) -> FloatArray:
    """Nearest positive semidefinite matrices: negative eigenvalues become zero."""
    out = np.empty_like(points)
    at = 0
    for m in sizes:
        rows, columns = lower_triangle(m)
        part = points[:, at : at + len(rows)]
        if m == 1:
            out[:, at : at + 1] = np.maximum(part, 0.0)
        elif m == 2:
            out[:, at : at + 3] = _project_pair(part)
        else:
            matrices = np.empty((len(points), m, m))
            matrices[:, rows, columns] = part / _weights(m)
            matrices[:, columns, rows] = matrices[:, rows, columns]
            values, vectors = np.linalg.eigh(matrices)
            nearest = (vectors * np.maximum(values, 0.0)[:, None, :]) @ np.swapaxes(vectors, 1, 2)
            out[:, at : at + len(rows)] = nearest[:, rows, columns] * _weights(m)
        at += len(rows)
    return out


def _project_pair(part: FloatArray) -> FloatArray:
    """The same for 2 x 2 matrices (a, sqrt(2) b, c), in closed form: eigenvalues mean +- radius."""
    mean = (part[:, 0] + part[:, 2]) / 2
    half = (part[:, 0] - part[:, 2]) / 2
    radius = np.sqrt(half**2 + part[:, 1] ** 2 / 2)
    share = np.clip((mean + radius) / np.maximum(2 * radius, 1e-300), 0.0, None)
    # One eigenvalue positive: (M - (mean - radius) I) (mean + radius) / (2 radius).
    single = part * share[:, None]
    single[:, [0, 2]] -= ((mean - radius) * share)[:, None]
    inside = mean >= radius
    return np.where(inside[:, None], part, single)
