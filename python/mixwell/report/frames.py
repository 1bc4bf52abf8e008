"""The quantities of a fit as labelled frames of the caller's kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from mixwell.arguments import check_level
from mixwell.data.output import NativeFrame, Origin, frame, noted_frame, square_frame
from mixwell.design.record import Design
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.inference.anova import TermTest
from mixwell.inference.contrast import JointTest, RowTests

FloatArray = NDArray[np.float64]

EFFECTS = ("fixed", "ran_pars", "ran_vals")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LevelCovariances(Mapping[str, NativeFrame]):
    """Conditional covariance of the random effects of one factor, level by level.

    ``cov["308"]`` is the k x k frame of the level with that label, ``cov[0]`` that of the first level.

    Attributes
    ----------
    levels
        The q labels.
    names
        The k random effects.
    array
        Shape (q, k, k), all at once; also ``numpy.asarray(cov)``.
    """

    levels: tuple[str, ...]
    names: tuple[str, ...]
    array: FloatArray
    origin: Origin

    def __getitem__(self, level: str | int) -> NativeFrame:
        at = self.levels.index(level) if isinstance(level, str) and level in self.levels else level
        if isinstance(at, str):
            raise KeyError(level)
        return square_frame(self.origin, self.array[at], self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.levels)

    def __len__(self) -> int:
        return len(self.levels)

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> FloatArray:
        # A copy unless the caller forbids it: the fit must not change through what it hands out.
        return np.array(self.array, dtype=dtype, copy=copy is not False)

    def __repr__(self) -> str:
        q, k = len(self.levels), len(self.names)
        return f"<LevelCovariances: {q} levels, {k} x {k} ({', '.join(self.names)})>"


def wald_interval(estimate: FloatArray, std_error: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Estimate -+ normal quantile x standard error."""
    check_level(level)
    half = ndtri(0.5 + level / 2) * std_error
    return estimate - half, estimate + half


def random_effects(design: Design, fit: Fit, at: Origin) -> dict[str, NativeFrame]:
    """Conditional modes, levels x effects."""
    out = {}
    for i, factor in enumerate(design.factors):
        names = quantities.effect_names(design, i)
        columns = {name: fit.modes[i][:, j] for j, name in enumerate(names)}
        out[factor.name] = frame(at, columns, labels=(factor.name, factor.levels))
    return out


def random_effects_cov(design: Design, fit: Fit, at: Origin) -> dict[str, LevelCovariances]:
    """Conditional covariances, level by level."""
    return {
        factor.name: LevelCovariances(
            tuple(factor.levels), quantities.effect_names(design, i), fit.mode_cov[i], at
        )
        for i, factor in enumerate(design.factors)
    }


def cov_re(design: Design, fit: Fit, at: Origin) -> dict[str, NativeFrame]:
    """Covariance matrix of the random effects of each factor."""
    return {
        factor.name: square_frame(
            at, quantities.factor_cov(design, fit, i), quantities.effect_names(design, i)
        )
        for i, factor in enumerate(design.factors)
    }


def coefficients(design: Design, fit: Fit, at: Origin) -> dict[str, NativeFrame]:
    """Fixed effect + conditional mode, levels x effects."""
    out = {}
    for i, factor in enumerate(design.factors):
        names, values = quantities.group_coefficients(design, fit, i)
        columns = {name: values[:, j] for j, name in enumerate(names)}
        out[factor.name] = frame(at, columns, labels=(factor.name, factor.levels))
    return out


def variance_components(design: Design, fit: Fit, at: Origin) -> NativeFrame:
    """Columns ``group term1 term2 vcov sdcor``."""
    rows = quantities.variance_components(design, fit)
    return frame(
        at,
        {
            "group": [row.group for row in rows],
            "term1": [row.term1 for row in rows],
            "term2": [row.term2 for row in rows],
            "vcov": np.array([row.vcov for row in rows]),
            "sdcor": np.array([np.nan if row.sdcor is None else row.sdcor for row in rows]),
        },
    )


def method_note(title: str) -> str:
    """What a table of tests says below: the method of its degrees of freedom."""
    return f"Degrees of freedom: {title}."


