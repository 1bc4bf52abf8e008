"""New responses drawn from a fitted model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixwell.arguments import check_count, is_count
from mixwell.design.record import Design
from mixwell.errors import DataError
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.memory import memory_errors

FloatArray = NDArray[np.float64]
Seed = int | np.random.Generator | None

# Normal numbers at a time.
_PORTION = 1 << 18


def generator(seed: Seed) -> np.random.Generator:
    """The source of draws that a seed stands for.

    Raises
    ------
    DataError
        If ``seed`` is no whole number from 0 and no Generator.
    """
    if not (seed is None or is_count(seed, 0) or isinstance(seed, np.random.Generator)):
        raise DataError(f"seed must be a whole number from 0, a numpy Generator, or None, not {seed!r}.")
    return np.random.default_rng(seed)


def simulate(design: Design, fit: Fit, n: int, seed: Seed) -> FloatArray:
    """Draw responses with new random effects and new errors, at the estimates.

    Draws are made one response after the other, so the first columns do not depend on ``n``.

    Returns
    -------
    ndarray
        Shape (n_obs, n), Fortran order.

    Raises
    ------
    DataError
        If ``n`` is not a positive whole number.
    """
    check_count("n, the number of responses,", n)
    rng = generator(seed)
    mean = quantities.linear_predictor(design, fit)
    error_sd = fit.sigma if design.weights is None else fit.sigma / np.sqrt(design.weights)
    effect_sd = [fit.sigma * t for t in quantities.relative_factors(design, fit)]
    sizes = [design.factors[term.factor].n_levels * len(term.names) for term in design.terms]
    width = design.n_obs + sum(sizes)
    with memory_errors(f"{n} responses of {design.n_obs} rows; ask for fewer"):
        out = np.empty((n, design.n_obs))
    together = max(1, _PORTION // width)
    for start in range(0, n, together):
        responses = out[start : start + together]
        # A row holds one response's errors, then its random effects term by term.
        normal = rng.standard_normal((len(responses), width))
        np.multiply(normal[:, : design.n_obs], error_sd, out=responses)
        responses += mean
        at = design.n_obs
        for term, root, size in zip(design.terms, effect_sd, sizes, strict=True):
            codes = design.factors[term.factor].codes
            effects = normal[:, at : at + size].reshape(len(responses), -1, len(root)) @ root.T
            at += size
            for j, column in enumerate(term.columns):
                responses += column * effects[:, :, j].take(codes, axis=1)
    return out.T
