"""The parameters of a fit on the scale they are told in: standard deviations, correlations, sigma, beta."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from mixwell.arguments import check_level
from mixwell.data.output import NativeFrame, Origin, frame, noted_frame
from mixwell.design.record import Design
from mixwell.errors import DataError
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.kernel import Theta

FloatArray = NDArray[np.float64]


def parameter_names(design: Design, fit: Fit) -> tuple[str, ...]:
    """Every parameter in lme4's order and spelling: ``"sd_Days|Subject"``, ..., ``"sigma"``, then beta."""
    random = [
        f"sd_{a}|{design.factors[term.factor].name}"
        if a == b
        else f"cor_{b}.{a}|{design.factors[term.factor].name}"
        for term in design.terms
        for j, a in enumerate(term.names)
        for b in term.names[j:]
    ]
    return quantities.unique_names((*random, "sigma", *quantities.kept_names(design, fit)))


def check_names(wanted: str | Sequence[str] | None, names: Sequence[str]) -> set[str]:
    """The names wanted, all if None.

    Raises
    ------
    DataError
        For a name that is no parameter.
    """
    if wanted is None:
        return set(names)
    chosen = {wanted} if isinstance(wanted, str) else set(wanted)
    for name in chosen.difference(names):
        raise DataError(f"{name!r} is not a parameter; there are {', '.join(map(repr, names))}.")
    return chosen


def parameter_values(design: Design, theta: Theta, sigma: FloatArray, beta: FloatArray) -> FloatArray:
    """Parameters of m fits, in the order of :func:`parameter_names`.

    Shapes (m, n_theta), (m,), (m, rank) -> (m, parameters). A correlation with an effect of zero variance is
    NaN.
    """
    columns = []
    for covariance in relative_covariances(design, theta):
        sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        for i, j in zip(*np.triu_indices(covariance.shape[1]), strict=True):
            if i == j:
                columns.append(sigma * sd[:, i])
            else:
                both = sd[:, i] * sd[:, j]
                found = np.full(len(sigma), np.nan)
                np.divide(covariance[:, i, j], both, out=found, where=both > 0)
                columns.append(np.clip(found, -1.0, 1.0))
    return np.column_stack([*columns, sigma, beta])


def relative_covariances(design: Design, theta: Theta) -> list[FloatArray]:
    """Per term, T T' of m fits, shape (m, k, k), from theta (m, n_theta)."""
    return [t @ np.swapaxes(t, 1, 2) for t in quantities.unpacked(design, theta)]


def interval_frame(
    at: Origin, names: Sequence[str], ends: Sequence[tuple[float, float]], note: str = ""
) -> NativeFrame:
    """Rows named by parameter, columns ``conf_low conf_high``; with a remark if there is one to make."""
    columns = {
        "conf_low": np.array([low for low, _ in ends]),
        "conf_high": np.array([high for _, high in ends]),
    }
    if at.kind == "polars":
        return frame(at, columns, labels=("term", list(names)))
    return noted_frame(at, columns, note, index=list(names)) if note else pd.DataFrame(columns, list(names))


def normal_quantile(level: float) -> float:
    """Of a two-sided interval."""
    check_level(level)
    return float(ndtri(0.5 + level / 2))
