"""How variables and terms become columns: learned from the fitting data, applied to any data.

Coding follows R's ``model.matrix``: in each term a factor is coded by contrasts when what is left of the
term without it lies within an earlier term or the intercept, else by one indicator per level; without an
intercept the first factor gets all its indicators. In interactions the first variable varies fastest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from numpy.typing import NDArray

from mixwell.data.columns import Column, IntArray, combine, labels
from mixwell.data.frame import near
from mixwell.data.instants import Instants
from mixwell.design.contrasts import Contrast, ContrastColumns, contrast_columns
from mixwell.design.evaluate import States, check_finite, evaluate
from mixwell.design.functions import Categories, Matrix, Value, factor_of, numbers
from mixwell.errors import DataError, FormulaError, ModelError, NewLevelsError
from mixwell.formula.expression import Node
from mixwell.formula.fixed import Terms, Variable
from mixwell.memory import check_room

FloatArray = NDArray[np.float64]

INTERCEPT = "(Intercept)"

# Bytes of a number.
_FLOAT = 8
# Multiplications, about a second, up to which columns that cannot all be estimated are looked through.
_MOST_WORK = 1e9


@dataclass(frozen=True, slots=True)
class VariableCoding:
    """What is kept of one variable of the formula to code it again.

    Attributes
    ----------
    name
        As in the formula.
    expression
        What it computes.
    levels
        Labels of a factor's levels; None for numbers.
    contrast
        Columns of a factor coded by contrasts; None for numbers.
    width
        Number of columns of a numeric variable: 1, or as many as ``poly`` and its like return.
    several
        Whether the numeric variable is a matrix, so that its columns are numbered.
    """

    name: str
    expression: Node
    levels: tuple[str, ...] | None
    contrast: ContrastColumns | None
    width: int = 1
    several: bool = False

    def columns(self, indicators: bool) -> int:
        """Number of columns, as a factor by one indicator per level or not."""
        if self.levels is None or self.contrast is None:
            return self.width
        return len(self.levels) if indicators else len(self.contrast.suffixes)

    @property
    def is_full(self) -> bool:
        """A factor whose columns tell all its levels apart."""
        return (
            self.levels is not None
            and self.contrast is not None
            and len(self.contrast.suffixes) >= len(self.levels) - 1
        )


@dataclass(frozen=True, slots=True)
class Piece:
    """One variable's part in a column. Exactly one of the three ways is used.

    Attributes
    ----------
    expression
        The variable.
    column
        Column of a numeric variable; -1 for factors.
    level
        The level whose indicator this is; -1 otherwise.
    weights
        A contrast's value for each level; empty otherwise.
    """

    expression: Node
    column: int = -1
    level: int = -1
    weights: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """A column of the design: the product of its pieces; without any, the intercept."""

    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class PlannedColumn:
    """A column with its name, here and as R spells it, and the index of its term (-1: intercept)."""

    plan: ColumnPlan
    name: str
    r_name: str
    term: int


@dataclass(slots=True)
class Values:
    """Evaluated variables of a formula, each computed once.

    Attributes
    ----------
    columns
        The columns read, complete cases only.
    states
        Of functions that learn.
    computed
        What was evaluated so far; factors with the levels of their coding.
    """

    columns: Mapping[str, Column]
    states: States
    computed: dict[Node, Value] = field(default_factory=dict)

    def of(self, variable: Variable) -> Value:
        """The value of a variable; infinite ones are refused."""
        if variable.expression not in self.computed:
            with np.errstate(all="ignore"):  # What is not finite is an error, below.
                value = evaluate(variable.expression, self.columns, self.states)
            check_finite(value, variable.name)
            self.computed[variable.expression] = value
        return self.computed[variable.expression]


def learn_coding(variable: Variable, values: Values, contrast: Contrast | None) -> VariableCoding:
    """Coding of a variable from the fitting data.

    Raises
    ------
    FormulaError
        When the expression is not a column, or a contrast is asked for numbers.
    ModelError
        When a factor has a single level.
    """
    value = values.of(variable)
    if isinstance(value, np.ndarray) and value.dtype.kind == "b":
        value = Categories(value.astype(np.int32), labels(("False", "True")))
        values.computed[variable.expression] = value
    if isinstance(value, Categories):
        levels = tuple(value.levels)
        if len(levels) < 2:
            raise ModelError(
                f"The factor {variable.name!r} has only one level, {levels[0]!r}, in the rows used; "
                "remove it from the formula."
            )
        asked = contrast or value.contrast or Contrast("treatment")
        rows = len(value.codes)
        if len(levels) >= rows and asked.kind != "matrix":
            raise ModelError(
                f"The factor {variable.name!r} has {len(levels)} levels in {rows} rows, one per row: its "
                "columns reproduce any response. Remove it; if it holds numbers stored as text, make it "
                "numeric with .astype(float)."
            )
        check_room(
            _FLOAT * len(levels) * max(len(levels), rows),
            f"The factor {variable.name!r} with {len(levels)} levels as a predictor of {rows} rows; "
            f"(1 | {variable.name}) takes far less: it",
        )
        return VariableCoding(
            variable.name, variable.expression, levels, contrast_columns(asked, variable.name, levels)
        )
    if isinstance(value, Instants):
        numbers(value, variable.name)
    if contrast is not None:
        raise FormulaError(f"contrasts of {variable.name!r}: it is numeric; write factor({variable.name}).")
    if isinstance(value, Matrix):
        return VariableCoding(variable.name, variable.expression, None, None, value.columns.shape[1], True)
    if not isinstance(value, np.ndarray) or value.ndim != 1:
        raise FormulaError(f"{variable.name} is not a column of the data, nor computed from one.")
    return VariableCoding(variable.name, variable.expression, None, None)


def apply_coding(coding: VariableCoding, variable: Variable, values: Values) -> None:
    """Bring a variable of new data to the levels and kind it had when the coding was learned.

    Raises
    ------
    NewLevelsError
        For levels that the coding does not know, named.
    DataError
        For text where numbers were.
    """
    value = values.of(variable)
    if coding.levels is None:
        if isinstance(value, Categories):
            raise DataError(
                f"{coding.name} was numeric when the model was fitted; in the new data it is text."
            )
        if isinstance(value, np.ndarray) and value.dtype.kind == "b":
            values.computed[variable.expression] = value.astype(np.float64)
        return
    codes, texts = categories_of(value, coding.name)
    table = level_table(texts, coding.levels)
    unseen = [text for text, code in zip(texts, table, strict=True) if code < 0]
    if unseen:
        raise NewLevelsError(
            f"The factor {coding.name!r} of the fixed part has new levels {', '.join(map(repr, unseen))}; "
            f"the model knows {', '.join(map(repr, coding.levels))}."
        )
    values.computed[variable.expression] = Categories(table[codes], labels(coding.levels))


def categories_of(value: Value, name: str) -> tuple[IntArray, tuple[str, ...]]:
    """Codes and labels of a value used as a factor."""
    factor = factor_of(value, name)
    return factor.codes, tuple(factor.levels)


def level_table(texts: tuple[str, ...], known: tuple[str, ...]) -> IntArray:
    """For each label its position among the known ones, -1 for new ones."""
    position = {text: code for code, text in enumerate(known)}
    return np.array([position.get(text, -1) for text in texts], dtype=np.int32)


def plan_columns(terms: Terms, codings: Mapping[Node, VariableCoding]) -> tuple[PlannedColumn, ...]:
    """The columns of a sum of terms, in R's order."""
    planned = [PlannedColumn(ColumnPlan(()), INTERCEPT, INTERCEPT, -1)] if terms.intercept else []
    indicators = _indicator_coded(terms, codings)
    for index, term in enumerate(terms.terms):
        parts = [
            list(_pieces(codings[terms.variables[variable].expression], (index, variable) in indicators))
            for variable in term
        ]
        # product() varies its last argument fastest, R's first variable does.
        for reversed_choice in product(*reversed(parts)):
            choice = reversed_choice[::-1]
            planned.append(
                PlannedColumn(
                    ColumnPlan(tuple(piece for piece, _, _ in choice)),
                    ":".join(name for _, name, _ in choice),
                    ":".join(r_name for _, _, r_name in choice),
                    index,
                )
            )
    return tuple(planned)


