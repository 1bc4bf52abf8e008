"""What the results do not say."""

from __future__ import annotations

from mixwell.diagnostics.assumptions import FEW_LEVELS
from mixwell.fit import convergence, quantities
from mixwell.report import coefficients
from mixwell.report.account import Account
from mixwell.report.record import Block, Bullets

# With more coefficients than this, small p-values by chance are to be expected.
MANY_COEFFICIENTS = 10


def limits_section(told: Account) -> list[Block]:
    """Limits of this fit first, those of every model last."""
    design, fit, text = told.design, told.fit, told.text
    items = []
    if not fit.certificate.converged:
        items.append(text.sentences["limit_uncertified"])
    elif fit.certificate.doubt is not None:
        items.append(text.say("limit_unidentified", terms=text.listed(fit.certificate.doubt.terms)))
    if convergence.is_singular(fit):
        items.append(text.sentences["limit_singular"])
    items += [
        text.say("limit_few", group=factor.name, n=str(factor.n_levels))
        for factor in design.factors
        if factor.n_levels < FEW_LEVELS
    ]
    violated = [row.assumption for row in told.checks if row.verdict == "violated"]
    if violated:
        items.append(text.say("limit_violated", names=text.listed(list(dict.fromkeys(violated)))))
    if design.rows is not None and design.rows.n_dropped:
        items.append(text.sentences["limit_missing"])
    if quantities.dropped_names(design, fit):
        items.append(text.sentences["limit_aliased"])
    recipe = design.recipe
    if recipe is not None and "(Intercept)" in quantities.kept_names(design, fit):
        outside = coefficients.zero_outside(design, recipe, fit)
        if outside:
            where = [text.say("at_zero", variable=variable) for variable in outside]
            items.append(text.say("limit_extrapolated", conditions=text.clauses(where)))
    if recipe is not None:
        response = recipe.response
        if response.logged == response.quantity:
            items.append(text.sentences["limit_log"])
        elif not response.problem and not response.is_linear:
            items.append(text.say("limit_carried", y=response.name, quantity=response.quantity))
    if len(fit.beta):
        items.append(text.sentences["limit_approximate"])
    if not fit.reml:
        items.append(text.sentences["limit_ml"])
    if len(fit.beta) > MANY_COEFFICIENTS:
        items.append(text.say("limit_many", n=str(len(fit.beta))))
    items.append(text.sentences["limit_cause"])
    return [Bullets(tuple(items))]
