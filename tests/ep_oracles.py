"""Expectation propagation anew, with NumPy alone: full-dimensional sites, tilted moments summed on a grid."""

from typing import NamedTuple

import numpy as np
from scipy import integrate, stats
from scipy.special import log_ndtr, logsumexp

# Minka's setting, drawn once with z = 2 and half of it background: the twenty numbers of the page.
TWENTY = np.array([0.08, 4.89, 1.56, 0.92, -0.58, 1.71, 6.12, -0.85, 2.19, 3.17])
TWENTY = np.append(TWENTY, [-2.80, 1.07, 2.79, 2.58, 1.79, 1.22, -8.94, -0.49, 2.69, -5.28])


class Gaussian(NamedTuple):
    """Natural parameters of exp(shift . z - z' precision z / 2)."""

    precision: np.ndarray
    shift: np.ndarray

    def log_integral(self):
        sign, log_det = np.linalg.slogdet(self.precision / (2 * np.pi))
        assert sign > 0
        return (self.shift @ np.linalg.solve(self.precision, self.shift) - log_det) / 2

    def moments(self):
        cov = np.linalg.inv(self.precision)
        return cov @ self.shift, cov


def sum_of(*gaussians):
    return Gaussian(*(sum(parts) for parts in zip(*gaussians, strict=True)))


def from_moments(mean, cov):
    precision = np.linalg.inv(cov)
    return Gaussian(precision, precision @ mean)


def tilted(cavity, log_factor, num_points):
    """log of the integral of factor times *normalized* cavity, and the Gaussian with the tilted moments."""
    mean, cov = cavity.moments()
    axis = np.linspace(-11, 11, num_points)
    u = np.stack(np.meshgrid(*[axis] * len(mean), indexing="ij"), axis=-1).reshape(-1, len(mean))
    z = mean + u @ np.linalg.cholesky(cov).T
    log_p = log_factor(z) + stats.norm.logpdf(u).sum(axis=1) + len(mean) * np.log(axis[1] - axis[0])
    log_z = logsumexp(log_p)
    p = np.exp(log_p - log_z)
    first = p @ z
    return log_z, from_moments(first, (z - first).T * p @ (z - first))


def run(prior, log_factors, *, sweeps=30, num_points=4001, damping=1.0):
    """Sequential EP in all dimensions at once: (mean, cov, log evidence, precision matrices of the sites)."""
    sites = [Gaussian(0 * prior.precision, 0 * prior.shift) for _ in log_factors]
    for _ in range(sweeps):
        for i, log_factor in enumerate(log_factors):
            cavity = sum_of(prior, *sites[:i], *sites[i + 1 :])
            _, q = tilted(cavity, log_factor, num_points)
            new = [a - b for a, b in zip(q, cavity, strict=True)]
            sites[i] = Gaussian(*(s + damping * (n - s) for s, n in zip(sites[i], new, strict=True)))
    q = sum_of(prior, *sites)
    log_evidence = q.log_integral() - prior.log_integral()
    for i, log_factor in enumerate(log_factors):
        cavity = sum_of(prior, *sites[:i], *sites[i + 1 :])
        log_evidence += tilted(cavity, log_factor, num_points)[0] + cavity.log_integral() - q.log_integral()
    return *q.moments(), log_evidence, np.array([site.precision for site in sites])


def clutter_factors(x, w=0.5, a=10.0):
    def log_factor(x_i):
        background = np.log(w) + stats.norm.logpdf(x_i, 0, a**0.5)
        return lambda z: np.logaddexp(np.log(1 - w) + stats.norm.logpdf(x_i, z[:, 0], 1), background)

    return [log_factor(x_i) for x_i in x]


def probit_factors(x, y):
    return [lambda z, a=sign * row: log_ndtr(z @ a) for row, sign in zip(x, 2 * np.asarray(y) - 1, strict=True)]


def exact(prior, log_factors, lower, upper, num_points):
    """log evidence, mean and covariance of the posterior, by the trapezoidal rule on a box."""
    axes = [np.linspace(a, b, num_points) for a, b in zip(lower, upper, strict=True)]
    z = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    log_p = z @ prior.shift - 0.5 * np.einsum("ni,ij,nj->n", z, prior.precision, z) - prior.log_integral()
    log_p += sum(log_factor(z) for log_factor in log_factors) + sum(np.log(axis[1] - axis[0]) for axis in axes)
    log_evidence = logsumexp(log_p)
    p = np.exp(log_p - log_evidence)
    edge = np.any((z == z.min(axis=0)) | (z == z.max(axis=0)), axis=1)
    assert p[edge].max() < 1e-12, "the box cuts the posterior"
    mean = p @ z
    return log_evidence, mean, (z - mean).T * p @ (z - mean)


def clutter_evidence_by_enumeration(x, w=0.5, a=10.0, b=100.0):
    """The sum over the 2^n sets of signals, each a Gaussian marginal."""
    terms = []
    for index in range(2 ** len(x)):
        signal = (index >> np.arange(len(x))) % 2 == 1
        term = np.log(w) * (~signal).sum() + np.log(1 - w) * signal.sum()
        term += stats.norm.logpdf(x[~signal], 0, a**0.5).sum()
        if signal.any():
            k = signal.sum()
            term += stats.multivariate_normal(np.zeros(k), np.eye(k) + b).logpdf(x[signal])
        terms.append(term)
    return logsumexp(terms)


def probit_evidence_by_dblquad(x, y, prior_std):
    def joint(z_2, z_1):
        z = np.array([z_1, z_2])
        return np.exp(stats.norm.logpdf(z, 0, prior_std).sum() + log_ndtr((2 * y - 1) * (x @ z)).sum())

    reach = 9 * prior_std
    return np.log(integrate.dblquad(joint, -reach, reach, -reach, reach, epsabs=0, epsrel=1e-7)[0])
