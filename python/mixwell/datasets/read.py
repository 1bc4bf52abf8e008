"""Read a shipped data set: the rows as R wrote them, the columns as R typed them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

FILES = Path(__file__).parent / "files"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a shipped data set.

    Attributes
    ----------
    name
        R's column name.
    dtype
        ``float64``, ``int64`` or a categorical type with R's levels in R's order.
    numeric_order
        The levels are not listed: they are the values that occur, ascending as numbers.
    """

    name: str
    dtype: str | pd.CategoricalDtype
    numeric_order: bool


@dataclass(frozen=True, slots=True)
class Specification:
    """What the export script recorded about a data set.

    Attributes
    ----------
    package, version, object
        The R package, its version, and the name of the data set in it.
    licence
        The licence of that package.
    rows
        Number of rows.
    sha256
        Checksum of the compressed rows, in hexadecimal.
    columns
        In R's order.
    """

    package: str
    version: str
    object: str
    licence: str
    rows: int
    sha256: str
    columns: tuple[Column, ...]


def _column(spec: dict[str, Any]) -> Column:
    if spec["kind"] != "category":
        return Column(spec["name"], {"number": "float64", "integer": "int64"}[spec["kind"]], False)
    return Column(
        spec["name"], pd.CategoricalDtype(spec.get("levels"), spec["ordered"]), spec["order"] == "numeric"
    )


@cache
def specification(name: str) -> Specification:
    """What the export script recorded about the data set ``name``."""
    record = json.loads((FILES / f"{name}.json").read_text(encoding="utf-8"))
    columns = tuple(_column(spec) for spec in record.pop("columns"))
    return Specification(columns=columns, **record)


def read(name: str) -> pd.DataFrame:
    """A new frame with the rows of the data set ``name``."""
    columns = specification(name).columns
    frame = pd.read_csv(
        FILES / f"{name}.csv.gz",
        dtype={column.name: column.dtype for column in columns},
        keep_default_na=False,
    )
    for column in columns:
        if column.numeric_order:
            values = frame[column.name].cat
            levels = sorted(values.categories, key=int)  # pandas reads unlisted labels as numbers
            frame[column.name] = values.set_categories(levels).cat.rename_categories(list(map(str, levels)))
    return frame
