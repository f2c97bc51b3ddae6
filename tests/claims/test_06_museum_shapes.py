"""Proofs of the museum's second and third room: mixtures, curves and tails, by SciPy and by sums over a grid."""

import numpy as np
import pytest
from museum_oracles import on_grid
from scipy import integrate, stats

from claims import proves
from vi_lab import museum

SCHOOLS = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
ERRORS = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])


def seen(page, name):
    return np.array(page[f"ch6museum-{name}-mean"]), np.array(page[f"ch6museum-{name}-std"])


def assert_standard(page, name):
    mean, std = seen(page, name)
    np.testing.assert_allclose(mean, 0, atol=0.02)
    np.testing.assert_allclose(std, 1, atol=0.02)


@proves(
    "museum-flat-weights",
    oracle="a truncated normal and its probability, by SciPy",
    tolerance="1e-12 nats at every draw",
)
def test_part_of_a_posterior_has_flat_weights():
    low, high, evidence = -0.3, 1.1, np.log(0.07)
    z = np.linspace(low + 1e-6, high - 1e-6, 101)
    log_w = evidence + stats.norm.logpdf(z) - stats.truncnorm.logpdf(z, low, high)
    np.testing.assert_allclose(log_w, evidence + np.log(stats.norm.cdf(high) - stats.norm.cdf(low)), rtol=0, atol=1e-12)


@proves("museum-minor-mode", oracle="the weights of the two modes: log 0.95 - log 0.05", tolerance="1e-5 nats")
def test_minor_mode(page):
    assert_standard(page, "minor-mode")
    assert page["ch6museum-minor-mode-elbo"] == pytest.approx(np.log(0.05), abs=1e-5)
    assert page["ch6museum-minor-mode-gain"] == pytest.approx(np.log(0.95 / 0.05), abs=1e-5)
    assert page["ch6museum-minor-mode-each"] < 1e-4


@proves(
    "museum-half",
    oracle="half of a mixture whose other half is 8 sqrt 2 away, by NumPy",
    tolerance="1e-6 nats in ELBO and weights",
)
def test_half_of_two_modes(page):
    assert_standard(page, "one-of-two-modes")
    assert page["ch6museum-one-of-two-modes-elbo"] == pytest.approx(-np.log(2), abs=1e-6)
    z = np.random.default_rng(0).standard_normal((4000, 2))
    other = np.exp(-((z - 8) ** 2).sum(axis=1) / 2 + (z**2).sum(axis=1) / 2)
    assert np.log1p(other).max() < 1e-6 and 11 < np.hypot(8, 8) < 11.5


@proves("museum-far", oracle="the mixture's log density written in NumPy", tolerance="1e-9 nats")
def test_far_mode(page):
    assert_standard(page, "far-mode")
    expected = np.log(0.5) - np.log(2 * np.pi)
    np.testing.assert_allclose(page["ch6museum-far-mode-joint"], expected, atol=1e-9)
    assert page["ch6museum-far-mode-elbo"] == pytest.approx(-np.log(2), abs=1e-9)


@proves(
    "museum-both-on-one",
    oracle="the ELBO of one mode of two, log 1/2, and the distance of the modes",
    tolerance="1e-5 nats",
)
def test_both_components_on_one_mode(page):
    assert_standard(page, "both-on-one")
    assert page["ch6museum-both-on-one-elbo"] == pytest.approx(-np.log(2), abs=1e-5)
    assert page["ch6museum-both-on-one-apart"] < 0.5


@proves(
    "museum-nowhere",
    oracle="moments of 0.4 N(0, I) + 0.6 N((6, 6), I) in closed form; its log evidence is 0",
    tolerance="1e-5 nats, 1e-3 in mean and width",
)
def test_two_components_on_two_modes(page):
    mean, std = seen(page, "two-modes-mixture")
    assert page["ch6museum-two-modes-mixture-elbo"] == pytest.approx(0, abs=1e-5)
    np.testing.assert_allclose(mean, 0.6 * 6, atol=1e-3)
    np.testing.assert_allclose(std, np.sqrt(1 + 0.4 * 0.6 * 36), atol=1e-3)


@proves(
    "museum-banana",
    oracle="the banana's moments and its mean-field optimum, both in closed form",
    tolerance="2 percent of the share, 5 percent of the optimum's widths",
)
def test_banana(page):
    model = museum.exhibit("banana").model
    curvature, std = (
        float(museum_part) for museum_part in (model.posterior.curvature, np.exp(model.posterior.log_std[0]))
    )
    first, second = seen(page, "banana")[1]
    widths = np.array([std, np.sqrt(1 + 2 * (curvature * std**2) ** 2)])
    assert page["ch6museum-banana-narrow"] == pytest.approx(100 * min(first / widths[0], second / widths[1]), rel=0.02)
    # For z_1 ~ N(0, s^2) the ELBO is stationary at 4 c^2 s^4 + s^2 / std^2 = 1, z_2 with mean c (s^2 - std^2).
    square = (-1 / std**2 + np.sqrt(1 / std**4 + 16 * curvature**2)) / (8 * curvature**2)
    assert first == pytest.approx(np.sqrt(square), rel=0.05) and second == pytest.approx(1, rel=0.05)
    assert seen(page, "banana")[0][1] == pytest.approx(curvature * (square - std**2), abs=0.1)
    assert page["ch6museum-banana-narrow"] < 50
    # Along the bend log w = -log q - z_1^2 / 8, and z_2 goes as z_1^2: P_q(w > t) ~ 1 / t, that is k = 1.
    assert page["ch6museum-banana-k"] < 0.7 < page["ch6museum-banana-khats"] < 1
    assert 0.3 < page["ch6museum-banana-each"] < 3


