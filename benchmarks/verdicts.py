"""Whether a case shows what it must."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.cases import Bound, Faster, PeakDense, PeakFrames, ShareOfFit, Target, Within
from benchmarks.peers import REFERENCE
from benchmarks.results import CaseResult, Result, ratio


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was measured for one target.

    Attributes
    ----------
    target
        The target.
    value
        What was measured, in the target's own unit; None where something was not measured.
    at_least
        The value is a lower bound: a run was stopped.
    met
        None where the measurement does not decide it.
    """

    target: Target
    value: float | None
    at_least: bool = False
    met: bool | None = None


def dense_mb(found: CaseResult) -> float:
    """Megabytes of a dense Z with a column per level."""
    return found.rows * found.levels * 8 / 1e6


def verdicts(found: CaseResult) -> list[Verdict]:
    """One per target of the case."""
    return [judge(target, found) for target in found.case.must_show]


def judge(target: Target, found: CaseResult) -> Verdict:
    if isinstance(target, Faster):
        return judge_ratio(target, found)
    ours = found.of(REFERENCE)
    if ours is None:
        return Verdict(target, None)
    if isinstance(target, Within) and ours.stopped_after is not None:
        met = None if ours.stopped_after < target.seconds else False
        return Verdict(target, ours.stopped_after, at_least=True, met=met)
    value = measured(target, found, ours)
    return Verdict(target, value, met=None if value is None else value <= allowed(target))


def judge_ratio(target: Faster, found: CaseResult) -> Verdict:
    times = ratio(found, target.peer)
    if times is None:
        return Verdict(target, None)
    met: bool | None = times.value >= target.times
    if times.at_least and not met:
        met = None
    return Verdict(target, times.value, times.at_least, met)


def measured(target: Bound, found: CaseResult, ours: Result) -> float | None:
    if isinstance(target, Within):
        return ours.median
    if isinstance(target, ShareOfFit):
        fit = ours.median_fit
        return None if ours.median is None or fit is None else ours.median / fit
    if ours.peak_mb is None:
        return None
    return ours.peak_mb / (found.frame_mb if isinstance(target, PeakFrames) else dense_mb(found))


def allowed(target: Bound) -> float:
    match target:
        case Within(seconds):
            return seconds
        case ShareOfFit(share) | PeakDense(share):
            return share
        case PeakFrames(times):
            return times
