"""New rows: stored levels and state are reused, unseen levels are named, missing values stay missing."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

from mixwell.design.build import build_design
from mixwell.design.newdata import new_rows
from mixwell.errors import DataError, NewLevelsError

N = 30


def data() -> pd.DataFrame:
    rows = np.arange(N)
    return pd.DataFrame(
        {
            "y": np.sin(rows * 1.3) + rows / 7,
            "x": rows * 0.5 + 1,
            "f": np.array(["a", "b", "c"])[rows % 3],
            "flag": rows % 4 == 0,
            "g": np.array(["u", "v", "w"])[rows // 10],
            "h": rows % 5,
            "off": rows / 3.0,
            "w": 1.0 + rows % 2,
        }
    )


FORMULA = (
    "y ~ f * center(x) + poly(x, 2) + scale(x) + bs(x, df=4) + flag + (x + f | g) + (0 + x | h) + (1 | g:h)"
)


@pytest.mark.parametrize("again", [lambda d: d, copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))])
def test_any_subset_of_rows_gives_the_same_columns(again: object) -> None:
    design = again(build_design(FORMULA.replace("(x + f | g) + ", "(x | g) + "), data()))  # type: ignore[operator]
    for chosen in ([4, 1, 5], [7], list(range(N))):
        rows = new_rows(design, data().iloc[chosen])
        np.testing.assert_allclose(rows.x, design.x[chosen], rtol=1e-13, atol=1e-13)
        for factor, codes in zip(design.factors, rows.codes, strict=True):
            np.testing.assert_array_equal(codes, factor.codes[chosen])
        for term, columns in zip(design.terms, rows.columns, strict=True):
            for column, expected in zip(columns, term.columns, strict=True):
                np.testing.assert_allclose(column, expected[chosen], rtol=1e-13)
        assert rows.unseen == ((),) * len(design.factors)
        assert not rows.missing.any()


def test_a_frame_without_the_base_level_keeps_its_coding() -> None:
    design = build_design("y ~ f + (1 | g)", data())
    rows = new_rows(design, {"f": ["b", "c"], "g": ["u", "u"]})
    np.testing.assert_array_equal(rows.x, [[1, 1, 0], [1, 0, 1]])
    categorical = new_rows(design, {"f": pd.Categorical(["c", "b"], ["c", "b"]), "g": ["u", "u"]})
    np.testing.assert_array_equal(categorical.x, [[1, 0, 1], [1, 1, 0]])


def test_centring_is_not_estimated_again() -> None:
    design = build_design("y ~ center(x) + (1 | g)", data())
    rows = new_rows(design, {"x": [0.0, 100.0], "g": ["u", "v"]})
    np.testing.assert_allclose(rows.x[:, 1], np.array([0.0, 100.0]) - data()["x"].mean(), rtol=1e-15)


def test_equal_labels_are_one_level_whatever_their_type() -> None:
    design = build_design("y ~ factor(h) + (1 | h)", data().assign(g=data()["h"]))
    for values in ([3, 1], [3.0, 1.0], ["3", "1"]):
        rows = new_rows(design, {"h": values})
        assert rows.codes[0] is not None
        assert rows.codes[0].tolist() == [3, 1]
        np.testing.assert_array_equal(rows.x[:, 1:], [[0, 0, 1, 0], [1, 0, 0, 0]])


def test_unseen_levels_of_a_fixed_factor_are_named() -> None:
    design = build_design("y ~ f + (1 | g)", data())
    with pytest.raises(NewLevelsError, match="'f' of the fixed part has new levels 'q', 'z'"):
        new_rows(design, {"f": ["b", "z", "q"], "g": ["u", "u", "u"]})


def test_unseen_levels_of_grouping_factors_are_listed() -> None:
    design = build_design("y ~ x + (1 | g) + (1 | h) + (1 | g:h)", data())
    new = pd.DataFrame({"x": [1.0] * 5, "g": ["u", "new", "u", "w", "v"], "h": [1, 2, 9, 0, 9]})
    rows = new_rows(design, new)
    codes = dict(zip([factor.name for factor in design.factors], rows.codes, strict=True))
    unseen = dict(zip([factor.name for factor in design.factors], rows.unseen, strict=True))
    assert unseen == {"g": ("new",), "h": ("9",), "g:h": ("new:2", "u:9", "v:9")}
    assert codes["g"] is not None
    assert codes["g"].tolist() == [0, -1, 0, 2, 1]
    assert codes["h"] is not None
    assert codes["h"].tolist() == [1, 2, -1, 0, -1]
    assert codes["g:h"] is not None
    labels = design.factors[[factor.name for factor in design.factors].index("g:h")].levels
    assert [labels[code] if code >= 0 else None for code in codes["g:h"]] == ["u:1", None, None, "w:0", None]


def test_a_combination_may_be_new_though_its_parts_are_not() -> None:
    kept = data()[~((data()["g"] == "u") & (data()["h"] == 2))]
    design = build_design("y ~ x + (1 | g:h)", kept)
    rows = new_rows(design, {"x": [1.0], "g": ["u"], "h": [2]})
    assert rows.unseen == (("u:2",),)
    assert rows.codes[0] is not None
    assert rows.codes[0].tolist() == [-1]


def test_columns_of_factors_not_asked_for_may_be_absent() -> None:
    design = build_design("y ~ f + (x | g) + (1 | h)", data())
    rows = new_rows(design, {"f": ["a", "b"]}, factors=())
    assert rows.codes == (None, None)
    assert rows.columns == ((), ())
    only_h = new_rows(design, {"f": ["a", "b"], "h": [0, 4]}, factors=["h"])
    names = [factor.name for factor in design.factors]
    assert only_h.codes[names.index("g")] is None
    assert only_h.codes[names.index("h")] is not None
    with pytest.raises(DataError, match="no column 'g', which the model needs"):
        new_rows(design, {"f": ["a"], "x": [1.0], "h": [1]})
    with pytest.raises(DataError, match="'gg' is not a grouping factor of the model; did you mean 'g'"):
        new_rows(design, {"f": ["a"]}, factors=["gg"])


def test_rows_with_missing_values_stay_in_place() -> None:
    design = build_design("y ~ f + center(x) + (x | g)", data())
    new = pd.DataFrame(
        {"f": ["a", None, "c", "b"], "x": [1.0, 2.0, np.nan, 4.0], "g": ["u", "v", "w", None]},
        index=list("pqrs"),
    )
    rows = new_rows(design, new)
    assert rows.missing.tolist() == [False, True, True, True]
    assert np.isnan(rows.x[1:]).all()
    assert np.isfinite(rows.x[0]).all()
    assert rows.codes[0] is not None
    assert rows.codes[0].tolist() == [0, -1, -1, -1]
    assert rows.unseen == ((),)
    assert rows.index is not None
    assert rows.index.tolist() == list("pqrs")
    population = new_rows(design, new, factors=())
    assert population.missing.tolist() == [False, True, True, False]


def test_all_rows_missing_or_no_rows() -> None:
    design = build_design("y ~ f + poly(x, 2) + (1 | g)", data())
    rows = new_rows(design, pd.DataFrame({"f": [None], "x": [np.nan], "g": ["u"]}))
    assert rows.missing.all()
    empty = new_rows(design, data().iloc[:0])
    assert empty.x.shape == (0, 5)


def test_offsets_continue() -> None:
    design = build_design("y ~ x + offset(log(w)) + (1 | g)", data(), offset="off")
    new = data().iloc[[3, 9]]
    np.testing.assert_allclose(new_rows(design, new).offset, new["off"] + np.log(new["w"]), rtol=1e-15)
    array = build_design("y ~ x + (1 | g)", data(), offset=data()["off"].to_numpy())
    with pytest.raises(DataError, match="offset= as an array"):
        new_rows(array, new)


def test_the_response_is_read_on_request() -> None:
    design = build_design("log(y + 2) ~ x + (1 | g)", data())
    assert new_rows(design, data()).y is None
    np.testing.assert_array_equal(new_rows(design, data(), need_response=True).y, design.y)
    with pytest.raises(DataError, match="no column 'y'"):
        new_rows(design, data()[["x", "g"]], need_response=True)


def test_kinds_may_differ_between_fit_and_new_data() -> None:
    design = build_design("y ~ f + x + (1 | g)", data())
    rows = new_rows(design, pl.from_pandas(data()))
    np.testing.assert_array_equal(rows.x, design.x)
    assert rows.kind == "polars"


def test_text_where_numbers_were_is_refused() -> None:
    design = build_design("y ~ x + (1 | g)", data())
    with pytest.raises(DataError, match="x was numeric when the model was fitted"):
        new_rows(design, {"x": ["a"], "g": ["u"]})


def test_new_rows_do_not_change_the_design() -> None:
    design = build_design("y ~ relevel(f, 'b') + ns(x, df=3) + (1 | g)", data())
    before = pickle.dumps(design.recipe)
    new_rows(design, {"x": [50.0], "f": ["c"], "g": ["u"]})
    assert pickle.dumps(design.recipe) == before
