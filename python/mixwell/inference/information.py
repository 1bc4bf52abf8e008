"""Expected information of covariance parameters, without any n x n matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from mixwell.design.record import Design

FloatArray = NDArray[np.float64]

# Largest number of random effects for which Z'V^-1 Z is formed as a dense matrix.
DENSE_LIMIT = 4000


def covariance_information(design: Design, covariances: Sequence[FloatArray], sigma: float) -> FloatArray:
    """t_ij = tr(V^-1 V_i V^-1 V_j), twice the expected information of the ML likelihood.

    Parameters
    ----------
    design
        Its random terms define V = sum Z G Z' + sigma^2 / weights.
    covariances
        Per term, shape (k, k); may be singular.
    sigma
        Residual standard deviation.

    Returns
    -------
    ndarray
        Over the entries of each term's covariance matrix (lower triangle by column), then sigma^2.
    """
    factors = {term.factor for term in design.terms}
    blocks = _levelwise(design, covariances, sigma) if len(factors) == 1 else None
    b = blocks if blocks is not None else _dense(design, covariances, sigma)
    n = design.n_obs
    # Z'V^-2 Z = (B - B G B) / sigma^2, tr V^-1, tr V^-2.
    second = (b.b - b.b @ b.g @ b.b) / sigma**2
    trace_1 = (n - float(np.sum(b.g * np.swapaxes(b.b, -1, -2)))) / sigma**2
    trace_2 = (trace_1 - float(np.sum(b.g * np.swapaxes(second, -1, -2)))) / sigma**2

    pairs = [
        (b.where[i][row], b.where[i][column])
        for i, term in enumerate(design.terms)
        for column in range(len(term.names))
        for row in range(column, len(term.names))
    ]
    size = len(pairs)
    out = np.empty((size + 1, size + 1))
    for i, one in enumerate(pairs):
        for j in range(i, size):
            out[i, j] = out[j, i] = b.trace(one, pairs[j])
        out[i, size] = out[size, i] = b.trace_once(second, one)
    out[size, size] = trace_2
    return out


def covariance_of_estimates(design: Design, covariances: Sequence[FloatArray], sigma: float) -> FloatArray:
    """Asymptotic covariance, up to a factor, of the entries of each term's covariance matrix.

    Estimates of different factors are taken as uncorrelated where there are too many random effects for dense
    algebra: in crossed designs of that size they nearly are.

    Returns
    -------
    ndarray
        Over the entries of :func:`covariance_information` but sigma^2.
    """
    factors = sorted({term.factor for term in design.terms})
    if len(factors) == 1 or n_random_effects(design) <= DENSE_LIMIT:
        inverse = np.linalg.inv(covariance_information(design, covariances, sigma))
        return inverse[:-1, :-1].astype(np.float64, copy=False)
    sizes = [len(c) * (len(c) + 1) // 2 for c in covariances]
    starts = np.cumsum([0, *sizes])
    whole = np.zeros((starts[-1], starts[-1]))
    for factor in factors:
        own = [i for i, term in enumerate(design.terms) if term.factor == factor]
        part = replace(design, terms=tuple(design.terms[i] for i in own))
        entries = np.concatenate([np.arange(starts[i], starts[i + 1]) for i in own])
        whole[np.ix_(entries, entries)] = covariance_of_estimates(part, [covariances[i] for i in own], sigma)
    return whole


def orthonormal_terms(
    design: Design, covariances: Sequence[FloatArray]
) -> tuple[Design, tuple[FloatArray, ...], tuple[FloatArray, ...]]:
    """The same random part in columns of mean square one, orthogonal within each term.

    Far from the origin of a predictor, the variances and the covariance of an intercept and a slope can
    hardly be told apart; those of these columns can, and V is linear in either.

    Returns
    -------
    design
        With these columns.
    covariances
        R Sigma R' of each term.
    roots
        R, upper triangular: the given columns are those of the design times R.
    """
    terms, turned, roots = [], [], []
    for term, covariance in zip(design.terms, covariances, strict=True):
        q, r = np.linalg.qr(np.column_stack(term.columns))
        size = np.sqrt(design.n_obs)
        terms.append(replace(term, columns=tuple(np.ascontiguousarray(column) for column in (q * size).T)))
        roots.append(r / size)
        turned.append(roots[-1] @ covariance @ roots[-1].T)
    return replace(design, terms=tuple(terms)), tuple(turned), tuple(roots)


def n_random_effects(design: Design) -> int:
    """Columns of Z."""
    return sum(design.factors[term.factor].n_levels * len(term.names) for term in design.terms)


class _Blocks:
    """B = Z'V^-1 Z and G, with where each column of each term stands in them."""

    def __init__(self, b: FloatArray, g: FloatArray, where: list[list[slice | int]]) -> None:
        self.b, self.g, self.where = b, g, where

    def _block(self, matrix: FloatArray, row: slice | int, column: slice | int) -> FloatArray:
        out: FloatArray = matrix[..., row, column]
        return out

    def trace(self, one: tuple[slice | int, slice | int], two: tuple[slice | int, slice | int]) -> float:
        """tr(B E_one B E_two): E has ones where its two columns meet, in both orders."""
        total = 0.0
        for (p, q), (r, s) in product(_orders(one), _orders(two)):
            total += float(np.sum(self._block(self.b, q, r) * self._block(self.b, p, s)))
        return total

    def trace_once(self, matrix: FloatArray, one: tuple[slice | int, slice | int]) -> float:
        """tr(E_one M)."""
        total = 0.0
        for p, q in _orders(one):
            block = self._block(matrix, p, q)
            total += float(np.sum(block) if isinstance(p, int) else np.trace(block))
        return total


