"""Profile likelihood of shares of the random variance: the adjusted ICC and its parts by factor.

With M_t the mean over rows of z z', the variance of term t in units of sigma^2 is tr(M_t T T'), a quadratic
form in the entries of T: for all of theta |w|^2 with w = U theta, U'U = blockdiag(M). The share of some
factors (A) in the variance of all and of the residuals, |w_A|^2 / (1 + |w|^2), depends on theta alone. Where
it is c, |w_A|^2 = c / (1 - c) (1 + |w_B|^2) for the other factors B: the criterion, with beta and sigma
profiled out, is then minimized over the direction of w_A and over w_B, without constraint.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize

from mixwell import kernel
from mixwell.design.record import Design
from mixwell.errors import ConvergenceError
from mixwell.fit.record import Fit
from mixwell.inference.parameters import normal_quantile

FloatArray = NDArray[np.float64]

# Search for the ends: on the log odds of the share, where steps grow up to this distance from zero.
FARTHEST = 30.0


def share_interval(
    design: Design, fit: Fit, moments: Sequence[FloatArray], factors: Sequence[int], level: float
) -> tuple[float, float]:
    """Interval of the share of ``factors`` in the random and residual variance, by the fit's own criterion.

    Its ends are where the profiled criterion exceeds the minimum by the quantile of chi-square with one
    degree of freedom; 0 or 1 if it does not before.

    Parameters
    ----------
    design, fit
        The model.
    moments
        Per term, mean over rows of z z', shape (k, k).
    factors
        Indices of the grouping factors in the numerator.
    level
        Of the interval.
    """
    profile = _Profile(design, fit, moments, factors)
    limit = fit.criterion + normal_quantile(level) ** 2
    estimate = profile.share(fit.theta)
    return profile.end(estimate, limit, -1.0), profile.end(estimate, limit, 1.0)


class _Profile:
    def __init__(
        self, design: Design, fit: Fit, moments: Sequence[FloatArray], factors: Sequence[int]
    ) -> None:
        blocks, numerator = [], []
        for term, m in zip(design.terms, moments, strict=True):
            k = len(m)
            # theta holds T column by column from the diagonal down.
            blocks += [np.linalg.cholesky(m[j:, j:]).T for j in range(k)]
            numerator += [term.factor in factors] * (k * (k + 1) // 2)
        self._root = np.zeros((len(numerator), len(numerator)))
        at = 0
        for block in blocks:
            self._root[at : at + len(block), at : at + len(block)] = block
            at += len(block)
        self._inverse = np.linalg.inv(self._root)
        self._in = np.array(numerator)
        self._design, self._reml, self._theta = design, fit.reml, fit.theta
        self._problem = kernel.problem(design)
        self._size = design.n_obs - (len(fit.kept) if fit.reml else 0)

    def share(self, theta: kernel.Theta) -> float:
        squares = (self._root @ theta) ** 2
        return float(squares[self._in].sum() / (1 + squares.sum()))

    def criterion(self, w: FloatArray) -> tuple[float, FloatArray]:
        """Value and gradient, in w."""
        found = kernel.components(
            self._design, self._problem, kernel.Theta(self._inverse @ w), reml=self._reml
        )
        return found.criterion, self._inverse.T @ found.gradient(self._size)

    def _constrained(self, odds: float) -> Callable[[FloatArray], tuple[float, FloatArray]]:
        """The criterion where the share has these odds, over (direction of w_A, w_B)."""
        inside, outside = self._in, ~self._in

        def value(free: FloatArray) -> tuple[float, FloatArray]:
            length = math.sqrt(float(free[inside] @ free[inside]))
            direction = free[inside] / length
            rest = free[outside]
            radius = math.sqrt(odds * (1 + rest @ rest))
            w = np.empty(len(free))
            w[inside], w[outside] = radius * direction, rest
            found, gradient = self.criterion(w)
            along = float(direction @ gradient[inside])
            out = np.empty(len(free))
            out[inside] = radius / length * (gradient[inside] - along * direction)
            out[outside] = gradient[outside] + (along * odds / radius * rest if radius > 0 else 0.0)
            return found, out

        return value

    def minimum(self, odds: float, start: FloatArray) -> tuple[float, FloatArray]:
        """Lowest criterion where the share has these odds, and where; w = 0 is a saddle and never a start."""
        value = self._constrained(odds)
        start = start.copy()
        inside = start[self._in]
        start[self._in] = inside / max(float(np.linalg.norm(inside)), 1e-300)
        small = np.abs(start) < 1e-2
        best: tuple[float, FloatArray] | None = None
        # Once from where the last search ended, and once with its zeros moved off: they may be saddles.
        for moved in (start, np.where(small, 0.1, start)) if small.any() else (start,):
            if not moved[self._in].any():
                continue
            found = minimize(value, moved, jac=True, method="BFGS", options={"gtol": 1e-6})
            if best is None or found.fun < best[0]:
                best = float(found.fun), np.asarray(found.x, dtype=np.float64)
        if best is None or not math.isfinite(best[0]):
            raise ConvergenceError(
                "the profile of the intraclass correlation could not be followed; use interval='bootstrap'"
            )
        return best

    def end(self, estimate: float, limit: float, sign: float) -> float:
        """Where the profile crosses ``limit`` below (-1) or above (1) the estimate."""
        at = self._root @ self._theta
        if sign < 0 and (estimate <= 0 or self.minimum(0.0, at)[0] <= limit):
            return 0.0

        def excess(log_odds: float) -> float:
            nonlocal at
            found, at = self.minimum(math.exp(log_odds), at)
            return found - limit

        inner = math.log(max(estimate, 1e-6) / (1 - estimate))
        step = 0.5
        outer = inner + sign * step
        while (reached := excess(outer)) < 0:
            if abs(outer) > FARTHEST:
                return 0.0 if sign < 0 else 1.0
            step *= 1.5
            inner, outer = outer, outer + sign * step
        crossing = outer if reached == 0 else brentq(excess, inner, outer, xtol=1e-10, rtol=1e-12)
        return 1 / (1 + math.exp(-crossing))
