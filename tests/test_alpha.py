"""Divergences of an order alpha against sums on a fine grid, TFP's formula, and their limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from vi_lab import FullRank, LowRank, MeanField, Mixture, alpha_divergence, chi2, kl, renyi, renyi_bound

Q = FullRank.from_cov([0.3, 0.1], [[1.0, 0.3], [0.3, 0.7]])
P = MeanField.from_std([-0.2, 0.4], [1.05, 0.95])
AXIS = np.linspace(-30, 30, 1501)
POINTS = np.stack(np.meshgrid(AXIS, AXIS), axis=-1)
LOG_Q, LOG_P = (scipy.stats.multivariate_normal.logpdf(POINTS, g.mean, g.cov()) for g in (Q, P))
CELL = (AXIS[1] - AXIS[0]) ** 2


@pytest.mark.parametrize("alpha", [-1.0, -0.3, 0.2, 0.5, 0.8, 1.5, 2.0])
def test_alpha_divergence_agrees_with_a_sum_over_a_grid(alpha):
    integral = np.exp(alpha * LOG_Q + (1 - alpha) * LOG_P).sum() * CELL
    np.testing.assert_allclose(alpha_divergence(Q, P, alpha), (integral - 1) / (alpha * (alpha - 1)), rtol=1e-9)
    np.testing.assert_allclose(alpha_divergence(Q, P, alpha), alpha_divergence(P, Q, 1 - alpha), rtol=1e-12)


@pytest.mark.parametrize("theirs", [-1.0, 0.0, 0.3, 1.0])
def test_the_map_to_tfp(theirs):
    """TFP's amari_alpha of u = p/q, written here from its documentation, is averaged under q: order 1 - theirs."""
    held = np.abs(POINTS).max(axis=-1) < 10  # holds both densities to rounding; far out, p / q overflows
    u = np.exp((LOG_P - LOG_Q)[held])
    match theirs:
        case 0.0:
            f = -np.log(u)
        case 1.0:
            f = u * np.log(u)
        case _:
            f = (u**theirs - 1) / (theirs * (theirs - 1))
    expected = (np.exp(LOG_Q[held]) * f).sum() * CELL
    np.testing.assert_allclose(alpha_divergence(Q, P, 1 - theirs), expected, rtol=1e-8)


def test_limits_are_the_two_kls():
    assert alpha_divergence(Q, P, 1) == kl(Q, P)
    assert alpha_divergence(Q, P, 0) == kl(P, Q)


@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.float32, 1e-5), (jnp.float64, 1e-12)])
@pytest.mark.parametrize(("order", "swap"), [(1, False), (0, True)])
def test_no_digits_are_lost_near_the_limits(order, swap, dtype, tolerance):
    q = FullRank(jnp.array([0.3, 0.1], dtype), jnp.array([[1.0, 0.0], [0.3, 0.8]], dtype))
    p = MeanField(jnp.array([-0.2, 0.4], dtype), jnp.array([0.1, -0.1], dtype))
    for distance in (1e-3, 1e-5, 1e-7):
        middle = (alpha_divergence(q, p, order - distance) + alpha_divergence(q, p, order + distance)) / 2
        assert middle.dtype == dtype
        np.testing.assert_allclose(middle, kl(p, q) if swap else kl(q, p), rtol=tolerance + 2 * distance**2)


def test_chi2_is_the_variance_of_the_weight():
    weight = np.exp(LOG_Q - LOG_P)
    variance = (np.exp(LOG_P) * (weight - 1) ** 2).sum() * CELL
    np.testing.assert_allclose(chi2(Q, P), variance, rtol=1e-8)
    np.testing.assert_allclose(chi2(Q, P), 2 * alpha_divergence(Q, P, 2.0), rtol=1e-12)
    np.testing.assert_allclose(chi2(Q, P), np.expm1(renyi(Q, P, 2.0)), rtol=1e-12)
    assert chi2(Q, Q) == 0


def test_chi2_by_hand():
    """Equal scales: exp(|m - n|^2) - 1."""
    np.testing.assert_allclose(chi2(MeanField([1.0], [0.0]), MeanField.standard(1)), np.e - 1, rtol=1e-12)


def test_infinite_where_the_integral_diverges():
    wide, narrow = MeanField.from_std([0.0], [2.0]), MeanField.standard(1)
    assert chi2(wide, narrow) == alpha_divergence(wide, narrow, 2.0) == np.inf
    assert alpha_divergence(narrow, wide, -1.0) == np.inf
    assert np.isfinite([chi2(narrow, wide), alpha_divergence(wide, narrow, -1.0)]).all()


def test_low_rank_is_a_gaussian_like_the_others():
    q = LowRank([0.3, 0.1], [[0.5], [0.4]], [-0.2, -0.3])
    full = FullRank.from_cov(q.mean, q.cov())
    np.testing.assert_allclose(alpha_divergence(q, P, 0.7), alpha_divergence(full, P, 0.7), rtol=1e-10)


@pytest.mark.parametrize("alpha", [np.nan, np.inf, "a", None, True])
def test_an_order_that_is_no_number_is_named(alpha):
    with pytest.raises(ValueError, match=r"alpha: got .* needs a finite number"):
        alpha_divergence(Q, P, alpha)


ORDERS = {alpha: lambda q, p, alpha=alpha: alpha_divergence(q, p, alpha) for alpha in (0.3, 0.5, 0.7)}


@pytest.mark.parametrize("order", ["chi2", *ORDERS])
def test_other_dimensions_and_families_are_refused(order):
    divergence = ORDERS.get(order, chi2)
    with pytest.raises(ValueError, match="p: got dim 1, needs dim 2"):
        divergence(Q, MeanField.standard(1))
    name = "chi2" if order == "chi2" else "alpha_divergence"
    with pytest.raises(NotImplementedError, match=f"^{name}: .*Mixture and MeanField.*-renyi_bound"):
        divergence(Mixture([0.0], (MeanField.standard(2),)), P)


@pytest.mark.parametrize("alpha", [0.3, 1.6])
def test_the_way_that_a_refusal_names_is_right(alpha, key):
    """What it says of D and expm1, done for a pair whose divergence is known."""
    estimate = -renyi_bound(Q, key, P.log_prob, num_samples=200_000, alpha=alpha)
    np.testing.assert_allclose(estimate, renyi(Q, P, alpha), rtol=0.05)
    by_draws = np.expm1((alpha - 1) * estimate) / (alpha * (alpha - 1))
    np.testing.assert_allclose(by_draws, alpha_divergence(Q, P, alpha), rtol=0.05)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_an_order_from_an_array_is_a_number(dtype):
    """Of an array of another dtype only the number counts: the result keeps the dtype of q and p."""
    q, p = (jax.tree.map(lambda leaf: leaf.astype(dtype), g) for g in (Q, P))
    for alpha in jnp.linspace(0.25, 1.0, 4):
        value = alpha_divergence(q, p, alpha)
        assert value.dtype == dtype and value == alpha_divergence(q, p, float(alpha))
    with pytest.raises(ValueError, match="alpha: got a value that JAX traces"):
        jax.vmap(lambda alpha: renyi(q, p, alpha))(jnp.ones(2))


def test_nan_is_not_taken_for_infinity():
    broken = jax.tree.map(lambda leaf: leaf * jnp.nan, Q)
    for value in (renyi(broken, P, 0.5), renyi(broken, P, 2.0), chi2(broken, P), alpha_divergence(broken, P, 0.5)):
        assert np.isnan(value)
