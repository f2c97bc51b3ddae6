"""Rényi divergences of Gaussians against sums on a fine grid, and at the edges of their domain."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from vi_lab import FullRank, MeanField, Mixture, kl, renyi


def test_renyi_agrees_with_quadrature_and_its_limits():
    q, p = (
        FullRank.from_cov([0.3, 0.1], [[1.0, 0.3], [0.3, 0.7]]),
        MeanField.from_std([-0.2, 0.4], [1.05, 0.95]),
    )
    axis = np.linspace(-30, 30, 1501)
    points = np.stack(np.meshgrid(axis, axis), axis=-1)
    log_q, log_p = (scipy.stats.multivariate_normal.logpdf(points, g.mean, g.cov()) for g in (q, p))

    def by_scipy(alpha):
        integral = np.exp(alpha * log_q + (1 - alpha) * log_p).sum() * (axis[1] - axis[0]) ** 2
        return np.log(integral) / (alpha - 1)

    for alpha in (0.5, 2.0, -1.0):
        np.testing.assert_allclose(renyi(q, p, alpha), by_scipy(alpha), rtol=1e-9)
        np.testing.assert_allclose(renyi(q, p, alpha), alpha / (1 - alpha) * renyi(p, q, 1 - alpha), rtol=1e-9)
    assert renyi(q, p, 1) == kl(q, p)
    np.testing.assert_allclose(renyi(q, p, 1 + 1e-6), kl(q, p), rtol=1e-4)
    np.testing.assert_allclose(renyi(q, p, 0), 0, atol=1e-12)


def test_renyi_is_infinite_where_its_integral_diverges():
    wide, narrow = MeanField.from_std([0.0], [2.0]), MeanField.standard(1)
    assert renyi(wide, narrow, 2.0) == np.inf  # q^2 / p does not fall off
    assert renyi(narrow, wide, -1.0) == -np.inf  # nor does p^2 / q
    assert np.isfinite(renyi(wide, narrow, -1.0))


@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.float32, 1e-5), (jnp.float64, 1e-12)])
def test_renyi_loses_no_digits_near_the_kl(dtype, tolerance):
    """D_alpha - KL is of the order of alpha - 1; a quotient of two small numbers would be lost in rounding."""
    q = FullRank(jnp.array([0.3, 0.1], dtype), jnp.array([[1.0, 0.0], [0.3, 0.8]], dtype))
    p = MeanField(jnp.array([-0.2, 0.4], dtype), jnp.array([0.1, -0.1], dtype))
    for distance in (1e-3, 1e-5, 1e-7):
        middle = (renyi(q, p, 1 - distance) + renyi(q, p, 1 + distance)) / 2  # the first order cancels
        assert middle.dtype == dtype
        np.testing.assert_allclose(middle, kl(q, p), rtol=tolerance + distance**2)


def test_renyi_has_the_gradient_of_its_closed_form_also_at_equal_scales():
    """For equal covariances D_alpha = alpha |m - n|^2 / 2, whose slope in m is alpha (m - n)."""
    q, p = MeanField([1.0, -0.5], [0.0, 0.0]), MeanField.standard(2)
    for alpha in (0.5, 2.0, -1.0):
        slope = jax.grad(lambda q, alpha=alpha: renyi(q, p, alpha))(q)
        np.testing.assert_allclose(slope.mean, alpha * q.mean, rtol=1e-12)
        assert np.isfinite(slope.log_std).all()


@pytest.mark.parametrize("alpha", [np.nan, np.inf, "a", None, True])
def test_an_order_that_is_no_number_is_named(alpha):
    with pytest.raises(ValueError, match=r"alpha: got .* needs a finite number"):
        renyi(MeanField.standard(1), MeanField.standard(1), alpha)


def test_other_dimensions_and_families_are_refused():
    with pytest.raises(ValueError, match="p: got dim 1, needs dim 2"):
        renyi(MeanField.standard(2), MeanField.standard(1), 0.5)
    with pytest.raises(NotImplementedError, match=r"^renyi: .*-renyi_bound[(]"):
        renyi(Mixture([0.0], (MeanField.standard(1),)), MeanField.standard(1), 0.5)
