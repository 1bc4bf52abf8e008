"""What rows are called, wherever one is named: by the labels of the caller's data, else by their position.

Positions count from 0, as in the frames that come back; messages about data that cannot be used have no
labels yet, and count from 1, which they say.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixwell.data.columns import Labels, labels
from mixwell.design.record import Design


def row_labels(design: Design, at: NDArray[np.intp] | None = None) -> Labels:
    """What rows are called; ``at`` are their positions among the rows used, by default all."""
    rows = design.rows
    at = np.arange(design.n_obs) if at is None else at
    if rows is not None and rows.index is not None:
        return labels(list(rows.index[at]))
    return labels((at if rows is None or rows.kept is None else rows.kept[at]).tolist())


def are_positions(design: Design) -> bool:
    """Whether rows are called by their positions in the data, counted from 0."""
    rows = design.rows
    if rows is None or rows.index is None:
        return True
    index = rows.index
    if not (isinstance(index.dtype, np.dtype) and index.dtype.kind in "iu"):
        return False
    return np.array_equal(index, np.arange(design.n_obs) if rows.kept is None else rows.kept)


def row_named(design: Design, at: int) -> str:
    """One row in a sentence: ``row 17 (counted from 0)``, ``the row labelled 'b3'``."""
    (name,) = row_labels(design, np.array([at]))
    return f"row {name} (counted from 0)" if are_positions(design) else f"the row labelled {name!r}"


def rows_named(design: Design) -> str:
    """What the names of rows are, as a sentence."""
    if are_positions(design):
        return "Rows are called by their position in the data, counted from 0."
    return "Rows are called by their labels in the data."
