"""Arithmetic of centring, scaling and time coding: arrays in, arrays out.

Formula functions (:mod:`mixwell.design.functions`) and the plain functions of
:mod:`mixwell.explore.transforms` both read it from here, so a column is the same however it was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixwell.errors import DataError

FloatArray = NDArray[np.float64]
Microseconds = NDArray[np.int64]

# A month is a twelfth, a year a whole of 365.25 days.
_SECONDS: Mapping[str, float] = MappingProxyType(
    {
        "second": 1.0,
        "minute": 60.0,
        "hour": 3600.0,
        "day": 86400.0,
        "week": 7 * 86400.0,
        "month": 365.25 * 86400.0 / 12,
        "year": 365.25 * 86400.0,
    }
)


def mean(x: FloatArray) -> float:
    """Mean of n values, in two passes: exact to rounding however far from zero they lie."""
    first = float(x.mean())
    return first + float((x - first).mean())


def group_means(x: FloatArray, codes: NDArray[np.integer], n_groups: int) -> FloatArray:
    """Mean of ``x`` (n,) in each group; ``codes`` (n,) are 0..n_groups-1. NaN for groups without rows.

    Examples
    --------
    >>> group_means(np.array([1.0, 3.0, 5.0]), np.array([0, 0, 1], dtype=np.int32), 3)
    array([ 2.,  5., nan])
    """
    counts = np.bincount(codes, minlength=n_groups)
    shift = float(x.mean()) if len(x) else 0.0
    sums = np.bincount(codes, weights=x - shift, minlength=n_groups)
    with np.errstate(invalid="ignore"):
        means: FloatArray = shift + sums / counts
    return means


def cyclic_pair(x: FloatArray, period: float) -> FloatArray:
    """sin(2 pi x / period) and cos(2 pi x / period), shape (n, 2).

    Raises
    ------
    DataError
        When the period is not a positive number.
    """
    if not (isinstance(period, int | float | np.number) and np.isfinite(period) and period > 0):
        raise DataError(f"cyclic(): the period is {period!r}; it must be a positive number.")
    # The remainder first: whole turns cost no digits.
    angle = 2 * np.pi * (np.mod(x, period) / period)
    return np.column_stack([np.sin(angle), np.cos(angle)])


def seconds_per(unit: str) -> float:
    """Seconds in a unit of time, ``"days"`` or ``"day"``.

    Raises
    ------
    DataError
        Listing the units there are.
    """
    found = _SECONDS.get(unit.lower().removesuffix("s"))
    if found is None:
        raise DataError(
            f"There is no unit of time {unit!r}; there are {', '.join(f'{u}s' for u in _SECONDS)}."
        )
    return found


def instant(text: str) -> int:
    """A point in time written as text, in microseconds since 1970 (UTC if it names an offset).

    Raises
    ------
    DataError
        When it is no date.
    """
    try:
        stamp = pd.Timestamp(text)
    except ValueError as error:
        raise DataError(f"{text!r} is not a date; write it as '2024-03-01' or '2024-03-01 14:30'.") from error
    if pd.isna(stamp):
        raise DataError(f"{text!r} is not a date; write it as '2024-03-01' or '2024-03-01 14:30'.")
    return int(stamp.to_datetime64().astype("datetime64[us]").astype(np.int64))


def elapsed(t: Microseconds, start: Microseconds | int, unit: str) -> FloatArray:
    """Time from ``start`` to ``t``, both in microseconds, in a unit of time.

    Examples
    --------
    >>> day = 86_400_000_000
    >>> elapsed(np.array([day, 3 * day]), 0, "days")
    array([1., 3.])
    """
    return np.asarray((t - start) / (seconds_per(unit) * 1e6), dtype=np.float64)
