"""Pages: blocks are filled, in both languages, and the pages of the tree have blocks that can be."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from benchmarks import words
from benchmarks.cases import CASES
from benchmarks.page import BLOCK, CONTENT, PAGES, filled, table
from benchmarks.results import CaseResult, Result, Run
from benchmarks.words import WORDS

MACHINE: dict[str, str | int] = {
    "processor": "P", "cores": 2, "threads": 2, "system": "Linux", "python": "3.11"
}  # fmt: skip


def measured() -> Run:
    cases = [
        CaseResult(
            case,
            5000,
            40,
            3.0,
            [
                Result("mixwell", "mixwell", 1, [0.0125], [0.05], 1.5, 10.0, True, {"df": [17.0]}),
                Result("R", "pbkrtest", 1, stopped_after=60.0, note="stopped after 60 s"),
                Result("mixedlm", "mixedlm", 1, [0.5], [0.1], 30.0, 10.25, True, {"df": [18.0]}),
                Result("gpboost", "gpboost", note="no correlated slopes"),
            ],
        )
        for case in CASES
    ]
    return Run(MACHINE, {"mixwell": "0.1", "R": "4.2", "numpy": "2"}, cases)


def block(name: str, language: str = "en") -> str:
    return filled(
        f"before\n<!-- benchmarks: {name} {language} -->\nold\n<!-- /benchmarks -->\nafter\n", measured()
    )


def lines(name: str, language: str = "en") -> list[str]:
    return [line for line in block(name, language).splitlines() if line.startswith("|")]


def test_what_stands_in_a_block_is_replaced() -> None:
    text = block("machine")
    assert text.startswith("before\n<!-- benchmarks: machine en -->\n")
    assert text.endswith("<!-- /benchmarks -->\nafter\n")
    assert "old" not in text
    assert "P, 2 cores, 2 threads for each package; Linux, Python 3.11; mixwell 0.1, R 4.2." in text
    assert filled(text, measured()) == text


def test_times_have_ratios_and_peers_without_a_time_no_column() -> None:
    head, _, *rows = lines("after")
    assert head == "| case | mixwell | R | mixedlm |"
    assert "| 12.5 ms | pbkrtest > 60 s (> 4800x) | 500 ms (40x) |" in rows[1]
    assert len(lines("fits")) + len(lines("after")) - 4 == len(CASES)


def test_numbers_in_words() -> None:
    done = doctest.testmod(words)
    assert done.attempted == 5
    assert done.failed == 0


def test_bars_in_cells_are_escaped() -> None:
    assert table(["a"], [["(x | g)"]]).splitlines()[-1] == "| (x \\| g) |"


def test_answers_say_whether_they_agree() -> None:
    assert any(row.endswith("| mixedlm | df | 5.9e-02 | 0.001 | differs |") for row in lines("answers"))
    assert not any("| R |" in row for row in lines("answers"))


def test_criteria_show_how_far_above_the_best() -> None:
    assert lines("criteria")[2].endswith("| 0.0e+00 | 2.5e-01 |")


def test_every_target_has_a_verdict() -> None:
    rows = lines("targets")[2:]
    assert len(rows) == sum(len(case.must_show) for case in CASES)
    assert {row.split(" | ")[-1].strip(" |") for row in rows} <= {
        "met",
        "missed",
        "not decided",
        "not measured",
    }
    share = next(row for row in rows if "of the fit's time" in row)
    assert share.endswith("| 0.25 | met |")


@pytest.mark.parametrize("name", CONTENT)
def test_languages_have_the_same_numbers(name: str) -> None:
    english, chinese = (
        [sorted(re.findall(r"\d(?:[\d.,]*\d)?", line)) for line in lines(name, language)[1:]]
        for language in WORDS
    )
    assert english == chinese
    assert any("\u4e00" <= letter <= "\u9fff" for letter in block(name, "zh"))


@pytest.mark.parametrize("wrong", ["fitts en", "fits fr"])
def test_unknown_blocks_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        block(*wrong.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_have_blocks_that_are_known_and_closed(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    found = BLOCK.findall(text)
    assert found
    assert len(found) == text.count("<!-- benchmarks:") == text.count("<!-- /benchmarks -->")
    language = "zh" if "zh" in page.parts else "en"
    assert all(name in CONTENT and written == language for name, written in found)
