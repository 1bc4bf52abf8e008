"""HTML tables for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def html_table(
    caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], *, text_columns: int = 1
) -> str:
    """A table; the first ``text_columns`` columns are row headings, the rest numbers flush right."""

    def cell(j: int, value: str, scope: str = "") -> str:
        align = "left" if j < text_columns else "right"
        tag, of = ("th", f' scope="{scope}"') if scope else ("td", "")
        return f'<{tag}{of} style="text-align: {align}">{escape(value)}</{tag}>'

    head = "".join(cell(j, h, "col") for j, h in enumerate(heads))
    body = "".join(
        "<tr>" + "".join(cell(j, v, "row" if j < text_columns else "") for j, v in enumerate(row)) + "</tr>"
        for row in rows
    )
    return (
        f'<table><caption style="text-align: left; caption-side: top">{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
