"""The figures of a report, as SVG that can stand inside a page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mixwell.data.columns import Factor
from mixwell.design.record import Design
from mixwell.errors import DataError, MixwellWarning, ModelError
from mixwell.fit import quantities
from mixwell.fit.control import Control
from mixwell.fit.record import Fit
from mixwell.plots import style
from mixwell.plots.accessor import FitPlots
from mixwell.plots.along import Covariate, natural_covariate
from mixwell.plots.effects import means_panels
from mixwell.report.words import Words, percent

# Inches: a figure as wide as the page, and one of two beside each other.
WIDE = (8.6, 4.2)
HALF = (4.9, 3.9)
# A covariate with fewer values than this is drawn as boxes.
ALONG = 3
# Boxes of more levels than this say nothing.
MOST_BOXES = 40
LEVEL = 0.95
# Panels of marginal means that a page has room for, three in a row.
MOST_MEANS = 9


@dataclass(frozen=True, slots=True)
class PageFigure:
    """A figure in a page.

    Attributes
    ----------
    name
        Which one, ``"qq"``.
    svg
        The ``<svg>`` element.
    caption
        What it shows.
    wide
        Whether it takes the width of the page.
    """

    name: str
    svg: str
    caption: str
    wide: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """How a figure is drawn: caption, size in inches, and the drawing on axes."""

    caption: str
    size: tuple[float, float]
    draw: Callable[[Axes], Axes]


def covariate_of(design: Design, factor: int) -> Covariate | None:
    """A number with several values within groups, to draw groups along; None if there is none."""
    try:
        found = natural_covariate(design, factor)
    except ModelError:
        return None
    return found if found.ticks is None and len(np.unique(found.position)) >= ALONG else None


def count_of_means(design: Design) -> int:
    """Panels of marginal means; none without a variable in the fixed part."""
    try:
        return len(means_panels(design))
    except ModelError:
        return 0


def drawn_by_group(draw: Callable[..., Axes], group: str, ax: Axes) -> Axes:
    """A picture of one grouping factor."""
    return draw(group, ax=ax)


def plans(plots: FitPlots, text: Words) -> Iterator[tuple[str, Plan]]:
    """Every figure that suits the model, by the name of its place."""
    design, fit = plots.design, plots.fit
    y = plots.labels.get(design.response_name, design.response_name)
    level = percent(LEVEL)
    # The factor with most levels, as the pictures choose it.
    largest = max(range(len(design.factors)), key=lambda f: design.factors[f].n_levels)
    group = design.factors[largest]
    along = covariate_of(design, largest)
    boxed = [column for column in design.variables.values() if isinstance(column, Factor)]
    if along is not None:
        x = plots.labels.get(along.name, along.name)
        caption = text.say("fig_spaghetti", y=y, x=x, group=group.name)
        yield "data", Plan(caption, WIDE, lambda ax: plots.spaghetti(along.name, group.name, ax=ax))
    elif boxed or group.n_levels <= MOST_BOXES:
        yield "data", Plan(text.say("fig_data", y=y), WIDE, lambda ax: plots.boxplot(ax=ax))
    if count := count_of_means(design):
        rows = -(-min(count, MOST_MEANS) // 3)
        size = HALF if count == 1 else (WIDE[0], 0.6 + 3.2 * rows)
        caption = text.say("fig_effects", y=y, level=level)
        yield "effects", Plan(caption, size, lambda ax: plots.effects(ax=ax))
    if len(fit.beta):
        caption = text.say("fig_coefficients", level=level)
        size = (HALF[0], max(HALF[1], 1.5 + 0.22 * len(fit.beta)))
        yield "coefficients", Plan(caption, size, lambda ax: plots.coefficients(ax=ax))
    yield (
        "variance",
        Plan(text.say("fig_variance", y=y), (WIDE[0], 2.6), lambda ax: plots.variance(ax=ax)),
    )
    for f, factor in enumerate(design.factors):
        names = quantities.effect_names(design, f)
        if not np.diagonal(quantities.factor_cov(design, fit, f)).any():
            continue
        height = 1.5 + 0.17 * min(factor.n_levels, 45)
        size = (WIDE[0], min(max(3.2, height) * -(-len(names) // 3), 14.0))
        caption = text.say("fig_random_effects", group=factor.name, level=level)
        yield (
            "random_effects",
            Plan(caption, size, partial(drawn_by_group, plots.random_effects, factor.name)),
        )
        if len(names) > 1 and any(len(fit.term_cov[i]) > 1 for i in quantities.terms_of(design, f)):
            caption = text.say("fig_intercept_slope", group=factor.name)
            yield (
                "intercept_slope",
                Plan(caption, (5.4, 4.4), partial(drawn_by_group, plots.intercept_slope, factor.name)),
            )
    if along is not None:
        x = plots.labels.get(along.name, along.name)
        caption = text.say("fig_trajectories", x=x, group=group.name)
        yield (
            "trajectories",
            Plan(caption, (WIDE[0], 6.6), lambda ax: plots.trajectories(along.name, group.name, ax=ax)),
        )
    yield "residuals", Plan(text.say("fig_residuals", y=y), HALF, lambda ax: plots.residuals(ax=ax))
    yield "qq", Plan(text.sentences["fig_qq"], HALF, lambda ax: plots.qq(ax=ax))
    yield (
        "scale_location",
        Plan(text.sentences["fig_scale_location"], HALF, lambda ax: plots.scale_location(ax=ax)),
    )
    for factor in design.factors:
        caption = text.say("fig_qq_random", group=factor.name)
        draw = partial(drawn_by_group, partial(plots.qq_random, together=True), factor.name)
        yield "qq_random", Plan(caption, HALF, draw)
    caption = text.say("fig_residuals_by_group", group=group.name)
    yield "residuals_by_group", Plan(caption, WIDE, lambda ax: plots.residuals_by_group(group.name, ax=ax))
    caption = text.say("fig_acf", group=group.name)
    yield "acf", Plan(caption, HALF, lambda ax: plots.acf(group=group.name, ax=ax))
    yield "cooks", Plan(text.sentences["fig_cooks"], HALF, lambda ax: plots.cooks(ax=ax))


def figures(
    design: Design,
    fit: Fit,
    text: Words,
    names: Sequence[str],
    *,
    control: Control | None = None,
    labels: Mapping[str, str] | None = None,
) -> list[PageFigure]:
    """Draw the figures of the names wanted that suit the model, in the order of the names."""
    plots = FitPlots(design, fit, control, labels or {}, text.lang)
    drawn: list[PageFigure] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for name, plan in plans(plots, text):
            if name not in names:
                continue
            figure = Figure(figsize=plan.size, layout="constrained")
            with mpl.rc_context(style.settings()):  # type: ignore[arg-type]
                empty = figure.subplots()
            try:
                ax = plan.draw(empty)
            except (ModelError, DataError):
                # The model has no such picture (groups of one row, dates along the axis).
                continue
            alt = text.say(
                "fig_alt", caption=plan.caption, x=axis_label(ax, text), y=axis_label(ax, text, "y")
            )
            svg = as_svg(figure, f"figure-{len(drawn) + 1}", alt)
            drawn.append(PageFigure(name, svg, plan.caption, plan.size[0] > HALF[0]))
    for message in dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, MixwellWarning)):
        warnings.warn(message, MixwellWarning, stacklevel=4)
    return sorted(drawn, key=lambda one: list(names).index(one.name))


def axis_label(ax: Axes, text: Words, which: str = "x") -> str:
    """What is along an axis; groups' names need no label."""
    found = next(
        (
            label
            for panel in ax.figure.axes
            if (label := panel.get_xlabel() if which == "x" else panel.get_ylabel())
        ),
        "",
    )
    return " ".join(found.split()) or text.sentences["fig_names"]


def as_svg(figure: Figure, prefix: str, alt: str) -> str:
    """A figure as an ``<svg>`` element: text as paths, identifiers of its own, no metadata, a title.

    Letters are drawn as paths, so that the page needs no font; identifiers get ``prefix``, so that several
    figures can stand in one page.
    """
    out = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "mixwell"}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", svg)
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    if size is None:
        raise ValueError("matplotlib wrote an svg without a viewBox")
    width = float(size[1]) * 4 / 3
    quoted = alt.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    head = (
        f'<svg role="img" aria-labelledby="{prefix}-alt" viewBox="0 0 {size[1]} {size[2]}" '
        f'style="max-width: {width:.0f}px" preserveAspectRatio="xMidYMid meet">'
        f'<title id="{prefix}-alt">{quoted}</title>'
    )
    return head + re.sub(r"\s*\n\s*", "\n", svg[svg.index(">") + 1 :]).strip()
