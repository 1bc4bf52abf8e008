"""Pictures stay legible: long names, many groups, few values, small axes, far-out groups."""

import io
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection, QuadMesh
from matplotlib.figure import Figure

import mixwell as mw
from mixwell import plots
from mixwell.plots import style
from mixwell.plots.hierarchy import plot_hierarchy
from mixwell.plots.marks import name_points, overlap, spread_out
from mixwell.plots.names import listed, short_names, text_width
from mixwell.text import display_width


def drawn(figure: Figure) -> Figure:
    figure.savefig(io.BytesIO())
    return figure


@pytest.fixture(scope="module")
def long_names():
    data = mw.datasets.load_sleepstudy()
    name = "Participant number {} of the sleep laboratory of the army institute of research (arm {})"
    data["Subject"] = [name.format(s, int(s) % 3) for s in data["Subject"]]
    return mw.lmer("Reaction ~ Days + (Days | Subject)", data)


@pytest.fixture(scope="module")
def sleep():
    return mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())


@pytest.fixture(scope="module")
def pups():
    return mw.lmer("weight ~ Treatment * sex + Lsize + (1 | Litter)", mw.datasets.load_ratpups())


def singular():
    with pytest.warns(mw.SingularFitWarning):
        return mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff2())


# ---- names


@pytest.mark.parametrize("most", [6, 12, 20])
def test_short_names_differ_as_the_names_do(most):
    names = [f"patient {i} of the north-western ward" for i in range(120)] + ["other"]
    short = short_names(names, most)
    assert len(set(short)) == 121
    assert short[-1] == "other"
    assert max(display_width(name) for name in short) <= 20


def test_names_that_fit_are_left_alone():
    assert short_names(["a", 3, "汉字"], 4) == ["a", "3", "汉字"]


def test_equal_names_stay_equal():
    assert len(set(short_names(["a long name that is cut"] * 3, 8))) == 1


def test_listed_names_say_how_many_are_left():
    assert listed(list("abcdefgh"), 6) == ("a, b, c,\nd, e, f", 2)


@pytest.mark.parametrize(
    "name",
    ["boxplot", "random_effects", "intercept_slope", "shrinkage", "trajectories", "residuals_by_group"],
)
def test_long_names_leave_room_for_the_data(long_names, name):
    ax = getattr(long_names.plot, name)()
    figure = drawn(ax.figure)
    columns = max(panel.get_subplotspec().get_gridspec().ncols for panel in figure.axes)
    assert ax.get_position().width > 0.5 / columns
    assert ax.get_position().height > 0.5 * ax.get_subplotspec().get_position(figure).height


def test_titles_of_panels_do_not_run_into_each_other(long_names):
    figure = drawn(long_names.plot.trajectories().figure)
    boxes = [panel.title.get_window_extent() for panel in figure.axes[:6]]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_names_of_points_do_not_overlap_and_are_no_part_of_the_layout():
    ax = Figure(figsize=(5, 4)).subplots()
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 25))
    ax.scatter(x, y)
    name_points(ax, x, y, [f"group {i}" for i in range(25)], limit=25)
    assert 5 < len(ax.texts) <= 25
    assert not any(text.get_in_layout() for text in ax.texts)
    drawn(ax.figure)
    boxes = [text.get_window_extent() for text in ax.texts]
    edges = [(box.x0 + 1, box.x1 - 1, box.y0 + 2, box.y1 - 2) for box in boxes]
    assert not any(overlap(a, b) for i, a in enumerate(edges) for b in edges[:i])


def test_shifts_lie_within_half_a_place_and_apart():
    shifts = spread_out(50)
    assert np.abs(shifts).max() <= 0.5
    assert np.diff(np.sort(shifts)).min() > 0.005


def test_levels_along_a_narrow_axis_have_no_names(pups):
    ax = pups.plot.residuals_by_group(ax=Figure(figsize=(2.2, 2.5)).subplots())
    assert list(ax.get_xticks()) == []
    assert ax.get_xlabel().replace("\n", " ") == "Litter, sorted by median"


def test_groups_in_a_low_picture_are_not_named(pups):
    ax = pups.plot.random_effects(ax=Figure(figsize=(4, 2)).subplots())
    assert list(ax.get_yticks()) == []
    assert any(text.get_text().startswith("highest") for text in ax.texts)


# ---- panels in the caller's axes


