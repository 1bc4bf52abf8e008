"""Tests of equal residual variance."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.diagnostic import het_breuschpagan

from mixwell.arguments import check_one_of
from mixwell.data.columns import Factor
from mixwell.data.frame import near
from mixwell.design.record import Design
from mixwell.diagnostics.marginal import fixed_columns
from mixwell.diagnostics.record import DiagnosticTest
from mixwell.errors import DataError, ModelError
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.inference.contrast import f_upper

FloatArray = NDArray[np.float64]
WhiteForm = Literal["full", "mean", "fitted"]

# More regressors than this, and White's test takes the population means and their squares instead.
WHITE_MOST = 60
_ALIASED = 1e-7
_CAVEAT = (
    "Rows of a group are taken as independent given the fit; a wrong mean can look like unequal variance, "
    "and rows that random slopes fit closely vary less."
)


def independent_columns(columns: FloatArray) -> FloatArray:
    """A constant, then every column that is not a combination of it and the columns before.

    Parameters
    ----------
    columns
        Shape (n, m).

    Returns
    -------
    Shape (n, 1 + kept).
    """
    largest = np.abs(columns).max(axis=0, initial=0.0)
    usable = np.flatnonzero(largest > 0)
    scaled = np.column_stack([np.ones(len(columns)), columns[:, usable] / largest[usable]])
    # Inner products of columns are those of R, which is small.
    r: FloatArray = np.asarray(np.linalg.qr(scaled, mode="r"))
    basis = r[:, :1] / np.linalg.norm(r[:, 0])
    kept = []
    for j, column in enumerate(usable):
        rest = r[:, j + 1]
        norm = np.linalg.norm(rest)
        for _ in range(2):
            rest = rest - basis @ (basis.T @ rest)
        left = np.linalg.norm(rest)
        if left > _ALIASED * norm:
            basis = np.column_stack([basis, rest / left])
            kept.append(column)
    return np.column_stack([np.ones(len(columns)), columns[:, kept]])


def _lm(
    name: str, about: str, residuals: FloatArray, regressors: FloatArray, caveat: str = _CAVEAT
) -> DiagnosticTest:
    design = independent_columns(regressors)
    df = design.shape[1] - 1
    if df == 0:
        raise ModelError(f"{name} needs a predictor: the fixed part is constant; levene() compares groups.")
    if df >= len(residuals) - 1:
        raise ModelError(
            f"{name} has {df} regressors for {len(residuals)} rows; use white(form='mean') with two."
        )
    # Standardized regressors span the same space and keep the auxiliary regression well conditioned.
    spread = design[:, 1:] - design[:, 1:].mean(axis=0)
    exog = np.column_stack([design[:, 0], spread / spread.std(axis=0)])
    statistic, p, _, _ = het_breuschpagan(residuals, exog)
    p = float(p)
    meaning = (
        f"The residual variance changes with {about}."
        if p < 0.05
        else f"No sign that the residual variance changes with {about}."
    )
    return DiagnosticTest(
        name, "squared residuals", "LM", float(statistic), (float(df),), p, len(residuals), meaning, caveat
    )


def breusch_pagan(design: Design, fit: Fit) -> DiagnosticTest:
    """Squared Pearson residuals on the columns of X: n R^2 (Breusch & Pagan 1979, as Koenker 1981).

    Aliased and constant columns are left out.
    """
    residuals = quantities.pearson_residuals(design, fit)
    return _lm("Breusch-Pagan test", "the predictors", residuals, fixed_columns(design, fit))


def white_terms(p: int) -> int:
    """Regressors of White's test with p predictors: they, their squares and products."""
    return p + p * (p + 1) // 2


def white(design: Design, fit: Fit, *, form: WhiteForm | None = None) -> DiagnosticTest:
    """White's (1980) test: squared Pearson residuals on the predictors, their squares and products.

    Parameters
    ----------
    form
        ``"full"``; ``"mean"`` regresses on the population means X beta and their squares, two regressors
        however large the model is (Wooldridge 2013, section 8.3); ``"fitted"`` on the fitted values and their
        squares. None takes the full form up to 60 regressors, else the means.
    """
    chosen = _form(design, fit, form)
    about = {"full": "the predictors", "mean": "the population means", "fitted": "the fitted values"}[chosen]
    caveat = _CAVEAT
    if chosen == "fitted":
        caveat += (
            " Fitted values hold random effects estimated from the same rows: with few rows per level the "
            "test rejects too often."
        )
    residuals = quantities.pearson_residuals(design, fit)
    return _lm("White's test", about, residuals, regressors(design, fit, form), caveat)


