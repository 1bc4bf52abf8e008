"""The model as an equation: MathML for pages, one line of text per row for the console."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from mixwell.design.record import Design
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.text import display_width, number

FloatArray = NDArray[np.float64]

# A row of an equation is broken before a term that would make it longer than this, in characters.
ROW = 76
# Covariance matrices of more effects than this are left to the table.
MATRIX = 4


# Parentheses as high as a line, however high what they enclose.
OPEN, CLOSE = '<mo stretchy="false">(</mo>', '<mo stretchy="false">)</mo>'


@dataclass(frozen=True, slots=True)
class Math:
    """A piece of an equation, as text and as MathML."""

    text: str
    mathml: str

    def __add__(self, other: Math) -> Math:
        return Math(self.text + other.text, self.mathml + other.mathml)


@dataclass(frozen=True, slots=True)
class Equation:
    """Rows of an equation, each a left side (empty where a row continues the one above) and a right side."""

    rows: tuple[tuple[Math, Math], ...]

    @property
    def text(self) -> str:
        """One line per row, continued rows indented."""
        lines, indent = [], 0
        for left, right in self.rows:
            indent = display_width(left.text) or indent
            blanks = " " * max(min(indent, ROW - display_width(right.text)), 0)
            lines.append(f"{left.text or blanks}{right.text}")
        return "\n".join(lines)

    @property
    def mathml(self) -> str:
        """A ``<math>`` element, rows aligned where the sides meet."""
        cells = "".join(
            f'<mtr><mtd class="left"><mrow>{left.mathml}</mrow></mtd>'
            f'<mtd class="right"><mrow>{right.mathml}</mrow></mtd></mtr>'
            for left, right in self.rows
        )
        return f'<math display="block"><mtable>{cells}</mtable></math>'


def symbol(text: str) -> Math:
    return Math(text, f"<mi>{escape(text)}</mi>")


def name(text: str) -> Math:
    """The name of a variable, upright."""
    return Math(text, f"<mtext>{escape(text)}</mtext>")


def operator(text: str) -> Math:
    # At the end or the start of a row an operator would lose its spaces, were its form not given.
    return Math(f" {text} ", f'<mo form="infix">{escape(text)}</mo>')


def value(x: float) -> Math:
    shown = number(x)
    return Math(shown, f"<mn>{escape(shown)}</mn>" if x >= 0 else f"<mo>−</mo><mn>{escape(shown[1:])}</mn>")


def indexed(base: Math, *index: Math) -> Math:
    inner = "<mo>,</mo>".join(part.mathml for part in index)
    text = ",".join(part.text for part in index)
    return Math(f"{base.text}[{text}]", f"<msub><mrow>{base.mathml}</mrow><mrow>{inner}</mrow></msub>")


def normal(variance: Math) -> Math:
    return Math(
        f"Normal(0, {variance.text})",
        f"<mi>Normal</mi>{OPEN}<mn>0</mn><mo>,</mo>{variance.mathml}{CLOSE}",
    )


def square(base: Math) -> Math:
    return Math(f"{base.text}²", f"<msup><mrow>{base.mathml}</mrow><mn>2</mn></msup>")


def over(top: Math, bottom: Math) -> Math:
    return Math(
        f"{top.text}/{bottom.text}",
        f"<mfrac><mrow>{top.mathml}</mrow><mrow>{bottom.mathml}</mrow></mfrac>",
    )


def vector(parts: Sequence[Math]) -> Math:
    inner = "<mo>,</mo>".join(part.mathml for part in parts)
    return Math(f"({', '.join(part.text for part in parts)})", f"{OPEN}{inner}{CLOSE}")


def matrix(values: FloatArray) -> Math:
    rows = [[value(float(x)) for x in row] for row in values]
    text = "; ".join(", ".join(cell.text for cell in row) for row in rows)
    body = "".join(
        "<mtr>" + "".join(f"<mtd><mrow>{cell.mathml}</mrow></mtd>" for cell in row) + "</mtr>" for row in rows
    )
    return Math(f"[{text}]", f"<mo>[</mo><mtable>{body}</mtable><mo>]</mo>")


def broken(left: Math, terms: Sequence[Math], minus: Sequence[bool] = ()) -> list[tuple[Math, Math]]:
    """A sum as rows that fit the page; ``minus`` says which terms are subtracted."""
    signs = ["−" if negative else "+" for negative in minus] or ["+"] * len(terms)
    rows: list[tuple[Math, Math]] = []
    first = Math("-" if signs[0] == "−" else "", "<mo>−</mo>" if signs[0] == "−" else "")
    start, row = left, first + terms[0]
    for term, sign in zip(terms[1:], signs[1:], strict=True):
        shown = "-" if sign == "−" else sign
        if display_width(left.text + row.text + term.text) + 3 > ROW:
            rows.append((start, row))
            start, row = Math("", ""), Math(f"{shown} ", f'<mo form="infix">{sign}</mo>') + term
        else:
            row = row + Math(f" {shown} ", f"<mo>{sign}</mo>") + term
    return [*rows, (start, row)]


I = symbol("i")  # noqa: E741 (the index of a row, as in the formula)


def model_equation(design: Design, fit: Fit) -> Equation:
    """The model in general terms: which coefficients and random effects add up to a row's response.

    Examples
    --------
    >>> import mixwell as mw
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> print(model_equation(fit.design, fit.fit).text)
    Reaction[i] = β[0] + β[1] Days[i] + b[0,Subject(i)]
                  + b[1,Subject(i)] Days[i] + ε[i]
    (b[0,Subject], b[1,Subject]) ~ Normal(0, Σ[Subject])
                                   Σ[Subject] = [612.1, 9.604; 9.604, 35.07]
    ε[i] ~ Normal(0, σ²), σ² = 654.9
    """
    space = Math(" ", '<mspace width="0.2em"/>')
    terms: list[Math] = []
    first = 0 if "(Intercept)" in quantities.kept_names(design, fit) else 1
    for position, label in enumerate(quantities.kept_names(design, fit)):
        coefficient = indexed(symbol("β"), symbol(str(position + first)))
        terms.append(coefficient if label == "(Intercept)" else coefficient + space + indexed(name(label), I))
    if design.offset is not None:
        terms.append(indexed(name("offset"), I))
    laws: list[tuple[Math, Math]] = []
    used: dict[int, int] = {}
    for term, cov in zip(design.terms, fit.term_cov, strict=True):
        group = name(design.factors[term.factor].name)
        at = Math(f"{group.text}(i)", f"{group.mathml}{OPEN}<mi>i</mi>{CLOSE}")
        effects = []
        for label in term.names:
            number_of = symbol(str(used.get(term.factor, 0)))
            used[term.factor] = used.get(term.factor, 0) + 1
            effect = indexed(symbol("b"), number_of, at)
            terms.append(effect if label == "(Intercept)" else effect + space + indexed(name(label), I))
            effects.append(indexed(symbol("b"), number_of, group))
        spread = indexed(symbol("Σ" if len(cov) > 1 else "τ²"), group)
        if len(cov) == 1:
            number_of = symbol(str(used[term.factor] - 1))
            spread = Math(
                f"τ²[{number_of.text},{group.text}]",
                f"<msubsup><mi>τ</mi><mrow>{number_of.mathml}<mo>,</mo>{group.mathml}</mrow>"
                "<mn>2</mn></msubsup>",
            )
        estimate = value(float(cov[0, 0])) if len(cov) == 1 else matrix(cov)
        left = effects[0] if len(effects) == 1 else vector(effects)
        law, value_of = normal(spread), spread + operator("=") + estimate
        left = left + operator("~")
        short = law + Math(", ", '<mo>,</mo><mspace width="1em"/>') + value_of
        if len(cov) == 1 and display_width(left.text + short.text) <= ROW:
            laws.append((left, short))
            continue
        laws.append((left, law))
        if len(cov) <= MATRIX and display_width(value_of.text) <= ROW:
            laws.append((Math("", ""), value_of))
    terms.append(indexed(symbol("ε"), I))
    variance = square(symbol("σ"))
    noise = variance if design.weights is None else over(variance, indexed(symbol("w"), I))
    law = normal(noise) + Math(", ", '<mo>,</mo><mspace width="1em"/>') + variance + operator("=")
    laws.append((indexed(symbol("ε"), I) + operator("~"), law + value(fit.sigma**2)))
    return Equation((*broken(indexed(name(design.response_name), I) + operator("="), terms), *laws))


def estimated_equation(design: Design, fit: Fit) -> Equation:
    """The population mean with its numbers; zero where nothing is estimated."""
    left = Math(f"E({design.response_name})", f"<mi>E</mi>{OPEN}{name(design.response_name).mathml}{CLOSE}")
    space = Math(" ", '<mspace width="0.2em"/>')
    terms = []
    for label, estimate in zip(quantities.kept_names(design, fit), fit.beta.tolist(), strict=True):
        shown = value(abs(estimate))
        terms.append(shown if label == "(Intercept)" else shown + space + name(label))
    minus = [estimate < 0 for estimate in fit.beta.tolist()]
    if design.offset is not None:
        terms.append(name("offset"))
        minus.append(False)
    return Equation(tuple(broken(left + operator("="), terms or [value(0.0)], minus)))
