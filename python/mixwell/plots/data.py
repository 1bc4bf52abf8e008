"""Pictures of grouped data, before any model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from mixwell.data.columns import Column, Factor, Logicals, Numbers, as_factor, combine
from mixwell.data.frame import Frame, open_frame
from mixwell.design.transforms import group_means
from mixwell.errors import DataError
from mixwell.plots import style
from mixwell.plots.grouped import evenly, some_of, whole
from mixwell.plots.layout import extent, finish, named_columns, new_axes, whole_ticks
from mixwell.plots.marks import draw_boxes, draw_middle_halves, spread_out
from mixwell.plots.names import short_names, text_width
from mixwell.plots.style import check_series, styled
from mixwell.plots.words import Labels, Lang, Words, words

FloatArray = NDArray[np.float64]
Codes = NDArray[np.integer]

# Rows whose points are drawn on top of boxes; of more rows, an even choice.
_MOST_BOX_POINTS = 2500
# Boxes that can be told apart.
_MOST_BOXES = 80
# Fewer values than this have no quartiles worth a box: a line at their median.
_FEWEST_IN_BOX = 5
# Values of x with a mean each; of more, bins of equally many rows.
_MOST_MEANS = 40
_BINS = 12


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
    raise DataError(f"The column {column.name!r} holds dates; mw.time_since() makes days of them.")


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
    cell = x.codes.astype(np.int64) * width + hue_codes
    order = np.argsort(cell, kind="stable")
    ends = np.cumsum(np.bincount(cell, minlength=len(x.levels) * width))
    parts = np.split(y[order], ends[:-1])
    return Cells(
        tuple(x.levels),
        hue_levels,
        tuple(tuple(parts[i * width : (i + 1) * width]) for i in range(len(x.levels))),
    )


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

    Boxes span the quartiles, whiskers reach to the last value within 1.5 box lengths; fewer than 5 values
    have a line at their median only. Where there is room the number of rows is written under each level. Of
    more than 2500 rows an even choice of points is drawn, the boxes use all. More than 80 cells are drawn as
    lines for the middle half and dots for the median, without points; of more than 300 levels of ``x`` an
    even choice, sorted by median.

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
    found = present(data, [y], [name for name in (x, hue) if name is not None])
    values = numbers_of(found[y])
    along, colours = as_factor(found[x]), None if hue is None else as_factor(found[hue])
    if hue is not None and colours is not None:
        check_series(hue, len(colours.levels))
    by = text.name(x) if hue is None else text.say("{x} and {hue}", x=text.name(x), hue=text.name(hue))
    title = text.say("{y} by {groups}", y=text.name(y), groups=by)
    if len(along.levels) * (1 if colours is None else len(colours.levels)) > _MOST_BOXES:
        ax = new_axes(ax, (8.0, 4.6))
        series = (
            [(str(level), colours.codes == j) for j, level in enumerate(colours.levels)]
            if colours is not None
            else []
        )
        shown = draw_middle_halves(ax, values, along.codes, len(along.levels), text, series=series)
        if shown < len(along.levels):
            title = text.say("{title} ({count})", title=title, count=text.count(shown, len(along.levels)))
        finish(ax, title, text.say("{group}, sorted by median", group=text.name(x)), text.name(y))
        return ax
    table = cells(values, along, colours)
    ax = new_axes(ax, (max(4.8, min(14, 1.6 + 0.75 * len(table.x_levels) * len(table.hue_levels))), 4.6))
    series_count = len(table.hue_levels)
    step = 0.8 / series_count
    share = min(1.0, _MOST_BOX_POINTS / len(values))
    for j in range(series_count):
        centres = np.asarray(np.arange(len(table.rows)) + (j - (series_count - 1) / 2) * step)
        column = [row[j] for row in table.rows]
        draw_cells(ax, column, centres, step, style.DATA if hue is None else style.colour(j), j, share)
    ax.set_xlim(-0.6, len(table.x_levels) - 0.4)
    name_levels(ax, table, text)
    handles = [
        Line2D([], [], color=style.colour(j), marker=style.marker(j), linestyle="", label=style.entry(level))
        for j, level in enumerate(table.hue_levels)
    ]
    finish(
        ax,
        title,
        text.name(x),
        text.name(y),
        handles=handles if hue is not None else [],
        heading=text.name(hue) if hue is not None else None,
    )
    return ax


def present(data: object, values: Sequence[str], others: Sequence[str]) -> dict[str, Column]:
    """Columns of a frame, without the rows where one of them is missing; ``values`` must be numbers.

    Raises
    ------
    DataError
        If a column does not exist, one of ``values`` is not numeric, values are infinite, or no row is left.
    """
    frame = open_frame(data)
    columns = [*(numeric(frame, name) for name in values), *(frame.column(name) for name in others)]
    for column in columns:
        endless = 0 if not isinstance(column, Numbers) else int(np.isinf(column.floats()).sum())
        if endless:
            raise DataError(f"{column.name!r} has infinite values ({endless}); leave these rows out.")
    rows = present_rows(columns)
    if not len(rows):
        raise DataError(f"No row has values of {', '.join(repr(c.name) for c in columns)}.")
    return {column.name: column.take(rows) for column in columns}


def draw_cells(
    ax: Axes,
    values: Sequence[FloatArray],
    centres: FloatArray,
    step: float,
    colour: str,
    series: int,
    share: float,
) -> None:
    """Boxes of one series and an even ``share`` of their points; of few values points and median only."""
    boxed = [i for i, cell in enumerate(values) if len(cell) >= _FEWEST_IN_BOX]
    if boxed:
        draw_boxes(ax, [values[i] for i in boxed], centres[boxed], 0.82 * step, colour)
    few = [i for i, cell in enumerate(values) if 0 < len(cell) < _FEWEST_IN_BOX]
    if few:
        ax.hlines(
            [float(np.median(values[i])) for i in few],
            centres[few] - 0.41 * step,
            centres[few] + 0.41 * step,
            colors=style.BLACK,
            linewidth=1.6,
        )
    shown = [
        cell[evenly(np.argsort(cell, kind="stable"), max(2, round(share * len(cell))))] for cell in values
    ]
    height = np.concatenate(shown)
    at = np.concatenate(
        [centre + 0.6 * step * spread_out(len(cell)) for centre, cell in zip(centres, shown, strict=True)]
    )
    many = len(height) > 800
    ax.scatter(
        at,
        height,
        s=5 if many else 10,
        color=colour,
        alpha=0.35 if many else 0.6,
        linewidths=0,
        marker=style.marker(series),
        zorder=3,
    )


def name_levels(ax: Axes, table: Cells, text: Words) -> None:
    """Levels along the axis, with the number of rows under each where there is room."""
    counts = [sum(len(cell) for cell in row) for row in table.rows]
    names = short_names(table.x_levels, 28)
    told = [f"{name}\n{text.say('n = {n}', n=n)}" for name, n in zip(names, counts, strict=True)]
    room = extent(ax)[0] / len(names)
    named_columns(ax, told if max(text_width(name) for name in told) + 6 <= room else table.x_levels)


@dataclass(frozen=True, slots=True)
class Means:
    """Means over units: ``x``, ``mean``, ``se`` and ``count`` of units, each length m; se 0 of one unit."""

    x: FloatArray
    mean: FloatArray
    se: FloatArray
    count: FloatArray


def means_along(x: FloatArray, y: FloatArray, unit: NDArray[np.intp]) -> Means:
    """Means over units at each x, and their standard errors; a unit counts once, by its own mean there.

    Where x has more than 40 values, at bins of equally many rows.

    Examples
    --------
    >>> found = means_along(np.zeros(3), np.array([1.0, 3.0, 4.0]), np.array([0, 0, 1]))
    >>> found.mean.tolist(), found.se.tolist(), found.count.tolist()
    ([3.0], [1.0], [2.0])
    """
    distinct, code = np.unique(x, return_inverse=True)
    if len(distinct) > _MOST_MEANS:
        edges = np.unique(np.quantile(x, np.linspace(0, 1, _BINS + 1)[1:-1]))
        _, code = np.unique(np.searchsorted(edges, x), return_inverse=True)
    places = int(code.max()) + 1
    cell, of_row = np.unique(unit * places + code, return_inverse=True)
    rows = np.bincount(of_row)
    own = np.bincount(of_row, y) / rows
    place = cell % places
    count = np.bincount(place).astype(np.float64)
    mean = np.bincount(place, own) / count
    spread = np.bincount(place, (own - mean[place]) ** 2)
    se = np.sqrt(np.divide(spread, count - 1, out=np.zeros_like(mean), where=count > 1) / count)
    return Means(np.bincount(code, x) / np.bincount(code), mean, se, count)


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

    Rows of a group at the same place are averaged first, so that a group counts once and the standard errors
    are those of independent groups. Along more than 40 values, means are those of 12 bins of equally many
    rows.

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
    found = present(data, [y], [x, group, *([by] if by is not None else [])])
    along = found[x]
    ticks = tuple(along.levels) if isinstance(along, Factor) else None
    yv, xv = numbers_of(found[y]), numbers_of(along)
    groups = as_factor(found[group])
    series = as_factor(found[by]) if by is not None else None
    if by is not None and series is not None:
        check_series(by, len(series.levels))
    both = [groups] if series is None else [groups, series]
    codes, _ = combine([factor.codes for factor in both], [len(factor.levels) for factor in both])
    _, line = np.unique(codes, return_inverse=True)
    n_lines = int(line.max()) + 1
    shown = some_of(np.argsort(group_means(yv, line, n_lines), kind="stable"), most)

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
        means = means_along(xv[inside], yv[inside], line[inside])
        ax.errorbar(
            means.x,
            means.mean,
            yerr=means.se,
            color=style.BLACK if series is None else colour,
            marker=style.marker(j),
            markersize=5,
            markeredgecolor="white",
            linewidth=2.2,
            elinewidth=1.2,
            capsize=2,
            zorder=5,
            label=style.entry(
                text.say("mean ± SE") if series is None else text.say("{level}: mean ± SE", level=level)
            ),
        )
    ax.autoscale_view()
    if ticks is not None:
        named_columns(ax, ticks)
    elif whole(xv):
        whole_ticks(ax)
    title = text.say(
        "{y} along {x}, a line per {group} ({count})",
        y=text.name(y),
        x=text.name(x),
        group=text.name(group),
        count=text.count(len(shown), n_lines),
    )
    finish(ax, title, text.name(x), text.name(y))
    return ax
