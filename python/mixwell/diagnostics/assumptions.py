"""One function per assumption: a test, how large the deviation is, a verdict, a remedy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixwell.data.output import Origin
from mixwell.design.record import Design
from mixwell.diagnostics import dependence, distribution, influence, mean, variance
from mixwell.diagnostics.influence import Influence
from mixwell.diagnostics.marginal import independent_blocks
from mixwell.diagnostics.record import Check, DiagnosticTest, Verdict
from mixwell.diagnostics.remedies import RESAMPLED, Remedies
from mixwell.errors import ConvergenceError, MixwellError, ModelError
from mixwell.fit import convergence, quantities
from mixwell.fit.record import Fit
from mixwell.text import number

FloatArray = NDArray[np.float64]

# A p-value below the first is worth a look; below the second, and large enough, the assumption is violated.
# So about one true model in six has a verdict other than fine somewhere.
LOOK, VIOLATED = 0.01, 0.001
# With more rows than this, a significant deviation must also be large enough to matter.
MANY_ROWS = 500
# A variance from fewer levels than this is poorly determined; with fewer than VERY_FEW it is hardly known.
FEW_LEVELS, VERY_FEW = 10, 5
# A response with at most so many distinct values, each of them often taken, is no continuous one.
FEW_VALUES = 10
# Draws of the simulation.
DRAWS = 250
# Multiplications that whitening may take in a check, rows that refits with a slope more may pass over in all,
# seconds on one core of deletions of levels.
_WHITEN_WORK = 2e10
_SLOPE_ROWS = 500_000
_DELETE_SECONDS = 2.0
# Rows x regressors^2 of White's test; random effects of crossed factors beyond the largest, for more refits.
_WHITE_WORK = 1e7
_MOST_CROSSED = 500


@dataclass(frozen=True, slots=True)
class Size:
    """How large a deviation is; in many rows of no account below ``small``, from ``large`` on a violation."""

    value: float
    small: float
    large: float


def judge(p: float, n: int, size: Size | None = None) -> Verdict:
    """A verdict from a p-value and, where there are many rows, from how large the deviation is."""
    if p >= LOOK:
        return "fine"
    if size is None:
        return "violated" if p < VIOLATED else "look"
    if n > MANY_ROWS and size.value < size.small:
        return "fine"
    return "violated" if p < VIOLATED and size.value >= size.large else "look"


def reason(p: float, n: int, size: Size) -> str:
    """Why a small p-value has a milder verdict; empty where it has not."""
    if p >= (LOOK if judge(p, n, size) == "fine" else VIOLATED):
        return ""
    if judge(p, n, size) == "fine":
        return f"effect size {size.value:.2g}, of no account below {size.small:g}"
    return (
        f"effect size {size.value:.2g}, a violation from {size.large:g} on" if size.value < size.large else ""
    )


def converged(design: Design, fit: Fit) -> Check:
    """The certificate of the optimum."""
    doubt = fit.certificate.doubt
    if fit.certificate.converged and doubt is not None:
        return Check(
            "converged",
            "certificate of the optimum",
            "violated",
            f"the data do not identify {' and '.join(doubt.terms)}",
            "The data say nothing about that variance.",
            "print(fit.convergence.explain())",
        )
    good = fit.certificate.converged
    return Check(
        "converged",
        "certificate of the optimum",
        "fine" if good else "violated",
        f"criterion within {fit.certificate.gap:.1g} of a local minimum"
        if good
        else convergence.failure(fit),
        "The optimum is certified." if good else "The estimates are not those of the lowest criterion.",
        "" if good else "print(fit.convergence.explain())",
    )


def regular(design: Design, fit: Fit) -> Check:
    """Covariance matrices of full rank."""
    phrases = convergence.singular_phrases(design, fit)
    return Check(
        "regular covariances",
        "rank of the random effects' covariances",
        "look" if phrases else "fine",
        "; ".join(phrases) if phrases else "every covariance matrix has full rank",
        "The data do not support all random effects; the fixed effects stand."
        if phrases
        else "No variance is zero and no correlation is 1.",
        "fit.ranova()" if phrases else "",
    )


def enough_groups(design: Design, fit: Fit) -> Check:
    """Levels to estimate a variance from."""
    fewest = min(design.factors, key=lambda factor: factor.n_levels)
    few = fewest.n_levels < FEW_LEVELS
    known = "hardly known" if fewest.n_levels < VERY_FEW else "poorly determined"
    return Check(
        "enough groups",
        "number of levels",
        "look" if few else "fine",
        ", ".join(f"{factor.name} {factor.n_levels}" for factor in design.factors),
        f"A variance from {fewest.n_levels} levels of {fewest.name} is {known}."
        if few
        else f"Every factor has at least {FEW_LEVELS} levels.",
        (
            "fit.conf_int(ddf='kenward-roger')"
            if fit.reml and len(fit.beta)
            else "fit.conf_int(method='profile')"
        )
        if few
        else "",
    )


def continuous(design: Design, fit: Fit, remedies: Remedies) -> Check:
    """Whether the response takes many values: two or a few do not have a normal distribution."""
    values = np.unique(design.y[: FEW_VALUES * MANY_ROWS])
    if len(values) <= FEW_VALUES:
        values = np.unique(design.y)
    few = len(values) <= FEW_VALUES and design.n_obs >= 3 * len(values)
    listed = ", ".join(f"{value:g}" for value in values[:FEW_VALUES])
    if len(values) == 2:
        meaning = (
            "The response takes two values: its variance depends on its mean, and means may leave their "
            "range."
        )
    else:
        meaning = (
            f"The response takes only {len(values)} values: the model takes the distances between them as "
            "equal and errors as normal."
        )
    return Check(
        "continuous response",
        "number of distinct values",
        ("violated" if len(values) == 2 else "look") if few else "fine",
        f"only the values {listed}" if few else f"more than {min(len(values) - 1, FEW_VALUES)} values",
        meaning if few else "The response takes many values.",
        remedies.robust("fit.plot.residuals()") if few else "",
    )


def _sized(
    assumption: str,
    test: DiagnosticTest,
    p: float,
    size: Size,
    remedy: str,
    panels: tuple[str, ...] = (),
    more: str = "",
) -> Check:
    """A check whose verdict rests on how large the deviation is, too; that is said where it decides."""
    parts = [part for part in (more, reason(p, test.n, size)) if part]
    return _from_test(assumption, test, judge(p, test.n, size), remedy, panels, "; ".join(parts))


def _from_test(
    assumption: str,
    test: DiagnosticTest,
    verdict: Verdict,
    remedy: str,
    panels: tuple[str, ...] = (),
    more: str = "",
) -> Check:
    return Check(
        assumption,
        test.name,
        verdict,
        test.evidence + (f"; {more}" if more else ""),
        f"{test.meaning} {test.caveat}".strip(),
        "" if verdict == "fine" else remedy,
        panels,
    )


def _shape_size(values: FloatArray) -> tuple[float, str]:
    moments = distribution.shape(values)
    text = f"skewness {moments.skewness:.2f}, excess kurtosis {moments.kurtosis:.2f}"
    return max(abs(moments.skewness), abs(moments.kurtosis) / 2), text


def normal_residuals(design: Design, fit: Fit, remedies: Remedies) -> Check:
    """Normality of the conditional residuals; a long right tail asks for the logarithm."""
    test = distribution.residual_normality(design, fit)
    residuals = quantities.pearson_residuals(design, fit)
    size, text = _shape_size(residuals)
    skewed = distribution.shape(residuals).skewness > 1
    remedy = remedies.logged(RESAMPLED) if skewed else RESAMPLED
    panels = ("normality", "distribution")
    return _sized("normal residuals", test, test.p_value, Size(size, 0.3, 1.0), remedy, panels, text)


def normal_effects(design: Design, fit: Fit) -> list[Check]:
    """Normality of the conditional modes, one check per random effect."""
    checks = []
    tests = distribution.effect_normality(design, fit)
    found = {test.about: test for test in tests}
    for i, factor in enumerate(design.factors):
        for j, name in enumerate(quantities.effect_names(design, i)):
            test = found.get(f"random effects {name} of {factor.name}")
            if test is None:
                continue
            size, text = _shape_size(fit.modes[i][:, j])
            title = f"normal {name} by {factor.name}"
            rule = Size(size, 0.5, 1.0)
            checks.append(_sized(title, test, test.p_value, rule, RESAMPLED, ("random effects",), text))
    return checks


def equal_variance(design: Design, fit: Fit, remedies: Remedies, notes: list[str]) -> list[Check]:
    """Residual variance against the predictors, alone and with their squares and products."""
    remedy = remedies.logged(remedies.robust("fit.plot.scale_location()"))
    # White's regression is dear with many rows and columns.
    form: variance.WhiteForm | None = None
    if design.n_obs * variance.white_terms(len(fit.beta)) ** 2 > _WHITE_WORK:
        form = "mean"
        notes.append("White's test was made with the population means and their squares.")
    columns = variance.predictors(design, fit), variance.regressors(design, fit, form)
    tests = variance.breusch_pagan(design, fit), variance.white(design, fit, form=form)
    checks = []
    for title, test, regressors in zip(
        ("equal variance", "equal variance (White)"), tests, columns, strict=True
    ):
        ratio = variance.spread_ratio(design, fit, regressors)
        text = f"largest third {ratio:.2g} times the smallest"
        checks.append(_sized(title, test, test.p_value, Size(ratio, 1.5, 3.0), remedy, ("spread",), text))
    return checks


def equal_variance_by_group(design: Design, fit: Fit, name: str, remedies: Remedies) -> Check:
    """Residual variance by the levels of a factor."""
    test = variance.levene(design, fit, name)
    between = test.df[0] * max(test.statistic - 1, 0.0)
    share = between / (between + test.n)
    text = f"{100 * share:.0f}% of the spread of deviations"
    remedy = remedies.robust(f"fit.plot.residuals_by_group({name!r})")
    rule = Size(share, 0.02, 0.1)
    return _sized(f"equal variance by {name}", test, test.p_value, rule, remedy, ("groups",), text)


def independence(design: Design, fit: Fit, remedies: Remedies, notes: list[str]) -> Check:
    """Autocorrelation within groups, in the order of the rows."""
    try:
        found = dependence.autocorrelation(design, fit, most_work=_WHITEN_WORK)
    except ModelError:
        raise
    except MixwellError:
        notes.append(
            "Independence in order was looked at in errors drawn given the data, since whitening the crossed "
            "design would take too long."
        )
        found = dependence.autocorrelation(design, fit, kind="drawn")
    test = dependence.ljung_box(found)
    # Few pairs are far apart: what they tell counts as much as they are many.
    size = float(np.abs(found.values * found.pairs / found.n).max())
    remedy = remedies.robust("fit.plot.acf()")
    rule = Size(size, 0.1, 0.3)
    return _sized("independent in order", test, test.p_value, rule, remedy, ("independence",))


def linear(design: Design, fit: Fit, remedies: Remedies) -> Check:
    """Curvature of the mean."""
    test = mean.reset(design, fit)
    explained = test.df[0] * test.statistic
    size = explained / (explained + min(test.df[1], float(test.n)))
    rule = Size(size, 0.005, 0.05)
    remedy = "fit.diagnostics.curvature()"
    if judge(test.p_value, test.n, rule) != "fine":
        bent = sorted(mean.curvature(design, fit), key=lambda one: one.p_value)
        if bent and bent[0].p_value < LOOK:
            remedy = remedies.added(f"I({remedies.column(bent[0].about)}**2)", remedy)
    return _sized("linear mean", test, test.p_value, rule, remedy, ("linearity",))


def same_within_and_between(design: Design, fit: Fit, factor: int, remedies: Remedies) -> Check:
    """Effects of predictors that vary both within and between the levels of a factor."""
    test = mean.within_between(design, fit, factor)
    name = design.factors[factor].name
    explained = test.df[0] * test.statistic
    size = explained / (explained + min(test.df[1], float(test.n)))
    remedy = f"fit.diagnostics.within_between({name!r})"
    remedy = remedies.group_means(factor, list(mean.both_ways(design, fit, factor)), remedy)
    return _sized(f"same effects in {name}", test, test.p_value, Size(size, 0.005, 0.1), remedy)


def slopes(design: Design, fit: Fit, remedies: Remedies, notes: list[str]) -> Check:
    """Random slopes that could be missing, the most needed one."""
    wanted = mean.candidates(design, fit)
    if not wanted:
        raise ModelError("No predictor varies within groups without a random slope.")
    # Refits of crossed factors factor a core of all but the largest again.
    levels = sorted(factor.n_levels for factor in design.factors)
    core = sum(levels[:-1]) if independent_blocks(design)[0] == 1 else 0
    if core > _MOST_CROSSED:
        raise ModelError(
            "A slope more for crossed factors with many levels would take long; "
            "fit.diagnostics.omitted_slopes() tries them."
        )
    most = max(1, int(_SLOPE_ROWS // (design.n_obs * (1 + core / 200))))
    if len(wanted) > most:
        notes.append(
            f"Of {len(wanted)} random slopes that could be missing, {most} were tried; "
            "fit.diagnostics.omitted_slopes() tries all."
        )
    found = []
    for term, column in wanted[:most]:
        try:
            found.append((mean.omitted_slope(design, fit, term, column), term))
        except (ModelError, ConvergenceError):
            continue
    if not found:
        raise ModelError("No random slope that could be missing can be estimated.")
    slope, term = min(found, key=lambda pair: pair[0].test.p_value)
    test = slope.test
    # The smallest of several p-values: Bonferroni.
    p = min(1.0, test.p_value * len(found))
    remedy = remedies.slope(term, slope.variable, "fit.diagnostics.omitted_slopes()")
    more = f"of {len(found)} slopes the most needed: {test.about}" if len(found) > 1 else test.about
    rule = Size(slope.inflation, 0.1, 0.25)
    return _sized("no slope missing", test, p, rule, remedy, more=more)


def no_outliers(design: Design, fit: Fit, at: Origin) -> Check:
    """Rows too far from their prediction."""
    found = distribution.row_outliers(design, fit, at)
    rule = Size(abs(found.test.statistic), 0.0, 6.0)
    remedy = "fit.diagnostics.outliers().frame()"
    return _sized("no outlying rows", found.test, found.test.p_value, rule, remedy, ("leverage",))


def no_outlying_groups(design: Design, fit: Fit, at: Origin, factor: int) -> Check:
    """Levels whose random effects are too far out."""
    found = distribution.group_outliers(design, fit, at, factor)
    name = design.factors[factor].name
    verdict: Verdict = "fine"
    if found.test.p_value < LOOK:
        verdict = "violated" if found.test.p_value < VIOLATED else "look"
    remedy = f"fit.diagnostics.outlying_groups({name!r}).frame()"
    return _from_test(f"no outlying {name}", found.test, verdict, remedy, ("random effects",))


def deletions(design: Design, fit: Fit, at: Origin, factor: int) -> Influence:
    """The levels of a factor left out in turn.

    Raises
    ------
    ModelError
        If a crossed factor has so many levels that it would take minutes, or there is no fixed effect.
    """
    group = design.factors[factor]
    cost = influence.refit_cost(design, group.n_levels)
    too_long = influence.HELD_COST * cost > _DELETE_SECONDS
    if too_long and not influence.unions_of_blocks(design, group.codes):
        raise ModelError(
            f"Leaving out {group.n_levels} levels of a crossed factor in turn would take too long; "
            f"fit.influence({group.name!r}) does it."
        )
    if not len(fit.beta):
        raise ModelError("There are no fixed effects to be influenced.")
    return influence.influence(design, fit, at, by=group.name, refit=cost <= _DELETE_SECONDS)


def no_influential_group(design: Design, fit: Fit, at: Origin, factor: int, notes: list[str]) -> Check:
    """What leaving out one level changes."""
    name, m = design.factors[factor].name, design.factors[factor].n_levels
    found = deletions(design, fit, at, factor)
    if not found.refitted:
        notes.append(f"Leaving out levels of {name} in turn, the variance parameters were held.")
    distance = np.nan_to_num(found.cooks_distance, nan=0.0)
    pull = np.nan_to_num(np.abs(found.dfbetas), nan=0.0)
    first = int(np.argmax(distance))
    level, term = np.unravel_index(int(np.argmax(pull)), pull.shape)
    largest = float(pull[level, term])
    # A level moves an effect by 1 / sqrt(m) of its standard error or so; what matters is a whole one.
    limit = max(1.0, 3 / np.sqrt(m))
    needed = np.flatnonzero(np.isnan(found.params).any(axis=1))
    verdict: Verdict = "fine"
    if distance[first] >= (2 * limit) ** 2 or largest >= 2 * limit:
        verdict = "violated"
    elif distance[first] >= limit**2 or largest >= limit or len(needed):
        verdict = "look"
    evidence = (
        f"largest Cook's D {number(float(distance[first]), 2)} ({found.labels[first]}), "
        f"largest DFBETAS {number(largest, 2)} ({found.terms[term]} without {found.labels[level]})"
    )
    meaning = f"No single level of {name} moves an effect much."
    if len(needed):
        meaning = f"Without {found.labels[needed[0]]} not every fixed effect can be estimated."
    elif verdict != "fine":
        meaning = (
            f"Without {found.labels[level]} the effect {found.terms[term]} moves by {largest:.2f} standard "
            "errors."
        )
    remedy = "" if verdict == "fine" else f"print(fit.influence({name!r}))"
    # No panel shows it: that of influence is of rows.
    return Check(f"no influential {name}", "deletion of levels", verdict, evidence, meaning, remedy)


def simulated(design: Design, fit: Fit) -> Check:
    """The distribution of the responses against that of simulated ones."""
    test = distribution.quantile_residuals(design, fit, n=DRAWS, seed=1).test
    # The smallest p-value is 1 / (draws + 1).
    verdict: Verdict = "fine" if test.p_value >= LOOK else "violated" if test.p_value < 0.005 else "look"
    return _from_test("distribution as fitted", test, verdict, RESAMPLED, ("distribution",))
