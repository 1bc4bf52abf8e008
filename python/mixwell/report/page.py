"""The report as one HTML page that needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import version

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from mixwell.design.record import Design
from mixwell.fit.control import Control
from mixwell.fit.record import Fit
from mixwell.report.equation import Equation
from mixwell.report.figures import figures
from mixwell.report.formats import Table, to_html
from mixwell.report.record import Block, Bullets, Code, Narrative, Paragraph, Place
from mixwell.report.words import CODE, END, Words

_ENVIRONMENT = Environment(
    loader=PackageLoader("mixwell.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def prose(sentence: str) -> Markup:
    """A sentence with its code in ``<code>``; ``p = 0.031`` and the like keep together."""
    pieces = []
    for i, piece in enumerate(re.split(f"{CODE}(.*?){END}", sentence)):
        if i % 2:
            pieces.append(f"<code>{escape(piece)}</code>")
        else:
            pieces.append(str(escape(re.sub(r" ([=<>]) (?=[-\d.])", "\u00a0\\1\u00a0", piece))))
    return Markup("".join(pieces))


def kind_of(block: Block) -> str:
    """Which part of the template shows a block."""
    kinds = {Paragraph: "paragraph", Bullets: "bullets", Table: "table", Equation: "equation", Code: "code"}
    return kinds.get(type(block), "figures")


def render(
    narrative: Narrative,
    design: Design,
    fit: Fit,
    text: Words,
    *,
    control: Control | None = None,
    labels: Mapping[str, str] | None = None,
) -> str:
    """The whole page, its figures drawn."""
    wanted = [
        name
        for section in narrative.sections
        for block in section.blocks
        if isinstance(block, Place)
        for name in block.figures
    ]
    drawn = figures(design, fit, text, wanted, control=control, labels=labels)
    numbered = {id(figure): i for i, figure in enumerate(drawn, start=1)}
    return _ENVIRONMENT.get_template("report.html").render(
        narrative=narrative,
        lang="zh-Hans" if text.lang == "zh" else "en",
        words=text,
        kind_of=kind_of,
        prose=prose,
        table_html=lambda table: Markup(to_html(table)),
        math=lambda equation: Markup(equation.mathml),
        placed=lambda place: [figure for figure in drawn if figure.name in place.figures],
        svg=lambda figure: Markup(figure.svg),
        number_of=lambda figure: numbered[id(figure)],
        version=version("mixwell"),
    )
