"""Estimated marginal means, their contrasts, and slopes."""

from __future__ import annotations

import html
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations
from math import gcd, lcm

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mixwell.arguments import check_level, check_one_of, checked_methods
from mixwell.data.columns import Numbers
from mixwell.data.frame import near
from mixwell.data.labelled import by_names
from mixwell.data.output import NativeFrame, Origin, frame
from mixwell.design.record import Design
from mixwell.design.response import ResponseTransform
from mixwell.errors import DataError, MixwellError, ModelError
from mixwell.fit.record import Fit
from mixwell.inference.adjust import Family, Side, adjusted_p, check_method, critical_values
from mixwell.inference.contrast import Approximation, RowTests, row_tests, t_quantile
from mixwell.inference.estimable import TOLERANCE, aliasing, open_part, without_rounding
from mixwell.inference.grid import Grid, averaged, reference_grid
from mixwell.text import WIDTH, with_notes

FloatArray = NDArray[np.float64]

CONTRASTS = (
    "pairwise", "revpairwise", "trt.vs.ctrl", "consec", "mean_chg", "eff", "del.eff", "poly"
)  # fmt: skip
# What emmeans adjusts by unless told otherwise.
DEFAULT_ADJUST = {
    "pairwise": "tukey",
    "revpairwise": "tukey",
    "trt.vs.ctrl": "dunnett",
    "eff": "fdr",
    "del.eff": "fdr",
    "consec": "mvt",
    "mean_chg": "mvt",
}
# Steps of slopes, as part of the variable's range.
STEP = 1e-4
# Weights are written by hand: so near to 1 their sum counts as 1.
ROUNDED = 1e-12
# What stands for no factor at all.
OVERALL = "1"


@dataclass(frozen=True, slots=True)
class Means:
    """Linear combinations of the fixed effects with labels: what frames and contrasts are made from.

    Attributes
    ----------
    labels
        Column -> m values that say which combination a row is.
    by
        Columns of ``labels`` that divide the rows into families.
    rows
        Shape (m, rank), over the estimable coefficients.
    offset
        Length m, added to the estimates.
    open
        Shape (m, aliased): what of each row the data leave open, see
        :func:`mixwell.inference.estimable.open_part`.
    """

    labels: Mapping[str, Sequence[object]]
    by: tuple[str, ...]
    rows: FloatArray
    offset: FloatArray
    open: FloatArray

    @property
    def known(self) -> NDArray[np.bool_]:
        """Length m: whether the data determine the row."""
        return np.asarray(~self.open.any(axis=1))

    def families(self) -> list[NDArray[np.intp]]:
        """Positions of the rows of each combination of the ``by`` columns, in order."""
        keys = list(zip(*(self.labels[name] for name in self.by), strict=True)) if self.by else []
        if not keys:
            return [np.arange(len(self.rows))]
        return [
            np.array([i for i, key in enumerate(keys) if key == wanted]) for wanted in dict.fromkeys(keys)
        ]


@dataclass(frozen=True, slots=True)
class Basis:
    """What all tables of one call share: estimates, engine, and how results are shown.

    Attributes
    ----------
    beta
        The estimable coefficients.
    method
        Covariance and degrees of freedom.
    level
        Of the intervals.
    transform
        To undo in the tables; None shows the scale of the model.
    origin
        Kind of the frames.
    notes
        Sentences on what was averaged and how.
    """

    beta: FloatArray
    method: Approximation
    level: float
    transform: ResponseTransform | None
    origin: Origin
    notes: tuple[str, ...]


def _tests(basis: Basis, means: Means, null: float = 0.0) -> RowTests:
    """Tests of the rows against ``null``; NaN where they are not estimable, zero contrasts included."""
    m = len(means.rows)
    columns = [np.full(m, np.nan) for _ in range(6)]
    usable = means.known & means.rows.any(axis=1)
    if usable.any():
        offset = means.offset[usable]
        at = row_tests(basis.method, basis.beta, means.rows[usable], null - offset)
        estimate = at.estimate + offset
        found = (estimate, np.full(len(estimate), null), at.std_error, at.df, at.statistic, at.p_value)
        for column, values in zip(columns, found, strict=True):
            column[usable] = values
    return RowTests(*columns)


