"""The reference grid: every combination of factor levels, covariates at their means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from mixwell.data.columns import Column, Factor, Logicals, Numbers, as_factor, label, labels
from mixwell.data.frame import near
from mixwell.data.instants import Instants
from mixwell.design.build import offset_of
from mixwell.design.coding import Values, apply_coding, fill_column
from mixwell.design.record import Design, Recipe
from mixwell.errors import DataError, MixwellError, ModelError
from mixwell.formula.expression import names

FloatArray = NDArray[np.float64]

WEIGHTS = ("equal", "proportional", "outer", "cells", "flat")


@dataclass(frozen=True, slots=True)
class Axis:
    """One variable of the grid.

    Attributes
    ----------
    name
        Of the column.
    column
        The values on the axis.
    texts
        The same as text.
    averaged
        Whether it has levels, over which means are averaged; a covariate is at one value.
    """

    name: str
    column: Column
    texts: tuple[str, ...]
    averaged: bool

    @property
    def values(self) -> list[object]:
        """For frames: labels of levels, or numbers."""
        return list(self.texts) if isinstance(self.column, Factor) else self.column.values.tolist()


@dataclass(frozen=True, slots=True)
class Grid:
    """A reference grid over the variables of the fixed part.

    Attributes
    ----------
    axes
        The variables; the first varies slowest in the arrays.
    x
        Shape (*sizes of axes, p): rows of X, aliased columns included.
    offset
        Shape of the axes: the offset.
    counts
        Shape of the axes: rows of the data in each cell (covariates do not divide them).
    parents
        Axis -> those it is nested in: each of its levels occurs with one of theirs only.
    share
        Shape of the axes: zero in cells that nesting rules out; else one over the number of levels that a
        nested factor has beside it.
    """

    axes: tuple[Axis, ...]
    x: FloatArray
    offset: FloatArray
    counts: FloatArray
    parents: Mapping[int, tuple[int, ...]]
    share: FloatArray

    def position(self, name: str) -> int:
        """Which axis has a name.

        Raises
        ------
        DataError
            When none has.
        """
        known = [axis.name for axis in self.axes]
        if name not in known:
            raise DataError(f"{name!r} is not a variable of the fixed part{near(name, known)}")
        return known.index(name)


def reference_grid(
    design: Design, at: Mapping[str, object] | None = None, shift: tuple[str, float] | None = None
) -> Grid:
    """Make the grid.

    Factors, logicals and numbers used as factors have all their levels, numbers with two values those two,
    other numbers their mean.

    Parameters
    ----------
    design
        Made from a formula.
    at
        Variable -> the values to use instead: levels of a factor, or one or several numbers.
    shift
        (variable, amount) added to a numeric variable, for slopes.

    Raises
    ------
    ModelError
        When the design was made without a formula.
    DataError
        When ``at`` names no variable of the fixed part, or a level that does not exist.
    """
    recipe = design.recipe
    if recipe is None:
        raise ModelError("Marginal means need the variables of a formula; this design was made without one.")
    if at is not None and not isinstance(at, Mapping):
        raise DataError(f"at maps variables to values, like {{'age': [10, 14]}}; it is {at!r}.")
    asked = dict(at or {})
    variables = _variables(recipe, design)
    for name in asked:
        if name not in variables:
            raise DataError(f"at: {name!r} is not a variable of the fixed part{near(name, variables)}")
    axes = tuple(
        _axis(design.variables[name], categorical, asked.get(name)) for name, categorical in variables.items()
    )
    sizes = tuple(len(axis.texts) for axis in axes)
    n_cells = prod(sizes)
    index = np.indices(sizes).reshape(len(sizes), n_cells) if sizes else np.zeros((0, 1), dtype=np.intp)
    columns: dict[str, Column] = {}
    for axis, rows in zip(axes, index, strict=True):
        column = axis.column
        if isinstance(column, Factor):
            columns[axis.name] = Factor(axis.name, column.codes[rows], column.levels, None)
            continue
        columns[axis.name] = column.take(rows)
        if shift is not None and shift[0] == axis.name and isinstance(column, Numbers):
            columns[axis.name] = Numbers(axis.name, column.floats()[rows] + shift[1], None)
    values = Values(columns, dict(recipe.states))
    for variable in recipe.formula.fixed.variables:
        apply_coding(recipe.codings[variable.expression], variable, values)
    x = np.empty((n_cells, len(recipe.x)), order="F")
    for j, plan in enumerate(recipe.x):
        fill_column(plan, values.computed, x[:, j])
    parents, share = _nesting(design, axes, sizes)
    return Grid(
        axes,
        np.ascontiguousarray(x).reshape(*sizes, len(recipe.x)),
        _offset(design, recipe, values, n_cells).reshape(sizes),
        _counts(design, axes, sizes),
        parents,
        share,
    )


def _variables(recipe: Recipe, design: Design) -> dict[str, bool]:
    """Columns that the fixed part reads, in its order, and whether they are used as categories."""
    fixed = recipe.formula.fixed
    found: dict[str, bool] = {}
    for variable in (*fixed.variables, *fixed.offsets):
        coding = recipe.codings.get(variable.expression)
        categorical = coding is not None and coding.levels is not None
        for name in names(variable.expression):
            if name in design.variables:
                found[name] = found.get(name, False) or categorical
    return found


def _axis(column: Column, categorical: bool, given: object) -> Axis:
    if given is not None and not _listed(given):
        raise DataError(f"at: {column.name!r} has no values.")
    if isinstance(column, Instants):
        mean = np.array([round(float(column.values.mean()))], dtype=np.int64)
        return Axis(column.name, Instants(column.name, mean, None), ("mean",), False)
    if isinstance(column, Factor):
        levels = tuple(map(str, column.levels))
        wanted = levels if given is None else tuple(label(value) for value in _listed(given))
        for text in wanted:
            if text not in levels:
                raise DataError(f"at: {text!r} is not a level of {column.name!r}{near(text, levels)}")
        codes = np.array([levels.index(text) for text in wanted], dtype=np.int32)
        return Axis(column.name, Factor(column.name, codes, column.levels, None), wanted, True)
    if isinstance(column, Logicals):
        chosen = np.array([False, True] if given is None else _listed(given), dtype=bool)
        return Axis(column.name, Logicals(column.name, chosen, None), tuple(labels(chosen.tolist())), True)
    if given is not None:
        try:
            numbers = np.array(_listed(given), dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"at: {column.name!r} is numeric; its values must be numbers.") from error
        if not np.isfinite(numbers).all():
            raise DataError(f"at: {column.name!r} has a missing or infinite value.")
        return Axis(
            column.name, Numbers(column.name, numbers, None), tuple(map(label, numbers.tolist())), True
        )
    distinct = np.unique(column.values) if categorical else _at_most_two(column.values)
    if distinct is None:
        mean_value = np.array([column.floats().mean()])
        return Axis(
            column.name, Numbers(column.name, mean_value, None), (label(float(mean_value[0])),), False
        )
    return Axis(column.name, Numbers(column.name, distinct, None), tuple(map(label, distinct.tolist())), True)


def _listed(given: object) -> list[object]:
    if isinstance(given, (str, bytes)) or not isinstance(given, (Sequence, np.ndarray)):
        return [given]
    return list(given)


def _at_most_two(values: NDArray[np.floating | np.integer]) -> NDArray[np.floating | np.integer] | None:
    low, high = values.min(), values.max()
    return np.unique(np.array([low, high])) if bool(((values == low) | (values == high)).all()) else None


def _offset(design: Design, recipe: Recipe, values: Values, n_cells: int) -> FloatArray:
    """Offsets of the formula at the cells; one given beside the data at its mean."""
    if design.offset is None:
        return np.zeros(n_cells)
    formula = offset_of(recipe.formula, values, None, n_cells)
    if recipe.offset is None and not recipe.offset_is_array:
        return np.zeros(n_cells) if formula is None else formula
    own = offset_of(recipe.formula, Values(design.variables, dict(recipe.states)), None, design.n_obs)
    beside = design.offset if own is None else design.offset - own
    return np.asarray(beside.mean() + (np.zeros(n_cells) if formula is None else formula))


def _counts(design: Design, axes: tuple[Axis, ...], sizes: tuple[int, ...]) -> FloatArray:
    """Rows of the data per cell; rows with values that are not on an axis count nowhere."""
    flat = np.zeros(design.n_obs, dtype=np.intp)
    seen = np.ones(design.n_obs, dtype=bool)
    for axis, size in zip(axes, sizes, strict=True):
        flat *= size
        if size == 1 and not axis.averaged:
            continue
        at = _axis_position(axis, design.variables[axis.name])
        seen &= at >= 0
        flat += np.maximum(at, 0)
    return np.bincount(flat[seen], minlength=prod(sizes)).astype(np.float64).reshape(sizes)


def _nesting(
    design: Design, axes: tuple[Axis, ...], sizes: tuple[int, ...]
) -> tuple[dict[int, tuple[int, ...]], FloatArray]:
    """``parents`` and ``share`` of a grid."""
    share = np.ones(sizes)
    parents: dict[int, tuple[int, ...]] = {}
    for f, axis in enumerate(axes):
        own = design.variables[axis.name]
        inside = np.ones(sizes)
        for g, other in enumerate(axes):
            column = design.variables[other.name]
            if f == g or not isinstance(own, Factor) or not isinstance(column, Factor):
                continue
            if len(own.levels) <= len(column.levels) or len(column.levels) < 2:
                continue
            parent = np.full(len(own.levels), -1, dtype=np.intp)
            parent[own.codes] = column.codes
            if (parent[own.codes] != column.codes).any():
                continue
            parents[f] = (*parents.get(f, ()), g)
            # Axes hold the codes of the levels on them.
            allowed = parent[_codes(axis)][:, np.newaxis] == _codes(other)
            inside = inside * _over_axes(allowed, f, g, sizes)
        if f in parents:
            share = share * inside / np.maximum(inside.sum(axis=f, keepdims=True), 1)
    return parents, share


def _codes(axis: Axis) -> NDArray[np.integer]:
    assert isinstance(axis.column, Factor)
    return axis.column.codes


def _over_axes(table: NDArray[np.bool_], f: int, g: int, sizes: tuple[int, ...]) -> NDArray[np.bool_]:
    """A table of two axes, shaped to multiply arrays of all."""
    shape = [1] * len(sizes)
    shape[f], shape[g] = sizes[f], sizes[g]
    return (table if f < g else table.T).reshape(shape)


def _axis_position(axis: Axis, column: Column) -> NDArray[np.intp]:
    """Where on the axis each row's value is, -1 where it is not."""
    if isinstance(column, Numbers) and isinstance(axis.column, Numbers):
        values, places = column.floats(), axis.column.floats()
        order = np.argsort(places)
        at = order[np.minimum(np.searchsorted(places, values, sorter=order), len(places) - 1)]
        return np.asarray(np.where(places[at] == values, at, -1))
    factor = as_factor(column)
    position = {text: i for i, text in enumerate(axis.texts)}
    table = np.array([position.get(str(text), -1) for text in factor.levels], dtype=np.intp)
    return np.asarray(table[factor.codes])


