"""What is shipped carries its licence: linked Rust crates, data sets of R packages."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mixwell import datasets
from mixwell.datasets.read import FILES, specification

ROOT = Path(__file__).resolve().parent.parent


def test_every_linked_crate_is_listed_with_its_licence() -> None:
    listed = subprocess.run(
        [sys.executable, ROOT / "crates" / "third_party.py", "--list"],
        capture_output=True,
        text=True,
        check=True,
    )
    linked = set(listed.stdout.splitlines())
    assert len(linked) > 50
    text = (ROOT / "THIRD-PARTY-LICENSES").read_text(encoding="utf-8")
    told = set(re.findall(r"^([\w.+-]+ \d\S*) \(", text, flags=re.MULTILINE))
    assert told == linked, "run python crates/third_party.py"


def test_the_licences_go_into_the_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    files = {ROOT / file for file in project["license-files"]}
    assert all(file.is_file() for file in files)
    assert {FILES / "LICENCES.md", FILES / "GPL-2", ROOT / "THIRD-PARTY-LICENSES"} < files


@pytest.mark.parametrize("name", datasets.names())
def test_a_data_set_names_its_source_and_licence(name: str) -> None:
    recorded = specification(name)
    assert recorded.licence == "GPL (>= 2)"
    row = f"| {name}.csv.gz | {recorded.package} | "
    assert row in (FILES / "LICENCES.md").read_text(encoding="utf-8")
