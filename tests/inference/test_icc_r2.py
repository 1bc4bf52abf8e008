"""Shares of variance: Johnson's formula by hand, and identities; R's numbers are in another file."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

import mixwell as mw
import oracle
from mixwell.design.record import Design
from mixwell.errors import SingularFitWarning
from reference_cases import Case, cases, covariance_terms, file_cases, frame_of
from small_models import fitted, grouped

# performance leaves out slopes written as terms of their own, and slopes without a column of the fixed part.
DIFFERS = {"sleep_diag_reml", "sleep_poly_ml", "ratpup_slope_corr_reml", "ratpup_slope_uncorr_reml"}
CASES = [case for case in cases().values() if "performance" in case.results]


def fit_of(case: Case) -> mw.LmerResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mw.lmer(case.formula, case.frame, **case.arguments)


def test_cases_without_an_icc_in_r_are_the_singular_ones() -> None:
    """Elsewhere the comparison with R would pass by comparing nothing."""
    without = {case.id for case in CASES if "icc" not in case.results["performance"]}
    assert all(cases()[name].results["isSingular"] for name in without)


@pytest.mark.parametrize("name", sorted(DIFFERS))
def test_slopes_follow_johnsons_formula_where_r_leaves_them_out(name: str) -> None:
    """Mean over rows of z' Sigma z, row by row, from R's covariance matrices and fixed effects."""
    case = cases()[name]
    fit = fit_of(case)
    design = fit.design
    random = 0.0
    for term, (_, _, covariance) in zip(design.terms, covariance_terms(case.results), strict=True):
        rows = np.column_stack(term.columns)
        random += float(np.mean([z @ covariance @ z for z in rows]))
    fixed = np.var(design.x @ np.array(list(case.results["fixef"].values())), ddof=1)
    residual = case.results["sigma"] ** 2
    assert fit.icc().adjusted == pytest.approx(random / (random + residual), rel=2e-5)
    assert fit.icc().conditional == pytest.approx(random / (random + fixed + residual), rel=2e-5)
    assert fit.r2().marginal == pytest.approx(fixed / (random + fixed + residual), rel=2e-5)
    assert fit.r2().conditional == pytest.approx(1 - residual / (random + fixed + residual), rel=2e-5)


@pytest.mark.parametrize("name", ["slopes", "crossed", "independent", "nested"])
def test_shares_add_up(name: str) -> None:
    fit = fitted(name)
    icc, r2, table = fit.icc(), fit.r2(), fit.variance_decomposition()
    assert sum(icc.by_factor.values()) == pytest.approx(icc.adjusted, rel=1e-12)
    assert r2.conditional - r2.marginal == pytest.approx(icc.conditional, rel=1e-12)
    assert table["percent"].sum() == pytest.approx(100, rel=1e-12)
    assert table["percent_random"].iloc[1:].sum() == pytest.approx(100, rel=1e-12)
    assert table["percent"].iloc[0] == pytest.approx(100 * r2.marginal, rel=1e-12)
    assert table["source"].tolist() == ["Fixed effects", *fit.ngroups, "Residual"]


def test_shares_do_not_depend_on_units_and_origin() -> None:
    data = grouped()
    moved = data.assign(x=100 * data["x"] - 7, y=1e3 * data["y"])
    one, other = (mw.lmer("y ~ x + (x | g)", d) for d in (data, moved))
    assert other.icc().adjusted == pytest.approx(one.icc().adjusted, rel=1e-7)
    assert other.r2().marginal == pytest.approx(one.r2().marginal, rel=1e-7)


def test_reliability_of_balanced_intercepts_is_spearman_brown() -> None:
    """n rho / (1 + (n - 1) rho) with the intraclass correlation rho and n per group, by ML with mean known.

    lme4's conditional variances hold beta at its estimate, so the formula is exact.
    """
    fit = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff())
    rho = fit.icc().adjusted
    np.testing.assert_allclose(fit.reliability()["Batch"]["(Intercept)"], 5 * rho / (1 + 4 * rho), rtol=1e-9)


def test_reliability_has_a_frame_per_factor_and_refuses_zero_variances() -> None:
    frames = fitted("slopes").reliability()
    assert list(frames) == ["g"]
    assert frames["g"].shape == (8, 2)
    assert ((frames["g"] > 0) & (frames["g"] < 1)).all(axis=None)
    with pytest.warns(SingularFitWarning):
        flat = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff2())
    with pytest.raises(mw.ModelError, match="'Batch' is not defined: its variance is estimated as zero"):
        flat.reliability()


def test_profile_interval_of_balanced_data_is_the_likelihood_of_the_ratio() -> None:
    """By ML the ends are where the dense likelihood, maximized over mean and scale, drops by z^2 / 2."""
    data = mw.datasets.load_dyestuff()
    fit = mw.lmer("Yield ~ 1 + (1 | Batch)", data, reml=False)
    y = data["Yield"].to_numpy(float)
    same = (data["Batch"].to_numpy()[:, None] == data["Batch"].to_numpy()[None, :]) * 1.0

    def criterion(icc: float) -> float:
        v = icc * same + (1 - icc) * np.eye(30)
        ones = np.ones(30)
        w = np.linalg.solve(v, np.column_stack([ones, y]))
        r = y - ones * (ones @ w[:, 1]) / (ones @ w[:, 0])
        scale = r @ np.linalg.solve(v, r) / 30
        return float(30 * np.log(2 * np.pi * scale) + np.linalg.slogdet(v)[1] + 30)

    icc = fit.icc("profile", level=0.9)
    for end in (icc.conf_low, icc.conf_high):
        assert end is not None
        if end > 0:
            assert criterion(end) - fit.criterion == pytest.approx(1.6448536269514722**2, abs=1e-6)
    assert icc.conf_low is not None
    assert icc.conf_high is not None
    assert icc.conf_low < icc.adjusted < icc.conf_high
    assert fit.icc("profile", level=0.999).conf_low == 0.0


@pytest.mark.parametrize(
    "case", [c for c in file_cases("variance") if "icc_by_group" in c["results"]], ids=lambda c: c["id"]
)
def test_icc_by_factor_matches_performance(case: dict[str, Any]) -> None:
    fit = mw.lmer(case["formula"], frame_of(case))
    wanted = {":".join(sorted(k.split(":"))): v for k, v in case["results"]["icc_by_group"].items()}
    found = {":".join(sorted(k.split(":"))): v for k, v in fit.icc().by_factor.items()}
    assert found == pytest.approx(wanted, rel=1e-5)


def share(design: Design, theta: Any, factor: int | None) -> float:
    """tr Z_f Sigma Z_f' over n, of one factor or all, over that of all and the residual."""
    parts = {}
    for term, t in zip(design.terms, oracle.relative_factors(design, theta), strict=True):
        z = np.column_stack(term.columns) @ t
        parts[term.factor] = parts.get(term.factor, 0.0) + float(np.mean(np.sum(z**2, axis=1)))
    top = sum(parts.values()) if factor is None else parts[factor]
    return top / (1 + sum(parts.values()))


