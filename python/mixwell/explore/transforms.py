"""Columns made before modelling: centred, within and between groups, seasonal, elapsed.

Each function takes arrays, lists or series and gives back the caller's kind: a series for a series, with its
index and name, else an array. Two pandas series are matched by their row labels. Missing values stay missing.
Here a mean is that of the values given; inside a formula, functions of the same names keep what they learned
from the fitting data and reuse it on new data.
"""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixwell.arguments import checked
from mixwell.data.instants import as_instants
from mixwell.design.transforms import cyclic_pair, elapsed, group_means, instant, mean
from mixwell.errors import DataError
from mixwell.explore import given

FloatArray = NDArray[np.float64]


@checked
def center(x: object) -> Any:
    """``x`` minus its mean.

    Parameters
    ----------
    x
        Length n, numbers; an array, list or series.

    Returns
    -------
    series or array of n floats
        Missing where ``x`` is.

    Raises
    ------
    DataError
        When ``x`` is not numeric, is infinite somewhere or missing everywhere.

    Examples
    --------
    >>> center([1, 2, 6]).tolist()
    [-2.0, -1.0, 3.0]
    """
    values = given.numbers("x", x)
    return given.like(x, values - mean(given.present("x", values)))


@checked
def scale(x: object) -> Any:
    """``x`` minus its mean, divided by its standard deviation (denominator n - 1).

    Parameters
    ----------
    x
        Length n, numbers; an array, list or series.

    Returns
    -------
    series or array of n floats
        Missing where ``x`` is.

    Raises
    ------
    DataError
        When ``x`` is not numeric, or constant.

    Examples
    --------
    >>> scale([1, 2, 3]).tolist()
    [-1.0, 0.0, 1.0]
    """
    values = given.numbers("x", x)
    present = given.present("x", values)
    centred = present - mean(present)
    if not len(present) > 1 or present.min() == present.max():
        raise DataError(
            f"scale(): {given.name('x', x)} is constant; it has no standard deviation to divide by."
        )
    return given.like(x, (values - mean(present)) / np.sqrt(centred @ centred / (len(present) - 1)))


@checked
def between(x: object, g: object) -> Any:
    """The mean of ``x`` in the row's group: what differs between groups.

    Together with :func:`within`, ``y ~ within(x, g) + between(x, g) + (1 | g)`` separates the effect of being
    above one's group's mean from that of belonging to a group with a high mean (Neuhaus & Kalbfleisch 1998,
    Biometrics 54:638).

    Parameters
    ----------
    x
        Length n, numbers.
    g
        Length n, the groups: numbers, text or categories.

    Returns
    -------
    series or array of n floats
        Missing where ``g`` is, and in groups where ``x`` is missing in every row.

    Raises
    ------
    DataError
        When ``x`` is not numeric or the lengths differ.

    Examples
    --------
    >>> between([1, 3, 10], ["a", "a", "b"]).tolist()
    [2.0, 2.0, 10.0]
    """
    values = given.numbers("x", x)
    group = given.group("g", given.beside(x, "g", g), len(values))
    known = (group.codes >= 0) & ~np.isnan(values)
    means = group_means(values[known], group.codes[known], len(group.levels))
    return given.like(x, np.append(means, np.nan)[group.codes])


@checked
def within(x: object, g: object) -> Any:
    """``x`` minus its mean in the row's group: what differs within groups. See :func:`between`.

    Parameters
    ----------
    x
        Length n, numbers.
    g
        Length n, the groups: numbers, text or categories.

    Returns
    -------
    series or array of n floats
        Missing where ``x`` or ``g`` is.

    Raises
    ------
    DataError
        When ``x`` is not numeric or the lengths differ.

    Examples
    --------
    >>> within([1, 3, 10], ["a", "a", "b"]).tolist()
    [-1.0, 1.0, 0.0]
    """
    return given.like(x, given.numbers("x", x) - given.numbers("x", between(x, g)))


