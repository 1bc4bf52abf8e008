"""Models of many kinds against lmerTest, pbkrtest and emmeans: all that inference.json holds."""

from __future__ import annotations

import json
import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixwell as mw
from mixwell.inference.degrees_of_freedom import approximation
from reference_cases import REFERENCE, plain_name

RECORD = json.loads((REFERENCE / "inference.json").read_text(encoding="utf-8"))
CASES = {case["id"]: case for case in RECORD["cases"]}
METHODS = ("satterthwaite", "kenward-roger")


def read(name: str, without: tuple[int, ...] = (), **factors: list[str] | None) -> pd.DataFrame:
    """A data set with some columns as factors (levels in order, or sorted) and rows (1-based) deleted."""
    frame = pd.read_csv(REFERENCE / "data" / f"{name}.csv", dtype=dict.fromkeys(factors, str))
    for column, levels in factors.items():
        frame[column] = pd.Categorical(frame[column], levels or sorted(frame[column].unique()))
    return frame.drop(index=[row - 1 for row in without]).reset_index(drop=True)


def pups() -> pd.DataFrame:
    frame = read("RatPupWeight", Treatment=["Control", "Low", "High"], sex=["Male", "Female"], Litter=None)
    return frame.assign(w=1 + np.arange(1, len(frame) + 1) % 3, o=frame["Lsize"] / 40)


def oats() -> pd.DataFrame:
    return read(
        "Oats", (1, 2, 7, 13, 30, 31, 32, 33, 61), Block=None, Variety=None, nitro=["0", "0.2", "0.4", "0.6"]
    )


def cake() -> pd.DataFrame:
    gone = (3, 8, 20, 21, 40, 77, 101, 102, 150, 201, 222, 260)
    return read("cake", gone, recipe=None, temperature=None, replicate=None)


def growth() -> pd.DataFrame:
    return read("Orthodont", (5, 17, 18, 40, 90), Subject=None, Sex=["Male", "Female"])


def plates() -> pd.DataFrame:
    frame = read("Penicillin", (4, 9, 33, 77, 120), plate=None, sample=None)
    kind = np.array(["x", "y", "z"])[(frame["plate"].cat.codes + 1) % 3]
    return frame.assign(group=pd.Categorical(kind, ["x", "y", "z"]))


def schools() -> pd.DataFrame:
    frame = read("MathAchieve", School=None, Minority=["No", "Yes"], Sex=["Male", "Female"])
    first = list(frame["School"].cat.categories[:25])
    frame = frame[frame["School"].isin(first)].reset_index(drop=True)
    return frame.assign(School=pd.Categorical(frame["School"], first))


def batches() -> pd.DataFrame:
    frame = read("Dyestuff2", Batch=None)
    half = np.array(["a", "b", "b"])[np.arange(1, len(frame) + 1) % 3]
    return frame.assign(half=pd.Categorical(half, ["a", "b"]))


def without_a_cell() -> pd.DataFrame:
    frame = pups()
    return frame[~((frame["Treatment"] == "High") & (frame["sex"] == "Male"))]


def rooms() -> pd.DataFrame:
    frame = pups()
    litter, group = frame["Litter"].astype(int), frame["Treatment"].astype(str)
    room = (litter + ((group == "Low") & (litter % 4 == 0))) % np.where(group == "High", 3, 2)
    return frame.assign(room=pd.Categorical(group.str[0] + room.astype(str)))


DATA = {
    "nested_factor": rooms,
    "splines": lambda: read("sleepstudy", Subject=None),
    "split_plot": oats,
    "split_plot_sum": oats,
    "cake": cake,
    "growth": growth,
    "growth_ml": growth,
    "crossed": plates,
    "schools": schools,
    "singular": batches,
    "empty_cell": without_a_cell,
}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "weights": {"weights": "w"},
    "split_plot_sum": {"contrasts": {"Variety": "sum", "nitro": "helmert"}},
}


@cache
def fit_of(name: str) -> mw.LmerResult:
    case = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mw.lmer(case["formula"], DATA.get(name, pups)(), reml=case["reml"], **ARGUMENTS.get(name, {}))


TABLES = [
    pytest.param(name, ddf, id=f"{name}-{ddf}")
    for name, case in CASES.items()
    for ddf in METHODS
    if ddf in case
]


def assert_p_values(ours: Any, wanted: Any, rtol: float = 1e-4) -> None:
    """Relative; far out, the last digits of R's df count log p times over."""
    for p, q in zip(ours, wanted, strict=True):
        assert p == pytest.approx(q, rel=rtol if q > 1e-15 else 2e-3, abs=1e-300)


