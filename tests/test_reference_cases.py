"""The reference frames are R's: at R's variances, a dense likelihood on our columns gives R's criterion.

Nothing of the package is used, only the frames of ``reference_cases`` and the small reading of R formulas
below; so when a fit disagrees with R, the frame is not the reason.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import linalg

from reference_cases import REFERENCE, Case, cases, covariance_terms, same_factor

FloatArray = NDArray[np.float64]
Columns = list[tuple[str, FloatArray]]
BAR = r"\(([^|()]*(?:\([^()]*\)[^|()]*)*) (\|\|?) ([^()]*)\)"
SMALL = [case for case in cases().values() if case.results["n"] <= 500]


def polynomial_basis(x: FloatArray, degree: int) -> FloatArray:
    """Orthonormal polynomials, as R's poly() (Kennedy & Gentle 1980, p. 343)."""
    q, r = np.linalg.qr(np.vander(x - x.mean(), degree + 1, increasing=True))
    raw = q * np.diag(r)
    return (raw / np.linalg.norm(raw, axis=0))[:, 1:]


def contrast_matrix(kind: str | None, levels: list[str]) -> tuple[list[str], FloatArray]:
    """Column suffixes and the levels x columns matrix of R's contr.*."""
    k = len(levels)
    numbers = [str(number) for number in range(1, k)]
    if kind is None:
        return levels[1:], np.eye(k)[:, 1:]
    if kind == "sum":
        return numbers, np.vstack([np.eye(k - 1), -np.ones(k - 1)])
    if kind == "helmert":
        columns = [np.r_[-np.ones(j), j, np.zeros(k - j - 1)] for j in range(1, k)]
        return numbers, np.column_stack(columns)
    suffixes = [".L", ".Q", ".C", *(f"^{degree}" for degree in range(4, k))]
    return suffixes[: k - 1], polynomial_basis(np.arange(1.0, k + 1), k - 1)


def variable(text: str, frame: pd.DataFrame, contrasts: dict[str, str], full: bool) -> Columns:
    """Columns of one variable or call; a factor coded by all its levels if ``full``."""
    if match := re.fullmatch(r"I\((\w+)\^(\d)\)", text):
        return [(text, frame[match[1]].to_numpy(float) ** int(match[2]))]
    if match := re.fullmatch(r"poly\((\w+), (\d)\)", text):
        basis = polynomial_basis(frame[match[1]].to_numpy(float), int(match[2]))
        return [(f"{text}{j + 1}", basis[:, j]) for j in range(basis.shape[1])]
    column = frame[text]
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return [(text, column.to_numpy(float))]
    levels = list(column.cat.categories)
    suffixes, matrix = (levels, np.eye(len(levels))) if full else contrast_matrix(contrasts.get(text), levels)
    return [(text + suffix, matrix[column.cat.codes, j]) for j, suffix in enumerate(suffixes)]


def expand(text: str) -> tuple[bool, list[tuple[str, ...]]]:
    """Whether there is an intercept, and the terms by degree: ``a * b`` is a, b, a:b."""
    intercept, terms = True, []
    for part in re.split(r" \+ ", text):
        if part in ("0", "1"):
            intercept = part == "1"
            continue
        factors = part.split(" * ")
        for mask in range(1, 2 ** len(factors)):
            term = tuple(f for i, f in enumerate(factors) if mask >> i & 1)
            term = tuple(piece for f in term for piece in f.split(":"))
            if set(term) not in [set(other) for other in terms]:
                terms.append(term)
    return intercept, sorted(terms, key=len)


def model_columns(text: str, frame: pd.DataFrame, contrasts: dict[str, str]) -> Columns:
    """R's model matrix: a factor is coded by contrasts in a term whose margin without it is in the model."""
    intercept, terms = expand(text)
    margins = [set(term) for term in terms] + ([set()] if intercept else [])
    columns: Columns = [("(Intercept)", np.ones(len(frame)))] if intercept else []
    for term in terms:
        product: Columns = []
        for name in term:
            own = variable(name, frame, contrasts, full=set(term) - {name} not in margins)
            product = (
                [(f"{a}:{b}", u * v) for b, v in own for a, u in product] if product else own
            )  # the first factor varies fastest
        columns += product
    return columns


