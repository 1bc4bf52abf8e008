"""Tests of the normal distribution of residuals and random effects; outliers; simulated residuals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import chdtrc, ndtr
from statsmodels.stats.diagnostic import normal_ad

from mixwell import kernel
from mixwell.arguments import check_one_of
from mixwell.data.output import NativeFrame, Origin, frame
from mixwell.design.record import Design
from mixwell.design.rows import row_labels, row_named
from mixwell.diagnostics.record import DiagnosticTest
from mixwell.diagnostics.residuals import residual_df, studentized_residuals
from mixwell.errors import ModelError
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.inference.contrast import t_two_sided
from mixwell.simulate import Seed, generator, simulate

FloatArray = NDArray[np.float64]
NormalityMethod = Literal["shapiro", "dagostino", "anderson"]
Adjustment = Literal["holm", "bonferroni"]

# The approximation of Shapiro & Wilk's p-value was made for at most so many values (Royston 1995).
SHAPIRO_MOST = 5000
# D'Agostino's test needs 20 values, Shapiro & Wilk's 3.
DAGOSTINO_LEAST = 20


@dataclass(frozen=True, slots=True)
class Shape:
    """Skewness and excess kurtosis (0 and 0 for the normal distribution), by moments."""

    skewness: float
    kurtosis: float


def shape(values: FloatArray) -> Shape:
    """Third and fourth standardized moments, the latter minus 3."""
    z = values - values.mean()
    variance = float(np.mean(z**2))
    return Shape(float(np.mean(z**3)) / variance**1.5, float(np.mean(z**4)) / variance**2 - 3)


def normality(
    values: FloatArray, about: str, *, method: NormalityMethod | None = None, caveat: str = ""
) -> DiagnosticTest:
    """A test that values are a normal sample.

    Parameters
    ----------
    values
        Length n.
    about
        What they are.
    method
        ``"shapiro"`` (Shapiro & Wilk 1965), ``"dagostino"`` (D'Agostino & Pearson 1973: skewness and
        kurtosis), ``"anderson"`` (Anderson & Darling 1954, with the p-value of Stephens 1986). None takes
        Shapiro & Wilk's for at most 5000 values, else D'Agostino & Pearson's.
    caveat
        A sentence put before the general one.

    Raises
    ------
    ModelError
        For fewer than 3 values (20 for D'Agostino & Pearson), or values that are all the same.
    """
    if method is not None:
        check_one_of("method", method, get_args(NormalityMethod))
    n = len(values)
    chosen: NormalityMethod = method or ("shapiro" if n <= SHAPIRO_MOST else "dagostino")
    least = DAGOSTINO_LEAST if chosen == "dagostino" else 8 if chosen == "anderson" else 3
    if n < least or np.ptp(values) == 0:
        reason = f"there are {n}" if n < least else "they are all the same"
        raise ModelError(f"A test of normality of the {about} needs {least} different values; {reason}.")
    df: tuple[float, ...] = ()
    if chosen == "shapiro":
        found = stats.shapiro(values)
        name, symbol, statistic, p = "Shapiro-Wilk test", "W", float(found.statistic), float(found.pvalue)
    elif chosen == "dagostino":
        k2, k2_p = stats.normaltest(values)
        name, symbol, statistic, p = (
            "D'Agostino-Pearson test",
            "K2",
            float(k2),
            float(k2_p),
        )
        df = (2.0,)
    else:
        ad, ad_p = normal_ad(values)
        name, symbol, statistic, p = "Anderson-Darling test", "A2", float(ad), float(ad_p)
    moments = shape(values)
    shown = f"skewness {moments.skewness:.2f}, excess kurtosis {moments.kurtosis:.2f}"
    meaning = (
        f"The {about} deviate from a normal distribution ({shown})."
        if p < 0.05
        else f"No sign that the {about} are not normal ({shown})."
    )
    why = ""
    if chosen != "shapiro" and n > SHAPIRO_MOST:
        why = (
            f"Shapiro-Wilk is not used for n > {SHAPIRO_MOST}: its p-value was calibrated up to there, and "
            "so many values make any deviation significant; look at skewness and kurtosis."
        )
    elif n > 1000:
        why = "With so many values small deviations are significant; look at the Q-Q plot."
    elif n < 20:
        why = f"With {n} values only gross deviations can be seen."
    text = " ".join(part for part in (caveat, why) if part)
    return DiagnosticTest(name, about, symbol, statistic, df, p, n, meaning, text)


def residual_normality(design: Design, fit: Fit, *, method: NormalityMethod | None = None) -> DiagnosticTest:
    """Normality of the conditional (Pearson) residuals."""
    caveat = (
        "Conditional residuals mix errors and shrunken random effects, which makes them look more normal "
        "than the errors are."
    )
    return normality(quantities.pearson_residuals(design, fit), "residuals", method=method, caveat=caveat)


def effect_normality(
    design: Design, fit: Fit, *, method: NormalityMethod | None = None
) -> tuple[DiagnosticTest, ...]:
    """Normality of the conditional modes: a test per random effect with 3 or more levels and a variance."""
    caveat = (
        "Conditional modes are shrunken by the normal model itself, so that they hide deviations; with "
        "unequal group sizes they are not identically distributed."
    )
    tests = []
    for i, factor in enumerate(design.factors):
        columns = [column for t in quantities.terms_of(design, i) for column in design.terms[t].columns]
        for j, name in enumerate(quantities.effect_names(design, i)):
            values = fit.modes[i][:, j]
            spread = float(np.ptp(values)) if len(values) else 0.0
            # In units of the response, as the effect enters rows of average size.
            size = float(np.sqrt(np.mean(columns[j] ** 2)))
            if len(values) < 3 or spread * size <= 1e-10 * fit.sigma:
                continue
            about = f"random effects {name} of {factor.name}"
            tests.append(normality(values, about, method=method, caveat=caveat))
    return tuple(tests)


# ---- outliers


@dataclass(frozen=True, slots=True)
class Outliers:
    """Rows or groups too far out to be chance among so many.

    Attributes
    ----------
    test
        Of the farthest: its p-value is adjusted for the number looked at.
    at
        Positions of the outliers, the farthest first.
    labels
        Their labels.
    statistic
        Their studentized residuals (rows) or squared Mahalanobis distances (groups).
    p_adjusted
        Their p-values, adjusted for all that were looked at.
    origin
        Kind of the frames returned.
    """

    test: DiagnosticTest
    at: NDArray[np.intp]
    labels: tuple[str, ...]
    statistic: FloatArray
    p_adjusted: FloatArray
    origin: Origin

    def frame(self) -> NativeFrame:
        """``label statistic p_adjusted``, a row per outlier."""
        columns = {"statistic": self.statistic, "p_adjusted": self.p_adjusted}
        return frame(self.origin, {"label": list(self.labels), **columns})


def adjust(p: FloatArray, method: Adjustment) -> FloatArray:
    """p-values adjusted for their number: Bonferroni's m p, or Holm's (1979) step-down.

    >>> adjust(np.array([0.01, 0.04, 0.03]), "holm").tolist()
    [0.03, 0.06, 0.06]
    >>> adjust(np.array([0.01, 0.5]), "bonferroni").tolist()
    [0.02, 1.0]
    """
    check_one_of("method", method, get_args(Adjustment))
    m = len(p)
    if method == "bonferroni":
        return np.minimum(m * p, 1.0)
    order = np.argsort(p, kind="stable")
    out = np.empty(m)
    out[order] = np.minimum(np.maximum.accumulate((m - np.arange(m)) * p[order]), 1.0)
    return out


def row_outliers(
    design: Design, fit: Fit, origin: Origin, *, method: Adjustment = "holm", alpha: float = 0.05
) -> Outliers:
    """Rows whose studentized residual is too large to be chance: t with n - rank(X) - 1 df, given theta."""
    t = studentized_residuals(design, fit, kernel.leverages(design, fit.theta))
    df = residual_df(design, fit) - 1
    usable = np.flatnonzero(np.isfinite(t))
    p = adjust(t_two_sided(t[usable], np.full(len(usable), float(df))), method)
    order = np.argsort(-np.abs(t[usable]), kind="stable")
    hit = order[p[order] <= alpha]
    at, first = usable[hit], int(usable[order[0]])
    farthest = row_named(design, first)
    largest = float(t[first])
    meaning = (
        f"{len(at)} of {len(t)} rows lie farther from their prediction by the others than chance explains, "
        f"{farthest} the farthest."
        if len(at)
        else f"No row is an outlier; {farthest} lies farthest from its prediction."
    )
    test = DiagnosticTest(
        "Outlier test",
        "rows",
        "t",
        largest,
        (float(df),),
        float(p[order[0]]),
        len(usable),
        meaning,
        f"p-values are adjusted for {len(usable)} rows ({method.capitalize()}); the variance parameters are "
        "held. An outlier is a reason to look at the record, not to delete it.",
    )
    return Outliers(test, at, tuple(row_labels(design, at)), t[at], p[hit], origin)


def group_outliers(
    design: Design,
    fit: Fit,
    origin: Origin,
    factor: int,
    *,
    method: Adjustment = "holm",
    alpha: float = 0.05,
) -> Outliers:
    """Levels whose random effects are too large together: b' Var(b)^- b against chi-square with rank df.

    Var(b), the covariance of conditional modes around zero, is ``quantities.mode_spread``.

    Raises
    ------
    ModelError
        If no random effect of the factor varies.
    """
    sigma = quantities.factor_cov(design, fit, factor)
    name = design.factors[factor].name
    # In effects of orthonormal columns, so that neither units nor origins matter.
    turn = quantities.term_roots(design, factor)
    values, vectors = np.linalg.eigh(quantities.mode_spread(design, fit, factor, turn))
    keep = values > 1e-8 * max(float(np.trace(turn @ sigma @ turn.T)), 1e-300)
    rank = keep.sum(axis=1)
    if not rank.any():
        raise ModelError(f"The random effects of {name} have no variance: no level can be an outlier.")
    along = np.einsum("qij,qi->qj", vectors, fit.modes[factor] @ turn.T)
    distance = np.sum(np.divide(along**2, values, out=np.zeros_like(along), where=keep), axis=1)
    raw = np.where(rank > 0, chdtrc(np.maximum(rank, 1), distance), 1.0)
    p = adjust(raw, method)
    order = np.argsort(raw, kind="stable")
    at = order[p[order] <= alpha]
    levels = design.factors[factor].levels
    first = int(order[0])
    meaning = (
        f"{len(at)} of {len(levels)} levels of {name} are outliers, {levels[first]} the farthest."
        if len(at)
        else f"No level of {name} is an outlier; {levels[first]} is the farthest."
    )
    test = DiagnosticTest(
        "Outlier test",
        f"levels of {name}",
        "D2",
        float(distance[first]),
        (float(rank[first]),),
        float(p[first]),
        len(levels),
        meaning,
        f"p-values are adjusted for {len(levels)} levels ({method.capitalize()}); all parameters are taken "
        "as known.",
    )
    return Outliers(test, at, tuple(str(levels[i]) for i in at), distance[at], p[at], origin)


# ---- simulation


@dataclass(frozen=True, slots=True)
class QuantileResiduals:
    """Where each response lies among responses simulated from the fit.

    Attributes
    ----------
    values
        Length n, between 0 and 1; uniform, though not independent, if the model is true.
    normal
        Their normal quantiles.
    test
        Kolmogorov & Smirnov's distance of the marginal distribution functions from uniform, its p-value by
        simulation: each simulated response is fitted again and has its own distance. So rows of a group need
        not be independent, and that the parameters are estimated is accounted for.
    """

    values: FloatArray
    normal: FloatArray
    test: DiagnosticTest


def quantile_residuals(design: Design, fit: Fit, *, n: int = 250, seed: Seed = 1) -> QuantileResiduals:
    """Randomized quantile residuals (Dunn & Smyth 1996) by simulation, random effects drawn anew."""
    rng = generator(seed)
    draws = simulate(design, fit, n, rng)
    # Rank among all n + 1, ties broken at random.
    y = design.y[:, None]
    below = (draws < y).sum(axis=1) + rng.random(design.n_obs) * ((draws == y).sum(axis=1) + 1)
    u = below / (n + 1)
    observed = _distance_from_uniform(_marginal_probability(design, fit.beta, fit.theta, fit.sigma, fit.kept))
    refits = kernel.refit_many(design, draws, fit.theta, reml=fit.reml)
    made = np.flatnonzero(np.isfinite(refits.criterion))
    drawn = np.array(
        [
            _distance_from_uniform(
                _marginal_probability(
                    replace(design, y=draws[:, i]),
                    refits.beta[i],
                    kernel.Theta(refits.theta[i]),
                    refits.sigma[i],
                    fit.kept,
                )
            )
            for i in made
        ]
    )
    p = float((np.sum(drawn >= observed) + 1) / (len(made) + 1))
    meaning = (
        "The responses are not distributed as the fitted model says."
        if p < 0.05
        else "The responses are distributed as the fitted model says."
    )
    caveat = (
        f"p from {len(made)} simulated responses, at least {1 / (len(made) + 1):.2g}. With strong random "
        "effects few groups decide, and only gross deviations are seen."
    )
    test = DiagnosticTest(
        "Simulation test", "quantile residuals", "D", observed, (), p, len(u), meaning, caveat
    )
    return QuantileResiduals(u, np.asarray(stats.norm.ppf(u)), test)


def _marginal_probability(
    design: Design, beta: FloatArray, theta: kernel.Theta, sigma: float, kept: NDArray[np.intp]
) -> FloatArray:
    """Length n: the probability of a smaller response, random effects unknown."""
    mean = design.x[:, kept] @ beta + (0.0 if design.offset is None else design.offset)
    variance = np.ones(design.n_obs) if design.weights is None else 1 / design.weights
    for term, root in zip(design.terms, quantities.unpacked(design, theta), strict=True):
        variance = variance + np.sum((np.column_stack(term.columns) @ root) ** 2, axis=1)
    probability: FloatArray = ndtr((design.y - mean) / (sigma * np.sqrt(variance)))
    return probability


def _distance_from_uniform(u: FloatArray) -> float:
    """Kolmogorov & Smirnov's distance."""
    n = len(u)
    ordered = np.sort(u)
    steps = np.arange(1, n + 1) / n
    return float(np.maximum(steps - ordered, ordered - steps + 1 / n).max())
