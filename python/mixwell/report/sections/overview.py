"""At a glance: what was fitted, what was found, and whether it can be relied on."""

from __future__ import annotations

from collections.abc import Sequence

from mixwell.diagnostics.record import Check
from mixwell.fit import convergence, quantities
from mixwell.inference import icc_r2
from mixwell.report import coefficients
from mixwell.report.account import ALPHA, LEVEL, Account
from mixwell.report.record import Block, Paragraph
from mixwell.report.words import Words, alike, code, percent, share

# More estimates than this are left to their section.
MOST_ESTIMATES = 6


def overview(told: Account) -> list[Block]:
    """The whole in a paragraph."""
    design, fit, text = told.design, told.fit, told.text
    groups = [
        text.say("glance_group", levels=text.say("levels", n=str(f.n_levels)), group=f.name)
        for f in design.factors
    ]
    verdict = "glance_uncertified"
    if fit.certificate.converged:
        verdict = "glance_certified" if fit.certificate.certified else "glance_unidentified"
    sentences = [
        text.say(
            "glance",
            y=told.response,
            rows=text.say("rows", n=str(design.n_obs)),
            groups=text.listed(groups),
        ),
        *effect_sentences(told),
        shares(told, "glance_shares", "glance_random_share"),
        text.sentences[verdict],
    ]
    if convergence.is_singular(fit):
        sentences.append(text.sentences["glance_singular"])
    if told.checks:
        sentences.append(checks_count(told.checks, text))
    return [Paragraph(text.joined(sentences))]


def effect_sentences(told: Account) -> list[str]:
    """Which terms have effects, and the estimates."""
    text = told.text
    means = told.means
    terms = [line for line in told.terms if line.term not in means]
    clear = [line.term for line in terms if line.test.p_value < ALPHA]
    unclear = [line.term for line in terms if line.test.p_value >= ALPHA]
    if not terms:
        return []
    if not clear:
        return [text.say("glance_terms_none", names=text.listed(unclear, joint="or"))]
    if unclear:
        names = {"names": text.listed(clear), "others": text.listed(unclear, joint="or")}
        sentences = [text.say("glance_terms", **names)]
    else:
        sentences = [text.say("glance_terms_all", names=text.listed(clear))]
    shown = clear_estimates(told, clear)
    if 0 < len(shown) <= MOST_ESTIMATES:
        listed = text.sentences["semicolon"].join(shown)
        recipe = told.design.recipe
        plain = recipe is None or recipe.response.is_identity
        scale = "" if plain else text.say("on_scale", y=told.design.response_name)
        sentences.append(text.say("glance_estimates", scale=scale, level=percent(LEVEL), estimates=listed))
    crossed = [name for name in clear if len(told.variables_of(name)) > 1]
    if crossed:
        sentences.append(text.say("glance_interaction", names=text.listed(crossed)))
    return sentences


def clear_estimates(told: Account, clear: Sequence[str]) -> list[str]:
    """Coefficients of the ``clear`` terms that are clear themselves, and where they hold; no means."""
    design, fit, text = told.design, told.fit, told.text
    if design.recipe is None:
        return []
    parts = coefficients.parts_of_columns(design, design.recipe)
    columns = {j for term in design.fixed_terms if term.name in clear for j in term.columns}
    low, high = told.tests.interval(LEVEL)
    shown = []
    for j, name in enumerate(quantities.kept_names(design, fit)):
        own = parts[int(fit.kept[j])]
        if int(fit.kept[j]) not in columns or told.tests.p_value[j] >= ALPHA:
            continue
        if coefficients.curve_of(design.recipe, own):
            continue
        values = [float(x) for x in (fit.beta[j], low[j], high[j])]
        value, start, end = alike(values, float(told.tests.std_error[j]))
        others = coefficients.interacts_with(design, fit, {part.variable for part in own})
        where = coefficients.where(design.recipe, others, text)
        shown.append(
            text.say("glance_estimate", name=code(name), estimate=value, low=start, high=end, where=where)
        )
    return shown


def shares(told: Account, both: str, random: str) -> str:
    """What part of the variance the model accounts for; without predictors, the random effects alone."""
    text, found = told.text, icc_r2.r2(told.design, told.fit)
    if told.terms:
        return text.say(both, marginal=share(found.marginal), conditional=share(found.conditional))
    return text.say(random, conditional=share(found.conditional))


def checks_count(checks: Sequence[Check], text: Words) -> str:
    """How many checks came out how."""
    by = {verdict: sum(row.verdict == verdict for row in checks) for verdict in ("fine", "look", "violated")}
    if by["fine"] == len(checks):
        return text.say("checks_fine", n=str(len(checks)))
    counts = {verdict: str(count) for verdict, count in by.items()}
    return text.say("checks_count", n=str(len(checks)), **counts)
