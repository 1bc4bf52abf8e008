"""What a picture refuses, and what it says then."""

import inspect

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

import mixwell as mw
from mixwell import plots


@pytest.fixture(scope="module")
def sleep():
    return mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())


@pytest.fixture(scope="module")
def pups():
    return mw.lmer("weight ~ Treatment * sex + Lsize + (1 | Litter)", mw.datasets.load_ratpups())


REFUSED_OF_SLEEP = [
    ("random_effects", {"group": "Subj"}, "did you mean 'Subject'"),
    ("random_effects", {"effects": "day"}, "did you mean 'Days'"),
    ("random_effects", {"effects": []}, "effects= names no random effect; Subject has"),
    ("random_effects", {"level": 95}, "level must lie between 0 and 1, like 0.95, not 95"),
    ("qq", {"level": 1.5}, "level must lie between 0 and 1"),
    ("qq_random", {"level": 0}, "level must lie between 0 and 1"),
    ("modes", {"kind": "violin"}, "'density', 'box'"),
    ("intercept_slope", {"effects": ["Days"]}, "Name two with effects="),
    ("shrinkage", {"most": 0}, "positive whole number, not 0"),
    ("shrinkage", {"most": 1.5}, "positive whole number, not 1.5"),
    ("spaghetti", {"most": -1}, "positive whole number, not -1"),
    ("spaghetti", {"by": "Day"}, "did you mean 'Days'"),
    ("trajectories", {"x": "day"}, "did you mean 'Days'"),
    ("trajectories", {"levels": []}, "leave it out"),
    ("trajectories", {"levels": ["309", "999"]}, "'999' is not a level of Subject"),
    ("coefficients", {"terms": ["Dais"]}, "did you mean 'Days'"),
    ("coefficients", {"terms": []}, "terms= names no coefficient"),
    ("profile", {"kind": "both"}, "'zeta', 'density'"),
    ("profile", {"parameters": []}, "leave it out for all"),
    ("pairs", {"parameters": "Days"}, "list of two or more"),
    ("residuals", {"x": "Day"}, "did you mean 'Days'"),
    ("residual_order", {"time": "hour"}, "not a numeric variable"),
    ("acf", {"time": "hour"}, "not a numeric variable of the model; there are 'Days'"),
    ("acf", {"group": "hour"}, "not a grouping factor"),
    ("cooks", {"by": "hour"}, "'hour'"),
    ("check", {"group": "hour"}, "not a grouping factor"),
    ("check", {"verdicts": {"normalty": "fine"}}, "did you mean 'normality'"),
    ("residuals", {"labels": "Reaction"}, "labels= takes names of variables"),
    ("residuals", {"ax": "left"}, "ax= takes one matplotlib Axes, not a str"),
]


@pytest.mark.parametrize(("picture", "arguments", "said"), REFUSED_OF_SLEEP)
def test_bad_arguments_are_named_with_a_remedy(sleep, picture, arguments, said):
    with pytest.raises(mw.MixwellError, match=said.replace("(", r"\(").replace("?", r"\?")):
        getattr(sleep.plot, picture)(**arguments)


def test_axes_of_several_are_asked_for_one(sleep):
    _, axes = plt.subplots(1, 2)
    with pytest.raises(mw.MixwellError, match=r"give one, axes\[0\] say"):
        sleep.plot.residuals(ax=axes)


def test_slopes_are_asked_for_where_there_are_none(pups):
    with pytest.raises(mw.ModelError, match=r"Litter has \(Intercept\)\. Fit a random slope"):
        pups.plot.intercept_slope()


def test_a_variable_is_not_drawn_by_itself(pups):
    with pytest.raises(mw.DataError, match="both 'sex'"):
        pups.plot.effects("sex", "sex")


def test_more_than_two_effects_are_not_shrunk_in_a_plane():
    fit = mw.lmer("score ~ Machine + (Machine | Worker)", mw.datasets.load_machines())
    with pytest.raises(mw.ModelError, match="name two with effects="):
        fit.plot.shrinkage(effects=["(Intercept)", "Machine[B]", "Machine[C]"])


def test_names_may_be_given_alone(sleep):
    assert sleep.plot.trajectories(levels="308").get_title() == "308"
    assert [t.get_text() for t in sleep.plot.coefficients("Days").get_yticklabels()] == ["Days"]


def test_colours_that_cannot_be_told_apart_are_refused():
    data = pd.DataFrame({"y": np.arange(40.0), "x": list("ab") * 20, "g": np.arange(40) % 20, "h": range(40)})
    with pytest.raises(mw.DataError, match="'g' has 20 values, and colours tell 14 apart"):
        plots.plot_boxplot(data.assign(g=data.g.astype(str)), "y", "x", "g")
    with pytest.raises(mw.DataError, match="'g' has 20 values"):
        plots.plot_spaghetti(data, "y", "x", "h", "g")


def test_infinite_values_are_counted_and_refused():
    with pytest.raises(mw.DataError, match=r"'y' has infinite values \(1\)"):
        plots.plot_boxplot({"y": [1.0, np.inf, 2.0], "x": list("aab")}, "y", "x")


def test_data_without_a_complete_row_are_refused():
    with pytest.raises(mw.DataError, match="No row has values of 'y', 'x'"):
        plots.plot_boxplot({"y": [np.nan], "x": ["a"]}, "y", "x")


def test_the_records_of_a_fit_are_asked_for(sleep):
    for wrong in ((sleep,), (sleep, sleep)):
        with pytest.raises(mw.DataError, match=r"plot_residuals\(fit\.design, fit\.fit\)"):
            plots.plot_residuals(*wrong)
    with pytest.raises(mw.DataError, match=r"mw\.structure\(\)"):
        plots.plot_hierarchy(sleep)


def test_leverages_must_be_those_of_the_rows(sleep):
    with pytest.raises(mw.DataError, match=r"180 rows and leverages of shape \(3,\)"):
        plots.plot_leverage(sleep.design, sleep.fit, np.zeros(3))


def test_every_function_draws_by_itself(sleep):
    of_a_fit = [
        draw
        for name, draw in vars(plots).items()
        if name.startswith("plot_") and "design" in inspect.signature(draw).parameters
    ]
    assert len(of_a_fit) == 18
    for draw in of_a_fit:
        assert isinstance(draw(sleep.design, sleep.fit), Axes)
