"""Predicted means, of the rows of the fit and of new rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixwell.data.frame import near
from mixwell.data.output import Origin, output_kind
from mixwell.design.newdata import new_rows
from mixwell.design.record import Design
from mixwell.errors import DataError, NewLevelsError
from mixwell.fit import quantities
from mixwell.fit.record import Fit

FloatArray = NDArray[np.float64]
RandomEffects = bool | str | Sequence[str]
NewLevels = Literal["error", "zero"]

# Unseen levels named in an error.
NAMED = 5


def selected_factors(design: Design, random: RandomEffects) -> tuple[int, ...]:
    """Indices of the grouping factors whose random effects are added.

    Raises
    ------
    DataError
        If a name is not a grouping factor of the model.
    """
    if isinstance(random, bool | np.bool_):
        return tuple(range(len(design.factors))) if random else ()
    names = [factor.name for factor in design.factors]
    wanted = [random] if isinstance(random, str) else list(random)
    for name in wanted:
        if name not in names:
            raise DataError(f"random={name!r} is not a grouping factor of the model{near(str(name), names)}")
    return tuple(i for i, name in enumerate(names) if name in wanted)


def add_random_effects(
    mean: FloatArray,
    design: Design,
    fit: Fit,
    factors: tuple[int, ...],
    columns: Sequence[Sequence[FloatArray]],
    codes: Sequence[NDArray[np.integer] | None],
) -> None:
    """Add Z b of some factors to ``mean`` (m,); ``columns`` per term and ``codes`` per factor are of m rows.

    A code of -1 takes no random effect.
    """
    used = [0] * len(design.factors)
    for term, term_columns in zip(design.terms, columns, strict=True):
        first = used[term.factor]
        used[term.factor] += len(term.names)
        code = codes[term.factor]
        if term.factor not in factors or code is None:
            continue
        # The last row, which -1 picks, is the level nobody has seen.
        effects = np.vstack([fit.modes[term.factor], np.zeros(fit.modes[term.factor].shape[1])])
        for j, column in enumerate(term_columns):
            mean += column * effects[code, first + j]


def predict_rows(design: Design, fit: Fit, random: RandomEffects = True) -> FloatArray:
    """Means of the rows of the fit, length n; all random effects give the fitted values."""
    factors = selected_factors(design, random)
    if len(factors) == len(design.factors):
        return fit.fitted
    mean = quantities.linear_predictor(design, fit)
    add_random_effects(
        mean,
        design,
        fit,
        factors,
        [term.columns for term in design.terms],
        [factor.codes for factor in design.factors],
    )
    return mean


def predict_new(
    design: Design, fit: Fit, newdata: object, random: RandomEffects = True, new_levels: NewLevels = "error"
) -> tuple[FloatArray, Origin]:
    """Means of new rows, NaN where a predictor is missing, and where the rows come from.

    Raises
    ------
    NewLevelsError
        If ``new_levels`` is ``"error"`` and a selected factor has levels that the fit has not seen.
    DataError
        If a column is absent or an argument does not exist.
    """
    if new_levels not in ("error", "zero"):
        raise DataError(f"new_levels is {new_levels!r}; it is 'error' or 'zero'.")
    factors = selected_factors(design, random)
    rows = new_rows(design, newdata, factors=[design.factors[i].name for i in factors])
    if new_levels == "error":
        unseen = [unseen_phrase(design.factors[i].name, rows.unseen[i]) for i in factors if rows.unseen[i]]
        if unseen:
            raise NewLevelsError(
                f"The new data have levels that were not in the fit: {'; '.join(unseen)}. "
                "With new_levels='zero' their random effects are zero, the mean of the population."
            )
    x = rows.x if len(fit.kept) == rows.x.shape[1] else rows.x[:, fit.kept]
    mean = x @ fit.beta
    if rows.offset is not None:
        mean += rows.offset
    add_random_effects(mean, design, fit, factors, rows.columns, rows.codes)
    mean[rows.missing] = np.nan
    return mean, Origin(output_kind(rows.kind), rows.index)


def unseen_phrase(factor: str, levels: tuple[str, ...]) -> str:
    """``Subject 'a', 'b' and 3 more``."""
    listed = ", ".join(map(repr, levels[:NAMED]))
    more = len(levels) - NAMED
    return f"{factor} {listed}" + (f" and {more} more" if more > 0 else "")
