"""The grouping side of a bar: ``a/b`` and ``a*b`` become several bars, as in lme4."""

from __future__ import annotations

from dataclasses import dataclass

from mixwell.errors import FormulaError
from mixwell.formula.fixed import Terms, Variable, parse_terms
from mixwell.formula.tokens import Token, is_operator, source


@dataclass(frozen=True, slots=True)
class Bar:
    """``(columns | group)`` with one grouping factor.

    Attributes
    ----------
    columns
        The left side as typed.
    terms
        The left side, an intercept implied.
    group
        The variables whose combinations are the levels: one for ``g``, two for ``a:b``.
    independent
        Written with ``||``: every column becomes a term of its own once the columns are known.
    """

    columns: str
    terms: Terms
    group: tuple[Variable, ...]
    independent: bool

    @property
    def factor(self) -> str:
        """Name of the grouping factor, ``"a:b"``."""
        return ":".join(variable.name for variable in self.group)

    @property
    def label(self) -> str:
        """The bar as text."""
        return f"({self.columns} {'||' if self.independent else '|'} {self.factor})"


def expand_bar(
    left: tuple[Token, ...], right: tuple[Token, ...], independent: bool, formula: str
) -> list[Bar]:
    """One bar as typed to bars with one grouping factor each.

    ``(x | a/b)`` is ``(x | a:b) + (x | a)``, the finest factor first, in lme4's order.

    Raises
    ------
    FormulaError
        When a side is empty or the grouping side cannot be read.
    """
    text = f"({source(formula, left)} {'||' if independent else '|'} {source(formula, right)})"
    if not left or not right:
        empty = "columns before" if not left else "grouping factor after"
        raise FormulaError(f"{text} has no {empty} the bar; write (1 | group) for random intercepts.")
    depth = 0
    for token in right:
        depth += is_operator(token, "(", "{") - is_operator(token, ")", "}")
        if is_operator(token, "|", "||"):
            raise FormulaError(f"{text} has more than one bar.")
        if depth == 0 and (is_operator(token, "+", "-", "^", "**") or token.kind == "number"):
            raise FormulaError(
                f"{token.value!r} has no meaning on the grouping side of {text}; write one parenthesis "
                "per factor, (1 | a) + (1 | b), or (1 | a:b) for their combinations."
            )
    groups = parse_terms(right, formula)
    nested = any(is_operator(token, "/") for token in right)
    columns = parse_terms(left, formula)
    if columns.offsets or groups.offsets:
        raise FormulaError(f"offset() has no meaning inside {text}; add it to the fixed part.")
    if not columns.intercept and not columns.terms:
        raise FormulaError(f"{text} has no columns; write (1 | group) for random intercepts.")
    factors = [tuple(groups.variables[index] for index in term) for term in groups.terms]
    return [
        Bar(source(formula, left), columns, group, independent)
        for group in (reversed(factors) if nested else factors)
    ]
