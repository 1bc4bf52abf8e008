"""mixedlm, from PyPI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mixedlm
import pandas as pd

from benchmarks.cases import Case
from benchmarks.peers import Reached

PACKAGES = ("mixedlm",)


def refuse(case: Case) -> str | None:
    return None


def fit(frame: pd.DataFrame, case: Case) -> Callable[[], Any]:
    return lambda: mixedlm.lmer(case.formula, frame, REML=case.reml)


def reached(result: Any, frame: pd.DataFrame, case: Case) -> Reached:
    return Reached(float(result.REMLcrit()), case.reml, "" if result.converged else "reports no convergence")


OPERATIONS = {"fit": fit}
