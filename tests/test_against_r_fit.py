"""Every reference case against lme4: one matrix, cases x quantities.

R's coefficients are matched by name where only the spelling differs (``plain_name``), otherwise, with
contrasts that R numbers, by position.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import mixwell as mw
from mixwell.errors import MixwellWarning, NewLevelsError, RankDeficiencyWarning, SingularFitWarning
from reference_cases import Case, cases, covariance_terms, level_in_order, plain_name, same_factor

FloatArray = NDArray[np.float64]
Fit = Any

# lme4 expands (f || g) with a factor f in its own way (see the last test)
MATRIX = [case for case in cases().values() if "not_identified" not in case.tags]


@lru_cache(maxsize=2)
def fit_and_warnings(case_id: str) -> tuple[Fit, tuple[warnings.WarningMessage, ...]]:
    case = cases()[case_id]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = mw.lmer(case.formula, case.frame, **case.arguments)
    return fit, tuple(caught)


def fit_of(case: Case) -> Fit:
    return fit_and_warnings(case.id)[0]


def values(named: dict[str, float]) -> FloatArray:
    return np.array(list(named.values()), dtype=float)


def assert_within(ours: FloatArray, wanted: FloatArray, bound: FloatArray) -> None:
    """Each element to its own absolute bound."""
    difference, bound = np.broadcast_arrays(np.abs(ours - wanted), bound)
    assert (difference <= bound).all(), f"off by up to {np.max(difference / bound):.3g} times the bound"


def in_r_order(names: list[str], case: Case) -> list[int]:
    """Positions of R's fixed effects among ``names``."""
    ours = [plain_name(name) for name in names]
    theirs = [plain_name(name) for name in case.results["fixef"]]
    if set(ours) != set(theirs):
        assert len(ours) == len(theirs)
        assert case.contrasts is not None, f"names differ: {ours}, {theirs}"
        return list(range(len(ours)))
    return [ours.index(name) for name in theirs]


def fixed(case: Case, series: pd.Series) -> FloatArray:
    return series.to_numpy(float)[in_r_order(list(series.index), case)]


# ---- the quantities; each a function of the case and the fit


def criterion(case: Case, fit: Fit) -> None:
    assert fit.criterion == pytest.approx(case.results["criterion"], rel=0, abs=1e-6)
    assert fit.criterion <= case.results["criterion"] + 1e-7


def llf_aic_bic(case: Case, fit: Fit) -> None:
    assert fit.llf == pytest.approx(case.results["logLik"], rel=0, abs=1e-6)
    assert fit.aic == pytest.approx(case.results["AIC"], rel=0, abs=1e-6)
    assert fit.bic == pytest.approx(case.results["BIC"], rel=0, abs=1e-6)


def sizes(case: Case, fit: Fit) -> None:
    assert fit.nobs == case.results["n"]
    assert len(fit.params) == case.results["rank_X"]
    ours = {same_factor(name, list(case.results["ngroups"])): q for name, q in fit.ngroups.items()}
    assert ours == case.results["ngroups"]


def params(case: Case, fit: Fit) -> None:
    bse = values(case.results["se"])
    wanted = values(case.results["fixef"])
    assert_within(fixed(case, fit.params), wanted, 1e-6 * np.maximum(np.abs(wanted), bse))


def bse(case: Case, fit: Fit) -> None:
    np.testing.assert_allclose(fixed(case, fit.bse), values(case.results["se"]), rtol=1e-6)


def tvalues(case: Case, fit: Fit) -> None:
    t = values(case.results["fixef"]) / values(case.results["se"])
    np.testing.assert_allclose(fixed(case, fit.tvalues), t, rtol=2e-6, atol=2e-6)


def cov_params(case: Case, fit: Fit) -> None:
    ours = fit.cov_params()
    order = in_r_order(list(ours.index), case)
    wanted = np.array(case.results["vcov"]["data"])
    scale = np.sqrt(np.outer(np.diag(wanted), np.diag(wanted)))
    assert_within(ours.to_numpy(float)[np.ix_(order, order)], wanted, 2e-6 * scale)


def coefficient_names(case: Case, fit: Fit) -> None:
    if case.contrasts is None:
        assert [plain_name(name) for name in fit.params.index] == [
            plain_name(name) for name in case.results["fixef"]
        ]


def sigma(case: Case, fit: Fit) -> None:
    assert fit.sigma == pytest.approx(case.results["sigma"], rel=1e-6)


def theta(case: Case, fit: Fit) -> None:
    """To 1e-4 of the effect's own relative standard deviation, the norm of its row of T."""
    wanted, at, scale = values(case.results["theta"]), 0, []
    for _, names, _ in covariance_terms(case.results):
        k = len(names)
        columns, rows = np.triu_indices(k)
        t = np.zeros((k, k))
        t[rows, columns] = wanted[at : at + len(rows)]
        scale.append(np.linalg.norm(t, axis=1)[rows])
        at += len(rows)
    assert len(fit.theta) == len(wanted)
    assert_within(np.asarray(fit.theta, dtype=float), wanted, 1e-4 * np.concatenate(scale) + 1e-7)


