"""Second-order quantities at the optimum, against differences of the dense oracle's closed forms.

Columns are orthonormalized beforehand, with mean squares of one, so that the kernel's coordinates are theta.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import oracle
import random_designs
from mixwell import kernel
from mixwell.design.record import Design
from mixwell.fit import Fit, solve
from random_designs import FloatArray

SHAPES: list[tuple[str, list[list[int]]]] = [
    ("one", [[1]]),
    ("one", [[3]]),
    ("one", [[2, 1]]),
    ("crossed", [[1], [1]]),
    ("crossed", [[2], [2]]),
    ("nested", [[1], [2]]),
    ("partly crossed", [[1], [1, 1]]),
    ("chain", [[1], [1], [1]]),
    ("chain", [[1], [2], [1]]),
    ("three crossed", [[1], [2], [1]]),
    ("nested and crossed", [[1], [1], [1]]),
]


def orthonormal(design: Design) -> Design:
    weights = np.ones(design.n_obs) if design.weights is None else design.weights
    terms = []
    for term in design.terms:
        z = np.column_stack(term.columns)
        r = np.linalg.qr(np.sqrt(weights)[:, None] * z, mode="r")
        q = z @ np.linalg.inv(np.sign(np.diag(r))[:, None] * r) * np.sqrt(design.n_obs)
        terms.append(replace(term, columns=tuple(np.ascontiguousarray(c) for c in q.T)))
    return replace(design, terms=tuple(terms))


def design_of(shape: int, seed: int) -> Design:
    structure, widths = SHAPES[shape]
    made = random_designs.make(
        structure, widths, n=60, p=2, weighted=seed % 2 == 1, with_offset=seed % 3 == 1, seed=seed
    )
    return orthonormal(made)


CASES = [(shape, seed, seed % 2 == 0) for shape in range(len(SHAPES)) for seed in range(4)]


def fitted(shape: int, seed: int, reml: bool) -> tuple[Design, Fit]:
    design = design_of(shape, seed)
    return design, solve(design, reml=reml)


def slope(values: dict[int, FloatArray], h: float) -> FloatArray:
    return (8 * (values[1] - values[-1]) - (values[2] - values[-2])) / (12 * h)


@pytest.mark.parametrize(("shape", "seed", "reml"), CASES)
def test_hessian_is_the_slope_of_the_gradient(shape: int, seed: int, reml: bool) -> None:
    design, fit = fitted(shape, seed, reml)
    m = len(fit.theta)
    h = 1e-4
    wanted = np.zeros((m, m))
    for j in range(m):
        step = np.eye(m)[j] * h
        wanted[j] = slope(
            {k: oracle.gradient(design, fit.theta + k * step, reml=reml) for k in (-2, -1, 1, 2)}, h
        )
    wanted = (wanted + wanted.T) / 2
    # the kernel takes second-order differences of its exact gradient
    diagonal = np.maximum(np.diag(wanted), 0.01 * np.diag(wanted).max())
    size = np.sqrt(np.outer(diagonal, diagonal))
    np.testing.assert_allclose(
        fit.curvature.hessian / size, wanted / size, rtol=0, atol=1e-4, err_msg=f"theta {fit.theta}"
    )


@pytest.mark.parametrize(("shape", "seed", "reml"), CASES)
def test_derivatives_of_vcov_and_pwrss(shape: int, seed: int, reml: bool) -> None:
    design, fit = fitted(shape, seed, reml)
    m = len(fit.theta)
    h = 1e-4
    se = np.sqrt(np.diag(fit.vcov)) / fit.sigma
    for j in range(m):
        points = {
            k: oracle.marginal(design, fit.theta + k * h * np.eye(m)[j], reml=reml) for k in (-2, -1, 1, 2)
        }
        vcov = slope({k: at.vcov / at.sigma**2 for k, at in points.items()}, h)
        log_pwrss = slope({k: np.array(np.log(at.pwrss)) for k, at in points.items()}, h)
        np.testing.assert_allclose(
            fit.curvature.vcov_derivative[j] / np.outer(se, se), vcov / np.outer(se, se), rtol=1e-4, atol=1e-5
        )
        # singular columns of T are read next to zero
        atol = 1e-7 if fit.curvature.active[j] else 1e-3
        assert fit.curvature.log_pwrss_derivative[j] == pytest.approx(float(log_pwrss), abs=atol)


@pytest.mark.parametrize(("shape", "seed", "reml"), CASES)
def test_certificate_says_what_the_oracle_finds(shape: int, seed: int, reml: bool) -> None:
    design, fit = fitted(shape, seed, reml)
    assert fit.certificate.converged, fit.certificate
    gradient = oracle.gradient(design, fit.theta, reml=reml)
    np.testing.assert_allclose(gradient, 0, rtol=0, atol=2e-4)
    assert 0.5 * gradient @ np.linalg.lstsq(
        oracle.hessian(design, fit.theta, reml=reml), gradient, rcond=1e-9
    )[0] == pytest.approx(0, abs=1e-8)
    gammas = oracle.sigma_gradients(design, oracle.marginal(design, fit.theta, reml=reml), reml=reml)
    for term, t, gamma in zip(
        fit.certificate.terms, oracle.relative_factors(design, fit.theta), gammas, strict=True
    ):
        values, vectors = np.linalg.eigh(t @ t.T)
        zero = values < 1e-9 * max(values[-1], 1.0)
        assert term.rank == np.sum(~zero)
        if zero.any():
            null = vectors[:, zero]
            lowest = np.linalg.eigvalsh(null.T @ gamma @ null)[0]
            assert term.null_eigenvalue == pytest.approx(lowest, rel=1e-4, abs=1e-4)
            assert lowest > 0
            # the same space, in columns as given
            np.testing.assert_allclose(
                t.T @ term.null_space / np.linalg.norm(term.null_space, axis=0), 0, rtol=0, atol=1e-8
            )
        else:
            assert term.null_eigenvalue == np.inf


def test_the_trace_ends_at_the_estimate() -> None:
    design, fit = fitted(4, 2, True)
    assert fit.trace.criterion.min() == pytest.approx(fit.criterion, rel=0, abs=1e-9)
    lowest = fit.trace.theta[np.argmin(fit.trace.criterion)]
    at = kernel.components(design, kernel.problem(design), lowest, reml=True)
    assert at.criterion == pytest.approx(fit.criterion, rel=0, abs=1e-8)
    m = len(fit.trace.criterion)
    assert fit.trace.theta.shape == (m, len(fit.theta))
    assert len(fit.trace.gradient_norm) == len(fit.trace.decrement) == len(fit.trace.step) == m
    for theta, value in zip(fit.trace.theta, fit.trace.criterion, strict=True):
        assert oracle.criterion(design, theta, reml=True) == pytest.approx(value, rel=0, abs=1e-7)
