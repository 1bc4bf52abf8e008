"""One Python peer in a process of its own: ``python -m benchmarks.worker PEER CASE reml|ml FRAME``.

Loads the frame, warms up on a small model, then answers each line of standard input ("run", "criterion") with
one line of JSON. Lines meant for the parent start with ``@@``, since packages print what they like.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from dataclasses import asdict, replace
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.cases import CASES, WARM_UP, Case
from benchmarks.peers import PYTHON_PEERS


def answer(**fields: Any) -> None:
    print("@@", json.dumps(fields), flush=True)


def warm_up_frame() -> pd.DataFrame:
    y, x = np.random.default_rng(1).standard_normal((2, 40))
    return pd.DataFrame({"y": y, "x": x, "g": pd.Categorical(np.tile(list("abcdefgh"), 5))})


def serve(peer: Any, case: Case, path: Path) -> None:
    reason = peer.refuse(case) or (None if case.operation in peer.OPERATIONS else f"no {case.operation}")
    if reason:
        answer(unsupported=reason)
        return
    frame = pd.read_pickle(path)
    try:
        call = peer.OPERATIONS[case.operation](frame, case)
    except MemoryError as error:
        answer(unsupported=str(error))
        return
    peer.OPERATIONS["fit"](warm_up_frame(), WARM_UP)()
    gc.collect()
    answer(ready=True, **{package: metadata.version(package) for package in peer.PACKAGES})
    result = None
    for line in sys.stdin:
        if line.strip() == "run":
            result = None
            gc.collect()
            start = time.perf_counter()
            try:
                result = call()
            except Exception as error:  # a peer's failure is a result of the comparison
                answer(error=f"{type(error).__name__}: {error}")
                continue
            answer(seconds=time.perf_counter() - start)
        elif line.strip() == "criterion":
            answer(**asdict(peer.reached(result, frame, case)))


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
