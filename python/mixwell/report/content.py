"""What the summary of a fit says, as a record; text and HTML are made from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixwell.design.record import Design
from mixwell.fit import convergence, quantities
from mixwell.fit.identified import doubtful
from mixwell.fit.record import Fit
from mixwell.inference.contrast import Approximation, row_tests
from mixwell.text import number

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RandomBlock:
    """Random effects of one term: group and effect names, variances, sds (k each), correlations (k, k).

    A correlation with an effect of zero variance is NaN and shown blank.
    """

    group: str
    names: tuple[str, ...]
    variance: FloatArray
    sd: FloatArray
    correlation: FloatArray


@dataclass(frozen=True, slots=True)
class FixedEffects:
    """Fixed effects, their t tests and correlations.

    Attributes
    ----------
    names, estimate, std_error, df, statistic, p_value
        Length p.
    correlation
        Shape (p, p).
    method
        Where degrees of freedom and p-values come from, in words.
    """

    names: tuple[str, ...]
    estimate: FloatArray
    std_error: FloatArray
    df: FloatArray
    statistic: FloatArray
    p_value: FloatArray
    correlation: FloatArray
    method: str


@dataclass(frozen=True, slots=True)
class SummaryContent:
    """What a summary says.

    Attributes
    ----------
    title, formula
        The method and the formula as typed.
    criteria
        Names and values: the REML criterion, or AIC, BIC, log-likelihood and -2 log-likelihood.
    residual_quantiles
        Minimum, quartiles and maximum of the scaled residuals.
    random
        One block per random term.
    residual_variance
        sigma squared.
    n_obs
        Number of rows used.
    groups
        Grouping factors and their numbers of levels.
    fixed
        The fixed effects.
    inputs
        Sentences on weights, offset and rows left out.
    verdicts
        Sentences on convergence, singularity and dropped columns.
    """

    title: str
    formula: str
    criteria: tuple[tuple[str, float], ...]
    residual_quantiles: FloatArray
    random: tuple[RandomBlock, ...]
    residual_variance: float
    n_obs: int
    groups: tuple[tuple[str, int], ...]
    fixed: FixedEffects
    inputs: tuple[str, ...]
    verdicts: tuple[str, ...]


def counted(n: int, noun: str) -> str:
    """``1 row``, ``3 rows``.

    >>> counted(1, "row"), counted(3, "row")
    ('1 row', '3 rows')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def summary_content(design: Design, fit: Fit, method: Approximation, title: str) -> SummaryContent:
    """Collect the summary of a fit, with tests by a method that ``title`` names."""
    blocks = []
    for term, cov in zip(design.terms, fit.term_cov, strict=True):
        variance = np.diagonal(cov)
        blocks.append(
            RandomBlock(
                group=design.factors[term.factor].name,
                names=term.names,
                variance=variance,
                sd=np.sqrt(variance),
                correlation=quantities.correlation(cov),
            )
        )
    tests = row_tests(method, fit.beta, np.eye(len(fit.beta)))
    criteria: tuple[tuple[str, float], ...] = (("REML criterion", fit.criterion),)
    if not fit.reml:
        criteria = (
            ("AIC", quantities.aic(fit)),
            ("BIC", quantities.bic(design, fit)),
            ("logLik", quantities.llf(fit)),
            ("-2*logLik", fit.criterion),
            ("df.resid", float(design.n_obs - quantities.n_parameters(fit))),
        )
    inputs = []
    if design.weights is not None:
        lowest, highest = float(design.weights.min()), float(design.weights.max())
        inputs.append(f"Prior weights from {number(lowest, 3)} to {number(highest, 3)}.")
    if design.offset is not None:
        inputs.append("An offset is part of the mean.")
    inputs += missing_sentences(design)
    verdicts = [convergence.certificate_line(fit)]
    if fit.certificate.doubt is not None:
        verdicts.append(doubtful(fit.certificate.doubt))
    if fit.certificate.converged and len(fit.trace.searches) > 1:
        verdicts.append(convergence.other_starts(fit))
    phrases = convergence.singular_phrases(design, fit)
    if phrases:
        verdicts.append(f"Singular fit: {'; '.join(phrases)}.")
    dropped = quantities.dropped_names(design, fit)
    if dropped:
        verdicts.append(dropped_sentence(dropped))
    return SummaryContent(
        title="Linear mixed model fit by " + ("REML" if fit.reml else "maximum likelihood"),
        formula=design.formula,
        criteria=criteria,
        residual_quantiles=np.quantile(quantities.scaled_residuals(design, fit), [0, 0.25, 0.5, 0.75, 1]),
        random=tuple(blocks),
        residual_variance=fit.sigma**2,
        n_obs=design.n_obs,
        groups=tuple((factor.name, factor.n_levels) for factor in design.factors),
        fixed=FixedEffects(
            names=quantities.kept_names(design, fit),
            estimate=fit.beta,
            std_error=tests.std_error,
            df=tests.df,
            statistic=tests.statistic,
            p_value=tests.p_value,
            correlation=quantities.correlation(method.vcov),
            method=title,
        ),
        inputs=tuple(inputs),
        verdicts=tuple(verdicts),
    )


def dropped_sentence(dropped: tuple[str, ...]) -> str:
    """Which columns of the fixed part were aliased."""
    return (
        f"The fixed part is rank deficient: dropped {counted(len(dropped), 'column')} that "
        f"{'is' if len(dropped) == 1 else 'are'} a combination of the others: {', '.join(dropped)}."
    )


def missing_sentences(design: Design) -> list[str]:
    """How many rows were left out, and which variables were missing."""
    rows = design.rows
    if rows is None or rows.n_dropped == 0:
        return []
    counts = ", ".join(f"{name} ({count})" for name, count in rows.missing.items())
    return [f"{rows.n_dropped} of {rows.n_given} rows left out, with missing values in {counts}."]
