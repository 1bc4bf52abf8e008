"""What a report tells of, computed once: the fit, its tests, intervals and checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mixwell.design.record import Design
from mixwell.diagnostics.checks import Checks
from mixwell.diagnostics.record import Check
from mixwell.errors import MixwellError
from mixwell.fit import convergence
from mixwell.fit.control import Control
from mixwell.fit.record import Fit
from mixwell.inference.anova import TermTest, anova
from mixwell.inference.contrast import RowTests, row_tests
from mixwell.inference.degrees_of_freedom import approximation
from mixwell.inference.parameters import parameter_names
from mixwell.inference.profile import intervals as profile_intervals
from mixwell.report.checks_zh import check_in_chinese, in_chinese
from mixwell.report.coefficients import means_terms
from mixwell.report.optimum import failed_condition, singular_phrases
from mixwell.report.words import Words

LEVEL = 0.95
ALPHA = 0.05
# Profiles are for models with at most so many variance parameters and random effects: beyond, they take long.
PROFILE_PARAMETERS = 6
PROFILE_EFFECTS = 5000


@dataclass(frozen=True, slots=True)
class Account:
    """Everything a report tells of, computed once.

    Attributes
    ----------
    design, fit
        The fitted model.
    checks
        The checks, in the language of the report; empty if they were not made.
    skipped
        Checks that could not be made.
    source
        Python that makes the data, for the code to reproduce; empty if unknown.
    text
        The words.
    tests
        Of the fixed effects.
    terms
        Tests of the terms of the fixed part; empty without any.
    spreads
        Intervals of the variance parameters that have one, by name.
    labels
        What variables are called, with units, where they have a label.
    """

    design: Design
    fit: Fit
    checks: tuple[Check, ...]
    skipped: tuple[str, ...]
    source: str
    text: Words
    tests: RowTests
    terms: tuple[TermTest, ...]
    spreads: Mapping[str, tuple[float, float]]
    labels: Mapping[str, str]

    @property
    def response(self) -> str:
        """What the response is called."""
        return self.labels.get(self.design.response_name, self.design.response_name)

    @property
    def means(self) -> set[str]:
        """Terms of the fixed part whose coefficients are means."""
        recipe = self.design.recipe
        return set() if recipe is None else means_terms(self.design, recipe, self.fit)

    def variables_of(self, term: str) -> tuple[str, ...]:
        """The variables of a term of the fixed part."""
        return next(t.variables for t in self.design.fixed_terms if t.name == term)


def account(
    design: Design,
    fit: Fit,
    text: Words,
    *,
    checks: Checks | None = None,
    source: str = "",
    control: Control | None = None,
    labels: Mapping[str, str] | None = None,
) -> Account:
    """Compute what is told."""
    method = approximation(design, fit, "satterthwaite")
    made = () if checks is None else tuple(reworded(check, design, fit, text) for check in checks)
    skipped = () if checks is None else tuple(assumption for assumption, _ in checks.skipped)
    if text.lang == "zh":
        made = tuple(check_in_chinese(check) for check in made)
        skipped = tuple(in_chinese(assumption) for assumption in skipped)
    return Account(
        design=design,
        fit=fit,
        checks=made,
        skipped=skipped,
        source=source,
        text=text,
        tests=row_tests(method, fit.beta, np.eye(len(fit.beta))),
        terms=anova(design, fit, method) if len(fit.beta) and design.recipe is not None else (),
        spreads=spread_intervals(design, fit, control),
        labels=labels or {},
    )


def reworded(check: Check, design: Design, fit: Fit, text: Words) -> Check:
    """The checks of the optimum, with their evidence in the words of the report."""
    if check.assumption == "converged" and fit.certificate.certified:
        return replace(check, evidence=text.say("check_gap", gap=f"{convergence.gap(fit):.0e}"))
    if check.assumption == "converged":
        return replace(check, evidence=failed_condition(fit, text))
    if check.assumption == "regular covariances" and convergence.is_singular(fit):
        return replace(check, evidence=text.listed(singular_phrases(design, fit, text)[0]))
    return check


def spread_intervals(design: Design, fit: Fit, control: Control | None) -> dict[str, tuple[float, float]]:
    """Profile intervals of standard deviations and correlations, where they can be had in short time."""
    effects = sum(modes.size for modes in fit.modes)
    if not fit.certificate.certified or len(fit.theta) > PROFILE_PARAMETERS or effects > PROFILE_EFFECTS:
        return {}
    names = parameter_names(design, fit)[: len(fit.theta) + 1]
    found = _profiled(design, fit, names, control)
    return {name: (low, high) for name, low, high in found if np.isfinite(low) and np.isfinite(high)}


def _profiled(
    design: Design, fit: Fit, names: Sequence[str], control: Control | None
) -> list[tuple[str, float, float]]:
    """Profile intervals; one that cannot be followed to its ends does not cost the others theirs."""
    try:
        return profile_intervals(design, fit, level=LEVEL, parameters=names, control=control)
    except MixwellError:
        return (
            []
            if len(names) == 1
            else [row for name in names for row in _profiled(design, fit, [name], control)]
        )
