"""Random effects of levels that the fit has not seen, from their outcomes, at the parameters of the fit.

For the rows of some new levels let l's be the mean without their random effects, where s holds the fixed
effects and the random effects of known levels, and G the covariance of the new random effects b. Given s,

    b-hat = K (y - l's),   Var(b | y, s) = G - K Z G,   K = G Z' (Z G Z' + R)^-1,

and with s held at its estimate, whose error has covariance C, Var(b - b-hat) = G - K Z G + K (L C L') K'.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mixwell import kernel
from mixwell.design.evaluate import check_finite
from mixwell.design.newdata import NewRows, new_rows
from mixwell.design.record import Design
from mixwell.errors import DataError, ModelError
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.predict import mean_of_new, undetermined, undetermined_sentence

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class UpdatedFactor:
    """New levels of one grouping factor.

    Attributes
    ----------
    factor
        Its index in the design.
    levels
        The q labels of its new levels.
    n_rows
        Length q, the rows of each.
    modes
        Shape (q, k), conditional modes.
    cov
        Shape (q, k, k), covariance of b - b-hat, the uncertainty of fixed effects and known levels included.
    conditional_cov
        Shape (q, k, k), the covariance if these were known.
    """

    factor: int
    levels: tuple[str, ...]
    n_rows: NDArray[np.intp]
    modes: FloatArray
    cov: FloatArray
    conditional_cov: FloatArray


def updated_factors(design: Design, fit: Fit, newdata: object) -> tuple[UpdatedFactor, ...]:
    """Random effects of all new levels in ``newdata``; factors without new levels are left out.

    Raises
    ------
    DataError
        If no row is complete, or one has only levels that the fit knows.
    ModelError
        If the data do not determine the mean of a row.
    """
    rows = new_rows(design, newdata, need_response=True, need_weights=True)
    used = np.flatnonzero(~rows.missing)
    if not len(used):
        raise DataError("update_group(): no row of the new data is complete.")
    strange = [codes[used] for codes in rows.unseen_codes if codes is not None]
    known_only = np.flatnonzero(np.logical_and.reduce([codes < 0 for codes in strange]))
    if len(known_only):
        raise DataError(
            f"update_group() is for new levels; {len(known_only)} rows, the first of them row "
            f"{used[known_only[0]] + 1} (counted from 1), have only levels that were in the fit. Leave them "
            "out, or fit again with them."
        )
    everything = tuple(range(len(design.factors)))
    if rows.y is None:
        raise DataError("update_group() needs the response.")
    check_finite(rows.y[used], design.response_name)
    lost = undetermined(design, fit, rows)
    if len(lost):
        raise ModelError(f"{undetermined_sentence(design, fit, lost)} Leave these rows out.")
    residual = (rows.y - mean_of_new(design, fit, everything, rows))[used]
    precision = (np.ones(len(used)) if rows.weights is None else rows.weights[used]) / fit.sigma**2
    z = factor_columns(design, rows, used)
    widths = [columns.shape[1] for columns in z]
    covariances = [quantities.factor_cov(design, fit, i) for i in everything]
    counts = [len(labels) for labels in rows.unseen]
    modes = [np.zeros((q, k)) for q, k in zip(counts, widths, strict=True)]
    cov = [np.zeros((q, k, k)) for q, k in zip(counts, widths, strict=True)]
    conditional = [np.zeros((q, k, k)) for q, k in zip(counts, widths, strict=True)]
    for members in components(strange, counts):
        # The new levels that these rows have, each with its columns among the component's.
        found = [(i, int(u)) for i in everything for u in np.unique(strange[i][members]) if u >= 0]
        ends = np.cumsum([widths[i] for i, _ in found]).tolist()
        spans = [slice(end - widths[i], end) for (i, _), end in zip(found, ends, strict=True)]
        zc = np.zeros((len(members), ends[-1]))
        g = np.zeros((ends[-1], ends[-1]))
        for (i, u), span in zip(found, spans, strict=True):
            zc[:, span] = z[i][members] * (strange[i][members] == u)[:, np.newaxis]
            g[span, span] = covariances[i]
        # K = G (I + Z'R^-1 Z G)^-1 Z'R^-1: no matrix over rows, and G may be singular.
        weighted = zc.T * precision[members]
        left = np.linalg.solve(np.eye(len(g)) + g @ (weighted @ zc), g)
        k = left @ weighted
        mode = k @ residual[members]
        held = held_covariance(design, fit, rows, used[members], k)
        for (i, u), span in zip(found, spans, strict=True):
            modes[i][u] = mode[span]
            conditional[i][u] = left[span, span]
            cov[i][u] = left[span, span] + held[span, span]
    return tuple(
        UpdatedFactor(
            factor=i,
            levels=rows.unseen[i],
            n_rows=np.bincount(strange[i][strange[i] >= 0], minlength=counts[i]),
            modes=modes[i],
            cov=symmetric(cov[i]),
            conditional_cov=symmetric(conditional[i]),
        )
        for i in everything
        if counts[i]
    )


def symmetric(a: FloatArray) -> FloatArray:
    """Rounding taken out of matrices (..., k, k) that are symmetric."""
    return np.asarray((a + np.swapaxes(a, -1, -2)) / 2)


def factor_columns(design: Design, rows: NewRows, used: NDArray[np.intp]) -> list[FloatArray]:
    """Z columns of each factor's terms at some rows, (m, k) per factor."""
    return [
        np.column_stack([column[used] for t in quantities.terms_of(design, i) for column in rows.columns[t]])
        for i in range(len(design.factors))
    ]


