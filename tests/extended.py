"""The marginal criterion in 60 decimal digits, for models at which double precision itself is in doubt."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
from numpy.typing import NDArray

from mixwell.design.record import Design
from oracle import relative_factors

# arrays of Decimal
Decimals = NDArray[np.object_]

DIGITS = 60
TWO_PI = Decimal("6.28318530717958647692528676655900576839433879875021164194988918")


def exact(a: NDArray[np.float64]) -> Decimals:
    """Floats as the decimals they are."""
    return np.array([Decimal(float(v)) for v in np.ravel(a)], dtype=object).reshape(np.shape(a))


def cholesky(a: Decimals) -> Decimals:
    """Lower L with L L' = a, column by column."""
    n = len(a)
    lower = exact(np.zeros((n, n)))
    for j in range(n):
        column = a[j:, j] - lower[j:, :j] @ lower[j, :j] if j else a[:, 0]
        lower[j:, j] = column / column[0].sqrt()
    return lower


def forward(lower: Decimals, b: Decimals) -> Decimals:
    """Solves L x = b, b of one or several columns."""
    x = b.copy()
    for i in range(len(lower)):
        x[i] = (x[i] - lower[i, :i] @ x[:i]) / lower[i, i] if i else x[0] / lower[0, 0]
    return x


def criterion(design: Design, theta: NDArray[np.float64], *, reml: bool) -> tuple[float, float]:
    """-2 log-likelihood or REML criterion, and sigma (X of full rank)."""
    n, p = design.x.shape
    with localcontext() as context:
        context.prec = DIGITS
        v = exact(np.zeros((n, n)))
        for i in range(n):
            v[i, i] = Decimal(1) if design.weights is None else 1 / Decimal(float(design.weights[i]))
        for term, t in zip(design.terms, relative_factors(design, theta), strict=True):
            codes = design.factors[term.factor].codes
            z = exact(np.stack(term.columns, axis=1)) @ exact(t)
            for level in range(design.factors[term.factor].n_levels):
                rows = np.flatnonzero(codes == level)
                v[np.ix_(rows, rows)] += z[rows] @ z[rows].T
        lower = cholesky(v)
        y = exact(design.y)
        if design.offset is not None:
            y = y - exact(design.offset)
        y = forward(lower, y)
        log_det = 2 * sum(d.ln() for d in np.diag(lower))
        pwrss = y @ y
        if p:
            x = forward(lower, exact(design.x))
            r = cholesky(x.T @ x)
            explained = forward(r, x.T @ y)
            pwrss -= explained @ explained
            if reml:
                log_det += 2 * sum(d.ln() for d in np.diag(r))
        df = n - p if reml else n
        return float(log_det + df * (1 + (TWO_PI * pwrss / df).ln())), float((pwrss / df).sqrt())
