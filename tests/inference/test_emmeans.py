"""Marginal means, contrasts, slopes: against R's emmeans and by hand."""

from __future__ import annotations

import json
import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixwell as mw
from mixwell.inference.emmeans import contrast_weights, polynomial
from reference_cases import REFERENCE, cases
from small_models import grouped

R = json.loads((REFERENCE / "emmeans.json").read_text(encoding="utf-8"))
FORMULAS = {
    "plain": "weight ~ Treatment * sex + Lsize + (1 | Litter)",
    "log": "log(weight) ~ Treatment * sex + Lsize + I(Lsize^2) + (1 | Litter)",
    "sqrt": "sqrt(weight) ~ Treatment * sex + (1 | Litter)",
    "slope": "weight ~ Treatment * Lsize + sex + (1 | Litter)",
}
KR = "kenward-roger"


def frame() -> pd.DataFrame:
    return cases()["ratpup_full_reml"].frame


@cache
def pups(name: str = "plain") -> mw.LmerResult:
    return mw.lmer(FORMULAS[name], frame())


@cache
def with_empty_cell() -> mw.LmerResult:
    data = frame()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mw.lmer(
            "weight ~ Treatment * sex + (1 | Litter)",
            data[~((data["Treatment"] == "High") & (data["sex"] == "Male"))],
        )


def check(table: pd.DataFrame, wanted: list[dict[str, Any]], p_rtol: float = 1e-5, p_atol: float = 0) -> None:
    """Estimates, errors and ends to 1e-6 of a standard error; df 1e-5 (those of pbkrtest are exact)."""
    assert len(table) == len(wanted)
    for (_, ours), row in zip(table.iterrows(), wanted, strict=True):
        for name in ("Treatment", "sex"):
            if name in row:
                assert ours[name] == row[name]
        if row["SE"] is None:
            assert np.isnan(ours["estimate"])
            assert np.isnan(ours["std_error"])
            continue
        se = row["SE"]
        assert ours["estimate"] == pytest.approx(row["estimate"], rel=1e-6, abs=2e-6 * se)
        assert ours["std_error"] == pytest.approx(se, rel=2e-6)
        assert ours["df"] == pytest.approx(row["df"], rel=1e-5)
        if "lower" in row:
            assert ours["conf_low"] == pytest.approx(row["lower"], rel=1e-6, abs=1e-4 * se)
            assert ours["conf_high"] == pytest.approx(row["upper"], rel=1e-6, abs=1e-4 * se)
        if "t.ratio" in row:
            assert ours["statistic"] == pytest.approx(row["t.ratio"], rel=1e-5, abs=1e-5)
            assert ours["p_value"] == pytest.approx(row["p.value"], rel=p_rtol, abs=p_atol)


# ---- against R


@pytest.mark.parametrize("weights", ["equal", "proportional", "outer", "cells", "flat"])
def test_weights_match_r(weights: str) -> None:
    check(pups().emmeans("Treatment", weights=weights, ddf=KR).frame, R["weights"][weights])


def test_other_grid_values_match_r() -> None:
    check(pups().emmeans("Treatment", at={"Lsize": [10, 14], "sex": "Male"}, ddf=KR).frame, R["at"])


def test_log_response_matches_r() -> None:
    means = pups("log").emmeans("Treatment", ddf=KR, type="response")
    check(means.frame, R["log_response"])
    pairs = means.contrast("pairwise", adjust=None).frame
    check(pairs, R["log_ratios"])
    assert pairs["contrast"].tolist() == ["Control / Low", "Control / High", "Low / High"]


def test_square_root_response_matches_r() -> None:
    means = pups("sqrt").emmeans("Treatment", ddf=KR, type="response")
    check(means.frame, R["sqrt_response"])
    plain = pups("sqrt").emmeans("Treatment", ddf=KR)
    pd.testing.assert_frame_equal(means.contrast().frame, plain.contrast().frame)
    assert any("scale of sqrt(weight)" in note for note in means.contrast().notes)


def test_slopes_match_r() -> None:
    slopes = pups("slope").emtrends("Lsize", "Treatment", ddf=KR)
    check(slopes.frame, R["slopes"])
    check(slopes.contrast("pairwise", adjust=None).frame, R["slope_pairs"])


@pytest.mark.parametrize("name", [name for name in R["families"] if "tukey" not in name])
def test_families_of_contrasts_match_r(name: str) -> None:
    method, adjust, *reference = name.split("_")
    arguments = {"ref": 2} if reference else {}
    table = (
        pups()
        .emmeans("Treatment", ddf=KR)
        .contrast(method, adjust=None if adjust == "none" else adjust, **arguments)
    )
    check(table.frame, R["families"][name])
    assert table.frame["contrast"].tolist() == [row["contrast"] for row in R["families"][name]]


