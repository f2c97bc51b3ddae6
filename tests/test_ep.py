"""Expectation propagation against the same algorithm in NumPy, against quadrature, and where it is exact."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ep_oracles import TWENTY as CLUTTER
from ep_oracles import clutter_factors, exact, from_moments, probit_factors, run
from jax.scipy.stats import norm
from jax.tree_util import Partial

from vi_lab import FullRank, models
from vi_lab.ep import expectation_propagation

OSCILLATES = np.array([4.6, 4.4, 0.1, -1.6])
RNG = np.random.default_rng(7)
X = np.column_stack([np.ones(30), RNG.normal(size=30)])
Y = (X @ [0.4, 1.5] + RNG.normal(size=30) > 0).astype(float)
CLUTTER_PRIOR = from_moments(np.zeros(1), 100.0 * np.eye(1))
PROBIT_PRIOR = from_moments(np.zeros(2), 4.0 * np.eye(2))


def gaussian_sites(model, x, y, noise_std):
    def log_z(x, y, i, mean, var):
        return norm.logpdf(y[i], mean, jnp.sqrt(noise_std**2 + var))

    return dataclasses.replace(model, sites=models.Sites(jnp.asarray(x), Partial(log_z, x, jnp.asarray(y))))


def assert_same(result, mean, cov, log_evidence, atol=1e-6):
    np.testing.assert_allclose(result.q.mean, mean, atol=atol)
    np.testing.assert_allclose(result.q.cov(), cov, atol=atol)
    np.testing.assert_allclose(result.log_evidence, log_evidence, atol=atol)


@pytest.mark.parametrize("x", [CLUTTER, CLUTTER[5:15]], ids=len)
def test_clutter_is_ep_by_quadrature(x):
    mean, cov, log_evidence, precision = run(CLUTTER_PRIOR, clutter_factors(x))
    result = expectation_propagation(models.clutter(x))
    assert result.converged
    assert_same(result, mean, cov, log_evidence)
    np.testing.assert_allclose(result.site_precision, precision[:, 0, 0], atol=1e-6)
    assert result.num_negative == (precision < -1e-12).sum() > 0


def test_probit_is_ep_by_quadrature_in_two_dimensions():
    mean, cov, log_evidence, precision = run(PROBIT_PRIOR, probit_factors(X, Y), sweeps=10, num_points=161)
    result = expectation_propagation(models.probit(X, Y, prior_std=2.0))
    assert result.converged and result.num_negative == 0
    assert_same(result, mean, cov, log_evidence)
    on_lines = result.site_precision[:, None, None] * X[:, :, None] * X[:, None, :]
    np.testing.assert_allclose(precision, on_lines, atol=1e-6)


@pytest.mark.parametrize("damping", [0.9, 0.5])
def test_a_damped_sweep_is_that_of_the_oracle(damping):
    mean, cov, log_evidence, _ = run(CLUTTER_PRIOR, clutter_factors(CLUTTER), sweeps=2, damping=damping)
    assert_same(
        expectation_propagation(models.clutter(CLUTTER), damping=damping, max_sweeps=2), mean, cov, log_evidence
    )


def test_clutter_against_quadrature():
    """The issue's line: mean and log evidence within 1%, variance within 5%."""
    log_evidence, mean, cov = exact(CLUTTER_PRIOR, clutter_factors(CLUTTER), [-60], [60], 20001)
    result = expectation_propagation(models.clutter(CLUTTER))
    np.testing.assert_allclose(result.q.mean, mean, rtol=0.01)
    np.testing.assert_allclose(result.q.cov(), cov, rtol=0.05)
    np.testing.assert_allclose(result.log_evidence, log_evidence, rtol=0.01)


