"""Every reference case against lmerTest, pbkrtest, emmeans, performance and exact profiles."""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixwell as mw
from mixwell.errors import SingularFitWarning
from mixwell.inference.degrees_of_freedom import approximation
from reference_cases import Case, cases, covariance_terms, plain_name

Fit = Any

MATRIX = [case for case in cases().values() if "not_identified" not in case.tags]
DDF = {"satterthwaite": "satterthwaite", "kenward_roger": "kenward-roger"}
EMMEANS_DDF = {"satterthwaite": "satterthwaite", "kenward-roger": "kenward-roger", "asymptotic": "normal"}

# insight 0.19 drops the variance of slopes written as terms of their own, and of slopes that are no column of
# the fixed part; these four differ from Johnson's (2014) formula, mean z' Sigma z, which the others obey.
INSIGHT_WRONG = {
    "sleep_diag_reml",
    "sleep_poly_ml",
    "ratpup_slope_corr_reml",
    "ratpup_slope_uncorr_reml",
}


def quiet_fit(formula: str, case: Case, reml: bool) -> Fit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mw.lmer(formula, case.frame, **{**case.arguments, "reml": reml})


@lru_cache(maxsize=2)
def fit_of_id(case_id: str) -> Fit:
    case = cases()[case_id]
    return quiet_fit(case.formula, case, case.reml)


def fit_of(case: Case) -> Fit:
    return fit_of_id(case.id)


def recorded(key: str, part: str) -> list[Any]:
    """Cases that hold results[key][part]; not pbkrtest's with prior weights, which are wrong there."""
    return [
        pytest.param(case, id=case.id)
        for case in MATRIX
        if part in case.results.get(key, {}) and not (key == "kenward_roger" and case.weights is not None)
    ]


def rows_like_r(table: pd.DataFrame, names: list[str], by_position: bool) -> pd.DataFrame:
    """The rows of a tidy table in R's order; by position where R numbers its contrasts."""
    ours = [plain_name(str(term)) for term in table["term"]]
    theirs = [plain_name(name) for name in names]
    if set(ours) != set(theirs):
        assert by_position, f"{ours} are not {theirs}"
        assert len(ours) == len(theirs)
        return table
    return table.iloc[[ours.index(name) for name in theirs]]


def p_tolerance(p: float) -> float:
    """1e-4 relative; looser far out, where log p times the last digits of lmerTest's df comes through."""
    return 1e-4 if p > 1e-15 else 2e-3


def assert_p_values(ours: Any, wanted: list[float]) -> None:
    """Relative; below 1e-300 R's and ours may differ in underflow."""
    for p, q in zip(ours, wanted, strict=True):
        assert p == pytest.approx(q, rel=p_tolerance(q), abs=1e-300)


def check_coefficients(case: Case, method: str) -> None:
    wanted = case.results[method]["coefficients"]
    table = fit_of(case).tidy(effects="fixed", ddf=DDF[method])
    table = rows_like_r(table, list(wanted), case.contrasts is not None)
    column = {key: [row[key] for row in wanted.values()] for key in ("Estimate", "se", "df", "t", "p")}
    se = np.array(column["se"])
    np.testing.assert_allclose(table["estimate"], column["Estimate"], rtol=1e-6, atol=1e-6 * se.min())
    np.testing.assert_allclose(table["std_error"], se, rtol=1e-6)
    np.testing.assert_allclose(table["df"], column["df"], rtol=1e-3)
    np.testing.assert_allclose(table["statistic"], column["t"], rtol=2e-6, atol=2e-6)
    assert_p_values(table["p_value"], column["p"])


@pytest.mark.parametrize("case", recorded("satterthwaite", "coefficients"))
def test_satterthwaite_coefficients_match_lmertest(case: Case) -> None:
    check_coefficients(case, "satterthwaite")


