"""Diagnostics depend neither on the unit of a predictor nor, with its slope and intercept, on its origin."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from functools import lru_cache

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.typing import NDArray

import mixwell as mw
from mixwell.diagnostics.record import DiagnosticTest
from mixwell.plots.grouped import shrinkage
from mixwell.plots.modes import plot_intercept_slope

FloatArray = NDArray[np.float64]

CHANGES = {"years": (2000.0, 1.0), "far": (2e5, 1.0), "large": (0.0, 1e9), "small": (0.0, 1e-9)}


@lru_cache
def fitted(change: str) -> mw.LmerResult:
    origin, unit = CHANGES.get(change, (0.0, 1.0))
    data = mw.datasets.load_sleepstudy()
    data = data.assign(Days=(data["Days"] + origin) * unit)
    return mw.lmer("Reaction ~ Days + (Days | Subject)", data)


def numbers(tests: DiagnosticTest | Iterable[DiagnosticTest]) -> FloatArray:
    tests = [tests] if isinstance(tests, DiagnosticTest) else list(tests)
    return np.array([[test.statistic, test.p_value] for test in tests])


def held(fit: mw.LmerResult, by: str) -> FloatArray:
    found = fit.influence(by, refit=False)
    return np.column_stack([found.cooks_distance, found.covratio])


def slopes_alone(fit: mw.LmerResult) -> FloatArray:
    """Each group's own slope over the mean slope."""
    found = shrinkage(fit.design, fit.fit, 0)
    return np.asarray(found.own[:, 1] / found.population[1])


ASKED: dict[str, Callable[[mw.LmerResult], FloatArray]] = {
    "White": lambda fit: numbers(fit.diagnostics.white()),
    "White, means": lambda fit: numbers(fit.diagnostics.white(form="mean")),
    "Breusch-Pagan": lambda fit: numbers(fit.diagnostics.breusch_pagan()),
    "RESET": lambda fit: numbers(fit.diagnostics.reset()),
    "curvature": lambda fit: numbers(fit.diagnostics.curvature()),
    "outlying groups": lambda fit: numbers(fit.diagnostics.outlying_groups("Subject").test),
    "outlying rows": lambda fit: numbers(fit.diagnostics.outliers().test),
    "deleted groups": lambda fit: held(fit, "Subject"),
    "deleted rows": lambda fit: held(fit, "row"),
    "leverages": lambda fit: fit.leverages().to_numpy(),
    "slopes of groups alone": slopes_alone,
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("change", CHANGES)
def test_diagnostics_depend_neither_on_unit_nor_on_origin(change: str, asked: str) -> None:
    wanted = ASKED[asked](fitted("none"))
    assert np.isfinite(wanted).all()
    np.testing.assert_allclose(ASKED[asked](fitted(change)), wanted, rtol=1e-5)


@pytest.mark.parametrize("change", ["large", "small"])
def test_both_effects_are_tested_for_normality_in_any_unit(change: str) -> None:
    wanted, ours = (fitted(name).diagnostics.effect_normality() for name in ("none", change))
    assert len(wanted) == 2
    np.testing.assert_allclose(numbers(ours), numbers(wanted), rtol=1e-6)


@pytest.mark.parametrize("change", ["large", "small"])
def test_the_farthest_groups_are_named_in_any_unit(change: str) -> None:
    def named(name: str) -> list[str]:
        _, ax = plt.subplots()
        plot_intercept_slope(fitted(name).design, fitted(name).fit, ax=ax)
        texts = [text.get_text() for text in ax.texts]
        plt.close("all")
        return texts

    assert named(change) == named("none") != []


@pytest.mark.parametrize("unit", [1e-15, 1e15])
def test_linearity_is_tested_in_any_unit_of_the_response(unit: float) -> None:
    data = mw.datasets.load_sleepstudy()
    data = data.assign(Reaction=unit * data["Reaction"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mw.lmer("Reaction ~ Days + (Days | Subject)", data)
    np.testing.assert_allclose(
        numbers(fit.diagnostics.reset()), numbers(fitted("none").diagnostics.reset()), rtol=1e-6
    )
