"""Marginal means and trends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from numpy.typing import ArrayLike

from mixwell.arguments import checked_methods
from mixwell.data.output import NativeFrame, noted_frame
from mixwell.inference.degrees_of_freedom import Ddf
from mixwell.lazy import lazy_module
from mixwell.report import frames
from mixwell.result.engine import Engine

if TYPE_CHECKING:
    from mixwell.diagnostics.robust import RobustKind
    from mixwell.inference import emmeans as marginal_means
    from mixwell.inference import joint_tests as simple_effects
else:
    marginal_means = lazy_module("mixwell.inference.emmeans")
    simple_effects = lazy_module("mixwell.inference.joint_tests")


@checked_methods
class MarginalMeans(Engine):
    """Means over a reference grid, and slopes of them."""

    def emmeans(
        self,
        specs: str | Sequence[str],
        by: str | Sequence[str] | None = None,
        at: Mapping[str, object] | None = None,
        weights: Literal["equal", "proportional", "outer", "cells", "flat"] = "equal",
        ddf: Ddf = "satterthwaite",
        level: float = 0.95,
        type: Literal["link", "response"] = "link",
        robust: RobustKind | None = None,
        cluster: str | ArrayLike | None = None,
    ) -> marginal_means.EmMeans:
        """Estimated marginal means, as R's emmeans.

        Means over the reference grid: covariates at their means, all combinations of factor levels; factors
        not asked for are averaged over. Factors are text, categories, booleans, numbers in ``factor()``,
        and numbers of only two values; a number in a condition, ``I(x > 0)``, is a covariate at its mean.
        Calls of ``within``, ``between``, ``lag`` and their like are covariates of their own, named as
        written, ``"within(x, g)"``. A factor each of whose levels occurs with one level of another is
        nested in it and averaged within.

        Parameters
        ----------
        specs
            The variables whose means are wanted: a name, a list, or text like ``"a * b"`` or ``"a | b"``;
            ``"1"`` for the mean of all.
        by
            Variables within whose levels means are compared (simple effects).
        at
            Other values for the grid: ``{"age": [10, 14], "sex": "Male"}``; dates as text, ``"2024-03-01"``.
        weights
            How factors are averaged over: all levels alike, or ``"proportional"`` to the frequencies of their
            combinations, ``"outer"`` (products of frequencies), ``"cells"``, ``"flat"``.
        ddf
            Degrees of freedom, see :meth:`test`.
        level
            Of the intervals.
        type
            ``"response"`` undoes the transformation of the response: means and intervals of
            ``log(y + 1)`` are carried back to y. What can be undone is read from the formula: sums, products
            and ratios with constants, powers, logarithms, ``exp``, ``scale`` and ``center``, inverse
            trigonometric and hyperbolic functions, and any of these inside one another. Standard errors are
            those of the delta method. An interval is cut off where the transformation has no values (a
            square root, below 0), and a mean there has no number, which a note says. Contrasts of logs
            become ratios of what the log is of (here y + 1), those of ``scale(y)`` differences of y; those
            of other transformations stay on the scale of the model.
        robust, cluster
            Cluster-robust standard errors and degrees of freedom in place of ``ddf``, see :meth:`test`.

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
        method, title = self._method(ddf, robust, cluster)
        return marginal_means.emmeans(
            self.design,
            self.fit,
            self._origin,
            specs,
            by=by,
            at=at,
            weights=weights,
            method=method,
            title=title,
            level=level,
            type_=type,
        )

    def joint_tests(
        self,
        by: str | Sequence[str] | None = None,
        at: Mapping[str, object] | None = None,
        ddf: Ddf = "satterthwaite",
        robust: RobustKind | None = None,
        cluster: str | ArrayLike | None = None,
    ) -> NativeFrame:
        """F tests of factors and interactions among the marginal means: simple effects, as R's joint_tests.

        Unlike in :meth:`anova`, covariates are at their means (or where ``at`` puts them), and with ``by``
        the tests are within each level of other variables. Interactions that the model does not have are left
        out; a note of the frame names what the data determine in part only.

        Parameters
        ----------
        by
            Variables within whose levels the others are tested.
        at, ddf, robust, cluster
            As in :meth:`emmeans`. Degrees of freedom are those of the same hypothesis in :meth:`test`; R's
            emmeans takes the smallest of single contrasts.

        Returns
        -------
        frame
            ``term``, the by variables, ``num_df den_df f_value p_value``.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("weight ~ Treatment * sex + Lsize + (1 | Litter)", mw.datasets.load_ratpups())
        >>> print(fit.joint_tests(by="sex").round(4).to_string())
                term     sex  num_df   den_df  f_value  p_value
        0  Treatment    Male       2  30.2690  11.8373   0.0002
        1  Treatment  Female       2  31.2783   8.6905   0.0010
        """
        method, title = self._method(ddf, robust, cluster)
        lines = simple_effects.joint_tests(self.design, self.fit, method, by=by, at=at)
        tests = [(line.term, line.within, line.test) for line in lines if line.test is not None]
        names = marginal_means.listed_names(by, self.design.variables)
        return noted_frame(
            self._origin,
            {
                "term": [term for term, _, _ in tests],
                **{name: [within[i] for _, within, _ in tests] for i, name in enumerate(names)},
                "num_df": [test.num_df for _, _, test in tests],
                "den_df": [test.den_df for _, _, test in tests],
                "f_value": [test.f_value for _, _, test in tests],
                "p_value": [test.p_value for _, _, test in tests],
            },
            " ".join([frames.method_note(title), simple_effects.partly_estimable(lines)]).rstrip(),
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
        robust: RobustKind | None = None,
        cluster: str | ArrayLike | None = None,
    ) -> marginal_means.EmMeans:
        """Slopes of the mean along a numeric variable, for each level of factors; else as :meth:`emmeans`.

        Of a curve, ``emtrends("x", "x", at={"x": [1, 5]})`` gives the slopes at several points.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("distance ~ age * Sex + (age | Subject)", mw.datasets.load_orthodont())
        >>> fit.emtrends("age", "Sex").frame.iloc[:, :4].round(3)
              Sex  estimate  std_error    df
        0    Male     0.784      0.086  25.0
        1  Female     0.480      0.104  25.0
        """
        method, title = self._method(ddf, robust, cluster)
        return marginal_means.emmeans(
            self.design,
            self.fit,
            self._origin,
            specs,
            by=by,
            at=at,
            weights=weights,
            method=method,
            title=title,
            level=level,
            slope_of=var,
        )