@proves(
    "museum-heavy-tails",
    oracle="the density of Student's t integrated by SciPy; a Gaussian tail",
    tolerance="1 percent of the ratio",
)
def test_heavy_tails(page):
    mean, std = (float(side[0]) for side in seen(page, "heavy-tails"))
    tail, _ = integrate.quad(lambda z: 2 / (np.pi * np.sqrt(3) * (1 + z * z / 3) ** 2), 6, np.inf)
    gaussian, _ = integrate.quad(lambda z: np.exp(-((z - mean) ** 2) / (2 * std**2)) / np.sqrt(2 * np.pi) / std, 6, 40)
    assert page["ch6museum-heavy-tails-beyond"] == pytest.approx(tail / gaussian, rel=0.01)
    assert tail / gaussian > 100
    rng, rho = np.random.default_rng(0), page["ch6museum-heavy-tails-each"]
    z = rng.standard_normal((100_000, 2)) * np.sqrt(1 - rho**2)  # the mean-field optimum of correlation rho
    log_p = stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]]).logpdf(z)
    log_q = stats.norm.logpdf(z, 0, np.sqrt(1 - rho**2)).sum(axis=1)
    assert np.std(log_p - log_q) == pytest.approx(rho, rel=0.03)
    assert page["ch6museum-heavy-tails-k"] > 1 > 2 * rho


@proves(
    "museum-banana-flow",
    oracle="KL(q || p) by a sum over a grid, the banana's density written in NumPy",
    tolerance="0.003 nats",
)
def test_a_flow_fits_the_banana(page):
    q = museum.exhibit("banana-flow").q
    axis = np.linspace(-7, 7, 281), np.linspace(-6, 14, 401)
    z = np.stack(np.meshgrid(*axis, indexing="ij"), axis=-1).reshape(-1, 2)
    log_q = np.asarray(q.log_prob(z))
    log_p = stats.norm.logpdf(z[:, 0]) + stats.norm.logpdf(z[:, 1] - 0.5 * (z[:, 0] ** 2 - 1))
    cell = (axis[0][1] - axis[0][0]) * (axis[1][1] - axis[1][0])
    kl = cell * np.sum(np.exp(log_q) * (log_q - log_p))
    assert cell * np.exp(log_q).sum() == pytest.approx(1, abs=1e-3)
    assert 0 <= kl < 0.003 and abs(page["ch6museum-banana-flow-elbo"] + kl) < 0.003
    assert page["ch6museum-banana-flow-each"] < 0.1


@proves(
    "museum-schools",
    oracle="the density of log tau by SciPy, mu and the effects integrated out as Gaussians",
    tolerance="1 percent of the width",
)
def test_schools(page):
    log_tau = np.linspace(-12, 7, 1901)
    log_p = []
    for tau in np.exp(log_tau):
        cov = np.diag(ERRORS**2 + tau**2) + 25
        prior = stats.halfcauchy(0, 5).logpdf(tau) + np.log(tau)
        log_p.append(prior + stats.multivariate_normal(np.zeros(8), cov).logpdf(SCHOOLS))
    p = np.exp(log_p - np.max(log_p))
    mean = p @ log_tau / p.sum()
    std = np.sqrt(p @ (log_tau - mean) ** 2 / p.sum())
    assert page["ch6museum-schools-tau-p"] == pytest.approx(std, rel=0.01)
    assert page["ch6museum-schools-tau-q"] < 0.5 * std and page["ch6museum-schools-full-rank-k"] > 0.7


@proves(
    "museum-labels",
    oracle="posterior means by a sum over a grid, the likelihood written in SciPy",
    tolerance="1e-6 between the two means, 0.01 in their value",
)
def test_labels(page):
    heights = np.asarray(museum.exhibit("label-switching").model.log_likelihood.args[0])

    def log_joint(a, b):
        parts = [np.logaddexp(stats.norm.logpdf(y, a, 0.5), stats.norm.logpdf(y, b, 0.5)) - np.log(2) for y in heights]
        return sum(parts) + stats.norm.logpdf(a, 0, 3) + stats.norm.logpdf(b, 0, 3)

    axis = np.linspace(-6, 6, 301)
    evidence, mean, _ = on_grid(log_joint, axis, axis)
    assert mean[0] == pytest.approx(mean[1], abs=1e-6)
    assert page["ch6museum-label-mean"] == pytest.approx(mean[0], abs=0.01)
    assert page["ch6museum-label-switching-elbo"] == pytest.approx(evidence - np.log(2), abs=1e-3)
