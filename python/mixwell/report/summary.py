"""The summary of a fit, for the console and for notebooks."""

from __future__ import annotations

from dataclasses import dataclass

from mixwell.design.record import Design
from mixwell.fit.record import Fit
from mixwell.inference.contrast import Approximation
from mixwell.report.content import SummaryContent, summary_content
from mixwell.report.html_summary import to_html
from mixwell.report.text_summary import to_text


@dataclass(frozen=True, slots=True, repr=False)
class Summary:
    """The summary of a fit. ``str()`` is text of at most 79 columns; notebooks show HTML tables.

    Attributes
    ----------
    content
        Everything the summary says, as numbers and sentences.
    """

    content: SummaryContent

    def __str__(self) -> str:
        return to_text(self.content)

    def __repr__(self) -> str:
        return to_text(self.content)

    def _repr_html_(self) -> str:
        return to_html(self.content)


def summarize(design: Design, fit: Fit, method: Approximation, title: str) -> Summary:
    """The summary of a fit, with tests by a method that ``title`` names."""
    return Summary(summary_content(design, fit, method, title))
