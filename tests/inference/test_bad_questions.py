"""What a person may ask of the fixed effects by mistake, through every door, and what they read then."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixwell as mw
from mixwell.errors import DataError, FormulaError, MixwellError, ModelError
from mixwell.inference.degrees_of_freedom import METHODS

FORMULA = "weight ~ Treatment * sex + Lsize + (1 | Litter)"


@cache
def fit_of(name: str) -> mw.LmerResult:
    data = mw.datasets.load_ratpups()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name == "ml":
            return mw.lmer(FORMULA, data, reml=False)
        if name == "empty cell":
            return mw.lmer(FORMULA, data[~((data["Treatment"] == "High") & (data["sex"] == "Male"))])
        if name == "additive":
            return mw.lmer("weight ~ Treatment + sex + (1 | Litter)", data)
        if name == "crossed":
            return mw.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", mw.datasets.load_penicillin())
        if name == "six groups":
            rng = np.random.default_rng(0)
            few = pd.DataFrame({"g": np.repeat(list("abcdef"), 5), "y": rng.normal(size=30)})
            few = few.assign(arm=(few["g"] == "a").astype(float), x=rng.normal(size=30))
            return mw.lmer("y ~ arm + bs(x, df=7) + (1 | g)", few)
        if name == "lone group":
            few = pd.DataFrame(
                {"y": np.random.default_rng(0).normal(size=30), "g": np.repeat(list("abcdef"), 5)}
            )
            return mw.lmer("y ~ arm + (1 | g)", few.assign(arm=(few["g"] == "a").astype(float)))
    return mw.lmer(FORMULA, data)


def new_row() -> pd.DataFrame:
    return pd.DataFrame({"Treatment": ["High"], "sex": ["Male"], "Lsize": [12.0]})


Ask = Callable[[mw.LmerResult, dict[str, Any]], object]

# Every door that takes ddf=, level=, robust=: (result, keywords) -> answer.
DOORS: dict[str, Ask] = {
    "summary": lambda f, k: f.summary(**k),
    "tidy": lambda f, k: f.tidy(**k),
    "conf_int": lambda f, k: f.conf_int(**k),
    "test": lambda f, k: f.test("Lsize", **k),
    "joint": lambda f, k: f.test("Lsize, sex[Female]", joint=True, **k),
    "anova": lambda f, k: f.anova(**k),
    "emmeans": lambda f, k: f.emmeans("sex", **k),
    "emtrends": lambda f, k: f.emtrends("Lsize", "sex", **k),
    "joint_tests": lambda f, k: f.joint_tests(**k),
    "predict": lambda f, k: f.predict(new_row(), random=False, interval="confidence", **k),
    "table": lambda f, k: f.table(**k),
}
ROBUST = [name for name in DOORS if name not in ("predict", "table")]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("ddf", ["welch", "KR", None, ["normal"]])
def test_a_method_that_does_not_exist(door: str, ddf: object) -> None:
    with pytest.raises(MixwellError, match=r"There is no ddf=.*'satterthwaite', 'kenward-roger'"):
        DOORS[door](fit_of("reml"), {"ddf": ddf})


@pytest.mark.parametrize("door", DOORS)
def test_kenward_roger_of_a_fit_by_ml(door: str) -> None:
    with pytest.raises(ModelError, match="reml=True"):
        DOORS[door](fit_of("ml"), {"ddf": "kenward-roger"})


@pytest.mark.parametrize("door", ["tidy", "conf_int", "test", "emmeans", "emtrends", "predict", "table"])
@pytest.mark.parametrize("level", [0, 1, 95, -0.1, np.nan, "0.9"])
def test_a_level_that_is_none(door: str, level: object) -> None:
    with pytest.raises(MixwellError, match="between 0 and 1"):
        DOORS[door](fit_of("reml"), {"level": level} | ({"conf_int": True} if door == "tidy" else {}))


@pytest.mark.parametrize("door", ROBUST)
@pytest.mark.parametrize(
    ("model", "keywords", "words"),
    [
        ("reml", {"robust": "HC3"}, "'CR0', 'CR1', 'CR2'"),
        ("reml", {"robust": True}, "'CR0', 'CR1', 'CR2'"),
        ("reml", {"cluster": "Litter"}, "give robust='CR2'"),
        ("reml", {"robust": "CR2", "cluster": "liter"}, "did you mean 'Litter'"),
        ("reml", {"robust": "CR2", "cluster": [1, 2]}, "one per row used"),
    ],
)
def test_robust_standard_errors_that_are_not_there(
    door: str, model: str, keywords: dict[str, Any], words: str
) -> None:
    with pytest.raises(MixwellError, match=words):
        DOORS[door](fit_of(model), keywords)


QUESTIONS: list[tuple[str, Callable[[mw.LmerResult], object], type[MixwellError], str]] = [
    # hypotheses
    ("reml", lambda f: f.test("Lsiz"), FormulaError, "did you mean 'Lsize'"),
    ("reml", lambda f: f.test("zzz"), FormulaError, r"there are '\(Intercept\)', .*'Lsize'"),
    ("reml", lambda f: f.test("Lsize +"), FormulaError, r"missing \(at its end\)"),
    ("reml", lambda f: f.test(" "), FormulaError, "is empty"),
    ("reml", lambda f: f.test(None), FormulaError, "is empty"),
    ("reml", lambda f: f.test(["Lsize", 3]), FormulaError, "a list of texts, or a matrix"),
    ("reml", lambda f: f.test(np.zeros((0, 7))), ModelError, "is empty"),
    ("reml", lambda f: f.test(np.eye(3)), ModelError, "7 fixed effects"),
    ("reml", lambda f: f.test(np.zeros((2, 2, 7))), ModelError, "7 fixed effects"),
    ("reml", lambda f: f.test([[np.inf] * 7]), ModelError, "infinite"),
    ("reml", lambda f: f.test([[0] * 7]), ModelError, "nothing to test"),
    ("reml", lambda f: f.test("Lsize = 0, Lsize = 1", joint=True), ModelError, "'Lsize = 1'.*contradicts"),
    (
        "reml",
        lambda f: f.test([[0, 1, 1, 0, 0, 0, 0], [0, 2, 2, 0, 0, 0, 0]], joint=True),
        ModelError,
        "row 2",
    ),
    ("empty cell", lambda f: f.test("Treatment[High]:sex[Female]"), FormulaError, "was dropped"),
    # tables
    ("reml", lambda f: f.anova(type="IV"), MixwellError, "'I', 'II' and 'III'"),
    ("reml", lambda f: f.anova(type=3), MixwellError, "'I', 'II' and 'III'"),
    ("reml", lambda f: f.conf_int(parameters="sigma"), DataError, "no Wald interval"),
    ("reml", lambda f: f.conf_int(parameters=["Lsize", "size"]), DataError, "'size' is not a parameter"),
    ("reml", lambda f: f.conf_int(method="profile", robust="CR2"), MixwellError, "method='wald'"),
    ("reml", lambda f: f.tidy("ran_pars", robust="CR2"), MixwellError, "effects='fixed'"),
    # designs that do not bear the question
    ("crossed", lambda f: f.tidy(robust="CR2"), ModelError, "Crossed random effects join all rows"),
    ("crossed", lambda f: f.tidy(ddf="between-within"), ModelError, "plate and sample link all rows"),
    ("crossed", lambda f: f.joint_tests(), DataError, "no factor with several levels"),
    ("crossed", lambda f: f.emmeans("plate"), DataError, "not a variable of the fixed part"),
    ("six groups", lambda f: f.anova(robust="CR2"), ModelError, "6 clusters of g are too few .* of 7"),
    ("lone group", lambda f: f.test("(Intercept) + arm", robust="CR0"), ModelError, "one cluster alone"),
    # means
    ("reml", lambda f: f.emmeans("Treat"), DataError, "did you mean 'Treatment'"),
    ("reml", lambda f: f.emmeans(None), MixwellError, "Marginal means of what"),
    ("reml", lambda f: f.emmeans(3), MixwellError, "Marginal means of what"),
    ("reml", lambda f: f.emmeans("sex", by="nope"), DataError, "not a variable of the fixed part"),
    ("reml", lambda f: f.emmeans("sex", at={"Lsize": []}), DataError, "has no values"),
    ("reml", lambda f: f.emmeans("sex", at={"Lsize": np.nan}), DataError, "missing or infinite"),
    ("reml", lambda f: f.emmeans("sex", at=[1]), DataError, "maps variables to values"),
    ("reml", lambda f: f.emtrends("Lsiz", "sex"), DataError, "did you mean 'Lsize'"),
    ("reml", lambda f: f.emtrends("sex", "Treatment"), DataError, "no slopes along 'sex'"),
    ("reml", lambda f: f.emmeans("sex").contrast({}), MixwellError, "is empty"),
    (
        "reml",
        lambda f: f.emmeans("sex").contrast({"a": ["x", "y"]}),
        MixwellError,
        "a number for each of the 2",
    ),
    (
        "reml",
        lambda f: f.emmeans("sex").contrast({"a": [1, -1, 0]}),
        MixwellError,
        "a number for each of the 2",
    ),
    ("reml", lambda f: f.emmeans("sex").contrast({"a": [0, 0]}), MixwellError, "'a' is zero"),
    ("reml", lambda f: f.emmeans("sex").contrast("trt.vs.ctrl", ref=0.5), MixwellError, "ref=0.5"),
    ("reml", lambda f: f.emmeans("sex").contrast(null="a"), MixwellError, "null is a number"),
    (
        "additive",
        lambda f: f.emmeans("Treatment * sex").contrast(interaction="pairwise"),
        MixwellError,
        "has no term that could",
    ),
]


@pytest.mark.parametrize(("model", "ask", "error", "words"), QUESTIONS)
def test_what_has_no_answer_is_said(
    model: str, ask: Callable[[mw.LmerResult], object], error: type[MixwellError], words: str
) -> None:
    with pytest.raises(error, match=words):
        ask(fit_of(model))


# ---- models without fixed effects, and too few groups


@pytest.mark.parametrize("ddf", METHODS)
def test_a_model_without_fixed_effects_has_empty_tables(ddf: str) -> None:
    fit = mw.lmer("Yield ~ 0 + (1 | Batch)", mw.datasets.load_dyestuff())
    assert len(fit.tidy(ddf=ddf, conf_int=True)) == len(fit.anova(ddf=ddf)) == len(fit.conf_int(ddf=ddf)) == 0
    assert "Yield" in str(fit.summary(ddf=ddf))
    with pytest.raises(ModelError, match="no fixed effects"):
        fit.emmeans("1", ddf=ddf)
    with pytest.raises(FormulaError, match="there are none"):
        fit.test("a", ddf=ddf)


def test_kenward_roger_says_where_its_moments_are_those_of_no_f() -> None:
    """Three groups, and three hypotheses that vary between them: no F distribution has these moments."""
    rng = np.random.default_rng(0)
    group, kind = np.repeat(np.arange(3), 20), np.tile(np.arange(3), 20)
    y = rng.normal(size=60) + rng.normal(size=3)[group] + rng.normal(size=(3, 3))[group, kind]
    fit = mw.lmer("y ~ a + (a | g)", {"y": y, "g": group.astype(str), "a": np.array(["p", "q", "r"])[kind]})
    with pytest.raises(ModelError, match=r"breaks down.*one by one"):
        fit.test(np.eye(3), joint=True, ddf="kenward-roger")
    assert np.isfinite(fit.test(np.eye(3), ddf="kenward-roger")["p_value"]).all()
    assert np.isfinite(fit.test(np.eye(3), joint=True)["p_value"]).all()


# ---- tails


def test_tiny_p_values_are_not_zero_in_any_table() -> None:
    """Effects of hundreds of standard errors: p-values of about 1e-200 and less, the same in every table."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.repeat(np.arange(40), 10), "arm": np.tile(["a", "b"], 200)})
    data["y"] = 12.0 * (data["arm"] == "b") + rng.normal(size=40)[data["g"]] + rng.normal(size=400)
    fit = mw.lmer("y ~ arm + (1 | g)", data.astype({"g": str}))
    p = float(fit.pvalues["arm[b]"])
    assert 0 < p < 1e-200
    pair = fit.emmeans("arm").contrast()
    found = [
        fit.tidy()["p_value"][1],
        fit.test("arm[b]")["p_value"][0],
        fit.test("arm[b]", joint=True)["p_value"][0],
        fit.anova()["p_value"][0],
        fit.joint_tests()["p_value"][0],
        pair.frame["p_value"][0],
    ]
    np.testing.assert_allclose(found, p, rtol=1e-6)
    for adjust in ("tukey", "mvt", "scheffe", "sidak", "bonferroni", "holm", "hochberg", "hommel", "fdr"):
        assert fit.emmeans("arm").contrast(adjust=adjust).frame["p_value"][0] == pytest.approx(p, rel=1e-6)
    for text in (str(fit.summary()), repr(pair), str(fit.table())):
        assert "0.0000 " not in text
    normal = fit.tidy(ddf="normal")["p_value"][1]
    assert 0 <= normal < p


# ---- the mean of all


def test_the_mean_of_all_is_the_mean_of_the_margins() -> None:
    fit = fit_of("reml")
    overall = fit.emmeans("1").frame
    assert overall.iloc[0, 0] == "overall"
    assert overall["estimate"][0] == pytest.approx(
        fit.emmeans("Treatment").frame["estimate"].mean(), rel=1e-12
    )
