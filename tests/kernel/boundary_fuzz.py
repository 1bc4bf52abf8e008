"""Random misuse of the compiled module. Run as a program: ``python boundary_fuzz.py seed rounds``.

Every call must return or raise a Python exception, and what returns must not be infinite or NaN.
Prints ``done`` and the kinds of outcomes at the end.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from mixwell._kernel import Deletions, KernelError, Problem, Refitter

SPECIAL = [np.nan, np.inf, -np.inf, 1e140, -1e140, 5e-324, 0.0, -0.0]
DTYPES = ["f4", "i8", "O", "c16", ">f8", "U5", "M8[ns]", "bool"]


class Misuse:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.outcomes: Counter[str] = Counter()
        # how often an argument is spoiled: rarely, so that much of it gets through
        self.rate = self.random.choice([0.005, 0.02, 0.05])

    def spoil(self, value: Any, *alternatives: Callable[[], Any]) -> Any:
        return self.random.choice(alternatives)() if self.random.random() < self.rate else value

    def length(self, n: int) -> int:
        return self.spoil(n, lambda: 0, lambda: 1, lambda: n + 1, lambda: max(0, n - 1))

    def floats(self, n: int) -> Any:
        a = self.numbers.normal(size=n)
        b = a.copy()
        if n:
            b[self.random.randrange(n)] = self.random.choice(SPECIAL)
        read_only = a.copy()
        read_only.flags.writeable = False
        misaligned = np.zeros(8 * n + 1, dtype="u1")[1:].view("f8")
        return self.spoil(
            a,
            lambda: b,
            lambda: a * self.random.choice([1e140, 1e-140, 1e20, 1e-20, 0]),
            lambda: np.ones(n),
            lambda: a.astype(self.random.choice(DTYPES)),
            lambda: np.repeat(a, 2)[::2],
            lambda: a[::-1],
            lambda: read_only,
            lambda: list(a),
            lambda: a[:, None],
            lambda: None,
            lambda: np.array(1.0),
            lambda: misaligned,
            lambda: np.broadcast_to(1.0, n),
        )

    def codes(self, n: int, q: int) -> Any:
        c = self.numbers.integers(0, max(q, 1), n).astype("i4")
        b = c.copy()
        if n:
            b[self.random.randrange(n)] = self.random.choice([-1, q, 2**31 - 1, -(2**31)])
        read_only = c.copy()
        read_only.flags.writeable = False
        return self.spoil(
            c,
            lambda: b,
            lambda: c.astype(self.random.choice(["i8", "u4", "f8", "i2", ">i4", "O"])),
            lambda: np.repeat(c, 2)[::2],
            lambda: c[::-1],
            lambda: read_only,
            lambda: list(c),
            lambda: None,
        )

    def matrix(self, n: int, p: int) -> Any:
        a = np.asfortranarray(self.numbers.normal(size=(self.length(n), p)))
        b = a.copy(order="F")
        if b.size:
            b[self.random.randrange(b.shape[0]), self.random.randrange(p)] = self.random.choice(SPECIAL)
        twice = np.asfortranarray(np.column_stack([a, a]))
        return self.spoil(
            a,
            lambda: np.ascontiguousarray(a),
            lambda: np.asfortranarray(np.repeat(a, 2, axis=0))[::2],
            lambda: b,
            lambda: a.astype("f4"),
            lambda: a * 0,
            lambda: a * 1e300,
            lambda: a.ravel(),
            lambda: twice,
            lambda: None,
        )

    def theta(self, m: int) -> Any:
        a = self.numbers.normal(size=self.length(m))
        return self.spoil(
            a,
            lambda: np.zeros(m),
            lambda: np.full(m, np.nan),
            lambda: np.full(m, np.inf),
            lambda: np.full(m, 1e300),
            lambda: np.full(m, 1e-300),
            lambda: np.full(m, 1e12),
            lambda: list(a),
            lambda: a[None, :],
        )

    def parameters(self, terms: list[Any], p: int) -> Any:
        places: list[Any] = [("sigma", [])]
        places += [("coefficient", [i]) for i in range(p)]
        for number, (_, columns) in enumerate(terms):
            k = len(columns)
            places += [("sd", [number, i]) for i in range(k)]
            places += [("correlation", [number, i, j]) for i in range(k) for j in range(i + 1, k)]
        some = self.random.sample(places, min(len(places), 3))
        return self.spoil(
            some,
            lambda: [],
            lambda: [*some, *some],
            lambda: [("sd", [0])],
            lambda: [("sd", [len(terms), 0])],
            lambda: [("correlation", [0, 0, 0])],
            lambda: [("correlation", [0, 2**63, 1])],
            lambda: [("coefficient", [p])],
            lambda: [("coefficient", [-1])],
            lambda: [("sigma", [0])],
            lambda: [("tau", [])],
            lambda: ["sigma"],
            lambda: None,
        )

    def report(self) -> Any:
        return self.spoil(
            lambda done: None, lambda: None, lambda: 1, lambda: lambda: None, lambda: lambda done: 1 / 0
        )

    def profile(self, problem: Problem, terms: list[Any]) -> None:
        fit = self.call("optimize", problem.optimize, False, None, 60, 1e-9, 1)
        if fit is None:
            return
        curves = self.call(
            "profile",
            problem.profile,
            self.spoil(fit["theta"], lambda: self.theta(problem.n_theta)),
            self.parameters(terms, len(problem.kept)),
            self.spoil(
                self.random.choice([[1.0], [1.96, 2.58]]),
                lambda: [],
                lambda: [2.0, 1.0],
                lambda: [0.0],
                lambda: [self.random.choice([np.nan, np.inf, -1.0, 1e300, 99.0])],
                lambda: "a",
                lambda: None,
            ),
            self.spoil(
                self.random.choice([None, 0.5]),
                lambda: self.random.choice([0.0, -1.0, np.nan, np.inf, 1e-300, 1e300]),
                lambda: 0.05,
                lambda: "a",
            ),
            self.report(),
        )
        for curve in curves or []:
            assert np.isfinite(curve["values"]).all(), curve
            assert np.isfinite(curve["zeta"]).all(), curve
            assert not np.isnan(curve["slope"]).any(), curve
            assert (np.diff(curve["values"]) >= 0).all(), curve

    def deletions(self, n: int, m: int, arguments: tuple[Any, ...]) -> None:
        n_sets = self.random.choice([1, 2, max(n, 1)])
        sets = (self.codes(self.length(n), n_sets), self.spoil(n_sets, lambda: 0, lambda: 2**40, lambda: -1))
        held = self.random.choice([True, False])
        control = self.spoil(
            (60, 1e-9, 1),
            lambda: (0, 1e-9, 1),
            lambda: (60, np.nan, 1),
            lambda: (60, -1.0, 0),
            lambda: (60, 1e-9, 3),
            lambda: (60, 1e-9),
            lambda: None,
        )
        theta = self.random.choice([self.theta(m), np.zeros(m), None])
        deleted = self.call("Deletions", Deletions, sets, True, theta, held, control, *arguments)
        if deleted is None:
            return
        first, last = self.spoil(
            (0, n_sets),
            lambda: (0, 0),
            lambda: (n_sets, 0),
            lambda: (0, 2**63),
            lambda: (2**64 - 1, 2**64 - 1),
            lambda: (-1, 1),
            lambda: (0.5, 1),
        )
        found = self.call("delete", deleted.refit, first, last)
        if found is not None:
            failed = {i for i, *_ in found["failures"]}
            fitted = [i for i in range(len(found["criterion"])) if i not in failed]
            for name in ("criterion", "theta", "sigma"):
                assert np.isfinite(found[name][fitted]).all(), (name, sets, arguments)
            for name in ("beta", "vcov_unscaled"):
                assert np.isfinite(found[name][found["same_rank"]]).all(), (name, sets, arguments)

    def call(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            out = function(*arguments)
        except Exception as error:
            kind = error.args[0] if isinstance(error, KernelError) else ""
            assert kind != "panic", (name, arguments)
            self.outcomes[f"{name}: {type(error).__name__} {kind}"] += 1
            return None
        self.outcomes[f"{name}: returned"] += 1
        if isinstance(out, dict) and np.ndim(out["criterion"]) == 0:
            assert np.isfinite(out["criterion"]), (name, arguments)
        return out

    def round(self) -> None:
        pick = self.random.choice
        n = pick([0, 1, 2, 3, 5, 10, 20, 40])
        p = pick([0, 0, 1, 2, 4])
        n_factors = pick([1, 1, 2, 3])
        factors, terms = [], []
        for _ in range(self.spoil(n_factors, lambda: 0)):
            q = pick([1, 2, 3, 5, max(n, 1), 2 * n + 1])
            levels = self.spoil(
                q, lambda: 0, lambda: -1, lambda: 2**20, lambda: 2.5, lambda: "a", lambda: None
            )
            factors.append((self.codes(self.length(n), q), levels))
        for index in range(self.spoil(n_factors, lambda: 0, lambda: n_factors + 2)):
            where = self.spoil(
                index % n_factors, lambda: n_factors, lambda: -1, lambda: 2**40, lambda: 1.5, lambda: None
            )
            width = self.spoil(pick([1, 1, 2, 3]), lambda: 0, lambda: 12)
            columns = [
                np.ones(n) if c == 0 and pick([True, False]) else self.floats(self.length(n))
                for c in range(width)
            ]
            terms.append((where, columns))
        weights = self.spoil(
            pick([None, np.abs(self.numbers.normal(size=n)) + 0.1]),
            lambda: np.zeros(n),
            lambda: -np.ones(n),
            lambda: self.floats(n),
        )
        arguments = (self.floats(self.length(n)), self.matrix(n, p), weights, factors, terms)
        problem = self.call("Problem", Problem, *arguments)
        refitter = self.call("Refitter", Refitter, *arguments)
        if problem is not None:
            m = problem.n_theta
            for reml in (True, False):
                self.call("components", problem.components, self.theta(m), self.spoil(reml, lambda: None))
                self.call("solve", problem.solve, self.theta(m), reml)
                self.call(
                    "optimize",
                    problem.optimize,
                    reml,
                    pick([None, self.theta(m)]),
                    self.spoil(60, lambda: 0, lambda: 1, lambda: -1, lambda: 2**63, lambda: 1.5),
                    self.spoil(1e-9, lambda: np.nan, lambda: -1.0, lambda: 0.0, lambda: np.inf, lambda: "a"),
                    self.spoil(1, lambda: 0, lambda: 5, lambda: -1, lambda: 100),
                )
                rows = pick([0, 1, 3])
                self.call(
                    "predictor_variances",
                    problem.predictor_variances,
                    self.theta(m),
                    self.matrix(rows, p),
                    [self.codes(rows, 1) for _ in range(self.spoil(len(factors), lambda: 0, lambda: 5))],
                    [[self.floats(rows) for _ in term[1]] for term in terms],
                    reml,
                )
            self.profile(problem, terms)
            self.deletions(n, m, arguments)
        if refitter is not None and problem is not None:
            self.call(
                "refit",
                refitter.refit,
                self.matrix(n, pick([0, 1, 3])),
                self.theta(problem.n_theta),
                True,
                self.spoil(60, lambda: 0, lambda: -1),
                self.spoil(1e-9, lambda: np.nan),
            )


def main(seed: int, rounds: int) -> None:
    for number in range(rounds):
        misuse = Misuse(seed * 1_000_003 + number)
        misuse.round()
        totals.update(misuse.outcomes)
    print("done")
    for outcome, count in sorted(totals.items()):
        print(count, outcome)


totals: Counter[str] = Counter()

if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
