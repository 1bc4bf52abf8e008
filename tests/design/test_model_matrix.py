"""Columns equal those of R's model.matrix(): names, order and values, for fitting data and new rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixwell.design.build import build_design
from mixwell.design.newdata import new_rows

RECORDED = json.loads((Path(__file__).parent / "model_matrix.json").read_text(encoding="utf-8"))
TOLERANCE = 1e-11


def frame(key: str) -> pd.DataFrame:
    data = pd.DataFrame(RECORDED[key])
    return data.assign(
        y=np.arange(len(data)) ** 2.0, g=["s", "t"] * (len(data) // 2) + ["t"] * (len(data) % 2)
    )


def ids(case: dict[str, Any]) -> str:
    return str(case["formula"])


def spelled_alike(name: str) -> str:
    return name.replace(" ", "").replace("**", "^")


@pytest.mark.parametrize("case", RECORDED["cases"], ids=ids)
def test_columns_are_those_of_model_matrix(case: dict[str, Any]) -> None:
    design = build_design(f"y ~ {case['formula']} + (1 | g)", frame("data"))
    assert list(map(spelled_alike, design.x_r_names)) == list(map(spelled_alike, case["names"]))
    np.testing.assert_allclose(design.x, case["rows"], rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("case", RECORDED["cases"], ids=ids)
def test_terms_hold_the_columns_r_assigns_to_them(case: dict[str, Any]) -> None:
    design = build_design(f"y ~ {case['formula']} + (1 | g)", frame("data"))
    assign = {
        column: position + (design.fixed_terms[0].name != "(Intercept)")
        for position, term in enumerate(design.fixed_terms)
        for column in term.columns
    }
    assert [assign[column] for column in range(design.x.shape[1])] == case["assign"]


@pytest.mark.parametrize("case", RECORDED["cases"], ids=ids)
def test_new_rows_reuse_levels_contrasts_and_state(case: dict[str, Any]) -> None:
    design = build_design(f"y ~ {case['formula']} + (1 | g)", frame("data"))
    rows = new_rows(design, frame("new"))
    np.testing.assert_allclose(rows.x, case["new_rows"], rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("case", RECORDED["cases"], ids=ids)
def test_each_new_row_alone_gives_the_same_columns(case: dict[str, Any]) -> None:
    design = build_design(f"y ~ {case['formula']} + (1 | g)", frame("data"))
    for row in range(len(frame("data"))):
        alone = new_rows(design, frame("data").iloc[[row]])
        np.testing.assert_allclose(alone.x[0], design.x[row], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("case", RECORDED["with_contrasts"], ids=ids)
def test_contrasts_argument_is_r_s(case: dict[str, Any]) -> None:
    design = build_design(f"y ~ {case['formula']} + (1 | g)", frame("data"), contrasts=case["contrasts"])
    assert list(design.x_r_names) == case["names"]
    np.testing.assert_allclose(design.x, case["rows"], rtol=TOLERANCE, atol=TOLERANCE)
