"""A local linear smooth with a pointwise band, and a density, for any number of points. Arrays only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

FloatArray = NDArray[np.float64]

# Points are first averaged in this many bins of equal counts; the smooth is evaluated at the bins.
_BINS = 300


@dataclass(frozen=True, slots=True)
class Smooth:
    """A smooth of y on x.

    Attributes
    ----------
    x, mean, low, high
        Length m, x ascending: the smooth and its pointwise interval.
    """

    x: FloatArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, slots=True)
class Bins:
    """Rows averaged in bins: ``x``, ``y`` means, ``count`` of rows, each length m; ``within``, the sum of
    squares of y about the bins' means."""

    x: FloatArray
    y: FloatArray
    count: FloatArray
    within: float


def binned(x: FloatArray, y: FloatArray, bins: int = _BINS) -> Bins:
    """Average rows in at most ``bins`` bins of about equal counts; equal x are never parted.

    Examples
    --------
    >>> bins = binned(np.array([1.0, 2.0, 1.0]), np.array([0.0, 5.0, 2.0]))
    >>> bins.x.tolist(), bins.y.tolist(), bins.count.tolist(), bins.within
    ([1.0, 2.0], [1.0, 5.0], [2.0, 1.0], 2.0)
    """
    order = np.argsort(x, kind="stable")
    sorted_x, sorted_y = x[order], y[order]
    first = np.concatenate([[True], np.diff(sorted_x) > 0])
    distinct = np.cumsum(first) - 1
    if distinct[-1] + 1 > bins:
        # The bin of a distinct x is that of its first row.
        at_first = np.flatnonzero(first) * bins // len(x)
        code = at_first[distinct]
        code = np.cumsum(np.concatenate([[0], np.diff(code) > 0]))
    else:
        code = distinct
    count = np.bincount(code).astype(np.float64)
    mean_x = np.bincount(code, sorted_x) / count
    mean_y = np.bincount(code, sorted_y) / count
    within = float(np.sum((sorted_y - mean_y[code]) ** 2))
    return Bins(mean_x, mean_y, count, within)


def smooth(x: FloatArray, y: FloatArray, span: float = 0.6, level: float = 0.95) -> Smooth:
    """Local linear regression with tricube weights on the nearest ``span`` of the rows.

    The band is pointwise, for independent errors of equal variance: a guide to the eye, not a test.

    Parameters
    ----------
    x, y
        Length n.
    span
        Share of the rows that a local line is fitted to.
    level
        Of the band.

    References
    ----------
    Cleveland, W. S. and Devlin, S. J. (1988). Locally weighted regression. J. Amer. Statist. Assoc. 83.

    Examples
    --------
    >>> x = np.linspace(0, 1, 50)
    >>> line = smooth(x, 2 + 3 * x)
    >>> bool(np.allclose(line.mean, 2 + 3 * line.x))
    True
    """
    bins = binned(x, y)
    operator = _local_lines(bins.x, bins.count, span)
    mean = operator @ bins.y
    residual = bins.within + float(bins.count @ (bins.y - mean) ** 2)
    # A row's own weight is that of its bin over the bin's count: summed over rows, the trace over bins.
    free = max(len(x) - float(np.trace(operator)), 1.0)
    variance = residual / free * np.sum(operator**2 / bins.count, axis=1)
    half = ndtri((1 + level) / 2) * np.sqrt(variance)
    return Smooth(bins.x, mean, mean - half, mean + half)


def _local_lines(x: FloatArray, count: FloatArray, span: float) -> FloatArray:
    """The matrix (m, m) that takes bin means to fitted values at the bins."""
    distance = x[None, :] - x[:, None]
    far = np.abs(distance)
    order = np.argsort(far, axis=1)
    reached = np.cumsum(count[order], axis=1) >= min(span, 1.0) * count.sum()
    # At least four bins where there are as many: fewer leave the local line no freedom.
    nearest = np.maximum(np.argmax(reached, axis=1), min(4, len(x) - 1))
    bandwidth = np.take_along_axis(far, np.take_along_axis(order, nearest[:, None], 1), 1) * 1.001
    scaled = np.divide(far, bandwidth, out=np.zeros_like(far), where=bandwidth > 0)
    weight = count * np.clip(1 - scaled**3, 0, None) ** 3
    s0 = weight.sum(axis=1, keepdims=True)
    s1 = (weight * distance).sum(axis=1, keepdims=True)
    s2 = (weight * distance**2).sum(axis=1, keepdims=True)
    spread = s0 * s2 - s1**2
    line = spread > 1e-10 * s0 * s2
    safe = np.where(line, spread, 1.0)
    result: FloatArray = np.where(line, weight * (s2 - s1 * distance) / safe, weight / s0)
    return result


@dataclass(frozen=True, slots=True)
class Density:
    """A density estimate: ``x`` and ``height``, each length m."""

    x: FloatArray
    height: FloatArray


def bandwidth(values: FloatArray) -> float:
    """0.9 min(sd, IQR / 1.349) n^(-1/5) (Silverman 1986, eq. 3.31); 0 for constant values."""
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    low, high = np.quantile(values, [0.25, 0.75])
    iqr = float(high - low) / 1.349
    spread = min(sd, iqr) if iqr > 0 else sd
    return float(0.9 * spread * len(values) ** -0.2)


def density(values: FloatArray, points: int = 401) -> Density:
    """Gaussian kernel density on a grid, three bandwidths beyond the data.

    Examples
    --------
    >>> from scipy.integrate import trapezoid
    >>> found = density(np.array([0.0, 1.0, 1.5, 3.0]))
    >>> round(float(trapezoid(found.height, found.x)), 2)
    1.0
    """
    # Constant values: a narrow peak.
    h = bandwidth(values) or 1e-3 * float(np.abs(values).max()) or 1e-3
    low, high = float(values.min()) - 3 * h, float(values.max()) + 3 * h
    grid = np.linspace(low, high, points)
    step = grid[1] - grid[0]
    # Linear binning: each value shared between the two grid points beside it.
    at = np.clip((values - low) / step, 0, points - 1 - 1e-9)
    left = at.astype(np.intp)
    share = at - left
    mass = np.bincount(left, 1 - share, points) + np.bincount(left + 1, share, points)
    offsets = np.arange(-points + 1, points) * step
    kernel = np.exp(-0.5 * (offsets / h) ** 2) / (h * np.sqrt(2 * np.pi))
    height = np.convolve(mass, kernel, mode="full")[points - 1 : 2 * points - 1] / len(values)
    return Density(grid, height)


def histogram_edges(values: FloatArray, most: int = 60) -> FloatArray:
    """Edges of equal bins, by Freedman & Diaconis (1981), at least 6 and at most ``most``."""
    low, high = float(values.min()), float(values.max())
    q1, q3 = np.quantile(values, [0.25, 0.75])
    width = 2 * float(q3 - q1) * len(values) ** (-1 / 3)
    bins = int(np.ceil((high - low) / width)) if width > 0 else most
    return np.linspace(low, high, min(max(bins, 6), most) + 1)
