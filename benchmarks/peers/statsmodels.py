"""statsmodels' MixedLM: one factor with random slopes, or independent variance components.

Crossed factors are variance components of one group that holds every row, so its matrices are n x n.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from statsmodels.regression.mixed_linear_model import MixedLM

from benchmarks.cases import Case
from benchmarks.peers import After, Answers, Reached

PACKAGES = ("statsmodels",)

MOST_ROWS = 2_000
"""Above this, the n x n matrices of crossed factors no longer fit a sane time or memory."""


LACKS = {
    "summary": "no degrees of freedom",
    "kenward-roger": "no degrees of freedom",
    "profile": "profiles random effects only, without intervals",
    "emmeans": "no marginal means",
    "influence": "no influence in mixed models",
}


def refuse(case: Case) -> str | None:
    if case.operation in LACKS:
        return LACKS[case.operation]
    if len(case.model.random) == 1:
        return None
    if any(columns != "1" for columns, _ in case.model.random):
        return "no correlated slopes beside a second factor"
    return None


def fit(frame: pd.DataFrame, case: Case) -> Callable[[], Any]:
    fixed = f"{case.model.response} ~ {case.model.fixed}"
    if len(case.model.random) == 1:
        ((columns, factor),) = case.model.random
        return lambda: smf.mixedlm(fixed, frame, groups=factor, re_formula=f"~{columns}").fit(reml=case.reml)
    if len(frame) > MOST_ROWS:
        raise MemoryError("crossed factors take n x n matrices")
    components = {factor: f"0 + C({factor})" for _, factor in case.model.random}
    whole = [1] * len(frame)
    return lambda: smf.mixedlm(fixed, frame, groups=whole, re_formula="0", vc_formula=components).fit(
        reml=case.reml
    )


def reached(fitted: Any, frame: pd.DataFrame, case: Case) -> Reached:
    note = "" if fitted.converged else "reports no convergence"
    return Reached(-2.0 * float(fitted.llf), case.reml, note)


def bootstrap(fitted: Any, case: Case) -> list[Any]:
    """It has no bootstrap of its own: responses are drawn here, and its model is fitted to each."""
    model = fitted.model
    rng = np.random.default_rng(1)
    levels, group = np.unique(model.groups, return_inverse=True)
    of_levels = np.linalg.cholesky(np.asarray(fitted.cov_re))
    mean = model.exog @ np.asarray(fitted.fe_params)
    refits = []
    for _ in range(case.draws_of("statsmodels")):
        effects = rng.standard_normal((len(levels), len(of_levels))) @ of_levels.T
        errors = np.sqrt(fitted.scale) * rng.standard_normal(len(mean))
        drawn = mean + np.einsum("nk,nk->n", model.exog_re, effects[group]) + errors
        refits.append(MixedLM(drawn, model.exog, model.groups, model.exog_re).fit(reml=case.reml))
    return refits


def standard_errors(refits: list[Any]) -> Answers:
    estimates = np.array([[np.sqrt(refit.scale), *refit.fe_params] for refit in refits])
    return {"std_error": estimates.std(axis=0, ddof=1).tolist()}


AFTER = {"bootstrap": After(bootstrap, standard_errors)}
