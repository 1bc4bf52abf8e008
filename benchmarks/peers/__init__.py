"""The packages compared, one file each.

A Python peer is a module that :mod:`benchmarks.worker` imports in a process of the peer's own:

``PACKAGES``
    distributions whose versions are recorded;
``refuse(case)``
    why the package cannot do the case, or None;
``fit(frame, case)``
    the call that fits the model;
``reached(fitted, frame, case)``
    the criterion of what that call returned;
``AFTER``
    operation -> :class:`After`, for what is done with a fit.

The R peer is a script that takes the same commands on standard input.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from benchmarks.cases import Case


@dataclass(frozen=True, slots=True)
class Reached:
    """The criterion a fit ended at.

    Attributes
    ----------
    criterion
        -2 log-likelihood or REML criterion with all constants, as lme4 reports them.
    reml
        Which of the two.
    note
        What a reader of the table should know, or empty.
    """

    criterion: float
    reml: bool
    note: str = ""


Answers = dict[str, list[float]]
"""Quantity -> numbers, in one order for all peers; quantities as in ``Operation.tolerances``."""


@dataclass(frozen=True, slots=True)
class After:
    """One operation on a fit: the call that is timed, and the numbers in what it returned."""

    run: Callable[[Any, Case], Any]
    answers: Callable[[Any], Answers]


def columns(table: pd.DataFrame, *names: str) -> Answers:
    """The named columns, as answers."""
    return {name: [float(value) for value in table[name]] for name in names}


REFERENCE = "mixwell"
PYTHON_PEERS = (REFERENCE, "mixedlm", "statsmodels", "gpboost")
PEERS = (REFERENCE, "R", "mixedlm", "statsmodels", "gpboost")