def variance_components(case: Case, fit: Fit) -> None:
    ours, rows = fit.variance_components, case.results["varcorr"]
    assert len(ours) == len(rows)
    sds = {(row["grp"], row.get("term"), row["var1"]): row["sdcor"] for row in rows if row["var2"] is None}
    for (_, own), row in zip(ours.iterrows(), rows, strict=True):
        assert same_factor(row["grp"], [own["group"]])
        for ours_term, r_term in ((own["term1"], row["var1"]), (own["term2"], row["var2"])):
            assert (None if pd.isna(ours_term) else plain_name(ours_term)) == (r_term and plain_name(r_term))
        vcov, sdcor = own.iloc[-2], own.iloc[-1]
        sd1 = sds[row["grp"], row.get("term"), row["var1"]]
        sd2 = sds[row["grp"], row.get("term"), row["var2"] or row["var1"]]
        # a zero variance is a boundary: what is left of it is compared with the residual variance
        zero = 1e-8 * case.results["sigma"] ** 2
        assert vcov == pytest.approx(row["vcov"], rel=1e-4, abs=1e-4 * sd1 * sd2 + zero)
        if row.get("sdcor") is None:
            assert pd.isna(sdcor)
        elif row["var2"] is None:
            assert sdcor == pytest.approx(row["sdcor"], rel=1e-4, abs=zero**0.5)
        else:
            assert sdcor == pytest.approx(row["sdcor"], rel=0, abs=1e-4)


def effect_scales(case: Case, factor: str) -> FloatArray:
    """Standard deviation of each column of a factor's random effects; a zero counts as 1e-4 sigma."""
    sd = [np.sqrt(np.diag(cov)) for name, _, cov in covariance_terms(case.results) if name == factor]
    return np.maximum(np.concatenate(sd), 1e-4 * case.results["sigma"])


def random_effects(case: Case, fit: Fit) -> None:
    assert len(fit.random_effects) == len(case.results["ranef"])
    for factor, wanted in case.results["ranef"].items():
        name = same_factor(factor, list(fit.random_effects))
        ours = fit.random_effects[name]
        assert len(ours) == wanted["n_levels"]
        assert [plain_name(column) for column in ours.columns] == [plain_name(c) for c in wanted["cols"]]
        scale = effect_scales(case, factor)
        rows = ours.set_axis(ours.index.astype(str)).loc[
            [level_in_order(level, factor, name) for level in wanted["levels"]]
        ]
        assert_within(rows.to_numpy(float), np.array(wanted["values"]), 1e-5 * scale)
        q = wanted["n_levels"]
        for column, effect in enumerate(wanted["cols"]):
            own, sd = ours.iloc[:, column].to_numpy(float), scale[column]
            assert own.min() == pytest.approx(wanted["col_min"][effect], rel=0, abs=1e-5 * sd)
            assert own.max() == pytest.approx(wanted["col_max"][effect], rel=0, abs=1e-5 * sd)
            assert own.sum() == pytest.approx(wanted["col_sum"][effect], rel=0, abs=1e-5 * sd * q)
            assert own @ own == pytest.approx(wanted["col_sumsq"][effect], rel=2e-5, abs=1e-5 * sd**2 * q)


def random_effects_cov(case: Case, fit: Fit) -> None:
    """Var(b | y) of the first three levels; lme4 gives one block per term where a factor has several."""
    for factor, wanted in case.results["ranef"].items():
        if "condVar_first3" not in wanted:
            continue
        name = same_factor(factor, list(fit.random_effects_cov))
        levels = [level_in_order(level, factor, name) for level in wanted["levels"][:3]]
        where = [list(fit.random_effects[name].index.astype(str)).index(level) for level in levels]
        blocks = wanted["condVar_first3"]
        blocks = [blocks] if isinstance(blocks, list) else list(blocks.values())
        scale = effect_scales(case, factor)
        start = 0
        for block in blocks:
            k = len(block[0])
            own = slice(start, start + k)
            ours = np.array(
                [np.asarray(fit.random_effects_cov[name][i], dtype=float)[own, own] for i in where]
            )
            sd = np.sqrt(np.diagonal(np.array(block), axis1=1, axis2=2)) + 1e-6 * scale[own]
            assert_within(ours, np.array(block), 1e-4 * sd[:, :, None] * sd[:, None, :])
            start += k
        assert start == len(wanted["cols"])


