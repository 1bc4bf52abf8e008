"""Shares of variance: intraclass correlation, R squared, variance by level, reliability.

The variance of the random part of row i is z_i' Sigma z_i; its mean over rows stands for the term (Johnson
2014, equation 10), which for a random intercept is its variance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixwell import kernel
from mixwell.data.output import NativeFrame, Origin, frame
from mixwell.design.record import Design
from mixwell.errors import ModelError
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.inference.parameters import normal_quantile

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shares:
    """Variances of the parts of a model.

    Attributes
    ----------
    fixed
        Sample variance (n - 1) of X beta over the rows used.
    factors
        Per grouping factor, mean over rows of z' Sigma z.
    residual
        sigma^2.
    """

    fixed: float
    factors: tuple[float, ...]
    residual: float

    @property
    def random(self) -> float:
        return sum(self.factors)

    @property
    def total(self) -> float:
        return self.fixed + self.random + self.residual


@dataclass(frozen=True, slots=True)
class Icc:
    """Intraclass correlation.

    Attributes
    ----------
    adjusted
        Random variance over random plus residual variance.
    conditional
        Random variance over all variance, that of the fixed effects included.
    by_factor
        The adjusted one, split by grouping factor; sums to ``adjusted``.
    conf_low, conf_high
        Interval of ``adjusted``; None if none was asked for.
    """

    adjusted: float
    conditional: float
    by_factor: dict[str, float]
    conf_low: float | None = None
    conf_high: float | None = None

    def __str__(self) -> str:
        lines = [f"ICC adjusted     {self.adjusted:.4f}", f"ICC conditional  {self.conditional:.4f}"]
        if self.conf_low is not None and self.conf_high is not None:
            lines[0] += f"  [{self.conf_low:.4f}, {self.conf_high:.4f}]"
        if len(self.by_factor) > 1:
            width = max(map(len, self.by_factor))
            lines += [f"  {name:<{width}}  {value:.4f}" for name, value in self.by_factor.items()]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class R2:
    """R squared of Nakagawa & Schielzeth (2013), with random slopes as Johnson (2014).

    Attributes
    ----------
    marginal
        Share of the fixed effects in all variance.
    conditional
        Share of fixed and random effects.
    """

    marginal: float
    conditional: float

    def __str__(self) -> str:
        return f"R2 marginal     {self.marginal:.4f}\nR2 conditional  {self.conditional:.4f}"


def term_variances(design: Design, fit: Fit) -> tuple[float, ...]:
    """Per term, mean over rows of z' Sigma z (Johnson 2014, equation 10)."""
    out = []
    for term, covariance in zip(design.terms, fit.term_cov, strict=True):
        moments = np.array([[np.mean(a * b) for b in term.columns] for a in term.columns])
        out.append(float(np.sum(moments * covariance)))
    return tuple(out)


def shares(design: Design, fit: Fit) -> Shares:
    """The variances that every share here is made of."""
    mean = design.x[:, fit.kept] @ fit.beta
    by_term = term_variances(design, fit)
    return Shares(
        fixed=float(np.var(mean, ddof=1)),
        factors=tuple(
            sum(by_term[i] for i in quantities.terms_of(design, f)) for f in range(len(design.factors))
        ),
        residual=fit.sigma**2,
    )


def icc(design: Design, fit: Fit) -> Icc:
    """Intraclass correlations of a fit, see :class:`Icc`."""
    parts = shares(design, fit)
    noise = parts.random + parts.residual
    return Icc(
        adjusted=parts.random / noise,
        conditional=parts.random / parts.total,
        by_factor={f.name: v / noise for f, v in zip(design.factors, parts.factors, strict=True)},
    )


def icc_interval(design: Design, fit: Fit, level: float) -> tuple[float, float]:
    """Profile interval of the ICC of a model with a single random intercept, by the fit's own criterion.

    The ICC is theta^2 / (1 + theta^2): the ends are where the criterion, with sigma and beta profiled out,
    exceeds its minimum by the quantile of chi-square with one degree of freedom.

    Raises
    ------
    ModelError
        For any other random part.
    """
    if len(design.terms) != 1 or len(design.terms[0].columns) != 1 or np.ptp(design.terms[0].columns[0]) > 0:
        labels = ", ".join(term.label for term in design.terms)
        raise ModelError(
            "profile intervals of the ICC are for a single random intercept; the random part is "
            f'{labels}. Use interval="bootstrap"'
        )
    unit = abs(float(design.terms[0].columns[0][0]))
    problem = kernel.problem(design)
    limit = fit.criterion + normal_quantile(level) ** 2

    def excess(log_theta: float) -> float:
        theta = np.array([math.exp(log_theta) / unit])
        return kernel.components(design, problem, theta, reml=fit.reml).criterion - limit

    estimate = max(float(fit.theta[0]) * unit, 1e-5)
    ends = []
    for step, end in ((-1.0, 0.0), (1.0, 1.0)):
        inner, outer = math.log(estimate), math.log(estimate) + step
        while excess(outer) < 0 and abs(outer) < 30:
            inner, outer = outer, outer + step
        if excess(outer) < 0:
            ends.append(end)
            continue
        while abs(outer - inner) > 1e-12:
            middle = (inner + outer) / 2
            inner, outer = (middle, outer) if excess(middle) < 0 else (inner, middle)
        ends.append(1 / (1 + math.exp(-2 * outer)))
    return ends[0], ends[1]


def r2(design: Design, fit: Fit) -> R2:
    """R squared of a fit, see :class:`R2`."""
    parts = shares(design, fit)
    return R2(parts.fixed / parts.total, (parts.fixed + parts.random) / parts.total)


def decomposition(design: Design, fit: Fit, at: Origin) -> NativeFrame:
    """Variance by source, in units and in percent of the total: fixed effects, each factor, residual."""
    parts = shares(design, fit)
    sources = ["Fixed effects", *(factor.name for factor in design.factors), "Residual"]
    values = np.array([parts.fixed, *parts.factors, parts.residual])
    random = values.copy()
    random[0] = math.nan
    return frame(
        at,
        {
            "source": sources,
            "variance": values,
            "percent": 100 * values / parts.total,
            "percent_random": 100 * random / (parts.random + parts.residual),
        },
    )


def reliabilities(design: Design, fit: Fit, factor: int) -> FloatArray:
    """1 - conditional variance / variance of each effect of each level, shape (q, k).

    0 says that the group's data tell nothing about its effect, 1 that they tell all.

    Raises
    ------
    ModelError
        If a variance is zero: then nothing is to be estimated.
    """
    variances = np.diagonal(quantities.factor_cov(design, fit, factor))
    empty = [
        name
        for name, value in zip(quantities.effect_names(design, factor), variances, strict=True)
        if value <= 0
    ]
    if empty:
        raise ModelError(
            f"the reliability of {empty[0]!r} of {design.factors[factor].name!r} is not defined: its "
            "variance is estimated as zero. Remove the term from the model"
        )
    conditional = np.diagonal(fit.mode_cov[factor], axis1=1, axis2=2)
    out: FloatArray = 1 - conditional / variances
    return out


def reliability(design: Design, fit: Fit, at: Origin) -> dict[str, NativeFrame]:
    """Per factor a frame of :func:`reliabilities`, levels x effects."""
    out = {}
    for i, factor in enumerate(design.factors):
        values = reliabilities(design, fit, i)
        names = quantities.effect_names(design, i)
        out[factor.name] = frame(
            at, {name: values[:, j] for j, name in enumerate(names)}, labels=(factor.name, factor.levels)
        )
    return out
