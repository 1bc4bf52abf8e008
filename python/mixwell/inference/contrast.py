"""Linear combinations of the fixed effects: their statistics, p-values and intervals.

A method for denominator degrees of freedom supplies a covariance matrix and degrees of freedom (an
:class:`Approximation`); everything else about a contrast is here, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv, gammaincc, ndtr, ndtri

from mixwell.arguments import check_level
from mixwell.errors import ModelError

FloatArray = NDArray[np.float64]

# A row of a joint hypothesis is a combination of those before it where less than this part of it is new.
DEPENDENT = 1e-10


@dataclass(frozen=True, slots=True)
class JointStatistic:
    """An F statistic with its degrees of freedom; ``wald`` is it without Kenward-Roger's scale factor."""

    f_value: float
    num_df: int
    den_df: float
    wald: float


class Approximation(Protocol):
    """What a method for denominator degrees of freedom supplies, for p estimable coefficients."""

    @property
    def vcov(self) -> FloatArray:
        """Covariance of the fixed effects, shape (p, p)."""

    def row_df(self, rows: FloatArray) -> FloatArray:
        """Degrees of freedom of each of m rows, shape (m, p) -> (m,)."""

    def joint(self, rows: FloatArray, value: FloatArray) -> JointStatistic:
        """F statistic of ``value`` (m,) = 0, where the m linearly independent rows have these values."""


