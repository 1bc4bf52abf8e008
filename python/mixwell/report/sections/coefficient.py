"""One coefficient in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mixwell.data.output import Origin
from mixwell.design.given_contrasts import base_level, contrast_kind
from mixwell.design.record import Design, Recipe
from mixwell.design.response import ResponseTransform
from mixwell.errors import MixwellError
from mixwell.fit.quantities import kept_names
from mixwell.fit.record import Fit
from mixwell.formula.expression import Name
from mixwell.inference.contrast import Approximation, RowTests
from mixwell.inference.degrees_of_freedom import approximation
from mixwell.inference.emmeans import emmeans
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
from mixwell.report.words import Words, alike, beside, code, percent, share


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
    method = approximation(design, fit, "satterthwaite")
    sentences: list[str] = []
    curves: dict[str, list[str]] = {}
    for column, estimate in zip(fit.kept.tolist(), found, strict=True):
        own = parts[column]
        curve = curve_of(recipe, own)
        if curve:
            curves.setdefault(curve, []).append(code(estimate.name))
            continue
        said = sentence(design, recipe, fit, estimate, own, level, text)
        if tuple(part.role for part in own) == ("treatment",):
            others = interacts_with(design, fit, {own[0].variable})
            said = text.joined([said, carried_back(design, recipe, fit, method, own[0], others, text)])
        sentences.append(said)
    for curve, members in curves.items():
        if len(members) == 1:
            sentences.append(text.say("fixed_curve_one", name=members[0], variable=curve))
        else:
            named = text.listed(members, 4)
            sentences.append(text.say("fixed_curve", names=named, variable=curve, y=design.response_name))
    return sentences


def interval(estimate: Estimate, level: float, text: Words) -> str:
    """``95% CI 7.21 to 13.73``."""
    _, low, high = alike((estimate.value, estimate.low, estimate.high), estimate.std_error)
    return text.interval(low, high, level)


def stats(estimate: Estimate, level: float, text: Words) -> str:
    """``95% CI 7.21 to 13.73, p < 0.001``."""
    return text.say("stats", interval=interval(estimate, level, text), p=text.p(estimate.p_value))


def direction(value: float, text: Words) -> str:
    """``higher`` or ``lower``."""
    return text.sentences["higher" if value >= 0 else "lower"]


def change_fields(estimate: Estimate, level: float, text: Words, *, along: bool) -> dict[str, str]:
    """The size and direction of a difference, or of a change ``along`` a number, and its interval likewise.

    An interval on the estimate's side of 0 is one of sizes; another names the direction of its ends.
    """
    size, low, high = alike(
        [abs(x) for x in (estimate.value, estimate.low, estimate.high)], estimate.std_error
    )
    if estimate.low < 0 < estimate.high:
        key = "interval_moves" if along else "interval_signed"
        said = text.say(key, level=percent(level), low=low, high=high)
    else:
        said = text.interval(*((low, high) if estimate.value >= 0 else (high, low)), level)
    moves = text.sentences["rises" if estimate.value >= 0 else "falls"]
    return {
        "size": size,
        "stats": text.say("stats", interval=said, p=text.p(estimate.p_value)),
        **({"moves": moves} if along else {"direction": direction(estimate.value, text)}),
    }


def level_named(factor: str, level: str, text: Words) -> str:
    """A level in a comparison: with its factor where it is a number or a truth value, ``sex = 0``."""
    plain = level.isalpha() and level.casefold() not in ("true", "false")
    return level if plain else text.say("level_named", factor=factor, level=level)


def ratio_fields(
    estimate: Estimate, transform: ResponseTransform, level: float, text: Words
) -> dict[str, str]:
    """The same as a ratio of what the logarithm is of; in percent where that is the column itself."""
    undone = transform.differences()
    assert undone is not None
    ratio = float(undone.inverse(np.array(estimate.value)))
    low, high = (float(end) for end in undone.interval(np.array(estimate.low), np.array(estimate.high)))
    shown, first, last = alike((ratio, low, high), high - low)
    said = text.say("interval_ratio", level=percent(level), low=first, high=last)
    fields = {
        "ratio": shown,
        "what": transform.logged,
        "stats": text.say("stats", interval=said, p=text.p(estimate.p_value)),
        "open": text.sentences["open"] if estimate.low <= 0 <= estimate.high else "",
    }
    if transform.logged == transform.quantity:
        fields["change"] = relative_change(ratio, text)
    return fields


def relative_change(ratio: float, text: Words) -> str:
    """``39.5% higher``."""
    return text.say("change", size=share(abs(ratio - 1)), direction=direction(ratio - 1, text))


def carried_back(
    design: Design,
    recipe: Recipe,
    fit: Fit,
    method: Approximation,
    part: Part,
    others: Sequence[str],
    text: Words,
) -> str:
    """The means of two levels on the scale of the data; empty where differences can be carried back.

    ``others`` are held where the coefficient holds, the rest is averaged over.
    """
    transform = recipe.response
    undone = transform.differences()
    told = transform.is_linear or (undone is not None and transform.logged == transform.quantity)
    codings = {name: fixed_codings(recipe)[name] for name in (part.variable, *others)}
    named = all(isinstance(coding.expression, Name) for coding in codings.values())
    if transform.problem or told or not named:
        return ""
    at = {
        name: 0.0 if codings[name].levels is None else base_level(codings[name])
        for name in others
        if codings[name].levels is None or contrast_kind(codings[name]) == "treatment"
    }
    try:
        found = emmeans(
            design,
            fit,
            Origin("pandas", None),
            [part.variable],
            at=at,
            method=method,
            title="",
            type_="response",
        )
    except MixwellError:
        # A grid that has no such place: the coefficient stands as it is.
        return ""
    values = dict(zip(map(str, found.means.labels[part.variable]), found.frame["estimate"], strict=True))
    first, second = (float(values.get(level, np.nan)) for level in (part.level, part.base))
    if len(values) < len(found.means.rows) or not (0 < first < np.inf and 0 < second < np.inf):
        return ""
    rest = set(kept_variables(design, fit)) - {part.variable, *others}
    shown = alike((first, second), abs(first - second))
    return text.say(
        "fixed_carried",
        quantity=transform.quantity,
        level=level_named(part.variable, part.level, text),
        base=level_named(part.variable, part.base, text),
        where=where(recipe, others, text),
        held=text.sentences["held"] if rest else "",
        estimate=shown[0],
        estimate2=shown[1],
        change=relative_change(first / second, text),
    )


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
    if set(roles) == {"level"} and "(Intercept)" not in kept_names(design, fit):
        others = [variable for variable in kept_variables(design, fit) if variable not in own]
        stated = [text.say("at_level", factor=part.variable, level=part.level) for part in parts]
        stated += conditions(recipe, others, text)
        return mean_at(name, y, estimate, stated, level, text)
    others = interacts_with(design, fit, own)
    fields = {
        "name": name,
        "where": where(recipe, others, text),
        "open": text.sentences["open"] if estimate.low <= 0 <= estimate.high else "",
    }
    if recipe.response.logged and roles in (("number",), ("treatment",)):
        fields |= ratio_fields(estimate, recipe.response, level, text)
        suffix = "" if "change" in fields else "_of"
        if first.role == "number":
            return text.say(f"fixed_slope_log{suffix}", variable=first.variable, **fields)
        base = level_named(first.variable, first.base, text)
        return text.say(
            f"fixed_level_log{suffix}", factor=first.variable, level=first.level, base=base, **fields
        )
    if roles == ("number",):
        fields |= change_fields(estimate, level, text, along=True)
        return text.say("fixed_slope", variable=first.variable, y=y, **fields)
    if roles in (("treatment",), ("deviation",)):
        fields |= change_fields(estimate, level, text, along=False)
        fields |= {"factor": first.variable, "level": first.level, "y": y}
        if first.role == "deviation":
            return text.say("fixed_deviation", **fields)
        return text.say("fixed_level", base=level_named(first.variable, first.base, text), **fields)
    pair = pair_sentence(parts, estimate, fields, y, level, text) if len(parts) == 2 else ""
    if pair:
        return pair
    fields |= {"estimate": shown, "stats": stats(estimate, level, text)}
    if len(parts) > 1:
        return text.say("fixed_part", variables=text.listed(sorted(own)), **fields)
    return text.say("fixed_other", **fields)


def pair_sentence(
    parts: tuple[Part, ...],
    estimate: Estimate,
    common: Mapping[str, str],
    y: str,
    level: float,
    text: Words,
) -> str:
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
            base2=level_named(second.variable, second.base, text),
            y=y,
            **common,
            **change_fields(estimate, level, text, along=False),
        )
    if roles == ("number", "number"):
        return text.say(
            "fixed_slopes_pair",
            variable=first.variable,
            variable2=second.variable,
            **common,
            **change_fields(estimate, level, text, along=True),
        )
    number = next((part for part in parts if part.role == "number"), None)
    other = second if number is first else first
    if number is None or other.role not in ("treatment", "level"):
        return ""
    fields = {"variable": number.variable, "factor": other.variable, "level": other.level, **common}
    if other.role == "treatment":
        return text.say(
            "fixed_slope_pair",
            base=level_named(other.variable, other.base, text),
            **fields,
            **change_fields(estimate, level, text, along=False),
        )
    return text.say("fixed_slope_in", y=y, **fields, **change_fields(estimate, level, text, along=True))


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
