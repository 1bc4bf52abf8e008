"""Profile likelihood of every parameter: standard deviations, correlations, sigma, fixed effects.

The profiled criterion is that of maximum likelihood, also for a REML fit, as in lme4. One parameter psi is
held, the others (phi) are optimized: D(psi) = min over phi of d(psi, phi), zeta = sign(psi - estimate)
sqrt(D - min D) (Bates & Watts 1988, chapter 6). By the envelope theorem dD/dpsi is d's partial derivative at
the inner optimum, so every point of a profile comes with its slope, and ends of intervals are found by
Newton's method.

A parameter of a random term becomes a single coordinate when its columns stand first in the term: then
sd_1 = sigma T_11, and with T_21 = a sin(omega), T_22 = a cos(omega) the correlation of the first two is
sin(omega). So each is held in a design with its columns moved to the front, and all else stays free and
smooth up to the boundary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mixwell import kernel
from mixwell.data.output import NativeFrame, Origin, frame
from mixwell.design.record import Design
from mixwell.errors import ConvergenceError, DataError
from mixwell.fit.control import Control
from mixwell.fit.record import Fit
from mixwell.fit.solve import solve
from mixwell.inference.parameters import check_names, interval_frame, normal_quantile, parameter_names

if TYPE_CHECKING:
    from mixwell._kernel import Problem

FloatArray = NDArray[np.float64]

# Inner optimizations stop at this decrement; the criterion itself is rounded to about 1e-10.
_DECREMENT = 1e-10
# A root is found when zeta is this close.
_ZETA = 1e-7
_FLAT = 1e-6


@dataclass(frozen=True, slots=True)
class Curve:
    """Profile of one parameter.

    Attributes
    ----------
    name
        As lme4: ``"sd_Days|Subject"``, ``"cor_Days.(Intercept)|Subject"``, ``"sigma"``, or a coefficient.
    estimate
        By maximum likelihood.
    values, zeta, slope
        Ascending points, their zeta, and d zeta / d value (zero or infinite at a boundary).
    """

    name: str
    estimate: float
    values: FloatArray
    zeta: FloatArray
    slope: FloatArray

    def at(self, zeta: float) -> float:
        """The value where the curve has this zeta; the end of the curve if it is not reached there.

        Cubic Hermite interpolation by the points and their slopes.
        """
        if zeta <= self.zeta[0]:
            return float(self.values[0])
        if zeta >= self.zeta[-1]:
            return float(self.values[-1])
        i = int(np.searchsorted(self.zeta, zeta)) - 1
        x0, x1 = self.values[i], self.values[i + 1]
        h = x1 - x0
        z0, z1 = self.zeta[i], self.zeta[i + 1]
        if not (np.isfinite(self.slope[i]) and np.isfinite(self.slope[i + 1])):
            return float(x0 + h * (zeta - z0) / (z1 - z0))
        m0, m1 = self.slope[i] * h, self.slope[i + 1] * h
        cubic = [2 * z0 - 2 * z1 + m0 + m1, 3 * (z1 - z0) - 2 * m0 - m1, m0, z0 - zeta]
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            if ((cubic[0] * middle + cubic[1]) * middle + cubic[2]) * middle + cubic[3] < 0:
                low = middle
            else:
                high = middle
        return float(x0 + h * low)


@dataclass(frozen=True, slots=True, repr=False)
class Profile:
    """Profiles of all parameters of a fit.

    Attributes
    ----------
    curves
        One per parameter.
    level
        Confidence level that the curves reach at least, unless a boundary stops them.
    origin
        The kind of frames.

    Examples
    --------
    >>> import mixwell as mw
    >>> fit = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff())
    >>> profile = fit.profile()
    >>> profile.conf_int(0.95).round(2)
                          conf_low  conf_high
    sd_(Intercept)|Batch     12.20      84.06
    sigma                    38.23      67.66
    (Intercept)            1486.45    1568.55
    """

    curves: tuple[Curve, ...]
    level: float
    origin: Origin

    def __getitem__(self, name: str) -> Curve:
        for curve in self.curves:
            if curve.name == name:
                return curve
        raise KeyError(f"{name!r}; there are {', '.join(repr(curve.name) for curve in self.curves)}")

    @property
    def frame(self) -> NativeFrame:
        """All points: ``parameter value zeta``."""
        return frame(
            self.origin,
            {
                "parameter": [curve.name for curve in self.curves for _ in curve.values],
                "value": np.concatenate([curve.values for curve in self.curves]),
                "zeta": np.concatenate([curve.zeta for curve in self.curves]),
            },
        )

    def conf_int(self, level: float = 0.95) -> NativeFrame:
        """Intervals read off the curves, up to the level they were made for."""
        if not 0 < level <= self.level:
            raise DataError(
                f"these curves reach the level {self.level}; make the profile with level={level!r} or above."
            )
        z = normal_quantile(level)
        return interval_frame(
            self.origin,
            [curve.name for curve in self.curves],
            [(curve.at(-z), curve.at(z)) for curve in self.curves],
        )

    def __repr__(self) -> str:
        points = sum(len(curve.values) for curve in self.curves)
        return f"<Profile of {len(self.curves)} parameters, {points} points, level {self.level}>"


# ---- what is asked for


def profile(
    design: Design,
    fit: Fit,
    at: Origin,
    *,
    level: float,
    parameters: str | Sequence[str] | None,
    control: Control | None,
) -> Profile:
    """Curves of the parameters (all by default) that reach the zeta of ``level`` on both sides."""
    z = normal_quantile(level)
    return Profile(tuple(_curve(path, z) for path in paths(design, fit, parameters, control)), level, at)


def intervals(
    design: Design,
    fit: Fit,
    *,
    level: float,
    parameters: str | Sequence[str] | None,
    control: Control | None,
) -> list[tuple[str, float, float]]:
    """(name, low, high) by root finding on the profile, without the rest of the curve.

    An end at the boundary of the parameter (0, or -1 and 1) says that the likelihood does not exclude it.
    """
    z = normal_quantile(level)
    return [
        (path.name, path.value(path.root(-z)), path.value(path.root(z)))
        for path in paths(design, fit, parameters, control)
    ]


# ---- the parameters

Evaluation = tuple[float, float, FloatArray]


class Path:
    """The profile of one parameter, walked from the estimate to both sides with warm starts.

    Parameters
    ----------
    name
        Of the parameter.
    evaluate
        (psi, phi) -> criterion, its derivative in psi, its gradient in phi.
    psi, phi
        At the estimate.
    steps
        For differences of the gradient: of psi, then phi.
    even
        Positions in phi of diagonal entries of T. The criterion is even in them, so that zero is always
        stationary, and a search that has come to it must be told when to leave.
    bounds
        Of psi.
    value
        psi -> the parameter on its own scale, increasing.
    slope
        psi -> d value / d psi.
    ceiling
        A criterion that is reached whatever psi is.
    """

    def __init__(
        self,
        name: str,
        evaluate: Callable[[float, FloatArray], Evaluation],
        psi: float,
        phi: FloatArray,
        steps: FloatArray,
        even: Sequence[int],
        bounds: tuple[float, float],
        value: Callable[[float], float],
        slope: Callable[[float], float],
        ceiling: float = math.inf,
    ) -> None:
        self.name = name
        self.value, self.slope = value, slope
        self.estimate, self.bounds = psi, bounds
        self._given = evaluate
        self._scales, self._even, self._ceiling = steps, even, ceiling
        self._minimum, _, _ = evaluate(psi, phi)
        hessian = self._hessian(psi, phi)
        self._inverse = _positive_inverse(hessian[1:, 1:])
        # Along the ridge: d phi / d psi, and the curvature of D.
        self._tangent = -self._inverse @ hessian[1:, 0]
        curvature = hessian[0, 0] + hessian[0, 1:] @ self._tangent
        self.rate = math.sqrt(max(curvature, _FLAT * abs(hessian[0, 0])) / 2)
        # Known points by side: psi, phi; the last is where the next search starts.
        self._known: dict[bool, list[tuple[float, FloatArray]]] = {
            side: [(psi, phi)] for side in (False, True)
        }

    def _evaluate(self, psi: float, phi: FloatArray) -> Evaluation:
        """The criterion, infinite where a search has gone so far that it cannot be evaluated."""
        try:
            return self._given(psi, phi)
        except (ConvergenceError, OverflowError):
            return math.inf, 0.0, np.zeros(len(phi))

    def _hessian(self, psi: float, phi: FloatArray) -> FloatArray:
        """Of (psi, phi) by central differences of the exact gradient."""
        m = len(phi)
        out = np.empty((m + 1, m + 1))
        for i in range(m + 1):
            step = self._scales[i]
            ends = []
            for sign in (1.0, -1.0):
                moved = phi.copy()
                if i:
                    moved[i - 1] += sign * step
                _, slope, gradient = self._evaluate(psi + sign * step if i == 0 else psi, moved)
                ends.append(np.concatenate([[slope], gradient]))
            out[i] = (ends[0] - ends[1]) / (2 * step)
        return (out + out.T) / 2

    def _start(self, psi: float, side: bool) -> FloatArray:
        """phi for a new psi: on the line through the last two points, or along the tangent."""
        known = self._known[side]
        at, phi = known[-1]
        if len(known) == 1:
            return phi + self._tangent * (psi - at)
        before, earlier = known[-2]
        if abs(at - before) < 1e-3 * abs(psi - at):
            return phi
        return phi + (phi - earlier) * ((psi - at) / (at - before))

    def point(self, psi: float) -> tuple[float, float]:
        """(zeta, d zeta / d psi) at psi."""
        side = psi > self.estimate
        start = self._start(psi, side)
        if not math.isfinite(self._evaluate(psi, start)[0]):
            start = self._known[side][-1][1]
        criterion, slope, phi = self._minimize(psi, start)
        for entry in self._even:
            # Steps are 1e-5 of a coordinate's scale.
            scale = 1e5 * self._scales[1 + entry]
            if abs(phi[entry]) > 1e-3 * scale:
                continue
            away = phi.copy()
            away[entry] = 1e-2 * scale
            if self._evaluate(psi, away)[2][entry] >= 0:
                continue
            away[entry] = 0.2 * scale
            other = self._minimize(psi, away)
            if other[0] < criterion - 1e-9:
                criterion, slope, phi = other
        self._known[side].append((psi, phi))
        if criterion > self._ceiling:
            criterion, slope = self._ceiling, 0.0
        excess = criterion - self._minimum
        if excess < -1e-5:
            raise ConvergenceError(
                f"the profile of {self.name!r} finds a criterion lower by {-excess:.3g} than the fit's; "
                "fit again with control=Control(starts=5)"
            )
        zeta = math.copysign(math.sqrt(max(excess, 0.0)), psi - self.estimate)
        return zeta, slope / (2 * zeta) if zeta else self.rate

    def _minimize(self, psi: float, phi: FloatArray) -> tuple[float, float, FloatArray]:
        """min over phi by BFGS from the metric of the estimate; renewed where it fails."""
        evaluate = self._evaluate
        inverse = self._inverse
        criterion, slope, gradient = evaluate(psi, phi)
        renewed = False
        for _ in range(200):
            direction = -inverse @ gradient
            decrement = -float(gradient @ direction) / 2
            if decrement < _DECREMENT:
                break
            share = 1.0
            for _ in range(30):
                trial = phi + share * direction
                found, trial_slope, trial_gradient = evaluate(psi, trial)
                if found <= criterion - 1e-4 * share * decrement + 1e-11 * abs(criterion):
                    break
                share /= 4
            else:
                if renewed or decrement < 1e-8:
                    break
                renewed = True
                inverse = _positive_inverse(self._hessian(psi, phi)[1:, 1:])
                continue
            step, change = trial - phi, trial_gradient - gradient
            along = float(step @ change)
            if along > 1e-14 * math.sqrt(float(step @ step) * float(change @ change)):
                bent = inverse @ change
                inverse = (
                    inverse
                    + np.outer(step, step) * ((along + float(change @ bent)) / along**2)
                    - (np.outer(bent, step) + np.outer(step, bent)) / along
                )
            phi, criterion, slope, gradient = trial, found, trial_slope, trial_gradient
        return criterion, slope, phi

    def root(self, zeta: float) -> float:
        """psi where the profile has this zeta, or the bound if it is not reached."""
        side = zeta > 0
        bound = self.bounds[side]
        inner, outer = self.estimate, None
        if self.estimate == bound:
            return bound
        psi = self.estimate + zeta / self.rate
        psi = min(psi, bound) if side else max(psi, bound)
        for _ in range(100):
            found, rate = self.point(psi)
            if abs(found - zeta) < _ZETA:
                return psi
            if abs(found) < abs(zeta):
                if psi == bound:
                    return bound
                inner = psi
            else:
                outer = psi
            limit = outer if outer is not None else bound
            guess = psi + (zeta - found) / rate if rate > 0 else math.inf
            if not min(inner, limit) < guess < max(inner, limit):
                guess = self._guess_between(inner, outer, bound)
            if guess == psi or (
                outer is not None and abs(outer - inner) <= 1e-13 * (abs(outer) + abs(inner))
            ):
                return psi
            psi = guess
        raise ConvergenceError(f"the profile of {self.name!r} does not reach zeta = {zeta:.3g}")

    def _guess_between(self, inner: float, outer: float | None, bound: float) -> float:
        if outer is not None:
            return (inner + outer) / 2
        if math.isfinite(bound):
            return bound
        return inner + 2 * (inner - self.estimate)


def _positive_inverse(hessian: FloatArray) -> FloatArray:
    """Inverse with every eigenvalue made positive, relative to the scales on the diagonal."""
    if len(hessian) == 0:
        return np.zeros((0, 0))
    scale = np.sqrt(np.maximum(np.abs(np.diagonal(hessian)), 1e-300))
    values, vectors = np.linalg.eigh(hessian / np.outer(scale, scale))
    values = np.maximum(np.abs(values), 1e-6)
    out: FloatArray = (vectors / values) @ vectors.T / np.outer(scale, scale)
    return out


# ---- building the paths


@dataclass(frozen=True, slots=True)
class _Base:
    """What all paths start from.

    Attributes
    ----------
    design, fit
        The model fitted by maximum likelihood.
    sizes
        Per term, columns.
    offsets
        Per term, where its entries start in theta.
    rms
        Per term, root mean square of its columns.
    """

    design: Design
    fit: Fit
    sizes: tuple[int, ...]
    offsets: tuple[int, ...]
    rms: tuple[FloatArray, ...]

    @property
    def n_theta(self) -> int:
        return len(self.fit.theta)


def paths(
    design: Design, fit: Fit, parameters: str | Sequence[str] | None, control: Control | None
) -> list[Path]:
    """The paths of the parameters asked for, in the order of :func:`parameter_names`.

    Raises
    ------
    DataError
        For a name that is no parameter.
    """
    names = parameter_names(design, fit)
    wanted = check_names(parameters, names)
    if fit.reml:
        fit = solve(design, reml=False, start=fit.theta, control=control)
    sizes = tuple(len(term.names) for term in design.terms)
    base = _Base(
        design,
        fit,
        sizes,
        tuple(int(at) for at in np.cumsum([0, *(k * (k + 1) // 2 for k in sizes)])[:-1]),
        tuple(np.array([math.sqrt(np.mean(c * c)) for c in term.columns]) for term in design.terms),
    )
    builders: list[Callable[[str], Path]] = []
    for number, k in enumerate(sizes):
        for j in range(k):
            builders.append(_sd_builder(base, number, j))
            builders += [_cor_builder(base, number, j, i) for i in range(j + 1, k)]
    builders.append(lambda name: _sigma_path(name, base))
    builders += [_coefficient_builder(base, j) for j in range(len(fit.kept))]
    return [build(name) for name, build in zip(names, builders, strict=True) if name in wanted]


def _sd_builder(base: _Base, number: int, j: int) -> Callable[[str], Path]:
    return lambda name: _sd_path(name, base, number, j)


def _cor_builder(base: _Base, number: int, j: int, i: int) -> Callable[[str], Path]:
    return lambda name: _cor_path(name, base, number, j, i)


def _coefficient_builder(base: _Base, j: int) -> Callable[[str], Path]:
    return lambda name: _coefficient_path(name, base, j)


def _reordered(
    base: _Base, number: int, first: Sequence[int]
) -> tuple[Problem, Design, FloatArray, FloatArray]:
    """Problem, design, theta and scales of theta with some columns of a term moved to its front."""
    k = base.sizes[number]
    order = [*first, *(j for j in range(k) if j not in first)]
    design = base.design
    theta = base.fit.theta.copy()
    rms = list(base.rms)
    if order != list(range(k)):
        term = design.terms[number]
        moved = replace(
            term,
            names=tuple(term.names[j] for j in order),
            columns=tuple(term.columns[j] for j in order),
        )
        terms = (*design.terms[:number], moved, *design.terms[number + 1 :])
        design = replace(design, terms=terms)
        relative = base.fit.term_cov[number] / base.fit.sigma**2
        columns, rows = np.triu_indices(k)
        at = base.offsets[number]
        theta[at : at + len(rows)] = semidefinite_factor(relative[np.ix_(order, order)])[rows, columns]
        rms[number] = rms[number][order]
    return kernel.problem(design), design, theta, _theta_scales(base, theta, rms)


def _theta_scales(base: _Base, theta: FloatArray, rms: Sequence[FloatArray]) -> FloatArray:
    """Size of a small change in each entry of T, from the entry and from its column's units."""
    units = []
    for k, root in zip(base.sizes, rms, strict=True):
        _, rows = np.triu_indices(k)
        units.append(0.1 / root[rows])
    out: FloatArray = np.maximum(np.abs(theta), np.concatenate(units))
    return out


