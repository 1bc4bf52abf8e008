"""The table of checks, its remedies, and the analyses side by side."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings

import matplotlib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib import pyplot

import mixwell as mw
from mixwell.diagnostics import assumptions
from mixwell.diagnostics.assumptions import Size, judge
from mixwell.diagnostics.checks import Checks
from mixwell.diagnostics.remedies import RESAMPLED, Remedies
from mixwell.report.checks_zh import evidence_in_chinese, meaning_in_chinese
from reference_cases import cases
from small_models import FITS, fitted, grouped

pytestmark = [
    pytest.mark.filterwarnings("ignore::mixwell.SingularFitWarning"),
    pytest.mark.filterwarnings("ignore::mixwell.RankDeficiencyWarning"),
]


def clean(seed: int = 11, groups: int = 40, size: int = 10) -> pd.DataFrame:
    """Data of a true model: y ~ x + (1 | g)."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), size)
    x = rng.normal(size=groups * size)
    return pd.DataFrame({"y": 20 + x + rng.normal(size=groups)[g] + rng.normal(size=len(g)), "x": x, "g": g})


def check(data: pd.DataFrame, formula: str = "y ~ x + (1 | g)") -> Checks:
    return mw.lmer(formula, data).check()


def test_a_true_model_is_fine() -> None:
    found = check(clean())
    assert [one.assumption for one in found if one.verdict == "violated"] == []
    assert sum(one.verdict == "fine" for one in found) >= 12
    assert found["normal residuals"].verdict == "fine"
    assert found["normal residuals"].remedy == ""


def violations() -> dict[str, tuple[pd.DataFrame, str]]:
    """Data that violate one assumption each: frame and assumption."""
    rng = np.random.default_rng(3)
    base = clean()
    n, g = len(base), base["g"].to_numpy()
    outlier = base.copy()
    outlier.loc[17, "y"] += 12
    group = base.assign(y=base["y"] + 12 * (g == 5))
    slope = base.assign(y=base["y"] + rng.normal(size=40)[g] * base["x"])
    series = base.copy()
    for row in range(1, n):
        if g[row] == g[row - 1]:
            series.loc[row, "y"] += 0.7 * (series.loc[row - 1, "y"] - 20)
    pull = base.assign(x=base["x"] + 8 * (g == 3), y=base["y"] - 40 * (g == 3))
    between = base.assign(x=base["x"] + rng.normal(size=40)[g])
    between["y"] += -3 * between.groupby("g")["x"].transform("mean")
    return {
        "linear mean": (base.assign(y=base["y"] + base["x"] ** 2), "linear mean"),
        "slope": (slope, "no slope missing"),
        "within": (between, "same effects in g"),
        "residuals": (base.assign(y=base["y"] + rng.exponential(size=n) ** 2), "normal residuals"),
        "variance": (base.assign(y=base["y"] + np.exp(base["x"]) * rng.normal(size=n)), "equal variance"),
        "series": (series, "independent in order"),
        "outlier": (outlier, "no outlying rows"),
        "group": (group, "no outlying g"),
        "influence": (pull, "no influential g"),
    }


@pytest.mark.parametrize("name", list(violations()))
def test_a_violated_assumption_is_found(name: str) -> None:
    data, assumption = violations()[name]
    found = check(data)[assumption]
    assert found.verdict == "violated"
    assert found.remedy
    assert found.meaning.endswith(".")


