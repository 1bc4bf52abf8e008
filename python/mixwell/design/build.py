"""Formula and data to the frozen design: one pass, one mask, one place where terms are put in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixwell.arrays import read_only
from mixwell.data.columns import Column, Factor, Numbers, as_factor, combine, combined_labels, owned
from mixwell.data.frame import Frame, as_column, near, open_frame
from mixwell.data.labelled import in_order
from mixwell.design.along import along_column, made_along
from mixwell.design.check import (
    check_factors,
    check_names,
    check_random_columns,
    check_response,
    check_weights,
    formula_variables,
)
from mixwell.design.coding import (
    INTERCEPT,
    ColumnPlan,
    PlannedColumn,
    Values,
    VariableCoding,
    check_columns,
    check_contrast_names,
    coding_of,
    fill_column,
    plan_columns,
)
from mixwell.design.contrasts import contrast_from_spec
from mixwell.design.evaluate import check_finite
from mixwell.design.functions import factor_of, numbers
from mixwell.design.record import (
    Design,
    FixedTerm,
    GroupingFactor,
    GroupingRecipe,
    RandomTerm,
    Recipe,
    Rows,
)
from mixwell.design.response import response_transform
from mixwell.errors import DataError, FormulaError
from mixwell.formula.expand import Bar
from mixwell.formula.expression import Name, Node, names, time_names
from mixwell.formula.fixed import Variable
from mixwell.formula.parse import ParsedFormula, parse_formula

FloatArray = NDArray[np.float64]

# Labels in messages of what is passed beside the data.
_WEIGHTS = "weights"
_OFFSET = "offset"


def build_design(
    formula: str,
    data: object,
    *,
    weights: object = None,
    offset: object = None,
    contrasts: Mapping[str, object] | None = None,
    na_action: Literal["drop", "raise"] = "drop",
) -> Design:
    """Make the design of a mixed model.

    Rows where anything used is missing (response, both parts, grouping, weights, offset) are dropped
    together. Terms keep the order of the formula if their numbers of levels never increase; otherwise they
    are ordered by decreasing number of levels, equal ones in reverse, as lme4 does.

    Parameters
    ----------
    formula
        In lme4's language, ``"y ~ x + (x | g)"``.
    data
        A pandas, polars or pyarrow frame, anything narwhals reads, or a dict of arrays.
    weights
        Prior weights: the name of a column, or n values; a pandas series is matched by its row labels.
    offset
        Added to the linear predictor: the name of a column, or n values, as for ``weights``. ``offset()`` in
        the formula adds to it.
    contrasts
        Factor -> ``"treatment"``, ``"sum"``, ``"helmert"``, ``"poly"``, ``"SAS"``, ``("treatment", base)`` or
        a matrix (levels x columns; a data frame's row labels are the levels). They code the factor in the
        fixed part and left of the bars.
    na_action
        ``"drop"`` rows with missing values or ``"raise"`` an error.

    Raises
    ------
    FormulaError
        When the formula cannot be read or asks for what does not exist.
    DataError
        When a column does not exist or cannot be used.
    ModelError
        When the data do not identify the model.

    Examples
    --------
    >>> data = {"y": [1.0, 2.0, 4.0, 3.0, 5.0], "x": [0, 1, 2, 0, 1], "g": list("aabbb")}
    >>> design = build_design("y ~ x + (1 | g)", data)
    >>> design.x_names, design.factors[0].levels.tolist()
    (('(Intercept)', 'x'), ['a', 'b'])
    """
    parsed = parse_formula(formula)
    frame = open_frame(data)
    if na_action not in ("drop", "raise"):
        raise DataError(f"na_action is {na_action!r}; it is 'drop' or 'raise'.")
    if frame.n_rows == 0:
        raise DataError("The data have no rows.")
    needed, constants = check_names(parsed, frame)
    dated = {name for variable in formula_variables(parsed) for name in time_names(variable.expression)}
    columns = {name: frame.column(name, dates=name in dated) for name in needed}
    for name, call in made_along(formula_variables(parsed)).items():
        columns[name] = along_column(call, frame)
    extras = {
        label: _extra(label, given, frame, columns)
        for label, given in ((_WEIGHTS, weights), (_OFFSET, offset))
        if given is not None
    }
    rows = _complete_rows({**columns, **extras}, frame, na_action)
    if rows.kept is not None:
        columns = {name: column.take(rows.kept) for name, column in columns.items()}
        extras = {label: column.take(rows.kept) for label, column in extras.items()}
    else:
        # what the caller does to the data later is nothing to the design
        columns = {name: owned(column) for name, column in columns.items()}
        extras = {label: Numbers(column.name, column.values.copy(), None) for label, column in extras.items()}

    values = Values(columns, {})
    y = check_response(parsed.response, values)
    if contrasts is not None and not isinstance(contrasts, Mapping):
        raise FormulaError(
            f'contrasts is {contrasts!r}; give a dict of factors and their contrasts, {{"sex": "sum"}}.'
        )
    asked = {name: contrast_from_spec(name, spec) for name, spec in (contrasts or {}).items()}
    codings: dict[Node, VariableCoding] = {}
    for part in (parsed.fixed, *(bar.terms for bar in parsed.bars)):
        codings.update(coding_of(part, values, asked, codings))
    check_contrast_names(asked, codings.values())
    for part in (parsed.fixed, *(bar.terms for bar in parsed.bars)):
        check_columns(part, codings, values, len(y))
    planned = plan_columns(parsed.fixed, codings)
    x = np.empty((len(y), len(planned)), order="F")
    made: dict[ColumnPlan, FloatArray] = {}
    for index, column in enumerate(planned):
        fill_column(column.plan, values.computed, x[:, index])
        made.setdefault(column.plan, read_only(x[:, index]))

    factors: dict[str, tuple[GroupingFactor, GroupingRecipe]] = {}
    terms: list[tuple[str, str, tuple[PlannedColumn, ...]]] = []
    for bar in parsed.bars:
        if bar.factor not in factors:
            factors[bar.factor] = _group(bar, values)
        terms.extend(_bar_terms(bar, codings))
    order = _term_order([factors[factor][0].n_levels for _, factor, _ in terms])
    terms = [terms[index] for index in order]
    factor_names = list(dict.fromkeys(factor for _, factor, _ in terms))
    random = tuple(
        RandomTerm(
            factor=factor_names.index(factor),
            label=label,
            names=tuple(column.name for column in term),
            columns=tuple(_random_column(column.plan, values, made, len(y)) for column in term),
        )
        for label, factor, term in terms
    )
    grouping = tuple(factors[name][0] for name in factor_names)
    check_factors(grouping, random, len(y))
    check_random_columns(grouping, random)

    return Design(
        formula=formula,
        response_name=parsed.response.name,
        y=y,
        x=x,
        x_names=tuple(column.name for column in planned),
        weights=check_weights(extras[_WEIGHTS]) if _WEIGHTS in extras else None,
        offset=offset_of(parsed, values, extras.get(_OFFSET), len(y)),
        factors=grouping,
        terms=random,
        fixed_terms=_fixed_terms(parsed, planned),
        x_r_names=tuple(column.r_name for column in planned),
        variables={name: columns[name] for name in _read_by_columns(parsed) if name in columns},
        rows=rows,
        recipe=Recipe(
            formula=parsed,
            states=values.states,
            codings=codings,
            x=tuple(column.plan for column in planned),
            terms=tuple(tuple(column.plan for column in term) for _, _, term in terms),
            factors=tuple(factors[name][1] for name in factor_names),
            constants=constants,
            response=response_transform(parsed.response, columns, values.states),
            offset=offset if isinstance(offset, str) else None,
            offset_is_array=offset is not None and not isinstance(offset, str),
            weights=weights if isinstance(weights, str) else None,
        ),
    )


def _extra(label: str, given: object, frame: Frame, columns: Mapping[str, Column]) -> Numbers:
    """Weights or offset: a column by name, or values; labelled values may leave out rows that are dropped."""
    if isinstance(given, str):
        if given not in frame:
            raise DataError(f"{label}={given!r} is not a column of the data{near(given, frame.names)}")
        column = frame.column(given)
    else:
        if not hasattr(given, "__len__"):
            raise DataError(f"{label} is {given!r}; give the name of a column or one value per row.")
        column = as_column(label, in_order(_for_all_rows(given, frame, columns), frame.index, label))
    if not isinstance(column, Numbers):
        raise DataError(f"{label} must be numbers; {column.name!r} is not numeric.")
    if len(column.values) != frame.n_rows:
        raise DataError(f"{label} has {len(column.values)} values for {frame.n_rows} rows of data.")
    return column


def _for_all_rows(given: object, frame: Frame, columns: Mapping[str, Column]) -> object:
    """A series with the labels of the complete rows only: the others, which will be dropped, get ones."""
    if not isinstance(given, pd.Series) or frame.index is None or not frame.index.is_unique:
        return given
    complete = frame.index[_complete(columns, frame.n_rows)]
    if not len(given) == len(complete) < frame.n_rows or not given.index.isin(complete).all():
        return given
    return given.reindex(frame.index, fill_value=1.0)


def _complete(columns: Mapping[str, Column], n_rows: int) -> NDArray[np.bool_]:
    """Rows where none of the columns is missing."""
    complete = np.ones(n_rows, dtype=bool)
    for column in columns.values():
        if column.missing is not None:
            complete &= ~column.missing
    return complete


def _complete_rows(columns: Mapping[str, Column], frame: Frame, na_action: str) -> Rows:
    """The rows where nothing is missing."""
    counts = {
        column.name: int(column.missing.sum()) for column in columns.values() if column.missing is not None
    }
    for name, count in counts.items():
        if count == frame.n_rows:
            raise DataError(f"All values of {name!r} are missing.")
    kept = None
    if counts:
        if na_action == "raise":
            listed = ", ".join(f"{name} ({count})" for name, count in counts.items())
            raise DataError(f"There are missing values in {listed}; remove them, or use na_action='drop'.")
        kept = np.flatnonzero(_complete(columns, frame.n_rows))
        if not len(kept):
            listed = ", ".join(counts)
            raise DataError(f"No row is complete: every row misses at least one of {listed}.")
    index = frame.index
    if index is not None and kept is not None:
        index = index[kept]
    return Rows(frame.n_rows, kept, counts, frame.kind, index)


def _group(bar: Bar, values: Values) -> tuple[GroupingFactor, GroupingRecipe]:
    """Codes and levels of a grouping factor; combinations in order of the first variable, then the next."""
    parts = [group_variable(variable, values) for variable in bar.group]
    levels = tuple(tuple(part.levels) for part in parts)
    codes, combinations = combine([part.codes for part in parts], [len(texts) for texts in levels])
    names = parts[0].levels
    if len(parts) > 1:
        names = np.empty(len(combinations), dtype=object)
        names[:] = combined_labels(combinations, levels)
    return GroupingFactor(bar.factor, names, codes), GroupingRecipe(bar.group, levels, combinations)


def group_variable(variable: Variable, values: Values) -> Factor:
    """A variable of the grouping side as a factor."""
    if isinstance(variable.expression, Name) and variable.expression.value in values.columns:
        column = values.columns[variable.expression.value]
        if isinstance(column, Numbers) and np.issubdtype(column.values.dtype, np.floating):
            check_finite(column.floats(), variable.name)
        return as_factor(column)
    return factor_of(values.of(variable), variable.name)


def _bar_terms(
    bar: Bar, codings: Mapping[Node, VariableCoding]
) -> list[tuple[str, str, tuple[PlannedColumn, ...]]]:
    """(label, factor, columns) of a bar: one term, or one per column where written with ``||``."""
    columns = plan_columns(bar.terms, codings)
    if not bar.independent:
        return [(bar.label, bar.factor, columns)]
    return [
        (
            f"({'1' if column.name == INTERCEPT else f'0 + {column.name}'} | {bar.factor})",
            bar.factor,
            (column,),
        )
        for column in columns
    ]


def _term_order(levels: list[int]) -> Iterable[int]:
    """As typed if the numbers of levels never increase, else R's ``rev(order(levels))``."""
    if all(before >= after for before, after in pairwise(levels)):
        return range(len(levels))
    return reversed(sorted(range(len(levels)), key=lambda term: levels[term]))


def _random_column(
    plan: ColumnPlan, values: Values, made: dict[ColumnPlan, FloatArray], n_rows: int
) -> FloatArray:
    """A column of a random term; one that was made before is shared."""
    if plan not in made:
        column = np.empty(n_rows)
        fill_column(plan, values.computed, column)
        made[plan] = read_only(column)
    return made[plan]


def _fixed_terms(parsed: ParsedFormula, planned: Sequence[PlannedColumn]) -> tuple[FixedTerm, ...]:
    fixed = parsed.fixed
    intercept = [FixedTerm(INTERCEPT, (), (0,))] if fixed.intercept else []
    return (
        *intercept,
        *(
            FixedTerm(
                name=fixed.label(term),
                variables=tuple(fixed.variables[variable].name for variable in term),
                columns=tuple(index for index, column in enumerate(planned) if column.term == number),
            )
            for number, term in enumerate(fixed.terms)
        ),
    )


def _read_by_columns(parsed: ParsedFormula) -> list[str]:
    """Names read by the fixed part and the left sides of the bars."""
    parts = (parsed.fixed, *(bar.terms for bar in parsed.bars))
    variables = [variable for part in parts for variable in (*part.variables, *part.offsets)]
    return list(dict.fromkeys(name for variable in variables for name in names(variable.expression)))


def offset_of(parsed: ParsedFormula, values: Values, given: Numbers | None, n_rows: int) -> FloatArray | None:
    """The sum of all offsets, or None."""
    parts = [numbers(values.of(variable), variable.name) for variable in parsed.fixed.offsets]
    if given is not None:
        check_finite(given.floats(), _OFFSET)
        parts.append(given.floats())
    if not parts:
        return None
    total = np.zeros(n_rows)
    for part in parts:
        total += part
    return total
