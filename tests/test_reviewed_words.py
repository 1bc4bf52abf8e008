"""Short texts in English and Chinese, beside the list that was read by someone who knows both languages.

A text that is new or changed fails here until the list has it: read both languages, then enter it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from mixwell.plots.words import CHINESE
from mixwell.report import words_en, words_zh
from mixwell.report.checks_zh import _WHOLE
from mixwell.report.words import fields_of

REVIEWED = tomllib.loads(Path(__file__).with_name("reviewed_words.toml").read_text(encoding="utf-8"))
# Longer texts are sentences; tests of reports read them where numbers stand in them.
SHORT = 48


def report_texts() -> dict[str, list[str]]:
    """Titles, heads of tables, verdicts, directions: key -> English and Chinese."""
    return {
        key: [text, words_zh.SENTENCES[key]]
        for key, text in words_en.SENTENCES.items()
        if len(text) <= SHORT and not fields_of(text)
    }


TEXTS: Mapping[str, Mapping[str, object]] = {
    "report": report_texts(),
    "checks": dict(_WHOLE),
    "pictures": dict(CHINESE),
}


@pytest.mark.parametrize("part", TEXTS)
def test_texts_are_those_that_were_reviewed(part: str) -> None:
    listed, current = REVIEWED[part], TEXTS[part]
    changed = {key: (listed.get(key), current.get(key)) for key in listed.keys() | current.keys()}
    assert not {key: pair for key, pair in changed.items() if pair[0] != pair[1]}


def test_directions_and_verdicts_are_told_apart() -> None:
    """Pairs of opposites, by the meaning of the characters."""
    zh = words_zh.SENTENCES
    assert "高" in zh["higher"]
    assert "低" in zh["lower"]
    assert "符合" in zh["fine"]
    assert "违背" in zh["violated"]
    assert "较高" in zh["cor_positive"].split("往往")[1]
    assert "较低" in zh["cor_negative"].split("往往")[1]
    assert (CHINESE["fine"], CHINESE["look"], CHINESE["violated"]) == (zh["fine"], zh["look"], zh["violated"])
