"""Tests of the mean: curvature, slopes that should vary, effects that differ within and between groups.

Each adds columns to the model, fits it again and tests them by the engine that tests everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mixwell.data.columns import Numbers
from mixwell.data.frame import near
from mixwell.design.record import Design, RandomTerm
from mixwell.diagnostics.record import DiagnosticTest
from mixwell.errors import ConvergenceError, DataError, ModelError
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.fit.solve import solve
from mixwell.inference.chi_bar import boundary_p_value, likelihood_ratio
from mixwell.inference.contrast import JointTest, RowTests, joint_test, row_tests
from mixwell.inference.degrees_of_freedom import approximation

FloatArray = NDArray[np.float64]

# A column varies within groups if more than this share of its variance is there.
_WITHIN = 1e-8
_DDF = "satterthwaite"


@dataclass(frozen=True, slots=True)
class _Extended:
    """A fit with more columns of X: where those that are estimable stand in its beta."""

    design: Design
    fit: Fit
    added: NDArray[np.intp]
    names: tuple[str, ...]


def _extend(
    design: Design, fit: Fit, columns: Sequence[FloatArray], names: Sequence[str]
) -> _Extended | None:
    """The model with more columns in its fixed part; None if they all are combinations of it."""
    p = design.x.shape[1]
    wider = replace(
        design,
        x=np.asfortranarray(np.column_stack([design.x, *columns])),
        x_names=(*design.x_names, *names),
        x_r_names=(*design.x_r_names, *names) if design.x_r_names else (),
        fixed_terms=(),
        recipe=None,
    )
    found = solve(wider, reml=fit.reml)
    added = np.flatnonzero(found.kept >= p)
    if len(added) == 0:
        return None
    return _Extended(wider, found, added, tuple(wider.x_names[j] for j in found.kept[added]))


def _joint(extended: _Extended) -> JointTest:
    # In units of standard deviations, as everywhere: the df of several rows depend on their units.
    columns = extended.design.x[:, extended.fit.kept[extended.added]]
    rows = np.eye(len(extended.fit.beta))[extended.added] * columns.std(axis=0)[:, None]
    return joint_test(approximation(extended.design, extended.fit, _DDF), extended.fit.beta, rows)


def _each(extended: _Extended) -> RowTests:
    rows = np.eye(len(extended.fit.beta))[extended.added]
    return row_tests(approximation(extended.design, extended.fit, _DDF), extended.fit.beta, rows)


def reset(design: Design, fit: Fit, *, powers: Sequence[int] = (2, 3)) -> DiagnosticTest:
    """Ramsey's (1969) test: powers of the population means X beta, added to the fixed part, tested jointly.

    Raises
    ------
    DataError
        If the powers are no whole numbers of at least 2.
    ModelError
        If the powers are combinations of the columns of X (a saturated design), or X beta is constant.
    """
    if not len(powers) or not all(isinstance(k, (int, np.integer)) and k >= 2 for k in powers):
        raise DataError(f"powers={powers!r}; give whole numbers of at least 2, such as (2, 3).")
    mean = quantities.linear_predictor(replace(design, offset=None), fit)
    spread = float(mean.std())
    if spread <= 1e-12 * float(np.abs(mean).max(initial=0.0)):
        raise ModelError("The linearity test needs a predictor: the fixed part is constant.")
    z = (mean - mean.mean()) / spread
    extended = _extend(design, fit, [z**k for k in powers], [f"mean^{k}" for k in powers])
    if extended is None:
        raise ModelError(
            "The linearity test has nothing to test: the fixed part has a mean for every combination of its "
            "predictors."
        )
    found = _joint(extended)
    meaning = (
        "The mean is not linear in the predictors: powers of the predicted mean explain more."
        if found.p_value < 0.05
        else "No sign of curvature in the mean."
    )
    return DiagnosticTest(
        "RESET test",
        "the fixed part",
        "F",
        found.f_value,
        (float(found.num_df), found.den_df),
        found.p_value,
        design.n_obs,
        meaning,
        "It also reacts to interactions and predictors that are left out.",
    )


def numeric_predictors(design: Design, fit: Fit) -> list[tuple[str, FloatArray]]:
    """Numeric variables that are columns of X by themselves, with more than two values."""
    kept = set(quantities.kept_names(design, fit))
    out = []
    for j, name in enumerate(design.x_names):
        if name not in kept or not isinstance(design.variables.get(name), Numbers):
            continue
        column = design.x[:, j]
        if len(np.unique(column[: min(len(column), 10_000)])) > 2:
            out.append((name, column))
    return out


def curvature(design: Design, fit: Fit) -> tuple[DiagnosticTest, ...]:
    """A t test of the square of each numeric predictor, all added at once; () where there are none to add."""
    predictors = numeric_predictors(design, fit)
    squares, names = [], []
    for name, column in predictors:
        z = (column - column.mean()) / column.std()
        squares.append(z**2)
        names.append(name)
    extended = _extend(design, fit, squares, names) if squares else None
    if extended is None:
        return ()
    found = _each(extended)
    tests = []
    for j, name in enumerate(extended.names):
        p = float(found.p_value[j])
        meaning = (
            f"The mean is curved in {name}." if p < 0.05 else f"No sign that the mean is curved in {name}."
        )
        caveat = "A square sees bends, not waves; the other numeric predictors' squares are in the model too."
        tests.append(
            DiagnosticTest(
                "Curvature test",
                name,
                "t",
                float(found.statistic[j]),
                (float(found.df[j]),),
                p,
                design.n_obs,
                meaning,
                caveat,
            )
        )
    return tuple(tests)


def group_means(values: FloatArray, codes: NDArray[np.integer], n_levels: int) -> FloatArray:
    """The mean of each row's group, length n; every level must occur."""
    means: FloatArray = (
        np.bincount(codes, weights=values, minlength=n_levels) / np.bincount(codes, minlength=n_levels)
    )[codes]
    return means


