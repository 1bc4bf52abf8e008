"""Leverages and deletion against R, against the dense model and against refits from the data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

import mixwell as mw
import oracle
from mixwell import kernel
from mixwell.design.subset import subset
from mixwell.diagnostics.influence import Influence
from mixwell.diagnostics.marginal import fixed_columns
from mixwell.fit.deletion import deletions
from mixwell.fit.solve import solve
from reference_cases import Case, cases
from small_models import FITS, fitted, grouped, without_variance

pytestmark = pytest.mark.filterwarnings("ignore::mixwell.SingularFitWarning")

REFERENCE = [case for name, case in cases().items() if name.startswith("diag_")]
DELETIONS = [(case, group) for case in REFERENCE for group in case.results["influence"]]


def fit_of(case: Case) -> mw.LmerResult:
    return mw.lmer(case.formula, case.frame, **case.arguments)


def in_r_order(found: Influence, group: str, deleted: list[str]) -> list[int]:
    if group == "case":
        return list(range(len(deleted)))
    return [found.labels.tolist().index(level) for level in deleted]


@pytest.mark.parametrize("case", REFERENCE, ids=lambda case: case.id)
def test_hat_values_and_cooks_distance_match_lme4(case: Case) -> None:
    result, wanted = fit_of(case), case.results["diagnostics"]
    leverages = result.leverages()
    np.testing.assert_allclose(leverages["total"], wanted["hatvalues"]["values"], rtol=0, atol=1e-8)
    cook = wanted["cooks_distance_lme4_hat_based"]["values"]
    np.testing.assert_allclose(result.cooks_distance(), cook, rtol=1e-6)


@pytest.mark.parametrize("name", list(FITS))
def test_leverages_are_diagonals_of_the_dense_hat_matrices(name: str) -> None:
    result = fitted(name)
    at = oracle.evaluate(result.design, result.theta.to_numpy(), reml=result.reml)
    x = fixed_columns(result.design, result.fit)
    h_fixed = x @ (at.vcov / at.sigma**2) @ x.T @ at.v_inverse
    weights = np.ones(len(x)) if result.design.weights is None else result.design.weights
    # Z G Z' V^-1 (I - H1), with Z G Z' = V - W^-1 in units of sigma^2.
    h_random = (at.v - np.diag(1 / weights)) @ at.v_inverse @ (np.eye(len(x)) - h_fixed)
    found = result.leverages()
    np.testing.assert_allclose(found["fixed"], np.diag(h_fixed), rtol=0, atol=1e-10)
    np.testing.assert_allclose(found["random"], np.diag(h_random), rtol=0, atol=1e-10)
    np.testing.assert_allclose(found["total"], at.leverages, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("case", "group"), DELETIONS, ids=lambda v: v if isinstance(v, str) else v.id)
def test_deletion_with_refits_matches_r(case: Case, group: str) -> None:
    result, wanted = fit_of(case), case.results["influence"][group]["refit"]
    found = result.influence("row" if group == "case" else group, refit=True)
    assert found.refitted
    order = in_r_order(found, group, case.results["influence"][group]["deleted"])
    bse = result.bse.to_numpy()
    # In standard errors, since some coefficients are differences near zero.
    np.testing.assert_allclose(found.params[order] / bse, np.array(wanted["fixef"]) / bse, rtol=0, atol=1e-7)
    np.testing.assert_allclose(found.cooks_distance[order], wanted["cooks_distance"], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.covratio[order], wanted["covratio"], rtol=1e-6)
    np.testing.assert_allclose(np.sqrt(found.variances[order, -1]), wanted["sigma"], rtol=1e-7)


@pytest.mark.parametrize(("case", "group"), DELETIONS, ids=lambda v: v if isinstance(v, str) else v.id)
def test_deletion_at_fixed_variance_parameters_matches_r(case: Case, group: str) -> None:
    result, wanted = fit_of(case), case.results["influence"][group]["fixed_theta"]
    found = result.influence("row" if group == "case" else group, refit=False)
    assert not found.refitted
    order = in_r_order(found, group, case.results["influence"][group]["deleted"])
    bse = result.bse.to_numpy()
    np.testing.assert_allclose(found.params[order] / bse, np.array(wanted["fixef"]) / bse, rtol=0, atol=1e-8)
    np.testing.assert_allclose(found.cooks_distance[order], wanted["cooks_distance"], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.covratio[order], wanted["covratio"], rtol=1e-8)
    np.testing.assert_allclose(found.mdffits[order], wanted["mdffits"], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["slopes", "crossed", "nested", "weights, offset", "independent"])
@pytest.mark.parametrize("by", ["row", "g", "h", "arm"])
def test_held_deletion_is_generalized_least_squares_of_the_rest(name: str, by: str) -> None:
    result, frame = fitted(name), grouped()
    known = [*result.ngroups, "row", *(["arm"] if "arm" in FITS[name][0] else [])]
    rows = np.arange(len(frame)) if by == "row" else frame[by].to_numpy()
    given: object = by if by in known else rows
    found = result.influence(given, refit=False)
    for i, label in list(enumerate(found.labels))[:4]:
        out = np.arange(len(frame)) == i if by == "row" else rows == label
        part = subset(result.design, ~out)
        at = oracle.marginal(part, result.theta.to_numpy(), reml=result.reml)
        if len(at.kept) < len(result.params):
            assert np.isnan(found.cooks_distance[i])
            continue
        np.testing.assert_allclose(found.params[i], at.beta, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(
            found.bse[i], np.sqrt(np.diag(at.vcov)) / at.sigma * result.sigma, rtol=1e-8
        )


def test_refits_are_those_of_the_reduced_data_and_the_measures_their_definitions() -> None:
    result, frame = fitted("slopes"), grouped()
    found = result.influence("g")
    formula, arguments = FITS["slopes"]
    for level in ("a", "e"):
        i = found.labels.tolist().index(level)
        direct = mw.lmer(formula, frame[frame["g"] != level], **arguments)
        np.testing.assert_allclose(found.params[i], direct.params, rtol=1e-6)
        np.testing.assert_allclose(found.bse[i], direct.bse, rtol=1e-6)
        np.testing.assert_allclose(
            found.variances[i], direct.variance_components["vcov"], rtol=1e-4, atol=1e-6
        )
        d = (result.params - direct.params).to_numpy()
        np.testing.assert_allclose(found.dfbetas[i], d / direct.bse, rtol=1e-4, atol=1e-6)
        p, v, v_i = len(d), result.cov_params().to_numpy(), direct.cov_params().to_numpy()
        assert found.cooks_distance[i] == pytest.approx(d @ np.linalg.solve(v, d) / p, rel=1e-5)
        assert found.mdffits[i] == pytest.approx(d @ np.linalg.solve(v_i, d) / p, rel=1e-5)
        assert found.covratio[i] == pytest.approx(np.linalg.det(v_i) / np.linalg.det(v), rel=1e-5)
        full = result.variance_components["vcov"].to_numpy()
        np.testing.assert_allclose(found.rvc[i], found.variances[i] / full - 1, rtol=1e-12)
    assert found.n_rows.sum() == len(frame)


def test_a_deletion_that_loses_a_fixed_effect_is_missing_and_named() -> None:
    found = fitted("slopes").influence("arm")
    assert np.isnan(found.cooks_distance).all()
    assert "Without arm low, mid, high" in found.remarks[0]
    assert "nan" not in str(found)


DELETED = [
    *((name, by) for name in ("slopes", "crossed", "nested", "weights, offset") for by in ("row", "g", "h")),
    ("independent", "h"),
    ("category slopes", "g"),
    ("offset in formula", "row"),
]


@pytest.mark.parametrize("hold", [False, True])
@pytest.mark.parametrize(("name", "by"), DELETED)
def test_deletion_in_the_kernel_is_the_fit_of_the_rows_left(name: str, by: str, hold: bool) -> None:
    result = fitted(name)
    design, fit = result.design, result.fit
    levels = np.arange(design.n_obs) if by == "row" else grouped()[by].to_numpy()
    labels, codes = np.unique(levels, return_inverse=True)
    found = deletions(design, fit, codes, len(labels), hold=hold)(0, len(labels))
    assert found.fits.converged.all()
    for i in range(0, len(labels), 7 if by == "row" else 1):
        part = subset(design, codes != i)
        if hold:
            problem = kernel.problem(part)
            at = kernel.components(part, problem, fit.theta, reml=fit.reml)
            criterion, beta, vcov, theta = at.criterion, at.beta, at.vcov_unscaled, fit.theta
            kept = np.asarray(problem.kept)
        else:
            one = solve(part, reml=fit.reml, control=mw.Control(gap_tolerance=1e-14))
            criterion, beta, vcov, theta = one.criterion, one.beta, one.vcov / one.sigma**2, one.theta
            kept = one.kept
            assert found.fits.sigma[i] == pytest.approx(one.sigma, rel=1e-7)
        assert found.fits.criterion[i] == pytest.approx(criterion, abs=1e-8)
        np.testing.assert_allclose(found.fits.theta[i], theta, rtol=0, atol=1e-6)
        assert found.same_rank[i] == np.array_equal(kept, fit.kept)
        if found.same_rank[i]:
            se = np.sqrt(np.diag(vcov))
            np.testing.assert_allclose(found.fits.beta[i] / se, beta / se, rtol=0, atol=1e-6)
            np.testing.assert_allclose(
                found.vcov_unscaled[i] / np.outer(se, se), vcov / np.outer(se, se), rtol=0, atol=1e-6
            )
        else:
            assert np.isnan(found.fits.beta[i]).all()
            assert np.isnan(found.vcov_unscaled[i]).all()


def test_deletion_from_a_singular_fit_starts_anew() -> None:
    result = mw.lmer("y ~ x + (x | g)", without_variance())
    assert result.convergence.is_singular
    found = result.influence("g")
    for i, level in enumerate(found.labels):
        data = without_variance()
        direct = mw.lmer("y ~ x + (x | g)", data[data["g"] != level])
        np.testing.assert_allclose(found.params[i], direct.params, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(
            found.variances[i], direct.variance_components["vcov"], rtol=1e-6, atol=1e-9
        )


def test_deletion_of_an_overwhelming_group_keeps_the_digits_of_the_rest() -> None:
    data = grouped()
    far = data["g"] == "a"
    data.loc[far, "y"] = 1e8 * np.sin(np.arange(far.sum()))
    result = mw.lmer("y ~ x + (1 | g)", data)
    found = result.influence("g", refit=True)
    direct = mw.lmer("y ~ x + (1 | g)", data[~far])
    at = found.labels.tolist().index("a")
    np.testing.assert_allclose(found.params[at], direct.params, rtol=1e-7)
    np.testing.assert_allclose(found.variances[at], direct.variance_components["vcov"], rtol=1e-6)


def test_a_deletion_that_leaves_no_residual_is_named() -> None:
    data = pd.DataFrame({"g": np.repeat(list("abcd"), 4), "x": np.tile([0.0, 1.0, 2.0, 3.0], 4)})
    line = data["g"].map({"a": 1.0, "b": -2.0, "c": 4.0, "d": 2.5}) + data["x"]
    data["y"] = line + np.where(data["g"] == "d", [0.3, -0.2, 0.4, -0.1] * 4, 0.0)
    with pytest.raises(mw.ModelError, match=r"Without g d the model cannot be fitted.*exactly"):
        mw.lmer("y ~ x + (1 | g)", data).influence("g", refit=True)


def test_an_interrupt_ends_the_deletions(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    whole = kernel.Deleter.refit

    def refit(self: kernel.Deleter, first: int, last: int) -> kernel.Deleted:
        if done:
            raise KeyboardInterrupt
        done.append(last)
        return whole(self, first, last)

    monkeypatch.setattr(kernel.Deleter, "refit", refit)
    with pytest.raises(KeyboardInterrupt):
        fitted("slopes").influence()
    assert done == [4]


def test_frames_and_text() -> None:
    frame = grouped()
    result = fitted("slopes")
    found = result.influence("g")
    summary = found.frame()
    assert summary.index.name == "g"
    assert summary.columns.tolist() == ["rows", "cooks_distance", "mdffits", "covratio", "max_dfbetas"]
    assert found.frame("dfbetas").columns.tolist() == result.params.index.tolist()
    assert found.frame("rvc").columns[-1] == "Residual"
    assert max(map(len, str(found).splitlines())) <= 79
    assert result.influence().frame().index.tolist() == frame.index.tolist()
    as_polars = mw.lmer(result.formula, pl.from_pandas(frame)).influence("g").frame()
    assert isinstance(as_polars, pl.DataFrame)
    np.testing.assert_allclose(as_polars["cooks_distance"], summary["cooks_distance"], rtol=1e-6)
    with pytest.raises(mw.MixwellError, match="'hat'"):
        found.frame("hat")


def test_bad_input_is_named() -> None:
    result = fitted("slopes")
    with pytest.raises(mw.DataError, match=r"by='G'.*'row', 'g'"):
        result.influence("G")
    with pytest.raises(mw.DataError, match="90 labels"):
        result.influence(["a", "b"])
    data = pd.DataFrame({"y": [1.0, 2.0, 4.0, 3.0, 5.0, 4.5], "g": list("uuuvvv")})
    with pytest.raises(mw.ModelError, match="Without g u only one level of g is left"):
        mw.lmer("y ~ 1 + (1 | g)", data).influence("g")


def test_many_deletions_are_made_without_refits_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixwell.diagnostics.influence.PATIENCE", 0.0)
    found = fitted("slopes").influence()
    assert not found.refitted
    assert "refit=True" in found.remarks[0]
