"""Comparison of fitted models: likelihood ratios where nested, information criteria always."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mixwell.arguments import checked
from mixwell.data.columns import Column, Factor
from mixwell.data.output import NativeFrame, Origin, noted_frame, output_kind
from mixwell.design.record import Design
from mixwell.errors import DataError
from mixwell.fit import quantities
from mixwell.fit.control import Control
from mixwell.fit.record import Fit
from mixwell.fit.solve import solve
from mixwell.inference.nesting import mean_is_nested, random_nesting, same_columns, same_partition
from mixwell.inference.null_ratio import (
    NullDistribution,
    NullMethod,
    RatioTest,
    null_distribution,
    ratio_test,
)
from mixwell.simulate import Seed

FloatArray = NDArray[np.float64]

# Criterion units above those of a model within it at which a fit is called worse.
WORSE = 1e-4


class Fitted(Protocol):
    """What comparison needs of a result."""

    @property
    def design(self) -> Design: ...
    @property
    def fit(self) -> Fit: ...
    @property
    def control(self) -> Control | None: ...


@dataclass(frozen=True, slots=True)
class Model:
    """A model as compared.

    Attributes
    ----------
    name
        In tables.
    design, fit
        As fitted, or refitted by ML.
    refitted
        Whether a REML fit was refitted by ML.
    control
        Of the search.
    """

    name: str
    design: Design
    fit: Fit
    refitted: bool
    control: Control | None

    @property
    def method(self) -> str:
        return "REML" if self.fit.reml else "ML (refitted)" if self.refitted else "ML"


def likelihood_ratio(small: Model, large: Model, null: NullDistribution) -> RatioTest | None:
    """Test ``small`` within ``large``; None if it is not nested, or not smaller."""
    df = quantities.n_parameters(large.fit) - quantities.n_parameters(small.fit)
    if df <= 0 or not is_within(small, large):
        return None
    nesting = random_nesting(small.design, large.design)
    if nesting is None:
        return None
    return ratio_test(small.design, small.fit, large.design, large.fit, nesting, df, null, large.control)


def is_within(small: Model, large: Model) -> bool:
    """Whether every mean and covariance matrix of the small model is one of the large model."""
    return (
        _same_weights(small.design, large.design)
        and mean_is_nested(small.design, small.fit, large.design, large.fit)
        and random_nesting(small.design, large.design) is not None
    )


def _same_weights(a: Design, b: Design) -> bool:
    if a.weights is None or b.weights is None:
        return a.weights is None and b.weights is None
    return np.array_equal(a.weights, b.weights)


def check_same_data(designs: Sequence[Design], names: Sequence[str]) -> None:
    """Models can be compared only on the same responses.

    Raises
    ------
    DataError
        Naming the models, and whether responses, rows, values of the response, or a column they share differ.
    """
    first = designs[0]
    for design, name in zip(designs[1:], names[1:], strict=True):
        pair = f"{names[0]!r} and {name!r} cannot be compared: "
        if not design.has_response_of(first):
            raise DataError(
                f"{pair}their responses are {first.response_name} and {design.response_name}. "
                "Fit all models to the same response."
            )
        complete = "Fit all models to the rows that are complete for the largest one."
        if design.n_obs != first.n_obs:
            raise DataError(
                f"{pair}they use {first.n_obs} and {design.n_obs} rows{_dropped(first, design)}. {complete}"
            )
        if not _same_rows(first, design):
            raise DataError(f"{pair}they use different rows of the data{_dropped(first, design)}. {complete}")
        same = "Fit all models to the same data, in the same order."
        # Two spellings of one response may round differently.
        rounding = 4 * np.finfo(np.float64).eps * float(np.abs(first.y).max())
        differ = int(np.sum(np.abs(design.y - first.y) > rounding))
        if differ:
            raise DataError(
                f"{pair}the response {first.response_name} differs in {differ} of {first.n_obs} rows. {same}"
            )
        changed = _changed_column(first, design)
        if changed is not None:
            raise DataError(
                f"{pair}their data differ in {changed[0]}, in {changed[1]} of {first.n_obs} rows. {same}"
            )


def _same_rows(a: Design, b: Design) -> bool:
    """Whether the same rows are left of data of the same length."""
    if a.rows is None or b.rows is None or a.rows.n_given != b.rows.n_given:
        return True
    if a.rows.kept is None or b.rows.kept is None:
        return a.rows.kept is None and b.rows.kept is None
    return np.array_equal(a.rows.kept, b.rows.kept)


def _changed_column(a: Design, b: Design) -> tuple[str, int] | None:
    """A column or grouping factor of both models, of one kind, with other values: name, rows that differ.

    Groups may be called by other labels.
    """
    for name, column in a.variables.items():
        other = b.variables.get(name)
        if other is not None and type(other) is type(column):
            differ = int(np.sum(_values(column) != _values(other)))
            if differ:
                return name, differ
    for factor in a.factors:
        for twin in b.factors:
            if twin.name == factor.name and not same_partition(factor, twin):
                return factor.name, int(np.sum(factor.levels[factor.codes] != twin.levels[twin.codes]))
    return None


def _values(column: Column) -> NDArray[np.generic]:
    return column.levels[column.codes] if isinstance(column, Factor) else column.values


def _dropped(*designs: Design) -> str:
    missing = {
        name: count
        for design in designs
        if design.rows is not None
        for name, count in design.rows.missing.items()
    }
    listed = ", ".join(f"{name}: {count}" for name, count in missing.items())
    return f" (missing values in {listed})" if listed else ""


def comparable(fits: Sequence[Fitted], names: Sequence[str]) -> list[Model]:
    """The models with criteria that can be compared: REML fits are refitted by ML unless all agree in X."""
    check_same_data([fit.design for fit in fits], names)
    by_reml = all(fit.fit.reml for fit in fits) and _same_fixed_parts(fits)
    models = []
    for fitted, name in zip(fits, names, strict=True):
        refit = fitted.fit.reml and not by_reml
        fit = fitted.fit
        if refit:
            fit = solve(fitted.design, reml=False, start=fit.theta, control=fitted.control)
        models.append(Model(name, fitted.design, fit, refit, fitted.control))
    return models


def _same_fixed_parts(fits: Sequence[Fitted | Model]) -> bool:
    return all(same_columns(fits[0].design, fits[0].fit, fit.design, fit.fit) for fit in fits[1:])


def model_names(fits: Sequence[Fitted], names: Sequence[str] | None) -> list[str]:
    """Given names, or the formulas; repeated ones numbered."""
    if names is not None and len(names) != len(fits):
        raise DataError(f"{len(fits)} models and {len(names)} names: give one name per model.")
    given = [fit.design.formula for fit in fits] if names is None else [str(name) for name in names]
    return list(quantities.unique_names(tuple(given)))


def check_fits(fits: Sequence[object], at_least: int, caller: str) -> None:
    """Refuse what is no fitted model, and too few."""
    for fit in fits:
        if not isinstance(getattr(fit, "design", None), Design):
            how = ", given one by one" if isinstance(fit, list | tuple) else ""
            raise DataError(f"{caller} takes results of lmer(){how}; one is a {type(fit).__name__}.")
    if len(fits) < at_least:
        raise DataError(f"{caller} takes {at_least} or more fitted models; {len(fits)} given.")


def origin_of(design: Design) -> Origin:
    """Frames are of the kind of the data."""
    return Origin("pandas" if design.rows is None else output_kind(design.rows.kind), None)


@checked
def anova(
    *fits: Fitted,
    names: Sequence[str] | None = None,
    method: NullMethod = "mixture",
    n: int | None = None,
    seed: Seed = None,
) -> NativeFrame:
    """Likelihood ratio table of two or more models fitted to the same data.

    The models are put in order of their number of parameters, and each is tested against the one before it if
    that is nested in it (columns of the fixed part and of the random terms decide). Models fitted by REML are
    compared as they are if their fixed parts agree, and refitted by ML if not, or if some model is an ML fit.

    Parameters
    ----------
    fits
        Results of :func:`lmer`.
    names
        What to call them; their formulas by default.
    method
        How ``p_value`` is found. ``"mixture"``: chi-square, or a mixture of chi-squares where variances are
        zero under the smaller model (Self & Liang 1987; Stram & Lee 1994). ``"bootstrap"``: responses are
        drawn from the smaller model and both models refitted to them. ``"exact"``: for models that differ by
        one variance, see ``fit.ranova``.
    n, seed
        Draws for ``"bootstrap"`` (1000) and ``"exact"`` (10000); a whole number for reproducible ones.

    Returns
    -------
    frame
        Columns ``model method npar aic aicc bic llf deviance lrt df p_naive p_value``; the last four are
        missing in the first row and where the model before is not nested. ``p_value`` is correct for
        variances that are zero under the smaller model, ``p_naive`` is not. pandas frames carry remarks in
        the attribute ``note``.

    Raises
    ------
    DataError
        If responses, rows or the data of a column differ (the message says which).
    ModelError
        If ``method="exact"`` and models differ by more than one variance.

    Examples
    --------
    >>> import mixwell as mw
    >>> data = mw.datasets.load_sleepstudy()
    >>> small = mw.lmer("Reaction ~ Days + (1 | Subject)", data)
    >>> large = mw.lmer("Reaction ~ Days + (Days | Subject)", data)
    >>> table = mw.anova(small, large, names=["intercepts", "slopes"])
    >>> table[["model", "method", "npar", "lrt", "df"]].round(3)
            model method  npar     lrt   df
    0  intercepts   REML     4     NaN  NaN
    1      slopes   REML     6  42.837  2.0
    """
    check_fits(fits, 2, "anova()")
    null = null_distribution(method, n, seed)
    models = comparable(fits, model_names(fits, names))
    models.sort(key=lambda model: quantities.n_parameters(model.fit))
    tests: list[RatioTest | None] = [None]
    draws = null
    for small, large in pairwise(models):
        tests.append(likelihood_ratio(small, large, draws))
        draws = draws.after(tests[-1])
    columns: dict[str, Sequence[object]] = {
        "model": [model.name for model in models],
        "method": [model.method for model in models],
        "npar": [quantities.n_parameters(model.fit) for model in models],
        **_criteria(models),
        "llf": [quantities.llf(model.fit) for model in models],
        "deviance": [model.fit.criterion for model in models],
        **_tests(tests),
    }
    pairs = list(pairwise(models))
    notes = [_refit_note(fits, models)]
    apart = [pair for pair, test in zip(pairs, tests[1:], strict=True) if test is None]
    notes += _apart_notes(apart)
    tested = [pair for pair, test in zip(pairs, tests[1:], strict=True) if test is not None]
    notes += [_ratio_note(tests, null), *_worse_notes(tested)]
    return noted_frame(origin_of(fits[0].design), columns, " ".join(filter(None, notes)))


@checked
def compare(fits: Sequence[Fitted] | Mapping[str, Fitted], names: Sequence[str] | None = None) -> NativeFrame:
    """One table of models fitted to the same data, with guidance on how to choose.

    Parameters
    ----------
    fits
        Results of :func:`lmer`, in a list, or in a dict under their names.
    names
        What to call them, if ``fits`` is a list; their formulas by default.

    Returns
    -------
    frame
        One row per model, in the order given: ``model k method criterion aic aicc bic weight against lrt df
        p_naive p_value``. ``k`` counts parameters, ``weight`` is the Akaike weight; ``against`` names the
        largest other model that is nested in this one, which the likelihood ratio tests. pandas frames carry
        the guidance in the attribute ``note``, printed below the table.

    Raises
    ------
    DataError
        If responses or rows differ (the message says which).

    Examples
    --------
    >>> import mixwell as mw
    >>> data = mw.datasets.load_sleepstudy()
    >>> parts = ["1", "Days"]
    >>> fits = {part: mw.lmer(f"Reaction ~ {part} + (Days | Subject)", data) for part in parts}
    >>> table = mw.compare(fits)
    >>> table[["model", "k", "method", "weight", "lrt"]].round(3)
      model  k         method  weight     lrt
    0     1  5  ML (refitted)     0.0     NaN
    1  Days  6  ML (refitted)     1.0  23.537
    """
    if isinstance(fits, Mapping):
        names, listed = [str(name) for name in fits], list(fits.values())
    elif isinstance(fits, Sequence):
        listed = list(fits)
    else:
        raise DataError(f"compare() takes a list or a dict of fitted models, not a {type(fits).__name__}.")
    check_fits(listed, 2, "compare()")
    null = NullDistribution()
    models = comparable(listed, model_names(listed, names))
    against: list[str | None] = []
    tests: list[RatioTest | None] = []
    tested: list[tuple[Model, Model]] = []
    for large in models:
        smaller = sorted(
            (m for m in models if quantities.n_parameters(m.fit) < quantities.n_parameters(large.fit)),
            key=lambda m: -quantities.n_parameters(m.fit),
        )
        found = next(((m, t) for m in smaller if (t := likelihood_ratio(m, large, null)) is not None), None)
        against.append(None if found is None else found[0].name)
        tested += [] if found is None else [(found[0], large)]
        tests.append(None if found is None else found[1])
    criteria = _criteria(models)
    columns: dict[str, Sequence[object]] = {
        "model": [model.name for model in models],
        "k": [quantities.n_parameters(model.fit) for model in models],
        "method": [model.method for model in models],
        "criterion": [model.fit.criterion for model in models],
        **criteria,
        "weight": akaike_weights(np.array(criteria["aic"])).tolist(),
        "against": against,
        **_tests(tests),
    }
    notes = [_guidance(models, criteria, tests), _refit_note(listed, models), _ratio_note(tests, null)]
    notes += _worse_notes(tested)
    return noted_frame(origin_of(listed[0].design), columns, " ".join(filter(None, notes)))


def akaike_weights(aic: FloatArray) -> FloatArray:
    """exp(-delta/2) over their sum (Burnham & Anderson 2002, section 2.9.1)."""
    relative = np.exp(-(aic - aic.min()) / 2)
    weights: FloatArray = relative / relative.sum()
    return weights


def _criteria(models: Sequence[Model]) -> dict[str, list[float]]:
    return {
        "aic": [quantities.aic(model.fit) for model in models],
        "aicc": [quantities.aicc(model.design, model.fit) for model in models],
        "bic": [quantities.bic(model.design, model.fit) for model in models],
    }


def _tests(tests: Sequence[RatioTest | None]) -> dict[str, list[float]]:
    absent = float("nan")
    return {
        "lrt": [absent if test is None else test.statistic for test in tests],
        "df": [absent if test is None else float(test.df) for test in tests],
        "p_naive": [absent if test is None else test.p_naive for test in tests],
        "p_value": [absent if test is None else test.p_value for test in tests],
    }


def _refit_note(fits: Sequence[Fitted], models: Sequence[Model]) -> str:
    count = sum(model.refitted for model in models)
    if not count:
        return "The fixed parts agree, so the REML criteria are compared." if models[0].fit.reml else ""
    reason = (
        "since a REML criterion and a likelihood cannot be compared"
        if _same_fixed_parts(fits)
        else "since REML criteria are comparable only between models with the same fixed part"
    )
    return f"{count} of {len(models)} models were refitted by maximum likelihood, {reason}."


def _apart_notes(pairs: Sequence[tuple[Model, Model]]) -> list[str]:
    """Why models were not tested: they are the same, weighted differently, or not nested."""
    same, weighted, apart = [], [], []
    for small, large in pairs:
        both = f"{large.name!r} and {small.name!r}"
        if not _same_weights(small.design, large.design):
            weighted.append(both)
        elif is_within(small, large) and is_within(large, small):
            same.append(both)
        else:
            apart.append(both)
    return [
        f"{reason}: {'; '.join(listed)}."
        for reason, listed in (
            ("The same model, if in other words", same),
            ("With different weights, to be compared by information criteria only", weighted),
            ("Not nested, to be compared by information criteria only", apart),
        )
        if listed
    ]


def _ratio_note(tests: Sequence[RatioTest | None], null: NullDistribution) -> str:
    made = [test for test in tests if test is not None]
    relevant = any(test.n_boundary for test in made) if null.method == "mixture" else bool(made)
    return null.note(made) if relevant else ""


def _worse_notes(pairs: Sequence[tuple[Model, Model]]) -> list[str]:
    """A model cannot fit worse than one within it, unless its search ended in a local optimum."""
    return [
        f"{large.name!r} fits worse than {small.name!r}, which it contains: fit it again from more starts, "
        "control=Control(starts=50)."
        for small, large in pairs
        if large.fit.criterion > small.fit.criterion + WORSE
    ]


def _guidance(
    models: Sequence[Model], criteria: Mapping[str, Sequence[float]], tests: Sequence[RatioTest | None]
) -> str:
    best = {name: models[int(np.argmin(criteria[name]))].name for name in ("aic", "bic")}
    chosen = (
        f"AIC and BIC both prefer {best['aic']!r}."
        if best["aic"] == best["bic"]
        else f"AIC prefers {best['aic']!r}, BIC {best['bic']!r}."
    )
    unnested = sum(test is None for test in tests) > 1
    advice = (
        "Where one model is nested in another, the likelihood ratio tests the difference; for prediction AIC "
        "(AICc in small samples) is the guide; BIC favours the smaller model"
    )
    return (
        f"{chosen} {advice}{', and serves models that are not nested.' if unnested else ' in large samples.'}"
    )
