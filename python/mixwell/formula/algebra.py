"""The algebra of terms, ``a * b``, ``(a + b)^2``, ``a / b - 1``: what a sum stands for, as R expands it.

A term is the set of its variables, held as the bits of a whole number: joining two terms is ``|``, so that
``a:a`` is ``a`` and a power stops growing by itself. The intercept is no term but a switch that ``1``, ``0``
and their signs turn, as in R's ``terms.formula``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from mixwell.errors import FormulaError

# What a formula may grow to. Larger sums are typing mistakes, or meant to keep a machine busy.
MOST_TERMS = 5_000
_MOST_JOINED = 1_000_000

# Position of an operand: its variable, or a literal or operator as typed.
Piece = int | str
_Terms = dict[int, None]

# R's ?Syntax, loosest first.
_BINDING = {"+": 1, "-": 1, "*": 2, "/": 2, "%in%": 3, ":": 4}


@dataclass(frozen=True, slots=True)
class Sum:
    """What a sum expands to.

    Attributes
    ----------
    terms
        Ascending variables of each term; by number of variables, then in the order in which R makes them.
    intercept
        Whether it has one.
    """

    terms: tuple[tuple[int, ...], ...]
    intercept: bool


def expand(pieces: Sequence[Piece], text: str) -> Sum:
    """Expand a sum of terms; an intercept is implied.

    Parameters
    ----------
    pieces
        Variables by number, ``"0"`` and ``"1"``, operators, parentheses; behind ``"^"`` any number as typed.
    text
        What messages call it.

    Raises
    ------
    FormulaError
        If it cannot be read, multiplies by a number, or grows beyond ``MOST_TERMS``.

    Examples
    --------
    >>> expand([0, "*", 1, "-", "1"], "a * b - 1")
    Sum(terms=((0,), (1,), (0, 1)), intercept=False)
    """
    reader = _Reader(pieces, text)
    found = reader.sum(1)
    if reader.position < len(pieces):
        raise reader.unreadable()
    ordered = sorted(found, key=int.bit_count)
    return Sum(tuple(tuple(_bits(term)) for term in ordered), reader.intercept)


def _bits(term: int) -> Iterable[int]:
    while term:
        lowest = term & -term
        yield lowest.bit_length() - 1
        term ^= lowest


@dataclass(slots=True)
class _Reader:
    pieces: Sequence[Piece]
    text: str
    position: int = 0
    intercept: bool = True
    adds: bool = True
    """Whether what is read now is added, or taken away."""
    joined: int = 0
    """Pairs of terms joined so far."""

    def unreadable(self) -> FormulaError:
        return FormulaError(f"The terms {self.text} cannot be read: check its operators.")

    def at(self) -> Piece | None:
        return self.pieces[self.position] if self.position < len(self.pieces) else None

    def sum(self, least: int) -> _Terms:
        left = self.operand()
        while (operator := self.at()) is not None and isinstance(operator, str):
            binding = _BINDING.get(operator, 0)
            if binding < least:
                break
            self.position += 1
            if operator in ("+", "-"):
                # Signs in a row count as one.
                negative = self.signs(operator == "-")
                for term in self.taken(binding + 1) if negative else self.sum(binding + 1):
                    if negative:
                        left.pop(term, None)
                    else:
                        left[term] = None
                self.check_size(left)
            else:
                left = self.combined(operator, left, self.sum(binding + 1))
        return left

    def signs(self, negative: bool) -> bool:
        while (sign := self.at()) in ("+", "-"):
            negative ^= sign == "-"
            self.position += 1
        return negative

    def taken(self, least: int) -> _Terms:
        """Read what is taken away: there 1 removes the intercept and 0 brings it back."""
        self.adds = not self.adds
        terms = self.sum(least)
        self.adds = not self.adds
        return terms

    def operand(self) -> _Terms:
        piece = self.at()
        if piece in ("+", "-"):
            if not self.signs(negative=False):
                return self.sum(_BINDING[":"] + 1)
            self.taken(_BINDING[":"] + 1)
            return {}
        self.position += 1
        if piece == "(":
            terms = self.sum(1)
            if self.at() != ")":
                raise self.unreadable()
            self.position += 1
        elif isinstance(piece, int):
            terms = {1 << piece: None}
        elif piece in ("0", "1"):
            self.intercept = self.adds == (piece == "1")
            terms = {}
        else:
            raise self.unreadable()
        if self.at() in ("^", "**"):
            self.position += 1
            terms = self.powered(terms)
        return terms

    def powered(self, terms: _Terms) -> _Terms:
        typed = str(self.at())
        if not typed.isdecimal() or not typed.strip("0") or isinstance(self.at(), int):
            raise FormulaError(
                f"In {self.text} the power of a term must be a positive whole number, as in (a + b)^2; "
                "write I(x^2) for the power of a column."
            )
        self.position += 1
        if self.at() in ("^", "**"):
            raise self.unreadable()
        # Joining another factor changes nothing once each term holds all variables that it can.
        most = min(int(typed) if len(typed) < 5 else len(terms), len(terms))
        found = dict(terms)
        for _ in range(most - 1):
            found = self.interactions(found, terms)
            self.check_size(found)
        return found

    def combined(self, operator: str, left: _Terms, right: _Terms) -> _Terms:
        if not left or not right:
            raise FormulaError(
                f"In {self.text} one side of {operator!r} is a number, or nothing is left of it; "
                "use I(2 * x) for a multiple of a column."
            )
        if operator == "*":
            found = {**left, **right, **self.interactions(left, right)}
        elif operator == "/":
            found = {**left, **self.interactions({reduce(or_, left): None}, right)}
        elif operator == "%in%":
            found = self.interactions(left, {reduce(or_, right): None})
        else:
            found = self.interactions(left, right)
        self.check_size(found)
        return found

    def interactions(self, left: _Terms, right: _Terms) -> _Terms:
        self.joined += len(left) * len(right)
        if self.joined > _MOST_JOINED:
            raise self.too_many()
        return dict.fromkeys(one | other for one in left for other in right)

    def check_size(self, terms: _Terms) -> None:
        if len(terms) > MOST_TERMS:
            raise self.too_many()

    def too_many(self) -> FormulaError:
        return FormulaError(
            f"{self.text} stands for more than {MOST_TERMS:,} terms, the most that are expanded; "
            "write the interactions that are meant one by one."
        )
