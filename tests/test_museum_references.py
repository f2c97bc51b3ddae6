"""The museum's references against integrals, closed forms and long runs that share no code with it."""

import jax
import numpy as np
import pytest
from scipy import stats

from vi_lab import data, museum

KEY = jax.random.key(2)
PUBLISHED = data.reference_posterior("eight_schools-eight_schools_noncentered")


def moments_on_a_grid(log_density, lower, upper):
    """Sums over a fine grid, whose edges hold nothing: for smooth densities as good as any rule."""
    axes = [np.linspace(low, high, 601) for low, high in zip(lower, upper, strict=True)]
    z = np.stack(np.meshgrid(*axes, indexing="ij"))
    log_p = log_density(*z)
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    mean = (p * z).sum(axis=(1, 2))
    return mean, np.sqrt((p * (z - mean[:, None, None]) ** 2).sum(axis=(1, 2)))


def logistic(x, y, prior_std):
    def log_density(a, b):
        logits = x[:, 0, None, None] * a + x[:, 1, None, None] * b
        likelihood = stats.bernoulli.logpmf(y[:, None, None], 1 / (1 + np.exp(-logits))).sum(axis=0)
        return likelihood + stats.norm.logpdf(a, 0, prior_std) + stats.norm.logpdf(b, 0, prior_std)

    return log_density


def two_groups(a, b):
    y = np.array(museum.modes.HEIGHTS)[:, None, None]
    either = np.log(0.5 * stats.norm.pdf(y, a, 0.5) + 0.5 * stats.norm.pdf(y, b, 0.5)).sum(axis=0)
    return either + stats.norm.logpdf(a, 0, 3) + stats.norm.logpdf(b, 0, 3)


def spread(mean, log_sigma):
    y = museum.joints.FLAWS[:, None, None]
    data = stats.norm.logpdf(y, mean, np.exp(log_sigma)).sum(axis=0)
    return data + stats.norm.logpdf(mean, 0, 1) + stats.lognorm.logpdf(np.exp(log_sigma), 0.5) + log_sigma


COLUMNS = np.stack([np.ones(10), museum.joints.DOSES], 1)
KILOMETERS = 1e-3 * np.stack([np.arange(-5.0, 5.0), np.tile([-2.0, -1, 0, 1, 2], 2)], 1)
BY_GRID = {
    "label-switching": (two_groups, (-5, -5), (5, 5)),
    "forgotten-jacobian": (spread, (-5, -3), (5, 3)),
    "jacobian-nowhere": (spread, (-5, -3), (5, 3)),
    "wrong-sign": (logistic(COLUMNS, museum.joints.CURED, 0.5), (-7, -7), (7, 7)),
    "faint-data": (logistic(KILOMETERS, museum.joints.CURED, 1.0), (-7, -7), (7, 7)),
}


@pytest.mark.parametrize("name", BY_GRID)
def test_references_that_are_integrals(name):
    log_density, lower, upper = BY_GRID[name]
    mean, std = moments_on_a_grid(log_density, lower, upper)
    reference = museum.exhibit(name).reference
    np.testing.assert_allclose(reference.mean, mean, atol=2e-3)
    np.testing.assert_allclose(reference.std, std, rtol=2e-3)


SHARES = [stats.beta(1 + b, 1 + v - b) for v, b in zip(museum.joints.VISITORS, museum.joints.BUYERS, strict=True)]
KNOWN = {
    "one-of-two-modes": ([4, 4], np.sqrt([17, 17])),
    "minor-mode": ([6.65, 6.65], np.sqrt(1 + 49 * 0.05 * 0.95) * np.ones(2)),
    "neal-funnel": ([0, 0], [3, np.exp(9 / 4)]),
    "banana": ([0, 0], [2, np.sqrt(33)]),
    "heavy-tails": ([0, 0], np.sqrt([3, 3])),
    "no-data": ([0, 0], [1, 1]),
    "bounded": ([p.mean() for p in SHARES], [p.std() for p in SHARES]),
}


@pytest.mark.parametrize("name", KNOWN)
def test_references_that_are_known(name):
    mean, std = KNOWN[name]
    reference = museum.exhibit(name).reference
    np.testing.assert_allclose(reference.mean, mean, atol=1e-8)
    np.testing.assert_allclose(reference.std, std, rtol=1e-8)


def test_the_reference_of_eight_schools_is_that_of_long_runs():
    """posteriordb's means of theta within five of their Monte Carlo errors, standard deviations within 3%."""
    found = museum.exhibit("schools-mean-field").reference
    mu, theta = PUBLISHED["mu"], PUBLISHED["theta"]
    assert np.all(abs(found.mean[2:] - theta.mean) < 5 * theta.mcse_mean)
    np.testing.assert_allclose(found.std[2:], theta.sd, rtol=0.03)
    assert abs(found.mean[0] - mu.mean) < 5 * mu.mcse_mean


LINES = {  # design, response, noise, prior, of the model that should have been written
    "correlated": (np.stack([np.ones(10), museum.shapes.YEARS - 2010], 1), museum.shapes.SALES, 0.5, 10.0),
    "ridge": (np.ones((10, 2)), np.linspace(1.2, 2.8, 10), 0.3, 5.0),
    "stuck": (museum.climbs.DESIGN, museum.climbs.Y, 0.7, 5.0),
    "prior-conflict": (COLUMNS, 5 - 4 * museum.joints.DOSES, 1.0, 0.3),
    "data-twice": (COLUMNS, museum.beliefs.EFFECTS, 0.5, 1.0),
    "missing-term": (np.stack([np.ones(20), museum.beliefs.TIMES], 1), museum.beliefs.BENT, 0.3, 5.0),
}


@pytest.mark.parametrize("name", LINES)
def test_references_of_straight_lines(name):
    """Rows of the prior under those of the data, and least squares."""
    x, y, noise, prior = LINES[name]
    rows, response = np.vstack([x / noise, np.eye(2) / prior]), np.concatenate([y / noise, np.zeros(2)])
    reference = museum.exhibit(name).reference
    np.testing.assert_allclose(reference.mean, np.linalg.lstsq(rows, response)[0], rtol=1e-8)
    np.testing.assert_allclose(reference.std, np.sqrt(np.diag(np.linalg.inv(rows.T @ rows))), rtol=1e-8)


def test_a_reference_that_can_be_drawn_from_has_the_moments_it_states():
    """Two moons: both, to five of the draws' standard errors."""
    reference = museum.exhibit("two-moons").reference
    z = np.asarray(reference.posterior.sample(KEY, 20_000))
    assert np.all(np.abs(z.mean(axis=0) - reference.mean) < 5 * reference.std / np.sqrt(len(z)))
    np.testing.assert_allclose(z.std(axis=0), reference.std, rtol=0.03)
