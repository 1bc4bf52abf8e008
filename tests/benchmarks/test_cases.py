"""What is asked of the peers: every case can be run, judged and named."""

from __future__ import annotations

import pytest

from benchmarks.cases import AFTER_THE_FIT, CASES, Faster
from benchmarks.frames import FRAMES
from benchmarks.operations import FIT, OPERATIONS, PROCESS
from benchmarks.peers import PEERS, mixwell
from benchmarks.process import ROOT
from benchmarks.run import n_levels
from benchmarks.words import WORDS
from mixwell.formula.parse import parse_formula

SMALL = [
    case for case in CASES if not case.model.data.startswith("million") and case.model.data != "insteval"
]


def test_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_names_what_exists(case) -> None:
    assert case.operation in OPERATIONS
    assert case.model.data in FRAMES
    parse_formula(case.model.formula)
    assert {target.peer for target in case.must_show if isinstance(target, Faster)} <= set(PEERS)
    assert set(case.draws) <= set(PEERS)
    for words in WORDS.values():
        assert words.title(case)
        assert all(words.target(target) for target in case.must_show)


def test_titles_are_those_of_the_cases() -> None:
    for words in WORDS.values():
        assert set(words.titles) == {case.name for case in CASES}
        assert set(words.per) == {operation.unit for operation in OPERATIONS.values()} - {""}


def test_mixwell_does_every_operation() -> None:
    assert set(mixwell.AFTER) == set(OPERATIONS) - {FIT, PROCESS}


def test_operations_with_peers_compare_answers() -> None:
    without = {case.operation for case in AFTER_THE_FIT if not case.definition.tolerances}
    assert without == {"check"}, "an answer that is not compared may be wrong and fast"


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_data_have_the_columns_of_the_formula(case) -> None:
    frame = FRAMES[case.model.data]()
    assert case.model.response in frame
    assert n_levels(frame, case) > len(case.model.random)
    assert not frame.isna().to_numpy().any()


def test_every_script_of_a_new_process_is_found() -> None:
    data = {case.model.data for case in CASES if case.operation == PROCESS}
    found = {path.stem.rsplit("_", 1)[0] for path in (ROOT / "scripts").iterdir()}
    assert data == found
