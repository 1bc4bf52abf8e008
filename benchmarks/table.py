"""Results as aligned text: a line per peer, then what must be shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.results import CaseResult, Result, difference, ratio
from benchmarks.verdicts import verdicts
from benchmarks.words import ENGLISH, closeness, duration, megabytes, name_of, time_of, times, value_of

HEAD = (
    "case",
    "peer",
    "runs",
    "median",
    "min",
    "max",
    "ratio",
    "the fit",
    "peak MB",
    "x frame",
    "answer",
    "off by",
    "note",
)
LEFT = {"case", "peer", "answer", "off by", "note", "must show"}


def row(result: Result, found: CaseResult) -> tuple[str, ...]:
    draws, peak = result.draws, result.peak_mb
    return (
        found.case.name,
        name_of(result),
        str(len(result.seconds)) if result.seconds else "-",
        time_of(result),
        duration(min(result.seconds) / draws if result.seconds else None),
        duration(max(result.seconds) / draws if result.seconds else None),
        times(ratio(found, result.peer)),
        duration(result.median_fit),
        megabytes(peak),
        megabytes(None if peak is None else peak / found.frame_mb),
        *answer(result, found),
        note(result),
    )


def answer(result: Result, found: CaseResult) -> tuple[str, str]:
    """A fit's criterion and how far it is above the best; else how far the answers are from mixwell's."""
    if result.criterion is None:
        return "-", closeness(difference(found, result.peer))
    above = found.above_best(result)
    scale = "" if result.reml else " (ML)"
    return f"{result.criterion:.4f}{scale}", "-" if above is None else f"{above:.1e}"


def note(result: Result) -> str:
    """What it said, and how many draws a run had."""
    return "; ".join(filter(None, (f"{result.draws} draws a run" if result.draws > 1 else "", result.note)))


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text; a blank line where the first cell changes."""
    widths = [max(len(cells[j]) for cells in (head, *rows)) for j in range(len(head))]

    def line(cells: Iterable[str]) -> str:
        return "  ".join(
            cell.ljust(width) if name in LEFT else cell.rjust(width)
            for cell, width, name in zip(cells, widths, head, strict=True)
        ).rstrip()

    lines = [line(head), "-" * len(line(head))]
    for before, cells in zip((rows[0], *rows) if rows else (), rows, strict=False):
        if cells[0] != before[0]:
            lines.append("")
        lines.append(line(cells))
    return "\n".join(lines)


def text(found: Sequence[CaseResult]) -> str:
    """All results, then a verdict for each target."""
    results = aligned(HEAD, [row(result, case) for case in found for result in case.results])
    judged = [
        (case.case.name, ENGLISH.target(v.target), value_of(v), ENGLISH.verdict(v))
        for case in found
        for v in verdicts(case)
    ]
    targets = aligned(("case", "must show", "measured", "verdict"), judged)
    return f"{results}\n\n{targets}"
