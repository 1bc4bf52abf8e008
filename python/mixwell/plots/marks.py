"""Marks for data: clouds, smooths, interval bars, named points, boxes, densities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import ArrayLike, NDArray

from mixwell.plots import style
from mixwell.plots.grouped import evenly, group_quantiles
from mixwell.plots.layout import extent
from mixwell.plots.names import short_names, text_width
from mixwell.plots.smooth import Smooth, density, histogram_edges
from mixwell.plots.words import Words

FloatArray = NDArray[np.float64]
Codes = NDArray[np.integer]

# A low-discrepancy sequence spreads points without overlaps or random numbers.
_GOLDEN = 0.6180339887
# Normal densities that are averaged at most.
_MOST_DENSITIES = 400


def spread_out(count: int) -> FloatArray:
    """``count`` shifts between -1/2 and 1/2, neighbours far apart."""
    return np.asarray((np.arange(count) * _GOLDEN + 0.5) % 1 - 0.5)


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
            x, y, s=16 - 10 * many, color=colour, alpha=0.65 - 0.3 * many, linewidths=0, label=label, zorder=2
        )
    hexagons = ax.hexbin(x, y, gridsize=55, mincnt=1, bins="log", cmap=style.COUNTS, linewidths=0.1, zorder=1)
    if scale:
        bar = ax.figure.colorbar(hexagons, ax=ax, shrink=0.7, pad=0.02, aspect=25)
        bar.set_label(words.say("rows per cell"))
        bar.outline.set_visible(False)
    return hexagons


def draw_smooth(ax: Axes, smooth: Smooth, words: Words, colour: str = style.SMOOTH) -> None:
    """A smooth and its pointwise band; nothing where there is but one place."""
    if len(smooth.x) < 2:
        return
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
    label: str | None = None,
) -> LineCollection:
    """Interval bars as one collection, which stays fast with thousands."""
    at, low, high = (np.asarray(values, dtype=np.float64) for values in (at, low, high))
    ends = (
        np.stack([np.column_stack([low, at]), np.column_stack([high, at])], axis=1)
        if horizontal
        else np.stack([np.column_stack([at, low]), np.column_stack([at, high])], axis=1)
    )
    lines = LineCollection(list(ends), colors=colour, linewidths=width, alpha=alpha, label=label, zorder=2)
    ax.add_collection(lines)
    ax.autoscale_view()
    return lines


def name_points(
    ax: Axes,
    x: ArrayLike,
    y: ArrayLike,
    names: Sequence[object],
    *,
    limit: int = 8,
    to_left: ArrayLike | None = None,
) -> None:
    """Names beside a few points: to the right, the left, above or below, wherever there is room.

    Names that would cover one another, or leave the axes, are left out. ``to_left`` says of each point
    whether the left is tried first.
    """
    x, y = (np.asarray(values, dtype=np.float64)[:limit] for values in (x, y))
    texts = short_names(list(names)[:limit], 18)
    left_first = np.zeros(len(x), dtype=bool) if to_left is None else np.asarray(to_left, dtype=bool)
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    width, height = extent(ax)
    across, up = (x - left) / (right - left) * width, (y - bottom) / (top - bottom) * height
    tall = 9.5
    taken: list[tuple[float, float, float, float]] = [
        (a - 2.5, a + 2.5, b - 2.5, b + 2.5) for a, b in zip(across, up, strict=True)
    ]
    for i, name in enumerate(texts):
        a, b, wide = float(across[i]), float(up[i]), text_width(name)
        beside = [
            ((5.0, 0.0), "left", "center", (a + 5, a + 5 + wide, b - tall / 2, b + tall / 2)),
            ((-5.0, 0.0), "right", "center", (a - 5 - wide, a - 5, b - tall / 2, b + tall / 2)),
        ]
        if left_first[i]:
            beside.reverse()
        over = [
            ((0.0, 5.0), "center", "bottom", (a - wide / 2, a + wide / 2, b + 4, b + 4 + tall)),
            ((0.0, -5.0), "center", "top", (a - wide / 2, a + wide / 2, b - 4 - tall, b - 4)),
        ]
        for shift, horizontal, vertical, box in [*beside, *over]:
            if box[0] < -2 or box[1] > width + 6 or any(overlap(box, other) for other in taken):
                continue
            taken.append(box)
            # Out of the layout: a name never makes the axes smaller.
            ax.annotate(
                name,
                (x[i], y[i]),
                xytext=shift,
                textcoords="offset points",
                ha=horizontal,
                va=vertical,
                fontsize=style.SMALL,
                color=style.BLACK,
                zorder=6,
            ).set_in_layout(False)
            break


def overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    """Whether two boxes (left, right, bottom, top) share some area."""
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]


def draw_boxes(
    ax: Axes,
    values: Sequence[FloatArray],
    at: ArrayLike,
    width: float,
    colour: str,
    *,
    outliers: bool = False,
    horizontal: bool = False,
) -> None:
    """Boxes of the quartiles, whiskers to the last value within 1.5 box lengths, a line at the median."""
    ax.boxplot(
        list(values),
        positions=np.asarray(at, dtype=np.float64).tolist(),
        widths=width,
        manage_ticks=False,
        showfliers=outliers,
        patch_artist=True,
        orientation="horizontal" if horizontal else "vertical",
        boxprops={"facecolor": colour, "alpha": 0.22, "edgecolor": colour, "linewidth": 1.2},
        medianprops={"color": style.BLACK, "linewidth": 1.6},
        whiskerprops={"color": colour},
        capprops={"color": colour},
        flierprops={"marker": "o", "markersize": 3, "markerfacecolor": style.FLAGGED, "markeredgewidth": 0},
    )


def draw_middle_halves(
    ax: Axes,
    values: FloatArray,
    codes: Codes,
    n_levels: int,
    words: Words,
    *,
    series: Sequence[tuple[str, NDArray[np.bool_]]] = (),
) -> int:
    """Many groups side by side, sorted by median: a line for the middle half of each, a dot for its median.

    Of more than 300 an even choice; the number drawn is returned. ``series`` are names and rows of parts
    drawn beside each other in colours.
    """
    middle = group_quantiles(values, codes, n_levels, [0.5])[:, 0]
    shown = evenly(np.argsort(middle, kind="stable"), style.MOST_GROUPS)
    parts = list(series) or [("", np.ones(len(values), dtype=bool))]
    size = 20 if len(shown) <= 100 else 5
    for j, (name, mine) in enumerate(parts):
        low, median, high = group_quantiles(values[mine], codes[mine], n_levels, [0.25, 0.5, 0.75])[shown].T
        at = np.arange(len(shown)) + (j - (len(parts) - 1) / 2) * 0.7 / len(parts)
        some = np.isfinite(median)
        colour = style.colour(j) if series else style.MODEL
        intervals(
            ax,
            at[some],
            low[some],
            high[some],
            horizontal=False,
            colour=colour,
            width=1.6 if len(shown) <= 100 else 0.9,
            alpha=0.6,
            label=style.entry(name or words.say("middle half")),
        )
        ax.scatter(
            at[some],
            median[some],
            s=size,
            color=colour if series else style.BLACK,
            marker=style.marker(j),
            label=None if series else words.say("median"),
            linewidths=0,
            zorder=3,
        )
    ax.set_xlim(-0.02 * len(shown) - 0.5, 1.02 * len(shown) - 0.5)
    ax.set_xticks([])
    return len(shown)


def draw_distribution(
    ax: Axes,
    values: FloatArray,
    mean: float,
    sds: FloatArray,
    words: Words,
    *,
    values_are: str,
    normal_is: str,
) -> None:
    """Histogram and kernel density of some values, beside a mean of normal ones (:func:`draw_normals`).

    Fewer than 12 values are strokes along the axis: they have no histogram.
    """
    found = density(values)
    if len(values) < 12:
        ax.plot(
            values,
            np.zeros_like(values),
            linestyle="",
            marker="|",
            markersize=16,
            markeredgewidth=1.6,
            color=style.DATA,
            label=values_are,
            clip_on=False,
            zorder=4,
        )
    else:
        ax.hist(
            values,
            bins=histogram_edges(values).tolist(),
            density=True,
            color=style.QUIET,
            alpha=0.4,
            label=values_are,
        )
        ax.plot(found.x, found.height, color=style.MODEL, label=words.say("kernel density"))
    draw_normals(ax, mean, sds, label=normal_is, color=style.GROUP, linestyle="--", ends=found.x[[0, -1]])


def draw_normals(
    ax: Axes,
    mean: float,
    sds: FloatArray,
    *,
    label: str,
    color: str,
    linestyle: str,
    linewidth: float | None = None,
    ends: FloatArray | None = None,
) -> None:
    """The mean of normal densities with one mean and several standard deviations, one per value drawn.

    Of more than 400 standard deviations an even choice over their order stands for all.
    """
    sd = sds[evenly(np.argsort(sds, kind="stable"), _MOST_DENSITIES)]
    reach = mean + 3.5 * np.array([-1.0, 1.0]) * float(np.sqrt(np.mean(sd**2)))
    low, high = reach if ends is None else (min(ends[0], reach[0]), max(ends[1], reach[1]))
    grid = np.linspace(low, high, 301)
    each = np.exp(-0.5 * ((grid[:, None] - mean) / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
    ax.plot(grid, each.mean(axis=1), color=color, linestyle=linestyle, linewidth=linewidth, label=label)
    ax.set_ylim(bottom=0)
