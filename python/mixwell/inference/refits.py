"""Refits of one design to many responses: in portions, with a progress bar, stopped without loss."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mixwell.errors import MixwellWarning

FloatArray = NDArray[np.float64]

# A bar appears for work that takes longer than this, in seconds; a portion takes about a tenth of it.
PATIENCE = 2.0


def in_portions(
    n: int, work: Callable[[int, int], FloatArray], label: str, *, progress: bool = True
) -> FloatArray:
    """Concatenates ``work(start, stop)`` over portions of ``range(n)``, rows first.

    Portions grow until each takes about a fifth of a second, so that the bar moves and an interrupt
    (Ctrl-C) is answered: what is done so far is returned then, with a warning that says how much.
    """
    done: list[FloatArray] = []
    position = 0
    with tqdm(total=n, desc=label, delay=PATIENCE, disable=not progress, leave=False) as bar:
        try:
            for start, stop in _portions(n):
                done.append(work(start, stop))
                position = stop
                bar.update(stop - start)
        except KeyboardInterrupt:
            if not done:
                raise
            warnings.warn(
                f"{label} was interrupted: {position} of {n} are done and used.", MixwellWarning, stacklevel=3
            )
    return np.concatenate(done)


def _portions(n: int) -> Iterator[tuple[int, int]]:
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
