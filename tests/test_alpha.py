"""Divergences of an order alpha against sums on a fine grid, TFP's formula, and their limits."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from vi_lab import FullRank, LowRank, MeanField, Mixture, alpha_divergence, chi2, kl, renyi

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


@pytest.mark.parametrize("divergence", [chi2, lambda q, p: alpha_divergence(q, p, 0.5)], ids=["chi2", "alpha"])
def test_other_dimensions_and_families_are_refused(divergence):
    with pytest.raises(ValueError, match="p: got dim 1, needs dim 2"):
        divergence(Q, MeanField.standard(1))
    with pytest.raises(NotImplementedError, match="kl_monte_carlo"):
        divergence(Mixture([0.0], (MeanField.standard(2),)), P)
