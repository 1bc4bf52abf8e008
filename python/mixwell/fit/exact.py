"""Whether fixed and random effects together reproduce a response: then no residual variance is left."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixwell.design import Design
from mixwell.errors import ModelError

FloatArray = NDArray[np.float64]

# Residuals are rounding below this part of the response, or that part of its residual on X.
_ROUNDING = 2e-15
_ROUNDING_OF_RESIDUAL = 1e-12
_ITERATIONS = 1000


# Below this part of the response's range sigma is looked at closely.
_SMALL_SIGMA = 1e-6


def is_small(sigma: FloatArray | float, y: FloatArray) -> NDArray[np.bool_]:
    """Whether a residual standard deviation may be nothing but rounding of the response (rows first)."""
    out: NDArray[np.bool_] = np.asarray(sigma < _SMALL_SIGMA * np.ptp(y, axis=0))
    return out


def check_residual_is_left(design: Design, y: FloatArray | None) -> None:
    """Least squares of the response on [X Z] by conjugate gradients (Bjorck 1996, algorithm 7.4.1).

    Raises
    ------
    ModelError
        When nothing but rounding is left: the criterion then falls without limit as sigma goes to zero.
    """
    columns: list[tuple[FloatArray, NDArray[np.int32], int]] = [
        (column, design.factors[term.factor].codes, design.factors[term.factor].n_levels)
        for term in design.terms
        for column in term.columns
    ]
    root_weights = np.ones(design.n_obs) if design.weights is None else np.sqrt(design.weights)
    x = np.linalg.qr(design.x * root_weights[:, None])[0]

    def summed(codes: NDArray[np.int32], values: FloatArray, q: int) -> FloatArray:
        return np.bincount(codes, values, q).astype(np.float64, copy=False)

    def crossed(r: FloatArray) -> list[FloatArray]:
        w = root_weights * r
        return [x.T @ r, *(summed(codes, column * w, q) for column, codes, q in columns)]

    # columns of Z in units of their length; those without rows stay zero
    lengths = [np.sqrt(summed(codes, (column * root_weights) ** 2, q)) for column, codes, q in columns]
    units = [np.ones(x.shape[1]), *(1 / np.where(length > 0, length, 1.0) for length in lengths)]

    def back(r: FloatArray) -> FloatArray:
        return np.concatenate([u * part for u, part in zip(units, crossed(r), strict=True)])

    splits = np.cumsum([len(u) for u in units])[:-1]

    def forth(v: FloatArray) -> FloatArray:
        parts = np.split(v * np.concatenate(units), splits)
        out = x @ parts[0]
        for part, (column, codes, _) in zip(parts[1:], columns, strict=True):
            out += root_weights * column * part[codes]
        return out

    response = design.y if y is None else y
    r = root_weights * (response if design.offset is None else response - design.offset)
    limit = _ROUNDING * float(np.linalg.norm(r))
    for _ in range(2):
        r = r - x @ (x.T @ r)
    limit += _ROUNDING_OF_RESIDUAL * float(np.linalg.norm(r))
    s = back(r)
    p, gamma = s, float(s @ s)
    for _ in range(_ITERATIONS):
        if gamma == 0 or np.linalg.norm(r) <= limit:
            break
        q = forth(p)
        alpha = gamma / float(q @ q)
        r = r - alpha * q
        s = back(r)
        before, gamma = gamma, float(s @ s)
        p = s + gamma / before * p
        if gamma <= 1e-30 * float(r @ r):
            break
    if np.linalg.norm(r) <= limit:
        terms = " + ".join(term.label for term in design.terms)
        raise ModelError(
            f"The fixed effects and {terms} together reproduce the response {design.response_name!r} "
            "exactly, so no residual variance is left to estimate. Check that the response is not an "
            "average or total repeated in all rows of a group, and that there are fewer effects than rows."
        )
