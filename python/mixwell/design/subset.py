"""A design without some of its rows or random columns, made from its arrays and not from the formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mixwell.design.coding import INTERCEPT
from mixwell.design.record import Design, GroupingFactor, GroupingRecipe, RandomTerm, Recipe, Rows

FloatArray = NDArray[np.float64]


def subset(design: Design, keep: NDArray[np.bool_] | NDArray[np.intp]) -> Design:
    """The design of some of the rows, as if the formula had been read with only those.

    Levels of grouping factors that no row has any more are dropped. Columns keep what was learned from all
    rows (centres, spline knots, contrasts), and the order of terms stays, so that thetas can be compared.

    Parameters
    ----------
    design
        The design of all rows.
    keep
        Length n, true for rows to keep; or their positions.

    Examples
    --------
    >>> from mixwell.design.build import build_design
    >>> data = {"y": [1.0, 2.0, 4.0, 3.0, 5.0], "g": list("uuvvw")}
    >>> part = subset(build_design("y ~ 1 + (1 | g)", data), np.array([0, 2, 3]))
    >>> part.y.tolist(), part.factors[0].levels.tolist(), part.factors[0].codes.tolist()
    ([1.0, 4.0, 3.0], ['u', 'v'], [0, 1, 1])
    """
    rows = np.flatnonzero(keep) if keep.dtype == np.bool_ else keep.astype(np.intp, copy=False)
    factors, recipes = [], []
    for i, factor in enumerate(design.factors):
        codes = factor.codes[rows]
        used = np.bincount(codes, minlength=factor.n_levels) > 0
        if used.all():
            factors.append(GroupingFactor(factor.name, factor.levels, codes))
        else:
            new_code = (np.cumsum(used) - 1).astype(np.int32)
            factors.append(GroupingFactor(factor.name, factor.levels[used], new_code[codes]))
        if design.recipe is not None:
            recipe = design.recipe.factors[i]
            recipes.append(GroupingRecipe(recipe.variables, recipe.levels, recipe.combinations[used]))
    return replace(
        design,
        y=design.y[rows],
        x=np.asfortranarray(design.x[rows]),
        weights=None if design.weights is None else design.weights[rows],
        offset=None if design.offset is None else design.offset[rows],
        factors=tuple(factors),
        terms=_terms(design.terms, rows),
        variables={name: column.take(rows) for name, column in design.variables.items()},
        rows=None if design.rows is None else _rows(design.rows, rows),
        recipe=None if design.recipe is None else _with_factors(design.recipe, recipes),
    )


def without_columns(design: Design, gone: Mapping[int, Sequence[int]]) -> Design:
    """The design without some columns of its random terms; empty terms and factors without terms go.

    Parameters
    ----------
    gone
        Index of a term -> indices of its columns.
    """
    stay = [[j for j in range(len(t.names)) if j not in gone.get(i, ())] for i, t in enumerate(design.terms)]
    kept = [i for i, columns in enumerate(stay) if columns]
    used = sorted({design.terms[i].factor for i in kept})
    terms = []
    for i in kept:
        term, columns = design.terms[i], stay[i]
        names = tuple(term.names[j] for j in columns)
        left = [*(["0"] if INTERCEPT not in names else []), *(n for n in names if n != INTERCEPT)]
        label = f"({' + '.join(left) or '1'} | {design.factors[term.factor].name})"
        whole = len(columns) == len(term.names)
        terms.append(
            RandomTerm(
                used.index(term.factor),
                term.label if whole else label,
                names,
                tuple(term.columns[j] for j in columns),
            )
        )
    recipe = design.recipe
    if recipe is not None:
        plans = tuple(tuple(recipe.terms[i][j] for j in stay[i]) for i in kept)
        recipe = replace(recipe, terms=plans, factors=tuple(recipe.factors[f] for f in used))
    return replace(design, terms=tuple(terms), factors=tuple(design.factors[f] for f in used), recipe=recipe)


def _terms(terms: Sequence[RandomTerm], rows: NDArray[np.intp]) -> tuple[RandomTerm, ...]:
    """Columns at some rows; those that share their memory among terms still do."""
    taken: dict[int, FloatArray] = {}

    def take(column: FloatArray) -> FloatArray:
        if id(column) not in taken:
            taken[id(column)] = column[rows]
        return taken[id(column)]

    return tuple(RandomTerm(t.factor, t.label, t.names, tuple(take(c) for c in t.columns)) for t in terms)


def _rows(given: Rows, rows: NDArray[np.intp]) -> Rows:
    kept = rows if given.kept is None else given.kept[rows]
    return replace(given, kept=kept, index=None if given.index is None else given.index[rows])


def _with_factors(recipe: Recipe, factors: Sequence[GroupingRecipe]) -> Recipe:
    return replace(recipe, factors=tuple(factors))
