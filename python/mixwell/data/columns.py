"""One column of a data frame, in the three kinds a model knows: numbers, logicals and factors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixwell.arrays import seal
from mixwell.data.instants import Instants
from mixwell.errors import DataError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]
BoolArray = NDArray[np.bool_]
Labels = NDArray[np.object_]

# An integer column whose range is within this many times its length is coded by a lookup table.
_TABLE_FACTOR = 4
_TABLE_LEAST = 1 << 16


@dataclass(frozen=True, slots=True)
class Numbers:
    """A numeric column.

    Attributes
    ----------
    name
        Of the column.
    values
        Length n, integer or floating, the caller's memory where possible; NaN is missing.
    missing
        Length n, true where missing; None where nothing is.
    """

    name: str
    values: NDArray[np.floating | np.integer]
    missing: BoolArray | None

    def __post_init__(self) -> None:
        seal(self)

    def take(self, rows: NDArray[np.intp]) -> Numbers:
        """The column at some rows, none of them missing there."""
        return Numbers(self.name, self.values[rows], None)

    def floats(self) -> FloatArray:
        """The values as float64, without a copy where they are."""
        return np.asarray(self.values, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Logicals:
    """A boolean column: ``values`` (n,) bool, ``missing`` as for :class:`Numbers`."""

    name: str
    values: BoolArray
    missing: BoolArray | None

    def __post_init__(self) -> None:
        seal(self)

    def take(self, rows: NDArray[np.intp]) -> Logicals:
        """The column at some rows, none of them missing there."""
        return Logicals(self.name, self.values[rows], None)


@dataclass(frozen=True, slots=True)
class Factor:
    """Text, a categorical column, or numbers taken as categories.

    Attributes
    ----------
    name
        Of the column.
    codes
        Length n, 0..q-1, or -1 where missing.
    levels
        The q labels, as text, in order.
    missing
        Length n, true where missing; None where nothing is.
    """

    name: str
    codes: IntArray
    levels: Labels
    missing: BoolArray | None

    def __post_init__(self) -> None:
        seal(self)

    def take(self, rows: NDArray[np.intp]) -> Factor:
        """The factor at some rows, levels that do not occur there dropped."""
        return drop_unused(Factor(self.name, self.codes[rows], self.levels, None))


Column = Numbers | Logicals | Factor | Instants


def owned(column: Column) -> Column:
    """The column in memory of its own."""
    match column:
        case Factor():
            return replace(column, codes=column.codes.copy())
        case Numbers():
            return replace(column, values=column.values.copy())
        case Logicals():
            return replace(column, values=column.values.copy())
        case Instants():
            return replace(column, values=column.values.copy())


def label(value: object) -> str:
    """A level as text: ``3``, ``0.5``, ``True``; a float that is whole without its point."""
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 1e16 else repr(number)
    return str(value)


def labels(values: Iterable[object]) -> Labels:
    """Level labels as an object array."""
    values = values.tolist() if isinstance(values, np.ndarray) else list(values)
    plain = set(map(type, values)) <= {int, str}
    texts = list(map(str, values)) if plain else [label(value) for value in values]
    result = np.empty(len(texts), dtype=object)
    result[:] = texts
    return result


def drop_unused(factor: Factor) -> Factor:
    """The factor without levels that no row has."""
    used = (
        np.bincount(
            factor.codes[factor.codes >= 0] if factor.missing is not None else factor.codes,
            minlength=len(factor.levels),
        )
        > 0
    )
    if used.all():
        return factor
    table = np.append(np.cumsum(used, dtype=np.int32) - np.int32(1), np.int32(-1))
    return Factor(factor.name, table[factor.codes], factor.levels[used], factor.missing)


def as_factor(column: Column) -> Factor:
    """Any column as a factor: numbers in numeric order, ``False`` before ``True``."""
    if isinstance(column, Factor):
        return column
    if isinstance(column, Instants):
        raise DataError(f"The column {column.name!r} holds dates or times; make it text to group by it.")
    if isinstance(column, Logicals):
        codes = column.values.astype(np.int32)
        if column.missing is not None:
            codes[column.missing] = -1
        return Factor(column.name, codes, labels(("False", "True")), column.missing)
    codes, values = factorize_numbers(column)
    if column.missing is not None:
        codes[column.missing] = -1
    return Factor(column.name, codes, labels(values), column.missing)


def factorize_numbers(column: Numbers) -> tuple[IntArray, NDArray[np.floating | np.integer]]:
    """Codes in numeric order and the distinct values; codes of missing rows are arbitrary."""
    values = column.values
    present = values if column.missing is None else values[~column.missing]
    if not len(present):
        return np.full(len(values), -1, dtype=np.int32), present
    if np.issubdtype(values.dtype, np.integer):
        low, high = int(present.min()), int(present.max())
        if high - low <= max(_TABLE_FACTOR * len(values), _TABLE_LEAST):
            if column.missing is not None:
                values = np.where(column.missing, low, values)
            return codes_by_table(values.astype(np.int64, copy=False), low, high)
    codes, distinct = pd.factorize(values, use_na_sentinel=True)
    distinct = np.asarray(distinct)
    if column.missing is not None:
        # Masked integers carry an arbitrary value where missing: only values of present rows are levels.
        keep = np.zeros(len(distinct), dtype=bool)
        keep[codes[~column.missing]] = True
    else:
        keep = np.ones(len(distinct), dtype=bool)
    order = np.argsort(distinct[keep], kind="stable")
    rank = np.full(len(distinct) + 1, -1, dtype=np.int32)
    rank[np.flatnonzero(keep)[order]] = np.arange(len(order), dtype=np.int32)
    return rank[codes], distinct[keep][order]


def codes_by_table(values: NDArray[np.integer], low: int, high: int) -> tuple[IntArray, NDArray[np.integer]]:
    """Codes of integers known to lie in low..high, and the distinct values, ascending; linear in both.

    Examples
    --------
    >>> codes, distinct = codes_by_table(np.array([7, 5, 7, 9]), 5, 9)
    >>> codes.tolist(), distinct.tolist()
    ([1, 0, 1, 2], [5, 7, 9])
    """
    start = 0 if 0 <= low <= _TABLE_LEAST else low
    shifted = values if start == 0 else values - values.dtype.type(start)
    present = np.zeros(high - start + 1, dtype=bool)
    present[shifted] = True
    table = np.cumsum(present, dtype=np.int32)
    table -= 1
    distinct = np.flatnonzero(present) + start
    return table[shifted], distinct


def factor_from_text(name: str, texts: pd.Series | NDArray[np.object_]) -> Factor:
    """A factor from text, levels in sorted order; None and NaN are missing."""
    codes, distinct = pd.factorize(texts, use_na_sentinel=True)
    names = labels(distinct)
    order = np.argsort(names.astype(str), kind="stable")
    rank = np.full(len(names) + 1, -1, dtype=np.int32)
    rank[order] = np.arange(len(names), dtype=np.int32)
    missing = codes < 0
    return Factor(name, rank[codes], names[order], missing if missing.any() else None)


def factor_from_codes(name: str, codes: NDArray[np.integer], levels: Iterable[object]) -> Factor:
    """A factor from codes (negative: missing) into levels, in the order given, unused ones dropped.

    Raises
    ------
    DataError
        When two levels are the same text.
    """
    names = labels(levels)
    if len(set(names)) < len(names):
        raise DataError(
            f"The categorical column {name!r} has several levels with the same text; rename them."
        )
    missing = codes < 0
    return drop_unused(Factor(name, codes.astype(np.int32), names, missing if missing.any() else None))


def combine(codes: Sequence[IntArray], sizes: Sequence[int]) -> tuple[IntArray, IntArray]:
    """The combinations of several codes that occur.

    They are coded anew after each factor: the product of all numbers of levels may exceed any integer, that
    of two does not.

    Parameters
    ----------
    codes
        At least one array of length n, values 0..size-1.
    sizes
        Number of levels of each.

    Returns
    -------
    Codes of length n, and per combination its codes, shape (q, factors): ascending, the first factor slowest.

    Examples
    --------
    >>> first, second = np.array([1, 0, 1], dtype=np.int32), np.array([0, 2, 0], dtype=np.int32)
    >>> found, combinations = combine([first, second], [2, 3])
    >>> found.tolist(), combinations.tolist()
    ([1, 0, 1], [[0, 2], [1, 0]])
    """
    found = codes[0]
    combinations = np.arange(sizes[0], dtype=np.int32)[:, None]
    for part, size in zip(codes[1:], sizes[1:], strict=True):
        keys = found.astype(np.int64)
        keys *= size
        keys += part
        found, distinct = factorize_numbers(Numbers("", keys, None))
        before, own = np.divmod(distinct, size)
        combinations = np.column_stack([combinations[before], own.astype(np.int32)])
    return found, combinations


def combined_labels(combinations: IntArray, levels: Sequence[Labels | tuple[str, ...]]) -> list[str]:
    """Labels ``"A:a"`` of combinations, shape (q, factors)."""
    columns = [[texts[i] for i in own] for texts, own in zip(levels, combinations.T.tolist(), strict=True)]
    return [":".join(texts) for texts in zip(*columns, strict=True)]


def combined(outer: Factor, inner: Factor) -> Factor:
    """The combinations of two factors that occur, as one factor ``outer:inner``."""
    known = (outer.codes >= 0) & (inner.codes >= 0)
    levels = (outer.levels, inner.levels)
    codes, combinations = combine([outer.codes[known], inner.codes[known]], [len(texts) for texts in levels])
    every = np.full(len(known), -1, dtype=np.int32)
    every[known] = codes
    names = np.empty(len(combinations), dtype=object)
    names[:] = combined_labels(combinations, levels)
    return Factor(f"{outer.name}:{inner.name}", every, names, None if known.all() else ~known)