@checked
def cyclic(x: object, period: float) -> Any:
    """Sine and cosine of ``x`` on a circle of the given period: a season with free amplitude and phase.

    Parameters
    ----------
    x
        Length n, numbers, in the units of ``period``: months with 12, hours with 24.
    period
        Length of one turn.

    Returns
    -------
    frame with columns ``sin`` and ``cos``, or array of shape (n, 2)
        A frame for a series. Missing where ``x`` is.

    Raises
    ------
    DataError
        When the period is not positive or ``x`` is not numeric.

    Examples
    --------
    >>> cyclic([0, 3, 6], 12).round(12).tolist()
    [[0.0, 1.0], [1.0, 0.0], [0.0, -1.0]]
    """
    pair = cyclic_pair(given.numbers("x", x), period)
    if isinstance(x, pd.Series):
        return pd.DataFrame(pair, index=x.index, columns=["sin", "cos"])
    series = nw.from_native(x, series_only=True, pass_through=True)
    if isinstance(series, nw.Series):
        columns = {"sin": pair[:, 0], "cos": pair[:, 1]}
        return nw.from_dict(columns, backend=series.implementation).to_native()
    return pair


@checked
def time_since(t: object, start: object = None, unit: str | float | None = None) -> Any:
    """Time passed since ``start``, as a number.

    Parameters
    ----------
    t
        Length n, dates or times, or numbers.
    start
        A date (``"2024-03-01"``) or number for all rows, or one per row; by default the earliest of ``t``.
    unit
        For dates ``"seconds"``, ``"minutes"``, ``"hours"``, ``"days"`` (the default), ``"weeks"``,
        ``"months"`` (a twelfth of a year) or ``"years"`` (365.25 days). For numbers, how many of their units
        make one of the result's, by default 1.

    Returns
    -------
    series or array of n floats
        Missing where ``t`` or ``start`` is.

    Raises
    ------
    DataError
        When ``t`` is text, the unit is unknown, or ``start`` is not of the kind of ``t``.

    Examples
    --------
    >>> time_since(np.array(["2024-01-01", "2024-01-15"], dtype="datetime64[D]"), unit="weeks").tolist()
    [0.0, 2.0]
    >>> time_since([2011, 2014], 2010).tolist()
    [1.0, 4.0]
    """
    dates = as_instants("t", t)
    start = given.beside(t, "start", start)
    if dates is None:
        return given.like(t, _numbers_since(t, start, unit))
    if unit is not None and not isinstance(unit, str):
        raise DataError(f"time_since(): {unit!r} is not a unit of dates; give a text such as 'days'.")
    missing = np.zeros(len(dates.values), dtype=bool) if dates.missing is None else dates.missing
    first: NDArray[np.int64] | int
    starts = None if start is None or isinstance(start, str) else as_instants("start", _listed(start))
    if start is None:
        if missing.all():
            raise DataError("time_since(): all times are missing.")
        first = int(dates.values[~missing].min())
    elif isinstance(start, str):
        first = instant(start)
    elif starts is None:
        raise DataError(f"time_since(): the times are dates, but start is not: {start!r}.")
    else:
        given.same_length("start", len(starts.values), len(missing), one=True)
        missing = missing if starts.missing is None else missing | starts.missing
        first = starts.values
    return given.like(t, np.where(missing, np.nan, elapsed(dates.values, first, unit or "days")))


def _numbers_since(t: object, start: object, unit: str | float | None) -> FloatArray:
    values = given.numbers("t", t)
    if isinstance(unit, str):
        raise DataError(
            f"time_since(): the times are numbers, so unit={unit!r} says nothing; give how many of their "
            "units make one of the result's, as in unit=7 for days to weeks."
        )
    divisor = 1.0 if unit is None else float(unit)
    if not (np.isfinite(divisor) and divisor > 0):
        raise DataError(f"time_since(): unit={unit!r} must be a positive number.")
    if start is None:
        return np.asarray((values - given.present("t", values).min()) / divisor)
    starts = given.numbers("start", _listed(start))
    given.same_length("start", len(starts), len(values), one=True)
    return np.asarray((values - starts) / divisor)


def _listed(value: object) -> object:
    """A single value as a list of one."""
    return value if hasattr(value, "__len__") and not isinstance(value, str) else [value]
