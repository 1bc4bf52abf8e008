"""Marginal means and contrasts with the response carried back: against R's emmeans and in closed form."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixwell as mw
from reference_cases import REFERENCE, cases

R = json.loads((REFERENCE / "responses.json").read_text(encoding="utf-8"))["cases"]


def check(table: pd.DataFrame, wanted: list[dict[str, Any]]) -> None:
    for ours, theirs in (
        ("estimate", "estimate"),
        ("std_error", "SE"),
        ("conf_low", "lower"),
        ("conf_high", "upper"),
    ):
        np.testing.assert_allclose(table[ours], [row[theirs] for row in wanted], rtol=1e-6)


@pytest.mark.parametrize("case", R, ids=lambda case: case["response"])
def test_means_on_the_scale_of_the_data_match_r(case: dict[str, Any]) -> None:
    data = cases()["ratpup_full_reml"].frame
    fit = mw.lmer(f"{case['response']} ~ Treatment * sex + Lsize + (1 | Litter)", data)
    means = fit.emmeans("Treatment", ddf="kenward-roger", type="response")
    check(means.frame, case["means"])
    if case.get("ratios"):
        ratios = means.contrast("pairwise", adjust=None).frame
        check(ratios, case["ratios"])
        assert ratios["contrast"].tolist() == [row["contrast"] for row in case["ratios"]]


def counts() -> pd.DataFrame:
    rng = np.random.default_rng(9)
    data = pd.DataFrame({"site": np.repeat(np.arange(12), 20), "trt": np.tile(["ctl", "graz"], 120)})
    mean = np.exp(0.9 + 0.5 * (data["trt"] == "graz") + rng.normal(0, 0.3, 12)[data["site"]])
    return data.assign(n=rng.poisson(mean) + 0.5)


@cache
def of(response: str) -> mw.LmerResult:
    return mw.lmer(f"{response} ~ trt + (1 | site)", counts())


# The response, and back from it; with contrasts of what, if they can be carried back: of the estimates of
# two levels.
Back = Callable[[np.ndarray], np.ndarray]
VERBS: list[tuple[str, Back, Callable[[float, float], float] | None]] = [
    ("log(n)", np.exp, lambda a, b: np.exp(a - b)),
    ("log(n + 1)", lambda m: np.exp(m) - 1, lambda a, b: np.exp(a - b)),
    ("log1p(n)", np.expm1, lambda a, b: np.exp(a - b)),
    ("I(log(n))", np.exp, lambda a, b: np.exp(a - b)),
    ("np.log(n)", np.exp, lambda a, b: np.exp(a - b)),
    ("log(n, 10)", lambda m: 10.0**m, lambda a, b: 10.0 ** (a - b)),
    ("log2(n)", lambda m: 2.0**m, lambda a, b: 2.0 ** (a - b)),
    ("2 * log(n / 3)", lambda m: 3 * np.exp(m / 2), lambda a, b: np.exp((a - b) / 2)),
    ("-log(n)", lambda m: np.exp(-m), lambda a, b: np.exp(b - a)),
    ("log(n) + 4", lambda m: np.exp(m - 4), lambda a, b: np.exp(a - b)),
    ("sqrt(n)", np.square, None),
    ("sqrt(n + 0.5)", lambda m: m**2 - 0.5, None),
    ("1 / n", lambda m: 1 / m, None),
    ("-1 / n", lambda m: -1 / m, None),
    ("n^2", np.sqrt, None),
    ("n**0.25", lambda m: m**4, None),
    ("exp(n / 20)", lambda m: 20 * np.log(m), None),
    ("asinh(n)", np.sinh, None),
    ("n / 10", lambda m: 10 * m, lambda a, b: 10 * (a - b)),
    ("5 - n", lambda m: 5 - m, lambda a, b: b - a),
    (
        "scale(n)",
        lambda m: counts()["n"].mean() + m * counts()["n"].std(),
        lambda a, b: (a - b) * counts()["n"].std(),
    ),
    ("center(n)", lambda m: counts()["n"].mean() + m, lambda a, b: a - b),
]


@pytest.mark.parametrize(
    ("response", "back", "between"), VERBS, ids=lambda v: v if isinstance(v, str) else ""
)
def test_means_are_carried_back(response: str, back: Back, between: object) -> None:
    model = of(response).emmeans("trt").frame
    means = of(response).emmeans("trt", type="response")
    table = means.frame
    np.testing.assert_allclose(table["estimate"], back(model["estimate"]), rtol=1e-10)
    ends = np.sort(np.column_stack([back(model["conf_low"]), back(model["conf_high"])]), axis=1)
    np.testing.assert_allclose(table[["conf_low", "conf_high"]], ends, rtol=1e-10)
    step = 1e-5
    slope = (back(model["estimate"] + step) - back(model["estimate"] - step)) / (2 * step)
    np.testing.assert_allclose(table["std_error"], np.abs(slope) * model["std_error"], rtol=1e-5)
    assert any(f"from {response} to n" in note for note in means.notes)
    assert any(response in note for note in of(response).emmeans("trt").notes)


@pytest.mark.parametrize(
    ("response", "back", "between"), VERBS, ids=lambda v: v if isinstance(v, str) else ""
)
def test_contrasts_are_ratios_differences_or_on_the_scale_of_the_model(
    response: str, back: Back, between: Callable[[float, float], float] | None
) -> None:
    first, second = of(response).emmeans("trt").frame["estimate"]
    means = of(response).emmeans("trt", type="response")
    found, plain = means.contrast(adjust=None), of(response).emmeans("trt").contrast(adjust=None).frame
    wanted = first - second if between is None else between(first, second)
    assert found.frame["estimate"][0] == pytest.approx(wanted, rel=1e-10)
    assert found.frame["p_value"][0] == plain["p_value"][0]
    assert found.frame["conf_low"][0] < wanted < found.frame["conf_high"][0]
    # A mean of means is carried back as they are.
    half = means.contrast({"both": [0.5, 0.5]}, adjust=None).frame["estimate"][0]
    assert half == pytest.approx(float(back(np.array((first + second) / 2))), rel=1e-10)


def test_notes_say_what_contrasts_are_of() -> None:
    def notes(response: str) -> str:
        return " ".join(of(response).emmeans("trt", type="response").contrast().notes)

    assert "ratios of n + 1, tested on the scale of log(n + 1)" in notes("log(n + 1)")
    assert "ratios of n, tested on the scale of 2 * log(n / 3)" in notes("2 * log(n / 3)")
    assert "differences of n." in notes("scale(n)")
    assert "on the scale of sqrt(n)" in notes("sqrt(n)")
    assert "on the scale of log(n)" in " ".join(
        of("log(n)").emmeans("trt", type="response").contrast(null=0.1).notes
    )


def test_weights_that_neither_compare_nor_average_stay_on_the_scale_of_the_model() -> None:
    """A sum of two logarithms is neither a mean nor a ratio; of lines every combination is exact."""
    weights = {"sum": [1, 1], "difference": [1, -1]}
    for response in ("log(n)", "log(n + 1)", "sqrt(n)"):
        carried = of(response).emmeans("trt", type="response").contrast(weights)
        pd.testing.assert_frame_equal(carried.frame, of(response).emmeans("trt").contrast(weights).frame)
        assert f"Contrasts are on the scale of {response}:" in " ".join(carried.notes)
    both = of("scale(n)").emmeans("trt", type="response")
    first, second = both.frame["estimate"]
    np.testing.assert_allclose(
        both.contrast(weights).frame["estimate"], [first + second, first - second], rtol=1e-12
    )


def test_ratios_and_differences_are_named() -> None:
    names = {r: of(r).emmeans("trt", type="response").contrast().frame["contrast"][0] for r, _, _ in VERBS}
    for response, _, _ in VERBS:
        ratio = "log" in response
        assert names[response] == ("ctl / graz" if ratio else "ctl - graz")


def test_plain_response_has_nothing_to_undo() -> None:
    for response in ("n", "I(n)"):
        plain, same = of(response).emmeans("trt"), of(response).emmeans("trt", type="response")
        pd.testing.assert_frame_equal(plain.frame, same.frame)
        assert plain.notes == same.notes


@pytest.mark.parametrize("response", ["n - site", "abs(n - 3)", "(n - 3)^2", "sin(n)", "log(abs(n - 3))"])
def test_what_cannot_be_undone_is_refused(response: str) -> None:
    fit = of(response)
    with pytest.raises(mw.ModelError, match="type='response' would undo the response") as refused:
        fit.emmeans("trt", type="response")
    assert response in str(refused.value)
    assert "type='link'" in str(refused.value)
    assert any(f"on the scale of {response}" in note for note in fit.emmeans("trt").notes)


def test_interval_of_square_roots_is_cut_off_at_zero() -> None:
    """Where it reaches below 0 its lower end is 0, not the square of the negative one."""
    data = counts().assign(n=lambda d: np.where(d["trt"] == "ctl", (d.index % 40 == 0) * 0.04, d["n"]))
    fit = mw.lmer("sqrt(n) ~ trt + (1 | site)", data)
    model, table = fit.emmeans("trt").frame, fit.emmeans("trt", type="response").frame
    assert model["conf_low"][0] < 0 < model["estimate"][0]
    assert table["conf_low"][0] == 0
    np.testing.assert_allclose(table["conf_high"], model["conf_high"] ** 2, rtol=1e-12)


def test_mean_outside_the_transformation_has_no_number_and_is_named() -> None:
    """A line of square roots that goes below 0 is not folded up again."""
    rng = np.random.default_rng(2)
    x = np.tile(np.arange(10.0), 12)
    data = pd.DataFrame({"x": x, "g": np.repeat(np.arange(12), 10)})
    shift = np.repeat(rng.normal(0, 0.5, 12), 10)
    data["n"] = np.maximum(8 - x + shift + rng.normal(0, 0.3, 120), 0) ** 2
    fit = mw.lmer("sqrt(n) ~ x + (1 | g)", data)
    means = fit.emmeans("x", at={"x": [2.0, 12.0]}, type="response")
    assert means.frame["estimate"][0] == pytest.approx(36, rel=0.2)
    assert means.frame.loc[1, ["estimate", "std_error", "conf_low", "conf_high"]].isna().all()
    assert "Outside of the values that sqrt(n) can have, so not carried back to n: 12" in means.notes[-1]
    assert "outside" in str(means)
    assert "nonEst" not in str(means)