def semidefinite_factor(matrix: FloatArray) -> FloatArray:
    """Lower triangular T with T T' = matrix, zero columns where a pivot vanishes."""
    k = len(matrix)
    t = np.zeros((k, k))
    for j in range(k):
        pivot = matrix[j, j] - t[j, :j] @ t[j, :j]
        if pivot > 1e-14 * matrix[j, j]:
            t[j, j] = math.sqrt(pivot)
            t[j + 1 :, j] = (matrix[j + 1 :, j] - t[j + 1 :, :j] @ t[j, :j]) / t[j, j]
    return t


def _diagonals(base: _Base) -> list[int]:
    """Positions of the diagonal entries of every T in theta."""
    out = []
    for at, k in zip(base.offsets, base.sizes, strict=True):
        columns, rows = np.triu_indices(k)
        out += [at + i for i, (r, c) in enumerate(zip(rows, columns, strict=True)) if r == c]
    return out


_STEP = 1e-5


class _Joint:
    """-2 log-likelihood d(theta, log sigma), unprofiled in sigma, with its gradient."""

    def __init__(self, design: Design, problem: Problem) -> None:
        self._design, self._problem = design, problem
        self._n = design.n_obs

    def __call__(self, theta: FloatArray, log_sigma: float) -> tuple[float, FloatArray, float]:
        """Criterion, gradient in theta, derivative in log sigma.

        d = log_det + pwrss / sigma^2 + n log(2 pi sigma^2).
        """
        parts = kernel.components(self._design, self._problem, theta, reml=False)
        scaled = parts.pwrss * math.exp(-2 * log_sigma)
        criterion = parts.log_det + scaled + self._n * (math.log(2 * math.pi) + 2 * log_sigma)
        gradient = parts.log_det_gradient + scaled * parts.log_pwrss_gradient
        return criterion, gradient, 2 * self._n - 2 * scaled


