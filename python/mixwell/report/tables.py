"""Tables of results: one model, or several side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike

from mixwell.arguments import check_level, check_one_of, checked
from mixwell.design.record import Design
from mixwell.diagnostics.method import robust_method
from mixwell.errors import MixwellError
from mixwell.files import writable
from mixwell.fit import convergence, quantities
from mixwell.fit.record import Fit
from mixwell.inference import icc_r2
from mixwell.inference.compare import check_fits
from mixwell.inference.contrast import Approximation, RowTests, row_tests
from mixwell.inference.degrees_of_freedom import Ddf, approximation, check_ddf
from mixwell.report.formats import FORMATS, RenderedTable, Table, TableFormat, TableRow, rendered
from mixwell.report.words import Lang, Words, beside, p_short, percent, words
from mixwell.text import number

if TYPE_CHECKING:
    from docx.document import Document

    from mixwell.diagnostics.robust import RobustKind

Uncertainty = Literal["interval", "std_error", "p_value", "none"]

UNCERTAINTIES = ("interval", "std_error", "p_value", "none")
STARS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))


class Result(Protocol):
    """A result of ``lmer``: a design and its fit."""

    @property
    def design(self) -> Design: ...
    @property
    def fit(self) -> Fit: ...


@dataclass(frozen=True, slots=True)
class Assessed:
    """A model and where its standard errors, degrees of freedom and p-values come from.

    Attributes
    ----------
    design, fit
        The fitted model.
    method
        The method of the tests.
    title
        What the method is called, in the language of the table.
    """

    design: Design
    fit: Fit
    method: Approximation
    title: str


def assess(
    design: Design,
    fit: Fit,
    text: Words,
    *,
    ddf: str = "satterthwaite",
    robust: str | None = None,
    cluster: str | ArrayLike | None = None,
) -> Assessed:
    """A model with the method of its tests.

    Raises
    ------
    MixwellError
        If there is no such method, or it does not suit the model.
    """
    found = robust_method(design, fit, robust, cluster)
    if found is not None:
        title = text.say("ddf_robust", kind=found.kind, cluster=found.cluster)
        return Assessed(design, fit, found, title)
    check_ddf(ddf)
    return Assessed(design, fit, approximation(design, fit, ddf), text.sentences[f"ddf_{ddf}"])


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


def coefficient_cells(tests: RowTests, level: float) -> list[tuple[str, ...]]:
    """Of each coefficient its estimate, standard error, interval, degrees of freedom, t and p."""
    low, high = tests.interval(level)
    rows: list[tuple[str, ...]] = []
    for j, estimate in enumerate(tests.estimate.tolist()):
        se, df, t, p = (float(x[j]) for x in (tests.std_error, tests.df, tests.statistic, tests.p_value))
        ends = f"[{beside(float(low[j]), se)}, {beside(float(high[j]), se)}]"
        rows.append(
            (
                beside(estimate, se),
                cell(se, beside(se, se)),
                cell(float(low[j] + high[j]), ends),
                "∞" if np.isposinf(df) else cell(df, f"{df:.1f}"),
                cell(t, f"{t:.2f}"),
                cell(p, p_short(p)),
            )
        )
    return rows


def coefficient_heads(tests: RowTests, level: float, text: Words) -> tuple[str, ...]:
    """Column titles of :func:`coefficient_cells`, before them the terms'."""
    return (
        text.say("term"),
        text.say("estimate"),
        text.say("std_error"),
        text.say("interval_head", level=percent(level)),
        "df",
        "z" if len(tests.df) and np.isposinf(tests.df).all() else "t",
        "p",
    )


def coefficient_tests(model: Assessed) -> RowTests:
    """Of every coefficient against zero."""
    return row_tests(model.method, model.fit.beta, np.eye(len(model.fit.beta)))


def model_cells(model: Assessed, text: Words, *, level: float) -> ModelCells:
    """The numbers of a model as cells."""
    design, fit, tests = model.design, model.fit, coefficient_tests(model)
    fixed = {
        name: (*cells, stars_of(p))
        for name, cells, p in zip(
            quantities.kept_names(design, fit),
            coefficient_cells(tests, level),
            tests.p_value.tolist(),
            strict=True,
        )
    }
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


