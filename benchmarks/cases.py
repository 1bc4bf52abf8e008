"""What is measured: a model, its data, and the operation that is timed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the comparison.

    Attributes
    ----------
    name
        What ``--cases`` selects.
    data
        A key of :data:`benchmarks.frames.FRAMES`.
    response, fixed, random
        The parts of the formula; ``random`` is a tuple of (columns, factor), as in ``(columns | factor)``.
    operation
        "fit": the call from frame to fitted model, in a warm process. "process": a new process that imports,
        reads the data, fits and prints the summary. Any other name is looked up in the peers' ``OPERATIONS``;
        peers that lack it are skipped.
    reml
        REML or ML.
    repeats
        Timed runs of each peer.
    limit
        Seconds a peer may spend on the case in all. A run still going by then is stopped.
    """

    name: str
    data: str
    response: str
    fixed: str
    random: tuple[tuple[str, str], ...]
    operation: str = "fit"
    reml: bool = True
    repeats: int = 30
    limit: float = 300.0

    @property
    def formula(self) -> str:
        bars = (f"({columns} | {factor})" for columns, factor in self.random)
        return f"{self.response} ~ {' + '.join((self.fixed, *bars))}"


SLEEPSTUDY = (("Days", "Subject"),)
INTERCEPTS = (("1", "s"), ("1", "d"))
MAXIMAL = (("a * b", "subj"), ("a * b", "item"))

CASES = (
    Case("sleepstudy", "sleepstudy", "Reaction", "Days", SLEEPSTUDY),
    Case("penicillin", "penicillin", "diameter", "1", (("1", "plate"), ("1", "sample"))),
    Case("process", "sleepstudy", "Reaction", "Days", SLEEPSTUDY, operation="process", repeats=5),
    Case("chem97", "chem97", "score", "gcsecnt", (("gcsecnt", "school"), ("1", "lea")), repeats=7),
    Case("insteval", "insteval", "y", "service", INTERCEPTS, repeats=5),
    Case("insteval-dept", "insteval", "y", "service", (*INTERCEPTS, ("1", "dept:service")), repeats=5),
    Case("maximal", "maximal", "rt", "a * b", MAXIMAL, repeats=3),
    Case("maximal-singular", "maximal_singular", "rt", "a * b", MAXIMAL, repeats=3),
    Case("million-slopes", "million_slopes", "y", "x + z", (("x", "g"),), repeats=3),
    Case("million-crossed", "million_crossed", "y", "x", (("1", "user"), ("1", "item")), repeats=3),
)

WARM_UP = Case("warm-up", "", "y", "x", (("1", "g"),))
