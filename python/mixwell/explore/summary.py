"""A data frame of summaries that prints as tables of at most 79 columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from mixwell.text import WIDTH, display_width, number_column, pad, shorten, table, wrap

# Columns beside each other, and their titles.
_NUMBERS = (
    (
        ("n", "n"),
        ("missing", "missing"),
        ("mean", "mean"),
        ("sd", "SD"),
        ("se", "SE"),
        ("conf_low", "conf_low"),
        ("conf_high", "conf_high"),
    ),
    (("median", "median"), ("q1", "q1"), ("q3", "q3"), ("iqr", "IQR"), ("min", "min"), ("max", "max")),
)
_DATES = ((("n", "n"), ("missing", "missing"), ("first", "first"), ("last", "last")),)
_CATEGORIES = ((("n", "n"), ("missing", "missing"), ("count", "count"), ("percent", "%")),)
_WHOLE = {"n", "missing", "count"}
# Cells of one variable that are printed.
_MOST_PRINTED = 60

# Blanks between columns; room kept for labels.
_GAP = 2
_LABELS = 20

Cells = tuple[str, list[str]]
Blocks = tuple[tuple[tuple[str, str], ...], ...]


class Summary(pd.DataFrame):
    """What ``describe`` returns: a data frame; what is made of it is a plain one. ``by`` names its cells."""

    _metadata = ["by"]  # noqa: RUF012 (pandas' own way to declare attributes)
    by: tuple[str, ...]

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def __repr__(self) -> str:
        by = getattr(self, "by", ())
        if not {"variable", "n", "missing", *by} <= set(self.columns):
            return str(pd.DataFrame(self))
        return "\n".join(summary_lines(pd.DataFrame(self), by))


def summary_lines(rows: pd.DataFrame, by: Sequence[str]) -> list[str]:
    """Tables: one for all variables of a kind, or one for each where there are cells."""
    kinds = rows["variable"].map({name: _kind(part) for name, part in rows.groupby("variable", sort=False)})
    lines: list[str] = []
    if by:
        parts = [(str(name), part) for name, part in rows.groupby("variable", sort=False)]
    else:
        parts = [("", part) for _, part in rows.groupby(kinds, sort=False)]
    for name, part in parts:
        if lines:
            lines.append("")
        if name:
            lines += wrap(f"{name} by {' and '.join(by)}", indent="    ")
        blocks = _kind(part)
        keys = [*(by or ["variable"]), *(["level"] if blocks is _CATEGORIES else [])]
        shown = part.iloc[:_MOST_PRINTED]
        for i, block in enumerate(blocks):
            cells = [(title, _cells(key, shown[key].tolist())) for key, title in block if key in shown]
            for k, together in enumerate(_packed(cells)):
                lines += [""] * (i + k > 0)
                lines += _beside(shown, keys, together)
        if len(part) > len(shown):
            lines.append(f"... and {len(part) - len(shown)} more rows")
    return lines


def _kind(part: pd.DataFrame) -> Blocks:
    if "count" in part and part["count"].notna().any():
        return _CATEGORIES
    return _DATES if "first" in part and part["first"].notna().any() else _NUMBERS


def _packed(cells: Sequence[Cells]) -> list[list[Cells]]:
    """Columns as they fit beside labels of moderate width."""
    packs: list[list[Cells]] = [[]]
    for column in cells:
        if packs[-1] and sum(map(_width, [*packs[-1], column])) > WIDTH - _LABELS:
            packs.append([])
        packs[-1].append(column)
    return packs


def _width(column: Cells) -> int:
    title, cells = column
    return _GAP + max(map(display_width, [title, *cells]))


def _beside(rows: pd.DataFrame, keys: Sequence[str], cells: Sequence[Cells]) -> list[str]:
    """A table with labels of one or several columns, shortened where they leave no room."""
    room = WIDTH - sum(map(_width, cells))
    columns = [[key, *map(str, rows[key])] for key in keys]
    widths = [max(map(display_width, texts)) for texts in columns]
    while sum(widths) + _GAP * (len(widths) - 1) > room:
        widths[widths.index(max(widths))] -= 1
    blank = " " * _GAP
    heading, *names = (
        blank.join(
            pad(shorten(text, width), width) for text, width in zip(texts, widths, strict=True)
        ).rstrip()
        for texts in zip(*columns, strict=True)
    )
    return table(names, cells, heading=heading, gap=_GAP)


def _cells(key: str, values: list[Any]) -> list[str]:
    if key in ("first", "last"):
        return ["" if pd.isna(value) else str(value) for value in values]
    known = [None if pd.isna(value) else float(value) for value in values]
    if key in _WHOLE:
        return ["" if value is None else f"{value:.0f}" for value in known]
    if key == "percent":
        return ["" if value is None else f"{value:.1f}" for value in known]
    return number_column(known)
