"""What was estimated: fixed effects, criteria, random effects, fitted values."""

from __future__ import annotations

import pandas as pd

from mixwell.arguments import checked_methods
from mixwell.data.output import NativeFrame, NativeVector, row_vector, square_frame
from mixwell.fit import convergence, quantities
from mixwell.fit.convergence import Convergence
from mixwell.report import frames
from mixwell.result.base import Fitted


@checked_methods
class Estimates(Fitted):
    """Estimates and criteria, under statsmodels' names."""

    @property
    def formula(self) -> str:
        """The formula as typed."""
        return self.design.formula

    @property
    def reml(self) -> bool:
        """True if fitted by REML, False if by maximum likelihood."""
        return self.fit.reml

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

    @property
    def fittedvalues(self) -> NativeVector:
        """X beta + offset + Z b of the rows used."""
        return row_vector(self._origin, self.fit.fitted, "fitted")

    @property
    def resid(self) -> NativeVector:
        """Response minus fitted values."""
        return row_vector(self._origin, quantities.response_residuals(self.design, self.fit), "resid")
