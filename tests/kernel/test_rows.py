"""Variances of predictions, leverages and many refits, against dense algebra and against single fits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

import oracle
import random_designs
from mixwell import kernel
from mixwell.design.record import Design
from mixwell.fit import solve
from random_designs import FloatArray, theta_of

THETA = st.sampled_from([kind for kind in random_designs.THETAS if kind != "large"])
SEEDS = st.integers(0, 1000)


def dense_predictor_variances(
    design: Design,
    theta: FloatArray,
    x: FloatArray,
    codes: list[FloatArray],
    columns: list[list[FloatArray]],
    *,
    with_fixed: bool,
) -> FloatArray:
    """z'Gz - z'GZ'V^-1ZGz + d'(X'V^-1X)^-1 d with d = x - X'V^-1ZGz, over sigma^2."""
    at = oracle.marginal(design, theta, reml=True)
    m = len(codes[0])
    factors = oracle.relative_factors(design, theta)
    z_data, z_rows, covariances = [], [], []
    for index, (term, t) in enumerate(zip(design.terms, factors, strict=True)):
        q, k = design.factors[term.factor].n_levels, len(t)
        z_data.append(oracle.term_matrix(design, index))
        rows = np.zeros((m, q * k))
        for i, code in enumerate(codes[term.factor]):
            if code >= 0:
                rows[i, code * k : (code + 1) * k] = [c[i] for c in columns[index]]
        z_rows.append(rows)
        covariances.append(np.kron(np.eye(q), t @ t.T))
    z, rows, g = np.hstack(z_data), np.hstack(z_rows), linalg.block_diag(*covariances)
    cross = rows @ g @ z.T
    out = np.einsum("ij,jk,ik->i", rows, g, rows) - np.einsum("ij,jk,ik->i", cross, at.v_inverse, cross)
    if with_fixed and design.x.shape[1]:
        d = x - cross @ at.v_inverse @ design.x
        out += np.einsum("ij,jk,ik->i", d, at.vcov / at.sigma**2, d)
    return out


@settings(max_examples=100)
@given(random_designs.designs(max_width=3), THETA, SEEDS, st.booleans())
def test_predictor_variances_are_those_of_henderson(
    design: Design, kind: str, seed: int, with_fixed: bool
) -> None:
    theta = theta_of(design, kind, seed)
    rng = np.random.default_rng(seed)
    m = 7
    x = np.asfortranarray(rng.normal(size=(m, design.x.shape[1])))
    codes = [rng.integers(-1, f.n_levels, m).astype(np.int32) for f in design.factors]
    columns = [[rng.normal(size=m) for _ in t.columns] for t in design.terms]
    ours = kernel.predictor_variances(design, theta, x, codes, columns, with_fixed=with_fixed)
    wanted = dense_predictor_variances(design, theta, x, codes, columns, with_fixed=with_fixed)
    np.testing.assert_allclose(ours, wanted, rtol=0, atol=1e-9 * max(1.0, wanted.max()))


@settings(max_examples=100)
@given(random_designs.designs(max_width=4), THETA, SEEDS)
def test_leverages_are_the_diagonal_of_the_hat_matrix(design: Design, kind: str, seed: int) -> None:
    theta = theta_of(design, kind, seed)
    wanted = oracle.evaluate(design, theta, reml=True).leverages
    np.testing.assert_allclose(kernel.leverages(design, theta), wanted, rtol=0, atol=1e-9)


@settings(max_examples=100)
@given(random_designs.designs(max_width=2), SEEDS)
def test_leverages_stay_between_zero_and_one_at_any_size_of_t(design: Design, seed: int) -> None:
    theta = theta_of(design, "large", seed)
    leverages = kernel.leverages(design, theta)
    assert leverages.min() >= 0
    assert leverages.max() <= 1 + 1e-6


def test_variances_of_many_rows_are_those_of_each_alone() -> None:
    design = random_designs.make("nested and crossed", [[2], [1], [1, 1]], n=60, p=3, seed=5)
    theta = theta_of(design, "regular", 3)
    rng = np.random.default_rng(1)
    m = 1000
    x = np.asfortranarray(rng.normal(size=(m, 3)))
    codes = [rng.integers(-1, f.n_levels, m).astype(np.int32) for f in design.factors]
    columns = [[rng.normal(size=m) for _ in t.columns] for t in design.terms]
    together = kernel.predictor_variances(design, theta, x, codes, columns)
    for i in rng.choice(m, 20, replace=False):
        one = slice(i, i + 1)
        alone = kernel.predictor_variances(
            design, theta, x[one], [c[one] for c in codes], [[c[one] for c in term] for term in columns]
        )
        assert together[i] == pytest.approx(alone[0], rel=1e-12)


@pytest.mark.parametrize("with_fixed", [True, False])
@pytest.mark.parametrize("structure", ["crossed", "nested and crossed"])
def test_rows_of_sparsely_crossed_factors(structure: str, with_fixed: bool) -> None:
    """Many rows with few neighbours each are read off the inverse of the core, few rows solved for."""
    rng = np.random.default_rng(4)
    n, sizes = 300, [40, 60]
    design = random_designs.make(structure, [[2], [1], [1]][: random_designs.STRUCTURES[structure]], n=n, p=3)
    codes = [rng.permutation(np.arange(n) % q).astype(np.int32) for q in sizes]
    if structure == "nested and crossed":
        codes = [codes[1] // 4, codes[0], codes[1]]
    for index, code in enumerate(codes):
        design = random_designs.with_levels(design, index, code, int(code.max()) + 1)
    theta = theta_of(design, "regular", 3)
    columns = [list(term.columns) for term in design.terms]
    together = kernel.predictor_variances(design, theta, design.x, codes, columns, with_fixed=with_fixed)
    wanted = dense_predictor_variances(design, theta, design.x, codes, columns, with_fixed=with_fixed)
    np.testing.assert_allclose(together, wanted, rtol=1e-8)
    for i in rng.choice(n, 20, replace=False):
        one = slice(i, i + 1)
        alone = kernel.predictor_variances(
            design,
            theta,
            design.x[one],
            [c[one] for c in codes],
            [[c[one] for c in term] for term in columns],
            with_fixed=with_fixed,
        )
        assert together[i] == pytest.approx(alone[0], rel=1e-10)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("structure", list(random_designs.STRUCTURES))
def test_many_refits_are_the_fits_of_each_response(structure: str, reml: bool) -> None:
    count = random_designs.STRUCTURES[structure]
    widths = [[2], [1], [1], [1]][:count]
    design = random_designs.make(structure, widths, n=70, p=2, weighted=True, with_offset=True, seed=8)
    fit = solve(design, reml=reml)
    rng = np.random.default_rng(2)
    # some with, some without variance between groups; some far away and in other units
    noise = rng.normal(size=(design.n_obs, 8))
    shift = np.array([0, 0, 0, 1e6, 0, 0, 0, 0])
    share = np.array([1, 1, 1, 1, 0, 0, 0, 3.0])
    unit = np.array([1, 1, 1, 1, 1, 1, 1e6, 1e-6])
    responses = (fit.fitted[:, None] * share + noise + shift) * unit
    refits = kernel.refit_many(design, responses, fit.theta, reml=reml)
    for i in range(8):
        # a refit is one search from theta; so is a fit with a start, others look for rival optima too
        one = solve(design, reml=reml, y=responses[:, i], start=fit.theta)
        assert refits.criterion[i] == pytest.approx(one.criterion, rel=0, abs=1e-6)
        assert refits.sigma[i] == pytest.approx(one.sigma, rel=1e-4)
        assert refits.converged[i]
        if abs(refits.criterion[i] - one.criterion) < 1e-7:
            se = np.sqrt(np.diag(one.vcov))
            np.testing.assert_allclose((refits.beta[i] - one.beta) / se, 0, rtol=0, atol=1e-3)


def test_refits_keep_their_order_and_leave_a_failed_one_out() -> None:
    design = random_designs.make("one", [[1]], n=40, p=2, seed=3)
    fit = solve(design, reml=True)
    rng = np.random.default_rng(0)
    responses = rng.normal(size=(design.n_obs, 50)) + design.y[:, None]
    responses[:, 7] = design.x @ [1.0, 2.0]
    responses[3, 11] = np.nan
    refits = kernel.refit_many(design, responses, fit.theta, reml=True)
    failed = np.isnan(refits.criterion)
    assert np.flatnonzero(failed).tolist() == [7, 11]
    assert not refits.converged[failed].any()
    assert np.isnan(refits.theta[failed]).all()
    again = kernel.refit_many(design, responses[:, ::-1], fit.theta, reml=True)
    np.testing.assert_array_equal(again.criterion[::-1], refits.criterion)


def test_no_responses_are_no_refits() -> None:
    design = random_designs.make("one", [[1]], n=40, p=0, seed=3)
    refits = kernel.refit_many(design, np.empty((design.n_obs, 0)), np.ones(1), reml=True)
    assert len(refits.criterion) == 0
    assert refits.theta.shape == (0, 1)


@pytest.mark.parametrize("p", [0, 1, 3])
def test_refits_without_fixed_effects(p: int) -> None:
    design = random_designs.make("crossed", [[1], [1]], n=60, p=p, seed=6)
    responses = design.y[:, None] * np.array([1.0, 2.0])
    fit = solve(design, reml=True)
    refits = kernel.refit_many(design, responses, fit.theta, reml=True)
    assert refits.criterion[0] == pytest.approx(fit.criterion, abs=1e-8)
    doubled = fit.criterion + 2 * (design.n_obs - p) * np.log(2)
    assert refits.criterion[1] == pytest.approx(doubled, abs=1e-7)
    assert refits.beta.shape == (2, p)


def test_weights_multiply_rows() -> None:
    # integer weights are repeated rows for everything but the residual's degrees of freedom
    design = random_designs.make("one", [[2]], n=40, p=2, seed=12)
    weights = np.random.default_rng(0).integers(1, 4, design.n_obs)
    theta = theta_of(design, "regular", 1)
    rows = np.repeat(np.arange(design.n_obs), weights)
    repeated = replace(
        design,
        y=design.y[rows],
        x=np.asfortranarray(design.x[rows]),
        factors=tuple(replace(f, codes=f.codes[rows]) for f in design.factors),
        terms=tuple(replace(t, columns=tuple(c[rows] for c in t.columns)) for t in design.terms),
    )
    weighted = replace(design, weights=weights.astype(float))
    here, there = (kernel.components(d, kernel.problem(d), theta, reml=False) for d in (weighted, repeated))
    np.testing.assert_allclose(here.beta, there.beta, rtol=1e-11)
    np.testing.assert_allclose(here.vcov_unscaled, there.vcov_unscaled, rtol=1e-10)
    np.testing.assert_allclose(here.log_det_gradient, there.log_det_gradient, rtol=1e-10)
