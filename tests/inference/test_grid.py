"""The reference grid: what each column is for the fixed part, however it is stored and wherever it stands."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
import pytest

import mixwell as mw
from reference_cases import REFERENCE

mpl.use("Agg")

R = json.loads((REFERENCE / "grid.json").read_text(encoding="utf-8"))
DATES = np.array(["2024-03-01", "2024-09-01"], dtype="datetime64[D]")

Storage = Callable[[pd.DataFrame], Any]


def frame(**more: object) -> pd.DataFrame:
    return pd.DataFrame(R["data"]).assign(**more)


def fitted(formula: str, data: object, **arguments: Any) -> mw.LmerResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mw.RankDeficiencyWarning)
        return mw.lmer(formula, data, **arguments)


def as_pandas(table: Any) -> pd.DataFrame:
    return table if isinstance(table, pd.DataFrame) else table.to_pandas()


# ---- nested factors


def polars(column: Callable[[pl.Expr], pl.Expr]) -> Storage:
    return lambda d: pl.from_pandas(d.assign(outer=d["trt"])).with_columns(column(pl.col("outer")))


TEXT = {0: "no", 1: "yes"}
STORAGES: dict[str, Storage] = {
    "text": lambda d: d.assign(outer=d["trt"].map(TEXT)),
    "integers": lambda d: d.assign(outer=d["trt"].astype(int)),
    "floats": lambda d: d.assign(outer=d["trt"].astype(float)),
    "small integers": lambda d: d.assign(outer=d["trt"].astype("int8")),
    "other numbers": lambda d: d.assign(outer=3.0 + 4.0 * d["trt"]),
    "nullable integers": lambda d: d.assign(outer=d["trt"].astype("Int64")),
    "bool": lambda d: d.assign(outer=d["trt"] == 1),
    "nullable bool": lambda d: d.assign(outer=(d["trt"] == 1).astype("boolean")),
    "objects": lambda d: d.assign(outer=(d["trt"] == 1).astype(object)),
    "categories of text": lambda d: d.assign(outer=d["trt"].map(TEXT).astype("category")),
    "categories of numbers": lambda d: d.assign(outer=d["trt"].astype("category")),
    "ordered categories": lambda d: d.assign(outer=pd.Categorical(d["trt"], ordered=True)),
    "polars text": polars(lambda c: c.replace_strict(TEXT, return_dtype=pl.String)),
    "polars integers": polars(lambda c: c.cast(pl.UInt8)),
    "polars bool": polars(lambda c: c == 1),
    "polars categories": polars(
        lambda c: c.replace_strict(TEXT, return_dtype=pl.String).cast(pl.Categorical)
    ),
    "polars enum": polars(lambda c: c.replace_strict(TEXT, return_dtype=pl.Enum(["no", "yes"]))),
    "dict": lambda d: {**{name: d[name].to_numpy() for name in d}, "outer": d["trt"].to_numpy() == 1},
}
WRITTEN = {
    "factor(trt)": lambda d: d,
    "C(trt, Sum)": lambda d: d,
    "ordered(trt)": lambda d: d,
    "I(trt == 1)": lambda d: d,
    "time_since(day)": lambda d: d.assign(day=DATES[d["trt"].astype(int)]),
}
NESTED = {
    **{name: ("outer", make) for name, make in STORAGES.items()},
    **{w: (w, m) for w, m in WRITTEN.items()},
}


@pytest.mark.parametrize("name", NESTED)
def test_nesting_does_not_depend_on_how_the_outer_factor_is_stored(name: str) -> None:
    written, make = NESTED[name]
    fit = fitted(f"y ~ {written} / form + x + (1 | block)", make(frame()))
    wanted = {row["form"]: row for row in R["nested"]["text"]}
    means = fit.emmeans("form")
    table = as_pandas(means.frame)
    assert sorted(table["form"]) == sorted(wanted)
    for form, estimate, error in zip(table["form"], table["estimate"], table["std_error"], strict=True):
        assert estimate == pytest.approx(wanted[form]["estimate"], abs=1e-5)
        assert error == pytest.approx(wanted[form]["SE"], rel=1e-5)
    assert any(note.startswith("form is nested in") for note in means.notes)
    # Means of the outer factor are those of its own levels.
    inside = {form: float(wanted[form]["estimate"]) for form in wanted}
    outer = as_pandas(fit.emmeans(means.factors[-1]).frame)["estimate"]
    assert sorted(outer) == pytest.approx(
        sorted([inside["ctl"], np.mean([inside[f] for f in "ABC"])]), abs=1e-5
    )
    pairs = as_pandas(means.contrast().frame)["estimate"]
    assert sorted(np.abs(pairs)) == pytest.approx(
        sorted(abs(inside[a] - inside[b]) for i, a in enumerate(wanted) for b in list(wanted)[i + 1 :]),
        abs=1e-5,
    )
    with pytest.raises(mw.DataError, match="'form' is nested in"):
        fit.joint_tests()


def test_nesting_in_numbers_of_several_values() -> None:
    table = fitted("y ~ factor(dose) / form + x + (1 | block)", frame()).emmeans("form").frame
    assert table[["form", "dose"]].to_numpy().tolist() == [[row["form"], row["dose"]] for row in R["three"]]
    np.testing.assert_allclose(table["estimate"], [row["estimate"] for row in R["three"]], atol=1e-5)


# ---- covariates inside conditions


@pytest.mark.parametrize("formula", R["conditions"])
def test_numbers_inside_conditions_are_at_their_mean(formula: str) -> None:
    fit = fitted(formula, frame())
    table = fit.emmeans("t").frame
    np.testing.assert_allclose(
        table["estimate"], [row["estimate"] for row in R["conditions"][formula]], atol=1e-5
    )
    np.testing.assert_allclose(table["std_error"], [row["SE"] for row in R["conditions"][formula]], rtol=1e-5)
    assert fit.emmeans("x").frame["x"].tolist() == pytest.approx([frame()["x"].mean()])
    assert set(fit.joint_tests()["term"]) == {"t"}


def test_conditions_at_other_values() -> None:
    fit = fitted("y ~ x * I(x > 0) + t + (1 | block)", frame())
    table = fit.emmeans(["x", "t"], at={"x": [-1, 1]}).frame
    np.testing.assert_allclose(table["estimate"], [row["estimate"] for row in R["condition_at"]], atol=1e-5)
    weighted = fitted("y ~ x * t + form + (1 | block)", frame())
    found = weighted.emmeans("t", at={"x": [-1, 1]}, weights="proportional").frame
    np.testing.assert_allclose(
        found["estimate"], [row["estimate"] for row in R["proportional_at"]], atol=1e-5
    )


@pytest.mark.parametrize(
    "written", ["factor(floor(x))", "C(floor(x), Sum)", "factor(floor(x), ordered=TRUE)", "factor(x > 0.3)"]
)
def test_computed_levels_are_those_of_the_computed_column(written: str) -> None:
    bins = {"factor(x > 0.3)": lambda x: x > 0.3}.get(written, np.floor)
    data = frame(bin=bins(frame()["x"]).astype(int))
    found = fitted(f"y ~ {written} + t + (1 | block)", data)
    wanted = fitted("y ~ factor(bin) + t + (1 | block)", data)
    for weights in ("equal", "proportional", "cells"):
        means = [fit.emmeans("t", weights=weights).frame["estimate"] for fit in (found, wanted)]
        np.testing.assert_allclose(*means, atol=1e-6)
    own = found.emmeans("x").frame
    assert bins(own["x"]).tolist() == sorted(set(data["bin"]))
    assert set(own["x"]) <= set(data["x"])
    np.testing.assert_allclose(own["estimate"], wanted.emmeans("bin").frame["estimate"], atol=1e-6)


def test_a_grid_that_is_too_large_is_refused_with_its_axes() -> None:
    rows = np.arange(303)
    data = {name: rows // 3 * factor % 101 for name, factor in (("a", 1), ("b", 7), ("c", 11))}
    data |= {"y": np.sin(rows * 1.7), "x": np.cos(rows), "g": rows % 20}
    fit = fitted("y ~ x + factor(a) + factor(b) + factor(c) + (1 | g)", data)
    for ask in (lambda: fit.emmeans("a"), fit.joint_tests, lambda: fit.emtrends("x", "1")):
        with pytest.raises(mw.ModelError, match=r"1,030,301 cells.* a \(101\), b \(101\), c \(101\)"):
            ask()
    assert len(fit.emmeans("a", at={"b": 7, "c": 11}).frame) == 101


# ---- columns made with the help of others


def unbalanced() -> pd.DataFrame:
    """Groups of very different sizes, whose means of x depend on the size."""
    sizes = np.array([2, 3, 30, 5, 17, 2, 9, 4, 21, 6])
    g = np.repeat(np.arange(10), sizes)
    rows = np.arange(len(g))
    x = np.sin(1.9 * rows) - 0.12 * sizes[g]
    data = pd.DataFrame(
        {"g": [f"s{i:02d}" for i in g], "x": x, "t": np.array(["a", "b", "c"])[rows % 3], "day": rows}
    )
    data["y"] = 0.5 * x - 0.3 * sizes[g] + (data["t"] == "b") + np.cos(rows * 2.3) + np.sin(5.0 * g)
    mean = data.groupby("g")["x"].transform("mean")
    return data.assign(
        xb=mean,
        xw=data["x"] - mean,
        last=data.groupby("g")["x"].shift(),
        total=data.groupby("g")["x"].cumsum(),
    )


AUXILIARY = {
    "within and between": ("within(x, g) + between(x, g)", "xw + xb"),
    "without blanks": ("within(x,g) + between( x , g )", "xw + xb"),
    "Mundlak": ("x + between(x, g)", "x + xb"),
    "in an interaction": ("t * within(x, g) + between(x, g)", "t * xw + xb"),
    "inside a function": ("within(x, g) + I(between(x, g)^2)", "xw + I(xb^2)"),
    "of a function": ("within(sin(x), g) + between(x, g)", "sw + xb"),
    "polynomial": ("poly(between(x, g), 2)", "poly(xb, 2)"),
    "spline": ("bs(within(x, g), df=4) + between(x, g)", "bs(xw, df=4) + xb"),
    "centred": ("center(between(x, g)) + scale(within(x, g))", "center(xb) + scale(xw)"),
    "lag": ("lag(x, g, day)", "last"),
    "running total": ("cumulative(x, g, day) + x", "total + x"),
    "offset": ("x + offset(between(x, g))", "x + offset(xb)"),
    "condition": ("I(within(x, g) > 0.1) + x", "I(xw > 0.1) + x"),
}


def auxiliary(name: str) -> tuple[mw.LmerResult, mw.LmerResult]:
    data = unbalanced()
    data["sw"] = np.sin(data["x"]) - np.sin(data["x"]).groupby(data["g"]).transform("mean")
    ours, computed = AUXILIARY[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mw.lmer(f"y ~ {ours} + t + (1 | g)", data), mw.lmer(f"y ~ {computed} + t + (1 | g)", data)


@pytest.mark.parametrize("name", AUXILIARY)
def test_calls_along_groups_are_columns_of_their_own(name: str) -> None:
    found, wanted = auxiliary(name)
    assert found.criterion == pytest.approx(wanted.criterion, abs=1e-8)
    for weights in ("equal", "cells"):
        ours, theirs = (fit.emmeans("t", weights=weights).frame for fit in (found, wanted))
        np.testing.assert_allclose(ours["estimate"], theirs["estimate"], atol=1e-7)
        np.testing.assert_allclose(ours["std_error"], theirs["std_error"], rtol=1e-6)
    ours, theirs = found.joint_tests(), wanted.joint_tests()
    assert set(ours["term"]) == {"t"}
    np.testing.assert_allclose(ours["f_value"], theirs["f_value"], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "ours", "theirs"),
    [
        ("within and between", "within(x, g)", "xw"),
        ("within and between", "within(x,g)", "xw"),
        ("without blanks", "between(x, g)", "xb"),
        ("in an interaction", "within(x, g)", "xw"),
        ("inside a function", "between(x, g)", "xb"),
        ("polynomial", "between(x, g)", "xb"),
        ("lag", "lag(x, g, day)", "last"),
        ("Mundlak", "x", "x"),
    ],
)
def test_slopes_and_means_along_such_columns(name: str, ours: str, theirs: str) -> None:
    found, wanted = auxiliary(name)
    trends = [
        fit.emtrends(column, "t").frame["estimate"] for fit, column in ((found, ours), (wanted, theirs))
    ]
    np.testing.assert_allclose(*trends, atol=1e-6)
    means = [
        fit.emmeans([column], at={column: [-1.0, 0.5]}).frame["estimate"]
        for fit, column in ((found, ours), (wanted, theirs))
    ]
    np.testing.assert_allclose(*means, atol=1e-6)
    lines = [
        fit.plot.effects(column).lines[0].get_ydata() for fit, column in ((found, ours), (wanted, theirs))
    ]
    np.testing.assert_allclose(*lines, atol=1e-6)


@pytest.mark.parametrize("verb", ["emmeans", "at", "emtrends", "by", "plot"])
@pytest.mark.parametrize("name", ["x", "g"])
def test_what_serves_to_compute_a_column_only_is_no_axis(verb: str, name: str) -> None:
    fit = auxiliary("within and between")[0]
    asked: dict[str, Callable[[], object]] = {
        "emmeans": lambda: fit.emmeans(name),
        "at": lambda: fit.emmeans("t", at={name: 0}),
        "emtrends": lambda: fit.emtrends(name, "t"),
        "by": lambda: fit.joint_tests(by=name),
        "plot": lambda: fit.plot.effects(name),
    }
    with pytest.raises(mw.DataError, match=rf"'{name}' .* compute 'within\(x, g\)' and 'between\(x, g\)'"):
        asked[verb]()


# ---- slopes along the variable itself


@pytest.mark.parametrize("at", [[-1.0, 1.0], [0.0], [1.5, -0.5, 0.25]])
def test_slopes_at_values_of_the_variable_itself(at: list[float]) -> None:
    fit = fitted("y ~ x + I(x^2) + t + (1 | block)", frame())
    table = fit.emtrends("x", "x", at={"x": at}).frame
    # d/dx of b1 x + b2 x^2 is b1 + 2 b2 x.
    rows = np.zeros((len(at), len(fit.params)))
    rows[:, list(fit.params.index).index("x")] = 1
    rows[:, list(fit.params.index).index("I(x^2)")] = 2 * np.array(at)
    wanted = fit.test(rows)
    assert table["x"].tolist() == at
    for column in ("estimate", "std_error", "df"):
        np.testing.assert_allclose(table[column], wanted[column], rtol=1e-6)
    averaged = fit.emtrends("x", "1", at={"x": at}).frame["estimate"]
    np.testing.assert_allclose(averaged, wanted["estimate"].mean(), rtol=1e-6)


def test_slopes_along_a_variable_and_a_factor() -> None:
    fit = fitted("y ~ (x + I(x^3)) * t + (1 | block)", frame())
    b = fit.params
    table = fit.emtrends("x", "x * t", at={"x": [-0.5, 2.0]}).frame
    for x, t, estimate in zip(table["x"], table["t"], table["estimate"], strict=True):
        slope = b["x"] + 3 * b["I(x^3)"] * x**2
        slope += 0 if t == "u" else b[f"x:t[{t}]"] + 3 * b[f"I(x^3):t[{t}]"] * x**2
        assert estimate == pytest.approx(slope, rel=1e-5)
    assert len(table) == 6


@pytest.mark.parametrize(
    ("formula", "name"), [("y ~ factor(dose) + (1 | block)", "dose"), ("y ~ t + (1 | block)", "t")]
)
def test_there_are_no_slopes_along_factors(formula: str, name: str) -> None:
    with pytest.raises(mw.DataError, match=rf"no slopes along '{name}'.* not used as a factor"):
        fitted(formula, frame()).emtrends(name, "1")


# ---- values asked for


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ([True], ["True"]),
        ("False", ["False"]),
        (["TRUE", "FALSE"], ["True", "False"]),
        (0, ["False"]),
        (np.array([1, 0]), ["True", "False"]),
        (np.bool_(False), ["False"]),
    ],
)
def test_logicals_are_what_they_say(given: object, shown: list[str]) -> None:
    fit = fitted("y ~ flag + (1 | block)", frame(flag=frame()["x"] > 0))
    all_means = fit.emmeans("flag").frame.set_index("flag")["estimate"]
    table = fit.emmeans("flag", at={"flag": given}).frame
    assert table["flag"].astype(str).tolist() == shown
    assert table["estimate"].tolist() == [all_means[text == "True"] for text in shown]


@pytest.mark.parametrize("given", ["yes", 2, [0.5], None])
def test_logicals_take_nothing_else(given: object) -> None:
    fit = fitted("y ~ flag + (1 | block)", frame(flag=frame()["x"] > 0))
    if given is None:
        assert len(fit.emmeans("flag", at={"flag": given}).frame) == 2
        return
    with pytest.raises(mw.DataError, match="'flag' is boolean"):
        fit.emmeans("flag", at={"flag": given})


@pytest.mark.parametrize(
    "given",
    [pd.Series([1.0, 2.0], index=[7, 3]), pl.Series([1.0, 2.0]), (1, 2), range(1, 3), np.array([1, 2])],
)
def test_values_of_a_covariate_in_any_sequence(given: object) -> None:
    fit = fitted("y ~ x + t + (1 | block)", frame())
    assert fit.emmeans("x", at={"x": given}).frame["x"].tolist() == [1.0, 2.0]


def test_levels_of_numbers_used_as_a_factor() -> None:
    fit = fitted("y ~ factor(dose) + (1 | block)", frame())
    assert fit.emmeans("dose", at={"dose": [25, "10"]}).frame["dose"].tolist() == [25, 10]
    with pytest.raises(mw.DataError, match=r"'11' is not a level of 'dose'.*'10'"):
        fit.emmeans("dose", at={"dose": 11})


def test_dates_in_a_grid() -> None:
    day = np.datetime64("2024-01-01") + (frame().index.to_numpy() * 5 % 40)
    fit = fitted("y ~ time_since(day) + t + (1 | block)", frame(day=day))
    plain = fitted("y ~ since + t + (1 | block)", frame(since=(day - day.min()).astype(int)))
    np.testing.assert_allclose(
        fit.emmeans("t").frame["estimate"], plain.emmeans("t").frame["estimate"], atol=1e-8
    )
    table = fit.emmeans("day", at={"day": ["2024-01-03", "2024-02-01"]}).frame
    wanted = plain.emmeans("since", at={"since": [2, 31]}).frame
    assert table["day"].tolist() == ["2024-01-03", "2024-02-01"]
    np.testing.assert_allclose(table["estimate"], wanted["estimate"], atol=1e-8)
    same = fit.emmeans("day", at={"day": np.array(["2024-01-03", "2024-02-01"], dtype="datetime64[D]")}).frame
    pd.testing.assert_frame_equal(same, table)
    with pytest.raises(mw.DataError, match="is not a date"):
        fit.emmeans("day", at={"day": "soon"})
