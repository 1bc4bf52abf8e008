"""Ctrl-C: work that has nothing to show ends at once, work by draws returns what it has and says how many."""

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest

import mixwell as mw
from mixwell.inference import refits

# Seconds that may pass between the signal and the answer, on a busy machine.
PROMPT = 4.0


@contextmanager
def interrupt(after: float) -> Iterator[list[float]]:
    """A signal as from Ctrl-C; the list holds when it was sent."""
    sent: list[float] = []

    def send() -> None:
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(after, send)
    timer.start()
    try:
        yield sent
    finally:
        timer.cancel()
        timer.join()


def crossed() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    n = 40_000
    return {"y": rng.normal(size=n), "a": rng.integers(0, 4000, n), "b": rng.integers(0, 3000, n)}


def wide() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    n = 200_000
    text = np.array([f"k{i % 1000}" for i in range(n)], dtype=object)
    return {"y": rng.normal(size=n), "f": text, "g": rng.integers(0, 10, n)}


def many_rows() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    n = 1_500_000
    text = np.array(["u", "v", "w"], dtype=object)[rng.integers(0, 3, n)]
    return {"y": rng.normal(size=n), "f": text, "h": text[::-1], "g": rng.integers(0, 200_000, n)}


# Formula, data, and seconds until the signal: each alone works for far longer.
FITS: dict[str, tuple[str, Callable[[], dict[str, np.ndarray]], float]] = {
    "search": ("y ~ 1 + (1 | a) + (1 | b)", crossed, 1.5),
    "crossproducts": ("y ~ f + (1 | g)", wide, 3.0),
    "design": ("y ~ f * h + (1 | g)", many_rows, 0.2),
}


@pytest.mark.parametrize("kind", FITS)
def test_a_fit_ends_at_once(kind: str) -> None:
    formula, data, after = FITS[kind]
    given = data()
    with interrupt(after) as sent, pytest.raises(KeyboardInterrupt):
        mw.lmer(formula, given)
    assert time.perf_counter() - sent[0] < PROMPT


@pytest.fixture
def interrupted_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The signal comes while the fourth portion of draws is at work."""

    def portions(n: int, label: str, *, progress: bool = True) -> Iterator[tuple[int, int]]:
        for number, ends in enumerate(plain(n, label, progress=progress)):
            if number == 3:
                threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()
            yield ends

    plain = refits.portions
    monkeypatch.setattr(refits, "portions", portions)


@pytest.fixture(scope="module")
def fit() -> mw.LmerResult:
    return mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())


# More draws than can be made until the signal.
MANY = 3_000_000


def counts(text: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", text)]


@pytest.mark.usefixtures("interrupted_soon")
def test_bootstrap_tells_the_draws_it_made(fit: mw.LmerResult) -> None:
    with pytest.warns(mw.MixwellWarning, match="interrupted"):
        boot = fit.bootstrap(MANY, seed=1, progress=False)
    made = len(boot.draws) + boot.n_failed
    assert 0 < made < MANY
    assert f"Interrupted: {made} of {MANY} draws were made." in boot.note
    assert boot.note in str(boot).replace("\n", " ")
    assert f"{MANY - made} more" in repr(boot)
    assert boot.note in repr(boot.conf_int()).replace("\n", " ")


@pytest.mark.usefixtures("interrupted_soon")
def test_intervals_tell_the_draws_they_rest_on(fit: mw.LmerResult) -> None:
    with pytest.warns(mw.MixwellWarning, match="interrupted"):
        table = fit.conf_int(method="bootstrap", n=MANY, seed=1)
    assert re.search(rf"Interrupted: \d+ of {MANY} draws were made", repr(table).replace("\n", " "))


@pytest.mark.parametrize("share", ["icc", "r2"])
@pytest.mark.usefixtures("interrupted_soon")
def test_shares_tell_the_draws_they_rest_on(fit: mw.LmerResult, share: str) -> None:
    with pytest.warns(mw.MixwellWarning, match="interrupted"):
        found = getattr(fit, share)(interval="bootstrap", n=MANY, seed=1)
    assert re.search(rf"Interrupted: \d+ of {MANY} draws were made", str(found))


@pytest.mark.usefixtures("interrupted_soon")
def test_likelihood_ratios_tell_the_draws_they_rest_on() -> None:
    fit = mw.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", mw.datasets.load_penicillin())
    with pytest.warns(mw.MixwellWarning, match="interrupted"):
        table = fit.ranova(method="bootstrap", n=MANY, seed=1)
    draws, asked = counts(table.note)[:2]
    assert 0 < draws < asked == MANY
    # one signal ends all of it: the second term is not begun
    assert np.isfinite(table["p_value"]).tolist() == [False, True, False]
    # p = (1 + exceeding) / (1 + draws) is a multiple of 1 / (1 + draws)
    multiple = float(table["p_value"].iloc[1]) * (draws + 1)
    assert multiple == pytest.approx(round(multiple), abs=1e-6)
    assert "interrupted before the tests without one" in table.note


@pytest.mark.usefixtures("interrupted_soon")
def test_comparison_tells_the_draws_it_rests_on(fit: mw.LmerResult) -> None:
    small = mw.lmer("Reaction ~ Days + (1 | Subject)", mw.datasets.load_sleepstudy())
    with pytest.warns(mw.MixwellWarning, match="interrupted"):
        table = mw.anova(small, fit, method="bootstrap", n=MANY, seed=1)
    made, asked = counts(table.note)[-2:]
    assert 0 < made < asked == MANY


@pytest.mark.usefixtures("interrupted_soon")
def test_power_counts_the_simulations_it_made(fit: mw.LmerResult) -> None:
    with pytest.warns(mw.MixwellWarning, match="interrupted"):
        table = mw.power(fit, test="Days", n=[9, 18, 27], n_sims=MANY, seed=1, progress=False)
    assert isinstance(table, pd.DataFrame)
    assert table["n"].tolist() == [9]
    assert 0 < int(table["n_sims"].iloc[0]) + int(table["n_failed"].iloc[0]) < MANY
