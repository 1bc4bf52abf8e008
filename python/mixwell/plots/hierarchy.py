"""Picture of the hierarchy of grouping factors, before any model."""

from __future__ import annotations

import warnings

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from mixwell.data.columns import Factor
from mixwell.errors import DataError, MixwellWarning
from mixwell.explore.hierarchy import Level, combinations_of
from mixwell.explore.structure import Structure
from mixwell.plots import style
from mixwell.plots.layout import extent, finish, named_columns, named_rows, new_axes, room_for_names
from mixwell.plots.names import short_names, text_width
from mixwell.plots.style import styled
from mixwell.plots.words import Labels, Lang, Words, words

# Two neighbouring shades per strip, light and dark: told apart without colour.
_SHADES = ("#9ECAE9", "#3B7FB5")
_NAME_COLOURS = (style.BLACK, "#FFFFFF")
# Cells of a table of counts, down and across, at most; more would be smaller than a pixel or two.
_MOST_CELLS = (120, 240)
# Levels narrower than this many points have no outline.
_OUTLINED = 3.0


@styled
def plot_hierarchy(
    structure: Structure, *, ax: Axes | None = None, labels: Labels = None, lang: Lang = "en"
) -> Axes:
    """The hierarchy of grouping factors: nested ones as strips under one another, crossed ones as a table.

    Nested: a strip per factor, each level as wide as it has rows and below the level it belongs to. Crossed:
    the two factors with most levels that are nested in no other as a table, darker where a combination has
    more rows, white where it has none; of more than 120 by 240 levels a cell stands for several neighbours.

    Parameters
    ----------
    structure
        Of ``mw.structure()``.
    ax
        Axes to draw in; by default those of a new figure.
    labels
        What factors are called.
    lang
        ``"en"`` or ``"zh"``.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> found = mw.structure(mw.datasets.load_pastes(), ["batch", "cask"])
    >>> ax = plot_hierarchy(found, ax=Figure().subplots())
    >>> ax.get_title(), [label.get_text() for label in ax.get_yticklabels()]
    ('Hierarchy of 60 rows', ['batch\\n10 levels', 'batch:cask\\n30 levels'])
    """
    text = words(lang, labels)
    if not isinstance(structure, Structure):
        raise DataError(
            f"plot_hierarchy() draws what mw.structure() finds, not a {type(structure).__name__}."
        )
    tops = [level for level in structure.hierarchy if level.parent < 0]
    if len(tops) > 1:
        across, down = tops[-1].factor, tops[-2].factor
        ax = new_axes(ax, (max(5.0, min(12.0, 2.4 + 0.22 * len(across.levels))), 4.6))
        names = [level.factor.name for level in structure.hierarchy]
        others = [name for name in names if name not in (across.name, down.name)]
        draw_table(ax, across, down, text, tuple(others))
    else:
        ax = new_axes(ax, (8.0, 1.4 + 0.8 * len(structure.hierarchy)))
        draw_strips(ax, structure.hierarchy, structure.n_rows, text)
    return ax


def draw_strips(ax: Axes, hierarchy: tuple[Level, ...], n_rows: int, text: Words) -> None:
    """One strip per factor, outer factors above."""
    width, _ = extent(ax)
    # Rows sorted by the levels of each factor in turn, outer first: children lie below their parents.
    order = np.lexsort([level.factor.codes for level in reversed(hierarchy)])
    for depth, level in enumerate(hierarchy):
        codes = level.factor.codes[order]
        bounds = np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1, [len(codes)]])
        shown = codes[bounds[:-1]] >= 0
        left, right = bounds[:-1][shown], bounds[1:][shown]
        points = (right - left) / n_rows * width
        corners = [
            [(a, depth - 0.4), (b, depth - 0.4), (b, depth + 0.4), (a, depth + 0.4)]
            for a, b in zip(left.tolist(), right.tolist(), strict=True)
        ]
        outline = 0.6 if np.median(points) > _OUTLINED else 0.0
        colours = [_SHADES[i % 2] for i in range(len(left))]
        ax.add_collection(PolyCollection(corners, facecolors=colours, edgecolors="white", linewidths=outline))
        if np.median(points) < 2 * text_width("a"):
            continue
        names = short_names(
            [own_part(str(label), level) for label in level.factor.levels[codes[left]]],
            max(4, int(np.median(points) / text_width("a")) - 1),
        )
        for i in np.flatnonzero(
            [text_width(name) + 3 < wide for name, wide in zip(names, points, strict=True)]
        ):
            ax.text(
                (left[i] + right[i]) / 2,
                depth,
                names[i],
                ha="center",
                va="center",
                fontsize=style.SMALL,
                color=_NAME_COLOURS[i % 2],
            )
    ax.set_xlim(0, n_rows)
    ax.set_ylim(len(hierarchy) - 0.5, -0.5)
    ax.set_yticks(range(len(hierarchy)), [counted(level.factor, text, separator="\n") for level in hierarchy])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    finish(ax, text.say("Hierarchy of {n} rows", n=n_rows), text.say("rows"), "")


