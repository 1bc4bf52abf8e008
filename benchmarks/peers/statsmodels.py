"""statsmodels' MixedLM: one factor with random slopes, or independent variance components.

Crossed factors are variance components of one group that holds every row, so its matrices are n x n.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import statsmodels.formula.api as smf

from benchmarks.cases import Case
from benchmarks.peers import Reached

PACKAGES = ("statsmodels",)

MOST_ROWS = 2_000
"""Above this, the n x n matrices of crossed factors no longer fit a sane time or memory."""


def refuse(case: Case) -> str | None:
    if len(case.random) == 1:
        return None
    if any(columns != "1" for columns, _ in case.random):
        return "no correlated slopes beside a second factor"
    return None


def fit(frame: pd.DataFrame, case: Case) -> Callable[[], Any]:
    fixed = f"{case.response} ~ {case.fixed}"
    if len(case.random) == 1:
        ((columns, factor),) = case.random
        return lambda: smf.mixedlm(fixed, frame, groups=factor, re_formula=f"~{columns}").fit(reml=case.reml)
    if len(frame) > MOST_ROWS:
        raise MemoryError("crossed factors take n x n matrices")
    components = {factor: f"0 + C({factor})" for _, factor in case.random}
    whole = [1] * len(frame)
    return lambda: smf.mixedlm(fixed, frame, groups=whole, re_formula="0", vc_formula=components).fit(
        reml=case.reml
    )


def reached(result: Any, frame: pd.DataFrame, case: Case) -> Reached:
    note = "" if result.converged else "reports no convergence"
    return Reached(-2.0 * float(result.llf), case.reml, note)


OPERATIONS = {"fit": fit}
