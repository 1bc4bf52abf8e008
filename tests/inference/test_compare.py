"""Comparison of models: nesting, refits, refusals, boundary p-values."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.special import chdtrc

import mixwell as mw
from mixwell.inference import information, nesting
from mixwell.inference.chi_bar import boundary_p_value
from mixwell.inference.nesting import random_nesting
from reference_cases import file_cases, frame_of
from small_models import fitted, grouped


def quiet(formula: str, data: Any = None, **options: Any) -> mw.LmerResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mw.lmer(formula, grouped() if data is None else data, **options)


# ---- mw.anova


def test_reml_criteria_are_compared_where_the_fixed_parts_agree() -> None:
    small, large = quiet("y ~ x + arm + (1 | g)"), quiet("y ~ x + arm + (x | g)")
    table = mw.anova(large, small)
    assert table["method"].tolist() == ["REML", "REML"]
    assert table["npar"].tolist() == [6, 8]
    assert table["lrt"].iloc[1] == pytest.approx(small.criterion - large.criterion, abs=1e-12)
    lrt = table["lrt"].iloc[1]
    assert table["p_value"].iloc[1] == pytest.approx((chdtrc(1, lrt) + chdtrc(2, lrt)) / 2, rel=1e-12)
    assert table["p_naive"].iloc[1] == pytest.approx(chdtrc(2, lrt), rel=1e-12)


def test_reml_fits_are_refitted_by_ml_where_the_fixed_parts_differ() -> None:
    small, large = quiet("y ~ x + (x | g)"), quiet("y ~ x * arm + (x | g)")
    table = mw.anova(small, large)
    by_ml = [quiet(fit.formula, reml=False) for fit in (small, large)]
    assert table["method"].tolist() == ["ML (refitted)"] * 2
    assert "refitted by maximum likelihood" in table.note
    np.testing.assert_allclose(table["deviance"], [fit.criterion for fit in by_ml], rtol=0, atol=1e-7)
    np.testing.assert_allclose(table["bic"], [fit.bic for fit in by_ml], rtol=0, atol=1e-7)
    assert table["p_value"].iloc[1] == table["p_naive"].iloc[1]


def test_one_ml_fit_among_reml_fits_makes_all_ml() -> None:
    table = mw.anova(quiet("y ~ x + (1 | g)"), quiet("y ~ x + (x | g)", reml=False))
    assert table["method"].tolist() == ["ML (refitted)", "ML"]
    assert (
        "1 of 2 models were refitted by maximum likelihood, since a REML criterion and a like" in table.note
    )


def test_order_of_models_and_coding_of_factors_do_not_matter() -> None:
    small = quiet("y ~ x + (1 | g)", reml=False)
    for coding in ("treatment", "sum", "helmert"):
        large = quiet("y ~ x * arm + (1 | g)", reml=False, contrasts={"arm": coding})
        for order in ((small, large), (large, small)):
            row = mw.anova(*order).iloc[1]
            assert row["df"] == 4
            assert row["lrt"] == pytest.approx(small.criterion - large.criterion, abs=1e-7)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("y ~ x + (1 | g)", "y ~ arm + (1 | g)"),
        ("y ~ x + (1 | g)", "y ~ x + (1 | h) + (0 + x | h)"),
        ("y ~ x + (0 + x | g)", "y ~ arm + (x | h) + (x | g)"),
        ("y ~ x + (0 + arm | g)", "y ~ x + o + (x | g)"),
        ("y ~ x + (1 | g)", "y ~ x + (1 | h)"),
        ("y ~ x + (1 | g:h)", "y ~ x + (arm | g)"),
    ],
)
def test_models_that_are_not_nested_get_criteria_only(one: str, other: str) -> None:
    fits = quiet(one, reml=False), quiet(other, reml=False)
    table = mw.anova(*fits)
    assert table[["lrt", "df", "p_value", "p_naive"]].isna().all(axis=None)
    assert table[["aic", "aicc", "bic"]].notna().all(axis=None)
    assert "Not nested" in table.note


@pytest.mark.parametrize(
    ("small", "large", "n_boundary"),
    [
        ("(1 | g)", "(x | g)", (1,)),
        ("(0 + x | g)", "(x | g)", (1,)),
        ("(1 | g) + (0 + x | g)", "(x | g)", (0,)),
        ("(x || g)", "(x | g)", (0,)),
        ("(1 | g)", "(0 + arm | g)", (2,)),
        ("(1 | g)", "(arm | g)", (2,)),
        ("(1 | g)", "(1 | g) + (1 | h)", (0, 1)),
        ("(1 | h)", "(x | g) + (1 | h)", (2, 0)),
        ("(1 | g)", "(x + arm | g)", (3,)),
        ("(1 | g:arm)", "(0 + arm | g)", (0,)),
        ("(1 | g) + (1 | arm:g)", "(arm | g)", (0,)),
        ("(1 | g:arm)", "(x + arm | g)", (1,)),
    ],
)
def test_variances_on_the_boundary_are_counted(small: str, large: str, n_boundary: tuple[int, ...]) -> None:
    fits = [quiet(f"y ~ x + {random}", reml=False) for random in (small, large)]
    nesting = random_nesting(fits[0].design, fits[1].design)
    assert nesting is not None
    assert nesting.n_boundary == n_boundary
    assert random_nesting(fits[1].design, fits[0].design) is None
    # The covariance of the rows is the same, written with either model's columns.
    covariances = nesting.embedded(fits[0].fit.term_cov)
    for term, covariance in enumerate(covariances):
        host = fits[1].design.terms[term]
        z = np.column_stack(host.columns)
        expected = np.zeros((len(z), len(z)))
        for i, j in enumerate(nesting.within):
            if j == term:
                expected += covariance_of_rows(fits[0], i)
        same = host_rows(fits[1], term)
        np.testing.assert_allclose(
            same * (z @ covariance @ z.T), expected, atol=1e-9 * (1 + abs(expected).max())
        )


def host_rows(fit: mw.LmerResult, term: int) -> Any:
    """1 where two rows share a level of the term's factor."""
    codes = fit.design.factors[fit.design.terms[term].factor].codes
    return (codes[:, None] == codes[None, :]) * 1.0


