"""Columns made before modelling: centred, within and between groups, seasonal, elapsed and lagged.

Each function takes arrays, lists or series and gives back the caller's kind: a series for a series, with its
index and name, else an array. Missing values stay missing. Here a mean is that of the values given; inside a
formula, functions of the same names keep what they learned from the fitting data and reuse it on new data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixwell.data.columns import Factor, Logicals, as_factor
from mixwell.data.frame import as_column
from mixwell.data.instants import Instants, as_instants
from mixwell.design.transforms import cyclic_pair, elapsed, group_means, instant, mean
from mixwell.errors import DataError

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.intp]
IntArray = NDArray[np.int32]
Statistic = Literal["sum", "mean", "min", "max", "count"]


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
    values = _numbers("x", x)
    return _like(x, values - mean(_present("x", values)))


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
    values = _numbers("x", x)
    present = _present("x", values)
    centred = present - mean(present)
    if not len(present) > 1 or present.min() == present.max():
        raise DataError(f"scale(): {_name('x', x)} is constant; it has no standard deviation to divide by.")
    return _like(x, (values - mean(present)) / np.sqrt(centred @ centred / (len(present) - 1)))


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
    values = _numbers("x", x)
    group = _group("g", g, len(values))
    known = (group.codes >= 0) & ~np.isnan(values)
    means = group_means(values[known], group.codes[known], len(group.levels))
    return _like(x, np.append(means, np.nan)[group.codes])


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
    return _like(x, _numbers("x", x) - _plain(between(x, g)))


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
    pair = cyclic_pair(_numbers("x", x), float(period))
    if isinstance(x, pd.Series):
        return pd.DataFrame(pair, index=x.index, columns=["sin", "cos"])
    series = nw.from_native(x, series_only=True, pass_through=True)
    if isinstance(series, nw.Series):
        columns = {"sin": pair[:, 0], "cos": pair[:, 1]}
        return nw.from_dict(columns, backend=series.implementation).to_native()
    return pair


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
    if dates is None:
        return _like(t, _numbers_since(t, start, unit))
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
        _same_length("start", len(starts.values), len(missing), one=True)
        missing = missing if starts.missing is None else missing | starts.missing
        first = starts.values
    return _like(t, np.where(missing, np.nan, elapsed(dates.values, first, unit or "days")))


def _numbers_since(t: object, start: object, unit: str | float | None) -> FloatArray:
    values = _numbers("t", t)
    if isinstance(unit, str):
        raise DataError(
            f"time_since(): the times are numbers, so unit={unit!r} says nothing; give how many of their "
            "units make one of the result's, as in unit=7 for days to weeks."
        )
    divisor = 1.0 if unit is None else float(unit)
    if not (np.isfinite(divisor) and divisor > 0):
        raise DataError(f"time_since(): unit={unit!r} must be a positive number.")
    if start is None:
        return np.asarray((values - _present("t", values).min()) / divisor)
    starts = _numbers("start", _listed(start))
    _same_length("start", len(starts), len(values), one=True)
    return np.asarray((values - starts) / divisor)


def lag(x: object, g: object, time: object = None, steps: int = 1) -> Any:
    """The value of ``x`` some measurements earlier in the same group.

    Parameters
    ----------
    x
        Length n, numbers.
    g
        Length n, the groups. None for a single one.
    time
        Length n, numbers or dates that order the rows of a group; by default they are in order as they stand.
        The lag counts measurements, not units of time.
    steps
        How many measurements earlier, at least 1.

    Returns
    -------
    series or array of n floats
        In the order of the rows given. Missing in the first ``steps`` rows of a group, and where ``g`` or
        ``time`` is.

    Raises
    ------
    DataError
        When two rows of a group have the same time, or ``steps`` is not positive (that would look ahead).

    Examples
    --------
    >>> lag([1, 2, 3, 4], ["a", "b", "a", "b"]).tolist()
    [nan, nan, 1.0, 2.0]
    """
    _positive("lag()", "steps", steps)

    def shifted(values: pd.Series[float], codes: IntArray) -> pd.Series[float]:
        return values.groupby(codes).shift(steps)

    return _along(x, g, time, shifted)


def rolling_mean(
    x: object, g: object, time: object = None, window: int = 3, min_periods: int | None = None
) -> Any:
    """Mean of the last ``window`` measurements of the same group, the row's own included.

    Parameters
    ----------
    x
        Length n, numbers.
    g
        Length n, the groups. None for a single one.
    time
        Length n, numbers or dates that order the rows of a group; by default they are in order as they stand.
    window
        How many measurements, counted back from the row's own.
    min_periods
        Missing where fewer values than this are there to average; by default ``window``.

    Returns
    -------
    series or array of n floats
        In the order of the rows given.

    Raises
    ------
    DataError
        When two rows of a group have the same time, or ``window`` is not positive.

    Examples
    --------
    >>> rolling_mean([1, 3, 5, 9], ["a", "a", "a", "b"], window=2, min_periods=1).tolist()
    [1.0, 2.0, 4.0, 9.0]
    """
    _positive("rolling_mean()", "window", window)
    least = window if min_periods is None else min_periods
    _positive("rolling_mean()", "min_periods", least)
    if least > window:
        raise DataError(f"rolling_mean(): min_periods={least} is more than window={window}.")

    def rolled(values: pd.Series[float], codes: IntArray) -> pd.Series[float]:
        return values.groupby(codes).rolling(window, min_periods=least).mean()

    return _along(x, g, time, rolled)


_Along = Callable[["pd.Series[float]", IntArray], "pd.Series[float]"]

_CUMULATIVE: Mapping[str, _Along] = {
    "sum": lambda values, codes: values.groupby(codes).cumsum(),
    "mean": lambda values, codes: values.groupby(codes).expanding().mean(),
    "min": lambda values, codes: values.groupby(codes).cummin(),
    "max": lambda values, codes: values.groupby(codes).cummax(),
    "count": lambda values, codes: values.notna().astype(float).groupby(codes).cumsum(),
}


def cumulative(x: object, g: object, time: object = None, statistic: Statistic = "sum") -> Any:
    """Running sum, mean, minimum, maximum or count of the same group up to the row, its own value included.

    Parameters
    ----------
    x
        Length n, numbers; missing ones are passed over.
    g
        Length n, the groups. None for a single one.
    time
        Length n, numbers or dates that order the rows of a group; by default they are in order as they stand.
    statistic
        ``"sum"``, ``"mean"``, ``"min"``, ``"max"`` or ``"count"``.

    Returns
    -------
    series or array of n floats
        In the order of the rows given. Missing where ``x`` is.

    Raises
    ------
    DataError
        When two rows of a group have the same time, or there is no such statistic.

    Examples
    --------
    >>> cumulative([1, 2, 3, 4], ["a", "b", "a", "b"]).tolist()
    [1.0, 2.0, 4.0, 6.0]
    """
    if statistic not in _CUMULATIVE:
        listed = ", ".join(map(repr, _CUMULATIVE))
        raise DataError(f"cumulative(): there is no statistic {statistic!r}; it is one of {listed}.")

    def accumulated(values: pd.Series[float], codes: IntArray) -> pd.Series[float]:
        running = _CUMULATIVE[statistic](values, codes).reset_index(drop=True)
        return running.where(values.notna())

    return _along(x, g, time, accumulated)


def _along(x: object, g: object, time: object, function: _Along) -> Any:
    """Apply a function of values sorted by group, then time, and their groups; it keeps their order.

    Missing where the group or time is.
    """
    values = _numbers("x", x)
    codes = np.zeros(len(values), dtype=np.int32) if g is None else _group("g", g, len(values)).codes
    rows = np.flatnonzero(codes >= 0)
    if time is not None:
        times, present = _times(time, len(values))
        rows = rows[present[rows]]
        rows = rows[np.lexsort((times[rows], codes[rows]))]
        _check_ties(g, codes[rows], times[rows], time, rows)
    else:
        rows = rows[np.argsort(codes[rows], kind="stable")]
    result = np.full(len(values), np.nan)
    result[rows] = function(pd.Series(values[rows]), codes[rows]).to_numpy(dtype=np.float64)
    return _like(x, result)


def _times(time: object, n_rows: int) -> tuple[NDArray[np.float64] | NDArray[np.int64], NDArray[np.bool_]]:
    """Times as sortable numbers, and where they are known."""
    dates = as_instants("time", time)
    if dates is None:
        values = _numbers("time", time)
        _same_length("time", len(values), n_rows)
        return values, ~np.isnan(values)
    _same_length("time", len(dates.values), n_rows)
    known = np.ones(n_rows, dtype=bool) if dates.missing is None else ~dates.missing
    return dates.values, known


def _check_ties(
    g: object, codes: NDArray[np.int32], times: NDArray[Any], time: object, rows: IndexArray
) -> None:
    tied = np.flatnonzero((np.diff(codes) == 0) & (times[1:] == times[:-1]))
    if not len(tied):
        return
    first, second = rows[tied[0]], rows[tied[0] + 1]
    at = _listed_value(time, int(first))
    where = "" if g is None else f" of group {_group('g', g, None).levels[codes[tied[0]]]!r}"
    raise DataError(
        f"Rows {first + 1} and {second + 1}{where} have the same {_name('time', time)}, {at}: their order is "
        f"not known ({len(tied)} such pairs in all). Keep one row per group and time, or average them."
    )


def _listed_value(values: object, row: int) -> str:
    return str(list(values)[row])  # type: ignore[call-overload]


def _numbers(role: str, values: object) -> FloatArray:
    """Values as floats, NaN where missing."""
    column = as_column(_name(role, values), values)
    if isinstance(column, (Factor, Instants)):
        raise DataError(f"{_name(role, values)} is text or categorical; it must be numbers.")
    floats = column.values.astype(np.float64) if isinstance(column, Logicals) else column.floats().copy()
    if column.missing is not None:
        floats[column.missing] = np.nan
    infinite = np.flatnonzero(np.isinf(floats))
    if len(infinite):
        raise DataError(
            f"{_name(role, values)} is infinite in {len(infinite)} rows, the first of them row "
            f"{infinite[0] + 1}; make these values missing."
        )
    return floats


def _present(role: str, values: FloatArray) -> FloatArray:
    present = values[~np.isnan(values)]
    if not len(present):
        raise DataError(f"All values of {role} are missing.")
    return present


def _group(role: str, values: object, n_rows: int | None) -> Factor:
    factor = as_factor(as_column(_name(role, values), values))
    if n_rows is not None:
        _same_length(factor.name, len(factor.codes), n_rows)
    return factor


def _same_length(name: str, found: int, n_rows: int, *, one: bool = False) -> None:
    if found != n_rows and not (one and found == 1):
        raise DataError(f"{name} has {found} values for {n_rows} rows; give one per row.")


def _positive(function: str, name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise DataError(f"{function}: {name} is {value!r}; it must be a whole number of at least 1.")


def _listed(value: object) -> object:
    """A single value as a list of one."""
    return value if hasattr(value, "__len__") and not isinstance(value, str) else [value]


def _name(role: str, values: object) -> str:
    """The series' own name in messages, else the argument's."""
    name = getattr(values, "name", None)
    return name if isinstance(name, str) and name else role


def _plain(values: object) -> FloatArray:
    return _numbers("x", values)


def _like(x: object, values: FloatArray) -> Any:
    """Results in the kind of ``x``: NaN is missing, null in polars and pyarrow."""
    if isinstance(x, pd.Series):
        return pd.Series(values, index=x.index, name=x.name)
    series = nw.from_native(x, series_only=True, pass_through=True)
    if isinstance(series, nw.Series):
        nullable = [None if np.isnan(value) else value for value in values.tolist()]
        return nw.new_series(series.name, nullable, nw.Float64, backend=series.implementation).to_native()
    return values
