"""What the tests and proofs about base draws share: variances under strata, and Gaussian gradients in NumPy."""

import numpy as np
from scipy import stats
from scipy.stats import qmc


def stratified_variance(num_samples: int, power: int) -> float:
    """Variance of the mean of eps^power, eps one standard normal in each of `num_samples` equally likely strata.

    Within a stratum [a, b] of probability 1/n: E[eps] = n (phi(a) - phi(b)), and by parts
    E[eps^r] = n (a^(r-1) phi(a) - b^(r-1) phi(b)) + (r - 1) E[eps^(r-2)].
    """
    edges = stats.norm.ppf(np.arange(num_samples + 1) / num_samples)
    density, inner = stats.norm.pdf(edges), np.where(np.isfinite(edges), edges, 0.0)
    moments = [np.ones(num_samples)]
    for r in range(1, 2 * power + 1):
        boundary = num_samples * -np.diff(inner ** (r - 1) * density)
        moments.append(boundary + (r - 1) * (moments[r - 2] if r > 1 else 0.0))
    return float(np.mean(moments[2 * power] - moments[power] ** 2) / num_samples)


def scipy_sobol(num_samples: int, dim: int, seed: int) -> np.ndarray:
    """Standard normals from SciPy's own scrambled points, shape (num_samples, dim)."""
    return stats.norm.ppf(np.clip(qmc.Sobol(dim, seed=seed).random(num_samples), 1e-12, 1 - 1e-12))


def gaussian_slopes(eps: np.ndarray, mean, std, precision) -> tuple[np.ndarray, np.ndarray]:
    """Reparameterized gradients, in mean and log std, of a mean-field q against N(0, precision^-1).

    eps has shape (..., n, dim), the results (..., dim): means over n of -P z and of 1 - (P z) std eps.
    """
    pull = -(mean + std * eps) @ precision
    return pull.mean(axis=-2), 1 + (pull * std * eps).mean(axis=-2)