def _sd_path(name: str, base: _Base, number: int, j: int) -> Path:
    """T_11 = psi / sigma; phi holds the other entries of theta and log sigma."""
    problem, design, theta, scales = _reordered(base, number, [j])
    joint = _Joint(design, problem)
    held = base.offsets[number]
    free = np.array([i for i in range(base.n_theta) if i != held], dtype=np.intp)
    sigma = base.fit.sigma

    def evaluate(psi: float, phi: FloatArray) -> Evaluation:
        full = np.empty(len(phi))
        full[free] = phi[:-1]
        own_sigma = math.exp(phi[-1])
        full[held] = psi / own_sigma
        criterion, gradient, by_log_sigma = joint(full, float(phi[-1]))
        out = np.empty(len(phi))
        out[:-1] = gradient[free]
        out[-1] = by_log_sigma - gradient[held] * full[held]
        return criterion, float(gradient[held]) / own_sigma, out

    diagonals = set(_diagonals(base)) - {held}
    return Path(
        name,
        evaluate,
        psi=float(sigma * theta[held]),
        phi=np.append(theta[free], math.log(sigma)),
        steps=_STEP * np.concatenate([[sigma * scales[held]], scales[free], [1.0]]),
        even=[i for i, entry in enumerate(free) if int(entry) in diagonals],
        bounds=(0.0, math.inf),
        value=lambda psi: psi,
        slope=lambda psi: 1.0,
    )