def _orders(pair: tuple[slice | int, slice | int]) -> list[tuple[slice | int, slice | int]]:
    return [pair] if pair[0] == pair[1] else [pair, (pair[1], pair[0])]


def _levelwise(design: Design, covariances: Sequence[FloatArray], sigma: float) -> _Blocks:
    """One grouping factor: B is block-diagonal, shape (q, k, k) over all terms' columns."""
    z = np.column_stack([column for term in design.terms for column in term.columns])
    factor = design.factors[design.terms[0].factor]
    w = 1.0 if design.weights is None else design.weights
    k = z.shape[1]
    a = np.empty((factor.n_levels, k, k))
    for i in range(k):
        for j in range(i, k):
            sums = np.bincount(factor.codes, weights=z[:, i] * z[:, j] * w, minlength=factor.n_levels)
            a[:, i, j] = a[:, j, i] = sums / sigma**2
    g = np.zeros((k, k))
    where: list[list[slice | int]] = []
    at = 0
    for covariance in covariances:
        size = len(covariance)
        g[at : at + size, at : at + size] = covariance
        where.append(list(range(at, at + size)))
        at += size
    b = np.linalg.solve(np.eye(k) + a @ g, a).astype(np.float64, copy=False)
    return _Blocks(b, np.broadcast_to(g, b.shape), where)


def _dense(design: Design, covariances: Sequence[FloatArray], sigma: float) -> _Blocks:
    """Several factors: B is dense over all random effects, column by column of each term."""
    sizes = [design.factors[term.factor].n_levels for term in design.terms for _ in term.names]
    total = sum(sizes)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    root = np.ones(design.n_obs) if design.weights is None else np.sqrt(design.weights)
    columns = [
        (starts[number] + design.factors[term.factor].codes, column * root)
        for number, (term, column) in enumerate(
            (term, column) for term in design.terms for column in term.columns
        )
    ]
    a = np.zeros((total, total))
    for rows, left in columns:
        for other, right in columns:
            np.add.at(a, (rows, other), left * right / sigma**2)
    g = np.zeros((total, total))
    where: list[list[slice | int]] = []
    number = 0
    for covariance in covariances:
        k = len(covariance)
        spans = [slice(int(starts[number + i]), int(starts[number + i + 1])) for i in range(k)]
        for i in range(k):
            for j in range(k):
                g[spans[i], spans[j]] = covariance[i, j] * np.eye(sizes[number])
        where.append(list(spans))
        number += k
    b = np.linalg.solve(np.eye(total) + a @ g, a).astype(np.float64, copy=False)
    return _Blocks(b, g, where)