def covariance_of_rows(fit: mw.LmerResult, term: int) -> Any:
    z = np.column_stack(fit.design.terms[term].columns)
    return host_rows(fit, term) * (z @ fit.fit.term_cov[term] @ z.T)


@pytest.mark.parametrize(
    ("small", "large", "df"),
    [
        ("y ~ x + arm", "y ~ x * arm", 2),
        ("y ~ x", "y ~ poly(x, 2)", 1),
        ("y ~ year", "y ~ poly(year, 3)", 2),
        ("y ~ year", "y ~ year + I(year^2)", 1),
        ("y ~ poly(year, 2)", "y ~ year + I(year^2) + arm", 2),
        ("y ~ I(2 * x - 5)", "y ~ x + o", 1),
        ("y ~ 1", "y ~ 0 + arm", 2),
        ("y ~ arm:x", "y ~ arm * x", 2),
        ("y ~ I(arm == 'mid')", "y ~ arm", 1),
    ],
)
def test_nesting_is_that_of_column_spaces(small: str, large: str, df: int) -> None:
    data = grouped().assign(year=lambda d: 2000 + np.arange(90) % 21)
    fits = [quiet(f"{text} + (1 | g)", data, reml=False) for text in (large, small)]
    row = mw.anova(*fits).iloc[1]
    assert row["df"] == df
    assert row["lrt"] == pytest.approx(fits[1].criterion - fits[0].criterion, abs=1e-6)


