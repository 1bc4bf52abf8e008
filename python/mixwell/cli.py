"""The command line: ``mixwell fit FORMULA FILE``, ``mixwell report FORMULA FILE`` and ``mixwell demo``."""

from __future__ import annotations

import csv
import io
import json
import math
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click
import pandas as pd

import mixwell
from mixwell.errors import MixwellError, MixwellWarning
from mixwell.fit import quantities
from mixwell.lazy import lazy_module
from mixwell.models import LmerResult, lmer
from mixwell.report import frames

if TYPE_CHECKING:
    from mixwell.report import document
else:
    document = lazy_module("mixwell.report.document")

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None

DEMO_FORMULA = "weight ~ Treatment * sex + Lsize + (1 | Litter)"


def check_fields(path: Path, separator: str) -> None:
    """See that every row has as many fields as the header has names, each of them once.

    pandas takes the first column for row labels where rows have one field more, fills up rows that have
    fewer, and renames what is doubled.

    Raises
    ------
    ValueError
        That names the line, or the column.
    """
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.reader(stream, delimiter=separator)
        try:
            header = next((row for row in rows if row), [])
            doubled = [name for name, count in Counter(filter(None, header)).items() if count > 1]
            if doubled:
                raise ValueError(f"its header names {', '.join(map(repr, doubled))} more than once.")
            for row in rows:
                if len(row) != len(header) and "".join(row).strip():
                    raise ValueError(
                        f"line {rows.line_num} has {len(row)} fields, but the header has {len(header)}."
                    )
        except csv.Error as error:
            raise ValueError(f"line {rows.line_num}: {error}.") from None


def _read_csv(path: Path) -> pd.DataFrame:
    check_fields(path, ",")
    return pd.read_csv(path)


def _read_tsv(path: Path) -> pd.DataFrame:
    check_fields(path, "\t")
    return pd.read_csv(path, sep="\t")


READERS: Mapping[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".tab": _read_tsv,
    ".parquet": pd.read_parquet,
    ".feather": pd.read_feather,
    ".arrow": pd.read_feather,
    ".ipc": pd.read_feather,
}

# The same in Python, for the code that a report shows.
SOURCES: Mapping[str, str] = {
    ".csv": "pd.read_csv({!r})",
    **dict.fromkeys((".tsv", ".tab"), "pd.read_csv({!r}, sep='\\t')"),
    ".parquet": "pd.read_parquet({!r})",
    **dict.fromkeys((".feather", ".arrow", ".ipc"), "pd.read_feather({!r})"),
}


class UserError(click.ClickException):
    """What the user can mend: one line on standard error, exit code 2."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


def read_file(path: Path) -> pd.DataFrame:
    """Read a table by the extension of its name.

    Raises
    ------
    UserError
        If the extension is unknown, the file cannot be read, or pyarrow is needed and absent.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise UserError(f"{path}: cannot tell the format; the extensions read are {', '.join(READERS)}.")
    try:
        return reader(path)
    except ImportError:
        raise UserError(
            f"{path}: reading {path.suffix} files needs pyarrow: pip install 'mixwell[arrow]'."
        ) from None
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file.") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not encoded in UTF-8; save it as UTF-8 first.") from None
    except ValueError as error:
        # What pandas and pyarrow raise for bytes that are not such a table.
        raise UserError(f"{path}: is not a readable {path.suffix} file: {error}") from None


