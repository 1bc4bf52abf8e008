"""Links of the pages: files and headings exist, addresses and DOIs can be right. Nothing is fetched."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "CITATION.cff", ROOT / "mkdocs.yml"]
)

CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
TARGET = re.compile(r"\]\(\s*<?([^)>\s]+)>?[^)]*\)|(?:href|src)=\"([^\"]*)\"|<(https?:[^>]*)>")
ADDRESS = re.compile(r"[a-z]+://[^\s)>\]\"'，。；）]*")
DOI = re.compile(r"(?:\bdoi(?:\.org/|:\s*))([^\s)>\]\"'，。；）]*)", re.IGNORECASE)
HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}")
# Kept free for examples (RFC 2606): nothing is there.
RESERVED = re.compile(r"(?:.*\.)?(?:example\.(?:com|net|org)|(?:test|example|invalid|localhost))")


def prose(text: str) -> str:
    """The page without code."""
    return CODE.sub("", text)


def addresses(text: str) -> set[str]:
    """Everything of the form scheme://..., without the full stop of the sentence."""
    return {found.rstrip(".,;:") for found in ADDRESS.findall(text)}


def wrong_address(address: str) -> str | None:
    """Why an address cannot be right, or None."""
    parts = urlsplit(address)
    if parts.scheme != "https":
        return "not https"
    if not HOST.fullmatch(parts.netloc):
        return "no host"
    if RESERVED.fullmatch(parts.netloc):
        return "a host kept free for examples"
    return None


def wrong_doi(doi: str) -> str | None:
    """Why a DOI cannot be right, or None: 10., four to nine digits, a slash, a name (DOI Handbook, 2.2)."""
    doi = doi.rstrip(".,;:")
    return None if re.fullmatch(r"10\.\d{4,9}(?:\.\d+)*/[^\s/]\S*", doi) else "not of the form 10.NNNN/name"


def headings(text: str) -> set[str]:
    """Anchors that headings get: lower case, words joined by dashes."""
    titles = re.findall(
        r"^#+\s+(.*?)\s*(?:\{.*\})?$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M
    )
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles}


def broken(page: Path, text: str) -> list[str]:
    """A line for every link of a page that cannot be right."""
    wrong = [f"{a}: {why}" for a in sorted(addresses(text)) if (why := wrong_address(a))]
    wrong += [f"doi {doi}: {why}" for doi in DOI.findall(text) if (why := wrong_doi(doi))]
    for found in TARGET.findall(prose(text)):
        target = next(filter(None, found), "")
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        if not file.exists() and not made_by_code(target, text):
            wrong.append(f"{target}: no such file")
        elif anchor and file.suffix == ".md" and anchor not in headings(file.read_text(encoding="utf-8")):
            wrong.append(f"{target}: no such heading")
    return wrong


def made_by_code(target: str, text: str) -> bool:
    """Whether the page's code writes the file: pictures and reports beside a tutorial."""
    return any(f'"{target}"' in block for block in re.findall(r"^```python\n.*?^```", text, re.M | re.S))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_can_be_right(page: Path) -> None:
    assert not broken(page, page.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        "[R](http://www.r-project.org)",
        "[R](https://localhost/r)",
        "see https://example.com.",
        "https://www.r-project",
        "https:// www.r-project.org",
        "doi:10.18637",
        "https://doi.org/18637/jss.v067.i01",
        "doi: 10.18/jss",
        "[nothing](missing.md)",
        "[nothing](README.md#no-such-heading)",
        '<img src="missing.svg">',
    ],
)
def test_links_that_cannot_be_right_are_found(text: str) -> None:
    assert broken(ROOT / "page.md", text)


@pytest.mark.parametrize(
    "text",
    [
        "[R](https://www.r-project.org/about.html#top), [lme4](https://doi.org/10.18637/jss.v067.i01).",
        "doi:10.2307/2533558.",
        "doi: 10.1002/(SICI)1097-0258(19970115)16",
        "[limits](README.md#limits), `[x](missing.md)`",
        '```python\nfit.plot().savefig("made.svg")\n```\n![made](made.svg)',
    ],
)
def test_links_that_can_be_right_are_not(text: str) -> None:
    assert not broken(ROOT / "page.md", text)
