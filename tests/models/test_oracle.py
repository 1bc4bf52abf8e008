"""The dense oracle itself, against R and against differences: what the other tests lean on."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
from mixwell.design.build import build_design
from mixwell.design.record import Design
from reference_cases import Case, cases, level_in_order, plain_name, same_factor

IDS = [
    "sleep_full_reml",
    "sleep_int_ml",
    "sleep_weights_reml",
    "sleep_offset_reml",
    "sleep_weights_offset_reml",
    "sleep_na_rows_reml",
    "sleep_rank_deficient_reml",
    "pastes_nested_slash_reml",
    "penicillin_ml",
    "orthodont_diag_reml",
    "machines_factor_slope_reml",
]


def design_of(case: Case) -> Design:
    arguments = {k: v for k, v in case.arguments.items() if k != "reml"}
    return build_design(case.formula, case.frame, **arguments)


def theta_of(case: Case) -> np.ndarray:
    return np.array(list(case.results["theta"].values()))


@pytest.mark.parametrize("case_id", IDS)
def test_oracle_at_theta_of_r_gives_what_r_gives(case_id: str) -> None:
    case = cases()[case_id]
    design, wanted = design_of(case), case.results
    at = oracle.evaluate(design, theta_of(case), reml=case.reml)
    assert at.criterion == pytest.approx(wanted["criterion"], rel=0, abs=1e-6)
    assert at.sigma == pytest.approx(wanted["sigma"], rel=1e-7)
    names = [plain_name(design.x_names[j]) for j in at.kept]
    assert names == [plain_name(name) for name in wanted["fixef"]]
    se = np.array(list(wanted["se"].values()))
    np.testing.assert_allclose(
        (at.beta - np.array(list(wanted["fixef"].values()))) / se, 0, rtol=0, atol=1e-6
    )
    np.testing.assert_allclose(np.sqrt(np.diag(at.vcov)), se, rtol=1e-6)
    np.testing.assert_allclose(at.fitted[:10], wanted["fitted"]["first10"], rtol=0, atol=1e-5 * at.sigma)
    own = [factor.name for factor in design.factors]
    for name, theirs in wanted["ranef"].items():
        index = own.index(same_factor(name, own))
        levels = list(design.factors[index].levels)
        order = [levels.index(level_in_order(level, name, own[index])) for level in theirs["levels"]]
        np.testing.assert_allclose(
            at.modes[index][order], np.array(theirs["values"]), rtol=0, atol=1e-5 * at.sigma
        )
        blocks = theirs["condVar_first3"]
        if isinstance(blocks, list):
            np.testing.assert_allclose(
                at.mode_cov[index][order[:3]], np.array(blocks), rtol=1e-5, atol=1e-6 * at.sigma**2
            )


@pytest.mark.parametrize("case_id", ["diag_sleep_full", "diag_oats_nested", "diag_penicillin_crossed_ml"])
def test_oracle_leverages_match_r(case_id: str) -> None:
    case = cases()[case_id]
    at = oracle.evaluate(design_of(case), theta_of(case), reml=case.reml)
    wanted = case.results["diagnostics"]["hatvalues"]["values"]
    np.testing.assert_allclose(at.leverages, wanted, rtol=1e-5)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("case_id", ["sleep_weights_reml", "pastes_nested_slash_reml"])
def test_gradient_is_the_slope_of_the_criterion(case_id: str, reml: bool) -> None:
    design = design_of(cases()[case_id])
    theta = np.random.default_rng(4).normal(size=oracle.n_theta(design))
    exact = oracle.gradient(design, theta, reml=reml)
    differences = oracle.gradient_by_differences(design, theta, reml=reml)
    np.testing.assert_allclose(exact, differences, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("case_id", ["sleep_full_reml", "pastes_nested_slash_ml", "dyestuff2_singular_reml"])
def test_minimum_is_not_above_that_of_r(case_id: str) -> None:
    case = cases()[case_id]
    design = design_of(case)
    theta = oracle.minimize(design, reml=case.reml)
    assert oracle.criterion(design, theta, reml=case.reml) <= case.results["criterion"] + 1e-7
    np.testing.assert_allclose(theta, theta_of(case), rtol=0, atol=1e-4)