@dataclass(frozen=True, slots=True)
class RowTests:
    """One t test per row; everything has length m.

    Attributes
    ----------
    estimate, null, std_error
        Value of the contrast, the value it is tested against, and its standard error.
    df
        Degrees of freedom; infinite for the normal distribution.
    statistic, p_value
        (estimate - null) / std_error, and its two-sided p-value.
    """

    estimate: FloatArray
    null: FloatArray
    std_error: FloatArray
    df: FloatArray
    statistic: FloatArray
    p_value: FloatArray

    def interval(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Ends of the confidence intervals, with the same degrees of freedom as the p-values."""
        half = t_quantile(level, self.df) * self.std_error
        return self.estimate - half, self.estimate + half


@dataclass(frozen=True, slots=True)
class JointTest:
    """An F test of several rows at once.

    Attributes
    ----------
    num_df, den_df
        Degrees of freedom; the denominator's are infinite for the chi-square distribution.
    f_value, p_value
        The statistic and its p-value.
    wald
        The statistic before any scale factor (Kenward-Roger's).
    """

    num_df: int
    den_df: float
    f_value: float
    p_value: float
    wald: float


def t_two_sided(statistic: FloatArray, df: FloatArray) -> FloatArray:
    """P(abs(T) > abs(t)), to full relative accuracy in the tail; normal where df is infinite.

    >>> import numpy as np
    >>> p = t_two_sided(np.array([2.0, 40.0]), np.array([np.inf, 4000.0]))
    >>> float(p[0].round(5)), float(f"{p[1]:.3g}")
    (0.0455, 1.31e-294)
    """
    t, df = np.abs(statistic), np.asarray(df, dtype=np.float64)
    finite = np.where(np.isinf(df), 1.0, df)
    # 1 / (1 + t^2 / df), without overflow of t^2.
    x = 1 / (1 + (t / np.sqrt(finite)) ** 2)
    return np.asarray(np.where(np.isinf(df), 2 * ndtr(-t), betainc(finite / 2, 0.5, x)))


def t_quantile(level: float, df: FloatArray) -> FloatArray:
    """q with P(abs(T) < q) = level; normal where df is infinite.

    >>> import numpy as np
    >>> t_quantile(0.95, np.array([10.0, np.inf])).round(4).tolist()
    [2.2281, 1.96]
    """
    check_level(level)
    df = np.asarray(df, dtype=np.float64)
    finite = np.where(np.isinf(df), 1.0, df)
    if level <= 0.9:
        y = betaincinv(0.5, finite / 2, level)  # t^2 / (df + t^2)
        q = np.sqrt(finite * y / (1 - y))
    else:
        x = betaincinv(finite / 2, 0.5, 1 - level)  # df / (df + t^2)
        near = betaincinv(0.5, finite / 2, level)
        q = np.sqrt(finite * np.where(x < 0.5, (1 - x) / x, near / (1 - near)))
    return np.where(np.isinf(df), ndtri(0.5 + level / 2), q)


def f_upper(f_value: float, num_df: int, den_df: float) -> float:
    """P(F > f), accurate in relative terms; chi-square over its df where ``den_df`` is infinite.

    >>> round(f_upper(4.0, 2, 10.0), 6)
    0.052922
    """
    if np.isinf(den_df):
        return float(gammaincc(num_df / 2, num_df * f_value / 2))
    return float(betainc(den_df / 2, num_df / 2, 1 / (1 + num_df * f_value / den_df)))


def checked_rows(rows: FloatArray, n_coefficients: int) -> FloatArray:
    """Contrasts as an array (m, p).

    Raises
    ------
    ModelError
        When the number of columns is not p, a value is not finite, or a row is zero.
    """
    rows = np.atleast_2d(np.asarray(rows, dtype=np.float64))
    if len(rows) == 0 and n_coefficients > 0:
        raise ModelError("The contrast is empty: it has no rows.")
    if rows.ndim != 2 or rows.shape[1] != n_coefficients:
        raise ModelError(
            f"A contrast has one number for each of the {n_coefficients} fixed effects; "
            f"its shape is {rows.shape}."
        )
    if not np.isfinite(rows).all():
        raise ModelError("A contrast has a missing or infinite number.")
    zero = np.flatnonzero(~rows.any(axis=1))
    if len(zero):
        raise ModelError(
            f"Row {zero[0] + 1} of the contrast is zero for every fixed effect: nothing to test."
        )
    return rows


def check_independent(rows: FloatArray, vcov: FloatArray, names: tuple[str, ...] = ()) -> None:
    """Refuse a joint hypothesis with a row that follows from those before it, and name it.

    Units do not matter: coefficients count in standard errors.

    Raises
    ------
    ModelError
    """
    sd = np.sqrt(np.diagonal(vcov))
    r = np.linalg.qr((rows * np.where(sd > 0, sd, 1.0)).T, mode="r")
    new = np.zeros(len(rows))
    new[: len(r)] = np.abs(np.diagonal(r))
    dependent = np.flatnonzero(new <= DEPENDENT * np.linalg.norm(r, axis=0))
    if len(dependent):
        at = int(dependent[0])
        name = f"{names[at]!r} (row {at + 1})" if names else f"row {at + 1}"
        raise ModelError(
            f"The joint hypothesis has dependent rows: {name} is a combination of the rows before "
            "it, or contradicts them; leave it out."
        )


def row_tests(
    approximation: Approximation, beta: FloatArray, rows: FloatArray, null: FloatArray | float = 0.0
) -> RowTests:
    """One t test per row.

    Parameters
    ----------
    approximation
        Covariance and degrees of freedom.
    beta
        The p estimable coefficients.
    rows
        Shape (m, p).
    null
        Values tested against, m or one.
    """
    rows = checked_rows(rows, len(beta))
    estimate = rows @ beta
    # np.broadcast_to returns a read-only view; the record owns its arrays.
    null = np.array(np.broadcast_to(np.asarray(null, dtype=np.float64), estimate.shape))
    std_error = np.sqrt(np.einsum("mi,ij,mj->m", rows, approximation.vcov, rows))
    df = approximation.row_df(rows)
    statistic = (estimate - null) / std_error
    return RowTests(estimate, null, std_error, df, statistic, t_two_sided(statistic, df))


def joint_test(
    approximation: Approximation,
    beta: FloatArray,
    rows: FloatArray,
    null: FloatArray | float = 0.0,
    names: tuple[str, ...] = (),
) -> JointTest:
    """An F test that all rows have their null value.

    Raises
    ------
    ModelError
        When a row is a combination of others; ``names`` of the rows are used to say which.
    """
    rows = checked_rows(rows, len(beta))
    check_independent(rows, approximation.vcov, names)
    found = approximation.joint(rows, rows @ beta - null)
    p_value = f_upper(found.f_value, found.num_df, found.den_df)
    return JointTest(found.num_df, found.den_df, found.f_value, p_value, found.wald)


def wald_f(rows: FloatArray, value: FloatArray, vcov: FloatArray) -> float:
    """value' (L V L')^-1 value / m."""
    # Rows of very different size would make L V L' ill-conditioned.
    covariance = rows @ vcov @ rows.T
    scale = 1 / np.sqrt(np.diagonal(covariance))
    scaled = value * scale
    return float(scaled @ np.linalg.solve(covariance * np.outer(scale, scale), scaled) / len(rows))
