"""The certificate of a fit in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixwell.arguments import checked_methods
from mixwell.design.record import Design, RandomTerm
from mixwell.fit.identified import doubtful
from mixwell.fit.record import Fit, TermCertificate, Trace
from mixwell.text import number

FloatArray = NDArray[np.float64]

# Parts of a combination below this share of its largest, in units of the response, are left out of the words.
NEGLIGIBLE = 1e-3
# More combinations than this in one term are counted, not listed.
LISTED = 3
# The certificate's reason where the rounding of the criterion hides its minimum.
ROUNDING = "rounding"


def is_singular(fit: Fit) -> bool:
    """Whether the covariance matrix of some term has less than full rank."""
    return any(t.rank < len(cov) for t, cov in zip(fit.certificate.terms, fit.term_cov, strict=True))


def empty_combinations(term: RandomTerm, certificate: TermCertificate) -> list[str]:
    """The null space as texts, ``"(Intercept) - 0.5 Days"``: one per dimension, each with few parts."""
    # A column of small numbers has large coefficients: compare what each part does to the response.
    scale = np.array([float(np.sqrt(np.mean(column**2))) or 1.0 for column in term.columns])
    rows = certificate.null_space.T / scale
    # Gauss-Jordan elimination with complete pivoting: each combination owns one effect that no other has.
    for r in range(len(rows)):
        below = np.abs(rows[r:])
        i, j = divmod(int(np.argmax(below)), below.shape[1])
        rows[[r, r + i], :] = rows[[r + i, r], :]
        rows[r] /= rows[r, j]
        for other in range(len(rows)):
            if other != r:
                rows[other] -= rows[other, j] * rows[r]
    return [_combination(row, row * scale, term.names) for row in rows]


def _combination(size: FloatArray, coefficients: FloatArray, names: tuple[str, ...]) -> str:
    """One combination, its first coefficient made 1; ``size`` is each part's size in the response."""
    parts = [j for j in range(len(size)) if abs(size[j]) > NEGLIGIBLE * np.abs(size).max()]
    text = ""
    for j in parts:
        c = float(coefficients[j] / coefficients[parts[0]])
        sign = " + " if c > 0 else " - "
        factor = "" if abs(abs(c) - 1) < 5e-4 else f"{number(abs(c), 3)} "
        text += f"{sign if text else ''}{factor}{names[j]}"
    return text


def _zero_variance(term: RandomTerm, certificate: TermCertificate, cov: FloatArray) -> str:
    """What of one term does not vary."""
    k = len(term.names)
    if certificate.rank == 0:
        if k == 1:
            name = "the intercept" if term.names[0] == "(Intercept)" else term.names[0]
            return f"the variance of {name} in {term.label} is zero"
        return f"all variances in {term.label} are zero"
    texts = empty_combinations(term, certificate)
    if len(texts) == 1 and texts[0] in term.names:
        return f"{texts[0]} in {term.label} has zero variance"
    if k == 2:
        sign = "+1" if cov[0, 1] > 0 else "-1"
        return (
            f"{term.names[0]} and {term.names[1]} in {term.label} have correlation {sign}: "
            f"{texts[0]} does not vary"
        )
    if len(texts) > LISTED:
        return f"the covariance matrix of {term.label} has rank {certificate.rank} of {k}"
    noun = "the combination" if len(texts) == 1 else "the combinations"
    return f"in {term.label} {noun} {'; '.join(texts)} {'has' if len(texts) == 1 else 'have'} zero variance"


def singular_phrases(design: Design, fit: Fit) -> list[str]:
    """For each singular term, what has zero variance."""
    return [
        _zero_variance(term, certificate, cov)
        for term, certificate, cov in zip(design.terms, fit.certificate.terms, fit.term_cov, strict=True)
        if certificate.rank < len(term.names)
    ]


def singular_advice(design: Design, fit: Fit) -> str:
    """What follows from a singular optimum."""
    for term, certificate in zip(design.terms, fit.certificate.terms, strict=True):
        if 0 < certificate.rank < len(term.names):
            texts = empty_combinations(term, certificate)
            if not set(texts) <= set(term.names):
                return (
                    "the estimates stand, but the random part has more effects than the data can tell apart; "
                    "fewer of them, or independent ones (||), may serve as well"
                )
    return "the model without that effect has the same criterion"


def criterion_name(fit: Fit) -> str:
    return "REML criterion" if fit.reml else "-2 log-likelihood"


def _count(n: int, thing: str) -> str:
    return f"1 {thing}" if n == 1 else f"{n} {thing}s"


def _evaluations(fit: Fit) -> str:
    return _count(fit.trace.evaluations, "evaluation")


def other_searches(fit: Fit) -> int:
    """How many searches there were besides the one that ended at the optimum."""
    return len(fit.trace.searches) - 1


def other_starts(fit: Fit) -> str:
    """What was looked at besides the search that ended at the optimum, in one sentence; or nothing."""
    others, values = other_searches(fit), fit.trace.probes
    looked = []
    if others:
        spent = _count(len(fit.trace.criterion) - fit.trace.evaluations, "evaluation")
        looked.append(f"{others} {'search' if others == 1 else 'searches'} from other starts ({spent})")
    if values:
        looked.append(_count(values, "trial value"))
    return f"{' and '.join(looked)} found none lower." if looked else ""


