"""Combinations of many factors with many levels: more could be made than any integer counts."""

from __future__ import annotations

import numpy as np
import pytest

import mixwell as mw
from mixwell.data.columns import combine, combined_labels
from mixwell.design.build import build_design
from mixwell.design.newdata import new_rows
from mixwell.design.subset import subset


def many_factors(levels: int, factors: int, rows: int, seed: int = 1) -> dict[str, np.ndarray]:
    """Every combination that occurs is on two rows."""
    rng = np.random.default_rng(seed)
    half = rows // 2
    names = [f"f{i}" for i in range(factors)]
    data = {name: np.tile(np.resize(rng.permutation(levels), half), 2) for name in names}
    return data | {"y": np.tile(3 * rng.normal(size=half), 2) + rng.normal(size=rows)}


def tuples(data: dict[str, np.ndarray], factors: int) -> list[tuple[int, ...]]:
    return list(zip(*(data[f"f{i}"].tolist() for i in range(factors)), strict=True))


@pytest.mark.parametrize(("levels", "factors"), [(256, 9), (2, 70), (10_000, 5), (1 << 16, 4)])
def test_codes_are_those_of_the_tuples(levels: int, factors: int) -> None:
    data = many_factors(levels, factors, 4 * min(levels, 2000))
    wanted = tuples(data, factors)
    position = {key: code for code, key in enumerate(sorted(set(wanted)))}
    codes, combinations = combine(
        [data[f"f{i}"].astype(np.int32) for i in range(factors)], [levels] * factors
    )
    assert codes.tolist() == [position[key] for key in wanted]
    assert [tuple(row) for row in combinations.tolist()] == sorted(set(wanted))


def test_first_factor_is_not_lost() -> None:
    """With 8 further factors of 256 levels its code was multiplied by 2 ** 64, which is 0."""
    data = many_factors(256, 9, 2048)
    data["f0"] = np.arange(2048) // 2 % 256
    design = build_design(f"y ~ 1 + (1 | {':'.join(f'f{i}' for i in range(9))})", data)
    assert design.factors[0].n_levels == len(set(tuples(data, 9)))


def test_model_is_that_of_one_column_of_combinations() -> None:
    data = many_factors(256, 9, 1024)
    names = [":".join(map(str, key)) for key in tuples(data, 9)]
    fit = mw.lmer("y ~ 1 + (1 | f0:f1:f2:f3:f4:f5:f6:f7:f8)", data)
    same = mw.lmer("y ~ 1 + (1 | g)", {"y": data["y"], "g": np.array(names, dtype=object)})
    assert fit.criterion == pytest.approx(same.criterion, abs=1e-8)
    assert set(fit.design.factors[0].levels) == set(names)
    modes = fit.random_effects["f0:f1:f2:f3:f4:f5:f6:f7:f8"]["(Intercept)"]
    np.testing.assert_allclose(
        modes[names[:9]], same.random_effects["g"]["(Intercept)"][names[:9]], rtol=1e-6
    )


def test_new_data_find_their_levels() -> None:
    data = many_factors(10_000, 5, 40_000)
    design = build_design("y ~ 1 + (1 | f0:f1:f2:f3:f4)", data)
    factor = design.factors[0]
    at = np.array([7, 19_999, 3, 7])
    new = {f"f{i}": data[f"f{i}"][at].copy() for i in range(5)}
    # row 1: levels all known, their combination not; row 3: a level that is new
    new["f2"][1] = data["f2"][0]
    new["f4"][3] = 10_001
    found = new_rows(design, new)
    assert found.codes[0].tolist() == [factor.codes[7], -1, factor.codes[3], -1]
    strange = [":".join(str(new[f"f{i}"][row]) for i in range(5)) for row in (1, 3)]
    assert sorted(found.unseen[0]) == sorted(strange)
    assert [found.unseen[0][code] for code in found.unseen_codes[0][[1, 3]]] == strange
    assert found.unseen_codes[0][[0, 2]].tolist() == [-1, -1]


def test_a_part_of_the_rows_keeps_its_labels() -> None:
    data = many_factors(10_000, 5, 40_000)
    part = subset(build_design("y ~ 1 + (1 | f0:f1:f2:f3:f4)", data), np.arange(100))
    wanted = [":".join(str(data[f"f{i}"][row]) for i in range(5)) for row in range(100)]
    assert [part.factors[0].levels[code] for code in part.factors[0].codes] == wanted
    found = new_rows(part, {f"f{i}": data[f"f{i}"][[5, 200]] for i in range(5)})
    assert found.codes[0].tolist() == [part.factors[0].codes[5], -1]


def test_labels_of_combinations() -> None:
    texts = [("a", "b"), ("u", "v", "w")]
    assert combined_labels(np.array([[0, 2], [1, 0]], dtype=np.int32), texts) == ["a:w", "b:u"]
