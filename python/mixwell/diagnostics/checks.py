"""All checks of a fit in one table: assumption, test, verdict, evidence, remedy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from mixwell.data.columns import Numbers
from mixwell.data.output import NativeFrame, Origin, frame
from mixwell.design.record import Design
from mixwell.diagnostics import dependence, distribution, influence, mean, variance
from mixwell.diagnostics.marginal import LARGEST_DENSE, fixed_columns, independent_blocks
from mixwell.diagnostics.record import DiagnosticTest
from mixwell.errors import ConvergenceError, DataError, MixwellError, ModelError
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.lazy import lazy_module
from mixwell.report import convergence
from mixwell.report.html_summary import html_table
from mixwell.report.text import WIDTH, number, pad, wrap

if TYPE_CHECKING:
    from mixwell.plots import accessor as pictures
else:
    pictures = lazy_module("mixwell.plots.accessor")

FloatArray = NDArray[np.float64]
Verdict = Literal["fine", "look", "violated"]

# With more rows than this, a significant deviation must also be large enough to matter.
MANY_ROWS = 500
# Multiplications that whitening may take in a check, rows x draws of the simulation, rows that refits with a
# slope more may pass over in all, and rows x deletions of groups.
_WHITEN_WORK = 2e10
_SIMULATE_ROWS = 5_000_000
_SLOPE_ROWS = 500_000
_DELETE_ROWS = 30_000_000
_DRAWS = 250
# Rows x regressors^2 of White's test; random effects of crossed factors beyond the largest, for more refits.
_WHITE_WORK = 1e7
_MOST_CROSSED = 500


@dataclass(frozen=True, slots=True)
class Check:
    """One assumption.

    Attributes
    ----------
    assumption
        ``"normal residuals"``.
    test
        How it was looked at.
    verdict
        ``"fine"``; ``"look"``: worth a look; ``"violated"``.
    evidence
        The numbers.
    meaning
        What they say, and what to keep in mind.
    remedy
        A call that helps or shows more, to be run with ``fit``, ``mw`` and ``data`` (the data of the fit);
        empty where all is fine.
    panel
        The panel of the figure of checks that shows it; empty if none does.
    """

    assumption: str
    test: str
    verdict: Verdict
    evidence: str
    meaning: str
    remedy: str
    panel: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Checks:
    """The checks of a fit. ``str()`` is a table of at most 79 columns; notebooks show HTML.

    Attributes
    ----------
    checks
        One per assumption and test, as :class:`Check`.
    skipped
        What was not looked at, and why: pairs of assumption and reason.
    notes
        Where a cheaper test stands for an exact one.
    design, fit, origin
        What was checked.
    """

    checks: tuple[Check, ...]
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    design: Design
    fit: Fit
    origin: Origin

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks)

    def __len__(self) -> int:
        return len(self.checks)

    def __getitem__(self, assumption: str) -> Check:
        for check in self.checks:
            if check.assumption == assumption:
                return check
        known = ", ".join(repr(check.assumption) for check in self.checks)
        raise KeyError(f"there is no check of {assumption!r}; there are {known}")

    @property
    def verdict(self) -> Verdict:
        """The worst of all."""
        found = {check.verdict for check in self.checks}
        return "violated" if "violated" in found else "look" if "look" in found else "fine"

    def frame(self) -> NativeFrame:
        """``assumption test verdict evidence remedy``, a row per check."""
        columns = {
            name: [getattr(check, name) for check in self.checks]
            for name in ("assumption", "test", "verdict", "evidence", "remedy")
        }
        return frame(self.origin, columns)

    def plot(self, lang: Literal["en", "zh"] = "en") -> object:
        """All panels of checks in one figure, with the verdicts in their titles."""
        return pictures.FitPlots(self.design, self.fit)(lang=lang).check(verdicts=self.panels)

    @property
    def panels(self) -> Mapping[str, Verdict]:
        """Panel -> the worst verdict of its checks."""
        order = ("fine", "look", "violated")
        worst: dict[str, Verdict] = {}
        for check in self.checks:
            if check.panel and order.index(check.verdict) >= order.index(worst.get(check.panel, "fine")):
                worst[check.panel] = check.verdict
        return worst

    def __str__(self) -> str:
        lines = [*wrap(f"Checks of {self.design.formula}", indent="    ", breaks="~+*/|"), ""]
        lead = max((len(check.assumption) for check in self.checks), default=0)
        for check in self.checks:
            start = f"{pad(check.verdict, 8)}  {pad(check.assumption, lead)}  "
            room = WIDTH - len(start)
            evidence = wrap(check.evidence, width=room)
            lines.append(start + evidence[0])
            lines += [" " * len(start) + rest for rest in evidence[1:]]
        todo = [check for check in self.checks if check.verdict != "fine"]
        for check in todo:
            lines += ["", *wrap(f"{check.assumption}: {check.meaning}", indent="  ")]
            lines += [
                f"  {line}" for line in wrap(check.remedy, indent="    ", breaks="~+*(|,", width=WIDTH - 2)
            ]
        if self.notes or self.skipped:
            lines.append("")
        for note in self.notes:
            lines += wrap(note, indent="  ")
        for assumption, reason in self.skipped:
            lines += wrap(f"Not checked: {assumption}. {reason}", indent="  ")
        return "\n".join(line.rstrip() for line in lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [(c.assumption, c.verdict, c.evidence, c.remedy) for c in self.checks]
        return html_table("Checks", ("assumption", "verdict", "evidence", "remedy"), rows, text_columns=4)


def judge(p: float, n: int, size: float | None = None, small: float = 0.0, large: float = 0.0) -> Verdict:
    """A verdict from a p-value and, where there are many rows, from how large the deviation is."""
    if p >= 0.05:
        return "fine"
    if size is None:
        return "violated" if p < 0.001 else "look"
    if n > MANY_ROWS and size < small:
        return "fine"
    return "violated" if p < 0.001 and size >= large else "look"


class Remedies:
    """Calls that help, for one fit."""

    def __init__(self, design: Design, fit: Fit) -> None:
        self._design, self._fit = design, fit

    def formula(self, addition: str) -> str:
        """``mw.lmer("... + addition", data)``."""
        return self.call(f"{self._design.formula.strip()} + {addition}")

    def call(self, formula: str) -> str:
        """``mw.lmer(formula, data)``, with ML where the fit is."""
        quoted = '"' + formula.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return f"mw.lmer({quoted}, data{'' if self._fit.reml else ', reml=False'})"

    def slope(self, term: int, variable: str) -> str:
        """The random term with a slope more; a term of its own where the text of the old one is not found."""
        old = self._design.terms[term]
        group = self._design.factors[old.factor].name
        name = self.name(variable)
        formula = self._design.formula
        for written in (f"(1 | {group})", f"(1|{group})"):
            if formula.count(written) == 1:
                return self.call(formula.replace(written, f"(1 + {name} | {group})"))
        return self.formula(f"(0 + {name} | {group})")

    def name(self, variable: str) -> str:
        """A name as it must stand in a formula."""
        plain = variable.replace(".", "_").isidentifier() or variable not in self._design.variables
        return variable if plain else f"`{variable}`"

    @property
    def positive(self) -> bool:
        """Whether the response can be logged and is not yet a function."""
        name = self._design.response_name
        column = self._design.variables.get(name)
        plain = isinstance(column, Numbers) or name.isidentifier()
        return plain and float(self._design.y.min()) > 0

    def logged(self) -> str:
        """The model of the log response."""
        left, right = self._design.formula.split("~", 1)
        return self.call(f"log({left.strip()}) ~{right}")

    def robust(self) -> str:
        """Standard errors that stand unequal or dependent errors."""
        count, _ = independent_blocks(self._design)
        if count < 2:
            return "fit.bootstrap(kind='residual', seed=1)"
        return "fit.conf_int(robust='CR2')"


# ---- one assumption each


def _converged(design: Design, fit: Fit) -> Check:
    good = fit.certificate.converged
    return Check(
        "converged",
        "certificate of the optimum",
        "fine" if good else "violated",
        f"criterion within {fit.certificate.gap:.1g} of its minimum" if good else convergence.failure(fit),
        "The optimum is certified." if good else "The estimates are not those of the lowest criterion.",
        "" if good else "print(fit.convergence.explain())",
    )


def _regular(design: Design, fit: Fit) -> Check:
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


def _enough_groups(design: Design, fit: Fit) -> Check:
    fewest = min(design.factors, key=lambda factor: factor.n_levels)
    few = fewest.n_levels < 5
    return Check(
        "enough groups",
        "number of levels",
        "look" if few else "fine",
        ", ".join(f"{factor.name} {factor.n_levels}" for factor in design.factors),
        f"A variance from {fewest.n_levels} levels of {fewest.name} is hardly known."
        if few
        else "Every factor has at least 5 levels.",
        ("fit.conf_int(ddf='kenward-roger')" if fit.reml else "fit.conf_int(method='profile')")
        if few
        else "",
    )


def _from_test(
    assumption: str, test: DiagnosticTest, verdict: Verdict, remedy: str, panel: str = "", more: str = ""
) -> Check:
    return Check(
        assumption,
        test.name,
        verdict,
        test.evidence + (f"; {more}" if more else ""),
        f"{test.meaning} {test.caveat}".strip(),
        "" if verdict == "fine" else remedy,
        panel,
    )


def _shape_size(values: FloatArray) -> tuple[float, str]:
    moments = distribution.shape(values)
    text = f"skewness {moments.skewness:.2f}, excess kurtosis {moments.kurtosis:.2f}"
    return max(abs(moments.skewness), abs(moments.kurtosis) / 2), text


def _normal_residuals(design: Design, fit: Fit, remedies: Remedies) -> Check:
    test = distribution.residual_normality(design, fit)
    size, text = _shape_size(quantities.pearson_residuals(design, fit))
    verdict = judge(test.p_value, test.n, size, 0.3, 1.0)
    skewed = distribution.shape(quantities.pearson_residuals(design, fit)).skewness > 1
    remedy = remedies.logged() if skewed and remedies.positive else "fit.bootstrap(kind='residual', seed=1)"
    return _from_test("normal residuals", test, verdict, remedy, "normality", text)


def _normal_effects(design: Design, fit: Fit) -> list[Check]:
    checks = []
    tests = distribution.effect_normality(design, fit)
    found = {test.about: test for test in tests}
    for i, factor in enumerate(design.factors):
        for j, name in enumerate(quantities.effect_names(design, i)):
            test = found.get(f"random effects {name} of {factor.name}")
            if test is None:
                continue
            size, text = _shape_size(fit.modes[i][:, j])
            verdict = judge(test.p_value, test.n, size, 0.5, 1.0)
            remedy = "fit.bootstrap(kind='cases', seed=1)"
            title = f"normal {name} by {factor.name}"
            checks.append(_from_test(title, test, verdict, remedy, "random effects", text))
    return checks


def variance_ratio(design: Design, fit: Fit) -> float:
    """Residual variance where the predictors make it largest over where they make it smallest, by thirds."""
    squares = quantities.pearson_residuals(design, fit) ** 2
    x = variance.independent_columns(fixed_columns(design, fit))
    q = np.linalg.qr(x)[0]
    order = np.argsort(q @ (q.T @ squares), kind="stable")
    third = max(len(squares) // 3, 1)
    return float(squares[order[-third:]].mean() / max(squares[order[:third]].mean(), 1e-300))


def _equal_variance(design: Design, fit: Fit, remedies: Remedies, notes: list[str]) -> list[Check]:
    remedy = remedies.logged() if remedies.positive else remedies.robust()
    try:
        breusch_pagan = variance.breusch_pagan(design, fit)
    except ModelError:
        test = variance.white(design, fit, form="fitted")
        return [_from_test("equal variance", test, judge(test.p_value, test.n), remedy, "spread")]
    ratio = variance_ratio(design, fit)
    text = f"largest third {ratio:.2g} times the smallest"
    # White's regression is dear with many rows and columns.
    work = design.n_obs * variance.white_terms(len(fit.beta)) ** 2
    if work > _WHITE_WORK:
        notes.append("White's test was made with the fitted values and their squares.")
    white = variance.white(design, fit, form="fitted" if work > _WHITE_WORK else None)
    named = {"equal variance": breusch_pagan, "equal variance (White)": white}
    return [
        _from_test(name, test, judge(test.p_value, test.n, ratio, 1.5, 3.0), remedy, "spread", text)
        for name, test in named.items()
    ]


def _equal_variance_by_group(design: Design, fit: Fit, name: str, remedies: Remedies) -> Check:
    test = variance.levene(design, fit, name)
    between = test.df[0] * max(test.statistic - 1, 0.0)
    share = between / (between + test.n)
    verdict = judge(test.p_value, test.n, share, 0.02, 0.1)
    text = f"{100 * share:.0f}% of the spread of deviations"
    return _from_test(f"equal variance by {name}", test, verdict, remedies.robust(), "groups", text)


def _independence(design: Design, fit: Fit, remedies: Remedies, notes: list[str]) -> Check:
    try:
        found = dependence.autocorrelation(design, fit, most_work=_WHITEN_WORK)
    except ModelError:
        raise
    except MixwellError:
        notes.append(
            "Independence in order was looked at in conditional residuals, since whitening the crossed "
            "design would take too long; they are slightly correlated even if the model is true."
        )
        found = dependence.autocorrelation(design, fit, kind="pearson")
    test = dependence.ljung_box(found)
    size = float(np.abs(found.values).max())
    verdict = judge(test.p_value, test.n, size, 0.1, 0.3)
    return _from_test("independent in order", test, verdict, remedies.robust(), "independence")


def _linear(design: Design, fit: Fit, remedies: Remedies) -> Check:
    test = mean.reset(design, fit)
    explained = test.df[0] * test.statistic
    size = explained / (explained + min(test.df[1], float(test.n)))
    verdict = judge(test.p_value, test.n, size, 0.005, 0.05)
    remedy = "fit.diagnostics.curvature()"
    if verdict != "fine":
        bent = sorted(mean.curvature(design, fit), key=lambda one: one.p_value)
        if bent and bent[0].p_value < 0.05:
            remedy = remedies.formula(f"I({remedies.name(bent[0].about)}**2)")
    return _from_test("linear mean", test, verdict, remedy, "linearity")


def _same_within_and_between(design: Design, fit: Fit, factor: int, remedies: Remedies) -> Check:
    test = mean.within_between(design, fit, factor)
    name = design.factors[factor].name
    explained = test.df[0] * test.statistic
    size = explained / (explained + min(test.df[1], float(test.n)))
    verdict = judge(test.p_value, test.n, size, 0.005, 0.1)
    remedy = f"fit.diagnostics.within_between({name!r})"
    if ":" not in name:
        predictors = mean.both_ways(design, fit, factor)
        group = remedies.name(name)
        remedy = remedies.formula(" + ".join(f"between({remedies.name(x)}, {group})" for x in predictors))
    return _from_test(f"same effects in {name}", test, verdict, remedy)


def _slopes(design: Design, fit: Fit, remedies: Remedies, notes: list[str]) -> Check:
    wanted = mean.candidates(design, fit)
    if not wanted:
        raise ModelError("No predictor varies within groups without a random slope.")
    levels = sorted(factor.n_levels for factor in design.factors)
    if independent_blocks(design)[0] == 1 and sum(levels[:-1]) > _MOST_CROSSED:
        raise ModelError(
            "A slope more for crossed factors with many levels would take long; "
            "fit.diagnostics.omitted_slopes() tries them."
        )
    most = max(1, int(_SLOPE_ROWS // design.n_obs))
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
    remedy = remedies.slope(term, slope.variable)
    more = f"of {len(found)} slopes the most needed: {test.about}" if len(found) > 1 else test.about
    return _from_test("no slope missing", test, judge(p, test.n), remedy, "", more)


def _no_outliers(design: Design, fit: Fit, at: Origin) -> Check:
    found = distribution.row_outliers(design, fit, at)
    verdict: Verdict = "fine"
    if len(found.at):
        verdict = "violated" if abs(found.test.statistic) > 6 else "look"
    return _from_test(
        "no outlying rows", found.test, verdict, "fit.diagnostics.outliers().frame()", "leverage"
    )


def _no_outlying_groups(design: Design, fit: Fit, at: Origin, factor: int) -> Check:
    found = distribution.group_outliers(design, fit, at, factor)
    name = design.factors[factor].name
    verdict: Verdict = "fine"
    if len(found.at):
        verdict = "violated" if found.test.p_value < 0.001 else "look"
    remedy = f"fit.diagnostics.outlying_groups({name!r}).frame()"
    return _from_test(f"no outlying {name}", found.test, verdict, remedy, "random effects")


def _no_influential_group(design: Design, fit: Fit, at: Origin, factor: int, notes: list[str]) -> Check:
    name = design.factors[factor].name
    m = design.factors[factor].n_levels
    if m * design.n_obs > _DELETE_ROWS and not influence.unions_of_blocks(
        design, design.factors[factor].codes
    ):
        raise ModelError(f"Leaving out {m} levels of a crossed factor in turn would take too long.")
    found = influence.influence(design, fit, at, by=name)
    if not found.refitted:
        notes.append(f"Leaving out levels of {name} in turn, the variance parameters were held.")
    distance = np.nan_to_num(found.cooks_distance, nan=0.0)
    if not len(fit.beta):
        raise ModelError("There are no fixed effects to be influenced.")
    pull = np.nan_to_num(np.abs(found.dfbetas), nan=0.0)
    first = int(np.argmax(distance))
    level, term = np.unravel_index(int(np.argmax(pull)), pull.shape)
    largest = float(pull[level, term])
    verdict: Verdict = "fine"
    if distance[first] >= 1 or largest >= 1:
        verdict = "violated"
    elif distance[first] >= 0.5 or largest >= max(0.5, 2 / math.sqrt(m)):
        verdict = "look"
    evidence = (
        f"largest Cook's D {number(float(distance[first]), 2)} ({found.labels[first]}), "
        f"largest DFBETAS {number(largest, 2)} ({found.terms[term]} without {found.labels[level]})"
    )
    meaning = (
        f"Without {found.labels[level]} the effect {found.terms[term]} moves by {largest:.2f} standard "
        "errors."
        if verdict != "fine"
        else f"No single level of {name} moves an effect much."
    )
    remedy = "" if verdict == "fine" else f"print(fit.influence({name!r}))"
    return Check(
        f"no influential {name}", "deletion of levels", verdict, evidence, meaning, remedy, "influence"
    )


def _simulated(design: Design, fit: Fit) -> Check:
    test = distribution.quantile_residuals(design, fit, n=_DRAWS, seed=1).test
    verdict: Verdict = "fine" if test.p_value >= 0.05 else "violated" if test.p_value < 0.01 else "look"
    return _from_test(
        "distribution as fitted", test, verdict, "fit.bootstrap(kind='cases', seed=1)", "distribution"
    )


def check(design: Design, fit: Fit, at: Origin) -> Checks:
    """Runs every check that applies; see ``LmerResult.check``."""
    remedies = Remedies(design, fit)
    checks: list[Check] = [_converged(design, fit), _regular(design, fit), _enough_groups(design, fit)]
    skipped: list[tuple[str, str]] = []
    notes: list[str] = []

    def run(assumption: str, work: Callable[..., Check | list[Check]], *arguments: object) -> None:
        try:
            found = work(design, fit, *arguments)
        except (ModelError, DataError, ConvergenceError) as error:
            skipped.append((assumption, str(error)))
            return
        checks.extend(found if isinstance(found, list) else [found])

    names = [factor.name for factor in design.factors]
    run("linear mean", _linear, remedies)
    run("no slope missing", _slopes, remedies, notes)
    for i, name in enumerate(names):
        if mean.both_ways(design, fit, i):
            run(f"same effects in {name}", _same_within_and_between, i, remedies)
    run("normal residuals", _normal_residuals, remedies)
    run("normal random effects", _normal_effects)
    run("equal variance", _equal_variance, remedies, notes)
    for name in names:
        run(f"equal variance by {name}", _equal_variance_by_group, name, remedies)
    run("independent in order", _independence, remedies, notes)
    run("no outlying rows", _no_outliers, at)
    for i, name in enumerate(names):
        run(f"no outlying {name}", _no_outlying_groups, at, i)
    for i, name in enumerate(names):
        run(f"no influential {name}", _no_influential_group, at, i, notes)
    if design.n_obs * _DRAWS <= _SIMULATE_ROWS:
        run("distribution as fitted", _simulated)
    else:
        skipped.append(
            (
                "distribution as fitted",
                "Simulation was spared with so many rows; fit.diagnostics.quantile_residuals() runs it.",
            )
        )
    if design.n_obs > LARGEST_DENSE and design.n_obs > distribution.SHAPIRO_MOST:
        notes.append(
            f"With {design.n_obs} rows a significant deviation counts only if it is large enough to matter."
        )
    return Checks(tuple(checks), tuple(skipped), tuple(notes), design, fit, at)
