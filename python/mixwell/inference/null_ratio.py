"""A likelihood ratio of two nested models, and its distribution where the smaller one is true.

The smaller model may be without random terms: then it is a linear model, whose criteria are those of the
mixed model at zero variances.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from mixwell import kernel
from mixwell.arguments import check_count, check_one_of
from mixwell.design.record import Design
from mixwell.errors import MixwellError, MixwellWarning
from mixwell.fit.control import Control
from mixwell.fit.record import Fit
from mixwell.inference.chi_bar import (
    EQUAL,
    boundary_p_value,
    chi_square_tail,
    likelihood_ratio,
    lower_triangle,
)
from mixwell.inference.exact import exact_p_value
from mixwell.inference.information import covariance_of_estimates, orthonormal_terms
from mixwell.inference.nesting import RandomNesting, term_columns
from mixwell.kernel import Theta
from mixwell.lazy import lazy_module
from mixwell.simulate import Seed, generator, simulate

if TYPE_CHECKING:
    from mixwell.inference import refits
else:
    refits = lazy_module("mixwell.inference.refits")

FloatArray = NDArray[np.float64]
NullMethod = Literal["mixture", "bootstrap", "exact"]
METHODS = ("mixture", "bootstrap", "exact")
DRAWS = {"mixture": 0, "bootstrap": 1000, "exact": 10000}


@dataclass(frozen=True, slots=True)
class NullDistribution:
    """How p-values are found.

    Attributes
    ----------
    method
        ``"mixture"``: of chi-squares. ``"bootstrap"``: responses drawn from the smaller model. ``"exact"``:
        of one variance, by simulation without refits.
    n
        Draws.
    seed
        Of the draws.
    """

    method: NullMethod = "mixture"
    n: int = 0
    seed: Seed = None

    def after(self, test: RatioTest | None) -> NullDistribution:
        """For the next test: without draws where this one was interrupted."""
        return replace(self, n=0) if test is not None and test.is_interrupted else self

    def note(self, tests: Sequence[RatioTest]) -> str:
        """One sentence on the p-values of tests, the naive ones beside them."""
        naive = "p_naive is that of a plain chi-square."
        if self.method == "bootstrap":
            made = sorted({test.n_draws for test in tests if test.n_draws})
            draws = " to ".join(str(count) for count in dict.fromkeys([*made[:1], *made[-1:]])) or "no"
            missing = f" ({self.n} were asked for)" if made != [self.n] else ""
            blank = "; interrupted before the tests without one" if any(not t.n_draws for t in tests) else ""
            return (
                f"p_value is by parametric bootstrap, {draws} draws from the smaller model{missing}{blank}; "
                f"{naive}"
            )
        if self.method == "exact":
            return (
                f"p_value is by {self.n} draws of the exact null distribution (Crainiceanu & Ruppert 2004; "
                f"with other random effects, the approximation of Greven et al. 2008); {naive}"
            )
        return (
            "Where a variance is zero under the smaller model, p_value is that of a mixture of chi-squares "
            f"(Self & Liang 1987; Stram & Lee 1994); {naive}"
        )


def null_distribution(method: str, n: int | None, seed: Seed) -> NullDistribution:
    """Checked arguments.

    Raises
    ------
    DataError
        If the method does not exist or n is no number of draws.
    """
    check_one_of("method", method, METHODS)
    draws = DRAWS[method] if n is None else n
    if method != "mixture":
        check_count("n, the number of draws,", draws)
    return NullDistribution(method, int(draws), seed)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class RatioTest:
    """A likelihood ratio test of one model within another.

    Attributes
    ----------
    statistic
        Difference of the criteria, not below zero.
    df
        Difference in the number of parameters.
    p_value
        Correct for variances on their boundary.
    p_naive
        Of a chi-square with ``df`` degrees of freedom.
    n_boundary
        Variances that are zero under the null hypothesis.
    n_draws
        Draws that the p-value rests on; None where it needs none. Without any it is NaN.
    is_interrupted
        Fewer draws were made than asked for.
    """

    statistic: float
    df: int
    p_value: float
    p_naive: float
    n_boundary: int
    n_draws: int | None = None
    is_interrupted: bool = False


def ratio_test(
    small: Design,
    small_fit: Fit,
    large: Design,
    large_fit: Fit,
    nesting: RandomNesting,
    df: int,
    null: NullDistribution,
    control: Control | None,
) -> RatioTest:
    """Test ``small`` within ``large``, in which it is nested, both fitted by the same criterion.

    ``small_fit`` is that of :func:`linear_fit` where the small design has no random terms.
    """
    statistic = likelihood_ratio(small_fit.criterion, large_fit.criterion)
    n_boundary = nesting.n_boundary
    n_draws, is_interrupted = None, False
    if null.method == "exact":
        n_draws = null.n
        p_value = exact_p_value(large, large_fit, nesting, df, statistic, null.n, null.seed)
    elif null.method == "bootstrap" and not null.n:
        n_draws, is_interrupted, p_value = 0, True, math.nan
    elif null.method == "bootstrap":
        ratios, made = null_ratios(small, small_fit, large, null, control)
        n_draws, is_interrupted = len(ratios), made < null.n
        p_value = float((1 + np.sum(ratios >= statistic - EQUAL)) / (len(ratios) + 1))
    else:
        covariance = boundary_covariance(small_fit, large, nesting) if sum(n_boundary) > 1 else None
        p_value = boundary_p_value(statistic, df, n_boundary, covariance)
    return RatioTest(
        statistic=statistic,
        df=df,
        p_value=p_value,
        p_naive=float(chi_square_tail(statistic, df)),
        n_boundary=sum(n_boundary),
        n_draws=n_draws,
        is_interrupted=is_interrupted,
    )


def boundary_covariance(small_fit: Fit, large: Design, nesting: RandomNesting) -> FloatArray:
    """Asymptotic covariance of the tested variances and their covariances, at the null estimates.

    Of the entries of N' Sigma N, N being the combinations without variance under the null hypothesis.
    """
    turned, null, roots = orthonormal_terms(large, nesting.embedded(small_fit.term_cov))
    covariance = covariance_of_estimates(turned, null, small_fit.sigma)
    rows = []
    at = 0
    for root, free in zip(roots, nesting.free, strict=True):
        # N' Sigma N of the columns as given; any basis of the same space will do.
        basis, _ = np.linalg.qr(np.linalg.solve(root.T, free))
        k, m = basis.shape
        r, c = lower_triangle(k)
        for a, b in zip(*lower_triangle(m), strict=True):
            # d (N' Sigma N)_ab for a change in each entry of Sigma's lower triangle.
            change = np.zeros(len(covariance))
            both = basis[r, a] * basis[c, b] + basis[c, a] * basis[r, b]
            change[at : at + len(r)] = np.where(r == c, both / 2, both)
            rows.append(change)
        at += k * (k + 1) // 2
    maps = np.array(rows)
    return maps @ covariance @ maps.T


# ---- parametric bootstrap


def null_ratios(
    small: Design, small_fit: Fit, large: Design, null: NullDistribution, control: Control | None
) -> tuple[FloatArray, int]:
    """Likelihood ratios of responses drawn from the small model, and the number of draws made.

    Failed refits are left out, and said.

    Raises
    ------
    MixwellError
        If every refit fails.
    """
    draw = _null_responses(small, small_fit, null.seed)
    reml = small_fit.reml
    larger = refits.Refitting(large, unit_start(large), reml=reml, control=control)
    smaller = refits.Refitting(small, small_fit.theta, reml=reml, control=control) if small.terms else None

    def work(start: int, stop: int) -> FloatArray:
        responses = draw(stop - start)
        reduced = (
            linear_criteria(small, small_fit, responses) if smaller is None else smaller(responses).criterion
        )
        out: FloatArray = reduced - larger(responses).criterion
        return out

    ratios = refits.in_portions(null.n, work, "Likelihood ratios under the null hypothesis")
    good = ratios[np.isfinite(ratios)]
    if not len(good):
        raise MixwellError("every refit under the null hypothesis failed; use method='mixture'")
    if len(good) < len(ratios):
        warnings.warn(
            f"{len(ratios) - len(good)} of {len(ratios)} refits under the null hypothesis failed and are "
            "left out.",
            MixwellWarning,
            stacklevel=2,
        )
    return good, len(ratios)


def _null_responses(small: Design, small_fit: Fit, seed: Seed) -> Callable[[int], FloatArray]:
    """A function that draws the next m responses of the small model, shape (n, m)."""
    rng = generator(seed)
    return lambda m: simulate(small, small_fit, m, rng)


def unit_start(design: Design) -> Theta:
    """Half the identity for every term, in units of columns with mean square one."""
    out = []
    for number in range(len(design.terms)):
        z = term_columns(design, number)
        scale = 0.5 / np.sqrt(np.mean(z**2, axis=0))
        columns, rows = np.triu_indices(z.shape[1])
        out.append(np.diag(scale)[rows, columns])
    return Theta(np.concatenate(out))


# ---- the model without random terms


def linear_fit(design: Design, like: Fit) -> Fit:
    """The fit of X beta + offset alone, by the criterion of ``like``, to a design without random terms.

    Beside the criterion it holds what tests and simulation need: beta, sigma, and no term.
    """
    basis, r, root = _linear_basis(design, like)
    offset = np.zeros(design.n_obs) if design.offset is None else design.offset
    scaled = (design.y - offset) * root
    coordinates = basis.T @ scaled
    size = design.n_obs - (basis.shape[1] if like.reml else 0)
    return replace(
        like,
        criterion=float(linear_criteria(design, like, design.y[:, None])[0]),
        theta=Theta(np.zeros(0)),
        sigma=math.sqrt(float(np.sum((scaled - basis @ coordinates) ** 2)) / size),
        beta=np.asarray(np.linalg.solve(r, coordinates), dtype=np.float64),
        term_cov=(),
        modes=(),
        mode_cov=(),
    )


def linear_criteria(design: Design, fit: Fit, responses: FloatArray) -> FloatArray:
    """ML or REML criterion (as the fit) of X beta + offset alone, per column of responses (n, m)."""
    basis, r, root = _linear_basis(design, fit)
    shifted = responses if design.offset is None else responses - design.offset[:, None]
    scaled = shifted * root[:, None]
    rss = np.sum((scaled - basis @ (basis.T @ scaled)) ** 2, axis=0)
    size = design.n_obs - (basis.shape[1] if fit.reml else 0)
    constant = -2 * float(np.sum(np.log(root)))
    if fit.reml:
        constant += 2 * float(np.sum(np.log(np.abs(np.diagonal(r)))))
    return kernel.linear_criterion(constant, rss, size)


def _linear_basis(design: Design, fit: Fit) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Q, R of the weighted X and the square roots of the weights."""
    root = np.ones(design.n_obs) if design.weights is None else np.sqrt(design.weights)
    basis, r = np.linalg.qr(design.x[:, fit.kept] * root[:, None])
    return basis, r, root
