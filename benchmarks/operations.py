"""What is done with a model and timed, and how closely the answers of two packages must agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

FIT, PROCESS = "fit", "process"


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that is timed.

    Attributes
    ----------
    timed
        What the clock measures. But for "fit" and "process", a fit is made before each run and timed apart.
    tolerances
        Quantity of the answer -> largest difference from mixwell's, element by element, relative to it. The
        criterion of a fit is not among them: it is compared with the lowest that any peer reached.
    unit
        What the draws of a case are, for operations that repeat one thing; their time is that of one.
    """

    timed: str
    tolerances: Mapping[str, float] = field(default_factory=dict)
    unit: str = ""


COEFFICIENTS = {"std_error": 1e-4, "df": 1e-3, "statistic": 1e-4, "p_value": 1e-3}
"""Two optimizers end at slightly different variances, so these differ by more than rounding."""

OPERATIONS: Mapping[str, Operation] = {
    FIT: Operation("from the frame to the fitted model, in a warm process"),
    PROCESS: Operation("a new process that imports, reads the data, fits and prints the summary"),
    "summary": Operation(
        "the printed summary, with Satterthwaite's degrees of freedom and p-values of every coefficient",
        COEFFICIENTS,
    ),
    "kenward-roger": Operation(
        "adjusted standard error, degrees of freedom and p-value of every coefficient", COEFFICIENTS
    ),
    # The standard error of 100 draws is itself known to 1/sqrt(200) = 7 %: four of these.
    "bootstrap": Operation("drawing a response and refitting", {"std_error": 0.28}, unit="refit"),
    # lme4 interpolates its curves by splines; the ends are read from them.
    "profile": Operation(
        "the profile of every parameter and the 95 % intervals read from it", {"interval": 1e-3}
    ),
    "emmeans": Operation(
        "marginal means with Kenward-Roger, all their differences, p-values and intervals by Tukey's method",
        {
            "estimate": 1e-5,
            "std_error": 1e-4,
            "df": 1e-3,
            "p_value": 1e-3,
            "conf_low": 1e-3,
            "conf_high": 1e-3,
        },
    ),
    # lme4's search without derivatives leaves variances good to a few 1e-4.
    "influence": Operation(
        "all parameters estimated again without each group",
        {"fixed effects": 1e-4, "variances": 1e-3},
    ),
    "check": Operation("every check of the assumptions, with verdicts"),
}
