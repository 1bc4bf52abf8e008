"""Axes, panels, titles, legends and named axes: what the pictures share apart from the data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation
from numpy.typing import ArrayLike

from mixwell.plots import style
from mixwell.plots.names import short_names, text_width, wrapped

# A title's letters are that much larger than the small text that text_width() measures.
_TITLE = 1.25
_LABEL = 1.12


def figure_of(ax: Axes) -> Figure | SubFigure:
    """The figure or subfigure that some axes are in."""
    return ax.figure


def new_axes(ax: Axes | None, size: tuple[float, float] = (6.4, 4.4)) -> Axes:
    """The caller's axes, or those of a new figure of ``size`` inches."""
    return ax if ax is not None else plt.figure(figsize=size, layout="constrained").add_subplot()


def extent(ax: Axes) -> tuple[float, float]:
    """Width and height of axes in points."""
    box = ax.get_window_extent()
    return box.width * 72 / ax.figure.dpi, box.height * 72 / ax.figure.dpi


def columns_for(ax: Axes | None, count: int, most: int, shape: float = 1.3) -> int:
    """Columns of ``count`` panels: at most ``most`` in a new figure, in the caller's axes those that come
    nearest to panels ``shape`` times as wide as high."""
    if ax is None:
        return min(count, most)
    width, height = extent(ax)
    return min(
        range(1, count + 1),
        key=lambda columns: abs(math.log(width / columns * math.ceil(count / columns) / height / shape)),
    )


def panels_that_fit(ax: Axes | None, width: float, height: float) -> tuple[int, int]:
    """How many columns and rows of panels of some inches the caller's axes have room for, at least one.

    A new figure is made as large as its panels need.
    """
    if ax is None:
        return 100, 100
    across, up = (points / 72 for points in extent(ax))
    return max(1, int(across / width)), max(1, int(up / height))


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
    grid = None
    if spec is not None:
        # Without a layout engine nothing makes room for the labels between panels.
        loose = {} if figure.get_layout_engine() is not None else {"wspace": 0.35, "hspace": 0.5}
        grid = spec.subgridspec(rows, columns, **loose)
    place = ax.get_position()
    axes = [ax]
    like_the_others(ax)
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


def like_the_others(ax: Axes) -> None:
    """The caller's axes in the dress of the panels beside them, which are made with these settings."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=style.TICKS)


def margin_labels(axes: Sequence[Axes], columns: int, x: str, y: str) -> None:
    """Axis labels on the panels of the left column and the lowest of each column."""
    for i, panel in enumerate(axes):
        width, height = extent(panel)
        if i % columns == 0:
            panel.set_ylabel(wrapped(y, height / _LABEL))
        if i + columns >= len(axes):
            panel.set_xlabel(wrapped(x, width / _LABEL))


def overall(axes: Sequence[Axes], title: str, columns: int, *, own: bool) -> None:
    """Title and legend of several panels in a figure of their own; else the legend, above the first panel."""
    figure = axes[0].figure
    handles, names = axes[0].get_legend_handles_labels()
    if own:
        if title:
            figure.suptitle(wrapped(title, figure.bbox.width * 72 / figure.dpi / _TITLE), fontsize=10.5)
        if handles and axes[0].get_legend() is None:
            figure.legend(handles, names, loc="outside lower center", ncols=columns)
    elif handles:
        legend_over(axes, handles, names)


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
    width, height = extent(ax)
    ax.set_xlabel(wrapped(x, width / _LABEL))
    ax.set_ylabel(wrapped(y, height / _LABEL))
    shown = ax.get_legend_handles_labels()[0] if handles is None else handles
    title = wrapped(title, width / _TITLE)
    if not shown:
        ax.set_title(title)
        return
    rows = legend_above(ax, shown, [str(handle.get_label()) for handle in shown], heading)
    ax.set_title(title, pad=8 + 14 * rows)


def legend_above(
    ax: Axes, handles: Sequence[Artist], labels: Sequence[str], heading: str | None = None
) -> int:
    """A legend right above the axes, in as few rows as their width allows; the number of rows."""
    labels = short_names(labels, 44)
    columns = legend_columns(labels, extent(ax)[0])
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


def legend_columns(labels: Sequence[str], width: float) -> int:
    """How many entries of a legend have room beside each other in ``width`` points."""
    longest = max(text_width(label) for label in labels) + 32
    return max(1, min(len(labels), int(width // longest)))


def legend_over(axes: Sequence[Axes], handles: Sequence[Artist], labels: Sequence[str]) -> None:
    """A legend above the titles of the first row of panels, as wide as they are together.

    Blank lines above the first panel's title make room for it in the layout.
    """
    first = axes[0]
    right = max(panel.get_window_extent().x1 for panel in axes)
    width = (right - first.get_window_extent().x0) * 72 / first.figure.dpi
    labels = short_names(labels, 44)
    columns = legend_columns(labels, width)
    title = first.title
    height = 1.2 * float(title.get_fontsize())
    own = title.get_text()
    lines = (own.count("\n") + 1) if own else 0
    legend = first.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        bbox_transform=first.transAxes
        + ScaledTranslation(0, (4 + lines * height) / 72, first.figure.dpi_scale_trans),
        ncols=columns,
        borderaxespad=0.0,
        columnspacing=1.2,
    )
    legend.set_in_layout(False)
    rows = math.ceil(len(labels) / columns)
    first.annotate(
        "\n".join(" " * (rows + 1)),
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 4 + lines * height),
        textcoords="offset points",
        va="bottom",
        fontsize=style.SMALL,
        linespacing=1.4,  # as tall as a row of the legend, by the text layout of any version
    )


def zero_line(ax: Axes, *, horizontal: bool = True, at: float = 0.0) -> None:
    """A thin reference line."""
    draw = ax.axhline if horizontal else ax.axvline
    draw(at, color=style.REFERENCE, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1.5)


def room_for_names(ax: Axes, count: int) -> bool:
    """Whether ``count`` names, one above the other, can be read along the height of some axes."""
    return count <= style.MOST_NAMES and extent(ax)[1] / count >= 7.5


def named_rows(ax: Axes, names: Iterable[object], positions: ArrayLike | None = None) -> None:
    """Names along the y axis, at 0, 1, ... or at ``positions``, as large as there is room for."""
    names = list(names)
    width, height = extent(ax)
    at = np.arange(len(names)) if positions is None else np.asarray(positions)
    size = min(style.TICKS, 0.8 * height / max(len(names), 1))
    ax.set_yticks(at, short_names(names, max(14, int(0.4 * width / 4.9))), fontsize=max(size, 5.0))


def named_columns(ax: Axes, names: Iterable[object]) -> bool:
    """Names along the x axis, at 0, 1, ..., turned where they are long; False, and none, without room."""
    names = list(names)
    step = extent(ax)[0] / max(len(names), 1)
    if step < 7.0:
        ax.set_xticks([])
        return False
    at = np.arange(len(names))
    texts = [str(name) for name in names]
    if max(text_width(text) for text in texts) + 6 <= step:
        ax.set_xticks(at, texts)
        return True
    texts = short_names(texts, 20)
    if max(text_width(text) for text in texts) + 6 <= step:
        ax.set_xticks(at, texts)
    elif step >= 20:
        ax.set_xticks(at, texts, rotation=40, ha="right", rotation_mode="anchor")
    else:
        ax.set_xticks(at, texts, rotation=90, fontsize=min(style.TICKS, 0.85 * step))
    return True


def whole_ticks(ax: Axes, *, most: int = 8) -> None:
    """Ticks of the x axis at whole numbers only."""
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=most))