def test_small_axes_hold_as_many_trajectories_as_have_room(sleep):
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4))
    ax = sleep.plot.trajectories(ax=left)
    assert ax is left
    shown = len(figure.axes) - 1
    assert 2 <= shown <= 9
    assert not right.has_data()
    named = sleep.plot.trajectories(levels=["308", "309"], ax=right)
    assert [panel.get_title() for panel in named.figure.axes[-1:]] == ["309"]


def test_legend_of_panels_in_given_axes_is_above_their_titles(sleep):
    figure, axs = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
    ax = sleep.plot.trajectories(ax=axs[0])
    drawn(figure)
    assert ax.get_legend().get_window_extent().y0 >= ax.title.get_window_extent().y1 - 2
    assert ax.get_legend().get_window_extent().y1 <= figure.bbox.y1 + 1


def test_panels_in_given_axes_keep_a_readable_shape(sleep):
    figure, ax = plt.subplots(figsize=(4, 4))
    sleep.plot.profile(profile=sleep.profile(), ax=ax)
    assert len(figure.axes) == 6
    boxes = [panel.get_window_extent() for panel in figure.axes]
    assert all(0.5 < box.width / box.height < 3 for box in boxes)


def test_checks_are_drawn_in_the_place_of_axes(sleep):
    figure, (left, right) = plt.subplots(1, 2, figsize=(16, 8))
    assert sleep.plot.check(ax=left) is figure
    assert len(figure.axes) == len(plots.PANELS) + 1
    assert not right.has_data()


# ---- few values, far-out groups, variances of zero


def test_a_few_values_have_their_points_and_median_but_no_box():
    data = {"y": np.arange(12.0), "x": list("aaabbbbbbbbb")}
    ax = plots.plot_boxplot(data, "y", "x")
    assert len(ax.patches) == 1
    (medians,) = (c for c in ax.collections if isinstance(c, LineCollection))
    assert [segment[0, 1] for segment in medians.get_segments()] == [1.0]
    assert sum(len(c.get_offsets()) for c in ax.collections if isinstance(c, PathCollection)) == 12


def test_a_few_modes_are_strokes_and_have_no_histogram():
    fit = mw.lmer("score ~ Machine + (1 | Worker)", mw.datasets.load_machines())
    ax = fit.plot.modes()
    assert not ax.patches
    np.testing.assert_allclose(
        ax.get_lines()[0].get_xdata(), fit.random_effects["Worker"]["(Intercept)"].to_numpy()
    )


def test_wild_own_coefficients_do_not_set_the_limits():
    chem = mw.lmer("score ~ gcsecnt + (gcsecnt | school)", mw.datasets.load_chem97())
    ax = chem.plot.shrinkage()
    (lines,) = (c for c in ax.collections if isinstance(c, LineCollection))
    starts = np.array([segment[0] for segment in lines.get_segments()])
    low, high = np.array([ax.get_xlim(), ax.get_ylim()]).T
    beyond = int(((starts < low) | (starts > high)).any(axis=1).sum())
    assert beyond > 0
    assert f"({beyond} beyond the axes)" in ax.get_title()
    models = chem.coef["school"].to_numpy()
    assert ((models >= low - np.ptp(models, axis=0)) & (models <= high + np.ptp(models, axis=0))).all()


def test_variance_of_zero_is_said_where_all_modes_are_zero():
    assert "variance estimated as zero" in singular().plot.random_effects().get_title().replace("\n", " ")


def test_no_smooth_over_one_place():
    ax = singular().plot.residuals()
    assert ax.get_legend() is None


def test_panel_without_a_picture_has_its_title_and_the_reason_within():
    figure = drawn(singular().plot.check())
    panel = figure.axes[plots.PANELS.index("random effects")]
    assert panel.get_title() == "Random effects of Batch"
    (reason,) = panel.texts
    box, frame = reason.get_window_extent(), panel.get_window_extent()
    assert frame.x0 <= box.x0
    assert box.x1 <= frame.x1


def test_numbers_beside_the_variance_bars_are_within_the_axes(sleep):
    figure = Figure(figsize=(3.5, 2.5), layout="constrained")
    ax = sleep.plot.variance(ax=figure.subplots())
    drawn(figure)
    assert max(text.get_window_extent().x1 for text in ax.texts) <= ax.get_window_extent().x1 + 3


# ---- defaults


