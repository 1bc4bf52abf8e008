"""Degrees of freedom by counting: residual, containment, between-within; and none, the normal distribution.

Each gives one number per coefficient; a contrast of several coefficients takes the smallest of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixwell.design.coding import Values
from mixwell.design.functions import Categories, Matrix
from mixwell.design.record import Design, FixedTerm
from mixwell.errors import ModelError
from mixwell.fit.record import Fit
from mixwell.inference.blocks import LARGEST, Stack, components, stacks
from mixwell.inference.contrast import JointStatistic, wald_f

FloatArray = NDArray[np.float64]

# Eigenvalues below this part of a column's length are zero.
RANK = 1e-9


@dataclass(frozen=True, slots=True)
class Counted:
    """Covariance (p, p) of the fixed effects, and degrees of freedom (p,) of each."""

    vcov: FloatArray
    df: FloatArray

    def row_df(self, rows: FloatArray) -> FloatArray:
        """The smallest among the coefficients that a row involves."""
        return np.asarray(np.where(rows != 0, self.df, np.inf).min(axis=1))

    def joint(self, rows: FloatArray, value: FloatArray) -> JointStatistic:
        """Wald's F, with the smallest among the coefficients involved."""
        f_value = wald_f(rows, value, self.vcov)
        return JointStatistic(f_value, len(rows), float(self.row_df(rows).min()), f_value)


def normal(design: Design, fit: Fit) -> Counted:
    """Infinite degrees of freedom."""
    return Counted(fit.vcov, np.full(len(fit.beta), np.inf))


def residual(design: Design, fit: Fit) -> Counted:
    """n - rank of X."""
    return Counted(fit.vcov, np.full(len(fit.beta), float(design.n_obs - len(fit.beta))))


# ---- containment


@dataclass(frozen=True, slots=True)
class RandomEffect:
    """One random effect in SAS's sense: columns (term, column) that code the same variables per level."""

    variables: frozenset[str]
    factor: int
    columns: tuple[tuple[int, int], ...]


def containment(design: Design, fit: Fit) -> Counted:
    """Containment, as SAS's DDFM=CONTAIN.

    The degrees of freedom of a term are the smallest rank contribution to [X Z] among the random effects
    that contain it, each beyond X and the effects with fewer levels; n - rank [X Z] where none does. A random
    effect, a set of columns left of a bar for each level of its factor, contains a term whose variables all
    are among its own, left or right of the bar, or constant within the levels of the factor: what SAS writes
    ``subject(treatment)`` is said here by the data. Every random effect contains the intercept. Variables are
    compared as written: ``(Days | Subject)`` contains ``Days``, not ``I(Days^2)``.

    Raises
    ------
    ModelError
        Where linked levels have more than 10,000 columns.
    """
    recipe = design.recipe
    if recipe is None:
        raise ModelError("Containment compares the terms of a formula; this design was made without one.")
    effects: list[RandomEffect] = []
    for t, (term, plans) in enumerate(zip(design.terms, recipe.terms, strict=True)):
        grouping = {variable.name for variable in recipe.factors[term.factor].variables}
        found: dict[frozenset[str], list[tuple[int, int]]] = {}
        for j, plan in enumerate(plans):
            names = {recipe.codings[piece.expression].name for piece in plan.pieces}
            found.setdefault(frozenset(names | grouping), []).append((t, j))
        effects += [RandomEffect(names, term.factor, tuple(at)) for names, at in found.items()]
    # Coarse factors first, so that what is nested in them adds what is its own.
    effects.sort(key=lambda effect: design.factors[effect.factor].n_levels)
    contributions, total = rank_contributions(design, fit, effects)
    values = Values(design.variables, dict(recipe.states))
    known = {variable.name: variable for variable in recipe.formula.fixed.variables}
    constant: dict[tuple[str, int], bool] = {}

    def contains(effect: RandomEffect, term: FixedTerm) -> bool:
        for name in term.variables:
            if name in effect.variables:
                continue
            key = (name, effect.factor)
            if key not in constant:
                value = values.of(known[name])
                array = value.codes if isinstance(value, Categories) else value
                array = array.columns if isinstance(array, Matrix) else np.asarray(array)
                factor = design.factors[effect.factor]
                constant[key] = constant_within(array, factor.codes, factor.n_levels)
            if not constant[key]:
                return False
        return True

    by_column = np.full(design.x.shape[1], float(design.n_obs - total))
    for fixed in design.fixed_terms:
        ranks = [
            rank
            for effect, rank in zip(effects, contributions, strict=True)
            if rank > 0 and contains(effect, fixed)
        ]
        if ranks:
            by_column[list(fixed.columns)] = min(ranks)
    return Counted(fit.vcov, by_column[fit.kept])


