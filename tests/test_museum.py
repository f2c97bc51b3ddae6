"""The museum: every fault is named, or provably out of sight; the named diagnostic fires; records can be made again."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vi_lab import MeanField, diagnostics, museum, reparameterized
from vi_lab.diagnostics import FAULTS, diagnose
from vi_lab.museum import freeze
from vi_lab.museum.exhibit import records

SEED = jax.random.key(8)
NAMES = list(museum.EXHIBITS)
DIAGNOSABLE = [name for name in NAMES if museum.CASES[name].diagnosable]
HIDDEN = [name for name in NAMES if not museum.CASES[name].diagnosable]


@pytest.mark.parametrize("name", DIAGNOSABLE)
def test_the_report_names_the_fault(name, key):
    exhibit = museum.exhibit(name)
    report = diagnose(exhibit.q, key, exhibit.model, fit=exhibit.fit)
    assert exhibit.fault in report.faults, str(report)
    assert exhibit.faults == report.faults, "what was frozen still holds"


@pytest.mark.parametrize("name", HIDDEN)
def test_the_report_says_what_it_cannot_see(name, key):
    exhibit = museum.exhibit(name)
    report = diagnose(exhibit.q, key, exhibit.model, fit=exhibit.fit)
    assert not report.alarm and exhibit.faults == ()
    assert report.headline.startswith("It looks fine") and "what this report cannot see" in report.headline


def test_there_are_enough_of_them_and_every_fault_has_one():
    assert len(NAMES) >= 20 and len(museum.GOOD) == 10 and len(HIDDEN) >= 3
    assert {museum.CASES[name].fault for name in NAMES} == set(FAULTS)
    assert sum(museum.CASES[name].perfect for name in NAMES) >= 5
    with pytest.raises(ValueError, match="name: got 'louvre', needs one of 'one-of-two-modes'"):
        museum.exhibit("louvre")
    with pytest.raises(ValueError, match=r"name: got \[\], needs one of"):
        museum.exhibit([])


@pytest.mark.parametrize("name", [*NAMES, *museum.GOOD])
def test_what_a_practitioner_sees_is_numbers_and_no_answer(name):
    exhibit = museum.exhibit(name)
    assert not re.search("|".join([*FAULTS, "fault", "reference"]), f"{exhibit.title} {exhibit.sees}".lower())
    assert f"{exhibit.elbo.value:.3f}" in exhibit.sees and "k̂" in exhibit.sees
    assert f"{exhibit.trace[-1, 1]:.5g}" in exhibit.sees and len(exhibit.trace) <= 200
    assert exhibit.name == name and exhibit.q.dim == len(exhibit.reference.mean) == len(exhibit.reference.std)
    assert exhibit.diagnostic in diagnostics.__all__
    if name in NAMES:
        assert exhibit.fault in FAULTS and len(exhibit.explanation) > 80 and exhibit.cure


@pytest.mark.parametrize("name", ["one-of-two-modes", "stuck", "straight-line-full"])
def test_a_record_can_be_made_again(name):
    case = museum.CASES.get(name) or museum.good.CASES[name]
    exhibit, again = museum.exhibit(name), freeze.refit(case)
    for new, old in zip(jax.tree.leaves(again.q), jax.tree.leaves(exhibit.q), strict=True):
        np.testing.assert_allclose(new, old, atol=1e-6)
    np.testing.assert_allclose(again.elbo.value, exhibit.elbo.value, atol=1e-6)
    assert records()[name]["reason"] == again.reason


# The named diagnostic fires, or provably does not.


@pytest.mark.parametrize("name", [n for n in NAMES if museum.CASES[n].diagnostic == "pareto_k"])
def test_k_hat_fires(name, key):
    exhibit = museum.exhibit(name)
    assert diagnostics.pareto_k(exhibit.q, key, exhibit.model.log_joint) > 0.7


@pytest.mark.parametrize("name", [n for n in NAMES if museum.CASES[n].diagnostic == "elbo_restarts"])
def test_restarts_end_elsewhere(name, key):
    """From q, and from its mirror image in the posterior's mean: two ends, more than four standard deviations apart."""
    exhibit = museum.exhibit(name)
    here = np.asarray(exhibit.q.sample(key, 500))
    std = here.std(axis=0)
    starts = [
        museum.climbs.MeanField.from_std(m, std) for m in (here.mean(0), 2 * exhibit.reference.mean - here.mean(0))
    ]
    found = diagnostics.elbo_restarts(starts, key, exhibit.model.log_joint, num_steps=400).fits
    assert np.max(np.abs(found[0].q.mean - found[1].q.mean) / found[0].q.std) > 4


