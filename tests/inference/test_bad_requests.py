"""What a person may ask of a fit by mistake, door by door, and what they read then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixwell as mw
from mixwell.errors import DataError, FormulaError, MixwellError, ModelError
from small_models import fitted, grouped

Request = Callable[[mw.LmerResult], object]


def new(**columns: Any) -> pd.DataFrame:
    """Three rows of a new group."""
    return pd.DataFrame({"y": [1.0, 2.0, 3.0], "x": [0.0, 1.0, 2.0], "arm": "low", "g": "new", **columns})


REQUESTS: list[tuple[Request, type[MixwellError], str]] = [
    # seeds, draws and levels, wherever they are taken
    (lambda f: f.bootstrap(10, seed="a"), DataError, "seed must be a whole number from 0"),  # type: ignore[arg-type]
    (lambda f: f.bootstrap(10, seed=-1), DataError, "seed must be a whole number from 0"),
    (lambda f: f.bootstrap(10, seed=True), DataError, "seed must be a whole number from 0"),
    (lambda f: f.simulate(2, seed=1.5), DataError, "seed must be a whole number from 0"),  # type: ignore[arg-type]
    (lambda f: f.ranova("bootstrap", n=9, seed="x"), DataError, "seed must be a whole"),  # type: ignore[arg-type]
    (lambda f: f.icc("bootstrap", n=9, seed="x"), DataError, "seed must be a whole"),  # type: ignore[arg-type]
    (lambda f: f.bootstrap("10"), DataError, "n, the number of draws"),  # type: ignore[arg-type]
    (lambda f: f.bootstrap(2.0), DataError, "n, the number of draws"),  # type: ignore[arg-type]
    (lambda f: f.r2("bootstrap", n=0), DataError, "n, the number of draws"),
    (lambda f: f.simulate(0), DataError, "n, the number of responses"),
    (lambda f: f.icc("bootstrap", level="a", n=40), MixwellError, "level must lie between 0 and 1"),  # type: ignore[arg-type]
    (lambda f: f.icc("profile", level=95), MixwellError, "level must lie between 0 and 1"),
    (lambda f: f.conf_int(level=2, method="bootstrap", n=40), MixwellError, "level must lie between 0 and 1"),
    (lambda f: f.update_group(new(), level=0), MixwellError, "level must lie between 0 and 1"),
    # bootstrap
    (lambda f: f.bootstrap(10, statistic=3), MixwellError, "statistic must be a function"),  # type: ignore[arg-type]
    (lambda f: f.bootstrap(10, statistic=lambda r: "x"), DataError, "must return numbers"),
    (lambda f: f.bootstrap(10, statistic=lambda r: [[1.0], [2.0, 3.0]]), DataError, "must return numbers"),
    (lambda f: f.bootstrap(10, statistic=lambda r: None), DataError, "must return numbers"),
    (
        lambda f: f.bootstrap(10, kind="cases", groups="x"),
        DataError,
        "'x' is not a grouping factor; there are g",
    ),
    (lambda f: f.bootstrap(10, kind="jackknife"), DataError, "'parametric', 'residual', 'cases'"),  # type: ignore[arg-type]
    (lambda f: f.bootstrap(10, ci="bc"), DataError, "'percentile', 'basic', 'bca'"),  # type: ignore[arg-type]
    (lambda f: f.conf_int(method="bootstrap", n=40, parameters="X"), DataError, "'X' is not a parameter"),
    (
        lambda f: f.conf_int(method="bootstrap", n=40, kind="wild"),
        DataError,
        "'parametric', 'residual', 'cases'",
    ),  # type: ignore[arg-type]
    # shares of variance and tests of variances
    (lambda f: f.icc("wald"), MixwellError, "there are 'profile', 'bootstrap'"),  # type: ignore[arg-type]
    (lambda f: f.r2("profile"), MixwellError, "there is 'bootstrap'"),  # type: ignore[arg-type]
    (lambda f: f.ranova("exact"), ModelError, "known for one variance"),
    (lambda f: f.ranova("wald"), DataError, "'mixture', 'bootstrap', 'exact'"),  # type: ignore[arg-type]
    # comparisons
    (lambda f: mw.anova(f), DataError, "2 or more"),
    (lambda f: mw.anova(f, 3), DataError, "one is a int"),  # type: ignore[arg-type]
    (lambda f: mw.anova([f, f]), DataError, "one is a list"),  # type: ignore[arg-type]
    (lambda f: mw.compare(f), DataError, "a list or a dict of fitted models"),  # type: ignore[arg-type]
    (lambda f: mw.anova(f, f, names=["a"]), DataError, "2 models and 1 names"),
    # predictions, new groups, new responses
    (lambda f: f.predict(new(), interval="tolerance"), MixwellError, "'confidence', 'prediction' or None"),  # type: ignore[call-overload]
    (lambda f: f.predict(new()), MixwellError, "levels that were not in the fit: g 'new'"),
    (lambda f: f.predict(new(), new_levels="mean"), DataError, "'error', 'zero'"),  # type: ignore[arg-type]
    (lambda f: f.predict(new(), random="h"), DataError, "'h' is not a grouping factor"),
    (lambda f: f.predict(new().drop(columns="x")), DataError, "no column 'x'"),
    (lambda f: f.update_group(3), DataError, "The data are a int"),
    (lambda f: f.update_group(new().iloc[:0]), DataError, "no row of the new data is complete"),
    (lambda f: f.update_group(new(g="a")), DataError, "only levels that were in the fit"),
    (lambda f: f.update_group(new(y=np.inf)), DataError, "y"),
    (lambda f: f.refit("abc"), DataError, "must be numbers"),
    (lambda f: f.refit(np.arange(3.0)), DataError, "needs 90 values"),
    (lambda f: f.refit(np.ones(90)), ModelError, "exactly"),
    (lambda f: f.refit(np.full(90, np.nan)), DataError, "90 missing or infinite values"),
    # power
    (lambda f: mw.power(grouped(), {"x": 1.0}), DataError, "not a DataFrame"),  # type: ignore[arg-type]
    (lambda f: mw.power(f, {"z": 1.0}), DataError, "'z' is not a coefficient"),
    (lambda f: mw.power(f, {"x": np.inf}), DataError, "inf is not a number that a coefficient can be"),
    (lambda f: mw.power(f, test="z = 0"), FormulaError, "'z' in 'z = 0' is not a fixed effect"),
]


@pytest.mark.parametrize(("request_", "kind", "message"), REQUESTS)
def test_mistakes_are_named(request_: Request, kind: type[MixwellError], message: str) -> None:
    with pytest.raises(kind, match=message):
        request_(fitted("slopes"))


def test_one_term_has_no_variance_inflation() -> None:
    with pytest.raises(ModelError, match="two or more terms"):
        mw.lmer("y ~ x + (1 | g)", grouped()).vif()
