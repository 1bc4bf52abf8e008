"""The functions a formula may call.

What is not in these tables does not exist for a formula. Functions with state learn it from the fitting data
(a mean, knots, levels) in the dictionary they are given, and read it there for new data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from formulaic.transforms import basis_spline, cyclic_cubic_spline, natural_cubic_spline, poly, scale
from numpy.typing import NDArray

from mixwell.data.columns import Factor, IntArray, Labels, Numbers, as_factor, label, labels
from mixwell.data.instants import Instants
from mixwell.design.contrasts import Contrast
from mixwell.design.transforms import cyclic_pair, elapsed, group_means, instant
from mixwell.errors import DataError, FormulaError, NewLevelsError

# Columns that one call may make, and the degree of its piecewise polynomials.
MOST_COLUMNS = 1_000
MOST_DEGREE = 20

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Several numeric columns computed by one function, ``poly(x, 2)``: shape (n, columns)."""

    columns: FloatArray


@dataclass(frozen=True, slots=True)
class Categories:
    """Values of a factor: ``codes`` (n,) into ``levels``; the contrast the formula asks for, if any."""

    codes: IntArray
    levels: Labels
    contrast: Contrast | None = None


Scalar = float | str | bool | None
Value = FloatArray | BoolArray | Matrix | Categories | Instants | Contrast | Scalar | tuple[Scalar, ...]
State = dict[str, object]
Arguments = tuple[Value, ...]
Keywords = Mapping[str, Value]

ELEMENTWISE: dict[str, Callable[..., FloatArray]] = {
    "sqrt": np.sqrt,
    "exp": np.exp,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "arcsin": np.arcsin,
    "arccos": np.arccos,
    "arctan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "arcsinh": np.arcsinh,
    "arccosh": np.arccosh,
    "arctanh": np.arctanh,
    "abs": np.abs,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "floor": np.floor,
    "ceil": np.ceil,
    "ceiling": np.ceil,
    "sign": np.sign,
    "square": np.square,
    "cbrt": np.cbrt,
}

CONSTANTS: dict[str, Value] = {
    "pi": np.pi,
    "np.pi": np.pi,
    "TRUE": True,
    "FALSE": False,
    "True": True,
    "False": False,
    "None": None,
    "NULL": None,
    "contr.treatment": Contrast("treatment"),
    "contr.sum": Contrast("sum"),
    "contr.helmert": Contrast("helmert"),
    "contr.poly": Contrast("poly"),
    "contr.SAS": Contrast("SAS"),
    "Treatment": Contrast("treatment"),
    "Sum": Contrast("sum"),
    "Helmert": Contrast("helmert"),
    "Poly": Contrast("poly"),
}


def numbers(value: Value, function: str) -> FloatArray:
    """An argument that must be numeric, as floats; logicals count 0 and 1."""
    if isinstance(value, np.ndarray):
        return np.asarray(value, dtype=np.float64)
    if isinstance(value, (bool, float)):
        return np.asarray(float(value))
    if isinstance(value, Categories):
        raise DataError(f"{function} needs numbers, but was given a text or categorical column.")
    if isinstance(value, Instants):
        raise DataError(
            f"{function} needs numbers, but {value.name!r} holds dates or times; write "
            f"time_since({value.name}) for the days since the first."
        )
    raise FormulaError(f"{function} needs a column of numbers, not {_describe(value)}.")


def _whole(value: Value, name: str, least: int, most: int) -> int:
    """An argument that must be one whole number within limits."""
    number = (
        value
        if isinstance(value, float)
        else float(value)
        if isinstance(value, np.ndarray) and not value.ndim
        else np.nan
    )
    if not (least <= number <= most and number.is_integer()):
        raise TypeError(f"{name} must be a whole number from {least} to {most}, not {_describe(value)}")
    return int(number)


def _describe(value: Value) -> str:
    if isinstance(value, Matrix):
        return "several columns"
    if isinstance(value, Contrast):
        return "contrasts"
    return "nothing" if value is None else repr(value)


def _identity(arguments: Arguments, keywords: Keywords, state: State) -> Value:
    (value,) = arguments
    return value


def _log(arguments: Arguments, keywords: Keywords, state: State) -> Value:
    base = keywords.get("base", arguments[1] if len(arguments) == 2 else None)
    if len(arguments) not in (1, 2) or set(keywords) - {"base"}:
        raise TypeError("it takes a column and, if wanted, base=")
    logarithm = np.log(numbers(arguments[0], "log()"))
    return logarithm if base is None else logarithm / np.log(numbers(base, "log()"))


