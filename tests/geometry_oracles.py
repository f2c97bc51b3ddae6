"""Oracles of chapter 4 in NumPy and SciPy, by other rules than vi_lab's: trapezoid sums, quad, BFGS."""

import numpy as np
from scipy import integrate, stats
from scipy.optimize import brentq, fsolve, minimize
from scipy.special import logsumexp

EPS = np.linspace(-9, 9, 3601)  # standard normal noise of a one-dimensional q
NORMAL = stats.norm.pdf(EPS) * (EPS[1] - EPS[0])
LINE = np.linspace(-30, 30, 12_001)
LOG_CELL = np.log(LINE[1] - LINE[0])


def log_p(z, separation, weight=0.5):
    """Two unit Gaussians `separation` apart, `weight` on the left one."""
    left, right = stats.norm.logpdf(z, -separation / 2), stats.norm.logpdf(z, separation / 2)
    return np.logaddexp(np.log(weight) + left, np.log1p(-weight) + right)


def quad(f, *points):
    value, _ = integrate.quad(f, -40, 40, points=list(points) or [-3, 0, 3], limit=400, epsabs=1e-12)
    return value


def reverse_kl(v, separation, weight=0.5):
    """KL(q || p) for q = N(m, exp(2 l)), v = (m, l)."""
    z = v[0] + np.exp(v[1]) * EPS
    return NORMAL @ (stats.norm.logpdf(EPS) - v[1] - log_p(z, separation, weight))


def forward_kl(v, separation, weight=0.5):
    log_density = log_p(LINE, separation, weight)
    return np.exp(log_density + LOG_CELL) @ (log_density - stats.norm.logpdf(LINE, v[0], np.exp(v[1])))


def alpha_divergence(v, alpha, separation, weight=0.5):
    mix = alpha * stats.norm.logpdf(LINE, v[0], np.exp(v[1])) + (1 - alpha) * log_p(LINE, separation, weight)
    return np.expm1(logsumexp(mix) + LOG_CELL) / (alpha * (alpha - 1))


def best(loss, start, *args):
    """(mean, std, value) where SciPy's BFGS comes to rest."""
    found = minimize(loss, start, args=args, method="BFGS", options={"gtol": 1e-8})
    return np.array([found.x[0], np.exp(found.x[1]), found.fun])


def slope(u, separation):
    """The derivatives of `reverse_kl` in m and l, written by hand for equal weights."""
    scaled = np.exp(u[1]) * EPS
    z = u[0] + scaled
    pull = z - separation / 2 * np.tanh(separation / 2 * z)
    return np.array([NORMAL @ pull, NORMAL @ (pull * scaled) - 1])


def hessian(u, separation):
    """The second derivatives, by hand."""
    scaled = np.exp(u[1]) * EPS
    z = u[0] + scaled
    pull = z - separation / 2 * np.tanh(separation / 2 * z)
    bend = 1 - (separation / 2) ** 2 * (1 - np.tanh(separation / 2 * z) ** 2)
    mixed = NORMAL @ (bend * scaled)
    return np.array([[NORMAL @ bend, mixed], [mixed, NORMAL @ (bend * scaled**2 + pull * scaled)]])


def pitchfork():
    """Where the curvature in the mean of N(0, 1) at the middle passes zero."""
    return brentq(lambda d: hessian(np.zeros(2), d)[0, 0], 1.0, 5.0)


def fold(start=(2.0, 0.2, 4.9)):
    """(mean, log std, separation) at which a stationary point has a singular Hessian."""
    return fsolve(lambda u: [*slope(u[:2], u[2]), np.linalg.det(hessian(u[:2], u[2]))], start, xtol=1e-12)


def tie():
    """The separation at which the middle and a mode cost the same, and that cost."""

    def gap(d):
        return best(reverse_kl, (0.0, 1.0), d)[2] - best(reverse_kl, (d / 2, 0.0), d)[2]

    d = brentq(gap, 5.2, 6.0, xtol=1e-8)
    return d, best(reverse_kl, (0.0, 1.0), d)[2]


def sweep(weight, separations):
    """The mean of the covering fit, followed from separation to separation by BFGS."""
    v, means = np.zeros(2), []
    for d in separations:
        v = minimize(reverse_kl, v, args=(d, weight), method="BFGS", options={"gtol": 1e-8}).x
        means.append(v[0])
    return np.array(means)
