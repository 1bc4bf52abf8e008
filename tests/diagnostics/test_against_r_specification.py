"""Tests of residuals as car, lmtest, nlme and stats make them in R, and descriptive cells."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import mixwell as mw
from mixwell.data.columns import Factor
from mixwell.diagnostics.access import Diagnostics
from reference_cases import REFERENCE, _categorical, _csv

RECORD = json.loads((REFERENCE / "specification.json").read_text(encoding="utf-8"))
CASES = pytest.mark.parametrize("case", RECORD["cases"], ids=lambda case: case["id"])


def fit_of(case: dict[str, Any]) -> mw.LmerResult:
    frame = _csv(case["csv"], frozenset(factor["name"] for factor in case["factors"])).copy()
    for factor in case["factors"]:
        frame[factor["name"]] = _categorical(frame[factor["name"]], factor, case["id"])
    return mw.lmer(case["formula"], frame, reml=case["reml"])


def as_one_series(result: mw.LmerResult) -> Diagnostics:
    """The same fit with a categorical variable of one level."""
    everything = Factor("all", np.zeros(result.nobs, dtype=np.int32), np.array(["all"], dtype=object), None)
    design = replace(result.design, variables={**result.design.variables, "all": everything})
    return Diagnostics(design, result.fit, result.diagnostics.origin)


@CASES
def test_variance_tests_match_car_and_lmtest(case: dict[str, Any]) -> None:
    tests, wanted = fit_of(case).diagnostics, case["results"]
    found = tests.levene(case["group"])
    assert found.statistic == pytest.approx(wanted["levene"]["F"], rel=1e-6)
    assert found.df == (wanted["levene"]["df1"], wanted["levene"]["df2"])
    assert found.p_value == pytest.approx(wanted["levene"]["p"], rel=1e-4)
    found = tests.breusch_pagan()
    assert found.statistic == pytest.approx(wanted["bptest"]["LM"], rel=1e-6)
    assert found.df == (wanted["bptest"]["df"],)
    assert found.p_value == pytest.approx(wanted["bptest"]["p"], rel=1e-5)


@CASES
def test_one_series_matches_stats_and_lmtest(case: dict[str, Any]) -> None:
    tests, wanted = as_one_series(fit_of(case)), case["results"]
    found = tests.ljung_box("all", lags=wanted["box"]["lag"], kind="response")
    assert found.statistic == pytest.approx(wanted["box"]["Q"], rel=1e-6)
    assert found.p_value == pytest.approx(wanted["box"]["p"], rel=1e-5)
    found = tests.durbin_watson("all", kind="response")
    assert found.statistic == pytest.approx(wanted["durbin_watson"], rel=1e-6)


@CASES
def test_autocorrelation_within_groups_is_nlmes(case: dict[str, Any]) -> None:
    result, wanted = fit_of(case), case["results"]["acf_pearson"]
    # nlme looks within the innermost groups.
    inner = max(result.ngroups, key=lambda name: result.ngroups[name])
    found = result.diagnostics.autocorrelation(inner, lags=3, kind="pearson")
    assert wanted["lag"] == [0, 1, 2, 3]
    # lme's own estimates: it stops a little earlier than lmer with tight controls.
    np.testing.assert_allclose(found.values, wanted["value"][1:], rtol=0, atol=1e-5)


def test_cells_match_aggregate_and_t_test() -> None:
    found = mw.describe(mw.datasets.load_ratpups(), "weight", by=["Treatment", "sex"], margins=False)
    assert len(found) == len(RECORD["describe"])
    for cell in found.to_dict("records"):
        wanted = RECORD["describe"][f"{cell['Treatment']}|{cell['sex']}"]
        for name, value in wanted.items():
            assert cell[name] == pytest.approx(value, rel=1e-10), name
