"""Whether the mean and the covariance matrices of one design are among those of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixwell.data.columns import combine
from mixwell.design.record import Design, GroupingFactor
from mixwell.fit.record import Fit
from mixwell.inference.groups import is_nested

FloatArray = NDArray[np.float64]

# A column counts as lying in a span when this share of its length at most lies outside.
OUTSIDE = 1e-8
# Rows that are looked at first.
LOOK = 5000


def coefficients_in_span(basis: FloatArray, columns: FloatArray) -> FloatArray | None:
    """A with ``columns = basis @ A``, or None where a column is not in the span.

    Shapes (n, k), (n, m) -> (k, m).
    """
    if columns.shape[1] == 0:
        return np.zeros((basis.shape[1], 0))
    if basis.shape[1] == 0:
        return None if np.any(columns) else np.zeros((0, columns.shape[1]))
    copied = _copies(basis, columns)
    if copied is not None:
        return copied
    allowed = OUTSIDE * np.linalg.norm(columns, axis=0)
    # What lies in a span does so on any of its rows: most that do not are refused by a few.
    step = len(basis) // LOOK
    if step > 1 and _combination(basis[::step], columns[::step], allowed) is None:
        return None
    return _combination(basis, columns, allowed)


def _copies(basis: FloatArray, columns: FloatArray) -> FloatArray | None:
    """The coefficients if every column is one of the basis."""
    a = np.zeros((basis.shape[1], columns.shape[1]))
    for j, column in enumerate(columns.T):
        same = next((i for i, other in enumerate(basis.T) if np.array_equal(other, column)), None)
        if same is None:
            return None
        a[same, j] = 1.0
    return a


def _combination(basis: FloatArray, columns: FloatArray, allowed: FloatArray) -> FloatArray | None:
    """Coefficients of least squares, None where a column lies further outside than allowed."""
    scale = np.linalg.norm(basis, axis=0)
    scale[scale == 0] = 1.0
    found, *_ = np.linalg.lstsq(basis / scale, columns, rcond=None)
    a: FloatArray = found / scale[:, None]
    return a if np.all(np.linalg.norm(columns - basis @ a, axis=0) <= allowed) else None


def same_partition(a: GroupingFactor, b: GroupingFactor) -> bool:
    """Whether two factors group the rows alike, whatever their levels are called."""
    if a is b:
        return True
    if a.n_levels != b.n_levels:
        return False
    pairs = a.codes.astype(np.int64) * b.n_levels + b.codes
    return len(np.unique(pairs)) == a.n_levels


def mean_is_nested(small: Design, small_fit: Fit, large: Design, large_fit: Fit) -> bool:
    """Whether every mean X beta + offset of the small model is one of the large model."""
    basis = large.x[:, large_fit.kept]
    columns = small.x[:, small_fit.kept]
    if small.offset is not None or large.offset is not None:
        zero = np.zeros(small.n_obs)
        a = zero if small.offset is None else small.offset
        b = zero if large.offset is None else large.offset
        if not np.array_equal(a, b):
            columns = np.column_stack([columns, a - b])
    return coefficients_in_span(basis, columns) is not None


def same_columns(a: Design, a_fit: Fit, b: Design, b_fit: Fit) -> bool:
    """Whether two fixed parts have the same columns, up to their order: REML criteria are then comparable."""
    one, other = ({x.tobytes() for x in d.x.T[f.kept]} for d, f in ((a, a_fit), (b, b_fit)))
    if one != other:
        return False
    if a.offset is None or b.offset is None:
        return a.offset is None and b.offset is None
    return np.array_equal(a.offset, b.offset)


def term_columns(design: Design, term: int) -> FloatArray:
    """The k columns of a random term, shape (n, k)."""
    return np.column_stack(design.terms[term].columns)


@dataclass(frozen=True, slots=True)
class RandomNesting:
    """How the random terms of a small model lie within those of a large one.

    Attributes
    ----------
    within
        Per term of the small model, the term of the large one that holds it.
    maps
        Per term of the small model, matrices A of shape (k large, k small): its covariance Sigma is the sum
        of A Sigma A' in the large one's columns. One matrix, but for ``(1 | g:f)`` in ``(0 + f | g)``, which
        has one for each level of f.
    free
        Per term of the large model, shape (k, m): basis of the combinations to which the small model gives
        zero variance. m of them are tested against their boundary.
    """

    within: tuple[int, ...]
    maps: tuple[tuple[FloatArray, ...], ...]
    free: tuple[FloatArray, ...]

    @property
    def n_boundary(self) -> tuple[int, ...]:
        """Per term of the large model, how many variances are zero under the small one."""
        return tuple(basis.shape[1] for basis in self.free)

    def embedded(self, covariances: Sequence[FloatArray]) -> tuple[FloatArray, ...]:
        """Covariance matrices of the small model's terms as ones of the large model's terms."""
        out = [np.zeros((len(basis), len(basis))) for basis in self.free]
        for term, parts, covariance in zip(self.within, self.maps, covariances, strict=True):
            for a in parts:
                out[term] += a @ covariance @ a.T
        return tuple(out)


def random_nesting(small: Design, large: Design) -> RandomNesting | None:
    """Match the random terms of two designs of the same rows; None where one of the small model fits nowhere.

    A term lies within another of the same grouping if its columns are combinations of the other's; a term of
    ``g:f`` within one of ``g`` if its columns, split by the levels of ``f``, are.
    """
    within: list[int] = []
    maps: list[tuple[FloatArray, ...]] = []
    by_size = sorted(range(len(large.terms)), key=lambda j: len(large.terms[j].names))
    for i in range(len(small.terms)):
        found = next(((j, parts) for j in by_size if (parts := _term_maps(small, i, large, j))), None)
        if found is None:
            return None
        within.append(found[0])
        maps.append(found[1])
    free = []
    for j, term in enumerate(large.terms):
        k = len(term.names)
        taken = [a for parts, host in zip(maps, within, strict=True) if host == j for a in parts]
        length = np.linalg.norm(term_columns(large, j), axis=0)
        free.append(_complement(np.column_stack(taken) if taken else np.zeros((k, 0)), length))
    return RandomNesting(tuple(within), tuple(maps), tuple(free))


def _term_maps(small: Design, i: int, large: Design, j: int) -> tuple[FloatArray, ...]:
    """The matrices A of one term within another; empty if it does not lie there."""
    factor, host = small.factors[small.terms[i].factor], large.factors[large.terms[j].factor]
    z, basis = term_columns(small, i), term_columns(large, j)
    if same_partition(factor, host):
        a = coefficients_in_span(basis, z)
        return () if a is None else (a,)
    position = _positions(small, small.terms[i].factor, large, large.terms[j].factor)
    if position is None or z.shape[1] * (int(position.max()) + 1) > basis.shape[1]:
        return ()
    parts = []
    for level in range(int(position.max()) + 1):
        a = coefficients_in_span(basis, z * (position == level)[:, None])
        if a is None:
            return ()
        parts.append(a)
    return tuple(parts)


def _positions(small: Design, inner: int, large: Design, outer: int) -> NDArray[np.int64] | None:
    """Where the factor ``inner`` is ``outer`` crossed with further variables: their code, row by row."""
    if small.recipe is None or large.recipe is None:
        return None
    recipe, host = small.recipe.factors[inner], large.recipe.factors[outer]
    known = {variable.expression for variable in host.variables}
    if not known < {variable.expression for variable in recipe.variables}:
        return None
    if not is_nested(small.factors[inner], large.factors[outer]):
        return None
    further = [i for i, variable in enumerate(recipe.variables) if variable.expression not in known]
    code, _ = combine([recipe.combinations[:, i] for i in further], [len(recipe.levels[i]) for i in further])
    _, dense = np.unique(code, return_inverse=True)
    out: NDArray[np.int64] = dense[small.factors[inner].codes].astype(np.int64)
    return out


def _complement(columns: FloatArray, length: FloatArray) -> FloatArray:
    """Basis of what is orthogonal to some columns (k, m), shape (k, k - rank).

    ``length`` is that of the k columns that they are coefficients of: the rank is that of the columns so
    combined, each of length one, and no unit matters.
    """
    if columns.shape[1] == 0:
        return np.eye(len(columns))
    scaled = columns * length[:, None]
    size = np.linalg.norm(scaled, axis=0)
    u, s, _ = np.linalg.svd(scaled / np.where(size > 0, size, 1.0), full_matrices=True)
    basis = u[:, int(np.sum(s > 1e-9)) :] * length[:, None]
    return np.asarray(basis / np.linalg.norm(basis, axis=0))
