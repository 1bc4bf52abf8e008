"""Results in the caller's own kind of frame: polars in, polars out; pandas otherwise."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixwell.data.frame import FrameKind
from mixwell.data.native import to_native
from mixwell.text import WIDTH, with_notes

if TYPE_CHECKING:
    import polars as pl

Values: TypeAlias = Sequence[object] | NDArray[np.generic]
NativeFrame: TypeAlias = "pd.DataFrame | pl.DataFrame"
NativeVector: TypeAlias = "pd.Series[float] | pl.Series"


@dataclass(frozen=True, slots=True)
class Origin:
    """The kind of frame that rows came from, and their labels.

    Attributes
    ----------
    kind
        ``"pandas"`` or ``"polars"``: what results are returned as.
    index
        Row labels of the caller's pandas frame; None stands for 0, 1, 2 ...
    """

    kind: Literal["pandas", "polars"]
    index: pd.Index | None


def output_kind(kind: FrameKind) -> Literal["pandas", "polars"]:
    """The kind of results for a kind of data."""
    return "polars" if kind == "polars" else "pandas"


def frame(
    at: Origin, columns: Mapping[str, Values], *, labels: tuple[str, Values] | None = None
) -> NativeFrame:
    """A frame of columns. ``labels`` (name, values) become the pandas index or the first polars column."""
    if at.kind == "polars":
        whole = columns if labels is None else {labels[0]: labels[1], **columns}
        return cast("pl.DataFrame", to_native(whole, "polars"))
    return pd.DataFrame(dict(columns), index=None if labels is None else pd.Index(labels[1], name=labels[0]))


class NotedFrame(pd.DataFrame):
    """A data frame with a remark, ``note``, that is printed below it."""

    _metadata = ["note"]  # noqa: RUF012 (pandas' own way to declare attributes)
    note: str

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def copy(self, deep: bool = True) -> NotedFrame:  # type: ignore[misc]
        """The same frame with the same remark; what is computed from it has none."""
        made = NotedFrame(super().copy(deep))
        made.note = self.note
        return made

    def __repr__(self) -> str:
        text = self._text(index=not isinstance(self.index, pd.RangeIndex))
        if max(map(len, text.splitlines())) > WIDTH:
            # In portions of columns, told apart by the numbers of the rows.
            text = self._text(index=True, line_width=WIDTH)
        return with_notes(text, [self.note] if self.note else [])

    def _text(self, *, index: bool, line_width: int | None = None) -> str:
        p_values = [name for name in self.columns if str(name).startswith("p_")]
        return self.to_string(
            index=index,
            line_width=line_width,
            na_rep="",
            float_format=lambda value: f"{value:.6g}",
            formatters=dict.fromkeys(p_values, lambda value: "" if math.isnan(value) else f"{value:.3g}"),
        )

    def _repr_html_(self) -> str:
        table = self.to_html(na_rep="", border=0)
        return f"{table}<p>{html.escape(self.note)}</p>" if self.note else table


def noted_frame(
    at: Origin, columns: Mapping[str, Values], note: str, index: Sequence[str] | None = None
) -> NativeFrame:
    """A frame of columns with a remark; polars frames have no place for one, nor for an index."""
    if at.kind == "polars":
        return frame(at, columns)
    out = NotedFrame(dict(columns), index=None if index is None else list(index))
    out.note = note
    return out


def square_frame(at: Origin, values: NDArray[np.float64], names: Sequence[str]) -> NativeFrame:
    """A matrix with the same names on rows and columns (polars: names of rows in the column ``term``)."""
    if at.kind == "polars":
        return frame(at, {n: values[:, j] for j, n in enumerate(names)}, labels=("term", list(names)))
    return pd.DataFrame(values.copy(), index=list(names), columns=list(names))


def row_vector(at: Origin, values: NDArray[np.float64], name: str) -> NativeVector:
    """One value per row of the data, with the caller's index."""
    if at.kind == "polars":
        return cast("pl.Series", nw.new_series(name, values, backend="polars").to_native())
    return pd.Series(values.copy(), index=at.index, name=name)


def row_frame(at: Origin, columns: Mapping[str, Values]) -> NativeFrame:
    """Columns with one value per row of the data, with the caller's index."""
    if at.kind == "polars":
        return frame(at, columns)
    return pd.DataFrame(dict(columns), index=at.index)
