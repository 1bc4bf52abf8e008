"""Calls that help where an assumption fails, as text to be run with ``fit``, ``mw`` and ``data``."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from mixwell.design.given_contrasts import contrast_arguments
from mixwell.design.record import Design
from mixwell.diagnostics.marginal import independent_blocks
from mixwell.diagnostics.robust import LARGEST_CLUSTER
from mixwell.fit.record import Fit
from mixwell.formula.expression import Name
from mixwell.formula.fixed import Variable
from mixwell.formula.tokens import quoted

# Resamples errors and random effects as they are found, of whatever distribution.
RESAMPLED = "fit.bootstrap(kind='residual', seed=1)"


class Remedies:
    """Calls that help, for one fit; refits are by ML where it was, with its weights, offset and contrasts."""

    def __init__(self, design: Design, fit: Fit) -> None:
        self._design, self._fit = design, fit
        arguments = _arguments(design, fit)
        self._refit = None if arguments is None else "".join(f", {argument}" for argument in arguments)

    def call(self, formula: str, otherwise: str) -> str:
        """``mw.lmer(formula, data, ...)``; ``otherwise`` if weights or offset cannot be written down."""
        if self._refit is None:
            return otherwise
        written = '"' + formula.strip().replace("\\", "\\\\").replace('"', '\\"') + '"'
        return f"mw.lmer({written}, data{self._refit})"

    def added(self, addition: str, otherwise: str) -> str:
        """The fit with more terms."""
        return self.call(f"{self._design.formula.strip()} + {addition}", otherwise)

    def slope(self, term: int, variable: str, otherwise: str) -> str:
        """The random term with a slope more; a term of its own where the text of the old one is not found."""
        group = self.group(self._design.terms[term].factor)
        spaced = r"\s*:\s*".join(re.escape(part) for part in group.split(":"))
        old = re.compile(rf"\(([^()|]+)\|\s*{spaced}\s*\)")
        name, formula = self.column(variable), self._design.formula
        found = old.findall(formula)
        if len(found) == 1:
            wider = f"({found[0].strip()} + {name} | {group})"
            return self.call(old.sub(lambda _: wider, formula), otherwise)
        return self.added(f"(0 + {name} | {group})", otherwise)

    def group_means(self, factor: int, predictors: Sequence[str], otherwise: str) -> str:
        """The fit with group means of predictors beside them; ``otherwise`` for combinations of factors."""
        recipe = self._design.recipe
        if recipe is None or len(recipe.factors[factor].variables) > 1:
            return otherwise
        group = self.group(factor)
        return self.added(" + ".join(f"between({self.column(x)}, {group})" for x in predictors), otherwise)

    def column(self, name: str) -> str:
        """A variable as a formula spells it: in backticks if it is a column of an odd name."""
        recipe = self._design.recipe
        parts = () if recipe is None else (recipe.formula.fixed, *(bar.terms for bar in recipe.formula.bars))
        for variable in (variable for part in parts for variable in part.variables):
            if variable.name == name:
                return _spelled(variable)
        return quoted(name)

    def group(self, factor: int) -> str:
        """A grouping factor as a formula spells it."""
        recipe = self._design.recipe
        if recipe is None:
            return self._design.factors[factor].name
        return ":".join(map(_spelled, recipe.factors[factor].variables))

    @property
    def positive(self) -> bool:
        """Whether the response is a positive column, so that its logarithm is a model too."""
        recipe = self._design.recipe
        plain = recipe is None or isinstance(recipe.formula.response.expression, Name)
        return plain and self._design.offset is None and float(self._design.y.min()) > 0

    def logged(self, otherwise: str) -> str:
        """The model of the log response, if it is positive."""
        left, right = self._design.formula.split("~", 1)
        return self.call(f"log({left.strip()}) ~{right}", otherwise) if self.positive else otherwise

    def robust(self, otherwise: str) -> str:
        """Intervals that stand unequal or dependent errors; ``otherwise`` if crossed factors join all."""
        if independent_blocks(self._design)[0] < 2:
            return otherwise
        return f"fit.conf_int(robust='{robust_kind(self._design)}')"


def robust_kind(design: Design) -> str:
    """CR2, or CR1 where a cluster is too large for it."""
    _, block = independent_blocks(design)
    return "CR2" if np.bincount(block).max() <= LARGEST_CLUSTER else "CR1"


def _spelled(variable: Variable) -> str:
    return quoted(variable.name) if isinstance(variable.expression, Name) else variable.name


def _arguments(design: Design, fit: Fit) -> list[str] | None:
    """What the fit was given beside formula and data; None if a call cannot repeat it."""
    arguments = [] if fit.reml else ["reml=False"]
    recipe, rows = design.recipe, design.rows
    if recipe is None:
        return arguments
    whole = rows is None or rows.kept is None
    if recipe.weights is not None:
        arguments.append(f"weights={recipe.weights!r}")
    elif design.weights is not None:
        if not whole:
            return None
        arguments.append("weights=fit.design.weights")
    if recipe.offset is not None:
        arguments.append(f"offset={recipe.offset!r}")
    elif recipe.offset_is_array:
        if not whole or recipe.formula.fixed.offsets:
            return None
        arguments.append("offset=fit.design.offset")
    contrasts = contrast_arguments(design)
    if contrasts:
        inner = ", ".join(f"{name!r}: {spec}" for name, spec in contrasts.items())
        arguments.append(f"contrasts={{{inner}}}")
    return arguments
