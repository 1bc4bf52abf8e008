"""Reports as pages: self-contained, accessible, and rendered without complaint by a real browser."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import warnings
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from matplotlib import font_manager

import mixwell as mw
from mixwell import cli
from mixwell.plots.style import chinese_font

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
REQUIRED = os.environ.get("MIXWELL_REQUIRE_CHROMIUM") == "1"

MODELS = {
    "rats": ("weight ~ Treatment * sex + Lsize + (1 | Litter)", mw.datasets.load_ratpups),
    "sleep": ("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy),
    "singular": ("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff2),
    "crossed": ("diameter ~ 1 + (1 | plate) + (1 | sample)", mw.datasets.load_penicillin),
}
# Figures of each: data, effects and coefficients, variance, random effects, ellipse, trajectories, checks.
FIGURES = {"rats": 12, "sleep": 14, "singular": 8, "crossed": 12}
VOID = {"meta", "link", "br", "path", "use", "rect"}


@cache
def report(name: str, lang: str = "en") -> mw.report.document.Report:
    formula, load = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mw.MixwellWarning)
        made = mw.lmer(formula, load()).report(lang=lang)
        assert made.html
    return made


class Page(HTMLParser):
    """Elements of a page, with their attributes; the text outside of figures and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "svg"} & set(self.open):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", list(MODELS))
def test_page_is_whole(name: str, lang: str) -> None:
    page = Page(report(name, lang).html)
    assert page.open == []
    assert page.all("html")[0]["lang"] == {"en": "en", "zh": "zh-Hans"}[lang]
    assert len(page.all("h1")) == 1
    assert len(page.all("h2")) == len(page.all("section")) == 9
    assert len(page.all("figure")) == len(page.all("figcaption")) == len(page.all("svg")) == FIGURES[name]
    assert len(page.all("caption")) == len(page.all("table")) >= 3
    assert len(page.all("math")) == 2
    assert not re.search(r"\b[Nn]a[Nn]\b|\bNone\b|\b[Ii]nf\b|\{\{|\}\}|[\ue000\ue001]", page.text)


@pytest.mark.parametrize("name", list(MODELS))
def test_page_asks_nothing_of_the_network(name: str) -> None:
    page = Page(report(name).html)
    assert "http:" not in report(name).html
    assert "https:" not in report(name).html
    assert not page.all("script")
    assert not page.all("img")
    for _, attributes in page.elements:
        for key in ("src", "href", "xlink:href"):
            target = attributes.get(key) or "#"
            assert target.startswith(("#", "data:,")), target
    assert "url(" not in re.sub(r"url\(#", "", report(name).html)


@pytest.mark.parametrize("name", list(MODELS))
def test_figures_have_alternatives_and_identifiers_of_their_own(name: str) -> None:
    page = Page(report(name).html)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for svg in page.all("svg"):
        assert svg["role"] == "img"
        title = re.search(rf'<title id="{svg["aria-labelledby"]}">([^<]+)</title>', report(name).html)
        assert title is not None
        assert len(title[1]) > 20
    for attributes in page.all("use"):
        assert (attributes.get("xlink:href") or "#")[1:] in ids
    for attributes in page.all("a"):
        assert (attributes.get("href") or "#")[1:] in ids
    for head in page.all("th"):
        assert head.get("scope") in ("col", "row", "colgroup")


def test_colours_have_contrast() -> None:
    """Text against its background: at least 4.5 to 1 (WCAG 2, level AA)."""
    css = report("rats").html.split("</style>")[0]
    pairs = [
        (text, back) for text in re.findall(r"[{;]\s*color: (#\w{6})", css) for back in ("#ffffff", "#f4f6f8")
    ]
    assert len(pairs) >= 8
    for text, back in pairs:
        assert contrast(text, back) > 4.5


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours (WCAG 2.1, relative luminance)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_print_rules_exist() -> None:
    css = report("rats").html.split("</style>")[0]
    assert "@media print" in css
    assert "break-inside: avoid" in css


def test_numbers_on_the_page_are_those_of_the_fit() -> None:
    formula, load = MODELS["sleep"]
    fit = mw.lmer(formula, load())
    text = Page(report("sleep").html).text
    for value in (f"{fit.params['Days']:.2f}", f"{fit.criterion:.4f}", f"{fit.sigma:.2f}", mw.__version__):
        assert value in text


def test_names_are_escaped() -> None:
    data = mw.datasets.load_sleepstudy().rename(columns={"Days": "<b>&Days"})
    html = mw.lmer("Reaction ~ `<b>&Days` + (1 | Subject)", data).report().html
    assert "<b>" not in html
    assert "&lt;b&gt;&amp;Days" in html


def test_saving(tmp_path: Path) -> None:
    made = report("singular")
    assert made.save(tmp_path / "a.html").read_text(encoding="utf-8") == made.html
    assert made.save(tmp_path / "a.txt").read_text(encoding="utf-8") == f"{made}\n"
    with pytest.raises(mw.MixwellError, match=r"\.html"):
        made.save(tmp_path / "a.pdf")


