"""Measure the cases: peers take turns, one run at a time."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.cases import Case
from benchmarks.frames import FRAMES
from benchmarks.operations import FIT, PROCESS
from benchmarks.process import THREADS, OverLimitError, PeerError, Worker, new_process, write_frame
from benchmarks.results import CaseResult, Result, difference

WARM = 5.0
"""A first run shorter than this many seconds is not counted: it loads modules and warms the caches."""

START_LIMIT = 120.0
"""Seconds for a worker to load the frame and warm up, and for its answers to be collected."""


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


class Turn:
    """One peer on one case: its worker, the seconds it has used, and the result being collected."""

    def __init__(self, worker: Worker, case: Case, result: Result) -> None:
        self.worker, self.case, self.result = worker, case, result
        self.spent = self.longest = 0.0
        self.peak_mb: float | None = None

    def fit(self) -> float:
        """Make the fit that the operation starts from; its seconds, 0 where the operation is the fit."""
        if self.case.operation == FIT:
            return 0.0
        try:
            return float(self.worker.ask("fit", self.case.limit)["seconds"])
        except OverLimitError as error:  # says nothing on the operation
            raise PeerError(f"its fit was stopped after {error.limit:g} s") from error

    def run(self) -> tuple[float, float]:
        """Run once, memory watched: seconds of the fit and of the operation."""
        fit_seconds = self.fit()
        before = self.worker.memory.start()
        seconds = float(self.worker.ask("run", self.case.limit)["seconds"])
        peak = self.worker.memory.peak()
        if before is not None and peak is not None:
            self.peak_mb = peak - before
        self.spent += fit_seconds + seconds
        self.longest = max(self.longest, fit_seconds + seconds)
        return fit_seconds, seconds

    def count(self, fit_seconds: float, seconds: float) -> None:
        self.result.seconds.append(seconds)
        if self.case.operation != FIT:
            self.result.fit_seconds.append(fit_seconds)

    def first(self) -> None:
        """Run with memory watched, once warm, and collect the answers."""
        took = self.run()
        if took[1] < WARM:
            took = self.run()
        self.count(*took)
        self.result.peak_mb = self.peak_mb
        reply = self.worker.ask("answers", START_LIMIT)
        self.result.criterion = reply.get("criterion")
        self.result.reml = reply.get("reml", self.result.reml)
        self.result.note = reply.get("note", "")
        self.result.answers = {
            name: np.atleast_1d(values).tolist() for name, values in reply.get("answers", {}).items()
        }
        say(f"  {self.result.peer}: {took[1]:.3g} s")

    def again(self) -> None:
        self.count(*self.run())

    @property
    def done(self) -> bool:
        """Whether it has its runs, or another as long as its longest would exceed the limit."""
        return len(self.result.seconds) >= self.case.repeats or self.spent + self.longest > self.case.limit


def note_failure(result: Result, error: PeerError) -> None:
    if isinstance(error, OverLimitError):
        result.stopped_after = error.limit
    result.note = str(error)
    say(f"  {result.peer}: {error}")


def take_turns(turns: list[Turn]) -> None:
    """First a run of each peer alone; then rounds, A B C A B C, until each has its runs or spent its time."""
    step = Turn.first
    while turns:
        going = []
        for turn in turns:
            try:
                step(turn)
            except PeerError as error:
                turn.worker.stop()  # or a run over its limit would go on beside the next peer's
                note_failure(turn.result, error)
            else:
                going.append(turn)
        turns = [turn for turn in going if not turn.done]
        step = Turn.again


def take_turns_in_new_processes(case: Case, results: list[Result], directory: Path) -> None:
    for _ in range(case.repeats):
        for result in [r for r in results if not r.note]:
            try:
                seconds, result.criterion = new_process(result.peer, case, directory, case.limit)
            except PeerError as error:
                note_failure(result, error)
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
            return float(worker.ask("answers", START_LIMIT)["criterion"])
    except PeerError:
        return None


def n_levels(frame: pd.DataFrame, case: Case) -> int:
    """Levels of all grouping factors together."""
    return sum(frame.groupby(factor.split(":"), observed=True).ngroups for _, factor in case.model.random)


def measure(case: Case, peers: Iterable[str], versions: dict[str, str]) -> CaseResult:
    """Measure one case for all peers; ``versions`` collects what the workers report."""
    say(f"{case.name}: {case.operation} of {case.model.formula}")
    frame: pd.DataFrame = FRAMES[case.model.data]()
    size = float(frame.memory_usage(index=False, deep=True).sum()) / 1e6
    results = [Result(peer, peer, case.draws_of(peer), reml=case.reml) for peer in peers]
    found = CaseResult(case, len(frame), n_levels(frame, case), size, results)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        directory = Path(folder)
        if case.operation == PROCESS:
            frame.to_csv(directory / "frame.csv", index=False)
            take_turns_in_new_processes(case, results, directory)
            return found
        write_frame(frame, directory)
        del frame
        turns = []
        for result in results:
            try:
                worker = stack.enter_context(Worker(result.peer, case, directory, START_LIMIT))
            except PeerError as error:
                note_failure(result, error)
            else:
                turns.append(Turn(worker, case, result))
                versions.update(worker.versions)
                result.package = worker.package
        take_turns(turns)
        if case.operation == FIT and case.reml and any(not r.reml for r in results):
            found.best_ml = best_ml(case, results, directory)
    for result in results:
        apart = difference(found, result.peer)
        if apart is not None and not apart.agrees:
            say(f"  {result.peer} disagrees: {apart.quantity} by {apart.value:.1e}")
    return found
