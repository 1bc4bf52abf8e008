"""Hypotheses of the terms of the fixed part, as contrasts of its coefficients.

All three types depend on the spaces that terms span, not on how factors are coded. Satterthwaite's degrees of
freedom of several rows, as lmerTest takes them, also depend on which rows express the hypothesis. They are
chosen here so that coding, units and the order of the data do not matter: as in treatment coding with the
first level as base, R's default. What is left is lmerTest's own: in unbalanced data the df change with the
first level (by up to 0.1 percent for the rat pups with random intercepts, 2.4 percent with random slopes),
and types I and III give the last term the same F with slightly different df (302.26 and 302.30; 17.69 and
17.88).
No basis-free definition comes within 0.1 percent of lmerTest there. F itself, and Kenward-Roger's df, depend
on nothing but the hypothesis.

How much a basis can matter shows where single rows have very different df: a spline of time with random
slopes has 50 in lmerTest's rows and 87 in those of its coefficients (Kenward-Roger: 83).

Type I and II rows come from crossproducts of X, in which terms are adjusted for each other as by least
squares; type III rows are comparisons of cell means with equal weights (Searle, Speed & Milliken 1980) and,
where cells are empty, Goodnight's (1978) estimable functions, as SAS's. Without an intercept the first term
of factors has all its levels, and its hypothesis is that their means are zero, averaged over the other
factors (lmerTest takes them at the other factors' first levels); the other hypotheses do not change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from mixwell.data.columns import labels
from mixwell.design.coding import ColumnPlan, Values, VariableCoding, fill_column, plan_columns
from mixwell.design.contrasts import Contrast, contrast_columns
from mixwell.design.functions import Categories, Matrix, Value
from mixwell.design.record import Design, Recipe
from mixwell.errors import MixwellError, ModelError
from mixwell.formula.expression import Node
from mixwell.inference.estimable import ROUNDING, Aliasing, aliasing

FloatArray = NDArray[np.float64]

TYPES = ("I", "II", "III")

# Rows on which two codings of the same terms are compared: every cell, where there are fewer than these.
CELLS = 20_000
# Singular values below this part of the largest are zero.
SMALL = 1e-9
# Two hypotheses are the same where their echelon forms differ by less.
SAME = 1e-7


@dataclass(frozen=True, slots=True)
class TermRows:
    """The hypothesis of a term.

    Attributes
    ----------
    name
        Of the term.
    rows
        Shape (m, rank): contrasts of the estimable coefficients, linearly independent.
    """

    name: str
    rows: FloatArray


def term_rows(design: Design, kept: NDArray[np.intp], type_: str) -> tuple[TermRows, ...]:
    """Hypotheses of all terms but the intercept that have estimable coefficients.

    Parameters
    ----------
    design
        Made from a formula.
    kept
        Indices of the estimable columns of X.
    type_
        ``"I"``: each term after those before it. ``"II"``: after all that do not contain it. ``"III"``: cell
        means compared with equal weights.

    Raises
    ------
    MixwellError
        When there is no such type.
    ModelError
        When the design was made without a formula.
    """
    if type_ not in TYPES:
        raise MixwellError(f"There is no anova type {type_!r}; there are 'I', 'II' and 'III'.")
    recipe = design.recipe
    if recipe is None:
        raise ModelError(
            "Analysis of variance needs the terms of a formula; this design was made without one."
        )
    if type_ == "III" and sum(bool(term.variables) for term in design.fixed_terms) > 1:
        found = _marginal_rows(design, recipe, kept)
    else:
        found = _adjusted_rows(design, recipe, kept, sequential=type_ == "I")
    return tuple(TermRows(name, rows) for name, rows in found if len(rows))


# ---- containment of terms


def _parts(recipe: Recipe, variables: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """Factors and numeric variables of a term."""
    kinds = {
        variable.name: recipe.codings[variable.expression].levels is not None
        for variable in recipe.formula.fixed.variables
    }
    return (
        frozenset(name for name in variables if kinds[name]),
        frozenset(name for name in variables if not kinds[name]),
    )


def contains(recipe: Recipe, larger: tuple[str, ...], smaller: tuple[str, ...]) -> bool:
    """Whether a term contains another: the same numeric variables, and all of its factors and more."""
    factors, numbers = _parts(recipe, larger)
    own_factors, own_numbers = _parts(recipe, smaller)
    return numbers == own_numbers and own_factors < factors


# ---- types I and II


def _adjusted_rows(
    design: Design, recipe: Recipe, kept: NDArray[np.intp], *, sequential: bool
) -> list[tuple[str, FloatArray]]:
    """Rows [0, X1'M X1, X1'M X2]: a term X1 adjusted for X0 (M); X2 are later terms or contain it.

    With [X0 X1 X2] = Q R they are R11' [0 R11 R12].
    """
    treatment = _to_treatment(recipe, aliasing(design.x, kept))
    position = {int(column): i for i, column in enumerate(treatment.kept)}
    columns = [[position[c] for c in term.columns if c in position] for term in design.fixed_terms]
    n_terms = sum(bool(term.variables) for term in design.fixed_terms)
    found = []
    for t, term in enumerate(design.fixed_terms):
        own = columns[t]
        if not term.variables or not own:
            continue
        before: list[int] = []
        after: list[int] = []
        for s, other in enumerate(design.fixed_terms):
            if s != t:
                later = s > t if sequential else contains(recipe, other.variables, term.variables)
                (after if later else before).extend(columns[s])
        root = np.asarray(np.linalg.qr(treatment.columns[:, [*before, *own, *after]], mode="r"))
        part = root[len(before) : len(before) + len(own), len(before) :]
        block = part[:, : len(own)]
        # The basis is lmerTest's: columns adjusted one by one, or as they are where no term contains this; if
        # it is the only term, all types are type I.
        one_by_one = sequential or bool(after) or n_terms == 1
        rows = np.zeros((len(own), len(kept)))
        rows[:, [*own, *after]] = (
            part / np.diagonal(block)[:, np.newaxis] if one_by_one else np.linalg.solve(block, part)
        )
        found.append((term.name, rows @ treatment.of_coefficients))
    return found


@dataclass(frozen=True, slots=True)
class _Treatment:
    """The estimable coefficients gamma in treatment coding.

    Attributes
    ----------
    kept
        Their columns. Where columns are aliased, those that depend on the ones before them are left out, in
        either coding.
    columns
        Shape (rank, rank): these columns of X, in the orthonormal ones of :class:`Aliasing`.
    of_coefficients
        Shape (rank, rank): D with gamma = D beta.
    """

    kept: NDArray[np.intp]
    columns: FloatArray
    of_coefficients: FloatArray


def _to_treatment(recipe: Recipe | None, aliased: Aliasing) -> _Treatment:
    """The estimable coefficients in treatment coding."""
    own = aliased.columns[:, aliased.kept]
    same = _Treatment(aliased.kept, own, np.eye(len(own)))
    if recipe is None:
        return same
    fixed = recipe.formula.fixed
    codings = {variable.expression: recipe.codings[variable.expression] for variable in fixed.variables}
    treatment = {node: _treatment(coding) for node, coding in codings.items()}
    if all(treatment[node] is coding for node, coding in codings.items()):
        return same
    plans = tuple(column.plan for column in plan_columns(fixed, treatment))
    if len(plans) != len(recipe.x):
        return same
    values, n_rows = _cells(codings)
    ours, theirs = _columns(recipe.x, values, n_rows), _columns(plans, values, n_rows)
    # X_treatment = X C; a column of C that vanishes in the data's own X is aliased with those before it.
    change, _, _, _ = np.linalg.lstsq(ours, theirs, rcond=None)
    # These columns are of random numbers of size one, whatever the units of the data.
    change[np.abs(change) < SMALL] = 0
    columns = aliased.columns @ change
    estimable = _leading(columns, aliased.length @ np.abs(change))
    if len(estimable) != len(own):
        return same
    columns = columns[:, estimable]
    unit = np.linalg.norm(columns, axis=0)
    return _Treatment(estimable, columns, np.linalg.solve(columns / unit, own) / unit[:, np.newaxis])


def _leading(columns: FloatArray, largest: FloatArray) -> NDArray[np.intp]:
    """Indices of the columns that do not depend on those before them.

    ``largest`` bounds the length of each before cancellation, which leaves its rounding errors.
    """
    basis = np.zeros((len(columns), 0))
    found = []
    for j, column in enumerate(columns.T):
        new = column - basis @ (basis.T @ column)
        new -= basis @ (basis.T @ new)
        length = float(np.linalg.norm(new))
        if length > SMALL * largest[j]:
            basis = np.column_stack([basis, new / length])
            found.append(j)
    return np.array(found, dtype=np.intp)


def _treatment(coding: VariableCoding) -> VariableCoding:
    """The same variable in treatment coding with the first level as base."""
    if coding.levels is None or coding.contrast is None:
        return coding
    if coding.contrast.level == tuple(range(1, len(coding.levels))):
        return coding
    return replace(coding, contrast=contrast_columns(Contrast("treatment"), coding.name, coding.levels))


def _cells(codings: Mapping[Node, VariableCoding]) -> tuple[dict[Node, Value], int]:
    """Variables at every combination of levels, numbers drawn at random: identities of columns show there."""
    rng = np.random.default_rng(1)
    factors = {node: coding.levels for node, coding in codings.items() if coding.levels is not None}
    size = prod(len(levels) for levels in factors.values())
    width = sum(coding.width for coding in codings.values() if coding.levels is None)
    n_rows = max(size * (2 ** min(width, 6) + 2), 50) if size <= CELLS else 10 * CELLS
    values: dict[Node, Value] = {}
    step = 1
    for node, levels in factors.items():
        if size <= CELLS:
            codes = (np.arange(n_rows) // step) % len(levels)
            step *= len(levels)
        else:
            codes = rng.integers(0, len(levels), n_rows)
        values[node] = Categories(codes.astype(np.int32), labels(levels))
    for node, coding in codings.items():
        if coding.levels is None:
            drawn = rng.normal(size=(n_rows, coding.width))
            values[node] = Matrix(drawn) if coding.several else drawn[:, 0]
    return values, n_rows


def _columns(plans: tuple[ColumnPlan, ...], values: Mapping[Node, Value], n_rows: int) -> FloatArray:
    out = np.empty((n_rows, len(plans)), order="F")
    for j, plan in enumerate(plans):
        fill_column(plan, values, out[:, j])
    return out


def canonical_rows(
    design: Design, kept: NDArray[np.intp], rows: FloatArray, value: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The same joint hypothesis, in rows that depend on nothing else.

    The hypothesis of a term has the rows that it has in an analysis of variance, type III before II and I.
    Any other has the reduced row echelon form in treatment coding, with numeric variables in units of their
    standard deviations. So a hypothesis has one test, whichever contrasts express it, however factors are
    coded and whatever the units.

    Parameters
    ----------
    design, kept
        The design and its estimable columns.
    rows, value
        Shapes (m, rank) and (m,): the hypothesis is that ``value``, estimated by rows @ beta less a constant,
        is zero.
    """
    if len(rows) == 1:
        return rows, value
    if design.recipe is None:
        return _echelon(rows, value)
    treatment = _to_treatment(design.recipe, aliasing(design.x, kept))
    unit = _units(design, design.recipe)[treatment.kept]
    back = np.linalg.inv(treatment.of_coefficients) / unit
    reduced, reduced_value = _echelon(rows @ back, value)
    for type_ in reversed(TYPES):
        for term in term_rows(design, kept, type_):
            if len(term.rows) != len(rows):
                continue
            theirs, _ = _echelon(term.rows @ back, np.zeros(len(rows)))
            if np.abs(theirs - reduced).max() < SAME:
                turned = term.rows @ back @ np.linalg.pinv(reduced)
                return term.rows, turned @ reduced_value
    return (reduced * unit) @ treatment.of_coefficients, reduced_value


