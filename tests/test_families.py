"""Every family, one set of properties."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from family_cases import (
    FAMILIES,
    WITH_ENTROPY,
    WITH_MOMENTS,
    WITH_PEER,
    WITH_TRANSFORM,
    expectation,
    peer,
    support,
    waves,
)
from jax.flatten_util import ravel_pytree
from zscores import assert_mean

from vi_lab import Bernoulli

every = pytest.mark.parametrize("name", FAMILIES)


@every
def test_density_integrates_to_one(name):
    points, weights = support(FAMILIES[name])
    np.testing.assert_allclose(weights @ jnp.exp(FAMILIES[name].log_prob(points)), 1, rtol=1e-9)


@pytest.mark.parametrize("name", WITH_MOMENTS)
def test_density_has_the_stated_moments(name):
    q = FAMILIES[name]
    np.testing.assert_allclose(expectation(q, lambda z: z), q.mean, atol=1e-9)
    outer = expectation(q, lambda z: jnp.einsum("ni,nj->nij", z - q.mean, z - q.mean))
    np.testing.assert_allclose(outer, q.cov(), atol=1e-8)


@every
def test_draws_follow_the_density(name, key):
    """Moments and bounded waves, each by z-score against quadrature; so do the weighted draws of `strata`."""
    q = FAMILIES[name]
    z = q.sample(key, 20_000)
    exact_mean = expectation(q, lambda z: z)
    exact_waves = expectation(q, waves(q))
    assert_mean(z, exact_mean, "mean of the draws")
    assert_mean(waves(q)(z), exact_waves, "waves of the draws")
    outer = jnp.einsum("ni,nj->nij", z - exact_mean, z - exact_mean)
    exact_outer = expectation(q, lambda z: jnp.einsum("ni,nj->nij", z - exact_mean, z - exact_mean))
    assert_mean(outer, exact_outer, "covariance of the draws")
    points, weights = jax.jit(jax.vmap(lambda k: q.strata(k, 3)))(jax.random.split(key, 10_000))
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)
    assert_mean(jnp.einsum("rn,rnw->rw", weights, waves(q)(points)), exact_waves, "waves of the strata")


@pytest.mark.parametrize("name", WITH_PEER)
def test_log_prob_agrees_with_numpyro(name, key):
    q = FAMILIES[name]
    z = support(q)[0] if isinstance(q, Bernoulli) else 3 * jax.random.normal(key, (50, q.dim))
    np.testing.assert_allclose(q.log_prob(z), peer(q).log_prob(z), rtol=1e-10)


@pytest.mark.parametrize("name", WITH_TRANSFORM)
def test_transform_and_its_log_determinant_agree_with_autodiff(name, key):
    """By the Gram matrix of the Jacobian where noise has more coordinates than z: then only draws are compared."""
    q = FAMILIES[name]
    eps = jax.random.normal(key, (q.noise_dim,))
    np.testing.assert_allclose(q.sample(key, 1)[0], q.transform(jax.random.normal(key, (1, q.noise_dim)))[0])
    jacobian = jax.jacfwd(q.transform)(eps)
    if q.noise_dim == q.dim:
        log_det = np.linalg.slogdet(jacobian)[1]
        log_noise = scipy.stats.norm.logpdf(eps).sum()
        np.testing.assert_allclose(q.log_prob(q.transform(eps)), log_noise - log_det, rtol=1e-12)
    else:  # a linear map of more normals than coordinates: J J^T is the covariance
        np.testing.assert_allclose(jacobian @ jacobian.T, q.cov(), rtol=1e-12)


@pytest.mark.parametrize("name", WITH_ENTROPY)
def test_entropy_agrees_with_quadrature_monte_carlo_and_numpyro(name, key):
    q = FAMILIES[name]
    np.testing.assert_allclose(q.entropy(), expectation(q, lambda z: -q.log_prob(z)), rtol=1e-8)
    assert_mean(-q.log_prob(q.sample(key, 20_000)), q.entropy(), "entropy")
    if not isinstance(q, Bernoulli):  # NumPyro gives an entropy to each coin, and none to their product
        np.testing.assert_allclose(q.entropy(), peer(q).entropy(), rtol=1e-12)


@every
def test_pytree_round_trip_changes_nothing(name):
    q = FAMILIES[name]
    flat, unravel = ravel_pytree(q)
    again = unravel(flat)
    assert type(again) is type(q) and jax.tree.structure(again) == jax.tree.structure(q)
    assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(q), jax.tree.leaves(again), strict=True))


@every
def test_gradient_of_the_log_density_is_an_object_of_the_family_and_right(name):
    q = FAMILIES[name]
    z = jnp.ones(q.dim) if isinstance(q, Bernoulli) else jnp.full(q.dim, 0.7)
    grad = jax.grad(lambda q: q.log_prob(z))(q)
    assert type(grad) is type(q)
    flat, unravel = ravel_pytree(q)
    log_prob = jax.jit(lambda flat: unravel(flat).log_prob(z))
    step = 1e-6
    for i, slope in enumerate(ravel_pytree(grad)[0]):
        high, low = (log_prob(flat.at[i].add(sign * step)) for sign in (1, -1))
        np.testing.assert_allclose(slope, (high - low) / (2 * step), atol=1e-7)


@every
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_jit_vmap_and_both_dtypes(name, key, dtype):
    q = jax.tree.map(lambda leaf: leaf.astype(dtype), FAMILIES[name])
    z = jax.jit(lambda q: q.sample(key, 5))(q)
    values = jax.jit(lambda q, z: q.log_prob(z))(q, z)
    points, weights = q.strata(key, 2)
    assert z.dtype == values.dtype == points.dtype == weights.dtype == dtype
    if name in WITH_MOMENTS:
        assert q.mean.dtype == q.cov().dtype == dtype
    tolerance = 1e-4 if dtype == jnp.float32 else 1e-12
    np.testing.assert_allclose(values, jax.vmap(q.log_prob)(z), rtol=tolerance)
    np.testing.assert_allclose(values, FAMILIES[name].log_prob(z.astype(jnp.float64)), rtol=2e-4)
    assert q.log_prob(z.reshape(5, 1, q.dim)).shape == (5, 1)
