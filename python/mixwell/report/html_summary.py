"""The summary as HTML tables for notebooks."""

from __future__ import annotations

from html import escape

import numpy as np

from mixwell.markup import html_table
from mixwell.report.content import SummaryContent
from mixwell.report.text_summary import criterion_cells, fixed_cells, fixed_heads, heading, sizes
from mixwell.text import number_column


def to_html(content: SummaryContent) -> str:
    """Tables of random and fixed effects between the sentences of the summary."""
    criteria = ", ".join(
        f"{name} {cell}" for (name, _), cell in zip(content.criteria, criterion_cells(content), strict=True)
    )
    quantiles = [f"{value:.4f}" for value in content.residual_quantiles]
    parts = [
        f"<p><strong>{escape(heading(content))}</strong><br><code>{escape(content.formula)}</code><br>"
        f"{escape(criteria)}</p>",
        html_table("Scaled residuals", ("Min", "1Q", "Median", "3Q", "Max"), [quantiles], text_columns=0),
        _random_table(content),
        f"<p>{escape(sizes(content))}</p>",
    ]
    if content.fixed.names:
        parts.append(
            html_table(
                "Fixed effects",
                ("", *fixed_heads(content.fixed)),
                list(zip(content.fixed.names, *fixed_cells(content.fixed), strict=True)),
            )
        )
    parts += [f"<p>{escape(sentence)}</p>" for sentence in (*content.inputs, *content.verdicts)]
    return "<div>" + "".join(parts) + "</div>"


def _random_table(content: SummaryContent) -> str:
    variances = [float(v) for block in content.random for v in block.variance] + [content.residual_variance]
    variance_cells = number_column(variances)
    sd_cells = number_column([float(np.sqrt(v)) for v in variances])
    most = max((len(block.names) for block in content.random), default=1) - 1
    rows: list[list[str]] = []
    for block in content.random:
        for j, name in enumerate(block.names):
            i = len(rows)
            correlations = ["" if np.isnan(r) else f"{r:.2f}" for r in block.correlation[j, :j]]
            blanks = [""] * (most - j)
            rows.append(
                [block.group if j == 0 else "", name, variance_cells[i], sd_cells[i], *correlations, *blanks]
            )
    rows.append(["Residual", "", variance_cells[-1], sd_cells[-1], *[""] * most])
    heads = ["Groups", "Name", "Variance", "Std.Dev.", *["Corr" if i == 0 else "" for i in range(most)]]
    return html_table("Random effects", heads, rows, text_columns=2)
