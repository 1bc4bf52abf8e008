"""The tests of a fit by name: ``fit.diagnostics.white()``. Everything here delegates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

from mixwell.arguments import checked_methods
from mixwell.data.output import Origin
from mixwell.design.record import Design
from mixwell.diagnostics import dependence, distribution, mean, variance
from mixwell.diagnostics.dependence import Autocorrelation
from mixwell.diagnostics.distribution import Adjustment, NormalityMethod, Outliers, QuantileResiduals
from mixwell.diagnostics.mean import OmittedSlope
from mixwell.diagnostics.record import DiagnosticTest
from mixwell.diagnostics.variance import WhiteForm
from mixwell.errors import DataError
from mixwell.fit.record import Fit
from mixwell.simulate import Seed


@checked_methods
@dataclass(frozen=True, slots=True)
class Diagnostics:
    """Tests of the assumptions of a fit, one method each.

    Every test returns a :class:`~mixwell.diagnostics.record.DiagnosticTest`: statistic, degrees of freedom,
    p-value, what it means and what to keep in mind. ``fit.check()`` runs them all.

    Examples
    --------
    >>> import mixwell as mw
    >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
    >>> print(fit.diagnostics.normality())
    Shapiro-Wilk test of residuals: W = 0.9015, p = 1.4e-09 (n = 180)
      The residuals deviate from a normal distribution (skewness 0.17, excess
      kurtosis 7.68).
      Conditional residuals mix errors and shrunken random effects, which makes
      them look more normal than the errors are.
    """

    design: Design
    fit: Fit
    origin: Origin

    def normality(self, method: NormalityMethod | None = None) -> DiagnosticTest:
        """Normality of the residuals: Shapiro-Wilk up to 5000 rows, else D'Agostino-Pearson."""
        return distribution.residual_normality(self.design, self.fit, method=method)

    def effect_normality(self, method: NormalityMethod | None = None) -> tuple[DiagnosticTest, ...]:
        """Normality of each random effect with at least 3 levels."""
        return distribution.effect_normality(self.design, self.fit, method=method)

    def breusch_pagan(self) -> DiagnosticTest:
        """Residual variance against the predictors (Koenker's form)."""
        return variance.breusch_pagan(self.design, self.fit)

    def white(self, form: WhiteForm | None = None) -> DiagnosticTest:
        """Residual variance against the predictors, their squares and products.

        ``form="mean"`` takes the population means and their squares instead, ``form="fitted"`` the fitted
        values and theirs.
        """
        return variance.white(self.design, self.fit, form=form)

    def levene(self, by: str) -> DiagnosticTest:
        """Residual variance by a grouping factor or categorical variable (Brown-Forsythe)."""
        return variance.levene(self.design, self.fit, by)

    def autocorrelation(
        self,
        by: str | None = None,
        order: str | None = None,
        lags: int | None = None,
        kind: str = "whitened",
    ) -> Autocorrelation:
        """Autocorrelation of residuals within groups, in the order of the data or of a variable."""
        return dependence.autocorrelation(self.design, self.fit, by=by, order=order, lags=lags, kind=kind)

    def ljung_box(
        self,
        by: str | None = None,
        order: str | None = None,
        lags: int | None = None,
        kind: str = "whitened",
    ) -> DiagnosticTest:
        """Ljung and Box's test of :meth:`autocorrelation`."""
        found = self.autocorrelation(by, order, lags, kind)
        return dependence.ljung_box(found, order=order)

    def durbin_watson(
        self, by: str | None = None, order: str | None = None, kind: str = "whitened"
    ) -> DiagnosticTest:
        """Durbin and Watson's statistic within groups."""
        return dependence.durbin_watson(self.autocorrelation(by, order, 1, kind), order=order)

    def reset(self, powers: Sequence[int] = (2, 3)) -> DiagnosticTest:
        """Linearity: powers of the predicted mean added to the fixed part."""
        return mean.reset(self.design, self.fit, powers=powers)

    def curvature(self) -> tuple[DiagnosticTest, ...]:
        """Linearity in each numeric predictor: squares added to the fixed part."""
        return mean.curvature(self.design, self.fit)

    def within_between(self, factor: str | None = None) -> DiagnosticTest:
        """Whether effects differ within and between the levels of a factor (Mundlak's test)."""
        at = 0 if factor is None else mean.factor_index(self.design, factor)
        return mean.within_between(self.design, self.fit, at)

    def omitted_slopes(self) -> tuple[OmittedSlope, ...]:
        """Random slopes that the model lacks, the most needed first."""
        return mean.omitted_slopes(self.design, self.fit)

    def outliers(self, method: Adjustment = "holm", alpha: float = 0.05) -> Outliers:
        """Rows too far from their prediction by the others, adjusted for how many were looked at."""
        _check_alpha(alpha)
        return distribution.row_outliers(self.design, self.fit, self.origin, method=method, alpha=alpha)

    def outlying_groups(
        self, factor: str | None = None, method: Adjustment = "holm", alpha: float = 0.05
    ) -> Outliers:
        """Levels of a factor whose random effects are too far out together."""
        _check_alpha(alpha)
        at = 0 if factor is None else mean.factor_index(self.design, factor)
        return distribution.group_outliers(self.design, self.fit, self.origin, at, method=method, alpha=alpha)

    def quantile_residuals(self, n: int = 250, seed: Seed = 1) -> QuantileResiduals:
        """Randomized quantile residuals: where each response lies among ``n`` simulated ones."""
        return distribution.quantile_residuals(self.design, self.fit, n=n, seed=seed)


def _check_alpha(alpha: float) -> None:
    if isinstance(alpha, bool) or not isinstance(alpha, Real) or not 0 < alpha <= 1:
        raise DataError(f"alpha={alpha!r}; it lies above 0 and is at most 1.")
