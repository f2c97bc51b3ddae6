"""What automatic differentiation of a bound may not do, what refusals advise, and edges of the estimators."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from family_cases import FAMILIES, support
from jax.flatten_util import ravel_pytree
from zscores import assert_mean

import vi_lab as vi

KEY = jax.random.key(0)
COINS, MIXTURE = FAMILIES["bernoulli"], FAMILIES["mixture-1d"]
NESTED = vi.Mixture([0.2, -0.4], (MIXTURE, vi.MeanField([1.5], [-0.5])))
OF_COINS = vi.Mixture([0.0, 0.5], (COINS, vi.Bernoulli.standard(2)))
BOUNDS = {
    "importance": lambda q: vi.importance_weighted_bound(q, KEY, log_joint, num_samples=3),
    "upper": lambda q: vi.upper_bound(q, KEY, log_joint, num_samples=3),
    "log weights": lambda q: vi.log_weights(q, KEY, log_joint, num_samples=3).sum(),
    "draws": lambda q: q.sample(KEY, 3).sum(),
}


def log_joint(z):
    return -0.3 * jnp.sum(z**2) + jnp.sin(jnp.sum(z) + 1.5 * z[0])


@pytest.mark.parametrize("transform", [lambda f: f, jax.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("name", [*BOUNDS, "elbo"])
def test_draws_that_jump_cannot_be_differentiated(name, transform):
    """JAX would take the coins and the labels for constants, and leave most of the gradient out without a word."""
    bound = BOUNDS.get(name, lambda q: vi.elbo(q, KEY, log_joint))
    for q in (COINS, OF_COINS) if name == "elbo" else (COINS, OF_COINS, MIXTURE, NESTED):
        assert np.isfinite(transform(bound)(q))
        with pytest.raises(NotImplementedError, match="score_function"):
            jax.grad(transform(bound))(q)
        with pytest.raises(NotImplementedError, match="score_function"):
            transform(jax.vmap(jax.grad(bound)))(jax.tree.map(lambda leaf: leaf[None], q))


def test_draws_of_a_q_that_is_held_still_are_no_obstacle():
    """Nothing to differentiate: a stopped q, and the components of a mixture whose weights are fixed."""
    held = jax.grad(lambda q: q.log_prob(jax.lax.stop_gradient(q).sample(KEY, 3)).sum())
    expected = jax.grad(lambda q: q.log_prob(COINS.sample(KEY, 3)).sum())(COINS)
    np.testing.assert_array_equal(held(COINS).logits, expected.logits)
    means = jax.grad(lambda parts: vi.Mixture(jnp.zeros(1), parts).sample(KEY, 5).sum())((vi.MeanField.standard(1),))
    assert means[0].mean == 5


@pytest.mark.parametrize("estimator", [jax.value_and_grad(vi.elbo), vi.stratified], ids=["grad of elbo", "stratified"])
@pytest.mark.parametrize("q", [MIXTURE, NESTED], ids=["mixture", "nested"])
def test_the_sum_over_labels_is_differentiable_at_any_depth(estimator, q, key):
    points, weights = support(q)

    def exact(q):
        return weights @ (jnp.exp(q.log_prob(points)) * (jax.vmap(log_joint)(points) - q.log_prob(points)))

    run = jax.jit(jax.vmap(lambda k: estimator(q, k, log_joint)))
    value, grad = run(jax.random.split(key, 20_000))
    elbo, slope = jax.value_and_grad(exact)(q)
    assert_mean(value, elbo, "ELBO")
    assert_mean(jax.vmap(lambda g: ravel_pytree(g)[0])(grad), ravel_pytree(slope)[0], "gradient")


@pytest.mark.parametrize("run", [jax.value_and_grad(vi.elbo), vi.stratified], ids=["grad of elbo", "stratified"])
def test_a_component_of_no_weight_is_worth_nothing(run):
    """Its weight underflows to zero, the log joint at its draws is -inf: the rest is the ELBO of the other alone."""
    near, far = vi.MeanField([5.0], [-3.0]), vi.MeanField([-5.0], [-3.0])
    half = lambda z: jnp.where(z[0] > 0, -z[0], -jnp.inf)  # noqa: E731
    value, grad = run(vi.Mixture([0.0, -800.0], (near, far)), KEY, half, num_samples=500)
    np.testing.assert_allclose(value, -5 + near.entropy(), atol=0.2)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(grad))
    np.testing.assert_allclose(grad.logits, 0, atol=1e-12)


@pytest.mark.parametrize("name", ["mean-field", "full-rank", "flow"])
def test_three_weights_have_the_gradient_of_the_bound_differentiated_plainly(name, key):
    """Two estimators of one gradient, by the same draws: their difference has mean zero."""
    q = FAMILIES[name]

    def difference(k):
        settings = {"num_samples": 3, "num_repeats": 2}
        value, grad = vi.doubly_reparameterized(q, k, log_joint, **settings)
        plain = jax.value_and_grad(lambda q: vi.importance_weighted_bound(q, k, log_joint, **settings))(q)
        return value - plain[0], ravel_pytree(grad)[0] - ravel_pytree(plain[1])[0]

    values, grads = jax.jit(jax.vmap(difference))(jax.random.split(key, 10_000))
    np.testing.assert_allclose(values, 0, atol=1e-10)
    assert_mean(grads, 0, "difference of the gradients")


WRONG = {
    "coins in a mixture": (vi.stratified, OF_COINS, "^stratified: .*Bernoulli.* score_function serves every family"),
    "deeper": (vi.stratified, vi.Mixture([0.0], (OF_COINS,)), "^stratified: .*Bernoulli.* score_function serves"),
    "bound of a mixture": (
        vi.doubly_reparameterized,
        MIXTURE,
        "no estimator of the importance-weighted bound.*Mixture",
    ),
    "bound of coins": (vi.doubly_reparameterized, COINS, "no estimator of the importance-weighted bound.*Bernoulli"),
}


@pytest.mark.parametrize("case", WRONG)
def test_refusals_name_no_estimator_that_refuses_as_well(case):
    estimator, q, message = WRONG[case]
    with pytest.raises(NotImplementedError, match=message):
        estimator(q, KEY, log_joint, num_samples=2)


BASELINES = {
    "column": (np.zeros((4, 1)), "baseline: got array"),
    "one each": (jnp.zeros(4), "baseline: got Array"),
    "list": ([1.0], r"baseline: got \[1.0\]"),
    "function": (abs, "baseline: got <built-in"),
    "NaN": (np.nan, "baseline: got nan"),
    "truth": (True, "baseline: got True"),
}


@pytest.mark.parametrize("case", BASELINES)
def test_a_baseline_is_one_finite_number(case):
    baseline, message = BASELINES[case]
    with pytest.raises(ValueError, match=message):
        vi.score_function(COINS, KEY, log_joint, num_samples=4, baseline=baseline)


def test_a_traced_baseline_is_a_number_of_its_own_dtype():
    run = lambda b: vi.score_function(COINS, KEY, log_joint, num_samples=4, baseline=b)  # noqa: E731
    for b in (2.0, np.float32(2), jnp.float32(2)):
        np.testing.assert_allclose(jax.jit(run)(b)[1].logits, run(b)[1].logits, rtol=1e-12)
    with pytest.raises(ValueError, match=r"baseline: got shape \(4,\)"):
        jax.jit(run)(jnp.zeros(4))
    with pytest.raises(ValueError, match="num_samples: got 1, needs a whole number of at least 2"):
        vi.score_function(COINS, KEY, log_joint, num_samples=1, baseline="running_mean")
