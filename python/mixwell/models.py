"""The facade: :func:`lmer` and the result it returns. Everything here delegates."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mixwell.data.columns import Column, Factor
from mixwell.data.instants import Instants
from mixwell.data.output import (
    NativeFrame,
    NativeVector,
    Origin,
    output_kind,
    row_frame,
    row_vector,
    square_frame,
)
from mixwell.design.build import build_design
from mixwell.design.record import Design, Rows
from mixwell.errors import (
    ConvergenceWarning,
    DataError,
    MixwellError,
    RankDeficiencyWarning,
    SingularFitWarning,
)
from mixwell.fit import quantities
from mixwell.fit.control import Control
from mixwell.fit.record import Fit
from mixwell.fit.solve import solve
from mixwell.inference.anova import anova as anova_of
from mixwell.inference.contrast import RowTests, row_tests
from mixwell.inference.degrees_of_freedom import Ddf, approximation
from mixwell.inference.hypothesis import all_test, each_test, read_hypothesis
from mixwell.inference.parameters import check_names, interval_frame
from mixwell.lazy import lazy_module
from mixwell.predict import predict_interval, predict_new, predict_rows
from mixwell.report import convergence, frames
from mixwell.report.content import dropped_sentence
from mixwell.report.convergence import Convergence
from mixwell.report.summary import Summary, summarize
from mixwell.simulate import Seed, simulate

if TYPE_CHECKING:
    from docx.document import Document as WordDocument

    from mixwell.diagnostics import access, checks, comparison
    from mixwell.diagnostics import influence as deletion
    from mixwell.diagnostics import residuals as residual_kinds
    from mixwell.diagnostics import robust as sandwich
    from mixwell.diagnostics.residuals import ResidualKind
    from mixwell.diagnostics.robust import RobustKind
    from mixwell.inference import bootstrap as resampling
    from mixwell.inference import emmeans as marginal_means
    from mixwell.inference import icc_r2, lrt, vif
    from mixwell.inference import profile as profiling
    from mixwell.plots import accessor as pictures
    from mixwell.report import document, tables
    from mixwell.report import group_update as updates
    from mixwell.report.words import Lang
else:
    pictures = lazy_module("mixwell.plots.accessor")
    updates = lazy_module("mixwell.report.group_update")
    document = lazy_module("mixwell.report.document")
    tables = lazy_module("mixwell.report.tables")
    access = lazy_module("mixwell.diagnostics.access")
    checks = lazy_module("mixwell.diagnostics.checks")
    comparison = lazy_module("mixwell.diagnostics.comparison")
    deletion = lazy_module("mixwell.diagnostics.influence")
    residual_kinds = lazy_module("mixwell.diagnostics.residuals")
    sandwich = lazy_module("mixwell.diagnostics.robust")
    icc_r2 = lazy_module("mixwell.inference.icc_r2")
    vif = lazy_module("mixwell.inference.vif")
    lrt = lazy_module("mixwell.inference.lrt")
    marginal_means = lazy_module("mixwell.inference.emmeans")
    profiling = lazy_module("mixwell.inference.profile")
    resampling = lazy_module("mixwell.inference.bootstrap")

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class LmerResult:
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

    design: Design
    fit: Fit
    control: Control | None = None

    # ---- fixed effects

    @property
    def formula(self) -> str:
        """The formula as typed."""
        return self.design.formula

    @property
    def reml(self) -> bool:
        """True if fitted by REML, False if by maximum likelihood."""
        return self.fit.reml

    def _labelled(self, values: FloatArray, name: str) -> pd.Series[float]:
        index = list(quantities.kept_names(self.design, self.fit))
        return pd.Series(values.copy(), index=index, name=name)

    @property
    def params(self) -> pd.Series[float]:
        """Fixed effects; aliased columns are left out."""
        return self._labelled(self.fit.beta, "estimate")

    @property
    def bse(self) -> pd.Series[float]:
        """Standard errors of the fixed effects."""
        return self._labelled(quantities.bse(self.fit), "std_error")

    @property
    def tvalues(self) -> pd.Series[float]:
        """Estimates over standard errors."""
        return self._labelled(self.fit.beta / quantities.bse(self.fit), "statistic")

    def cov_params(self) -> NativeFrame:
        """Covariance matrix of the fixed effects, p x p."""
        return square_frame(self._origin, self.fit.vcov, quantities.kept_names(self.design, self.fit))

    def vcov_robust(self, kind: RobustKind = "CR2", cluster: str | ArrayLike | None = None) -> NativeFrame:
        """Cluster-robust covariance matrix of the fixed effects, p x p.

        It stays valid where the random effects or the residual variance are wrong, as long as clusters are
        independent. ``conf_int(robust=)`` and ``summary(robust=)`` use it, with Satterthwaite's degrees of
        freedom (Bell & McCaffrey 2002; Pustejovsky & Tipton 2018).

        Parameters
        ----------
        kind
            ``"CR0"``: without correction (Liang & Zeger 1986). ``"CR1"``: times m / (m - 1) for m clusters.
            ``"CR2"``: unbiased if the model is true; the one for few clusters.
        cluster
            A factor of the model or labels of the rows used, in which every random effect is nested; by
            default the outermost grouping factor.

        Raises
        ------
        ModelError
            If clusters share random effects, as they do with crossed factors.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("Reaction ~ Days + (1 | Subject)", mw.datasets.load_sleepstudy())
        >>> fit.vcov_robust().round(3)
                     (Intercept)   Days
        (Intercept)       46.575 -1.451
        Days              -1.451  2.389
        """
        found = sandwich.robust_covariance(self.design, self.fit, kind, cluster)
        return square_frame(self._origin, found.vcov, quantities.kept_names(self.design, self.fit))

    def _coefficient_tests(self, ddf: str) -> RowTests:
        return row_tests(approximation(self.design, self.fit, ddf), self.fit.beta, np.eye(len(self.fit.beta)))

    @property
    def df_denom(self) -> pd.Series[float]:
        """Satterthwaite's degrees of freedom of each fixed effect; ``tidy(ddf=)`` has other methods."""
        return self._labelled(self._coefficient_tests("satterthwaite").df, "df")

    @property
    def pvalues(self) -> pd.Series[float]:
        """Two-sided p-values of the t tests with :attr:`df_denom` degrees of freedom."""
        return self._labelled(self._coefficient_tests("satterthwaite").p_value, "p_value")

    def conf_int(
        self,
        level: float = 0.95,
        method: Literal["wald", "profile", "bootstrap"] = "wald",
        ddf: Ddf = "satterthwaite",
        parameters: str | Sequence[str] | None = None,
        n: int = 1000,
        type: Literal["percentile", "basic", "bca"] = "percentile",
        seed: Seed = None,
        robust: RobustKind | None = None,
        cluster: str | ArrayLike | None = None,
    ) -> NativeFrame:
        """Confidence intervals.

        Parameters
        ----------
        level
            Their confidence level.
        method
            ``"wald"``: of the fixed effects, estimate -+ t quantile x standard error, with the degrees of
            freedom (and, for Kenward-Roger, the standard errors) of the method ``ddf``, see :meth:`test`.
            ``"profile"``: of all parameters, where the profile likelihood (ML, as lme4) crosses the quantile
            of chi-square; an end at a boundary, 0 or -1 and 1, is not excluded by the data. ``"bootstrap"``:
            of all parameters, see :meth:`bootstrap`.
        ddf
            For ``"wald"``.
        parameters
            Names of the parameters wanted, for ``"profile"`` and ``"bootstrap"``: ``"sd_Days|Subject"``,
            ``"cor_Days.(Intercept)|Subject"``, ``"sigma"``, or a fixed effect; None for all.
        n, type, seed
            Draws, type of interval and seed, for ``"bootstrap"``.
        robust, cluster
            For ``"wald"``: cluster-robust standard errors and their degrees of freedom in place of ``ddf``,
            see :meth:`vcov_robust`.

        Returns
        -------
        frame
            One row per parameter, columns ``conf_low conf_high``.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
        >>> fit.conf_int().loc["Days"].round(3).tolist()
        [7.206, 13.729]
        >>> fit.conf_int(method="profile").round(2)
                                      conf_low  conf_high
        sd_(Intercept)|Subject           14.38      37.72
        cor_Days.(Intercept)|Subject     -0.48       0.69
        sd_Days|Subject                   3.80       8.75
        sigma                            22.90      28.86
        (Intercept)                     237.68     265.13
        Days                              7.36      13.58
        """
        if robust is not None and method != "wald":
            raise MixwellError(f"conf_int(robust={robust!r}) needs method='wald', not {method!r}.")
        if method == "wald":
            tests = self._coefficient_tests(ddf)
            if robust is not None:
                found = sandwich.robust_covariance(self.design, self.fit, robust, cluster)
                tests = row_tests(found, self.fit.beta, np.eye(len(self.fit.beta)))
            low, high = tests.interval(level)
            names = list(quantities.kept_names(self.design, self.fit))
            return interval_frame(self._origin, names, list(zip(low, high, strict=True)))
        if method == "profile":
            rows = profiling.intervals(
                self.design, self.fit, level=level, parameters=parameters, control=self.control
            )
            return interval_frame(self._origin, [row[0] for row in rows], [row[1:] for row in rows])
        if method != "bootstrap":
            raise MixwellError(
                f"conf_int(method={method!r}) does not exist; there are 'wald', 'profile', 'bootstrap'."
            )
        boot = self.bootstrap(n, seed=seed, ci=type)
        wanted = check_names(parameters, boot.names)
        ends = [end for name, end in zip(boot.names, boot.interval(level), strict=True) if name in wanted]
        return interval_frame(self._origin, [name for name in boot.names if name in wanted], ends)

    def profile(
        self, level: float = 0.99, parameters: str | Sequence[str] | None = None
    ) -> profiling.Profile:
        """Profile likelihood of every parameter, or of those named.

        The likelihood is that of ML, also for a REML fit, as in lme4. ``profile["sigma"]`` is one curve, with
        ``values`` and ``zeta``; ``profile.frame`` holds all points, ``profile.conf_int(level)`` intervals.

        Parameters
        ----------
        level
            The curves reach the ends of intervals of this level.
        parameters
            As in :meth:`conf_int`.
        """
        return profiling.profile(
            self.design, self.fit, self._origin, level=level, parameters=parameters, control=self.control
        )

    def bootstrap(
        self,
        n: int = 1000,
        statistic: Callable[[LmerResult], object] | None = None,
        kind: Literal["parametric", "residual", "cases"] = "parametric",
        groups: str | None = None,
        seed: Seed = None,
        ci: Literal["percentile", "basic", "bca"] = "percentile",
        progress: bool = True,
    ) -> resampling.Bootstrap:
        """Refit the model to many drawn data sets.

        Parameters
        ----------
        n
            Number of draws.
        statistic
            A function of a result that returns a number, an array, a dict or a Series; None collects all
            parameters (standard deviations, correlations, sigma, fixed effects), which is fastest.
        kind
            ``"parametric"``: new random effects and errors from the estimated distributions. ``"residual"``:
            conditional modes and residuals, brought to the estimated variances, drawn with replacement.
            ``"cases"``: whole groups drawn with replacement.
        groups
            The factor whose levels are drawn (``"cases"``) or left out one at a time (``ci="bca"``); by
            default the one that all others are nested in.
        seed
            A whole number for reproducible draws, whatever the number of threads.
        ci
            Type of the intervals; ``"bca"`` adds a refit per group.
        progress
            Show a bar when it takes longer than two seconds. Ctrl-C keeps what is done so far.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff())
        >>> fit.bootstrap(100, statistic=lambda f: f.icc().adjusted, seed=1)
        <Bootstrap: 100 parametric draws of 1 elements>
        """
        wrapped = None if statistic is None else lambda d, f: statistic(LmerResult(d, f, self.control))
        return resampling.bootstrap(
            self.design,
            self.fit,
            self._origin,
            n=n,
            statistic=wrapped,
            kind=kind,
            groups=groups,
            seed=seed,
            ci=ci,
            progress=progress,
            control=self.control,
        )

    def test(
        self,
        hypothesis: str | Sequence[str] | ArrayLike,
        joint: bool = False,
        ddf: Ddf = "satterthwaite",
        level: float = 0.95,
    ) -> NativeFrame:
        """Test linear hypotheses about the fixed effects, one by one or jointly.

        Parameters
        ----------
        hypothesis
            Equations in the names of ``params`` (or R's), separated by commas or in a list:
            ``"a - b = 2, c = 0"``; or a matrix with a row per hypothesis and a column per fixed effect.
        joint
            One F test of all of them instead of a t test each. A hypothesis has one F test, whichever
            contrasts express it.
        ddf
            Degrees of freedom: ``"satterthwaite"`` (as lmerTest), ``"kenward-roger"`` (as pbkrtest, with
            adjusted standard errors; REML only), ``"containment"``, ``"between-within"`` (as SAS),
            ``"residual"``, or ``"normal"``: none.
        level
            Of the confidence intervals.

        Returns
        -------
        frame
            ``hypothesis estimate std_error df statistic p_value conf_low conf_high``; joint:
            ``hypothesis num_df den_df f_value p_value``.

        Raises
        ------
        FormulaError, ModelError
            If an equation cannot be read or names no coefficient, if a joint hypothesis has dependent rows,
            or if Kenward-Roger is asked of a fit by maximum likelihood.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
        >>> fit.test("Days = 8").round(3).T
                           0
        hypothesis  Days = 8
        estimate      10.467
        std_error      1.546
        df              17.0
        statistic      1.596
        p_value        0.129
        conf_low       7.206
        conf_high     13.729
        """
        read = read_hypothesis(self.design, self.fit, hypothesis)
        if joint:
            return frames.tidy_joint(
                ", ".join(read.labels), all_test(self.design, self.fit, read, ddf), self._origin
            )
        tests = each_test(self.design, self.fit, read, ddf)
        return frames.tidy_tests("hypothesis", read.labels, tests, self._origin, level=level)

    def anova(self, type: Literal["I", "II", "III"] = "III", ddf: Ddf = "satterthwaite") -> NativeFrame:
        """Analysis of variance of the fixed part: an F test per term, not per column.

        Parameters
        ----------
        type
            ``"I"``: each term after those before it. ``"II"``: after all that do not contain it. ``"III"``:
            means of cells compared with equal weights. No type depends on the coding of factors.
        ddf
            Denominator degrees of freedom, see :meth:`test`.

        Returns
        -------
        frame
            ``term sum_sq mean_sq num_df den_df f_value p_value``.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("angle ~ recipe * temperature + (1 | recipe:replicate)", mw.datasets.load_cake())
        >>> fit.anova()[["term", "num_df", "f_value", "p_value"]].round(4)
                         term  num_df  f_value  p_value
        0              recipe       2   0.2488   0.7809
        1         temperature       5  20.5199   0.0000
        2  recipe:temperature      10   1.0062   0.4393
        """
        return frames.anova_table(anova_of(self.design, self.fit, type, ddf), self._origin)

    def emmeans(
        self,
        specs: str | Sequence[str],
        by: str | Sequence[str] | None = None,
        at: Mapping[str, object] | None = None,
        weights: Literal["equal", "proportional", "outer", "cells", "flat"] = "equal",
        ddf: Ddf = "satterthwaite",
        level: float = 0.95,
        type: Literal["link", "response"] = "link",
    ) -> marginal_means.EmMeans:
        """Estimated marginal means, as R's emmeans.

        Means over the reference grid: covariates at their means, all combinations of factor levels; factors
        not asked for are averaged over.

        Parameters
        ----------
        specs
            The variables whose means are wanted: a name, a list, or text like ``"a * b"`` or ``"a | b"``.
        by
            Variables within whose levels means are compared (simple effects).
        at
            Other values for the grid: ``{"age": [10, 14], "sex": "Male"}``.
        weights
            How factors are averaged over: all levels alike, or ``"proportional"`` to the frequencies of their
            combinations, ``"outer"`` (products of frequencies), ``"cells"``, ``"flat"``.
        ddf
            Degrees of freedom, see :meth:`test`.
        level
            Of the intervals.
        type
            ``"response"`` undoes a log, log2, log10, log1p or square-root transformation of the response:
            estimates and intervals are carried back, contrasts of logs become ratios.

        Returns
        -------
        EmMeans
            ``.frame`` is the table, ``.contrast()`` compares.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("score ~ Machine + (1 | Worker)", mw.datasets.load_machines())
        >>> means = fit.emmeans("Machine")
        >>> means.frame.round(2)
          Machine  estimate  std_error    df  conf_low  conf_high
        0       A     52.36       2.23  5.83     46.86      57.85
        1       B     60.32       2.23  5.83     54.83      65.82
        2       C     66.27       2.23  5.83     60.78      71.77
        >>> means.contrast("pairwise").frame[["contrast", "estimate", "p_value"]].round(4)
          contrast  estimate  p_value
        0    A - B   -7.9667      0.0
        1    A - C  -13.9167      0.0
        2    B - C   -5.9500      0.0
        """
        return marginal_means.emmeans(
            self.design,
            self.fit,
            self._origin,
            specs,
            by=by,
            at=at,
            weights=weights,
            ddf=ddf,
            level=level,
            type_=type,
        )

    def emtrends(
        self,
        var: str,
        specs: str | Sequence[str],
        by: str | Sequence[str] | None = None,
        at: Mapping[str, object] | None = None,
        weights: Literal["equal", "proportional", "outer", "cells", "flat"] = "equal",
        ddf: Ddf = "satterthwaite",
        level: float = 0.95,
    ) -> marginal_means.EmMeans:
        """Slopes of the mean along a numeric variable, for each level of factors; else as :meth:`emmeans`.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("distance ~ age * Sex + (age | Subject)", mw.datasets.load_orthodont())
        >>> fit.emtrends("age", "Sex").frame.iloc[:, :4].round(3)
              Sex  estimate  std_error    df
        0    Male     0.784      0.086  25.0
        1  Female     0.480      0.104  25.0
        """
        return marginal_means.emmeans(
            self.design,
            self.fit,
            self._origin,
            specs,
            by=by,
            at=at,
            weights=weights,
            ddf=ddf,
            level=level,
            slope_of=var,
        )

    # ---- the fit as a whole

    @property
    def llf(self) -> float:
        """Log-likelihood, restricted for REML."""
        return quantities.llf(self.fit)

    @property
    def criterion(self) -> float:
        """-2 log-likelihood (ML) or REML criterion, on lme4's scale."""
        return self.fit.criterion

    @property
    def aic(self) -> float:
        """Akaike's criterion; k counts fixed effects, covariance parameters and sigma."""
        return quantities.aic(self.fit)

    @property
    def bic(self) -> float:
        """Schwarz's criterion, with n the number of rows."""
        return quantities.bic(self.design, self.fit)

    @property
    def aicc(self) -> float:
        """AIC corrected for small samples; infinite where n <= k + 1."""
        return quantities.aicc(self.design, self.fit)

    @property
    def nobs(self) -> int:
        """Number of rows used."""
        return self.design.n_obs

    @property
    def ngroups(self) -> dict[str, int]:
        """Number of levels of each grouping factor."""
        return {factor.name: factor.n_levels for factor in self.design.factors}

    @property
    def sigma(self) -> float:
        """Residual standard deviation."""
        return self.fit.sigma

    @property
    def theta(self) -> pd.Series[float]:
        """Relative covariance factors, in lme4's order and names."""
        return pd.Series(self.fit.theta.copy(), index=list(quantities.theta_names(self.design)), name="theta")

    @property
    def convergence(self) -> Convergence:
        """What is proved about the optimum; ``explain()`` says it in sentences."""
        return convergence.convergence(self.design, self.fit)

    # ---- random effects

    @property
    def random_effects(self) -> dict[str, NativeFrame]:
        """Conditional modes of the random effects: factor -> frame, levels x effects."""
        return frames.random_effects(self.design, self.fit, self._origin)

    @property
    def random_effects_cov(self) -> dict[str, frames.LevelCovariances]:
        """Conditional covariances: factor -> container with a k x k frame per level.

        ``fit.random_effects_cov["Subject"]["308"]`` is one frame, ``.array`` all of them, shape (q, k, k).
        """
        return frames.random_effects_cov(self.design, self.fit, self._origin)

    @property
    def cov_re(self) -> dict[str, NativeFrame]:
        """Covariance of the random effects: factor -> k x k frame, with a block per term."""
        return frames.cov_re(self.design, self.fit, self._origin)

    @property
    def variance_components(self) -> NativeFrame:
        """Variances and covariances, a row each: ``group term1 term2 vcov sdcor``.

        ``vcov`` is a variance, or a covariance where ``term2`` is given; ``sdcor`` the standard deviation or
        correlation. The last row is the residual.
        """
        return frames.variance_components(self.design, self.fit, self._origin)

    @property
    def coef(self) -> dict[str, NativeFrame]:
        """Coefficients of each level: factor -> frame of fixed effects + conditional modes."""
        return frames.coefficients(self.design, self.fit, self._origin)

    # ---- rows

    @property
    def fittedvalues(self) -> NativeVector:
        """X beta + offset + Z b of the rows used."""
        return row_vector(self._origin, self.fit.fitted, "fitted")

    @property
    def resid(self) -> NativeVector:
        """Response minus fitted values."""
        return row_vector(self._origin, quantities.response_residuals(self.design, self.fit), "resid")

    def residuals(self, kind: ResidualKind = "response") -> NativeVector:
        """Residuals of the rows used.

        Parameters
        ----------
        kind
            ``"response"``: y minus fitted values. ``"pearson"``: times the square root of the prior weight
            (lme4's). ``"scaled"``: Pearson over sigma. ``"standardized"``: scaled over sqrt(1 - leverage).
            ``"studentized"``: the same with sigma estimated without the row. ``"marginal"``: y minus X beta
            and offset, the random effects left in. ``"whitened"`` (or ``"normalized"``): marginal residuals
            over the Cholesky factor of their covariance, independent with variance 1 if the model is true.

        Raises
        ------
        MixwellError
            If there is no such kind, or crossed factors make whitening too long.
        """
        values = residual_kinds.residuals(self.design, self.fit, kind)
        return row_vector(self._origin, values, "resid")

    @overload
    def predict(
        self,
        newdata: object = None,
        random: bool | str | Sequence[str] = True,
        new_levels: Literal["error", "zero"] = "error",
        interval: None = None,
        level: float = 0.95,
        ddf: Ddf = "satterthwaite",
    ) -> NativeVector: ...

    @overload
    def predict(
        self,
        newdata: object = None,
        random: bool | str | Sequence[str] = True,
        new_levels: Literal["error", "zero"] = "error",
        *,
        interval: Literal["confidence", "prediction"],
        level: float = 0.95,
        ddf: Ddf = "satterthwaite",
    ) -> NativeFrame: ...

    def predict(
        self,
        newdata: object = None,
        random: bool | str | Sequence[str] = True,
        new_levels: Literal["error", "zero"] = "error",
        interval: Literal["confidence", "prediction"] | None = None,
        level: float = 0.95,
        ddf: Ddf = "satterthwaite",
    ) -> NativeVector | NativeFrame:
        """Predicted means, with intervals if asked for.

        Levels, contrasts and the state of transforms are those of the fit; nothing is estimated again. If the
        formula transforms the response, predictions are on the transformed scale.

        Parameters
        ----------
        newdata
            A frame with the predictors (and offset) of the formula; None predicts the rows used in the fit.
        random
            True adds all random effects, False none (the population), a list of factor names only theirs.
        new_levels
            What to do where a level was not in the fit: ``"error"``, or ``"zero"``: no random effect.
        interval
            ``"confidence"``: of the mean x'beta + z'b, with the uncertainty of the fixed effects, of the
            random effects that are added, and their covariance. ``"prediction"``: of a new observation. It
            adds the residual variance, divided by the prior weight of the row if the fit has weights (the
            column of weights must then be in ``newdata``), and the variance of all random effects that are
            not known: of levels not in the fit, and of factors left out by ``random``, so that
            ``random=False`` gives intervals for a new member of the population.
        level
            Of the intervals.
        ddf
            Degrees of freedom. ``"satterthwaite"`` reads them off the curvature for the whole variance;
            without random effects the interval is that of :meth:`test`. ``"residual"`` and ``"normal"`` apply
            always too, the other methods to the mean of the population only.

        Returns
        -------
        series or frame
            One value per row, missing where a predictor is missing; with ``interval`` the columns
            ``estimate std_error df conf_low conf_high``.

        Raises
        ------
        NewLevelsError
            If ``newdata`` has unseen levels (named in the message) and ``new_levels="error"``.
        MixwellError
            If an argument does not exist, or ``ddf`` does not apply.
        ModelError
            If an interval is asked for a mean that the data do not determine.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
        >>> rows = {"Days": [0, 9], "Subject": ["308", "nobody"]}
        >>> fit.predict(rows, new_levels="zero").round(3).tolist()
        [253.664, 345.611]
        >>> fit.predict(rows, new_levels="zero", interval="prediction").round(2)
           estimate  std_error      df  conf_low  conf_high
        0    253.66      28.37  160.79    197.63     309.70
        1    345.61      67.04   20.75    206.08     485.14
        """
        if interval is None:
            if newdata is None:
                return row_vector(self._origin, predict_rows(self.design, self.fit, random), "predicted")
            values, at = predict_new(self.design, self.fit, newdata, random, new_levels)
            return row_vector(at, values, "predicted")
        found, origin = predict_interval(
            self.design,
            self.fit,
            newdata,
            random,
            new_levels,
            interval=interval,
            level=level,
            ddf=ddf,
        )
        return row_frame(
            self._origin if origin is None else origin,
            {
                "estimate": found.mean.copy(),
                "std_error": found.std_error,
                "df": found.df,
                "conf_low": found.low,
                "conf_high": found.high,
            },
        )

    def update_group(self, newdata: object, level: float = 0.95) -> updates.GroupUpdate:
        """Random effects of new groups from a few of their outcomes, without fitting again.

        The fixed effects, variances and the random effects of known levels stay as estimated; each new level
        gets the conditional mode that its rows imply, with the uncertainty of what is held (but not of the
        variances) in its covariance. A known group, given again under another name, gets the mode it has in
        the fit.

        Parameters
        ----------
        newdata
            Rows with the response and all columns of the formula (and of weights), every row of at least one
            new level; of one or several grouping factors. Rows with missing values are left out.
        level
            Of the intervals.

        Returns
        -------
        GroupUpdate
            ``.frame``: ``group level term estimate std_error conf_low conf_high``, with normal quantiles;
            ``.random_effects``, ``.random_effects_cov``: as those of the fit, for the new levels;
            ``.conditional_cov``: the covariances if what is held were known, on the footing of the fit's.

        Raises
        ------
        DataError
            If a row has only levels that the fit knows, or no row is complete.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
        >>> rows = {"Reaction": [270.0, 290.0, 310.0], "Days": [0, 1, 2], "Subject": ["new"] * 3}
        >>> fit.update_group(rows).frame.iloc[:, 2:].round(2)
                  term  estimate  std_error  conf_low  conf_high
        0  (Intercept)     19.28      14.03     -8.22      46.77
        1         Days      2.16       5.47     -8.57      12.89
        """
        return updates.update_group(self.design, self.fit, self._origin, newdata, level)

    def simulate(self, n: int = 1, seed: Seed = None) -> NativeFrame:
        """Draw new responses from the fitted model, with new random effects and errors.

        Parameters
        ----------
        n
            How many responses.
        seed
            A whole number for reproducible draws, or a numpy Generator. With the same seed the first columns
            do not depend on ``n``.

        Returns
        -------
        frame
            Columns ``sim_1`` to ``sim_n``, one row per row used. Each can be given to :meth:`refit`.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff())
        >>> fit.simulate(3, seed=1).shape
        (30, 3)
        """
        draws = simulate(self.design, self.fit, n, seed)
        return row_frame(self._origin, {f"sim_{j + 1}": draws[:, j] for j in range(draws.shape[1])})

    def refit(self, y: ArrayLike) -> LmerResult:
        """The same model fitted to another response.

        Parameters
        ----------
        y
            One value per row used, or per row of the data as given (rows that were dropped are ignored). If
            the formula transforms the response, ``y`` is on the transformed scale.

        Raises
        ------
        DataError
            If the length is wrong or a value is missing or infinite.
        """
        values = new_response(self.design, y)
        design = replace(self.design, y=values)
        fit = solve(design, reml=self.fit.reml, start=None, control=self.control)
        warn_about(design, fit)
        return LmerResult(design, fit, self.control)

    # ---- random effects under test

    def ranova(
        self,
        method: Literal["mixture", "bootstrap", "exact"] = "mixture",
        n: int | None = None,
        seed: Seed = None,
    ) -> NativeFrame:
        """Likelihood ratio tests of the random terms, one reduced or removed at a time.

        Each variable left of a bar is left out by itself (one contained in an interaction is not); a term of
        a single column is removed. The criterion of the fit, REML or ML, is kept. A variance that is zero
        under the null hypothesis lies on the boundary of its space, so that a plain chi-square gives p-values
        that are too large (``p_naive``).

        Parameters
        ----------
        method
            How ``p_value`` is found. ``"mixture"``: mixtures of chi-squares (Self & Liang 1987; Stram & Lee
            1994), with simulated weights where several variances are tested at once. ``"bootstrap"``:
            responses drawn under the null hypothesis. ``"exact"``: the exact distribution, by simulation, for
            models with a single variance (Crainiceanu & Ruppert 2004).
        n
            Draws for ``"bootstrap"`` (1000) and ``"exact"`` (10000).
        seed
            A whole number for reproducible draws.

        Returns
        -------
        frame
            ``term npar llf aic lrt df p_naive p_value``; the first row is the whole model.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
        >>> fit.ranova()[["term", "npar", "lrt", "df"]].round(3)
                               term  npar     lrt   df
        0                    <none>     6     NaN  NaN
        1  Days in (Days | Subject)     4  42.837  2.0
        """
        draws = n if n is not None else 1000 if method == "bootstrap" else 10000
        tests = lrt.term_tests(self.design, self.fit, method=method, n=draws, seed=seed, control=self.control)
        return lrt.table(self.fit, tests, self._origin)

    # ---- shares of variance

    def icc(
        self,
        interval: Literal["profile", "bootstrap"] | None = None,
        level: float = 0.95,
        n: int = 1000,
        seed: Seed = None,
    ) -> icc_r2.Icc:
        """Intraclass correlation: the share of the random effects in the variance.

        ``adjusted`` leaves the fixed effects out of the total, ``conditional`` counts them, ``by_factor``
        splits the adjusted one. With random slopes the variance of a term is the mean over rows of z' Sigma z
        (Johnson 2014).

        Parameters
        ----------
        interval
            Adds ``conf_low``, ``conf_high`` of the adjusted one: ``"profile"`` for models with a single
            random intercept, parametric ``"bootstrap"`` (percentile, ``n`` draws) for any.
        level, n, seed
            Confidence level; draws and seed of the bootstrap.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("Reaction ~ Days + (1 | Subject)", mw.datasets.load_sleepstudy())
        >>> print(fit.icc(interval="profile"))
        ICC adjusted     0.5893  [0.4128, 0.7654]
        ICC conditional  0.4244
        """
        found = icc_r2.icc(self.design, self.fit)
        if interval is None:
            return found
        if interval == "profile":
            low, high = icc_r2.icc_interval(self.design, self.fit, level)
        elif interval == "bootstrap":
            boot = self.bootstrap(n, statistic=lambda fit: fit.icc().adjusted, seed=seed)
            low, high = boot.interval(level)[0]
        else:
            raise MixwellError(
                f"icc(interval={interval!r}) does not exist; there are 'profile' and 'bootstrap'."
            )
        return replace(found, conf_low=low, conf_high=high)

    def r2(self) -> icc_r2.R2:
        """R squared of Nakagawa & Schielzeth (2013): ``marginal`` (fixed effects), ``conditional`` (all).

        Random slopes as Johnson (2014).

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("Reaction ~ Days + (1 | Subject)", mw.datasets.load_sleepstudy())
        >>> print(fit.r2())
        R2 marginal     0.2799
        R2 conditional  0.7043
        """
        return icc_r2.r2(self.design, self.fit)

    def variance_decomposition(self) -> NativeFrame:
        """Variance by level: ``source variance percent percent_random``.

        ``percent`` is of the total with the fixed effects, ``percent_random`` of the total without them.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("Reaction ~ Days + (1 | Subject)", mw.datasets.load_sleepstudy())
        >>> fit.variance_decomposition().round(1)
                  source  variance  percent  percent_random
        0  Fixed effects     909.0     28.0             NaN
        1        Subject    1378.2     42.4            58.9
        2       Residual     960.5     29.6            41.1
        """
        return icc_r2.decomposition(self.design, self.fit, self._origin)

    def reliability(self) -> dict[str, NativeFrame]:
        """Reliability of the groups' estimates: factor -> frame, levels x effects.

        1 - conditional variance / variance: the share of what groups differ by that their data determine.

        Raises
        ------
        ModelError
            If a variance is estimated as zero.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff())
        >>> fit.reliability()["Batch"]["(Intercept)"].iloc[0].round(3)
        np.float64(0.783)
        """
        return icc_r2.reliability(self.design, self.fit, self._origin)

    def vif(self) -> NativeFrame:
        """Generalized variance inflation factors of the fixed terms: ``term gvif df gvif_per_df``.

        For a term of one column ``gvif`` is the plain VIF; ``gvif_per_df`` is GVIF^(1/(2 df)), comparable
        between terms (Fox & Monette 1992). Models without intercept are hard to judge by it.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("weight ~ sex + Lsize + (1 | Litter)", mw.datasets.load_ratpups())
        >>> fit.vif().round(2)
            term  gvif  df  gvif_per_df
        0    sex   1.0   1          1.0
        1  Lsize   1.0   1          1.0
        """
        return vif.table(self.design, self.fit, self._origin)

    # ---- diagnostics

    @property
    def diagnostics(self) -> access.Diagnostics:
        """Tests of the assumptions, one method each: ``fit.diagnostics.white()``."""
        return access.Diagnostics(self.design, self.fit, self._origin)

    def check(self) -> checks.Checks:
        """Check the assumptions of the model, each by a test, with a verdict and a remedy.

        Verdicts are ``"fine"``, ``"look"`` (worth a look) and ``"violated"``; with many rows a deviation must
        be large and not only significant. A remedy is a call to be run with ``fit``, ``mw`` and ``data``.

        Returns
        -------
        Checks
            Printed as a table; ``frame()`` has ``assumption test verdict evidence remedy``, ``plot()`` draws
            all panels, ``check["normal residuals"]`` is one.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("Reaction ~ Days + (1 | Subject)", mw.datasets.load_sleepstudy())
        >>> found = fit.check()
        >>> found["no slope missing"].verdict, found["no slope missing"].remedy
        ('violated', 'mw.lmer("Reaction ~ Days + (1 + Days | Subject)", data)')
        """
        return checks.check(self.design, self.fit, self._origin)

    def sensitivity(self, level: float = 0.95, seed: Seed = 1) -> comparison.Sensitivity:
        """Whether the conclusions about the fixed effects change under other reasonable analyses.

        Beside the fit: without influential levels, without outlying rows, with a log response (if it is
        positive), with cluster-robust standard errors (CR2), with a bootstrap that resamples residuals.

        Returns
        -------
        Sensitivity
            Printed side by side with a sentence on what changes; ``frame()`` is the table.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
        >>> fit.sensitivity().changes
        ()
        """
        return comparison.sensitivity(
            self.design, self.fit, self._origin, level=level, seed=seed, control=self.control
        )

    def leverages(self) -> NativeFrame:
        """Leverages of the rows used: ``fixed random total``.

        ``total`` is the diagonal of the hat matrix (lme4's ``hatvalues``), ``fixed`` the part of the fixed
        effects, ``random`` what the random effects add (Demidenko & Stukel 2005).
        """
        found = deletion.leverages(self.design, self.fit)
        columns = {"fixed": found.fixed, "random": found.random, "total": found.total}
        return row_frame(self._origin, columns)

    def cooks_distance(self) -> NativeVector:
        """Cook's distance of the rows used from their leverage, random effects included (as lme4's).

        The shift of the fixed effects alone is ``influence().cooks_distance``.
        """
        values = deletion.row_cooks_distance(self.design, self.fit)
        return row_vector(self._origin, values, "cooks_distance")

    def influence(self, by: str | ArrayLike = "row", refit: bool | None = None) -> deletion.Influence:
        """What changes when each row, or each level of a factor, is left out in turn.

        Parameters
        ----------
        by
            ``"row"``, the name of a grouping factor or of a categorical variable of the formula, or an array
            of labels, one per row used.
        refit
            True estimates all parameters again for each deletion, from a warm start. False holds the variance
            parameters at their estimates from all rows, which is exact for them known and needs no refit
            (Christensen, Pearson & Johnson 1992). None refits where that takes less than about five seconds;
            what was done is in the result.

        Returns
        -------
        Influence
            Estimates without each, Cook's distance, DFBETAS, MDFFITS, COVRATIO, relative change of the
            variances; ``frame()`` gives tables. lme4's ``cooks.distance(influence(fit, ...))`` is Cook's
            distance times (m - p) / m, with m deletions and p fixed effects.

        Raises
        ------
        DataError
            If ``by`` is not known.
        ModelError
            If the model cannot be fitted without one of them; the message names it.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
        >>> fit.influence("Subject").frame().loc["308"].round(4).to_dict()  # doctest: +NORMALIZE_WHITESPACE
        {'rows': 10.0, 'cooks_distance': 0.0924, 'mdffits': 0.1008, 'covratio': 1.0317,
         'max_dfbetas': 0.4489}
        """
        return deletion.influence(
            self.design, self.fit, self._origin, by=by, refit=refit, control=self.control
        )

    # ---- pictures

    @property
    def plot(self) -> pictures.FitPlots:
        """Pictures of the fit: ``fit.plot.residuals()``, ``fit.plot.trajectories()``, ``fit.plot.check()``.

        Each returns matplotlib Axes and takes ``ax=``; ``fit.plot(labels={"Reaction": "Reaction (ms)"})``
        names variables with their units, ``fit.plot(lang="zh")`` labels in Chinese.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
        >>> "shrinkage" in dir(fit.plot)
        True
        """
        return pictures.FitPlots(self.design, self.fit, self.control)

    # ---- telling

    def summary(
        self,
        ddf: Ddf = "satterthwaite",
        robust: RobustKind | None = None,
        cluster: str | ArrayLike | None = None,
    ) -> Summary:
        """Everything at a glance, printed in at most 79 columns; HTML in notebooks.

        ``ddf`` is the method for the degrees of freedom of the fixed effects, see :meth:`test`. ``robust``
        takes cluster-robust standard errors and their degrees of freedom instead, see :meth:`vcov_robust`.
        """
        if robust is None:
            return summarize(self.design, self.fit, ddf)
        found = sandwich.robust_covariance(self.design, self.fit, robust, cluster)
        return summarize(self.design, self.fit, found.title, found)

    def table(
        self,
        fmt: tables.TableFormat = "text",
        *,
        level: float = 0.95,
        stars: bool = False,
        ddf: Ddf = "satterthwaite",
        lang: Lang = "en",
        path: str | Path | None = None,
    ) -> tables.RenderedTable | WordDocument:
        """A table of the results to hand on; :func:`mixwell.table` sets several models side by side.

        Parameters
        ----------
        fmt
            ``"text"``, ``"html"``, ``"latex"`` (booktabs), ``"markdown"``, or ``"docx"`` (needs python-docx).
        level, ddf
            Of the intervals, see :meth:`test`.
        stars
            Mark small p-values.
        lang
            ``"en"`` or ``"zh"``.
        path
            A file to write.

        Returns
        -------
        str or docx.document.Document
            The text, which notebooks show as HTML; for ``"docx"`` the document.
        """
        return tables.table(self, fmt, level=level, stars=stars, ddf=ddf, lang=lang, path=path)

    def report(
        self,
        path: str | Path | None = None,
        lang: Lang = "en",
        *,
        labels: Mapping[str, str] | None = None,
        source: str = "",
    ) -> document.Report:
        """An account of the fit in sentences, with tables, figures and the checks of the assumptions.

        Parameters
        ----------
        path
            A file to write: ``.html`` for one self-contained page with the figures, ``.txt`` for text.
        lang
            ``"en"`` or ``"zh"``.
        labels
            What variables are called in the figures, with units: ``{"weight": "weight (g)"}``.
        source
            Python that makes the data, shown in the code to reproduce: ``'pd.read_csv("pups.csv")'``.

        Returns
        -------
        Report
            ``print(report)`` is the text, ``report.html`` the page, ``report.save(path)`` writes either.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
        >>> report = fit.report()
        >>> print(str(report).splitlines()[0])
        Mixed-model report: Reaction
        """
        made = document.make_report(
            self.design, self.fit, self._origin, lang=lang, source=source, control=self.control, labels=labels
        )
        if path is not None:
            made.save(path)
        return made

    def tidy(
        self,
        effects: Literal["fixed", "ran_pars", "ran_vals"] = "fixed",
        conf_int: bool = False,
        level: float = 0.95,
        ddf: Ddf = "satterthwaite",
    ) -> NativeFrame:
        """Estimates as one tidy frame.

        Parameters
        ----------
        effects
            ``"fixed"``: ``term estimate std_error df statistic p_value``. ``"ran_pars"``, standard deviations
            and correlations: ``group term estimate``. ``"ran_vals"``, conditional modes:
            ``group level term estimate std_error``.
        conf_int, level
            Add ``conf_low conf_high``: of fixed effects by the t quantile, of conditional modes by the normal
            one; not for ``"ran_pars"``.
        ddf
            Method for the degrees of freedom of the fixed effects, see :meth:`test`.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
        >>> fit.tidy("ran_pars").round(2)
              group                   term  estimate
        0   Subject        sd__(Intercept)     24.74
        1   Subject               sd__Days      5.92
        2   Subject  cor__(Intercept).Days      0.07
        3  Residual        sd__Observation     25.59
        """
        wanted = level if conf_int else None
        if effects == "fixed":
            names = quantities.kept_names(self.design, self.fit)
            return frames.tidy_tests("term", names, self._coefficient_tests(ddf), self._origin, level=wanted)
        if effects == "ran_vals":
            return frames.tidy_modes(self.design, self.fit, self._origin, level=wanted)
        if effects == "ran_pars":
            if conf_int:
                raise MixwellError(
                    "tidy(effects='ran_pars') has no intervals: the normal quantile does not suit variances. "
                    "Leave conf_int=False."
                )
            return frames.tidy_parameters(self.design, self.fit, self._origin)
        kinds = ", ".join(map(repr, frames.EFFECTS))
        raise MixwellError(f"There is no effects={effects!r}; there are {kinds}.")

    def glance(self) -> NativeFrame:
        """One row about the model: sizes, sigma, criteria, convergence."""
        return frames.glance(
            self.design,
            self.fit,
            self._origin,
            converged=self.fit.certificate.converged,
            is_singular=convergence.is_singular(self.fit),
        )

    def augment(self) -> NativeFrame:
        """The rows used, with what the model says of each.

        Returns
        -------
        frame
            The response, the columns the formula reads, the level of each grouping factor, ``fixed``
            (X beta + offset), ``fitted`` and ``resid``.
        """
        design = self.design
        columns: dict[str, NDArray[np.generic]] = {design.response_name: design.y.copy()}
        columns |= {name: column_values(column) for name, column in design.variables.items()}
        columns |= {factor.name: factor.levels[factor.codes] for factor in design.factors}
        taken = [name for name in ("fixed", "fitted", "resid") if name in columns]
        if taken:
            raise DataError(
                f"augment() adds a column {taken[0]!r}, which the model has already; rename that one."
            )
        columns["fixed"] = quantities.linear_predictor(design, self.fit)
        columns["fitted"] = self.fit.fitted.copy()
        columns["resid"] = quantities.response_residuals(design, self.fit)
        return row_frame(self._origin, columns)

    def __repr__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    @property
    def _origin(self) -> Origin:
        rows = self.design.rows
        return Origin("pandas", None) if rows is None else Origin(output_kind(rows.kind), row_labels(rows))


