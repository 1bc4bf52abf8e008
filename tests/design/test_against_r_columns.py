"""Columns, factors and order of terms are R's: with R's estimates they give R's fitted values."""

from __future__ import annotations

import numpy as np
import pytest

from mixwell.design.build import build_design
from mixwell.design.record import Design
from reference_cases import Case, cases, level_in_order, same_factor

# (f || g) of factors: every column is a term of its own here, lme4 keeps the columns of f together.
GROUPED_IN_LME4 = {"ratpup_doublebar_factor_reml"}
CASES = list(cases().values())


def design_of(case: Case) -> Design:
    return build_design(
        case.formula, case.frame, weights=case.weights, offset=case.offset, contrasts=case.contrasts
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_coefficient_names_are_r_s_in_r_s_order(case: Case) -> None:
    design = design_of(case)
    kept = [name for name in design.x_r_names if name not in case.results["dropped_columns"]]
    assert kept == list(case.results["fixef"])
    assert len(design.x_r_names) == len(kept) + len(case.results["dropped_columns"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_terms_are_in_lme4_s_order(case: Case) -> None:
    if case.id in GROUPED_IN_LME4:
        pytest.skip("(f || g) of a factor means one term per column here")
    design = design_of(case)
    names = [factor.name for factor in design.factors]
    expected = []
    for name in case.results["theta"]:
        group, columns = name.split(".", 1)
        expected.append((same_factor(group, names), columns))
    found = []
    for term in design.terms:
        for j, first in enumerate(term.names):
            found += [
                (names[term.factor], first if i == j else f"{term.names[i]}.{first}")
                for i in range(j, len(term.names))
            ]
    plain = [(group, text.replace("[", "").replace("]", "")) for group, text in found]
    assert plain == expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_r_s_estimates_give_r_s_fitted_values(case: Case) -> None:
    if case.id in GROUPED_IN_LME4:
        pytest.skip("(f || g) of a factor means one term per column here")
    design = design_of(case)
    fixef = case.results["fixef"]
    kept = [index for index, name in enumerate(design.x_r_names) if name in fixef]
    fitted = design.x[:, kept] @ np.array(list(fixef.values()))
    if design.offset is not None:
        fitted = fitted + design.offset
    names = [factor.name for factor in design.factors]
    for group, recorded in case.results["ranef"].items():
        if len(recorded["levels"]) < recorded["n_levels"]:
            pytest.skip("R's conditional modes are recorded in part only")
        index = names.index(same_factor(group, names))
        factor = design.factors[index]
        position = {
            level_in_order(level, group, factor.name): i for i, level in enumerate(recorded["levels"])
        }
        modes = np.array(recorded["values"])[[position[level] for level in factor.levels]]
        columns = [column for term in design.terms if term.factor == index for column in term.columns]
        for column, mode in zip(columns, modes.T, strict=True):
            fitted += column * mode[factor.codes]
    recorded = case.results["fitted"]
    assert len(fitted) == recorded["n"]
    np.testing.assert_allclose(fitted[:10], recorded["first10"], rtol=1e-9)
    np.testing.assert_allclose(fitted.sum(), recorded["sum"], rtol=1e-9)
    np.testing.assert_allclose((fitted**2).sum(), recorded["sumsq"], rtol=1e-9)
