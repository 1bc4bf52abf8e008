"""Which combinations of all columns of X, aliased ones included, the data determine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# A combination is estimable when the part of it that aliasing leaves open is this small.
TOLERANCE = 1e-8


def aliasing(x: FloatArray, kept: NDArray[np.intp] | list[int]) -> FloatArray:
    """Basis of the combinations of coefficients that leave X beta as it is, shape (p, aliased).

    Parameters
    ----------
    x
        Shape (n, p), aliased columns included.
    kept
        Indices of independent columns that span the others.

    Examples
    --------
    >>> x = np.array([[1.0, 2.0, 4.0], [1.0, 3.0, 6.0], [1.0, 5.0, 10.0]])
    >>> (aliasing(x, [0, 1]).round(6) + 0.0).ravel().tolist()
    [0.0, -2.0, 1.0]
    """
    p = x.shape[1]
    dropped = np.setdiff1d(np.arange(p), kept)
    basis = np.zeros((p, len(dropped)))
    if len(dropped):
        basis[dropped, np.arange(len(dropped))] = 1.0
        basis[kept] = -np.linalg.lstsq(x[:, kept], x[:, dropped], rcond=None)[0]
    return basis


def estimable(rows: FloatArray, null_space: FloatArray) -> NDArray[np.bool_]:
    """For each row (m, p) whether its value is the same for all coefficients that fit alike."""
    length = np.linalg.norm(rows, axis=1)[:, np.newaxis] * np.linalg.norm(null_space, axis=0)
    return np.asarray((np.abs(rows @ null_space) <= TOLERANCE * length).all(axis=1))


def estimable_part(rows: FloatArray, null_space: FloatArray) -> FloatArray:
    """Combinations of the rows that are estimable, as many as there are."""
    if not null_space.shape[1]:
        return rows
    open_part = rows @ null_space
    u, s, _ = np.linalg.svd(open_part)
    rank = int(np.sum(s > TOLERANCE * max(1.0, np.abs(open_part).max(initial=0.0))))
    return np.asarray(u[:, rank:].T @ rows) if rank else rows