def varies_within(values: FloatArray, codes: NDArray[np.integer], n_levels: int) -> bool:
    """Whether a column is not constant in every group."""
    total = float(np.var(values))
    within = float(np.mean((values - group_means(values, codes, n_levels)) ** 2))
    return within > _WITHIN * max(total, 1e-300)


def _varies_between(values: FloatArray, codes: NDArray[np.integer], n_levels: int) -> bool:
    return float(np.var(group_means(values, codes, n_levels))) > 1e-6 * max(float(np.var(values)), 1e-300)


def both_ways(design: Design, fit: Fit, factor: int) -> dict[str, FloatArray]:
    """Numeric predictors that vary both within and between the levels of a factor."""
    group = design.factors[factor]
    return {
        name: column
        for name, column in numeric_predictors(design, fit)
        if varies_within(column, group.codes, group.n_levels)
        and _varies_between(column, group.codes, group.n_levels)
    }


def within_between(design: Design, fit: Fit, factor: int) -> DiagnosticTest:
    """Mundlak's (1978) test that effects are the same within and between groups.

    Group means are added to the fixed part and tested jointly. It asks what Hausman's test asks: whether the
    random effects are uncorrelated with the predictors.

    Raises
    ------
    ModelError
        If no numeric predictor varies both within and between the groups.
    """
    group = design.factors[factor]
    predictors = both_ways(design, fit, factor)
    columns = [group_means(x - x.mean(), group.codes, group.n_levels) for x in predictors.values()]
    if len(columns) >= group.n_levels:
        raise ModelError(
            f"{group.n_levels} levels of {group.name} cannot tell apart the group means of "
            f"{len(columns)} predictors; compare effects within and between groups for fewer predictors."
        )
    extended = _extend(design, fit, columns, list(predictors)) if columns else None
    if extended is None:
        raise ModelError(f"No numeric predictor varies both within and between levels of {group.name}.")
    found = _joint(extended)
    which = ", ".join(extended.names)
    meaning = (
        f"Effects within and between levels of {group.name} differ ({which}): the random effects are "
        "correlated with them."
        if found.p_value < 0.05
        else f"No sign that effects within and between levels of {group.name} differ ({which})."
    )
    return DiagnosticTest(
        "Mundlak test",
        f"group means by {group.name}",
        "F",
        found.f_value,
        (float(found.num_df), found.den_df),
        found.p_value,
        design.n_obs,
        meaning,
        "Group means of a few rows are uncertain themselves, which hides differences.",
    )


# ---- slopes that should vary