def numbers_given(values: ArrayLike, what: str) -> FloatArray:
    """An array of numbers, or an error that names it."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise DataError(f"{what} must be numbers: {error}.") from None


def column_values(column: Column) -> NDArray[np.generic]:
    """The values of a column, factors as their labels."""
    if isinstance(column, Instants):
        return column.values.astype("datetime64[us]")
    return column.levels[column.codes] if isinstance(column, Factor) else column.values.copy()


def row_labels(rows: Rows) -> pd.Index | None:
    """Labels of the rows used: the caller's, else their positions in the data."""
    if rows.index is not None or rows.kept is None:
        return rows.index
    return pd.Index(rows.kept)


def new_response(design: Design, y: ArrayLike) -> FloatArray:
    """A response for the rows used, from one for those or for all rows given."""
    values = numbers_given(y, "refit(): y")
    rows = design.rows
    if rows is not None and rows.kept is not None and values.shape == (rows.n_given,):
        values = values[rows.kept]
    if values.shape != (design.n_obs,):
        given = "" if rows is None or rows.kept is None else f" (or {rows.n_given}, for all rows of the data)"
        raise DataError(f"refit() needs {design.n_obs} values{given}; y has shape {values.shape}.")
    if not np.isfinite(values).all():
        raise DataError(f"refit(): y has {int(np.sum(~np.isfinite(values)))} missing or infinite values.")
    return values


