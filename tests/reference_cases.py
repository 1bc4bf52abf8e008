"""The reference cases: R's answers, and for each the frame and the arguments that reproduce its call.

A case is read literally: every word of its ``preprocess`` and every contrast must be known here, otherwise it
is an error, so that nothing is skipped in silence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

REFERENCE = Path(__file__).parent / "reference"
FILES = ("lmm_sleepstudy", "lmm_ratpup", "lmm_small", "lmm_medium_large", "diagnostics")
CONTRASTS = {"contr.treatment": None, "contr.sum": "sum", "contr.helmert": "helmert", "contr.poly": "poly"}


def _number_text(values: pd.Series) -> pd.Series:
    """Numbers as R's factor() labels them: 0, 0.2, 9."""
    return values.map(lambda value: f"{value:g}")


def _without_rows(*numbers: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Delete rows by their 1-based numbers."""

    def delete(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.drop(index=[number - 1 for number in numbers]).reset_index(drop=True)

    return delete


def _nitro_category(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(nitroF=_number_text(frame["nitro"]))


def _orthodont_sex(frame: pd.DataFrame) -> pd.DataFrame:
    male = (frame["Sex"] == "Male").astype(float)
    return frame.assign(male=male, female=1.0 - male)


def _sleep_from_day_two(frame: pd.DataFrame) -> pd.DataFrame:
    kept = frame[frame["Days"] >= 2].reset_index(drop=True)
    return kept.assign(dsl=kept["Days"] - 2)


PREPARATIONS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "DayF = Days as a categorical variable, levels 0..9": lambda d: d.assign(DayF=_number_text(d["Days"])),
    "keep rows with Days >= 2; dsl = Days - 2": _sleep_from_day_two,
    "female = 1 if sex == 'Female' else 0 (numeric)": lambda d: d.assign(
        female=(d["sex"] == "Female").astype(float)
    ),
    "tc = (temp - 200)/10": lambda d: d.assign(tc=(d["temp"] - 200) / 10),
    "cage = age - 11": lambda d: d.assign(cage=d["age"] - 11),
    "male = 1 if Sex == 'Male' else 0; female = 1 - male (numeric)": _orthodont_sex,
    "nitroF = nitro as a categorical variable with levels 0, 0.2, 0.4, 0.6": _nitro_category,
    "nitroF = nitro as a categorical variable with levels 0, 0.2, 0.4, 0.6; "
    "then the rows 1, 2, 7, 13, 30, 31, 32, 33, 61 (1-based) are deleted": lambda d: _without_rows(
        1, 2, 7, 13, 30, 31, 32, 33, 61
    )(_nitro_category(d)),
    "the rows 2, 3, 6, 19, 20, 27, 33, 50 (1-based) are deleted": _without_rows(2, 3, 6, 19, 20, 27, 33, 50),
    "keep rows whose lecturer number d is <= 60; unused levels dropped": lambda d: d[
        d["d"].astype(int) <= 60
    ].reset_index(drop=True),
}


@dataclass(frozen=True)
class Case:
    """One reference case.

    Attributes
    ----------
    id, formula, reml, tags
        As recorded; the formula is R's text.
    weights, offset
        Column names, or None.
    contrasts
        What to pass as ``contrasts=``, or None where all are R's default (treatment).
    results
        R's answers as recorded.
    record
        The whole entry of the JSON file.
    """

    id: str
    formula: str
    reml: bool
    tags: tuple[str, ...]
    weights: str | None
    offset: str | None
    contrasts: dict[str, str] | None
    results: dict[str, Any]
    record: dict[str, Any]

    @property
    def frame(self) -> pd.DataFrame:
        """The prepared frame; a new copy, so that a test may change it."""
        return _frame(self.id).copy()

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of ``lmer`` besides formula and data."""
        return {
            "reml": self.reml,
            "weights": self.weights,
            "offset": self.offset,
            "contrasts": self.contrasts,
        }

    def new_data(self, key: str) -> pd.DataFrame:
        """Rows recorded under ``predict``: categories as text, numbers as floats, the response left out."""
        columns = pd.DataFrame(self.results["predict"][key])
        factors = {factor["name"] for factor in self.record["factors"]}
        response = re.sub(r"^log\((.*)\)$", r"\1", self.formula.split("~")[0].strip())
        columns = columns.drop(columns=response)
        return columns.astype({name: "str" if name in factors else "float64" for name in columns})


def _contrasts(record: dict[str, Any]) -> dict[str, str] | None:
    named = {}
    for factor in record["factors"]:
        if factor["contrast"] not in CONTRASTS:
            raise ValueError(f"{record['id']}: unknown contrast {factor['contrast']!r}")
        kind = CONTRASTS[factor["contrast"]]
        if kind is not None:
            named[factor["name"]] = kind
    return named or None


@cache
def cases() -> dict[str, Case]:
    """Every case by id, in the order of the files."""
    found: dict[str, Case] = {}
    for name in FILES:
        content = json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))
        if len(content["cases"]) != content["n_cases"]:
            raise ValueError(f"{name}: {content['n_cases']} cases announced, {len(content['cases'])} present")
        for record in content["cases"]:
            if record["family"] != "gaussian" or record["id"] in found:
                raise ValueError(f"{record['id']}: not gaussian, or twice")
            found[record["id"]] = Case(
                id=record["id"],
                formula=record["formula"],
                reml=record["reml"],
                tags=tuple(record["tags"]),
                weights=record.get("weights"),
                offset=record.get("offset"),
                contrasts=_contrasts(record),
                results=record["results"],
                record=record,
            )
    return found


