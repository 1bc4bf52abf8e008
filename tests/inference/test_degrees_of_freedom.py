"""Degrees of freedom: closed forms, a dense Kenward-Roger, tails, and what is refused."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixwell as mw
from mixwell.inference import blocks, kenward_roger, strata
from mixwell.inference.contrast import f_upper, joint_test, row_tests, t_quantile, t_two_sided
from mixwell.inference.degrees_of_freedom import METHODS, approximation
from reference_cases import REFERENCE, cases
from small_models import FITS, fitted, grouped

R = json.loads((REFERENCE / "emmeans.json").read_text(encoding="utf-8"))


def quiet(formula: str, data: pd.DataFrame, **arguments: Any) -> mw.LmerResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mw.lmer(formula, data, **arguments)


# ---- closed forms


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
def test_balanced_one_way_has_groups_minus_one_df(ddf: str) -> None:
    fit = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff())
    assert fit.tidy(ddf=ddf)["df"].iloc[0] == pytest.approx(5, rel=1e-6)


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger", "containment"])
def test_balanced_split_plot_has_the_df_of_its_strata(ddf: str) -> None:
    """Oats: 6 blocks, 3 varieties on whole plots, 4 doses on sub plots: 10 and 45 df (Yates 1935)."""
    case = cases()["oats_nested_reml"]
    fit = quiet(case.formula, case.frame)
    table = fit.anova(ddf=ddf).set_index("term")["den_df"]
    assert table["Variety"] == pytest.approx(10, rel=1e-6)
    assert table["nitroF"] == pytest.approx(45, rel=1e-6)
    assert table["nitroF:Variety"] == pytest.approx(45, rel=1e-6)


def test_containment_and_between_within_of_sleepstudy() -> None:
    """18 subjects of 10 rows: both columns vary with Subject, 17 df; between 18 - 1, within 180 - 2 - 17."""
    fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    assert fit.tidy(ddf="containment")["df"].tolist() == [17, 17]
    assert fit.tidy(ddf="between-within")["df"].tolist() == [17, 161]
    assert fit.tidy(ddf="residual")["df"].tolist() == [178, 178]
    assert fit.tidy(ddf="normal")["df"].tolist() == [np.inf, np.inf]


def test_terms_constant_within_groups_are_between_them() -> None:
    """Orthodont: 27 subjects, 4 ages, Sex between them: rank of Subject beyond X is 25; 108 - 29 remain."""
    fit = mw.lmer("distance ~ age * Sex + (1 | Subject)", mw.datasets.load_orthodont())
    contained = dict(zip(fit.params.index, fit.tidy(ddf="containment")["df"], strict=True))
    split = dict(zip(fit.params.index, fit.tidy(ddf="between-within")["df"], strict=True))
    assert contained == {"(Intercept)": 25, "age": 79, "Sex[Female]": 25, "age:Sex[Female]": 79}
    assert split == contained


# ---- Kenward-Roger, from dense n x n matrices


def dense_kenward_roger(fit: mw.LmerResult) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Kenward & Roger (1997) as written: Phi, adjusted Phi, P_i and W, from V and its derivatives."""
    design, record = fit.design, fit.fit
    n = design.n_obs
    x = design.x[:, record.kept]
    inverse_weights = np.diag(1 / design.weights) if design.weights is not None else np.eye(n)
    derivatives = []
    v = record.sigma**2 * inverse_weights
    for term, cov in zip(design.terms, record.term_cov, strict=True):
        factor = design.factors[term.factor]
        same = factor.codes[:, None] == factor.codes[None, :]
        for a, za in enumerate(term.columns):
            for b, zb in enumerate(term.columns[a:], start=a):
                part = np.outer(za, zb) * same
                part = part if a == b else part + part.T
                derivatives.append(part)
                v = v + cov[a, b] * part
    derivatives.append(inverse_weights)
    inverse = np.linalg.inv(v)
    phi = np.linalg.inv(x.T @ inverse @ x)
    m = len(derivatives)
    p = [-x.T @ inverse @ d @ inverse @ x for d in derivatives]
    q = [[x.T @ inverse @ d @ inverse @ e @ inverse @ x for e in derivatives] for d in derivatives]
    information = np.empty((m, m))
    for i in range(m):
        for j in range(m):
            information[i, j] = (
                np.trace(inverse @ derivatives[i] @ inverse @ derivatives[j])
                - 2 * np.trace(phi @ q[i][j])
                + np.trace(phi @ p[i] @ phi @ p[j])
            )
    w = 2 * np.linalg.inv(information)
    bias = sum(w[i, j] * (q[i][j] - p[i] @ phi @ p[j]) for i in range(m) for j in range(m))
    return phi, phi + 2 * phi @ bias @ phi, np.array(p), w


