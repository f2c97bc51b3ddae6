"""Eight schools in its two coordinate systems: what a richer Gaussian mends of the funnel, and what other
coordinates do.

The gaps to the evidence are taken from draws, densities and joints of NumPy and SciPy; the evidence is the one that
tests/test_models_schools.py holds against two quadratures.
"""

from functools import cache

import jax
import numpy as np
import pytest
import scipy.stats

from vi_lab import FullRank, MeanField, fit, models
from vi_lab.diagnostics import pareto_k

FORMS = {"centered": models.eight_schools(centered=True), "non-centered": models.eight_schools()}
FAMILIES = {"mean field": MeanField, "full rank": FullRank}
EFFECTS = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
STD_ERRORS = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
LOG_EVIDENCE = -31.311347  # by SciPy's quad over tau, as in tests/test_models_schools.py
NUM_FITS = 6
# KL(q || posterior), in nats, of the best q of each case.
GAPS = {
    ("centered", "mean field"): 2.092,
    ("centered", "full rank"): 1.283,
    ("non-centered", "mean field"): 0.288,
}


@cache
def fits(case, seed):
    form, family = case
    keys = jax.random.split(jax.random.key(seed), NUM_FITS)
    return [fit(FAMILIES[family].standard(10), key, FORMS[form].log_joint, num_steps=1500).q for key in keys]


@cache
def k_hats(case, seed):
    """Five for each fit: one k-hat of 4,000 draws is off by 0.1 itself."""
    keys = jax.random.split(jax.random.key(1000 + seed), (NUM_FITS, 5))
    joint = FORMS[case[0]].log_joint
    return np.array(
        [np.mean([pareto_k(q, k, joint) for k in row]) for q, row in zip(fits(case, seed), keys, strict=True)]
    )


def log_weights_by_scipy(q, form, seed, num_samples=10_000):
    normal = scipy.stats.multivariate_normal(np.asarray(q.mean), np.asarray(q.cov()))
    z = normal.rvs(num_samples, random_state=np.random.default_rng(seed))
    mu, tau, last = z[:, :1], np.exp(z[:, 1:2]), z[:, 2:]
    norm = scipy.stats.norm
    log_prior = norm.logpdf(mu, 0, 5) + scipy.stats.halfcauchy.logpdf(tau, 0, 5) + z[:, 1:2]
    log_effects = norm.logpdf(last, mu, tau) if form == "centered" else norm.logpdf(last)
    effects = last if form == "centered" else mu + tau * last
    log_likelihood = norm.logpdf(EFFECTS, effects, STD_ERRORS)
    return log_prior[:, 0] + log_effects.sum(1) + log_likelihood.sum(1) - normal.logpdf(z)


@pytest.fixture
def seed(key):
    return int(jax.random.key_data(key)[-1])


@pytest.mark.parametrize("case", GAPS, ids=" ".join)
def test_the_gap_to_the_evidence_is_the_familys_and_not_the_climbs(case, seed):
    """Every one of six climbs ends within 0.08 nats of the best q, and the three cases are farther apart."""
    for i, q in enumerate(fits(case, seed)):
        gap = LOG_EVIDENCE - log_weights_by_scipy(q, case[0], 100 * seed + i).mean()
        assert abs(gap - GAPS[case]) < 0.08, f"fit {i}: {gap:.3f} nats"  # of which the draws' noise has 0.014


def test_full_rank_does_not_mend_the_centered_funnel_and_other_coordinates_do(seed):
    """By k-hat, averaged over fits and draws: 44 parameters more leave it beyond 0.7, new coordinates do not."""
    rigid, rich = k_hats(("centered", "mean field"), seed), k_hats(("centered", "full rank"), seed)
    mended = k_hats(("non-centered", "mean field"), seed)
    assert rigid.mean() > 0.75 and rich.mean() > 0.75, (rigid, rich)
    assert mended.mean() < 0.68, mended


def test_k_hat_is_higher_centered_than_non_centered(seed):
    differences = k_hats(("centered", "mean field"), seed) - k_hats(("non-centered", "mean field"), seed)
    assert differences.mean() > 0.15
    assert differences.mean() > 3 * differences.std(ddof=1) / np.sqrt(NUM_FITS), differences


def test_beyond_what_4000_draws_see_the_mended_tail_is_heavy_too(seed):
    """k itself is 1 in both forms: toward tau = 0 the posterior falls like tau, a Gaussian q like exp(-(log tau)^2),
    so that log w grows as fast as -log P(log tau that low). What k-hat tells of is the tail within reach.
    """
    q, log_tau = fits(("non-centered", "mean field"), seed)[0], -1000.0
    z = q.mean.at[1].set(log_tau)
    log_w = FORMS["non-centered"].log_joint(z) - q.log_prob(z)
    log_rare = scipy.stats.norm.logcdf(log_tau, q.mean[1], q.std[1])
    np.testing.assert_allclose(log_w / -log_rare, 1, atol=0.02)
