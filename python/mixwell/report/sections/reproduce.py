"""How to make the results again."""

from __future__ import annotations

from mixwell.report.account import Account
from mixwell.report.record import Block, Paragraph
from mixwell.report.reproduce import code_block, versions


def reproduce_section(told: Account) -> list[Block]:
    """The code, and the versions it was run with."""
    text = told.text
    listed = [f"{name} {version}" for name, version in versions().items()]
    heading = f"{text.sentences['versions']}{text.sentences['colon']}"
    return [
        code_block(told.design, told.fit, told.source, text),
        Paragraph(heading + text.sentences["comma"].join(listed)),
    ]
