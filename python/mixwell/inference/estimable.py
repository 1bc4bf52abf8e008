"""Which combinations of all columns of X, aliased ones included, the data determine; and what is zero.

A combination l of the coefficients has a part for each column, in units that differ from column to column:
no number is small by itself. Two measures have no units. With the kept columns X_k = Q R, the combination
l_k R^-1 is one of coefficients of orthonormal columns; and a sum is zero, but for rounding, against the sum
of its terms without their signs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# A combination is estimable where what aliasing leaves open of it is so small, in orthonormal columns.
TOLERANCE = 1e-8
# Sums that cancel to less than this part of their terms are zero but for rounding.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Aliasing:
    """How the aliased columns of X depend on the others.

    Attributes
    ----------
    kept, dropped
        Indices of the rank independent columns, and of the aliased ones.
    length
        Length p: of the columns of X.
    root
        Shape (rank, p): the columns of X, of unit length, in the orthonormal columns Q of the kept ones;
        triangular in those. Zero columns are zero.
    """

    kept: NDArray[np.intp]
    dropped: NDArray[np.intp]
    length: FloatArray
    root: FloatArray

    @property
    def columns(self) -> FloatArray:
        """Shape (rank, p): Q'X, the columns of X in orthonormal ones."""
        return self.root * self.length

    @property
    def shares(self) -> FloatArray:
        """Shape (rank, aliased): the aliased columns of unit length are these combinations of kept ones."""
        return np.asarray(np.linalg.solve(self.root[:, self.kept], self.root[:, self.dropped]))


def aliasing(x: FloatArray, kept: NDArray[np.intp] | list[int]) -> Aliasing:
    """How the columns of X that were dropped depend on the others.

    Parameters
    ----------
    x
        Shape (n, p), aliased columns included.
    kept
        Indices of independent columns that span the others.

    Examples
    --------
    >>> x = np.array([[1.0, 2.0, 4.0], [1.0, 3.0, 6.0], [1.0, 5.0, 10.0]])
    >>> (aliasing(x, [0, 1]).shares.round(6) + 0.0).ravel().tolist()
    [0.0, 1.0]
    """
    p = x.shape[1]
    kept = np.asarray(kept, dtype=np.intp)
    dropped = np.setdiff1d(np.arange(p), kept)
    length = np.linalg.norm(x, axis=0)
    root = np.zeros((len(kept), p))
    order = np.concatenate([kept, dropped])
    root[:, order] = np.linalg.qr(x[:, order] / _units(length)[order], mode="r")[: len(kept)]
    return Aliasing(kept, dropped, length, root)


def _units(length: FloatArray) -> FloatArray:
    return np.where(length > 0, length, 1.0)


def without_rounding(sums: FloatArray, sizes: FloatArray, tolerance: float = ROUNDING) -> FloatArray:
    """Sums, zero where no more than rounding is left of terms whose absolute values add up to ``sizes``.

    >>> without_rounding(np.array([0.1 + 0.2 - 0.3, 1e9 + 1 - 1e9]), np.array([0.6, 2e9])).tolist()
    [0.0, 1.0]
    """
    return np.where(np.abs(sums) > tolerance * sizes, sums, 0.0)


def open_part(rows: FloatArray, aliased: Aliasing, sizes: FloatArray | None = None) -> FloatArray:
    """What depends on which of the aliased columns were dropped, in rows (m, p): shape (m, aliased).

    A row with l_d for an aliased column x_d = X_k a_d leaves l_d - l_k a_d open. It is zero where it is small
    against the row in orthonormal columns, |l_k R^-1| |x_d|, or rounding of its terms. ``sizes`` bounds the
    entries of the rows before cancellation, where they are sums.
    """
    if not len(aliased.dropped):
        return np.zeros((len(rows), 0))
    sizes = np.abs(rows) if sizes is None else sizes
    kept, dropped = aliased.kept, aliased.dropped
    unit = _units(aliased.length)
    rows, sizes = rows / unit, sizes / unit
    turned = np.linalg.solve(aliased.root[:, kept].T, rows[:, kept].T).T
    across = aliased.root[:, dropped]
    left = rows[:, dropped] - turned @ across
    terms = sizes[:, dropped] + sizes[:, kept] @ np.abs(aliased.shares)
    small = TOLERANCE * np.outer(np.linalg.norm(turned, axis=1), np.linalg.norm(across, axis=0))
    return np.where(np.abs(left) > small + ROUNDING * terms, left * unit[dropped], 0.0)


def estimable(rows: FloatArray, aliased: Aliasing) -> NDArray[np.bool_]:
    """For each row (m, p) whether its value is the same for all coefficients that fit alike."""
    return np.asarray(~open_part(rows, aliased).any(axis=1))


def estimable_part(rows: FloatArray, sizes: FloatArray, aliased: Aliasing) -> FloatArray:
    """Weights of the combinations of m rows that are estimable, as many as there are: (at most m, m)."""
    left = open_part(rows, aliased, sizes)
    left = left[:, left.any(axis=0)]
    if not left.shape[1]:
        return np.eye(len(rows))
    # Columns with the largest number 1: their units do not count.
    u, s, _ = np.linalg.svd(left / np.abs(left).max(axis=0))
    return np.asarray(u[:, int(np.sum(s > TOLERANCE * s[0])) :].T)
