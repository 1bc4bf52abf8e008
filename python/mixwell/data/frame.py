"""Any data frame, read column by column.

pandas frames and dicts of arrays are read directly, everything else through narwhals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Literal, NoReturn

import narwhals as nw
import numpy as np
import pandas as pd

from mixwell.data.columns import (
    BoolArray,
    Column,
    Factor,
    Logicals,
    Numbers,
    factor_from_codes,
    factor_from_text,
)
from mixwell.data.instants import as_instants
from mixwell.data.labelled import unlabelled
from mixwell.errors import DataError

FrameKind = Literal["pandas", "polars", "pyarrow"]

_KINDS = "a pandas, polars or pyarrow data frame, another that narwhals reads, or a dict of arrays"


@dataclass(frozen=True, slots=True)
class Frame:
    """A data frame as given, its columns read on demand.

    Attributes
    ----------
    kind
        What results are returned as.
    names
        The column names.
    n_rows
        Number of rows.
    index
        Row labels of a pandas frame, or of the pandas series in a dict.
    """

    kind: FrameKind
    names: tuple[object, ...]
    n_rows: int
    index: pd.Index | None
    native: pd.DataFrame | nw.DataFrame[Any] | Mapping[object, object]

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def column(self, name: str, *, dates: bool = False) -> Column:
        """Read one column; with ``dates``, one of dates or times too.

        Raises
        ------
        DataError
            When it does not exist (near names are offered), exists twice, or is of a type models cannot use.
        """
        if name not in self.names:
            raise DataError(f"There is no column {name!r} in the data{near(name, self.names)}")
        if self.names.count(name) > 1:
            raise DataError(
                f"The data have {self.names.count(name)} columns named {name!r}; rename or drop them."
            )
        values = self.native.get_column(name) if isinstance(self.native, nw.DataFrame) else self.native[name]
        if dates:
            instants = as_instants(name, values)
            if instants is not None:
                return instants
        if isinstance(values, nw.Series):
            return _from_narwhals(name, values)
        return as_column(name, values)


def near(name: str, known: Iterable[object]) -> str:
    """End of a sentence that offers the names closest to a misspelt one, or lists the first few."""
    texts = [str(candidate) for candidate in known]
    by_lower = {text.lower(): text for text in texts}
    close = get_close_matches(name.lower(), list(by_lower), n=3, cutoff=0.6)
    if close:
        return f"; did you mean {' or '.join(repr(by_lower[text]) for text in close)}?"
    if not texts:
        return "; there are none."
    return f"; there are {', '.join(map(repr, texts[:8]))}{' ...' if len(texts) > 8 else ''}."


def open_frame(data: object) -> Frame:
    """Take a data frame of any kind.

    Raises
    ------
    DataError
        When it is none, has no rows, or holds columns of different lengths.

    Examples
    --------
    >>> frame = open_frame({"x": [1.0, 2.0], "g": ["b", "a"]})
    >>> frame.n_rows, frame.column("g").levels.tolist()
    (2, ['a', 'b'])
    """
    if isinstance(data, pd.DataFrame):
        return Frame("pandas", tuple(data.columns), len(data), data.index, data)
    if isinstance(data, Mapping):
        lengths = {name: _length(name, values) for name, values in data.items()}
        if len(set(lengths.values())) > 1:
            longest = max(lengths, key=lambda name: lengths[name])
            shortest = min(lengths, key=lambda name: lengths[name])
            raise DataError(
                f"The columns differ in length: {longest!r} has {lengths[longest]} rows, "
                f"{shortest!r} has {lengths[shortest]}."
            )
        return Frame("pandas", tuple(data), next(iter(lengths.values()), 0), _common_index(data), data)
    try:
        frame = nw.from_native(data)  # type: ignore[call-overload]
    except TypeError as error:
        raise DataError(f"The data are a {type(data).__name__}; give {_KINDS}.") from error
    if not isinstance(frame, nw.DataFrame):
        raise DataError(
            f"The data are a lazy {type(data).__name__}; collect them first (for example .collect())."
        )
    kind: FrameKind = "pandas"
    if frame.implementation.is_polars():
        kind = "polars"
    elif frame.implementation.is_pyarrow():
        kind = "pyarrow"
    return Frame(kind, tuple(frame.columns), len(frame), None, frame)


def _common_index(columns: Mapping[object, object]) -> pd.Index | None:
    """Row labels of the pandas series among columns, None where there are no others than 0, 1, 2 ..."""
    found: tuple[object, pd.Index] | None = None
    for name, values in columns.items():
        if not isinstance(values, pd.Series) or unlabelled(values.index):
            continue
        if found is None:
            found = name, values.index
        elif not values.index.equals(found[1]):
            raise DataError(
                f"The columns {found[0]!r} and {name!r} carry different row labels; pandas.DataFrame(data) "
                "matches rows by their labels, .to_numpy() takes values as they stand."
            )
    return None if found is None else found[1]


def _length(name: object, values: object) -> int:
    if isinstance(values, str) or not hasattr(values, "__len__"):
        raise DataError(f"The column {name!r} is a {type(values).__name__}, not an array of values.")
    return len(values)


def as_column(name: str, values: object) -> Column:
    """Read an array, list or series of any kind as a column.

    Raises
    ------
    DataError
        When it is not one-dimensional or of a type models cannot use.
    """
    if isinstance(values, np.ma.MaskedArray) and values.ndim == 1:
        return _from_masked(name, values)
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise DataError(f"The column {name!r} has {values.ndim} dimensions; give one value per row.")
        if values.dtype.kind in "iuf":
            return _numbers(name, values)
        if values.dtype.kind == "b":
            return Logicals(name, values, None)
        return _from_pandas(name, pd.Series(values))
    if isinstance(values, pd.Series):
        return _from_pandas(name, values)
    series = nw.from_native(values, series_only=True, pass_through=True)
    if isinstance(series, nw.Series):
        return _from_narwhals(name, series)
    try:
        return _from_pandas(name, pd.Series(values))
    except (ValueError, TypeError) as error:
        raise DataError(f"{name!r} cannot be read as a column: {error}.") from error


def _from_masked(name: str, values: np.ma.MaskedArray[Any, Any]) -> Column:
    """Masked entries are missing, whatever lies below the mask."""
    mask = np.ma.getmaskarray(values)
    if values.dtype.kind not in "iufb":
        # pandas reads the mask
        return _from_pandas(name, pd.Series(values))
    column = as_column(name, values.data)
    missing = mask if column.missing is None else mask | column.missing
    return replace(column, missing=_mask(missing))


def _numbers(name: str, values: np.ndarray) -> Numbers:
    # min() propagates NaN and needs no memory: the mask is only made when something is missing.
    if values.dtype.kind == "f" and len(values) and np.isnan(values.min()):
        return Numbers(name, values, np.isnan(values))
    return Numbers(name, values, None)


def _mask(missing: np.ndarray) -> BoolArray | None:
    return missing.astype(bool) if missing.any() else None


def _from_pandas(name: str, series: pd.Series) -> Column:
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        if dtype.kind in "iuf":
            return _numbers(name, series.to_numpy())
        if dtype.kind == "b":
            return Logicals(name, series.to_numpy(), None)
        if dtype.kind == "O":
            return _from_objects(name, series)
        _reject(name, str(dtype))
    if isinstance(dtype, pd.CategoricalDtype):
        return factor_from_codes(name, series.cat.codes.to_numpy(), dtype.categories)
    if isinstance(dtype, pd.SparseDtype):
        return _from_pandas(name, pd.Series(series.to_numpy()))
    missing = _mask(series.isna().to_numpy())
    if pd.api.types.is_bool_dtype(dtype):
        return Logicals(name, series.to_numpy(dtype=bool, na_value=False), missing)
    if pd.api.types.is_integer_dtype(dtype):
        return Numbers(name, series.to_numpy(dtype=np.int64, na_value=0), missing)
    if pd.api.types.is_float_dtype(dtype):
        return _numbers(name, series.to_numpy(dtype=np.float64, na_value=np.nan))
    if pd.api.types.is_string_dtype(dtype):
        return factor_from_text(name, series)
    if str(dtype).startswith("dictionary"):
        return _from_pandas(name, series.astype("category"))
    if str(dtype).startswith("decimal"):
        return _numbers(name, series.to_numpy(dtype=np.float64, na_value=np.nan))
    _reject(name, str(dtype))


def _from_objects(name: str, series: pd.Series) -> Column:
    """An object column: what its values are, missing ones apart, decides."""
    found = pd.api.types.infer_dtype(series, skipna=True)
    if found in ("string", "empty"):
        missing = series.isna().to_numpy()
        if found == "empty" and not missing.all():
            _reject(name, "object")
        return factor_from_text(name, series)
    if found == "boolean":
        missing = series.isna().to_numpy()
        return Logicals(name, series.where(~missing, False).to_numpy(dtype=bool), _mask(missing))
    if found in ("integer", "floating", "mixed-integer-float", "decimal"):
        try:
            return _numbers(name, series.astype(float).to_numpy())
        except OverflowError:
            raise DataError(f"The column {name!r} holds a number too large to compute with.") from None
    if found in ("mixed", "mixed-integer"):
        raise DataError(
            f"The column {name!r} mixes types ({_examples(series)}); make it all numbers or all text, "
            f"for example with .astype(str)."
        )
    _reject(name, found)


def _examples(series: pd.Series) -> str:
    first: dict[str, object] = {}
    for value in series.dropna():
        first.setdefault(type(value).__name__, value)
    return ", ".join(f"{kind} {value!r}" for kind, value in list(first.items())[:3])


def _from_narwhals(name: str, series: nw.Series[Any]) -> Column:
    dtype = series.dtype
    if isinstance(dtype, (nw.Categorical, nw.Enum)):
        return _from_categories(name, series)
    if isinstance(dtype, nw.String):
        return factor_from_text(name, series.to_numpy().astype(object))
    missing = series.is_null().to_numpy()
    if isinstance(dtype, nw.Boolean):
        return Logicals(name, series.fill_null(False).to_numpy().astype(bool), _mask(missing))
    if dtype.is_integer():
        values = series.fill_null(0).to_numpy() if missing.any() else series.to_numpy()
        return Numbers(name, values, _mask(missing))
    if dtype.is_float():
        return _numbers(name, series.to_numpy())
    if dtype.is_decimal():
        return _numbers(name, series.cast(nw.Float64).to_numpy())
    if isinstance(dtype, nw.Object):
        return _from_objects(name, pd.Series(series.to_list(), dtype=object))
    if missing.all():
        return Numbers(name, np.full(len(series), np.nan), missing)
    _reject(name, str(dtype))


def _from_categories(name: str, series: nw.Series[Any]) -> Column:
    if isinstance(series.dtype, nw.Enum):
        factor = factor_from_text(name, series.cast(nw.String).to_numpy().astype(object))
        position = {text: code for code, text in enumerate(factor.levels)}
        own = [position[text] for text in series.dtype.categories if text in position]
        rank = np.full(len(own) + 1, -1, dtype=np.int32)
        rank[own] = np.arange(len(own), dtype=np.int32)
        return Factor(name, rank[factor.codes], factor.levels[own], factor.missing)
    if series.implementation.is_polars():
        # Its categories are shared by all frames of a session, in the order they first turned up anywhere.
        return factor_from_text(name, series.cast(nw.String).to_numpy().astype(object))
    return _from_pandas(name, series.to_native().to_pandas())


def _reject(name: str, dtype: str) -> NoReturn:
    lower = dtype.lower()
    if "time" in lower or "date" in lower or "duration" in lower or "period" in lower:
        raise DataError(
            f"The column {name!r} holds dates or times ({dtype}); make it a number first, for example "
            f'days since the first with mw.time_since(data["{name}"]), or text for categories.'
        )
    raise DataError(
        f"The column {name!r} has type {dtype}, which a model cannot use; "
        "make it numeric, boolean, text or categorical."
    )
