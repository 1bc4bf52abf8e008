"""Formula text to tokens, by R's lexical rules: dots in names, backticks, two kinds of quotes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mixwell.errors import FormulaError

Kind = Literal["name", "number", "text", "operator"]

_OPERATORS = frozenset(
    ("%in%", "%/%", "%%", "**", "||", "&&", "==", "!=", "<=", ">=", *"|~+-*/^:(),=<>!&{}.")
)
_LONGEST_FIRST = sorted({len(operator) for operator in _OPERATORS}, reverse=True)
_OPENING = {"(": ")", "{": "}"}

# A formula is text from anywhere, a web form included: what is longer or deeper is refused before any work.
MOST_CHARACTERS = 100_000
MOST_WORDS = 20_000
MOST_NESTED = 100
_MOST_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the formula.

    Attributes
    ----------
    kind
        What it is.
    value
        The name without backticks, the text without quotes, the number or operator as written.
    start, stop
        Where it stands in the formula.
    """

    kind: Kind
    value: str
    start: int
    stop: int


def tokenize(formula: str) -> tuple[Token, ...]:
    """Split a formula into tokens.

    Raises
    ------
    FormulaError
        For a character that has no meaning in formulas, a quote or parenthesis that is not closed, more than
        ``MOST_CHARACTERS`` characters or ``MOST_WORDS`` tokens, or parentheses in more than ``MOST_NESTED``
        others.

    Examples
    --------
    >>> [token.value for token in tokenize("y ~ my.var + (`body mass` | größe)")]
    ['y', '~', 'my.var', '+', '(', 'body mass', '|', 'größe', ')']
    """
    if len(formula) > MOST_CHARACTERS:
        raise FormulaError(
            f"The formula has {len(formula):,} characters; at most {MOST_CHARACTERS:,} are read. "
            "Its beginning: " + shown(formula)
        )
    if any("\ud800" <= character <= "\udfff" for character in formula):
        raise FormulaError(f"{shown(formula)} holds half a character (a surrogate), which no text has.")
    tokens: list[Token] = []
    position = 0
    while position < len(formula):
        if formula[position].isspace():
            position += 1
            continue
        token = _next_token(formula, position)
        tokens.append(token)
        if len(tokens) > MOST_WORDS:
            raise FormulaError(
                f"{shown(formula)} has more than {MOST_WORDS:,} names, numbers and operators, "
                "the most that are read."
            )
        position = token.stop
    _check_balance(formula, tokens)
    return tuple(tokens)


def _next_token(formula: str, start: int) -> Token:
    first = formula[start]
    following = formula[start + 1 : start + 2]
    if first in "`'\"":
        stop = formula.find(first, start + 1)
        if stop < 0:
            raise FormulaError(
                f"The quote {first} at position {start + 1} of {shown(formula)} is not closed."
            )
        return Token("name" if first == "`" else "text", formula[start + 1 : stop], start, stop + 1)
    if first.isdecimal() or (first == "." and following.isdecimal()):
        return _number(formula, start)
    if first.isidentifier() or (first == "." and (following.isidentifier() or following == ".")):
        stop = start + 1
        while stop < len(formula) and (formula[stop] == "." or ("a" + formula[stop]).isidentifier()):
            stop += 1
        return Token("name", formula[start:stop], start, stop)
    for length in _LONGEST_FIRST:
        if formula[start : start + length] in _OPERATORS:
            return Token("operator", formula[start : start + length], start, start + length)
    raise FormulaError(
        f"The character {first!r} at position {start + 1} of {shown(formula)} has no meaning in a formula; "
        "write column names with unusual characters in backticks, `like this`."
    )


def _number(formula: str, start: int) -> Token:
    stop = start
    while stop < len(formula) and (formula[stop].isdecimal() or formula[stop] == "."):
        stop += 1
    if formula[stop : stop + 1] in ("e", "E"):
        exponent = stop + 1
        if formula[exponent : exponent + 1] in ("+", "-"):
            exponent += 1
        if formula[exponent : exponent + 1].isdecimal():
            stop = exponent
            while stop < len(formula) and formula[stop].isdecimal():
                stop += 1
    text = formula[start:stop]
    after = formula[stop : stop + 1]
    if text.count(".") > 1 or (after and ("a" + after).isidentifier() and after != "L"):
        raise FormulaError(
            f"{(text + after)!r} at position {start + 1} of {shown(formula)} is neither a number nor a name; "
            "write column names that begin with a digit in backticks."
        )
    if not math.isfinite(float(text)):
        raise FormulaError(f"The number at position {start + 1} of {shown(formula)} is too large.")
    return Token("number", text, start, stop + (after == "L"))


def _check_balance(formula: str, tokens: list[Token]) -> None:
    expected: list[str] = []
    for token in tokens:
        if token.kind != "operator":
            continue
        if token.value in _OPENING:
            expected.append(_OPENING[token.value])
            if len(expected) > MOST_NESTED:
                raise FormulaError(
                    f"{shown(formula)} nests more than {MOST_NESTED} parentheses, the most that are read."
                )
        elif token.value in _OPENING.values() and (not expected or expected.pop() != token.value):
            raise FormulaError(
                f"{token.value!r} at position {token.start + 1} of {shown(formula)} closes nothing: "
                "check the parentheses."
            )
    if expected:
        raise FormulaError(f"{expected[-1]!r} is missing in {shown(formula)}: a parenthesis is not closed.")


def shown(formula: str) -> str:
    """A formula in quotes, as messages show it: the beginning of a long one.

    >>> shown("y ~ x")
    "'y ~ x'"
    >>> shown("y ~ " + " + ".join(["x"] * 500))[-24:]
    "' ... (2,001 characters)"
    """
    if len(formula) <= _MOST_SHOWN:
        return repr(formula)
    return f"{formula[:_MOST_SHOWN]!r} ... ({len(formula):,} characters)"


def matching(tokens: tuple[Token, ...], start: int) -> int:
    """Index of the token that closes the parenthesis or brace opened at index ``start``."""
    depth = 0
    for index in range(start, len(tokens)):
        if tokens[index].kind == "operator":
            depth += (tokens[index].value in _OPENING) - (tokens[index].value in _OPENING.values())
            if depth == 0:
                return index
    raise FormulaError(f"The parenthesis at position {tokens[start].start + 1} is not closed.")


def is_operator(token: Token, *values: str) -> bool:
    """Whether the token is one of these operators (a quoted or backticked one is not)."""
    return token.kind == "operator" and token.value in values


def source(formula: str, tokens: tuple[Token, ...]) -> str:
    """The text these tokens were read from, white space tidied."""
    return " ".join(formula[tokens[0].start : tokens[-1].stop].split()) if tokens else ""


def quoted(name: str) -> str:
    """A column's name as a formula spells it: in backticks where it is more than a word.

    >>> quoted("age.years"), quoted("age at entry")
    ('age.years', '`age at entry`')
    """
    plain = name.replace(".", "_").isidentifier() and not name.startswith(".")
    return name if plain else f"`{name}`"
