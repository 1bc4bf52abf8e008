"""F tests of factors and their interactions among marginal means: simple effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from mixwell.design.record import Design
from mixwell.errors import DataError
from mixwell.fit.record import Fit
from mixwell.inference.contrast import Approximation, JointTest, joint_test
from mixwell.inference.emmeans import listed_names
from mixwell.inference.estimable import aliasing, estimable_part, without_rounding
from mixwell.inference.grid import averaged, reference_grid
from mixwell.inference.terms import canonical_rows

FloatArray = NDArray[np.float64]

# Rows that add less than this to those before them say nothing new.
NEW = 1e-8
# Tests named in a note.
NAMED = 5


@dataclass(frozen=True, slots=True)
class SimpleEffect:
    """One line of the table.

    Attributes
    ----------
    term
        The factors whose means are compared.
    within
        Value of each of the by variables.
    test
        The F test; None where the data determine none of the comparisons.
    partly
        Whether the data do not determine all of the comparisons.
    """

    term: str
    within: tuple[object, ...]
    test: JointTest | None
    partly: bool


def joint_tests(
    design: Design,
    fit: Fit,
    method: Approximation,
    *,
    by: str | Sequence[str] | None = None,
    at: Mapping[str, object] | None = None,
) -> tuple[SimpleEffect, ...]:
    """Tests of all factors not in ``by``, within each combination of the ``by`` variables.

    See :meth:`mixwell.models.LmerResult.joint_tests`.
    """
    grid = reference_grid(design, at)
    inner = tuple(grid.position(name) for name in listed_names(by, design.variables))
    factors = tuple(
        i for i, axis in enumerate(grid.axes) if axis.averaged and len(axis.texts) > 1 and i not in inner
    )
    if not factors:
        raise DataError("There is no factor with several levels left to test; name fewer variables in by.")
    sizes = [len(grid.axes[i].texts) for i in factors]
    if grid.parents:
        f, parents = next(iter(grid.parents.items()))
        name, parent = grid.axes[f].name, grid.axes[parents[0]].name
        raise DataError(
            f"{name!r} is nested in {parent!r}, and joint tests are of crossed factors; use fit.anova(), or "
            f"fit.emmeans({name!r}).contrast()."
        )
    rows, offset, _ = averaged(grid, (*inner, *factors), "equal")
    aliased = aliasing(design.x, fit.kept)
    cells = int(np.prod(sizes))
    within = [grid.axes[i].values for i in inner]
    places = list(product(*within))
    found = []
    for block in range(len(rows) // cells):
        part = slice(block * cells, (block + 1) * cells)
        for order in range(1, len(factors) + 1):
            for term in combinations(range(len(factors)), order):
                weights = reduce(
                    np.kron,
                    [
                        np.eye(size)[1:] - np.eye(size)[0] if i in term else np.full((1, size), 1 / size)
                        for i, size in enumerate(sizes)
                    ],
                )
                line, size = weights @ rows[part], np.abs(weights) @ np.abs(rows[part])
                mixed = estimable_part(without_rounding(line, size), size, aliased)
                known = without_rounding(mixed @ line, np.abs(mixed) @ size)[:, fit.kept]
                contrasts, shift = _independent(known, mixed @ weights @ offset[part], fit.vcov)
                some = len(contrasts) > 0
                if not some and len(known) == len(line):
                    continue  # an interaction that the model does not have
                test = None
                if some:
                    value = contrasts @ fit.beta + shift
                    chosen, value = canonical_rows(design, fit.kept, contrasts, value)
                    test = joint_test(method, fit.beta, chosen, chosen @ fit.beta - value)
                name = ":".join(grid.axes[factors[i]].name for i in term)
                found.append(SimpleEffect(name, places[block], test, len(known) < len(line)))
    return tuple(found)


def partly_estimable(lines: Sequence[SimpleEffect]) -> str:
    """A sentence on what the data do not determine, empty where they determine everything."""
    parts = []
    for head, found in (
        ("Tested in part", [line for line in lines if line.partly and line.test is not None]),
        ("Not tested", [line for line in lines if line.test is None]),
    ):
        if found:
            named = "; ".join(", ".join(map(str, (line.term, *line.within))) for line in found[:NAMED])
            more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
            parts.append(f"{head}, since the data do not determine the comparisons: {named}{more}.")
    return " ".join(parts)


def _independent(rows: FloatArray, shift: FloatArray, vcov: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rows that do not follow from those before them; coefficients count in standard errors."""
    scaled = rows * np.sqrt(np.diagonal(vcov))
    basis = np.zeros((0, rows.shape[1]))
    kept = []
    largest = np.linalg.norm(scaled, axis=1).max(initial=0.0)
    for i, row in enumerate(scaled):
        new = row - (basis @ row) @ basis
        new -= (basis @ new) @ basis
        length = float(np.linalg.norm(new))
        if length > NEW * largest:
            basis = np.vstack([basis, new / length])
            kept.append(i)
    return rows[kept], shift[kept]