@pytest.mark.parametrize("case", recorded("kenward_roger", "vcov_adjusted"))
def test_adjusted_covariance_matches_pbkrtest(case: Case) -> None:
    result = fit_of(case)
    ours = approximation(result.design, result.fit, "kenward-roger").vcov
    wanted = np.array(case.results["kenward_roger"]["vcov_adjusted"]["data"])
    sd = np.sqrt(np.diagonal(wanted))
    np.testing.assert_allclose(ours / np.outer(sd, sd), wanted / np.outer(sd, sd), rtol=0, atol=1e-6)


@pytest.mark.parametrize("case", recorded("kenward_roger", "coefficients"))
def test_kenward_roger_coefficients_match_pbkrtest(case: Case) -> None:
    check_coefficients(case, "kenward_roger")


ANOVA = [
    pytest.param(*parameter.values, method, type_, id=f"{parameter.id}-{method}-{type_}")
    for method in DDF
    for type_ in ("I", "II", "III")
    for parameter in recorded(method, f"anova_{type_}")
]


@pytest.mark.parametrize(("case", "method", "type_"), ANOVA)
def test_anova_matches_lmertest(case: Case, method: str, type_: str) -> None:
    wanted = case.results[method][f"anova_{type_}"]
    table = rows_like_r(fit_of(case).anova(type=type_, ddf=DDF[method]), list(wanted), by_position=False)
    for (_, ours), row in zip(table.iterrows(), wanted.values(), strict=True):
        # With several numerator df lmerTest's df of types I and II depend on the coding (24.2396 and
        # 24.2139 for one hypothesis under treatment and sum coding); ours are of treatment coding.
        recoded = case.contrasts is not None and type_ != "III" and method == "satterthwaite"
        loose = recoded and row["NumDF"] > 1
        assert ours["num_df"] == row["NumDF"]
        assert ours["den_df"] == pytest.approx(row["DenDF"], rel=2e-3 if loose else 1e-3)
        assert ours["f_value"] == pytest.approx(row["F"], rel=1e-6)
        assert ours["sum_sq"] == pytest.approx(row["SumSq"], rel=1e-6)
        assert ours["mean_sq"] == pytest.approx(row["MeanSq"], rel=1e-6)
        tolerance = 5e-3 if loose else p_tolerance(row["p"])
        assert ours["p_value"] == pytest.approx(row["p"], rel=tolerance, abs=1e-300)


RANOVA = [pytest.param(case, id=case.id) for case in MATRIX if "ranova" in case.results]


@pytest.mark.parametrize("case", RANOVA)
def test_ranova_rows_match_reduced_fits_in_r(case: Case) -> None:
    """Rows are matched by statistic and df; R's p-values are the naive ones of a chi-square.

    Where R compares models of equal size (a slope alone, an intercept alone), the term is removed here.
    """
    table = fit_of(case).ranova()
    assert table["term"].iloc[0] == "<none>"
    wanted = [row for name, row in case.results["ranova"].items() if name != "<none>"]
    assert len(table) == len(wanted) + 1
    if any(row["Df"] == 0 for row in wanted):
        assert (table["df"].iloc[1:] == 1).all()
        return
    ours = table.iloc[1:].sort_values(["df", "lrt"])
    by_size = sorted(wanted, key=lambda r: (r["Df"], r["LRT"]))
    for (_, found), row in zip(ours.iterrows(), by_size, strict=True):
        assert found["df"] == row["Df"]
        assert found["npar"] == row["npar"]
        assert found["llf"] == pytest.approx(row["logLik"], rel=0, abs=1e-6)
        assert found["aic"] == pytest.approx(row["AIC"], rel=0, abs=2e-6)
        assert found["lrt"] == pytest.approx(row["LRT"], rel=1e-6, abs=2e-6)
        assert found["p_naive"] == pytest.approx(row["p"], rel=1e-4, abs=1e-300)
        assert found["p_value"] <= row["p"] * (1 + 1e-4)


