"""The structure of grouped data: what is nested in what, what varies where, and which models that allows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import combinations
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from mixwell.data.columns import Column, Factor, Numbers, as_factor
from mixwell.data.frame import Frame, near, open_frame
from mixwell.data.instants import Instants
from mixwell.data.output import NativeFrame, Origin, Values, frame, output_kind
from mixwell.errors import DataError
from mixwell.explore.hierarchy import (
    Relation,
    Reuse,
    Variation,
    combinations_of,
    combined,
    parent_codes,
    relation,
    reuse,
    variation,
)
from mixwell.report.text import display_width, number, pad, shorten, table, wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

IntArray = NDArray[np.int64]

# A variance of fewer levels than this is hardly estimated.
_FEW_LEVELS = 5
# A number is split in a part within and one between groups if both have this share of its spread.
_BOTH_PARTS = 0.05
# Suggestions of one kind.
_MOST_SUGGESTED = 2
_MOST_LISTED = 12
_MOST_SENTENCES = 5


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A formula to start from, and why it suits the structure."""

    formula: str
    reason: str


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


@dataclass(frozen=True, slots=True, repr=False)
class Structure:
    """What :func:`structure` found. ``str()`` tells it in text; the frames hold it, in the caller's kind.

    Attributes
    ----------
    n_rows
        Rows of the data.
    factors
        Per factor: ``factor levels missing singletons rows_min rows_q1 rows_median rows_mean rows_q3
        rows_max nested_in``.
    sizes
        Distribution of group sizes: ``factor rows levels``, how many levels have so many rows.
    relations
        Per pair of factors: ``outer inner relation combinations filled children_min children_median
        children_max strays examples``; see :class:`mixwell.explore.hierarchy.Relation`.
    covariates
        Per covariate and factor: ``covariate factor levels varies_in within_share slope reason``; see
        :class:`mixwell.explore.hierarchy.Variation`.
    duplicates
        Units with several rows at one time: ``unit time rows``.
    reused
        Labels used again under several outer levels.
    findings
        What deserves attention, in sentences.
    suggestions
        Formulas to start from, the plainest first.
    hierarchy
        The factors as a forest, outer before inner.
    """

    n_rows: int
    factors: NativeFrame
    sizes: NativeFrame
    relations: NativeFrame
    covariates: NativeFrame
    duplicates: NativeFrame
    reused: tuple[Reuse, ...]
    findings: tuple[str, ...]
    suggestions: tuple[Suggestion, ...]
    hierarchy: tuple[Level, ...]
    _text: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self._text)

    def __repr__(self) -> str:
        return str(self)

    def tree(self) -> str:
        """The hierarchy as an indented tree."""
        return "\n".join(_tree(self.hierarchy, self.n_rows))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the hierarchy: nested factors as strips under one another, crossed ones as a table of counts.

        Parameters
        ----------
        ax
            Axes to draw in; by default those of a new figure.
        """
        picture = import_module("mixwell.explore.picture")
        return cast("Axes", picture.draw_hierarchy(self.hierarchy, self.n_rows, ax))


def structure(
    data: object,
    factors: str | Sequence[str],
    *,
    response: str | None = None,
    covariates: Sequence[str] | None = None,
    time: str | None = None,
) -> Structure:
    """Look at the grouping of data before modelling them.

    Parameters
    ----------
    data
        A pandas, polars or pyarrow frame, anything narwhals reads, or a dict of arrays.
    factors
        The grouping columns, outermost first, ``["district", "school", "student"]``.
    response
        The response, for the suggested formulas; it is no covariate.
    covariates
        Columns to examine; by default all others, except of types that a model cannot use and text or
        categories that differ in every row.
    time
        The column that says when a row was measured. Rows of one unit at one time are reported; the unit is
        the last factor, within its outer one where labels are reused.

    Returns
    -------
    Structure

    Raises
    ------
    DataError
        When a column does not exist, is named twice, or cannot be used.

    Examples
    --------
    >>> from mixwell import datasets, structure
    >>> found = structure(datasets.load_pastes(), ["batch", "cask"], response="strength")
    >>> print(found.tree())
    batch            10 levels, 6 rows each
    └─ batch:cask    30 levels, 3 per batch, 2 rows each
       └─ rows       60
    >>> found.suggestions[0].formula
    'strength ~ 1 + (1 | batch/cask)'
    """
    frame_ = open_frame(data)
    if frame_.n_rows == 0:
        raise DataError("The data have no rows.")
    names = [factors] if isinstance(factors, str) else list(factors)
    if not names:
        raise DataError("factors is empty; name at least one grouping column.")
    for name in [*names, *(covariates or ()), *([] if response is None else [response])]:
        if not isinstance(name, str) or name not in frame_:
            raise DataError(f"There is no column {name!r} in the data{near(str(name), frame_.names)}")
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"factors names {name!r} twice.")
        if name in (response, time):
            raise DataError(f"{name!r} is a factor, and response or time too; leave it out of one of them.")
    groups = [as_factor(frame_.column(name)) for name in names]
    for factor in groups:
        if not len(factor.levels):
            raise DataError(f"All values of the factor {factor.name!r} are missing.")
    columns, skipped = _covariates(frame_, covariates, {*names, *([] if response is None else [response])})
    clock = None if time is None else frame_.column(time, dates=True)
    return _examine(groups, columns, skipped, clock, response, frame_)


def _covariates(
    table_: Frame, asked: Sequence[str] | None, taken: set[str]
) -> tuple[list[Column], list[str]]:
    """The covariates, and the names of columns left out because they cannot be used."""
    if asked is not None:
        return [table_.column(name) for name in asked if name not in taken], []
    columns: list[Column] = []
    skipped: list[str] = []
    for name in table_.names:
        if not isinstance(name, str) or name in taken:
            continue
        try:
            column = table_.column(name)
        except DataError:
            skipped.append(name)
            continue
        if isinstance(column, Factor) and len(column.levels) == table_.n_rows > 1:
            skipped.append(name)
        else:
            columns.append(column)
    return columns, skipped


def _examine(
    groups: list[Factor],
    columns: list[Column],
    skipped: list[str],
    clock: Column | None,
    response: str | None,
    table_: Frame,
) -> Structure:
    relations = [relation(groups, a, b) for a, b in combinations(range(len(groups)), 2)]
    reused = tuple(
        found
        for a, b in combinations(range(len(groups)), 2)
        if (found := reuse(groups, a, b, columns)) is not None
    )
    hierarchy = _hierarchy(groups, reused)
    units = _units(groups, hierarchy)
    variations = [variation(column, unit, i) for column in columns for i, unit in enumerate(units)]
    unit = units[-1]
    doubled = None if clock is None else _duplicates(clock, unit)
    at = Origin(output_kind(table_.kind), None)
    findings = _findings(groups, units, relations, reused, variations, doubled, clock, skipped)
    suggestions = _suggestions(groups, units, reused, relations, variations, columns, clock, response)
    factor_table = _factor_columns(units, hierarchy)
    text = _text(table_.n_rows, factor_table, hierarchy, units, variations, findings, suggestions)
    return Structure(
        n_rows=table_.n_rows,
        factors=frame(at, cast("Mapping[str, Values]", factor_table)),
        sizes=frame(at, _size_columns(units)),
        relations=frame(at, _relation_columns(groups, relations)),
        covariates=frame(at, _covariate_columns(units, variations)),
        duplicates=frame(at, {"unit": [], "time": [], "rows": []} if doubled is None else doubled),
        reused=reused,
        findings=tuple(findings),
        suggestions=tuple(suggestions),
        hierarchy=hierarchy,
        _text=tuple(text),
    )


def _likely(reused: Sequence[Reuse], inner: int) -> Reuse | None:
    """The reuse that makes ``inner`` a label within an outer factor, if there is evidence of one."""
    return next((found for found in reversed(reused) if found.inner == inner and found.evidence), None)


def _hierarchy(groups: list[Factor], reused: Sequence[Reuse]) -> tuple[Level, ...]:
    """The factors as a forest. Labels that are reused stand for their combinations with the outer factor."""
    units: list[Factor] = []
    for index, factor in enumerate(groups):
        found = _likely(reused, index)
        units.append(factor if found is None else combined(units[found.outer], factor))
    order = sorted(range(len(units)), key=lambda i: len(units[i].levels))
    place = {index: position for position, index in enumerate(order)}
    levels = []
    for index in order:
        parent = -1
        for other in order[: place[index]]:
            pair = relation(units, other, index)
            if pair.kind in ("nested", "identical") and pair.outer == other:
                parent = place[other]
        factor = units[index]
        rows = np.bincount(factor.codes[factor.codes >= 0], minlength=len(factor.levels))
        levels.append(Level(factor, parent, rows.astype(np.int64)))
    return tuple(levels)


def _units(groups: list[Factor], hierarchy: tuple[Level, ...]) -> list[Factor]:
    """The factors as listed, reused labels within their outer factor."""
    made = {level.factor.name: level.factor for level in hierarchy}
    return [
        made.get(factor.name) or next(unit for name, unit in made.items() if name.endswith(f":{factor.name}"))
        for factor in groups
    ]


def _duplicates(clock: Column, unit: Factor) -> dict[str, Values] | None:
    """Unit, time and number of rows, where that is more than 1; None if nowhere."""
    if isinstance(clock, Instants):
        known = np.ones(len(clock.values), dtype=bool) if clock.missing is None else ~clock.missing
        distinct, codes = np.unique(clock.values, return_inverse=True)
        texts = np.array([str(stamp) for stamp in distinct.astype("datetime64[us]")], dtype=object)
    else:
        factor = as_factor(clock)
        known, codes, texts = factor.codes >= 0, factor.codes.astype(np.int64), factor.levels
    known = known & (unit.codes >= 0)
    keys = unit.codes[known].astype(np.int64) * len(texts) + codes[known]
    cells, rows = np.unique(keys, return_counts=True)
    several = rows > 1
    if not several.any():
        return None
    units, times = np.divmod(cells[several], len(texts))
    return {"unit": unit.levels[units], "time": texts[times], "rows": rows[several]}


def _factor_columns(units: list[Factor], hierarchy: tuple[Level, ...]) -> dict[str, list[object]]:
    by_name = {level.factor.name: level for level in hierarchy}
    columns: dict[str, list[object]] = {}
    for unit in units:
        level = by_name[unit.name]
        quartiles = np.quantile(level.rows, [0, 0.25, 0.5, 0.75, 1])
        row: dict[str, object] = {
            "factor": unit.name,
            "levels": len(unit.levels),
            "missing": 0 if unit.missing is None else int(unit.missing.sum()),
            "singletons": int((level.rows == 1).sum()),
            "rows_min": int(quartiles[0]),
            "rows_q1": float(quartiles[1]),
            "rows_median": float(quartiles[2]),
            "rows_mean": float(level.rows.mean()),
            "rows_q3": float(quartiles[3]),
            "rows_max": int(quartiles[4]),
            "nested_in": hierarchy[level.parent].factor.name if level.parent >= 0 else "",
        }
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    return columns


def _size_columns(units: list[Factor]) -> dict[str, Values]:
    names: list[object] = []
    rows: list[object] = []
    levels: list[object] = []
    for unit in units:
        sizes, counts = np.unique(np.bincount(unit.codes[unit.codes >= 0]), return_counts=True)
        names += [unit.name] * len(sizes)
        rows += sizes.tolist()
        levels += counts.tolist()
    return {"factor": names, "rows": rows, "levels": levels}


def _relation_columns(groups: list[Factor], relations: list[Relation]) -> dict[str, Values]:
    return {
        "outer": [groups[r.outer].name for r in relations],
        "inner": [groups[r.inner].name for r in relations],
        "relation": [r.kind for r in relations],
        "combinations": [r.combinations for r in relations],
        "filled": [r.filled for r in relations],
        "children_min": [int(r.children.min()) for r in relations],
        "children_median": [float(np.median(r.children)) for r in relations],
        "children_max": [int(r.children.max()) for r in relations],
        "strays": [r.strays for r in relations],
        "examples": ["; ".join(r.examples) for r in relations],
    }


def _covariate_columns(units: list[Factor], variations: list[Variation]) -> dict[str, Values]:
    return {
        "covariate": [v.covariate for v in variations],
        "factor": [units[v.factor].name for v in variations],
        "levels": [v.levels for v in variations],
        "varies_in": [v.varies_in for v in variations],
        "within_share": np.array([np.nan if v.within_share is None else v.within_share for v in variations]),
        "slope": [v.slope for v in variations],
        "reason": [v.reason for v in variations],
    }


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _relation_sentence(groups: list[Factor], found: Relation) -> str:
    outer, inner = groups[found.outer].name, groups[found.inner].name
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
    q = len(groups[found.inner].levels)
    return (
        f"{outer} and {inner} are partly crossed: {found.combinations} combinations occur "
        f"({100 * found.filled:.0f}% of all), {found.strays} of {q} levels of {inner} with several levels of "
        f"{outer}{examples}."
    )


def _findings(
    groups: list[Factor],
    units: list[Factor],
    relations: list[Relation],
    reused: Sequence[Reuse],
    variations: list[Variation],
    doubled: dict[str, Values] | None,
    clock: Column | None,
    skipped: list[str],
) -> list[str]:
    found = []
    settled = {(r.outer, r.inner) for r in reused if r.evidence}
    for r in relations:
        if (r.outer, r.inner) in settled or (r.inner, r.outer) in settled:
            continue
        found.append(_relation_sentence(groups, r))
    for again in reused:
        outer, inner = groups[again.outer].name, groups[again.inner].name
        if again.evidence:
            found.append(
                f"Labels of {inner} are reused under several levels of {outer}, for different things: "
                f"{'; '.join(again.evidence)}. Write (1 | {_quote(outer)}/{_quote(inner)}); "
                f"(1 | {_quote(inner)}) would take equal labels for one thing."
            )
        else:
            found.append(
                f"Labels of {inner} occur under several levels of {outer}. If they are different things of "
                f"the same name, they are nested: write (1 | {_quote(outer)}/{_quote(inner)})."
            )
    for unit in units:
        sizes = np.bincount(unit.codes[unit.codes >= 0], minlength=len(unit.levels))
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
        if 1 < len(unit.levels) < _FEW_LEVELS:
            found.append(
                f"{unit.name} has only {len(unit.levels)} levels: its variance is hardly estimated; "
                "consider it as a fixed effect."
            )
        if unit.missing is not None:
            found.append(f"{unit.name} is missing in {_counted(int(unit.missing.sum()), 'row')}.")
    for index, unit in enumerate(units):
        constant = [v.covariate for v in variations if v.factor == index and v.levels and not v.varies_in]
        if constant and len(unit.levels) > 1 and not _one_each(unit):
            found.append(
                f"Constant within every {unit.name}, so without a slope by it: {_shortened(constant)}."
            )
        poor = [v for v in variations if v.factor == index and v.slope != "yes" and v.varies_in]
        for v in poor[:_MOST_SENTENCES]:
            verdict = "is not identified" if v.slope == "no" else "rests on little"
            found.append(f"A slope of {v.covariate} by {unit.name} {verdict}: {v.reason}.")
        if len(poor) > _MOST_SENTENCES:
            found.append(f"The same goes for {len(poor) - _MOST_SENTENCES} more, see .covariates.")
    if doubled is not None and clock is not None:
        unit_text, time_text = doubled["unit"][0], doubled["time"][0]
        found.append(
            f"{_counted(len(doubled['unit']), 'combination')} of {units[-1].name} and {clock.name} "
            f"{'has' if len(doubled['unit']) == 1 else 'have'} several rows, such as {unit_text} at "
            f"{time_text}: repeated on purpose, or entered twice?"
        )
    if skipped:
        found.append(f"Not examined: {_shortened(skipped)} (dates, or one category per row).")
    return found


def _one_each(factor: Factor) -> bool:
    return len(factor.levels) == int((factor.codes >= 0).sum())


def _shortened(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_LISTED]) + (" ..." if len(names) > _MOST_LISTED else "")


def _quote(name: str) -> str:
    """A column's name as a formula spells it."""
    plain = name.replace(".", "_").isidentifier() and not name.startswith(".")
    return name if plain else f"`{name}`"


