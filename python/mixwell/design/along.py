"""Columns that look along the rows of a group: lags, rolling means, running totals.

Rows are taken in the order of time, never from another group and never from ahead. Formula calls are computed
on all rows of the data, before incomplete ones are left out, so that the row before may be one of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial, reduce
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixwell.arguments import check_count, check_one_of
from mixwell.data.columns import Column, Factor, IntArray, Logicals, Numbers, as_factor, combined, label
from mixwell.data.frame import Frame, near
from mixwell.data.instants import Instants, time_texts
from mixwell.errors import DataError, FormulaError
from mixwell.formula.expression import Binary, Call, Name, Node, Number, Text, along_calls, written
from mixwell.formula.fixed import Variable

FloatArray = NDArray[np.float64]
Statistic = Literal["sum", "mean", "min", "max", "count"]

# Values sorted by group and time, and their groups -> as many values, in the same order.
Along = Callable[["pd.Series[float]", IntArray], "pd.Series[float]"]

_RUNNING: Mapping[str, Along] = {
    "sum": lambda values, codes: values.groupby(codes).cumsum(),
    "mean": lambda values, codes: values.groupby(codes).expanding().mean(),
    "min": lambda values, codes: values.groupby(codes).cummin(),
    "max": lambda values, codes: values.groupby(codes).cummax(),
    "count": lambda values, codes: values.notna().astype(float).groupby(codes).cumsum(),
}
# What each function takes after the column.
_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "lag": ("g", "time", "steps"),
    "rolling_mean": ("g", "time", "window", "min_periods"),
    "cumulative": ("g", "time", "statistic"),
}


# More rows than any group has.
_ALL_ROWS = 2**31 - 1


def _positive(function: str, name: str, value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    check_count(f"{function}(): {name}", value)
    return min(int(value), _ALL_ROWS)  # type: ignore[call-overload, no-any-return]


def lagged(steps: object = 1) -> Along:
    """The value some rows before."""
    return partial(_shift, steps=_positive("lag", "steps", steps))


def _shift(values: pd.Series[float], codes: IntArray, steps: int) -> pd.Series[float]:
    return values.groupby(codes).shift(min(steps, len(values)))


def rolled(window: object = 3, min_periods: object = None) -> Along:
    """The mean of the last ``window`` rows, the own included."""
    rows = _positive("rolling_mean", "window", window)
    least = rows if min_periods is None else _positive("rolling_mean", "min_periods", min_periods)
    if least > rows:
        raise DataError(f"rolling_mean(): min_periods={least} is more than window={rows}.")
    return partial(_roll, window=rows, least=least)


def _roll(values: pd.Series[float], codes: IntArray, window: int, least: int) -> pd.Series[float]:
    return values.groupby(codes).rolling(window, min_periods=least).mean()


def accumulated(statistic: object = "sum") -> Along:
    """A running statistic, the own row included; missing where the value is."""
    check_one_of("statistic", statistic, get_args(Statistic))
    return partial(_accumulate, running=_RUNNING[str(statistic)])


def _accumulate(values: pd.Series[float], codes: IntArray, running: Along) -> pd.Series[float]:
    return running(values, codes).reset_index(drop=True).where(values.notna())


def along(values: FloatArray, group: Factor | None, time: Column | None, function: Along) -> FloatArray:
    """Apply a function along the rows of each group, in the order of time.

    Parameters
    ----------
    values
        Length n, NaN where missing.
    group
        None for a single group.
    time
        Numbers or dates; None takes the rows as they stand.
    function
        What :func:`lagged`, :func:`rolled` or :func:`accumulated` return.

    Returns
    -------
    Length n, in the order of the rows; NaN where group or time is missing.

    Raises
    ------
    DataError
        When two rows of a group have the same time.
    """
    codes = np.zeros(len(values), dtype=np.int32) if group is None else group.codes
    rows = np.flatnonzero(codes >= 0)
    if time is not None:
        clock, known = _clock(time)
        rows = rows[known[rows]]
        rows = rows[np.lexsort((clock[rows], codes[rows]))]
        _check_ties(group, codes[rows], clock[rows], time, rows)
    else:
        rows = rows[np.argsort(codes[rows], kind="stable")]
    result = np.full(len(values), np.nan)
    result[rows] = function(pd.Series(values[rows]), codes[rows]).to_numpy(dtype=np.float64)
    return result


def _clock(time: Column) -> tuple[NDArray[np.float64] | NDArray[np.int64], NDArray[np.bool_]]:
    """Times as sortable numbers, and where they are known."""
    if isinstance(time, (Factor, Logicals)):
        raise DataError(f"{time.name} is no time; it must be numbers or dates.")
    known = np.ones(len(time.values), dtype=bool) if time.missing is None else ~time.missing
    return (time.values if isinstance(time, Instants) else time.floats()), known


def _check_ties(
    group: Factor | None, codes: IntArray, clock: NDArray[np.generic], time: Column, rows: NDArray[np.intp]
) -> None:
    tied = np.flatnonzero((np.diff(codes) == 0) & (clock[1:] == clock[:-1]))
    if not len(tied):
        return
    first, second = rows[tied[0]], rows[tied[0] + 1]
    at = clock[tied[0]]
    text = time_texts(np.array([at]))[0] if isinstance(time, Instants) else label(at)
    where = "" if group is None else f" of group {group.levels[codes[tied[0]]]!r}"
    raise DataError(
        f"Rows {first + 1} and {second + 1} (counted from 1){where} have the same {time.name}, {text}: "
        f"their order is not known ({len(tied)} such pairs in all). Keep one row per group and time, or "
        "average them."
    )


# ---- in formulas

_MADE_BY: Mapping[str, Callable[..., Along]] = {
    "lag": lagged,
    "rolling_mean": rolled,
    "cumulative": accumulated,
}


def made_along(variables: Iterable[Variable]) -> dict[str, Call]:
    """The columns that calls in a formula make, by name."""
    return {written(call): call for variable in variables for call in along_calls(variable.expression)}


def along_column(call: Call, frame: Frame) -> Numbers:
    """The column that ``lag(x, g, time)`` and its like make of the rows of a data frame.

    Raises
    ------
    FormulaError
        When the call is not understood.
    DataError
        When a column cannot be used, or two rows of a group have the same time.
    """
    name = call.function
    given = _arguments(call)
    x = _column(name, given.pop("x"), frame)
    if not isinstance(x, (Numbers, Logicals)):
        raise DataError(f"{name}() needs numbers, but {x.name!r} is text or categorical.")
    values = np.asarray(x.values, dtype=np.float64).copy()
    if x.missing is not None:
        values[x.missing] = np.nan
    group = _group(name, given.pop("g"), frame)
    time = given.pop("time", None)
    clock = None if time is None else _column(name, time, frame, dates=True)
    literal = {key: _literal(name, key, node) for key, node in given.items()}
    result = along(values, group, clock, _MADE_BY[name](**literal))
    missing = np.isnan(result)
    return Numbers(written(call), result, missing if missing.any() else None)


def _arguments(call: Call) -> dict[str, Node]:
    parameters = ("x", *_PARAMETERS[call.function])
    usage = f"{call.function}({', '.join(parameters)})"
    if len(call.arguments) > len(parameters):
        raise FormulaError(f"{written(call)} has too many arguments; write {usage}.")
    given = dict(zip(parameters, call.arguments, strict=False))
    for key, node in call.keywords:
        if key not in parameters or key in given:
            raise FormulaError(f"{written(call)}: {key}= is not an argument, or given twice; write {usage}.")
        given[key] = node
    if "x" not in given or "g" not in given:
        raise FormulaError(
            f"{written(call)} needs a column and the groups that it must not look across; write {usage}."
        )
    return given


def _column(function: str, node: Node, frame: Frame, *, dates: bool = False) -> Column:
    if not isinstance(node, Name):
        raise FormulaError(
            f"{function}() takes columns of the data, not {written(node)}; make that a column first."
        )
    if node.value not in frame:
        raise FormulaError(f"{node.value!r} is not a column of the data{near(node.value, frame.names)}")
    return frame.column(node.value, dates=dates)


def _group(function: str, node: Node, frame: Frame) -> Factor | None:
    """A column, combinations ``a:b`` of several, or None."""
    if isinstance(node, Name) and node.value in ("None", "NULL") and node.value not in frame:
        return None
    return reduce(combined, [as_factor(_column(function, part, frame)) for part in _parts(node)])


def _parts(node: Node) -> list[Node]:
    if isinstance(node, Binary) and node.operator == ":":
        return [*_parts(node.left), *_parts(node.right)]
    return [node]


def _literal(function: str, key: str, node: Node) -> float | str:
    if isinstance(node, (Number, Text)):
        return node.value
    raise FormulaError(f"{function}(): {key} is {written(node)}; write a number or a text.")
