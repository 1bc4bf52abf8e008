"""A module imports only from its own stage and from those before it, and at its top."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import mixwell

ROOT = Path(mixwell.__file__).parent
# In the order of ARCHITECTURE.md; modules of one line may use one another.
STAGES = (
    ("_kernel", "errors", "lazy", "text", "markup", "arguments", "arrays", "memory", "files"),
    ("formula", "data"),
    ("design",),
    ("kernel",),
    ("fit",),
    ("simulate",),
    ("inference",),
    ("predict", "update"),
    ("explore", "diagnostics"),
    ("plots",),
    ("report",),
    ("result",),
    ("models", "datasets"),
    ("__init__", "cli"),
)
ORDER = {part: stage for stage, parts in enumerate(STAGES) for part in parts}
# Records that draw themselves, by a module loaded when they are asked to.
DRAWN = {("explore/structure.py", "plots"), ("diagnostics/checks.py", "plots")}


def parsed() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    """Parts of the package that a module imports, also for the type checker only."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "mixwell":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mixwell."):
            yield str(node.module).split(".")[1]
        elif isinstance(node, ast.Import):
            yield from ("__init__" for alias in node.names if alias.name.split(".")[0] == "mixwell")


def test_every_part_has_its_stage() -> None:
    parts = {name.split("/")[0].removesuffix(".py") for name, _ in parsed()}
    assert parts <= set(ORDER)


def test_imports_come_from_earlier_stages() -> None:
    later = {
        (name, part)
        for name, tree in parsed()
        for part in imported(tree)
        if ORDER.get(part, len(STAGES)) > ORDER[name.split("/")[0].removesuffix(".py")]
    }
    assert later == DRAWN


def test_no_function_imports() -> None:
    inside = {
        (name, function.name)
        for name, tree in parsed()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert not inside