def test_columns_are_looked_for_in_long_data_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some rows first, then all: a column that leaves the span in a single row is found out."""
    rng = np.random.default_rng(1)
    basis = rng.normal(size=(30_000, 3))
    inside = basis @ rng.normal(size=(3, 2))
    np.testing.assert_allclose(basis @ nesting.coefficients_in_span(basis, inside), inside, atol=1e-9)
    copies = nesting.coefficients_in_span(basis, basis[:, [2, 0]])
    np.testing.assert_array_equal(copies, np.eye(3)[:, [2, 0]])
    for row in (0, 1, 29_999):
        outside = inside.copy()
        outside[row, 1] += 1.0
        assert nesting.coefficients_in_span(basis, outside) is None
    calls = []
    monkeypatch.setattr(nesting.np.linalg, "lstsq", lambda *a, **k: calls.append(len(a[0])) or lstsq(*a, **k))
    assert nesting.coefficients_in_span(basis, rng.normal(size=(30_000, 1))) is None
    assert calls == [5000]


lstsq = np.linalg.lstsq


def test_identical_models_in_other_columns_are_not_tested() -> None:
    table = mw.anova(quiet("y ~ x + (0 + arm | g)"), quiet("y ~ x + (arm | g)"))
    assert "The same model, if in other words: 'y ~ x + (arm | g)' and 'y ~ x + (0 + arm | g)'." in table.note
    assert "Not nested" not in table.note
    assert table["deviance"].iloc[0] == pytest.approx(table["deviance"].iloc[1], abs=1e-7)
    assert np.isnan(table["p_value"].iloc[1])


def test_offsets_and_weights_count() -> None:
    plain = quiet("y ~ arm + (1 | g)", reml=False)
    with_offset = quiet("y ~ arm + x + (1 | g)", reml=False, offset="o")
    assert np.isnan(mw.anova(plain, with_offset)["p_value"].iloc[1])
    # An offset that is a column of the large model does nest the small one.
    as_column = quiet("y ~ arm + o + (1 | g)", reml=False)
    fixed_slope = quiet("y ~ arm + (1 | g)", reml=False, offset="o")
    assert mw.anova(fixed_slope, as_column)["df"].iloc[1] == 1
    weighted = quiet("y ~ arm + x + (1 | g)", reml=False, weights="w")
    table = mw.anova(plain, weighted)
    assert np.isnan(table["p_value"].iloc[1])
    assert "With different weights, to be compared by information criteria only" in table.note
    assert "Not nested" not in table.note


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.iloc[:-3], "90 and 87 rows"),
        (lambda d: d.assign(y=d["y"] + (np.arange(90) < 4)), "differs in 4 of 90 rows"),
        (lambda d: d.assign(x=d["x"].where(np.arange(90) > 1)), r"90 and 88 rows \(missing values in x: 2\)"),
        (lambda d: d.sample(frac=1, random_state=1), r"response y differs in [0-9]+ of 90 rows.*same order"),
        (lambda d: d.assign(x=d["x"].where(np.arange(90) > 0, 7.0)), "data differ in x, in 1 of 90 rows"),
        (lambda d: d.assign(x=d["x"].sample(frac=1, random_state=1).to_numpy()), "data differ in x"),
        (lambda d: d.assign(g=d["g"].sample(frac=1, random_state=1).to_numpy()), "data differ in g"),
        (
            lambda d: d.assign(arm=d["arm"].replace({"low": "mid", "mid": "low"})),
            r"data differ in arm, in [0-9]+ of 90 rows",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_different_data_are_refused(change: Any, message: str) -> None:
    data = grouped()
    fits = quiet("y ~ x + arm + (1 | g)", data), quiet("y ~ x + arm + (x | g)", change(data))
    for call in (lambda: mw.anova(*fits), lambda: mw.compare(fits)):
        with pytest.raises(mw.DataError, match=message):
            call()


def test_rows_that_differ_though_as_many_are_named() -> None:
    data = grouped()
    data.loc["row 3", "x"] = np.nan
    data.loc["row 4", "o"] = np.nan
    with pytest.raises(mw.DataError, match=r"different rows of the data \(missing values in x: 1, o: 1\)"):
        mw.anova(quiet("y ~ x + (1 | g)", data), quiet("y ~ o + (1 | g)", data))


def test_other_labels_and_columns_that_are_not_shared_are_no_other_data() -> None:
    data = grouped()
    relabelled = data.assign(g=data["g"].str.upper(), h=data["h"].sample(frac=1, random_state=2).to_numpy())
    table = mw.anova(quiet("y ~ x + (1 | g)", data), quiet("y ~ x + (x | g)", relabelled))
    assert table["df"].iloc[1] == 2
    as_category = data.assign(x=pd.Categorical(np.round(data["x"]).astype(int).astype(str)))
    mw.compare([quiet("y ~ x + (1 | g)", data), quiet("y ~ x + (1 | g)", as_category)])


def test_different_responses_are_refused() -> None:
    with pytest.raises(mw.DataError, match=r"responses are y and I\(y"):
        mw.anova(quiet("y ~ x + (1 | g)"), quiet("I(y / 2) ~ x + (x | g)"))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("log(w)", "I(log(w))"),
        ("log(w)", "np.log(w)"),
        ("log10(w)", "log(w, 10)"),
        ("log(w + 1)", "log1p(w)"),
        ("sqrt(w)", "w^0.5"),
        ("w", "I(w)"),
    ],
)
def test_one_response_in_two_spellings_is_one(first: str, second: str) -> None:
    table = mw.anova(quiet(f"{first} ~ x + (1 | g)"), quiet(f"{second} ~ x + o + (1 | g)"))
    assert table["df"].iloc[1] == 1
    with pytest.raises(mw.DataError, match="their responses are"):
        mw.anova(quiet(f"{first} ~ x + (1 | g)"), quiet(f"exp({second}) ~ x + (1 | g)"))


def test_what_is_no_fit_is_refused() -> None:
    with pytest.raises(mw.DataError, match="2 or more"):
        mw.anova(fitted("slopes"))
    with pytest.raises(mw.DataError, match="one is a str"):
        mw.anova(fitted("slopes"), "y ~ x")  # type: ignore[arg-type]
    with pytest.raises(mw.DataError, match="2 models and 1 names"):
        mw.anova(fitted("slopes"), fitted("slopes"), names=["a"])
    with pytest.raises(mw.DataError, match="given one by one; one is a list"):
        mw.anova([fitted("slopes"), fitted("slopes")])  # type: ignore[arg-type]
    with pytest.raises(mw.DataError, match="a list or a dict of fitted models, not a LmerResult"):
        mw.compare(fitted("slopes"))  # type: ignore[arg-type]
    with pytest.raises(mw.DataError, match="2 or more"):
        mw.compare({"a": fitted("slopes")})


def test_repeated_names_are_numbered() -> None:
    fits = quiet("y ~ x + (1 | g)"), quiet("y ~ x + (x | g)")
    assert mw.anova(*fits, names=["m", "m"])["model"].is_unique
    assert mw.anova(fits[0], fits[0])["model"].is_unique


def test_a_model_that_fits_worse_than_one_within_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = quiet("y ~ x + (1 | g)"), quiet("y ~ x + (x | g)")
    assert "fits worse" not in mw.anova(small, large).note
    stuck = type(large)(large.design, replace(large.fit, criterion=small.criterion + 0.01), large.control)
    for table in (mw.anova(small, stuck), mw.compare([small, stuck])):
        assert "'y ~ x + (x | g)' fits worse than 'y ~ x + (1 | g)', which it contains" in table.note
        assert table["lrt"].iloc[1] == 0


# ---- other null distributions


def test_bootstrap_of_fixed_effects_matches_pbkrtest() -> None:
    """4 Monte Carlo errors of 2000 draws there and 4000 here."""
    (case,) = file_cases("variance", "bootstraps")
    frame, wanted = frame_of(case), case["results"]
    fits = [quiet(case[name], frame) for name in ("small", "large")]
    row = mw.anova(*fits, method="bootstrap", n=4000, seed=1).iloc[1]
    assert row["lrt"] == pytest.approx(wanted["statistic"], abs=1e-5)
    assert row["df"] == wanted["df"]
    assert row["p_naive"] == pytest.approx(wanted["p_naive"], rel=1e-4)
    error = np.sqrt(wanted["p"] * (1 - wanted["p"]) * (1 / wanted["nsim"] + 1 / 4000))
    assert row["p_value"] == pytest.approx(wanted["p"], abs=4 * error)
    # By ML the naive one is too small here.
    assert row["p_value"] > row["p_naive"] + 0.02


def test_bootstrap_of_several_variances_agrees_with_the_mixture() -> None:
    """Two variances and a covariance in 60 groups: the asymptotic weights serve; 4 Monte Carlo errors."""
    rng = np.random.default_rng(8)
    data = pd.DataFrame({"g": np.repeat(np.arange(60), 6), "x": np.tile(np.arange(6.0) - 2.5, 60)})
    data["h"] = rng.integers(0, 12, 360)
    data["y"] = rng.normal(size=360) + 0.22 * rng.normal(size=60)[data["g"]] + rng.normal(size=12)[data["h"]]
    fits = [quiet(f"y ~ x + {random}", data) for random in ("(1 | h)", "(1 | h) + (x | g)")]
    mixture, boot = (mw.anova(*fits, method=m, n=3000, seed=2).iloc[1] for m in ("mixture", "bootstrap"))  # type: ignore[arg-type]
    assert mixture["p_naive"] == boot["p_naive"] > mixture["p_value"] * 1.2
    p = mixture["p_value"]
    assert 0.005 < p < 0.5
    assert boot["p_value"] == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / 3000) + 0.01)


def test_exact_test_of_two_models_is_that_of_ranova() -> None:
    fits = quiet("y ~ x + (1 | g)"), quiet("y ~ x + (1 | g) + (1 | h)")
    pair = mw.anova(*fits, method="exact", n=500, seed=3)
    row = fits[1].ranova("exact", n=500, seed=3).set_index("term").loc["(1 | h)"]
    assert pair["p_value"].iloc[1] == row["p_value"]
    assert "500 draws of the exact null distribution" in pair.note
    with pytest.raises(mw.ModelError, match=r"tested are 2 parameters of \(x \| g\)"):
        mw.anova(fits[0], quiet("y ~ x + (x | g)"), method="exact")
    with pytest.raises(mw.ModelError, match="parameters of the fixed part"):
        mw.anova(fits[0], quiet("y ~ x + arm + (1 | g)"), method="exact")
    with pytest.raises(mw.DataError, match="'mixture', 'bootstrap', 'exact'"):
        mw.anova(*fits, method="wald")  # type: ignore[arg-type]
    with pytest.raises(mw.DataError, match="n, the number of draws"):
        mw.anova(*fits, method="bootstrap", n=0)


# ---- mw.compare


def test_compare_holds_every_criterion_and_weights_sum_to_one() -> None:
    fits = {name: quiet(f"y ~ {name} + (1 | g)", reml=False) for name in ("1", "x", "arm", "x + arm")}
    table = mw.compare(fits)
    assert table["model"].tolist() == list(fits)
    for column in ("aic", "aicc", "bic", "criterion"):
        np.testing.assert_allclose(table[column], [getattr(fit, column) for fit in fits.values()], rtol=1e-12)
    assert table["weight"].sum() == pytest.approx(1, abs=1e-12)
    ratio = math.exp((table["aic"].iloc[0] - table["aic"].iloc[1]) / 2)
    assert table["weight"].iloc[1] / table["weight"].iloc[0] == pytest.approx(ratio, rel=1e-9)
    assert table["against"].isna().tolist() == [True, False, False, False]
    assert table["against"].tolist()[1:] == ["1", "1", "arm"]
    assert table["df"].tolist()[1:] == [1, 2, 1]
    assert "AIC" in table.note
    assert table.note in str(table).replace("\n", " ")


def test_polars_in_polars_out() -> None:
    data = pl.from_pandas(grouped().reset_index(drop=True))
    fits = [quiet(f"y ~ x + {random}", data) for random in ("(1 | g)", "(x | g)")]
    assert isinstance(mw.anova(*fits), pl.DataFrame)
    assert isinstance(mw.compare(fits), pl.DataFrame)
    assert isinstance(mw.anova(*(quiet(fit.formula) for fit in fits)), pd.DataFrame)


# ---- mixtures of chi-squares


def mixture(x: float, weights: list[float]) -> float:
    return sum(w * chdtrc(df, x) for df, w in enumerate(weights) if df > 0)


@pytest.mark.parametrize("x", [0.5, 3.0, 12.0, 60.0])
def test_two_independent_variances_have_binomial_weights(x: float) -> None:
    """Self & Liang (1987), case 7 with uncorrelated estimates: 1/4, 1/2, 1/4."""
    p = boundary_p_value(x, 2, [1, 1], np.diag([2.0, 0.3]))
    assert p == pytest.approx(mixture(x, [0.25, 0.5, 0.25]), rel=0.03)


@pytest.mark.parametrize("rho", [-0.6, 0.5])
def test_two_correlated_variances_have_the_weights_of_their_angle(rho: float) -> None:
    """Self & Liang (1987), case 7: the cone's angle is arccos of the correlation, turned to the metric."""
    inside = math.acos(-rho) / (2 * math.pi)
    p = boundary_p_value(4.0, 2, [1, 1], np.array([[1.0, rho], [rho, 1.0]]))
    assert p == pytest.approx(mixture(4.0, [0.5 - inside, 0.5, inside]), rel=0.03)


