"""The account of a fit in sentences: from its parts to sections, in the words of a language."""

from __future__ import annotations

from mixwell.report.account import Account
from mixwell.report.record import Narrative, Section
from mixwell.report.sections.checks import checks_section
from mixwell.report.sections.convergence import convergence_section
from mixwell.report.sections.data import data_section
from mixwell.report.sections.fixed import fixed_section
from mixwell.report.sections.limits import limits_section
from mixwell.report.sections.model import model_section
from mixwell.report.sections.overview import overview
from mixwell.report.sections.reproduce import reproduce_section
from mixwell.report.sections.variance import variance_section

SECTIONS = {
    "overview": overview,
    "data": data_section,
    "model": model_section,
    "fixed_effects": fixed_section,
    "variance": variance_section,
    "convergence": convergence_section,
    "checks": checks_section,
    "limits": limits_section,
    "reproduce": reproduce_section,
}


def narrate(told: Account) -> Narrative:
    """The whole account."""
    text = told.text
    return Narrative(
        text.say("title", y=told.design.response_name),
        tuple(Section(key, text.sentences[key], tuple(make(told))) for key, make in SECTIONS.items()),
    )
