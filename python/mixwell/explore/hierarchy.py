"""How grouping factors lie to one another, and what varies within them: arrays in, records out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixwell.data.columns import Column, Factor, Numbers, as_factor

IntArray = NDArray[np.int64]

RelationKind = Literal["nested", "identical", "crossed", "partly crossed"]
Slope = Literal["yes", "weak", "no"]

# Examples of offending values that are kept.
_EXAMPLES = 5
# A slope that only so few groups, or so small a part of them, tell about is called weak.
_FEW_GROUPS = 5
_SMALL_PART = 0.1
# Labels that count from the first on to different ends may be crossed, with gaps, if more combinations occur.
_MOSTLY_CROSSED = 0.75


@dataclass(frozen=True, slots=True)
class Relation:
    """How two factors lie to one another.

    Attributes
    ----------
    outer, inner
        Indices of the factor with fewer and with more levels; as listed if they have equally many.
    kind
        ``"nested"``: each inner level occurs with one outer level; ``"identical"``: and the other way round;
        ``"crossed"``: every combination occurs; ``"partly crossed"``: anything between.
    combinations
        How many combinations of levels occur.
    filled
        Their share of all combinations.
    children
        Per outer level, how many inner levels occur with it.
    strays
        Number of inner levels that occur with several outer levels.
    examples
        Offending values, the first few: strays with where they occur where they are the minority, else
        combinations that are empty where these are the minority, in words.
    """

    outer: int
    inner: int
    kind: RelationKind
    combinations: int
    filled: float
    children: IntArray
    strays: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reuse:
    """Inner labels used again under several outer levels for what may be different things.

    Attributes
    ----------
    outer, inner
        Indices of the factors.
    reused
        Number of inner labels under several outer levels.
    evidence
        What says that they are different things, one reason each; empty if they may as well be crossed.
    """

    outer: int
    inner: int
    reused: int
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variation:
    """Whether a covariate varies within the levels of a factor.

    Attributes
    ----------
    covariate
        Its name.
    factor
        Index of the factor.
    levels, varies_in
        Levels of the factor where the covariate is known, and in how many it has several values.
    within_share
        Sum of squares within levels over the total; None for categories and constants.
    slope, reason
        Whether its slope by level can be estimated beside an intercept, and why not.
    """

    covariate: str
    factor: int
    levels: int
    varies_in: int
    within_share: float | None
    slope: Slope
    reason: str


def combinations_of(a: Factor, b: Factor) -> tuple[IntArray, IntArray, IntArray]:
    """Codes of the combinations of two factors that occur, and in how many rows each does."""
    known = (a.codes >= 0) & (b.codes >= 0)
    keys = a.codes[known].astype(np.int64) * len(b.levels) + b.codes[known]
    distinct, rows = np.unique(keys, return_counts=True)
    first, second = np.divmod(distinct, len(b.levels))
    return first, second, rows.astype(np.int64)


def relation(factors: Sequence[Factor], first: int, second: int) -> Relation:
    """How two of the factors lie to one another.

    Examples
    --------
    >>> from mixwell.data.columns import factor_from_text
    >>> school = factor_from_text("school", np.array(list("aabb"), dtype=object))
    >>> child = factor_from_text("child", np.array(list("wxyy"), dtype=object))
    >>> relation([school, child], 0, 1).kind
    'nested'
    """
    outer, inner = first, second
    if len(factors[outer].levels) > len(factors[inner].levels):
        outer, inner = inner, outer
    a, b = factors[outer], factors[inner]
    outer_codes, inner_codes, _ = combinations_of(a, b)
    found, possible = len(outer_codes), len(a.levels) * len(b.levels)
    parents = np.bincount(inner_codes, minlength=len(b.levels))
    children = np.bincount(outer_codes, minlength=len(a.levels))
    strays = np.flatnonzero(parents > 1)
    kind: RelationKind = "partly crossed"
    if not len(strays):
        kind = "identical" if (children <= 1).all() else "nested"
    elif found == possible:
        kind = "crossed"
    examples: list[str] = []
    if kind == "partly crossed" and 2 * len(strays) <= len(b.levels):
        for code in strays[:_EXAMPLES].tolist():
            places = a.levels[outer_codes[inner_codes == code]].tolist()
            examples.append(f"{b.name} {b.levels[code]} in {a.name} {_enumerated(places)}")
    elif kind == "partly crossed" and 2 * found >= possible:
        occurs = np.zeros((len(a.levels), len(b.levels)), dtype=bool)
        occurs[outer_codes, inner_codes] = True
        examples = [
            f"{a.name} {a.levels[i]} without {b.name} {b.levels[j]}"
            for i, j in np.argwhere(~occurs)[:_EXAMPLES].tolist()
        ]
    return Relation(
        outer, inner, kind, found, found / possible, children.astype(np.int64), len(strays), tuple(examples)
    )


def _enumerated(texts: Sequence[str]) -> str:
    shown = ", ".join(map(str, texts[:3]))
    return f"{shown} ..." if len(texts) > 3 else shown


def reuse(factors: Sequence[Factor], outer: int, inner: int, others: Sequence[Column]) -> Reuse | None:
    """Whether labels of ``inner`` may stand for different things under several levels of ``outer``.

    None if nothing says so: neither a sign, nor labels that are the same first few in each outer level.
    ``others`` are the remaining columns of the data. Three signs say that equal labels are different things:
    labels that count from the first on within each outer level, to different ends; a column that has one
    value per combination of the two; a column constant within the combinations, but not within either factor.
    Signs count only where most combinations have several rows; the first, where a quarter of them is empty.
    """
    a, b = factors[outer], factors[inner]
    outer_codes, inner_codes, rows = combinations_of(a, b)
    parents = np.bincount(inner_codes, minlength=len(b.levels))
    reused = int((parents > 1).sum())
    if not reused or (np.bincount(outer_codes, minlength=len(a.levels)) <= 1).all():
        return None
    evidence: list[str] = []
    counts = np.bincount(outer_codes, minlength=len(a.levels))
    counts = counts[counts > 0]
    rank = _numeric_rank(b)
    highest = np.zeros(len(a.levels), dtype=np.int64)
    np.maximum.at(highest, outer_codes, rank[inner_codes])
    restarts = (highest[np.unique(outer_codes)] + 1 == counts).all()
    repeated = 2 * int((rows > 1).sum()) >= len(rows)
    gaps = len(rows) <= _MOSTLY_CROSSED * len(a.levels) * len(b.levels)
    if restarts and repeated and gaps:
        evidence.append(f"{b.name} counts from {b.levels[rank == 0][0]} in each {a.name}, to different ends")
    known = (a.codes >= 0) & (b.codes >= 0)
    both = a.codes.astype(np.int64) * len(b.levels) + b.codes
    for column in others if repeated else ():
        c = as_factor(column)
        use = known & (c.codes >= 0)
        q = len(c.levels)
        per_pair = len(np.unique(both[use] * q + c.codes[use]))
        if per_pair != len(np.unique(both[use])):
            continue
        if q == per_pair and q > max(len(a.levels), len(b.levels)):
            evidence.append(f"{c.name} has one value per combination of {a.name} and {b.name}")
        elif len(np.unique(a.codes[use].astype(np.int64) * q + c.codes[use])) > len(a.levels) and len(
            np.unique(b.codes[use].astype(np.int64) * q + c.codes[use])
        ) > len(b.levels):
            evidence.append(
                f"{c.name} is constant within combinations of {a.name} and {b.name}, within neither"
            )
    if not evidence and not (restarts and repeated):
        return None
    return Reuse(outer, inner, reused, tuple(evidence))


def _numeric_rank(factor: Factor) -> IntArray:
    """Rank of each level, by number where all labels are numbers."""
    try:
        order = np.argsort(factor.levels.astype(float), kind="stable")
    except ValueError:
        order = np.arange(len(factor.levels))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank


def variation(column: Column, factor: Factor, index: int) -> Variation:
    """Whether a covariate varies within the levels of a factor, and a slope by level could be estimated.

    Beside an intercept a number takes 2 effects per level, categories one per category. As for fitting, the
    effects must be fewer than the rows; and some level must hold more rows than its own values use up.
    """
    values = as_factor(column)
    use = (values.codes >= 0) & (factor.codes >= 0)
    groups, group = np.unique(factor.codes[use], return_inverse=True)
    n, q, kinds = int(use.sum()), len(groups), len(values.levels)
    keys = np.unique(group.astype(np.int64) * max(kinds, 1) + values.codes[use])
    distinct = np.bincount(keys // max(kinds, 1), minlength=q)
    varies = int((distinct > 1).sum())
    numeric = isinstance(column, Numbers)
    k = min(2, kinds) if numeric else kinds
    spare = int((np.bincount(group, minlength=q) - np.minimum(distinct, k)).sum())
    slope: Slope = "yes"
    reason = ""
    if kinds < 2:
        slope, reason = "no", "constant in all rows"
    elif not varies:
        slope, reason = "no", f"constant within every {factor.name}"
    elif q * k >= n:
        slope, reason = "no", f"{q * k} effects ({q} levels x {k}) for {n} rows"
    elif spare <= 0:
        slope, reason = "no", f"no {factor.name} has more rows than a line of its own takes up"
    elif varies < max(_FEW_GROUPS, _SMALL_PART * q) and varies < q:
        slope, reason = "weak", f"varies in only {varies} of {q} levels"
    share = _within_share(column, use, group, q) if isinstance(column, Numbers) and kinds > 1 else None
    return Variation(column.name, index, q, varies, share, slope, reason)


def _within_share(column: Numbers, use: NDArray[np.bool_], group: NDArray[np.intp], q: int) -> float:
    x = column.floats()[use]
    x = x - x.mean()
    means = np.bincount(group, weights=x, minlength=q) / np.bincount(group, minlength=q)
    return float(((x - means[group]) ** 2).sum() / (x @ x))


def combined(outer: Factor, inner: Factor) -> Factor:
    """The combinations of two factors as one, ``outer:inner``."""
    known = (outer.codes >= 0) & (inner.codes >= 0)
    keys = outer.codes.astype(np.int64) * len(inner.levels) + inner.codes
    distinct, codes = np.unique(keys[known], return_inverse=True)
    every = np.full(len(keys), -1, dtype=np.int32)
    every[known] = codes
    a, b = np.divmod(distinct, len(inner.levels))
    levels = np.array(
        [f"{outer.levels[i]}:{inner.levels[j]}" for i, j in zip(a, b, strict=True)], dtype=object
    )
    return Factor(f"{outer.name}:{inner.name}", every, levels, None if known.all() else ~known)


def parent_codes(inner: Factor, outer: Factor) -> IntArray:
    """The outer code of each inner level that occurs with one, inner levels in order."""
    known = (inner.codes >= 0) & (outer.codes >= 0)
    _, first = np.unique(inner.codes[known], return_index=True)
    return outer.codes[known][first].astype(np.int64)
