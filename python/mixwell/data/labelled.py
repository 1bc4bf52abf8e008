"""Arrays that carry labels, brought to the order of what the labels name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixwell.data.columns import labels
from mixwell.errors import DataError

# Strange labels named in an error.
_NAMED = 3


def unlabelled(index: pd.Index) -> bool:
    """Whether an index is 0, 1, 2 ...: what pandas gives to rows that nobody labelled.

    >>> unlabelled(pd.Series([4.0, 5.0]).index), unlabelled(pd.Series([4.0, 5.0], index=[1, 0]).index)
    (True, False)
    """
    return bool(index.equals(pd.RangeIndex(len(index))))


def in_order(values: object, wanted: pd.Index | None, what: str) -> object:
    """A pandas series in the order of the rows it is labelled with; all other values as they stand.

    A series without labels of its own (0, 1, 2 ...) is taken as it stands where these are not the labels
    of the rows.

    Parameters
    ----------
    values
        Anything.
    wanted
        Labels of the rows; None where these have none.
    what
        Name of the argument, for messages.

    Raises
    ------
    DataError
        When the labels are not those of the rows, or some occur twice and the order is another.

    Examples
    --------
    >>> in_order(pd.Series({"b": 2.0, "a": 1.0}), pd.Index(["a", "b"]), "weights").tolist()
    [1.0, 2.0]
    """
    if not isinstance(values, pd.Series):
        return values
    own = values.index
    if own.equals(wanted) if wanted is not None else unlabelled(own):
        return values
    remedy = (
        f"Give {what} the labels of the rows, in any order, or none: .to_numpy() takes values as they stand."
    )
    if wanted is None:
        raise DataError(f"{what} carries row labels, but the rows have none to match them with. {remedy}")
    same = len(own) == len(wanted) and own.is_unique and wanted.is_unique
    at = own.get_indexer(wanted) if same else np.full(1, -1)
    if (at >= 0).all():
        return values.iloc[at]
    if unlabelled(own):
        return values
    strange = own.difference(wanted, sort=False)
    if len(strange):
        more = f" and {len(strange) - _NAMED} more" if len(strange) > _NAMED else ""
        named = ", ".join(map(repr, strange[:_NAMED].tolist()))
        raise DataError(f"{what} has labels that no row has: {named}{more}. {remedy}")
    if len(own) < len(wanted):
        raise DataError(f"{what} has values for {len(own)} of {len(wanted)} rows. {remedy}")
    raise DataError(
        f"{what}: some row labels occur twice, so that they do not say which row is meant. {remedy}"
    )


def by_names(values: object, names: Sequence[str], what: str) -> object:
    """Weights of things with names, in their order: a series by its index, a data frame by its columns.

    Everything else, and what carries 0, 1, 2 ... (polars: column_0 ...) for names, stays as it stands.

    Raises
    ------
    DataError
        When the labels are not the names.

    Examples
    --------
    >>> by_names(pd.Series({"b": 2.0, "a": 1.0}), ["a", "b"], "weights").tolist()
    [1.0, 2.0]
    """
    if isinstance(values, pd.Series):
        if unlabelled(values.index):
            return values
        return values.iloc[_places(values.index, names, what)].to_numpy()
    if isinstance(values, pd.DataFrame):
        if unlabelled(values.columns):
            return values
        return values.iloc[:, _places(values.columns, names, what)].to_numpy()
    table: Any = nw.from_native(values, pass_through=True)
    if isinstance(table, nw.DataFrame) and table.columns != [f"column_{i}" for i in range(table.shape[1])]:
        return table.to_numpy()[:, _places(pd.Index(table.columns), names, what)]
    return values


def _places(found: pd.Index, names: Sequence[str], what: str) -> NDArray[np.intp]:
    texts = [_spelled(label if isinstance(label, tuple) else (label,), names) for label in found]
    if sorted(texts) != sorted(names):
        raise DataError(
            f"{what} is labelled {', '.join(map(repr, texts))}; the labels must be "
            f"{', '.join(map(repr, names))}, in any order, or be left out."
        )
    position = {text: i for i, text in enumerate(texts)}
    return np.array([position[name] for name in names], dtype=np.intp)


def _spelled(parts: tuple[object, ...], names: Sequence[str]) -> str:
    """A label as text, numbers as they are spelled in the names: ``0`` or ``0.0``."""
    plain = " ".join(map(str, parts))
    return plain if plain in names else " ".join(labels(parts))
