"""The account in sentences: every template of both languages, numbers bound to the fit, no open field."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

import mixwell as mw
from mixwell.diagnostics.checks import Checks, check
from mixwell.diagnostics.record import Check
from mixwell.report import words_en, words_zh
from mixwell.report.account import account
from mixwell.report.checks_zh import check_in_chinese, in_chinese, meaning_in_chinese
from mixwell.report.document import as_text, make_report
from mixwell.report.narrative import narrate
from mixwell.report.record import Narrative
from mixwell.report.sections.coefficient import Estimate, sentence
from mixwell.report.sections.variance import rounded
from mixwell.report.words import Words, fields_of, unmarked, words
from mixwell.text import display_width
from small_models import FITS, fitted, grouped, without_variance

LANGUAGES = ("en", "zh")


def fit_of(formula: str, data: pd.DataFrame, **arguments: object) -> mw.LmerResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mw.MixwellWarning)
        return mw.lmer(formula, data, **arguments)


def uncertified(fit: mw.LmerResult, reason: str) -> mw.LmerResult:
    certificate = replace(fit.fit.certificate, converged=False, gap=0.25, reason=reason)
    return replace(fit, fit=replace(fit.fit, certificate=certificate))


def traced_once(fit: mw.LmerResult) -> mw.LmerResult:
    whole = fit.fit.trace
    last = {
        name: getattr(whole, name)[-1:]
        for name in ("theta", "criterion", "gradient_norm", "decrement", "step")
    }
    trace = replace(whole, **last, searches=np.array([0]), chosen=0)
    return replace(fit, fit=replace(fit.fit, trace=trace))


def searched_twice(fit: mw.LmerResult) -> mw.LmerResult:
    trace = replace(fit.fit.trace, searches=np.array([0, 1]), chosen=1)
    return replace(fit, fit=replace(fit.fit, trace=trace))


def positive() -> pd.DataFrame:
    return grouped().assign(y=lambda d: np.exp(d["y"] / 5))


def nested() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    data = pd.DataFrame(
        {"school": np.repeat(list("abcdef"), 8), "child": np.arange(48) // 2, "x": np.tile([0.0, 1], 24)}
    )
    effects = np.repeat(rng.normal(size=6), 8) + np.repeat(rng.normal(size=24), 2)
    return data.assign(twin=data["school"].str.upper(), y=effects + rng.normal(size=48))


# A factor that is fixed and random at once.
BOTH = "weight ~ Treatment + sex + (1 | Treatment/Litter)"


def makers() -> dict[str, Callable[[], mw.LmerResult]]:
    """Models that between them take every branch, each fitted when asked for."""
    data = grouped()
    rats, sleep = mw.datasets.load_ratpups(), mw.datasets.load_sleepstudy()
    gaps = data.assign(x=data["x"].where(np.arange(90) % 9 > 0), o=data["o"].where(np.arange(90) % 17 > 0))
    aliased = data.assign(x2=2 * data["x"], x3=data["x"] + 1)
    single = pd.concat([data, data[:1].assign(g="only")])
    singles = pd.concat([data, data[:2].assign(g=["only", "alone"])])
    wide = with_correlation(0.0)
    wide = wide.assign(**{f"v{i}": np.random.default_rng(i).normal(size=360) for i in range(28)})
    slopes = {
        f"slopes {r}": partial(fit_of, "y ~ x + (x | g)", with_correlation(r))
        for r in (-0.97, -0.6, 0.0, 0.9)
    }
    dated = data.assign(day=pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(90), "D"))
    return {
        **{name: partial(fit_from_small_models, name) for name in FITS},
        **slopes,
        "rats": lambda: fit_of("weight ~ Treatment * sex + Lsize + (1 | Litter)", rats),
        "rat slopes": lambda: fit_of("weight ~ Treatment * sex + Lsize + (sex | Litter)", rats),
        "growth": lambda: fit_of("distance ~ age * Sex + (age | Subject)", mw.datasets.load_orthodont()),
        "sleep": lambda: fit_of("Reaction ~ Days + (Days | Subject)", sleep),
        "gaps": lambda: fit_of("y ~ x + o + (1 | g)", gaps),
        "aliased": lambda: fit_of("y ~ x + x2 + x3 + (1 | g)", aliased),
        "aliased one": lambda: fit_of("y ~ x + x2 + (1 | g)", aliased, reml=False),
        "single": lambda: fit_of("y ~ x + (1 | g)", single),
        "singles": lambda: fit_of("y ~ x + (1 | g)", singles),
        "wide": lambda: fit_of("y ~ " + " + ".join(f"v{i}" for i in range(28)) + " + (1 | g)", wide),
        "no intercept": lambda: fit_of("y ~ 0 + arm + (1 | g)", data),
        "no fixed": lambda: fit_of("y ~ 0 + (1 | g)", data),
        "unclear": lambda: fit_of(
            "y ~ o2 + (1 | g)", data.assign(o2=np.random.default_rng(8).normal(size=90))
        ),
        "mixed terms": lambda: fit_of(
            "y ~ x + o2 + (1 | g)", data.assign(o2=np.random.default_rng(8).normal(size=90))
        ),
        "log": lambda: fit_of("log(y) ~ x * arm + (x | g)", positive()),
        "log2": lambda: fit_of("log2(y) ~ arm + (1 | g)", positive()),
        "log of a sum": lambda: fit_of("log(y + 1) ~ x + arm + (1 | g)", positive()),
        "sqrt": lambda: fit_of("sqrt(y) ~ x + (1 | g)", positive()),
        "bent": lambda: fit_of("y ~ x + I(x^2) + (1 | g)", data),
        "products": lambda: fit_of("y ~ x * o + arm * x * o + (1 | g)", data),
        "sum": lambda: fit_of("y ~ arm + (1 | g)", data, contrasts={"arm": "sum"}),
        "helmert": lambda: fit_of("y ~ arm * x + (1 | g)", data, contrasts={"arm": "helmert"}),
        "base": lambda: fit_of("y ~ arm + (1 | g)", data, contrasts={"arm": ("treatment", "high")}),
        "matrix": lambda: fit_of(
            "y ~ arm + (1 | g)", data, contrasts={"arm": [[1, 0], [-0.5, 1], [-0.5, -1]]}
        ),
        "logical": lambda: fit_of("y ~ late + (1 | g)", data.assign(late=data["x"] > 3)),
        "dates": lambda: fit_of("y ~ time_since(day, '2024-01-01', 'weeks') + (1 | g)", dated),
        "nested": lambda: fit_of("y ~ x + (1 | school) + (1 | child)", nested()),
        "identical": lambda: fit_of("y ~ x + (1 | school) + (0 + x | twin)", nested()),
        "crossed": lambda: fit_of("strength ~ 1 + (1 | batch) + (1 | cask)", mw.datasets.load_pastes()),
        "penicillin": lambda: fit_of(
            "diameter ~ 1 + (1 | plate) + (1 | sample)", mw.datasets.load_penicillin()
        ),
        "many correlations": lambda: fit_of("y ~ arm + x + (arm + x | g)", data),
        "no variance": lambda: fit_of("y ~ x + (1 | g)", without_variance()),
        "no variances": lambda: fit_of("y ~ x + (x | g)", without_variance()),
        "no slope variance": lambda: fit_of("y ~ x + (1 | g) + (0 + x | g)", without_variance()),
        "centred slope": lambda: fit_of("y ~ 1 + (x | g)", data),
        "weak": lambda: uncertified(case("slopes 0.0"), "gradient"),
        "linear poly": lambda: fit_of("y ~ poly(x, 1) + (1 | g)", data),
        "weights array": lambda: fit_of("y ~ x + (1 | g)", data, weights=data["w"].to_numpy()),
        "two starts": lambda: searched_twice(case("slopes")),
        "one evaluation": lambda: traced_once(case("slopes")),
        "offset array": lambda: fit_of("y ~ x + (1 | g)", data, offset=data["o"].to_numpy(), weights="w"),
        "gradient": lambda: uncertified(case("slopes"), "gradient"),
        "boundary": lambda: uncertified(case("slopes"), "boundary"),
        "saddle": lambda: uncertified(case("slopes"), "negative_curvature"),
        "unknown": lambda: uncertified(case("slopes"), "something_new"),
        "uncertified singular": lambda: uncertified(
            fit_of("y ~ x + (x | g)", without_variance()), "gradient"
        ),
        "held": lambda: fit_of(BOTH, rats, control=mw.Control(unidentified="hold")),
        "by design": lambda: fit_of(BOTH, rats, reml=False),
        "hardly identified": lambda: fit_of(
            "y ~ x + (1 | g) + (0 + almost | g)", data.assign(almost=1 + 1e-6 * data["x"])
        ),
        "zero effect": lambda: without_one_effect(case("slopes")),
        "rank": lambda: low_rank(fit_of("y ~ arm + x + (arm + x + o | g)", data), 1),
        "two empty": lambda: low_rank(fit_of("y ~ arm + (arm | g)", data), 1),
        "perfect": lambda: low_rank(case("slopes"), 1),
        "split": lambda: fit_of("y ~ x + (1 | school) + (1 | twin)", nested()),
        "rounded": lambda: searched(case("slopes"), probes=1, reason="rounding"),
        "tried": lambda: searched(case("slopes"), probes=1),
    }


def fit_from_small_models(name: str) -> mw.LmerResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mw.MixwellWarning)
        return fitted(name)


@cache
def case(name: str) -> mw.LmerResult:
    return makers()[name]()


def with_correlation(r: float) -> pd.DataFrame:
    """Groups whose intercepts and slopes correlate by about ``r``."""
    rng = np.random.default_rng(11)
    factor = np.linalg.cholesky([[4.0, 2 * r], [2 * r, 1.0]])
    effects = rng.normal(size=(60, 2)) @ factor.T
    g, x = np.repeat(np.arange(60), 6), np.tile(np.arange(6.0), 60)
    return pd.DataFrame(
        {"g": g, "x": x, "y": effects[g, 0] + (0.3 + effects[g, 1]) * x + rng.normal(size=360)}
    )


def searched(fit: mw.LmerResult, *, probes: int, reason: str = "") -> mw.LmerResult:
    """The same fit after another search, with a certificate that failed if there is a reason."""
    certificate = replace(fit.fit.certificate, converged=not reason, reason=reason)
    trace = replace(fit.fit.trace, probes=probes)
    return mw.LmerResult(fit.design, replace(fit.fit, certificate=certificate, trace=trace), fit.control)


def low_rank(fit: mw.LmerResult, rank: int) -> mw.LmerResult:
    """The fit with a covariance matrix of lower rank put in its place."""
    cov = fit.fit.term_cov[0]
    values, vectors = np.linalg.eigh(cov)
    values[: len(cov) - rank] = 0
    changed = (vectors * values) @ vectors.T
    first = replace(fit.fit.certificate.terms[0], rank=rank, null_space=vectors[:, : len(cov) - rank])
    certificate = replace(fit.fit.certificate, terms=(first, *fit.fit.certificate.terms[1:]))
    return replace(
        fit, fit=replace(fit.fit, term_cov=(changed, *fit.fit.term_cov[1:]), certificate=certificate)
    )


def without_one_effect(fit: mw.LmerResult) -> mw.LmerResult:
    """The fit with no variance of its slope."""
    cov = fit.fit.term_cov[0].copy()
    cov[1, :] = cov[:, 1] = 0
    first = replace(fit.fit.certificate.terms[0], rank=1, null_space=np.array([[0.0], [1.0]]))
    certificate = replace(fit.fit.certificate, terms=(first,))
    return replace(fit, fit=replace(fit.fit, term_cov=(cov,), certificate=certificate))


class Recorded(dict[str, str]):
    """Templates that remember which of them were used."""

    def __init__(self, sentences: dict[str, str]) -> None:
        super().__init__(sentences)
        self.used: set[str] = set()

    def __getitem__(self, key: str) -> str:
        self.used.add(key)
        return super().__getitem__(key)


def told(fit: mw.LmerResult, text: Words, *, checked: bool = True) -> Narrative:
    checks = check(fit.design, fit.fit, fit._origin) if checked else None
    return narrate(account(fit.design, fit.fit, text, checks=checks))


def all_fine(fit: mw.LmerResult) -> Checks:
    fine = Check("normal residuals", "Shapiro-Wilk test", "fine", "W = 0.99, p = 0.5", "", "")
    return Checks((fine, fine), (), (), fit.design, fit.fit, fit._origin)


def unchecked(name: str) -> bool:
    """Fits changed by hand, whose parts no longer belong together."""
    return name in {"zero effect", "rank", "two empty", "perfect", "rounded", "tried"}


@pytest.mark.parametrize("key", list(words_en.SENTENCES))
def test_languages_have_the_same_fields(key: str) -> None:
    assert fields_of(words_en.SENTENCES[key]) == fields_of(words_zh.SENTENCES[key])


def test_languages_have_the_same_texts() -> None:
    assert list(words_en.SENTENCES) == list(words_zh.SENTENCES)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", list(makers()))
def test_no_branch_leaves_a_field_open(name: str, lang: str) -> None:
    text = as_text(told(case(name), words(lang), checked=not unchecked(name)))
    assert not re.search(r"\b[Nn]a[Nn]\b|\bNone\b|\b[Ii]nf\b|\bInfinity\b|\{\w*\}|[\ue000\ue001]", text), name
    assert not re.search(
        r"(?<!\w)\(\s*\)|（\s*）|  \.|,,|，，|。。|\.\.(?!\.)", text.split("import mixwell")[0]
    ), name
    for line in text.splitlines():
        assert line == line.rstrip()


TABLES_ONLY = re.compile(r"fig_|figures?$|made_with|contents|note_|ddf_|sd_label|cor_label|sd_residual|llf")
# Of tables, and of the page.
ELSEWHERE = {
    "r2_marginal", "r2_conditional", "icc", "method", "observations", "levels_of", "models_compared",
    "model_fit", "random_effects", "fixed_untested",
}  # fmt: skip


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_template_is_used(lang: str) -> None:
    recorded = Recorded(dict(words(lang).sentences))
    text = Words("zh" if lang == "zh" else "en", recorded)
    for name in makers():
        told(case(name), text, checked=not unchecked(name))
    rats = case("rats")
    labels = {"weight": "birth weight (g)", "Lsize": "litter size"}
    narrate(account(rats.design, rats.fit, text, checks=all_fine(rats), labels=labels))
    missed = {k for k in recorded if k not in recorded.used and not TABLES_ONLY.match(k)} - ELSEWHERE
    assert missed == set()


def numbers_in(narrative: Narrative, section: str) -> str:
    return as_text(Narrative("", (narrative.section(section),)))


def test_numbers_are_those_of_the_fit() -> None:
    fit = case("sleep")
    narrative = told(fit, words("en"))
    fixed = numbers_in(narrative, "fixed_effects")
    ends = fit.conf_int().loc["Days"]
    assert f"rises by {fit.params['Days']:.2f}" in " ".join(fixed.split())
    assert f"95% CI {ends['conf_low']:.2f} to {ends['conf_high']:.2f}, p < 0.001" in " ".join(fixed.split())
    variance = " ".join(numbers_in(narrative, "variance").split())
    assert f"make up {100 * fit.icc().adjusted:.1f}%" in variance
    assert f"(ICC {fit.icc().adjusted:.3f})" in variance
    profile = fit.conf_int(method="profile", parameters="cor_Days.(Intercept)|Subject").iloc[0]
    assert f"95% CI {profile['conf_low']:.2f} to {profile['conf_high']:.2f}" in variance
    assert f"{fit.criterion:.4f}" in numbers_in(narrative, "convergence")
    assert "180 rows" in numbers_in(narrative, "data")


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(
    ("formula", "load"),
    [
        ("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff2),
        ("score ~ Machine + (1 | Worker) + (1 | Worker:Machine)", mw.datasets.load_machines),
        (
            "yield ~ ordered(nitro) + (1 | Block) + (0 + I(1 * (Variety == 'Victory')) | Block)",
            mw.datasets.load_oats,
        ),
    ],
)
def test_intervals_of_a_singular_fit_are_those_of_its_profile(
    formula: str, load: Callable[[], pd.DataFrame], lang: str
) -> None:
    fit = mw.lmer(formula, load())
    wanted = fit.conf_int(method="profile", parameters=["sigma", *sd_names(fit)])
    table = numbers_in(told(fit, words(lang), checked=False), "variance")
    assert len(wanted) == 1 + len(sd_names(fit))
    for _, row in wanted.iterrows():
        low, high = rounded("sd", (row["conf_low"], row["conf_high"]))
        assert f"[{low}, {high}]" in table


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", ["sleep", "growth"])
def test_ranges_of_effects_hold_95_percent_of_a_normal_population(name: str, lang: str) -> None:
    """Recomputed from the fit: +- 1.96 standard deviations of intercepts, and of slopes around their mean."""
    fit = case(name)
    text = " ".join(numbers_in(told(fit, words(lang), checked=False), "variance").split())
    (cov,) = fit.fit.term_cov
    intercept, slope = ndtri(0.975) * np.sqrt(np.diag(cov))
    half = re.search(r"±([\d.]+)", text)
    assert half is not None
    assert float(half[1]) == pytest.approx(intercept, rel=6e-3)  # three digits
    mean = fit.params[fit.design.terms[0].names[1]]
    pattern = {"en": r"between (\S+) and (\S+?)\. ", "zh": r"的效应在(\S+)与(\S+)之间"}[lang]
    ends = re.search(pattern, text)
    assert ends is not None
    assert float(ends[1]) == pytest.approx(mean - slope, rel=2e-2)
    assert float(ends[2]) == pytest.approx(mean + slope, rel=6e-3)


def sd_names(fit: mw.LmerResult) -> list[str]:
    groups = [fit.design.factors[term.factor].name for term in fit.design.terms]
    return [
        f"sd_{name}|{group}"
        for term, group in zip(fit.design.terms, groups, strict=True)
        for name in term.names
    ]


def test_published_numbers_of_the_rat_pups() -> None:
    """nlme's data, fitted by lme4: estimates as in the reference."""
    text = " ".join(str(case("rats").report()).split())
    for number in ("322 rows", "27 levels of Litter", "-0.906", "-0.4117", "0.3107", "0.4043", "401.10"):
        assert number in text


