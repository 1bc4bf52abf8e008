"""The facade: :func:`lmer` and the result it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from numpy.typing import ArrayLike

from mixwell.arguments import checked, numbers_given
from mixwell.data.labelled import by_names
from mixwell.design.build import build_design
from mixwell.fit import quantities
from mixwell.fit.control import Control
from mixwell.fit.identified import hold
from mixwell.fit.solve import solve
from mixwell.memory import memory_errors
from mixwell.result.checking import Checking
from mixwell.result.estimates import Estimates
from mixwell.result.means import MarginalMeans
from mixwell.result.rows import Predictions
from mixwell.result.telling import Telling
from mixwell.result.variance import Variances
from mixwell.result.warn import warn_about


@dataclass(frozen=True, eq=False, repr=False)
class LmerResult(Estimates, MarginalMeans, Variances, Predictions, Checking, Telling):
    """A fitted linear mixed model.

    Made by :func:`lmer`, never changed afterwards; it pickles and copies. Vectors with names are pandas
    Series; frames and row-wise results come in the kind of the data: polars for polars, else pandas. Row-wise
    results hold the rows that were used, with the row index of the data.

    Attributes
    ----------
    design
        Response, columns, factors: what was fitted to.
    fit
        Estimates and certificate, as arrays.
    control
        Settings of the optimizer.

    Examples
    --------
    >>> import mixwell as mw
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> fit.params.round(3).to_dict()
    {'(Intercept)': 251.405, 'Days': 10.467}
    >>> round(fit.criterion, 4), fit.ngroups
    (1743.6283, {'Subject': 18})
    """


@checked
def lmer(
    formula: str,
    data: object,
    reml: bool = True,
    weights: str | ArrayLike | None = None,
    offset: str | ArrayLike | None = None,
    contrasts: Mapping[str, object] | None = None,
    na_action: Literal["drop", "raise"] = "drop",
    start: ArrayLike | None = None,
    control: Control | None = None,
) -> LmerResult:
    """Fit a linear mixed model.

    Parameters
    ----------
    formula
        In lme4's language: ``"y ~ x + (x | g)"``.
    data
        A pandas, polars or pyarrow frame, anything narwhals reads, or a dict of arrays.
    reml
        Restricted (True) or plain maximum likelihood.
    weights
        Prior weights: a column name or an array; the residual variance of row i is sigma^2 / weight_i. A
        pandas series is matched to the rows by its labels, and refused when these are others.
    offset
        A known part of the mean: a column name or an array, as for ``weights``.
    contrasts
        Coding of categorical predictors, ``{"Type": "sum"}``: ``"treatment"``, ``"sum"``, ``"helmert"``,
        ``"poly"``, ``"SAS"``, ``("treatment", base)`` or a matrix (levels x columns). Rows of a labelled data
        frame are matched to the levels. The coding holds in both parts: ``(Type | g)`` has the columns that
        ``Type`` has in the fixed part.
    na_action
        ``"drop"`` leaves out rows with missing values (the summary counts them), ``"raise"`` refuses them.
    start
        Starting value of theta, an array or a series such as ``fit.theta``; None chooses one.
    control
        Settings of the optimizer, and what to do with variances that the data do not identify.

    Returns
    -------
    LmerResult

    Raises
    ------
    FormulaError, DataError, ModelError, ConvergenceError
        If the formula cannot be read, the data cannot be used, the model is not identified, or the criterion
        cannot be evaluated.

    Warns
    -----
    SingularFitWarning, RankDeficiencyWarning, ConvergenceWarning, UnidentifiedWarning
        If a covariance matrix is singular, columns are aliased, the certificate of the optimum fails, or the
        data hardly identify a variance.

    Examples
    --------
    >>> import mixwell as mw
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> fit.tidy().round(3)
              term  estimate  std_error    df  statistic  p_value
    0  (Intercept)   251.405      6.825  17.0     36.838      0.0
    1         Days    10.467      1.546  17.0      6.771      0.0
    """
    with memory_errors("the columns of the design"):
        design = build_design(
            formula, data, weights=weights, offset=offset, contrasts=contrasts, na_action=na_action
        )
    held = None
    if isinstance(control, Control) and control.unidentified == "hold":
        design, held = hold(design)
    named = by_names(start, quantities.theta_names(design), "start")
    values = None if start is None else numbers_given(named, "start")
    fit = solve(design, reml=reml, start=values, control=control, held=held)
    warn_about(design, fit)
    return LmerResult(design, fit, control)
