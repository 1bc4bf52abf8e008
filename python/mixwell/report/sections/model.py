"""The model: its parts and why, how it was fitted and tested, and its equation."""

from __future__ import annotations

from mixwell.design.given_contrasts import base_level, contrast_kind
from mixwell.design.record import Design, RandomTerm, Recipe
from mixwell.fit import quantities
from mixwell.report import coefficients
from mixwell.report.account import LEVEL, Account
from mixwell.report.equation import estimated_equation, model_equation
from mixwell.report.record import Block, Bullets, Paragraph
from mixwell.report.reproduce import versions
from mixwell.report.words import Words, code, percent

# The equation of the mean is written out with at most so many coefficients.
MOST_WRITTEN = 25


def model_section(told: Account) -> list[Block]:
    """Formula, parts, method, equation."""
    design, fit, text = told.design, told.fit, told.text
    method = "reml" if fit.reml else "ml"
    first = [
        text.say(f"model_sentence_{method}", formula=code(design.formula), version=versions()["mixwell"]),
        text.sentences[f"model_why_{method}"],
    ]
    names = [term.name for term in design.fixed_terms if term.name != "(Intercept)"]
    if len(names) > 1:
        first.append(text.say("model_fixed", names=text.listed(names, 12)))
    elif names:
        first.append(text.say("model_fixed_one", names=names[0]))
    elif len(fit.beta):
        first.append(text.sentences["model_fixed_intercept"])
    else:
        first.append(text.sentences["model_fixed_none"])
    first += coding_sentences(design.recipe, text) if design.recipe is not None else []
    dropped = quantities.dropped_names(design, fit)
    if dropped:
        key = "model_aliased_one" if len(dropped) == 1 else "model_aliased"
        first.append(text.say(key, names=text.listed([code(name) for name in dropped])))
    random = [term_sentence(design, term, text) for term in design.terms]
    for f, factor in enumerate(design.factors):
        if len(quantities.terms_of(design, f)) > 1:
            random.append(text.say("model_independent", group=factor.name))
    tests = [text.say("model_tests", level=percent(LEVEL))] if len(fit.beta) else []
    if told.spreads:
        tests.append(text.say("model_profile", level=percent(LEVEL)))
    blocks: list[Block] = [Paragraph(text.joined(first)), Bullets(tuple(random))]
    if tests:
        blocks.append(Paragraph(text.joined(tests)))
    blocks += [Paragraph(text.sentences["model_equation"]), model_equation(design, fit)]
    if 0 < len(fit.beta) <= MOST_WRITTEN:
        blocks += [Paragraph(text.sentences["model_estimated"]), estimated_equation(design, fit)]
    return blocks


def coding_sentences(recipe: Recipe, text: Words) -> list[str]:
    """Reference levels, other contrasts, and the scale of the response."""
    sentences, pairs = [], []
    for name, coding in coefficients.fixed_codings(recipe).items():
        if coding.levels is None:
            continue
        kind = contrast_kind(coding)
        if kind == "treatment":
            level = base_level(coding)
            pairs.append(text.say("model_reference_pair", factor=name, level=level))
        elif kind == "matrix":
            sentences.append(text.say("model_coding_matrix", factor=name))
        else:
            sentences.append(text.say("model_coding", factor=name, kind=kind))
    if pairs:
        sentences.insert(0, text.say("model_reference", pairs=text.clauses(pairs)))
    response = recipe.response
    if response.logged == response.quantity:
        sentences.append(text.say("model_log", y=response.name, what=response.logged))
    elif response.logged:
        fields = {"y": response.name, "what": response.logged, "quantity": response.quantity}
        sentences.append(text.say("model_log_of", **fields))
    elif not response.is_identity:
        sentences.append(text.say("model_transform", y=response.name))
    return sentences


def term_sentence(design: Design, term: RandomTerm, text: Words) -> str:
    """What a random term stands for."""
    group = design.factors[term.factor].name
    names = [code(name) for name in term.names if name != "(Intercept)"]
    if not names:
        return text.say("model_random_intercept", label=code(term.label), group=group)
    key = "model_random_both" if "(Intercept)" in term.names else "model_random_slopes"
    if len(names) == 1:
        key += "_one"
    return text.say(key, label=code(term.label), group=group, effects=text.listed(names))
