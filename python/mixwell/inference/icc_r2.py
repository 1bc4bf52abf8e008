"""Shares of variance: intraclass correlation, R squared, variance by level, reliability.

The variance of the random part of row i is z_i' Sigma z_i; its mean over rows stands for the term (Johnson
2014, equation 10), which for a random intercept is its variance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mixwell.data.output import NativeFrame, Origin, frame
from mixwell.design.record import Design
from mixwell.errors import ModelError
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.inference.bootstrap import Quantities
from mixwell.inference.icc_profile import share_interval
from mixwell.inference.parameters import relative_covariances
from mixwell.kernel import Theta

FloatArray = NDArray[np.float64]
Ends = tuple[float, float]


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
    interval, conditional_interval, by_factor_interval
        (low, high) of each, None if none was asked for; the conditional one has no profile interval.
    method
        ``"profile"`` or ``"bootstrap"`` if there are intervals.
    note
        What the draws of a bootstrap leave out; empty if nothing.
    """

    adjusted: float
    conditional: float
    by_factor: dict[str, float]
    interval: Ends | None = None
    conditional_interval: Ends | None = None
    by_factor_interval: dict[str, Ends] | None = None
    method: str | None = None
    note: str = ""

    @property
    def conf_low(self) -> float | None:
        """Lower end of ``interval``."""
        return None if self.interval is None else self.interval[0]

    @property
    def conf_high(self) -> float | None:
        """Upper end of ``interval``."""
        return None if self.interval is None else self.interval[1]

    def __str__(self) -> str:
        rows = [
            ("ICC adjusted", self.adjusted, self.interval),
            ("ICC conditional", self.conditional, self.conditional_interval),
        ]
        if len(self.by_factor) > 1:
            ends = self.by_factor_interval or {}
            rows += [(f"  {name}", value, ends.get(name)) for name, value in self.by_factor.items()]
        return _lines(rows, self.note)


@dataclass(frozen=True, slots=True)
class R2:
    """R squared of Nakagawa & Schielzeth (2013), with random slopes as Johnson (2014).

    Attributes
    ----------
    marginal
        Share of the fixed effects in all variance.
    conditional
        Share of fixed and random effects.
    marginal_interval, conditional_interval
        (low, high), None if none was asked for.
    note
        What the draws of a bootstrap leave out; empty if nothing.
    """

    marginal: float
    conditional: float
    marginal_interval: Ends | None = None
    conditional_interval: Ends | None = None
    note: str = ""

    def __str__(self) -> str:
        return _lines(
            [
                ("R2 marginal", self.marginal, self.marginal_interval),
                ("R2 conditional", self.conditional, self.conditional_interval),
            ],
            self.note,
        )


def _lines(rows: Sequence[tuple[str, float, Ends | None]], note: str) -> str:
    width = max(len(name) for name, _, _ in rows)
    text = "\n".join(
        f"{name:<{width}}  {value:.4f}" + ("" if ends is None else f"  [{ends[0]:.4f}, {ends[1]:.4f}]")
        for name, value, ends in rows
    )
    return f"{text}\n{note}" if note else text


def term_moments(design: Design) -> list[FloatArray]:
    """Per term, mean over rows of z z', shape (k, k)."""
    return [np.array([[np.mean(a * b) for b in term.columns] for a in term.columns]) for term in design.terms]


def term_variances(design: Design, fit: Fit) -> tuple[float, ...]:
    """Per term, mean over rows of z' Sigma z (Johnson 2014, equation 10)."""
    return tuple(
        float(np.sum(moments * covariance))
        for moments, covariance in zip(term_moments(design), fit.term_cov, strict=True)
    )


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


def icc_with_profile(design: Design, fit: Fit, level: float) -> Icc:
    """With profile intervals of the adjusted one and of its parts."""
    moments = term_moments(design)
    every = range(len(design.factors))
    interval = share_interval(design, fit, moments, every, level)
    parts = (
        [interval]
        if len(every) == 1
        else [share_interval(design, fit, moments, [factor], level) for factor in every]
    )
    return replace(
        icc(design, fit),
        interval=interval,
        by_factor_interval={f.name: ends for f, ends in zip(design.factors, parts, strict=True)},
        method="profile",
    )


def share_quantities(design: Design, fit: Fit) -> Quantities:
    """ICC adjusted, conditional and by factor, then R2 marginal and conditional, of many refits."""
    moments = term_moments(design)
    # var(X beta) = beta' cov(X) beta
    x_cov = np.atleast_2d(np.cov(design.x[:, fit.kept], rowvar=False))

    def values(_: Design, theta: Theta, sigma: FloatArray, beta: FloatArray) -> FloatArray:
        square = sigma**2
        by_term = [
            square * np.einsum("ij,mij->m", m, covariance)
            for m, covariance in zip(moments, relative_covariances(design, theta), strict=True)
        ]
        factors = [
            sum((by_term[i] for i in quantities.terms_of(design, f)), np.zeros(len(sigma)))
            for f in range(len(design.factors))
        ]
        random = np.sum(factors, axis=0)
        fixed = np.maximum(np.einsum("mi,ij,mj->m", beta, x_cov, beta), 0.0)
        noise, total = random + square, random + square + fixed
        parts = [random / noise, random / total, *(f / noise for f in factors)]
        return np.column_stack([*parts, fixed / total, 1 - square / total])

    names = ("adjusted", "conditional", *(factor.name for factor in design.factors))
    return Quantities((*names, "marginal R2", "conditional R2"), values)


def icc_with_bootstrap(design: Design, fit: Fit, ends: Sequence[Ends], note: str = "") -> Icc:
    """With intervals of :func:`share_quantities`."""
    return replace(
        icc(design, fit),
        interval=ends[0],
        conditional_interval=ends[1],
        by_factor_interval={f.name: end for f, end in zip(design.factors, ends[2:-2], strict=True)},
        method="bootstrap",
        note=note,
    )


def r2(design: Design, fit: Fit) -> R2:
    """R squared of a fit, see :class:`R2`."""
    parts = shares(design, fit)
    return R2(parts.fixed / parts.total, (parts.fixed + parts.random) / parts.total)


def r2_with_bootstrap(design: Design, fit: Fit, ends: Sequence[Ends], note: str = "") -> R2:
    """With intervals of :func:`share_quantities`."""
    return replace(r2(design, fit), marginal_interval=ends[-2], conditional_interval=ends[-1], note=note)


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
