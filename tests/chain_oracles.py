"""What chains are compared with: posterior moments by quadrature in NumPy, z-scores that know of autocorrelation."""

import warnings

import numpy as np
from scipy import stats
from zscores import LIMIT

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # ArviZ announces its next version to whoever imports it
    import arviz

DOSES = np.array([-0.86, -0.30, -0.05, 0.73])
DEATHS = np.array([0, 1, 3, 5])


def assert_chain_mean(values, expected, what: str, extra_error=0.0) -> None:
    """The mean of chains' values, shape (chains, n), is `expected`; the error from their ESS and `extra_error`."""
    values = np.asarray(values, dtype=float)
    error = np.hypot(values.std(ddof=1) / np.sqrt(arviz.ess(values, method="mean")), extra_error)
    z = (values.mean() - expected) / error
    assert abs(z) < LIMIT, f"{what}: got {values.mean():.5g}, expected {expected:.5g}, {z:.1f} standard errors apart"


def assert_chain_moments(draws, mean, cov) -> None:
    """Means and, about the known means, all second moments of draws of shape (chains, n, dim)."""
    offsets = np.asarray(draws, dtype=float) - np.asarray(mean)
    for i in range(offsets.shape[-1]):
        assert_chain_mean(offsets[..., i], 0.0, f"mean of coordinate {i}")
        for j in range(i + 1):
            assert_chain_mean(offsets[..., i] * offsets[..., j], float(cov[i][j]), f"covariance of {i} and {j}")


def bioassay_moments() -> tuple[np.ndarray, np.ndarray, float]:
    """Mean, covariance and log evidence on a grid, the densities from SciPy."""
    alpha, beta = np.meshgrid(np.linspace(-8, 12, 801), np.linspace(-15, 75, 901), indexing="ij")
    prior = stats.multivariate_normal([0, 10], [[4, 10], [10, 100]]).logpdf(np.stack([alpha, beta], axis=-1))
    logits = alpha[..., None] + beta[..., None] * DOSES
    likelihood = stats.binom.logpmf(DEATHS, 5, 1 / (1 + np.exp(-logits))).sum(axis=-1)
    joint = np.exp(prior + likelihood)
    cell = (20 / 800) * (90 / 900)
    weights, z = (joint / joint.sum()).ravel(), np.stack([alpha.ravel(), beta.ravel()], axis=1)
    mean = weights @ z
    return mean, (z - mean).T @ (weights[:, None] * (z - mean)), float(np.log(joint.sum() * cell))
