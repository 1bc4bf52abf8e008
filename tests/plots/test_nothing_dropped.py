"""What a model has is on its picture, or the picture and a warning say that it is not."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import mixwell as mw
from mixwell import plots


def three_crossed():
    rng = np.random.default_rng(1)
    n = 400
    a, b, c = rng.integers(0, 14, n), rng.integers(0, 9, n), rng.integers(0, 8, n)
    data = pd.DataFrame({"a": a, "b": b, "c": c, "x": rng.normal(50, 5, n), "z": rng.normal(size=n)})
    data["f"] = np.array(list("pqr"))[rng.integers(0, 3, n)]
    data["h"] = np.array(["hi", "lo"])[rng.integers(0, 2, n)]
    data["y"] = rng.normal(size=14)[a] + rng.normal(size=9)[b] + rng.normal(size=8)[c] + rng.normal(size=n)
    return data


FITS = {
    "slopes": ("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy),
    "crossed": ("diameter ~ 1 + (1 | plate) + (1 | sample)", mw.datasets.load_penicillin),
    "nested": ("strength ~ 1 + (1 | batch/cask)", mw.datasets.load_pastes),
    "treatments": ("weight ~ Treatment * sex + Lsize + (1 | Litter)", mw.datasets.load_ratpups),
    "three effects": ("score ~ Machine + (Machine | Worker)", mw.datasets.load_machines),
    "three factors": ("y ~ f * h * z + x + (1 | a) + (z || b) + (1 | c)", three_crossed),
}


@pytest.fixture(scope="module", params=FITS)
def fit(request):
    formula, load = FITS[request.param]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mw.SingularFitWarning)
        return mw.lmer(formula, load())


def texts(figure):
    """Everything written on a figure, a blank between."""
    found = [] if figure.get_suptitle() == "" else [figure.get_suptitle()]
    for ax in figure.axes:
        found += [ax.get_title(), ax.get_xlabel(), ax.get_ylabel()]
        found += [text.get_text() for text in (*ax.texts, *ax.get_xticklabels(), *ax.get_yticklabels())]
        if ax.get_legend() is not None:
            found += [text.get_text() for text in ax.get_legend().get_texts()]
    return " ".join(" ".join(found).split())


def drawn(call):
    """The words on a picture, and those of the warnings that it gave."""
    plt.close("all")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure = call().figure
    return texts(figure), " ".join(str(w.message) for w in caught if w.category is mw.MixwellWarning)


def varying(fit):
    """Random effects whose variance is not zero, by factor."""
    return {
        factor: [name for name in frame.columns if frame[name].abs().max() > 0]
        for factor, frame in fit.random_effects.items()
    }


@pytest.mark.parametrize("picture", ["random_effects", "modes", "qq_random", "shrinkage"])
def test_every_factor_and_effect_has_its_panel(fit, picture):
    words, warned = drawn(getattr(fit.plot, picture))
    assert warned == ""
    for factor, effects in varying(fit).items():
        assert factor in words
        for effect in effects:
            assert effect in words


@pytest.mark.parametrize("picture", ["modes", "qq_random"])
def test_panels_are_as_many_as_effects_that_vary(fit, picture):
    ax = getattr(fit.plot, picture)()
    assert len(ax.figure.axes) == sum(len(effects) for effects in varying(fit).values())


def test_effects_together_are_told_apart_by_factor(fit):
    legend = fit.plot.qq_random(together=True).get_legend()
    entries = [text.get_text() for text in legend.get_texts()][1:]
    count = sum(len(effects) for effects in varying(fit).values())
    assert len(entries) == (count if count > 1 else 0)


def test_every_variable_of_the_fixed_part_has_its_means(fit):
    variables = [name for name in fit.design.variables if name not in fit.random_effects]
    if not variables:
        pytest.skip("only an intercept")
    words, warned = drawn(fit.plot.effects)
    headings = " ".join(
        ax.get_legend().get_title().get_text() for ax in plt.gcf().axes if ax.get_legend() is not None
    )
    for name in variables:
        assert name in f"{words} {headings} {warned}".split() or f"{name} =" in words


def test_three_way_interactions_have_a_panel_for_each_value_of_the_third():
    formula, load = FITS["three factors"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mw.SingularFitWarning)
        fit = mw.lmer(formula, load())
    titles = [ax.get_title() for ax in fit.plot.effects().figure.axes]
    assert titles == ["h = hi", "h = lo", ""]


def test_means_without_room_are_named():
    formula, load = FITS["treatments"]
    small = Figure(figsize=(3, 2.5)).subplots()
    with pytest.warns(mw.MixwellWarning, match=r"leaves out Lsize; x="):
        ax = mw.lmer(formula, load()).plot.effects(ax=small)
    assert "1 of 2" in ax.get_title().replace("\n", " ")


def test_every_parameter_has_its_pairs_or_is_named(fit):
    boot = fit.bootstrap(40, seed=1, progress=False)
    words, warned = drawn(lambda: fit.plot.pairs(bootstrap=boot))
    shown = round(len(plt.gcf().axes) ** 0.5)
    varied = [i for i in range(len(boot.names)) if np.nanstd(boot.draws[:, i]) > 0]
    assert shown == min(10, len(varied))
    if shown < len(boot.names):
        assert f"{shown} of {len(boot.names)} parameters" in words
        assert "The picture leaves out" in warned


def test_parameters_left_out_are_counted_and_named():
    rng = np.random.default_rng(1)
    names = [f"p{i}" for i in range(12)] + ["still"]
    draws = np.column_stack([rng.normal(size=(50, 12)), np.ones(50)])
    with pytest.warns(mw.MixwellWarning, match=r"leaves out p10, p11, still; parameters="):
        ax = plots.plot_pairs(draws, names)
    assert "10 of 13 parameters" in ax.figure.get_suptitle()
    with pytest.raises(mw.ModelError, match="'still' does not vary"):
        plots.plot_pairs(draws, names, parameters=["p1", "still"])


def test_draws_without_a_correlation_are_counted():
    draws = np.random.default_rng(1).normal(size=(50, 2))
    draws[:20, 1] = np.nan
    assert plots.plot_pairs(draws, ["a", "b"]).figure.get_suptitle() == "30 of 50 draws"


def test_every_pair_of_effects_of_a_factor_has_its_ellipses():
    fit = mw.lmer(*[FITS["three effects"][0], FITS["three effects"][1]()])
    titles = [ax.get_title().replace("\n", " ") for ax in fit.plot.intercept_slope().figure.axes]
    assert [title.split(" by ")[0] for title in titles] == [
        "(Intercept) and Machine[B]",
        "(Intercept) and Machine[C]",
        "Machine[B] and Machine[C]",
    ]


def test_effects_without_variance_are_named():
    with pytest.warns(mw.SingularFitWarning):
        fit = mw.lmer("strength ~ 1 + (1 | batch:cask) + (1 | cask)", mw.datasets.load_pastes())
    still = [factor for factor, effects in varying(fit).items() if not effects]
    assert still
    for picture in ("modes", "qq_random"):
        assert "variance zero: (Intercept)" in drawn(getattr(fit.plot, picture))[0]


@pytest.mark.parametrize("picture", ["residuals_by_group", "residual_order", "acf"])
def test_pictures_of_one_factor_name_the_others(picture):
    formula, load = FITS["crossed"]
    fit = mw.lmer(formula, load())
    assert "(group= for sample)" in drawn(getattr(fit.plot, picture))[0]
    assert "group=" not in drawn(lambda: getattr(fit.plot, picture)(group="sample"))[0]


def test_coefficients_say_what_is_not_among_them():
    data = mw.datasets.load_sleepstudy().assign(Twice=lambda d: 2 * d.Days)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mw.MixwellWarning)
        fit = mw.lmer("Reaction ~ Days + Twice + (1 | Subject)", data)
    title = fit.plot.coefficients().get_title().replace("\n", " ")
    assert title == "Fixed effects without the intercept (not estimable: Twice)"
    assert fit.plot.coefficients("Days").get_title() == "Fixed effects"


def test_a_table_of_three_crossed_factors_names_the_third():
    found = mw.structure(three_crossed(), ["a", "b", "c"])
    with pytest.warns(mw.MixwellWarning, match="leaves out"):
        ax = plots.plot_hierarchy(found)
    assert "not drawn: " in ax.get_title().replace("\n", " ")


# ---- where intercepts and fans stand


def test_own_heights_are_compared_at_observed_covariates():
    """The mean of age is 11: heights there are those of each group's own line and of the model's."""
    data = mw.datasets.load_orthodont()
    fit = mw.lmer("distance ~ age + (age | Subject)", data)
    ax = fit.plot.shrinkage()
    assert ax.get_xlabel() == "(Intercept) at age = 11"
    own = {}
    for subject, rows in data.groupby("Subject", observed=True):
        slope, intercept = np.polyfit(rows.age, rows.distance, 1)
        own[subject] = (intercept + 11 * slope, slope)
    named = {collection.get_label(): collection for collection in ax.collections}
    open_circles, closed, star = (named[label] for label in ("own rows only", "model", "population"))
    found = np.asarray(open_circles.get_offsets())
    # Equal heights come in any order.
    wanted = sorted(tuple(np.round(pair, 6)) for pair in own.values())
    assert sorted(tuple(np.round(pair, 6)) for pair in found) == wanted
    model = fit.coef["Subject"]
    heights = np.sort(model["(Intercept)"] + 11 * model["age"])
    np.testing.assert_allclose(np.sort(np.asarray(closed.get_offsets())[:, 0]), heights, rtol=1e-9)
    b0, b1 = fit.params
    np.testing.assert_allclose(np.asarray(star.get_offsets())[0], [b0 + 11 * b1, b1])


def test_heights_take_other_covariates_at_their_means():
    fit = mw.lmer(*(FITS["treatments"][0], FITS["treatments"][1]()))
    ax = fit.plot.shrinkage()
    size = mw.datasets.load_ratpups().Lsize.mean()
    assert ax.get_xlabel() == f"(Intercept) at Lsize = {size:.4g}"
    (population,) = (line.get_xdata()[0] for line in ax.get_lines() if line.get_label() == "population")
    assert population == pytest.approx(fit.params["(Intercept)"] + size * fit.params["Lsize"])


def test_intercepts_stay_where_zero_was_observed():
    fit = mw.lmer(*(FITS["slopes"][0], FITS["slopes"][1]()))
    assert fit.plot.shrinkage().get_xlabel() == "(Intercept)"


@pytest.mark.parametrize("shift", [0, 8, 2013])
def test_the_fan_of_slopes_closes_on_the_axis(shift):
    data = mw.datasets.load_sleepstudy()
    data["Days"] += shift
    fit = mw.lmer("Reaction ~ Days + (Days | Subject)", data)
    level, fan, both = fit.plot.concepts().figure.axes
    at = 0.0 if shift == 0 else shift + 4.5
    for panel, closes in ((level, False), (fan, True)):
        lines = np.array(panel.collections[0].get_segments())
        x = lines[0, :, 0]
        assert x.min() <= at <= x.max()
        heights = [np.interp(at, x, line[:, 1]) for line in lines]
        assert (np.ptp(heights) < 1e-8 * np.ptp(lines[:, :, 1])) == closes
        if not closes:
            # Parallel lines: heights only.
            gaps = lines[:, :, 1] - lines[0, :, 1]
            np.testing.assert_allclose(gaps, gaps[:, [0]] + np.zeros_like(gaps), atol=1e-7)
    heights, turns, whole = (
        np.array(panel.collections[0].get_segments())[:, :, 1] for panel in (level, fan, both)
    )
    population = both.get_lines()[0].get_ydata()
    np.testing.assert_allclose(heights + turns - population, whole, atol=1e-7)
