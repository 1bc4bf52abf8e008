"""Marginal means of variables whose names hold what specifications are written with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mixwell as mw

NAMES = [
    "a|b",
    "with space",
    "c:d",
    "e*f",
    "g~h",
    "p+q",
    "a b|c * d",
    "$$",
    "_",
    "^",
    "\\",
    "{}",
    "~",
    "-1",
    "%",
]


def fitted(name: str) -> Any:
    rng = np.random.default_rng(1)
    n = 240
    data = {
        name: np.array(["u", "v", "w|z"])[np.arange(n) % 3],
        "o|o": np.array(["p", "q"])[np.arange(n) // 3 % 2],
        "y": rng.normal(size=n) + np.repeat(rng.normal(size=12), 20),
        "g": np.repeat(np.arange(12), 20),
    }
    return mw.lmer(f"y ~ `{name}` * `o|o` + (1 | g)", data)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_taken_whole(name: str) -> None:
    fit = fitted(name)
    wanted = fit.emmeans([name]).frame
    assert wanted.columns[0] == name
    for specs in (name, f"`{name}`", f"~ `{name}`"):
        assert fit.emmeans(specs).frame.equals(wanted)
    both = fit.emmeans([name], by=["o|o"]).frame
    assert {name, "o|o"} < set(both.columns)
    for specs in (f"`{name}` | `o|o`", f"~ `{name}`|`o|o`"):
        assert fit.emmeans(specs).frame.equals(both)
    assert fit.emmeans(name, by="o|o").frame.equals(both)
    product = fit.emmeans(f"`{name}` * `o|o`")
    assert product.frame.equals(fit.emmeans([name, "o|o"]).frame)
    assert product.contrast(by="o|o").frame.equals(product.contrast(by=["o|o"]).frame)
    tests = fit.joint_tests(by=name)
    assert tests["term"].tolist() == ["o|o"] * 3
    assert tests[name].tolist() == ["u", "v", "w|z"]
