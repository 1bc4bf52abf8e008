"""A model's formula, ``y ~ fixed + (columns | group)``, taken apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from mixwell.errors import FormulaError
from mixwell.formula.expand import Bar, expand_bar
from mixwell.formula.expression import Call, Name, names, parse_expression
from mixwell.formula.fixed import Terms, Variable, parse_terms
from mixwell.formula.tokens import Token, is_operator, matching, shown, source, tokenize


@dataclass(frozen=True, slots=True)
class ParsedFormula:
    """What a formula says, before any data.

    Attributes
    ----------
    text
        The formula as typed.
    response
        Its left side.
    fixed
        The fixed part.
    bars
        The random-effect parentheses, slashes and stars of the grouping side expanded.
    """

    text: str
    response: Variable
    fixed: Terms
    bars: tuple[Bar, ...]


# Each is a term of the model, with a covariance matrix of its own.
MOST_BARS = 100


@lru_cache(maxsize=512)
def _parse(formula: str) -> ParsedFormula:
    tokens = tokenize(formula)
    tildes = [index for index, token in enumerate(tokens) if is_operator(token, "~")]
    if len(tildes) != 1 or tildes[0] == 0:
        found = "no ~" if not tildes else "no response before the ~" if tildes[0] == 0 else "more than one ~"
        raise FormulaError(f"{shown(formula)} has {found}; write response ~ terms + (1 | group).")
    response = _response(tokens[: tildes[0]], formula)
    fixed, bars = _split_bars(tokens[tildes[0] + 1 :], formula)
    if not bars:
        raise FormulaError(
            f"{shown(formula)} has no random effects: add at least one term such as (1 | group). "
            "For a model without any, use least squares, for example statsmodels' ols()."
        )
    if len(bars) > MOST_BARS:
        raise FormulaError(
            f"{shown(formula)} stands for {len(bars):,} random-effect terms; at most {MOST_BARS} are fitted. "
            "Write the grouping factors that are meant one by one."
        )
    terms = parse_terms(fixed, formula) if fixed else Terms((), (), True)
    _check_response_is_alone(response, terms, bars, formula)
    return ParsedFormula(formula, response, terms, bars)


def parse_formula(formula: str) -> ParsedFormula:
    """Take a formula apart. Repeated calls with the same text cost nothing.

    Raises
    ------
    FormulaError
        When the formula cannot be read, has no response or no random effects.

    Examples
    --------
    >>> parsed = parse_formula("log(y) ~ x + (x | school / pupil)")
    >>> parsed.response.name, [bar.label for bar in parsed.bars]
    ('log(y)', ['(x | school:pupil)', '(x | school)'])
    """
    if not isinstance(formula, str):
        raise FormulaError(
            f'The formula is a {type(formula).__name__}; give it as text, "y ~ x + (1 | group)".'
        )
    return _parse(formula)


def _response(tokens: tuple[Token, ...], formula: str) -> Variable:
    expression = parse_expression(tokens, formula)
    name = expression.value if isinstance(expression, Name) else source(formula, tokens)
    if isinstance(expression, Call) and expression.function == "cbind":
        raise FormulaError(f"The response {name} has several columns; a linear mixed model has one response.")
    return Variable(name, expression)


def _split_bars(tokens: tuple[Token, ...], formula: str) -> tuple[tuple[Token, ...], tuple[Bar, ...]]:
    """Separate the parentheses that hold a bar from the tokens of the fixed part."""
    fixed: list[Token] = []
    bars: list[Bar] = []
    depth = 0
    position = 0
    while position < len(tokens):
        token = tokens[position]
        opens = is_operator(token, "(") and not _is_call(tokens, position, formula)
        stop = matching(tokens, position) if is_operator(token, "(", "{") else position
        inside = tokens[position + 1 : stop]
        bar = _bar_position(inside) if opens else None
        if bar is not None:
            if depth or (fixed and not is_operator(fixed[-1], "+")):
                raise FormulaError(
                    f"{source(formula, tokens[position : stop + 1])} can only be added to the other terms "
                    f"of {shown(formula)}, with +."
                )
            if stop + 1 < len(tokens) and not is_operator(tokens[stop + 1], "+", "-"):
                raise FormulaError(
                    f"{source(formula, tokens[position : stop + 1])} must be followed by + "
                    f"in {shown(formula)}."
                )
            if fixed:
                fixed.pop()
            bars.extend(expand_bar(inside[:bar], inside[bar + 1 :], inside[bar].value == "||", formula))
            position = stop + 1
            if not fixed and position < len(tokens) and is_operator(tokens[position], "+"):
                position += 1
            continue
        if is_operator(token, "(", "{") and not opens:
            fixed.extend(tokens[position : stop + 1])
            position = stop + 1
            continue
        depth += is_operator(token, "(") - is_operator(token, ")")
        if depth == 0 and is_operator(token, "|", "||"):
            raise FormulaError(f"Put the random effects of {shown(formula)} in parentheses: (x | group).")
        fixed.append(token)
        position += 1
    return tuple(fixed), tuple(bars)


def _is_call(tokens: tuple[Token, ...], position: int, formula: str) -> bool:
    before = tokens[position - 1] if position else None
    return before is not None and before.kind == "name" and formula[before.start] != "`"


def _bar_position(tokens: tuple[Token, ...]) -> int | None:
    """Index of the bar among tokens that is in no inner parenthesis."""
    depth = 0
    for index, token in enumerate(tokens):
        depth += is_operator(token, "(", "{") - is_operator(token, ")", "}")
        if depth == 0 and is_operator(token, "|", "||"):
            return index
    return None


def _check_response_is_alone(response: Variable, fixed: Terms, bars: tuple[Bar, ...], formula: str) -> None:
    terms = (fixed, *(bar.terms for bar in bars))
    variables = [variable for part in terms for variable in (*part.variables, *part.offsets)]
    variables += [variable for bar in bars for variable in bar.group]
    if any(variable.expression == response.expression for variable in variables):
        raise FormulaError(
            f"The response {response.name} also stands on the right side of {shown(formula)}; remove it."
        )
    if isinstance(response.expression, Name):
        for variable in variables:
            if response.expression.value in names(variable.expression):
                raise FormulaError(
                    f"The response {response.name} also stands on the right side of {shown(formula)}, "
                    f"in {variable.name}; remove it."
                )
