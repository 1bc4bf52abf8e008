"""Summaries of columns in the cells of a table and its margins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from mixwell.arguments import check_level, checked
from mixwell.data.columns import Column, Factor, Numbers, as_factor
from mixwell.data.frame import Frame, open_frame
from mixwell.data.instants import Instants, time_texts
from mixwell.data.output import NativeFrame, Origin, Values, frame, output_kind
from mixwell.design.transforms import group_means
from mixwell.errors import DataError
from mixwell.explore.summary import Summary

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MARGIN = "(all)"
MISSING = "(missing)"

_STATISTICS = (
    "mean",
    "sd",
    "se",
    "conf_low",
    "conf_high",
    "median",
    "q1",
    "q3",
    "iqr",
    "min",
    "max",
)
_OWN_COLUMNS = ("variable", "n", "missing", *_STATISTICS, "first", "last", "level", "count", "percent")
_MOST_CELLS = 2_000_000


@dataclass(frozen=True, slots=True)
class Cells:
    """The m cells of a table, its margins included, and which of them each row is in.

    Attributes
    ----------
    labels
        Per variable of the table, length m: the label of each cell.
    rows
        Length m: how many rows each cell has.
    tables
        One pair per kind of margin: the cells that it has (ascending), and, length n, the cell of each row.
    """

    labels: tuple[NDArray[np.object_], ...]
    rows: IntArray
    tables: tuple[tuple[IntArray, IntArray], ...]


@checked
def describe(
    data: object,
    variables: str | Sequence[str] | None = None,
    by: str | Sequence[str] | None = None,
    *,
    margins: bool = True,
    empty: bool = True,
    level: float = 0.95,
) -> NativeFrame:
    """Summarize columns, over all rows or in the cells of a table.

    Numbers are summarized by size, spread and order; text, categories and booleans are counted; of dates the
    first and last are given. Quartiles
    interpolate linearly (R's type 7). The interval for the mean is Student's, which takes the rows as
    independent: with grouped data it is too short, see :func:`mixwell.icc_screen`.

    Parameters
    ----------
    data
        A pandas, polars or pyarrow frame, anything narwhals reads, or a dict of arrays.
    variables
        Columns to summarize; by default all but those of ``by``.
    by
        Columns whose combinations are the cells. Rows where one is missing have the label ``(missing)``.
    margins
        Whether to add totals over each variable of ``by``, with the label ``(all)``.
    empty
        Whether combinations without any row are listed, with ``n`` of 0.
    level
        Of the confidence interval.

    Returns
    -------
    frame in the caller's kind
        One row per variable and cell (categories: per level too), in the columns ``variable``, those of
        ``by``, ``n`` (values present), ``missing``, then for numbers ``mean sd se conf_low conf_high median
        q1 q3 iqr min max``, for dates ``first last`` (as text) and for categories ``level count percent`` (of
        the values present). What a cell is too small for, as the standard deviation of one value, is missing.
        Of pandas' kind it prints as tables of at most 79 columns.

    Raises
    ------
    DataError
        When a column does not exist, cannot be used, is infinite somewhere, or has the name of a column of
        the result.

    Examples
    --------
    >>> from mixwell import datasets, describe
    >>> cells = describe(datasets.load_ratpups(), "weight", by=["Treatment", "sex"])
    >>> cells[["Treatment", "sex", "n", "mean", "sd"]].round(3).head(4)
      Treatment     sex    n   mean     sd
    0   Control    Male   77  6.471  0.754
    1   Control  Female   54  6.116  0.685
    2   Control   (all)  131  6.325  0.745
    3       Low    Male   61  6.025  0.380
    """
    check_level(level)
    table = open_frame(data)
    if table.n_rows == 0:
        raise DataError("The data have no rows.")
    groups = _listed(by, "by")
    wanted = _listed(variables, "variables") if variables is not None else _others(table, groups)
    if not wanted:
        raise DataError("There is nothing to summarize: name variables that are not in by.")
    for name in wanted:
        if name in groups:
            raise DataError(f"{name!r} is both summarized and in by; leave it out of one of them.")
    for name in groups:
        if name in _OWN_COLUMNS:
            raise DataError(f"by={name!r} is also the name of a column of the result; rename it.")
    columns = {name: table.column(name, dates=name in wanted) for name in (*wanted, *groups)}
    cells = cells_of([as_factor(columns[name]) for name in groups], table.n_rows, margins=margins)
    shown = np.arange(len(cells.rows)) if empty else np.flatnonzero(cells.rows)
    parts = [_summary(columns[name], cells, shown, level) for name in wanted]
    lengths = [len(part.cells) for part in parts]
    variable = [name for name, length in zip(wanted, lengths, strict=True) for _ in range(length)]
    at = np.concatenate([part.cells for part in parts])
    result: dict[str, object] = {"variable": variable}
    result |= {name: labels[at] for name, labels in zip(groups, cells.labels, strict=True)}
    kind = output_kind(table.kind)
    for name in _OWN_COLUMNS[1:]:
        if any(name in part.columns for part in parts):
            pieces = [part.columns.get(name, [None] * len(part.cells)) for part in parts]
            values = [value for piece in pieces for value in piece]
            result[name] = values if kind == "polars" else _pandas(name, values)
    if kind == "polars":
        return frame(Origin(kind, None), cast("Mapping[str, Values]", result))
    summary = Summary(result)
    summary.by = tuple(groups)
    return summary


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows of the result for one variable: the cell of each, and its columns; None is missing."""

    cells: IntArray
    columns: Mapping[str, Sequence[object]]


def _pandas(name: str, values: list[object]) -> Values:
    """A column for pandas: whole numbers and text stay what they are where some are missing."""
    if name not in ("n", "missing", "count", "level", "first", "last"):
        return np.array(values, dtype=np.float64)
    objects = pd.Series(values, dtype=object)
    if name in ("level", "first", "last"):
        return cast("Values", objects)
    return cast("Values", objects.astype("Int64") if None in values else objects.astype("int64"))


def _listed(given: str | Sequence[str] | None, argument: str) -> list[str]:
    if given is not None and not isinstance(given, (str, Sequence)):
        raise DataError(f"{argument} is {given!r}; give names of columns.")
    names = [] if given is None else [given] if isinstance(given, str) else list(given)
    for name in names:
        if not isinstance(name, str):
            raise DataError(f"{argument} holds {name!r}; give names of columns.")
        if names.count(name) > 1:
            raise DataError(f"{argument} names {name!r} twice.")
    return names


def cells_of(factors: Sequence[Factor], n_rows: int, *, margins: bool) -> Cells:
    """The table that some factors span: the first slowest, margins after the levels."""
    texts, codes = [], []
    for factor in factors:
        levels = factor.levels.tolist()
        code = factor.codes.astype(np.int64)
        if factor.missing is not None:
            code[factor.missing] = len(levels)
            levels.append(MISSING)
        for reserved in {MISSING, MARGIN}.intersection(factor.levels):
            raise DataError(
                f"{factor.name!r} has a level {reserved!r}, which stands for something else here."
            )
        texts.append([*levels, MARGIN] if margins else levels)
        codes.append(code)
    shape = tuple(map(len, texts))
    size = prod(shape)
    if size > _MOST_CELLS:
        names = ", ".join(factor.name for factor in factors)
        raise DataError(
            f"{names} span {size} cells, more than can be listed; take fewer variables at a time."
        )
    grid = np.indices(shape).reshape(len(shape), size)
    tables = []
    rows = np.zeros(size, dtype=np.int64)
    last = np.array([length - 1 for length in shape], dtype=np.int64)
    for summed in product((False, True) if margins else (False,), repeat=len(shape)):
        inside = np.ones(size, dtype=bool)
        cell = np.zeros(n_rows, dtype=np.int64)
        for axis, total in enumerate(summed):
            if margins:
                inside &= (grid[axis] == last[axis]) == total
            cell = cell * shape[axis] + (last[axis] if total else codes[axis])
        positions = np.flatnonzero(inside)
        rows[positions] = np.bincount(cell, minlength=size)[positions]
        tables.append((positions, cell))
    labels = tuple(np.array(text, dtype=object)[index] for text, index in zip(texts, grid, strict=True))
    return Cells(labels, rows, tuple(tables))


def _summary(column: Column, cells: Cells, shown: IntArray, level: float) -> _Part:
    size = len(cells.rows)
    present = np.arange(len(cells.tables[0][1]))
    if column.missing is not None:
        present = np.flatnonzero(~column.missing)
    n = np.zeros(size, dtype=np.int64)
    for positions, cell in cells.tables:
        n[positions] = np.bincount(cell[present], minlength=size)[positions]
    sizes = {"n": n, "missing": cells.rows - n}
    if isinstance(column, Instants):
        ends = _ends(column.values[present], present, cells)
        dated: dict[str, Sequence[object]] = {name: values[shown].tolist() for name, values in sizes.items()}
        dated |= {
            name: [texts[i] if n[i] else None for i in shown]
            for name, texts in zip(("first", "last"), ends, strict=True)
        }
        return _Part(shown, dated)
    if isinstance(column, Numbers):
        x = column.floats()[present]
        _check_infinite(column.name, x)
        statistics = {name: np.full(size, np.nan) for name in _STATISTICS}
        for positions, cell in cells.tables:
            for name, values in cell_statistics(x, cell[present], size, level).items():
                statistics[name][positions] = values[positions]
        numeric = {name: values[shown].tolist() for name, values in sizes.items()}
        numeric |= {name: _nullable(values[shown]) for name, values in statistics.items()}
        return _Part(shown, numeric)
    factor = as_factor(column)
    q = len(factor.levels)
    counts = np.zeros((size, q), dtype=np.int64)
    for positions, cell in cells.tables:
        flat = np.bincount(cell[present] * q + factor.codes[present], minlength=size * q)
        counts[positions] = flat.reshape(size, q)[positions]
    with np.errstate(invalid="ignore"):
        percent = 100 * counts / n[:, None]
    counted: dict[str, Sequence[object]] = {
        name: np.repeat(values[shown], q).tolist() for name, values in sizes.items()
    }
    counted["level"] = factor.levels.tolist() * len(shown)
    counted["count"] = counts[shown].ravel().tolist()
    counted["percent"] = _nullable(percent[shown].ravel())
    return _Part(np.repeat(shown, q), counted)


def _ends(t: IntArray, present: NDArray[np.intp], cells: Cells) -> tuple[list[str], list[str]]:
    """First and last time in each cell as text, arbitrary in empty ones."""
    size = len(cells.rows)
    first = np.full(size, np.iinfo(np.int64).max)
    last = np.full(size, np.iinfo(np.int64).min)
    for _, cell in cells.tables:
        np.minimum.at(first, cell[present], t)
        np.maximum.at(last, cell[present], t)
    return time_texts(first), time_texts(last)


def _nullable(values: FloatArray) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]


