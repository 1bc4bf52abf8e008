"""What the plain functions are given, as columns; what they give back, in the caller's kind."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixwell.data.columns import Factor, Logicals, as_factor
from mixwell.data.frame import as_column
from mixwell.data.instants import Instants
from mixwell.data.labelled import in_order
from mixwell.errors import DataError

FloatArray = NDArray[np.float64]


def numbers(role: str, values: object) -> FloatArray:
    """Values as floats, NaN where missing."""
    column = as_column(name(role, values), values)
    if isinstance(column, (Factor, Instants)):
        raise DataError(f"{name(role, values)} is text or categorical; it must be numbers.")
    floats = column.values.astype(np.float64) if isinstance(column, Logicals) else column.floats().copy()
    if column.missing is not None:
        floats[column.missing] = np.nan
    infinite = np.flatnonzero(np.isinf(floats))
    if len(infinite):
        raise DataError(
            f"{name(role, values)} is infinite in {len(infinite)} rows, the first of them row "
            f"{infinite[0] + 1} (counted from 1); make these values missing."
        )
    return floats


def present(role: str, values: FloatArray) -> FloatArray:
    """The values that are not missing."""
    known = values[~np.isnan(values)]
    if not len(known):
        raise DataError(f"All values of {role} are missing.")
    return known


def beside(x: object, role: str, values: object) -> object:
    """Values in the order of ``x``: by their labels where both are pandas series."""
    return in_order(values, x.index, role) if isinstance(x, pd.Series) else values


def group(role: str, values: object, n_rows: int) -> Factor:
    """Values as a factor, one per row."""
    factor = as_factor(as_column(name(role, values), values))
    same_length(factor.name, len(factor.codes), n_rows)
    return factor


def same_length(name: str, found: int, n_rows: int, *, one: bool = False) -> None:
    """As many values as rows; where ``one``, a single one will do."""
    if found != n_rows and not (one and found == 1):
        raise DataError(f"{name} has {found} values for {n_rows} rows; give one per row.")


def name(role: str, values: object) -> str:
    """The series' own name in messages, else the argument's."""
    own = getattr(values, "name", None)
    return own if isinstance(own, str) and own else role


def like(x: object, values: FloatArray) -> Any:
    """Results in the kind of ``x``: NaN is missing, null in polars and pyarrow."""
    if isinstance(x, pd.Series):
        return pd.Series(values, index=x.index, name=x.name)
    series = nw.from_native(x, series_only=True, pass_through=True)
    if isinstance(series, nw.Series):
        nullable = [None if np.isnan(value) else value for value in values.tolist()]
        return nw.new_series(series.name, nullable, nw.Float64, backend=series.implementation).to_native()
    return values
