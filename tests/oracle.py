"""A slow, obvious, dense mixed model: numpy and scipy only, every matrix n x n.

Written from the marginal model: y ~ N(X beta + offset, sigma^2 V) with V = W^-1 + the sum over terms of
Z (I kron T T') Z'.
It shares no code and no intermediate quantity with the kernel, so agreement of the two means something.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

from mixwell.design.record import Design
from mixwell.fit.record import Certificate, Curvature, Fit, TermCertificate, Trace

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Marginal:
    """Generalized least squares at one theta. n rows, p estimable columns.

    ``v`` (n, n) covariance over sigma^2 and its inverse; ``projection`` (n, n) is
    P = V^-1 - V^-1 X (X'V^-1X)^-1 X'V^-1; ``residual`` (n,) is y - offset - X beta.
    """

    criterion: float
    v: FloatArray
    v_inverse: FloatArray
    projection: FloatArray
    kept: NDArray[np.intp]
    beta: FloatArray
    residual: FloatArray
    pwrss: float
    sigma: float
    vcov: FloatArray


@dataclass(frozen=True)
class Dense(Marginal):
    """And what follows: ``term_cov`` per term (k, k), ``modes`` and ``mode_cov`` per factor (q, k) and
    (q, k, k), ``fitted`` and ``leverages`` (n,)."""

    term_cov: tuple[FloatArray, ...]
    modes: tuple[FloatArray, ...]
    mode_cov: tuple[FloatArray, ...]
    fitted: FloatArray
    leverages: FloatArray


def n_theta(design: Design) -> int:
    """Number of covariance parameters."""
    return sum(len(t.names) * (len(t.names) + 1) // 2 for t in design.terms)


def relative_factors(design: Design, theta: FloatArray) -> list[FloatArray]:
    """The lower triangular T of each term; theta holds their columns one after the other."""
    factors, at = [], 0
    for term in design.terms:
        k = len(term.names)
        t = np.zeros((k, k))
        for column in range(k):
            for row in range(column, k):
                t[row, column] = theta[at]
                at += 1
        factors.append(t)
    assert at == len(theta)
    return factors


def term_matrix(design: Design, index: int) -> FloatArray:
    """Z of one term, shape (n, q k): column level * k + c."""
    term = design.terms[index]
    factor = design.factors[term.factor]
    k = len(term.names)
    z = np.zeros((design.n_obs, factor.n_levels * k))
    for c, column in enumerate(term.columns):
        z[np.arange(design.n_obs), factor.codes * k + c] = column
    return z


def estimable(x: FloatArray) -> NDArray[np.intp]:
    """Indices of columns that are not combinations of the columns before them."""
    kept: list[int] = []
    scale = np.maximum(np.linalg.norm(x, axis=0), 1e-300)
    for j in range(x.shape[1]):
        if np.linalg.matrix_rank(x[:, [*kept, j]] / scale[[*kept, j]], tol=1e-9) == len(kept) + 1:
            kept.append(j)
    return np.array(kept, dtype=np.intp)


def _offset(design: Design) -> FloatArray:
    return np.zeros(design.n_obs) if design.offset is None else design.offset


def _weights(design: Design) -> FloatArray:
    return np.ones(design.n_obs) if design.weights is None else design.weights


def marginal(
    design: Design, theta: FloatArray, *, reml: bool, kept: NDArray[np.intp] | None = None
) -> Marginal:
    """Criterion and generalized least squares at ``theta``."""
    n, weights = design.n_obs, _weights(design)
    y = design.y - _offset(design)
    kept = estimable(np.sqrt(weights)[:, None] * design.x) if kept is None else kept
    x = design.x[:, kept]
    p = x.shape[1]
    v = np.diag(1 / weights)
    for index, (term, t) in enumerate(zip(design.terms, relative_factors(design, theta), strict=True)):
        zt = term_matrix(design, index).reshape(n, design.factors[term.factor].n_levels, len(t)) @ t
        v += zt.reshape(n, -1) @ zt.reshape(n, -1).T
    v_inverse = linalg.inv(v)
    xvx = x.T @ v_inverse @ x
    xvx_inverse = linalg.inv(xvx) if p else np.zeros((0, 0))
    beta = xvx_inverse @ x.T @ v_inverse @ y
    residual = y - x @ beta
    pwrss = float(residual @ v_inverse @ residual)
    log_det_v = np.linalg.slogdet(v)[1]
    log_det_x = np.linalg.slogdet(xvx)[1] if p else 0.0
    df = n - p if reml else n
    criterion = log_det_v + (log_det_x if reml else 0.0) + df * (1 + np.log(2 * np.pi * pwrss / df))
    return Marginal(
        criterion=float(criterion),
        v=v,
        v_inverse=v_inverse,
        projection=v_inverse - v_inverse @ x @ xvx_inverse @ x.T @ v_inverse,
        kept=kept,
        beta=beta,
        residual=residual,
        pwrss=pwrss,
        sigma=float(np.sqrt(pwrss / df)),
        vcov=pwrss / df * xvx_inverse,
    )


def evaluate(design: Design, theta: FloatArray, *, reml: bool) -> Dense:
    """Everything at ``theta``."""
    at = marginal(design, np.asarray(theta, dtype=np.float64), reml=reml)
    factors = relative_factors(design, theta)
    fitted = _offset(design) + design.x[:, at.kept] @ at.beta
    modes, mode_cov = [], []
    for index, factor in enumerate(design.factors):
        mine = [i for i, term in enumerate(design.terms) if term.factor == index]
        # Columns of all the factor's terms, level by level; Sigma has a block per term.
        z = np.concatenate(
            [term_matrix(design, i).reshape(design.n_obs, factor.n_levels, -1) for i in mine], axis=2
        )
        sigma = linalg.block_diag(*(factors[i] @ factors[i].T for i in mine))
        zv = np.einsum("nqk,nm->qkm", z, at.v_inverse)
        b = zv @ at.residual @ sigma
        modes.append(b)
        information = np.einsum("qkn,nqj->qkj", zv, z)
        mode_cov.append(at.sigma**2 * (sigma - sigma @ information @ sigma))
        fitted = fitted + np.einsum("nqk,qk->n", z, b)
    return Dense(
        **{f.name: getattr(at, f.name) for f in fields(at)},
        term_cov=tuple(at.sigma**2 * t @ t.T for t in factors),
        modes=tuple(modes),
        mode_cov=tuple(mode_cov),
        fitted=fitted,
        # y - fitted = W^-1 P (y - offset), so the hat matrix is I - W^-1 P.
        leverages=1 - np.diag(at.projection) / _weights(design),
    )


def criterion(design: Design, theta: FloatArray, *, reml: bool) -> float:
    """-2 log-likelihood or REML criterion at ``theta``, on lme4's scale."""
    return marginal(design, np.asarray(theta, dtype=np.float64), reml=reml).criterion


def gradient_by_differences(
    design: Design, theta: FloatArray, *, reml: bool, step: float = 1e-4
) -> FloatArray:
    """Central differences, fourth order: error about step^4 and eps / step."""
    theta = np.asarray(theta, dtype=np.float64)
    out = np.zeros(len(theta))
    for j in range(len(theta)):
        h = step * max(1.0, abs(theta[j]))

        def at(m: float, j: int = j, h: float = h) -> float:
            moved = theta.copy()
            moved[j] += m * h
            return criterion(design, moved, reml=reml)

        out[j] = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * h)
    return out


