"""`diagnose`: quiet on good fits, and its statistics against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial
from kl_oracles import gaussian_kl
from scipy import stats
from zscores import LIMIT

from vi_lab import FullRank, MeanField, models, museum
from vi_lab.diagnostics import diagnose
from vi_lab.diagnostics.elsewhere import start_elsewhere
from vi_lab.diagnostics.facts import Facts, inconsistency
from vi_lab.diagnostics.questions import judge_trace, one_draw_snr
from vi_lab.diagnostics.soundness import prior_surprise
from vi_lab.diagnostics.tails import tails
from vi_lab.diagnostics.tried import K_LIMIT, climb_on, enrich, gap_of, is_far
from vi_lab.divergences import Estimate
from vi_lab.models._base import posterior_model

SEED = jax.random.key(3)
CORRELATION = 0.8
TILTED = models.gaussian([1.0, -1.0], [[1.0, CORRELATION], [CORRELATION, 1.0]])
PRIOR = MeanField.from_std([0.0, 1.0], [2.0, 0.5])


@pytest.mark.parametrize("name", museum.GOOD)
def test_a_good_fit_raises_no_alarm(name, key):
    good = museum.exhibit(name)
    report = diagnose(good.q, key, good.model, fit=good.fit)
    assert not report.alarm and report.faults == (), str(report)
    assert "looks fine" in str(report) and "what this report cannot see" in str(report)


# What was tried, in nats.


def assert_gain(gain: Estimate, expected: float, short: float = 0.01) -> None:
    """Within its error; a climb may end `short` nats below the top, and never above it."""
    noise = LIMIT * gain.std_error + 1e-3
    assert expected - short - noise < gain.value < expected + noise, (gain, expected)


def test_climbing_on_gains_the_kl_that_was_left(key):
    target = models.gaussian([1.0, -1.0], np.diag([0.5, 2.0]))
    q = MeanField.from_std([2.0, 0.5], [0.4, 2.0])
    left = gaussian_kl(q.mean, q.cov(), target.posterior.mean, target.posterior.cov())
    assert_gain(climb_on(q, key, target.log_joint).gain, left)


@pytest.mark.parametrize("weight", [0.5, 0.1])
def test_restarts_gain_the_logarithm_of_the_weight_that_q_holds(weight, key):
    """Far apart, q exact on a mode of weight w: log(1 / w)."""
    target = museum.modes.two_gaussians(8.0, weight)
    found = start_elsewhere(museum.modes.near(0.0, 0.0), key, target.log_joint, None)
    assert_gain(found.gain, np.log(1 / weight))
    assert "1 more mode," in found.said


def test_restarts_on_one_mode_gain_nothing(key):
    """Along a ridge they end in different places; without a valley between them these are no modes."""
    ridge = models.gaussian([0.0, 0.0], [[1.0, 0.999], [0.999, 1.0]])
    q = MeanField.from_std([0.0, 0.0], 2 * [np.sqrt(1 - 0.999**2)])
    found = start_elsewhere(q, key, ridge.log_joint, None)
    assert found.gain.value == 0 and "no other mode" in found.said


def test_a_full_covariance_gains_what_the_correlation_costs(key):
    """-log(1 - rho^2) / 2, all of it; coupling layers, started there, have nothing to add."""
    q = MeanField.from_std([1.0, -1.0], 2 * [np.sqrt(1 - CORRELATION**2)])
    for found in enrich(q, key, TILTED.log_joint):
        assert_gain(found.gain, -0.5 * np.log(1 - CORRELATION**2))


def test_three_components_serve_one_dimension(key):
    bimodal = models.bimodal(separation=3.0)
    (found,) = enrich(MeanField.from_std([0.0], [1.3]), key, bimodal.log_joint)
    q = MeanField.from_std([0.0], [1.3])
    z = np.linspace(-12, 12, 4001)[:, None]
    kl = np.trapezoid(np.exp(q.log_prob(z)) * (q.log_prob(z) - bimodal.posterior.log_prob(z)), z[:, 0])
    assert_gain(found.gain, kl, short=0.03)


def test_the_gap_is_the_kl_but_for_the_bias_of_a_hundred_draws(key):
    """q 1.5 times as wide as the posterior: the KL, less Var(w) / 2K, in closed form, and an error that is honest."""
    q = FullRank(TILTED.posterior.mean, 1.5 * TILTED.posterior.scale_tril)
    kl = gaussian_kl(q.mean, q.cov(), TILTED.posterior.mean, TILTED.posterior.cov())
    variance = 1.5**2 / (2 - 1 / 1.5**2) - 1
    found = [gap_of(q, one, TILTED.log_joint) for one in jax.random.split(key, 30)]
    z = [(gap.value - (kl - variance / 200)) / gap.std_error for gap, _ in found]
    assert abs(np.mean(z)) < LIMIT / np.sqrt(30) and 0.5 < np.std(z) < 2
    assert all(k < 0 for _, k in found)


def test_the_threshold_of_k_hat():
    """Vehtari et al. (2024): 0.7 from about 2,200 draws on; and nothing, of weights that hardly differ."""
    assert K_LIMIT == 0.7
    gap = Estimate(0.15, 0.01)
    assert is_far(gap, 0.71) and not is_far(gap, 0.69)
    assert is_far(Estimate(0.21, 0.01), 0.0) and not is_far(Estimate(0.21, 0.1), 0.0)
    assert not is_far(Estimate(0.05, 0.001), 2.0)


# What was measured.


def test_one_draw_signal_to_noise(key):
    """N(m, s^2) for N(0, 1), in q's own units: the gradients are -s (m + s eps) and 1 - s (m + s eps) eps."""
    m, s = 1.5, 0.7
    signal = (s * m) ** 2 + (1 - s**2) ** 2
    noise = s**4 + (s * m) ** 2 + 2 * s**4
    target = Partial(lambda z: -0.5 * jnp.sum(z**2))
    found = [
        one_draw_snr(Facts(MeanField.from_std([m], [s]), target, None, None, np.zeros(1)), k)
        for k in jax.random.split(key, 8)
    ]
    np.testing.assert_allclose(np.mean(found), np.sqrt(signal / noise), rtol=0.15)


