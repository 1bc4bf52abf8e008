"""Pictures of the residuals: do they look like independent errors of one normal distribution?"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from mixwell.data.columns import Numbers
from mixwell.data.frame import near
from mixwell.design.record import Design
from mixwell.diagnostics.dependence import Autocorrelation, autocorrelation
from mixwell.errors import DataError, MixwellError
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.plots import style
from mixwell.plots.grouped import (
    evenly,
    factor_index,
    group_quantiles,
    position_within,
)
from mixwell.plots.layout import (
    cloud,
    draw_smooth,
    finish,
    name_points,
    new_axes,
    whole_ticks,
    zero_line,
)
from mixwell.plots.random_effects import draw_quantiles
from mixwell.plots.smooth import density, histogram_edges, smooth
from mixwell.plots.style import styled
from mixwell.plots.words import Labels, Lang, Words, words

FloatArray = NDArray[np.float64]

# Operations that a picture may spend on whitening, a few seconds.
_MOST_WORK = 2e10


def row_names(design: Design) -> NDArray[np.generic]:
    """What rows are called: by the index of the data, else by their position in it."""
    rows = design.rows
    if rows is not None and rows.index is not None:
        return np.asarray(rows.index, dtype=object)
    return np.arange(design.n_obs) if rows is None or rows.kept is None else rows.kept


def drawn_residuals(design: Design, fit: Fit, text: Words) -> tuple[FloatArray, str]:
    """Pearson residuals, in the units of the response when there are no weights, and their axis label."""
    if design.weights is None:
        label = text.say("residual of {y}", y=text.name(design.response_name))
    else:
        label = text.say("Pearson residual of {y}", y=text.name(design.response_name))
    return quantities.pearson_residuals(design, fit), label


@styled
def plot_residuals(
    design: Design,
    fit: Fit,
    x: str | None = None,
    *,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
    scale: bool = True,
) -> Axes:
    """Residuals against fitted values, or against a covariate, with a smooth and its band.

    The smooth should stay near zero; where it bends away, the mean is not what the model says. More than
    6000 rows are drawn as hexagons shaded by count.

    Parameters
    ----------
    design, fit
        Of a fitted model.
    x
        A numeric variable of the model; by default the fitted values.
    ax
        Axes to draw in; by default those of a new figure.
    labels
        What variables are called, with units.
    lang
        ``"en"`` or ``"zh"``.
    scale
        Whether hexagons come with a scale of counts.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If ``x`` is not a numeric variable of the model.

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> ax = plot_residuals(fit.design, fit.fit, ax=Figure().subplots())
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('fitted Reaction', 'residual of Reaction')
    """
    text = words(lang, labels)
    residual, label = drawn_residuals(design, fit, text)
    if x is None:
        at = fit.fitted
        x_label = text.say("fitted {y}", y=text.name(design.response_name))
        title = text.say("Residuals against fitted values")
    else:
        at, x_label = numeric_variable(design, x), text.name(x)
        title = text.say("Residuals against {x}", x=x_label)
    ax = new_axes(ax)
    cloud(ax, at, residual, text, scale=scale)
    zero_line(ax)
    draw_smooth(ax, smooth(at, residual), text)
    finish(ax, title, x_label, label)
    return ax


def numeric_variable(design: Design, name: str) -> FloatArray:
    """Values of a numeric variable of the model, length n.

    Raises
    ------
    DataError
        If there is none of that name.
    """
    column = design.variables.get(name)
    if not isinstance(column, Numbers):
        known = [key for key, value in design.variables.items() if isinstance(value, Numbers)]
        raise DataError(f"{name!r} is not a numeric variable of the model{near(name, known)}")
    return column.floats()


@styled
def plot_qq(
    design: Design,
    fit: Fit,
    *,
    level: float = 0.95,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """Normal quantiles of the residuals, with a simultaneous band.

    A normal sample lies wholly within the band with probability ``level``; points outside are coloured and
    the farthest named by row. Residuals of a model are not quite independent, so the band is a guide.

    Parameters
    ----------
    design, fit, ax, labels, lang
        As in :func:`plot_residuals`.
    level
        Of the band.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> ax = plot_qq(fit.design, fit.fit, ax=Figure().subplots())
    >>> ax.get_title()
    'Normal quantiles of residuals'
    """
    text = words(lang, labels)
    ax = new_axes(ax, (5.2, 4.6))
    draw_quantiles(ax, quantities.scaled_residuals(design, fit), row_names(design), text, level)
    finish(
        ax,
        text.say("Normal quantiles of residuals"),
        text.say("normal quantile"),
        text.say("standardized residual"),
    )
    return ax


@styled
def plot_scale_location(
    design: Design,
    fit: Fit,
    *,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
    scale: bool = True,
) -> Axes:
    """Square root of absolute residuals against fitted values: is the spread the same everywhere?

    Residuals are in units of sigma. For normal errors of equal spread the mean height is 0.822, drawn as
    the reference line.

    Parameters
    ----------
    design, fit, ax, labels, lang, scale
        As in :func:`plot_residuals`.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> ax = plot_scale_location(fit.design, fit.fit, ax=Figure().subplots())
    >>> bool(ax.get_ylim()[0] <= 0)
    True
    """
    text = words(lang, labels)
    residual = quantities.scaled_residuals(design, fit)
    # Residuals vary less than errors, so that their own spread is the reference.
    root = np.sqrt(np.abs(residual))
    ax = new_axes(ax)
    cloud(ax, fit.fitted, root, text, scale=scale)
    zero_line(ax, at=MEAN_ROOT_NORMAL * float(np.sqrt(np.std(residual))))
    draw_smooth(ax, smooth(fit.fitted, root), text)
    ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
    finish(
        ax,
        text.say("Spread of residuals"),
        text.say("fitted {y}", y=text.name(design.response_name)),
        text.say("√|residual / σ|"),
    )
    return ax


# E sqrt|Z| of a standard normal Z: 2^(1/4) Gamma(3/4) / sqrt(pi).
MEAN_ROOT_NORMAL = 0.8221789586623885


@styled
def plot_residual_density(
    design: Design,
    fit: Fit,
    *,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """Histogram and kernel density of the residuals, beside the normal density of the same spread.

    Parameters
    ----------
    design, fit, ax, labels, lang
        As in :func:`plot_residuals`.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> ax = plot_residual_density(fit.design, fit.fit, ax=Figure().subplots())
    >>> ax.get_ylabel()
    'density'
    """
    text = words(lang, labels)
    residual, label = drawn_residuals(design, fit, text)
    ax = new_axes(ax)
    edges = histogram_edges(residual)
    ax.hist(
        residual, bins=edges.tolist(), density=True, color=style.QUIET, alpha=0.4, label=text.say("residuals")
    )
    found = density(residual)
    ax.plot(found.x, found.height, color=style.MODEL, label=text.say("kernel density"))
    mean, sd = float(residual.mean()), float(residual.std(ddof=1))
    grid = np.linspace(min(found.x[0], mean - 3.5 * sd), max(found.x[-1], mean + 3.5 * sd), 301)
    normal = np.exp(-0.5 * ((grid - mean) / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
    ax.plot(grid, normal, color=style.GROUP, linestyle="--", label=text.say("normal of the same spread"))
    ax.set_ylim(bottom=0)
    finish(ax, text.say("Distribution of residuals"), label, text.say("density"))
    return ax


@styled
def plot_residuals_by_group(
    design: Design,
    fit: Fit,
    group: str | None = None,
    *,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """Residuals group by group, sorted by median: is the spread the same in all, and does one stand apart?

    Up to 40 groups have boxes; more have a line for the middle half of their rows and a dot for the median,
    up to 300 of them, evenly chosen.

    Parameters
    ----------
    design, fit, ax, labels, lang
        As in :func:`plot_residuals`.
    group
        A grouping factor; by default the one with most levels.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> ax = plot_residuals_by_group(fit.design, fit.fit, ax=Figure().subplots())
    >>> len(ax.get_xticks())
    18
    """
    text = words(lang, labels)
    factor = design.factors[factor_index(design, group)]
    residual, label = drawn_residuals(design, fit, text)
    middle = group_quantiles(residual, factor.codes, factor.n_levels, [0.25, 0.5, 0.75])
    order = np.argsort(middle[:, 1], kind="stable")
    name = text.name(factor.name)
    if factor.n_levels <= style.MOST_NAMES:
        ax = new_axes(ax, (max(6.4, 1.5 + 0.3 * len(order)), 4.4))
        by_group = np.split(
            residual[np.argsort(factor.codes, kind="stable")],
            np.cumsum(np.bincount(factor.codes, minlength=factor.n_levels))[:-1],
        )
        ax.boxplot(
            [by_group[i] for i in order],
            positions=np.arange(len(order)).tolist(),
            widths=0.65,
            manage_ticks=False,
            patch_artist=True,
            boxprops={"facecolor": style.MODEL, "alpha": 0.25, "edgecolor": style.MODEL},
            medianprops={"color": style.BLACK},
            flierprops={
                "marker": "o",
                "markersize": 3,
                "markerfacecolor": style.FLAGGED,
                "markeredgewidth": 0,
            },
            whiskerprops={"color": style.DATA},
            capprops={"color": style.DATA},
        )
        ax.set_xticks(
            np.arange(len(order)),
            [str(factor.levels[i]) for i in order],
            rotation=90 if len(order) > 12 else 0,
        )
        ax.set_xlim(-0.7, len(order) - 0.3)
        zero_line(ax)
        finish(ax, text.say("Residuals by {group}", group=name), name, label)
        return ax
    ax = new_axes(ax)
    shown = evenly(order, style.MOST_GROUPS)
    at = np.arange(len(shown))
    lines = [[(i, a), (i, b)] for i, (a, b) in enumerate(middle[shown][:, [0, 2]].tolist())]
    ax.add_collection(
        LineCollection(lines, colors=style.MODEL, linewidths=0.9, alpha=0.6, label=text.say("middle half"))
    )
    ax.scatter(at, middle[shown, 1], s=4, color=style.BLACK, label=text.say("median"), zorder=3)
    ax.autoscale_view()
    ax.set_xlim(-0.02 * len(at), 1.02 * len(at))
    ax.set_xticks([])
    zero_line(ax)
    count = (
        f"{len(shown)}"
        if len(shown) == len(order)
        else text.say("{n} of {all}", n=len(shown), all=len(order))
    )
    finish(
        ax,
        text.say("Residuals by {group} ({count})", group=name, count=count),
        text.say("{group}, sorted by median", group=name),
        label,
    )
    return ax


@styled
def plot_residual_order(
    design: Design,
    fit: Fit,
    time: str | None = None,
    group: str | None = None,
    *,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
    scale: bool = True,
) -> Axes:
    """Residuals in their order within groups, with a smooth: does something drift?

    Parameters
    ----------
    design, fit, ax, labels, lang, scale
        As in :func:`plot_residuals`.
    time
        A numeric variable of the model; by default the place of a row in its group, as the data stand.
    group
        A grouping factor; by default the one with most levels.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If ``time`` is not a numeric variable of the model.

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> ax = plot_residual_order(fit.design, fit.fit, ax=Figure().subplots())
    >>> ax.get_xlabel()
    'place of the row within Subject'
    """
    text = words(lang, labels)
    factor = design.factors[factor_index(design, group)]
    residual, label = drawn_residuals(design, fit, text)
    name = text.name(factor.name)
    if time is None:
        at = position_within(factor.codes).astype(np.float64)
        x_label = text.say("place of the row within {group}", group=name)
    else:
        at, x_label = numeric_variable(design, time), text.name(time)
    ax = new_axes(ax)
    cloud(ax, at, residual, text, scale=scale)
    zero_line(ax)
    draw_smooth(ax, smooth(at, residual), text)
    if time is None:
        whole_ticks(ax)
    finish(ax, text.say("Residuals in order within {group}", group=name), x_label, label)
    return ax


@styled
def plot_acf(
    design: Design,
    fit: Fit,
    time: str | None = None,
    group: str | None = None,
    *,
    lags: int | None = None,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """Autocorrelation of the residuals within groups, with the band of independent errors.

    Residuals are whitened, so that they are uncorrelated if the model holds. Where that is too much work
    (many crossed levels) they are the conditional ones, which the random effects leave a little negatively
    correlated; the axis says which.

    Parameters
    ----------
    design, fit, ax, labels, lang
        As in :func:`plot_residuals`.
    time
        A numeric variable of the model that orders the rows; by default they stand in order.
    group
        A grouping factor; by default that with the most levels among those with three rows per level.
    lags
        The largest lag; by default up to 10.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ModelError
        If no group has two rows.

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> ax = plot_acf(fit.design, fit.fit, ax=Figure().subplots())
    >>> bool(ax.get_ylim()[0] < 0 < ax.get_ylim()[1])
    True
    """
    text = words(lang, labels)
    if group is not None:
        factor_index(design, group)
    found = within_groups(design, fit, time, group, lags)
    ax = new_axes(ax, (6.0, 3.8))
    ax.bar(
        found.lags,
        2 * found.band,
        bottom=-found.band,
        width=1.0,
        color=style.MODEL,
        alpha=style.BAND_ALPHA,
        linewidth=0,
        label=text.say("95% band without correlation"),
    )
    beyond = np.abs(found.values) > found.band
    colours = list(np.where(beyond, style.FLAGGED, style.DATA))
    ax.vlines(found.lags, 0, found.values, colors=colours, linewidth=2)
    ax.scatter(found.lags, found.values, c=colours, s=22, zorder=3, linewidths=0)
    zero_line(ax)
    reach = max(0.25, 1.15 * float(np.max(np.abs([*found.values, *found.band]))))
    ax.set_ylim(-reach, reach)
    ax.set_xlim(0.3, found.lags[-1] + 0.7)
    whole_ticks(ax)
    title = text.say("Autocorrelation of residuals within {group}", group=text.name(found.by))
    if time is None:
        lag = text.say("rows apart")
    else:
        lag = text.say("rows apart, in order of {time}", time=text.name(time))
    whitened = found.kind == "whitened"
    y_label = text.say("correlation (whitened)") if whitened else text.say("correlation (conditional)")
    finish(ax, title, lag, y_label)
    return ax


def within_groups(
    design: Design, fit: Fit, time: str | None, group: str | None, lags: int | None
) -> Autocorrelation:
    """Autocorrelation of whitened residuals, or of conditional ones where whitening takes too long."""
    try:
        return autocorrelation(design, fit, by=group, order=time, lags=lags, most_work=_MOST_WORK)
    except MixwellError:
        return autocorrelation(design, fit, by=group, order=time, lags=lags, kind="scaled")


@styled
def plot_leverage(
    design: Design,
    fit: Fit,
    leverages: FloatArray,
    *,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
    scale: bool = True,
) -> Axes:
    """Standardized residuals against leverages: which rows fit badly, which pull the fit?

    The vertical line is the mean leverage. Rows far out in both directions are named.

    Parameters
    ----------
    design, fit, ax, labels, lang, scale
        As in :func:`plot_residuals`.
    leverages
        Length n: diagonal of the matrix that takes the response to the fitted values.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> from mixwell.kernel import leverages
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> h = leverages(fit.design, fit.fit.theta)
    >>> ax = plot_leverage(fit.design, fit.fit, h, ax=Figure().subplots())
    >>> ax.get_xlabel()
    'leverage'
    """
    text = words(lang, labels)
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
    # How much a row moves its own fitted value, in units of sigma.
    pull = np.abs(r) * np.sqrt(h / np.maximum(1 - h, 1e-12))
    far = np.argsort(-pull)[:5]
    name_points(ax, h[far], r[far], [str(name) for name in row_names(design)[defined][far]])
    finish(
        ax, text.say("Residuals against leverage"), text.say("leverage"), text.say("standardized residual")
    )
    return ax
