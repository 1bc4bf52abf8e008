"""mixwell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

import mixwell as mw
from benchmarks.cases import Case
from benchmarks.peers import Reached

PACKAGES = ("mixwell", "numpy", "scipy", "pandas", "formulaic")


def refuse(case: Case) -> str | None:
    return None


def fit(frame: pd.DataFrame, case: Case) -> Callable[[], Any]:
    return lambda: mw.lmer(case.formula, frame, reml=case.reml)


def reached(result: Any, frame: pd.DataFrame, case: Case) -> Reached:
    return Reached(
        float(result.criterion), case.reml, "" if result.convergence.converged else "not certified"
    )


OPERATIONS = {"fit": fit}
