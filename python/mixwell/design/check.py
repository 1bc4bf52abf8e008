"""What must hold before a model is fitted. Each check names what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mixwell.data.columns import Numbers
from mixwell.data.frame import Frame, near
from mixwell.design.along import made_along
from mixwell.design.coding import INTERCEPT, Values
from mixwell.design.evaluate import check_finite, unknown_function
from mixwell.design.functions import CONSTANTS, ELEMENTWISE, FUNCTIONS, Categories
from mixwell.design.record import GroupingFactor, RandomTerm
from mixwell.errors import DataError, FormulaError, ModelError
from mixwell.formula.expression import ALONG, Binary, Call, Node, Unary, names
from mixwell.formula.fixed import Variable
from mixwell.formula.parse import ParsedFormula

FloatArray = NDArray[np.float64]

# A column is taken to depend on others when less than this part of its length is left beside them. Rounding
# leaves about 1e-16; a year beside the intercept, 1e-3.
_DEPENDENT = 1e-12
# Columns whose correlation matrix has no smaller eigenvalue need no closer look.
_INDEPENDENT = 1e-6


def formula_variables(parsed: ParsedFormula) -> Iterator[Variable]:
    """Every variable of a formula, repeated as often as it occurs."""
    yield parsed.response
    for part in (parsed.fixed, *(bar.terms for bar in parsed.bars)):
        yield from part.variables
        yield from part.offsets
    for bar in parsed.bars:
        yield from bar.group


def check_names(parsed: ParsedFormula, frame: Frame) -> tuple[list[str], frozenset[str]]:
    """The columns a formula needs, and the names in it that are constants.

    Raises
    ------
    FormulaError
        For names that are neither (near ones are offered) and for functions that do not exist.
    """
    found = dict.fromkeys(
        name for variable in formula_variables(parsed) for name in names(variable.expression)
    )
    for name in made_along(formula_variables(parsed)):
        del found[name]
    for name in found:
        if name not in frame and name not in CONSTANTS:
            raise FormulaError(f"{name!r} is not a column of the data{near(name, frame.names)}")
    for variable in formula_variables(parsed):
        _check_functions(variable.expression)
    columns = [name for name in found if name in frame]
    return columns, frozenset(found).difference(columns)


def _check_functions(node: Node) -> None:
    match node:
        case Call(function, arguments, keywords):
            if function in ALONG:
                return
            plain = function.removeprefix("np.").removeprefix("numpy.")
            if function == "offset":
                raise FormulaError("offset() is added to the fixed part as a term of its own.")
            if plain not in FUNCTIONS and plain not in ELEMENTWISE:
                raise unknown_function(function)
            for argument in (*arguments, *(value for _, value in keywords)):
                _check_functions(argument)
        case Binary(_, left, right):
            _check_functions(left)
            _check_functions(right)
        case Unary(_, operand):
            _check_functions(operand)
        case _:
            return


def check_response(response: Variable, values: Values) -> FloatArray:
    """The response as floats.

    Raises
    ------
    DataError
        When it is not numeric, or infinite.
    ModelError
        When it is constant.
    """
    value = values.of(response)
    if isinstance(value, Categories):
        raise DataError(
            f"The response {response.name!r} is text or categorical; a linear model needs numbers. "
            "Numbers stored as text become numbers with .astype(float)."
        )
    if not isinstance(value, np.ndarray) or value.ndim != 1:
        raise DataError(f"The response {response.name!r} is not one column of numbers.")
    if value.dtype.kind == "b":
        raise DataError(
            f"The response {response.name!r} is boolean: that asks for a logistic mixed model, which this is "
            "not. For a linear model of a proportion, convert it to 0 and 1 with .astype(float)."
        )
    if value.min() == value.max():
        rows = (
            "only one row is complete"
            if len(value) == 1
            else f"it is {value[0]:g} in all {len(value)} rows used"
        )
        raise ModelError(f"The response {response.name!r} is constant: {rows}.")
    return np.ascontiguousarray(value, dtype=np.float64)


def check_weights(column: Numbers) -> FloatArray:
    """Prior weights as floats.

    Raises
    ------
    DataError
        When one is not finite and positive.
    """
    weights = column.floats()
    check_finite(weights, "weights")
    bad = np.flatnonzero(weights <= 0)
    if len(bad):
        raise DataError(
            f"weights must be positive; {len(bad)} of {len(weights)} are not, the first of them "
            f"{weights[bad[0]]:g} in row {bad[0] + 1} of the rows used (counted from 1). Drop rows "
            "that should not count."
        )
    return np.ascontiguousarray(weights)


def check_factors(factors: tuple[GroupingFactor, ...], terms: tuple[RandomTerm, ...], n_rows: int) -> None:
    """Numbers of levels against the number of rows, as lme4 checks them.

    Raises
    ------
    ModelError
        For a factor with one level, or with one level per row, or a term with as many effects as rows.
    """
    for factor in factors:
        if factor.n_levels < 2:
            raise ModelError(
                f"The grouping factor {factor.name!r} has only one level, {factor.levels[0]!r}, in the "
                f"{n_rows} rows used: a variance between levels needs several."
            )
        if factor.n_levels >= n_rows:
            raise ModelError(
                f"The grouping factor {factor.name!r} has {factor.n_levels} levels in {n_rows} rows, one "
                "level per row: its variance cannot be told from the residual's. Group by what repeats."
            )
    for term in terms:
        factor = factors[term.factor]
        effects = factor.n_levels * len(term.columns)
        if effects >= n_rows:
            raise ModelError(
                f"{term.label} has {effects} random effects ({factor.n_levels} levels x "
                f"{len(term.columns)} columns) for {n_rows} rows: they cannot be told from the residuals. "
                f"Use fewer columns, such as (1 | {factor.name})."
            )


def check_random_columns(factors: tuple[GroupingFactor, ...], terms: tuple[RandomTerm, ...]) -> None:
    """Columns within a term must be linearly independent, and no column may be in two terms of one factor.

    Raises
    ------
    ModelError
        Naming the column.
    """
    taken: dict[tuple[int, str], str] = {}
    for term in terms:
        group = factors[term.factor].name
        for name in term.names:
            before = taken.setdefault((term.factor, name), term.label)
            if before is not term.label:
                raise ModelError(
                    f"{before} and {term.label} both hold {name!r} for {group!r}: their variances cannot "
                    "be told apart. An intercept is implied unless 0 + is written."
                )
        dependent = _first_dependent(term.columns)
        if dependent is None:
            continue
        name = term.names[dependent]
        constant = np.ptp(term.columns[dependent]) == 0
        others = [other for other in term.names[:dependent]]
        if constant and INTERCEPT in others:
            why = f"{name!r} is constant, the same as the intercept"
        elif constant and not others:
            why = f"{name!r} is zero in every row"
        else:
            why = f"{name!r} is a combination of {', '.join(map(repr, others))}"
        raise ModelError(f"In {term.label}, {why}: its variance is not identified. Remove it from the term.")


def _first_dependent(columns: tuple[FloatArray, ...]) -> int | None:
    """Index of the first column that is a combination of those before it (zero counts)."""
    if len(columns) == 1:
        return 0 if not columns[0].any() else None
    products = np.array([[a @ b for a in columns] for b in columns])
    lengths = np.sqrt(np.diag(products))
    if lengths.all() and np.linalg.eigvalsh(products / np.outer(lengths, lengths))[0] > _INDEPENDENT:
        return None
    basis: list[FloatArray] = []
    for index, column in enumerate(columns):
        length = np.linalg.norm(column)
        if length == 0:
            return index
        rest = column / length
        for _ in range(2):
            for direction in basis:
                rest = rest - direction * (direction @ rest)
        left = np.linalg.norm(rest)
        if left < _DEPENDENT:
            return index
        if index + 1 < len(columns):
            basis.append(rest / left)
    return None
