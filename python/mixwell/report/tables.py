"""Tables of results as text, HTML, LaTeX, Markdown and Word: one model, or several side by side."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from mixwell.design.record import Design
from mixwell.errors import MixwellError
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.inference import icc_r2
from mixwell.inference.contrast import check_level, row_tests
from mixwell.inference.degrees_of_freedom import Ddf, approximation, check_ddf
from mixwell.lazy import lazy_module
from mixwell.report.text import display_width, number, pad
from mixwell.report.words import Lang, Words, beside, p_short, percent, words

if TYPE_CHECKING:
    from docx.document import Document

    from mixwell.report import tables_docx
else:
    tables_docx = lazy_module("mixwell.report.tables_docx")

TableFormat = Literal["text", "html", "latex", "markdown", "docx"]
Uncertainty = Literal["interval", "std_error", "p_value", "none"]

FORMATS = ("text", "html", "latex", "markdown", "docx")
UNCERTAINTIES = ("interval", "std_error", "p_value", "none")
STARS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))


class Fitted(Protocol):
    """A result: a design and its fit."""

    @property
    def design(self) -> Design: ...
    @property
    def fit(self) -> Fit: ...


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


def to_text(table: Table) -> str:
    """Aligned columns between rules."""
    rows = [table.heads, *(row.cells for row in table.body if not row.section)]
    widths = [max(display_width(row[j]) for row in rows) for j in range(len(table.heads))]

    def line(cells: Sequence[str]) -> str:
        parts = [
            pad(cell, width, right=j >= table.text_columns)
            for j, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(parts).rstrip()

    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    lines = [table.title, rule, line(table.heads), rule]
    for row in table.body:
        lines.append(row.cells[0] if row.section else line(row.cells))
    return "\n".join([*lines, rule, *table.notes])


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
        If there is no such format, or python-docx is needed and absent.
    """
    if fmt not in FORMATS:
        raise MixwellError(f"There is no fmt={fmt!r}; tables come as {', '.join(map(repr, FORMATS))}.")
    if fmt == "docx":
        try:
            document = tables_docx.to_docx(table)
        except ImportError:
            raise MixwellError(
                "Tables for Word need the package python-docx: pip install 'mixwell[docx]'."
            ) from None
        if path is not None:
            document.save(str(path))
        return document
    text = RenderedTable(_RENDERERS[fmt](table), to_html(table))
    if path is not None:
        Path(path).write_text(f"{text}\n", encoding="utf-8")
    return text


# ---- what tables of models say


@dataclass(frozen=True, slots=True)
class ModelCells:
    """Ready cells of one model.

    Attributes
    ----------
    fixed
        Coefficient -> its cells: estimate, standard error, interval, degrees of freedom, t, p, and stars.
    random
        Standard deviation or correlation -> cell, under (group, first effect, second effect or "").
    statistics
        Name -> cell.
    """

    fixed: Mapping[str, tuple[str, ...]]
    random: Mapping[tuple[str, str, str], str]
    statistics: Mapping[str, str]


def stars_of(p_value: float) -> str:
    """Stars of a p-value.

    >>> [stars_of(p) for p in (0.2, 0.04, 0.0004)]
    ['', '*', '***']
    """
    return next((stars for limit, stars in STARS if p_value < limit), "")


def cell(value: float, text: str) -> str:
    """A number's text, or a dash where it is not defined."""
    return text if np.isfinite(value) else "–"


def model_cells(result: Fitted, text: Words, *, level: float, ddf: str) -> ModelCells:
    """The numbers of a model as cells."""
    design, fit = result.design, result.fit
    method = approximation(design, fit, ddf)
    tests = row_tests(method, fit.beta, np.eye(len(fit.beta)))
    low, high = tests.interval(level)
    fixed = {}
    for j, name in enumerate(quantities.kept_names(design, fit)):
        se = float(tests.std_error[j])
        estimate, ends = float(fit.beta[j]), (float(low[j]), float(high[j]))
        fixed[name] = (
            beside(estimate, se),
            cell(se, beside(se, se)),
            cell(ends[0] + ends[1], f"[{beside(ends[0], se)}, {beside(ends[1], se)}]"),
            "∞" if np.isposinf(tests.df[j]) else cell(float(tests.df[j]), f"{tests.df[j]:.1f}"),
            cell(float(tests.statistic[j]), f"{tests.statistic[j]:.2f}"),
            cell(float(tests.p_value[j]), p_short(float(tests.p_value[j]))),
            stars_of(float(tests.p_value[j])),
        )
    random = {}
    for row in quantities.variance_components(design, fit):
        shown = "–" if row.sdcor is None else number(row.sdcor) if row.term2 is None else f"{row.sdcor:.2f}"
        group = "" if row.term1 is None else design.factors[design.terms[row.term].factor].name
        random[group, row.term1 or "", row.term2 or ""] = shown
    parts = icc_r2.icc(design, fit)
    r2 = icc_r2.r2(design, fit)
    statistics = {text.say("observations"): str(design.n_obs)}
    statistics |= {
        text.say("levels_of", group=factor.name): str(factor.n_levels) for factor in design.factors
    }
    statistics |= {
        text.say("method"): "REML" if fit.reml else "ML",
        text.say("llf"): f"{quantities.llf(fit):.2f}",
        "AIC": f"{quantities.aic(fit):.2f}",
        "BIC": f"{quantities.bic(design, fit):.2f}",
        text.say("r2_marginal"): f"{r2.marginal:.3f}",
        text.say("r2_conditional"): f"{r2.conditional:.3f}",
        text.say("icc"): f"{parts.adjusted:.3f}",
    }
    return ModelCells(fixed, random, statistics)


