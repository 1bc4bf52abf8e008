"""Limits of the search for the optimum."""

from __future__ import annotations

from dataclasses import dataclass

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

    Raises
    ------
    DataError
        A limit that is not positive.

    Examples
    --------
    >>> Control(starts=3)
    Control(max_evaluations=200, gap_tolerance=1e-10, starts=3)
    """

    max_evaluations: int = 200
    gap_tolerance: float = 1e-10
    starts: int = 1

    def __post_init__(self) -> None:
        for name in ("max_evaluations", "gap_tolerance", "starts"):
            if not getattr(self, name) > 0:
                raise DataError(f"Control({name}={getattr(self, name)!r}): must be positive")