def sigma_gradients(design: Design, dense: Marginal, *, reml: bool) -> list[FloatArray]:
    """Gamma of each term, k x k: the criterion's derivative in Sigma, sums of Z'PZ - (N / r^2) Z'Py y'PZ."""
    p = len(dense.kept)
    df = design.n_obs - p if reml else design.n_obs
    m = dense.projection if reml else dense.v_inverse
    score = dense.projection @ (design.y - _offset(design))
    gammas = []
    for index, term in enumerate(design.terms):
        q, k = design.factors[term.factor].n_levels, len(term.names)
        z = term_matrix(design, index)
        blocks = (z.T @ m @ z).reshape(q, k, q, k)
        u = (z.T @ score).reshape(q, k)
        gammas.append(np.einsum("jajb->ab", blocks) - df / dense.pwrss * u.T @ u)
    return gammas


def _gradient_at(design: Design, theta: FloatArray, at: Marginal, *, reml: bool) -> FloatArray:
    out = []
    for gamma, t in zip(sigma_gradients(design, at, reml=reml), relative_factors(design, theta), strict=True):
        g = 2 * gamma @ t
        k = len(t)
        out += [g[row, column] for column in range(k) for row in range(column, k)]
    return np.array(out)


def gradient(design: Design, theta: FloatArray, *, reml: bool) -> FloatArray:
    """Derivative of the criterion in theta: lower triangle of 2 Gamma T, column-major."""
    theta = np.asarray(theta, dtype=np.float64)
    return _gradient_at(design, theta, marginal(design, theta, reml=reml), reml=reml)


def hessian(design: Design, theta: FloatArray, *, reml: bool, step: float = 1e-4) -> FloatArray:
    """Central differences of the exact gradient."""
    m = len(theta)
    out = np.zeros((m, m))
    for j in range(m):
        up, down = theta.copy(), theta.copy()
        h = step * max(1.0, abs(theta[j]))
        up[j] += h
        down[j] -= h
        out[j] = (gradient(design, up, reml=reml) - gradient(design, down, reml=reml)) / (2 * h)
    return (out + out.T) / 2


def _canonical(design: Design, theta: FloatArray) -> FloatArray:
    """Flip the sign of columns of T so that diagonals are not negative."""
    out = []
    for t in relative_factors(design, theta):
        k = len(t)
        for column in range(k):
            sign = -1.0 if t[column, column] < 0 else 1.0
            out += [sign * t[row, column] for row in range(column, k)]
    return np.array(out)