DENSE = [name for name, (_, arguments) in FITS.items() if arguments.get("reml", True)]


@pytest.mark.parametrize("name", DENSE)
def test_kenward_roger_is_the_dense_one(name: str) -> None:
    """With prior weights too: V = Z G Z' + sigma^2 W^-1, where R's own answer is wrong."""
    fit = fitted(name)
    phi, adjusted, p, w = dense_kenward_roger(fit)
    ours = kenward_roger.kenward_roger(fit.design, fit.fit)
    sd = np.sqrt(np.diagonal(adjusted))
    np.testing.assert_allclose(ours.vcov / np.outer(sd, sd), adjusted / np.outer(sd, sd), rtol=0, atol=1e-7)
    rows = np.eye(len(phi))
    variance = np.diagonal(phi)
    a = np.array([np.diagonal(phi @ part @ phi) for part in p])
    df = 2 * variance**2 / np.einsum("ik,ij,jk->k", a, w, a)
    np.testing.assert_allclose(ours.row_df(rows), df, rtol=1e-6)


@pytest.mark.parametrize("name", ["slopes", "interaction", "weights, offset"])
def test_joint_kenward_roger_follows_the_paper(name: str) -> None:
    """Theta and the traces A1, A2 of Kenward & Roger (1997), page 987, by dense matrices."""
    fit = fitted(name)
    phi, adjusted, p, w = dense_kenward_roger(fit)
    rank = len(phi)
    q = min(rank, 2)
    rows = np.eye(rank)[-q:]
    theta = rows.T @ np.linalg.inv(rows @ phi @ rows.T) @ rows
    m = len(w)
    parts = [theta @ phi @ p[i] @ phi for i in range(m)]
    a1 = sum(w[i, j] * np.trace(parts[i]) * np.trace(parts[j]) for i in range(m) for j in range(m))
    a2 = sum(w[i, j] * np.trace(parts[i] @ parts[j]) for i in range(m) for j in range(m))
    b = (a1 + 6 * a2) / (2 * q)
    g = ((q + 1) * a1 - (q + 4) * a2) / ((q + 2) * a2)
    c = 3 * q + 2 * (1 - g)
    expectation = 1 / (1 - a2 / q)
    variance = 2 / q * (1 + g / c * b) / ((1 - (q - g) / c * b) ** 2 * (1 - (q + 2 - g) / c * b))
    rho = variance / (2 * expectation**2)
    df = 4 + (q + 2) / (q * rho - 1)
    scale = df / (expectation * (df - 2))
    estimate = rows @ fit.fit.beta
    f_value = scale * estimate @ np.linalg.solve(rows @ adjusted @ rows.T, estimate) / q
    ours = joint_test(approximation(fit.design, fit.fit, "kenward-roger"), fit.fit.beta, rows)
    assert ours.den_df == pytest.approx(df, rel=1e-5)
    assert ours.f_value == pytest.approx(f_value, rel=1e-6)


def test_integer_weights_are_a_model_with_scaled_rows() -> None:
    """Rows scaled by the square roots of the weights: an unweighted model with the same Kenward-Roger."""
    data = grouped()
    data["w"] = np.tile([1.0, 4.0, 9.0], 30)
    root = np.sqrt(data["w"])
    weighted = mw.lmer("y ~ x + (1 | g)", data, weights="w")
    scaled = data.assign(y=data["y"] * root, one=root, x=data["x"] * root)
    plain = mw.lmer("y ~ 0 + one + x + (0 + one | g)", scaled)
    ours, wanted = weighted.tidy(ddf="kenward-roger"), plain.tidy(ddf="kenward-roger")
    for column in ("estimate", "std_error", "df", "p_value"):
        np.testing.assert_allclose(ours[column], wanted[column], rtol=1e-6)


def test_components_of_nested_and_crossed_factors() -> None:
    nested = fitted("nested").design
    assert len(blocks.components(nested).counts) == 4
    crossed = fitted("independent").design
    assert len(blocks.components(crossed).counts) == 1


