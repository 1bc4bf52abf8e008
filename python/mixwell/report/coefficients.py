"""What each fixed effect means, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mixwell.data.columns import Numbers
from mixwell.design.coding import ColumnPlan, Piece, VariableCoding
from mixwell.design.contrasts import Contrast, contrast_columns
from mixwell.design.record import Design, Recipe
from mixwell.fit.record import Fit
from mixwell.formula.expression import Name, Node, names
from mixwell.inference.contrast import RowTests
from mixwell.inference.emmeans import Transform, response_transform
from mixwell.report.words import Words, beside, percent

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


@dataclass(frozen=True, slots=True)
class Estimate:
    """The numbers of a coefficient."""

    name: str
    value: float
    std_error: float
    low: float
    high: float
    p_value: float


def contrast_kind(coding: VariableCoding) -> str:
    """``"treatment"``, ``"sum"``, ``"helmert"``, ``"poly"``, or ``"matrix"``."""
    if coding.contrast is None or coding.levels is None or coding.contrast.level is not None:
        return "treatment"
    for kind in ("sum", "helmert", "poly"):
        known = contrast_columns(Contrast(kind), coding.name, coding.levels).matrix
        if known.shape == coding.contrast.matrix.shape and np.allclose(known, coding.contrast.matrix):
            return kind
    return "matrix"


def base_level(coding: VariableCoding) -> str:
    """The reference level of a factor with treatment contrasts."""
    if coding.levels is None or coding.contrast is None or coding.contrast.level is None:
        raise ValueError(f"{coding.name} has no reference level")
    return next(text for i, text in enumerate(coding.levels) if i not in coding.contrast.level)


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


def conditions(design: Design, recipe: Recipe, fixed: set[str], variables: Sequence[str], text: Words) -> str:
    """``where sex is Male and Lsize is 0``: at which values of the others an effect is meant.

    Parameters
    ----------
    fixed
        Variables that the effect itself speaks of.
    variables
        Variables that the effect depends on.
    """
    stated = []
    for variable in variables:
        if variable in fixed:
            continue
        coding = fixed_codings(recipe)[variable]
        if coding.levels is None:
            stated.append(text.say("at_zero", variable=variable))
        elif contrast_kind(coding) == "treatment" and coding.contrast is not None:
            stated.append(text.say("at_level", factor=variable, level=base_level(coding)))
    return text.say("where", conditions=text.clauses(stated)) if stated else ""


def depends_on(design: Design, parts: Sequence[Part]) -> list[str]:
    """Other variables that stand in a common term with all of the parts."""
    own = {part.variable for part in parts}
    return list(
        dict.fromkeys(
            variable
            for term in design.fixed_terms
            if own < set(term.variables)
            for variable in term.variables
            if variable not in own
        )
    )


def stats(estimate: Estimate, level: float, text: Words) -> str:
    """``95% interval 7.21 to 13.73, p < 0.001``."""
    low, high = (beside(end, estimate.std_error) for end in (estimate.low, estimate.high))
    return text.say("stats", interval=text.interval(low, high, level), p=text.p(estimate.p_value))


def ratio_fields(estimate: Estimate, transform: Transform, level: float, text: Words) -> dict[str, str]:
    """The same on the scale of ratios."""
    ends = np.array([estimate.value, estimate.low, estimate.high])
    ratio, low, high = transform.inverse(ends).tolist()
    change = f"{'+' if ratio >= 1 else '-'}{percent(abs(ratio - 1))}"
    return {
        "ratio": f"{ratio:.4g}",
        "interval": text.interval(f"{low:.4g}", f"{high:.4g}", level),
        "p": text.p(estimate.p_value),
        "change": change,
    }


def sentence(
    design: Design, recipe: Recipe, estimate: Estimate, parts: tuple[Part, ...], level: float, text: Words
) -> str:
    """One coefficient in plain words."""
    name, y = estimate.name, design.response_name
    shown = beside(estimate.value, estimate.std_error)
    if not (np.isfinite(estimate.std_error) and np.isfinite(estimate.p_value)):
        return text.say("fixed_untested", name=name, estimate=shown)
    told = stats(estimate, level, text)
    straddles = estimate.low <= 0 <= estimate.high
    open_ = text.sentences["open"] if straddles else ""
    own = {part.variable for part in parts}
    if parts:
        where = conditions(design, recipe, own, depends_on(design, parts), text)
    else:
        where = conditions(design, recipe, own, all_variables(design), text)
    both = {"name": name, "estimate": shown, "stats": told}
    roles = tuple(part.role for part in parts)
    transform = response_transform(recipe.formula.response.expression)
    ratio: Mapping[str, str] = {}
    if transform is not None and transform.makes_ratios:
        ratio = ratio_fields(estimate, transform, level, text)
        ratio = {
            **ratio,
            "name": name,
            "where": where,
            "open": text.sentences["open_ratio"] if straddles else "",
        }
    if not parts:
        if any(contrast_kind(coding) != "treatment" for coding in fixed_codings(recipe).values()):
            return text.say("fixed_intercept_coded", **both)
        return text.say("fixed_intercept", y=y, where=where, **both)
    first = parts[0]
    if "basis" in roles:
        basis = next(part for part in parts if part.role == "basis")
        return text.say("fixed_basis", variable=basis.variable, **both)
    if roles == ("number",):
        if bends(recipe, first.variable):
            return text.say("fixed_basis", variable=bends(recipe, first.variable), **both)
        if ratio:
            return text.say("fixed_slope_log", variable=first.variable, **ratio)
        return text.say("fixed_slope", variable=first.variable, y=y, where=where, open=open_, **both)
    if roles == ("treatment",):
        levels = {"factor": first.variable, "level": first.level, "base": first.base}
        if ratio:
            return text.say("fixed_level_log", **levels, **ratio)
        return text.say("fixed_level", y=y, where=where, open=open_, **levels, **both)
    if roles == ("level",):
        return text.say("fixed_mean", y=y, factor=first.variable, level=first.level, where=where, **both)
    if roles == ("deviation",):
        return text.say(
            "fixed_deviation",
            y=y,
            factor=first.variable,
            level=first.level,
            where=where,
            open=open_,
            **both,
        )
    if len(parts) == 2:
        number = next((part for part in parts if part.role == "number"), None)
        other = next((part for part in parts if part is not number), first)
        if roles == ("treatment", "treatment"):
            second = parts[1]
            return text.say(
                "fixed_levels_pair",
                factor=first.variable,
                level=first.level,
                base=first.base,
                factor2=second.variable,
                level2=second.level,
                base2=second.base,
                where=where,
                open=open_,
                **both,
            )
        if roles == ("number", "number"):
            return text.say(
                "fixed_slopes_pair",
                variable=first.variable,
                variable2=parts[1].variable,
                where=where,
                open=open_,
                **both,
            )
        if number is not None and other.role in ("treatment", "level"):
            fields = {"variable": number.variable, "factor": other.variable, "level": other.level}
            if other.role == "treatment":
                return text.say(
                    "fixed_slope_pair", base=other.base, where=where, open=open_, **fields, **both
                )
            return text.say("fixed_slope_in", y=y, where=where, open=open_, **fields, **both)
    return text.say("fixed_other", open=open_, **both)


def bends(recipe: Recipe, variable: str) -> str:
    """The column that several variables of the formula are computed from (``x`` in ``x + I(x^2)``), or ""."""
    mine = next(v for v in recipe.formula.fixed.variables if v.name == variable)
    columns = set(names(mine.expression)) - recipe.constants
    for other in recipe.formula.fixed.variables:
        if other.expression != mine.expression:
            shared = columns & set(names(other.expression))
            if shared and recipe.codings[other.expression].levels is None:
                return sorted(shared)[0]
    return ""


def all_variables(design: Design) -> list[str]:
    return list(dict.fromkeys(variable for term in design.fixed_terms for variable in term.variables))


def estimates(fit: Fit, labels: Sequence[str], tests: RowTests, level: float) -> list[Estimate]:
    """The numbers of every coefficient."""
    low, high = tests.interval(level)
    return [
        Estimate(
            label,
            float(fit.beta[j]),
            float(tests.std_error[j]),
            float(low[j]),
            float(high[j]),
            float(tests.p_value[j]),
        )
        for j, label in enumerate(labels)
    ]


def zero_outside(design: Design, recipe: Recipe) -> list[str]:
    """Plain numeric predictors whose value 0, where the intercept lies, is outside the data."""
    found = []
    for variable in recipe.formula.fixed.variables:
        column = design.variables.get(variable.name)
        if isinstance(variable.expression, Name) and isinstance(column, Numbers):
            values = column.floats()
            if values.min() > 0 or values.max() < 0:
                found.append(variable.name)
    return found