@pytest.mark.parametrize(
    ("formula", "reml", "factor"),
    [
        ("y ~ x + (1 | g) + (1 | h)", True, "h"),
        ("y ~ x + (1 | g) + (1 | h)", False, None),
        ("y ~ x + (x | g)", True, None),
        ("y ~ x + (x || g) + (1 | h)", True, "g"),
    ],
)
def test_profile_intervals_are_those_of_the_constrained_dense_likelihood(
    formula: str, reml: bool, factor: str | None
) -> None:
    """At each end the dense criterion, minimized with the share held by Lagrange's method, is z^2 above."""
    fit = mw.lmer(formula, grouped(), reml=reml)
    icc = fit.icc("profile", level=0.9)
    assert icc.by_factor_interval is not None
    ends = icc.interval if factor is None else icc.by_factor_interval[factor]
    estimate = icc.adjusted if factor is None else icc.by_factor[factor]
    assert ends is not None
    assert ends[0] < estimate < ends[1]
    number = None if factor is None else [f.name for f in fit.design.factors].index(factor)
    for end in ends:
        if end == 0:
            continue
        lowest = minimize(
            lambda theta: oracle.criterion(fit.design, theta, reml=reml),
            fit.fit.theta,
            jac=lambda theta: oracle.gradient(fit.design, theta, reml=reml),
            constraints={"type": "eq", "fun": lambda t, end=end: share(fit.design, t, number) - end},
            method="SLSQP",
            options={"ftol": 1e-9, "maxiter": 60},
        ).fun
        assert lowest - fit.criterion == pytest.approx(1.6448536269514722**2, abs=2e-4)


def test_profile_interval_of_a_single_factor_is_that_of_the_whole() -> None:
    icc = fitted("slopes").icc("profile")
    assert icc.by_factor_interval == {"g": icc.interval}
    assert (icc.conf_low, icc.conf_high) == icc.interval
    assert icc.conditional_interval is None


