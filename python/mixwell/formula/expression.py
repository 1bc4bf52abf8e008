"""Expressions inside a formula, ``log(x + 1)`` or ``I(x^2)``: read with R's precedence into a small tree.

The tree is data. Nothing of a formula is ever handed to ``eval``: what an expression can do is what
:mod:`mixwell.design.evaluate` and the table of functions allow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mixwell.errors import FormulaError
from mixwell.formula.tokens import Token, is_operator, quoted, shown


@dataclass(frozen=True, slots=True)
class Name:
    """A column, or a constant such as ``pi``."""

    value: str


@dataclass(frozen=True, slots=True)
class Number:
    """A literal number."""

    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A literal in quotes."""

    value: str


@dataclass(frozen=True, slots=True)
class Unary:
    """``-x`` or ``!x``."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """``left operator right``; both powers are written ``^``."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Call:
    """``function(arguments, keyword=value)``."""

    function: str
    arguments: tuple[Node, ...]
    keywords: tuple[tuple[str, Node], ...] = ()


Node = Name | Number | Text | Unary | Binary | Call

# Calls that look along the rows of a group. They are columns, made before rows with missing values are left
# out: a row before may be one of these.
ALONG = frozenset({"lag", "rolling_mean", "cumulative"})
# Calls that compare a row with its group: their values do not follow from their arguments in that row alone.
GROUPED = frozenset({"between", "within"})

# R's ?Syntax, loosest first. A sign binds tighter than * and /, but looser than ^ and : .
_BINDING = {
    "||": 1,
    "|": 1,
    "&&": 2,
    "&": 2,
    "==": 4,
    "!=": 4,
    "<": 4,
    ">": 4,
    "<=": 4,
    ">=": 4,
    "+": 5,
    "-": 5,
    "*": 6,
    "/": 6,
    "%%": 7,
    "%/%": 7,
    "%in%": 7,
    ":": 8,
    "^": 10,
}
_NOT = 3
_SIGN = 9

# The tree is walked by functions that call themselves.
MOST_DEEP = 100


def parse_expression(tokens: tuple[Token, ...], formula: str) -> Node:
    """Read tokens as one expression.

    Raises
    ------
    FormulaError
        When they do not form one, or its operators are more than ``MOST_DEEP`` inside each other.

    Examples
    --------
    >>> from mixwell.formula.tokens import tokenize
    >>> parse_expression(tokenize("-x^2"), "-x^2")
    Unary(operator='-', operand=Binary(operator='^', left=Name(value='x'), right=Number(value=2.0)))
    """
    reader = _Reader(tokens, formula)
    node = reader.expression(0)
    if reader.position < len(tokens):
        raise reader.unexpected()
    if _depth(node) > MOST_DEEP:
        raise reader.too_deep()
    return node


def _depth(node: Node) -> int:
    """How many operators and calls are inside each other; in a + b + c the first sum is inside the second."""
    deepest = 0
    pending: list[tuple[Node, int]] = [(node, 0)]
    while pending:
        inner, depth = pending.pop()
        deepest = max(deepest, depth)
        match inner:
            case Unary(_, operand):
                pending.append((operand, depth + 1))
            case Binary(_, left, right):
                pending += [(left, depth + 1), (right, depth + 1)]
            case Call(_, arguments, keywords):
                pending += [(argument, depth + 1) for argument in arguments]
                pending += [(argument, depth + 1) for _, argument in keywords]
            case _:
                pass
    return deepest


