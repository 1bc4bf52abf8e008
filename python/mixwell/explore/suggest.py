"""Formulas that the structure of the data allows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mixwell.data.columns import Factor
from mixwell.explore.coded import Coded
from mixwell.explore.hierarchy import Relation
from mixwell.explore.implicit import Nesting
from mixwell.explore.variation import Variation
from mixwell.formula.tokens import quoted

# A variance of fewer levels than this is hardly estimated.
FEW_LEVELS = 5
# Suggestions of one kind.
_MOST_SUGGESTED = 2
# A number is split in a part within and one between groups if both have this share of its spread.
_BOTH_PARTS = 0.05


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A formula to start from, and why it suits the structure."""

    formula: str
    reason: str


@dataclass(frozen=True, slots=True)
class Clock:
    """The column that says when a row was measured, and whether it holds dates."""

    name: str
    dates: bool


def one_each(factor: Factor) -> bool:
    """Whether every row has a level of its own."""
    return len(factor.levels) == int((factor.codes >= 0).sum())


def path(nesting: Nesting, factors: Sequence[Factor], index: int, between: str = "/") -> str:
    """A factor as a bar spells it, ``a/b`` or ``a:b`` where it is read within others."""
    return between.join(quoted(factors[part].name) for part in nesting.parts[index])


class _Terms:
    """Random terms of the factors that can have one."""

    def __init__(self, factors: Sequence[Factor], nesting: Nesting, usable: list[int]) -> None:
        self.usable = usable
        self._bars = {i: path(nesting, factors, i, ":") for i in usable}
        self.units = nesting.units

    def bar(self, index: int, left: str = "1") -> str:
        """``(left | factor)``."""
        return f"({left} | {self._bars[index]})"

    def group(self, index: int) -> str:
        """The factor as it stands right of the bar."""
        return self._bars[index]

    def intercepts(self, without: Sequence[int] = ()) -> str:
        """Intercepts by all factors but some."""
        return " + ".join(self.bar(i) for i in self.usable if i not in without)

    def slope(self, index: int, column: str) -> str:
        """A slope by one factor, intercepts by the others."""
        others = self.intercepts(without=[index])
        return f"{self.bar(index, column)}{f' + {others}' if others else ''}"

    def finest(self, candidates: Sequence[int]) -> int:
        """The one with the most levels; the last listed of equal ones."""
        return max(candidates, key=lambda i: (len(self.units[i].levels), i))


def suggestions(
    factors: Sequence[Factor],
    nesting: Nesting,
    relations: Sequence[Relation],
    variations: Sequence[Variation],
    columns: Sequence[Coded],
    clock: Clock | None,
    response: str,
    numeric: Collection[str],
) -> list[Suggestion]:
    """Formulas to start from, the plainest first; ``numeric`` are the names of factors that are numbers."""
    units = nesting.units
    twins = {r.inner for r in relations if r.kind == "identical"}
    usable = [
        i for i, unit in enumerate(units) if len(unit.levels) > 1 and not one_each(unit) and i not in twins
    ]
    if not usable:
        return []
    y = quoted(response)
    terms = _Terms(factors, nesting, usable)
    found = [_plainest(y, factors, nesting, terms), *_other_readings(y, factors, nesting, terms)]
    found += _few_levels_fixed(y, nesting, terms, numeric)
    by = {(v.covariate, v.factor): v for v in variations}
    if clock is not None and (rates := _allowed(by, clock.name, usable)):
        t = f"time_since({quoted(clock.name)})" if clock.dates else quoted(clock.name)
        unit = terms.finest(rates)
        reason = f"growth: each {units[unit].name} with a level and a rate of its own"
        found.append(Suggestion(f"{y} ~ {t} + {terms.slope(unit, t)}", reason))
    slopes = [
        (column.name, terms.finest(allowed))
        for column in columns
        if (clock is None or column.name != clock.name)
        and (column.numbers is not None or column.kinds < FEW_LEVELS)
        and (allowed := _allowed(by, column.name, usable))
    ]
    for name, unit in slopes[:_MOST_SUGGESTED]:
        x = quoted(name)
        reason = f"{name} varies within {units[unit].name}, so its effect may differ between them"
        found.append(Suggestion(f"{y} ~ {x} + {terms.slope(unit, x)}", reason))
    splits = [
        (name, unit, share)
        for name, unit in slopes
        if _BOTH_PARTS < (share := by[name, unit].within_share or 0.0) < 1 - _BOTH_PARTS
        and len(nesting.parts[unit]) == 1
    ]
    for name, unit, share in splits[:_MOST_SUGGESTED]:
        x, g = quoted(name), terms.group(unit)
        reason = (
            f"{100 * share:.0f}% of the spread of {name} is within {units[unit].name}; its effects within "
            "and between may differ"
        )
        formula = f"{y} ~ within({x}, {g}) + between({x}, {g}) + {terms.slope(unit, '1')}"
        found.append(Suggestion(formula, reason))
    return found


def _allowed(by: dict[tuple[str, int], Variation], covariate: str, usable: Sequence[int]) -> list[int]:
    """Factors by which a slope can be estimated; those with few levels only if there are no others."""
    allowed = [i for i in usable if by[covariate, i].slope == "yes"]
    return [i for i in allowed if by[covariate, i].levels >= FEW_LEVELS] or allowed


def _plainest(y: str, factors: Sequence[Factor], nesting: Nesting, terms: _Terms) -> Suggestion:
    """An intercept by each factor; as one bar ``a/b/c`` where each is read within the one before."""
    usable = terms.usable
    reason = "an intercept that varies by " + " and by ".join(terms.units[i].name for i in usable)
    last = usable[-1]
    if len(usable) > 1 and [nesting.parts[i] for i in usable] == [
        nesting.parts[last][: depth + 1] for depth in range(len(usable))
    ]:
        reason += "; labels are reused, so the inner ones are read within the outer"
        return Suggestion(f"{y} ~ 1 + (1 | {path(nesting, factors, last)})", reason)
    return Suggestion(f"{y} ~ 1 + {terms.intercepts()}", reason)


def _other_readings(y: str, factors: Sequence[Factor], nesting: Nesting, terms: _Terms) -> list[Suggestion]:
    """What to write if labels that may be crossed are nested."""
    found = []
    for again in nesting.reused:
        if again.evidence or again.inner not in terms.usable:
            continue
        nested = f"{path(nesting, factors, again.outer)}/{quoted(factors[again.inner].name)}"
        inner, outer = factors[again.inner].name, nesting.units[again.outer].name
        reason = f"only if equal labels of {inner} under several levels of {outer} are different things"
        found.append(Suggestion(f"{y} ~ 1 + (1 | {nested})", reason))
    return found


def _few_levels_fixed(y: str, nesting: Nesting, terms: _Terms, numeric: Collection[str]) -> list[Suggestion]:
    """Factors with few levels among the fixed effects, the others random."""
    few = [i for i in terms.usable if len(terms.units[i].levels) < FEW_LEVELS and len(nesting.parts[i]) == 1]
    rest = terms.intercepts(without=few)
    if not few or not rest:
        return []
    names = [terms.units[i].name for i in few]
    levels = "few levels" if len(few) > 1 else f"only {len(terms.units[few[0]].levels)} levels"
    spelled = [f"factor({quoted(name)})" if name in numeric else quoted(name) for name in names]
    formula = f"{y} ~ 1 + {' + '.join(spelled)} + {rest}"
    return [Suggestion(formula, f"{' and '.join(names)} with {levels} as fixed effect{'s' * (len(few) > 1)}")]
