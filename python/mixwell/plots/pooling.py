"""Picture of shrinkage: each group's own coefficients and the model's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from mixwell.arguments import is_count
from mixwell.design.record import Design
from mixwell.errors import ModelError
from mixwell.fit.record import Fit
from mixwell.plots import style
from mixwell.plots.along import shrinkage_at_observed
from mixwell.plots.grouped import Shrinkage, factors_with, some_of
from mixwell.plots.layout import columns_for, finish, named_rows, new_axes, panels, room_for_names
from mixwell.plots.marks import name_points
from mixwell.plots.style import styled
from mixwell.plots.words import Labels, Lang, Words, words

FloatArray = NDArray[np.float64]

# Own coefficients further out than this many times the spread of the middle 90 % are beyond the axes.
_FAR = 1.5


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
    conditional mode). Two effects are drawn in the plane, one along an axis, sorted; each factor has a panel,
    and more than two effects have one for each pair with the first. Groups whose rows do not determine their
    own coefficients have no arrow, only the model's point. Where a few groups' own coefficients lie so far
    out that they would press all others together, their arrows come from beyond the axes and the title counts
    them.

    An intercept is a value at zero of all covariates. Those of which zero lies outside what was observed (an
    age, a year) are at their means instead, and the axis says so.

    Parameters
    ----------
    design, fit, group, ax, labels, lang
        As in :func:`plot_random_effects`.
    effects
        One or two random effects; by default all.
    most
        Of more groups than this an even choice is drawn, over the order of the first effect.

    Returns
    -------
    matplotlib.axes.Axes
        The first panel; all are in ``ax.figure.axes``.

    Raises
    ------
    DataError
        If there is no such factor or effect, or ``most`` is below 1.
    ModelError
        If more than two effects are named.

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
    parts: list[tuple[int, tuple[int, ...]]] = []
    for index, columns in factors_with(design, group, effects):
        if effects is not None and len(columns) > 2:
            raise ModelError(
                f"plot.shrinkage() draws one or two random effects, not {len(columns)}; "
                "name two with effects=."
            )
        first, *others = columns
        parts += [(index, (first, other)) for other in others] or [(index, (first,))]
    if len(parts) == 1:
        index, chosen = parts[0]
        if ax is None and len(chosen) == 1:
            rows = min(most, design.factors[index].n_levels) if is_count(most) else 0
            ax = new_axes(ax, (5.6, max(3.4, min(7.0, 1.6 + 0.2 * rows))))
        ax = new_axes(ax, (6.0, 5.2))
        draw_shrinkage(ax, design, fit, index, chosen, most, text)
        return ax
    across = columns_for(ax, len(parts), 3, shape=1.0)
    axes = panels(ax, len(parts), across, (max(5.6, 4.6 * across), 4.6 * -(-len(parts) // across)))
    for panel, (index, chosen) in zip(axes, parts, strict=True):
        draw_shrinkage(panel, design, fit, index, chosen, most, text)
    return axes[0]


def draw_shrinkage(
    ax: Axes, design: Design, fit: Fit, index: int, chosen: tuple[int, ...], most: int, text: Words
) -> None:
    """One panel of :func:`plot_shrinkage`: two effects of a factor in the plane, or one along an axis."""
    factor = design.factors[index]
    found = shrinkage_at_observed(design, fit, index)
    determined: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(found.own), axis=1)
    shown = some_of(np.argsort(found.model[:, chosen[0]], kind="stable"), most)
    own, model = found.own[shown][:, chosen], found.model[shown][:, chosen]
    moved = determined[shown]
    names = [axis_name(found, i, text) for i in chosen]
    title = text.say(
        "Shrinkage of {group} ({count})",
        group=text.name(factor.name),
        count=text.count(len(shown), factor.n_levels),
    )
    plane = len(chosen) == 2
    if plane:
        start, end = own, model
    else:
        place = np.arange(len(shown), dtype=np.float64)
        start, end = np.column_stack([own[:, 0], place]), np.column_stack([model[:, 0], place])
    draw_moves(ax, start, end, moved, text)
    draw_population(ax, found.population[list(chosen)], text)
    beyond = frame_moves(ax, start[moved], end)
    if beyond:
        title = text.say("{title} ({n} beyond the axes)", title=title, n=beyond)
    levels = factor.levels[shown]
    if plane:
        name_longest_moves(ax, start, end, moved, levels)
        finish(ax, title, names[0], names[1])
        return
    ax.set_ylim(-0.7, len(shown) - 0.3)
    if room_for_names(ax, len(shown)):
        named_rows(ax, levels)
        finish(ax, title, names[0], text.name(factor.name))
    else:
        ax.set_yticks([])
        finish(ax, title, names[0], text.say("{group}, sorted", group=text.name(factor.name)))


def axis_name(found: Shrinkage, effect: int, text: Words) -> str:
    """What a random effect is called on its axis, an intercept with where it is."""
    name = text.name(found.names[effect])
    if found.names[effect] != "(Intercept)" or not found.where:
        return name
    where = text.list([f"{text.name(covariate)} = {value:.4g}" for covariate, value in found.where])
    return text.say("{effect} at {where}", effect=name, where=where)


def draw_moves(ax: Axes, start: FloatArray, end: FloatArray, moved: NDArray[np.bool_], text: Words) -> None:
    """Each group's own coefficients, those of the model, and a line with an arrow from one to the other."""
    a, b = start[moved], end[moved]
    ax.add_collection(LineCollection(list(np.stack([a, b], axis=1)), colors=style.QUIET, linewidths=0.8))
    half = 0.55 * (b - a)
    ax.quiver(
        a[:, 0],
        a[:, 1],
        half[:, 0],
        half[:, 1],
        angles="xy",
        scale_units="xy",
        scale=1,
        units="inches",
        width=0.009,
        headwidth=6,
        headlength=8,
        headaxislength=7,
        minlength=0.1,
        color=style.QUIET,
        zorder=2,
    )
    size = 22 if len(start) <= 30 else 12
    ax.scatter(
        a[:, 0],
        a[:, 1],
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


def draw_population(ax: Axes, fixed: FloatArray, text: Words) -> None:
    """The fixed effects: a star in the plane of two, a line across one."""
    label = text.say("population")
    if len(fixed) == 1:
        ax.axvline(fixed[0], color=style.GROUP, linewidth=1.2, label=label, zorder=1)
        return
    ax.scatter(
        fixed[0], fixed[1], marker="*", s=170, color=style.GROUP, edgecolors="white", label=label, zorder=5
    )


def frame_moves(ax: Axes, start: FloatArray, end: FloatArray) -> int:
    """Limits that a few groups' own wild coefficients do not stretch; how many of these lie beyond."""
    ax.margins(0.08)
    ax.autoscale_view()
    if not len(start):
        return 0
    low, high = np.quantile(start, [0.05, 0.95], axis=0)
    room = _FAR * (high - low)
    low, high = np.minimum(low - room, end.min(axis=0)), np.maximum(high + room, end.max(axis=0))
    near = ((start >= low) & (start <= high)).all(axis=1)
    if not near.all():
        seen = np.concatenate([start[near], end])
        edge = 0.05 * np.ptp(seen, axis=0)
        ax.set_xlim(seen[:, 0].min() - edge[0], seen[:, 0].max() + edge[0])
        ax.set_ylim(seen[:, 1].min() - edge[1], seen[:, 1].max() + edge[1])
    return int((~near).sum())


def name_longest_moves(
    ax: Axes, start: FloatArray, end: FloatArray, moved: NDArray[np.bool_], levels: NDArray[np.object_]
) -> None:
    """Names of all of a few groups, else of those in view that move furthest."""
    length = np.hypot(*((start - end) / np.ptp(end, axis=0).clip(1e-300)).T)
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    inside = (start[:, 0] >= left) & (start[:, 0] <= right) & (start[:, 1] >= bottom) & (start[:, 1] <= top)
    length = np.where(moved & inside, length, -1.0)
    far = np.argsort(-length)[: len(start) if len(start) <= 20 else 6]
    far = far[length[far] >= 0]
    name_points(
        ax, start[far, 0], start[far, 1], list(levels[far]), limit=20, to_left=start[far, 0] < end[far, 0]
    )
