"""Power of a test of fixed effects, by simulation from a fit or from a plan."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Literal

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv

from mixwell.arguments import check_count, check_level, check_one_of, checked, is_count
from mixwell.data.frame import near, open_frame
from mixwell.data.output import NativeFrame, frame
from mixwell.design.build import build_design
from mixwell.design.record import Design
from mixwell.errors import DataError, MixwellError, MixwellWarning, ModelError
from mixwell.fit import quantities
from mixwell.fit.control import Control
from mixwell.fit.record import Fit
from mixwell.fit.solve import solve
from mixwell.formula.expression import Name
from mixwell.formula.parse import parse_formula
from mixwell.inference.chi_bar import chi_square_tail
from mixwell.inference.compare import Fitted, origin_of
from mixwell.inference.contrast import joint_test
from mixwell.inference.degrees_of_freedom import METHODS as DDF_METHODS
from mixwell.inference.degrees_of_freedom import Ddf, approximation
from mixwell.inference.groups import Groups, outermost
from mixwell.inference.hypothesis import Hypothesis, read_hypothesis
from mixwell.inference.parameters import parameter_names
from mixwell.inference.refits import Refitting, in_portions
from mixwell.kernel import Theta
from mixwell.memory import memory_errors
from mixwell.simulate import Seed, generator, simulate

FloatArray = NDArray[np.float64]
Method = Literal["wald", "lrt"]
METHODS = ("wald", "lrt")


@dataclass(frozen=True, slots=True)
class Plan:
    """A model with parameters that were chosen instead of estimated; made by :func:`planned`.

    Attributes
    ----------
    design
        The planned rows.
    fit
        Holds the chosen parameters; what belongs to data in it (modes, certificate) has no meaning.
    control
        None.
    """

    design: Design
    fit: Fit
    control: Control | None = None


@checked
def planned(
    formula: str,
    data: object,
    parameters: Mapping[str, float],
    *,
    reml: bool = True,
    contrasts: Mapping[str, object] | None = None,
) -> Plan:
    """A model for data that do not exist yet, to compute the power of.

    Parameters
    ----------
    formula
        As for :func:`lmer`.
    data
        The planned rows: predictors and groups; the response need not be there.
    parameters
        Value of every parameter, by the names of ``conf_int(method="profile")``: ``"sd_(Intercept)|g"``,
        ``"cor_x.(Intercept)|g"`` (0 if left out), ``"sigma"``, and the fixed effects.
    reml
        Whether the tests are to be made with REML fits.
    contrasts
        As for :func:`lmer`.

    Raises
    ------
    DataError
        If a parameter is missing, unknown, or impossible (the message names it).

    Examples
    --------
    >>> import mixwell as mw
    >>> rows = {"arm": ["a", "b"] * 20, "g": [str(i // 4) for i in range(40)]}
    >>> values = {"sd_(Intercept)|g": 1.0, "sigma": 1.0, "(Intercept)": 0.0, "arm[b]": 0.8}
    >>> plan = mw.planned("y ~ arm + (1 | g)", rows, values)
    >>> table = mw.power(plan, test="arm[b] = 0", n=[10, 20], n_sims=100, seed=1)
    >>> table["n"].tolist(), bool(table["power"].is_monotonic_increasing)
    ([10, 20], True)
    """
    if not isinstance(parameters, Mapping):
        raise DataError(
            "parameters are a dict of values by name, as {'sigma': 1.0, ...}, not a "
            f"{type(parameters).__name__}."
        )
    with memory_errors("the columns of the plan"):
        design = build_design(
            formula,
            _with_response(formula, data),
            weights=None,
            offset=None,
            contrasts=contrasts,
            na_action="raise",
        )
    rough = solve(design, reml=reml)
    names = parameter_names(design, rough)
    unknown = [name for name in parameters if name not in names]
    if unknown:
        raise DataError(
            f"parameters: {unknown[0]!r} is not one of this model; there are {', '.join(map(repr, names))}."
        )
    for name, value in parameters.items():
        if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
            raise DataError(f"parameters: {name!r} is {value!r}; it must be a number.")
    missing = [name for name in names if name not in parameters and not name.startswith("cor_")]
    if missing:
        raise DataError(f"parameters: no value for {', '.join(map(repr, missing))}.")
    return Plan(design, _chosen(design, rough, names, parameters))


def _with_response(formula: str, data: object) -> object:
    """The rows with a column for the response; noise, which only has to be no perfect fit."""
    response = parse_formula(formula).response.expression
    if not isinstance(response, Name):
        raise DataError("the response of a plan is a plain name: y ~ ..., on the scale of the model.")
    given = open_frame(data)
    if response.value in given:
        return data
    noise = np.random.default_rng(0).standard_normal(given.n_rows)
    native = given.native
    if isinstance(native, nw.DataFrame):
        series = nw.new_series(response.value, noise, backend=native.implementation)
        return native.with_columns(series).to_native()
    if isinstance(native, pd.DataFrame):
        return native.assign(**{response.value: noise})
    return {**native, response.value: noise}


def _chosen(design: Design, rough: Fit, names: Sequence[str], values: Mapping[str, float]) -> Fit:
    """The rough fit with the parameters chosen."""
    number = {name: float(values.get(name, 0.0)) for name in names}
    sigma = number["sigma"]
    if not sigma > 0:
        raise DataError(f"parameters: sigma is {sigma!r}; it must be positive.")
    at = 0
    theta, covariances = [], []
    for term in design.terms:
        k = len(term.names)
        own = [number[name] for name in names[at : at + k * (k + 1) // 2]]
        at += len(own)
        columns, rows = np.triu_indices(k)
        correlation = np.eye(k)
        sd = np.empty(k)
        for value, i, j in zip(own, rows, columns, strict=True):
            if i == j:
                sd[i] = value
            else:
                correlation[i, j] = correlation[j, i] = value
        if (sd < 0).any():
            raise DataError(f"parameters: a standard deviation of {term.label} is negative.")
        covariance = correlation * np.outer(sd, sd)
        try:
            root = np.linalg.cholesky(correlation + 1e-14 * np.eye(k))
        except np.linalg.LinAlgError:
            raise DataError(
                f"parameters: the correlations of {term.label} do not make a covariance matrix."
            ) from None
        theta.append((sd[:, None] * root / sigma)[rows, columns])
        covariances.append(covariance)
    beta = np.array([number[name] for name in names[at + 1 :]])
    return replace(
        rough, theta=Theta(np.concatenate(theta)), sigma=sigma, beta=beta, term_cov=tuple(covariances)
    )


@checked
def power(
    model: Fitted,
    effect: float | Mapping[str, float] | None = None,
    n: int | Sequence[int] | None = None,
    *,
    test: str | Sequence[str] | ArrayLike | None = None,
    alpha: float = 0.05,
    groups: str | None = None,
    method: Method = "wald",
    ddf: Ddf = "satterthwaite",
    n_sims: int = 1000,
    level: float = 0.95,
    seed: Seed = None,
    progress: bool = True,
) -> NativeFrame:
    """Power of a test of fixed effects, by simulation and refitting.

    Responses are drawn from the model with the effects of interest, the model is refitted to each, and the
    share of tests with a p-value below ``alpha`` counted. With the effect at its null value this is the size.

    Parameters
    ----------
    model
        A result of :func:`lmer`, or a plan made by :func:`planned`.
    effect
        True values of coefficients, by name; the others are the model's. A single number is that of the only
        coefficient tested.
    n
        Numbers of groups, one or several for a curve; the model's own by default. Groups of the design are
        repeated, or evenly spaced ones taken, with their rows and predictors.
    test
        What is tested, as for ``fit.test``: ``"Days = 0"``, several joined by commas. By default, that all
        coefficients in ``effect`` are zero.
    alpha
        Level of the test.
    groups
        The factor whose number of levels is ``n``; by default the one that all others are nested in.
    method, ddf
        ``"wald"``: t or F test with the degrees of freedom of ``ddf``. ``"lrt"``: likelihood ratio by ML.
    n_sims
        Simulations per size.
    level, seed, progress
        Of the Monte Carlo interval; a whole number for reproducible draws; a bar after two seconds.

    Returns
    -------
    frame
        ``n nobs power conf_low conf_high n_sims n_failed``, a row per size. The interval is that of Clopper &
        Pearson (1934) for the simulation, not for the parameters assumed.

    Examples
    --------
    >>> import mixwell as mw
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> table = mw.power(fit, effect={"Days": 5}, n=[9, 18], n_sims=100, seed=1)
    >>> table.columns.tolist()
    ['n', 'nobs', 'power', 'conf_low', 'conf_high', 'n_sims', 'n_failed']
    """
    if not isinstance(getattr(model, "design", None), Design):
        raise DataError(
            f"power() takes a result of lmer() or a plan made by planned(), not a {type(model).__name__}."
        )
    design, fit = model.design, model.fit
    check_one_of("method", method, METHODS)
    check_level(alpha, "alpha", 0.05)
    check_level(level)
    check_count("n_sims, simulations per size,", n_sims)
    if method == "wald":
        check_ddf(fit, ddf)
    fit, hypothesis = _assumed(design, fit, effect, test)
    factor = outermost(design, groups)
    own = Groups(design, factor)
    sizes = _sizes(n, own.size)
    seeds = generator(seed).integers(0, 2**63, size=len(sizes))
    rows = []
    for size, own_seed in zip(sizes, seeds, strict=True):
        with memory_errors(f"a design of {size} groups"):
            part = own.design(own.spread(int(size)))
        rng = np.random.default_rng(int(own_seed))
        p_values = in_portions(
            n_sims,
            _tester(part, fit, hypothesis, method, ddf, rng, model.control),
            f"Power with {size} groups",
            progress=progress,
        )
        good = p_values[np.isfinite(p_values)]
        if not len(good):
            raise MixwellError(f"every refit with {size} groups failed; is the design large enough?")
        if len(good) < len(p_values):
            warnings.warn(
                f"{len(p_values) - len(good)} of {len(p_values)} refits with {size} groups failed and are "
                "left out.",
                MixwellWarning,
                stacklevel=2,
            )
        hits = int(np.sum(good < alpha))
        rows.append((int(size), part.n_obs, hits, len(good), len(p_values) - len(good)))
        if len(p_values) < n_sims:
            # interrupted: sizes that come after are not begun
            break
    ends = [proportion_interval(hits, count, level) for _, _, hits, count, _ in rows]
    return frame(
        origin_of(design),
        {
            "n": [row[0] for row in rows],
            "nobs": [row[1] for row in rows],
            "power": [row[2] / row[3] for row in rows],
            "conf_low": [low for low, _ in ends],
            "conf_high": [high for _, high in ends],
            "n_sims": [row[3] for row in rows],
            "n_failed": [row[4] for row in rows],
        },
    )


def _sizes(n: int | Sequence[int] | None, own: int) -> list[int]:
    """Numbers of groups, the design's own by default."""
    several = isinstance(n, Sequence | np.ndarray) and not isinstance(n, str)
    listed: list[int] = [own] if n is None else list(n) if several else [n]  # type: ignore[arg-type, list-item]
    wrong = [size for size in listed if not is_count(size, 2)]
    if wrong or not listed:
        found = repr(wrong[0]) if wrong else "none"
        raise DataError(
            f"n, a number of groups, must be a whole number of at least 2, or several; not {found}."
        )
    return [int(size) for size in listed]


def check_ddf(fit: Fit, ddf: str) -> None:
    """Refuse a method that does not exist or does not apply, before anything is drawn."""
    check_one_of("ddf", ddf, DDF_METHODS)
    if ddf == "kenward-roger" and not fit.reml:
        raise ModelError("Kenward-Roger needs a REML fit or a plan with reml=True; or take another ddf.")


def _assumed(
    design: Design, fit: Fit, effect: float | Mapping[str, float] | None, test: object
) -> tuple[Fit, Hypothesis]:
    """The fit with the assumed effects, and the hypothesis."""
    names = quantities.kept_names(design, fit)
    if test is None and not isinstance(effect, Mapping):
        raise DataError(
            "power() needs to know what is tested: name the coefficients, effect={'x': 0.5}, or give "
            "test='x = 0'."
        )
    given = list(effect) if test is None and isinstance(effect, Mapping) else test
    if isinstance(effect, Mapping):
        for name in effect:
            if name not in names:
                raise DataError(f"effect: {name!r} is not a coefficient{near(str(name), names)}")
    for value in effect.values() if isinstance(effect, Mapping) else [] if effect is None else [effect]:
        if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
            raise DataError(f"effect: {value!r} is not a number that a coefficient can be.")
    hypothesis = read_hypothesis(design, fit, given)  # type: ignore[arg-type]
    values: Mapping[str, float] = {}
    if isinstance(effect, Mapping):
        values = effect
    elif effect is not None:
        at = np.flatnonzero(np.abs(hypothesis.rows).sum(axis=0))
        if len(at) != 1:
            tested = ", ".join(repr(names[j]) for j in at)
            raise DataError(f"effect={effect!r}: the test is about {tested}; give a value for each by name.")
        values = {names[int(at[0])]: effect}
    beta = fit.beta.copy()
    for name, value in values.items():
        beta[names.index(name)] = float(value)
    return replace(fit, beta=beta), hypothesis


def _tester(
    design: Design,
    fit: Fit,
    hypothesis: Hypothesis,
    method: Method,
    ddf: Ddf,
    rng: np.random.Generator,
    control: Control | None,
) -> Callable[[int, int], FloatArray]:
    """A function that draws responses and gives the p-values of their refits; NaN where one failed."""
    missing = [
        name
        for name, kept in zip(quantities.kept_names(design, fit), _determined(design, fit), strict=True)
        if not kept
    ]
    if missing:
        raise DataError(
            f"with {design.n_obs} rows the groups do not determine {', '.join(map(repr, missing))}; take "
            "more groups, or a design whose groups have all values of the predictors."
        )
    if method == "lrt":
        null = _restricted(design, fit, hypothesis)
        larger = Refitting(design, fit.theta, reml=False, control=control)
        smaller = Refitting(null, fit.theta, reml=False, control=control)

        def by_ratio(start: int, stop: int) -> FloatArray:
            drawn = simulate(design, fit, stop - start, rng)
            ratios = smaller(drawn).criterion - larger(drawn).criterion
            p_values: FloatArray = np.where(
                np.isnan(ratios), np.nan, chi_square_tail(ratios, len(hypothesis.rows))
            )
            return p_values

        return by_ratio

    def p_value(y: FloatArray) -> float:
        try:
            part = replace(design, y=y)
            found = solve(part, reml=fit.reml, start=fit.theta, control=control)
        except MixwellError:
            return math.nan
        approximate = approximation(part, found, ddf)
        return joint_test(approximate, found.beta, hypothesis.rows, hypothesis.null).p_value

    def by_test(start: int, stop: int) -> FloatArray:
        return np.array([p_value(y) for y in simulate(design, fit, stop - start, rng).T])

    return by_test


def _determined(design: Design, fit: Fit) -> NDArray[np.bool_]:
    """Per coefficient, whether its column is no combination of those before it, up to rounding."""
    x = design.x[:, fit.kept]
    r = np.abs(np.diagonal(np.linalg.qr(x / np.maximum(np.linalg.norm(x, axis=0), 1e-300), mode="r")))
    out = np.zeros(x.shape[1], dtype=bool)
    out[: len(r)] = r > 1e-9
    return out


def _restricted(design: Design, fit: Fit, hypothesis: Hypothesis) -> Design:
    """The design with L beta = null held: X N for the null space N of L, one solution in the offset."""
    x = design.x[:, fit.kept]
    # Columns and rows of length one: their units differ.
    length = np.linalg.norm(x, axis=0)
    x, rows = x / length, hypothesis.rows / length
    size = np.linalg.norm(rows, axis=1)
    rows = rows / size[:, np.newaxis]
    particular = np.linalg.lstsq(rows, hypothesis.null / size, rcond=None)[0]
    _, _, v = np.linalg.svd(rows, full_matrices=True)
    offset = x @ particular
    if design.offset is not None:
        offset = offset + design.offset
    return replace(design, x=np.asfortranarray(x @ v[len(rows) :].T), offset=offset)


def proportion_interval(hits: int, n: int, level: float) -> tuple[float, float]:
    """Interval of a proportion (Clopper & Pearson 1934).

    >>> low, high = proportion_interval(8, 10, 0.95)
    >>> round(low, 4), round(high, 4)
    (0.4439, 0.9748)
    """
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else float(betaincinv(hits, n - hits + 1, tail))
    high = 1.0 if hits == n else float(betaincinv(hits + 1, n - hits, 1 - tail))
    return low, high
