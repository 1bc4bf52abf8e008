"""Formulas from anywhere: whatever is typed fits, or is refused by name within a second."""

from __future__ import annotations

import contextlib
import time
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mixwell as mw
from mixwell.formula.expression import MOST_DEEP
from mixwell.formula.parse import MOST_BARS
from mixwell.formula.tokens import MOST_CHARACTERS, MOST_NESTED, MOST_WORDS

N = 60
RNG = np.random.default_rng(0)
LETTERS = "abcdefghijklmnopqrs"
DATA: dict[str, object] = {letter: RNG.normal(size=N) for letter in ("y", "x", *LETTERS)}
DATA |= {"g": np.arange(N) % 6, "z": np.arange(N) % 5, "t": np.array(list("abcdef"))[np.arange(N) % 6]}
SECONDS = 1.0

# Formula, part of the refusal.
LIMITS = {
    "terms of stars": (f"y ~ {'*'.join(LETTERS)} + (1 | g)", "terms, the most that are expanded"),
    "terms of powers": (
        f"y ~ {'*'.join(['(a+b+c+d+e+f+g+h)^8'] * 500)} + (1 | z)",
        "terms, the most that are expanded",
    ),
    "terms of groups": (f"y ~ a + (1 | {'*'.join(LETTERS[1:])})", "terms, the most that are expanded"),
    "bars of groups": (f"y ~ a + (1 | {'*'.join(LETTERS[1:11])})", f"at most {MOST_BARS} are fitted"),
    "bars": (f"y ~ {'+'.join(['(1|g)'] * 1000)}", f"at most {MOST_BARS} are fitted"),
    "characters": ("y ~ x + (1 | g)" + " " * 1_000_000, f"at most {MOST_CHARACTERS:,} are read"),
    "words": (f"y ~ {'+'.join(['x'] * 40_000)} + (1 | g)", f"more than {MOST_WORDS:,} names"),
    "parentheses": (f"y ~ {'(' * 9000}x{')' * 9000} + (1 | g)", f"more than {MOST_NESTED} parentheses"),
    "only opening": ("(" * 15_000, f"more than {MOST_NESTED} parentheses"),
    "only closing": (")" * 15_000, "closes nothing"),
    "calls": (f"y ~ {'log(' * 500}x{')' * 500} + (1 | g)", f"more than {MOST_NESTED} parentheses"),
    "summands": (f"y ~ I({'+'.join(['x'] * 1000)}) + (1 | g)", f"more than {MOST_DEEP} operators"),
    "signs": (f"y ~ I({'-' * 1000}x) + (1 | g)", f"more than {MOST_DEEP} operators"),
    "negations": (f"y ~ I({'!' * 1000}x) + (1 | g)", f"more than {MOST_DEEP} operators"),
    "powers": (f"y ~ I(x{'^2' * 9000}) + (1 | g)", f"more than {MOST_DEEP} operators"),
    "response": (f"{'-' * 1000}y ~ x + (1 | g)", f"more than {MOST_DEEP} operators"),
    "arguments": (f"y ~ I({'1,' * 9000}1) + (1 | g)", "I() cannot be computed"),
    "digits": (f"y ~ I(x * {'9' * 5000}) + (1 | g)", "is too large"),
    "exponent": ("y ~ I(x * 1e400) + (1 | g)", "is too large"),
    "poly degree": ("y ~ poly(a, 1e12, raw=TRUE) + (1 | g)", "whole number from 1 to 1000"),
    "poly infinite": ("y ~ poly(x, 1/0) + (1 | g)", "whole number from 1 to 1000, not"),
    "poly part": ("y ~ poly(x, 2.5) + (1 | g)", "whole number from 1 to 1000, not 2.5"),
    "poly text": ("y ~ poly(x, 'a') + (1 | g)", "whole number from 1 to 1000, not 'a'"),
    "bs df": ("y ~ bs(x, df=1e12) + (1 | g)", "df must be a whole number from 1 to 1000"),
    "bs infinite": ("y ~ bs(x, df=1/0) + (1 | g)", "df must be a whole number"),
    "bs column": ("y ~ bs(x, df=x) + (1 | g)", "df must be a whole number"),
    "bs degree": ("y ~ bs(x, degree=1e5) + (1 | g)", "degree must be a whole number from 1 to 20"),
    "bs knots": ("y ~ bs(x, knots=c('a', 1)) + (1 | g)", "knots are up to 1000 numbers"),
    "bs bounds": ("y ~ bs(x, Boundary.knots=c(5, 1)) + (1 | g)", "the smaller one first"),
    "bs word": ("y ~ bs(x, extrapolation='up') + (1 | g)", "one of 'extend', 'raise', 'clip', 'zero'"),
    "bs state": ("y ~ bs(x, _state=NULL) + (1 | g)", "it takes a column and, if wanted, df=, knots="),
    "cr df": ("y ~ cr(x, df=1e9) + (1 | g)", "df must be a whole number"),
    "ns df": ("y ~ ns(x, df=1e12) + (1 | g)", "df must be a whole number"),
    "ns bounds": ("y ~ ns(x, Boundary.knots=c(5, 1)) + (1 | g)", "the smaller one first"),
    "ns away": ("y ~ ns(x, df=3, Boundary.knots=c(90, 99)) + (1 | g)", "no value of the column lies between"),
    "in bars": ("y ~ x + (bs(x, df=1e12) | g)", "df must be a whole number"),
    "scale": ("y ~ scale(x, center=c(1, 2)) + (1 | g)", "each TRUE, FALSE or a number"),
    "lag": ("y ~ lag(x, g, steps=1e12) + (1 | g)", "are missing"),
    "rolling": ("y ~ rolling_mean(x, g, window=1e300) + (1 | g)", "window must be a positive whole number"),
    "nul": ("y ~ x\0 + (1 | g)", "has no meaning in a formula"),
    "nul in backticks": ("y ~ `x\0` + (1 | g)", "is not a column"),
    "surrogate": ("y ~ x\ud800 + (1 | g)", "half a character"),
    "surrogate in quotes": ("y ~ I(t == '\udcff') + (1 | g)", "half a character"),
    "byte order mark": ("\ufeffy ~ x + (1 | g)", "has no meaning in a formula"),
}

