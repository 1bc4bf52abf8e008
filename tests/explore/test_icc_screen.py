"""Intraclass correlations against published analyses and independent computations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import optimize, stats

import mixwell as mw

# Shrout & Fleiss (1979), Psychological Bulletin 86:420, table 2: six targets, four judges.
RATINGS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float
)


def balanced(y: np.ndarray) -> dict[str, np.ndarray]:
    q, m = y.shape
    return {"y": y.ravel(), "g": np.repeat(np.arange(q), m)}


def test_shrout_and_fleiss() -> None:
    found = mw.icc_screen(balanced(RATINGS), "y", "g").iloc[0]
    # Their table 4 gives .17 for ICC(1, 1); between and within mean squares 11.24 and 6.26 (table 3).
    assert round(found["icc"], 2) == 0.17
    np.testing.assert_allclose(found["f_value"], 11.24 / 6.26, rtol=2e-3)
    assert (found["df1"], found["df2"]) == (5, 18)
    np.testing.assert_allclose(found["p_value"], stats.f.sf(found["f_value"], 5, 18), rtol=1e-10)


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_balanced_interval_is_the_closed_form(level: float) -> None:
    """With F = MSB / MSW and m rows each: (F / F_q - 1) / (F / F_q - 1 + m) at both quantiles."""
    data = mw.datasets.load_dyestuff()
    found = mw.icc_screen(data, "Yield", "Batch", level=level).iloc[0]
    f, m = stats.f_oneway(*(part for _, part in data.groupby("Batch", observed=True)["Yield"]))[0], 5
    np.testing.assert_allclose(found["f_value"], f, rtol=1e-12)
    np.testing.assert_allclose(found["icc"], (f - 1) / (f - 1 + m), rtol=1e-7)
    for name, tail in (("conf_low", (1 + level) / 2), ("conf_high", (1 - level) / 2)):
        ratio = f / stats.f.ppf(tail, 5, 24)
        np.testing.assert_allclose(found[name], (ratio - 1) / (ratio - 1 + m), rtol=1e-9)


def test_dyestuff_variances_are_those_of_the_literature() -> None:
    # Bates et al. (2015) after Davies & Goldsmith (1972): variances 1764.05 and 2451.25.
    found = mw.icc_screen(mw.datasets.load_dyestuff(), "Yield", "Batch").iloc[0]
    np.testing.assert_allclose(found["icc"], 1764.05 / (1764.05 + 2451.25), rtol=1e-7)


def test_unbalanced_interval_solves_walds_equation() -> None:
    """The statistic computed by generalized least squares with dense matrices, inverted by bisection."""
    data = mw.datasets.load_ratpups()
    found = mw.icc_screen(data, "weight", "Litter").iloc[0]
    y = data["weight"].to_numpy()
    z = pd.get_dummies(data["Litter"]).to_numpy(dtype=float)
    n, q = z.shape
    ones = np.ones((n, 1))
    within = y @ y - y @ z @ np.linalg.solve(z.T @ z, z.T @ y)

    def statistic(icc: float) -> float:
        v = np.eye(n) + icc / (1 - icc) * z @ z.T
        solved = np.linalg.solve(v, np.column_stack([y, ones]))
        total = y @ solved[:, 0] - (ones.T @ solved[:, 0]) ** 2 / (ones.T @ solved[:, 1])
        return float((total.item() - within) / (q - 1) / (within / (n - q)))

    for name, tail in (("conf_low", 0.975), ("conf_high", 0.025)):
        target = stats.f.ppf(tail, q - 1, n - q)
        root = optimize.bisect(lambda icc, target=target: statistic(icc) - target, 0.0, 0.99, xtol=1e-12)
        np.testing.assert_allclose(found[name], root, rtol=1e-7)


def test_estimate_is_that_of_the_fitted_model() -> None:
    data = mw.datasets.load_egsingle()
    found = mw.icc_screen(data, "math", ["schoolid", "childid"])
    for row in found.itertuples():
        fit = mw.lmer(f"math ~ 1 + (1 | {row.group})", data)
        between = fit.cov_re[row.group].iloc[0, 0]
        np.testing.assert_allclose(row.icc, between / (between + fit.sigma**2), rtol=1e-8)
    assert found["levels"].tolist() == [60, 1721]


def test_design_effect_is_the_variance_ratio_of_the_mean() -> None:
    data = mw.datasets.load_ratpups()
    found = mw.icc_screen(data, "weight", "Litter").iloc[0]
    z = pd.get_dummies(data["Litter"]).to_numpy(dtype=float)
    correlation = found["icc"] * z @ z.T + (1 - found["icc"]) * np.eye(len(z))
    np.testing.assert_allclose(found["design_effect"], correlation.sum() / len(z), rtol=1e-12)
    np.testing.assert_allclose(found["n_effective"] * found["design_effect"], 322, rtol=1e-12)


def test_no_variance_between_groups() -> None:
    found = mw.icc_screen(mw.datasets.load_dyestuff2(), "Yield", "Batch").iloc[0]
    assert found[["icc", "conf_low", "design_effect"]].tolist() == [0, 0, 1]
    assert 0 < found["conf_high"] < 1
    assert "no more alike" in found["implies"]


def test_invariance_under_shift_scale_and_order() -> None:
    data = mw.datasets.load_ratpups()
    other = data.iloc[::-1].assign(weight=lambda frame: 1e6 + 1e-3 * frame["weight"])
    names = ["icc", "conf_low", "conf_high", "f_value"]
    np.testing.assert_allclose(
        mw.icc_screen(other, "weight", "Litter")[names].astype(float),
        mw.icc_screen(data, "weight", "Litter")[names].astype(float),
        rtol=1e-6,  # 1e6 + 1e-3 x keeps seven digits of x
    )


def test_combinations_and_missing_rows() -> None:
    data = mw.datasets.load_pastes()
    one = mw.icc_screen(data, "strength", ["batch:cask", "sample"])
    assert one["levels"].tolist() == [30, 30]
    np.testing.assert_allclose(one["icc"].iloc[0], one["icc"].iloc[1], rtol=1e-10)
    holed = data.assign(strength=data["strength"].where(data.index != 7))
    assert mw.icc_screen(holed, "strength", "batch")["n"].tolist() == [59]
    assert isinstance(mw.icc_screen(pl.from_pandas(data), "strength", "batch"), pl.DataFrame)


@pytest.mark.parametrize(
    ("data", "y", "groups", "error", "message"),
    [
        ({"y": [1.0, 2, 3], "g": list("aab")}, "z", "g", mw.DataError, "no column 'z'"),
        ({"y": [1.0, 2, 3], "g": list("aab")}, "y", "h", mw.DataError, "no column 'h'"),
        ({"y": [1.0, 2, 3], "g": list("aab")}, "y", [], mw.DataError, "groups is empty"),
        ({"y": list("abc"), "g": list("aab")}, "y", "g", mw.DataError, "text or categorical"),
        ({"y": [1.0, 2, 3], "g": list("aaa")}, "y", "g", mw.ModelError, "only one level"),
        ({"y": [1.0, 2, 3], "g": list("abc")}, "y", "g", mw.ModelError, "one level per row"),
        ({"y": [1.0, 1, 1], "g": list("aab")}, "y", "g", mw.ModelError, "constant"),
        ({"y": [1.0, 1, 2, 2], "g": list("aabb")}, "y", "g", mw.ModelError, "does not vary within"),
    ],
)
def test_refusals(data: object, y: str, groups: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        mw.icc_screen(data, y, groups)  # type: ignore[arg-type]
