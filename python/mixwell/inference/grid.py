"""The reference grid: every combination of factor levels, covariates at their means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np
from numpy.typing import NDArray

from mixwell.data.columns import Column, Factor, Logicals, Numbers, label, labels
from mixwell.data.frame import near
from mixwell.data.instants import Instants, as_instants, time_texts
from mixwell.design.build import offset_of
from mixwell.design.coding import Values, apply_coding, fill_column
from mixwell.design.predictors import Predictor, predictors, spelled
from mixwell.design.record import Design, Recipe
from mixwell.design.transforms import instant
from mixwell.errors import DataError, MixwellError, ModelError, NewLevelsError

FloatArray = NDArray[np.float64]

WEIGHTS = ("equal", "proportional", "outer", "cells", "flat")
# Numbers that a grid may hold: half a gigabyte.
LARGEST = 2**26


@dataclass(frozen=True, slots=True)
class Axis:
    """One variable of the grid.

    Attributes
    ----------
    predictor
        The column of the data, of n rows.
    column
        The values on the axis.
    texts
        The same as text.
    averaged
        Whether there are levels or chosen values, over which means are averaged; else a covariate is at one.
    codes
        Length n: which of its levels each row has; None for covariates, which do not divide the rows.
    places
        The level that each value on the axis is; empty for covariates.
    """

    predictor: Predictor
    column: Column
    texts: tuple[str, ...]
    averaged: bool
    codes: NDArray[np.integer] | None = None
    places: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, dtype=np.intp))

    @property
    def name(self) -> str:
        """Of the column."""
        return self.predictor.name

    @property
    def values(self) -> list[object]:
        """For frames: labels of levels, or numbers."""
        return (
            self.column.values.tolist() if isinstance(self.column, Numbers | Logicals) else list(self.texts)
        )


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
        known = {axis.name: axis.predictor for axis in self.axes}
        return list(known).index(spelled(name, known))


def grid_axes(design: Design, at: Mapping[str, object] | None = None) -> tuple[Axis, ...]:
    """The axes of :func:`reference_grid`, which raises the same errors."""
    recipe = design.recipe
    if recipe is None:
        raise ModelError("Marginal means need the variables of a formula; this design was made without one.")
    if at is not None and not isinstance(at, Mapping):
        raise DataError(f"at maps variables to values, like {{'age': [10, 14]}}; it is {at!r}.")
    known = predictors(design, recipe)
    asked: dict[str, object] = {}
    for name, given in (at or {}).items():
        try:
            asked[spelled(str(name), known)] = given
        except DataError as error:
            raise DataError(f"at: {error}") from None
    return tuple(_axis(predictor, asked.get(name)) for name, predictor in known.items())


def reference_grid(
    design: Design, at: Mapping[str, object] | None = None, shift: tuple[str, float] | None = None
) -> Grid:
    """Make the grid.

    Factors, logicals and numbers used as factors have all their levels, numbers with two values those two,
    other numbers their mean, as in R's emmeans; so has a number in a condition, ``I(x > 0)``. Of numbers that
    levels are computed from, ``factor(floor(x / 10))``, there is one for each level: the middle one of its
    rows'.

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
        When the design was made without a formula, or the grid would be too large.
    DataError
        When ``at`` names no variable of the fixed part, or a level that does not exist.
    """
    axes = grid_axes(design, at)
    recipe = design.recipe
    assert recipe is not None
    sizes = tuple(len(axis.texts) for axis in axes)
    n_cells = prod(sizes)
    if n_cells * (len(recipe.x) + len(axes)) > LARGEST:
        listed = ", ".join(f"{axis.name} ({len(axis.texts):,})" for axis in axes if len(axis.texts) > 1)
        raise ModelError(
            f"The reference grid would have {n_cells:,} cells, the combinations of all values of {listed}: "
            "too many for memory. Name fewer values with at=, or make numbers covariates instead of factors."
        )
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
        try:
            apply_coding(recipe.codings[variable.expression], variable, values)
        except NewLevelsError as error:
            raise DataError(
                f"{variable.name} has levels in the reference grid that the data lack; choose the values of "
                f"its variables with at=, or make it a column of the data. {error}"
            ) from None
    x = np.empty((n_cells, len(recipe.x)), order="F")
    for j, plan in enumerate(recipe.x):
        fill_column(plan, values.computed, x[:, j])
    parents, share = _nesting(axes, sizes)
    return Grid(
        axes,
        np.ascontiguousarray(x).reshape(*sizes, len(recipe.x)),
        _offset(design, recipe, values, n_cells).reshape(sizes),
        _counts(design, axes, sizes),
        parents,
        share,
    )


def _axis(predictor: Predictor, given: object) -> Axis:
    column = predictor.column
    wanted = None if given is None else _listed(given)
    if wanted is not None and not wanted:
        raise DataError(f"at: {predictor.name!r} has no values.")
    if isinstance(column, Factor):
        return _factor_axis(predictor, column, wanted)
    if isinstance(column, Logicals):
        chosen = np.array(
            [False, True] if wanted is None else [_truth(column, v) for v in wanted], dtype=bool
        )
        at = Logicals(column.name, chosen, None)
        texts = tuple(labels(chosen.tolist()))
        return Axis(predictor, at, texts, True, column.values.astype(np.intp), chosen.astype(np.intp))
    values: NDArray[np.floating | np.integer] | None
    if wanted is not None:
        values = _instants(column, wanted) if isinstance(column, Instants) else _numbers(column, wanted)
    elif predictor.categorical:
        values = np.unique(column.values)
    else:
        values = _at_most_two(column.values)
    if values is None and predictor.bins is not None:
        return _binned_axis(predictor, predictor.bins)
    if values is None:
        mean = np.array([column.values.mean()] if isinstance(column, Instants) else [column.floats().mean()])
        return Axis(predictor, *_on_axis(column, mean), averaged=False)
    codes, places = _levels(predictor, values)
    return Axis(predictor, *_on_axis(column, values), averaged=True, codes=codes, places=places)


def _factor_axis(predictor: Predictor, column: Factor, wanted: list[object] | None) -> Axis:
    levels = tuple(map(str, column.levels))
    texts = levels if wanted is None else tuple(label(value) for value in wanted)
    for text in texts:
        if text not in levels:
            raise DataError(f"at: {text!r} is not a level of {predictor.name!r}{near(text, levels)}")
    codes = np.array([levels.index(text) for text in texts], dtype=np.int32)
    at = Factor(column.name, codes, column.levels, None)
    return Axis(predictor, at, texts, True, column.codes, codes.astype(np.intp))


def _binned_axis(predictor: Predictor, bins: NDArray[np.intp]) -> Axis:
    """One value for each computed level."""
    column = predictor.column
    assert isinstance(column, Numbers)
    order = np.lexsort((column.values, bins))
    counts = np.bincount(bins)
    middle = order[np.cumsum(counts) - counts + (counts - 1) // 2]
    rows = middle[np.argsort(column.values[middle], kind="stable")]
    return Axis(
        predictor, *_on_axis(column, column.values[rows]), averaged=True, codes=bins, places=bins[rows]
    )


def _levels(
    predictor: Predictor, values: NDArray[np.floating | np.integer]
) -> tuple[NDArray[np.integer] | None, NDArray[np.intp]]:
    """``codes`` and ``places`` of numbers that are levels: used as categories, or of two values only."""
    column, none = predictor.column, np.zeros(0, dtype=np.intp)
    assert isinstance(column, Numbers | Instants)
    distinct = np.unique(column.values) if predictor.categorical else _at_most_two(column.values)
    if distinct is None:
        return None, none
    places = np.minimum(np.searchsorted(distinct, values), len(distinct) - 1)
    strange = np.flatnonzero(distinct[places] != values)
    if not len(strange):
        return np.searchsorted(distinct, column.values), places
    if predictor.categorical:
        known = labels(distinct)
        text = label(values[strange[0]])
        raise DataError(f"at: {text!r} is not a level of {predictor.name!r}{near(text, known)}")
    return None, none


def _on_axis(
    column: Numbers | Instants, values: NDArray[np.floating | np.integer]
) -> tuple[Column, tuple[str, ...]]:
    """Values as a column, and as text."""
    if isinstance(column, Instants):
        instants = np.rint(values).astype(np.int64)
        return Instants(column.name, instants, None), tuple(time_texts(instants))
    return Numbers(column.name, values, None), tuple(map(label, values.tolist()))


def _listed(given: object) -> list[object]:
    """One value or several, of any kind of sequence, series or array; their labels say nothing."""
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        return [given]
    return np.asarray(given).reshape(-1).tolist() if isinstance(given, np.ndarray) else list(given)


def _truth(column: Logicals, value: object) -> bool:
    found = {"true": True, "false": False, "1": True, "0": False}.get(label(value).lower())
    if found is None:
        raise DataError(f"at: {column.name!r} is boolean; its values are True and False, not {value!r}.")
    return found


def _numbers(column: Numbers, wanted: list[object]) -> FloatArray:
    try:
        numbers = np.array(wanted, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"at: {column.name!r} is numeric; its values must be numbers.") from error
    if numbers.ndim != 1:
        raise DataError(f"at: {column.name!r} is numeric; its values must be numbers.")
    if not np.isfinite(numbers).all():
        raise DataError(f"at: {column.name!r} has a missing or infinite value.")
    return numbers


def _instants(column: Instants, wanted: list[object]) -> NDArray[np.int64]:
    texts = [value if isinstance(value, str) else None for value in wanted]
    found = None if any(text is not None for text in texts) else as_instants(column.name, wanted)
    if found is None:
        return np.array([instant(str(value)) for value in wanted], dtype=np.int64)
    if found.missing is not None:
        raise DataError(f"at: {column.name!r} has a missing value.")
    return found.values


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
    """Rows of the data per cell; rows with levels that are not on an axis count nowhere."""
    flat = np.zeros(design.n_obs, dtype=np.intp)
    seen = np.ones(design.n_obs, dtype=bool)
    for axis, size in zip(axes, sizes, strict=True):
        flat *= size
        if axis.codes is None:
            continue
        table = np.full(1 + max(int(axis.codes.max()), int(axis.places.max())), -1, dtype=np.intp)
        table[axis.places] = np.arange(size)
        at = table[axis.codes]
        seen &= at >= 0
        flat += np.maximum(at, 0)
    counts = np.bincount(flat[seen], minlength=prod(sizes)).astype(np.float64).reshape(sizes)
    for i, axis in enumerate(axes):
        if axis.codes is None:
            # Each value of a covariate has all the rows.
            counts = np.repeat(counts.take([0], axis=i), sizes[i], axis=i)
    return counts


def _nesting(axes: tuple[Axis, ...], sizes: tuple[int, ...]) -> tuple[dict[int, tuple[int, ...]], FloatArray]:
    """``parents`` and ``share`` of a grid."""
    share = np.ones(sizes)
    parents: dict[int, tuple[int, ...]] = {}
    found = [0 if axis.codes is None else 1 + int(axis.codes.max()) for axis in axes]
    for f, axis in enumerate(axes):
        inside = np.ones(sizes)
        for g, other in enumerate(axes):
            if f == g or axis.codes is None or other.codes is None or not found[f] > found[g] > 1:
                continue
            parent = np.full(found[f], -1, dtype=np.intp)
            parent[axis.codes] = other.codes
            if (parent[axis.codes] != other.codes).any():
                continue
            parents[f] = (*parents.get(f, ()), g)
            allowed = parent[axis.places][:, np.newaxis] == other.places
            inside = inside * _over_axes(allowed, f, g, sizes)
        if f in parents:
            share = share * inside / np.maximum(inside.sum(axis=f, keepdims=True), 1)
    return parents, share


def _over_axes(table: NDArray[np.bool_], f: int, g: int, sizes: tuple[int, ...]) -> NDArray[np.bool_]:
    """A table of two axes, shaped to multiply arrays of all."""
    shape = [1] * len(sizes)
    shape[f], shape[g] = sizes[f], sizes[g]
    return (table if f < g else table.T).reshape(shape)


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
