"""The wells with vi_lab: logistic regression, a full-rank Gaussian, the ELBO by reparameterization."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import vi_lab as vi

jax.config.update("jax_enable_x64", True)

wells = np.genfromtxt(Path(__file__).parents[2] / "vi_lab/data/wells.csv", delimiter=",", names=True)
x = np.stack([wells["distance_m"] / 100, wells["arsenic"], wells["education_years"] / 4, wells["association"]], axis=1)
x = np.insert(x - x.mean(axis=0), 0, 1, axis=1)  # the intercept first
y = wells["switched"]


def log_joint(z):
    logits = x @ z
    log_prior = jax.scipy.stats.norm.logpdf(z, 0, 2.5).sum()
    return log_prior + (y * logits - jnp.logaddexp(0, logits)).sum()


def main():
    start = vi.FullRank.standard(x.shape[1])
    q, elbo, *_ = vi.fit(start, jax.random.key(0), log_joint, num_steps=2000, num_samples=16)
    std = jnp.sqrt(jnp.diag(q.cov()))
    return {
        "elbo": float(elbo.value),
        "std_error": float(elbo.std_error),
        "mean": q.mean.tolist(),
        "std": std.tolist(),
    }


if __name__ == "__main__":
    fit = main()
    print(f"vi_lab: ELBO {fit['elbo']:.3f} ± {fit['std_error']:.3f}, means {np.round(fit['mean'], 3)}")
