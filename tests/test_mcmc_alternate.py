"""VI, chains, VI: both modes of a posterior on which VI alone and a short chain alone each miss one."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial
from scipy.spatial.distance import mahalanobis

from vi_lab import Bernoulli, Flow, FullRank, MeanField, Mixture, fit, mcmc, models
from vi_lab.divergences import Estimate
from vi_lab.mcmc.alternate import _above
from vi_lab.mcmc.modes import apart, modes

MEASURED, NOISE = np.array([9.0, 4.0]), np.array([1.5, 1.0])
PRIOR = MeanField.from_std([1.0, 0.0], [3.0, 1.0])
STEPS = {"num_steps": 1000, "num_samples": 16}


def squared(prior, z):
    """x_1 ~ N(z_1^2, 1.5^2), x_2 ~ N((z_1 + z_2)^2 / 2, 1): the sign of z_1 is the prior's alone to say."""
    errors = (jnp.array(MEASURED) - jnp.array([z[0] ** 2, (z[0] + z[1]) ** 2 / 2])) / NOISE
    return prior.log_prob(z) - 0.5 * jnp.sum(errors**2) - float(np.log(2 * np.pi * NOISE.prod()))


LOG_JOINT = Partial(squared, PRIOR)


@cache
def truth() -> tuple[float, float, np.ndarray]:
    """Log evidence, P(z_1 > 0) and the posterior mean, on a grid in NumPy."""
    first, second = np.meshgrid(np.linspace(-6, 6, 2401), np.linspace(-6, 6, 2401), indexing="ij")
    log_joint = -0.5 * ((MEASURED[0] - first**2) / NOISE[0]) ** 2
    log_joint -= 0.5 * ((MEASURED[1] - (first + second) ** 2 / 2) / NOISE[1]) ** 2 + np.log(2 * np.pi * NOISE.prod())
    log_joint -= 0.5 * ((first - 1) / 3) ** 2 + 0.5 * second**2 + np.log(2 * np.pi * 3)
    mass = np.exp(log_joint)
    total, mean = mass.sum(), [(mass * z).sum() / mass.sum() for z in (first, second)]
    return float(np.log(total * 0.005**2)), float(mass[first > 0].sum() / total), np.array(mean)


START = FullRank.from_cov([-3.0, 0.0], np.eye(2))


def test_vi_alone_and_a_short_chain_alone_miss_a_mode(key):
    _, right, _ = truth()
    assert 0.55 < right < 0.9, "both modes matter"
    alone = fit(START, key, LOG_JOINT, **STEPS).q
    assert np.all(alone.sample(key, 1000)[:, 0] < 0)
    settings = {"num_samples": 500, "num_warmup": 300, "inverse_mass_matrix": mcmc.inverse_mass_matrix(alone)}
    chains = mcmc.sample(LOG_JOINT, key, mcmc.warm_start(alone, key, 12), **settings)
    assert np.all(np.asarray(chains.draws)[..., 0] < 0)


def test_alternation_finds_both_modes_and_their_weights(key):
    """Mass and evidence by the weights that `correct` gives its draws, within their errors; by q, nearly."""
    log_evidence, right, mean = truth()
    found = mcmc.alternate(START, key, LOG_JOINT, prior=PRIOR, num_chains=12, **STEPS)
    assert isinstance(found.q, Mixture) and found.rounds[0].num_components == 1
    corrected = mcmc.correct(found.q, jax.random.fold_in(key, 1), LOG_JOINT, num_samples=20_000)
    assert corrected.pareto_k < 0.7
    weights, positive = np.asarray(corrected.weights), np.asarray(corrected.draws)[:, 0] > 0
    error = np.sqrt(np.sum(weights**2 * (positive - right) ** 2))
    assert abs(weights[positive].sum() - right) < 5 * error
    assert np.all(abs(corrected.mean() - mean) < 5 * corrected.std_error())
    assert abs(corrected.log_evidence - log_evidence) < 5 / np.sqrt(corrected.effective_sample_size)
    by_q = sum(float(w) for w, part in zip(found.q.weights, found.q.components, strict=True) if part.mean[0] > 0)
    assert abs(by_q - right) < 0.05
    first, last = found.rounds[0].elbo, found.rounds[-1].elbo
    assert first.value < last.value < log_evidence + 5 * last.std_error
    assert last.value - first.value > -0.5 * np.log(1 - right), "the mass that was missing"


