"""Design -> Fit: runs the kernel once and makes the record of what it found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixwell import kernel
from mixwell.design import Design
from mixwell.errors import ConvergenceError, DataError
from mixwell.fit.control import Control
from mixwell.fit.exact import check_residual_is_left, is_small
from mixwell.fit.identified import decide
from mixwell.fit.record import Certificate, Curvature, Doubt, Fit, TermCertificate, Trace

FloatArray = NDArray[np.float64]


def linear_predictor(design: Design, beta: FloatArray, modes: tuple[FloatArray, ...]) -> FloatArray:
    """X beta + offset + Z b for all rows (length n).

    ``beta`` has length p (zeros for dropped columns); ``modes`` holds (q, k) per factor.
    """
    out = design.x @ beta
    if design.offset is not None:
        out += design.offset
    used = [0] * len(design.factors)
    for term in design.terms:
        codes = design.factors[term.factor].codes
        for column in term.columns:
            contribution = modes[term.factor][:, used[term.factor]][codes]
            contribution *= column
            out += contribution
            used[term.factor] += 1
    return out


def _checked_start(start: FloatArray | None, n_theta: int) -> kernel.Theta | None:
    if start is None:
        return None
    theta = np.ascontiguousarray(start, dtype=np.float64)
    if theta.shape != (n_theta,):
        raise DataError(
            f"start must hold the {n_theta} covariance parameters of the model, as fit.theta does; it has "
            f"shape {theta.shape}."
        )
    if not np.isfinite(theta).all():
        raise DataError(f"start must be finite; it is {theta.tolist()}.")
    return kernel.Theta(theta)


def solve(
    design: Design,
    *,
    reml: bool,
    start: FloatArray | None = None,
    control: Control | None = None,
    y: FloatArray | None = None,
    held: Doubt | None = None,
) -> Fit:
    """Fits the model of a design.

    Parameters
    ----------
    design
        The frozen design.
    reml
        REML criterion, or ML.
    start
        theta to start from (lme4's order); by default the kernel's own start.
    control
        Limits of the search.
    y
        Another response for the same design (length n), as a refit needs.
    held
        What was taken out of the design because the data do not identify it.

    Raises
    ------
    ModelError, DataError, ConvergenceError
        What the kernel refuses, in the words of the design.
    """
    if not isinstance(reml, bool | np.bool_):
        raise DataError(f"reml is {reml!r}; it is True for REML or False for maximum likelihood.")
    if control is not None and not isinstance(control, Control):
        raise DataError(f"control is {control!r}; give mixwell.Control(...), for example Control(starts=50).")
    limits = control if control is not None else Control()
    problem = kernel.problem(design, y)
    theta = _checked_start(start, problem.n_theta)
    # another response of a design that was fitted before says nothing new about its columns
    doubt = decide(design, problem, reml=reml) if y is None else None
    try:
        with kernel.kernel_errors(design):
            found = problem.optimize(reml, theta, limits.max_evaluations, limits.gap_tolerance, limits.starts)
    except ConvergenceError:
        check_residual_is_left(design, y)
        raise
    if is_small(found["sigma"], design.y if y is None else y):
        check_residual_is_left(design, y)
    kept = np.asarray(problem.kept, dtype=np.intp)
    beta = np.zeros(design.x.shape[1])
    beta[kept] = found["beta"]
    certificate = found["certificate"]
    curvature = found["curvature"]
    modes = tuple(found["modes"])
    flat = tuple(design.terms[t].label for t in certificate["flat"])
    return Fit(
        reml=reml,
        criterion=found["criterion"],
        theta=found["theta"],
        sigma=found["sigma"],
        pwrss=found["pwrss"],
        kept=kept,
        beta=found["beta"],
        vcov=found["vcov"],
        term_cov=tuple(found["term_cov"]),
        modes=modes,
        mode_cov=tuple(found["mode_cov"]),
        fitted=linear_predictor(design, beta, modes),
        trace=Trace(**found["trace"]),
        certificate=Certificate(
            converged=certificate["converged"],
            gap=certificate["gap"],
            gradient_norm=certificate["gradient_norm"],
            hessian_eigenvalue=certificate["hessian_eigenvalue"],
            terms=tuple(
                TermCertificate(
                    rank=term["rank"],
                    null_space=term["null_space"].T,
                    null_eigenvalue=term["null_eigenvalue"],
                )
                for term in certificate["terms"]
            ),
            reason=certificate["reason"],
            doubt=held or doubt or (Doubt("flat", flat) if flat else None),
        ),
        curvature=Curvature(
            hessian=curvature["hessian"],
            vcov_derivative=curvature["vcov_derivative"],
            log_pwrss_derivative=curvature["log_pwrss_derivative"],
            active=np.asarray(curvature["active"], dtype=np.bool_),
        ),
    )
