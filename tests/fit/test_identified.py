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
import oracle
import random_designs
from mixwell import kernel
from mixwell.design.build import build_design
from mixwell.design.record import Design
from mixwell.errors import DataError, ModelError, UnidentifiedWarning

FloatArray = NDArray[np.float64]

pytestmark = [
    pytest.mark.filterwarnings("ignore::mixwell.errors.SingularFitWarning"),
    pytest.mark.filterwarnings("ignore::mixwell.errors.UnidentifiedWarning"),
]


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
    """A model that is not identified, the words its error must hold, and its neighbour that is.

    ``absorbed``: maximum likelihood has an optimum, zero for the variance that the fixed effects take up.
    ``split``: the covariance of the response is the same for all the values that are not told apart.
    """

    formula: str
    words: tuple[str, ...]
    twin: str
    absorbed: bool = False
    split: bool = False
    litters: tuple[int, int] = (2, 6)
    size: int | None = None
    twin_size: int | None = None


KINDS = {
    "a factor fixed and random": Kind(
        "weight ~ treatment + (1 | treatment)",
        ("(1 | treatment)", "'treatment'", "Leave out (1 | treatment)"),
        "weight ~ 1 + (1 | treatment)",
        absorbed=True,
    ),
    "fixed, and the outer of two nested": Kind(
        "weight ~ treatment + sex + (1 | treatment/litter)",
        ("variance of (1 | treatment)", "Leave out (1 | treatment)"),
        "weight ~ treatment + sex + (1 | treatment:litter)",
        absorbed=True,
    ),
    "fixed, and one of two written apart": Kind(
        "weight ~ sex * treatment + (1 | treatment) + (1 | litter)",
        ("variance of (1 | treatment)",),
        "weight ~ sex * treatment + (1 | litter)",
        absorbed=True,
    ),
    "the fixed factor's intercept in a term with a slope": Kind(
        "weight ~ treatment + age + (age | treatment)",
        ("'(Intercept)' in (age | treatment)", "'treatment'"),
        "weight ~ treatment + age + (0 + age | treatment)",
        absorbed=True,
    ),
    "intercepts and slopes of every level fixed": Kind(
        "weight ~ litter * age + (age | litter)",
        ("(age | litter)", "'litter:age'"),
        "weight ~ age + (age | litter)",
        absorbed=True,
    ),
    "one group per treatment": Kind(
        "weight ~ treatment + sex + (1 | litter)",
        ("variance of (1 | litter)", "'treatment'"),
        "weight ~ sex + (1 | litter)",
        litters=(1, 2),
        absorbed=True,
    ),
    "fixed interaction as a grouping": Kind(
        "weight ~ treatment * sex + (1 | treatment:sex) + (1 | litter)",
        ("(1 | treatment:sex)", "'treatment:sex'"),
        "weight ~ treatment + sex + (1 | treatment:sex) + (1 | litter)",
        absorbed=True,
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
        split=True,
    ),
    "one grouping under two names, with slopes": Kind(
        "weight ~ sex + (female | litter) + (1 | dam)",
        ("(female | litter)", "(1 | dam)", "Leave out (1 | dam)"),
        "weight ~ sex + (female | litter) + (1 | sire)",
        split=True,
    ),
    "an interaction one-to-one with its inner factor": Kind(
        "weight ~ sex + (1 | litter) + (1 | treatment:litter)",
        ("(1 | litter)", "(1 | treatment:litter)", "exactly as"),
        "weight ~ sex + (1 | treatment) + (1 | treatment:litter)",
        split=True,
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


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if not kind.split])
def test_what_is_not_identified_is_refused_by_name(name: str) -> None:
    kind = KINDS[name]
    for seed in range(40):
        data = pups(np.random.default_rng(seed), litters=kind.litters, size=kind.size)
        with pytest.raises(ModelError) as raised:
            mw.lmer(kind.formula, data, reml=kind.absorbed or seed % 2 == 0)
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


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.absorbed])
def test_maximum_likelihood_says_that_the_design_alone_settles_the_variance(name: str) -> None:
    """Its criterion rises with this variance, whatever the response: zero is the optimum."""
    kind = KINDS[name]
    for seed in range(2):
        data = pups(np.random.default_rng(seed), litters=kind.litters, size=kind.size)
        with pytest.warns(UnidentifiedWarning, match=re.escape(kind.words[0].removeprefix("variance of "))):
            fit = mw.lmer(kind.formula, data, reml=False)
        assert (fit.convergence.converged, fit.convergence.identified) == (True, False)
        assert "certified" not in str(fit.summary()) + fit.convergence.explain()
    not_certified(fit)


