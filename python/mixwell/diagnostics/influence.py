"""What changes when a row or a group is left out; leverages.

Belsley, Kuh & Welsch (1980) Regression Diagnostics; Cook (1977) Technometrics 19; Christensen, Pearson &
Johnson (1992) Technometrics 34; Demidenko & Stukel (2005) Stat. Med. 24; Nieuwenhuis, te Grotenhuis & Pelzer
(2012) R Journal 4(2); Loy & Hofmann (2014) J. Stat. Softw. 56(5).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import betainc, chdtrc

from mixwell import kernel
from mixwell.arguments import checked_methods, values_given
from mixwell.data.columns import Factor, labels
from mixwell.data.output import NativeFrame, Origin, frame
from mixwell.design.record import Design
from mixwell.design.rows import row_labels, rows_named
from mixwell.diagnostics.marginal import fixed_columns, independent_blocks, precision_times
from mixwell.errors import DataError, MixwellError, ModelError, TooFewLevelsError
from mixwell.fit import quantities
from mixwell.fit.control import Control
from mixwell.fit.deletion import deletions
from mixwell.fit.record import Fit
from mixwell.inference.parameters import relative_covariances
from mixwell.inference.refits import portions
from mixwell.text import number_column, shorten, table, wrap

FloatArray = NDArray[np.float64]
What = Literal["summary", "params", "dfbeta", "dfbetas", "variances", "rvc"]

# Seconds that refits may take on one core before they are replaced by deletion at fixed variance parameters,
# and what one refit costs about: a constant, per row, and per unit of an evaluation's work.
PATIENCE = 5.0
_REFIT, _REFIT_ROW, _REFIT_WORK = 5e-5, 2e-9, 4e-10
# Deletion at fixed variance parameters costs this part of a refit.
HELD_COST = 0.2
# Deletions that a printed influence shows.
_SHOWN = 10


# ---- leverages


@dataclass(frozen=True, slots=True)
class Leverages:
    """Diagonals of the hat matrices, length n each.

    Attributes
    ----------
    fixed
        Of X (X'V^-1 X)^-1 X'V^-1: how far a response moves its own population mean.
    random
        Of Z G Z' V^-1 (I - H_fixed): how far it moves its own random effects (Demidenko & Stukel 2005).
    total
        Their sum: how far it moves its own fitted value, lme4's ``hatvalues``.
    """

    fixed: FloatArray
    random: FloatArray
    total: FloatArray


def leverages(design: Design, fit: Fit) -> Leverages:
    """Leverages of the rows."""
    x = fixed_columns(design, fit)
    fixed = np.einsum("ij,ij->i", x @ fit.vcov, precision_times(design, fit, x))
    total = kernel.leverages(design, fit.theta)
    return Leverages(fixed=fixed, random=total - fixed, total=total)


def cooks_distance(design: Design, fit: Fit, leverage: FloatArray) -> FloatArray:
    """Cook's distance of the rows from their total leverage h: (e / (1 - h))^2 h / (sigma^2 p), as lme4.

    It measures the shift of the fitted values, random effects included; the deletion of the row in
    :func:`influence` that of the fixed effects. NaN where the leverage is 1.
    """
    e = quantities.scaled_residuals(design, fit)
    spare = 1 - leverage
    ratio = np.divide(e, spare, out=np.full_like(e, np.nan), where=spare > 1e-12)
    return ratio**2 * leverage / len(fit.beta)


def row_cooks_distance(design: Design, fit: Fit) -> FloatArray:
    """:func:`cooks_distance` with the leverages of the fit."""
    return cooks_distance(design, fit, kernel.leverages(design, fit.theta))


# Probability that any distance of a sample from the model lies beyond the bound.
FALSE_ALARM = 0.05


def row_cooks_bound(design: Design, fit: Fit, leverage: FloatArray) -> float:
    """The distance that no row's exceeds in 95 % of samples from the model, or more.

    A row's distance is t^2 h / ((1 - h) p) with t its standardized residual, and of the model (theta known)
    t^2 sigma^2 / pwrss is beta(1/2, (n - p - 1) / 2): the bound is where the rows' tail probabilities sum to
    5 % (Bonferroni). A fixed guide such as 4 / n marks rows of any model, the more the higher the leverages.
    """
    spare = 1 - leverage
    scale = np.divide(leverage, spare, out=np.zeros_like(spare), where=spare > 1e-12) / max(len(fit.beta), 1)
    scale *= fit.pwrss / fit.sigma**2
    half = max(design.n_obs - len(fit.beta) - 1, 1) / 2
    return _bound(scale, lambda ratio: betainc(half, 0.5, 1 - np.minimum(ratio, 1.0)))


def group_cooks_bound(design: Design, fit: Fit, by: str) -> float:
    """The distance that no group's exceeds in about 95 % of samples from the model.

    With variances known the estimates without a group differ from all by d with Var(d) = V_i - V, and
    d'V^-1 d / p is a sum of chi-squares; one with their mean and variance (Satterthwaite 1946) stands for it.
    The groups' tail probabilities sum to 5 % (Bonferroni).
    """
    name, found, codes = deletion_groups(design, by)
    if name == "row":
        raise DataError("group_cooks_bound() is of groups; row_cooks_bound() is of rows.")
    root = np.linalg.inv(np.linalg.cholesky(fit.vcov))
    without = _hold(design, fit, name, found, codes).vcov
    without = without[np.isfinite(without).all(axis=(1, 2))]
    rise = root @ without @ root.T - np.eye(len(root))
    values = np.maximum(np.linalg.eigvalsh((rise + np.swapaxes(rise, 1, 2)) / 2), 0.0) / len(root)
    mean, square = values.sum(axis=1), (values**2).sum(axis=1)
    some = square > 0
    scale, df = square[some] / mean[some], mean[some] ** 2 / square[some]
    return _bound(scale, lambda ratio: chdtrc(df, ratio))


def _bound(scale: FloatArray, tail: Callable[[FloatArray], FloatArray]) -> float:
    """c where tail(c / scale) sums to the false-alarm rate; 0 where nothing varies."""
    if not (scale > 0).any():
        return 0.0
    safe = np.where(scale > 0, scale, 1e-300)

    def excess(log_bound: float) -> float:
        return float(np.sum(tail(np.exp(log_bound) / safe))) - FALSE_ALARM

    high = float(np.log(scale.max()))
    while excess(high) > 0:
        high += 1.0
    low = high
    while excess(low) < 0:
        low -= 1.0
    return float(np.exp(brentq(excess, low, high, xtol=1e-9)))


# ---- deletion


@checked_methods
@dataclass(frozen=True, slots=True, repr=False)
class Influence:
    """Estimates without each row or group in turn, beside those with all rows.

    m deletions, p estimable fixed effects, v variances and covariances (the residual variance last).

    Attributes
    ----------
    by
        What was left out: ``"row"`` or the name of a factor.
    labels
        Length m: rows or levels.
    n_rows
        Length m: how many rows were left out.
    refitted
        True if all parameters were estimated again, False if the variance parameters were held.
    terms, components
        Names of the fixed effects and of the variances and covariances.
    full_params, full_bse, full_variances
        With all rows: lengths p, p, v.
    params, bse
        Shape (m, p); NaN for a deletion that makes a fixed effect inestimable.
    variances
        Shape (m, v).
    cooks_distance
        (b - b_i)' V^-1 (b - b_i) / p with V = Var(b) of all rows (Cook 1977).
    mdffits
        The same with V of the rows left (Belsley, Kuh & Welsch 1980).
    covratio
        det V_i / det V: above 1 where leaving out costs precision.
    remarks
        Sentences on what could not be compared.
    origin
        Kind of the frames returned.
    """

    by: str
    labels: NDArray[np.object_]
    n_rows: NDArray[np.intp]
    refitted: bool
    terms: tuple[str, ...]
    components: tuple[str, ...]
    full_params: FloatArray
    full_bse: FloatArray
    full_variances: FloatArray
    params: FloatArray
    bse: FloatArray
    variances: FloatArray
    cooks_distance: FloatArray
    mdffits: FloatArray
    covratio: FloatArray
    remarks: tuple[str, ...]
    origin: Origin

    @property
    def dfbeta(self) -> FloatArray:
        """b - b_i, shape (m, p): how far the rows left out pull each fixed effect."""
        return self.full_params - self.params

    @property
    def dfbetas(self) -> FloatArray:
        """(b - b_i) / se(b_i), shape (m, p)."""
        return self.dfbeta / self.bse

    @property
    def rvc(self) -> FloatArray:
        """v_i / v - 1, shape (m, v) (Loy & Hofmann 2014); NaN where v is 0."""
        full = np.where(self.full_variances != 0, self.full_variances, np.nan)
        return self.variances / full - 1

    def frame(self, what: What = "summary") -> NativeFrame:
        """A table with one row per deletion.

        Parameters
        ----------
        what
            ``"summary"``: ``rows cooks_distance mdffits covratio max_dfbetas``. ``"params"``, ``"dfbeta"``,
            ``"dfbetas"``: a column per fixed effect. ``"variances"``, ``"rvc"``: a column per variance or
            covariance.
        """
        if what == "summary":
            largest = np.max(np.abs(self.dfbetas), axis=1, initial=0.0)
            columns = {
                "rows": self.n_rows,
                "cooks_distance": self.cooks_distance,
                "mdffits": self.mdffits,
                "covratio": self.covratio,
                "max_dfbetas": largest,
            }
            return frame(self.origin, columns, labels=(self.by, self.labels))
        if what in {"params", "dfbeta", "dfbetas"}:
            values, names = getattr(self, what), self.terms
        elif what in {"variances", "rvc"}:
            values, names = getattr(self, what), self.components
        else:
            raise MixwellError(
                f"There is no table {what!r} of influence; there are 'summary', 'params', 'dfbeta', "
                "'dfbetas', 'variances', 'rvc'."
            )
        return frame(
            self.origin, {n: values[:, j] for j, n in enumerate(names)}, labels=(self.by, self.labels)
        )

    def __str__(self) -> str:
        held = "all parameters estimated again" if self.refitted else "variance parameters held"
        unit = "row" if self.by == "row" else f"level of {self.by}"
        lines = wrap(f"Without each {unit} in turn ({len(self.labels)} deletions, {held}):", indent="  ")
        order = np.argsort(-np.nan_to_num(self.cooks_distance, nan=-1.0), kind="stable")[:_SHOWN]
        dfbetas = self.dfbetas[order]
        widest = np.argmax(np.nan_to_num(np.abs(dfbetas), nan=-1.0), axis=1) if len(self.terms) else order * 0
        pulled = [shorten(self.terms[j], 24) for j in widest] if self.terms else [""] * len(order)
        largest = [float(dfbetas[i, j]) for i, j in enumerate(widest)] if self.terms else []
        columns = [
            ("rows", [str(n) for n in self.n_rows[order]]),
            ("Cook's D", _cells(self.cooks_distance[order])),
            ("MDFFITS", _cells(self.mdffits[order])),
            ("COVRATIO", _cells(self.covratio[order])),
        ]
        if largest:
            columns += [("DFBETAS", _cells(largest)), ("of", pulled)]
        lines += ["", *table([str(v) for v in self.labels[order]], columns, heading=shorten(self.by, 20))]
        if len(self.labels) > _SHOWN:
            lines += ["", f"The {_SHOWN} with the largest Cook's distance of {len(self.labels)}."]
        for remark in self.remarks:
            lines += ["", *wrap(remark, indent="  ")]
        return "\n".join(lines)

    __repr__ = __str__


def _cells(values: Sequence[float] | FloatArray) -> list[str]:
    return number_column([None if np.isnan(v) else float(v) for v in values], 3)


def deletion_groups(design: Design, by: str | ArrayLike) -> tuple[str, NDArray[np.object_], NDArray[np.intp]]:
    """Name, labels and code of each row, of what is left out one at a time."""
    n = design.n_obs
    if not isinstance(by, str):
        ordered = by if design.rows is None else design.rows.in_order(by, "influence(by=)")
        values = values_given(ordered, "influence(by=)")
        if values.shape != (n,):
            raise DataError(f"influence(by=) needs {n} labels, one per row used; got shape {values.shape}.")
        found, codes = np.unique(values, return_inverse=True)
        return "group", labels(found), codes.astype(np.intp)
    if by == "row":
        return "row", row_labels(design), np.arange(n)
    for factor in design.factors:
        if factor.name == by:
            return by, factor.levels, factor.codes.astype(np.intp)
    column = design.variables.get(by)
    if isinstance(column, Factor):
        return by, column.levels, column.codes.astype(np.intp)
    known = ["row", *(factor.name for factor in design.factors)]
    known += [name for name, other in design.variables.items() if isinstance(other, Factor)]
    raise DataError(f"influence(by={by!r}): by is one of {', '.join(map(repr, known))}.")


def refit_cost(design: Design, m: int) -> float:
    """Seconds, about, that ``m`` refits after a deletion take on one core."""
    return m * (_REFIT + _REFIT_ROW * design.n_obs + _REFIT_WORK * kernel.problem(design).work)


def influence(
    design: Design,
    fit: Fit,
    origin: Origin,
    *,
    by: str | ArrayLike = "row",
    refit: bool | None = None,
    control: Control | None = None,
) -> Influence:
    """Leaves out each row or group in turn; see ``LmerResult.influence``.

    Raises
    ------
    DataError
        If ``by`` is not known.
    ModelError
        If the model cannot be fitted without one of them; the message names it.
    """
    name, found, codes = deletion_groups(design, by)
    sizes = np.bincount(codes, minlength=len(found))
    if len(found) < 2:
        raise ModelError(f"influence(by={name!r}): there is only one level, and nothing is left without it.")
    cost = refit_cost(design, len(found)) if refit is None else 0.0
    again = cost <= PATIENCE if refit is None else refit
    deleted = (
        _estimate_each(design, fit, name, found, codes, hold=False, control=control)
        if again
        else _hold(design, fit, name, found, codes)
    )
    d = fit.beta - deleted.params
    p = max(len(fit.beta), 1)
    lost = np.flatnonzero(np.isnan(deleted.params).any(axis=1))
    remarks = []
    if len(lost):
        remarks.append(
            f"Without {name} {_some(found, lost)} not every fixed effect can be estimated; what compares "
            "them is missing."
        )
    astray = np.flatnonzero(~deleted.converged)
    if len(astray):
        remarks.append(f"Without {name} {_some(found, astray)} the search did not converge.")
    if refit is None and not again:
        remarks.append(
            f"About {cost:.0f} seconds of refits were spared: the variance parameters are held at their "
            "estimates from all rows. influence(refit=True) estimates everything again."
        )
    if isinstance(by, str) and by == "row":
        remarks.append(rows_named(design))
    return Influence(
        by=name,
        labels=found,
        n_rows=sizes,
        refitted=again,
        terms=quantities.kept_names(design, fit),
        components=component_names(design, fit),
        full_params=fit.beta,
        full_bse=quantities.bse(fit),
        full_variances=_variances(fit.term_cov, np.asarray(fit.sigma)),
        params=deleted.params,
        bse=np.sqrt(np.diagonal(deleted.vcov, axis1=1, axis2=2)),
        variances=deleted.variances,
        cooks_distance=_quadratic(fit.vcov, d) / p,
        mdffits=_quadratic(deleted.vcov, d) / p,
        covratio=_determinant_ratio(deleted.vcov, fit.vcov),
        remarks=tuple(remarks),
        origin=origin,
    )


def _some(found: NDArray[np.object_], at: NDArray[np.intp]) -> str:
    return ", ".join(str(found[i]) for i in at[:5]) + (", ..." if len(at) > 5 else "")


@dataclass(frozen=True, slots=True)
class _Deleted:
    """Without each of m groups: params (m, p), vcov (m, p, p), variances (m, v), converged (m)."""

    params: FloatArray
    vcov: FloatArray
    variances: FloatArray
    converged: NDArray[np.bool_]


def _quadratic(vcov: FloatArray, d: FloatArray) -> FloatArray:
    """d_i' V_i^-1 d_i of each row; NaN where anything is."""
    out = np.full(len(d), np.nan)
    fine = np.isfinite(d).all(axis=1)
    v = np.broadcast_to(vcov, (*d.shape, d.shape[1]))[fine]
    out[fine] = np.einsum("ij,ij->i", d[fine], np.linalg.solve(v, d[fine, :, None])[..., 0])
    return out


def _determinant_ratio(vcov: FloatArray, full: FloatArray) -> FloatArray:
    """det V_i / det V, each scaled by the standard errors of all rows first, so that nothing overflows."""
    out = np.full(len(vcov), np.nan)
    fine = np.isfinite(vcov).all(axis=(1, 2))
    scale = np.sqrt(np.outer(np.diagonal(full), np.diagonal(full)))
    out[fine] = np.exp(np.linalg.slogdet(vcov[fine] / scale)[1] - np.linalg.slogdet(full / scale)[1])
    return out


def component_names(design: Design, fit: Fit) -> tuple[str, ...]:
    """``Subject.(Intercept)``, ``Subject.(Intercept).Days``, ``Residual``."""
    return tuple(
        ".".join(part for part in (c.group, c.term1, c.term2) if part is not None)
        for c in quantities.variance_components(design, fit)
    )


def _variances(term_cov: Sequence[FloatArray], sigma: FloatArray) -> FloatArray:
    """Per term its variances, then its covariances, in the order of ``quantities.variance_components``.

    Covariance matrices (..., k, k) and sigma (...) -> (..., v).
    """
    parts = []
    for v in term_cov:
        a, b = np.triu_indices(v.shape[-1], 1)
        parts += [np.diagonal(v, axis1=-2, axis2=-1), v[..., a, b]]
    return np.concatenate([*parts, sigma[..., None] ** 2], axis=-1)


def _estimate_each(
    design: Design,
    fit: Fit,
    name: str,
    found: NDArray[np.object_],
    codes: NDArray[np.intp],
    *,
    hold: bool,
    control: Control | None,
) -> _Deleted:
    """Deletion by the kernel, with all parameters estimated again or with theta and sigma held."""
    m = len(found)
    estimate = deletions(design, fit, codes, m, hold=hold, control=control)
    parts = []
    for first, last in portions(m, f"Deletion by {name}"):
        part = estimate(first, last)
        for i in sorted(part.failures):
            error = part.failures[i]
            why = error if isinstance(error, TooFewLevelsError) else f"the model cannot be fitted: {error}"
            raise ModelError(f"Without {name} {found[first + i]} {why}")
        parts.append(part)
    sigma = np.full(m, fit.sigma) if hold else np.concatenate([part.fits.sigma for part in parts])
    theta = kernel.Theta(np.concatenate([part.fits.theta for part in parts]))
    return _Deleted(
        params=np.concatenate([part.fits.beta for part in parts]),
        vcov=np.concatenate([part.vcov_unscaled for part in parts]) * sigma[:, None, None] ** 2,
        variances=_variances(
            [sigma[:, None, None] ** 2 * cov for cov in relative_covariances(design, theta)], sigma
        ),
        converged=np.concatenate([part.fits.converged for part in parts]),
    )


def _hold(
    design: Design, fit: Fit, name: str, found: NDArray[np.object_], codes: NDArray[np.intp]
) -> _Deleted:
    """Deletion with theta and sigma held: generalized least squares of the rows left."""
    m = len(found)
    if m == design.n_obs:
        params, vcov = _hold_rows(design, fit)
    elif unions_of_blocks(design, codes):
        params, vcov = _hold_blocks(design, fit, m, codes)
    else:
        return _estimate_each(design, fit, name, found, codes, hold=True, control=None)
    full = _variances(fit.term_cov, np.asarray(fit.sigma))
    return _Deleted(params, vcov, np.broadcast_to(full, (m, len(full))), np.ones(m, dtype=np.bool_))


def unions_of_blocks(design: Design, codes: NDArray[np.integer]) -> bool:
    """Whether rows with different codes never share a random effect."""
    count, block = independent_blocks(design)
    first = np.zeros(count, dtype=np.intp)
    first[block] = codes
    return bool(np.array_equal(first[block], codes))


def _hold_rows(design: Design, fit: Fit) -> tuple[FloatArray, FloatArray]:
    """Downdates by one row: beta_i = beta - Phi c_i (P y)_i / P_ii and X'V^-1 X loses c_i c_i' / (V^-1)_ii.

    c_i is row i of V^-1 X and P = V^-1 - V^-1 X Phi X'V^-1, with P y = weights e / sigma^2 and
    P_ii = weights (1 - h_i) / sigma^2. (A row's own parameter in the mean is the same as leaving it out.)
    """
    weights = 1.0 if design.weights is None else design.weights
    c = precision_times(design, fit, fixed_columns(design, fit))
    inverse = weights * (1 - kernel.leverages(design, fit.theta)) / fit.sigma**2
    moved = c @ fit.vcov
    score = weights * quantities.response_residuals(design, fit) / fit.sigma**2
    with np.errstate(invalid="ignore", divide="ignore"):
        params = fit.beta - moved * (score / inverse)[:, None]
        # Sherman & Morrison: (V^-1)_ii - c'Phi c = P_ii.
        vcov = fit.vcov + moved[:, :, None] * moved[:, None, :] / inverse[:, None, None]
    alone = inverse * fit.sigma**2 <= 1e-12 * np.asarray(weights)
    params[alone], vcov[alone] = np.nan, np.nan
    return params, vcov


def _hold_blocks(design: Design, fit: Fit, m: int, codes: NDArray[np.intp]) -> tuple[FloatArray, FloatArray]:
    """Groups that share no random effect: X'V^-1 X and X'V^-1 r are sums over groups and lose one summand."""
    # In orthonormal columns: neither units nor origins matter to what can be inverted.
    x, triangle = np.linalg.qr(fixed_columns(design, fit))
    c = precision_times(design, fit, x)
    p = x.shape[1]
    r = quantities.marginal_residuals(design, fit)
    left = np.empty((m, p, p))
    score = np.empty((m, p))
    whole = x.T @ c
    for a in range(p):
        for b in range(a, p):
            own = np.bincount(codes, weights=x[:, a] * c[:, b], minlength=m)
            left[:, a, b] = left[:, b, a] = whole[a, b] - own
        score[:, a] = np.bincount(codes, weights=c[:, a] * r, minlength=m)
    params, vcov = np.full((m, p), np.nan), np.full((m, p, p), np.nan)
    scale = np.sqrt(np.diagonal(whole))
    scaled = left / np.outer(scale, scale)
    fine = np.linalg.eigvalsh(scaled)[:, 0] > 1e-10 if p else np.ones(m, dtype=bool)
    inverse = np.linalg.inv(scaled[fine]) / np.outer(scale, scale)
    back = np.linalg.inv(triangle)
    vcov[fine] = back @ inverse @ back.T
    params[fine] = fit.beta - np.einsum("iab,ib->ia", inverse, score[fine]) @ back.T
    return params, vcov
