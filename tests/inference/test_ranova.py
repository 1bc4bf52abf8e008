"""Tests of random terms: labels, reductions, p-values against exact distributions and simulation."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import fdtrc

import mixwell as mw
from mixwell.errors import MixwellWarning
from mixwell.inference.chi_bar import nearest_semidefinite
from mixwell.inference.exact import null_draws
from mixwell.inference.lrt import reductions
from mixwell.inference.null_ratio import linear_criteria
from mixwell.inference.refits import Refitting
from reference_cases import cases, file_cases, frame_of
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


# ---- against R


VARIANCE = file_cases("variance")
EXACT = [
    (case, entry, method)
    for case in VARIANCE
    for entry in case["results"].get("exact", [])
    for method in ("reml", "ml")
    if method in entry
]


def test_every_exact_case_is_there() -> None:
    """One variance alone by REML and ML; beside others by REML: crossed, nested, independent slopes."""
    assert len(EXACT) == 12
    assert sum("ml" not in entry for _, entry, _ in EXACT) == 4


@pytest.mark.parametrize(
    ("case", "entry", "method"), EXACT, ids=lambda value: value if isinstance(value, str) else value.get("id")
)
def test_exact_tests_match_rlrsim(case: dict[str, Any], entry: dict[str, Any], method: str) -> None:
    """Statistic, p-value and the simulated null distribution; 4 Monte Carlo errors of both simulations.

    RLRsim maximizes over a grid, so that its quantiles are a little smaller.
    """
    wanted, nsim, n = entry[method], case["results"]["nsim"], 100_000
    fit = quiet(case["formula"], frame_of(case), reml=method == "reml")
    table = fit.ranova("exact", n=n, seed=2) if len(fit.design.terms) == 1 or method == "reml" else None
    assert table is not None
    row = table.set_index("term").loc[entry["term"]]
    assert row["lrt"] == pytest.approx(wanted["statistic"], rel=1e-5)
    both = np.sqrt(1 / nsim + 1 / n)
    p = wanted["p"]
    assert row["p_value"] == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p)) * both + 1 / n)
    number = [row.label for row in reductions(fit.design)].index(entry["term"])
    term = fit.design.terms[number]
    alone = replace(fit.design, terms=(replace(term, factor=0),), factors=(fit.design.factors[term.factor],))
    draws = null_draws(alone, fit.fit, n, 2)
    null = wanted["null"]
    assert np.mean(draws < 1e-8) == pytest.approx(null["zero"], abs=2 * both + 0.002)
    for q, value in zip(null["probs"], null["values"], strict=True):
        if value > 1e-3:
            assert np.mean(draws > value) == pytest.approx(1 - q, abs=4 * np.sqrt(q * (1 - q)) * both + 0.002)


@pytest.mark.parametrize("case", VARIANCE, ids=lambda case: case["id"])
def test_terms_removed_as_a_whole_match_lmertest(case: dict[str, Any]) -> None:
    table = quiet(case["formula"], frame_of(case)).ranova(reduce_terms=False)
    wanted = case["results"]["ranova_whole_terms"]
    assert len(table) == len(wanted)
    for row in wanted:
        name = row["term"].replace("cask:batch", "batch:cask")
        found = table.set_index("term").loc[name]
        assert found["npar"] == row["npar"]
        assert found["llf"] == pytest.approx(row["logLik"], abs=1e-5)
        assert found["aic"] == pytest.approx(row["AIC"], abs=1e-5)
        if name != "<none>":
            assert found["df"] == row["df"]
            assert found["lrt"] == pytest.approx(row["LRT"], abs=2e-5)
            assert found["p_naive"] == pytest.approx(row["p"], rel=1e-4)
            assert found["p_value"] < found["p_naive"]


def test_whole_terms_are_tested_as_models_compared() -> None:
    """A variance with its covariances: the row of ranova is that of anova."""
    data = grouped()
    fits = [quiet(f"y ~ x + {random}", data) for random in ("(1 | h)", "(x | g) + (1 | h)")]
    row = fits[1].ranova(reduce_terms=False).set_index("term").loc["(x | g)"]
    pair = mw.anova(*fits).iloc[1]
    assert row["df"] == pair["df"] == 3
    for column in ("lrt", "p_naive", "p_value"):
        assert row[column] == pytest.approx(pair[column], rel=1e-6)


def test_how_p_values_were_found_is_said() -> None:
    fit = fitted("independent")
    texts = {
        "mixture": "mixture of chi-squares",
        "bootstrap": "parametric bootstrap, 50 draws",
        "exact": "50 draws of the exact null distribution",
    }
    for method, text in texts.items():
        table = fit.ranova(method, n=50, seed=3)  # type: ignore[arg-type]
        assert text in table.note
        assert "p_naive is that of a plain chi-square" in table.note
        assert max(map(len, str(table).splitlines())) <= 79


def test_failed_refits_under_the_null_hypothesis_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_failures(self: Any, responses: Any) -> Any:
        found = refit(self, responses)
        found.criterion[0] = np.nan
        return found

    refit = Refitting.__call__
    monkeypatch.setattr(Refitting, "__call__", with_failures)
    fit = quiet("y ~ x + (x | g)", grouped())
    with pytest.warns(MixwellWarning, match="of 40 refits under the null hypothesis failed"):
        fit.ranova("bootstrap", n=40, seed=3)
    monkeypatch.setattr(
        Refitting, "__call__", lambda s, y: replace(refit(s, y), criterion=np.full(len(y.T), np.nan))
    )
    with pytest.raises(mw.MixwellError, match="every refit under the null hypothesis failed"):
        fit.ranova("bootstrap", n=40, seed=3)


@pytest.mark.parametrize("n", [0, -3, 2.5, True, "many"])
def test_numbers_of_draws_are_checked(n: Any) -> None:
    for method in ("bootstrap", "exact"):
        with pytest.raises(mw.DataError, match="n, the number of draws"):
            fitted("slope only").ranova(method, n=n)  # type: ignore[arg-type]


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
    with pytest.raises(
        mw.ModelError, match=r"one variance, of a term of its own; tested are 2 .* \(x \| g\)"
    ):
        fitted("slopes").ranova("exact")
    with pytest.raises(mw.ModelError, match="for REML fits only"):
        fitted("crossed").ranova("exact")
    with pytest.raises(mw.DataError, match="'mixture', 'bootstrap', 'exact'"):
        fitted("slopes").ranova("naive")  # type: ignore[arg-type]


def test_zero_variance_has_p_value_one() -> None:
    case = cases()["dyestuff2_singular_reml"]
    fit = quiet(case.formula, case.frame)
    for method in ("mixture", "exact"):
        assert fit.ranova(method)["p_value"].iloc[1] == 1.0  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["mixture", "exact", "bootstrap"])
@pytest.mark.parametrize("unit", [1.0, 1 / 7, 3e5, 1e-7])
def test_rounding_does_not_decide_the_p_value_of_a_zero_variance(method: Any, unit: float) -> None:
    """The ratio is zero but for rounding: every response is at least as far out, whatever its unit."""
    for seed in range(4):
        data = grouped(seed)
        data["y"] -= data.groupby("g")["y"].transform("mean")
        data["y"] = (data["y"] + 10) * unit
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MixwellWarning)
            fit = mw.lmer("y ~ 1 + (1 | g)", data)
            table = fit.ranova(method=method, n=None if method == "mixture" else 50, seed=1)
        assert table["lrt"].iloc[-1] == 0.0
        assert table["p_value"].iloc[-1] == 1.0


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
