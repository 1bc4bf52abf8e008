"""The structure of grouped data: what is nested in what, what varies where, and which models that allows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from mixwell.arguments import checked, checked_methods
from mixwell.data.columns import Column, Factor, Numbers, as_factor
from mixwell.data.frame import Frame, near, open_frame
from mixwell.data.instants import Instants
from mixwell.data.output import NativeFrame, Origin, Values, frame, output_kind
from mixwell.errors import DataError
from mixwell.explore.coded import Coded, coded
from mixwell.explore.findings import Duplicates, duplicates, findings
from mixwell.explore.hierarchy import Level, Relation, counted, forest, level_rows, relation, tree
from mixwell.explore.implicit import Reuse, nesting
from mixwell.explore.suggest import Clock, Suggestion, suggestions
from mixwell.explore.variation import Variation, variation
from mixwell.lazy import lazy_module
from mixwell.text import number, shorten, table, wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mixwell.plots import hierarchy as pictures
else:
    pictures = lazy_module("mixwell.plots.hierarchy")

# Covariates shown in the text, factors beside each other.
_MOST_COVARIATES = 24
_FACTORS_ABREAST = 3


@checked_methods
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
        Per pair of factors, reused labels read within their outer factor: ``outer inner relation
        combinations filled children_min children_median children_max strays examples``; see
        :class:`mixwell.explore.hierarchy.Relation`.
    covariates
        Per covariate and factor: ``covariate factor levels varies_in within_share slope reason``; see
        :class:`mixwell.explore.variation.Variation`.
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
        return "\n".join(tree(self.hierarchy, self.n_rows))

    def plot(
        self,
        ax: Axes | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        lang: Literal["en", "zh"] = "en",
    ) -> Axes:
        """Draw the hierarchy: nested factors as strips under one another, crossed ones as a table of counts.

        See :func:`mixwell.plots.plot_hierarchy`.

        Parameters
        ----------
        ax
            Axes to draw in; by default those of a new figure.
        labels
            What factors are called.
        lang
            ``"en"`` or ``"zh"``.
        """
        return pictures.plot_hierarchy(self, ax=ax, labels=labels, lang=lang)


@checked
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
    whole = open_frame(data)
    if whole.n_rows == 0:
        raise DataError("The data have no rows.")
    names = _names("factors", factors, whole)
    if not names:
        raise DataError("factors is empty; name at least one grouping column.")
    asked = None if covariates is None else _names("covariates", covariates, whole)
    _names("response", [] if response is None else [response], whole)
    _names("time", [] if time is None else [time], whole)
    for name in names:
        if name in (response, time):
            raise DataError(f"{name!r} is a factor, and response or time too; leave it out of one of them.")
    sources = [whole.column(name) for name in names]
    groups = [as_factor(column) for column in sources]
    for factor in groups:
        if not len(factor.levels):
            raise DataError(f"All values of the factor {factor.name!r} are missing.")
    clock = None if time is None else whole.column(time, dates=True)
    taken = {*names, *(name for name in (response, time) if name is not None)}
    columns, skipped = _covariates(whole, asked, taken)
    if clock is not None:
        columns.insert(0, clock)
    numeric = {column.name for column in sources if isinstance(column, Numbers)}
    return _examine(groups, numeric, columns, skipped, clock, response, whole)


def _names(argument: str, given: str | Sequence[str], whole: Frame) -> list[str]:
    """Names of columns, each once."""
    if not isinstance(given, (str, Sequence)):
        raise DataError(f"{argument} is {given!r}; give names of columns.")
    names = [given] if isinstance(given, str) else list(given)
    for name in names:
        if not isinstance(name, str) or name not in whole:
            raise DataError(f"There is no column {name!r} in the data{near(str(name), whole.names)}")
        if names.count(name) > 1:
            raise DataError(f"{argument} names {name!r} twice.")
    return names


def _covariates(whole: Frame, asked: Sequence[str] | None, taken: set[str]) -> tuple[list[Column], list[str]]:
    """The covariates, and the names of columns left out because they cannot be used."""
    if asked is not None:
        return [whole.column(name) for name in asked if name not in taken], []
    columns: list[Column] = []
    skipped: list[str] = []
    for name in whole.names:
        if not isinstance(name, str) or name in taken:
            continue
        try:
            column = whole.column(name)
        except DataError:
            skipped.append(name)
            continue
        if isinstance(column, Factor) and len(column.levels) == whole.n_rows > 1:
            skipped.append(name)
        else:
            columns.append(column)
    return columns, skipped


def _examine(
    groups: list[Factor],
    numeric: set[str],
    columns: list[Column],
    skipped: list[str],
    clock: Column | None,
    response: str | None,
    whole: Frame,
) -> Structure:
    covariates = [coded(column) for column in columns]
    read = nesting(groups, covariates)
    units = read.units
    relations = [relation(units, a, b) for a, b in combinations(range(len(units)), 2)]
    hierarchy = forest(units)
    variations = [variation(column, unit, i) for column in covariates for i, unit in enumerate(units)]
    doubled = None if clock is None else duplicates(clock, units[-1])
    found = findings(groups, read, relations, variations, doubled, skipped)
    time = (
        None if clock is None or isinstance(clock, Factor) else Clock(clock.name, isinstance(clock, Instants))
    )
    y = response if response is not None else "response" if "y" in whole else "y"
    suggested = suggestions(groups, read, relations, variations, covariates, time, y, numeric)
    factor_table = _factor_columns(units, hierarchy)
    text = _text(whole.n_rows, factor_table, hierarchy, units, covariates, variations, found, suggested)
    at = Origin(output_kind(whole.kind), None)
    return Structure(
        n_rows=whole.n_rows,
        factors=frame(at, cast("Mapping[str, Values]", factor_table)),
        sizes=frame(at, _size_columns(units)),
        relations=frame(at, _relation_columns(units, relations)),
        covariates=frame(at, _covariate_columns(units, variations)),
        duplicates=frame(at, _duplicate_columns(doubled)),
        reused=read.reused,
        findings=tuple(found),
        suggestions=tuple(suggested),
        hierarchy=hierarchy,
        _text=tuple(text),
    )


def _factor_columns(units: Sequence[Factor], hierarchy: tuple[Level, ...]) -> dict[str, list[object]]:
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


def _size_columns(units: Sequence[Factor]) -> dict[str, Values]:
    names: list[object] = []
    rows: list[object] = []
    levels: list[object] = []
    for unit in units:
        sizes, counts = np.unique(level_rows(unit), return_counts=True)
        names += [unit.name] * len(sizes)
        rows += sizes.tolist()
        levels += counts.tolist()
    return {"factor": names, "rows": rows, "levels": levels}


def _relation_columns(units: Sequence[Factor], relations: Sequence[Relation]) -> dict[str, Values]:
    return {
        "outer": [units[r.outer].name for r in relations],
        "inner": [units[r.inner].name for r in relations],
        "relation": [r.kind for r in relations],
        "combinations": [r.combinations for r in relations],
        "filled": [r.filled for r in relations],
        "children_min": [int(r.children.min()) for r in relations],
        "children_median": [float(np.median(r.children)) for r in relations],
        "children_max": [int(r.children.max()) for r in relations],
        "strays": [r.strays for r in relations],
        "examples": ["; ".join(r.examples) for r in relations],
    }


def _covariate_columns(units: Sequence[Factor], variations: Sequence[Variation]) -> dict[str, Values]:
    return {
        "covariate": [v.covariate for v in variations],
        "factor": [units[v.factor].name for v in variations],
        "levels": [v.levels for v in variations],
        "varies_in": [v.varies_in for v in variations],
        "within_share": np.array([np.nan if v.within_share is None else v.within_share for v in variations]),
        "slope": [v.slope for v in variations],
        "reason": [v.reason for v in variations],
    }


def _duplicate_columns(doubled: Duplicates | None) -> dict[str, Values]:
    if doubled is None:
        return {"unit": [], "time": [], "rows": []}
    return {"unit": doubled.units, "time": doubled.times, "rows": doubled.rows}


def _text(
    n_rows: int,
    factor_table: dict[str, list[object]],
    hierarchy: tuple[Level, ...],
    units: Sequence[Factor],
    columns: Sequence[Coded],
    variations: Sequence[Variation],
    found: Sequence[str],
    suggested: Sequence[Suggestion],
) -> list[str]:
    lines = [f"Structure of {counted(n_rows, 'row')}", "", *tree(hierarchy, n_rows), ""]
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
        shown = [column.name for column in columns[:_MOST_COVARIATES]]
        by = {(v.covariate, v.factor): v for v in variations}
        cells = [
            (shorten(unit.name, 20), [_variation_cell(by[(name, i)]) for name in shown])
            for i, unit in enumerate(units)
        ]
        lines += ["", "Covariates: in how many levels they vary (share of spread within)"]
        for at in range(0, len(cells), _FACTORS_ABREAST):
            lines += table(shown, cells[at : at + _FACTORS_ABREAST], heading="", gap=3)
        if len(columns) > len(shown):
            lines.append(f"... and {len(columns) - len(shown)} more in .covariates")
    if found:
        lines += ["", "Findings"]
        for sentence in found:
            lines += wrap(f"- {sentence}", indent="  ")
    if suggested:
        lines += ["", "Formulas to start from"]
        for suggestion in suggested:
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
