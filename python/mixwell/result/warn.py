"""What a fit has to warn of."""

from __future__ import annotations

import warnings

from mixwell.design.record import Design
from mixwell.errors import (
    ConvergenceWarning,
    RankDeficiencyWarning,
    SingularFitWarning,
    UnidentifiedWarning,
)
from mixwell.fit import convergence, quantities
from mixwell.fit.identified import doubtful
from mixwell.fit.record import Fit
from mixwell.report.content import dropped_sentence


def warn_about(design: Design, fit: Fit) -> None:
    """Warn of a failed certificate, unidentified variances, a singular covariance matrix, aliased columns."""
    if len(fit.kept) < design.x.shape[1]:
        warnings.warn(
            dropped_sentence(quantities.dropped_names(design, fit)), RankDeficiencyWarning, stacklevel=4
        )
    if not fit.certificate.converged:
        warnings.warn(
            f"The fit did not converge: {convergence.failure(fit)}. "
            "fit.convergence.explain() says what was found and what to try.",
            ConvergenceWarning,
            stacklevel=4,
        )
    if fit.certificate.doubt is not None:
        warnings.warn(doubtful(fit.certificate.doubt), UnidentifiedWarning, stacklevel=3)
    phrases = convergence.singular_phrases(design, fit) if convergence.is_singular(fit) else []
    if phrases:
        warnings.warn(
            f"The fit is singular: {'; '.join(phrases)}. This is where the criterion is lowest; "
            f"{convergence.singular_advice(design, fit)}.",
            SingularFitWarning,
            stacklevel=4,
        )
