"""Misuse of the compiled module ends in a Python exception: never an abort, a panic or a wrong number."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixwell._kernel import Deletions, KernelError, Problem, Refitter

N = 20


def arguments(**changes: Any) -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    codes = (np.arange(N) // 4).astype("i4")
    given = {
        "y": rng.normal(size=N),
        "x": np.asfortranarray(np.column_stack([np.ones(N), rng.normal(size=N)])),
        "weights": None,
        "factors": [(codes, 5)],
        "terms": [(0, [np.ones(N), rng.normal(size=N)])],
    } | changes
    return tuple(given.values())


def with_value(a: np.ndarray, at: Any, value: float) -> np.ndarray:
    out = a.copy(order="F")
    out[at] = value
    return out


Y, X, _, FACTORS, TERMS = arguments()
CODES = FACTORS[0][0]
ONES = np.ones(N)

WRONG: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "y of single precision": ({"y": Y.astype("f4")}, TypeError, ""),
    "y of integers": ({"y": np.arange(N)}, TypeError, ""),
    "y of objects": ({"y": Y.astype(object)}, TypeError, ""),
    "y of text": ({"y": Y.astype("U8")}, TypeError, ""),
    "y of other byte order": ({"y": Y.astype(">f8")}, TypeError, ""),
    "y a list": ({"y": list(Y)}, TypeError, ""),
    "y none": ({"y": None}, TypeError, ""),
    "y a matrix": ({"y": Y[:, None]}, TypeError, ""),
    "y a scalar": ({"y": np.array(1.0)}, TypeError, ""),
    "y with strides": ({"y": np.repeat(Y, 2)[::2]}, ValueError, "contiguous"),
    "y reversed": ({"y": Y[::-1]}, ValueError, "contiguous"),
    "y repeated by broadcasting": ({"y": np.broadcast_to(1.0, N)}, ValueError, "contiguous"),
    "y short": ({"y": Y[:-1]}, KernelError, "length"),
    "y empty": ({"y": Y[:0]}, KernelError, "length"),
    "nothing at all": (
        {"y": Y[:0], "x": X[:0], "factors": [(CODES[:0], 5)], "terms": [(0, [ONES[:0]])]},
        KernelError,
        "empty",
    ),
    "y with NaN": ({"y": with_value(Y, 3, np.nan)}, KernelError, "not_finite"),
    "y with inf": ({"y": with_value(Y, 3, -np.inf)}, KernelError, "not_finite"),
    "y in the span of x": ({"y": X @ [1.0, 2.0]}, KernelError, "perfect_fit"),
    "y zero": ({"y": 0 * Y}, KernelError, "perfect_fit"),
    "x in rows": ({"x": np.ascontiguousarray(X)}, ValueError, "contiguous"),
    "x with strides": ({"x": np.asfortranarray(np.repeat(X, 2, axis=0))[::2]}, ValueError, "contiguous"),
    "x one-dimensional": ({"x": ONES}, TypeError, ""),
    "x short": ({"x": np.asfortranarray(X[:-1])}, KernelError, "length"),
    "x with NaN": ({"x": with_value(X, (2, 1), np.nan)}, KernelError, "not_finite"),
    "x as wide as long": ({"x": np.asfortranarray(np.eye(N))}, KernelError, "too_few_rows"),
    "weights zero": ({"weights": with_value(ONES, 5, 0.0)}, KernelError, "weight"),
    "weights negative": ({"weights": -ONES}, KernelError, "weight"),
    "weights NaN": ({"weights": with_value(ONES, 5, np.nan)}, KernelError, "weight"),
    "weights short": ({"weights": ONES[1:]}, KernelError, "length"),
    "codes of 64 bits": ({"factors": [(CODES.astype("i8"), 5)]}, TypeError, ""),
    "codes unsigned": ({"factors": [(CODES.astype("u4"), 5)]}, TypeError, ""),
    "codes of floats": ({"factors": [(CODES.astype(float), 5)]}, TypeError, ""),
    "codes with strides": ({"factors": [(np.repeat(CODES, 2)[::2], 5)]}, ValueError, "contiguous"),
    "codes negative": ({"factors": [(with_value(CODES, 0, -1), 5)]}, KernelError, "level_code"),
    "codes too large": ({"factors": [(with_value(CODES, 0, 5), 5)]}, KernelError, "level_code"),
    "codes enormous": ({"factors": [(with_value(CODES, 0, 2**31 - 1), 5)]}, KernelError, "level_code"),
    "codes short": ({"factors": [(CODES[1:], 5)]}, KernelError, "length"),
    "no levels": ({"factors": [(CODES, 0)]}, KernelError, "empty"),
    "levels negative": ({"factors": [(CODES, -5)]}, OverflowError, ""),
    "levels a fraction": ({"factors": [(CODES, 5.0)]}, TypeError, ""),
    "levels a thousand million": ({"factors": [(CODES, 10**9)]}, KernelError, "too_many_levels"),
    "levels beyond any memory": ({"factors": [(CODES, 2**62)]}, KernelError, "too_many_levels"),
    "a factor without a term": ({"factors": [(CODES, 5), (CODES, 5)]}, KernelError, "empty"),
    "no factors": ({"factors": []}, KernelError, "unknown_factor"),
    "no terms": ({"terms": []}, KernelError, "empty"),
    "a term without columns": ({"terms": [(0, [])]}, KernelError, "empty"),
    "a term of no factor": ({"terms": [(1, [ONES])]}, KernelError, "empty"),
    "a term of factor -1": ({"terms": [(-1, [ONES])]}, OverflowError, ""),
    "a column short": ({"terms": [(0, [ONES[1:]])]}, KernelError, "length"),
    "a column with inf": ({"terms": [(0, [with_value(ONES, 1, np.inf)])]}, KernelError, "not_finite"),
    "a column with strides": ({"terms": [(0, [np.repeat(ONES, 2)[::2]])]}, ValueError, "contiguous"),
    "a column zero": ({"terms": [(0, [0 * ONES])]}, KernelError, "dependent_columns"),
    "a column twice": ({"terms": [(0, [ONES, 2 * ONES])]}, KernelError, "dependent_columns"),
}


def deletions(*given: Any, sets: Any = CODES, n_sets: Any = 5, theta: Any = None, held: bool = False) -> Any:
    return Deletions((sets, n_sets), True, theta, held, (100, 1e-10, 1), *given)


@pytest.mark.parametrize("kind", [Problem, Refitter, deletions])
@pytest.mark.parametrize("name", WRONG)
def test_wrong_inputs_are_refused(name: str, kind: Callable[..., Any]) -> None:
    changes, error, word = WRONG[name]
    with pytest.raises(error) as raised:
        kind(*arguments(**changes))
    if error is KernelError:
        assert raised.value.args[0] == word
        assert raised.value.args[1]
    elif word:
        assert word in str(raised.value)


def read_only(a: np.ndarray) -> np.ndarray:
    out = a.copy(order="F")
    out.flags.writeable = False
    return out


def test_read_only_arrays_are_as_good_as_others_and_stay_unchanged() -> None:
    given = arguments()
    frozen = arguments(
        y=read_only(Y),
        x=read_only(X),
        factors=[(read_only(CODES), 5)],
        terms=[(0, [read_only(c) for c in TERMS[0][1]])],
    )
    here, there = (Problem(*a).optimize(True, None, 100, 1e-10, 1)["criterion"] for a in (given, frozen))
    assert here == there
    for before, after in zip(given, arguments(), strict=True):
        if isinstance(before, np.ndarray):
            np.testing.assert_array_equal(before, after)


THETAS: dict[str, tuple[Any, type[Exception], str]] = {
    "short": (np.ones(2), KernelError, "length"),
    "long": (np.ones(4), KernelError, "length"),
    "empty": (np.ones(0), KernelError, "length"),
    "NaN": (np.array([1, np.nan, 1]), KernelError, "parameter"),
    "infinite": (np.array([1, 1, np.inf]), KernelError, "parameter"),
    "a list": ([1.0, 0.0, 1.0], TypeError, ""),
    "integers": (np.ones(3, dtype=int), TypeError, ""),
    "a matrix": (np.ones((1, 3)), TypeError, ""),
    "strided": (np.ones(6)[::2], ValueError, "contiguous"),
}


@pytest.mark.parametrize("name", THETAS)
def test_wrong_parameters_are_refused(name: str) -> None:
    theta, error, word = THETAS[name]
    problem, refitter = Problem(*arguments()), Refitter(*arguments())
    rows = (np.asfortranarray(np.ones((1, 2))), [CODES[:1]], [[ONES[:1], ONES[:1]]], True)
    calls: list[Callable[[], Any]] = [
        lambda: problem.components(theta, True),
        lambda: problem.solve(theta, True),
        lambda: problem.optimize(True, theta, 50, 1e-9, 1),
        lambda: problem.predictor_variances(theta, *rows),
        lambda: refitter.refit(np.asfortranarray(Y[:, None]), theta, True, 50, 1e-9),
        lambda: deletions(*arguments(), theta=theta),
        lambda: deletions(*arguments(), theta=theta, held=True),
    ]
    for call in calls:
        with pytest.raises(error) as raised:
            call()
        if error is KernelError:
            assert raised.value.args[0] == word


SETS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "short": ({"sets": CODES[1:]}, KernelError, "length"),
    "negative": ({"sets": CODES - 1}, KernelError, "level_code"),
    "too few": ({"n_sets": 4}, KernelError, "level_code"),
    "none": ({"n_sets": 0}, KernelError, "empty"),
    "a thousand million": ({"n_sets": 10**9}, KernelError, "too_many_levels"),
    "of 64 bits": ({"sets": CODES.astype("i8")}, TypeError, ""),
    "with strides": ({"sets": np.repeat(CODES, 2)[::2]}, ValueError, "contiguous"),
    "no theta to hold": ({"held": True}, ValueError, "theta"),
}


@pytest.mark.parametrize("name", SETS)
def test_wrong_sets_to_leave_out_are_refused(name: str) -> None:
    changes, error, word = SETS[name]
    with pytest.raises(error) as raised:
        deletions(*arguments(), **changes)
    if error is KernelError:
        assert raised.value.args[0] == word
    elif word:
        assert word in str(raised.value)


def test_ranges_of_sets_are_clipped_and_failures_are_told() -> None:
    everything = deletions(*arguments(), sets=np.zeros(N, dtype="i4"), n_sets=1)
    found = everything.refit(0, 5)
    assert found["criterion"].shape == (1,)
    assert np.isnan(found["criterion"][0])
    assert [(at, kind) for at, kind, _, _ in found["failures"]] == [(0, "too_few_levels")]
    assert len(everything.refit(3, 2)["criterion"]) == 0
    assert deletions(*arguments()).refit(0, 5)["failures"] == []


ROWS: dict[str, tuple[tuple[Any, ...], type[Exception], str]] = {
    "x narrow": ((np.ones((1, 1), order="F"), [CODES[:1]], [[ONES[:1]] * 2]), KernelError, "length"),
    "x wide": ((np.ones((1, 3), order="F"), [CODES[:1]], [[ONES[:1]] * 2]), KernelError, "length"),
    "no codes": ((np.ones((1, 2), order="F"), [], [[ONES[:1]] * 2]), KernelError, "length"),
    "codes long": ((np.ones((1, 2), order="F"), [CODES], [[ONES[:1]] * 2]), KernelError, "length"),
    "code unknown": (
        (np.ones((1, 2), order="F"), [CODES[:1] + 5], [[ONES[:1]] * 2]),
        KernelError,
        "level_code",
    ),
    "columns missing": ((np.ones((1, 2), order="F"), [CODES[:1]], [[ONES[:1]]]), KernelError, "length"),
    "terms missing": ((np.ones((1, 2), order="F"), [CODES[:1]], []), KernelError, "length"),
    "column long": ((np.ones((1, 2), order="F"), [CODES[:1]], [[ONES, ONES]]), KernelError, "length"),
    "x in rows": ((np.ones((2, 2)), [CODES[:2]], [[ONES[:2]] * 2]), ValueError, "contiguous"),
}


@pytest.mark.parametrize("name", ROWS)
def test_wrong_rows_are_refused(name: str) -> None:
    rows, error, word = ROWS[name]
    with pytest.raises(error) as raised:
        Problem(*arguments()).predictor_variances(np.array([1.0, 0, 1]), *rows, True)
    if error is KernelError:
        assert raised.value.args[0] == word


def test_no_rows_have_no_variances() -> None:
    none = (np.ones((0, 2), order="F"), [CODES[:0]], [[ONES[:0]] * 2])
    assert len(Problem(*arguments()).predictor_variances(np.array([1.0, 0, 1]), *none, True)) == 0


@pytest.mark.parametrize(
    ("evaluations", "tolerance", "starts"),
    [(0, 1e-9, 1), (1, 1e-9, 1), (50, 0.0, 1), (50, np.inf, 1), (50, 1e-9, 0)],
)
def test_odd_limits_of_the_search_still_give_an_answer(
    evaluations: int, tolerance: float, starts: int
) -> None:
    found = Problem(*arguments()).optimize(True, None, evaluations, tolerance, starts)
    assert np.isfinite(found["criterion"])
    assert found["certificate"]["converged"] == (found["certificate"]["reason"] == "")


UNITS = [1e-300, 1e-160, 1e-100, 1e100, 1e140, 1e160, 1e300]


@pytest.mark.parametrize("unit", UNITS)
def test_scales_at_the_ends_of_double_precision_are_right_or_refused(unit: float) -> None:
    base = Problem(*arguments()).optimize(True, None, 100, 1e-10, 1)["criterion"]
    found = None
    with suppress(KernelError):
        problem = Problem(*arguments(y=Y * unit))
        found = problem.optimize(True, None, 100, 1e-10, 1)
    if found is None:
        assert not 1e-100 <= unit <= 1e100
        return
    wanted = base + 2 * (N - 2) * np.log(unit)
    assert found["criterion"] == pytest.approx(wanted, rel=1e-9)
    assert problem.components(found["theta"], True)["criterion"] == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("seed", [1, 2])
def test_random_misuse_never_ends_the_process(seed: int) -> None:
    program = Path(__file__).with_name("boundary_fuzz.py")
    result = subprocess.run(
        [sys.executable, "-W", "ignore", str(program), str(seed), "800"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout.startswith("done")
    # enough of it got through, and enough was refused
    counts = {
        name: int(count) for count, name in (line.split(" ", 1) for line in result.stdout.splitlines()[1:])
    }
    methods = ["Problem", "components", "solve", "optimize", "predictor_variances", "profile", "refit"]
    for method in [*methods, "Deletions", "delete"]:
        assert counts[f"{method}: returned"] > 50, method
    assert sum(count for name, count in counts.items() if "returned" not in name) > 500
