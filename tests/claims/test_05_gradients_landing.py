"""Proofs of chapter 5: sticking the landing, and the signal of the importance-weighted bound."""

import numpy as np
import pytest
from scipy import integrate, stats

from claims import proves

RATIOS = np.array([0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0])
KS = (1, 8, 64)


@proves(
    "landing-has-no-noise-at-the-posterior",
    oracle="closed form (1 - r)^2 / r^2 at r = 1",
    tolerance="1e-12, in both parameters",
)
def test_zero_at_the_posterior(page):
    in_mean, in_log_std = page["ch5-landing"]
    assert in_mean[4] < 1e-12 and in_log_std[4] < 1e-12


@proves(
    "landing-crosses-at-one-half",
    oracle="closed form (1 - r)^2 / r^2",
    tolerance="1e-6: with equal means both estimators are multiples of one draw",
)
def test_crossover(page):
    law = ((1 - RATIOS) / RATIOS) ** 2
    np.testing.assert_allclose(page["ch5-landing"][0], law, atol=1e-6)
    np.testing.assert_allclose(page["ch5-landing"][1], law, atol=1e-6)
    assert page["ch5-landing-narrow"] == pytest.approx(16)
    assert law[2] == 1 and np.all(law[:2] > 1) and np.all(law[3:] < 1)


@proves(
    "landing-with-offset-means",
    oracle="variances of both estimators by SciPy quadrature over the draw, and the closed form",
    tolerance="1e-6 between the two; 10 percent of the page's ratio from 10,000 draws",
)
def test_offset_means(page):
    def variance(values):
        first, second = (
            integrate.quad(lambda e, k=k: values(e) ** k * stats.norm.pdf(e), -12, 12, limit=200)[0] for k in (1, 2)
        )
        return second - first**2

    exact = []
    for r in RATIOS:
        s, v, delta = np.sqrt(r), 1.0, 1.0  # posterior variance 1, means one standard deviation apart
        stuck = variance(lambda e, s=s, v=v, delta=delta: s * e * (-(delta + s * e) / v + e / s))
        plain = variance(lambda e, s=s, v=v, delta=delta: s * e * (-(delta + s * e) / v) + 1)
        exact.append(stuck / plain)
    np.testing.assert_allclose(exact, (RATIOS + 2 * (1 - RATIOS) ** 2) / (RATIOS + 2 * RATIOS**2), rtol=1e-6)
    assert exact[2] == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(page["ch5-landing-off"][1], exact, rtol=0.1)
    assert page["ch5-landing-off-one"] == pytest.approx(1 / 3, rel=0.1)
    np.testing.assert_allclose(page["ch5-landing-off"][0], ((1 - RATIOS) / RATIOS) ** 2, atol=1e-6)


def signal(width: float, num_weights: int, doubly: bool, repeats: int = 20_000) -> float:
    """Mean over standard deviation of the slope in the mean, in NumPy; posterior N(0, 1), q = N(-0.5, width^2).

    Both estimators have one mean, which the doubly reparameterized one shows with the lesser noise.
    """
    e = np.random.default_rng(num_weights).standard_normal((repeats, num_weights))
    z = -0.5 + width * e
    log_w = -0.5 * z**2 + 0.5 * e**2
    share = np.exp(log_w - log_w.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    quiet, plain = (share**2 * (-z + e / width)).sum(axis=1), (share * -z).sum(axis=1)
    return abs(quiet.mean()) / (quiet if doubly else plain).std()


def shown_as_simulated(shown, width, doubly, slack):
    for k, value in zip(KS, shown, strict=True):
        assert value == pytest.approx(signal(width, k, doubly), rel=slack), (width, k)


@proves(
    "weighted-signal-falls-and-rises",
    oracle="both estimators written in NumPy, 20,000 runs for each K",
    tolerance="10 percent of each ratio (7 standard errors of its 10,000 runs); the order strict",
)
def test_signal(page):
    plain, doubly = page["ch5-snr-plain-wide"], page["ch5-snr-doubly-wide"]
    shown_as_simulated(plain, 1.4, False, 0.1)
    shown_as_simulated(doubly, 1.4, True, 0.1)
    assert plain[0] > 3 * plain[1] > 4 * plain[2]
    assert doubly[2] > 2 * doubly[1] > 2 * doubly[0]


@proves(
    "narrow-q-defeats-the-cure",
    oracle="both estimators in NumPy; the integrands of E_q[w^2] and E_q[w^4], of which the latter grows without end",
    tolerance="15 percent of each ratio (heavy tails); the order strict",
)
def test_narrow(page):
    plain, doubly = page["ch5-snr-plain-narrow"], page["ch5-snr-doubly-narrow"]
    shown_as_simulated(plain, 0.75, False, 0.15)
    shown_as_simulated(doubly, 0.75, True, 0.15)
    assert doubly[2] < 0.8 * doubly[0] and plain[2] < plain[0]

    def outward(width, power):  # does q w^power grow from 10 to 20 standard deviations?
        far = np.array([10.0, 20.0])
        p, q = stats.norm.logpdf(far), stats.norm(-0.5, width).logpdf(far)
        return np.diff(q + power * (p - q))[0] > 0

    assert not outward(0.75, 2) and outward(0.75, 4), "a variance, and no fourth moment"
    border = np.sqrt(3 / 4)
    assert outward(0.97 * border, 4) and not outward(1.03 * border, 4)
