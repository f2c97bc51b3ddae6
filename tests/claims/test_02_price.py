"""Proofs of chapter 2 on the price of the reverse direction: how narrow, and how often an interval misses."""

import numpy as np
import pytest
import reverse_kl_oracles as oracle
from scipy import stats
from scipy.optimize import minimize
from zscores import LIMIT

from claims import proves


def gaussian_kl(cov_q, cov_p):
    ratio = np.linalg.solve(cov_p, cov_q)
    return (np.trace(ratio) - len(ratio) - np.linalg.slogdet(ratio)[1]) / 2


CORRELATED = np.array([[1.0, 0.9], [0.9, 1.0]])


@proves(
    "mean-field-variance-is-conditional",
    oracle="SciPy's minimizer on the determinant-and-trace form of the KL, in NumPy",
    tolerance="1e-4 on the std; 1e-8 against the closed form",
)
def test_reverse_variance(page):
    found = minimize(lambda v: gaussian_kl(np.diag(np.exp(2 * v)), CORRELATED), [0.0, 0.0])
    assert page["ch2-reverse-std"] == pytest.approx(np.exp(found.x[0]), abs=1e-4)
    assert page["ch2-reverse-std"] == pytest.approx(np.sqrt(1 - 0.9**2), abs=1e-8)


@proves(
    "both-directions-charge-the-same",
    oracle="mutual information -log(1 - 0.9^2) / 2; SciPy's minimizer on both directions in NumPy",
    tolerance="1e-6 nats",
)
def test_both_directions(page):
    toll = -np.log(1 - 0.9**2) / 2
    reverse = minimize(lambda v: gaussian_kl(np.diag(np.exp(2 * v)), CORRELATED), [0.0, 0.0]).fun
    forward = minimize(lambda v: gaussian_kl(CORRELATED, np.diag(np.exp(2 * v))), [0.1, 0.1]).fun
    shown = [page["ch2-best-kl"], page["ch2-reverse-kls"][0], page["ch2-forward-kls"][1]]
    np.testing.assert_allclose([reverse, forward, *shown], toll, atol=1e-6)
    assert page["ch2-cross-reverse"] == pytest.approx(gaussian_kl(np.eye(2), CORRELATED), abs=1e-8)


@proves(
    "mean-field-intervals-under-cover",
    oracle="SciPy's normal distribution; the correlation from NumPy's normal equations",
    tolerance="|z| < 5 at each of six correlations of 10,000 data sets (false-fail 4e-6)",
)
def test_coverage(page):
    for r, (corr, simulated, formula) in zip((0, 0.4, 0.6, 0.8, 0.9, 0.95), page["ch2-coverage"], strict=True):
        cov = np.linalg.inv(20 * np.array([[1, r], [r, 1]]) + np.eye(2) / 9)
        exact = abs(cov[0, 1]) / cov[0, 0]
        cover = 2 * stats.norm.cdf(stats.norm.ppf(0.95) * np.sqrt(1 - exact**2)) - 1
        assert corr == pytest.approx(exact, abs=1e-9)
        assert formula == pytest.approx(cover, abs=1e-4)
        assert abs(simulated - cover) < LIMIT * np.sqrt(cover * (1 - cover) / 10_000)
    assert page["ch2-coverage-09"] == pytest.approx(100 * (2 * stats.norm.cdf(1.6449 * np.sqrt(0.19)) - 1))


@proves(
    "bioassay-interval-is-short",
    oracle="trapezoid sums in NumPy of the posterior, whole and between the interval's ends",
    tolerance="0.01 percent",
)
def test_bioassay_interval(page):
    mean, std = page["ch2-fit-mean"][1], page["ch2-fit-std"][1]
    alpha = np.linspace(-8, 14, 441)
    beta = np.linspace(mean - 1.6449 * std, mean + 1.6449 * std, 1001)
    density = np.exp(oracle.bioassay(alpha[:, None], beta) - oracle.LOG_EVIDENCE)
    held = np.trapezoid(np.trapezoid(density, alpha, axis=0), beta)
    assert abs(page["ch2-bioassay-coverage"] - 100 * held) < 0.01
    assert abs(page["ch2-bioassay-ratio"] - 100 * std / oracle.STD[1]) < 0.01
    assert abs(page["ch2-bioassay-corr"] - oracle.COV[0, 1] / oracle.STD.prod()) < 1e-6
    assert held < 0.9


@proves(
    "skewed-posterior-costs-more",
    oracle="correlation and skewness by trapezoid sum in NumPy; SciPy's normal distribution",
    tolerance="0.01 percent; the best q misses the promised width by more than 5 percent, so it is not the fit's noise",
)
def test_gaussian_promise_on_the_bioassay(page):
    ratio = np.sqrt(1 - (oracle.COV[0, 1] / oracle.STD.prod()) ** 2)
    coverage = 2 * stats.norm.cdf(1.6449 * ratio) - 1
    assert abs(page["ch2-bioassay-ratio-gaussian"] - 100 * ratio) < 0.01
    assert abs(page["ch2-bioassay-coverage-gaussian"] - 100 * coverage) < 0.01
    _, std, _ = oracle.best(oracle.reverse_kl)
    assert max(page["ch2-bioassay-ratio"], 100 * std[1] / oracle.STD[1]) < 100 * ratio - 5
    assert page["ch2-bioassay-coverage"] < 100 * coverage
    assert oracle.MASS @ ((oracle.POINTS[:, 1] - oracle.MEAN[1]) / oracle.STD[1]) ** 3 > 0.5
