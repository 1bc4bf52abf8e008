"""Linear mixed-effects models: lme4's formulas, R's numbers, proved convergence.

>>> import mixwell as mw
>>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
>>> fit.params.round(3).to_dict()
{'(Intercept)': 251.405, 'Days': 10.467}
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING

from mixwell.errors import (
    ConvergenceError,
    ConvergenceWarning,
    DataError,
    FormulaError,
    MixwellError,
    MixwellWarning,
    ModelError,
    NewLevelsError,
    RankDeficiencyWarning,
    SingularFitWarning,
)
from mixwell.fit.control import Control
from mixwell.models import LmerResult, lmer

if TYPE_CHECKING:
    from mixwell import datasets

__version__ = version("mixwell")

__all__ = [
    "Control",
    "ConvergenceError",
    "ConvergenceWarning",
    "DataError",
    "FormulaError",
    "LmerResult",
    "MixwellError",
    "MixwellWarning",
    "ModelError",
    "NewLevelsError",
    "RankDeficiencyWarning",
    "SingularFitWarning",
    "__version__",
    "datasets",
    "lmer",
]

# Loaded at first use, to keep the import light.
_LAZY = frozenset({"datasets"})


def __getattr__(name: str) -> ModuleType:
    if name in _LAZY:
        return import_module(f"mixwell.{name}")
    raise AttributeError(f"module 'mixwell' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