def test_probit_against_quadrature():
    log_evidence, mean, cov = exact(PROBIT_PRIOR, probit_factors(X, Y), [-6, -5], [9, 12], 801)
    result = expectation_propagation(models.probit(X, Y, prior_std=2.0))
    np.testing.assert_allclose(result.q.mean, mean, rtol=0.01)
    np.testing.assert_allclose(result.q.cov(), cov, rtol=0.05)
    np.testing.assert_allclose(result.log_evidence, log_evidence, rtol=0.01)


@pytest.mark.parametrize("num_data", [1, 8])
def test_gaussian_factors_give_the_truth_to_rounding(num_data):
    """Each site is then its factor, whatever the cavity: one sweep suffices."""
    x, y = RNG.normal(size=(num_data, 3)), RNG.normal(size=num_data)
    model = models.conjugate_regression(x, y, noise_std=0.7, prior_std=1.5)
    result = expectation_propagation(gaussian_sites(model, x, y, 0.7), tol=1e-10)
    assert result.converged and result.num_sweeps == 1
    assert_same(result, model.posterior.mean, model.posterior.cov(), model.log_evidence, atol=1e-12)


def test_one_factor_is_exact():
    """With one site the tilted distribution is the posterior: its moments and its evidence are q's."""
    for model, factors, prior, box in (
        (models.clutter([4.0]), clutter_factors([4.0]), CLUTTER_PRIOR, ([-100], [100], 40_001)),
        (
            models.probit(X[:1], [0], prior_std=2.0),
            probit_factors(X[:1], [0]),
            PROBIT_PRIOR,
            ([-20] * 2, [20] * 2, 801),
        ),
    ):
        log_evidence, mean, cov = exact(prior, factors, *box)
        assert_same(expectation_propagation(model), mean, cov, log_evidence, atol=1e-7)


def test_the_fixed_point_has_no_order_and_no_damping():
    plain = expectation_propagation(models.clutter(CLUTTER))
    for other in (
        expectation_propagation(models.clutter(CLUTTER[::-1])),
        expectation_propagation(models.clutter(CLUTTER), damping=0.5),
    ):
        assert other.converged
        assert_same(other, plain.q.mean, plain.q.cov(), plain.log_evidence, atol=1e-6)


def test_undamped_oscillation_that_damping_cures():
    undamped = expectation_propagation(models.clutter(OSCILLATES), max_sweeps=1000)
    assert not undamped.converged and undamped.trace.shape == (1000,) and undamped.trace[-100:].min() > 1e-3
    assert "not converged in 1000 sweeps" in undamped.reason and "damping below 1" in undamped.reason
    damped = expectation_propagation(models.clutter(OSCILLATES), damping=0.5)
    assert damped.converged and damped.num_skipped == 0
    mean, cov, log_evidence, _ = run(CLUTTER_PRIOR, clutter_factors(OSCILLATES), sweeps=80, damping=0.5)
    assert_same(damped, mean, cov, log_evidence, atol=1e-5)


def test_skipped_updates_are_counted_and_an_end_without_cavities_has_no_evidence():
    result = expectation_propagation(models.clutter([6.8, -1.1, 1.8, 4.5]))
    assert not result.converged and result.num_skipped > 0 and np.isnan(result.log_evidence)
    assert "sites without a usable cavity at the end: 1" in result.reason
    assert f"updates skipped for want of a usable cavity: {result.num_skipped}" in result.reason
    assert f"negative site precisions: {result.num_negative}" in result.reason
    assert np.linalg.eigvalsh(result.q.cov()).min() > 0


def test_a_datum_without_direction_is_a_constant():
    x = np.vstack([X, np.zeros((2, 2))])
    with_constants = expectation_propagation(models.probit(x, [*Y, 0, 1], prior_std=2.0))
    without = expectation_propagation(models.probit(X, Y, prior_std=2.0))
    assert with_constants.converged
    assert_same(with_constants, without.q.mean, without.q.cov(), without.log_evidence - 2 * np.log(2), atol=1e-9)


