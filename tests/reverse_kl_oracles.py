"""Oracles of chapter 2 in NumPy and SciPy, by other rules than vi_lab's: trapezoid and Gauss-Hermite sums, and SciPy's
minimizers.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import comb, expit, log_expit, logsumexp
from scipy.stats import multivariate_normal

DOSE = np.array([-0.86, -0.30, -0.05, 0.73])
ANIMALS, DEATHS = 5, np.array([0, 1, 3, 5])
COEFFICIENTS = np.log(comb(ANIMALS, DEATHS)).sum()
PRIOR = multivariate_normal([0, 10], [[4, 10], [10, 100]])
PRIOR_PRECISION = np.linalg.inv(PRIOR.cov)


def bioassay(alpha, beta):
    """log p(z, x) of the bioassay."""
    alpha, beta = np.broadcast_arrays(alpha, beta)
    logits = alpha[..., None] + beta[..., None] * DOSE
    terms = DEATHS * log_expit(logits) + (ANIMALS - DEATHS) * log_expit(-logits)
    return PRIOR.logpdf(np.stack([alpha, beta], axis=-1)) + terms.sum(axis=-1) + COEFFICIENTS


# A trapezoid sum converges as fast as Gauss-Legendre where the density has died out at the edges of the box.
_ALPHA, _BETA = np.linspace(-8, 14, 166), np.linspace(-20, 80, 201)
POINTS = np.stack(np.meshgrid(_ALPHA, _BETA, indexing="ij"), axis=-1).reshape(-1, 2)
_LOG_CELL = np.log((_ALPHA[1] - _ALPHA[0]) * (_BETA[1] - _BETA[0]))
LOG_JOINT = bioassay(*POINTS.T)
LOG_EVIDENCE = logsumexp(LOG_JOINT) + _LOG_CELL
LOG_POSTERIOR = LOG_JOINT - LOG_EVIDENCE
MASS = np.exp(LOG_POSTERIOR + _LOG_CELL)
MEAN = MASS @ POINTS
COV = (POINTS - MEAN).T @ (MASS[:, None] * (POINTS - MEAN))
STD = np.sqrt(np.diag(COV))


def log_q(mean, std):
    return -0.5 * (((POINTS - mean) / std) ** 2).sum(axis=1) - np.log(std).sum() - np.log(2 * np.pi)


def reverse_kl(mean, std):
    density = log_q(mean, std)
    return np.exp(density + _LOG_CELL) @ (density - LOG_POSTERIOR)


def forward_kl(mean, std):
    return MASS @ (LOG_POSTERIOR - log_q(mean, std))


def best(loss, start_mean=(1.0, 10.0), start_std=(0.7, 3.0)):
    """Mean and std of the mean-field Gaussian at which `loss(mean, std)` is smallest, and that value."""
    found = minimize(lambda v: loss(v[:2], np.exp(v[2:])), [*start_mean, *np.log(start_std)], method="BFGS")
    return found.x[:2], np.exp(found.x[2:]), found.fun


_nodes, _weights = np.polynomial.hermite_e.hermegauss(40)
HERMITE = np.stack(np.meshgrid(_nodes, _nodes, indexing="ij"), axis=-1).reshape(-1, 2)
HERMITE_WEIGHTS = np.outer(_weights, _weights).ravel() / (2 * np.pi)


def tempered(tau):
    """-E_q[log p(z, x)] - tau H(q) on the bioassay, up to a constant."""
    return lambda mean, std: -HERMITE_WEIGHTS @ bioassay(*(mean + std * HERMITE).T) - tau * np.log(std).sum()


def curvature(alpha, beta):
    """The diagonal of minus the Hessian of log p(z, x), in closed form."""
    rate = expit(alpha[..., None] + beta[..., None] * DOSE)
    slope = ANIMALS * rate * (1 - rate)
    return np.diag(PRIOR_PRECISION) + np.stack([slope.sum(-1), (slope * DOSE**2).sum(-1)], axis=-1)


EPS = np.linspace(-8, 8, 641)  # standard normal noise of a one-dimensional q
NORMAL = np.exp(-(EPS**2) / 2) / np.sqrt(2 * np.pi) * (EPS[1] - EPS[0])


def bimodal_kl(params, separation, weight=0.5):
    """KL(q || p) for q = N(m, exp(2 l)), p two unit Gaussians, `weight` on the left one; params = (m, l)."""
    m, log_std = params
    z = m + np.exp(log_std) * EPS
    left, right = -((z + separation / 2) ** 2) / 2, -((z - separation / 2) ** 2) / 2
    log_p = np.logaddexp(np.log(weight) + left, np.log1p(-weight) + right)
    return NORMAL @ (-(EPS**2) / 2 - log_std - log_p)


def bimodal_slope(m, log_std, separation):
    """The derivatives of `bimodal_kl` at weight 1/2 in m and log_std; m and log_std of shape (n, 1)."""
    scaled = np.exp(log_std) * EPS
    z = m + scaled
    pull = z - separation / 2 * np.tanh(separation / 2 * z)  # minus the derivative of log p
    return (pull @ NORMAL)[:, None], ((pull * scaled) @ NORMAL)[:, None] - 1


def bimodal_minimum(start, separation, weight=0.5):
    found = minimize(bimodal_kl, start, args=(separation, weight), method="BFGS", options={"gtol": 1e-7})
    return found.x[0], np.exp(found.x[1]), found.fun
