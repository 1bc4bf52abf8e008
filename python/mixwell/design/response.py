"""The response as a function of a quantity of the data, and the way back: one description for all stages.

It is read from the expression left of the ``~``, not from the name of its outermost function: ``log(y + 1)``
is undone to y. What cannot be undone says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mixwell.data.columns import Column
from mixwell.design.evaluate import States, evaluate
from mixwell.design.functions import numbers
from mixwell.errors import MixwellError
from mixwell.formula.expression import ALONG, Binary, Call, Name, Node, Number, Unary, names, written
from mixwell.formula.fixed import Variable

FloatArray = NDArray[np.float64]

# Functions that return what they are given, for numbers.
_SAME = frozenset({"I", "identity", "as.numeric"})
_CENTRED = frozenset({"center", "scale", "standardize"})


@dataclass(frozen=True, slots=True)
class Affine:
    """v -> slope v + shift."""

    slope: float
    shift: float = 0.0

    @property
    def low(self) -> float:
        return -np.inf

    @property
    def high(self) -> float:
        return np.inf

    def inverse(self, value: FloatArray) -> FloatArray:
        return (value - self.shift) / self.slope

    def derivative(self, value: FloatArray) -> FloatArray:
        """Of the inverse."""
        return np.full_like(value, 1 / self.slope)


@dataclass(frozen=True, slots=True)
class Power:
    """v -> v to an exponent, where the sign of v is known: ``sign`` is 1, -1, or 0 for the whole line.

    The whole line is the domain of odd powers and odd roots.
    """

    exponent: float
    sign: int

    @property
    def _image(self) -> int:
        """Sign of the values."""
        return self.sign if self.exponent % 2 == 1 else abs(self.sign)

    @property
    def low(self) -> float:
        return 0.0 if self._image > 0 else -np.inf

    @property
    def high(self) -> float:
        return 0.0 if self._image < 0 else np.inf

    def inverse(self, value: FloatArray) -> FloatArray:
        size = np.abs(value) ** (1 / self.exponent)
        return (self.sign or np.sign(value)) * size

    def derivative(self, value: FloatArray) -> FloatArray:
        """Of the inverse."""
        slope = np.abs(value) ** (1 / self.exponent - 1) / self.exponent
        return np.asarray(self.sign * self._image * slope if self.sign else slope)


@dataclass(frozen=True, slots=True)
class _Known:
    """A function's inverse, the derivative of that, and the range of the function."""

    inverse: Callable[[FloatArray], FloatArray]
    derivative: Callable[[FloatArray], FloatArray]
    low: float = -np.inf
    high: float = np.inf


def _tangent(value: FloatArray) -> FloatArray:
    """The tangent, infinite at the ends of its branch."""
    at_end = np.abs(value) >= np.pi / 2
    return np.where(at_end, np.copysign(np.inf, value), np.tan(np.where(at_end, 0.0, value)))


_FUNCTIONS: Mapping[str, _Known] = MappingProxyType(
    {
        "log": _Known(np.exp, np.exp),
        "exp": _Known(np.log, np.reciprocal, low=0.0),
        "asin": _Known(np.sin, np.cos, -np.pi / 2, np.pi / 2),
        "acos": _Known(np.cos, lambda value: -np.sin(value), 0.0, np.pi),
        "atan": _Known(_tangent, lambda value: 1 + np.tan(value) ** 2, -np.pi / 2, np.pi / 2),
        "sinh": _Known(np.arcsinh, lambda value: 1 / np.sqrt(1 + value**2)),
        "tanh": _Known(np.arctanh, lambda value: 1 / (1 - value**2), -1.0, 1.0),
        "asinh": _Known(np.sinh, np.cosh),
        "acosh": _Known(np.cosh, np.sinh, low=0.0),
        "atanh": _Known(np.tanh, lambda value: 1 / np.cosh(value) ** 2),
    }
)


