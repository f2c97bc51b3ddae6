"""What the tests and proofs about base draws share: variances under strata, and Gaussian gradients in NumPy."""

import numpy as np
from scipy import stats
from scipy.stats import qmc


def stratified_variance_of(num_samples: int, linear: float, square: float) -> float:
    """Variance of the mean of linear e + square e^2, e one standard normal in each of n equally likely strata.

    Within a stratum [a, b] of probability 1/n: E[e] = n (phi(a) - phi(b)), and by parts
    E[e^r] = n (a^(r-1) phi(a) - b^(r-1) phi(b)) + (r - 1) E[e^(r-2)].
    """
    edges = stats.norm.ppf(np.arange(num_samples + 1) / num_samples)
    density, inner = stats.norm.pdf(edges), np.where(np.isfinite(edges), edges, 0.0)
    m = [np.ones(num_samples)]
    for r in range(1, 5):
        boundary = num_samples * -np.diff(inner ** (r - 1) * density)
        m.append(boundary + (r - 1) * (m[r - 2] if r > 1 else 0.0))
    mean = linear * m[1] + square * m[2]
    second = linear**2 * m[2] + 2 * linear * square * m[3] + square**2 * m[4]
    return float(np.mean(second - mean**2) / num_samples)


def stratified_variance(num_samples: int, power: int) -> float:
    """The same for the mean of e (power 1) or e^2 (power 2)."""
    return stratified_variance_of(num_samples, float(power == 1), float(power == 2))


def scipy_sobol(num_samples: int, dim: int, seed: int) -> np.ndarray:
    """Standard normals from SciPy's own scrambled points, shape (num_samples, dim)."""
    return stats.norm.ppf(np.clip(qmc.Sobol(dim, seed=seed).random(num_samples), 1e-12, 1 - 1e-12))


def gaussian_slopes(eps: np.ndarray, mean, std, precision) -> tuple[np.ndarray, np.ndarray]:
    """Reparameterized gradients, in mean and log std, of a mean-field q against N(0, precision^-1).

    eps has shape (..., n, dim), the results (..., dim): means over n of -P z and of 1 - (P z) std eps.
    """
    pull = -(mean + std * eps) @ precision
    return pull.mean(axis=-2), 1 + (pull * std * eps).mean(axis=-2)