def test_sections_stand_in_order() -> None:
    keys = [section.key for section in told(case("rats"), words("en")).sections]
    assert keys == [
        "overview", "data", "model", "fixed_effects", "variance", "convergence", "checks", "limits",
        "reproduce",
    ]  # fmt: skip


def test_log_response_is_told_in_ratios() -> None:
    fit = case("log2")
    text = " ".join(str(fit.report()).split())
    ratio = 2 ** fit.params["arm[mid]"]
    assert f"y for arm = mid is {ratio:.3f} times that for low, {100 * (ratio - 1):.1f}% higher" in text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_an_effect_without_standard_error_is_not_tested(lang: str) -> None:
    design = case("sleep").design
    assert design.recipe is not None
    unknown = Estimate("Days", 10.467, np.nan, np.nan, np.nan, np.nan)
    said = sentence(design, design.recipe, case("sleep").fit, unknown, (), 0.95, words(lang))
    assert unmarked(said) == words(lang).say("fixed_untested", name="Days", estimate="10.47")


def section(name: str, key: str, lang: str = "en") -> str:
    """A section of a report as one line of text."""
    return " ".join(numbers_in(told(case(name), words(lang), checked=False), key).split())


def test_coefficients_are_told_where_they_hold() -> None:
    """In an interaction an effect is that at the reference level, or at 0, of the others."""
    text = section("rats", "fixed_effects")
    assert "when Treatment is Control, sex is Male and Lsize is 0, the mean of weight is 8.323" in text
    assert "for Treatment = High is 0.906 lower than for Control when sex is Male" in text
    text = section("growth", "fixed_effects")
    assert "per additional unit of age, the mean of distance rises by 0.7844 when Sex is Male" in text
    assert "for Sex = Female is 1.03 higher than for Male when age is 0" in text


