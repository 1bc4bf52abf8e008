"""mixedlm, from PyPI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mixedlm
import pandas as pd

from benchmarks.cases import Case
from benchmarks.peers import After, Answers, Reached

PACKAGES = ("mixedlm",)

LACKS = {
    "profile": "profiles fixed effects only",
    "emmeans": "marginal means without Kenward-Roger",
    "influence": "influence of rows only",
}


def refuse(case: Case) -> str | None:
    return LACKS.get(case.operation)


def fit(frame: pd.DataFrame, case: Case) -> Callable[[], Any]:
    return lambda: mixedlm.lmer(case.model.formula, frame, REML=case.reml)


def reached(fitted: Any, frame: pd.DataFrame, case: Case) -> Reached:
    return Reached(float(fitted.REMLcrit()), case.reml, "" if fitted.converged else "reports no convergence")


def summary(fitted: Any, case: Case) -> Any:
    str(fitted.summary())
    return fitted


def kenward_roger(fitted: Any, case: Case) -> Any:
    return fitted, mixedlm.pvalues_with_ddf(fitted, "Kenward-Roger")


def coefficients(tests: dict[str, tuple[float, float, float]], df: Any) -> Answers:
    """From name -> (estimate, statistic, p-value); interactions after main effects."""
    order = sorted(range(len(tests)), key=lambda j: list(tests)[j].count(":"))
    values = list(tests.values())
    return {
        "df": [float(df.df[j]) for j in order],
        "statistic": [values[j][1] for j in order],
        "p_value": [values[j][2] for j in order],
    }


def standard_errors(drawn: Any) -> Answers:
    return {"std_error": [float(drawn.sigma_samples.std(ddof=1)), *drawn.beta_samples.std(axis=0, ddof=1)]}


AFTER = {
    "summary": After(
        summary,
        lambda fitted: coefficients(mixedlm.pvalues_with_ddf(fitted), mixedlm.satterthwaite_df(fitted)),
    ),
    "kenward-roger": After(
        kenward_roger, lambda found: coefficients(found[1], mixedlm.kenward_roger_df(found[0]))
    ),
    "bootstrap": After(
        lambda fitted, case: mixedlm.bootMer(fitted, nsim=case.draws_of("mixedlm"), seed=1), standard_errors
    ),
}
