"""Names of columns and levels are shown as they are: no mathematics, no legend entry left out."""

from __future__ import annotations

import io
import warnings
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

import mixwell as mw
from mixwell.plots.accessor import FitPlots, Picture

PICTURES = [name for name, value in vars(FitPlots).items() if isinstance(value, Picture)]
LEVELS = np.array(["_u", "$v$", "$\\frac{$", "w^{2"])


@pytest.fixture(scope="module")
def fit() -> Any:
    rng = np.random.default_rng(1)
    n, groups = 240, 12
    of_row = np.arange(n) % groups
    names = np.array([f"_{i}" if i % 2 else f"$g_{i}$" for i in range(groups)])
    x = rng.normal(size=n)
    y = rng.normal(size=n) + 2 * rng.normal(size=groups)[of_row] + x * rng.normal(size=groups)[of_row]
    data = {"$$": y, "$\\x$ {": x, "_f$": LEVELS[rng.integers(0, 4, n)], "g$$": names[of_row]}
    return mw.lmer("`$$` ~ `$\\x$ {` * `_f$` + (`$\\x$ {` | `g$$`)", data)


def drawn(picture: Figure | Axes) -> Figure:
    figure = picture if isinstance(picture, Figure) else picture.figure
    assert isinstance(figure, Figure)
    figure.savefig(io.BytesIO(), format="png", dpi=30)
    return figure


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_show_names_as_they_are(fit: Any, name: str) -> None:
    """matplotlib reads what is between two dollar signs as a formula, and stops at a wrong one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mw.MixwellWarning)
        drawn(getattr(fit.plot, name)())
    plt.close("all")


def test_axes_that_were_there_before(fit: Any) -> None:
    ax = plt.figure().subplots()
    ax.set_title("$ to $")
    ax.get_xticklabels()
    drawn(fit.plot.effects("_f$", ax=ax))
    assert [label.get_text() for label in ax.get_xticklabels()] == list(LEVELS[np.argsort(LEVELS)]) or set(
        label.get_text() for label in ax.get_xticklabels()
    ) == set(LEVELS)
    plt.close("all")


def test_labels_of_the_caller_may_hold_mathematics(fit: Any) -> None:
    figure = drawn(fit.plot.residuals(labels={"$$": r"$\mu$g / l"}))
    axis = next(text for text in figure.findobj(Text) if r"fitted $\mu$g / l" in text.get_text())
    assert axis.get_parse_math()
    plt.close("all")


def test_names_with_an_underscore_are_in_the_legend(fit: Any) -> None:
    ax = fit.plot.effects("$\\x$ {", by="_f$")
    legend = ax.get_legend() or ax.figure.legends[0]
    assert {text.get_text().strip() for text in legend.get_texts()} >= set(LEVELS)
    plt.close("all")
