"""Proofs of chapter 1 on the trap: what comes out when an estimate of the divergence is differentiated."""

import jax
import numpy as np
import pytest
from kl_oracles import TERMS, integral
from scipy import stats
from scipy.optimize import approx_fprime, minimize
from scipy.special import logsumexp
from zscores import LIMIT, assert_mean

from claims import proves
from vi_lab import MeanField, models

EXACT = {"k1": (1.0, 1.25), "k3": (1 / 2.25, 1 - 2 / 2.25)}  # slopes at N(1, 1.5): of KL(q || p), of KL(p || q)
Z = np.linspace(-40, 40, 40001)


def draw_slopes(key, q, p, name, moving, num_samples=200_000):
    """The derivative of one term, draw by draw: shape (num_samples, 2), in mean and log std."""

    def term(q, eps, z):
        z = q.transform(eps) if moving else z
        return TERMS[name](p.log_prob(z) - q.log_prob(z))

    eps = jax.random.normal(key, (num_samples, 1))
    slopes = jax.vmap(jax.grad(term), (None, 0, 0))(q, eps, q.transform(eps))
    return np.concatenate([slopes.mean, slopes.log_std], axis=1)


def mixture_log_prob(z):
    return logsumexp([stats.norm(-3).logpdf(z), stats.norm(3).logpdf(z)], axis=0) - np.log(2)


def mixture_kl(v, forward=False):
    """KL(q || p), or KL(p || q), of N(mean, exp(log std)^2) and the bimodal target, by trapezoid sum."""
    log_q, log_p = stats.norm(v[0], np.exp(v[1])).logpdf(Z), mixture_log_prob(Z)
    tax = np.exp(log_p) * (log_p - log_q) if forward else np.exp(log_q) * (log_q - log_p)
    return np.trapezoid(tax, Z)


@proves(
    "trap-gradients",
    oracle="slopes of both directions by hand for Gaussians, by differences of trapezoid sums for the bimodal target",
    tolerance="|z| < 5 a coordinate (false-fail 6e-7), here and for the numbers of the page",
)
@pytest.mark.parametrize("name", TERMS)
def test_trap_gradients(page, key, name):
    q, p = MeanField.from_std([1.0], [1.5]), MeanField.standard(1)
    expected = {"k1": (0.0, 0.0), "k2": EXACT["k1"], "k3": EXACT["k3"]}[name]
    slopes = draw_slopes(key, q, p, name, moving=False)
    assert_mean(slopes, expected, f"slope of {name}, draws fixed")
    printed = [page[f"ch1-slope-{name}-mean"], page[f"ch1-slope-{name}-log-std"]]
    assert np.all(np.abs(np.subtract(printed, expected)) < LIMIT * slopes.std(axis=0) / np.sqrt(200_000))
    far, target = np.array([2.0, np.log(2.0)]), models.bimodal(separation=6.0).posterior
    exact = {
        "k1": np.zeros(2),
        "k2": approx_fprime(far, mixture_kl, 1e-6),
        "k3": approx_fprime(far, lambda v: mixture_kl(v, forward=True), 1e-6),
    }[name]
    slopes = draw_slopes(key, MeanField(far[:1], far[1:]), target, name, moving=False)
    assert_mean(slopes, exact, f"slope of {name} far from p, draws fixed")


@proves(
    "trap-descent",
    oracle="SciPy's BFGS on the reverse KL by trapezoid sum; the moments (0, sqrt 10) of the mixture; a random walk",
    tolerance="k2 to 0.1, k3 to 0.4; k1 within 5 standard deviations of a walk of 2000 steps from the start",
)
def test_trap_descent(page):
    ends = {name: (page[f"ch1-end-{name}-mean"], page[f"ch1-end-{name}-std"]) for name in TERMS}
    best = minimize(mixture_kl, [2.0, np.log(2.0)], method="BFGS").x
    assert np.allclose(ends["k2"], (best[0], np.exp(best[1])), atol=0.1)
    assert np.allclose(ends["k3"], (0, np.sqrt(10)), atol=0.4)
    walk = 0.1 * np.sqrt(2000 / 500) * np.array([1 / 2, np.sqrt(2)])  # scores of N(2, 4) in mean and log std
    moved = np.abs([ends["k1"][0] - 2, np.log(ends["k1"][1] / 2)])
    assert np.all(moved < LIMIT * walk) and ends["k2"][1] < ends["k1"][1] < ends["k3"][1]


@proves(
    "moving-draws",
    oracle="slopes of KL(q || p) by hand; for k2 differences of trapezoid sums of its expectation",
    tolerance="|z| < 5 a coordinate (false-fail 6e-7), here and for the numbers of the page",
)
@pytest.mark.parametrize("name", TERMS)
def test_moving_draws(page, key, name):
    def expectation(v):
        q = stats.norm(v[0], np.exp(v[1]))
        return np.trapezoid(q.pdf(Z) * (stats.norm.logpdf(Z) - q.logpdf(Z)) ** 2 / 2, Z)

    exact = approx_fprime([1.0, np.log(1.5)], expectation, 1e-6) if name == "k2" else EXACT["k1"]
    slopes = draw_slopes(key, MeanField.from_std([1.0], [1.5]), MeanField.standard(1), name, moving=True)
    assert_mean(slopes, exact, f"slope of {name}, draws moving")
    printed = [page[f"ch1-moving-{name}-mean"], page[f"ch1-moving-{name}-log-std"]]
    assert np.all(np.abs(np.subtract(printed, exact)) < LIMIT * slopes.std(axis=0) / np.sqrt(200_000))
    assert integral(stats.norm(1, 1.5), stats.norm()) == pytest.approx((1.25 + 1) / 2 - np.log(1.5), abs=1e-8)
