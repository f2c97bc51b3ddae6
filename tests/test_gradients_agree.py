"""Every estimator under every family that it serves has one expectation: the gradient of the exact ELBO."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from family_cases import FAMILIES, support
from jax.flatten_util import ravel_pytree
from zscores import assert_mean

import vi_lab as vi

WITH_TRANSFORM = ("mean-field-1d", "mean-field", "full-rank", "low-rank", "flow")
EVERY = tuple(FAMILIES)
SOME = ("mean-field", "mixture", "bernoulli")
ESTIMATORS = {
    "reparameterized": (partial(vi.reparameterized, num_samples=8), WITH_TRANSFORM),
    "sticking_the_landing": (partial(vi.sticking_the_landing, num_samples=8), WITH_TRANSFORM),
    "stratified": (partial(vi.stratified, num_samples=8), ("mixture-1d", "mixture", "full-rank")),
    "doubly_reparameterized": (
        partial(vi.doubly_reparameterized, num_samples=1, num_repeats=8),
        ("mean-field", "full-rank", "flow"),
    ),
    "leave_one_out": (partial(vi.score_function, num_samples=32), EVERY),
    "optimal": (partial(vi.score_function, num_samples=32, baseline="optimal"), (*SOME, "full-rank", "flow")),
    "running_mean": (partial(vi.score_function, num_samples=32, baseline="running_mean"), SOME),
    "no baseline": (partial(vi.score_function, num_samples=32, baseline=None), SOME),
    "a number": (partial(vi.score_function, num_samples=32, baseline=-2.5), SOME),
    "rao_blackwellized": (partial(vi.rao_blackwellized, num_samples=8), ("bernoulli",)),
    "measure_valued": (partial(vi.measure_valued, num_samples=8), ("mean-field-1d", "mean-field")),
    "measure_valued, apart": (partial(vi.measure_valued, num_samples=8, coupled=False), ("mean-field",)),
}
PAIRS = [(estimator, name) for estimator, (_, names) in ESTIMATORS.items() for name in names]


def log_joint(z):
    """Not Gaussian, and with tails that no estimator turns into a heavy one; z in R^1, R^2 or {0, 1}^2."""
    return -0.3 * jnp.sum(z**2) + jnp.sin(jnp.sum(z) + 1.5 * z[0]) - 0.4 * jnp.prod(jnp.tanh(z - 0.5))


@cache
def exact(name):
    """The ELBO and its gradient by quadrature or enumeration over z: no draw, no reparameterization."""
    q = FAMILIES[name]
    points, weights = support(q)

    def elbo(q):
        log_q = q.log_prob(points)
        return weights @ (jnp.exp(log_q) * (jax.vmap(log_joint)(points) - log_q))

    value, grad = jax.jit(jax.value_and_grad(elbo))(q)
    return value, ravel_pytree(grad)[0]


def draws(estimator, q, key, repeats):
    run = ESTIMATORS[estimator][0]
    return jax.jit(jax.vmap(lambda k: run(q, k, log_joint)))(jax.random.split(key, repeats))


def flat(grads):
    return np.asarray(jax.vmap(lambda g: ravel_pytree(g)[0])(grads))


@pytest.mark.parametrize(("estimator", "name"), PAIRS)
def test_the_expectation_is_the_exact_gradient(estimator, name, key):
    value, grad = draws(estimator, FAMILIES[name], key, 2000)
    elbo, exact_grad = exact(name)
    assert_mean(value, elbo, f"ELBO by {estimator} under {name}")
    assert_mean(flat(grad), exact_grad, f"gradient by {estimator} under {name}")


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_in_32_bits(estimator, key):
    name = ESTIMATORS[estimator][1][0]
    q = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), FAMILIES[name])
    value, grad = draws(estimator, q, key, 2000)
    assert {leaf.dtype for leaf in jax.tree.leaves((value, grad))} == {jnp.dtype("float32")}
    assert jax.tree.structure(grad) == jax.tree.structure(q), "one derivative for each leaf"
    elbo, exact_grad = exact(name)
    assert_mean(value, elbo, f"ELBO by {estimator} in 32 bits")
    assert_mean(flat(grad), exact_grad, f"gradient by {estimator} in 32 bits")


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_compiled_or_not_the_numbers_are_the_same(estimator):
    run, (name, *_) = ESTIMATORS[estimator]
    q, key = FAMILIES[name], jax.random.key(3)
    compiled = jax.jit(lambda q, key: run(q, key, log_joint))(q, key)
    for a, b in zip(jax.tree.leaves(run(q, key, log_joint)), jax.tree.leaves(compiled), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


WRONG = {
    (vi.reparameterized, "mixture"): "stratified.* score_function",
    (vi.reparameterized, "bernoulli"): "score_function or rao_blackwellized",
    (vi.sticking_the_landing, "mixture"): "stratified.* score_function",
    (vi.sticking_the_landing, "bernoulli"): "score_function or rao_blackwellized",
    (vi.stratified, "bernoulli"): "score_function or rao_blackwellized",
    (vi.doubly_reparameterized, "mixture"): "stratified.* score_function",
    (vi.doubly_reparameterized, "bernoulli"): "score_function or rao_blackwellized",
    (vi.rao_blackwellized, "mean-field"): "serves Bernoulli; score_function serves every family",
    (vi.rao_blackwellized, "mixture"): "serves Bernoulli; score_function serves every family",
    (vi.measure_valued, "full-rank"): "serves MeanField; score_function serves every family",
    (vi.measure_valued, "bernoulli"): "serves MeanField; score_function serves every family",
}


@pytest.mark.parametrize(("estimator", "name"), WRONG, ids=lambda v: getattr(v, "__name__", v))
def test_the_wrong_family_is_told_which_estimators_serve_it(estimator, name):
    with pytest.raises(NotImplementedError, match=WRONG[estimator, name]):
        estimator(FAMILIES[name], jax.random.key(0), log_joint, num_samples=2)


def test_a_mixture_of_coins_has_no_stratified_gradient():
    q = vi.Mixture([0.0, 0.0], (FAMILIES["bernoulli"], vi.Bernoulli.standard(2)))
    with pytest.raises(NotImplementedError, match="score_function"):
        vi.stratified(q, jax.random.key(0), log_joint)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (partial(vi.score_function, baseline="mean"), "baseline: got 'mean', needs one of 'leave_one_out'"),
        (partial(vi.score_function, num_samples=1), "num_samples: got 1, needs a whole number of at least 2"),
        (partial(vi.score_function, num_samples=1, baseline="optimal"), "needs a whole number of at least 2"),
        (partial(vi.score_function, num_samples=0, baseline=None), "needs a whole number of at least 1"),
        (partial(vi.doubly_reparameterized, num_samples=0), "num_samples: got 0"),
        (partial(vi.doubly_reparameterized, num_samples=2, num_repeats=0), "num_repeats: got 0"),
        (partial(vi.measure_valued, num_samples=1.5), "num_samples: got 1.5"),
        (vi.reparameterized, "log_joint: got a result of shape"),
    ],
)
def test_bad_settings_are_named(call, message):
    wrong = isinstance(call, partial)
    with pytest.raises(ValueError, match=message):
        call(FAMILIES["mean-field"], jax.random.key(0), log_joint if wrong else lambda z: z)
