"""The frozen fit: what the kernel found, in the user's columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixwell.arrays import seal
from mixwell.kernel import Coordinates, Theta

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trace:
    """Every evaluation of the criterion, in order.

    Attributes
    ----------
    theta
        Shape (evaluations, n_theta), in the kernel's coordinates.
    criterion
        Length evaluations.
    gradient_norm
        Length evaluations; NaN where only the criterion was evaluated.
    decrement
        Length evaluations: the Newton decrement, half g'H^-1 g, in criterion units; NaN where not formed.
    step
        Length evaluations, one word each: "start", "newton", "rejected", "snap", "escape", "restart".
    searches
        Where the search from each start begins.
    chosen
        The search that ended at the optimum.
    probes
        How often the criterion alone was read, apart from these evaluations, to choose where to start.
    """

    theta: Coordinates
    criterion: FloatArray
    gradient_norm: FloatArray
    decrement: FloatArray
    step: tuple[str, ...]
    searches: NDArray[np.int64]
    chosen: int
    probes: int = 0

    def __post_init__(self) -> None:
        seal(self)

    @property
    def evaluations(self) -> int:
        """Those of the search that ended at the optimum."""
        return int(np.diff([*self.searches, len(self.criterion)])[self.chosen])


@dataclass(frozen=True, slots=True)
class Doubt:
    """Parameters of an optimum that are not the data's doing.

    Attributes
    ----------
    kind
        ``"flat"``: the criterion hardly changes while these variances change by half. ``"by_design"``: the
        fixed effects leave no data for them, and maximum likelihood settles them by the design alone.
        ``"held"``: they were held at zero because the data do not identify them. ``"split"``: other values of
        them give the response the very same covariance.
    terms
        Which, as texts: ``"(1 | tank)"``, ``"'(Intercept)' in (Days | Subject)"``.
    fixed
        Names of the fixed terms that take up the same effects; empty where that is not the reason.
    """

    kind: Literal["flat", "by_design", "held", "split"]
    terms: tuple[str, ...]
    fixed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TermCertificate:
    """Optimality of one term's covariance matrix on the cone of such matrices.

    Attributes
    ----------
    rank
        Numerical rank of Sigma, at most k.
    null_space
        Shape (k, k - rank), combinations of the term's original columns with zero variance.
    null_eigenvalue
        Smallest eigenvalue of Gamma on the null space, in kernel coordinates; +inf when Sigma is regular.
    """

    rank: int
    null_space: FloatArray
    null_eigenvalue: float

    def __post_init__(self) -> None:
        seal(self)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is proved about the optimum.

    Attributes
    ----------
    converged
        Every condition holds: stationary, nonnegative curvature on the active face, no descent off the
        boundary.
    gap
        Newton decrement with the exact Hessian, in criterion units: how much lower the criterion could be.
    gradient_norm
        Largest absolute element of the gradient in kernel coordinates.
    hessian_eigenvalue
        Smallest eigenvalue of the exact Hessian on the active face, relative to the largest.
    terms
        One per random term.
    reason
        Empty when converged, else the failed condition as a short code.
    doubt
        What the data do not identify although the optimum is one; None where they identify everything.
    """

    converged: bool
    gap: float
    gradient_norm: float
    hessian_eigenvalue: float
    terms: tuple[TermCertificate, ...]
    reason: str
    doubt: Doubt | None = None

    @property
    def certified(self) -> bool:
        """Converged to estimates that the data identify."""
        return self.converged and self.doubt is None


@dataclass(frozen=True, slots=True)
class Curvature:
    """Second-order quantities at the optimum, for inference, over the m = n_theta kernel coordinates T.

    Not over theta: ``kernel.coordinates_of`` and ``kernel.theta_of`` convert.

    Attributes
    ----------
    hessian
        Shape (m, m): exact Hessian of the profiled criterion.
    vcov_derivative
        Shape (m, rank, rank): derivative of the unscaled covariance of beta (vcov / sigma^2), in the
        original columns.
    log_pwrss_derivative
        Length m: derivative of log(pwrss).
    active
        Length m, bool: coordinates on the active face (not fixed at the boundary).
    """

    hessian: FloatArray
    vcov_derivative: FloatArray
    log_pwrss_derivative: FloatArray
    active: NDArray[np.bool_]

    def __post_init__(self) -> None:
        seal(self)


@dataclass(frozen=True, slots=True)
class Fit:
    """Estimates and everything read off the factor at the optimum. Arrays only; pickles and copies.

    Attributes
    ----------
    reml
        True for the REML criterion, False for ML.
    criterion
        -2 log-likelihood (ML) or REML criterion, on lme4's scale.
    theta
        Relative covariance factors, term by term, column-major, as lme4.
    sigma
        Residual standard deviation.
    pwrss
        Penalized weighted residual sum of squares at the optimum.
    kept
        Indices of the columns of X that are estimable (rank of them), ascending.
    beta
        Length rank.
    vcov
        Shape (rank, rank), covariance of beta.
    term_cov
        Per term, shape (k, k): sigma^2 Sigma.
    modes
        Per factor, shape (q, k): conditional modes b; columns of the factor's terms in order.
    mode_cov
        Per factor, shape (q, k, k): Var(b | y, beta, theta, sigma), lme4's condVar.
    fitted
        Length n: X beta + offset + Z b.
    trace, certificate, curvature
        See their records.
    """

    reml: bool
    criterion: float
    theta: Theta
    sigma: float
    pwrss: float
    kept: NDArray[np.intp]
    beta: FloatArray
    vcov: FloatArray
    term_cov: tuple[FloatArray, ...]
    modes: tuple[FloatArray, ...]
    mode_cov: tuple[FloatArray, ...]
    fitted: FloatArray
    trace: Trace
    certificate: Certificate
    curvature: Curvature

    def __post_init__(self) -> None:
        seal(self)
