"""Proofs of chapter 4 on richer Gaussians and mixtures: what each leaves of the KL."""

import geometry_oracles as oracle
import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

from claims import proves

CHAIN = 0.8 ** np.abs(np.subtract.outer(np.arange(8), np.arange(8)))
PRECISION = np.linalg.inv(CHAIN)


def chain_kl(cov):
    """KL(N(0, cov) || N(0, CHAIN)) and its derivative in cov."""
    value = 0.5 * (np.trace(PRECISION @ cov) - 8 + np.linalg.slogdet(CHAIN)[1] - np.linalg.slogdet(cov)[1])
    return value, 0.5 * (PRECISION - np.linalg.inv(cov))


@proves(
    "geometry-mean-field-gap",
    oracle="closed form by NumPy's slogdet; the trace formula of the Gaussian KL",
    tolerance="1e-8 nats; the derivative in each variance vanishes",
)
def test_mean_field_gap(page):
    variances = 1 / np.diag(PRECISION)
    value, slope = chain_kl(np.diag(variances))
    gap = 0.5 * (np.log(np.diag(PRECISION)).sum() - np.linalg.slogdet(PRECISION)[1])
    assert np.abs(np.diag(slope)).max() < 1e-9
    assert page["ch4-chain-mf"] == pytest.approx(value, abs=1e-8) == pytest.approx(gap, abs=1e-8)
    assert page["ch4-chain-mf-std"] == pytest.approx(np.sqrt(variances.min()), abs=1e-8)
    assert abs(page["ch4-chain"][-1]) < 1e-9


def low_rank_best(rank):
    """The least KL over F F^T + D by SciPy's BFGS from ten starts."""

    def loss(v):
        factor, d = v[: 8 * rank].reshape(8, rank), np.exp(2 * v[8 * rank :])
        value, slope = chain_kl(factor @ factor.T + np.diag(d))
        return value, np.append((2 * slope @ factor).ravel(), 2 * np.diag(slope) * d)

    rng = np.random.default_rng(rank)
    starts = (np.append(0.5 * rng.standard_normal(8 * rank), np.full(8, -0.7)) for _ in range(10))
    return min(minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-9}).fun for start in starts)


@proves(
    "geometry-low-rank-ladder", oracle="SciPy's BFGS with a slope by hand, best of ten starts", tolerance="1e-5 nats"
)
def test_low_rank(page):
    assert page["ch4-chain-r2"] == pytest.approx(low_rank_best(2), abs=1e-5)
    assert page["ch4-chain-r2"] < low_rank_best(1) < page["ch4-chain-mf"]


@proves(
    "geometry-strata-variance",
    oracle="the variances of both estimators by SciPy quad",
    tolerance="12 percent: 5 standard errors of a variance from 4,000 nearly normal repetitions",
)
def test_strata(page):
    def log_w(z):
        log_q = np.logaddexp(stats.norm.logpdf(z, -3, 1.1), stats.norm.logpdf(z, 3, 1.1)) - np.log(2)
        return oracle.log_p(z, 6.0, 0.7) - log_q

    def moments(center):
        first, second = (
            oracle.quad(lambda z, k=k: stats.norm.pdf(z, center, 1.1) * log_w(z) ** k, -8, -3, 0, 3, 8) for k in (1, 2)
        )
        return first, second

    (left, left2), (right, right2) = moments(-3), moments(3)
    labels = ((left2 + right2) / 2 - ((left + right) / 2) ** 2) / 8
    strata = 0.25 * (left2 - left**2 + right2 - right**2) / 4
    assert page["ch4-var-labels"] == pytest.approx(labels, rel=0.12)
    assert page["ch4-var-strata"] == pytest.approx(strata, rel=0.12)
    assert page["ch4-var-strata"] < page["ch4-var-labels"] / 5


@proves(
    "geometry-mixture-covers",
    oracle="SciPy quad of KL(q || p) for the mixture on the page",
    tolerance="5e-5 nats; weights to 0.02, means and stds to 0.05",
)
def test_mixture(page):
    parts = page["ch4-mixture"]
    log_q = lambda z: np.logaddexp(*(np.log(w) + stats.norm.logpdf(z, m, s) for w, m, s in parts))  # noqa: E731
    gap = oracle.quad(lambda z: np.exp(log_q(z)) * (log_q(z) - oracle.log_p(z, 6.0, 0.7)))
    assert gap < 5e-5 and page["ch4-mixture-kl"] == pytest.approx(gap, abs=1e-6)
    np.testing.assert_allclose([w for w, _, _ in parts], [0.7, 0.3], atol=0.02)
    np.testing.assert_allclose([v[1:] for v in parts], [[-3, 1], [3, 1]], atol=0.05)


@proves(
    "geometry-banana-gaussian",
    oracle="SciPy's BFGS on Gauss-Hermite sums, exact for the quartic log density",
    tolerance="0.03 nats: 5 standard errors of the page's 50,000 draws, and the noise of the fit",
)
def test_gaussian_on_the_banana(page):
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    eps = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 2)
    weights = np.outer(weights, weights).ravel() / (2 * np.pi)

    def kl(v):
        factor = np.array([[np.exp(v[2]), 0], [v[3], np.exp(v[4])]])
        x, y = (v[:2] + eps @ factor.T).T
        log_p = stats.norm.logpdf(x, 0, 2) + stats.norm.logpdf(y, 0.5 * (x**2 - 4), 1)
        return -np.log(2 * np.pi) - 1 - v[2] - v[4] - weights @ log_p

    starts = [0.0, 0, 0, 0, 0], [1.0, -1, 0, 0.5, 0]
    found = min((minimize(kl, start, method="BFGS") for start in starts), key=lambda end: end.fun)
    assert abs(found.x[3]) < 1e-3, "no correlation: full rank is no better than mean field"
    assert page["ch4-banana-full"] == pytest.approx(found.fun, abs=0.03)
