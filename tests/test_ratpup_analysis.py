"""The rat-pup analysis of the tutorial against R, step by step, from the raw file."""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mixwell as mw

REFERENCE = Path(__file__).parent / "reference"
FORMULAS = {
    "full": "weight ~ Treatment * sex + Lsize + (1 | Litter)",
    "reduced": "weight ~ Treatment + sex + Lsize + (1 | Litter)",
    "independent": "weight ~ Treatment + sex + Lsize + (sex || Litter)",
    "correlated": "weight ~ Treatment + sex + Lsize + (sex | Litter)",
}


@cache
def said_by_r() -> dict[str, dict]:
    return json.loads((REFERENCE / "ratpup_analysis.json").read_text(encoding="utf-8"))


@cache
def pups() -> pd.DataFrame:
    data = pd.read_csv(REFERENCE / "data" / "RatPupWeight.csv")
    data["Treatment"] = pd.Categorical(data["Treatment"], ["Control", "Low", "High"])
    data["sex"] = pd.Categorical(data["sex"], ["Male", "Female"])
    return data


@cache
def fit(name: str) -> mw.LmerResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mw.SingularFitWarning)
        return mw.lmer(FORMULAS[name], pups())


def close(relative: float, absolute: float = 0.0) -> dict[str, float]:
    return {"rel": relative, "abs": absolute}


def test_the_raw_data_are_described() -> None:
    r = said_by_r()["data"]
    cells = mw.describe(pups(), "weight", by=["Treatment", "sex"])
    cells = cells[(cells["Treatment"] != "(all)") & (cells["sex"] != "(all)")]
    assert len(pups()) == r["n"]
    assert fit("full").ngroups["Litter"] == r["litters"]
    assert cells["mean"].tolist() == pytest.approx(r["cell_mean"], rel=1e-12)
    assert cells["sd"].tolist() == pytest.approx(r["cell_sd"], rel=1e-12)


@pytest.mark.parametrize("name", ["full", "reduced"])
def test_coefficients_with_satterthwaite(name: str) -> None:
    r = said_by_r()[name]["coefficients"]
    table = fit(name).tidy()
    assert table["estimate"].tolist() == pytest.approx(r["Estimate"], **close(1e-6))
    assert table["std_error"].tolist() == pytest.approx(r["Std. Error"], **close(1e-6))
    assert table["df"].tolist() == pytest.approx(r["df"], **close(1e-3))
    assert table["statistic"].tolist() == pytest.approx(r["t value"], **close(1e-5))
    assert table["p_value"].tolist() == pytest.approx(r["Pr(>|t|)"], **close(1e-3))


@pytest.mark.parametrize("name", list(FORMULAS))
def test_criterion_and_variances(name: str) -> None:
    r = said_by_r()[name]
    mine = fit(name)
    assert mine.criterion == pytest.approx(r["reml"], abs=1e-6)
    assert mine.criterion <= r["reml"] + 1e-7
    theirs = pd.DataFrame(r["variances"])
    assert mine.variance_components["vcov"].tolist() == pytest.approx(
        theirs["vcov"].tolist(), **close(1e-3, 1e-6)
    )
    assert mine.variance_components["sdcor"].tolist() == pytest.approx(
        theirs["sdcor"].tolist(), **close(1e-3, 1e-4)
    )


def test_the_terms_with_kenward_roger() -> None:
    r = said_by_r()["full"]["anova_kr"]
    table = fit("full").anova(ddf="kenward-roger")
    assert table["term"].tolist() == r["term"]
    assert table["den_df"].tolist() == pytest.approx(r["DenDF"], **close(1e-3))
    assert table["f_value"].tolist() == pytest.approx(r["F value"], **close(1e-4))
    assert table["p_value"].tolist() == pytest.approx(r["Pr(>F)"], **close(1e-3))


def test_the_random_intercept() -> None:
    row = fit("full").ranova().iloc[1]
    assert row["lrt"] == pytest.approx(said_by_r()["full"]["ranova_lrt"], abs=1e-6)