def random_label(key: tuple[str, str, str], text: Words) -> str:
    """What a variance parameter is called in a table."""
    group, first, second = key
    if not group:
        return text.say("sd_residual")
    if second:
        return text.say("cor_label", group=group, first=first, second=second)
    return text.say("sd_label", group=group, effect=first)


def remarks(results: Sequence[Fitted], text: Words, *, ddf: str, stars: bool) -> tuple[str, ...]:
    """What must be known to read the table."""
    notes = [text.say("note_tests", method=text.sentences[f"ddf_{ddf}"])]
    if stars:
        notes.append("* p < 0.05, ** p < 0.01, *** p < 0.001")
    for i, result in enumerate(results):
        which = f" ({i + 1})" if len(results) > 1 else ""
        singular = any(
            t.rank < len(cov)
            for t, cov in zip(result.fit.certificate.terms, result.fit.term_cov, strict=True)
        )
        if not result.fit.certificate.converged:
            notes.append(text.say("note_uncertified", which=which))
        elif singular:
            notes.append(text.say("note_singular", which=which))
    if len(results) < 2:
        return tuple(notes)
    if len({result.design.n_obs for result in results}) > 1:
        notes.append(text.say("note_rows_differ"))
    responses = {result.design.response_name for result in results}
    if len(responses) > 1:
        notes.append(text.say("note_responses_differ"))
    elif len({result.fit.reml for result in results}) > 1:
        notes.append(text.say("note_methods_differ"))
    elif all(result.fit.reml for result in results) and (
        len({quantities.kept_names(r.design, r.fit) for r in results}) > 1
    ):
        notes.append(text.say("note_reml_differ"))
    return tuple(notes)


def one_model(result: Fitted, text: Words, *, level: float, ddf: str, stars: bool) -> Table:
    """Estimates with everything about them in columns of their own."""
    cells = model_cells(result, text, level=level, ddf=ddf)
    heads = (
        text.say("term"),
        text.say("estimate"),
        text.say("std_error"),
        text.say("interval_head", level=percent(level)),
        "df",
        "t",
        "p",
    )
    blank = ("",) * (len(heads) - 2)
    body = []
    if cells.fixed:
        body.append(TableRow((text.say("fixed_effects"),), section=True))
    for name, (estimate, *rest, mark) in cells.fixed.items():
        body.append(TableRow((name, estimate + mark if stars else estimate, *rest)))
    body.append(TableRow((text.say("random_effects"),), section=True))
    body += [TableRow((random_label(key, text), shown, *blank)) for key, shown in cells.random.items()]
    body.append(TableRow((text.say("model_fit"),), section=True))
    body += [TableRow((name, shown, *blank)) for name, shown in cells.statistics.items()]
    return Table(result.design.formula, heads, tuple(body), remarks([result], text, ddf=ddf, stars=stars))


