"""Lines and bands on pictures hold at the rates they state, on responses simulated from a true model."""

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

import mixwell as mw
from mixwell import plots
from mixwell.diagnostics.dependence import drawn_errors
from mixwell.plots import style

TRUE = [
    ("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy),
    ("weight ~ Treatment * sex + Lsize + (1 | Litter)", mw.datasets.load_ratpups),
    ("diameter ~ 1 + (1 | plate) + (1 | sample)", mw.datasets.load_penicillin),
    ("distance ~ age * Sex + (age | Subject)", mw.datasets.load_orthodont),
]
pytestmark = pytest.mark.filterwarnings("ignore::mixwell.SingularFitWarning")


def samples(formula, load, n, seed=11):
    """Fits to responses drawn from the fit to a data set: the model is true of them."""
    fit = mw.lmer(formula, load())
    drawn = np.asarray(fit.simulate(n, seed=seed))
    return [fit.refit(drawn[:, i]) for i in range(n)]


def flagged(ax):
    """How many points have the colour of what deserves a look."""
    marked = to_rgba(style.FLAGGED)
    return sum(
        int((np.broadcast_to(c.get_facecolors(), (len(c.get_offsets()), 4)) == marked).all(axis=1).sum())
        for c in ax.collections
        if isinstance(c, PathCollection)
    )


@pytest.mark.parametrize("by", ["row", "group"])
@pytest.mark.parametrize(("formula", "load"), TRUE)
def test_cooks_distances_of_a_true_model_are_seldom_marked(formula, load, by):
    fits = samples(formula, load, 40)
    name = "row" if by == "row" else fits[0].design.factors[0].name
    marked = 0
    for fit in fits:
        marked += flagged(fit.plot.cooks(name, ax=Figure().subplots())) > 0
    # 5 % of 40 is 2; 7 or more has a probability of 0.3 %.
    assert marked <= 6


def too_much(*arguments, **named):
    raise mw.MixwellError("Whitening would take too long.")


def bars(ax):
    """Autocorrelations drawn, and the half width of the band at each lag."""
    heights = np.array([segment[1, 1] for segment in ax.collections[0].get_segments()])
    return heights, np.array([patch.get_height() / 2 for patch in ax.patches])


@pytest.mark.parametrize("whitened", [True, False], ids=["whitened", "too much to whiten"])
@pytest.mark.parametrize(("formula", "load"), TRUE)
def test_autocorrelations_of_a_true_model_keep_to_their_band(formula, load, whitened, monkeypatch):
    if not whitened:
        monkeypatch.setattr("mixwell.diagnostics.dependence.whitened_residuals", too_much)
    outside = []
    for fit in samples(formula, load, 20):
        ax = fit.plot.acf(lags=3, ax=Figure().subplots())
        assert ("whitened" in ax.get_ylabel()) == whitened
        heights, band = bars(ax)
        outside += list(np.abs(heights) > band)
    # 5 % of 60 is 3; 10 or more has a probability of 0.1 %.
    assert sum(outside) <= 9


def test_correlation_in_order_is_seen_where_it_is_too_much_to_whiten(monkeypatch):
    monkeypatch.setattr("mixwell.diagnostics.dependence.whitened_residuals", too_much)
    rng = np.random.default_rng(3)
    q, n = 40, 12
    error = np.empty((q, n))
    error[:, 0] = rng.normal(size=q)
    for j in range(1, n):
        error[:, j] = 0.6 * error[:, j - 1] + 0.8 * rng.normal(size=q)
    group = np.repeat(np.arange(q), n)
    fit = mw.lmer("y ~ 1 + (1 | g)", {"y": rng.normal(size=q)[group] + error.ravel(), "g": group})
    heights, band = bars(fit.plot.acf(lags=3, ax=Figure().subplots()))
    assert heights[0] > 2 * band[0]


@pytest.mark.parametrize(("formula", "load"), TRUE)
def test_errors_drawn_given_the_data_vary_like_errors(formula, load):
    fit = mw.lmer(formula, load())
    drawn = np.concatenate([drawn_errors(fit.design, fit.fit, seed) for seed in range(60)])
    # REML: the expected squares of residuals and of what is added sum to n.
    assert np.mean(drawn**2) == pytest.approx(1.0, abs=0.04)


def test_a_wild_row_and_a_wild_group_are_marked():
    formula = "weight ~ Treatment * sex + Lsize + (1 | Litter)"
    data = mw.datasets.load_ratpups()
    data.loc[100, "weight"] += 3.0
    ax = mw.lmer(formula, data).plot.cooks()
    assert flagged(ax) >= 1
    assert "100" in [text.get_text() for text in ax.texts]
    data = mw.datasets.load_ratpups()
    data.loc[data.Litter.astype(str) == "6", "weight"] += 5.0
    assert flagged(mw.lmer(formula, data).plot.cooks("Litter")) == 1


def test_the_bound_of_rows_is_where_their_tail_probabilities_sum_to_five_per_cent():
    """Balanced one-way data: all rows have one leverage, and t^2 of each is a multiple of a beta variable."""
    fit = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff())
    (bound,) = {float(line.get_ydata()[0]) for line in fit.plot.cooks().get_lines()}
    q, n = 6, 5
    between = fit.cov_re["Batch"].iloc[0, 0]
    shrunken = between / (between + fit.sigma**2 / n)
    h = (shrunken + (1 - shrunken) / q) / n
    rng = np.random.default_rng(2)
    t2 = rng.beta(0.5, (q * n - 2) / 2, 400_000) * fit.fit.pwrss / fit.sigma**2
    assert np.mean(t2 * h / (1 - h) > bound) * q * n == pytest.approx(0.05, rel=0.05)


def test_distances_alone_are_not_judged():
    ax = plots.plot_cooks([0.1, 0.9, 0.2], ["a", "b", "c"], "school")
    assert flagged(ax) == 0
    assert ax.get_legend() is None
    marked = plots.plot_cooks([0.1, 0.9, 0.2], ["a", "b", "c"], "school", threshold=0.5)
    assert flagged(marked) == 1
    assert "threshold 0.5" in marked.get_legend().get_texts()[0].get_text()
