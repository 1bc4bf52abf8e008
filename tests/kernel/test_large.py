"""Thousands of levels, crossed, nested and partly so: against sparse factorizations of another library."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

import oracle
from mixwell import kernel
from mixwell.design.record import Design, RandomTerm
from mixwell.fit import solve
from random_designs import FloatArray, compact, factor_of, theta_of

Codes = NDArray[np.int32]


def design_with(
    codes: list[Codes], widths: list[int], *, p: int = 2, weighted: bool = False, seed: int = 0
) -> Design:
    rng = np.random.default_rng(seed)
    n = len(codes[0])
    factors = tuple(factor_of(f"f{i}", *compact(c)) for i, c in enumerate(codes))
    slopes = [np.ones(n), rng.normal(size=n), (rng.random(n) < 0.5).astype(float)]
    terms = tuple(
        RandomTerm(i, f"t{i}", tuple(f"z{j}" for j in range(k)), tuple(slopes[:k]))
        for i, k in enumerate(widths)
    )
    x = np.asfortranarray(np.column_stack([np.ones(n), *(rng.normal(size=n) for _ in range(p - 1))])[:, :p])
    y = rng.normal(size=n) + x.sum(axis=1)
    for term in terms:
        factor = factors[term.factor]
        for size, c in zip((1.0, 0.5, 0.3), term.columns, strict=False):
            y += size * rng.normal(size=factor.n_levels)[factor.codes] * c
    return Design(
        formula="",
        response_name="y",
        y=y,
        x=x,
        x_names=tuple(f"x{j}" for j in range(p)),
        weights=rng.uniform(0.5, 2, n) if weighted else None,
        offset=None,
        factors=factors,
        terms=terms,
    )


def crossed(n: int, q1: int, q2: int, seed: int = 1) -> list[Codes]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, q, n).astype(np.int32) for q in (q1, q2)]


def chain(sizes: list[int], n: int, seed: int = 1) -> list[Codes]:
    """Each factor nested in the next."""
    rng = np.random.default_rng(seed)
    codes = [rng.permutation(np.arange(n) % sizes[0]).astype(np.int32)]
    for below, q in pairwise(sizes):
        parent = rng.permutation(np.arange(below) % q)
        codes.append(parent[codes[-1]].astype(np.int32))
    return codes


def partly(n: int, pupils: int, schools: int) -> list[Codes]:
    """Pupils who mostly stay in their school: a sparse core."""
    rng = np.random.default_rng(2)
    pupil = rng.integers(0, pupils, n)
    school = pupil % schools
    moved = rng.random(n) < 0.05
    school[moved] = (school[moved] + rng.integers(1, 3, int(moved.sum()))) % schools
    teacher = school * 3 + rng.integers(0, 3, n)
    return [c.astype(np.int32) for c in (pupil, school, teacher)]


DESIGNS: dict[str, Design] = {
    "one factor, 5000 levels": design_with([np.arange(15000, dtype=np.int32) % 5000], [1]),
    "slopes, 2500 levels": design_with([np.arange(12500, dtype=np.int32) % 2500], [2], weighted=True),
    "crossed, 5000 and 40": design_with(crossed(15000, 5000, 40), [1, 1]),
    "crossed slopes, 1000 and 60": design_with(crossed(6000, 1000, 60), [2, 2]),
    "both large": design_with(crossed(6000, 3000, 1500), [1, 1]),
    "chain of three": design_with(chain([4000, 400, 20], 12000), [1, 1, 1]),
    "chain of three, slopes": design_with(chain([1500, 150, 15], 9000), [2, 1, 2], weighted=True),
    "chain of two, largest last": design_with(chain([2000, 100], 8000)[::-1], [2, 1]),
    "movers": design_with(partly(6000, 1500, 120), [1, 1, 1]),
    "movers with slopes": design_with(partly(5000, 900, 60), [2, 2, 1]),
    "two levels": design_with([np.arange(2000, dtype=np.int32) % 2], [1]),
}


def sparse_criterion(design: Design, theta: FloatArray, *, reml: bool) -> tuple[float, FloatArray]:
    """By Woodbury: log |V| = log |L'Z'WZL + I| - log |W|, L block-diagonal in T. And beta."""
    n, p = design.x.shape
    w = np.ones(n) if design.weights is None else design.weights
    blocks = []
    for term, t in zip(design.terms, oracle.relative_factors(design, theta), strict=True):
        factor, k = design.factors[term.factor], len(t)
        rows = np.repeat(np.arange(n), k)
        columns = (factor.codes[:, None] * k + np.arange(k)).ravel()
        values = (np.stack(term.columns, axis=1) @ t).ravel()
        blocks.append(sparse.csc_matrix((values, (rows, columns)), shape=(n, factor.n_levels * k)))
    zl = sparse.diags(np.sqrt(w)) @ sparse.hstack(blocks, format="csc")
    m = (zl.T @ zl + sparse.identity(zl.shape[1])).tocsc()
    lu = splu(m, options={"SymmetricMode": True}, diag_pivot_thresh=0.0, permc_spec="MMD_AT_PLUS_A")
    log_det = np.sum(np.log(np.abs(lu.U.diagonal()))) - np.sum(np.log(w))
    both = np.sqrt(w)[:, None] * np.column_stack([design.x, design.y])
    inner = both.T @ both - (zl.T @ both).T @ lu.solve(zl.T @ both)
    xvx = inner[:p, :p]
    beta = np.linalg.solve(xvx, inner[:p, p])
    pwrss = inner[p, p] - inner[:p, p] @ beta
    df = n - p if reml else n
    log_det += np.linalg.slogdet(xvx)[1] if reml else 0.0
    return float(log_det + df * (1 + np.log(2 * np.pi * pwrss / df))), beta


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", DESIGNS)
def test_criterion_and_gradient_against_a_sparse_factorization(name: str, reml: bool) -> None:
    design = DESIGNS[name]
    problem = kernel.problem(design)
    for seed, kind in enumerate(("regular", "zero column", "one zero term")):
        theta = theta_of(design, kind, seed)
        at = kernel.components(design, problem, theta, reml=reml)
        wanted, beta = sparse_criterion(design, theta, reml=reml)
        assert at.criterion == pytest.approx(wanted, rel=1e-11)
        np.testing.assert_allclose(at.beta, beta, rtol=1e-6, atol=1e-6)
    theta = theta_of(design, "regular", 7)
    df = design.n_obs - (design.x.shape[1] if reml else 0)
    gradient = kernel.components(design, problem, theta, reml=reml).gradient(df)
    h = 1e-3 * min(1.0, 10 * np.abs(theta).min())
    for j in range(min(len(theta), 4)):
        step = np.eye(len(theta))[j] * h
        up, down, far_up, far_down = (
            sparse_criterion(design, theta + m * step, reml=reml)[0] for m in (1, -1, 2, -2)
        )
        slope = (8 * (up - down) - (far_up - far_down)) / (12 * h)
        assert gradient[j] == pytest.approx(slope, rel=1e-5, abs=1e-4)


@pytest.mark.parametrize("name", DESIGNS)
def test_fits_are_certified_and_stationary_for_the_sparse_criterion(name: str) -> None:
    design = DESIGNS[name]
    fit = solve(design, reml=True)
    assert fit.certificate.converged
    wanted, beta = sparse_criterion(design, fit.theta, reml=True)
    assert fit.criterion == pytest.approx(wanted, rel=1e-11)
    np.testing.assert_allclose(fit.beta, beta, rtol=1e-8, atol=1e-8)
    rng = np.random.default_rng(0)
    for size in (1e-3, 1e-2):
        for _ in range(2):
            near = fit.theta + size * rng.normal(size=len(fit.theta))
            assert sparse_criterion(design, near, reml=True)[0] > wanted - 1e-7


def test_separate_parts_add_up() -> None:
    """Without fixed effects, with sigma held, groups in two halves are independent models."""
    codes = crossed(4000, 800, 30)
    half = np.arange(4000) < 2000
    apart = [np.where(half, c, c + c.max() + 1).astype(np.int32) for c in codes]
    whole = design_with(apart, [2, 1], p=0)

    def part(rows: NDArray[np.bool_]) -> Design:
        return Design(
            formula="",
            response_name="y",
            y=whole.y[rows],
            x=np.zeros((int(rows.sum()), 0), order="F"),
            x_names=(),
            weights=None,
            offset=None,
            factors=tuple(factor_of(f.name, *compact(f.codes[rows])) for f in whole.factors),
            terms=tuple(
                RandomTerm(
                    t.factor, t.label, t.names, tuple(np.ascontiguousarray(c[rows]) for c in t.columns)
                )
                for t in whole.terms
            ),
        )

    theta = theta_of(whole, "regular", 3)
    parts = [kernel.components(d, kernel.problem(d), theta, reml=False) for d in (part(half), part(~half))]
    together = kernel.components(whole, kernel.problem(whole), theta, reml=False)
    assert together.log_det == pytest.approx(sum(p.log_det for p in parts), rel=1e-12)
    assert together.pwrss == pytest.approx(sum(p.pwrss for p in parts), rel=1e-12)
    np.testing.assert_allclose(
        together.log_det_gradient, sum(p.log_det_gradient for p in parts), rtol=1e-9, atol=1e-7
    )


@pytest.mark.parametrize("name", ["crossed slopes, 1000 and 60", "chain of three, slopes", "movers"])
def test_leverages_sum_to_the_trace_of_the_sparse_hat_matrix(name: str) -> None:
    """Their sum is p + q k less the trace of M^-1 for the fixed and random columns together."""
    design = DESIGNS[name]
    theta = theta_of(design, "regular", 2)
    leverages = kernel.leverages(design, theta)
    assert leverages.min() >= 0
    assert leverages.max() <= 1
    # sum of leverages = n - pwrss-degrees: d log|V|-like identity by scaling all of T
    problem = kernel.problem(design)
    at = kernel.components(design, problem, theta, reml=True)
    effects = sum(design.factors[t.factor].n_levels * len(t.names) for t in design.terms)
    # theta . d log|M| / d theta = 2 (q k - tr M_zz^-1)
    explained = at.log_det_gradient @ theta / 2
    assert 0 < explained < effects
    assert leverages.sum() == pytest.approx(explained + design.x.shape[1], rel=1e-9)
