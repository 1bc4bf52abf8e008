"""Pictures of the fixed effects and of the parts of the variance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from mixwell.data.frame import near
from mixwell.design.record import Design
from mixwell.diagnostics.method import chosen_method
from mixwell.diagnostics.robust import RobustKind
from mixwell.errors import ModelError
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.inference.contrast import row_tests
from mixwell.inference.degrees_of_freedom import Ddf
from mixwell.inference.icc_r2 import Shares, shares
from mixwell.plots import style
from mixwell.plots.layout import extent, finish, named_rows, new_axes, zero_line
from mixwell.plots.marks import intervals
from mixwell.plots.names import text_width
from mixwell.plots.style import styled
from mixwell.plots.words import Labels, Lang, Words, words

FloatArray = NDArray[np.float64]


@styled
def plot_coefficients(
    design: Design,
    fit: Fit,
    terms: Sequence[str] | str | None = None,
    *,
    intercept: bool = False,
    level: float = 0.95,
    ddf: Ddf = "satterthwaite",
    robust: RobustKind | None = None,
    cluster: str | ArrayLike | None = None,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """Fixed effects with confidence intervals: a forest.

    Parameters
    ----------
    design, fit
        Of a fitted model.
    terms
        Names of the coefficients; by default all.
    intercept
        Whether the intercept is among them, when none are named. It usually is of another size, and would
        press the others together.
    level, ddf
        Of the intervals, as for ``fit.conf_int()``.
    robust, cluster
        Cluster-robust standard errors and their degrees of freedom in place of ``ddf``, see
        ``LmerResult.vcov_robust``.
    ax
        Axes to draw in; by default those of a new figure.
    labels
        What coefficients are called.
    lang
        ``"en"`` or ``"zh"``.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ModelError
        If no coefficient is left to draw, or one does not exist.

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("weight ~ Treatment * sex + (1 | Litter)", mw.datasets.load_ratpups())
    >>> ax = plot_coefficients(fit.design, fit.fit, ax=Figure().subplots())
    >>> len(ax.get_yticks())
    5
    """
    text = words(lang, labels)
    known = quantities.kept_names(design, fit)
    named = [terms] if isinstance(terms, str) else terms
    wanted = [n for n in known if intercept or n != "(Intercept)"] if named is None else list(named)
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        raise ModelError(
            f"plot.coefficients(): {unknown[0]!r} is not a coefficient{near(unknown[0], known)}"
            if unknown
            else "terms= names no coefficient to draw; leave it out for all."
            if named is not None
            else "The model has no coefficient but the intercept; intercept=True draws it."
        )
    rows = np.eye(len(known))[[known.index(name) for name in wanted]]
    tests = row_tests(chosen_method(design, fit, ddf, robust, cluster)[0], fit.beta, rows)
    low, high = tests.interval(level)
    ax = new_axes(ax, (6.2, max(2.4, 1.4 + 0.34 * len(wanted))))
    at = np.arange(len(wanted))[::-1]
    intervals(ax, at, low, high, colour=style.MODEL, width=2.0)
    ax.scatter(tests.estimate, at, s=34, color=style.MODEL, zorder=3)
    zero_line(ax, horizontal=False)
    named_rows(ax, [text.name(name) for name in wanted], at)
    ax.set_ylim(-0.6, len(wanted) - 0.4)
    ax.margins(x=0.06)
    ax.autoscale_view(scaley=False)
    label = text.say("effect on {y}, {level:.0%} interval", level=level, y=text.name(design.response_name))
    title = text.say("Fixed effects")
    if named is None and not intercept and "(Intercept)" in known:
        title = text.say("{title} without the intercept", title=title)
    lost = quantities.dropped_names(design, fit)
    if named is None and lost:
        names = text.list([text.name(name) for name in lost])
        title = text.say("{title} (not estimable: {names})", title=title, names=names)
    finish(ax, title, label, "")
    return ax


def part_names(design: Design, text: Words) -> tuple[str, ...]:
    """Names of the parts of the variance: fixed effects, factors, residual."""
    return (
        text.say("fixed effects"),
        *(text.name(factor.name) for factor in design.factors),
        text.say("Residual"),
    )


def part_shares(parts: Shares) -> FloatArray:
    """Shares of the variance in the order of :func:`part_names`; they sum to 1."""
    return np.array([parts.fixed, *parts.factors, parts.residual]) / parts.total


@styled
def plot_variance(
    design: Design,
    fit: Fit,
    *,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """Where the variance of the response lies: fixed effects, each grouping factor, residual.

    A factor's part is the mean over rows of z' Sigma z, random slopes included (Johnson 2014).

    Parameters
    ----------
    design, fit, ax, labels, lang
        As in :func:`plot_coefficients`.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", mw.datasets.load_penicillin())
    >>> ax = plot_variance(fit.design, fit.fit, ax=Figure().subplots())
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['fixed effects', 'plate', 'sample', 'Residual']
    """
    text = words(lang, labels)
    names = part_names(design, text)
    parts = shares(design, fit)
    share = part_shares(parts)
    values = (parts.fixed, *parts.factors, parts.residual)
    ax = new_axes(ax, (6.2, 1.6 + 0.42 * len(names)))
    at = np.arange(len(names))[::-1]
    colours = [style.MODEL, *(style.GROUP for _ in design.factors), style.QUIET]
    ax.barh(at, 100 * share, color=colours, height=0.62, alpha=0.85)
    # What rounds to nothing is nothing.
    told = [
        f"{part:.1%}  ({value if part > 1e-12 else 0:.4g})" for part, value in zip(share, values, strict=True)
    ]
    for place, part, words_there in zip(at, share, told, strict=True):
        ax.annotate(
            words_there,
            (100 * part, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=style.SMALL + 0.5,
        ).set_in_layout(False)
    named_rows(ax, names, at)
    room = min(0.7, (max(text_width(words_there) for words_there in told) * 1.1 + 8) / extent(ax)[0])
    ax.set_xlim(0, 100 * float(share.max()) / (1 - room))
    ax.set_xticks([tick for tick in (0, 20, 40, 60, 80, 100) if tick <= ax.get_xlim()[1]])
    title = text.say("Parts of the variance of {y}", y=text.name(design.response_name))
    finish(ax, title, text.say("% of the variance (in brackets: variance)"), "")
    return ax
