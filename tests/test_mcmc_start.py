"""Warm starts, measured: iterations until R-hat is below 1.01, and a mode-seeking start that deceives it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vi_lab import FullRank, MeanField, data, fit, mcmc, models

KEYS = range(9)
LENGTH = 600


def wells():
    """Standardized, so that the prior says the same of each coefficient."""
    table = data.wells()
    x = np.stack([table.distance_m, table.arsenic, table.education_years, table.association], axis=1)
    x = np.insert((x - x.mean(axis=0)) / x.std(axis=0), 0, 1.0, axis=1)
    return models.logistic_regression(x, table.switched)


def iterations(model, source, settings) -> np.ndarray:
    """Of each key's chains from `source`; one more step than there was room for where R-hat stayed above."""
    found = []
    for key in map(jax.random.key, KEYS):
        positions = mcmc.warm_start(source, jax.random.fold_in(key, 1), 4)
        chains = mcmc.sample(model.log_joint, key, positions, num_samples=LENGTH, num_warmup=0, **settings)
        found.append(chains.iterations_to() or LENGTH + 10)
    return np.array(found)


def fixed(metric, step_size: float = np.pi / 6) -> dict:
    """HMC of three steps that adapts nothing.

    In the metric of a Gaussian posterior three steps of pi / 6 are a turn by a right angle, after which the draw owes
    nothing to the one before.
    """
    hmc = {"kernel": "hmc", "num_leapfrog": 3, "warmup": None}
    return {**hmc, "step_size": step_size, "inverse_mass_matrix": metric}


@pytest.mark.parametrize("model", [models.bioassay, models.eight_schools, wells])
def test_warm_starts_need_no_more_iterations_than_the_prior(model):
    """The same kernel, its metric from q, from both starts: by the paired difference over keys, and by the median."""
    model = model()
    q = fit(FullRank.standard(model.dim), jax.random.key(0), model.log_joint, num_steps=1000).q
    settings = fixed(mcmc.inverse_mass_matrix(q))
    warm, cold = iterations(model, q, settings), iterations(model, model.prior, settings)
    later = warm - cold
    error = later.std(ddof=1) / np.sqrt(len(later)) + 10 / np.sqrt(len(later))  # of a grid of ten iterations
    assert later.mean() < 3 * error, (warm, cold)
    assert np.median(warm) <= np.median(cold) + 3 * error, (warm, cold)


def test_on_the_ill_conditioned_target_q_saves_most_of_the_iterations():
    """From q and in its metric, against a broad start and the identity, at the same cost each: in the identity no step
    may be much longer than the deviation of the narrowest direction, 0.1, and the widest has 10.
    """
    model = models.ill_conditioned(dim=5, condition=1e4)
    q = fit(FullRank.standard(5), jax.random.key(0), model.log_joint, num_steps=1000).q
    warm = iterations(model, q, fixed(mcmc.inverse_mass_matrix(q)))
    broad = MeanField.from_std(np.zeros(5), np.full(5, 10.0))
    cold = iterations(model, broad, fixed(jnp.eye(5), step_size=0.13))
    assert np.median(warm) < 0.75 * LENGTH < LENGTH < np.median(cold), (warm, cold)


def test_a_mode_seeking_start_deceives_rhat():
    """R-hat is below 1.01 and 30% of the mass is missing; chains spread over both modes tell at once.

    q is the mode itself: at twelve standard deviations the reverse KL has a minimum there but for rounding.
    """
    model = models.bimodal(separation=12, weight=0.3)
    q = model.posterior.components[1]
    settings = {**fixed(mcmc.inverse_mass_matrix(q)), "num_samples": LENGTH}
    positions = mcmc.warm_start(q, jax.random.key(1), 4)
    chains = mcmc.sample(model.log_joint, jax.random.key(2), positions, num_warmup=0, **settings)
    assert chains.rhat().max() < 1.01 and chains.iterations_to() < LENGTH
    assert np.mean(np.asarray(chains.draws) < 0) == 0, "the truth is 0.3"
    spread = positions.at[:2].multiply(-1)
    chains = mcmc.sample(model.log_joint, jax.random.key(2), spread, num_warmup=0, **settings)
    assert chains.rhat().max() > 1.5 and chains.iterations_to() is None
