"""The gap of the certificate is what a search that was stopped still had to go."""

from __future__ import annotations

import re
import warnings

import pandas as pd
import pytest

import mixwell as mw
from mixwell.fit.convergence import certificate_line, explain, gap

MODELS = {
    "Reaction ~ Days + (Days | Subject)": mw.datasets.load_sleepstudy,
    "Yield ~ 1 + (1 | Batch)": mw.datasets.load_dyestuff,
    "weight ~ Treatment * sex + Lsize + (1 | Litter)": mw.datasets.load_ratpups,
    "distance ~ age * Sex + (age | Subject)": mw.datasets.load_orthodont,
    "diameter ~ 1 + (1 | plate) + (1 | sample)": mw.datasets.load_penicillin,
    "score ~ Machine + (Machine | Worker)": mw.datasets.load_machines,
}
# Where the criterion is near enough to a parabola, and far enough above its rounding.
FROM, TO = 1e-8, 2e-2


def unfinished(formula: str, data: pd.DataFrame, reml: bool) -> list[tuple[mw.LmerResult, float]]:
    """Fits that were stopped early, with how far their criterion is above the lowest."""
    best = mw.lmer(formula, data, reml=reml)
    found = []
    for size in (0.6, 0.75, 0.85, 0.93, 1.1, 1.3, 1.6):
        for evaluations in (1, 2, 3):
            stopped = mw.lmer(
                formula, data, reml, start=size * best.theta, control=mw.Control(max_evaluations=evaluations)
            )
            above = stopped.criterion - best.criterion
            if FROM < above < TO:
                found.append((stopped, above))
    return found


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("formula", MODELS)
def test_gap_of_an_unfinished_fit_is_what_was_left(formula: str, reml: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mw.ConvergenceWarning)
        stopped = unfinished(formula, MODELS[formula](), reml)
    assert len(stopped) >= 2
    for fit, above in stopped:
        # half the Newton decrement, exact up to third derivatives
        assert fit.convergence.gap == pytest.approx(above, rel=0.15)


def test_what_is_said_is_the_gap_found() -> None:
    """The sentences have the number of the certificate, whether it passed or not."""
    formula, data = next(iter(MODELS.items()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mw.ConvergenceWarning)
        stopped = [fit for fit, _ in unfinished(formula, data(), True)]
    states = set()
    for fit in stopped:
        states.add(fit.convergence.converged)
        line = certificate_line(fit.fit)
        assert gap(fit.fit) == pytest.approx(fit.convergence.gap)
        said = float(re.findall(r"\d\.?\d*(?:e-?\d+)?", line.split("criterion")[1])[0])
        assert said == pytest.approx(fit.convergence.gap, rel=0.5)  # one digit
        assert ("certified" in line) == fit.convergence.converged
        assert ("NOT CONVERGED" in line) == (not fit.convergence.converged)
        assert explain(fit.design, fit.fit) == fit.convergence.explain()
    assert False in states
