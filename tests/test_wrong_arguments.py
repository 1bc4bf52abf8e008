"""Every argument of everything public, given what it is not: it works, or mixwell's own error refuses it."""

from __future__ import annotations

import contextlib
import inspect
import io
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import mixwell as mw
from mixwell import datasets, plots

RNG = np.random.default_rng(0)
N = 36
DATA = pd.DataFrame(
    {
        "y": RNG.normal(size=N) + np.repeat(RNG.normal(size=6), 6),
        "x": RNG.normal(size=N),
        "f": np.array(["u", "v", "w"])[np.arange(N) % 3],
        "g": np.repeat(np.arange(6), 6),
        "t": np.tile(np.arange(6.0), 6),
    }
)

WRONG: dict[str, Any] = {
    "None": None,
    "part": 3.7,
    "negative": -1,
    "zero": 0,
    "two": 2,
    "nan": float("nan"),
    "infinite": float("inf"),
    "large": 1e300,
    "huge": 10**400,
    "true": True,
    "word": "zzz",
    "empty text": "",
    "nul": "a\0",
    "bytes": b"x",
    "empty list": [],
    "empty dict": {},
    "dict": {"zzz": 1.0},
    "dict of column": {"x": "zzz"},
    "dict by number": {3: None},
    "object": object(),
    "function": lambda: None,
    "class": int,
    "array of nan": np.array([np.nan]),
    "array of no dimension": np.array(1.5),
    "matrix": np.ones((2, 3)),
    "complex": 1j,
    "frame": pd.DataFrame({"zzz": [1, 2]}),
    "short list": [1.0, 2.0],
    "list of words": ["zzz", "zzz"],
    "nested list": [["a", 1], [2]],
    "set": {"x"},
    "range": range(3),
    "time": pd.Timestamp("2020-01-01"),
    "missing": pd.NA,
}


def _fit() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mw.lmer("y ~ x * f + (x | g)", DATA)


FIT = _fit()
SMALL = {"n": 3, "seed": 1, "progress": False}
MEANS = FIT.emmeans("f")
PLAN: dict[str, Any] = {
    "formula": "y ~ x + (1 | g)",
    "data": DATA,
    "parameters": {"(Intercept)": 0.0, "x": 1.0, "sd_(Intercept)|g": 1.0, "sigma": 1.0},
}

# The objects whose methods are asked.
OBJECTS: dict[str, Any] = {
    "fit": FIT,
    "fit.diagnostics": FIT.diagnostics,
    "fit.plot": FIT.plot,
    "fit.convergence": FIT.convergence,
    "means": MEANS,
    "contrasts": MEANS.contrast(),
    "profile": FIT.profile(parameters=["x", "sigma"]),
    "bootstrap": FIT.bootstrap(**SMALL),
    "influence": FIT.influence("g"),
    "report": FIT.report(),
    "structure": mw.structure(DATA, ["g"]),
    "check": FIT.check(),
}

# What a call needs besides the argument in question, and what keeps it quick.
ORDINARY: dict[str, dict[str, Any]] = {
    "mw.between": {"x": DATA["x"], "g": DATA["g"]},
    "mw.within": {"x": DATA["x"], "g": DATA["g"]},
    "mw.center": {"x": DATA["x"]},
    "mw.scale": {"x": DATA["x"]},
    "mw.cumulative": {"x": DATA["x"], "g": DATA["g"]},
    "mw.lag": {"x": DATA["x"], "g": DATA["g"]},
    "mw.rolling_mean": {"x": DATA["x"], "g": DATA["g"]},
    "mw.cyclic": {"x": DATA["x"], "period": 2.0},
    "mw.time_since": {"t": DATA["t"]},
    "mw.describe": {"data": DATA},
    "mw.icc_screen": {"data": DATA, "y": "y", "groups": "g"},
    "mw.structure": {"data": DATA, "factors": "g"},
    "mw.lmer": {"formula": "y ~ x + (1 | g)", "data": DATA},
    "mw.planned": PLAN,
    "mw.power": {"model": FIT, "n_sims": 2, "seed": 1, "effect": {"x": 1.0}, "progress": False},
    "mw.table": {"models": FIT},
    "mw.compare": {"fits": [FIT, FIT]},
    "mw.Control": {},
    "fit.bootstrap": SMALL,
    "fit.conf_int": {"n": 3, "seed": 1},
    "fit.icc": {"n": 3, "seed": 1},
    "fit.r2": {"n": 3, "seed": 1},
    "fit.ranova": {"n": 3, "seed": 1},
    "fit.emmeans": {"specs": "f"},
    "fit.emtrends": {"var": "x", "specs": "f"},
    "fit.influence": {"by": "g"},
    "fit.predict": {"newdata": DATA},
    "fit.refit": {"y": DATA["y"]},
    "fit.simulate": {"n": 2, "seed": 1},
    "fit.test": {"hypothesis": "x"},
    "fit.profile": {"parameters": ["x"]},
    "fit.update_group": {"newdata": DATA.assign(g=DATA["g"] + 90)},
    "fit.diagnostics.levene": {"by": "f"},
    "report.save": {"path": "page.txt"},
    "plots.plot_boxplot": {"data": DATA, "y": "y", "x": "f"},
    "plots.plot_spaghetti": {"data": DATA, "y": "y", "x": "t", "group": "g"},
    "plots.plot_cooks": {"distances": [0.1, 0.2], "names": ["a", "b"]},
    "plots.plot_pairs": {"draws": RNG.normal(size=(9, 2)), "names": ["a", "b"]},
    "plots.plot_profile": {"profile": OBJECTS["profile"]},
    "plots.plot_hierarchy": {"structure": OBJECTS["structure"]},
    "fit.plot.boxplot": {"x": "f"},
    "fit.plot.residuals_by_group": {"group": "g"},
    "fit.plot.pairs": {"bootstrap": OBJECTS["bootstrap"]},
    "fit.plot.profile": {"profile": OBJECTS["profile"]},
}
# Arguments that every picture takes and reads in one place: asked of the first picture only.
OF_PICTURES = {"ax", "labels", "lang", "level"}


