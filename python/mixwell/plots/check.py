"""The checks of a fit in one figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from mixwell.design.record import Design
from mixwell.diagnostics.influence import cooks_distance
from mixwell.errors import ModelError
from mixwell.fit.record import Fit
from mixwell.plots import style
from mixwell.plots.grouped import factor_index
from mixwell.plots.influence import plot_cooks
from mixwell.plots.random_effects import plot_qq_random
from mixwell.plots.residuals import (
    plot_acf,
    plot_leverage,
    plot_qq,
    plot_residual_density,
    plot_residuals,
    plot_residuals_by_group,
    plot_scale_location,
    row_names,
)
from mixwell.plots.style import styled
from mixwell.plots.words import Labels, Lang, words

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
PANELS: tuple[Panel, ...] = (
    "linearity",
    "normality",
    "spread",
    "distribution",
    "groups",
    "independence",
    "random effects",
    "leverage",
    "influence",
)


@styled
def check_panel(
    design: Design,
    fit: Fit,
    group: str | None = None,
    *,
    leverages: FloatArray | None = None,
    verdicts: Mapping[str, str] | None = None,
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
        The grouping factor of the panels by group; by default the one with most levels.
    leverages
        Length n, of the panels of leverage and influence; without them these are left out.
    verdicts
        Panel (one of ``PANELS``) -> a word put after its title, such as ``"fine"``.
    figure
        Figure to draw in; by default a new one.
    labels
        What variables are called, with units.
    lang
        ``"en"`` or ``"zh"``.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> figure = check_panel(fit.design, fit.fit, figure=Figure(figsize=(12, 9)))
    >>> len(figure.axes)
    7
    """
    text = words(lang, labels)
    factor = design.factors[factor_index(design, group)]
    drawn = PANELS if leverages is not None else PANELS[:-2]
    columns = 3
    rows = -(-len(drawn) // columns)
    if figure is None:
        figure = plt.figure(figsize=(12.5, 3.6 * rows), layout="constrained")
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(len(drawn))]
    for name, ax in zip(drawn, axes, strict=True):
        try:
            draw_panel(name, design, fit, factor.name, leverages, ax, labels, text.lang)
        except ModelError as error:
            say_why_not(ax, str(error))
        if verdicts and name in verdicts:
            # The text alone: set_title() would put it back over the legend.
            ax.title.set_text(f"{ax.get_title()}: {verdicts[name]}")
    figure.suptitle(text.say("Checks of {formula}", formula=design.formula), fontsize=11)
    return figure


def draw_panel(
    name: Panel,
    design: Design,
    fit: Fit,
    group: str,
    leverages: FloatArray | None,
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
        plot_qq_random(design, fit, group, ax=ax, labels=labels, lang=lang, together=True)
    elif name == "leverage" and leverages is not None:
        plot_leverage(design, fit, leverages, ax=ax, labels=labels, lang=lang, scale=False)
    elif leverages is not None:
        distances = cooks_distance(design, fit, leverages)
        plot_cooks(distances, list(row_names(design)), ax=ax, labels=labels, lang=lang)


def say_why_not(ax: Axes, reason: str) -> None:
    """The reason why a panel is empty."""
    ax.set_axis_off()
    ax.text(
        0.5, 0.5, reason, ha="center", va="center", wrap=True, fontsize=style.SMALL, transform=ax.transAxes
    )
