"""A slow, obvious, dense mixed model: numpy and scipy only, every matrix n x n.

Written from the marginal model: y ~ N(X beta + offset, sigma^2 V) with V = W^-1 + the sum over terms of
Z (I kron T T') Z'.
It shares no code and no intermediate quantity with the kernel, so agreement of the two means something.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

from mixwell.design.record import Design
from mixwell.fit.record import Certificate, Curvature, Fit, TermCertificate, Trace

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Dense:
    """Everything at one theta. n rows, p estimable columns.

    ``v`` (n, n) covariance over sigma^2, ``v_inverse``; ``projection`` P = V^-1 - V^-1 X (X'V^-1X)^-1 X'V^-1;
    ``beta`` (p,), ``pwrss`` = residual' V^-1 residual, ``sigma``, ``vcov`` (p, p), ``criterion``;
    ``modes`` per factor (q, k), ``mode_cov`` per factor (q, k, k), ``fitted`` (n,), ``leverages`` (n,).
    """

    criterion: float
    v: FloatArray
    v_inverse: FloatArray
    projection: FloatArray
    kept: NDArray[np.intp]
    beta: FloatArray
    pwrss: float
    sigma: float
    vcov: FloatArray
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


def evaluate(design: Design, theta: FloatArray, *, reml: bool) -> Dense:
    """Generalized least squares, criterion and everything read off at ``theta``."""
    n = design.n_obs
    offset = np.zeros(n) if design.offset is None else design.offset
    weights = np.ones(n) if design.weights is None else design.weights
    y = design.y - offset
    kept = estimable(np.sqrt(weights)[:, None] * design.x)
    x = design.x[:, kept]
    p = x.shape[1]
    factors = relative_factors(design, theta)
    z = [term_matrix(design, i) for i in range(len(design.terms))]
    sigmas = [
        np.kron(np.eye(design.factors[t.factor].n_levels), f @ f.T)
        for t, f in zip(design.terms, factors, strict=True)
    ]

    v = np.diag(1 / weights) + sum(a @ s @ a.T for a, s in zip(z, sigmas, strict=True))
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
    sigma = np.sqrt(pwrss / df)
    projection = v_inverse - v_inverse @ x @ xvx_inverse @ x.T @ v_inverse

    modes, mode_cov = [], []
    for index, factor in enumerate(design.factors):
        mine = [i for i, t in enumerate(design.terms) if t.factor == index]
        parts = [(s @ a.T, s) for a, s in ((z[i], sigmas[i]) for i in mine)]
        q, ks = factor.n_levels, [len(design.terms[i].names) for i in mine]
        modes.append(
            np.hstack(
                [(szt @ v_inverse @ residual).reshape(q, k) for (szt, _), k in zip(parts, ks, strict=True)]
            )
        )
        covariance = np.zeros((q, sum(ks), sum(ks)))
        for level in range(q):
            rows = np.vstack(
                [szt[level * k : (level + 1) * k] for (szt, _), k in zip(parts, ks, strict=True)]
            )
            prior = linalg.block_diag(*(f @ f.T for i, f in enumerate(factors) if i in mine))
            covariance[level] = sigma**2 * (prior - rows @ v_inverse @ rows.T)
        mode_cov.append(covariance)
    fitted = (
        offset + x @ beta + sum(a @ s @ a.T @ v_inverse @ residual for a, s in zip(z, sigmas, strict=True))
    )
    # y - fitted = W^-1 P y, so the hat matrix is I - W^-1 P.
    leverages = 1 - np.diag(projection) / weights
    return Dense(
        criterion=float(criterion),
        v=v,
        v_inverse=v_inverse,
        projection=projection,
        kept=kept,
        beta=beta,
        pwrss=pwrss,
        sigma=float(sigma),
        vcov=sigma**2 * xvx_inverse,
        term_cov=tuple(sigma**2 * f @ f.T for f in factors),
        modes=tuple(modes),
        mode_cov=tuple(mode_cov),
        fitted=fitted,
        leverages=leverages,
    )


def criterion(design: Design, theta: FloatArray, *, reml: bool) -> float:
    """-2 log-likelihood or REML criterion at ``theta``, on lme4's scale."""
    return evaluate(design, np.asarray(theta, dtype=np.float64), reml=reml).criterion


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


def sigma_gradients(design: Design, dense: Dense, *, reml: bool) -> list[FloatArray]:
    """Gamma of each term, k x k: the criterion's derivative in Sigma, sums of Z'PZ - (N / r^2) Z'Py y'PZ."""
    p = len(dense.kept)
    df = design.n_obs - p if reml else design.n_obs
    m = dense.projection if reml else dense.v_inverse
    offset = 0.0 if design.offset is None else design.offset
    score = dense.projection @ (design.y - offset)
    gammas = []
    for index, term in enumerate(design.terms):
        q, k = design.factors[term.factor].n_levels, len(term.names)
        z = term_matrix(design, index)
        blocks = (z.T @ m @ z).reshape(q, k, q, k)
        u = (z.T @ score).reshape(q, k)
        gammas.append(np.einsum("jajb->ab", blocks) - df / dense.pwrss * u.T @ u)
    return gammas


def gradient(design: Design, theta: FloatArray, *, reml: bool) -> FloatArray:
    """Derivative of the criterion in theta: lower triangle of 2 Gamma T, column-major."""
    dense = evaluate(design, np.asarray(theta, dtype=np.float64), reml=reml)
    out = []
    for gamma, t in zip(
        sigma_gradients(design, dense, reml=reml), relative_factors(design, theta), strict=True
    ):
        g = 2 * gamma @ t
        k = len(t)
        out += [g[row, column] for column in range(k) for row in range(column, k)]
    return np.array(out)


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


def minimize(design: Design, *, reml: bool, starts: int = 6, seed: int = 1) -> FloatArray:
    """Theta of the lowest criterion found from several starts, polished by Newton steps."""
    m = n_theta(design)
    rng = np.random.default_rng(seed)
    identity = np.array([v for t in design.terms for v in _lower(np.eye(len(t.names)))])
    scales = np.array([v for t in design.terms for v in _scales(t.columns)])
    points = [identity / scales, 0.3 * identity / scales]
    points += [rng.normal(size=m) / scales for _ in range(starts - 2)]
    best, lowest = points[0], np.inf
    for point in points:
        found = optimize.minimize(
            lambda s: criterion(design, s / scales, reml=reml),
            point * scales,
            jac=lambda s: gradient(design, s / scales, reml=reml) / scales,
            method="BFGS",
            options={"gtol": 1e-9, "maxiter": 500},
        )
        if found.fun < lowest:
            best, lowest = found.x / scales, float(found.fun)
    for _ in range(4):
        g, h = (
            gradient(design, best, reml=reml) / scales,
            hessian(design, best, reml=reml) / np.outer(scales, scales),
        )
        step = -np.linalg.lstsq(h, g, rcond=1e-8)[0] / scales
        trial = criterion(design, best + step, reml=reml)
        if trial > lowest + 1e-9:
            break
        best, lowest = best + step, min(lowest, trial)
    return _canonical(design, best)


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