def public() -> Iterator[tuple[str, Callable[..., object]]]:
    """Everything public that is called, by name."""
    for name in mw.__all__:
        value = getattr(mw, name)
        if callable(value) and not (inspect.isclass(value) and issubclass(value, Exception | mw.LmerResult)):
            yield f"mw.{name}", value
    for name in datasets.__all__:
        yield f"datasets.{name}", getattr(datasets, name)
    for name in ("boxplot", "spaghetti", "cooks", "pairs", "profile", "hierarchy"):
        yield f"plots.plot_{name}", getattr(plots, f"plot_{name}")
    for owner, thing in OBJECTS.items():
        for name in dir(type(thing)):
            value = None if name.startswith("_") else getattr(thing, name)
            if inspect.ismethod(value) or inspect.isfunction(value):
                yield f"{owner}.{name}", value


TARGETS = dict(public())
PICTURES = [name for name in TARGETS if name.startswith(("plots.", "fit.plot."))]


def arguments(target: str) -> list[str]:
    found = []
    for name, parameter in inspect.signature(TARGETS[target]).parameters.items():
        skipped = target in PICTURES[1:] and name in OF_PICTURES
        if not skipped and parameter.kind is not parameter.VAR_KEYWORD:
            found.append("*" + name if parameter.kind is parameter.VAR_POSITIONAL else name)
    return found


CASES = [(target, name) for target in TARGETS for name in arguments(target)]


def call(target: str, *several: object, **given: Any) -> object:
    ordinary: dict[str, Any] = dict(ORDINARY.get(target, {}))
    if target in PICTURES and "ax" in inspect.signature(TARGETS[target]).parameters:
        ordinary["ax"] = Figure().subplots()
    return TARGETS[target](*several, **{**ordinary, **given})


@pytest.fixture(autouse=True)
def _quietly(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Files are written in a directory of their own; what works may warn."""
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(), np.errstate(all="ignore"), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
    plt.close("all")


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_ordinary_works(target: str) -> None:
    """Else every argument would seem to be refused."""
    assert call(target, *([FIT, FIT] if target == "mw.anova" else [])) is not None


def test_the_enumeration_is_complete() -> None:
    assert len(TARGETS) > 90
    assert set(ORDINARY) <= set(TARGETS)
    assert {"mw.lmer", "fit.emmeans", "fit.plot.qq", "means.contrast", "bootstrap.conf_int"} <= set(TARGETS)


@pytest.mark.parametrize(("target", "name"), CASES, ids=[f"{target}-{name}" for target, name in CASES])
def test_what_an_argument_is_not(target: str, name: str) -> None:
    internal = []
    for kind, value in WRONG.items():
        try:
            if name.startswith("*"):
                call(target, FIT, value)
            else:
                call(target, **{name: value})
        except mw.MixwellError as error:
            if not str(error):
                internal.append(f"{kind}: an error without words")
        except Exception as error:
            internal.append(f"{kind}: {type(error).__name__}: {str(error)[:100]}")
    assert not internal, "\n".join(internal)
