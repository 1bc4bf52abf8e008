"""What the data cannot identify is refused before any search, by name; what they can is fitted."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import mixwell as mw
import random_designs
from mixwell import kernel
from mixwell.design.build import build_design
from mixwell.design.record import Design
from mixwell.errors import ModelError

FloatArray = NDArray[np.float64]

pytestmark = pytest.mark.filterwarnings("ignore::mixwell.errors.SingularFitWarning")


def pups(
    rng: np.random.Generator, *, litters: tuple[int, int] = (2, 6), size: int | None = None
) -> pd.DataFrame:
    """Litters within treatments, pups within litters, uneven unless ``size`` fixes the litters'."""
    rows = []
    for treatment in "ABCD"[: rng.integers(3, 5)]:
        for number in range(rng.integers(*litters)):
            pups_here = size if size is not None else int(rng.integers(4, 9))
            for pup in range(pups_here):
                rows.append((treatment, f"{treatment}{number}", "FM"[pup % 2], pup))
    data = pd.DataFrame(rows, columns=["treatment", "litter", "sex", "pup"])
    n = len(data)
    data["dam"] = "dam of " + data["litter"]
    data["sire"] = rng.permutation(np.arange(n) % 5).astype(str)
    data["age"] = rng.normal(20, 2, n)
    data["female"] = (data["sex"] == "F").astype(float)
    shift = pd.Series(rng.normal(size=data["litter"].nunique()), index=data["litter"].unique())
    data["weight"] = 6 + data["female"] + shift[data["litter"]].to_numpy() + rng.normal(size=n)
    return data


@dataclass(frozen=True)
class Kind:
    """A model that is not identified, the words its error must hold, and its neighbour that is."""

    formula: str
    words: tuple[str, ...]
    twin: str
    litters: tuple[int, int] = (2, 6)
    size: int | None = None
    twin_size: int | None = None


