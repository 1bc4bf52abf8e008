"""Columns as codes of their distinct values: what is the same, without labels for a million numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixwell.data.columns import Column, Factor, Logicals, Numbers, factorize_numbers
from mixwell.data.instants import Instants

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of any kind, its values told apart.

    Attributes
    ----------
    name
        Of the column.
    codes
        Length n, 0..kinds-1 in order of the values, or -1 where missing.
    kinds
        Number of distinct values.
    numbers
        Length n: the values where they are numbers or times; None for categories.
    """

    name: str
    codes: IntArray
    kinds: int
    numbers: FloatArray | None


def coded(column: Column) -> Coded:
    """Tell the values of a column apart.

    Examples
    --------
    >>> coded(Numbers("x", np.array([5.0, 2.0, 5.0]), None)).codes.tolist()
    [1, 0, 1]
    """
    if isinstance(column, Factor):
        return Coded(column.name, column.codes.astype(np.int64), len(column.levels), None)
    if isinstance(column, Logicals):
        codes, kinds, numbers = column.values.astype(np.int64), 2, None
    else:
        plain = (
            Numbers(column.name, column.values, column.missing) if isinstance(column, Instants) else column
        )
        found, distinct = factorize_numbers(plain)
        codes, kinds, numbers = found.astype(np.int64), len(distinct), plain.floats()
    if column.missing is not None:
        codes = np.where(column.missing, -1, codes)
    return Coded(column.name, codes, kinds, numbers)


def distinct(keys: IntArray) -> IntArray:
    """The different keys, ascending.

    >>> distinct(np.array([3, 1, 3])).tolist()
    [1, 3]
    """
    ordered = np.sort(keys)
    return ordered[np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))]
