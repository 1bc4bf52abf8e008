"""The checks of a fit in one figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from mixwell import kernel
from mixwell.data.frame import near
from mixwell.design.record import Design
from mixwell.diagnostics.influence import FALSE_ALARM, cooks_distance, deletion_groups, row_cooks_bound
from mixwell.errors import DataError, ModelError
from mixwell.fit.record import Fit
from mixwell.plots import style
from mixwell.plots.dependence import plot_acf
from mixwell.plots.grouped import factor_index
from mixwell.plots.influence import plot_cooks, plot_leverage
from mixwell.plots.layout import extent, figure_of, overall, panels
from mixwell.plots.names import wrapped
from mixwell.plots.normality import plot_qq, plot_qq_random
from mixwell.plots.residuals import (
    plot_residual_density,
    plot_residuals,
    plot_residuals_by_group,
    plot_scale_location,
)
from mixwell.plots.style import styled
from mixwell.plots.words import CHINESE, Labels, Lang, words

FloatArray = NDArray[np.float64]
Panel = Literal[
    "linearity",
    "normality",
    "spread",
    "distribution",
    "groups",
    "independence",
    "random effects",
    "leverage",
    "influence",
]
# Titles of the panels that a model may not have.
_EMPTY = {
    "independence": "Autocorrelation of residuals within {group}",
    "random effects": "Random effects of {group}",
}
PANELS: tuple[Panel, ...] = get_args(Panel)


@styled
def check_panel(
    design: Design,
    fit: Fit,
    group: str | None = None,
    *,
    leverages: FloatArray | None = None,
    verdicts: Mapping[str, str] | None = None,
    ax: Axes | None = None,
    figure: Figure | SubFigure | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Figure | SubFigure:
    """Residuals and random effects seen from every side, in one figure.

    Panels that do not exist for a model (autocorrelation with groups of one row, quantiles of random effects
    without variance) are left out, with the reason in their place.

    Parameters
    ----------
    design, fit
        Of a fitted model.
    group
        The grouping factor of the panels by group; by default the one with most levels, and all for the
        quantiles of random effects.
    leverages
        Length n, of the panels of leverage and influence; by default computed.
    verdicts
        Panel (one of ``PANELS``) -> a word put after its title, such as ``"fine"``.
    ax, figure
        Axes in whose place the panels are drawn, or a figure of their own; by default a new one.
    labels
        What variables are called, with units.
    lang
        ``"en"`` or ``"zh"``.

    Returns
    -------
    matplotlib.figure.Figure
        All panels are in its ``axes``.

    Raises
    ------
    DataError
        If there is no such factor, or ``verdicts`` names no panel.

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> figure = check_panel(fit.design, fit.fit, figure=Figure(figsize=(12, 9)))
    >>> len(figure.axes)
    9
    """
    text = words(lang, labels)
    factor = design.factors[factor_index(design, group)]
    every = text.list([text.name(one.name) for one in design.factors])
    if leverages is None:
        leverages = kernel.leverages(design, fit.theta)
    for name in verdicts or ():
        if name not in PANELS:
            raise DataError(f"verdicts= has no panel {name!r}{near(name, PANELS)}")
    own = ax is None
    if ax is None and figure is not None:
        ax = figure.add_subplot()
    axes = panels(ax, len(PANELS), 3, (12.5, 10.8))
    figure = figure_of(axes[0])
    for name, panel in zip(PANELS, axes, strict=True):
        try:
            draw_panel(name, design, fit, factor.name, group, leverages, panel, labels, text.lang)
        except ModelError as error:
            say_why_not(
                panel,
                text.say(
                    _EMPTY.get(name, "residuals"),
                    group=every if name == "random effects" and group is None else text.name(factor.name),
                ),
                str(error) if text.lang == "en" else text.say("Not for this model."),
            )
        if verdicts and name in verdicts:
            # The text alone: set_title() would put it back over the legend.
            verdict = text.say(verdicts[name]) if verdicts[name] in CHINESE else verdicts[name]
            panel.title.set_text(text.say("{title}: {verdict}", title=panel.get_title(), verdict=verdict))
    if own:
        overall(axes, text.say("Checks of {formula}", formula=design.formula), 1, own=True)
    return figure


def draw_panel(
    name: Panel,
    design: Design,
    fit: Fit,
    group: str,
    asked: str | None,
    leverages: FloatArray,
    ax: Axes,
    labels: Labels,
    lang: Lang,
) -> None:
    """One panel of :func:`check_panel`."""
    if name == "linearity":
        plot_residuals(design, fit, ax=ax, labels=labels, lang=lang, scale=False)
    elif name == "normality":
        plot_qq(design, fit, ax=ax, labels=labels, lang=lang)
    elif name == "spread":
        plot_scale_location(design, fit, ax=ax, labels=labels, lang=lang, scale=False)
    elif name == "distribution":
        plot_residual_density(design, fit, ax=ax, labels=labels, lang=lang)
    elif name == "groups":
        plot_residuals_by_group(design, fit, group, ax=ax, labels=labels, lang=lang)
    elif name == "independence":
        plot_acf(design, fit, group=group, ax=ax, labels=labels, lang=lang)
    elif name == "random effects":
        plot_qq_random(design, fit, asked, ax=ax, labels=labels, lang=lang, together=True)
    elif name == "leverage":
        plot_leverage(design, fit, leverages, ax=ax, labels=labels, lang=lang, scale=False)
    else:
        _, names, _ = deletion_groups(design, "row")
        distances = cooks_distance(design, fit, leverages)
        bound = row_cooks_bound(design, fit, leverages)
        plot_cooks(
            distances,
            list(names),
            threshold=bound,
            false_alarm=FALSE_ALARM,
            ax=ax,
            labels=labels,
            lang=lang,
        )


def say_why_not(ax: Axes, title: str, reason: str) -> None:
    """The reason why a panel is empty, in its frame."""
    ax.clear()
    ax.set_xticks([])
    ax.set_yticks([])
    width, _ = extent(ax)
    ax.set_title(wrapped(title, width / 1.25))
    ax.text(
        0.5,
        0.5,
        wrapped(reason, 0.85 * width),
        ha="center",
        va="center",
        fontsize=style.SMALL,
        transform=ax.transAxes,
    ).set_in_layout(False)
