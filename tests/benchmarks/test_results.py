"""Ratios, differences and verdicts from results made up for the purpose; their JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf, nan
from pathlib import Path

import pytest

from benchmarks.cases import CASES, Case, Faster, PeakDense, PeakFrames, ShareOfFit, Within
from benchmarks.results import CaseResult, Ratio, Result, Run, difference, ratio, read, relative_difference
from benchmarks.table import text
from benchmarks.verdicts import judge

MACHINE: dict[str, str | int] = {
    "processor": "P", "cores": 2, "threads": 2, "system": "Linux", "python": "3.11"
}  # fmt: skip


def case_of(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def found(*results: Result, name: str = "kenward-roger", rows: int = 1000, levels: int = 50) -> CaseResult:
    return CaseResult(case_of(name), rows, levels, 2.0, list(results))


def test_ratio_is_of_medians_per_draw() -> None:
    case = found(Result("mixwell", draws=100, seconds=[1.0, 9.0, 2.0]), Result("R", draws=10, seconds=[4.0]))
    assert ratio(case, "R") == Ratio(20.0)
    assert ratio(case, "mixwell") == Ratio(1.0)


def test_ratio_to_a_peer_that_was_stopped_is_a_lower_bound() -> None:
    case = found(Result("mixwell", seconds=[0.5]), Result("R", stopped_after=60.0))
    assert ratio(case, "R") == Ratio(120.0, at_least=True)
    case.results[1].draws = 10
    assert ratio(case, "R") == Ratio(12.0, at_least=True)


def test_no_ratio_without_both() -> None:
    assert ratio(found(Result("mixwell"), Result("R", seconds=[1.0])), "R") is None
    assert ratio(found(Result("mixwell", seconds=[1.0]), Result("R", note="not installed")), "R") is None
    assert ratio(found(Result("R", seconds=[1.0])), "R") is None


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        ([1.0, 2.2], [1.0, 2.0], 0.1),
        ([0.0], [0.0], 0.0),
        ([1e-9], [0.0], inf),
        ([-1.0], [1.0], 2.0),
        ([1.0], [1.0, 2.0], inf),
        ([nan], [1.0], inf),
        ([None], [1.0], inf),
        ([], [], 0.0),
    ],
)
def test_relative_difference(theirs, ours, expected) -> None:
    assert relative_difference(theirs, ours) == pytest.approx(expected)


def test_difference_is_that_of_the_quantity_furthest_beyond_its_tolerance() -> None:
    ours = Result("mixwell", answers={"df": [10.0], "p_value": [0.5], "std_error": [1.0]})
    case = found(ours, Result("R", answers={"df": [20.0], "std_error": [1.0]}))
    apart = difference(case, "R")
    assert apart is not None
    assert (apart.quantity, apart.value, apart.agrees) == ("df", 1.0, False)
    case.results[1].answers = {"df": [10.001], "std_error": [1.0]}
    apart = difference(case, "R")
    assert apart is not None
    assert apart.agrees
    assert "DIFFERS" not in text([case])
    case.results[1].answers["df"] = [11.0]
    assert "1.0e-01 (df) DIFFERS" in text([case])


def test_nothing_in_common_is_no_agreement() -> None:
    case = found(Result("mixwell", answers={"df": [1.0]}), Result("R"))
    assert difference(case, "R") is None
    assert difference(case, "mixwell") is None


def test_criteria_are_compared_on_their_own_scale() -> None:
    ours, theirs = Result("mixwell", criterion=10.0), Result("R", criterion=10.5)
    by_ml = Result("gpboost", criterion=8.0, reml=False)
    case = found(ours, theirs, by_ml)
    assert [case.above_best(result) for result in case.results] == [0.0, 0.5, None]
    case.best_ml = 7.5
    assert case.above_best(by_ml) == 0.5
    assert found(ours).above_best(ours) is None


def test_verdict_on_a_ratio() -> None:
    ours = Result("mixwell", seconds=[1.0])
    verdict = judge(Faster("R", 10), found(ours, Result("R", seconds=[12.0])))
    assert (verdict.value, verdict.met) == (12.0, True)
    assert judge(Faster("R", 13), found(ours, Result("R", seconds=[12.0]))).met is False
    assert judge(Faster("R", 13), found(ours, Result("R", stopped_after=12.0))).met is None
    assert judge(Faster("R", 11), found(ours, Result("R", stopped_after=12.0))).met is True
    unmeasured = judge(Faster("R", 10), found(ours, Result("R", note="not installed")))
    assert (unmeasured.value, unmeasured.met) == (None, None)


def test_verdict_on_time_is_of_all_draws_together() -> None:
    case = found(Result("mixwell", draws=100, seconds=[0.9, 1.1, 1.3]))
    assert judge(Within(1.1), case).met is True
    assert judge(Within(1.0), case).met is False
    assert judge(Within(1.0), found(Result("mixwell", note="failed"))).met is None
    assert judge(Within(1.0), found(Result("R", seconds=[1.0]))).met is None
    assert judge(Within(9.0), found(Result("mixwell", stopped_after=9.0))).met is False
    assert judge(Within(9.0), found(Result("mixwell", stopped_after=8.0))).met is None


def test_verdict_on_the_share_of_the_fit() -> None:
    case = found(Result("mixwell", seconds=[1.0, 1.2], fit_seconds=[2.0, 4.2]))
    assert judge(ShareOfFit(0.5), case).value == pytest.approx(1.1 / 3.1)
    assert judge(ShareOfFit(0.3), case).met is False


def test_verdicts_on_memory() -> None:
    case = found(Result("mixwell", seconds=[1.0], peak_mb=0.1), rows=1000, levels=50)
    assert judge(PeakDense(0.5), case).value == pytest.approx(0.1 / 0.4)  # 1000 x 50 x 8 bytes are 0.4 MB
    assert judge(PeakFrames(0.04), case).met is False  # the frame has 2 MB
    assert judge(PeakFrames(0.06), case).met is True
    assert judge(PeakDense(0.5), found(Result("mixwell", seconds=[1.0]))).met is None


def run_of(*cases: CaseResult, **versions: str) -> Run:
    return Run(MACHINE, versions, list(cases))


def test_json_holds_everything(tmp_path: Path) -> None:
    result = Result(
        "R", "pbkrtest", 3, [0.5], [2.0], 7.5, 1.5, False, {"df": [1.0, 2.0]}, stopped_after=4.0, note="n"
    )
    case = CaseResult(
        replace(case_of("kenward-roger"), repeats=1, limit=9.0), 10, 4, 0.5, [result], best_ml=3.0
    )
    run_of(case, R="4").write(tmp_path / "a.json")
    assert read([tmp_path / "a.json"]) == run_of(case, R="4")


def test_files_are_put_together_in_the_order_of_the_cases(tmp_path: Path) -> None:
    slow, fast = found(Result("mixwell", seconds=[2.0])), found(Result("mixwell", seconds=[1.0]))
    other = found(Result("mixwell", seconds=[3.0]), name="sleepstudy")
    run_of(slow, mixwell="1").write(tmp_path / "a.json")
    run_of(fast, other, R="4").write(tmp_path / "b.json")
    together = read([tmp_path / "a.json", tmp_path / "b.json"])
    assert [case.case.name for case in together.cases] == ["sleepstudy", "kenward-roger"]
    assert together.cases[1].results[0].seconds == [1.0]
    assert together.versions == {"mixwell": "1", "R": "4"}


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    here, there, newer, unknown = (tmp_path / name for name in ("here", "there", "newer", "unknown"))
    run_of(R="4").write(here)
    Run(MACHINE | {"cores": 64}, {"R": "4"}, []).write(there)
    run_of(R="5").write(newer)
    content = run_of(found(Result("mixwell"))).as_json()
    content["cases"][0]["name"] = "renamed"
    unknown.write_text(json.dumps(content))
    for paths, message in {
        (here, there): "another machine",
        (here, newer): "R 5",
        (unknown,): "no case renamed",
        (): "no file",
    }.items():
        with pytest.raises(ValueError, match=message):
            read(paths)
