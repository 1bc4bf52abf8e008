"""Whether the optimum is proved, and what a singular one means."""

from __future__ import annotations

from mixwell.fit import convergence
from mixwell.report.account import Account
from mixwell.report.optimum import failed_condition, singular_phrases
from mixwell.report.record import Block, Paragraph
from mixwell.text import number


def convergence_section(told: Account) -> list[Block]:
    """The certificate, and singularity in words."""
    design, fit, text = told.design, told.fit, told.text
    certificate, n = fit.certificate, fit.trace.evaluations
    fields = {
        "criterion": text.sentences["criterion_reml" if fit.reml else "criterion_ml"],
        "value": f"{fit.criterion:.4f}",
        "evaluations": text.sentences["evaluation"] if n == 1 else text.say("evaluations", n=str(n)),
    }
    others, values = convergence.other_searches(fit), fit.trace.probes
    if certificate.converged and certificate.doubt is not None:
        doubt = certificate.doubt
        sentences = [
            text.say("conv_reached", **fields),
            text.say(f"conv_{doubt.kind}", terms=text.listed(doubt.terms)),
        ]
        if doubt.fixed:
            sentences.append(text.say("conv_taken_up", fixed=text.listed(doubt.fixed)))
    elif certificate.converged:
        sentences = [text.say("conv_certified", gap=f"{convergence.gap(fit):.0e}", **fields)]
        looked = []
        if others:
            looked.append(text.sentences["start"] if others == 1 else text.say("starts", n=str(others)))
        if values:
            looked.append(text.sentences["trial"] if values == 1 else text.say("trials", n=str(values)))
        if looked:
            sentences.append(text.say("conv_starts", looked=text.listed(looked)))
    else:
        reason = failed_condition(fit, text)
        sentences = [
            text.say("conv_failed", reason=reason, gap=number(certificate.gap, 3), **fields),
            text.sentences["conv_far" if certificate.reason == convergence.ROUNDING else "conv_try"],
        ]
    if not convergence.is_singular(fit):
        sentences.append(text.sentences["conv_regular"])
        return [Paragraph(text.joined(sentences))]
    phrases, drops = singular_phrases(design, fit, text)
    singular = [text.say("sing_intro", phrases=text.clauses(phrases))]
    if certificate.converged:
        singular.append(text.sentences["sing_optimum"])
    singular.append(text.sentences["sing_drop" if drops else "sing_simplify"])
    return [Paragraph(text.joined(sentences)), Paragraph(text.joined(singular))]
