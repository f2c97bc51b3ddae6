"""What the proofs of chapter 3 share: its three models, written with NumPy and SciPy alone."""

from importlib.resources import files

import numpy as np
from scipy import integrate, stats

DATA = files("vi_lab.data")
SPEED, DISTANCE = np.loadtxt(str(DATA / "cars.csv"), delimiter=",", skiprows=1, unpack=True)
X = np.loadtxt(str(DATA / "sleep.csv"), delimiter=",", skiprows=1) @ np.array([0, -1, 1])
POSTERIOR = stats.norm(X.sum() / 1.44 / (10 / 1.44 + 1 / 4), (10 / 1.44 + 1 / 4) ** -0.5)
PRIOR = np.full(3, 1 / 3)
FIVE, SEVEN = PRIOR / [6, 8, 12], PRIOR * [0, 1 / 8, 1 / 12]  # p(z, x) of the three dice
Q = np.array([0.2, 0.3, 0.5])


def sleep_joint(z):
    return stats.norm(0, 2).logpdf(z) + stats.norm(z, 1.2).logpdf(X).sum()


def expect(q, f):
    low, high = q.ppf([1e-14, 1 - 1e-14])
    return integrate.quad(lambda z: q.pdf(z) * f(z), low, high, epsabs=1e-12, points=[q.mean()])[0]


def sleep_evidence():
    return stats.multivariate_normal(np.zeros(10), 1.44 * np.eye(10) + 4.0).logpdf(X)


def powers(degree):
    return (SPEED[:, None] / 10) ** np.arange(degree + 1)


def cars_evidence(degree):
    """The marginal density of the fifty distances: no posterior is involved."""
    cov = 225 * np.eye(50) + 400 * powers(degree) @ powers(degree).T
    return stats.multivariate_normal(np.zeros(50), cov).logpdf(DISTANCE)


def cars_precision(degree):
    return powers(degree).T @ powers(degree) / 225 + np.eye(degree + 1) / 400


def mean_field_gap(precision):
    return 0.5 * (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1])
