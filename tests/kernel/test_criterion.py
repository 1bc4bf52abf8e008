"""Criterion, gradient and estimates at any theta: against the dense marginal model on random designs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import extended
import oracle
import random_designs
from mixwell import kernel
from mixwell.design.record import Design
from mixwell.kernel import Components
from random_designs import FloatArray, n_effective, theta_of

MANY = settings(max_examples=300)
THETA = st.sampled_from([kind for kind in random_designs.THETAS if kind != "large"])
SEEDS = st.integers(0, 1000)


def components(design: Design, theta: FloatArray, *, reml: bool) -> Components:
    return kernel.components(design, kernel.problem(design), theta, reml=reml)


@MANY
@given(random_designs.designs(), THETA, SEEDS, st.booleans())
def test_criterion_and_its_parts_are_those_of_the_marginal_model(
    design: Design, kind: str, seed: int, reml: bool
) -> None:
    theta = theta_of(design, kind, seed)
    at = components(design, theta, reml=reml)
    dense = oracle.marginal(design, theta, reml=reml)
    df = n_effective(design, reml)
    assert at.criterion == pytest.approx(dense.criterion, rel=1e-11, abs=1e-9)
    assert at.pwrss == pytest.approx(dense.pwrss, rel=1e-9)
    profiled = at.log_det + df * (1 + np.log(2 * np.pi * at.pwrss / df))
    assert profiled == pytest.approx(at.criterion, rel=1e-12, abs=1e-10)
    se = np.sqrt(np.diag(dense.vcov))
    np.testing.assert_allclose((at.beta - dense.beta) / se, 0, rtol=0, atol=1e-8)
    np.testing.assert_allclose(
        at.vcov_unscaled * dense.sigma**2 / np.outer(se, se),
        dense.vcov / np.outer(se, se),
        rtol=0,
        atol=1e-8,
    )


@MANY
@given(random_designs.designs(), THETA, SEEDS, st.booleans())
def test_gradient_is_that_of_the_marginal_model(design: Design, kind: str, seed: int, reml: bool) -> None:
    theta = theta_of(design, kind, seed)
    at = components(design, theta, reml=reml)
    wanted = oracle.gradient(design, theta, reml=reml)
    ours = at.gradient(n_effective(design, reml))
    # a zero diagonal of a factor in the core is read at 3e-5 instead: T^-1 does not exist there
    tolerance = 1e-8 if kind == "regular" else 1e-6
    np.testing.assert_allclose(ours, wanted, rtol=0, atol=tolerance * max(1.0, np.abs(wanted).max()))


@settings(max_examples=40)
@given(random_designs.designs(max_width=3), SEEDS, st.booleans())
def test_each_part_of_the_gradient_is_the_slope_of_its_part(design: Design, seed: int, reml: bool) -> None:
    theta = theta_of(design, "regular", seed)
    at = components(design, theta, reml=reml)
    direction = np.random.default_rng(seed).normal(size=len(theta))
    h = 1e-4
    points = {m: components(design, theta + m * h * direction, reml=reml) for m in (-2, -1, 1, 2)}

    def slope(values: dict[int, float]) -> float:
        return (8 * (values[1] - values[-1]) - (values[2] - values[-2])) / (12 * h)

    log_det = {m: point.log_det for m, point in points.items()}
    log_pwrss = {m: np.log(point.pwrss) for m, point in points.items()}
    assert at.log_det_gradient @ direction == pytest.approx(slope(log_det), rel=1e-6, abs=1e-6)
    assert at.log_pwrss_gradient @ direction == pytest.approx(slope(log_pwrss), rel=1e-6, abs=1e-6)


@settings(max_examples=40)
@given(random_designs.designs(max_width=3), SEEDS, st.booleans())
def test_criterion_of_large_variances_against_extended_precision(
    design: Design, seed: int, reml: bool
) -> None:
    # random effects of 1000 sigma: the dense oracle has lost its digits here. What is left of the residual
    # is 1e-6 of its terms, which costs crossed factors six of sixteen digits.
    theta = theta_of(design, "large", seed)
    wanted, sigma = extended.criterion(design, theta, reml=reml)
    at = components(design, theta, reml=reml)
    assert at.criterion == pytest.approx(wanted, rel=1e-8)
    assert np.sqrt(at.pwrss / n_effective(design, reml)) == pytest.approx(sigma, rel=1e-6)


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from([[1], [2], [1, 1], [3]]), min_size=1, max_size=1),
    st.floats(1e3, 1e7),
    SEEDS,
    st.booleans(),
)
def test_one_factor_loses_no_digits_however_large_its_variance(
    widths: list[list[int]], size: float, seed: int, reml: bool
) -> None:
    design = random_designs.make("one", widths, n=60, p=2, seed=seed)
    theta = theta_of(design, "regular", seed) * size
    wanted, sigma = extended.criterion(design, theta, reml=reml)
    at = components(design, theta, reml=reml)
    assert at.criterion == pytest.approx(wanted, rel=1e-10)
    assert np.sqrt(at.pwrss / n_effective(design, reml)) == pytest.approx(sigma, rel=1e-9)


@settings(max_examples=150)
@given(random_designs.designs(max_width=4), THETA, SEEDS, st.booleans())
def test_estimates_at_theta_are_those_of_the_marginal_model(
    design: Design, kind: str, seed: int, reml: bool
) -> None:
    theta = theta_of(design, kind, seed)
    with kernel.kernel_errors(design):
        at = kernel.problem(design).solve(theta, reml)
    dense = oracle.evaluate(design, theta, reml=reml)
    assert at["criterion"] == pytest.approx(dense.criterion, rel=1e-11, abs=1e-9)
    assert at["sigma"] == pytest.approx(dense.sigma, rel=1e-9)
    for ours, wanted in zip(at["term_cov"], dense.term_cov, strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=0, atol=1e-10 * max(np.abs(wanted).max(), 1e-12))
    scale = max(dense.sigma, max(float(np.abs(c).max()) for c in dense.term_cov) ** 0.5)
    for ours, wanted in zip(at["modes"], dense.modes, strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=0, atol=1e-8 * scale)
    for ours, wanted in zip(at["mode_cov"], dense.mode_cov, strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=0, atol=1e-8 * scale**2)


@settings(max_examples=100)
@given(random_designs.designs(max_width=3), SEEDS)
def test_signs_of_columns_of_t_do_not_matter(design: Design, seed: int) -> None:
    theta = theta_of(design, "regular", seed)
    factors = oracle.relative_factors(design, theta)
    signs = np.random.default_rng(seed + 1)
    flipped = random_designs.pack([t * signs.choice([-1.0, 1.0], len(t)) for t in factors])
    here, there = (components(design, t, reml=True).criterion for t in (theta, flipped))
    assert here == pytest.approx(there, rel=1e-12, abs=1e-10)


@pytest.mark.parametrize("structure", list(random_designs.STRUCTURES))
def test_levels_without_rows_change_nothing(structure: str) -> None:
    count = random_designs.STRUCTURES[structure]
    design = random_designs.make(structure, [[2]] * count, n=60, p=2, seed=4)
    theta = theta_of(design, "regular", 2)
    wanted = components(design, theta, reml=True)
    for index, factor in enumerate(design.factors):
        q = factor.n_levels
        wide = random_designs.with_levels(design, index, (factor.codes * 3 + 1).astype(np.int32), 3 * q + 5)
        at = components(wide, theta, reml=True)
        assert at.criterion == pytest.approx(wanted.criterion, rel=1e-12)
        np.testing.assert_allclose(at.log_det_gradient, wanted.log_det_gradient, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(at.log_pwrss_gradient, wanted.log_pwrss_gradient, rtol=1e-9, atol=1e-9)
        modes = kernel.problem(wide).solve(theta, True)["modes"][index]
        seen = np.zeros(3 * q + 5, dtype=bool)
        seen[1 : 3 * q : 3] = True
        np.testing.assert_allclose(modes[~seen], 0, rtol=0, atol=0)
        np.testing.assert_allclose(
            modes[seen], kernel.problem(design).solve(theta, True)["modes"][index], rtol=1e-9, atol=1e-9
        )


def test_aliased_columns_are_left_out_of_the_estimates() -> None:
    design = random_designs.make("crossed", [[2], [1]], n=50, p=3, seed=9)
    doubled = np.asfortranarray(
        np.column_stack([design.x[:, :2], design.x[:, 0] - 3 * design.x[:, 1], design.x[:, 2]])
    )
    aliased = Design(
        **{
            name: getattr(design, name)
            for name in ("formula", "response_name", "y", "weights", "offset", "factors", "terms")
        },
        x=doubled,
        x_names=("a", "b", "ab", "c"),
    )
    theta = theta_of(design, "regular", 1)
    assert kernel.problem(aliased).kept == [0, 1, 3]
    ours, wanted = (components(d, theta, reml=True) for d in (aliased, design))
    assert ours.criterion == pytest.approx(wanted.criterion, rel=1e-12)
    np.testing.assert_allclose(ours.beta, wanted.beta, rtol=1e-10)
