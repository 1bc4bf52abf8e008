"""Arguments that carry labels: matched by these in any order, refused when they are others."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import mixwell as mw

FORMULA = "y ~ x + t + (1 | g)"
SHUFFLED = np.random.default_rng(5).permutation(60)


def frame(labels: str = "text") -> pd.DataFrame:
    rows = np.arange(60)
    data = pd.DataFrame(
        {
            "y": np.sin(rows * 1.7) + rows % 3 + np.cos(rows // 6),
            "x": np.cos(rows * 2.3),
            "t": np.array(["a", "b", "c"])[rows % 3],
            "g": [f"g{i}" for i in rows // 6],
            "w": 1.0 + rows % 4,
            "o": np.sin(rows * 0.4),
            "time": (rows * 7) % 60,
        }
    )
    index: dict[str, Any] = {
        "text": [f"r{i}" for i in rows],
        "numbers": SHUFFLED,
        "from one": rows + 1,
        "dates": pd.date_range("2024-01-01", periods=60),
        "pairs": pd.MultiIndex.from_arrays([rows // 6, rows % 6]),
    }
    return data.set_axis(index[labels], axis=0)


def with_gaps(labels: str = "text") -> pd.DataFrame:
    data = frame(labels)
    data.loc[data.index[[3, 17, 40]], "x"] = np.nan
    return data


@cache
def fit(*, gaps: bool = False) -> mw.LmerResult:
    return mw.lmer(FORMULA, with_gaps() if gaps else frame())


def shuffled(values: pd.Series) -> pd.Series:
    return values.iloc[np.random.default_rng(len(values)).permutation(len(values))]


def foreign(values: pd.Series) -> pd.Series:
    return values.set_axis([f"other{i}" for i in range(len(values))])


def numbers(result: mw.LmerResult) -> Any:
    return [result.criterion, *result.params, *result.theta]


# ---- by the rows of the data


def rows(name: str) -> pd.Series:
    return frame()[name]


BY_ROW: dict[str, tuple[Callable[[Any], Any], Callable[[], pd.Series]]] = {
    "lmer(weights=)": (lambda v: numbers(mw.lmer(FORMULA, frame(), weights=v)), lambda: rows("w")),
    "lmer(offset=)": (lambda v: numbers(mw.lmer(FORMULA, frame(), offset=v)), lambda: rows("o")),
    "refit": (lambda v: numbers(fit().refit(v)), lambda: rows("o") + rows("y")),
    "cluster of tidy": (lambda v: fit().tidy(robust="CR1", cluster=v)["std_error"], lambda: rows("g")),
    "cluster of vcov_robust": (lambda v: np.ravel(fit().vcov_robust(cluster=v)), lambda: rows("g")),
    "cluster of test": (lambda v: fit().test("x", robust="CR2", cluster=v)["std_error"], lambda: rows("g")),
    "cluster of emmeans": (
        lambda v: fit().emmeans("t", robust="CR2", cluster=v).frame["std_error"],
        lambda: rows("g"),
    ),
    "influence(by=)": (lambda v: fit().influence(v).frame()["cooks_distance"], lambda: rows("g")),
    "between": (lambda v: mw.between(rows("x"), v), lambda: rows("g")),
    "within": (lambda v: mw.within(rows("x"), v), lambda: rows("g")),
    "lag by": (lambda v: mw.lag(rows("x"), v), lambda: rows("g")),
    "lag along": (lambda v: mw.lag(rows("x"), rows("g"), v), lambda: rows("time")),
    "rolling_mean": (lambda v: mw.rolling_mean(rows("x"), rows("g"), v, window=2), lambda: rows("time")),
    "cumulative": (lambda v: mw.cumulative(rows("x"), rows("g"), v), lambda: rows("time")),
    "time_since": (lambda v: mw.time_since(rows("time"), v), lambda: rows("time") - rows("o")),
}


@pytest.mark.parametrize("name", BY_ROW)
def test_series_are_matched_to_rows_by_their_labels(name: str) -> None:
    ask, given = BY_ROW[name]
    wanted = np.asarray(ask(given()), dtype=np.float64)
    np.testing.assert_array_equal(np.asarray(ask(given().to_numpy()), dtype=np.float64), wanted)
    np.testing.assert_array_equal(np.asarray(ask(shuffled(given())), dtype=np.float64), wanted)
    # Nobody labelled these.
    np.testing.assert_array_equal(np.asarray(ask(given().reset_index(drop=True)), dtype=np.float64), wanted)
    np.testing.assert_array_equal(np.asarray(ask(pl.Series(given().to_numpy())), dtype=np.float64), wanted)


@pytest.mark.parametrize("name", BY_ROW)
def test_labels_of_other_rows_are_refused(name: str) -> None:
    ask, given = BY_ROW[name]
    with pytest.raises(mw.DataError, match=r"labels that no row has: 'other0'.*to_numpy"):
        ask(foreign(given()))
    one_wrong = shuffled(given()).rename({"r7": "r70"})
    with pytest.raises(mw.DataError, match="labels that no row has: 'r70'"):
        ask(one_wrong)
    twice = shuffled(given()).rename({"r7": "r8"})
    with pytest.raises(mw.DataError, match="twice"):
        ask(twice)


@pytest.mark.parametrize("labels", ["text", "numbers", "from one", "dates", "pairs"])
def test_labels_of_any_kind(labels: str) -> None:
    data = frame(labels)
    wanted = numbers(mw.lmer(FORMULA, data, weights="w", offset="o"))
    given = {"weights": shuffled(data["w"]), "offset": shuffled(data["o"])}
    assert numbers(mw.lmer(FORMULA, data, **given)) == wanted
    assert numbers(mw.lmer(FORMULA, {name: data[name] for name in data}, **given)) == wanted
    found = mw.lmer(FORMULA, data)
    assert numbers(found.refit(shuffled(data["y"] + data["o"]))) == numbers(
        found.refit((data["y"] + data["o"]).array)
    )


@pytest.mark.parametrize("labels", ["text", "numbers", "dates", "pairs"])
def test_rows_that_were_dropped(labels: str) -> None:
    """Labelled with all rows of the data, or with those used."""
    data = with_gaps(labels)
    used = data.dropna()
    wanted = numbers(mw.lmer(FORMULA, data, weights="w", offset="o"))
    for part in (data, used):
        given = {"weights": shuffled(part["w"]), "offset": shuffled(part["o"])}
        assert numbers(mw.lmer(FORMULA, data, **given)) == wanted
    found = mw.lmer(FORMULA, data)
    y = data["y"] + data["o"]
    wanted = numbers(found.refit(y.to_numpy()))
    for part in (y, shuffled(y), y[used.index], shuffled(y[used.index])):
        assert numbers(found.refit(part)) == wanted
    groups = [
        found.influence(by).frame()["cooks_distance"].tolist()
        for by in (shuffled(data["g"]), shuffled(used["g"]))
    ]
    assert groups[0] == groups[1] == found.influence(used["g"].to_numpy()).frame()["cooks_distance"].tolist()
    without = data.index[0]
    with pytest.raises(
        mw.DataError, match=r"has 56 values for 60 rows|labels that no row has|values for 56 of 60"
    ):
        mw.lmer(FORMULA, data, weights=used["w"].drop(without))


def test_labels_are_positions_where_the_data_have_none() -> None:
    data = with_gaps().to_dict("list")
    found = mw.lmer(FORMULA, data)
    y = pd.Series(np.asarray(data["y"]) + np.asarray(data["o"]))
    wanted = numbers(found.refit(y.to_numpy()))
    assert numbers(found.refit(shuffled(y))) == wanted
    assert numbers(found.refit(shuffled(y[found.resid.index]))) == wanted
    with pytest.raises(mw.DataError, match="weights carries row labels, but the rows have none"):
        mw.lmer(FORMULA, data, weights=frame()["w"])
    with pytest.raises(mw.DataError, match="weights carries row labels, but the rows have none"):
        mw.lmer(FORMULA, pl.from_pandas(frame()), weights=frame()["w"])


def test_labels_that_occur_twice_must_be_in_order() -> None:
    data = frame().set_axis(np.arange(60) // 2, axis=0)
    assert numbers(mw.lmer(FORMULA, data, weights=data["w"])) == numbers(mw.lmer(FORMULA, data, weights="w"))
    with pytest.raises(mw.DataError, match="twice"):
        mw.lmer(FORMULA, data, weights=shuffled(data["w"]))


def test_series_in_a_dict_must_agree() -> None:
    data = frame()
    columns = {name: data[name] for name in data}
    assert mw.lmer(FORMULA, columns).resid.index.equals(data.index)
    columns["x"] = columns["x"].reset_index(drop=True)
    assert mw.lmer(FORMULA, columns).resid.index.equals(data.index)
    with pytest.raises(mw.DataError, match=r"'y' and 'x' carry different row labels; pandas.DataFrame"):
        mw.lmer(FORMULA, {**columns, "x": shuffled(data["x"])})


# ---- by names of parameters, means and levels

BY_NAME: dict[str, tuple[Callable[[Any], Any], Callable[[], pd.Series]]] = {
    "test": (lambda v: fit().test(v)["estimate"], lambda: pd.Series([0, 1, -2, 3.0], fit().params.index)),
    "test of a frame": (
        lambda v: fit().test(v if isinstance(v, np.ndarray) else pd.DataFrame([v]))["estimate"],
        lambda: pd.Series([0, 1, -2, 3.0], fit().params.index),
    ),
    "contrast": (
        lambda v: fit().emmeans("t").contrast({"own": v}).frame["estimate"],
        lambda: pd.Series([1, -2, 1.5], list("abc")),
    ),
    "contrast of pairs": (
        lambda v: fit().emmeans(["t", "x"], at={"x": [0, 1]}).contrast({"own": v}).frame["estimate"],
        lambda: pd.Series(
            [1, -2, 1.5, 0, 3, 1], pd.MultiIndex.from_product([[0.0, 1.0], list("abc")]).swaplevel()
        ),
    ),
    "start": (lambda v: numbers(two_terms(start=v)), lambda: two_terms().theta * 1.5),
    "contrasts": (
        lambda v: numbers(mw.lmer(FORMULA, frame(), contrasts={"t": coded(v)})),
        lambda: pd.Series([0.5, -0.5, 0], list("abc")),
    ),
}


@cache
def base() -> pd.DataFrame:
    return frame()


def two_terms(**arguments: Any) -> mw.LmerResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mw.lmer("y ~ x + t + (1 + x | g)", base(), **arguments)


def coded(values: Any) -> Any:
    """A contrast matrix whose first column is given."""
    second = {"a": -1 / 3, "b": -1 / 3, "c": 2 / 3}
    if isinstance(values, np.ndarray):
        return np.column_stack([values, list(second.values())])
    return pd.DataFrame({"one": values, "two": [second.get(level, 0) for level in values.index]})


@pytest.mark.parametrize("name", BY_NAME)
def test_series_are_matched_to_names(name: str) -> None:
    ask, given = BY_NAME[name]
    wanted = np.asarray(ask(given().to_numpy()), dtype=np.float64)
    for order in (np.arange(len(given())), np.arange(len(given()))[::-1]):
        np.testing.assert_allclose(ask(given().iloc[order]), wanted, rtol=1e-9)
    with pytest.raises(mw.MixwellError, match="labelled 'other0'"):
        ask(foreign(given()))


def test_columns_of_a_polars_hypothesis() -> None:
    row = dict(zip(fit().params.index, [0.0, 1.0, -2.0, 3.0], strict=True))
    wanted = fit().test([list(row.values())])["estimate"]
    backwards = pl.DataFrame({name: [row[name]] for name in reversed(row)})
    assert fit().test(backwards)["estimate"].tolist() == wanted.tolist()
    assert (
        fit().test(pl.DataFrame([list(row.values())], orient="row"))["estimate"].tolist() == wanted.tolist()
    )
    with pytest.raises(mw.DataError, match="labelled 'u', 'v'"):
        fit().test(pl.DataFrame({"u": [1], "v": [2]}))


def test_statistics_of_a_bootstrap_are_matched_by_name() -> None:
    def sorted_by_value(part: Any) -> pd.Series:
        return part.params.sort_values()

    def as_they_stand(part: Any) -> dict[str, float]:
        return dict(part.params)

    found, wanted = (
        fit().bootstrap(20, statistic=statistic, seed=3, progress=False)
        for statistic in (sorted_by_value, as_they_stand)
    )
    order = [found.names.index(name) for name in wanted.names]
    np.testing.assert_array_equal(found.draws[:, order], wanted.draws)
    with pytest.raises(mw.MixwellError, match="every refit of the bootstrap failed"):
        fit().bootstrap(20, statistic=lambda part: {f"{part.sigma:.6f}": 1.0}, seed=3, progress=False)
