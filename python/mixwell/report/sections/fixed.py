"""The fixed effects: table, meaning of each coefficient, tests of whole terms."""

from __future__ import annotations

import numpy as np

from mixwell.fit import quantities
from mixwell.report import coefficients
from mixwell.report.account import ALPHA, LEVEL, Account
from mixwell.report.formats import Table, TableRow
from mixwell.report.record import Block, Bullets, Paragraph, Place
from mixwell.report.sections.coefficient import estimates, told_one_by_one
from mixwell.report.sections.overview import shares
from mixwell.report.tables import coefficient_cells, coefficient_heads
from mixwell.report.words import code, p_short, percent

# More coefficients than this are not told one by one.
MOST_TOLD = 25


def fixed_section(told: Account) -> list[Block]:
    """Table and meaning of the coefficients, tests of the terms, variance accounted for."""
    design, fit, text, tests = told.design, told.fit, told.text, told.tests
    if not len(fit.beta):
        return [Paragraph(text.sentences["fixed_absent"])]
    names = quantities.kept_names(design, fit)
    rows = zip(names, coefficient_cells(tests, LEVEL), strict=True)
    blocks: list[Block] = [
        Table(
            text.say("table_fixed", level=percent(LEVEL)),
            coefficient_heads(tests, LEVEL, text),
            tuple(TableRow((name, *cells)) for name, cells in rows),
        )
    ]
    if len(names) > MOST_TOLD:
        blocks.append(Paragraph(text.say("fixed_many", n=str(len(names)))))
    elif design.recipe is not None:
        found = estimates(names, tests, LEVEL)
        sentences = told_one_by_one(design, design.recipe, fit, found, LEVEL, text)
        if len(told.terms) > 1:
            blocks.append(Paragraph(text.sentences["fixed_reading"]))
        blocks.append(Bullets(tuple(sentences)))
    if told.terms:
        blocks += term_blocks(told)
    return [*blocks, Paragraph(shares(told, "r2", "r2_random")), Place(("effects", "coefficients"))]


def term_blocks(told: Account) -> list[Block]:
    """The tests of whole terms, as a table and in sentences."""
    text = told.text
    heads = (text.sentences["term"], text.sentences["num_df"], text.sentences["den_df"], "F", "p")
    body: list[TableRow] = []
    clear: list[str] = []
    unclear: list[str] = []
    for line in told.terms:
        test = line.test
        f_value = f"{test.f_value:.2f}"
        den_df = "∞" if np.isposinf(test.den_df) else f"{test.den_df:.1f}"
        body.append(TableRow((line.term, str(test.num_df), den_df, f_value, p_short(test.p_value))))
        if line.term in told.means:
            continue
        said = text.say(
            "anova_term",
            term=line.term,
            num_df=str(test.num_df),
            den_df=den_df,
            f=f_value,
            p=text.p(test.p_value),
        )
        (clear if test.p_value < ALPHA else unclear).append(said)
    sentences = [text.say("anova_means", terms=text.listed(sorted(told.means)))] if told.means else []
    if clear:
        sentences.append(text.say("anova_clear", names=text.listed(clear)))
        if unclear:
            sentences.append(text.say("anova_unclear", names=text.listed(unclear)))
    elif unclear:
        sentences.append(text.say("anova_unclear_all", names=text.listed(unclear)))
    sentences += single_sentences(told)
    sentences += contained_sentences(told)
    return [Table(text.sentences["table_anova"], heads, tuple(body)), Paragraph(text.joined(sentences))]


def single_sentences(told: Account) -> list[str]:
    """Coefficients told as clear of terms that are not, so that the two do not seem to disagree."""
    design, fit, text = told.design, told.fit, told.text
    unclear = {line.term for line in told.terms if line.test.p_value >= ALPHA} - told.means
    term_of = {j: term.name for term in design.fixed_terms for j in term.columns}
    names = quantities.kept_names(design, fit)
    single = [
        (term_of[column], code(name))
        for column, name, p_value in zip(fit.kept.tolist(), names, told.tests.p_value.tolist(), strict=True)
        if term_of[column] in unclear and p_value < ALPHA
    ]
    if not single:
        return []
    terms = list(dict.fromkeys(term for term, _ in single))
    named = text.listed([name for _, name in single])
    return [text.say("anova_single", terms=text.listed(terms), names=named)]


def contained_sentences(told: Account) -> list[str]:
    """What the test of a term says that is part of an interaction: averaged over factors, at 0 of numbers."""
    design, fit, text = told.design, told.fit, told.text
    if design.recipe is None:
        return []
    codings = coefficients.fixed_codings(design.recipe)
    averaged = False
    held: dict[str, list[str]] = {}
    for line in told.terms:
        others = coefficients.interacts_with(design, fit, set(told.variables_of(line.term)))
        averaged = averaged or any(codings[other].levels is not None for other in others)
        numbers = [other for other in others if codings[other].levels is None]
        stated = coefficients.conditions(design.recipe, numbers, text)
        if stated:
            held.setdefault(text.clauses(stated), []).append(line.term)
    sentences = [
        text.say("anova_at_zero", terms=text.listed(terms), conditions=stated)
        for stated, terms in held.items()
    ]
    if averaged:
        sentences.append(text.sentences["anova_averaged"])
    return sentences
