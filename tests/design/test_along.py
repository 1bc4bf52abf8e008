"""Lags, rolling means and running totals inside formulas: the columns that the plain functions make."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

import mixwell as mw


def diary(seed: int = 1, people: int = 12, days: int = 9) -> pd.DataFrame:
    """People on days with gaps, rows shuffled, values missing; labels of its own."""
    rng = np.random.default_rng(seed)
    rows = people * days
    frame = pd.DataFrame({"who": np.repeat([f"p{i}" for i in range(people)], days)})
    frame["day"] = np.tile(np.cumsum(rng.integers(1, 4, days)), people)
    frame["x"] = rng.normal(size=rows)
    frame["site"] = np.repeat(np.arange(people) % 3, days)
    frame["date"] = pd.Timestamp("2024-03-01") + pd.to_timedelta(frame["day"], unit="D")
    before = frame.groupby("who")["x"].shift(1).fillna(0)
    frame["y"] = (
        1 + before + rng.normal(size=people)[frame["who"].str[1:].astype(int)] + rng.normal(size=rows)
    )
    frame.loc[[3, 40], "x"] = np.nan
    frame.loc[[10, 77], "y"] = np.nan
    shuffled = frame.sample(frac=1, random_state=seed)
    return shuffled.set_index(pd.Index([f"row {i}" for i in shuffled.index]))


CALLS = {
    "lag(x, who, day)": lambda d: mw.lag(d["x"], d["who"], d["day"]),
    "lag(x, who, day, steps=2)": lambda d: mw.lag(d["x"], d["who"], d["day"], steps=2),
    "lag(x, g=who, time=date)": lambda d: mw.lag(d["x"], d["who"], d["date"]),
    "rolling_mean(x, who, day, 3, min_periods=1)": lambda d: mw.rolling_mean(
        d["x"], d["who"], d["day"], 3, min_periods=1
    ),
    "cumulative(x, who, day)": lambda d: mw.cumulative(d["x"], d["who"], d["day"]),
    "cumulative(x, who, day, 'mean')": lambda d: mw.cumulative(d["x"], d["who"], d["day"], "mean"),
    "center(lag(x, who, day))": lambda d: mw.lag(d["x"], d["who"], d["day"]),
    "I(lag(x, who, day)^2)": lambda d: mw.lag(d["x"], d["who"], d["day"]) ** 2,
    "lag(x, site:who, day)": lambda d: mw.lag(d["x"], d["who"], d["day"]),
}


@pytest.mark.parametrize("call", list(CALLS))
def test_a_call_is_the_column_that_the_plain_function_makes(call: str) -> None:
    data = diary()
    made = mw.lmer("y ~ made + (1 | who)", data.assign(made=CALLS[call]))
    found = mw.lmer(f"y ~ {call} + (1 | who)", data)
    assert found.nobs == made.nobs
    assert found.criterion == pytest.approx(made.criterion, abs=1e-7)
    np.testing.assert_allclose(found.params.iloc[1], made.params.iloc[1], rtol=1e-7)
    assert found.params.index[1] == call
    # In any order of the rows, and in polars.
    mixed = mw.lmer(f"y ~ {call} + (1 | who)", data.sample(frac=1, random_state=9))
    assert mixed.criterion == pytest.approx(found.criterion, abs=1e-7)
    in_polars = mw.lmer(f"y ~ {call} + (1 | who)", pl.from_pandas(data))
    assert in_polars.criterion == pytest.approx(found.criterion, abs=1e-7)


def test_the_row_before_may_be_an_incomplete_one() -> None:
    """Rows without a response are left out, but their x is the lag of the next row."""
    data = diary()
    found = mw.lmer("y ~ lag(x, who, day) + (1 | who)", data)
    column = mw.lag(data["x"], data["who"], data["day"])
    assert found.nobs == int((column.notna() & data["y"].notna()).sum())
    # Where x itself is missing the row is used all the same: only the value before is asked for.
    assert set(data.index[data["x"].isna() & column.notna() & data["y"].notna()]) <= set(found.resid.index)
    assert "lag(x, who, day)" in found.design.rows.missing


def test_new_rows_look_at_new_rows_only() -> None:
    data = diary()
    fit = mw.lmer("y ~ lag(x, who, day) + (1 | who)", data)
    new = pd.DataFrame({"who": ["p1", "p2", "p1", "z"], "day": [2, 1, 1, 1], "x": [5.0, 6.0, 7.0, 8.0]})
    predicted = fit.predict(new, random=False)
    # The first measurement of each group has none before it; the second of p1 has 7.
    assert predicted.isna().tolist() == [False, True, True, True]
    assert predicted[0] == pytest.approx(fit.params.iloc[0] + 7 * fit.params.iloc[1])
    np.testing.assert_allclose(
        fit.predict(data, random=False)[fit.resid.index], fit.predict(random=False), rtol=1e-10
    )
    again = pickle.loads(pickle.dumps(fit))
    np.testing.assert_array_equal(again.predict(new, random=False), predicted)


@pytest.mark.filterwarnings("ignore::mixwell.SingularFitWarning")
def test_the_response_before_is_a_predictor() -> None:
    data = diary()
    found = mw.lmer("y ~ lag(y, who, day) + (lag(y, who, day) || who)", data)
    made = data.assign(before=mw.lag(data["y"], data["who"], data["day"]))
    wanted = mw.lmer("y ~ before + (before || who)", made)
    assert found.criterion == pytest.approx(wanted.criterion, abs=1e-6)


@pytest.mark.filterwarnings("ignore::mixwell.MixwellWarning")
def test_everything_after_the_fit_reads_the_column() -> None:
    data = diary()
    fit = mw.lmer("y ~ lag(x, who, day) + (1 | who)", data)
    assert "lag(x, who, day)" in str(fit.summary())
    assert len(fit.anova()) == 1
    for one in fit.check():
        if one.remedy:
            eval(one.remedy, {"fit": fit, "mw": mw, "data": data, "print": str})
    assert "lag(x, who, day)" in str(fit.report())
    by_site = mw.lmer("y ~ lag(x, who, day) + site + (1 | who)", data.assign(site=data["site"].astype(str)))
    assert len(by_site.emmeans("site").frame) == 3


def test_remedies_spell_the_column_as_a_call() -> None:
    data = diary(people=40)
    before = mw.lag(data["x"], data["who"], data["day"]).fillna(0)
    data["y"] = data["y"] + 2 * before**2
    fit = mw.lmer("y ~ lag(x, who, day) + (1 | who)", data)
    remedy = fit.check()["linear mean"].remedy
    assert remedy == 'mw.lmer("y ~ lag(x, who, day) + (1 | who) + I(lag(x, who, day)**2)", data)'
    assert eval(remedy, {"mw": mw, "data": data}).check()["linear mean"].verdict == "fine"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("lag(x)", "needs a column and the groups"),
        ("lag(x, who, day, 1, 2)", "too many arguments"),
        ("lag(x, who, step=2)", "step= is not an argument"),
        ("lag(x, who, day, steps=0)", "positive whole number"),
        ("lag(log(x), who, day)", "takes columns of the data, not log"),
        ("lag(x, whom, day)", "'whom' is not a column of the data; did you mean 'who'"),
        ("lag(who, who, day)", "'who' is text"),
        ("lag(x, site, day)", "have the same day"),
        ("lag(x, who, site)", "have the same site"),
        ("lag(x, day, who)", "who is no time"),
        ("rolling_mean(x, who, day, window=1.5)", "whole number"),
        ("rolling_mean(x, who, day, min_periods=4)", "more than window"),
        ("cumulative(x, who, day, 'median')", "no statistic='median'"),
        ("cumulative(x, who, day, statistic=2)", "no statistic=2"),
        ("lag(x, who, day, steps=x)", "steps is x; write a number"),
        ("lag(x, who, day, steps=99)", "missing"),
    ],
)
def test_refusals(call: str, message: str) -> None:
    with pytest.raises(mw.MixwellError, match=message):
        mw.lmer(f"y ~ {call} + (1 | who)", diary())