def run(remedy: str, fit: mw.LmerResult, data: object) -> object:
    """A remedy as a user types it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(remedy, {"fit": fit, "mw": mw, "data": data, "print": str})


@pytest.mark.parametrize("name", list(violations()))
def test_remedies_run(name: str) -> None:
    data, _ = violations()[name]
    fit = mw.lmer("y ~ x + (1 | g)", data)
    remedies = {one.remedy for one in fit.check() if one.verdict != "fine"}
    assert remedies
    for remedy in remedies:
        assert run(remedy, fit, data) is not None


@pytest.mark.parametrize("name", list(FITS))
def test_remedies_run_for_every_kind_of_model(name: str) -> None:
    fit = fitted(name)
    for one in fit.check():
        assert (one.remedy == "") == (one.verdict == "fine")
        if one.remedy:
            assert run(one.remedy, fit, grouped()) is not None
    pyplot.close("all")


def every_remedy(fit: mw.LmerResult) -> list[str]:
    """All that a check of a fit may advise, whatever its tests say."""
    remedies = Remedies(fit.design, fit.fit)
    found = [
        RESAMPLED,
        remedies.logged("fit.ranova()"),
        remedies.added("I(x**2)", "fit.diagnostics.curvature()"),
        remedies.robust("fit.plot.scale_location()"),
        remedies.robust("fit.plot.acf()"),
        "print(fit.convergence.explain())",
        "fit.conf_int(ddf='kenward-roger')" if fit.reml else "fit.conf_int(method='profile')",
        "fit.diagnostics.outliers().frame()",
    ]
    for i, name in enumerate(fit.ngroups):
        found += [
            remedies.group_means(i, ["x"], f"fit.diagnostics.within_between({name!r})"),
            remedies.robust(f"fit.plot.residuals_by_group({name!r})"),
            # Levels are outliers only where they vary.
            f"fit.diagnostics.outlying_groups({name!r}).frame()"
            if fit.cov_re[name].to_numpy().any()
            else "fit",
            f"print(fit.influence({name!r}))",
        ]
    for term, random in enumerate(fit.design.terms):
        if "x" not in random.names:
            found.append(remedies.slope(term, "x", "fit.diagnostics.omitted_slopes()"))
    return found


@pytest.mark.parametrize(
    ("formula", "arguments"),
    [
        ("y ~ x + (1 | g)", {}),
        ("y ~ x + arm + (1|g)", {"reml": False, "contrasts": {"arm": "sum"}}),
        ("y ~ x + (1 | g) + (1 | h)", {"weights": "w", "offset": "o"}),
        ("y ~ x + arm + (1 + arm | `the group`) + (1 | h)", {}),
        ("y ~ x + (1 | arm/`the group`)", {}),
        ("y ~ x + (1 | h:`the group`)", {"weights": "w"}),
        ("y ~ x + (1 | factor(code))", {}),
        ("y ~ x + arm + (arm || g)", {}),
    ],
)
def test_every_remedy_runs_and_keeps_how_the_model_was_fitted(
    formula: str, arguments: dict[str, object]
) -> None:
    data = grouped().assign(y=lambda d: d["y"] - d["y"].min() + 1)
    data["the group"] = data["g"]
    data["code"] = data["g"].map("abcdefgh".index)
    fit = mw.lmer(formula, data, **arguments)
    for remedy in every_remedy(fit):
        found = run(remedy, fit, data)
        assert found is not None
        if isinstance(found, mw.LmerResult):
            assert found.reml == fit.reml
            assert (found.design.weights is None) == (fit.design.weights is None)
            assert (found.design.offset is None) == (fit.design.offset is None)
            assert set(fit.params.index) <= set(found.params.index)
            assert found.nobs == fit.nobs
    pyplot.close("all")


def test_arrays_of_weights_are_given_again_where_they_can_be() -> None:
    data = grouped()
    fit = mw.lmer("y ~ x + (1 | g)", data, weights=data["w"].to_numpy())
    wider = run(Remedies(fit.design, fit.fit).added("I(x**2)", ""), fit, data)
    np.testing.assert_array_equal(wider.design.weights, data["w"])
    data.loc["row 3", "x"] = np.nan
    short = mw.lmer("y ~ x + (1 | g)", data, weights=data["w"].to_numpy())
    assert Remedies(short.design, short.fit).added("I(x**2)", "otherwise") == "otherwise"


def test_a_slope_is_added_to_the_term_that_lacks_it() -> None:
    def widened(formula: str) -> str:
        fit = mw.lmer(formula, grouped())
        return Remedies(fit.design, fit.fit).slope(0, "x", "").split('"')[1]

    assert widened("y ~ x + (1|g)") == "y ~ x + (1 + x | g)"
    assert widened("y ~ x + arm + (1 + arm | g)") == "y ~ x + arm + (1 + arm + x | g)"
    assert widened("y ~ x + (1 | h:g)") == "y ~ x + (1 + x | h:g)"
    assert widened("y ~ x + (1 | h/g)") == "y ~ x + (1 | h/g) + (0 + x | h:g)"


def test_an_effect_that_rests_on_one_level_is_worth_a_look() -> None:
    data = clean()
    data["arm"] = np.where(data["g"] == 3, "only here", "elsewhere")
    found = check(data, "y ~ arm + (1 | g)")["no influential g"]
    assert found.verdict != "fine"
    assert found.meaning == "Without 3 not every fixed effect can be estimated."


def test_remedies_cure() -> None:
    data = violations()["slope"][0]
    before = check(data)["no slope missing"]
    assert before.remedy == 'mw.lmer("y ~ x + (1 + x | g)", data)'
    after = run(before.remedy, None, data).check()
    assert "no slope missing" not in [one.assumption for one in after if one.verdict != "fine"]
    data = violations()["linear mean"][0]
    remedy = check(data)["linear mean"].remedy
    assert remedy == 'mw.lmer("y ~ x + (1 | g) + I(x**2)", data)'
    assert run(remedy, None, data).check()["linear mean"].verdict == "fine"
    data = violations()["within"][0]
    remedy = check(data)["same effects in g"].remedy
    assert remedy == 'mw.lmer("y ~ x + (1 | g) + between(x, g)", data)'


def test_odd_names_are_quoted_in_remedies() -> None:
    data = violations()["linear mean"][0].rename(columns={"x": "my x"})
    fit = mw.lmer("y ~ `my x` + (1 | g)", data)
    remedy = fit.check()["linear mean"].remedy
    assert "I(`my x`**2)" in remedy
    assert run(remedy, fit, data) is not None


def test_singular_fits_and_few_groups_are_worth_a_look() -> None:
    rng = np.random.default_rng(2)
    g = np.tile(np.arange(4), 10)
    y = rng.normal(size=40)
    y -= pd.Series(y).groupby(g).transform("mean").to_numpy()
    found = check(pd.DataFrame({"y": y, "g": g}), "y ~ 1 + (1 | g)")
    assert found["regular covariances"].verdict == "look"
    assert found["enough groups"].verdict == "look"
    assert (
        "linear mean",
        "The linearity test needs a predictor: the fixed part is constant.",
    ) in found.skipped


def test_significance_is_not_enough_with_many_rows() -> None:
    assert judge(0.2, 100) == "fine"
    assert judge(0.009, 100) == "look"
    assert judge(1e-5, 100) == "violated"
    assert judge(1e-5, 100_000, Size(0.01, 0.1, 0.3)) == "fine"
    assert judge(1e-5, 100_000, Size(0.2, 0.1, 0.3)) == "look"
    assert judge(1e-5, 100_000, Size(0.5, 0.1, 0.3)) == "violated"


def test_a_verdict_milder_than_the_p_value_says_why() -> None:
    """Wherever a small p-value stands beside a verdict that it does not explain, in both languages."""
    rng = np.random.default_rng(6)
    n = 20_000
    g = np.repeat(np.arange(400), 50)
    x = rng.normal(size=n)
    y = x + 0.03 * x**2 + rng.normal(size=400)[g] + rng.standard_t(12, n) * (1 + 0.1 * x / (1 + np.abs(x)))
    found = check(pd.DataFrame({"y": y, "x": x, "g": g}), "y ~ x + (1 | g)")
    milder = 0
    for one in found:
        p = re.search(r"p (?:=|<) (\S+?)(?:;|$)", one.evidence)
        if p is None or "outlying g" in one.assumption or "as fitted" in one.assumption:
            continue
        small = float(p[1]) < (0.01 if one.verdict == "fine" else 0.001 if one.verdict == "look" else 0)
        milder += small
        rule = "of no account below" if one.verdict == "fine" else "a violation from"
        assert (rule in one.evidence) == small, str(one)
        chinese = evidence_in_chinese(one.evidence)
        assert "effect size" not in chinese
        assert ("效应量" in chinese) == small
    assert milder >= 2


@pytest.mark.parametrize("levels", [3, 6, 9, 10, 30])
def test_few_groups_are_called_so_by_checks_and_limits_alike(levels: int) -> None:
    rng = np.random.default_rng(levels)
    g = np.repeat(np.arange(levels), 8)
    data = pd.DataFrame({"y": rng.normal(size=len(g)) + 2 * rng.normal(size=levels)[g], "g": g})
    fit = mw.lmer("y ~ 1 + (1 | g)", data)
    limited = f"g has only {levels} levels" in " ".join(str(fit.report()).split())
    assert (fit.check()["enough groups"].verdict == "look") == limited == (levels < 10)


@pytest.mark.parametrize(
    ("values", "verdict"),
    [([0, 1], "violated"), ([1, 2, 3, 4, 5], "look"), ([0.5, 2.5, 9], "look"), (range(200), "fine")],
)
def test_a_response_of_few_values_is_told(values: list[float], verdict: str) -> None:
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(12), 20)
    y = rng.choice(np.array(values, dtype=float), 240)
    found = check(pd.DataFrame({"y": y, "g": g}), "y ~ 1 + (1 | g)")["continuous response"]
    assert found.verdict == verdict
    if verdict != "fine":
        assert all(f"{value:g}" in found.evidence for value in values)
        assert meaning_in_chinese(found.meaning)


@pytest.mark.parametrize("case", ["diag_ratpup", "diag_oats_nested", "diag_penicillin_crossed_ml"])
def test_table_and_text(case: str) -> None:
    record = cases()[case]
    fit = mw.lmer(record.formula, record.frame, **record.arguments)
    found = fit.check()
    table = found.frame()
    assert table.columns.tolist() == ["assumption", "test", "verdict", "evidence", "remedy"]
    assert set(table["verdict"]) <= {"fine", "look", "violated"}
    assert table["assumption"].is_unique
    text = str(found)
    assert max(map(len, text.splitlines())) <= 79
    assert not re.search(r"\b(nan|None|inf)\b", text)
    assert "<table>" in found._repr_html_()
    assert found.verdict == max(table["verdict"], key=["fine", "look", "violated"].index)
    with pytest.raises(KeyError, match="there is no check of 'luck'"):
        found["luck"]


def test_frames_come_back_in_the_callers_kind() -> None:
    fit = mw.lmer("y ~ x + (1 | g)", pl.from_pandas(clean()))
    assert isinstance(fit.check().frame(), pl.DataFrame)
    assert isinstance(fit.sensitivity().frame(), pl.DataFrame)


def test_checks_need_no_matplotlib_and_importing_loads_no_statistics() -> None:
    code = (
        "import sys, mixwell as mw\n"
        "heavy = {'statsmodels', 'scipy.stats', 'matplotlib'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "fit = mw.lmer('Yield ~ 1 + (1 | Batch)', mw.datasets.load_dyestuff())\n"
        "fit.check()\n"
        "assert 'matplotlib' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_a_hundred_thousand_rows_take_a_few_seconds() -> None:
    rng = np.random.default_rng(1)
    n, q = 100_000, 5_000
    g, x, z = rng.integers(0, q, n), rng.normal(size=n), rng.normal(size=n)
    effects = rng.normal(size=(q, 2))
    y = x + z / 2 + effects[g, 0] + effects[g, 1] * x + rng.normal(size=n)
    fit = mw.lmer("y ~ x * z + (x | g)", {"y": y, "x": x, "z": z, "g": g})
    found = fit.check()
    assert found.verdict != "violated"
    assert any("100000 rows" in note for note in found.notes)


def test_the_figure_carries_the_verdicts() -> None:
    matplotlib.use("Agg")
    found = check(violations()["outlier"][0])
    assert found.panels["leverage"] == "violated"
    assert found.panels["distribution"] == found.panels["normality"] == found["normal residuals"].verdict
    figure = found.plot()
    titles = [axes.get_title(loc="left") + axes.get_title() for axes in figure.axes]
    assert any("violated" in title for title in titles)
    pyplot.close(figure)


# ---- sensitivity


def test_variants_are_the_analyses_they_name() -> None:
    data = violations()["group"][0]
    fit = mw.lmer("y ~ x + (1 | g)", data)
    found = fit.sensitivity(seed=4)
    variants = {variant.name: variant for variant in found.variants}
    np.testing.assert_allclose(variants["as fitted"].conf_low, fit.conf_int()["conf_low"])
    robust = fit.conf_int(robust="CR2")
    np.testing.assert_allclose(variants["CR2 standard errors"].conf_high, robust["conf_high"])
    logged = mw.lmer("log(y) ~ x + (1 | g)", data)
    np.testing.assert_allclose(variants["log response"].estimate, logged.params, rtol=1e-7)
    np.testing.assert_allclose(variants["log response"].p_value, logged.pvalues, rtol=1e-4)
    (without,) = [v for name, v in variants.items() if name.startswith("without g")]
    levels = [int(level) for level in without.name.removeprefix("without g ").split(", ")]
    assert 5 in levels
    direct = mw.lmer("y ~ x + (1 | g)", data[~data["g"].isin(levels)])
    np.testing.assert_allclose(without.estimate, direct.params, rtol=1e-7)
    table = found.frame()
    assert len(table) == 2 * len(found.variants)
    assert np.isfinite(table.drop(columns=["term", "analysis"]).to_numpy()).all()
    assert max(map(len, str(found).splitlines())) <= 79
    again = fit.sensitivity(seed=4)
    np.testing.assert_array_equal(again.frame()["conf_low"], table["conf_low"])


def test_a_conclusion_that_hangs_on_one_group_is_named() -> None:
    data = clean(seed=5)
    data["y"] -= data["x"]
    g = data["g"] == 3
    data.loc[g, "x"] += 8
    data.loc[g, "y"] += 30
    found = mw.lmer("y ~ x + (1 | g)", data).sensitivity()
    assert any(change.startswith("x is no longer clear of 0: without g 3") for change in found.changes)


def test_what_does_not_apply_is_said() -> None:
    found = fitted("crossed").sensitivity()
    skipped = dict(found.skipped)
    assert "not positive" in skipped["log response"] or "log response" not in skipped
    assert "Crossed random effects" in skipped["CR2 standard errors"]
    assert "No conclusion changes" in str(mw.lmer("y ~ x + (1 | g)", clean()).sensitivity())


@pytest.mark.parametrize("name", list(FITS))
def test_every_kind_of_model_is_compared(name: str) -> None:
    found = fitted(name).sensitivity()
    terms = list(fitted(name).params.index)
    assert list(found.terms) == terms
    names = [variant.name for variant in found.variants]
    assert {"as fitted", "bootstrap"} <= set(names)
    # What is not made is said, with the reason.
    robust = "CR2 standard errors"
    assert (robust in names) != (robust in dict(found.skipped))
    for variant in found.variants:
        for values in (variant.estimate, variant.std_error, variant.conf_low, variant.conf_high):
            assert np.isfinite(values).all()
        assert (variant.conf_low <= variant.conf_high).all()
    assert max(map(len, str(found).splitlines())) <= 79
    assert not re.search(r"\b(nan|None|inf)\b", str(found))


def test_what_would_take_minutes_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assumptions, "_DELETE_SECONDS", 0.0)
    fit = fitted("crossed")
    reason = (
        "Leaving out 8 levels of a crossed factor in turn would take too long; fit.influence('g') does it."
    )
    assert ("no influential g", reason) in fit.check().skipped
    assert ("without influential g", reason) in fit.sensitivity().skipped
    # Levels that share nothing cost no refit each.
    assert "no influential g" in [one.assumption for one in fitted("slopes").check()]


def test_a_model_without_fixed_effects_is_checked_and_not_compared() -> None:
    data = clean(groups=4)
    fit = mw.lmer("y ~ 0 + (1 | g)", data)
    found = fit.check()
    assert ("no influential g", "There are no fixed effects to be influenced.") in found.skipped
    for one in found:
        if one.remedy:
            run(one.remedy, fit, data)
    with pytest.raises(mw.ModelError, match="nothing to compare"):
        fit.sensitivity()
