"""Structure of the pictures: artists, limits, labels, languages; nothing of pixels."""

import ast
import inspect
import io
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.figure import Figure

import mixwell as mw
from mixwell import plots
from mixwell.plots import style
from mixwell.plots.accessor import FitPlots, Picture
from mixwell.plots.layout import panels
from mixwell.plots.names import text_width, wrapped
from mixwell.plots.words import CHINESE, Words

ALL = sorted(name for name in vars(FitPlots) if not name.startswith("_") and name not in ("lang", "labels"))
PICTURES = [name for name in ALL if name not in ("design", "fit", "control", "check")]


@pytest.fixture(scope="module")
def sleep():
    return mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())


@pytest.fixture(scope="module")
def pups():
    return mw.lmer("weight ~ Treatment * sex + Lsize + (sex | Litter)", mw.datasets.load_ratpups())


@pytest.fixture(scope="module")
def chem():
    return mw.lmer("score ~ gcsecnt + (gcsecnt | school)", mw.datasets.load_chem97())


@pytest.fixture(scope="module")
def many():
    """300 groups of 4 rows, one of them far out."""
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(300), 4)
    effect = rng.normal(size=300)
    effect[17] = 9.0
    x = np.tile(np.arange(4.0), 300)
    return mw.lmer("y ~ x + (1 | g)", {"y": effect[g] + x + rng.normal(size=1200), "x": x, "g": g})


def drawn(figure: Figure) -> None:
    figure.savefig(io.BytesIO())


def points(ax: Axes) -> int:
    return sum(len(c.get_offsets()) for c in ax.collections if isinstance(c, PathCollection))


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_returns_axes_with_labels_and_draws(sleep, name):
    ax = getattr(sleep.plot, name)()
    assert isinstance(ax, Axes)
    assert ax.has_data()
    figure = ax.figure
    texts = [panel.get_xlabel() + panel.get_ylabel() + panel.get_title() for panel in figure.axes]
    assert any(texts)
    drawn(figure)


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_draws_in_the_axes_given(pups, name):
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5))
    before = plt.get_fignums()
    ax = getattr(pups.plot, name)(ax=left)
    assert ax is left
    assert plt.get_fignums() == before
    assert not right.has_data()
    drawn(figure)


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_takes_axes_without_a_grid(sleep, name):
    figure = Figure(figsize=(9, 6))
    given = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    assert getattr(sleep.plot, name)(ax=given) is given
    drawn(figure)


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_leave_settings_alone(sleep, name):
    before = dict(mpl.rcParams)
    getattr(sleep.plot, name)(ax=Figure(figsize=(6, 4)).subplots())
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", PICTURES)
def test_legends_do_not_cover_data(sleep, name):
    ax = getattr(sleep.plot, name)()
    drawn(ax.figure)
    for panel in ax.figure.axes:
        legend = panel.get_legend()
        if legend is not None:
            assert legend.get_window_extent().y0 >= panel.get_window_extent().y1 - 2


def test_accessor_methods_have_the_signature_of_the_function_without_the_records(sleep):
    assert list(inspect.signature(sleep.plot.residuals).parameters) == ["x", "ax", "labels", "lang", "scale"]
    assert "smooth" in (sleep.plot.residuals.__doc__ or "")
    for name in PICTURES:
        assert isinstance(vars(FitPlots)[name], Picture)
        parameters = inspect.signature(getattr(sleep.plot, name)).parameters
        assert {"ax", "labels", "lang"} <= set(parameters)
        assert not {"design", "fit", "control"} & set(parameters)


def test_pictures_that_refit_do_so_with_the_control_of_the_fit(sleep, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "mixwell.plots.of_fit.make_profile", lambda *args, **kwargs: seen.append(kwargs["control"])
    )
    control = mw.Control()
    with pytest.raises(mw.MixwellError, match="profile must be a Profile, not None"):
        FitPlots(sleep.design, sleep.fit, control).profile()
    assert seen == [control]


def test_matplotlib_is_not_loaded_with_the_package():
    code = "import sys, mixwell; assert 'matplotlib' not in sys.modules"
    assert mw.LmerResult.plot is not None
    import_of = __import__("subprocess").run([__import__("sys").executable, "-c", code], check=False)
    assert import_of.returncode == 0


def test_caterpillar_has_an_interval_per_group_in_order_of_the_first_effect(sleep):
    ax = sleep.plot.random_effects()
    assert len(ax.figure.axes) == 2
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == list(sleep.random_effects["Subject"]["(Intercept)"].sort_values().index)
    for panel, effect in zip(ax.figure.axes, ("(Intercept)", "Days"), strict=True):
        (bars,) = (c for c in panel.collections if isinstance(c, LineCollection))
        middle = [segment[:, 0].mean() for segment in bars.get_segments()]
        expected = sleep.random_effects["Subject"].loc[names, effect]
        np.testing.assert_allclose(middle, expected, rtol=1e-9, atol=1e-9)


