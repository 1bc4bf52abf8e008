"""GPBoost's grouped random effects: maximum likelihood, independent effects, approximate by default.

With more than one factor the default method is iterative and the log-likelihood it reports stochastic, so the
criterion shown is evaluated exactly at the variances it found.
"""

from __future__ import annotations

from collections.abc import Callable

import gpboost as gpb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.cases import Case
from benchmarks.criterion import ml_criterion
from benchmarks.peers import After, Reached

PACKAGES = ("gpboost",)


def refuse(case: Case) -> str | None:
    if any(columns != "1" for columns, _ in case.model.random):
        return "no correlated slopes"
    return None


def fixed_columns(frame: pd.DataFrame, case: Case) -> NDArray[np.float64]:
    """Intercept, numeric columns as they are, treatment contrasts of categorical ones."""
    columns = [np.ones(len(frame))]
    for name in case.model.fixed.split(" + "):
        if name == "1":
            continue
        if isinstance(frame[name].dtype, pd.CategoricalDtype):
            codes = frame[name].cat.codes.to_numpy()
            n_levels = len(frame[name].cat.categories)
            columns += [(codes == level).astype(np.float64) for level in range(1, n_levels)]
        else:
            columns.append(frame[name].to_numpy(np.float64))
    return np.column_stack(columns)


def codes_of(frame: pd.DataFrame, factor: str) -> NDArray[np.int64]:
    """Integer label of each row's level; ``a:b`` is the pair."""
    codes = np.zeros(len(frame), dtype=np.int64)
    for name in factor.split(":"):
        column = frame[name]
        part = (column.cat.codes if isinstance(column.dtype, pd.CategoricalDtype) else column).to_numpy()
        codes = codes * (int(part.max()) + 1) + part
    return codes


def groups(frame: pd.DataFrame, case: Case) -> NDArray[np.int64]:
    return np.column_stack([codes_of(frame, factor) for _, factor in case.model.random])


def fit(frame: pd.DataFrame, case: Case) -> Callable[[], gpb.GPModel]:
    def call() -> gpb.GPModel:
        model = gpb.GPModel(group_data=groups(frame, case), likelihood="gaussian")
        model.fit(y=frame[case.model.response].to_numpy(np.float64), X=fixed_columns(frame, case))
        return model

    return call


def reached(fitted: gpb.GPModel, frame: pd.DataFrame, case: Case) -> Reached:
    residual, *variances = np.asarray(fitted.get_cov_pars(), dtype=np.float64).ravel()
    exact = ml_criterion(
        frame[case.model.response].to_numpy(np.float64),
        fixed_columns(frame, case),
        [np.unique(codes, return_inverse=True)[1] for codes in groups(frame, case).T],
        [float(variance / residual) for variance in variances],
    )
    return Reached(exact, False)


AFTER: dict[str, After] = {}
