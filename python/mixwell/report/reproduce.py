"""The code that makes a fit again, and the versions it was made with."""

from __future__ import annotations

import platform
from importlib.metadata import version

from mixwell.design.given_contrasts import contrast_arguments
from mixwell.design.record import Design
from mixwell.fit.record import Fit
from mixwell.report.record import Code
from mixwell.report.words import Words

PACKAGES = ("mixwell", "numpy", "scipy", "pandas", "formulaic", "matplotlib")


def versions() -> dict[str, str]:
    """Python and the packages that the numbers depend on."""
    return {**{name: version(name) for name in PACKAGES}, "Python": platform.python_version()}


def code_block(design: Design, fit: Fit, source: str, text: Words) -> Code:
    """Lines that fit the model again."""
    lines = ["import mixwell as mw"]
    if "pd." in source:
        lines.append("import pandas as pd")
    lines.append("")
    lines.append(f"data = {source}" if source else f"data = ...  # {text.sentences['code_data']}")
    arguments = [repr(design.formula), "data"]
    if not fit.reml:
        arguments.append("reml=False")
    recipe = design.recipe
    if recipe is not None and recipe.weights is not None:
        arguments.append(f"weights={recipe.weights!r}")
    elif design.weights is not None:
        lines.append(f"weights = ...  # {text.sentences['code_weights']}")
        arguments.append("weights=weights")
    if recipe is not None and recipe.offset is not None:
        arguments.append(f"offset={recipe.offset!r}")
    elif recipe is not None and recipe.offset_is_array:
        lines.append(f"offset = ...  # {text.sentences['code_offset']}")
        arguments.append("offset=offset")
    contrasts = contrast_arguments(design)
    if contrasts:
        inner = ", ".join(f"{name!r}: {spec}" for name, spec in contrasts.items())
        arguments.append(f"contrasts={{{inner}}}")
    lines.append(f"fit = mw.lmer({', '.join(arguments)})")
    lines.append("print(fit.summary())")
    lines.append(f"fit.report({'report.html'!r}{', lang=' + repr(text.lang) if text.lang != 'en' else ''})")
    return Code("\n".join(lines))
