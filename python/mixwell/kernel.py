"""The only importer of the compiled kernel: hands over a design's arrays, translates its errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NewType

import numpy as np
from numpy.typing import NDArray

from mixwell._kernel import Deletions, KernelError, Refitter, profiled_criterion
from mixwell._kernel import Problem as Problem
from mixwell.design import Design
from mixwell.errors import (
    ConvergenceError,
    DataError,
    MixwellError,
    ModelError,
    ResourceError,
    TooFewLevelsError,
)
from mixwell.memory import gibibytes

if TYPE_CHECKING:
    from mixwell._kernel import CurveDict

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]
# The covariance parameters, last axis n_theta, in two sets of numbers that must not be taken for each other.
# Theta: entries of T over the user's columns, in lme4's order. Coordinates: entries of T over the kernel's
# orthonormalized columns, in which searches, traces and the curvature are. The two functions below convert.
Theta = NewType("Theta", NDArray[np.float64])
Coordinates = NewType("Coordinates", NDArray[np.float64])
# ("sd", [term, column]), ("correlation", [term, first, second]), ("sigma", []) or ("coefficient", [index]).
Parameter = tuple[str, list[int]]
_Arrays = tuple[
    FloatArray,
    FloatArray,
    FloatArray | None,
    list[tuple[IntArray, int]],
    list[tuple[int, list[FloatArray]]],
]


def _translate(error: KernelError, design: Design) -> MixwellError:
    kind, message, indices = error.args
    if kind == "dependent_columns":
        term = design.terms[indices[0]]
        return ModelError(
            f"In {term.label}, the random-effects column {term.names[indices[1]]!r} is a linear combination "
            "of the columns before it. Remove it from the term."
        )
    if kind == "perfect_fit":
        return ModelError(
            f"The fixed effects reproduce the response {design.response_name!r} exactly, so no variance is "
            "left to estimate. Check that the response is not made of its predictors."
        )
    if kind == "memory":
        return ResourceError(_too_much_memory(indices[0], design))
    if kind == "core_too_large":
        return ModelError(f"{message}; drop the random slopes of one of them, or model fewer crossed factors")
    if kind == "too_few_levels":
        return TooFewLevelsError(
            f"only one level of {design.factors[indices[0]].name} is left, whose variance cannot be "
            "estimated; leave out rows, or levels of another factor."
        )
    if kind == "too_few_rows":
        return ModelError(
            f"{indices[0]} rows cannot estimate {indices[1]} fixed effects and a residual variance. "
            "Simplify the fixed part or bring more data."
        )
    if kind in {
        "length",
        "not_finite",
        "weight",
        "level_code",
        "too_many_levels",
        "scale",
        "unknown_factor",
        "empty",
        "parameter",
        "out_of_range",
    }:
        return DataError(message)
    return ConvergenceError(
        f"{message}; the data may be scaled beyond double precision (look at the smallest and largest values)"
    )


def _too_much_memory(needed: int, design: Design) -> str:
    """What needs it, and what would need less."""
    widths = [
        sum(len(term.columns) for term in design.terms if term.factor == i)
        for i in range(len(design.factors))
    ]
    factors = ", ".join(
        f"{factor.name!r} ({factor.n_levels} levels" + (f" x {width} columns)" if width > 1 else ")")
        for factor, width in zip(design.factors, widths, strict=True)
    )
    crossed = "; crossed factors take the square of all but the largest" if len(widths) > 1 else ""
    return (
        f"The model needs {gibibytes(needed)} of memory, which cannot be had: {design.n_obs} rows, "
        f"{design.x.shape[1]} columns of the fixed part, random effects of {factors}{crossed}. Use factors "
        "with fewer levels, fewer columns per level, or fewer rows."
    )


@contextmanager
def kernel_errors(design: Design) -> Iterator[None]:
    """Errors of the kernel as mixwell's own, in the words of the design."""
    try:
        yield
    except KernelError as error:
        raise _translate(error, design) from None


