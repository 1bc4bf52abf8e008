"""Analysis of variance: terms, types, invariance."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import mixwell as mw
from reference_cases import cases

FORMULA = "weight ~ Treatment * sex + Lsize + (1 | Litter)"
TYPES = ("I", "II", "III")


def pups() -> pd.DataFrame:
    return cases()["ratpup_full_reml"].frame


def assert_same_tests(ours: pd.DataFrame, wanted: pd.DataFrame) -> None:
    assert ours["term"].tolist() == wanted["term"].tolist()
    assert ours["num_df"].tolist() == wanted["num_df"].tolist()
    np.testing.assert_allclose(ours["f_value"], wanted["f_value"], rtol=1e-6)
    np.testing.assert_allclose(ours["den_df"], wanted["den_df"], rtol=1e-5)


def test_columns_and_terms() -> None:
    table = mw.lmer(FORMULA, pups()).anova()
    assert list(table.columns) == ["term", "sum_sq", "mean_sq", "num_df", "den_df", "f_value", "p_value"]
    assert table["term"].tolist() == ["Treatment", "sex", "Lsize", "Treatment:sex"]
    np.testing.assert_allclose(table["sum_sq"], table["mean_sq"] * table["num_df"], rtol=1e-14)


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger", "containment", "residual", "normal"])
@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("coding", ["sum", "helmert", "poly", "SAS", ("treatment", "Low")])
def test_tests_do_not_depend_on_coding(type_: str, ddf: str, coding: object) -> None:
    wanted = mw.lmer(FORMULA, pups()).anova(type=type_, ddf=ddf)
    ours = mw.lmer(FORMULA, pups(), contrasts={"Treatment": coding, "sex": "sum"}).anova(type=type_, ddf=ddf)
    assert_same_tests(ours, wanted)


@pytest.mark.parametrize("type_", TYPES)
def test_tests_do_not_depend_on_a_contrast_matrix_of_any_kind(type_: str) -> None:
    matrix = np.array([[1.0, 7.0], [0.5, -2.0], [3.0, 0.1]])
    ours = mw.lmer(FORMULA, pups(), contrasts={"Treatment": matrix}).anova(type=type_)
    assert_same_tests(ours, mw.lmer(FORMULA, pups()).anova(type=type_))


@pytest.mark.parametrize("type_", TYPES)
def test_tests_do_not_depend_on_scale_and_order_of_rows(type_: str) -> None:
    wanted = mw.lmer(FORMULA, pups()).anova(type=type_)
    changed = pups().sample(frac=1, random_state=1)
    changed["Lsize"] = changed["Lsize"] * 1e5
    changed["weight"] = changed["weight"] * 1e-4
    assert_same_tests(mw.lmer(FORMULA, changed).anova(type=type_), wanted)


@pytest.mark.parametrize("type_", ["II", "III"])
def test_tests_do_not_depend_on_the_order_of_terms(type_: str) -> None:
    wanted = mw.lmer(FORMULA, pups()).anova(type=type_).set_index("term")
    ours = mw.lmer("weight ~ Lsize + sex + Treatment + Treatment:sex + (1 | Litter)", pups()).anova(
        type=type_
    )
    for _, row in ours.iterrows():
        name = row["term"] if row["term"] in wanted.index else ":".join(reversed(row["term"].split(":")))
        assert row["f_value"] == pytest.approx(wanted.loc[name, "f_value"], rel=1e-6)
        # Single rows only: with several the order of columns chooses the basis of Satterthwaite's df.
        if row["num_df"] == 1:
            assert row["den_df"] == pytest.approx(wanted.loc[name, "den_df"], rel=1e-5)


def test_type_three_tests_means_of_cells_with_equal_weights() -> None:
    """The hypothesis written out: the mean over sexes is the same in all treatments."""
    fit = mw.lmer(FORMULA, pups())
    half = "Treatment[{0}] + Treatment[{0}]:sex[Female] / 2"
    text = f"{half.format('Low')} = 0, {half.format('High')} = 0"
    row = fit.anova().set_index("term").loc["Treatment"]
    joint = fit.test(text, joint=True).iloc[0]
    assert joint["f_value"] == pytest.approx(row["f_value"], rel=1e-9)
    assert joint["den_df"] == pytest.approx(row["den_df"], rel=1e-9)


def test_types_agree_on_the_last_term_and_in_balanced_data() -> None:
    tables = [mw.lmer(FORMULA, pups()).anova(type=t).set_index("term")["f_value"] for t in TYPES]
    assert tables[0]["Treatment:sex"] == pytest.approx(tables[2]["Treatment:sex"], rel=1e-9)
    assert tables[1]["Treatment:sex"] == pytest.approx(tables[2]["Treatment:sex"], rel=1e-9)
    cake = cases()["cake_factorial_reml"]
    balanced = mw.lmer(cake.formula, cake.frame)
    for type_ in TYPES:
        np.testing.assert_allclose(
            balanced.anova(type=type_)["f_value"], balanced.anova()["f_value"], rtol=1e-8
        )


def test_terms_of_numbers_and_matrices() -> None:
    fit = mw.lmer("weight ~ poly(Lsize, 2) + sex + sex:Lsize + (1 | Litter)", pups())
    table = fit.anova(type="II").set_index("term")
    assert table.loc["poly(Lsize, 2)", "num_df"] == 2


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
@pytest.mark.parametrize(
    "terms", ["Treatment + sex", "Treatment * sex", "Lsize + Treatment * sex", "Treatment + sex + sex:Lsize"]
)
def test_only_the_first_factor_cares_for_the_intercept(terms: str, ddf: str) -> None:
    tables = [
        mw.lmer(f"weight ~ {intercept} + {terms} + (1 | Litter)", pups()).anova(ddf=ddf).set_index("term")
        for intercept in (0, 1)
    ]
    without, with_it = (table.drop(index="Treatment") for table in tables)
    assert without.index.tolist() == with_it.index.tolist()
    np.testing.assert_allclose(without.to_numpy(float), with_it.to_numpy(float), rtol=1e-6)
    assert [table.loc["Treatment", "num_df"] for table in tables] == [3, 2]


def test_without_intercept_and_without_fixed_effects() -> None:
    cells = mw.lmer("weight ~ 0 + Treatment + (1 | Litter)", pups()).anova()
    assert cells["num_df"].tolist() == [3]
    assert len(mw.lmer("weight ~ 1 + (1 | Litter)", pups()).anova()) == 0


@pytest.mark.parametrize("type_", TYPES)
def test_empty_cells_leave_the_estimable_part(type_: str) -> None:
    data = pups()
    data = data[~((data["Treatment"] == "High") & (data["sex"] == "Male"))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mw.lmer(FORMULA, data)
    table = fit.anova(type=type_).set_index("term")
    assert table["num_df"].to_dict() == {"Treatment": 2, "sex": 1, "Lsize": 1, "Treatment:sex": 1}
    assert np.isfinite(table.astype(float)).all().all()


def test_type_three_with_an_empty_cell_compares_what_can_be_compared() -> None:
    """Goodnight's rules by hand: sexes in the average of the two groups that have both, and so on."""
    data = pups()
    data = data[~((data["Treatment"] == "High") & (data["sex"] == "Male"))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mw.lmer(FORMULA, data)
    table = fit.anova().set_index("term")
    sexes = fit.test("sex[Female] + Treatment[Low]:sex[Female] / 2").iloc[0]
    assert table.loc["sex", "p_value"] == pytest.approx(sexes["p_value"], rel=1e-9)
    low = "Treatment[Low] + Treatment[Low]:sex[Female] / 2"
    females = "Treatment[High] - (Treatment[Low] + Treatment[Low]:sex[Female]) / 2"
    groups = fit.test(f"{low}, {females}", joint=True).iloc[0]
    assert groups["num_df"] == 2
    assert table.loc["Treatment", "f_value"] == pytest.approx(groups["f_value"], rel=1e-9)
    assert table.loc["Treatment", "den_df"] == pytest.approx(groups["den_df"], rel=1e-9)


def test_a_single_term_has_one_test_of_all_types() -> None:
    """A spline with random slopes: its df depend on the basis (50 or 87); every door takes the same."""
    sleep = cases()["sleep_full_reml"].frame
    fit = mw.lmer("Reaction ~ bs(Days, df=4) + (Days | Subject)", sleep)
    tables = [fit.anova(type=t) for t in TYPES]
    joint = fit.test(np.eye(5)[1:], joint=True).iloc[0]
    for table in tables:
        assert table["den_df"][0] == pytest.approx(joint["den_df"], rel=1e-10)
        assert table["p_value"][0] == pytest.approx(joint["p_value"], rel=1e-9)


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("coding", ["sum", "poly", np.array([[1.0, 7.0], [0.5, -2.0], [3.0, 0.1]])])
@pytest.mark.parametrize(
    "formula",
    [
        "weight ~ Treatment * sex + Lsize + (Lsize | Litter)",
        "weight ~ Treatment * sex * Lsize + (1 | Litter)",
        "weight ~ sex + sex:Treatment + (sex | Litter)",
    ],
)
def test_tests_with_empty_cells_do_not_depend_on_coding(formula: str, coding: object, type_: str) -> None:
    data = pups()
    data = data[~((data["Treatment"] == "High") & (data["sex"] == "Male"))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = mw.lmer(formula, data).anova(type=type_)
        ours = mw.lmer(formula, data, contrasts={"Treatment": coding, "sex": "sum"}).anova(type=type_)
    assert_same_tests(ours, wanted)


def test_aliased_terms_have_no_line() -> None:
    data = pups().assign(twice=lambda d: 2 * d["Lsize"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mw.lmer("weight ~ Lsize + twice + (1 | Litter)", data)
    wanted = mw.lmer("weight ~ Lsize + (1 | Litter)", data)
    for type_ in TYPES:
        assert_same_tests(fit.anova(type=type_), wanted.anova(type=type_))


def test_unknown_types_are_refused() -> None:
    with pytest.raises(mw.MixwellError, match="'I', 'II' and 'III'"):
        mw.lmer(FORMULA, pups()).anova(type="IV")
