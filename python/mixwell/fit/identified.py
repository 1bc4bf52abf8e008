"""Covariance parameters that the columns of a design cannot tell apart, found before any search; in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixwell import kernel
from mixwell.design.coding import INTERCEPT
from mixwell.design.record import Design, RandomTerm
from mixwell.design.subset import without_columns
from mixwell.errors import ModelError
from mixwell.fit.exact import check_residual_is_left
from mixwell.fit.record import Doubt

FloatArray = NDArray[np.float64]

# Entries of a direction below this part of its largest are rounding.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Held:
    """Columns of a random term that must go before the others' variances can be estimated.

    Attributes
    ----------
    term
        Index into ``Design.terms``.
    columns
        Indices of the columns in it, ascending.
    """

    term: int
    columns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unidentified:
    """What the data cannot tell.

    Attributes
    ----------
    directions
        Shape (d, n_theta + 1), reduced to echelon form: changes of the covariance parameters that change
        nothing in what the fixed effects leave of the response's covariance. In theta's order, the residual
        variance last; each entry in units of its columns' mean squares.
    absorbed
        Per term, shape (m, k): combinations of its columns that the fixed effects take up in every level.
    held
        The fewest columns without which the rest is identified.
    """

    directions: FloatArray
    absorbed: tuple[FloatArray, ...]
    held: tuple[Held, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """A covariance parameter: its term and the two columns it belongs to; term -1 is the residual."""

    term: int
    row: int
    col: int


def _places(terms: Sequence[RandomTerm]) -> list[_Place]:
    places = [
        _Place(t, row, col)
        for t, term in enumerate(terms)
        for col in range(len(term.names))
        for row in range(col, len(term.names))
    ]
    return [*places, _Place(-1, 0, 0)]


def unidentified(design: Design, found: kernel.Unidentified) -> Unidentified | None:
    """What the kernel found about a design, made ready for words; None where everything is identified."""
    if not len(found.directions):
        return None
    places = _places(design.terms)
    size = [[float(np.sqrt(np.mean(column**2))) for column in term.columns] for term in design.terms]
    units = np.array([1.0 if p.term < 0 else size[p.term][p.row] * size[p.term][p.col] for p in places])
    directions = _echelon(found.directions * units)
    return Unidentified(directions, found.absorbed, _fewest(directions, places))


def _echelon(rows: FloatArray) -> FloatArray:
    """Gauss-Jordan elimination with complete pivoting; rounding becomes zero."""
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    for r in range(len(rows)):
        below = np.abs(rows[r:])
        i, j = divmod(int(np.argmax(below)), below.shape[1])
        rows[[r, r + i]] = rows[[r + i, r]]
        rows[r] /= rows[r, j]
        for other in range(len(rows)):
            if other != r:
                rows[other] -= rows[other, j] * rows[r]
    rows[np.abs(rows) < _ROUNDING * np.abs(rows).max(axis=1, keepdims=True)] = 0.0
    return rows


def _fewest(directions: FloatArray, places: Sequence[_Place]) -> tuple[Held, ...]:
    """Columns whose parameters meet every direction: at each step the one that settles most per parameter.

    The rest is identified when no direction lies in the parameters that are left. Of equals the last column
    of the last term goes.
    """
    candidates = list(dict.fromkeys((p.term, p.col) for p in places if p.term >= 0 and p.row == p.col))
    gone: list[tuple[int, int]] = []

    def of(columns: Sequence[tuple[int, int]]) -> list[int]:
        return [a for a, p in enumerate(places) if (p.term, p.row) in columns or (p.term, p.col) in columns]

    def rank(columns: Sequence[tuple[int, int]]) -> int:
        part = directions[:, of(columns)]
        return int(np.linalg.matrix_rank(part, tol=_ROUNDING)) if part.size else 0

    settled = 0
    while settled < len(directions):
        gains = [(rank([*gone, c]) - settled) / (len(of([*gone, c])) - len(of(gone))) for c in candidates]
        best = max(range(len(candidates)), key=lambda i: (round(gains[i], 9), i))
        gone.append(candidates.pop(best))
        settled = rank(gone)
    return tuple(
        Held(term, tuple(sorted(col for t, col in gone if t == term)))
        for term in sorted({t for t, _ in gone})
    )


def _together(directions: FloatArray, places: Sequence[_Place]) -> Iterator[tuple[int, ...]]:
    """Groups of terms (-1 the residual) that some direction ties together, ascending."""
    groups: list[set[int]] = []
    for row in directions:
        group = {places[a].term for a in np.flatnonzero(row).tolist()}
        for other in [g for g in groups if g & group]:
            groups.remove(other)
            group |= other
        groups.append(group)
    yield from sorted(tuple(sorted(group)) for group in groups)


def decide(design: Design, at: kernel.Problem, *, reml: bool) -> Doubt | None:
    """What of a model is not identified although it has an optimum; ``at`` holds the design's crossproducts.

    Raises
    ------
    ModelError
        Naming what is not identified, and what to leave out. By REML that is what the fixed effects leave no
        data for. Maximum likelihood has an optimum there all the same, unless the covariance of the response
        itself says too little. Parameters that only that covariance cannot tell apart are no error where it,
        and with it every fixed effect, is the same for all of them: one of their values is found, and said to
        be one of many.
    """
    found = unidentified(design, kernel.unidentified(design, at, off_fixed=True))
    if found is None:
        return None
    whole = unidentified(design, kernel.unidentified(design, at, off_fixed=False))
    if not reml:
        if whole is None:
            return _doubt(design, found, "by_design")
        found = whole
    if whole is not None and len(whole.directions) == len(found.directions) and _harmless(design, found):
        return _doubt(design, found, "split")
    if found.directions[:, -1].any():
        check_residual_is_left(design, None)
    raise ModelError(
        f"{_told(design, found)} control=Control(unidentified='hold') holds it at zero and fits the rest."
    )


def _harmless(design: Design, found: Unidentified) -> bool:
    """Whether what is not identified is how a covariance is split between terms, or within one.

    Not so where the residual variance takes part, where one factor has the same effect in two of its terms,
    and where a column never varies within a level: these are mistakes in the formula.
    """
    places = _places(design.terms)
    for group in _together(found.directions, places):
        if -1 in group or len({design.terms[t].factor for t in group}) < len(group):
            return False
        if len(group) > 1:
            continue
        term = design.terms[group[0]]
        met = {c for p, d in zip(places, found.directions.T, strict=True) if d.any() for c in (p.row, p.col)}
        if not all(term.names[c] == INTERCEPT or _varies_within(design, term, c) for c in met):
            return False
    return True


def _varies_within(design: Design, term: RandomTerm, column: int) -> bool:
    """Whether a column has different values within some level of the term's factor."""
    factor, values = design.factors[term.factor], term.columns[column]
    first = np.empty(factor.n_levels)
    first[factor.codes] = values
    return bool(np.any(values != first[factor.codes]))


