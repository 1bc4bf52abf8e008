"""Exact null distribution of the (restricted) likelihood ratio for one variance.

Crainiceanu & Ruppert (2004) J. R. Stat. Soc. B 66, 165-185: in a model with one random term of one column
per level, the statistic depends on the data only through independent normal variables and the eigenvalues of
Z'P0Z and Z'Z, so its null distribution is simulated without refitting.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixwell.design.record import Design
from mixwell.errors import ModelError
from mixwell.fit.record import Fit
from mixwell.simulate import Seed

FloatArray = NDArray[np.float64]

_GRID = 60
_REFINEMENTS = 40
_GOLDEN = (5**0.5 - 1) / 2


def exact_p_value(design: Design, fit: Fit, statistic: float, n: int, seed: Seed) -> float:
    """P(statistic as large under the null hypothesis of no variance), from ``n`` draws.

    Raises
    ------
    ModelError
        If the model has more than one random effect per level, or more than one factor.
    """
    if len(design.terms) != 1 or len(design.terms[0].columns) != 1:
        labels = ", ".join(term.label for term in design.terms)
        raise ModelError(
            f"the exact distribution is known for one variance only; the random part is {labels}. "
            'Use method="mixture" or method="bootstrap"'
        )
    if statistic <= 0:
        return 1.0
    draws = null_draws(design, fit, n, seed)
    return float((1 + np.sum(draws >= statistic)) / (n + 1))


def null_draws(design: Design, fit: Fit, n: int, seed: Seed) -> FloatArray:
    """``n`` draws of the statistic under the null hypothesis: RLRT for a REML fit, LRT for an ML fit.

    With mu, xi the eigenvalues of Z'P0Z and Z'Z, w independent standard normal, and for REML m = n - p and
    d = mu, for ML m = n and d = xi, the statistic is (Theorem 1 and its restricted form)
    sup over lambda >= 0 of  m log(1 + N / D) - sum log(1 + lambda d),
    N = sum lambda mu / (1 + lambda mu) w^2,  D = sum w^2 / (1 + lambda mu) + the other n - p - K squares.
    """
    mu, xi = _eigenvalues(design, fit)
    rank = len(fit.kept)
    rng = np.random.default_rng(seed)
    values, counts = _merged(mu)
    squares = rng.chisquare(counts, (n, len(values)))
    rest = design.n_obs - rank - len(mu)
    other = rng.chisquare(rest, n) if rest > 0 else np.zeros(n)
    total = squares.sum(axis=1) + other
    size = design.n_obs - rank if fit.reml else design.n_obs
    weights, weight_counts = (values, counts) if fit.reml else _merged(xi)

    def statistic(ratio: FloatArray) -> FloatArray:
        # 1 + N / D is the sum of all squares over D; ratio has one value per draw.
        shrunk = np.sum(squares / (1 + ratio[:, None] * values), axis=1) + other
        penalty = np.log1p(ratio[:, None] * weights) @ weight_counts
        out: FloatArray = size * np.log(total / shrunk) - penalty
        return out

    logs = np.linspace(-12.0, 12.0, _GRID) - np.log(values.mean())
    coarse = np.array([statistic(np.full(n, np.exp(log))) for log in logs])
    best = np.argmax(coarse, axis=0)
    low, high = logs[np.maximum(best - 1, 0)], logs[np.minimum(best + 1, _GRID - 1)]
    inner, outer = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_inner, at_outer = statistic(np.exp(inner)), statistic(np.exp(outer))
    for _ in range(_REFINEMENTS):
        left = at_inner > at_outer
        high, low = np.where(left, outer, high), np.where(left, low, inner)
        probe = np.where(left, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
        value = statistic(np.exp(probe))
        inner, outer = np.where(left, probe, outer), np.where(left, inner, probe)
        at_inner, at_outer = np.where(left, value, at_outer), np.where(left, at_inner, value)
    refined = np.maximum(at_inner, at_outer)
    out: FloatArray = np.maximum(np.maximum(refined, coarse.max(axis=0)), 0.0)
    return out


def _eigenvalues(design: Design, fit: Fit) -> tuple[FloatArray, FloatArray]:
    """Nonzero eigenvalues of Z'P0Z and of Z'Z (diagonal), rows scaled by the square root of the weights."""
    term = design.terms[0]
    factor = design.factors[term.factor]
    q = factor.n_levels
    root = np.ones(design.n_obs) if design.weights is None else np.sqrt(design.weights)
    column = term.columns[0] * root
    diagonal = np.bincount(factor.codes, weights=column**2, minlength=q)
    basis, _ = np.linalg.qr(design.x[:, fit.kept] * root[:, None])
    crossed = np.zeros((q, basis.shape[1]))
    for j in range(basis.shape[1]):
        crossed[:, j] = np.bincount(factor.codes, weights=basis[:, j] * column, minlength=q)
    values = np.linalg.eigvalsh(np.diag(diagonal) - crossed @ crossed.T)
    largest = diagonal.max()
    return values[values > 1e-10 * largest], diagonal[diagonal > 1e-10 * largest]


def _merged(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Distinct values and how often each occurs: balanced designs have few."""
    ordered = np.sort(values)
    starts = np.concatenate([[True], np.diff(ordered) > 1e-9 * ordered[-1]])
    counts = np.diff(np.append(np.flatnonzero(starts), len(ordered))).astype(np.float64)
    return ordered[starts], counts
