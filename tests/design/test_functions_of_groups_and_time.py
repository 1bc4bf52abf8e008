"""Functions of groups and time in formulas: columns as by the plain functions, learned state reused."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

import mixwell as mw
from mixwell.design.build import build_design
from mixwell.design.newdata import new_rows

FORMULA = (
    "y ~ within(x, g) + between(x, g) + cyclic(x, 7) + time_since(t) + time_since(t, entry, 'weeks') "
    "+ time_since(x, 2, 3) + (1 | g)"
)


def data() -> pd.DataFrame:
    rows = np.arange(40)
    frame = pd.DataFrame(
        {
            "y": np.sin(rows * 1.3) + rows / 7,
            "x": np.cos(rows * 0.7) * 5 + rows / 9,
            "g": np.array(list("uvwz"))[rows // 10],
            "t": pd.Timestamp("2024-03-05") + pd.to_timedelta((rows * 13) % 40, unit="D"),
        }
    )
    frame["entry"] = frame.groupby("g")["t"].transform("min")
    return frame


def test_columns_are_those_of_the_plain_functions() -> None:
    frame = data()
    design = build_design(FORMULA, frame)
    column = {name: design.x[:, j] for j, name in enumerate(design.x_names)}
    expected = {
        "within(x, g)": mw.within(frame["x"], frame["g"]),
        "between(x, g)": mw.between(frame["x"], frame["g"]),
        "cyclic(x, 7)[1]": np.sin(2 * np.pi * frame["x"] / 7),
        "cyclic(x, 7)[2]": np.cos(2 * np.pi * frame["x"] / 7),
        "time_since(t)": (frame["t"] - frame["t"].min()).dt.days,
        "time_since(t, entry, 'weeks')": (frame["t"] - frame["entry"]).dt.days / 7,
        "time_since(x, 2, 3)": (frame["x"] - 2) / 3,
    }
    assert set(expected) == set(column) - {"(Intercept)"}
    for name, values in expected.items():
        np.testing.assert_allclose(column[name], values, rtol=1e-12, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("convert", [lambda frame: frame, pl.from_pandas], ids=["pandas", "polars"])
def test_new_rows_use_what_was_learned(convert: object) -> None:
    frame = data()
    design = pickle.loads(pickle.dumps(copy.deepcopy(build_design(FORMULA, convert(frame)))))  # type: ignore[operator]
    picked = [3, 17, 25, 26]
    rows = new_rows(design, convert(frame.iloc[picked]))  # type: ignore[operator]
    np.testing.assert_allclose(rows.x, design.x[picked], rtol=1e-13, atol=1e-13)


def test_means_are_those_of_the_rows_used() -> None:
    frame = data()
    frame.loc[3, "y"] = np.nan
    frame.loc[12, "x"] = np.nan
    design = build_design("y ~ between(x, g) + (1 | g)", frame)
    used = frame.dropna()
    expected = used.groupby("g")["x"].transform("mean")
    np.testing.assert_allclose(design.x[:, 1], expected, rtol=1e-13)


def test_unseen_groups_are_named_or_have_their_own_mean() -> None:
    frame = data()
    new = frame.iloc[:4].assign(g=["u", "q", "q", "r"])
    for function in ("within", "between"):
        design = build_design(f"y ~ {function}(x, g) + (1 | g)", frame)
        with pytest.raises(mw.NewLevelsError, match="no mean of the new groups 'q', 'r'"):
            new_rows(design, new)
    design = build_design('y ~ between(x, g, new_groups="own") + (1 | g)', frame)
    x = new["x"].to_numpy()
    learned = frame.loc[frame["g"] == "u", "x"].mean()
    expected = [learned, x[1:3].mean(), x[1:3].mean(), x[3]]
    np.testing.assert_allclose(new_rows(design, new).x[:, 1], expected, rtol=1e-13)


def test_groups_may_be_numbers() -> None:
    frame = data().assign(g=lambda rows: rows["g"].map({"u": 4, "v": 10, "w": 2, "z": 7}))
    design = build_design("y ~ between(x, g) + (1 | g)", frame)
    rows = new_rows(design, frame.iloc[[15]].assign(g=10.0))
    np.testing.assert_allclose(rows.x, design.x[[15]])


def test_within_and_between_separate_the_two_effects() -> None:
    """With y an exact combination, both slopes are found, whatever the grouping variance."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(20), 6)
    x = rng.normal(size=120) + rng.normal(size=20)[g]
    frame = pd.DataFrame({"x": x, "g": g})
    frame["y"] = 2 * mw.within(x, g) - 3 * mw.between(x, g) + rng.normal(size=20)[g] * 1e-4
    frame["y"] += rng.normal(size=120) * 1e-4
    fit = mw.lmer("y ~ within(x, g) + between(x, g) + (1 | g)", frame)
    np.testing.assert_allclose(fit.params.iloc[1:], [2, -3], atol=1e-3)


def test_dates_survive_in_the_augmented_frame() -> None:
    fit = mw.lmer("y ~ time_since(t) + (1 | g)", data())
    assert fit.augment()["t"].tolist() == data()["t"].tolist()
    np.testing.assert_allclose(fit.predict(data()), fit.fittedvalues, rtol=1e-12)


@pytest.mark.parametrize(
    ("formula", "error", "message"),
    [
        ("y ~ t + (1 | g)", mw.DataError, "dates or times.*time_since"),
        ("y ~ t + time_since(t) + (1 | g)", mw.DataError, "write time_since"),
        ("y ~ log(t) + time_since(t) + (1 | g)", mw.DataError, "write time_since"),
        ("y ~ time_since(t) + (1 | t)", mw.DataError, "dates or times"),
        ("y ~ time_since(t, 4) + (1 | g)", mw.FormulaError, "date in quotes"),
        ("y ~ time_since(t, 'x') + (1 | g)", mw.DataError, "'x' is not a date"),
        ("y ~ time_since(t, unit='eon') + (1 | g)", mw.DataError, "no unit of time 'eon'"),
        ("y ~ time_since(x, unit='days') + (1 | g)", mw.FormulaError, "times are numbers"),
        ("y ~ time_since(g) + (1 | g)", mw.DataError, "needs numbers"),
        ("y ~ cyclic(x) + (1 | g)", mw.FormulaError, "the period"),
        ("y ~ cyclic(x, -1) + (1 | g)", mw.DataError, "positive"),
        ("y ~ within(x) + (1 | g)", mw.FormulaError, "within"),
        ("y ~ between(g, x) + (1 | g)", mw.DataError, "needs numbers"),
        ("y ~ between(x, g, new_groups='zero') + (1 | g)", mw.FormulaError, "error.*own"),
        ("y ~ between(x, g, 2) + (1 | g)", mw.FormulaError, "between"),
    ],
)
def test_refusals(formula: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build_design(formula, data())


def test_dates_may_not_become_numbers() -> None:
    design = build_design("y ~ time_since(t) + (1 | g)", data())
    with pytest.raises(mw.DataError, match="dates when the model was fitted"):
        new_rows(design, data().assign(t=1.0))
    design = build_design("y ~ time_since(x) + (1 | g)", data())
    with pytest.raises(mw.DataError, match="numbers when the model was fitted"):
        new_rows(design, data().assign(x=lambda frame: frame["t"]))