KINDS = {
    "a factor fixed and random": Kind(
        "weight ~ treatment + (1 | treatment)",
        ("(1 | treatment)", "'treatment'", "Leave out (1 | treatment)"),
        "weight ~ 1 + (1 | treatment)",
    ),
    "fixed, and the outer of two nested": Kind(
        "weight ~ treatment + sex + (1 | treatment/litter)",
        ("variance of (1 | treatment)", "Leave out (1 | treatment)"),
        "weight ~ treatment + sex + (1 | treatment:litter)",
    ),
    "fixed, and one of two written apart": Kind(
        "weight ~ sex * treatment + (1 | treatment) + (1 | litter)",
        ("variance of (1 | treatment)",),
        "weight ~ sex * treatment + (1 | litter)",
    ),
    "the fixed factor's intercept in a term with a slope": Kind(
        "weight ~ treatment + age + (age | treatment)",
        ("'(Intercept)' in (age | treatment)", "'treatment'"),
        "weight ~ treatment + age + (0 + age | treatment)",
    ),
    "intercepts and slopes of every level fixed": Kind(
        "weight ~ litter * age + (age | litter)",
        ("(age | litter)", "'litter:age'"),
        "weight ~ age + (age | litter)",
    ),
    "one group per treatment": Kind(
        "weight ~ treatment + sex + (1 | litter)",
        ("variance of (1 | litter)", "'treatment'"),
        "weight ~ sex + (1 | litter)",
        litters=(1, 2),
    ),
    "fixed interaction as a grouping": Kind(
        "weight ~ treatment * sex + (1 | treatment:sex) + (1 | litter)",
        ("(1 | treatment:sex)", "'treatment:sex'"),
        "weight ~ treatment + sex + (1 | treatment:sex) + (1 | litter)",
    ),
    "a predictor that is constant within levels": Kind(
        "weight ~ treatment + (treatment | litter)",
        ("(treatment | litter)", "within the levels of litter"),
        "weight ~ treatment + (sex | litter)",
    ),
    "covariances of effects that never meet": Kind(
        "weight ~ treatment + (0 + treatment | litter)",
        ("covariances of", "(0 + treatment | litter)", "Write ||"),
        "weight ~ treatment + (0 + treatment || litter)",
    ),
    "one grouping under two names": Kind(
        "weight ~ treatment + (1 | litter) + (1 | dam)",
        ("(1 | litter)", "(1 | dam)", "exactly as", "Leave out (1 | dam)"),
        "weight ~ treatment + (1 | litter) + (1 | sire)",
    ),
    "one grouping under two names, with slopes": Kind(
        "weight ~ sex + (female | litter) + (1 | dam)",
        ("(female | litter)", "(1 | dam)", "Leave out (1 | dam)"),
        "weight ~ sex + (female | litter) + (1 | sire)",
    ),
    "an interaction one-to-one with its inner factor": Kind(
        "weight ~ sex + (1 | litter) + (1 | treatment:litter)",
        ("(1 | litter)", "(1 | treatment:litter)", "exactly as"),
        "weight ~ sex + (1 | treatment) + (1 | treatment:litter)",
    ),
    "an intercept that indicators make again": Kind(
        "weight ~ sex + (1 | litter) + (0 + sex | litter)",
        ("(1 | litter)", "(0 + sex | litter)", "Leave out (1 | litter)"),
        "weight ~ sex + (0 + sex | litter)",
    ),
    "indicators of single rows": Kind(
        "weight ~ treatment + (0 + sex || litter)",
        ("(0 + sex[F] | litter)", "(0 + sex[M] | litter)", "residual variance"),
        "weight ~ treatment + (0 + sex || litter)",
        size=2,
        twin_size=4,
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_what_is_not_identified_is_refused_by_name(name: str) -> None:
    kind = KINDS[name]
    for seed in range(40):
        data = pups(np.random.default_rng(seed), litters=kind.litters, size=kind.size)
        with pytest.raises(ModelError) as raised:
            mw.lmer(kind.formula, data, reml=seed % 2 == 0)
        message = str(raised.value)
        assert all(word in message for word in kind.words), message
        assert "double precision" not in message


@pytest.mark.parametrize("name", KINDS)
def test_the_neighbour_that_is_identified_is_fitted(name: str) -> None:
    kind = KINDS[name]
    for seed in range(6):
        litters = (3, 6) if kind.litters == (1, 2) else kind.litters
        data = pups(np.random.default_rng(seed), litters=litters, size=kind.twin_size)
        fit = mw.lmer(kind.twin, data, reml=seed % 2 == 0)
        assert fit.convergence.converged, fit.convergence.explain()


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize(
    ("formula", "load", "words"),
    [
        ("Reaction ~ Subject + Days + (1 | Subject)", mw.datasets.load_sleepstudy, "Leave out (1 | Subject)"),
        ("Reaction ~ Subject + Days + (Days | Subject)", mw.datasets.load_sleepstudy, "'(Intercept)' in"),
        ("score ~ Machine + (1 | Worker*Machine)", mw.datasets.load_machines, "Leave out (1 | Machine)"),
        ("weight ~ Treatment + sex + (1 + sex | Treatment)", mw.datasets.load_ratpups, "'(Intercept)' in"),
    ],
)
def test_classic_data_with_a_factor_fixed_and_random(
    formula: str, load: Callable[[], pd.DataFrame], words: str, reml: bool
) -> None:
    with pytest.raises(ModelError, match=re.escape(words)):
        mw.lmer(formula, load(), reml=reml)


def dense_rank(design: Design) -> tuple[int, int]:
    """(number of covariance parameters with the residual's, rank of their matrices off X), by n x n matrices.

    Columns of each term are made orthonormal; each matrix is divided by the size it had before projection.
    """
    n = design.n_obs
    root = np.ones(n) if design.weights is None else np.sqrt(design.weights)
    x = design.x * root[:, None]
    u, s, _ = np.linalg.svd(x / np.linalg.norm(x, axis=0)) if x.shape[1] else (np.eye(n), np.zeros(0), None)
    left = u[:, int(np.sum(s > 1e-8)) :]
    matrices: list[FloatArray] = [np.eye(left.shape[1]).ravel() / np.sqrt(left.shape[1])]
    for term in design.terms:
        factor = design.factors[term.factor]
        z = np.linalg.qr(np.column_stack(term.columns) * root[:, None])[0]
        levels = factor.codes[:, None] == np.arange(factor.n_levels)
        blocks = [left.T @ (column[:, None] * levels) for column in z.T]
        sizes = [np.linalg.norm(np.bincount(factor.codes, column**2)) for column in z.T]
        for c, one in enumerate(blocks):
            for r, other in list(enumerate(blocks))[c:]:
                change = one @ other.T
                whole = change if r == c else change + change.T
                matrices.append(whole.ravel() / np.sqrt(sizes[r] * sizes[c]))
    return len(matrices), int(np.linalg.matrix_rank(np.array(matrices), tol=1e-9))


@pytest.mark.parametrize("structure", random_designs.STRUCTURES)
def test_the_decision_is_that_of_dense_matrices(structure: str) -> None:
    """Small designs with many parameters, so that both answers occur."""
    answers = set()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        widths = [
            [int(w) for w in rng.integers(1, 4, rng.integers(1, 3))]
            for _ in range(random_designs.STRUCTURES[structure])
        ]
        n = int(rng.integers(14, 40))
        design = random_designs.make(structure, widths, n=n, p=seed % 5, weighted=seed % 3 == 0, seed=seed)
        if seed % 4 == 0 and n > 30:
            codes = design.factors[0].codes
            design = replace(design, x=np.asfortranarray(np.eye(codes.max() + 1)[codes]))
        try:
            at = kernel.problem(design)
        except ModelError:
            continue
        parameters, rank = dense_rank(design)
        assert len(kernel.unidentified(design, at).directions) == parameters - rank, seed
        answers.add(parameters == rank)
    assert answers == {True, False}


def test_directions_leave_the_covariance_off_x_as_it_is() -> None:
    """A change of the parameters along a direction changes nothing in M V M."""
    data = pups(np.random.default_rng(3))
    data["age"] += 1000
    formula = "weight ~ treatment + age + (age | treatment) + (1 | litter) + (age | dam)"
    design = build_design(formula, data)
    found = kernel.unidentified(design, kernel.problem(design))
    q, _ = np.linalg.qr(design.x)
    project = np.eye(design.n_obs) - q @ q.T
    assert len(found.directions) == 3
    for direction in found.directions:
        total, size, at = direction[-1] * project, 0.0, 0
        for term in design.terms:
            factor = design.factors[term.factor]
            same = factor.codes[:, None] == factor.codes
            for c, one in enumerate(term.columns):
                for r, other in list(enumerate(term.columns))[c:]:
                    change = np.outer(one, other) * same
                    part = direction[at] * (change if r == c else change + change.T)
                    total = total + project @ part @ project
                    size = max(size, float(np.linalg.norm(part)))
                    at += 1
        assert np.linalg.norm(total) < 1e-9 * size


@pytest.mark.parametrize("shuffled", [False, True])
def test_large_data_are_decided_alike(shuffled: bool) -> None:
    """Parts of the rows prove independence; dependence needs them all."""
    rng = np.random.default_rng(0)
    n = 40_000
    pupil = np.repeat(np.arange(8000), 5)
    data = pd.DataFrame(
        {"pupil": pupil, "class": pupil // 20, "school": pupil // 200, "age": rng.normal(size=n)}
    )
    data["y"] = rng.normal(size=n) + rng.normal(size=8000)[pupil]
    data["again"] = rng.permutation(8000)[pupil]
    if shuffled:
        data = data.sample(frac=1, random_state=1)
    for formula, expected in [
        ("y ~ age + (age | pupil) + (1 | class) + (1 | school)", 0),
        ("y ~ age + (1 | pupil) + (1 | again) + (1 | school)", 1),
        ("y ~ factor(school) + age + (1 | pupil) + (1 | school)", 1),
    ]:
        design = build_design(formula, data)
        assert len(kernel.unidentified(design, kernel.problem(design)).directions) == expected, formula
