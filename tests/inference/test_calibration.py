"""Simulated calibration: intervals cover what they say, tests have their size; naive ones beside them do not.

Bands are those of the claim, 93 to 97 % and 4 to 6 %, unless a reason stands beside them.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.special import chdtri

import mixwell as mw
from mixwell import kernel
from mixwell.inference.chi_bar import boundary_p_value
from mixwell.inference.exact import null_draws
from mixwell.inference.lrt import removals
from mixwell.inference.nesting import random_nesting
from mixwell.inference.null_ratio import boundary_covariance, linear_criteria, linear_fit, unit_start
from mixwell.simulate import simulate

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def quiet(formula: str, data: Any, **options: Any) -> mw.LmerResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mw.lmer(formula, data, **options)


# ---- likelihood ratios at the boundary


def layout(groups: int, size: int, seed: int = 1) -> pd.DataFrame:
    """Groups g measured at times x, crossed with h."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {"g": np.repeat(np.arange(groups), size), "x": np.tile(np.arange(float(size)), groups)}
    )
    data["x"] -= data["x"].mean()
    data["h"] = rng.integers(0, 40, len(data))
    data["y"] = (
        rng.normal(size=len(data)) + rng.normal(size=40)[data["h"]] + rng.normal(size=groups)[data["g"]]
    )
    return data


@pytest.mark.parametrize(
    ("small", "large", "reml"),
    [
        pytest.param("(1 | h)", "(1 | g) + (1 | h)", True, id="one variance"),
        pytest.param("(1 | h)", "(1 | g) + (1 | h)", False, id="one variance, ML"),
        pytest.param("(1 | g)", "(x | g)", True, id="a slope and its covariance"),
        pytest.param("(1 | h)", "(x || g) + (1 | h)", True, id="two variances"),
        pytest.param("(1 | h)", "(x | g) + (1 | h)", True, id="two variances and their covariance"),
        pytest.param("(1 | h)", "(x | g) + (1 | h)", False, id="two variances and their covariance, ML"),
    ],
)
def test_boundary_tests_have_their_size(small: str, large: str, reml: bool) -> None:
    """200 groups of 6, 5000 data sets: 4 to 6 % beyond the mixture's 5 % point, fewer by the naive one."""
    data = layout(200, 6)
    null, whole = (quiet(f"y ~ x + {random}", data, reml=reml) for random in (small, large))
    nesting = random_nesting(null.design, whole.design)
    assert nesting is not None
    df = len(whole.theta) - len(null.theta)
    covariance = boundary_covariance(null.fit, whole.design, nesting) if sum(nesting.n_boundary) > 1 else None

    def excess(x: float) -> float:
        return boundary_p_value(x, df, nesting.n_boundary, covariance) - 0.05

    cut = brentq(excess, 0.5, 20.0)
    responses = simulate(null.design, null.fit, 5000, 7)
    statistic = (
        kernel.refit_many(null.design, responses, null.theta, reml=reml).criterion
        - kernel.refit_many(whole.design, responses, unit_start(whole.design), reml=reml).criterion
    )
    assert 0.04 < np.mean(statistic > cut) < 0.06
    assert np.mean(statistic > chdtri(df, 0.05)) < 0.04


def test_exact_tests_have_their_size_in_small_samples() -> None:
    """5 groups of 4: 5 % by the exact distribution (8000 data sets, error 0.24 %), fewer by the mixture."""
    data = layout(5, 4)
    for reml in (True, False):
        fit = quiet("y ~ x + (1 | g)", data, reml=reml)
        null = removals(fit.design)[0].design
        responses = simulate(null, linear_fit(null, fit.fit), 8000, 5)
        large = kernel.refit_many(fit.design, responses, unit_start(fit.design), reml=reml).criterion
        statistic = linear_criteria(null, fit.fit, responses) - large
        draws = null_draws(fit.design, fit.fit, 100_000, 2)
        assert np.mean(statistic > np.quantile(draws, 0.95)) == pytest.approx(0.05, abs=0.0075)
        assert np.mean(statistic > chdtri(1, 0.1)) < 0.0425