def test_caterpillar_of_many_groups_names_the_outlying_one(many):
    ax = many.plot.random_effects()
    assert list(ax.get_yticks()) == []
    texts = [text.get_text() for text in ax.texts]
    assert any("17" in text and text.startswith("highest") for text in texts)
    colours = {text.get_color() for text in ax.texts if text.get_text()}
    assert colours == {style.FLAGGED}


def test_caterpillar_of_thousands_draws_a_band(chem):
    ax = chem.plot.random_effects(effects="gcsecnt")
    assert any(isinstance(c, PolyCollection) for c in ax.collections)
    assert ax.get_ylim()[1] > 2400


def test_trajectories_show_all_rows_and_groups_asked_for(sleep):
    ax = sleep.plot.trajectories(levels=["308", "335"])
    first, second = ax.figure.axes
    assert (first.get_title(), second.get_title()) == ("308", "335")
    assert points(first) == points(second) == 10
    assert first.get_ylim() == second.get_ylim()
    with pytest.raises(mw.DataError, match="999"):
        sleep.plot.trajectories(levels=["999"])


def test_trajectories_of_many_groups_are_an_even_choice(many):
    ax = many.plot.trajectories(most=9)
    assert len(ax.figure.axes) == 9
    order = many.random_effects["g"]["(Intercept)"].sort_values().index.astype(str)
    titles = [panel.get_title() for panel in ax.figure.axes]
    assert titles[0] == order[0]
    assert titles[-1] == order[-1] == "17"
    assert "9 of 300" in ax.figure.get_suptitle()


def test_concepts_share_the_population_and_add_effects(sleep):
    ax = sleep.plot.concepts()
    lines = [panel.collections[0].get_segments() for panel in ax.figure.axes]
    slopes = [[np.diff(s[[0, -1], 1])[0] / np.diff(s[[0, -1], 0])[0] for s in some] for some in lines]
    np.testing.assert_allclose(slopes[0], sleep.params["Days"], rtol=1e-9)
    starts = [s[0, 1] for s in lines[1]]
    np.testing.assert_allclose(starts, sleep.params["(Intercept)"], rtol=1e-9)
    np.testing.assert_allclose(sorted(slopes[2]), sorted(sleep.coef["Subject"]["Days"]), rtol=1e-9)


def test_concepts_need_intercept_and_slope(many):
    with pytest.raises(mw.ModelError, match=r"\(x \| g\)"):
        many.plot.concepts()


def test_intercept_slope_needs_two_effects(many):
    with pytest.raises(mw.ModelError, match="two random effects"):
        many.plot.intercept_slope()


def test_shrinkage_arrows_end_at_the_model(sleep):
    ax = sleep.plot.shrinkage()
    (lines,) = (c for c in ax.collections if isinstance(c, LineCollection))
    ends = np.array([segment[1] for segment in lines.get_segments()])
    expected = sleep.coef["Subject"].sort_values("(Intercept)").to_numpy()
    np.testing.assert_allclose(ends, expected, rtol=1e-9)


def test_many_rows_become_hexagons_with_a_scale(chem):
    ax = chem.plot.residuals()
    hexagons = [c for c in ax.collections if isinstance(c, PolyCollection) and c.get_array() is not None]
    assert len(hexagons) == 1
    assert hexagons[0].get_array().sum() == chem.nobs
    assert len(ax.figure.axes) == 2
    assert ax.figure.axes[1].get_ylabel() == "rows per cell"


def test_few_rows_stay_points(sleep):
    assert points(sleep.plot.residuals()) == 180


def test_residuals_by_many_groups_are_a_choice(chem):
    ax = chem.plot.residuals_by_group()
    (lines,) = (c for c in ax.collections if isinstance(c, LineCollection))
    assert len(lines.get_segments()) == style.MOST_GROUPS
    assert "300 of 2410" in ax.get_title()


def test_quantile_plot_names_rows_outside_the_band(sleep):
    ax = sleep.plot.qq()
    largest = int(np.abs(sleep.residuals("scaled")).to_numpy().argmax())
    assert str(largest) in [text.get_text() for text in ax.texts]


