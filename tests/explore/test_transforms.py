"""Plain functions of time and scale against pandas; kinds in and out; nothing across groups or ahead."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mixwell as mw

RTOL = 1e-12


def children() -> pd.DataFrame:
    return mw.datasets.load_egsingle()


def test_centre_and_scale() -> None:
    x = children()["math"]
    np.testing.assert_allclose(mw.center(x), x - x.mean(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(mw.scale(x), (x - x.mean()) / x.std(), rtol=1e-10, atol=1e-12)


def test_within_and_between_match_pandas_and_add_up() -> None:
    data = children()
    x, g = data["math"], data["childid"]
    means = x.groupby(g, observed=True).transform("mean")
    np.testing.assert_allclose(mw.between(x, g), means, rtol=RTOL)
    np.testing.assert_allclose(mw.within(x, g), x - means, rtol=0, atol=RTOL)
    np.testing.assert_allclose(mw.within(x, g) + mw.between(x, g), x, rtol=RTOL)
    sums = mw.within(x, g).groupby(g, observed=True).sum()
    np.testing.assert_allclose(sums, 0, atol=1e-12)


def test_missing_values_stay_and_do_not_count() -> None:
    x = [1.0, np.nan, 5.0, 7.0, 9.0]
    g = ["a", "a", "b", None, "b"]
    np.testing.assert_array_equal(mw.between(x, g), [1, 1, 7, np.nan, 7])
    np.testing.assert_array_equal(mw.within(x, g), [0, np.nan, -2, np.nan, 2])
    np.testing.assert_array_equal(mw.center(x), np.array(x) - 5.5)


def test_cyclic_pair() -> None:
    hours = np.array([0.0, 6.0, 12.0, 18.0, 24.0, 24e6 + 6])
    pair = mw.cyclic(hours, 24)
    np.testing.assert_allclose((pair**2).sum(axis=1), 1, rtol=RTOL)
    np.testing.assert_allclose(pair[4], pair[0], atol=1e-15)
    np.testing.assert_allclose(pair[5], pair[1], atol=1e-15)
    np.testing.assert_allclose(pair[:, 0], np.sin(2 * np.pi * hours / 24), atol=1e-8)


def test_cyclic_of_a_series_is_a_frame() -> None:
    frame = mw.cyclic(pd.Series([1, 2], index=["u", "v"]), 12)
    assert frame.columns.tolist() == ["sin", "cos"]
    assert frame.index.tolist() == ["u", "v"]
    assert mw.cyclic(pl.Series("m", [1, 2]), 12).columns == ["sin", "cos"]


DATES = pd.Series(pd.to_datetime(["2024-02-28", "2024-03-01", None, "2025-02-28"]))


@pytest.mark.parametrize(
    ("start", "unit", "expected"),
    [
        (None, None, [0, 2, np.nan, 366]),
        ("2024-02-27", "days", [1, 3, np.nan, 367]),
        (dt.date(2024, 2, 27), "hour", [24, 72, np.nan, 367 * 24]),
        (dt.datetime(2024, 2, 28), "years", [0, 2 / 365.25, np.nan, 366 / 365.25]),
        (["2024-02-28", "2024-02-29", "2024-02-29", None], "weeks", [0, 1 / 7, np.nan, np.nan]),
    ],
)
def test_time_since_dates(start: object, unit: str | None, expected: list[float]) -> None:
    given_start = pd.to_datetime(pd.Series(start)) if isinstance(start, list) else start
    np.testing.assert_allclose(mw.time_since(DATES, given_start, unit), expected, rtol=RTOL)


@pytest.mark.parametrize(
    "dates",
    [
        DATES,
        DATES.dt.tz_localize("Europe/Berlin").dt.tz_convert("Asia/Shanghai"),
        DATES.astype("datetime64[s]"),
        DATES.dt.to_period("D"),
        DATES.astype(object),
        [None if pd.isna(stamp) else stamp.date() for stamp in DATES],
        pl.Series([None if pd.isna(stamp) else stamp.date() for stamp in DATES]),
        pl.from_pandas(DATES),
        pa.chunked_array([pa.array([None if pd.isna(stamp) else stamp for stamp in DATES])]),
        DATES.to_numpy(),
    ],
    ids=[
        "pandas",
        "zone",
        "seconds",
        "period",
        "objects",
        "dates",
        "polars date",
        "polars",
        "arrow",
        "numpy",
    ],
)
def test_dates_of_any_kind(dates: object) -> None:
    found = mw.time_since(dates)
    values = found.to_pandas() if isinstance(found, pa.ChunkedArray) else found
    np.testing.assert_allclose(np.array(list(values), dtype=float), [0, 2, np.nan, 366], rtol=RTOL)


def test_time_since_numbers() -> None:
    np.testing.assert_allclose(mw.time_since([2010.0, 2014.0]), [0, 4])
    np.testing.assert_allclose(mw.time_since([10, 24], 3, 7), [1, 3])
    np.testing.assert_allclose(mw.time_since([10, 24], [3, 10], 7), [1, 2])


def grouped(function: Callable[[pd.core.groupby.SeriesGroupBy], pd.Series]) -> pd.Series:
    """The same by pandas on rows sorted by child and year, brought back to the order of the rows."""
    data = children().sort_values(["childid", "year"], kind="stable")
    return function(data.groupby("childid", observed=True)["math"]).sort_index()


SHUFFLED = np.random.default_rng(3).permutation(7230)


@pytest.mark.parametrize(
    ("ours", "pandas"),
    [
        (lambda x, g, t: mw.lag(x, g, t), lambda part: part.shift(1)),
        (lambda x, g, t: mw.lag(x, g, t, steps=3), lambda part: part.shift(3)),
        (
            lambda x, g, t: mw.rolling_mean(x, g, t, window=2),
            lambda part: part.transform(lambda values: values.rolling(2).mean()),
        ),
        (
            lambda x, g, t: mw.rolling_mean(x, g, t, window=3, min_periods=1),
            lambda part: part.transform(lambda values: values.rolling(3, min_periods=1).mean()),
        ),
        (lambda x, g, t: mw.cumulative(x, g, t), lambda part: part.cumsum()),
        (
            lambda x, g, t: mw.cumulative(x, g, t, "mean"),
            lambda part: part.transform(lambda values: values.expanding().mean()),
        ),
        (lambda x, g, t: mw.cumulative(x, g, t, "max"), lambda part: part.cummax()),
        (lambda x, g, t: mw.cumulative(x, g, t, "min"), lambda part: part.cummin()),
        (lambda x, g, t: mw.cumulative(x, g, t, "count"), lambda part: part.cumcount() + 1),
    ],
)
def test_along_time_matches_pandas_in_any_row_order(ours: Callable, pandas: Callable) -> None:
    data = children().iloc[SHUFFLED]
    found = ours(data["math"], data["childid"], data["year"])
    assert found.index.equals(data.index)
    np.testing.assert_allclose(found.sort_index(), grouped(pandas), rtol=1e-10, atol=1e-12)


FUNCTIONS = [
    lambda x, g, t: mw.lag(x, g, t),
    lambda x, g, t: mw.rolling_mean(x, g, t, window=2, min_periods=1),
    lambda x, g, t: mw.cumulative(x, g, t, "mean"),
]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(-100, 100)), min_size=2, max_size=25),
    st.integers(0, 10**6),
)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_looks_across_groups_or_ahead(
    function: Callable, rows: list[tuple[int, float]], seed: int
) -> None:
    """Changing one value leaves every other group, and all earlier rows of its own group, as they were."""
    rng = np.random.default_rng(seed)
    g = np.array([group for group, _ in rows])
    x = np.array([value for _, value in rows])
    t = rng.permutation(len(rows)).astype(float)
    changed = int(rng.integers(len(rows)))
    other = x.copy()
    other[changed] += 1000
    free = (g != g[changed]) | (t < t[changed])
    np.testing.assert_array_equal(function(x, g, t)[free], function(other, g, t)[free])


def test_one_group_and_rows_without_group_or_time() -> None:
    np.testing.assert_array_equal(mw.lag([1, 2, 3], None), [np.nan, 1, 2])
    found = mw.lag([1, 2, 3, 4], ["a", "a", None, "a"], [1, np.nan, 2, 3])
    np.testing.assert_array_equal(found, [np.nan, np.nan, np.nan, 1])
    np.testing.assert_array_equal(mw.cumulative([1, np.nan, 3], None), [1, np.nan, 4])
    np.testing.assert_array_equal(mw.lag([1, 2], None, steps=5), [np.nan, np.nan])
    days = pd.to_datetime(["2024-01-03", "2024-01-01", "2024-01-02"])
    np.testing.assert_array_equal(mw.lag([3, 1, 2], None, days), [2, np.nan, 1])


def test_kind_in_is_kind_out() -> None:
    found = mw.lag(pl.Series("x", [1, 2, 3]), pl.Series(["a", "a", "b"]))
    assert isinstance(found, pl.Series)
    assert found.to_list() == [None, 1.0, None]
    assert found.name == "x"
    named = mw.center(pd.Series([1, 3], index=[5, 6], name="age"))
    assert (named.name, named.index.tolist()) == ("age", [5, 6])
    assert isinstance(mw.center([1, 2]), np.ndarray)
    assert isinstance(mw.center(pa.chunked_array([[1, 2]])), pa.ChunkedArray)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mw.center(["a", "b"]), "x is text"),
        (lambda: mw.center(pd.Series(["a"], name="sex")), "sex is text"),
        (lambda: mw.center([np.nan]), "missing"),
        (lambda: mw.center([1, np.inf]), "infinite in 1 rows"),
        (lambda: mw.scale([2, 2, 2]), "constant"),
        (lambda: mw.scale([2]), "constant"),
        (lambda: mw.within([1, 2], ["a"]), "1 values for 2 rows"),
        (lambda: mw.cyclic([1], 0), "positive"),
        (lambda: mw.cyclic([1], float("nan")), "positive"),
        (lambda: mw.time_since(DATES, 3), "times are dates, but start is not"),
        (lambda: mw.time_since(DATES, "soon"), "'soon' is not a date"),
        (lambda: mw.time_since(DATES, unit="fortnights"), "no unit of time 'fortnights'"),
        (lambda: mw.time_since(DATES, unit=7), "not a unit of dates"),
        (lambda: mw.time_since(DATES, DATES[:2]), "2 values for 4 rows"),
        (lambda: mw.time_since([1, 2], unit="days"), "times are numbers"),
        (lambda: mw.time_since([1, 2], unit=0), "positive"),
        (lambda: mw.time_since(["2024-01-01"]), "t is text"),
        (lambda: mw.time_since(pd.Series([pd.NaT, pd.NaT])), "missing"),
        (lambda: mw.lag([1, 2], [1, 1], steps=0), "positive whole number"),
        (lambda: mw.lag([1, 2], [1, 1], steps=-1), "positive whole number"),
        (
            lambda: mw.lag([1, 2], ["u", "u"], [3, 3]),
            r"Rows 1 and 2 \(counted from 1\) of group 'u' have the same time, 3",
        ),
        (lambda: mw.rolling_mean([1, 2], [1, 1], window=1.5), "whole number"),
        (lambda: mw.rolling_mean([1, 2], [1, 1], window=2, min_periods=3), "more than window"),
        (lambda: mw.cumulative([1, 2], [1, 1], statistic="median"), "no statistic='median'"),
        (lambda: mw.lag([1, 2], [1, 1], [1]), "1 values for 2 rows"),
    ],
)
def test_refusals(call: Callable[[], object], message: str) -> None:
    with pytest.raises(mw.DataError, match=message):
        call()
