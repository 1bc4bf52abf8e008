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


DATA = {
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