def _cor_path(name: str, base: _Base, number: int, j: int, i: int) -> Path:
    """T_21 = a sin(psi), T_22 = a cos(psi); phi holds log T_11, log a, the rest of theta, log sigma.

    The logarithms keep both standard deviations positive, without which a correlation has no sign. Where one
    vanishes, every correlation fits equally well: so D never exceeds the criterion of the model without that
    effect, and if one is zero at the estimate the path is flat.
    """
    problem, design, theta, scales = _reordered(base, number, [j, i])
    joint = _Joint(design, problem)
    k = base.sizes[number]
    at = base.offsets[number]
    first, below, second = at, at + 1, at + k
    free = np.array([e for e in range(base.n_theta) if e not in (first, below, second)], dtype=np.intp)
    length = math.hypot(theta[below], theta[second])
    smallest = 1e-6
    flat = theta[first] < smallest * scales[first] or length < smallest * scales[second]

    def evaluate(psi: float, phi: FloatArray) -> Evaluation:
        full = np.empty(base.n_theta)
        full[free] = phi[2:-1]
        own, a = math.exp(phi[0]), math.exp(phi[1])
        sine, cosine = math.sin(psi), math.cos(psi)
        full[first], full[below], full[second] = own, a * sine, a * cosine
        criterion, gradient, by_log_sigma = joint(full, float(phi[-1]))
        out = np.empty(len(phi))
        out[0] = gradient[first] * own
        out[1] = gradient[below] * full[below] + gradient[second] * full[second]
        out[2:-1] = gradient[free]
        out[-1] = by_log_sigma
        return criterion, float(a * (gradient[below] * cosine - gradient[second] * sine)), out

    diagonals = set(_diagonals(base)) - {first, second}
    path = _FlatPath if flat else Path
    return path(
        name,
        evaluate,
        psi=0.0 if flat else math.atan2(theta[below], abs(theta[second])),
        phi=np.concatenate(
            [
                [math.log(max(theta[first], 1e-12)), math.log(max(length, 1e-12))],
                theta[free],
                [math.log(base.fit.sigma)],
            ]
        ),
        steps=_STEP * np.concatenate([[1.0, 1.0, 1.0], scales[free], [1.0]]),
        even=[2 + e for e, entry in enumerate(free) if int(entry) in diagonals],
        bounds=(-math.pi / 2, math.pi / 2),
        value=math.sin,
        slope=math.cos,
        ceiling=math.inf if flat else min(_criterion_without(base, number, e) for e in (j, i)),
    )


