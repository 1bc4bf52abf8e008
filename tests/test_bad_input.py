"""What a person may hand to :func:`mixwell.lmer` by mistake, and what they read then."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixwell as mw
from mixwell.errors import (
    DataError,
    FormulaError,
    MixwellError,
    ModelError,
    RankDeficiencyWarning,
    SingularFitWarning,
)


def pups() -> pd.DataFrame:
    """Eight litters of five."""
    rng = np.random.default_rng(0)
    litter = np.repeat(np.arange(8), 5)
    data = pd.DataFrame(
        {
            "weight": rng.normal(6, 1, 40) + rng.normal(size=8)[litter],
            "sex": np.tile(["F", "M"], 20),
            "litter": [f"L{i}" for i in litter],
            "dose": np.tile([0.0, 1, 2, 3, 4], 8),
            "w": rng.uniform(0.5, 2, 40),
        }
    )
    return data.assign(
        row=np.arange(40),
        one="x",
        flat=2.0,
        zero=0.0,
        mean=data.groupby("litter")["weight"].transform("mean"),
        twice=2 * data["dose"] + 1,
        inf=data["dose"].where(data["dose"] < 4, np.inf),
        gone=np.nan,
        when=pd.date_range("2024-01-01", periods=40),
        age=pd.to_timedelta(np.arange(40), unit="D"),
        heavy=data["weight"] > 6,
        label=data["weight"].round(1).astype(str),
        complex=data["weight"] + 1j,
        lists=[[1]] * 40,
    )


GOOD = "weight ~ sex + (1 | litter)"

FORMULAS: list[tuple[Any, type[MixwellError], str]] = [
    # names
    (
        "weigth ~ sex + (1 | litter)",
        FormulaError,
        "'weigth' is not a column of the data; did you mean 'weight'?",
    ),
    ("weight ~ sx + (1 | litter)", FormulaError, "'sx' is not a column of the data; did you mean 'sex'?"),
    ("weight ~ Sex + (1 | litter)", FormulaError, "'Sex' is not a column of the data; did you mean 'sex'?"),
    (
        "weight ~ sex + (1 | liter)",
        FormulaError,
        "'liter' is not a column of the data; did you mean 'litter'",
    ),
    ("weight ~ log(dsoe) + (1 | litter)", FormulaError, "did you mean 'dose'?"),
    ("weight ~ lgo(w) + (1 | litter)", FormulaError, "'lgo'"),
    # grouping
    (
        "weight ~ sex + (1 | row)",
        ModelError,
        "The grouping factor 'row' has 40 levels in 40 rows, one level per row: its variance cannot be told "
        "from the residual's. Group by what repeats.",
    ),
    (
        "weight ~ sex + (1 | one)",
        ModelError,
        "The grouping factor 'one' has only one level, 'x', in the 40 rows",
    ),
    ("weight ~ sex + (1 | gone)", DataError, "All values of 'gone' are missing."),
    ("weight ~ sex + (1 | 1)", FormulaError, "'1' has no meaning on the grouping side of (1 | 1)"),
    (
        "weight ~ sex + (sex * dose | litter:sex)",
        ModelError,
        "random effects (16 levels x 4 columns) for 40 rows",
    ),
    # random terms
    ("weight ~ dose + (flat | litter)", ModelError, "'flat' is constant, the same as the intercept"),
    ("weight ~ dose + (0 + zero | litter)", ModelError, "'zero' is zero in every row"),
    ("weight ~ (dose + twice | litter)", ModelError, "'twice' is a combination of '(Intercept)', 'dose'"),
    ("weight ~ (1 | litter) + (1 | litter)", ModelError, "both hold '(Intercept)' for 'litter'"),
    ("weight ~ (1 | litter) + (dose | litter)", ModelError, "An intercept is implied unless 0 + is written."),
    # responses
    (
        "flat ~ sex + (1 | litter)",
        ModelError,
        "The response 'flat' is constant: it is 2 in all 40 rows used.",
    ),
    ("inf ~ sex + (1 | litter)", DataError, "inf is infinite in 8 rows, the first of them row 5"),
    ("gone ~ sex + (1 | litter)", DataError, "All values of 'gone' are missing."),
    ("heavy ~ sex + (1 | litter)", DataError, "boolean: that asks for a logistic mixed model"),
    ("label ~ sex + (1 | litter)", DataError, "is text or categorical; a linear model needs numbers"),
    ("when ~ sex + (1 | litter)", DataError, "'when' holds dates or times"),
    ("weight ~ weight + (1 | litter)", FormulaError, "also stands on the right side"),
    ("weight ~ log(weight) + (1 | litter)", FormulaError, "in log(weight); remove it"),
    ("weight ~ sex + (weight | litter)", FormulaError, "also stands on the right side"),
    ("weight ~ sex + (1 | weight)", FormulaError, "also stands on the right side"),
    ("twice ~ dose + (1 | litter)", ModelError, "The fixed effects reproduce the response 'twice' exactly"),
    (
        "mean ~ 1 + (1 | litter)",
        ModelError,
        "The fixed effects and (1 | litter) together reproduce the response 'mean' exactly, so no residual "
        "variance is left to estimate. Check that the response is not an average or total repeated in all",
    ),
    ("mean ~ dose + (dose | litter)", ModelError, "together reproduce the response 'mean' exactly"),
    # predictors
    ("weight ~ inf + (1 | litter)", DataError, "inf is infinite in 8 rows, the first of them row 5"),
    ("weight ~ log(dose) + (1 | litter)", DataError, "log(dose) is infinite in 8 rows"),
    ("weight ~ gone + (1 | litter)", DataError, "All values of 'gone' are missing."),
    ("weight ~ when + (1 | litter)", DataError, "'when' holds dates or times (datetime64"),
    ("weight ~ age + (1 | litter)", DataError, "'age' holds dates or times (timedelta64"),
    ("weight ~ complex + (1 | litter)", DataError, "'complex' has type complex128, which a model cannot use"),
    ("weight ~ lists + (1 | litter)", DataError, "'lists' mixes types"),
    ("weight ~ one + (1 | litter)", ModelError, "'one' has only one level"),
    # text that is no formula
    ("hello", FormulaError, "'hello' has no ~; write response ~ terms + (1 | group)."),
    ("", FormulaError, "'' has no ~; write response ~ terms + (1 | group)."),
    ("weight = sex + (1 | litter)", FormulaError, "has no ~"),
    ("~ sex + (1 | litter)", FormulaError, "has no response before the ~"),
    ("weight ~", FormulaError, "has no random effects: add at least one term such as (1 | group)"),
    ("weight ~ sex", FormulaError, "For a model without any, use least squares"),
    ("weight ~~ sex + (1 | litter)", FormulaError, "more than one ~"),
    ("weight ~ sex + (1 | litter", FormulaError, "')' is missing"),
    ("weight ~ sex + (1 | litter))", FormulaError, "closes nothing: check the parentheses"),
    ("weight ~ sex + 1 | litter", FormulaError, "in parentheses: (x | group)"),
    ("weight ~ sex + (1 | )", FormulaError, "has no grouping factor after the bar"),
    ("weight ~ sex + ( | litter)", FormulaError, "has no columns before the bar"),
    ("weight ~ sex ++ (1 | litter)", FormulaError, "cannot be read"),
    ("weight ~ sex $ (1 | litter)", FormulaError, "'$' at position"),
    ("weight ~ . + (1 | litter)", FormulaError, "The dot in"),
    (None, FormulaError, "The formula is a NoneType; give it as text"),
    (b"weight ~ 1", FormulaError, "give it as text"),
]


@pytest.mark.parametrize(("formula", "error", "message"), FORMULAS)
def test_formulas(formula: Any, error: type[MixwellError], message: str) -> None:
    with pytest.raises(MixwellError) as raised:
        mw.lmer(formula, pups())
    assert message in str(raised.value)
    assert type(raised.value) is error


DATA = pups()
ARGUMENTS: list[tuple[dict[str, Any], type[MixwellError], str]] = [
    ({"weights": "ww"}, DataError, "weights='ww' is not a column of the data; did you mean 'w'?"),
    ({"weights": -DATA["w"]}, DataError, "weights must be positive; 40 of 40 are not"),
    (
        {"weights": DATA["w"].where(DATA["row"] != 7, 0.0)},
        DataError,
        "1 of 40 are not, the first of them 0 in row 8",
    ),
    ({"weights": DATA["w"].where(DATA["row"] != 7, np.inf)}, DataError, "weights is infinite in 1 row"),
    ({"weights": np.ones(39)}, DataError, "weights has 39 values for 40 rows of data."),
    ({"weights": np.ones((40, 2))}, DataError, "2 dimensions; give one value per row"),
    ({"weights": "sex"}, DataError, "weights must be numbers; 'sex' is not numeric."),
    ({"weights": 2}, DataError, "weights is 2; give the name of a column or one value per row."),
    ({"offset": "dos"}, DataError, "did you mean 'dose'"),
    ({"offset": [1.0, 2.0]}, DataError, "offset has 2 values for 40 rows of data."),
    ({"offset": ["a"] * 40}, DataError, "offset must be numbers"),
    (
        {"contrasts": "sum"},
        FormulaError,
        "contrasts is 'sum'; give a dict of factors and their contrasts, {\"sex",
    ),
    ({"contrasts": {"sex": "summ"}}, FormulaError, "'summ' is none of 'treatment', 'sum', 'helmert'"),
    ({"contrasts": {"sx": "sum"}}, FormulaError, "did you mean 'sex'?"),
    ({"contrasts": {"sex": np.eye(2)}}, FormulaError, "2 x 2; its 2 levels need 2 x 1"),
    ({"na_action": "omit"}, DataError, "na_action is 'omit'; it is 'drop' or 'raise'."),
    ({"reml": "yes"}, DataError, "reml must be True or False, not 'yes'."),
    ({"reml": None}, DataError, "reml must be True or False, not None"),
    ({"control": {"starts": 5}}, DataError, "give mixwell.Control(...), for example Control(starts=50)"),
    ({"start": [1.0, 0.0]}, DataError, "start must hold the 1 covariance parameters of the model"),
    ({"start": ["a"]}, DataError, "start must be numbers"),
    ({"start": [np.nan]}, DataError, "start must be finite; it is [nan]."),
]


@pytest.mark.parametrize(("arguments", "error", "message"), ARGUMENTS)
def test_arguments(arguments: dict[str, Any], error: type[MixwellError], message: str) -> None:
    with pytest.raises(MixwellError) as raised:
        mw.lmer(GOOD, pups(), **arguments)
    assert message in str(raised.value)
    assert type(raised.value) is error


@pytest.mark.parametrize(
    "wrong", [{"max_evaluations": 0}, {"gap_tolerance": -1.0}, {"gap_tolerance": float("nan")}, {"starts": 0}]
)
def test_limits_of_the_search(wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="must be positive"):
        mw.Control(**wrong)


FRAMES: list[tuple[str, Any, type[MixwellError], str]] = [
    ("no rows", pups().iloc[:0], DataError, "The data have no rows."),
    ("nothing", {}, DataError, "The data have no rows."),
    ("one row", pups().iloc[:1], ModelError, "only one row is complete"),
    (
        "two rows of a group",
        pups().iloc[:2],
        ModelError,
        "The factor 'sex' has 2 levels in 2 rows, one per row: its columns reproduce any response.",
    ),
    (
        "two rows of two groups",
        pups().iloc[[0, 5]],
        ModelError,
        "The factor 'sex' has 2 levels in 2 rows, one per row: its columns reproduce any response.",
    ),
    ("three rows", pups().iloc[[0, 1, 5]], ModelError, "there are fewer effects than rows"),
    (
        "a name twice",
        pd.concat([pups(), pups()[["sex"]]], axis=1),
        DataError,
        "2 columns named 'sex'; rename or drop",
    ),
    (
        "lengths",
        {"weight": [1.0, 2.0, 4.0], "sex": ["F", "M"], "litter": ["a", "b", "b"]},
        DataError,
        "The columns differ in length: 'weight' has 3 rows, 'sex' has 2.",
    ),
    (
        "single values",
        {"weight": 1, "sex": "F", "litter": "a"},
        DataError,
        "is a int, not an array of values",
    ),
    (
        "no row complete",
        pups().assign(
            weight=lambda d: d["weight"].where(d["row"] % 2 == 0),
            dose=lambda d: d["dose"].where(d["row"] % 2 == 1),
        ),
        DataError,
        "No row is complete: every row misses at least one of weight, dose",
    ),
    (
        "an array",
        np.ones((3, 3)),
        DataError,
        "The data are a ndarray; give a pandas, polars or pyarrow data frame",
    ),
    ("nothing at all", None, DataError, "The data are a NoneType; give"),
    ("a file's name", "pups.csv", DataError, "The data are a str; give"),
    ("a column", pups()["weight"], DataError, "The data are a Series; give"),
]


@pytest.mark.parametrize(("name", "data", "error", "message"), FRAMES)
def test_frames(name: str, data: Any, error: type[MixwellError], message: str) -> None:
    formula = "weight ~ sex + dose + (1 | litter)" if name == "no row complete" else GOOD
    with pytest.raises(MixwellError) as raised:
        mw.lmer(formula, data)
    assert message in str(raised.value)
    assert type(raised.value) is error


@pytest.mark.parametrize(
    ("formula", "dropped", "kept"),
    [
        ("weight ~ dose + twice + (1 | litter)", ["twice"], ["(Intercept)", "dose"]),
        ("weight ~ twice + dose + (1 | litter)", ["dose"], ["(Intercept)", "twice"]),
        ("weight ~ flat + dose + (1 | litter)", ["flat"], ["(Intercept)", "dose"]),
        ("weight ~ zero + dose + (1 | litter)", ["zero"], ["(Intercept)", "dose"]),
        (
            "weight ~ dose + I(dose - 3) + twice + (1 | litter)",
            ["I(dose - 3)", "twice"],
            ["(Intercept)", "dose"],
        ),
    ],
)
def test_aliased_columns_are_named_and_the_last_ones_dropped(
    formula: str, dropped: list[str], kept: list[str]
) -> None:
    with pytest.warns(RankDeficiencyWarning) as caught:
        fit = mw.lmer(formula, pups())
    assert list(fit.params.index) == kept
    message = str(caught[0].message)
    assert f"dropped {len(dropped)} column" in message
    for name in dropped:
        assert name in message
    plain = mw.lmer(f"weight ~ {kept[1]} + (1 | litter)", pups())
    assert fit.criterion == pytest.approx(plain.criterion, abs=1e-9)


def test_errors_are_also_python_s_own_kinds() -> None:
    for kind in (FormulaError, DataError, ModelError):
        assert issubclass(kind, ValueError)
        assert issubclass(kind, MixwellError)


@pytest.mark.parametrize("formula", [f for f, _, _ in FORMULAS if isinstance(f, str) and "~" in f])
def test_messages_are_sentences_that_a_person_can_read(formula: str) -> None:
    with pytest.raises(MixwellError) as raised:
        mw.lmer(formula, pups())
    message = str(raised.value)
    assert message[-1] in ".?)"
    assert raised.value.__cause__ is None
    for word in ("Traceback", "object at 0x", "ndarray", "kernel", "narwhals", "formulaic", "NaN"):
        assert word not in message


def test_a_good_call_says_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mw.lmer("weight ~ sex + dose + (1 | litter)", pups())


def test_singular_fits_name_the_term() -> None:
    data = pups().assign(weight=lambda d: d["weight"] - d["mean"])
    with pytest.warns(SingularFitWarning, match=r"\(1 \| litter\)"):
        mw.lmer(GOOD, data)


def test_new_levels_and_columns_in_prediction() -> None:
    fit = mw.lmer(GOOD, pups())
    new = pups().iloc[:2].assign(litter=["L1", "unheard"])
    with pytest.raises(mw.errors.NewLevelsError, match="unheard"):
        fit.predict(new)
    with pytest.raises(DataError, match="unheard"):
        fit.predict(pups().iloc[:2].assign(sex=["F", "unheard"]))
    with pytest.raises(MixwellError, match="sex"):
        fit.predict(pups().drop(columns="sex"))


def test_responses_of_a_refit() -> None:
    fit = mw.lmer(GOOD, pups())
    for wrong in (np.ones(39), np.ones((40, 2)), np.full(40, np.nan), ["a"] * 40):
        with pytest.raises(MixwellError):
            fit.refit(wrong)
    with pytest.raises(ModelError, match="together reproduce"):
        fit.refit(pups()["mean"].to_numpy())