def _echelon(rows: FloatArray, value: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Reduced row echelon form of linearly independent rows, and their values."""
    reduced = np.column_stack([rows, value])
    reduced /= np.abs(rows).max(axis=1)[:, np.newaxis]
    pivot = 0
    for column in range(rows.shape[1]):
        if pivot == len(reduced):
            break
        best = pivot + int(np.argmax(np.abs(reduced[pivot:, column])))
        if abs(reduced[best, column]) <= SMALL:
            reduced[pivot:, column] = 0
            continue
        reduced[[pivot, best]] = reduced[[best, pivot]]
        reduced[pivot] /= reduced[pivot, column]
        others = np.arange(len(reduced)) != pivot
        reduced[others] -= np.outer(reduced[others, column], reduced[pivot])
        pivot += 1
    return reduced[:, :-1], reduced[:, -1]


def _units(design: Design, recipe: Recipe) -> FloatArray:
    """Per column of X the standard deviation of its numeric part, or its size where it does not vary."""
    values = Values(design.variables, dict(recipe.states))
    known = {variable.expression: variable for variable in recipe.formula.fixed.variables}
    found: dict[tuple[tuple[Node, int], ...], float] = {}
    unit = np.ones(len(recipe.x))
    for j, plan in enumerate(recipe.x):
        numeric = tuple((piece.expression, piece.column) for piece in plan.pieces if piece.column >= 0)
        if not numeric:
            continue
        if numeric not in found:
            part = np.ones(design.n_obs)
            for node, column in numeric:
                value = values.of(known[node])
                part = part * (value.columns[:, column] if isinstance(value, Matrix) else np.asarray(value))
            spread, size = float(part.std()), float(np.sqrt(np.mean(part**2)))
            found[numeric] = spread if spread > ROUNDING * size else size or 1.0
        unit[j] = found[numeric]
    return unit


# ---- type III


def _marginal_rows(design: Design, recipe: Recipe, kept: NDArray[np.intp]) -> list[tuple[str, FloatArray]]:
    if len(kept) < design.x.shape[1]:
        return _orthogonal_rows(design, recipe, kept)
    fixed = recipe.formula.fixed
    by_name = {variable.name: recipe.codings[variable.expression] for variable in fixed.variables}
    sizes = {node: len(coding.levels) for node, coding in recipe.codings.items() if coding.levels is not None}
    found = []
    # The mean belongs to the intercept or, without one, to the first term of factors.
    mean_is_taken = fixed.intercept
    for term in design.fixed_terms:
        if not term.variables:
            continue
        codings = [by_name[name] for name in term.variables]
        others = [set(other.variables) for other in design.fixed_terms if other is not term]
        directions = _directions(term.variables, codings, others, mean_is_taken=mean_is_taken)
        mean_is_taken = mean_is_taken or all(coding.levels is not None for coding in codings)
        # The first variable varies fastest, as in the columns.
        choices = [dict(choice) for choice in product(*reversed(directions))]
        found.append(
            (
                term.name,
                np.array([[_loading(plan, choice, sizes) for plan in recipe.x] for choice in choices]),
            )
        )
    return found


def _orthogonal_rows(design: Design, recipe: Recipe, kept: NDArray[np.intp]) -> list[tuple[str, FloatArray]]:
    """Type III where columns are aliased, as by empty cells.

    The estimable functions that involve a term and those containing it, and are orthogonal to the ones that
    involve the latter alone (Goodnight 1978, SAS Technical Report R-101). A function L gamma of the
    parameters gamma of indicator columns, one for each level or combination, is estimable where L = l G, with
    X_indicators = X_kept G. Without empty cells these are comparisons of equally weighted means of cells.
    """
    present = set(kept.tolist())
    # A term that is aliased as a whole is not in the model; of one aliased in part, some contrasts remain.
    alive = [term for term in design.fixed_terms if present & set(term.columns)]
    by_name = {variable.name: variable.expression for variable in recipe.formula.fixed.variables}
    codings = {node: recipe.codings[node] for node in by_name.values()}
    values, n_rows = _cells(codings)
    indicators = [_indicators([values[by_name[name]] for name in term.variables], n_rows) for term in alive]
    owner = np.repeat(np.arange(len(alive)), [block.shape[1] for block in indicators])
    columns = [column for term in alive for column in term.columns]
    ours = _columns(tuple(recipe.x[column] for column in columns), values, n_rows)
    full, _, _, _ = np.linalg.lstsq(ours, np.hstack(indicators), rcond=None)
    # These columns are of random numbers of size one, whatever the units of the data.
    full[np.abs(full) < SMALL] = 0
    # In coordinates of orthonormal columns, so that units do not matter.
    aliased = aliasing(design.x, kept)
    units = _units(design, recipe)
    # Indicators of one numeric part have its unit; functions of several parts are compared in these.
    full /= np.max((full != 0) * units[columns, np.newaxis], axis=0)
    g = aliased.columns[:, columns] @ full
    largest = aliased.length[columns] @ np.abs(full)
    treatment = _to_treatment(recipe, aliased)
    unit = units[treatment.kept]
    found = []
    for t, term in enumerate(alive):
        if not term.variables:
            continue
        above = [s for s, other in enumerate(alive) if contains(recipe, other.variables, term.variables)]
        own = _left_null(g[:, ~np.isin(owner, [t, *above])], largest[~np.isin(owner, [t, *above])])
        higher = _left_null(g[:, ~np.isin(owner, above)], largest[~np.isin(owner, above)])
        involved = np.isin(owner, above)
        overlap = own @ g[:, involved] @ g[:, involved].T @ higher.T
        rows = _left_null(overlap, np.full(overlap.shape[1], np.abs(overlap).max(initial=0.0))) @ own
        if len(rows):
            echelon, _ = _echelon(rows @ treatment.columns / unit, np.zeros(len(rows)))
            found.append((term.name, (echelon * unit) @ treatment.of_coefficients))
    return found


def _indicators(values: list[Value], n_rows: int) -> FloatArray:
    """A column for each combination of levels, times the numeric variables."""
    out = np.ones((n_rows, 1))
    for value in values:
        if isinstance(value, Categories):
            block = (value.codes[:, np.newaxis] == np.arange(len(value.levels))).astype(np.float64)
        else:
            block = value.columns if isinstance(value, Matrix) else np.asarray(value)[:, np.newaxis]
        out = (out[:, :, np.newaxis] * block[:, np.newaxis, :]).reshape(n_rows, -1)
    return out


def _left_null(matrix: FloatArray, largest: FloatArray) -> FloatArray:
    """Orthonormal rows l with l @ matrix = 0; columns of rounding size against ``largest`` are zero."""
    length = np.linalg.norm(matrix, axis=0)
    some = length > SMALL * largest
    u, singular, _ = np.linalg.svd(matrix[:, some] / length[some])
    rank = int(np.sum(singular > SMALL))
    return np.asarray(u[:, rank:].T)


def _directions(
    variables: tuple[str, ...], codings: list[VariableCoding], others: list[set[str]], *, mean_is_taken: bool
) -> list[list[tuple[Node, FloatArray | int]]]:
    """Per variable of a term: comparisons of a factor's levels, or columns of a numeric variable.

    ``others`` are the variables of the other terms; ``mean_is_taken`` says that the mean belongs to one.
    """
    directions: list[list[tuple[Node, FloatArray | int]]] = []
    for name, coding in zip(variables, codings, strict=True):
        if coding.levels is None:
            directions.append([(coding.expression, column) for column in range(coding.width)])
            continue
        size = len(coding.levels)
        rest = set(variables) - {name}
        compared = any(rest <= other for other in others) if rest else mean_is_taken
        # Against the first level where the mean of the levels belongs to another term, else each by itself.
        matrix = np.eye(size)[1:] - np.eye(size)[0] if compared else np.eye(size)
        directions.append([(coding.expression, row) for row in matrix])
    return directions


def _loading(plan: ColumnPlan, choice: Mapping[Node, FloatArray | int], sizes: Mapping[Node, int]) -> float:
    """Value of a combination of cell means in one column: compared factors as chosen, others averaged."""
    loading = 1.0
    left = dict(choice)
    for piece in plan.pieces:
        own = left.pop(piece.expression, None)
        if piece.column >= 0:
            if own is None or own != piece.column:
                return 0.0
        elif own is None:
            loading *= float(np.mean(piece.weights)) if piece.level < 0 else 1.0 / sizes[piece.expression]
        else:
            row = np.asarray(own)
            loading *= float(row[piece.level]) if piece.level >= 0 else float(row @ np.array(piece.weights))
    for own in left.values():
        if isinstance(own, int):
            return 0.0
        loading *= float(own.sum())
    return loading
