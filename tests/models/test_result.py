"""The result object: every name of the contract, by identities and against the dense oracle."""

from __future__ import annotations

import copy
import pickle
import warnings
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import mixwell as mw
import oracle
from mixwell.fit import quantities
from small_models import FITS, fitted, grouped

NAMES = list(FITS)

pytestmark = pytest.mark.filterwarnings("ignore::mixwell.SingularFitWarning")


@pytest.mark.parametrize("name", NAMES)
def test_fit_is_what_the_dense_model_gives_at_its_theta(name: str) -> None:
    result = fitted(name)
    design = result.design
    at = oracle.evaluate(design, result.theta.to_numpy(), reml=result.reml)
    assert result.criterion == pytest.approx(at.criterion, rel=1e-10)
    assert result.sigma == pytest.approx(at.sigma, rel=1e-9)
    np.testing.assert_allclose(result.params, at.beta, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(result.cov_params(), at.vcov, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(result.fittedvalues, at.fitted, rtol=1e-8, atol=1e-8)
    for i, factor in enumerate(design.factors):
        np.testing.assert_allclose(result.random_effects[factor.name], at.modes[i], rtol=1e-7, atol=1e-8)
        np.testing.assert_allclose(
            np.asarray(result.random_effects_cov[factor.name]), at.mode_cov[i], rtol=1e-6, atol=1e-8
        )


@pytest.mark.parametrize("name", ["slopes", "weights, offset", "crossed", "nested"])
def test_standardized_residuals_divide_by_their_standard_deviation(name: str) -> None:
    result = fitted(name)
    design = result.design
    at = oracle.evaluate(design, result.theta.to_numpy(), reml=result.reml)
    weights = 1 if design.weights is None else design.weights
    wanted = np.sqrt(weights) * (design.y - at.fitted) / (at.sigma * np.sqrt(1 - at.leverages))
    np.testing.assert_allclose(result.residuals("standardized"), wanted, rtol=1e-7, atol=1e-9)


def test_residual_kinds() -> None:
    result, data = fitted("weights, offset"), grouped()
    response = data["y"] - result.fittedvalues
    pd.testing.assert_series_equal(result.resid, response, check_names=False)
    pd.testing.assert_series_equal(
        result.residuals("pearson"), np.sqrt(data["w"]) * response, check_names=False
    )
    pd.testing.assert_series_equal(
        result.residuals("scaled"), np.sqrt(data["w"]) * response / result.sigma, check_names=False
    )
    mean = result.params["(Intercept)"] + result.params["x"] * data["x"] + data["o"]
    pd.testing.assert_series_equal(result.residuals("marginal"), data["y"] - mean, check_names=False)
    with pytest.raises(mw.MixwellError, match=r"'devians'.*'response', 'pearson'"):
        result.residuals("devians")


def test_names_and_labels() -> None:
    result = fitted("slopes")
    assert list(result.params.index) == ["(Intercept)", "x", "arm[mid]", "arm[high]"]
    for vector in (result.bse, result.tvalues):
        assert list(vector.index) == list(result.params.index)
    assert list(result.cov_params().columns) == list(result.cov_params().index) == list(result.params.index)
    assert result.nobs == 90
    assert result.ngroups == {"g": 8}
    assert list(result.theta.index) == ["g.(Intercept)", "g.x.(Intercept)", "g.x"]
    effects = result.random_effects["g"]
    assert list(effects.index) == list("abcdefgh")
    assert effects.index.name == "g"
    assert list(effects.columns) == ["(Intercept)", "x"]
    assert result.formula == "y ~ x + arm + (x | g)"
    assert result.reml is True


def test_standard_errors_and_t_values_follow_from_the_covariance() -> None:
    result = fitted("slopes")
    np.testing.assert_allclose(result.bse, np.sqrt(np.diag(result.cov_params())), rtol=1e-15)
    np.testing.assert_allclose(result.tvalues, result.params / result.bse, rtol=1e-15)


def test_wald_interval_without_degrees_of_freedom_is_the_normal_one() -> None:
    result = fitted("slopes")
    interval = result.conf_int(ddf="normal")
    assert list(interval.columns) == ["conf_low", "conf_high"]
    # The 97.5 % point of the standard normal distribution.
    np.testing.assert_allclose(
        interval["conf_high"], result.params + 1.959963984540054 * result.bse, rtol=1e-13
    )
    np.testing.assert_allclose(
        interval["conf_low"], result.params - 1.959963984540054 * result.bse, rtol=1e-13
    )
    narrow = result.conf_int(level=0.5, ddf="normal")
    assert ((narrow["conf_high"] - narrow["conf_low"]) < (interval["conf_high"] - interval["conf_low"])).all()


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, float("nan")])
def test_level_outside_0_1_is_refused(level: float) -> None:
    with pytest.raises(mw.MixwellError, match="between 0 and 1"):
        fitted("slopes").conf_int(level=level)


