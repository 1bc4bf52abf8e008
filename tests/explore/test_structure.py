"""What ``structure`` finds: hand-made layouts whose structure is known, and the shipped data."""

from __future__ import annotations

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest

import mixwell as mw
from mixwell.text import display_width


def layout(pairs: list[tuple[str, str]], times: int = 2) -> pd.DataFrame:
    """``times`` rows of each (a, b)."""
    rows = [pair for pair in pairs for _ in range(times)]
    return pd.DataFrame(rows, columns=["a", "b"]).assign(y=np.arange(float(len(rows))))


NESTED = [("A", "p"), ("A", "q"), ("B", "r"), ("B", "s"), ("B", "t")]
CROSSED = [(a, b) for a in "AB" for b in "pqr"]


def relation_of(pairs: list[tuple[str, str]]) -> pd.Series:
    return mw.structure(layout(pairs), ["a", "b"]).relations.iloc[0]


@pytest.mark.parametrize(
    ("pairs", "kind", "strays", "filled", "examples"),
    [
        (NESTED, "nested", 0, 5 / 10, ""),
        (CROSSED, "crossed", 3, 1, ""),
        ([("A", "p"), ("B", "q")], "identical", 0, 1 / 2, ""),
        ([*NESTED, ("A", "t")], "partly crossed", 1, 6 / 10, "b t in a A, B"),
        (CROSSED[:-1], "partly crossed", 2, 5 / 6, "a B without b r"),
    ],
)
def test_relation(pairs: list[tuple[str, str]], kind: str, strays: int, filled: float, examples: str) -> None:
    found = relation_of(pairs)
    assert (found["relation"], found["strays"], found["examples"]) == (kind, strays, examples)
    assert found["filled"] == filled
    assert found["combinations"] == len(set(pairs))


def test_the_factor_with_more_levels_is_the_inner_one_in_either_order() -> None:
    for names in (["a", "b"], ["b", "a"]):
        found = mw.structure(layout(NESTED), names).relations.iloc[0]
        assert (found["outer"], found["inner"], found["relation"]) == ("a", "b", "nested")
        assert (found["children_min"], found["children_median"], found["children_max"]) == (2, 2.5, 3)


def test_three_levels_make_one_chain() -> None:
    """District of schools of students."""
    frame = layout(NESTED, 4).rename(columns={"a": "district", "b": "school"})
    frame["student"] = [f"s{i // 2}" for i in range(len(frame))]
    found = mw.structure(frame, ["district", "school", "student"], response="y")
    assert found.relations["relation"].tolist() == ["nested"] * 3
    assert found.factors["nested_in"].tolist() == ["", "district", "school"]
    assert found.tree().splitlines() == [
        "district         2 levels, 8 to 12 rows each",
        "└─ school        5 levels, 2 to 3 per district, 4 rows each",
        "   └─ student    10 levels, 2 per school, 2 rows each",
        "      └─ rows    20",
    ]


# Schools numbered from 1 within each district, two in the first and five in the second.
RESTARTING = [("A", "1"), ("A", "2"), ("B", "1"), ("B", "2"), ("B", "3"), ("B", "4"), ("B", "5")]


def test_labels_that_restart_are_nested_implicitly() -> None:
    found = mw.structure(layout(RESTARTING, 3), ["a", "b"], response="y")
    assert [again.reused for again in found.reused] == [2]
    assert "counts from 1 in each a" in found.reused[0].evidence[0]
    assert found.factors["factor"].tolist() == ["a", "a:b"]
    assert found.factors["levels"].tolist() == [2, 7]
    assert found.suggestions[0].formula == "y ~ 1 + (1 | a/b)"


def restarting_at_every_level(seed: int = 1) -> pd.DataFrame:
    """Schools numbered from 1 in each district, students from 1 in each school, four visits each."""
    rng = np.random.default_rng(seed)
    rows = [
        (district, school, student, visit)
        for district in range(1, 9)
        for school in range(1, int(rng.integers(3, 7)))
        for student in range(1, int(rng.integers(4, 12)))
        for visit in range(4)
    ]
    frame = pd.DataFrame(rows, columns=["district", "school", "student", "visit"])
    frame["size"] = frame["district"] * 10.0 + frame["school"] + frame["school"] ** 2 % 3
    return frame.assign(score=rng.normal(size=len(frame)))


