"""Summary, tables, report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mixwell.arguments import checked_methods
from mixwell.data.columns import Column, Factor
from mixwell.data.instants import Instants
from mixwell.data.output import NativeFrame, row_frame
from mixwell.errors import DataError, MixwellError
from mixwell.fit import convergence, quantities
from mixwell.inference.degrees_of_freedom import Ddf
from mixwell.lazy import lazy_module
from mixwell.report import frames
from mixwell.report.summary import Summary, summarize
from mixwell.result.inference import Inference

if TYPE_CHECKING:
    from docx.document import Document as WordDocument

    from mixwell.diagnostics.robust import RobustKind
    from mixwell.report import document, formats, tables
    from mixwell.report.words import Lang
else:
    document = lazy_module("mixwell.report.document")
    tables = lazy_module("mixwell.report.tables")


@checked_methods
class Telling(Inference):
    """The result in text, tables and pages."""

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
        method, title = self._method(ddf, robust, cluster)
        return summarize(self.design, self.fit, method, title)

    def table(
        self,
        fmt: formats.TableFormat = "text",
        *,
        level: float = 0.95,
        stars: bool = False,
        ddf: Ddf = "satterthwaite",
        robust: RobustKind | None = None,
        cluster: str | ArrayLike | None = None,
        lang: Lang = "en",
        path: str | Path | None = None,
    ) -> formats.RenderedTable | WordDocument:
        """A table of the results to hand on; :func:`mixwell.table` sets several models side by side.

        Parameters
        ----------
        fmt
            ``"text"``, ``"html"``, ``"latex"`` (booktabs), ``"markdown"``, or ``"docx"`` (needs python-docx).
        level, ddf
            Of the intervals, see :meth:`test`.
        stars
            Mark small p-values.
        robust, cluster
            Cluster-robust standard errors and their degrees of freedom instead, see :meth:`vcov_robust`.
        lang
            ``"en"`` or ``"zh"``.
        path
            A file to write.

        Returns
        -------
        str or docx.document.Document
            The text, which notebooks show as HTML; for ``"docx"`` the document.
        """
        return tables.model_table(
            self.design,
            self.fit,
            fmt,
            level=level,
            stars=stars,
            ddf=ddf,
            robust=robust,
            cluster=cluster,
            lang=lang,
            path=path,
        )

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
        target = None if path is None else document.report_path(path)
        made = document.make_report(
            self.design, self.fit, self._origin, lang=lang, source=source, control=self.control, labels=labels
        )
        if target is not None:
            made.save(target)
        return made

    def tidy(
        self,
        effects: Literal["fixed", "ran_pars", "ran_vals"] = "fixed",
        conf_int: bool = False,
        level: float = 0.95,
        ddf: Ddf = "satterthwaite",
        robust: RobustKind | None = None,
        cluster: str | ArrayLike | None = None,
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
        robust, cluster
            Cluster-robust standard errors of the fixed effects in place of ``ddf``, see :meth:`vcov_robust`.

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
            tests, title = self._coefficient_tests(ddf, robust, cluster)
            return frames.tidy_tests("term", names, tests, self._origin, level=wanted, title=title)
        if robust is not None or cluster is not None:
            raise MixwellError(f"robust= and cluster= are for effects='fixed', not for effects={effects!r}.")
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


def column_values(column: Column) -> NDArray[np.generic]:
    """The values of a column, factors as their labels."""
    if isinstance(column, Instants):
        return column.values.astype("datetime64[us]")
    return column.levels[column.codes] if isinstance(column, Factor) else column.values.copy()
