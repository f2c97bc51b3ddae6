"""What the tests and proofs of chapter 5 share: moments of gradient estimators, in NumPy and SciPy alone.

Throughout, q = N(m, s^2), f(z) = (z - k)^2 and d = m - k; `e` is the standardized draw (z - m) / s.
"""

from importlib.resources import files
from itertools import product

import numpy as np
from scipy import stats

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(80)
WEIGHTS = WEIGHTS / WEIGHTS.sum()  # sums over NODES are expectations under a standard normal


def expect(f) -> float:
    """E[f(e)], e standard normal; exact for polynomials up to degree 159."""
    return float(WEIGHTS @ f(NODES))


def score_variance(d: float, s: float, baseline: float = 0.0) -> float:
    """One draw of ((z - k)^2 - baseline) e / s, the score-function gradient in the mean."""
    return expect(lambda e: (((d + s * e) ** 2 - baseline) * e / s) ** 2) - 4 * d**2


def central_moments(d: float, s: float) -> tuple[float, float, float, float]:
    """Of f and the score c = e / s: E[(f - Ef)^2 c^2], E[(f - Ef) c], Var f, Var c."""

    def centered(e):
        return (d + s * e) ** 2 - d**2 - s**2

    return (
        expect(lambda e: (centered(e) * e / s) ** 2),
        expect(lambda e: centered(e) * e / s),
        expect(lambda e: centered(e) ** 2),
        s**-2,
    )


def leave_one_out_variance(d: float, s: float, n: int) -> float:
    """The estimate is the sample covariance of f and the score: its variance is in every table of k-statistics."""
    both, cov, var_f, var_c = central_moments(d, s)
    return both / n - (n - 2) / (n * (n - 1)) * cov**2 + var_f * var_c / (n * (n - 1))


def running_mean_variance(d: float, s: float, n: int) -> float:
    """The terms are uncorrelated; the baseline of term i is a mean of i values, that of the first is zero."""
    both, cov, var_f, var_c = central_moments(d, s)
    later = [both - cov**2 + var_f * var_c / i for i in range(1, n)]
    return (score_variance(d, s) + sum(later)) / n**2


def estimated_optimal(e: np.ndarray, d: float, s: float) -> np.ndarray:
    """The gradient with b_i = sum f c^2 / sum c^2 over the *other* draws, for rows of standardized draws."""
    f, c = (d + s * e) ** 2, e / s
    own_f, own_c = f * c**2, c**2
    b = (own_f.sum(axis=1, keepdims=True) - own_f) / (own_c.sum(axis=1, keepdims=True) - own_c)
    return ((f - b) * c).mean(axis=1)


def slope(function, at, step: float = 1e-4) -> np.ndarray:
    """Derivatives by central differences of fourth order, one for each entry of `at`."""
    at = np.asarray(at, float)
    rows = step * np.eye(at.size)
    return np.array(
        [
            (8 * (function(at + h) - function(at - h)) - function(at + 2 * h) + function(at - 2 * h)) / (12 * step)
            for h in rows
        ]
    )


def corners(dim: int) -> np.ndarray:
    """All points of {0, 1}^dim, shape (2^dim, dim)."""
    return np.array(list(product([0.0, 1.0], repeat=dim)))


def bernoulli_log_prob(z: np.ndarray, logits) -> np.ndarray:
    return z @ np.asarray(logits) - np.logaddexp(0, logits).sum()


def discrete_elbo(logits, log_joint: np.ndarray) -> float:
    """By exhaustive sum: `log_joint` holds its values at the corners."""
    log_q = bernoulli_log_prob(corners(len(logits)), logits)
    return float(np.exp(log_q) @ (log_joint - log_q))


def discrete_variances(logits, log_joint: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One draw's variance in each logit: score function without a baseline, with the best constant, local sums."""
    z = corners(len(logits))
    mean = 1 / (1 + np.exp(-np.asarray(logits)))
    log_q = bernoulli_log_prob(z, logits)
    mass, f = np.exp(log_q), log_joint - log_q
    score = z - mean
    plain = f[:, None] * score
    exact = mass @ plain
    best = (mass @ (f[:, None] * score**2)) / (mass @ score**2)
    lookup = {tuple(row): value for row, value in zip(z, f, strict=True)}

    def local(row, i):
        on, off = ([*row[:i], value, *row[i + 1 :]] for value in (1.0, 0.0))
        return mean[i] * (1 - mean[i]) * (lookup[tuple(on)] - lookup[tuple(off)])

    summed = np.array([[local(list(row), i) for i in range(len(mean))] for row in z])
    return (
        mass @ plain**2 - exact**2,
        mass @ ((f[:, None] - best) * score) ** 2 - exact**2,
        mass @ summed**2 - exact**2,
    )


def cars_table() -> np.ndarray:
    """log p(z, x) of the sixteen models of the cars' distances, each a 50-dimensional normal density."""
    path = str(files("vi_lab.data") / "cars.csv")
    speed, distance = np.loadtxt(path, delimiter=",", skiprows=1, unpack=True)
    powers = speed[:, None] ** np.arange(1, 5)
    columns = (powers - powers.mean(axis=0)) / powers.std(axis=0)

    def log_joint(z):
        cov = 225 * np.eye(50) + 400 * (columns * z) @ columns.T
        return stats.multivariate_normal(np.zeros(50), cov).logpdf(distance - distance.mean()) - 4 * np.log(2)

    return np.array([log_joint(z) for z in corners(4)])
