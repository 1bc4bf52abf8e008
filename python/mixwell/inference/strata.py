"""Degrees of freedom by counting: residual, containment, between-within; and none, the normal distribution.

Each gives one number per coefficient; a contrast of several coefficients takes the smallest of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mixwell.design.coding import Values
from mixwell.design.functions import Categories, Matrix
from mixwell.design.record import Design, FixedTerm
from mixwell.errors import ModelError
from mixwell.fit.record import Fit
from mixwell.inference.blocks import LARGEST, Components, Stack, components, stacks
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
        return np.asarray(np.where(rows != 0, self.df, np.inf).min(axis=1, initial=np.inf))

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
    parts = list(stacks(_orthonormal_columns(design, effects), found, x, weighted=False))
    ranks = [x.shape[1]]
    for last in range(1, len(effects) + 1):
        columns = [at for effect in effects[:last] for at in effect.columns]
        ranks.append(rank_with_x(parts, columns, x.shape[1]))
    return np.diff(ranks).tolist(), ranks[-1]


def _orthonormal_columns(design: Design, effects: list[RandomEffect]) -> Design:
    """The columns of each factor made orthonormal, in order of the effects.

    Those of the first effects span within every level what they spanned, and ranks are told apart whatever
    the origins and units of the variables.
    """
    turned = [list(term.columns) for term in design.terms]
    for f in range(len(design.factors)):
        at = [place for effect in effects if effect.factor == f for place in effect.columns]
        q, r = np.linalg.qr(np.column_stack([design.terms[t].columns[j] for t, j in at]))
        for i, (t, j) in enumerate(at):
            # Columns that depend on others, in several terms, stay as they are.
            if np.abs(r[i, i]) > RANK * np.linalg.norm(r[:, i]):
                turned[t][j] = np.ascontiguousarray(q[:, i])
    terms = tuple(
        replace(term, columns=tuple(columns)) for term, columns in zip(design.terms, turned, strict=True)
    )
    return replace(design, terms=terms)


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
        fitted = (basis.swapaxes(1, 2) @ zx).reshape(basis.shape[0] * basis.shape[2], p)
        projected += fitted.T @ fitted
    left = np.linalg.eigvalsh(np.eye(p) - projected)
    return rank + int(np.sum(left > RANK))


# ---- between and within


def between_within(design: Design, fit: Fit) -> Counted:
    """Between-within, as SAS's DDFM=BETWITHIN, with a stratum for each of several nested factors, as nlme.

    Groups are the levels of the grouping factors from the coarsest to the finest, m_1 < ... < m_Q of them,
    then the n rows. A term belongs to the coarsest stratum within whose groups its columns are constant; a
    stratum has m_i - m_(i-1) - p_i degrees of freedom, where p_i counts the coefficients of its terms and m_0
    is zero (Schluchter & Elashoff 1990; Pinheiro & Bates 2000, section 2.4.2). The intercept belongs to the
    coarsest stratum, as in SAS; nlme gives it the degrees of freedom of the rows. Factors that are not nested
    in each other within independent groups make no strata of their own. SAS also splits the within-subject
    part between several within-subject factors; that is not done.

    Raises
    ------
    ModelError
        Where factors are crossed, so that there are no independent subjects, or nothing is left in a stratum.
    """
    found = components(design)
    if len(found.counts) < 2:
        names = " and ".join(factor.name for factor in design.factors)
        raise ModelError(
            f"Between-within degrees of freedom need independent groups, but {names} link all rows; "
            "use ddf='satterthwaite'."
        )
    groups = nested_groups(design, found)
    kept = {int(column): position for position, column in enumerate(fit.kept)}
    stratum = np.full(len(fit.beta), len(groups))
    for term in design.fixed_terms:
        at = [column for column in term.columns if column in kept]
        for i in reversed(range(len(groups) if at else 0)):
            codes, n_levels, _ = groups[i]
            if constant_within(design.x[:, at], codes, n_levels):
                stratum[[kept[column] for column in at]] = i
    sizes = np.array([0, *(n_levels for _, n_levels, _ in groups), design.n_obs])
    df = np.diff(sizes) - np.bincount(stratum, minlength=len(sizes) - 1)
    for i in np.unique(stratum).tolist():
        if df[i] < 1:
            name = f"{sizes[i + 1]} groups of {groups[i][2]}" if i < len(groups) else f"{design.n_obs} rows"
            raise ModelError(
                f"Between-within: {name} leave no degrees of freedom for the fixed effects that vary between "
                "them; use ddf='satterthwaite'."
            )
    return Counted(fit.vcov, df[stratum].astype(np.float64))


def nested_groups(design: Design, found: Components) -> list[tuple[NDArray[np.integer], int, str]]:
    """Codes of the rows, number and name of the nested groups, the independent ones first."""
    codes = found.level_component[0][design.factors[0].codes]
    coarsest = min(design.factors, key=lambda factor: factor.n_levels)
    groups: list[tuple[NDArray[np.integer], int, str]] = [(codes, len(found.counts), coarsest.name)]
    for factor in sorted(design.factors, key=lambda factor: factor.n_levels):
        coarser, n_coarser, _ = groups[-1]
        if factor.n_levels == n_coarser and constant_within(factor.codes, coarser, n_coarser):
            continue
        if not constant_within(coarser, factor.codes, factor.n_levels):
            return groups[:1]
        groups.append((factor.codes, factor.n_levels, factor.name))
    return groups
