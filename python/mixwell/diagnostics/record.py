"""What every test of an assumption returns, and what a check makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mixwell.text import number, wrap

Verdict = Literal["fine", "look", "violated"]


@dataclass(frozen=True, slots=True, repr=False)
class DiagnosticTest:
    """A test of an assumption, with what it means.

    Attributes
    ----------
    name
        ``"Shapiro-Wilk test"``.
    about
        What was tested, ``"residuals"``.
    symbol, statistic
        Name and value of the statistic.
    df
        Degrees of freedom; empty where there are none.
    p_value
        Small where the assumption does not hold.
    n
        Number of values that it rests on.
    meaning
        What this result says.
    caveat
        What to keep in mind before believing it.
    """

    name: str
    about: str
    symbol: str
    statistic: float
    df: tuple[float, ...]
    p_value: float
    n: int
    meaning: str
    caveat: str

    @property
    def evidence(self) -> str:
        """``"W = 0.90, p = 1.4e-09"``."""
        shown = (f"{v:.0f}" if v == round(v) else number(v, 4) for v in self.df)
        degrees = f"({', '.join(shown)})" if self.df else ""
        return f"{self.symbol}{degrees} = {number(self.statistic, 4)}, p {p_text(self.p_value)}"

    def __str__(self) -> str:
        lines = wrap(f"{self.name} of {self.about}: {self.evidence} (n = {self.n})", indent="  ")
        for sentence in (self.meaning, self.caveat):
            lines += wrap(f"  {sentence}", indent="  ")
        return "\n".join(lines)

    __repr__ = __str__


@dataclass(frozen=True, slots=True)
class Check:
    """One assumption.

    Attributes
    ----------
    assumption
        ``"normal residuals"``.
    test
        How it was looked at.
    verdict
        ``"fine"``; ``"look"``: worth a look; ``"violated"``.
    evidence
        The numbers.
    meaning
        What they say, and what to keep in mind.
    remedy
        A call that helps or shows more, to be run with ``fit``, ``mw`` and ``data`` (the data of the fit);
        empty where all is fine.
    panels
        The panels of the figure of checks that show it; empty if none does.
    """

    assumption: str
    test: str
    verdict: Verdict
    evidence: str
    meaning: str
    remedy: str
    panels: tuple[str, ...] = ()


def p_text(p: float) -> str:
    """``"= 0.031"``, ``"< 1e-300"``.

    >>> p_text(0.0312), p_text(1.4e-9), p_text(0.0)
    ('= 0.031', '= 1.4e-09', '< 1e-300')
    """
    if p < 1e-300:
        return "< 1e-300"
    return f"= {p:.1e}" if p < 1e-4 else f"= {p:.4f}" if p < 0.001 else f"= {p:.3f}"
