"""Picture of marginal means: what the fixed effects say of one or two variables, the others averaged over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from mixwell.data.columns import Column, Numbers
from mixwell.data.output import Origin
from mixwell.design.predictors import spelled
from mixwell.design.record import Design
from mixwell.diagnostics.method import chosen_method
from mixwell.diagnostics.robust import RobustKind
from mixwell.errors import DataError, ModelError
from mixwell.fit.record import Fit
from mixwell.formula.expression import Name, names, written
from mixwell.inference.contrast import Approximation
from mixwell.inference.degrees_of_freedom import Ddf
from mixwell.inference.emmeans import emmeans
from mixwell.inference.grid import Axis, grid_axes
from mixwell.plots import style
from mixwell.plots.layout import (
    columns_for,
    finish,
    named_columns,
    new_axes,
    overall,
    panels,
    panels_that_fit,
)
from mixwell.plots.left_out import say_left_out
from mixwell.plots.style import check_series, styled
from mixwell.plots.words import Labels, Lang, Words, words

FloatArray = NDArray[np.float64]

_POINTS = 40
# Panels of a figure.
_MOST_PANELS = 12


@dataclass(frozen=True, slots=True)
class MeanLines:
    """Marginal means as lines or points.

    Attributes
    ----------
    x
        Length m: positions along the axis.
    ticks
        Levels of a factor along the axis; None for numbers.
    series
        The s values of the second variable; one empty text without.
    mean, low, high
        Shape (s, m); NaN where the data do not determine a mean.
    """

    x: FloatArray
    ticks: tuple[str, ...] | None
    series: tuple[str, ...]
    mean: FloatArray
    low: FloatArray
    high: FloatArray


def mean_lines(
    design: Design,
    fit: Fit,
    x: str,
    by: str | None,
    at: Mapping[str, object] | None,
    weights: str,
    method: tuple[Approximation, str],
    level: float,
) -> MeanLines:
    """Marginal means along ``x`` for each value of ``by``.

    Numbers along the axis are at 40 values of their range, as ``by`` at their mean and one standard deviation
    to both sides, unless ``at`` says otherwise. ``method``: that of the intervals, and its name.
    """
    asked = dict(at or {})
    axes = axes_by_name(design)
    known = {name: axis.predictor for name, axis in axes.items()}
    asked = {spelled(name, known): given for name, given in asked.items()}
    x = spelled(x, known)
    by = None if by is None else spelled(by, known)
    column = known[x].column
    if isinstance(column, Numbers) and x not in asked and not axes[x].averaged:
        values = column.floats()
        asked[x] = np.linspace(values.min(), values.max(), _POINTS)
    other = known[by].column if by is not None else None
    if by is not None and isinstance(other, Numbers) and by not in asked and not axes[by].averaged:
        asked[by] = around_the_mean(other)
    table = emmeans(
        design,
        fit,
        Origin("pandas", None),
        [x],
        by=[by] if by is not None else None,
        at=asked,
        weights=weights,
        method=method[0],
        title=method[1],
        level=level,
    ).frame
    assert isinstance(table, pd.DataFrame)
    places = list(dict.fromkeys(table[x]))
    kinds = list(dict.fromkeys(table[by])) if by is not None else [""]
    at_kind = [kinds.index(kind) for kind in table[by]] if by is not None else [0] * len(table)
    at_place = [places.index(place) for place in table[x]]
    mean, low, high = (np.full((len(kinds), len(places)), np.nan) for _ in range(3))
    for array, name in ((mean, "estimate"), (low, "conf_low"), (high, "conf_high")):
        array[at_kind, at_place] = table[name]
    numbers = isinstance(column, Numbers)
    return MeanLines(
        x=np.array(places, dtype=np.float64) if numbers else np.arange(len(places), dtype=np.float64),
        ticks=None if numbers else tuple(str(place) for place in places),
        series=tuple(str(kind) for kind in kinds),
        mean=mean,
        low=low,
        high=high,
    )


def axes_by_name(design: Design) -> dict[str, Axis]:
    """The axes of the reference grid."""
    return {axis.name: axis for axis in grid_axes(design)}


def places(axis: Axis) -> float:
    """How many places a variable has along an axis; covariates have no end of them."""
    return len(axis.texts) if axis.averaged else np.inf


@dataclass(frozen=True, slots=True)
class MeansPanel:
    """What one panel of marginal means shows.

    Attributes
    ----------
    x, by
        The variables along the axis and in colours.
    held
        Values of further variables of the same interaction.
    """

    x: str
    by: str | None
    held: tuple[tuple[str, object], ...] = ()


def means_panels(design: Design) -> list[MeansPanel]:
    """Panels that show every variable of the fixed part, one per interaction that is in no other.

    An interaction of more than two variables has a panel for each combination of the others' values, numbers
    at their mean and one standard deviation to both sides.

    Raises
    ------
    ModelError
        If the fixed part has no variable.
    """
    axes = axes_by_name(design)
    if not axes:
        raise ModelError(
            "The fixed part has no variable, so there are no marginal means to draw; "
            "plot.random_effects() shows how the groups differ."
        )
    recipe = design.recipe
    assert recipe is not None
    together: list[frozenset[str]] = []
    for term in recipe.formula.fixed.terms:
        expressions = [recipe.formula.fixed.variables[variable].expression for variable in term]
        found = [node.value if isinstance(node, Name) else written(node) for node in expressions]
        read = {name for node in expressions for name in names(node)} | set(found)
        together.append(frozenset(name for name in axes if name in read))
    together += [frozenset([name]) for name in axes]
    whole = [one for one in dict.fromkeys(together) if one and not any(one < other for other in together)]
    out = []
    # Interactions before variables alone; a stable sort.
    for variables in sorted(whole, key=len, reverse=True):
        # Numbers along the axis before levels, more levels before fewer; a stable sort.
        own = [name for name in axes if name in variables]
        x, *others = sorted(own, key=lambda name: -places(axes[name]))
        by = others[0] if others else None
        values = [[(name, value) for value in held_values(axes[name])] for name in others[1:]]
        out += [MeansPanel(x, by, held) for held in product(*values)]
    return out


def held_values(axis: Axis) -> list[object]:
    """The levels of a variable, or three values of a number."""
    return list(axis.values) if axis.averaged else list(around_the_mean(axis.predictor.column))


def around_the_mean(column: Column) -> list[float]:
    """Mean and one standard deviation to both sides, to three digits."""
    assert isinstance(column, Numbers)
    centre, sd = float(column.floats().mean()), float(column.floats().std())
    return [float(f"{value:.3g}") for value in (centre - sd, centre, centre + sd)]


@styled
def plot_effects(
    design: Design,
    fit: Fit,
    x: str | None = None,
    by: str | None = None,
    *,
    at: Mapping[str, object] | None = None,
    weights: str = "equal",
    ddf: Ddf = "satterthwaite",
    robust: RobustKind | None = None,
    cluster: str | ArrayLike | None = None,
    level: float = 0.95,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """Marginal means with confidence intervals, along one variable, for each value of another.

    Other factors are averaged over, other numbers are at their mean: the means of ``fit.emmeans()``, on the
    scale of the model. Where no variable is named, every interaction (and every variable that is in none) has
    a panel; an interaction of three variables has one for each value of the third. What does not fit, beyond
    12 panels or the room in ``ax``, is counted in the title and named in a warning.

    Parameters
    ----------
    design, fit
        Of a fitted model.
    x
        A variable of the fixed part: numbers give a line with a band, levels points with intervals. By
        default all variables, a panel per interaction.
    by
        A second variable, as colours; a number at its mean and one standard deviation to both sides.
    at, weights, ddf, level, robust, cluster
        As for ``fit.emmeans()``.
    ax
        Axes to draw in; by default those of a new figure.
    labels
        What variables are called, with units.
    lang
        ``"en"`` or ``"zh"``.

    Returns
    -------
    matplotlib.axes.Axes
        The first panel; all are in ``ax.figure.axes``.

    Raises
    ------
    DataError
        If the fixed part has no such variable, ``by`` is ``x`` or has more values than colours tell apart.
    ModelError
        If the fixed part has no variable at all.

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("weight ~ Treatment * sex + (1 | Litter)", mw.datasets.load_ratpups())
    >>> ax = plot_effects(fit.design, fit.fit, "Treatment", "sex", ax=Figure().subplots())
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['Control', 'Low', 'High']
    """
    text = words(lang, labels)
    wanted = means_panels(design) if x is None else [MeansPanel(x, by)]
    if by is not None and x is None:
        wanted = [MeansPanel(next((p.x for p in wanted if p.x != by), by), by)]
    if wanted[0].x == wanted[0].by:
        raise DataError(f"x and by are both {wanted[0].x!r}; by= is a second variable.")
    method = chosen_method(design, fit, ddf, robust, cluster)
    title = text.say("Marginal means of {y}", y=text.name(design.response_name))
    most_columns, most_rows = panels_that_fit(ax, 2.1, 1.8)
    most = min(_MOST_PANELS, most_columns * most_rows)
    left_out = [panel_name(panel) for panel in wanted[most:]]
    title = say_left_out(title, left_out, "x= (with by= and at=)", text, len(wanted))
    wanted = wanted[:most]
    if len(wanted) == 1:
        ax = new_axes(ax, (6.2, 4.4))
        draw_means(ax, design, fit, wanted[0], at, weights, method, level, text, title)
        return ax
    columns = columns_for(ax, len(wanted), 3)
    rows = -(-len(wanted) // columns)
    axes = panels(ax, len(wanted), columns, (max(5.0, 3.9 * columns), 3.7 * rows))
    for panel, what in zip(axes, wanted, strict=True):
        held = text.list([f"{text.name(name)} = {value}" for name, value in what.held])
        draw_means(panel, design, fit, what, at, weights, method, level, text, held)
    overall(axes, title, 1, own=ax is None)
    return axes[0]


def panel_name(panel: MeansPanel) -> str:
    """An interaction in the words of a formula, with the values held."""
    held = ", ".join(f"{name} = {value}" for name, value in panel.held)
    name = panel.x if panel.by is None else f"{panel.x}:{panel.by}"
    return f"{name} at {held}" if held else name


def draw_means(
    ax: Axes,
    design: Design,
    fit: Fit,
    what: MeansPanel,
    at: Mapping[str, object] | None,
    weights: str,
    method: tuple[Approximation, str],
    level: float,
    text: Words,
    title: str,
) -> None:
    """One panel of :func:`plot_effects`."""
    by = what.by
    given = {name: [value] for name, value in what.held} | dict(at or {})
    found = mean_lines(design, fit, what.x, by, given, weights, method, level)
    if by is not None:
        check_series(by, len(found.series))
    count = len(found.series)
    for j, name in enumerate(found.series):
        colour = style.colour(j)
        label = style.entry(name) if by is not None else None
        if found.ticks is None:
            ax.plot(
                found.x, found.mean[j], color=colour, label=label, linestyle=("-", "--", "-.", ":")[j % 4]
            )
            ax.fill_between(
                found.x, found.low[j], found.high[j], color=colour, alpha=style.BAND_ALPHA, linewidth=0
            )
            continue
        shift = (j - (count - 1) / 2) * min(0.12, 0.5 / count)
        ax.errorbar(
            found.x + shift,
            found.mean[j],
            yerr=(found.mean[j] - found.low[j], found.high[j] - found.mean[j]),
            color=colour,
            marker=style.marker(j),
            markersize=6,
            linewidth=1.0 if count > 1 else 0,
            elinewidth=1.6,
            alpha=0.95,
            label=label,
        )
    if found.ticks is not None:
        ax.set_xlim(-0.5, len(found.ticks) - 0.5)
        named_columns(ax, found.ticks)
    y = text.name(design.response_name)
    lost = int(np.isnan(found.mean).sum())
    if lost:
        title = text.say("{title} ({n} not defined)", title=title, n=lost)
    heading = text.name(by) if by is not None else None
    finish(
        ax,
        title,
        text.name(what.x),
        text.say("mean of {y}, {level:.0%} interval", y=y, level=level),
        heading=heading,
    )
