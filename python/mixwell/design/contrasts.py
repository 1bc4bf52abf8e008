"""Contrast matrices of factors: R's ``contr.treatment``, ``contr.sum``, ``contr.helmert``, ``contr.poly``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixwell.arrays import seal
from mixwell.data.columns import labels
from mixwell.data.frame import near
from mixwell.errors import FormulaError

FloatArray = NDArray[np.float64]

KINDS = ("treatment", "sum", "helmert", "poly", "SAS")


@dataclass(frozen=True, slots=True)
class Contrast:
    """A contrast that is asked for, before the levels are known.

    Attributes
    ----------
    kind
        One of ``KINDS``, or ``"matrix"``.
    base
        Treatment contrasts: label of the base level, or its position counted from 1; None for the first.
    matrix
        Rows of the matrix, for ``"matrix"``.
    names
        Names of its columns; empty for 1, 2, ...
    levels
        Which level each row of the matrix is of; empty where they are in the order of the factor's levels.
    """

    kind: str
    base: str | int | None = None
    matrix: tuple[tuple[float, ...], ...] = ()
    names: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContrastColumns:
    """A contrast for given levels.

    Attributes
    ----------
    matrix
        Shape (levels, columns).
    suffixes, r_suffixes
        What is appended to the factor's name, here and in R: ``"[Male]"`` and ``"Male"``.
    level
        Treatment contrasts: the level each column indicates; else None.
    """

    matrix: FloatArray
    suffixes: tuple[str, ...]
    r_suffixes: tuple[str, ...]
    level: tuple[int, ...] | None

    def __post_init__(self) -> None:
        seal(self)


def contrast_from_spec(factor: str, spec: object) -> Contrast:
    """Read one entry of ``contrasts=``.

    Raises
    ------
    FormulaError
        When it is none of the allowed forms.
    """
    if isinstance(spec, Contrast):
        return spec
    if isinstance(spec, str):
        return Contrast(_kind(factor, spec))
    if isinstance(spec, tuple) and len(spec) == 2 and isinstance(spec[0], str):
        kind = _kind(factor, spec[0])
        if kind != "treatment":
            raise FormulaError(f'contrasts of {factor!r}: only ("treatment", base) takes a base level.')
        return Contrast(kind, base=str(spec[1]))
    names: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    if isinstance(spec, pd.DataFrame):
        names = tuple(map(str, spec.columns))
        # 0, 1, 2 ... is how pandas labels rows that nobody labelled.
        rows = () if spec.index.equals(pd.RangeIndex(len(spec))) else tuple(labels(spec.index))
    try:
        matrix = np.asarray(spec, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise FormulaError(_allowed(factor, spec)) from error
    if matrix.ndim != 2 or not np.isfinite(matrix).all():
        raise FormulaError(_allowed(factor, spec))
    return Contrast("matrix", matrix=tuple(map(tuple, matrix.tolist())), names=names, levels=rows)


def _allowed(factor: str, spec: object) -> str:
    return (
        f"contrasts of {factor!r}: {spec!r} is none of {', '.join(map(repr, KINDS))}, "
        '("treatment", base) or a matrix of numbers (levels x columns).'
    )


def _kind(factor: str, text: str) -> str:
    kind = text.removeprefix("contr.")
    for known in KINDS:
        if kind.lower() == known.lower():
            return known
    raise FormulaError(_allowed(factor, text))


def contrast_columns(contrast: Contrast, factor: str, levels: tuple[str, ...]) -> ContrastColumns:
    """The contrast matrix for a factor's levels.

    Raises
    ------
    FormulaError
        When the base is not a level, or a matrix does not fit the levels.

    Examples
    --------
    >>> contrast_columns(Contrast("sum"), "sex", ("F", "M"))
    ContrastColumns(matrix=array([[ 1.],
           [-1.]]), suffixes=('[S.F]',), r_suffixes=('1',), level=None)
    """
    count = len(levels)
    numbered = tuple(str(column + 1) for column in range(count - 1))
    if contrast.kind in ("treatment", "SAS"):
        base = count - 1 if contrast.kind == "SAS" else _base(contrast.base, factor, levels)
        kept = tuple(level for level in range(count) if level != base)
        named = tuple(levels[level] for level in kept)
        return ContrastColumns(np.eye(count)[:, kept], _brackets(named), named, kept)
    if contrast.kind == "sum":
        matrix = np.vstack([np.eye(count - 1), -np.ones((1, count - 1))])
        return ContrastColumns(matrix, _brackets(f"S.{text}" for text in levels[:-1]), numbered, None)
    if contrast.kind == "helmert":
        # Column j compares level j + 1 with the mean of the levels before it.
        matrix = np.triu(-np.ones((count, count - 1)))
        matrix[np.arange(1, count), np.arange(count - 1)] = np.arange(1, count)
        return ContrastColumns(matrix, _brackets(f"H.{text}" for text in levels[1:]), numbered, None)
    if contrast.kind == "poly":
        named = (".L", ".Q", ".C", *(f"^{degree}" for degree in range(4, count)))[: count - 1]
        return ContrastColumns(_polynomials(count), _brackets(named), named, None)
    matrix = np.array(contrast.matrix)
    if matrix.shape != (count, count - 1):
        raise FormulaError(
            f"The contrast matrix of {factor!r} is {matrix.shape[0]} x {matrix.shape[1]}; "
            f"its {count} levels need {count} x {count - 1}."
        )
    if contrast.levels:
        if sorted(contrast.levels) != sorted(levels):
            raise FormulaError(
                f"The rows of the contrast matrix of {factor!r} are labelled "
                f"{', '.join(map(repr, contrast.levels))}; its levels are {', '.join(map(repr, levels))}. "
                "Label rows with the levels, in any order, or give the matrix without labels in their order."
            )
        matrix = matrix[[contrast.levels.index(level) for level in levels]]
    if np.linalg.matrix_rank(np.column_stack([np.ones(count), matrix])) < count:
        raise FormulaError(f"The contrast matrix of {factor!r} is singular, or singular with the intercept.")
    named = contrast.names or numbered
    return ContrastColumns(matrix, _brackets(named), named, None)


def _brackets(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"[{text}]" for text in texts)


def _base(base: str | int | None, factor: str, levels: tuple[str, ...]) -> int:
    if base is None:
        return 0
    if isinstance(base, int):
        if not 1 <= base <= len(levels):
            raise FormulaError(f"The base {base} of {factor!r} is not among its {len(levels)} levels.")
        return base - 1
    if base not in levels:
        raise FormulaError(f"The base {base!r} is not a level of {factor!r}{near(base, levels)}")
    return levels.index(base)


def _polynomials(count: int) -> FloatArray:
    """Orthonormal polynomials over equally spaced scores, leading coefficients positive."""
    scores = np.arange(count) - (count - 1) / 2
    q, r = np.linalg.qr(np.vander(scores, increasing=True))
    return np.asarray((q * np.sign(np.diag(r)))[:, 1:])
