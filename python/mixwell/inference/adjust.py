"""P-values and intervals for several comparisons at once.

Upper tails are integrated directly, never as one minus a distribution function, so that small adjusted
p-values keep their relative accuracy.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betainc, gammaincc, gammaln, log_ndtr, ndtri

from mixwell.errors import MixwellError
from mixwell.inference.contrast import t_quantile, t_two_sided

FloatArray = NDArray[np.float64]

METHODS = ("tukey", "dunnett", "mvt", "sidak", "bonferroni", "holm", "fdr")

# Directions on which the multivariate t is averaged.
DIRECTIONS = 1 << 16
# Eigenvalues of a correlation matrix below this are zero.
RANK = 1e-10

Rule = tuple[FloatArray, FloatArray]

_Z: Rule = np.polynomial.legendre.leggauss(128)
_Z_COARSE: Rule = np.polynomial.legendre.leggauss(32)
_S: Rule = np.polynomial.legendre.leggauss(64)
_S_FINE: Rule = np.polynomial.legendre.leggauss(160)


def range_upper(q: float, k: int, df: float) -> float:
    """P(Q > q) of the studentized range of k means (Tukey).

    With Wbar the upper tail of the range of k standard normals, the integral of Wbar(q s) over the density of
    s, the square root of a chi-square over its df.

    >>> round(range_upper(3.5, 3, 20), 6), f"{range_upper(40.0, 4, 60):.3g}"
    (0.055892, '1.3e-35')
    """
    if q <= 0:
        return 1.0
    if np.isinf(df):
        return float(_normal_range_upper(np.array([q]), k, _Z)[0])

    a = df / 2
    if a < 100:
        constant = np.log(2) + a * np.log(a) - a - gammaln(a)
    else:  # the same by Stirling's series, without its cancellation
        constant = np.log(2) + np.log(a / (2 * np.pi)) / 2 - 1 / (12 * a) + 1 / (360 * a**3)

    def density(log_s: FloatArray) -> FloatArray:
        return np.asarray(constant + df * (log_s - np.expm1(2 * log_s) / 2))

    # Where the integrand is more than e^-45 of its maximum; to the left it falls as s^df.
    low, high = -60 / min(df, 60) - 4, 3.0
    n_inside = 0
    while n_inside < 12:
        coarse = np.linspace(low, high, 64)
        with np.errstate(divide="ignore"):
            height = density(coarse) + np.log(_normal_range_upper(q * np.exp(coarse), k, _Z_COARSE))
        if not np.isfinite(height.max()):
            return 0.0
        inside = np.flatnonzero(height > height.max() - 45)
        low, high = coarse[max(inside[0] - 1, 0)], coarse[min(inside[-1] + 1, len(coarse) - 1)]
        n_inside = len(inside)
    half = (high - low) / 2
    nodes, weights = _S if df >= 10 else _S_FINE  # with few df the range is wide
    log_s = low + half * (nodes + 1)
    upper = _normal_range_upper(q * np.exp(log_s), k, _Z)
    return min(1.0, float(half * np.sum(weights * np.exp(density(log_s)) * upper)))


def _normal_range_upper(w: FloatArray, k: int, rule: Rule) -> FloatArray:
    """P(range of k standard normals > w): k phi(z) [Phi(z)^(k-1) - (Phi(z) - Phi(z - w))^(k-1)] over z."""
    w = np.minimum(w, 80.0)[:, np.newaxis]  # beyond, zero in double precision
    low, high = -9.0, 9.0 + w / 2
    half = (high - low) / 2
    nodes, weights = rule
    z = low + half * (nodes + 1)
    log_phi = log_ndtr(z)
    ratio = np.exp(np.minimum(log_ndtr(z - w) - log_phi, 0.0))
    with np.errstate(divide="ignore"):
        lost = -np.expm1((k - 1) * np.log1p(-ratio))
    density = np.exp(-(z**2) / 2 + (k - 1) * log_phi) / np.sqrt(2 * np.pi)
    return np.asarray(k * np.sum(half * weights * density * lost, axis=1))


def maximum_upper(t: FloatArray, df: FloatArray, correlation: FloatArray) -> FloatArray:
    """P(max of abs(T_j) > t) for multivariate t with correlation matrix (m, m), at each t with its own df.

    T = A r u with u uniform on the sphere and r^2 / rank an F variable: the F tail at t^2 / max (A u)^2,
    averaged over directions u. In two dimensions these are equally spaced and the result is exact; in more
    they are a low-discrepancy sequence, the same in every call, and the result is good to about 0.2 percent.

    >>> maximum_upper(np.array([2.5]), np.array([np.inf]), np.eye(2)).round(6).tolist()
    [0.024684]
    """
    values, vectors = np.linalg.eigh(correlation)
    kept = values > RANK * len(values)
    a = vectors[:, kept] * np.sqrt(values[kept])
    rank = a.shape[1]
    largest = np.max((_directions(rank) @ a.T) ** 2, axis=1)
    out = np.empty(len(t))
    for i, (ti, v) in enumerate(zip(np.abs(t), df, strict=True)):
        squared = ti**2 / largest
        if np.isinf(v):
            tail = gammaincc(rank / 2, squared / 2)
        else:
            tail = betainc(v / 2, rank / 2, v / (v + squared))
        out[i] = tail.mean()
    return out


def _directions(rank: int) -> FloatArray:
    """Points on the unit sphere, shape (points, rank)."""
    if rank == 1:
        return np.ones((1, 1))
    if rank == 2:
        angle = np.pi * (np.arange(DIRECTIONS) + 0.5) / DIRECTIONS
        return np.column_stack([np.cos(angle), np.sin(angle)])
    # Additive recurrence on the generalized golden ratio, the root of x^(rank + 1) = x + 1.
    ratio = brentq(lambda x: x ** (rank + 1) - x - 1, 1.0, 2.0)
    steps = ratio ** -np.arange(1.0, rank + 1)
    uniform = (0.5 + np.arange(1, DIRECTIONS + 1)[:, np.newaxis] * steps) % 1.0
    normal = ndtri(np.clip(uniform, 1e-15, 1 - 1e-15))
    return np.asarray(normal / np.linalg.norm(normal, axis=1)[:, np.newaxis])


def check_method(adjust: str | None, *, pairwise: bool) -> None:
    """Refuse methods that do not exist, or do not fit the comparisons.

    Raises
    ------
    MixwellError
    """
    if adjust is None:
        return
    if adjust not in METHODS:
        raise MixwellError(
            f"There is no adjust={adjust!r}; there are {', '.join(map(repr, METHODS))} and None."
        )
    if adjust == "tukey" and not pairwise:
        raise MixwellError(
            "adjust='tukey' is for all pairs; adjust='mvt' takes account of any set of contrasts."
        )


def adjusted_p(
    adjust: str | None, statistic: FloatArray, df: FloatArray, correlation: FloatArray, n_means: int
) -> FloatArray:
    """P-values of a family of m t tests.

    Parameters
    ----------
    adjust
        One of ``METHODS``; ``"dunnett"`` is ``"mvt"``: the multivariate t distribution with the correlation
        that the comparisons have, for balanced and unbalanced data. None leaves p-values as they are.
    statistic, df
        Length m.
    correlation
        Shape (m, m), of the m estimates.
    n_means
        How many means are compared pairwise, for ``"tukey"``.
    """
    plain = t_two_sided(statistic, df)
    m = len(plain)
    if adjust is None or m == 1:
        return plain
    if adjust == "tukey":
        return np.array(
            [range_upper(abs(t) * np.sqrt(2), n_means, v) for t, v in zip(statistic, df, strict=True)]
        )
    if adjust in ("mvt", "dunnett"):
        return maximum_upper(statistic, df, correlation)
    if adjust == "sidak":
        return np.asarray(-np.expm1(m * np.log1p(-np.minimum(plain, 1 - 1e-16))))
    if adjust == "bonferroni":
        return np.minimum(1.0, m * plain)
    order = np.argsort(plain, kind="stable")
    out = np.empty(m)
    if adjust == "holm":
        out[order] = np.maximum.accumulate(np.minimum(1.0, (m - np.arange(m)) * plain[order]))
    else:  # Benjamini & Hochberg (1995)
        out[order] = np.minimum.accumulate((m / np.arange(1, m + 1) * plain[order])[::-1])[::-1]
    return out


def critical_values(
    adjust: str | None, level: float, df: FloatArray, correlation: FloatArray, n_means: int
) -> FloatArray:
    """How many standard errors the simultaneous intervals reach, length m.

    Holm's and Benjamini & Hochberg's methods have no intervals of their own: Bonferroni's are given.
    """
    m = len(df)
    if adjust is None or m == 1:
        return t_quantile(level, df)
    if adjust == "sidak":
        return t_quantile(level ** (1 / m), df)
    if adjust not in ("tukey", "mvt", "dunnett"):
        return t_quantile(1 - (1 - level) / m, df)
    found: dict[float, float] = {}
    for v in df.tolist():
        if v not in found:
            found[v] = _solve(_tail(adjust, v, correlation, n_means), 1 - level, v)
    return np.array([found[v] for v in df.tolist()])


def _tail(adjust: str, df: float, correlation: FloatArray, n_means: int) -> Callable[[float], float]:
    if adjust == "tukey":
        return lambda t: range_upper(t * np.sqrt(2), n_means, df)
    return lambda t: float(maximum_upper(np.array([t]), np.array([df]), correlation)[0])


def _solve(tail: Callable[[float], float], alpha: float, df: float) -> float:
    """The t with this upper tail, by secants of its logarithm, which is nearly a line."""
    before = float(t_quantile(1 - alpha, np.array([df]))[0])  # that of one comparison
    value_before = np.log(tail(before) / alpha)
    t = 1.2 * before
    for _ in range(50):
        value = np.log(tail(t) / alpha)
        if abs(value) < 1e-10 or value == value_before:
            return t
        before, value_before, t = t, value, t - value * (t - before) / (value - value_before)
    raise MixwellError(
        f"No critical value found at alpha={alpha} with {df} degrees of freedom; adjust otherwise."
    )
