"""New groups, updated from their outcomes, as labelled frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixwell.data.output import NativeFrame, Origin, frame
from mixwell.design.record import Design
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.report.frames import LevelCovariances, wald_interval
from mixwell.update import UpdatedFactor, updated_factors

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class GroupUpdate:
    """Conditional modes of new levels, with their covariance.

    Attributes
    ----------
    frame
        ``group level term estimate std_error conf_low conf_high``, one row per random effect.
    random_effects
        Factor -> frame, new levels x effects.
    random_effects_cov
        Factor -> container with a k x k frame per new level: covariance of b - b-hat, with the uncertainty of
        the fixed effects and of known levels.
    conditional_cov
        The same, if these were known: what ``random_effects_cov`` of a fit holds (lme4's condVar).
    """

    frame: NativeFrame
    random_effects: dict[str, NativeFrame]
    random_effects_cov: dict[str, LevelCovariances]
    conditional_cov: dict[str, LevelCovariances]

    def __repr__(self) -> str:
        return str(self.frame)


def update_group(design: Design, fit: Fit, at: Origin, newdata: object, level: float) -> GroupUpdate:
    """Random effects of the new levels in ``newdata``; see ``LmerResult.update_group``."""
    found = updated_factors(design, fit, newdata)
    columns: dict[str, list[str]] = {"group": [], "level": [], "term": []}
    estimates: list[FloatArray] = []
    std_errors: list[FloatArray] = []
    for new in found:
        names = quantities.effect_names(design, new.factor)
        for j, label in enumerate(new.levels):
            columns["group"] += [design.factors[new.factor].name] * len(names)
            columns["level"] += [label] * len(names)
            columns["term"] += names
            estimates.append(new.modes[j])
            std_errors.append(np.sqrt(np.maximum(np.diagonal(new.cov[j]), 0.0)))
    estimate, std_error = np.concatenate(estimates), np.concatenate(std_errors)
    low, high = wald_interval(estimate, std_error, level)
    numbers = {"estimate": estimate, "std_error": std_error, "conf_low": low, "conf_high": high}
    return GroupUpdate(
        frame=frame(at, {**columns, **numbers}),
        random_effects={design.factors[new.factor].name: effects(design, new, at) for new in found},
        random_effects_cov={
            design.factors[new.factor].name: covariances(design, new, new.cov, at) for new in found
        },
        conditional_cov={
            design.factors[new.factor].name: covariances(design, new, new.conditional_cov, at)
            for new in found
        },
    )


def effects(design: Design, new: UpdatedFactor, at: Origin) -> NativeFrame:
    """Modes, new levels x effects."""
    names = quantities.effect_names(design, new.factor)
    labels = (design.factors[new.factor].name, np.array(new.levels, dtype=object))
    return frame(at, {name: new.modes[:, j] for j, name in enumerate(names)}, labels=labels)


def covariances(design: Design, new: UpdatedFactor, values: FloatArray, at: Origin) -> LevelCovariances:
    """Covariances by level."""
    return LevelCovariances(new.levels, quantities.effect_names(design, new.factor), values, at)
