"""Pictures of the structure of grouped data. Loads matplotlib; imported when a picture is drawn."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import ListedColormap
from numpy.typing import NDArray

from mixwell.data.columns import Factor
from mixwell.explore.hierarchy import Level, combinations_of

FloatArray = NDArray[np.float64]

# Two neighbouring shades per strip (from Okabe & Ito's blue, and grey): told apart without colour.
_SHADES = ("#9ecae9", "#3b7fb5")
_LABEL_COLOURS = ("#000000", "#ffffff")
# Levels narrower than this part of the axis have no label and no outline.
_LABEL_WIDTH = 0.012
_OUTLINE_WIDTH = 0.004
# Names of levels along a table of counts, at most.
_MOST_TICKS = 40


def draw_hierarchy(hierarchy: tuple[Level, ...], n_rows: int, ax: Axes | None = None) -> Axes:
    """Draw the hierarchy of factors.

    One tree: a strip per factor, each level as wide as it has rows and below the level it belongs to.
    Several trees: the first two as a table, darker where a combination has more rows, white where none.

    Parameters
    ----------
    hierarchy
        As in :class:`mixwell.explore.structure.Structure`.
    n_rows
        Rows of the data.
    ax
        Axes to draw in; by default those of a new figure.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(8, 1.2 + 0.8 * len(hierarchy)), layout="constrained")
    tops = [level for level in hierarchy if level.parent < 0]
    if len(tops) > 1:
        return _draw_table(tops[-1].factor, tops[-2].factor, ax)
    return _draw_strips(hierarchy, n_rows, ax)


def _draw_strips(hierarchy: tuple[Level, ...], n_rows: int, ax: Axes) -> Axes:
    # Rows sorted by the levels of each factor in turn, outer first: children lie below their parents.
    order = np.lexsort([level.factor.codes for level in reversed(hierarchy)])
    for depth, level in enumerate(hierarchy):
        codes = level.factor.codes[order]
        bounds = np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1, [len(codes)]])
        shown = codes[bounds[:-1]] >= 0
        left, right = bounds[:-1][shown], bounds[1:][shown]
        names = [_own_part(str(label), level) for label in level.factor.levels[codes[left]]]
        wide = (right - left) / n_rows
        corners = [
            [(a, depth - 0.4), (b, depth - 0.4), (b, depth + 0.4), (a, depth + 0.4)]
            for a, b in zip(left.tolist(), right.tolist(), strict=True)
        ]
        outline = 0.6 if np.median(wide) > _OUTLINE_WIDTH else 0.0
        colours = [_SHADES[i % 2] for i in range(len(left))]
        ax.add_collection(PolyCollection(corners, facecolors=colours, edgecolors="white", linewidths=outline))
        for i in np.flatnonzero(wide > _LABEL_WIDTH * np.array([max(len(name), 2) for name in names])):
            ax.text(
                (left[i] + right[i]) / 2,
                depth,
                names[i],
                ha="center",
                va="center",
                fontsize="small",
                color=_LABEL_COLOURS[i % 2],
            )
    ax.set_xlim(0, n_rows)
    ax.set_ylim(len(hierarchy) - 0.5, -0.5)
    ax.set_yticks(
        range(len(hierarchy)),
        [f"{level.factor.name}\n{len(level.factor.levels)} levels" for level in hierarchy],
    )
    ax.set_xlabel("rows")
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    return ax


def _draw_table(across: Factor, down: Factor, ax: Axes) -> Axes:
    down_codes, across_codes, rows = combinations_of(down, across)
    counts = np.full((len(down.levels), len(across.levels)), np.nan)
    counts[down_codes, across_codes] = rows
    # From light blue on, so that one row differs from none.
    colours = ListedColormap(plt.get_cmap("Blues")(np.linspace(0.3, 1, 256))).with_extremes(bad="white")
    top = max(int(rows.max()), 2)
    image = ax.imshow(
        np.ma.masked_invalid(counts), aspect="auto", cmap=colours, vmin=1, vmax=top, interpolation="nearest"
    )
    for axis, factor in ((ax.xaxis, across), (ax.yaxis, down)):
        if len(factor.levels) <= _MOST_TICKS:
            axis.set_ticks(range(len(factor.levels)), [str(label) for label in factor.levels])
        else:
            axis.set_ticks([])
    ax.set_xlabel(f"{across.name} ({len(across.levels)} levels)")
    ax.set_ylabel(f"{down.name} ({len(down.levels)} levels)")
    if max(len(across.levels), len(down.levels)) <= _MOST_TICKS:
        ax.vlines(np.arange(1, len(across.levels)) - 0.5, -0.5, len(down.levels) - 0.5, "white", linewidth=1)
        ax.hlines(np.arange(1, len(down.levels)) - 0.5, -0.5, len(across.levels) - 0.5, "white", linewidth=1)
    if rows.min() == rows.max():
        ax.set_title(f"Rows in each coloured cell: {rows[0]}", fontsize="medium", loc="left")
    else:
        ticks = np.unique(np.linspace(1, top, 5).astype(int))
        ax.figure.colorbar(image, ax=ax, label="rows (white: none)", ticks=ticks)
    return ax


def _own_part(label: str, level: Level) -> str:
    """The inner label of a combination, ``a`` of ``A:a``."""
    return label.rsplit(":", 1)[-1] if ":" in level.factor.name else label