def _suggestions(
    groups: list[Factor],
    units: list[Factor],
    reused: Sequence[Reuse],
    relations: list[Relation],
    variations: list[Variation],
    columns: list[Column],
    clock: Column | None,
    response: str | None,
) -> list[Suggestion]:
    """Formulas that the structure allows, the plainest first."""
    y = _quote(response) if response is not None else "y"
    twins = {r.inner for r in relations if r.kind == "identical"}
    usable = [
        i for i, unit in enumerate(units) if len(unit.levels) > 1 and not _one_each(unit) and i not in twins
    ]
    if not usable:
        return []
    spelled = {i: _quote(groups[i].name) for i in usable}
    bars: dict[int, str] = {}
    for i in usable:
        parts = [_quote(part) for part in _parts(groups, reused, i)]
        bars[i] = ":".join(parts)
    nested = [found for i in usable if (found := _likely(reused, i)) is not None]
    plain = " + ".join(f"(1 | {bars[i]})" for i in usable)
    chain = [i for i in usable if _likely(reused, i) is not None or any(f.outer == i for f in nested)]
    reason = "an intercept that varies by " + " and by ".join(units[i].name for i in usable)
    if nested and len(chain) == len(usable) and _is_chain(reused, usable):
        plain = f"(1 | {'/'.join(spelled[i] for i in usable)})"
        reason += "; labels are reused, so the inner ones are read within the outer"
    suggested = [Suggestion(f"{y} ~ 1 + {plain}", reason)]
    by = {(v.covariate, v.factor): v for v in variations}
    last = usable[-1]

    def others(index: int) -> str:
        return "".join(f" + (1 | {bars[i]})" for i in usable if i != index)

    for again in reused:
        if not again.evidence and again.inner in spelled:
            outer = _quote(groups[again.outer].name)
            suggested.append(
                Suggestion(
                    f"{y} ~ 1 + (1 | {outer}/{spelled[again.inner]})",
                    f"only if equal labels of {groups[again.inner].name} under several levels of "
                    f"{groups[again.outer].name} are different things",
                )
            )
    timed = None if clock is None or isinstance(clock, Factor) else clock.name
    if timed is not None:
        spell = f"time_since({_quote(timed)})" if isinstance(clock, Instants) else _quote(timed)
        seen = by.get((timed, last))
        if isinstance(clock, Instants) or (seen is not None and seen.slope != "no"):
            suggested.append(
                Suggestion(
                    f"{y} ~ {spell} + ({spell} | {bars[last]}){others(last)}",
                    f"growth: each {units[last].name} with a level and a rate of its own",
                )
            )
    slopes = [
        c.name
        for c in columns
        if c.name != timed
        and by[(c.name, last)].slope == "yes"
        and (isinstance(c, Numbers) or len(as_factor(c).levels) < _FEW_LEVELS)
    ]
    for name in slopes[:_MOST_SUGGESTED]:
        suggested.append(
            Suggestion(
                f"{y} ~ {_quote(name)} + ({_quote(name)} | {bars[last]}){others(last)}",
                f"{name} varies within {units[last].name}, so its effect may differ between them",
            )
        )
    splits = [
        name
        for name in slopes
        if _BOTH_PARTS < (by[(name, last)].within_share or 0) < 1 - _BOTH_PARTS and ":" not in bars[last]
    ]
    for name in splits[:_MOST_SUGGESTED]:
        x, g = _quote(name), bars[last]
        suggested.append(
            Suggestion(
                f"{y} ~ within({x}, {g}) + between({x}, {g}) + (1 | {g}){others(last)}",
                f"{100 * (by[(name, last)].within_share or 0):.0f}% of the spread of {name} is within "
                f"{units[last].name}; its effects within and between may differ",
            )
        )
    return suggested


