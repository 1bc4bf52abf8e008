"""Comparison of fitted models: likelihood ratios where nested, information criteria always."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mixwell.data.output import NativeFrame, Origin, noted_frame, output_kind
from mixwell.design.record import Design
from mixwell.errors import DataError
from mixwell.fit import quantities
from mixwell.fit.control import Control
from mixwell.fit.record import Fit
from mixwell.fit.solve import solve
from mixwell.inference.chi_bar import boundary_p_value, chi_square_tail, lower_triangle
from mixwell.inference.information import covariance_of_estimates
from mixwell.inference.nesting import RandomNesting, mean_is_nested, random_nesting, same_columns

FloatArray = NDArray[np.float64]


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
    """

    name: str
    design: Design
    fit: Fit
    refitted: bool

    @property
    def method(self) -> str:
        return "REML" if self.fit.reml else "ML (refitted)" if self.refitted else "ML"


@dataclass(frozen=True, slots=True)
class RatioTest:
    """A likelihood ratio test of one model within another.

    Attributes
    ----------
    statistic
        Difference of the criteria, not below zero.
    df
        Difference in the number of parameters.
    p_value
        Correct for variances on their boundary.
    p_naive
        Of a chi-square with ``df`` degrees of freedom.
    n_boundary
        Variances that are zero under the null hypothesis.
    """

    statistic: float
    df: int
    p_value: float
    p_naive: float
    n_boundary: int


def likelihood_ratio(small: Model, large: Model) -> RatioTest | None:
    """Test ``small`` within ``large``; None if it is not nested, or not smaller."""
    df = quantities.n_parameters(large.fit) - quantities.n_parameters(small.fit)
    if df <= 0 or not mean_is_nested(small.design, small.fit, large.design, large.fit):
        return None
    if not _same_weights(small.design, large.design):
        return None
    nesting = random_nesting(small.design, large.design)
    if nesting is None:
        return None
    statistic = max(small.fit.criterion - large.fit.criterion, 0.0)
    n_boundary = nesting.n_boundary
    covariance = boundary_covariance(small.fit, large.design, nesting) if sum(n_boundary) > 1 else None
    return RatioTest(
        statistic=statistic,
        df=df,
        p_value=boundary_p_value(statistic, df, n_boundary, covariance),
        p_naive=float(chi_square_tail(statistic, df)),
        n_boundary=sum(n_boundary),
    )


def boundary_covariance(small_fit: Fit, large: Design, nesting: RandomNesting) -> FloatArray:
    """Asymptotic covariance of the tested variances and their covariances, at the null estimates.

    Of the entries of N' Sigma N, N being the combinations without variance under the null hypothesis.
    """
    null = nesting.embedded(small_fit.term_cov)
    covariance = covariance_of_estimates(large, null, small_fit.sigma)
    rows = []
    at = 0
    for basis in nesting.free:
        k, m = basis.shape
        r, c = lower_triangle(k)
        for a, b in zip(*lower_triangle(m), strict=True):
            # d (N' Sigma N)_ab for a change in each entry of Sigma's lower triangle.
            change = np.zeros(len(covariance))
            both = basis[r, a] * basis[c, b] + basis[c, a] * basis[r, b]
            change[at : at + len(r)] = np.where(r == c, both / 2, both)
            rows.append(change)
        at += k * (k + 1) // 2
    maps = np.array(rows)
    return maps @ covariance @ maps.T


def _same_weights(a: Design, b: Design) -> bool:
    if a.weights is None or b.weights is None:
        return a.weights is None and b.weights is None
    return np.array_equal(a.weights, b.weights)


def check_same_data(designs: Sequence[Design], names: Sequence[str]) -> None:
    """Models can be compared only on the same responses.

    Raises
    ------
    DataError
        Naming the models, and whether responses, rows or values differ.
    """
    first = designs[0]
    for design, name in zip(designs[1:], names[1:], strict=True):
        pair = f"{names[0]!r} and {name!r} cannot be compared: "
        if design.response_name != first.response_name:
            raise DataError(
                f"{pair}their responses are {first.response_name} and {design.response_name}. "
                "Fit all models to the same response."
            )
        if design.n_obs != first.n_obs:
            raise DataError(
                f"{pair}they use {first.n_obs} and {design.n_obs} rows{_dropped(first, design)}. "
                "Fit all models to the rows that are complete for the largest one."
            )
        differ = int(np.sum(design.y != first.y))
        if differ:
            raise DataError(
                f"{pair}the response {first.response_name} differs in {differ} of {first.n_obs} rows. "
                "Fit all models to the same data, in the same order."
            )


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
    designs = [fit.design for fit in fits]
    check_same_data(designs, names)
    by_reml = all(fit.fit.reml for fit in fits) and all(
        same_columns(fits[0].design, fits[0].fit, fit.design, fit.fit) for fit in fits[1:]
    )
    models = []
    for fitted, name in zip(fits, names, strict=True):
        refit = fitted.fit.reml and not by_reml
        fit = fitted.fit
        if refit:
            fit = solve(fitted.design, reml=False, start=fit.theta, control=fitted.control)
        models.append(Model(name, fitted.design, fit, refit))
    return models


