"""Cluster-robust covariance of the fixed effects, with small-sample degrees of freedom.

Liang & Zeger (1986) Biometrika 73; Bell & McCaffrey (2002) Survey Methodology 28; Pustejovsky & Tipton (2018)
J. Bus. Econ. Stat. 36. Notation of the last: V_i is the working covariance of cluster i (that of the fitted
model), W_i = V_i^-1, M = (sum X_i' W_i X_i)^-1, e the marginal residuals, A_i the adjustment matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mixwell.arguments import check_one_of, values_given
from mixwell.data.columns import Factor
from mixwell.data.frame import near
from mixwell.design.record import Design
from mixwell.diagnostics.marginal import (
    covariance,
    fixed_columns,
    independent_blocks,
    precision_times,
    rows_by_block,
    stacks,
)
from mixwell.errors import DataError, ModelError
from mixwell.fit import quantities
from mixwell.fit.record import Fit
from mixwell.inference.contrast import JointStatistic, wald_f

FloatArray = NDArray[np.float64]
RobustKind = Literal["CR0", "CR1", "CR2"]
KINDS: tuple[str, ...] = get_args(RobustKind)

# CR2 takes the eigenvalues of a matrix as large as a cluster.
LARGEST_CLUSTER = 3000
# Eigenvalues of B_i below this part of the largest are zero.
_ZERO = 1e-10


@dataclass(frozen=True, slots=True)
class RobustCovariance:
    """Covariance of the fixed effects that does not rely on the model's own, and what its tests need.

    It is an ``Approximation`` of :mod:`mixwell.inference.contrast`. p estimable fixed effects, m clusters;
    G_i = A_i W_i X_i.

    Attributes
    ----------
    kind
        ``"CR0"``, ``"CR1"``, ``"CR2"``.
    cluster
        Name of the factor.
    vcov
        Shape (p, p): M (sum G_i' e_i e_i' G_i) M, for CR1 times m / (m - 1).
    bread
        M, shape (p, p).
    spread
        G_i' V_i G_i, shape (m, p, p).
    reach
        X_i' G_i, shape (m, p, p).
    """

    kind: str
    cluster: str
    vcov: FloatArray
    bread: FloatArray
    spread: FloatArray
    reach: FloatArray

    @property
    def title(self) -> str:
        """What the tests use, for a sentence."""
        return f"Satterthwaite's method with {self.kind} standard errors by {self.cluster}"

    @property
    def n_clusters(self) -> int:
        """Number of clusters, m."""
        return len(self.spread)

    def row_df(self, rows: FloatArray) -> FloatArray:
        """Satterthwaite's degrees of freedom under the working model, as Bell & McCaffrey (2002).

        c' V^CR c = sum_i (g_i' e)^2 with g_i = (I - H)_i' A_i' W_i X_i M c; nu = (tr P)^2 / sum P_ij^2 with
        P_ij = g_i' V g_j = delta_ij a_i' V_i a_i - u_i' M u_j, a_i = G_i M c, u_i = X_i' a_i, since W = V^-1
        (Pustejovsky & Tipton 2018).
        """
        out = np.empty(len(rows))
        for i, row in enumerate(rows):
            direction = self.bread @ row
            own = np.einsum("a,iab,b->i", direction, self.spread, direction)
            u = self.reach @ direction
            shared = np.einsum("ia,ab,ib->i", u, self.bread, u)
            trace = float(np.sum(own - shared))
            if trace <= _ZERO * float(np.sum(own)):
                raise ModelError(
                    f"{self.kind} standard errors by {self.cluster} are zero for a combination of the fixed "
                    "effects that one cluster alone determines; test without robust=."
                )
            inner = u.T @ u @ self.bread
            square = float(np.sum(own**2 - 2 * own * shared) + np.trace(inner @ inner))
            out[i] = trace**2 / square
        return out

    def joint(self, rows: FloatArray, value: FloatArray) -> JointStatistic:
        """Approximate Hotelling's T^2 (Pustejovsky & Tipton 2018, their "AHT").

        With D = O^-1/2 C V^CR C' O^-1/2, O its expectation under the working model, eta = q (q + 1) / sum of
        Var(D_st), and F = (eta - q + 1) / (eta q) Q on q and eta - q + 1 degrees of freedom. With P^st_ij =
        g_si' V g_tj as in :meth:`row_df`, Var(D_st) = sum over i, j of P^ss_ij P^tt_ij + P^st_ij P^ts_ij; the
        part of it that involves pairs of clusters is tr(A_ts M A_st M) + tr(A_ts M A_ts M) with A_st = sum_i
        u_si u_ti'.

        Raises
        ------
        ModelError
            If the clusters are too few for the number of rows.
        """
        q = len(rows)
        directions = rows @ self.bread
        # Rows in standard errors: their units differ.
        directions /= np.sqrt(np.einsum("sa,sa->s", directions, rows))[:, np.newaxis]
        own, u, shared = self._parts(directions)
        expected = (own - shared).sum(axis=2)
        values, vectors = np.linalg.eigh((expected + expected.T) / 2)
        eta = 0.0
        if values[0] > _ZERO * values[-1]:
            root = (vectors / np.sqrt(values)) @ vectors.T
            own, u, shared = self._parts(root @ directions)
            a = np.einsum("sia,tib->stab", u, u) @ self.bread
            single = np.einsum("ssi->si", own), np.einsum("ssi->si", shared)
            variance = (
                single[0] @ single[0].T
                - single[0] @ single[1].T
                - single[1] @ single[0].T
                + np.einsum("tsab,stba->st", a, a)
                + np.einsum("sti,sti->st", own, own - 2 * shared)
                + np.einsum("tsab,tsba->st", a, a)
            )
            eta = q * (q + 1) / float(variance.sum())
        den_df = eta - q + 1
        if den_df <= 0:
            raise ModelError(
                f"{self.n_clusters} clusters of {self.cluster} are too few for a robust joint test of {q} "
                "hypotheses; test them one by one."
            )
        wald = wald_f(rows, value, self.vcov)
        return JointStatistic(f_value=wald * den_df / eta, num_df=q, den_df=den_df, wald=wald)

    def _parts(self, directions: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """a_si' V_i a_ti (q, q, m), u_si = X_i' a_si (q, m, p), and u_si' M u_ti (q, q, m)."""
        own = np.einsum("sa,iab,tb->sti", directions, self.spread, directions, optimize=True)
        u = np.einsum("iab,sb->sia", self.reach, directions)
        return own, u, np.einsum("sia,ab,tib->sti", u, self.bread, u, optimize=True)


