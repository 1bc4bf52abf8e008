"""What is asked with a word, a level, a count or a seed that is none, and what is read then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import mixwell as mw
from mixwell.arguments import check_count, check_level, check_one_of

DATA = mw.datasets.load_sleepstudy()
FIT: Any = mw.lmer("Reaction ~ Days + (Days | Subject)", DATA)

# What is asked -> a part of the answer.
ASKED: dict[str, tuple[Callable[[], object], str]] = {
    "conf_int method": (lambda: FIT.conf_int(method="x"), "method='x'; there are 'wald', 'profile', 'boot"),
    "conf_int type": (lambda: FIT.conf_int(method="bootstrap", type="x"), "no type='x'; there are 'percen"),
    "bootstrap kind": (
        lambda: FIT.bootstrap(kind="x"),
        "no kind='x'; there are 'parametric', 'residual'",
    ),
    "bootstrap ci": (lambda: FIT.bootstrap(ci="x"), "no ci='x'; there are 'percentile', 'basic', 'bca'"),
    "bootstrap groups": (lambda: FIT.bootstrap(n=2, groups="x"), "not a grouping factor; there are Subject"),
    "bootstrap n": (lambda: FIT.bootstrap(n=1), "must be a whole number of at least 2, not 1"),
    "icc interval": (lambda: FIT.icc(interval="x"), "no interval='x'; there are 'profile', 'bootstrap'"),
    "r2 interval": (lambda: FIT.r2(interval="x"), "no interval='x'; there is 'bootstrap'"),
    "ranova method": (
        lambda: FIT.ranova(method="x"),
        "method='x'; there are 'mixture', 'bootstrap'",
    ),
    "ranova n": (lambda: FIT.ranova(method="bootstrap", n=0), "must be a positive whole number, not 0"),
    "emmeans type": (lambda: FIT.emmeans("Days", type="x"), "no type='x'; there are 'link', 'response'"),
    "new levels": (lambda: FIT.predict(DATA, new_levels="x"), "new_levels='x'; there are 'error', 'zero'"),
    "robust": (lambda: FIT.tidy(robust="x"), "no robust='x'; there are 'CR0', 'CR1', 'CR2'"),
    "influence by": (lambda: FIT.influence("x"), "by is one of 'row', 'Subject'."),
    "profile level": (lambda: FIT.profile(parameters="sigma").conf_int("x"), "between 0 and 1, like 0.95"),
    "report lang": (lambda: FIT.report(lang="x"), "no lang='x'; there are 'en', 'zh'"),
    "table fmt": (
        lambda: FIT.table("x"),
        "no fmt='x'; there are 'text', 'html', 'latex'",
    ),
    "table of text": (lambda: mw.table("x"), "takes results of lmer"),  # type: ignore[arg-type]
    "table of none": (lambda: mw.table([]), "takes 1 or more fitted models; 0 given"),
    "picture lang": (lambda: FIT.plot.qq(lang="x"), "no lang='x'; there are 'en', 'zh'"),
    "picture kind": (lambda: FIT.plot.modes(kind="x"), "no kind='x'; there are 'density', 'box'"),
    "picture most": (lambda: FIT.plot.trajectories(most="x"), "must be a positive whole number, not 'x'"),
    "outliers alpha": (lambda: FIT.diagnostics.outliers(alpha="x"), "alpha='x'; it lies above 0"),
    "residuals seed": (lambda: FIT.diagnostics.quantile_residuals(seed="x"), "seed must be a whole number"),
    "power alpha": (lambda: mw.power(FIT, {"Days": 1.0}, alpha=5), "alpha must lie between 0 and 1"),
    "power n_sims": (lambda: mw.power(FIT, {"Days": 1.0}, n_sims=0), "n_sims, simulations per size, must be"),
    "describe level": (lambda: mw.describe(DATA, level="x"), "between 0 and 1"),  # type: ignore[arg-type]
    "screen level": (
        lambda: mw.icc_screen(DATA, "Reaction", "Subject", level="x"),  # type: ignore[arg-type]
        "between 0 and 1",
    ),
    "period": (lambda: mw.cyclic([1, 2], "x"), "period is 'x'; it must be"),  # type: ignore[arg-type]
    "statistic": (
        lambda: mw.cumulative(DATA["Days"], DATA["Subject"], statistic="x"),  # type: ignore[arg-type]
        "statistic='x'; there are 'sum', 'mean'",
    ),
}


@pytest.mark.parametrize("asked", ASKED)
def test_arguments_that_are_none(asked: str) -> None:
    ask, answer = ASKED[asked]
    with pytest.raises(mw.DataError) as found:
        ask()
    assert answer in str(found.value)


@pytest.mark.parametrize("value", ["x", None, ["a"], 1])
def test_a_word_is_one_of_those_known(value: object) -> None:
    check_one_of("kind", "a", ("a", "b"))
    with pytest.raises(mw.DataError, match="there are 'a', 'b'"):
        check_one_of("kind", value, ("a", "b"))


@pytest.mark.parametrize("value", [0, 1, 95, -0.1, float("nan"), "0.9", None, True])
def test_a_level_lies_between_0_and_1(value: object) -> None:
    check_level(0.5)
    with pytest.raises(mw.DataError, match="between 0 and 1"):
        check_level(value)


@pytest.mark.parametrize("value", [1, 2.0, True, "3", None, float("nan")])
def test_a_count_is_whole_and_large_enough(value: object) -> None:
    check_count("n", 2, 2)
    with pytest.raises(mw.DataError, match="at least 2"):
        check_count("n", value, 2)
