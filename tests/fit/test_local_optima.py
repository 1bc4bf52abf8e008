"""The optimum of a fit is the lowest one that searches from anywhere find."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import mixwell as mw

Generator = np.random.Generator
Case = tuple[str, pd.DataFrame, str | None]

# A criterion lower by more than this is another optimum.
LOWER = 1e-5
STARTS = 12


def years(offset: float) -> Callable[[Generator], Case]:
    """Balanced growth, the origin of time far from the data: correlated columns hide each other."""

    def make(rng: Generator) -> Case:
        q, t = int(rng.integers(4, 25)), int(rng.integers(4, 12))
        g, c = np.repeat(np.arange(q), t), np.tile(np.arange(t), q) - (t - 1) / 2
        intercepts, slopes = (
            10 ** rng.uniform(-1, 0.7) * rng.normal(size=q),
            10 ** rng.uniform(-1.5, 0.5) * rng.normal(size=q),
        )
        y = 10 + 0.3 * c + intercepts[g] + slopes[g] * c + 10 ** rng.uniform(-1, 0.3) * rng.normal(size=q * t)
        return "y ~ year + (year || g)", pd.DataFrame({"y": y, "year": c + offset, "g": g}), None

    return make


def separate_years(rng: Generator) -> Case:
    formula, data, weights = years(1990)(rng)
    return formula.replace("(year || g)", "(1 | g) + (0 + year | g)"), data, weights


def two_origins(rng: Generator) -> Case:
    q, t = int(rng.integers(6, 20)), 10
    g = np.repeat(np.arange(q), t)
    x, z = rng.normal(size=q * t), rng.normal(size=q * t)
    b = rng.normal(size=(q, 3)) * 10 ** rng.uniform(-1, 0.7, size=3)
    y = b[g, 0] + b[g, 1] * x + b[g, 2] * z + rng.normal(size=q * t)
    return "y ~ x + z + (x + z || g)", pd.DataFrame({"y": y, "x": x + 300, "z": z - 50, "g": g}), None


def two_factors(rng: Generator) -> Case:
    a, b = rng.integers(0, 12, 240), rng.integers(0, 8, 240)
    x = rng.normal(size=240)
    effects = [(rng.normal(size=(q, 2)) * 10 ** rng.uniform(-1, 0.7, size=2)) for q in (12, 8)]
    y = sum(
        (e[code, 0] + e[code, 1] * x for e, code in zip(effects, (a, b), strict=True)), rng.normal(size=240)
    )
    return "y ~ x + (x || a) + (x || b)", pd.DataFrame({"y": y, "x": x + 500, "a": a, "b": b}), None


def weighted(rng: Generator) -> Case:
    """One standard deviation, weights over many decades."""
    n, q = int(rng.integers(20, 60)), int(rng.integers(4, 10))
    g = rng.integers(0, q, n)
    y = 10 ** rng.uniform(-1, 1.5) * rng.normal(size=q)[g] + rng.standard_t(2.5, n)
    return (
        "y ~ x + (1 | g)",
        pd.DataFrame({"y": y, "x": rng.normal(size=n), "g": g, "w": np.exp(4 * rng.normal(size=n))}),
        "w",
    )


def crossed(rng: Generator) -> Case:
    """Two standard deviations of few levels each, weights over many decades."""
    n = int(rng.integers(20, 60))
    a, b = rng.integers(0, 5, n), rng.integers(0, 4, n)
    y = (
        10 ** rng.uniform(-1, 1.5) * rng.normal(size=5)[a]
        + 10 ** rng.uniform(-1, 1.5) * rng.normal(size=4)[b]
    )
    data = pd.DataFrame({"y": y + rng.normal(size=n), "a": a, "b": b, "w": np.exp(3 * rng.normal(size=n))})
    return "y ~ 1 + (1 | a) + (1 | b)", data, "w"


def few_levels(rng: Generator) -> Case:
    """A full covariance matrix of three effects on hardly more levels."""
    n, q = 90, int(rng.integers(4, 7))
    g, f = rng.integers(0, q, n), rng.integers(0, 3, n)
    root = np.tril(rng.normal(size=(3, 3))) * 10 ** rng.uniform(-1, 1)
    y = (rng.normal(size=(q, 3)) @ root.T)[g, f] + rng.standard_t(2.5, n)
    data = pd.DataFrame({"y": y, "f": np.array(list("uvw"))[f], "g": g, "x": rng.normal(size=n)})
    return "y ~ x + (f | g)", data, None


def steep_slopes(rng: Generator) -> Case:
    n, q = int(rng.integers(24, 60)), int(rng.integers(5, 9))
    g = rng.integers(0, q, n)
    x, z = rng.normal(size=n), rng.normal(size=n)
    b = rng.normal(size=(q, 2)) @ np.tril(rng.normal(size=(2, 2))).T * 10 ** rng.uniform(-1, 1)
    y = b[g, 0] * x + b[g, 1] * z + rng.normal(size=n)
    return "y ~ 1 + (0 + x + z | g)", pd.DataFrame({"y": y, "x": x, "z": z, "g": g}), None


CASES: dict[str, Callable[[Generator], Case]] = {
    "years from 2013": years(2013),
    "ages from 20": years(20),
    "seconds from 1e6": years(1e6),
    "years before the data": years(-500),
    "centred years": years(0),
    "separate terms": separate_years,
    "three independent columns": two_origins,
    "independent slopes of two factors": two_factors,
    "one standard deviation, weighted": weighted,
    "two crossed, weighted": crossed,
    "few levels": few_levels,
    "slopes without intercept": steep_slopes,
}
SEEDS = range(5)


def lowest(
    formula: str, data: pd.DataFrame, weights: str | None, fit: mw.LmerResult, rng: Generator
) -> float:
    """The lowest certified criterion from starts over decades, also around the fit's own theta."""
    own = np.abs(fit.theta)
    own = np.where(own > 0, own, np.median(own[own > 0]) if (own > 0).any() else 1.0)
    best = np.inf
    for i in range(STARTS):
        decades = 10 ** rng.uniform(-3, 3, size=1 if i % 2 else len(own))
        start = rng.normal(size=len(own)) * decades * (own if i % 3 else 1.0)
        try:
            found = mw.lmer(formula, data, weights=weights, start=start)
        except mw.ConvergenceError:
            continue
        if found.convergence.converged:
            best = min(best, found.criterion)
    return best


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("case", CASES)
def test_no_start_leads_lower(case: str, seed: int) -> None:
    rng = np.random.default_rng([list(CASES).index(case), seed])
    formula, data, weights = CASES[case](rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mw.SingularFitWarning)
        fit = mw.lmer(formula, data, weights=weights)
        best = lowest(formula, data, weights, fit, rng)
    assert fit.convergence.converged
    assert fit.criterion < best + LOWER


