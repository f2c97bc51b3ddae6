"""Gradient estimators in the mean and the scale of one Gaussian: means and variances against closed forms."""

import gradient_oracles as oracle
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from zscores import assert_mean, assert_variance

from vi_lab import MeanField, measure_valued, reparameterized, score_function, sticking_the_landing

MEAN, STD, K = 0.7, 1.3, -0.4
D = MEAN - K
Q = MeanField.from_std([MEAN], [STD])


def hill(z):
    """f(z) = (z - K)^2."""
    return jnp.sum((z - K) ** 2)


def on_q(z):
    """A log joint whose log weight under q is f, and whose q does not move when q is differentiated."""
    return hill(z) + Q.log_prob(z)


def many(estimator, q, log_joint, key, *, repeats=20_000, **settings):
    run = jax.jit(jax.vmap(lambda k: estimator(q, k, log_joint, **settings)))
    return run(jax.random.split(key, repeats))


@pytest.mark.parametrize("num_samples", [1, 5])
def test_reparameterized_on_a_quadratic(num_samples, key):
    """A draw's derivative is 2(d + s e) in the mean and 2(d + s e) s e + 1 in log_std."""
    value, grad = many(reparameterized, Q, hill, key, num_samples=num_samples)
    entropy = np.log(STD) + 0.5 * (1 + np.log(2 * np.pi))
    assert_mean(value, entropy + D**2 + STD**2, "ELBO")
    assert_mean(grad.mean[:, 0], 2 * D, "gradient in the mean")
    assert_variance(grad.mean[:, 0], 4 * STD**2 / num_samples, "variance in the mean")
    assert_mean(grad.log_std[:, 0], 1 + 2 * STD**2, "gradient in log_std")
    variance = (4 * D**2 * STD**2 + 8 * STD**4) / num_samples
    assert_variance(grad.log_std[:, 0], variance, "variance in log_std")


def test_sticking_the_landing_on_a_quadratic(key):
    """With f the log weight, the path through the draws is that of f alone."""
    value, grad = many(sticking_the_landing, Q, on_q, key)
    assert_mean(value, D**2 + STD**2, "ELBO")
    assert_mean(grad.mean[:, 0], 2 * D, "gradient in the mean")
    assert_variance(grad.mean[:, 0], 4 * STD**2, "variance in the mean")


def test_score_function_without_a_baseline(key):
    value, grad = many(score_function, Q, on_q, key, num_samples=8, baseline=None)
    assert_mean(value, D**2 + STD**2, "ELBO")
    assert_mean(grad.mean[:, 0], 2 * D, "gradient in the mean")
    assert_mean(grad.log_std[:, 0], 2 * STD**2, "gradient in log_std")
    variance = D**4 / STD**2 + 14 * D**2 + 15 * STD**2
    assert_variance(grad.mean[:, 0], variance / 8, "variance in the mean")
    assert variance == pytest.approx(oracle.score_variance(D, STD)), "the closed form against quadrature"


BASELINES = {
    "leave_one_out": oracle.leave_one_out_variance(D, STD, 16),
    "running_mean": oracle.running_mean_variance(D, STD, 16),
    D**2 + STD**2: oracle.score_variance(D, STD, D**2 + STD**2) / 16,
    D**2 + 3 * STD**2: (8 * D**2 + 6 * STD**2) / 16,  # E[f c^2] / E[c^2]: no constant does better
}


@pytest.mark.parametrize("baseline", BASELINES, ids=str)
def test_baselines_keep_the_mean_and_have_the_variance_of_theory(baseline, key):
    _, grad = many(score_function, Q, on_q, key, num_samples=16, baseline=baseline)
    assert_mean(grad.mean[:, 0], 2 * D, "gradient in the mean")
    assert_mean(grad.log_std[:, 0], 2 * STD**2, "gradient in log_std")
    assert_variance(grad.mean[:, 0], BASELINES[baseline], "variance in the mean")


