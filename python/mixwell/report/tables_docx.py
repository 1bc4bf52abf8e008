"""Tables as Word documents, by python-docx."""

from __future__ import annotations

import re

from docx import Document as new_document
from docx.document import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Pt
from docx.table import _Cell

from mixwell.report.formats import Table
from mixwell.text import shorten

# What a document says about itself is cut off here; its text is not.
LONGEST_PROPERTY = 255


def printable(text: str) -> str:
    """A text without the characters that documents cannot hold: control characters, halves of others."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", "\ufffd", text)


def to_docx(table: Table) -> Document:
    """A document with the title, the table, which its first row heads on every page, and the notes."""
    document = new_document()
    document.core_properties.title = shorten(printable(table.title), LONGEST_PROPERTY)
    document.core_properties.author = ""
    document.add_paragraph(printable(table.title), style="Caption")
    grid = document.add_table(rows=1, cols=len(table.heads))
    grid.style = document.styles["Light Shading"]
    for j, head in enumerate(table.heads):
        write(grid.rows[0].cells[j], head, right=j >= table.text_columns, bold=True)
    repeat = OxmlElement("w:tblHeader")
    repeat.set(qn("w:val"), "true")
    grid.rows[0]._tr.get_or_add_trPr().append(repeat)
    for row in table.body:
        cells = grid.add_row().cells
        if row.section:
            write(cells[0].merge(cells[-1]), row.cells[0], italic=True)
            continue
        for j, text in enumerate(row.cells):
            write(cells[j], text, right=j >= table.text_columns)
    for note in table.notes:
        run = document.add_paragraph().add_run(printable(note))
        run.font.size = Pt(9)
    return document


def write(cell: _Cell, text: str, *, right: bool = False, bold: bool = False, italic: bool = False) -> None:
    """The text of a cell."""
    paragraph = cell.paragraphs[0]
    run = paragraph.add_run(printable(text))
    run.bold, run.italic = bold, italic
    run.font.size = Pt(9)
    if right:
        paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
