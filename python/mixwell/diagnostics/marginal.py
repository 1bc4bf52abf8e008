"""The marginal covariance V = Z G Z' + sigma^2 / weights of the rows, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mixwell import kernel
from mixwell.design.record import Design
from mixwell.errors import MixwellError
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.fit.solve import linear_predictor

FloatArray = NDArray[np.float64]
Rows = NDArray[np.intp]

# Blocks of more rows than this are factored piece by piece, by recursion over their random effects.
LARGEST_DENSE = 600
# Rows of a piece; numbers of a stack of dense blocks.
_PIECE = 256
_STACK = 4_000_000
# The recursion costs rows x effects^2; beyond this many multiplications (about a minute) it is refused.
MOST_WORK = 4e11


def independent_blocks(design: Design) -> tuple[int, NDArray[np.intp]]:
    """How many sets of rows share no random effect with other rows, and the set of each row (length n).

    With one grouping factor, or nested ones, these are the levels of the outermost; crossed factors usually
    join all rows to one set.
    """
    starts = np.cumsum([0, *(factor.n_levels for factor in design.factors)])
    first = design.factors[0].codes.astype(np.intp)
    if len(design.factors) == 1:
        return design.factors[0].n_levels, first
    others = [starts[i] + factor.codes for i, factor in enumerate(design.factors) if i > 0]
    heads, tails = np.tile(first, len(others)), np.concatenate(others)
    links = coo_array((np.ones(len(heads), dtype=np.int8), (heads, tails)), shape=(starts[-1], starts[-1]))
    count, of_level = connected_components(links, directed=False)
    return int(count), of_level[first].astype(np.intp)


def rows_by_block(count: int, block: NDArray[np.intp]) -> list[Rows]:
    """Positions of the rows of each block, ascending."""
    order = np.argsort(block, kind="stable")
    return np.split(order, np.cumsum(np.bincount(block, minlength=count))[:-1])


def covariance(design: Design, fit: Fit, rows: Rows) -> FloatArray:
    """V of sets of rows of one size: ``rows`` (..., m) positions -> (..., m, m)."""
    m = rows.shape[-1]
    out = np.zeros((*rows.shape, m))
    for term, cov in zip(design.terms, fit.term_cov, strict=True):
        codes = design.factors[term.factor].codes[rows]
        z = np.stack([column[rows] for column in term.columns], axis=-1)
        out += np.where(codes[..., :, None] == codes[..., None, :], z @ cov @ np.swapaxes(z, -1, -2), 0.0)
    diagonal = np.arange(m)
    out[..., diagonal, diagonal] += error_variance(design, fit)[rows]
    return out


def error_variance(design: Design, fit: Fit) -> FloatArray:
    """sigma^2 / weights, length n."""
    return np.full(design.n_obs, fit.sigma**2) if design.weights is None else fit.sigma**2 / design.weights


def stacks(blocks: list[Rows]) -> Iterator[Rows]:
    """Blocks of the same size together, shape (blocks, m), no more than fit in memory at once."""
    if not blocks:
        return
    sizes = np.array([len(rows) for rows in blocks])
    order = np.argsort(sizes, kind="stable")
    for same in np.split(order, np.flatnonzero(np.diff(sizes[order])) + 1):
        m = int(sizes[same[0]])
        step = max(1, _STACK // (m * m))
        for at in range(0, len(same), step):
            yield np.stack([blocks[i] for i in same[at : at + step]])


def whiten(design: Design, fit: Fit, values: FloatArray, *, most_work: float = MOST_WORK) -> FloatArray:
    """L^-1 values with V = L L' by Cholesky, rows of a block in the order of the data.

    The whitened value of a row is what its value deviates from its prediction from the rows before it in its
    block, over the standard deviation of that deviation. So whitened residuals of a true model are
    independent with variance 1.

    Parameters
    ----------
    values
        Shape (n,) or (n, m).
    most_work
        Multiplications that may be spent.

    Raises
    ------
    MixwellError
        If crossed factors join so many rows and random effects that the factor would take minutes.
    """
    matrix = values if values.ndim == 2 else values[:, None]
    blocks = rows_by_block(*independent_blocks(design))
    large = [rows for rows in blocks if len(rows) > LARGEST_DENSE]
    work = sum(len(rows) * float(_n_effects(design, rows)) ** 2 for rows in large)
    if work > most_work:
        raise MixwellError(
            f"Whitening needs a Cholesky factor of {max(map(len, large))} rows that crossed random effects "
            'join, which would take too long. Use residuals("standardized") instead.'
        )
    out = np.empty_like(matrix)
    for rows in stacks([rows for rows in blocks if len(rows) <= LARGEST_DENSE]):
        root: FloatArray = np.asarray(np.linalg.cholesky(covariance(design, fit, rows)), dtype=np.float64)
        out[rows] = forward_substituted(root, matrix[rows])
    for rows in large:
        out[rows] = _whiten_by_recursion(design, fit, rows, matrix[rows])
    return out if values.ndim == 2 else out[:, 0]


def forward_substituted(root: FloatArray, values: FloatArray) -> FloatArray:
    """L^-1 values of a stack of lower triangular L: (b, m, m) and (b, m, c) -> (b, m, c), row by row of all.

    A general solver factors every L again, m^3 operations in place of m^2.
    """
    diagonal = np.diagonal(root, axis1=-2, axis2=-1)[..., None]
    out, unit = values / diagonal, root / diagonal
    for i in range(1, root.shape[-1]):
        out[:, i] -= np.einsum("bj,bjc->bc", unit[:, i, :i], out[:, :i])
    return out


def _n_effects(design: Design, rows: Rows) -> int:
    return sum(
        len(np.unique(design.factors[term.factor].codes[rows])) * len(term.names) for term in design.terms
    )


def _whiten_by_recursion(design: Design, fit: Fit, rows: Rows, values: FloatArray) -> FloatArray:
    """The same as by the Cholesky factor of V, from the random effects' covariance given the rows before.

    A piece of rows with random-effects columns Z has covariance S = Z C Z' + sigma^2 / weights given those
    before it, C being the covariance of the random effects given those; then C loses C Z' S^-1 Z C.
    """
    z_columns, start, size = [], 0, _n_effects(design, rows)
    prior = np.zeros((size, size))
    for term, cov in zip(design.terms, fit.term_cov, strict=True):
        levels, codes = np.unique(design.factors[term.factor].codes[rows], return_inverse=True)
        k = len(term.names)
        for c, column in enumerate(term.columns):
            z_columns.append((start + codes * k + c, column[rows]))
        stop = start + len(levels) * k
        prior[start:stop, start:stop] = np.kron(np.eye(len(levels)), cov)
        start = stop
    noise = error_variance(design, fit)[rows]
    out = np.empty_like(values)
    effects = np.zeros((size, values.shape[1]))
    for at in range(0, len(rows), _PIECE):
        piece = slice(at, min(at + _PIECE, len(rows)))
        n = piece.stop - piece.start
        # C Z' and Z C Z': Z has one entry per row and column of a term.
        cross = np.zeros((size, n))
        for where, column in z_columns:
            cross += prior[:, where[piece]] * column[piece]
        inner = np.zeros((n, n))
        expected = np.zeros((n, values.shape[1]))
        for where, column in z_columns:
            inner += cross[where[piece]] * column[piece][:, None]
            expected += effects[where[piece]] * column[piece][:, None]
        inner[np.arange(n), np.arange(n)] += noise[piece]
        root = linalg.cholesky(inner, lower=True)
        out[piece] = linalg.solve_triangular(root, values[piece] - expected, lower=True)
        gain = linalg.solve_triangular(root, cross.T, lower=True)
        effects += gain.T @ out[piece]
        prior -= gain.T @ gain
    return out


def precision_times(design: Design, fit: Fit, columns: FloatArray) -> FloatArray:
    """V^-1 columns, shape (n, m), in time linear in n.

    V^-1 v = weights (v - Z b) / sigma^2, b being the conditional modes of a model for v without fixed part.
    """
    weights = 1.0 if design.weights is None else design.weights
    theta = np.ascontiguousarray(fit.theta)
    out = np.empty(columns.shape, order="F")
    for j in range(columns.shape[1]):
        column = np.ascontiguousarray(columns[:, j])
        if not column.any():
            out[:, j] = 0.0
            continue
        alone = replace(design, y=column, x=np.empty((design.n_obs, 0), order="F"), x_names=(), offset=None)
        problem = kernel.problem(alone)
        with kernel.kernel_errors(alone):
            modes = tuple(problem.solve(theta, False)["modes"])
        out[:, j] = weights * (column - linear_predictor(alone, np.empty(0), modes)) / fit.sigma**2
    return out


def fixed_columns(design: Design, fit: Fit) -> FloatArray:
    """The estimable columns of X, shape (n, rank)."""
    return design.x if len(fit.kept) == design.x.shape[1] else design.x[:, fit.kept]


def whitened_residuals(design: Design, fit: Fit, *, most_work: float = MOST_WORK) -> FloatArray:
    """Marginal residuals times the inverse Cholesky factor of V, length n ("normalized" residuals)."""
    return whiten(design, fit, quantities.marginal_residuals(design, fit), most_work=most_work)
