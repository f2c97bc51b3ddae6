"""Chapter 3, bounds from above: Gaussian integrals with NumPy, sums over dice, the experiments again."""

from itertools import product

import jax.numpy as jnp
import numpy as np
import pytest
from elbo_oracles import (
    FIVE,
    Q,
    X,
    cars_evidence,
    cars_precision,
    mean_field_gap,
    orthogonal_precision,
)
from scipy import integrate, stats
from scipy.special import logsumexp

import vi_lab as vi
from claims import proves

SLEEP = vi.models.conjugate_normal(X, noise_std=1.2, prior_std=2.0)


@proves(
    "elbo-upper-needs-support",
    oracle="sums over the dice, for the page's q and for 1000 random q on all three and on two of them",
    tolerance="1e-12; order strict up to 1e-12",
)
def test_upper_bound_needs_support(page):
    def bound(q, alpha):
        q, joint = q[q > 0], FIVE[q > 0]
        return np.log(q @ (joint / q) ** (1 - alpha)) / (1 - alpha)

    truth, rng = np.log(1 / 8), np.random.default_rng(1)
    assert page["ch3-cut-evidence"] == pytest.approx(truth, abs=1e-12)
    assert page["ch3-cut-upper"] == pytest.approx(bound(np.array([0.4, 0.6, 0.0]), -1), abs=1e-12)
    assert page["ch3-cut-upper"] < truth
    for q in rng.dirichlet([1, 1, 1], 1000):
        assert min(bound(q, alpha) for alpha in (-0.2, -1, -4)) >= truth - 1e-12
        cut = np.append(q[:2] / q[:2].sum(), 0.0)
        assert max(bound(cut, alpha) for alpha in (0.2, 0.9, 3)) <= truth + 1e-12


@proves(
    "elbo-upper-infinite",
    oracle="E_q[w^2] by SciPy on growing intervals; smallest eigenvalue of 2 Lambda - diag(Lambda) for the cars",
    tolerance="tenfold for width 0.65, in proportion for 1/sqrt 2, settled to 1e-6 for 0.75; eigenvalue below zero",
)
def test_upper_bound_of_a_narrow_q_is_infinite():
    def mass(width, reach):  # in posterior deviations: p(z|x)^2 / q(z), up to a constant
        return integrate.quad(lambda t: np.exp(-(t**2) + t**2 / (2 * width**2)), -reach, reach, limit=200)[0]

    assert mass(0.65, 20) > 10 * mass(0.65, 10)
    assert mass(0.5**0.5, 20) == pytest.approx(2 * mass(0.5**0.5, 10), rel=1e-6)
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


def integrand_along(direction, reach, cov, q_std):
    """log p^2 / q at `reach` times the direction, by SciPy's densities."""
    z, p = reach * direction, stats.multivariate_normal(np.zeros(len(cov)), cov)
    return 2 * p.logpdf(z) - stats.norm(0, q_std).logpdf(z).sum()


@proves(
    "elbo-marginal-width-is-not-enough",
    oracle="p^2 / q by SciPy's densities, along the last eigenvector of the posterior's correlations",
    tolerance="eigenvalue beyond 2 by 0.1; rises for the marginal deviations, falls for 1.4 of them",
)
def test_marginal_width_is_not_enough():
    cov = np.linalg.inv(cars_precision(5))
    std = np.sqrt(np.diag(cov))
    eigenvalues, vectors = np.linalg.eigh(cov / np.outer(std, std))  # 2 Lambda > Lambda_q: all below 2
    assert 2.1 < eigenvalues[-1] < 2 * 1.4**2
    for widen, sign in ((1.0, 1), (1.4, -1)):
        values = [integrand_along(std * vectors[:, -1], reach, cov, widen * std) for reach in (0, 20, 40)]
        assert np.all(sign * np.diff(values) > 1)
        assert np.isfinite(
            vi.renyi(vi.MeanField.from_std(np.zeros(6), widen * std), vi.FullRank.from_cov(np.zeros(6), cov), -1.0)
        ) == (sign < 0)


@proves(
    "elbo-finite-upper-lies",
    oracle="(e^400 + 3) / 4 for E_q[w^2], 10,000 draws by NumPy; all draws of the dice for the bias",
    tolerance="true bound 1e-8, estimates 1e-10; order strict",
)
def test_a_finite_upper_bound_lies_too(page):
    exact = (np.logaddexp(400, np.log(3)) - np.log(4)) / 2  # cross terms 2, own mode 1, the missed mode e^(20^2)
    assert page["ch3-blind-upper"] == pytest.approx(exact, abs=1e-8)
    z = np.random.default_rng(5).normal(10, 1, 10_000)
    log_w = np.logaddexp(stats.norm(-10, 1).logpdf(z), stats.norm(10, 1).logpdf(z)) - np.log(2)
    log_w -= stats.norm(10, 1).logpdf(z)
    estimate = (logsumexp(2 * log_w) - np.log(10_000)) / 2
    assert estimate == pytest.approx(page["ch3-blind-elbo"], abs=1e-10)
    for num_draws in (1, 2, 5):
        draws = np.array(list(product(range(3), repeat=num_draws)))
        squares = ((FIVE / Q) ** 2)[draws].mean(axis=1)
        assert np.prod(Q[draws], axis=1) @ np.log(squares) / 2 < np.log(FIVE**2 @ (1 / Q)) / 2


def bracket(degree, precision):
    """The ELBO of the best mean-field q; log E_q[w^2] / 2 of one with 1.4 times the marginal deviations."""
    wide = np.diag(1 / (1.4**2 * np.diag(np.linalg.inv(precision))))
    rest = 2 * precision - wide  # the precision of p^2 / q, both with the same mean
    assert np.linalg.eigvalsh(rest).min() > 0
    log_det = [np.linalg.slogdet(matrix)[1] for matrix in (precision, wide, rest)]
    truth = cars_evidence(degree)
    return truth - mean_field_gap(precision), truth + np.dot([1, -0.5, -0.5], log_det) / 2


@proves("elbo-bracket-cars", oracle="Gaussian integrals with NumPy, SciPy's marginal density", tolerance="1e-6")
def test_brackets_of_the_cars(page):
    (low_1, high_1), (low_2, high_2) = (bracket(d, cars_precision(d)) for d in (1, 2))
    on_page = [page[f"ch3-cars-{side}-{d}"] for d in (1, 2) for side in ("low", "high")]
    assert on_page == pytest.approx([low_1, high_1, low_2, high_2], abs=1e-6)
    assert low_1 < cars_evidence(1) < high_1 and low_2 < cars_evidence(2) < high_2
    assert low_2 < high_1 and low_1 < high_2


@proves("elbo-brackets-part", oracle="the same, in the coordinates of NumPy's QR", tolerance="1e-6")
def test_brackets_part_in_orthogonal_coordinates(page):
    (_, high_1), (low_2, _) = (bracket(d, orthogonal_precision(d)) for d in (1, 2))
    assert page["ch3-cars-apart"] == pytest.approx(low_2 - high_1, abs=1e-6)
    assert low_2 > high_1
