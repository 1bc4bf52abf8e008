"""Units of a covariate do not matter: for what the data determine, what is tested, nor any number."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import mixwell as mw

FloatArray = NDArray[np.float64]
Answer = tuple[list[str], FloatArray]

pytestmark = pytest.mark.filterwarnings("ignore::mixwell.MixwellWarning")

FACTORS = [1e12, 3e6, 1e-6, 1e-12]
SUM = {"f": "sum", "h": "sum"}
HELMERT = {"f": "helmert", "h": "helmert"}
# formula, whether the cell f = c, h = q is empty, contrasts
MODELS: dict[str, tuple[str, bool, dict[str, str] | None]] = {
    "full": ("y ~ f*h + z + x + (1 | g)", False, None),
    "slopes": ("y ~ f*h*z + k + (z | g)", False, None),
    "numbers": ("y ~ f + x*z + (1 | g)", False, {"f": "sum"}),
    "squares": ("y ~ f*(z + I(z^2)) + k + (1 | g)", False, None),
    "no intercept": ("y ~ 0 + z + f + f:z + k + (1 | g)", False, None),
    "empty": ("y ~ f*h + z + (1 | g)", True, None),
    "empty, helmert": ("y ~ f*h + z + k + (1 | g)", True, HELMERT),
    "empty, slopes": ("y ~ f*h*z + (1 | g)", True, None),
    "empty, slopes, sum": ("y ~ f*h*z + (z | g)", True, SUM),
    "empty, no intercept": ("y ~ 0 + f*h + z + k:z + (1 | g)", True, None),
}


def trials(*, empty: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = 240
    data = pd.DataFrame(
        {
            "g": np.repeat(np.arange(24), 10),
            "f": rng.choice(list("abc"), n),
            "h": rng.choice(list("pq"), n),
            "z": rng.uniform(0.5, 2.5, n),
            "x": rng.normal(size=n),
        }
    )
    data["k"] = np.where(data["g"] % 3 == 0, "u", "v")
    effects = rng.normal(size=(24, 2))
    data["y"] = (
        (data["f"] == "b")
        + 0.3 * data["z"]
        + effects[data["g"], 0]
        + 0.3 * effects[data["g"], 1] * data["z"]
        + rng.normal(size=n)
    )
    return data[~((data["f"] == "c") & (data["h"] == "q"))] if empty else data


@lru_cache(maxsize=64)
def fitted(model: str, factor: float) -> mw.LmerResult:
    formula, empty, contrasts = MODELS[model]
    data = trials(empty=empty)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mw.lmer(formula, data.assign(z=factor * data["z"]), contrasts=contrasts)


def answer(table: pd.DataFrame, units: dict[str, float] | None = None) -> Answer:
    """The words of a table's rows and its numbers, those of columns named in ``units`` multiplied."""
    numbers = table.select_dtypes("number")
    words = table.drop(columns=numbers.columns).astype(str).agg(" ".join, axis=1).tolist()
    scale = [(units or {}).get(str(name), 1.0) for name in numbers.columns]
    return words, numbers.to_numpy(np.float64) * scale


def anova(type_: str, ddf: str = "satterthwaite") -> Callable[[mw.LmerResult, float], Answer]:
    return lambda fit, factor: answer(fit.anova(type=type_, ddf=ddf))


def new_rows(factor: float) -> pd.DataFrame:
    cells = [(f, h, k, z) for f in "abc" for h in "pq" for k in "uv" for z in (0.0, 1.0, 3.0)]
    rows = pd.DataFrame(cells, columns=["f", "h", "k", "z"])
    return rows.assign(z=factor * rows["z"], x=0.3, g=0)


def predicted(interval: str | None, *, random: bool) -> Callable[[mw.LmerResult, float], Answer]:
    return lambda fit, factor: answer(
        pd.DataFrame(fit.predict(new_rows(factor), random=random, interval=interval))
    )


def slopes(fit: mw.LmerResult, factor: float) -> Answer:
    units = dict.fromkeys(("estimate", "std_error", "conf_low", "conf_high"), factor)
    return answer(fit.emtrends("z", "f").frame, units)


def coefficients(fit: mw.LmerResult, factor: float) -> Answer:
    table = fit.tidy(conf_int=True)
    unit = np.array([factor ** ("z" in name) * factor ** ("I(z" in name) for name in table["term"]])
    for name in ("estimate", "std_error", "conf_low", "conf_high"):
        table[name] *= unit
    return answer(table)


def joint(fit: mw.LmerResult, factor: float) -> Answer:
    """All coefficients but the first."""
    return answer(fit.test(np.eye(len(fit.params))[1:], joint=True))


