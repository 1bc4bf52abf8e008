"""Quantities derived from a design and its fit. One definition each; arrays in, arrays out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixwell import kernel
from mixwell.design.record import Design
from mixwell.fit.record import Fit
from mixwell.kernel import Theta

FloatArray = NDArray[np.float64]


def n_parameters(fit: Fit) -> int:
    """Fixed effects, covariance parameters and sigma."""
    return len(fit.beta) + len(fit.theta) + 1


def llf(fit: Fit) -> float:
    """Log-likelihood, restricted for REML: minus half the criterion."""
    return -fit.criterion / 2


def aic(fit: Fit) -> float:
    """Criterion + 2 k, with k of :func:`n_parameters` (also under REML, as lme4)."""
    return fit.criterion + 2 * n_parameters(fit)


def bic(design: Design, fit: Fit) -> float:
    """Criterion + k log n (n rows also under REML, as lme4)."""
    return fit.criterion + math.log(design.n_obs) * n_parameters(fit)


def aicc(design: Design, fit: Fit) -> float:
    """AIC + 2 k (k + 1) / (n - k - 1) (Hurvich & Tsai 1989); infinite where n <= k + 1."""
    k = n_parameters(fit)
    spare = design.n_obs - k - 1
    return aic(fit) + 2 * k * (k + 1) / spare if spare > 0 else math.inf


def kept_names(design: Design, fit: Fit) -> tuple[str, ...]:
    """Names of the estimable columns of X, in the order of ``fit.beta``."""
    return tuple(design.x_names[j] for j in fit.kept)


def dropped_names(design: Design, fit: Fit) -> tuple[str, ...]:
    """Names of the aliased columns of X."""
    kept = {int(j) for j in fit.kept}
    return tuple(name for j, name in enumerate(design.x_names) if j not in kept)


def bse(fit: Fit) -> FloatArray:
    """Standard errors of the fixed effects."""
    return np.sqrt(np.diagonal(fit.vcov))


def linear_predictor(design: Design, fit: Fit) -> FloatArray:
    """X beta + offset, length n: the mean of the response over all groups."""
    x = design.x if len(fit.kept) == design.x.shape[1] else design.x[:, fit.kept]
    mean = x @ fit.beta
    return mean if design.offset is None else mean + design.offset


def terms_of(design: Design, factor: int) -> tuple[int, ...]:
    """Indices of the terms of one grouping factor, in order."""
    return tuple(i for i, term in enumerate(design.terms) if term.factor == factor)


def unique_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Repeated names get ``.1``, ``.2`` appended, as R's make.unique."""
    seen: set[str] = set()
    out = []
    for name in names:
        unique, n = name, 0
        while unique in seen:
            n += 1
            unique = f"{name}.{n}"
        seen.add(unique)
        out.append(unique)
    return tuple(out)


def effect_names(design: Design, factor: int) -> tuple[str, ...]:
    """Names of the k random effects of a factor, all its terms in order; repeated ones made unique."""
    return unique_names(tuple(name for i in terms_of(design, factor) for name in design.terms[i].names))


def relative_factors(design: Design, fit: Fit) -> tuple[FloatArray, ...]:
    """T of each term, shape (k, k), lower triangular."""
    return unpacked(design, fit.theta)


def unpacked(design: Design, theta: Theta) -> tuple[FloatArray, ...]:
    """Lower triangles (..., k, k), one per term: theta (..., n_theta) holds them column after column."""
    factors = []
    at = 0
    for term in design.terms:
        k = len(term.names)
        t = np.zeros((*theta.shape[:-1], k, k))
        columns, rows = np.triu_indices(k)
        t[..., rows, columns] = theta[..., at : at + len(rows)]
        at += len(rows)
        factors.append(t)
    return tuple(factors)


def packed(factors: Sequence[FloatArray]) -> Theta:
    """Inverse of :func:`unpacked`."""
    # The lower triangle by columns is the upper one of the transpose by rows.
    return Theta(np.concatenate([np.zeros(0), *(t.T[np.triu_indices(len(t))] for t in factors)]))


