"""Intervals of predictions and new groups: closed forms, the dense model, the engine of the tests."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy import linalg, stats

import mixwell as mw
import oracle
from mixwell import kernel
from mixwell.design.newdata import new_rows
from mixwell.fit import quantities
from mixwell.predict import theta_derivative
from small_models import FITS, fitted, grouped

FloatArray = NDArray[np.float64]

pytestmark = pytest.mark.filterwarnings("ignore::mixwell.SingularFitWarning")


# ---- the dense model


@dataclass
class Equations:
    """The mixed model equations at theta, dense: X and Z of all factors, and C = Cov of their errors."""

    x: FloatArray
    z: FloatArray
    g: FloatArray
    c: FloatArray
    starts: list[int]
    widths: list[int]


def factor_matrix(
    codes: NDArray[np.integer], q: int, columns: list[FloatArray] | tuple[FloatArray, ...]
) -> FloatArray:
    """Z of a factor, level by level; a code of -1 takes nothing."""
    z = np.zeros((len(codes), q, len(columns)))
    known = codes >= 0
    for j, column in enumerate(columns):
        z[known, codes[known], j] = np.asarray(column)[known]
    return z.reshape(len(codes), -1)


def equations(fit: mw.LmerResult, theta: FloatArray, sigma: float) -> Equations:
    design = fit.design
    x = design.x[:, fit.fit.kept]
    roots = oracle.relative_factors(design, theta)
    z, g, starts, widths, at = [], [], [], [], 0
    for i, factor in enumerate(design.factors):
        mine = [t for t, term in enumerate(design.terms) if term.factor == i]
        columns = [c for t in mine for c in design.terms[t].columns]
        z.append(factor_matrix(factor.codes, factor.n_levels, columns))
        block = linalg.block_diag(*(roots[t] @ roots[t].T for t in mine))
        g.append(np.kron(np.eye(factor.n_levels), block))
        starts.append(at)
        widths.append(len(columns))
        at += z[-1].shape[1]
    zz, gg = np.hstack(z), sigma**2 * linalg.block_diag(*g)
    noise = sigma**2 / (np.ones(len(x)) if design.weights is None else design.weights)
    v_inverse = np.linalg.inv(zz @ gg @ zz.T + np.diag(noise))
    # C without an inverse of G, which may be singular (Robinson 1991, section 2).
    c_beta = np.linalg.inv(x.T @ v_inverse @ x)
    k = gg @ zz.T @ v_inverse
    c_both = -c_beta @ x.T @ k.T
    c_modes = gg - k @ zz @ gg + k @ x @ c_beta @ x.T @ k.T
    c = np.block([[c_beta, c_both], [c_both.T, c_modes]])
    return Equations(x, zz, gg, c, starts, widths)


def masked(fit: mw.LmerResult, e: Equations, factors: set[str]) -> FloatArray:
    """[X Z] of the rows of the fit, Z of other factors zero."""
    z = e.z.copy()
    for i, factor in enumerate(fit.design.factors):
        if factor.name not in factors:
            z[:, e.starts[i] : e.starts[i] + factor.n_levels * e.widths[i]] = 0
    return np.hstack([e.x, z])


def dense_variance(
    fit: mw.LmerResult, theta: FloatArray, sigma: float, factors: set[str], *, new: bool
) -> FloatArray:
    e = equations(fit, theta, sigma)
    rows = masked(fit, e, factors)
    variance = np.einsum("mi,ij,mj->m", rows, e.c, rows)
    if new:
        rest = np.hstack([e.x, e.z])[:, e.x.shape[1] :] - rows[:, e.x.shape[1] :]
        variance += np.einsum("mi,ij,mj->m", rest, e.g, rest)
        variance += sigma**2 / (1 if fit.design.weights is None else fit.design.weights)
    return variance


SELECTIONS = [True, False, "first"]


def selection(fit: mw.LmerResult, random: bool | str) -> tuple[bool | str, set[str]]:
    names = [factor.name for factor in fit.design.factors]
    if random == "first":
        return names[0], {names[0]}
    return random, set(names) if random else set()


@pytest.mark.parametrize("interval", ["confidence", "prediction"])
@pytest.mark.parametrize("random", SELECTIONS)
@pytest.mark.parametrize("name", list(FITS))
def test_variance_is_that_of_the_dense_model(name: str, random: bool | str, interval: str) -> None:
    fit = fitted(name)
    chosen, factors = selection(fit, random)
    wanted = dense_variance(fit, fit.fit.theta, fit.sigma, factors, new=interval == "prediction")
    found = fit.predict(random=chosen, interval=interval)
    np.testing.assert_allclose(found["std_error"] ** 2, wanted, rtol=1e-8)
    np.testing.assert_array_equal(found["estimate"], fit.predict(random=chosen))
    from_frame = fit.predict(grouped(), random=chosen, interval=interval)
    pd.testing.assert_frame_equal(found, from_frame, rtol=1e-9)


@pytest.mark.parametrize("name", ["slopes", "independent", "crossed", "weights, offset"])
@pytest.mark.parametrize(
    ("random", "interval"), [(True, "confidence"), (True, "prediction"), (False, "prediction")]
)
def test_df_is_that_of_the_dense_model(name: str, random: bool, interval: str) -> None:
    """2 v^2 / (g'Ag) with every derivative a difference of the dense model, over (theta, log sigma^2)."""
    fit = fitted(name)
    design, reml = fit.design, fit.reml
    factors = selection(fit, random)[1]
    assert not fit.convergence.is_singular
    n_effective = design.n_obs - (len(fit.params) if reml else 0)

    def deviance(point: FloatArray) -> float:
        # criterion(theta) has sigma profiled out: N (1 + log(2 pi r^2 / N)) is put back as a function of it.
        at = oracle.marginal(design, point[:-1], reml=reml)
        profiled = n_effective * (1 + np.log(at.pwrss / n_effective))
        return at.criterion - profiled + n_effective * point[-1] + at.pwrss * np.exp(-point[-1])

    def variance(point: FloatArray) -> FloatArray:
        return dense_variance(
            fit, point[:-1], float(np.exp(point[-1] / 2)), factors, new=interval == "prediction"
        )

    point = np.append(fit.fit.theta, 2 * np.log(fit.sigma))
    m = len(point)
    steps = np.eye(m) * 1e-3
    hessian = np.empty((m, m))
    for i in range(m):
        for j in range(m):
            hessian[i, j] = (
                deviance(point + steps[i] + steps[j])
                - deviance(point + steps[i] - steps[j])
                - deviance(point - steps[i] + steps[j])
                + deviance(point - steps[i] - steps[j])
            ) / 4e-6
    gradient = np.array([(variance(point + s) - variance(point - s)) / 2e-3 for s in steps])
    v = variance(point)
    wanted = 2 * v**2 / np.einsum("im,ij,jm->m", gradient, 2 * np.linalg.inv(hessian), gradient)
    # Second-order differences at a step of 1e-3 are good to about 1e-5.
    np.testing.assert_allclose(fit.predict(random=random, interval=interval)["df"], wanted, rtol=1e-3)


@pytest.mark.parametrize("name", list(FITS))
def test_differences_give_the_derivatives_of_the_curvature(name: str) -> None:
    """The coordinates are those of the curvature: the derivative of Var(x'beta) is the kernel's own.

    The kernel's are differences too, of second order: good to about 1e-5.
    """
    fit = fitted(name)
    design, theta = fit.design, fit.fit.theta
    x = fit.fit.kept.size

    def variances(at: FloatArray) -> FloatArray:
        return np.diag(oracle.marginal(design, at, reml=fit.reml, kept=fit.fit.kept).vcov) / (
            oracle.marginal(design, at, reml=fit.reml, kept=fit.fit.kept).sigma ** 2
        )

    active = fit.fit.curvature.active
    wanted = np.array([np.diag(d) for d in fit.fit.curvature.vcov_derivative[active]]).reshape(-1, x).T
    scale = np.abs(variances(theta))[:, None]
    np.testing.assert_allclose(
        theta_derivative(design, kernel.problem(design), fit.fit, variances) / scale,
        wanted / scale,
        rtol=1e-4,
        atol=1e-5,
    )


# ---- closed forms


def test_balanced_one_way_layout_has_closed_forms() -> None:
    data = mw.datasets.load_dyestuff()
    fit = mw.lmer("Yield ~ 1 + (1 | Batch)", data)
    groups = data.groupby("Batch", observed=True)["Yield"]
    j, n = 6, 5
    between = n * groups.mean().var()
    within = groups.var().mean()
    parameter_var = np.array([2 * between**2 / (j - 1), 2 * within**2 / (j * (n - 1))])
    rows = {"Batch": ["A"]}

    def expected(variance: float, gradient: list[float]) -> tuple[float, float]:
        return np.sqrt(variance), 2 * variance**2 / float(np.array(gradient) ** 2 @ parameter_var)

    population = between / (j * n)
    cases = {
        (False, "confidence"): expected(population, [1 / (j * n), 0]),
        (False, "prediction"): expected(
            population + (between - within) / n + within, [1 / (j * n) + 1 / n, 1 - 1 / n]
        ),
        # The batch's mean is shrunken by 1 - within/between.
        (True, "confidence"): expected(
            within / n * (1 - within / between * (1 - 1 / j)),
            [
                (within / between) ** 2 * (1 - 1 / j) / n,
                1 / n - 2 * within / between * (1 - 1 / j) / n,
            ],
        ),
        (True, "prediction"): expected(
            within / n * (1 - within / between * (1 - 1 / j)) + within,
            [
                (within / between) ** 2 * (1 - 1 / j) / n,
                1 / n - 2 * within / between * (1 - 1 / j) / n + 1,
            ],
        ),
    }
    for (random, interval), (std_error, df) in cases.items():
        found = fit.predict(rows, random=random, interval=interval).iloc[0]
        assert found["std_error"] == pytest.approx(std_error, rel=1e-7), (random, interval)
        assert found["df"] == pytest.approx(df, rel=1e-4), (random, interval)
        half = stats.t.ppf(0.975, df) * std_error
        assert found["conf_high"] - found["estimate"] == pytest.approx(half, rel=1e-4)
        assert found["estimate"] - found["conf_low"] == pytest.approx(half, rel=1e-4)


# ---- one hypothesis, one interval


@pytest.mark.parametrize(
    "ddf", ["satterthwaite", "kenward-roger", "residual", "normal", "containment", "between-within"]
)
def test_population_mean_has_the_interval_of_the_test(ddf: str) -> None:
    fit = mw.lmer("weight ~ Treatment + sex + (1 | Litter)", mw.datasets.load_ratpups())
    grid = {"Treatment": ["Control", "High", "Low"] * 2, "sex": ["Female"] * 3 + ["Male"] * 3}
    found = fit.predict(grid, random=False, interval="confidence", level=0.9, ddf=ddf)
    names = list(fit.params.index)
    rows = np.zeros((6, len(names)))
    for i, (treatment, sex) in enumerate(zip(grid["Treatment"], grid["sex"], strict=True)):
        rows[i, 0] = 1
        for j, name in enumerate(names):
            rows[i, j] += (treatment in name) + (sex in name)
    tested = fit.test(rows, ddf=ddf, level=0.9)
    for column in ("estimate", "std_error", "df", "conf_low", "conf_high"):
        np.testing.assert_allclose(found[column], tested[column], rtol=1e-12, err_msg=column)


def test_population_mean_has_the_interval_of_the_marginal_mean_and_the_coefficient() -> None:
    fit = mw.lmer("score ~ Machine + (1 | Worker)", mw.datasets.load_machines())
    found = fit.predict({"Machine": ["A", "B", "C"]}, random=False, interval="confidence")
    means = fit.emmeans("Machine").frame
    for column in ("estimate", "std_error", "df", "conf_low", "conf_high"):
        np.testing.assert_allclose(found[column], means[column], rtol=1e-12)
    np.testing.assert_allclose(
        found.iloc[0][["conf_low", "conf_high"]].to_numpy(dtype=float),
        fit.conf_int().loc["(Intercept)"].to_numpy(dtype=float),
        rtol=1e-12,
    )


def test_unseen_level_has_the_interval_of_the_population() -> None:
    fit = fitted("slopes")
    rows = {"x": [0.5, 4.0], "arm": ["low", "high"], "g": ["zoe", "adam"]}
    population = fit.predict(rows, random=False, interval="confidence")
    found = fit.predict(rows, new_levels="zero", interval="confidence")
    pd.testing.assert_frame_equal(found, population)
    pd.testing.assert_frame_equal(
        fit.predict(rows, new_levels="zero", interval="prediction"),
        fit.predict(rows, random=False, interval="prediction"),
    )
    with pytest.raises(mw.NewLevelsError, match="adam"):
        fit.predict(rows, interval="confidence")


# ---- new observations


def test_new_observation_adds_the_residual_variance_over_its_weight() -> None:
    fit = fitted("weights, offset")
    rows = grouped().iloc[:5].assign(w=[0.5, 1.0, 2.0, 4.0, 1e12])
    mean = fit.predict(rows, interval="confidence")["std_error"] ** 2
    observed = fit.predict(rows, interval="prediction")["std_error"] ** 2
    np.testing.assert_allclose(observed - mean, fit.sigma**2 / rows["w"], rtol=1e-9, atol=1e-12)
    # The mean needs no weights, a new observation does.
    fit.predict(rows.drop(columns="w"), interval="confidence")
    with pytest.raises(mw.DataError, match="no column 'w'"):
        fit.predict(rows.drop(columns="w"), interval="prediction")
    with pytest.raises(mw.DataError, match="weights must be positive"):
        fit.predict(rows.assign(w=0.0), interval="prediction")
    array = mw.lmer("y ~ x + (1 | g)", grouped(), weights=grouped()["w"].to_numpy())
    with pytest.raises(mw.DataError, match="weights= as an array"):
        array.predict(rows, interval="prediction")


def test_group_columns_are_not_needed_for_a_new_member_of_the_population() -> None:
    fit = fitted("slopes")
    rows = {"x": [1.0], "arm": ["mid"]}
    found = fit.predict(rows, random=False, interval="prediction")
    z = np.array([1.0, 1.0])
    mean = fit.predict(rows, random=False, interval="confidence")
    added = z @ fit.cov_re["g"].to_numpy() @ z + fit.sigma**2
    assert found["std_error"].iloc[0] ** 2 - mean["std_error"].iloc[0] ** 2 == pytest.approx(added, rel=1e-10)


def test_without_group_variance_a_known_group_is_the_population() -> None:
    data = mw.datasets.load_dyestuff2()
    fit = mw.lmer("Yield ~ 1 + (1 | Batch)", data)
    assert fit.theta.iloc[0] == 0
    known = fit.predict({"Batch": ["A"]}, interval="confidence")
    population = fit.predict({"Batch": ["A"]}, random=False, interval="confidence")
    pd.testing.assert_frame_equal(known, population, rtol=1e-9)
    # What is left is the mean of 30 independent values.
    assert known["std_error"].iloc[0] == pytest.approx(data["Yield"].std() / np.sqrt(30), rel=1e-7)
    assert known["df"].iloc[0] == pytest.approx(29, rel=1e-7)


def test_other_methods_for_degrees_of_freedom() -> None:
    fit = fitted("crossed")
    for ddf, df in {"residual": 90 - 6, "normal": np.inf}.items():
        found = fit.predict(interval="prediction", ddf=ddf)
        assert (found["df"] == df).all()
        half = stats.t.ppf(0.975, df) * found["std_error"]
        np.testing.assert_allclose(found["conf_high"] - found["estimate"], half, rtol=1e-10)
    for arguments in ({"interval": "confidence"}, {"interval": "prediction", "random": False}):
        with pytest.raises(mw.MixwellError, match="fixed effects alone"):
            fit.predict(ddf="containment", **arguments)


def test_intervals_do_not_depend_on_units_or_origin() -> None:
    data = mw.datasets.load_sleepstudy()
    fit = mw.lmer("Reaction ~ Days + (Days | Subject)", data)
    moved = mw.lmer(
        "Reaction ~ Days + (Days | Subject)",
        data.assign(Reaction=data["Reaction"] * 1e-4, Days=data["Days"] * 1e3 + 2e6),
    )
    for interval in ("confidence", "prediction"):
        one, other = fit.predict(interval=interval), moved.predict(interval=interval)
        # Days of 2e6 beside an intercept cost about four digits.
        np.testing.assert_allclose(other["std_error"] * 1e4, one["std_error"], rtol=1e-6)
        np.testing.assert_allclose(other["df"], one["df"], rtol=1e-4)


def test_missing_predictors_have_no_interval() -> None:
    fit = fitted("slopes")
    rows = grouped().iloc[:4].copy()
    rows.loc[rows.index[1], "x"] = np.nan
    found = fit.predict(rows, interval="prediction")
    assert found.isna().all(axis=1).tolist() == [False, True, False, False]
    assert list(found.index) == list(rows.index)
    whole = fit.predict(grouped().iloc[:4], interval="prediction")
    pd.testing.assert_frame_equal(found.iloc[[0, 2, 3]], whole.iloc[[0, 2, 3]], rtol=1e-12)


def test_polars_in_polars_out() -> None:
    data = pl.from_pandas(grouped())
    fit = mw.lmer("y ~ x + (1 | g)", data)
    found = fit.predict(data.head(3), interval="confidence")
    assert isinstance(found, pl.DataFrame)
    assert found.columns == ["estimate", "std_error", "df", "conf_low", "conf_high"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"interval": "credible"}, "interval is 'credible'"),
        ({"interval": "confidence", "level": 95}, "level must lie between 0 and 1"),
        ({"interval": "confidence", "ddf": "kenward"}, "There is no ddf='kenward'"),
        ({"interval": "confidence", "random": "G"}, "'G' is not a grouping factor"),
    ],
)
def test_arguments_that_do_not_exist(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(mw.MixwellError, match=message):
        fitted("slopes").predict(**arguments)


@pytest.mark.filterwarnings("ignore::mixwell.RankDeficiencyWarning")
def test_aliased_columns_do_not_stand_in_the_way_of_intervals() -> None:
    data = grouped().assign(twice=lambda d: 2 * d["x"])
    fit = mw.lmer("y ~ x + twice + (1 | g)", data)
    plain = mw.lmer("y ~ x + (1 | g)", data)
    pd.testing.assert_frame_equal(
        fit.predict(data, interval="confidence"), plain.predict(data, interval="confidence"), rtol=1e-9
    )


# ---- means that the data do not determine


@lru_cache
def with_an_empty_cell(kind: str) -> mw.LmerResult:
    """No row has arm = high with sex = M."""
    data = grouped()
    data = data.assign(sex=np.where(np.arange(len(data)) % 3 == 0, "F", "M"))
    data = data[~((data["arm"] == "high") & (data["sex"] == "M"))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mw.lmer("y ~ arm * sex + x + (x | g) + (1 | h)", data, contrasts={"arm": kind, "sex": kind})


CELLS = {
    "arm": ["high", "high", "low", "high"],
    "sex": ["F", "M", "M", "M"],
    "x": [0.5, 0.5, -1.0, 2.0],
    "g": ["a", "a", "b", "c"],
    "h": ["u"] * 4,
}


@pytest.mark.parametrize("interval", [None, "confidence", "prediction"])
@pytest.mark.parametrize("random", [True, False, ["g"]])
@pytest.mark.parametrize("kind", ["treatment", "sum", "helmert"])
def test_predictions_in_an_empty_cell_are_missing_and_said_to_be(
    kind: str, random: bool | list[str], interval: str | None
) -> None:
    fit = with_an_empty_cell(kind)
    with pytest.warns(mw.RankDeficiencyWarning, match=r"rows 2, 4 of the new data.*Leave these rows out"):
        found = fit.predict(CELLS, random=random, interval=interval)
    lost = np.array([False, True, False, True])
    found = pd.DataFrame(found)
    assert (found.isna().to_numpy() == lost[:, np.newaxis]).all()
    # The others are those of any coding, and of the rows alone.
    some = {
        name: [v for v, out in zip(values, lost, strict=True) if not out] for name, values in CELLS.items()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alone = with_an_empty_cell("treatment").predict(some, random=random, interval=interval)
    np.testing.assert_allclose(found[~lost], pd.DataFrame(alone), rtol=1e-6)


def test_a_warning_of_many_rows_counts_them() -> None:
    rows = {name: [values[1]] * 8 for name, values in CELLS.items()}
    with pytest.warns(mw.RankDeficiencyWarning, match=r"rows 1, 2, 3, 4, 5 and 3 more of the new data"):
        with_an_empty_cell("treatment").predict(rows)


def test_missing_predictors_and_empty_cells_are_told_apart() -> None:
    rows = {**CELLS, "x": [0.5, np.nan, -1.0, 2.0]}
    with pytest.warns(mw.RankDeficiencyWarning, match="row 4 of the new data") as caught:
        found = with_an_empty_cell("sum").predict(rows, interval="confidence")
    assert len(caught) == 1
    assert found["estimate"].isna().tolist() == [False, True, False, True]


def test_rows_of_the_fit_are_always_determined() -> None:
    fit = with_an_empty_cell("helmert")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit.predict(random=False, interval="confidence").notna().all().all()
        assert np.isfinite(fit.augment()["fitted"]).all()


def test_new_groups_in_an_empty_cell_are_refused() -> None:
    rows = {**CELLS, "g": ["new"] * 4, "y": [1.0, 2.0, 3.0, 4.0]}
    with pytest.raises(mw.ModelError, match=r"rows 2, 4 of the new data.*Leave these rows out"):
        with_an_empty_cell("sum").update_group(rows)


# ---- new groups


def relabelled(name: str, factor: str, level: str) -> pd.DataFrame:
    """The rows of one level, under a name that the fit does not know."""
    data = grouped()
    rows = data[data[factor] == level]
    return rows.assign(**{factor: "someone"})


@pytest.mark.parametrize(
    "name", ["slopes", "slope only", "weights, offset", "transforms", "splines", "category slopes"]
)
@pytest.mark.parametrize("level", ["a", "d"])
def test_known_group_under_a_new_name_has_the_mode_of_the_fit(name: str, level: str) -> None:
    fit = fitted(name)
    update = fit.update_group(relabelled(name, "g", level))
    found = update.random_effects["g"].loc["someone"]
    wanted = fit.random_effects["g"].loc[level]
    scale = np.sqrt(np.diag(fit.cov_re["g"]))
    np.testing.assert_allclose((found - wanted) / scale, 0, atol=1e-9)
    np.testing.assert_allclose(
        update.conditional_cov["g"].array[0] / np.outer(scale, scale),
        fit.random_effects_cov["g"][level] / np.outer(scale, scale),
        atol=1e-9,
    )


def test_crossed_group_with_the_other_factor_held() -> None:
    """Given beta and the modes of h, the mode of g solves its own equation; the fit's satisfy it jointly."""
    fit = fitted("crossed")
    update = fit.update_group(relabelled("crossed", "g", "c"))
    assert list(update.random_effects) == ["g"]
    assert update.random_effects["g"].iloc[0, 0] == pytest.approx(
        fit.random_effects["g"].loc["c", "(Intercept)"], rel=1e-9
    )


def new_rows_of(seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "x": rng.normal(3, 2, 7),
            "arm": rng.choice(["low", "mid", "high"], 7),
            "g": ["new 1", "new 1", "new 2", "new 1", "new 2", "new 2", "new 2"],
            "h": ["u", "v", "u", "w", "strange", "strange", "z"],
            "w": rng.uniform(0.5, 3, 7),
            "o": rng.normal(size=7),
            "y": rng.normal(6, 3, 7),
        }
    )


@pytest.mark.parametrize("name", list(FITS))
def test_covariance_of_new_groups_is_that_of_their_errors(name: str) -> None:
    """Errors of the modes as linear functions of all random effects and noise, old and new, dense."""
    fit, rows = fitted(name), new_rows_of()
    design = fit.design
    update = fit.update_group(rows)
    e = equations(fit, fit.fit.theta, fit.sigma)
    old = mw.lmer(fit.formula, grouped(), **FITS[name][1]).design
    made = new_rows(old, rows, need_response=True, need_weights=True)
    x = made.x[:, fit.fit.kept]
    known, fresh, g_fresh, labels = [], [], [], []
    for i, factor in enumerate(design.factors):
        columns = [
            c for term, cs in zip(design.terms, made.columns, strict=True) if term.factor == i for c in cs
        ]
        known.append(factor_matrix(made.codes[i], factor.n_levels, columns))
        q = len(made.unseen[i])
        if q:
            fresh.append(factor_matrix(made.unseen_codes[i], q, columns))
            g_fresh.append(np.kron(np.eye(q), quantities.factor_cov(design, fit.fit, i)))
            labels += [(factor.name, level, len(columns)) for level in made.unseen[i]]
    lines, z, g = np.hstack([x, *known]), np.hstack(fresh), linalg.block_diag(*g_fresh)
    noise = fit.sigma**2 / (np.ones(7) if made.weights is None else made.weights)
    v = z @ g @ z.T + np.diag(noise)
    k = g @ z.T @ np.linalg.inv(v)
    # b - K (y - l's-hat) = b - K (l'(s - s-hat) + Z b + noise)
    cov = (np.eye(len(g)) - k @ z) @ g @ (np.eye(len(g)) - k @ z).T
    cov += k @ (np.diag(noise) + lines @ e.c @ lines.T) @ k.T
    offset = 0 if made.offset is None else made.offset
    held = np.concatenate([fit.fit.beta, *(modes.ravel() for modes in fit.fit.modes)])
    mode = k @ (rows["y"].to_numpy() - offset - lines @ held)
    at = 0
    for factor, level, width in labels:
        part = slice(at, at + width)
        at += width
        np.testing.assert_allclose(
            update.random_effects[factor].loc[level], mode[part], rtol=1e-8, atol=1e-10
        )
        np.testing.assert_allclose(
            update.random_effects_cov[factor][level], cov[part, part], rtol=1e-7, atol=1e-10
        )
    half = stats.norm.ppf(0.975) * np.sqrt(np.diag(cov))
    np.testing.assert_allclose(update.frame["estimate"], mode, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(update.frame["conf_high"] - update.frame["estimate"], half, rtol=1e-7)


def test_groups_given_together_or_apart_are_alike() -> None:
    fit = fitted("slopes")
    rows = new_rows_of()
    together = fit.update_group(rows).frame
    apart = pd.concat([fit.update_group(part).frame for _, part in rows.groupby("g")], ignore_index=True)
    pd.testing.assert_frame_equal(together, apart, rtol=1e-12)
    assert together["level"].tolist() == ["new 1", "new 1", "new 2", "new 2"]
    shuffled = fit.update_group(rows.sample(frac=1, random_state=1)).frame
    pd.testing.assert_frame_equal(together, shuffled, rtol=1e-12)


def test_many_outcomes_leave_only_the_uncertainty_of_the_fixed_effects() -> None:
    fit = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff())
    rows = pd.DataFrame({"Yield": np.full(2_000_000, 1600.0), "Batch": "new"})
    update = fit.update_group(rows)
    assert update.random_effects["Batch"].iloc[0, 0] == pytest.approx(1600 - fit.params.iloc[0], rel=1e-5)
    assert update.frame["std_error"].iloc[0] == pytest.approx(fit.bse.iloc[0], rel=1e-4)


def test_rows_of_known_groups_are_refused() -> None:
    fit = fitted("slopes")
    rows = new_rows_of().assign(g=["new", "a", "new", "b", "new", "new", "new"])
    with pytest.raises(
        mw.DataError, match=r"2 rows, the first of them row 2 \(counted from 1\), have only levels"
    ):
        fit.update_group(rows)
    with pytest.raises(mw.DataError, match="no column 'y'"):
        fit.update_group(new_rows_of().drop(columns="y"))
    with pytest.raises(mw.DataError, match="no row of the new data is complete"):
        fit.update_group(new_rows_of().assign(y=np.nan))
    with pytest.raises(mw.DataError, match="y"):
        fit.update_group(new_rows_of().assign(y=np.inf))
    one_missing = new_rows_of()
    one_missing.loc[0, "y"] = np.nan
    pd.testing.assert_frame_equal(
        fit.update_group(one_missing).frame, fit.update_group(one_missing.iloc[1:]).frame
    )


# ---- coverage


@pytest.mark.slow
def test_intervals_cover_what_they_say() -> None:
    """95% intervals, 1500 data sets: three standard errors of the share are 1.7 points."""
    rng = np.random.default_rng(11)
    n_groups, n_times, replicates = 14, 5, 1500
    t = np.tile(np.arange(n_times, dtype=float), n_groups)
    g = np.repeat(np.arange(n_groups), n_times)
    root = np.array([[1.0, 0.0], [0.3, 0.4]])
    at = {"t": [6.0], "g": [0]}
    covered = {key: 0 for key in ("population", "new member", "known mean", "known observation")}
    for _ in range(replicates):
        b = rng.normal(size=(n_groups + 1, 2)) @ root.T
        y = 2 + 0.5 * t + b[g, 0] + b[g, 1] * t + rng.normal(size=len(t))
        fit = mw.lmer("y ~ t + (t | g)", {"y": y, "t": t, "g": g})
        truth = 2 + 0.5 * 6
        known = truth + b[0] @ [1, 6]
        values = {
            "population": (fit.predict(at, random=False, interval="confidence"), truth),
            "new member": (
                fit.predict(at, random=False, interval="prediction"),
                truth + b[-1] @ [1, 6] + rng.normal(),
            ),
            "known mean": (fit.predict(at, interval="confidence"), known),
            "known observation": (fit.predict(at, interval="prediction"), known + rng.normal()),
        }
        for key, (found, value) in values.items():
            covered[key] += bool(found["conf_low"].iloc[0] <= value <= found["conf_high"].iloc[0])
    share = {key: count / replicates for key, count in covered.items()}
    for key in ("population", "new member", "known observation"):
        assert 0.93 <= share[key] <= 0.97, share
    # Satterthwaite's variance leaves out that the weights of the mode are estimated: a little short.
    assert 0.90 <= share["known mean"] <= 0.97, share


@pytest.mark.slow
def test_interval_of_a_new_group_covers_when_variances_are_known_well() -> None:
    """Variances are held: 100 groups, 1000 data sets."""
    rng = np.random.default_rng(12)
    g = np.repeat(np.arange(100), 4)
    covered = 0
    for _ in range(1000):
        b = rng.normal(size=101)
        fit = mw.lmer("y ~ 1 + (1 | g)", {"y": b[g] + rng.normal(size=400), "g": g})
        rows = {"y": b[100] + rng.normal(size=3), "g": [100] * 3}
        found = fit.update_group(rows).frame.iloc[0]
        covered += bool(found["conf_low"] <= b[100] <= found["conf_high"])
    assert 0.93 <= covered / 1000 <= 0.97
