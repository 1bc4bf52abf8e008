"""The contrasts that a design was made with, read back from its coding."""

from __future__ import annotations

import numpy as np

from mixwell.design.coding import VariableCoding
from mixwell.design.contrasts import Contrast, contrast_columns
from mixwell.design.record import Design
from mixwell.formula.expression import Name


def contrast_kind(coding: VariableCoding) -> str:
    """``"treatment"``, ``"sum"``, ``"helmert"``, ``"poly"``, or ``"matrix"``."""
    if coding.contrast is None or coding.levels is None or coding.contrast.level is not None:
        return "treatment"
    for kind in ("sum", "helmert", "poly"):
        known = contrast_columns(Contrast(kind), coding.name, coding.levels).matrix
        if known.shape == coding.contrast.matrix.shape and np.allclose(known, coding.contrast.matrix):
            return kind
    return "matrix"


def base_level(coding: VariableCoding) -> str:
    """The reference level of a factor with treatment contrasts."""
    if coding.levels is None or coding.contrast is None or coding.contrast.level is None:
        raise ValueError(f"{coding.name} has no reference level")
    return next(text for i, text in enumerate(coding.levels) if i not in coding.contrast.level)


def contrast_arguments(design: Design) -> dict[str, str]:
    """``contrasts=`` that the fit was given, or its equal: factor -> Python."""
    recipe = design.recipe
    if recipe is None:
        return {}
    found = {}
    for coding in recipe.codings.values():
        if coding.levels is None or not isinstance(coding.expression, Name) or coding.contrast is None:
            continue
        kind = contrast_kind(coding)
        if kind == "matrix":
            found[coding.name] = repr(coding.contrast.matrix.tolist())
        elif kind != "treatment":
            found[coding.name] = repr(kind)
        elif base_level(coding) != coding.levels[0]:
            found[coding.name] = repr(("treatment", base_level(coding)))
    return found
