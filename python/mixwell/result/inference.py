"""Tests and intervals of parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mixwell.arguments import check_one_of, checked_methods
from mixwell.data.output import NativeFrame, square_frame
from mixwell.errors import DataError, MixwellError
from mixwell.fit import quantities
from mixwell.inference.anova import anova as anova_of
from mixwell.inference.contrast import RowTests, row_tests
from mixwell.inference.degrees_of_freedom import Ddf
from mixwell.inference.hypothesis import all_test, each_test, read_hypothesis
from mixwell.inference.parameters import check_names, interval_frame, parameter_names
from mixwell.lazy import lazy_module
from mixwell.report import frames
from mixwell.result.engine import Engine
from mixwell.simulate import Seed

if TYPE_CHECKING:
    from mixwell.diagnostics import robust as sandwich
    from mixwell.diagnostics.robust import RobustKind
    from mixwell.inference import bootstrap as resampling
    from mixwell.inference import profile as profiling
else:
    sandwich = lazy_module("mixwell.diagnostics.robust")
    profiling = lazy_module("mixwell.inference.profile")
    resampling = lazy_module("mixwell.inference.bootstrap")


@checked_methods
class Inference(Engine):
    """Tests of fixed effects, intervals of all parameters: one engine for every method."""

    def vcov_robust(self, kind: RobustKind = "CR2", cluster: str | ArrayLike | None = None) -> NativeFrame:
        """Cluster-robust covariance matrix of the fixed effects, p x p.

        It stays valid where the random effects or the residual variance are wrong, as long as clusters are
        independent. ``robust=`` of ``summary``, ``tidy``, ``test``, ``conf_int``, ``anova`` and ``emmeans``
        uses it, with Satterthwaite's degrees of freedom (Bell & McCaffrey 2002) and, for several hypotheses
        at once, approximate Hotelling's T^2 tests (Pustejovsky & Tipton 2018).

        Parameters
        ----------
        kind
            ``"CR0"``: without correction (Liang & Zeger 1986). ``"CR1"``: times m / (m - 1) for m clusters.
            ``"CR2"``: unbiased if the model is true; the one for few clusters.
        cluster
            A factor of the model or labels of the rows used, in which every random effect is nested; by
            default the outermost grouping factor. A pandas series is matched by its row labels.

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

    def _coefficient_tests(
        self, ddf: str, robust: RobustKind | None = None, cluster: str | ArrayLike | None = None
    ) -> tuple[RowTests, str]:
        method, title = self._method(ddf, robust, cluster)
        return row_tests(method, self.fit.beta, np.eye(len(self.fit.beta))), title

    @property
    def df_denom(self) -> pd.Series[float]:
        """Satterthwaite's degrees of freedom of each fixed effect; ``tidy(ddf=)`` has other methods."""
        return self._labelled(self._coefficient_tests("satterthwaite")[0].df, "df")

    @property
    def pvalues(self) -> pd.Series[float]:
        """Two-sided p-values of the t tests with :attr:`df_denom` degrees of freedom."""
        return self._labelled(self._coefficient_tests("satterthwaite")[0].p_value, "p_value")

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
        kind: Literal["parametric", "residual", "cases"] = "parametric",
        groups: str | None = None,
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
            Names of the parameters wanted: fixed effects and, for ``"profile"`` and ``"bootstrap"``, also
            ``"sd_Days|Subject"``, ``"cor_Days.(Intercept)|Subject"``, ``"sigma"``; None for all.
        n, type, seed
            Draws, type of interval and seed, for ``"bootstrap"``.
        kind, groups
            How responses are drawn, for ``"bootstrap"``; see :meth:`bootstrap`.
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
        check_one_of("method", method, ("wald", "profile", "bootstrap"))
        if (robust is not None or cluster is not None) and method != "wald":
            raise MixwellError(
                f"robust= and cluster= are for conf_int(method='wald'), not for method={method!r}."
            )
        if method == "wald":
            names = quantities.kept_names(self.design, self.fit)
            wanted = self._fixed_names(parameters, names)
            low, high = self._coefficient_tests(ddf, robust, cluster)[0].interval(level)
            ends = list(zip(low, high, strict=True))
            at = [i for i, name in enumerate(names) if name in wanted]
            return interval_frame(self._origin, [names[i] for i in at], [ends[i] for i in at])
        if method == "profile":
            rows = profiling.intervals(
                self.design, self.fit, level=level, parameters=parameters, control=self.control
            )
            return interval_frame(self._origin, [row[0] for row in rows], [row[1:] for row in rows])
        check_one_of("type", type, resampling.INTERVALS)
        boot = self.bootstrap(n, kind=kind, groups=groups, seed=seed, ci=type)
        wanted = check_names(parameters, boot.names)
        ends = [end for name, end in zip(boot.names, boot.interval(level), strict=True) if name in wanted]
        return interval_frame(self._origin, [name for name in boot.names if name in wanted], ends, boot.note)

    def _fixed_names(self, wanted: str | Sequence[str] | None, names: Sequence[str]) -> set[str]:
        """The fixed effects wanted; other parameters have no Wald interval."""
        for name in () if wanted is None else (wanted,) if isinstance(wanted, str) else tuple(wanted):
            if name not in names and name in parameter_names(self.design, self.fit):
                raise DataError(
                    f"{name!r} has no Wald interval, since its distribution is skewed; "
                    "use conf_int(method='profile') or 'bootstrap'."
                )
        return check_names(wanted, names)

    def test(
        self,
        hypothesis: str | Sequence[str] | ArrayLike,
        joint: bool = False,
        ddf: Ddf = "satterthwaite",
        level: float = 0.95,
        robust: RobustKind | None = None,
        cluster: str | ArrayLike | None = None,
    ) -> NativeFrame:
        """Test linear hypotheses about the fixed effects, one by one or jointly.

        Parameters
        ----------
        hypothesis
            Equations in the names of ``params`` (or R's), separated by commas or in a list:
            ``"a - b = 2, c = 0"``; or a matrix with a row per hypothesis, a column per fixed effect. Columns
            of a data frame, and values of a series, are matched by name.
        joint
            One F test of all of them instead of a t test each. A hypothesis has one F test, whichever
            contrasts express it, however factors are coded and whatever the units; that of a term is its line
            in :meth:`anova`. Satterthwaite's df of several rows have, as lmerTest's, no definition free of
            the basis: they change with the first level of a factor (mostly by less than 1 percent), and much
            where single rows have very different df. Kenward-Roger's depend on the hypothesis alone.
        ddf
            Degrees of freedom: ``"satterthwaite"`` (as lmerTest), ``"kenward-roger"`` (as pbkrtest, with
            adjusted standard errors; REML only), ``"containment"`` (as SAS), ``"between-within"`` (as SAS;
            with nested factors by level, as nlme), ``"residual"``, or ``"normal"``: none.
        level
            Of the confidence intervals.
        robust, cluster
            Cluster-robust standard errors and their degrees of freedom in place of ``ddf``, see
            :meth:`vcov_robust`; joint: the approximate Hotelling's T^2 test (AHT) of Pustejovsky & Tipton
            (2018), called HTZ in R's clubSandwich.

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
        method, title = self._method(ddf, robust, cluster)
        if joint:
            test = all_test(self.design, self.fit, read, method)
            return frames.tidy_joint(", ".join(read.labels), test, self._origin, title)
        tests = each_test(self.fit, read, method)
        return frames.tidy_tests("hypothesis", read.labels, tests, self._origin, level=level, title=title)

    def anova(
        self,
        type: Literal["I", "II", "III"] = "III",
        ddf: Ddf = "satterthwaite",
        robust: RobustKind | None = None,
        cluster: str | ArrayLike | None = None,
    ) -> NativeFrame:
        """Analysis of variance of the fixed part: an F test per term, not per column.

        Parameters
        ----------
        type
            ``"I"``: each term after those before it. ``"II"``: after all that do not contain it. ``"III"``:
            means of cells compared with equal weights (with empty cells as in SAS, Goodnight 1978). No type
            depends on the coding of factors; with several numerator df, Satterthwaite's denominator df
            depend, as lmerTest's, on which level is the first (see :meth:`test`). Kenward-Roger's do not.
        ddf
            Denominator degrees of freedom, see :meth:`test`.
        robust, cluster
            Cluster-robust tests in place of ``ddf``, see :meth:`test`.

        Returns
        -------
        frame
            ``term sum_sq mean_sq num_df den_df f_value p_value``. ``mean_sq`` is Wald's F times the residual
            variance; with Kenward-Roger's and robust tests ``f_value`` is Wald's F times a scale factor.

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
        method, title = self._method(ddf, robust, cluster)
        return frames.anova_table(anova_of(self.design, self.fit, method, type), self._origin, type, title)

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
        statistic: Callable[[Any], object] | None = None,
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
        <Bootstrap: 100 parametric draws of 1 element>
        """
        if statistic is not None and not callable(statistic):
            raise MixwellError(
                f"statistic must be a function of a result, or None for all parameters, not {statistic!r}."
            )
        wrapped = None if statistic is None else lambda d, f: statistic(type(self)(d, f, self.control))
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
