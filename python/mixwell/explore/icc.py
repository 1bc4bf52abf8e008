"""How alike the rows of a group are, one grouping at a time: a look before any model is built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import fdtrc, fdtri

from mixwell.arguments import check_level, checked
from mixwell.data.frame import Frame, near, open_frame
from mixwell.data.output import NativeFrame, Origin, frame, output_kind
from mixwell.design.build import build_design
from mixwell.design.transforms import group_means
from mixwell.errors import DataError, ModelError
from mixwell.fit.solve import solve

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

# Correlations closer to 1 than this are 1: the ratio of variances is then beyond rounding.
_ALMOST_ONE = 1 - 1e-12


@dataclass(frozen=True, slots=True)
class OneWay:
    """A one-way layout, y_ij = mu + a_i + e_ij.

    Attributes
    ----------
    sizes, means
        Length q: rows and mean of each group.
    within
        Mean square within groups.
    f_statistic
        Mean square between over within groups; F with ``df_between`` and ``df_within`` if no group differs.
    df_between, df_within
        q - 1 and n - q.
    """

    sizes: FloatArray
    means: FloatArray
    within: float
    f_statistic: float
    df_between: int
    df_within: int


@checked
def icc_screen(data: object, y: str, groups: str | Sequence[str], *, level: float = 0.95) -> NativeFrame:
    """Intraclass correlation of each grouping by itself, and what it implies.

    ``y ~ 1 + (1 | group)`` is fitted by REML for each grouping alone; the correlation of two rows of a group
    is var(group) / (var(group) + var(residual)). Groupings are not adjusted for one another; a model that
    holds several of them does that. The interval inverts the F statistic for a ratio of variances (Wald 1940,
    Ann. Math. Statist. 11:96), which is exact for normal data with groups of any sizes; for equal sizes it is
    the usual F interval (Searle 1971, Linear Models, 9.9). Ends below 0 are shown as 0.

    Parameters
    ----------
    data
        A pandas, polars or pyarrow frame, anything narwhals reads, or a dict of arrays.
    y
        The response, a numeric column.
    groups
        Grouping columns; ``"batch:cask"`` for combinations. Rows where ``y`` or the grouping is missing are
        left out, grouping by grouping.
    level
        Of the interval.

    Returns
    -------
    frame in the caller's kind
        One row per grouping: ``group levels n mean_size icc conf_low conf_high f_value df1 df2 p_value
        design_effect n_effective implies``. ``design_effect`` is by how much the grouping multiplies the
        variance of the overall mean, 1 + (sum n_i^2 / n - 1) icc (Kish 1965, Survey Sampling, 5.4 and 8.2);
        ``n_effective`` the number of independent rows that would give as precise a mean, n / design effect.

    Raises
    ------
    DataError, ModelError
        When a column does not exist, ``y`` is not numeric or constant, or a grouping has one level or one
        level per row.

    Examples
    --------
    >>> from mixwell import datasets, icc_screen
    >>> found = icc_screen(datasets.load_dyestuff(), "Yield", "Batch")
    >>> found[["group", "icc", "conf_low", "conf_high", "design_effect"]].round(3)
       group    icc  conf_low  conf_high  design_effect
    0  Batch  0.418     0.084      0.848          2.674
    """
    check_level(level)
    if not isinstance(groups, (str, Sequence)):
        raise DataError(f"groups is {groups!r}; give names of columns.")
    names = [groups] if isinstance(groups, str) else list(groups)
    if not names:
        raise DataError("groups is empty; name at least one grouping column.")
    table = open_frame(data)
    rows = [_screen(data, table, y, name, level) for name in names]
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    return frame(Origin(output_kind(table.kind), None), columns)


def _screen(data: object, table: Frame, y: str, group: str, level: float) -> dict[str, object]:
    response = _quoted(table, y)
    parts = [group] if group in table else group.split(":")
    design = build_design(f"{response} ~ 1 + (1 | {':'.join(_quoted(table, part) for part in parts)})", data)
    factor = design.factors[0]
    layout = one_way(design.y, factor.codes, factor.n_levels)
    if layout.within == 0:
        raise ModelError(
            f"{y!r} does not vary within any level of {group!r}: its correlation there is 1, and there is "
            "nothing to estimate."
        )
    fit = solve(design, reml=True)
    variance = float(fit.term_cov[0][0, 0])
    icc = variance / (variance + fit.sigma**2)
    low, high = icc_interval(layout, level)
    n = design.n_obs
    effect = design_effect(icc, layout.sizes)
    return {
        "group": group,
        "levels": factor.n_levels,
        "n": n,
        "mean_size": n / factor.n_levels,
        "icc": icc,
        "conf_low": low,
        "conf_high": high,
        "f_value": layout.f_statistic,
        "df1": layout.df_between,
        "df2": layout.df_within,
        "p_value": float(fdtrc(layout.df_between, layout.df_within, layout.f_statistic)),
        "design_effect": effect,
        "n_effective": n / effect,
        "implies": _implication(group, n, icc, high, effect),
    }


def _quoted(table: Frame, name: str) -> str:
    if not isinstance(name, str) or name not in table:
        raise DataError(f"There is no column {name!r} in the data{near(str(name), table.names)}")
    return f"`{name}`"


def _implication(group: str, n: int, icc: float, high: float, effect: float) -> str:
    if icc == 0:
        return f"rows are no more alike within {group} than between; the interval ends at {high:.2f}"
    return (
        f"{100 * icc:.0f}% of the variance lies between levels of {group}; the {n} rows tell as much about "
        f"the mean as {n / effect:.0f} independent ones, and its standard error is {np.sqrt(effect):.2f} "
        "times that for independent rows"
    )


def one_way(y: FloatArray, codes: IntArray, n_groups: int) -> OneWay:
    """The one-way analysis of variance of ``y`` (n,) by ``codes`` (n,), 0..n_groups-1."""
    sizes = np.bincount(codes, minlength=n_groups).astype(np.float64)
    means = group_means(y, codes, n_groups)
    n = len(y)
    grand = float(sizes @ (means - means[0])) / n + means[0]
    within = float(((y - means[codes]) ** 2).sum()) / (n - n_groups)
    between = float(sizes @ (means - grand) ** 2) / (n_groups - 1)
    ratio = between / within if within > 0 else np.inf
    return OneWay(sizes, means, within, ratio, n_groups - 1, n - n_groups)


def icc_interval(layout: OneWay, level: float = 0.95) -> tuple[float, float]:
    """Exact interval for the intraclass correlation of a one-way layout, equal sizes or not.

    With tau the ratio of the variances, group means have variances in proportion to 1 / w_i, w_i = n_i /
    (1 + n_i tau), so that sum w_i (mean_i - weighted mean)^2 / (q - 1) / MS_within is F(q - 1, n - q) at the
    true tau; it decreases in tau (Wald 1940, eq. 8).

    Examples
    --------
    >>> y = np.array([1.0, 2.0, 4.0, 5.0])
    >>> low, high = icc_interval(one_way(y, np.array([0, 0, 1, 1], dtype=np.int32), 2))
    >>> low, round(high, 4)
    (0.0, 0.9999)
    """
    tail = (1 - level) / 2
    df = (layout.df_between, layout.df_within)
    return (
        _correlation_at(layout, float(fdtri(*df, 1 - tail))),
        _correlation_at(layout, float(fdtri(*df, tail))),
    )


def _correlation_at(layout: OneWay, quantile: float) -> float:
    """The correlation at which the statistic equals a quantile; 0 if it lies below at 0 already."""

    def excess(icc: float) -> float:
        weights = layout.sizes / (1 + layout.sizes * (icc / (1 - icc)))
        centre = float(weights @ layout.means) / float(weights.sum())
        spread = float(weights @ (layout.means - centre) ** 2)
        return spread / layout.df_between / layout.within - quantile

    return _root(excess) if excess(0.0) > 0 else 0.0


def _root(function: Callable[[float], float]) -> float:
    if function(_ALMOST_ONE) >= 0:
        return 1.0
    return float(brentq(function, 0.0, _ALMOST_ONE, xtol=1e-14, rtol=1e-14))


def design_effect(icc: float, sizes: FloatArray) -> float:
    """Var(mean of all rows) / its value for independent rows: 1 + (sum n_i^2 / n - 1) icc.

    >>> design_effect(0.5, np.array([3.0, 3.0]))
    2.0
    """
    return float(1 + (sizes @ sizes / sizes.sum() - 1) * icc)
