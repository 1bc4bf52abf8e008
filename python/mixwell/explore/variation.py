"""What varies within the levels of a factor, and which slopes that allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixwell.data.columns import Factor
from mixwell.explore.coded import Coded, distinct

FloatArray = NDArray[np.float64]

Slope = Literal["yes", "weak", "no"]

# A slope that only so few groups, or so small a part of them, tell about is called weak.
_FEW_GROUPS = 5
_SMALL_PART = 0.1


@dataclass(frozen=True, slots=True)
class Variation:
    """Whether a covariate varies within the levels of a factor.

    Attributes
    ----------
    covariate
        Its name.
    factor
        Index of the factor.
    levels, varies_in
        Levels of the factor where the covariate is known, and in how many it has several values.
    within_share
        Sum of squares within levels over the total; None for categories and constants.
    slope, reason
        Whether its slope by level can be estimated beside an intercept, and why not.
    """

    covariate: str
    factor: int
    levels: int
    varies_in: int
    within_share: float | None
    slope: Slope
    reason: str


def variation(column: Coded, factor: Factor, index: int) -> Variation:
    """Whether a covariate varies within the levels of a factor, and a slope by level could be estimated.

    Beside an intercept a number takes 2 effects per level, categories one per category. As for fitting, the
    effects must be fewer than the rows; and some level must hold more rows than its own values use up.
    """
    use = (column.codes >= 0) & (factor.codes >= 0)
    group = factor.codes[use]
    kinds = column.kinds
    keys = distinct(group * np.int64(max(kinds, 1)) + column.codes[use])
    rows = np.bincount(group, minlength=len(factor.levels))
    values = np.bincount(keys // max(kinds, 1), minlength=len(factor.levels))
    n, q, varies = len(group), int((rows > 0).sum()), int((values > 1).sum())
    k = kinds if column.numbers is None else min(2, kinds)
    spare = int((rows - np.minimum(values, k)).sum())
    slope: Slope = "yes"
    reason = ""
    if kinds < 2:
        slope, reason = "no", "constant in all rows"
    elif not varies:
        slope, reason = "no", f"constant within every {factor.name}"
    elif q * k >= n:
        slope, reason = "no", f"{q * k} effects ({q} levels x {k}) for {n} rows"
    elif spare <= 0:
        slope, reason = "no", f"no {factor.name} has more rows than a line of its own takes up"
    elif varies < max(_FEW_GROUPS, _SMALL_PART * q) and varies < q:
        slope, reason = "weak", f"varies in only {varies} of {q} levels"
    share = None
    if column.numbers is not None and kinds > 1:
        share = _within_share(column.numbers[use], group, rows)
    return Variation(column.name, index, q, varies, share, slope, reason)


def _within_share(x: FloatArray, group: NDArray[np.int32], rows: NDArray[np.intp]) -> float:
    x = x - x.mean()
    means = np.bincount(group, weights=x, minlength=len(rows)) / np.maximum(rows, 1)
    return float(((x - means[group]) ** 2).sum() / (x @ x))
