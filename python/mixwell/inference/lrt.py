"""Tests of random terms, one at a time: the table of lmerTest's ranova with p-values for the boundary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mixwell.data.output import NativeFrame, Origin, noted_frame
from mixwell.design.coding import INTERCEPT, PlannedColumn, Values, apply_coding, fill_column, plan_columns
from mixwell.design.record import Design, RandomTerm, Recipe
from mixwell.fit import quantities
from mixwell.fit.control import Control
from mixwell.fit.record import Fit
from mixwell.fit.solve import solve
from mixwell.formula.expand import Bar
from mixwell.formula.fixed import Terms
from mixwell.inference.nesting import coefficients_in_span, random_nesting
from mixwell.inference.null_ratio import NullDistribution, RatioTest, linear_fit, ratio_test

FloatArray = NDArray[np.float64]
Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Reduction:
    """A design with one random term smaller or gone.

    Attributes
    ----------
    label
        What was taken away: ``"Days in (Days | Subject)"``, or the whole term.
    design
        Without it; its ``terms`` may be empty.
    """

    label: str
    design: Design


@dataclass(frozen=True, slots=True)
class TermTest:
    """A row of the table.

    Attributes
    ----------
    label
        See :class:`Reduction`.
    n_parameters, llf
        Of the reduced model.
    test
        Of the reduced model within the whole one.
    """

    label: str
    n_parameters: int
    llf: float
    test: RatioTest

    @property
    def aic(self) -> float:
        return -2 * self.llf + 2 * self.n_parameters


def term_tests(
    design: Design, fit: Fit, *, null: NullDistribution, reduce_terms: bool, control: Control | None
) -> list[TermTest]:
    """Test each part of the random terms that can be left out, under the fit's own criterion.

    See :meth:`mixwell.LmerResult.ranova`.
    """
    parts = reductions(design) if reduce_terms else removals(design)
    tests: list[TermTest] = []
    for part in parts:
        tests.append(_test(design, fit, part, null.after(tests[-1].test if tests else None), control))
    return tests


def table(fit: Fit, tests: Sequence[TermTest], null: NullDistribution, at: Origin) -> NativeFrame:
    """The tests as a frame, the whole model first."""
    absent = float("nan")
    columns: dict[str, Sequence[object]] = {
        "term": ["<none>", *(row.label for row in tests)],
        "npar": [quantities.n_parameters(fit), *(row.n_parameters for row in tests)],
        "llf": [quantities.llf(fit), *(row.llf for row in tests)],
        "aic": [quantities.aic(fit), *(row.aic for row in tests)],
        "lrt": [absent, *(row.test.statistic for row in tests)],
        "df": [absent, *(float(row.test.df) for row in tests)],
        "p_naive": [absent, *(row.test.p_naive for row in tests)],
        "p_value": [absent, *(row.test.p_value for row in tests)],
    }
    return noted_frame(at, columns, null.note([row.test for row in tests]))


def _test(
    design: Design, fit: Fit, reduction: Reduction, null: NullDistribution, control: Control | None
) -> TermTest:
    small = reduction.design
    small_fit = solve(small, reml=fit.reml, control=control) if small.terms else linear_fit(small, fit)
    nesting = random_nesting(small, design)
    if nesting is None:
        raise AssertionError(f"{reduction.label}: a part of a term must lie within it")
    df = _n_theta(design) - _n_theta(small)
    return TermTest(
        label=reduction.label,
        n_parameters=quantities.n_parameters(fit) - df,
        llf=quantities.llf(small_fit),
        test=ratio_test(small, small_fit, design, fit, nesting, df, null, control),
    )


def _n_theta(design: Design) -> int:
    return sum(len(term.names) * (len(term.names) + 1) // 2 for term in design.terms)


# ---- reduced designs


def reductions(design: Design) -> list[Reduction]:
    """Every part of the random terms that can be left out by itself.

    In a term with several columns, each variable (or interaction not contained in another) left of the bar;
    where nothing but a factor is left of the bar and no intercept, as in ``(0 + f | g)``, what remains is
    ``(1 | g)``. A term of one column is removed as a whole.
    """
    found = []
    for number, term in enumerate(design.terms):
        smaller = _smaller_terms(design, number) if len(term.names) > 1 else []
        if not smaller:
            own = "" if INTERCEPT in term.names else f"{' + '.join(term.names)} in "
            found.append(Reduction(own + term.label, _with_term(design, number, None)))
        for label, names, columns in smaller:
            kept = replace(
                term, label=f"({_left_side(names)} | {_group(design, term)})", names=names, columns=columns
            )
            found.append(Reduction(f"{label} in {term.label}", _with_term(design, number, kept)))
    return found


def removals(design: Design) -> list[Reduction]:
    """Every random term removed as a whole."""
    return [
        Reduction(term.label, _with_term(design, number, None)) for number, term in enumerate(design.terms)
    ]


_Smaller = tuple[str, tuple[str, ...], tuple[FloatArray, ...]]


def _smaller_terms(design: Design, number: int) -> list[_Smaller]:
    """(what is left out, names and columns that stay) for a term of several columns."""
    term = design.terms[number]
    recipe = design.recipe
    bar = None
    if recipe is not None:
        bar = next((b for b in recipe.formula.bars if not b.independent and b.label == term.label), None)
    if recipe is None or bar is None:
        return [
            (name, _without(term.names, j), _without(term.columns, j))
            for j, name in enumerate(term.names)
            if name != INTERCEPT
        ]
    planned = plan_columns(bar.terms, recipe.codings)
    out = []
    for index, variables in enumerate(bar.terms.terms):
        if any(set(variables) < set(other) for other in bar.terms.terms):
            continue
        names, columns = _columns_without(design, recipe, bar, term, planned, index)
        if names:
            out.append((bar.terms.label(variables), names, columns))
    return out


def _without(values: tuple[Part, ...], j: int) -> tuple[Part, ...]:
    return values[:j] + values[j + 1 :]


def _columns_without(
    design: Design,
    recipe: Recipe,
    bar: Bar,
    term: RandomTerm,
    planned: Sequence[PlannedColumn],
    index: int,
) -> tuple[tuple[str, ...], tuple[FloatArray, ...]]:
    """Names and columns left of a bar without one of its terms."""
    if bar.terms.intercept:
        stay = [j for j, column in enumerate(planned) if column.term != index]
        return tuple(term.names[j] for j in stay), tuple(term.columns[j] for j in stay)
    rest = _without(bar.terms.terms, index)
    if not rest:
        ones = np.ones(design.n_obs)
        z = np.column_stack(term.columns)
        inside = coefficients_in_span(z, ones[:, None]) is not None
        return ((INTERCEPT,), (ones,)) if inside else ((), ())
    # Without an intercept the coding of the other factors may depend on the one that goes.
    terms = Terms(bar.terms.variables, rest, intercept=False)
    values = Values(design.variables, dict(recipe.states))
    for variable in {variable for part in rest for variable in part}:
        apply_coding(recipe.codings[terms.variables[variable].expression], terms.variables[variable], values)
    names, columns = [], []
    for column in plan_columns(terms, recipe.codings):
        out = np.empty(design.n_obs)
        fill_column(column.plan, values.computed, out)
        names.append(column.name)
        columns.append(out)
    return tuple(names), tuple(columns)


def _left_side(names: Sequence[str]) -> str:
    rest = [name for name in names if name != INTERCEPT]
    return " + ".join((["1"] if not rest else []) + ([] if INTERCEPT in names else ["0"]) + rest)


def _group(design: Design, term: RandomTerm) -> str:
    return design.factors[term.factor].name


def _with_term(design: Design, number: int, term: RandomTerm | None) -> Design:
    """A design with one term replaced or removed; factors without terms go."""
    terms = [t for i, t in enumerate(design.terms) if i != number]
    if term is not None:
        terms.insert(number, term)
    used = sorted({t.factor for t in terms})
    return replace(
        design,
        terms=tuple(replace(t, factor=used.index(t.factor)) for t in terms),
        factors=tuple(design.factors[i] for i in used),
        recipe=None,
    )
