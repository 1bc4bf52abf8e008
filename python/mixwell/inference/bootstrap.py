"""Bootstrap of a fit: parametric, from its own residuals, or of whole groups."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from mixwell.arguments import check_count, check_one_of, checked_methods
from mixwell.arrays import seal
from mixwell.data.output import NativeFrame, Origin, frame
from mixwell.design.record import Design
from mixwell.design.subset import subset
from mixwell.errors import DataError, MixwellError, MixwellWarning
from mixwell.fit import quantities
from mixwell.fit.control import Control
from mixwell.fit.deletion import deletions
from mixwell.fit.record import Fit
from mixwell.fit.solve import solve
from mixwell.inference.groups import Groups, outermost
from mixwell.inference.parameters import interval_frame, normal_quantile, parameter_names, parameter_values
from mixwell.inference.refits import Refitting, in_portions
from mixwell.kernel import Theta
from mixwell.simulate import Seed, generator, simulate
from mixwell.text import WIDTH, with_notes

FloatArray = NDArray[np.float64]
Kind = Literal["parametric", "residual", "cases"]
Interval = Literal["percentile", "basic", "bca"]
KINDS = ("parametric", "residual", "cases")
INTERVALS = ("percentile", "basic", "bca")

Statistic = Callable[[Design, Fit], object]
Responses = Callable[[int], FloatArray]


@dataclass(frozen=True, slots=True)
class Quantities:
    """Functions of the estimates alone, found for all refits at once.

    Attributes
    ----------
    names
        Of the s quantities.
    values
        (design, theta (m, n_theta), sigma (m,), beta (m, rank)) -> (m, s).
    """

    names: tuple[str, ...]
    values: Callable[[Design, Theta, FloatArray, FloatArray], FloatArray]

    def of(self, design: Design, fit: Fit) -> FloatArray:
        """The quantities of one fit, length s."""
        out: FloatArray = self.values(design, Theta(fit.theta[None]), np.array([fit.sigma]), fit.beta[None])[
            0
        ]
        return out


@checked_methods
@dataclass(frozen=True, slots=True, repr=False)
class Bootstrap:
    """Draws of a statistic.

    Attributes
    ----------
    names
        Its s elements.
    estimate
        Length s, of the fit itself.
    draws
        Shape (draws, s); NaN where an element is not defined, as a correlation with a variance of zero.
    jackknife
        Shape (groups, s), the statistic with one group left out; None unless made for BCa intervals.
    kind, n_asked, n_failed
        How the draws were made, how many were asked for, and how many refits failed and are left out. Fewer
        draws than asked for and none failed: it was interrupted.
    ci
        Type of the intervals.
    origin
        The kind of frames.

    Examples
    --------
    >>> import mixwell as mw
    >>> fit = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff())
    >>> boot = fit.bootstrap(200, seed=1)
    >>> boot.draws.shape, boot.names
    ((200, 3), ('sd_(Intercept)|Batch', 'sigma', '(Intercept)'))
    """

    names: tuple[str, ...]
    estimate: FloatArray
    draws: FloatArray
    jackknife: FloatArray | None
    kind: str
    n_asked: int
    n_failed: int
    ci: Interval
    origin: Origin

    def __post_init__(self) -> None:
        seal(self)

    @property
    def std_error(self) -> FloatArray:
        """Standard deviation of the draws, length s."""
        out: FloatArray = np.nanstd(self.draws, axis=0, ddof=1)
        return out

    @property
    def n_undefined(self) -> dict[str, int]:
        """Elements that some draws do not define (a correlation with a variance of zero) and in how many.

        These draws are left out of the element's standard error, bias and interval.
        """
        counts = np.sum(~np.isfinite(self.draws), axis=0)
        return {name: int(count) for name, count in zip(self.names, counts, strict=True) if count}

    @property
    def bias(self) -> FloatArray:
        """Mean of the draws minus the estimate, length s."""
        out: FloatArray = np.nanmean(self.draws, axis=0) - self.estimate
        return out

    def interval(self, level: float = 0.95, type: Interval | None = None) -> list[tuple[float, float]]:
        """(low, high) of each element.

        ``"percentile"``: quantiles of the draws. ``"basic"``: twice the estimate minus the opposite
        quantiles. ``"bca"``: quantiles shifted for bias and acceleration (Efron 1987), the acceleration from
        leaving out one group at a time.

        Raises
        ------
        MixwellError
            If an element is defined in too few draws or, for the other types, not by the fit itself; if BCa
            intervals were not asked for when the draws were made, or cannot be told from these draws.
        """
        kind = self.ci if type is None else type
        check_one_of("type", kind, INTERVALS)
        normal_quantile(level)
        if kind != "bca" and (len(self.draws) + 1) * (1 - level) / 2 < 1 - 1e-9:
            warnings.warn(
                f"{len(self.draws)} draws have no {100 * (1 - level) / 2:g} % quantiles: the ends of the "
                f"intervals are the extremes. At least {math.ceil(2 / (1 - level) - 1 - 1e-9)} are needed.",
                MixwellWarning,
                stacklevel=2,
            )
        out = []
        for j, estimate in enumerate(self.estimate):
            if kind != "percentile" and not np.isfinite(estimate):
                raise MixwellError(
                    f"{self.names[j]!r} is not defined by the fit itself, which {kind} intervals need; use "
                    'type="percentile".'
                )
            draws = self.draws[:, j]
            draws = draws[np.isfinite(draws)]
            if len(draws) < 2:
                raise MixwellError(f"{self.names[j]!r} is defined in {len(draws)} draws only; ask for more.")
            tails = np.array([(1 - level) / 2, (1 + level) / 2])
            if kind == "bca":
                tails = self._bca_tails(j, draws, float(estimate), tails)
            low, high = np.quantile(draws, tails, method="weibull")
            if kind == "basic":
                low, high = 2 * estimate - high, 2 * estimate - low
            out.append((float(low), float(high)))
        return out

    def _bca_tails(self, j: int, draws: FloatArray, estimate: float, tails: FloatArray) -> FloatArray:
        """Levels of the BCa quantiles (Efron 1987), with the acceleration by the jackknife."""
        if self.jackknife is None:
            raise MixwellError('BCa intervals need the jackknife: make the bootstrap with ci="bca".')
        below = (np.sum(draws < estimate) + 0.5 * np.sum(draws == estimate)) / len(draws)
        if not 0 < below < 1:
            raise MixwellError(
                f"all draws of {self.names[j]!r} lie on one side of the estimate, so that BCa intervals are "
                'not defined; use type="percentile" or "basic".'
            )
        shift = ndtri(below)
        left_out = self.jackknife[:, j]
        left_out = left_out[np.isfinite(left_out)]
        deviation = left_out.mean() - left_out
        spread = np.sum(deviation**2)
        acceleration = np.sum(deviation**3) / (6 * spread**1.5) if spread > 0 else 0.0
        moved = shift + ndtri(tails)
        if np.any(acceleration * moved >= 1):
            raise MixwellError(
                f"BCa intervals of {self.names[j]!r} are not defined: the estimate depends too much on "
                'single groups. Use type="percentile" or "basic".'
            )
        out: FloatArray = ndtr(shift + moved / (1 - acceleration * moved))
        return out

    def conf_int(self, level: float = 0.95, type: Interval | None = None) -> NativeFrame:
        """Intervals as a frame, ``conf_low conf_high``; see :meth:`interval`."""
        return interval_frame(self.origin, self.names, self.interval(level, type), self.note)

    @property
    def frame(self) -> NativeFrame:
        """One row per element: ``term estimate bias std_error conf_low conf_high`` (95 %)."""
        ends = np.array(self.interval())
        return frame(
            self.origin,
            {
                "term": list(self.names),
                "estimate": self.estimate.copy(),
                "bias": self.bias,
                "std_error": self.std_error,
                "conf_low": ends[:, 0],
                "conf_high": ends[:, 1],
            },
        )

    @property
    def samples(self) -> NativeFrame:
        """All draws, one row each."""
        return frame(self.origin, {name: self.draws[:, j].copy() for j, name in enumerate(self.names)})

    @property
    def note(self) -> str:
        """What the numbers leave out; empty if nothing."""
        parts = []
        made = self.n_failed + len(self.draws)
        if made < self.n_asked:
            parts.append(f"Interrupted: {made} of {self.n_asked} draws were made.")
        if self.n_failed:
            parts.append(f"{self.n_failed} of {made} refits failed and are left out.")
        if self.n_undefined:
            listed = ", ".join(f"{name} in {count}" for name, count in self.n_undefined.items())
            parts.append(f"Not defined, and left out, in some of the {len(self.draws)} draws: {listed}.")
        return " ".join(parts)

    def __str__(self) -> str:
        table = pd.DataFrame(
            {
                "estimate": self.estimate,
                "bias": self.bias,
                "std_error": self.std_error,
                "2.5 %": [low for low, _ in self.interval()],
                "97.5 %": [high for _, high in self.interval()],
            },
            index=list(self.names),
        )
        lines = [
            f"{len(self.draws)} {self.kind} bootstrap draws, {self.ci} intervals",
            "",
            table.to_string(line_width=WIDTH, na_rep="", float_format=lambda value: f"{value:.4g}"),
        ]
        return with_notes("\n".join(lines), [self.note] if self.note else [])

    def __repr__(self) -> str:
        count = len(self.names)
        failed = f", {self.n_failed} failed" if self.n_failed else ""
        short = self.n_asked - self.n_failed - len(self.draws)
        stopped = f", interrupted before {short} more" if short > 0 else ""
        return (
            f"<Bootstrap: {len(self.draws)} {self.kind} draws of {count} element{'s' * (count != 1)}"
            f"{failed}{stopped}>"
        )


def bootstrap(
    design: Design,
    fit: Fit,
    at: Origin,
    *,
    n: int,
    statistic: Statistic | Quantities | None,
    kind: Kind,
    groups: str | None,
    seed: Seed,
    ci: Interval,
    progress: bool,
    control: Control | None,
) -> Bootstrap:
    """Draw, refit, collect. See :meth:`mixwell.LmerResult.bootstrap`.

    :class:`Quantities` (all parameters, where ``statistic`` is None) are read off the kernel's refits without
    a record of each fit.
    """
    check_one_of("kind", kind, KINDS)
    check_one_of("ci", ci, INTERVALS)
    check_count("n, the number of draws,", n, 2)
    if statistic is None:
        statistic = Quantities(parameter_names(design, fit), parameter_values)
    names, estimate, measure = _measure(design, fit, statistic)
    rng = generator(seed)
    factor = outermost(design, groups) if groups is not None or kind == "cases" or ci == "bca" else 0

    failure = np.full(len(names), np.inf)

    def row(part: Design) -> FloatArray:
        try:
            found = solve(part, reml=fit.reml, start=fit.theta, control=control)
            return measure(part, found) if np.array_equal(found.kept, fit.kept) else failure
        except MixwellError:
            return failure

    if kind == "cases":
        members = Groups(design, factor)

        def work(start: int, stop: int) -> FloatArray:
            q = members.size
            return np.array([row(members.design(rng.integers(0, q, q))) for _ in range(start, stop)])
    else:
        responses = _parametric(design, fit, rng) if kind == "parametric" else _residual(design, fit, rng)
        if isinstance(statistic, Quantities):
            collected = statistic.values
            refits = Refitting(design, fit.theta, reml=fit.reml, control=control)

            def work(start: int, stop: int) -> FloatArray:
                found = refits(responses(stop - start))
                out = collected(design, found.theta, found.sigma, found.beta)
                out[~np.isfinite(found.criterion)] = np.inf
                return out
        else:

            def work(start: int, stop: int) -> FloatArray:
                drawn = responses(stop - start)
                return np.array([row(replace(design, y=np.ascontiguousarray(y))) for y in drawn.T])

    draws = in_portions(n, work, f"Bootstrap ({kind})", progress=progress)
    failed = np.isinf(draws).any(axis=1)
    if failed.all():
        raise MixwellError("every refit of the bootstrap failed; look at one draw with fit.refit(...)")
    if failed.any():
        warnings.warn(
            f"{int(failed.sum())} of {len(draws)} refits of the bootstrap failed and are left out.",
            MixwellWarning,
            stacklevel=3,
        )
    jackknife = None
    if ci == "bca":
        left_out = statistic if isinstance(statistic, Quantities) else row
        jackknife = _jackknife(design, fit, factor, left_out, control, progress)
        if len(jackknife) < design.factors[factor].n_levels:
            warnings.warn(
                "The jackknife was interrupted; BCa intervals need all of it, so that these are percentile "
                "intervals.",
                MixwellWarning,
                stacklevel=3,
            )
            jackknife, ci = None, "percentile"
    return Bootstrap(names, estimate, draws[~failed], jackknife, kind, n, int(failed.sum()), ci, at)


def _measure(
    design: Design, fit: Fit, statistic: Statistic | Quantities
) -> tuple[tuple[str, ...], FloatArray, Callable[[Design, Fit], FloatArray]]:
    """Names and value of the statistic at the fit, and a function for refits."""
    if isinstance(statistic, Quantities):
        return statistic.names, statistic.of(design, fit), statistic.of
    try:
        given = statistic(design, fit)
    except MixwellError:
        raise
    except Exception as error:
        raise DataError(f"statistic= fails on the fit itself, {type(error).__name__}: {error}") from error
    names = _statistic_names(given)
    estimate = _statistic_values(given, names)

    def values(part: Design, found: Fit) -> FloatArray:
        return _statistic_values(statistic(part, found), names)

    return names, estimate, values


def _statistic_names(value: object) -> tuple[str, ...]:
    if isinstance(value, Mapping):
        return tuple(str(name) for name in value)
    if isinstance(value, pd.Series):
        return tuple(str(name) for name in value.index)
    size = _numbers(value).size
    return ("statistic",) if size == 1 else tuple(f"statistic_{i + 1}" for i in range(size))


def _statistic_values(value: object, names: tuple[str, ...]) -> FloatArray:
    """The numbers of a statistic; those of a dict or a Series in the order of the names at the fit."""
    out = _numbers(list(value.values()) if isinstance(value, Mapping) else value)
    if out.size != len(names):
        raise DataError(f"the statistic returned {len(names)} numbers for the fit and {out.size} for a refit")
    own = _statistic_names(value)
    if own == names:
        return out
    if set(own) != set(names) or len(set(own)) < len(own):
        raise DataError(
            f"the statistic is of {', '.join(map(repr, names))} for the fit and of "
            f"{', '.join(map(repr, own))} for a refit"
        )
    return out[[own.index(name) for name in names]]


def _numbers(value: object) -> FloatArray:
    try:
        # None would become NaN.
        return np.asarray("None" if value is None else value, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        raise DataError(
            "the statistic must return numbers (one, an array, a dict or a Series), "
            f"not {type(value).__name__}"
        ) from None


# ---- responses


def _parametric(design: Design, fit: Fit, rng: np.random.Generator) -> Responses:
    return lambda m: simulate(design, fit, m, rng)


def _residual(design: Design, fit: Fit, rng: np.random.Generator) -> Responses:
    """Conditional modes and residuals, centred, reflated to the estimated variances, drawn with replacement.

    Carpenter, Goldstein & Rasbash (2003): the modes are shrunk, so their empirical covariance S is brought to
    Sigma by A with A' S A = Sigma.
    """
    root = np.ones(design.n_obs) if design.weights is None else np.sqrt(design.weights)
    noise = quantities.pearson_residuals(design, fit)
    noise = noise - noise.mean()
    noise *= fit.sigma / np.sqrt(np.mean(noise**2))
    mean = quantities.linear_predictor(design, fit)
    effects = []
    for i, modes in enumerate(fit.modes):
        sigma = quantities.factor_cov(design, fit, i)
        # Effects in standard deviations: their units differ.
        sd = np.sqrt(np.diagonal(sigma))
        unit = np.where(sd > 0, sd, 1.0)
        centred = (modes - modes.mean(axis=0)) / unit
        empirical = centred.T @ centred / len(centred)
        reflated = _root(empirical, -0.5) @ _root(sigma / np.outer(unit, unit), 0.5)
        effects.append(centred @ reflated * unit)

    def draw(m: int) -> FloatArray:
        out = np.empty((design.n_obs, m), order="F")
        for column in range(m):
            response = mean + noise[rng.integers(0, design.n_obs, design.n_obs)] / root
            drawn = [values[rng.integers(0, len(values), len(values))] for values in effects]
            used = [0] * len(design.factors)
            for term in design.terms:
                codes = design.factors[term.factor].codes
                for z in term.columns:
                    response += z * drawn[term.factor][codes, used[term.factor]]
                    used[term.factor] += 1
            out[:, column] = response
        return out

    return draw


def _root(matrix: FloatArray, power: float) -> FloatArray:
    """Symmetric power of a semidefinite matrix; null directions stay null."""
    values, vectors = np.linalg.eigh(matrix)
    positive = values > 1e-10 * max(float(values[-1]), 1e-300)
    powers = np.zeros_like(values)
    powers[positive] = values[positive] ** power
    out: FloatArray = (vectors * powers) @ vectors.T
    return out


# ---- groups


def _jackknife(
    design: Design,
    fit: Fit,
    factor: int,
    statistic: Quantities | Callable[[Design], FloatArray],
    control: Control | None,
    progress: bool,
) -> FloatArray:
    """The statistic with each group left out, shape (groups, s): NaN where that cannot be fitted."""
    codes, m = design.factors[factor].codes, design.factors[factor].n_levels
    if isinstance(statistic, Quantities):
        estimate = deletions(design, fit, codes, m, control=control)
        values = statistic.values

        def work(start: int, stop: int) -> FloatArray:
            found = estimate(start, stop)
            out = values(design, found.fits.theta, found.fits.sigma, found.fits.beta)
            out[sorted({*found.failures, *np.flatnonzero(~found.same_rank)})] = np.inf
            return out
    else:

        def work(start: int, stop: int) -> FloatArray:
            return np.array([statistic(subset(design, codes != g)) for g in range(start, stop)])

    found = in_portions(m, work, "Jackknife", progress=progress)
    found[np.isinf(found)] = np.nan
    return found
