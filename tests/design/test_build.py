"""The design as a record: masks, levels, order of terms, shared memory; and what is refused."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixwell.data.columns import Factor, Numbers
from mixwell.design.build import build_design
from mixwell.design.record import Design
from mixwell.errors import DataError, FormulaError, MixwellError, ModelError


def pups() -> pd.DataFrame:
    """24 rows: two factors, two covariates, crossed and nested groups, weights and offset."""
    rows = np.arange(24)
    return pd.DataFrame(
        {
            "y": np.sin(rows * 1.7) + rows / 5,
            "x": np.cos(rows * 2.3) * 3,
            "z": (rows * 7 % 11).astype(float),
            "f": np.array(["b", "a", "c"])[rows % 3],
            "s": np.array(["M", "F"])[(rows // 2) % 2],
            "g": np.array(["g2", "g10", "g1", "g3"])[rows // 6],
            "h": rows % 5,
            "cask": np.array(["u", "v"])[rows % 2],
            "w": 1.0 + rows % 4,
            "off": rows / 10,
        }
    )


def same(one: Design, other: Design) -> None:
    """Every number and name equal."""
    np.testing.assert_array_equal(one.y, other.y)
    np.testing.assert_array_equal(one.x, other.x)
    assert one.x_names == other.x_names
    assert one.fixed_terms == other.fixed_terms
    for a, b in ((one.weights, other.weights), (one.offset, other.offset)):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            np.testing.assert_array_equal(a, b)
    assert [f.name for f in one.factors] == [f.name for f in other.factors]
    for a_factor, b_factor in zip(one.factors, other.factors, strict=True):
        assert a_factor.levels.tolist() == b_factor.levels.tolist()
        np.testing.assert_array_equal(a_factor.codes, b_factor.codes)
    assert [(t.factor, t.label, t.names) for t in one.terms] == [
        (t.factor, t.label, t.names) for t in other.terms
    ]
    for a_term, b_term in zip(one.terms, other.terms, strict=True):
        np.testing.assert_array_equal(np.array(a_term.columns), np.array(b_term.columns))


RICH = "y ~ f * x + poly(z, 2) + s + (x | g) + (1 | h) + (1 | g:cask)"


# --- columns and names


def test_names_of_coefficients() -> None:
    data = pups().assign(flag=lambda d: d["x"] > 0)
    design = build_design("y ~ f * x + flag + poly(z, 2) + C(s, contr.sum) + (1 | g)", data)
    assert design.x_names == (
        "(Intercept)",
        "f[b]",
        "f[c]",
        "x",
        "flag[True]",
        "poly(z, 2)[1]",
        "poly(z, 2)[2]",
        "C(s, contr.sum)[S.F]",
        "f[b]:x",
        "f[c]:x",
    )
    assert [term.name for term in design.fixed_terms] == [
        "(Intercept)",
        "f",
        "x",
        "flag",
        "poly(z, 2)",
        "C(s, contr.sum)",
        "f:x",
    ]
    assert design.fixed_terms[-1].variables == ("f", "x")
    assert [column for term in design.fixed_terms for column in term.columns] == list(range(10))


def test_named_base_level() -> None:
    text = build_design('y ~ C(s, contr.treatment("M")) + (1 | g)', pups())
    argument = build_design("y ~ s + (1 | g)", pups(), contrasts={"s": ("treatment", "M")})
    assert argument.x_names == ("(Intercept)", "s[F]")
    np.testing.assert_array_equal(argument.x, text.x)
    np.testing.assert_array_equal(argument.x[:, 1], pups()["s"] == "F")


def test_named_columns_of_a_contrast_matrix() -> None:
    matrix = pd.DataFrame({"linear": [-1.0, 0, 1], "bent": [1.0, -2, 1]}, index=list("abc"))
    design = build_design("y ~ f + (1 | g)", pups(), contrasts={"f": matrix})
    assert design.x_names == ("(Intercept)", "f[linear]", "f[bent]")
    np.testing.assert_array_equal(design.x[:3, 1:], [[0, -2], [-1, 1], [1, 1]])


def test_columns_left_of_a_bar_share_the_memory_of_x() -> None:
    design = build_design("y ~ x + f + (x + f | g)", pups())
    assert design.x.flags.f_contiguous
    for column, name in zip(design.terms[0].columns, design.terms[0].names, strict=True):
        assert np.shares_memory(column, design.x[:, design.x_names.index(name)])
        assert column.flags.c_contiguous


def test_intercepts_of_terms_share_one_array_when_x_has_none() -> None:
    design = build_design("y ~ 0 + x + (1 | g) + (z | h)", pups())
    ones = [term.columns[0] for term in design.terms]
    assert ones[0] is ones[1]
    np.testing.assert_array_equal(ones[0], np.ones(24))


@pytest.mark.parametrize(
    ("bar", "names"),
    [
        ("(s | h)", [("(Intercept)", "s[S.F]")]),
        ("(s || h)", [("(Intercept)",), ("s[S.F]",)]),
        ("(x * s || h)", [("(Intercept)",), ("x",), ("s[S.F]",), ("x:s[S.F]",)]),
        ("(0 + s | h)", [("s[F]", "s[M]")]),
    ],
)
def test_contrasts_code_both_parts(bar: str, names: list[tuple[str, ...]]) -> None:
    design = build_design(f"y ~ x * s + {bar}", pups(), contrasts={"s": "sum"})
    assert [term.names for term in design.terms] == names
    coded = np.where(pups()["s"] == "F", 1.0, -1.0)
    for term in design.terms:
        for name, column in zip(term.names, term.columns, strict=True):
            if name in design.x_names:
                np.testing.assert_array_equal(column, design.x[:, design.x_names.index(name)])
            if name == "s[S.F]":
                np.testing.assert_array_equal(column, coded)


def test_contrasts_may_name_a_factor_that_stands_left_of_a_bar_only() -> None:
    design = build_design("y ~ x + (s || h)", pups(), contrasts={"s": "sum"})
    assert [term.names for term in design.terms] == [("(Intercept)",), ("s[S.F]",)]


ROW_LABELS = pd.DataFrame({"b-a": [0.5, -0.5, 0], "c": [-1 / 3, -1 / 3, 2 / 3]}, index=["b", "a", "c"])


@pytest.mark.parametrize("order", [["a", "b", "c"], ["c", "a", "b"], ["b", "c", "a"]])
def test_rows_of_a_contrast_frame_are_the_levels_they_are_labelled_with(order: list[str]) -> None:
    wanted = build_design(
        "y ~ f + (1 | g)", pups(), contrasts={"f": ROW_LABELS.loc[["a", "b", "c"]].to_numpy()}
    )
    found = build_design("y ~ f + (1 | g)", pups(), contrasts={"f": ROW_LABELS.loc[order]})
    assert found.x_names == ("(Intercept)", "f[b-a]", "f[c]")
    np.testing.assert_array_equal(found.x, wanted.x)


def test_levels_that_are_numbers_are_matched_as_numbers() -> None:
    data = pups().assign(f=pups()["f"].map({"a": 1, "b": 2, "c": 3}))
    frame = ROW_LABELS.set_axis([2.0, 1.0, 3.0])
    found = build_design("y ~ factor(f) + (1 | g)", data, contrasts={"factor(f)": frame})
    wanted = build_design("y ~ f + (1 | g)", pups(), contrasts={"f": ROW_LABELS})
    np.testing.assert_array_equal(found.x, wanted.x)


@pytest.mark.parametrize("index", [["a", "b", "d"], ["a", "b", "b"], [1, 2, 0]])
def test_rows_labelled_with_what_are_no_levels_are_refused(index: list[object]) -> None:
    with pytest.raises(FormulaError, match=r"labelled .* its levels are 'a', 'b', 'c'"):
        build_design("y ~ f + (1 | g)", pups(), contrasts={"f": ROW_LABELS.set_axis(index)})


def test_no_array_of_the_design_is_the_caller_s_memory() -> None:
    data = {
        "y": np.arange(6.0) ** 2,
        "x": np.ones(6) * np.arange(6.0),
        "g": np.arange(6, dtype=np.int32) // 2,
    }
    weights, offset = np.ones(6), np.arange(6.0)
    design = build_design("y ~ x + (1 | g)", data, weights=weights, offset=offset)
    own = [
        design.y,
        design.x,
        design.weights,
        design.offset,
        *(factor.codes for factor in design.factors),
        *(column for term in design.terms for column in term.columns),
        *(column.values for column in design.variables.values()),
    ]
    for array in own:
        assert not any(np.shares_memory(array, given) for given in (*data.values(), weights, offset))
        assert not array.flags.writeable
    assert all(given.flags.writeable for given in (*data.values(), weights, offset))


# --- random terms


def test_double_bar_gives_one_term_per_column() -> None:
    design = build_design("y ~ 1 + (x + f || g)", pups())
    assert [term.label for term in design.terms] == [
        "(1 | g)",
        "(0 + x | g)",
        "(0 + f[b] | g)",
        "(0 + f[c] | g)",
    ]
    assert [term.names for term in design.terms] == [("(Intercept)",), ("x",), ("f[b]",), ("f[c]",)]
    explicit = build_design("y ~ 1 + (1 | g) + (0 + x | g)", pups())
    for term, other in zip(design.terms, explicit.terms, strict=False):
        np.testing.assert_array_equal(term.columns, other.columns)


def test_cells_of_a_factor_left_of_a_bar() -> None:
    design = build_design("y ~ 1 + (0 + s | h)", pups())
    assert design.terms[0].names == ("s[F]", "s[M]")
    np.testing.assert_array_equal(np.sum(design.terms[0].columns, axis=0), np.ones(24))


@pytest.mark.parametrize(
    ("formula", "order"),
    [
        ("y ~ 1 + (1 | s) + (1 | g)", ["g", "s"]),
        ("y ~ 1 + (1 | g) + (1 | s)", ["g", "s"]),
        ("y ~ 1 + (1 | s) + (1 | g) + (1 | h)", ["h", "g", "s"]),
        # R: rev(order(c(2, 4, 2))) is 2, 3, 1: ties are reversed.
        ("y ~ 1 + (1 | s) + (1 | g) + (1 | cask)", ["g", "cask", "s"]),
        # Not increasing anywhere: left as typed.
        ("y ~ 1 + (1 | g) + (1 | s) + (1 | cask)", ["g", "s", "cask"]),
        ("y ~ 1 + (1 | s) + (0 + x | g) + (1 | g)", ["g", "g", "s"]),
        ("y ~ 1 + (1 | g/cask)", ["g:cask", "g"]),
        ("y ~ 1 + (1 | s) + (1 | g/cask)", ["g:cask", "g", "s"]),
    ],
)
def test_order_of_terms(formula: str, order: list[str]) -> None:
    design = build_design(formula, pups())
    assert [design.factors[term.factor].name for term in design.terms] == order


def test_terms_of_one_factor_share_it() -> None:
    design = build_design("y ~ 1 + (1 | g) + (0 + x | g)", pups())
    assert len(design.factors) == 1
    assert [term.factor for term in design.terms] == [0, 0]


def test_interaction_levels_are_the_observed_ones_first_factor_slowest() -> None:
    data = pups().iloc[[0, 1, 3, 6, 8, 12, 13, 18, 19, 20]]
    design = build_design("y ~ 1 + (1 | g:cask)", data)
    assert design.factors[0].levels.tolist() == ["g1:u", "g1:v", "g10:u", "g2:u", "g2:v", "g3:u", "g3:v"]
    rows = [f"{g}:{c}" for g, c in zip(data["g"], data["cask"], strict=True)]
    assert design.factors[0].levels[design.factors[0].codes].tolist() == rows


def test_a_wide_interaction_counts_only_what_is_observed() -> None:
    n = 3000
    rows = np.arange(n)
    data = {"y": np.sin(rows), "a": rows // 2, "b": (rows * 7919) % 2999, "c": rows % 1500}
    design = build_design("y ~ 1 + (1 | a:b:c)", {name: np.repeat(v, 2) for name, v in data.items()})
    assert design.factors[0].n_levels == n
    assert design.factors[0].levels[0] == "0:0:0"


# --- levels


def test_levels_of_text_are_sorted_and_of_integers_numeric() -> None:
    design = build_design("y ~ f + (1 | g) + (1 | h)", pups())
    levels = {factor.name: factor.levels.tolist() for factor in design.factors}
    assert levels == {"g": ["g1", "g10", "g2", "g3"], "h": ["0", "1", "2", "3", "4"]}


def test_categoricals_keep_their_order_without_unused_levels() -> None:
    data = pups().assign(f=lambda d: pd.Categorical(d["f"], ["c", "unused", "b", "a"]))
    assert build_design("y ~ f + (1 | g)", data).x_names == ("(Intercept)", "f[b]", "f[a]")
    ordered = data.assign(f=lambda d: d["f"].cat.as_ordered())
    assert build_design("y ~ f + (1 | g)", ordered).x_names == ("(Intercept)", "f[b]", "f[a]")


def test_levels_that_lose_all_rows_to_missing_values_are_dropped() -> None:
    data = pups()
    data.loc[data["f"] == "a", "x"] = np.nan
    data.loc[data["g"] == "g1", "x"] = np.nan
    design = build_design("y ~ f + x + (1 | g)", data)
    assert design.x_names == ("(Intercept)", "f[c]", "x")
    assert design.factors[0].levels.tolist() == ["g10", "g2", "g3"]


# --- rows


def test_dropped_rows_are_counted_and_located() -> None:
    data = pups().set_index(pd.Index([f"r{i}" for i in range(24)]))
    data.loc[["r1", "r2"], "y"] = np.nan
    data.loc[["r2", "r5"], "x"] = np.nan
    data.loc["r7", "g"] = None
    data.loc["r9", "w"] = np.nan
    data.loc["r11", "z"] = np.nan
    design = build_design("y ~ x + (1 | g)", data, weights="w", offset=np.append(np.nan, np.ones(23)))
    rows = design.rows
    assert rows is not None
    assert rows.kept is not None
    assert (rows.n_given, rows.n_dropped, design.n_obs) == (24, 6, 18)
    assert rows.missing == {"y": 2, "x": 2, "g": 1, "w": 1, "offset": 1}
    assert not set(rows.kept) & {0, 1, 2, 5, 7, 9}
    assert rows.index is not None
    assert rows.index.tolist() == [f"r{i}" for i in rows.kept]
    with pytest.raises(DataError, match=r"missing values in y \(2\), x \(2\), g \(1\)"):
        build_design("y ~ x + (1 | g)", data, na_action="raise")


def test_nothing_dropped_is_said_by_none() -> None:
    rows = build_design("y ~ x + (1 | g)", pups()).rows
    assert rows is not None
    assert rows.kept is None
    assert rows.n_dropped == 0


@given(st.data())
def test_missing_values_are_as_if_their_rows_were_not_there(draw: st.DataObject) -> None:
    data = pups()
    columns = ["y", "x", "z", "f", "s", "g", "h", "cask", "w", "off"]
    holes = draw.draw(st.lists(st.tuples(st.integers(0, 23), st.sampled_from(columns)), max_size=6))
    for row, column in holes:
        data[column] = data[column].astype(object if data[column].dtype.kind not in "fi" else float)
        data.loc[row, column] = np.nan if data[column].dtype.kind == "f" else None
    complete = data.drop(index=[row for row, _ in holes])
    arguments: dict[str, Any] = {"weights": "w", "offset": "off"}
    formula = "y ~ f * x + poly(z, 2) + center(x):s + (x | g) + (1 | h) + (1 | g:cask)"
    try:
        expected = build_design(formula, complete, **arguments)
    except MixwellError as error:
        with pytest.raises(type(error)):
            build_design(formula, data, **arguments)
        return
    same(build_design(formula, data, **arguments), expected)


# --- frames


@pytest.mark.parametrize(
    "convert",
    [
        pl.from_pandas,
        lambda data: pa.Table.from_pandas(data),
        lambda data: {name: data[name].to_list() for name in data},
        lambda data: {name: data[name].to_numpy() for name in data},
        lambda data: data.convert_dtypes(),
        lambda data: data.convert_dtypes(dtype_backend="pyarrow"),
        lambda data: data.astype({"f": object, "s": object, "g": "category"}),
        lambda data: data.astype({"x": "Float64", "h": "Int8", "y": "float64"}),
    ],
    ids=["polars", "pyarrow", "lists", "arrays", "nullable", "arrow", "object", "narrow"],
)
def test_every_kind_of_frame_gives_the_same_design(convert: Any) -> None:
    data = pups()
    data.loc[3, "x"] = np.nan
    data.loc[5, "f"] = None
    same(
        build_design(RICH, convert(data), weights="w", offset="off"),
        build_design(RICH, data, weights="w", offset="off"),
    )


def test_weights_and_offset_as_names_arrays_or_series() -> None:
    data = pups()
    named = build_design("y ~ x + (1 | g)", data, weights="w", offset="off")
    same(build_design("y ~ x + (1 | g)", data, weights=data["w"], offset=data["off"].to_list()), named)
    same(
        build_design("y ~ x + (1 | g)", data, weights=pl.Series(data["w"]), offset=data["off"].to_numpy()),
        named,
    )


def test_offsets_add_up() -> None:
    data = pups()
    design = build_design("y ~ x + offset(off) + offset(log(w)) + (1 | g)", data, offset="z")
    np.testing.assert_allclose(design.offset, data["off"] + np.log(data["w"]) + data["z"], rtol=1e-15)
    constant = build_design("y ~ x + offset(2 * 3) + (1 | g)", data)
    np.testing.assert_array_equal(constant.offset, np.full(24, 6.0))


def test_variables_are_kept_for_reference_grids() -> None:
    design = build_design("y ~ log(w) * f + (x | g)", pups())
    assert list(design.variables) == ["w", "f", "x"]
    weight, treatment = design.variables["w"], design.variables["f"]
    assert isinstance(weight, Numbers)
    assert isinstance(treatment, Factor)
    assert weight.floats().mean() == pytest.approx(2.5)
    assert treatment.levels.tolist() == ["a", "b", "c"]


def test_designs_pickle_and_copy() -> None:
    design = build_design(RICH, pups(), weights="w", contrasts={"f": "helmert"})
    same(pickle.loads(pickle.dumps(design)), design)
    same(copy.deepcopy(design), design)


# --- what is refused: formula, change to the data, arguments, class, part of the message

TABLE: list[tuple[str, dict[str, Any], dict[str, Any], type[MixwellError], str]] = [
    ("y ~ xx + (1 | g)", {}, {}, FormulaError, "'xx' is not a column of the data; did you mean 'x'"),
    ("y ~ X + (1 | g)", {}, {}, FormulaError, "did you mean 'x'"),
    ("y ~ x + (1 | gg)", {}, {}, FormulaError, "did you mean 'g'"),
    ("yy ~ x + (1 | g)", {}, {}, FormulaError, "did you mean 'y'"),
    ("y ~ log(xx) + (1 | g)", {}, {}, FormulaError, "'xx'"),
    ("y ~ T + (1 | g)", {}, {}, FormulaError, "'T' is not a column"),
    ("y ~ x", {}, {}, FormulaError, "no random effects"),
    ("y ~ fun(x) + (1 | g)", {}, {}, FormulaError, "no function 'fun'"),
    ("y ~ sqt(x) + (1 | g)", {}, {}, FormulaError, "did you mean 'sqrt'"),
    ("y ~ __import__('os') + (1 | g)", {}, {}, FormulaError, "no function '__import__'"),
    ("y ~ eval('1') + (1 | g)", {}, {}, FormulaError, "no function 'eval'"),
    ("y ~ np.load('f') + (1 | g)", {}, {}, FormulaError, "no function 'np.load'"),
    ("y ~ x.__class__ + (1 | g)", {}, {}, FormulaError, "'x.__class__' is not a column"),
    ("y ~ lambda + (1 | g)", {}, {}, FormulaError, "'lambda' is not a column"),
    ("y ~ pi + (1 | g)", {}, {}, FormulaError, "pi is not a column"),
    ("y ~ contr.sum + (1 | g)", {}, {}, FormulaError, "not a column"),
    ("y ~ I(offset(x)) + (1 | g)", {}, {}, FormulaError, "term of its own"),
    ("y ~ log(f) + (1 | g)", {}, {}, DataError, "needs numbers"),
    ("y ~ I(f + 1) + (1 | g)", {}, {}, DataError, "needs numbers"),
    ("y ~ log(x, 2, 3) + (1 | g)", {}, {}, FormulaError, "log"),
    ("y ~ poly(x, 0) + (1 | g)", {}, {}, FormulaError, "poly"),
    ("y ~ poly(s, 2) + (1 | g)", {}, {}, DataError, "poly() needs numbers"),
    ("y ~ poly(w, 4) + (1 | g)", {}, {}, DataError, "distinct values"),
    ("y ~ bs(x, df=1) + (1 | g)", {}, {}, FormulaError, "bs()"),
    ("y ~ bs(x, nonsense=1) + (1 | g)", {}, {}, FormulaError, "bs()"),
    ("y ~ C(f, contr.nope) + (1 | g)", {}, {}, FormulaError, "'contr.nope'"),
    ('y ~ C(s, contr.treatment("Mm")) + (1 | g)', {}, {}, FormulaError, "not a level of"),
    ("y ~ relevel(f, 'q') + (1 | g)", {}, {}, DataError, "'q' is not one of the levels a, b, c"),
    ("y ~ log(z) + (1 | g)", {}, {}, DataError, "log(z) is infinite in 3 rows"),
    ("y ~ log(x) + (1 | g)", {}, {}, DataError, "log(x) is not a number in"),
    ("y ~ x + (1 | g)", {"x": np.append(np.inf, np.ones(23))}, {}, DataError, "x is infinite in 1 row"),
    ("y ~ x + (1 | g)", {"y": np.append(-np.inf, np.arange(23))}, {}, DataError, "y is infinite in 1 row"),
    ("y ~ x + (1 | h)", {"h": np.append(np.inf, np.arange(23) % 5)}, {}, DataError, "h is infinite in 1 row"),
    ("y ~ x + (z | g)", {"z": np.append(np.inf, np.arange(23))}, {}, DataError, "z is infinite in 1 row"),
    ("y ~ x + (1 | row)", {"row": np.arange(24)}, {}, ModelError, "'row' has 24 levels in 24 rows"),
    ("y ~ x + (1 | one)", {"one": ["a"] * 24}, {}, ModelError, "'one' has only one level, 'a'"),
    ("y ~ x + (1 | one)", {"one": [1.0] * 24}, {}, ModelError, "only one level, '1'"),
    (
        "y ~ x + (x + z | pair)",
        {"pair": np.arange(24) // 3},
        {},
        ModelError,
        "24 random effects (8 levels x 3",
    ),
    ("y ~ one + (1 | g)", {"one": ["a"] * 24}, {}, ModelError, "'one' has only one level"),
    ("y ~ x + (1 | g)", {"y": [2.0] * 24}, {}, ModelError, "'y' is constant: it is 2 in all 24 rows"),
    ("y ~ x + (1 | g)", {"y": ["a", "b"] * 12}, {}, DataError, "'y' is text or categorical"),
    ("y ~ x + (1 | g)", {"y": [True, False] * 12}, {}, DataError, "logistic"),
    ("I(x > 0) ~ z + (1 | g)", {}, {}, DataError, "logistic"),
    ("y ~ x + (1 | g)", {"x": [np.nan] * 24}, {}, DataError, "All values of 'x' are missing"),
    ("y ~ x + (1 | g)", {"g": [None] * 24}, {}, DataError, "All values of 'g' are missing"),
    (
        "y ~ x + (1 | g)",
        {"x": [np.nan, 1.0] * 12, "g": ["a", None] * 12},
        {},
        DataError,
        "No row is complete: every row misses at least one of x, g",
    ),
    ("y ~ t + (1 | g)", {"t": pd.date_range("2024", periods=24)}, {}, DataError, "'t' holds dates or times"),
    ("y ~ x + (1 | t)", {"t": pd.date_range("2024", periods=24)}, {}, DataError, "'t' holds dates or times"),
    ("y ~ y + (1 | g)", {}, {}, FormulaError, "also stands on the right"),
    ("y ~ x + (x | g)", {"x": [3.0] * 24}, {}, ModelError, "'x' is constant, the same as the intercept"),
    ("y ~ x + (0 + x | g)", {"x": [0.0] * 24}, {}, ModelError, "'x' is zero in every row"),
    ("y ~ x + (x + I(2 * x) | g)", {}, {}, ModelError, "'I(2 * x)' is a combination of '(Intercept)', 'x'"),
    ("y ~ x + (1 | g) + (x | g)", {}, {}, ModelError, "both hold '(Intercept)' for 'g'"),
    (
        "y ~ x + (1 | g)",
        {},
        {"weights": "ww"},
        DataError,
        "weights='ww' is not a column of the data; did you",
    ),
    ("y ~ x + (1 | g)", {}, {"weights": "f"}, DataError, "weights must be numbers"),
    ("y ~ x + (1 | g)", {}, {"weights": np.ones(23)}, DataError, "weights has 23 values for 24 rows"),
    ("y ~ x + (1 | g)", {}, {"weights": np.zeros(24)}, DataError, "weights must be positive; 24 of 24"),
    ("y ~ x + (1 | g)", {}, {"weights": np.append(-1.0, np.ones(23))}, DataError, "1 of 24 are not"),
    ("y ~ x + (1 | g)", {}, {"weights": np.append(np.inf, np.ones(23))}, DataError, "weights is infinite"),
    ("y ~ x + (1 | g)", {}, {"weights": 2.0}, DataError, "one value per row"),
    ("y ~ x + (1 | g)", {}, {"offset": np.ones((24, 2))}, DataError, "2 dimensions"),
    ("y ~ x + (1 | g)", {}, {"offset": [1.0]}, DataError, "offset has 1 values for 24 rows"),
    ("y ~ x + (1 | g)", {}, {"offset": np.append(np.inf, np.ones(23))}, DataError, "offset is infinite"),
    ("y ~ offset(f) + (1 | g)", {}, {}, DataError, "needs numbers"),
    ("y ~ f + (1 | g)", {}, {"contrasts": {"ff": "sum"}}, FormulaError, "did you mean 'f'"),
    ("y ~ f + (1 | g)", {}, {"contrasts": {"f": "sums"}}, FormulaError, "none of 'treatment', 'sum'"),
    (
        "y ~ f + (1 | g)",
        {},
        {"contrasts": {"f": ("treatment", "q")}},
        FormulaError,
        "'q' is not a level of 'f'",
    ),
    ("y ~ f + (1 | g)", {}, {"contrasts": {"f": np.eye(3)}}, FormulaError, "3 x 3; its 3 levels need 3 x 2"),
    ("y ~ f + (1 | g)", {}, {"contrasts": {"f": np.ones((3, 2))}}, FormulaError, "singular"),
    ("y ~ x + (1 | g)", {}, {"contrasts": {"x": "sum"}}, FormulaError, "it is numeric; write factor(x)"),
    ("y ~ x + (1 | g)", {}, {"na_action": "omit"}, DataError, "'drop' or 'raise'"),
]


@pytest.mark.parametrize(("formula", "changes", "arguments", "error", "message"), TABLE)
def test_bad_input_is_named(
    formula: str, changes: dict[str, Any], arguments: dict[str, Any], error: type[MixwellError], message: str
) -> None:
    with pytest.raises(MixwellError) as raised:
        build_design(formula, pups().assign(**changes), **arguments)
    assert message in str(raised.value)
    assert type(raised.value) is error


def test_frames_too_small() -> None:
    data = pups()
    with pytest.raises(DataError, match="no rows"):
        build_design("y ~ x + (1 | g)", data.iloc[:0])
    with pytest.raises(DataError, match="no rows"):
        build_design("y ~ x + (1 | g)", {})
    with pytest.raises(ModelError, match="only one row is complete"):
        build_design("y ~ x + (1 | g)", data.iloc[:1])
    with pytest.raises(ModelError, match="'g' has only one level"):
        build_design("y ~ x + (1 | g)", data.iloc[:2])
    with pytest.raises(ModelError, match="one level per row"):
        build_design("y ~ x + (1 | g)", data.iloc[[0, 6]])


def test_duplicated_columns_are_refused_where_used() -> None:
    data = pd.concat([pups(), pups()[["x"]]], axis=1)
    with pytest.raises(DataError, match="2 columns named 'x'"):
        build_design("y ~ x + (1 | g)", data)
    build_design("y ~ z + (1 | g)", data)


def test_columns_may_be_named_like_constants_and_functions() -> None:
    data = pups().rename(columns={"x": "pi", "z": "log"})
    design = build_design("y ~ pi + log + log(w) + (pi | g)", data)
    assert design.x_names == ("(Intercept)", "pi", "log", "log(w)")
    np.testing.assert_array_equal(design.x[:, 1], pups()["x"])


def test_an_uncentred_year_is_not_taken_for_a_constant() -> None:
    data = pups().assign(year=2010 + np.arange(24) % 6, seconds=1.7e9 + np.arange(24) % 6)
    for column in ("year", "seconds"):
        assert build_design(f"y ~ {column} + ({column} | g)", data).terms[0].names == ("(Intercept)", column)
