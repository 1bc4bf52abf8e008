"""What formulas mean: text to response, fixed terms, bars."""

from __future__ import annotations

import pytest

from mixwell.errors import FormulaError
from mixwell.formula.expression import parse_expression
from mixwell.formula.parse import parse_formula
from mixwell.formula.tokens import tokenize

# Formula -> fixed part as R's terms() orders it ("1" for the intercept).
FIXED = {
    "y ~ x + (1 | g)": ["1", "x"],
    "y~x+(1|g)": ["1", "x"],
    "y ~ (1 | g)": ["1"],
    "y ~ 1 + (1 | g)": ["1"],
    "y ~ 0 + x + (1 | g)": ["x"],
    "y ~ x - 1 + (1 | g)": ["x"],
    "y ~ x + (1 | g) - 1": ["x"],
    "y ~ x + 0 + (1 | g)": ["x"],
    "y ~ -1 + x + (1 | g)": ["x"],
    "y ~ (1 | g) + x": ["1", "x"],
    "y ~ (1 | g) + x + (1 | h) + z": ["1", "x", "z"],
    "y ~ a * b + (1 | g)": ["1", "a", "b", "a:b"],
    "y ~ a:b + a + (1 | g)": ["1", "a", "a:b"],
    "y ~ b:a + a + b + (1 | g)": ["1", "a", "b", "b:a"],
    "y ~ (a + b + c)^2 + (1 | g)": ["1", "a", "b", "c", "a:b", "a:c", "b:c"],
    "y ~ (a + b)**2 + (1 | g)": ["1", "a", "b", "a:b"],
    "y ~ a * b * c - a:b:c + (1 | g)": ["1", "a", "b", "c", "a:b", "a:c", "b:c"],
    "y ~ a * b - b:a + (1 | g)": ["1", "a", "b"],
    "y ~ a / b + (1 | g)": ["1", "a", "a:b"],
    "y ~ a %in% b + (1 | g)": ["1", "a:b"],
    "y ~ (a + b):c + (1 | g)": ["1", "a:c", "b:c"],
    "y ~ log(x) + I(x ^ 2) + {x / 2} + (1 | g)": ["1", "log(x)", "I(x ^ 2)", "I(x / 2)"],
    "y ~ I(x^2) + I( x ** 2 ) + (1 | g)": ["1", "I(x^2)"],
    "y ~ I(a | b) + (1 | g)": ["1", "I(a | b)"],
    'y ~ C(f, contr.treatment("a (b")) + (1 | g)': ["1", 'C(f, contr.treatment("a (b"))'],
    "y ~ my.var + .x + (1 | g)": ["1", "my.var", ".x"],
    "y ~ `body mass` * `1st` + (1 | g)": ["1", "body mass", "1st", "body mass:1st"],
    "y ~ `a | b` + `f(x)` + (1 | g)": ["1", "a | b", "f(x)"],
    "größe ~ 変数 * naïve + (1 | école)": ["1", "変数", "naïve", "変数:naïve"],
    "y ~ x\n  + z\n  + (1 | g)": ["1", "x", "z"],
    "y ~ offset(log(n)) + x + (1 | g)": ["1", "x"],
}


@pytest.mark.parametrize("formula", FIXED)
def test_fixed_part(formula: str) -> None:
    fixed = parse_formula(formula).fixed
    assert ["1"] * fixed.intercept + [fixed.label(term) for term in fixed.terms] == FIXED[formula]


# Random part -> label, columns (intercept, terms) and group of each bar.
BARS = {
    "(1 | g)": [("(1 | g)", True, [], "g")],
    "(x | g)": [("(x | g)", True, ["x"], "g")],
    "(1 + x | g)": [("(1 + x | g)", True, ["x"], "g")],
    "(0 + x | g)": [("(0 + x | g)", False, ["x"], "g")],
    "(x - 1 | g)": [("(x - 1 | g)", False, ["x"], "g")],
    "(a * b | g)": [("(a * b | g)", True, ["a", "b", "a:b"], "g")],
    "(x || g)": [("(x || g)", True, ["x"], "g")],
    "(1 | a:b)": [("(1 | a:b)", True, [], "a:b")],
    "(1 | a/b)": [("(1 | a:b)", True, [], "a:b"), ("(1 | a)", True, [], "a")],
    "(x | a/b/c)": [
        ("(x | a:b:c)", True, ["x"], "a:b:c"),
        ("(x | a:b)", True, ["x"], "a:b"),
        ("(x | a)", True, ["x"], "a"),
    ],
    "(x || a/b)": [("(x || a:b)", True, ["x"], "a:b"), ("(x || a)", True, ["x"], "a")],
    "(1 | a*b)": [("(1 | a)", True, [], "a"), ("(1 | b)", True, [], "b"), ("(1 | a:b)", True, [], "a:b")],
    "(1 | g) + (0 + x | g)": [("(1 | g)", True, [], "g"), ("(0 + x | g)", False, ["x"], "g")],
    "(I(x|z) + log(x) | factor(g))": [
        ("(I(x|z) + log(x) | factor(g))", True, ["I(x|z)", "log(x)"], "factor(g)")
    ],
    "(`a b` | `g|h`)": [("(`a b` | g|h)", True, ["a b"], "g|h")],
    "(poly(x, 2) | 学校)": [("(poly(x, 2) | 学校)", True, ["poly(x, 2)"], "学校")],
}