@cache
def _csv(name: str, text_columns: frozenset[str]) -> pd.DataFrame:
    path = REFERENCE / "data" / name
    header = pd.read_csv(path, nrows=0).columns
    return pd.read_csv(
        path,
        dtype={column: "str" for column in header if column in text_columns},
        na_values=["NA", ""],
        keep_default_na=False,
    )


def _categorical(column: pd.Series, factor: dict[str, Any], case: str) -> pd.Series:
    values = column.dropna().unique()
    levels = factor.get("levels") or sorted(values)
    strangers = set(values) - set(levels)
    if strangers or len(levels) != factor["n_levels"]:
        raise ValueError(
            f"{case}: levels of {factor['name']} are not R's: {sorted(strangers)[:5]}, {len(levels)}"
        )
    return column.astype(pd.CategoricalDtype(levels))


@cache
def _frame(case: str) -> pd.DataFrame:
    record = cases()[case].record
    frame = _csv(record["csv"], frozenset(factor["name"] for factor in record["factors"])).copy()
    words = record.get("preprocess")
    if words is not None:
        if words not in PREPARATIONS:
            raise ValueError(f"{case}: no preparation for the words {words!r}")
        frame = PREPARATIONS[words](frame)
    for factor in record["factors"]:
        frame[factor["name"]] = _categorical(frame[factor["name"]], factor, case)
    return frame


def file_cases(name: str, key: str = "cases") -> list[dict[str, Any]]:
    """The entries of a file of its own form, as recorded."""
    return list(json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))[key])


def frame_of(entry: dict[str, Any]) -> pd.DataFrame:
    """A new frame for an entry of :func:`file_cases`."""
    frame = _csv(entry["csv"], frozenset(factor["name"] for factor in entry["factors"])).copy()
    for factor in entry["factors"]:
        frame[factor["name"]] = _categorical(frame[factor["name"]], factor, entry["id"])
    return frame


def plain_name(name: str) -> str:
    """A coefficient's name without spelling: ``Treatment[T.Low]:sex[Female]`` and R's are the same.

    >>> plain_name("Treatment[T.Low]:sex[Female]"), plain_name("I(Days ** 2)"), plain_name("poly(Days, 2)[1]")
    ('TreatmentLow:sexFemale', 'I(Days^2)', 'poly(Days,2)1')
    """
    return (
        re.sub(r"\[(?:[A-Z]\.)?|\]|\s", "", name)
        .replace("**", "^")
        .replace("Intercept", "(Intercept)")
        .replace("((Intercept))", "(Intercept)")
    )


def same_factor(name: str, names: list[str]) -> str:
    """Which of ``names`` is the factor ``name``, whatever the order of an interaction's parts.

    >>> same_factor("cask:batch", ["batch:cask", "batch"])
    'batch:cask'
    """
    found = [other for other in names if sorted(other.split(":")) == sorted(name.split(":"))]
    if len(found) != 1:
        raise KeyError(f"factor {name} is not among {names}")
    return found[0]


def level_in_order(level: str, name: str, order: str) -> str:
    """The level of factor ``name`` as it is called when the parts stand as in ``order``.

    >>> level_in_order("a:A", "cask:batch", "batch:cask")
    'A:a'
    """
    if name == order:
        return level
    parts = dict(zip(name.split(":"), level.split(":"), strict=True))
    return ":".join(parts[part] for part in order.split(":"))


def covariance_terms(results: dict[str, Any]) -> list[tuple[str, list[str], np.ndarray]]:
    """R's VarCorr by random term, in lme4's order: factor, column names, covariance matrix (absolute)."""
    rows = [row for row in results["varcorr"] if row["grp"] != "Residual"]
    terms = []
    for number in sorted({row["term"] for row in rows}):
        own = [row for row in rows if row["term"] == number]
        names = [row["var1"] for row in own if row["var2"] is None]
        matrix = np.zeros((len(names), len(names)))
        for row in own:
            i, j = names.index(row["var1"]), names.index(row["var2"] or row["var1"])
            matrix[i, j] = matrix[j, i] = row["vcov"]
        terms.append((own[0]["grp"], names, matrix))
    return terms
