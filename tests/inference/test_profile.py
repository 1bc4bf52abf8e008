"""Profile likelihood: identities. (test_against_r_inference.py has the comparison with R.)"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

import mixwell as mw
from mixwell.errors import MixwellError
from reference_cases import cases
from small_models import fitted, grouped


def quiet(formula: str, data: Any, **options: Any) -> mw.LmerResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mw.lmer(formula, data, **options)


@pytest.mark.parametrize("name", ["slopes", "weights, offset", "crossed", "independent", "category slopes"])
def test_curves_are_those_of_the_intervals(name: str) -> None:
    fit = fitted(name)
    profile = fit.profile(0.99)
    # 95 % ends are points of the curves, others are read between points: near a boundary to half a percent.
    for level, tolerance in ((0.95, 1e-6), (0.9, 5e-3)):
        roots = fit.conf_int(method="profile", level=level)
        read = profile.conf_int(level)
        width = (roots["conf_high"] - roots["conf_low"]).to_numpy()
        off = np.abs(read.to_numpy() - roots.to_numpy()) / width[:, None]
        assert list(read.index) == list(roots.index) == [curve.name for curve in profile.curves]
        assert off.max() < tolerance
    for curve in profile.curves:
        assert (np.diff(curve.values) > 0).all()
        assert (np.diff(curve.zeta) > -1e-7).all()
        assert curve.zeta[curve.values == curve.estimate] == 0


def test_zeta_of_a_coefficient_is_the_criterion_with_it_as_offset() -> None:
    """beta_j held at b is the model without its column and with b x_j in the offset."""
    data = grouped()
    fit = quiet("y ~ x + arm + (x | g)", data, weights="w", reml=False)
    curve = fit.profile()["x"]
    for value, zeta in zip(curve.values[::3], curve.zeta[::3], strict=True):
        held = quiet(
            "y ~ arm + (x | g)", data.assign(b=value * data["x"]), weights="w", offset="b", reml=False
        )
        assert zeta**2 == pytest.approx(held.criterion - fit.criterion, abs=1e-6)


def test_zeta_of_zero_variance_is_the_criterion_of_the_model_without_it() -> None:
    data = grouped()
    fit = quiet("y ~ x + (1 | g) + (1 | h)", data, reml=False)
    curve = fit.profile(0.999999, parameters="sd_(Intercept)|h")["sd_(Intercept)|h"]
    without = quiet("y ~ x + (1 | g)", data, reml=False)
    assert curve.values[0] == 0
    assert curve.zeta[0] ** 2 == pytest.approx(without.criterion - fit.criterion, abs=1e-6)


def test_correlation_of_zero_is_the_model_with_independent_effects() -> None:
    data = grouped()
    fit = quiet("y ~ x + (x | g)", data, reml=False)
    name = "cor_x.(Intercept)|g"
    independent = quiet("y ~ x + (x || g)", data, reml=False)
    excess = independent.criterion - fit.criterion
    level = math.erf(math.sqrt(excess / 2))
    ends = fit.conf_int(method="profile", level=level, parameters=name).loc[name]
    assert np.abs(ends).min() < 1e-5


def test_the_order_of_effects_does_not_matter() -> None:
    data = grouped().assign(lo=lambda d: (d["arm"] == "low") * 1.0, hi=lambda d: (d["arm"] == "high") * 1.0)
    one = quiet("y ~ x + (lo + hi | g)", data).conf_int(method="profile")
    other = quiet("y ~ x + (hi + lo | g)", data).conf_int(method="profile")
    for name in one.index:
        twin = name if name in other.index else "cor_lo.hi|g"
        np.testing.assert_allclose(one.loc[name], other.loc[twin], rtol=1e-5, atol=1e-5)


def test_units_scale_the_interval() -> None:
    data = grouped()
    one = quiet("y ~ x + (x | g)", data).conf_int(method="profile")
    scaled = quiet("y ~ z + (z | g)", data.assign(z=1e4 * data["x"])).conf_int(method="profile")
    for name, factor in (("sd_{}|g", 1e-4), ("{}", 1e-4), ("cor_{}.(Intercept)|g", 1.0)):
        ours, wanted = scaled.loc[name.format("z")], one.loc[name.format("x")] * factor
        np.testing.assert_allclose(ours, wanted, rtol=1e-5, atol=1e-6 * factor)


def test_reml_and_ml_fits_have_the_same_profile() -> None:
    a, b = (
        quiet("y ~ x + (x | g)", grouped(), reml=reml).conf_int(method="profile") for reml in (True, False)
    )
    np.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_correlation_with_a_zero_variance_is_undetermined() -> None:
    rng = np.random.default_rng(8)
    data = grouped().assign(y=rng.normal(size=90))
    data["y"] -= data.groupby("g")["y"].transform("mean")
    ends = quiet("y ~ x + (x | g)", data).conf_int(method="profile")
    assert ends.loc["cor_x.(Intercept)|g"].tolist() == [-1.0, 1.0]
    assert ends.loc["sd_(Intercept)|g", "conf_low"] == 0.0


def test_a_profile_that_starts_at_a_correlation_of_minus_one() -> None:
    """The other end, by a search without derivatives over both standard deviations."""
    case = cases()["ratpup_slope_corr_ml"]
    fit = quiet(case.formula, case.frame, reml=False)
    name = "cor_female.(Intercept)|Litter"
    low, high = fit.conf_int(method="profile", parameters=name).loc[name]
    assert low == -1.0
    problem = mw.kernel.problem(fit.design)

    def criterion(logs: Any) -> float:
        a, b = np.exp(logs)
        theta = np.array([a, b * high, b * math.sqrt(1 - high**2)])
        return mw.kernel.components(fit.design, problem, theta, reml=False).criterion

    options = {"xatol": 1e-9, "fatol": 1e-10, "maxiter": 4000}
    least = min(
        minimize(criterion, start, method="Nelder-Mead", options=options).fun
        for start in ([-0.1, -1.2], [-0.1, -3.0], [-1.0, -1.0])
    )
    assert least - fit.criterion == pytest.approx(3.841458820694124, abs=1e-5)


def test_names_and_levels_are_checked() -> None:
    fit = fitted("slopes")
    with pytest.raises(mw.DataError, match="'Sigma' is not a parameter; there are 'sd_"):
        fit.conf_int(method="profile", parameters="Sigma")
    assert list(fit.conf_int(method="profile", parameters=["x", "sigma"]).index) == ["sigma", "x"]
    with pytest.raises(MixwellError, match="level"):
        fit.profile(level=95)
    with pytest.raises(mw.DataError, match=r"reach the level 0\.9"):
        fit.profile(0.9, parameters="x").conf_int(0.95)
    with pytest.raises(MixwellError, match="'wald', 'profile', 'bootstrap'"):
        fit.conf_int(method="likelihood")  # type: ignore[arg-type]


@pytest.mark.slow
def test_profile_intervals_cover() -> None:
    """95 % intervals of a slope's sd and of the slope cover 93 to 97 % (400 data sets: 90.6 to 98)."""
    rng = np.random.default_rng(6)
    x = np.tile(np.arange(6.0) - 2.5, 40)
    g = np.repeat(np.arange(40), 6)
    hits = np.zeros((400, 2))
    for i in range(len(hits)):
        u = rng.normal(size=(40, 2)) * [1.0, 0.4]
        y = 1 + 0.3 * x + u[g, 0] + u[g, 1] * x + rng.normal(size=240)
        fit = quiet("y ~ x + (x | g)", {"y": y, "x": x, "g": g.astype(str)})
        ends = fit.conf_int(method="profile", parameters=["sd_x|g", "x"])
        hits[i] = [
            ends.loc[n, "conf_low"] <= v <= ends.loc[n, "conf_high"] for n, v in (("sd_x|g", 0.4), ("x", 0.3))
        ]
    assert ((hits.mean(axis=0) > 0.93 - 0.024) & (hits.mean(axis=0) < 0.97 + 0.01)).all()
