"""Picture of the conditional modes of each group, with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.special import ndtri

from mixwell.design.record import Design
from mixwell.fit.record import Fit
from mixwell.plots import style
from mixwell.plots.grouped import ModeTable, factors_with, mode_tables
from mixwell.plots.layout import columns_for, finish, named_rows, panels, room_for_names, zero_line
from mixwell.plots.marks import intervals
from mixwell.plots.names import listed, short_names
from mixwell.plots.style import styled
from mixwell.plots.words import Labels, Lang, Words, words

# Groups named in a picture without names on its axis.
_NAMED = 6
# More bars than this merge into stripes; a band is drawn instead.
_MOST_BARS = 120


@styled
def plot_random_effects(
    design: Design,
    fit: Fit,
    group: str | None = None,
    effects: Sequence[str] | str | None = None,
    *,
    level: float = 0.95,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """Conditional modes with intervals, sorted: a caterpillar, one panel per random effect.

    Up to 40 groups all are named, where there is room, and share one order, that of the first effect. With
    more, each panel is sorted by itself, and outlying groups are named, or, where there are none, those at
    the ends. A group is outlying when its mode, over the standard deviation that modes of this group have if
    the model holds, is beyond the normal quantile for as many tests as there are groups (Bonferroni, 5 %).

    Parameters
    ----------
    design, fit
        Of a fitted model.
    group
        A grouping factor; by default all.
    effects
        Names of random effects; by default all.
    level
        Of the intervals, mode +- normal quantile x conditional standard deviation.
    ax
        Axes to draw in; several panels take their place, the first being ``ax`` itself.
    labels
        What variables are called, with units.
    lang
        ``"en"`` or ``"zh"``.

    Returns
    -------
    matplotlib.axes.Axes
        The first panel; all are in ``ax.figure.axes``.

    Raises
    ------
    DataError
        If there is no such factor or effect.

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> ax = plot_random_effects(fit.design, fit.fit, ax=Figure().subplots())
    >>> len(ax.figure.axes), ax.get_yticklabels()[0].get_text()
    (2, '309')
    """
    text = words(lang, labels)
    chosen = factors_with(design, group, effects)
    tables = [table for index, own in chosen for table in mode_tables(design, fit, index, own)]
    largest = max(design.factors[index].n_levels for index, _ in chosen)
    height = 1.5 + 0.2 * largest if largest <= style.MOST_NAMES else 5.6
    columns = columns_for(ax, len(tables), 3, shape=0.6)
    rows = -(-len(tables) // columns)
    axes = panels(ax, len(tables), columns, (max(4.6, 3.4 * columns + 0.8), rows * max(3.2, height)))
    first = {table.factor: np.argsort(table.mode, kind="stable") for table in reversed(tables)}
    for i, (panel, table) in enumerate(zip(axes, tables, strict=True)):
        factor = design.factors[table.factor]
        named = room_for_names(panel, factor.n_levels)
        order = first[table.factor] if named else np.argsort(table.mode, kind="stable")
        draw_caterpillar(panel, table, order, factor.levels, text, level, named=named)
        # Names and what they are stand once in a row of panels of one factor.
        leads = i % columns == 0 or tables[i - 1].factor != table.factor
        if named:
            named_rows(panel, factor.levels[order] if leads else [""] * factor.n_levels)
        else:
            panel.set_yticks([])
        axis = text.say("{group}, sorted", group=text.name(factor.name))
        title = text.name(table.name)
        if len(tables) == 1 or len(chosen) > 1:
            title = text.say("{effect} by {group}", effect=title, group=text.name(factor.name))
        if not table.sd.any():
            title = text.say("{title} (variance estimated as zero)", title=title)
        finish(
            panel,
            title,
            text.say("conditional mode, {level:.0%} interval", level=level),
            (text.name(factor.name) if named else axis) if leads else "",
        )
    return axes[0]


def draw_caterpillar(
    ax: Axes,
    table: ModeTable,
    order: NDArray[np.intp],
    levels: NDArray[np.object_],
    text: Words,
    level: float,
    *,
    named: bool,
) -> None:
    """One panel of :func:`plot_random_effects`."""
    mode, half = table.mode[order], ndtri((1 + level) / 2) * table.sd[order]
    outlying = table.outlying[order]
    at = np.arange(len(order))
    colours = np.where(outlying, style.FLAGGED, style.QUIET if not named else style.MODEL)
    many = len(order) > _MOST_BARS
    if many:
        ax.fill_betweenx(at, mode - half, mode + half, color=style.QUIET, alpha=0.35, linewidth=0, zorder=1)
        bars = np.flatnonzero(outlying)
    else:
        bars = at
    intervals(
        ax,
        at[bars],
        (mode - half)[bars],
        (mode + half)[bars],
        colour=list(colours[bars]),
        width=1.6 if named else 0.7,
    )
    points = np.where(outlying, style.FLAGGED, style.MODEL)
    ax.scatter(mode, at, s=18 if named else 3 if many else 9, c=list(points), zorder=3, linewidths=0)
    zero_line(ax, horizontal=False)
    ax.set_ylim(-0.7 if named else -0.02 * len(at), len(at) - 0.3 if named else 1.02 * len(at))
    if outlying.any():
        ax.scatter([], [], s=18, color=style.FLAGGED, label=text.say("outlying"))
    if named:
        return
    # The curve leaves two corners empty: the ends are named there.
    ordered = short_names(levels[order], 14)
    low, high = np.flatnonzero(outlying & (mode < 0)), np.flatnonzero(outlying & (mode > 0))[::-1]
    flagged = len(low) + len(high) > 0
    lowest = enumerated([ordered[i] for i in (low if flagged else at[:3])], text)
    highest = enumerated([ordered[i] for i in (high if flagged else at[:-4:-1])], text)
    colour = style.FLAGGED if flagged else style.BLACK
    corners = (
        (0.02, 0.98, "left", "top", text.say("highest: {names}", names=highest) if highest else ""),
        (0.98, 0.02, "right", "bottom", text.say("lowest: {names}", names=lowest) if lowest else ""),
    )
    for x, y, horizontal, vertical, words_there in corners:
        ax.text(
            x,
            y,
            words_there,
            ha=horizontal,
            va=vertical,
            fontsize=style.SMALL,
            color=colour,
            transform=ax.transAxes,
            zorder=6,
        )


def enumerated(names: Sequence[str], text: Words) -> str:
    """The first few names, and how many more there are."""
    lines, more = listed(names, _NAMED)
    return text.say("{names} and {n} more", names=lines, n=more) if more else lines