def theta_names(design: Design) -> tuple[str, ...]:
    """``factor.column`` for the diagonal of T, ``factor.row.column`` below it, as lme4."""
    return tuple(
        ".".join((design.factors[term.factor].name, *((row, column) if row != column else (row,))))
        for term in design.terms
        for j, column in enumerate(term.names)
        for row in term.names[j:]
    )


def factor_cov(design: Design, fit: Fit, factor: int) -> FloatArray:
    """Covariance of the k random effects of one factor, shape (k, k): blocks of its terms on the diagonal."""
    blocks = [fit.term_cov[i] for i in terms_of(design, factor)]
    k = sum(len(block) for block in blocks)
    out = np.zeros((k, k))
    at = 0
    for block in blocks:
        out[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    return out


def term_roots(design: Design, factor: int) -> FloatArray:
    """Block upper triangular R (k, k): R b are effects of columns of mean square 1, orthogonal within terms.

    In them neither the unit nor the origin of a predictor matters.
    """
    found = [
        np.asarray(np.linalg.qr(np.column_stack(design.terms[t].columns), mode="r"))
        for t in terms_of(design, factor)
    ]
    k = sum(len(r) for r in found)
    out = np.zeros((k, k))
    at = 0
    for r in found:
        out[at : at + len(r), at : at + len(r)] = r / math.sqrt(design.n_obs)
        at += len(r)
    return out


def mode_spread(design: Design, fit: Fit, factor: int, turn: FloatArray | None = None) -> FloatArray:
    """Covariance of the conditional modes themselves over samples, shape (q, k, k): G Z'PZ G at each level.

    Modes are shrunken, so that they spread less than the random effects: Var(b-hat) = Sigma - Var(b - b-hat),
    the prediction error with that of the fixed effects (``fit.mode_cov`` takes these as known). Under REML,
    and no variance at its boundary, the squares of the modes sum to the sum of these variances. With ``turn``
    (k, k) the covariance of turn @ b-hat.
    """
    sigma = factor_cov(design, fit, factor)
    k, q = len(sigma), design.factors[factor].n_levels
    turn = np.eye(k) if turn is None else turn
    sigma = turn @ sigma @ turn.T
    # Effects in standard deviations: their units differ.
    sd = np.sqrt(np.diagonal(sigma))
    sd = np.where(sd > 0, sd, 1.0)
    # Prediction errors of b_a and of b_a + b_b; covariances follow.
    pairs = [(a, b) for a in range(k) for b in range(a, k)]
    weights = np.zeros((len(pairs), k))
    for row, (a, b) in enumerate(pairs):
        weights[row] = turn[a] / sd[a] + (turn[b] / sd[b] if a != b else 0.0)
    at = np.tile(np.arange(q, dtype=np.int32), len(pairs))
    nowhere = np.full(len(at), -1, dtype=np.int32)
    codes = [at if i == factor else nowhere for i in range(len(design.factors))]
    own = iter(np.repeat(weights, q, axis=0).T)
    columns = [
        [next(own) if term.factor == factor else np.zeros(len(at)) for _ in term.names]
        for term in design.terms
    ]
    x = np.zeros((len(at), design.x.shape[1]))
    error = kernel.predictor_variances(design, fit.theta, x, codes, columns).reshape(len(pairs), q)
    out = np.empty((q, k, k))
    single = {a: row for row, (a, b) in enumerate(pairs) if a == b}
    for row, (a, b) in enumerate(pairs):
        covariance = error[row] if a == b else (error[row] - error[single[a]] - error[single[b]]) / 2
        out[:, a, b] = out[:, b, a] = sigma[a, b] - fit.sigma**2 * covariance * sd[a] * sd[b]
    return out


def correlation(covariance: FloatArray) -> FloatArray:
    """Correlations of a covariance matrix; NaN where a variance is zero, since none is defined there."""
    sd = np.sqrt(np.diagonal(covariance))
    with np.errstate(invalid="ignore", divide="ignore"):
        out: FloatArray = covariance / np.outer(sd, sd)
    np.fill_diagonal(out, np.where(sd > 0, 1.0, np.nan))
    return np.clip(out, -1.0, 1.0)


@dataclass(frozen=True, slots=True)
class VarianceComponent:
    """One row of the table of variance components.

    Attributes
    ----------
    group
        The grouping factor, or ``"Residual"``.
    term
        Index of the random term; -1 for the residual.
    term1, term2
        Effect names; ``term2`` is None for a variance, both are None for the residual.
    vcov
        Variance or covariance.
    sdcor
        Standard deviation or correlation; None for the correlation with an effect of zero variance.
    """

    group: str
    term: int
    term1: str | None
    term2: str | None
    vcov: float
    sdcor: float | None


def variance_components(design: Design, fit: Fit) -> tuple[VarianceComponent, ...]:
    """Per term its variances, then its covariances; the residual variance last (lme4's order)."""
    rows = []
    for i, (term, cov) in enumerate(zip(design.terms, fit.term_cov, strict=True)):
        group = design.factors[term.factor].name
        k = len(term.names)
        correlations = correlation(cov)
        for a in range(k):
            rows.append(
                VarianceComponent(group, i, term.names[a], None, float(cov[a, a]), math.sqrt(cov[a, a]))
            )
        for a in range(k):
            for b in range(a + 1, k):
                r = float(correlations[a, b])
                rows.append(
                    VarianceComponent(
                        group,
                        i,
                        term.names[a],
                        term.names[b],
                        float(cov[a, b]),
                        None if math.isnan(r) else r,
                    )
                )
    rows.append(VarianceComponent("Residual", -1, None, None, fit.sigma**2, fit.sigma))
    return tuple(rows)


def group_coefficients(design: Design, fit: Fit, factor: int) -> tuple[tuple[str, ...], FloatArray]:
    """Fixed effect + conditional mode for each level of a factor, as lme4's ``coef``.

    Returns
    -------
    names
        Random effects without a fixed counterpart first, then the fixed effects.
    values
        Shape (q, len(names)).
    """
    fixed = kept_names(design, fit)
    random = tuple(name for i in terms_of(design, factor) for name in design.terms[i].names)
    names = (*dict.fromkeys(name for name in random if name not in fixed), *fixed)
    where = {name: j for j, name in enumerate(names)}
    values = np.zeros((design.factors[factor].n_levels, len(names)))
    values[:, len(names) - len(fixed) :] = fit.beta
    for column, name in enumerate(random):
        values[:, where[name]] += fit.modes[factor][:, column]
    return names, values


def response_residuals(design: Design, fit: Fit) -> FloatArray:
    """y minus the conditional fit, length n."""
    return design.y - fit.fitted


def pearson_residuals(design: Design, fit: Fit) -> FloatArray:
    """Response residuals times the square root of the weights, as lme4's ``type = "pearson"``."""
    r = response_residuals(design, fit)
    return r if design.weights is None else np.sqrt(design.weights) * r


def scaled_residuals(design: Design, fit: Fit) -> FloatArray:
    """Pearson residuals over sigma: those whose quantiles the summary shows."""
    return pearson_residuals(design, fit) / fit.sigma


def standardized_residuals(design: Design, fit: Fit, leverages: FloatArray) -> FloatArray:
    """Scaled residuals over sqrt(1 - leverage), as R's rstandard; NaN where the leverage is 1 (0/0)."""
    spare = 1 - leverages
    scaled = scaled_residuals(design, fit)
    out = np.full_like(scaled, np.nan)
    return np.divide(scaled, np.sqrt(np.maximum(spare, 0.0)), out=out, where=spare > 1e-12)


def marginal_residuals(design: Design, fit: Fit) -> FloatArray:
    """y minus X beta and offset."""
    return design.y - linear_predictor(design, fit)
