"""The model along one covariate: population and group means on a grid. No drawing."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixwell.data.columns import Column, Factor, Numbers
from mixwell.data.frame import near
from mixwell.data.instants import Instants
from mixwell.design.newdata import NewRows, new_rows
from mixwell.design.record import Design
from mixwell.errors import DataError, MixwellError, ModelError, RankDeficiencyWarning
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.formula.expression import names
from mixwell.inference.contrast import row_tests
from mixwell.inference.degrees_of_freedom import approximation
from mixwell.plots.grouped import Shrinkage, shrinkage
from mixwell.predict import undetermined

FloatArray = NDArray[np.float64]
Positions = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Covariate:
    """A covariate as an axis.

    Attributes
    ----------
    name
        The variable.
    position
        Length n: where each row is on the axis; of a factor, the code of its level.
    ticks
        A factor's levels; None for numbers.
    """

    name: str
    position: FloatArray
    ticks: tuple[str, ...] | None


def covariate(design: Design, name: str) -> Covariate:
    """A variable of the model as an axis.

    Raises
    ------
    DataError
        If the model has no such variable, or it holds dates.
    """
    if name not in design.variables:
        raise DataError(f"x={name!r} is not a variable of the model{near(name, design.variables)}")
    column = design.variables[name]
    if isinstance(column, Numbers):
        return Covariate(name, column.floats(), None)
    if isinstance(column, Factor):
        return Covariate(name, column.codes.astype(np.float64), tuple(column.levels))
    if isinstance(column, Instants):
        raise DataError(f"x={name!r} holds dates; make it a number of days first, to draw along it.")
    return Covariate(name, column.values.astype(np.float64), ("False", "True"))


def varies_within(position: FloatArray, codes: NDArray[np.integer], n_groups: int) -> bool:
    """Whether a covariate takes several values in some group."""
    low = np.full(n_groups, np.inf)
    high = np.full(n_groups, -np.inf)
    np.minimum.at(low, codes, position)
    np.maximum.at(high, codes, position)
    return bool((high > low).any())


def natural_covariate(design: Design, factor: int) -> Covariate:
    """The covariate to draw groups along: of a random slope first, numbers before factors.

    Raises
    ------
    ModelError
        If no variable of the model varies within the groups.
    """
    own = quantities.terms_of(design, factor)
    slopes: list[str] = []
    if design.recipe is not None:
        plans = (plan for i in own for plan in design.recipe.terms[i])
        slopes = [name for plan in plans for piece in plan.pieces for name in names(piece.expression)]
    group = design.factors[factor]
    ranked = sorted(
        design.variables,
        key=lambda name: (name not in slopes, not isinstance(design.variables[name], Numbers)),
    )
    for name in ranked:
        if isinstance(design.variables[name], Instants):
            continue
        found = covariate(design, name)
        if varies_within(found.position, group.codes, group.n_levels):
            return found
    raise ModelError(
        f"No variable of the model varies within {group.name}, so there is nothing to draw its groups along; "
        "plot.random_effects() shows how the groups differ."
    )


def covariate_along(design: Design, factor: int, x: str | None) -> Covariate:
    """The covariate named, else :func:`natural_covariate`."""
    return natural_covariate(design, factor) if x is None else covariate(design, x)


def grid_of(axis: Covariate, rows: NDArray[np.bool_], points: int = 60) -> FloatArray:
    """Where the model is evaluated: along the range of numbers in ``rows``, or at every level.

    The point where a fan of slopes is closed, :func:`hinge`, is always among them.
    """
    if axis.ticks is not None:
        return np.arange(len(axis.ticks), dtype=np.float64)
    inside = axis.position[rows]
    even = np.linspace(inside.min(), inside.max(), points)
    # In place of the nearest one.
    even[np.argmin(np.abs(even - hinge(axis, rows)))] = hinge(axis, rows)
    return even


def hinge(axis: Covariate, rows: NDArray[np.bool_]) -> float:
    """Where lines of groups are compared in height: at zero if it was observed, else at the mean.

    For a factor at its first level.
    """
    if axis.ticks is not None:
        return 0.0
    inside = axis.position[rows]
    return 0.0 if inside.min() <= 0 <= inside.max() else float(inside.mean())


def raw_values(column: Column, at: FloatArray) -> NDArray[np.generic]:
    """What a data frame would hold at some positions of a covariate's axis."""
    if isinstance(column, Factor):
        return column.levels[at.astype(np.intp)]
    if isinstance(column, Numbers):
        return at
    return at.astype(bool)


