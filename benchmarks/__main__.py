"""``python -m benchmarks [--cases a,b] [--peers x,y] [--repeats N] [--limit SECONDS] [--json FILE]``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from benchmarks.cases import CASES
from benchmarks.peers import PEERS
from benchmarks.results import Run
from benchmarks.run import machine, measure
from benchmarks.table import text


def choose(asked: str | None, known: tuple[str, ...], what: str) -> tuple[str, ...]:
    """The names asked for, in the known order; all when none are."""
    if asked is None:
        return known
    names = asked.split(",")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise click.BadParameter(f"no {what} {', '.join(unknown)}; there are {', '.join(known)}")
    return tuple(name for name in known if name in names)


@click.command()
@click.option("--cases", help="Comma-separated names of cases; default all.")
@click.option("--peers", help="Comma-separated names of peers; default all that are installed.")
@click.option(
    "--repeats", type=click.IntRange(1), help="Timed runs of each peer, in place of the case's own."
)
@click.option("--limit", type=float, help="Seconds a peer may spend on a case, in place of the case's own.")
@click.option("--json", "path", type=click.Path(dir_okay=False, path_type=Path), help="Write results here.")
def main(
    cases: str | None, peers: str | None, repeats: int | None, limit: float | None, path: Path | None
) -> None:
    """Compare mixwell with its peers: time, memory, and the answers each came to."""
    names = choose(cases, tuple(case.name for case in CASES), "case")
    chosen = choose(peers, PEERS, "peer")
    run = Run(machine(), {}, [])
    for case in CASES:
        if case.name not in names:
            continue
        asked = replace(case, repeats=repeats or case.repeats, limit=limit or case.limit)
        run.cases.append(measure(asked, chosen, run.versions))
        if path is not None:  # after every case, so that an interruption loses one at most
            run.write(path)
    here = run.machine
    click.echo(f"{here['processor']}, {here['cores']} cores, {here['threads']} threads per peer")
    click.echo(", ".join(f"{name} {version}" for name, version in sorted(run.versions.items())))
    click.echo()
    click.echo(text(run.cases))


if __name__ == "__main__":
    main()
