"""Truth, EP, Laplace and reverse KL on the clutter problem, all on grids with NumPy and SciPy."""

import numpy as np
from ep_oracles import clutter_factors, exact, from_moments, run
from scipy import optimize, stats

PRIOR = from_moments(np.zeros(1), 100.0 * np.eye(1))
FOUR = np.array([3.9, 3.7, 0.1, 1.4])


def truth(x):
    log_evidence, mean, cov = exact(PRIOR, clutter_factors(x), [-70], [70], 20_001)
    return mean[0], cov[0, 0], log_evidence


def by_grid(x, **settings):
    """EP's mean, variance, log evidence and site precisions, by the oracle."""
    mean, cov, log_evidence, precision = run(PRIOR, clutter_factors(x), num_points=1201, **settings)
    return mean[0], cov[0, 0], log_evidence, precision[:, 0, 0]


def rivals(x, start):
    """Laplace and reverse KL by SciPy, on a grid of 20,001 points: (mean, variance, log evidence)."""
    z = np.linspace(-70, 70, 20_001)
    log_p = stats.norm.logpdf(z, 0, 10) + sum(f(z[:, None]) for f in clutter_factors(x))
    near = np.abs(z - start) < 1.5
    k = np.flatnonzero(near)[np.argmax(log_p[near])]
    h = z[1] - z[0]
    slope, curvature = (log_p[k + 1] - log_p[k - 1]) / (2 * h), (log_p[k + 1] - 2 * log_p[k] + log_p[k - 1]) / h**2
    mode = z[k] - slope / curvature
    laplace = mode, -1 / curvature, np.interp(mode, z, log_p) + 0.5 * np.log(2 * np.pi / -curvature)

    def minus_elbo(parameters):
        q = stats.norm(parameters[0], np.exp(parameters[1]))
        return -(q.pdf(z) @ log_p) * h - q.entropy()

    best = optimize.minimize(minus_elbo, [mode, -np.log(-curvature) / 2], method="Nelder-Mead", tol=1e-10)
    return {"Laplace": laplace, "VI": (best.x[0], np.exp(2 * best.x[1]), -best.fun)}


def forward_kl(x, mean, var):
    """KL(p || q) by the entropy of p on a grid and the Gaussian cross-entropy."""
    z = np.linspace(-70, 70, 20_001)[:, None]
    exact_mean, exact_var, log_evidence = truth(x)
    log_p = stats.norm.logpdf(z[:, 0], 0, 10) + sum(f(z) for f in clutter_factors(x)) - log_evidence
    cross = 0.5 * np.log(2 * np.pi * var) + (exact_var + (exact_mean - mean) ** 2) / (2 * var)
    return (np.exp(log_p) @ log_p) * (z[1, 0] - z[0, 0]) + cross