def remarks(models: Sequence[Assessed], text: Words, *, stars: bool) -> tuple[str, ...]:
    """What must be known to read the table."""
    notes = [text.say("note_tests", method=title) for title in dict.fromkeys(model.title for model in models)]
    if stars:
        notes.append("* p < 0.05, ** p < 0.01, *** p < 0.001")
    for i, model in enumerate(models):
        which = f" ({i + 1})" if len(models) > 1 else ""
        if not model.fit.certificate.converged:
            notes.append(text.say("note_uncertified", which=which))
        elif model.fit.certificate.doubt is not None:
            terms = text.listed(model.fit.certificate.doubt.terms)
            notes.append(text.say("note_unidentified", which=which, terms=terms))
        elif convergence.is_singular(model.fit):
            notes.append(text.say("note_singular", which=which))
    if len(models) < 2:
        return tuple(notes)
    if len({model.design.n_obs for model in models}) > 1:
        notes.append(text.say("note_rows_differ"))
    if not all(model.design.has_response_of(models[0].design) for model in models):
        notes.append(text.say("note_responses_differ"))
    elif len({model.fit.reml for model in models}) > 1:
        notes.append(text.say("note_methods_differ"))
    elif all(model.fit.reml for model in models) and (
        len({quantities.kept_names(model.design, model.fit) for model in models}) > 1
    ):
        notes.append(text.say("note_reml_differ"))
    return tuple(notes)


def one_model(model: Assessed, text: Words, *, level: float, stars: bool) -> Table:
    """Estimates with everything about them in columns of their own."""
    cells = model_cells(model, text, level=level)
    heads = coefficient_heads(coefficient_tests(model), level, text)
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
    return Table(model.design.formula, heads, tuple(body), remarks([model], text, stars=stars))


def several_models(
    models: Sequence[Assessed],
    names: Sequence[str],
    text: Words,
    *,
    uncertainty: str,
    level: float,
    stars: bool,
) -> Table:
    """A column per model."""
    cells = [model_cells(model, text, level=level) for model in models]

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
    notes = remarks(models, text, stars=stars)
    if uncertainty == "interval":
        notes = (text.say("note_interval", level=percent(level)), *notes)
    elif uncertainty != "none":
        notes = (text.sentences[f"note_{uncertainty}"], *notes)
    formulas = tuple(f"{name}: {model.design.formula}" for name, model in zip(names, models, strict=True))
    return Table(text.say("models_compared"), ("", *names), tuple(body), (*formulas, *notes))


def model_table(
    design: Design,
    fit: Fit,
    fmt: str,
    *,
    level: float,
    stars: bool,
    ddf: str,
    robust: str | None,
    cluster: str | ArrayLike | None,
    lang: str,
    path: str | Path | None,
) -> RenderedTable | Document:
    """The table of one model; see ``LmerResult.table``."""
    text = words(lang)
    check_level(level)
    check_one_of("fmt", fmt, FORMATS)
    if path is not None:
        writable(path)
    model = assess(design, fit, text, ddf=ddf, robust=robust, cluster=cluster)
    return rendered(one_model(model, text, level=level, stars=stars), fmt, path)


@checked
def table(
    models: Result | Sequence[Result],
    fmt: TableFormat = "text",
    *,
    names: Sequence[str] | None = None,
    uncertainty: Uncertainty = "interval",
    level: float = 0.95,
    stars: bool = False,
    ddf: Ddf = "satterthwaite",
    robust: RobustKind | None = None,
    cluster: str | ArrayLike | None = None,
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
        Method for degrees of freedom, standard errors and p-values, see ``LmerResult.test``.
    robust, cluster
        Cluster-robust standard errors and their degrees of freedom instead, see ``LmerResult.vcov_robust``.
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
    check_one_of("uncertainty", uncertainty, UNCERTAINTIES)
    check_fits(models if isinstance(models, Sequence) else [models], 1, "table()")
    if not isinstance(models, Sequence):
        return model_table(
            models.design,
            models.fit,
            fmt,
            level=level,
            stars=stars,
            ddf=ddf,
            robust=robust,
            cluster=cluster,
            lang=lang,
            path=path,
        )
    text = words(lang)
    check_level(level)
    check_one_of("fmt", fmt, FORMATS)
    if path is not None:
        writable(path)
    titles = [f"({i + 1})" for i in range(len(models))] if names is None else list(map(str, names))
    if len(titles) != len(models):
        raise MixwellError(f"table(): {len(titles)} names for {len(models)} models.")
    made = several_models(
        [assess(m.design, m.fit, text, ddf=ddf, robust=robust, cluster=cluster) for m in models],
        titles,
        text,
        uncertainty=uncertainty,
        level=level,
        stars=stars,
    )
    return rendered(made, fmt, path)
