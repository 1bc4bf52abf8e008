"""Many refits: in portions, with a progress bar, stopped without loss."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mixwell import kernel
from mixwell.design.record import Design
from mixwell.errors import MixwellError, MixwellWarning
from mixwell.fit.control import Control
from mixwell.fit.exact import is_small
from mixwell.fit.record import Fit
from mixwell.fit.solve import solve

FloatArray = NDArray[np.float64]

# A bar appears for work that takes longer than this, in seconds; a portion takes about a tenth of it.
PATIENCE = 2.0


class Refitting:
    """Refits of one design to many responses, each by one search in the kernel's threads.

    A refit that does not converge, or whose sigma may be nothing but rounding, is searched again from several
    starts, as a fit is; one that fails then too has NaN for its numbers. The crossproducts of the design are
    formed once.

    Parameters
    ----------
    design
        The design; its own response plays no part.
    theta
        Where the searches start, in lme4's order.
    reml, control
        As for :func:`mixwell.fit.solve.solve`.
    """

    def __init__(self, design: Design, theta: kernel.Theta, *, reml: bool, control: Control | None) -> None:
        self._design, self._theta, self._reml, self._control = design, theta, reml, control
        self._at = kernel.refitter(design)

    def __call__(self, responses: FloatArray) -> kernel.Refits:
        """Fits to the columns of ``responses``, shape (n, m)."""
        found = kernel.refit_many(self._design, responses, self._theta, reml=self._reml, at=self._at)
        for i in np.flatnonzero(~found.converged | is_small(found.sigma, responses)):
            again = self._searched(np.ascontiguousarray(responses[:, i]))
            found.criterion[i] = np.nan if again is None else again.criterion
            found.sigma[i] = np.nan if again is None else again.sigma
            found.theta[i] = np.nan if again is None else again.theta
            found.beta[i] = np.nan if again is None else again.beta
        return found

    def _searched(self, y: FloatArray) -> Fit | None:
        """A fit from several starts, None where it fails."""
        try:
            found = solve(self._design, reml=self._reml, control=self._control, y=y)
        except MixwellError:
            return None
        return found if found.certificate.converged else None


def in_portions(
    n: int, work: Callable[[int, int], FloatArray], label: str, *, progress: bool = True
) -> FloatArray:
    """Concatenates ``work(start, stop)`` over portions of ``range(n)``, rows first.

    An interrupt (Ctrl-C) returns what is done so far, with a warning that says how much.
    """
    done: list[FloatArray] = []
    position = 0
    try:
        for start, stop in portions(n, label, progress=progress):
            done.append(work(start, stop))
            position = stop
    except KeyboardInterrupt:
        if not done:
            raise
        warnings.warn(
            f"{label} was interrupted: {position} of {n} are done and used.", MixwellWarning, stacklevel=3
        )
    return np.concatenate(done)


def portions(n: int, label: str, *, progress: bool = True) -> Iterator[tuple[int, int]]:
    """Bounds of successive portions of ``range(n)``, with a progress bar.

    They grow until each takes about a fifth of a second, so that the bar moves and an interrupt is answered.
    """
    with tqdm(total=n, desc=label, delay=PATIENCE, disable=not progress, leave=False) as bar:
        for start, stop in _growing(n):
            yield start, stop
            bar.update(stop - start)


def _growing(n: int) -> Iterator[tuple[int, int]]:
    start, size = 0, 4
    while True:
        stop = min(start + size, n)
        began = time.perf_counter()
        yield start, stop
        if stop == n:
            return
        took = max(time.perf_counter() - began, 1e-4)
        size = max(1, int(min(size * 8, (stop - start) * PATIENCE / 10 / took)))
        start = stop