def constant_within(values: NDArray[np.generic], codes: NDArray[np.integer], n_levels: int) -> bool:
    """Whether ``values``, (n,) or (n, columns), are the same in all rows of a level."""
    first = np.empty(n_levels, dtype=np.intp)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    return bool((values == values[first[codes]]).all())


def rank_contributions(design: Design, fit: Fit, effects: list[RandomEffect]) -> tuple[list[int], int]:
    """What each random effect adds to the rank of [X, those before it]; and the rank of [X Z]."""
    found = components(design)
    if found.largest(design) > LARGEST:
        raise ModelError(
            f"Containment needs the rank of {found.largest(design):,} linked random-effects columns, more "
            f"than the {LARGEST:,} that are feasible; use ddf='satterthwaite'."
        )
    x, _ = np.linalg.qr(design.x[:, fit.kept])
    parts = list(stacks(design, found, x, weighted=False))
    ranks = [x.shape[1]]
    for last in range(1, len(effects) + 1):
        columns = [at for effect in effects[:last] for at in effect.columns]
        ranks.append(rank_with_x(parts, columns, x.shape[1]))
    return np.diff(ranks).tolist(), ranks[-1]


def rank_with_x(parts: list[Stack], columns: list[tuple[int, int]], p: int) -> int:
    """Rank of [X, some columns of the random terms], where X has orthonormal columns."""
    rank, projected = 0, np.zeros((p, p))
    for part in parts:
        at = np.concatenate([np.r_[part.layout.slices[t][j]] for t, j in columns])
        zz, zx = part.zz[:, at[:, np.newaxis], at], part.zx[:, at, :]
        length = np.sqrt(np.diagonal(zz, axis1=1, axis2=2))
        scale = np.where(length > 0, 1 / np.where(length > 0, length, 1.0), 0.0)
        values, vectors = np.linalg.eigh(zz * scale[:, :, np.newaxis] * scale[:, np.newaxis, :])
        kept = values > RANK * zz.shape[1]
        rank += int(kept.sum())
        root = np.where(kept, 1 / np.sqrt(np.where(kept, values, 1.0)), 0.0)
        basis = vectors * root[:, np.newaxis, :] * scale[:, :, np.newaxis]
        fitted = (basis.swapaxes(1, 2) @ zx).reshape(-1, p)
        projected += fitted.T @ fitted
    left = np.linalg.eigvalsh(np.eye(p) - projected)
    return rank + int(np.sum(left > RANK))


# ---- between and within


def between_within(design: Design, fit: Fit) -> Counted:
    """Between-within, as SAS's DDFM=BETWITHIN.

    Subjects are the independent groups of rows: the levels of the grouping factor, of the coarsest one where
    factors are nested. A term whose columns are constant within every subject has subjects - rank(columns of
    such terms) degrees of freedom; any other what is left of n - rank(X). (Schluchter & Elashoff 1990. SAS
    also splits the second part between several within-subject factors; here it is one.)

    Raises
    ------
    ModelError
        Where factors are crossed, so that there are no independent subjects, or nothing is left between or
        within them.
    """
    found = components(design)
    if len(found.counts) < 2:
        names = " and ".join(factor.name for factor in design.factors)
        raise ModelError(
            f"Between-within degrees of freedom need independent groups, but {names} link all rows; "
            "use ddf='satterthwaite'."
        )
    subject = found.level_component[0][design.factors[0].codes]
    n_subjects = len(found.counts)
    kept = {int(column): position for position, column in enumerate(fit.kept)}
    between = np.zeros(len(fit.beta), dtype=bool)
    for term in design.fixed_terms:
        at = [column for column in term.columns if column in kept]
        if at and constant_within(design.x[:, at], subject, n_subjects):
            between[[kept[column] for column in at]] = True
    between_df = n_subjects - int(between.sum())
    within_df = design.n_obs - len(fit.beta) - between_df
    for some, df, word in ((between, between_df, "between"), (~between, within_df, "within")):
        if some.any() and df < 1:
            raise ModelError(
                f"Between-within: {n_subjects} groups leave no degrees of freedom {word} groups; "
                "use ddf='satterthwaite'."
            )
    return Counted(fit.vcov, np.where(between, float(between_df), float(within_df)))
