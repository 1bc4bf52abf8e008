"""What in the structure of the data deserves attention, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixwell.data.columns import Column, Factor, label, labels
from mixwell.data.instants import Instants, time_texts
from mixwell.explore.coded import coded
from mixwell.explore.hierarchy import Relation, counted, level_rows
from mixwell.explore.implicit import Nesting, Reuse
from mixwell.explore.suggest import FEW_LEVELS, one_each, path
from mixwell.explore.variation import Variation
from mixwell.formula.tokens import quoted

_MOST_LISTED = 12
_MOST_SENTENCES = 5


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Combinations of a unit and a time with several rows.

    Attributes
    ----------
    unit, time
        Names of the factor and of the column of times.
    units, times, rows
        Of each combination: the unit's label, the time as text, how many rows.
    """

    unit: str
    time: str
    units: NDArray[np.object_]
    times: NDArray[np.object_]
    rows: NDArray[np.int64]


def duplicates(clock: Column, unit: Factor) -> Duplicates | None:
    """Units with several rows at one time; None if there are none."""
    times = coded(clock)
    known = np.flatnonzero((times.codes >= 0) & (unit.codes >= 0))
    keys = unit.codes[known] * np.int64(times.kinds) + times.codes[known]
    order = np.argsort(keys, kind="stable")
    start = np.flatnonzero(np.diff(keys[order], prepend=-1))
    rows = np.diff(start, append=len(order))
    several = rows > 1
    if not several.any():
        return None
    first = known[order[start[several]]]
    return Duplicates(
        unit.name,
        clock.name,
        unit.levels[unit.codes[first]],
        _time_texts(clock, first),
        rows[several].astype(np.int64),
    )


def _time_texts(clock: Column, rows: NDArray[np.intp]) -> NDArray[np.object_]:
    if isinstance(clock, Factor):
        return clock.levels[clock.codes[rows]]
    if not isinstance(clock, Instants):
        return labels([label(value) for value in clock.values[rows].tolist()])
    return labels(time_texts(clock.values[rows]))


def findings(
    groups: Sequence[Factor],
    nesting: Nesting,
    relations: Sequence[Relation],
    variations: Sequence[Variation],
    doubled: Duplicates | None,
    skipped: Sequence[str],
) -> list[str]:
    """All that deserves attention, most important first."""
    units = nesting.units
    found = [
        _relation_sentence(units, r)
        for r in relations
        if not set(nesting.parts[r.outer]) < set(nesting.parts[r.inner])
    ]
    found += [_reuse_sentence(groups, nesting, again) for again in nesting.reused]
    for unit in units:
        found += _size_sentences(unit)
    for index, unit in enumerate(units):
        found += _variation_sentences([v for v in variations if v.factor == index], unit)
    if doubled is not None:
        found.append(
            f"{counted(len(doubled.rows), 'combination')} of {doubled.unit} and {doubled.time} "
            f"{'has' if len(doubled.rows) == 1 else 'have'} several rows, such as {doubled.units[0]} at "
            f"{doubled.times[0]}: repeated on purpose, or entered twice?"
        )
    if skipped:
        found.append(f"Not examined: {_shortened(skipped)} (dates, or one category per row).")
    return found


def _relation_sentence(units: Sequence[Factor], found: Relation) -> str:
    outer, inner = units[found.outer].name, units[found.inner].name
    examples = f": {'; '.join(found.examples)}" if found.examples else ""
    if found.examples and (found.strays > len(found.examples)):
        examples += "; ..."
    match found.kind:
        case "identical":
            return f"{inner} and {outer} group the rows in the same way; use one of them."
        case "nested":
            return f"{inner} is nested in {outer}: each {inner} belongs to one {outer}."
        case "crossed":
            return f"{outer} and {inner} are crossed: all {found.combinations} combinations occur."
    q = len(units[found.inner].levels)
    return (
        f"{outer} and {inner} are partly crossed: {found.combinations} combinations occur "
        f"({100 * found.filled:.0f}% of all), {found.strays} of {q} levels of {inner} with several levels of "
        f"{outer}{examples}."
    )


def _reuse_sentence(groups: Sequence[Factor], nesting: Nesting, again: Reuse) -> str:
    outer, inner = nesting.units[again.outer].name, groups[again.inner].name
    nested = f"(1 | {path(nesting, groups, again.outer)}/{quoted(inner)})"
    if again.evidence:
        return (
            f"Labels of {inner} are reused under several levels of {outer}, for different things: "
            f"{'; '.join(again.evidence)}. Write {nested}; (1 | {quoted(inner)}) would take equal labels for "
            "one thing."
        )
    return (
        f"Labels of {inner} occur under several levels of {outer}. If they are different things of the same "
        f"name, they are nested: write {nested}."
    )


def _size_sentences(unit: Factor) -> list[str]:
    found = []
    sizes = level_rows(unit)
    single = int((sizes == 1).sum())
    if len(unit.levels) == 1:
        found.append(f"{unit.name} has a single level, {unit.levels[0]!r}: no variance can be estimated.")
    elif single == len(sizes):
        found.append(f"{unit.name} has one row per level: it cannot be told from the residual.")
    elif single:
        found.append(
            f"{single} of {len(sizes)} levels of {unit.name} have a single row; they tell nothing of the "
            "spread within."
        )
    if 1 < len(unit.levels) < FEW_LEVELS:
        found.append(
            f"{unit.name} has only {len(unit.levels)} levels: its variance is hardly estimated; consider it "
            "as a fixed effect."
        )
    if unit.missing is not None:
        found.append(f"{unit.name} is missing in {counted(int(unit.missing.sum()), 'row')}.")
    return found


def _variation_sentences(variations: Sequence[Variation], unit: Factor) -> list[str]:
    found = []
    constant = [v.covariate for v in variations if v.levels and not v.varies_in]
    if constant and len(unit.levels) > 1 and not one_each(unit):
        found.append(f"Constant within every {unit.name}, so without a slope by it: {_shortened(constant)}.")
    poor = [v for v in variations if v.slope != "yes" and v.varies_in]
    for v in poor[:_MOST_SENTENCES]:
        verdict = "is not identified" if v.slope == "no" else "rests on little"
        found.append(f"A slope of {v.covariate} by {unit.name} {verdict}: {v.reason}.")
    if len(poor) > _MOST_SENTENCES:
        found.append(f"The same goes for {len(poor) - _MOST_SENTENCES} more, see .covariates.")
    return found


def _shortened(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_LISTED]) + (" ..." if len(names) > _MOST_LISTED else "")
