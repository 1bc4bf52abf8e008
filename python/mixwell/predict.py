"""Predicted means and their uncertainty, of the rows of the fit and of new rows.

A mean is x'beta + z'b with the conditional modes for b. Its variance, that of x'(beta-hat - beta) +
z'(b-hat - b), comes from the inverse of the mixed model equations (Henderson 1975), so that the covariance of
fixed effects and modes is in it. A new observation adds what the mean does not know: random effects of levels
that the fit has not seen, z' Sigma z, and the residual variance over the row's prior weight.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from mixwell import kernel
from mixwell.arguments import check_one_of
from mixwell.data.frame import near
from mixwell.data.output import Origin, output_kind
from mixwell.design.newdata import NewRows, new_rows
from mixwell.design.record import Design
from mixwell.errors import DataError, MixwellError, NewLevelsError, RankDeficiencyWarning
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.inference.contrast import t_quantile
from mixwell.inference.degrees_of_freedom import approximation
from mixwell.inference.estimable import aliasing, estimable
from mixwell.inference.satterthwaite import satterthwaite
from mixwell.kernel import Theta

if TYPE_CHECKING:
    from mixwell._kernel import Problem

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]
RandomEffects = bool | str | Sequence[str]
NewLevels = Literal["error", "zero"]
Interval = Literal["confidence", "prediction"]

# Methods for degrees of freedom that are defined for any variance, not for fixed effects alone.
GENERAL_DDF = ("satterthwaite", "residual", "normal")
# Step of the differences, in coordinates of about unit scale: of fourth order, they err by about 1e-12.
STEP = 1e-3

# Unseen levels, and rows, that are named.
NAMED = 5


def selected_factors(design: Design, random: RandomEffects) -> tuple[int, ...]:
    """Indices of the grouping factors whose random effects are added.

    Raises
    ------
    DataError
        If a name is not a grouping factor of the model.
    """
    if isinstance(random, bool | np.bool_):
        return tuple(range(len(design.factors))) if random else ()
    names = [factor.name for factor in design.factors]
    wanted = [random] if isinstance(random, str) else list(random)
    for name in wanted:
        if name not in names:
            raise DataError(f"random={name!r} is not a grouping factor of the model{near(str(name), names)}")
    return tuple(i for i, name in enumerate(names) if name in wanted)


def add_random_effects(
    mean: FloatArray,
    design: Design,
    fit: Fit,
    factors: tuple[int, ...],
    columns: Sequence[Sequence[FloatArray]],
    codes: Sequence[NDArray[np.integer] | None],
) -> None:
    """Add Z b of some factors to ``mean`` (m,); ``columns`` per term and ``codes`` per factor are of m rows.

    A code of -1 takes no random effect.
    """
    used = [0] * len(design.factors)
    for term, term_columns in zip(design.terms, columns, strict=True):
        first = used[term.factor]
        used[term.factor] += len(term.names)
        code = codes[term.factor]
        if term.factor not in factors or code is None:
            continue
        # The last row, which -1 picks, is the level nobody has seen.
        effects = np.vstack([fit.modes[term.factor], np.zeros(fit.modes[term.factor].shape[1])])
        for j, column in enumerate(term_columns):
            mean += column * effects[code, first + j]


def predict_rows(design: Design, fit: Fit, random: RandomEffects = True) -> FloatArray:
    """Means of the rows of the fit, length n; all random effects give the fitted values."""
    factors = selected_factors(design, random)
    if len(factors) == len(design.factors):
        return fit.fitted
    mean = quantities.linear_predictor(design, fit)
    add_random_effects(
        mean,
        design,
        fit,
        factors,
        [term.columns for term in design.terms],
        [factor.codes for factor in design.factors],
    )
    return mean


def predict_new(
    design: Design, fit: Fit, newdata: object, random: RandomEffects = True, new_levels: NewLevels = "error"
) -> tuple[FloatArray, Origin]:
    """Means of new rows, NaN where a predictor is missing, and where the rows come from.

    Also NaN, with a warning, are means that the data do not determine.

    Raises
    ------
    NewLevelsError
        If ``new_levels`` is ``"error"`` and a selected factor has levels that the fit has not seen.
    DataError
        If a column is absent or an argument does not exist.
    """
    factors = selected_factors(design, random)
    rows = new_rows(design, newdata, factors=[design.factors[i].name for i in factors])
    check_levels(design, factors, rows, new_levels)
    mean = mean_of_new(design, fit, factors, rows)
    mean[told_undetermined(design, fit, rows)] = np.nan
    return mean, Origin(output_kind(rows.kind), rows.index)


def check_levels(design: Design, factors: tuple[int, ...], rows: NewRows, new_levels: str) -> None:
    """Refuse levels that the fit has not seen unless they are asked to count as zero."""
    check_one_of("new_levels", new_levels, ("error", "zero"))
    if new_levels == "error":
        unseen = [unseen_phrase(design.factors[i].name, rows.unseen[i]) for i in factors if rows.unseen[i]]
        if unseen:
            raise NewLevelsError(
                f"The new data have levels that were not in the fit: {'; '.join(unseen)}. "
                "With new_levels='zero' their random effects are zero, the mean of the population."
            )


def mean_of_new(design: Design, fit: Fit, factors: tuple[int, ...], rows: NewRows) -> FloatArray:
    """Means of new rows with the random effects of some factors; NaN where a predictor is missing."""
    x = rows.x if len(fit.kept) == rows.x.shape[1] else rows.x[:, fit.kept]
    mean = x @ fit.beta
    if rows.offset is not None:
        mean += rows.offset
    add_random_effects(mean, design, fit, factors, rows.columns, rows.codes)
    mean[rows.missing] = np.nan
    return mean


def unseen_phrase(factor: str, levels: tuple[str, ...]) -> str:
    """``Subject 'a', 'b' and 3 more``."""
    listed = ", ".join(map(repr, levels[:NAMED]))
    more = len(levels) - NAMED
    return f"{factor} {listed}" + (f" and {more} more" if more > 0 else "")


# ---- intervals


@dataclass(frozen=True, slots=True)
class Prediction:
    """Means of m rows and their intervals; everything has length m.

    NaN where a predictor is missing, or the data do not determine the mean.

    Attributes
    ----------
    mean
        x'beta + z'b + offset.
    std_error
        Standard deviation of the mean's error or, for new observations, of theirs.
    df
        Degrees of freedom; infinite for the normal distribution and where nothing is estimated.
    low, high
        Ends of the intervals.
    """

    mean: FloatArray
    std_error: FloatArray
    df: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, slots=True)
class PredictorRows:
    """m complete rows as the variance needs them.

    Attributes
    ----------
    x
        Shape (m, p), aliased columns included.
    columns
        Per term its k columns, length m.
    codes
        Per factor, length m: levels; -1 takes no random effect.
    weights
        Length m, or None.
    """

    x: FloatArray
    columns: tuple[tuple[FloatArray, ...], ...]
    codes: tuple[IntArray, ...]
    weights: FloatArray | None


def predict_interval(
    design: Design,
    fit: Fit,
    newdata: object,
    random: RandomEffects,
    new_levels: NewLevels,
    *,
    interval: Interval,
    level: float,
    ddf: str,
) -> tuple[Prediction, Origin | None]:
    """Means of the rows of the fit (``newdata`` None) or of new rows, with intervals.

    The intervals are told in ``LmerResult.predict``.

    Returns
    -------
    prediction, origin
        The origin of new rows; None for those of the fit.

    Raises
    ------
    MixwellError
        If ``interval`` or ``ddf`` does not exist, or ``ddf`` is for fixed effects only and more is in the
        variance.
    NewLevelsError, DataError
        As for :func:`predict_new`; for new observations of a weighted fit also if weights are absent.
    """
    if interval not in ("confidence", "prediction"):
        raise MixwellError(f"interval is {interval!r}; it is 'confidence', 'prediction' or None.")
    t_quantile(level, np.ones(1))
    factors = selected_factors(design, random)
    new = interval == "prediction"
    if (factors or new) and ddf not in GENERAL_DDF:
        approximation(design, fit, ddf)  # a name that does not exist is refused there
        raise MixwellError(
            f"ddf={ddf!r} is a method for fixed effects alone; use it with random=False and "
            f"interval='confidence', or take one of {', '.join(map(repr, GENERAL_DDF))}."
        )
    if newdata is None:
        mean, complete, rows, at = predict_rows(design, fit, random), None, rows_of_fit(design, factors), None
    else:
        found = new_rows(
            design,
            newdata,
            factors=[design.factors[i].name for i in factors],
            all_terms=new,
            need_weights=new,
        )
        check_levels(design, factors, found, new_levels)
        mean = mean_of_new(design, fit, factors, found)
        lost = told_undetermined(design, fit, found)
        mean[lost] = np.nan
        complete = np.setdiff1d(np.flatnonzero(~found.missing), lost)
        rows, at = complete_rows(design, found, complete), Origin(output_kind(found.kind), found.index)
    variance, df = variance_and_df(design, fit, rows, new=new, ddf=ddf)
    std_error = np.sqrt(variance)
    if complete is not None and len(complete) < len(mean):
        spread = np.full((2, len(mean)), np.nan)
        spread[:, complete] = std_error, df
        std_error, df = spread
    half = np.zeros(len(mean))
    inexact = std_error != 0
    half[inexact] = t_quantile(level, df[inexact]) * std_error[inexact]
    return Prediction(mean, std_error, df, mean - half, mean + half), at


def rows_of_fit(design: Design, factors: tuple[int, ...]) -> PredictorRows:
    """The rows of the fit, with the random effects of some factors."""
    none = np.full(design.n_obs, -1, dtype=np.int32)
    return PredictorRows(
        design.x,
        tuple(term.columns for term in design.terms),
        tuple(factor.codes if i in factors else none for i, factor in enumerate(design.factors)),
        design.weights,
    )


def complete_rows(design: Design, rows: NewRows, complete: NDArray[np.intp]) -> PredictorRows:
    """New rows at some positions; columns that were not made are zero."""
    m = len(complete)
    none, zero = np.full(m, -1, dtype=np.int32), np.zeros(m)
    return PredictorRows(
        rows.x[complete],
        tuple(
            tuple(column[complete] for column in columns) if columns else (zero,) * len(term.names)
            for term, columns in zip(design.terms, rows.columns, strict=True)
        ),
        tuple(none if codes is None else codes[complete] for codes in rows.codes),
        None if rows.weights is None else rows.weights[complete],
    )


def undetermined(design: Design, fit: Fit, rows: NewRows) -> NDArray[np.intp]:
    """Complete rows whose mean depends on which of the aliased columns was dropped."""
    complete = np.flatnonzero(~rows.missing)
    if len(fit.kept) == rows.x.shape[1]:
        return complete[:0]
    return complete[~estimable(rows.x[complete], aliasing(design.x, fit.kept))]


def undetermined_sentence(design: Design, fit: Fit, rows: NDArray[np.intp]) -> str:
    """Which rows are meant, and why."""
    listed = ", ".join(str(row + 1) for row in rows[:NAMED])
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    names = ", ".join(map(repr, quantities.dropped_names(design, fit)))
    return (
        f"The data do not determine the mean of row{'s' if len(rows) > 1 else ''} {listed}{more} of the new "
        "data (counted from 1), which combine the fixed effects in ways that never occurred in the fit "
        f"(aliased: {names})."
    )


def told_undetermined(design: Design, fit: Fit, rows: NewRows) -> NDArray[np.intp]:
    """The rows of :func:`undetermined`, after a warning that their predictions are missing."""
    lost = undetermined(design, fit, rows)
    if len(lost):
        warnings.warn(
            f"{undetermined_sentence(design, fit, lost)} Their predictions are missing values. Leave these "
            "rows out, or fit without the terms of the aliased columns.",
            RankDeficiencyWarning,
            stacklevel=4,
        )
    return lost


def variance_and_df(
    design: Design, fit: Fit, rows: PredictorRows, *, new: bool, ddf: str
) -> tuple[FloatArray, FloatArray]:
    """Variance of the error of m means, or of ``new`` observations, and its degrees of freedom.

    Rows whose mean is x'beta alone are contrasts of the fixed effects, and come from the same engine as tests
    of these. Else, with g the gradient of the variance v over (T, log sigma^2) and A their asymptotic
    covariance, df = 2 v^2 / (g'Ag), as for contrasts; the part of g for T is found by differences.
    """
    m = len(rows.x)
    df = np.full(m, np.inf)
    fixed = np.full(m, not new)
    for codes in rows.codes:
        fixed &= codes < 0
    variance = np.zeros(m)
    some = np.flatnonzero(fixed & rows.x[:, fit.kept].any(axis=1))
    if len(some):
        x = rows.x[np.ix_(some, fit.kept)]
        method = approximation(design, fit, ddf)
        variance[some] = np.einsum("mi,ij,mj->m", x, method.vcov, x)
        df[some] = method.row_df(x)
    rest = np.flatnonzero(~fixed)
    if not len(rest):
        return variance, df
    problem = kernel.problem(design)
    part = PredictorRows(
        rows.x[rest],
        tuple(tuple(column[rest] for column in columns) for columns in rows.columns),
        tuple(codes[rest] for codes in rows.codes),
        None if rows.weights is None else rows.weights[rest],
    )

    def relative(theta: Theta) -> FloatArray:
        return relative_variance(design, problem, part, theta, new=new)

    variance[rest] = fit.sigma**2 * relative(fit.theta)
    if ddf == "residual":
        df[rest] = design.n_obs - len(fit.beta)
    elif ddf == "satterthwaite":
        method = satterthwaite(design, fit)
        gradient = np.empty((len(rest), len(method.parameter_cov)))
        gradient[:, :-1] = fit.sigma**2 * theta_derivative(design, problem, fit, relative)
        gradient[:, -1] = variance[rest]
        spread = np.einsum("mi,ij,mj->m", gradient, method.parameter_cov, gradient)
        np.divide(2 * variance[rest] ** 2, spread, out=spread, where=spread > 0)
        df[rest] = np.where(variance[rest] > 0, spread, np.inf)
    return variance, df


def relative_variance(
    design: Design, problem: Problem, rows: PredictorRows, theta: Theta, *, new: bool
) -> FloatArray:
    """Variance over sigma^2 of the error of m means or, if ``new``, of new observations, at ``theta``."""
    out = kernel.predictor_variances(design, theta, rows.x, rows.codes, rows.columns, at=problem)
    # Var(z'(b - b-hat)) of an effect that the data reproduce exactly may come out as -1e-20.
    out = np.maximum(out, 0.0)
    if new:
        for term, t, columns in zip(
            design.terms, quantities.unpacked(design, theta), rows.columns, strict=True
        ):
            unknown = rows.codes[term.factor] < 0
            z = np.column_stack([column[unknown] for column in columns])
            out[unknown] += np.sum((z @ t) ** 2, axis=1)
        out += 1.0 if rows.weights is None else 1 / rows.weights
    return out


def theta_derivative(
    design: Design, problem: Problem, fit: Fit, f: Callable[[Theta], FloatArray]
) -> FloatArray:
    """Derivative of f(theta), length m, over the active coordinates of the fit's curvature: (m, active).

    The kernel's coordinates, in which columns have mean squares 1: there a step of one size suits all.
    """
    at = kernel.coordinates_of(design, fit.theta, problem)

    def along(coordinate: int, step: float) -> FloatArray:
        moved = at.copy()
        moved[coordinate] += step
        return f(kernel.theta_of(design, kernel.Coordinates(moved), problem))

    columns = []
    for j in np.flatnonzero(fit.curvature.active).tolist():
        h = STEP * max(1.0, abs(at[j]))
        close, far = along(j, h) - along(j, -h), along(j, 2 * h) - along(j, -2 * h)
        columns.append((8 * close - far) / (12 * h))
    return np.column_stack(columns) if columns else np.zeros((len(f(fit.theta)), 0))
