"""The report of a fit: an account in sentences, as text and as a page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mixwell.data.output import Origin
from mixwell.design.record import Design
from mixwell.diagnostics.checks import check
from mixwell.errors import MixwellError
from mixwell.fit.control import Control
from mixwell.fit.record import Fit
from mixwell.lazy import lazy_module
from mixwell.report.equation import Equation
from mixwell.report.narrative import account, narrate
from mixwell.report.record import Bullets, Code, Narrative, Paragraph
from mixwell.report.tables import Table, to_text
from mixwell.report.text import WIDTH, display_width, fold
from mixwell.report.words import Words, words

if TYPE_CHECKING:
    from mixwell.report import page
else:
    page = lazy_module("mixwell.report.page")

_HTML = (".html", ".htm")
_TEXT = (".txt", ".text", ".md")


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
            If the name ends otherwise.
        """
        target = Path(path)
        suffix = target.suffix.lower()
        if suffix not in (*_HTML, *_TEXT):
            known = ", ".join((*_HTML, *_TEXT))
            raise MixwellError(f"{target}: reports are written to files that end in {known}.")
        target.write_text(self.html if suffix in _HTML else f"{self}\n", encoding="utf-8")
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
    told = account(design, fit, text, checks=check(design, fit, at), source=source, control=control)
    return Report(narrate(told), text, design, fit, control, labels or {})


def as_text(narrative: Narrative) -> str:
    """The account as plain text: headings underlined, paragraphs broken at 79 columns, no figures."""
    lines = [narrative.title, "=" * display_width(narrative.title)]
    for section in narrative.sections:
        lines += ["", section.title, "-" * display_width(section.title)]
        for block in section.blocks:
            if isinstance(block, Paragraph):
                lines += ["", *flow(block.text)]
            elif isinstance(block, Bullets):
                lines.append("")
                for item in block.items:
                    lines += flow(f"- {item}", indent="  ")
            elif isinstance(block, Table):
                lines += ["", *narrow(block).splitlines()]
            elif isinstance(block, Equation):
                lines += ["", *(f"  {line}" for line in block.text.splitlines())]
            elif isinstance(block, Code):
                lines += ["", *(f"    {line}".rstrip() for line in block.text.splitlines())]
    return "\n".join(lines)


# A Chinese character or mark, with the closing marks that must not start a line; or a run of anything else.
_UNITS = re.compile(
    r"[\u2e80-\u9fff\uff00-\uffef\u3000-\u303f“][，。；：、）”！？]*|[^\s\u2e80-\u9fff\uff00-\uffef“]+[，。；：、）”！？]*|\s+"
)


def flow(text: str, indent: str = "") -> list[str]:
    """Lines of at most 79 columns, broken at blanks and between Chinese characters, in no word or number.

    >>> flow("体重" * 19 + "的均值为12.345。")[1]
    '均值为12.345。'
    """
    lines: list[str] = []
    line = ""
    for unit in _UNITS.findall(text):
        if display_width(line + unit.rstrip()) <= WIDTH:
            line += unit
            continue
        if line.strip():
            lines.append(line.rstrip())
        *full, rest = fold(unit.lstrip(), WIDTH - display_width(indent))
        lines += [indent + part for part in full]
        line = indent + rest
    return [*lines, line.rstrip()]


def narrow(table: Table) -> str:
    """A table as text; one too wide for the page as a list, row by row."""
    text = to_text(table)
    if max(map(display_width, text.splitlines())) <= WIDTH:
        return text
    lines = [table.title]
    for row in table.body:
        if row.section:
            lines.append(row.cells[0])
            continue
        pairs = zip(table.heads[1:], row.cells[1:], strict=True)
        told = "; ".join(f"{head}: {cell}" for head, cell in pairs if cell)
        lines += flow(f"  {row.cells[0]}: {told}", indent="      ")
    return "\n".join([*lines, *table.notes])
