"""Profile likelihood of every parameter: standard deviations, correlations, sigma, fixed effects.

The profiled criterion is that of maximum likelihood, also for a REML fit, as in lme4. One parameter is held,
the others are optimized: D = min of the criterion, zeta = sign(parameter - estimate) sqrt(D - min D) (Bates &
Watts 1988, chapter 6). The walk along a parameter is the kernel's; names and records are here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mixwell import kernel
from mixwell.arguments import check_level, checked_methods
from mixwell.data.output import NativeFrame, Origin, frame
from mixwell.design.record import Design
from mixwell.errors import DataError
from mixwell.fit.control import Control
from mixwell.fit.record import Fit
from mixwell.fit.solve import solve
from mixwell.inference.parameters import check_names, interval_frame, normal_quantile, parameter_names
from mixwell.inference.refits import PATIENCE

FloatArray = NDArray[np.float64]

# Points of a curve are about this far apart in zeta.
_SPACING = 0.5


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


@checked_methods
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
        check_level(level)
        if level > self.level:
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
    """Curves of the parameters (all by default) that reach the zeta of ``level`` on both sides.

    The ends of the 95 % interval are among their points, so that it is read off without interpolation.
    """
    z = normal_quantile(level)
    stops = [stop for stop in (normal_quantile(0.95), z) if stop <= z]
    return Profile(tuple(_curves(design, fit, parameters, control, stops, _SPACING)), level, at)


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
    found = _curves(design, fit, parameters, control, [normal_quantile(level)], None)
    return [(curve.name, float(curve.values[0]), float(curve.values[-1])) for curve in found]


def _curves(
    design: Design,
    fit: Fit,
    parameters: str | Sequence[str] | None,
    control: Control | None,
    stops: Sequence[float],
    spacing: float | None,
) -> list[Curve]:
    """In the order of :func:`parameter_names`, through ``stops`` of zeta on both sides of the estimate."""
    names = parameter_names(design, fit)
    wanted = check_names(parameters, names)
    if fit.reml:
        fit = solve(design, reml=False, start=fit.theta, control=control)
    places = [
        (name, place) for name, place in zip(names, _places(design, fit), strict=True) if name in wanted
    ]
    with tqdm(total=2 * len(places), desc="Profile", delay=PATIENCE, leave=False) as bar:
        found = kernel.profile(
            design, fit.theta, places, stops, spacing, report=lambda done: bar.update(max(done - bar.n, 0))
        )
    return [Curve(name=name, **curve) for (name, _), curve in zip(places, found, strict=True)]


def _places(design: Design, fit: Fit) -> list[kernel.Parameter]:
    """Every parameter as the kernel knows it, in the order of :func:`parameter_names`."""
    out: list[kernel.Parameter] = []
    for number, term in enumerate(design.terms):
        k = len(term.names)
        for j in range(k):
            out.append(("sd", [number, j]))
            out += [("correlation", [number, j, i]) for i in range(j + 1, k)]
    out.append(("sigma", []))
    out += [("coefficient", [j]) for j in range(len(fit.kept))]
    return out