def _form(design: Design, fit: Fit, form: WhiteForm | None) -> WhiteForm:
    if form is not None:
        check_one_of("form", form, get_args(WhiteForm))
        return form
    p = predictors(design, fit).shape[1]
    return "full" if 0 < white_terms(p) <= min(WHITE_MOST, design.n_obs // 3) else "mean"


def predictors(design: Design, fit: Fit) -> FloatArray:
    """The estimable columns of X that vary."""
    x = fixed_columns(design, fit)
    return x[:, np.ptp(x, axis=0) > 0]


def regressors(design: Design, fit: Fit, form: WhiteForm | None = None) -> FloatArray:
    """What White's test regresses on, aliased columns among it."""
    chosen = _form(design, fit, form)
    if chosen != "full":
        values = fit.fitted if chosen == "fitted" else quantities.linear_predictor(design, fit)
        values = values - values.mean()
        return np.column_stack([values, values**2])
    x = predictors(design, fit)
    # The constant, x and its products span the same from any origin; from the mean they are told apart.
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    p = x.shape[1]
    return np.column_stack([x, *(x[:, i] * x[:, j] for i in range(p) for j in range(i, p))])


def spread_ratio(design: Design, fit: Fit, columns: FloatArray) -> float:
    """Residual variance where the regressors make it largest over where they make it smallest, by thirds."""
    squares = quantities.pearson_residuals(design, fit) ** 2
    q = np.linalg.qr(independent_columns(columns))[0]
    order = np.argsort(q @ (q.T @ squares), kind="stable")
    third = max(len(squares) // 3, 1)
    return float(squares[order[-third:]].mean() / max(squares[order[:third]].mean(), 1e-300))


def grouping(design: Design, by: str) -> tuple[NDArray[np.object_], NDArray[np.intp]]:
    """Levels and codes of a grouping factor or of a categorical variable of the formula.

    Raises
    ------
    DataError
        If there is none of that name.
    """
    for factor in design.factors:
        if factor.name == by:
            return factor.levels, factor.codes.astype(np.intp)
    column = design.variables.get(by)
    if isinstance(column, Factor):
        return column.levels, column.codes.astype(np.intp)
    known = [factor.name for factor in design.factors]
    known += [name for name, other in design.variables.items() if isinstance(other, Factor)]
    raise DataError(
        f"by={by!r} is no grouping factor or categorical variable of the model{near(str(by), known)}"
    )


def levene(design: Design, fit: Fit, by: str) -> DiagnosticTest:
    """Brown & Forsythe's (1974) form of Levene's test: absolute deviations from group medians, compared by F.

    Groups of fewer than 3 rows are left out.

    Raises
    ------
    DataError
        If ``by`` is no factor.
    ModelError
        If fewer than two groups have 3 rows.
    """
    levels, codes = grouping(design, by)
    sizes = np.bincount(codes, minlength=len(levels))
    used = sizes >= 3
    if used.sum() < 2:
        raise ModelError(f"Levene's test by {by} needs two levels with at least 3 rows each.")
    rows = used[codes]
    group = (np.cumsum(used) - 1)[codes[rows]]
    residuals = quantities.pearson_residuals(design, fit)[rows]
    deviation = np.abs(residuals - group_medians(residuals, group)[group])
    count = np.bincount(group)
    means = np.bincount(group, weights=deviation) / count
    between = float(np.sum(count * (means - deviation.mean()) ** 2))
    within = float(np.sum((deviation - means[group]) ** 2))
    df = (len(count) - 1, len(deviation) - len(count))
    if within <= 0:
        raise ModelError(f"Levene's test by {by}: the residuals do not vary within groups.")
    statistic = between / df[0] / (within / df[1])
    p = f_upper(statistic, df[0], float(df[1]))
    meaning = (
        f"The residual variance differs between levels of {by}."
        if p < 0.05
        else f"No sign that the residual variance differs between levels of {by}."
    )
    left_out = int(len(levels) - used.sum())
    caveat = (
        "Residuals within a group are less variable the more its random effects fit; with few rows per level "
        "the test rejects too rarely."
    )
    if left_out:
        caveat += f" Levels with fewer than 3 rows are left out ({left_out})."
    return DiagnosticTest(
        "Brown-Forsythe test",
        f"residuals by {by}",
        "F",
        statistic,
        (float(df[0]), float(df[1])),
        p,
        len(deviation),
        meaning,
        caveat,
    )


def group_medians(values: FloatArray, group: NDArray[np.intp]) -> FloatArray:
    """Median of each group; every code from 0 on must occur."""
    order = np.lexsort((values, group))
    sizes = np.bincount(group)
    start = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    ordered = values[order]
    medians: FloatArray = (ordered[start + (sizes - 1) // 2] + ordered[start + sizes // 2]) / 2
    return medians
