"""Proofs of chapter 6: prior and likelihood, draws held fixed, calibration, predictive checks, the report."""

from functools import cache

import numpy as np
import pytest
from minibook import ROOT
from scipy import optimize, stats

from claims import proves

ROWS = np.loadtxt(ROOT / "vi_lab/data/wells.csv", delimiter=",", skiprows=1)
Y, ARSENIC = ROWS[:, 0], ROWS[:, 1]
X = np.column_stack([np.ones(len(Y)), ROWS[:, 2] / 100, ARSENIC, ROWS[:, 4]])
X[:, 1:] -= X[:, 1:].mean(axis=0)


@cache
def weighted_prior(n=10):
    """Moments of the posterior of the first n households: draws of the prior, weighted by the likelihood."""
    z = np.random.default_rng(0).standard_normal((400_000, 4))
    logits = z @ X[:n].T
    log_w = (Y[:n] * logits - np.logaddexp(0, logits)).sum(axis=1)
    w = np.exp(log_w - log_w.max())
    w /= w.sum()
    mean = w @ z
    return mean, (z - mean).T @ (w[:, None] * (z - mean)), 1 / np.sum(w**2)


@cache
def all_households():
    """Mode and inverse Hessian of the posterior of all: 3,020 data make it Gaussian."""

    def loss(z):
        return -(Y @ (X @ z) - np.logaddexp(0, X @ z).sum() - z @ z / 2)

    z = optimize.minimize(loss, np.zeros(4), method="BFGS").x
    p = 1 / (1 + np.exp(-X @ z))
    return z, np.linalg.inv(X.T @ (X * (p * (1 - p))[:, None]) + np.eye(4))


def kl_to_standard(mean, cov):
    return 0.5 * (np.trace(cov) + mean @ mean - len(mean) - np.linalg.slogdet(cov)[1])


@proves(
    "diagnosis-contraction",
    oracle="10 households: 400,000 draws of the prior, weighted; all: mode and Hessian by SciPy",
    tolerance="0.06 in contraction and 0.15 nats for 10 households; 0.002 and 0.1 nats for all",
)
def test_contraction(page):
    told = {n: (kl, np.array(rest[:4])) for n, kl, *rest in page["ch6-told"]}
    mean, cov, size = weighted_prior()
    assert size > 20_000
    np.testing.assert_allclose(told[10][1], 1 - np.diag(cov), atol=0.06)
    assert told[10][0] == pytest.approx(kl_to_standard(mean, cov), abs=0.15)
    np.testing.assert_allclose(told[3020][1], 1 - np.diag(all_households()[1]), atol=2e-3)
    assert told[3020][0] == pytest.approx(kl_to_standard(*all_households()), abs=0.1)
    assert page["ch6-distance-10"] < 15 and page["ch6-distance-all"] > 98


@proves(
    "diagnosis-likelihood-is-flat",
    oracle="log likelihoods in NumPy at 20,000 other draws of the prior",
    tolerance="15 percent, the noise of the page's 1,000 draws",
)
def test_spread_of_the_likelihood(page):
    z = np.random.default_rng(2).standard_normal((20_000, 4))
    for n, shown in ((10, page["ch6-flat-10"]), (3020, page["ch6-flat-all"])):
        values = [(Y[:n] @ (X[:n] @ part.T) - np.logaddexp(0, X[:n] @ part.T).sum(axis=0)) for part in np.split(z, 20)]
        assert shown == pytest.approx(np.std(values), rel=0.15)
    assert page["ch6-flat-10"] < 10 < page["ch6-flat-all"]


@proves(
    "diagnosis-contraction-misses-a-ridge",
    oracle="sum and difference of the two coordinates are independent: two one-dimensional conjugate updates",
    tolerance="1e-6",
)
def test_a_ridge_is_half_contracted(page):
    data = np.linspace(1.2, 2.8, 8)
    precision = 1 / 2 + 8 / 0.1**2  # of the sum, whose prior variance is 2
    mean, var = data.sum() / 0.1**2 / precision, 1 / precision
    kl = 0.5 * (var / 2 + mean**2 / 2 - 1 - np.log(var / 2))
    first, second, shown = page["ch6-ridge"]
    assert first == pytest.approx(1 - (var + 2) / 4, abs=1e-6) and second == pytest.approx(first, abs=1e-9)
    assert shown == pytest.approx(kl, rel=1e-6) and first == pytest.approx(0.5, abs=1e-3)