def test_a_correlated_prior_and_another_mean():
    prior = FullRank.from_cov([1.0, -1.0], [[2.0, 0.9], [0.9, 1.0]])
    model = dataclasses.replace(models.probit(X, Y), prior=prior)
    mean, cov, log_evidence, _ = run(
        from_moments(np.array([1.0, -1.0]), np.array([[2.0, 0.9], [0.9, 1.0]])),
        probit_factors(X, Y),
        sweeps=10,
        num_points=161,
    )
    assert_same(expectation_propagation(model), mean, cov, log_evidence)


def test_far_from_the_boundary_nothing_overflows():
    result = expectation_propagation(models.probit(1e3 * X, Y, prior_std=100.0), damping=0.5, max_sweeps=500)
    assert result.converged and np.isfinite(result.log_evidence)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_dtypes(dtype):
    result = expectation_propagation(models.probit(X.astype(dtype), Y.astype(dtype), prior_std=2.0))
    assert result.converged and result.q.mean.dtype == result.log_evidence.dtype == dtype
    np.testing.assert_allclose(result.log_evidence, models.probit(X, Y, prior_std=2.0).log_evidence, atol=0.01)


@pytest.mark.parametrize("center", [20.0, 100.0])
def test_evidence_keeps_its_digits_in_32_bits_far_from_the_origin(center):
    x = (center + np.linspace(-2, 2, 20)).astype(np.float32)
    single, double = (expectation_propagation(models.clutter(data, b=1e4)) for data in (x, x.astype(float)))
    assert single.converged and single.log_evidence.dtype == jnp.float32
    np.testing.assert_allclose(single.log_evidence, double.log_evidence, rtol=1e-5)
    np.testing.assert_allclose(double.log_evidence, models.clutter(x.astype(float), b=1e4).log_evidence, rtol=0.01)


COMPILED = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, *_, **__: COMPILED.append(event) if "backend_compile" in event else None
)


def compilations(function):
    """How many programs JAX compiles during a call."""
    before = len(COMPILED)
    function()
    return len(COMPILED) - before


def test_other_data_of_the_same_shape_compile_nothing():
    """Neither do another damping, or another number of sweeps."""
    first, other = (models.clutter(data) for data in (CLUTTER, CLUTTER + 0.1))
    expectation_propagation(first)
    assert compilations(lambda: expectation_propagation(other)) == 0
    assert compilations(lambda: expectation_propagation(other, damping=0.7)) == 0
    assert expectation_propagation(other, damping=0.7).num_sweeps != expectation_propagation(first).num_sweeps
    assert compilations(lambda: jax.jit(lambda x: jnp.sin(x) * 3.1234)(np.ones(17))) == 1, "what is new is counted"


MODEL = models.clutter(CLUTTER[:3])
BAD = {
    "no sites": (lambda: expectation_propagation(models.bioassay()), "model: got one without sites, needs .*probit"),
    "no model": (lambda: expectation_propagation(MODEL.log_joint), "model: got a Partial, needs a model with sites"),
    "prior": (
        lambda: expectation_propagation(dataclasses.replace(MODEL, prior=models.bimodal().posterior)),
        "model: got a prior of class Mixture, needs a Gaussian prior",
    ),
    "no damping": (lambda: expectation_propagation(MODEL, damping=0.0), "damping: got 0.0, needs a number above zero"),
    "damping": (lambda: expectation_propagation(MODEL, damping=1.5), "damping: got 1.5, .*at most 1"),
    "NaN": (lambda: expectation_propagation(MODEL, damping=np.nan), "damping: got nan"),
    "sweeps": (lambda: expectation_propagation(MODEL, max_sweeps=0), "max_sweeps: got 0"),
    "tol": (lambda: expectation_propagation(MODEL, tol=-1.0), "tol: got -1.0"),
    "directions": (
        lambda: expectation_propagation(dataclasses.replace(MODEL, sites=models.probit(X, Y).sites)),
        r"model.sites.directions: got shape \(30, 2\), needs shape \(n, 1\)",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()