def clusters(design: Design, cluster: str | ArrayLike | None) -> tuple[str, NDArray[np.intp]]:
    """Name and code 0..m-1 of each row's cluster.

    Rows of different clusters must be independent in the model, as with the levels of the outermost factor.

    Raises
    ------
    DataError
        If there is no such factor or an array has the wrong length.
    ModelError
        If clusters share random effects, as with crossed factors.
    """
    name, codes = _named(design, cluster)
    _, codes = np.unique(codes, return_inverse=True)
    count, block = independent_blocks(design)
    first = np.zeros(count, dtype=np.intp)
    first[block] = codes
    if not np.array_equal(first[block], codes):
        raise ModelError(
            f"Clusters of {name} share random effects, so they are not independent; cluster by "
            + (
                f"{_outermost(design, count, block)!r}."
                if _outermost(design, count, block)
                else "a factor that every random effect is nested in (crossed factors have none); "
                "use the parametric bootstrap instead."
            )
        )
    return name, codes.astype(np.intp)


def _outermost(design: Design, count: int, block: NDArray[np.intp]) -> str | None:
    """The factor whose levels are the independent blocks."""
    for factor in design.factors:
        if factor.n_levels == count and len(np.unique(factor.codes * np.intp(count) + block)) == count:
            return factor.name
    return None


def _named(design: Design, cluster: str | ArrayLike | None) -> tuple[str, NDArray[np.intp]]:
    if cluster is None:
        count, block = independent_blocks(design)
        if count < 2:
            raise ModelError(
                "Crossed random effects join all rows, so that no cluster is independent of the others and "
                "cluster-robust standard errors do not exist; use the parametric bootstrap instead."
            )
        return _outermost(design, count, block) or "independent blocks", block
    if not isinstance(cluster, str):
        ordered = cluster if design.rows is None else design.rows.in_order(cluster, "cluster=")
        values = values_given(ordered, "cluster=")
        if values.shape != (design.n_obs,):
            raise DataError(
                f"cluster= needs {design.n_obs} labels, one per row used; got shape {values.shape}."
            )
        return "cluster", np.unique(values, return_inverse=True)[1]
    for factor in design.factors:
        if factor.name == cluster:
            return cluster, factor.codes.astype(np.intp)
    column = design.variables.get(cluster)
    if isinstance(column, Factor):
        return cluster, column.codes.astype(np.intp)
    known = [factor.name for factor in design.factors]
    raise DataError(
        f"cluster={cluster!r} is no factor of the model{near(cluster, known)} An array of labels is possible "
        "too."
    )


