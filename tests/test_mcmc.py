"""Chains have the moments of what they sample, count what they cost, and say what went wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chain_oracles import assert_chain_moments
from jax.tree_util import Partial

from vi_lab import FullRank, MeanField, mcmc, models
from vi_lab.mcmc.sample import _run

MEAN = np.array([1.0, -2.0])
COV = np.array([[1.0, 0.6], [0.6, 2.0]])
TARGET = models.gaussian(MEAN, COV)
SETTINGS = {
    "nuts": {"inverse_mass_matrix": COV},
    "hmc": {"kernel": "hmc", "num_leapfrog": 3, "inverse_mass_matrix": COV},
    "window": {"warmup": "window", "num_warmup": 300},
}


def starts(key, num_chains: int = 4):
    return mcmc.warm_start(TARGET.posterior, jax.random.fold_in(key, 1), num_chains)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_moments_of_a_gaussian(key, settings):
    chains = mcmc.sample(TARGET.log_joint, key, starts(key), **settings)
    assert chains.draws.shape == (4, 1000, 2)
    assert_chain_moments(chains.draws, MEAN, COV)
    np.testing.assert_allclose(chains.log_joint[0, :5], TARGET.posterior.log_prob(chains.draws[0, :5]), atol=1e-10)
    assert 0.7 < chains.acceptance.mean() < 0.97 and chains.notes == ()


def test_counts_every_gradient():
    """Beside what `sample` reports, the log joint counts its own gradients; two more are those of its input check."""
    calls = []

    @jax.custom_vjp
    def counted(z):
        return -jnp.sum(z**2) / 2

    def backward(z, slope):
        jax.debug.callback(lambda: calls.append(1))
        return (-slope * z,)

    counted.defvjp(lambda z: (counted(z), z), backward)
    chains = mcmc.sample(counted, jax.random.key(0), jnp.ones((1, 2)), num_samples=20, num_warmup=10)
    jax.effects_barrier()
    assert len(calls) - 1 == chains.total_gradients, "the check of the start costs one, and is not counted"


def test_a_second_call_compiles_nothing():
    """Another target, key, start, step size and metric of the same shapes."""
    settings = {"num_samples": 10, "num_warmup": 0, "step_size": 0.5}
    mcmc.sample(TARGET.log_joint, jax.random.key(0), jnp.zeros((2, 2)), inverse_mass_matrix=COV, **settings)
    before, other = _run._cache_size(), models.gaussian(MEAN + 1, 2 * COV)
    settings["step_size"] = 0.3
    mcmc.sample(other.log_joint, jax.random.key(1), jnp.ones((2, 2)), inverse_mass_matrix=jnp.eye(2), **settings)
    assert _run._cache_size() == before


def test_keeps_32_bits_where_64_are_on():
    low = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), TARGET.log_joint)
    positions = jnp.zeros((2, 2), jnp.float32)
    chains = mcmc.sample(low, jax.random.key(0), positions, num_samples=50, num_warmup=30)
    assert chains.draws.dtype == chains.step_size.dtype == chains.inverse_mass_matrix.dtype == jnp.float32
    assert np.isfinite(chains.draws).all() and chains.draws.std() > 0.3


def test_chains_that_diverge_and_never_move_say_so():
    """At a step a thousand times too long every proposal is lost, and what rests on motion is refused."""
    settings = {"num_samples": 10, "num_warmup": 0, "step_size": 1e3, "kernel": "hmc"}
    chains = mcmc.sample(TARGET.log_joint, jax.random.key(0), jnp.zeros((2, 2)), **settings)
    assert chains.num_divergences == 20
    assert "20 of 20 transitions diverged" in chains.notes[0] and "Chains [0, 1] never moved" in chains.notes[1]
    assert chains.notes[0] in repr(chains)
    for judge in (chains.rhat, chains.ess, chains.summary):
        with pytest.raises(ValueError, match=r"draws: got no chain that ever moved in coordinates \[0, 1\]"):
            judge()
    assert chains.iterations_to() is None


def test_rhat_and_ess_are_those_of_independent_draws():
    """Drawn by NumPy, four chains of 500; shifted by one standard deviation, one of them is seen."""
    draws = np.random.default_rng(0).normal(size=(4, 500, 2))
    blank = jnp.zeros((4, 500))
    chains = mcmc.Chains(jnp.array(draws), blank, blank, blank > 0, blank.astype(int), jnp.zeros(4, int))
    assert np.all(chains.rhat() < 1.01) and np.all(abs(chains.ess() / 2000 - 1) < 0.3)
    assert chains.iterations_to() is not None and chains.iterations_to(every=250) in (250, 500)
    moved = chains._replace(draws=chains.draws.at[0, :, 1].add(1.0))
    assert moved.rhat()[0] < 1.01 < 1.05 < moved.rhat()[1]
    assert moved.iterations_to() is None


def test_one_chain_has_effective_draws_and_no_rhat():
    draws = jax.random.normal(jax.random.key(0), (1, 200, 2))
    blank = jnp.zeros((1, 200))
    chain = mcmc.Chains(draws, blank, blank, blank > 0, blank.astype(int), jnp.zeros(1, int))
    assert np.all(abs(chain.ess() / 200 - 1) < 0.5)
    for judge in (chain.rhat, chain.iterations_to, chain.summary):
        with pytest.raises(ValueError, match="draws: got 1 chain, needs at least 2 for R-hat to compare"):
            judge()
    with pytest.raises(ValueError, match="draws: got a value that is NaN or infinite"):
        chain._replace(draws=draws.at[0, 0, 0].set(jnp.nan)).ess()


def test_notes_tell_short_runs_and_long_trajectories_from_faults():
    """A single draw has not stood still, and HMC goes as far as it is told; NUTS by tiny steps goes its longest."""
    settings = {"num_warmup": 0, "step_size": 1e-4}
    hmc = {"kernel": "hmc", "num_leapfrog": 1100}
    assert (
        mcmc.sample(TARGET.log_joint, jax.random.key(0), jnp.zeros((2, 2)), num_samples=1, **settings, **hmc).notes
        == ()
    )
    same = {"num_samples": 10, "inverse_mass_matrix": COV}  # as above: compiles nothing
    nuts = mcmc.sample(TARGET.log_joint, jax.random.key(0), jnp.zeros((2, 2)), **same, **settings)
    assert len(nuts.notes) == 1 and "20 of 20 trajectories took 1023 steps or more" in nuts.notes[0]


def test_inference_data_holds_named_quantities_and_statistics():
    blank = jnp.zeros((2, 8))
    draws = jnp.arange(32.0).reshape(2, 8, 2)
    chains = mcmc.Chains(draws, blank, blank + 0.5, blank > 0, blank.astype(int), jnp.zeros(2, int))
    found = chains.to_inference_data(lambda z: {"sum": z.sum(), "scaled": 2 * z})
    np.testing.assert_array_equal(found.posterior["sum"], draws.sum(axis=-1))
    np.testing.assert_array_equal(found.posterior["scaled"], 2 * draws)
    assert set(found.sample_stats) == {"lp", "acceptance_rate", "diverging", "n_steps"}
    np.testing.assert_array_equal(chains.to_inference_data().posterior["z"], draws)
    with pytest.raises(ValueError, match="constrain: got a function that returns a"):
        chains.to_inference_data(lambda z: z)


def test_the_inverse_mass_matrix_is_the_covariance():
    q = FullRank.from_cov(MEAN, COV)
    np.testing.assert_allclose(mcmc.inverse_mass_matrix(q), COV, atol=1e-12)
    np.testing.assert_allclose(mcmc.inverse_mass_matrix(q, dense=False), np.diag(COV), atol=1e-12)
    np.testing.assert_allclose(mcmc.inverse_mass_matrix(MeanField.from_std(MEAN, [2.0, 3.0])), np.diag([4.0, 9.0]))


def half_line(z):
    return jnp.where(z[0] > 0, -jnp.sum(z**2), -jnp.inf)


def kink(z):
    return -jnp.sum(jnp.sqrt(z))


BAD = {
    "positions: got shape": ({}, jnp.zeros(2), None),
    "positions: got a value that is NaN": ({}, jnp.full((2, 2), jnp.nan), None),
    r"positions: got a log joint that is NaN or infinite at rows \[1\]": (
        {},
        jnp.array([[1.0, 0], [-1, 0]]),
        half_line,
    ),
    r"positions: got a gradient that is NaN or infinite at rows \[0, 1\]": ({}, jnp.zeros((2, 2)), kink),
    "inverse_mass_matrix: got shape": ({"inverse_mass_matrix": jnp.ones(3)}, None, None),
    "inverse_mass_matrix: got smallest eigenvalue": ({"inverse_mass_matrix": jnp.ones((2, 2))}, None, None),
    "inverse_mass_matrix: got a matrix that differs": ({"inverse_mass_matrix": [[1.0, 0.5], [0, 1]]}, None, None),
    "inverse_mass_matrix: got a smallest value of -1": ({"inverse_mass_matrix": [1.0, -1]}, None, None),
    "inverse_mass_matrix: got a value that is NaN": ({"inverse_mass_matrix": [1.0, jnp.nan]}, None, None),
    "kernel: got 'gibbs'": ({"kernel": "gibbs"}, None, None),
    "warmup: got 'long'": ({"warmup": "long"}, None, None),
    "step_size: got None": ({"warmup": None}, None, None),
    "step_size: got None, needs": ({"num_warmup": 0}, None, None),
    "step_size: got a smallest value of 0": ({"step_size": 0.0}, None, None),
    "step_size: got 'x', needs a finite number": ({"step_size": "x"}, None, None),
    r"positions: got a MeanField, needs an array of shape \(num_chains, dim\)": ({}, MeanField.standard(2), None),
    "num_samples: got 0": ({"num_samples": 0}, None, None),
    "num_warmup: got -1": ({"num_warmup": -1}, None, None),
    "num_leapfrog: got 0": ({"num_leapfrog": 0}, None, None),
    "target_acceptance: got 1": ({"target_acceptance": 1.0}, None, None),
    "log_joint: got a result of shape": ({}, None, lambda z: z),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    settings, positions, log_joint = BAD[message]
    positions = jnp.zeros((2, 2)) if positions is None else positions
    with pytest.raises(ValueError, match=message):
        mcmc.sample(log_joint or TARGET.log_joint, jax.random.key(0), positions, **settings)


def test_bad_starts_are_named():
    with pytest.raises(ValueError, match="q: got a Partial"):
        mcmc.warm_start(Partial(half_line), jax.random.key(0), 4)
    with pytest.raises(ValueError, match="num_chains: got 0"):
        mcmc.warm_start(TARGET.posterior, jax.random.key(0), 0)
    with pytest.raises(ValueError, match="q's covariance: got smallest eigenvalue"):
        mcmc.inverse_mass_matrix(FullRank([0.0, 0.0], [[1.0, 0], [1e9, 1]]))
    with pytest.raises(ValueError, match="dense: got 'full'"):
        mcmc.inverse_mass_matrix(TARGET.posterior, dense="full")