def several_models(
    results: Sequence[Fitted],
    names: Sequence[str],
    text: Words,
    *,
    uncertainty: str,
    level: float,
    ddf: str,
    stars: bool,
) -> Table:
    """A column per model."""
    cells = [model_cells(result, text, level=level, ddf=ddf) for result in results]

    def shown(row: tuple[str, ...]) -> str:
        estimate, std_error, interval, _, _, p, mark = row
        beside_it = {
            "interval": f" {interval}",
            "std_error": f" ({std_error})",
            "p_value": f" (p {'' if p.startswith('<') else '= '}{p})",
            "none": "",
        }
        return estimate + (mark if stars else "") + beside_it[uncertainty]

    body = [TableRow((text.say("fixed_effects"),), section=True)]
    for name in dict.fromkeys(name for model in cells for name in model.fixed):
        row = (shown(model.fixed[name]) if name in model.fixed else "" for model in cells)
        body.append(TableRow((name, *row)))
    body.append(TableRow((text.say("random_effects"),), section=True))
    # The residual stands last, whatever the order in which terms first appear.
    keys = sorted(dict.fromkeys(key for model in cells for key in model.random), key=lambda key: not key[0])
    body += [
        TableRow((random_label(key, text), *(model.random.get(key, "") for model in cells))) for key in keys
    ]
    body.append(TableRow((text.say("model_fit"),), section=True))
    first = list(dict.fromkeys(name for model in cells for name in model.statistics))
    groups = [name for name in first if any(name not in model.statistics for model in cells)]
    # Levels of factors that only some models have follow those of all.
    ordered = [name for name in first if name not in groups]
    at = ordered.index(text.say("method"))
    for name in [*ordered[:at], *groups, *ordered[at:]]:
        body.append(TableRow((name, *(model.statistics.get(name, "") for model in cells))))
    notes = remarks(results, text, ddf=ddf, stars=stars)
    if uncertainty == "interval":
        notes = (text.say("note_interval", level=percent(level)), *notes)
    elif uncertainty != "none":
        notes = (text.sentences[f"note_{uncertainty}"], *notes)
    formulas = tuple(f"{name}: {result.design.formula}" for name, result in zip(names, results, strict=True))
    return Table(text.say("models_compared"), ("", *names), tuple(body), (*formulas, *notes))


def table(
    models: Fitted | Sequence[Fitted],
    fmt: TableFormat = "text",
    *,
    names: Sequence[str] | None = None,
    uncertainty: Uncertainty = "interval",
    level: float = 0.95,
    stars: bool = False,
    ddf: Ddf = "satterthwaite",
    lang: Lang = "en",
    path: str | Path | None = None,
) -> RenderedTable | Document:
    """A table of one model, or of several side by side, to hand on.

    Parameters
    ----------
    models
        One result of :func:`lmer`, or a list of them.
    fmt
        ``"text"``, ``"html"``, ``"latex"`` (booktabs), ``"markdown"``, or ``"docx"`` (needs python-docx).
    names
        Column titles of several models; ``(1)``, ``(2)`` ... by default.
    uncertainty
        What stands beside an estimate where models are side by side: ``"interval"``, ``"std_error"``,
        ``"p_value"`` or ``"none"``. The table of one model has them all.
    level
        Confidence level of the intervals.
    stars
        Mark small p-values.
    ddf
        Method for degrees of freedom, standard errors and p-values.
    lang
        ``"en"`` or ``"zh"``.
    path
        A file to write.

    Returns
    -------
    str or docx.document.Document
        The text, which notebooks show as HTML; for ``"docx"`` the document.

    Raises
    ------
    MixwellError
        If an option does not exist, names do not match the models, or python-docx is absent.

    Examples
    --------
    >>> import mixwell as mw
    >>> data = mw.datasets.load_sleepstudy()
    >>> models = [mw.lmer(f"Reaction ~ Days + {b}", data) for b in ("(1 | Subject)", "(Days | Subject)")]
    >>> print(mw.table(models, uncertainty="std_error"))
    Models compared
    --------------------------------------------------------------
                                                (1)            (2)
    --------------------------------------------------------------
    Fixed effects
    (Intercept)                       251.41 (9.75)  251.41 (6.82)
    Days                             10.467 (0.804)   10.47 (1.55)
    Random effects
    SD (Intercept) | Subject                  37.12          24.74
    SD Days | Subject                                        5.922
    Cor (Intercept), Days | Subject                           0.07
    SD residual                               30.99          25.59
    Model
    Rows                                        180            180
    Levels of Subject                            18             18
    Method                                     REML           REML
    Log-likelihood                          -893.23        -871.81
    AIC                                     1794.47        1755.63
    BIC                                     1807.24        1774.79
    R² marginal                               0.280          0.279
    R² conditional                            0.704          0.799
    ICC                                       0.589          0.722
    --------------------------------------------------------------
    (1): Reaction ~ Days + (1 | Subject)
    (2): Reaction ~ Days + (Days | Subject)
    In parentheses: standard errors.
    Degrees of freedom and p-values: Satterthwaite's method.
    """
    text = words(lang)
    check_level(level)
    if uncertainty not in UNCERTAINTIES:
        kinds = ", ".join(map(repr, UNCERTAINTIES))
        raise MixwellError(f"There is no uncertainty={uncertainty!r}; there are {kinds}.")
    check_ddf(ddf)
    if not isinstance(models, Sequence):
        made = one_model(models, text, level=level, ddf=ddf, stars=stars)
        return rendered(made, fmt, path)
    if not models:
        raise MixwellError("table() needs at least one model.")
    titles = [f"({i + 1})" for i in range(len(models))] if names is None else list(map(str, names))
    if len(titles) != len(models):
        raise MixwellError(f"table(): {len(titles)} names for {len(models)} models.")
    made = several_models(models, titles, text, uncertainty=uncertainty, level=level, ddf=ddf, stars=stars)
    return rendered(made, fmt, path)
