"""Which terms a sum stands for: R's terms() on formulas by hand and at random."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from mixwell.errors import FormulaError
from mixwell.formula.algebra import MOST_TERMS
from mixwell.formula.fixed import parse_terms
from mixwell.formula.tokens import tokenize
from reference_cases import REFERENCE

CASES: list[dict[str, Any]] = json.loads((REFERENCE / "terms.json").read_text(encoding="utf-8"))["cases"]


@pytest.mark.parametrize("case", CASES, ids=[case["formula"] for case in CASES])
def test_terms_are_those_of_r(case: dict[str, Any]) -> None:
    terms = parse_terms(tokenize(case["formula"]), case["formula"])
    assert [[terms.variables[index].name for index in term] for term in terms.terms] == case["terms"]
    assert terms.intercept == case["intercept"]


@pytest.mark.parametrize(
    "text",
    [
        "x^0",
        "x^-1",
        "x^2.5",
        "x^z",
        "x^(2)",
        "x^2^2",
        "x^",
        "^2",
        "x +",
        "x * ",
        "()",
        "(x",
        "x:",
        ":x",
        "x z",
    ],
)
def test_sums_that_are_none(text: str) -> None:
    with pytest.raises(FormulaError):
        parse_terms(tokenize(text), text)


@pytest.mark.parametrize("text", ["1:x", "x:1", "x * 1", "0 * x", "x / 1", "1 %in% x", "(0 - 1):x"])
def test_numbers_do_not_multiply_terms(text: str) -> None:
    with pytest.raises(FormulaError, match="is a number, or nothing is left of it"):
        parse_terms(tokenize(text), text)


def test_a_power_stops_where_it_adds_nothing() -> None:
    text = "(a + b + c)^1000000000"
    terms = parse_terms(tokenize(text), text)
    assert [terms.label(term) for term in terms.terms] == ["a", "b", "c", "a:b", "a:c", "b:c", "a:b:c"]


def test_the_largest_sum_is_expanded_and_the_next_is_not() -> None:
    letters = "abcdefghijkl"  # 2^12 - 1 terms
    text = f"({' + '.join(letters)})^{len(letters)}"
    expanded = parse_terms(tokenize(text), text)
    assert len(expanded.terms) == 4095 < MOST_TERMS
    assert all(len(one) <= len(next_) for one, next_ in pairwise(expanded.terms))
    with pytest.raises(FormulaError, match=f"more than {MOST_TERMS:,} terms"):
        parse_terms(tokenize(f"{text} * m"), f"{text} * m")
