"""One Python peer in a process of its own: ``python -m benchmarks.worker PEER CASE reml|ml FRAME``.

Loads the frame, warms up on a small model, then answers each line of standard input with one line of JSON:

``fit``
    fits the model that the next run starts from;
``run``
    does the operation once (for operations on a fit: on the fit made last);
``answers``
    tells the criterion or the numbers that the last run came to.

Lines meant for the parent start with ``@@``, since packages print what they like.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.cases import CASES, WARM_UP, Case
from benchmarks.operations import FIT
from benchmarks.peers import PYTHON_PEERS


def answer(**fields: Any) -> None:
    print("@@", json.dumps(fields), flush=True)


def release() -> None:
    """Give freed memory back to the system, so that the next peak is that of the next run alone."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


def warm_up_frame() -> pd.DataFrame:
    y, x = np.random.default_rng(1).standard_normal((2, 40))
    return pd.DataFrame({"y": y, "x": x, "g": pd.Categorical(np.tile(list("abcdefgh"), 5))})


class Session:
    """A peer with its frame loaded; one method per command."""

    def __init__(self, peer: Any, case: Case, frame: pd.DataFrame) -> None:
        self.peer, self.case, self.frame = peer, case, frame
        self.fit_model = peer.fit(frame, case)
        self.fitted: Any = None
        self.result: Any = None

    def fit(self) -> dict[str, Any]:
        self.fitted = self.result = None
        seconds, self.fitted = timed(self.fit_model)
        release()
        return {"seconds": seconds}

    def run(self) -> dict[str, Any]:
        if self.case.operation == FIT:
            return self.fit()
        self.result = None
        release()
        operation = self.peer.AFTER[self.case.operation]
        seconds, self.result = timed(lambda: operation.run(self.fitted, self.case))
        return {"seconds": seconds}

    def answers(self) -> dict[str, Any]:
        if self.case.operation == FIT:
            return asdict(self.peer.reached(self.fitted, self.frame, self.case))
        return {"answers": self.peer.AFTER[self.case.operation].answers(self.result)}


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def lacks(peer: Any, case: Case) -> str | None:
    """Why the peer cannot do the case, or None."""
    if reason := peer.refuse(case):
        return str(reason)
    known = case.operation == FIT or case.operation in peer.AFTER
    return None if known else f"no {case.operation}"


def serve(peer: Any, case: Case, path: Path) -> None:
    if reason := lacks(peer, case):
        answer(unsupported=reason)
        return
    try:
        session = Session(peer, case, pd.read_pickle(path))
    except MemoryError as error:
        answer(unsupported=str(error))
        return
    peer.fit(warm_up_frame(), WARM_UP)()
    release()
    answer(ready=True, versions={package: metadata.version(package) for package in peer.PACKAGES})
    commands = {"fit": session.fit, "run": session.run, "answers": session.answers}
    for line in sys.stdin:
        try:
            answer(**commands[line.strip()]())
        except Exception as error:  # a peer's failure is a result of the comparison
            answer(error=f"{type(error).__name__}: {error}")


def main(name: str, case_name: str, scale: str, path: str) -> None:
    if name not in PYTHON_PEERS:
        raise SystemExit(f"no Python peer {name!r}; there are {', '.join(PYTHON_PEERS)}")
    case = next(case for case in CASES if case.name == case_name)
    try:
        peer = import_module(f"benchmarks.peers.{name}")
    except ModuleNotFoundError as error:
        answer(unsupported=f"not installed ({error.name})")
        return
    serve(peer, replace(case, reml=scale == "reml"), Path(path))


if __name__ == "__main__":
    main(*sys.argv[1:])
