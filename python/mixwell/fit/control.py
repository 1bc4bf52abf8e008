"""Limits of the search for the optimum, and what to do where there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mixwell.errors import DataError


@dataclass(frozen=True, slots=True)
class Control:
    """How long and how often to search.

    Parameters
    ----------
    max_evaluations
        Evaluations of the criterion with derivatives before giving up.
    gap_tolerance
        The search stops when the Newton decrement, the expected further decrease of the criterion, falls
        below this.
    starts
        Number of starting points (1 to 5); the best optimum is kept.
    unidentified
        What is done where the data cannot identify a variance, a factor being fixed and random at once for
        example: ``"refuse"`` raises a ModelError that names it; ``"hold"`` holds such random effects at zero,
        with an UnidentifiedWarning, so that the other numbers may be had.

    Raises
    ------
    DataError
        A limit that is not positive, or another word.

    Examples
    --------
    >>> Control(starts=3)
    Control(max_evaluations=200, gap_tolerance=1e-10, starts=3, unidentified='refuse')
    """

    max_evaluations: int = 200
    gap_tolerance: float = 1e-10
    starts: int = 1
    unidentified: Literal["refuse", "hold"] = "refuse"

    def __post_init__(self) -> None:
        for name in ("max_evaluations", "gap_tolerance", "starts"):
            if not getattr(self, name) > 0:
                raise DataError(f"Control({name}={getattr(self, name)!r}): must be positive")
        if self.unidentified not in ("refuse", "hold"):
            raise DataError(f"Control(unidentified={self.unidentified!r}): there are 'refuse' and 'hold'")
