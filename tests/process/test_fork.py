"""Work in threads goes on in a forked child, which has none of its parent's threads."""

import multiprocessing
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import mixwell as mw

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

SECONDS = 60.0


def crossed(n: int = 6000, q: int = 1600, seed: int = 3) -> dict[str, np.ndarray]:
    """Two crossed factors with so many levels that a single evaluation is shared between threads."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, q, n), rng.integers(0, q - 50, n)
    y = rng.normal(size=q)[a] + rng.normal(size=q)[b] + rng.normal(size=n)
    return {"y": y, "x": rng.normal(size=n), "a": a, "b": b}


@pytest.fixture(scope="module")
def fit() -> mw.LmerResult:
    """A fit, after work in threads, so that this process has a pool."""
    fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    fit.bootstrap(20, seed=1, progress=False)
    return fit


LARGE = crossed()

WORK: dict[str, Callable[[mw.LmerResult], object]] = {
    "fit": lambda _: mw.lmer("y ~ x + (1 | a) + (1 | b)", LARGE),
    "bootstrap": lambda fit: fit.bootstrap(20, seed=1, progress=False),
    "influence": lambda fit: fit.influence("Subject"),
    "check": lambda fit: fit.check(),
    "ranova": lambda fit: fit.ranova(method="bootstrap", n=20, seed=1),
    "profile": lambda fit: fit.profile(),
    "power": lambda fit: mw.power(fit, test="Days", n_sims=20, seed=1, progress=False),
    "predict": lambda fit: fit.predict(interval="prediction"),
}


def ends_well(pid: int) -> bool:
    """Whether a child ends, with 0, in time."""
    began = time.monotonic()
    while time.monotonic() - began < SECONDS:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False


@pytest.mark.parametrize("work", WORK)
def test_work_ends_in_a_forked_child(fit: mw.LmerResult, work: str) -> None:
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            WORK[work](fit)
            code = 0
        finally:
            os._exit(code)
    assert ends_well(pid)


def draws(seed: int) -> list[float]:
    fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    return fit.bootstrap(10, seed=seed, progress=False).draws[:, 0].tolist()


@pytest.mark.usefixtures("fit")
def test_a_pool_of_forked_workers_gives_the_same_numbers() -> None:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.map_async(draws, [1, 2]).get(SECONDS)
    assert found == [draws(1), draws(2)]


def test_threads_come_from_one_place() -> None:
    """Rayon beside the pool of the process would wait for threads that a forked child does not have."""
    sources = Path(__file__).parents[2].glob("crates/*/src/**/*.rs")
    users = {
        path.name for path in sources if re.search(r"rayon(::(?!ThreadPoolBuilder)|\()", path.read_text())
    }
    assert users == {"pool.rs"}


def test_a_child_of_a_child_works(fit: mw.LmerResult) -> None:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            WORK["bootstrap"](fit)
            grandchild = os.fork()
            if grandchild == 0:
                WORK["bootstrap"](fit)
                os._exit(0)
            code = 0 if ends_well(grandchild) else 1
        finally:
            os._exit(code)
    assert ends_well(pid)