@pytest.mark.parametrize("lost", [0, 1])
def test_labels_that_restart_at_every_level_are_one_chain(lost: int) -> None:
    frame = restarting_at_every_level()
    students = len(frame) // 4
    # A student who left no rows breaks the count of one school among many.
    gone = (frame["district"] == 3) & (frame["school"] == 2) & (frame["student"] == 2)
    frame = frame[~gone] if lost else frame
    found = mw.structure(frame, ["district", "school", "student"], response="score", time="visit")
    assert found.factors["factor"].tolist() == ["district", "district:school", "district:school:student"]
    assert found.factors["nested_in"].tolist() == ["", "district", "district:school"]
    assert found.factors["levels"].tolist()[-1] == students - lost
    assert found.relations["relation"].tolist() == ["nested"] * 3
    assert len(found.duplicates) == 0
    formulas = [suggestion.formula for suggestion in found.suggestions]
    assert formulas[:2] == [
        "score ~ 1 + (1 | district/school/student)",
        "score ~ visit + (visit | district:school:student) + (1 | district) + (1 | district:school)",
    ]
    counting = "each" if not lost else "nearly every"
    assert any(f"student counts from 1 in {counting} district:school" in s for s in found.findings)
    # The same model as with labels that are used once only.
    unique = frame.assign(
        school=frame["district"] * 100 + frame["school"],
        student=frame["district"] * 10_000 + frame["school"] * 100 + frame["student"],
    )
    explicit = mw.structure(unique, ["district", "school", "student"], response="score")
    assert not explicit.reused
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mw.MixwellWarning)
        criteria = [
            mw.lmer(formula, data).criterion
            for formula, data in [(formulas[0], frame), (explicit.suggestions[0].formula, unique)]
        ]
        np.testing.assert_allclose(*criteria, atol=1e-8)
        assert all(mw.lmer(formula, frame).nobs == len(frame) for formula in formulas)


def test_factors_with_few_levels_are_offered_as_fixed_effects() -> None:
    found = mw.structure(mw.datasets.load_machines(), ["Worker", "Machine"], response="score")
    assert "score ~ 1 + Machine + (1 | Worker)" in [s.formula for s in found.suggestions]
    numbered = mw.datasets.load_machines().assign(Machine=lambda d: d["Machine"].cat.codes)
    found = mw.structure(numbered, ["Worker", "Machine"], response="score")
    fixed = "score ~ 1 + factor(Machine) + (1 | Worker)"
    assert fixed in [suggestion.formula for suggestion in found.suggestions]
    # Three means, not a straight line through the machines' numbers.
    assert len(mw.lmer(fixed, numbered).params) == 3


def test_slopes_are_suggested_by_the_finest_factor_with_levels_enough() -> None:
    found = mw.structure(mw.datasets.load_oats(), ["Block", "Variety"], response="yield")
    assert found.suggestions[-1].formula == "yield ~ nitro + (nitro | Block) + (1 | Variety)"


def test_numbers_are_counted_as_numbers() -> None:
    pairs = [("A", str(i)) for i in range(1, 12)] + [("B", str(i)) for i in range(1, 4)]
    found = mw.structure(layout(pairs, 2), ["a", "b"])
    assert "counts from 1" in found.reused[0].evidence[0]


def test_a_covariate_of_the_combinations_tells_of_implicit_nesting() -> None:
    frame = layout(CROSSED, 3)
    frame["size"] = [
        {"Ap": 1.0, "Aq": 2, "Ar": 3, "Bp": 4, "Bq": 5, "Br": 5}[a + b]
        for a, b in zip(frame["a"], frame["b"], strict=True)
    ]
    found = mw.structure(frame, ["a", "b"], response="y")
    assert found.reused[0].evidence == ("size is constant within combinations of a and b, within neither",)
    assert found.suggestions[0].formula == "y ~ 1 + (1 | a/b)"


