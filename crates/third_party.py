"""Writes THIRD-PARTY-LICENSES, the licences of the Rust crates linked into the compiled module.

python crates/third_party.py            writes the file
python crates/third_party.py --list     prints "name version" of every linked crate
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "THIRD-PARTY-LICENSES"
NAMES = ("licen", "copying", "notice", "unlicense", "copyright")
# The text of the licence for crates that name it without carrying it.
MIT = """\
Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute,
sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial
portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES
OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE."""


def cargo(*arguments: str) -> str:
    return subprocess.run(
        ["cargo", *arguments, "--locked"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


def linked() -> list[str]:
    """Crates that end up in the compiled module on any platform, without those that only compile it."""
    tree = cargo(
        *("tree", "--package", "mixwell-python", "--edges", "normal,no-proc-macro", "--target", "all"),
        *("--prefix", "none", "--format", "{p}"),
    )
    crates = {" ".join(line.split()[:2]).replace(" v", " ") for line in tree.splitlines() if line}
    return sorted(crate for crate in crates if not crate.startswith("mixwell-"))


def texts(folder: Path) -> list[str]:
    """The licence files that a crate carries."""
    files = sorted(
        file for file in folder.iterdir() if file.is_file() and file.name.lower().startswith(NAMES)
    )
    return [
        "\n".join(
            line.rstrip() for line in file.read_text(encoding="utf-8", errors="replace").splitlines()
        ).strip()
        for file in files
    ]


def collect() -> str:
    packages = {
        f"{p['name']} {p['version']}": p
        for p in json.loads(cargo("metadata", "--format-version", "1"))["packages"]
    }
    holders: dict[str, list[str]] = {}
    for crate in linked():
        package = packages[crate]
        found = texts(Path(package["manifest_path"]).parent)
        if not found:
            if "MIT" not in package["license"]:
                raise SystemExit(
                    f"{crate} carries no licence file and is not under MIT: {package['license']}"
                )
            authors = ", ".join(package["authors"]) or f"the authors of {crate}"
            found = [f"MIT License\n\nCopyright (c) {authors}\n\n{MIT}"]
        for text in found:
            holders.setdefault(text, []).append(
                f"{crate} ({package['license']}) {package['repository'] or ''}".strip()
            )
    rule = "=" * 100
    parts = [
        "Rust crates linked into mixwell's compiled module, and their licences. Where a crate offers\n"
        "several, any of them may be chosen. Written by crates/third_party.py."
    ]
    for text, crates in sorted(holders.items(), key=lambda item: item[1]):
        parts.append("\n".join([rule, *crates, rule, text]))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    if "--list" in sys.argv[1:]:
        print("\n".join(linked()))
    else:
        TARGET.write_text(collect(), encoding="utf-8")