@dataclass(frozen=True, slots=True)
class GroupLines:
    """Means of G groups along a covariate, m points each.

    Attributes
    ----------
    x
        Length m.
    groups
        Length G: codes of the groups.
    population, low, high
        Shape (G, m): X beta at each group's covariates, and its interval.
    group
        Shape (G, m): X beta + Z b, with the factor's random effects.
    columns
        Shape (G, m, k): Z, the columns of the factor's random effects.
    """

    x: FloatArray
    groups: Positions
    population: FloatArray
    low: FloatArray
    high: FloatArray
    group: FloatArray
    columns: FloatArray


def group_lines(
    design: Design, fit: Fit, factor: int, axis: Covariate, groups: Positions, level: float = 0.95
) -> GroupLines:
    """Population and group means along a covariate, for some groups of a factor.

    Lines span what these groups have of the covariate. Other numeric covariates are held at the group's
    mean, other factors at their most frequent level in the group; random effects of other factors are zero.
    """
    codes = design.factors[factor].codes
    grid = grid_of(axis, np.isin(codes, groups))
    m, g = len(grid), len(groups)
    frame: dict[str, NDArray[np.generic]] = {}
    for name, column in design.variables.items():
        if name == axis.name:
            frame[name] = raw_values(column, np.tile(grid, g))
        elif isinstance(column, Instants):
            raise ModelError(
                f"The model reads the dates {name!r}, which pictures along {axis.name!r} cannot hold fixed; "
                "put time in the model as a number."
            )
        else:
            frame[name] = raw_values(column, np.repeat(typical(column, codes, groups), m))
    rows = new_rows(design, with_strangers(design, frame, m * g))
    if rows.missing.any():
        raise ModelError(f"The model has no value along part of the range of {axis.name!r}.")
    x = rows.x[:, fit.kept]
    mean = x @ fit.beta
    lost = undetermined(design, fit, rows)
    mean[lost] = np.nan
    if len(lost):
        warnings.warn(
            f"The data do not determine the mean of {len(np.unique(lost // m))} of {g} groups along "
            f"{axis.name!r}, whose typical values combine the fixed effects in ways that never occurred: "
            "their lines have gaps.",
            RankDeficiencyWarning,
            stacklevel=4,
        )
    if rows.offset is not None:
        mean = mean + rows.offset
    half = interval_halves(design, fit, x, level)
    z = factor_columns(design, factor, rows).reshape(g, m, -1)
    modes = fit.modes[factor][groups]
    shape = (g, m)
    return GroupLines(
        x=grid,
        groups=groups,
        population=mean.reshape(shape),
        low=(mean - half).reshape(shape),
        high=(mean + half).reshape(shape),
        group=mean.reshape(shape) + np.einsum("gmk,gk->gm", z, modes),
        columns=z,
    )


@dataclass(frozen=True, slots=True)
class Origin:
    """Where groups are compared when zero of a covariate lies outside what was observed.

    Attributes
    ----------
    where
        The covariates that are at their means instead of zero, and these.
    fixed
        X beta there, factors at their first levels.
    columns
        Length k: the columns of the factor's random effects there.
    """

    where: tuple[tuple[str, float], ...]
    fixed: float
    columns: FloatArray


