"""Exact zeros, perfect correlations, saddles, bad starts, singletons, maximal models: all end certified."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import mixwell as mw
import oracle
import random_designs
from mixwell.design.build import build_design
from mixwell.errors import ModelError
from mixwell.fit import Control, solve

FloatArray = NDArray[np.float64]

pytestmark = pytest.mark.filterwarnings("ignore::mixwell.errors.SingularFitWarning")


def certified(fit: mw.LmerResult, *, singular: bool | None = None) -> None:
    assert fit.convergence.converged, fit.convergence.explain()
    assert fit.convergence.gap <= 1e-7
    if singular is not None:
        assert fit.convergence.is_singular == singular


def oracle_agrees(fit: mw.LmerResult) -> None:
    """The criterion is what the dense model gives at theta, and lower nowhere close by."""
    design, theta, reml = fit.design, fit.fit.theta, fit.reml
    here = oracle.criterion(design, theta, reml=reml)
    assert fit.criterion == pytest.approx(here, rel=0, abs=1e-7)
    rng = np.random.default_rng(0)
    for size in (1e-3, 1e-2, 0.1, 1.0):
        for _ in range(10):
            assert (
                oracle.criterion(design, theta + size * rng.normal(size=len(theta)), reml=reml) > here - 1e-7
            )


# ---- exact zeros


@pytest.mark.parametrize("start", [None, [0.0], [1e-9], [1e-3], [1.0], [1e6]])
@pytest.mark.parametrize("reml", [True, False])
def test_dyestuff2_has_no_variance_between_batches(reml: bool, start: list[float] | None) -> None:
    data = mw.datasets.load_dyestuff2()
    fit = mw.lmer("Yield ~ 1 + (1 | Batch)", data, reml=reml, start=start)
    certified(fit, singular=True)
    assert fit.fit.theta[0] == 0.0
    y = data["Yield"].to_numpy()
    df = len(y) - 1 if reml else len(y)
    assert fit.sigma**2 == pytest.approx(np.sum((y - y.mean()) ** 2) / df, rel=1e-12)
    assert fit.fit.certificate.terms[0].null_eigenvalue > 0
    np.testing.assert_array_equal(fit.random_effects["Batch"].to_numpy(), 0)


@pytest.mark.parametrize("reml", [True, False])
def test_one_of_two_crossed_factors_without_variance(reml: bool) -> None:
    rng = np.random.default_rng(3)
    a, b = np.repeat(np.arange(12), 10), np.tile(np.arange(10), 12)
    data = pd.DataFrame({"a": a.astype(str), "b": b.astype(str)})
    data["y"] = rng.normal(size=12)[a] + rng.normal(size=120)
    data["y"] -= data.groupby("b")["y"].transform("mean")
    fit = mw.lmer("y ~ 1 + (1 | a) + (1 | b)", data, reml=reml)
    certified(fit, singular=True)
    assert fit.theta["b.(Intercept)"] == 0
    assert fit.theta["a.(Intercept)"] > 0.5
    assert mw.lmer("y ~ 1 + (1 | a)", data, reml=reml).criterion == pytest.approx(fit.criterion, abs=1e-8)
    oracle_agrees(fit)


@pytest.mark.parametrize("formula", ["y ~ x + (x | g)", "y ~ x + (x || g)", "y ~ x + (x | g) + (x | h)"])
def test_no_variance_at_all(formula: str) -> None:
    rng = np.random.default_rng(1)
    g, h = np.repeat(np.arange(15), 6), np.tile(np.arange(6), 15)
    x = rng.normal(size=90)
    y = rng.normal(size=90)
    # no level of either factor differs from any other in mean or slope
    dummies = np.column_stack([v * (f == j) for f in (g, h) for j in np.unique(f) for v in (np.ones(90), x)])
    y -= dummies @ np.linalg.lstsq(dummies, y, rcond=None)[0]
    fit = mw.lmer(formula, pd.DataFrame({"y": y, "x": x, "g": g.astype(str), "h": h.astype(str)}))
    certified(fit, singular=True)
    np.testing.assert_array_equal(fit.fit.theta, 0)
    df = 88
    wanted = (
        df * (1 + np.log(2 * np.pi * np.sum(y**2) / df))
        + np.linalg.slogdet(np.array([[90, x.sum()], [x.sum(), x @ x]]))[1]
    )
    assert fit.criterion == pytest.approx(wanted, abs=1e-9)


# ---- perfect correlations


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("seed", range(6))
def test_slopes_proportional_to_intercepts(sign: int, seed: int, reml: bool) -> None:
    rng = np.random.default_rng(seed)
    g, x = np.repeat(np.arange(20), 6), np.tile(np.arange(6.0), 20)
    y = 2 + x + 2 * rng.normal(size=20)[g] * (1 + sign * 0.4 * x) + rng.normal(size=120)
    fit = mw.lmer("y ~ x + (x | g)", pd.DataFrame({"y": y, "x": x, "g": g.astype(str)}), reml=reml)
    certified(fit)
    oracle_agrees(fit)
    if fit.convergence.is_singular:
        cov = fit.fit.term_cov[0]
        assert cov[0, 1] / np.sqrt(cov[0, 0] * cov[1, 1]) == pytest.approx(sign, abs=1e-9)


# ---- starts


@pytest.mark.parametrize(
    "start",
    [
        [0, 0, 0],
        [1e-9, 0, 1e-9],
        [1, 0, 0],
        [0, 0, 1],
        [0, 1, 0],
        [1, -1, 0],
        [-1, 0, -1],
        [100, 0, 100],
        [1e6, 1e6, 1e6],
        [0.01, 0, 10],
    ],
)
@pytest.mark.parametrize(("reml", "criterion"), [(True, 1743.6282719)])
def test_any_start_ends_at_the_optimum_of_sleepstudy(
    start: list[float], reml: bool, criterion: float
) -> None:
    fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy(), start=start)
    certified(fit, singular=False)
    # lme4's REML criterion
    assert fit.criterion == pytest.approx(criterion, abs=1e-6)


def saddle_of_sleepstudy() -> FloatArray:
    """The stationary point with perfectly correlated effects, found by the oracle along T's first column."""
    design = build_design("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    theta = np.array([0.929, 0.0181, 0.0])

    for _ in range(60):
        g = oracle.gradient(design, theta, reml=True)[:2]
        h = oracle.hessian(design, theta, reml=True)[:2, :2]
        values, vectors = np.linalg.eigh(h)
        step = -vectors @ ((vectors.T @ g) / np.maximum(np.abs(values), 1e-3))
        theta = theta + np.append(0.5 * step, 0)
    return theta


def test_a_saddle_is_left() -> None:
    design = build_design("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    saddle = saddle_of_sleepstudy()
    np.testing.assert_allclose(oracle.gradient(design, saddle, reml=True), 0, rtol=0, atol=1e-5)
    above = oracle.criterion(design, saddle, reml=True) - 1743.6282719
    assert above > 1
    fit = solve(design, reml=True, start=saddle)
    assert fit.certificate.converged
    assert fit.criterion == pytest.approx(1743.6282719, abs=1e-6)


@pytest.mark.parametrize("seed", range(100, 104))
@pytest.mark.parametrize("structure", list(random_designs.STRUCTURES))
def test_zero_as_the_start_is_as_good_as_any(structure: str, seed: int) -> None:
    widths = [[2], [1], [1], [1]][: random_designs.STRUCTURES[structure]]
    design = random_designs.make(structure, widths, n=70, p=2, seed=seed)
    usual = solve(design, reml=True)
    from_zero = solve(design, reml=True, start=np.zeros(len(usual.theta)))
    assert from_zero.certificate.converged
    assert from_zero.criterion == pytest.approx(usual.criterion, abs=1e-6)


# ---- little data


def test_mostly_singleton_groups() -> None:
    rng = np.random.default_rng(2)
    for pairs in (15, 5, 2):
        g = np.concatenate([np.arange(30), np.arange(pairs)])
        x = rng.normal(size=len(g))
        y = rng.normal(size=30)[g] + x + rng.normal(size=len(g))
        fit = mw.lmer("y ~ x + (1 | g)", pd.DataFrame({"y": y, "x": x, "g": g.astype(str)}))
        certified(fit)
        oracle_agrees(fit)


@pytest.mark.parametrize("seed", range(8))
def test_four_groups_of_three(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {"y": rng.normal(size=12), "x": rng.normal(size=12), "g": (np.arange(12) // 3).astype(str)}
    )
    fit = mw.lmer("y ~ x + (x | g)", data)
    certified(fit)
    oracle_agrees(fit)


def test_no_fixed_effects() -> None:
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(10), 5)
    data = pd.DataFrame({"y": rng.normal(size=10)[g] + rng.normal(size=50), "g": g.astype(str)})
    for reml in (True, False):
        fit = mw.lmer("y ~ 0 + (1 | g)", data, reml=reml)
        certified(fit)
        oracle_agrees(fit)


# ---- flat criteria


@pytest.mark.parametrize("noise", [1e-1, 1e-3, 1e-5])
def test_nearly_the_same_factor_twice(noise: float) -> None:
    """Two factors that differ in two rows: their variances trade against each other."""
    rng = np.random.default_rng(7)
    g = np.repeat(np.arange(20), 5)
    h = g.copy()
    h[[0, 50]] = h[[50, 0]]
    y = rng.normal(size=20)[g] + noise * rng.normal(size=20)[h] + rng.normal(size=100)
    fit = mw.lmer("y ~ 1 + (1 | g) + (1 | h)", pd.DataFrame({"y": y, "g": g.astype(str), "h": h.astype(str)}))
    certified(fit)
    oracle_agrees(fit)


def test_nearly_dependent_columns() -> None:
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(25), 8)
    x = rng.normal(size=200)
    z = x + 1e-4 * rng.normal(size=200)
    y = rng.normal(size=25)[g] * (1 + x) + rng.normal(size=200)
    data = pd.DataFrame({"y": y, "x": x, "z": z, "g": g.astype(str)})
    certified(mw.lmer("y ~ x + (x + z | g)", data))


# ---- maximal models


def maximal(subjects: int, items: int, rank: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    s, i = np.repeat(np.arange(subjects), items), np.tile(np.arange(items), subjects)
    n = len(s)
    a, b = rng.choice([-0.5, 0.5], n), rng.choice([-0.5, 0.5], n)
    z = np.column_stack([np.ones(n), a, b, a * b])
    y = z @ [5, 0.5, 0.3, 0.1] + rng.normal(size=n)
    for codes, q in ((s, subjects), (i, items)):
        root = 0.5 * rng.normal(size=(4, rank))
        y += np.sum((rng.normal(size=(q, rank)) @ root.T)[codes] * z, axis=1)
    return pd.DataFrame(
        {
            "y": y,
            "a": a,
            "b": b,
            "s": s.astype(str),
            "i": i.astype(str),
            "t": rng.integers(0, 15, n).astype(str),
        }
    )


@pytest.mark.parametrize("rank", [0, 1, 2, 3, 4])
@pytest.mark.parametrize(
    "formula",
    ["y ~ a * b + (a * b | s) + (a * b | i)", "y ~ a * b + (a * b | s) + (a * b | i) + (a * b | t)"],
)
def test_maximal_models_of_20_and_30_parameters(formula: str, rank: int) -> None:
    data = maximal(30, 20, rank, seed=rank)
    fit = mw.lmer(formula, data)
    certified(fit)
    assert len(fit.theta) == 10 * formula.count("|")
    rng = np.random.default_rng(rank)
    for _ in range(2):
        other = mw.lmer(formula, data, start=rng.normal(size=len(fit.theta)))
        assert fit.criterion <= other.criterion + 1e-6
    assert len(fit.fit.trace.criterion) <= 100


# ---- no optimum at all


EXACT = {
    "means": ("y ~ 1 + (1 | g)", "group"),
    "means beside a predictor": ("y ~ x + (1 | g)", "group"),
    "means, slopes allowed": ("y ~ x + (x | g)", "group"),
    "lines": ("y ~ x + (x | g)", "line"),
    "sums": ("y ~ 1 + (1 | g) + (1 | h)", "sum"),
    "sums beside a predictor": ("y ~ x + (1 | h) + (1 | g)", "sum"),
}


@pytest.mark.parametrize("origin", [0.0, 1e6])
@pytest.mark.parametrize("name", EXACT)
def test_a_response_the_random_effects_reproduce_is_refused(name: str, origin: float) -> None:
    rng = np.random.default_rng(0)
    g, h = np.repeat(np.arange(6), 4), np.tile(np.arange(4), 6)
    x = rng.normal(size=24)
    u, v, w = rng.normal(size=6)[g], rng.normal(size=6)[g], rng.normal(size=4)[h]
    formula, kind = EXACT[name]
    y = origin + {"group": u, "line": u + v * x, "sum": u + w}[kind]
    data = pd.DataFrame({"y": y, "x": x, "g": g.astype(str), "h": h.astype(str)})
    with pytest.raises(ModelError, match=r"together reproduce the response 'y' exactly"):
        mw.lmer(formula, data)


def test_almost_no_noise_is_not_refused() -> None:
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(6), 4)
    y = rng.normal(size=6)[g] + 1e-7 * rng.normal(size=24)
    fit = mw.lmer("y ~ 1 + (1 | g)", pd.DataFrame({"y": y, "g": g.astype(str)}))
    assert fit.sigma == pytest.approx(1e-7, rel=0.5)


# ---- limits of the search


def test_too_few_evaluations_are_said() -> None:
    design = build_design("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    fit = solve(design, reml=True, start=np.array([50.0, 0, 50.0]), control=Control(max_evaluations=2))
    assert not fit.certificate.converged
    assert fit.certificate.gap > 1e-7
    with pytest.warns(mw.errors.ConvergenceWarning):
        mw.lmer(
            "Reaction ~ Days + (Days | Subject)",
            mw.datasets.load_sleepstudy(),
            start=[50.0, 0, 50.0],
            control=Control(max_evaluations=2),
        )


def test_several_starts_are_never_worse() -> None:
    design = random_designs.make("crossed", [[3], [2]], n=80, p=2, seed=31)
    one, five = (solve(design, reml=True, control=Control(starts=s)) for s in (1, 5))
    assert five.criterion <= one.criterion + 1e-9


def test_units_of_the_response_do_not_matter() -> None:
    design = random_designs.make("nested", [[1], [2]], n=60, p=2, seed=14)
    base = solve(design, reml=True)
    for unit in (1e-100, 1e-12, 1e12, 1e100):
        fit = solve(replace(design, y=design.y * unit), reml=True)
        shift = 2 * (design.n_obs - 2) * np.log(unit)
        assert fit.criterion - shift == pytest.approx(base.criterion, rel=0, abs=1e-9 * abs(shift))
        np.testing.assert_allclose(fit.theta, base.theta, rtol=1e-6, atol=1e-6)
