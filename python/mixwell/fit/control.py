"""Limits of the search for the optimum, and what to do where there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mixwell.arguments import is_count, is_number, told
from mixwell.errors import DataError


@dataclass(frozen=True, slots=True)
class Control:
    """How long and how often to search.

    Parameters
    ----------
    max_evaluations
        Evaluations of the criterion with derivatives before a search is given up.
    gap_tolerance
        The search stops when the Newton decrement, the expected further decrease of the criterion, falls
        below this.
    starts
        Least number of starting points; the lowest optimum is kept. Without more being asked for, a model is
        searched from as many as its evaluations are cheap and other optima likely: from two or three with one
        or two standard deviations, after a look at the criterion over decades of them; from up to 32 where a
        factor has few levels; from one where each evaluation takes long. Searches that fall behind after some
        steps are given up. With ``lmer(start=)`` only that start is searched, unless more are asked for here
        or its certificate fails.
    unidentified
        What is done where the data cannot identify a variance, a factor being fixed and random at once for
        example: ``"refuse"`` raises a ModelError that names it; ``"hold"`` holds such random effects at zero,
        with an UnidentifiedWarning, so that the other numbers may be had.

    Raises
    ------
    DataError
        A limit that is not positive, a count that is no integer, or another word.

    Examples
    --------
    >>> Control(starts=30)
    Control(max_evaluations=200, gap_tolerance=1e-10, starts=30, unidentified='refuse')
    """

    max_evaluations: int = 200
    gap_tolerance: float = 1e-10
    starts: int = 1
    unidentified: Literal["refuse", "hold"] = "refuse"

    def __post_init__(self) -> None:
        for name in ("max_evaluations", "starts"):
            if not is_count(getattr(self, name)):
                raise DataError(f"Control({name}={told(getattr(self, name))}): must be positive and whole.")
        if not is_number(self.gap_tolerance) or not self.gap_tolerance > 0:
            raise DataError(f"Control(gap_tolerance={told(self.gap_tolerance)}): must be positive.")
        if not isinstance(self.unidentified, str) or self.unidentified not in ("refuse", "hold"):
            raise DataError(f"Control(unidentified={told(self.unidentified)}): there are 'refuse' and 'hold'")
