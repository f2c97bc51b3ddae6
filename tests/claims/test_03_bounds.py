"""Chapter 3, tighter bounds and one from above: multinomial sums, SciPy's quadrature, NumPy."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from elbo_oracles import (
    FIVE,
    POSTERIOR,
    Q,
    X,
    cars_evidence,
    cars_precision,
    expect,
    mean_field_gap,
    sleep_evidence,
    sleep_joint,
)
from scipy import integrate, stats
from scipy.special import gammaln, logsumexp
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


@proves(
    "elbo-upper-infinite",
    oracle="E_q[w^2] by SciPy on growing intervals; smallest eigenvalue of 2 Lambda - diag(Lambda) for the cars",
    tolerance="grows tenfold for width 0.65, settles to 1e-6 for width 0.75; eigenvalue below zero",
)
def test_upper_bound_of_a_narrow_q_is_infinite():
    def mass(width, reach):  # in posterior deviations: p(z|x)^2 / q(z), up to a constant
        return integrate.quad(lambda t: np.exp(-(t**2) + t**2 / (2 * width**2)), -reach, reach, limit=200)[0]

    assert mass(0.65, 20) > 10 * mass(0.65, 10)
    assert mass(0.75, 30) == pytest.approx(mass(0.75, 15), rel=1e-6)
    narrow = vi.MeanField.from_std(SLEEP.posterior.mean, 0.65 * SLEEP.posterior.std)
    assert vi.renyi(narrow, SLEEP.posterior, -1.0) == -jnp.inf
    precision = cars_precision(5)
    assert np.linalg.eigvalsh(2 * precision - np.diag(np.diag(precision))).min() < 0


@proves(
    "elbo-upper-lies",
    oracle="the experiment again with NumPy's generator, 200 runs, on the normalized posterior",
    tolerance="at least 90% of runs below; page's median within 1.5 nats, its lower bounds within 1",
)
def test_upper_bound_lies(page):
    precision = cars_precision(5)
    half_log_det = np.linalg.slogdet(precision)[1] / 2
    rng, upper, iw = np.random.default_rng(7), [], []
    for _ in range(200):
        eps = rng.normal(size=(10_000, 6))
        step = eps / np.sqrt(np.diag(precision))
        log_p = half_log_det - 0.5 * np.einsum("ni,ij,nj->n", step, precision, step)
        log_w = log_p + 0.5 * (eps**2).sum(axis=1) - 0.5 * np.log(np.diag(precision)).sum()
        upper.append((logsumexp(2 * log_w) - np.log(10_000)) / 2)
        iw.append([logsumexp(log_w[:k]) - np.log(k) for k in (100, 10_000)])
    assert np.mean(np.array(upper) < 0) > 0.9 and page["ch3-lie-below"] >= 45
    assert page["ch3-lie-median"] == pytest.approx(-np.median(upper), abs=1.5)
    gaps = -np.mean(iw, axis=0)
    assert [page["ch3-lie-iw-100"], page["ch3-lie-iw-10000"]] == pytest.approx(list(gaps), abs=1.0)


@proves("elbo-bracket-cars", oracle="Gaussian integrals with NumPy, SciPy's marginal density", tolerance="1e-6")
def test_bracket_of_the_cars(page):
    precision, truth = cars_precision(2), cars_evidence(2)
    narrow_precision = np.diag(1 / (1.4**2 * np.diag(np.linalg.inv(precision))))  # of the widened q
    rest = 2 * precision - narrow_precision  # log of int p^2 / q, both with the same mean
    log_chi = (
        np.linalg.slogdet(precision)[1]
        - 0.5 * np.linalg.slogdet(narrow_precision)[1]
        - 0.5 * np.linalg.slogdet(rest)[1]
    )
    assert np.linalg.eigvalsh(rest).min() > 0
    assert page["ch3-cars-high"] == pytest.approx(truth + log_chi / 2, abs=1e-6)
    assert page["ch3-cars-low"] == pytest.approx(truth - mean_field_gap(precision), abs=1e-6)
    assert page["ch3-cars-low"] < truth < page["ch3-cars-high"]
    assert page["ch3-cars-width"] == pytest.approx(page["ch3-cars-high"] - page["ch3-cars-low"], abs=1e-9)
    assert page["ch3-cars-width"] > cars_evidence(2) - cars_evidence(1)


def test_the_dice_enumeration_agrees_with_the_multinomial_sum():
    draws = np.array(list(product(range(3), repeat=3)))
    listed = np.prod(Q[draws], axis=1) @ np.log((FIVE / Q)[draws].mean(axis=1))
    assert iw_on_dice(3) == pytest.approx(listed, abs=1e-12)