def _carried_back(
    transform: ResponseTransform | None,
    estimate: FloatArray,
    std_error: FloatArray,
    low: FloatArray,
    high: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Estimates, their standard errors by the delta method, and intervals, with the transformation undone."""
    if transform is None:
        return estimate, std_error, low, high
    value = transform.inverse(estimate)
    slope = np.where(np.isnan(value), np.nan, np.abs(transform.derivative(estimate)))
    return value, slope * std_error, *transform.interval(low, high)


def _shown(names: Sequence[object]) -> str:
    return ", ".join(str(name) for name in names)


def _named(means: Means, rows: NDArray[np.intp]) -> str:
    """The labels of some rows, of the first five at most."""
    cells = [_shown([values[i] for values in means.labels.values()]) for i in rows[:5]]
    return "; ".join(cells) + (f" and {len(rows) - 5} more" if len(rows) > 5 else "")


def _beyond(means: Means, basis: Basis) -> tuple[str, ...]:
    """A sentence on rows that are outside of what the transformation leads to, if there are any."""
    transform = basis.transform
    if transform is None:
        return ()
    carried = transform.inverse(means.rows @ basis.beta + means.offset)
    rows = np.flatnonzero(means.known & np.isnan(carried))
    if not len(rows):
        return ()
    return (
        f"Outside of the values that {transform.name} can have, so not carried back to "
        f"{transform.quantity}: {_named(means, rows)}.",
    )


@checked_methods
@dataclass(frozen=True, slots=True, repr=False)
class EmMeans:
    """Estimated marginal means (or slopes); ``frame`` is the table.

    Attributes
    ----------
    means
        The combinations of fixed effects behind the rows.
    basis
        What tables are made with.
    factors
        The columns that tell the means of a family apart.
    """

    means: Means
    basis: Basis
    factors: tuple[str, ...]

    @property
    def frame(self) -> NativeFrame:
        """The variables, then ``estimate std_error df conf_low conf_high``.

        A mean that the data do not determine (an empty cell) has no numbers; the notes name it.
        """
        tests = _tests(self.basis, self.means)
        half = _quantiles(tests.df, self.basis.level) * tests.std_error
        estimate, std_error, low, high = _carried_back(
            self.basis.transform,
            tests.estimate,
            tests.std_error,
            tests.estimate - half,
            tests.estimate + half,
        )
        return frame(
            self.basis.origin,
            {
                **{name: list(values) for name, values in self.means.labels.items()},
                "estimate": estimate,
                "std_error": std_error,
                "df": tests.df,
                "conf_low": low,
                "conf_high": high,
            },
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What was averaged over, the degrees of freedom, and which rows have no numbers, and why."""
        notes = list(self.basis.notes)
        lost = np.flatnonzero(~self.means.known)
        if len(lost):
            cells = _named(self.means, lost)
            notes.append(f"Not estimable, since the data have no such combination: {cells}.")
        return (*notes, *_beyond(self.means, self.basis))

    def contrast(
        self,
        method: str | Mapping[str, ArrayLike] = "pairwise",
        adjust: str | None = "default",
        by: str | Sequence[str] | None = None,
        ref: int | str = 0,
        *,
        interaction: str | Sequence[str] | None = None,
        null: float = 0.0,
        side: Side = "two-sided",
    ) -> Contrasts:
        """Compare the means, within each combination of the ``by`` variables.

        Parameters
        ----------
        method
            ``"pairwise"``, ``"revpairwise"`` (later minus earlier); ``"trt.vs.ctrl"``: each with the
            reference; ``"consec"``: each with the one before; ``"mean_chg"``: the average of the later means
            with that of the earlier ones, at each change; ``"eff"``: each with the average of all;
            ``"del.eff"``: with the average of the others; ``"poly"``: orthogonal polynomials over equal
            steps; or name -> weights, one for each mean (a series is matched by its labels).
        adjust
            P-values and intervals for a family of comparisons: ``"tukey"`` (pairs), ``"dunnett"`` and
            ``"mvt"`` (multivariate t), ``"scheffe"`` (all contrasts), ``"sidak"``, ``"bonferroni"``,
            ``"holm"``, ``"hochberg"``, ``"hommel"``, ``"fdr"`` (Benjamini & Hochberg), None. By default as
            R's emmeans: Tukey for pairs, Dunnett for references, mvt for changes, fdr for effects, else none.
            Stepwise methods and fdr have Bonferroni's intervals.
        by
            Compare within these variables instead of those given to ``emmeans``.
        ref
            For ``"trt.vs.ctrl"``: label or position of the reference.
        interaction
            A family of contrasts, or one for each factor: contrasts of contrasts instead of ``method``.
        null
            The value tested against; for ratios its logarithm, on the scale of the model.
        side
            ``"less"`` and ``"greater"`` are one-sided: p-values, and intervals with one end infinite.

        Examples
        --------
        >>> import mixwell as mw
        >>> fit = mw.lmer("score ~ Machine + (1 | Worker)", mw.datasets.load_machines())
        >>> fit.emmeans("Machine").contrast("trt.vs.ctrl").frame.iloc[:, :4].round(3)
          contrast  estimate  std_error    df
        0    B - A     7.967      1.054  46.0
        1    C - A    13.917      1.054  46.0
        """
        means = self.means
        factors = self.factors
        if by is not None:
            chosen = listed_names(by, means.labels)
            for name in chosen:
                if name not in means.labels:
                    raise DataError(f"by: {name!r} is not among the means{near(name, means.labels)}")
            factors = tuple(name for name in means.labels if name not in chosen)
            means = replace(means, by=chosen)
        if not isinstance(method, str | Mapping):
            raise MixwellError(f"A contrast is the name of a family or a dict of weights, not {method!r}.")
        if not isinstance(null, int | float | np.number) or not np.isfinite(null):
            raise MixwellError(f"null is a number, not {null!r}.")
        name = "custom" if interaction is not None or not isinstance(method, str) else method
        if adjust == "default":
            adjust = DEFAULT_ADJUST.get(name) if side == "two-sided" else None
        check_method(adjust, pairwise=name in ("pairwise", "revpairwise"), side=side)
        ratio = self.basis.transform is not None and bool(self.basis.transform.logged)
        texts: list[str] = []
        rows: list[FloatArray] = []
        offsets: list[float] = []
        left_open: list[FloatArray] = []
        labels: dict[str, list[object]] = {by_name: [] for by_name in means.by}
        sizes: list[int] = []
        sums: list[float] = []
        for family in means.families():
            if interaction is None:
                names = [" ".join(str(means.labels[f][i]) for f in factors) for i in family]
                found = contrast_weights(method, names, ref, ratio=ratio)
            else:
                found = _interaction_weights(interaction, means, factors, family, ref, ratio=ratio)
            for text, weights in found:
                texts.append(text)
                rows.append(
                    without_rounding(
                        weights @ means.rows[family], np.abs(weights) @ np.abs(means.rows[family])
                    )
                )
                offsets.append(float(weights @ means.offset[family]))
                # Of means that are not estimable, differences may be.
                left_open.append(
                    without_rounding(
                        weights @ means.open[family], np.abs(weights) @ np.abs(means.open[family]), TOLERANCE
                    )
                )
                sizes.append(len(family))
                sums.append(float(weights.sum()))
                for by_name in means.by:
                    labels[by_name].append(means.labels[by_name][family[0]])
        for text, row, left in zip(texts, rows, left_open, strict=True):
            if not row.any() and not left.any():
                raise MixwellError(
                    f"The contrast {text!r} is zero whatever the estimates: the weights are zero, or the "
                    "model has no term that could make a difference."
                )
        contrasts = Means(
            {"contrast": texts, **labels}, means.by, np.array(rows), np.array(offsets), np.array(left_open)
        )
        basis = self.basis
        if basis.transform is not None:
            basis, shift = _of_combinations(basis, basis.transform, np.array(sums))
            contrasts = replace(contrasts, offset=contrasts.offset - shift * np.array(sums))
        return Contrasts(contrasts, basis, adjust, tuple(sizes), float(null), side)

    def __repr__(self) -> str:
        return _page(self.frame, self.notes)

    def _repr_html_(self) -> str:
        return _html(self.frame, self.notes)


def _of_combinations(basis: Basis, transform: ResponseTransform, sums: FloatArray) -> tuple[Basis, float]:
    """What tables of contrasts are made with, and what to take off for each unit of the sums of weights."""
    if np.allclose(sums, 1.0, rtol=0.0, atol=ROUNDED):
        # Means of means, which are carried back as they are.
        return basis, 0.0
    undone = transform.differences()
    comparisons = np.allclose(sums, 0.0, rtol=0.0, atol=ROUNDED)
    if undone is not None and (comparisons or transform.is_linear):
        note = (
            f"Contrasts are ratios of {undone.quantity}, tested on the scale of {transform.name}."
            if transform.logged
            else f"Contrasts are differences of {undone.quantity}."
        )
        return replace(basis, transform=undone, notes=(*basis.notes, note)), transform.shift
    why = (
        f"differences on it have no counterpart in {transform.quantity}"
        if undone is None
        else "only weights that add to 0 compare, and only those that add to 1 are means"
    )
    note = f"Contrasts are on the scale of {transform.name}: {why}."
    return replace(basis, transform=None, notes=(*basis.notes, note)), 0.0


def _quantiles(df: FloatArray, level: float) -> FloatArray:
    return np.where(np.isnan(df), np.nan, t_quantile(level, np.where(np.isnan(df), 1.0, df)))


@checked_methods
@dataclass(frozen=True, slots=True, repr=False)
class Contrasts:
    """Comparisons of marginal means; ``frame`` is the table.

    Attributes
    ----------
    means
        The contrasts as combinations of the fixed effects.
    basis
        What tables are made with.
    adjust
        How p-values and intervals allow for several comparisons.
    sizes
        For each contrast, how many means its family compares.
    null, side
        What is tested: the value, and whether both directions count.
    """

    means: Means
    basis: Basis
    adjust: str | None
    sizes: tuple[int, ...]
    null: float = 0.0
    side: Side = "two-sided"

    @property
    def frame(self) -> NativeFrame:
        """``contrast``, the by variables, ``estimate std_error df statistic p_value conf_low conf_high``.

        With the response carried back, differences of logarithms are ratios of what the logarithm is of;
        contrasts are tested on the scale of the model.
        """
        tests = _tests(self.basis, self.means, self.null)
        p_value, critical = np.full(len(self.sizes), np.nan), np.full(len(self.sizes), np.nan)
        for family in self.means.families():
            at = family[~np.isnan(tests.df[family])]
            if not len(at):
                continue
            rows = self.means.rows[at]
            covariance = rows @ self.basis.method.vcov @ rows.T
            many = Family(
                tests.df[at],
                covariance / np.outer(tests.std_error[at], tests.std_error[at]),
                self.sizes[int(family[0])],
                self.side,
            )
            p_value[at] = adjusted_p(self.adjust, tests.statistic[at], many)
            critical[at] = critical_values(self.adjust, self.basis.level, many)
        half = critical * tests.std_error
        estimate, low, high = tests.estimate, tests.estimate - half, tests.estimate + half
        if self.side != "two-sided":
            (low if self.side == "less" else high)[~np.isnan(half)] = (
                -np.inf if self.side == "less" else np.inf
            )
        estimate, std_error, low, high = _carried_back(
            self.basis.transform, estimate, tests.std_error, low, high
        )
        return frame(
            self.basis.origin,
            {
                **{name: list(values) for name, values in self.means.labels.items()},
                "estimate": estimate,
                "std_error": std_error,
                "df": tests.df,
                "statistic": tests.statistic,
                "p_value": p_value,
                "conf_low": low,
                "conf_high": high,
            },
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """Degrees of freedom, averaging and adjustment, in sentences."""
        notes = list(self.basis.notes)
        if self.null:
            transform = self.basis.transform
            scale = "" if transform is None else f" on the scale of {transform.name}"
            notes.append(f"Tested against {self.null:g}{scale}.")
        if self.side != "two-sided":
            notes.append(f"P-values and intervals are one-sided: is the contrast {self.side}?")
        if self.adjust is not None:
            notes.append(f"P-values and intervals adjusted by the {self.adjust} method.")
        return (*notes, *_beyond(self.means, self.basis))

    def __repr__(self) -> str:
        return _page(self.frame, self.notes)

    def _repr_html_(self) -> str:
        return _html(self.frame, self.notes)


# Heads of printed tables, which must be narrow; frames have the whole names.
HEADS = {"std_error": "SE", "statistic": "t", "p_value": "p", "conf_low": "low", "conf_high": "high"}


def _cells(table: NativeFrame) -> dict[str, list[str]]:
    """Columns of a table as text: estimates to three digits of the smallest standard error."""
    columns = {str(name): list(table[name]) for name in table.columns}
    errors = [value for value in columns["std_error"] if np.isfinite(value) and value > 0]
    digits = min(max(2 - int(np.floor(np.log10(min(errors)))), 0), 9) if errors else 3
    largest = max((abs(value) for value in columns["estimate"] if np.isfinite(value)), default=0.0)

    def text(name: str, value: object, df: float) -> str:
        if not isinstance(value, float) or name not in (*HEADS, "estimate", "df"):
            return f"{value:.6g}" if isinstance(value, float) else str(value)
        if np.isnan(value):
            return "nonEst" if np.isnan(df) else "outside"
        if np.isinf(value):
            return "Inf" if value > 0 else "-Inf"
        if name == "p_value":
            return f"{value:.4f}" if value >= 1e-4 else f"{value:.1e}" if value > 0 else "<1e-307"
        if name in ("df", "statistic"):
            return f"{value:.{1 if name == 'df' else 2}f}"
        return f"{value:.4g}" if largest >= 1e7 or digits == 9 else f"{value:.{digits}f}"

    return {
        HEADS.get(name, name): [text(name, v, df) for v, df in zip(column, columns["df"], strict=True)]
        for name, column in columns.items()
    }


def _page(table: NativeFrame, notes: Sequence[str]) -> str:
    """A table and remarks in at most 79 columns; where the table is wider, it goes on below."""
    shown = pd.DataFrame(_cells(table)).to_string(index=False, line_width=WIDTH)
    lines = [line.rstrip(" \\") for line in shown.splitlines()]
    return with_notes("\n".join(lines), notes)


def _html(table: NativeFrame, notes: Sequence[str]) -> str:
    """The same for notebooks."""
    body = pd.DataFrame(_cells(table)).to_html(index=False, border=0)
    return body + "".join(f"<p>{html.escape(note)}</p>" for note in notes)


# ---- weights of contrasts


def contrast_weights(
    method: str | Mapping[str, ArrayLike], names: Sequence[str], ref: int | str = 0, *, ratio: bool = False
) -> list[tuple[str, FloatArray]]:
    """Names and weights of a family of contrasts among means.

    Raises
    ------
    MixwellError
        When there is no such family, or weights do not match the means.

    Examples
    --------
    >>> [(name, w.tolist()) for name, w in contrast_weights("consec", ["a", "b", "c"])]
    [('b - a', [-1.0, 1.0, 0.0]), ('c - b', [0.0, -1.0, 1.0])]
    """
    n = len(names)
    unit = np.eye(n)
    sign = " / " if ratio else " - "
    if not isinstance(method, str):
        found = []
        if not method:
            raise MixwellError("The dict of contrasts is empty.")
        for name, given in method.items():
            ordered = by_names(given, names, f"The contrast {name!r}")
            try:
                weights = np.asarray(ordered, dtype=np.float64)
            except (TypeError, ValueError):
                weights = np.full(n, np.nan)
            if weights.shape != (n,) or not np.isfinite(weights).all():
                raise MixwellError(
                    f"The contrast {name!r} is {given!r}; it needs a number for each of the {n} means: "
                    f"{', '.join(names)}."
                )
            found.append((str(name), weights))
        return found
    if method not in CONTRASTS:
        raise MixwellError(
            f"There is no contrast {method!r}; there are {', '.join(map(repr, CONTRASTS))}, "
            "or a dict of weights."
        )
    if n < 2:
        raise MixwellError(f"There is only one mean, {names[0]!r}: nothing to compare.")
    if method == "pairwise":
        return [(names[i] + sign + names[j], unit[i] - unit[j]) for i, j in combinations(range(n), 2)]
    if method == "revpairwise":
        return [(names[i] + sign + names[j], unit[i] - unit[j]) for i in range(n) for j in range(i)]
    if method == "consec":
        return [(names[i + 1] + sign + names[i], unit[i + 1] - unit[i]) for i in range(n - 1)]
    if method == "trt.vs.ctrl":
        if isinstance(ref, str):
            if ref not in names:
                raise MixwellError(f"ref={ref!r} is not among the means{near(ref, names)}")
            ref = names.index(ref)
        if not isinstance(ref, int | np.integer) or not -n <= ref < n:
            raise MixwellError(f"ref={ref} does not exist; there are {n} means, 0 is the first.")
        ref %= n
        return [(names[i] + sign + names[ref], unit[i] - unit[ref]) for i in range(n) if i != ref]
    if method == "eff":
        return [(f"{names[i]} effect", unit[i] - 1 / n) for i in range(n)]
    if method == "del.eff":
        return [(f"{names[i]} effect", (n * unit[i] - 1) / (n - 1)) for i in range(n)]
    if method == "mean_chg":
        later = [np.arange(n) > i for i in range(n - 1)]
        return [
            (f"{names[i]}|{names[i + 1]}", at / at.sum() - ~at / (~at).sum()) for i, at in enumerate(later)
        ]
    titles = ("linear", "quadratic", "cubic", "quartic")
    return [
        (titles[d - 1] if d <= len(titles) else f"degree {d}", polynomial(n, d)) for d in range(1, min(n, 7))
    ]


def _interaction_weights(
    interaction: str | Sequence[str],
    means: Means,
    factors: tuple[str, ...],
    family: NDArray[np.intp],
    ref: int | str,
    *,
    ratio: bool,
) -> list[tuple[str, FloatArray]]:
    """Products of a contrast of each factor's levels; those of the first factor vary fastest."""
    methods = (interaction,) * len(factors) if isinstance(interaction, str) else tuple(interaction)
    if len(methods) != len(factors):
        raise MixwellError(
            f"interaction has {len(methods)} families of contrasts for {len(factors)} factors: "
            f"{', '.join(factors)}."
        )
    found: list[tuple[str, FloatArray]] = [("", np.ones(len(family)))]
    for factor, method in zip(reversed(factors), reversed(methods), strict=True):
        values = [means.labels[factor][i] for i in family]
        levels = list(dict.fromkeys(values))
        own = contrast_weights(method, [str(level) for level in levels], ref, ratio=ratio)
        at = np.array([levels.index(value) for value in values])
        found = [
            (f"{text}, {rest}".removesuffix(", "), weights[at] * others)
            for rest, others in found
            for text, weights in own
        ]
    return found


def _dot(a: list[Fraction], b: list[Fraction]) -> Fraction:
    return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))