@pytest.mark.parametrize("pairs", [CROSSED, CROSSED[:-1]])
def test_crossed_without_evidence_offers_both_readings(pairs: list[tuple[str, str]]) -> None:
    found = mw.structure(layout(pairs, 3), ["a", "b"], response="y")
    assert [again.evidence for again in found.reused] == [()]
    formulas = [suggestion.formula for suggestion in found.suggestions]
    assert formulas == ["y ~ 1 + (1 | a) + (1 | b)", "y ~ 1 + (1 | a/b)"]
    assert any("crossed" in sentence for sentence in found.findings)


def test_pastes() -> None:
    """Ten batches of three casks a, b, c: the column sample holds the combinations."""
    data = mw.datasets.load_pastes()
    implicit = mw.structure(data, ["batch", "cask"], response="strength")
    assert implicit.reused[0].evidence == ("sample has one value per combination of batch and cask",)
    assert implicit.suggestions[0].formula == "strength ~ 1 + (1 | batch/cask)"
    explicit = mw.structure(data, ["batch", "sample"], response="strength")
    assert not explicit.reused
    assert explicit.relations["relation"].tolist() == ["nested"]
    criteria = [mw.lmer(found.suggestions[0].formula, data).criterion for found in (implicit, explicit)]
    np.testing.assert_allclose(*criteria, atol=1e-8)


def test_penicillin_is_crossed() -> None:
    found = mw.structure(mw.datasets.load_penicillin(), ["plate", "sample"], response="diameter")
    assert found.relations["relation"].tolist() == ["crossed"]
    assert not found.reused
    assert found.tree().splitlines()[-1] == "sample × plate    144 of 144 combinations, 1 row each"


def test_egsingle_group_sizes_match_pandas() -> None:
    data = mw.datasets.load_egsingle()
    found = mw.structure(data, ["schoolid", "childid"], response="math", time="year")
    assert found.relations["relation"].tolist() == ["nested"]
    for row, name in zip(found.factors.itertuples(), ["schoolid", "childid"], strict=True):
        counts = data[name].value_counts()
        assert (row.levels, row.rows_min, row.rows_max) == (len(counts), counts.min(), counts.max())
        assert row.singletons == (counts == 1).sum()
        assert row.rows_mean == counts.mean()
        assert [row.rows_q1, row.rows_median, row.rows_q3] == counts.quantile([0.25, 0.5, 0.75]).tolist()
    sizes = found.sizes[found.sizes["factor"] == "childid"].set_index("rows")["levels"]
    expected = data["childid"].value_counts().value_counts().sort_index()
    assert sizes.to_dict() == expected.to_dict()
    assert len(found.duplicates) == 0


def test_egsingle_variation_matches_pandas() -> None:
    data = mw.datasets.load_egsingle()
    found = mw.structure(data, ["schoolid", "childid"], response="math")
    assert len(found.covariates) == 2 * 9
    for row in found.covariates.itertuples():
        distinct = data.groupby(row.factor, observed=True)[row.covariate].nunique()
        assert (row.levels, row.varies_in) == (len(distinct), (distinct > 1).sum())
        if not pd.isna(row.within_share):
            x = data[row.covariate]
            rest = x - x.groupby(data[row.factor], observed=True).transform("mean")
            share = (rest**2).sum() / ((x - x.mean()) ** 2).sum()
            np.testing.assert_allclose(row.within_share, share, atol=1e-12)
    by_child = found.covariates[found.covariates["factor"] == "childid"].set_index("covariate")["slope"]
    assert by_child["grade"] == "yes"
    assert by_child["female"] == "no"


def test_ratpups() -> None:
    found = mw.structure(mw.datasets.load_ratpups(), "Litter", response="weight")
    slopes = found.covariates.set_index("covariate")["slope"].to_dict()
    assert slopes == {"sex": "yes", "Lsize": "no", "Treatment": "no"}
    assert [suggestion.formula for suggestion in found.suggestions] == [
        "weight ~ 1 + (1 | Litter)",
        "weight ~ sex + (sex | Litter)",
    ]


def test_sleepstudy_grows() -> None:
    found = mw.structure(mw.datasets.load_sleepstudy(), "Subject", response="Reaction", time="Days")
    assert found.suggestions[1].formula == "Reaction ~ Days + (Days | Subject)"
    share = found.covariates["within_share"].iloc[0]
    assert share == pytest.approx(1)


