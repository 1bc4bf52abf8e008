"""The report of a fit: an account in sentences, as text and as a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mixwell.arguments import checked_methods
from mixwell.data.output import Origin
from mixwell.design.record import Design
from mixwell.diagnostics.checks import check
from mixwell.errors import MixwellError
from mixwell.files import writable, write_text
from mixwell.fit.control import Control
from mixwell.fit.record import Fit
from mixwell.lazy import lazy_module
from mixwell.report.account import account
from mixwell.report.equation import Equation
from mixwell.report.formats import Table, to_text
from mixwell.report.narrative import narrate
from mixwell.report.record import Bullets, Code, Narrative, Paragraph
from mixwell.report.words import Words, unmarked, words
from mixwell.text import WIDTH, display_width, flow

if TYPE_CHECKING:
    from mixwell.report import page
else:
    page = lazy_module("mixwell.report.page")

_HTML = (".html", ".htm")
_TEXT = (".txt", ".text", ".md")


@checked_methods
@dataclass(frozen=True, repr=False)
class Report:
    """A report. ``str()`` is text; :attr:`html` is one self-contained page, which notebooks show.

    Attributes
    ----------
    narrative
        The account: sections of sentences, tables, equations, code, places of figures.
    words
        The language.
    design, fit, control, labels
        What the figures are drawn from, when a page is asked for.
    """

    narrative: Narrative
    words: Words
    design: Design
    fit: Fit
    control: Control | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return as_text(self.narrative)

    __repr__ = __str__

    @cached_property
    def html(self) -> str:
        """The page, with its figures as SVG inside."""
        return page.render(
            self.narrative, self.design, self.fit, self.words, control=self.control, labels=self.labels
        )

    def _repr_html_(self) -> str:
        return self.html

    def save(self, path: str | Path) -> Path:
        """Write the page (``.html``), or the text (``.txt``).

        Raises
        ------
        MixwellError
            If the name ends otherwise, or the file cannot be written; one that was there is kept then.
        """
        target = report_path(path)
        return write_text(target, self.html if target.suffix.lower() in _HTML else f"{self}\n")


def report_path(path: str | Path) -> Path:
    """Where a report can be written, decided before it is made.

    Raises
    ------
    MixwellError
        If the name does not end as those of reports do, or cannot be written.
    """
    target = writable(path)
    if target.suffix.lower() not in (*_HTML, *_TEXT):
        known = ", ".join((*_HTML, *_TEXT))
        raise MixwellError(f"{target}: reports are written to files that end in {known}.")
    return target


def make_report(
    design: Design,
    fit: Fit,
    at: Origin,
    *,
    lang: str = "en",
    source: str = "",
    control: Control | None = None,
    labels: Mapping[str, str] | None = None,
) -> Report:
    """Check the fit and tell of it; see ``LmerResult.report``."""
    text = words(lang)
    checks = check(design, fit, at)
    told = account(design, fit, text, checks=checks, source=source, control=control, labels=labels)
    return Report(narrate(told), text, design, fit, control, labels or {})


def as_text(narrative: Narrative) -> str:
    """The account as plain text: headings underlined, paragraphs broken at 79 columns, no figures."""
    lines = [narrative.title, "=" * display_width(narrative.title)]
    for section in narrative.sections:
        lines += ["", section.title, "-" * display_width(section.title)]
        for block in section.blocks:
            if isinstance(block, Paragraph):
                lines += ["", *flow(unmarked(block.text))]
            elif isinstance(block, Bullets):
                lines.append("")
                for item in block.items:
                    lines += flow(unmarked(f"- {item}"), indent="  ")
            elif isinstance(block, Table):
                lines += ["", *to_text(block, WIDTH).splitlines()]
            elif isinstance(block, Equation):
                lines += ["", *(f"  {line}" for line in block.text.splitlines())]
            elif isinstance(block, Code):
                lines += ["", *(f"    {line}".rstrip() for line in block.text.splitlines())]
    return "\n".join(lines)