@pytest.mark.parametrize("name", CASES)
def test_the_criterion_is_not_above_r_s(name: str) -> None:
    assert fit_of(name).criterion <= CASES[name]["criterion"] + 1e-7
    assert fit_of(name).criterion == pytest.approx(CASES[name]["criterion"], abs=1e-6)
    assert fit_of(name).convergence.is_singular == CASES[name]["singular"]


@pytest.mark.parametrize(("name", "ddf"), TABLES)
def test_coefficient_tables(name: str, ddf: str) -> None:
    wanted = pd.DataFrame(CASES[name][ddf]["coefficients"])
    table = fit_of(name).tidy(ddf=ddf)
    if name != "split_plot_sum":  # R numbers the contrasts
        assert [plain_name(term) for term in table["term"]] == [plain_name(t) for t in wanted["term"]]
    se = wanted["std_error"].to_numpy()
    np.testing.assert_allclose((table["estimate"] - wanted["estimate"]) / se, 0, atol=1e-5)
    np.testing.assert_allclose(table["std_error"], se, rtol=1e-5)
    np.testing.assert_allclose(table["df"], wanted["df"], rtol=1e-3)
    assert_p_values(table["p_value"], wanted["p_value"])


@pytest.mark.parametrize("type_", ["I", "II", "III"])
@pytest.mark.parametrize(("name", "ddf"), TABLES)
def test_anova(name: str, ddf: str, type_: str) -> None:
    asked = type_
    if (name, type_) == ("no_intercept", "II"):
        # lmerTest does not adjust sex:Lsize for Treatment there; it is its type III that does.
        type_ = "III"
    wanted = pd.DataFrame(CASES[name][ddf][f"anova_{type_}"])
    table = fit_of(name).anova(type=asked, ddf=ddf)
    if name == "nested_factor" and type_ != "I":
        # lmerTest tests two coefficients of treatment coding, differences between single rooms.
        wanted, table = wanted[1:], table[1:]
    # With other codings lmerTest's df of several rows are other ones, for types I and II; ours are not.
    recoded = name == "split_plot_sum" and type_ != "III"
    assert [plain_name(term) for term in table["term"]] == [plain_name(t) for t in wanted["term"]]
    np.testing.assert_array_equal(table["num_df"], wanted["num_df"])
    np.testing.assert_allclose(table["den_df"], wanted["den_df"], rtol=2e-3 if recoded else 1e-3)
    np.testing.assert_allclose(table["f_value"], wanted["f_value"], rtol=1e-5)
    np.testing.assert_allclose(table["sum_sq"], wanted["sum_sq"], rtol=1e-5)
    assert_p_values(table["p_value"], wanted["p_value"], rtol=5e-3 if recoded else 1e-4)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.get("joint")])
def test_joint_kenward_roger_matches_krmodcomp(name: str) -> None:
    fit = fit_of(name)
    wanted = np.array(CASES[name]["vcov_adjusted"])
    sd = np.sqrt(np.diagonal(wanted))
    ours = approximation(fit.design, fit.fit, "kenward-roger").vcov
    np.testing.assert_allclose(ours / np.outer(sd, sd), wanted / np.outer(sd, sd), rtol=0, atol=1e-5)
    for row in CASES[name]["joint"]:
        found = fit.test(np.array(row["rows"]), joint=True, ddf="kenward-roger").iloc[0]
        assert found["num_df"] == row["num_df"]
        assert found["den_df"] == pytest.approx(row["den_df"], rel=1e-4)
        assert found["f_value"] == pytest.approx(row["f_value"], rel=1e-5)
        assert found["p_value"] == pytest.approx(row["p_value"], rel=1e-4)


# ---- means: what R's calls are here


def split_plot(method: str, **arguments: Any) -> Any:
    arguments = {"adjust": None} | arguments
    return lambda f, ddf: f.emmeans("nitro", ddf=ddf).contrast(method, **arguments)