@proves(
    "diagnosis-optimism",
    oracle="the closed form, itself checked in NumPy over 4,000 sets of draws with the exact ELBO of fresh ones",
    tolerance="5 standard errors there; the page's 8 sets within 5 of theirs and of the error of their fresh draws",
)
def test_optimism(page):
    rng, d = np.random.default_rng(1), 10
    for n, mean, error, law in page["ch6-optimism"]:
        assert law == pytest.approx((d + d * (d + 1) / 2) / (n - d - 2))
        eps = rng.standard_normal((4000, n, d))
        center = eps.mean(axis=1)
        s = np.einsum("rni,rnj->rij", eps, eps) / n - center[:, :, None] * center[:, None, :]
        inverse = np.linalg.inv(s)
        seen = (np.trace(s, axis1=1, axis2=2) + (center**2).sum(axis=1)) / 2 - d / 2
        fresh = d / 2 - 0.5 * (np.trace(inverse, axis1=1, axis2=2) + np.einsum("ri,rij,rj->r", center, inverse, center))
        gap = seen - fresh
        assert abs(gap.mean() - law) < 5 * gap.std() / 4000**0.5
        assert abs(mean - law) < 5 * (gap.std() / 8**0.5 + 0.05) and 0 < error < gap.std()


@proves(
    "diagnosis-vsbc",
    oracle="closed form 2 Phi(1.645 sqrt(1 - r^2)) - 1 and 0.9, the posterior's correlation r from its precision",
    tolerance="4 standard errors of 2,000 data sets, where those of 500 would be twice as wide",
)
def test_calibration(page):
    x = np.random.default_rng(0).multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], size=12)
    precision = x.T @ x + np.eye(2) / 9
    square = precision[0, 1] ** 2 / (precision[0, 0] * precision[1, 1])
    law = 2 * stats.norm.cdf(stats.norm.ppf(0.95) * np.sqrt(1 - square)) - 1
    shown = {name: rest for name, *rest in page["ch6-vsbc"]}
    for name, level in (("exact", 0.9), ("mean_field", law)):
        assert abs(shown[name][0] - level) < 4 * np.sqrt(level * (1 - level) / 2000), name
    assert page["ch6-vsbc-law"] == pytest.approx(100 * law, abs=0.01)
    assert abs(shown["exact"][1]) < 4.5 and shown["mean_field"][1] > 20, "a U"
    assert all(abs(asymmetry) < 5 * (1 + (name == "mean_field")) for name, (_, _, asymmetry) in shown.items())


@proves(
    "diagnosis-predictive-check",
    oracle="shares of the file in NumPy; the model's at the posterior's mode, by SciPy",
    tolerance="1e-9 for the observed share, 0.01 for the replicated; p above 0.99",
)
def test_predictive_check(page):
    low = np.quantile(ARSENIC, 0.1) >= ARSENIC
    rate = 1 / (1 + np.exp(-X[low] @ all_households()[0]))
    assert page["ch6-low-observed"] == pytest.approx(100 * Y[low].mean(), abs=1e-6)
    assert page["ch6-low-replicated"] == pytest.approx(100 * rate.mean(), abs=1.0)
    noise = np.sqrt((rate * (1 - rate)).sum()) / low.sum()
    assert rate.mean() - Y[low].mean() > 3.5 * noise
    checks = {(name, who): p for name, who, _, _, p in page["ch6-checks"]}
    assert checks["least arsenic", "q"] > 0.99


@proves(
    "diagnosis-check-is-blind-to-q",
    oracle="the spread of the replicated share is that of the coins, whichever q: binomial variance in NumPy",
    tolerance="p within 0.15 of each other and of one half; q's width moves the share by no more than the coins",
)
def test_check_is_blind_to_q(page):
    checks = {(name, who): p for name, who, _, _, p in page["ch6-checks"]}
    good, spoiled = checks["all households", "q"], checks["all households", "q, ten times too narrow"]
    assert abs(good - spoiled) < 0.15 and abs(good - 0.5) < 0.15
    mean, cov = all_households()
    rate = 1 / (1 + np.exp(-X @ mean))
    slope = X.T @ (rate * (1 - rate)) / len(Y)
    coins = (rate * (1 - rate)).sum() / len(Y) ** 2
    assert slope @ cov @ slope < 1.1 * coins, "what q adds is no more than the coins' own noise"
    assert 2 * stats.norm.cdf(0.1 * 1.645) - 1 < 0.14, "what the spoiled 90 percent intervals hold"


@proves(
    "diagnosis-report-names-both",
    oracle="the faults as they were built in: a mode that q lacks, a correlation that its family lacks",
    tolerance="these two names and no other",
)
def test_the_report_names_both(page):
    seen = {(way, family): values for way, family, *values in page["ch6-four"]}
    _, left, correlation = seen["reverse", "mean field"]
    assert left < 0.01 and abs(correlation) < 0.05
    assert sorted(page["ch6-faults"]) == ["mode-seeking", "rigid"]