def components(codes: list[IntArray], counts: list[int]) -> list[NDArray[np.intp]]:
    """Positions of rows, apart wherever no new level links them."""
    starts = np.concatenate([[0], np.cumsum(counts)])
    pairs = [(np.flatnonzero(c >= 0), starts[i] + c[c >= 0]) for i, c in enumerate(codes)]
    row = np.concatenate([p[0] for p in pairs])
    node = np.concatenate([p[1] for p in pairs]) + len(codes[0])
    size = len(codes[0]) + int(starts[-1])
    labels = connected_components(coo_array((np.ones(len(row)), (row, node)), (size, size)), directed=False)[
        1
    ]
    own = labels[: len(codes[0])]
    order = np.argsort(own, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(own[order])) + 1)


def held_covariance(
    design: Design, fit: Fit, rows: NewRows, members: NDArray[np.intp], k: FloatArray
) -> FloatArray:
    """K (L C L') K' for the rows ``members``; ``k`` is (effects, members)."""
    x = rows.x[np.ix_(members, fit.kept)]
    if all(codes is None or (codes[members] < 0).all() for codes in rows.codes):
        kx = k @ x
        return np.asarray(kx @ fit.vcov @ kx.T)
    return np.asarray(k @ joint_covariance(design, fit, rows, members) @ k.T)


def joint_covariance(design: Design, fit: Fit, rows: NewRows, members: NDArray[np.intp]) -> FloatArray:
    """L C L', shape (m, m): covariance of the errors of x'beta + z'b over known levels.

    C = sigma^2 M^-1 with M of the mixed model equations M s = [X Z]'W y. A further row l of weight 1 makes it
    M + l l', and with a response of 1 there and 0 elsewhere its solution is M^-1 l / (1 + h), h = l'M^-1 l.
    """
    m = len(members)
    codes = [np.full(m, -1, dtype=np.int32) if c is None else c[members] for c in rows.codes]
    x = rows.x[np.ix_(members, fit.kept)]
    z = factor_columns(design, rows, members)
    response = np.append(np.zeros(design.n_obs), 1.0)
    out = np.empty((m, m))
    for j in range(m):
        found = kernel.solve_at(with_row(design, fit, rows, members[j]), fit.theta, response)
        value = x @ found.beta
        for i, code in enumerate(codes):
            effects = np.vstack([found.modes[i], np.zeros(z[i].shape[1])])
            value += np.sum(z[i] * effects[code], axis=1)
        # value_j = h / (1 + h)
        out[:, j] = value / (1 - value[j])
    return fit.sigma**2 * symmetric(out)


def with_row(design: Design, fit: Fit, rows: NewRows, row: int) -> Design:
    """The estimable columns of a design with one new row of weight 1; unseen levels take nothing."""
    factors, known = [], []
    for factor, codes in zip(design.factors, rows.codes, strict=True):
        code = -1 if codes is None else int(codes[row])
        known.append(code >= 0)
        factors.append(replace(factor, codes=np.append(factor.codes, np.int32(max(code, 0)))))
    terms = tuple(
        replace(
            term,
            columns=tuple(
                np.append(old, new[row] if known[term.factor] else 0.0)
                for old, new in zip(term.columns, columns, strict=True)
            ),
        )
        for term, columns in zip(design.terms, rows.columns, strict=True)
    )
    return replace(
        design,
        y=np.append(design.y, 0.0),
        x=np.asfortranarray(np.vstack([design.x[:, fit.kept], rows.x[row, fit.kept]])),
        weights=None if design.weights is None else np.append(design.weights, 1.0),
        offset=None,
        factors=tuple(factors),
        terms=terms,
    )