def _arrays(design: Design, y: FloatArray | None) -> _Arrays:
    response = design.y if y is None else y
    if design.offset is not None:
        response = response - design.offset
    return (
        np.ascontiguousarray(response, dtype=np.float64),
        np.asfortranarray(design.x),
        design.weights,
        [(factor.codes, factor.n_levels) for factor in design.factors],
        [(term.factor, list(term.columns)) for term in design.terms],
    )


def problem(design: Design, y: FloatArray | None = None) -> Problem:
    """Crossproducts of a design, optionally for another response (length n).

    Raises
    ------
    ModelError
        Dependent random-effects columns, a perfect fit, too few rows.
    DataError
        Values the numerics cannot take.
    """
    with kernel_errors(design):
        return Problem(*_arrays(design, y))


def coordinates_of(design: Design, theta: Theta, at: Problem | None = None) -> Coordinates:
    """The kernel's coordinates of one theta, or of a row each; ``at`` is the design's problem, if made."""
    rows = np.ascontiguousarray(np.atleast_2d(theta), dtype=np.float64)
    with kernel_errors(design):
        found = (at if at is not None else problem(design)).coordinates_of(rows)
    return Coordinates(found.reshape(theta.shape))


def theta_of(design: Design, coordinates: Coordinates, at: Problem | None = None) -> Theta:
    """Inverse of :func:`coordinates_of`; every T comes in its form with a nonnegative diagonal."""
    rows = np.ascontiguousarray(np.atleast_2d(coordinates), dtype=np.float64)
    with kernel_errors(design):
        found = (at if at is not None else problem(design)).theta_of(rows)
    return Theta(found.reshape(coordinates.shape))


def linear_criterion(log_det: float, rss: FloatArray, n: float) -> FloatArray:
    """log_det + n (1 + log(2 pi rss / n)): criteria of linear models, one per residual sum of squares."""
    return profiled_criterion(log_det, np.ascontiguousarray(rss, dtype=np.float64), n)


@dataclass(frozen=True, slots=True)
class Unidentified:
    """What the columns of a design cannot tell; empty where all covariance parameters are identified.

    Attributes
    ----------
    directions
        Shape (d, n_theta + 1): changes of the terms' covariance matrices (lower triangles, theta's order) and
        of the residual variance that leave the covariance of what X leaves of y as it is.
    absorbed
        Per term, shape (m, k): combinations of its columns that X takes up in every level.
    """

    directions: FloatArray
    absorbed: tuple[FloatArray, ...]


def unidentified(design: Design, at: Problem, *, off_fixed: bool) -> Unidentified:
    """Whether the covariance parameters of a design, whose problem is ``at``, can be told apart.

    ``off_fixed``: from what the fixed part leaves of the response, as REML does; else from the response.
    """
    with kernel_errors(design):
        directions, absorbed = at.unidentified(off_fixed, *_arrays(design, None))
    return Unidentified(
        np.array(directions, dtype=np.float64).reshape(len(directions), at.n_theta + 1),
        tuple(
            np.array(found, dtype=np.float64).reshape(len(found), len(term.names))
            for found, term in zip(absorbed, design.terms, strict=False)
        ),
    )


@dataclass(frozen=True, slots=True)
class Components:
    """Parts of the criterion at one theta: log_det + pwrss / sigma^2 + N log(2 pi sigma^2).

    Attributes
    ----------
    criterion
        Profiled over beta and sigma, N = n (ML) or n - rank (REML).
    log_det
        log |M| and all constants except those of sigma.
    pwrss
        Penalized weighted residual sum of squares.
    log_det_gradient, log_pwrss_gradient
        Length n_theta, over theta in lme4's order.
    beta
        Length rank.
    vcov_unscaled
        Shape (rank, rank), covariance of beta divided by sigma^2.
    """

    criterion: float
    log_det: float
    pwrss: float
    log_det_gradient: FloatArray
    log_pwrss_gradient: FloatArray
    beta: FloatArray
    vcov_unscaled: FloatArray

    def gradient(self, n_effective: int) -> FloatArray:
        """Gradient of the criterion, ``n_effective`` being N."""
        return self.log_det_gradient + n_effective * self.log_pwrss_gradient