def test_tukey_matches_r() -> None:
    """R's ptukey is good to about 1e-6 only."""
    check(pups().emmeans("Treatment", ddf=KR).contrast().frame, R["families"]["pairwise_tukey"], 1e-4, 1e-6)


def test_simple_effects_match_r() -> None:
    by = pups().emmeans("Treatment", by="sex", ddf=KR).contrast()
    check(by.frame, R["simple"], 1e-4, 1e-6)
    later = pups().emmeans(["Treatment", "sex"], ddf=KR).contrast(by="sex")
    pd.testing.assert_frame_equal(by.frame, later.frame)
    typed = pups().emmeans("Treatment | sex", ddf=KR).contrast()
    pd.testing.assert_frame_equal(by.frame, typed.frame)


def test_pairs_of_combinations_match_r() -> None:
    table = pups().emmeans("Treatment * sex", ddf=KR).contrast("pairwise", adjust=None).frame
    check(table, R["all_pairs"])
    assert table["contrast"].tolist() == [row["contrast"] for row in R["all_pairs"]]


def test_empty_cells_are_reported_as_in_r() -> None:
    fit = with_empty_cell()
    means = fit.emmeans(["Treatment", "sex"], ddf=KR)
    check(means.frame, R["empty_cell"])
    assert "High, Male" in means.notes[-1]
    assert "High, Male" in repr(means)
    check(fit.emmeans("Treatment", ddf=KR).frame, R["empty_margin"])
    pairs = fit.emmeans("Treatment", ddf=KR).contrast().frame
    assert pairs["p_value"].isna().tolist() == [False, True, True]


# ---- identities


def test_balanced_means_are_means_of_the_data() -> None:
    data = mw.datasets.load_machines()
    table = mw.lmer("score ~ Machine + (1 | Worker)", data).emmeans("Machine").frame
    wanted = data.groupby("Machine", observed=True)["score"].mean()
    np.testing.assert_allclose(table["estimate"], wanted.loc[table["Machine"]], rtol=1e-10)


def test_means_do_not_depend_on_coding() -> None:
    wanted = pups().emmeans(["Treatment", "sex"]).frame
    other = mw.lmer(FORMULAS["plain"], frame(), contrasts={"Treatment": "helmert", "sex": "sum"})
    ours = other.emmeans(["Treatment", "sex"]).frame
    for column in ("estimate", "std_error", "df"):
        np.testing.assert_allclose(ours[column], wanted[column], rtol=1e-5)


def test_numbers_used_as_factors_have_their_levels() -> None:
    data = cases()["sleep_full_reml"].frame
    table = mw.lmer("Reaction ~ factor(Days) + (1 | Subject)", data).emmeans("Days").frame
    assert table["Days"].tolist() == list(range(10))
    wanted = data.groupby("Days")["Reaction"].mean()
    np.testing.assert_allclose(table["estimate"], wanted, rtol=1e-10)


def test_numbers_with_two_values_are_averaged_as_levels() -> None:
    data = grouped().assign(twin=lambda d: np.where(np.arange(len(d)) < 20, 0.0, 1.0))
    fit = mw.lmer("y ~ twin + arm + (1 | g)", data)
    table = fit.emmeans("arm").frame
    assert table["estimate"][0] == pytest.approx(fit.params["(Intercept)"] + fit.params["twin"] / 2)
    assert fit.emmeans("twin").frame["twin"].tolist() == [0.0, 1.0]


def test_offsets_are_part_of_the_mean() -> None:
    data = grouped()
    inside = mw.lmer("y ~ arm + offset(o) + (1 | g)", data)
    beside = mw.lmer("y ~ arm + (1 | g)", data, offset="o")
    wanted = inside.params["(Intercept)"] + data["o"].mean()
    for fit in (inside, beside):
        means = fit.emmeans("arm")
        assert means.frame["estimate"][0] == pytest.approx(wanted, rel=1e-9)
        assert means.contrast("pairwise").frame["estimate"][0] == pytest.approx(-fit.params["arm[mid]"])


