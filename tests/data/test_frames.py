"""Columns are the same whatever kind of frame they come in."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mixwell.data.columns import Factor, Logicals, Numbers, as_factor, label
from mixwell.data.frame import open_frame
from mixwell.data.native import to_native
from mixwell.data.output import Origin, noted_frame
from mixwell.errors import DataError

NUMBERS = [3.0, 1.5, None, 2.0]
WHOLE = [3, 10, None, 2]
TEXTS = ["b", "a", None, "b"]
FLAGS = [True, False, None, True]
CATEGORIES = ["low", "high", None, "low"]
LEVELS = ["low", "mid", "high"]

KINDS: dict[str, Callable[[], object]] = {
    "pandas": lambda: pd.DataFrame(
        {
            "number": NUMBERS,
            "whole": pd.array(WHOLE, dtype="Int64"),
            "text": TEXTS,
            "flag": pd.array(FLAGS, dtype="boolean"),
            "category": pd.Categorical(CATEGORIES, LEVELS),
        }
    ),
    "pandas objects": lambda: pd.DataFrame(
        {
            "number": pd.Series(NUMBERS, dtype=object),
            "whole": pd.Series(WHOLE, dtype=object),
            "text": pd.Series(TEXTS, dtype=object),
            "flag": pd.Series(FLAGS, dtype=object),
            "category": pd.Categorical(CATEGORIES, LEVELS, ordered=True),
        }
    ),
    "pandas arrow": lambda: KINDS["pandas"]().convert_dtypes(dtype_backend="pyarrow"),  # type: ignore[attr-defined]
    "polars": lambda: pl.DataFrame(
        {"number": NUMBERS, "whole": WHOLE, "text": TEXTS, "flag": FLAGS}
    ).with_columns(category=pl.Series(CATEGORIES, dtype=pl.Enum(LEVELS))),
    "pyarrow": lambda: pa.table(
        {
            "number": pa.array(NUMBERS),
            "whole": pa.array(WHOLE),
            "text": pa.array(TEXTS),
            "flag": pa.array(FLAGS),
            "category": pa.DictionaryArray.from_arrays(pa.array([0, 2, None, 0], pa.int32()), LEVELS),
        }
    ),
    "dict of lists": lambda: {
        "number": NUMBERS,
        "whole": WHOLE,
        "text": TEXTS,
        "flag": FLAGS,
        "category": pd.Categorical(CATEGORIES, LEVELS),
    },
    "dict of arrays and series": lambda: {
        "number": np.array([3.0, 1.5, np.nan, 2.0]),
        "whole": pl.Series(WHOLE),
        "text": np.array(TEXTS, dtype=object),
        "flag": pa.chunked_array([FLAGS]),
        "category": pd.Series(pd.Categorical(CATEGORIES, LEVELS)),
    },
}
ROWS = np.array([0, 1, 3])


@pytest.mark.parametrize("kind", KINDS)
def test_columns_do_not_depend_on_the_kind_of_frame(kind: str) -> None:
    frame = open_frame(KINDS[kind]())
    assert frame.n_rows == 4
    number, whole = frame.column("number"), frame.column("whole")
    assert isinstance(number, Numbers)
    assert isinstance(whole, Numbers)
    assert number.take(ROWS).floats().tolist() == [3.0, 1.5, 2.0]
    assert whole.take(ROWS).floats().tolist() == [3.0, 10.0, 2.0]
    assert as_factor(whole.take(ROWS)).levels.tolist() == ["2", "3", "10"]
    flag = frame.column("flag")
    assert isinstance(flag, Logicals)
    assert flag.take(ROWS).values.tolist() == [True, False, True]
    text, category = frame.column("text"), frame.column("category")
    assert isinstance(text, Factor)
    assert isinstance(category, Factor)
    assert (text.levels.tolist(), text.codes.tolist()) == (["a", "b"], [1, 0, -1, 1])
    assert (category.levels.tolist(), category.codes.tolist()) == (["low", "high"], [0, 1, -1, 0])
    for column in (number, whole, flag, text, category):
        assert column.missing is not None
        assert column.missing.tolist() == [False, False, True, False]


def test_polars_categories_are_in_sorted_order() -> None:
    # Their own order is that of first use anywhere in the session.
    frame = open_frame(pl.DataFrame({"c": pl.Series(["z", "b", "z"], dtype=pl.Categorical)}))
    column = frame.column("c")
    assert isinstance(column, Factor)
    assert (column.levels.tolist(), column.codes.tolist()) == (["b", "z"], [1, 0, 1])


def test_float_arrays_are_read_without_a_copy() -> None:
    values = np.array([1.0, 2.0, 3.0])
    for data in ({"x": values}, pd.DataFrame({"x": values}, copy=False), pl.DataFrame({"x": values})):
        column = open_frame(data).column("x")
        assert isinstance(column, Numbers)
        native = data["x"] if isinstance(data, dict) else data["x"].to_numpy()
        assert np.shares_memory(column.floats(), native)


@pytest.mark.parametrize(
    ("values", "levels", "codes"),
    [
        ([10, 9, 10, -1], ["-1", "9", "10"], [2, 1, 2, 0]),
        ([5_000_000_000, 7, 5_000_000_000, 8], ["7", "8", "5000000000"], [2, 0, 2, 1]),
        ([0.5, 2.0, 0.5, 10.0], ["0.5", "2", "10"], [0, 1, 0, 2]),
        ([2.0, 1.0, np.nan, 2.0], ["1", "2"], [1, 0, -1, 1]),
        (np.array([200, 3, 200], dtype=np.uint8), ["3", "200"], [1, 0, 1]),
        (np.array([-128, 127, 0], dtype=np.int8), ["-128", "0", "127"], [0, 2, 1]),
    ],
)
def test_numbers_as_categories_are_in_numeric_order(
    values: object, levels: list[str], codes: list[int]
) -> None:
    factor = as_factor(open_frame({"g": np.asarray(values)}).column("g"))
    assert factor.levels.tolist() == levels
    assert factor.codes.tolist() == codes
    assert factor.codes.dtype == np.int32


def test_missing_integers_do_not_become_a_level() -> None:
    for values in ([7, 5, None, 7], [7, 5_000_000_000, None, 7]):
        factor = as_factor(open_frame(pl.DataFrame({"g": values})).column("g"))
        assert factor.levels.tolist() == sorted({str(v) for v in values if v is not None}, key=int)
        assert factor.codes.tolist() == [factor.levels.tolist().index(str(v)) if v else -1 for v in values]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (3.0, "3"),
        (0.2, "0.2"),
        (np.float64(0.1), "0.1"),
        (np.int64(4), "4"),
        (True, "True"),
        ("3.0", "3.0"),
    ],
)
def test_labels(value: object, text: str) -> None:
    assert label(value) == text


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pd.date_range("2024-01-01", periods=3), "dates or times"),
        (pd.timedelta_range("1h", periods=3), "dates or times"),
        ([dt.date(2024, 1, 1)] * 3, "dates or times"),
        (pl.Series([dt.datetime(2024, 1, 1)] * 3), "dates or times"),
        (pd.period_range("2024-01", periods=3, freq="M"), "dates or times"),
        (np.array([1j, 2j, 3j]), "cannot use"),
        ([1, "a", 2], "mixes types"),
        ([[1], [2], [3]], "mixes types"),
        (np.ones((3, 2)), "2 dimensions"),
        (pd.Categorical([1, "1", 1]), "same text"),
    ],
)
def test_columns_of_unusable_types_are_named(values: object, message: str) -> None:
    frame = open_frame({"odd": values, "x": [1, 2, 3]})
    assert isinstance(frame.column("x"), Numbers)
    with pytest.raises(DataError, match=message) as raised:
        frame.column("odd")
    assert "'odd'" in str(raised.value)


def test_decimals_are_numbers() -> None:
    for data in ({"x": [Decimal("1.5"), None]}, pl.DataFrame({"x": [Decimal("1.5"), None]})):
        column = open_frame(data).column("x")
        assert isinstance(column, Numbers)
        np.testing.assert_array_equal(column.floats(), [1.5, np.nan])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (3, "a int"),
        ("file.csv", "a str"),
        (np.ones((3, 2)), "ndarray"),
        (pl.DataFrame({"x": [1]}).lazy(), "collect"),
        ({"x": [1, 2], "y": [1, 2, 3]}, "differ in length"),
        ({"x": 1, "y": [1, 2, 3]}, "not an array"),
        ({"x": "abc", "y": [1, 2, 3]}, "not an array"),
    ],
)
def test_what_is_no_data_frame_is_refused(data: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_frame(data)


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_results_come_back_in_the_caller_s_kind(kind: str) -> None:
    texts = np.array(["a", "b"], dtype=object)
    result = to_native({"term": texts, "estimate": np.array([1.0, 2.0])}, kind)  # type: ignore[arg-type]
    expected = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.Table}[kind]
    assert isinstance(result, expected)
    again = open_frame(result)
    assert again.kind == kind
    assert again.names == ("term", "estimate")


def test_pandas_results_keep_row_labels() -> None:
    result = to_native({"x": [1.0, 2.0]}, "pandas", index=pd.Index(["r", "s"]))
    assert isinstance(result, pd.DataFrame)
    assert result.index.tolist() == ["r", "s"]


COPIES: dict[str, Callable[[Any], Any]] = {
    "copy.copy": copy.copy,
    "copy.deepcopy": copy.deepcopy,
    "frame.copy": lambda frame: frame.copy(),
    "pickle": lambda frame: pickle.loads(pickle.dumps(frame)),
}


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_keeps_the_note_and_what_is_computed_has_none(way: str) -> None:
    frame: Any = noted_frame(Origin("pandas", None), {"term": ["x"], "p_value": [0.5]}, "By this method.")
    made = COPIES[way](frame)
    assert made.note == frame.note
    assert repr(made) == repr(frame)
    assert made._repr_html_() == frame._repr_html_()
    made.note = "Another."
    assert frame.note == "By this method."
    assert not hasattr(made[["term"]], "note")
