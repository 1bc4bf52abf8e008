"""The checks of the assumptions: those that are not fine in words, all of them in a table."""

from __future__ import annotations

from mixwell.report.account import Account
from mixwell.report.formats import Table, TableRow
from mixwell.report.record import Block, Bullets, Paragraph, Place
from mixwell.report.sections.overview import checks_count
from mixwell.report.words import code

FIGURES = ("residuals", "qq", "scale_location", "qq_random", "acf", "cooks", "residuals_by_group")


def checks_section(told: Account) -> list[Block]:
    """Verdicts, evidence, remedies, and the figures of the residuals."""
    text, checks = told.text, told.checks
    if not checks:
        return [Paragraph(text.sentences["checks_none"])]
    heads = tuple(text.sentences[k] for k in ("assumption", "test", "verdict", "evidence"))
    body = tuple(
        TableRow((row.assumption, row.test, text.sentences[row.verdict], row.evidence)) for row in checks
    )
    items = []
    for row in checks:
        if row.verdict == "fine":
            continue
        said = text.say(
            f"check_{row.verdict}", assumption=row.assumption, test=row.test, evidence=row.evidence
        )
        remedy = text.say("check_remedy", remedy=code(row.remedy)) if row.remedy else ""
        items.append(text.joined([said, row.meaning, remedy]))
    blocks: list[Block] = [Paragraph(checks_count(checks, text))]
    if items:
        blocks.append(Bullets(tuple(items)))
    closing = [text.sentences["checks_caveat"]]
    if told.skipped:
        closing.insert(0, text.say("checks_skipped", names=text.listed(told.skipped)))
    blocks.append(Paragraph(text.joined(closing)))
    return [*blocks, Table(text.sentences["table_checks"], heads, body, text_columns=4), Place(FIGURES)]