def averaged(
    grid: Grid, kept: tuple[int, ...], weights: str
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Rows of X and offsets at each combination of the axes ``kept``, averaged over the others.

    Parameters
    ----------
    grid
        A reference grid.
    kept
        Axes to keep, the first varying slowest in the result.
    weights
        ``"equal"``; ``"proportional"`` to the frequencies of the combinations averaged over; ``"outer"``:
        products of one-way frequencies; ``"cells"``: frequencies within each combination kept; ``"flat"``:
        equal among cells that have data. Levels of a nested factor are averaged within its parent's level.

    Returns
    -------
    rows, offset
        Shapes (combinations, p) and (combinations,).
    exists
        Length of the combinations: False where nesting rules one out.
    """
    if weights not in WEIGHTS:
        raise MixwellError(f"There are no weights={weights!r}; there are {', '.join(map(repr, WEIGHTS))}.")
    rest = tuple(i for i in range(len(grid.axes)) if i not in kept)
    order = (*kept, *rest)
    p = grid.x.shape[-1]
    kept_sizes = [len(grid.axes[i].texts) for i in kept]
    rest_sizes = [len(grid.axes[i].texts) for i in rest]
    shape = (prod(kept_sizes), prod(rest_sizes))
    x = grid.x.transpose(*order, len(order)).reshape(*shape, p)
    offset = grid.offset.transpose(order).reshape(shape)
    counts = grid.counts.transpose(order).reshape(shape)
    share = grid.share.transpose(order).reshape(shape)
    exists = np.asarray(share.any(axis=1))
    if weights == "equal":
        w = share
    elif weights == "proportional":
        w = np.broadcast_to(counts.sum(axis=0), shape)
    elif weights == "outer":
        whole = counts.sum(axis=0).reshape(rest_sizes)
        product = np.ones(rest_sizes)
        for axis in range(len(rest_sizes)):
            others = tuple(a for a in range(len(rest_sizes)) if a != axis)
            product = product * whole.sum(axis=others, keepdims=True)
        w = np.broadcast_to(product.reshape(-1), shape)
    elif weights == "cells":
        w = counts
    else:
        w = (counts > 0).astype(np.float64)
    w = w * (share > 0)
    total = np.where(exists, w.sum(axis=1), 1.0)
    if (total == 0).any():
        raise DataError(f"weights={weights!r}: a combination has no rows in the data; use weights='equal'.")
    w = w / total[:, np.newaxis]
    return np.einsum("cr,crp->cp", w, x), np.einsum("cr,cr->c", w, offset), exists
