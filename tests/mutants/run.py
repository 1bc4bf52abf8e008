"""Breaks the product one line at a time and looks whether a test notices (``make mutants``).

``breakages.toml`` lists what is broken: a file, a text that occurs in it once, what takes its place, and the
tests that must fail. The tree itself is never touched: each breakage is made in a copy.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("breakages.toml")
# A breakage may make a loop endless: that is noticed, too.
LIMIT = 900


@dataclass(frozen=True, slots=True)
class Breakage:
    """One line that is made wrong.

    Attributes
    ----------
    what
        What is wrong then, in words.
    file
        Path from the root of the repository.
    old, new
        The text that stands there once, and what takes its place.
    tests
        Arguments of pytest: where a test must fail.
    """

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def compiled(self) -> bool:
        return self.file.endswith(".rs")

    def broken(self, text: str) -> str:
        """The text of the file with the breakage in it."""
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file} has {text.count(self.old)} times, not once: {self.old!r}")
        return text.replace(self.old, self.new)


def breakages() -> tuple[Breakage, ...]:
    """The standing list."""
    entries = tomllib.loads(LIST.read_text(encoding="utf-8"))["breakage"]
    return tuple(Breakage(**{**entry, "tests": tuple(entry["tests"])}) for entry in entries)


def copy_tree(target: Path) -> None:
    """What a broken product is made from: the package with its compiled module, and the crates."""
    skipped = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "python", target / "python", ignore=skipped)
    shutil.copytree(ROOT / "crates", target / "crates", ignore=skipped)
    for name in ("Cargo.toml", "Cargo.lock"):
        shutil.copy2(ROOT / name, target / name)


def compile_module(tree: Path) -> None:
    """The compiled module of a copy, put where the package looks for it.

    Raises
    ------
    subprocess.CalledProcessError
        If it does not compile: a breakage must be valid code.
    """
    built = ROOT / "target" / "mutants"
    command = ["cargo", "build", "--release", "--quiet", "--package", "mixwell-python"]
    subprocess.run(
        [*command, "--features", "pyo3/extension-module", "--target-dir", str(built)], cwd=tree, check=True
    )
    library = next(built.glob("release/*_kernel.*[!d]"))
    module = next((ROOT / "python" / "mixwell").glob("_kernel*.*[!i]"))
    shutil.copy2(library, tree / "python" / "mixwell" / module.name)


def tests_pass(tree: Path, tests: Iterable[str]) -> bool:
    """Whether the tests pass with the package of a copy."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(tree / "python"), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return False
    if done.returncode > 1:
        raise RuntimeError(f"pytest {' '.join(tests)} could not run:\n{done.stdout.decode()[-2000:]}")
    return done.returncode == 0


def survives(breakage: Breakage) -> bool:
    """Whether no test notices."""
    with tempfile.TemporaryDirectory(prefix="mixwell-mutant-") as folder:
        tree = Path(folder)
        copy_tree(tree)
        file = tree / breakage.file
        file.write_text(breakage.broken(file.read_text(encoding="utf-8")), encoding="utf-8")
        if breakage.compiled:
            compile_module(tree)
        return tests_pass(tree, breakage.tests)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "words", nargs="*", help="only breakages whose file or description holds one of these"
    )
    chosen = parser.parse_args(arguments).words
    listed = [b for b in breakages() if not chosen or any(w in b.file + b.what for w in chosen)]
    tests = sorted({test for b in listed for test in b.tests})
    print(f"{len(listed)} breakages; their tests on the product as it is ...", flush=True)
    if not tests_pass(ROOT, tests):
        print("these tests fail without any breakage")
        return 2
    survivors = []
    for number, breakage in enumerate(listed, 1):
        begun = time.perf_counter()
        alive = survives(breakage)
        survivors += [breakage] if alive else []
        state = "SURVIVED" if alive else "noticed"
        seconds = time.perf_counter() - begun
        print(f"{number:3d} {state:8s} {seconds:5.0f} s  {breakage.file}: {breakage.what}", flush=True)
    print(f"{len(listed) - len(survivors)} noticed, {len(survivors)} survived")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