def aliased(rng: np.random.Generator) -> pd.DataFrame:
    """Two predictors that are the same, or opposites, within each subject: a counterbalanced design."""
    data = pd.DataFrame([(s, i) for s in range(36) for i in range(24)], columns=["subject", "item"])
    data["first"], data["second"] = (
        (data["subject"] + data["item"]) % 2,
        (data["subject"] // 2 + data["item"]) % 2,
    )
    u = rng.normal(size=(36, 2))
    data["y"] = u[data["subject"], 0] + u[data["subject"], 1] * data["first"] + rng.normal(size=len(data))
    return data


SPLIT = {
    **{
        name: (kind.formula, lambda rng, kind=kind: pups(rng, litters=kind.litters, size=kind.size))
        for name, kind in KINDS.items()
        if kind.split
    },
    "aliased within each level": ("y ~ first + second + (first + second | subject)", aliased),
}


@pytest.mark.parametrize("name", SPLIT)
def test_how_a_covariance_is_split_does_not_matter_to_the_fixed_effects(name: str) -> None:
    """From any start the same criterion and standard errors; the split is said to be one of many."""
    formula, make = SPLIT[name]
    for seed in range(3):
        data = make(np.random.default_rng(seed))
        with pytest.warns(UnidentifiedWarning, match="one of many"):
            fit = mw.lmer(formula, data)
        not_certified(fit)
        for size in (0.1, 3.0):
            theta = np.array([size if v else 0.0 for v in unit_theta(fit)])
            other = mw.lmer(formula, data, start=theta)
            assert other.criterion == pytest.approx(fit.criterion, abs=1e-6)
            np.testing.assert_allclose(other.bse, fit.bse, rtol=1e-4)


def unit_theta(fit: mw.LmerResult) -> list[bool]:
    """Which entries of theta are diagonal."""
    return [
        row == col
        for term in fit.design.terms
        for col in range(len(term.names))
        for row in range(col, len(term.names))
    ]


CLASSIC = [
    ("Reaction ~ Subject + Days + (1 | Subject)", mw.datasets.load_sleepstudy, "Leave out (1 | Subject)"),
    ("Reaction ~ Subject + Days + (Days | Subject)", mw.datasets.load_sleepstudy, "'(Intercept)' in"),
    ("score ~ Machine + (1 | Worker*Machine)", mw.datasets.load_machines, "Leave out (1 | Machine)"),
    ("weight ~ Treatment + (1 | Treatment/Litter)", mw.datasets.load_ratpups, "Leave out (1 | Treatment)"),
    ("weight ~ Treatment + sex + (1 + sex | Treatment)", mw.datasets.load_ratpups, "'(Intercept)' in"),
]


@pytest.mark.parametrize(("formula", "load", "words"), CLASSIC)
def test_classic_data_with_a_factor_fixed_and_random(
    formula: str, load: Callable[[], pd.DataFrame], words: str
) -> None:
    with pytest.raises(ModelError, match=re.escape(words)):
        mw.lmer(formula, load())


def not_certified(fit: mw.LmerResult) -> None:
    """Nothing that is printed of a fit calls it certified."""
    told = [
        fit.convergence.explain(),
        fit.summary(),
        fit.summary()._repr_html_(),
        repr(fit.convergence),
        fit.check(),
        mw.table(fit),
    ]
    for lang in ("en", "zh"):
        told.append(fit.report(lang=lang))
    for text in map(str, told):
        assert not re.search("certified|通过验证", text), text


@pytest.mark.parametrize(
    ("formula", "load", "same", "held"),
    [
        (
            "weight ~ Treatment + (1 | Treatment/Litter)",
            mw.datasets.load_ratpups,
            "weight ~ Treatment + (1 | Treatment:Litter)",
            "Held at zero: (1 | Treatment), which 'Treatment' in the fixed part takes up",
        ),
        (
            "Reaction ~ Subject + Days + (Days | Subject)",
            mw.datasets.load_sleepstudy,
            "Reaction ~ Subject + Days + (0 + Days | Subject)",
            "Held at zero: '(Intercept)' in (Days | Subject)",
        ),
        (
            "score ~ Machine + (1 | Worker*Machine)",
            mw.datasets.load_machines,
            "score ~ Machine + (1 | Worker) + (1 | Worker:Machine)",
            "Held at zero: (1 | Machine)",
        ),
    ],
)
@pytest.mark.parametrize("reml", [True, False])
def test_what_is_not_identified_can_be_held_at_zero(
    formula: str, load: Callable[[], pd.DataFrame], same: str, held: str, reml: bool
) -> None:
    data = load()
    with pytest.warns(UnidentifiedWarning, match=re.escape(held)):
        fit = mw.lmer(formula, data, reml=reml, control=mw.Control(unidentified="hold"))
    other = mw.lmer(same, data, reml=reml)
    assert fit.criterion == pytest.approx(other.criterion, rel=0, abs=1e-9)
    np.testing.assert_allclose(fit.bse, other.bse, rtol=1e-6)
    assert held in " ".join(str(fit.summary()).split())
    not_certified(fit)
    np.testing.assert_allclose(fit.predict(data.head(5)), other.predict(data.head(5)), rtol=1e-6)


def test_nothing_is_held_where_no_random_effect_would_be_left() -> None:
    data = mw.datasets.load_sleepstudy()
    with pytest.raises(ModelError, match="ordinary linear model"):
        mw.lmer("Reaction ~ Subject + Days + (1 | Subject)", data, control=mw.Control(unidentified="hold"))
    with pytest.raises(DataError, match="'refuse' and 'hold'"):
        mw.Control(unidentified="drop")  # type: ignore[arg-type]
    asked = mw.lmer("Reaction ~ Days + (1 | Subject)", data, control=mw.Control(unidentified="hold"))
    assert asked.convergence.identified


@pytest.mark.parametrize("reml", [True, False])
def test_variances_that_the_data_hardly_tell_apart_are_not_certified(reml: bool) -> None:
    """A predictor that is almost constant: its slope is another intercept."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(30), 8)
    c = rng.normal(size=240)
    data = pd.DataFrame({"g": g, "c": c, "x": 1 + 1e-5 * c})
    data["y"] = rng.normal(size=30)[g] + rng.normal(size=240)
    formula = "y ~ 1 + (1 | g) + (0 + x | g)"
    with pytest.warns(UnidentifiedWarning, match="hardly tell"):
        fit = mw.lmer(formula, data, reml=reml)
    assert (fit.convergence.converged, fit.convergence.identified) == (True, False)
    not_certified(fit)
    total = float(np.sum(fit.fit.theta**2))
    for share in (0.0, 0.5, 1.0):
        theta = np.sqrt([share * total, (1 - share) * total])
        assert oracle.criterion(fit.design, theta, reml=reml) == pytest.approx(fit.criterion, abs=1e-3)
    apart = mw.lmer("y ~ 1 + (1 | g) + (0 + c | g)", data, reml=reml)
    assert apart.convergence.identified
    assert "certified" in str(apart.summary())


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
        assert len(kernel.unidentified(design, at, off_fixed=True).directions) == parameters - rank, seed
        answers.add(parameters == rank)
    assert answers == {True, False}


def test_directions_leave_the_covariance_off_x_as_it_is() -> None:
    """A change of the parameters along a direction changes nothing in M V M."""
    data = pups(np.random.default_rng(3))
    data["age"] += 1000
    formula = "weight ~ treatment + age + (age | treatment) + (1 | litter) + (age | dam)"
    design = build_design(formula, data)
    found = kernel.unidentified(design, kernel.problem(design), off_fixed=True)
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
        assert (
            len(kernel.unidentified(design, kernel.problem(design), off_fixed=True).directions) == expected
        ), formula