def minimize(design: Design, *, reml: bool, starts: int = 4, seed: int = 1) -> FloatArray:
    """Theta of the lowest criterion found from several starts, polished by Newton steps."""
    rng = np.random.default_rng(seed)
    # Each effect in units of its column's root mean square.
    scales = np.array([v for t in design.terms for v in _scales(t.columns)])
    identity = np.array([v for t in design.terms for v in _lower(np.eye(len(t.names)))])
    points = [identity, 0.3 * identity]
    points += [rng.normal(size=len(scales)) for _ in range(starts - len(points))]
    kept = marginal(design, identity / scales, reml=reml).kept

    def value_and_slope(s: FloatArray) -> tuple[float, FloatArray]:
        at = marginal(design, s / scales, reml=reml, kept=kept)
        return at.criterion, _gradient_at(design, s / scales, at, reml=reml) / scales

    found = [
        optimize.minimize(value_and_slope, point, jac=True, method="BFGS", options={"gtol": 1e-5})
        for point in points
    ]
    best = min(found, key=lambda result: float(result.fun)).x
    lowest = value_and_slope(best)[0]
    for _ in range(4):
        curvature = hessian(design, best / scales, reml=reml) / np.outer(scales, scales)
        step = -np.linalg.lstsq(curvature, value_and_slope(best)[1], rcond=1e-8)[0]
        trial = value_and_slope(best + step)[0]
        if trial > lowest + 1e-9:
            break
        best, lowest = best + step, min(lowest, trial)
    return _canonical(design, best / scales)


def _lower(t: FloatArray) -> list[float]:
    k = len(t)
    return [t[row, column] for column in range(k) for row in range(column, k)]


def _scales(columns: tuple[FloatArray, ...]) -> list[float]:
    root_mean_square = [max(float(np.sqrt(np.mean(c**2))), 1e-12) for c in columns]
    return [root_mean_square[row] for column in range(len(columns)) for row in range(column, len(columns))]


def oracle_fit(design: Design, *, reml: bool, start: FloatArray | None = None, control: object = None) -> Fit:
    """A whole :class:`~mixwell.fit.record.Fit` for tiny data; curvature over theta itself."""
    theta = minimize(design, reml=reml) if start is None else np.asarray(start, dtype=np.float64)
    dense = evaluate(design, theta, reml=reml)
    factors = relative_factors(design, theta)
    gammas = sigma_gradients(design, dense, reml=reml)
    terms = []
    for term, t, gamma in zip(design.terms, factors, gammas, strict=True):
        scale = np.array([np.sqrt(np.mean(c**2)) for c in term.columns])
        values, vectors = np.linalg.eigh(np.outer(scale, scale) * (t @ t.T))
        small = values < 1e-8 * max(1.0, values[-1])
        null = vectors[:, small]
        inner = null.T @ (gamma / np.outer(scale, scale)) @ null
        terms.append(
            TermCertificate(
                rank=int(np.sum(~small)),
                null_space=null * scale[:, None],
                null_eigenvalue=float(np.linalg.eigvalsh(inner)[0]) if small.any() else np.inf,
            )
        )
    g, h = gradient(design, theta, reml=reml), hessian(design, theta, reml=reml)
    decrement = float(0.5 * g @ np.linalg.lstsq(h, g, rcond=1e-8)[0])
    eigenvalues = np.linalg.eigvalsh(h)
    m = len(theta)
    return Fit(
        reml=reml,
        criterion=dense.criterion,
        theta=theta,
        sigma=dense.sigma,
        pwrss=dense.pwrss,
        kept=dense.kept,
        beta=dense.beta,
        vcov=dense.vcov,
        term_cov=dense.term_cov,
        modes=dense.modes,
        mode_cov=dense.mode_cov,
        fitted=dense.fitted,
        trace=Trace(
            theta=theta[None, :],
            criterion=np.array([dense.criterion]),
            gradient_norm=np.array([np.abs(g).max(initial=0.0)]),
            decrement=np.array([decrement]),
            step=("start",),
            searches=np.array([0]),
            chosen=0,
        ),
        certificate=Certificate(
            converged=True,
            gap=abs(decrement),
            gradient_norm=float(np.abs(g).max(initial=0.0)),
            hessian_eigenvalue=float(eigenvalues[0] / eigenvalues[-1]) if m else 1.0,
            terms=tuple(terms),
            reason="",
        ),
        curvature=Curvature(
            hessian=h,
            vcov_derivative=np.zeros((m, len(dense.kept), len(dense.kept))),
            log_pwrss_derivative=np.zeros(m),
            active=np.ones(m, dtype=np.bool_),
        ),
    )


def without_random_part(design: Design) -> Design:
    """The same design with no terms: the linear model."""
    return replace(design, factors=(), terms=())
