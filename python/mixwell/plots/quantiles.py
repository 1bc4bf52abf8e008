"""Normal quantile-quantile points with a simultaneous band. Arrays only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincc, betaincinv, ndtr, ndtri

FloatArray = NDArray[np.float64]

_MOST_RANKS = 250
_DRAWS = 1000


@dataclass(frozen=True, slots=True)
class NormalQuantiles:
    """Points of a normal quantile-quantile plot and their simultaneous band.

    Attributes
    ----------
    theoretical, sample
        Length m: normal scores, and the standardized values of those ranks.
    low, high
        Length m: of a normal sample, all m values lie within with the stated probability.
    position
        Length m: which of the values given each point is.
    """

    theoretical: FloatArray
    sample: FloatArray
    low: FloatArray
    high: FloatArray
    position: NDArray[np.intp]

    @property
    def outside(self) -> NDArray[np.bool_]:
        return (self.sample < self.low) | (self.sample > self.high)


def shown_ranks(n: int) -> NDArray[np.int64]:
    """Ranks 1..n that are drawn: all of a few hundred, else the ends and an even choice between.

    Examples
    --------
    >>> shown_ranks(4).tolist(), len(shown_ranks(100_000)) <= 250
    ([1, 2, 3, 4], True)
    """
    if n <= _MOST_RANKS:
        return np.arange(1, n + 1)
    ends = 40
    score = np.linspace(ndtri(ends / n), -ndtri(ends / n), _MOST_RANKS - 2 * ends)
    middle = np.rint(ndtr(score) * n).astype(np.int64)
    every = np.concatenate([np.arange(1, ends + 1), middle, np.arange(n - ends + 1, n + 1)])
    return np.unique(np.clip(every, 1, n))


@lru_cache(maxsize=64)
def local_level(n: int, level: float, standardized: bool = True) -> float:
    """The level at each rank that makes the band simultaneous over the ranks shown.

    By simulation: 1000 normal samples with fixed seed, each represented by the ranks shown (uniform order
    statistics as sums of gamma spacings). With ``standardized``, each is standardized by its own mean and
    standard deviation, as the values of the plot are.

    References
    ----------
    Aldor-Noiman, S., Brown, L. D., Buja, A., Rolke, W. and Stine, R. A. (2013). The power to see: a new
    graphical test of normality. The American Statistician 67, 249-260.

    Examples
    --------
    >>> local_level(1, 0.95, standardized=False) > local_level(50, 0.95, standardized=False)
    True
    """
    ranks = shown_ranks(n)
    rng = np.random.default_rng(20130)
    spacings = rng.gamma(np.diff(ranks, prepend=0, append=n + 1), size=(_DRAWS, len(ranks) + 1))
    sums = np.cumsum(spacings, axis=1)
    uniform = sums[:, :-1] / sums[:, -1:]
    if standardized and n > 2:
        score = ndtri(uniform)
        # A rank stands for the ranks around it.
        edges = np.concatenate([[0.5], (ranks[1:] + ranks[:-1]) / 2, [n + 0.5]])
        share = np.diff(edges)
        mean = score @ share / n
        deviation = score - mean[:, None]
        sd = np.sqrt(deviation**2 @ share / (n - 1))
        uniform = ndtr(deviation / sd[:, None])
    tail = np.minimum(betainc(ranks, n + 1 - ranks, uniform), betaincc(ranks, n + 1 - ranks, uniform))
    return float(np.quantile(2 * tail.min(axis=1), 1 - level))


def normal_quantiles(values: FloatArray, level: float = 0.95, standardize: bool = True) -> NormalQuantiles:
    """Normal quantile-quantile points with a simultaneous band of equal local levels.

    Parameters
    ----------
    values
        Length n.
    level
        Of the whole band.
    standardize
        Take off the mean and divide by the standard deviation; False leaves values that are standard already.

    Examples
    --------
    >>> found = normal_quantiles(np.array([3.0, 1.0, 2.0]))
    >>> found.sample.tolist(), found.position.tolist()
    ([-1.0, 0.0, 1.0], [1, 2, 0])
    """
    n = len(values)
    if standardize:
        values = (values - values.mean()) / values.std(ddof=1)
    order = np.argsort(values, kind="stable")
    ranks = shown_ranks(n)
    eta = local_level(n, level, standardize)
    low: FloatArray = np.asarray(ndtri(betaincinv(ranks, n + 1 - ranks, eta / 2)), dtype=np.float64)
    high: FloatArray = np.asarray(-ndtri(betaincinv(n + 1 - ranks, ranks, eta / 2)), dtype=np.float64)
    return NormalQuantiles(
        theoretical=ndtri(plotting_positions(n)[ranks - 1]),
        sample=values[order[ranks - 1]],
        low=low,
        high=high,
        position=order[ranks - 1],
    )


def plotting_positions(n: int) -> FloatArray:
    """Probabilities (i - a) / (n + 1 - 2a) of ranks i, a = 3/8 up to n = 10, else 1/2, as R's ``ppoints``."""
    a = 3 / 8 if n <= 10 else 1 / 2
    return (np.arange(1, n + 1, dtype=np.float64) - a) / (n + 1 - 2 * a)
