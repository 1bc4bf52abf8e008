"""What every stage checks alike of the arguments it is given.

Public functions and methods are :func:`checked`: what their signature says of an argument is what is asked
of it, in one way for all, where the function itself has not refused it in words of its own. Limits that a
type does not tell (a level between 0 and 1, a column that exists) are checked where the argument is used.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from os import PathLike
from typing import Literal, ParamSpec, TypeGuard, TypeVar, get_args, get_origin

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixwell.errors import DataError, MixwellError
from mixwell.memory import memory_errors

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
FloatArray = NDArray[np.float64]

# A whole number beyond this fits no array, and no count of anything.
MOST_WHOLE = 2**63 - 1
_MOST_SHOWN = 80


def told(value: object) -> str:
    """A value as messages tell it: what was typed, and of larger things their kind.

    >>> told("a"), told(3.5), told([1, 2]), told(np.arange(3))
    ("'a'", '3.5', '[1, 2]', 'a ndarray')
    """
    if isinstance(value, (str, bytes, int, float, list, tuple, dict, set, frozenset)) or value is None:
        try:
            text = repr(value)
        except (ValueError, RecursionError):  # Whole numbers of thousands of digits have no text.
            text = ""
        if text and len(text) <= _MOST_SHOWN and "\n" not in text:
            return text
        if isinstance(value, int):
            return "a whole number beyond 2^63"
        if isinstance(value, str):
            return f"{value[:_MOST_SHOWN]!r} ..."
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'aeiouAEIO' else 'a'} {kind}"


def check_one_of(name: str, value: object, known: Collection[str]) -> None:
    """Refuse a word that is none of those known.

    Raises
    ------
    DataError
        That names those known.
    """
    if not isinstance(value, str) or value not in known:
        there = "is" if len(known) == 1 else "are"
        raise DataError(f"There is no {name}={told(value)}; there {there} {', '.join(map(repr, known))}.")


def check_level(level: object, name: str = "level", like: float = 0.95) -> None:
    """Refuse a confidence level, or another probability, that does not lie between 0 and 1.

    Raises
    ------
    DataError
        If it does not, or is no number.
    """
    if not is_number(level) or not 0 < level < 1:
        raise DataError(f"{name} must lie between 0 and 1, like {like}, not {told(level)}.")


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is one real number of Python, numpy or pandas; NaN, True and False are none."""
    if not isinstance(value, _NUMBERS) or isinstance(value, bool):
        return False
    try:
        number = float(value)
    except OverflowError:  # Python's whole numbers have no end.
        return False
    return number == number


_WHOLE = (int, np.integer)
_NUMBERS = (int, float, np.integer, np.floating)


