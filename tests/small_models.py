"""Models and data that several test files fit."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

import mixwell as mw


def grouped(seed: int = 1) -> pd.DataFrame:
    """Two crossed factors, numbers and categories, weights and an offset; row labels of its own."""
    rng = np.random.default_rng(seed)
    n = 90
    frame = pd.DataFrame(
        {
            "x": rng.normal(3, 2, n),
            "arm": pd.Categorical(rng.choice(["low", "mid", "high"], n), categories=["low", "mid", "high"]),
            "g": rng.choice(list("abcdefgh"), n),
            "h": rng.choice(["u", "v", "w", "z"], n),
            "w": rng.uniform(0.5, 3, n),
            "o": rng.normal(size=n),
        },
        index=[f"row {i}" for i in range(n)],
    )
    g = frame["g"].map(dict(zip("abcdefgh", rng.normal(0, 1.5, 8), strict=True)))
    slope = frame["g"].map(dict(zip("abcdefgh", rng.normal(0, 0.5, 8), strict=True)))
    h = frame["h"].map(dict(zip("uvwz", rng.normal(0, 1.0, 4), strict=True)))
    noise = rng.normal(size=n) / np.sqrt(frame["w"])
    frame["y"] = 2 + frame["o"] + frame["x"] + (frame["arm"] == "mid") + g + slope * frame["x"] + h + noise
    return frame


def without_variance() -> pd.DataFrame:
    """Groups whose means and slopes are all alike: intercepts and slopes vary not at all."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": rng.normal(size=60), "g": np.repeat(list("abcdefghij"), 6)})
    y = pd.Series(rng.normal(size=60))
    return data.assign(y=y - y.groupby(data["g"]).transform("mean"))


FITS = {
    "slopes": ("y ~ x + arm + (x | g)", {}),
    "slope only": ("y ~ x + (0 + x | g)", {}),
    "independent": ("y ~ x + (x || g) + (1 | h)", {}),
    "crossed": ("y ~ arm * x + (1 | g) + (1 | h)", {"reml": False}),
    "interaction": ("y ~ x + (1 | h) + (1 | h:g)", {}),
    "nested": ("y ~ x + (1 | h/g)", {}),
    "weights, offset": ("y ~ x + (x | g)", {"weights": "w", "offset": "o"}),
    "offset in formula": ("y ~ arm + offset(o) + (1 | g) + (1 | h)", {"weights": "w", "reml": False}),
    "transforms": ("y ~ poly(x, 2) + arm + (center(x) | g)", {}),
    "splines": ("y ~ bs(x, df=4) + I(o**2) + (1 | g)", {}),
    "centred": ("y ~ arm + arm:center(x) + (center(x) | g)", {}),
    "category slopes": ("y ~ x + (0 + arm | g)", {}),
}


@cache
def fitted(name: str) -> mw.LmerResult:
    formula, arguments = FITS[name]
    return mw.lmer(formula, grouped(), **arguments)