def hold(design: Design) -> tuple[Design, Doubt | None]:
    """A design without the random effects that the data do not identify.

    Raises
    ------
    ModelError
        When none is left.
    """
    found = unidentified(design, kernel.unidentified(design, kernel.problem(design), off_fixed=True))
    if found is None:
        return design, None
    rest = without_columns(design, {h.term: h.columns for h in found.held})
    if not rest.terms:
        raise ModelError(
            f"{_told(design, found)} Without it no random effect is left: that is an ordinary linear model."
        )
    return rest, _doubt(design, found, "held")


def _doubt(design: Design, found: Unidentified, kind: Literal["by_design", "held", "split"]) -> Doubt:
    absorbed = [h.term for h in found.held if len(found.absorbed[h.term])]
    fixed = [name for t in absorbed for name in _absorbing(design, design.terms[t], found.absorbed[t])]
    words = tuple(_held_words(design, h) for h in found.held)
    return Doubt(kind, words, tuple(dict.fromkeys(fixed)))


def doubtful(doubt: Doubt) -> str:
    """A doubt in sentences."""
    terms = _listed(doubt.terms)
    if doubt.kind == "flat":
        apart = " apart" if len(doubt.terms) > 1 else ""
        return (
            f"The data hardly tell the variances of {terms}{apart}: they may change by half and the "
            "criterion does not. Leave something out, or measure predictors from their centre."
        )
    if doubt.kind == "split":
        return (
            f"The data do not identify how the covariance is split: {terms} could be left out, and the "
            "estimates of these variances and covariances are one of many choices that fit as well. The "
            "criterion, the fixed effects and their standard errors are the same for all of them."
        )
    fixed = _listed([repr(name) for name in doubt.fixed]) if doubt.fixed else ""
    taken = f", which {fixed} in the fixed part takes up" if fixed else ""
    if doubt.kind == "by_design":
        return (
            f"The data do not identify the variance of {terms}{taken}: maximum likelihood settles it by the "
            "design alone, whatever the response. Leave it out."
        )
    return f"Held at zero: {terms}{taken}; the data do not identify its variance. " + (
        f"Standard errors and tests of {fixed} hold for these very groups, not for others like them."
        if fixed
        else "Standard errors and tests take it as zero."
    )


def _told(design: Design, found: Unidentified) -> str:
    return " ".join(_sentences(design, found))


