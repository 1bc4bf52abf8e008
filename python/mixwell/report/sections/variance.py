"""The variance components: how much the levels differ, how their effects go together."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from mixwell.design.record import Design, RandomTerm
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.inference import icc_r2
from mixwell.report import coefficients
from mixwell.report.account import LEVEL, Account
from mixwell.report.formats import Table, TableRow
from mixwell.report.record import Block, Bullets, Paragraph, Place
from mixwell.report.words import Words, alike, code, percent, share
from mixwell.text import number

# A normal variable lies within so many standard deviations with probability 0.95.
TWO_SIDED = 1.96
# More correlations of a term than this are not told one by one.
MOST_CORRELATIONS = 3
# A correlation closer to 0 than this is hardly one.
WEAK = 0.1


def variance_section(told: Account) -> list[Block]:
    """Table, sentences on spreads and correlations, intraclass correlation, figures."""
    design, fit, text = told.design, told.fit, told.text
    sentences = []
    for i, term in enumerate(design.terms):
        sentences += spread_sentences(told, i)
        sentences += correlation_sentences(told, i, term)
    noise = "var_residual" if design.weights is None else "var_residual_weights"
    (sigma,) = alike([fit.sigma], scale_of(told, "sigma", fit.sigma))
    sentences.append(text.say(noise, sd=sigma, interval=spread(told, "sigma")))
    return [
        variance_table(told),
        Bullets(tuple(sentences)),
        Paragraph(icc_sentence(design, fit, text)),
        Place(("variance", "random_effects", "intercept_slope", "trajectories")),
    ]


def variance_table(told: Account) -> Table:
    """Variances, standard deviations with intervals, correlations."""
    design, fit, text = told.design, told.fit, told.text
    heads = [text.sentences["group"], text.sentences["effect"], text.sentences["variance_head"]]
    heads += [text.sentences["sd_head"]]
    if told.spreads:
        heads.append(text.say("interval_head", level=percent(LEVEL)))
    body = []
    for row in quantities.variance_components(design, fit):
        group = text.sentences["residual"] if row.term1 is None else row.group
        key = "sigma" if row.term1 is None else f"sd_{row.term1}|{row.group}"
        if row.term2 is not None:
            key = f"cor_{row.term2}.{row.term1}|{row.group}"
            effect = f"{text.sentences['cor_head']} {row.term1}, {row.term2}"
            cells = ["", "–" if row.sdcor is None else f"{row.sdcor:.2f}"]
        else:
            effect = row.term1 or ""
            cells = [number(row.vcov), number(float(np.sqrt(row.vcov)))]
        if told.spreads:
            ends = told.spreads.get(key)
            cells.append("–" if ends is None else "[{}, {}]".format(*rounded(key, ends)))
        body.append(TableRow((group, effect, *cells)))
    return Table(text.sentences["table_variance"], tuple(heads), tuple(body), text_columns=2)


def rounded(parameter: str, ends: tuple[float, float]) -> tuple[str, str]:
    """Ends of an interval with the same decimals: two of a correlation, else as its width asks for."""
    if parameter.startswith("cor_"):
        return f"{ends[0]:.2f}", f"{ends[1]:.2f}"
    low, high = alike(ends, ends[1] - ends[0])
    return low, high


def spread(told: Account, parameter: str) -> str:
    """The interval of a standard deviation or correlation in parentheses; empty if there is none."""
    ends = told.spreads.get(parameter)
    if ends is None:
        return ""
    return told.text.say("sd_interval", interval=told.text.interval(*rounded(parameter, ends), LEVEL))


def scale_of(told: Account, parameter: str, sd: float) -> float:
    """What decides the digits of a sentence on a standard deviation: the width of its interval, if any."""
    ends = told.spreads.get(parameter)
    return sd if ends is None else ends[1] - ends[0]


def spread_sentences(told: Account, index: int) -> list[str]:
    """How much the effects of a term vary."""
    design, fit, text = told.design, told.fit, told.text
    term, cov = design.terms[index], fit.term_cov[index]
    group = design.factors[term.factor].name
    position = {name: j for j, name in enumerate(quantities.kept_names(design, fit))}
    sentences = []
    for j, name in enumerate(term.names):
        sd = float(np.sqrt(cov[j, j]))
        key = f"sd_{name}|{group}"
        label = text.sentences["the_intercept"] if name == "(Intercept)" else code(name)
        common = {"group": group, "interval": spread(told, key)}
        if sd == 0:
            sentences.append(text.say("var_effect_zero", effect=label, **common))
            continue
        scale = scale_of(told, key, sd)
        common["sd"], half = alike((sd, TWO_SIDED * sd), scale)
        if name == "(Intercept)":
            stated = coefficients.random_conditions(design, term.factor, text)
            where = text.say("where", conditions=text.clauses(stated)) if stated else ""
            sentences.append(text.say("var_intercept", where=where, half=f"±{half}", **common))
        elif name in position:
            mean = float(fit.beta[position[name]])
            low, high = mean - TWO_SIDED * sd, mean + TWO_SIDED * sd
            shown = dict(zip(("mean", "low", "high"), alike((mean, low, high), scale), strict=True))
            where = effect_conditions(told, position[name])
            said = text.say("var_slope", effect=label, where=where, **shown, **common)
            signs = text.sentences["var_slope_signs"] if low < 0 < high else ""
            sentences.append(text.joined([said, signs]))
        else:
            sentences.append(text.say("var_slope_centred", effect=label, **common))
        bounds = told.spreads.get(key)
        if bounds is not None and bounds[0] <= 0:
            sentences.append(text.say("var_excludes", effect=label, group=group))
    return sentences


def effect_conditions(told: Account, position: int) -> str:
    """Where a fixed effect holds that a random one varies around."""
    design, fit = told.design, told.fit
    if design.recipe is None:
        return ""
    parts = coefficients.parts_of_columns(design, design.recipe)[int(fit.kept[position])]
    others = coefficients.interacts_with(design, fit, {part.variable for part in parts})
    return coefficients.where(design.recipe, others, told.text)


def slope_names(design: Design, term: RandomTerm) -> list[str]:
    """Names of the numeric columns of a term."""
    if design.recipe is None:
        return []
    plans = design.recipe.terms[next(i for i, other in enumerate(design.terms) if other is term)]
    return [
        name
        for name, plan in zip(term.names, plans, strict=True)
        if len(plan.pieces) == 1 and plan.pieces[0].column >= 0
    ]


def correlation_sentences(told: Account, index: int, term: RandomTerm) -> list[str]:
    """What the correlations of a term say."""
    design, fit, text = told.design, told.fit, told.text
    cov = fit.term_cov[index]
    group = design.factors[term.factor].name
    pairs = list(combinations(range(len(term.names)), 2))
    if len(pairs) > MOST_CORRELATIONS:
        return [text.say("cor_many", group=group, n=str(len(pairs)))]
    correlations = quantities.correlation(cov)
    singular = fit.certificate.terms[index].rank < len(cov)
    sentences = []
    for a, b in pairs:
        r = float(correlations[a, b])
        first, second = term.names[a], term.names[b]
        names = {"first": code(first), "second": code(second), "group": group}
        if np.isnan(r):
            sentences.append(text.say("cor_none", **names))
            continue
        if singular and abs(r) > 1 - 1e-6:
            sentences.append(text.say("cor_perfect", r=f"{r:+.0f}", **names))
            continue
        key = f"cor_{second}.{first}|{group}"
        parts = [text.say("cor", r=f"{r:.2f}", interval=spread(told, key), **names)]
        ends = told.spreads.get(key)
        slope = second in slope_names(design, term)
        if ends is not None and ends[0] <= 0 <= ends[1]:
            parts.append(text.sentences["cor_open"])
        elif abs(r) < WEAK:
            parts.append(text.sentences["cor_weak"])
        else:
            parts.append(text.sentences["cor_positive" if r > 0 else "cor_negative"])
            if first == "(Intercept)" and slope:
                parts.append(text.say("cor_fan_out" if r > 0 else "cor_fan_in", effect=second))
        if first == "(Intercept)" and slope:
            parts.append(text.say("cor_zero_point", effect=second))
        sentences.append(text.joined(parts))
    return sentences


def icc_sentence(design: Design, fit: Fit, text: Words) -> str:
    """The intraclass correlation and what it means in this model."""
    found = icc_r2.icc(design, fit)
    if found.adjusted == 0:
        return text.sentences["icc_zero"]
    icc = f"{found.adjusted:.3f}"
    intercepts = all(term.names == ("(Intercept)",) for term in design.terms)
    if intercepts and len(design.factors) == 1:
        return text.say("icc_one", icc=icc, group=design.factors[0].name)
    if len(design.factors) == 1:
        return text.say("icc_slopes", icc=icc, share=share(found.adjusted))
    parts = [text.say("icc_part", group=group, share=share(part)) for group, part in found.by_factor.items()]
    return text.say("icc_several", icc=icc, share=share(found.adjusted), parts=text.listed(parts))