def counterbalanced(seed: int, subjects: int = 36, items: int = 24) -> pd.DataFrame:
    """Two predictors of two levels each, equal or opposite within a subject, crossed over subjects."""
    rng = np.random.default_rng(seed)
    subj, item = np.repeat(np.arange(subjects), items), np.tile(np.arange(items), subjects)
    f, length = (subj + item) % 2, (subj // 2 + item) % 2
    u = rng.normal(size=(subjects, 2))
    y = u[subj, 0] + u[subj, 1] * f + rng.normal(size=subjects * items)
    return pd.DataFrame({"y": y, "f": f, "l": length, "subj": subj})


@pytest.mark.parametrize("random", ["f + l", "f * l", "f + l | subj) + (1"])
@pytest.mark.parametrize("seed", range(4))
def test_predictors_aliased_within_every_group(random: str, seed: int) -> None:
    formula, data = f"y ~ f + l + ({random} | subj)", counterbalanced(seed)
    if random == "f + l | subj) + (1":
        formula, data = "y ~ f + l + (f + l | subj) + (1 | item)", data.assign(item=data.index % 24)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mw.SingularFitWarning)
        fit = mw.lmer(formula, data)
        plain = np.concatenate([np.eye(t)[np.triu_indices(t)] for t in WIDTHS[random]])
        given = mw.lmer(formula, data, start=plain)
    assert fit.convergence.converged
    assert fit.criterion < given.criterion + LOWER


# Columns of the random terms.
WIDTHS = {"f + l": (3,), "f * l": (4,), "f + l | subj) + (1": (3, 1)}
