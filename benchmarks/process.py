"""The parent's side: start a peer, ask it for one thing at a time, read its memory, stop it."""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.cases import Case

ROOT = Path(__file__).resolve().parent
THREADS = 2
THREAD_LIMITS = {
    name: str(THREADS)
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "RAYON_NUM_THREADS",
        "POLARS_MAX_THREADS",
    )
}


class PeerError(Exception):
    """A peer that cannot do the case or failed; the message says why."""


class OverLimitError(PeerError):
    """A peer that did not end in time.

    Attributes
    ----------
    limit
        Seconds it was given.
    """

    def __init__(self, limit: float) -> None:
        super().__init__(f"stopped after {limit:g} s")
        self.limit = limit


def environment() -> dict[str, str]:
    return {**os.environ, **THREAD_LIMITS}


def write_frame(frame: pd.DataFrame, directory: Path) -> None:
    """Write a frame for both kinds of workers: a pickle, and raw columns with a schema for R."""
    frame.to_pickle(directory / "frame.pkl")
    schema = []
    for index, name in enumerate(frame.columns):
        column = frame[name]
        path = directory / f"{index}.bin"
        if isinstance(column.dtype, pd.CategoricalDtype):
            kind, values = "factor", column.cat.codes.to_numpy(np.int32)
            levels = "\n".join(map(str, column.cat.categories)) + "\n"
            (directory / f"{index}.levels").write_text(levels, encoding="utf-8")
        elif pd.api.types.is_integer_dtype(column.dtype):
            kind, values = "integer", column.to_numpy(np.int32)
        else:
            kind, values = "number", column.to_numpy(np.float64)
        values.tofile(path)
        schema.append(f"{name}\t{kind}\t{len(column)}\n")
    (directory / "frame.tsv").write_text("".join(schema), encoding="utf-8")


@dataclass(slots=True)
class Memory:
    """Resident memory of a process, from Linux's /proc; every method returns None elsewhere."""

    pid: int

    def _megabytes(self, field: str) -> float | None:
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return None
        found = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
        return int(found.group(1)) * 1024 / 1e6 if found else None

    def start(self) -> float | None:
        """Forget the highest mark so far; return the present size."""
        try:
            Path(f"/proc/{self.pid}/clear_refs").write_text("5")
        except OSError:
            return None
        return self._megabytes("VmRSS")

    def peak(self) -> float | None:
        return self._megabytes("VmHWM")


class Worker:
    """A peer's process, from start to stop; use as a context manager.

    Raises
    ------
    PeerError
        From ``__init__`` and ``ask``.

    Attributes
    ----------
    versions
        Package -> version.
    package
        What the operation is done with: the peer itself, or one of R's packages.
    """

    def __init__(self, peer: str, case: Case, directory: Path, limit: float) -> None:
        scale = "reml" if case.reml else "ml"
        if peer == "R":
            script = str(ROOT / "peers" / "R.R")
            asked = [case.model.formula, scale, case.operation, case.about, str(case.draws_of(peer))]
            command = ["Rscript", script, str(directory), *asked]
        else:
            python = [sys.executable, "-W", "ignore", "-m", "benchmarks.worker"]
            command = [*python, peer, case.name, scale, str(directory / "frame.pkl")]
        self.errors = (directory / f"{peer}.stderr").open("w+")
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.errors,
                text=True,
                env=environment(),
                cwd=ROOT.parent,
            )
        except FileNotFoundError as error:
            self.errors.close()
            raise PeerError("not installed") from error
        self.answers: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        self.memory = Memory(self.process.pid)
        try:
            ready = self._answer(limit)
        except OverLimitError as error:
            self.stop()
            raise PeerError(f"not ready after {error.limit:g} s") from error
        except PeerError:
            self.stop()
            raise
        self.versions: dict[str, str] = ready["versions"]
        self.package: str = ready.get("package", peer)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("@@ "):
                self.answers.put(line[3:])
        self.answers.put(None)

    def _answer(self, limit: float) -> dict[str, Any]:
        try:
            line = self.answers.get(timeout=limit)
        except queue.Empty:
            raise OverLimitError(limit) from None
        if line is None:
            self.errors.seek(0)
            said = self.errors.read().strip().splitlines()
            raise PeerError(f"process ended: {said[-1] if said else 'without a word'}")
        reply: dict[str, Any] = json.loads(line)
        for key in ("unsupported", "error"):
            if key in reply:
                raise PeerError(reply[key])
        return reply

    def ask(self, command: str, limit: float) -> dict[str, Any]:
        """What the peer answers to one of the commands of :mod:`benchmarks.worker`."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended: what it said last is read below
        return self._answer(limit)

    def stop(self) -> None:
        """End the process; harmless when it has ended."""
        self.process.kill()
        self.process.wait()
        self.errors.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def new_process(peer: str, case: Case, directory: Path, limit: float) -> tuple[float, float]:
    """Run the peer's script of the case in a new process; seconds and criterion.

    Raises
    ------
    PeerError
        Where there is no script, or it fails or does not end.
    """
    suffix = "R" if peer == "R" else "py"
    script = ROOT / "scripts" / f"{case.model.data}_{peer}.{suffix}"
    if not script.exists():
        raise PeerError(f"no script for {case.model.data}")
    program = "Rscript" if peer == "R" else sys.executable
    start = time.perf_counter()
    try:
        done = subprocess.run(
            [program, str(script), str(directory / "frame.csv")],
            capture_output=True,
            text=True,
            env=environment(),
            timeout=limit,
            check=True,
        )
    except FileNotFoundError as error:
        raise PeerError("not installed") from error
    except subprocess.TimeoutExpired as error:
        raise OverLimitError(limit) from error
    except subprocess.CalledProcessError as error:
        said = str(error.stderr).strip().splitlines()
        raise PeerError(said[-1] if said else "failed without a word") from error
    seconds = time.perf_counter() - start
    return seconds, float(done.stdout.split()[-1])
