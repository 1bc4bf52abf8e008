"""Theta and the kernel's coordinates: the same covariance matrices, told in two sets of columns."""

from __future__ import annotations

import numpy as np
import pytest

import mixwell as mw
from mixwell import kernel
from mixwell.fit import quantities
from small_models import FITS, fitted


@pytest.mark.parametrize("name", FITS)
def test_coordinates_are_the_factor_over_columns_of_mean_square_one(name: str) -> None:
    """T* T*' = R Sigma R' with R'R = Z'WZ / n of the term's columns Z."""
    fit = fitted(name)
    design, theta = fit.design, fit.fit.theta
    found = kernel.coordinates_of(design, theta)
    # The triangle of coordinates is unpacked as that of theta is.
    starred = quantities.unpacked(design, kernel.Theta(found))
    root = np.ones(design.n_obs) if design.weights is None else np.sqrt(design.weights)
    for term, t, t_star in zip(design.terms, quantities.unpacked(design, theta), starred, strict=True):
        z = np.column_stack(term.columns) * root[:, None] / np.sqrt(design.n_obs)
        r = np.linalg.cholesky(z.T @ z).T
        wanted = r @ t @ t.T @ r.T
        np.testing.assert_allclose(t_star @ t_star.T, wanted, rtol=1e-7, atol=1e-10 * np.trace(wanted))


@pytest.mark.parametrize("name", FITS)
def test_theta_and_coordinates_convert_into_each_other(name: str) -> None:
    design = fitted(name).design
    at = kernel.problem(design)
    rng = np.random.default_rng(5)
    theta = quantities.packed([np.tril(rng.normal(size=(len(t.names),) * 2)) for t in design.terms])
    several = kernel.Theta(np.stack([theta, 2 * theta, fitted(name).fit.theta]))
    back = kernel.theta_of(design, kernel.coordinates_of(design, several, at), at)
    assert back.shape == several.shape
    np.testing.assert_allclose(back[0] * 2, back[1], rtol=1e-9, atol=1e-12)
    for one, other in zip(
        quantities.unpacked(design, several), quantities.unpacked(design, back), strict=True
    ):
        np.testing.assert_allclose(
            other @ np.swapaxes(other, 1, 2), one @ np.swapaxes(one, 1, 2), rtol=1e-8, atol=1e-10
        )
        assert (np.diagonal(other, axis1=1, axis2=2) >= 0).all()


@pytest.mark.parametrize("wrong", [np.zeros(2), np.full(3, np.nan), np.zeros((4, 2))])
def test_wrong_lengths_and_values_are_refused(wrong: np.ndarray) -> None:
    design = mw.lmer("Reaction ~ Days + (Days | Subject)", mw.datasets.load_sleepstudy()).design
    with pytest.raises(mw.DataError):
        kernel.theta_of(design, kernel.Coordinates(wrong))
    with pytest.raises(mw.DataError):
        kernel.coordinates_of(design, kernel.Theta(wrong))