def test_tests_of_contained_terms_are_told_as_what_they_are() -> None:
    """Type III as lmerTest: averaged over the levels of factors, at 0 of numbers."""
    text = section("growth", "fixed_effects")
    assert "The tests of Sex hold where age is 0" in text
    assert "tested on average over the levels of that factor" in text
    assert "hold where" not in section("rats", "fixed_effects")
    assert "on average over" not in section("mixed terms", "fixed_effects")


def test_means_without_an_intercept_are_not_told_as_effects() -> None:
    text = section("no intercept", "fixed_effects")
    assert re.search(r"when arm is low, the mean of y is [-\d.]+ \(95% CI", text)
    assert "the coefficients of arm are means" in text
    assert "effects are detected at the 5% level for arm" not in text
    assert "arm" not in section("no intercept", "overview")


def test_random_effects_are_told_where_they_hold() -> None:
    text = section("rat slopes", "variance")
    assert "The means of the levels of Litter when sex is Male have a standard deviation" in text
    assert "around an average of -0.406 when Treatment is Control" in text
    assert "The means of the levels of Subject when Days is 0" in section("sleep", "variance")


def test_coefficients_of_a_curve_are_told_together() -> None:
    for name, along in (("bent", "x"), ("splines", "x")):
        text = section(name, "fixed_effects")
        assert text.count("together these coefficients describe how y runs along") == 1
        assert f"runs along {along}; one by one" in text


