from collections.abc import Callable, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from mixwell.kernel import Coordinates, Theta

class KernelError(Exception):
    """args: (kind, message, indices)."""

    args: tuple[str, str, list[int]]

class SolutionDict(TypedDict):
    criterion: float
    theta: Theta
    sigma: float
    pwrss: float
    beta: NDArray[np.float64]
    vcov: NDArray[np.float64]
    term_cov: list[NDArray[np.float64]]
    modes: list[NDArray[np.float64]]
    mode_cov: list[NDArray[np.float64]]

class TraceDict(TypedDict):
    theta: Coordinates
    criterion: NDArray[np.float64]
    gradient_norm: NDArray[np.float64]
    decrement: NDArray[np.float64]
    step: tuple[str, ...]
    searches: NDArray[np.int64]
    chosen: int
    probes: int

class TermDict(TypedDict):
    rank: int
    null_eigenvalue: float
    null_space: NDArray[np.float64]

class CertificateDict(TypedDict):
    converged: bool
    gap: float
    gradient_norm: float
    hessian_eigenvalue: float
    reason: str
    flat: tuple[int, ...]
    terms: list[TermDict]

class CurvatureDict(TypedDict):
    hessian: NDArray[np.float64]
    vcov_derivative: NDArray[np.float64]
    log_pwrss_derivative: NDArray[np.float64]
    active: list[bool]

class OptimumDict(SolutionDict):
    trace: TraceDict
    certificate: CertificateDict
    curvature: CurvatureDict

class ComponentsDict(TypedDict):
    criterion: float
    log_det: float
    pwrss: float
    log_det_gradient: NDArray[np.float64]
    log_pwrss_gradient: NDArray[np.float64]
    beta: NDArray[np.float64]
    vcov_unscaled: NDArray[np.float64]

class CurveDict(TypedDict):
    estimate: float
    values: NDArray[np.float64]
    zeta: NDArray[np.float64]
    slope: NDArray[np.float64]

class RefitsDict(TypedDict):
    criterion: NDArray[np.float64]
    theta: Theta
    sigma: NDArray[np.float64]
    beta: NDArray[np.float64]
    converged: NDArray[np.bool_]

class DeletedDict(RefitsDict):
    vcov_unscaled: NDArray[np.float64]
    same_rank: NDArray[np.bool_]
    failures: list[tuple[int, str, str, list[int]]]

class Deletions:
    def __new__(
        cls,
        sets: tuple[NDArray[np.int32], int],
        reml: bool,
        theta: NDArray[np.float64] | None,
        held: bool,
        control: tuple[int, float, int],
        y: NDArray[np.float64],
        x: NDArray[np.float64],
        weights: NDArray[np.float64] | None,
        factors: list[tuple[NDArray[np.int32], int]],
        terms: list[tuple[int, list[NDArray[np.float64]]]],
    ) -> Deletions: ...
    def refit(self, first: int, last: int) -> DeletedDict: ...

class Refitter:
    def __new__(
        cls,
        y: NDArray[np.float64],
        x: NDArray[np.float64],
        weights: NDArray[np.float64] | None,
        factors: list[tuple[NDArray[np.int32], int]],
        terms: list[tuple[int, list[NDArray[np.float64]]]],
    ) -> Refitter: ...
    def refit(
        self,
        responses: NDArray[np.float64],
        theta: NDArray[np.float64],
        reml: bool,
        max_evaluations: int,
        gap_tolerance: float,
    ) -> RefitsDict: ...

class Problem:
    def __new__(
        cls,
        y: NDArray[np.float64],
        x: NDArray[np.float64],
        weights: NDArray[np.float64] | None,
        factors: list[tuple[NDArray[np.int32], int]],
        terms: list[tuple[int, list[NDArray[np.float64]]]],
    ) -> Problem: ...
    @property
    def n_theta(self) -> int: ...
    @property
    def work(self) -> float: ...
    @property
    def kept(self) -> list[int]: ...
    def coordinates_of(self, theta: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def theta_of(self, coordinates: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def unidentified(
        self,
        off_fixed: bool,
        y: NDArray[np.float64],
        x: NDArray[np.float64],
        weights: NDArray[np.float64] | None,
        factors: list[tuple[NDArray[np.int32], int]],
        terms: list[tuple[int, list[NDArray[np.float64]]]],
    ) -> tuple[list[list[float]], list[list[list[float]]]]: ...
    def components(self, theta: NDArray[np.float64], reml: bool) -> ComponentsDict: ...
    def predictor_variances(
        self,
        theta: NDArray[np.float64],
        x: NDArray[np.float64],
        codes: list[NDArray[np.int32]],
        columns: list[list[NDArray[np.float64]]],
        with_fixed: bool,
    ) -> NDArray[np.float64]: ...
    def solve(self, theta: NDArray[np.float64], reml: bool) -> SolutionDict: ...
    def profile(
        self,
        theta: NDArray[np.float64],
        parameters: Sequence[tuple[str, Sequence[int]]],
        stops: Sequence[float],
        spacing: float | None,
        report: Callable[[int], object],
    ) -> list[CurveDict]: ...
    def optimize(
        self,
        reml: bool,
        start: NDArray[np.float64] | None,
        max_evaluations: int,
        gap_tolerance: float,
        starts: int,
    ) -> OptimumDict: ...

def profiled_criterion(log_det: float, pwrss: NDArray[np.float64], n: float) -> NDArray[np.float64]: ...