def warn_about(design: Design, fit: Fit) -> None:
    """Warn of a failed certificate, a singular covariance matrix, aliased columns."""
    if len(fit.kept) < design.x.shape[1]:
        warnings.warn(
            dropped_sentence(quantities.dropped_names(design, fit)), RankDeficiencyWarning, stacklevel=3
        )
    if not fit.certificate.converged:
        warnings.warn(
            f"The fit did not converge: {convergence.failure(fit)}. "
            "fit.convergence.explain() says what was found and what to try.",
            ConvergenceWarning,
            stacklevel=3,
        )
    phrases = convergence.singular_phrases(design, fit) if convergence.is_singular(fit) else []
    if phrases:
        warnings.warn(
            f"The fit is singular: {'; '.join(phrases)}. This is where the criterion is lowest; "
            f"{convergence.singular_advice(design, fit)}.",
            SingularFitWarning,
            stacklevel=3,
        )


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
        Prior weights: a column name or an array; the residual variance of row i is sigma^2 / weight_i.
    offset
        A known part of the mean: a column name or an array.
    contrasts
        Coding of categorical predictors, ``{"Type": "sum"}``: ``"treatment"``, ``"sum"``, ``"helmert"``,
        ``"poly"``, ``"SAS"``, ``("treatment", base)`` or a matrix (levels x columns).
    na_action
        ``"drop"`` leaves out rows with missing values (the summary counts them), ``"raise"`` refuses them.
    start
        Starting value of theta; None chooses one.
    control
        Settings of the optimizer.

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
    SingularFitWarning, RankDeficiencyWarning, ConvergenceWarning
        If a covariance matrix is singular, columns are aliased, or the certificate of the optimum fails.

    Examples
    --------
    >>> import mixwell as mw
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> fit.tidy().round(3)
              term  estimate  std_error    df  statistic  p_value
    0  (Intercept)   251.405      6.825  17.0     36.838      0.0
    1         Days    10.467      1.546  17.0      6.771      0.0
    """
    design = build_design(
        formula, data, weights=weights, offset=offset, contrasts=contrasts, na_action=na_action
    )
    values = None if start is None else numbers_given(start, "start")
    fit = solve(design, reml=reml, start=values, control=control)
    warn_about(design, fit)
    return LmerResult(design, fit, control)