def draw_table(ax: Axes, across: Factor, down: Factor, text: Words, others: tuple[str, ...]) -> None:
    """Rows of each combination of two factors; the title names those that are not drawn."""
    down_codes, across_codes, rows = combinations_of(down, across)
    # Levels of which a cell is made: single ones, or so many neighbours that a cell can be seen.
    each = (-(-len(down.levels) // _MOST_CELLS[0]), -(-len(across.levels) // _MOST_CELLS[1]))
    shape = (-(-len(down.levels) // each[0]), -(-len(across.levels) // each[1]))
    cell = down_codes // each[0] * shape[1] + across_codes // each[1]
    counts = np.bincount(cell, rows, shape[0] * shape[1]).reshape(shape)
    rows = counts[counts > 0]
    top = max(int(rows.max()), 2)
    image = ax.imshow(
        np.ma.masked_equal(counts, 0),
        aspect="auto",
        cmap=style.COUNTS,
        vmin=1,
        vmax=top,
        interpolation="nearest",
    )
    if len(across.levels) > style.MOST_NAMES or not named_columns(ax, across.levels):
        ax.set_xticks([])
    if room_for_names(ax, len(down.levels)):
        named_rows(ax, down.levels)
    else:
        ax.set_yticks([])
    if max(len(across.levels), len(down.levels)) <= style.MOST_NAMES:
        ax.vlines(np.arange(1, len(across.levels)) - 0.5, -0.5, len(down.levels) - 0.5, "white", linewidth=1)
        ax.hlines(np.arange(1, len(down.levels)) - 0.5, -0.5, len(across.levels) - 0.5, "white", linewidth=1)
    title = text.say(
        "Rows by {groups}",
        groups=text.say("{x} and {hue}", x=text.name(down.name), hue=text.name(across.name)),
    )
    if rows.min() == rows.max() and max(each) == 1:
        title = text.say("{title}: {n} in each coloured cell", title=title, n=int(rows[0]))
    else:
        ticks = np.unique(np.linspace(1, top, 5).astype(int))
        bar = ax.figure.colorbar(image, ax=ax, ticks=ticks, pad=0.02, aspect=25)
        coarse = text.say("rows per cell of {a} by {b} levels", a=each[0], b=each[1])
        bar.set_label(text.say("rows (white: none)") if max(each) == 1 else coarse)
        bar.outline.set_visible(False)
    if others:
        warnings.warn(
            f"The picture leaves out {', '.join(others)}; mw.structure() of two factors draws these.",
            MixwellWarning,
            stacklevel=5,
        )
        title = text.say(
            "{title} (not drawn: {names})", title=title, names=text.list([text.name(name) for name in others])
        )
    finish(ax, title, counted(across, text), counted(down, text))


def counted(factor: Factor, text: Words, separator: str = " ") -> str:
    """A factor's name and number of levels."""
    levels = text.say("{n} levels", n=len(factor.levels))
    name = text.name(factor.name)
    return f"{name}{separator}{levels if separator != ' ' else f'({levels})'}"


def own_part(label: str, level: Level) -> str:
    """The inner label of a combination, ``a`` of ``A:a``."""
    return label.rsplit(":", 1)[-1] if ":" in level.factor.name else label
