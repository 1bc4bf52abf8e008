"""Numbers about groups: which to show, their quantiles, their own regressions, who lies out. Arrays only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from mixwell.arguments import check_count
from mixwell.data.frame import near
from mixwell.design.record import Design
from mixwell.errors import DataError, ModelError
from mixwell.fit import quantities
from mixwell.fit.record import Fit

FloatArray = NDArray[np.float64]
Codes = NDArray[np.integer]
Positions = NDArray[np.intp]


def factor_index(design: Design, group: str | None) -> int:
    """Index of a grouping factor by name; the first one (most levels) where none is named.

    Raises
    ------
    DataError
        If the model has no factor of that name.
    """
    if group is None:
        return 0
    known = [factor.name for factor in design.factors]
    if group not in known:
        raise DataError(f"group={group!r} is not a grouping factor of the model{near(group, known)}")
    return known.index(group)


def effect_columns(design: Design, factor: int, effects: Sequence[str] | str | None) -> tuple[int, ...]:
    """Positions of some random effects of a factor; all where none are named.

    Raises
    ------
    DataError
        If the factor has no effect of that name, or none is named.
    """
    known = quantities.effect_names(design, factor)
    if effects is None:
        return tuple(range(len(known)))
    wanted = [effects] if isinstance(effects, str) else list(effects)
    if not wanted:
        raise DataError(
            f"effects= names no random effect; {design.factors[factor].name} has {', '.join(known)}."
        )
    for name in wanted:
        if name not in known:
            raise DataError(
                f"{name!r} is not a random effect of {design.factors[factor].name}{near(name, known)}"
            )
    return tuple(known.index(name) for name in wanted)


def evenly(order: Positions, most: int) -> Positions:
    """At most ``most`` of some positions, evenly spread over their order, both ends included.

    Examples
    --------
    >>> evenly(np.arange(10), 4).tolist()
    [0, 3, 6, 9]
    """
    if len(order) <= most:
        return order
    return order[np.rint(np.linspace(0, len(order) - 1, most)).astype(np.intp)]


def some_of(order: Positions, most: int) -> Positions:
    """:func:`evenly`, for a number that the caller chose.

    Raises
    ------
    DataError
        If it is not a whole number of at least 1.
    """
    check_count("most, the number of groups drawn,", most)
    return evenly(order, int(most))


def group_quantiles(
    values: FloatArray, codes: Codes, n_groups: int, probabilities: Sequence[float]
) -> FloatArray:
    """Quantiles of each group (R's type 7), shape (n_groups, len(probabilities)); NaN for empty groups.

    Examples
    --------
    >>> group_quantiles(np.array([1.0, 5.0, 2.0, 3.0]), np.array([0, 1, 0, 0]), 2, [0.5]).ravel().tolist()
    [2.0, 5.0]
    """
    order = np.lexsort((values, codes))
    ordered = values[order]
    count = np.bincount(codes, minlength=n_groups)
    start = np.concatenate([[0], np.cumsum(count)[:-1]])
    out = np.full((n_groups, len(probabilities)), np.nan)
    some = count > 0
    for j, p in enumerate(probabilities):
        at = start[some] + p * (count[some] - 1)
        left = np.floor(at).astype(np.intp)
        right = np.minimum(left + 1, start[some] + count[some] - 1)
        out[some, j] = ordered[left] + (at - left) * (ordered[right] - ordered[left])
    return out


def factors_with(
    design: Design, group: str | None, effects: Sequence[str] | str | None
) -> list[tuple[int, tuple[int, ...]]]:
    """Factors and the positions of their random effects: of one factor, or, where none is named, of all.

    Of several factors, those without any of the effects named have no part.

    Raises
    ------
    DataError
        If there is no such factor, no effect is named, or one is known nowhere.
    """
    if group is not None or len(design.factors) == 1 or effects is None:
        which = range(len(design.factors)) if group is None else [factor_index(design, group)]
        return [(i, effect_columns(design, i, effects)) for i in which]
    wanted = [effects] if isinstance(effects, str) else list(effects)
    known = {i: quantities.effect_names(design, i) for i in range(len(design.factors))}
    every = list(dict.fromkeys(name for names in known.values() for name in names))
    for name in wanted:
        if name not in every:
            raise DataError(f"{name!r} is not a random effect of the model{near(name, every)}")
    if not wanted:
        raise DataError(f"effects= names no random effect; there are {', '.join(every)}.")
    chosen = {i: tuple(names.index(name) for name in wanted if name in names) for i, names in known.items()}
    return [(i, columns) for i, columns in chosen.items() if columns]


@dataclass(frozen=True, slots=True)
class ModeTable:
    """Conditional modes of one column of one factor, with what is needed to judge them.

    Attributes
    ----------
    factor
        Index of the grouping factor.
    name
        Of the random effect.
    sd_effect
        Estimated standard deviation of the random effects themselves.
    mode, sd
        Length q: conditional modes and their conditional standard deviations, sqrt Var(b | y).
    spread
        Length q: standard deviation of the mode itself over samples, ``quantities.mode_spread``.
    score
        Length q: mode over its spread; standard normal if the model holds. NaN where that is zero.
    outlying
        Length q: the score is beyond the normal quantile for q tests (Bonferroni, 5 %).
    """

    factor: int
    name: str
    sd_effect: float
    mode: FloatArray
    sd: FloatArray
    spread: FloatArray
    score: FloatArray
    outlying: NDArray[np.bool_]

    @property
    def expected_sd(self) -> float:
        """Root mean square of the modes' spreads: what their own should be near."""
        return float(np.sqrt(np.mean(self.spread**2)))


def mode_tables(design: Design, fit: Fit, factor: int, columns: Sequence[int]) -> list[ModeTable]:
    """Conditional modes of random effects of a factor, standardized as in Lange & Ryan (1989)."""
    covariance = quantities.factor_cov(design, fit, factor)
    variances = np.diagonal(quantities.mode_spread(design, fit, factor), axis1=1, axis2=2)
    names = quantities.effect_names(design, factor)
    critical = -ndtri(0.025 / design.factors[factor].n_levels)
    tables = []
    for column in columns:
        mode, prior = fit.modes[factor][:, column], float(covariance[column, column])
        spread = np.sqrt(np.where(variances[:, column] > 1e-10 * prior, variances[:, column], 0.0))
        score = np.divide(mode, spread, out=np.full_like(mode, np.nan), where=spread > 0)
        sd = np.sqrt(np.maximum(fit.mode_cov[factor][:, column, column], 0))
        far = np.abs(score) > critical
        tables.append(ModeTable(factor, names[column], float(np.sqrt(prior)), mode, sd, spread, score, far))
    return tables


def scored_modes(
    design: Design, fit: Fit, chosen: Sequence[tuple[int, Sequence[int]]]
) -> tuple[list[ModeTable], list[ModeTable]]:
    """Tables of the effects of some factors that vary, and of those whose variance is estimated as zero.

    Raises
    ------
    ModelError
        If none varies: there is no distribution to draw.
    """
    tables = [table for factor, columns in chosen for table in mode_tables(design, fit, factor, columns)]
    varying = [table for table in tables if np.isfinite(table.score).any()]
    if not varying:
        groups = " and ".join(design.factors[factor].name for factor, _ in chosen)
        raise ModelError(
            f"The random effects of {groups} have an estimated variance of zero, so there is nothing to "
            "draw; fit.convergence.explain() says more."
        )
    return varying, [table for table in tables if not np.isfinite(table.score).any()]


@dataclass(frozen=True, slots=True)
class Shrinkage:
    """Coefficients of each group, from its own rows and from the model.

    Attributes
    ----------
    names
        The k random effects.
    own
        Shape (q, k): least squares within each group; NaN where its rows do not determine them.
    model
        Shape (q, k): fixed effect + conditional mode.
    population
        Length k: the fixed effects, 0 where an effect has none.
    where
        The covariates that the intercept is not at zero of but at their means, and these; see
        :func:`observed_origin`.
    """

    names: tuple[str, ...]
    own: FloatArray
    model: FloatArray
    population: FloatArray
    where: tuple[tuple[str, float], ...] = ()


def shrinkage(design: Design, fit: Fit, factor: int) -> Shrinkage:
    """No pooling and partial pooling of the random effects of one factor.

    Each group's own coefficients are its least-squares regression on the random-effects columns, of the
    response less everything else in the model: the offset, fixed effects of other columns, random effects of
    other factors.
    """
    names = quantities.effect_names(design, factor)
    z = np.column_stack(
        [column for i in quantities.terms_of(design, factor) for column in design.terms[i].columns]
    )
    modes = fit.modes[factor]
    codes = design.factors[factor].codes
    n_groups, k = modes.shape
    kept = quantities.kept_names(design, fit)
    population = np.array([fit.beta[kept.index(name)] if name in kept else 0.0 for name in names])
    model = population + modes
    # What the model says of a row without this factor's coefficients.
    rest = fit.fitted - np.einsum("nk,nk->n", z, model[codes])
    # Each group's least squares in columns that are orthonormal over all rows: no unit or origin matters.
    length = np.maximum(np.linalg.norm(z, axis=0), 1e-300)
    basis, triangle = np.linalg.qr(z / length)
    root_weight = 1.0 if design.weights is None else np.sqrt(design.weights)
    zw = basis * np.reshape(root_weight, (-1, 1))
    rw = (design.y - rest) * root_weight
    cross = np.empty((n_groups, k, k))
    right = np.empty((n_groups, k))
    for a in range(k):
        right[:, a] = np.bincount(codes, zw[:, a] * rw, n_groups)
        for b in range(a + 1):
            cross[:, a, b] = cross[:, b, a] = np.bincount(codes, zw[:, a] * zw[:, b], n_groups)
    scale = np.sqrt(np.maximum(np.diagonal(cross, axis1=1, axis2=2), 1e-300))
    scaled = cross / (scale[:, :, None] * scale[:, None, :])
    determined = np.linalg.eigvalsh(scaled)[:, 0] > 1e-10
    # Columns of several terms may depend on one another, and then no group tells them apart.
    determined &= np.abs(np.diagonal(triangle)).min() > 1e-10
    own = np.full((n_groups, k), np.nan)
    solved = np.linalg.solve(scaled[determined], (right / scale)[determined][..., None])[..., 0]
    if determined.any():
        own[determined] = np.linalg.solve(triangle, (solved / scale[determined]).T).T / length
    return Shrinkage(names, own, model, population)


def ellipse(covariance: FloatArray, probability: float, points: int = 181) -> FloatArray:
    """Boundary of a centred bivariate normal's region of given probability, shape (points, 2).

    The squared radius is the chi-square quantile with 2 df, -2 log(1 - probability). A singular covariance
    gives a segment.

    Examples
    --------
    >>> edge = ellipse(np.eye(2), 0.95)
    >>> bool(np.allclose(np.hypot(*edge.T), 2.4477, atol=1e-4))
    True
    """
    angle = np.linspace(0, 2 * np.pi, points)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    edge: FloatArray = np.sqrt(-2 * np.log1p(-probability)) * circle @ root.T
    return edge


def position_within(codes: Codes) -> NDArray[np.int64]:
    """Place of each row in its group, from 1, as the rows stand.

    Examples
    --------
    >>> position_within(np.array([0, 1, 0, 0, 1])).tolist()
    [1, 1, 2, 3, 2]
    """
    order = np.argsort(codes, kind="stable")
    group = codes[order]
    start = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]]))
    length = np.diff(np.concatenate([start, [len(group)]]))
    place = np.empty(len(codes), dtype=np.int64)
    place[order] = np.arange(len(codes)) - np.repeat(start, length) + 1
    return place


def whole(values: FloatArray) -> bool:
    """Whether all of some numbers are whole, as days and grades are."""
    return bool((values == np.rint(values)).all())
