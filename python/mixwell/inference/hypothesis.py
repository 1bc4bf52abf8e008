"""Hypotheses about fixed effects as typed: ``"a - b = 2, c = 0"``, or as matrices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mixwell.arguments import numbers_given
from mixwell.data.frame import near
from mixwell.data.labelled import by_names
from mixwell.design.record import Design
from mixwell.errors import DataError, FormulaError, ModelError
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.inference.contrast import (
    Approximation,
    JointTest,
    RowTests,
    check_independent,
    checked_rows,
    joint_test,
    row_tests,
)
from mixwell.inference.terms import canonical_rows

FloatArray = NDArray[np.float64]

_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_WORD = re.compile(r"[\w.]")


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Linear hypotheses ``rows @ beta = null``.

    Attributes
    ----------
    labels
        The m hypotheses as text.
    rows
        Shape (m, rank), over the estimable coefficients.
    null
        Length m.
    """

    labels: tuple[str, ...]
    rows: FloatArray
    null: FloatArray


def read_hypothesis(design: Design, fit: Fit, given: str | Sequence[str] | ArrayLike) -> Hypothesis:
    """Read hypotheses.

    Parameters
    ----------
    design, fit
        The fitted model.
    given
        Equations in coefficient names (as in ``params``, or as R spells them), numbers, ``+ - * /`` and
        parentheses, separated by commas or given as a list; without ``=``, the value is 0. Names that contain
        blanks or signs may stand in backticks. Or a matrix (m, rank), a row per hypothesis; columns of a data
        frame, and values of a series, are matched by their names.

    Raises
    ------
    FormulaError
        When an equation cannot be read, or names no coefficient.
    ModelError
        When a matrix does not have a column per coefficient, or a row is zero.

    Examples
    --------
    >>> import mixwell as mw
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> read = read_hypothesis(fit.design, fit.fit, "(Intercept) + 2 * Days = 270, Days")
    >>> read.rows.tolist(), read.null.tolist()
    ([[1.0, 2.0], [0.0, 1.0]], [270.0, 0.0])
    """
    names = quantities.kept_names(design, fit)
    texts = _texts(given)
    if (
        given is None
        or (isinstance(given, Sequence) and not len(given))
        or (texts and not any(t.strip() for t in texts))
    ):
        raise FormulaError("The hypothesis is empty; write one like 'a - b = 2'.")
    if texts is None:
        ordered = by_names(given, names, "The hypothesis")
        try:
            array = numbers_given(ordered, "The hypothesis")
        except DataError as error:
            raise FormulaError(
                "A hypothesis is text like 'a - b = 2', a list of texts, or a matrix with a column for each "
                "fixed effect."
            ) from error
        rows = checked_rows(array, len(names))
        return Hypothesis(tuple(_row_label(row, names) for row in rows), rows, np.zeros(len(rows)))
    known = {name: i for i, name in enumerate(names)}
    if len(design.x_r_names) == design.x.shape[1]:
        for i, column in enumerate(fit.kept):
            known.setdefault(design.x_r_names[column], i)
    labels: list[str] = []
    found: list[FloatArray] = []
    for text in texts:
        reader = _Reader(text, known, quantities.dropped_names(design, fit), len(names))
        for label, row in reader.equations():
            labels.append(label)
            found.append(row)
    table = np.array(found)
    zero = [label for label, row in zip(labels, table, strict=True) if not row[:-1].any()]
    if zero:
        raise ModelError(f"The hypothesis {zero[0]!r} does not depend on any fixed effect: nothing to test.")
    return Hypothesis(tuple(labels), table[:, :-1], 0.0 - table[:, -1])


def _texts(given: object) -> list[str] | None:
    if isinstance(given, str):
        return [given]
    if isinstance(given, Sequence) and len(given) > 0:
        texts = [text for text in given if isinstance(text, str)]
        return texts if len(texts) == len(given) else None
    return None


def _row_label(row: FloatArray, names: tuple[str, ...]) -> str:
    parts: list[str] = []
    for weight, name in zip(row, names, strict=True):
        if weight:
            size = "" if abs(weight) == 1 else f"{abs(weight):g} * "
            sign = ("- " if weight < 0 else "+ ") if parts else ("-" if weight < 0 else "")
            parts.append(f"{sign}{size}{name}")
    return " ".join(parts) + " = 0"


