"""Clutter and probit: joints by SciPy, evidences by enumeration, closed forms and other quadratures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
from ep_oracles import clutter_evidence_by_enumeration, probit_evidence_by_dblquad
from scipy import stats
from scipy.special import log_ndtr
from zscores import assert_mean, assert_variance

from vi_lab import models

X = np.array([-1.3, 2.4, 3.1, 0.2, 1.8, -4.0, 2.2, 1.1])  # clutter
RNG = np.random.default_rng(7)
DESIGN = np.column_stack([np.ones(15), RNG.normal(size=15)])
Y = (DESIGN @ [0.4, 1.5] + RNG.normal(size=15) > 0).astype(float)


def clutter_joint(z, x, w, a, b):
    signal, background = (1 - w) * stats.norm.pdf(x, z, 1), w * stats.norm.pdf(x, 0, a**0.5)
    return stats.norm.logpdf(z, 0, b**0.5) + np.log(signal + background).sum()


def test_clutter_joint_has_variances_for_settings(key):
    model = models.clutter(X, w=0.3, a=6.0, b=20.0)
    for z in np.asarray(4 * jax.random.normal(key, (10,))):
        np.testing.assert_allclose(model.log_joint(jnp.array([z])), clutter_joint(z, X, 0.3, 6.0, 20.0), rtol=1e-12)


@pytest.mark.parametrize("setting", [{}, {"w": 0.2, "a": 3.0, "b": 0.5}, {"w": 0.9, "b": 3e4}])
def test_clutter_evidence_is_the_sum_over_all_sets_of_signals(setting):
    model = models.clutter(X, **setting)
    np.testing.assert_allclose(model.log_evidence, clutter_evidence_by_enumeration(X, **setting), rtol=1e-12)
    np.testing.assert_allclose(model.posterior.log_prob([[1.0]]), model.log_joint(jnp.ones(1)) - model.log_evidence)


def test_clutter_evidence_of_many_data():
    x = np.concatenate([X, X + 0.3, X - 20.0])
    value, _ = scipy.integrate.quad(
        lambda z: np.exp(clutter_joint(z, x, 0.5, 10.0, 100.0) + 180), -60, 60, points=[-18, 2], limit=500, epsabs=0
    )
    np.testing.assert_allclose(models.clutter(x).log_evidence, np.log(value) - 180, atol=1e-8)


def test_no_evidence_that_would_cost_too_much_or_is_traced():
    assert models.clutter(X, b=1e9).log_evidence is None
    traced = jax.jit(lambda x: models.clutter(x).log_joint(jnp.ones(1)))(X)
    np.testing.assert_allclose(traced, clutter_joint(1.0, X, 0.5, 10.0, 100.0))


def test_probit_joint_agrees_with_scipy_far_into_the_tails(key):
    model = models.probit(DESIGN, Y, prior_std=2.0)
    for scale in (1, 1000):
        for z in np.asarray(scale * jax.random.normal(key, (10, 2))):
            expected = stats.norm.logpdf(z, 0, 2).sum() + log_ndtr((2 * Y - 1) * (DESIGN @ z)).sum()
            np.testing.assert_allclose(model.log_joint(z), expected, rtol=1e-9)
            assert np.isfinite(jax.grad(model.log_joint)(z)).all()


def test_probit_evidence_of_two_data_is_an_orthant():
    """Two scores with correlation rho are both positive with probability 1/4 + arcsin(rho) / (2 pi)."""
    x, std = np.array([[1.0, 3.0], [-0.5, 2.0]]), 2.0
    cov = np.eye(2) + std**2 * x @ x.T
    orthant = 0.25 + np.arcsin(cov[0, 1] / np.sqrt(cov[0, 0] * cov[1, 1])) / (2 * np.pi)
    for y, probability in (([1, 1], orthant), ([0, 1], 0.5 - orthant)):
        np.testing.assert_allclose(models.probit(x, y, prior_std=std).log_evidence, np.log(probability), atol=1e-9)


@pytest.mark.parametrize("y", [Y, (DESIGN[:, 1] > 0).astype(float)], ids=["overlapping", "separable"])
def test_probit_evidence_in_two_dimensions(y):
    expected = probit_evidence_by_dblquad(DESIGN, y, 2.0)
    np.testing.assert_allclose(models.probit(DESIGN, y, prior_std=2.0).log_evidence, expected, atol=1e-7)


def test_probit_evidence_in_one_dimension_and_no_more_than_two():
    x = DESIGN[:, 1:]
    value, _ = scipy.integrate.quad(
        lambda z: np.exp(stats.norm.logpdf(z, 0, 10) + log_ndtr((2 * Y - 1) * (x[:, 0] * z)).sum()),
        -20,
        90,
        points=[0, 5, 20],
        epsabs=0,
    )
    np.testing.assert_allclose(models.probit(x, Y, prior_std=10.0).log_evidence, np.log(value), atol=1e-8)
    assert models.probit(np.ones((4, 3)), [0, 1, 1, 0]).log_evidence is None


def test_probit_evidence_is_exact_or_none():
    """A symmetric prior puts half of its mass on each side; a boundary too sharp for every rule has no evidence."""
    np.testing.assert_allclose(models.probit([[3.0]], [1]).log_evidence, np.log(0.5), atol=1e-9)
    for slope in (100.0, 1000.0):
        for x in ([[slope]], slope * np.eye(2)):
            model = models.probit(x, np.ones(len(x)))
            assert model.log_evidence is None and model.posterior is None


def test_clutter_evidence_in_32_bits_of_a_wide_prior():
    """The nodes' spacing is not the difference of two rounded nodes."""
    single = models.clutter(np.array([2.0, 2.5], np.float32), b=1e4).log_evidence
    np.testing.assert_allclose(single, models.clutter([2.0, 2.5], b=1e4).log_evidence, rtol=1e-6)


