"""Cluster-robust covariance: against clubSandwich, by hand, and from the definitions with whole matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import linalg

import mixwell as mw
import oracle
from mixwell.diagnostics.robust import robust_covariance
from mixwell.inference.contrast import joint_test
from reference_cases import file_cases, frame_of, plain_name
from small_models import fitted, grouped

pytestmark = pytest.mark.filterwarnings("ignore::mixwell.SingularFitWarning")

CASES = file_cases("robust")
KINDS = ("CR0", "CR1", "CR2")


def fit_of(case: dict[str, Any]) -> mw.LmerResult:
    return mw.lmer(case["formula"], frame_of(case), reml=case["reml"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
@pytest.mark.parametrize("kind", KINDS)
def test_covariance_and_degrees_of_freedom_match_clubsandwich(case: dict[str, Any], kind: str) -> None:
    result, wanted = fit_of(case), case["results"]["robust"][kind]
    names = list(result.params.index)
    assert [plain_name(name) for name in names] == [plain_name(name) for name in wanted["vcov"]["rows"]]
    found = robust_covariance(result.design, result.fit, kind, case["cluster"])
    v = np.array(wanted["vcov"]["data"])
    scale = np.sqrt(np.outer(np.diag(v), np.diag(v)))
    np.testing.assert_allclose(found.vcov / scale, v / scale, rtol=0, atol=1e-6)
    np.testing.assert_allclose(result.vcov_robust(kind, cluster=case["cluster"]), found.vcov)
    np.testing.assert_allclose(found.row_df(np.eye(len(names))), list(wanted["df"].values()), rtol=1e-6)
    rows = np.eye(len(names))[1:]
    joint = joint_test(found, result.fit.beta, rows)
    htz = wanted["htz"]
    assert (joint.num_df, joint.den_df) == pytest.approx((htz["num_df"], htz["den_df"]), rel=1e-6)
    assert joint.f_value == pytest.approx(htz["F"], rel=1e-5)
    assert joint.p_value == pytest.approx(htz["p"], rel=1e-4)


def test_mean_of_three_clusters_by_hand() -> None:
    # Cluster means 1, 2, 6: their mean is 3, squared deviations 4 + 1 + 9 = 14.
    data = {"y": [0.0, 2.0, 1.5, 2.5, 5.0, 7.0], "g": list("aabbcc")}
    result = mw.lmer("y ~ 1 + (1 | g)", data)
    assert result.params.iloc[0] == pytest.approx(3.0)
    variances = {kind: float(np.asarray(result.vcov_robust(kind))[0, 0]) for kind in KINDS}
    assert variances["CR0"] == pytest.approx(14 / 9)
    assert variances["CR1"] == pytest.approx(14 / 6)
    assert variances["CR2"] == pytest.approx(14 / 6)
    assert robust_covariance(result.design, result.fit, "CR2").row_df(np.eye(1)) == pytest.approx([2.0])


def test_two_arms_of_unequal_size_by_hand() -> None:
    # Arms of m = 2 and n = 4 clusters of the same size: the difference of means has the CR2 variance
    # s_m^2 / m + s_n^2 / n (Welch's), and under equal variances the degrees of freedom
    # (1/m + 1/n)^2 / (1 / (m^2 (m - 1)) + 1 / (n^2 (n - 1))).
    means = {"a": 1.0, "b": 3.0, "c": 2.0, "d": 5.0, "e": 4.0, "f": 9.0}
    rows = [
        (mean + shift, name, float(name in "ab")) for name, mean in means.items() for shift in (-0.5, 0.5)
    ]
    result = mw.lmer("y ~ arm + (1 | g)", pd.DataFrame(rows, columns=["y", "g", "arm"]))
    m, n = 2, 4
    variance = np.var([1.0, 3.0], ddof=1) / m + np.var([2.0, 5.0, 4.0, 9.0], ddof=1) / n
    df = (1 / m + 1 / n) ** 2 / (1 / (m**2 * (m - 1)) + 1 / (n**2 * (n - 1)))
    found = robust_covariance(result.design, result.fit, "CR2")
    assert found.vcov[1, 1] == pytest.approx(variance, rel=1e-9)
    assert found.row_df(np.array([[0.0, 1.0]]))[0] == pytest.approx(df, rel=1e-9)


@pytest.mark.parametrize("name", ["slopes", "nested", "weights, offset", "category slopes"])
@pytest.mark.parametrize("kind", KINDS)
def test_published_formulas_with_whole_matrices(name: str, kind: str) -> None:
    result = fitted(name)
    cluster = "h" if name == "nested" else "g"
    at = oracle.marginal(result.design, result.theta.to_numpy(), reml=result.reml)
    v, x, e = at.v * result.sigma**2, result.design.x, at.residual
    w = np.linalg.inv(v)
    m = np.linalg.inv(x.T @ w @ x)
    residual_maker = np.eye(len(e)) - x @ m @ x.T @ w
    labels = grouped()[cluster].to_numpy()
    contrast = np.linspace(1, 2, x.shape[1])
    meat, g = np.zeros_like(m), []
    for level in np.unique(labels):
        own = labels == level
        v_i, x_i = v[np.ix_(own, own)], x[own]
        w_i = np.linalg.inv(v_i)
        a_i = np.eye(own.sum())
        if kind == "CR2":
            d_i = linalg.cholesky(v_i)
            b_i = d_i @ (residual_maker[own] @ v @ residual_maker[own].T) @ d_i.T
            a_i = d_i.T @ np.real(linalg.sqrtm(linalg.inv(b_i))) @ d_i
        score = x_i.T @ w_i @ a_i @ e[own]
        meat += np.outer(score, score)
        g.append(residual_maker[own].T @ a_i.T @ w_i @ x_i @ m @ contrast)
    clusters = len(g)
    correction = clusters / (clusters - 1) if kind == "CR1" else 1.0
    found = robust_covariance(result.design, result.fit, kind, cluster)
    assert found.n_clusters == clusters
    np.testing.assert_allclose(found.vcov, correction * m @ meat @ m, rtol=1e-6, atol=1e-12)
    p = np.array([[one @ v @ other for other in g] for one in g])
    wanted = np.trace(p) ** 2 / np.sum(p**2)
    assert found.row_df(contrast[None, :])[0] == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("name", ["slopes", "nested"])
def test_cr2_is_unbiased_under_the_model(name: str) -> None:
    result = fitted(name)
    found = robust_covariance(result.design, result.fit, "CR2")
    # E(CR2) = M sum_i E(G_i' e_i e_i' G_i) M = M sum (G_i' V_i G_i - G_i' X_i M X_i' G_i) M.
    taken = np.einsum("iba,bc,icd->iad", found.reach, found.bread, found.reach)
    expected = found.bread @ (found.spread - taken).sum(axis=0) @ found.bread
    np.testing.assert_allclose(expected, result.cov_params(), rtol=1e-7, atol=1e-12)


def test_one_hypothesis_has_one_p_value() -> None:
    result = fitted("slopes")
    found = robust_covariance(result.design, result.fit, "CR2")
    row = np.array([[0.0, 1.0, 0.0, -1.0]])
    joint = joint_test(found, result.fit.beta, row)
    assert joint.den_df == pytest.approx(found.row_df(row)[0], rel=1e-9)


def test_intervals_and_summary_use_the_robust_covariance() -> None:
    result = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    # Balanced data: CR1 and CR2 are the model's own standard errors, with 17 degrees of freedom.
    pd.testing.assert_frame_equal(result.conf_int(robust="CR2"), result.conf_int(), rtol=1e-6)
    assert "CR2" in str(result.summary(robust="CR2"))
    rats = mw.lmer("y ~ x + arm + (1 | g)", grouped())
    robust = np.sqrt(np.diag(rats.vcov_robust("CR1")))
    summary = rats.summary(robust="CR1").content.fixed
    np.testing.assert_allclose(summary.std_error, robust)
    np.testing.assert_allclose(rats.conf_int(robust="CR1").mean(axis=1), rats.params, rtol=1e-10)
    assert max(map(len, str(rats.summary(robust="CR2")).splitlines())) <= 79
    assert not np.allclose(rats.conf_int(robust="CR0"), rats.conf_int())


def test_an_array_of_labels_clusters_like_the_factor() -> None:
    result, frame = fitted("slopes"), grouped()
    np.testing.assert_array_equal(
        result.vcov_robust("CR2", cluster=frame["g"].to_numpy()), result.vcov_robust("CR2")
    )


def test_bad_input_is_named() -> None:
    with pytest.raises(mw.MixwellError, match=r"robust='HC3'.*'CR0', 'CR1', 'CR2'"):
        fitted("slopes").vcov_robust("HC3")
    with pytest.raises(mw.ModelError, match="Crossed random effects join all rows"):
        fitted("crossed").vcov_robust()
    with pytest.raises(mw.ModelError, match=r"Clusters of h:g share random effects.*'h'"):
        fitted("nested").vcov_robust(cluster="h:g")
    with pytest.raises(mw.ModelError, match="crossed factors have none"):
        fitted("crossed").vcov_robust(cluster="g")
    with pytest.raises(mw.DataError, match="cluster='G'"):
        fitted("slopes").vcov_robust(cluster="G")
    with pytest.raises(mw.MixwellError, match="method='wald'"):
        fitted("slopes").conf_int(method="profile", robust="CR2")
