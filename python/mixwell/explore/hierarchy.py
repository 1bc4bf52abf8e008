"""How grouping factors lie to one another, and what varies within them: arrays in, records out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixwell.data.columns import Factor
from mixwell.text import display_width, pad, shorten, wrap

IntArray = NDArray[np.int64]

RelationKind = Literal["nested", "identical", "crossed", "partly crossed"]

# Examples of offending values that are kept.
_EXAMPLES = 5


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
class Level:
    """A factor in the picture of the hierarchy.

    Attributes
    ----------
    factor
        The factor; combinations where labels are reused under an outer level.
    parent
        Index, among the levels of the picture, of the finest factor it is nested in; -1 at the top.
    rows
        Length q: rows of each level.
    """

    factor: Factor
    parent: int
    rows: IntArray


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


def parent_codes(inner: Factor, outer: Factor) -> IntArray:
    """The outer code of each inner level that occurs with one, inner levels in order."""
    known = (inner.codes >= 0) & (outer.codes >= 0)
    parents = np.full(len(inner.levels), -1, dtype=np.int64)
    parents[inner.codes[known]] = outer.codes[known]
    return parents[parents >= 0]


def level_rows(factor: Factor) -> IntArray:
    """Rows of each level."""
    known = factor.codes[factor.codes >= 0]
    return np.bincount(known, minlength=len(factor.levels)).astype(np.int64)


def forest(units: Sequence[Factor]) -> tuple[Level, ...]:
    """The factors as a forest, those with fewer levels first: outer before inner."""
    order = sorted(range(len(units)), key=lambda i: len(units[i].levels))
    levels: list[Level] = []
    for place, index in enumerate(order):
        parent = -1
        for other in range(place):
            pair = relation(units, order[other], index)
            if pair.kind in ("nested", "identical") and pair.outer == order[other]:
                parent = other
        levels.append(Level(units[index], parent, level_rows(units[index])))
    return tuple(levels)


def tree(hierarchy: Sequence[Level], n_rows: int) -> list[str]:
    """Lines of the forest; below, the rows, or how the trees cross."""
    tops = [i for i, level in enumerate(hierarchy) if level.parent < 0]
    names: list[str] = []
    notes: list[str] = []

    def add(index: int, lead: str, stem: str) -> None:
        level = hierarchy[index]
        names.append(lead + stem + level.factor.name)
        children = [i for i, other in enumerate(hierarchy) if other.parent == index]
        note = counted(len(level.factor.levels), "level")
        if level.parent >= 0:
            parent = hierarchy[level.parent].factor
            counts = np.bincount(parent_codes(level.factor, parent), minlength=len(parent.levels))
            note += f", {_range(counts)} per {parent.name}"
        notes.append(f"{note}, {_range(level.rows)} row{'' if level.rows.max() == 1 else 's'} each")
        deeper = lead + {"": "", "└─ ": "   ", "├─ ": "│  "}[stem]
        for child in children:
            add(child, deeper, "└─ " if child == children[-1] else "├─ ")
        if not children and len(tops) == 1:
            names.append(deeper + "└─ rows")
            notes.append(str(n_rows))

    for top in tops:
        add(top, "", "")
    for a, b in combinations(tops, 2):
        first, second = hierarchy[a].factor, hierarchy[b].factor
        _, _, rows = combinations_of(first, second)
        possible = len(first.levels) * len(second.levels)
        names.append(f"{first.name} × {second.name}")
        each = f"{_range(rows)} row{'' if rows.max() == 1 else 's'} each"
        notes.append(f"{len(rows)} of {possible} combinations, {each}")
    names = [shorten(name, 38) for name in names]
    width = max(map(display_width, names)) + 4
    lines = []
    for name, note in zip(names, notes, strict=True):
        lines += wrap(pad(name, width) + note, indent=" " * width)
    return lines


def counted(count: int, noun: str) -> str:
    """``"1 row"``, ``"3 rows"``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _range(counts: IntArray) -> str:
    low, high = int(counts.min()), int(counts.max())
    return str(low) if low == high else f"{low} to {high}"