LRT = [
    pytest.param(case, row, id=f"{case.id}-{number}")
    for case in MATRIX
    for number, row in enumerate(case.results.get("lrt", []))
]


@pytest.mark.parametrize(("case", "row"), LRT)
def test_likelihood_ratio_tests_match_r(case: Case, row: dict[str, Any]) -> None:
    null = quiet_fit(row["null_formula"], case, reml=False)
    full = quiet_fit(row["full_formula"], case, reml=False)
    for fit, number in ((null, "0"), (full, "1")):
        assert fit.llf == pytest.approx(row[f"logLik{number}"], rel=0, abs=1e-6)
        assert fit.aic == pytest.approx(row[f"AIC{number}"], rel=0, abs=1e-6)
        assert fit.bic == pytest.approx(row[f"BIC{number}"], rel=0, abs=1e-6)
    last = mw.anova(null, full).iloc[-1]
    assert last["df"] == row["Df"]
    assert last["lrt"] == pytest.approx(row["Chisq"], rel=1e-6, abs=2e-6)
    only_fixed_parts_differ = re.findall(r"\([^()]*\|[^()]*\)", row["null_formula"]) == re.findall(
        r"\([^()]*\|[^()]*\)", row["full_formula"]
    )
    if only_fixed_parts_differ:  # otherwise a variance is on its boundary and R's p is the naive one
        assert last["p_value"] == pytest.approx(row["p"], rel=1e-4)


def test_reml_fits_with_different_fixed_parts_are_refitted_by_ml() -> None:
    case = cases()["ratpup_reduced_reml"]
    for row in case.results["lrt"]:
        null = quiet_fit(row["null_formula"], case, reml=True)
        last = mw.anova(null, fit_of(case)).iloc[-1]
        assert last["lrt"] == pytest.approx(row["Chisq"], rel=1e-6, abs=2e-6)


def profile_name(name: str) -> str:
    """sd, correlation and sigma rows without spelling, the parts of a nested factor in one order."""
    parameter, _, group = name.partition("|")
    return f"{plain_name(parameter)}|{':'.join(sorted(group.split(':')))}"


PROFILE = [pytest.param(case, id=case.id) for case in MATRIX if "profile_ci_95" in case.results]


@pytest.mark.parametrize("case", PROFILE)
def test_profile_intervals_match_exact_profiles(case: Case) -> None:
    """Roots of a tightly optimized profile of the ML criterion (also for a REML fit, as in lme4).

    An end at the limit of the parameter space (sd 0, correlation -1 or 1) says: the cutoff is not reached.
    """
    wanted = case.results["profile_ci_95"]["exact"]
    table = fit_of(case).conf_int(method="profile", level=0.95)
    ours = {profile_name(str(name)): (row.iloc[0], row.iloc[1]) for name, row in table.iterrows()}
    for name, interval in wanted.items():
        low, high = ours[profile_name(name)]
        width = interval["upper"] - interval["lower"]
        assert low == pytest.approx(interval["lower"], rel=0, abs=1e-6 * width), name
        assert high == pytest.approx(interval["upper"], rel=0, abs=1e-6 * width), name


EMMEANS = [
    pytest.param(case, block, ddf, id=f"{case.id}-{block['specs']}-{ddf}")
    for case in MATRIX
    for block in case.results.get("emmeans", [])
    for ddf in EMMEANS_DDF
    if ddf in block
]


