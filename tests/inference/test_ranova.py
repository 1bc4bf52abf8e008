"""Tests of random terms: labels, reductions, p-values against exact distributions and simulation."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import fdtrc

import mixwell as mw
from mixwell.inference.chi_bar import boundary_p_value, nearest_semidefinite
from mixwell.inference.exact import null_draws
from mixwell.inference.lrt import linear_criteria, reductions
from reference_cases import cases
from small_models import fitted, grouped


def quiet(formula: str, data: Any, **options: Any) -> mw.LmerResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mw.lmer(formula, data, **options)


def test_labels_are_those_of_lmertest() -> None:
    for name in ("sleep_full_reml", "sleep_diag_reml", "machines_cell_slope_reml"):
        case = cases()[name]
        labels = [row.label for row in reductions(quiet(case.formula, case.frame, **case.arguments).design)]
        assert labels == [label for label in case.results["ranova"] if label != "<none>"]


@pytest.mark.parametrize(
    ("random", "labels"),
    [
        ("(x * arm | g)", ["x:arm in (x * arm | g)"]),
        ("(x + arm | g)", ["x in (x + arm | g)", "arm in (x + arm | g)"]),
        ("(0 + x + arm | g)", ["x in (0 + x + arm | g)", "arm in (0 + x + arm | g)"]),
        ("(x || g) + (1 | h)", ["(1 | g)", "x in (0 + x | g)", "(1 | h)"]),
    ],
)
def test_variables_are_left_out_by_marginality(random: str, labels: list[str]) -> None:
    assert [row.label for row in reductions(quiet(f"y ~ x + {random}", grouped()).design)] == labels


def test_coding_is_redone_where_the_first_factor_leaves() -> None:
    """Without ``f``, R codes ``arm`` by all its indicators: three columns."""
    data = grouped().assign(f=lambda d: np.where(d["o"] > 0, "p", "q"))
    first = reductions(quiet("y ~ x + (0 + f + arm | g)", data).design)[0]
    assert first.design.terms[0].names == ("arm[low]", "arm[mid]", "arm[high]")
    expected = pd.get_dummies(data["arm"]).to_numpy(float)
    np.testing.assert_array_equal(np.column_stack(first.design.terms[0].columns), expected)


@pytest.mark.parametrize("name", ["slopes", "weights, offset", "crossed"])
def test_model_without_random_terms_is_the_limit_of_small_variances(name: str) -> None:
    fit = fitted(name)
    theta = np.full(len(fit.fit.theta), 1e-7)
    near = mw.kernel.components(fit.design, mw.kernel.problem(fit.design), theta, reml=fit.reml)
    found = linear_criteria(fit.design, fit.fit, fit.design.y[:, None])[0]
    assert found == pytest.approx(near.criterion, abs=1e-6)


def one_way_f_test(data: pd.DataFrame) -> float:
    groups = [g.to_numpy() for _, g in data.groupby("g")["y"]]
    a, n = len(groups), len(groups[0])
    between = n * np.var([g.mean() for g in groups], ddof=1)
    within = np.mean([g.var(ddof=1) for g in groups])
    return float(fdtrc(a - 1, a * (n - 1), between / within))


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("seed", [3, 5])
def test_exact_p_value_is_the_f_test_in_balanced_one_way_data(reml: bool, seed: int) -> None:
    """The ratio then grows with F (Herbach 1959), so the exact test is the F test; 3 Monte Carlo errors."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"g": np.repeat(list("abcdef"), 5)})
    data["y"] = rng.normal(size=30) + np.repeat(rng.normal(0, 0.7, 6), 5)
    expected = one_way_f_test(data)
    assert 1e-4 < expected < 0.5
    n = 100_000
    p = quiet("y ~ 1 + (1 | g)", data, reml=reml).ranova("exact", n=n, seed=1)["p_value"].iloc[1]
    assert p == pytest.approx(expected, abs=3 * np.sqrt(expected / n))


