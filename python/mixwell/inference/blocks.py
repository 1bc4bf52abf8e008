"""Cross-products of the random-effects columns, in the blocks into which the levels fall apart.

Levels that share a row belong together; what is not linked that way falls into separate components: the
levels of one factor, the top levels of nested factors with all below them, or, crossed, everything at once.
Components of one size are stacked, so that the work is a few operations on arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from mixwell.design.record import Design

FloatArray = NDArray[np.float64]
Index = NDArray[np.intp]

# The largest component, in columns, for which dense matrices are formed: a few of 800 MB.
LARGEST = 10_000


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a component's columns are: for each random term, for each of its columns, a slice over levels.

    Attributes
    ----------
    slices
        Per term, per column.
    size
        Columns in all, D; where components have fewer levels than this, the rest of a slice is padding.
    """

    slices: tuple[tuple[slice, ...], ...]
    size: int

    def times_covariance(self, covariances: tuple[FloatArray, ...], array: FloatArray) -> FloatArray:
        """G @ array for the block matrix G of the terms' covariance matrices; array (..., D, columns)."""
        out = np.zeros_like(array)
        for cov, slices in zip(covariances, self.slices, strict=True):
            for a, into in enumerate(slices):
                for b, source in enumerate(slices):
                    if cov[a, b] != 0:
                        out[..., into, :] += cov[a, b] * array[..., source, :]
        return out


@dataclass(frozen=True, slots=True)
class Stack:
    """Components of one size.

    Attributes
    ----------
    layout
        Of the D columns of each.
    zz
        Shape (components, D, D): Z'WZ; zero where padded.
    zx
        Shape (components, D, p): Z'WX.
    """

    layout: Layout
    zz: FloatArray
    zx: FloatArray


@dataclass(frozen=True, slots=True)
class Components:
    """How the levels fall apart.

    Attributes
    ----------
    level_component, level_position
        Per factor, per level: its component, and its position among the factor's levels there.
    counts
        Shape (components, factors): levels of each factor.
    """

    level_component: tuple[Index, ...]
    level_position: tuple[Index, ...]
    counts: Index

    def largest(self, design: Design) -> int:
        """Columns of the largest component."""
        return int((self.counts @ columns_per_level(design)).max())


def columns_per_level(design: Design) -> Index:
    """Random-effects columns of each factor."""
    found = np.zeros(len(design.factors), dtype=np.intp)
    for term in design.terms:
        found[term.factor] += len(term.names)
    return found


