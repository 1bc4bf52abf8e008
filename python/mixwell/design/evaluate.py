"""Values of expressions: from their tree, the columns they read and the table of functions."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from mixwell.data.columns import Column, Factor, Logicals
from mixwell.data.frame import near
from mixwell.data.instants import Instants
from mixwell.design.functions import (
    CONSTANTS,
    ELEMENTWISE,
    FUNCTIONS,
    Categories,
    Matrix,
    State,
    Value,
    numbers,
)
from mixwell.errors import DataError, FormulaError
from mixwell.formula.expression import (
    ALONG,
    GROUPED,
    Binary,
    Call,
    Name,
    Node,
    Number,
    Text,
    Unary,
    written,
)

FloatArray = NDArray[np.float64]

# What each call with state has learned. Equal calls share it, wherever they stand in the formula.
States = dict[Call, State]

_ARITHMETIC: dict[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
    "%%": operator.mod,
    "%/%": operator.floordiv,
}
_COMPARISONS: dict[str, Callable[[FloatArray, FloatArray], NDArray[np.bool_]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


def evaluate(node: Node, columns: Mapping[str, Column], states: States) -> Value:
    """Compute an expression.

    Parameters
    ----------
    node
        The expression.
    columns
        The columns it reads, without missing values. A call of ``within`` or ``between`` may be among them.
    states
        Read where filled, filled where empty.

    Raises
    ------
    FormulaError
        For functions that do not exist or are called wrongly.
    DataError
        For columns that cannot be used in this way.
    """
    match node:
        case Name(name):
            return _column_value(columns[name]) if name in columns else CONSTANTS[name]
        case Number(number):
            return number
        case Text(text):
            return text
        case Unary(sign, operand):
            value = evaluate(operand, columns, states)
            if sign == "!":
                return np.logical_not(numbers(value, "!"))
            return -numbers(value, "-") if isinstance(value, np.ndarray) else -float(numbers(value, "-"))
        case Binary(sign, left, right):
            return _binary(sign, evaluate(left, columns, states), evaluate(right, columns, states))
        case Call(function, _, _) if function in ALONG or (function in GROUPED and written(node) in columns):
            return _column_value(columns[written(node)])
        case Call():
            return _call(node, columns, states)


def _column_value(column: Column) -> Value:
    if isinstance(column, Instants):
        return column
    if isinstance(column, Factor):
        return Categories(column.codes, column.levels)
    if isinstance(column, Logicals):
        return column.values
    return column.floats()


def _binary(sign: str, left: Value, right: Value) -> Value:
    if sign in ("==", "!=") and (isinstance(left, Categories) or isinstance(right, Categories)):
        categories, text = (left, right) if isinstance(left, Categories) else (right, left)
        if not isinstance(categories, Categories) or not isinstance(text, str):
            raise DataError(f"{sign} compares a text or categorical column with a text in quotes only.")
        equal = (categories.levels == text)[categories.codes]
        return np.asarray(equal if sign == "==" else ~equal, dtype=bool)
    a, b = numbers(left, sign), numbers(right, sign)
    if sign in _ARITHMETIC:
        result = _ARITHMETIC[sign](a, b)
        return result if isinstance(result, np.ndarray) and result.ndim else float(result)
    if sign in _COMPARISONS:
        return np.asarray(_COMPARISONS[sign](a, b))
    if sign in ("&", "&&"):
        return np.asarray((a != 0) & (b != 0))
    if sign in ("|", "||"):
        return np.asarray((a != 0) | (b != 0))
    raise FormulaError(f"{sign!r} has no meaning inside a function.")


def _call(node: Call, columns: Mapping[str, Column], states: States) -> Value:
    function = node.function.removeprefix("np.").removeprefix("numpy.")
    arguments = tuple(evaluate(argument, columns, states) for argument in node.arguments)
    keywords = {name: evaluate(argument, columns, states) for name, argument in node.keywords}
    if function in ELEMENTWISE:
        if len(arguments) != 1 or keywords:
            raise FormulaError(f"{function}() takes one argument.")
        return np.asarray(ELEMENTWISE[function](numbers(arguments[0], f"{function}()")))
    if function not in FUNCTIONS:
        raise unknown_function(node.function)
    state = states.setdefault(node, {})
    try:
        value = FUNCTIONS[function](arguments, keywords, state)
    except (ArithmeticError, LookupError, MemoryError, RecursionError, TypeError, ValueError) as error:
        if isinstance(error, (FormulaError, DataError)):
            raise
        raise FormulaError(f"{node.function}() cannot be computed: {error}.") from error
    if not state:
        del states[node]
    return value


def unknown_function(name: str) -> FormulaError:
    """The error for a function that no table holds."""
    hint = near(name, [*FUNCTIONS, *ELEMENTWISE]) if name else "."
    if hint.startswith("; there are"):
        hint = "."
    return FormulaError(
        f"There is no function {name!r} for formulas{hint} "
        "Compute the column in the data frame and use its name."
    )


def check_finite(value: Value, name: str) -> None:
    """Refuse infinite values and values a function could not compute.

    Raises
    ------
    DataError
        Naming the variable and the number of rows.
    """
    array = value.columns if isinstance(value, Matrix) else value
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or not array.size:
        return
    if np.isfinite(array.min()) and np.isfinite(array.max()):
        return
    bad = ~np.isfinite(array)
    rows = np.flatnonzero(bad.any(axis=1) if bad.ndim == 2 else bad)
    kind = "not a number" if np.isnan(array).any() else "infinite"
    raise DataError(
        f"{name} is {kind} in {len(rows)} row{'s' if len(rows) > 1 else ''}, the first of them row "
        f"{rows[0] + 1} of the rows used (counted from 1); remove these rows, or make the values "
        "missing."
    )
