"""Arrays that belong to a record: the caller's stay the caller's, a record's cannot be changed in place."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def seal(record: DataclassInstance) -> None:
    """Make the arrays of a frozen record read-only; called when it is made.

    An array that can be written to is replaced by a view, so that whoever handed it over keeps theirs as it
    is. Tuples and mappings of arrays are sealed too.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Point:
    ...     place: np.ndarray
    ...
    ...     def __post_init__(self):
    ...         seal(self)
    >>> Point(np.zeros(2)).place.flags.writeable
    False
    """
    for field in fields(record):
        value = getattr(record, field.name)
        sealed = _sealed(value)
        if sealed is not value:
            object.__setattr__(record, field.name, sealed)


def _sealed(value: object) -> object:
    if isinstance(value, np.ndarray):
        return read_only(value)
    if type(value) is tuple:
        parts = tuple(map(_sealed, value))
        return parts if any(new is not old for new, old in zip(parts, value, strict=True)) else value
    if type(value) is dict and any(isinstance(part, np.ndarray | tuple) for part in value.values()):
        return {key: _sealed(part) for key, part in value.items()}
    return value


def read_only(array: np.ndarray) -> np.ndarray:
    """The array itself where it cannot be written to, else a view that cannot."""
    if not array.flags.writeable:
        return array
    view = array.view()
    view.flags.writeable = False
    return view