def _criterion_without(base: _Base, number: int, j: int) -> float:
    """Of the model where column j of a term has no variance."""
    term = base.design.terms[number]
    smaller = replace(
        term,
        names=(*term.names[:j], *term.names[j + 1 :]),
        columns=(*term.columns[:j], *term.columns[j + 1 :]),
    )
    terms = (*base.design.terms[:number], smaller, *base.design.terms[number + 1 :])
    return solve(replace(base.design, terms=terms), reml=False).criterion


class _FlatPath(Path):
    """A correlation with an effect of zero variance: the criterion does not depend on it."""

    def point(self, psi: float) -> tuple[float, float]:
        return 0.0, 0.0

    def root(self, zeta: float) -> float:
        return self.bounds[zeta > 0]


def _sigma_path(name: str, base: _Base) -> Path:
    """psi = log sigma; phi = theta."""
    problem, design, theta, scales = _reordered(base, 0, [])
    joint = _Joint(design, problem)

    def evaluate(psi: float, phi: FloatArray) -> Evaluation:
        criterion, gradient, by_log_sigma = joint(phi, psi)
        return criterion, by_log_sigma, gradient

    return Path(
        name,
        evaluate,
        psi=math.log(base.fit.sigma),
        phi=theta,
        steps=_STEP * np.append(1.0, scales),
        even=_diagonals(base),
        bounds=(-math.inf, math.inf),
        value=math.exp,
        slope=math.exp,
    )