def test_simulated_data_have_the_moments_of_the_likelihood(key):
    keys = jax.random.split(key, 20_000)
    data = jax.vmap(lambda k: models.clutter(X, w=0.25, a=9.0).simulate(k, jnp.array([2.0])))(keys)
    assert_mean(data, np.full(8, 0.75 * 2), "clutter mean")
    assert_variance(data, np.full(8, 0.75 * (1 + 4) + 0.25 * 9 - 1.5**2), "clutter variance")
    z = np.array([0.4, 1.5])
    labels = jax.vmap(lambda k: models.probit(DESIGN, Y).simulate(k, z))(keys)
    assert_mean(labels, stats.norm.cdf(DESIGN @ z), "probit mean")


@pytest.mark.parametrize("name", ["clutter", "probit"])
def test_sites_are_the_average_of_their_factor_under_a_gaussian(name):
    """log_z by Gauss-Hermite, and at variance zero the factor itself: together they are the likelihood."""
    model = models.clutter(X) if name == "clutter" else models.probit(DESIGN, Y)
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    z = np.linspace(-1, 2, model.dim)
    a = np.asarray(model.sites.directions)
    factors = jax.vmap(model.sites.log_z, in_axes=(0, 0, None))(jnp.arange(len(a)), a @ z, 0.0)
    np.testing.assert_allclose(np.sum(factors), model.log_likelihood(z), rtol=1e-12)
    for mean, var in ((0.5, 0.3), (-1.0, 2.0)):
        values = [np.exp(model.sites.log_z(3, mean + var**0.5 * node, 0.0)) for node in nodes]
        expected = np.log(weights @ np.array(values) / np.sqrt(2 * np.pi))
        np.testing.assert_allclose(model.sites.log_z(3, mean, var), expected, atol=1e-9)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_dtypes(dtype):
    for single, double in (
        (models.clutter(X.astype(dtype)), models.clutter(X)),
        (models.probit(DESIGN.astype(dtype), Y.astype(dtype)), models.probit(DESIGN, Y)),
    ):
        assert single.log_evidence.dtype == single.log_joint(jnp.ones(single.dim, dtype)).dtype == dtype
        np.testing.assert_allclose(single.log_evidence, double.log_evidence, rtol=1e-5)


BAD = {
    "clutter data": (lambda: models.clutter([[1.0]]), r"x: got shape \(1, 1\)"),
    "clutter NaN": (lambda: models.clutter([np.nan]), "x: got a value that is NaN"),
    "w": (lambda: models.clutter(X, w=1.0), "w: got 1, needs a number between 0 and 1"),
    "a": (lambda: models.clutter(X, a=0.0), "a: got a smallest value of 0"),
    "b": (lambda: models.clutter(X, b=[1.0, 2.0]), r"b: got shape \(2,\), needs a single number"),
    "design": (lambda: models.probit(Y, Y), r"x: got shape \(15,\), needs a design matrix"),
    "lengths": (lambda: models.probit(DESIGN, Y[:4]), r"y: got shape \(4,\), needs shape \(15,\)"),
    "labels": (lambda: models.probit(DESIGN, 2 * Y - 1), r"y: got values \[-1.0, 1.0\], needs the values 0 and 1"),
    "NaN label": (lambda: models.probit(DESIGN, Y * np.nan), "y: got values"),
    "infinite": (lambda: models.probit(DESIGN * np.inf, Y), "x: got a value that is NaN or infinite"),
    "prior": (lambda: models.probit(DESIGN, Y, prior_std=-1.0), "prior_std: got a smallest value of -1"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()