@dataclass(frozen=True, slots=True)
class OmittedSlope:
    """A slope that could vary between groups and does not in the model.

    Attributes
    ----------
    predictor, variable, group
        The column, the variable of the formula that it is made of, and the factor.
    sd
        Standard deviation of the slope in the model that has it.
    inflation
        By how much the slope adds to the variance of the predictor's effect, as a share of it without: for a
        level of average size, n_i var(slope) var(x within levels) / sigma^2.
    test
        The likelihood ratio, with the p-value of the boundary.
    """

    predictor: str
    variable: str
    group: str
    sd: float
    inflation: float
    test: DiagnosticTest


def candidates(design: Design, fit: Fit) -> list[tuple[int, int]]:
    """Random terms with an intercept and columns of X that vary within their groups without a slope there.

    As pairs (term, column of X). Only main effects, and only where groups have rows enough.
    """
    out = []
    kept = {int(j) for j in fit.kept}
    for t, term in enumerate(design.terms):
        group = design.factors[term.factor]
        if "(Intercept)" not in term.names:
            continue
        taken = {name for i in quantities.terms_of(design, term.factor) for name in design.terms[i].names}
        for fixed in design.fixed_terms:
            if len(fixed.variables) != 1 or len(fixed.columns) != 1:
                continue
            j = fixed.columns[0]
            name = design.x_names[j]
            if j not in kept or name in taken or fixed.variables[0] in taken:
                continue
            enough = design.n_obs > group.n_levels * (len(term.names) + 1)
            if enough and varies_within(design.x[:, j], group.codes, group.n_levels):
                out.append((t, j))
    return out


def omitted_slope(design: Design, fit: Fit, term: int, column: int) -> OmittedSlope:
    """The model with a random slope more, by likelihood ratio.

    The slope is correlated with the term's other effects, so the result does not depend on where the
    predictor has its zero. Its variance lies on the boundary under the hypothesis: half the p-value is that
    of chi-square with one degree of freedom less (Stram & Lee 1994, case 3).
    """
    old = design.terms[term]
    name = design.x_names[column]
    x = design.x[:, column]
    group = design.factors[old.factor].name
    # Around its mean the slope is better separated from the intercept; the model is the same.
    slope = np.ascontiguousarray((x - x.mean()) / x.std())
    new = RandomTerm(old.factor, f"({name} | {group})", (*old.names, name), (*old.columns, slope))
    wider = replace(design, terms=(*design.terms[:term], new, *design.terms[term + 1 :]), recipe=None)
    found = solve(wider, reml=fit.reml)
    statistic = likelihood_ratio(fit.criterion, found.criterion)
    df = len(old.names) + 1
    p = boundary_p_value(statistic, df, [1])
    sd = float(np.sqrt(found.term_cov[term][-1, -1]) / x.std())
    meaning = (
        f"The effect of {name} varies between levels of {group} (sd {sd:.3g}); without the slope its "
        "standard error "
        "is too small."
        if p < 0.05
        else f"No sign that the effect of {name} varies between levels of {group}."
    )
    test = DiagnosticTest(
        "Omitted-slope test",
        f"{name} by {group}",
        "LR",
        statistic,
        (float(df),),
        p,
        design.n_obs,
        meaning,
        f"p is that of the boundary: a mixture of chi-squares with {df - 1} and {df} degrees of freedom.",
    )
    variable = next(fixed.variables[0] for fixed in design.fixed_terms if column in fixed.columns)
    grouping = design.factors[old.factor]
    within = float(np.mean((x - group_means(x, grouping.codes, grouping.n_levels)) ** 2))
    inflation = design.n_obs / grouping.n_levels * within * (sd / found.sigma) ** 2
    return OmittedSlope(name, variable, group, sd, inflation, test)


def omitted_slopes(design: Design, fit: Fit) -> tuple[OmittedSlope, ...]:
    """Every slope of :func:`candidates`, the most needed first."""
    found = []
    for term, column in candidates(design, fit):
        try:
            found.append(omitted_slope(design, fit, term, column))
        except (ModelError, ConvergenceError):
            # The wider model is not identified: nothing to say about this slope.
            continue
    return tuple(sorted(found, key=lambda slope: slope.test.p_value))


def factor_index(design: Design, name: str) -> int:
    """Position of a grouping factor.

    Raises
    ------
    DataError
        If there is none of that name.
    """
    names = [factor.name for factor in design.factors]
    if name not in names:
        raise DataError(f"{name!r} is not a grouping factor of the model{near(str(name), names)}")
    return names.index(name)
