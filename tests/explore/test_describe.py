"""Cells of ``describe`` against pandas, its kinds of frames and its refusals."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import stats

import mixwell as mw
from mixwell.text import display_width

RTOL = 1e-12


def pups() -> pd.DataFrame:
    return mw.datasets.load_ratpups()


def test_cells_match_pandas() -> None:
    data = pups()
    found = mw.describe(data, "weight", by=["Treatment", "sex"], margins=False)
    cells = data.groupby(["Treatment", "sex"], observed=False)["weight"]
    expected = pd.DataFrame(
        {
            "n": cells.count(),
            "mean": cells.mean(),
            "sd": cells.std(),
            "se": cells.sem(),
            "median": cells.median(),
            "q1": cells.quantile(0.25),
            "q3": cells.quantile(0.75),
            "iqr": cells.quantile(0.75) - cells.quantile(0.25),
            "min": cells.min(),
            "max": cells.max(),
        }
    ).reset_index()
    assert found["Treatment"].tolist() == expected["Treatment"].astype(str).tolist()
    assert found["sex"].tolist() == expected["sex"].astype(str).tolist()
    for name in ("n", "mean", "sd", "se", "median", "q1", "q3", "iqr", "min", "max"):
        np.testing.assert_allclose(found[name], expected[name], rtol=RTOL, err_msg=name)


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_interval_is_students(level: float) -> None:
    data = pups()
    found = mw.describe(data, "weight", by="sex", margins=False, level=level).set_index("sex")
    for sex, weights in data.groupby("sex", observed=True)["weight"]:
        low, high = stats.t.interval(level, len(weights) - 1, weights.mean(), stats.sem(weights))
        np.testing.assert_allclose(found.loc[str(sex), ["conf_low", "conf_high"]].astype(float), [low, high])


def test_margins_are_the_tables_with_fewer_variables() -> None:
    data = pups()
    both = mw.describe(data, "weight", by=["Treatment", "sex"])
    assert len(both) == (3 + 1) * (2 + 1)
    over_sex = both[both["sex"] == "(all)"].drop(columns="sex").reset_index(drop=True)
    pd.testing.assert_frame_equal(mw.describe(data, "weight", by="Treatment"), over_sex)
    total = both[(both["sex"] == "(all)") & (both["Treatment"] == "(all)")]
    alone = mw.describe(data, "weight")
    np.testing.assert_allclose(
        total.drop(columns=["variable", "Treatment", "sex"]).astype(float), alone.drop(columns="variable")
    )


def test_weighted_mean_of_cells_is_the_margin() -> None:
    found = mw.describe(mw.datasets.load_egsingle(), "math", by=["female", "black"])
    cells = found[(found["female"] != "(all)") & (found["black"] != "(all)")]
    total = found.iloc[-1]
    np.testing.assert_allclose(np.average(cells["mean"], weights=cells["n"]), total["mean"], rtol=RTOL)
    assert cells["n"].sum() == total["n"] == 7230


def test_categories_are_counted() -> None:
    data = pups()
    found = mw.describe(data, "sex", by="Treatment", margins=False)
    counts = pd.crosstab(data["Treatment"], data["sex"])
    assert found["count"].tolist() == counts.to_numpy().ravel().tolist()
    share = pd.crosstab(data["Treatment"], data["sex"], normalize="index") * 100
    np.testing.assert_allclose(found["percent"], share.to_numpy().ravel(), rtol=RTOL)
    assert found["level"].tolist() == ["Male", "Female"] * 3


def test_several_variables_of_both_kinds() -> None:
    found = mw.describe(pups(), ["weight", "sex", "Lsize"])
    assert found["variable"].tolist() == ["weight", "sex", "sex", "Lsize"]
    assert found["count"].isna().tolist() == [True, False, False, True]
    assert found["mean"].isna().tolist() == [False, True, True, False]
    assert mw.describe(pups(), by="Litter", margins=False)["variable"].unique().tolist() == [
        "weight",
        "sex",
        "Lsize",
        "Treatment",
    ]


def test_missing_values_are_counted_and_empty_cells_listed() -> None:
    data = {
        "x": [1.0, np.nan, 3.0, 4.0, 5.0],
        "a": ["u", "u", "v", "v", None],
        "b": ["p", "p", "q", "q", "p"],
        "c": ["k", None, "k", "m", "m"],
    }
    found = mw.describe(data, "x", by=["a", "b"], margins=False)
    assert found[["a", "b", "n", "missing"]].to_numpy().tolist() == [
        ["u", "p", 1, 1],
        ["u", "q", 0, 0],
        ["v", "p", 0, 0],
        ["v", "q", 2, 0],
        ["(missing)", "p", 1, 0],
        ["(missing)", "q", 0, 0],
    ]
    assert found["mean"].isna().tolist() == [False, True, True, False, False, True]
    assert found["sd"].isna().tolist() == [True, True, True, False, True, True]
    assert len(mw.describe(data, "x", by=["a", "b"], margins=False, empty=False)) == 3
    counted = mw.describe(data, "c", by="b", margins=False)
    assert counted["missing"].tolist() == [1, 1, 0, 0]
    assert counted["count"].tolist() == [1, 1, 1, 1]
    np.testing.assert_allclose(counted["percent"], 50.0)


def test_far_from_zero_costs_no_digits() -> None:
    small = np.array([1.0, 2.0, 4.0, 7.0])
    near, far = mw.describe({"x": small}), mw.describe({"x": small + 1e9})
    np.testing.assert_allclose(far["sd"], near["sd"], rtol=1e-12)


def test_caller_gets_its_own_kind() -> None:
    data = pups()
    expected = mw.describe(data, ["weight", "Lsize"], by="sex")
    polars = mw.describe(pl.from_pandas(data), ["weight", "Lsize"], by="sex")
    assert isinstance(polars, pl.DataFrame)
    by_key = expected.sort_values(["variable", "sex"]).reset_index(drop=True)
    again = polars.to_pandas().sort_values(["variable", "sex"]).reset_index(drop=True)
    for name in by_key:
        assert by_key[name].tolist() == again[name].tolist()
    for other in (pa.Table.from_pandas(data), {name: data[name] for name in data}):
        assert isinstance(mw.describe(other, "weight"), pd.DataFrame)
    alone = mw.describe(pl.DataFrame({"x": [1.0]}))
    assert alone["sd"].to_list() == [None]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variables": "wieght"}, "'wieght'.*did you mean 'weight'"),
        ({"variables": "weight", "by": "Sex"}, "did you mean 'sex'"),
        ({"variables": ["weight", "weight"]}, "names 'weight' twice"),
        ({"variables": "sex", "by": "sex"}, "both summarized and in by"),
        ({"variables": [3]}, "names of columns"),
        ({"variables": []}, "nothing to summarize"),
        ({"variables": "weight", "level": 95}, "between 0 and 1"),
    ],
)
def test_refusals(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(mw.DataError, match=message):
        mw.describe(pups(), **arguments)


@pytest.mark.parametrize(
    ("data", "by", "message"),
    [
        ({"x": [1.0, np.inf]}, None, "infinite in 1 rows"),
        ({"x": [1.0, 2.0], "n": ["a", "b"]}, "n", "also the name of a column"),
        ({"x": [1.0, 2.0], "g": ["(all)", "b"]}, "g", "stands for something else"),
        ({"x": []}, None, "no rows"),
        ({"x": [1, 2], "t": pd.date_range("2024", periods=2)}, "t", "dates or times"),
        ({"x": pd.to_timedelta([1, 2], unit="D")}, None, "dates or times"),
        (3, None, "data are a int"),
    ],
)
def test_unusable_data(data: object, by: str | None, message: str) -> None:
    with pytest.raises(mw.DataError, match=message):
        mw.describe(data, by=by)


def test_name_stays_callable_after_other_names_are_loaded() -> None:
    assert callable(mw.structure)
    assert callable(mw.icc_screen)
    assert callable(mw.describe)


def test_dates_have_a_first_and_a_last() -> None:
    data = pd.DataFrame({"g": list("aabbc"), "x": np.arange(5.0)})
    data["t"] = pd.to_datetime(["2024-03-02", "2024-03-01T14:30", None, "2023-01-05", None], format="ISO8601")
    for frame in (data, pl.from_pandas(data)):
        found = mw.describe(frame, "t", by="g")
        values = [found[name].to_list() for name in ("n", "missing", "first", "last")]
        assert values[:2] == [[2, 1, 0, 3], [0, 1, 1, 2]]
        assert values[2] == ["2024-03-01 14:30:00", "2023-01-05", None, "2023-01-05"]
        assert values[3] == ["2024-03-02", "2023-01-05", None, "2024-03-02"]
    everything = mw.describe(data)
    assert everything["variable"].drop_duplicates().tolist() == ["g", "x", "t"]


def messy() -> pd.DataFrame:
    """Numbers, text, booleans, dates, missing values, a constant, a category that is never used."""
    rng = np.random.default_rng(2)
    n = 60
    data = pd.DataFrame({"weight in kg": rng.gamma(3, 20, n), "tiny": rng.normal(size=n) * 1e-9})
    data["site"] = rng.choice(["North", "South", None], n)
    data["a rather long name of a factor"] = rng.choice(["a rather long name of a level", "b"], n)
    data["smokes"] = rng.random(n) < 0.3
    data["constant"] = 7
    data["grade"] = pd.Categorical(rng.choice(["low", "high"], n), categories=["low", "mid", "high"])
    data["体重"] = rng.normal(60, 5, n)
    data["seen"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 99, n), unit="h")
    data["smokes"] = data["smokes"].astype("boolean")
    for name in ("weight in kg", "smokes", "seen"):
        data.loc[[3, 9, 30], name] = pd.NA if name == "smokes" else None
    return data


@pytest.mark.parametrize("by", [None, "site", ["site", "a rather long name of a factor"], "smokes"])
def test_printed_it_shows_every_number_within_the_page(by: str | list[str] | None) -> None:
    found = mw.describe(messy(), by=by)
    text = str(found)
    assert max(map(display_width, text.splitlines())) <= 79
    assert not {"nan", "None", "NaN", "<NA>", "..."} & set(text.split())
    for title in ("mean", "SD", "SE", "conf_low", "conf_high", "median", "q1", "q3", "IQR", "min", "max"):
        assert title in text
    # Values as printed are those of the frame.
    numbers = {float(word) for word in re.findall(r"(?<=\s)-?\d+\.\d+(?=\s)", text)}
    whole = found[found["variable"] == "体重"]
    for mean in whole["mean"]:
        assert min(abs(mean - value) for value in numbers) < 0.005


def test_what_is_made_of_it_is_a_plain_frame() -> None:
    found = mw.describe(pups(), "weight", by="sex")
    assert type(found[["sex", "mean"]]) is pd.DataFrame
    assert type(found.round(2)) is pd.DataFrame
    again = pickle.loads(pickle.dumps(found))
    assert str(again) == str(found)
    found["twice"] = 2 * found["mean"]
    del found["n"]
    assert "twice" in str(found)
    many = mw.describe({"x": np.arange(300.0), "g": np.arange(300)}, "x", by="g")
    assert "... and 241 more rows" in str(many)
