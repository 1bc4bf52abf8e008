"""How a response is made from a column is read from its expression: undone, it is the column again."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

from mixwell.design.build import build_design
from mixwell.design.response import ResponseTransform

N = 60


def data() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "y": rng.uniform(0.05, 0.9, N),
            "z": rng.normal(size=N),
            "down": -rng.uniform(0.5, 2.0, N),
            "of y": rng.uniform(1.0, 2.0, N),
            "x": rng.uniform(1.0, 2.0, N),
            "g": np.repeat(list("abcdef"), N // 6),
        }
    )


def transform(response: str) -> tuple[ResponseTransform, np.ndarray]:
    design = build_design(f"{response} ~ x + (1 | g)", data())
    assert design.recipe is not None
    return design.recipe.response, design.y


# The left side; the column; what differences are ratios of (None: they are neither ratios nor multiples).
UNDONE: list[tuple[str, str, str | None]] = [
    ("y", "y", ""),
    ("I(y)", "y", ""),
    ("{y}", "y", ""),
    ("identity(y)", "y", ""),
    ("as.numeric(y)", "y", ""),
    ("`of y`", "of y", ""),
    ("-y", "y", ""),
    ("y / 1000", "y", ""),
    ("2 * (y - 1) + 3", "y", ""),
    ("1 - y", "y", ""),
    ("y + y", "y", ""),
    ("scale(y)", "y", ""),
    ("scale(y, center=FALSE)", "y", ""),
    ("scale(y, scale=FALSE)", "y", ""),
    ("standardize(y)", "y", ""),
    ("center(y)", "y", ""),
    ("center(-2 * scale(y))", "y", ""),
    ("log(y)", "y", "y"),
    ("I(log(y))", "y", "y"),
    ("{log(y)}", "y", "y"),
    ("np.log(y)", "y", "y"),
    ("numpy.log(y)", "y", "y"),
    ("log(`of y`)", "of y", "of y"),
    ("log(y, 10)", "y", "y"),
    ("log(y, base=2)", "y", "y"),
    ("log(y, base=1/2)", "y", "y"),
    ("log2(y)", "y", "y"),
    ("log10(y)", "y", "y"),
    ("np.log10(y)", "y", "y"),
    ("log(pi * y)", "y", "y"),
    ("2 * log(y / 3)", "y", "y"),
    ("-log(y) + 1", "y", "y"),
    ("scale(log(y))", "y", "y"),
    ("log(y + 1)", "y", "y + 1"),
    ("log(1 + y)", "y", "1 + y"),
    ("log1p(y)", "y", "y + 1"),
    ("log(2*(y+4))", "y", "2 * (y + 4)"),
    ("log(1 - y)", "y", "1 - y"),
    ("log(y/(1 - y))", "y", "y/(1 - y)"),
    ("log((y + 0.1) / (1.1 - y))", "y", "(y + 0.1)/(1.1 - y)"),
    ("log(y^2)", "y", "y^2"),
    ("log(-down)", "down", "down"),
    ("sqrt(y)", "y", None),
    ("np.sqrt(y)", "y", None),
    ("sqrt(y + 0.5)", "y", None),
    ("sqrt(1 - y)", "y", None),
    ("y ** 0.5", "y", None),
    ("y^(1/3)", "y", None),
    ("cbrt(z)", "z", None),
    ("y^2", "y", None),
    ("y**2", "y", None),
    ("square(y)", "y", None),
    ("down^2", "down", None),
    ("down^-2", "down", None),
    ("z^3", "z", None),
    ("(y + 1)^2", "y", None),
    ("1 / y", "y", None),
    ("-1 / y", "y", None),
    ("1 / down", "down", None),
    ("down^-3", "down", None),
    ("1 / (y + 1)", "y", None),
    ("y / (y + 1)", "y", None),
    ("(1 - y) / y", "y", None),
    ("sqrt(1 / y)", "y", None),
    ("exp(y)", "y", None),
    ("exp(-y / 2)", "y", None),
    ("expm1(y)", "y", None),
    ("2^y", "y", None),
    ("sqrt(log(1 + y))", "y", None),
    ("asin(sqrt(y))", "y", None),
    ("arcsin(y)", "y", None),
    ("acos(y)", "y", None),
    ("np.arctan(z)", "z", None),
    ("sinh(z)", "z", None),
    ("tanh(z)", "z", None),
    ("asinh(z)", "z", None),
    ("np.arcsinh(z)", "z", None),
    ("acosh(1 + y)", "y", None),
    ("atanh(y)", "y", None),
]


@pytest.mark.parametrize(("response", "column", "logged"), UNDONE)
def test_undone_the_response_is_the_column(response: str, column: str, logged: str | None) -> None:
    found, y = transform(response)
    assert (found.quantity, found.problem) == (column, "")
    np.testing.assert_allclose(found.inverse(y), data()[column], rtol=1e-9)
    assert found.logged == (logged or "")
    assert (found.differences() is None) == (logged is None)
    assert pickle.loads(pickle.dumps(found)) == found


@pytest.mark.parametrize(("response", "column", "logged"), UNDONE)
def test_derivative_is_the_slope_of_the_inverse(response: str, column: str, logged: str | None) -> None:
    found, y = transform(response)
    y = y[np.abs(y) > 0.05 * np.abs(y).max()]
    step = 1e-6 * np.abs(y)
    slope = (found.inverse(y + step) - found.inverse(y - step)) / (2 * step)
    np.testing.assert_allclose(found.derivative(y), slope, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("response", "column", "logged"), UNDONE)
def test_interval_holds_what_lies_between_its_ends(response: str, column: str, logged: str | None) -> None:
    found, y = transform(response)
    low, high = found.interval(np.full(1, np.quantile(y, 0.25)), np.full(1, np.quantile(y, 0.75)))
    assert low < high
    ours = (data()[column] >= low[0]) & (data()[column] <= high[0])
    theirs = (y >= np.quantile(y, 0.25)) & (y <= np.quantile(y, 0.75))
    assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize(("response", "column", "logged"), [row for row in UNDONE if row[2] is not None])
def test_differences_are_ratios_or_multiples(response: str, column: str, logged: str) -> None:
    """Of any two rows, computed from what the logarithm is of."""
    found, y = transform(response)
    undone = found.differences()
    assert undone is not None
    between = undone.inverse(y[1:] - y[0])
    frame = data()
    if not logged:
        np.testing.assert_allclose(between, frame[column][1:] - frame[column][0], rtol=1e-9, atol=1e-12)
        return
    of = frame.eval(logged.replace("^", "**")) if logged != "of y" else frame["of y"]
    np.testing.assert_allclose(between, of[1:] / of[0], rtol=1e-9)


@pytest.mark.parametrize(
    ("response", "logged", "why"),
    [
        ("y - x", "", "several columns, y, x"),
        ("(y - x) / 2", "", "several columns, y, x"),
        ("100 * (y - x) / x", "", "several columns, y, x"),
        ("log(y) - log(x)", "", "several columns, y, x"),
        ("y * x", "", "several columns, y, x"),
        ("within(y, g)", "", "several columns, y, g"),
        ("z^2", "", "no single inverse"),
        ("(y - 0.5)**2", "", "no single inverse"),
        ("1 / z", "", "no single inverse"),
        ("z / (z + 0.01)", "", "no single inverse"),
        ("abs(z)", "", "no single inverse"),
        ("log(abs(z))", "", "no single inverse"),
        ("sin(z)", "", "no single inverse"),
        ("floor(10 * y)", "", "no single inverse"),
        ("y * y", "", "no single inverse"),
        ("ifelse(y > 0.5, y, 0)", "", "no single inverse"),
        ("log(y, x)", "", "several columns, y, x"),
        ("y^x", "", "several columns, y, x"),
    ],
)
def test_what_cannot_be_undone_says_why(response: str, logged: str, why: str) -> None:
    found, _ = transform(response)
    assert why in found.problem
    assert (found.steps, found.logged) == ((), logged)
    assert not found.is_identity
    assert not found.is_linear
    assert found.differences() is None


@pytest.mark.parametrize(
    ("response", "quantity"), [("log(y / x)", "y/x"), ("sqrt(y + x)", "y + x"), ("log(1 + y*x)", "y * x")]
)
def test_of_several_columns_it_is_undone_down_to_their_function(response: str, quantity: str) -> None:
    found, y = transform(response)
    assert (found.quantity, found.problem) == (quantity, "")
    np.testing.assert_allclose(found.inverse(y), data().eval(quantity), rtol=1e-12)


@pytest.mark.parametrize(
    ("response", "low", "high", "wanted"),
    [
        ("sqrt(y)", -0.3, 0.5, (0.0, 0.25)),
        ("sqrt(y + 0.5)", -0.3, 1.0, (-0.5, 0.5)),
        ("-sqrt(y)", -0.5, 0.3, (0.0, 0.25)),
        ("y^2", -1.0, 4.0, (0.0, 2.0)),
        ("down^2", -1.0, 4.0, (-2.0, 0.0)),
        ("1 / y", -1.0, 4.0, (0.25, np.inf)),
        ("1 / down", -4.0, 1.0, (-np.inf, -0.25)),
        ("exp(y)", -1.0, np.e, (-np.inf, 1.0)),
        ("asin(sqrt(y))", -0.2, 2.0, (0.0, 1.0)),
        ("tanh(z)", 0.0, 1.5, (0.0, np.inf)),
        ("atan(z)", -2.0, 0.0, (-np.inf, 0.0)),
        ("log(y)", -np.inf, 0.0, (0.0, 1.0)),
        ("-log(y)", 0.0, np.inf, (0.0, 1.0)),
        ("sqrt(y)", -0.5, -0.1, (np.nan, np.nan)),
    ],
)
def test_intervals_end_where_the_transformation_does(
    response: str, low: float, high: float, wanted: tuple[float, float]
) -> None:
    """What lies beyond its range is cut off, and not folded back."""
    found, _ = transform(response)
    ends = found.interval(np.array([low]), np.array([high]))
    np.testing.assert_allclose(np.concatenate(ends), wanted, atol=1e-12)


@pytest.mark.parametrize(
    ("response", "beyond"), [("sqrt(y)", -0.1), ("1 / y", -1.0), ("exp(y)", -1.0), ("asin(sqrt(y))", 1.6)]
)
def test_values_beyond_the_range_are_not_folded(response: str, beyond: float) -> None:
    found, _ = transform(response)
    assert np.isnan(found.inverse(np.array([beyond]))).all()
