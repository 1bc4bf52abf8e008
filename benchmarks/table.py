"""Results as aligned text and as JSON."""

from __future__ import annotations

from typing import Any

from benchmarks.run import CaseResult, Result

HEAD = (
    "case",
    "peer",
    "runs",
    "median",
    "min",
    "max",
    "ratio",
    "peak MB",
    "x frame",
    "criterion",
    "above best",
)
REFERENCE = "mixwell"


def duration(seconds: float | None) -> str:
    """Three digits, with the unit: 3.47 ms, 12.3 s."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 1000 else f"{seconds:.0f} s"


def ratio(result: Result, found: CaseResult) -> float | None:
    """The peer's median time over mixwell's."""
    base = next((r.median for r in found.results if r.peer == REFERENCE), None)
    return None if base is None or result.median is None else result.median / base


def row(result: Result, found: CaseResult) -> tuple[str, ...]:
    times = ratio(result, found)
    criterion = "-" if result.criterion is None else f"{result.criterion:.4f}"
    peak = result.peak_mb
    return (
        found.case.name,
        result.peer,
        str(len(result.seconds)) if result.seconds else "-",
        duration(result.median),
        duration(min(result.seconds, default=None)),
        duration(max(result.seconds, default=None)),
        "-" if times is None else f"{times:.3g}",
        "-" if peak is None else f"{peak:.1f}",
        "-" if peak is None else f"{peak / found.frame_mb:.1f}",
        criterion if result.reml or result.criterion is None else f"{criterion} (ML)",
        "-" if result.above_best is None else f"{result.above_best:.1e}",
    )


def text(found: list[CaseResult]) -> str:
    """One aligned table; a line between cases; notes after the last column."""
    rows = [(row(result, case), result.note) for case in found for result in case.results]
    widths = [max(len(cells[j]) for cells in (HEAD, *(cells for cells, _ in rows))) for j in range(len(HEAD))]

    def line(cells: tuple[str, ...], note: str) -> str:
        aligned = (
            c.ljust(w) if j < 2 else c.rjust(w) for j, (c, w) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join((*aligned, note)).rstrip()

    lines = [line(HEAD, "note"), "-" * (sum(widths) + 2 * len(widths))]
    previous = rows[0][0][0] if rows else ""
    for cells, note in rows:
        if cells[0] != previous:
            lines.append("")
            previous = cells[0]
        lines.append(line(cells, note))
    return "\n".join(lines)


def record(found: list[CaseResult], machine: dict[str, Any], versions: dict[str, str]) -> dict[str, Any]:
    """Everything measured, for JSON."""
    return {
        "machine": machine,
        "versions": dict(sorted(versions.items())),
        "cases": [
            {
                "name": case.case.name,
                "formula": case.case.formula,
                "operation": case.case.operation,
                "reml": case.case.reml,
                "rows": case.rows,
                "frame_mb": case.frame_mb,
                "best_ml": case.best_ml,
                "results": [
                    {
                        "peer": result.peer,
                        "median": result.median,
                        "min": min(result.seconds, default=None),
                        "max": max(result.seconds, default=None),
                        "runs": len(result.seconds),
                        "seconds": result.seconds,
                        "ratio_to_mixwell": ratio(result, case),
                        "peak_mb": result.peak_mb,
                        "peak_over_frame": None if result.peak_mb is None else result.peak_mb / case.frame_mb,
                        "criterion": result.criterion,
                        "criterion_is_reml": result.reml,
                        "above_best": result.above_best,
                        "note": result.note,
                    }
                    for result in case.results
                ],
            }
            for case in found
        ],
    }
