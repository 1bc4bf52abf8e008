"""Linear mixed-effects models: lme4's formulas, R's numbers, proved convergence.

>>> import mixwell as mw
>>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
>>> fit.params.round(3).to_dict()
{'(Intercept)': 251.405, 'Days': 10.467}
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
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
    ResourceError,
    SingularFitWarning,
    UnidentifiedWarning,
)
from mixwell.explore import describe
from mixwell.fit.control import Control
from mixwell.inference.compare import anova, compare
from mixwell.models import LmerResult, lmer

if TYPE_CHECKING:
    from mixwell import datasets
    from mixwell.explore.along import cumulative, lag, rolling_mean
    from mixwell.explore.icc import icc_screen
    from mixwell.explore.structure import structure
    from mixwell.explore.transforms import between, center, cyclic, scale, time_since, within
    from mixwell.inference.power import planned, power
    from mixwell.report.tables import table

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
    "ResourceError",
    "SingularFitWarning",
    "UnidentifiedWarning",
    "__version__",
    "anova",
    "between",
    "center",
    "compare",
    "cumulative",
    "cyclic",
    "datasets",
    "describe",
    "icc_screen",
    "lag",
    "lmer",
    "planned",
    "power",
    "rolling_mean",
    "scale",
    "structure",
    "table",
    "time_since",
    "within",
]

# Loaded at first use, to keep the import light: name -> its module, which is the value itself if named alike.
_LAZY = {
    "datasets": "mixwell.datasets",
    "plots": "mixwell.plots",
    "planned": "mixwell.inference.power",
    "power": "mixwell.inference.power",
    "icc_screen": "mixwell.explore.icc",
    "structure": "mixwell.explore.structure",
    "table": "mixwell.report.tables",
    **dict.fromkeys(("cumulative", "lag", "rolling_mean"), "mixwell.explore.along"),
    **dict.fromkeys(
        ("between", "center", "cyclic", "scale", "time_since", "within"), "mixwell.explore.transforms"
    ),
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'mixwell' has no attribute {name!r}")
    module = import_module(_LAZY[name])
    value: object = module if module.__name__ == f"mixwell.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
