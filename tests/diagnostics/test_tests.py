"""Tests of assumptions: against R, against transparent computations, and on data made to violate one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from statsmodels.stats.diagnostic import acorr_ljungbox
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.stattools import durbin_watson

import mixwell as mw
from mixwell.data.columns import Factor
from mixwell.diagnostics import dependence, distribution
from mixwell.diagnostics.access import Diagnostics
from reference_cases import Case, cases, same_factor
from small_models import fitted, grouped

pytestmark = pytest.mark.filterwarnings("ignore::mixwell.SingularFitWarning")

REFERENCE = [case for name, case in cases().items() if name.startswith("diag_")]
WITH_PREDICTORS = [case for case in REFERENCE if "white" in case.results["diagnostics"]]


def fit_of(case: Case) -> mw.LmerResult:
    return mw.lmer(case.formula, case.frame, **case.arguments)


# ---- against R


@pytest.mark.parametrize("case", REFERENCE, ids=lambda case: case.id)
def test_shapiro_wilk_matches_r(case: Case) -> None:
    result, wanted = fit_of(case), case.results["diagnostics"]
    found = result.diagnostics.normality()
    assert found.statistic == pytest.approx(wanted["shapiro_resid"]["W"], abs=1e-7)
    assert found.p_value == pytest.approx(wanted["shapiro_resid"]["p"], rel=1e-5)
    by_name = {test.about: test for test in result.diagnostics.effect_normality()}
    for factor, effects in wanted["shapiro_ranef"].items():
        own = same_factor(factor, list(result.ngroups))
        for effect, numbers in effects.items():
            test = by_name[f"random effects {effect} of {own}"]
            assert test.statistic == pytest.approx(numbers["W"], abs=1e-7)
            assert test.p_value == pytest.approx(numbers["p"], rel=1e-5)


@pytest.mark.parametrize("case", WITH_PREDICTORS, ids=lambda case: case.id)
def test_white_and_breusch_pagan_match_r(case: Case) -> None:
    tests, wanted = fit_of(case).diagnostics, case.results["diagnostics"]
    for found, name in [
        (tests.breusch_pagan(), "breusch_pagan_koenker"),
        (tests.white("full"), "white"),
        (tests.white("fitted"), "white_fitted"),
    ]:
        assert found.statistic == pytest.approx(wanted[name]["LM"], rel=1e-7), name
        assert found.df == (wanted[name]["df"],), name
        assert found.p_value == pytest.approx(wanted[name]["p"], rel=1e-6), name


@pytest.mark.parametrize("case", REFERENCE, ids=lambda case: case.id)
def test_skewness_and_kurtosis_match_r(case: Case) -> None:
    result, wanted = fit_of(case), case.results["diagnostics"]
    found = distribution.shape(result.resid.to_numpy())
    assert found.skewness == pytest.approx(wanted["skewness"], abs=1e-7)
    assert found.kurtosis + 3 == pytest.approx(wanted["kurtosis"], rel=1e-7)


# ---- variance


def auxiliary(squares: np.ndarray, columns: np.ndarray) -> tuple[float, int]:
    """n R^2 and rank - 1 of a regression by least squares, constant included."""
    columns = columns[:, columns.any(axis=0)]
    x = np.column_stack([np.ones(len(squares)), columns / np.abs(columns).max(axis=0)])
    coefficients, *_ = np.linalg.lstsq(x, squares, rcond=None)
    explained = 1 - np.sum((squares - x @ coefficients) ** 2) / np.sum((squares - squares.mean()) ** 2)
    return len(squares) * explained, int(np.linalg.matrix_rank(x)) - 1


@pytest.mark.parametrize("name", ["slopes", "weights, offset", "crossed", "transforms"])
def test_white_is_its_auxiliary_regression(name: str) -> None:
    result = fitted(name)
    squares = result.residuals("pearson").to_numpy() ** 2
    x = result.design.x[:, 1:]
    products = [x[:, i] * x[:, j] for i in range(x.shape[1]) for j in range(i, x.shape[1])]
    statistic, df = auxiliary(squares, np.column_stack([x, *products]))
    found = result.diagnostics.white("full")
    assert found.statistic == pytest.approx(statistic, rel=1e-8)
    assert found.df == (df,)
    assert found.p_value == pytest.approx(scipy.stats.chi2.sf(statistic, df), rel=1e-8)


def test_aliased_columns_change_no_variance_test() -> None:
    frame = grouped().assign(twice=lambda d: 2 * d["x"] + 1)
    with pytest.warns(mw.RankDeficiencyWarning):
        aliased = mw.lmer("y ~ x + twice + arm + (1 | g)", frame).diagnostics
    plain = mw.lmer("y ~ x + arm + (1 | g)", frame).diagnostics
    for one, other in [(aliased.breusch_pagan(), plain.breusch_pagan()), (aliased.white(), plain.white())]:
        assert one.statistic == pytest.approx(other.statistic, rel=1e-8)
        assert one.df == other.df


def test_variance_tests_do_not_depend_on_units_or_origin() -> None:
    frame = grouped()
    plain = mw.lmer("y ~ x + arm + (1 | g)", frame).diagnostics.white("full")
    year = frame.assign(x=2000 + frame["x"], y=1e6 * frame["y"])
    moved = mw.lmer("y ~ x + arm + (1 | g)", year).diagnostics.white("full")
    assert moved.df == plain.df
    assert moved.statistic == pytest.approx(plain.statistic, rel=1e-5)


def test_unequal_variance_is_found() -> None:
    rng = np.random.default_rng(4)
    g, x = np.repeat(np.arange(30), 10), rng.uniform(0, 3, 300)
    y = x + rng.normal(size=30)[g] + np.exp(x - 2) * rng.normal(size=300)
    tests = mw.lmer("y ~ x + (1 | g)", {"y": y, "x": x, "g": g}).diagnostics
    assert tests.white().p_value < 1e-6
    assert tests.breusch_pagan().p_value < 1e-6
    assert "changes" in tests.white().meaning


@pytest.mark.parametrize("by", ["g", "h", "arm"])
def test_brown_forsythe_is_scipys(by: str) -> None:
    result = fitted("crossed")
    residuals = result.resid.to_numpy()
    label = grouped()[by].to_numpy()
    wanted = scipy.stats.levene(*(residuals[label == v] for v in np.unique(label)), center="median")
    found = result.diagnostics.levene(by)
    assert found.statistic == pytest.approx(wanted.statistic, rel=1e-10)
    assert found.p_value == pytest.approx(wanted.pvalue, rel=1e-9)


def test_what_cannot_be_tested_is_said() -> None:
    tests = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff()).diagnostics
    for method in (tests.breusch_pagan, tests.reset, tests.within_between):
        with pytest.raises(mw.ModelError):
            method()
    assert tests.curvature() == ()
    assert tests.omitted_slopes() == ()
    with pytest.raises(mw.DataError, match=r"'Batch'"):
        tests.levene("batch")
    with pytest.raises(mw.ModelError, match="mean for every combination"):
        mw.lmer("y ~ arm + (1 | g)", grouped()).diagnostics.reset()


# ---- distribution


def test_shapiro_wilk_is_replaced_for_many_rows_and_it_is_said() -> None:
    values = np.random.default_rng(1).gamma(4.0, size=5001)
    found = distribution.normality(values, "values")
    assert found.statistic == pytest.approx(scipy.stats.normaltest(values).statistic, rel=1e-12)
    assert "Shapiro-Wilk is not used for n > 5000" in found.caveat
    assert distribution.normality(values[:5000], "values").symbol == "W"
    anderson = distribution.normality(values, "values", method="anderson")
    assert anderson.symbol == "A2"
    assert anderson.p_value < 1e-6
    with pytest.raises(mw.ModelError, match="20 different values; there are 4"):
        distribution.normality(values[:4], "values", method="dagostino")


def test_adjusted_p_values_are_statsmodels() -> None:
    p = np.random.default_rng(2).uniform(size=40) ** 4
    for method in ("holm", "bonferroni"):
        np.testing.assert_allclose(distribution.adjust(p, method), multipletests(p, method=method)[1])


def test_planted_outliers_are_found() -> None:
    frame = grouped()
    frame.loc["row 33", "y"] += 40
    result = mw.lmer("y ~ x + arm + (1 | g)", frame)
    found = result.diagnostics.outliers()
    assert found.labels == ("row 33",)
    studentized = result.residuals("studentized")
    assert found.statistic[0] == studentized["row 33"]
    df = len(frame) - len(result.params) - 1
    raw = 2 * scipy.stats.t.sf(abs(studentized["row 33"]), df)
    assert found.test.p_value == pytest.approx(len(frame) * raw, rel=1e-9)
    assert result.diagnostics.outliers(method="bonferroni").labels == ("row 33",)
    assert found.frame()["label"].tolist() == ["row 33"]


def test_distance_of_groups_is_that_of_their_modes() -> None:
    result = fitted("slopes")
    modes = result.random_effects["g"].to_numpy()
    # Var(b-hat) = Sigma Z'PZ Sigma, by dense matrices: the fixed effects are estimated, too.
    x, codes = result.design.x, result.design.factors[0].codes
    z = np.zeros((len(x), len(modes), 2))
    z[np.arange(len(x)), codes] = np.column_stack(result.design.terms[0].columns)
    sigma = result.cov_re["g"].to_numpy()
    v = np.einsum("iqa,ab,jqb->ij", z, sigma, z) + result.sigma**2 * np.eye(len(x))
    inverse = np.linalg.inv(v)
    p = inverse - inverse @ x @ np.linalg.solve(x.T @ inverse @ x, x.T @ inverse)
    spread = sigma @ np.einsum("iqa,ij,jqb->qab", z, p, z) @ sigma
    distance = np.einsum("qi,qij,qj->q", modes, np.linalg.inv(spread), modes)
    found = result.diagnostics.outlying_groups("g", alpha=1)
    order = np.argsort(-distance)
    np.testing.assert_allclose(found.statistic, distance[order], rtol=1e-6)
    np.testing.assert_allclose(
        found.p_adjusted, multipletests(scipy.stats.chi2.sf(distance[order], 2), method="holm")[1], rtol=1e-6
    )


def test_quantile_residuals_are_probabilities_of_the_fitted_distribution() -> None:
    result = fitted("slopes")
    found = result.diagnostics.quantile_residuals(n=2000, seed=3)
    z = result.random_effects["g"], result.cov_re["g"].to_numpy()
    x = grouped()["x"].to_numpy()
    effects = np.column_stack([np.ones_like(x), x])
    sd = np.sqrt(np.einsum("ni,ij,nj->n", effects, z[1], effects) + result.sigma**2)
    exact = scipy.stats.norm.cdf(result.residuals("marginal").to_numpy() / sd)
    # Standard error of a proportion of 2000 is at most 0.011.
    np.testing.assert_allclose(found.values, exact, rtol=0, atol=0.05)
    again = result.diagnostics.quantile_residuals(n=2000, seed=3)
    np.testing.assert_array_equal(found.values, again.values)


def test_simulation_finds_a_wrong_distribution() -> None:
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(40), 10)
    y = 0.3 * rng.normal(size=40)[g] + rng.exponential(size=400) ** 2
    found = mw.lmer("y ~ 1 + (1 | g)", {"y": y, "g": g}).diagnostics.quantile_residuals(n=200)
    assert found.test.p_value < 0.01


# ---- dependence


def with_one_series(result: mw.LmerResult) -> Diagnostics:
    """The same fit with a categorical variable of one level."""
    everything = Factor("all", np.zeros(result.nobs, dtype=np.int32), np.array(["all"], dtype=object), None)
    design = replace(result.design, variables={**result.design.variables, "all": everything})
    return Diagnostics(design, result.fit, result.diagnostics.origin)


def test_one_series_is_statsmodels() -> None:
    result = fitted("slopes")
    tests = with_one_series(result)
    residuals = result.resid.to_numpy()
    wanted = acorr_ljungbox(residuals, lags=5)
    found = tests.ljung_box("all", lags=5, kind="response")
    assert found.statistic == pytest.approx(wanted["lb_stat"].iloc[-1], rel=1e-10)
    assert found.p_value == pytest.approx(wanted["lb_pvalue"].iloc[-1], rel=1e-9)
    centred = residuals - residuals.mean()
    assert tests.durbin_watson("all", kind="response").statistic == pytest.approx(
        durbin_watson(centred), rel=1e-10
    )


def test_autocorrelation_never_crosses_groups() -> None:
    result, frame = fitted("slopes"), grouped()
    found = result.diagnostics.autocorrelation("g", lags=3)
    e = result.residuals("whitened")
    e = e - e.mean()
    for k in (1, 2, 3):
        products = [e[frame["g"] == level].to_numpy() for level in frame["g"].unique()]
        total = sum(float(np.sum(own[k:] * own[:-k])) for own in products)
        pairs = sum(max(len(own) - k, 0) for own in products)
        assert found.values[k - 1] == pytest.approx(total / pairs / float(np.mean(e**2)), rel=1e-10)
        assert found.pairs[k - 1] == pairs


def test_order_of_a_variable_is_that_of_sorted_data() -> None:
    frame = grouped()
    ordered = frame.sort_values("x", kind="stable")
    result = mw.lmer("y ~ x + (x | g)", frame)
    wanted = mw.lmer("y ~ x + (x | g)", ordered).diagnostics.ljung_box("g")
    found = result.diagnostics.ljung_box("g", order="x")
    assert found.statistic == pytest.approx(wanted.statistic, rel=1e-6)
    assert result.diagnostics.ljung_box("g").statistic != pytest.approx(wanted.statistic, rel=1e-3)
    with pytest.raises(mw.DataError, match="order='time'"):
        result.diagnostics.ljung_box("g", order="time")


def simulated_series(seed: int, rho: float) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g, t = np.repeat(np.arange(20), 8), np.tile(np.arange(8.0), 20)
    e = np.empty((20, 8))
    e[:, 0] = rng.normal(size=20)
    for j in range(1, 8):
        e[:, j] = rho * e[:, j - 1] + np.sqrt(1 - rho**2) * rng.normal(size=20)
    return pd.DataFrame({"y": t + rng.normal(size=20)[g] + e.ravel(), "t": t, "g": g})


def test_ljung_box_on_whitened_residuals_keeps_its_level_and_finds_ar1() -> None:
    def p_value(seed: int, rho: float) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mw.SingularFitWarning)
            fit = mw.lmer("y ~ t + (1 | g)", simulated_series(seed, rho))
        return fit.diagnostics.ljung_box("g", lags=3).p_value

    false = np.mean([p_value(seed, 0.0) < 0.05 for seed in range(300)])
    # Binomial: 0.05 +- 3 x 0.0126.
    assert 0.012 < false < 0.088
    found = np.mean([p_value(seed, 0.6) < 0.05 for seed in range(30)])
    assert found > 0.8


def test_conditional_residuals_carry_a_warning() -> None:
    found = fitted("slopes").diagnostics.ljung_box("g", kind="pearson")
    assert "correlated within groups even if the model is true" in found.caveat
    autocorrelation = dependence.autocorrelation(fitted("slopes").design, fitted("slopes").fit, by="g")
    assert autocorrelation.kind == "whitened"


# ---- mean


def test_reset_is_the_joint_test_of_added_powers() -> None:
    frame, result = grouped(), fitted("slopes")
    mean = result.design.x @ result.params.to_numpy()
    z = (mean - mean.mean()) / mean.std()
    wider = mw.lmer("y ~ x + arm + p2 + p3 + (x | g)", frame.assign(p2=z**2, p3=z**3))
    wanted = wider.test(["p2 = 0", "p3 = 0"], joint=True).iloc[0]
    found = result.diagnostics.reset()
    assert found.statistic == pytest.approx(wanted["f_value"], rel=1e-5)
    assert found.df == pytest.approx((wanted["num_df"], wanted["den_df"]), rel=1e-3)
    assert found.p_value == pytest.approx(wanted["p_value"], rel=1e-4)


def test_curvature_is_the_test_of_the_square() -> None:
    frame, result = grouped(), fitted("slopes")
    z = (frame["x"] - frame["x"].mean()) / frame["x"].std(ddof=0)
    wanted = mw.lmer("y ~ x + arm + q + (x | g)", frame.assign(q=z**2)).tidy().set_index("term").loc["q"]
    (found,) = result.diagnostics.curvature()
    assert found.about == "x"
    assert found.statistic == pytest.approx(wanted["statistic"], rel=1e-5, abs=1e-6)
    assert found.p_value == pytest.approx(wanted["p_value"], rel=1e-4)
    bent = mw.lmer("y ~ x + (1 | g)", frame.assign(y=frame["y"] + 0.5 * frame["x"] ** 2)).diagnostics
    assert bent.curvature()[0].p_value < 1e-6
    assert bent.reset().p_value < 1e-6


def test_within_between_is_the_test_of_group_means() -> None:
    frame = grouped().drop(columns="y")
    rng = np.random.default_rng(5)
    level = frame["g"].map({name: 2.0 * i for i, name in enumerate("abcdefgh")})
    frame["x"] = frame["x"] + level
    frame["y"] = frame["x"] - 1.5 * level + rng.normal(size=len(frame))
    result = mw.lmer("y ~ x + (1 | g)", frame)
    found = result.diagnostics.within_between("g")
    means = frame.groupby("g")["x"].transform("mean")
    wider = mw.lmer("y ~ x + m + (1 | g)", frame.assign(m=means))
    wanted = wider.test("m = 0", joint=True).iloc[0]
    assert found.statistic == pytest.approx(wanted["f_value"], rel=1e-5)
    assert found.p_value == pytest.approx(wanted["p_value"], rel=1e-3)
    assert found.p_value < 1e-4


def test_omitted_slope_is_the_likelihood_ratio_of_the_wider_model() -> None:
    frame = grouped()
    narrow, wide = mw.lmer("y ~ x + arm + (1 | g)", frame), mw.lmer("y ~ x + arm + (x | g)", frame)
    (found,) = narrow.diagnostics.omitted_slopes()
    ratio = narrow.criterion - wide.criterion
    assert (found.predictor, found.group) == ("x", "g")
    assert found.test.statistic == pytest.approx(ratio, abs=1e-6)
    wanted = (scipy.stats.chi2.sf(ratio, 1) + scipy.stats.chi2.sf(ratio, 2)) / 2
    assert found.test.p_value == pytest.approx(wanted, rel=1e-5)
    assert found.sd == pytest.approx(np.sqrt(wide.cov_re["g"].iloc[1, 1]), rel=1e-4)
    assert fitted("slopes").diagnostics.omitted_slopes() == ()


# ---- text


def test_text_of_every_test_is_complete_and_fits_the_page() -> None:
    tests = fitted("crossed").diagnostics
    found = [
        tests.normality(),
        *tests.effect_normality(),
        tests.breusch_pagan(),
        tests.white(),
        tests.levene("g"),
        tests.ljung_box(),
        tests.durbin_watson(),
        tests.reset(),
        *tests.curvature(),
        tests.within_between(),
        *(slope.test for slope in tests.omitted_slopes()),
        tests.outliers().test,
        tests.outlying_groups().test,
        tests.quantile_residuals(n=50).test,
    ]
    for test in found:
        assert max(map(len, str(test).splitlines())) <= 79
        assert not {"nan", "None", "inf"} & set(str(test).replace("=", " ").split())
        assert 0 <= test.p_value <= 1
        assert test.meaning.endswith(".")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda tests: tests.normality("ks"), "method='ks'; there are 'shapiro'"),
        (lambda tests: tests.effect_normality("ks"), "method='ks'"),
        (lambda tests: tests.white("half"), "form='half'; there are 'full', 'mean', 'fitted'"),
        (lambda tests: tests.levene("x"), "by='x' is no grouping factor"),
        (lambda tests: tests.levene(3), "by=3 is no grouping factor"),
        (lambda tests: tests.ljung_box("G"), "did you mean 'g'"),
        (lambda tests: tests.ljung_box(lags=99), "lags is 1 to"),
        (lambda tests: tests.ljung_box(lags=2.5), "lags is 1 to"),
        (lambda tests: tests.ljung_box(kind="raw"), "no kind='raw'"),
        (lambda tests: tests.durbin_watson(order="g"), "order='g' is not a numeric variable"),
        (lambda tests: tests.reset(powers=()), "whole numbers of at least 2"),
        (lambda tests: tests.reset(powers=(1, 2)), "whole numbers of at least 2"),
        (lambda tests: tests.reset(powers=(2.5,)), "whole numbers of at least 2"),
        (lambda tests: tests.within_between("G"), "did you mean 'g'"),
        (lambda tests: tests.outliers(method="none"), "method='none'; there are 'holm', 'bonferroni'"),
        (lambda tests: tests.outliers(alpha=5), "at most 1"),
        (lambda tests: tests.outlying_groups("h"), "'h' is not a grouping factor"),
        (lambda tests: tests.outlying_groups(alpha=0), "at most 1"),
        (lambda tests: tests.quantile_residuals(n=0), "positive whole number"),
    ],
)
def test_refusals(call: Callable[[Diagnostics], object], message: str) -> None:
    with pytest.raises(mw.MixwellError, match=message):
        call(fitted("slopes").diagnostics)
