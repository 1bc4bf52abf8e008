"""Labels that are used again under several outer levels, for different things: implicit nesting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixwell.data.columns import Factor, combined
from mixwell.explore.coded import Coded, distinct
from mixwell.explore.hierarchy import combinations_of

IntArray = NDArray[np.int64]

# Labels that count from the first on to different ends may be crossed, with gaps, if more combinations occur.
_MOSTLY_CROSSED = 0.75
# They count from the first on in at least this part of the outer levels: some rows are always lost.
_MOSTLY_COUNTED = 0.9


@dataclass(frozen=True, slots=True)
class Reuse:
    """Inner labels used again under several outer levels for what may be different things.

    Attributes
    ----------
    outer, inner
        Indices of the factors. The outer one is itself read within its own outer factor, if it has one.
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
class Nesting:
    """The factors as they are to be read.

    Attributes
    ----------
    units
        The factors as listed; combinations with the outer factor where labels are reused.
    parts
        Per factor, indices of the factors whose combinations it is: itself alone, or outer ones before it.
    reused
        Labels used again, with evidence or without.
    """

    units: tuple[Factor, ...]
    parts: tuple[tuple[int, ...], ...]
    reused: tuple[Reuse, ...]

    @property
    def settled(self) -> tuple[Reuse, ...]:
        """Those with evidence, by which the units are made."""
        return tuple(found for found in self.reused if found.evidence)


def nesting(factors: Sequence[Factor], others: Sequence[Coded]) -> Nesting:
    """Read each factor within the finest one listed before it that its labels are reused under.

    Parameters
    ----------
    factors
        Outermost first.
    others
        The remaining columns of the data.
    """
    units: list[Factor] = []
    parts: list[tuple[int, ...]] = []
    reused: list[Reuse] = []
    for inner, factor in enumerate(factors):
        finest_first = sorted(range(inner), key=lambda i: -len(units[i].levels))
        found = [
            again
            for outer in finest_first
            if (again := reuse(units[outer], factor, outer, inner, others)) is not None
        ]
        chosen = next((again for again in found if again.evidence), None)
        if chosen is not None:
            reused.append(chosen)
            units.append(combined(units[chosen.outer], factor))
            parts.append((*parts[chosen.outer], inner))
        else:
            reused += found
            units.append(factor)
            parts.append((inner,))
    return Nesting(tuple(units), tuple(parts), tuple(reused))


def reuse(a: Factor, b: Factor, outer: int, inner: int, others: Sequence[Coded]) -> Reuse | None:
    """Whether labels of the inner factor ``b`` may stand for different things under several levels of ``a``.

    None if nothing says so: neither a sign, nor labels that are the same first few in each outer level.
    Three signs say that equal labels are different things: labels that count from the first on within the
    outer levels, to different ends; a column that has one value per combination of the two; a column constant
    within the combinations, but not within either factor. Signs count only where most combinations have
    several rows; the first, where a quarter of them is empty.
    """
    outer_codes, inner_codes, rows = combinations_of(a, b)
    parents = np.bincount(inner_codes, minlength=len(b.levels))
    counts = np.bincount(outer_codes, minlength=len(a.levels))
    reused = int((parents > 1).sum())
    if not reused or (counts <= 1).all():
        return None
    evidence: list[str] = []
    rank = _numeric_rank(b)
    highest = np.zeros(len(a.levels), dtype=np.int64)
    np.maximum.at(highest, outer_codes, rank[inner_codes])
    counted = float((highest + 1 == counts)[counts > 0].mean())
    repeated = 2 * int((rows > 1).sum()) >= len(rows)
    gaps = len(rows) <= _MOSTLY_CROSSED * len(a.levels) * len(b.levels)
    restarts = counted >= _MOSTLY_COUNTED and repeated
    if restarts and gaps:
        where = f"each {a.name}" if counted == 1 else f"nearly every {a.name}"
        evidence.append(f"{b.name} counts from {b.levels[rank == 0][0]} in {where}, to different ends")
    known = (a.codes >= 0) & (b.codes >= 0)
    both = a.codes.astype(np.int64) * len(b.levels) + b.codes
    for column in others if repeated else ():
        use = known & (column.codes >= 0)
        c, q = column.codes[use], column.kinds
        per_pair = len(distinct(both[use] * q + c))
        if per_pair != len(distinct(both[use])):
            continue
        if q == per_pair and q > max(len(a.levels), len(b.levels)):
            evidence.append(f"{column.name} has one value per combination of {a.name} and {b.name}")
        elif all(len(distinct(f.codes[use] * np.int64(q) + c)) > len(f.levels) for f in (a, b)):
            evidence.append(
                f"{column.name} is constant within combinations of {a.name} and {b.name}, within neither"
            )
    if not evidence and not restarts:
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