def is_whole(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number that computers count with."""
    return isinstance(value, _WHOLE) and not isinstance(value, bool) and abs(int(value)) <= MOST_WHOLE


def is_count(value: object, least: int = 1) -> TypeGuard[int]:
    """Whether a value is a whole number of at least ``least``."""
    return is_whole(value) and int(value) >= least


def check_count(what: str, value: object, least: int = 1) -> None:
    """Refuse what is no whole number of at least ``least``; ``what`` names it in the message.

    Raises
    ------
    DataError
        If it is none.
    """
    if not is_count(value, least):
        wanted = "a positive whole number" if least == 1 else f"a whole number of at least {least}"
        raise DataError(f"{what} must be {wanted}, not {told(value)}.")


def numbers_given(values: object, what: str) -> FloatArray:
    """A copy of an array of numbers, NaN where masked.

    Raises
    ------
    DataError
        Naming it, if it holds something else.
    """
    given = values_given(values, what)
    if given.dtype.kind not in "biufO":
        raise DataError(f"{what} must be numbers, not {told(values)}.")
    try:
        return np.array(np.ma.filled(np.ma.asarray(given, dtype=np.float64), np.nan))
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{what} must be numbers: {error}.") from None


def values_given(values: object, what: str) -> NDArray[np.generic]:
    """Values as an array.

    Raises
    ------
    DataError
        Naming it, if it is a list of lists of different lengths, or a set or a dict, which have no order.
    """
    if isinstance(values, (set, frozenset, Mapping)):
        raise DataError(f"{what} must be values in order, not {told(values)}.")
    try:
        return values if isinstance(values, np.ma.MaskedArray) else np.asarray(values)
    except (ValueError, TypeError, OverflowError):
        raise DataError(f"{what} must be values, as many in each row, not {told(values)}.") from None


# ---- what a signature says


@dataclass(frozen=True, slots=True)
class Kind:
    """What an argument may be: one of several things, and how they are called.

    Attributes
    ----------
    admits
        Whether a value is the one thing, or the other ...
    names
        What they are called.
    words
        All that it may be, where it is a word or None.
    """

    admits: tuple[Callable[[object], bool], ...]
    names: tuple[str, ...]
    words: tuple[str, ...] = ()

    def check(self, name: str, value: object) -> None:
        """Refuse what is none of them.

        Raises
        ------
        DataError
            Naming the argument, what was given and what may be.
        """
        for admit in self.admits:
            if admit(value):
                return
        if self.words:
            check_one_of(name, value, self.words)
        if name == "level":
            check_level(value)
        raise DataError(f"{name} must be {' or '.join(self.names)}, not {told(value)}.")


def _is_flag(value: object) -> bool:
    return isinstance(value, (bool, np.bool_))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


_SEVERAL = (Sequence, np.ndarray, pd.Index, pd.Series)


def _listed(admit: Callable[[object], bool]) -> Callable[[object], bool]:
    def admits(value: object) -> bool:
        if isinstance(value, (str, bytes)) or not isinstance(value, _SEVERAL):
            return False
        if isinstance(value, np.ndarray) and value.ndim != 1:
            return False
        return all(map(admit, value))

    return admits


def _mapped(admit: Callable[[object], bool]) -> Callable[[object], bool]:
    def admits(value: object) -> bool:
        return isinstance(value, Mapping) and all(
            isinstance(key, str) and admit(inner) for key, inner in value.items()
        )

    return admits


def _anything(value: object) -> bool:
    return True


# How a signature spells a type -> what it admits, what messages call it.
_KINDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "None": (lambda value: value is None, "None"),
    "bool": (_is_flag, "True or False"),
    "int": (is_whole, "a whole number"),
    "float": (is_number, "a number"),
    "str": (_is_text, "a text"),
    "Path": (lambda value: isinstance(value, PathLike), "a path"),
    "Sequence[str]": (_listed(_is_text), "a list of texts"),
    "Sequence[object]": (_listed(_anything), "a list"),
    "Sequence[int]": (_listed(is_whole), "a list of whole numbers"),
    "Mapping[str, object]": (_mapped(_anything), "a dict by names"),
    "Mapping[str, str]": (_mapped(_is_text), "a dict of texts by names"),
    "Mapping[str, float]": (_mapped(is_number), "a dict of numbers by names"),
    "Seed": (
        lambda value: value is None or is_count(value, 0) or isinstance(value, np.random.Generator),
        "None, a whole number of at least 0 or a numpy Generator",
    ),
    "Labels": (lambda value: value is None or _mapped(_is_text)(value), "a dict of texts by names"),
}
# Records and matplotlib's objects, told by the name of their class so that nothing is loaded here.
_CLASSES = frozenset(
    ("Axes", "Bootstrap", "Control", "Design", "Figure", "Fit", "Profile", "Structure", "SubFigure")
)


def _kind_of(spelled: str, known: Mapping[str, object]) -> Kind | None:
    """What a type admits; None where some of it is not known here and is left to the function itself."""
    admits: list[Callable[[object], bool]] = []
    names: list[str] = []
    words: list[str] = []
    plain = True
    for whole in _parts(spelled):
        # An alias may be spelled with its module.
        part = whole.rpartition(".")[2] if whole.replace(".", "").isidentifier() else whole
        meant = known.get(part)
        if part in _KINDS:
            admit, name = _KINDS[part]
            plain = plain and part == "None"
        elif part.startswith("Literal[") or get_origin(meant) is Literal:
            literal = ast.literal_eval(part[len("Literal") :]) if meant is None else get_args(meant)
            admit, name = _one_of(literal), ", ".join(map(repr, literal))
            words += literal
        elif part in _CLASSES:
            admit, name, plain = _instance(part), f"a {part}", False
        elif part.startswith("Callable"):
            admit, name, plain = callable, "a function", False
        else:
            return None
        admits.append(admit)
        names.append(name)
    return Kind(tuple(admits), tuple(names), tuple(words) if plain else ())


def _parts(spelled: str) -> list[str]:
    """The alternatives of a type, ``"int | None"``."""
    parts, depth = [""], 0
    for character in spelled:
        depth += (character == "[") - (character == "]")
        if character == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _one_of(words: Sequence[str]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and value in words


def _instance(name: str) -> Callable[[object], bool]:
    return lambda value: any(kind.__name__ == name for kind in type(value).__mro__)


# What wrong arguments lead to, deep inside.
_INTERNAL = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the arguments of a function, by position and by name; ``flags`` are True or False."""

    name: str
    positional: tuple[str, ...]
    kinds: Mapping[str, Kind]
    flags: frozenset[str]

    def named(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, object]:
        """The arguments of a call by name."""
        return {**dict(zip(self.positional, args, strict=False)), **kwargs}

    def check(self, given: Mapping[str, object]) -> None:
        """Refuse arguments that are not what the signature says.

        Raises
        ------
        DataError
            Naming the first that is not.
        """
        for name, value in given.items():
            if name in self.kinds:
                self.kinds[name].check(name, value)


class Refusing:
    """A call within which an internal error is one of the argument that was not what was asked.

    A function's own words about its arguments come first; they know the remedy. What passes for True, text
    such as ``"no"``, is refused before the call.
    """

    __slots__ = ("asked", "given")

    def __init__(self, asked: Asked, args: Sequence[object], kwargs: Mapping[str, object]) -> None:
        self.asked = asked
        self.given = asked.named(args, kwargs)

    def __enter__(self) -> None:
        for name in self.asked.flags & self.given.keys():
            self.asked.kinds[name].check(name, self.given[name])

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is None or isinstance(error, MixwellError):
            return
        if isinstance(error, (MemoryError, *_INTERNAL)):
            with memory_errors(f"{self.asked.name}()"):
                if isinstance(error, (MemoryError, ValueError)) and not isinstance(error, UnicodeError):
                    self.refuse(error)
                    raise error
            self.refuse(error)

    def refuse(self, error: Exception) -> None:
        """Raise an error that names the argument, if one is not what was asked."""
        try:
            self.asked.check(self.given)
        except DataError as named:
            raise named from error


def asked_of(function: Callable[..., object]) -> Asked:
    """What a function's signature asks of its arguments."""
    positional: list[str] = []
    kinds: dict[str, Kind] = {}
    flags: set[str] = set()
    known = inspect.unwrap(function).__globals__
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is not parameter.KEYWORD_ONLY:
            positional.append(name)
        kind = _kind_of(str(parameter.annotation), known)
        if kind is not None and parameter.kind is not parameter.VAR_POSITIONAL:
            kinds[name] = kind
            if "bool" in _parts(str(parameter.annotation)) and set(kind.names) <= {"True or False", "None"}:
                flags.add(name)
    return Asked(function.__name__, tuple(positional), kinds, frozenset(flags))


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """A public function whose arguments are what its signature says, or are refused by name.

    >>> @checked
    ... def repeat(text: str, times: int = 2) -> str:
    ...     return text * times
    >>> repeat("ab")
    'abab'
    >>> repeat("ab", times=1.5)
    Traceback (most recent call last):
        ...
    mixwell.errors.DataError: times must be a whole number, not 1.5.
    """
    known: list[Asked] = []  # Found out at the first call: importing stays light.

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if not known:
            known.append(asked_of(function))
        with Refusing(known[0], args, kwargs):
            return function(*args, **kwargs)

    return call


def checked_methods(kind: type[T]) -> type[T]:
    """A class all of whose public methods are :func:`checked`."""
    for name, value in list(vars(kind).items()):
        if not name.startswith("_") and inspect.isfunction(value):
            code = value.__code__
            if code.co_argcount + code.co_kwonlyargcount > 1:
                setattr(kind, name, checked(value))
    return kind