@dataclass(frozen=True, slots=True)
class Function:
    """v -> a function that is one to one where it is defined, by its name."""

    name: str

    @property
    def low(self) -> float:
        return _FUNCTIONS[self.name].low

    @property
    def high(self) -> float:
        return _FUNCTIONS[self.name].high

    def inverse(self, value: FloatArray) -> FloatArray:
        return np.asarray(_FUNCTIONS[self.name].inverse(value))

    def derivative(self, value: FloatArray) -> FloatArray:
        """Of the inverse."""
        return np.asarray(_FUNCTIONS[self.name].derivative(value))


Step = Affine | Power | Function

LOG, EXP = Function("log"), Function("exp")


@dataclass(frozen=True, slots=True)
class ResponseTransform:
    """How the response is made from a quantity of the data. Every step is monotone where the data lie.

    Attributes
    ----------
    name
        The response as in the formula, ``"log(y + 1)"``.
    quantity
        What is left when all steps are undone: a column, ``"y"``, or a function of several, ``"y/x"``.
    steps
        The outermost first, so that they are undone in this order. Empty where the response is the quantity
        itself, or where it cannot be undone.
    logged
        What the logarithm is of, so that differences are ratios of it: ``"y + 1"``. Empty if they are not.
    problem
        Why the response cannot be undone; empty if it can.
    """

    name: str
    quantity: str
    steps: tuple[Step, ...] = ()
    logged: str = ""
    problem: str = ""

    @property
    def computed(self) -> tuple[str, tuple[Step, ...]]:
        """What is computed, the same however it is written: of ``log(y)`` and ``I(np.log(y))``."""
        return (self.name, ()) if self.problem else (self.quantity, self.steps)

    @property
    def is_identity(self) -> bool:
        """Whether the response is the quantity itself."""
        return not self.steps and not self.problem

    @property
    def is_linear(self) -> bool:
        """Whether differences of the response are multiples of differences of the quantity."""
        return not self.problem and all(isinstance(step, Affine) for step in self.steps)

    @property
    def shift(self) -> float:
        """What the outermost step adds: no part of a difference."""
        first = self.steps[0] if self.steps else None
        return first.shift if isinstance(first, Affine) else 0.0

    def inverse(self, value: FloatArray) -> FloatArray:
        """From the scale of the response to that of the quantity; NaN for what no quantity leads to."""
        with np.errstate(all="ignore"):
            for step in self.steps:
                inside = (value >= step.low) & (value <= step.high)
                value = np.where(inside, step.inverse(value), np.nan)
        return value

    def derivative(self, value: FloatArray) -> FloatArray:
        """Of the inverse, at a value of the response."""
        slope = np.ones_like(value)
        with np.errstate(all="ignore"):
            for step in self.steps:
                slope = slope * step.derivative(value)
                value = step.inverse(value)
        return slope

    def interval(self, low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The quantities that lead to responses from ``low`` to ``high``; NaN where there are none.

        What lies beyond the range of the transformation is cut off.
        """
        with np.errstate(all="ignore"):
            for step in self.steps:
                empty = (high < step.low) | (low > step.high)
                ends = [step.inverse(np.clip(end, step.low, step.high)) for end in (low, high)]
                low, high = (np.where(empty, np.nan, order(*ends)) for order in (np.minimum, np.maximum))
        return low, high

    def differences(self) -> ResponseTransform | None:
        """What carries differences of the response back; None where they depend on where they are taken.

        Differences of logarithms are ratios of :attr:`logged`.
        """
        outer = tuple(replace(step, shift=0.0) for step in self.steps[:1] if isinstance(step, Affine))
        if self.logged:
            return replace(self, quantity=self.logged, steps=(*outer, LOG))
        return replace(self, steps=outer) if self.is_linear else None


@dataclass(slots=True)
class _Reader:
    """Reads an expression from the outside in, over the columns it was computed from."""

    columns: Mapping[str, Column]
    states: States
    steps: list[Step] = field(default_factory=list)
    logged: Node | None = None

    def constant(self, node: Node) -> float | None:
        """The number that an expression without columns is."""
        if any(name in self.columns for name in names(node)):
            return None
        try:
            value = numbers(evaluate(node, {}, dict(self.states)), "")
        except (MixwellError, KeyError):
            return None
        return float(value) if value.ndim == 0 and np.isfinite(value) else None

    def of(self, *steps: Step) -> None:
        """Append steps, the outermost first; lines of lines are one."""
        for step in steps:
            last = self.steps[-1] if self.steps else None
            if isinstance(step, Affine) and isinstance(last, Affine):
                self.steps[-1] = Affine(last.slope * step.slope, last.slope * step.shift + last.shift)
            elif step != Affine(1.0):
                self.steps.append(step)
            if self.steps and self.steps[-1] == Affine(1.0):
                self.steps.pop()

    def logarithm(self, argument: Node, step: Step) -> None:
        """A logarithm of ``argument``, which counts if nothing but a line lies outside of it."""
        outermost = all(isinstance(outer, Affine) for outer in self.steps)
        self.of(step, LOG)
        if outermost:
            self.logged = argument

    def power(self, base: Node, exponent: float) -> bool:
        """Of what is positive, or negative, or odd; whether the power has one inverse."""
        if exponent == 1:
            return True
        if exponent % 2 == 1 and exponent > 0:
            sign = 0
        else:
            values = numbers(evaluate(base, self.columns, self.states), "")
            sign = 1 if values.min() >= 0 else -1 if values.max() <= 0 else 0
            if sign == 0 or exponent == 0:
                return False
        self.of(Power(exponent, sign))
        return True

    def inside(self, node: Node) -> Node | None:
        """Take the outermost function off; what it is of, or None if it cannot be undone."""
        match node:
            case Unary("-", operand):
                self.of(Affine(-1.0))
                return operand
            case Binary(operator, left, right):
                return self.binary(operator, left, right)
            case Call(function, arguments, keywords):
                name = function.removeprefix("np.").removeprefix("numpy.")
                if name in _CENTRED:
                    return self.centred(node)
                if name == "log":
                    return self.log(arguments, dict(keywords))
                return self.call(name, arguments[0]) if len(arguments) == 1 and not keywords else None
        return None

    def binary(self, operator: str, left: Node, right: Node) -> Node | None:
        """An operation with a constant, or a ratio or sum of lines in one and the same expression."""
        a, b = self.constant(left), self.constant(right)
        if a is None and b is None:
            return self.lines(operator, left, right)
        if b is not None and operator in ("+", "-"):
            self.of(Affine(1.0, b if operator == "+" else -b))
            return left
        if b is not None and b != 0 and operator in ("*", "/"):
            self.of(Affine(b if operator == "*" else 1 / b))
            return left
        if b is not None:
            return left if operator == "^" and self.power(left, b) else None
        assert a is not None
        if operator in ("+", "-"):
            self.of(Affine(1.0 if operator == "+" else -1.0, a))
            return right
        if operator in ("*", "/") and a != 0:
            self.of(Affine(a))
            return right if operator == "*" or self.power(right, -1.0) else None
        if operator == "^" and a > 0 and a != 1:
            self.of(EXP, Affine(float(np.log(a))))
            return right
        return None

    def line(self, node: Node) -> tuple[Node, Affine] | None:
        """An expression as a line in one of its parts that has a column."""
        reader = _Reader(self.columns, self.states)
        while (inner := reader.straight(node)) is not None:
            node = inner
        step = reader.steps[0] if reader.steps else Affine(1.0)
        return (node, step) if isinstance(step, Affine) else None

    def straight(self, node: Node) -> Node | None:
        """Take off a line with a constant, if there is one outermost."""
        before = list(self.steps)
        match node:
            case Unary("-", _) | Binary("+" | "-" | "*" | "/", _, _):
                pass
            case Call(function, (_,), ()) if function in _SAME:
                pass
            case _:
                return None
        if (
            isinstance(node, Binary)
            and self.constant(node.left) is None
            and self.constant(node.right) is None
        ):
            return None
        inner = self.inside(node)
        if inner is None or any(not isinstance(step, Affine) for step in self.steps):
            self.steps = before
            return None
        return inner

    def lines(self, operator: str, left: Node, right: Node) -> Node | None:
        """``y / (1 - y)``: two lines in the same expression."""
        first, second = self.line(left), self.line(right)
        if first is None or second is None or first[0] != second[0]:
            return None
        (inner, top), (_, bottom) = first, second
        if operator in ("+", "-"):
            sign = 1.0 if operator == "+" else -1.0
            slope = top.slope + sign * bottom.slope
            if slope == 0:
                return None
            self.of(Affine(slope, top.shift + sign * bottom.shift))
            return inner
        if operator != "/":
            return None
        # (a v + b) / (c v + d) = a / c + (b - a d / c) / (c v + d)
        rest = top.shift - top.slope * bottom.shift / bottom.slope
        if rest == 0:
            return None
        self.of(Affine(rest, top.slope / bottom.slope))
        if not self.power(right, -1.0):
            return None
        self.of(bottom)
        return inner

    def centred(self, node: Call) -> Node | None:
        """``scale()`` and its kin, by what they learned from the data."""
        learned = self.states.get(node)
        if learned is None or not node.arguments:
            return None
        centre, spread = (learned.get(key) for key in ("center", "scale"))
        by = 1.0 if spread is None else float(numbers(np.asarray(spread), ""))
        at = 0.0 if centre is None else float(numbers(np.asarray(centre), ""))
        self.of(Affine(1 / by, -at / by))
        return node.arguments[0]

    def log(self, arguments: tuple[Node, ...], keywords: Mapping[str, Node]) -> Node | None:
        """A logarithm to any base."""
        given = keywords.get("base", arguments[1] if len(arguments) > 1 else None)
        base = float(np.e) if given is None else self.constant(given)
        if base is None or base <= 0 or base == 1:
            return None
        self.logarithm(arguments[0], Affine(1.0 if given is None else float(1 / np.log(base))))
        return arguments[0]

    def call(self, name: str, argument: Node) -> Node | None:
        """A function of one argument."""
        name = f"a{name.removeprefix('arc')}" if name.startswith("arc") else name
        if name in _SAME:
            return argument
        if name in ("log2", "log10"):
            self.logarithm(argument, Affine(float(1 / np.log(2.0 if name == "log2" else 10.0))))
            return argument
        if name == "log1p":
            self.logarithm(Binary("+", argument, Number(1.0)), Affine(1.0))
            self.of(Affine(1.0, 1.0))
            return argument
        if name == "expm1":
            self.of(Affine(1.0, -1.0), EXP)
            return argument
        exponent = {"sqrt": 0.5, "square": 2.0}.get(name)
        if exponent is not None:
            return argument if self.power(argument, exponent) else None
        if name == "cbrt":
            self.of(Power(1 / 3, 0))
            return argument
        if name not in _FUNCTIONS:
            return None
        self.of(Function(name))
        return argument


def response_transform(
    response: Variable, columns: Mapping[str, Column], states: States
) -> ResponseTransform:
    """How a response is made from a column, read from its expression.

    Parameters
    ----------
    response
        The left side of a formula.
    columns
        What it was computed from: whether 1/y and y^2 are one to one is seen there.
    states
        What ``scale`` and the like learned.
    """
    reader = _Reader(columns, states)
    node = response.expression
    while not _is_column(node) and (inner := reader.inside(node)) is not None:
        node = inner
    found = ResponseTransform(response.name, node.value if isinstance(node, Name) else written(node))
    read = list(dict.fromkeys(name for name in names(node) if name in columns))
    if not _is_column(node):
        several = len(read) > 1
        if not several or all(isinstance(step, Affine) for step in reader.steps):
            what = (
                f"is computed from several columns, {', '.join(read)}"
                if several
                else "has no single inverse over these data"
            )
            return replace(found, problem=f"{written(node)} {what}")
    logged = "" if reader.logged is None else written(reader.logged)
    after = reader.steps[reader.steps.index(LOG) + 1 :] if logged else []
    if all(isinstance(step, Affine) and step.shift == 0 for step in after):
        # Ratios of y / 3 are those of y.
        logged = logged and found.quantity
    return replace(found, steps=tuple(reader.steps), logged=logged)


def _is_column(node: Node) -> bool:
    return isinstance(node, Name) or (isinstance(node, Call) and node.function in ALONG)
