"""Pictures of grouped data, before any model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Patch
from numpy.typing import NDArray

from mixwell.data.columns import Column, Factor, Logicals, Numbers, as_factor
from mixwell.data.frame import Frame, open_frame
from mixwell.design.transforms import group_means
from mixwell.errors import DataError
from mixwell.plots import style
from mixwell.plots.grouped import evenly, group_quantiles
from mixwell.plots.layout import category_axis, finish, intervals, new_axes
from mixwell.plots.style import styled
from mixwell.plots.words import Labels, Lang, Words, words

FloatArray = NDArray[np.float64]
Codes = NDArray[np.integer]

# Rows whose points are drawn on top of boxes; of more rows, an even choice.
_MOST_BOX_POINTS = 2500
# Boxes that can be told apart.
_MOST_BOXES = 80
_JITTER = 0.6180339887


def present_rows(columns: list[Column]) -> NDArray[np.intp]:
    """Positions of rows where no column is missing."""
    first = columns[0]
    missing = np.zeros(len(first.codes if isinstance(first, Factor) else first.values), dtype=bool)
    for column in columns:
        if column.missing is not None:
            missing |= column.missing
    return np.flatnonzero(~missing)


def numeric(frame: Frame, name: str) -> Numbers | Logicals:
    """A column of numbers.

    Raises
    ------
    DataError
        If it is text or categories.
    """
    column = frame.column(name)
    if isinstance(column, Numbers | Logicals):
        return column
    raise DataError(f"The column {name!r} holds categories; an axis of values needs numbers.")


def numbers_of(column: Column) -> FloatArray:
    """Values of a column as numbers; of categories their codes.

    Raises
    ------
    DataError
        If it holds dates.
    """
    if isinstance(column, Factor):
        return column.codes.astype(np.float64)
    if isinstance(column, Numbers | Logicals):
        return column.values.astype(np.float64)
    raise DataError(f"The column {column.name!r} holds dates; draw it as a number, of days since the first.")


@dataclass(frozen=True, slots=True)
class Cells:
    """Rows of each cell of a two-way layout: ``rows[i][j]`` are the values at level i of x and j of hue."""

    x_levels: tuple[str, ...]
    hue_levels: tuple[str, ...]
    rows: tuple[tuple[FloatArray, ...], ...]


def cells(y: FloatArray, x: Factor, hue: Factor | None) -> Cells:
    """The values in each cell of one or two factors."""
    hue_codes: Codes = np.zeros(len(y), dtype=np.int32) if hue is None else hue.codes
    hue_levels = ("",) if hue is None else tuple(hue.levels)
    width = len(hue_levels)
    cell = x.codes * width + hue_codes
    order = np.argsort(cell, kind="stable")
    ends = np.cumsum(np.bincount(cell, minlength=len(x.levels) * width))
    parts = np.split(y[order], ends[:-1])
    return Cells(
        tuple(x.levels),
        hue_levels,
        tuple(tuple(parts[i * width : (i + 1) * width]) for i in range(len(x.levels))),
    )


def draw_middle_halves(ax: Axes, y: FloatArray, x: Factor, hue: Factor | None, text: Words) -> None:
    """The form of :func:`plot_boxplot` for many levels."""
    n_levels = len(x.levels)
    middle = group_quantiles(y, x.codes, n_levels, [0.5])[:, 0]
    shown = evenly(np.argsort(middle, kind="stable"), style.MOST_GROUPS)
    series = 1 if hue is None else len(hue.levels)
    for j in range(series):
        mine = np.ones(len(y), dtype=bool) if hue is None else hue.codes == j
        low, median, high = group_quantiles(y[mine], x.codes[mine], n_levels, [0.25, 0.5, 0.75])[shown].T
        at = np.arange(len(shown)) + (j - (series - 1) / 2) * 0.7 / series
        colour = style.MODEL if hue is None else style.colour(j)
        some = np.isfinite(median)
        intervals(ax, at[some], low[some], high[some], horizontal=False, colour=colour, width=0.9, alpha=0.6)
        name = text.say("middle half") if hue is None else str(hue.levels[j])
        ax.plot([], [], color=colour, label=name)
        dots = style.BLACK if hue is None else colour
        ax.scatter(at[some], median[some], s=5, color=dots, marker=style.marker(j), zorder=3, linewidths=0)
    ax.set_xlim(-0.02 * len(shown), 1.02 * len(shown))
    ax.set_xticks([])


@styled
def plot_boxplot(
    data: object,
    y: str,
    x: str,
    hue: str | None = None,
    *,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """Boxes of a variable by one or two factors, with its points.

    Boxes span the quartiles, whiskers reach to the last value within 1.5 box lengths; the number of rows is
    written under each level. Of more than 2500 rows an even choice of points is drawn, the boxes use all.
    More than 80 cells are drawn as lines for the middle half and dots for the median, without points; of more
    than 300 levels of ``x`` an even choice, sorted by median.

    Parameters
    ----------
    data
        A pandas, polars or pyarrow frame, or a dict of arrays. Rows with a missing value are left out.
    y
        The variable.
    x, hue
        Factors: along the axis, and as colours.
    ax
        Axes to draw in; by default those of a new figure.
    labels
        What variables are called, with units: ``{"weight": "Weight (g)"}``.
    lang
        ``"en"`` or ``"zh"``.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If a column does not exist or ``y`` is not numeric.

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> pups = mw.datasets.load_ratpups()
    >>> ax = plot_boxplot(pups, "weight", "Treatment", "sex", ax=Figure().subplots())
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('Treatment', 'weight')
    """
    text = words(lang, labels)
    frame = open_frame(data)
    columns = [numeric(frame, y), *(frame.column(name) for name in (x, hue) if name is not None)]
    rows = present_rows(columns)
    if not len(rows):
        raise DataError(f"No row has values of {', '.join(repr(c.name) for c in columns)}.")
    taken = [column.take(rows) for column in columns]
    values = numbers_of(taken[0])
    along, colours = as_factor(taken[1]), as_factor(taken[2]) if hue is not None else None
    if len(along.levels) * (1 if colours is None else len(colours.levels)) > _MOST_BOXES:
        ax = new_axes(ax, (8.0, 4.6))
        draw_middle_halves(ax, values, along, colours, text)
        by = text.name(x) if hue is None else text.say("{x} and {hue}", x=text.name(x), hue=text.name(hue))
        title = text.say("{y} by {groups}", y=text.name(y), groups=by)
        finish(ax, title, text.say("{group}, sorted by median", group=text.name(x)), text.name(y))
        return ax
    table = cells(values, along, colours)

    ax = new_axes(ax, (max(4.8, min(14, 1.6 + 0.75 * len(table.x_levels) * len(table.hue_levels))), 4.6))
    series = len(table.hue_levels)
    step = 0.8 / series
    share = min(1.0, _MOST_BOX_POINTS / len(values))
    for j, level in enumerate(table.hue_levels):
        colour = style.colour(j) if hue is not None else style.DATA
        for i, row in enumerate(table.rows):
            if not len(row[j]):
                continue
            at = i + (j - (series - 1) / 2) * step
            ax.boxplot(
                row[j],
                positions=[at],
                widths=0.82 * step,
                manage_ticks=False,
                showfliers=False,
                patch_artist=True,
                boxprops={"facecolor": colour, "alpha": 0.22, "edgecolor": colour, "linewidth": 1.2},
                medianprops={"color": style.BLACK, "linewidth": 1.6},
                whiskerprops={"color": colour},
                capprops={"color": colour},
            )
            shown = evenly(np.argsort(row[j], kind="stable"), max(2, round(share * len(row[j]))))
            # A low-discrepancy sequence spreads the points without overlaps or random numbers.
            jitter = ((np.arange(len(shown)) * _JITTER) % 1 - 0.5) * 0.6 * step
            ax.scatter(
                at + jitter,
                row[j][shown],
                s=10,
                color=colour,
                alpha=0.6,
                linewidths=0,
                marker=style.marker(j),
                zorder=3,
                label=level if hue is not None else None,
            )
    counts = [sum(len(cell) for cell in row) for row in table.rows]
    ax.set_xlim(-0.6, len(table.x_levels) - 0.4)
    crowded = len(counts) > 12
    names = [
        level if crowded else f"{level}\n{text.say('n = {n}', n=n)}"
        for level, n in zip(table.x_levels, counts, strict=True)
    ]
    if len(names) <= style.MOST_NAMES:
        category_axis(ax, names)
    handles = [
        Patch(facecolor=style.colour(j), alpha=0.5, label=level) for j, level in enumerate(table.hue_levels)
    ]
    by = text.name(x) if hue is None else text.say("{x} and {hue}", x=text.name(x), hue=text.name(hue))
    finish(
        ax,
        text.say("{y} by {groups}", y=text.name(y), groups=by),
        text.name(x),
        text.name(y),
        handles=handles if hue is not None else [],
        heading=text.name(hue) if hue is not None else None,
    )
    return ax


@dataclass(frozen=True, slots=True)
class Means:
    """Means at distinct values of x: ``x``, ``mean``, ``se`` and ``count``, each length m."""

    x: FloatArray
    mean: FloatArray
    se: FloatArray
    count: FloatArray


def means_along(x: FloatArray, y: FloatArray, most: int = 40) -> Means:
    """Means of y and their naive standard errors, at each x or, where x has many values, in equal bins."""
    distinct, code = np.unique(x, return_inverse=True)
    if len(distinct) > most:
        edges = np.linspace(x.min(), x.max(), 13)
        _, code = np.unique(np.clip(np.digitize(x, edges) - 1, 0, 11), return_inverse=True)
    count = np.bincount(code).astype(np.float64)
    mean = np.bincount(code, y) / count
    spread = np.bincount(code, (y - mean[code]) ** 2)
    se = np.sqrt(np.divide(spread, count - 1, out=np.zeros_like(mean), where=count > 1) / count)
    return Means(np.bincount(code, x) / count, mean, se, count)


def group_paths(x: FloatArray, y: FloatArray, line: NDArray[np.intp]) -> list[FloatArray]:
    """Points of each line in order of x, shape (points, 2); rows of a line at the same x are averaged.

    Examples
    --------
    >>> group_paths(np.array([1.0, 0.0, 1.0]), np.array([4.0, 2.0, 6.0]), np.array([0, 0, 0]))[0].tolist()
    [[0.0, 2.0], [1.0, 5.0]]
    """
    order = np.lexsort((x, line))
    sorted_x, sorted_line = x[order], line[order]
    first = np.concatenate([[True], (np.diff(sorted_x) > 0) | (np.diff(sorted_line) > 0)])
    point = np.cumsum(first) - 1
    mean = np.bincount(point, y[order]) / np.bincount(point)
    path = np.column_stack([sorted_x[first], mean])
    ends = np.cumsum(np.bincount(sorted_line[first]))
    return np.split(path, ends[:-1])


@styled
def plot_spaghetti(
    data: object,
    y: str,
    x: str,
    group: str,
    by: str | None = None,
    *,
    most: int = 60,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """A line per group, and the means over groups.

    Parameters
    ----------
    data
        A pandas, polars or pyarrow frame, or a dict of arrays. Rows with a missing value are left out.
    y, x
        The variable, and what it changes along: numbers, or categories in their order.
    group
        What a line is: a subject, a litter.
    by
        A factor whose levels have a colour and means of their own.
    most
        Of more groups than this an even choice over their means is drawn; the means use all.
    ax, labels, lang
        As in :func:`plot_boxplot`.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If a column does not exist or ``y`` is not numeric.

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> data = mw.datasets.load_sleepstudy()
    >>> ax = plot_spaghetti(data, "Reaction", "Days", "Subject", ax=Figure().subplots())
    >>> ax.get_title()
    'Reaction along Days, a line per Subject (18)'
    """
    text = words(lang, labels)
    frame = open_frame(data)
    along = frame.column(x)
    columns = [numeric(frame, y), along, frame.column(group)]
    columns += [frame.column(by)] if by is not None else []
    rows = present_rows(columns)
    if not len(rows):
        raise DataError(f"No row has values of {', '.join(repr(c.name) for c in columns)}.")
    taken = [column.take(rows) for column in columns]
    ticks = tuple(taken[1].levels) if isinstance(taken[1], Factor) else None
    yv, xv = numbers_of(taken[0]), numbers_of(taken[1])
    groups = as_factor(taken[2])
    series = as_factor(taken[3]) if by is not None else None
    codes = groups.codes if series is None else groups.codes * len(series.levels) + series.codes
    _, line = np.unique(codes, return_inverse=True)
    n_lines = int(line.max()) + 1
    shown = evenly(np.argsort(group_means(yv, line, n_lines), kind="stable"), most)

    ax = new_axes(ax)
    paths_of = group_paths(xv, yv, line)
    kind = np.zeros(n_lines, dtype=np.intp)
    if series is not None:
        kind[line] = series.codes
    width = 1.1 if len(shown) <= 30 else 0.7
    for j, level in enumerate(series.levels if series is not None else [""]):
        colour = style.colour(j) if series is not None else style.QUIET
        paths = [paths_of[i] for i in shown if kind[i] == j]
        ax.add_collection(
            LineCollection(paths, colors=colour, linewidths=width, alpha=0.45 if len(shown) > 30 else 0.6)
        )
        inside = np.ones(len(yv), dtype=bool) if series is None else series.codes == j
        found = means_along(xv[inside], yv[inside])
        ax.errorbar(
            found.x,
            found.mean,
            yerr=found.se,
            color=style.BLACK if series is None else colour,
            marker=style.marker(j),
            markersize=5,
            markeredgecolor="white",
            linewidth=2.2,
            elinewidth=1.2,
            capsize=2,
            zorder=5,
            label=text.say("mean ± SE") if series is None else text.say("{level}: mean ± SE", level=level),
        )
    ax.autoscale_view()
    if ticks is not None:
        category_axis(ax, ticks)
    count = f"{n_lines}" if len(shown) == n_lines else text.say("{n} of {all}", n=len(shown), all=n_lines)
    title = text.say(
        "{y} along {x}, a line per {group} ({count})",
        y=text.name(y),
        x=text.name(x),
        group=text.name(group),
        count=count,
    )
    finish(ax, title, text.name(x), text.name(y))
    return ax