def check_summary(ours: FloatArray, wanted: dict[str, Any], scale: float) -> None:
    """n, ends, moments and extremes of a column, to 1e-6 of its scale."""
    assert len(ours) == wanted["n"]
    np.testing.assert_allclose(ours[:10], wanted["first10"], rtol=0, atol=1e-6 * scale)
    np.testing.assert_allclose(ours[-3:], wanted["last3"], rtol=0, atol=1e-6 * scale)
    for statistic, value in (
        ("mean", ours.mean()),
        ("sd", ours.std(ddof=1)),
        ("min", ours.min()),
        ("max", ours.max()),
    ):
        assert value == pytest.approx(wanted[statistic], rel=0, abs=1e-6 * scale), statistic
    assert ours.sum() == pytest.approx(wanted["sum"], rel=1e-6, abs=1e-6 * scale * len(ours))
    assert ours @ ours == pytest.approx(wanted["sumsq"], rel=2e-6)


def fittedvalues(case: Case, fit: Fit) -> None:
    scale = max(case.results["fitted"]["sd"], case.results["sigma"])
    check_summary(np.asarray(fit.fittedvalues, dtype=float), case.results["fitted"], scale)


def resid(case: Case, fit: Fit) -> None:
    check_summary(np.asarray(fit.resid, dtype=float), case.results["resid"], case.results["sigma"])


def dropped_columns(case: Case, fit: Fit) -> None:
    assert not set(case.results["dropped_columns"]) & set(fit.params.index)
    text = " ".join(str(warning.message) for warning in fit_and_warnings(case.id)[1])
    for column in case.results["dropped_columns"]:
        assert column in text


def certificate(case: Case, fit: Fit) -> None:
    assert fit.convergence.converged
    assert fit.convergence.gap < 1e-6
    assert fit.convergence.is_singular == case.results["isSingular"]


def warned(case: Case, fit: Fit) -> None:
    expected = set()
    if case.results["isSingular"]:
        expected.add(SingularFitWarning)
    if case.results["dropped_columns"]:
        expected.add(RankDeficiencyWarning)
    caught = fit_and_warnings(case.id)[1]
    assert {w.category for w in caught if issubclass(w.category, MixwellWarning)} == expected
    assert not [w for w in caught if not issubclass(w.category, MixwellWarning)]


CHECKS: list[Callable[[Case, Fit], None]] = [
    criterion,
    llf_aic_bic,
    sizes,
    params,
    bse,
    tvalues,
    cov_params,
    coefficient_names,
    sigma,
    theta,
    variance_components,
    random_effects,
    random_effects_cov,
    fittedvalues,
    resid,
    dropped_columns,
    certificate,
    warned,
]


@pytest.mark.parametrize(
    ("case", "check"),
    [pytest.param(case, check, id=f"{case.id}-{check.__name__}") for case in MATRIX for check in CHECKS],
)
def test_quantity_matches_lme4(case: Case, check: Callable[[Case, Fit], None]) -> None:
    check(case, fit_of(case))


PREDICTED = [case for case in MATRIX if "predict" in case.results]


@pytest.mark.parametrize("case", PREDICTED, ids=lambda case: case.id)
def test_predictions_on_new_data_match_lme4(case: Case) -> None:
    fit, wanted = fit_of(case), case.results["predict"]
    atol = 1e-6 * case.results["sigma"]

    def check(key: str, new_data: pd.DataFrame, **options: Any) -> None:
        ours = np.asarray(fit.predict(new_data, **options), dtype=float)
        np.testing.assert_allclose(ours, wanted[key], rtol=1e-6, atol=atol, err_msg=key)

    rows = case.new_data("newdata")
    check("pred_conditional", rows)
    check("pred_conditional", rows, random=True)
    check("pred_population", rows, random=False)
    if "re_form_partial" in wanted:
        named = wanted["re_form_partial"].split("|")[-1].strip(" )")
        check("pred_partial", rows, random=[same_factor(named, list(fit.random_effects))])
    for key, answers in (
        ("newdata_new_levels", "pred_new_levels_allow"),
        ("newdata_one_new_factor", "pred_one_new_factor_allow"),
    ):
        if key in wanted:
            strangers = case.new_data(key)
            check(answers, strangers, new_levels="zero")
            with pytest.raises(NewLevelsError, match="zz_new"):
                fit.predict(strangers)


def test_predictions_are_recorded_for_enough_cases() -> None:
    assert len(PREDICTED) == 53


def test_double_bar_with_a_factor_gives_independent_columns() -> None:
    """lme4 keeps a factor's columns together in ``(sex || Litter)``; here they are independent dummies.

    So the model is that of ``(female || Litter)`` with a numeric 0/1 column, whose answers from R exist.
    """
    dummies, numeric = cases()["ratpup_doublebar_factor_reml"], cases()["ratpup_slope_uncorr_reml"]
    fit = fit_of(dummies)
    for check in (criterion, llf_aic_bic, sizes, params, bse, cov_params, sigma, theta, fittedvalues, resid):
        check(numeric, fit)
    assert fit.convergence.is_singular == numeric.results["isSingular"]
