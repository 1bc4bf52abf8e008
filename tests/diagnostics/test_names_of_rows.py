"""Wherever a row is named, it is said what the name is: a label of the data, or a position and from where."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.figure import Figure

import mixwell as mw
from mixwell.design.rows import row_labels
from mixwell.report.checks_zh import meaning_in_chinese

# The position of a row far off, in the data as given; an earlier row is incomplete.
FAR, GONE = 17, 4


def table() -> pd.DataFrame:
    rng = np.random.default_rng(6)
    data = pd.DataFrame({"x": rng.normal(size=80), "g": np.repeat(list("abcdefgh"), 10)})
    data["y"] = data["x"] + np.repeat(rng.normal(0, 1, 8), 10) + rng.normal(0, 0.5, 80)
    data.loc[FAR, "y"] += 20
    return data


def incomplete() -> pd.DataFrame:
    return table().assign(x=lambda d: d["x"].where(np.arange(80) != GONE))


COUNTED = "row 17 (counted from 0)", "第17行（从0数起）"
LABELLED = "the row labelled 's17'", "标签为“s17”的行"
DATA: dict[str, tuple[Callable[[], object], tuple[str, str]]] = {
    "pandas": (table, COUNTED),
    "rows left out": (incomplete, COUNTED),
    "labels": (lambda: table().rename(index="s{}".format), LABELLED),
    "labels, rows left out": (lambda: incomplete().rename(index="s{}".format), LABELLED),
    "numbers as labels": (lambda: table().set_index(np.arange(101, 181)), ("labelled '118'", "“118”")),
    "polars": (lambda: pl.from_pandas(table()), COUNTED),
    "dict": (lambda: {name: column.to_numpy() for name, column in table().items()}, COUNTED),
}


@pytest.mark.parametrize("kind", DATA)
def test_the_outlier_is_named_alike_in_both_languages(kind: str) -> None:
    make, (english, chinese) = DATA[kind]
    fit = mw.lmer("y ~ x + (1 | g)", make())
    meaning = fit.diagnostics.outliers().test.meaning
    assert english in meaning
    assert chinese in meaning_in_chinese(meaning)
    without = mw.lmer("y ~ x + (1 | g)", table().drop(index=FAR)).diagnostics.outliers().test.meaning
    assert "No row is an outlier" in without
    assert "没有离群的行" in meaning_in_chinese(without)


@pytest.mark.parametrize("kind", DATA)
def test_printed_influence_says_what_rows_are_called(kind: str) -> None:
    make, (english, _) = DATA[kind]
    found = mw.lmer("y ~ x + (1 | g)", make()).influence("row", refit=False)
    said = "counted from 0" if "counted" in english else "by their labels in the data"
    assert said in " ".join(str(found).split())
    assert found.labels[int(np.argmax(found.cooks_distance))] in english
    assert "Rows are called" not in str(mw.lmer("y ~ x + (1 | g)", make()).influence("g"))


def test_labels_are_those_of_the_rows_used() -> None:
    design = mw.lmer("y ~ x + (1 | g)", incomplete()).design
    wanted = [str(i) for i in range(80) if i != GONE]
    assert row_labels(design).tolist() == wanted
    assert row_labels(design, np.array([0, GONE])).tolist() == ["0", str(GONE + 1)]


def test_pictures_of_rows_say_from_where_they_count() -> None:
    fit = mw.lmer("y ~ x + (1 | g)", table())
    assert "counted from 0" in fit.plot.cooks(ax=Figure().subplots()).get_xlabel()
    assert "从0数起" in fit.plot.cooks(ax=Figure().subplots(), lang="zh").get_xlabel()


@pytest.mark.parametrize(
    ("formula", "arguments", "row"),
    [
        ("log(x) ~ 1 + (1 | g)", {}, "row 1 of the rows used (counted from 1)"),
        ("y ~ log(x - 1) + (1 | g)", {}, "of the rows used (counted from 1)"),
        ("y ~ x + (1 | g)", {"weights": [1.0, -1.0] + [1.0] * 78}, "row 2 of the rows used (counted from 1)"),
    ],
)
def test_errors_say_from_where_they_count(formula: str, arguments: dict[str, object], row: str) -> None:
    data = table().assign(x=lambda d: d["x"].where(d.index > 0, -1.0))
    with pytest.raises(mw.DataError) as refused:
        mw.lmer(formula, data, **arguments)
    assert row in " ".join(str(refused.value).split())