def test_what_does_not_exist_is_refused_with_what_does() -> None:
    result = fitted("slopes")
    with pytest.raises(mw.MixwellError, match="'wald'"):
        result.conf_int(method="wild")
    with pytest.raises(mw.MixwellError, match="'fixed', 'ran_pars', 'ran_vals'"):
        result.tidy("random")
    with pytest.raises(mw.MixwellError, match="conf_int=False"):
        result.tidy("ran_pars", conf_int=True)


def test_information_criteria() -> None:
    result = fitted("crossed")
    k = 6 + 2 + 1
    assert result.llf == pytest.approx(-result.criterion / 2, rel=1e-15)
    assert result.aic == pytest.approx(-2 * result.llf + 2 * k, rel=1e-14)
    assert result.bic == pytest.approx(-2 * result.llf + k * np.log(90), rel=1e-14)
    assert result.aicc == pytest.approx(result.aic + 2 * k * (k + 1) / (90 - k - 1), rel=1e-14)


def test_aicc_is_infinite_where_rows_do_not_suffice() -> None:
    design, fit = fitted("slopes").design, fitted("slopes").fit
    # k = 4 + 3 + 1: nine rows leave nothing.
    few = replace(design, y=design.y[:9])
    assert quantities.aicc(few, fit) == np.inf
    assert np.isfinite(quantities.aicc(replace(design, y=design.y[:10]), fit))


def test_variance_components_list_each_term_and_the_residual() -> None:
    frame = fitted("slopes").variance_components
    covariance = fitted("slopes").cov_re["g"]
    assert list(frame.columns) == ["group", "term1", "term2", "vcov", "sdcor"]
    assert frame["group"].tolist() == ["g", "g", "g", "Residual"]
    assert frame["term1"].tolist()[:3] == ["(Intercept)", "x", "(Intercept)"]
    assert frame["term2"].isna().tolist() == [True, True, False, True]
    sds = np.sqrt(np.diag(covariance))
    c = covariance.loc["(Intercept)", "x"]
    wanted = [covariance.iloc[0, 0], covariance.iloc[1, 1], c, fitted("slopes").sigma ** 2]
    np.testing.assert_allclose(frame["vcov"], wanted, rtol=1e-14)
    np.testing.assert_allclose(frame["sdcor"], [*sds, c / sds.prod(), fitted("slopes").sigma], rtol=1e-12)


def test_several_terms_of_a_factor_are_blocks_of_its_covariance() -> None:
    result = fitted("independent")
    covariance = result.cov_re["g"]
    assert list(covariance.index) == list(covariance.columns) == ["(Intercept)", "x"]
    assert covariance.loc["x", "(Intercept)"] == 0
    components = result.variance_components
    assert components["group"].tolist() == ["g", "g", "h", "Residual"]
    np.testing.assert_allclose(np.diag(covariance), components["vcov"][:2], rtol=1e-15)
    # The conditional covariance of independent effects is not diagonal: they share their data.
    assert result.random_effects_cov["g"]["a"].loc["x", "(Intercept)"] != 0


def test_covariance_is_sigma_squared_t_t() -> None:
    result = fitted("slopes")
    (t,) = quantities.relative_factors(result.design, result.fit)
    assert t[0, 1] == 0
    np.testing.assert_allclose(result.cov_re["g"], result.sigma**2 * t @ t.T, rtol=1e-10)


def test_coef_adds_fixed_effects_and_modes() -> None:
    result = fitted("slopes")
    coef, effects, fixed = result.coef["g"], result.random_effects["g"], result.params
    assert list(coef.columns) == list(fixed.index)
    np.testing.assert_allclose(coef["x"], fixed["x"] + effects["x"], rtol=1e-15)
    np.testing.assert_allclose(coef["arm[mid]"], fixed["arm[mid]"], rtol=1e-15)
    # A random slope without a fixed one has mean zero.
    without = mw.lmer("y ~ 1 + (x | g)", grouped())
    coef = without.coef["g"]
    assert set(coef.columns) == {"(Intercept)", "x"}
    np.testing.assert_allclose(coef["x"], without.random_effects["g"]["x"], rtol=1e-15)


def test_repeated_effects_get_numbers() -> None:
    assert quantities.unique_names(("a", "b", "a", "a", "a.1")) == ("a", "b", "a.1", "a.2", "a.1.1")


def test_level_covariances_by_label_by_position_and_whole() -> None:
    cov = fitted("slopes").random_effects_cov["g"]
    assert list(cov) == list("abcdefgh")
    assert len(cov) == 8
    np.testing.assert_array_equal(cov["b"], cov.array[1])
    np.testing.assert_array_equal(cov[1], cov.array[1])
    assert list(cov["b"].columns) == ["(Intercept)", "x"]
    with pytest.raises(KeyError):
        cov["nobody"]


