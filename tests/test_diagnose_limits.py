"""What rounding, edges and unfinished climbs do to the diagnostics: each is told, and none taken for another."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from vi_lab import MeanField, mcmc, models
from vi_lab.diagnostics import diagnose, importance_evidence, pareto_k
from vi_lab.diagnostics.facts import Facts, inconsistency
from vi_lab.diagnostics.importance import ParetoK
from vi_lab.diagnostics.questions import one_draw_snr
from vi_lab.diagnostics.soundness import prior, soundness
from vi_lab.diagnostics.tried import climb_on
from vi_lab.models._base import posterior_model

SEED = jax.random.key(0)


def single(q):
    return jax.tree.map(lambda leaf: leaf.astype(np.float32), q)


def gaussian(z):
    return -0.5 * jnp.sum(z**2)


# Rounding.


def steep(z):
    """Poisson counts, whose log joint falls off exponentially on one side."""
    return 3 * z[0] - jnp.exp(z[0]) - 0.005 * z[0] ** 2 - 0.5 * z[1] ** 2


def test_one_far_draw_does_not_set_the_rounding_of_the_largest_weights():
    """In 32 bits, log p is -1e6 and lower at a few draws, and of size one at those that matter."""
    q = MeanField.from_std([1.0, 0.0], [4.0, 0.3])
    k = pareto_k(q, SEED, steep)
    small = pareto_k(single(q), SEED, steep)
    assert small.num_tail == 190 and abs(small - k) < 4 * (1 + k) / 190**0.5
    assert 0.4 < mcmc.correct(single(q), SEED, steep).pareto_k < 1.2
    assert importance_evidence(single(q), SEED, steep).pareto_k == small


@pytest.mark.parametrize("constant", [1e6, 1e9], ids=["rounded", "all-equal"])
def test_a_constant_that_hides_the_weights_is_told(constant):
    q = single(MeanField.from_std([0.0, 0.0], [0.5, 0.5]))
    shifted = lambda z: gaussian(z) - constant  # noqa: E731
    assert pareto_k(q, SEED, gaussian) > 0.4
    for measure in (pareto_k, importance_evidence, mcmc.correct):
        with pytest.raises(
            ValueError, match=r"log_joint: got values of size 1.0e\+0., whose rounding \(1e-07 of that\)"
        ):
            measure(q, SEED, shifted)
    report = diagnose(q, SEED, shifted)
    assert report.faults == ("broken",) and "whose rounding (1e-07 of that) hides" in report.findings[0].evidence


def test_a_k_without_its_tail_says_nothing_of_its_error():
    assert (ParetoK(0.5).lower, ParetoK(0.5).upper) == (-np.inf, np.inf)
    assert ParetoK(-np.inf).upper == -np.inf


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_large_likelihood_hides_no_jacobian(dtype):
    """z[1] is left out of a log joint of size 1e5: found in 64 bits; in 32 bits it is said that it could not be."""
    before = jax.tree.map(lambda leaf: leaf.astype(dtype), MeanField.from_std([0.0, 0.0], [2.0, 1.0]))
    likelihood = lambda z: -1e5 + gaussian(z - 1.0)  # noqa: E731
    model = posterior_model(before, Partial(likelihood))
    off = Partial(lambda z: before.log_prob(z) + likelihood(z) + 0.2 * z[1])
    told, unsure = inconsistency(before, SEED, off, model)
    if dtype is np.float64:
        assert "varies over q's draws, from -0" in told and unsure is None
        assert inconsistency(before, SEED, model.log_joint, model) == (None, None)
    else:
        assert told is None and "may differ by 12 nats, their rounding in float32" in unsure
        found = soundness(Facts(before, model.log_joint, model, None, np.zeros(1), unsure=unsure), SEED)
        assert found.alarm is None and "12 nats, their rounding in float32" in found.evidence


# Edges, and gradients that are not finite.


def edged(z):
    """The mean field is exact, the value finite everywhere, and the gradient NaN beyond 1/2."""
    return gaussian((z + jnp.array([1.0, 0.0])) / 0.5) + 0.0 * jnp.sqrt(jnp.maximum(0.5 - z[0], 0.0))


def test_gradients_that_are_not_finite_are_named():
    report = diagnose(MeanField.from_std([0.2, 0.0], [0.5, 0.5]), SEED, edged)
    assert report.faults == ("broken",)
    assert "gradient of the log joint is NaN or infinite at 1" in report.findings[0].evidence
    assert all("gradient of the log joint" in finding.evidence for finding in report.findings[1:4])
    assert np.isfinite(report.elbo).all()
    q = MeanField.from_std([0.2], [0.5])
    assert one_draw_snr(Facts(q, Partial(edged), None, None, np.zeros(1)), SEED) is None


def box(z):
    return jnp.where(jnp.all(jnp.abs(z) < 1), 0.0, -jnp.inf)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_climb_that_runs_into_an_edge_is_no_end_of_the_climb():
    """All draws of q lie inside: the edge shows in what is tried alone."""
    report = diagnose(MeanField.from_std([0.0, 0.0], [0.15, 0.15]), SEED, box)
    sound, _, _, noise, _ = report.findings
    assert "broken" in report.faults and "Climbing on from q stopped at step" in sound.evidence
    assert noise.alarm is None and "stopped at step" in noise.evidence
    assert "inf nats" not in str(report) and "nan" not in str(report).replace("NaN", "").lower()


def test_tails_that_could_not_be_judged_are_no_light_tails():
    beyond = lambda z: jnp.where(jnp.abs(z[0]) > 8, jnp.nan, gaussian(z))  # noqa: E731
    found = diagnose(MeanField.standard(2), SEED, beyond, try_more=False).findings[0]
    assert found.alarm is None and "along 1 of q's 2 axes" in found.evidence and "from 8 of q's" in found.evidence


# A climb that has not begun.

DESIGN = np.random.default_rng(0).normal(size=(10, 2))
REGRESSION = models.conjugate_regression(DESIGN, DESIGN @ [0.0, 2.0], noise_std=0.5, prior_std=5.0)


def test_a_q_that_has_not_climbed_says_nothing_of_the_prior():
    report = diagnose(REGRESSION.prior, SEED, REGRESSION)
    assert report.faults == ("unfinished",), str(report)
    assert "Where climbing on from q led: KL(q || prior)" in report.findings[4].evidence


def test_a_climb_that_still_gains_says_nothing_of_the_prior(key):
    """From 40 standard deviations away the steps that are tried do not reach the top."""
    far = MeanField.from_std([40.0, 40.0], [1.0, 1.0])
    onward = climb_on(far, key, REGRESSION.log_joint)
    assert onward.rising
    found = prior(Facts(far, REGRESSION.log_joint, REGRESSION, None, np.zeros(1), onward=onward), key)
    assert found.alarm is None and "still on its way" in found.evidence


def test_without_trying_the_prior_is_not_said_to_dominate():
    report = diagnose(REGRESSION.prior, SEED, REGRESSION, try_more=False)
    assert report.faults == () and report.findings[4].alarm is None
    flat = posterior_model(REGRESSION.prior, Partial(lambda z: 0.01 * z[0]))
    assert diagnose(REGRESSION.prior, SEED, flat, try_more=False).faults == ("prior-dominated",)


def test_nothing_looks_fine_that_was_not_looked_at():
    report = diagnose(MeanField.from_std([3.0, 0.0], [1.0, 1.0]), SEED, gaussian, try_more=False)
    assert report.headline.startswith("No alarm in the questions that were answered.") and "4 of 5" in report.headline
    assert "from the ELBO" in report.findings[2].evidence and "of 4000 draws" in report.findings[2].evidence


def test_what_is_no_fit_is_named():
    with pytest.raises(ValueError, match="fit: got a str, needs what `fit` returned"):
        diagnose(MeanField.standard(2), SEED, gaussian, fit="x")
