"""Pictures of the residuals: do they look like independent errors of one normal distribution?"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from mixwell.data.columns import Numbers
from mixwell.data.frame import near
from mixwell.design.record import Design
from mixwell.errors import DataError
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.plots import style
from mixwell.plots.grouped import factor_index, group_quantiles
from mixwell.plots.layout import finish, named_columns, new_axes, zero_line
from mixwell.plots.left_out import with_other_factors
from mixwell.plots.marks import cloud, draw_boxes, draw_distribution, draw_middle_halves, draw_smooth
from mixwell.plots.smooth import smooth
from mixwell.plots.style import styled
from mixwell.plots.words import Labels, Lang, Words, words

FloatArray = NDArray[np.float64]

# E sqrt|Z| of a standard normal Z: 2^(1/4) Gamma(3/4) / sqrt(pi).
MEAN_ROOT_NORMAL = 0.8221789586623885


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


def drawn_residuals(design: Design, fit: Fit, text: Words) -> tuple[FloatArray, str]:
    """Pearson residuals, in the units of the response when there are no weights, and their axis label."""
    if design.weights is None:
        label = text.say("residual of {y}", y=text.name(design.response_name))
    else:
        label = text.say("Pearson residual of {y}", y=text.name(design.response_name))
    return quantities.pearson_residuals(design, fit), label


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
    draw_distribution(
        ax,
        residual,
        float(residual.mean()),
        np.array([residual.std(ddof=1)]),
        text,
        values_are=text.say("residuals"),
        normal_is=text.say("normal of the same spread"),
    )
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
    index = factor_index(design, group)
    factor = design.factors[index]
    residual, label = drawn_residuals(design, fit, text)
    name, q = text.name(factor.name), factor.n_levels
    if q > style.MOST_NAMES:
        ax = new_axes(ax)
        shown = draw_middle_halves(ax, residual, factor.codes, q, text)
        title = text.say("Residuals by {group} ({count})", group=name, count=text.count(shown, q))
        title = with_other_factors(title, design, index, group, text)
        zero_line(ax)
        finish(ax, title, text.say("{group}, sorted by median", group=name), label)
        return ax
    order = np.argsort(group_quantiles(residual, factor.codes, q, [0.5])[:, 0], kind="stable")
    ax = new_axes(ax, (max(6.4, 1.5 + 0.3 * q), 4.4))
    ends = np.cumsum(np.bincount(factor.codes, minlength=q))[:-1]
    by_group = np.split(residual[np.argsort(factor.codes, kind="stable")], ends)
    draw_boxes(ax, [by_group[i] for i in order], np.arange(q), 0.65, style.MODEL, outliers=True)
    named = named_columns(ax, factor.levels[order])
    ax.set_xlim(-0.7, q - 0.3)
    zero_line(ax)
    along = name if named else text.say("{group}, sorted by median", group=name)
    title = with_other_factors(text.say("Residuals by {group}", group=name), design, index, group, text)
    finish(ax, title, along, label)
    return ax
