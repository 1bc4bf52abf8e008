"""Pictures of influence: leverages, and Cook's distances by row or by group."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from mixwell import kernel
from mixwell.arguments import numbers_given
from mixwell.design.record import Design
from mixwell.diagnostics.influence import deletion_groups
from mixwell.errors import DataError
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.plots import style
from mixwell.plots.layout import finish, named_rows, new_axes, room_for_names, zero_line
from mixwell.plots.marks import cloud, name_points
from mixwell.plots.style import styled
from mixwell.plots.words import Labels, Lang, Words, words

FloatArray = NDArray[np.float64]

_NAMED = 6
_STEMS = 300


@styled
def plot_cooks(
    distances: ArrayLike,
    names: Sequence[object],
    by: str = "row",
    *,
    threshold: float | None = None,
    false_alarm: float | None = None,
    measure: str = "Cook's distance",
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """Cook's distances: of groups sorted, of rows in their order; the largest are named.

    Of more than 6000 only the 300 largest are drawn, and the title says so.

    Parameters
    ----------
    distances
        Length m.
    names
        The m rows or groups; those whose distance is not defined are left out and counted in the title.
    by
        ``"row"``, or the factor whose groups were left out.
    threshold
        Values above it are coloured. By default none is: distances alone do not tell how far chance goes.
    false_alarm
        Probability that any distance of a sample from the model lies beyond ``threshold``, if it is known,
        for the legend.
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
    values = numbers_given(distances, "distances")
    if values.ndim != 1 or len(values) != len(names):
        raise DataError(f"There are {len(names)} names for distances of shape {values.shape}.")
    defined = np.isfinite(values)
    if not defined.any():
        raise DataError("None of the distances is defined, so there is nothing to draw.")
    names = [name for name, known in zip(names, defined, strict=True) if known]
    values = values[defined]
    label = text.say("Cook's distance") if measure == "Cook's distance" else measure
    if threshold is not None and not 0 <= threshold < np.inf:
        raise DataError(f"threshold must be a finite number of at least 0, not {threshold!r}.")
    over = np.zeros(len(values), dtype=bool) if threshold is None else values > threshold
    colours = np.where(over, style.FLAGGED, style.MODEL)
    what = text.say("row") if by == "row" else text.name(by)
    title = text.say("{measure} by {group}", measure=label, group=what)
    if not defined.all():
        title = text.say("{title} ({n} not defined)", title=title, n=int(np.sum(~defined)))
    few = by != "row" and len(values) <= style.MOST_NAMES
    ax = new_axes(ax, (5.6, max(3.2, 1.5 + 0.2 * len(values))) if few else (6.8, 4.0))
    if few and room_for_names(ax, len(values)):
        order = np.argsort(values, kind="stable")
        at = np.arange(len(order))
        ax.hlines(at, 0, values[order], colors=list(colours[order]), linewidth=1.4)
        ax.scatter(values[order], at, c=list(colours[order]), s=20, zorder=3, linewidths=0)
        named_rows(ax, [names[i] for i in order])
        ax.set_ylim(-0.7, len(order) - 0.3)
        draw_threshold(ax.axvline, threshold, false_alarm, text)
        ax.set_xlim(left=0)
        finish(ax, title, label, what)
        return ax
    order = np.arange(len(values)) if by == "row" else np.argsort(-values, kind="stable")
    at = np.arange(len(order))
    many = len(order) > style.MOST_POINTS
    # Stems that would merge into an area say nothing: of many only the largest are drawn.
    drawn = np.argsort(-values[order], kind="stable")[:_STEMS] if many else at
    if many:
        title = text.say("{title} (the {n} largest of {all})", title=title, n=len(drawn), all=len(order))
    ax.vlines(at[drawn], 0, values[order][drawn], colors=list(colours[order][drawn]), linewidth=0.8)
    if not many:
        ax.scatter(at, values[order], c=list(colours[order]), s=6, zorder=3, linewidths=0)
    draw_threshold(ax.axhline, threshold, false_alarm, text)
    ax.set_ylim(0, 1.08 * max(float(values.max()), threshold or 0.0))
    ax.set_xlim(-0.02 * len(at), 1.02 * len(at))
    far = np.argsort(-values[order], kind="stable")[:_NAMED]
    name_points(ax, at[far], values[order][far], [names[i] for i in order[far]])
    if by == "row":
        finish(ax, title, text.say("row, in the order of the data, counted from 0"), label)
    else:
        ax.set_xticks([])
        finish(ax, title, text.say("{group}, sorted", group=what), label)
    return ax


def draw_threshold(
    draw: Callable[..., object], threshold: float | None, false_alarm: float | None, text: Words
) -> None:
    """A line at the threshold, if there is one; it says how often chance goes beyond, if that is known."""
    if threshold is None:
        return
    label = text.say("threshold {limit:.3g}", limit=threshold)
    if false_alarm is not None:
        label = text.say(
            "{share:.0%} of model samples pass {limit:.3g}",
            limit=threshold,
            share=false_alarm,
        )
    draw(threshold, color=style.REFERENCE, linewidth=0.8, linestyle="--", label=label)


@styled
def plot_leverage(
    design: Design,
    fit: Fit,
    leverages: FloatArray | None = None,
    *,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
    scale: bool = True,
) -> Axes:
    """Standardized residuals against leverages: which rows fit badly, which pull the fit?

    The vertical line is the mean leverage. Rows far out in both directions are named: by their labels in
    the data, or by their positions, counted from 0.

    Parameters
    ----------
    design, fit, ax, labels, lang, scale
        As in :func:`plot_residuals`.
    leverages
        Length n: diagonal of the matrix that takes the response to the fitted values; by default computed.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> ax = plot_leverage(fit.design, fit.fit, ax=Figure().subplots())
    >>> ax.get_xlabel()
    'leverage'
    """
    text = words(lang, labels)
    if leverages is None:
        leverages = kernel.leverages(design, fit.theta)
    else:
        leverages = numbers_given(leverages, "leverages")
        if leverages.shape != (design.n_obs,):
            raise DataError(f"There are {design.n_obs} rows and leverages of shape {leverages.shape}.")
    residual = quantities.standardized_residuals(design, fit, leverages)
    defined = np.isfinite(residual)
    ax = new_axes(ax)
    h, r = leverages[defined], residual[defined]
    cloud(ax, h, r, text, scale=scale)
    zero_line(ax)
    ax.axvline(
        float(leverages.mean()),
        color=style.REFERENCE,
        linewidth=0.8,
        linestyle=":",
        label=text.say("mean leverage {h:.2g}", h=float(leverages.mean())),
    )
    ax.locator_params(axis="x", nbins=5)
    # How much a row moves its own fitted value, in units of sigma.
    pull = np.abs(r) * np.sqrt(h / np.maximum(1 - h, 1e-12))
    far = np.argsort(-pull)[:5]
    name_points(ax, h[far], r[far], list(deletion_groups(design, "row")[1][defined][far]))
    finish(
        ax, text.say("Residuals against leverage"), text.say("leverage"), text.say("standardized residual")
    )
    return ax
