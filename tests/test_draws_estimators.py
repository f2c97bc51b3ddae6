"""Every family, bound, estimator and `fit` with other base draws: the same means, and the variances of theory."""

from functools import partial

import draws_oracles as oracle
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from family_cases import FAMILIES, expectation, support, waves
from scipy import stats
from zscores import assert_mean, assert_variance

from vi_lab import (
    MeanField,
    Mixture,
    bounds,
    draws,
    fit,
    kl,
    measure_valued,
    models,
    rao_blackwellized,
    reparameterized,
    score_function,
    sticking_the_landing,
    stratified,
)

REPEATS = 1000
both = pytest.mark.parametrize("noise", [draws.antithetic, draws.sobol], ids=["antithetic", "sobol"])


def hill(z):
    """A log joint that is neither even nor separable, and as good for coins as for real numbers."""
    return -0.3 * jnp.sum((z - 0.4) ** 2) + 0.5 * jnp.sin(jnp.sum(z)) - 0.2 * jnp.prod(z)


@both
@pytest.mark.parametrize("name", FAMILIES)
def test_means_over_draws_keep_their_expectation(name, noise, key):
    """By `sample`; of a mixture by `strata` as well, which for all others are the same draws."""
    q = FAMILIES[name]
    f = waves(q)

    def by_strata(key):
        z, weights = q.strata(key, 4, noise=noise)
        return weights @ f(z)

    ways = [lambda key: f(q.sample(key, 4, noise=noise)).mean(axis=0), *[by_strata] * isinstance(q, Mixture)]
    exact = expectation(q, lambda z: np.asarray(f(z)))
    for values in jax.jit(jax.vmap(lambda key: [way(key) for way in ways]))(jax.random.split(key, REPEATS)):
        assert_mean(values, exact)


def exact_gradient(q):
    """Of the ELBO as a sum over a grid, or over all coins: no draw in it."""
    points, weights = support(q)

    def value(q):
        log_q = q.log_prob(points)
        return weights @ (jnp.exp(log_q) * (jax.vmap(hill)(points) - log_q))

    return value(q), jax.grad(value)(q)


ESTIMATORS = [  # each family and each estimator with one kind of draws: what they do to a mean is tested above
    ("mean-field", reparameterized, draws.sobol),
    ("full-rank", sticking_the_landing, draws.antithetic),
    ("low-rank", reparameterized, draws.antithetic),
    ("flow", sticking_the_landing, draws.sobol),
    ("mixture", stratified, draws.sobol),
    ("mixture", partial(score_function, baseline=None), draws.antithetic),
    ("mean-field", partial(score_function, baseline=0.3), draws.antithetic),
    ("bernoulli", partial(score_function, baseline=None), draws.sobol),
    ("bernoulli", rao_blackwellized, draws.sobol),
]


@pytest.mark.parametrize(("name", "gradient", "noise"), ESTIMATORS)
def test_gradients_stay_unbiased(name, gradient, noise, key):
    q = FAMILIES[name]
    run = jax.jit(jax.vmap(lambda k: gradient(q, k, hill, num_samples=4, noise=noise)))
    value, grad = run(jax.random.split(key, REPEATS))
    exact_value, exact = exact_gradient(q)
    assert_mean(value, exact_value, "ELBO")
    for got, expected in zip(jax.tree.leaves(grad), jax.tree.leaves(exact), strict=True):
        assert_mean(got, expected, "gradient")


@both
@pytest.mark.parametrize("alpha", [0.0, -1.0])
def test_bounds_of_two_draws_by_quadrature(noise, alpha, key):
    """E of the log of a mean of two weights: over opposite draws one integral, over one draw in each half two."""
    q, settings = MeanField.from_std([0.3], [0.8]), {"num_samples": 2, "alpha": alpha, "noise": noise}
    nodes, weights = np.polynomial.legendre.leggauss(200)
    half = stats.norm.ppf(0.25 * (nodes + 1))  # below zero, as likely as above

    def power(eps):
        z = 0.3 + 0.8 * eps
        return np.exp((1 - alpha) * (stats.norm.logpdf(z) - stats.norm.logpdf(z, 0.3, 0.8)))

    if noise is draws.antithetic:
        exact = 0.5 * weights @ np.log((power(half) + power(-half)) / 2) / (1 - alpha)
    else:
        pairs = np.log((power(half)[:, None] + power(-half)) / 2) / (1 - alpha)
        exact = 0.25 * weights @ pairs @ weights
    bound = partial(bounds.renyi_bound, q, log_joint=models.gaussian([0.0], [[1.0]]).log_joint, **settings)
    copies = jax.jit(jax.vmap(partial(bound, num_repeats=8)))(jax.random.split(key, REPEATS))
    single = jax.jit(jax.vmap(bound))(jax.random.split(jax.random.key(99), 20_000))
    assert_mean(copies, exact)
    assert_variance(copies, single.var() / 8, "of eight independent copies")


