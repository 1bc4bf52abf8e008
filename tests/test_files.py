"""Files are written whole or not at all, and asked about before the work."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from click.testing import CliRunner

import mixwell as mw
from mixwell import cli
from mixwell.files import writable, write_text, write_whole
from mixwell.report import document, tables

FIT: Any = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
OLD = "what was there"


def full_disk(stream: BinaryIO) -> None:
    stream.write(b"half a page")
    raise OSError(28, "No space left on device")


def test_what_was_there_stays_until_the_new_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    target.write_text(OLD, encoding="utf-8")
    with pytest.raises(mw.DataError, match=r"page.html' cannot be written: No space left on device"):
        write_whole(target, full_disk)
    assert target.read_text(encoding="utf-8") == OLD
    assert os.listdir(tmp_path) == ["page.html"]
    write_text(target, "新")
    assert target.read_bytes() == "新".encode()
    assert os.listdir(tmp_path) == ["page.html"]


def test_mode_and_links_are_kept(tmp_path: Path) -> None:
    target, link = tmp_path / "page.html", tmp_path / "link.html"
    target.write_text(OLD, encoding="utf-8")
    target.chmod(0o640)
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8") == "new"
    assert target.stat().st_mode & 0o777 == 0o640
    plain = tmp_path / "plain.html"
    plain.touch()
    assert write_text(tmp_path / "new.html", "").stat().st_mode == plain.stat().st_mode


def test_devices_are_written_in_place() -> None:
    assert write_text(os.devnull, "gone") == Path(os.devnull)


WRITERS: dict[str, Callable[[object], object]] = {
    "report": lambda path: FIT.report(path),
    "report.save": lambda path: REPORT.save(path),
    "table": lambda path: FIT.table(path=path),
    "html table": lambda path: FIT.table("html", path=path),
    "docx table": lambda path: FIT.table("docx", path=path),
    "table of two": lambda path: mw.table([FIT, FIT], path=path),
}
REPORT = FIT.report()


@pytest.mark.parametrize("writer", WRITERS)
def test_places_that_take_no_file(writer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said before any work: nothing of it is done."""

    def work(*args: object, **kwargs: object) -> None:
        raise AssertionError

    for module, name in ((document, "make_report"), (tables, "assess"), (document.page, "render")):
        monkeypatch.setattr(module, name, work)
    file = tmp_path / "file.html"
    file.touch()
    (tmp_path / "folder.html").mkdir()
    for path, answer in {
        tmp_path / "nowhere" / "page.html": "there is no directory",
        tmp_path / "folder.html": "it is a directory",
        file / "page.html": "there is no directory",
        "page\0.html": "embedded null",
        "x" * 5000 + ".html": "name too long",
    }.items():
        with pytest.raises(mw.DataError, match=f"(?i){answer}"):
            WRITERS[writer](path)
    with pytest.raises(mw.DataError, match=r"path must be the name of a file, not 3\.7"):
        WRITERS[writer](3.7)


@pytest.mark.parametrize("writer", WRITERS)
def test_half_a_file_is_none(writer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "page.html"
    target.write_text(OLD, encoding="utf-8")

    def no_room(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(mw.DataError, match="No space left"):
        WRITERS[writer](target)
    assert target.read_text(encoding="utf-8") == OLD
    assert os.listdir(tmp_path) == ["page.html"]


def test_a_directory_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(mw.DataError, match="permission denied"):
        writable(tmp_path / "page.html")


@pytest.mark.parametrize("command", ["report", "demo"])
def test_the_command_line_asks_before_it_reads(command: str, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere" / "page.html"
    arguments = (
        ["demo", str(nowhere)]
        if command == "demo"
        else ["report", "y ~ (1 | g)", "absent.csv", "-o", str(nowhere)]
    )
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "there is no directory" in result.stderr
    assert "Traceback" not in result.stderr


def test_long_formulas_and_odd_characters_in_word() -> None:
    rng = np.random.default_rng(0)
    names = [f"covariate number {i}" for i in range(20)]
    data: dict[str, object] = {name: rng.normal(size=90) for name in names}
    data |= {"y\x02": rng.normal(size=90), "g": np.arange(90) % 6}
    fit = mw.lmer(f"`y\x02` ~ {' + '.join(f'`{name}`' for name in names)} + (1 | g)", data)
    made: Any = fit.table("docx")
    assert len(made.core_properties.title) <= 255
    assert names[-1] in made.paragraphs[0].text
    assert made.paragraphs[0].text.startswith("`y\ufffd` ~")
