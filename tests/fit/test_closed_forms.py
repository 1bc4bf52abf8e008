"""Balanced data: the optimum in closed form (Searle, Casella & McCulloch 1992, sections 4.5 and 4.8)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import mixwell as mw

FloatArray = NDArray[np.float64]

pytestmark = pytest.mark.filterwarnings("ignore::mixwell.errors.SingularFitWarning")


def one_way(a: int, n: int, ratio: float, seed: int) -> tuple[pd.DataFrame, float, float]:
    """a groups of n rows; mean squares between and within."""
    rng = np.random.default_rng(seed)
    y = 5 + ratio * rng.normal(size=(a, 1)) + rng.normal(size=(a, n))
    means = y.mean(axis=1)
    between = n * np.sum((means - y.mean()) ** 2) / (a - 1)
    within = np.sum((y - means[:, None]) ** 2) / (a * (n - 1))
    groups = np.repeat(np.arange(a), n)
    return pd.DataFrame({"y": y.ravel(), "g": groups.astype(str)}), between, within


def log_likelihood_of_one_way(
    total: int, a: int, n: int, sigma2: float, tau2: float, squares: tuple[float, float], *, reml: bool
) -> float:
    """-2 log (restricted) likelihood; eigenvalues sigma2 and sigma2 + n tau2; squares within, between."""
    large = sigma2 + n * tau2
    out = (total - a) * np.log(sigma2) + a * np.log(large) + squares[0] / sigma2 + squares[1] / large
    if reml:
        # log |X'V^-1X| = log(total / large)
        return float(out + np.log(total / large) + (total - 1) * np.log(2 * np.pi))
    return float(out + total * np.log(2 * np.pi))


@settings(max_examples=100)
@given(st.integers(2, 12), st.integers(2, 9), st.floats(0, 5), st.integers(0, 10**6), st.booleans())
def test_balanced_one_way(a: int, n: int, ratio: float, seed: int, reml: bool) -> None:
    data, between, within = one_way(a, n, ratio, seed)
    total = a * n
    groups = a - 1 if reml else a
    tau2 = ((a - 1) * between / groups - within) / n
    sigma2 = within
    if tau2 <= 0:
        tau2 = 0.0
        sigma2 = ((a - 1) * between + (total - a) * within) / (total - 1 if reml else total)
    fit = mw.lmer("y ~ 1 + (1 | g)", data, reml=reml)
    assert fit.convergence.converged
    # a gap of 1e-14 in the criterion is 1e-7 in the parameters
    assert fit.sigma**2 == pytest.approx(sigma2, rel=1e-7)
    assert fit.fit.term_cov[0][0, 0] == pytest.approx(tau2, rel=1e-6, abs=1e-6 * sigma2)
    assert fit.convergence.is_singular == (tau2 == 0)
    squares = ((total - a) * within, (a - 1) * between)
    wanted = log_likelihood_of_one_way(total, a, n, sigma2, tau2, squares, reml=reml)
    assert fit.criterion == pytest.approx(wanted, rel=0, abs=1e-8)
    grand = data["y"].mean()
    assert fit.params["(Intercept)"] == pytest.approx(grand, rel=1e-12)
    assert fit.bse["(Intercept)"] == pytest.approx(np.sqrt((sigma2 + n * tau2) / total), rel=1e-7)
    shrunken = (data.groupby("g")["y"].mean() - grand) * n * tau2 / (sigma2 + n * tau2)
    modes = fit.random_effects["g"]["(Intercept)"]
    np.testing.assert_allclose(modes.loc[shrunken.index], shrunken, rtol=0, atol=1e-6 * fit.sigma)


@pytest.mark.parametrize("size", [1e3, 1e5])
@pytest.mark.parametrize("reml", [True, False])
def test_balanced_one_way_with_groups_far_apart(size: float, reml: bool) -> None:
    rng = np.random.default_rng(3)
    a, n = 8, 5
    # integers: every sum is exact
    y = (size * 1e3 * np.round(rng.normal(size=(a, 1)), 1) + np.round(1e3 * rng.normal(size=(a, n)))).round()
    means = y.mean(axis=1)
    within = np.sum((y - means[:, None]) ** 2) / (a * (n - 1))
    between = n * np.sum((means - y.mean()) ** 2) / (a - 1)
    tau2 = ((a - 1) * between / (a - 1 if reml else a) - within) / n
    data = pd.DataFrame({"y": y.ravel(), "g": np.repeat(np.arange(a), n).astype(str)})
    fit = mw.lmer("y ~ 1 + (1 | g)", data, reml=reml)
    assert fit.convergence.converged
    assert fit.sigma**2 == pytest.approx(within, rel=1e-7)
    assert fit.fit.term_cov[0][0, 0] == pytest.approx(tau2, rel=1e-6)
    wanted = log_likelihood_of_one_way(
        a * n, a, n, within, tau2, (a * (n - 1) * within, (a - 1) * between), reml=reml
    )
    assert fit.criterion == pytest.approx(wanted, rel=1e-8)


@settings(max_examples=60)
@given(st.integers(3, 9), st.integers(3, 9), st.integers(1, 3), st.integers(0, 10**6))
def test_balanced_crossed_factors(a: int, b: int, m: int, seed: int) -> None:
    """REML is the analysis of variance where all its estimates are positive."""
    rng = np.random.default_rng(seed)
    y = 2 + 3 * rng.normal(size=(a, 1, 1)) + 2 * rng.normal(size=(1, b, 1)) + rng.normal(size=(a, b, m))
    rows, columns, grand = y.mean(axis=(1, 2)), y.mean(axis=(0, 2)), y.mean()
    square_a = b * m * np.sum((rows - grand) ** 2) / (a - 1)
    square_b = a * m * np.sum((columns - grand) ** 2) / (b - 1)
    rest = y - rows[:, None, None] - columns[None, :, None] + grand
    sigma2 = np.sum(rest**2) / (a * b * m - a - b + 1)
    tau_a, tau_b = (square_a - sigma2) / (b * m), (square_b - sigma2) / (a * m)
    index_a, index_b, _ = (i.ravel() for i in np.indices(y.shape))
    data = pd.DataFrame({"y": y.ravel(), "a": index_a.astype(str), "b": index_b.astype(str)})
    if m == 1 and min(tau_a, tau_b) <= 0:
        return
    fit = mw.lmer("y ~ 1 + (1 | a) + (1 | b)", data)
    assert fit.convergence.converged
    if min(tau_a, tau_b) <= 0:
        assert fit.convergence.is_singular
        return
    terms = zip(fit.design.terms, fit.fit.term_cov, strict=True)
    found = {fit.design.factors[term.factor].name: cov[0, 0] for term, cov in terms}
    assert fit.sigma**2 == pytest.approx(sigma2, rel=1e-7)
    assert found["a"] == pytest.approx(tau_a, rel=1e-6)
    assert found["b"] == pytest.approx(tau_b, rel=1e-6)
    # variance of the mean: each mean square of a main effect over the number of rows, less the residual's
    assert fit.bse["(Intercept)"] ** 2 == pytest.approx(
        (square_a + square_b - sigma2) / (a * b * m), rel=1e-7
    )


@pytest.mark.parametrize("seed", range(6))
def test_balanced_slopes_without_fixed_effects(seed: int) -> None:
    """One group of rows per level, orthonormal columns: Sigma by maximum likelihood from the coefficients."""
    rng = np.random.default_rng(seed)
    a, n = 30, 6
    q = np.linalg.qr(np.column_stack([np.ones(n), np.arange(n)]))[0]
    coefficients = rng.normal(size=(a, 2)) @ np.array([[3.0, 1.0], [0.0, 2.0]])
    y = coefficients @ q.T + 0.5 * rng.normal(size=(a, n))
    own = y @ q
    sigma2 = np.sum((y - own @ q.T) ** 2) / (a * (n - 2))
    wanted = own.T @ own / a - sigma2 * np.eye(2)
    data = pd.DataFrame(
        {
            "y": y.ravel(),
            "one": np.tile(q[:, 0], a),
            "line": np.tile(q[:, 1], a),
            "g": np.repeat(np.arange(a), n).astype(str),
        }
    )
    fit = mw.lmer("y ~ 0 + (0 + one + line | g)", data, reml=False)
    assert fit.sigma**2 == pytest.approx(sigma2, rel=1e-8)
    np.testing.assert_allclose(fit.fit.term_cov[0], wanted, rtol=1e-6, atol=1e-6)
