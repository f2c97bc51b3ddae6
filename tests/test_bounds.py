"""Bounds: their exact expectations by Gauss-Hermite quadrature, their order, and the identity with the evidence."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
from test_models import bioassay_joint
from zscores import assert_mean, assert_variance

from vi_lab import (
    FullRank,
    MeanField,
    elbo,
    importance_weighted_bound,
    kl,
    kl_quadrature,
    log_weights,
    mean_field_elbo,
    models,
    renyi,
    renyi_bound,
    upper_bound,
)
from vi_lab.quadrature import grid

NORMAL = models.conjugate_normal([1.2, 0.4, 2.2], noise_std=1.3)
REGRESSION = models.conjugate_regression(np.vander([0.1, 0.5, 0.9, 1.4], 3), [1.0, 0.2, 0.5, 2.0], noise_std=0.5)
Q = MeanField.from_std(NORMAL.posterior.mean + 0.3, 0.8 * NORMAL.posterior.std)
NODES, WEIGHTS = scipy.special.roots_hermitenorm(60)
WEIGHTS = WEIGHTS / WEIGHTS.sum()  # expectations under N(0,1)


def exact_log_weights():
    """log w at the quadrature nodes, from SciPy's densities and not from the library's."""
    z = float(Q.mean[0]) + float(Q.std[0]) * NODES
    norm = scipy.stats.norm
    joint = norm.logpdf(z) + sum(norm.logpdf(x, z, 1.3) for x in (1.2, 0.4, 2.2))
    return joint - norm.logpdf(z, Q.mean[0], Q.std[0])


def repeat(bound, key, repeats=20_000, **settings):
    run = jax.jit(jax.vmap(lambda k: bound(Q, k, NORMAL.log_joint, **settings)))
    return run(jax.random.split(key, repeats))


@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.float64, 1e-10), (jnp.float32, 2e-5)])
@pytest.mark.parametrize("model", [NORMAL, REGRESSION], ids=["normal", "regression"])
def test_at_the_exact_posterior_every_draw_is_the_log_evidence(model, dtype, tolerance, key):
    q, log_joint, evidence = jax.tree.map(
        lambda leaf: leaf.astype(dtype), (model.posterior, model.log_joint, model.log_evidence)
    )
    log_w = log_weights(q, key, log_joint, num_samples=1000)
    assert log_w.dtype == dtype
    np.testing.assert_allclose(log_w, evidence, atol=tolerance * max(1, abs(float(evidence))))
    for bound in (elbo, importance_weighted_bound, upper_bound):
        value = bound(q, key, log_joint, num_samples=50)
        np.testing.assert_allclose(value, evidence, atol=tolerance * max(1, abs(float(evidence))))


def test_elbo_has_its_exact_mean_and_variance(key):
    log_w = exact_log_weights()
    mean = WEIGHTS @ log_w
    values = repeat(elbo, key, num_samples=4)
    assert_mean(values, mean, "ELBO")
    assert_variance(values, WEIGHTS @ (log_w - mean) ** 2 / 4, "ELBO's variance")
    np.testing.assert_allclose(mean, NORMAL.log_evidence - kl(Q, NORMAL.posterior), rtol=1e-10)


@pytest.mark.parametrize("alpha", [0.0, 0.5, -1.0, 2.0])
def test_two_weight_bounds_have_their_exact_mean_and_variance(alpha, key):
    """With K = 2 the expectation over both draws is a 2-D Gauss-Hermite sum."""
    power = (1 - alpha) * exact_log_weights()
    pairs = (np.logaddexp(power[:, None], power[None, :]) - np.log(2)) / (1 - alpha)
    mean = WEIGHTS @ pairs @ WEIGHTS
    values = repeat(renyi_bound, key, num_samples=2, alpha=alpha)
    assert_mean(values, mean, f"Rényi bound of order {alpha}")
    assert_variance(values, WEIGHTS @ (pairs - mean) ** 2 @ WEIGHTS, f"variance at order {alpha}")


def test_repeats_narrow_the_noise_and_keep_the_bound(key):
    once = repeat(importance_weighted_bound, key, num_samples=2)
    averaged = repeat(importance_weighted_bound, jax.random.fold_in(key, 1), num_samples=2, num_repeats=8)
    assert_mean(averaged, np.mean(repeat(importance_weighted_bound, key, 200_000, num_samples=2)))
    assert 0.1 < np.var(averaged) / np.var(once) < 0.15  # 1/8


def test_special_orders_are_the_named_bounds(key):
    settings = {"q": Q, "key": key, "log_joint": NORMAL.log_joint, "num_samples": 7}
    np.testing.assert_allclose(renyi_bound(**settings, alpha=1), elbo(**settings), rtol=1e-14)
    assert renyi_bound(**settings, alpha=0) == importance_weighted_bound(**settings)
    assert renyi_bound(**settings, alpha=-1) == upper_bound(**settings)
    log_w = log_weights(**settings)
    np.testing.assert_allclose(importance_weighted_bound(**settings), np.log(np.mean(np.exp(log_w))), rtol=1e-12)
    np.testing.assert_allclose(upper_bound(**settings), np.log(np.mean(np.exp(2 * log_w))) / 2, rtol=1e-12)
    single = dict(settings, num_samples=1)
    assert importance_weighted_bound(**single) == elbo(**single)


@pytest.mark.parametrize("alpha", [0.5, 2.0, -0.5])
def test_many_weights_reach_the_closed_form(alpha, key):
    """L_alpha = log p(x) - D_alpha(q || posterior), within four standard errors plus the O(1/K) bias."""
    num_samples = 1_000_000
    value = renyi_bound(Q, key, NORMAL.log_joint, num_samples=num_samples, alpha=alpha)
    power = (1 - alpha) * exact_log_weights()
    ratio = np.exp(power - scipy.special.logsumexp(power, b=WEIGHTS))
    std_error = np.sqrt(WEIGHTS @ (ratio - 1) ** 2 / num_samples) / abs(1 - alpha)
    assert abs(value - (NORMAL.log_evidence - renyi(Q, NORMAL.posterior, alpha))) < 6 * std_error


def test_closed_form_bounds_fall_with_alpha_and_bracket_the_evidence():
    alphas = [-1.0, -0.5, 0.0, 0.5, 1.0, 1.5]
    bounds = [float(NORMAL.log_evidence - renyi(Q, NORMAL.posterior, alpha)) for alpha in alphas]
    assert all(a > b for a, b in itertools.pairwise(bounds))
    assert bounds[0] > NORMAL.log_evidence > bounds[3]
    np.testing.assert_allclose(bounds[2], NORMAL.log_evidence, rtol=1e-12)


def test_importance_weighted_bound_rises_with_the_number_of_weights(key):
    means = [np.mean(repeat(importance_weighted_bound, key, num_samples=k)) for k in (1, 4, 16, 64)]
    assert np.all(np.diff(means) > 0) and means[-1] < NORMAL.log_evidence


def test_gap_identity_on_bioassay_by_quadrature():
    """log p(x) = L + KL(q || posterior) to 1e-8, the evidence and the joint from SciPy."""
    model, q = models.bioassay(), FullRank.from_cov([1.0, 10.5], [[0.7, 1.6], [1.6, 13.0]])
    lower, upper = [-9.0, -32.0], [11.0, 53.0]
    z, weights = grid(lower, upper, dim=2, num_points=120)
    log_q = q.log_prob(z)
    joint = np.array([bioassay_joint(*point) for point in np.asarray(z)])
    bound = np.sum(weights * np.exp(log_q) * (joint - log_q))
    evidence = scipy.special.logsumexp(joint, b=weights)
    gap = kl_quadrature(q, model.posterior, lower, upper)
    np.testing.assert_allclose(bound + gap, evidence, atol=1e-8)
    np.testing.assert_allclose(evidence, model.log_evidence, atol=1e-8)


def test_mean_field_elbo_is_the_one_draw_estimate(key):
    """Its mean by quadrature over both coordinates, and its gradient in a plain dictionary."""
    params = {"mean": jnp.array([0.5, -1.0]), "log_std": jnp.array([-0.2, 0.3])}

    def log_joint(z):
        return -jnp.sum((z - 1.0) ** 2)

    values = jax.vmap(lambda k: mean_field_elbo(params, k, log_joint))(jax.random.split(key, 20_000))
    mean, std = np.array([0.5, -1.0]), np.exp([-0.2, 0.3])
    expected = -np.sum((mean - 1) ** 2 + std**2) + np.sum(np.log(std)) + 1 + np.log(2 * np.pi)
    assert_mean(values, expected, "one-draw ELBO")
    # Of a draw, -(d + s e)^2 + e^2/2 varies: Var = sum (2 d s)^2 + 2 (1/2 - s^2)^2, with d = mean - 1.
    assert_variance(values, np.sum((2 * (mean - 1) * std) ** 2 + 2 * (0.5 - std**2) ** 2), "its variance")
    grad = jax.grad(mean_field_elbo)(params, key, log_joint)
    assert set(grad) == {"mean", "log_std"} and grad["mean"].shape == (2,)


def vector_joint(z):
    return -(z**2)


KEY = jax.random.key(0)
BAD = {
    "vector joint": (
        lambda: elbo(Q, KEY, vector_joint),
        r"log_joint: got a result of shape \(1,\), needs a scalar for one point z of shape \(1,\)",
    ),
    "joint of two results": (lambda: elbo(Q, KEY, lambda z: (z[0], z[0])), "log_joint: got a result of shape tuple"),
    "no function": (lambda: elbo(Q, KEY, 3.0), "log_joint: got a float, needs a function"),
    "no draws": (lambda: elbo(Q, KEY, NORMAL.log_joint, num_samples=0), "num_samples: got 0"),
    "no repeats": (
        lambda: renyi_bound(Q, KEY, NORMAL.log_joint, num_samples=2, alpha=0.5, num_repeats=0),
        "num_repeats: got 0",
    ),
    "alpha": (lambda: renyi_bound(Q, KEY, NORMAL.log_joint, num_samples=2, alpha=np.nan), "alpha: got nan"),
    "params": (lambda: mean_field_elbo({"mean": 0.0}, KEY, NORMAL.log_joint), r"params: got keys \['mean'\]"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()