def test_a_far_mode_leaves_no_trace_in_the_weights(key):
    """Provably: log w is log(1/2) at every draw but for exp(-a million), so no statistic of the weights can see it."""
    exhibit = museum.exhibit("far-mode")
    seen = diagnostics.importance_evidence(exhibit.q, key, exhibit.model.log_joint)
    np.testing.assert_allclose(seen.log_evidence, np.log(0.5), atol=1e-9)
    assert exhibit.model.log_evidence == 0 and seen.pareto_k == -np.inf
    np.testing.assert_allclose(seen.effective_sample_size, 4000, rtol=1e-9)


def test_heavy_tails_that_the_elbo_hardly_sees():
    exhibit = museum.exhibit("heavy-tails")
    assert exhibit.model.log_evidence - 0.1 < exhibit.elbo.value < exhibit.model.log_evidence
    assert np.all(exhibit.reference.std > 1.3 * exhibit.q.std)


@pytest.mark.parametrize("name", ["stuck", "wide-start", "wrong-entropy", "lost-scale"])
def test_the_way_up_is_loud_and_clear(name, key):
    exhibit = museum.exhibit(name)
    how = {"num_samples": museum.CASES[name].settings.get("num_samples", 32), "gradient": reparameterized}
    assert diagnostics.gradient_snr(exhibit.q, key, exhibit.model.log_joint, **how) > 1


@pytest.mark.parametrize("name", ["one-draw", "no-baseline"])
def test_the_way_up_is_lost_in_noise(name, key):
    exhibit, settings = museum.exhibit(name), museum.CASES[name].settings
    how = {name: settings[name] for name in ("gradient", "num_samples")}
    assert diagnostics.gradient_snr(exhibit.q, key, exhibit.model.log_joint, **how) < 1


def test_fixed_draws_flatter(key):
    exhibit = museum.exhibit("fixed-draws")
    eps = museum.climbs.fixed(key, 4, 2)
    found = diagnostics.optimism(exhibit.q, key, exhibit.model.log_joint, eps)
    assert found.value > 0.1 + 5 * found.std_error
    assert exhibit.trace[-1, 1] > exhibit.model.log_evidence > exhibit.elbo.value


def test_zeros_among_the_weights(key):
    exhibit = museum.exhibit("bounded")
    assert diagnostics.importance_evidence(exhibit.q, key, exhibit.model.log_joint).pareto_k.num_zero > 0


@pytest.mark.parametrize(
    ("name", "least", "most"), [("faint-data", 0, 0.1), ("no-data", 0, 1e-6), ("prior-conflict", 20, 1e3)]
)
def test_what_the_prior_does(name, least, most, key):
    """KL(q || prior) in nats, and a likelihood that is flat or not."""
    exhibit = museum.exhibit(name)
    found = diagnostics.prior_dominance(exhibit.q, key, exhibit.model)
    assert least <= found.kl.value <= most
    assert bool(found.log_likelihood_std_q < 0.1) is (most < 1)


def test_calibration_finds_the_jacobian_that_is_nowhere(key):
    """Data from the prior that was meant, posteriors of the log joint as written, both moments on a grid."""
    wrong, meant = museum.exhibit("jacobian-nowhere").model.log_joint, museum.joints.scale_model()
    axes = np.meshgrid(np.linspace(-5, 5, 71), np.linspace(-3, 2.5, 71), indexing="ij")
    grid = jnp.asarray(np.stack(axes, axis=-1).reshape(-1, 2))
    prior, likelihood = wrong.args

    def approximate(_, y):
        log_p = jax.vmap(lambda z: wrong.func(prior, jax.tree_util.Partial(likelihood.func, y), z))(grid)
        p = jax.nn.softmax(log_p)
        mean = p @ grid
        return MeanField(mean, 0.5 * jnp.log(p @ (grid - mean) ** 2))

    def simulate(key, z):
        return z[0] + jnp.exp(z[1]) * jax.random.normal(key, (6,))

    found = diagnostics.calibrate(meant.prior, simulate, approximate, key, num_simulations=1000, vectorize=True)
    assert found.asymmetry[1] > 5, "sigma is always taken for too small"


@pytest.mark.parametrize(
    ("name", "observed", "statistic"),
    [
        ("data-twice", np.tile(museum.beliefs.EFFECTS, 2), lambda y: jnp.sum(y[:10] == y[10:])),
        ("missing-term", museum.beliefs.BENT, lambda y: jnp.abs(jnp.sum(y * (museum.beliefs.TIMES**2 - 1.47)))),
    ],
)
def test_predictions_find_what_the_fit_cannot(name, observed, statistic, key):
    exhibit = museum.exhibit(name)
    assert diagnostics.predictive_check(exhibit.q, key, exhibit.model, observed, statistic).p_value < 0.01
