"""Tables of models in five formats: the numbers of the fit, escaped, parsed back."""

from __future__ import annotations

import pickle
import re
import sys
import warnings
from html.parser import HTMLParser
from pathlib import Path

import docx
import pytest

import mixwell as mw
from mixwell.report.formats import latex_escape, markdown_escape
from mixwell.report.tables import random_label
from mixwell.report.words import words
from small_models import grouped, without_variance

TEXT_FORMATS = ("text", "html", "latex", "markdown")


@pytest.fixture(scope="module")
def sleep() -> list[mw.LmerResult]:
    data = mw.datasets.load_sleepstudy()
    return [mw.lmer(f"Reaction ~ Days + {bar}", data) for bar in ("(1 | Subject)", "(Days | Subject)")]


class Cells(HTMLParser):
    """Rows of an HTML table."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def rows_of(text: str, fmt: str) -> list[list[str]]:
    """Cells of a table in one of the formats."""
    if fmt == "html":
        return Cells(text).rows
    if fmt == "latex":
        lines = [line.removesuffix(r" \\") for line in text.splitlines() if " & " in line]
        return [[cell.strip().replace("$-$", "-") for cell in line.split(" & ")] for line in lines]
    if fmt == "markdown":
        lines = [line for line in text.splitlines() if line.startswith("| ")]
        return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]


@pytest.mark.parametrize("fmt", TEXT_FORMATS)
def test_every_format_has_the_numbers(sleep: list[mw.LmerResult], fmt: str) -> None:
    fit = sleep[1]
    rows = rows_of(fit.table(fmt), fmt)
    tests = fit.tidy(conf_int=True).set_index("term").loc["Days"]
    row = next(row for row in rows if row[0] == "Days")
    row = [re.sub(r"[{}\\]", "", cell) for cell in row]
    assert float(row[1]) == pytest.approx(tests["estimate"], abs=0.005)
    assert float(row[2]) == pytest.approx(tests["std_error"], abs=0.005)
    assert row[3] == f"[{tests['conf_low']:.2f}, {tests['conf_high']:.2f}]"
    assert float(row[4]) == pytest.approx(tests["df"], abs=0.05)
    sigma = next(row for row in rows if row[0] == "SD residual")
    assert float(sigma[1]) == pytest.approx(fit.sigma, abs=0.005)


@pytest.mark.parametrize("fmt", TEXT_FORMATS)
def test_models_stand_side_by_side(sleep: list[mw.LmerResult], fmt: str) -> None:
    rows = rows_of(mw.table(sleep, fmt, names=["one", "two"], uncertainty="std_error"), fmt)
    by_name = {row[0]: row[1:] for row in rows if row}
    assert [cell.split(" ")[0] for cell in by_name["Days"]] == ["10.467", "10.47"]
    assert by_name["AIC"] == [f"{fit.aic:.2f}" for fit in sleep]
    assert by_name["Rows"] == ["180", "180"]
    if fmt != "text":
        slope = next(cells for name, cells in by_name.items() if name.startswith("SD Days"))
        assert slope == ["", "5.922"]


def test_uncertainty_as_chosen(sleep: list[mw.LmerResult]) -> None:
    low, high = sleep[1].conf_int(level=0.9).loc["Days"]
    assert f"10.47 [{low:.2f}, {high:.2f}]" in mw.table(sleep, level=0.9)
    assert "90% confidence intervals" in mw.table(sleep, level=0.9)
    assert "10.47 (p <0.001)" in mw.table(sleep, uncertainty="p_value")
    assert "10.47***" in mw.table(sleep, uncertainty="none", stars=True)
    assert "*" not in mw.table(sleep)
    with pytest.raises(mw.MixwellError, match="'interval'"):
        mw.table(sleep, uncertainty="both")


def test_remarks() -> None:
    data = grouped()
    fits = [mw.lmer(f, data) for f in ("y ~ x + (1 | g)", "y ~ arm + (1 | g)")]
    assert "different fixed parts" in mw.table(fits)
    ml = mw.lmer("y ~ x + (1 | g)", data, reml=False)
    assert "REML and ML" in mw.table([fits[0], ml])
    assert "cannot be compared" not in mw.table([ml, mw.lmer("y ~ arm + (1 | g)", data, reml=False)])
    assert "different rows" in mw.table([ml, mw.lmer("y ~ x + (1 | g)", data[:80], reml=False)])
    with pytest.warns(mw.SingularFitWarning):
        other = mw.lmer("o ~ x + (1 | g)", data, reml=False)
    assert "different responses" in mw.table([ml, other])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mw.SingularFitWarning)
        flat = mw.lmer("y ~ x + (x | g)", without_variance())
    assert "singular" in flat.table()
    assert "–" in flat.table()
    assert "nan" not in flat.table().lower()


def test_chinese() -> None:
    fit = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff())
    text = fit.table(lang="zh")
    for word in ("固定效应", "标准误", "残差标准差", "组内相关", "Satterthwaite法"):
        assert word in text


def test_latex_has_no_open_commands() -> None:
    data = grouped().rename(columns={"x": "x_1", "g": "g&h"})
    text = mw.lmer("y ~ x_1 + I(x_1^2) + (1 | `g&h`)", data).table("latex", stars=True)
    body = re.sub(r"\\(?:[a-zA-Z]+|[_&%#$\\{}])(?:\{[^{}]*\}|\[\w+\])*", "", text)
    assert "_" not in body
    assert "^" not in body
    assert "~" not in body
    for line in text.splitlines():
        if line.endswith(r"\\") and "multicolumn" not in line:
            assert len(re.findall(r"(?<!\\)&", line)) == 6
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("a_b", r"a\_b"),
        ("-1.5", "$-$1.5"),
        ("x-1", "x-1"),
        ("[-1, 2]", "{[}$-$1, 2{]}"),
        ("\\", r"\textbackslash{}"),
    ],
)
def test_latex_escapes(given: str, wanted: str) -> None:
    assert latex_escape(given) == wanted


def test_markdown_escapes() -> None:
    assert markdown_escape("(1 | g_1) <b>") == r"(1 \| g\_1) \<b\>"


def test_html_escapes() -> None:
    data = grouped().rename(columns={"x": "<x>"})
    assert "<x>" not in mw.lmer("y ~ `<x>` + (1 | g)", data).table("html")


def test_word_document(sleep: list[mw.LmerResult], tmp_path: Path) -> None:
    path = tmp_path / "table.docx"
    mw.table(sleep, "docx", path=path)
    document = docx.Document(str(path))
    rows = [[cell.text for cell in row.cells] for row in document.tables[0].rows]
    assert rows[0] == ["", "(1)", "(2)"]
    assert next(row for row in rows if row[0] == "AIC")[1:] == [f"{fit.aic:.2f}" for fit in sleep]
    assert any("(2): Reaction ~ Days + (Days | Subject)" in p.text for p in document.paragraphs)


def test_word_without_its_package(sleep: list[mw.LmerResult], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "docx", None)
    monkeypatch.delitem(sys.modules, "mixwell.report.tables_docx", raising=False)
    with pytest.raises(mw.MixwellError, match=r"mixwell\[docx\]"):
        sleep[0].table("docx")


def test_tables_show_and_travel(sleep: list[mw.LmerResult], tmp_path: Path) -> None:
    made = sleep[0].table()
    assert repr(made) == str(made)
    assert made._repr_html_() == sleep[0].table("html")
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    assert again.html == made.html
    sleep[0].table("markdown", path=tmp_path / "t.md")
    assert (tmp_path / "t.md").read_text(encoding="utf-8") == f"{sleep[0].table('markdown')}\n"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"fmt": "xlsx"}, "'docx'"),
        ({"lang": "de"}, "'zh'"),
        ({"level": 95}, "between 0 and 1"),
        ({"ddf": "none"}, "'satterthwaite'"),
    ],
)
def test_wrong_options(sleep: list[mw.LmerResult], arguments: dict[str, object], word: str) -> None:
    with pytest.raises(mw.MixwellError, match=word):
        mw.table(sleep, **arguments)


def test_wrong_models(sleep: list[mw.LmerResult]) -> None:
    with pytest.raises(mw.MixwellError, match="takes 1 or more"):
        mw.table([])
    with pytest.raises(mw.MixwellError, match="1 names for 2 models"):
        mw.table(sleep, names=["a"])


def test_labels_of_random_effects() -> None:
    text = words("en")
    assert random_label(("g", "x", ""), text) == "SD x | g"
    assert random_label(("g", "x", "z"), text) == "Cor x, z | g"
    assert random_label(("", "", ""), text) == "SD residual"