MEANS: dict[tuple[str, str], Any] = {
    ("three_way", "cells"): lambda f, ddf: f.emmeans("Treatment * sex", at={"Lsize": [8, 14]}, ddf=ddf),
    ("three_way", "slopes"): lambda f, ddf: f.emtrends("Lsize", "Treatment * sex", ddf=ddf),
    ("three_way", "slope_pairs"): lambda f, ddf: f.emtrends("Lsize", "Treatment | sex", ddf=ddf).contrast(
        adjust=None
    ),
    ("slopes", "cells"): lambda f, ddf: f.emmeans("Treatment | sex", ddf=ddf),
    ("slopes", "interaction"): lambda f, ddf: f.emmeans("Treatment * sex", ddf=ddf).contrast(
        interaction="pairwise"
    ),
    ("slopes", "mixed"): lambda f, ddf: f.emmeans("Treatment * sex", ddf=ddf).contrast(
        interaction=["consec", "eff"]
    ),
    ("weights", "cells"): lambda f, ddf: f.emmeans("Treatment * sex", ddf=ddf),
    ("offset", "margins"): lambda f, ddf: f.emmeans("Treatment", ddf=ddf),
    ("log_response", "cells"): lambda f, ddf: f.emmeans("Treatment | sex", ddf=ddf, type="response"),
    ("log_response", "ratios"): lambda f, ddf: f.emmeans("Treatment", ddf=ddf, type="response").contrast(
        "trt.vs.ctrl", adjust=None
    ),
    ("log_response", "revpairwise"): lambda f, ddf: f.emmeans("Treatment", ddf=ddf, type="response").contrast(
        "revpairwise", adjust=None
    ),
    ("empty_cell", "cells"): lambda f, ddf: f.emmeans("Treatment * sex", ddf=ddf),
    ("empty_cell", "margins"): lambda f, ddf: f.emmeans("Treatment", ddf=ddf),
    ("no_intercept", "margins"): lambda f, ddf: f.emmeans("Treatment", ddf=ddf),
    ("poly", "at"): lambda f, ddf: f.emmeans("Lsize", at={"Lsize": [6, 10, 15]}, ddf=ddf),
    ("splines", "at"): lambda f, ddf: f.emmeans("Days", at={"Days": [1, 4.5, 8]}, ddf=ddf),
    ("split_plot", "poly"): split_plot("poly"),
    ("split_plot", "consec"): split_plot("consec"),
    ("split_plot", "mean_chg"): split_plot("mean_chg"),
    ("split_plot", "del_eff"): split_plot("del.eff"),
    ("split_plot", "hommel"): split_plot("pairwise", adjust="hommel"),
    ("split_plot", "hochberg"): split_plot("pairwise", adjust="hochberg"),
    ("split_plot", "scheffe"): split_plot("pairwise", adjust="scheffe"),
    ("split_plot", "sidak"): split_plot("eff", adjust="sidak"),
    ("split_plot", "dunnett"): split_plot("trt.vs.ctrl", adjust="dunnett", ref=1),
    ("split_plot", "side_less"): split_plot("consec", side="less"),
    ("split_plot", "side_more"): split_plot("consec", side="greater", null=5),
    ("split_plot", "null"): split_plot("consec", null=10),
    ("split_plot", "interaction"): lambda f, ddf: f.emmeans("Variety * nitro", ddf=ddf).contrast(
        interaction=["pairwise", "poly"]
    ),
    ("cake", "slopes"): lambda f, ddf: f.emtrends("temp", "recipe", ddf=ddf),
    ("cake", "slope_pairs"): lambda f, ddf: f.emtrends("temp", "recipe", ddf=ddf).contrast(adjust="holm"),
    ("growth", "at"): lambda f, ddf: f.emmeans("Sex | age", at={"age": [8, 14]}, ddf=ddf),
    ("growth", "pairs"): lambda f, ddf: f.emmeans("Sex | age", at={"age": [8, 14]}, ddf=ddf).contrast(),
    ("growth_ml", "slopes"): lambda f, ddf: f.emtrends("age", "Sex", ddf=ddf),
    ("crossed", "pairs"): lambda f, ddf: f.emmeans("group", ddf=ddf).contrast(adjust=None),
    ("schools", "margins"): lambda f, ddf: f.emmeans("Sex", ddf=ddf),
    ("schools", "proportional"): lambda f, ddf: f.emmeans("Sex", weights="proportional", ddf=ddf),
    ("schools", "slopes"): lambda f, ddf: f.emtrends("SES", "MEANSES", at={"MEANSES": [-0.3, 0.3]}, ddf=ddf),
    ("nested_factor", "rooms"): lambda f, ddf: f.emmeans("room", ddf=ddf),
    ("nested_factor", "room_pairs"): lambda f, ddf: f.emmeans("room", ddf=ddf).contrast(adjust=None),
    ("nested_factor", "margins"): lambda f, ddf: f.emmeans("Treatment", ddf=ddf),
    ("nested_factor", "sexes"): lambda f, ddf: f.emmeans("sex", ddf=ddf),
    ("nested_factor", "by"): lambda f, ddf: f.emmeans("sex | Treatment", ddf=ddf),
    ("nested_factor", "weighted"): lambda f, ddf: f.emmeans("Treatment", weights="proportional", ddf=ddf),
    ("singular", "margins"): lambda f, ddf: f.emmeans("half", ddf=ddf),
}


def recorded_means() -> list[Any]:
    found = [
        pytest.param(name, key, ddf, id=f"{name}-{key}-{ddf}")
        for name, case in CASES.items()
        for key, by_ddf in (case["means"] or {}).items()
        for ddf in METHODS
        if by_ddf.get(ddf)
    ]
    assert {parameter.values[:2] for parameter in found} == set(MEANS)
    return found