def _coefficient_path(name: str, base: _Base, j: int) -> Path:
    """psi = beta_j, its column moved into the response; phi = theta; sigma and other beta profiled out."""
    problem, design, theta, scales = _reordered(base, 0, [])
    fit = base.fit
    column = design.x[:, fit.kept[j]]
    reduced = replace(design, x=np.asfortranarray(np.delete(design.x[:, fit.kept], j, axis=1)))
    n = design.n_obs
    last: list[tuple[float, Problem]] = []

    def problem_at(psi: float) -> Problem:
        if not last or last[0][0] != psi:
            last[:] = [(psi, kernel.problem(reduced, design.y - psi * column))]
        return last[0][1]

    def evaluate(psi: float, phi: FloatArray) -> Evaluation:
        parts = kernel.components(reduced, problem_at(psi), phi, reml=False)
        # pwrss at psi exceeds its minimum over beta_j by (psi - beta_j)^2 / v_jj, in units of sigma^2.
        free = kernel.components(design, problem, phi, reml=False)
        slope = 2 * n * (psi - free.beta[j]) / (free.vcov_unscaled[j, j] * parts.pwrss)
        return parts.criterion, float(slope), parts.gradient(n)

    return Path(
        name,
        evaluate,
        psi=float(fit.beta[j]),
        phi=theta,
        steps=_STEP * np.append(math.sqrt(fit.vcov[j, j]), scales),
        even=_diagonals(base),
        bounds=(-math.inf, math.inf),
        value=lambda psi: psi,
        slope=lambda psi: 1.0,
    )