def test_tidy_frames() -> None:
    result = fitted("slopes")
    fixed = result.tidy()
    assert list(fixed.columns) == ["term", "estimate", "std_error", "df", "statistic", "p_value"]
    assert list(result.tidy(conf_int=True).columns)[6:] == ["conf_low", "conf_high"]
    np.testing.assert_array_equal(fixed["estimate"], result.params)
    parameters = result.tidy("ran_pars")
    assert parameters["term"].tolist() == [
        "sd__(Intercept)",
        "sd__x",
        "cor__(Intercept).x",
        "sd__Observation",
    ]
    np.testing.assert_array_equal(parameters["estimate"], result.variance_components["sdcor"])
    modes = result.tidy("ran_vals", conf_int=True)
    assert list(modes.columns) == ["group", "level", "term", "estimate", "std_error", "conf_low", "conf_high"]
    assert len(modes) == 16
    row = modes[(modes["level"] == "c") & (modes["term"] == "x")].iloc[0]
    assert row["estimate"] == result.random_effects["g"].loc["c", "x"]
    assert row["std_error"] == pytest.approx(np.sqrt(result.random_effects_cov["g"]["c"].loc["x", "x"]))


def test_glance_is_one_row() -> None:
    glance = fitted("crossed").glance()
    assert len(glance) == 1
    row = glance.iloc[0]
    assert row["nobs"] == 90
    assert row["n_parameters"] == 9
    assert not row["reml"]
    assert row["converged"]
    assert row["aic"] == fitted("crossed").aic


def test_augment_puts_the_parts_beside_the_data() -> None:
    result, data = fitted("weights, offset"), grouped()
    rows = result.augment()
    assert rows.index.equals(data.index)
    pd.testing.assert_series_equal(rows["y"], data["y"])
    np.testing.assert_array_equal(rows["g"], data["g"])
    np.testing.assert_allclose(rows["fitted"] + rows["resid"], data["y"], rtol=1e-12)
    np.testing.assert_allclose(
        rows["fixed"], result.params["(Intercept)"] + result.params["x"] * data["x"] + data["o"], rtol=1e-12
    )


def test_augment_does_not_overwrite_a_variable() -> None:
    data = grouped().rename(columns={"x": "fitted"})
    with pytest.raises(mw.DataError, match="'fitted'"):
        mw.lmer("y ~ fitted + (1 | g)", data).augment()


def test_dropped_rows_keep_the_labels_of_the_others() -> None:
    data = grouped()
    data.loc["row 3", "y"] = np.nan
    data.loc["row 7", "g"] = None
    result = mw.lmer("y ~ x + (1 | g)", data)
    wanted = data.index.drop(["row 3", "row 7"])
    for rows in (
        result.fittedvalues,
        result.resid,
        result.predict(),
        result.simulate(1, seed=1),
        result.augment(),
    ):
        assert rows.index.equals(wanted)
    without_labels = mw.lmer("y ~ x + (1 | g)", data.to_dict("list"))
    assert list(without_labels.resid.index) == [i for i in range(90) if i not in (3, 7)]


def test_polars_in_polars_out() -> None:
    data = grouped()
    ours = mw.lmer("y ~ x + arm + (x | g)", pl.from_pandas(data))
    wanted = mw.lmer("y ~ x + arm + (x | g)", data.astype({"arm": str}))
    for rows in (ours.fittedvalues, ours.resid, ours.predict()):
        assert isinstance(rows, pl.Series)
    frames = {
        "variance_components": ours.variance_components,
        "tidy": ours.tidy(),
        "ran_vals": ours.tidy("ran_vals"),
        "ran_pars": ours.tidy("ran_pars"),
        "glance": ours.glance(),
        "augment": ours.augment(),
        "simulate": ours.simulate(2, seed=1),
        "random_effects": ours.random_effects["g"],
        "cov_re": ours.cov_re["g"],
        "coef": ours.coef["g"],
        "cov_params": ours.cov_params(),
        "conf_int": ours.conf_int(),
        "random_effects_cov": ours.random_effects_cov["g"]["a"],
    }
    assert {type(frame) for frame in frames.values()} == {pl.DataFrame}
    assert isinstance(ours.params, pd.Series)
    assert ours.random_effects["g"].columns == ["g", "(Intercept)", "x"]
    assert ours.cov_re["g"].columns == ["term", "(Intercept)", "x"]
    assert ours.conf_int()["term"].to_list() == list(ours.params.index)
    assert ours.params["x"] == pytest.approx(wanted.params["x"], rel=1e-8)


