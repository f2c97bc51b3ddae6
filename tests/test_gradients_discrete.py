"""Discrete latents: the score function and its local sums against exhaustive enumeration."""

import gradient_oracles as oracle
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from zscores import LIMIT, assert_mean, assert_variance

import vi_lab as vi

CORNERS = oracle.corners(4)
LOGITS = np.array([0.3, -1.0, 0.0, 2.0])
COUPLING = np.array([[0, 2, 0, -1], [0, 0, 1, 0.5], [0, 0, 0, -2], [0, 0, 0, 0]])
LOG_JOINT = np.einsum("ci,ij,cj->c", CORNERS, COUPLING, CORNERS) - CORNERS @ [1, 0.5, -1, 0.2] - 3
Q = vi.Bernoulli(LOGITS)
EXACT = oracle.slope(lambda logits: oracle.discrete_elbo(logits, LOG_JOINT), LOGITS)


def log_joint(z):
    return z @ COUPLING @ z - z @ jnp.array([1, 0.5, -1, 0.2]) - 3


def many(estimator, key, repeats=40_000, **settings):
    run = jax.jit(jax.vmap(lambda k: estimator(Q, k, log_joint, **settings)))
    value, grad = run(jax.random.split(key, repeats))
    return value, grad.logits


@pytest.mark.parametrize("num_samples", [1, 3])
def test_moments_of_the_score_function(num_samples, key):
    value, grad = many(vi.score_function, key, num_samples=num_samples, baseline=None)
    assert_mean(value, oracle.discrete_elbo(LOGITS, LOG_JOINT), "ELBO")
    assert_mean(grad, EXACT, "gradient")
    assert_variance(grad, oracle.discrete_variances(LOGITS, LOG_JOINT)[0] / num_samples, "variance")


@pytest.mark.parametrize("num_samples", [1, 3])
def test_moments_of_the_local_sums(num_samples, key):
    value, grad = many(vi.rao_blackwellized, key, num_samples=num_samples)
    assert_mean(value, oracle.discrete_elbo(LOGITS, LOG_JOINT), "ELBO")
    assert_mean(grad, EXACT, "gradient")
    assert_variance(grad, oracle.discrete_variances(LOGITS, LOG_JOINT)[2] / num_samples, "variance")


def test_local_sums_never_have_the_larger_variance():
    """Exactly, for many models and members of the family: not above any constant baseline, even the best one."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        plain, best, local = oracle.discrete_variances(rng.normal(size=4) * 2, rng.normal(size=16) * 5)
        assert np.all(local <= best + 1e-12) and np.all(best <= plain + 1e-12)


def test_local_sums_are_exact_where_coordinates_do_not_interact(key):
    slopes = jnp.array([1.0, -2.0, 0.5, 0.0])
    _, grad = vi.rao_blackwellized(Q, key, lambda z: slopes @ z)
    mean = 1 / (1 + np.exp(-LOGITS))
    np.testing.assert_allclose(grad.logits, mean * (1 - mean) * (slopes - LOGITS), rtol=1e-12)


def test_it_climbs_to_the_best_member_of_the_family(key):
    """Gradient ascent on local sums ends where exact ascent on the enumerated ELBO does."""
    exact = LOGITS.copy()
    for _ in range(400):
        exact = exact + 0.5 * oracle.slope(lambda logits: oracle.discrete_elbo(logits, LOG_JOINT), exact)

    def step(q, k):
        _, grad = vi.rao_blackwellized(q, k, log_joint, num_samples=64)
        q = jax.tree.map(lambda a, g: a + 0.5 * g, q, grad)
        return q, q.logits

    _, path = jax.lax.scan(step, Q, jax.random.split(key, 2000))
    reached = np.asarray(path)[1000:].mean(axis=0)
    gap = oracle.discrete_elbo(exact, LOG_JOINT) - oracle.discrete_elbo(reached, LOG_JOINT)
    assert 0 <= gap + 1e-9 < 1e-3


def test_the_models_own_answer_is_the_enumerations(key):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(20, 4)), rng.normal(size=20)
    model = vi.models.variable_selection(x, y)
    table = np.array([model.log_joint(jnp.array(z)) for z in CORNERS])
    run = jax.jit(jax.vmap(lambda k: vi.score_function(Q, k, model.log_joint, num_samples=8)))
    value, grad = run(jax.random.split(key, 10_000))
    assert_mean(value, oracle.discrete_elbo(LOGITS, table), "ELBO")
    exact = oracle.slope(lambda logits: oracle.discrete_elbo(logits, table), LOGITS)
    z = (np.asarray(grad.logits).mean(axis=0) - exact) / (np.asarray(grad.logits).std(axis=0) / 100)
    assert np.abs(z).max() < LIMIT