# ---- curves


def _curve(path: Path, z: float) -> Curve:
    """Points about half a unit of zeta apart on both sides, to zeta = -z and z or to a bound.

    The ends of the 95 % interval are among them, so that this interval is read off without interpolation.
    """
    stops = [stop for stop in (normal_quantile(0.95), z) if stop <= z]
    sides = []
    for sign in (-1.0, 1.0):
        points: list[tuple[float, float, float]] = []
        psi, zeta, rate = path.estimate, 0.0, path.rate
        bound = path.bounds[sign > 0]
        for stop in stops:
            while psi != bound and abs(zeta) < stop - 0.75 and rate > 0:
                ahead = psi + sign * 0.5 / rate
                psi = min(ahead, bound) if sign > 0 else max(ahead, bound)
                zeta, rate = path.point(psi)
                points.append((psi, zeta, rate))
            if psi != bound and abs(zeta) < stop:
                psi = path.root(sign * stop)
                zeta, rate = path.point(psi)
                points.append((psi, zeta, rate))
        sides.append(points)
    middle = (path.estimate, 0.0, path.rate)
    every = sorted([*sides[0], middle, *sides[1]])
    slopes = [path.slope(psi) for psi, _, _ in every]
    return Curve(
        name=path.name,
        estimate=path.value(path.estimate),
        values=np.array([path.value(psi) for psi, _, _ in every]),
        zeta=np.array([zeta for _, zeta, _ in every]),
        slope=np.array(
            [r / s if s > 1e-12 else math.inf for (_, _, r), s in zip(every, slopes, strict=True)]
        ),
    )