ASKED: dict[str, Callable[[mw.LmerResult, float], Answer]] = {
    "type I": anova("I"),
    "type II": anova("II"),
    "type III": anova("III"),
    "type III, Kenward-Roger": anova("III", "kenward-roger"),
    "type III, containment": anova("III", "containment"),
    "joint tests": lambda fit, factor: answer(fit.joint_tests()),
    "means": lambda fit, factor: answer(fit.emmeans("f").frame),
    "means, robust": lambda fit, factor: answer(fit.emmeans("f", robust="CR2").frame),
    "differences": lambda fit, factor: answer(fit.emmeans("f").contrast("revpairwise").frame),
    "slopes": slopes,
    "population": predicted("confidence", random=False),
    "groups": predicted(None, random=True),
    "new observations": predicted("prediction", random=False),
    "coefficients": coefficients,
    "joint test": joint,
    "inflation": lambda fit, factor: answer(fit.vif()),
    "R squared": lambda fit, factor: ([], np.array([fit.r2().marginal, fit.r2().conditional])),
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("factor", FACTORS)
def test_answers_do_not_depend_on_the_unit_of_a_covariate(factor: float, model: str, asked: str) -> None:
    words, wanted = ASKED[asked](fitted(model, 1.0), 1.0)
    our_words, ours = ASKED[asked](fitted(model, factor), factor)
    assert our_words == words
    unit = np.where(np.isfinite(wanted), np.abs(wanted), 0.0).max(axis=0)
    unit = np.where(unit > 0, unit, 1.0)
    # Missing numbers are missing in any unit.
    np.testing.assert_allclose(ours / unit, wanted / unit, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("factor", [1.0, *FACTORS])
@pytest.mark.parametrize("model", [name for name in MODELS if name.startswith("empty")])
def test_what_an_empty_cell_leaves_open(model: str, factor: float) -> None:
    """Means over or in the empty cell, and nothing else."""
    fit = fitted(model, factor)
    lost = fit.emmeans("f").frame.set_index("f")["estimate"].isna()
    assert lost.to_dict() == {"a": False, "b": False, "c": True}
    cells = fit.emmeans("f*h").frame
    open_cells = cells[cells["estimate"].isna()][["f", "h"]].to_numpy().tolist()
    assert open_cells == [["c", "q"]]
    rows = new_rows(factor)
    table = fit.predict(rows, random=False, interval="confidence")
    inside = (rows["f"] == "c") & (rows["h"] == "q")
    assert table["estimate"].isna().tolist() == inside.tolist()


# Additive in what is absent here: rounding must not make an interaction of it.
ADDITIVE = {
    "factors": ("y ~ f + h*m + (1 | g)", ["f", "h", "m", "h:m"]),
    "polynomial": ("y ~ f + ordered(m) + h + (1 | g)", ["f", "m", "h"]),
    "powers": ("y ~ f + h + m + poly(x, 3) + (1 | g)", ["f", "h", "m"]),
    "covariate": ("y ~ f*h + m*z + (1 | g)", ["f", "h", "m", "f:h"]),
}


@pytest.mark.parametrize("contrasts", ["treatment", "sum", "helmert", "poly"])
@pytest.mark.parametrize("factor", [1e9, 1.0, 1e-9])
@pytest.mark.parametrize("model", ADDITIVE)
def test_joint_tests_know_the_interactions_of_the_model(model: str, factor: float, contrasts: str) -> None:
    formula, terms = ADDITIVE[model]
    data = trials()
    data = data.assign(
        z=factor * data["z"], x=factor * data["x"], m=[f"m{i}" for i in np.arange(len(data)) % 6]
    )
    fit = mw.lmer(formula, data, contrasts={"f": contrasts, "h": contrasts})
    table = fit.joint_tests()
    assert table["term"].tolist() == terms
    wanted = {"f": 2, "h": 1, "m": 5, "h:m": 5, "f:h": 2}
    assert dict(zip(table["term"], table["num_df"], strict=True)) == {term: wanted[term] for term in terms}


@pytest.mark.parametrize("kind", ["treatment", "sum"])
def test_differences_may_be_estimable_where_means_are_not(kind: str) -> None:
    """Averaged over an empty cell no mean of k is determined; their difference is the coefficient of k."""
    data = trials(empty=True)
    fit = mw.lmer("y ~ k + f*h + (1 | g)", data, contrasts={"f": kind, "h": kind})
    means = fit.emmeans("k")
    assert means.frame["estimate"].isna().all()
    difference = means.contrast("revpairwise").frame.iloc[0]
    wanted = fit.tidy().set_index("term").loc["k[v]"]
    for name in ("estimate", "std_error", "df", "statistic", "p_value"):
        assert difference[name] == pytest.approx(wanted[name], rel=1e-9)
    # h is compared within f, and never in the empty cell.
    assert fit.emmeans("h").contrast().frame["estimate"].isna().all()


# ---- origins


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger", "containment", "between-within"])
@pytest.mark.parametrize("origin", [0.0, 200.0, 2000.0, 2e5])
def test_degrees_of_freedom_in_balanced_data_do_not_depend_on_the_origin(origin: float, ddf: str) -> None:
    """18 subjects have the same days: a t test of their 18 slopes, on 17 df."""
    data = mw.datasets.load_sleepstudy()
    slopes = [np.polyfit(rows["Days"], rows["Reaction"], 1)[0] for _, rows in data.groupby("Subject")]
    fit = mw.lmer("Reaction ~ Days + (Days | Subject)", data.assign(Days=data["Days"] + origin))
    row = fit.tidy(ddf=ddf).iloc[1]
    assert row["estimate"] == pytest.approx(np.mean(slopes), rel=1e-9)
    assert row["std_error"] == pytest.approx(np.std(slopes, ddof=1) / np.sqrt(18), rel=1e-6)
    # Between-within counts rows: 180 less 18 subjects and one slope.
    assert row["df"] == pytest.approx(161 if ddf == "between-within" else 17, rel=1e-6)


@pytest.mark.parametrize(("origin", "unit"), [(2000.0, 1.0), (2e5, 1.0), (0.0, 1e12), (0.0, 1e-12)])
def test_likelihood_ratios_do_not_depend_on_unit_and_origin(origin: float, unit: float) -> None:
    """Two variances and their covariance tested at once: the weights of the mixture need all three."""

    def p_values(data: pd.DataFrame) -> list[float]:
        small = mw.lmer("Reaction ~ Days + (1 | h)", data)
        large = mw.lmer("Reaction ~ Days + (1 | h) + (Days | Subject)", data)
        table = mw.anova(small, large)
        return [float(table["p_value"].iloc[1]), float(table["p_naive"].iloc[1])]

    data = mw.datasets.load_sleepstudy()
    # Few subjects and days, so that p is of ordinary size.
    data = data[data["Days"] < 4].assign(h=np.arange(72) % 6)
    data = data[data["Subject"].isin(data["Subject"].unique()[:5])]
    wanted = p_values(data)
    assert 1e-6 < wanted[0] < wanted[1]
    moved = p_values(data.assign(Days=(data["Days"] + origin) * unit))
    # The mixture is averaged over random directions, which turn with the origin: an error of 1e-3.
    np.testing.assert_allclose(moved, wanted, rtol=2e-3)


@pytest.mark.parametrize("unit", [1e9, 1e-9])
def test_nesting_of_models_is_seen_in_mixed_units(unit: float) -> None:
    data = mw.datasets.load_sleepstudy()
    data = data.assign(other=unit * data["Days"], h=np.arange(len(data)) % 6)
    small = mw.lmer("Reaction ~ Days + (Days | Subject)", data)
    large = mw.lmer("Reaction ~ Days + (other | Subject) + (1 | h)", data)
    same = mw.lmer("Reaction ~ Days + (Days | Subject) + (1 | h)", data)
    tables = [mw.anova(small, other) for other in (large, same)]
    np.testing.assert_allclose(tables[0]["p_value"].iloc[1], tables[1]["p_value"].iloc[1], rtol=1e-6)


@pytest.mark.parametrize("unit", [1e9, 1e-9])
def test_robust_joint_tests_take_rows_of_any_unit(unit: float) -> None:
    def table(factor: float) -> FloatArray:
        fit = fitted("full", factor)
        return np.asarray(fit.test("f[b], z", joint=True, robust="CR2").select_dtypes("number"), dtype=float)

    np.testing.assert_allclose(table(unit), table(1.0), rtol=1e-6)


@pytest.mark.parametrize("unit", [1e12, 1.0, 1e-12])
def test_slopes_in_products_of_numbers_of_any_size(unit: float) -> None:
    """The slope of x in x * z is b_x + b_xz mean(z), however large z is."""
    data = trials()
    fit = mw.lmer("y ~ x * z + (1 | g)", data.assign(z=unit * data["z"]))
    slope = fit.emtrends("x", "1").frame.iloc[0]
    wanted = fit.params["x"] + fit.params["x:z"] * unit * data["z"].mean()
    assert slope["estimate"] == pytest.approx(wanted, rel=1e-9)
    row = np.array([0, 1, 0, unit * data["z"].mean()])
    assert slope["std_error"] == pytest.approx(np.sqrt(row @ fit.cov_params().to_numpy() @ row), rel=1e-9)
