"""Exact null distribution of the (restricted) likelihood ratio for one variance.

Crainiceanu & Ruppert (2004) J. R. Stat. Soc. B 66, 165-185: in a model with one random term of one column
per level, the statistic depends on the data only through independent normal variables and the eigenvalues of
Z'P0Z and Z'Z, so its null distribution is simulated without refitting. Greven, Crainiceanu, Kuechenhoff &
Peters (2008) J. Comput. Graph. Stat. 17, 870-891 use it where both models have other random effects: with
these taken as known, what remains is the model with the tested variance alone.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mixwell.design.record import Design
from mixwell.errors import ModelError
from mixwell.fit.record import Fit
from mixwell.inference.nesting import RandomNesting
from mixwell.simulate import Seed, generator

FloatArray = NDArray[np.float64]

# Values of log lambda, 0.06 apart: a parabola through three of them errs by less than 1e-4 in the statistic.
_GRID = 301
# Draws at a time.
_PORTION = 5000


def exact_p_value(
    large: Design, fit: Fit, nesting: RandomNesting, df: int, statistic: float, n: int, seed: Seed
) -> float:
    """P(statistic as large under the null hypothesis of no variance), from ``n`` draws.

    Where the models share other random effects, the null distribution is that of the model without these,
    which holds approximately for restricted likelihood ratios (Greven et al. 2008).

    Raises
    ------
    ModelError
        If more than one variance is tested, or the models share random effects and are fitted by ML.
    """
    tested = [j for j, m in enumerate(nesting.n_boundary) if m]
    if df != 1 or len(tested) != 1 or len(large.terms[tested[0]].columns) != 1:
        labels = ", ".join(large.terms[j].label for j in tested) or "the fixed part"
        raise ModelError(
            f"the exact distribution is known for one variance, of a term of its own; tested are {df} "
            f'parameters of {labels}. Use method="mixture" or method="bootstrap"'
        )
    if len(large.terms) > 1 and not fit.reml:
        raise ModelError(
            "with other random effects in both models the exact distribution is known, approximately, for "
            'REML fits only. Fit with reml=True, or use method="mixture" or method="bootstrap"'
        )
    if statistic <= 0:
        return 1.0
    term = large.terms[tested[0]]
    alone = replace(large, factors=(large.factors[term.factor],), terms=(replace(term, factor=0),))
    draws = null_draws(alone, fit, n, seed)
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
    rng = generator(seed)
    values, counts = _merged(mu)
    squares = rng.chisquare(counts, (n, len(values)))
    rest = design.n_obs - rank - len(mu)
    other = rng.chisquare(rest, n) if rest > 0 else np.zeros(n)
    total = squares.sum(axis=1) + other
    size = design.n_obs - rank if fit.reml else design.n_obs
    weights, weight_counts = (values, counts) if fit.reml else _merged(xi)

    logs = np.linspace(-9.0, 9.0, _GRID) - np.log(values.mean())
    ratios = np.exp(logs)
    kept = 1 / (1 + np.outer(values, ratios))
    penalty = weight_counts @ np.log1p(np.outer(weights, ratios))
    out = np.empty(n)
    for start in range(0, n, _PORTION):
        part = slice(start, start + _PORTION)
        # 1 + N / D is the sum of all squares over D.
        shrunk = squares[part] @ kept + other[part, None]
        statistic = size * np.log(total[part, None] / shrunk) - penalty
        out[part] = _highest(statistic)
    return np.maximum(out, 0.0)


def _highest(values: FloatArray) -> FloatArray:
    """Per row, the maximum of the parabola through the largest of evenly spaced values and its neighbours."""
    best = np.clip(np.argmax(values, axis=1), 1, values.shape[1] - 2)
    row = np.arange(len(values))
    before, at, after = values[row, best - 1], values[row, best], values[row, best + 1]
    curvature = before - 2 * at + after
    rise = np.divide((before - after) ** 2, -8 * curvature, out=np.zeros(len(values)), where=curvature < 0)
    # Where the largest is an end of the range, the parabola must not reach beyond its three points.
    top = at + np.where(abs(before - after) <= -2 * curvature, rise, 0.0)
    out: FloatArray = np.maximum(values.max(axis=1), top)
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
