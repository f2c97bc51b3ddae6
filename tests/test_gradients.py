"""Gradient estimators: mean and variance against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from zscores import assert_mean, assert_variance

from vi_lab import FullRank, MeanField, Mixture, kl, models, reparameterized

MEAN, STD, K = 0.7, 1.3, -0.4  # q = N(MEAN, STD^2), log p(z, x) = -(z - K)^2


def quadratic(z):
    return -jnp.sum((z - K) ** 2)


def many(q, log_joint, key, *, repeats=20_000, num_samples=1):
    run = jax.jit(jax.vmap(lambda k: reparameterized(q, k, log_joint, num_samples=num_samples)))
    return run(jax.random.split(key, repeats))


@pytest.mark.parametrize("num_samples", [1, 5])
def test_moments_on_a_quadratic(num_samples, key):
    """With d = MEAN - K, a draw's derivative is -2(d + STD e) in the mean and -2(d + STD e) STD e + 1 in log_std."""
    d = MEAN - K
    value, grad = many(MeanField.from_std([MEAN], [STD]), quadratic, key, num_samples=num_samples)
    entropy = np.log(STD) + 0.5 * (1 + np.log(2 * np.pi))
    assert_mean(value, entropy - d**2 - STD**2, "ELBO")
    assert_mean(grad.mean[:, 0], -2 * d, "gradient in the mean")
    assert_variance(grad.mean[:, 0], 4 * STD**2 / num_samples, "variance in the mean")
    assert_mean(grad.log_std[:, 0], 1 - 2 * STD**2, "gradient in log_std")
    variance = (4 * d**2 * STD**2 + 8 * STD**4) / num_samples
    assert_variance(grad.log_std[:, 0], variance, "variance in log_std")


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_full_rank_gradient_is_minus_that_of_the_closed_form_kl(dtype, key):
    model = models.gaussian(jnp.array([1.0, -1.0], dtype), jnp.array([[2.0, 0.6], [0.6, 0.5]], dtype))
    q = FullRank(jnp.array([0.2, 0.1], dtype), jnp.array([[0.9, 0.0], [-0.3, 0.6]], dtype))
    _, grad = many(q, model.log_joint, key)
    exact = jax.grad(lambda q: -kl(q, model.posterior))(q)
    assert grad.mean.dtype == grad.packed.dtype == dtype
    assert_mean(grad.mean, exact.mean, "gradient in the mean")
    assert_mean(grad.packed, exact.packed, "gradient in the scale")
    # In the mean a draw's derivative is -P (z - mu), with P the target's precision: covariance P S P, S that of q.
    precision = np.linalg.inv([[2.0, 0.6], [0.6, 0.5]])
    variance = np.diag(precision @ np.asarray(q.cov(), float) @ precision)
    assert_variance(grad.mean, variance, "variance in the mean")


def test_gradient_is_an_object_of_the_family(key):
    q = MeanField.standard(2)
    _, grad = reparameterized(q, key, quadratic, num_samples=3)
    assert type(grad) is MeanField and grad.mean.shape == (2,)


def test_a_mixture_cannot_be_reparameterized(key):
    with pytest.raises(NotImplementedError, match="no reparameterization"):
        reparameterized(Mixture.standard(1, 2, key), key, quadratic)