def tidy_tests(
    label: str, names: Sequence[str], tests: RowTests, at: Origin, *, level: float | None, title: str
) -> NativeFrame:
    """Columns ``<label> estimate std_error df statistic p_value``, with ``level`` ``conf_low conf_high``.

    ``title`` names the method of the degrees of freedom.
    """
    columns: dict[str, FloatArray | list[str]] = {
        label: list(names),
        "estimate": tests.estimate,
        "std_error": tests.std_error,
        "df": tests.df,
        "statistic": tests.statistic,
        "p_value": tests.p_value,
    }
    if level is not None:
        columns["conf_low"], columns["conf_high"] = tests.interval(level)
    return noted_frame(at, columns, method_note(title))


def tidy_joint(label: str, test: JointTest, at: Origin, title: str) -> NativeFrame:
    """One row: ``hypothesis num_df den_df f_value p_value``."""
    return noted_frame(
        at,
        {
            "hypothesis": [label],
            "num_df": [test.num_df],
            "den_df": [test.den_df],
            "f_value": [test.f_value],
            "p_value": [test.p_value],
        },
        method_note(title),
    )


def anova_table(tests: Sequence[TermTest], at: Origin, kind: str, title: str) -> NativeFrame:
    """Columns ``term sum_sq mean_sq num_df den_df f_value p_value``, of type ``kind``."""
    return noted_frame(
        at,
        {
            "term": [line.term for line in tests],
            "sum_sq": np.array([line.sum_sq for line in tests]),
            "mean_sq": np.array([line.mean_sq for line in tests]),
            "num_df": np.array([line.test.num_df for line in tests], dtype=np.int64),
            "den_df": np.array([line.test.den_df for line in tests]),
            "f_value": np.array([line.test.f_value for line in tests]),
            "p_value": np.array([line.test.p_value for line in tests]),
        },
        f"Type {kind}. {method_note(title)}",
    )


def parameter_term(row: quantities.VarianceComponent) -> str:
    """``sd__Days``, ``cor__(Intercept).Days``, ``sd__Observation``, as in R's broom.mixed."""
    if row.term1 is None:
        return "sd__Observation"
    return f"sd__{row.term1}" if row.term2 is None else f"cor__{row.term1}.{row.term2}"


def tidy_parameters(design: Design, fit: Fit, at: Origin) -> NativeFrame:
    """Columns ``group term estimate``: standard deviations and correlations."""
    rows = quantities.variance_components(design, fit)
    return frame(
        at,
        {
            "group": [row.group for row in rows],
            "term": [parameter_term(row) for row in rows],
            "estimate": np.array([np.nan if row.sdcor is None else row.sdcor for row in rows]),
        },
    )


def tidy_modes(design: Design, fit: Fit, at: Origin, *, level: float | None) -> NativeFrame:
    """Columns ``group level term estimate std_error`` and, with ``level``, ``conf_low conf_high``."""
    group: list[str] = []
    levels: list[str] = []
    term: list[str] = []
    estimates: list[FloatArray] = [np.zeros(0)]
    std_errors: list[FloatArray] = [np.zeros(0)]
    for i, factor in enumerate(design.factors):
        for j, name in enumerate(quantities.effect_names(design, i)):
            q = factor.n_levels
            group += [factor.name] * q
            levels += factor.levels.tolist()
            term += [name] * q
            estimates.append(fit.modes[i][:, j])
            # A conditional variance of zero may come out as -1e-20.
            std_errors.append(np.sqrt(np.maximum(fit.mode_cov[i][:, j, j], 0.0)))
    estimate, std_error = np.concatenate(estimates), np.concatenate(std_errors)
    columns: dict[str, FloatArray | list[str]] = {
        "group": group,
        "level": levels,
        "term": term,
        "estimate": estimate,
        "std_error": std_error,
    }
    if level is not None:
        columns["conf_low"], columns["conf_high"] = wald_interval(estimate, std_error, level)
    return frame(at, columns)


def glance(design: Design, fit: Fit, at: Origin, *, converged: bool, is_singular: bool) -> NativeFrame:
    """One row about the whole model."""
    return frame(
        at,
        {
            "nobs": [design.n_obs],
            "n_parameters": [quantities.n_parameters(fit)],
            "sigma": [fit.sigma],
            "reml": [fit.reml],
            "llf": [quantities.llf(fit)],
            "criterion": [fit.criterion],
            "aic": [quantities.aic(fit)],
            "bic": [quantities.bic(design, fit)],
            "aicc": [quantities.aicc(design, fit)],
            "converged": [converged],
            "is_singular": [is_singular],
        },
    )
