"""The wells with vi_lab: logistic regression, a full-rank Gaussian."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import vi_lab as vi

jax.config.update("jax_enable_x64", True)

path = Path(__file__).parents[2] / "vi_lab/data/wells.csv"
wells = np.genfromtxt(path, delimiter=",", names=True)
names = ["distance_m", "arsenic", "education_years", "association"]
x = np.stack([wells[name] for name in names], axis=1) / [100, 1, 4, 1]
x = np.insert(x - x.mean(axis=0), 0, 1, axis=1)  # the intercept first
y = wells["switched"]


def log_joint(z):
    logits = x @ z
    log_prior = jax.scipy.stats.norm.logpdf(z, 0, 2.5).sum()
    return log_prior + (y * logits - jnp.logaddexp(0, logits)).sum()


def main():
    start = vi.FullRank.standard(x.shape[1])
    q, elbo, *_ = vi.fit(
        start, jax.random.key(0), log_joint, num_steps=2000, num_samples=16
    )
    std = jnp.sqrt(jnp.diag(q.cov()))
    return {
        "elbo": float(elbo.value),
        "std_error": float(elbo.std_error),
        "mean": q.mean.tolist(),
        "std": std.tolist(),
    }


if __name__ == "__main__":
    fit = main()
    means = np.round(fit["mean"], 3)
    print(f"ELBO {fit['elbo']:.3f} ± {fit['std_error']:.3f}, means {means}")