FITS = {
    "power of a sum": "y ~ (a + b)^30 + (1 | g)",
    "power of a column": "y ~ x^1000000000 + (1 | g)",
    "digits of a power": f"y ~ x^{'9' * 300} + (1 | g)",
    "one column often": f"y ~ {'+'.join(['x'] * 5000)} + (1 | g)",
    "one product often": f"y ~ {':'.join(['x'] * 5000)} + (1 | g)",
    "signs": f"y ~ {'-' * 10_000}x + (1 | g)",
    "parentheses": f"y ~ I({'(' * 90}x{')' * 90}) + (1 | g)",
    "deep": f"y ~ I({'+'.join(['x'] * 100)}) + (1 | g)",
    "bound knots": "y ~ ns(x, knots=c(-1, 0, 1), Boundary.knots=c(-4, 4)) + (1 | g)",
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_is_named_at_once(name: str) -> None:
    formula, answer = LIMITS[name]
    began = time.process_time()
    with pytest.raises(mw.MixwellError) as found:
        mw.lmer(formula, DATA)
    assert time.process_time() - began < SECONDS
    assert answer in str(found.value)
    assert len(str(found.value)) < 1000


@pytest.mark.parametrize("name", FITS)
def test_odd_but_meaningful_formulas_fit(name: str) -> None:
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mw.MixwellWarning)
        fit = mw.lmer(FITS[name], DATA)
    assert time.process_time() - began < SECONDS
    assert fit.nobs == N


# ---- whatever a grammar of formulas, and of mistakes in them, puts together

NAMES = st.sampled_from(["x", "a", "b", "t", "g", "`x`", "pi", "TRUE", "NULL", "nowhere", "y"])
LITERALS = st.sampled_from(
    [
        "0",
        "1",
        "2",
        "-1",
        "2.5",
        "1e9",
        "1e-300",
        "1e308",
        "1/0",
        "'a'",
        '""',
        "2L",
        "c()",
        "c(1,2)",
        "c(5,1)",
    ]
)
FUNCTIONS = st.sampled_from(
    [
        "I",
        "log",
        "sqrt",
        "exp",
        "poly",
        "bs",
        "ns",
        "cr",
        "cc",
        "scale",
        "center",
        "factor",
        "C",
        "relevel",
        "ordered",
        "c",
        "within",
        "between",
        "cyclic",
        "time_since",
        "lag",
        "rolling_mean",
        "cumulative",
        "ifelse",
        "as.numeric",
        "offset",
        "contr.sum",
        "contr.treatment",
        "np.log",
        "eval",
    ]
)
KEYWORDS = st.sampled_from(
    [
        "",
        "",
        "",
        "df=",
        "degree=",
        "knots=",
        "Boundary.knots=",
        "levels=",
        "ref=",
        "base=",
        "raw=",
        "steps=",
        "window=",
        "unit=",
    ]
)
INNER = st.sampled_from(["+", "-", "*", "/", "^", "%%", "%/%", "==", "<", "&", "|", ":", "!"])
OUTER = st.sampled_from(["+", "+", "+", "-", "*", "/", ":", "%in%", "^", "~", "|"])


def _called(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    argument = st.tuples(KEYWORDS, inner).map("".join)
    return st.tuples(FUNCTIONS, st.lists(argument, max_size=4)).map(
        lambda made: f"{made[0]}({', '.join(made[1])})"
    )


EXPRESSIONS = st.recursive(
    NAMES | LITERALS,
    lambda inner: _called(inner) | st.tuples(inner, INNER, inner).map(" ".join) | inner.map("({})".format),
    max_leaves=6,
)
SUMS = st.recursive(
    NAMES | _called(EXPRESSIONS),
    lambda inner: (
        st.tuples(inner, OUTER, inner).map(" ".join)
        | st.tuples(inner, st.integers(-1, 99)).map(lambda made: f"({made[0]})^{made[1]}")
    ),
    max_leaves=5,
)
BARS = st.tuples(
    SUMS | st.sampled_from(["1", "0", "x", ""]),
    st.sampled_from(["|", "||"]),
    SUMS | st.sampled_from(["g", "z", "g/t", "g:t"]),
).map(lambda made: f"({' '.join(made)})")
FORMULAS = st.tuples(
    st.sampled_from(["y", "y", "y", "log(y + 9)", "t", ""]) | EXPRESSIONS,
    SUMS,
    st.lists(BARS | st.just("(1 | g)"), min_size=1, max_size=2),
).map(lambda made: f"{made[0]} ~ {made[1]} + {' + '.join(made[2])}")
MISTYPED = st.tuples(
    FORMULAS, st.integers(0, 200), st.characters(max_codepoint=0x2FFF) | st.sampled_from("()|~`'+")
).map(lambda made: made[0][: made[1]] + made[2] + made[0][made[1] + 1 :])


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(FORMULAS | MISTYPED | st.text(max_size=40))
def test_no_formula_leaves_as_an_internal_error(formula: str) -> None:
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mw.MixwellWarning)
        with contextlib.suppress(mw.MixwellError):
            mw.lmer(formula, DATA)
    assert time.process_time() - began < SECONDS, formula
