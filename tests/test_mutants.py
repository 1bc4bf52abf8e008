"""The standing list of breakages still fits the product; ``make mutants`` runs it."""

from __future__ import annotations

import ast

import pytest

from mutants.run import ROOT, Breakage, breakages

LISTED = breakages()


@pytest.mark.parametrize("breakage", LISTED, ids=lambda b: f"{b.file.split('/')[-1]}: {b.what}")
def test_a_breakage_fits_the_product(breakage: Breakage) -> None:
    text = (ROOT / breakage.file).read_text(encoding="utf-8")
    broken = breakage.broken(text)
    assert broken != text
    if not breakage.compiled:
        assert ast.dump(ast.parse(broken)) != ast.dump(ast.parse(text))
    for test in breakage.tests:
        file, _, name = test.partition("::")
        assert (ROOT / file).exists()
        assert not name or f"def {name.split('[')[0]}(" in (ROOT / file).read_text(encoding="utf-8")


def test_there_are_enough_of_both_languages() -> None:
    assert len(LISTED) >= 40
    assert sum(b.compiled for b in LISTED) >= 12
