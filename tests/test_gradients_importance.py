"""The gradient of the importance-weighted bound: against quadrature, and its signal-to-noise ratio in K."""

import gradient_oracles as oracle
import jax
import numpy as np
import pytest
from scipy import stats
from zscores import assert_mean

import vi_lab as vi

TARGET = vi.MeanField.from_std([0.4], [1.1])
Q = vi.MeanField([-0.2], [0.1])


def log_joint(z):
    return TARGET.log_prob(z) - 1.7


def plain(q, key, log_joint, *, num_samples, num_repeats=1):
    """The bound differentiated through its draws, the score of q included."""
    settings = {"num_samples": num_samples, "num_repeats": num_repeats}
    return jax.value_and_grad(lambda q: vi.importance_weighted_bound(q, key, log_joint, **settings))(q)


def bound(parameters, num_samples):
    """E log mean_k w_k for K = 1 or 2, by Gauss-Hermite quadrature in as many dimensions."""
    mean, std = parameters[0], np.exp(parameters[1])
    z = mean + std * oracle.NODES
    log_w = stats.norm(0.4, 1.1).logpdf(z) - 1.7 - stats.norm(mean, std).logpdf(z)
    if num_samples == 1:
        return oracle.WEIGHTS @ log_w
    pairs = np.logaddexp(log_w[:, None], log_w) - np.log(2)
    return oracle.WEIGHTS @ pairs @ oracle.WEIGHTS


def many(estimator, key, repeats=40_000, q=Q, **settings):
    run = jax.jit(jax.vmap(lambda k: estimator(q, k, log_joint, **settings)))
    return run(jax.random.split(key, repeats))


@pytest.mark.parametrize("estimator", [vi.doubly_reparameterized, plain])
@pytest.mark.parametrize(("num_samples", "num_repeats"), [(1, 1), (2, 1), (2, 3)])
def test_expectation_is_the_gradient_of_the_bound(estimator, num_samples, num_repeats, key):
    value, grad = many(estimator, key, num_samples=num_samples, num_repeats=num_repeats)
    parameters = np.array([-0.2, 0.1])
    exact = oracle.slope(lambda at: bound(at, num_samples), parameters)
    assert_mean(value, bound(parameters, num_samples), "bound")
    assert_mean(grad.mean[:, 0], exact[0], "gradient in the mean")
    assert_mean(grad.log_std[:, 0], exact[1], "gradient in log_std")


def test_one_draw_is_sticking_the_landing(key):
    one = vi.doubly_reparameterized(Q, key, log_joint, num_samples=1, num_repeats=7)
    other = vi.sticking_the_landing(Q, key, log_joint, num_samples=7)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)


def test_repeats_divide_the_variance(key):
    once, many_times = (many(vi.doubly_reparameterized, key, 20_000, num_samples=4, num_repeats=r) for r in (1, 4))
    for a, b in zip(jax.tree.leaves(once), jax.tree.leaves(many_times), strict=True):
        ratio = np.var(a) / np.var(b)
        assert ratio == pytest.approx(4, rel=0.25)


WIDE = vi.MeanField([-0.2], [0.4])


def snr(estimator, key, num_samples):
    _, grad = many(estimator, key, 20_000, q=WIDE, num_samples=num_samples)
    return abs(float(grad.mean.mean())) / float(grad.mean.std())


def test_signal_to_noise_where_q_is_wide(key):
    """The plain ratio falls with K, towards 1 / sqrt(K); the doubly reparameterized one grows as sqrt(K)."""
    fall = [snr(plain, key, k) for k in (1, 4, 16)]
    rise = [snr(vi.doubly_reparameterized, key, k) for k in (1, 16, 64)]
    assert fall[0] > 2 * fall[1] > 3 * fall[2]
    assert rise[1] > 2 * rise[0]
    assert rise[2] / rise[1] == pytest.approx(2, rel=0.1)