def _concatenate(arguments: Arguments, keywords: Keywords, state: State) -> Value:
    if keywords or not all(isinstance(value, (bool, float, str)) for value in arguments):
        raise TypeError("it takes numbers or texts only")
    return tuple(value for value in arguments if isinstance(value, (bool, float, str)))


def _if_else(arguments: Arguments, keywords: Keywords, state: State) -> Value:
    test, yes, no = arguments
    return np.where(numbers(test, "ifelse()") != 0, numbers(yes, "ifelse()"), numbers(no, "ifelse()"))


def _as_numeric(arguments: Arguments, keywords: Keywords, state: State) -> Value:
    (value,) = arguments
    return numbers(value, "as.numeric()")


def _as_categories(value: Value, function: str) -> Categories:
    if isinstance(value, Categories):
        return value
    if isinstance(value, np.ndarray):
        if value.dtype == np.bool_:
            return Categories(value.astype(np.int32), labels(("False", "True")))
        factor = as_factor(Numbers("", np.asarray(value, dtype=np.float64), None))
        return Categories(factor.codes, factor.levels)
    if isinstance(value, Instants):
        raise DataError(
            f"The column {value.name!r} holds dates or times; {function} cannot group by it. Make it text, "
            f"or a number with time_since({value.name})."
        )
    raise FormulaError(f"{function} needs a column, not {_describe(value)}.")


def _factor(arguments: Arguments, keywords: Keywords, state: State) -> Value:
    value, *rest = arguments
    if len(rest) > 1 or set(keywords) - {"levels", "ordered"}:
        raise TypeError("it takes a column and, if wanted, levels=c(...)")
    given = rest[0] if rest else keywords.get("levels")
    categories = _as_categories(value, "factor()")
    if given is not None:
        wanted = labels(given if isinstance(given, tuple) else (given,))
        unknown = sorted(set(categories.levels) - set(wanted))
        if unknown and "levels" not in state:
            raise DataError(
                f"factor(levels=...) leaves out {', '.join(map(repr, unknown))}; list every level."
            )
        state["levels"] = wanted
        # Levels of new data that are not listed stay at the end, to be named as unseen.
        every = np.concatenate([wanted, labels(unknown)])
        categories = _with_levels(categories, every)
    if keywords.get("ordered") is True:
        return Categories(categories.codes, categories.levels, Contrast("poly"))
    return categories


def _ordered(arguments: Arguments, keywords: Keywords, state: State) -> Value:
    return _factor(arguments, {**keywords, "ordered": True}, state)


def _with_levels(categories: Categories, levels: Labels) -> Categories:
    """The same values with another order of levels, which holds all of them; unused levels are dropped."""
    present = set(categories.levels)
    kept = np.array([level in present for level in levels], dtype=bool)
    position = {level: code for code, level in enumerate(levels[kept])}
    table = np.array([position[level] for level in categories.levels], dtype=np.int32)
    return Categories(table[categories.codes], levels[kept], categories.contrast)


def _relevel(arguments: Arguments, keywords: Keywords, state: State) -> Value:
    value, *rest = arguments
    reference = label(rest[0] if rest else keywords["ref"])
    categories = _as_categories(value, "relevel()")
    if reference not in categories.levels:
        if "reference" in state:
            return categories
        raise DataError(f"relevel(): {reference!r} is not one of the levels {', '.join(categories.levels)}.")
    state["reference"] = reference
    others = categories.levels[categories.levels != reference]
    return _with_levels(categories, np.concatenate([labels([reference]), others]))


def _c(arguments: Arguments, keywords: Keywords, state: State) -> Value:
    value, *rest = arguments
    contrast = rest[0] if rest else keywords.get("contr", keywords.get("contrasts"))
    categories = _as_categories(value, "C()")
    if isinstance(contrast, str):
        contrast = CONSTANTS.get(contrast, CONSTANTS.get(f"contr.{contrast}"))
    if contrast is not None and not isinstance(contrast, Contrast):
        raise TypeError("its second argument is one of contr.treatment, contr.sum, contr.helmert, contr.poly")
    return Categories(categories.codes, categories.levels, contrast or categories.contrast)


