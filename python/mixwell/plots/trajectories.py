"""The model drawn through the data: group by group, and what each random effect adds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from mixwell.arguments import check_count
from mixwell.data.frame import near
from mixwell.design.record import Design
from mixwell.errors import DataError, ModelError
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.plots import style
from mixwell.plots.along import Covariate, GroupLines, covariate_along, group_lines, hinge
from mixwell.plots.grouped import evenly, factor_index, some_of, whole
from mixwell.plots.layout import (
    extent,
    margin_labels,
    named_columns,
    overall,
    panels,
    panels_that_fit,
    whole_ticks,
)
from mixwell.plots.left_out import with_other_factors
from mixwell.plots.marks import spread_out
from mixwell.plots.names import short_names, wrapped
from mixwell.plots.style import styled
from mixwell.plots.words import Labels, Lang, Words, words

FloatArray = NDArray[np.float64]
Positions = NDArray[np.intp]

_CONCEPT_LINES = 40


@styled
def plot_trajectories(
    design: Design,
    fit: Fit,
    x: str | None = None,
    group: str | None = None,
    levels: Sequence[str] | str | None = None,
    *,
    most: int = 18,
    level: float = 0.95,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """Observed points with the line of the population and the line of the group, a panel per group.

    The population line is X beta at the group's own covariates (numbers at their mean in the group, factors
    at their most frequent level), with its confidence band; the group line adds the factor's random effects
    and is drawn where the group has data. Random effects of other factors are zero.

    Parameters
    ----------
    design, fit
        Of a fitted model.
    x
        The covariate along the axis, a number or a factor; by default that of the random slope, or one that
        varies within groups.
    group
        A grouping factor; by default the one with most levels.
    levels
        The groups to draw; by default an even choice over the order of their random effects, both ends
        included.
    most
        Panels at most; in the place of ``ax`` no more than have room there.
    level
        Of the band of the population line (Satterthwaite's degrees of freedom).
    ax
        Axes to draw in; the panels take its place, the first being ``ax`` itself.
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
        If there is no such variable, factor or level.
    ModelError
        If no covariate varies within groups.

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> ax = plot_trajectories(fit.design, fit.fit, levels=["308", "309"], ax=Figure().subplots())
    >>> [panel.get_title() for panel in ax.figure.axes]
    ['308', '309']
    """
    text = words(lang, labels)
    index = factor_index(design, group)
    axis = covariate_along(design, index, x)
    factor = design.factors[index]
    fit_columns, fit_rows = panels_that_fit(ax, 1.1, 1.1)
    if levels is None:
        check_count("most, the number of groups drawn,", most)
        most = min(most, fit_columns * fit_rows)
    shown = chosen_groups(design, fit, index, levels, most)
    lines = group_lines(design, fit, index, axis, shown, level)
    columns = min(len(shown), fit_columns, 3 if len(shown) <= 6 else 4 if len(shown) <= 16 else 6)
    rows = -(-len(shown) // columns)
    wide = 1.2 if axis.ticks is not None and len(axis.ticks) > 3 else 1.0 if columns <= 4 else 0.85
    axes = panels(
        ax,
        len(shown),
        columns,
        (max(4.8, 2.25 * columns * wide + 0.6), max(3.6, 1.9 * rows + 0.9)),
        share_x=True,
        share_y=True,
    )
    room = int(extent(axes[0])[0] / 5.5)
    titles = short_names(factor.levels[shown], room)
    for i, panel in enumerate(axes):
        mine = factor.codes == shown[i]
        draw_group(panel, axis, lines, i, axis.position[mine], design.y[mine], level, text)
        panel.set_title(titles[i], fontsize=style.SMALL + 1, pad=3)
    name_along(axes, axis)
    margin_labels(axes, columns, text.name(axis.name), text.name(design.response_name))
    title = text.say(
        "{y} along {x} by {group} ({count})",
        y=text.name(design.response_name),
        x=text.name(axis.name),
        group=text.name(factor.name),
        count=text.count(len(shown), factor.n_levels),
    )
    overall(axes, with_other_factors(title, design, index, group, text), 3, own=ax is None)
    return axes[0]


def name_along(axes: Sequence[Axes], axis: Covariate) -> None:
    """Ticks of the covariate: levels by name, whole numbers where there are only such."""
    for panel in axes:
        if axis.ticks is not None:
            named_columns(panel, axis.ticks)
        elif whole(axis.position):
            whole_ticks(panel, most=5)


def chosen_groups(
    design: Design, fit: Fit, factor: int, levels: Sequence[str] | str | None, most: int
) -> Positions:
    """Codes of the groups named, or of an even choice over the order of their first random effect.

    Raises
    ------
    DataError
        If a level does not exist, or none is asked for.
    """
    known = [str(level) for level in design.factors[factor].levels]
    if levels is None:
        return some_of(np.argsort(fit.modes[factor][:, 0], kind="stable"), most)
    levels = [levels] if isinstance(levels, str) else levels
    if not len(levels):
        raise DataError("levels= names no group to draw; leave it out for an even choice.")
    place = {level: i for i, level in enumerate(known)}
    for level in levels:
        if str(level) not in place:
            raise DataError(
                f"{level!r} is not a level of {design.factors[factor].name}{near(str(level), known)}"
            )
    return np.array([place[str(level)] for level in levels], dtype=np.intp)


def draw_group(
    ax: Axes,
    axis: Covariate,
    lines: GroupLines,
    i: int,
    x: FloatArray,
    y: FloatArray,
    level: float,
    text: Words,
) -> None:
    """One panel of :func:`plot_trajectories`."""
    ax.fill_between(
        lines.x, lines.low[i], lines.high[i], color=style.MODEL, alpha=style.BAND_ALPHA, linewidth=0, zorder=1
    )
    ax.plot(
        lines.x,
        lines.population[i],
        color=style.MODEL,
        linestyle="--",
        label=text.say("population, {level:.0%} band", level=level),
    )
    # Rounding of the grid's ends, in its own units.
    slack = 1e-9 * float(np.ptp(lines.x))
    own = (lines.x >= x.min() - slack) & (lines.x <= x.max() + slack)
    if own.sum() < 2 and axis.ticks is None:
        own[np.argmin(np.abs(lines.x - x.mean()))] = True
    alone = own.sum() < 2
    ax.plot(
        lines.x[own],
        lines.group[i][own],
        color=style.GROUP,
        marker="_" if alone else None,
        markersize=16,
        markeredgewidth=2.5,
        linewidth=2,
        label=text.say("group"),
        zorder=3,
    )
    jitter = 0.0 if axis.ticks is None else 0.25 * spread_out(len(x))
    shown = evenly(np.argsort(x, kind="stable"), 400)
    ax.scatter(
        (x + jitter)[shown],
        y[shown],
        s=13,
        color=style.DATA,
        alpha=0.7,
        linewidths=0,
        label=text.say("observed"),
        zorder=4,
    )


@styled
def plot_concepts(
    design: Design,
    fit: Fit,
    x: str | None = None,
    group: str | None = None,
    *,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """What a random intercept, a random slope, and both say about the groups, from the fit itself.

    Each panel draws the same fixed effects, averaged over the groups. Lines of the groups add what the
    conditional modes say of their heights at one place, of how they turn about it, or both. The place is zero
    of the covariate, where the heights are the random intercepts, or, where zero was not observed, its mean
    (the first level of a factor).

    Parameters
    ----------
    design, fit, x, group, ax, labels, lang
        As in :func:`plot_trajectories`. Of more than 40 groups an even choice is drawn.

    Returns
    -------
    matplotlib.axes.Axes
        The first panel; all are in ``ax.figure.axes``.

    Raises
    ------
    ModelError
        If the factor does not have a random intercept and a random slope.

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> ax = plot_concepts(fit.design, fit.fit, ax=Figure().subplots())
    >>> [panel.get_title() for panel in ax.figure.axes]
    ['random intercept', 'random slope', 'both']
    """
    text = words(lang, labels)
    index = factor_index(design, group)
    factor = design.factors[index]
    effects = quantities.effect_names(design, index)
    intercept = np.array([name == "(Intercept)" for name in effects])
    if intercept.all() or not intercept.any():
        raise ModelError(
            f"plot.concepts() needs a random intercept and a random slope of one factor; {factor.name} has "
            f"{', '.join(effects)}. Fit (x | {factor.name}) with a covariate x that varies within it."
        )
    axis = covariate_along(design, index, x)
    shown = chosen_groups(design, fit, index, None, _CONCEPT_LINES)
    lines = group_lines(design, fit, index, axis, shown)
    columns = 1 if panels_that_fit(ax, 0.8, 1.0)[0] < 3 else 3
    axes = panels(ax, 3, columns, (9.6, 3.9), share_x=True, share_y=True)
    modes = fit.modes[index][shown]
    average = lines.population.mean(axis=0)
    own = np.einsum("gmk,gk->gm", lines.columns, modes)
    place = hinge(axis, np.isin(factor.codes, shown))
    height = own[:, [int(np.argmin(np.abs(lines.x - place)))]]
    at, about = text.say("random intercept"), text.say("random slope")
    if axis.ticks is None and place != 0:
        where = f"{text.name(axis.name)} = {place:.4g}"
        at = text.say("{effect} at {where}", effect=at, where=where)
        about = text.say("{effect} about {where}", effect=about, where=where)
    parts = ((at, np.broadcast_to(height, own.shape)), (about, own - height), (text.say("both"), own))
    for panel, (title, added) in zip(axes, parts, strict=True):
        drawn = average + added
        paths = [np.column_stack([lines.x, line]) for line in drawn]
        panel.add_collection(
            LineCollection(paths, colors=style.GROUP, linewidths=0.9, alpha=0.55, label=text.say("groups"))
        )
        panel.plot(lines.x, average, color=style.MODEL, linewidth=2.6, label=text.say("population"), zorder=4)
        panel.autoscale_view()
        panel.set_title(wrapped(title, extent(panel)[0]))
    name_along(axes, axis)
    margin_labels(axes, columns, text.name(axis.name), text.name(design.response_name))
    title = text.say(
        "Random effects of {group} along {x} ({count})",
        group=text.name(factor.name),
        x=text.name(axis.name),
        count=text.count(len(shown), factor.n_levels),
    )
    overall(axes, with_other_factors(title, design, index, group, text), 2, own=ax is None)
    return axes[0]
