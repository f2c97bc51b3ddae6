"""Proofs of chapter 2: the constant that slides out, and what the forward KL asks for."""

import numpy as np
import reverse_kl_oracles as oracle
from scipy import integrate, stats

from claims import proves
from vi_lab import MeanField, kl_quadrature, models


@proves("bioassay-evidence", oracle="SciPy dblquad of a joint written in NumPy", tolerance="1e-6 nats")
def test_evidence(page):
    evidence, _ = integrate.dblquad(
        lambda beta, alpha: np.exp(oracle.bioassay(alpha, beta)), -8, 10, -15, 65, epsabs=1e-11, epsrel=1e-7
    )
    assert abs(page["ch2-log-evidence"] - np.log(evidence)) < 1e-6
    assert page["ch2-log-evidence-text"] == f"−{-np.log(evidence):.4f}"
    assert (page["ch2-evaluations"], page["ch2-ten-dims"]) == (f"{200**2:,}", len(str(200**10)))


@proves(
    "bioassay-identity",
    oracle="trapezoid sum in NumPy of both sides, over a joint written in NumPy",
    tolerance="1e-8 nats",
)
def test_identity(page):
    kl = oracle.reverse_kl([1.0, 10.0], [0.7, 3.0])
    assert abs(page["ch2-identity-left"] - kl) < 1e-8
    assert abs(page["ch2-identity-right"] - kl) < 1e-8


@proves(
    "constant-leaves-gradient",
    oracle="central differences of the KL by trapezoid sum in NumPy",
    tolerance="1e-7 against the differences; 1e-7 between the three gradients",
)
def test_gradient_ignores_the_constant(page):
    at = np.array([1.0, 10.0, np.log(0.7), np.log(3.0)])
    ends = [[oracle.reverse_kl(v[:2], np.exp(v[2:])) for v in (at - h, at + h)] for h in 1e-4 * np.eye(4)]
    np.testing.assert_allclose(page["ch2-gradient"], np.diff(ends)[:, 0] / 2e-4, atol=1e-7)
    assert page["ch2-gradient-spread"] < 1e-7


@proves("dropped-coefficients-shift-j", oracle="log of SciPy's binomial coefficients", tolerance="1e-9 nats")
def test_coefficients(page):
    assert abs(page["ch2-shift"] - oracle.COEFFICIENTS) < 1e-9


@proves(
    "fit-reaches-best-mean-field",
    oracle="SciPy's BFGS on the KL by trapezoid sum in NumPy",
    tolerance="0.01 nats above the minimum, as the page says; 1e-6 on the fit's own KL",
)
def test_fit_is_near_the_best(page):
    kl = oracle.reverse_kl(page["ch2-fit-mean"], page["ch2-fit-std"])
    assert abs(kl - page["ch2-fit-kl"]) < 1e-6
    _, _, smallest = oracle.best(oracle.reverse_kl)
    assert smallest - 1e-6 < kl < smallest + 0.01


@proves(
    "forward-fit-matches-moments",
    oracle="SciPy's BFGS on the forward KL by trapezoid sum in NumPy, on the bioassay",
    tolerance="1e-3 of each mean and standard deviation",
)
def test_forward_fit(page):
    mean, std, _ = oracle.best(oracle.forward_kl)
    np.testing.assert_allclose(mean, page["ch2-exact-mean"], rtol=1e-3)
    np.testing.assert_allclose(std, page["ch2-exact-std"], rtol=1e-3)


@proves(
    "missed-mode-is-dear-not-infinite",
    oracle="SciPy quad of the forward KL; the second moment of the mixture in closed form",
    tolerance="1e-6 nats; above 20 nats, where a q that is zero on the other mode is charged infinity",
)
def test_missed_mode():
    target, q = models.bimodal(separation=10.0).posterior, MeanField.from_std([5.0], [1.0])
    left, right = stats.norm(-5, 1), stats.norm(5, 1)

    def log_p(z):
        return np.logaddexp(left.logpdf(z), right.logpdf(z)) - np.log(2)

    entropy, _ = integrate.quad(lambda z: -np.exp(log_p(z)) * log_p(z), -15, 15, points=[-5, 5])
    exact = np.log(2 * np.pi) / 2 + (1 + 10**2 / 2) / 2 - entropy  # E_p[(z - 5)^2] = 1 + 10^2 / 2
    assert abs(float(kl_quadrature(target, q, -15.0, 15.0, num_points=400)) - exact) < 1e-6
    assert 20 < exact < np.inf
    z = np.linspace(-8, 8, 161)
    zero_on_the_left = stats.truncnorm.logpdf(z, -5, np.inf, loc=5)  # N(5, 1) cut at zero
    assert np.mean(np.exp(log_p(z)) * (log_p(z) - zero_on_the_left)) == np.inf
