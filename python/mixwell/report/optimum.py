"""The certificate of a fit in the words of a report."""

from __future__ import annotations

from mixwell.design.record import Design
from mixwell.fit import convergence
from mixwell.fit.record import Fit
from mixwell.report.words import Words


def failed_condition(fit: Fit, text: Words) -> str:
    """Which condition of the certificate failed."""
    if fit.certificate.converged and fit.certificate.doubt is not None:
        return text.say("conv_unidentified_short", terms=text.listed(fit.certificate.doubt.terms))
    reason = fit.certificate.reason
    if reason in ("gradient", "boundary", "negative_curvature", convergence.ROUNDING):
        return text.sentences[f"conv_{reason}"]
    return text.say("conv_other", code=reason)


def singular_phrases(design: Design, fit: Fit, text: Words) -> tuple[list[str], bool]:
    """What does not vary, and whether these all are effects that could be left out."""
    phrases, drops = [], True
    for term, certificate, cov in zip(design.terms, fit.certificate.terms, fit.term_cov, strict=True):
        k = len(term.names)
        if certificate.rank == k:
            continue
        empty = [] if certificate.rank == 0 else convergence.empty_combinations(term, certificate)
        if certificate.rank == 0:
            if k > 1:
                phrases.append(text.say("sing_all", label=term.label))
                continue
            empty = [term.names[0]]
        if len(empty) == 1 and empty[0] in term.names:
            effect = text.sentences["the_intercept"] if empty[0] == "(Intercept)" else empty[0]
            phrases.append(text.say("sing_zero", effect=effect, label=term.label))
            continue
        drops = False
        if k == 2:
            first, second = term.names
            phrases.append(
                text.say(
                    "sing_correlation",
                    first=first,
                    second=second,
                    label=term.label,
                    r="+1" if cov[0, 1] > 0 else "-1",
                    combination=empty[0],
                )
            )
        elif len(empty) > convergence.LISTED:
            phrases.append(text.say("sing_rank", label=term.label, rank=str(certificate.rank), k=str(k)))
        else:
            key = "sing_combination" if len(empty) == 1 else "sing_combinations"
            phrases.append(text.say(key, label=term.label, combinations=text.listed(empty)))
    return phrases, drops
