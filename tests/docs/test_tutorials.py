"""The pages of the docs: their code runs and prints what they say, names exist, languages agree."""

from __future__ import annotations

import importlib.util
import io
import re
import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import pytest

import mixwell as mw
from mixwell.diagnostics.access import Diagnostics
from mixwell.plots.accessor import FitPlots

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("docs_run", ROOT / "docs" / "run.py")
assert SPEC is not None
assert SPEC.loader is not None
run = importlib.util.module_from_spec(SPEC)
sys.modules["docs_run"] = run
SPEC.loader.exec_module(run)

PAGES = sorted((ROOT / "docs").rglob("*.md"))
NAMES = [str(page.relative_to(ROOT / "docs")) for page in PAGES]
TUTORIALS = ["tutorials/random-slopes.md", "tutorials/rat-pups.md", "tutorials/growth-curves.md"]


@pytest.mark.parametrize("page", run.pages(), ids=lambda page: str(page.relative_to(ROOT / "docs")))
def test_code_prints_what_the_page_says(page: Path, tmp_path: Path) -> None:
    printed = run.run(page, tmp_path)
    wrong = run.stale(page, printed)
    assert not wrong, "\n\n".join([*wrong, "python docs/run.py --update writes what is printed today."])
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([\w-]+\.(?:svg|html))\)", text):
        assert (tmp_path / target).stat().st_size > 1000, f"the code does not make {target}"


def test_a_page_that_is_wrong_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    for said, stale in {
        "x 1.234": False,
        "x  1.235": False,
        "x 1.25": True,
        "y 1.234": True,
        "": True,
    }.items():
        answer = f"\n```text\n{said}\n```\n" if said else ""
        page.write_text(f"```python\na = 1.234\nprint('x', a)\n```\n{answer}", encoding="utf-8")
        assert bool(run.stale(page, run.run(page, tmp_path))) is stale, said
        page.write_text(run.updated(page.read_text(), run.run(page, tmp_path)), encoding="utf-8")
        assert not run.stale(page, run.run(page, tmp_path))


def test_bars_in_code_lose_the_backslash_that_tables_need() -> None:
    page = "| `(1 \\| g)` | a \\| b |\n`x || y`"
    assert run.on_page_markdown(page, page=None) == "| `(1 | g)` | a \\| b |\n`x || y`"


@pytest.mark.parametrize("name", NAMES)
def test_names_in_the_pages_exist(name: str) -> None:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    for kind, pattern in {
        mw: r"\bmw\.(\w+)",
        mw.LmerResult: r"\bfit\.(\w+)",
        FitPlots: r"\bfit\.plot\.(\w+)",
        Diagnostics: r"\bfit\.diagnostics\.(\w+)",
    }.items():
        fields = set(getattr(kind, "__dataclass_fields__", ()))
        missing = {found for found in re.findall(pattern, text) if not hasattr(kind, found)} - fields
        assert not missing, f"{name} names {missing}"


@pytest.mark.parametrize("name", TUTORIALS)
def test_languages_run_the_same_code(name: str) -> None:
    def code(path: str) -> list[str]:
        text = (ROOT / "docs" / path).read_text(encoding="utf-8")
        plain = [
            re.sub(r'\(lang="zh"\)|, lang="zh"|, labels=\{[^}]*\}', "", b.code) for b in run.blocks(text)
        ]
        return [re.sub(r'split\(".*?"\)', "split()", block) for block in plain]

    assert code(name) == code(f"zh/{name}")


@pytest.mark.parametrize("name", [n for n in NAMES if not n.startswith("zh/") and n != "api.md"])
def test_every_page_is_there_in_chinese(name: str) -> None:
    assert (ROOT / "docs" / "zh" / name).exists()


@pytest.mark.parametrize("name", NAMES)
def test_pages_link_to_what_exists(name: str) -> None:
    page = ROOT / "docs" / name
    for target in re.findall(r"\]\(([^)#\s]+\.md)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_readme_prints_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its blocks of code run in turn; the answer of each is the next block that has no language."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    # The summary of the first block stands under a heading of its own.
    shown = text.split("## Two minutes")[1]
    found = re.findall(r"^```python\n(.*?)^```\n\n^```\n(.*?)^```\n", shown, re.MULTILINE | re.DOTALL)
    first = re.search(r"^```python\n(.*?)^```\n", text, re.MULTILINE | re.DOTALL)
    summary = re.search(r"^```\n(.*?)^```\n", shown, re.MULTILINE | re.DOTALL)
    assert first is not None
    assert summary is not None
    assert len(found) >= 3
    names: dict[str, object] = {}
    for code, expected in [(first[1], summary[1]), *found]:
        out = io.StringIO()
        with redirect_stdout(out), warnings.catch_warnings():
            warnings.simplefilter("ignore", mw.MixwellWarning)
            exec(code, names)
        assert not run.differs(expected, out.getvalue()), out.getvalue()