def check_emmeans_rows(
    table: pd.DataFrame, wanted: list[dict[str, Any]], estimate: str, tukey: bool = False
) -> None:
    assert len(table) == len(wanted)
    for (_, ours), row in zip(table.iterrows(), wanted, strict=True):
        se = row["SE"]
        assert ours["estimate"] == pytest.approx(row[estimate], rel=1e-6, abs=1e-6 * se)
        assert ours["std_error"] == pytest.approx(se, rel=1e-6)
        if "df" in row:
            assert ours["df"] == pytest.approx(row["df"], rel=1e-3)
        if "lower" in row:
            assert ours["conf_low"] == pytest.approx(row["lower"], rel=1e-5, abs=1e-4 * se)
            assert ours["conf_high"] == pytest.approx(row["upper"], rel=1e-5, abs=1e-4 * se)
        statistic = row.get("t.ratio", row.get("z.ratio"))
        if statistic is not None:
            assert ours["statistic"] == pytest.approx(statistic, rel=2e-6, abs=2e-6)
        if "p.value" in row:
            # R's ptukey is good to about 1e-6 only, with few df: test_adjust.py has better numbers
            assert ours["p_value"] == pytest.approx(row["p.value"], rel=1e-4, abs=2e-6 if tukey else 0)


@pytest.mark.parametrize(("case", "block", "ddf"), EMMEANS)
def test_marginal_means_and_pairs_match_emmeans(case: Case, block: dict[str, Any], ddf: str) -> None:
    left, _, by = (part.strip() for part in block["specs"].lstrip("~").partition("|"))
    factors = [name.strip() for name in left.split("*")]
    means = fit_of(case).emmeans(
        factors if len(factors) > 1 else factors[0], by=by or None, ddf=EMMEANS_DDF[ddf]
    )
    wanted = block[ddf]
    table = means.frame
    for name in [*factors, *filter(None, [by])]:
        assert table[name].astype(str).tolist() == [row[name] for row in wanted["emmeans"]]
    check_emmeans_rows(table, wanted["emmeans"], "emmean")
    check_emmeans_rows(means.contrast("pairwise", adjust=None).frame, wanted["pairs_none"], "estimate")
    check_emmeans_rows(
        means.contrast("pairwise", adjust="tukey").frame, wanted["pairs_tukey"], "estimate", tukey=True
    )


PERFORMANCE = [
    pytest.param(case, id=case.id)
    for case in MATRIX
    if "performance" in case.results and case.id not in INSIGHT_WRONG
]


@pytest.mark.parametrize("case", PERFORMANCE)
def test_icc_and_r2_match_performance(case: Case) -> None:
    wanted = case.results["performance"]
    if "icc" in wanted:
        icc = fit_of(case).icc()
        assert icc.adjusted == pytest.approx(wanted["icc"]["adjusted"], rel=1e-5)
        assert icc.conditional == pytest.approx(wanted["icc"]["unadjusted"], rel=1e-5)
    r2 = fit_of(case).r2()
    assert r2.marginal == pytest.approx(wanted["r2_nakagawa"]["marginal"], rel=1e-5, abs=1e-12)
    if "conditional" in wanted["r2_nakagawa"]:
        assert r2.conditional == pytest.approx(wanted["r2_nakagawa"]["conditional"], rel=1e-5)


def test_icc_counts_slopes_written_as_terms_of_their_own() -> None:
    """Johnson's (2014) formula by hand for (Days || Subject), where insight leaves the slope out."""
    case = cases()["sleep_diag_reml"]
    (_, _, intercept), (_, _, slope) = covariance_terms(case.results)
    random = intercept[0, 0] + slope[0, 0] * (case.frame["Days"] ** 2).mean()
    assert fit_of(case).icc().adjusted == pytest.approx(
        random / (random + case.results["sigma"] ** 2), rel=1e-5
    )


def test_kenward_roger_needs_reml() -> None:
    with pytest.raises(mw.ModelError, match="REML"):
        fit_of(cases()["sleep_full_ml"]).tidy(effects="fixed", ddf="kenward-roger")


@pytest.mark.parametrize(
    "case", [case for case in MATRIX if case.results["isSingular"]], ids=lambda case: case.id
)
def test_singular_fits_still_have_finite_df(case: Case) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        assert np.isfinite(fit_of(case).tidy(effects="fixed", ddf="satterthwaite")["df"]).all()