def test_named_bounds_hand_the_noise_on():
    q, key, sobol = MeanField.from_std([0.3], [0.8]), jax.random.key(4), {"num_samples": 4, "noise": draws.sobol}
    target = models.gaussian([0.0], [[1.0]]).log_joint

    @jax.jit
    def run(key):
        named = [each(q, key, target, **sobol) for each in (bounds.importance_weighted_bound, bounds.upper_bound)]
        general = [bounds.renyi_bound(q, key, target, **sobol, alpha=alpha) for alpha in (0.0, -1.0)]
        return named, general, bounds.elbo(q, key, target, **sobol), bounds.elbo(q, key, target, num_samples=4)

    named, general, even, free = run(key)
    np.testing.assert_allclose(named, general, rtol=1e-12)
    assert even != free


@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_variances_on_an_isotropic_gaussian(offset, key):
    """Slopes -(m + s e) in the mean and 1 - (m + s e) s e in log std: linear and quadratic in each draw by itself."""
    num_samples, std = 16, 0.7
    q = MeanField.from_std(np.full(3, offset), np.full(3, std))
    target, keys = models.gaussian(np.zeros(3), np.eye(3)).log_joint, jax.random.split(key, 4000)

    def slopes(noise):
        return jax.jit(jax.vmap(lambda k: reparameterized(q, k, target, num_samples=num_samples, noise=noise)[1]))(keys)

    free, pairs, even = map(slopes, (draws.iid, draws.antithetic, draws.sobol))
    assert_variance(free.mean, std**2 / num_samples)
    assert_variance(free.log_std, (offset**2 * std**2 + 2 * std**4) / num_samples)
    assert np.abs(pairs.mean + offset).max() < 1e-12, "what is odd is gone"
    assert_variance(pairs.log_std, 4 * std**4 / num_samples, "what is even: as by half as many")
    assert_variance(even.mean, std**2 * oracle.stratified_variance(num_samples, 1))
    if offset == 0:
        assert_variance(even.log_std, std**4 * oracle.stratified_variance(num_samples, 2))


@both
@pytest.mark.parametrize("baseline", ["leave_one_out", "running_mean", "optimal"])
def test_baselines_made_of_other_draws_need_independent_ones(noise, baseline):
    q = FAMILIES["mean-field"]
    with pytest.raises(ValueError, match=f"noise: got {noise.__name__}, needs draws.iid: baseline='{baseline}'"):
        score_function(q, jax.random.key(0), hill, num_samples=8, baseline=baseline, noise=noise)


REGRESSION = models.conjugate_regression(np.vander([0.1, 0.5, 0.9, 1.4, 2.0], 2), [1.0, 0.2, 0.5, 2.0, 1.1])


@both
def test_fit_reaches_the_posterior_with_other_draws(noise, key):
    result = fit(FAMILIES["full-rank"], key, REGRESSION.log_joint, num_steps=600, num_samples=8, noise=noise)
    assert kl(result.q, REGRESSION.posterior) < 0.01


def test_fit_takes_its_steps_with_the_draws_it_is_given():
    eps = jnp.asarray(np.random.default_rng(0).standard_normal((8, 2)))
    q, still = FAMILIES["mean-field"], optax.sgd(0.0)
    settings = {"num_steps": 5, "num_samples": 8, "optimizer": still, "gradient": reparameterized}
    held = fit(q, jax.random.key(1), hill, noise=lambda key, n, dim: eps, **settings).trace
    z = q.transform(eps)
    np.testing.assert_allclose(held, jnp.mean(jax.vmap(hill)(z) - q.log_prob(z)), rtol=1e-12)
    assert np.unique(fit(q, jax.random.key(1), hill, noise=draws.sobol, **settings).trace).size == 5


def test_what_cannot_take_base_draws_says_so():
    q = FAMILIES["mean-field"]
    with pytest.raises(ValueError, match="an estimator that takes base draws, and measure_valued does not"):
        fit(q, jax.random.key(0), hill, num_steps=1, gradient=measure_valued, noise=draws.sobol)
    with pytest.raises(ValueError, match="noise"):
        q.sample(jax.random.key(0), 4, noise=lambda key, n, dim: jnp.zeros((n, dim + 1)))
