"""Hypotheses as typed; one hypothesis has one p-value, through whichever door."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixwell as mw
from reference_cases import cases
from small_models import fitted, grouped

DDF = ("satterthwaite", "kenward-roger", "containment", "between-within", "residual", "normal")


@cache
def pups(coding: str = "treatment", formula: str = "weight ~ Treatment * sex + Lsize + (1 | Litter)"):
    frame = cases()["ratpup_full_reml"].frame
    return mw.lmer(formula, frame, contrasts={"Treatment": coding, "sex": coding})


# ---- one hypothesis, one p-value


ADDITIVE = "weight ~ Treatment + sex + Lsize + (1 | Litter)"
DOORS: list[dict[str, Any]] = [{"ddf": ddf} for ddf in DDF]
DOORS += [{"robust": kind} for kind in ("CR0", "CR1", "CR2")]
by_method = pytest.mark.parametrize("how", DOORS, ids=lambda how: next(iter(how.values())))


@by_method
def test_a_coefficient_has_one_test_through_every_door(how: dict[str, Any]) -> None:
    fit = pups(formula=ADDITIVE)
    tidy = fit.tidy(**how, conf_int=True).set_index("term").loc["sex[Female]"]
    row = (fit.params.index == "sex[Female]").astype(float)[None, :]
    test, matrix = (fit.test(asked, **how).iloc[0] for asked in ("sex[Female] = 0", row))
    joint = fit.test("sex[Female]", joint=True, **how).iloc[0]
    interval = fit.conf_int(**how).loc["sex[Female]"]
    one = fit.conf_int(**how, parameters="sex[Female]")
    pair = fit.emmeans("sex", **how).contrast("pairwise").frame.iloc[0]
    summary = fit.summary(**how).content.fixed
    at = summary.names.index("sex[Female]")
    p = tidy["p_value"]
    # Equal to the last digits: sums over several contrasts may be taken in another order.
    assert test["p_value"] == pytest.approx(p, rel=1e-12)
    assert matrix["p_value"] == pytest.approx(p, rel=1e-12)
    assert summary.p_value[at] == pytest.approx(p, rel=1e-12)
    assert summary.df[at] == pytest.approx(tidy["df"], rel=1e-13)
    assert joint["p_value"] == pytest.approx(p, rel=1e-8)
    assert joint["f_value"] == pytest.approx(tidy["statistic"] ** 2, rel=1e-8)
    assert pair["p_value"] == pytest.approx(p, rel=1e-9)
    assert -pair["estimate"] == pytest.approx(tidy["estimate"], rel=1e-12)
    assert -pair["conf_high"] == pytest.approx(interval["conf_low"], rel=1e-9)
    assert interval["conf_low"] == pytest.approx(tidy["conf_low"], rel=1e-13)
    assert one.index.tolist() == ["sex[Female]"]
    assert one.iloc[0].tolist() == interval.tolist()
    assert test["conf_low"] == pytest.approx(tidy["conf_low"], rel=1e-13)
    for type_ in ("II", "III"):
        line = fit.anova(type=type_, **how).set_index("term").loc["sex"]
        assert line["p_value"] == pytest.approx(p, rel=1e-8)
        assert line["den_df"] == pytest.approx(tidy["df"], rel=1e-8)
    # The last term is tested after all others in type I too.
    last = fit.tidy(**how).set_index("term").loc["Lsize"]
    line = fit.anova(type="I", **how).set_index("term").loc["Lsize"]
    assert line["p_value"] == pytest.approx(last["p_value"], rel=1e-8)


@by_method
def test_a_slope_has_one_test_through_every_door(how: dict[str, Any]) -> None:
    fit = pups(formula=ADDITIVE)
    tidy = fit.tidy(**how, conf_int=True).set_index("term").loc["Lsize"]
    slope = fit.emtrends("Lsize", "sex", **how).frame.iloc[1]
    assert slope["estimate"] == pytest.approx(tidy["estimate"], rel=1e-9)
    assert slope["df"] == pytest.approx(tidy["df"], rel=1e-8)
    assert slope["conf_low"] == pytest.approx(tidy["conf_low"], rel=1e-8)


@pytest.mark.parametrize("ddf", DDF)
def test_a_mean_has_one_interval_through_every_door(ddf: str) -> None:
    """predict at a point of the grid, emmeans, and the same combination of coefficients as a hypothesis."""
    fit = pups(formula=ADDITIVE)
    lsize = float(fit.design.variables["Lsize"].floats().mean())
    at = pd.DataFrame({"Treatment": ["High"], "sex": ["Female"], "Lsize": [lsize]})
    predicted = fit.predict(at, random=False, interval="confidence", ddf=ddf).iloc[0]
    text = f"(Intercept) + Treatment[High] + sex[Female] + {lsize!r} * Lsize"
    test = fit.test(text, ddf=ddf).iloc[0]
    mean = fit.emmeans("Treatment", at={"sex": "Female"}, ddf=ddf).frame.iloc[2]
    for column in ("conf_low", "conf_high"):
        assert predicted[column] == pytest.approx(test[column], rel=1e-10)
        assert mean[column] == pytest.approx(test[column], rel=1e-10)


@by_method
def test_a_term_has_one_test_through_every_door(how: dict[str, Any]) -> None:
    fit = pups(formula=ADDITIVE)
    joint = fit.test("Treatment[Low], Treatment[High] - Treatment[Low]", joint=True, **how).iloc[0]
    for type_ in ("II", "III"):
        line = fit.anova(type=type_, **how).set_index("term").loc["Treatment"]
        for column in ("num_df", "den_df", "f_value"):
            assert joint[column] == pytest.approx(line[column], rel=1e-8)
        assert joint["p_value"] == pytest.approx(line["p_value"], rel=1e-7)


def test_the_report_tells_the_p_values_of_the_other_doors() -> None:
    fit = pups(formula=ADDITIVE)
    p = fit.pvalues["sex[Female]"]
    text = str(fit.table("text"))
    line = next(line for line in text.splitlines() if line.startswith("sex[Female]"))
    assert ("<" in line) if p < 1e-3 else (f"{p:.3f}"[1:] in line)
    assert f"{fit.df_denom['sex[Female]']:.1f}" in line


def test_default_doors_agree() -> None:
    fit = pups()
    tidy = fit.tidy()
    np.testing.assert_array_equal(fit.pvalues, tidy["p_value"])
    np.testing.assert_array_equal(fit.df_denom, tidy["df"])
    np.testing.assert_array_equal(fit.tvalues, tidy["statistic"])


def test_an_interval_ends_where_the_test_is_at_its_level() -> None:
    fit = pups()
    for ddf in DDF:
        low = fit.conf_int(level=0.9, ddf=ddf)["conf_low"]
        for name, end in low.items():
            assert fit.test(f"`{name}` = {float(end)!r}", ddf=ddf)["p_value"][0] == pytest.approx(
                0.1, rel=1e-7
            )


@pytest.mark.parametrize("ddf", DDF)
def test_a_joint_test_does_not_depend_on_the_contrasts_that_express_it(ddf: str) -> None:
    fit = pups(formula="weight ~ Treatment + sex + Lsize + (1 | Litter)")
    anova = fit.anova(ddf=ddf).set_index("term").loc["Treatment"]
    for text in (
        "Treatment[Low] = 0, Treatment[High] = 0",
        "Treatment[Low] - Treatment[High] = 0, 3 * Treatment[High] = 0",
        "Treatment[Low] = Treatment[High] = 0",
    ):
        row = fit.test(text, joint=True, ddf=ddf).iloc[0]
        assert row["num_df"] == 2
        assert row["f_value"] == pytest.approx(anova["f_value"], rel=1e-9)
        assert row["den_df"] == pytest.approx(anova["den_df"], rel=1e-9)
        assert row["p_value"] == pytest.approx(anova["p_value"], rel=1e-8)
    other = pups("sum", "weight ~ Treatment + sex + Lsize + (1 | Litter)")
    row = other.test("Treatment[S.Control], Treatment[S.Low]", joint=True, ddf=ddf).iloc[0]
    assert row["den_df"] == pytest.approx(anova["den_df"], rel=1e-5)
    assert row["f_value"] == pytest.approx(anova["f_value"], rel=1e-6)


JOINT = {
    "numbers": ("Reaction ~ Days + I(Days^2) + (Days | Subject)", "sleep", ("Days", "I(Days^2)")),
    "factor and number": (
        "weight ~ Treatment * sex + Lsize + (sex | Litter)",
        "pups",
        ("Treatment[Low]:sex[Female]", "Treatment[High]:sex[Female]", "Lsize"),
    ),
    "slopes by group": (
        "weight ~ Treatment * Lsize + (1 | Litter)",
        "pups",
        ("Treatment[Low]:Lsize", "Treatment[High]:Lsize", "Treatment[High]"),
    ),
}


@cache
def joint_case(name: str, unit: float = 1.0, coding: str = "treatment", seed: int = 0) -> mw.LmerResult:
    formula, data, _ = JOINT[name]
    frame = cases()["sleep_full_reml" if data == "sleep" else "ratpup_full_reml"].frame
    number = "Days" if data == "sleep" else "Lsize"
    frame = frame.assign(**{number: frame[number] * unit})
    if seed:
        frame = frame.sample(frac=1, random_state=seed)
    return mw.lmer(formula, frame, contrasts=None if data == "sleep" else {"Treatment": coding})


def joint_row(fit: mw.LmerResult, rows: np.ndarray, ddf: str) -> np.ndarray:
    return fit.test(rows, joint=True, ddf=ddf)[["num_df", "den_df", "f_value"]].iloc[0].to_numpy(dtype=float)


@pytest.mark.parametrize("ddf", DDF)
@pytest.mark.parametrize("name", JOINT)
def test_any_matrix_of_one_hypothesis_gives_one_test(name: str, ddf: str) -> None:
    """Whatever nonsingular matrix multiplies the rows, and whatever the unit of a covariate."""
    names = JOINT[name][2]
    fit = joint_case(name)
    rows = np.array([(fit.params.index == term).astype(float) for term in names])
    wanted = joint_row(fit, rows, ddf)
    rng = np.random.default_rng(5)
    for _ in range(4):
        mixed = rng.normal(size=(len(rows), len(rows))) @ np.diag(10.0 ** rng.uniform(-3, 3, len(rows)))
        np.testing.assert_allclose(joint_row(fit, mixed @ rows, ddf), wanted, rtol=1e-7)
    np.testing.assert_allclose(joint_row(fit, rows[::-1], ddf), wanted, rtol=1e-9)
    for unit in (1e-3, 7.0, 1e4):
        np.testing.assert_allclose(joint_row(joint_case(name, unit), rows, ddf), wanted, rtol=1e-5)
    np.testing.assert_allclose(joint_row(joint_case(name, seed=3), rows, ddf), wanted, rtol=1e-5)


@pytest.mark.parametrize("ddf", DDF)
def test_one_hypothesis_in_two_codings_gives_one_test(ddf: str) -> None:
    """Columns of two codings span the same space: L in one is L D^-1 in the other."""
    name = "factor and number"
    fit = joint_case(name)
    rows = np.array([(fit.params.index == term).astype(float) for term in JOINT[name][2]])
    for coding in ("sum", "helmert", "poly"):
        other = joint_case(name, coding=coding)
        change = np.linalg.lstsq(other.design.x, fit.design.x, rcond=None)[0]
        theirs = np.linalg.solve(change.T, rows.T).T
        np.testing.assert_allclose(joint_row(other, theirs, ddf), joint_row(fit, rows, ddf), rtol=1e-5)


# ---- reading


def test_equations_with_numbers_signs_and_parentheses() -> None:
    fit = pups()
    b = fit.params
    text = "2 * (Lsize - Treatment[Low] / 4) + 1 = -sex[Female] * 0.5 + 3"
    row = fit.test(text).iloc[0]
    estimate = 2 * (b["Lsize"] - b["Treatment[Low]"] / 4) + 0.5 * b["sex[Female]"]
    # The constant moves to the other side: estimate - 2 is what is tested.
    assert row["estimate"] == pytest.approx(estimate, rel=1e-12)
    assert row["statistic"] == pytest.approx((estimate - 2) / row["std_error"], rel=1e-9)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("(Intercept)", "(Intercept)"),
        ("`(Intercept)` = 0", "(Intercept)"),
        ("TreatmentLow:sexFemale", "Treatment[Low]:sex[Female]"),
        ("Treatment[Low]:sex[Female] = 0", "Treatment[Low]:sex[Female]"),
        ("sexFemale", "sex[Female]"),
        ("Lsize == 0", "Lsize"),
    ],
)
def test_names_as_here_and_as_in_r(text: str, name: str) -> None:
    fit = pups()
    assert fit.test(text)["estimate"][0] == fit.params[name]


def test_names_with_signs_and_commas_in_them() -> None:
    fit = fitted("transforms")
    wanted = fit.params["poly(x, 2)[1]"] - fit.params["poly(x, 2)[2]"]
    assert fit.test("poly(x, 2)[1] = poly(x, 2)[2], arm[mid]")["estimate"][0] == pytest.approx(wanted)
    splines = fitted("splines")
    assert splines.test("I(o**2) = 1")["estimate"][0] == splines.params["I(o**2)"]


def test_a_name_is_not_read_into_a_longer_one() -> None:
    data = grouped().assign(x2=lambda d: np.cos(np.arange(len(d))))
    fit = mw.lmer("y ~ x + x2 + x:x2 + (1 | g)", data)
    assert fit.test("x2, x, x:x2")["estimate"].tolist() == fit.params[["x2", "x", "x:x2"]].tolist()


def test_lists_are_several_hypotheses() -> None:
    fit = pups()
    assert fit.test(["Lsize", "sex[Female] = 1"])["hypothesis"].tolist() == ["Lsize = 0", "sex[Female] = 1"]
    assert list(fit.test("Lsize").columns) == [
        "hypothesis",
        "estimate",
        "std_error",
        "df",
        "statistic",
        "p_value",
        "conf_low",
        "conf_high",
    ]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("Lsiz = 0", "did you mean 'Lsize'"),
        ("Treatment[Medium]", "not a fixed effect"),
        ("Lsize * sex[Female]", "multiplied"),
        ("Lsize / 0", "division"),
        ("Lsize = ", "missing"),
        ("Lsize = 0 sex[Female]", "comma"),
        ("(Lsize + 1", "not closed"),
        ("", "is empty"),
        ([], "is empty"),
        ("3 = 3", "nothing to test"),
        ("Lsize - Lsize = 0", "nothing to test"),
        ([[1.0, 0.0]], "7 fixed effects"),
        ([[0.0] * 7], "zero"),
        ([[np.inf] * 7], "infinite"),
        ({"a": 1}, "matrix"),
    ],
)
def test_what_cannot_be_read_is_said(bad: object, words: str) -> None:
    with pytest.raises(mw.MixwellError, match=words):
        pups().test(bad)


def test_dependent_rows_are_named() -> None:
    text = "Treatment[Low], Treatment[High], Treatment[Low] = Treatment[High]"
    with pytest.raises(mw.ModelError, match=r"'Treatment\[Low\] = Treatment\[High\]' \(row 3\)"):
        pups().test(text, joint=True)
    assert len(pups().test(text)) == 3


def test_a_dropped_column_is_no_hypothesis() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mw.lmer("y ~ x + x2 + (1 | g)", grouped().assign(x2=lambda d: 2 * d["x"]))
    with pytest.raises(mw.MixwellError, match="dropped"):
        fit.test("x2 = 0")


def test_frames_of_the_callers_kind() -> None:
    polars = pytest.importorskip("polars")
    frame = polars.from_pandas(cases()["ratpup_full_reml"].frame.astype({"Litter": str}))
    fit = mw.lmer("weight ~ Treatment + Lsize + (1 | Litter)", frame)
    for table in (fit.test("Lsize"), fit.anova(), fit.emmeans("Treatment").frame):
        assert isinstance(table, polars.DataFrame)
    assert isinstance(pups().anova(), pd.DataFrame)
