"""What needs more memory than there is ends with an error that names it; the interpreter lives on."""

import subprocess
import sys
import time

import numpy as np
import pytest

import mixwell as mw
from mixwell.memory import check_room, memory_errors

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no limits of address space")

# Address space of a child, in GiB.
SPACE = 3

# Numbers of levels and rows whose memory is far above the space, and what the error must name.
CASES = {
    "crossed levels": ("y ~ 1 + (1 | a) + (1 | b)", ("20000", "15000"), 60_000, ("'a'", "'b'", "GiB")),
    "crossed slopes": ("y ~ x + (x | a) + (x | b)", ("12000", "9000"), 60_000, ("'a'", "'b'", "2 columns")),
    "a text column": ("y ~ factor(a) + (1 | b)", ("20000", "12"), 60_000, ("factor(a)",)),
    "an interaction": (
        "y ~ factor(a):factor(b) + (1 | c)",
        ("400", "300"),
        200_000,
        ("factor(a):factor(b)",),
    ),
    "slopes of a text column": ("y ~ 1 + (factor(a) | c)", ("9000", "12"), 60_000, ("factor(a)",)),
}

CHILD = """
import resource, sys, warnings
import numpy as np, mixwell as mw
warnings.simplefilter("ignore")
formula, levels, n, space = sys.argv[1], sys.argv[2].split(","), int(sys.argv[3]), int(sys.argv[4])
rng = np.random.default_rng(0)
data = dict(zip("ab", (rng.integers(0, int(q), n) for q in levels)), c=rng.integers(0, 8, n))
data |= {"y": rng.normal(size=n), "x": rng.normal(size=n)}
resource.setrlimit(resource.RLIMIT_AS, (space << 30, space << 30))
try:
    mw.lmer(formula, data)
except mw.MixwellError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_had_is_a_named_error(case: str) -> None:
    formula, levels, n, named = CASES[case]
    arguments = [formula, ",".join(levels), str(n), str(SPACE)]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.startswith(("ResourceError", "ModelError"))
    assert all(text in done.stdout for text in named), done.stdout


def wide(n: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    text = np.array([f"note {i}" for i in range(n)], dtype=object)
    data = {"y": rng.normal(size=n), "x": rng.normal(size=n), "z": rng.normal(size=n), "id": text}
    return (
        data
        | {"f": text[rng.integers(0, n // 20, n)], "h": text[rng.integers(0, n // 20, n)]}
        | {"g": rng.integers(0, 10, n)}
    )


REFUSED = {
    "y ~ id + (1 | g)": "'id' has 4000 levels in 4000 rows",
    "y ~ x + id + (1 | g)": "'id' has 4000 levels in 4000 rows",
    "y ~ x:id + (1 | g)": "'id' has 4000 levels in 4000 rows",
    "y ~ factor(x) + (1 | g)": "'factor(x)' has 4000 levels in 4000 rows",
    "y ~ factor(x):factor(z) + (1 | g)": "4000 levels in 4000 rows",
    "y ~ 1 + (id | g)": "'id' has 4000 levels in 4000 rows",
    "y ~ f * h + (1 | g)": "f:h makes 39601 of the 40000 columns for 4000 rows",
    "y ~ f:h + (1 | g)": "f:h makes 40000 of the 40001 columns for 4000 rows",
}


@pytest.mark.parametrize("formula", REFUSED)
def test_more_columns_than_rows_are_refused_before_they_are_made(formula: str) -> None:
    data = wide(4000)
    began = time.perf_counter()
    with pytest.raises(mw.ModelError) as caught:
        mw.lmer(formula, data)
    # to make or to look through 4000 columns takes minutes
    assert time.perf_counter() - began < 5
    assert REFUSED[formula] in str(caught.value)


def test_cells_of_one_row_each_are_refused() -> None:
    n = 400
    rng = np.random.default_rng(2)
    cell = rng.permutation(n)
    data = {"y": rng.normal(size=n), "a": cell // 20, "b": cell % 20, "g": rng.integers(0, 5, n)}
    with pytest.raises(mw.ModelError, match=r"each of the 400 rows has a combination of its own"):
        mw.lmer("y ~ factor(a) * factor(b) + (1 | g)", data)


def test_columns_that_cannot_be_estimated_are_still_dropped_where_they_are_few() -> None:
    rng = np.random.default_rng(3)
    cell = rng.integers(0, 12, 60)
    data = {"y": rng.normal(size=60), "a": cell * 7 % 12, "b": cell, "g": rng.integers(0, 6, 60)}
    with pytest.warns(mw.RankDeficiencyWarning):
        fit = mw.lmer("y ~ factor(a) * factor(b) + (1 | g)", data)
    assert len(fit.fit.beta) == len(np.unique(cell))


def test_a_request_above_all_memory_is_not_made() -> None:
    with pytest.raises(mw.ResourceError, match=r"The grid needs 1073741824 GiB of memory; .* are free"):
        check_room(1 << 60, "The grid")


@pytest.mark.parametrize("shape", [(1 << 45,), (1 << 40, 1 << 40)])
def test_arrays_that_numpy_cannot_have_are_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(mw.ResourceError, match="not enough memory for the draws"), memory_errors("the draws"):
        np.empty(shape)


def test_resource_errors_are_memory_errors() -> None:
    fit = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff())
    with pytest.raises(MemoryError) as caught:
        fit.simulate(10**13)
    assert isinstance(caught.value, mw.MixwellError)
