"""The command line: formats read and written, exit codes, one line per error."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

import mixwell as mw
from mixwell import cli
from small_models import grouped, without_variance

FORMULA = "Reaction ~ Days + (Days | Subject)"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.main, [str(a) for a in arguments])


@pytest.fixture
def sleepstudy(tmp_path: Path) -> Path:
    path = tmp_path / "sleepstudy.csv"
    mw.datasets.load_sleepstudy().to_csv(path, index=False)
    return path


def strict_json(text: str) -> dict[str, object]:
    """Parse JSON, refusing NaN and Infinity, which are not part of it."""

    def refuse(token: str) -> None:
        raise AssertionError(token)

    return json.loads(text, parse_constant=refuse)


def assert_user_error(result: Result, *words: str) -> None:
    assert result.exit_code == 2
    assert result.stdout == ""
    message = result.stderr.strip()
    assert message.startswith("Error: ")
    assert "\n" not in message
    for word in words:
        assert word in message


WRITERS = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "parquet": lambda frame, path: frame.to_parquet(path),
    "feather": lambda frame, path: frame.to_feather(path),
    "arrow": lambda frame, path: frame.to_feather(path),
    "CSV": lambda frame, path: frame.to_csv(path, index=False),
}


@pytest.mark.parametrize("extension", list(WRITERS))
def test_formats_read(tmp_path: Path, extension: str) -> None:
    data = mw.datasets.load_sleepstudy()
    path = tmp_path / f"data.{extension}"
    WRITERS[extension](data, path)
    result = run("fit", FORMULA, path)
    assert result.exit_code == 0
    assert result.stdout == f"{mw.lmer(FORMULA, data).summary()}\n"
    assert result.stderr == ""


def test_maximum_likelihood_and_weights(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    data = grouped()
    data.to_csv(path, index=False)
    result = run("fit", "y ~ x + (1 | g)", path, "--ml", "--weights", "w", "--format", "json")
    wanted = mw.lmer("y ~ x + (1 | g)", data, reml=False, weights="w")
    content = strict_json(result.stdout)
    assert content["method"] == "ML"
    assert content["criterion"] == pytest.approx(wanted.criterion, rel=1e-12)


def test_json_holds_the_whole_fit(sleepstudy: Path) -> None:
    content = strict_json(run("fit", FORMULA, sleepstudy, "--format", "json").stdout)
    fit = mw.lmer(FORMULA, mw.datasets.load_sleepstudy())
    assert content["formula"] == FORMULA
    assert content["nobs"] == 180
    assert content["ngroups"] == {"Subject": 18}
    assert content["aic"] == pytest.approx(fit.aic)
    assert [row["term"] for row in content["fixed_effects"]] == list(fit.params.index)
    np.testing.assert_allclose([row["std_error"] for row in content["fixed_effects"]], fit.bse)
    np.testing.assert_allclose(content["cov_params"], fit.cov_params())
    np.testing.assert_allclose(list(content["theta"].values()), fit.theta)
    effects = content["random_effects"]["Subject"]
    assert effects["levels"] == list(fit.random_effects["Subject"].index)
    np.testing.assert_allclose(effects["values"], fit.random_effects["Subject"])
    assert [row["vcov"] for row in content["variance_components"]] == pytest.approx(
        fit.variance_components["vcov"].tolist()
    )
    assert content["convergence"]["converged"] is True


def test_json_has_null_where_nothing_is_defined(tmp_path: Path) -> None:
    """The correlation of effects without variance."""
    path = tmp_path / "data.csv"
    without_variance().to_csv(path, index=False)
    result = run("fit", "y ~ x + (x | g)", path, "--format", "json")
    assert result.exit_code == 0
    content = strict_json(result.stdout)
    assert [row["sdcor"] for row in content["variance_components"]][:3] == [0, 0, None]
    # With few rows AICc is infinite.
    few = without_variance()[:12]
    few["y"] += np.repeat([0, 3], 6)
    few.to_csv(path, index=False)
    formula = "y ~ x + I(x**2) + I(x**3) + I(x**4) + (x | g)"
    content = strict_json(run("fit", formula, path, "--format", "json").stdout)
    assert content["aicc"] == pytest.approx(content["aic"] + 2 * 9 * 10 / 2)
    content = strict_json(
        run("fit", formula + " + (0 + I(x**2) | g) + I(x**5)", path, "--format", "json").stdout
    )
    assert content["aicc"] is None


def test_csv_is_a_table_of_estimates(sleepstudy: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("fit", FORMULA, sleepstudy, "--format", "csv").stdout)))
    fit = mw.lmer(FORMULA, mw.datasets.load_sleepstudy())
    assert [row["effect"] for row in rows] == ["fixed"] * 2 + ["ran_pars"] * 4
    assert [float(row["estimate"]) for row in rows[:2]] == pytest.approx(fit.params.tolist(), rel=1e-14)
    assert [float(row["std_error"]) for row in rows[:2]] == pytest.approx(fit.bse.tolist(), rel=1e-14)
    assert [row["term"] for row in rows[2:]] == fit.tidy("ran_pars")["term"].tolist()
    assert [float(row["estimate"]) for row in rows[2:]] == pytest.approx(
        fit.tidy("ran_pars")["estimate"].tolist(), rel=1e-14
    )


def test_demo_prints_the_rat_pup_summary_and_writes_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("demo")
    assert result.exit_code == 0
    fit = mw.lmer("weight ~ Treatment * sex + Lsize + (1 | Litter)", mw.datasets.load_ratpups())
    assert str(fit.summary()) in result.stdout
    assert "322 rat pups in 27 litters" in result.stdout
    assert "ratpups_report.html" in result.stdout
    page = (tmp_path / "ratpups_report.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "mw.datasets.load_ratpups()" in page


def test_demo_writes_where_it_is_told(tmp_path: Path) -> None:
    assert run("demo", tmp_path / "pups.html", "--lang", "zh").exit_code == 0
    assert 'lang="zh-Hans"' in (tmp_path / "pups.html").read_text(encoding="utf-8")


def test_version() -> None:
    assert run("--version").stdout == f"mixwell, version {mw.__version__}\n"


def test_warnings_go_to_standard_error(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    mw.datasets.load_dyestuff2().to_csv(path, index=False)
    result = run("fit", "Yield ~ 1 + (1 | Batch)", path, "--format", "json")
    assert result.exit_code == 0
    content = strict_json(result.stdout)
    assert content["convergence"]["is_singular"] is True
    assert result.stderr.startswith(
        "Warning: The fit is singular: the variance of the intercept in (1 | Batch)"
    )
    assert result.stderr.count("\n") == 1


# ---- errors


def test_misspelt_column(sleepstudy: Path) -> None:
    assert_user_error(run("fit", "Reaction ~ Dys + (1 | Subject)", sleepstudy), "'Dys'", "'Days'")


@pytest.mark.parametrize(
    "formula", ["no formula", "Reaction ~ Days + (1 | Subject", "~ Days + (1 | Subject)", ""]
)
def test_unreadable_formula(sleepstudy: Path, formula: str) -> None:
    assert_user_error(run("fit", formula, sleepstudy))


def test_misspelt_weights(sleepstudy: Path) -> None:
    assert_user_error(run("fit", FORMULA, sleepstudy, "--weights", "Dayz"), "'Dayz'", "'Days'")


def test_missing_file(tmp_path: Path) -> None:
    assert_user_error(run("fit", FORMULA, tmp_path / "nothing.csv"), "nothing.csv", "no such file")
    assert_user_error(run("fit", FORMULA, tmp_path / "nothing.parquet"), "nothing.parquet", "no such file")


def test_directory(tmp_path: Path) -> None:
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    assert_user_error(run("fit", FORMULA, folder), "folder.csv", "cannot be read")


def test_unknown_extension(tmp_path: Path) -> None:
    path = tmp_path / "data.xlsx"
    path.write_bytes(b"PK")
    assert_user_error(run("fit", FORMULA, path), ".csv", ".parquet")


@pytest.mark.parametrize("extension", ["csv", "tsv", "parquet", "feather", "arrow"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\x81" * 50], ids=["empty", "bytes"])
def test_file_that_is_no_table(tmp_path: Path, extension: str, content: bytes) -> None:
    path = tmp_path / f"data.{extension}"
    path.write_bytes(content)
    assert_user_error(run("fit", FORMULA, path), f"data.{extension}")


def test_ragged_csv(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,b\n1,2\n1,2,3,4\n")
    assert_user_error(run("fit", FORMULA, path), "not a readable .csv file")


def test_absent_pyarrow_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(path: Path) -> pd.DataFrame:
        raise ImportError("no pyarrow")

    monkeypatch.setitem(cli.READERS, ".parquet", without)
    path = tmp_path / "data.parquet"
    path.write_bytes(b"PAR1")
    assert_user_error(run("fit", FORMULA, path), "pyarrow", "pip install 'mixwell[arrow]'")


@pytest.mark.parametrize(
    "arguments", [[], [FORMULA], [FORMULA, "x.csv", "--format", "xml"], [FORMULA, "x.csv", "--reml"]]
)
def test_wrong_usage(arguments: list[str]) -> None:
    result = run("fit", *arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr


def test_installed_command_fails_without_a_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from mixwell.cli import main; main()", "fit", FORMULA, tmp_path / "x.csv"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


def test_import_is_light() -> None:
    heavy = ("matplotlib", "statsmodels", "jinja2", "scipy.stats", "scipy.optimize", "polars", "tqdm")
    code = f"import sys, mixwell; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes("体重,窝\n1,a\n".encode("gbk"))
    result = run("fit", "体重 ~ (1 | 窝)", path)
    assert result.exit_code == 2
    assert "not encoded in UTF-8" in result.stderr


# Header, first row -> part of the refusal.
RAGGED = {
    "a comma at the end": ("y,x,g,h\n", "{y},{x},{g},1,\n", "line 2 has 5 fields, but the header has 4"),
    "one field too few": ("y,x,g,h\n", "{y},{x},{g}\n", "line 2 has 3 fields, but the header has 4"),
    "row names": ("y,x,g\n", "1,{y},{x},{g}\n", "line 2 has 4 fields, but the header has 3"),
    "doubled name": ("y,x,g,x\n", "{y},{x},{g},1\n", "its header names 'x' more than once"),
    "doubled quoted": ('y,"x",g,x\n', "{y},{x},{g},1\n", "its header names 'x' more than once"),
}


@pytest.mark.parametrize("extension", ["csv", "tsv"])
@pytest.mark.parametrize("kind", RAGGED)
def test_rows_and_header_must_agree(tmp_path: Path, kind: str, extension: str) -> None:
    header, row, answer = RAGGED[kind]
    data = grouped()
    text = header + "".join(
        row.format(y=y, x=x, g=g) for y, x, g in zip(data["y"], data["x"], data["g"], strict=True)
    )
    path = tmp_path / f"data.{extension}"
    path.write_text(text.replace(",", "\t") if extension == "tsv" else text, encoding="utf-8")
    assert_user_error(run("fit", "y ~ x + (1 | g)", path), answer)


def test_what_agrees_is_read_as_before(tmp_path: Path) -> None:
    """A byte order mark, blank lines, quoted separators and lines, unnamed and repeatedly empty columns."""
    data = grouped()
    wanted = mw.lmer("y ~ x + (1 | g)", data).params["x"]
    lines = [f'{y},{x},"{g}, or\nso",,' for y, x, g in zip(data["y"], data["x"], data["g"], strict=True)]
    path = tmp_path / "data.csv"
    path.write_text(
        "\ufeffy,x,g,,\r\n\r\n" + "\r\n\r\n".join(lines) + "\r\n\r\n", encoding="utf-8", newline=""
    )
    content = strict_json(run("fit", "y ~ x + (1 | g)", path, "--format", "json").stdout)
    assert content["fixed_effects"][1]["estimate"] == pytest.approx(wanted, rel=1e-12)  # type: ignore[index]


def test_csv_cells_are_no_formulas_of_spreadsheets(tmp_path: Path) -> None:
    data = grouped().rename(columns={"x": "=1+1", "g": "@g"})
    data["-u"] = np.arange(len(data)) % 2 - 0.5
    data["+t"] = np.where(np.arange(len(data)) % 3 == 0, "\ta", "b")
    path = tmp_path / "data.csv"
    data.to_csv(path, index=False)
    rows = list(
        csv.reader(
            io.StringIO(
                run("fit", "y ~ `=1+1` + `-u` + `+t` + (`=1+1` | `@g`)", path, "--format", "csv").stdout
            )
        )
    )
    texts = [cell for row in rows[1:] for cell in row[:3]]
    assert {"'=1+1", "'-u", "'@g"} <= set(texts)
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in texts)
    assert all(row[3] == "" or np.isfinite(float(row[3])) for row in rows[1:])
