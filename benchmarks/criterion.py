"""The exact criterion at given variances, for peers that report an approximate one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

FloatArray = NDArray[np.float64]


def indicators(codes: NDArray[np.integer], n_levels: int) -> sparse.csr_array:
    """Z of random intercepts: shape (n, n_levels), a one per row."""
    n = len(codes)
    return sparse.csr_array((np.ones(n), (np.arange(n), codes)), shape=(n, n_levels))


def ml_criterion(
    y: FloatArray, x: FloatArray, codes: list[NDArray[np.integer]], relative: list[float]
) -> float:
    """-2 log-likelihood of a model with independent random intercepts, beta and sigma profiled out.

    Bates et al. (2015), eq. 36: log|M_ZZ| + n (1 + log(2 pi r^2 / n)). The factor with most levels is
    eliminated as a diagonal; the rest, X and y are factored as one dense matrix.

    Parameters
    ----------
    y, x
        Response, length n; columns of the fixed part, shape (n, p).
    codes
        One array per factor, length n: the level of each row, 0..q-1.
    relative
        Per factor, its variance divided by that of the residuals.
    """
    n, p = x.shape
    sizes = [int(c.max()) + 1 for c in codes]
    order = sorted(range(len(codes)), key=lambda f: -sizes[f])
    z = [indicators(codes[f], sizes[f]) * np.sqrt(relative[f]) for f in order]
    rest = sparse.hstack([*z[1:], sparse.csr_array(np.column_stack([x, y]))], format="csr")
    leading = np.asarray((z[0] * z[0]).sum(axis=0)).ravel() + 1.0
    cross = sparse.csr_array(z[0].T @ rest)
    scaled = sparse.csr_array(sparse.diags_array(1.0 / np.sqrt(leading)) @ cross)
    core = (rest.T @ rest).toarray() - (scaled.T @ scaled).toarray()
    q = core.shape[0] - p - 1
    core[np.arange(q), np.arange(q)] += 1.0
    diagonal = np.diag(linalg.cholesky(core, lower=True, overwrite_a=True))
    log_determinant = np.log(leading).sum() + 2 * np.log(diagonal[:q]).sum()
    return float(log_determinant + n * (1 + np.log(2 * np.pi * diagonal[-1] ** 2 / n)))
