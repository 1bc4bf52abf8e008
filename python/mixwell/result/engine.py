"""The method by which a result tests its fixed effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from mixwell.diagnostics.method import chosen_method
from mixwell.inference.contrast import Approximation
from mixwell.result.base import Fitted

if TYPE_CHECKING:
    from mixwell.diagnostics.robust import RobustKind


class Engine(Fitted):
    """Every test and interval of fixed effects takes its method from here."""

    def _method(
        self, ddf: str, robust: RobustKind | None = None, cluster: str | ArrayLike | None = None
    ) -> tuple[Approximation, str]:
        """The method and its name in a sentence: cluster-robust if ``robust`` is given, else by ``ddf``."""
        return chosen_method(self.design, self.fit, ddf, robust, cluster)
