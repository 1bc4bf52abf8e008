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

# Directions drawn; each is used with its opposite, which evens out the weights.
DRAWS = 10000
_SEED = 20040107


def chi_square_tail(statistic: float | FloatArray, df: float) -> FloatArray:
    """P(chi-square_df >= statistic); chi-square_0 is zero."""
    x = np.maximum(np.asarray(statistic, dtype=np.float64), 0.0)
    return np.where(x <= 0, 1.0, chdtrc(df, x) if df > 0 else 0.0)


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
    scale = _balance(metric, sizes)
    points, metric = points / scale, metric * np.outer(scale, scale)
    step = 1.0 / float(np.linalg.eigvalsh(metric)[-1])
    at = nearest_semidefinite(points, sizes)
    momentum = at
    t = 1.0
    for _ in range(500):
        moved = nearest_semidefinite(momentum - step * ((momentum - points) @ metric), sizes)
        t_next = (1 + math.sqrt(1 + 4 * t * t)) / 2
        momentum = moved + ((t - 1) / t_next) * (moved - at)
        change = float(np.max(np.abs(moved - at)))
        at, t = moved, t_next
        if change < 1e-6:
            break
    gap = at - points
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
    """Scales of the entries that stretch each matrix by a diagonal congruence, which keeps the cone."""
    scales = []
    variances = 1 / np.diagonal(metric)
    at = 0
    for m in sizes:
        rows, columns = lower_triangle(m)
        own = variances[at : at + len(rows)]
        root = own[rows == columns] ** 0.25
        # sqrt(2) on the off-diagonal makes the length of the entries that of the matrix (Frobenius).
        scales.append(root[rows] * root[columns] / _weights(m))
        at += len(rows)
    return np.concatenate(scales)


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
