"""Columns that look along the rows of a group: lags, rolling means, running totals.

Never from another group, never from ahead. The same names work in formulas, ``lag(x, g, time)``, where they
are computed on all rows of the data, and of new data, before incomplete ones are left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mixwell.arguments import checked
from mixwell.data.columns import Numbers
from mixwell.data.instants import Instants, as_instants
from mixwell.design.along import Along, Statistic, accumulated, along, lagged, rolled
from mixwell.explore import given


@checked
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
    return _along(x, g, time, lagged(steps))


@checked
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
    return _along(x, g, time, rolled(window, min_periods))


@checked
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
    return _along(x, g, time, accumulated(statistic))


def _along(x: object, g: object, time: object, function: Along) -> Any:
    values = given.numbers("x", x)
    group = None if g is None else given.group("g", given.beside(x, "g", g), len(values))
    clock = None if time is None else _clock(given.beside(x, "time", time), len(values))
    return given.like(x, along(values, group, clock, function))


def _clock(time: object, n_rows: int) -> Instants | Numbers:
    """Times as dates or numbers, one per row."""
    name = given.name("time", time)
    dates = as_instants(name, time)
    if dates is not None:
        given.same_length(name, len(dates.values), n_rows)
        return dates
    values = given.numbers("time", time)
    given.same_length(name, len(values), n_rows)
    missing = np.isnan(values)
    return Numbers(name, values, missing if missing.any() else None)
