"""Predictions: identities with the fit, its levels and transform state, unseen levels, missing values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

import mixwell as mw
from small_models import FITS, fitted, grouped

pytestmark = pytest.mark.filterwarnings("ignore::mixwell.SingularFitWarning")


@pytest.mark.parametrize("name", list(FITS))
def test_data_of_the_fit_give_the_fitted_values(name: str) -> None:
    result = fitted(name)
    pd.testing.assert_series_equal(result.predict(), result.fittedvalues, check_names=False)
    pd.testing.assert_series_equal(
        result.predict(grouped()), result.fittedvalues, check_names=False, rtol=1e-12
    )


@pytest.mark.parametrize("name", list(FITS))
def test_a_few_rows_are_predicted_as_among_all(name: str) -> None:
    """Levels, contrasts and centring are those of the fit, not of the rows handed in."""
    result, data = fitted(name), grouped()
    few = data[(data["arm"] == "high") & data["g"].isin(["b", "c"])].astype({"arm": str})
    assert 1 < len(few) < 20
    wanted = result.fittedvalues.loc[few.index]
    pd.testing.assert_series_equal(result.predict(few), wanted, check_names=False, rtol=1e-12)
    for label in few.index:
        assert result.predict(few.loc[[label]]).iloc[0] == pytest.approx(wanted[label], rel=1e-12)


@pytest.mark.parametrize("name", ["independent", "crossed", "nested", "interaction", "offset in formula"])
@pytest.mark.parametrize("new", [True, False])
def test_factors_add_up(name: str, new: bool) -> None:
    result = fitted(name)
    data = grouped() if new else None
    population = result.predict(data, random=False)
    parts = [result.predict(data, random=[factor]) - population for factor in result.ngroups]
    np.testing.assert_allclose(population + sum(parts), result.predict(data), rtol=1e-12)
    np.testing.assert_array_equal(population, result.predict(data, random=[]))
    np.testing.assert_allclose(result.predict(data), result.predict(data, random=list(result.ngroups)))


def test_population_prediction_is_the_linear_predictor() -> None:
    result, data = fitted("weights, offset"), grouped()
    wanted = result.params["(Intercept)"] + result.params["x"] * data["x"] + data["o"]
    np.testing.assert_allclose(result.predict(random=False), wanted, rtol=1e-13)
    # The grouping factor and the weights are not needed for it.
    np.testing.assert_allclose(result.predict(data[["x", "o"]], random=False), wanted, rtol=1e-13)


def test_offset_moves_predictions_one_to_one() -> None:
    result, data = fitted("weights, offset"), grouped()
    moved = result.predict(data.assign(o=data["o"] + 10))
    np.testing.assert_allclose(moved - result.predict(data), 10, rtol=1e-12)


def test_slope_only_term_adds_nothing_at_zero() -> None:
    result = fitted("slope only")
    rows = {"x": [0.0, 1.0], "g": ["a", "a"]}
    conditional, population = result.predict(rows), result.predict(rows, random=False)
    assert conditional.iloc[0] == population.iloc[0]
    slope = result.random_effects["g"].loc["a", "x"]
    assert conditional.iloc[1] - population.iloc[1] == pytest.approx(slope, rel=1e-10)


def test_unseen_levels_are_named() -> None:
    rows = {
        "x": [1.0, 2.0, 3.0],
        "arm": ["low", "mid", "mid"],
        "g": ["a", "zoe", "adam"],
        "h": ["u", "u", "y"],
    }
    with pytest.raises(mw.NewLevelsError, match=r"g 'adam', 'zoe'.*new_levels='zero'"):
        fitted("slopes").predict(rows)
    with pytest.raises(mw.NewLevelsError, match="g 'adam', 'zoe'; h 'y'"):
        fitted("crossed").predict(rows)


def test_many_unseen_levels_are_counted() -> None:
    rows = {"x": np.ones(12), "g": [f"new{i:02}" for i in range(12)]}
    with pytest.raises(mw.NewLevelsError, match="'new04' and 7 more"):
        fitted("slope only").predict(rows)


def test_unseen_levels_are_the_population_by_request() -> None:
    result = fitted("crossed")
    rows = {"x": [1.0, 2.0], "arm": ["low", "mid"], "g": ["zoe", "a"], "h": ["u", "new"]}
    ours = result.predict(rows, new_levels="zero")
    population = result.predict(rows, random=False)
    assert ours.iloc[0] - population.iloc[0] == pytest.approx(
        result.random_effects["h"].loc["u", "(Intercept)"], rel=1e-9
    )
    assert ours.iloc[1] - population.iloc[1] == pytest.approx(
        result.random_effects["g"].loc["a", "(Intercept)"], rel=1e-9
    )


def test_unseen_levels_of_a_factor_not_asked_for_do_not_matter() -> None:
    result = fitted("crossed")
    rows = {"x": [1.0], "arm": ["low"], "g": ["zoe"], "h": ["u"]}
    assert np.isfinite(result.predict(rows, random=["h"])).all()
    assert np.isfinite(result.predict(rows, random=False)).all()


def test_nested_levels_are_pairs() -> None:
    """A new cask in a known batch keeps the batch's effect; a known cask name in another batch is new."""
    data = mw.datasets.load_pastes().astype({"batch": str, "cask": str})
    result = mw.lmer("strength ~ 1 + (1 | batch/cask)", data)
    mean = result.params.iloc[0]
    batch = result.random_effects["batch"].loc["A", "(Intercept)"]
    cask = result.random_effects["batch:cask"].loc["A:a", "(Intercept)"]
    rows = {"batch": ["A", "A", "new"], "cask": ["a", "new", "a"]}
    with pytest.raises(mw.NewLevelsError, match="batch:cask 'A:new', 'new:a'; batch 'new'"):
        result.predict(rows)
    np.testing.assert_allclose(
        result.predict(rows, new_levels="zero"), [mean + batch + cask, mean + batch, mean], rtol=1e-12
    )
    np.testing.assert_allclose(
        result.predict(rows, random=["batch:cask"], new_levels="zero"), [mean + cask, mean, mean], rtol=1e-12
    )