def test_the_factor_with_more_levels_goes_along_the_axis():
    fit = mw.lmer("angle ~ recipe * temperature + (1 | recipe:replicate)", mw.datasets.load_cake())
    assert fit.plot.boxplot().get_xlabel() == "temperature"
    assert fit.plot.effects().get_xlabel() == "temperature"
    assert fit.plot.effects("recipe").get_legend() is None


def test_crossed_groups_go_along_each_other():
    fit = mw.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", mw.datasets.load_penicillin())
    ax = fit.plot.spaghetti()
    assert ax.get_xlabel() == "sample"
    assert len(ax.collections[0].get_segments()) == 24
    with pytest.raises(mw.ModelError, match="varies within"):
        fit.plot.trajectories()


def test_random_slopes_are_drawn_over_one_population_line():
    fit = mw.lmer("distance ~ age * Sex + (age | Subject)", mw.datasets.load_orthodont())
    slope_only = fit.plot.concepts().figure.axes[1]
    lines = np.array(slope_only.collections[0].get_segments())
    population = slope_only.get_lines()[0].get_ydata()
    modes = fit.random_effects["Subject"]["age"].sort_values().to_numpy()
    # They turn about the mean age, since zero was not observed.
    turned = lines[0, :, 0] != 11
    added = ((lines[:, :, 1] - population) / np.where(turned, lines[:, :, 0] - 11, 1.0))[:, turned]
    np.testing.assert_allclose(np.sort(added[:, 0]), modes, atol=1e-9)
    np.testing.assert_allclose(added, added[:, :1].repeat(added.shape[1], axis=1), atol=1e-9)


def test_colours_that_come_again_have_another_marker():
    pairs = {(style.colour(i), style.marker(i)) for i in range(style.MOST_SERIES)}
    assert len(pairs) == style.MOST_SERIES


def test_pairs_say_where_their_draws_come_from(monkeypatch, sleep):
    small = sleep.plot.pairs(bootstrap=sleep.bootstrap(60, seed=1, progress=False))
    assert small.figure.get_suptitle() == "60 draws"
    monkeypatch.setattr("mixwell.plots.of_fit._MOST_WORK", 1e4)
    large = sleep.plot.pairs(["sigma", "Days"])
    assert large.figure.get_suptitle() == "500 draws of the large-sample normal distribution"
    assert len(large.figure.axes) == 4


# ---- the hierarchy


def test_nested_levels_lie_below_their_parents():
    found = mw.structure(mw.datasets.load_pastes(), ["batch", "cask"])
    ax = found.plot()
    assert ax.get_xlim() == (0, 60)
    assert [len(strip.get_paths()) for strip in ax.collections] == [10, 30]
    assert ax.get_title() == "Hierarchy of 60 rows"


def test_crossed_levels_are_a_table_of_counts():
    found = mw.structure(mw.datasets.load_penicillin(), ["plate", "sample"])
    ax = plot_hierarchy(found, labels={"plate": "Plate"})
    np.testing.assert_array_equal(ax.images[0].get_array(), np.ones((6, 24)))
    assert ax.get_xlabel() == "Plate (24 levels)"
    assert not any(isinstance(c, QuadMesh) for c in ax.collections)


def test_cells_of_thousands_of_levels_stand_for_several_and_keep_every_row():
    data = mw.datasets.load_insteval()
    ax = mw.structure(data, ["s", "d"]).plot()
    counts = ax.images[0].get_array()
    assert counts.sum() == len(data)
    assert counts.shape[0] <= 120
    assert counts.shape[1] <= 240
    assert ax.figure.axes[1].get_ylabel().startswith("rows per cell of")


def test_hierarchy_in_chinese(monkeypatch):
    monkeypatch.setattr("mixwell.plots.words.chinese_font", lambda: "Some CJK")
    ax = mw.structure(mw.datasets.load_pastes(), ["batch", "cask"]).plot(lang="zh")
    assert ax.get_title() == "60行数据的层次结构"


def test_verdicts_are_in_the_language_of_the_picture(sleep, monkeypatch):
    monkeypatch.setattr("mixwell.plots.words.chinese_font", lambda: "Some CJK")
    figure = sleep.plot(lang="zh").check(verdicts={"normality": "violated"})
    assert figure.axes[plots.PANELS.index("normality")].get_title().endswith("：违背")


def test_text_width_is_that_of_the_widest_line():
    assert text_width("ab\nabcd") == text_width("abcd")
