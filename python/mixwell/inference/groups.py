"""Designs made of whole groups of another: drawn with replacement, or repeated to reach a size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mixwell.design.record import Design, GroupingFactor
from mixwell.errors import DataError


def is_nested(inner: GroupingFactor, outer: GroupingFactor) -> bool:
    """Whether each level of ``inner`` occurs in a single level of ``outer``."""
    if inner is outer:
        return True
    first = np.full(inner.n_levels, -1, dtype=np.int64)
    first[inner.codes] = outer.codes
    return bool(np.all(first[inner.codes] == outer.codes))


def outermost(design: Design, groups: str | None) -> int:
    """Index of the factor named, or else of the one that all others are nested in.

    Raises
    ------
    DataError
        If there is no such factor, or if none is named and factors are crossed.
    """
    names = [factor.name for factor in design.factors]
    if groups is not None:
        if groups not in names:
            raise DataError(f"groups={groups!r} is not a grouping factor; there are {', '.join(names)}.")
        return names.index(groups)
    for i, outer in enumerate(design.factors):
        if all(is_nested(inner, outer) for inner in design.factors):
            return i
    raise DataError(
        f"the grouping factors {', '.join(names)} are crossed: say with groups= whose levels are meant."
    )


class Groups:
    """The rows of each level of a factor, ready to be put together anew.

    Parameters
    ----------
    design
        The design.
    factor
        Index of the factor.
    """

    def __init__(self, design: Design, factor: int) -> None:
        self._design = design
        self._factor = design.factors[factor]
        self._counts = np.bincount(self._factor.codes, minlength=self._factor.n_levels)
        order = np.argsort(self._factor.codes, kind="stable")
        self._members = np.split(order, np.cumsum(self._counts)[:-1])
        self._nested = [is_nested(inner, self._factor) for inner in design.factors]

    @property
    def size(self) -> int:
        """Number of groups."""
        return self._factor.n_levels

    def design(self, chosen: NDArray[np.integer]) -> Design:
        """The design of the groups with these codes.

        A group that occurs twice counts as two groups, and so do the levels of factors nested in it. Levels
        of other factors stay what they are. The result cannot read new data.
        """
        design = self._design
        rows = np.concatenate([self._members[g] for g in chosen])
        copy = np.repeat(np.arange(len(chosen), dtype=np.int64), self._counts[chosen])
        factors = []
        for inner, renumber in zip(design.factors, self._nested, strict=True):
            keys = inner.codes[rows].astype(np.int64)
            if renumber:
                keys = copy * inner.n_levels + keys
            levels, codes = np.unique(keys, return_inverse=True)
            factors.append(
                GroupingFactor(inner.name, levels.astype(str).astype(object), codes.astype(np.int32))
            )
        return replace(
            design,
            y=design.y[rows],
            x=np.asfortranarray(design.x[rows]),
            weights=None if design.weights is None else design.weights[rows],
            offset=None if design.offset is None else design.offset[rows],
            factors=tuple(factors),
            terms=tuple(
                replace(term, columns=tuple(np.ascontiguousarray(z[rows]) for z in term.columns))
                for term in design.terms
            ),
            variables={},
            rows=None,
            recipe=None,
        )

    def spread(self, n: int) -> NDArray[np.intp]:
        """Codes of ``n`` groups: all groups as often as they fit, the rest evenly spaced among them.

        Spaced along the means of their predictors, so that those that differ between groups (the arm of a
        trial) keep their shares.

        >>> from mixwell.design.build import build_design
        >>> data = {"y": [1.0, 2.0, 4.0, 3.0, 5.0, 7.0], "g": list("uvwxuv")}
        >>> groups = Groups(build_design("y ~ 1 + (1 | g)", data), 0)
        >>> groups.spread(2).tolist(), groups.spread(6).tolist()
        ([0, 2], [0, 1, 2, 3, 0, 2])
        """
        whole, rest = divmod(n, self.size)
        extra = np.sort(self._by_predictors()[(np.arange(rest) * self.size) // max(rest, 1)])
        return np.concatenate([np.tile(np.arange(self.size), whole), extra]).astype(np.intp)

    def _by_predictors(self) -> NDArray[np.intp]:
        """Codes ordered by the means of the columns of X, the first column first."""
        means = np.array(
            [np.bincount(self._factor.codes, x, self.size) / self._counts for x in self._design.x.T]
        )
        means -= means.mean(axis=1, keepdims=True)
        span = np.maximum(np.abs(means).max(axis=1, keepdims=True), 1e-300)
        return np.lexsort(np.round(means / span, 9)[::-1]).astype(np.intp)