def test_aliased_predictors_are_no_condition() -> None:
    assert "x2 is 0" not in section("aliased", "fixed_effects")


def test_without_predictors_only_random_effects_account_for_variance() -> None:
    text = section("penicillin", "fixed_effects")
    assert "There is no predictor; the random effects account for" in text
    assert "marginal" not in text


def test_labels_name_the_response() -> None:
    fit = case("rats")
    report = fit.report(labels={"weight": "birth weight (g)", "Lsize": "litter size"})
    text = " ".join(str(report).split())
    assert "a linear mixed model for birth weight (g), fitted" in text
    assert "Lsize: litter size" in text


def test_columns_of_weights_and_offset_are_in_the_code() -> None:
    code = numbers_in(told(case("weights, offset"), words("en"), checked=False), "reproduce")
    assert "weights='w'" in code


def test_lines_are_not_longer_than_a_page() -> None:
    for name in ("rats", "rat slopes", "growth", "wide", "many correlations"):
        lines = str(case(name).report()).splitlines()
        code = lines.index("To reproduce")
        assert max(map(display_width, lines[:code])) <= 79, name


def test_small_p_values_are_bounded() -> None:
    text = words("en")
    assert text.p(0.0009) == "p < 0.001"
    assert text.p(0.001) == "p = 0.001"
    assert text.p(1.0) == "p = 1.000"