def check_columns(terms: Terms, codings: Mapping[Node, VariableCoding], values: Values, n_rows: int) -> None:
    """Refuse terms with too many columns, before a single one is made.

    Raises
    ------
    ModelError
        When a term has a column for every row, or all terms together have so many more columns than rows that
        to find the few that can be estimated would take long.
    ResourceError
        When the columns need more memory than there is.
    """
    indicators = _indicator_coded(terms, codings)
    counts = []
    for index, term in enumerate(terms.terms):
        used = [codings[terms.variables[variable].expression] for variable in term]
        counts.append(
            math.prod(
                coding.columns((index, variable) in indicators)
                for coding, variable in zip(used, term, strict=True)
            )
        )
        if len(term) < 2 or not all(coding.is_full for coding in used):
            continue
        if math.prod(len(coding.levels or ()) for coding in used) < n_rows:
            continue
        # with what the term holds already, its columns tell all cells apart
        cells = [categories_of(values.of(terms.variables[variable]), "")[0] for variable in term]
        found = len(combine(cells, [len(coding.levels or ()) for coding in used])[1])
        if found >= n_rows:
            raise ModelError(
                f"In {terms.label(term)} each of the {n_rows} rows has a combination of its own: its columns "
                "reproduce any response. Remove the interaction, or use coarser categories."
            )
    total = sum(counts) + terms.intercept
    if not counts:
        return
    widest = max(range(len(counts)), key=lambda index: counts[index])
    what = f"{terms.label(terms.terms[widest])} makes {counts[widest]} of the {total} columns"
    if total > n_rows and n_rows * total**2 > _MOST_WORK:
        raise ModelError(
            f"{what} for {n_rows} rows: far more than can be estimated. Use coarser categories, leave out "
            "the interaction, or make one column of the combinations that occur."
        )
    check_room(_FLOAT * n_rows * total, f"{what} for {n_rows} rows, which")


