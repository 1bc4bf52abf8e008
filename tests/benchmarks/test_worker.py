"""Workers: a real one from start to stop; peers answered for and taking turns. No times are tested."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import mixwell as mw
from benchmarks.cases import CASES, SLEEPSTUDY, Case
from benchmarks.criterion import ml_criterion
from benchmarks.frames import FRAMES
from benchmarks.peers import After, Reached, mixwell
from benchmarks.process import OverLimitError, PeerError, Worker, write_frame
from benchmarks.results import Result
from benchmarks.run import Turn, measure, take_turns
from benchmarks.worker import Session, lacks


def case_of(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_frame(FRAMES["sleepstudy"](), tmp_path)
    return tmp_path


def test_a_worker_fits_runs_and_answers(directory: Path) -> None:
    with Worker("mixwell", case_of("profile"), directory, 120.0) as worker:
        assert worker.package == "mixwell"
        assert worker.versions["mixwell"] == mw.__version__
        assert worker.ask("fit", 60.0)["seconds"] > 0
        assert worker.ask("run", 60.0)["seconds"] > 0
        (ends,) = worker.ask("answers", 60.0)["answers"].values()
    fit = mw.lmer(case_of("profile").model.formula, FRAMES["sleepstudy"]())
    assert ends == pytest.approx(fit.profile().conf_int(0.95).to_numpy().ravel().tolist(), rel=1e-6)
    assert worker.process.poll() is not None


def test_a_worker_over_its_limit_is_an_error_that_tells_the_limit(directory: Path) -> None:
    with Worker("mixwell", case_of("sleepstudy"), directory, 120.0) as worker:
        with pytest.raises(OverLimitError, match="stopped after 1e-06 s") as caught:
            worker.ask("run", 1e-6)
        assert caught.value.limit == 1e-6


def test_an_unknown_command_is_an_error_and_not_the_end(directory: Path) -> None:
    with Worker("mixwell", case_of("sleepstudy"), directory, 120.0) as worker:
        with pytest.raises(PeerError, match="KeyError"):
            worker.ask("sing", 60.0)
        worker.ask("run", 60.0)
        assert worker.ask("answers", 60.0)["criterion"] == pytest.approx(1743.6283, abs=1e-4)


def test_without_r_its_peer_is_skipped_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    for name in ("sleepstudy", "process"):
        found = measure(case_of(name), ["R"], {})
        assert [result.note for result in found.results] == ["not installed"]
        assert found.results[0].seconds == []


def peer(**fields: object) -> SimpleNamespace:
    usual = {
        "refuse": lambda case: None,
        "fit": lambda frame, case: lambda: [len(frame)],
        "reached": lambda fitted, frame, case: Reached(float(fitted[0]), case.reml),
        "AFTER": {"profile": After(lambda fitted, case: fitted * 2, lambda found: {"interval": found})},
    }
    return SimpleNamespace(**{**usual, **fields})


def test_a_session_does_the_operation_on_the_fit_made_last() -> None:
    session = Session(peer(), case_of("profile"), pd.DataFrame({"y": [1, 2, 3]}))
    session.fit()
    session.run()
    assert session.answers() == {"answers": {"interval": [3, 3]}}


def test_a_session_of_fits_answers_with_the_criterion() -> None:
    session = Session(peer(), case_of("sleepstudy"), pd.DataFrame({"y": [1, 2, 3]}))
    session.run()
    assert session.answers() == {"criterion": 3.0, "reml": True, "note": ""}


def test_what_a_peer_lacks_is_said() -> None:
    assert lacks(peer(), case_of("profile")) is None
    assert lacks(peer(), case_of("sleepstudy")) is None
    assert lacks(peer(), case_of("influence")) == "no influence"
    assert lacks(peer(refuse=lambda case: "no slopes"), case_of("profile")) == "no slopes"


class Scripted:
    """A worker whose runs take the seconds it is given; it fails when they are used up."""

    memory = SimpleNamespace(start=lambda: 10.0, peak=lambda: 12.5)

    def __init__(self, log: list[str], name: str, *seconds: float) -> None:
        self.log, self.name, self.seconds, self.stopped = log, name, list(seconds), False

    def ask(self, command: str, limit: float) -> dict[str, object]:
        if command == "answers":
            return {"criterion": 1.0, "reml": True, "note": ""}
        self.log.append(self.name)
        if not self.seconds:
            raise OverLimitError(limit)
        return {"seconds": self.seconds.pop(0)}

    def stop(self) -> None:
        self.stopped = True


def turns_of(log: list[str], repeats: int, limit: float, **seconds: tuple[float, ...]) -> list[Turn]:
    case = Case("c", SLEEPSTUDY, repeats=repeats, limit=limit)
    return [Turn(Scripted(log, name, *took), case, Result(name)) for name, took in seconds.items()]


def test_peers_take_turns_and_a_short_first_run_is_not_counted() -> None:
    log: list[str] = []
    turns = turns_of(log, 3, 100.0, a=(0.9, 0.1, 0.2, 0.3), b=(6.0, 7.0, 8.0))
    take_turns(list(turns))
    assert "".join(log) == "aab" + "ab" + "ab"
    assert [turn.result.seconds for turn in turns] == [[0.1, 0.2, 0.3], [6.0, 7.0, 8.0]]
    assert turns[0].result.peak_mb == 2.5


def test_a_peer_stops_before_its_time_is_over() -> None:
    log: list[str] = []
    (turn,) = turns_of(log, 9, 20.0, a=(8.0, 6.0, 6.0))
    take_turns([turn])
    assert turn.result.seconds == [8.0, 6.0]  # a third of up to 8 s would end after 20 s
    assert turn.result.stopped_after is None


def test_a_peer_that_does_not_end_is_stopped_and_the_others_go_on() -> None:
    log: list[str] = []
    turns = turns_of(log, 2, 50.0, a=(), b=(6.0, 7.0))
    take_turns(list(turns))
    assert turns[0].worker.stopped
    assert (turns[0].result.stopped_after, turns[0].result.note) == (50.0, "stopped after 50 s")
    assert turns[1].result.seconds == [6.0, 7.0]


def test_a_fit_over_the_limit_is_no_bound_for_what_was_to_follow() -> None:
    case = case_of("profile")
    turn = Turn(Scripted([], "a"), case, Result("a"))
    take_turns([turn])
    assert turn.result.stopped_after is None
    assert turn.result.note == f"its fit was stopped after {case.limit:g} s"


def test_a_worker_that_does_not_start_is_said(directory: Path) -> None:
    with pytest.raises(PeerError, match=r"not ready after 0\.001 s") as caught:
        Worker("mixwell", case_of("sleepstudy"), directory, 0.001)
    assert not isinstance(caught.value, OverLimitError)


@pytest.mark.parametrize("name", ["kenward-roger-small", "profile", "emmeans", "influence"])
def test_answers_are_the_quantities_that_are_compared(name: str) -> None:
    case = case_of(name)
    operation = mixwell.AFTER[case.operation]
    fitted = mixwell.fit(FRAMES[case.model.data](), case)()
    answers = operation.answers(operation.run(fitted, case))
    assert set(answers) == set(case.definition.tolerances)
    assert all(np.isfinite(values).all() and len(values) for values in answers.values())


def test_answers_of_a_bootstrap_are_of_sigma_and_the_fixed_effects() -> None:
    case = replace(case_of("bootstrap"), draws={"mixwell": 20})
    fitted = mixwell.fit(FRAMES[case.model.data](), case)()
    operation = mixwell.AFTER["bootstrap"]
    drawn = operation.run(fitted, case)
    table = drawn.frame.set_index("term")["std_error"]
    expected = [table["sigma"], table["(Intercept)"], table["Days"]]
    assert operation.answers(drawn)["std_error"] == pytest.approx(expected)


def test_exact_ml_criterion_of_crossed_intercepts() -> None:
    frame = FRAMES["crossed_small"]()
    fit = mw.lmer("y ~ x + (1 | user) + (1 | item)", frame, reml=False)
    relative = [fit.cov_re[factor].iloc[0, 0] / fit.sigma**2 for factor in ("user", "item")]
    x = np.column_stack([np.ones(len(frame)), frame["x"]])
    codes = [pd.factorize(frame[name])[0] for name in ("user", "item")]
    reached = ml_criterion(frame["y"].to_numpy(), x, codes, relative)
    assert reached == pytest.approx(fit.criterion, abs=1e-8)
