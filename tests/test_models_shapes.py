"""Banana, two moons and funnel: densities against SciPy and quadrature, moments, and draws against both."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import scipy.stats
from zscores import assert_mean

from vi_lab import models
from vi_lab.quadrature import grid

BANANA = models.banana(curvature=0.4, std=1.5)
MOONS = models.two_moons(width=0.12)
FUNNEL = models.funnel(std=1.5)
SHAPES = {
    "banana": (BANANA, [-14, -10], [14, 70], 400),
    "moons": (MOONS, [-4, -4], [4, 4], 300),
    "funnel": (FUNNEL, [-12, -20], [15, 20], 400),
}


def nodes(name):
    """Points and weights on the model's box; the funnel's second axis is that of t, z_1 = exp(-6) sinh(t), on which
    neck and mouth are equally wide.
    """
    _, lower, upper, num_points = SHAPES[name]
    z, weights = grid(lower, upper, dim=2, num_points=num_points)
    if name == "funnel":
        weights = weights * jnp.exp(-6) * jnp.cosh(z[:, 1])
        z = z.at[:, 1].set(jnp.exp(-6) * jnp.sinh(z[:, 1]))
    return z, weights


def moons_by_scipy(z):
    """Each crescent by the change of variables from (log r, angle); the angle summed over eleven windings."""
    terms = []
    for turn in (1, -1):
        x, y = turn * np.asarray(z) - np.array([-0.5, -0.25])
        r, angle = np.hypot(x, y), np.arctan2(x, y) + 2 * np.pi * np.arange(-5, 6)
        density = scipy.stats.lognorm(s=0.12).pdf(r) * scipy.stats.norm(scale=0.7).pdf(angle).sum()
        terms.append(density / r)
    return np.log(np.mean(terms))


def test_banana_agrees_with_scipy(key):
    norm = scipy.stats.norm
    for z in np.asarray(2 * jax.random.normal(key, (20, 2))):
        expected = norm.logpdf(z[0], 0, 1.5) + norm.logpdf(z[1], 0.4 * (z[0] ** 2 - 1.5**2), 1)
        np.testing.assert_allclose(BANANA.log_joint(z), expected, rtol=1e-10)


def test_moons_agree_with_scipy(key):
    for z in np.asarray(2 * jax.random.normal(key, (20, 2))):
        np.testing.assert_allclose(MOONS.log_joint(z), moons_by_scipy(z), rtol=1e-9)


def test_moons_at_the_centers_of_their_arcs():
    """One moon alone has density there; each log density and gradient is a number, or -inf with no slope."""
    for center in (jnp.array([-0.5, -0.25]), jnp.array([0.5, 0.25])):
        values = [moon.log_prob(center) for moon in MOONS.posterior.components]
        assert sorted(np.isneginf(values)) == [False, True]
        np.testing.assert_allclose(MOONS.log_joint(center), np.max(values) - np.log(2))
        assert np.isfinite(jax.grad(MOONS.log_joint)(center)).all()


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_are_normalized_and_have_the_moments_they_state(name):
    model, (z, weights) = SHAPES[name][0], nodes(name)
    mass = weights * np.exp(jax.vmap(model.log_joint)(z))
    mean = mass @ z
    np.testing.assert_allclose(np.log(mass.sum()), model.log_evidence, atol=1e-7)
    np.testing.assert_allclose(mean, model.posterior.mean, atol=1e-6)
    np.testing.assert_allclose((z - mean).T @ (mass[:, None] * (z - mean)), model.posterior.cov(), atol=1e-5)
    if name != "moons":
        np.testing.assert_allclose(-mass @ model.posterior.log_prob(z), model.posterior.entropy(), rtol=1e-6)
    else:
        with pytest.raises(NotImplementedError, match="Monte Carlo"):
            model.posterior.components[0].entropy()


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_draw_from_their_density(name, key):
    """Mass of twelve boxes by quadrature, frequencies by draws: a chi-square test with 12 degrees of freedom."""
    model, *_ = SHAPES[name]
    draws = np.asarray(model.posterior.sample(key, 40_000))
    edges = (np.linspace(-2, 2, 5), np.linspace(-1.5, 1.5, 4))
    counts = np.histogram2d(*draws.T, bins=edges)[0].reshape(-1)
    boxes = [
        grid([a, c], [b, d], dim=2, num_points=60)
        for a, b in itertools.pairwise(edges[0])
        for c, d in itertools.pairwise(edges[1])
    ]
    mass = np.array([weights @ np.exp(model.posterior.log_prob(z)) for z, weights in boxes])
    observed, expected = np.append(counts, 40_000 - counts.sum()), np.append(mass, 1 - mass.sum()) * 40_000
    assert scipy.stats.chisquare(observed, expected).pvalue > 1e-6


@pytest.mark.parametrize("dim", [2, 5])
def test_funnel_agrees_with_numpyro(dim, key):
    """Its density at points that another law draws, and its entropy by its own draws."""
    model = models.funnel(dim, std=1.5)
    z = 2 * jax.random.normal(key, (20, dim))
    rest = dist.Normal(0, jnp.exp(z[:, :1] / 2)).log_prob(z[:, 1:]).sum(-1)
    expected = dist.Normal(0, 1.5).log_prob(z[:, 0]) + rest
    np.testing.assert_allclose(jax.vmap(model.log_joint)(z), expected, rtol=1e-10)
    log_prob = model.posterior.log_prob(model.posterior.sample(key, 20_000))
    assert_mean(-log_prob, model.posterior.entropy(), "entropy")


def test_funnel_draws_and_moments_in_more_dimensions(key):
    """Draws over their own scale are standard normal and independent; a narrow funnel's second moments are light
    enough for a z-test, and a funnel elsewhere moves with its mean.
    """
    narrow = dataclasses.replace(models.funnel(4, std=0.5).posterior, mean=jnp.array([1.0, 2.0, 0.0, -1.0]))
    z = narrow.sample(key, 40_000)
    v, apart = z[:, 0], z - narrow.mean
    scaled = np.column_stack([apart[:, 0] / 0.5, apart[:, 1:] / np.exp(v / 2)[:, None]])
    for column in scaled.T:
        assert scipy.stats.kstest(column, "norm").pvalue > 1e-6
    assert np.abs(np.corrcoef(scaled.T)[np.triu_indices(4, 1)]).max() * np.sqrt(40_000) < 5
    assert_mean(apart[:, :, None] * apart[:, None, :], narrow.cov(), "covariance")
    assert_mean(-narrow.log_prob(z), narrow.entropy(), "entropy")


def test_funnel_is_as_heavy_as_it_says():
    """E z_1^4 / (E z_1^2)^2 by quadrature over v."""
    v, weights = grid(-20, 40, dim=1, num_points=400)
    mass = weights * scipy.stats.norm.pdf(v[:, 0], 0, 3)
    variance, fourth = mass @ np.exp(v[:, 0]), 3 * mass @ np.exp(2 * v[:, 0])
    np.testing.assert_allclose(models.funnel(3).posterior.cov()[1:, 1:], variance * np.eye(2), rtol=1e-9)
    np.testing.assert_allclose(fourth / variance**2, 24_309, atol=0.5)


@pytest.mark.parametrize("model", [BANANA, MOONS, FUNNEL], ids=["banana", "moons", "funnel"])
def test_data_are_traced_and_both_dtypes_work(model):
    assert isinstance(model.log_joint, jax.tree_util.Partial)
    single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), model.log_joint)
    z = jnp.linspace(0.2, 0.7, model.dim)
    value = jax.jit(lambda joint, z: joint(z))(single, z.astype(jnp.float32))
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, model.log_joint(z), rtol=1e-4)
    assert np.isfinite(jax.grad(model.log_joint)(z)).all()


BAD = {
    "std": (lambda: models.banana(std=0.0), "std: got a smallest value of 0"),
    "curvature": (lambda: models.banana(curvature=np.nan), "curvature: got a value that is NaN"),
    "curvatures": (lambda: models.banana(curvature=[1.0, 2.0]), r"curvature: got shape \(2,\)"),
    "funnel's std": (lambda: models.funnel(std=0.0), "std: got a smallest value of 0"),
    "funnel's dim": (lambda: models.funnel(1), "dim: got 1, needs a whole number of at least 2"),
    "funnel's point": (lambda: FUNNEL.posterior.log_prob(jnp.zeros(3)), r"z: got shape \(3,\)"),
    "funnel's noise": (lambda: FUNNEL.posterior.transform(jnp.zeros(1)), r"eps: got shape \(1,\)"),
    "width": (lambda: models.two_moons(width=-0.1), "width: got a smallest value of -0.1"),
    "point": (lambda: BANANA.posterior.log_prob(jnp.zeros(3)), r"z: got shape \(3,\), needs shape \(..., 2\)"),
    "noise": (lambda: MOONS.posterior.components[0].transform(jnp.zeros(1)), r"eps: got shape \(1,\)"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()
