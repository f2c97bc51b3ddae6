"""Gauss-Legendre grids: exact on polynomials, right on boxes that are not symmetric."""

import numpy as np
import pytest
import scipy.integrate

from vi_lab.quadrature import grid


def test_exact_on_polynomials_below_twice_the_points():
    z, weights = grid(-1.5, 4.0, dim=1, num_points=4)
    for degree in range(8):
        exact = (4.0 ** (degree + 1) - (-1.5) ** (degree + 1)) / (degree + 1)
        np.testing.assert_allclose(weights @ z[:, 0] ** degree, exact, rtol=1e-12)
    assert abs(weights @ z[:, 0] ** 8 - (4.0**9 - (-1.5) ** 9) / 9) > 1  # degree 8 is beyond four points


def test_two_dimensions_agree_with_scipy_and_keep_the_axes_apart():
    lower, upper = [-1.0, 0.0], [2.0, 5.0]
    z, weights = grid(lower, upper, dim=2, num_points=40)
    expected, _ = scipy.integrate.dblquad(lambda y, x: np.exp(-(x**2)) * np.sin(y + x), -1, 2, 0, 5, epsabs=1e-12)
    np.testing.assert_allclose(weights @ (np.exp(-(z[:, 0] ** 2)) * np.sin(z[:, 1] + z[:, 0])), expected, rtol=1e-10)
    assert z.shape == (1600, 2) and np.all(z > np.array(lower)) and np.all(z < np.array(upper))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: grid(0, 1, dim=3), "dim: got 3, needs one of 1, 2"),
        (lambda: grid([0, 0, 0], 1, dim=2), r"lower: got shape \(3,\), needs a number or shape \(2,\)"),
        (lambda: grid(1, 1, dim=1), "lower, upper: got"),
        (lambda: grid(0, np.nan, dim=1), "lower, upper: got"),
        (lambda: grid(0, 1, dim=1, num_points=0), "num_points: got 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
