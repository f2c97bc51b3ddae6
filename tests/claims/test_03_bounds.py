"""Chapter 3, tighter bounds: multinomial sums, SciPy's quadrature."""

from itertools import product

import jax
import numpy as np
import pytest
from elbo_oracles import (
    FIVE,
    POSTERIOR,
    Q,
    X,
    expect,
    sleep_evidence,
    sleep_joint,
)
from scipy import integrate, stats
from scipy.special import gammaln
from zscores import assert_mean

import vi_lab as vi
from claims import proves

SLEEP = vi.models.conjugate_normal(X, noise_std=1.2, prior_std=2.0)


def iw_on_dice(num_draws):
    """log mean w, averaged over the multinomial counts of the three dice among K draws."""
    w, total = FIVE / Q, 0.0
    for first in range(num_draws + 1):
        second = np.arange(num_draws - first + 1)
        counts = np.stack([np.full_like(second, first), second, num_draws - first - second], axis=1)
        log_mass = gammaln(num_draws + 1) - gammaln(counts + 1).sum(axis=1) + counts @ np.log(Q)
        total += np.exp(log_mass) @ np.log(counts @ w / num_draws)
    return total


@proves(
    "elbo-iw-grows",
    oracle="multinomial sum over the dice for the page's values; quadrature in two dimensions for K = 2 draws",
    tolerance="1e-12; |z| < 5 (false-fail 6e-7)",
)
def test_importance_weighted_bound_grows(page, key):
    gaps = [np.log(1 / 8) - iw_on_dice(k) for k in range(1, 30)]
    assert np.all(np.diff(gaps) < 0) and gaps[-1] > 0
    assert page["ch3-iw-1"] == pytest.approx(gaps[0], abs=1e-12)
    assert page["ch3-iw-8"] == pytest.approx(gaps[7], abs=1e-12)
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    log_w = np.array([sleep_joint(z) for z in 1 + 0.6 * nodes]) - stats.norm(1, 0.6).logpdf(1 + 0.6 * nodes)
    pairs = np.logaddexp(log_w[:, None], log_w[None, :]) - np.log(2)
    exact = weights @ pairs @ weights / weights.sum() ** 2
    q = vi.MeanField.from_std([1.0], [0.6])
    draw = jax.jit(
        jax.vmap(lambda k: vi.importance_weighted_bound(q, k, SLEEP.log_joint, num_samples=2)),
    )
    assert_mean(draw(jax.random.split(key, 20_000)), exact)


@proves("elbo-iw-rate", oracle="multinomial sum over the dice with K = 300 draws", tolerance="5%")
def test_importance_weighted_rate(page):
    chi2 = (Q * (FIVE / Q) ** 2).sum() / FIVE.sum() ** 2 - 1
    assert page["ch3-iw-rule"] == pytest.approx(chi2 / 16, abs=1e-12)
    assert page["ch3-iw-rule"] == pytest.approx(page["ch3-iw-8"], rel=0.05)
    assert 300 * (np.log(1 / 8) - iw_on_dice(300)) == pytest.approx(chi2 / 2, rel=0.05)


def renyi_bound(width, alpha, offset=0.0):
    """log E_q[w^(1 - alpha)] / (1 - alpha) by SciPy's quadrature, q of `width` posterior deviations, `offset` away."""
    q = stats.norm(POSTERIOR.mean() + offset * POSTERIOR.std(), width * POSTERIOR.std())
    shift = sleep_evidence()
    if alpha == 1:
        return expect(q, lambda z: sleep_joint(z) - q.logpdf(z))
    low, high = POSTERIOR.mean() - 30 * POSTERIOR.std(), POSTERIOR.mean() + 30 * POSTERIOR.std()

    def integrand(z):
        return np.exp((1 - alpha) * (sleep_joint(z) - shift) + alpha * q.logpdf(z))

    value = integrate.quad(integrand, low, high, epsabs=1e-13, limit=500, points=[POSTERIOR.mean()])[0]
    return shift + np.log(value) / (1 - alpha)


@proves("elbo-bracket", oracle="SciPy's quadrature of E_q[w^2] and E_q[log w]", tolerance="1e-7")
def test_bracket(page):
    assert page["ch3-bracket-low"] == pytest.approx(renyi_bound(1.3, 1.0), abs=1e-7)
    assert page["ch3-bracket-high"] == pytest.approx(renyi_bound(1.3, -1.0), abs=1e-7)
    assert page["ch3-bracket-low"] < sleep_evidence() < page["ch3-bracket-high"]


@proves("elbo-renyi-ordered", oracle="SciPy's quadrature at nine orders", tolerance="1e-7, order strict")
def test_renyi_bounds_are_ordered():
    for width, offset in ((1.3, 0.0), (0.65, 0.0), (1.3, 0.7)):
        mean = SLEEP.posterior.mean + offset * SLEEP.posterior.std
        q = vi.MeanField.from_std(mean, width * SLEEP.posterior.std)
        orders = (-0.6, -0.5, -0.25, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
        exact = [renyi_bound(width, alpha, offset) for alpha in orders]
        assert np.all(np.diff(exact) < 0)
        assert exact[2] > sleep_evidence() > exact[3]
        closed = [float(SLEEP.log_evidence - vi.renyi(q, SLEEP.posterior, alpha)) for alpha in orders]
        np.testing.assert_allclose(closed, exact, atol=1e-7)


def test_the_dice_enumeration_agrees_with_the_multinomial_sum():
    draws = np.array(list(product(range(3), repeat=3)))
    listed = np.prod(Q[draws], axis=1) @ np.log((FIVE / Q)[draws].mean(axis=1))
    assert iw_on_dice(3) == pytest.approx(listed, abs=1e-12)
