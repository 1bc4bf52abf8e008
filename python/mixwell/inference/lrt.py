"""Tests of random terms, one at a time: the table of lmerTest's ranova with p-values for the boundary."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from mixwell import kernel
from mixwell.data.output import NativeFrame, Origin, frame
from mixwell.design.coding import INTERCEPT, PlannedColumn, Values, apply_coding, fill_column, plan_columns
from mixwell.design.record import Design, RandomTerm, Recipe
from mixwell.errors import DataError
from mixwell.fit import quantities
from mixwell.fit.control import Control
from mixwell.fit.record import Fit
from mixwell.fit.solve import solve
from mixwell.formula.expand import Bar
from mixwell.formula.fixed import Terms
from mixwell.inference.chi_bar import boundary_p_value, chi_square_tail
from mixwell.inference.compare import boundary_covariance
from mixwell.inference.exact import exact_p_value
from mixwell.inference.nesting import (
    coefficients_in_span,
    random_nesting,
    term_columns,
)
from mixwell.inference.refits import in_portions
from mixwell.simulate import Seed, simulate

FloatArray = NDArray[np.float64]
Method = Literal["mixture", "bootstrap", "exact"]
METHODS = ("mixture", "bootstrap", "exact")
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
    statistic, df
        Likelihood ratio and difference in parameters.
    p_naive, p_value
        By a chi-square, and correct for the boundary.
    """

    label: str
    n_parameters: int
    llf: float
    statistic: float
    df: int
    p_naive: float
    p_value: float

    @property
    def aic(self) -> float:
        return -2 * self.llf + 2 * self.n_parameters


def term_tests(
    design: Design, fit: Fit, *, method: Method, n: int, seed: Seed, control: Control | None
) -> list[TermTest]:
    """Test each part of the random terms that can be left out, under the fit's own criterion.

    See :meth:`mixwell.LmerResult.ranova`.
    """
    if method not in METHODS:
        raise DataError(f"method={method!r} does not exist; there are {', '.join(map(repr, METHODS))}.")
    return [_test(design, fit, reduction, method, n, seed, control) for reduction in reductions(design)]


def table(fit: Fit, tests: Sequence[TermTest], at: Origin) -> NativeFrame:
    """The tests as a frame, the whole model first."""
    absent = float("nan")
    return frame(
        at,
        {
            "term": ["<none>", *(test.label for test in tests)],
            "npar": [quantities.n_parameters(fit), *(test.n_parameters for test in tests)],
            "llf": [quantities.llf(fit), *(test.llf for test in tests)],
            "aic": [quantities.aic(fit), *(test.aic for test in tests)],
            "lrt": [absent, *(test.statistic for test in tests)],
            "df": [absent, *(float(test.df) for test in tests)],
            "p_naive": [absent, *(test.p_naive for test in tests)],
            "p_value": [absent, *(test.p_value for test in tests)],
        },
    )


