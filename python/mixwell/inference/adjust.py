"""P-values and intervals for several comparisons at once.

Upper tails are integrated directly, never as one minus a distribution function, so that small adjusted
p-values keep their relative accuracy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np
from numpy.polynomial.chebyshev import chebval
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betainc, betaincinv, gammaincc, gammainccinv, gammaln, log_ndtr, logsumexp, ndtri

from mixwell.arguments import check_one_of
from mixwell.errors import MixwellError
from mixwell.inference.contrast import f_upper, t_quantile, t_two_sided

FloatArray = NDArray[np.float64]

METHODS = (
    "tukey", "dunnett", "mvt", "scheffe", "sidak", "bonferroni", "holm", "hochberg", "hommel", "fdr"
)  # fmt: skip
# Those that take one-sided p-values as well.
ONE_SIDED = ("sidak", "bonferroni", "holm", "hochberg", "hommel", "fdr")
Side = Literal["two-sided", "less", "greater"]
SIDES: tuple[str, ...] = get_args(Side)

# Directions on which the multivariate t is averaged.
DIRECTIONS = 1 << 16
# Eigenvalues of a correlation matrix below this are zero.
RANK = 1e-10

Rule = tuple[FloatArray, FloatArray]


@dataclass(frozen=True, slots=True)
class Family:
    """Comparisons that are allowed for together.

    Attributes
    ----------
    df
        Length m.
    correlation
        Shape (m, m), of the m estimates.
    n_means
        How many means are compared, for ``"tukey"``.
    side
        Whether one direction counts, or both.
    """

    df: FloatArray
    correlation: FloatArray
    n_means: int
    side: Side = "two-sided"

    def plain_p(self, statistic: FloatArray) -> FloatArray:
        """P-values of each test by itself."""
        if self.side == "two-sided":
            return t_two_sided(statistic, self.df)
        upward = statistic if self.side == "greater" else -statistic
        half = t_two_sided(statistic, self.df) / 2
        return np.asarray(np.where(upward > 0, half, 1 - half))

    def plain_quantile(self, level: float) -> FloatArray:
        """How many standard errors the interval of each by itself reaches."""
        if self.side != "two-sided" and level <= 0.5:
            raise MixwellError(f"A one-sided interval needs a level above 0.5, not {level!r}.")
        return t_quantile(level if self.side == "two-sided" else 2 * level - 1, self.df)


_Z: Rule = np.polynomial.legendre.leggauss(128)
_S: Rule = np.polynomial.legendre.leggauss(64)
_S_FINE: Rule = np.polynomial.legendre.leggauss(160)
# Between these the logarithm of the tail of the normal range is a polynomial of this degree, to 1e-11.
_EDGES = np.concatenate([np.arange(0.0, 16.0), np.arange(16.0, 82.0, 4.0)])
_DEGREE = 20
_TINY = np.finfo(np.float64).tiny


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
        return float(np.exp(_log_normal_range_upper(np.array([q]), k)[0]))

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
        height = density(coarse) + _log_normal_range_upper(q * np.exp(coarse), k)
        if not np.isfinite(height.max()):
            return 0.0
        inside = np.flatnonzero(height > height.max() - 45)
        low, high = coarse[max(inside[0] - 1, 0)], coarse[min(inside[-1] + 1, len(coarse) - 1)]
        n_inside = len(inside)
    half = (high - low) / 2
    nodes, weights = _S if df >= 10 else _S_FINE  # with few df the range is wide
    log_s = low + half * (nodes + 1)
    height = density(log_s) + _log_normal_range_upper(q * np.exp(log_s), k)
    return min(1.0, float(half * np.sum(weights * np.exp(height))))


def _log_normal_range_upper(w: FloatArray, k: int) -> FloatArray:
    """log P(range of k standard normals > w), from polynomials that are made once for each k."""
    panel = np.searchsorted(_EDGES, w, side="right") - 1
    inside = panel < len(_EDGES) - 1
    at = panel[inside]
    position = 2 * (w[inside] - _EDGES[at]) / np.diff(_EDGES)[at] - 1
    out = np.full(w.shape, -np.inf)  # beyond, zero in double precision
    out[inside] = chebval(position, _log_range_polynomials(k)[at].T, tensor=False)
    return out


@cache
def _log_range_polynomials(k: int) -> FloatArray:
    """Chebyshev coefficients of :func:`_log_range` between neighbouring edges, shape (panels, degree + 1)."""
    order = np.arange(_DEGREE + 1)
    angle = np.pi * (order + 0.5) / len(order)
    w = _EDGES[:-1, np.newaxis] + np.diff(_EDGES)[:, np.newaxis] * (np.cos(angle) + 1) / 2
    values = _log_range(w.ravel(), k).reshape(w.shape)
    coefficients = 2 / len(order) * values @ np.cos(np.outer(angle, order))
    coefficients[:, 0] /= 2
    return np.asarray(coefficients)


def _log_range(w: FloatArray, k: int) -> FloatArray:
    """log of the integral over z of k phi(z) [Phi(z)^(k-1) - (Phi(z) - Phi(z - w))^(k-1)]."""
    w = w[:, np.newaxis]
    low, high = -9.0, 9.0 + w / 2
    half = (high - low) / 2
    nodes, weights = _Z
    z = low + half * (nodes + 1)
    log_below = log_ndtr(z)
    log_ratio = np.minimum(log_ndtr(z - w) - log_below, 0.0)
    with np.errstate(divide="ignore"):
        lost = -np.expm1((k - 1) * np.log1p(-np.exp(log_ratio)))
    log_lost = np.where(log_ratio > -30, np.log(np.maximum(lost, _TINY)), np.log(k - 1) + log_ratio)
    height = np.log(k * half * weights / np.sqrt(2 * np.pi)) - z**2 / 2 + (k - 1) * log_below + log_lost
    return np.asarray(logsumexp(height, axis=1))


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


def check_method(adjust: str | None, *, pairwise: bool, side: str = "two-sided") -> None:
    """Refuse methods that do not exist, or do not fit the comparisons.

    Raises
    ------
    MixwellError
    """
    check_one_of("side", side, SIDES)
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
    if side != "two-sided" and adjust not in ONE_SIDED:
        raise MixwellError(
            f"adjust={adjust!r} is two-sided; with side={side!r} there are "
            f"{', '.join(map(repr, ONE_SIDED))} and None."
        )


def adjusted_p(adjust: str | None, statistic: FloatArray, family: Family) -> FloatArray:
    """P-values of a family of m t tests, length m.

    Parameters
    ----------
    adjust
        One of ``METHODS``; ``"dunnett"`` is ``"mvt"``: the multivariate t distribution with the correlation
        that the comparisons have, for balanced and unbalanced data. None leaves p-values as they are.
    statistic
        Length m.
    family
        What the tests have in common.
    """
    plain = family.plain_p(statistic)
    m, df = len(plain), family.df
    if adjust is None or m == 1:
        return plain
    if adjust == "tukey":
        k = family.n_means
        return np.array([range_upper(abs(t) * np.sqrt(2), k, v) for t, v in zip(statistic, df, strict=True)])
    if adjust in ("mvt", "dunnett"):
        return maximum_upper(statistic, df, family.correlation)
    if adjust == "scheffe":
        r = rank_of(family.correlation)
        return np.array([f_upper(t**2 / r, r, v) for t, v in zip(statistic, df, strict=True)])
    if adjust == "sidak":
        return np.asarray(-np.expm1(m * np.log1p(-np.minimum(plain, 1 - 1e-16))))
    if adjust == "bonferroni":
        return np.minimum(1.0, m * plain)
    order = np.argsort(plain, kind="stable")
    ranked, left = plain[order], m - np.arange(m)
    out = np.empty(m)
    if adjust == "holm":
        out[order] = np.maximum.accumulate(np.minimum(1.0, left * ranked))
    elif adjust == "hochberg":
        out[order] = np.minimum.accumulate((left * ranked)[::-1])[::-1]
    elif adjust == "hommel":
        out[order] = _hommel(ranked)
    else:  # Benjamini & Hochberg (1995)
        out[order] = np.minimum.accumulate((m / np.arange(1, m + 1) * ranked)[::-1])[::-1]
    return out


def _hommel(ranked: FloatArray) -> FloatArray:
    """Hommel (1988): the largest Simes p-value of the intersections that a hypothesis belongs to.

    Of the intersections of k hypotheses that contain the i-th smallest, the least significant takes the k - 1
    largest others; its Simes p-value is the least of k p_(j) / j.

    >>> import numpy as np
    >>> _hommel(np.array([0.01, 0.02, 0.022, 0.09])).round(3).tolist()
    [0.03, 0.04, 0.044, 0.09]
    """
    m = len(ranked)
    out = ranked.copy()
    for i in range(m):
        for k in range(2, m + 1):
            tail = np.arange(m - k, m) if i >= m - k else np.r_[i, np.arange(m - k + 1, m)]
            simes = float(np.min(k * ranked[tail] / np.arange(1, k + 1)))
            out[i] = max(out[i], min(1.0, simes))
    return out


def rank_of(correlation: FloatArray) -> int:
    """How many of the contrasts are independent."""
    values = np.linalg.eigvalsh(correlation)
    return int(np.sum(values > RANK * len(values)))


def critical_values(adjust: str | None, level: float, family: Family) -> FloatArray:
    """How many standard errors the simultaneous intervals reach, length m.

    Stepwise methods (Holm's, Hochberg's, Hommel's) and Benjamini & Hochberg's have no intervals of their own:
    Bonferroni's are given.
    """
    df = family.df
    m = len(df)
    if adjust is None or m == 1:
        return family.plain_quantile(level)
    if adjust == "sidak":
        return family.plain_quantile(level ** (1 / m))
    if adjust == "scheffe":
        # Of F on r and v df: t^2 = r F with v / (v + r F) a beta variable.
        r = rank_of(family.correlation)
        finite = np.where(np.isinf(df), 1.0, df)
        x = betaincinv(finite / 2, r / 2, 1 - level)
        return np.sqrt(np.where(np.isinf(df), 2 * gammainccinv(r / 2, 1 - level), finite * (1 - x) / x))
    if adjust not in ("tukey", "mvt", "dunnett"):
        return family.plain_quantile(1 - (1 - level) / m)
    found: dict[float, float] = {}
    larger, apart = 1.2, 0.2  # than the t of one comparison; how well that is known
    for v in df.tolist():
        if v not in found:
            single = float(t_quantile(level, np.array([v]))[0])
            found[v] = _solve(_tail(adjust, v, family), 1 - level, larger * single, apart)
            larger, apart = found[v] / single, 0.002  # much the same with other degrees of freedom
    return np.array([found[v] for v in df.tolist()])


def _tail(adjust: str, df: float, family: Family) -> Callable[[float], float]:
    if adjust == "tukey":
        return lambda t: range_upper(t * np.sqrt(2), family.n_means, df)
    return lambda t: float(maximum_upper(np.array([t]), np.array([df]), family.correlation)[0])


def _solve(tail: Callable[[float], float], alpha: float, guess: float, apart: float) -> float:
    """The t with this upper tail, by secants of its logarithm, which is nearly a line.

    The first secant is through ``guess`` and the point below it by the part ``apart``. The error after a step
    is a small multiple of the product of the two errors before it.
    """
    before, t = guess / (1 + apart), guess
    value_before = float(np.log(tail(before) / alpha))
    for _ in range(50):
        value = float(np.log(tail(t) / alpha))
        if abs(value) < 1e-10 or value == value_before:
            return t
        last = abs(value * value_before) < 1e-9
        before, value_before, t = t, value, t - value * (t - before) / (value - value_before)
        if last:
            return t
    raise MixwellError(f"No critical value found at alpha={alpha} from {guess} on; adjust otherwise.")
