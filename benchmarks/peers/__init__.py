"""The packages compared, one file each.

A Python peer is a module of functions that :mod:`benchmarks.worker` calls in a process of the peer's own:

``PACKAGES``
    distributions whose versions are recorded;
``refuse(case)``
    why the package cannot express the model, or None;
``OPERATIONS``
    operation -> function of (frame, case) that returns the call to be timed;
``reached(result, frame, case)``
    the criterion of what that call returned.

The R peer is a script that answers the same lines on standard input.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reached:
    """The criterion a fit ended at.

    Attributes
    ----------
    criterion
        -2 log-likelihood or REML criterion with all constants, as lme4 reports them; None where the operation
        has none.
    reml
        Which of the two.
    note
        What a reader of the table should know, or empty.
    """

    criterion: float | None
    reml: bool
    note: str = ""


PYTHON_PEERS = ("mixwell", "mixedlm", "statsmodels", "gpboost")
PEERS = ("mixwell", "lme4", "mixedlm", "statsmodels", "gpboost")
