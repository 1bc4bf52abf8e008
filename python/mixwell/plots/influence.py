"""Pictures of influence, by row or by group. They take the numbers, so that any measure can be drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from mixwell.errors import DataError
from mixwell.plots import style
from mixwell.plots.layout import finish, name_points, new_axes
from mixwell.plots.style import styled
from mixwell.plots.words import Labels, Lang, words

_NAMED = 6
_STEMS = 300


@styled
def plot_cooks(
    distances: ArrayLike,
    names: Sequence[object],
    by: str = "row",
    *,
    threshold: float | None = None,
    measure: str = "Cook's distance",
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """Cook's distances: of groups sorted, of rows in their order; the largest are named.

    Of more than 6000 only the 300 largest are drawn.

    Parameters
    ----------
    distances
        Length m.
    names
        The m rows or groups; those whose distance is not defined are left out and counted in the title.
    by
        ``"row"``, or the factor whose groups were left out.
    threshold
        Values above it are coloured; by default 4 / m, the usual guide to a closer look, no test.
    measure
        What is drawn, for the axis.
    ax, labels, lang
        As in :func:`mixwell.plots.plot_residuals`.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If there are not as many names as distances, or no distance is defined.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = plot_cooks([0.1, 0.9, 0.2], ["a", "b", "c"], "school", ax=Figure().subplots())
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['a', 'c', 'b']
    """
    text = words(lang, labels)
    values = np.asarray(distances, dtype=np.float64)
    if values.ndim != 1 or len(values) != len(names):
        raise DataError(f"There are {len(names)} names for distances of shape {values.shape}.")
    defined = np.isfinite(values)
    if not defined.any():
        raise DataError("None of the distances is defined, so there is nothing to draw.")
    names = [name for name, known in zip(names, defined, strict=True) if known]
    values = values[defined]
    limit = 4 / len(values) if threshold is None else threshold
    label = text.say("Cook's distance") if measure == "Cook's distance" else measure
    over = values > limit
    colours = np.where(over, style.FLAGGED, style.MODEL)
    what = text.say("row") if by == "row" else text.name(by)
    title = text.say("{measure} by {group}", measure=label, group=what)
    if not defined.all():
        title = text.say("{title} ({n} not defined)", title=title, n=int(np.sum(~defined)))
    line = text.say("guide {limit:.3g}", limit=limit)
    if by != "row" and len(values) <= style.MOST_NAMES:
        order = np.argsort(values, kind="stable")
        ax = new_axes(ax, (5.6, max(3.2, 1.5 + 0.2 * len(values))))
        at = np.arange(len(order))
        ax.hlines(at, 0, values[order], colors=list(colours[order]), linewidth=1.4)
        ax.scatter(values[order], at, c=list(colours[order]), s=20, zorder=3, linewidths=0)
        ax.set_yticks(at, [str(names[i]) for i in order])
        ax.set_ylim(-0.7, len(order) - 0.3)
        ax.axvline(limit, color=style.REFERENCE, linewidth=0.8, linestyle="--", label=line)
        ax.set_xlim(left=0)
        finish(ax, title, label, what)
        return ax
    order = np.arange(len(values)) if by == "row" else np.argsort(-values, kind="stable")
    ax = new_axes(ax, (6.8, 4.0))
    at = np.arange(len(order))
    many = len(order) > style.MOST_POINTS
    # Stems that would merge into an area say nothing: of many only the largest are drawn.
    drawn = np.argsort(-values[order], kind="stable")[:_STEMS] if many else at
    ax.vlines(at[drawn], 0, values[order][drawn], colors=list(colours[order][drawn]), linewidth=0.8)
    if not many:
        ax.scatter(at, values[order], c=list(colours[order]), s=6, zorder=3, linewidths=0)
    ax.axhline(limit, color=style.REFERENCE, linewidth=0.8, linestyle="--", label=line)
    ax.set_ylim(0, 1.08 * max(float(values.max()), limit))
    ax.set_xlim(-0.02 * len(at), 1.02 * len(at))
    far = np.argsort(-values[order], kind="stable")[:_NAMED]
    name_points(ax, at[far], values[order][far], [str(names[i]) for i in order[far]])
    if by == "row":
        finish(ax, title, text.say("row, in the order of the data"), label)
    else:
        ax.set_xticks([])
        finish(ax, title, text.say("{group}, sorted", group=what), label)
    return ax
