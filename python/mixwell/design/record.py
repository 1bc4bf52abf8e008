"""Records of a model's design. Made once by :mod:`mixwell.design.build`, never changed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class GroupingFactor:
    """A grouping factor: which level each row belongs to.

    Attributes
    ----------
    name
        As written in the formula, interactions with a colon: ``"batch:cask"``.
    levels
        The q level labels, as text, in order; interactions as ``"A:a"``.
    codes
        Length n, values 0..q-1: the level of each row.
    """

    name: str
    levels: NDArray[np.object_]
    codes: IntArray

    @property
    def n_levels(self) -> int:
        return len(self.levels)


@dataclass(frozen=True, slots=True)
class RandomTerm:
    """One parenthesis of the formula, ``(columns | factor)``, with unstructured covariance.

    ``(x || g)`` is already expanded into one term per column.

    Attributes
    ----------
    factor
        Index into ``Design.factors``.
    label
        The parenthesis as text, ``"(Days | Subject)"``.
    names
        The k column names, ``("(Intercept)", "Days")``.
    columns
        k arrays of length n, contiguous float64. Columns that are also columns of X share their memory.
    """

    factor: int
    label: str
    names: tuple[str, ...]
    columns: tuple[FloatArray, ...]


@dataclass(frozen=True, slots=True)
class Design:
    """y = X beta + offset + sum over terms of Z b + error, with prior weights.

    Attributes
    ----------
    formula
        The formula as the user typed it.
    response_name
        Text of the left side, ``"log(y)"``.
    y
        Length n, the response (offset not subtracted).
    x
        Shape (n, p), Fortran order: columns of the fixed part, aliased ones included.
    x_names
        The p column names.
    weights
        Length n, or None where no prior weights were given.
    offset
        Length n, or None.
    factors
        Each grouping factor once.
    terms
        In lme4's order: by decreasing number of levels (see :mod:`mixwell.design.build`); theta follows it.
    """

    formula: str
    response_name: str
    y: FloatArray
    x: FloatArray
    x_names: tuple[str, ...]
    weights: FloatArray | None
    offset: FloatArray | None
    factors: tuple[GroupingFactor, ...]
    terms: tuple[RandomTerm, ...]

    @property
    def n_obs(self) -> int:
        return len(self.y)
