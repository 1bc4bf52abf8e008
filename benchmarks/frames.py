"""The data of the cases: real sets shipped with the package, and simulations with a fixed seed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixwell import datasets

FloatArray = NDArray[np.float64]


def correlated(
    rng: np.random.Generator, n_levels: int, sd: tuple[float, ...], correlation: float
) -> FloatArray:
    """Normal effects, shape (n_levels, k), with the given sds and one correlation between all of them."""
    k = len(sd)
    matrix = np.full((k, k), correlation) + (1 - correlation) * np.eye(k)
    effects: FloatArray = rng.standard_normal((n_levels, k)) @ np.linalg.cholesky(matrix).T * np.asarray(sd)
    return effects


def maximal(*, sd_interaction: float) -> pd.DataFrame:
    """60 subjects x 80 items, each pair once; a and b (+-0.5) rotate within subjects and within items.

    ``sd_interaction`` is that of a:b between subjects and between items. With 0 the optimum is singular,
    as it often is when a maximal model is fitted to an experiment.
    """
    rng = np.random.default_rng(20)
    n_subjects, n_items = 60, 80
    subject = np.repeat(np.arange(n_subjects), n_items)
    item = np.tile(np.arange(n_items), n_subjects)
    cell = (subject + item) % 4
    a, b = (cell // 2) - 0.5, (cell % 2) - 0.5
    columns = np.column_stack([np.ones_like(a), a, b, a * b])
    of_subjects = correlated(rng, n_subjects, (80.0, 40.0, 30.0, sd_interaction), 0.3)
    of_items = correlated(rng, n_items, (50.0, 25.0, 30.0, sd_interaction), 0.2)
    mean = np.array([600.0, 40.0, -20.0, 15.0]) + of_subjects[subject] + of_items[item]
    rt = np.einsum("nk,nk->n", columns, mean) + 120.0 * rng.standard_normal(len(a))
    return pd.DataFrame(
        {
            "rt": rt,
            "a": a,
            "b": b,
            "subj": pd.Categorical([f"S{s + 1:02d}" for s in subject]),
            "item": pd.Categorical([f"I{i + 1:02d}" for i in item]),
        }
    )


def slopes(*, rows: int, n_groups: int) -> pd.DataFrame:
    """Groups in no order, an intercept and a slope of x in each; group labels are integers."""
    rng = np.random.default_rng(21)
    group = rng.integers(0, n_groups, rows)
    x, z = rng.standard_normal((2, rows))
    effects = correlated(rng, n_groups, (0.8, 0.5), 0.3)
    y = 1.0 + 0.5 * x - 0.3 * z + effects[group, 0] + effects[group, 1] * x + rng.standard_normal(rows)
    return pd.DataFrame({"y": y, "x": x, "z": z, "g": group})


def factorial() -> pd.DataFrame:
    """50,000 rows, 500 subjects of about a hundred; factors a, b, c of 2, 3, 2 levels, assigned at random."""
    rng = np.random.default_rng(24)
    n, n_subjects = 50_000, 500
    subject = rng.integers(0, n_subjects, n)
    a, b, c = (rng.integers(0, levels, n) for levels in (2, 3, 2))
    of_subjects = 0.3 * rng.standard_normal(n_subjects)
    y = 0.05 * a - 0.03 * b + 0.02 * a * c + of_subjects[subject] + rng.standard_normal(n)
    factors = {
        name: pd.Categorical([f"{name}{code + 1}" for code in codes])
        for name, codes in (("a", a), ("b", b), ("c", c))
    }
    return pd.DataFrame({"y": y, **factors, "s": subject})


def crossed(*, rows: int, n_users: int, n_items: int) -> pd.DataFrame:
    """Users and items that meet at random; labels are integers."""
    rng = np.random.default_rng(22)
    user, item = rng.integers(0, n_users, rows), rng.integers(0, n_items, rows)
    x = rng.standard_normal(rows)
    of_users, of_items = 0.7 * rng.standard_normal(n_users), 0.4 * rng.standard_normal(n_items)
    y = 3.0 + 0.2 * x + of_users[user] + of_items[item] + rng.standard_normal(rows)
    return pd.DataFrame({"y": y, "x": x, "user": user, "item": item})


FRAMES: dict[str, Callable[[], pd.DataFrame]] = {
    "sleepstudy": datasets.load_sleepstudy,
    "penicillin": datasets.load_penicillin,
    "chem97": datasets.load_chem97,
    "insteval": datasets.load_insteval,
    "maximal": partial(maximal, sd_interaction=35.0),
    "maximal_singular": partial(maximal, sd_interaction=0.0),
    "ratpups": datasets.load_ratpups,
    "slopes": partial(slopes, rows=100_000, n_groups=1_000),
    "factorial": factorial,
    "crossed": partial(crossed, rows=10_000, n_users=100, n_items=150),
    "crossed_small": partial(crossed, rows=600, n_users=20, n_items=30),
    "million_slopes": partial(slopes, rows=1_000_000, n_groups=100_000),
    "million_crossed": partial(crossed, rows=1_000_000, n_users=50_000, n_items=5_000),
}