def _contrast(kind: str) -> Callable[[Arguments, Keywords, State], Value]:
    def named(arguments: Arguments, keywords: Keywords, state: State) -> Value:
        base = keywords.get("base", keywords.get("reference"))
        # R's first argument is the levels or their number, which are known here; a text can only be the base.
        if len(arguments) == 1 and isinstance(arguments[0], str) and base is None:
            base = arguments[0]
        elif len(arguments) == 2 and base is None:
            base = arguments[1]
        elif arguments and base is None and not isinstance(arguments[0], tuple):
            raise TypeError("name the base level, base=")
        if set(keywords) - {"base", "reference"} or (base is not None and kind != "treatment"):
            raise TypeError("only contr.treatment takes a base level")
        if base is not None and not isinstance(base, (str, float)):
            raise TypeError("the base is a level or its position")
        return Contrast(kind, base=int(base) if isinstance(base, float) else base)

    return named


def _center(arguments: Arguments, keywords: Keywords, state: State) -> Value:
    (value,) = arguments
    return np.asarray(scale(numbers(value, "center()"), scale=False, _state=state), dtype=np.float64)


def _scale(arguments: Arguments, keywords: Keywords, state: State) -> Value:
    value, *rest = arguments
    given = dict(zip(("center", "scale"), rest, strict=False)) | dict(keywords)
    if (
        len(rest) > 2
        or set(given) - {"center", "scale"}
        or not all(isinstance(part, (bool, float)) for part in given.values())
    ):
        raise TypeError("it takes a column and, if wanted, center= and scale=, each TRUE, FALSE or a number")
    scaled = np.asarray(scale(numbers(value, "scale()"), **given, _state=state), dtype=np.float64)
    if not np.isfinite(scaled).all():
        raise DataError("scale() of a constant column divides by zero; remove the term.")
    return scaled


def _between(arguments: Arguments, keywords: Keywords, state: State) -> Value:
    """Group means of the fitting data; those of unseen groups only on request, from the new rows."""
    value, group = arguments
    unseen = keywords.get("new_groups", "error")
    if set(keywords) - {"new_groups"} or unseen not in ("error", "own"):
        raise TypeError('it takes a column, the groups and, if wanted, new_groups="error" or "own"')
    x = numbers(value, "between()")
    groups = _as_categories(group, "between()")
    own = group_means(x, groups.codes, len(groups.levels))
    if "means" not in state:
        state["means"] = dict(zip(groups.levels.tolist(), own.tolist(), strict=True))
        return own[groups.codes]
    means = state["means"]
    if not isinstance(means, dict):
        raise TypeError("its state is not its own")
    new = [level for level in groups.levels if level not in means]
    if new and unseen == "error":
        listed = ", ".join(map(repr, new[:5])) + (" ..." if len(new) > 5 else "")
        raise NewLevelsError(
            f"within() and between() know no mean of the new groups {listed}. Fit with "
            'new_groups="own" inside both to use the means of the new rows themselves.'
        )
    table = [means.get(level, mean) for level, mean in zip(groups.levels, own.tolist(), strict=True)]
    return np.array(table, dtype=np.float64)[groups.codes]


def _within(arguments: Arguments, keywords: Keywords, state: State) -> Value:
    means = numbers(_between(arguments, keywords, state), "within()")
    return np.asarray(numbers(arguments[0], "within()") - means)


def _cyclic(arguments: Arguments, keywords: Keywords, state: State) -> Value:
    value, *rest = arguments
    given = rest[0] if rest else keywords.get("period")
    if len(rest) > 1 or set(keywords) - {"period"} or not isinstance(given, float):
        raise TypeError("it takes a column and the period, a number")
    return Matrix(cyclic_pair(numbers(value, "cyclic()"), given))


def _time_since(arguments: Arguments, keywords: Keywords, state: State) -> Value:
    """Without a start, the earliest time of the fitting data is kept."""
    t, *rest = arguments
    given = dict(zip(("start", "unit"), rest, strict=False)) | dict(keywords)
    if len(rest) > 2 or set(given) - {"start", "unit"}:
        raise TypeError("it takes a column and, if wanted, start= and unit=")
    start, unit = given.get("start"), given.get("unit")
    if isinstance(t, Instants):
        return _dates_since(t, start, "days" if unit is None else unit, state)
    x = numbers(t, "time_since()")
    divisor = 1.0 if unit is None else unit
    if not isinstance(divisor, float) or not divisor > 0:
        raise TypeError("the times are numbers, so the unit is how many of theirs make one, as in unit=7")
    if start is None:
        first = state.setdefault("start", float(x.min()))
        if not isinstance(first, float):
            raise DataError("time_since() was given dates when the model was fitted, but numbers now.")
        start = first
    return np.asarray((x - numbers(start, "time_since()")) / divisor)


