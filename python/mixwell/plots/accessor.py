"""``fit.plot``: every picture of :mod:`mixwell.plots` for one fit."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Concatenate, Generic, ParamSpec, TypeVar

from mixwell.arguments import checked
from mixwell.design.record import Design
from mixwell.fit.control import Control
from mixwell.fit.record import Fit
from mixwell.plots import of_fit
from mixwell.plots.caterpillar import plot_random_effects
from mixwell.plots.check import check_panel
from mixwell.plots.dependence import plot_acf, plot_residual_order
from mixwell.plots.effects import plot_effects
from mixwell.plots.fixed_effects import plot_coefficients, plot_variance
from mixwell.plots.influence import plot_leverage
from mixwell.plots.modes import plot_intercept_slope, plot_modes
from mixwell.plots.normality import plot_qq, plot_qq_random
from mixwell.plots.pooling import plot_shrinkage
from mixwell.plots.residuals import (
    plot_residual_density,
    plot_residuals,
    plot_residuals_by_group,
    plot_scale_location,
)
from mixwell.plots.trajectories import plot_concepts, plot_trajectories
from mixwell.plots.words import Lang

P = ParamSpec("P")
R = TypeVar("R")


class Picture(Generic[P, R]):
    """A function of a design and its fit as a method of :class:`FitPlots`.

    What the accessor knows (control of the fit, names, language) is filled in where the function takes it.
    """

    def __init__(self, draw: Callable[Concatenate[Design, Fit, P], R]) -> None:
        self.draw = draw
        self.__doc__ = draw.__doc__

    def __get__(self, plots: FitPlots, owner: type[FitPlots]) -> Callable[P, R]:
        draw = self.draw
        signature = inspect.signature(draw)
        own = [parameter for name, parameter in list(signature.parameters.items())[2:] if name != "control"]

        @wraps(draw)
        def bound(*args: P.args, **kwargs: P.kwargs) -> R:
            kwargs.setdefault("lang", plots.lang)
            kwargs.setdefault("labels", plots.labels)
            if "control" in signature.parameters:
                kwargs.setdefault("control", plots.control)
            return draw(plots.design, plots.fit, *args, **kwargs)

        bound.__signature__ = signature.replace(parameters=own)  # type: ignore[attr-defined]
        return bound


@dataclass(frozen=True)
class FitPlots:
    """Pictures of a fitted model: ``fit.plot.residuals()``, ``fit.plot.shrinkage(ax=ax)``.

    Every picture returns its Axes, those of several panels the first (all are in ``ax.figure.axes``);
    ``check()`` returns the figure. In a grid of one's own, ``plt.subplots(..., layout="constrained")`` makes
    room for titles and legends.

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> named = fit.plot(labels={"Reaction": "Reaction time (ms)"})
    >>> named.residuals(ax=Figure().subplots()).get_xlabel()
    'fitted Reaction time (ms)'
    """

    design: Design
    fit: Fit
    control: Control | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    lang: Lang = "en"

    @checked
    def __call__(self, *, labels: Mapping[str, str] | None = None, lang: Lang | None = None) -> FitPlots:
        """The same pictures with names for variables (units, say) or in another language."""
        return replace(
            self, labels=self.labels if labels is None else labels, lang=self.lang if lang is None else lang
        )

    boxplot = Picture(of_fit.boxplot)
    spaghetti = Picture(of_fit.spaghetti)
    concepts = Picture(plot_concepts)
    random_effects = Picture(plot_random_effects)
    modes = Picture(plot_modes)
    qq_random = Picture(plot_qq_random)
    intercept_slope = Picture(plot_intercept_slope)
    shrinkage = Picture(plot_shrinkage)
    trajectories = Picture(plot_trajectories)
    effects = Picture(plot_effects)
    emmeans = Picture(plot_effects)
    coefficients = Picture(plot_coefficients)
    profile = Picture(of_fit.profile)
    pairs = Picture(of_fit.pairs)
    variance = Picture(plot_variance)
    residuals = Picture(plot_residuals)
    qq = Picture(plot_qq)
    scale_location = Picture(plot_scale_location)
    residual_density = Picture(plot_residual_density)
    residuals_by_group = Picture(plot_residuals_by_group)
    residual_order = Picture(plot_residual_order)
    acf = Picture(plot_acf)
    leverage = Picture(plot_leverage)
    cooks = Picture(of_fit.cooks)
    check = Picture(check_panel)
