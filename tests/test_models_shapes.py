"""Banana and two moons: densities against SciPy and quadrature, moments, and draws against both."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from vi_lab import models
from vi_lab.quadrature import grid

BANANA = models.banana(curvature=0.4, std=1.5)
MOONS = models.two_moons(width=0.12)
SHAPES = {"banana": (BANANA, [-14, -10], [14, 70], 400), "moons": (MOONS, [-4, -4], [4, 4], 300)}


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
    model, lower, upper, num_points = SHAPES[name]
    z, weights = grid(lower, upper, dim=2, num_points=num_points)
    mass = weights * np.exp(jax.vmap(model.log_joint)(z))
    mean = mass @ z
    np.testing.assert_allclose(np.log(mass.sum()), model.log_evidence, atol=1e-7)
    np.testing.assert_allclose(mean, model.posterior.mean, atol=1e-6)
    np.testing.assert_allclose((z - mean).T @ (mass[:, None] * (z - mean)), model.posterior.cov(), atol=1e-5)
    if name == "banana":
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


@pytest.mark.parametrize("model", [BANANA, MOONS], ids=["banana", "moons"])
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
    "width": (lambda: models.two_moons(width=-0.1), "width: got a smallest value of -0.1"),
    "point": (lambda: BANANA.posterior.log_prob(jnp.zeros(3)), r"z: got shape \(3,\), needs shape \(..., 2\)"),
    "noise": (lambda: MOONS.posterior.components[0].transform(jnp.zeros(1)), r"eps: got shape \(1,\)"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()