def _test(
    design: Design,
    fit: Fit,
    reduction: Reduction,
    method: Method,
    n: int,
    seed: Seed,
    control: Control | None,
) -> TermTest:
    small = reduction.design
    null = solve(small, reml=fit.reml, control=control) if small.terms else None
    criterion = (
        null.criterion if null is not None else float(linear_criteria(design, fit, design.y[:, None])[0])
    )
    nesting = random_nesting(small, design)
    if nesting is None:
        raise AssertionError(f"{reduction.label}: a part of a term must lie within it")
    df = _n_theta(design) - _n_theta(small)
    statistic = max(criterion - fit.criterion, 0.0)
    if method == "exact":
        p_value = exact_p_value(design, fit, statistic, n, seed)
    elif method == "bootstrap":
        p_value = _bootstrap_p_value(design, fit, small, null, statistic, n, seed, reduction.label)
    else:
        covariance = None
        if sum(nesting.n_boundary) > 1:
            covariance = boundary_covariance(
                null if null is not None else _without_random(design, fit, criterion), design, nesting
            )
        p_value = boundary_p_value(statistic, df, nesting.n_boundary, covariance)
    return TermTest(
        label=reduction.label,
        n_parameters=quantities.n_parameters(fit) - df,
        llf=-criterion / 2,
        statistic=statistic,
        df=df,
        p_naive=float(chi_square_tail(statistic, df)),
        p_value=p_value,
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


# ---- the model without random terms


def linear_criteria(design: Design, fit: Fit, responses: FloatArray) -> FloatArray:
    """ML or REML criterion (as the fit) of X beta + offset alone, per column of responses (n, m)."""
    basis, r, root = _linear_basis(design, fit)
    shifted = responses if design.offset is None else responses - design.offset[:, None]
    scaled = shifted * root[:, None]
    rss = np.sum((scaled - basis @ (basis.T @ scaled)) ** 2, axis=0)
    size = design.n_obs - (basis.shape[1] if fit.reml else 0)
    constant = -2 * float(np.sum(np.log(root)))
    if fit.reml:
        constant += 2 * float(np.sum(np.log(np.abs(np.diagonal(r)))))
    out: FloatArray = size * (1 + np.log(2 * np.pi * rss / size)) + constant
    return out


def _linear_basis(design: Design, fit: Fit) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Q, R of the weighted X and the square roots of the weights."""
    root = np.ones(design.n_obs) if design.weights is None else np.sqrt(design.weights)
    basis, r = np.linalg.qr(design.x[:, fit.kept] * root[:, None])
    return basis, r, root


def _linear_estimates(design: Design, fit: Fit) -> tuple[FloatArray, float]:
    """Mean of length n, and sigma, of the linear model."""
    basis, _, root = _linear_basis(design, fit)
    offset = np.zeros(design.n_obs) if design.offset is None else design.offset
    scaled = (design.y - offset) * root
    mean = basis @ (basis.T @ scaled)
    size = design.n_obs - (basis.shape[1] if fit.reml else 0)
    return mean / root + offset, math.sqrt(float(np.sum((scaled - mean) ** 2)) / size)


def _without_random(design: Design, fit: Fit, criterion: float) -> Fit:
    """The fit's record for the linear model: no terms, its own sigma."""
    return replace(fit, criterion=criterion, term_cov=(), sigma=_linear_estimates(design, fit)[1])


# ---- parametric bootstrap


def _bootstrap_p_value(
    design: Design,
    fit: Fit,
    small: Design,
    null: Fit | None,
    statistic: float,
    n: int,
    seed: Seed,
    label: str,
) -> float:
    """Share of ratios, simulated and refitted under the null hypothesis, as large as the one observed."""
    draw = _null_responses(design, fit, small, null, seed)
    theta = _start(design)

    def work(start: int, stop: int) -> FloatArray:
        responses = draw(stop - start)
        large = kernel.refit_many(design, responses, theta, reml=fit.reml).criterion
        if null is None:
            reduced = linear_criteria(design, fit, responses)
        else:
            reduced = kernel.refit_many(small, responses, null.theta, reml=fit.reml).criterion
        out: FloatArray = reduced - large
        return out

    ratios = in_portions(n, work, f"Bootstrap of {label}")
    ratios = ratios[np.isfinite(ratios)]
    # A ratio within rounding of the observed one counts as reached: many are exactly zero.
    return float((1 + np.sum(ratios >= statistic - 1e-7)) / (len(ratios) + 1))


def _null_responses(
    design: Design, fit: Fit, small: Design, null: Fit | None, seed: Seed
) -> Callable[[int], FloatArray]:
    """A function that draws the next m responses of the null model, shape (n, m)."""
    rng = np.random.default_rng(seed)
    if null is not None:
        found = null
        return lambda m: simulate(small, found, m, rng)
    mean, sigma = _linear_estimates(design, fit)
    root = np.ones(design.n_obs) if design.weights is None else np.sqrt(design.weights)
    return lambda m: mean[:, None] + (sigma / root)[:, None] * rng.standard_normal((m, design.n_obs)).T


def _start(design: Design) -> FloatArray:
    """Half the identity for every term, in units of columns with mean square one."""
    out = []
    for number in range(len(design.terms)):
        z = term_columns(design, number)
        scale = 0.5 / np.sqrt(np.mean(z**2, axis=0))
        k = z.shape[1]
        columns, rows = np.triu_indices(k)
        out.append(np.diag(scale)[rows, columns])
    return np.concatenate(out)
