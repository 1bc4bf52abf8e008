"""Tables before they have a format, and their formats: text, HTML, LaTeX, Markdown, Word."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mixwell.arguments import check_one_of
from mixwell.errors import MixwellError
from mixwell.files import write_text, write_whole
from mixwell.lazy import lazy_module
from mixwell.text import display_width, flow, pad

if TYPE_CHECKING:
    from docx.document import Document

    from mixwell.report import tables_docx
else:
    tables_docx = lazy_module("mixwell.report.tables_docx")

TableFormat = Literal["text", "html", "latex", "markdown", "docx"]

FORMATS = ("text", "html", "latex", "markdown", "docx")


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of ready cells; a section is a heading of the rows below it, with one cell."""

    cells: tuple[str, ...]
    section: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table before it has a format.

    Attributes
    ----------
    title
        Its caption.
    heads
        Column titles; the first column names the rows.
    body
        The rows.
    notes
        Sentences below it.
    text_columns
        How many columns hold text, flush left; the others hold numbers, flush right.
    """

    title: str
    heads: tuple[str, ...]
    body: tuple[TableRow, ...]
    notes: tuple[str, ...] = ()
    text_columns: int = 1


class RenderedTable(str):
    """The text of a table, which a console prints as it is and a notebook shows as HTML.

    Attributes
    ----------
    html
        The same table as HTML.
    """

    html: str

    def __new__(cls, text: str, html: str) -> RenderedTable:
        made = super().__new__(cls, text)
        made.html = html
        return made

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.html

    def __reduce__(self) -> tuple[type[RenderedTable], tuple[str, str]]:
        return RenderedTable, (str(self), self.html)


# ---- formats


# Columns of text are not made narrower than this.
NARROWEST = 10


def to_text(table: Table, width: int | None = None) -> str:
    """Aligned columns between rules; with a ``width``, text is broken within its columns to fit in."""
    rows = [table.heads, *(row.cells for row in table.body if not row.section)]
    widths = [max(display_width(row[j]) for row in rows) for j in range(len(table.heads))]
    gap = "  "
    if width is not None and sum(widths) + 2 * (len(widths) - 1) > width:
        gap = " " if table.text_columns < len(widths) else gap
        widths = narrowed(widths, table.text_columns, width - len(gap) * (len(widths) - 1))

    def lines_of(cells: Sequence[str]) -> list[str]:
        broken = [flow(cell, room, narrow=True) for cell, room in zip(cells, widths, strict=True)]
        return [
            gap.join(
                pad(parts[i] if i < len(parts) else "", room, right=j >= table.text_columns)
                for j, (parts, room) in enumerate(zip(broken, widths, strict=True))
            ).rstrip()
            for i in range(max(map(len, broken)))
        ]

    rule = "-" * (sum(widths) + len(gap) * (len(widths) - 1))
    lines = [*flow(table.title, width or display_width(table.title)), rule, *lines_of(table.heads), rule]
    for row in table.body:
        lines += [row.cells[0]] if row.section else lines_of(row.cells)
    notes = [line for note in table.notes for line in flow(note, width or display_width(note))]
    return "\n".join([*lines, rule, *notes])


def narrowed(widths: Sequence[int], text_columns: int, most: int) -> list[int]:
    """Widths of columns that together take ``most``: the widest text column gives way first.

    >>> narrowed([30, 40, 8], 2, 56)
    [24, 24, 8]
    """
    made = list(widths)
    while sum(made) > most:
        widest = max(range(text_columns), key=lambda j: made[j])
        if made[widest] <= NARROWEST:
            break
        made[widest] -= 1
    return made


def to_html(table: Table) -> str:
    """A ``<table>`` with caption, column and row headings; styled by the page it stands in."""
    columns = len(table.heads)

    def cell(tag: str, j: int, text: str, scope: str = "") -> str:
        kind = "" if j < table.text_columns else ' class="number"'
        return f"<{tag}{scope}{kind}>{escape(text)}</{tag}>"

    head = "".join(cell("th", j, text, ' scope="col"') for j, text in enumerate(table.heads))
    body = []
    for row in table.body:
        if row.section:
            heading = f'<th scope="colgroup" colspan="{columns}">{escape(row.cells[0])}</th>'
            body.append(f'<tr class="section">{heading}</tr>')
            continue
        cells = [cell("th", 0, row.cells[0], ' scope="row"')]
        cells += [cell("td", j, text) for j, text in enumerate(row.cells[1:], start=1)]
        body.append(f"<tr>{''.join(cells)}</tr>")
    notes = "".join(f"<br>{escape(note)}" for note in table.notes)
    foot = f'<tfoot><tr><td colspan="{columns}">{notes[4:]}</td></tr></tfoot>' if notes else ""
    return (
        f"<table><caption>{escape(table.title)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody>{foot}</table>"
    )


_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "²": r"\textsuperscript{2}",
    "–": "--",
    "∞": r"$\infty$",
    "*": r"{*}",
    # At the start of a row a bracket would be read as an option of the line before it.
    "[": "{[}",
    "]": "{]}",
}


def latex_escape(text: str) -> str:
    r"""A text with nothing left that LaTeX would take as a command; minus signs before numbers in math.

    >>> print(latex_escape("50% of a_b, -1.5"))
    50\% of a\_b, $-$1.5
    """
    pieces = re.split(r"(?<![\w)\]])-(?=\d)", text)
    return "$-$".join("".join(_LATEX.get(c, c) for c in piece) for piece in pieces)


def to_latex(table: Table) -> str:
    r"""A ``table`` environment with booktabs rules (``\usepackage{booktabs}``)."""
    columns = len(table.heads)

    def line(cells: Sequence[str]) -> str:
        return " & ".join(latex_escape(cell) for cell in cells) + r" \\"

    lines = [
        r"\begin{table}[htbp]",
        r"\centering",
        rf"\caption{{{latex_escape(table.title)}}}",
        rf"\begin{{tabular}}{{{'l' * table.text_columns + 'r' * (columns - table.text_columns)}}}",
        r"\toprule",
        line(table.heads),
        r"\midrule",
    ]
    for i, row in enumerate(table.body):
        if row.section:
            lines += [r"\midrule"] if i else []
            lines.append(rf"\multicolumn{{{columns}}}{{l}}{{\emph{{{latex_escape(row.cells[0])}}}}} \\")
        else:
            lines.append(line(row.cells))
    lines += [r"\bottomrule", r"\end{tabular}"]
    if table.notes:
        lines += ["", r"\smallskip\footnotesize " + r"\\ ".join(map(latex_escape, table.notes))]
    return "\n".join([*lines, r"\end{table}"])


def markdown_escape(text: str) -> str:
    r"""A text with nothing left that Markdown would take as markup.

    >>> print(markdown_escape("a_b | *c*"))
    a\_b \| \*c\*
    """
    return re.sub(r"([\\`*_|<>\[\]#~])", r"\\\1", text)


def to_markdown(table: Table) -> str:
    """A pipe table, columns padded so that it reads as text too."""
    rows = [[markdown_escape(head) for head in table.heads]]
    for row in table.body:
        cells = [markdown_escape(cell) for cell in row.cells]
        rows.append([f"**{cells[0]}**", *[""] * (len(table.heads) - 1)] if row.section else cells)
    widths = [max(3, *(display_width(row[j]) for row in rows)) for j in range(len(table.heads))]
    rights = [j >= table.text_columns for j in range(len(table.heads))]

    def line(cells: Sequence[str]) -> str:
        padded = (pad(c, w, right=r) for c, w, r in zip(cells, widths, rights, strict=True))
        return f"| {' | '.join(padded)} |"

    rule = "|".join(f" {'-' * (w - 1)}{':' if r else '-'} " for w, r in zip(widths, rights, strict=True))
    lines = [f"**{markdown_escape(table.title)}**", "", line(rows[0]), f"|{rule}|", *map(line, rows[1:])]
    return "\n".join([*lines, *(f"\n{markdown_escape(note)}" for note in table.notes)])


_RENDERERS: Mapping[str, Callable[[Table], str]] = {
    "text": to_text,
    "html": to_html,
    "latex": to_latex,
    "markdown": to_markdown,
}


def rendered(table: Table, fmt: str, path: str | Path | None = None) -> RenderedTable | Document:
    """A table in one of :data:`FORMATS`, written to ``path`` if one is given.

    Raises
    ------
    MixwellError
        If there is no such format, python-docx is needed and absent, or the file cannot be written.
    """
    check_one_of("fmt", fmt, FORMATS)
    if fmt == "docx":
        try:
            document = tables_docx.to_docx(table)
        except ImportError:
            raise MixwellError(
                "Tables for Word need the package python-docx: pip install 'mixwell[docx]'."
            ) from None
        if path is not None:
            write_whole(path, document.save)
        return document
    text = RenderedTable(_RENDERERS[fmt](table), to_html(table))
    if path is not None:
        write_text(path, f"{text}\n")
    return text