@pytest.mark.parametrize("text", BARS)
def test_bars(text: str) -> None:
    parsed = parse_formula(f"y ~ x + {text}")
    found = [
        (bar.label, bar.terms.intercept, [bar.terms.label(term) for term in bar.terms.terms], bar.factor)
        for bar in parsed.bars
    ]
    assert found == BARS[text]
    assert [bar.independent for bar in parsed.bars] == ["||" in text] * len(found)


def test_offsets_are_collected_from_the_fixed_part() -> None:
    parsed = parse_formula("y ~ offset(log(n)) + x + offset(base) + (1 | g)")
    assert [offset.name for offset in parsed.fixed.offsets] == ["log(n)", "base"]


def test_response_may_be_an_expression() -> None:
    assert parse_formula("log(y + 1) ~ x + (1 | g)").response.name == "log(y + 1)"


# Pairs that R reads alike, by its table of precedences.
ALIKE = [
    ("-x^2", "-(x^2)"),
    ("x^-1", "x^(-1)"),
    ("2^3^2", "2^(3^2)"),
    ("a - b - c", "(a - b) - c"),
    ("a / b * c", "(a / b) * c"),
    ("-a %% b", "(-a) %% b"),
    ("a * b %% c", "a * (b %% c)"),
    ("x > 5 & z < 1", "(x > 5) & (z < 1)"),
    ("!a == b", "!(a == b)"),
    ("a | b & c", "a | (b & c)"),
    ("x**2", "x^2"),
    ("{x + 1} * 2", "(x + 1) * 2"),
    ("f(x, k=2)", "f( x , k = 2.0 )"),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_expressions_follow_r_s_precedence(one: str, other: str) -> None:
    assert parse_expression(tokenize(one), one) == parse_expression(tokenize(other), other)


# Formula -> part of the message.
REFUSED = {
    "y": "no ~",
    "": "no ~",
    "~ x + (1 | g)": "no response",
    "y ~ x ~ z": "more than one ~",
    "y ~ x": "no random effects",
    "y ~ ": "no random effects",
    "y ~ x + 1 | g": "in parentheses",
    "y ~ x * (1 | g)": "only be added",
    "y ~ x - (1 | g)": "only be added",
    "y ~ x:(1 | g)": "only be added",
    "y ~ (x + (1 | g))": "only be added",
    "y ~ (1 | g):x": "followed by +",
    "y ~ (1 | a + b)": "one parenthesis per factor",
    "y ~ (1 | 1)": "no meaning on the grouping side",
    "y ~ (1 | g | h)": "more than one bar",
    "y ~ ( | g)": "no columns before",
    "y ~ (1 | )": "no grouping factor after",
    "y ~ (0 | g)": "no columns",
    "y ~ (offset(x) | g)": "no meaning inside",
    "y ~ . + (1 | g)": "name the columns",
    "y ~ 2 * x + (1 | g)": "multiple of a column",
    "y ~ 'a' + (1 | g)": "backticks",
    "y ~ a == 'u' + (1 | g)": "use I(",
    "y ~ x z + (1 | g)": "cannot be read",
    "y ~ x ++ (1 | g)": "cannot be read",
    "y ~ log(x + (1 | g)": "not closed",
    "y ~ x) + (1 | g)": "closes nothing",
    "y ~ x[1] + (1 | g)": "'['",
    "y ~ x; z + (1 | g)": "';'",
    "y ~ `x + (1 | g)": "not closed",
    "y ~ 2x + (1 | g)": "neither a number nor a name",
    "y ~ log(x, base=) + (1 | g)": "not expected",
    "y ~ poly(degree=2, x) + (1 | g)": "come last",
    "y ~ y + (1 | g)": "also stands on the right",
    "y ~ x + log(y) + (1 | g)": "also stands on the right",
    "y ~ x + (1 | y)": "also stands on the right",
    "y ~ offset(a):b + (1 | g)": "interaction",
    "y ~ offset() + (1 | g)": "one expression",
    "cbind(a, b) ~ x + (1 | g)": "several columns",
    "y ~ x.__class__() + x() y + (1 | g)": "cannot be read",
}


@pytest.mark.parametrize("formula", REFUSED)
def test_refused_with_a_reason(formula: str) -> None:
    with pytest.raises(FormulaError) as raised:
        parse_formula(formula)
    assert REFUSED[formula] in str(raised.value)


@pytest.mark.parametrize("formula", [None, 3, b"y ~ x", ["y ~ x + (1 | g)"]])
def test_a_formula_is_text(formula: object) -> None:
    with pytest.raises(FormulaError, match="give it as text"):
        parse_formula(formula)  # type: ignore[arg-type]