@pytest.mark.parametrize(("name", "key", "ddf"), recorded_means())
def test_means_and_contrasts(name: str, key: str, ddf: str) -> None:
    """Estimates to 1e-6 of a standard error or of themselves; ends as the df, which R takes to 1e-5."""
    wanted = CASES[name]["means"][key][ddf]
    table = MEANS[name, key](fit_of(name), ddf).frame
    assert len(table) == len(wanted)
    # Dunnett's and mvt's p-values are integrals over directions here and by Monte Carlo in R.
    loose = {"rel": 0.01, "abs": 2e-3} if key == "dunnett" else {"rel": 2e-4, "abs": 0.0}
    for (_, ours), row in zip(table.iterrows(), wanted, strict=True):
        for label in ("Treatment", "sex", "room", "Variety", "recipe", "Sex", "contrast"):
            if label in row and label in table:
                # R writes the factor's name before levels that are numbers.
                assert ours[label] == row[label].replace("nitro", "")
        if row["std_error"] is None:
            assert np.isnan(ours["estimate"])
            continue
        se = row["std_error"]
        assert ours["estimate"] == pytest.approx(row["estimate"], rel=1e-6, abs=5e-6 * se)
        assert ours["std_error"] == pytest.approx(se, rel=5e-6)
        assert ours["df"] == pytest.approx(row["df"], rel=2e-4)
        for ours_end, end in (("conf_low", "conf_low"), ("conf_high", "conf_high")):
            if row.get(end) is not None and isinstance(row[end], float | int) and key != "dunnett":
                assert ours[ours_end] == pytest.approx(row[end], rel=1e-6, abs=5e-4 * se)
        if "p_value" in row and "p_value" in table:
            assert ours["statistic"] == pytest.approx(row["statistic"], rel=1e-5, abs=1e-5)
            assert ours["p_value"] == pytest.approx(row["p_value"], **loose)


def test_type_three_of_a_factor_with_another_nested_in_it_compares_its_means() -> None:
    fit = fit_of("nested_factor")
    means = fit.emmeans("Treatment").contrast(adjust=None).means.rows
    joint = fit.test(means[:2], joint=True).iloc[0]
    line = fit.anova().set_index("term").loc["Treatment"]
    for column in ("num_df", "den_df", "f_value", "p_value"):
        assert line[column] == pytest.approx(joint[column], rel=1e-8)


STRATA = {
    "oats": (
        "yield ~ Variety * nitro + (1 | Block/Variety)",
        lambda: read("Oats", Block=None, Variety=None, nitro=None),
    ),
    "pupils": (
        "math ~ year * female + size + lowinc + (1 | schoolid/childid)",
        lambda: read("egsingle", schoolid=None, childid=None, female=["Female", "Male"]),
    ),
    "pastes": (
        "strength ~ k * side + cask + (1 | batch/cask)",
        lambda: read("Pastes", batch=None, cask=None).assign(
            k=lambda d: np.array(["a", "b"])[(np.arange(len(d)) + 1) % 2],
            side=lambda d: np.array(["u", "v"])[(d["batch"].cat.codes + 1) % 2],
        ),
    ),
    "sleep": ("Reaction ~ Days + (Days | Subject)", lambda: read("sleepstudy", Subject=None)),
}


@pytest.mark.parametrize("name", STRATA)
def test_between_within_has_the_strata_of_nlme(name: str) -> None:
    """All but the intercept, which nlme gives the df of the rows."""
    formula, data = STRATA[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mw.lmer(formula, data())
    wanted = RECORD["nlme"][name]["df"]
    table = fit.anova(ddf="between-within").set_index("term")
    assert table["den_df"].to_dict() == {term: df for term, df in wanted.items() if term != "(Intercept)"}


@pytest.mark.parametrize(
    ("name", "by"), [(name, by) for name, case in CASES.items() for by in case.get("tests") or {}]
)
def test_joint_tests_match_emmeans(name: str, by: str) -> None:
    """F to R's three decimals; df of single rows: of several R takes the smallest of single contrasts."""
    wanted = pd.DataFrame(CASES[name]["tests"][by])
    wanted = wanted[wanted["term"] != "Lsize"]
    table = fit_of(name).joint_tests(by=None if by == "all" else by)
    labels = ["term"] if by == "all" else ["term", by]
    assert table[labels].to_numpy().tolist() == wanted[labels].to_numpy().tolist()
    assert table["num_df"].tolist() == wanted["num_df"].tolist()
    np.testing.assert_allclose(table["f_value"], wanted["f_value"], rtol=0, atol=6e-4)
    single = (wanted["num_df"] == 1).to_numpy()
    np.testing.assert_allclose(table["den_df"][single], wanted["den_df"][single], rtol=0, atol=6e-3)
