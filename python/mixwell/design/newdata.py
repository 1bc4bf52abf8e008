"""New rows in the columns of a design: levels, contrasts and transform state as they were learned."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixwell.data.columns import BoolArray, Column, IntArray, Numbers, combine, combined_labels
from mixwell.data.frame import Frame, FrameKind, near, open_frame
from mixwell.design.along import along_column, made_along
from mixwell.design.build import group_variable, offset_of
from mixwell.design.check import check_weights
from mixwell.design.coding import ColumnPlan, Values, apply_coding, fill_column, level_table
from mixwell.design.functions import numbers
from mixwell.design.record import Design, GroupingRecipe, Recipe
from mixwell.errors import DataError
from mixwell.formula.expression import names, time_names
from mixwell.formula.fixed import Variable

FloatArray = NDArray[np.float64]
Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True, slots=True)
class NewRows:
    """m new rows, as far as they are needed.

    Attributes
    ----------
    x
        Shape (m, p), Fortran order: the columns of X; NaN in rows of ``missing``.
    columns
        Per random term of the design its k columns, each of length m; none for terms not asked for.
    codes
        Per grouping factor of the design, length m: positions among its levels, -1 for unseen levels and in
        rows of ``missing``; None for factors not asked for.
    unseen
        Per grouping factor, the labels that it has in the new rows and not in the design.
    unseen_codes
        Per grouping factor, length m: positions among ``unseen``, -1 for levels of the design and in rows of
        ``missing``; None for factors not asked for.
    offset
        Length m, or None where the design has none.
    y
        Length m, the response, or None where not asked for.
    weights
        Length m, prior weights; None where not asked for or where the design has none.
    missing
        Length m, true where a value needed is missing: nothing can be predicted for these rows.
    kind, index
        Kind of the new data frame, and its row labels if it is a pandas one.
    """

    x: FloatArray
    columns: tuple[tuple[FloatArray, ...], ...]
    codes: tuple[IntArray | None, ...]
    unseen: tuple[tuple[str, ...], ...]
    unseen_codes: tuple[IntArray | None, ...]
    offset: FloatArray | None
    y: FloatArray | None
    weights: FloatArray | None
    missing: BoolArray
    kind: FrameKind
    index: pd.Index | None


def new_rows(
    design: Design,
    newdata: object,
    *,
    factors: Collection[str] | None = None,
    all_terms: bool = False,
    need_response: bool = False,
    need_weights: bool = False,
) -> NewRows:
    """Make the columns of a design from new data.

    Parameters
    ----------
    design
        A design made by :func:`mixwell.design.build.build_design`.
    newdata
        A data frame of any kind; only the columns that are needed must be in it.
    factors
        Names of the grouping factors wanted; None for all, ``()`` for the fixed part alone.
    all_terms
        Whether the columns of all random terms are wanted, also of factors that are not.
    need_response, need_weights
        Whether the response and the prior weights are wanted too.

    Raises
    ------
    DataError
        When a column is absent or of another kind than before, or a factor is asked for that does not exist.
    NewLevelsError
        When a factor of the fixed part or left of a bar has levels that the design does not know.

    Examples
    --------
    >>> from mixwell.design.build import build_design
    >>> data = {"y": [1.0, 2.0, 4.0, 3.0, 5.0], "f": list("abcab"), "g": list("uuvvv")}
    >>> design = build_design("y ~ f + (1 | g)", data)
    >>> rows = new_rows(design, {"f": ["c", "b"], "g": ["v", "w"]})
    >>> rows.x.tolist(), rows.codes[0].tolist(), rows.unseen
    ([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]], [1, -1], (('w',),))
    """
    recipe = design.recipe
    if recipe is None:
        raise DataError("This design was made without a formula; it cannot read new data.")
    known = [factor.name for factor in design.factors]
    wanted = set(known if factors is None else factors)
    for name in wanted.difference(known):
        raise DataError(f"{name!r} is not a grouping factor of the model{near(name, known)}")
    if recipe.offset_is_array:
        raise DataError(
            "The model was fitted with offset= as an array, which has no values for new rows; fit it with "
            "the name of a column, or with offset() in the formula."
        )
    if need_weights and design.weights is not None and recipe.weights is None:
        raise DataError(
            "The model was fitted with weights= as an array, which has no values for new rows; fit it with "
            "the name of a column."
        )
    weights_name = recipe.weights if need_weights else None
    terms = tuple(
        plans if all_terms or known[term.factor] in wanted else ()
        for term, plans in zip(design.terms, recipe.terms, strict=True)
    )
    variables = _variables(recipe, (*recipe.x, *(plan for plans in terms for plan in plans)))
    groups = [
        variable
        for name, group in zip(known, recipe.factors, strict=True)
        if name in wanted
        for variable in group.variables
    ]
    response = [recipe.formula.response] if need_response else []
    offsets = recipe.formula.fixed.offsets
    frame = open_frame(newdata)
    columns = _read(recipe, frame, (*variables, *groups, *response, *offsets), weights_name)
    missing = np.zeros(frame.n_rows, dtype=bool)
    for column in columns.values():
        if column.missing is not None:
            missing |= column.missing
    rows = np.flatnonzero(~missing)
    n_rows = frame.n_rows
    # take() drops unused levels: labels are compared below, never codes.
    values = Values({name: column.take(rows) for name, column in columns.items()}, dict(recipe.states))
    for variable in variables:
        apply_coding(recipe.codings[variable.expression], variable, values)

    x = np.full((n_rows, len(recipe.x)), np.nan, order="F")
    for index, plan in enumerate(recipe.x):
        x[rows, index] = _column(plan, values, len(rows))
    codes, unseen, unseen_codes = [], [], []
    for name, group in zip(known, recipe.factors, strict=True):
        found, labels, strange = _codes(group, values) if name in wanted else (None, (), None)
        codes.append(None if found is None else _spread(found, rows, n_rows, -1))
        unseen.append(labels)
        unseen_codes.append(None if strange is None else _spread(strange, rows, n_rows, -1))
    given = columns.get(recipe.offset) if recipe.offset is not None else None
    offset = None
    if design.offset is not None:
        taken = given.take(rows) if isinstance(given, Numbers) else None
        total = offset_of(recipe.formula, values, taken, len(rows))
        offset = None if total is None else _spread(total, rows, n_rows, np.nan)
    y = None
    if need_response:
        y = _spread(numbers(values.of(recipe.formula.response), design.response_name), rows, n_rows, np.nan)
    weights = None
    if weights_name is not None:
        column = columns[weights_name].take(rows)
        if not isinstance(column, Numbers):
            raise DataError(f"weights must be numbers; {weights_name!r} is not numeric in the new data.")
        weights = _spread(check_weights(column), rows, n_rows, np.nan)
    return NewRows(
        x=x,
        columns=tuple(
            tuple(_spread(_column(plan, values, len(rows)), rows, n_rows, np.nan) for plan in plans)
            for plans in terms
        ),
        codes=tuple(codes),
        unseen=tuple(unseen),
        unseen_codes=tuple(unseen_codes),
        offset=offset,
        y=y,
        weights=weights,
        missing=missing,
        kind=frame.kind,
        index=frame.index,
    )


def _variables(recipe: Recipe, plans: tuple[ColumnPlan, ...]) -> list[Variable]:
    """The variables that some columns are made of."""
    expressions = dict.fromkeys(piece.expression for plan in plans for piece in plan.pieces)
    return [Variable(recipe.codings[node].name, node) for node in expressions]


def _read(
    recipe: Recipe, frame: Frame, variables: tuple[Variable, ...], weights: str | None
) -> Mapping[str, Column]:
    found = dict.fromkeys(name for variable in variables for name in names(variable.expression))
    for extra in (recipe.offset, weights):
        if extra is not None:
            found[extra] = None
    dated = {name for variable in variables for name in time_names(variable.expression)}
    along = made_along(variables)
    columns: dict[str, Column] = {}
    for name in found:
        if name in recipe.constants:
            continue
        if name in along and name not in frame:
            columns[name] = along_column(along[name], frame)
            continue
        if name not in frame:
            raise DataError(
                f"The new data have no column {name!r}, which the model needs{near(name, frame.names)}"
            )
        columns[name] = frame.column(name, dates=name in dated)
    if recipe.offset is not None and not isinstance(columns[recipe.offset], Numbers):
        raise DataError(f"offset must be numbers; {recipe.offset!r} is not numeric in the new data.")
    return columns


def _column(plan: ColumnPlan, values: Values, n_rows: int) -> FloatArray:
    out = np.empty(n_rows)
    fill_column(plan, values.computed, out)
    return out


def _codes(group: GroupingRecipe, values: Values) -> tuple[IntArray, tuple[str, ...], IntArray]:
    """Codes among the levels of a factor, the labels of levels it does not have, and codes among those."""
    parts = [group_variable(variable, values) for variable in group.variables]
    own = [tuple(part.levels) for part in parts]
    tables = [level_table(texts, levels) for texts, levels in zip(own, group.levels, strict=True)]
    codes = [table[part.codes] for table, part in zip(tables, parts, strict=True)]
    every = np.logical_and.reduce([code >= 0 for code in codes])
    # coded together with the levels, which are all different: what has a level's code is that level
    together = [np.append(group.combinations[:, i], code[every]) for i, code in enumerate(codes)]
    merged, combinations = combine(together, [len(levels) for levels in group.levels])
    q = len(group.combinations)
    level = np.full(len(combinations), -1, dtype=np.int32)
    level[merged[:q]] = np.arange(q, dtype=np.int32)
    found = np.full(len(every), -1, dtype=np.int32)
    found[every] = level[merged[q:]]
    new = found < 0
    among = np.full(len(found), -1, dtype=np.int32)
    among[new], strange = combine([part.codes[new] for part in parts], [len(texts) for texts in own])
    if len(parts) == 1:
        # a single factor's levels are all there, also those of rows with known ones
        used = np.unique(among[new])
        among[new], strange = np.searchsorted(used, among[new]), strange[used]
    return found, tuple(combined_labels(strange, own)), among


def _spread(values: NDArray[Scalar], rows: NDArray[np.intp], n_rows: int, absent: float) -> NDArray[Scalar]:
    """Values at some rows, ``absent`` at the others."""
    if len(rows) == n_rows:
        return values
    spread = np.full(n_rows, absent, dtype=values.dtype)
    spread[rows] = values
    return spread
