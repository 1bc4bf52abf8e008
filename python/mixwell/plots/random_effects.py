"""Pictures of the random effects: conditional modes, their distribution, their correlation, shrinkage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray
from scipy.special import ndtri

from mixwell.design.record import Design
from mixwell.errors import MixwellError, ModelError
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.plots import style
from mixwell.plots.grouped import (
    ModeTable,
    effect_columns,
    ellipse,
    evenly,
    factor_index,
    mode_table,
    scored_modes,
    shrinkage,
)
from mixwell.plots.layout import cloud, finish, intervals, name_points, new_axes, panels, zero_line
from mixwell.plots.quantiles import normal_quantiles
from mixwell.plots.smooth import density, histogram_edges
from mixwell.plots.style import styled
from mixwell.plots.words import Labels, Lang, Words, words

FloatArray = NDArray[np.float64]

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

    Up to 40 groups all are named and share one order, that of the first effect. With more, each panel is
    sorted by itself, and outlying groups are named, or, where there are none, those at the ends. A group is
    outlying when its mode, over its standard deviation before the data were seen, is beyond the normal
    quantile for as many tests as there are groups (Bonferroni, 5 %).

    Parameters
    ----------
    design, fit
        Of a fitted model.
    group
        A grouping factor; by default the one with most levels.
    effects
        Names of its random effects; by default all.
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
    index = factor_index(design, group)
    factor = design.factors[index]
    tables = [mode_table(design, fit, index, column) for column in effect_columns(design, index, effects)]
    q = factor.n_levels
    named = q <= style.MOST_NAMES
    height = 1.5 + 0.2 * q if named else 5.6
    axes = panels(ax, len(tables), 3, (max(4.6, 3.4 * min(3, len(tables)) + 0.8), max(3.2, height)))
    first = np.argsort(tables[0].mode, kind="stable")
    for i, (panel, table) in enumerate(zip(axes, tables, strict=True)):
        order = first if named else np.argsort(table.mode, kind="stable")
        draw_caterpillar(panel, table, order, factor.levels, text, level, named=named)
        if named:
            panel.set_yticks(np.arange(q), factor.levels[order] if i % 3 == 0 else [""] * q)
        else:
            panel.set_yticks([])
        axis = text.say("{group}, sorted", group=text.name(factor.name))
        title = text.name(table.name)
        if i == 0 and len(tables) == 1:
            title = text.say("{effect} by {group}", effect=title, group=text.name(factor.name))
        finish(
            panel,
            title,
            text.say("conditional mode, {level:.0%} interval", level=level),
            (text.name(factor.name) if named else axis) if i % 3 == 0 else "",
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
    ax.scatter(mode, at, s=18 if named else 3, c=list(points), zorder=3, linewidths=0)
    zero_line(ax, horizontal=False)
    ax.set_ylim(-0.7 if named else -0.02 * len(at), len(at) - 0.3 if named else 1.02 * len(at))
    if outlying.any():
        ax.scatter([], [], s=18, color=style.FLAGGED, label=text.say("outlying"))
    if named:
        return
    # The curve leaves two corners empty: the ends are named there.
    ordered = [str(name) for name in levels[order]]
    low, high = np.flatnonzero(outlying & (mode < 0)), np.flatnonzero(outlying & (mode > 0))[::-1]
    flagged = len(low) + len(high) > 0
    lowest = listed([ordered[i] for i in (low if flagged else at[:3])], text)
    highest = listed([ordered[i] for i in (high if flagged else at[:-4:-1])], text)
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


def listed(names: Sequence[str], text: Words) -> str:
    """The first few names, a line each three, and how many more there are."""
    shown = list(names[:_NAMED])
    lines = ",\n".join(", ".join(shown[i : i + 3]) for i in range(0, len(shown), 3))
    more = len(names) - len(shown)
    return text.say("{names} and {n} more", names=lines, n=more) if more else lines


@styled
def plot_modes(
    design: Design,
    fit: Fit,
    group: str | None = None,
    effects: Sequence[str] | str | None = None,
    *,
    kind: Literal["density", "box"] = "density",
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """Distribution of the conditional modes, beside the normal distribution that the model estimates.

    Conditional modes are shrunken, so that they spread less than the random effects themselves: the normal
    curve of the model is the wider one.

    Parameters
    ----------
    design, fit, group, effects, ax, labels, lang
        As in :func:`plot_random_effects`.
    kind
        ``"density"``: histogram, kernel density and the model's normal density. ``"box"``: boxes with points.

    Returns
    -------
    matplotlib.axes.Axes
        The first panel.

    Raises
    ------
    ModelError
        If the variances are estimated as zero.

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> ax = plot_modes(fit.design, fit.fit, effects="Days", ax=Figure().subplots())
    >>> ax.get_xlabel()
    'conditional mode of Days'
    """
    if kind not in ("density", "box"):
        raise MixwellError(f"There is no kind={kind!r}; modes are drawn as 'density' or 'box'.")
    text = words(lang, labels)
    index = factor_index(design, group)
    name = text.name(design.factors[index].name)
    tables = scored_modes(design, fit, index, effect_columns(design, index, effects))
    covariance = quantities.factor_cov(design, fit, index)
    known = quantities.effect_names(design, index)
    axes = panels(ax, len(tables), 3, (max(4.8, 3.7 * min(3, len(tables))), 3.9))
    for panel, table in zip(axes, tables, strict=True):
        sd = float(np.sqrt(covariance[known.index(table.name), known.index(table.name)]))
        label = text.say("conditional mode of {effect}", effect=text.name(table.name))
        title = text.say(
            "{effect}, {n} levels of {group}", effect=text.name(table.name), n=len(table.mode), group=name
        )
        if kind == "box":
            draw_mode_box(panel, table)
            finish(panel, title, label, "")
            panel.set_yticks([])
            continue
        panel.hist(
            table.mode,
            bins=histogram_edges(table.mode).tolist(),
            density=True,
            color=style.QUIET,
            alpha=0.4,
            label=text.say("modes"),
        )
        found = density(table.mode)
        panel.plot(found.x, found.height, color=style.MODEL, label=text.say("kernel density"))
        grid = np.linspace(-3.5 * sd, 3.5 * sd, 201)
        normal = np.exp(-0.5 * (grid / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
        panel.plot(
            grid,
            normal,
            color=style.GROUP,
            linestyle="--",
            label=text.say("model: normal, SD {sd:.3g}", sd=sd),
        )
        finish(panel, title, label, text.say("density"))
    return axes[0]


def draw_mode_box(ax: Axes, table: ModeTable) -> None:
    """A box of the modes, every group a point."""
    ax.boxplot(
        table.mode,
        orientation="horizontal",
        positions=[0],
        widths=0.5,
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": style.MODEL, "alpha": 0.2},
        medianprops={"color": style.BLACK},
    )
    jitter = ((np.arange(len(table.mode)) * 0.6180339887) % 1 - 0.5) * 0.4
    ax.scatter(
        table.mode,
        jitter,
        s=12 if len(table.mode) < 500 else 3,
        c=list(np.where(table.outlying, style.FLAGGED, style.DATA)),
        alpha=0.7,
        linewidths=0,
        zorder=3,
    )
    zero_line(ax, horizontal=False)


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

    Each mode is divided by its own standard deviation sqrt(Var b - Var(b | y)), so that groups of different
    size are comparable (Lange & Ryan 1989); if the model holds, the points are near the line.

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
    index = factor_index(design, group)
    factor = design.factors[index]
    tables = scored_modes(design, fit, index, effect_columns(design, index, effects))
    if together and len(tables) > 1:
        ax = new_axes(ax, (5.2, 4.6))
        draw_many_quantiles(ax, tables, text, level)
        title = text.say("Random effects of {group}", group=text.name(factor.name))
        finish(ax, title, text.say("normal quantile"), text.say("standardized mode"))
        return ax
    axes = panels(ax, len(tables), 3, (max(4.6, 3.7 * min(3, len(tables))), 4.0))
    for panel, table in zip(axes, tables, strict=True):
        known = np.flatnonzero(np.isfinite(table.score))
        draw_quantiles(panel, table.score[known], factor.levels[known], text, level)
        title = text.say("{effect} by {group}", effect=text.name(table.name), group=text.name(factor.name))
        finish(panel, title, text.say("normal quantile"), text.say("standardized mode"))
    return axes[0]


def draw_quantiles(
    ax: Axes, values: FloatArray, names: NDArray[np.generic] | None, text: Words, level: float
) -> None:
    """Normal quantile points, line and simultaneous band; the farthest points outside are named."""
    found = normal_quantiles(values, level)
    ax.fill_between(
        found.theoretical,
        found.low,
        found.high,
        color=style.MODEL,
        alpha=style.BAND_ALPHA,
        linewidth=0,
        label=text.say("{level:.0%} simultaneous band", level=level),
    )
    ends = found.theoretical[[0, -1]]
    ax.plot(ends, ends, color=style.REFERENCE, linewidth=0.9, linestyle="--")
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
        [str(name) for name in names[found.position[worst]]],
        to_left=found.sample[worst] > found.theoretical[worst],
        rise=4,
    )


def draw_many_quantiles(ax: Axes, tables: Sequence[ModeTable], text: Words, level: float) -> None:
    """Quantiles of several random effects over one band."""
    for i, table in enumerate(tables):
        found = normal_quantiles(table.score[np.isfinite(table.score)], level)
        if i == 0:
            ax.fill_between(
                found.theoretical,
                found.low,
                found.high,
                color=style.QUIET,
                alpha=style.BAND_ALPHA,
                linewidth=0,
                label=text.say("{level:.0%} simultaneous band", level=level),
            )
            ends = found.theoretical[[0, -1]]
            ax.plot(ends, ends, color=style.REFERENCE, linewidth=0.9, linestyle="--")
        ax.scatter(
            found.theoretical,
            found.sample,
            s=14,
            color=style.colour(i),
            marker=style.marker(i),
            linewidths=0,
            alpha=0.8,
            label=text.name(table.name),
            zorder=3,
        )


@styled
def plot_intercept_slope(
    design: Design,
    fit: Fit,
    group: str | None = None,
    effects: Sequence[str] | None = None,
    *,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """Two random effects against each other, with the ellipses of their estimated covariance.

    The ellipses hold 50 % and 95 % of the random effects that the model estimates; conditional modes are
    shrunken towards the centre, so that fewer of them lie outside.

    Parameters
    ----------
    design, fit, group, ax, labels, lang
        As in :func:`plot_random_effects`.
    effects
        The two effects; by default the first two of the factor.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ModelError
        If the factor has one random effect only.

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> ax = plot_intercept_slope(fit.design, fit.fit, ax=Figure().subplots())
    >>> ax.get_title()
    '(Intercept) and Days by Subject, correlation 0.07'
    """
    text = words(lang, labels)
    index = factor_index(design, group)
    factor = design.factors[index]
    chosen = effect_columns(design, index, effects)
    if len(chosen) < 2 or (effects is not None and len(chosen) != 2):
        raise ModelError(
            f"plot.intercept_slope() draws two random effects of one factor; {factor.name} gives "
            f"{len(chosen)}. Fit a random slope, (x | {factor.name}), or name two effects."
        )
    a, b = chosen[:2]
    names = quantities.effect_names(design, index)
    modes = fit.modes[index]
    covariance = quantities.factor_cov(design, fit, index)[np.ix_([a, b], [a, b])]
    correlation = float(quantities.correlation(covariance)[0, 1])
    ax = new_axes(ax, (5.6, 5.0))
    for probability, width in ((0.5, 1.6), (0.95, 1.1)):
        edge = ellipse(covariance, probability)
        ax.plot(
            edge[:, 0],
            edge[:, 1],
            color=style.MODEL,
            linewidth=width,
            linestyle="-" if probability == 0.5 else "--",
            label=text.say("{level:.0%} of random effects, as estimated", level=probability),
            zorder=2,
        )
    cloud(ax, modes[:, a], modes[:, b], text, scale=False)
    zero_line(ax)
    zero_line(ax, horizontal=False)
    values, vectors = np.linalg.eigh(covariance)
    usable = np.flatnonzero(values > 1e-10 * values[-1])
    along = (modes[:, [a, b]] @ vectors)[:, usable] / np.sqrt(values[usable])
    distance = np.sum(along**2, axis=1)
    far = np.argsort(-distance)[: len(modes) if len(modes) <= 25 else 5]
    name_points(ax, modes[far, a], modes[far, b], list(factor.levels[far]), limit=25)
    pair = text.say("{first} and {second}", first=text.name(names[a]), second=text.name(names[b]))
    title = text.say("{effect} by {group}", effect=pair, group=text.name(factor.name))
    if np.isfinite(correlation):
        title = text.say("{title}, correlation {r:.2f}", title=title, r=correlation)
    finish(
        ax,
        title,
        text.say("conditional mode of {effect}", effect=text.name(names[a])),
        text.say("conditional mode of {effect}", effect=text.name(names[b])),
    )
    return ax


@styled
def plot_shrinkage(
    design: Design,
    fit: Fit,
    group: str | None = None,
    effects: Sequence[str] | str | None = None,
    *,
    most: int = 80,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """From no pooling to partial pooling: how the model moves each group towards the population.

    Arrows run from each group's own least-squares coefficients to those of the model (fixed effect +
    conditional mode). Two effects are drawn in the plane, one along an axis, sorted. Groups whose rows do
    not determine their own coefficients have no arrow, only the model's point.

    Parameters
    ----------
    design, fit, group, ax, labels, lang
        As in :func:`plot_random_effects`.
    effects
        One or two random effects; by default the first two of the factor.
    most
        Of more groups than this an even choice is drawn, over the order of the first effect.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> ax = plot_shrinkage(fit.design, fit.fit, ax=Figure().subplots())
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('(Intercept)', 'Days')
    """
    text = words(lang, labels)
    index = factor_index(design, group)
    factor = design.factors[index]
    chosen = effect_columns(design, index, effects)[:2]
    found = shrinkage(design, fit, index)
    determined: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(found.own), axis=1)
    order = np.argsort(found.model[:, chosen[0]], kind="stable")
    shown = evenly(order, most)
    own, model = found.own[shown][:, chosen], found.model[shown][:, chosen]
    moved = determined[shown]
    population = found.population[list(chosen)]
    names = [text.name(found.names[i]) for i in chosen]
    count = (
        f"{len(shown)}"
        if len(shown) == factor.n_levels
        else text.say("{n} of {all}", n=len(shown), all=factor.n_levels)
    )
    title = text.say("Shrinkage of {group} ({count})", group=text.name(factor.name), count=count)
    size = 22 if len(shown) <= 30 else 12
    if len(chosen) == 2:
        ax = new_axes(ax, (6.0, 5.2))
        start, end = own, model
        centre = (population[0], population[1])
    else:
        ax = new_axes(ax, (5.6, max(3.4, min(7.0, 1.6 + 0.2 * len(shown)))))
        place = np.arange(len(shown), dtype=np.float64)
        start, end = np.column_stack([own[:, 0], place]), np.column_stack([model[:, 0], place])
        ax.axvline(population[0], color=style.BLACK, linewidth=1.2, label=text.say("population"), zorder=1)
    draw_arrows(ax, start[moved], end[moved])
    ax.scatter(
        start[moved, 0],
        start[moved, 1],
        s=size,
        facecolors="white",
        edgecolors=style.DATA,
        linewidths=0.9,
        label=text.say("own rows only"),
        zorder=3,
    )
    ax.scatter(
        end[:, 0], end[:, 1], s=size, color=style.MODEL, linewidths=0, label=text.say("model"), zorder=4
    )
    if len(chosen) == 2:
        ax.scatter(
            *centre,
            marker="*",
            s=170,
            color=style.GROUP,
            edgecolors="white",
            label=text.say("population"),
            zorder=5,
        )
    ax.margins(0.08)
    ax.autoscale_view()
    levels = factor.levels[shown]
    if len(chosen) == 1:
        if len(shown) <= style.MOST_NAMES:
            ax.set_yticks(np.arange(len(shown)), levels)
        else:
            ax.set_yticks([])
        ax.set_ylim(-0.7, len(shown) - 0.3)
    else:
        length = np.where(moved, np.hypot(*((start - end) / np.ptp(end, axis=0).clip(1e-300)).T), -1)
        far = np.argsort(-length)[: len(shown) if len(shown) <= 20 else 6]
        far = far[length[far] >= 0]
        name_points(
            ax,
            start[far, 0],
            start[far, 1],
            list(levels[far]),
            limit=20,
            to_left=start[far, 0] < end[far, 0],
        )
    y_label = names[1] if len(chosen) == 2 else text.name(factor.name)
    finish(ax, title, names[0], y_label)
    return ax


def draw_arrows(ax: Axes, start: FloatArray, end: FloatArray) -> None:
    """Thin lines that darken towards their end, from the group's own coefficients to the model's."""
    middle = start + 0.55 * (end - start)
    ax.add_collection(
        LineCollection(list(np.stack([start, end], axis=1)), colors=style.QUIET, linewidths=0.8)
    )
    for a, b in zip(start, middle, strict=True):
        ax.annotate(
            "",
            xy=(b[0], b[1]),
            xytext=(a[0], a[1]),
            arrowprops={
                "arrowstyle": "-|>",
                "color": style.QUIET,
                "lw": 0.8,
                "mutation_scale": 9,
                "shrinkA": 0,
            },
        )
