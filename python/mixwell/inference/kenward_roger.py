"""Kenward and Roger's adjusted covariance and degrees of freedom, without any n x n matrix.

Everything is expressed by H = Z'V^-1 X and B = Z'V^-1 Z, block by block (:mod:`mixwell.inference.blocks`).
The parameters are those in which V is linear: the variances and covariances of each term, and sigma^2. Rows
are scaled by the square roots of the prior weights first, so that V = sigma^2 I + Z G Z'.

Kenward & Roger (1997) Biometrics 53, 983-997; Halekoh & Hojsgaard (2014) J. Stat. Softw. 59(9).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixwell.design.record import Design
from mixwell.errors import ModelError
from mixwell.fit.record import Fit
from mixwell.inference.blocks import LARGEST, Layout, Stack, components, stacks
from mixwell.inference.contrast import JointStatistic, wald_f
from mixwell.inference.information import orthonormal_terms
from mixwell.inference.satterthwaite import positive_inverse

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class KenwardRoger:
    """The adjusted covariance, and what the degrees of freedom need.

    Attributes
    ----------
    vcov
        Shape (p, p): the adjusted covariance of the fixed effects.
    unadjusted
        Shape (p, p): (X'V^-1 X)^-1.
    sensitivity
        Shape (m, p, p): Phi P_i Phi of each parameter, sigma^2 the last.
    parameter_cov
        Shape (m, m): W, inverse of the expected information of the parameters.
    """

    vcov: FloatArray
    unadjusted: FloatArray
    sensitivity: FloatArray
    parameter_cov: FloatArray

    def row_df(self, rows: FloatArray) -> FloatArray:
        """Degrees of freedom of each row: for one row the general formula comes down to 2 / A2."""
        variance = np.einsum("mi,ij,mj->m", rows, self.unadjusted, rows)
        a = np.einsum("ri,kij,rj->rk", rows, self.sensitivity, rows, optimize=True)
        return np.asarray(2 * variance**2 / np.einsum("ri,ij,rj->r", a, self.parameter_cov, a))

    def joint(self, rows: FloatArray, value: FloatArray) -> JointStatistic:
        """F and its scale from the moments of the Wald statistic (Halekoh & Hojsgaard 2014, section 3).

        Raises
        ------
        ModelError
            Where no F has these moments: a few groups, and nearly as many hypotheses about them.
        """
        f_value = wald_f(rows, value, self.vcov)
        q = len(rows)
        if q == 1:
            return JointStatistic(f_value, 1, float(self.row_df(rows)[0]), f_value)
        covariance = rows @ self.unadjusted @ rows.T
        scale = 1 / np.sqrt(np.diagonal(covariance))
        rows = rows * scale[:, np.newaxis]
        # Theta Phi P_i Phi has the trace of (L Phi L')^-1 L Phi P_i Phi L'.
        parts = np.linalg.solve(
            rows @ self.unadjusted @ rows.T, np.einsum("ai,kij,bj->kab", rows, self.sensitivity, rows)
        )
        traces = np.trace(parts, axis1=1, axis2=2)
        a1 = float(traces @ self.parameter_cov @ traces)
        a2 = float(np.einsum("ij,iab,jba->", self.parameter_cov, parts, parts, optimize=True))
        den_df, factor = denominator(a1, a2, q)
        # The moments of Wald's statistic are then not those of any F.
        if not (np.isfinite(den_df) and den_df > 0 and factor > 0):
            raise ModelError(
                f"Too few groups for Kenward-Roger's joint test of {q} hypotheses: its approximation breaks "
                "down. Test them one by one, or use ddf='satterthwaite'."
            )
        return JointStatistic(factor * f_value, q, den_df, f_value)


def denominator(a1: float, a2: float, q: int) -> tuple[float, float]:
    """Denominator df and the factor of the Wald F, for q numerator df.

    Notation of Halekoh & Hojsgaard (2014), equations 9 to 17.
    """
    b = (a1 + 6 * a2) / (2 * q)
    g = ((q + 1) * a1 - (q + 4) * a2) / ((q + 2) * a2)
    c = 3 * q + 2 * (1 - g)
    v0 = 1 + g / c * b
    v1 = 1 - (q - g) / c * b
    v2 = 1 - (q + 2 - g) / c * b
    if abs(v0) < 1e-10:
        v0 = 0.0
    mean_part = 1 - a2 / q  # 1 / E*
    ratio = 1.0 if mean_part == v1 else mean_part / v1
    rho = ratio**2 * v0 / v2 / q
    den_df = 4 + (q + 2) / (q * rho - 1)
    factor = 1.0 if abs(den_df - 2) < 1e-10 else den_df * mean_part / (den_df - 2)
    return den_df, factor


@dataclass(frozen=True, slots=True)
class Parameter:
    """One element of one term's covariance matrix: ``term``, and the columns ``a <= b``."""

    term: int
    a: int
    b: int

    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Positions of the ones in dSigma / dparameter."""
        return ((self.a, self.b),) if self.a == self.b else ((self.a, self.b), (self.b, self.a))


@dataclass(slots=True)
class Sums:
    """Sums over the components, of what does not involve sigma^2 alone; all in orthonormal columns of X.

    Attributes
    ----------
    p
        Shape (m, p, p): P_i; the last is that of sigma^2.
    q
        Shape (m, m, p, p): Q_ij.
    t
        Shape (m, m): tr(V^-1 dV_i V^-1 dV_j).
    hgz
        Shape (p, p): X'Z G H, what random effects take from X'X.
    hgh, hgu
        Shape (p, p): H'G H and H'G Z'V^-2 X.
    squares
        tr (I + Z'Z G / sigma^2)^-2 less the number of columns.
    """

    p: FloatArray
    q: FloatArray
    t: FloatArray
    hgz: FloatArray
    hgh: FloatArray
    hgu: FloatArray
    squares: float


def kenward_roger(design: Design, fit: Fit) -> KenwardRoger:
    """Compute the approximation.

    Raises
    ------
    ModelError
        For a fit by maximum likelihood, and where linked levels have more than 10,000 columns.
    """
    if not fit.reml:
        raise ModelError(
            "Kenward-Roger degrees of freedom need a REML fit, this one is by maximum likelihood; "
            "fit with reml=True, or use ddf='satterthwaite'."
        )
    found = components(design)
    largest = found.largest(design)
    if largest > LARGEST:
        raise ModelError(
            f"Kenward-Roger needs a dense matrix over {largest:,} linked random effects here, more than the "
            f"{LARGEST:,} that are feasible; use ddf='satterthwaite'."
        )
    x = design.x if len(fit.kept) == design.x.shape[1] else design.x[:, fit.kept]
    if design.weights is not None:
        x = x * np.sqrt(design.weights)[:, np.newaxis]
    q, r = np.linalg.qr(x)
    parameters = [
        Parameter(t, a, b)
        for t, term in enumerate(design.terms)
        for a in range(len(term.names))
        for b in range(a, len(term.names))
    ]
    m, rank = len(parameters) + 1, q.shape[1]
    zero = np.zeros((rank, rank))
    sums = Sums(
        np.zeros((m, rank, rank)), np.zeros((m, m, rank, rank)), np.zeros((m, m)), zero, zero, zero, 0.0
    )
    variance = fit.sigma**2
    turned, covariances, _ = orthonormal_terms(design, fit.term_cov)
    for stack in stacks(turned, found, q):
        add_stack(sums, stack, covariances, parameters, variance)

    # X has orthonormal columns: X'X = I.
    xvx = (np.eye(rank) - sums.hgz) / variance
    xv2x = (xvx - sums.hgh) / variance
    sums.p[-1] = -xv2x
    sums.q[-1, -1] = (xv2x - sums.hgu) / variance
    sums.t[-1, -1] = (design.n_obs + sums.squares) / variance**2
    lower = np.tril_indices(m, -1)
    sums.t[lower] = sums.t.T[lower]
    sums.q[lower] = sums.q.transpose(1, 0, 3, 2)[lower]

    phi = np.linalg.inv(xvx)
    phi_p = phi @ sums.p
    traces = np.einsum("ij,klji->kl", phi, sums.q, optimize=True)
    products = np.einsum("kij,lji->kl", phi_p, phi_p, optimize=True)
    w = 2 * positive_inverse(sums.t - 2 * traces + products)
    bias = np.einsum("kl,klij->ij", w, sums.q, optimize=True) - np.einsum(
        "kl,kia,laj->ij", w, sums.p, phi_p, optimize=True
    )
    adjusted = phi + 2 * phi @ (bias + bias.T) / 2 @ phi
    back = np.linalg.inv(r)
    return KenwardRoger(
        vcov=back @ adjusted @ back.T,
        unadjusted=back @ phi @ back.T,
        sensitivity=back @ (phi_p @ phi) @ back.T,
        parameter_cov=w,
    )


def add_stack(
    sums: Sums,
    stack: Stack,
    covariances: tuple[FloatArray, ...],
    parameters: list[Parameter],
    variance: float,
) -> None:
    """Add the components of one size."""
    layout = stack.layout
    relative = tuple(cov / variance for cov in covariances)
    # (I + Z'Z G / sigma^2)^-1 stands for V^-1: no Sigma is inverted, and nothing cancels.
    shrink = np.linalg.inv(np.eye(layout.size) + layout.times_covariance(relative, stack.zz).swapaxes(1, 2))
    b = shrink @ stack.zz / variance
    h = shrink @ stack.zx / variance
    u = shrink @ h / variance  # Z'V^-2 X
    gh = layout.times_covariance(covariances, h)
    sums.hgz = sums.hgz + flat_product(stack.zx, gh)
    sums.hgh = sums.hgh + flat_product(h, gh)
    sums.hgu = sums.hgu + flat_product(gh, u)
    # tr V^-2 = (n - D + tr shrink^2) / sigma^4; padding counts one in both.
    sums.squares += float(np.einsum("cij,cji->", shrink, shrink)) - shrink.shape[0] * layout.size
    last = len(parameters)
    for j, right in enumerate(parameters):
        columns = layout.slices[right.term]
        by = np.zeros_like(h)  # B E_j H
        for c, d in right.pairs():
            by += b[:, :, columns[c]] @ h[:, columns[d], :]
            sums.p[j] -= flat_product(h[:, columns[c], :], h[:, columns[d], :])
            sums.q[j, last] += flat_product(h[:, columns[c], :], u[:, columns[d], :])
            # tr(E_j Z'V^-2 Z), with Z'V^-2 Z = shrink B / sigma^2.
            sums.t[j, last] += (
                np.einsum("clk,clk->", shrink[:, columns[c], :], b[:, columns[d], :]) / variance
            )
        for i, left in enumerate(parameters[: j + 1]):
            rows = layout.slices[left.term]
            for e, f in left.pairs():
                sums.q[i, j] += flat_product(h[:, rows[e], :], by[:, rows[f], :])
            sums.t[i, j] += trace_pair(b, layout, left, right)


def trace_pair(b: FloatArray, layout: Layout, left: Parameter, right: Parameter) -> float:
    """tr(B E_i B E_j), summed over components; B is symmetric."""
    rows, columns = layout.slices[left.term], layout.slices[right.term]
    total = 0.0
    for e, f in left.pairs():
        for c, d in right.pairs():
            total += float(np.einsum("clm,clm->", b[:, rows[e], columns[d]], b[:, rows[f], columns[c]]))
    return total


def flat_product(left: FloatArray, right: FloatArray) -> FloatArray:
    """Sum over components of left' right: (C, D, p), (C, D, s) -> (p, s)."""
    rows = left.shape[0] * left.shape[1]
    return np.asarray(left.reshape(rows, left.shape[2]).T @ right.reshape(rows, right.shape[2]))