def test_coefficients_are_the_estimates_and_their_intervals(pups):
    ax = pups.plot.coefficients()
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == [name for name in pups.params.index if name != "(Intercept)"]
    (bars,) = (c for c in ax.collections if isinstance(c, LineCollection))
    ends = np.array([segment[:, 0] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends, pups.conf_int().loc[names].to_numpy(), rtol=1e-9)
    with pytest.raises(mw.ModelError, match="nothing"):
        pups.plot.coefficients(["nothing"])


@pytest.mark.parametrize("keywords", [{"robust": "CR2"}, {"robust": "CR0", "cluster": "Litter"}])
def test_robust_intervals_of_coefficients_and_means(pups, keywords):
    def ends(ax, axis):
        bars = [c for c in ax.collections if isinstance(c, LineCollection)]
        return np.array([segment[:, axis] for each in bars for segment in each.get_segments()])

    names = [name for name in pups.params.index if name != "(Intercept)"]
    expected = pups.conf_int(**keywords).loc[names].to_numpy()
    np.testing.assert_allclose(ends(pups.plot.coefficients(**keywords), 0), expected, rtol=1e-9)
    assert not np.allclose(expected, pups.conf_int().loc[names].to_numpy(), rtol=1e-3)
    means = pups.emmeans("Treatment", by="sex", **keywords).frame
    expected = means.sort_values("sex", key=lambda sex: sex == "Female", kind="stable")
    drawn = ends(pups.plot.effects("Treatment", "sex", **keywords), 1)
    np.testing.assert_allclose(drawn, expected[["conf_low", "conf_high"]].to_numpy(), rtol=1e-9)
    with pytest.raises(mw.MixwellError, match="give robust='CR2'"):
        pups.plot.effects("Treatment", cluster="Litter")


def test_effects_are_the_marginal_means(pups):
    ax = pups.plot.effects("Treatment", "sex")
    means = pups.emmeans("Treatment", by="sex").frame
    for line, (_, expected) in zip(ax.containers, means.groupby("sex", sort=False), strict=True):
        np.testing.assert_allclose(line.lines[0].get_ydata(), expected["estimate"], rtol=1e-10)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["Male", "Female"]


def test_effects_along_a_number_are_a_line(sleep):
    ax = sleep.plot.effects()
    line = ax.get_lines()[0]
    np.testing.assert_allclose(
        line.get_ydata(), sleep.predict({"Days": line.get_xdata()}, random=False), rtol=1e-10
    )


def test_effects_without_variables_are_refused():
    fit = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff())
    with pytest.raises(mw.ModelError, match="no variable"):
        fit.plot.effects()


def test_variance_bars_sum_to_all(sleep):
    ax = sleep.plot.variance()
    np.testing.assert_allclose(sum(bar.get_width() for bar in ax.patches), 100)


def test_singular_effects_are_explained_not_drawn():
    with pytest.warns(mw.SingularFitWarning):
        fit = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff2())
    with pytest.raises(mw.ModelError, match="variance of zero"):
        fit.plot.qq_random()
    fit.plot.random_effects()
    figure = fit.plot.check()
    drawn(figure)
    assert any("variance of zero" in text.get_text() for ax in figure.axes for text in ax.texts)


def test_check_panel_has_a_panel_per_check_and_its_verdict(sleep):
    figure = sleep.plot.check(verdicts={"normality": "look"})
    assert len(figure.axes) == len(plots.PANELS)
    assert figure.axes[plots.PANELS.index("normality")].get_title().endswith(": look")


def test_checks_draw_their_panel_with_verdicts_names_and_in_a_figure_given(sleep):
    mine = Figure(figsize=(12, 9), layout="constrained")
    checks = sleep.check()
    assert checks.plot(labels={"Reaction": "Reaction (ms)"}, figure=mine) is mine
    assert mine.axes[0].get_xlabel() == "fitted Reaction (ms)"
    for name, verdict in checks.panels.items():
        assert mine.axes[plots.PANELS.index(name)].get_title().endswith(f": {verdict}")


def test_check_panel_draws_in_a_figure_given(sleep):
    mine = Figure(figsize=(12, 9), layout="constrained")
    before = plt.get_fignums()
    assert sleep.plot.check(figure=mine) is mine
    assert plt.get_fignums() == before
    drawn(mine)


def test_cooks_distances_name_the_largest_and_refuse_nothing_defined():
    values = np.full(100, 0.01)
    values[42] = 1.0
    ax = plots.plot_cooks(values, [f"r{i}" for i in range(100)])
    assert "r42" in [text.get_text() for text in ax.texts]
    ax = plots.plot_cooks([0.1, np.nan, 0.3], ["a", "b", "c"], "g")
    assert "1 not defined" in ax.get_title()
    with pytest.raises(mw.DataError, match="None of the distances"):
        plots.plot_cooks([np.nan], ["a"])
    with pytest.raises(mw.DataError, match="2 names"):
        plots.plot_cooks([1.0], ["a", "b"])


