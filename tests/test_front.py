"""Slips at the front door: a model where its log joint goes, and the name of base draws for the draws themselves."""

import inspect

import jax
import jax.numpy as jnp
import pytest

from vi_lab import Bernoulli, MeanField, Mixture, bounds, diagnostics, fit, gradients, mcmc, models

MODEL, KEY = models.gaussian([1.0, 2.0], jnp.eye(2)), jax.random.key(0)
Q, COINS, MIXTURE = MeanField.standard(2), Bernoulli(jnp.zeros(2)), Mixture.standard(2, 2, KEY)
OF_LOG_JOINTS = {
    "elbo": lambda joint, **more: bounds.elbo(Q, KEY, joint, **more),
    "log_weights": lambda joint, **more: bounds.log_weights(Q, KEY, joint, num_samples=4, **more),
    "importance_weighted_bound": lambda joint, **more: bounds.importance_weighted_bound(
        Q, KEY, joint, num_samples=4, **more
    ),
    "renyi_bound": lambda joint, **more: bounds.renyi_bound(Q, KEY, joint, num_samples=4, alpha=0.5, **more),
    "upper_bound": lambda joint, **more: bounds.upper_bound(Q, KEY, joint, num_samples=4, **more),
    "reparameterized": lambda joint, **more: gradients.reparameterized(Q, KEY, joint, **more),
    "sticking_the_landing": lambda joint, **more: gradients.sticking_the_landing(Q, KEY, joint, **more),
    "stratified": lambda joint, **more: gradients.stratified(MIXTURE, KEY, joint, num_samples=2, **more),
    "score_function": lambda joint, **more: gradients.score_function(Q, KEY, joint, baseline=None, **more),
    "rao_blackwellized": lambda joint, **more: gradients.rao_blackwellized(COINS, KEY, joint, **more),
    "fit": lambda joint, **more: fit(Q, KEY, joint, num_steps=1, **more),
    "gradient_snr": lambda joint, **more: diagnostics.gradient_snr(Q, KEY, joint, **more),
    "doubly_reparameterized": lambda joint: gradients.doubly_reparameterized(Q, KEY, joint, num_samples=4),
    "measure_valued": lambda joint: gradients.measure_valued(Q, KEY, joint),
    "pareto_k": lambda joint: diagnostics.pareto_k(Q, KEY, joint),
    "importance_evidence": lambda joint: diagnostics.importance_evidence(Q, KEY, joint),
    "optimism": lambda joint: diagnostics.optimism(Q, KEY, joint, jnp.ones((10, 2))),
    "elbo_restarts": lambda joint: diagnostics.elbo_restarts([Q, Q], KEY, joint, num_steps=1),
    "correct": lambda joint: mcmc.correct(Q, KEY, joint),
    "propose": lambda joint: mcmc.propose(Q, KEY, joint),
    "sample": lambda joint: mcmc.sample(joint, KEY, jnp.zeros((2, 2))),
    "alternate": lambda joint: mcmc.alternate(Q, KEY, joint),
}
OF_NOISE = {
    "sample": lambda joint, **more: Q.sample(KEY, 4, **more),
    "strata": lambda joint, **more: MIXTURE.strata(KEY, 4, **more),
}
OF_NOISE |= {name: call for name, call in OF_LOG_JOINTS.items() if "more" in inspect.signature(call).parameters}


@pytest.mark.parametrize("name", OF_LOG_JOINTS)
def test_a_model_for_its_log_joint_is_named(name):
    needs = "needs a function of one point z of shape \\(dim,\\)"
    with pytest.raises(ValueError, match=f"^log_joint: got a Model, {needs}; a Model has one, its .log_joint"):
        OF_LOG_JOINTS[name](MODEL)
    with pytest.raises(ValueError, match=f"^log_joint: got a float, {needs}") as found:
        OF_LOG_JOINTS[name](1.0)
    assert "a Model" not in str(found.value)


@pytest.mark.parametrize("name", OF_NOISE)
@pytest.mark.parametrize("noise", ["sobol", None, []], ids=str)
def test_noise_that_is_no_function_is_named(name, noise):
    with pytest.raises(ValueError, match=r"^noise: got .*, needs draws.iid, draws.antithetic, draws.sobol or another"):
        OF_NOISE[name](MODEL.log_joint, noise=noise)


def test_every_function_of_a_log_joint_or_of_noise_is_tried():
    """Read off the signatures; `mean_field_elbo`, of a dictionary, hands on to `elbo`."""
    public = {}
    for room in (bounds, gradients, diagnostics, mcmc):
        names = getattr(room, "__all__", [name for name in vars(room) if not name.startswith("_")])
        public |= {name: thing for name in names if inspect.isfunction(thing := getattr(room, name))}
    public["fit"] = fit
    parameters = {name: inspect.signature(thing).parameters for name, thing in public.items()}
    assert {name for name, has in parameters.items() if "log_joint" in has} == set(OF_LOG_JOINTS) | {"mean_field_elbo"}
    assert {name for name, has in parameters.items() if "noise" in has} == set(OF_NOISE) - {"sample", "strata"}