def test_the_interaction_by_maximum_likelihood() -> None:
    r = said_by_r()["interaction"]
    table = mw.anova(fit("reduced"), fit("full"))
    assert table["aic"].tolist() == pytest.approx(r["aic"], abs=1e-5)
    assert table["bic"].tolist() == pytest.approx(r["bic"], abs=1e-5)
    last = table.iloc[1]
    assert last["lrt"] == pytest.approx(r["lrt"], abs=1e-5)
    assert last["df"] == r["df"]
    assert last["p_value"] == pytest.approx(r["p_value"], **close(1e-4))


def test_icc_and_r2() -> None:
    r = said_by_r()["reduced"]
    assert fit("reduced").icc().adjusted == pytest.approx(r["icc_adjusted"], **close(1e-4))
    r2 = fit("reduced").r2()
    assert r2.marginal == pytest.approx(r["r2_marginal"], **close(1e-4))
    assert r2.conditional == pytest.approx(r["r2_conditional"], **close(1e-4))


def test_slopes_of_sex() -> None:
    """Independent slopes have no variance; correlated ones a correlation near -1."""
    table = mw.compare([fit("reduced"), fit("independent"), fit("correlated")])
    r = said_by_r()
    assert fit("independent").convergence.is_singular
    assert fit("reduced").criterion - fit("correlated").criterion == pytest.approx(
        r["correlated"]["lrt"], abs=1e-6
    )
    assert np.nansum(table["lrt"]) == pytest.approx(r["correlated"]["lrt"], abs=1e-5)
    # The correlation of a variance that is nearly zero is known to R's optimizer to few digits.
    correlation = fit("correlated").variance_components["sdcor"].iloc[2]
    assert correlation == pytest.approx(r["correlated"]["variances"][2]["sdcor"], abs=1e-4)
    assert correlation < -0.99


@pytest.mark.parametrize("name", ["reduced", "correlated"])
def test_the_high_dose_with_kenward_roger(name: str) -> None:
    r = said_by_r()["high"][name]
    row = fit(name).test("`Treatment[High]` = 0", ddf="kenward-roger").iloc[0]
    assert row["estimate"] == pytest.approx(r["estimate"], **close(1e-4))
    assert row["std_error"] == pytest.approx(r["std_error"], **close(1e-4))
    assert row["df"] == pytest.approx(r["df"], **close(1e-3))
    assert row["p_value"] == pytest.approx(r["p_value"], **close(2e-3))


def test_means_and_comparisons_with_the_control() -> None:
    means = fit("reduced").emmeans("Treatment", ddf="kenward-roger")
    for mine, theirs in zip(means.frame.to_dict("records"), said_by_r()["means"], strict=True):
        for a, b in {"estimate": "emmean", "std_error": "SE", "df": "df", "conf_low": "lower.CL"}.items():
            assert mine[a] == pytest.approx(theirs[b], **close(1e-5)), a
    contrasts = means.contrast("trt.vs.ctrl").frame.to_dict("records")
    for mine, theirs in zip(contrasts, said_by_r()["contrasts"], strict=True):
        assert mine["estimate"] == pytest.approx(theirs["estimate"], **close(1e-6))
        assert mine["df"] == pytest.approx(theirs["df"], **close(1e-4))
        # mvtnorm integrates the multivariate t by random points.
        assert mine["p_value"] == pytest.approx(theirs["p.value"], abs=5e-4)
        assert mine["conf_low"] == pytest.approx(theirs["lower.CL"], **close(2e-3))


def test_residuals() -> None:
    r = said_by_r()["tests"]
    diagnostics = fit("reduced").diagnostics
    found = {
        "residuals": diagnostics.normality(),
        "litters": diagnostics.effect_normality()[0],
        "breusch_pagan": diagnostics.breusch_pagan(),
        "brown_forsythe": diagnostics.levene("Litter"),
    }
    for name, test in found.items():
        assert test.statistic == pytest.approx(r[name]["statistic"], **close(1e-5)), name
        assert test.p_value == pytest.approx(r[name]["p_value"], **close(1e-3)), name