def components(design: Design, at: Problem, theta: Theta, *, reml: bool) -> Components:
    """Criterion parts and gradients of a problem at ``theta`` (lme4's order, the user's columns)."""
    with kernel_errors(design):
        return Components(**at.components(np.ascontiguousarray(theta, dtype=np.float64), reml))


def profile(
    design: Design,
    theta: Theta,
    parameters: Sequence[tuple[str, Parameter]],
    stops: Sequence[float],
    spacing: float | None,
    *,
    report: Callable[[int], object],
) -> list[CurveDict]:
    """Profile likelihood (ML) of single parameters, in threads.

    Parameters
    ----------
    design, theta
        The design and its maximum-likelihood estimate.
    parameters
        Names, for errors, and places.
    stops
        Values of abs(zeta), ascending, that both sides go through unless a bound stops them.
    spacing
        Of the points between stops, in zeta; None for none.
    report
        Is told now and then how many sides (two per parameter) are done; an exception in it ends the work.

    Returns
    -------
    Per parameter its estimate and, ascending, ``values``, ``zeta`` and ``slope`` (d zeta / d value).

    Raises
    ------
    ConvergenceError
        A criterion below that of ``theta``, or a profile that cannot be followed.
    """
    at = problem(design)
    places = [place for _, place in parameters]
    try:
        return at.profile(np.ascontiguousarray(theta, dtype=np.float64), places, list(stops), spacing, report)
    except KernelError as error:
        kind, message, indices = error.args
        remedy = {
            "below_fit": "fit again with control=Control(starts=50)",
            "not_reached": "ask for a lower level, or leave it out of parameters=",
        }.get(kind)
        if remedy is None:
            raise _translate(error, design) from None
        raise ConvergenceError(f"the profile of {parameters[indices[0]][0]!r} {message}; {remedy}") from None


@dataclass(frozen=True, slots=True)
class Solution:
    """Fixed effects (rank,) and, per factor, conditional modes (q, k) at one theta."""

    beta: FloatArray
    modes: tuple[FloatArray, ...]


def solve_at(design: Design, theta: Theta, y: FloatArray) -> Solution:
    """The mixed model equations of a design at ``theta`` for a response ``y`` of length n."""
    with kernel_errors(design):
        found = problem(design, y).solve(np.ascontiguousarray(theta, dtype=np.float64), True)
    return Solution(found["beta"], tuple(found["modes"]))


def predictor_variances(
    design: Design,
    theta: Theta,
    x: FloatArray,
    codes: Sequence[IntArray],
    columns: Sequence[Sequence[FloatArray]],
    *,
    with_fixed: bool = True,
    at: Problem | None = None,
) -> FloatArray:
    """Var(x'beta + z'(b - b-hat)) / sigma^2 of m rows in a design's columns.

    Parameters
    ----------
    design, theta
        The fitted design and its covariance parameters.
    x
        Shape (m, p), aliased columns included.
    codes
        Per factor, length m: level of each row, -1 for none (its z then counts nothing).
    columns
        Per term its k columns of length m.
    with_fixed
        False holds beta known.
    at
        The problem of the design, if it is made already.

    Returns
    -------
    Length m.
    """
    with kernel_errors(design):
        return (at if at is not None else problem(design)).predictor_variances(
            np.ascontiguousarray(theta, dtype=np.float64),
            np.asfortranarray(x, dtype=np.float64),
            [np.ascontiguousarray(code, dtype=np.int32) for code in codes],
            [[np.ascontiguousarray(c, dtype=np.float64) for c in term] for term in columns],
            with_fixed,
        )


def leverages(design: Design, theta: Theta) -> FloatArray:
    """Diagonal of the hat matrix y -> fitted values, fixed and random part together (length n).

    lme4's ``hatvalues``.
    """
    variances = predictor_variances(
        design,
        theta,
        design.x,
        [factor.codes for factor in design.factors],
        [term.columns for term in design.terms],
    )
    return variances if design.weights is None else variances * design.weights


