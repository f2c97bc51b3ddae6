"""`fit` on minibatches: the gradient is unbiased, the optimum that of all data, and bad data are named."""

import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fit_oracles import best_elbo, logistic_elbo
from zscores import assert_mean, assert_variance

from vi_lab import FullRank, MeanField, fit, reparameterized
from vi_lab.fit.minibatch import full_log_weights, of_batch

RNG = np.random.default_rng(2)
X = np.column_stack([np.ones(400), RNG.standard_normal(400)])
Y = (RNG.uniform(size=400) < 1 / (1 + np.exp(-X @ [0.5, -1.0]))).astype(float)
PRIOR_STD = 1.5


def log_joint(z, batch, scale):
    x, y = batch
    logits = x @ z
    log_likelihood = jnp.sum(y * logits - jnp.logaddexp(0, logits))
    return jax.scipy.stats.norm.logpdf(z, 0, PRIOR_STD).sum() + scale * log_likelihood


def test_the_log_joint_of_a_batch_is_unbiased_with_the_variance_of_sampling_rows(key):
    """At a fixed z: mean log p(z, x), variance N^2 Var(row) / B, both by NumPy over all rows."""
    z, size, data = jnp.array([0.2, -0.7]), 20, (jnp.array(X), jnp.array(Y))
    draw = jax.jit(jax.vmap(lambda k: of_batch(log_joint, data, k, size)(z)))
    samples = draw(jax.random.split(key, 20_000))
    logits = X @ np.asarray(z)
    rows = Y * logits - np.log1p(np.exp(logits))
    prior = -0.5 * np.sum(np.asarray(z) ** 2) / PRIOR_STD**2 - np.log(2 * np.pi * PRIOR_STD**2)
    assert_mean(samples, prior + rows.sum())
    assert_variance(samples, 400**2 * rows.var() / size)


def test_the_gradient_of_a_batch_is_unbiased(key):
    """Against the exact gradient of the deterministic ELBO on all data."""
    q, data = MeanField([0.1, -0.4], [-1.0, -0.5]), (jnp.array(X), jnp.array(Y))

    def grad(k):
        batch_key, draw_key = jax.random.split(k)
        return reparameterized(q, draw_key, of_batch(log_joint, data, batch_key, 10), num_samples=2)[1]

    grads = jax.jit(jax.vmap(grad))(jax.random.split(key, 20_000))
    exact = jax.grad(lambda q: logistic_elbo(X, Y, PRIOR_STD, q))(q)
    for name in ("mean", "log_std"):
        assert_mean(getattr(grads, name), getattr(exact, name), name)


def test_minibatches_reach_the_optimum_of_all_data(key):
    best, best_q = best_elbo(lambda q: logistic_elbo(X, Y, PRIOR_STD, q), FullRank([0.0, 0.0], 0.1 * np.eye(2)))
    result = fit(FullRank.standard(2), key, log_joint, data=(X, Y), batch_size=50, num_steps=4000)
    gap = best - logistic_elbo(X, Y, PRIOR_STD, result.q)
    assert gap < 0.02, f"{gap:.4f} nats below the optimum; {result.reason}"
    np.testing.assert_allclose(result.q.std, best_q.std, rtol=0.1)
    assert abs(result.elbo.value - logistic_elbo(X, Y, PRIOR_STD, result.q)) < 5 * result.elbo.std_error


def test_the_final_weights_are_those_of_all_data_in_pieces(key, monkeypatch):
    q, data = MeanField.standard(2), (jnp.array(X), jnp.array(Y))
    whole = jax.vmap(lambda z: log_joint(z, data, 1.0))(q.sample(key, 100)) - q.log_prob(q.sample(key, 100))
    monkeypatch.setattr(
        sys.modules[full_log_weights.__module__], "BUDGET", 7 * 1200
    )  # seven draws at a time, and two left over
    np.testing.assert_allclose(full_log_weights(q, key, log_joint, data, 100), whole, rtol=1e-12)
    piece = jax.make_jaxpr(lambda: full_log_weights(q, key, log_joint, data, 100))()
    assert "[7,400]" in str(piece).replace("f64", "") and "[100,400]" not in str(piece)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"data": (X, Y[:-1]), "batch_size": 5},
            r"data: got shapes \[\(400, 2\), \(399,\)\], needs arrays whose first axes",
        ),
        ({"data": {"y": 3.0}, "batch_size": 1}, "data: got shapes"),
        ({"data": (), "batch_size": 1}, "data: got shapes"),
        ({"data": np.empty((0, 2)), "batch_size": 1}, "batch_size: got 1, needs at most 0"),
        ({"data": (X, Y)}, "batch_size: got None, needs how many of the 400 rows"),
        ({"data": (X, Y), "batch_size": 401}, "batch_size: got 401, needs at most 400"),
        ({"data": (X, Y), "batch_size": 0}, "batch_size: got 0"),
        ({"data": (X, Y), "batch_size": 2.5}, "batch_size: got 2.5"),
        ({"batch_size": 5}, "batch_size: got 5, needs data="),
    ],
)
def test_bad_data_are_named(settings, message, key):
    with pytest.raises(ValueError, match=message):
        fit(MeanField.standard(2), key, log_joint, **settings)


def test_large_data_are_checked_by_fewer_draws(key):
    """As many rows times draws as the budget allows, but never fewer than 64 draws; small data keep all draws."""
    weights = partial(full_log_weights, MeanField.standard(1), key, lambda z, rows, scale: -scale * jnp.sum(rows * z))
    for rows, draws in {10: 4096, 2**14: 1024, 2**20: 64}.items():
        assert jax.eval_shape(lambda rows=rows: weights(jnp.zeros(rows), 4096)).shape == (draws,)