@pytest.mark.parametrize("x", [1.0, 6.0, 40.0])
def test_a_matrix_of_two_variances_has_the_weights_of_a_circular_cone(x: float) -> None:
    """2 x 2 semidefinite matrices form a circular cone of half-angle 45 degrees in the Frobenius metric."""
    half = math.sqrt(2) / 4
    covariance = np.diag([1.0, 0.5, 1.0])
    p = boundary_p_value(x, 3, [2], covariance)
    assert p == pytest.approx(mixture(x, [0.5 - half, half, half, 0.5 - half]), rel=0.03)


def test_projection_does_not_depend_on_the_scale_of_the_columns() -> None:
    a = np.diag([1.0, 0.5, 1.0]) + 0.2
    scale = np.array([1.0, 1e3, 1e6])
    p = boundary_p_value(5.0, 5, [2], a)
    assert boundary_p_value(5.0, 5, [2], a * np.outer(scale, scale)) == pytest.approx(p, rel=1e-6)


def test_no_statistic_no_evidence_and_tiny_tails_survive() -> None:
    assert boundary_p_value(0.0, 1, [1]) == 1.0
    assert boundary_p_value(1200.0, 1, [1]) == pytest.approx(chdtrc(1, 1200.0) / 2, rel=1e-12)
    assert 0 < boundary_p_value(1200.0, 2, [1, 1], np.eye(2)) < 1e-250


