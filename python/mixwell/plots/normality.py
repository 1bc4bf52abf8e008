"""Normal quantile-quantile pictures of residuals and of random effects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from mixwell.design.record import Design
from mixwell.diagnostics.influence import deletion_groups
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.plots import style
from mixwell.plots.grouped import ModeTable, factors_with, scored_modes
from mixwell.plots.layout import columns_for, finish, new_axes, panels
from mixwell.plots.marks import name_points
from mixwell.plots.modes import with_still
from mixwell.plots.quantiles import NormalQuantiles, normal_quantiles
from mixwell.plots.style import styled
from mixwell.plots.words import Labels, Lang, Words, words

FloatArray = NDArray[np.float64]


@styled
def plot_qq(
    design: Design,
    fit: Fit,
    *,
    level: float = 0.95,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """Normal quantiles of the residuals, with a simultaneous band.

    A normal sample lies wholly within the band with probability ``level``; points outside are coloured and
    the farthest named by row. Residuals of a model are not quite independent, so the band is a guide.

    Parameters
    ----------
    design, fit, ax, labels, lang
        As in :func:`plot_residuals`.
    level
        Of the band.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> ax = plot_qq(fit.design, fit.fit, ax=Figure().subplots())
    >>> ax.get_title()
    'Normal quantiles of residuals'
    """
    text = words(lang, labels)
    ax = new_axes(ax, (5.2, 4.6))
    _, names, _ = deletion_groups(design, "row")
    draw_quantiles(ax, quantities.scaled_residuals(design, fit), names, text, level)
    finish(
        ax,
        text.say("Normal quantiles of residuals"),
        text.say("normal quantile"),
        text.say("standardized residual"),
    )
    return ax


@styled
def plot_qq_random(
    design: Design,
    fit: Fit,
    group: str | None = None,
    effects: Sequence[str] | str | None = None,
    *,
    level: float = 0.95,
    together: bool = False,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """Normal quantiles of the standardized conditional modes, with a simultaneous band.

    Each mode is divided by its own standard deviation, the root of Var b - Var(b - mode), so that groups of
    different size are comparable (Lange & Ryan 1989); if the model holds, the points are near the line.

    Parameters
    ----------
    design, fit, group, effects, ax, labels, lang
        As in :func:`plot_random_effects`.
    level
        Probability that a normal sample lies wholly within the band.
    together
        All effects in one panel, told apart by colour and marker.

    Returns
    -------
    matplotlib.axes.Axes
        The first panel.

    Raises
    ------
    ModelError
        If the variances are estimated as zero.

    References
    ----------
    Lange, N. and Ryan, L. (1989). Assessing normality in random effects models. Ann. Statist. 17, 624-642.

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> ax = plot_qq_random(fit.design, fit.fit, effects="Days", ax=Figure().subplots())
    >>> ax.get_xlabel()
    'normal quantile'
    """
    text = words(lang, labels)
    chosen = factors_with(design, group, effects)
    tables, still = scored_modes(design, fit, chosen)
    names = [text.name(design.factors[index].name) for index, _ in chosen]
    if together:
        ax = new_axes(ax, (5.2, 4.6))
        if len(tables) > 1:
            draw_many_quantiles(ax, tables, design, text, level, by_group=len(chosen) > 1)
        else:
            draw_scores(ax, tables[0], design, text, level)
        title = text.say("Random effects of {group}", group=text.list(names))
        title = with_still(title, still, text)
        finish(ax, title, text.say("normal quantile"), text.say("standardized mode"))
        return ax
    columns = columns_for(ax, len(tables), 3)
    axes = panels(ax, len(tables), columns, (max(4.6, 3.7 * columns), 4.0 * -(-len(tables) // columns)))
    for panel, table in zip(axes, tables, strict=True):
        draw_scores(panel, table, design, text, level)
        title = effect_by_group(table, design, text)
        if panel is axes[0]:
            title = with_still(title, still, text)
        finish(panel, title, text.say("normal quantile"), text.say("standardized mode"))
    return axes[0]


def effect_by_group(table: ModeTable, design: Design, text: Words) -> str:
    """A random effect and whose it is."""
    group = text.name(design.factors[table.factor].name)
    return text.say("{effect} by {group}", effect=text.name(table.name), group=group)


def draw_scores(ax: Axes, table: ModeTable, design: Design, text: Words, level: float) -> None:
    """Quantiles of one random effect."""
    known = np.flatnonzero(np.isfinite(table.score))
    levels = design.factors[table.factor].levels
    draw_quantiles(ax, table.score[known], levels[known], text, level)


def draw_band(
    ax: Axes, found: NormalQuantiles, colour: str, text: Words, level: float, *, named: bool = True
) -> None:
    """The simultaneous band, and the line where a normal sample would be."""
    ax.fill_between(
        found.theoretical,
        found.low,
        found.high,
        color=colour,
        alpha=style.BAND_ALPHA,
        linewidth=0,
        label=text.say("{level:.0%} simultaneous band", level=level) if named else None,
    )
    ends = found.theoretical[[0, -1]]
    ax.plot(ends, ends, color=style.REFERENCE, linewidth=0.9, linestyle="--")


def draw_quantiles(
    ax: Axes, values: FloatArray, names: NDArray[np.generic] | None, text: Words, level: float
) -> None:
    """Normal quantile points, line and simultaneous band; the farthest points outside are named."""
    found = normal_quantiles(values, level)
    draw_band(ax, found, style.MODEL, text, level)
    outside = found.outside
    ax.scatter(
        found.theoretical,
        found.sample,
        s=14 if len(values) <= 400 else 7,
        c=list(np.where(outside, style.FLAGGED, style.DATA)),
        linewidths=0,
        zorder=3,
    )
    if names is None or not outside.any():
        return
    far = np.maximum(found.low - found.sample, found.sample - found.high)
    worst = np.argsort(-far)[: min(4, int(outside.sum()))]
    ax.margins(x=0.08)
    name_points(
        ax,
        found.theoretical[worst],
        found.sample[worst],
        list(names[found.position[worst]]),
        to_left=found.sample[worst] > found.theoretical[worst],
    )


def draw_many_quantiles(
    ax: Axes, tables: Sequence[ModeTable], design: Design, text: Words, level: float, *, by_group: bool
) -> None:
    """Quantiles of several random effects, each size of sample with its band."""
    drawn: set[int] = set()
    for i, table in enumerate(tables):
        found = normal_quantiles(table.score[np.isfinite(table.score)], level)
        size = int(np.isfinite(table.score).sum())
        # Effects of one factor share a band; those of several have theirs in their colours.
        if size not in drawn:
            draw_band(ax, found, style.colour(i) if by_group else style.QUIET, text, level, named=not drawn)
            drawn.add(size)
        ax.scatter(
            found.theoretical,
            found.sample,
            s=14 if len(table.score) <= 400 else 6,
            color=style.colour(i),
            marker=style.marker(i),
            linewidths=0,
            alpha=0.8,
            label=style.entry(effect_by_group(table, design, text) if by_group else text.name(table.name)),
            zorder=3,
        )