@pytest.mark.parametrize(
    ("x", "slope", "reason"),
    [
        ([1, 1, 1, 2, 2, 2, 3, 3, 3], "no", "constant within every g"),
        ([5] * 9, "no", "constant in all rows"),
        ([0, 1, 2] * 3, "yes", ""),
        ([0, 1, 1, 2, 2, 2, 3, 3, 3], "weak", "varies in only 1 of 3 levels"),
    ],
)
def test_slopes_of_numbers(x: list[int], slope: str, reason: str) -> None:
    frame = pd.DataFrame({"g": list("aaabbbccc"), "x": np.array(x, dtype=float)})
    found = mw.structure(frame, "g").covariates.iloc[0]
    assert (found["slope"], found["reason"]) == (slope, reason)


def test_slopes_that_leave_no_rows() -> None:
    """Before and after: a line through two points leaves nothing for the residual, as lmer says too."""
    frame = pd.DataFrame({"g": np.repeat(list("abcdef"), 2), "x": [0.0, 1] * 6})
    frame["y"] = np.sin(np.arange(12.0))
    found = mw.structure(frame, "g", response="y").covariates.iloc[0]
    assert (found["slope"], found["reason"]) == ("no", "12 effects (6 levels x 2) for 12 rows")
    with pytest.raises(mw.ModelError, match="random effects"):
        mw.lmer("y ~ x + (x | g)", frame)
    uneven = pd.DataFrame({"g": list("aabbcdddd"), "x": [0.0, 1, 0, 1, 0, 0, 1, 2, 3]})
    assert mw.structure(uneven[:5], "g").covariates["slope"].tolist() == ["no"]


def test_duplicated_time_points() -> None:
    frame = pd.DataFrame(
        {"g": list("aaabbb"), "t": [1, 2, 2, 1, 2, 3], "y": np.arange(6.0)},
    )
    found = mw.structure(frame, "g", response="y", time="t")
    assert found.duplicates.to_numpy().tolist() == [["a", "2", 2]]
    assert any("1 combination of g and t has several rows, such as a at 2" in s for s in found.findings)
    dated = frame.assign(t=pd.to_datetime("2024-01-01") + pd.to_timedelta(frame["t"], unit="D"))
    found = mw.structure(dated, "g", time="t")
    assert found.duplicates.to_numpy().tolist() == [["a", "2024-01-03", 2]]
    assert not any("Not examined" in sentence for sentence in found.findings)
    # The same label in another school is another child.
    schools = pd.DataFrame(
        {"s": list("AAAA" + 10 * "B"), "c": list("11221122334455"), "t": [1, 2] * 7, "y": np.arange(14.0)}
    )
    assert len(mw.structure(schools, ["s", "c"], time="t").duplicates) == 0


def test_singletons_and_rows_per_level() -> None:
    frame = pd.DataFrame({"g": list("aaabc"), "id": range(5), "y": np.arange(5.0)})
    found = mw.structure(frame, ["g", "id"], response="y")
    assert found.factors["singletons"].tolist() == [2, 5]
    assert any("2 of 3 levels of g have a single row" in s for s in found.findings)
    assert any("id has one row per level" in s for s in found.findings)
    assert found.suggestions[0].formula == "y ~ 1 + (1 | g)"


def test_missing_groups_are_counted() -> None:
    frame = layout(NESTED).assign(b=lambda rows: rows["b"].where(rows.index != 0))
    found = mw.structure(frame, ["a", "b"])
    assert found.factors["missing"].tolist() == [0, 1]
    assert any("b is missing in 1 row." in s for s in found.findings)


SHIPPED = [
    ("egsingle", ["schoolid", "childid"], "math", "year"),
    ("ratpups", ["Litter"], "weight", None),
    ("sleepstudy", ["Subject"], "Reaction", "Days"),
    ("pastes", ["batch", "cask"], "strength", None),
    ("penicillin", ["plate", "sample"], "diameter", None),
    ("oats", ["Block", "Variety"], "yield", None),
    ("machines", ["Worker", "Machine"], "score", None),
    ("orthodont", ["Subject"], "distance", "age"),
    ("chem97", ["lea", "school"], "score", None),
    ("insteval", ["dept", "d", "s"], "y", None),
]