def polynomial(n: int, degree: int) -> FloatArray:
    """Orthogonal polynomial over n equal steps, in the smallest whole numbers.

    >>> polynomial(4, 1).tolist(), polynomial(5, 3).tolist()
    ([-3.0, -1.0, 1.0, 3.0], [-1.0, 2.0, 0.0, -2.0, 1.0])
    """
    basis: list[list[Fraction]] = []
    for d in range(degree + 1):
        column = [Fraction(i) ** d for i in range(n)]
        for earlier in basis:
            share = _dot(column, earlier) / _dot(earlier, earlier)
            column = [a - share * b for a, b in zip(column, earlier, strict=True)]
        basis.append(column)
    scale = lcm(*(value.denominator for value in basis[-1]))
    whole = [int(value * scale) for value in basis[-1]]
    common = gcd(*whole)
    return np.array([value // common for value in whole], dtype=np.float64)


# ---- means and slopes


def listed_names(given: str | Sequence[str] | None, known: Container[str] = ()) -> tuple[str, ...]:
    """Names as given: a list, or text like ``"a * b"``.

    A text that is one of those ``known`` is that name, whatever characters it has; in longer texts such a
    name stands in backticks.
    """
    if given is None:
        return ()
    if isinstance(given, str):
        if given in known:
            return (given,)
        return tuple(name for name in map(_bare, _split(given, "*:+")) if name)
    return tuple(given)


def _split(text: str, separators: str) -> list[str]:
    """The parts of a text between separators that are not in backticks."""
    parts = [""]
    for piece in re.findall(r"`[^`]*`|.", text, flags=re.DOTALL):
        if piece in separators:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def _bare(name: str) -> str:
    """A name without the blanks around it, and without its backticks."""
    name = name.strip()
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] == "`" else name.strip(" `")


def _specs(
    specs: str | Sequence[str], by: str | Sequence[str] | None, known: Container[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Variables asked for and variables to divide by, also from ``"~ a * b | c"``."""
    if not isinstance(specs, str) and not (
        isinstance(specs, Sequence) and all(isinstance(s, str) for s in specs)
    ):
        raise MixwellError(
            f"Marginal means of what? Give names of variables of the fixed part, not {specs!r}."
        )
    whole = isinstance(specs, str) and specs in known
    if isinstance(specs, str) and not whole and len(sides := _split(specs, "~")) > 1:
        left, specs = sides[0], "~".join(sides[1:])
        if left.strip():
            raise MixwellError(
                f"{left.strip()!r} left of '~': first the means, emmeans({specs.strip()!r}), then "
                f".contrast({left.strip()!r}) of them."
            )
    divide = listed_names(by, known)
    if isinstance(specs, str) and not whole and len(parts := _split(specs, "|")) > 1:
        specs = parts[0]
        divide += listed_names("|".join(parts[1:]), known)
    factors = listed_names(specs, known)
    if not factors:
        raise MixwellError("Marginal means of what? Give the name of a variable of the fixed part.")
    # As in R, "1" is the mean of everything.
    return tuple(name for name in factors if name not in divide and name != OVERALL), divide


def _means(
    design: Design,
    fit: Fit,
    factors: tuple[str, ...],
    by: tuple[str, ...],
    at: Mapping[str, object] | None,
    weights: str,
    slope_of: str | None,
) -> tuple[Means, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The rows, the variables shown, those averaged over, and sentences on nesting."""
    grid = reference_grid(design, at)
    factors, by = (tuple(grid.axes[grid.position(name)].name for name in given) for given in (factors, by))
    # A nested factor is shown with those it is nested in.
    asked = [*factors, *by]
    factors = (
        *factors,
        *dict.fromkeys(
            grid.axes[parent].name
            for name in asked
            for parent in grid.parents.get(grid.position(name), ())
            if grid.axes[parent].name not in asked
        ),
    )
    # The first factor varies fastest, the by variables slowest.
    kept = tuple(grid.position(name) for name in (*by[::-1], *factors[::-1]))
    if len(set(kept)) < len(kept):
        raise MixwellError(f"A variable is named twice in {_shown((*factors, *by))}.")
    if slope_of is None:
        rows, offset, exists = averaged(grid, kept, weights)
    else:
        along = grid.axes[grid.position(slope_of)].predictor
        if not isinstance(along.column, Numbers) or along.categorical:
            raise DataError(
                f"There are no slopes along {slope_of!r}: it must be a numeric variable of the fixed part "
                "that is not used as a factor."
            )
        values = along.column.floats()
        largest = float(np.abs(values).max())
        # A step that is added to the variable without rounding: columns linear in it have exact slopes.
        step = (largest + STEP * float(values.max() - values.min())) - largest
        up, down = (reference_grid(design, at, (along.name, sign * step)) for sign in (1, -1))
        slopes = replace(up, x=(up.x - down.x) / (2 * step), offset=(up.offset - down.offset) / (2 * step))
        rows, offset, exists = averaged(slopes, kept, weights)
    left_open = open_part(rows, aliasing(design.x, fit.kept))
    sizes = [len(grid.axes[i].texts) for i in kept]
    index = np.indices(sizes).reshape(len(sizes), len(rows))[:, exists]
    rows, offset, left_open = rows[exists], offset[exists], left_open[exists]
    table = {
        grid.axes[i].name: [grid.axes[i].values[j] for j in positions]
        for i, positions in zip(kept, index, strict=True)
    }
    labels = {name: table[name] for name in (*factors, *by)}
    if not factors:
        labels = {OVERALL: ["overall"] * len(rows), **labels}
    over = tuple(
        axis.name
        for i, axis in enumerate(grid.axes)
        if i not in kept and axis.averaged and len(axis.texts) > 1
    )
    return Means(labels, by, rows[:, fit.kept], offset, left_open), factors, over, _nests(grid)


def _nests(grid: Grid) -> tuple[str, ...]:
    """Sentences on which factors are nested in which."""
    return tuple(
        f"{grid.axes[f].name} is nested in {_shown([grid.axes[g].name for g in parents])}."
        for f, parents in grid.parents.items()
    )


def emmeans(
    design: Design,
    fit: Fit,
    origin: Origin,
    specs: str | Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
    at: Mapping[str, object] | None = None,
    weights: str = "equal",
    method: Approximation,
    title: str,
    level: float = 0.95,
    type_: str = "link",
    slope_of: str | None = None,
) -> EmMeans:
    """Marginal means over the reference grid, or slopes along ``slope_of``.

    See :meth:`mixwell.models.LmerResult.emmeans`; ``title`` names the method in the notes.
    """
    check_level(level)
    check_one_of("type", type_, ("link", "response"))
    factors, divide = _specs(specs, by, design.variables)
    if not len(fit.beta):
        raise ModelError("The model has no fixed effects, so there are no marginal means.")
    means, factors, over, nests = _means(design, fit, factors, divide, at, weights, slope_of)
    recipe = design.recipe
    if recipe is None:
        raise ModelError("Marginal means need the variables of a formula; this design was made without one.")
    transform = recipe.response
    if slope_of is not None and type_ == "response":
        raise MixwellError("Slopes are on the scale of the model; type must be 'link'.")
    if type_ == "response" and transform.problem:
        raise ModelError(
            f"type='response' would undo the response {transform.name}, but {transform.problem}. Take "
            "type='link', for means on the scale of the model; or make the response a column of its own "
            "before the fit."
        )
    notes = list(nests)
    if over:
        notes.append(f"Averaged over the levels of {', '.join(over)}.")
    notes.append(f"Degrees of freedom: {title}. Intervals of {100 * level:g}%.")
    if not transform.is_identity:
        notes.append(
            f"Results are on the scale of {transform.name}."
            if type_ == "link"
            else f"Means and intervals are carried back from {transform.name} to {transform.quantity}."
        )
    basis = Basis(
        beta=fit.beta,
        method=method,
        level=level,
        transform=None if type_ == "link" or transform.is_identity else transform,
        origin=Origin(origin.kind, None),
        notes=tuple(notes),
    )
    return EmMeans(means, basis, factors or (OVERALL,))