def _dates_since(t: Instants, start: Value, unit: Value, state: State) -> Value:
    if not isinstance(unit, str):
        raise TypeError('the unit of dates is a text such as "days"')
    if isinstance(start, Instants):
        return elapsed(t.values, start.values, unit)
    if isinstance(start, str):
        return elapsed(t.values, instant(start), unit)
    if start is not None:
        raise TypeError('the times are dates, so the start is a date in quotes, "2024-03-01", or a column')
    first = state.setdefault("start", int(t.values.min()))
    if not isinstance(first, int):
        raise DataError(f"{t.name!r} held numbers when the model was fitted; in the new data it holds dates.")
    return elapsed(t.values, np.asarray(first, dtype=np.int64), unit)


def _poly(arguments: Arguments, keywords: Keywords, state: State) -> Value:
    value, *rest = arguments
    x = numbers(value, "poly()")
    raw = keywords.get("raw", False)
    if set(keywords) - {"degree", "raw"} or len(rest) > 1 or not isinstance(raw, bool):
        raise TypeError("it takes a column, the degree and, if wanted, raw=TRUE")
    degree = _whole(rest[0] if rest else keywords.get("degree", 1.0), "the degree", 1, MOST_COLUMNS)
    if not raw and "alpha" not in state and len(np.unique(x)) <= degree:
        raise DataError(f"poly() of degree {degree} needs more than {degree} distinct values.")
    return Matrix(np.asarray(poly(x, degree, raw=raw, _state=state), dtype=np.float64))


def _spline_options(given: Mapping[str, Value], allowed: tuple[str, ...]) -> dict[str, object]:
    """The arguments of a spline, checked: whole numbers of columns, sorted knots, ascending bounds."""
    if set(given) - set(allowed):
        raise TypeError(f"it takes a column and, if wanted, {'=, '.join(allowed)}=")
    options: dict[str, object] = {}
    for name, value in given.items():
        if value is None:
            continue
        if name == "df":
            options[name] = _whole(value, name, 1, MOST_COLUMNS)
        elif name == "degree":
            options[name] = _whole(value, name, 1, MOST_DEGREE)
        elif name == "knots":
            options[name] = _listed_numbers(value, name, MOST_COLUMNS)
        elif name == "Boundary.knots":
            bounds = _listed_numbers(value, name, 2)
            if len(bounds) != 2 or not bounds[0] < bounds[1]:
                raise TypeError("Boundary.knots are two numbers, the smaller one first")
            options["lower_bound"], options["upper_bound"] = bounds
        elif name == "intercept":
            if not isinstance(value, bool):
                raise TypeError("intercept is TRUE or FALSE")
            options[name] = value
        elif value not in (known := _WORDS[name]):
            raise TypeError(f"{name} is one of {', '.join(map(repr, known))}")
        else:
            options[name] = value
    return options


# Arguments of splines that are words.
_WORDS: Mapping[str, tuple[str, ...]] = {
    "extrapolation": ("extend", "raise", "clip", "zero"),
    "constraints": ("center",),
}


def _listed_numbers(value: Value, name: str, most: int) -> list[float]:
    """An argument that is one number or several, c(1, 2)."""
    listed = value if isinstance(value, tuple) else (value,)
    numeric = [part for part in listed if isinstance(part, float) and np.isfinite(part)]
    if not 1 <= len(listed) <= most or len(numeric) < len(listed):
        raise TypeError(f"{name} are up to {most} numbers, as in {name}=c(1, 2), not {_describe(value)}")
    return numeric


def _named(names: tuple[str, ...], positional: list[Value], keywords: Keywords) -> dict[str, Value]:
    """Arguments after the first by their names."""
    if len(positional) > len(names):
        raise TypeError(f"it takes a column and at most {len(names)} more arguments without a name")
    return dict(zip(names, positional, strict=False)) | dict(keywords)


def _spline(
    transform: Callable[..., Mapping[object, FloatArray]],
    allowed: tuple[str, ...],
    renamed: Mapping[str, str],
    defaults: Mapping[str, object],
) -> Callable[[Arguments, Keywords, State], Value]:
    """A spline basis of formulaic, R's argument names translated."""

    def basis(arguments: Arguments, keywords: Keywords, state: State) -> Value:
        value, *rest = arguments
        x = numbers(value, "a spline")
        given = _spline_options(_named(("df", "knots", "degree"), rest, keywords), allowed)
        options = dict(defaults) | {renamed.get(name, name): option for name, option in given.items()}
        columns = transform(x, **options, _state=state)
        return Matrix(np.column_stack([np.asarray(column) for column in columns.values()]))

    return basis