def certificate_line(fit: Fit) -> str:
    """The certificate in one sentence, for the foot of a summary."""
    if fit.certificate.converged and not fit.certificate.certified:
        return f"Converged (criterion within {gap(fit):.0e} of its minimum), but NOT identified by the data."
    if fit.certificate.converged:
        return (
            f"Converged, certified: criterion within {gap(fit):.0e} of a local minimum ({_evaluations(fit)})."
        )
    return f"NOT CONVERGED after {_evaluations(fit)}: {failure(fit)}."


def gap(fit: Fit) -> float:
    """How much lower the criterion could be, not less than its own rounding error."""
    return max(fit.certificate.gap, 1e-12, 4 * np.finfo(np.float64).eps * abs(fit.criterion))


def failure(fit: Fit) -> str:
    """Which condition of the certificate failed."""
    what = "rounding of the criterion" if fit.certificate.reason == ROUNDING else fit.certificate.reason
    return f"{what} (the criterion may be {number(fit.certificate.gap, 3)} too high)"


def explain(design: Design, fit: Fit) -> str:
    """What is proved about the optimum, in sentences."""
    c = fit.certificate
    sentences = [
        f"The optimizer made {_evaluations(fit)} and ended where the {criterion_name(fit)} is "
        f"{fit.criterion:.6f}."
    ]
    if c.doubt is not None:
        sentences.append(f"The data do not identify all of the estimates. {doubtful(c.doubt)}")
    if c.converged:
        sentences.append(
            f"It is a {'certified ' if c.certified else ''}local minimum: the largest element of the "
            f"gradient is {number(c.gradient_norm, 2)}, and by the Newton decrement no step can lower the "
            f"criterion by more than about {gap(fit):.0e}."
        )
        if elsewhere := other_starts(fit):
            sentences.append(f"Whether it is the lowest one cannot be proved; {elsewhere}")
        if len(fit.theta) > 1 and c.hessian_eigenvalue > 0:
            sentences.append(
                "The exact Hessian curves upwards in every free direction (its smallest eigenvalue is "
                f"{c.hessian_eigenvalue:.1e} of the largest)."
            )
    elif c.reason == ROUNDING:
        sentences.append(
            f"The certificate failed: {failure(fit)}. Group effects exceed the error so far that double "
            "precision does not hold both: treat effects of that size as fixed, or look for one in the data "
            "that the fixed part should explain."
        )
    else:
        sentences.append(
            f"The certificate failed: {failure(fit)}. The estimates must not be relied on. Look for effects "
            "that the data cannot tell apart, simplify the random part, try more starts with "
            "control=Control(starts=50), or allow more with control=Control(max_evaluations=1000)."
        )
    phrases = singular_phrases(design, fit)
    if phrases:
        sentences.append(f"The fit is singular: {'; '.join(phrases)}.")
        slopes = [t.null_eigenvalue for t in c.terms if np.isfinite(t.null_eigenvalue)]
        if c.converged and slopes:
            sentences.append(
                "This is the optimum and no failure: leaving the boundary in any direction raises the "
                f"criterion (smallest slope {number(min(slopes), 3)}); {singular_advice(design, fit)}."
            )
    else:
        sentences.append("No covariance matrix is singular.")
    return " ".join(sentences)


@checked_methods
@dataclass(frozen=True, slots=True)
class Convergence:
    """What is proved about the optimum of a fit.

    Attributes
    ----------
    converged
        Whether every condition of the certificate holds.
    gap
        Newton decrement with the exact Hessian: how much lower the criterion could be, in its own units.
    gradient_norm
        Largest absolute element of the gradient.
    is_singular
        Whether the covariance matrix of some term has less than full rank. This alone is no failure.
    evaluations
        How often the criterion was evaluated in the search that ended at the optimum.
    starts
        From how many points it was searched; the lowest criterion is kept. Searches that fall behind are
        given up.
    trace
        Every evaluation of every search, in order.
    reason
        Empty, or which condition failed.
    identified
        Whether the data identify the estimates, as far as the columns and the curvature tell.
    singular
        For each singular term, what has zero variance, in words.
    explanation
        All of it in sentences; :meth:`explain` returns it.
    """

    converged: bool
    gap: float
    gradient_norm: float
    is_singular: bool
    evaluations: int
    starts: int
    trace: Trace
    reason: str
    identified: bool
    singular: tuple[str, ...]
    explanation: str

    def explain(self) -> str:
        """The certificate in sentences."""
        return self.explanation

    def __repr__(self) -> str:
        state = "converged" if self.converged else f"NOT converged ({self.reason})"
        singular = ", singular" if self.is_singular else ""
        state += "" if self.identified else ", NOT identified"
        return f"<Convergence: {state}{singular}, gap {self.gap:.1e}, {self.evaluations} evaluations>"


def convergence(design: Design, fit: Fit) -> Convergence:
    """Collect the certificate of a fit."""
    return Convergence(
        converged=fit.certificate.converged,
        gap=fit.certificate.gap,
        gradient_norm=fit.certificate.gradient_norm,
        is_singular=is_singular(fit),
        evaluations=fit.trace.evaluations,
        starts=len(fit.trace.searches),
        trace=fit.trace,
        reason=fit.certificate.reason,
        identified=fit.certificate.doubt is None,
        singular=tuple(singular_phrases(design, fit)),
        explanation=explain(design, fit),
    )
