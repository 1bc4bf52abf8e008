"""Random effects under test; shares of variance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from mixwell.arguments import check_one_of, checked_methods
from mixwell.data.output import NativeFrame
from mixwell.lazy import lazy_module
from mixwell.result.inference import Inference
from mixwell.simulate import Seed

if TYPE_CHECKING:
    from mixwell.inference import bootstrap as resampling
    from mixwell.inference import icc_r2, lrt, null_ratio, vif
else:
    resampling = lazy_module("mixwell.inference.bootstrap")
    icc_r2 = lazy_module("mixwell.inference.icc_r2")
    lrt = lazy_module("mixwell.inference.lrt")
    null_ratio = lazy_module("mixwell.inference.null_ratio")
    vif = lazy_module("mixwell.inference.vif")


@checked_methods
class Variances(Inference):
    """Tests of variances, and what share of the variance they are."""

    def ranova(
        self,
        method: Literal["mixture", "bootstrap", "exact"] = "mixture",
        n: int | None = None,
        seed: Seed = None,
        reduce_terms: bool = True,
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
            one variance (Crainiceanu & Ruppert 2004); where other random effects remain, for REML fits, that
            of the model without them (Greven et al. 2008), good if they are crossed with the one tested.
        n
            Draws for ``"bootstrap"`` (1000) and ``"exact"`` (10000).
        seed
            A whole number for reproducible draws.
        reduce_terms
            False removes every term as a whole: all its variances and covariances are tested at once.

        Returns
        -------
        frame
            ``term npar llf aic lrt df p_naive p_value``; the first row is the whole model. pandas frames say
            in the attribute ``note``, printed below, how ``p_value`` was found.

        Raises
        ------
        ModelError
            If ``method="exact"`` and a variance has covariances, or an ML fit has further random effects.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy())
        >>> fit.ranova()[["term", "npar", "lrt", "df"]].round(3)
                               term  npar     lrt   df
        0                    <none>     6     NaN  NaN
        1  Days in (Days | Subject)     4  42.837  2.0
        >>> fit.ranova(reduce_terms=False)[["term", "npar", "lrt", "df"]].round(2)
                       term  npar     lrt   df
        0            <none>     6     NaN  NaN
        1  (Days | Subject)     3  150.04  3.0
        """
        null = null_ratio.null_distribution(method, n, seed)
        tests = lrt.term_tests(
            self.design, self.fit, null=null, reduce_terms=reduce_terms, control=self.control
        )
        return lrt.table(self.fit, tests, null, self._origin)

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
            ``"profile"``: where the profiled criterion of the fit (REML or ML) crosses the quantile of
            chi-square, of ``adjusted`` and ``by_factor``; an end at 0 is not excluded by the data.
            ``"bootstrap"``: parametric, percentile, of all three; with few groups a little short.
        level, n, seed
            Confidence level; draws and seed of the bootstrap.

        Returns
        -------
        Icc
            ``.adjusted .conditional .by_factor``, with ``.interval .conditional_interval
            .by_factor_interval`` and ``.conf_low``, ``.conf_high`` of the adjusted one.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("Reaction ~ Days + (1 | Subject)", mw.datasets.load_sleepstudy())
        >>> print(fit.icc(interval="profile"))
        ICC adjusted     0.5893  [0.4128, 0.7654]
        ICC conditional  0.4244
        >>> fit = mw.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", mw.datasets.load_penicillin())
        >>> print(fit.icc(interval="profile"))
        ICC adjusted     0.9363  [0.8609, 0.9842]
        ICC conditional  0.9363
          plate          0.1509  [0.0349, 0.3602]
          sample         0.7854  [0.5357, 0.9480]
        """
        if interval is None:
            return icc_r2.icc(self.design, self.fit)
        if interval == "profile":
            return icc_r2.icc_with_profile(self.design, self.fit, level)
        check_one_of("interval", interval, ("profile", "bootstrap"))
        return icc_r2.icc_with_bootstrap(self.design, self.fit, *self._share_ends(level, n, seed))

    def r2(
        self,
        interval: Literal["bootstrap"] | None = None,
        level: float = 0.95,
        n: int = 1000,
        seed: Seed = None,
    ) -> icc_r2.R2:
        """R squared of Nakagawa & Schielzeth (2013): ``marginal`` (fixed effects), ``conditional`` (all).

        Random slopes as Johnson (2014).

        Parameters
        ----------
        interval
            ``"bootstrap"`` adds ``marginal_interval`` and ``conditional_interval``: parametric, percentile.
        level, n, seed
            Confidence level; draws and seed of the bootstrap.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("Reaction ~ Days + (1 | Subject)", mw.datasets.load_sleepstudy())
        >>> print(fit.r2())
        R2 marginal     0.2799
        R2 conditional  0.7043
        >>> print(fit.r2(interval="bootstrap", seed=1))
        R2 marginal     0.2799  [0.1854, 0.3960]
        R2 conditional  0.7043  [0.5872, 0.7931]
        """
        if interval is None:
            return icc_r2.r2(self.design, self.fit)
        check_one_of("interval", interval, ("bootstrap",))
        return icc_r2.r2_with_bootstrap(self.design, self.fit, *self._share_ends(level, n, seed))

    def _share_ends(self, level: float, n: int, seed: Seed) -> tuple[list[tuple[float, float]], str]:
        """Intervals by bootstrap, and what they leave out."""
        boot = resampling.bootstrap(
            self.design,
            self.fit,
            self._origin,
            n=n,
            statistic=icc_r2.share_quantities(self.design, self.fit),
            kind="parametric",
            groups=None,
            seed=seed,
            ci="percentile",
            progress=True,
            control=self.control,
        )
        return boot.interval(level), boot.note

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
        >>> round(float(fit.reliability()["Batch"]["(Intercept)"].iloc[0]), 3)
        0.783
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
