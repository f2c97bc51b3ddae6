"""Truth, EP, Laplace and reverse KL on the clutter problem, on grids or in closed form, with NumPy and SciPy."""

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


def by_formula(x, sweeps, damping=1.0):
    """EP with the two Gaussians of each tilted distribution in closed form; without a cavity no update.

    Returns the largest disagreement of moments after each sweep (infinite without a cavity), and the updates left out.
    """
    x, tau, nu = np.asarray(x), np.zeros(len(x)), np.zeros(len(x))
    disagreements, skipped = [], 0
    for _ in range(sweeps):
        for i in range(len(x)):
            rest, shift = 0.01 + tau.sum() - tau[i], nu.sum() - nu[i]
            if rest <= 0:
                skipped += 1
                continue
            mean, var = _tilted_moments(x[i], shift / rest, 1 / rest)
            tau[i] += damping * (1 / var - rest - tau[i])
            nu[i] += damping * (mean / var - shift - nu[i])
        precision = 0.01 + tau.sum()
        if np.any(precision <= tau):
            disagreements.append(np.inf)
            continue
        mean, var = _tilted_moments(x, (nu.sum() - nu) / (precision - tau), 1 / (precision - tau))
        off = np.abs(mean - nu.sum() / precision) * precision**0.5
        disagreements.append(max(off.max(), np.abs(var * precision - 1).max()))
    return np.array(disagreements), skipped


def _tilted_moments(x, m, v):
    """Background: the cavity; signal: the posterior of one normal measurement with standard deviation 1."""
    odds = np.exp((x**2 / 10 - (x - m) ** 2 / (1 + v)) / 2) * (10 / (1 + v)) ** 0.5
    signal = odds / (1 + odds)
    at, narrow = (m + v * x) / (1 + v), v / (1 + v)
    mean = (1 - signal) * m + signal * at
    return mean, (1 - signal) * (v + (m - mean) ** 2) + signal * (narrow + (at - mean) ** 2)


def rivals(x, start):
    """Laplace and reverse KL by SciPy, on a grid of 20,001 points: (mean, variance, log evidence)."""

    def log_joint(z):
        return stats.norm.logpdf(z, 0, 10) + sum(f(z[:, None]) for f in clutter_factors(x))

    near = (start - 1.5, start + 1.5)
    mode = optimize.minimize_scalar(lambda z: -log_joint(np.array([z]))[0], bounds=near, options={"xatol": 1e-8}).x
    low, mid, high = log_joint(mode + np.array([-1e-3, 0, 1e-3]))
    var = 1e-6 / (2 * mid - low - high)
    laplace = mode, var, mid + 0.5 * np.log(2 * np.pi * var)
    z = np.linspace(-70, 70, 20_001)
    log_p, h = log_joint(z), z[1] - z[0]

    def minus_elbo(parameters):
        q = stats.norm(parameters[0], np.exp(parameters[1]))
        return -(q.pdf(z) @ log_p) * h - q.entropy()

    best = optimize.minimize(minus_elbo, [mode, np.log(var) / 2], method="Nelder-Mead", tol=1e-10)
    return {"Laplace": laplace, "VI": (best.x[0], np.exp(2 * best.x[1]), -best.fun)}


def forward_kl(x, mean, var):
    """KL(p || q) by the entropy of p on a grid and the Gaussian cross-entropy."""
    z = np.linspace(-70, 70, 20_001)[:, None]
    exact_mean, exact_var, log_evidence = truth(x)
    log_p = stats.norm.logpdf(z[:, 0], 0, 10) + sum(f(z) for f in clutter_factors(x)) - log_evidence
    cross = 0.5 * np.log(2 * np.pi * var) + (exact_var + (exact_mean - mean) ** 2) / (2 * var)
    return (np.exp(log_p) @ log_p) * (z[1, 0] - z[0, 0]) + cross


def reverse_kl(x, mean, var):
    """KL(q || p) for q = N(mean, var), on a grid."""
    z = np.linspace(-70, 70, 20_001)
    log_p = stats.norm.logpdf(z, 0, 10) + sum(f(z[:, None]) for f in clutter_factors(x)) - truth(x)[2]
    log_q = stats.norm.logpdf(z, mean, var**0.5)
    return np.exp(log_q) @ (log_q - log_p) * (z[1] - z[0])