def _parts(groups: list[Factor], reused: Sequence[Reuse], index: int) -> list[str]:
    """Names of the columns whose combinations are the levels of a factor."""
    found = _likely(reused, index)
    outer = [] if found is None else _parts(groups, reused, found.outer)
    return [*outer, groups[index].name]


def _is_chain(reused: Sequence[Reuse], usable: list[int]) -> bool:
    """Whether each usable factor but the first is read within the one before."""
    pairs = zip(usable[1:], usable[:-1], strict=True)
    return all((found := _likely(reused, i)) is not None and found.outer == before for i, before in pairs)


def _tree(hierarchy: tuple[Level, ...], n_rows: int) -> list[str]:
    """Lines of the forest; below, the rows, or how the trees cross."""
    tops = [i for i, level in enumerate(hierarchy) if level.parent < 0]
    names: list[str] = []
    notes: list[str] = []

    def add(index: int, lead: str, stem: str) -> None:
        level = hierarchy[index]
        names.append(lead + stem + level.factor.name)
        children = [i for i, other in enumerate(hierarchy) if other.parent == index]
        note = _counted(len(level.factor.levels), "level")
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


def _range(counts: IntArray) -> str:
    low, high = int(counts.min()), int(counts.max())
    return str(low) if low == high else f"{low} to {high}"


