"""What columns of the data are for the fixed part: covariates, categories, or aids in computing others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixwell.data.columns import Column, Factor, Logicals, Numbers
from mixwell.data.frame import near
from mixwell.design.coding import Values, apply_coding
from mixwell.design.evaluate import evaluate
from mixwell.design.functions import Categories, numbers
from mixwell.design.record import Design, Recipe
from mixwell.errors import DataError, FormulaError
from mixwell.formula.expression import (
    ALONG,
    GROUPED,
    Binary,
    Call,
    Name,
    Node,
    Unary,
    names,
    parse_expression,
    written,
)
from mixwell.formula.fixed import Variable
from mixwell.formula.tokens import tokenize

IntArray = NDArray[np.intp]

# Functions that make categories of the values of their first argument, and those that leave them alone.
_FACTOR = frozenset({"factor", "as.factor", "ordered", "as.ordered", "relevel", "C"})
_IDENTITY = frozenset({"I", "identity"})


@dataclass(frozen=True, slots=True)
class Predictor:
    """A column that the fixed part depends on.

    ``within(x, g)`` and ``between(x, g)`` are columns of their own, as is ``lag(x, g, time)``: they compare a
    row with others, so that no values of ``x`` and ``g`` alone say what they are.

    Attributes
    ----------
    name
        Of the column; of a computed one the call.
    column
        Its values in the n rows used.
    categorical
        Whether its values are levels: text, logicals, and numbers that ``factor()`` and its like are given as
        they are. Otherwise it is a covariate, also inside a condition such as ``I(x > 0)``.
    bins
        Length n, for numbers of which a factor is computed, as in ``factor(floor(x / 10))``: which of its
        levels a row has; else None.
    reads
        The columns that a computed one is made from.
    """

    name: str
    column: Column
    categorical: bool
    bins: IntArray | None
    reads: tuple[str, ...] = ()


def predictors(design: Design, recipe: Recipe) -> dict[str, Predictor]:
    """The columns that the fixed part and its offsets depend on, in its order.

    Examples
    --------
    >>> from mixwell.design.build import build_design
    >>> data = {"y": [1.0, 2.0, 4.0, 3.0], "x": [0, 1, 2, 4], "k": [1, 2, 3, 1], "g": list("aabb")}
    >>> design = build_design("y ~ I(x > 0) + factor(k) + within(x, g) + (1 | g)", data)
    >>> [(found.name, found.categorical) for found in predictors(design, design.recipe).values()]
    [('x', False), ('k', True), ('within(x, g)', False)]
    """
    fixed = recipe.formula.fixed
    states = dict(recipe.states)
    columns: dict[str, Column] = dict(design.variables)
    categorical: dict[str, bool] = {}
    binned: dict[str, list[Variable]] = {}
    reads: dict[str, tuple[str, ...]] = {}
    for variable in (*fixed.variables, *fixed.offsets):
        coding = recipe.codings.get(variable.expression)
        levels = None if coding is None else coding.levels
        for node, as_it_is in _columns(variable.expression, levels is not None):
            name = node.value if isinstance(node, Name) else written(node)
            if isinstance(node, Call) and node.function in GROUPED:
                columns[name] = Numbers(name, numbers(evaluate(node, design.variables, states), name), None)
                reads[name] = tuple(dict.fromkeys(names(node)))
            if name not in columns:
                continue  # a constant such as pi
            categorical[name] = categorical.get(name, False) or as_it_is
            if levels is not None and not as_it_is and not _is_condition(variable.expression):
                binned.setdefault(name, []).append(variable)
    found = {}
    for name, as_it_is in categorical.items():
        column = columns[name]
        levelled = isinstance(column, Factor | Logicals) or as_it_is
        bins = None if levelled or name not in binned else _bins(recipe, columns, binned[name])
        found[name] = Predictor(name, column, levelled, bins, reads.get(name, ()))
    return found


def _columns(node: Node, as_it_is: bool) -> Iterator[tuple[Node, bool]]:
    """Names and calls that are columns, and whether an expression takes their values for levels."""
    match node:
        case Name():
            yield node, as_it_is
        case Call(function, _, _) if function in ALONG or function in GROUPED:
            yield node, as_it_is
        case Call(function, arguments, keywords):
            for i, argument in enumerate((*arguments, *(value for _, value in keywords))):
                yield from _columns(argument, as_it_is and i == 0 and function in _FACTOR | _IDENTITY)
        case Binary(_, left, right):
            yield from _columns(left, False)
            yield from _columns(right, False)
        case Unary(_, operand):
            yield from _columns(operand, False)
        case _:
            return


def _is_condition(node: Node) -> bool:
    """Whether an expression with levels is true or false, and not made a factor."""
    if isinstance(node, Call) and node.function in _IDENTITY and node.arguments:
        return _is_condition(node.arguments[0])
    return not (isinstance(node, Call) and node.function in _FACTOR)


def _bins(recipe: Recipe, columns: Mapping[str, Column], variables: list[Variable]) -> IntArray:
    """Which combination of computed levels each row has."""
    values = Values(columns, dict(recipe.states))
    codes = []
    for variable in variables:
        apply_coding(recipe.codings[variable.expression], variable, values)
        value = values.of(variable)
        assert isinstance(value, Categories)
        codes.append(value.codes)
    return np.unique(np.column_stack(codes), axis=0, return_inverse=True)[1].reshape(-1)


def spelled(name: str, known: Mapping[str, Predictor]) -> str:
    """The predictor that a text names, blanks inside a call being free.

    Raises
    ------
    DataError
        When there is none; it says in which computed columns the name stands.
    """
    if name in known:
        return name
    try:
        call = written(parse_expression(tokenize(name), name))
    except FormulaError:
        call = name
    if call in known:
        return call
    through = [repr(other.name) for other in known.values() if name in other.reads]
    if through:
        raise DataError(
            f"{name!r} is in the fixed part only to compute {' and '.join(through)}; name "
            f"{'that' if len(through) == 1 else 'one of those'} instead."
        )
    raise DataError(f"{name!r} is not a variable of the fixed part{near(name, known)}")
