"""Random designs of every structure the kernel knows, made by hand from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

import oracle
from mixwell.design.record import Design, GroupingFactor, RandomTerm

FloatArray = NDArray[np.float64]

# structure -> number of grouping factors
STRUCTURES = {
    "one": 1,
    "crossed": 2,
    "nested": 2,
    "partly crossed": 2,
    "chain": 3,
    "three crossed": 3,
    "nested and crossed": 3,
    "two chains": 4,
}
THETAS = ("regular", "zero", "zero column", "zero diagonal", "one zero term", "tiny", "large")


def codes_of(structure: str, n: int, rng: np.random.Generator) -> list[NDArray[np.int32]]:
    """Codes of each factor, in no particular order of size; unbalanced, singleton levels likely."""

    def uneven(q: int) -> NDArray[np.int32]:
        share = rng.dirichlet(np.full(q, 0.8))
        codes = rng.choice(q, n, p=share)
        codes[:q] = rng.permutation(q)
        return codes.astype(np.int32)

    def above(codes: NDArray[np.int32], q: int) -> NDArray[np.int32]:
        parent = rng.integers(0, q, codes.max() + 1)
        parent[:q] = np.arange(q)
        return parent[codes].astype(np.int32)

    fine = uneven(max(4, n // 5))
    match structure:
        case "one":
            return [uneven(max(3, n // 6))]
        case "crossed":
            return [uneven(5), uneven(max(4, n // 7))]
        case "nested":
            return [above(fine, 4), fine]
        case "partly crossed":
            moved = above(fine, 4)
            some = rng.random(n) < 0.2
            moved[some] = rng.integers(0, 4, int(some.sum()))
            return [fine, moved]
        case "chain":
            middle = above(fine, 4)
            return [fine, above(middle, 2), middle]
        case "three crossed":
            return [uneven(4), uneven(6), uneven(3)]
        case "nested and crossed":
            return [above(fine, 4), uneven(5), fine]
        case "two chains":
            other = uneven(6)
            return [fine, other, above(other, 3), above(fine, 4)]
    raise AssertionError(structure)


def compact(codes: NDArray[np.int32]) -> tuple[NDArray[np.int32], int]:
    labels, inverse = np.unique(codes, return_inverse=True)
    return inverse.astype(np.int32), len(labels)


def factor_of(name: str, codes: NDArray[np.int32], n_levels: int) -> GroupingFactor:
    return GroupingFactor(name, np.array([f"{name}{i}" for i in range(n_levels)], dtype=object), codes)


def column(rng: np.random.Generator, n: int, index: int) -> FloatArray:
    """An intercept first; then numbers and indicators."""
    if index == 0:
        return np.ones(n)
    if index % 3 == 2:
        return (rng.random(n) < 0.4).astype(float)
    return rng.normal(0.5, 2.0, n)


def make(
    structure: str,
    widths: Sequence[Sequence[int]],
    *,
    n: int,
    p: int,
    weighted: bool = False,
    with_offset: bool = False,
    seed: int = 0,
) -> Design:
    """``widths`` holds per factor the number of columns of each of its terms."""
    rng = np.random.default_rng(seed)
    factors, terms = [], []
    for index, (codes, split) in enumerate(zip(codes_of(structure, n, rng), widths, strict=True)):
        factors.append(factor_of(f"f{index}", *compact(codes)))
        start = 0 if rng.random() < 0.8 else 1
        for width in split:
            names = tuple(f"z{j}" for j in range(start, start + width))
            columns = tuple(column(rng, n, j) for j in range(start, start + width))
            terms.append(RandomTerm(index, f"({' + '.join(names)} | f{index})", names, columns))
            start += width
    x = np.zeros((n, p), order="F")
    for j in range(p):
        x[:, j] = column(rng, n, j)
    weights = rng.uniform(0.2, 5.0, n) if weighted else None
    y = rng.normal(3.0, 1.0, n) / (np.sqrt(weights) if weights is not None else 1.0)
    y += x @ rng.normal(size=p)
    for term in terms:
        factor = factors[term.factor]
        for c in term.columns:
            y += rng.normal(0, rng.choice([0.0, 0.5, 2.0]), factor.n_levels)[factor.codes] * c
    return Design(
        formula="",
        response_name="y",
        y=y,
        x=x,
        x_names=tuple(f"x{j}" for j in range(p)),
        weights=weights,
        offset=rng.normal(size=n) if with_offset else None,
        factors=tuple(factors),
        terms=tuple(terms),
    )


def theta_of(design: Design, kind: str, seed: int = 0) -> FloatArray:
    """Entries of T of a kind of :data:`THETAS`, column-major, term by term."""
    rng = np.random.default_rng(seed)
    factors = oracle.relative_factors(design, rng.normal(size=oracle.n_theta(design)))
    for index, t in enumerate(factors):
        k = len(t)
        if kind == "zero" or (kind == "one zero term" and index == 0):
            t[:] = 0
        elif kind == "zero column":
            t[:, rng.integers(k)] = 0
        elif kind == "zero diagonal":
            t[rng.integers(k), :] *= rng.random() < 0.5
            j = rng.integers(k)
            t[j, j] = 0
        elif kind == "tiny":
            t *= 1e-7
        elif kind == "large":
            t *= 1e3
    return pack(factors)


def pack(factors: Sequence[FloatArray]) -> FloatArray:
    return np.array([t[r, c] for t in factors for c in range(len(t)) for r in range(c, len(t))])


def n_effective(design: Design, reml: bool) -> int:
    """N of the criterion; columns of X must be independent."""
    return design.n_obs - design.x.shape[1] if reml else design.n_obs


def with_levels(design: Design, index: int, codes: NDArray[np.int32], n_levels: int) -> Design:
    factors = list(design.factors)
    factors[index] = factor_of(factors[index].name, codes, n_levels)
    return replace(design, factors=tuple(factors))


@st.composite
def designs(draw: st.DrawFn, max_width: int = 5) -> Design:
    """One to four factors with one to three terms each, at most ``max_width`` columns per factor."""
    structure = draw(st.sampled_from(list(STRUCTURES)))
    splits = [[1], [2], [1, 1], [3], [2, 1], [4], [1, 2, 1], [5], [3, 2]]
    allowed = [s for s in splits if sum(s) <= max_width]
    widths = draw(
        st.lists(st.sampled_from(allowed), min_size=STRUCTURES[structure], max_size=STRUCTURES[structure])
    )
    return make(
        structure,
        widths,
        n=draw(st.integers(30, 70)),
        p=draw(st.integers(0, 4)),
        weighted=draw(st.booleans()),
        with_offset=draw(st.booleans()),
        seed=draw(st.integers(0, 2**31)),
    )
