"""Optimism of fixed draws, and restarts, against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from zscores import LIMIT, assert_mean, assert_variance

from vi_lab import FullRank, MeanField, draws, models
from vi_lab.diagnostics import elbo_restarts, optimism

SEED = jax.random.key(4)
TARGET = models.gaussian([0.5, -0.3], [[1.0, 0.6], [0.6, 0.8]])
Q = MeanField.from_std([1.5, 0.2], [0.7, 1.2])
ONE = MeanField.standard(1)


def train(family, eps):
    """The q of highest ELBO at fixed noise on N(0, I): m = -L mean(eps) and L C L^T = I, C the covariance of eps."""
    center = eps.mean(axis=0)
    if family is MeanField:
        std = 1 / eps.std(axis=0)
        return MeanField.from_std(-std * center, std)
    scale = np.linalg.inv(np.linalg.cholesky(np.cov(eps.T, ddof=0)))
    return FullRank(-scale @ center, scale)


def expected_optimism(q, eps):
    """Both terms in closed form: E_q[log w] is -KL, and log w at each eps is a quadratic."""
    scale, mean = np.asarray(q.scale_tril), np.asarray(q.mean)
    z = mean + eps @ scale.T
    log_det = np.linalg.slogdet(scale)[1]
    seen = np.mean(((eps**2).sum(axis=1) - (z**2).sum(axis=1)) / 2) + log_det
    return seen + (np.trace(scale @ scale.T) + mean @ mean - q.dim) / 2 - log_det


@pytest.mark.parametrize("family", [MeanField, FullRank])
def test_optimism_of_the_maximizer(family, key):
    """Against the closed form for each eps: z-scores of mean 0 and variance 1. Averaged over eps it is the number of
    parameters, over n - dim - 2 or, in a mean field, n - 3; and never below zero.
    """
    n, target = 24, models.gaussian(np.zeros(2), np.eye(2))
    noise = np.random.default_rng(int(jax.random.randint(key, (), 0, 2**31 - 1))).normal(size=(4000, n, 2))
    scores = []
    for one, eps in zip(jax.random.split(key, 60), noise, strict=False):
        q = train(family, eps)
        found = optimism(q, one, target.log_joint, eps, num_samples=1000)
        scores.append((found.value - expected_optimism(q, eps)) / found.std_error)
    assert_mean(scores, 0.0, "z-scores")
    assert_variance(scores, 1.0, "z-scores")
    exact = np.array([expected_optimism(train(family, eps), eps) for eps in noise])
    assert (exact > -1e-12).all()
    assert_mean(exact, 5 / (n - 4) if family is FullRank else 4 / (n - 3), "mean optimism")


def test_the_maximizer_is_one():
    """The oracle itself: the gradient of the training ELBO vanishes at it."""
    eps = np.asarray(draws.iid(SEED, 12, 2))
    target = models.gaussian(np.zeros(2), np.eye(2))
    for family in (MeanField, FullRank):
        q = train(family, eps)
        grad = jax.grad(lambda q: jnp.mean(jax.vmap(target.log_joint)(q.transform(eps)) - q.log_prob(q.transform(eps))))
        for leaf in jax.tree.leaves(grad(q)):
            np.testing.assert_allclose(leaf, 0, atol=1e-12)


def test_an_honest_q_is_not_optimistic(key):
    found = [
        optimism(Q, one, TARGET.log_joint, draws.iid(jax.random.fold_in(one, 1), 50, 2), num_samples=500)
        for one in jax.random.split(key, 60)
    ]
    assert_mean([one.value for one in found], 0.0, "optimism")


def test_optimism_where_fresh_draws_leave_the_support():
    """Training noise inside the support, fresh draws outside: infinite, and said to be."""
    box = lambda z: jnp.where(jnp.abs(z[0]) < 1, 0.0, -jnp.inf)  # noqa: E731
    found = optimism(MeanField.standard(1), SEED, box, [[0.1], [-0.4]])
    assert found.value == np.inf and found.std_error == np.inf


def test_restarts_find_both_modes(key):
    """On two far modes of weights 0.3 and 0.7 the two tops lie log(0.7 / 0.3) apart, and each fit is exact."""
    starts = [MeanField([x], [0.0]) for x in (-4.0, 4.0, 5.0)]
    model = models.bimodal(separation=12.0, weight=0.3)
    found = elbo_restarts(starts, key, model.log_joint, num_steps=500, num_samples=8)
    np.testing.assert_allclose(found.elbos, np.log([0.3, 0.7, 0.7]), atol=1e-3)
    assert abs(found.spread.value - np.log(0.7 / 0.3)) < LIMIT * found.spread.std_error + 1e-3
    assert found.best.q.mean > 0 and found.best is found.fits[int(found.elbos.argmax())]


def test_restarts_that_fail_are_infinitely_far():
    wall = lambda z: jnp.where(z[0] < 0, -jnp.inf, -(z[0] ** 2) / 2)  # noqa: E731
    starts = [MeanField([50.0], [0.0]), MeanField([-50.0], [0.0])]
    found = elbo_restarts(starts, SEED, wall, num_steps=2, optimizer=optax.sgd(1e-6))
    assert found.spread.value == np.inf and found.spread.std_error == np.inf
    assert found.best is found.fits[0] and found.elbos[1] == -np.inf


def test_an_infinite_elbo_is_never_the_best():
    wild = lambda z: jnp.where(z[0] > 2.5, jnp.inf, -0.5 * z[0] ** 2)  # noqa: E731
    found = elbo_restarts([ONE, MeanField.from_std([-2.0], [0.5])], SEED, wild, num_steps=20)
    assert found.elbos[0] == -np.inf and found.best is found.fits[1]
    assert found.spread.value == np.inf and found.spread.std_error == np.inf


def broken(z):
    return jnp.where(z[0] > 1, jnp.nan, -(z[0] ** 2))


BAD = {
    "shape": (lambda: optimism(Q, SEED, TARGET.log_joint, np.zeros((4, 3))), r"eps: got shape \(4, 3\), needs shape"),
    "vector": (lambda: optimism(Q, SEED, TARGET.log_joint, np.zeros(2)), r"eps: got shape \(2,\), needs draws"),
    "NaN eps": (lambda: optimism(Q, SEED, TARGET.log_joint, np.full((4, 2), np.nan)), "eps: got a value that is NaN"),
    "at eps": (lambda: optimism(ONE, SEED, broken, [[3.0]]), "log_joint at the draws of eps: got a value that is NaN"),
    "fresh": (lambda: optimism(ONE, SEED, broken, [[0.0]]), r"log_joint: got NaN or \+inf at a draw of q"),
    "no list": (lambda: elbo_restarts(Q, SEED, TARGET.log_joint), "starts: got 1 of them, needs at least two"),
    "one start": (lambda: elbo_restarts([Q], SEED, TARGET.log_joint), "starts: got 1 of them, needs at least two"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_families_without_a_transform():
    mixture = models.bimodal().posterior
    with pytest.raises(NotImplementedError, match="Mixture has no reparameterization"):
        optimism(mixture, SEED, mixture.log_prob, np.zeros((3, 1)))
