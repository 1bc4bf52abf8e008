"""Power by simulation: against the noncentral t distribution, sizes, plans."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.stats import binomtest, f, ncf, nct, t

import mixwell as mw
from mixwell.inference.groups import Groups
from mixwell.inference.power import proportion_interval
from small_models import grouped


def quiet(formula: str, data: Any, **options: Any) -> mw.LmerResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mw.lmer(formula, data, **options)


def two_arms(groups: int, size: int) -> pd.DataFrame:
    """Half the groups in each arm; the arm varies between groups."""
    g = np.repeat(np.arange(groups), size)
    return pd.DataFrame({"g": g.astype(str), "arm": np.where(g % 2, 1.0, 0.0)})


CHOSEN = {"sd_(Intercept)|g": 0.7, "sigma": 1.0, "(Intercept)": 2.0, "arm": 0.9}


def exact_power(groups: int, size: int, effect: float, alpha: float) -> float:
    """Two-sample t test of group means, balanced: noncentral t with groups - 2 degrees of freedom."""
    variance = 0.7**2 + 1.0 / size
    shift = effect / np.sqrt(4 * variance / groups)
    cut = t.ppf(1 - alpha / 2, groups - 2)
    return float(nct.sf(cut, groups - 2, shift) + nct.cdf(-cut, groups - 2, shift))


def test_power_is_that_of_the_t_test_of_group_means() -> None:
    """Balanced: the mixed model's test is the t test where the variance is not estimated as zero.

    4 Monte Carlo errors; at the null value it is the size.
    """
    plan = mw.planned("y ~ arm + (1 | g)", two_arms(10, 6), CHOSEN)
    for effect in (0.0, 0.9):
        table = mw.power(plan, effect=effect, test="arm = 0", n=[10, 20], n_sims=1500, seed=1)
        for _, row in table.iterrows():
            exact = exact_power(int(row["n"]), 6, effect, 0.05)
            assert row["power"] == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 1500))
            assert row["conf_low"] < row["power"] < row["conf_high"]
    assert table["nobs"].tolist() == [60, 120]


def test_alpha_moves_the_power() -> None:
    plan = mw.planned("y ~ arm + (1 | g)", two_arms(20, 4), CHOSEN)
    loose, strict = (
        mw.power(plan, {"arm": 0.9}, alpha=a, n_sims=400, seed=2)["power"][0] for a in (0.1, 0.01)
    )
    assert loose > strict + 0.1


def test_likelihood_ratio_and_wald_agree_in_large_samples() -> None:
    plan = mw.planned("y ~ arm + (1 | g)", two_arms(80, 4), {**CHOSEN, "arm": 0.5})
    wald, lrt = (
        mw.power(plan, test="arm = 0", method=method, n_sims=400, seed=3)["power"][0]
        for method in ("wald", "lrt")
    )
    assert wald == pytest.approx(lrt, abs=0.03)


def test_likelihood_ratio_of_a_combination_is_the_model_without_it() -> None:
    """One draw: the restricted design has the criterion of the formula with the restriction written in."""
    from_power = mw.inference.power._restricted
    data = grouped()
    fit = quiet("y ~ x + o + (1 | g)", data, reml=False)
    hypothesis = mw.inference.power.read_hypothesis(fit.design, fit.fit, "x + o = 2")
    design = from_power(fit.design, fit.fit, hypothesis)
    found = mw.inference.power.solve(design, reml=False)
    # x = 2 - o: the mean is intercept + 2 x + b (o - x).
    held = quiet(
        "y ~ d + (1 | g)", data.assign(d=data["o"] - data["x"], b=2 * data["x"]), offset="b", reml=False
    )
    assert found.criterion == pytest.approx(held.criterion, abs=1e-7)


def test_seeds_repeat_and_sizes_stand_alone() -> None:
    plan = mw.planned("y ~ arm + (1 | g)", two_arms(8, 3), CHOSEN)
    one = mw.power(plan, {"arm": 0.9}, [8, 12], n_sims=60, seed=5)
    pd.testing.assert_frame_equal(one, mw.power(plan, {"arm": 0.9}, [8, 12], n_sims=60, seed=5))
    alone = mw.power(plan, {"arm": 0.9}, 8, n_sims=60, seed=5)
    assert alone["power"][0] == one["power"][0]


def test_power_of_a_fit_uses_its_estimates() -> None:
    fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    own = mw.power(fit, test="Days = 0", n_sims=100, seed=1)
    assert own["n"].tolist() == [18]
    assert own["power"][0] == 1.0
    assert mw.power(fit, {"Days": 0.0}, n_sims=200, seed=1)["power"][0] < 0.12


def test_groups_are_repeated_or_spread() -> None:
    data = two_arms(6, 2)
    plan = mw.planned("y ~ arm + (1 | g)", data, CHOSEN)
    groups = Groups(plan.design, 0)
    for n in (2, 3, 6, 10, 12):
        design = groups.design(groups.spread(n))
        assert design.factors[0].n_levels == n
        assert design.n_obs == 2 * n
    # 12 groups are each group twice: six of them in each arm.
    assert groups.design(groups.spread(12)).x[:, 1].sum() == 12


@pytest.mark.parametrize("hits", [0, 3, 50, 97, 100])
def test_interval_is_clopper_and_pearsons(hits: int) -> None:
    expected = binomtest(hits, 100).proportion_ci(0.9, "exact")
    assert proportion_interval(hits, 100, 0.9) == pytest.approx((expected.low, expected.high), abs=1e-10)


# ---- plans


def test_a_plan_simulates_what_was_chosen() -> None:
    """Empirical moments of 400 responses; Monte Carlo error under 4 %."""
    rows = pd.DataFrame({"x": np.tile(np.arange(4.0), 50), "g": np.repeat(np.arange(50), 4).astype(str)})
    chosen = {
        "sd_(Intercept)|g": 2.0,
        "cor_x.(Intercept)|g": -0.5,
        "sd_x|g": 0.5,
        "sigma": 1.0,
        "(Intercept)": 10.0,
        "x": 3.0,
    }
    plan = mw.planned("y ~ x + (x | g)", rows, chosen)
    draws = mw.simulate.simulate(plan.design, plan.fit, 400, 1).reshape(50, 4, 400)
    np.testing.assert_allclose(draws.mean(axis=(0, 2)), 10 + 3 * np.arange(4), atol=0.1)
    z = np.column_stack([np.ones(4), np.arange(4.0)])
    expected = z @ np.array([[4.0, -0.5], [-0.5, 0.25]]) @ z.T + np.eye(4)
    found = np.cov(draws.transpose(1, 0, 2).reshape(4, -1))
    np.testing.assert_allclose(found, expected, rtol=0.06, atol=0.05)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sigma": -1.0}, "sigma is -1"),
        ({"slope": 1.0}, "'slope' is not one of this model"),
        ({"sd_(Intercept)|g": -0.2}, r"standard deviation of \(1 \| g\) is negative"),
    ],
)
def test_impossible_parameters_are_named(values: dict[str, float], message: str) -> None:
    with pytest.raises(mw.DataError, match=message):
        mw.planned("y ~ arm + (1 | g)", two_arms(6, 3), {**CHOSEN, **values})


def test_missing_parameters_and_impossible_correlations_are_named() -> None:
    with pytest.raises(mw.DataError, match="no value for 'sigma', 'arm'"):
        mw.planned("y ~ arm + (1 | g)", two_arms(6, 3), {"sd_(Intercept)|g": 1.0, "(Intercept)": 0.0})
    data = two_arms(6, 4).assign(x=np.tile(np.arange(4.0), 6))
    values = {"sd_(Intercept)|g": 1.0, "sd_x|g": 1.0, "cor_x.(Intercept)|g": 1.4, "sigma": 1.0}
    with pytest.raises(mw.DataError, match="do not make a covariance matrix"):
        mw.planned("y ~ x + (x | g)", data, {**values, "(Intercept)": 0.0, "x": 0.0})


def test_any_frame_can_be_planned() -> None:
    data = two_arms(6, 3)
    tables = [
        mw.power(mw.planned("y ~ arm + (1 | g)", rows, CHOSEN), {"arm": 1.0}, n_sims=20, seed=1)
        for rows in (data, pl.from_pandas(data), data.to_dict("list"))
    ]
    assert isinstance(tables[1], pl.DataFrame)
    assert tables[0]["power"][0] == tables[1]["power"][0] == tables[2]["power"][0]


def test_what_is_asked_for_must_be_clear() -> None:
    plan = mw.planned("y ~ arm + (1 | g)", two_arms(6, 3), CHOSEN)
    with pytest.raises(mw.DataError, match="needs to know what is tested"):
        mw.power(plan)
    with pytest.raises(mw.DataError, match="'legs' is not a coefficient"):
        mw.power(plan, {"legs": 1.0})
    with pytest.raises(mw.DataError, match="give a value for each by name"):
        mw.power(plan, 1.0, test="arm = 0, (Intercept) = 0")
    with pytest.raises(mw.DataError, match="at least 2, or several; not 1"):
        mw.power(plan, {"arm": 1.0}, n=1)
    with pytest.raises(mw.DataError, match="'wald', 'lrt'"):
        mw.power(plan, {"arm": 1.0}, method="score")  # type: ignore[arg-type]


GOOD = {"effect": {"arm": 1.0}, "n_sims": 20, "seed": 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_sims": 0}, "n_sims, simulations per size, must be a positive whole number, not 0"),
        ({"n_sims": 1.5}, "positive whole number, not 1.5"),
        ({"n": []}, "or several; not none"),
        ({"n": "ten"}, "or several; not 'ten'"),
        ({"n": [4, 6.5]}, "or several; not 6.5"),
        ({"alpha": 5}, "alpha must lie between 0 and 1, like 0.05, not 5"),
        ({"alpha": "x"}, "alpha must lie between 0 and 1, like 0.05, not 'x'"),
        ({"level": 95}, "level must lie between 0 and 1, like 0.95, not 95"),
        ({"effect": {"arm": np.nan}}, "effect: nan is not a number"),
        ({"effect": {"arm": "large"}}, "effect: 'large' is not a number"),
        ({"effect": {"Arm": 1.0}}, "'Arm' is not a coefficient; did you mean 'arm'"),
        ({"ddf": "kr"}, "There is no ddf='kr'; there are 'satterthwaite'"),
        ({"seed": "a"}, "seed must be a whole number from 0"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"groups": "h"}, "groups='h' is not a grouping factor"),
    ],
)
def test_arguments_that_make_no_sense(arguments: dict[str, Any], message: str) -> None:
    plan = mw.planned("y ~ arm + (1 | g)", two_arms(6, 3), CHOSEN)
    with pytest.raises(mw.DataError, match=message):
        mw.power(plan, **{**GOOD, **arguments})


def test_what_cannot_have_power() -> None:
    with pytest.raises(mw.DataError, match=r"a result of lmer\(\) or a plan made by planned\(\), not a str"):
        mw.power("y ~ arm + (1 | g)", {"arm": 1.0})  # type: ignore[arg-type]
    by_ml = mw.planned("y ~ arm + (1 | g)", two_arms(6, 3), CHOSEN, reml=False)
    with pytest.raises(mw.ModelError, match="Kenward-Roger needs a REML fit"):
        mw.power(by_ml, {"arm": 1.0}, ddf="kenward-roger")
    for values, message in (
        ({"sigma": "a"}, "'sigma' is 'a'; it must be a number"),
        ({"arm": np.nan}, "'arm' is nan; it must be a number"),
    ):
        with pytest.raises(mw.DataError, match=message):
            mw.planned("y ~ arm + (1 | g)", two_arms(6, 3), {**CHOSEN, **values})
    with pytest.raises(mw.DataError, match="a dict of values by name"):
        mw.planned("y ~ arm + (1 | g)", two_arms(6, 3), 3.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [3, 4, 5, 7, 13, 15])
def test_smaller_trials_keep_their_arms(n: int) -> None:
    """Arms alternate in the rows; however many groups are taken, the arms differ by one at most."""
    plan = mw.planned("y ~ arm + (1 | g)", two_arms(10, 3), CHOSEN)
    groups = Groups(plan.design, 0)
    chosen = groups.spread(n)
    in_arm = groups.design(chosen).x[::3, 1]
    assert abs(2 * in_arm.sum() - n) <= 1
    assert len(np.unique(chosen)) == min(n, 10)
    assert mw.power(plan, {"arm": 1.0}, n, n_sims=10, seed=1)["n_failed"][0] == 0


def test_groups_that_do_not_show_an_effect_are_refused() -> None:
    """One group of twelve has the treatment, and it is not among four."""
    data = two_arms(12, 3).assign(rare=lambda d: (d["g"] == "5") * 1.0)
    plan = mw.planned(
        "y ~ arm + rare + (1 | g)",
        data.assign(rare=data["rare"] * (data["arm"] > 0)),
        {**CHOSEN, "rare": 1.0},
    )
    for method in ("wald", "lrt"):
        with pytest.raises(mw.DataError, match="with 6 rows the groups do not determine 'rare'"):
            mw.power(plan, {"rare": 2.0}, n=2, method=method, n_sims=5)  # type: ignore[arg-type]


def test_failed_simulations_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def sometimes(design: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) % 5 == 0:
            raise mw.ModelError("no")
        return solve(design, **options)

    calls: list[int] = []
    plan = mw.planned("y ~ arm + (1 | g)", two_arms(6, 3), CHOSEN)
    solve = mw.inference.power.solve
    monkeypatch.setattr(mw.inference.power, "solve", sometimes)
    with pytest.warns(mw.MixwellWarning, match="4 of 20 refits with 6 groups failed"):
        table = mw.power(plan, **GOOD)
    assert (table["n_sims"][0], table["n_failed"][0]) == (16, 4)


def test_likelihood_ratios_in_threads_are_those_of_single_fits() -> None:
    plan = mw.planned("y ~ arm + (1 | g)", two_arms(8, 3), CHOSEN)
    table = mw.power(plan, {"arm": 1.5}, method="lrt", n_sims=60, seed=4, alpha=0.2)
    seed = int(np.random.default_rng(4).integers(0, 2**63, size=1)[0])
    assumed = replace(plan.fit, beta=np.array([2.0, 1.5]))
    hits = 0
    for y in mw.simulate.simulate(plan.design, assumed, 60, seed).T:
        data = two_arms(8, 3).assign(y=y)
        fits = [quiet(f"y ~ {part} + (1 | g)", data, reml=False) for part in ("1", "arm")]
        hits += mw.anova(*fits)["p_value"].iloc[1] < 0.2
    assert table["power"][0] == pytest.approx(hits / 60, abs=1e-12)
    assert 0.2 < table["power"][0] < 0.95


@pytest.mark.slow
@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
def test_power_of_a_joint_test_is_that_of_the_f_test_of_group_means(ddf: Any) -> None:
    """Three arms, balanced: noncentral F with 2 and groups - 3 degrees of freedom; 4 Monte Carlo errors.

    The between variance is large, so that it is hardly ever estimated as zero.
    """
    groups, size = 15, 4
    g = np.repeat(np.arange(groups), size)
    data = pd.DataFrame({"g": g.astype(str), "arm": np.array(list("abc"))[g % 3]})
    effects = {"arm[b]": 1.0, "arm[c]": 2.2}
    plan = mw.planned(
        "y ~ arm + (1 | g)", data, {"sd_(Intercept)|g": 1.2, "sigma": 1.0, "(Intercept)": 0.0, **effects}
    )
    table = mw.power(plan, effects, n_sims=2000, seed=3, ddf=ddf)
    means = np.array([0.0, *effects.values()])
    shift = groups / 3 * np.sum((means - means.mean()) ** 2) / (1.2**2 + 1.0 / size)
    exact = ncf.sf(f.ppf(0.95, 2, groups - 3), 2, groups - 3, shift)
    assert 0.5 < exact < 0.9
    assert table["power"][0] == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 2000))
