"""One coefficient in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mixwell.design.given_contrasts import contrast_kind
from mixwell.design.record import Design, Recipe
from mixwell.fit.quantities import kept_names
from mixwell.fit.record import Fit
from mixwell.formula.expression import names
from mixwell.inference.contrast import RowTests
from mixwell.inference.emmeans import Transform, response_transform
from mixwell.report.coefficients import (
    Part,
    conditions,
    curve_of,
    fixed_codings,
    interacts_with,
    kept_variables,
    parts_of_columns,
    where,
)
from mixwell.report.words import Words, beside, code, share


@dataclass(frozen=True, slots=True)
class Estimate:
    """The numbers of a coefficient."""

    name: str
    value: float
    std_error: float
    low: float
    high: float
    p_value: float


def estimates(labels: Sequence[str], tests: RowTests, level: float) -> list[Estimate]:
    """The numbers of every coefficient."""
    low, high = tests.interval(level)
    columns = (tests.estimate, tests.std_error, low, high, tests.p_value)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [Estimate(label, *row) for label, row in zip(labels, rows, strict=True)]


def told_one_by_one(
    design: Design, recipe: Recipe, fit: Fit, found: Sequence[Estimate], level: float, text: Words
) -> list[str]:
    """A sentence per coefficient; one for all those that describe a curve together."""
    parts = parts_of_columns(design, recipe)
    sentences: list[str] = []
    curves: dict[str, list[str]] = {}
    for column, estimate in zip(fit.kept.tolist(), found, strict=True):
        curve = curve_of(recipe, parts[column])
        if curve:
            curves.setdefault(curve, []).append(code(estimate.name))
        else:
            sentences.append(sentence(design, recipe, fit, estimate, parts[column], level, text))
    for curve, members in curves.items():
        if len(members) == 1:
            sentences.append(text.say("fixed_curve_one", name=members[0], variable=curve))
        else:
            named = text.listed(members, 4)
            sentences.append(text.say("fixed_curve", names=named, variable=curve, y=design.response_name))
    return sentences


def interval(estimate: Estimate, level: float, text: Words) -> str:
    """``95% CI 7.21 to 13.73``."""
    low, high = (beside(end, estimate.std_error) for end in (estimate.low, estimate.high))
    return text.interval(low, high, level)


def stats(estimate: Estimate, level: float, text: Words) -> str:
    """``95% CI 7.21 to 13.73, p < 0.001``."""
    return text.say("stats", interval=interval(estimate, level, text), p=text.p(estimate.p_value))


def direction(value: float, text: Words) -> str:
    """``higher`` or ``lower``."""
    return text.sentences["higher" if value >= 0 else "lower"]


def raw_response(recipe: Recipe) -> str:
    """The column inside a transformed response, ``weight`` of ``log(weight)``; the whole if not just one."""
    found = set(names(recipe.formula.response.expression)) - recipe.constants
    return found.pop() if len(found) == 1 else recipe.formula.response.name


def ratio_fields(estimate: Estimate, transform: Transform, level: float, text: Words) -> dict[str, str]:
    """The same on the scale of ratios."""
    ratio, low, high = transform.inverse(np.array([estimate.value, estimate.low, estimate.high])).tolist()
    width = high - low
    interval = text.interval(beside(low, width), beside(high, width), level)
    return {
        "ratio": beside(ratio, width),
        "stats": text.say("stats", interval=interval, p=text.p(estimate.p_value)),
        "change": text.say("change", size=share(abs(ratio - 1)), direction=direction(ratio - 1, text)),
        "open": text.sentences["open"] if estimate.low <= 0 <= estimate.high else "",
    }


def sentence(
    design: Design,
    recipe: Recipe,
    fit: Fit,
    estimate: Estimate,
    parts: tuple[Part, ...],
    level: float,
    text: Words,
) -> str:
    """What a coefficient says that is not one of several of a curve; of the intercept there are no parts."""
    name, y = code(estimate.name), design.response_name
    shown = beside(estimate.value, estimate.std_error)
    if not (np.isfinite(estimate.std_error) and np.isfinite(estimate.p_value)):
        return text.say("fixed_untested", name=name, estimate=shown)
    if not parts:
        return intercept(design, recipe, fit, estimate, level, text)
    own = {part.variable for part in parts}
    first, roles = parts[0], tuple(part.role for part in parts)
    tail = {
        "stats": stats(estimate, level, text),
        "open": text.sentences["open"] if estimate.low <= 0 <= estimate.high else "",
    }
    if set(roles) == {"level"} and "(Intercept)" not in kept_names(design, fit):
        others = [variable for variable in kept_variables(design, fit) if variable not in own]
        stated = [text.say("at_level", factor=part.variable, level=part.level) for part in parts]
        stated += conditions(recipe, others, text)
        return mean_at(name, y, estimate, stated, level, text)
    fields = {"name": name, "where": where(recipe, interacts_with(design, fit, own), text), **tail}
    transform = response_transform(recipe.formula.response.expression)
    if transform is not None and transform.makes_ratios and roles in (("number",), ("treatment",)):
        fields |= {**ratio_fields(estimate, transform, level, text), "y": raw_response(recipe)}
        if first.role == "number":
            return text.say("fixed_slope_log", variable=first.variable, **fields)
        return text.say(
            "fixed_level_log", factor=first.variable, level=first.level, base=first.base, **fields
        )
    if roles == ("number",):
        return text.say("fixed_slope", variable=first.variable, y=y, estimate=shown, **fields)
    if roles in (("treatment",), ("deviation",)):
        fields |= {
            "factor": first.variable,
            "level": first.level,
            "size": beside(abs(estimate.value), estimate.std_error),
            "direction": direction(estimate.value, text),
            "y": y,
        }
        if first.role == "treatment":
            return text.say("fixed_level", base=first.base, **fields)
        return text.say("fixed_deviation", **fields)
    pair = pair_sentence(parts, {"estimate": shown, **fields}, y, text) if len(parts) == 2 else ""
    if pair:
        return pair
    if len(parts) > 1:
        return text.say("fixed_part", name=name, estimate=shown, variables=text.listed(sorted(own)), **tail)
    return text.say("fixed_other", name=name, estimate=shown, **tail)


def pair_sentence(parts: tuple[Part, ...], fields: Mapping[str, str], y: str, text: Words) -> str:
    """A coefficient of two variables; empty if their roles have no plain meaning together."""
    roles = tuple(part.role for part in parts)
    first, second = parts
    if roles == ("treatment", "treatment"):
        return text.say(
            "fixed_levels_pair",
            factor=first.variable,
            level=first.level,
            base=first.base,
            factor2=second.variable,
            level2=second.level,
            base2=second.base,
            **fields,
        )
    if roles == ("number", "number"):
        return text.say("fixed_slopes_pair", variable=first.variable, variable2=second.variable, **fields)
    number = next((part for part in parts if part.role == "number"), None)
    other = second if number is first else first
    if number is None or other.role not in ("treatment", "level"):
        return ""
    shown = {"variable": number.variable, "factor": other.variable, "level": other.level, **fields}
    if other.role == "treatment":
        return text.say("fixed_slope_pair", base=other.base, **shown)
    return text.say("fixed_slope_in", y=y, **shown)


def intercept(design: Design, recipe: Recipe, fit: Fit, estimate: Estimate, level: float, text: Words) -> str:
    """What the intercept is the mean of, if that can be said."""
    variables = kept_variables(design, fit)
    codings = [fixed_codings(recipe)[variable] for variable in variables]
    if any(coding.several for coding in codings) or any(contrast_kind(c) != "treatment" for c in codings):
        return text.say(
            "fixed_constant",
            name=code(estimate.name),
            estimate=beside(estimate.value, estimate.std_error),
            interval=interval(estimate, level, text),
        )
    stated = conditions(recipe, variables, text)
    return mean_at(code(estimate.name), design.response_name, estimate, stated, level, text)


def mean_at(name: str, y: str, estimate: Estimate, stated: Sequence[str], level: float, text: Words) -> str:
    """A coefficient that is a mean, where the conditions hold; whether it is 0 is of no interest."""
    fields = {
        "name": name,
        "y": y,
        "estimate": beside(estimate.value, estimate.std_error),
        "interval": interval(estimate, level, text),
    }
    if not stated:
        return text.say("fixed_mean_overall", **fields)
    return text.say("fixed_mean", conditions=text.clauses(stated), **fields)
