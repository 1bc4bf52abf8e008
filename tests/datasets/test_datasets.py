"""The shipped data sets are R's: rows, types, level orders."""

import gzip
import hashlib
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from mixwell import datasets
from mixwell.datasets.read import FILES, specification
from reference_cases import REFERENCE, cases

NAMES = datasets.names()


def load(name: str) -> pd.DataFrame:
    return getattr(datasets, f"load_{name}")()


def test_each_name_has_a_loader_and_each_loader_a_name() -> None:
    loaders = {name.removeprefix("load_") for name in datasets.__all__ if name.startswith("load_")}
    assert loaders == set(NAMES)
    assert len(NAMES) == 15


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_byte_for_byte_what_the_export_wrote(name: str) -> None:
    content = (FILES / f"{name}.csv.gz").read_bytes()
    assert hashlib.sha256(content).hexdigest() == specification(name).sha256


@pytest.mark.parametrize("name", NAMES)
def test_rows_equal_the_separate_export_of_the_reference_cases(name: str) -> None:
    shipped = gzip.decompress((FILES / f"{name}.csv.gz").read_bytes()).decode()
    exported = (REFERENCE / "data" / f"{specification(name).object}.csv").read_text(encoding="utf-8")
    assert shipped == exported


@pytest.mark.parametrize("name", NAMES)
def test_frame_has_r_columns_types_and_values(name: str) -> None:
    frame, recorded = load(name), specification(name)
    text = pd.read_csv(FILES / f"{name}.csv.gz", dtype="str", keep_default_na=False)
    assert list(frame.columns) == list(text.columns) == [column.name for column in recorded.columns]
    assert len(frame) == recorded.rows
    for column in recorded.columns:
        values = frame[column.name]
        assert not values.isna().any()
        if isinstance(column.dtype, pd.CategoricalDtype):
            assert isinstance(values.dtype, pd.CategoricalDtype)
            assert all(isinstance(level, str) for level in values.cat.categories)
            assert values.dtype.ordered == column.dtype.ordered
            assert values.astype("str").tolist() == text[column.name].tolist()
        else:
            assert values.dtype == column.dtype
            wanted = np.array([float(number) for number in text[column.name]])
            np.testing.assert_allclose(
                values.to_numpy(float), wanted, rtol=4e-16
            )  # one unit in the last place


@pytest.mark.parametrize("name", NAMES)
def test_level_orders_are_those_of_the_reference_cases(name: str) -> None:
    frame, known = load(name), 0
    for case in cases().values():
        if case.record["dataset"] != specification(name).object or "preprocess" in case.record:
            continue
        for factor in case.record["factors"]:
            categories = frame[factor["name"]].cat.categories
            assert len(categories) == factor["n_levels"]
            if "levels" in factor:
                assert list(categories) == factor["levels"]
            elif factor["name"] in case.results["ranef"]:  # rows of ranef stand in the order of the levels
                first = case.results["ranef"][factor["name"]]["levels"]
                assert list(categories[: len(first)]) == first
            known += 1
    assert known > 0


def test_each_call_gives_a_new_frame() -> None:
    frame = datasets.load_sleepstudy()
    frame["Reaction"] = 0.0
    assert datasets.load_sleepstudy()["Reaction"].iloc[0] == 249.56


@pytest.mark.parametrize("name", NAMES)
def test_docstring_names_every_column_and_the_source(name: str) -> None:
    text = getattr(datasets, f"load_{name}").__doc__
    recorded = specification(name)
    for column in recorded.columns:
        assert f"``{column.name}``" in text
    assert f"``{recorded.package}::{recorded.object}``" in text


def test_a_data_set_is_read_without_pyarrow() -> None:
    program = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from mixwell import datasets\n"
        "frame = datasets.load_orthodont()\n"
        "assert frame['Subject'].cat.categories[0] == 'M16', frame['Subject']"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
