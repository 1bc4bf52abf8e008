"""Pictures of the order of rows within groups: drift and autocorrelation of the residuals."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from mixwell.data.instants import Instants
from mixwell.design.record import Design
from mixwell.diagnostics.dependence import Autocorrelation, autocorrelation
from mixwell.errors import MixwellError
from mixwell.fit.record import Fit
from mixwell.plots import style
from mixwell.plots.grouped import factor_index, position_within
from mixwell.plots.layout import finish, new_axes, whole_ticks, zero_line
from mixwell.plots.left_out import with_other_factors
from mixwell.plots.marks import cloud, draw_smooth
from mixwell.plots.residuals import drawn_residuals, numeric_variable
from mixwell.plots.smooth import smooth
from mixwell.plots.style import styled
from mixwell.plots.words import Labels, Lang, words

# Operations that a picture may spend on whitening, a few seconds.
_MOST_WORK = 2e10


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
    index = factor_index(design, group)
    factor = design.factors[index]
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
    title = text.say("Residuals in order within {group}", group=name)
    finish(ax, with_other_factors(title, design, index, group, text), x_label, label)
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
    (many crossed levels), errors drawn given the data stand for them: conditional residuals plus the part of
    simulated errors that estimation takes away, so that the band holds for them, too. The axis says which.

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
    DataError
        If ``time`` is not a numeric variable of the model.
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
    if time is not None and not isinstance(design.variables.get(time), Instants):
        numeric_variable(design, time)
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
    title = with_other_factors(title, design, factor_index(design, found.by), group, text)
    if time is None:
        lag = text.say("rows apart")
    else:
        lag = text.say("rows apart, in order of {time}", time=text.name(time))
    whitened = found.kind == "whitened"
    y_label = text.say("correlation (whitened)") if whitened else text.say("correlation (drawn errors)")
    finish(ax, title, lag, y_label)
    return ax


def within_groups(
    design: Design, fit: Fit, time: str | None, group: str | None, lags: int | None
) -> Autocorrelation:
    """Autocorrelation of whitened residuals, or of errors drawn where whitening takes too long."""
    try:
        return autocorrelation(design, fit, by=group, order=time, lags=lags, most_work=_MOST_WORK)
    except MixwellError:
        return autocorrelation(design, fit, by=group, order=time, lags=lags, kind="drawn")
