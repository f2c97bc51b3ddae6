"""Logistic regression against NumPyro, variable selection against the n-dimensional Gaussian and exhaustive sums."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import scipy.integrate
import scipy.stats
from zscores import assert_mean, assert_variance

from vi_lab import Bernoulli, elbo, models

RNG = np.random.default_rng(11)
X = RNG.normal(size=(20, 4))
LABELS = (RNG.random(20) < scipy.special.expit(X @ [1.0, -1.0, 0.5, 0.0])).astype(int)
Y = X @ [1.5, 0.0, -1.0, 0.0] + 0.8 * RNG.normal(size=20)
LOGISTIC = models.logistic_regression(X, LABELS, prior_std=1.5)
SELECTION = models.variable_selection(X, Y, noise_std=0.8, slab_std=1.3, inclusion=0.3)
CORNERS = np.array(list(itertools.product([0.0, 1.0], repeat=4)))


def selection_joint(z, noise_std=0.8, slab_std=1.3, inclusion=0.3):
    """log p(z) + log N(y; 0, noise^2 I + slab^2 X diag(z) X'), by the n x n covariance."""
    cov = noise_std**2 * np.eye(20) + slab_std**2 * X @ np.diag(z) @ X.T
    prior = scipy.stats.bernoulli.logpmf(np.asarray(z, int), inclusion).sum()
    return prior + scipy.stats.multivariate_normal(np.zeros(20), cov).logpdf(Y)


def test_logistic_joint_agrees_with_numpyro(key):
    for z in 2 * jax.random.normal(key, (20, 4)):
        likelihood = dist.Bernoulli(logits=X @ z).log_prob(LABELS).sum()
        expected = dist.Normal(0, 1.5).log_prob(z).sum() + likelihood
        np.testing.assert_allclose(LOGISTIC.log_joint(z), expected, rtol=1e-9)
        np.testing.assert_allclose(LOGISTIC.log_likelihood(z), likelihood, rtol=1e-9)
    assert LOGISTIC.log_evidence is None and LOGISTIC.posterior is None and LOGISTIC.dim == 4


def test_logistic_joint_stays_finite_far_out():
    z = jnp.array([3e4, 0.0, 0.0, 0.0])
    wrong = np.where(LABELS == 1, -X[:, 0], X[:, 0]) * 3e4  # minus the log probability, where it is not tiny
    expected = -np.sum(wrong[wrong > 0])
    np.testing.assert_allclose(LOGISTIC.log_likelihood(z), expected, rtol=1e-9)
    assert np.isfinite(jax.grad(LOGISTIC.log_joint)(z)).all()


def test_logistic_labels_have_the_moments_of_the_likelihood(key):
    z = jnp.array([0.5, -1.0, 2.0, 0.3])
    labels = jax.vmap(lambda k: LOGISTIC.simulate(k, z))(jax.random.split(key, 20_000))
    rate = scipy.special.expit(X @ np.asarray(z))
    assert set(np.unique(labels)) == {0.0, 1.0}
    assert_mean(labels, rate, "simulated mean")
    assert_variance(labels, rate * (1 - rate), "simulated variance")


def test_selection_joint_agrees_with_the_marginal_gaussian_at_every_corner():
    values = jax.vmap(SELECTION.log_joint)(CORNERS)
    np.testing.assert_allclose(values, [selection_joint(z) for z in CORNERS], rtol=1e-10)


def test_selection_integrates_the_coefficient_out():
    """One column: the evidence given z = 1 is the integral of the likelihood over its normal coefficient."""
    x, y = X[:5, :1], Y[:5]
    model = models.variable_selection(x, y, noise_std=0.8, slab_std=1.3)

    def joint(b):
        return np.exp(scipy.stats.norm.logpdf(y, b * x[:, 0], 0.8).sum() + scipy.stats.norm.logpdf(b, 0, 1.3))

    integral, _ = scipy.integrate.quad(joint, -15, 15, epsabs=0, epsrel=1e-10, points=[0, 1, 2])
    np.testing.assert_allclose(model.log_likelihood(jnp.ones(1)), np.log(integral), rtol=1e-9)


def test_selection_posterior_is_the_exhaustive_sum():
    log_joints = np.array([selection_joint(z) for z in CORNERS])
    log_evidence = scipy.special.logsumexp(log_joints)
    probabilities = np.exp(log_joints - log_evidence)
    np.testing.assert_allclose(SELECTION.log_evidence, log_evidence, rtol=1e-10)
    np.testing.assert_allclose(SELECTION.posterior.mean, probabilities @ CORNERS, rtol=1e-9)
    np.testing.assert_allclose(SELECTION.posterior.log_prob(CORNERS), log_joints - log_evidence, rtol=1e-9, atol=1e-9)


def test_selection_posterior_draws(key):
    """Much noise, so that no inclusion is rare: a mean of coin flips is normal only where both sides come up."""
    model = models.variable_selection(X, Y, noise_std=3.0, slab_std=1.3)
    log_joints = np.array([selection_joint(z, noise_std=3.0, inclusion=0.5) for z in CORNERS])
    probabilities = scipy.special.softmax(log_joints)
    draws = np.asarray(model.posterior.sample(key, 50_000))
    assert_mean(draws, probabilities @ CORNERS, "inclusion")
    assert_mean(draws[:, 1] * draws[:, 3], probabilities @ (CORNERS[:, 1] * CORNERS[:, 3]), "joint inclusion")


def test_selection_simulates_its_marginal_gaussian(key):
    z = np.array([1.0, 0.0, 1.0, 1.0])
    data = jax.vmap(lambda k: SELECTION.simulate(k, z))(jax.random.split(key, 40_000))
    cov = 0.8**2 * np.eye(20) + 1.3**2 * X @ np.diag(z) @ X.T
    assert_mean(data, np.zeros(20), "simulated mean")
    assert_variance(data, np.diag(cov), "simulated variance")
    assert_mean(data[:, 0] * data[:, 1], cov[0, 1], "simulated covariance")


def test_the_elbo_of_the_exact_posterior_of_orthogonal_columns_is_the_evidence(key):
    """Columns at right angles make the posterior factorize: then a Bernoulli q is exact, its every weight p(y)."""
    basis = np.linalg.qr(X)[0] * 3
    model = models.variable_selection(basis, Y, noise_std=0.8, slab_std=1.3, inclusion=0.3)
    q = Bernoulli.from_probs(model.posterior.mean)
    np.testing.assert_allclose(elbo(q, key, model.log_joint, num_samples=10), model.log_evidence, rtol=1e-9)


def test_more_than_twelve_columns_are_not_enumerated():
    wide = models.variable_selection(RNG.normal(size=(5, 13)), Y[:5])
    assert wide.dim == 13 and wide.log_evidence is None and wide.posterior is None
    assert np.isfinite(wide.log_joint(jnp.ones(13)))  # more columns than data


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_dtypes(dtype):
    x, y = jnp.asarray(X, dtype), jnp.asarray(Y, dtype)
    model = models.variable_selection(x, y, noise_std=0.8, slab_std=1.3, inclusion=0.3)
    assert model.log_evidence.dtype == model.posterior.mean.dtype == dtype
    np.testing.assert_allclose(model.log_evidence, SELECTION.log_evidence, rtol=1e-5)
    logistic = models.logistic_regression(x, LABELS)
    assert logistic.log_joint(jnp.zeros(4, dtype)).dtype == dtype


@pytest.mark.parametrize("model", [LOGISTIC, SELECTION], ids=["logistic", "selection"])
def test_data_are_traced_and_not_compiled_in(model):
    assert isinstance(model.log_joint, jax.tree_util.Partial)
    assert any(leaf.size >= 4 for leaf in jax.tree.leaves(model.log_joint.args[1]))


BAD = {
    "design": (lambda: models.logistic_regression(Y, LABELS), r"x: got shape \(20,\), needs a design matrix"),
    "lengths": (lambda: models.logistic_regression(X, LABELS[:5]), r"y: got shape \(5,\), needs shape \(20,\)"),
    "labels": (lambda: models.logistic_regression(X, 2 * LABELS - 1), r"y: got values \[-1.0, 1.0\], needs .* 0 and 1"),
    "NaN label": (lambda: models.logistic_regression(X, np.nan * LABELS), r"y: got values \[nan"),
    "prior": (lambda: models.logistic_regression(X, LABELS, prior_std=0), "prior_std: got a smallest value of 0"),
    "NaN": (lambda: models.variable_selection(X, np.nan * Y), "y: got a value that is NaN"),
    "noise": (lambda: models.variable_selection(X, Y, noise_std=-1), "noise_std: got a smallest value of -1"),
    "slab": (lambda: models.variable_selection(X, Y, slab_std=[1.0, 2.0]), r"slab_std: got shape \(2,\)"),
    "inclusion": (lambda: models.variable_selection(X, Y, inclusion=1.0), "inclusion: got 1, needs a number between"),
    "point": (lambda: SELECTION.posterior.log_prob(jnp.zeros(3)), r"z: got shape \(3,\)"),
    "draws": (lambda: SELECTION.posterior.sample(jax.random.key(0), 0), "num_samples: got 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()