def test_data_pictures_need_no_fit():
    pups = mw.datasets.load_ratpups()
    ax = plots.plot_boxplot(pups, "weight", "Treatment", "sex")
    assert points(ax) == len(pups)
    ax = plots.plot_spaghetti(mw.datasets.load_orthodont(), "distance", "age", "Subject", "Sex")
    lines = [
        c for c in ax.collections if isinstance(c, LineCollection) and c.get_label().startswith("_child")
    ]
    assert sum(len(c.get_segments()) for c in lines[:1]) == 16
    with pytest.raises(mw.DataError, match="wieght"):
        plots.plot_boxplot(pups, "wieght", "Treatment")
    with pytest.raises(mw.DataError, match="categories"):
        plots.plot_boxplot(pups, "sex", "Treatment")


def test_boxes_of_many_levels_are_lines_of_the_middle_half(many):
    ax = many.plot.boxplot("g")
    (lines,) = (c for c in ax.collections if isinstance(c, LineCollection))
    assert len(lines.get_segments()) == 300
    assert points(ax) == 300
    assert list(ax.get_xticks()) == []


def test_missing_rows_are_left_out_of_data_pictures():
    pups = mw.datasets.load_ratpups()
    pups.loc[:9, "weight"] = np.nan
    assert points(plots.plot_boxplot(pups, "weight", "Treatment")) == len(pups) - 10


def test_labels_name_variables_everywhere(sleep):
    named = sleep.plot(labels={"Reaction": "Reaction time (ms)", "Days": "Days (d)"})
    assert named.trajectories().get_ylabel() == "Reaction time (ms)"
    assert named.residuals("Days").get_xlabel() == "Days (d)"
    assert Words(labels={"age": "Age (y)"}).name("age:Sex[Female]") == "Age (y):Sex[Female]"


def test_profile_panels_are_the_parameters(sleep):
    profile = sleep.profile()
    ax = sleep.plot.profile(profile=profile, kind="density")
    assert [panel.get_xlabel() for panel in ax.figure.axes] == [curve.name for curve in profile.curves]
    with pytest.raises(mw.DataError, match="nothing"):
        sleep.plot.profile("nothing", profile=profile)


@pytest.mark.parametrize("picture", ["trajectories", "residuals", "random_effects", "coefficients"])
def test_chinese_labels_where_a_font_has_them(sleep, picture, monkeypatch):
    monkeypatch.setattr("mixwell.plots.words.chinese_font", lambda: "Some CJK")
    figure = getattr(sleep.plot(lang="zh"), picture)(ax=Figure(figsize=(6, 4)).subplots()).figure
    texts = "".join(
        panel.get_title()
        + panel.get_xlabel()
        + panel.get_ylabel()
        + "".join(t.get_text() for t in (panel.get_legend().get_texts() if panel.get_legend() else []))
        for panel in figure.axes
    )
    assert any(ord(character) > 0x2E80 for character in texts)


def test_english_with_a_warning_where_no_font_has_chinese(sleep, monkeypatch):
    monkeypatch.setattr("mixwell.plots.words.chinese_font", lambda: None)
    with pytest.warns(mw.MixwellWarning, match="Chinese"):
        ax = sleep.plot(lang="zh").residuals()
    assert ax.get_title() == "Residuals against fitted values"


def test_unknown_language_is_refused(sleep):
    with pytest.raises(mw.MixwellError, match="'fr'"):
        sleep.plot(lang="fr").residuals()


def test_chinese_font_is_a_fallback_of_the_usual_one(monkeypatch):
    monkeypatch.setattr(style, "chinese_font", lambda: "Some CJK")
    assert style.settings()["font.family"] == [*mpl.rcParams["font.family"], "Some CJK"]


def said() -> set[str]:
    """Every text that the package's pictures say."""
    texts = set()
    for file in Path(plots.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "say":
                texts |= {
                    a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)
                }
    return texts


def test_every_text_has_its_chinese_and_the_same_fields():
    texts = said()
    assert len(texts) > 50
    assert texts - set(CHINESE) == set()
    by_value = {"(Intercept)", "Residual", "fine", "look", "violated"}
    assert set(CHINESE) - texts <= by_value
    for english, chinese in CHINESE.items():
        fields = sorted(part.split("}")[0] for part in english.split("{")[1:])
        assert fields == sorted(part.split("}")[0] for part in chinese.split("{")[1:]), english


def test_long_titles_are_wrapped_in_both_languages():
    english = wrapped("Reaction time along days of deprivation, a line per subject", 160)
    assert "\n" in english
    assert english.replace("\n", " ") == "Reaction time along days of deprivation, a line per subject"
    chinese = wrapped("反应时间随睡眠剥夺天数的变化每条线为一个受试者", 160)
    assert "\n" in chinese
    assert text_width("汉") > text_width("a")


def test_panels_divide_the_axes_given():
    figure, ax = plt.subplots()
    made = panels(ax, 5, 3, (1, 1), share_x=True)
    assert made[0] is ax
    assert len(figure.axes) == 5
    drawn(figure)