def test_chinese_without_a_font_keeps_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [
        font for font in font_manager.fontManager.ttflist if font.name.startswith("DejaVu")
    ])  # fmt: skip
    formula, load = MODELS["sleep"]
    made = mw.lmer(formula, load()).report(lang="zh")
    with pytest.warns(mw.MixwellWarning, match="No installed font") as caught:
        html = made.html
    assert len(caught) == 1
    assert "固定效应" in html


# ---- the command line


def test_report_command(tmp_path: Path) -> None:
    data, page = tmp_path / "sleep.csv", tmp_path / "page.html"
    mw.datasets.load_sleepstudy().to_csv(data, index=False)
    arguments = ["report", "Reaction ~ Days + (1 | Subject)", str(data), "-o", str(page), "--lang", "zh"]
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 0, result.output
    assert str(page) in result.stdout
    html = page.read_text(encoding="utf-8")
    assert 'lang="zh-Hans"' in html
    assert "pd.read_csv(" in html


def test_report_command_refuses_what_it_cannot_write(tmp_path: Path) -> None:
    data = tmp_path / "sleep.csv"
    mw.datasets.load_sleepstudy().to_csv(data, index=False)
    for target, word in (("page.pdf", ".html"), ("nowhere/page.html", "cannot be written")):
        result = CliRunner().invoke(
            cli.main, ["report", "Reaction ~ 1 + (1 | Subject)", str(data), "-o", str(tmp_path / target)]
        )
        assert result.exit_code == 2
        assert word in result.stderr


# ---- the browser


def browser(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run headless Chromium; skipped, with the reason, where there is none and none is required."""
    if CHROMIUM is None or chinese_font() is None:
        missing = "Chromium" if CHROMIUM is None else "a font with Chinese characters"
        if REQUIRED:
            pytest.fail(f"MIXWELL_REQUIRE_CHROMIUM is set, and there is no {missing}")
        pytest.skip(f"there is no {missing}; apt-get install chromium fonts-noto-cjk")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
    command = [CHROMIUM, *flags, "--enable-logging=stderr", "--v=0", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", ["rats", "sleep", "singular"])
def test_chromium_renders_the_page(name: str, lang: str, tmp_path: Path) -> None:
    path = report(name, lang).save(tmp_path / "page.html")
    probe = """<script>
    addEventListener("load", () => {
      const seen = selector => [...document.querySelectorAll(selector)].map(
        element => element.getBoundingClientRect()).filter(box => box.width > 100 && box.height > 20);
      console.log("PROBE figures=" + seen("figure svg").length + " tables=" + seen("table").length
        + " math=" + seen("math").length + " h2=" + seen("h2").length
        + " overflow=" + (document.documentElement.scrollWidth > innerWidth)
        + " requests=" + performance.getEntriesByType("resource").length);
    });
    </script></body>"""
    probed = tmp_path / "probed.html"
    probed.write_text(path.read_text(encoding="utf-8").replace("</body>", probe), encoding="utf-8")
    done = browser("--window-size=1000,1400", "--dump-dom", probed.as_uri())
    assert done.returncode == 0, done.stderr
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    found = [line for line in console if "PROBE" in line]
    assert len(found) == 1, done.stderr
    assert console == found
    page = Page(report(name, lang).html)
    tables, equations = len(page.all("table")), len(page.all("math"))
    wanted = f"figures={FIGURES[name]} tables={tables} math={equations} h2=9 overflow=false requests=0"
    assert wanted in found[0]
    assert done.stdout.count("<figure") == FIGURES[name]


def test_chromium_draws_chinese(tmp_path: Path) -> None:
    """The heading of the Chinese page is drawn with characters, not with boxes all alike."""
    path = tmp_path / "page.html"
    path.write_text(
        '<!DOCTYPE html><html lang="zh-Hans"><meta charset="utf-8"><link rel="icon" href="data:,">'
        + "<style>" + report("rats", "zh").html.split("<style>")[1].split("</style>")[0] + "</style>"
        + '<canvas id="c" width="200" height="60"></canvas><script>'
        + 'const family = getComputedStyle(document.body).fontFamily;'
        + 'const ink = text => { const g = document.getElementById("c").getContext("2d");'
        + 'g.clearRect(0, 0, 200, 60); g.font = "40px " + family; g.fillText(text, 5, 45);'
        + 'return g.getImageData(0, 0, 200, 60).data.join(); };'
        + 'console.log("PROBE " + (ink("混合") !== ink("模型")));</script></html>',
        encoding="utf-8",
    )  # fmt: skip
    done = browser("--dump-dom", path.as_uri())
    assert "PROBE true" in done.stderr


def test_chromium_prints_the_page(tmp_path: Path) -> None:
    path = report("rats").save(tmp_path / "page.html")
    target = tmp_path / "page.pdf"
    done = browser(f"--print-to-pdf={target}", "--no-pdf-header-footer", path.as_uri())
    assert done.returncode == 0, done.stderr
    assert target.read_bytes().startswith(b"%PDF")
    assert len(target.read_bytes()) > 50_000
