"""Records of a model's design. Made once by :mod:`mixwell.design.build`, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixwell.arrays import seal
from mixwell.data.columns import Column
from mixwell.data.frame import FrameKind
from mixwell.data.labelled import in_order
from mixwell.design.coding import ColumnPlan, VariableCoding
from mixwell.design.evaluate import States
from mixwell.design.response import ResponseTransform
from mixwell.formula.expression import Node
from mixwell.formula.fixed import Variable
from mixwell.formula.parse import ParsedFormula

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class GroupingFactor:
    """A grouping factor: which level each row belongs to.

    Attributes
    ----------
    name
        As written in the formula, interactions with a colon: ``"batch:cask"``.
    levels
        The q level labels, as text, in order; interactions as ``"A:a"``.
    codes
        Length n, values 0..q-1: the level of each row.
    """

    name: str
    levels: NDArray[np.object_]
    codes: IntArray

    def __post_init__(self) -> None:
        seal(self)

    @property
    def n_levels(self) -> int:
        return len(self.levels)


@dataclass(frozen=True, slots=True)
class RandomTerm:
    """One parenthesis of the formula, ``(columns | factor)``, with unstructured covariance.

    ``(x || g)`` is already expanded into one term per column.

    Attributes
    ----------
    factor
        Index into ``Design.factors``.
    label
        The parenthesis as text, ``"(Days | Subject)"``.
    names
        The k column names, ``("(Intercept)", "Days")``.
    columns
        k arrays of length n, contiguous float64. Columns that are also columns of X share their memory.
    """

    factor: int
    label: str
    names: tuple[str, ...]
    columns: tuple[FloatArray, ...]

    def __post_init__(self) -> None:
        seal(self)


@dataclass(frozen=True, slots=True)
class FixedTerm:
    """A term of the fixed part: what analysis of variance tests as a whole.

    Attributes
    ----------
    name
        ``"(Intercept)"``, ``"Treatment:sex"``.
    variables
        Names of the variables in it, as in the formula.
    columns
        Indices of its columns in X.
    """

    name: str
    variables: tuple[str, ...]
    columns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """Which rows of the caller's data the design holds.

    Attributes
    ----------
    n_given
        Rows in the data.
    kept
        Positions of the rows used, ascending; None when all are.
    missing
        Column -> number of rows where it is missing, for columns with any. A row may count several times.
    kind
        The kind of data frame that results are returned as.
    index
        Labels of the rows used, for pandas frames; else None.
    """

    n_given: int
    kept: NDArray[np.intp] | None
    missing: Mapping[str, int]
    kind: FrameKind
    index: pd.Index | None

    def __post_init__(self) -> None:
        seal(self)

    @property
    def n_dropped(self) -> int:
        return 0 if self.kept is None else self.n_given - len(self.kept)

    @property
    def labels(self) -> pd.Index:
        """Labels of the rows used: the caller's, else their positions in the data."""
        if self.index is not None:
            return self.index
        return pd.RangeIndex(self.n_given) if self.kept is None else pd.Index(self.kept)

    def in_order(self, values: object, what: str) -> object:
        """A pandas series in the order of the rows used, by its labels; all other values as they stand.

        It may be labelled with all rows of the data, too; those that were dropped are left out.

        Raises
        ------
        DataError
            When the labels are not those of the rows; ``what`` names the argument.
        """
        if isinstance(values, pd.Series) and self.kept is not None and len(values) == self.n_given:
            own = values.index
            if own[self.kept].equals(self.labels):
                return values.iloc[self.kept]
            if own.is_unique and self.labels.isin(own).all():
                return values.loc[self.labels]
        return in_order(values, self.labels, what)


@dataclass(frozen=True, slots=True)
class GroupingRecipe:
    """How codes of a grouping factor are found for new rows.

    Attributes
    ----------
    variables
        The variables whose combinations are the levels.
    levels
        Per variable, its labels in order.
    combinations
        Shape (q, variables), ascending: each level's codes of the variables, the first variable slowest.
    """

    variables: tuple[Variable, ...]
    levels: tuple[tuple[str, ...], ...]
    combinations: IntArray

    def __post_init__(self) -> None:
        seal(self)


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that is needed to make the same columns from new data. Holds no data; pickles and copies.

    Attributes
    ----------
    formula
        The formula taken apart.
    states
        What ``center``, ``poly`` and the like learned.
    codings
        Of each variable in the fixed part and left of the bars: levels and contrasts.
    x, terms
        Plans of the columns of X, and of each random term.
    factors
        One per grouping factor of the design.
    constants
        Names of the formula that are no columns, ``pi``.
    response
        How the response is made from a column, and back.
    offset
        Name of the column given as ``offset=``, if any.
    offset_is_array
        Whether ``offset=`` was an array, which new data cannot continue.
    weights
        Name of the column given as ``weights=``, if any.
    """

    formula: ParsedFormula
    states: States
    codings: Mapping[Node, VariableCoding]
    x: tuple[ColumnPlan, ...]
    terms: tuple[tuple[ColumnPlan, ...], ...]
    factors: tuple[GroupingRecipe, ...]
    constants: frozenset[str]
    response: ResponseTransform
    offset: str | None
    offset_is_array: bool
    weights: str | None = None


@dataclass(frozen=True, slots=True)
class Design:
    """y = X beta + offset + sum over terms of Z b + error, with prior weights.

    Attributes
    ----------
    formula
        The formula as the user typed it.
    response_name
        Text of the left side, ``"log(y)"``.
    y
        Length n, the response (offset not subtracted).
    x
        Shape (n, p), Fortran order: columns of the fixed part, aliased ones included.
    x_names
        The p column names.
    weights
        Length n, or None where no prior weights were given.
    offset
        Length n, or None.
    factors
        Each grouping factor once.
    terms
        In lme4's order: by decreasing number of levels (see :mod:`mixwell.design.build`); theta follows it.
    fixed_terms
        The terms of the fixed part, the intercept first, with their columns of X.
    x_r_names
        The p column names as R spells them, ``"sexMale"``.
    variables
        The columns that the fixed part and the left sides of the bars read, rows used only.
    rows
        Where the rows come from.
    recipe
        How new data become columns. The last five are empty only in designs made by hand.
    """

    formula: str
    response_name: str
    y: FloatArray
    x: FloatArray
    x_names: tuple[str, ...]
    weights: FloatArray | None
    offset: FloatArray | None
    factors: tuple[GroupingFactor, ...]
    terms: tuple[RandomTerm, ...]
    fixed_terms: tuple[FixedTerm, ...] = ()
    x_r_names: tuple[str, ...] = ()
    variables: Mapping[str, Column] = field(default_factory=dict)
    rows: Rows | None = None
    recipe: Recipe | None = None

    def __post_init__(self) -> None:
        seal(self)

    @property
    def n_obs(self) -> int:
        return len(self.y)

    def has_response_of(self, other: Design) -> bool:
        """Whether both have the same response, however it is written: ``log(y)``, ``I(np.log(y))``."""
        if self.response_name == other.response_name or self.recipe is None or other.recipe is None:
            return self.response_name == other.response_name
        return self.recipe.response.computed == other.recipe.response.computed
