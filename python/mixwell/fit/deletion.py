"""Fits without some of the rows, for many sets of rows in turn, in threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mixwell import kernel
from mixwell.design.record import Design
from mixwell.design.subset import subset
from mixwell.errors import ConvergenceError, ModelError
from mixwell.fit.control import Control
from mixwell.fit.exact import check_residual_is_left, is_small
from mixwell.fit.record import Fit

FloatArray = NDArray[np.float64]


def deletions(
    design: Design,
    fit: Fit,
    sets: NDArray[np.integer],
    n_sets: int,
    *,
    hold: bool = False,
    control: Control | None = None,
) -> Callable[[int, int], kernel.Deleted]:
    """A function that estimates the model without each of the sets of rows ``first`` to ``last`` - 1.

    Parameters
    ----------
    sets
        Length n: number of each row's set, from 0 to ``n_sets`` - 1.
    hold
        Theta stays at its estimate from all rows.
    control
        Limits of each search.
    """
    bare = replace(design, variables={}, rows=None, recipe=None)
    limits = control if control is not None else Control()
    deleter = kernel.Deleter(
        bare,
        sets,
        n_sets,
        fit.theta,
        reml=fit.reml,
        held=hold,
        max_evaluations=limits.max_evaluations,
        gap_tolerance=limits.gap_tolerance,
        starts=limits.starts,
    )

    def estimate(first: int, last: int) -> kernel.Deleted:
        found = deleter.refit(first, last)
        if hold:
            return found
        failures = dict(found.failures)
        doubtful = {int(i) for i in np.flatnonzero(is_small(found.fits.sigma, design.y))}
        doubtful.update(i for i, error in failures.items() if isinstance(error, ConvergenceError))
        for i in doubtful:
            try:
                check_residual_is_left(subset(bare, sets != first + i), None)
            except ModelError as error:
                failures[i] = error
        return replace(found, failures=failures)

    return estimate