def model_names(fits: Sequence[Fitted], names: Sequence[str] | None) -> list[str]:
    """Given names, or the formulas; repeated ones numbered."""
    if names is not None:
        if len(names) != len(fits):
            raise DataError(f"{len(fits)} models and {len(names)} names: give one name per model.")
        return [str(name) for name in names]
    return list(quantities.unique_names(tuple(fit.design.formula for fit in fits)))


def check_fits(fits: Sequence[Fitted], at_least: int, caller: str) -> None:
    """Refuse what is no fitted model, and too few."""
    if len(fits) < at_least:
        raise DataError(f"{caller} compares {at_least} or more fitted models; {len(fits)} given.")
    for fit in fits:
        if not isinstance(getattr(fit, "design", None), Design):
            raise DataError(f"{caller} compares results of lmer(); one is a {type(fit).__name__}.")


def origin_of(design: Design) -> Origin:
    """Frames are of the kind of the data."""
    return Origin("pandas" if design.rows is None else output_kind(design.rows.kind), None)


_BOUNDARY = (
    "Where a variance is zero under the smaller model, p_value is that of a mixture of chi-squares "
    "(Stram & Lee 1994), p_naive that of a plain one."
)


def anova(*fits: Fitted, names: Sequence[str] | None = None) -> NativeFrame:
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
        If responses or rows differ (the message says which).

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
    models = comparable(fits, model_names(fits, names))
    models.sort(key=lambda model: quantities.n_parameters(model.fit))
    tests: list[RatioTest | None] = [None]
    tests += [likelihood_ratio(small, large) for small, large in pairwise(models)]
    columns: dict[str, Sequence[object]] = {
        "model": [model.name for model in models],
        "method": [model.method for model in models],
        "npar": [quantities.n_parameters(model.fit) for model in models],
        **_criteria(models),
        "llf": [quantities.llf(model.fit) for model in models],
        "deviance": [model.fit.criterion for model in models],
        **_tests(tests),
    }
    notes = [_refit_note(models)]
    apart = [
        f"{large.name!r} and {small.name!r}"
        for (small, large), test in zip(pairwise(models), tests[1:], strict=True)
        if test is None
    ]
    if apart:
        notes.append(f"Not nested, to be compared by information criteria only: {'; '.join(apart)}.")
    if any(test is not None and test.n_boundary for test in tests):
        notes.append(_BOUNDARY)
    return noted_frame(origin_of(fits[0].design), columns, " ".join(filter(None, notes)))


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
    else:
        listed = list(fits)
    check_fits(listed, 2, "compare()")
    models = comparable(listed, model_names(listed, names))
    against: list[str | None] = []
    tests: list[RatioTest | None] = []
    for large in models:
        smaller = sorted(
            (m for m in models if quantities.n_parameters(m.fit) < quantities.n_parameters(large.fit)),
            key=lambda m: -quantities.n_parameters(m.fit),
        )
        found = next(((m, t) for m in smaller if (t := likelihood_ratio(m, large)) is not None), None)
        against.append(None if found is None else found[0].name)
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
    notes = [_guidance(models, criteria, tests), _refit_note(models)]
    if any(test is not None and test.n_boundary for test in tests):
        notes.append(_BOUNDARY)
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


def _refit_note(models: Sequence[Model]) -> str:
    count = sum(model.refitted for model in models)
    if count:
        return (
            f"{count} of {len(models)} models were refitted by maximum likelihood, since REML criteria are "
            "comparable only between models with the same fixed part."
        )
    if models[0].fit.reml:
        return "The fixed parts agree, so the REML criteria are compared."
    return ""


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