@pytest.mark.parametrize("name", ["slopes", "independent", "nested", "weights, offset", "category slopes"])
def test_information_matches_dense_traces(name: str) -> None:
    fit = fitted(name)
    design = fit.design
    n = design.n_obs
    w = np.ones(n) if design.weights is None else design.weights
    v = np.diag(fit.sigma**2 / w)
    parts = []
    for term, covariance in zip(design.terms, fit.fit.term_cov, strict=True):
        codes = design.factors[term.factor].codes
        same = codes[:, None] == codes[None, :]
        z = np.column_stack(term.columns)
        v = v + same * (z @ covariance @ z.T)
        for j in range(len(term.names)):
            for i in range(j, len(term.names)):
                direction = np.outer(z[:, i], z[:, j])
                parts.append(same * (direction if i == j else direction + direction.T))
    parts.append(np.diag(1 / w))
    solved = [np.linalg.solve(v, part) for part in parts]
    expected = np.array([[np.trace(a @ b) for b in solved] for a in solved])
    found = information.covariance_information(design, fit.fit.term_cov, fit.sigma)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9 * abs(expected).max())


def test_large_crossed_designs_take_factors_as_uncorrelated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two crossed variances: nearly the p-value of the full covariance."""
    rng = np.random.default_rng(5)
    data = pd.DataFrame(
        {"a": rng.integers(0, 20, 400).astype(str), "b": rng.integers(0, 20, 400).astype(str)}
    )
    data["y"] = rng.normal(size=400) + 0.2 * rng.normal(size=20)[data["a"].astype(int)]
    data["c"] = np.tile(["u", "v", "w", "z"], 100)
    fits = [quiet(f"y ~ 1 + {random}", data) for random in ("(1 | c)", "(1 | a) + (1 | b) + (1 | c)")]
    full = mw.anova(*fits)["p_value"].iloc[1]
    monkeypatch.setattr(information, "DENSE_LIMIT", 10)
    assert mw.anova(*fits)["p_value"].iloc[1] == pytest.approx(full, rel=0.03)
