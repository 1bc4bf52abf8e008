"""Satterthwaite's degrees of freedom: from the curvature at the optimum, no further evaluation.

A contrast's variance v = l' vcov l depends on the parameters (T, sigma^2). With g its gradient and A the
asymptotic covariance of the parameters, df = 2 v^2 / (g' A g): those of the chi-square whose mean and
variance are v's (Satterthwaite 1946; Giesbrecht & Burns 1985).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixwell.design.record import Design
from mixwell.fit.record import Fit
from mixwell.inference.contrast import JointStatistic, wald_f

FloatArray = NDArray[np.float64]

# Directions of the parameters whose curvature is below this part of the largest are not estimated at all.
FLAT = 1e-10
# Degrees of freedom that agree to this relative precision are the same.
EQUAL = 1e-8


@dataclass(frozen=True, slots=True)
class Satterthwaite:
    """Covariance of the fixed effects and how it varies.

    Attributes
    ----------
    vcov
        Shape (p, p).
    derivative
        Shape (m, p, p): derivative of ``vcov`` by each parameter on the active face, sigma^2 the last.
    parameter_cov
        Shape (m, m), asymptotic covariance of these parameters.
    """

    vcov: FloatArray
    derivative: FloatArray
    parameter_cov: FloatArray

    def row_df(self, rows: FloatArray) -> FloatArray:
        """2 v^2 / (g' A g) for each row."""
        variance = np.einsum("mi,ij,mj->m", rows, self.vcov, rows)
        gradient = np.einsum("ri,kij,rj->rk", rows, self.derivative, rows, optimize=True)
        return np.asarray(2 * variance**2 / np.einsum("ri,ij,rj->r", gradient, self.parameter_cov, gradient))

    def joint(self, rows: FloatArray, value: FloatArray) -> JointStatistic:
        """Principal axes of the contrast's covariance, each with its own df, pooled into one F."""
        f_value = wald_f(rows, value, self.vcov)
        if len(rows) == 1:
            return JointStatistic(f_value, 1, float(self.row_df(rows)[0]), f_value)
        _, axes = np.linalg.eigh(rows @ self.vcov @ rows.T)
        return JointStatistic(f_value, len(rows), pooled_df(self.row_df(axes.T @ rows)), f_value)


def pooled_df(df: FloatArray) -> float:
    """Denominator df of the mean of independent squared t variables (Kuznetsova et al. 2017, section 2.2).

    The mean of F(2E / (E - q)) is that of the sum: E = sum df / (df - 2). Where a df is 2 or less that mean
    does not exist, and 2 is returned.

    >>> import numpy as np
    >>> pooled_df(np.array([10.0, 10.0])), round(pooled_df(np.array([8.0, 12.0])), 3)
    (10.0, 9.5)
    """
    if np.ptp(df) <= EQUAL * df.max():
        return float(df.mean())
    if df.min() <= 2:
        return 2.0
    # E - q without cancellation: df / (df - 2) - 1 = 2 / (df - 2).
    excess = float(np.sum(2 / (df - 2)))
    return 2 * (excess + len(df)) / excess


def satterthwaite(design: Design, fit: Fit) -> Satterthwaite:
    """Read the approximation off the fit's curvature.

    The curvature holds the Hessian of the profiled criterion. With N = n (ML) or n - rank (REML) and
    pwrss = N sigma^2 at the optimum, the criterion as a function of (T, sigma^2) has the second derivatives
    d_ss = N / sigma^4, d_Ts = -(N / sigma^2) d log pwrss / dT, and d_TT = H + d_Ts d_sT / d_ss. Coordinates
    held at the boundary are left out.
    """
    active = fit.curvature.active
    rank = len(fit.beta)
    n_effective = design.n_obs - rank if fit.reml else design.n_obs
    variance = fit.sigma**2
    slope = fit.curvature.log_pwrss_derivative[active]
    m = len(slope)
    # Parameters (T, log sigma^2): d_ss = N, d_Ts = -N slope; then everything is of one scale.
    hessian = np.empty((m + 1, m + 1))
    hessian[:m, :m] = fit.curvature.hessian[np.ix_(active, active)] + n_effective * np.outer(slope, slope)
    hessian[:m, m] = hessian[m, :m] = -n_effective * slope
    hessian[m, m] = n_effective
    derivative = np.concatenate(
        [variance * fit.curvature.vcov_derivative[active], fit.vcov[np.newaxis]], axis=0
    )
    return Satterthwaite(fit.vcov, derivative, 2 * positive_inverse(hessian))


def positive_inverse(matrix: FloatArray) -> FloatArray:
    """Inverse of a symmetric matrix where it is positive, zero elsewhere; units do not matter."""
    diagonal = np.diagonal(matrix)
    scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    values, vectors = np.linalg.eigh(matrix * np.outer(scale, scale))
    kept = values > FLAT * values[-1]
    scaled = vectors[:, kept] * scale[:, np.newaxis]
    return np.asarray((scaled / values[kept]) @ scaled.T)
