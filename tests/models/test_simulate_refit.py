"""Simulated responses have the model's mean and covariance; refitting is fitting."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixwell as mw
import oracle
from mixwell.fit import quantities
from small_models import fitted, grouped

pytestmark = pytest.mark.filterwarnings("ignore::mixwell.SingularFitWarning")


@pytest.mark.parametrize("name", ["slopes", "weights, offset", "independent"])
def test_draws_have_the_mean_and_covariance_of_the_model(name: str) -> None:
    result = fitted(name)
    n = 4000
    draws = result.simulate(n, seed=7).to_numpy().T
    at = oracle.evaluate(result.design, result.theta.to_numpy(), reml=result.reml)
    covariance = at.sigma**2 * at.v
    variance = np.diag(covariance)
    z = (draws.mean(axis=0) - quantities.linear_predictor(result.design, result.fit)) / np.sqrt(variance / n)
    assert np.abs(z).max() < 5
    # Var of a sample covariance of normals: (v_ii v_jj + v_ij^2) / n.
    error = np.cov(draws.T) - covariance
    z = error / np.sqrt((np.outer(variance, variance) + covariance**2) / n)
    assert np.abs(z).max() < 5.5
    assert np.sqrt((z**2).mean()) == pytest.approx(1, abs=0.35)


def test_seed_fixes_the_draws_whatever_their_number() -> None:
    result = fitted("slopes")
    three, one = result.simulate(3, seed=11), result.simulate(1, seed=11)
    assert list(three.columns) == ["sim_1", "sim_2", "sim_3"]
    pd.testing.assert_series_equal(three["sim_1"], one["sim_1"])
    assert not np.allclose(three["sim_1"], three["sim_2"])
    assert not np.allclose(three["sim_1"], result.simulate(1, seed=12)["sim_1"])
    generator = np.random.default_rng(11)
    pd.testing.assert_frame_equal(result.simulate(3, seed=generator), three)
    assert not np.allclose(result.simulate(1, seed=generator)["sim_1"], three["sim_1"])


@pytest.mark.parametrize("n", [0, -1, 2.5, "two", True])
def test_number_of_draws_is_checked(n: object) -> None:
    with pytest.raises(mw.DataError, match="positive whole number"):
        fitted("slopes").simulate(n)


def test_zero_variance_adds_nothing() -> None:
    result = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff2())
    draws = result.simulate(2000, seed=3).to_numpy()
    between = draws.reshape(6, 5, -1).mean(axis=1).var(axis=0, ddof=1).mean()
    assert between == pytest.approx(result.sigma**2 / 5, rel=0.1)


@pytest.mark.parametrize("name", ["slopes", "weights, offset", "nested", "crossed"])
def test_refit_is_a_fit_to_the_new_response(name: str) -> None:
    result, data = fitted(name), grouped()
    y = result.simulate(1, seed=2)["sim_1"]
    ours = result.refit(y)
    wanted = mw.lmer(
        result.formula,
        data.assign(y=y),
        reml=result.reml,
        weights="w" if result.design.weights is not None else None,
        offset="o" if result.design.offset is not None else None,
    )
    assert ours.criterion == pytest.approx(wanted.criterion, rel=1e-12)
    np.testing.assert_allclose(ours.params, wanted.params, rtol=1e-9)
    np.testing.assert_allclose(ours.predict(data), wanted.predict(data), rtol=1e-9)
    np.testing.assert_allclose(ours.resid + ours.fittedvalues, y, rtol=1e-13, atol=1e-13)
    assert result.design.y is not ours.design.y


def test_refit_to_a_shifted_and_scaled_response() -> None:
    result = fitted("slopes")
    other = result.refit(10 + 3 * grouped()["y"])
    np.testing.assert_allclose(other.params, 3 * result.params + np.array([10, 0, 0, 0]), rtol=1e-7)
    assert other.sigma == pytest.approx(3 * result.sigma, rel=1e-8)
    np.testing.assert_allclose(other.theta, result.theta, rtol=1e-5, atol=1e-7)


def test_refit_takes_the_rows_given_or_the_rows_used() -> None:
    data = grouped()
    data.loc["row 3", "x"] = np.nan
    result = mw.lmer("y ~ x + (1 | g)", data)
    given = result.refit(data["y"] + 1)
    used = result.refit(data["y"].drop("row 3") + 1)
    assert given.nobs == used.nobs == 89
    assert given.criterion == used.criterion
    # A missing response in a row that is not used does not matter.
    assert result.refit(data["y"].where(data.index != "row 3")).criterion == pytest.approx(result.criterion)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (np.ones(5), r"needs 89 values \(or 90.*shape \(5,\)"),
        (np.ones((89, 1)), r"shape \(89, 1\)"),
        (["a"] * 89, "y must be numbers"),
        (np.r_[np.nan, np.ones(88)], "1 missing or infinite"),
        (np.r_[np.inf, np.nan, np.ones(87)], "2 missing or infinite"),
    ],
)
def test_refit_checks_the_response(y: np.ndarray, words: str) -> None:
    data = grouped()
    data.loc["row 3", "x"] = np.nan
    with pytest.raises(mw.DataError, match=words):
        mw.lmer("y ~ x + (1 | g)", data).refit(y)
