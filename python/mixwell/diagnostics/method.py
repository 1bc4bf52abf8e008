"""The one place that chooses the covariance and degrees of freedom of fixed effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from mixwell.design.record import Design
from mixwell.errors import MixwellError
from mixwell.fit.record import Fit
from mixwell.inference.contrast import Approximation
from mixwell.inference.degrees_of_freedom import TITLES, approximation
from mixwell.lazy import lazy_module

if TYPE_CHECKING:
    from mixwell.diagnostics import robust as sandwich
    from mixwell.diagnostics.robust import RobustCovariance
else:
    sandwich = lazy_module("mixwell.diagnostics.robust")


def robust_method(
    design: Design, fit: Fit, robust: str | None, cluster: str | ArrayLike | None
) -> RobustCovariance | None:
    """The cluster-robust covariance, None where ``robust`` is.

    Raises
    ------
    MixwellError
        If there is no such kind, or ``cluster`` is given without it.
    """
    if robust is not None:
        return sandwich.robust_covariance(design, fit, robust, cluster)
    if cluster is not None:
        raise MixwellError(
            "cluster= says how robust standard errors are clustered; give robust='CR2' with it."
        )
    return None


def chosen_method(
    design: Design, fit: Fit, ddf: str, robust: str | None, cluster: str | ArrayLike | None
) -> tuple[Approximation, str]:
    """The method and its name in a sentence: cluster-robust if ``robust`` is given, else by ``ddf``."""
    found = robust_method(design, fit, robust, cluster)
    return (approximation(design, fit, ddf), TITLES[ddf]) if found is None else (found, found.title)
