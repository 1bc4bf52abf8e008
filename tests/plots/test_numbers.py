"""The numbers behind pictures, against identities and independent computations."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.integrate import trapezoid

import mixwell as mw
from mixwell.fit import quantities
from mixwell.inference.parameters import parameter_values
from mixwell.plots.along import covariate, group_lines, natural_covariate
from mixwell.plots.data import cells, group_paths, means_along
from mixwell.plots.grouped import (
    ellipse,
    evenly,
    group_quantiles,
    mode_tables,
    position_within,
    shrinkage,
)
from mixwell.plots.of_fit import large_sample_draws
from mixwell.plots.profiles import profile_line
from mixwell.plots.quantiles import local_level, normal_quantiles, plotting_positions, shown_ranks
from mixwell.plots.residuals import MEAN_ROOT_NORMAL
from mixwell.plots.smooth import binned, density, histogram_edges, smooth


@pytest.fixture(scope="module")
def sleep():
    return mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())


def local_line(x, y, at, span):
    """Tricube-weighted straight line at one point, by weighted least squares."""
    distance = np.abs(x - at)
    h = np.sort(distance)[int(np.ceil(span * len(x))) - 1] * 1.001
    w = np.clip(1 - (distance / h) ** 3, 0, None) ** 3
    return np.polyfit(x - at, y, 1, w=np.sqrt(w))[1]


def test_smooth_is_local_linear_regression():
    rng = np.random.default_rng(1)
    x = np.sort(rng.uniform(0, 10, 120))
    y = np.sin(x) + rng.normal(0, 0.2, 120)
    found = smooth(x, y, span=0.4)
    expected = [local_line(x, y, at, 0.4) for at in x]
    np.testing.assert_allclose(found.mean, expected, rtol=0, atol=1e-9)


def test_smooth_of_few_distinct_values_is_their_means():
    x = np.array([0.0, 0.0, 1.0, 1.0])
    found = smooth(x, np.array([1.0, 3.0, 5.0, 7.0]))
    np.testing.assert_allclose(found.mean, [2.0, 6.0])
    assert np.isfinite(found.low).all()


def test_smooth_of_a_constant_covariate_is_the_mean():
    found = smooth(np.ones(10), np.arange(10.0))
    np.testing.assert_allclose(found.mean, [4.5])


def test_band_of_the_smooth_covers_at_its_level():
    rng = np.random.default_rng(7)
    x = np.linspace(0, 1, 100)
    inside = []
    for _ in range(300):
        found = smooth(x, 1 + 2 * x + rng.normal(size=100))
        inside.append((found.low < 1 + 2 * x) & (1 + 2 * x < found.high))
    assert 0.93 < np.mean(inside) < 0.97


def test_bins_keep_totals():
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 5000, 20_000).astype(float), rng.normal(size=20_000)
    bins = binned(x, y, 100)
    assert len(bins.x) <= 100
    assert bins.count.sum() == 20_000
    np.testing.assert_allclose(bins.count @ bins.y, y.sum(), atol=1e-9)
    between = bins.count @ (bins.y - y.mean()) ** 2
    np.testing.assert_allclose(bins.within + between, np.sum((y - y.mean()) ** 2), rtol=1e-12)


def test_density_equals_a_direct_sum_of_kernels():
    rng = np.random.default_rng(3)
    values = rng.gamma(2.0, size=300)
    found = density(values, points=2001)
    iqr = np.subtract(*np.quantile(values, [0.75, 0.25])) / 1.349
    h = 0.9 * min(values.std(ddof=1), iqr) * 300**-0.2
    direct = stats.norm.pdf((found.x[:, None] - values) / h).sum(axis=1) / (300 * h)
    # Linear binning on a grid of 2001 points.
    np.testing.assert_allclose(found.height, direct, atol=2e-5)


def test_histogram_edges_span_the_data():
    values = np.random.default_rng(4).normal(size=100_000)
    edges = histogram_edges(values)
    assert edges[0] == values.min()
    assert edges[-1] == values.max()
    assert 6 <= len(edges) - 1 <= 60


def test_plotting_positions_are_those_of_r():
    # R: ppoints(5), ppoints(12)
    np.testing.assert_allclose(plotting_positions(5), (np.arange(1, 6) - 0.375) / 5.25)
    np.testing.assert_allclose(plotting_positions(12), (np.arange(1, 13) - 0.5) / 12)


@pytest.mark.parametrize("n", [15, 200, 3000])
def test_quantile_band_is_simultaneous(n):
    rng = np.random.default_rng(11)
    wholly = [not normal_quantiles(rng.normal(3, 2, n), 0.95).outside.any() for _ in range(400)]
    # 400 draws: standard error 1.1 %; the band itself is simulated, another 0.7 %.
    assert 0.91 < np.mean(wholly) < 0.985


def test_quantile_band_is_narrower_than_without_estimation():
    assert local_level(50, 0.95, True) > local_level(50, 0.95, False)


def test_quantiles_of_many_values_are_thinned_but_keep_the_ends():
    values = np.random.default_rng(5).normal(size=50_000)
    found = normal_quantiles(values)
    assert len(found.sample) <= 250
    standardized = (values - values.mean()) / values.std(ddof=1)
    assert found.sample[0] == standardized.min()
    assert found.sample[-1] == standardized.max()
    np.testing.assert_allclose(standardized[found.position], found.sample)
    ranks = shown_ranks(50_000)
    assert ranks[0] == 1
    assert ranks[-1] == 50_000


def test_mean_root_of_a_normal():
    expected, _ = stats.norm.expect(lambda z: np.sqrt(np.abs(z))), None
    np.testing.assert_allclose(MEAN_ROOT_NORMAL, expected, rtol=1e-6)


def test_group_quantiles_are_those_of_pandas():
    rng = np.random.default_rng(6)
    values, codes = rng.normal(size=500), rng.integers(0, 40, 500)
    expected = pd.Series(values).groupby(codes).quantile([0.25, 0.5, 0.9]).unstack()
    np.testing.assert_allclose(group_quantiles(values, codes, 40, [0.25, 0.5, 0.9]), expected)


def test_even_choice_keeps_both_ends():
    chosen = evenly(np.arange(1000), 7)
    assert len(chosen) == 7
    assert chosen[0] == 0
    assert chosen[-1] == 999
    np.testing.assert_array_equal(evenly(np.arange(5), 7), np.arange(5))


def test_ellipse_holds_its_share_of_a_normal():
    covariance = np.array([[4.0, -1.5], [-1.5, 1.0]])
    edge = ellipse(covariance, 0.8)
    distance = np.einsum("ni,ij,nj->n", edge, np.linalg.inv(covariance), edge)
    np.testing.assert_allclose(distance, stats.chi2.ppf(0.8, 2), rtol=1e-10)


def test_ellipse_of_a_singular_covariance_is_a_segment():
    edge = ellipse(np.array([[1.0, 2.0], [2.0, 4.0]]), 0.95)
    np.testing.assert_allclose(edge[:, 1], 2 * edge[:, 0], atol=1e-6)


def test_position_within_groups():
    np.testing.assert_array_equal(position_within(np.array([1, 0, 1, 1, 0])), [1, 1, 2, 3, 2])


MODES = [
    ("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy),
    ("diameter ~ 1 + (1 | plate) + (1 | sample)", mw.datasets.load_penicillin),
    ("strength ~ 1 + (1 | batch/cask)", mw.datasets.load_pastes),
    ("weight ~ Treatment * sex + Lsize + (1 | Litter)", mw.datasets.load_ratpups),
    ("score ~ Machine + (Machine | Worker)", mw.datasets.load_machines),
]


@pytest.mark.parametrize(("formula", "data"), MODES)
def test_modes_spread_as_expected_of_them_where_reml_is_lowest(formula, data):
    """REML's equations: the products of modes sum to the sum of their variances G Z'PZ G."""
    fit = mw.lmer(formula, data())
    for index in range(len(fit.design.factors)):
        modes = fit.fit.modes[index]
        spread = quantities.mode_spread(fit.design, fit.fit, index)
        np.testing.assert_allclose(modes.T @ modes, spread.sum(axis=0), rtol=1e-4)
        for table in mode_tables(fit.design, fit.fit, index, range(modes.shape[1])):
            assert np.sqrt(np.mean(table.mode**2)) == pytest.approx(table.expected_sd, rel=1e-4)
            np.testing.assert_allclose(table.score * table.spread, table.mode)
            assert table.expected_sd < table.sd_effect


@pytest.mark.parametrize(("formula", "data"), MODES)
def test_the_curve_beside_the_modes_is_the_one_expected_of_them(formula, data):
    fit = mw.lmer(formula, data())
    axes = fit.plot.modes().figure.axes
    effects = [(i, j) for i in range(len(fit.design.factors)) for j in range(fit.fit.modes[i].shape[1])]
    assert len(axes) == len(effects)
    for ax, (i, j) in zip(axes, effects, strict=True):
        (curve,) = (line for line in ax.get_lines() if line.get_linestyle() == "--")
        x, height = curve.get_data()
        assert np.trapezoid(height, x) == pytest.approx(1, abs=0.01)
        spread = np.sqrt(np.trapezoid(height * x**2, x))
        assert spread == pytest.approx(np.sqrt(np.mean(fit.fit.modes[i][:, j] ** 2)), rel=0.03)


def test_own_coefficients_are_those_of_separate_regressions(sleep):
    found = shrinkage(sleep.design, sleep.fit, 0)
    data = mw.datasets.load_sleepstudy()
    for i, subject in enumerate(sleep.design.factors[0].levels):
        rows = data[data.Subject == subject]
        slope, intercept = np.polyfit(rows.Days, rows.Reaction, 1)
        np.testing.assert_allclose(found.own[i], [intercept, slope], rtol=1e-9)
    np.testing.assert_allclose(found.model, sleep.coef["Subject"].to_numpy())
    np.testing.assert_allclose(found.population, sleep.params)


def test_groups_that_cannot_be_regressed_have_no_own_coefficients():
    data = mw.datasets.load_sleepstudy()
    data = data[(data.Subject != "308") | (data.Days == 2)]
    fit = mw.lmer("Reaction ~ Days + (Days | Subject)", data)
    found = shrinkage(fit.design, fit.fit, 0)
    first = list(fit.design.factors[0].levels).index("308")
    assert np.isnan(found.own[first]).all()
    assert np.isfinite(np.delete(found.own, first, axis=0)).all()


def test_group_lines_are_predictions():
    fit = mw.lmer("distance ~ age * Sex + (age | Subject)", mw.datasets.load_orthodont())
    lines = group_lines(fit.design, fit.fit, 0, natural_covariate(fit.design, 0), np.array([3, 20]))
    for i, code in enumerate(lines.groups):
        subject = fit.design.factors[0].levels[code]
        sex = "Male" if subject.startswith("M") else "Female"
        rows = {
            "age": lines.x,
            "Sex": np.full(len(lines.x), sex, dtype=object),
            "Subject": np.full(len(lines.x), subject, dtype=object),
        }
        np.testing.assert_allclose(lines.group[i], fit.predict(rows), rtol=1e-10)
        np.testing.assert_allclose(lines.population[i], fit.predict(rows, random=False), rtol=1e-10)


def test_band_of_the_population_has_the_degrees_of_freedom_of_the_tests(sleep):
    lines = group_lines(sleep.design, sleep.fit, 0, covariate(sleep.design, "Days"), np.array([0]))
    # At zero days the population mean is the intercept.
    low, high = sleep.conf_int().loc["(Intercept)"]
    np.testing.assert_allclose([lines.low[0, 0], lines.high[0, 0]], [low, high], rtol=1e-10)


def test_groups_go_along_the_variable_of_their_slope():
    data = mw.datasets.load_ratpups()
    fit = mw.lmer("weight ~ Lsize + Treatment * sex + (sex | Litter)", data)
    found = natural_covariate(fit.design, 0)
    assert found.name == "sex"
    assert found.ticks == ("Male", "Female")


def test_nothing_to_go_along_is_said():
    fit = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff())
    with pytest.raises(mw.ModelError, match="varies within Batch"):
        natural_covariate(fit.design, 0)


def test_profile_line_passes_through_its_points_and_integrates():
    values = np.linspace(1.0, 9.0, 15)
    zeta = (values - 5) * 1.1
    line = profile_line(values, zeta, points=2001)
    np.testing.assert_allclose(np.interp(values, line.value, line.zeta), zeta, atol=1e-9)
    np.testing.assert_allclose(trapezoid(line.height, line.value), 1.0, atol=2e-5)


def test_cells_hold_every_value_once():
    y = np.arange(6.0)
    x = pd.Categorical(["a", "b", "a", "b", "a", "a"])
    hue = pd.Categorical(["u", "u", "v", "v", "v", "u"])
    frame = mw.data.frame.open_frame(pd.DataFrame({"x": x, "hue": hue}))
    found = cells(y, frame.column("x"), frame.column("hue"))
    assert [[cell.tolist() for cell in row] for row in found.rows] == [[[0, 5], [2, 4]], [[1], [3]]]


def test_means_along_are_those_of_pandas():
    rng = np.random.default_rng(8)
    x, unit = rng.integers(0, 6, 400).astype(float), rng.integers(0, 9, 400)
    y = rng.normal(size=9)[unit] + rng.normal(size=400)
    found = means_along(x, y, unit)
    of_units = pd.Series(y).groupby([x, unit]).mean().groupby(level=0)
    np.testing.assert_allclose(found.mean, of_units.mean())
    np.testing.assert_allclose(found.se, of_units.sem())


def test_standard_errors_of_means_count_a_group_once():
    # Rows repeated five times say nothing new of the groups.
    x, unit = np.zeros(8), np.arange(8)
    y = np.random.default_rng(9).normal(size=8)
    once, often = means_along(x, y, unit), means_along(*(np.repeat(v, 5) for v in (x, y, unit)))
    np.testing.assert_allclose(often.se, once.se)


def test_bins_of_the_means_hold_equally_many_rows():
    rng = np.random.default_rng(10)
    x = rng.exponential(size=6000)
    found = means_along(x, 2 * x, np.arange(6000))
    assert len(found.x) == 12
    np.testing.assert_array_equal(found.count, 500)
    np.testing.assert_allclose(found.mean, 2 * found.x)


def test_paths_average_rows_at_the_same_place():
    paths = group_paths(np.array([1.0, 0, 1, 2]), np.array([1.0, 2, 3, 9]), np.array([0, 0, 0, 1]))
    assert [path.tolist() for path in paths] == [[[0, 2], [1, 2]], [[2, 9]]]


def test_large_sample_draws_vary_as_the_analysis_of_variance_says():
    # Balanced one-way data: MSB and MSE are independent multiples of chi-squares (Searle 1971, ch. 9).
    rng = np.random.default_rng(12)
    q, n = 500, 8
    group = np.repeat(np.arange(q), n)
    fit = mw.lmer("y ~ 1 + (1 | g)", {"y": rng.normal(size=q)[group] + rng.normal(size=q * n), "g": group})
    draws = large_sample_draws(fit.design, fit.fit, 40_000, seed=1)
    error, between = fit.sigma**2, fit.cov_re["g"].iloc[0, 0]
    of_error = 2 * error**2 / (q * (n - 1))
    of_group = (2 * (error + n * between) ** 2 / (q - 1) + of_error) / n**2
    expected = [
        np.sqrt(of_group) / (2 * np.sqrt(between)),
        np.sqrt(of_error) / (2 * fit.sigma),
        fit.bse.iloc[0],
    ]
    # 40,000 draws know a standard deviation to 0.4 %; the square roots are straight to about 1 %.
    np.testing.assert_allclose(draws.std(axis=0), expected, rtol=0.02)
    np.testing.assert_allclose(
        draws.mean(axis=0), [np.sqrt(between), fit.sigma, fit.params.iloc[0]], rtol=0.01
    )
    assert abs(np.corrcoef(draws[:, 2], draws[:, 0])[0, 1]) < 0.02


SLOPES = [
    ("y ~ x + (x | g)", [[4.0, -0.9], [-0.9, 0.3]]),
    ("y ~ x + (x || g)", [[4.0, 0.0], [0.0, 0.3]]),
    ("y ~ x + (0 + x | g)", [[0.0, 0.0], [0.0, 0.3]]),
]


def slopes_of_alike_groups(formula, covariance, q=900):
    """A fit to groups that all have the same x, off its origin and of another unit than the response."""
    rng = np.random.default_rng(7)
    x = np.linspace(10.0, 24.0, 8)
    group = np.repeat(np.arange(q), len(x))
    b = rng.multivariate_normal([3.0, 0.5], covariance, q)
    y = b[group, 0] + b[group, 1] * np.tile(x, q) + rng.normal(0, 2.0, len(group))
    return mw.lmer(formula, {"y": y, "x": np.tile(x, q), "g": group}), x


def delta_method(fit, x, q=900):
    """Standard errors of the SDs and correlation, then of sigma: from tr(V^-1 V_i V^-1 V_j) / 2 per group."""
    names = list(fit.cov_re["g"].index)
    g = fit.cov_re["g"].to_numpy()
    z = np.column_stack([np.ones_like(x) if name == "(Intercept)" else x for name in names])
    correlated = len(fit.design.terms) == 1
    pairs = [(i, j) for j in range(len(names)) for i in range(j, len(names)) if i == j or correlated]
    changes = [np.outer(z[:, i], z[:, j]) + (i != j) * np.outer(z[:, j], z[:, i]) for i, j in pairs]
    changes.append(np.eye(len(x)))
    inverse = np.linalg.inv(z @ g @ z.T + fit.sigma**2 * np.eye(len(x)))
    information = np.array([[q / 2 * np.trace(inverse @ a @ inverse @ b) for b in changes] for a in changes])
    sd = np.sqrt(np.diagonal(g))
    jacobian = np.zeros((len(changes), len(changes)))
    for row, (i, j) in enumerate(pairs):
        if i == j:
            jacobian[row, row] = 1 / (2 * sd[i])
            continue
        r = g[i, j] / (sd[i] * sd[j])
        jacobian[row, row] = 1 / (sd[i] * sd[j])
        for k in (i, j):
            jacobian[row, pairs.index((k, k))] = -r / (2 * g[k, k])
    jacobian[-1, -1] = 1 / (2 * fit.sigma)
    return np.sqrt(np.diagonal(jacobian @ np.linalg.inv(information) @ jacobian.T))


@pytest.mark.parametrize(("formula", "covariance"), SLOPES)
def test_large_sample_draws_of_slopes_vary_as_the_information_says(formula, covariance):
    fit, x = slopes_of_alike_groups(formula, covariance)
    draws = large_sample_draws(fit.design, fit.fit, 20_000, seed=1)
    expected = delta_method(fit, x)
    # 20,000 draws know a standard deviation to 0.5 %; observed and expected information differ by a few.
    np.testing.assert_allclose(draws.std(axis=0)[: len(expected)], expected, rtol=0.06)
    centre = parameter_values(
        fit.design, fit.fit.theta[None], np.array([fit.sigma]), fit.params.to_numpy()[None]
    )
    assert (np.abs(draws.mean(axis=0) - centre[0]) < 0.15 * draws.std(axis=0)).all()


def test_pairs_of_many_rows_spread_as_the_information_says():
    fit, x = slopes_of_alike_groups(*SLOPES[0], q=2600)
    assert fit.nobs > 20_000
    ax = fit.plot.pairs(["sd_x|g", "sigma"])
    cloud = ax.figure.axes[2].collections[0].get_offsets()
    expected = delta_method(fit, x, q=2600)[[2, 3]]
    # 500 draws know a standard deviation to 3 %.
    np.testing.assert_allclose(cloud.std(axis=0), expected, rtol=0.12)


def test_large_sample_draws_hold_what_is_at_the_boundary():
    with pytest.warns(mw.SingularFitWarning):
        fit = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff2())
    draws = large_sample_draws(fit.design, fit.fit, 50, seed=1)
    np.testing.assert_array_equal(draws[:, 0], 0.0)
    assert draws[:, 1].std() > 0
