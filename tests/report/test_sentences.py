"""What is told of a coefficient is what the fit says: size, direction, interval, place; in both languages."""

from __future__ import annotations

import re
import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest

import mixwell as mw
from mixwell.report.account import account
from mixwell.report.document import as_text
from mixwell.report.narrative import narrate
from mixwell.report.words import words

LANGUAGES = ("en", "zh")
UP = {"higher", "rises", "rise", "高", "上升"}
DOWN = {"lower", "falls", "fall", "低", "下降"}


def data(sign: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(21)
    n = 240
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "z": rng.normal(size=n),
            "k": rng.choice(["0", "1", "2"], n),
            "arm": rng.choice(["ctl", "new"], n),
            "late": rng.random(n) > 0.5,
            "g": np.repeat(np.arange(20), 12),
        }
    )
    mean = 0.4 * frame["x"] - 0.3 * frame["z"] + 0.5 * (frame["k"] == "1") - 0.6 * (frame["arm"] == "new")
    mean += 0.35 * frame["late"] + 0.4 * frame["x"] * (frame["arm"] == "new")
    return frame.assign(y=sign * (mean + np.repeat(rng.normal(0, 0.5, 20), 12) + rng.normal(0, 0.8, n)))


FORMULAS = {
    "main": "y ~ x + z + k + arm + late + (1 | g)",
    "levels": "y ~ k * arm + late + (1 | g)",
    "slopes": "y ~ x * arm + z * late + (1 | g)",
    "products": "y ~ x * z + k + (1 | g)",
    "within levels": "y ~ 0 + arm + arm:x + (1 | g)",
    "scaled": "scale(y) ~ x + k + (1 | g)",
}


@cache
def fit(name: str, sign: float = 1.0) -> mw.LmerResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mw.MixwellWarning)
        return mw.lmer(FORMULAS[name], data(sign))


def report(model: mw.LmerResult, lang: str) -> str:
    """The account without checks, which take long."""
    return as_text(narrate(account(model.design, model.fit, words(lang))))


@cache
def page(name: str, sign: float, lang: str) -> str:
    return report(fit(name, sign), lang)


def one_line(text: str, lang: str) -> str:
    return re.sub(r"\n *", "", text) if lang == "zh" else " ".join(text.split())


def sentences(name: str, sign: float, lang: str) -> dict[str, str]:
    """Coefficient -> what is told of it."""
    colon = "：" if lang == "zh" else ": "
    found = {}
    for item in re.findall(r"^- (.+\n(?:  .+\n)*)", page(name, sign, lang), flags=re.M):
        text = item.replace("\n  ", "" if lang == "zh" else " ").strip()
        for term in fit(name, sign).params.index:
            if text.startswith(term + colon):
                found[term] = text.removeprefix(term + colon)
    return found


def signed(text: str, default: int) -> float:
    """A number with the direction that the words beside it give."""
    said = set(re.findall(r"[a-z]+|高|低|上升|下降", text))
    (number,) = re.findall(r"-?\d+(?:\.\d+)?", text)
    return float(number) * (1 if said & UP else -1 if said & DOWN else default)


CASES = [(name, sign, lang) for name in FORMULAS for sign in (1.0, -1.0) for lang in LANGUAGES]


@pytest.mark.parametrize(("name", "sign", "lang"), CASES)
def test_size_direction_and_interval_are_those_of_the_fit(name: str, sign: float, lang: str) -> None:
    model = fit(name, sign)
    ends = model.conf_int()
    told = sentences(name, sign, lang)
    effects = [term for term in model.params.index if "ntercept" not in term]
    seen = 0
    for term in effects:
        said = told[term]
        change = re.search(
            r"(?:高|低|上升|下降)\d+(?:\.\d+)?(?=（)"
            if lang == "zh"
            else r"\d+(?:\.\d+)? (?:higher|lower)(?= than| for)|(?:rises|falls) by \d+(?:\.\d+)?",
            said,
        )
        if change is None:
            assert name == "within levels"
            assert ":" not in term
            continue
        seen += 1
        interval = re.search(r"95% ?CI为(.+?)，p" if lang == "zh" else r"95% CI (.+?), p", said)
        assert interval is not None
        size = signed(change[0], 0)
        default = 1 if size > 0 else -1
        low, high = sorted(
            signed(end, default) for end in interval[1].split("至" if lang == "zh" else " to ")
        )
        decimals = {
            len(number.partition(".")[2]) for number in re.findall(r"\d+\.?\d*", f"{change[0]} {interval[1]}")
        }
        assert len(decimals) == 1, said
        half = 0.51 * 10.0 ** -decimals.pop()
        assert size == pytest.approx(model.params[term], abs=half), said
        assert low == pytest.approx(ends.loc[term, "conf_low"], abs=half), said
        assert high == pytest.approx(ends.loc[term, "conf_high"], abs=half), said
        assert "-" not in said.replace("=", ""), said
    assert seen >= 2


