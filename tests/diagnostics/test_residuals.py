"""Residuals of every kind against the dense model, row by row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixwell as mw
import oracle
from mixwell.design.record import Design
from mixwell.design.subset import subset
from mixwell.diagnostics import marginal
from mixwell.diagnostics.residuals import RESIDUAL_KINDS
from small_models import FITS, fitted, grouped

pytestmark = pytest.mark.filterwarnings("ignore::mixwell.SingularFitWarning")


def dense_covariance(result: mw.LmerResult) -> np.ndarray:
    at = oracle.marginal(result.design, result.theta.to_numpy(), reml=result.reml)
    return at.v * result.sigma**2


@pytest.mark.parametrize("name", list(FITS))
@pytest.mark.parametrize("by_recursion", [False, True])
def test_whitened_residuals_are_those_of_the_cholesky_factor(
    name: str, by_recursion: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by_recursion:
        monkeypatch.setattr(marginal, "LARGEST_DENSE", 3)
        monkeypatch.setattr(marginal, "_PIECE", 4)
    result = fitted(name)
    v = dense_covariance(result)
    _, block = marginal.independent_blocks(result.design)
    assert np.all(v[block[:, None] != block[None, :]] == 0)
    order = np.argsort(block, kind="stable")
    wanted = np.empty(len(order))
    at = oracle.marginal(result.design, result.theta.to_numpy(), reml=result.reml)
    wanted[order] = np.linalg.solve(np.linalg.cholesky(v[np.ix_(order, order)]), at.residual[order])
    np.testing.assert_allclose(result.residuals("whitened"), wanted, rtol=0, atol=1e-8)
    assert result.residuals("normalized").equals(result.residuals("whitened"))


@pytest.mark.parametrize("name", ["slopes", "weights, offset", "crossed", "nested"])
def test_studentized_residuals_come_from_the_fit_without_the_row(name: str) -> None:
    result = fitted(name)
    design, theta = result.design, result.theta.to_numpy()
    studentized = result.residuals("studentized").to_numpy()
    for row in (0, 17, 63):
        without = subset(design, np.arange(design.n_obs) != row)
        at = oracle.marginal(without, theta, reml=True)
        whole = oracle.marginal(design, theta, reml=True)
        v, keep = whole.v, np.arange(design.n_obs) != row
        # Best linear unbiased prediction of the row from the others, and its variance in units of sigma^2.
        x = design.x[:, at.kept]
        gain = v[row, keep] @ at.v_inverse
        offset = 0.0 if design.offset is None else design.offset[row]
        deviation = design.y[row] - offset - x[row] @ at.beta - gain @ at.residual
        rest = x[row] - gain @ x[keep]
        unscaled = v[row, row] - gain @ v[keep, row] + rest @ (at.vcov / at.sigma**2) @ rest
        assert studentized[row] == pytest.approx(deviation / (at.sigma * np.sqrt(unscaled)), rel=1e-7)


@pytest.mark.parametrize("name", list(FITS))
def test_precision_times_columns(name: str) -> None:
    result = fitted(name)
    x = marginal.fixed_columns(result.design, result.fit)
    wanted = np.linalg.solve(dense_covariance(result), x)
    found = marginal.precision_times(result.design, result.fit, x)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-11 * np.abs(wanted).max())


def test_every_kind_keeps_the_index_and_an_unknown_one_is_named() -> None:
    result = fitted("slopes")
    for kind in RESIDUAL_KINDS:
        values = result.residuals(kind)
        assert isinstance(values, pd.Series)
        assert values.index.equals(grouped().index)
        assert np.isfinite(values).all()
    with pytest.raises(mw.MixwellError, match=r"no kind='raw'.*'whitened'"):
        result.residuals("raw")


def test_whitening_that_would_take_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marginal, "LARGEST_DENSE", 3)
    result = fitted("crossed")
    with pytest.raises(mw.MixwellError, match=r'residuals\("standardized"\)'):
        marginal.whitened_residuals(result.design, result.fit, most_work=1.0)


def _formula_design(result: mw.LmerResult, frame: pd.DataFrame) -> Design:
    formula, arguments = FITS["nested"]
    return mw.lmer(formula, frame, **arguments).design


def test_subset_is_the_design_of_the_fewer_rows() -> None:
    result, frame = fitted("nested"), grouped()
    keep = (frame["h"] != "v").to_numpy()
    part, wanted = subset(result.design, keep), _formula_design(result, frame[keep])
    np.testing.assert_array_equal(part.x, wanted.x)
    np.testing.assert_array_equal(part.y, wanted.y)
    for one, other in zip(part.factors, wanted.factors, strict=True):
        assert one.name == other.name
        assert one.levels.tolist() == other.levels.tolist()
        np.testing.assert_array_equal(one.codes, other.codes)
    assert part.rows is not None
    assert part.rows.index is not None
    assert part.rows.index.tolist() == frame.index[keep].tolist()


def test_subset_predicts_new_rows_with_its_own_levels() -> None:
    result, frame = fitted("nested"), grouped()
    keep = (frame["h"] != "v").to_numpy()
    formula, arguments = FITS["nested"]
    direct = mw.lmer(formula, frame[keep], **arguments)
    part = mw.LmerResult(subset(result.design, keep), direct.fit)
    new = frame[keep].iloc[:20]
    np.testing.assert_allclose(part.predict(new), direct.predict(new), rtol=1e-12)
    with pytest.raises(mw.NewLevelsError, match="v"):
        part.predict(frame[~keep])