def test_an_interval_with_zero_inside_is_said() -> None:
    assert "leave its direction open" in " ".join(str(case("unclear").report()).split())
    assert "尚不能确定其方向" in str(case("unclear").report(lang="zh")).replace("\n  ", "").replace("\n", "")


def test_dropped_rows_and_columns_are_counted() -> None:
    gaps = " ".join(str(case("gaps").report()).split())
    rows = case("gaps").design.rows
    assert rows is not None
    assert f"Of the 90 rows given, {rows.n_dropped} were left out" in gaps
    assert "x (10)" in gaps
    assert "x2" in numbers_in(told(case("aliased"), words("en")), "model")


def test_code_makes_the_fit_again() -> None:
    """What the section says is run: the criterion is the same."""
    data = grouped()
    for name in ("base", "helmert", "matrix", "sum", "aliased one"):
        fit = case(name)
        code = next(
            block.text
            for block in told(fit, words("en")).section("reproduce").blocks
            if hasattr(block, "text")
        )
        code = re.sub(r"data = \.\.\..*", "", code).split("print(")[0]
        scope: dict[str, object] = {"data": data.assign(x2=2 * data["x"])}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mw.MixwellWarning)
            exec(code, scope)
        again = scope["fit"]
        assert isinstance(again, mw.LmerResult)
        assert again.criterion == pytest.approx(fit.criterion, abs=1e-9)