# ---- invariance


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger", "containment", "between-within"])
def test_df_do_not_depend_on_scale_or_order_of_rows(ddf: str) -> None:
    data = grouped()
    wanted = mw.lmer("y ~ x + arm + (x | g)", data).tidy(ddf=ddf)
    shuffled = data.sample(frac=1, random_state=3).assign(x=lambda d: d["x"] * 1e6, y=lambda d: d["y"] * 1e-3)
    ours = mw.lmer("y ~ x + arm + (x | g)", shuffled).tidy(ddf=ddf)
    np.testing.assert_allclose(ours["df"], wanted["df"], rtol=1e-5)
    np.testing.assert_allclose(ours["statistic"], wanted["statistic"], rtol=1e-6)


# ---- tails


def test_tails_and_quantiles_are_those_of_r() -> None:
    p = t_two_sided(np.array([2.5, 40, 30.45, 1e20]), np.array([1e7, 4000, 32.9, 3.3]))
    np.testing.assert_allclose(p, R["tails"]["t"], rtol=1e-9)
    assert f_upper(300.0, 3, 2000.5) == pytest.approx(R["tails"]["f"], rel=1e-10)
    df = np.array([1.5, 3.7, 33.3, 1e6])
    np.testing.assert_allclose(t_quantile(0.95, df), R["tails"]["q95"], rtol=1e-10)
    np.testing.assert_allclose(t_quantile(0.2, df), R["tails"]["q20"], rtol=1e-10)


def test_far_tails_follow_mills_ratio() -> None:
    """2 phi(t) / t (1 - 1/t^2 + 3/t^4 - ...) at t = 37: a p-value of about 1e-299 that is not zero."""
    t = 37.0
    series = 1 - 1 / t**2 + 3 / t**4 - 15 / t**6 + 105 / t**8
    log_p = np.log(2 / t * series) - t**2 / 2 - np.log(2 * np.pi) / 2
    p = t_two_sided(np.array([t]), np.array([np.inf]))[0]
    assert p > 0
    assert np.log(p) == pytest.approx(log_p, rel=1e-12)
    assert f_upper(t**2, 1, np.inf) == pytest.approx(p, rel=1e-10)


@pytest.mark.parametrize("df", [1.0, 2.7, 30.0, 1e5])
def test_quantiles_invert_tails(df: float) -> None:
    for level in (0.01, 0.5, 0.9, 0.95, 0.999999):
        q = t_quantile(level, np.array([df]))
        assert t_two_sided(q, np.array([df]))[0] == pytest.approx(1 - level, rel=1e-8)


# ---- what is refused


def test_kenward_roger_of_an_ml_fit_is_refused() -> None:
    fit = mw.lmer("y ~ x + (1 | g)", grouped(), reml=False)
    for ask in (
        lambda: fit.tidy(ddf="kenward-roger"),
        lambda: fit.summary(ddf="kenward-roger"),
        lambda: fit.anova(ddf="kenward-roger"),
        lambda: fit.test("x", ddf="kenward-roger"),
        lambda: fit.conf_int(ddf="kenward-roger"),
    ):
        with pytest.raises(mw.ModelError, match="reml=True"):
            ask()
    assert np.isfinite(fit.tidy()["df"]).all()


def test_unknown_methods_are_refused_with_those_that_exist() -> None:
    with pytest.raises(mw.MixwellError) as found:
        fitted("slopes").tidy(ddf="welch")
    assert all(repr(name) in str(found.value) for name in METHODS)


def test_crossed_factors_have_no_between_and_within() -> None:
    with pytest.raises(mw.ModelError, match="link all rows"):
        fitted("crossed").tidy(ddf="between-within")


def test_too_many_linked_columns_point_to_satterthwaite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kenward_roger, "LARGEST", 5)
    monkeypatch.setattr(strata, "LARGEST", 5)
    fit = fitted("independent")
    for ddf in ("kenward-roger", "containment"):
        with pytest.raises(mw.ModelError, match="satterthwaite"):
            fit.tidy(ddf=ddf)


@pytest.mark.parametrize("bad", [[[1.0, 2.0, 3.0]], [[np.nan, 1.0]], [[0.0, 0.0]]])
def test_contrasts_that_test_nothing_are_refused(bad: list[list[float]]) -> None:
    fit = fitted("slope only")
    method = approximation(fit.design, fit.fit, "satterthwaite")
    with pytest.raises(mw.ModelError):
        row_tests(method, fit.fit.beta, np.array(bad))


def test_a_variance_at_zero_leaves_finite_df() -> None:
    """Dyestuff2: with no variance between batches the fit is a mean of 30 independent rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff2())
    assert fit.df_denom.iloc[0] == pytest.approx(29, rel=1e-9)