@pytest.mark.parametrize("kind", ["dict", "pyarrow"])
def test_other_data_give_pandas(kind: str) -> None:
    data = grouped().astype({"arm": str}).reset_index(drop=True)
    given = data.to_dict("list") if kind == "dict" else pa.Table.from_pandas(data)
    result = mw.lmer("y ~ x + (x | g)", given)
    assert isinstance(result.tidy(), pd.DataFrame)
    assert isinstance(result.resid, pd.Series)
    assert isinstance(result.predict(given), pd.Series)
    np.testing.assert_allclose(result.params, mw.lmer("y ~ x + (x | g)", data).params, rtol=1e-10)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda r: pickle.loads(pickle.dumps(r))])
@pytest.mark.parametrize("name", ["transforms", "nested", "weights, offset"])
def test_results_copy_and_pickle(name: str, duplicate: object) -> None:
    result, data = fitted(name), grouped()
    other = duplicate(result)
    assert str(other.summary()) == str(result.summary())
    pd.testing.assert_frame_equal(other.augment(), result.augment())
    pd.testing.assert_series_equal(other.predict(data[:5]), result.predict(data[:5]))
    pd.testing.assert_frame_equal(other.simulate(2, seed=5), result.simulate(2, seed=5))
    assert other.refit(data["y"]).criterion == pytest.approx(result.criterion, rel=1e-12)


def test_results_do_not_change() -> None:
    result = fitted("slopes")
    with pytest.raises(FrozenInstanceError):
        result.fit = None
    for read in (
        lambda: result.params,
        lambda: result.fittedvalues,
        lambda: result.predict(),
        lambda: result.random_effects["g"],
        lambda: result.cov_params(),
        lambda: result.cov_re["g"],
        lambda: result.augment()[["y", "x", "resid"]],
    ):
        mine = read()
        before = mine.to_numpy().copy()
        mine.iloc[:] = 0
        np.testing.assert_array_equal(read(), before)
    array = np.asarray(result.random_effects_cov["g"])
    array[:] = 0
    assert (result.random_effects_cov["g"].array != 0).all()


def test_dropped_columns_are_named_and_left_out() -> None:
    data = grouped().assign(twice=lambda d: 2 * d["x"])
    with pytest.warns(mw.RankDeficiencyWarning, match="twice"):
        result = mw.lmer("y ~ x + twice + (1 | g)", data)
    plain = mw.lmer("y ~ x + (1 | g)", data)
    assert list(result.params.index) == ["(Intercept)", "x"]
    np.testing.assert_allclose(result.params, plain.params, rtol=1e-9)
    np.testing.assert_allclose(result.predict(data[:4]), plain.predict(data[:4]), rtol=1e-9)
    assert "twice" in str(result.summary())


def test_singular_fit_warns_and_names_the_term() -> None:
    with pytest.warns(mw.SingularFitWarning, match=r"variance of the intercept in \(1 \| Batch\) is zero"):
        result = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff2())
    assert result.convergence.is_singular
    assert result.convergence.converged
    assert "(1 | Batch)" in result.convergence.explain()


def test_regular_fits_do_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy()).summary()


def test_failed_certificate_warns() -> None:
    data = mw.datasets.load_sleepstudy()
    with pytest.warns(mw.ConvergenceWarning, match="did not converge"):
        result = mw.lmer("Reaction ~ Days + (Days | Subject)", data, control=mw.Control(max_evaluations=1))
    assert not result.convergence.converged
    assert "NOT CONVERGED" in str(result.summary())
    assert "must not be relied on" in result.convergence.explain()
    assert not result.glance()["converged"][0]


def test_convergence_keeps_the_trace() -> None:
    convergence = fitted("slopes").convergence
    assert convergence.converged
    assert convergence.gap < 1e-8
    assert not convergence.is_singular
    trace = convergence.trace
    assert len(trace.criterion) == len(trace.theta) == len(trace.step)
    assert convergence.starts == len(trace.searches)
    assert convergence.evaluations <= len(trace.criterion)
    assert min(trace.criterion) == pytest.approx(fitted("slopes").criterion, abs=1e-8)


def test_start_is_used_and_checked() -> None:
    best = fitted("slopes")
    again = mw.lmer("y ~ x + arm + (x | g)", grouped(), start=best.theta)
    assert again.criterion == pytest.approx(best.criterion, abs=1e-9)
    assert again.convergence.evaluations <= best.convergence.evaluations
    with pytest.raises(mw.DataError, match="3"):
        mw.lmer("y ~ x + arm + (x | g)", grouped(), start=[1.0])
    with pytest.raises(mw.DataError, match="start must be numbers"):
        mw.lmer("y ~ x + arm + (x | g)", grouped(), start=["one"] * 3)
