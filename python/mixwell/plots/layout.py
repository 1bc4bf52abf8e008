"""Axes, panels, legends, and clouds of points: the drawing that pictures share."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from mixwell.plots import style
from mixwell.plots.smooth import Smooth
from mixwell.plots.words import Words

FloatArray = NDArray[np.float64]


def figure_of(ax: Axes) -> Figure | SubFigure:
    """The figure or subfigure that some axes are in."""
    return ax.figure


def new_axes(ax: Axes | None, size: tuple[float, float] = (6.4, 4.4)) -> Axes:
    """The caller's axes, or those of a new figure of ``size`` inches."""
    return ax if ax is not None else plt.figure(figsize=size, layout="constrained").add_subplot()


def panels(
    ax: Axes | None,
    count: int,
    columns: int,
    size: tuple[float, float],
    *,
    share_x: bool = False,
    share_y: bool = False,
) -> list[Axes]:
    """``count`` axes, row by row in ``columns`` columns, of a new figure or in the place of ``ax``.

    ``ax`` itself becomes the first panel.
    """
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    if ax is None:
        ax = plt.figure(figsize=size, layout="constrained").add_subplot()
    if count == 1:
        return [ax]
    figure = figure_of(ax)
    spec = ax.get_subplotspec()
    grid = spec.subgridspec(rows, columns) if spec is not None else None
    place = ax.get_position()
    axes = [ax]
    for i in range(count):
        row, column = divmod(i, columns)
        if grid is not None:
            if i == 0:
                ax.set_subplotspec(grid[0, 0])
                continue
            new = figure.add_subplot(
                grid[row, column], sharex=ax if share_x else None, sharey=ax if share_y else None
            )
        else:
            width, height = place.width / columns, place.height / rows
            box = (
                place.x0 + column * width,
                place.y0 + (rows - 1 - row) * height,
                0.85 * width,
                0.8 * height,
            )
            if i == 0:
                ax.set_position(box)
                continue
            new = figure.add_axes(box, sharex=ax if share_x else None, sharey=ax if share_y else None)
        axes.append(new)
    if share_x:
        for i, panel in enumerate(axes):
            panel.tick_params(labelbottom=i + columns >= count)
    if share_y:
        for i, panel in enumerate(axes):
            panel.tick_params(labelleft=i % columns == 0)
    return axes


def finish(
    ax: Axes,
    title: str,
    x: str,
    y: str,
    *,
    handles: Sequence[Artist] | None = None,
    heading: str | None = None,
) -> None:
    """Title and axis labels; a legend, where artists have labels, between title and axes, off the data."""
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    shown = ax.get_legend_handles_labels()[0] if handles is None else handles
    title = wrapped(title, ax)
    if not shown:
        ax.set_title(title)
        return
    rows = legend_above(ax, shown, [str(handle.get_label()) for handle in shown], heading)
    ax.set_title(title, pad=8 + 14 * rows)


