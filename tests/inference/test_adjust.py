"""Adjustments for several comparisons: the studentized range and the multivariate t."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import studentized_range

from mixwell.inference.adjust import METHODS, Family, adjusted_p, critical_values, maximum_upper, range_upper
from mixwell.inference.contrast import t_two_sided


@pytest.mark.parametrize(
    ("q", "k", "df"),
    [(3.5, 3, 20), (0.1, 3, 20), (1, 10, 3), (5, 50, 7), (3, 2, 5), (12, 3, 5), (4, 6, np.inf)],
)
def test_studentized_range_matches_scipy(q: float, k: int, df: float) -> None:
    assert range_upper(q, k, df) == pytest.approx(studentized_range.sf(q, k, df), rel=1e-9)


@pytest.mark.parametrize("df", [1.5, 5.0, 60.0, 1e6, 1e9, np.inf])
@pytest.mark.parametrize("q", [0.5, 3.0, 9.0, 40.0])
def test_range_of_two_is_a_t_test(q: float, df: float) -> None:
    """P(Q > q) = P(abs(T) > q / sqrt 2) for two means, far into the tail too."""
    wanted = t_two_sided(np.array([q / np.sqrt(2)]), np.array([df]))[0]
    assert range_upper(q, 2, df) == pytest.approx(wanted, rel=1e-7)


def test_range_joins_the_normal_one() -> None:
    assert range_upper(4.0, 6, 1e9) == pytest.approx(range_upper(4.0, 6, np.inf), rel=1e-6)


def pair_correlation(k: int) -> np.ndarray:
    pairs = np.array([np.eye(k)[i] - np.eye(k)[j] for i in range(k) for j in range(i)]) / np.sqrt(2)
    return pairs @ pairs.T


@pytest.mark.parametrize(("k", "tolerance"), [(2, 1e-10), (3, 1e-8), (4, 5e-3), (6, 5e-3)])
@pytest.mark.parametrize(("t", "df"), [(2.0, 10.0), (3.0, 33.3), (2.5, np.inf)])
def test_multivariate_t_of_equal_pairs_is_tukey(k: int, tolerance: float, t: float, df: float) -> None:
    """Exact up to two dimensions; in more a sequence of directions is averaged."""
    ours = maximum_upper(np.array([t]), np.array([df]), pair_correlation(k))[0]
    assert ours == pytest.approx(range_upper(t * np.sqrt(2), k, df), rel=tolerance)


def test_independent_normals_are_sidak() -> None:
    t, df = np.array([2.4]), np.array([np.inf])
    one = t_two_sided(t, df)[0]
    assert maximum_upper(t, df, np.eye(2))[0] == pytest.approx(1 - (1 - one) ** 2, rel=1e-8)
    assert maximum_upper(t, df, np.eye(5))[0] == pytest.approx(1 - (1 - one) ** 5, rel=5e-3)


def test_methods_are_ordered_and_never_below_the_plain_p() -> None:
    t = np.array([0.3, 2.1, 3.5])
    df = np.array([12.0, 12.0, 12.0])
    plain = t_two_sided(t, df)
    found = {m: adjusted_p(m, t, Family(df, pair_correlation(3), 3)) for m in METHODS}
    for p in found.values():
        assert (p >= plain * (1 - 1e-12)).all()
        assert (p <= 1).all()
    assert (found["holm"] <= found["bonferroni"]).all()
    assert (found["sidak"] <= found["bonferroni"]).all()
    assert (found["tukey"] <= found["sidak"] * (1 + 1e-9)).all()


def test_small_p_values_are_not_lost() -> None:
    t, df = np.array([30.0, 25.0, 1.0]), np.full(3, 200.0)
    for method in METHODS:
        p = adjusted_p(method, t, Family(df, pair_correlation(3), 3))
        assert 0 < p[0] < 1e-60


@pytest.mark.parametrize("adjust", ["tukey", "mvt", "dunnett", "scheffe", "sidak", "bonferroni"])
def test_intervals_end_where_the_adjusted_test_is_at_its_level(adjust: str) -> None:
    df = np.array([7.0, 7.0, 30.0])
    critical = critical_values(adjust, 0.95, Family(df, pair_correlation(3), 3))
    p = adjusted_p(adjust, critical, Family(df, pair_correlation(3), 3))
    np.testing.assert_allclose(p, 0.05, rtol=1e-6)
