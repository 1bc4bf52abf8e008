"""The summary: what it says, that it fits the page, and that names of any kind align."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mixwell as mw
from mixwell.design.record import Design, GroupingFactor, RandomTerm
from mixwell.fit.convergence import certificate_line, explain, is_singular, singular_phrases
from mixwell.fit.record import Certificate, Fit, TermCertificate
from mixwell.inference.degrees_of_freedom import approximation
from mixwell.report.summary import summarize
from mixwell.text import abbreviate, display_width, fold, number, number_column, shorten, table, wrap
from reference_cases import cases
from small_models import FITS, fitted, grouped, without_variance

pytestmark = pytest.mark.filterwarnings("ignore::mixwell.SingularFitWarning")


def assert_fits_the_page(text: str) -> None:
    assert max(display_width(line) for line in text.split("\n")) <= 79
    assert not re.search(r"\b(nan|None|inf)\b", text)
    assert not any(line != line.rstrip() for line in text.split("\n"))


def sleepstudy(reml: bool = True) -> mw.LmerResult:
    return mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy(), reml=reml)


def test_numbers_are_those_of_r() -> None:
    text = str(sleepstudy().summary())
    wanted = cases()["sleep_full_reml"].results
    assert "Linear mixed model fit by REML" in text
    assert "Formula: Reaction ~ Days + (Days | Subject)" in text
    assert f"REML criterion at convergence: {wanted['criterion']:.1f}" in text
    intercept, slope, covariance, residual = wanted["varcorr"]
    expected = [
        rf"Subject +\(Intercept\) +{intercept['vcov']:.2f} +{intercept['sdcor']:.3f}\n",
        rf" Days +{slope['vcov']:.2f} +{slope['sdcor']:.3f} +{covariance['sdcor']:.2f}\n",
        rf"Residual +{residual['vcov']:.2f} +{residual['sdcor']:.3f}\n",
        r"Number of obs: 180, groups: Subject, 18\n",
    ]
    for name in ("(Intercept)", "Days"):
        estimate, se = wanted["fixef"][name], wanted["se"][name]
        expected.append(rf"{re.escape(name)} +{estimate:.3f} +{se:.3f} +17.00 +{estimate / se:.3f} ")
    correlation = wanted["vcov"]["data"][0][1] / (wanted["se"]["(Intercept)"] * wanted["se"]["Days"])
    expected.append(rf"\(Intr\)\nDays +{correlation:.3f}\n")
    for pattern in expected:
        assert re.search(pattern, text), pattern
    said = r"Converged, certified: criterion within \S+ of a local minimum \(\d+ evaluations\)\."
    assert re.search(said.replace(" ", r"\s+"), text)


def test_maximum_likelihood_shows_information_criteria() -> None:
    text = str(sleepstudy(reml=False).summary())
    wanted = cases()["sleep_full_ml"].results
    assert "fit by maximum likelihood" in text
    head, values = (line.split() for line in text.split("\n")[3:5])
    assert head == ["AIC", "BIC", "logLik", "-2*logLik", "df.resid"]
    assert values == [
        f"{wanted['AIC']:.1f}",
        f"{wanted['BIC']:.1f}",
        f"{wanted['logLik']:.1f}",
        f"{wanted['criterion']:.1f}",
        "174",
    ]


def test_scaled_residuals_are_quartiles() -> None:
    text = str(sleepstudy().summary())
    residuals = cases()["diag_sleep_full"].results["diagnostics"]["scaled_pearson"]
    head, values = text.split("Scaled residuals:\n")[1].split("\n")[:2]
    assert head.split() == ["Min", "1Q", "Median", "3Q", "Max"]
    assert values.split()[0] == f"{residuals['min']:.4f}"
    assert values.split()[-1] == f"{residuals['max']:.4f}"


@pytest.mark.parametrize("name", list(FITS))
def test_every_kind_of_model_fits_the_page(name: str) -> None:
    assert_fits_the_page(str(fitted(name).summary()))
    assert str(fitted(name)) == str(fitted(name).summary())


def test_printing_the_result_prints_its_summary() -> None:
    assert repr(fitted("slopes")) == str(fitted("slopes").summary()) == repr(fitted("slopes").summary())


def test_rows_left_out_are_counted_by_column() -> None:
    data = grouped()
    data.iloc[[2, 3], data.columns.get_loc("x")] = np.nan
    data.iloc[[3, 4], data.columns.get_loc("y")] = np.nan
    text = str(mw.lmer("y ~ x + (1 | g)", data).summary())
    assert "3 of 90 rows left out, with missing values in y (2), x (2)." in text
    assert "left out" not in str(fitted("slopes").summary())


def test_weights_and_offset_are_noted() -> None:
    text = str(fitted("weights, offset").summary())
    assert re.search(r"Prior weights from 0\.\d+ to 2\.\d+\.", text)
    assert "An offset is part of the mean." in text
    assert "weights" not in str(fitted("slopes").summary())
    assert "offset" not in str(fitted("slopes").summary())


def test_singular_fit_says_what_has_no_variance() -> None:
    text = str(mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff2()).summary())
    assert "Singular fit: the variance of the intercept in (1 | Batch) is zero." in text
    assert_fits_the_page(text)


def test_correlation_of_effects_without_variance_is_blank() -> None:
    result = mw.lmer("y ~ x + (x | g)", without_variance())
    text = str(result.summary())
    assert_fits_the_page(text)
    assert "Singular fit: all variances in (x | g) are zero." in text
    assert np.isnan(result.variance_components["sdcor"][2])
    assert result.coef["g"]["x"].nunique() == 1


def test_no_fixed_effects() -> None:
    result = mw.lmer("y ~ 0 + (1 | g)", grouped())
    assert_fits_the_page(str(result.summary()))
    assert "Fixed effects:\n none" in str(result.summary())
    assert result.params.empty
    assert result.predict(grouped()[:3]).notna().all()


# ---- long and odd names


LONG = "a_rather_long_name_that_somebody_gave_to_a_column_of_this_table_because_it_was_late_number_"


def test_long_names_and_many_columns() -> None:
    rng = np.random.default_rng(5)
    scales = 10.0 ** rng.integers(-6, 7, 24)
    data = pd.DataFrame({f"{LONG}{j}": rng.normal(size=200) * scales[j] for j in range(24)})
    data["group with a long name, as long as that of a column, or even longer than that one, if"] = (
        rng.choice(list("abcdef"), 200)
    )
    data["y"] = rng.normal(size=200)
    group = f"`{data.columns[24]}`"
    right = " + ".join(f"{LONG}{j}" for j in range(24))
    result = mw.lmer(f"y ~ {right} + (1 | {group}) + (0 + {LONG}0 | {group})", data)
    text = str(result.summary())
    assert_fits_the_page(text)
    for j in range(24):
        assert f"{LONG}{j}" in text.replace("\n", "")
    assert "Correlation of the 25 fixed effects not shown" in text
    fewer = mw.lmer(f"y ~ {' + '.join(f'{LONG}{j}' for j in range(12))} + (1 | {group})", data)
    assert_fits_the_page(str(fewer.summary()))
    assert "Correlation of fixed effects:" in str(fewer.summary())


def test_wide_characters_align() -> None:
    data = grouped().rename(columns={"y": "体重", "x": "胎仔数", "arm": "处理", "g": "窝"})
    text = str(mw.lmer("体重 ~ 胎仔数 + 处理 + (胎仔数 | 窝)", data).summary())
    assert_fits_the_page(text)
    lines = text.split("Fixed effects:\n")[1].split("\n\n")[0].split("\n")
    assert len({display_width(line) for line in lines}) == 1
    lines = text.split("Random effects:\n")[1].split("\nNumber")[0].split("\n")
    ends = [display_width(re.match(r"^ .*?\d+\.\d+ +\d+\.\d+", line).group()) for line in lines[1:]]
    assert len(set(ends)) == 1


def test_huge_and_tiny_numbers_stay_readable() -> None:
    data = grouped()
    result = mw.lmer("y ~ x + (x | g)", data.assign(y=1e9 + 1e-3 * data["y"], x=1e6 * data["x"]))
    text = str(result.summary())
    assert_fits_the_page(text)
    row = re.search(r"\nx +(\S+) +(\S+) +(\S+)", text)
    assert float(row.group(1)) == pytest.approx(result.params["x"], rel=1e-3)
    assert float(row.group(2)) == pytest.approx(result.bse["x"], rel=1e-3)


def test_many_correlated_effects_get_a_matrix_of_their_own() -> None:
    rng = np.random.default_rng(8)
    data = pd.DataFrame(rng.normal(size=(600, 6)), columns=[f"predictor_{j}" for j in range(6)])
    data["g"] = np.repeat(np.arange(30), 20)
    slopes = rng.normal(size=(30, 6)) @ rng.normal(size=(6, 6))
    data["y"] = (slopes[data["g"]] * data[[f"predictor_{j}" for j in range(6)]].to_numpy()).sum(axis=1)
    data["y"] += rng.normal(size=600)
    terms = " + ".join(f"predictor_{j}" for j in range(6))
    result = mw.lmer(f"y ~ 1 + ({terms} | g)", data)
    text = str(result.summary())
    assert_fits_the_page(text)
    assert "Correlation of random effects of g:" in text
    matrix = text.split("Correlation of random effects of g:\n")[1].split("\nNumber")[0]
    covariance = result.cov_re["g"].to_numpy()
    r = covariance[6, 5] / np.sqrt(covariance[5, 5] * covariance[6, 6])
    assert f"{r:.3f}" in matrix


# ---- HTML


@pytest.mark.parametrize("name", ["slopes", "crossed", "weights, offset"])
def test_html_is_well_formed_and_complete(name: str) -> None:
    result = fitted(name)
    page = ET.fromstring(result._repr_html_().replace("<br>", "<br/>"))
    text = " ".join(page.itertext())
    for label in result.params.index:
        assert label in text
    assert "Converged, certified" in text
    assert len(page.findall("table")) == 3
    assert not re.search(r"\b(nan|None)\b", text)
    assert result.summary()._repr_html_() == result._repr_html_()


@pytest.mark.parametrize("name", ["slopes", "crossed", "weights, offset"])
def test_cells_of_the_html_are_those_of_the_text(name: str) -> None:
    """Row by row: what stands in a table of the notebook stands in the printed summary."""
    result = fitted(name)
    text = str(result.summary())
    page = ET.fromstring(result._repr_html_().replace("<br>", "<br/>"))
    rows = [
        ["".join(cell.itertext()).strip() for cell in row.iter("td")]
        for body in page.findall("table")
        for row in body.iter("tr")
    ]
    numbers = [[cell for cell in row if re.fullmatch(r"[-\d.e+]+", cell)] for row in rows]
    numbers = [row for row in numbers if row]
    terms = sum(len(term.names) for term in result.design.terms)
    assert len(numbers) == 1 + terms + 1 + len(result.params)
    for row in numbers:
        assert re.search(r"\s+".join(map(re.escape, row)), text), row
    for variance, sd, *_ in numbers[1 : terms + 2]:
        assert float(sd) ** 2 == pytest.approx(float(variance), rel=1e-2)


def test_html_escapes_names() -> None:
    data = grouped().rename(columns={"x": "<b>&"})
    html = mw.lmer("y ~ `<b>&` + (1 | g)", data)._repr_html_()
    assert "<b>" not in html
    assert "&lt;b&gt;&amp;" in html


# ---- the certificate in words


def handmade(null_space: np.ndarray, covariance: np.ndarray, names: tuple[str, ...]) -> tuple[Design, Fit]:
    """A design and fit whose only term has the given zero-variance combinations."""
    k = len(names)
    n = 12
    rng = np.random.default_rng(3)
    columns = tuple([np.ones(n), *(10.0**j * rng.normal(size=n) for j in range(1, k))][:k])
    design = replace(
        fitted("slopes").design,
        factors=(
            GroupingFactor("g", np.array(["a", "b"], dtype=object), np.repeat([0, 1], 6).astype(np.int32)),
        ),
        terms=(RandomTerm(0, f"({' + '.join(names[1:]) or '1'} | g)", names, columns),),
    )
    certificate = Certificate(
        converged=True,
        gap=1e-15,
        gradient_norm=1e-9,
        hessian_eigenvalue=0.5,
        terms=(TermCertificate(rank=k - null_space.shape[1], null_space=null_space, null_eigenvalue=3.21),),
        reason="",
    )
    fit = replace(fitted("slopes").fit, certificate=certificate, term_cov=(covariance,))
    return design, fit


def test_perfect_correlation_is_called_so() -> None:
    # b_x = 0.1 b_0, so -0.1 b_0 + b_x = 0.
    covariance = np.array([[4.0, 0.4], [0.4, 0.04]])
    design, fit = handmade(np.array([[-0.1], [1.0]]), covariance, ("(Intercept)", "x"))
    assert singular_phrases(design, fit) == [
        "(Intercept) and x in (x | g) have correlation +1: (Intercept) - 10.0 x does not vary"
    ]
    assert is_singular(fit)


def test_zero_slope_variance_names_the_slope() -> None:
    design, fit = handmade(np.array([[1e-9], [1.0]]), np.diag([4.0, 0.0]), ("(Intercept)", "x"))
    assert singular_phrases(design, fit) == ["x in (x | g) has zero variance"]


def test_several_combinations_are_taken_apart() -> None:
    """Any basis of the null space is reported in the simplest terms: x is zero, and z = -2 (Intercept)."""
    null_space = np.array([[2.0, 2.0], [5.0, -1.0], [1.0, 1.0]])
    b = np.array([1.0, 0.0, -2.0])
    design, fit = handmade(null_space, np.outer(b, b), ("(Intercept)", "x", "z"))
    (phrase,) = singular_phrases(design, fit)
    assert phrase.startswith("in (x + z | g) the combinations ")
    assert set(phrase.split("combinations ")[1].removesuffix(" have zero variance").split("; ")) == {
        "x",
        "(Intercept) + 0.500 z",
    }


def test_advice_suits_what_is_singular() -> None:
    zero = handmade(np.array([[0.0], [1.0]]), np.diag([4.0, 0.0]), ("(Intercept)", "x"))
    assert "without that effect has the same criterion" in explain(*zero)
    perfect = handmade(np.array([[-0.1], [1.0]]), np.array([[4.0, 0.4], [0.4, 0.04]]), ("(Intercept)", "x"))
    assert "without that effect" not in explain(*perfect)
    assert "(||)" in explain(*perfect)


def test_named_combination_has_no_variance() -> None:
    """What the words say of a real singular fit is true of its covariance matrix."""
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"x": rng.normal(2, 3, 60), "g": np.repeat(np.arange(10), 6)})
    data["y"] = rng.normal(size=10)[data["g"]] + rng.normal(size=60)
    result = mw.lmer("y ~ x + (x | g)", data)
    (phrase,) = result.convergence.singular
    factor = float(re.fullmatch(r".*correlation \+1: \(Intercept\) - (\S+) x does not vary", phrase).group(1))
    covariance = result.cov_re["g"].to_numpy()
    assert factor == pytest.approx(np.sqrt(covariance[0, 0] / covariance[1, 1]), rel=5e-3)


def test_no_variance_at_all() -> None:
    design, fit = handmade(np.eye(2), np.zeros((2, 2)), ("(Intercept)", "x"))
    assert singular_phrases(design, fit) == ["all variances in (x | g) are zero"]
    assert "smallest slope 3.21" in explain(design, fit)


def test_failed_certificate_is_said_first() -> None:
    fit = fitted("slopes").fit
    failed = replace(fit, certificate=replace(fit.certificate, converged=False, gap=0.25, reason="gradient"))
    assert certificate_line(failed).startswith("NOT CONVERGED")
    assert "0.250" in certificate_line(failed)
    assert "must not be relied on" in explain(fitted("slopes").design, failed)
    method = approximation(fitted("slopes").design, failed, "satterthwaite")
    assert_fits_the_page(str(summarize(fitted("slopes").design, failed, method, "Satterthwaite's method")))


# ---- text tools


def test_display_width_counts_wide_and_combining_characters() -> None:
    assert display_width("é") == 1
    assert display_width("e\u0301") == 1
    assert display_width("窝仔") == 4


@pytest.mark.parametrize("width", range(4, 30))
def test_shortened_and_folded_texts_keep_their_width(width: int) -> None:
    text = "处理[高剂量]:sex[Female]:weight_at_birth"
    assert display_width(shorten(text, width)) <= width
    pieces = fold(text, width)
    assert "".join(pieces) == text
    assert max(map(display_width, pieces)) <= width
    lines = wrap("one two three " + text, indent="  ", width=width)
    assert max(map(display_width, lines)) <= width


def test_formula_without_blanks_breaks_at_operators() -> None:
    formula = "y~" + "+".join(f"predictor_{i}" for i in range(12)) + "+(1|group)"
    lines = wrap(f"Formula: {formula}", indent="    ", breaks="~+*/|")
    assert len(lines) == 3
    assert all(line.endswith("+") for line in lines[:-1])
    assert "".join(line.strip() for line in lines) == f"Formula: {formula}"


def test_abbreviations_are_distinct() -> None:
    names = [f"Treatment[Level {i}]:sex[Female]" for i in range(15)]
    short = abbreviate(names, 6)
    assert len(set(short)) == 15
    assert abbreviate(["(Intercept)", "TreatmentControl"], 6) == ["(Intr)", "TrtmnC"]


def test_numbers_have_enough_digits() -> None:
    assert number(0.0) == "0"
    assert number(123456.789) == "123457"
    assert number(-0.00001234) == "-1.234e-05"
    assert number_column([0.0, 1.5]) == ["0.000", "1.500"]
    assert number_column([None, 2.0]) == ["     ", "2.000"]
    assert number_column([1e-30, 2.0]) == ["1.000e-30", "    2.000"]
    assert number_column([]) == []


def test_table_puts_a_name_too_long_above_its_numbers() -> None:
    lines = table(["short", "x" * 90], [("value", ["1.0", "2.0"])])
    assert lines[1] == "short   1.0"
    assert "".join(lines[2:4]) == "x" * 90
    assert lines[4] == "        2.0"
