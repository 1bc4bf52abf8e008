"""Residuals of every kind, from one name."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mixwell import kernel
from mixwell.arguments import check_one_of
from mixwell.design.record import Design
from mixwell.diagnostics.marginal import whitened_residuals
from mixwell.fit import quantities
from mixwell.fit.record import Fit

FloatArray = NDArray[np.float64]
ResidualKind = Literal[
    "response", "pearson", "scaled", "standardized", "studentized", "marginal", "whitened", "normalized"
]
RESIDUAL_KINDS: tuple[str, ...] = get_args(ResidualKind)


def residuals(design: Design, fit: Fit, kind: str) -> FloatArray:
    """Residuals of the rows used, length n; the kinds are told in ``LmerResult.residuals``.

    Raises
    ------
    MixwellError
        If there is no such kind, or whitening would take too long.
    """
    check_one_of("kind", kind, RESIDUAL_KINDS)
    if kind == "response":
        return quantities.response_residuals(design, fit)
    if kind == "pearson":
        return quantities.pearson_residuals(design, fit)
    if kind == "scaled":
        return quantities.scaled_residuals(design, fit)
    if kind == "standardized":
        return quantities.standardized_residuals(design, fit, kernel.leverages(design, fit.theta))
    if kind == "studentized":
        return studentized_residuals(design, fit, kernel.leverages(design, fit.theta))
    if kind == "marginal":
        return quantities.marginal_residuals(design, fit)
    return whitened_residuals(design, fit)


def residual_df(design: Design, fit: Fit) -> int:
    """n - rank(X): degrees of freedom of the penalized residual sum of squares at known theta."""
    return design.n_obs - len(fit.beta)


def studentized_residuals(design: Design, fit: Fit, leverages: FloatArray) -> FloatArray:
    """Deletion residuals, length n: each row's deviation from its prediction without it, over its sd.

    sigma is estimated without the row and theta held, so under the model a residual follows t with
    n - rank(X) - 1 degrees of freedom exactly, given theta:
    s_(i)^2 = (r^2 - e_i^2 / (1 - h_i)) / (n - p - 1), t_i = e_i / (s_(i) sqrt(1 - h_i)), with Pearson
    residuals e_i and the penalized residual sum of squares r^2 (Belsley, Kuh & Welsch 1980, section 2.1, with
    the hat matrix of the mixed model). NaN where the leverage is 1 (0/0).
    """
    e = quantities.pearson_residuals(design, fit)
    spare = 1 - leverages
    own = np.divide(e**2, spare, out=np.full_like(e, np.nan), where=spare > 1e-12)
    variance = (fit.pwrss - own) / (residual_df(design, fit) - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sign(e) * np.sqrt(own / variance)