def test_bootstrap_agrees_with_the_exact_distribution() -> None:
    """Unbalanced, weighted, with a covariate; 3 Monte Carlo errors of 4000 draws."""
    data = grouped().assign(y=lambda d: d["x"] + np.random.default_rng(2).normal(size=90) / np.sqrt(d["w"]))
    data["y"] += data["h"].map({"u": 0.25, "v": 0.0, "w": -0.3, "z": 0.1})
    for reml in (True, False):
        fit = quiet("y ~ x + (1 | h)", data, weights="w", reml=reml)
        exact = fit.ranova("exact", n=100_000, seed=1)["p_value"].iloc[1]
        assert 0.002 < exact < 0.4
        boot = fit.ranova("bootstrap", n=4000, seed=1)["p_value"].iloc[1]
        assert boot == pytest.approx(exact, abs=3 * np.sqrt(exact / 4000))


def test_draws_of_the_exact_distribution_match_refits() -> None:
    """Quantiles of the statistic against refits of simulated responses, to Monte Carlo error."""
    fit = quiet("y ~ x + (0 + x | g)", grouped())
    draws = null_draws(fit.design, fit.fit, 20_000, 1)
    rng = np.random.default_rng(4)
    responses = rng.normal(size=(90, 4000))
    large = mw.kernel.refit_many(fit.design, responses, np.array([0.3]), reml=True).criterion
    ratios = linear_criteria(fit.design, fit.fit, responses) - large
    assert np.mean(draws < 1e-7) == pytest.approx(np.mean(ratios < 1e-6), abs=0.03)
    for q in (0.8, 0.9, 0.95):
        cut = np.quantile(draws, q)
        assert np.mean(ratios > cut) == pytest.approx(1 - q, abs=3.5 * np.sqrt(q * (1 - q) / 4000))


def test_seeds_repeat_and_portions_do_not_matter() -> None:
    fit = quiet("y ~ x + (x | g)", grouped())
    first, again = (fit.ranova("bootstrap", n=90, seed=7)["p_value"].iloc[1] for _ in range(2))
    assert first == again


def test_exact_needs_a_single_variance() -> None:
    with pytest.raises(mw.ModelError, match=r"one variance only; the random part is \(x \| g\)"):
        fitted("slopes").ranova("exact")
    with pytest.raises(mw.DataError, match="'mixture', 'bootstrap', 'exact'"):
        fitted("slopes").ranova("naive")  # type: ignore[arg-type]


def test_zero_variance_has_p_value_one() -> None:
    case = cases()["dyestuff2_singular_reml"]
    fit = quiet(case.formula, case.frame)
    for method in ("mixture", "exact"):
        assert fit.ranova(method)["p_value"].iloc[1] == 1.0  # type: ignore[arg-type]


def test_closed_form_projection_is_that_by_eigenvalues() -> None:
    rng = np.random.default_rng(1)
    entries = rng.normal(size=(200, 3))
    matrices = np.empty((200, 2, 2))
    matrices[:, 0, 0], matrices[:, 1, 1] = entries[:, 0], entries[:, 2]
    matrices[:, 0, 1] = matrices[:, 1, 0] = entries[:, 1] / np.sqrt(2)
    values, vectors = np.linalg.eigh(matrices)
    nearest = (vectors * np.maximum(values, 0)[:, None, :]) @ np.swapaxes(vectors, 1, 2)
    found = nearest_semidefinite(entries, [2])
    np.testing.assert_allclose(found[:, [0, 2]], nearest[:, [0, 1], [0, 1]], atol=1e-12)
    np.testing.assert_allclose(found[:, 1], np.sqrt(2) * nearest[:, 0, 1], atol=1e-12)


@pytest.mark.slow
def test_size_of_the_mixture_test_is_five_percent() -> None:
    """300 groups of 8: share of p-values below 5 % under the null hypothesis, 4 to 6 %."""
    rng = np.random.default_rng(11)
    data = pd.DataFrame({"g": np.repeat(np.arange(300), 8), "x": np.tile(np.arange(8.0), 300) - 3.5})
    data["y"] = rng.normal(size=len(data))
    fit = quiet("y ~ x + (x | g)", data)
    null = quiet("y ~ x + (1 | g)", data)
    n = 4000
    responses = rng.normal(size=(len(data), n)) + rng.normal(size=(300, n))[data["g"]]
    large = mw.kernel.refit_many(fit.design, responses, np.array([0.5, 0.0, 0.1]), reml=True).criterion
    small = mw.kernel.refit_many(null.design, responses, np.array([0.5]), reml=True).criterion
    p = np.array([boundary_p_value(x, 2, [1]) for x in np.maximum(small - large, 0)])
    assert 0.04 < np.mean(p < 0.05) < 0.06