# ---- intervals


def test_wald_intervals_cover_in_small_samples() -> None:
    """8 unequal groups in two arms, 1500 data sets; with normal quantiles too few are covered."""
    rng = np.random.default_rng(21)
    sizes = [3, 5, 4, 6, 3, 5, 4, 6]
    g = np.repeat(np.arange(8), sizes)
    arm, x = np.where(g % 2, 1.0, 0.0), rng.normal(size=len(g))
    hits = {ddf: np.zeros(2) for ddf in ("satterthwaite", "kenward-roger", "normal")}
    n = 1500
    for _ in range(n):
        y = 0.5 * arm + 0.3 * x + rng.normal(0, 1.5, 8)[g] + rng.normal(size=len(g))
        fit = quiet("y ~ arm + x + (1 | g)", {"y": y, "arm": arm, "x": x, "g": g.astype(str)})
        for ddf, count in hits.items():
            ends = fit.conf_int(ddf=ddf).to_numpy()[1:]  # type: ignore[arg-type]
            count += (ends[:, 0] <= [0.5, 0.3]) & (ends[:, 1] >= [0.5, 0.3])
    for ddf in ("satterthwaite", "kenward-roger"):
        assert ((hits[ddf] / n > 0.93) & (hits[ddf] / n < 0.97)).all(), hits
    assert hits["normal"][0] / n < 0.92, hits


def test_bootstrap_intervals_cover() -> None:
    """Slope, sigma and the sd of 30 groups, 600 data sets; 95 % intervals, of 80 % clearly fewer cover."""
    rng = np.random.default_rng(22)
    x = np.tile(np.arange(6.0) - 2.5, 30)
    g = np.repeat(np.arange(30), 6)
    truth = {"sd_(Intercept)|g": 1.0, "sigma": 1.0, "x": 0.3}
    hits, narrow = np.zeros(3), np.zeros(3)
    n = 600
    for _ in range(n):
        y = 1 + 0.3 * x + rng.normal(size=30)[g] + rng.normal(size=180)
        fit = quiet("y ~ x + (1 | g)", {"y": y, "x": x, "g": g.astype(str)})
        boot = fit.bootstrap(400, seed=rng, progress=False)
        for level, count in ((0.95, hits), (0.8, narrow)):
            ends = dict(zip(boot.names, boot.interval(level), strict=True))
            count += [ends[name][0] <= value <= ends[name][1] for name, value in truth.items()]
    # Percentile intervals of a standard deviation inherit its bias: a little short at 30 groups.
    assert (hits[1:] / n > 0.93).all(), hits / n
    assert (hits[1:] / n < 0.97).all(), hits / n
    assert 0.91 < hits[0] / n < 0.97, hits / n
    assert (narrow / n < 0.86).all(), narrow / n


@pytest.mark.parametrize("method", ["profile", "bootstrap"])
def test_intervals_of_the_icc_cover(method: Any) -> None:
    """The part of 40 levels, crossed with 10: 400 data sets, Monte Carlo error 1.1 %."""
    rng = np.random.default_rng(23)
    g, h = np.repeat(np.arange(40), 10), np.tile(np.arange(10), 40)
    hits = 0
    n = 400
    for _ in range(n):
        y = rng.normal(size=40)[g] + 0.5 * rng.normal(size=10)[h] + 1.5 * rng.normal(size=400)
        fit = quiet("y ~ 1 + (1 | g) + (1 | h)", {"y": y, "g": g.astype(str), "h": h.astype(str)})
        icc = fit.icc(method, n=300, seed=rng)
        assert icc.by_factor_interval is not None
        low, high = icc.by_factor_interval["g"]
        hits += bool(low <= 1 / (1 + 0.25 + 2.25) <= high)
    # Percentile intervals inherit the bias of the draws and are known to be short; the profile's are not.
    assert (0.92 if method == "profile" else 0.885) < hits / n < 0.98
