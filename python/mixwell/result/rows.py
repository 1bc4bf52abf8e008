"""Predictions, new groups, new responses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Self, overload

import numpy as np
from numpy.typing import ArrayLike

from mixwell.arguments import checked_methods, numbers_given
from mixwell.data.output import NativeFrame, NativeVector, row_frame, row_vector
from mixwell.design.record import Design
from mixwell.errors import DataError
from mixwell.fit.solve import solve
from mixwell.inference.degrees_of_freedom import Ddf
from mixwell.lazy import lazy_module
from mixwell.memory import memory_errors
from mixwell.predict import predict_interval, predict_new, predict_rows
from mixwell.result.base import Fitted, FloatArray
from mixwell.result.warn import warn_about
from mixwell.simulate import Seed, simulate

if TYPE_CHECKING:
    from mixwell.report import group_update as updates
else:
    updates = lazy_module("mixwell.report.group_update")


@checked_methods
class Predictions(Fitted):
    """What the fit says of other rows, groups and responses."""

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
            One value per row, missing where a predictor is missing and, with a warning, where the data do not
            determine the mean (an empty cell of factors); with ``interval`` the columns
            ``estimate std_error df conf_low conf_high``.

        Raises
        ------
        NewLevelsError
            If ``newdata`` has unseen levels (named in the message) and ``new_levels="error"``.
        MixwellError
            If an argument does not exist, or ``ddf`` does not apply.

        Warns
        -----
        RankDeficiencyWarning
            If the data do not determine the mean of some rows (numbered in the message).

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
            with memory_errors("the columns of the new data"):
                values, at = predict_new(self.design, self.fit, newdata, random, new_levels)
            return row_vector(at, values, "predicted")
        with memory_errors("intervals of so many rows; predict them in portions"):
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
        ModelError
            If the data do not determine the mean of a row.

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

    def refit(self, y: ArrayLike) -> Self:
        """The same model fitted to another response.

        Parameters
        ----------
        y
            One value per row used, or per row of the data as given (rows that were dropped are ignored); a
            pandas series is matched by its row labels. If the formula transforms the response, ``y`` is on
            the transformed scale.

        Raises
        ------
        DataError
            If the length is wrong, labels are not those of the rows, or a value is missing or infinite.
        """
        values = new_response(self.design, y)
        design = replace(self.design, y=values)
        fit = solve(design, reml=self.fit.reml, start=None, control=self.control)
        warn_about(design, fit)
        return type(self)(design, fit, self.control)


def new_response(design: Design, y: ArrayLike) -> FloatArray:
    """A response for the rows used, from one for those or for all rows given."""
    rows = design.rows
    values = numbers_given(y if rows is None else rows.in_order(y, "refit(): y"), "refit(): y")
    if rows is not None and rows.kept is not None and values.shape == (rows.n_given,):
        values = values[rows.kept]
    if values.shape != (design.n_obs,):
        given = "" if rows is None or rows.kept is None else f" (or {rows.n_given}, for all rows of the data)"
        raise DataError(f"refit() needs {design.n_obs} values{given}; y has shape {values.shape}.")
    if not np.isfinite(values).all():
        raise DataError(f"refit(): y has {int(np.sum(~np.isfinite(values)))} missing or infinite values.")
    return values
