"""The one place where a result chooses the covariance and degrees of freedom of its fixed effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from mixwell.errors import MixwellError
from mixwell.inference.contrast import Approximation
from mixwell.inference.degrees_of_freedom import TITLES, approximation
from mixwell.lazy import lazy_module
from mixwell.result.base import Fitted

if TYPE_CHECKING:
    from mixwell.diagnostics import robust as sandwich
    from mixwell.diagnostics.robust import RobustKind
else:
    sandwich = lazy_module("mixwell.diagnostics.robust")


class Engine(Fitted):
    """Every test and interval of fixed effects takes its method from here."""

    def _method(
        self, ddf: str, robust: RobustKind | None = None, cluster: str | ArrayLike | None = None
    ) -> tuple[Approximation, str]:
        """The method and its name in a sentence: cluster-robust if ``robust`` is given, else by ``ddf``."""
        if robust is not None:
            found = sandwich.robust_covariance(self.design, self.fit, robust, cluster)
            return found, found.title
        if cluster is not None:
            raise MixwellError(
                "cluster= says how robust standard errors are clustered; give robust='CR2' with it."
            )
        method = approximation(self.design, self.fit, ddf)
        return method, TITLES[ddf]