@pytest.mark.parametrize("lang", LANGUAGES)
def test_levels_that_are_numbers_or_truth_values_are_named_with_their_factor(lang: str) -> None:
    told = sentences("main", 1.0, lang)
    assert ("than for k = 0 (" if lang == "en" else "比k为0时高") in told["k[1]"]
    assert ("than for late = False (" if lang == "en" else "比late为False时高") in told["late[True]"]
    assert ("lower than for ctl (" if lang == "en" else "比ctl低") in told["arm[new]"]
    assert not re.search(r"than for \d|比\d", " ".join(told.values()))


PLACES = [
    ("levels", "k[1]", "arm is ctl", "当arm为ctl时"),
    ("levels", "arm[new]", "k is 0", "当k为0时"),
    ("slopes", "x", "arm is ctl", "当arm为ctl时"),
    ("slopes", "arm[new]", "x is 0", "当x为0时"),
    ("slopes", "z", "late is False", "当late为False时"),
    ("products", "x", "z is 0", "当z为0时"),
]


@pytest.mark.parametrize(("name", "term", "english", "chinese"), PLACES)
def test_simple_effects_are_told_where_they_hold(name: str, term: str, english: str, chinese: str) -> None:
    assert f" when {english} (" in sentences(name, 1.0, "en")[term]
    assert chinese in sentences(name, 1.0, "zh")[term]


@pytest.mark.parametrize("name", FORMULAS)
def test_effects_without_an_interaction_hold_everywhere(name: str) -> None:
    model = fit(name)
    told = sentences(name, 1.0, "en")
    crossed = {part for term in model.params.index if ":" in term for part in term.split(":")}
    for term in model.params.index:
        if ":" not in term and term not in crossed and term != "(Intercept)" and name != "within levels":
            variable = term.split("[")[0]
            if not any(variable == part.split("[")[0] for part in crossed):
                assert " when " not in told[term], told[term]


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", ["levels", "slopes", "products"])
def test_estimates_at_a_glance_are_told_where_they_hold(name: str, lang: str) -> None:
    """Only of terms that are detected as a whole, and at which place of the others."""
    model = fit(name)
    glance = one_line(page(name, 1.0, lang).split("\n- ")[0], lang).split("REML")[0]
    table = model.anova().set_index("term")["p_value"]
    listed = re.search(
        r"confidence intervals: (.+?)\. [A-Z]" if lang == "en" else r"置信区间：(.+?)。", glance
    )
    assert listed is not None
    shown = [part.strip() for part in re.split("[;；]", listed[1])]
    wanted = []
    for term in model.params.index[1:]:
        whole = re.sub(r"\[\w+\]", "", term)
        if model.pvalues[term] < 0.05 and table[whole] < 0.05:
            wanted.append(term)
    assert len(shown) == len(wanted) > 0
    crossed = {v for whole in table.index if ":" in whole for v in whole.split(":")}
    for part, term in zip(shown, wanted, strict=True):
        assert re.search(rf"{re.escape(term)} ?-?\d", part)
        where = "when" if lang == "en" else "当"
        inside = ":" not in term and re.sub(r"\[\w+\]", "", term) in crossed
        assert (where in part) == inside, part


