"""Pictures of data, influence, profiles and draws, with the numbers of a fit.

The functions of the same names in the other modules take the numbers themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from mixwell import kernel
from mixwell.arguments import checked
from mixwell.data.columns import Factor
from mixwell.data.instants import Instants
from mixwell.data.output import Origin
from mixwell.design.record import Design
from mixwell.diagnostics.influence import (
    FALSE_ALARM,
    cooks_distance,
    deletion_groups,
    group_cooks_bound,
    influence,
    row_cooks_bound,
)
from mixwell.errors import DataError, ModelError
from mixwell.fit.control import Control
from mixwell.fit.record import Fit
from mixwell.inference.bootstrap import Bootstrap
from mixwell.inference.bootstrap import bootstrap as make_bootstrap
from mixwell.inference.parameters import parameter_names, parameter_values
from mixwell.inference.profile import Profile
from mixwell.inference.profile import profile as make_profile
from mixwell.inference.satterthwaite import satterthwaite
from mixwell.plots.along import natural_covariate
from mixwell.plots.data import plot_boxplot, plot_spaghetti
from mixwell.plots.grouped import factor_index
from mixwell.plots.influence import plot_cooks
from mixwell.plots.profiles import plot_pairs, plot_profile
from mixwell.plots.words import Labels, Lang, words

FloatArray = NDArray[np.float64]

_ORIGIN = Origin("pandas", None)
_DRAWS = 500
# Rows times draws from which a bootstrap is no longer a matter of seconds.
_MOST_WORK = 1e7


def model_frame(design: Design) -> dict[str, object]:
    """The rows used, as a dict of columns: response, variables, grouping factors."""
    frame: dict[str, object] = {design.response_name: design.y}
    for name, column in design.variables.items():
        if isinstance(column, Factor):
            frame[name] = pd.Categorical.from_codes(column.codes, column.levels.tolist())
        elif not isinstance(column, Instants):
            frame[name] = column.values
    for factor in design.factors:
        frame[factor.name] = pd.Categorical.from_codes(factor.codes, factor.levels.tolist())
    return frame


@checked
def boxplot(
    design: Design,
    fit: Fit,
    x: str | None = None,
    hue: str | None = None,
    *,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """Boxes of the response by one or two factors of the model; see :func:`mixwell.plots.plot_boxplot`.

    By default by the first two categorical variables, that with more levels along the axis; without any, by
    the first grouping factor.

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("weight ~ sex + Treatment + (1 | Litter)", mw.datasets.load_ratpups())
    >>> fit.plot.boxplot(ax=Figure().subplots()).get_title()
    'weight by Treatment and sex'
    """
    factors = {name: column for name, column in design.variables.items() if isinstance(column, Factor)}
    # A stable sort: of equally many levels, in the order of the formula.
    ranked = sorted(list(factors)[:2], key=lambda name: -len(factors[name].levels))
    if x is None:
        ranked = [name for name in ranked if name != hue] or [design.factors[0].name]
        x = ranked[0]
        hue = hue if hue is not None or len(ranked) < 2 else ranked[1]
    return plot_boxplot(model_frame(design), design.response_name, x, hue, ax=ax, labels=labels, lang=lang)


@checked
def spaghetti(
    design: Design,
    fit: Fit,
    x: str | None = None,
    group: str | None = None,
    by: str | None = None,
    *,
    most: int = 60,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """A line per group through the observed response; see :func:`mixwell.plots.plot_spaghetti`.

    ``x`` and ``by`` are variables or grouping factors of the model; by default ``x`` is that of the random
    slope, or one that varies within groups, or a grouping factor crossed with ``group``.

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", mw.datasets.load_penicillin())
    >>> fit.plot.spaghetti(ax=Figure().subplots()).get_title()
    'diameter along sample, a line per plate (24)'
    """
    index = factor_index(design, group)
    return plot_spaghetti(
        model_frame(design),
        design.response_name,
        line_covariate(design, index) if x is None else x,
        design.factors[index].name,
        by,
        most=most,
        ax=ax,
        labels=labels,
        lang=lang,
    )


def line_covariate(design: Design, factor: int) -> str:
    """The variable that varies within the groups of a factor, else a factor of few levels crossed with it.

    Raises
    ------
    ModelError
        If there is neither.
    """
    try:
        return natural_covariate(design, factor).name
    except ModelError:
        own = design.factors[factor]
        for other in design.factors:
            pairs = np.unique(own.codes.astype(np.int64) * other.n_levels + other.codes)
            if other.n_levels <= 40 and len(pairs) > max(own.n_levels, other.n_levels):
                return other.name
        raise


@checked
def cooks(
    design: Design,
    fit: Fit,
    by: str = "row",
    *,
    refit: bool | None = None,
    threshold: float | None = None,
    control: Control | None = None,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """Cook's distances; see :func:`mixwell.plots.plot_cooks`.

    By row from the leverages (``fit.cooks_distance()``); by the groups of a factor from leaving each out
    (``fit.influence(by, refit)``). Unless a threshold is given, the line is where the largest distance of a
    sample from the model lies beyond with a probability of 5 % or less.

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff())
    >>> fit.plot.cooks("Batch", ax=Figure().subplots()).get_xlabel()
    "Cook's distance"
    """
    if by == "row":
        _, names, _ = deletion_groups(design, by)
        leverage = kernel.leverages(design, fit.theta)
        values = cooks_distance(design, fit, leverage)
        bound = row_cooks_bound(design, fit, leverage)
    else:
        found = influence(design, fit, _ORIGIN, by=by, refit=refit, control=control)
        names, values = found.labels, found.cooks_distance
        bound = group_cooks_bound(design, fit, by)
    return plot_cooks(
        values,
        list(names),
        by,
        threshold=bound if threshold is None else threshold,
        false_alarm=FALSE_ALARM if threshold is None else None,
        ax=ax,
        labels=labels,
        lang=lang,
    )


@checked
def profile(
    design: Design,
    fit: Fit,
    parameters: Sequence[str] | str | None = None,
    *,
    kind: Literal["zeta", "density"] = "zeta",
    profile: Profile | None = None,
    control: Control | None = None,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """Profiles of the parameters; see :func:`mixwell.plots.plot_profile`.

    They are computed up to 99 % unless one of ``fit.profile()`` is given.

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff())
    >>> fit.plot.profile("sigma", ax=Figure().subplots()).get_xlabel()
    'sigma'
    """
    if profile is None:
        wanted = [parameters] if isinstance(parameters, str) else parameters
        profile = make_profile(design, fit, _ORIGIN, level=0.99, parameters=wanted, control=control)
    return plot_profile(profile, parameters, kind=kind, ax=ax, labels=labels, lang=lang)


def large_sample_draws(design: Design, fit: Fit, n: int, seed: int) -> FloatArray:
    """``n`` draws of the parameters' asymptotic normal distribution, in the order of ``parameter_names()``.

    (T, log sigma^2) are drawn with the inverse of half the criterion's Hessian as covariance, those at the
    boundary held; beta, asymptotically independent of them, with its own covariance. The Hessian is over the
    kernel's coordinates, so the draws are; standard deviations and correlations follow from each.
    """
    rng = np.random.default_rng(seed)
    active = fit.curvature.active
    covariance = satterthwaite(design, fit).parameter_cov
    drawn = rng.multivariate_normal(np.zeros(len(covariance)), covariance, n)
    at = kernel.problem(design)
    coordinates = np.tile(kernel.coordinates_of(design, fit.theta, at), (n, 1))
    coordinates[:, active] += drawn[:, :-1]
    theta = kernel.theta_of(design, kernel.Coordinates(coordinates), at)
    beta = rng.multivariate_normal(fit.beta, fit.vcov, n)
    return parameter_values(design, theta, fit.sigma * np.exp(drawn[:, -1] / 2), beta)


@checked
def pairs(
    design: Design,
    fit: Fit,
    parameters: Sequence[str] | None = None,
    *,
    bootstrap: Bootstrap | None = None,
    control: Control | None = None,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """Parameters against each other, as they vary between samples; see :func:`mixwell.plots.plot_pairs`.

    Unless the draws of ``fit.bootstrap()`` are given, 500 parametric ones are made; of more than 20,000 rows
    they are drawn of the large-sample normal distribution instead. The title says which.

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff())
    >>> draws = fit.bootstrap(100, seed=1, progress=False)
    >>> len(fit.plot.pairs(bootstrap=draws, ax=Figure().subplots()).figure.axes)
    9
    """
    if isinstance(parameters, str):
        raise DataError(f"parameters={parameters!r} is one name; pairs need a list of two or more.")
    text = words(lang, labels)
    if bootstrap is None and design.n_obs * _DRAWS > _MOST_WORK:
        return plot_pairs(
            large_sample_draws(design, fit, _DRAWS, seed=1),
            parameter_names(design, fit),
            parameter_values(design, kernel.Theta(fit.theta[None]), np.array([fit.sigma]), fit.beta[None])[0],
            parameters=parameters,
            title=text.say("{n} draws of the large-sample normal distribution", n=_DRAWS),
            ax=ax,
            labels=labels,
            lang=text.lang,
        )
    title = None
    if bootstrap is None:
        title = text.say("{n} draws of a parametric bootstrap", n=_DRAWS)
        bootstrap = make_bootstrap(
            design,
            fit,
            _ORIGIN,
            n=_DRAWS,
            statistic=None,
            kind="parametric",
            groups=None,
            seed=1,
            ci="percentile",
            progress=True,
            control=control,
        )
    return plot_pairs(
        bootstrap.draws,
        bootstrap.names,
        bootstrap.estimate,
        parameters=parameters,
        title=title,
        ax=ax,
        labels=labels,
        lang=text.lang,
    )