def legend_above(
    ax: Axes, handles: Sequence[Artist], labels: Sequence[str], heading: str | None = None
) -> int:
    """A legend right above the axes, in as few rows as their width allows; the number of rows."""
    width = ax.get_window_extent().width * 72 / ax.figure.dpi
    longest = max(text_width(label) for label in labels) + 32
    columns = max(1, min(len(labels), int(width // longest)))
    ax.legend(
        handles,
        labels,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=columns,
        borderaxespad=0.2,
        columnspacing=1.2,
        title=heading,
    )
    return math.ceil(len(labels) / columns) + (heading is not None)


def wrapped(title: str, ax: Axes) -> str:
    """A title in lines not wider than its axes; Chinese, which has no blanks, breaks anywhere."""
    width = ax.get_window_extent().width * 72 / ax.figure.dpi
    factor = 1.25  # a title's letters are that much larger than those of text_width()
    lines = [""]
    for word in re.findall(r"[^\s\u2e80-\uffff]+\s*|[\u2e80-\uffff]\s*|\s+", title):
        if lines[-1] and factor * text_width(lines[-1] + word.rstrip()) > width:
            lines.append("")
        lines[-1] += word
    return "\n".join(line.strip() for line in lines)


def text_width(text: str) -> float:
    """About how many points a small text takes; a Chinese character as much as two letters."""
    return sum(9.0 if ord(character) > 0x2E80 else 4.9 for character in text)


def cloud(
    ax: Axes,
    x: ArrayLike,
    y: ArrayLike,
    words: Words,
    *,
    label: str | None = None,
    colour: str = style.DATA,
    scale: bool = True,
) -> Artist:
    """Points, or, where they are too many to tell apart, hexagons shaded by the number of rows."""
    x, y = np.asarray(x), np.asarray(y)
    if len(x) <= style.MOST_POINTS:
        many = min(1.0, len(x) / 2000)
        return ax.scatter(
            x, y, s=16 - 11 * many, color=colour, alpha=0.65 - 0.4 * many, linewidths=0, label=label, zorder=2
        )
    hexagons = ax.hexbin(x, y, gridsize=55, mincnt=1, bins="log", cmap=style.COUNTS, linewidths=0.1, zorder=1)
    if scale:
        bar = ax.figure.colorbar(hexagons, ax=ax, shrink=0.7, pad=0.02, aspect=25)
        bar.set_label(words.say("rows per cell"))
        bar.outline.set_visible(False)
    return hexagons


def draw_smooth(ax: Axes, smooth: Smooth, words: Words, colour: str = style.SMOOTH) -> None:
    """A smooth and its pointwise band."""
    ax.plot(smooth.x, smooth.mean, color=colour, label=words.say("smooth, 95% band"), zorder=4)
    ax.fill_between(
        smooth.x, smooth.low, smooth.high, color=colour, alpha=style.BAND_ALPHA, linewidth=0, zorder=3
    )


def intervals(
    ax: Axes,
    at: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *,
    horizontal: bool = True,
    colour: str | Sequence[str] = style.DATA,
    width: float = 1.2,
    alpha: float = 1.0,
) -> LineCollection:
    """Interval bars as one collection, which stays fast with thousands."""
    at, low, high = (np.asarray(values, dtype=np.float64) for values in (at, low, high))
    ends = (
        np.stack([np.column_stack([low, at]), np.column_stack([high, at])], axis=1)
        if horizontal
        else np.stack([np.column_stack([at, low]), np.column_stack([at, high])], axis=1)
    )
    lines = LineCollection(list(ends), colors=colour, linewidths=width, alpha=alpha, zorder=2)
    ax.add_collection(lines)
    ax.autoscale_view()
    return lines


def zero_line(ax: Axes, *, horizontal: bool = True, at: float = 0.0) -> None:
    """A thin reference line."""
    draw = ax.axhline if horizontal else ax.axvline
    draw(at, color=style.REFERENCE, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1.5)


def name_points(
    ax: Axes,
    x: ArrayLike,
    y: ArrayLike,
    names: Sequence[str],
    *,
    limit: int = 8,
    to_left: ArrayLike | None = None,
    rise: float = 0.0,
) -> None:
    """Names beside a few points, on the side where there is room or where ``to_left`` says.

    Names that would cover one another are left out. ``rise`` moves names up, and those on the right down, by
    so many points.
    """
    sides = None if to_left is None else np.asarray(to_left, dtype=bool)
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    left, right = ax.get_xlim()
    taken: list[tuple[float, float, float]] = []
    bottom, top = ax.get_ylim()
    points = ax.get_window_extent()
    width, height = (length * 72 / ax.figure.dpi for length in (points.width, points.height))
    for i, (at_x, at_y, name) in enumerate(list(zip(x, y, names, strict=True))[:limit]):
        place = (at_x - left) / (right - left) * width, (at_y - bottom) / (top - bottom) * height
        on_left = place[0] > 0.8 * width if sides is None else bool(sides[i])
        long = text_width(name)
        start = place[0] - long - 5 if on_left else place[0] + 5
        if any(start < b and start + long > a and abs(place[1] - c) < 9 for a, b, c in taken):
            continue
        taken.append((start, start + long, place[1]))
        ax.annotate(
            name,
            (at_x, at_y),
            xytext=(-5 if on_left else 5, rise if on_left else -rise),
            textcoords="offset points",
            ha="right" if on_left else "left",
            va="center",
            fontsize=style.SMALL,
            color=style.BLACK,
            zorder=6,
        )


def category_axis(ax: Axes, labels: Sequence[str], *, horizontal: bool = True) -> None:
    """Named positions 0, 1, ...; long names on the x axis are turned."""
    positions = np.arange(len(labels))
    if not horizontal:
        ax.set_yticks(positions, labels)
        return
    room = ax.get_window_extent().width * 72 / ax.figure.dpi
    crowded = sum(text_width(label) + 8 for label in labels) > room
    if crowded:
        ax.set_xticks(positions, labels, rotation=40, ha="right", rotation_mode="anchor")
    else:
        ax.set_xticks(positions, labels)


def whole_ticks(ax: Axes, *, horizontal: bool = True) -> None:
    """Ticks at whole numbers only."""
    (ax.xaxis if horizontal else ax.yaxis).set_major_locator(MaxNLocator(integer=True, nbins=8))