def _sentences(design: Design, found: Unidentified) -> Iterator[str]:
    places = _places(design.terms)
    for group in _together(found.directions, places):
        remedy = " and ".join(_held_words(design, h) for h in found.held if h.term in group)
        if len(group) == 1:
            number = group[0]
            if len(found.absorbed[number]):
                yield _absorbed(design, number, found, remedy)
            else:
                yield _within(design, number, found, remedy)
            continue
        labels = _listed([design.terms[t].label for t in group if t >= 0])
        if -1 in group:
            yield (
                f"The data cannot tell {labels} from the residual variance: the one describes all that the "
                f"other does. Leave out {remedy}."
            )
        else:
            yield (
                f"The data cannot tell the variances of {labels} apart: {_why(design, group)}. "
                f"Leave out {remedy}."
            )


def _within(design: Design, number: int, found: Unidentified, remedy: str) -> str:
    """Columns of one term that vary too little within its levels."""
    term = design.terms[number]
    places = [p for p in _places(design.terms) if p.term == number]
    own = [a for a, p in enumerate(_places(design.terms)) if p.term == number]
    met = [p for p, a in zip(places, own, strict=True) if found.directions[:, a].any()]
    columns = _listed([repr(term.names[c]) for c in sorted({c for p in met for c in (p.row, p.col)})])
    if all(p.row != p.col for p in met):
        what, way_out = "covariances", f"Write || in {term.label}, which takes them as independent."
    else:
        what, way_out = "variances and covariances", f"Leave out {remedy}."
    return (
        f"The data cannot tell the {what} of {columns} in {term.label} apart: within the levels of "
        f"{design.factors[term.factor].name} these columns do not vary as it would take. {way_out}"
    )


def _absorbed(design: Design, number: int, found: Unidentified, remedy: str) -> str:
    """A term, or a part of it, that the fixed effects take up."""
    term = design.terms[number]
    factor = design.factors[term.factor].name
    fixed = _absorbing(design, term, found.absorbed[number])
    names = _listed([repr(name) for name in fixed]) if fixed else "other columns"
    other = "" if not fixed else f", or {names if len(fixed) == 1 else 'those'} out of the fixed part"
    if len(found.absorbed[number]) == len(term.names):
        what = f"The {'variance' if len(term.names) == 1 else 'covariance matrix'} of {term.label}"
    else:
        held = next((h.columns for h in found.held if h.term == number), ())
        what = f"The variance of {_listed([repr(term.names[c]) for c in held])} in {term.label}"
    verb = "gives" if len(fixed) == 1 else "give"
    return (
        f"{what} is not identified: in the fixed part {names} already {verb} each level of {factor} an "
        f"effect of its own, so that no data are left to estimate it from. "
        f"Leave out {remedy}{other}."
    )


def _absorbing(design: Design, term: RandomTerm, combinations: FloatArray) -> list[str]:
    """Names of the fixed terms that take up a combination: one if one does, else as few as do."""
    rng = np.random.default_rng(0)
    effect = rng.standard_normal(design.factors[term.factor].n_levels)[design.factors[term.factor].codes]
    target = (np.column_stack(term.columns) @ combinations.T) * effect[:, None]
    intercept = [c for t in design.fixed_terms if t.name == INTERCEPT for c in t.columns]
    terms = [t for t in design.fixed_terms if t.name != INTERCEPT]

    def takes_up(chosen: Sequence[int]) -> bool:
        x = design.x[:, [*intercept, *(c for i in chosen for c in terms[i].columns)]]
        if not x.shape[1]:
            return False
        x = x / np.where((norms := np.linalg.norm(x, axis=0)) > 0, norms, 1.0)
        rest = target - x @ np.linalg.lstsq(x, target, rcond=None)[0]
        return bool(np.linalg.norm(rest) <= _ROUNDING * np.linalg.norm(target))

    for i in range(len(terms)):
        if takes_up([i]):
            return [terms[i].name]
    chosen = list(range(len(terms)))
    if not takes_up(chosen):
        return []
    for i in range(len(terms)):
        fewer = [c for c in chosen if c != i]
        if takes_up(fewer):
            chosen = fewer
    return [terms[i].name for i in chosen]


def _why(design: Design, group: Sequence[int]) -> str:
    """Why several terms describe the same covariance."""
    if len(group) == 2:
        first, second = (design.factors[design.terms[t].factor] for t in group)
        if first.name != second.name and first.n_levels == second.n_levels:
            pairs = np.unique(np.stack([first.codes, second.codes]), axis=1)
            if pairs.shape[1] == first.n_levels:
                return f"{second.name} groups the rows exactly as {first.name} does"
    return "what one of them adds to the covariance of the response, the others can add as well"


def _held_words(design: Design, held: Held) -> str:
    """``"(1 | tank)"`` or ``"'Days' in (Days | Subject)"``."""
    term = design.terms[held.term]
    if len(held.columns) == len(term.names):
        return term.label
    return f"{_listed([repr(term.names[c]) for c in held.columns])} in {term.label}"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
