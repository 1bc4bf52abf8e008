"""The account in sentences: every template of both languages, numbers bound to the fit, no open field."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial

import numpy as np
import pandas as pd
import pytest

import mixwell as mw
from mixwell.diagnostics.checks import Check, Checks, check
from mixwell.report import words_en, words_zh
from mixwell.report.checks_zh import check_in_chinese, in_chinese
from mixwell.report.coefficients import Estimate, sentence
from mixwell.report.document import as_text, make_report
from mixwell.report.narrative import account, narrate
from mixwell.report.record import Narrative
from mixwell.report.words import Words, fields_of, words
from small_models import FITS, fitted, grouped, without_variance

LANGUAGES = ("en", "zh")


def fit_of(formula: str, data: pd.DataFrame, **arguments: object) -> mw.LmerResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mw.MixwellWarning)
        return mw.lmer(formula, data, **arguments)


def uncertified(fit: mw.LmerResult, reason: str) -> mw.LmerResult:
    certificate = replace(fit.fit.certificate, converged=False, gap=0.25, reason=reason)
    return replace(fit, fit=replace(fit.fit, certificate=certificate))


def positive() -> pd.DataFrame:
    return grouped().assign(y=lambda d: np.exp(d["y"] / 5))


def nested() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    data = pd.DataFrame(
        {"school": np.repeat(list("abcdef"), 8), "child": np.arange(48) // 2, "x": np.tile([0.0, 1], 24)}
    )
    effects = np.repeat(rng.normal(size=6), 8) + np.repeat(rng.normal(size=24), 2)
    return data.assign(twin=data["school"].str.upper(), y=effects + rng.normal(size=48))


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
        "identical": lambda: fit_of("y ~ x + (1 | school) + (1 | twin)", nested()),
        "crossed": lambda: fit_of("strength ~ 1 + (1 | batch) + (1 | cask)", mw.datasets.load_pastes()),
        "penicillin": lambda: fit_of(
            "diameter ~ 1 + (1 | plate) + (1 | sample)", mw.datasets.load_penicillin()
        ),
        "many correlations": lambda: fit_of("y ~ arm + x + (arm + x | g)", data),
        "no variance": lambda: fit_of("y ~ x + (1 | g)", without_variance()),
        "no variances": lambda: fit_of("y ~ x + (x | g)", without_variance()),
        "no slope variance": lambda: fit_of("y ~ x + (1 | g) + (0 + x | g)", without_variance()),
        "centred slope": lambda: fit_of("y ~ 1 + (x | g)", data),
        "offset array": lambda: fit_of("y ~ x + (1 | g)", data, offset=data["o"].to_numpy(), weights="w"),
        "gradient": lambda: uncertified(case("slopes"), "gradient"),
        "boundary": lambda: uncertified(case("slopes"), "boundary"),
        "saddle": lambda: uncertified(case("slopes"), "negative_curvature"),
        "unknown": lambda: uncertified(case("slopes"), "something_new"),
        "uncertified singular": lambda: uncertified(
            fit_of("y ~ x + (x | g)", without_variance()), "gradient"
        ),
        "zero effect": lambda: without_one_effect(case("slopes")),
        "rank": lambda: low_rank(fit_of("y ~ arm + x + (arm + x + o | g)", data), 1),
        "two empty": lambda: low_rank(fit_of("y ~ arm + (arm | g)", data), 1),
        "perfect": lambda: low_rank(case("slopes"), 1),
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


@pytest.mark.parametrize("key", list(words_en.SENTENCES))
def test_languages_have_the_same_fields(key: str) -> None:
    assert fields_of(words_en.SENTENCES[key]) == fields_of(words_zh.SENTENCES[key])


def test_languages_have_the_same_texts() -> None:
    assert list(words_en.SENTENCES) == list(words_zh.SENTENCES)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", list(makers()))
def test_no_branch_leaves_a_field_open(name: str, lang: str) -> None:
    text = as_text(told(case(name), words(lang), checked=not unchecked(name)))
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b|\bInfinity\b|\{\w*\}", text, flags=re.IGNORECASE), name
    assert not re.search(
        r"(?<!\w)\(\s*\)|（\s*）|  \.|,,|，，|。。|\.\.(?!\.)", text.split("import mixwell")[0]
    ), name
    for line in text.splitlines():
        assert line == line.rstrip()


def unchecked(name: str) -> bool:
    """Fits changed by hand, whose parts no longer belong together."""
    return name in {"zero effect", "rank", "two empty", "perfect"}


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
    narrate(account(rats.design, rats.fit, text, checks=all_fine(rats)))
    missed = {k for k in recorded if k not in recorded.used and not TABLES_ONLY.match(k)} - ELSEWHERE
    assert missed == set()


def numbers_in(narrative: Narrative, section: str) -> str:
    return as_text(Narrative("", (narrative.section(section),)))


def test_numbers_are_those_of_the_fit() -> None:
    fit = case("sleep")
    narrative = told(fit, words("en"))
    fixed = numbers_in(narrative, "fixed_effects")
    ends = fit.conf_int().loc["Days"]
    assert f"changes by {fit.params['Days']:.2f}" in " ".join(fixed.split())
    assert f"95% interval {ends['conf_low']:.2f} to {ends['conf_high']:.2f}, p < 0.001" in " ".join(
        fixed.split()
    )
    variance = " ".join(numbers_in(narrative, "variance").split())
    assert f"is {fit.icc().adjusted:.3f}" in variance or f"make up {fit.icc().adjusted:.3f}" in variance
    profile = fit.conf_int(method="profile", parameters="cor_Days.(Intercept)|Subject").iloc[0]
    assert f"interval {profile['conf_low']:.3f} to {profile['conf_high']:.3f}" in variance
    assert f"{fit.criterion:.4f}" in numbers_in(narrative, "convergence")
    assert "180 rows" in numbers_in(narrative, "data")


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
    assert f"is {ratio:.4g} times that for low" in text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_an_effect_without_standard_error_is_not_tested(lang: str) -> None:
    design = case("sleep").design
    assert design.recipe is not None
    unknown = Estimate("Days", 10.467, np.nan, np.nan, np.nan, np.nan)
    said = sentence(design, design.recipe, unknown, (), 0.95, words(lang))
    assert said == words(lang).say("fixed_untested", name="Days", estimate="10.47")


def test_small_p_values_are_bounded() -> None:
    text = words("en")
    assert text.p(0.0009) == "p < 0.001"
    assert text.p(0.001) == "p = 0.001"
    assert text.p(1.0) == "p = 1.000"


def test_an_interval_with_zero_inside_is_said() -> None:
    assert "leave its sign open" in " ".join(str(case("unclear").report()).split())
    assert "不能确定其正负" in str(case("unclear").report(lang="zh")).replace("\n", "")


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


def spoken() -> Iterator[Check]:
    for name in makers():
        fit = case(name)
        if not unchecked(name):
            yield from check(fit.design, fit.fit, fit._origin)


def test_checks_are_told_in_chinese() -> None:
    """No assumption, test or evidence stays English."""
    for line in spoken():
        assert in_chinese(line.assumption) != line.assumption, line.assumption
        assert in_chinese(line.test) != line.test, line.test
        evidence = check_in_chinese(line).evidence
        for english in (
            "skewness",
            "largest",
            "smallest",
            "spread",
            "without",
            "criterion",
            "matrix",
            " by ",
            "most needed",
        ):
            assert english not in evidence or line.assumption in ("converged", "regular covariances"), (
                evidence
            )


def test_unknown_language_is_refused() -> None:
    fit = case("sleep")
    with pytest.raises(mw.MixwellError, match="'en' or 'zh'"):
        make_report(fit.design, fit.fit, fit._origin, lang="fr")


def test_a_template_without_its_field_is_an_error() -> None:
    with pytest.raises(KeyError, match="glance_group"):
        words("en").say("glance_group", levels="3")
