"""Analysis of variance of the fixed part: one F test per term."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixwell.design.record import Design
from mixwell.fit.record import Fit
from mixwell.inference.contrast import Approximation, JointTest, joint_test
from mixwell.inference.terms import term_rows


@dataclass(frozen=True, slots=True)
class TermTest:
    """One line of the table: a term and its test.

    Attributes
    ----------
    term
        Name of the term.
    sum_sq, mean_sq
        What a classical table would show: the mean square is F (before Kenward-Roger's scale factor, as in
        lmerTest) times the residual variance.
    test
        The F test.
    """

    term: str
    sum_sq: float
    mean_sq: float
    test: JointTest


def anova(design: Design, fit: Fit, method: Approximation, type_: str = "III") -> tuple[TermTest, ...]:
    """Test each term of the fixed part.

    Parameters
    ----------
    design, fit
        The fitted model.
    method
        Covariance and degrees of freedom.
    type_
        ``"I"``, ``"II"`` or ``"III"``, see :func:`mixwell.inference.terms.term_rows`.

    Examples
    --------
    >>> import mixwell as mw
    >>> from mixwell.inference.degrees_of_freedom import approximation
    >>> fit = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff())
    >>> anova(fit.design, fit.fit, approximation(fit.design, fit.fit, "satterthwaite"))
    ()
    """
    return tuple(_line(method, fit, term.name, term.rows) for term in term_rows(design, fit.kept, type_))


def _line(method: Approximation, fit: Fit, name: str, rows: np.ndarray) -> TermTest:
    test = joint_test(method, fit.beta, rows)
    mean_sq = test.wald * fit.sigma**2
    return TermTest(name, mean_sq * test.num_df, mean_sq, test)
