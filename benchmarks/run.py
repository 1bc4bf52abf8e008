"""Measure the cases: peers take turns, one run at a time."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from benchmarks.cases import Case
from benchmarks.frames import FRAMES
from benchmarks.process import THREADS, PeerError, Worker, new_process, write_frame

WARM = 1.0
"""A first fit shorter than this many seconds is not counted: it warms the caches."""

START_LIMIT = 120.0
"""Seconds for a worker to load the frame and warm up, and for its criterion to be evaluated."""


@dataclass(slots=True)
class Result:
    """One peer on one case.

    Attributes
    ----------
    peer
        Its name.
    seconds
        Every counted run.
    peak_mb
        Highest resident memory during the first fit, less that with the frame loaded; None if unknown.
    criterion, reml
        What the fit ended at, on lme4's scale.
    above_best
        How far above the lowest of the same scale.
    note
        Why it was skipped or stopped, or what it said.
    """

    peer: str
    seconds: list[float] = field(default_factory=list)
    peak_mb: float | None = None
    criterion: float | None = None
    reml: bool = True
    above_best: float | None = None
    note: str = ""

    @property
    def median(self) -> float | None:
        return statistics.median(self.seconds) if self.seconds else None


@dataclass(slots=True)
class CaseResult:
    """One case: its size, each peer's result, and the ML optimum where needed (see :func:`best_ml`)."""

    case: Case
    rows: int
    frame_mb: float
    results: list[Result]
    best_ml: float | None = None


def machine() -> dict[str, str | int]:
    """Cores, processor, system; nothing that names the machine."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return {
        "processor": model,
        "cores": os.cpu_count() or 1,
        "threads": THREADS,
        "system": platform.system(),
        "python": platform.python_version(),
    }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def first_fit(worker: Worker, result: Result, limit: float) -> float:
    """Run once with memory watched, then ask for the criterion; the seconds it took."""
    before = worker.memory.start()
    seconds = float(worker.ask("run", limit)["seconds"])
    peak = worker.memory.peak()
    if before is not None and peak is not None:
        result.peak_mb = peak - before
    if seconds >= WARM:
        result.seconds.append(seconds)
    reached = worker.ask("criterion", START_LIMIT)
    result.criterion, result.reml, result.note = reached["criterion"], reached["reml"], reached["note"]
    return seconds


def take_turns(case: Case, workers: dict[str, Worker], results: dict[str, Result]) -> None:
    """First a fit of each peer alone; then rounds, A B C A B C, until each has its runs or spent its time."""
    spent: dict[str, float] = {}
    for peer, worker in workers.items():
        try:
            spent[peer] = first_fit(worker, results[peer], case.limit)
            say(f"  {peer}: {spent[peer]:.3g} s")
        except PeerError as error:
            worker.stop()  # or a run over its limit would go on beside the next peer's
            results[peer].note = str(error)
            say(f"  {peer}: {error}")
    longest = dict(spent)
    for _ in range(case.repeats):
        for peer in list(longest):
            result = results[peer]
            if len(result.seconds) >= case.repeats or spent[peer] + longest[peer] > case.limit:
                del longest[peer]
                continue
            try:
                seconds = float(workers[peer].ask("run", case.limit)["seconds"])
            except PeerError as error:
                workers[peer].stop()
                result.note = str(error)
                del longest[peer]
                continue
            result.seconds.append(seconds)
            spent[peer] += seconds
            longest[peer] = max(longest[peer], seconds)


def take_turns_in_new_processes(case: Case, results: dict[str, Result], directory: Path) -> None:
    failed = set()
    for _ in range(case.repeats):
        for peer, result in results.items():
            if peer in failed:
                continue
            try:
                seconds, result.criterion = new_process(peer, case, directory, case.limit)
            except PeerError as error:
                result.note = str(error)
                failed.add(peer)
                say(f"  {peer}: {error}")
            else:
                result.seconds.append(seconds)


def best_ml(case: Case, results: Iterable[Result], directory: Path) -> float | None:
    """The ML criterion that the fastest peer with both REML and ML reaches, from one untimed fit."""
    exact = [r for r in results if r.reml and r.criterion is not None and r.median is not None]
    if not exact:
        return None
    fastest = min(exact, key=lambda r: r.median or 0.0)
    try:
        with Worker(fastest.peer, replace(case, reml=False), directory, START_LIMIT) as worker:
            worker.ask("run", case.limit)
            return float(worker.ask("criterion", START_LIMIT)["criterion"])
    except PeerError:
        return None


def compare_criteria(found: CaseResult, directory: Path) -> None:
    reached = [r for r in found.results if r.criterion is not None]
    if found.case.reml and any(not r.reml for r in reached):
        found.best_ml = best_ml(found.case, reached, directory)
    for result in reached:
        same = [r.criterion for r in reached if r.reml == result.reml and r.criterion is not None]
        if not result.reml and found.best_ml is not None:
            same.append(found.best_ml)
        if result.criterion is not None and len(same) > 1:
            result.above_best = result.criterion - min(same)


def measure(case: Case, peers: Iterable[str], versions: dict[str, str]) -> CaseResult:
    """Measure one case for all peers; ``versions`` collects what the workers report."""
    say(f"{case.name}: {case.formula}")
    frame: pd.DataFrame = FRAMES[case.data]()
    size = float(frame.memory_usage(index=False, deep=True).sum()) / 1e6
    results = {peer: Result(peer, reml=case.reml) for peer in peers}
    found = CaseResult(case, len(frame), size, list(results.values()))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        directory = Path(folder)
        if case.operation == "process":
            frame.to_csv(directory / "frame.csv", index=False)
            take_turns_in_new_processes(case, results, directory)
        else:
            write_frame(frame, directory)
            del frame
            workers: dict[str, Worker] = {}
            for peer, result in results.items():
                try:
                    worker = stack.enter_context(Worker(peer, case, directory, START_LIMIT))
                except PeerError as error:
                    result.note = str(error)
                    say(f"  {peer}: {error}")
                else:
                    workers[peer] = worker
                    versions.update(worker.versions)
            take_turns(case, workers, results)
        compare_criteria(found, directory)
    return found