@pytest.mark.parametrize("degrees", [1.0, 3.0])
def test_a_power_tail_and_what_lies_beyond_five_standard_deviations(degrees):
    target = Partial(lambda z: jnp.sum(jax.scipy.stats.t.logpdf(z, degrees)))
    seen = tails(MeanField.from_std([0.0, 0.0], [1.0, 2.0]), SEED, target)
    np.testing.assert_allclose(seen.power, degrees + 1, rtol=0.05)
    inside = stats.t.cdf([200.0, 400.0], degrees) - stats.t.sf([200.0, 400.0], degrees)
    beyond = 2 * (stats.t.sf([5.0, 10.0], degrees) - stats.t.sf([200.0, 400.0], degrees)) / inside
    np.testing.assert_allclose(seen.share, beyond, rtol=0.02)


@pytest.mark.parametrize("log_density", [lambda z: -0.5 * jnp.sum(z**2), lambda z: -jnp.sum(jnp.abs(z))])
def test_gaussian_and_exponential_tails_are_no_powers(log_density):
    assert tails(MeanField.standard(2), SEED, Partial(log_density)).power == (None, None)


def test_surprise_under_a_gaussian_prior_is_a_chi_square_tail(key):
    q = MeanField.from_std([3.0, 1.2], [0.01, 0.01])
    expected = stats.chi2.sf((3 / 2) ** 2 + (0.2 / 0.5) ** 2, 2)
    found = prior_surprise(q, PRIOR, key)
    assert abs(found - expected) < LIMIT * np.sqrt(expected / 4000) + 1e-3


@pytest.mark.parametrize(
    ("log_joint", "told"),
    [
        (lambda z: PRIOR.log_prob(z) - jnp.sum(z**2), None),
        (lambda z: PRIOR.log_prob(z) - jnp.sum(z**2) + 7.0, None),  # a constant shifts the evidence and nothing else
        (lambda z: PRIOR.log_prob(z) - jnp.sum(z**2) + z[0], "varies over q's draws, from -"),
        (lambda z: jnp.where(z[0] > -1, PRIOR.log_prob(z) - jnp.sum(z**2), -jnp.inf), "finite where"),
    ],
    ids=["same", "constant", "jacobian", "support"],
)
def test_a_log_joint_that_differs_from_prior_and_likelihood(log_joint, told):
    model = posterior_model(PRIOR, lambda z: -jnp.sum(z**2))
    found, _ = inconsistency(MeanField.standard(2), SEED, Partial(log_joint), model)
    assert found is None if told is None else told in found


NOISY = 0.3 * np.random.default_rng(0).normal(size=400)


@pytest.mark.parametrize(
    ("trace", "lost", "told"),
    [
        (-10 + NOISY, False, "reached -5.00"),  # never near the top
        (-6 + 2 * NOISY, True, "reached"),  # in and out of it
        (np.full(400, -3.0), True, "not the ELBO"),  # smooth, and better than possible: fixed draws
        (-3 + NOISY, False, "not the ELBO"),  # noisy, and better than possible: another objective
    ],
    ids=["stuck", "about-the-top", "fixed-draws", "other-objective"],
)
def test_what_a_trace_says(trace, lost, told):
    found, words = judge_trace(trace, -5.0, 2.0)
    assert found is lost and told in words
