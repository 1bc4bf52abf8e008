"""The summary as text of at most 79 columns, in lme4's order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixwell.report.content import FixedEffects, SummaryContent
from mixwell.text import WIDTH, abbreviate, display_width, number_column, pad, shorten, table, wrap

FloatArray = NDArray[np.float64]

# The correlation matrix of more fixed effects than this is not printed (as lme4).
CORRELATIONS_SHOWN = 20
# Correlations of random effects of a term with more effects than this go to a matrix of their own.
CORRELATIONS_BESIDE = 5


def random_table(content: SummaryContent) -> list[str]:
    """Variances, standard deviations and, where they fit, correlations of the random effects."""
    groups, names, variances, sds, correlations = [], [], [], [], []
    beside = max((len(b.names) for b in content.random), default=0) <= CORRELATIONS_BESIDE
    most = max((len(b.names) for b in content.random), default=0) - 1 if beside else 0
    for block in content.random:
        for j, name in enumerate(block.names):
            groups.append(block.group if j == 0 else "")
            names.append(name)
            variances.append(float(block.variance[j]))
            sds.append(float(block.sd[j]))
            correlations.append([_correlation_cell(block.correlation[j, i]) for i in range(j)])
    groups.append("Residual")
    names.append("")
    correlations.append([])
    variances.append(content.residual_variance)
    sds.append(float(np.sqrt(content.residual_variance)))
    columns = [("Variance", number_column(variances)), ("Std.Dev.", number_column(sds))]
    for i in range(most):
        cells = [row[i] if i < len(row) else "" for row in correlations]
        columns.append(("Corr" if i == 0 else "", [c.rjust(5) if c else "" for c in cells]))
    numbers = sum(max(display_width(t), *(display_width(c) for c in cells)) + 1 for t, cells in columns)
    room = WIDTH - 1 - numbers
    group_width = max(display_width(g) for g in [*groups, "Groups"])
    name_width = max(display_width(n) for n in [*names, "Name"])
    if group_width + 1 + name_width > room:
        # Too wide for one line: each half of what is left, names cut in the middle.
        group_width = min(group_width, max(room - 1 - name_width, (room - 1) // 2))
        name_width = min(name_width, room - 1 - group_width)
    labels = [
        pad(shorten(g, group_width), group_width) + " " + pad(shorten(n, name_width), name_width)
        for g, n in zip(["Groups", *groups], ["Name", *names], strict=True)
    ]
    lines = table(labels[1:], columns, heading=labels[0], indent=1)
    if not beside:
        for block in content.random:
            if len(block.names) > 1:
                lines += ["", *wrap(f"Correlation of random effects of {block.group}:", indent="  ")]
                lines += correlation_matrix(block.names, block.correlation)
    return lines


def _correlation_cell(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.2f}"


def correlation_matrix(names: tuple[str, ...], correlation: FloatArray) -> list[str]:
    """Lower triangle with abbreviated names, in as many blocks of columns as the page needs."""
    rows = abbreviate(names, 11)
    heads = abbreviate(names, 6)
    rows = [shorten(r, 24) for r in rows]
    name_width = max(display_width(r) for r in rows)
    widths = [max(6, display_width(h)) for h in heads]
    lines: list[str] = []
    start, p = 0, len(names)
    while start < p - 1:
        end, used = start, name_width
        while end < p - 1 and used + 1 + widths[end] <= WIDTH:
            used += 1 + widths[end]
            end += 1
        end = max(end, start + 1)
        lines.append(
            (" " * name_width + "".join(" " + pad(heads[j], widths[j]) for j in range(start, end))).rstrip()
        )
        for i in range(start + 1, p):
            cells = [
                " "
                + pad(
                    "" if np.isnan(correlation[i, j]) else f"{correlation[i, j]:.3f}", widths[j], right=True
                )
                for j in range(start, min(i, end))
            ]
            lines.append((pad(rows[i], name_width) + "".join(cells)).rstrip())
        start = end
    return lines


def p_cell(p: float) -> str:
    """A p-value with four decimals, small ones with their size.

    >>> p_cell(0.0312), p_cell(3.26e-06)
    ('0.0312', '3.3e-06')
    """
    return f"{p:.4f}" if p >= 1e-4 else f"{p:.1e}"


def df_cell(df: float) -> str:
    """Degrees of freedom.

    >>> df_cell(17.0), df_cell(1234567.8), df_cell(float("inf"))
    ('17.00', '1234568', 'inf')
    """
    return f"{df:.2f}" if df < 1e5 else f"{df:.0f}"


def fixed_heads(fixed: FixedEffects) -> tuple[str, ...]:
    """Column titles; without degrees of freedom the tests are normal ones."""
    if np.isinf(fixed.df).all():
        return ("Estimate", "Std. Error", "z value", "Pr(>|z|)")
    return ("Estimate", "Std. Error", "df", "t value", "Pr(>|t|)")


def fixed_cells(fixed: FixedEffects) -> tuple[list[str], ...]:
    """Estimates and standard errors with the same decimals, and their tests, as in :func:`fixed_heads`."""
    p = len(fixed.names)
    cells = number_column([*fixed.std_error.tolist(), *fixed.estimate.tolist()])
    t_values = [f"{t:.3f}" if abs(t) < 1e6 else f"{t:.3e}" for t in fixed.statistic]
    p_values = [p_cell(p) for p in fixed.p_value]
    if np.isinf(fixed.df).all():
        return cells[p:], cells[:p], t_values, p_values
    return cells[p:], cells[:p], [df_cell(df) for df in fixed.df], t_values, p_values


def fixed_table(fixed: FixedEffects) -> list[str]:
    """Estimates, standard errors and tests."""
    return table(fixed.names, list(zip(fixed_heads(fixed), fixed_cells(fixed), strict=True)))


def heading(content: SummaryContent) -> str:
    """The method of the fit, and of the tests if there are any."""
    tests = f". Tests use {content.fixed.method}" if content.fixed.names else ""
    return content.title + tests


def to_text(content: SummaryContent) -> str:
    """Lines of at most 79 columns, in lme4's order."""
    lines = [
        *wrap(heading(content), indent="    "),
        *wrap(f"Formula: {content.formula}", indent="    ", breaks="~+*/|"),
        "",
    ]
    if len(content.criteria) == 1:
        lines.append(f"{content.criteria[0][0]} at convergence: {criterion_cells(content)[0]}")
    else:
        heads = [name for name, _ in content.criteria]
        cells = criterion_cells(content)
        widths = [max(9, len(h), len(c)) for h, c in zip(heads, cells, strict=True)]
        lines.append(" ".join(h.rjust(w) for h, w in zip(heads, widths, strict=True)))
        lines.append(" ".join(c.rjust(w) for c, w in zip(cells, widths, strict=True)))
    lines += ["", "Scaled residuals:"]
    cells = [f"{value:.4f}" for value in content.residual_quantiles]
    widths = [max(len(c), 7) for c in cells]
    lines.append(
        " ".join(h.rjust(w) for h, w in zip(("Min", "1Q", "Median", "3Q", "Max"), widths, strict=True))
    )
    lines.append(" ".join(c.rjust(w) for c, w in zip(cells, widths, strict=True)))
    lines += ["", "Random effects:", *random_table(content), *wrap(sizes(content), indent="    ")]
    lines += ["", "Fixed effects:"]
    lines += fixed_table(content.fixed) if content.fixed.names else [" none"]
    p = len(content.fixed.names)
    if p > CORRELATIONS_SHOWN:
        lines += ["", f"Correlation of the {p} fixed effects not shown: see cov_params()."]
    elif p > 1:
        lines += ["", "Correlation of fixed effects:"]
        lines += correlation_matrix(content.fixed.names, content.fixed.correlation)
    lines.append("")
    for sentence in (*content.inputs, *content.verdicts):
        lines += wrap(sentence, indent="  ")
    return "\n".join(lines)


def criterion_cells(content: SummaryContent) -> list[str]:
    """Criteria with one decimal, three where they are small; counts with none."""
    decimals = 1 if max(abs(value) for _, value in content.criteria) >= 100 else 3
    return [
        f"{value:.0f}" if name == "df.resid" else f"{value:.{decimals}f}" for name, value in content.criteria
    ]


def sizes(content: SummaryContent) -> str:
    """Number of rows and of levels."""
    groups = "; ".join(f"{name}, {levels}" for name, levels in content.groups)
    return f"Number of obs: {content.n_obs}" + (f", groups: {groups}" if groups else "")
