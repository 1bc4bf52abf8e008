"""Masked entries of arrays are missing values, whatever number lies below the mask."""

from __future__ import annotations

import numpy as np
import pytest

import mixwell as mw
from mixwell.data.columns import Factor
from mixwell.data.frame import as_column

N = 60
HIDDEN = np.arange(N) % 6 == 1


def columns() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(8)
    return {
        "y": rng.normal(size=N),
        "x": rng.normal(size=N),
        "f": np.array(["u", "v", "w"], dtype=object)[rng.integers(0, 3, N)],
        "l": rng.integers(0, 2, N).astype(bool),
        "g": rng.integers(0, 6, N) + (1 << 60),
        "w": rng.uniform(1, 2, N),
        "o": rng.normal(size=N),
    }


# What lies below the mask, by column: it must never be read.
BELOW = {"y": 1e6, "x": np.nan, "f": "hidden", "l": True, "g": -7, "w": -1.0, "o": np.inf}
FORMULA = "y ~ x + f + l + (1 | g)"


def masked(data: dict[str, np.ndarray], name: str) -> np.ma.MaskedArray:
    values = data[name].copy()
    values[HIDDEN] = BELOW[name]
    return np.ma.array(values, mask=HIDDEN)


def fitted(data: dict[str, np.ndarray]) -> mw.LmerResult:
    beside = {name: data[name] for name in ("w", "o")}
    return mw.lmer(FORMULA, data, weights=beside["w"], offset=beside["o"])


@pytest.mark.filterwarnings("ignore::mixwell.errors.SingularFitWarning")
@pytest.mark.parametrize("name", BELOW)
def test_masked_rows_are_dropped(name: str) -> None:
    data = columns()
    fit = fitted(data | {name: masked(data, name)})
    left = fitted({key: values[~HIDDEN] for key, values in data.items()})
    assert fit.nobs == left.nobs == N - HIDDEN.sum()
    np.testing.assert_array_equal(fit.params, left.params)
    assert fit.ngroups == left.ngroups


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int8", "bool", "U3", "O"])
def test_columns_of_every_type(dtype: str) -> None:
    values = np.array([1, 0, 1, 1]).astype(dtype)
    column = as_column("c", np.ma.array(values, mask=[False, True, False, False]))
    assert column.missing is not None
    assert column.missing.tolist() == [False, True, False, False]
    if isinstance(column, Factor):
        assert column.codes.tolist() == [0, -1, 0, 0]


def test_a_mask_without_entries_hides_nothing() -> None:
    assert as_column("c", np.ma.array([1.0, 2.0], mask=[False, False])).missing is None
    assert as_column("c", np.ma.array([1.0, np.nan])).missing.tolist() == [False, True]


@pytest.mark.filterwarnings("ignore::mixwell.errors.SingularFitWarning")
def test_masked_responses_of_refits_are_missing() -> None:
    fit = fitted(columns())
    y = np.ma.array(np.zeros(N), mask=HIDDEN)
    with pytest.raises(mw.DataError, match=f"{HIDDEN.sum()} missing or infinite"):
        fit.refit(y)


@pytest.mark.filterwarnings("ignore::mixwell.errors.SingularFitWarning")
def test_masked_entries_of_new_data_are_missing() -> None:
    data = columns()
    fit = mw.lmer("y ~ x + f + (1 | g)", data)
    new = {name: values[:3] for name, values in data.items()}
    new["x"] = np.ma.array(new["x"], mask=[False, True, False])
    new["g"] = np.ma.array(new["g"], mask=[False, False, True])
    assert np.isnan(fit.predict(new)).tolist() == [False, True, True]


def test_masked_missing_values_can_be_refused() -> None:
    data = columns()
    with pytest.raises(mw.DataError, match=r"missing values in x \(10\)"):
        mw.lmer("y ~ x + (1 | g)", data | {"x": masked(data, "x")}, na_action="raise")