def random_terms(
    formula: str, frame: pd.DataFrame
) -> Iterator[tuple[str, list[str], FloatArray, NDArray[np.intp]]]:
    """Each (columns | factor): factor, column names, the n x k columns, and the level of each row."""
    for left, bars, factor in re.findall(BAR, formula):
        parts = factor.split("/")
        groups = [":".join(reversed(parts[: i + 1])) for i in range(len(parts))]
        lefts = [left] if bars == "|" else ["1", *(f"0 + {part}" for part in left.split(" + "))]
        for group in groups:
            keys = frame[group.split(":")].astype("str").agg(":".join, axis="columns")
            for own in lefts:
                columns = model_columns(own, frame, {})
                yield (
                    group,
                    [name for name, _ in columns],
                    np.column_stack([column for _, column in columns]),
                    pd.factorize(keys)[0],
                )


def complete_frame(case: Case) -> pd.DataFrame:
    used = [name for name in case.frame if re.search(rf"\b{name}\b", case.formula)]
    return case.frame.dropna(subset=[*used, *filter(None, (case.weights, case.offset))])


def response(text: str, frame: pd.DataFrame) -> FloatArray:
    if match := re.fullmatch(r"log\((\w+)\)", text):
        return np.log(frame[match[1]].to_numpy(float))
    return frame[text].to_numpy(float)


def test_every_reference_file_is_as_its_script_left_it() -> None:
    lines = (REFERENCE / "SHA256SUMS").read_text().splitlines()
    recorded = dict(reversed(line.split("  ")) for line in lines)
    present = {path.relative_to(REFERENCE).as_posix() for path in REFERENCE.rglob("*.[cj]s*")}
    assert present == set(recorded)
    for name, checksum in recorded.items():
        assert hashlib.sha256((REFERENCE / name).read_bytes()).hexdigest() == checksum, name


def test_all_cases_are_read() -> None:
    assert len(cases()) == 105


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.id)
def test_dense_likelihood_at_r_variances_gives_r_criterion_and_estimates(case: Case) -> None:
    frame, wanted = complete_frame(case), case.results
    n, sigma2 = len(frame), wanted["sigma"] ** 2
    left, right = case.formula.split(" ~ ")
    fixed = re.sub(rf" \+ {BAR}", "", right)
    offset = np.zeros(n)
    if match := re.search(r" \+ offset\((\w+)\)", fixed):
        fixed, offset = fixed.replace(match[0], ""), frame[match[1]].to_numpy(float)
    if case.offset is not None:
        offset = frame[case.offset].to_numpy(float)
    y = response(left, frame) - offset
    weights = np.ones(n) if case.weights is None else frame[case.weights].to_numpy(float)

    columns = model_columns(fixed, frame, case.contrasts or {})
    assert {name for name, _ in columns} == {*wanted["fixef"], *wanted["dropped_columns"]}
    kept = [(name, column) for name, column in columns if name in wanted["fixef"]]
    assert [name for name, _ in kept] == list(wanted["fixef"])
    x = np.column_stack([column for _, column in kept])

    terms = list(random_terms(case.formula, frame))
    terms.sort(key=lambda term: -(term[3].max() + 1))
    v = np.diag(sigma2 / weights)
    for (group, names, z, codes), (r_group, r_names, covariance) in zip(
        terms, covariance_terms(wanted), strict=True
    ):
        assert same_factor(group, [r_group]) == r_group
        assert names == r_names
        assert codes.max() + 1 == wanted["ngroups"][r_group]
        v += (z @ covariance @ z.T) * (codes[:, None] == codes[None, :])

    assert n == wanted["n"]
    lower = linalg.cholesky(v, lower=True)
    x_white = linalg.solve_triangular(lower, x, lower=True)
    y_white = linalg.solve_triangular(lower, y, lower=True)
    q, r = np.linalg.qr(x_white)
    beta = linalg.solve_triangular(r, q.T @ y_white)
    residual = y_white - x_white @ beta
    log_det = 2 * np.log(np.diag(lower)).sum()
    criterion = n * np.log(2 * np.pi) + log_det + residual @ residual
    if case.reml:
        criterion += 2 * np.log(np.abs(np.diag(r))).sum() - x.shape[1] * np.log(2 * np.pi)
    r_inverse = np.linalg.inv(r)
    bse = np.linalg.norm(r_inverse, axis=1)

    assert criterion == pytest.approx(wanted["criterion"], rel=0, abs=1e-8)
    np.testing.assert_allclose(beta, list(wanted["fixef"].values()), rtol=1e-8, atol=1e-8 * bse.min())
    np.testing.assert_allclose(bse, list(wanted["se"].values()), rtol=1e-8)
    fitted = (
        x @ beta + offset + (v - np.diag(sigma2 / weights)) @ linalg.cho_solve((lower, True), y - x @ beta)
    )
    np.testing.assert_allclose(fitted[:10], wanted["fitted"]["first10"], rtol=1e-8)