@pytest.mark.parametrize(("name", "factors", "response", "time"), SHIPPED)
def test_text_fits_the_page_and_is_filled(
    name: str, factors: list[str], response: str, time: str | None
) -> None:
    text = str(mw.structure(getattr(mw.datasets, f"load_{name}")(), factors, response=response, time=time))
    assert max(display_width(line) for line in text.splitlines()) <= 79
    assert not {"nan", "None"} & set(text.replace("(", " ").replace(",", " ").split())


@pytest.mark.parametrize(
    ("name", "factors", "response", "time"),
    [case for case in SHIPPED if case[0] not in ("insteval", "chem97")],
)
def test_suggested_formulas_fit(name: str, factors: list[str], response: str, time: str | None) -> None:
    data = getattr(mw.datasets, f"load_{name}")()
    found = mw.structure(data, factors, response=response, time=time)
    assert found.suggestions
    for suggestion in found.suggestions:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mw.MixwellWarning)
            assert np.isfinite(mw.lmer(suggestion.formula, data).criterion)


def test_odd_names_are_quoted_and_dates_coded() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"the group": np.repeat(list("abcdef"), 8), "my.y": rng.normal(size=48)})
    frame["day of visit"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(48) % 8, unit="D")
    found = mw.structure(frame, "the group", response="my.y", time="day of visit")
    assert found.suggestions[1].formula == (
        "my.y ~ time_since(`day of visit`) + (time_since(`day of visit`) | `the group`)"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mw.MixwellWarning)
        for suggestion in found.suggestions:
            mw.lmer(suggestion.formula, frame)


def test_caller_gets_its_own_kind() -> None:
    found = mw.structure(pl.from_pandas(mw.datasets.load_oats()), ["Block", "Variety"])
    for frame in (found.factors, found.sizes, found.relations, found.covariates, found.duplicates):
        assert isinstance(frame, pl.DataFrame)


def test_strips_lie_below_their_parents() -> None:
    found = mw.structure(layout(NESTED, 3), ["a", "b"])
    ax = found.plot()
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a\n2 levels", "b\n5 levels"]
    assert ax.get_xlim() == (0, 15)
    widths = [[np.ptp(path.vertices[:, 0]) for path in strip.get_paths()] for strip in ax.collections]
    assert widths == [[6, 9], [3, 3, 3, 3, 3]]
    assert [text.get_text() for text in ax.texts] == list("ABpqrst")
    plt.close(ax.figure)


def test_crossed_factors_are_a_table_of_counts() -> None:
    pairs = CROSSED[:-1]
    found = mw.structure(layout(pairs, 2), ["a", "b"])
    _, ax = plt.subplots()
    assert found.plot(ax) is ax
    counts = ax.images[0].get_array()
    assert counts.filled(0).tolist() == [[2, 2, 2], [2, 2, 0]]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("b (3 levels)", "a (2 levels)")
    plt.close(ax.figure)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"factors": "litter"}, "did you mean 'Litter'"),
        ({"factors": []}, "factors is empty"),
        ({"factors": ["Litter", "Litter"]}, "names 'Litter' twice"),
        ({"factors": "Litter", "response": "Weight"}, "did you mean 'weight'"),
        ({"factors": "Litter", "response": "Litter"}, "is a factor, and response"),
        ({"factors": "Litter", "covariates": ["lsize"]}, "did you mean 'Lsize'"),
        ({"factors": "Litter", "time": "day"}, "no column 'day'"),
        ({"factors": 3}, "factors is 3; give names of columns"),
        ({"factors": [3]}, "no column 3 in the data"),
        ({"factors": "Litter", "covariates": "lsize"}, "did you mean 'Lsize'"),
        ({"factors": "Litter", "covariates": ["sex", "sex"]}, "covariates names 'sex' twice"),
    ],
)
def test_refusals(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(mw.DataError, match=message):
        mw.structure(mw.datasets.load_ratpups(), **arguments)


def test_unusable_data() -> None:
    with pytest.raises(mw.DataError, match="no rows"):
        mw.structure({"g": []}, "g")
    with pytest.raises(mw.DataError, match="All values of the factor 'g' are missing"):
        mw.structure({"g": [None, None], "x": [1, 2]}, "g")
