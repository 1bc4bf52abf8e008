"""What every stage checks alike of the arguments it is given."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from mixwell.errors import DataError


def check_one_of(name: str, value: object, known: Collection[str]) -> None:
    """Refuse a word that is none of those known.

    Raises
    ------
    DataError
        That names those known.
    """
    if not isinstance(value, str) or value not in known:
        there = "is" if len(known) == 1 else "are"
        raise DataError(f"There is no {name}={value!r}; there {there} {', '.join(map(repr, known))}.")


def check_level(level: object, name: str = "level", like: float = 0.95) -> None:
    """Refuse a confidence level, or another probability, that does not lie between 0 and 1.

    Raises
    ------
    DataError
        If it does not, or is no number.
    """
    if isinstance(level, bool) or not isinstance(level, int | float | np.number) or not 0 < level < 1:
        raise DataError(f"{name} must lie between 0 and 1, like {like}, not {level!r}.")


def is_count(value: object, least: int = 1) -> bool:
    """Whether a value is a whole number of at least ``least``."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= least)


def check_count(what: str, value: object, least: int = 1) -> None:
    """Refuse what is no whole number of at least ``least``; ``what`` names it in the message.

    Raises
    ------
    DataError
        If it is none.
    """
    if not is_count(value, least):
        wanted = "a positive whole number" if least == 1 else f"a whole number of at least {least}"
        raise DataError(f"{what} must be {wanted}, not {value!r}.")
