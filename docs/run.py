"""Runs the code of the pages and compares what it prints with the blocks below it.

In a page, a ``python`` block is code; a ``text`` block right after it is what the code prints. All blocks of
a page share their variables; pictures are written beside the page. ``python docs/run.py`` checks every page,
``python docs/run.py --update`` writes what is printed today into the pages.
"""

from __future__ import annotations

import io
import os
import re
import sys
import warnings
from contextlib import chdir, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")

import matplotlib.pyplot as plt
import pandas as pd

DOCS = Path(__file__).parent
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n*^```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"(?<![\w.])-?\d+\.?\d*(?:e[-+]?\d+)?")
# How far the optimizer went, and numbers that are rounding: different on every machine.
CERTIFICATE = re.compile(r"within \S+ of a\s+local\s+minimum|\(\d+ evaluations\)")
RELATIVE, ABSOLUTE = 2e-3, 1e-9


@dataclass(frozen=True)
class Block:
    """Code of a page, what it should print, and where it stands: line of the code, span of the whole."""

    code: str
    expected: str | None
    line: int
    span: tuple[int, int]


def pages() -> list[Path]:
    """Every page with code."""
    return sorted(path for path in DOCS.rglob("*.md") if "```python" in path.read_text(encoding="utf-8"))


def blocks(text: str) -> list[Block]:
    """The code blocks of a page, in order."""
    return [
        Block(found[1], found[2], text.count("\n", 0, found.start(1)) + 1, found.span())
        for found in BLOCK.finditer(text)
    ]


def run(page: Path, directory: Path) -> list[str]:
    """What each block prints, run in ``directory``. Errors carry the page and its line."""
    names: dict[str, object] = {"__name__": "__main__"}
    printed = []
    directory.mkdir(parents=True, exist_ok=True)
    with pd.option_context("display.width", 80), chdir(directory), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for block in blocks(page.read_text(encoding="utf-8")):
            out = io.StringIO()
            # Line numbers in a traceback are those of the page.
            code = compile("\n" * (block.line - 1) + block.code, str(page), "exec")
            with redirect_stdout(out):
                exec(code, names)
            printed.append(out.getvalue())
    plt.close("all")
    pd.reset_option("display.max_columns")
    return printed


def differs(expected: str, printed: str) -> bool:
    """Whether words or, beyond rounding, numbers differ; spaces do not count."""
    texts = [CERTIFICATE.sub("", text) for text in (expected, printed)]
    words = ["".join(NUMBER.sub("#", text).split()) for text in texts]
    if words[0] != words[1]:
        return True
    one, other = ([found[0] for found in NUMBER.finditer(text)] for text in texts)
    return any(
        abs(float(a) - float(b)) > max(ABSOLUTE, RELATIVE * abs(float(a)), last_place(a))
        for a, b in zip(one, other, strict=True)
    )


def last_place(number: str) -> float:
    """One unit of the last decimal written, for numbers without exponent."""
    if "e" in number:
        return 0.1 * abs(float(number))
    return 1.01 * 10.0 ** -len(number.partition(".")[2]) if "." in number else 0.0


def stale(page: Path, printed: list[str]) -> list[str]:
    """A sentence for every block that prints something else than the page says."""
    out = []
    for block, now in zip(blocks(page.read_text(encoding="utf-8")), printed, strict=True):
        if differs(block.expected or "", now):
            out.append(f"{page}:{block.line} prints\n{now}\nwhere the page has\n{block.expected or ''}")
    return out


def updated(text: str, printed: list[str]) -> str:
    """A page with what its code prints."""
    out, at = [], 0
    for block, now in zip(blocks(text), printed, strict=True):
        start, end = block.span
        lines = "\n".join(line.rstrip() for line in now.rstrip().splitlines())
        answer = f"\n```text\n{lines}\n```\n" if now else ""
        out += [text[at:start], f"```python\n{block.code}```\n{answer}"]
        at = end
    return "".join([*out, text[at:]])


def main(arguments: list[str]) -> int:
    """Check or update the pages named, or all."""
    chosen = [Path(a).resolve() for a in arguments if not a.startswith("-")] or pages()
    wrong = []
    for page in chosen:
        printed = run(page, page.parent)
        if "--update" in arguments:
            page.write_text(updated(page.read_text(encoding="utf-8"), printed), encoding="utf-8")
        else:
            wrong += stale(page, printed)
    print("\n\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


def on_page_markdown(markdown: str, **_: object) -> str:
    r"""Hook of MkDocs: in code inside a table GitHub needs ``\|`` for a bar; its own parser shows both."""
    return re.sub(r"`[^`\n]+`", lambda code: code[0].replace("\\|", "|"), markdown)


def on_pre_build(config: object) -> None:
    """Hook of MkDocs: make the pictures, refuse pages that are out of date."""
    if main([]):
        raise SystemExit("The pages above are out of date: python docs/run.py --update")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