@cache
def spoken() -> tuple[Check, ...]:
    fits = [case(name) for name in makers() if not unchecked(name)]
    return tuple(line for fit in fits for line in check(fit.design, fit.fit, fit._origin))


ENGLISH = re.compile(
    r"\b(the|of|and|with|by|sign|levels|skewness|largest|smallest|spread|without|most needed)\b"
)


def test_checks_are_told_in_chinese() -> None:
    """No assumption, test, evidence or meaning stays English."""
    for line in spoken():
        assert in_chinese(line.assumption) != line.assumption, line.assumption
        assert in_chinese(line.test) != line.test, line.test
        if line.assumption not in ("converged", "regular covariances"):
            evidence = check_in_chinese(line).evidence
            assert not ENGLISH.search(evidence), evidence
        for part in re.split(r"(?<=\.) (?=[A-Zp])", line.meaning):
            said = meaning_in_chinese(part)
            assert said, f"no pattern in checks_zh.py for: {part}"
            assert not ENGLISH.search(said), said


def test_unknown_language_is_refused() -> None:
    fit = case("sleep")
    with pytest.raises(mw.MixwellError, match="'en', 'zh'"):
        make_report(fit.design, fit.fit, fit._origin, lang="fr")


def test_a_template_without_its_field_is_an_error() -> None:
    with pytest.raises(KeyError, match="glance_group"):
        words("en").say("glance_group", levels="3")
