"""Generalized variance inflation factors of the terms of the fixed part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixwell.data.output import NativeFrame, Origin, frame
from mixwell.design.coding import INTERCEPT
from mixwell.design.record import Design
from mixwell.errors import ModelError
from mixwell.fit.record import Fit

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Inflation:
    """One term.

    Attributes
    ----------
    term
        Its name.
    gvif
        Generalized variance inflation factor.
    df
        Its columns.
    """

    term: str
    gvif: float
    df: int

    @property
    def per_column(self) -> float:
        """GVIF^(1 / (2 df)): how much wider the confidence ellipsoid is, per dimension."""
        return float(self.gvif ** (1 / (2 * self.df)))


def inflation(design: Design, fit: Fit) -> list[Inflation]:
    """det R_11 det R_22 / det R per term (Fox & Monette 1992, equation 10).

    R is the correlation matrix of the estimates but the intercept, R_11 its block for the term and R_22 that
    of all others.

    Raises
    ------
    ModelError
        If there are fewer than two terms besides the intercept.
    """
    position = {int(column): i for i, column in enumerate(fit.kept)}
    terms = [
        (term.name, [position[j] for j in term.columns if j in position])
        for term in design.fixed_terms
        if term.name != INTERCEPT
    ]
    terms = [(name, columns) for name, columns in terms if columns]
    if len(terms) < 2:
        raise ModelError(
            "variance inflation compares two or more terms of the fixed part; this model has "
            f"{len(terms)} besides the intercept"
        )
    every = [j for _, columns in terms for j in columns]
    block = fit.vcov[np.ix_(every, every)]
    sd = np.sqrt(np.diagonal(block))
    correlation = block / np.outer(sd, sd)
    whole = np.linalg.slogdet(correlation)[1]
    out = []
    at = 0
    for name, columns in terms:
        own = np.zeros(len(every), dtype=bool)
        own[at : at + len(columns)] = True
        at += len(columns)
        log = (
            np.linalg.slogdet(correlation[np.ix_(own, own)])[1]
            + np.linalg.slogdet(correlation[np.ix_(~own, ~own)])[1]
            - whole
        )
        out.append(Inflation(name, float(np.exp(log)), len(columns)))
    return out


def table(design: Design, fit: Fit, at: Origin) -> NativeFrame:
    """Columns ``term gvif df gvif_per_df``."""
    rows = inflation(design, fit)
    return frame(
        at,
        {
            "term": [row.term for row in rows],
            "gvif": [row.gvif for row in rows],
            "df": [row.df for row in rows],
            "gvif_per_df": [row.per_column for row in rows],
        },
    )
