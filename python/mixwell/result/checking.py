"""Residuals, influence, checks of the assumptions, pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from mixwell.arguments import checked_methods
from mixwell.data.output import NativeFrame, NativeVector, row_frame, row_vector
from mixwell.lazy import lazy_module
from mixwell.result.base import Fitted
from mixwell.simulate import Seed

if TYPE_CHECKING:
    from mixwell.diagnostics import access, checks, comparison
    from mixwell.diagnostics import influence as deletion
    from mixwell.diagnostics import residuals as residual_kinds
    from mixwell.diagnostics.residuals import ResidualKind
    from mixwell.plots import accessor as pictures
else:
    access = lazy_module("mixwell.diagnostics.access")
    checks = lazy_module("mixwell.diagnostics.checks")
    comparison = lazy_module("mixwell.diagnostics.comparison")
    deletion = lazy_module("mixwell.diagnostics.influence")
    residual_kinds = lazy_module("mixwell.diagnostics.residuals")
    pictures = lazy_module("mixwell.plots.accessor")


@checked_methods
class Checking(Fitted):
    """Whether the model holds, in numbers and pictures."""

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
            of labels, one per row used; a pandas series is matched by its row labels.
        refit
            True estimates all parameters again for each deletion, from a warm start. False holds the variance
            parameters at their estimates from all rows, which is exact for them known and needs no refit
            (Christensen, Pearson & Johnson 1992). None refits where that takes less than about five seconds
            of one core; what was done is in the result.

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
