"""Dependence of residuals in their order within groups."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, ndtr

from mixwell import kernel
from mixwell.data.columns import Factor
from mixwell.data.frame import near
from mixwell.data.instants import Instants
from mixwell.design.record import Design
from mixwell.design.subset import subset
from mixwell.diagnostics.marginal import MOST_WORK, whitened_residuals
from mixwell.diagnostics.record import DiagnosticTest
from mixwell.diagnostics.residuals import residuals
from mixwell.diagnostics.variance import grouping
from mixwell.errors import DataError, ModelError
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.fit.solve import linear_predictor
from mixwell.simulate import Seed, generator

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Autocorrelation:
    """Autocorrelation of residuals within groups, pooled over groups.

    Attributes
    ----------
    by, kind
        The factor and the kind of residuals.
    n
        Number of residuals.
    lags, values
        Lags 1, 2, ... and the autocorrelation at each.
    pairs
        Number of pairs of rows of a group that far apart.
    band
        Half width of the 95% band around 0 at each lag.
    first_differences
        Sum of squared differences of neighbours over the sum of squares.
    """

    by: str
    kind: str
    n: int
    lags: NDArray[np.intp]
    values: FloatArray
    pairs: NDArray[np.intp]
    band: FloatArray
    first_differences: float


def default_group(design: Design) -> str:
    """The factor with the most levels among those with at least 3 rows per level, else with the fewest."""
    sized = [f for f in design.factors if design.n_obs >= 3 * f.n_levels]
    if sized:
        return max(sized, key=lambda f: f.n_levels).name
    return min(design.factors, key=lambda f: f.n_levels).name


def _order(design: Design, codes: NDArray[np.intp], order: str | None) -> NDArray[np.intp]:
    """Rows by group, within it by a variable or as in the data."""
    if order is None:
        return np.argsort(codes, kind="stable")
    column = design.variables.get(order)
    if column is None or isinstance(column, Factor):
        known = [name for name, other in design.variables.items() if not isinstance(other, Factor)]
        raise DataError(
            f"order={order!r} is not a numeric variable of the formula{near(str(order), known)} Or sort the "
            "data by time and leave order=None."
        )
    values = column.values if isinstance(column, Instants) else np.asarray(column.values, dtype=np.float64)
    return np.lexsort((values, codes))


def _sorted(
    design: Design, fit: Fit, by: str, order: str | None, kind: str, most_work: float
) -> tuple[FloatArray, NDArray[np.intp]]:
    """Residuals and group codes, in the order of groups and within them."""
    _, codes = grouping(design, by)
    at = _order(design, codes, order)
    if kind == "drawn":
        return drawn_errors(design, fit)[at], codes[at]
    if kind not in {"whitened", "normalized"}:
        return residuals(design, fit, kind)[at], codes[at]
    # Whitening goes along the rows, so they are put in order first.
    if order is None:
        return whitened_residuals(design, fit, most_work=most_work)[at], codes[at]
    return whitened_residuals(subset(design, at), fit, most_work=most_work), codes[at]


def drawn_errors(design: Design, fit: Fit, seed: Seed = None) -> FloatArray:
    """Errors drawn from their distribution given the data, over their standard deviation, length n.

    Conditional residuals plus what estimation takes from simulated errors, e + (e0 - e0-hat) with e0-hat the
    residuals of y0 = Z b0 + e0 at the same theta. Residuals have covariance sigma^2 (I - H), what is added
    sigma^2 H: the sum is independent normal if the model holds (theta known), like the errors themselves, at
    the cost of one solution (Chaloner & Brant 1988, Biometrika 75, with the draw by simulation). Without a
    seed the same response has the same errors, and another response others.
    """
    rng = generator(crc32(design.y.tobytes()) if seed is None else seed)
    deviation = fit.sigma if design.weights is None else fit.sigma / np.sqrt(design.weights)
    roots = quantities.relative_factors(design, fit)
    effects = tuple(
        np.column_stack(
            [
                fit.sigma * rng.standard_normal((one.n_levels, len(roots[i]))) @ roots[i].T
                for i in quantities.terms_of(design, factor)
            ]
        )
        for factor, one in enumerate(design.factors)
    )
    error = deviation * rng.standard_normal(design.n_obs)
    response = linear_predictor(design, np.zeros(design.x.shape[1]), effects) + error
    found = kernel.solve_at(design, fit.theta, response)
    beta = np.zeros(design.x.shape[1])
    beta[fit.kept] = found.beta
    lost = error - (response - linear_predictor(design, beta, found.modes))
    drawn: FloatArray = (quantities.response_residuals(design, fit) + lost) / deviation
    return drawn


def autocorrelation(
    design: Design,
    fit: Fit,
    *,
    by: str | None = None,
    order: str | None = None,
    lags: int | None = None,
    kind: str = "whitened",
    most_work: float = MOST_WORK,
) -> Autocorrelation:
    """Autocorrelation within groups, pooled.

    r_k is the mean of e_t e_(t-k) over all pairs of rows of a group k apart, over the mean of e_t^2, with
    residuals centred at their mean (Pinheiro & Bates 2000, section 5.3.4; nlme's ``ACF``).

    Parameters
    ----------
    by
        A grouping factor or categorical variable; by default the factor with the most levels that have 3 rows
        on average.
    order
        A numeric variable of the formula that orders the rows of a group; None takes the order of the data.
    lags
        How many; by default up to 10, or one less than the rows of the middle group.
    kind
        Of residuals. Whitened ones, and errors ``"drawn"`` given the data (:func:`drawn_errors`), are
        uncorrelated if the model is true: the band is theirs. Conditional ones are not: random effects fitted
        to the same rows leave them negatively correlated within a group.
    most_work
        More than this to whiten is refused, see :func:`mixwell.diagnostics.marginal.whiten`.

    Raises
    ------
    ModelError
        If no group has two rows.
    """
    factor = default_group(design) if by is None else by
    e, codes = _sorted(design, fit, factor, order, kind, most_work)
    e = e - e.mean()
    sizes = np.bincount(codes)
    sizes = sizes[sizes > 0]
    most = int(sizes.max()) - 1
    if most < 1:
        raise ModelError(f"No level of {factor} has two rows, so there is no order within groups to look at.")
    count = min(10, max(1, int(np.median(sizes)) - 1)) if lags is None else lags
    if not (isinstance(count, (int, np.integer)) and 1 <= count <= most):
        raise DataError(
            f"lags={lags}: the largest level of {factor} has {most + 1} rows; lags is 1 to {most}."
        )
    n, total = len(e), float(e @ e)
    values, pairs = np.empty(count), np.empty(count, dtype=np.intp)
    for k in range(1, count + 1):
        same = codes[k:] == codes[:-k]
        pairs[k - 1] = int(same.sum())
        values[k - 1] = float(np.sum(e[k:] * e[:-k], where=same)) / pairs[k - 1] * n / total
    together = codes[1:] == codes[:-1]
    change = float(np.sum((e[1:] - e[:-1]) ** 2, where=together)) / total
    return Autocorrelation(
        by=factor,
        kind=kind,
        n=n,
        lags=np.arange(1, count + 1),
        values=values,
        pairs=pairs,
        band=1.959964 * _spread(pairs, n),
        first_differences=change,
    )


def _spread(pairs: NDArray[np.intp], n: int) -> FloatArray:
    """Standard deviation of autocorrelations of independent errors.

    Ljung & Box's variance (n - k) / (n (n + 2)) is that of a sum over N_k = n - k pairs divided by n; of the
    mean over N_k pairs it is n / (N_k (n + 2)).
    """
    spread: FloatArray = np.sqrt(n / (pairs * (n + 2)))
    return spread


def _caveat(found: Autocorrelation, order: str | None) -> str:
    text = "" if order else "Rows are taken in the order of the data, which must be that of time. "
    if found.kind == "drawn":
        text += "Errors were drawn given the data, since whitening would take too long. "
    elif found.kind not in {"whitened", "normalized"}:
        text += "These residuals are correlated within groups even if the model is true. "
    return text + (
        "Unequal distances in time are not taken into account; with few rows per level the random effects "
        "absorb correlation, and the test rejects too rarely."
    )


def ljung_box(found: Autocorrelation, *, order: str | None = None) -> DiagnosticTest:
    """Ljung & Box's (1978) test on pooled autocorrelations: sum r_k^2 / Var(r_k), chi-square with K df.

    With one series it is theirs.
    """
    n, df = found.n, len(found.lags)
    statistic = float(np.sum((found.values / _spread(found.pairs, n)) ** 2))
    p = float(chdtrc(df, statistic))
    meaning = (
        f"Residuals of neighbouring rows of a level of {found.by} are correlated "
        f"(lag 1: {found.values[0]:.2f})."
        if p < 0.05
        else f"No sign of correlation in order within levels of {found.by} (lag 1: {found.values[0]:.2f})."
    )
    return DiagnosticTest(
        "Ljung-Box test",
        f"{found.kind} residuals within {found.by}",
        "Q",
        statistic,
        (float(df),),
        p,
        n,
        meaning,
        _caveat(found, order),
    )


def durbin_watson(found: Autocorrelation, *, order: str | None = None) -> DiagnosticTest:
    """Durbin & Watson's statistic pooled over groups (Bhargava, Franzini & Narendranathan 1982).

    sum (e_t - e_(t-1))^2 over sum e_t^2; without correlation it is about 2 N_1 / n, N_1 being the number of
    neighbours: 2 for one long series, less for many short ones. The p-value is that of the lag-1
    autocorrelation (normal, two-sided).
    """
    pairs = int(found.pairs[0])
    expected = f"{2 * pairs / found.n:.2f} would mean not at all"
    z = float(found.values[0] / _spread(found.pairs, found.n)[0])
    p = float(2 * ndtr(-abs(z)))
    tendency = "positively" if found.values[0] > 0 else "negatively"
    meaning = (
        f"Neighbouring rows of a level of {found.by} are {tendency} correlated ({expected})."
        if p < 0.05
        else f"No sign that neighbouring rows of a level of {found.by} are correlated ({expected})."
    )
    return DiagnosticTest(
        "Durbin-Watson test",
        f"{found.kind} residuals within {found.by}",
        "DW",
        found.first_differences,
        (),
        p,
        found.n,
        meaning,
        _caveat(found, order),
    )