@pytest.mark.parametrize("num_samples", [2, 8, 64])
def test_estimated_optimal_baseline(num_samples, key):
    """Its variance is that of the same formula in NumPy: worse than leave-one-out with 8 draws, better with 64."""
    _, grad = many(score_function, Q, on_q, key, num_samples=num_samples, baseline="optimal")
    rng = np.random.default_rng(num_samples)
    formula = oracle.estimated_optimal(rng.standard_normal((20_000, num_samples)), D, STD)
    mean = grad.mean[:, 0]
    assert_mean(mean, 2 * D, "gradient in the mean")
    assert_mean((mean - 2 * D) ** 2 - (formula - 2 * D) ** 2, 0, "variance in the mean, less that of the formula")
    simple = oracle.leave_one_out_variance(D, STD, num_samples)
    if num_samples == 2:  # one other draw: the ratio is that draw's f, and both are the same estimator
        assert_variance(mean, simple, "variance with two draws")
    else:
        assert (float(mean.var()) > simple) == (num_samples == 8)


def test_score_terms_vanish_where_q_is_the_posterior(key):
    def log_joint(z):
        return Q.log_prob(z) + 3.0  # the posterior is q, the log evidence 3

    for baseline in ("leave_one_out", "optimal"):
        value, grad = many(score_function, Q, log_joint, key, repeats=10, num_samples=4, baseline=baseline)
        np.testing.assert_allclose(value, 3.0, rtol=1e-12)
        np.testing.assert_allclose(jnp.stack([grad.mean, grad.log_std]), 0, atol=1e-12)


COUPLED = 4 * D**2 * (4 / np.pi - 1), 4 * D**2 * STD**2 + 4 * STD**4
APART = (  # Var R = 2 - pi/2 and Var R^2 = 4 for R Rayleigh; for the scale, Var(z^2) under Maxwell and under normal
    (8 * D**2 * (2 - np.pi / 2) + 8 * STD**2) / (2 * np.pi),
    4 * D**2 * STD**2 * (3 + 1) + STD**4 * (15 - 9 + 2),
)


@pytest.mark.parametrize("coupled", [True, False])
def test_measure_valued_on_a_quadratic(coupled, key):
    in_mean, in_log_std = COUPLED if coupled else APART
    value, grad = many(measure_valued, Q, hill, key, coupled=coupled)
    assert_mean(value, float(Q.entropy()) + D**2 + STD**2, "ELBO")
    assert_mean(grad.mean[:, 0], 2 * D, "gradient in the mean")
    assert_variance(grad.mean[:, 0], in_mean, "variance in the mean")
    assert_mean(grad.log_std[:, 0], 1 + 2 * STD**2, "gradient in log_std")
    assert_variance(grad.log_std[:, 0], in_log_std, "variance in log_std")


@pytest.mark.parametrize("offset", [0.0, 0.8])
@pytest.mark.parametrize("r", [0.3, 0.5, 1.0, 2.0])
def test_sticking_the_landing_against_reparameterized(r, offset, key):
    """Gaussian target of variance v, r = s^2 / v, the means `offset` target standard deviations apart.

    In the mean the variances are (1 - r)^2 / s^2 and r^2 / s^2, whatever the offset; in log_std they are
    r offset^2 + 2 (1 - r)^2 and r offset^2 + 2 r^2.
    """
    std = 0.9
    target = MeanField.from_std([0.3], [std / np.sqrt(r)])
    q = MeanField.from_std([0.3 + offset * std / np.sqrt(r)], [std])
    _, plain = many(reparameterized, q, target.log_prob, key)
    _, stuck = many(sticking_the_landing, q, target.log_prob, key)
    assert_variance(plain.mean[:, 0], r**2 / std**2, "plain, mean")
    assert_variance(stuck.mean[:, 0], (1 - r) ** 2 / std**2, "sticking, mean")
    assert_variance(plain.log_std[:, 0], r * offset**2 + 2 * r**2, "plain, log_std")
    assert_variance(stuck.log_std[:, 0], r * offset**2 + 2 * (1 - r) ** 2, "sticking, log_std")
    for grad in (plain, stuck):
        assert_mean(grad.log_std[:, 0], 1 - r, "gradient in log_std")
        assert_mean(grad.mean[:, 0], -offset * np.sqrt(r) / std, "gradient in the mean")


def test_the_running_mean_is_that_of_the_draws_before(key):
    """Where f is the constant 3, only the first draw has a term: the baseline of every later one is 3 as well."""
    _, grad = score_function(Q, key, lambda z: Q.log_prob(z) + 3.0, num_samples=5, baseline="running_mean")
    first = (Q.sample(key, 5)[0, 0] - MEAN) / STD
    np.testing.assert_allclose(grad.mean[0], 3 * first / STD / 5, rtol=1e-10)
    np.testing.assert_allclose(grad.log_std[0], 3 * (first**2 - 1) / 5, rtol=1e-10)
