"""Pictures of grouped data and of fitted models, one function each; all return matplotlib Axes.

``fit.plot.residuals()`` is ``plot_residuals(fit.design, fit.fit)``: each function takes the records of a
fit, an optional ``ax``, ``labels`` (names with units for variables) and ``lang`` (``"en"`` or ``"zh"``).
"""

from mixwell.plots.caterpillar import plot_random_effects
from mixwell.plots.check import PANELS, check_panel
from mixwell.plots.data import plot_boxplot, plot_spaghetti
from mixwell.plots.dependence import plot_acf, plot_residual_order
from mixwell.plots.effects import plot_effects
from mixwell.plots.fixed_effects import plot_coefficients, plot_variance
from mixwell.plots.hierarchy import plot_hierarchy
from mixwell.plots.influence import plot_cooks, plot_leverage
from mixwell.plots.modes import plot_intercept_slope, plot_modes
from mixwell.plots.normality import plot_qq, plot_qq_random
from mixwell.plots.pooling import plot_shrinkage
from mixwell.plots.profiles import plot_pairs, plot_profile
from mixwell.plots.residuals import (
    plot_residual_density,
    plot_residuals,
    plot_residuals_by_group,
    plot_scale_location,
)
from mixwell.plots.trajectories import plot_concepts, plot_trajectories

__all__ = [
    "PANELS",
    "check_panel",
    "plot_acf",
    "plot_boxplot",
    "plot_coefficients",
    "plot_concepts",
    "plot_cooks",
    "plot_effects",
    "plot_hierarchy",
    "plot_intercept_slope",
    "plot_leverage",
    "plot_modes",
    "plot_pairs",
    "plot_profile",
    "plot_qq",
    "plot_qq_random",
    "plot_random_effects",
    "plot_residual_density",
    "plot_residual_order",
    "plot_residuals",
    "plot_residuals_by_group",
    "plot_scale_location",
    "plot_shrinkage",
    "plot_spaghetti",
    "plot_trajectories",
    "plot_variance",
]
