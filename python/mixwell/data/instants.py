"""Columns of dates and times. A model has no use for them as they are; time coding makes numbers of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixwell.arrays import seal

BoolArray = NDArray[np.bool_]

_KINDS = ("datetime64", "datetime", "date")


@dataclass(frozen=True, slots=True)
class Instants:
    """Points in time.

    Attributes
    ----------
    name
        Of the column.
    values
        Length n, microseconds since 1970, UTC for times with a zone; arbitrary where missing.
    missing
        Length n, true where missing; None where nothing is.
    """

    name: str
    values: NDArray[np.int64]
    missing: BoolArray | None

    def __post_init__(self) -> None:
        seal(self)

    def take(self, rows: NDArray[np.intp]) -> Instants:
        """The column at some rows, none of them missing there."""
        return Instants(self.name, self.values[rows], None)


def as_instants(name: str, values: object) -> Instants | None:
    """Read dates or times of any kind (numpy, pandas, polars, pyarrow, a list); None for other values.

    Examples
    --------
    >>> as_instants("t", np.array(["1970-01-02"], dtype="datetime64[D]")).values.tolist()
    [86400000000]
    >>> as_instants("t", [1.0, 2.0]) is None
    True
    """
    series = nw.from_native(values, series_only=True, pass_through=True)
    if isinstance(series, nw.Series):
        return _from_narwhals(name, series)
    try:
        plain = pd.Series(values)
    except (ValueError, TypeError):
        return None
    return _from_pandas(name, plain)


def time_texts(values: NDArray[np.int64]) -> list[str]:
    """Points in time (microseconds since 1970) as text; whole days without a time of day.

    >>> time_texts(np.array([0, 86_400_000_000 + 1_000_000]))
    ['1970-01-01', '1970-01-02 00:00:01']
    """
    stamps = values.astype("datetime64[us]")
    days = stamps.astype("datetime64[D]")
    return [
        str(day if day == stamp else stamp).replace("T", " ").removesuffix(".000000")
        for day, stamp in zip(days, stamps, strict=True)
    ]


def _from_narwhals(name: str, series: nw.Series[Any]) -> Instants | None:
    native = series.to_native()
    if isinstance(native, pd.Series):
        return _from_pandas(name, native)
    if not isinstance(series.dtype, (nw.Date, nw.Datetime)):
        return None
    return _from_pandas(name, pd.Series(series.to_numpy().astype("datetime64[us]")))


def _from_pandas(name: str, series: pd.Series[Any]) -> Instants | None:
    if isinstance(series.dtype, pd.PeriodDtype):
        series = series.dt.to_timestamp()
    if series.dtype == object:
        if pd.api.types.infer_dtype(series, skipna=True) not in _KINDS:
            return None
        series = pd.to_datetime(series, utc=True)
    if str(series.dtype).startswith(("date", "timestamp")) and not pd.api.types.is_datetime64_any_dtype(
        series.dtype
    ):
        series = series.astype("datetime64[us]")
    if not pd.api.types.is_datetime64_any_dtype(series.dtype):
        return None
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
    missing = series.isna().to_numpy(dtype=bool)
    stamps = series.to_numpy().astype("datetime64[us]").astype(np.int64)
    return Instants(name, stamps, missing if missing.any() else None)