def components(design: Design) -> Components:
    """Find the components of a design's levels."""
    sizes = [factor.n_levels for factor in design.factors]
    if len(sizes) == 1:
        labels = np.arange(sizes[0], dtype=np.intp)
    else:
        starts = np.concatenate([[0], np.cumsum(sizes)])
        first = design.factors[0].codes
        links = [(first, factor.codes + starts[f]) for f, factor in enumerate(design.factors) if f > 0]
        rows = np.concatenate([a for a, _ in links])
        columns = np.concatenate([b for _, b in links])
        graph = coo_array(
            (np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(starts[-1], starts[-1])
        )
        labels = connected_components(graph.tocsr(), directed=False)[1].astype(np.intp)
    level_component = tuple(np.split(labels, np.cumsum(sizes)[:-1]))
    n_components = int(labels.max()) + 1
    counts = np.stack([np.bincount(c, minlength=n_components) for c in level_component], axis=1)
    position = []
    for f, component in enumerate(level_component):
        order = np.argsort(component, kind="stable")
        starts = np.concatenate([[0], np.cumsum(counts[:, f])[:-1]])
        within = np.empty(len(component), dtype=np.intp)
        within[order] = np.arange(len(component)) - starts[component[order]]
        position.append(within)
    return Components(level_component, tuple(position), counts)


def padded(counts: Index) -> Index:
    """Counts rounded up by less than a quarter, so that few different ones remain.

    >>> padded(np.array([1, 7, 8, 9, 100])).tolist()
    [1, 7, 8, 10, 112]
    """
    step = 2 ** np.maximum(np.floor(np.log2(np.maximum(counts, 1))).astype(np.intp) - 2, 0)
    return np.asarray(-(-counts // step) * step)


def layout_of(design: Design, levels: tuple[int, ...]) -> Layout:
    """Columns in order of terms, within a term in order of its columns, within a column by level."""
    slices, at = [], 0
    for term in design.terms:
        m = levels[term.factor]
        slices.append(tuple(slice(at + a * m, at + (a + 1) * m) for a in range(len(term.names))))
        at += len(term.names) * m
    return Layout(tuple(slices), at)


def stacks(design: Design, found: Components, x: FloatArray, *, weighted: bool = True) -> Iterator[Stack]:
    """Cross-products of all components, those of one size together.

    Parameters
    ----------
    design
        A design.
    found
        Its components.
    x
        Shape (n, p); where ``weighted``, rows scaled by the square roots of the weights.
    weighted
        Whether rows of Z are scaled by the square roots of the prior weights.
    """
    sizes = padded(found.counts) if len(found.counts) > 1 else found.counts
    shapes, kind = np.unique(sizes, axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    row_component = found.level_component[0][design.factors[0].codes]
    row_kind = kind[row_component]
    order = np.argsort(row_kind, kind="stable") if len(shapes) > 1 else None
    ends = np.cumsum(np.bincount(row_kind, minlength=len(shapes)))
    number = np.empty(len(kind), dtype=np.intp)  # of a component among those of its size
    for s in range(len(shapes)):
        same = np.flatnonzero(kind == s)
        number[same] = np.arange(len(same))
    root = np.sqrt(design.weights) if weighted and design.weights is not None else None
    for s, shape in enumerate(shapes):
        rows = slice(None) if order is None else order[ends[s] - np.sum(row_kind == s) : ends[s]]
        yield _stack(design, found, tuple(shape.tolist()), rows, number, int(np.sum(kind == s)), x, root)


def _stack(
    design: Design,
    found: Components,
    shape: tuple[int, ...],
    rows: Index | slice,
    number: Index,
    n_components: int,
    x: FloatArray,
    root: FloatArray | None,
) -> Stack:
    layout = layout_of(design, shape)
    scale = None if root is None else root[rows]
    x = x[rows]
    zz = np.zeros((n_components, layout.size, layout.size))
    zx = np.empty((n_components, layout.size, x.shape[1]))
    component = number[found.level_component[0][design.factors[0].codes[rows]]]
    position = [found.level_position[f][factor.codes[rows]] for f, factor in enumerate(design.factors)]
    columns = []
    for term, slices in zip(design.terms, layout.slices, strict=True):
        m = shape[term.factor]
        slot = component * m + position[term.factor]
        for column, into in zip(term.columns, slices, strict=True):
            z = column[rows] if scale is None else column[rows] * scale
            columns.append((term.factor, into, z))
            matrix = csr_array((z, slot, np.arange(len(z) + 1)), shape=(len(z), n_components * m))
            zx[:, into, :] = (matrix.T @ x).reshape(n_components, m, -1)
    for i, (f, first, z) in enumerate(columns):
        for g, second, w in columns[i:]:
            m, k = shape[f], shape[g]
            if f == g:
                total = np.bincount(component * m + position[f], z * w, minlength=n_components * m)
                at = np.arange(m)
                zz[:, first.start + at, second.start + at] = total.reshape(n_components, m)
            else:
                flat = (component * m + position[f]) * k + position[g]
                total = np.bincount(flat, z * w, minlength=n_components * m * k)
                zz[:, first, second] = total.reshape(n_components, m, k)
            if first != second:
                zz[:, second, first] = zz[:, first, second].swapaxes(1, 2)
    return Stack(layout, zz, zx)
