"""q as a proposal, by acceptance and by weights: against closed forms and quadrature."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chain_oracles import assert_chain_mean, assert_chain_moments, bioassay_moments
from scipy import stats

from vi_lab import FullRank, MeanField, mcmc, models, pareto_k


@pytest.mark.parametrize("dim", [1, 3])
@pytest.mark.parametrize("std", [0.8, 1.5])
def test_acceptance_of_a_gaussian_for_another(key, dim, std):
    """q = N(0, s^2 I) for N(0, I): the weight is monotone in |z|, so that E min(1, w'/w) = 2 P(w(z) < w(z')), z a draw
    of p and z' of q; the ratio of the squared radii, over s^2, has an F distribution. In one dimension it is
    (4 / pi) arctan(min(s, 1 / s)).
    """
    q, target = MeanField.from_std(np.zeros(dim), np.full(dim, std)), models.gaussian(np.zeros(dim), np.eye(dim))
    chains = mcmc.propose(q, key, target.log_joint, num_chains=8, num_samples=4000)
    ratio = stats.f(dim, dim)
    expected = 2 * (ratio.cdf(std**2) if std < 1 else ratio.sf(std**2))
    if dim == 1:
        assert expected == pytest.approx(4 / np.pi * np.arctan(min(std, 1 / std)))
    settled = chains.draws[:, 500:]
    assert_chain_mean(chains.acceptance[:, 500:], expected, "acceptance rate")
    moved = np.any(np.diff(settled, axis=1) != 0, axis=-1)
    assert_chain_mean(moved, expected, "share of proposals accepted")
    if std > 1:  # an under-dispersed proposal's weights have no bound, and the tails come in long stays
        assert_chain_moments(settled, np.zeros(dim), np.eye(dim))


def test_perfect_proposals_are_all_accepted():
    target = models.gaussian([1.0], [[2.0]])
    chains = mcmc.propose(target.posterior, jax.random.key(0), target.log_joint, num_chains=2, num_samples=50)
    np.testing.assert_allclose(chains.acceptance, 1, atol=1e-12)
    assert chains.draws.shape == (2, 50, 1) and chains.total_gradients == 0


def test_one_sided_target_keeps_to_its_support(key):
    """Exponential on z > 0 by a normal proposal, half of whose draws have no density."""
    q = MeanField.from_std([1.0], [2.0])
    chains = mcmc.propose(q, key, lambda z: jnp.where(z[0] > 0, -2 * z[0], -jnp.inf), num_chains=8, num_samples=4000)
    assert chains.draws.min() > 0 and np.isfinite(chains.log_joint).all()
    assert_chain_moments(chains.draws[:, 200:], [0.5], [[0.25]])


def test_bioassay_corrected_has_the_moments_of_quadrature(key):
    """From a q that is off on purpose: wide, so that the weights have a variance."""
    mean, cov, log_evidence = bioassay_moments()
    q = FullRank.from_cov(mean + np.array([0.3, 2.0]), 2.5 * cov)
    model = models.bioassay()
    corrected = mcmc.correct(q, key, model.log_joint, num_samples=8000)
    z = (np.asarray(corrected.mean()) - mean) / np.asarray(corrected.std_error())
    assert np.all(abs(z) < 5), f"means {z} standard errors off"
    np.testing.assert_allclose(corrected.std(), np.sqrt(np.diag(cov)), rtol=0.1)
    assert abs(float(corrected.log_evidence) - log_evidence) < 5 / np.sqrt(corrected.effective_sample_size)
    assert corrected.weights.sum() == pytest.approx(1) and corrected.weights.min() >= 0
    assert corrected.pareto_k == pareto_k(q, key, model.log_joint, num_samples=8000) and corrected.pareto_k < 0.7
    again = corrected.resample(jax.random.fold_in(key, 1), 8000)
    error = np.sqrt(np.diag(cov)) * np.sqrt(1 / 8000 + 1 / corrected.effective_sample_size)
    assert np.all(abs(again.mean(axis=0) - mean) < 5 * error)


def test_weights_are_those_of_the_ratio_where_the_tail_is_light():
    """Without a heavy tail smoothing changes little: against the plain self-normalized weights."""
    q, target = MeanField.from_std([0.0], [1.5]), models.gaussian([0.5], [[1.0]])
    corrected = mcmc.correct(q, jax.random.key(1), target.log_joint, num_samples=4000)
    ratio = stats.norm(0.5).pdf(corrected.draws[:, 0]) / stats.norm(0, 1.5).pdf(corrected.draws[:, 0])
    np.testing.assert_allclose(corrected.weights, ratio / ratio.sum(), atol=0.02 / 4000)
    assert corrected.effective_sample_size == pytest.approx(ratio.sum() ** 2 / np.sum(ratio**2), rel=1e-6)


def test_k_hat_warns_of_a_narrow_q():
    q, target = MeanField.from_std([0.0], [0.3]), models.gaussian([0.0], [[1.0]])
    assert mcmc.correct(q, jax.random.key(0), target.log_joint).pareto_k > 0.7


def test_zero_weights_stay_zero():
    q = MeanField.from_std([1.0], [2.0])
    corrected = mcmc.correct(q, jax.random.key(0), lambda z: jnp.where(z[0] > 0, -2 * z[0], -jnp.inf))
    assert np.all((np.asarray(corrected.weights) > 0) == (corrected.draws[:, 0] > 0))
    assert corrected.pareto_k.num_zero == int(np.sum(corrected.draws <= 0))


def test_corrected_draws_as_inference_data():
    target = models.gaussian([1.0, 2.0], np.eye(2))
    corrected = mcmc.correct(target.posterior, jax.random.key(0), target.log_joint, num_samples=200)
    assert corrected.pareto_k == -np.inf
    found = corrected.to_inference_data(jax.random.key(1), lambda z: {"first": z[0]})
    assert found.posterior["first"].shape == (1, 200)


Q = MeanField.standard(2)
BAD = {
    "log_joint: got NaN at": lambda z: jnp.log(z[0]),
    r"log_joint: got \+inf at 4000": lambda z: jnp.inf + z[0],
    "log_joint: got -inf at 4000": lambda z: -jnp.inf + z[0],
}


@pytest.mark.parametrize("message", BAD)
def test_useless_weights_are_named(message):
    with pytest.raises(ValueError, match=message):
        mcmc.correct(Q, jax.random.key(0), BAD[message])


def test_useless_proposals_are_named():
    with pytest.raises(ValueError, match=r"log_joint: got NaN or \+inf at \d+ draws"):
        mcmc.propose(Q, jax.random.key(0), lambda z: jnp.log(z[0]))
    with pytest.raises(ValueError, match=r"log_joint: got NaN or \+inf at 4256 draws"):
        mcmc.propose(Q, jax.random.key(0), lambda z: jnp.inf + z[0])
    with pytest.raises(ValueError, match="q: got 64 draws of which none has density"):
        mcmc.propose(Q, jax.random.key(0), lambda z: jnp.where(z[0] > 100, -z[0], -jnp.inf))
    with pytest.raises(ValueError, match="num_samples: got 10, needs a whole number of at least 25"):
        mcmc.correct(Q, jax.random.key(0), lambda z: -z @ z, num_samples=10)
    with pytest.raises(ValueError, match="q: got a float"):
        mcmc.correct(1.0, jax.random.key(0), lambda z: -z @ z)
