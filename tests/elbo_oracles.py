"""What the proofs of chapter 3 share: its four models, written with NumPy and SciPy alone."""

from functools import cache
from importlib.resources import files

import numpy as np
from scipy import integrate, stats
from scipy.special import comb, log_expit

DATA = files("vi_lab.data")
SPEED, DISTANCE = np.loadtxt(str(DATA / "cars.csv"), delimiter=",", skiprows=1, unpack=True)
X = np.loadtxt(str(DATA / "sleep.csv"), delimiter=",", skiprows=1) @ np.array([0, -1, 1])
POSTERIOR = stats.norm(X.sum() / 1.44 / (10 / 1.44 + 1 / 4), (10 / 1.44 + 1 / 4) ** -0.5)
PRIOR = np.full(3, 1 / 3)
FIVE, SEVEN = PRIOR / [6, 8, 12], PRIOR * [0, 1 / 8, 1 / 12]  # p(z, x) of the three dice
Q = np.array([0.2, 0.3, 0.5])
DOSE, DEATHS = np.array([-0.86, -0.30, -0.05, 0.73]), np.array([0, 1, 3, 5])  # five animals a dose
BIOASSAY_PRIOR = stats.multivariate_normal([0, 10], [[4, 10], [10, 100]])


def sleep_joint(z):
    return stats.norm(0, 2).logpdf(z) + stats.norm(z, 1.2).logpdf(X).sum()


def expect(q, f):
    low, high = q.ppf([1e-14, 1 - 1e-14])
    return integrate.quad(lambda z: q.pdf(z) * f(z), low, high, epsabs=1e-12, points=[q.mean()])[0]


def sleep_evidence():
    return stats.multivariate_normal(np.zeros(10), 1.44 * np.eye(10) + 4.0).logpdf(X)


def powers(degree):
    return (SPEED[:, None] / 10) ** np.arange(degree + 1)


def cars_evidence(degree, prior_std=20):
    """The marginal density of the fifty distances: no posterior is involved."""
    cov = 225 * np.eye(50) + prior_std**2 * powers(degree) @ powers(degree).T
    return stats.multivariate_normal(np.zeros(50), cov).logpdf(DISTANCE)


def cars_precision(degree):
    return powers(degree).T @ powers(degree) / 225 + np.eye(degree + 1) / 400


def mean_field_gap(precision):
    return 0.5 * (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1])


def orthogonal_precision(degree):
    """Of u = R z, where the powers are Q R and z ~ N(0, 20^2 I)."""
    r = np.linalg.qr(powers(degree), mode="r")
    return np.eye(degree + 1) / 225 + np.linalg.inv(400 * r @ r.T)


def bioassay_log_joint(z):
    """log p(z, x) at each (alpha, beta)."""
    logit = z[..., :1] + z[..., 1:] * DOSE
    log_likelihood = np.log(comb(5, DEATHS)) + DEATHS * log_expit(logit) + (5 - DEATHS) * log_expit(-logit)
    return BIOASSAY_PRIOR.logpdf(z) + log_likelihood.sum(axis=-1)


@cache
def bioassay_evidence():
    def joint(beta, alpha):
        return np.exp(bioassay_log_joint(np.array([alpha, beta])))

    return np.log(integrate.dblquad(joint, -8, 10, -10, 50, epsabs=1e-9, epsrel=1e-5)[0])
