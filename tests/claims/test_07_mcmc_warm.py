"""Proofs of chapter 7's first page, warm starts: chains and R-hat written in NumPy."""

import math

import numpy as np
import pytest
from mcmc_oracles import hmc, laplace, split_rhat, wells_hmc
from scipy.stats import chi2, f

from claims import proves


@proves(
    "mcmc-same-iterations",
    oracle="HMC in NumPy from prior and posterior with the same random numbers: two starts, one chain",
    tolerance="1e-6 posterior standard deviations after 150 iterations",
)
def test_two_starts_become_one_chain(page):
    mean, precision, _ = laplace()
    factor = np.linalg.cholesky(np.linalg.inv(precision))
    starts = np.random.default_rng(0).standard_normal((2, 4, 5)) * np.array([2.5, 1])[:, None, None]
    starts[1] = mean + starts[1] @ factor.T
    ends = [wells_hmc(s, np.random.default_rng(1), 0.7, 3, 150, factor)[1][-1] for s in starts]
    assert np.abs(np.linalg.solve(factor, (ends[0] - ends[1]).T)).max() < 1e-6
    assert [page[f"ch7-saved-{name}"] for name in ("bio", "scaled", "raw")] == [0, 0, 0]
    assert min(page[f"ch7-within-400-{name}"] for name in ("bio", "scaled", "raw")) >= 1
    assert page["ch7-burn-bio"] <= 3 and page["ch7-burn-scaled"] < 10 < page["ch7-burn-raw"] < 60


@proves(
    "mcmc-rhat-floor",
    oracle="SciPy's F distribution, which B/W follows for independent normal draws",
    tolerance="8 percent of the page's standard deviation (2,000 replications), 2 percent of the formula",
)
@pytest.mark.parametrize("chains", [4, 8])
def test_rhat_of_independent_draws_scatters(page, chains):
    n, halves = 50, 2 * chains
    exact = f.std(halves - 1, halves * (n - 1)) / n
    assert np.sqrt(2 / (halves - 1)) / n == pytest.approx(exact, rel=0.02)
    assert f.mean(halves - 1, halves * (n - 1)) / n + (n - 1) / n == pytest.approx(1, abs=1e-3)
    if chains == 4:
        assert page["ch7-rhat-scatter"] == pytest.approx(exact, rel=0.08)


@proves(
    "mcmc-rhat-correlated",
    oracle="R-hat in NumPy of first-order autoregressions, whose effective number is a finite sum in closed form",
    tolerance="0.006 where 1/n is 0.02: 5 standard errors of 4,000 replications and 0.003 for the approximation",
)
def test_rhat_of_correlated_draws():
    rho, n, rng = 0.5, 50, np.random.default_rng(0)
    lags = np.arange(1, n)
    effective = n / (1 + 2 * ((1 - lags / n) * rho**lags).sum())
    chains = np.empty((4000, 8, n))
    chains[..., 0] = rng.standard_normal((4000, 8))
    for t in lags:
        chains[..., t] = rho * chains[..., t - 1] + np.sqrt(1 - rho**2) * rng.standard_normal((4000, 8))
    W, B_over_n = chains.var(axis=2, ddof=1).mean(axis=1), chains.mean(axis=2).var(axis=1, ddof=1)
    squares = (n - 1) / n + B_over_n / W
    error = squares.std() / np.sqrt(4000)
    assert error < 6e-4 and abs(squares.mean() - (1 + 1 / effective - 1 / n)) < 5 * error + 0.003


@proves(
    "mcmc-warm-start-gains-when-squeezed",
    oracle="HMC in NumPy with the identity as mass, from the prior and from Laplace's approximation",
    tolerance="the order: from the prior more than ten iterations and R-hat above 1.1, from q one and below 1.1",
)
def test_a_warm_start_gains_where_the_metric_is_bad(page):
    mean, precision, top = laplace()
    rng = np.random.default_rng(2)
    warm = rng.multivariate_normal(mean, np.linalg.inv(precision), 4)
    step = np.linalg.eigvalsh(precision)[-1] ** -0.5
    down = {}
    for name, starts in (("cold", 2.5 * rng.standard_normal((4, 5))), ("warm", warm)):
        lows, _ = wells_hmc(starts, rng, step, 60, 60, np.eye(5))
        down[name] = np.median((lows > top - 15).argmax(axis=0) + np.where((lows > top - 15).any(axis=0), 1, 100))
    assert down["warm"] <= 2 and down["cold"] > 10
    assert page["ch7-burn-stiff"] > 10 and page["ch7-burn-stiff"] > page["ch7-burn-raw"]
    assert page["ch7-stiff-rhat-warm"] < 1.1 < page["ch7-stiff-rhat-cold"]
    assert page["ch7-raw-gradients"] < 10 and float(page["ch7-stiff-gradients"]) >= 100
    assert 2 * page["ch7-burn-raw"] / 3 < page["ch7-burn-raw-text"] < 1.5 * page["ch7-burn-raw"]
    assert 2 * page["ch7-burn-stiff"] / 3 < page["ch7-burn-stiff-text"] < 1.5 * page["ch7-burn-stiff"]


def bimodal_hmc(starts):
    def log_joint(z):
        return np.logaddexp(-0.5 * (z[:, 0] - 6) ** 2, -0.5 * (z[:, 0] + 6) ** 2)

    def gradient(z):
        return 6 * np.tanh(6 * z) - z

    _, states = hmc(log_joint, gradient, starts, np.random.default_rng(3), step=0.5, longest=6, iterations=1000)
    return states[:, :, 0].T


@proves(
    "mcmc-warm-start-hides-a-mode",
    oracle="HMC and R-hat written in NumPy, from the right-hand mode and from both",
    tolerance="R-hat below 1.01 and no draw on the left; above 1.5 from both; half of the mass is there by symmetry",
)
def test_all_chains_in_one_mode(page):
    one = bimodal_hmc(6 + np.random.default_rng(4).standard_normal((4, 1)))
    both = bimodal_hmc(np.array([[-9.0], [-3.0], [3.0], [9.0]]))
    assert split_rhat(one) < 1.01 and (one > 0).all()
    assert split_rhat(both) > 1.5
    assert page["ch7-rhat-modes"] < 1.01 and page["ch7-share-modes"] == 0
    assert page["ch7-rhat-everywhere"] > 1.5 and page["ch7-share-everywhere"] == 0.5


@proves(
    "mcmc-barrier",
    oracle="the height of the pass in closed form, and SciPy's chi-squared law of the energy",
    tolerance="1e-9 nats; 0.1 percent of the count",
)
def test_how_rarely_a_kick_crosses(page):
    height = 18 - math.log(2)  # log(1/2) at a mode; log 1 - 18 halfway, where two tails add up
    assert page["ch7-barrier"] == pytest.approx(height, abs=1e-9)
    assert 1e6 * page["ch7-cross-millions"] == pytest.approx(1 / chi2.sf(2 * height, 2), rel=1e-3)