@dataclass(frozen=True, slots=True)
class Refits:
    """Fits of one design to m responses.

    Attributes
    ----------
    criterion, sigma
        Length m; NaN where a refit failed.
    theta
        Shape (m, n_theta), lme4's order.
    beta
        Shape (m, rank), estimable coefficients.
    converged
        Length m: the Newton decrement fell below 1e-7.
    """

    criterion: FloatArray
    theta: Theta
    sigma: FloatArray
    beta: FloatArray
    converged: NDArray[np.bool_]


def refitter(design: Design) -> Refitter:
    """Crossproducts of all but the response: to be formed once for several calls of :func:`refit_many`."""
    with kernel_errors(design):
        return Refitter(*_arrays(design, None))


def refit_many(
    design: Design,
    responses: FloatArray,
    theta: Theta,
    *,
    reml: bool,
    max_evaluations: int = 200,
    at: Refitter | None = None,
) -> Refits:
    """Refits a design to each column of ``responses`` (n, m), in threads: one search each from ``theta``.

    The order of the results is that of the columns and does not depend on the number of threads. ``at`` is
    the design's :func:`refitter`, if it is made already.
    """
    shifted = responses if design.offset is None else responses - design.offset[:, None]
    with kernel_errors(design):
        return Refits(
            **(at if at is not None else refitter(design)).refit(
                np.asfortranarray(shifted, dtype=np.float64),
                np.ascontiguousarray(theta, dtype=np.float64),
                reml,
                max_evaluations,
                1e-9,
            )
        )


@dataclass(frozen=True, slots=True)
class Deleted:
    """Estimates without each of m sets of rows.

    Attributes
    ----------
    fits
        ``beta`` is NaN where other fixed effects can be estimated than with all rows.
    vcov_unscaled
        Shape (m, rank, rank), covariance of beta divided by sigma^2; NaN where beta is.
    same_rank
        Length m: beta is comparable.
    failures
        The positions that could not be fitted (NaN throughout) and why.
    """

    fits: Refits
    vcov_unscaled: FloatArray
    same_rank: NDArray[np.bool_]
    failures: dict[int, MixwellError]


class Deleter:
    """A design and disjoint sets of its rows, to be left out one at a time, in threads.

    Parameters
    ----------
    design
        The design of all rows.
    sets
        Length n: number of each row's set, from 0 to ``n_sets`` - 1.
    theta
        Where each search starts (None or singular: from moments, as for a fit), or where theta is ``held``.
    max_evaluations, gap_tolerance, starts
        Limits of each search, as in ``Control``.
    """

    def __init__(
        self,
        design: Design,
        sets: NDArray[np.integer],
        n_sets: int,
        theta: Theta | None,
        *,
        reml: bool,
        held: bool = False,
        max_evaluations: int = 200,
        gap_tolerance: float = 1e-10,
        starts: int = 1,
    ) -> None:
        self._design = design
        codes = np.ascontiguousarray(sets, dtype=np.int32)
        limits = (max_evaluations, gap_tolerance, starts)
        y, x, weights, factors, terms = _arrays(design, None)
        with kernel_errors(design):
            self._compiled = Deletions(
                (codes, n_sets), reml, theta, held, limits, y, x, weights, factors, terms
            )

    def refit(self, first: int, last: int) -> Deleted:
        """Estimates without each of the sets from ``first`` up to ``last`` (not included)."""
        with kernel_errors(self._design):
            found = self._compiled.refit(first, last)
        failures = {
            at: _translate(KernelError(kind, message, indices), self._design)
            for at, kind, message, indices in found["failures"]
        }
        fits = Refits(found["criterion"], found["theta"], found["sigma"], found["beta"], found["converged"])
        return Deleted(fits, found["vcov_unscaled"], found["same_rank"], failures)
