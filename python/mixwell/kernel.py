"""The only importer of the compiled kernel: hands over a design's arrays, translates its errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from mixwell._kernel import KernelError, Problem
from mixwell.design import Design
from mixwell.errors import ConvergenceError, DataError, MixwellError, ModelError

FloatArray = NDArray[np.float64]

__all__ = ["Problem", "evaluate", "kernel_errors", "problem"]


def _translate(error: KernelError, design: Design) -> MixwellError:
    kind, message, indices = error.args
    if kind == "dependent_columns":
        term = design.terms[indices[0]]
        return ModelError(
            f"in {term.label}, the random-effects column {term.names[indices[1]]!r} is a linear combination of "
            "the columns before it; remove it from the term"
        )
    if kind == "perfect_fit":
        return ModelError(
            f"the fixed effects reproduce the response {design.response_name!r} exactly, so no variance is left to "
            "estimate; check that the response is not one of its own predictors"
        )
    if kind == "too_few_rows":
        return ModelError(
            f"{indices[0]} rows cannot estimate {indices[1]} fixed effects and a residual variance; "
            "simplify the fixed part or bring more data"
        )
    if kind in {"length", "not_finite", "weight", "level_code", "unknown_factor", "empty", "parameter"}:
        return DataError(message)
    return ConvergenceError(
        f"{message}; the data may be scaled beyond double precision (look at the smallest and largest values)"
    )


@contextmanager
def kernel_errors(design: Design) -> Iterator[None]:
    """Errors of the kernel as mixwell's own, in the words of the design."""
    try:
        yield
    except KernelError as error:
        raise _translate(error, design) from None


def problem(design: Design, y: FloatArray | None = None) -> Problem:
    """Crossproducts of a design, optionally for another response (length n).

    Raises
    ------
    ModelError
        Dependent random-effects columns, a perfect fit, too few rows.
    DataError
        Values the numerics cannot take.
    """
    response = design.y if y is None else y
    if design.offset is not None:
        response = response - design.offset
    with kernel_errors(design):
        return Problem(
            np.ascontiguousarray(response, dtype=np.float64),
            np.asfortranarray(design.x),
            design.weights,
            [(factor.codes, factor.n_levels) for factor in design.factors],
            [(term.factor, list(term.columns)) for term in design.terms],
        )


def evaluate(design: Design, theta: FloatArray, *, reml: bool) -> tuple[float, FloatArray]:
    """Criterion and its gradient at ``theta`` (lme4's order)."""
    with kernel_errors(design):
        return problem(design).evaluate(np.ascontiguousarray(theta, dtype=np.float64), reml)
