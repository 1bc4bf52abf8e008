"""Pictures of the conditional modes as a sample: one effect's distribution, two effects together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import numpy as np
from matplotlib.axes import Axes

from mixwell.arguments import check_one_of
from mixwell.design.record import Design
from mixwell.errors import ModelError
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.plots import style
from mixwell.plots.grouped import (
    ModeTable,
    ellipse,
    factors_with,
    scored_modes,
)
from mixwell.plots.layout import columns_for, finish, new_axes, overall, panels, panels_that_fit, zero_line
from mixwell.plots.left_out import say_left_out
from mixwell.plots.marks import (
    cloud,
    draw_boxes,
    draw_distribution,
    draw_normals,
    name_points,
    spread_out,
)
from mixwell.plots.style import styled
from mixwell.plots.words import Labels, Lang, Words, words

# Panels of a figure.
_MOST_PAIRS = 6


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
    """Distribution of the conditional modes, beside that which they have if the model holds.

    Conditional modes are shrunken, so that they spread less than the random effects themselves. The dashed
    curve is what the modes of these groups are expected to look like: a mean of normal densities, one per
    group, with variance Var b - Var(b - mode), less for a group of few rows. The dotted curve is the normal
    distribution of the random effects themselves, which modes do not follow.

    Parameters
    ----------
    design, fit, group, effects, ax, labels, lang
        As in :func:`plot_random_effects`.
    kind
        ``"density"``: histogram, kernel density and the expected density; fewer than 12 modes as strokes.
        ``"box"``: boxes with points.

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
    check_one_of("kind", kind, ("density", "box"))
    text = words(lang, labels)
    chosen = factors_with(design, group, effects)
    tables, still = scored_modes(design, fit, chosen)
    columns = columns_for(ax, len(tables), 3)
    axes = panels(ax, len(tables), columns, (max(4.8, 3.9 * columns), 3.9 * -(-len(tables) // columns)))
    several = len(tables) > 1
    for panel, table in zip(axes, tables, strict=True):
        effect, name = text.name(table.name), text.name(design.factors[table.factor].name)
        label = text.say("conditional mode of {effect}", effect=effect)
        title = text.say("{effect} by {group}", effect=effect, group=name)
        alone = effect if len(chosen) == 1 else title
        title = text.say("{title} ({count})", title=title, count=len(table.mode))
        if not several:
            title = with_still(title, still, text)
        if kind == "box":
            draw_mode_box(panel, table)
            finish(panel, alone if several else title, label, "")
            panel.set_yticks([])
            continue
        spread, sd = table.expected_sd, table.sd_effect
        if several:
            expected, itself = text.say("modes expected of the model"), text.say("random effects: normal")
            title = text.say(
                "{effect}: SD {sd:.3g}, of modes {spread:.3g}", effect=alone, sd=sd, spread=spread
            )
        else:
            expected = text.say("modes expected of the model, SD {sd:.3g}", sd=spread)
            itself = text.say("random effects: normal, SD {sd:.3g}", sd=sd)
        varying = table.spread[table.spread > 0]
        draw_distribution(
            panel, table.mode, 0.0, varying, text, values_are=text.say("modes"), normal_is=expected
        )
        draw_normals(
            panel, 0.0, np.array([sd]), label=itself, color=style.REFERENCE, linestyle=":", linewidth=1.0
        )
        finish(panel, title, label, text.say("density"), handles=[] if several else None)
    if several:
        if len(chosen) > 1:
            together = text.say("Random effects")
        else:
            together = text.say(
                "Random effects of {group} ({count})",
                group=text.name(design.factors[chosen[0][0]].name),
                count=len(tables[0].mode),
            )
        overall(axes, with_still(together, still, text), 2, own=ax is None)
    return axes[0]


def with_still(title: str, still: Sequence[ModeTable], text: Words) -> str:
    """A title that names the effects without variance, which have no distribution to draw."""
    names = text.list([text.name(table.name) for table in still])
    return text.say("{title} (variance zero: {names})", title=title, names=names) if still else title


def draw_mode_box(ax: Axes, table: ModeTable) -> None:
    """A box of the modes, every group a point."""
    draw_boxes(ax, [table.mode], [0.0], 0.5, style.MODEL, horizontal=True)
    ax.scatter(
        table.mode,
        0.4 * spread_out(len(table.mode)),
        s=12 if len(table.mode) < 500 else 3,
        c=list(np.where(table.outlying, style.FLAGGED, style.DATA)),
        alpha=0.7,
        linewidths=0,
        zorder=3,
    )
    ax.margins(x=0.06)
    ax.set_ylim(-0.5, 0.5)
    ax.spines["left"].set_visible(False)
    zero_line(ax, horizontal=False)


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
    """Two random effects against each other, with the ellipses that hold their modes if the model is true.

    The ellipses hold 50 % and 95 % of the conditional modes, whose covariance is that of shrunken effects, on
    average over the groups; the dotted one 95 % of the random effects themselves, which modes do not reach.
    By default each pair of effects of a factor has a panel.

    Parameters
    ----------
    design, fit, group, ax, labels, lang
        As in :func:`plot_random_effects`.
    effects
        The two effects; by default all pairs. What does not fit, beyond 6 panels or the room in ``ax``, is
        counted in the title and named in a warning.

    Returns
    -------
    matplotlib.axes.Axes
        The first panel; all are in ``ax.figure.axes``.

    Raises
    ------
    ModelError
        If no factor has two random effects.

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
    parts = factors_with(design, group, effects)
    pairs = [(index, a, b) for index, columns in parts for a, b in combinations(columns, 2)]
    if not pairs or (effects is not None and any(len(columns) > 2 for _, columns in parts)):
        factor = design.factors[parts[0][0]]
        names = quantities.effect_names(design, parts[0][0])
        has = f"{factor.name} has {', '.join(names)}"
        remedy = f"Fit a random slope, (x | {factor.name})" if len(names) < 2 else "Name two with effects="
        raise ModelError(f"plot.intercept_slope() draws two random effects of one factor; {has}. {remedy}.")
    across, up = panels_that_fit(ax, 2.2, 2.0)
    most = min(_MOST_PAIRS, across * up)
    names_of = [pair_name(design, pair, text) for pair in pairs]
    title = say_left_out("", names_of[most:], "effects=", text, len(pairs), text.say("pairs"))
    pairs = pairs[:most]
    if len(pairs) == 1:
        ax = new_axes(ax, (5.6, 5.0))
        draw_pair(ax, design, fit, pairs[0], text, title)
        return ax
    columns = columns_for(ax, len(pairs), 3, shape=1.1)
    axes = panels(ax, len(pairs), columns, (max(5.6, 4.4 * columns), 4.5 * -(-len(pairs) // columns)))
    for panel, pair in zip(axes, pairs, strict=True):
        draw_pair(panel, design, fit, pair, text, "")
    overall(axes, title.strip(), 3, own=ax is None)
    return axes[0]


def pair_name(design: Design, pair: tuple[int, int, int], text: Words) -> str:
    """Two effects and whose they are."""
    index, a, b = pair
    names = quantities.effect_names(design, index)
    both = text.say("{first} and {second}", first=text.name(names[a]), second=text.name(names[b]))
    return text.say("{effect} by {group}", effect=both, group=text.name(design.factors[index].name))


def draw_pair(ax: Axes, design: Design, fit: Fit, pair: tuple[int, int, int], text: Words, note: str) -> None:
    """One panel of :func:`plot_intercept_slope`."""
    index, a, b = pair
    own = np.ix_([a, b], [a, b])
    names = quantities.effect_names(design, index)
    modes = fit.modes[index]
    covariance = quantities.factor_cov(design, fit, index)[own]
    spread = quantities.mode_spread(design, fit, index).mean(axis=0)[own]
    correlation = float(quantities.correlation(covariance)[0, 1])
    for probability, width, line in ((0.5, 1.6, "-"), (0.95, 1.1, "--")):
        label = text.say("{level:.0%} of modes, as expected", level=probability)
        edge = ellipse(spread, probability)
        ax.plot(*edge.T, color=style.MODEL, linewidth=width, linestyle=line, label=label, zorder=2)
    label = text.say("{level:.0%} of random effects", level=0.95)
    edge = ellipse(covariance, 0.95)
    ax.plot(*edge.T, color=style.REFERENCE, linewidth=0.8, linestyle=":", label=label, zorder=2)
    cloud(ax, modes[:, a], modes[:, b], text, scale=False)
    zero_line(ax)
    zero_line(ax, horizontal=False)
    # Effects in standard deviations: their units differ.
    sd = np.sqrt(np.diagonal(spread))
    sd = np.where(sd > 0, sd, 1.0)
    values, vectors = np.linalg.eigh(spread / np.outer(sd, sd))
    usable = np.flatnonzero(values > 1e-10 * values[-1])
    along = (modes[:, [a, b]] / sd @ vectors)[:, usable] / np.sqrt(values[usable])
    distance = np.sum(along**2, axis=1)
    far = np.argsort(-distance)[: len(modes) if len(modes) <= 25 else 5]
    levels = design.factors[index].levels
    name_points(ax, modes[far, a], modes[far, b], list(levels[far]), limit=25)
    title = pair_name(design, pair, text)
    if not together(design, index, a, b):
        title = text.say("{title}, independent in the model", title=title)
    elif np.isfinite(correlation):
        title = text.say("{title}, correlation {r:.2f}", title=title, r=correlation)
    finish(
        ax,
        title + note,
        text.say("conditional mode of {effect}", effect=text.name(names[a])),
        text.say("conditional mode of {effect}", effect=text.name(names[b])),
    )


def together(design: Design, factor: int, a: int, b: int) -> bool:
    """Whether two random effects of a factor are of one term, so that their correlation is estimated."""
    term = [i for i in quantities.terms_of(design, factor) for _ in design.terms[i].names]
    return term[a] == term[b]