def one_of_several() -> mw.LmerResult:
    """A factor not detected as a whole, with a coefficient that is."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"f": np.tile([0, 1, 2, 3, 4, 5, 6, 7], 30), "g": np.repeat(np.arange(12), 20)})
    noise = rng.normal(size=240)
    noise -= pd.Series(noise).groupby(frame["f"]).transform("mean")
    shift = np.repeat(rng.normal(0, 0.7, 12), 20)
    return mw.lmer("y ~ factor(f) + (1 | g)", frame.assign(y=noise + shift + 0.55 * (frame["f"] == 3)))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_clear_coefficient_of_an_unclear_term_is_told_as_such(lang: str) -> None:
    model = one_of_several()
    assert model.anova()["p_value"][0] > 0.05 > model.pvalues["factor(f)[3]"]
    text = one_line(report(model, lang), lang)
    assert ("of one comparison" if lang == "en" else "只针对某一比较") in text
    glance = text.split("Data and structure" if lang == "en" else "数据与结构")[0]
    assert "factor(f)[3]" not in glance


@cache
def positive(response: str, sign: float = 1.0) -> mw.LmerResult:
    frame = data(sign).assign(y=lambda d: np.exp(d["y"]))
    return mw.lmer(f"{response} ~ x + k + arm + (1 | g)", frame)


# The response, what its differences are ratios of, and a ratio from a difference.
RATIOS = {
    "log(y)": ("y", np.exp),
    "I(log(y))": ("y", np.exp),
    "np.log(y)": ("y", np.exp),
    "log(y, 10)": ("y", lambda d: 10.0**d),
    "log2(y)": ("y", np.exp2),
    "2 * log(y / 3)": ("y", lambda d: np.exp(d / 2)),
    "-log(y)": ("y", lambda d: np.exp(-d)),
    "log(y + 1)": ("y + 1", np.exp),
    "log1p(y)": ("y + 1", np.exp),
    "log(2 * y + 1)": ("2 * y + 1", np.exp),
}


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("response", RATIOS)
def test_effects_on_logs_are_ratios_of_what_the_log_is_of(response: str, sign: float, lang: str) -> None:
    of, ratio = RATIOS[response]
    model = positive(response, sign)
    text = one_line(report(model, lang), lang)
    for term in ("x", "k[1]", "arm[new]"):
        wanted = float(ratio(model.params[term]))
        ends = sorted(float(ratio(model.conf_int().loc[term, end])) for end in ("conf_low", "conf_high"))
        said = next(part for part in re.split(r"- (?=[\w(\[\]]+(?:: |：))", text) if part.startswith(term))
        if lang == "en":
            found = re.search(r"(?:is|by) ([\d.]+)(?: times that for (?:ctl|k = 0))?", said)
            interval = re.search(r"95% CI of the ratio ([\d.]+) to ([\d.]+)", said)
            named = f"{of} is multiplied" if term == "x" else f"{of} for {term[:-1].replace('[', ' = ')} is"
        else:
            found = re.search(r"([\d.]+)倍", said)
            interval = re.search(r"比值的95% ?CI为([\d.]+)至([\d.]+)", said)
            named = f"，{of}变为原来的" if term == "x" else f"时的{of}是"
        assert found is not None, said
        assert interval is not None, said
        assert named in said, said
        numbers = [float(found[1]), float(interval[1]), float(interval[2])]
        np.testing.assert_allclose(numbers, [wanted, *ends], atol=6e-3)
        percent = re.search(r"([\d.]+)% (higher|lower)" if lang == "en" else r"(高|低)([\d.]+)%", said)
        if of == "y":
            assert percent is not None, said
            size, word = (percent[1], percent[2]) if lang == "en" else (percent[2], percent[1])
            change = float(size) * (1 if word in UP else -1)
            assert change == pytest.approx(100 * (wanted - 1), abs=0.051)


CARRIED = {
    "log(y + 1)": lambda m: np.exp(m) - 1,
    "log1p(y)": np.expm1,
    "sqrt(y)": np.square,
    "1 / y": lambda m: 1 / m,
    "y^(1/3)": lambda m: m**3,
}


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("response", CARRIED)
def test_levels_are_carried_back_to_the_data(response: str, lang: str) -> None:
    """A ratio of y + 1, or a difference of roots, is not one of y: the two means are."""
    model = positive(response)
    text = one_line(report(model, lang), lang)
    grid = model.emmeans("arm").frame.set_index("arm")["estimate"]
    base, new = (float(CARRIED[response](grid[level])) for level in ("ctl", "new"))
    if lang == "en":
        found = re.search(r"this is ([\d.]+) for new and ([\d.]+) for ctl.*?, ([\d.]+)% (higher|lower)", text)
        assert found is not None
        size, word = found[3], found[4]
    else:
        found = re.search(r"换算为y：new为([\d.]+)，ctl为([\d.]+)，即前者(高|低)([\d.]+)%", text)
        assert found is not None
        size, word = found[4], found[3]
    np.testing.assert_allclose([float(found[1]), float(found[2])], [new, base], atol=6e-3)
    change = float(size) * (1 if word in UP else -1)
    assert change == pytest.approx(100 * (new / base - 1), abs=0.051)


@pytest.mark.parametrize(
    ("response", "english", "chinese"),
    [
        ("log(y)", "are ratios of y,", "对应于y之比，"),
        ("log(y + 1)", "are ratios of y + 1, not of y,", "对应于y + 1之比，而非y之比"),
        ("sqrt(y)", "enters as sqrt(y); all effects are on this scale", "以sqrt(y)进入模型，所有效应"),
        ("scale(y)", "enters as scale(y); all effects are on this scale", "以scale(y)进入模型，所有效应"),
        ("y - x", "enters as y - x; all effects are on this scale", "以y - x进入模型，所有效应"),
    ],
)
def test_scale_of_the_response_is_told(response: str, english: str, chinese: str) -> None:
    assert english in one_line(report(positive(response), "en"), "en")
    assert chinese in one_line(report(positive(response), "zh"), "zh")


@pytest.mark.parametrize(
    ("response", "said"),
    [
        ("log(y)", "are geometric means"),
        ("log(y + 1)", "scale of log(y + 1) are not arithmetic means of y;"),
        ("1 / y", "scale of 1 / y are not arithmetic means of y;"),
        ("scale(y)", ""),
        ("y - x", ""),
    ],
)
def test_limits_say_what_carried_means_are(response: str, said: str) -> None:
    text = one_line(report(positive(response), "en"), "en")
    assert said in text
    assert ("Means carried back" in text) == bool(said)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", ["main", "slopes"])
def test_spreads_and_their_intervals_have_the_same_digits(name: str, lang: str) -> None:
    text = one_line(page(name, 1.0, lang), lang)
    pattern = r"(?:deviation of |标准差为)([\d.]+)(?: \(|（)95% CI(?: |为)([\d.]+)(?: to |至)([\d.]+)"
    found = re.findall(pattern, text)
    assert len(found) == 2
    for numbers in found:
        assert len({len(number.partition(".")[2]) for number in numbers}) == 1, numbers
