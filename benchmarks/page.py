"""``python -m benchmarks.page FILE...``: what ``python -m benchmarks --json FILE`` measured, into the pages.

A page has blocks, ``<!-- benchmarks: NAME LANGUAGE -->`` to ``<!-- /benchmarks -->``; what stands between is
replaced. Several files are put together: long cases can be measured apart from the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import click

from benchmarks.cases import AFTER_THE_FIT, FITS, Case
from benchmarks.operations import PROCESS
from benchmarks.peers import PEERS, REFERENCE
from benchmarks.process import ROOT
from benchmarks.results import CaseResult, Run, difference, ratio, read
from benchmarks.verdicts import verdicts
from benchmarks.words import WORDS, Words, megabytes, plain, size, time_of, times, value_of

PAGES = tuple(ROOT.parent / name for name in ("README.md", "docs/benchmarks.md", "docs/zh/benchmarks.md"))
BLOCK = re.compile(
    r"^<!-- benchmarks: (?P<name>[\w-]+) (?P<language>\w+) -->\n.*?^<!-- /benchmarks -->$",
    re.MULTILINE | re.DOTALL,
)
VERSIONS_LEFT_OUT = ("numpy", "pandas", "formulaic", "Matrix")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; bars inside cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def chosen(run: Run, cases: tuple[Case, ...]) -> list[CaseResult]:
    names = {case.name for case in cases}
    return [found for found in run.cases if found.case.name in names]


def time_cell(found: CaseResult, peer: str) -> str:
    """Time, and in brackets the ratio to mixwell's; empty for a peer that cannot do the case."""
    result = found.of(peer)
    if result is None or (result.per_draw is None and result.stopped_after is None):
        return ""
    done_with = "" if result.package in (peer, "lme4", "") else f"{result.package} "
    compared = None if peer == REFERENCE else ratio(found, peer)
    return f"{done_with}{time_of(result)}{f' ({times(compared)})' if compared else ''}"


def times_table(found: list[CaseResult], words: Words) -> str:
    """A line per case, a column per peer that did any of them."""
    peers = [peer for peer in PEERS if any(time_cell(case, peer) for case in found)]
    rows = [[words.title(case.case), *(time_cell(case, peer) for peer in peers)] for case in found]
    return table([words.heads["case"], *peers], rows)


def fits(run: Run, words: Words) -> str:
    return times_table(chosen(run, FITS), words)


def after(run: Run, words: Words) -> str:
    return times_table(chosen(run, AFTER_THE_FIT), words)


def targets(run: Run, words: Words) -> str:
    rows = [
        [words.title(found.case), words.target(v.target), value_of(v), words.verdict(v)]
        for found in run.cases
        for v in verdicts(found)
    ]
    return table([words.heads[name] for name in ("case", "asked", "measured", "verdict")], rows)


def memory(run: Run, words: Words) -> str:
    """Peak memory in megabytes, for cases whose data are a megabyte or whose target is about memory."""

    def cell(found: CaseResult, peer: str) -> str:
        result = found.of(peer)
        return "" if result is None or result.peak_mb is None else megabytes(result.peak_mb)

    large = [found for found in run.cases if found.frame_mb >= 0.2 and found.case.operation != PROCESS]
    peers = [peer for peer in PEERS if any(cell(found, peer) for found in large)]
    rows = [
        [words.title(found.case), size(found), megabytes(found.frame_mb), *(cell(found, p) for p in peers)]
        for found in large
    ]
    return table([*(words.heads[name] for name in ("case", "size", "frame")), *peers], rows)


def answers(run: Run, words: Words) -> str:
    """How far the peers' answers are from mixwell's, in what is done with a fit."""
    rows = []
    for found in run.cases:
        for result in found.results:
            apart = difference(found, result.peer)
            if apart is not None:
                verdict = words.agrees if apart.agrees else words.differs
                cells = (result.peer, apart.quantity, f"{apart.value:.1e}", plain(apart.tolerance), verdict)
                rows.append([words.titles[found.case.name], *cells])
    return table([words.heads[n] for n in ("case", "peer", "quantity", "apart", "allowed", "verdict")], rows)


def criteria(run: Run, words: Words) -> str:
    """How far each fit ended above the lowest criterion of its scale."""

    def cell(found: CaseResult, peer: str) -> str:
        result = found.of(peer)
        above = None if result is None else found.above_best(result)
        return "" if above is None or result is None else f"{above:.1e}{'' if result.reml else ' (ML)'}"

    found = [case for case in chosen(run, FITS) if any(cell(case, peer) for peer in PEERS)]
    peers = [peer for peer in PEERS if any(cell(case, peer) for case in found)]
    rows = [[words.title(case.case), *(cell(case, peer) for peer in peers)] for case in found]
    return table([words.heads["case"], *peers], rows)


def machine(run: Run, words: Words) -> str:
    """The machine and the versions, in a sentence."""
    versions = [
        f"{name} {version}"
        for name, version in sorted(run.versions.items(), key=lambda item: item[0].lower())
        if name not in VERSIONS_LEFT_OUT
    ]
    return words.machine.format(**run.machine, versions=words.comma.join(versions))


CONTENT: dict[str, Callable[[Run, Words], str]] = {
    "machine": machine,
    "fits": fits,
    "after": after,
    "targets": targets,
    "memory": memory,
    "criteria": criteria,
    "answers": answers,
}


def filled(text: str, run: Run) -> str:
    """A page with its blocks written anew.

    Raises
    ------
    ValueError
        For a block whose name or language is not known.
    """

    def block(found: re.Match[str]) -> str:
        name, language = found["name"], found["language"]
        if name not in CONTENT or language not in WORDS:
            raise ValueError(
                f"no block {name} {language}; there are {', '.join(CONTENT)}, in {', '.join(WORDS)}"
            )
        content = CONTENT[name](run, WORDS[language])
        return f"<!-- benchmarks: {name} {language} -->\n\n{content}\n\n<!-- /benchmarks -->"

    return BLOCK.sub(block, text)


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
def main(files: tuple[Path, ...]) -> None:
    """Write what was measured into README and docs."""
    try:
        run = read(files)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8"), run), encoding="utf-8")


if __name__ == "__main__":
    main()
