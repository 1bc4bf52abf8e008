"""What was measured, and its JSON. Everything else is computed from these records when it is asked for."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import CASES, Case
from benchmarks.peers import REFERENCE, Answers


@dataclass(slots=True)
class Result:
    """One peer on one case.

    Attributes
    ----------
    peer
        Its name.
    package
        What it did the operation with: the peer itself, or one of R's packages.
    draws
        Repetitions of the operation's unit in one run.
    seconds
        Every counted run.
    fit_seconds
        The fits those runs started from, where the operation is done on a fit.
    peak_mb
        Highest resident memory during the first run, less that before it; None if unknown.
    criterion, reml
        What the fit ended at, on lme4's scale.
    answers
        The numbers the operation came to.
    stopped_after
        Seconds after which a run that had not ended was stopped; None if all ended.
    note
        Why it was skipped, or what it said.
    """

    peer: str
    package: str = ""
    draws: int = 1
    seconds: list[float] = field(default_factory=list)
    fit_seconds: list[float] = field(default_factory=list)
    peak_mb: float | None = None
    criterion: float | None = None
    reml: bool = True
    answers: Answers = field(default_factory=dict)
    stopped_after: float | None = None
    note: str = ""

    @property
    def median(self) -> float | None:
        return statistics.median(self.seconds) if self.seconds else None

    @property
    def median_fit(self) -> float | None:
        return statistics.median(self.fit_seconds) if self.fit_seconds else None

    @property
    def per_draw(self) -> float | None:
        """Median seconds of one unit: one refit of a bootstrap, elsewhere the whole run."""
        return None if self.median is None else self.median / self.draws


@dataclass(slots=True)
class CaseResult:
    """One case measured.

    Attributes
    ----------
    case
        The case, with the repeats and limit that were used.
    rows, levels
        Rows of the frame; levels of all grouping factors together.
    frame_mb
        Size of the frame in memory.
    results
        One per peer.
    best_ml
        The ML optimum, where a peer knows ML only (see :func:`benchmarks.run.best_ml`).
    """

    case: Case
    rows: int
    levels: int
    frame_mb: float
    results: list[Result]
    best_ml: float | None = None

    def of(self, peer: str) -> Result | None:
        return next((result for result in self.results if result.peer == peer), None)

    def above_best(self, result: Result) -> float | None:
        """How far a criterion is above the lowest of the same scale; None if there is no other."""
        reached = [r.criterion for r in self.results if r.criterion is not None and r.reml == result.reml]
        if self.best_ml is not None and not result.reml:
            reached.append(self.best_ml)
        if result.criterion is None or len(reached) < 2:
            return None
        return result.criterion - min(reached)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A peer's time over mixwell's; ``at_least`` where the peer was stopped before it ended."""

    value: float
    at_least: bool = False


def ratio(found: CaseResult, peer: str) -> Ratio | None:
    """Time per unit of ``peer`` over mixwell's; None where either did not run."""
    ours, theirs = found.of(REFERENCE), found.of(peer)
    if ours is None or theirs is None or ours.per_draw is None:
        return None
    if theirs.per_draw is not None:
        return Ratio(theirs.per_draw / ours.per_draw)
    if theirs.stopped_after is not None:
        return Ratio(theirs.stopped_after / theirs.draws / ours.per_draw, at_least=True)
    return None


@dataclass(frozen=True, slots=True)
class Difference:
    """How far a peer's answers are from mixwell's, in the quantity that uses most of its tolerance.

    Attributes
    ----------
    quantity
        A key of ``Operation.tolerances``.
    value
        Largest difference of an element, relative to mixwell's; infinite where numbers are missing or the
        lengths differ.
    tolerance
        What is allowed.
    """

    quantity: str
    value: float
    tolerance: float

    @property
    def agrees(self) -> bool:
        return self.value <= self.tolerance


def relative_difference(theirs: Sequence[float | None], ours: Sequence[float | None]) -> float:
    """Largest |a - b| / |b|, 0 where both are equal; infinite for lengths that differ or missing numbers."""
    a, b = (np.array(values, dtype=np.float64) for values in (theirs, ours))
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    apart = np.abs(a - b)
    with np.errstate(divide="ignore"):
        relative = np.divide(apart, np.abs(b), out=np.zeros_like(apart), where=apart > 0)
    return float(relative.max(initial=0.0))


def difference(found: CaseResult, peer: str) -> Difference | None:
    """Compare a peer's answers with mixwell's; None where there is nothing in common."""
    ours, theirs = found.of(REFERENCE), found.of(peer)
    if ours is None or theirs is None or theirs is ours:
        return None
    compared = [
        Difference(quantity, relative_difference(theirs.answers[quantity], ours.answers[quantity]), tolerance)
        for quantity, tolerance in found.case.definition.tolerances.items()
        if quantity in theirs.answers and quantity in ours.answers
    ]
    return max(compared, key=lambda d: d.value / d.tolerance, default=None)


@dataclass(slots=True)
class Run:
    """Cases measured on one machine.

    Attributes
    ----------
    machine
        Processor, cores, threads of each peer, system.
    versions
        Package -> version.
    cases
        In the order of :data:`benchmarks.cases.CASES`.
    """

    machine: dict[str, str | int]
    versions: dict[str, str]
    cases: list[CaseResult]

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self.as_json(), indent=1) + "\n", encoding="utf-8")

    def as_json(self) -> dict[str, Any]:
        cases = [
            {
                "name": found.case.name,
                "formula": found.case.model.formula,
                "operation": found.case.operation,
                "repeats": found.case.repeats,
                "limit": found.case.limit,
                "rows": found.rows,
                "levels": found.levels,
                "frame_mb": found.frame_mb,
                "best_ml": found.best_ml,
                "results": [asdict(result) for result in found.results],
            }
            for found in self.cases
        ]
        return {"machine": self.machine, "versions": dict(sorted(self.versions.items())), "cases": cases}


def read(paths: Sequence[Path]) -> Run:
    """One run from the files of :meth:`Run.write`; of a case that is in several, the last counts.

    Raises
    ------
    ValueError
        For no file, for files of different machines or package versions, and for cases that no longer exist.
    """
    parts = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    if not parts:
        raise ValueError("no file of results given")
    versions: dict[str, str] = {}
    measured: dict[str, dict[str, Any]] = {}
    for path, part in zip(paths, parts, strict=True):
        if part["machine"] != parts[0]["machine"]:
            raise ValueError(f"{path} was measured on another machine than {paths[0]}")
        for package, version in part["versions"].items():
            if versions.setdefault(package, version) != version:
                raise ValueError(f"{path} has {package} {version}, an earlier file {versions[package]}")
        measured |= {case["name"]: case for case in part["cases"]}
    unknown = set(measured) - {case.name for case in CASES}
    if unknown:
        raise ValueError(f"no case {', '.join(sorted(unknown))}; measure again")
    cases = [
        CaseResult(
            replace(case, repeats=found["repeats"], limit=found["limit"]),
            found["rows"],
            found["levels"],
            found["frame_mb"],
            [Result(**result) for result in found["results"]],
            found["best_ml"],
        )
        for case in CASES
        if (found := measured.get(case.name))
    ]
    return Run(parts[0]["machine"], versions, cases)
