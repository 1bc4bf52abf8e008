"""Sums of terms, ``a * b + log(x) - 1``: the fixed part and the left sides of the bars.

Variables are found here, by R's lexical rules; which terms a sum of them stands for is told by
:mod:`mixwell.formula.algebra`.
"""

from __future__ import annotations

from dataclasses import dataclass

from mixwell.errors import FormulaError
from mixwell.formula.algebra import Piece, expand
from mixwell.formula.expression import Call, Name, Node, parse_expression
from mixwell.formula.tokens import Token, is_operator, matching, shown, source


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a formula in R's sense: a column or an expression that enters terms as a whole.

    Attributes
    ----------
    name
        As typed, ``"log(x)"``; columns without backticks.
    expression
        What it computes. Two spellings of one expression are one variable.
    """

    name: str
    expression: Node


@dataclass(frozen=True, slots=True)
class Terms:
    """A sum of terms.

    Attributes
    ----------
    variables
        Each once, in order of first appearance.
    terms
        Each term as ascending indices into ``variables``; by number of variables, then as typed, as in R.
        Without the intercept.
    intercept
        Whether the sum has one.
    offsets
        Expressions inside ``offset()``; they add up.
    """

    variables: tuple[Variable, ...]
    terms: tuple[tuple[int, ...], ...]
    intercept: bool
    offsets: tuple[Variable, ...] = ()

    def label(self, term: tuple[int, ...]) -> str:
        """The term as text, ``"a:b"``."""
        return ":".join(self.variables[index].name for index in term)


def parse_terms(tokens: tuple[Token, ...], formula: str) -> Terms:
    """Read tokens as a sum of terms; an intercept is implied.

    Raises
    ------
    FormulaError
        When they cannot be read.

    Examples
    --------
    >>> from mixwell.formula.tokens import tokenize
    >>> text = "dose * sex + log(age) + offset(base)"
    >>> parsed = parse_terms(tokenize(text), text)
    >>> [parsed.label(term) for term in parsed.terms], parsed.offsets[0].name
    (['dose', 'sex', 'log(age)', 'dose:sex'], 'base')
    """
    if not tokens:
        raise FormulaError(f"A part of {shown(formula)} is empty; write 1 for an intercept alone.")
    variables: dict[Node, Variable] = {}
    numbers: dict[Node, int] = {}
    pieces: list[Piece] = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        stop = _variable_stop(tokens, position, formula)
        if stop == position:
            if (
                token.kind == "number"
                and token.value not in ("0", "1")
                and pieces[-1:] not in (["^"], ["**"])
            ):
                raise FormulaError(
                    f"The number {token.value} is not a term of {shown(formula)}; "
                    "use I(2 * x) for a multiple of a column."
                )
            pieces.append(_operator(token, formula))
            position += 1
            continue
        part = tokens[position:stop]
        expression = parse_expression(part, formula)
        name = expression.value if isinstance(expression, Name) else source(formula, part)
        if is_operator(token, "{"):
            name = f"I({source(formula, part[1:-1])})"
        variables.setdefault(expression, Variable(name, expression))
        pieces.append(numbers.setdefault(expression, len(numbers)))
        position = stop
    expanded = expand(pieces, shown(source(formula, tokens)))
    return _without_offsets(tuple(variables.values()), expanded.terms, expanded.intercept)


def _variable_stop(tokens: tuple[Token, ...], start: int, formula: str) -> int:
    """Where the variable that begins at ``start`` ends; ``start`` itself at an operator or number."""
    token = tokens[start]
    if token.kind == "text":
        raise FormulaError(
            f'The text "{token.value}" cannot be a term of {shown(formula)}; columns go in `backticks`.'
        )
    if is_operator(token, "{"):
        return matching(tokens, start) + 1
    if token.kind != "name":
        return start
    called = start + 1 < len(tokens) and is_operator(tokens[start + 1], "(") and formula[token.start] != "`"
    return matching(tokens, start + 1) + 1 if called else start + 1


def _operator(token: Token, formula: str) -> str:
    if token.kind == "number":
        return token.value
    if token.value == ".":
        raise FormulaError(
            f"The dot in {shown(formula)} (all other columns) is not supported; name the columns."
        )
    if token.value in ("+", "-", "*", "/", ":", "%in%", "^", "**", "(", ")"):
        return token.value
    remedy = "random effects are written in parentheses, (x | group)" if "|" in token.value else "use I(...)"
    raise FormulaError(f"{token.value!r} has no meaning between the terms of {shown(formula)}; {remedy}.")


def _is_offset(variable: Variable) -> bool:
    return isinstance(variable.expression, Call) and variable.expression.function == "offset"


def _without_offsets(
    variables: tuple[Variable, ...], terms: tuple[tuple[int, ...], ...], intercept: bool
) -> Terms:
    offsets: list[Variable] = []
    for variable in filter(_is_offset, variables):
        call = variable.expression
        if not isinstance(call, Call) or len(call.arguments) != 1 or call.keywords:
            raise FormulaError(f"{variable.name} takes one expression, as in offset(log(exposure)).")
        if any(len(term) > 1 and _is_offset(variables[index]) for term in terms for index in term):
            raise FormulaError(f"{variable.name} cannot be part of an interaction; add it with +.")
        offsets.append(Variable(variable.name[len("offset(") : -1].strip(), call.arguments[0]))
    used = sorted({index for term in terms for index in term if not _is_offset(variables[index])})
    renumbered = {old: new for new, old in enumerate(used)}
    return Terms(
        variables=tuple(variables[index] for index in used),
        terms=tuple(
            tuple(renumbered[index] for index in term) for term in terms if not _is_offset(variables[term[0]])
        ),
        intercept=intercept,
        offsets=tuple(offsets),
    )