def test_profile_interval_of_no_variance_starts_at_zero() -> None:
    with pytest.warns(SingularFitWarning):
        flat = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff2())
    icc = flat.icc("profile")
    assert icc.conf_low == 0.0
    assert 0 < icc.conf_high < 1  # type: ignore[operator]


@pytest.mark.parametrize("name", ["slopes", "nested", "weights, offset", "crossed"])
def test_bootstrap_intervals_are_quantiles_of_the_shares_of_refits(name: str) -> None:
    """Collected without a record of each refit: the numbers of icc() and r2() of that refit."""
    fit = fitted(name)

    def shares(refit: mw.LmerResult) -> list[float]:
        icc, r2 = refit.icc(), refit.r2()
        return [icc.adjusted, icc.conditional, *icc.by_factor.values(), r2.marginal, r2.conditional]

    icc, r2 = fit.icc("bootstrap", n=60, seed=3), fit.r2("bootstrap", n=60, seed=3)
    assert icc.by_factor_interval is not None
    found = [icc.interval, icc.conditional_interval, *icc.by_factor_interval.values()]
    found += [r2.marginal_interval, r2.conditional_interval]
    expected = fit.bootstrap(60, statistic=shares, seed=3).interval()
    np.testing.assert_allclose(np.array(found), np.array(expected), rtol=1e-4, atol=1e-6)


def test_intervals_are_printed_beside_what_they_belong_to() -> None:
    fit = fitted("nested")
    found = fit.icc("bootstrap", n=60, seed=1)
    lines = str(found).removesuffix(found.note).splitlines()
    assert [line.split("  ")[0].strip() or line.split()[0] for line in lines] == [
        "ICC adjusted",
        "ICC conditional",
        "h:g",
        "h",
    ]
    assert all(line.endswith("]") for line in lines)
    assert len({line.index("[") for line in lines}) == 1
    assert str(fit.icc("profile")).splitlines()[1].endswith(f"{fit.icc().conditional:.4f}")
    assert "[" not in str(fit.icc())
    assert str(fit.r2("bootstrap", n=60, seed=1)).count("[") == 2


def test_intervals_that_do_not_exist() -> None:
    with pytest.raises(mw.MixwellError, match="there are 'profile', 'bootstrap'"):
        fitted("slopes").icc("wald")  # type: ignore[arg-type]
    with pytest.raises(mw.MixwellError, match="there is 'bootstrap'"):
        fitted("slopes").r2("profile")  # type: ignore[arg-type]
    with pytest.raises(mw.MixwellError, match="level"):
        fitted("slopes").icc("profile", level=95)
    with pytest.raises(mw.DataError, match="at least 2"):
        fitted("slopes").icc("bootstrap", n=1)


# ---- variance inflation


def test_vif_of_single_columns_is_one_over_one_minus_r_squared() -> None:
    """With a random part that explains nothing, the VIF is that of least squares."""
    rng = np.random.default_rng(3)
    data = grouped().assign(z=lambda d: d["x"] + rng.normal(size=90), y=rng.normal(size=90))
    data["y"] -= data.groupby("g")["y"].transform("mean")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mw.lmer("y ~ x + z + o + (1 | g)", data)
    assert fit.fit.theta[0] < 1e-6
    table = fit.vif().set_index("term")
    for name, others in (("x", ["z", "o"]), ("z", ["x", "o"]), ("o", ["x", "z"])):
        design = np.column_stack([np.ones(90), data[others]])
        rest = data[name] - design @ np.linalg.lstsq(design, data[name], rcond=None)[0]
        expected = np.sum((data[name] - data[name].mean()) ** 2) / np.sum(rest**2)
        assert table.loc[name, "gvif"] == pytest.approx(expected, rel=1e-8)


def test_gvif_does_not_depend_on_the_coding() -> None:
    main = [
        mw.lmer("y ~ x + o + arm + (1 | g)", grouped(), contrasts={"arm": kind}).vif()
        for kind in ("treatment", "sum", "helmert")
    ]
    assert main[0]["df"].tolist() == [1, 1, 2]
    for other in main[1:]:
        np.testing.assert_allclose(other["gvif"], main[0]["gvif"], rtol=1e-8)
    np.testing.assert_allclose(
        main[0]["gvif_per_df"], main[0]["gvif"] ** (1 / (2 * main[0]["df"])), rtol=1e-12
    )


def test_vif_needs_two_terms() -> None:
    with pytest.raises(mw.ModelError, match="1 besides the intercept"):
        mw.lmer("y ~ x + (1 | g)", grouped()).vif()