@dataclass(slots=True)
class _Reader:
    tokens: tuple[Token, ...]
    formula: str
    position: int = 0
    depth: int = 0

    def unexpected(self) -> FormulaError:
        if self.position >= len(self.tokens):
            return FormulaError(f"{shown(self.formula)} stops in the middle of an expression.")
        token = self.tokens[self.position]
        return FormulaError(
            f"{shown(self.formula)} cannot be read: {token.value!r} at position {token.start + 1} "
            "is not expected there."
        )

    def too_deep(self) -> FormulaError:
        return FormulaError(
            f"An expression of {shown(self.formula)} has more than {MOST_DEEP} operators inside each other, "
            "the most that are read; compute it in the data frame and use the name of the column."
        )

    def at(self, *operators: str) -> bool:
        return self.position < len(self.tokens) and is_operator(self.tokens[self.position], *operators)

    def skip(self, operator: str) -> None:
        if not self.at(operator):
            raise self.unexpected()
        self.position += 1

    def expression(self, least: int) -> Node:
        self.depth += 1
        if self.depth > 2 * MOST_DEEP:  # Parentheses leave no trace in the tree; signs and powers do.
            raise self.too_deep()
        left = self.operand()
        while self.position < len(self.tokens):
            token = self.tokens[self.position]
            operator = "^" if token.value == "**" else token.value
            if token.kind != "operator" or _BINDING.get(operator, -1) < least:
                break
            self.position += 1
            # Powers group from the right and take a signed exponent, everything else from the left.
            right = self.expression(_SIGN if operator == "^" else _BINDING[operator] + 1)
            left = Binary(operator, left, right)
        self.depth -= 1
        return left

    def operand(self) -> Node:
        if self.position >= len(self.tokens):
            raise self.unexpected()
        token = self.tokens[self.position]
        if is_operator(token, "-", "+", "!"):
            self.position += 1
            operand = self.expression(_NOT if token.value == "!" else _SIGN)
            return operand if token.value == "+" else Unary(token.value, operand)
        if is_operator(token, "(", "{"):
            self.position += 1
            node = self.expression(0)
            self.skip(")" if token.value == "(" else "}")
            return node
        if token.kind == "operator":
            raise self.unexpected()
        self.position += 1
        if token.kind == "number":
            return Number(float(token.value))
        if token.kind == "text":
            return Text(token.value)
        if self.at("(") and self.formula[token.start] != "`":
            return self.call(token.value)
        return Name(token.value)

    def call(self, function: str) -> Call:
        self.skip("(")
        arguments: list[Node] = []
        keywords: list[tuple[str, Node]] = []
        while not self.at(")"):
            keyword = self.keyword()
            if keyword is not None:
                keywords.append((keyword, self.expression(0)))
            elif keywords:
                raise FormulaError(
                    f"In {function}(...) of {shown(self.formula)}: arguments with a name come last."
                )
            else:
                arguments.append(self.expression(0))
            if not self.at(")"):
                self.skip(",")
        self.skip(")")
        return Call(function, tuple(arguments), tuple(keywords))

    def keyword(self) -> str | None:
        following = self.tokens[self.position + 1 : self.position + 2]
        if following and is_operator(following[0], "=") and self.tokens[self.position].kind == "name":
            name = self.tokens[self.position].value
            self.position += 2
            return name
        return None


def time_names(node: Node) -> Iterator[str]:
    """The names that an expression hands to ``time_since``: columns that may hold dates."""
    match node:
        case Unary(_, operand):
            yield from time_names(operand)
        case Binary(_, left, right):
            yield from time_names(left)
            yield from time_names(right)
        case Call(function, arguments, keywords):
            for argument in (*arguments, *(value for _, value in keywords)):
                if function == "time_since" and isinstance(argument, Name):
                    yield argument.value
                yield from time_names(argument)
        case _:
            return


def along_calls(node: Node) -> Iterator[Call]:
    """The calls in an expression that look along the rows of a group."""
    match node:
        case Call(function, _, _) if function in ALONG:
            yield node
        case Call(_, arguments, keywords):
            for argument in (*arguments, *(value for _, value in keywords)):
                yield from along_calls(argument)
        case Unary(_, operand):
            yield from along_calls(operand)
        case Binary(_, left, right):
            yield from along_calls(left)
            yield from along_calls(right)
        case _:
            return


def written(node: Node) -> str:
    """An expression as text, blanks as here whatever was typed: the name of the column a call makes.

    >>> from mixwell.formula.tokens import tokenize
    >>> text = "lag(x,g , steps=2)"
    >>> written(parse_expression(tokenize(text), text))
    'lag(x, g, steps=2)'
    >>> written(parse_expression(tokenize("2*(y+1)^2"), "2*(y+1)^2"))
    '2 * (y + 1)^2'
    """
    match node:
        case Name(value):
            return quoted(value)
        case Number(value):
            return f"{value:g}" if float(f"{value:g}") == value else repr(value)
        case Text(value):
            return repr(value)
        case Unary(operator, operand):
            return f"{operator}{_enclosed(operand, _strength(node))}"
        case Binary(operator, left, right):
            sign = operator if operator in ("^", "/", ":") else f" {operator} "
            own = _BINDING[operator]
            # As they are read: powers group from the right and take a signed exponent.
            most = (own + 1, _SIGN) if operator == "^" else (own, own + 1)
            return f"{_enclosed(left, most[0])}{sign}{_enclosed(right, most[1])}"
        case Call(function, arguments, keywords):
            given = [*map(written, arguments), *(f"{name}={written(value)}" for name, value in keywords)]
            return f"{function}({', '.join(given)})"


def _strength(node: Node) -> int:
    """How tightly the outermost operator of an expression binds."""
    match node:
        case Unary(operator, _):
            return _NOT if operator == "!" else _SIGN
        case Binary(operator, _, _):
            return _BINDING[operator]
        case _:
            return max(_BINDING.values()) + 1


def _enclosed(node: Node, least: int) -> str:
    """An operand as text, in parentheses where its operator binds less tightly than ``least``."""
    return written(node) if _strength(node) >= least else f"({written(node)})"


def names(node: Node) -> Iterator[str]:
    """The names an expression reads, in order, repeated as often as they occur; functions not included.

    A call along the rows of a group counts as the column it makes.
    """
    match node:
        case Name(value):
            yield value
        case Call(function, _, _) if function in ALONG:
            yield written(node)
        case Unary(_, operand):
            yield from names(operand)
        case Binary(_, left, right):
            yield from names(left)
            yield from names(right)
        case Call(_, arguments, keywords):
            for argument in arguments:
                yield from names(argument)
            for _, argument in keywords:
                yield from names(argument)
        case _:
            return