def robust_covariance(
    design: Design, fit: Fit, kind: str = "CR2", cluster: str | ArrayLike | None = None
) -> RobustCovariance:
    """Cluster-robust covariance of the fixed effects.

    Parameters
    ----------
    kind
        ``"CR0"``: without correction (Liang & Zeger 1986). ``"CR1"``: times m / (m - 1). ``"CR2"``: unbiased
        if the model is true (Bell & McCaffrey 2002).
    cluster
        A factor, or labels of the rows used; by default the outermost grouping factor.

    Raises
    ------
    MixwellError
        If there is no such kind.
    DataError, ModelError
        If there is no such factor, if clusters share random effects, if there is only one cluster or, for
        CR2, one with more than 3000 rows.
    """
    check_one_of("robust", kind, KINDS)
    name, codes = clusters(design, cluster)
    m = int(codes.max()) + 1
    if m < 2:
        raise ModelError(f"Cluster-robust standard errors need two clusters; {name} has one.")
    x = fixed_columns(design, fit)
    e = quantities.marginal_residuals(design, fit)
    weighted = precision_times(design, fit, x)
    if kind == "CR2":
        score, spread, reach = _adjusted(design, fit, name, codes, x, weighted, e)
    else:
        score, spread, reach = _plain(codes, m, x, weighted, e)
    meat = score.T @ score
    if kind == "CR1":
        meat *= m / (m - 1)
    return RobustCovariance(
        kind=kind, cluster=name, vcov=fit.vcov @ meat @ fit.vcov, bread=fit.vcov, spread=spread, reach=reach
    )


def _plain(
    codes: NDArray[np.intp], m: int, x: FloatArray, weighted: FloatArray, e: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A_i = I: scores X_i' W_i e_i (m, p), and X_i' W_i X_i (m, p, p) twice."""
    p = x.shape[1]
    score, own = np.empty((m, p)), np.empty((m, p, p))
    for a in range(p):
        score[:, a] = np.bincount(codes, weights=weighted[:, a] * e, minlength=m)
        for b in range(a, p):
            own[:, a, b] = own[:, b, a] = np.bincount(codes, weights=x[:, a] * weighted[:, b], minlength=m)
    return score, own, own


def _adjusted(
    design: Design,
    fit: Fit,
    name: str,
    codes: NDArray[np.intp],
    x: FloatArray,
    weighted: FloatArray,
    e: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A_i = D_i' B_i^(+1/2) D_i, B_i = D_i (V_i - X_i M X_i') D_i', V_i = D_i' D_i with D_i upper triangular.

    (Pustejovsky & Tipton 2018, for W_i = V_i^-1.)
    """
    m, p = int(codes.max()) + 1, x.shape[1]
    blocks = rows_by_block(m, codes)
    largest = max(map(len, blocks))
    if largest > LARGEST_CLUSTER:
        raise ModelError(
            f"CR2 decomposes a matrix as large as the largest cluster; {name} has one of {largest} rows, "
            f'more than {LARGEST_CLUSTER}. Use robust="CR1".'
        )
    score, spread, reach = np.empty((m, p)), np.empty((m, p, p)), np.empty((m, p, p))
    for rows in stacks(blocks):
        v = covariance(design, fit, rows)
        lower = np.linalg.cholesky(v)
        upper = np.swapaxes(lower, -1, -2)
        own = x[rows]
        b = upper @ (v - own @ fit.vcov @ np.swapaxes(own, -1, -2)) @ lower
        values, vectors = np.linalg.eigh((b + np.swapaxes(b, -1, -2)) / 2)
        fine = values > _ZERO * values[:, -1:]
        half = np.where(fine, 1 / np.sqrt(np.where(fine, values, 1.0)), 0.0)
        root = (vectors * half[:, None, :]) @ np.swapaxes(vectors, -1, -2)
        g = lower @ (root @ (upper @ weighted[rows]))
        which = codes[rows[:, 0]]
        g_turned = np.swapaxes(g, -1, -2)
        score[which] = (g_turned @ e[rows][..., None])[..., 0]
        spread[which] = g_turned @ v @ g
        reach[which] = np.swapaxes(own, -1, -2) @ g
    return score, spread, reach
