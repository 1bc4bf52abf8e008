"""Profile likelihood: identities. (test_against_r_inference.py has the comparison with R.)"""

from __future__ import annotations

import math
import signal
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar

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
    # From a singular fit the walk to one end stops in rounding, 5e-6 of the width away.
    exact = 1e-5 if fit.convergence.is_singular else 1e-6
    for level, tolerance in ((0.95, exact), (0.9, 5e-3)):
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


@pytest.mark.parametrize(
    ("formula", "name", "reduced"),
    [
        ("y ~ 1 + (1 | g) + (1 | h)", "(Intercept)", "y ~ 0 + (1 | g) + (1 | h)"),
        ("y ~ x + arm + (x | g) + (1 | h)", "arm[mid]", "y ~ x + high + (x | g) + (1 | h)"),
        ("y ~ x + arm + (1 | h / arm)", "x", "y ~ arm + (1 | h / arm)"),
    ],
)
def test_zeta_of_a_coefficient_with_weights_and_offset(formula: str, name: str, reduced: str) -> None:
    """Crossed and nested factors; one fixed effect and several."""
    data = grouped().assign(o=lambda d: np.sin(np.arange(len(d))), high=lambda d: (d["arm"] == "high") * 1.0)
    column = {"(Intercept)": 1.0, "x": data["x"], "arm[mid]": (data["arm"] == "mid") * 1.0}[name]
    fit = quiet(formula, data, weights="w", offset="o")
    best = quiet(formula, data, weights="w", offset="o", reml=False).criterion
    curve = fit.profile(parameters=name)[name]
    for value, zeta in zip(curve.values[::4], curve.zeta[::4], strict=True):
        moved = data.assign(b=data["o"] + value * column)
        held = quiet(reduced, moved, weights="w", offset="b", reml=False)
        assert zeta**2 == pytest.approx(held.criterion - best, abs=1e-6)


def joint_criterion(fit: mw.LmerResult) -> Callable[[Any, float], float]:
    """-2 log-likelihood as a function of the relative covariance of the only term and of log sigma."""
    problem = mw.kernel.problem(fit.design)
    n = fit.design.n_obs

    def criterion(relative: Any, log_sigma: float) -> float:
        t = np.linalg.cholesky(relative)
        columns, rows = np.triu_indices(len(t))
        at = mw.kernel.components(fit.design, problem, t[rows, columns], reml=False)
        scaled = at.pwrss * math.exp(-2 * log_sigma)
        return at.log_det + scaled + n * (math.log(2 * math.pi) + 2 * log_sigma)

    return criterion


