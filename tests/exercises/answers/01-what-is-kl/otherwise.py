"""Set 1 answered by other formulas: loops, SciPy, least squares, plain Python numbers."""

import math

import numpy as np


def surplus_bits(q, p):
    cross_entropy = -sum(a * math.log2(b) for a, b in zip(q, p, strict=True))
    entropy = -sum(a * math.log2(a) for a in q)
    return cross_entropy - entropy


def kl_rows(q, p):
    # Right, for a reason: infinity is no nan, so nansum drops only the cells that are empty under q.
    return np.nansum(q * np.log(q / p), axis=1)


def kl_normal(q_mean, q_std, p_mean, p_std):
    total = 0.0
    for m, s, n, t in zip(q_mean, q_std, p_mean, p_std, strict=True):
        total += math.log(t / s) + (s * s + (m - n) ** 2) / (2 * t * t) - 0.5
    return total


def kl_monte_carlo(q, p, rng, num_samples):
    z = q.mean() + q.std() * (q.rvs(size=num_samples, random_state=rng) - q.mean()) / q.std()
    surplus = -(p.logpdf(z) - q.logpdf(z))
    deviations = surplus - surplus.sum() / num_samples
    return [surplus.mean(), math.sqrt(np.sum(deviations**2) / (num_samples * (num_samples - 1)))]


def k_terms(log_ratio):
    r = np.exp(log_ratio)
    return [np.log(1 / r), np.square(np.log(r)) / 2, (r - 1) - np.log(r)]


def kl_controlled(log_ratio):
    # The intercept of the least-squares line of -log r on r - 1: its mean where the control is at its own mean.
    design = np.column_stack([np.ones_like(log_ratio), np.exp(log_ratio) - 1])
    return np.linalg.lstsq(design, -log_ratio)[0][0]
