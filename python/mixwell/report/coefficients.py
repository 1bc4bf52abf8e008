"""What each fixed effect is: the part of every variable in it, and where the others are held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mixwell.data.columns import Numbers
from mixwell.design.coding import ColumnPlan, Piece, VariableCoding
from mixwell.design.given_contrasts import base_level, contrast_kind
from mixwell.design.record import Design, Recipe
from mixwell.fit.quantities import kept_names
from mixwell.fit.record import Fit
from mixwell.formula.expression import Binary, Call, Name, Node, Number, Unary, names
from mixwell.report.words import Words

Role = Literal["number", "treatment", "level", "deviation", "basis", "other"]


@dataclass(frozen=True, slots=True)
class Part:
    """A variable's part in a column of X.

    Attributes
    ----------
    role
        ``"number"``; ``"treatment"``: a level against a base; ``"level"``: a level's indicator, all levels
        present; ``"deviation"``: a level from the mean of all (sum contrasts); ``"basis"``: one of several
        columns of a function; ``"other"`` contrasts.
    variable
        As in the formula.
    level, base
        Labels, where the role has them.
    """

    role: Role
    variable: str
    level: str = ""
    base: str = ""


def whole_coded(plans: Sequence[ColumnPlan], recipe: Recipe, columns: Sequence[int]) -> set[Node]:
    """Variables of one term that have an indicator for every level."""
    found: dict[Node, set[int]] = {}
    for j in columns:
        for piece in plans[j].pieces:
            if piece.level >= 0:
                found.setdefault(piece.expression, set()).add(piece.level)
    return {node for node, levels in found.items() if len(levels) == len(recipe.codings[node].levels or ())}


def part_of(piece: Piece, recipe: Recipe, *, whole: bool) -> Part:
    """The role of a piece of a column."""
    coding = recipe.codings[piece.expression]
    if coding.levels is None:
        return Part("basis" if coding.several else "number", coding.name)
    if piece.level >= 0:
        level = coding.levels[piece.level]
        if whole:
            return Part("level", coding.name, level)
        return Part("treatment", coding.name, level, base_level(coding))
    if contrast_kind(coding) == "sum":
        return Part("deviation", coding.name, coding.levels[int(np.argmax(piece.weights))])
    return Part("other", coding.name)


def parts_of_columns(design: Design, recipe: Recipe) -> list[tuple[Part, ...]]:
    """Per column of X, its parts; of the intercept none."""
    parts: list[tuple[Part, ...]] = [()] * design.x.shape[1]
    for term in design.fixed_terms:
        whole = whole_coded(recipe.x, recipe, term.columns)
        for j in term.columns:
            parts[j] = tuple(
                part_of(piece, recipe, whole=piece.expression in whole) for piece in recipe.x[j].pieces
            )
    return parts


def fixed_codings(recipe: Recipe) -> dict[str, VariableCoding]:
    """Codings of the variables of the fixed part, by name."""
    return {v.name: recipe.codings[v.expression] for v in recipe.formula.fixed.variables}


def kept_variables(design: Design, fit: Fit) -> list[str]:
    """Variables of the fixed part that have a coefficient, in the order of the terms."""
    kept = set(fit.kept.tolist())
    return list(
        dict.fromkeys(
            variable
            for term in design.fixed_terms
            if kept.intersection(term.columns)
            for variable in term.variables
        )
    )


def interacts_with(design: Design, fit: Fit, own: set[str]) -> list[str]:
    """Other variables that stand in a common term with all of these."""
    kept = set(fit.kept.tolist())
    return list(
        dict.fromkeys(
            variable
            for term in design.fixed_terms
            if own < set(term.variables) and kept.intersection(term.columns)
            for variable in term.variables
            if variable not in own
        )
    )


def conditions(recipe: Recipe, variables: Sequence[str], text: Words) -> list[str]:
    """``["sex is Male", "Lsize is 0"]``: where a coefficient of other variables holds.

    Contrasts that are no treatment contrasts average over the levels, and columns of a function have no
    value to name: neither is a condition.
    """
    codings = fixed_codings(recipe)
    stated = []
    for variable in variables:
        coding = codings[variable]
        if coding.levels is None:
            if not coding.several and not (
                is_power(coding.expression) and set(names(coding.expression)) & set(variables)
            ):
                stated.append(text.say("at_zero", variable=variable))
        elif contrast_kind(coding) == "treatment" and coding.contrast is not None:
            stated.append(text.say("at_level", factor=variable, level=base_level(coding)))
    return stated


def where(recipe: Recipe, variables: Sequence[str], text: Words) -> str:
    """The conditions as the end of a clause, `` when sex is Male``; empty if there are none."""
    stated = conditions(recipe, variables, text)
    return text.say("where", conditions=text.clauses(stated)) if stated else ""


def random_conditions(design: Design, factor: int, text: Words) -> list[str]:
    """Where the random intercept of a factor lies: at which values of the variables with random slopes."""
    recipe = design.recipe
    if recipe is None:
        return []
    stated: list[str] = []
    for term, plans in zip(design.terms, recipe.terms, strict=True):
        if term.factor != factor:
            continue
        for plan in plans:
            for piece in plan.pieces:
                coding = recipe.codings[piece.expression]
                if coding.levels is None:
                    if not coding.several:
                        stated.append(text.say("at_zero", variable=coding.name))
                elif contrast_kind(coding) == "treatment" and coding.contrast is not None:
                    stated.append(text.say("at_level", factor=coding.name, level=base_level(coding)))
    return list(dict.fromkeys(stated))


# What looks at other rows of a group: such a column and the variable itself are not one curve.
_OF_GROUPS = frozenset({"within", "between", "lag", "rolling_mean", "cumulative"})


def calls(node: Node) -> Iterator[str]:
    """Names of the functions in an expression."""
    match node:
        case Call(function, arguments, keywords):
            yield function
            for argument in (*arguments, *(value for _, value in keywords)):
                yield from calls(argument)
        case Binary(_, left, right):
            yield from calls(left)
            yield from calls(right)
        case Unary(_, operand):
            yield from calls(operand)


def is_power(node: Node) -> bool:
    """Whether an expression is a variable to a positive power, ``I(x^2)``: 0 where the variable is 0."""
    match node:
        case Call("I", (inner,), ()):
            return is_power(inner)
        case Binary("^", Name(), Number(power)):
            return power > 0
    return False


def bends(recipe: Recipe, variable: str) -> str:
    """The column that several variables of the formula are computed from (``x`` in ``x + I(x^2)``), or ""."""
    mine = fixed_codings(recipe)[variable].expression
    columns = set(names(mine)) - recipe.constants
    for other in recipe.formula.fixed.variables:
        if other.expression == mine or recipe.codings[other.expression].levels is not None:
            continue
        shared = columns & set(names(other.expression))
        if shared and not _OF_GROUPS & {*calls(mine), *calls(other.expression)}:
            return sorted(shared)[0]
    return ""


def means_terms(design: Design, recipe: Recipe, fit: Fit) -> set[str]:
    """Terms whose coefficients are means, since there is no intercept: whether these are 0 is no question."""
    if "(Intercept)" in kept_names(design, fit):
        return set()
    parts = parts_of_columns(design, recipe)
    return {
        term.name
        for term in design.fixed_terms
        if term.columns and all({part.role for part in parts[j]} == {"level"} for j in term.columns)
    }


def curve_of(recipe: Recipe, parts: Sequence[Part]) -> str:
    """The variable whose curve a coefficient belongs to, so that alone it means nothing; "" if none."""
    for part in parts:
        if part.role == "basis":
            columns = set(names(fixed_codings(recipe)[part.variable].expression)) - recipe.constants
            return columns.pop() if len(columns) == 1 else part.variable
        if part.role == "number" and bends(recipe, part.variable):
            return bends(recipe, part.variable)
    return ""


def zero_outside(design: Design, recipe: Recipe, fit: Fit) -> list[str]:
    """Plain numeric predictors whose value 0, where the intercept lies, is outside the data."""
    codings = fixed_codings(recipe)
    found = []
    for name in kept_variables(design, fit):
        column = design.variables.get(name)
        if isinstance(codings[name].expression, Name) and isinstance(column, Numbers):
            values = column.floats()
            if values.min() > 0 or values.max() < 0:
                found.append(name)
    return found