FAR = {"num_chains": 32, "num_samples": 200, "num_warmup": 200, "widen": 20.0, "num_steps": 500}


def test_a_mode_beyond_the_prior_is_found_from_a_widened_q(key):
    """No prior; 12 standard deviations away; the weights, exact for Gaussian modes, are the target's."""
    target = models.bimodal(separation=12, weight=0.3)
    start = FullRank.from_cov([6.0], [[1.0]])
    found = mcmc.alternate(start, key, target.log_joint, **FAR)
    np.testing.assert_allclose(np.sort(found.q.weights), [0.3, 0.7], atol=1e-3)
    assert abs(found.rounds[-1].elbo.value) < 1e-3


def test_without_a_second_mode_nothing_is_added():
    target = models.bimodal(separation=0)
    found = mcmc.alternate(FullRank.standard(1), jax.random.key(0), target.log_joint, **FAR)
    assert isinstance(found.q, FullRank) and found.rounds[-1].num_components == 1


def test_bad_settings_are_named():
    target = models.gaussian([1.0, 2.0], np.eye(2))
    for settings, message in (
        ({"num_rounds": 0}, "num_rounds: got 0"),
        ({"num_chains": 2}, "num_chains: got 2, needs a whole number of at least 3"),
        ({"widen": 1.0}, "widen: got 1.0, needs a number above 1"),
        ({"family": Mixture}, "family: got"),
        ({"num_samples": 3}, "num_samples: got 3, needs a whole number of at least 4"),
        ({"num_warmup": -1}, "num_warmup: got -1"),
        ({"prior": target}, "prior: got a Model, needs a distribution"),
        ({"prior": FullRank.standard(3)}, "prior: got dim 3, needs dim 2, that of q"),
    ):
        with pytest.raises(ValueError, match=message):
            mcmc.alternate(FullRank.standard(2), jax.random.key(0), target.log_joint, **settings)


COINS = Bernoulli(jnp.zeros(2))
NOT_GAUSSIAN = {
    "a Partial, needs a distribution": LOG_JOINT,
    "a Flow, needs a FullRank": Flow.standard(2, jax.random.key(0)),
    "a Bernoulli, needs a FullRank": COINS,
    "a Bernoulli within a Mixture, needs a FullRank": Mixture([0.0, 0.0], (COINS, COINS)),
}


@pytest.mark.parametrize("message", NOT_GAUSSIAN)
def test_a_start_that_is_not_gaussian_is_named_before_anything_is_fitted(message):
    with pytest.raises(ValueError, match=f"q: got {message}"):
        mcmc.alternate(NOT_GAUSSIAN[message], jax.random.key(0), LOG_JOINT)


def test_distance_between_chains_is_mahalanobis():
    """Against SciPy; along a direction in which both stand still it has no bound."""
    a, b = np.random.default_rng(0).normal(size=(2, 400, 2)) @ np.array([[1.0, 0.5], [0.0, 1e-3]])
    b += np.array([1.0, 2.0])
    pooled = (np.cov(a.T) + np.cov(b.T)) / 2
    expected = mahalanobis(a.mean(axis=0), b.mean(axis=0), np.linalg.inv(pooled))
    assert apart(a, b) == pytest.approx(expected, rel=1e-4)
    assert apart(np.zeros((50, 2)), np.full((50, 2), 100.0)) > 1e6
    line = np.linspace(-1, 1, 50)[:, None] * [1.0, 0.0]
    assert apart(line, line + np.array([0.0, 1.0])) > 1e3


def test_chains_that_never_moved_make_no_mode():
    moving = np.random.default_rng(0).normal(size=(2, 50, 2))
    stuck = np.full((1, 50, 2), 100.0)
    found = modes(np.concatenate([stuck, moving, -stuck]), FullRank.standard(2), FullRank)
    assert len(found) == 1
    np.testing.assert_allclose(found[0].mean, moving.reshape(-1, 2).mean(axis=0), atol=1e-12)
    with pytest.raises(ValueError, match="chains: got none that moved 2 times or more"):
        modes(np.concatenate([stuck, -stuck]), FullRank.standard(2), FullRank)


def test_a_fit_without_an_elbo_is_given_up_for_any_other():
    nan, low = Estimate(jnp.array(jnp.nan), jnp.array(jnp.nan)), Estimate(jnp.array(-5.0), jnp.array(0.1))
    assert _above(low, nan) and not _above(nan, low) and not _above(low, low)
