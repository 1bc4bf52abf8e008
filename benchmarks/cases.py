"""What is measured: models, their data, what is done with them, and what must be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.operations import FIT, OPERATIONS, PROCESS, Operation


@dataclass(frozen=True, slots=True)
class Faster:
    """mixwell takes at most a ``times``-th of the time of ``peer``."""

    peer: str
    times: float


@dataclass(frozen=True, slots=True)
class Within:
    """mixwell takes at most ``seconds`` for the whole operation, all draws together."""

    seconds: float


@dataclass(frozen=True, slots=True)
class ShareOfFit:
    """mixwell takes at most ``share`` of the time of the fit the operation starts from."""

    share: float


@dataclass(frozen=True, slots=True)
class PeakFrames:
    """The memory mixwell needs at its highest is at most ``times`` the size of the data."""

    times: float


@dataclass(frozen=True, slots=True)
class PeakDense:
    """The memory mixwell needs is at most ``share`` of a dense Z, rows x levels: none is formed."""

    share: float


Bound = Within | ShareOfFit | PeakFrames | PeakDense
Target = Faster | Bound


@dataclass(frozen=True, slots=True)
class Model:
    """What is fitted to what.

    Attributes
    ----------
    data
        A key of :data:`benchmarks.frames.FRAMES`.
    response, fixed, random
        The parts of the formula; ``random`` is a tuple of (columns, factor), as in ``(columns | factor)``.
    """

    data: str
    response: str
    fixed: str
    random: tuple[tuple[str, str], ...]

    @property
    def formula(self) -> str:
        bars = (f"({columns} | {factor})" for columns, factor in self.random)
        return f"{self.response} ~ {' + '.join((self.fixed, *bars))}"


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the comparison.

    Attributes
    ----------
    name
        What ``--cases`` selects.
    model
        The model and its data.
    operation
        A key of :data:`benchmarks.operations.OPERATIONS`. Peers that lack it are skipped, and said.
    about
        The factor whose levels are left out, or whose means are compared.
    draws
        Peer -> repetitions of the operation's unit in one run. Slow peers get fewer.
    reml
        REML or ML.
    repeats
        Timed runs of each peer.
    limit
        Seconds a peer may spend on the case in all. A run still going by then is stopped.
    must_show
        What mixwell has to reach in this case.
    """

    name: str
    model: Model
    operation: str = FIT
    about: str = ""
    draws: Mapping[str, int] = field(default_factory=dict)
    reml: bool = True
    repeats: int = 30
    limit: float = 300.0
    must_show: tuple[Target, ...] = ()

    @property
    def definition(self) -> Operation:
        return OPERATIONS[self.operation]

    def draws_of(self, peer: str) -> int:
        return self.draws.get(peer, 1)


STUDENTS_LECTURERS = (("1", "s"), ("1", "d"))
MAXIMAL_TERMS = (("a * b", "subj"), ("a * b", "item"))
USERS_ITEMS = (("1", "user"), ("1", "item"))

SLEEPSTUDY = Model("sleepstudy", "Reaction", "Days", (("Days", "Subject"),))
PENICILLIN = Model("penicillin", "diameter", "1", (("1", "plate"), ("1", "sample")))
CHEM97 = Model("chem97", "score", "gcsecnt", (("gcsecnt", "school"), ("1", "lea")))
INSTEVAL = Model("insteval", "y", "service", STUDENTS_LECTURERS)
INSTEVAL_DEPARTMENTS = Model("insteval", "y", "service", (*STUDENTS_LECTURERS, ("1", "dept:service")))
MAXIMAL = Model("maximal", "rt", "a * b", MAXIMAL_TERMS)
MAXIMAL_SINGULAR = Model("maximal_singular", "rt", "a * b", MAXIMAL_TERMS)
MILLION_SLOPES = Model("million_slopes", "y", "x + z", (("x", "g"),))
MILLION_CROSSED = Model("million_crossed", "y", "x", USERS_ITEMS)
FACTORIAL = Model("factorial", "y", "a * b * c", (("1", "s"),))
CROSSED = Model("crossed", "y", "x", USERS_ITEMS)
CROSSED_SMALL = Model("crossed_small", "y", "x", USERS_ITEMS)
RATPUPS = Model("ratpups", "weight", "Treatment * sex + Lsize", (("1", "Litter"),))
SLOPES = Model("slopes", "y", "x + z", (("x", "g"),))

FITS = (
    Case("sleepstudy", SLEEPSTUDY, must_show=(Faster("R", 5), Faster("mixedlm", 1))),
    Case("penicillin", PENICILLIN, must_show=(Faster("R", 5), Faster("mixedlm", 1))),
    Case("process", SLEEPSTUDY, PROCESS, repeats=5, must_show=(Faster("mixedlm", 1),)),
    Case("chem97", CHEM97, repeats=7, must_show=(Faster("R", 10), Faster("mixedlm", 3))),
    Case(
        "insteval",
        INSTEVAL,
        repeats=5,
        must_show=(Faster("R", 8), Faster("mixedlm", 4), Faster("gpboost", 3)),
    ),
    Case(
        "insteval-dept",
        INSTEVAL_DEPARTMENTS,
        repeats=5,
        must_show=(Faster("R", 8), Faster("mixedlm", 4), Faster("gpboost", 8)),
    ),
    Case("maximal", MAXIMAL, repeats=3, must_show=(Faster("R", 100), Faster("mixedlm", 50))),
    Case(
        "maximal-singular",
        MAXIMAL_SINGULAR,
        repeats=3,
        must_show=(Faster("R", 100), Faster("mixedlm", 50)),
    ),
    Case(
        "million-slopes",
        MILLION_SLOPES,
        repeats=3,
        must_show=(Faster("R", 30), Faster("mixedlm", 3), PeakFrames(3)),
    ),
    Case(
        "million-crossed",
        MILLION_CROSSED,
        repeats=3,
        must_show=(Faster("R", 4), Faster("mixedlm", 4), Faster("gpboost", 1)),
    ),
)

AFTER_THE_FIT = (
    Case("summary", MILLION_SLOPES, "summary", repeats=3, must_show=(ShareOfFit(0.5),)),
    Case(
        "kenward-roger",
        FACTORIAL,
        "kenward-roger",
        repeats=5,
        limit=120.0,
        must_show=(Within(1.0), PeakDense(0.5)),
    ),
    Case(
        "kenward-roger-crossed",
        CROSSED,
        "kenward-roger",
        repeats=5,
        limit=400.0,
        must_show=(Within(1.0), PeakDense(0.5)),
    ),
    # Small enough for pbkrtest to end, so that its answer is compared for crossed factors too.
    Case("kenward-roger-small", CROSSED_SMALL, "kenward-roger", repeats=5),
    Case(
        "bootstrap",
        SLEEPSTUDY,
        "bootstrap",
        draws={"mixwell": 10_000, "R": 100, "mixedlm": 100, "statsmodels": 100},
        repeats=3,
        must_show=(Faster("mixedlm", 20), Faster("R", 100), Within(1.25)),
    ),
    Case("profile", SLEEPSTUDY, "profile", repeats=7, must_show=(Faster("R", 20),)),
    Case("emmeans", RATPUPS, "emmeans", about="Treatment", repeats=10, must_show=(Faster("R", 10),)),
    Case("influence", SLEEPSTUDY, "influence", about="Subject", repeats=7, must_show=(Faster("R", 50),)),
    Case("check", SLOPES, "check", repeats=3, must_show=(Within(5.0),)),
)

CASES = FITS + AFTER_THE_FIT

WARM_UP = Case("warm-up", Model("", "y", "x", (("1", "g"),)))
