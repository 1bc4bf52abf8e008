"""mixwell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

import mixwell as mw
from benchmarks.cases import Case
from benchmarks.peers import After, Answers, Reached, columns

PACKAGES = ("mixwell", "numpy", "scipy", "pandas", "formulaic")
COEFFICIENTS = ("std_error", "df", "statistic", "p_value")


def refuse(case: Case) -> str | None:
    return None


def fit(frame: pd.DataFrame, case: Case) -> Callable[[], mw.LmerResult]:
    return lambda: mw.lmer(case.model.formula, frame, reml=case.reml)


def reached(fitted: mw.LmerResult, frame: pd.DataFrame, case: Case) -> Reached:
    note = "" if fitted.convergence.converged else "not certified"
    return Reached(float(fitted.criterion), case.reml, note)


def summary(fitted: mw.LmerResult, case: Case) -> Any:
    table = fitted.summary()
    str(table)  # the text is made when it is asked for
    return table


def coefficients(table: Any) -> Answers:
    fixed = table.content.fixed
    return {name: getattr(fixed, name).tolist() for name in COEFFICIENTS}


def standard_errors(drawn: Any) -> Answers:
    """Of sigma and the fixed effects, the last rows of the table."""
    table = drawn.frame
    return columns(table[(table["term"] == "sigma").cummax()], "std_error")


def interval_ends(table: pd.DataFrame) -> Answers:
    return {"interval": table.to_numpy().ravel().tolist()}


def deletions(found: Any) -> Answers:
    variances = found.variances[:, [0, 1, 3]]  # without the covariance, which comes close to zero
    return {"fixed effects": found.params.ravel().tolist(), "variances": variances.ravel().tolist()}


AFTER = {
    "summary": After(summary, coefficients),
    "kenward-roger": After(
        lambda fitted, case: fitted.tidy(ddf="kenward-roger"), lambda table: columns(table, *COEFFICIENTS)
    ),
    "bootstrap": After(
        lambda fitted, case: fitted.bootstrap(case.draws_of("mixwell"), seed=1, progress=False),
        standard_errors,
    ),
    "profile": After(lambda fitted, case: fitted.profile().conf_int(0.95), interval_ends),
    "emmeans": After(
        lambda fitted, case: fitted.emmeans(case.about, ddf="kenward-roger").contrast("pairwise").frame,
        lambda table: columns(table, "estimate", "std_error", "df", "p_value", "conf_low", "conf_high"),
    ),
    "influence": After(lambda fitted, case: fitted.influence(case.about, refit=True), deletions),
    "check": After(lambda fitted, case: fitted.check(), lambda found: {}),
}