def _check_infinite(name: str, x: FloatArray) -> None:
    infinite = int(np.isinf(x).sum())
    if infinite:
        raise DataError(f"{name!r} is infinite in {infinite} rows; make these values missing.")


def cell_statistics(x: FloatArray, cell: IntArray, size: int, level: float) -> dict[str, FloatArray]:
    """Statistics of ``x`` (n,) in each of ``size`` cells; NaN where a cell is too small.

    Parameters
    ----------
    x
        Length n, finite.
    cell
        Length n, 0..size-1.
    size
        Number of cells.
    level
        Of the interval for the mean, mean +- t(n - 1) sd / sqrt(n).

    Examples
    --------
    >>> found = cell_statistics(np.array([1.0, 2.0, 6.0]), np.array([0, 0, 0]), 1, 0.95)
    >>> found["mean"], found["median"], found["iqr"]
    (array([3.]), array([2.]), array([2.5]))
    """
    n = np.bincount(cell, minlength=size)
    means = group_means(x, cell, size)
    deviation = x - means[cell]
    with np.errstate(invalid="ignore", divide="ignore"):
        sd = np.sqrt(np.bincount(cell, weights=deviation**2, minlength=size) / (n - 1))
        sd[n < 2] = np.nan
        se = sd / np.sqrt(n)
        half = stdtrit(np.maximum(n - 1, 1), (1 + level) / 2) * se
    order = np.lexsort((x, cell))
    ordered = x[order]
    start = np.cumsum(n) - n
    filled = n > 0
    found = {"mean": means, "sd": sd, "se": se, "conf_low": means - half, "conf_high": means + half}
    quantiles = {"min": 0.0, "q1": 0.25, "median": 0.5, "q3": 0.75, "max": 1.0}
    for name, probability in quantiles.items():
        place = probability * (n[filled] - 1)
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, n[filled] - 1)
        low, high = ordered[start[filled] + below], ordered[start[filled] + above]
        found[name] = np.full(size, np.nan)
        found[name][filled] = low + (place - below) * (high - low)
    found["iqr"] = found["q3"] - found["q1"]
    return found


def _others(table: Frame, groups: list[str]) -> list[str]:
    return [str(name) for name in table.names if name not in groups]
