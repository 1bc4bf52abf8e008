"""One place where a method for denominator degrees of freedom is chosen.

========================  ==========================================================================
``"satterthwaite"``       From the curvature of the criterion (Giesbrecht & Burns 1985), as lmerTest.
``"kenward-roger"``       With the adjusted covariance (Kenward & Roger 1997), as pbkrtest; REML only.
``"residual"``            n - rank of X.
``"normal"``              Infinite: the normal and chi-square distributions.
``"containment"``         By the random effects that contain a term, as SAS's DDFM=CONTAIN.
``"between-within"``      By the groups within which a term varies, as SAS's DDFM=BETWITHIN and nlme.
========================  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from mixwell.arguments import check_one_of
from mixwell.design.record import Design
from mixwell.fit.record import Fit
from mixwell.inference.contrast import Approximation
from mixwell.inference.kenward_roger import kenward_roger
from mixwell.inference.satterthwaite import satterthwaite
from mixwell.inference.strata import between_within, containment, normal, residual
from mixwell.memory import memory_errors

Ddf = Literal["satterthwaite", "kenward-roger", "residual", "normal", "containment", "between-within"]

METHODS: dict[str, Callable[[Design, Fit], Approximation]] = {
    "satterthwaite": satterthwaite,
    "kenward-roger": kenward_roger,
    "residual": residual,
    "normal": normal,
    "containment": containment,
    "between-within": between_within,
}

# What each is called in a sentence; the last two tests are of no one's name.
TITLES = {
    "satterthwaite": "Satterthwaite's method",
    "kenward-roger": "Kenward-Roger's method",
    "residual": "residual degrees of freedom",
    "normal": "the normal distribution",
    "containment": "the containment method",
    "between-within": "the between-within method",
}


def check_ddf(ddf: object) -> None:
    """Refuse a method that does not exist."""
    check_one_of("ddf", ddf, METHODS)


def approximation(design: Design, fit: Fit, ddf: str) -> Approximation:
    """Covariance and degrees of freedom by the method ``ddf``.

    Raises
    ------
    MixwellError
        When there is no such method.
    ModelError
        When it does not apply: Kenward-Roger to a fit by maximum likelihood, between-within to crossed
        factors.

    Examples
    --------
    >>> import mixwell as mw
    >>> from mixwell.inference.contrast import row_tests
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> method = approximation(fit.design, fit.fit, "kenward-roger")
    >>> row_tests(method, fit.fit.beta, [[0.0, 1.0]]).df.round(6).tolist()
    [17.0]
    """
    check_ddf(ddf)
    with memory_errors(f"the degrees of freedom of ddf={ddf!r}; ddf='satterthwaite' takes least"):
        return METHODS[ddf](design, fit)
