"""``fit.plot``: every picture of :mod:`mixwell.plots` for one fit."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Concatenate, Generic, Literal, ParamSpec, TypeVar

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from mixwell import kernel
from mixwell.data.columns import Factor
from mixwell.data.instants import Instants
from mixwell.data.output import Origin
from mixwell.design.record import Design
from mixwell.diagnostics.influence import influence, row_cooks_distance
from mixwell.fit.control import Control
from mixwell.fit.record import Fit
from mixwell.inference.bootstrap import Bootstrap
from mixwell.inference.bootstrap import bootstrap as make_bootstrap
from mixwell.inference.profile import Profile
from mixwell.inference.profile import profile as make_profile
from mixwell.plots.along import covariate_along
from mixwell.plots.check import check_panel
from mixwell.plots.data import plot_boxplot, plot_spaghetti
from mixwell.plots.effects import plot_effects
from mixwell.plots.fixed_effects import plot_coefficients, plot_variance
from mixwell.plots.grouped import factor_index
from mixwell.plots.influence import plot_cooks
from mixwell.plots.profiles import plot_pairs, plot_profile
from mixwell.plots.random_effects import (
    plot_intercept_slope,
    plot_modes,
    plot_qq_random,
    plot_random_effects,
    plot_shrinkage,
)
from mixwell.plots.residuals import (
    plot_acf,
    plot_leverage,
    plot_qq,
    plot_residual_density,
    plot_residual_order,
    plot_residuals,
    plot_residuals_by_group,
    plot_scale_location,
    row_names,
)
from mixwell.plots.trajectories import plot_concepts, plot_trajectories
from mixwell.plots.words import Lang

P = ParamSpec("P")
R = TypeVar("R")


class Picture(Generic[P, R]):
    """A function of a design and its fit as a method of :class:`FitPlots`."""

    def __init__(self, draw: Callable[Concatenate[Design, Fit, P], R]) -> None:
        self.draw = draw
        self.__doc__ = draw.__doc__

    def __get__(self, plots: FitPlots, owner: type[FitPlots]) -> Callable[P, R]:
        draw = self.draw

        @wraps(draw)
        def bound(*args: P.args, **kwargs: P.kwargs) -> R:
            kwargs.setdefault("lang", plots.lang)
            kwargs.setdefault("labels", plots.labels)
            return draw(plots.design, plots.fit, *args, **kwargs)

        signature = inspect.signature(draw)
        bound.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=list(signature.parameters.values())[2:]
        )
        return bound


@dataclass(frozen=True)
class FitPlots:
    """Pictures of a fitted model: ``fit.plot.residuals()``, ``fit.plot.shrinkage(ax=ax)``.

    Every picture returns its Axes, those of several panels the first (all are in ``ax.figure.axes``);
    ``check()`` returns the figure.

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

    def __call__(self, *, labels: Mapping[str, str] | None = None, lang: Lang | None = None) -> FitPlots:
        """The same pictures with names for variables (units, say) or in another language."""
        return replace(
            self, labels=self.labels if labels is None else labels, lang=self.lang if lang is None else lang
        )

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
    variance = Picture(plot_variance)
    residuals = Picture(plot_residuals)
    qq = Picture(plot_qq)
    scale_location = Picture(plot_scale_location)
    residual_density = Picture(plot_residual_density)
    residuals_by_group = Picture(plot_residuals_by_group)
    residual_order = Picture(plot_residual_order)
    acf = Picture(plot_acf)

    def boxplot(self, x: str | None = None, hue: str | None = None, *, ax: Axes | None = None) -> Axes:
        """Boxes of the response by one or two factors of the model; see :func:`mixwell.plots.plot_boxplot`.

        By default along the first categorical variable, with the second as colours.
        """
        factors = [name for name, column in self.design.variables.items() if isinstance(column, Factor)]
        names = [*factors, *(factor.name for factor in self.design.factors)]
        along = names[0] if x is None else x
        if x is None and hue is None and len(factors) > 1:
            hue = factors[1]
        data = model_frame(self.design)
        return plot_boxplot(
            data, self.design.response_name, along, hue, ax=ax, labels=self.labels, lang=self.lang
        )

    def spaghetti(
        self,
        x: str | None = None,
        group: str | None = None,
        by: str | None = None,
        *,
        most: int = 60,
        ax: Axes | None = None,
    ) -> Axes:
        """A line per group through the observed response; see :func:`mixwell.plots.plot_spaghetti`."""
        index = factor_index(self.design, group)
        return plot_spaghetti(
            model_frame(self.design),
            self.design.response_name,
            covariate_along(self.design, index, x).name,
            self.design.factors[index].name,
            by,
            most=most,
            ax=ax,
            labels=self.labels,
            lang=self.lang,
        )

    def leverage(self, *, ax: Axes | None = None, scale: bool = True) -> Axes:
        """Standardized residuals against leverages; see :func:`mixwell.plots.plot_leverage`."""
        leverages = kernel.leverages(self.design, self.fit.theta)
        return plot_leverage(
            self.design, self.fit, leverages, ax=ax, labels=self.labels, lang=self.lang, scale=scale
        )

    def cooks(
        self,
        by: str = "row",
        *,
        refit: bool | None = None,
        threshold: float | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """Cook's distances; see :func:`mixwell.plots.plot_cooks`.

        By row from the leverages (``fit.cooks_distance()``); by the groups of a factor from leaving each out
        (``fit.influence(by, refit)``).
        """
        if by == "row":
            names, values = list(row_names(self.design)), row_cooks_distance(self.design, self.fit)
        else:
            found = influence(
                self.design, self.fit, Origin("pandas", None), by=by, refit=refit, control=self.control
            )
            names, values = list(found.labels), found.cooks_distance
        return plot_cooks(values, names, by, threshold=threshold, ax=ax, labels=self.labels, lang=self.lang)

    def profile(
        self,
        parameters: Sequence[str] | str | None = None,
        *,
        kind: Literal["zeta", "density"] = "zeta",
        profile: Profile | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """Profiles of the parameters; see :func:`mixwell.plots.plot_profile`.

        They are computed up to 99 % unless one of ``fit.profile()`` is given.
        """
        if profile is None:
            wanted = [parameters] if isinstance(parameters, str) else parameters
            profile = make_profile(
                self.design,
                self.fit,
                Origin("pandas", None),
                level=0.99,
                parameters=wanted,
                control=self.control,
            )
        return plot_profile(profile, parameters, kind=kind, ax=ax, labels=self.labels, lang=self.lang)

    def pairs(
        self,
        parameters: Sequence[str] | None = None,
        *,
        bootstrap: Bootstrap | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """Parameters against each other, as they vary in a bootstrap; see :func:`mixwell.plots.plot_pairs`.

        500 parametric draws are made unless those of ``fit.bootstrap()`` are given.
        """
        if bootstrap is None:
            bootstrap = make_bootstrap(
                self.design,
                self.fit,
                Origin("pandas", None),
                n=500,
                statistic=None,
                kind="parametric",
                groups=None,
                seed=1,
                ci="percentile",
                progress=True,
                control=self.control,
            )
        return plot_pairs(
            bootstrap.draws,
            bootstrap.names,
            bootstrap.estimate,
            parameters=parameters,
            ax=ax,
            labels=self.labels,
            lang=self.lang,
        )

    def check(
        self,
        group: str | None = None,
        *,
        verdicts: Mapping[str, str] | None = None,
        figure: Figure | SubFigure | None = None,
    ) -> Figure | SubFigure:
        """All checks in one figure; see :func:`mixwell.plots.check_panel`."""
        return check_panel(
            self.design,
            self.fit,
            group,
            leverages=kernel.leverages(self.design, self.fit.theta),
            verdicts=verdicts,
            figure=figure,
            labels=self.labels,
            lang=self.lang,
        )


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