def fitted(formula: str, data: pd.DataFrame, *, reml: bool, weights: str | None) -> LmerResult:
    """Fit, with errors as one line and warnings as lines on standard error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MixwellWarning)
        try:
            result = lmer(formula, data, reml=reml, weights=weights)
        except MixwellError as error:
            raise UserError(str(error)) from None
    for warning in caught:
        if issubclass(warning.category, MixwellWarning):
            click.echo(f"Warning: {warning.message}", err=True)
    return result


def _number(value: float) -> float | None:
    """JSON has no infinities and no NaN."""
    return float(value) if math.isfinite(value) else None


def as_json(result: LmerResult) -> Json:
    """The whole fit as plain values; null where a number is not defined."""
    design, fit = result.design, result.fit
    names = list(quantities.kept_names(design, fit))
    bse = quantities.bse(fit)
    convergence = result.convergence
    rows = design.rows
    return {
        "mixwell": mixwell.__version__,
        "formula": design.formula,
        "method": "REML" if fit.reml else "ML",
        "response": design.response_name,
        "nobs": design.n_obs,
        "ngroups": dict(result.ngroups),
        "rows_dropped": 0 if rows is None else rows.n_dropped,
        "missing": {} if rows is None else dict(rows.missing),
        "columns_dropped": list(quantities.dropped_names(design, fit)),
        "criterion": _number(result.criterion),
        "llf": _number(result.llf),
        "aic": _number(result.aic),
        "bic": _number(result.bic),
        "aicc": _number(result.aicc),
        "sigma": _number(result.sigma),
        "theta": dict(zip(quantities.theta_names(design), map(_number, fit.theta), strict=True)),
        "fixed_effects": [
            {
                "term": name,
                "estimate": _number(fit.beta[j]),
                "std_error": _number(bse[j]),
                "statistic": _number(fit.beta[j] / bse[j]),
            }
            for j, name in enumerate(names)
        ],
        "cov_params": [[_number(value) for value in row] for row in fit.vcov],
        "variance_components": [
            {
                "group": row.group,
                "term1": row.term1,
                "term2": row.term2,
                "vcov": _number(row.vcov),
                "sdcor": row.sdcor,
            }
            for row in quantities.variance_components(design, fit)
        ],
        "random_effects": {
            factor.name: {
                "columns": list(quantities.effect_names(design, i)),
                "levels": list(factor.levels),
                "values": [[_number(value) for value in row] for row in fit.modes[i]],
            }
            for i, factor in enumerate(design.factors)
        },
        "convergence": {
            "converged": convergence.converged,
            "gap": _number(convergence.gap),
            "evaluations": convergence.evaluations,
            "is_singular": convergence.is_singular,
            "singular": list(convergence.singular),
            "reason": convergence.reason,
        },
    }


def harmless(text: str) -> str:
    """A text that spreadsheets take for text.

    >>> harmless("Days"), harmless("=1+1")
    ('Days', "'=1+1")
    """
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text


def as_csv(result: LmerResult) -> str:
    """Fixed effects, then standard deviations and correlations: ``effect group term estimate ...``.

    Names that a spreadsheet would run as a formula get an apostrophe before them.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["effect", "group", "term", "estimate", "std_error", "statistic"])
    for name, estimate, std_error, statistic in zip(
        result.params.index, result.params, result.bse, result.tvalues, strict=True
    ):
        writer.writerow(["fixed", "", harmless(name), estimate, std_error, statistic])
    for row in quantities.variance_components(result.design, result.fit):
        names = map(harmless, (row.group, frames.parameter_term(row)))
        writer.writerow(["ran_pars", *names, row.sdcor, "", ""])
    return out.getvalue()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(mixwell.__version__, prog_name="mixwell")
def main() -> None:
    """Linear mixed-effects models: lme4's formulas, R's numbers, proved convergence."""


@main.command()
@click.argument("formula")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--ml", is_flag=True, help="Maximum likelihood instead of REML.")
@click.option("--weights", metavar="COL", help="Column of prior weights.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "csv"]),
    default="text",
    show_default=True,
    help="Summary, the whole fit as JSON, or estimates as CSV.",
)
def fit(formula: str, file: Path, ml: bool, weights: str | None, form: str) -> None:
    """Fit FORMULA to the table in FILE (CSV, TSV, Parquet, Arrow or Feather).

    \b
    Example:
      mixwell fit "Reaction ~ Days + (Days | Subject)" sleepstudy.csv
    """
    result = fitted(formula, read_file(file), reml=not ml, weights=weights)
    if form == "json":
        click.echo(json.dumps(as_json(result), indent=2, ensure_ascii=False, allow_nan=False))
    elif form == "csv":
        click.echo(as_csv(result), nl=False)
    else:
        click.echo(result.summary())


def check_output(path: Path) -> None:
    """Refuse a file that no report can be written to before any work is done."""
    try:
        document.report_path(path)
    except MixwellError as error:
        raise UserError(str(error)) from None


def write_report(result: LmerResult, path: Path, lang: str, source: str) -> None:
    """Write a report and say where it is."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MixwellWarning)
        try:
            result.report(path, "zh" if lang == "zh" else "en", source=source)
        except MixwellError as error:
            raise UserError(str(error)) from None
    for warning in caught:
        if issubclass(warning.category, MixwellWarning):
            click.echo(f"Warning: {warning.message}", err=True)
    click.echo(f"Report written to {path}")


@main.command()
@click.argument("formula")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("report.html"),
    show_default=True,
    help="The page to write (.html), or text (.txt).",
)
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Language.")
@click.option("--ml", is_flag=True, help="Maximum likelihood instead of REML.")
@click.option("--weights", metavar="COL", help="Column of prior weights.")
def report(formula: str, file: Path, output: Path, lang: str, ml: bool, weights: str | None) -> None:
    """Fit FORMULA to the table in FILE, check the fit, and write a report.

    \b
    Example:
      mixwell report "Reaction ~ Days + (Days | Subject)" sleepstudy.csv -o sleep.html
    """
    check_output(output)
    result = fitted(formula, read_file(file), reml=not ml, weights=weights)
    write_report(result, output, lang, SOURCES[file.suffix.lower()].format(str(file)))


@main.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path("ratpups_report.html"))
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Language.")
def demo(path: Path, lang: str) -> None:
    """Fit the rat-pup model to the data that come with the package, and write its report to PATH."""
    check_output(path)
    data = mixwell.datasets.load_ratpups()
    click.echo(
        f"Birth weights of {len(data)} rat pups in {data['Litter'].nunique()} litters, three treatments.\n"
    )
    result = fitted(DEMO_FORMULA, data, reml=True, weights=None)
    click.echo(result.summary())
    click.echo()
    write_report(result, path, lang, "mw.datasets.load_ratpups()")