def _indicator_coded(terms: Terms, codings: Mapping[Node, VariableCoding]) -> set[tuple[int, int]]:
    """Pairs (term, variable) where a factor is coded by one indicator per level."""
    found: set[tuple[int, int]] = set()
    first = not terms.intercept
    earlier: dict[frozenset[int], None] = {}
    for index, term in enumerate(terms.terms):
        for variable in term:
            if codings[terms.variables[variable].expression].levels is None:
                continue
            rest = frozenset(term) - {variable}
            # Mostly the rest is a term itself; looking for it costs less than comparing with all.
            within_earlier = not rest or rest in earlier or any(rest <= other for other in earlier)
            if first or not within_earlier:
                found.add((index, variable))
            first = False
        earlier[frozenset(term)] = None
    return found


def _pieces(coding: VariableCoding, indicators: bool) -> Iterator[tuple[Piece, str, str]]:
    name, expression = coding.name, coding.expression
    if coding.levels is None or coding.contrast is None:
        for column in range(coding.width):
            suffix = str(column + 1) if coding.several else ""
            yield Piece(expression, column=column), f"{name}[{suffix}]" if suffix else name, name + suffix
    elif indicators:
        for level, text in enumerate(coding.levels):
            yield Piece(expression, level=level), f"{name}[{text}]", name + _r_level(text)
    else:
        contrast = coding.contrast
        for column, (suffix, r_suffix) in enumerate(zip(contrast.suffixes, contrast.r_suffixes, strict=True)):
            if contrast.level is not None:
                piece = Piece(expression, level=contrast.level[column])
            else:
                piece = Piece(expression, weights=tuple(contrast.matrix[:, column].tolist()))
            yield piece, name + suffix, name + _r_level(r_suffix)


def _r_level(text: str) -> str:
    return {"True": "TRUE", "False": "FALSE"}.get(text, text)


def fill_column(plan: ColumnPlan, values: Mapping[Node, Value], out: FloatArray) -> None:
    """Write a planned column into ``out``, length n."""
    if not plan.pieces:
        out.fill(1.0)
    for position, piece in enumerate(plan.pieces):
        value = values[piece.expression]
        if isinstance(value, Categories):
            part: FloatArray | NDArray[np.bool_]
            indicator = piece.level >= 0
            part = value.codes == piece.level if indicator else np.array(piece.weights)[value.codes]
        elif isinstance(value, Matrix):
            part = value.columns[:, piece.column]
        elif isinstance(value, np.ndarray):
            part = value
        else:
            raise FormulaError("A variable of the formula is not a column.")
        if position:
            np.multiply(out, part, out=out)
        else:
            np.copyto(out, part)


def coding_of(
    terms: Terms,
    values: Values,
    contrasts: Mapping[str, Contrast],
    known: dict[Node, VariableCoding],
) -> dict[Node, VariableCoding]:
    """Codings of all variables of a sum of terms; those in ``known`` are not learned again."""
    return {
        variable.expression: known.get(variable.expression)
        or learn_coding(variable, values, contrasts.get(variable.name))
        for variable in terms.variables
    }


def check_contrast_names(contrasts: Mapping[str, object], codings: Iterable[VariableCoding]) -> None:
    """Refuse contrasts for what is no factor of the fixed part, nor of the left side of a bar.

    Raises
    ------
    FormulaError
        Naming the nearest factor.
    """
    factors = [coding.name for coding in codings if coding.levels is not None]
    for name in contrasts:
        if name not in factors:
            raise FormulaError(
                f"contrasts: {name!r} is no factor of the fixed part, nor left of a bar{near(name, factors)}"
            )
