"""Random designs, most of them singular at the optimum, against the best of many starts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest

import oracle
import random_designs
from mixwell.design.record import Design
from mixwell.fit import Fit, solve

SHAPES: list[tuple[str, list[list[int]]]] = [
    ("one", [[2]]),
    ("one", [[3]]),
    ("one", [[1, 1]]),
    ("crossed", [[1], [1]]),
    ("crossed", [[2], [1]]),
    ("crossed", [[2], [2]]),
    ("nested", [[1], [2]]),
    ("partly crossed", [[1], [2]]),
    ("chain", [[1], [1], [1]]),
    ("three crossed", [[1], [2], [1]]),
    ("one", [[4]]),
    ("crossed", [[3], [2]]),
]
COUNT = 360
STARTS = 10


@dataclass(frozen=True)
class Trial:
    number: int
    design: Design
    reml: bool
    fit: Fit
    best: float
    is_singular: bool


def response(design: Design, full_rank: bool, rng: np.random.Generator) -> Design:
    """Random effects of full, or of any lower rank, zero included."""
    y = design.x @ rng.normal(size=design.x.shape[1]) + rng.normal(size=design.n_obs)
    for term in design.terms:
        k, factor = len(term.names), design.factors[term.factor]
        rank = k if full_rank else min(int(rng.integers(0, k + (len(design.terms) > 1))), k)
        root = 0.8 * rng.normal(size=(k, rank))
        effects = rng.normal(size=(factor.n_levels, rank)) @ root.T
        y += np.sum(effects[factor.codes] * np.stack(term.columns, axis=1), axis=1)
    return replace(design, y=y)


@cache
def trials() -> list[Trial]:
    rng = np.random.default_rng(11)
    out = []
    for number in range(COUNT):
        structure, widths = SHAPES[number % len(SHAPES)]
        design = random_designs.make(
            structure,
            widths,
            n=int(rng.integers(40, 90)),
            p=int(rng.integers(0, 4)),
            weighted=bool(rng.integers(2)),
            seed=number + 5000,
        )
        design = response(design, number % 2 == 0, rng)
        reml = bool(rng.integers(2))
        fit = solve(design, reml=reml)
        m = len(fit.theta)
        starts = [rng.normal(size=m) * 10 ** rng.uniform(-2, 1) for _ in range(STARTS)]
        best = min(solve(design, reml=reml, start=start).criterion for start in starts)
        is_singular = any(
            certificate.rank < len(term.names)
            for certificate, term in zip(fit.certificate.terms, design.terms, strict=True)
        )
        out.append(Trial(number, design, reml, fit, min(best, fit.criterion), is_singular))
    return out


def test_two_thirds_or_more_are_singular() -> None:
    assert 0.6 < np.mean([t.is_singular for t in trials()]) < 0.85


def test_none_is_above_the_best_of_many_starts() -> None:
    short = {t.number: t.fit.criterion - t.best for t in trials() if t.fit.criterion > t.best + 1e-6}
    assert short == {}


def test_all_are_certified() -> None:
    failed = {t.number: t.fit.certificate for t in trials() if not t.fit.certificate.converged}
    assert not failed


def test_all_are_stationary_and_optimal_on_the_cone_by_the_oracle() -> None:
    for t in trials():
        at = oracle.marginal(t.design, t.fit.theta, reml=t.reml)
        assert t.fit.criterion == pytest.approx(at.criterion, rel=0, abs=1e-8), t.number
        gammas = oracle.sigma_gradients(t.design, at, reml=t.reml)
        factors = oracle.relative_factors(t.design, t.fit.theta)
        for term, gamma, root in zip(t.design.terms, gammas, factors, strict=True):
            scale = np.sqrt([np.mean(c**2) for c in term.columns])
            gamma = gamma / np.outer(scale, scale)
            root = root * scale[:, None]
            np.testing.assert_allclose(gamma @ root, 0, rtol=0, atol=1e-3, err_msg=str(t.number))
            # no direction off the cone's boundary improves
            assert np.linalg.eigvalsh(gamma)[0] > -1e-3, t.number


def test_none_is_above_the_oracles_own_minimum() -> None:
    for t in trials()[:: COUNT // 24]:
        wanted = oracle.criterion(t.design, oracle.minimize(t.design, reml=t.reml), reml=t.reml)
        assert t.fit.criterion <= wanted + 1e-6, t.number


def evaluations(singular: bool) -> list[int]:
    """Evaluations of the search that ended at the optimum."""
    return [t.fit.trace.evaluations for t in trials() if t.is_singular == singular]


def test_singular_optima_cost_little_more_than_regular_ones() -> None:
    """The search that ended at the optimum: 7 evaluations at regular optima, 11 at singular ones."""
    assert np.median(evaluations(False)) <= 8
    assert np.median(evaluations(True)) <= 12


def test_no_fit_runs_out_of_evaluations() -> None:
    assert np.quantile(evaluations(False), 0.9) <= 20
    assert np.quantile(evaluations(True), 0.9) <= 80
    assert max(evaluations(True) + evaluations(False)) <= 220


def test_restarts_agree_with_the_first_search() -> None:
    for t in trials()[::20]:
        again = solve(t.design, reml=t.reml, start=t.fit.theta)
        assert again.criterion == pytest.approx(t.fit.criterion, rel=0, abs=1e-8)
        assert len(again.trace.criterion) <= len(t.fit.trace.criterion) + 5