def _natural_spline(arguments: Arguments, keywords: Keywords, state: State) -> Value:
    """R's ``splines::ns``: cubic B-splines without curvature at the boundary, linear beyond it."""
    value, *rest = arguments
    x = numbers(value, "ns()")
    names = ("df", "knots", "intercept", "Boundary.knots")
    given = _spline_options(_named(names, rest, keywords), names)
    intercept = given.get("intercept", False) is True
    if "knots" not in state:
        ends = np.array(
            [given.get("lower_bound", x.min()), given.get("upper_bound", x.max())], dtype=np.float64
        )
        inner = given.get("knots")
        if inner is None:
            df = given.get("df", 1 + intercept)
            if not isinstance(df, int) or df < 1 + intercept:
                raise TypeError(f"df must be at least {1 + intercept}")
            within = x[(x >= ends[0]) & (x <= ends[1])]
            if not len(within):
                raise TypeError("no value of the column lies between the Boundary.knots")
            knots = np.quantile(within, np.linspace(0, 1, df + 1 - intercept)[1:-1])
        else:
            knots = np.sort(np.array(inner, dtype=np.float64))
        state["knots"] = np.concatenate([np.repeat(ends[0], 4), knots, np.repeat(ends[1], 4)])
    padded = np.asarray(state["knots"])
    # Row i of these maps coefficients to the i-th coefficient of the derivative; at a clamped end only the
    # first or last one is not zero.
    first = 3 * np.diff(np.eye(len(padded) - 4), axis=0) / (padded[4:-1] - padded[1:-4])[:, None]
    second = 2 * np.diff(first, axis=0) / (padded[4:-2] - padded[2:-4])[:, None]
    drop = 0 if intercept else 1
    natural = np.linalg.qr(second[[0, -1], drop:].T, mode="complete")[0][:, 2:]
    low, high = padded[0], padded[-1]
    inside = basis_spline(
        np.clip(x, low, high),
        knots=padded[4:-4].tolist(),
        include_intercept=True,
        lower_bound=low,
        upper_bound=high,
    )
    basis = np.column_stack([np.asarray(column) for column in inside.values()])
    basis += np.minimum(x - low, 0)[:, None] * first[0] + np.maximum(x - high, 0)[:, None] * first[-1]
    return Matrix(basis[:, drop:] @ natural)


_BS = ("df", "knots", "degree", "intercept", "Boundary.knots", "extrapolation")
_CUBIC = ("df", "knots", "Boundary.knots", "extrapolation", "constraints")

FUNCTIONS: dict[str, Callable[[Arguments, Keywords, State], Value]] = {
    "I": _identity,
    "identity": _identity,
    "log": _log,
    "c": _concatenate,
    "ifelse": _if_else,
    "as.numeric": _as_numeric,
    "factor": _factor,
    "as.factor": _factor,
    "ordered": _ordered,
    "as.ordered": _ordered,
    "relevel": _relevel,
    "C": _c,
    "center": _center,
    "scale": _scale,
    "standardize": _scale,
    "between": _between,
    "within": _within,
    "cyclic": _cyclic,
    "time_since": _time_since,
    "poly": _poly,
    "ns": _natural_spline,
    "bs": _spline(basis_spline, _BS, {"intercept": "include_intercept"}, {"extrapolation": "extend"}),
    "cr": _spline(natural_cubic_spline, _CUBIC, {}, {"constraints": "center"}),
    "cs": _spline(natural_cubic_spline, _CUBIC, {}, {"constraints": "center"}),
    "cc": _spline(cyclic_cubic_spline, _CUBIC, {}, {"constraints": "center"}),
    "contr.treatment": _contrast("treatment"),
    "contr.sum": _contrast("sum"),
    "contr.helmert": _contrast("helmert"),
    "contr.poly": _contrast("poly"),
    "contr.SAS": _contrast("SAS"),
    "Treatment": _contrast("treatment"),
    "Sum": _contrast("sum"),
    "Helmert": _contrast("helmert"),
    "Poly": _contrast("poly"),
}


def factor_of(value: Value, name: str) -> Factor:
    """A value used for grouping, as a factor."""
    categories = _as_categories(value, name)
    return Factor(name, categories.codes, categories.levels, None)
