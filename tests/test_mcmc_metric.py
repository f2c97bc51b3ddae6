"""What q gives a sampler, measured: effective draws a gradient by its covariance as metric."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vi_lab import FullRank, MeanField, fit, mcmc, models

DIM = 20


@pytest.fixture(scope="module")
def target():
    return models.ill_conditioned(DIM, condition=1e4)


@pytest.fixture(scope="module")
def metrics(target):
    """Each as a matrix, so that all runs share one compilation."""
    precision = np.linalg.inv(target.posterior.cov())
    mean_field = MeanField.from_std(np.zeros(DIM), np.diag(precision) ** -0.5)  # the reverse-KL optimum
    full = fit(FullRank.standard(DIM), jax.random.key(0), target.log_joint, num_steps=1000).q
    return {
        "identity": jnp.eye(DIM),
        "mean field": mcmc.inverse_mass_matrix(mean_field),
        "full rank": mcmc.inverse_mass_matrix(full),
    }


@pytest.fixture
def draws_per_gradient(key, target, metrics):
    """For each metric: effective draws of the worst coordinate for each gradient after warmup."""
    positions = target.posterior.sample(jax.random.fold_in(key, 1), 4)
    found = {}
    for name, metric in metrics.items():
        settings = {"num_samples": 300, "num_warmup": 150, "inverse_mass_matrix": metric}
        chains = mcmc.sample(target.log_joint, key, positions, **settings)
        found[name] = chains.ess().min() / float(chains.num_gradients.sum())
    return found


def test_full_rank_metric_is_worth_a_hundred_times_the_identity(draws_per_gradient):
    """Condition 1e4: the identity's trajectories are some 140 steps long, those in q's metric seven; mean-field
    variances, a rescaling of rotated coordinates, gain next to nothing.
    """
    gain = {name: value / draws_per_gradient["identity"] for name, value in draws_per_gradient.items()}
    assert gain["full rank"] > 100, gain
    assert 0.5 < gain["mean field"] < 2, gain