def test_slopes_of_polynomials_are_derivatives() -> None:
    both = mw.lmer("weight ~ sex + Lsize + I(Lsize^2) + (1 | Litter)", frame())
    at_mean = both.params["Lsize"] + 2 * frame()["Lsize"].mean() * both.params["I(Lsize^2)"]
    np.testing.assert_allclose(both.emtrends("Lsize", "sex").frame["estimate"], at_mean, rtol=1e-8)
    ten = both.params["Lsize"] + 20 * both.params["I(Lsize^2)"]
    table = both.emtrends("Lsize", "sex", at={"Lsize": 10}).frame
    np.testing.assert_allclose(table["estimate"], ten, rtol=1e-8)


def test_own_contrasts() -> None:
    means = pups().emmeans("Treatment")
    table = means.contrast({"dose": [-1, 0.5, 0.5]}).frame
    m = means.frame["estimate"]
    assert table["estimate"][0] == pytest.approx((m[1] + m[2]) / 2 - m[0], rel=1e-12)
    with pytest.raises(mw.MixwellError, match="3 means"):
        means.contrast({"short": [1, -1]})


@pytest.mark.parametrize("n", range(2, 9))
def test_polynomials_are_orthogonal_whole_numbers(n: int) -> None:
    rows = np.array([weights for _, weights in contrast_weights("poly", [str(i) for i in range(n)])])
    assert len(rows) == min(n - 1, 6)
    products = rows @ rows.T
    np.testing.assert_array_equal(products - np.diag(np.diagonal(products)), 0)
    np.testing.assert_array_equal(rows.sum(axis=1), 0)
    np.testing.assert_array_equal(rows, np.round(rows))
    assert (rows[:, -1] > 0).all()
    assert polynomial(n, 1)[-1] == n - 1 or n % 2 == 1


# ---- joint tests


@pytest.mark.parametrize("ddf", ["satterthwaite", KR])
def test_joint_tests_are_type_three_where_no_covariate_is_in_an_interaction(ddf: str) -> None:
    table = pups().joint_tests(ddf=ddf).set_index("term")
    anova = pups().anova(ddf=ddf).set_index("term")
    for term in ("Treatment", "sex", "Treatment:sex"):
        for column in ("num_df", "den_df", "f_value", "p_value"):
            assert table.loc[term, column] == pytest.approx(anova.loc[term, column], rel=1e-7)


def test_simple_effects_are_tests_of_pairs() -> None:
    """Two levels: the F test is the square of the t test of their difference."""
    table = pups().joint_tests(by="Treatment", ddf=KR)
    pairs = pups().emmeans("sex", by="Treatment", ddf=KR).contrast().frame
    np.testing.assert_allclose(table["f_value"], pairs["statistic"] ** 2, rtol=1e-8)
    np.testing.assert_allclose(table["p_value"], pairs["p_value"], rtol=1e-7)
    assert table["Treatment"].tolist() == pairs["Treatment"].tolist()


def test_joint_tests_say_what_an_empty_cell_leaves_untested() -> None:
    fit = with_empty_cell()
    table = fit.joint_tests(by="sex")
    assert table[["sex", "num_df"]].to_numpy().tolist() == [["Male", 1], ["Female", 2]]
    assert "Tested in part" in repr(table)
    assert "Treatment, Male." in " ".join(repr(table).split())
    assert "Not tested, since the data do not determine the comparisons: sex." in " ".join(
        repr(fit.joint_tests()).split()
    )


def test_an_interaction_that_is_not_in_the_model_has_no_line() -> None:
    fit = mw.lmer("weight ~ Treatment + sex + offset(Lsize / 40) + (1 | Litter)", frame())
    assert fit.joint_tests()["term"].tolist() == ["Treatment", "sex"]
    with pytest.raises(mw.MixwellError, match="no factor with several levels"):
        fit.joint_tests(by=["Treatment", "sex"])


def test_nested_factors_are_told_and_have_no_joint_tests() -> None:
    data = frame()
    data["room"] = data["Treatment"].astype(str).str[0] + (data["Litter"].astype(int) % 2).astype(str)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mw.lmer("weight ~ Treatment / room + sex + (1 | Litter)", data)
    means = fit.emmeans("room")
    assert "room is nested in Treatment." in means.notes
    assert list(means.frame.columns[:2]) == ["room", "Treatment"]
    assert np.isfinite(means.frame["estimate"]).all()
    only = fit.emmeans("room", at={"Treatment": "High"}).frame
    assert only["room"].tolist() == ["H0", "H1"]
    axes = fit.plot.emmeans("room", "Treatment")
    assert len(axes.get_lines()) > 0
    with pytest.raises(mw.DataError, match="'room' is nested in 'Treatment'"):
        fit.joint_tests()


# ---- families