def test_missing_predictors_give_missing_predictions() -> None:
    result, data = fitted("slopes"), grouped()
    rows = data[:6].copy()
    rows.loc["row 1", "x"] = np.nan
    rows.loc["row 3", "g"] = None
    rows.loc["row 4", "y"] = np.nan
    missing = result.predict(rows).isna()
    assert missing.index[missing].tolist() == ["row 1", "row 3"]
    np.testing.assert_allclose(result.predict(rows)[~missing], result.fittedvalues[:6][~missing], rtol=1e-12)
    population = result.predict(rows, random=False).isna()
    assert population.index[population].tolist() == ["row 1"]


def test_missing_group_is_missing_without_fixed_effects_too() -> None:
    result = mw.lmer("y ~ 0 + (1 | g)", grouped())
    predicted = result.predict({"g": ["a", None]})
    assert predicted.isna().tolist() == [False, True]
    assert predicted.iloc[0] == result.random_effects["g"].loc["a", "(Intercept)"]


def test_rows_dropped_in_the_fit_can_be_predicted() -> None:
    data = grouped()
    data.loc["row 5", "y"] = np.nan
    result = mw.lmer("y ~ x + (x | g)", data)
    assert len(result.predict()) == 89
    everything = result.predict(data)
    assert len(everything) == 90
    assert everything.notna().all()
    np.testing.assert_allclose(everything.drop("row 5"), result.fittedvalues, rtol=1e-12)


def test_result_is_of_the_kind_of_the_new_data() -> None:
    result, data = fitted("slope only"), grouped()
    theirs = result.predict(pl.from_pandas(data[["x", "g"]]))
    assert isinstance(theirs, pl.Series)
    np.testing.assert_allclose(theirs, result.fittedvalues, rtol=1e-12)
    assert result.predict(data[["g", "x"]][5:8]).index.tolist() == ["row 5", "row 6", "row 7"]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"random": ["G"]}, mw.DataError, "'G' is not a grouping factor.*'g'"),
        ({"random": "arm"}, mw.DataError, "'arm' is not a grouping factor"),
        ({"new_levels": "ignore"}, mw.DataError, "'error', 'zero'"),
        ({"interval": "credible"}, mw.MixwellError, "'confidence', 'prediction' or None"),
    ],
)
def test_arguments_are_checked(arguments: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        fitted("slopes").predict(grouped(), **arguments)


def test_random_names_are_checked_without_new_data_too() -> None:
    with pytest.raises(mw.DataError, match="'k' is not a grouping factor"):
        fitted("slopes").predict(random=["k"])


def test_absent_column_is_named() -> None:
    with pytest.raises(mw.DataError, match="'arm'"):
        fitted("slopes").predict(grouped().drop(columns="arm"))
    with pytest.raises(mw.DataError, match="'g'"):
        fitted("slopes").predict(grouped().drop(columns="g"))