@dataclass(slots=True)
class _Reader:
    """Reads sums and multiples of coefficients: arrays of their weights, the constant last."""

    text: str
    known: dict[str, int]
    dropped: tuple[str, ...]
    n: int
    at: int = 0

    def equations(self) -> list[tuple[str, FloatArray]]:
        found = []
        while True:
            start = self.at
            sides = [self.sum()]
            while self.take("="):
                self.take("=")
                sides.append(self.sum())
            label = self.text[start : self.at].strip()
            if len(sides) == 1:
                found.append((f"{label} = 0", sides[0]))
            else:
                found += [(label, left - right) for left, right in pairwise(sides)]
            if self.at == len(self.text):
                return found
            if not self.take(","):
                raise self.error("an operator, '=' or a comma is missing")

    def sum(self) -> FloatArray:
        value = self.product()
        while True:
            if self.take("+"):
                value = value + self.product()
            elif self.take("-"):
                value = value - self.product()
            else:
                return value

    def product(self) -> FloatArray:
        value = self.signed()
        while True:
            if self.take("*"):
                factor = self.signed()
                if factor[:-1].any() and value[:-1].any():
                    raise self.error("two coefficients cannot be multiplied")
                value = value * factor[-1] if not factor[:-1].any() else factor * value[-1]
            elif self.take("/"):
                factor = self.signed()
                if factor[:-1].any() or factor[-1] == 0:
                    raise self.error("only division by a number other than zero is possible")
                value = value / factor[-1]
            else:
                return value

    def signed(self) -> FloatArray:
        if self.take("-"):
            return -self.signed()
        if self.take("+"):
            return self.signed()
        return self.operand()

    def operand(self) -> FloatArray:
        self.skip()
        rest = self.text[self.at :]
        if rest.startswith("`") and "`" in rest[1:]:
            name = rest[1 : rest.index("`", 1)]
            if name not in self.known:
                raise self.unknown(name)
            self.at += len(name) + 2
            return self.coefficient(name)
        for name in sorted(self.known, key=len, reverse=True):
            if rest.startswith(name) and self.ends(rest, len(name)):
                self.at += len(name)
                return self.coefficient(name)
        number = _NUMBER.match(rest)
        if number:
            self.at += number.end()
            value = np.zeros(self.n + 1)
            value[-1] = float(number.group())
            return value
        if self.take("("):
            inner = self.sum()
            if not self.take(")"):
                raise self.error("a parenthesis is not closed")
            return inner
        match = re.match(r"[^\s,=+*/()-]+(\([^)]*\)|\[[^\]]*\]|:[^\s,=+*/-]+)*", rest)
        if match:
            raise self.unknown(match.group())
        raise self.error("a coefficient or number is missing")

    def ends(self, rest: str, length: int) -> bool:
        """Whether a name ends after ``length`` characters: not so ``Days`` in ``Days2`` or ``Days:sex``."""
        if length == len(rest):
            return True
        word = _WORD.match(rest[length - 1]) is not None
        return not (rest[length] in "[:" or (word and (rest[length] == "(" or _WORD.match(rest[length]))))

    def coefficient(self, name: str) -> FloatArray:
        value = np.zeros(self.n + 1)
        value[self.known[name]] = 1.0
        return value

    def take(self, sign: str) -> bool:
        self.skip()
        if self.text.startswith(sign, self.at):
            self.at += len(sign)
            return True
        return False

    def skip(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def unknown(self, name: str) -> FormulaError:
        if name in self.dropped:
            return FormulaError(
                f"{name!r} in {self.text!r} was dropped from the model: it is a combination of other columns."
            )
        offered = list(self.known)[: self.n]  # as in params, not R's spellings
        return FormulaError(f"{name!r} in {self.text!r} is not a fixed effect{near(name, offered)}")

    def error(self, reason: str) -> FormulaError:
        rest = self.text[self.at : self.at + 20]
        where = f"at {rest!r}" if rest else "at its end"
        return FormulaError(f"The hypothesis {self.text!r} cannot be read: {reason} ({where}).")


def each_test(fit: Fit, hypothesis: Hypothesis, method: Approximation) -> RowTests:
    """One t test per hypothesis."""
    return row_tests(method, fit.beta, hypothesis.rows, hypothesis.null)


def all_test(design: Design, fit: Fit, hypothesis: Hypothesis, method: Approximation) -> JointTest:
    """One F test of all hypotheses.

    Raises
    ------
    ModelError
        When one follows from, or contradicts, those before it.
    """
    check_independent(hypothesis.rows, fit.vcov, hypothesis.labels)
    value = hypothesis.rows @ fit.beta - hypothesis.null
    rows, reduced = canonical_rows(design, fit.kept, hypothesis.rows, value)
    return joint_test(method, fit.beta, rows, rows @ fit.beta - reduced)