def test_offsets_count_in_tests_of_contrasts() -> None:
    """A mean with an offset, tested against a value: the statistic is (estimate - value) / SE."""
    data = grouped()
    fit = mw.lmer("y ~ arm + offset(o) + (1 | g)", data)
    table = fit.emmeans("arm").contrast({"low": [1, 0, 0]}, null=2.0).frame.iloc[0]
    assert table["estimate"] == pytest.approx(fit.params["(Intercept)"] + data["o"].mean(), rel=1e-9)
    assert table["statistic"] == pytest.approx((table["estimate"] - 2.0) / table["std_error"], rel=1e-9)


def test_one_sided_p_values_add_up_and_intervals_end_at_the_level() -> None:
    means = pups().emmeans("Treatment")
    less, more, both = (
        means.contrast("pairwise", adjust=None, side=side).frame for side in ("less", "greater", "two-sided")
    )
    np.testing.assert_allclose(less["p_value"] + more["p_value"], 1)
    np.testing.assert_allclose(np.minimum(less["p_value"], more["p_value"]) * 2, both["p_value"])
    assert np.isneginf(less["conf_low"]).all()
    assert np.isposinf(more["conf_high"]).all()
    end = float(more["conf_low"][0])
    at_end = means.contrast("pairwise", adjust=None, side="greater", null=end).frame["p_value"][0]
    assert at_end == pytest.approx(0.05, rel=1e-7)


def test_tables_of_means_fit_a_page_and_name_what_is_missing() -> None:
    fit = with_empty_cell()
    text = repr(fit.emmeans(["Treatment", "sex"]).contrast())
    assert max(map(len, text.splitlines())) <= 79
    assert "nonEst" in text
    assert "nan" not in text.lower().replace("nonest", "")
    assert "nonEst" in fit.emmeans(["Treatment", "sex"])._repr_html_()


# ---- what is refused


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda f: f.emmeans("Treatmnt"), "did you mean 'Treatment'"),
        (lambda f: f.emmeans("Litter"), "not a variable of the fixed part"),
        (lambda f: f.emmeans(""), "Marginal means of what"),
        (lambda f: f.emmeans(["sex", "sex"]), "twice"),
        (lambda f: f.emmeans("sex", weights="even"), "'proportional'"),
        (lambda f: f.emmeans("sex", type="other"), "'response'"),
        (lambda f: f.emmeans("sex", level=2), "between 0 and 1"),
        (lambda f: f.emmeans("sex", at={"Lsiz": 3}), "did you mean 'Lsize'"),
        (lambda f: f.emmeans("sex", at={"Lsize": "many"}), "must be numbers"),
        (lambda f: f.emmeans("sex", at={"Treatment": ["Hgh"]}), "did you mean 'High'"),
        (lambda f: f.emmeans("sex").contrast("all"), "'pairwise'"),
        (lambda f: f.emmeans("sex").contrast(adjust="shefe"), "'scheffe'"),
        (lambda f: f.emmeans("Treatment").contrast("eff", adjust="tukey"), "mvt"),
        (lambda f: f.emmeans("Lsize").contrast(), "only one mean"),
        (lambda f: f.emmeans("sex").contrast("trt.vs.ctrl", ref="male"), "did you mean 'Male'"),
        (lambda f: f.emmeans("sex").contrast("trt.vs.ctrl", ref=5), "2 means"),
        (lambda f: f.emmeans("sex").contrast(by="Treatment"), "not among the means"),
        (lambda f: f.emtrends("Treatment", "sex"), "numeric"),
        (lambda f: f.emmeans("pairwise ~ Treatment"), r"first the means, emmeans\('Treatment'\), then"),
        (lambda f: f.emmeans("sex").contrast(3), "name of a family"),
        (lambda f: f.emmeans("sex").contrast(null=np.nan), "null is a number"),
        (lambda f: f.emmeans("sex").contrast(side="up"), "'less', 'greater'"),
        (lambda f: f.emmeans("sex").contrast(side="less", adjust="tukey"), "two-sided"),
        (lambda f: f.emmeans("Treatment * sex").contrast(interaction=["eff"]), "1 families .* 2 factors"),
        (lambda f: f.emmeans("Treatment * sex").contrast(interaction="all"), "no contrast 'all'"),
        (lambda f: f.joint_tests(by="litter"), "not a variable of the fixed part"),
    ],
)
def test_what_does_not_exist_is_refused(ask: Any, words: str) -> None:
    with pytest.raises(mw.MixwellError, match=words):
        ask(pups())