def _text(
    n_rows: int,
    factor_table: dict[str, list[object]],
    hierarchy: tuple[Level, ...],
    units: list[Factor],
    variations: list[Variation],
    findings: list[str],
    suggestions: list[Suggestion],
) -> list[str]:
    lines = [f"Structure of {_counted(n_rows, 'row')}", "", *_tree(hierarchy, n_rows), ""]
    names = [str(name) for name in factor_table["factor"]]
    heads = {
        "levels": "levels",
        "rows_min": "min",
        "rows_q1": "25%",
        "rows_median": "median",
        "rows_mean": "mean",
        "rows_q3": "75%",
        "rows_max": "max",
        "singletons": "singletons",
    }
    cells = [
        (
            head,
            [number(value) if isinstance(value, float) else str(value) for value in factor_table[key]],
        )
        for key, head in heads.items()
    ]
    lines += table(names, cells, heading="Rows per level of", gap=2)
    if variations:
        covariates = list(dict.fromkeys(v.covariate for v in variations))
        shown = covariates[: 2 * _MOST_LISTED]
        by = {(v.covariate, v.factor): v for v in variations}
        columns = [
            (shorten(unit.name, 20), [_variation_cell(by[(name, i)]) for name in shown])
            for i, unit in enumerate(units)
        ]
        lines += ["", "Covariates: in how many levels they vary (share of spread within)"]
        for at in range(0, len(columns), 3):
            lines += table(shown, columns[at : at + 3], heading="", gap=3)
        if len(covariates) > len(shown):
            lines.append(f"... and {len(covariates) - len(shown)} more in .covariates")
    if findings:
        lines += ["", "Findings"]
        for sentence in findings:
            lines += wrap(f"- {sentence}", indent="  ")
    if suggestions:
        lines += ["", "Formulas to start from"]
        for suggestion in suggestions:
            # Terms stay on one line: their blanks do not break.
            kept = re.sub(
                r"\([^()]*\|[^()]*\)", lambda term: term[0].replace(" ", "\u00a0"), suggestion.formula
            )
            lines += [line.replace("\u00a0", " ") for line in wrap(f"  {kept}", indent="    ")]
            lines += wrap(f"      {suggestion.reason}", indent="      ")
    return lines


def _variation_cell(found: Variation) -> str:
    if not found.varies_in:
        return "constant"
    share = "" if found.within_share is None else f" ({100 * found.within_share:.0f}%)"
    return f"{found.varies_in} of {found.levels}{share}"