def observed_origin(design: Design, fit: Fit, factor: int) -> Origin | None:
    """The row at zero of each number that was observed on both sides of zero, at the mean of each other.

    None where all numbers reach zero, so that the intercept is a value at observed ones, and where the row
    cannot be made (dates, arrays in the formula).
    """
    ranges = {
        name: (float(column.floats().min()), float(column.floats().max()), float(column.floats().mean()))
        for name, column in design.variables.items()
        if isinstance(column, Numbers)
    }
    where = tuple((name, mean) for name, (low, high, mean) in ranges.items() if low > 0 or high < 0)
    if not where or any(isinstance(column, Instants) for column in design.variables.values()):
        return None
    frame: dict[str, NDArray[np.generic]] = {}
    for name, column in design.variables.items():
        at = dict(where).get(name, 0.0)
        frame[name] = raw_values(column, np.array([at]))
    try:
        rows = new_rows(design, with_strangers(design, frame, 1))
    except MixwellError:
        return None
    if rows.missing.any():
        return None
    offset = 0.0 if rows.offset is None else float(rows.offset[0])
    fixed = float(rows.x[0, fit.kept] @ fit.beta) + offset
    return Origin(where, fixed, factor_columns(design, factor, rows)[0])


def shrinkage_at_observed(design: Design, fit: Fit, factor: int) -> Shrinkage:
    """:func:`mixwell.plots.grouped.shrinkage` with the intercept at observed values of the covariates.

    Where zero of a covariate lies outside its range (an age, a year), groups' intercepts there are far-out
    extrapolations of their lines; their heights at its mean take their place.
    """
    found = shrinkage(design, fit, factor)
    origin = observed_origin(design, fit, factor)
    if "(Intercept)" not in found.names or origin is None:
        return found
    at = found.names.index("(Intercept)")
    # What the other fixed effects add there.
    others = origin.fixed - float(origin.columns @ found.population)

    def moved(coefficients: FloatArray) -> FloatArray:
        out = coefficients.copy()
        out[..., at] = coefficients @ origin.columns + others
        return out

    return Shrinkage(found.names, moved(found.own), moved(found.model), moved(found.population), origin.where)


def interval_halves(design: Design, fit: Fit, x: FloatArray, level: float) -> FloatArray:
    """Half-widths of the intervals of x'beta, length m, with Satterthwaite's degrees of freedom.

    Zero where a row of ``x`` (m, rank) is zero: there the model has nothing to estimate.
    """
    half = np.zeros(len(x))
    some = x.any(axis=1)
    if some.any():
        tests = row_tests(approximation(design, fit, "satterthwaite"), fit.beta, x[some])
        half[some] = tests.interval(level)[1] - tests.estimate
    return half


def factor_columns(design: Design, factor: int, rows: NewRows) -> FloatArray:
    """Z columns of one factor for new rows, shape (rows, k)."""
    own = quantities.terms_of(design, factor)
    return np.column_stack([column for i in own for column in rows.columns[i]])


def typical(column: Column, codes: NDArray[np.integer], groups: Positions) -> FloatArray:
    """A covariate's value in each group: the mean of numbers, the most frequent level of factors."""
    out = np.empty(len(groups))
    place = np.full(int(codes.max()) + 1, -1)
    place[groups] = np.arange(len(groups))
    where = place[codes]
    inside = where >= 0
    where = where[inside]
    if isinstance(column, Numbers):
        count = np.bincount(where, minlength=len(groups))
        return np.bincount(where, column.floats()[inside], len(groups)) / count
    values = (column.codes if isinstance(column, Factor) else column.values)[inside].astype(np.intp)
    width = int(values.max()) + 1
    table = np.bincount(where * width + values, minlength=len(groups) * width).reshape(len(groups), width)
    out[:] = table.argmax(axis=1)
    return out


def with_strangers(
    design: Design, frame: Mapping[str, NDArray[np.generic]], n_rows: int
) -> Mapping[str, NDArray[np.generic]]:
    """A frame with the grouping factors too, at a level that none has: only X and Z are read."""
    out = dict(frame)
    if design.recipe is not None:
        for recipe in design.recipe.factors:
            for variable in recipe.variables:
                for name in names(variable.expression):
                    out.setdefault(name, np.full(n_rows, "-", dtype=object))
    return out
