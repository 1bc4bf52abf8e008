"""A fit is of the data as they were: what is done later to them, or to what it gave out, changes nothing."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import mixwell as mw

N = 60


def columns() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    g = rng.integers(0, 6, N).astype(np.int32)
    return {
        "y": rng.normal(size=N) + 2 * rng.normal(size=6)[g],
        "x": rng.normal(size=N),
        "f": np.array(["u", "v", "w"], dtype=object)[rng.integers(0, 3, N)],
        "g": g,
        "w": rng.uniform(1, 2, N),
        "o": rng.normal(size=N),
    }


def answers(fit: mw.LmerResult) -> list[np.ndarray]:
    """What is computed afresh from the design and the fit."""
    boot = fit.bootstrap(4, seed=1, progress=False)
    return [
        fit.resid.to_numpy(),
        fit.residuals("pearson").to_numpy(),
        fit.params.to_numpy(),
        fit.fittedvalues.to_numpy(),
        boot.draws,
        np.asarray(fit.predict()),
        np.asarray(fit.simulate(2, seed=1)),
        np.asarray(fit.tidy(ddf="kenward-roger")["std_error"]),
        np.asarray(fit.refit(fit.simulate(1, seed=2).iloc[:, 0].to_numpy()).params),
        np.asarray(fit.influence("g").cooks_distance),
        np.asarray(fit.emmeans("f").frame["estimate"]),
    ]


def from_arrays(data: dict[str, np.ndarray]) -> tuple[mw.LmerResult, Callable[[], None]]:
    fit = mw.lmer("y ~ x + f + (x | g)", data, weights=data["w"], offset=data["o"])

    def spoil() -> None:
        for name in ("y", "x", "w", "o"):
            data[name] *= 10
        data["f"][:] = "u"
        data["g"][:] = data["g"][::-1].copy()

    return fit, spoil


def from_pandas(data: dict[str, np.ndarray]) -> tuple[mw.LmerResult, Callable[[], None]]:
    given = pd.DataFrame(data)
    given["g"] = given["g"].astype("category")
    fit = mw.lmer("y ~ x + f + (x | g)", given, weights="w", offset="o")

    def spoil() -> None:
        for name in ("y", "x", "w", "o"):
            given.loc[:, name] = 5.0
        given["f"] = "u"
        given.iloc[:, 3] = given["g"].iloc[0]
        given.index = given.index[::-1]

    return fit, spoil


def from_views(data: dict[str, np.ndarray]) -> tuple[mw.LmerResult, Callable[[], None]]:
    """Columns of one matrix, as a frame may hold them."""
    matrix = np.asfortranarray(np.column_stack([data[name] for name in ("y", "x", "w", "o")]))
    views = {name: matrix[:, i] for i, name in enumerate(("y", "x", "w", "o"))}
    fit = mw.lmer(
        "y ~ x + f + (x | g)",
        {**views, "f": data["f"], "g": data["g"]},
        weights=views["w"],
        offset=views["o"],
    )

    def spoil() -> None:
        matrix[:] = 3.0

    return fit, spoil


def from_polars(data: dict[str, np.ndarray]) -> tuple[mw.LmerResult, Callable[[], None]]:
    """polars may take the arrays as they are."""
    given = pl.DataFrame({name: values for name, values in data.items() if name != "f"}).with_columns(
        f=pl.Series(data["f"].tolist())
    )
    fit = mw.lmer("y ~ x + f + (x | g)", given.to_pandas(), weights="w", offset="o")

    def spoil() -> None:
        for name in ("y", "x", "w", "o"):
            data[name] *= 10

    return fit, spoil


@pytest.mark.parametrize("make", [from_arrays, from_pandas, from_views, from_polars])
def test_later_changes_of_the_data_change_nothing(make: Callable[..., Any]) -> None:
    fit, spoil = make(columns())
    before = [np.array(value, copy=True) for value in answers(fit)]
    spoil()
    for old, new in zip(before, answers(fit), strict=True):
        np.testing.assert_array_equal(old, new)


def test_what_is_passed_beside_the_data_is_copied() -> None:
    data = columns()
    fit = mw.lmer("y ~ x + (1 | g)", data)
    response, start = data["y"] + 1.0, np.array([0.7])
    again = fit.refit(response)
    coded = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    other = mw.lmer("y ~ f + (1 | g)", data, contrasts={"f": coded}, start=start)
    before = again.resid.to_numpy().copy(), other.predict({"f": ["u", "w"], "g": [1, 2]}).to_numpy().copy()
    response[:], start[:], coded[:] = 0.0, 9.0, 4.0
    np.testing.assert_array_equal(again.resid.to_numpy(), before[0])
    np.testing.assert_array_equal(other.predict({"f": ["u", "w"], "g": [1, 2]}).to_numpy(), before[1])


def arrays_of(record: object, seen: set[int]) -> list[tuple[str, np.ndarray]]:
    """Every array of a record and of the records in it, with where it is."""
    found: list[tuple[str, np.ndarray]] = []
    if isinstance(record, np.ndarray):
        return [("", record)]
    if id(record) in seen:
        return []
    seen.add(id(record))
    if isinstance(record, tuple | list):
        parts = {str(i): part for i, part in enumerate(record)}
    elif isinstance(record, dict):
        parts = {str(key): part for key, part in record.items()}
    else:
        parts = {name: getattr(record, name) for name in getattr(record, "__dataclass_fields__", {})}
    for name, part in parts.items():
        found += [(f"{name}.{where}", array) for where, array in arrays_of(part, seen)]
    return found


@pytest.mark.parametrize("part", ["design", "fit", "bootstrap"])
def test_arrays_of_records_cannot_be_written_to(part: str) -> None:
    fit = mw.lmer("y ~ x + f + (x | g)", columns(), weights="w", offset="o")
    record = fit.bootstrap(4, seed=1, progress=False) if part == "bootstrap" else getattr(fit, part)
    open_arrays = [where for where, array in arrays_of(record, set()) if array.flags.writeable]
    assert not open_arrays


def test_what_a_fit_hands_out_can_be_changed_without_changing_it() -> None:
    fit = mw.lmer("y ~ x + f + (x | g)", columns(), weights="w", offset="o")
    before = [np.array(value, copy=True) for value in answers(fit)]
    for series in (fit.params, fit.theta, fit.resid, fit.fittedvalues, fit.bse):
        series.iloc[0] = 99.0
    frames = [*fit.random_effects.values(), *fit.cov_re.values(), fit.cov_params(), fit.tidy(), fit.augment()]
    for frame in frames:
        frame.iloc[0, -1] = 99.0
    for old, new in zip(before, answers(fit), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_copy_of_a_fit_answers_alike() -> None:
    fit = mw.lmer("y ~ x + f + (x | g)", columns(), weights="w", offset="o")
    for old, new in zip(answers(fit), answers(copy.deepcopy(fit)), strict=True):
        np.testing.assert_array_equal(old, new)
