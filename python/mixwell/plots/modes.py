"""Pictures of the conditional modes as a sample: one effect's distribution, two effects together."""

from __future__ import annotations

from collections.abc import Sequence
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
    effect_columns,
    ellipse,
    factor_index,
    factors_with,
    scored_modes,
)
from mixwell.plots.layout import columns_for, finish, new_axes, overall, panels, zero_line
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
            title = text.say("{effect}, SD {sd:.3g}, modes {spread:.3g}", effect=alone, sd=sd, spread=spread)
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
    names = quantities.effect_names(design, index)
    chosen = effect_columns(design, index, effects)
    if len(chosen) < 2 or (effects is not None and len(chosen) != 2):
        has = f"{factor.name} has {', '.join(names)}"
        remedy = f"Fit a random slope, (x | {factor.name})" if len(names) < 2 else "Name two with effects="
        raise ModelError(f"plot.intercept_slope() draws two random effects of one factor; {has}. {remedy}.")
    a, b = chosen[:2]
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
    # Effects in standard deviations: their units differ.
    sd = np.sqrt(np.diagonal(covariance))
    sd = np.where(sd > 0, sd, 1.0)
    values, vectors = np.linalg.eigh(covariance / np.outer(sd, sd))
    usable = np.flatnonzero(values > 1e-10 * values[-1])
    along = (modes[:, [a, b]] / sd @ vectors)[:, usable] / np.sqrt(values[usable])
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
