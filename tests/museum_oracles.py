"""Oracles of the museum's page in NumPy and SciPy: Gaussian linear models, and moments by sums over a grid."""

import numpy as np
from scipy import stats


def data_of(exhibit):
    """Design, responses and noise of a linear model: what was measured, not what was computed from it."""
    return tuple(np.asarray(part) for part in exhibit.model.log_likelihood.args[:3])


def linear_posterior(x, y, noise, prior, weight=1.0):
    """Mean and covariance for y ~ N(x z, noise^2), z ~ N(0, prior^2), the likelihood raised to a power."""
    precision = weight * x.T @ x / noise**2 + np.eye(x.shape[1]) / prior**2
    cov = np.linalg.inv(precision)
    return cov @ x.T @ y * weight / noise**2, cov


def linear_evidence(x, y, noise, prior):
    return stats.multivariate_normal(np.zeros(len(y)), noise**2 * np.eye(len(y)) + prior**2 * x @ x.T).logpdf(y)


def linear_elbo(x, y, noise, prior, mean, cov):
    """E_q[log p(y, z)] plus entropy, for a Gaussian q: a polynomial of its moments."""
    rest = y - x @ mean
    likelihood = -len(y) * np.log(noise * np.sqrt(2 * np.pi)) - (rest @ rest + np.trace(x @ cov @ x.T)) / (2 * noise**2)
    dim = len(mean)
    before = -dim * np.log(prior * np.sqrt(2 * np.pi)) - (mean @ mean + np.trace(cov)) / (2 * prior**2)
    return likelihood + before + stats.multivariate_normal(mean, cov).entropy()


def on_grid(log_density, *axes):
    """Log evidence, mean and standard deviation of exp(log_density) by a sum over a regular grid."""
    z = np.meshgrid(*axes, indexing="ij")
    log_p = log_density(*z)
    cell = np.prod([axis[1] - axis[0] for axis in axes])
    p = np.exp(log_p - log_p.max())
    total = p.sum()
    mean = np.array([(p * part).sum() / total for part in z])
    std = np.sqrt([(p * (part - m) ** 2).sum() / total for part, m in zip(z, mean, strict=True)])
    return np.log(total * cell) + log_p.max(), mean, std