@pytest.mark.parametrize("held", [(0, 0), (1, 1), (2, 2), (1, 0), (2, 0), (2, 1)])
def test_ends_with_three_effects_are_minima_under_a_constraint(held: tuple[int, int]) -> None:
    """Others minimized over logarithms of variances and a free factor of the correlations (scipy's BFGS)."""
    rng = np.random.default_rng(3)
    n, g = 240, np.repeat(np.arange(30), 8)
    data = {
        "x": rng.normal(1, 1, n),
        "z": rng.normal(size=n),
        "w": rng.uniform(0.5, 2, n),
        "g": g.astype(str),
    }
    effects = rng.normal(size=(30, 3)) @ np.array([[1.0, 0.4, -0.3], [0.0, 0.7, 0.2], [0.0, 0.0, 0.8]])
    data["y"] = data["x"] + effects[g, 0] + effects[g, 1] * data["x"] + effects[g, 2] * data["z"]
    data["y"] += rng.normal(size=n) / np.sqrt(data["w"])
    fit = quiet("y ~ x + (x + z | g)", data, weights="w", reml=False)
    i, j = held
    names = ["(Intercept)", "x", "z"]
    name = f"sd_{names[i]}|g" if i == j else f"cor_{names[i]}.{names[j]}|g"
    ends = fit.conf_int(method="profile", level=0.8, parameters=name).loc[name]
    criterion = joint_criterion(fit)
    order = [i, *(c for c in range(3) if c != i)] if i == j else [j, i, 3 - i - j]
    back = np.argsort(order)
    covariance = fit.fit.term_cov[0][np.ix_(order, order)]
    sd = np.sqrt(np.diagonal(covariance))
    unit = np.linalg.cholesky(covariance / np.outer(sd, sd) + 1e-6 * np.eye(3))
    start = np.concatenate([np.log(sd), unit[[1, 2, 2], [0, 0, 1]], [math.log(fit.sigma)]])
    for end in ends:

        def value(free: Any, end: float = end) -> float:
            factor = np.eye(3)
            factor[[1, 2, 2], [0, 0, 1]] = free[3:6]
            factor /= np.linalg.norm(factor, axis=1)[:, None]
            scales = np.exp(free[:3])
            if i == j:
                scales[0] = end
            else:
                factor[1, :2] = end, math.sqrt(1 - end**2)
            root = scales[:, None] * factor
            relative = (root @ root.T)[np.ix_(back, back)] / math.exp(2 * free[6])
            return criterion(relative, free[6])

        least = math.inf
        for _ in range(3):
            found = minimize(value, start, method="BFGS", options={"gtol": 1e-7})
            least = min(least, found.fun)
            start = found.x
        assert least - fit.criterion == pytest.approx(1.2815515655446004**2, abs=1e-5)


def test_a_variance_estimated_as_zero() -> None:
    """Dyestuff2: the balanced one-way likelihood in closed form, sigma and the mean profiled out."""
    data = mw.datasets.load_dyestuff2()
    fit = quiet("Yield ~ 1 + (1 | Batch)", data)
    y = data["Yield"].to_numpy().reshape(6, 5)
    between = 5 * ((y.mean(axis=1) - y.mean()) ** 2).sum()
    within = ((y - y.mean(axis=1, keepdims=True)) ** 2).sum()

    def profiled(sd: float) -> float:
        def criterion(log_sigma: float) -> float:
            s2 = math.exp(2 * log_sigma)
            level = s2 + 5 * sd**2
            return 24 * math.log(s2) + within / s2 + 6 * math.log(level) + between / level

        return float(
            minimize_scalar(criterion, bounds=(-2, 4), method="bounded", options={"xatol": 1e-10}).fun
        )

    curve = fit.profile()["sd_(Intercept)|Batch"]
    assert curve.estimate == curve.values[0] == curve.zeta[0] == 0
    for value, zeta in zip(curve.values, curve.zeta, strict=True):
        assert zeta**2 == pytest.approx(profiled(value) - profiled(0.0), abs=1e-7)
    assert curve.zeta[-1] == pytest.approx(2.5758293035489004, abs=1e-9)


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


def test_a_profile_needs_the_optimum() -> None:
    fit = fitted("slopes")
    with pytest.raises(
        mw.ConvergenceError, match=r"profile of 'sigma' finds a criterion lower by .*starts=50"
    ):
        mw.kernel.profile(
            fit.design,
            3 * np.asarray(fit.theta),
            [("sigma", ("sigma", []))],
            [1.0],
            None,
            report=lambda done: None,
        )


def test_a_long_profile_tells_how_far_it_is_and_can_be_stopped() -> None:
    fit = quiet("y ~ x + (x | g)", grouped(), reml=False)
    theta = np.asarray(fit.theta)
    # as long as it takes to be interrupted
    long = [("sigma", ("sigma", []))] * 30_000
    told: list[int] = []

    def report(done: int) -> None:
        told.append(done)
        if len(told) == 3:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        mw.kernel.profile(fit.design, theta, long, [2.0], None, report=report)
    walks: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            mw.kernel.profile(fit.design, theta, long, [2.0], None, report=walks.append)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    for done in (told, walks):
        assert done == sorted(done)
        assert max(done, default=0) < 2 * len(long)


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
