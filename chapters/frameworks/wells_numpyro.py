"""The wells with NumPyro: logistic regression, a full-rank Gaussian."""

from pathlib import Path

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import optax
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoMultivariateNormal

numpyro.enable_x64()

path = Path(__file__).parents[2] / "vi_lab/data/wells.csv"
wells = np.genfromtxt(path, delimiter=",", names=True)
names = ["distance_m", "arsenic", "education_years", "association"]
x = np.stack([wells[name] for name in names], axis=1) / [100, 1, 4, 1]
x = np.insert(x - x.mean(axis=0), 0, 1, axis=1)  # the intercept first
y = wells["switched"]


def model():
    prior = dist.Normal(0, 2.5).expand([x.shape[1]]).to_event(1)
    z = numpyro.sample("z", prior)
    with numpyro.plate("households", len(y)):
        numpyro.sample("switched", dist.Bernoulli(logits=x @ z), obs=y)


def main(num_steps=2000):
    fit_key, draw_key = jax.random.split(jax.random.key(0))
    guide = AutoMultivariateNormal(model)
    optimizer = optax.adam(optax.cosine_decay_schedule(0.1, num_steps))
    svi = SVI(model, guide, optimizer, Trace_ELBO(num_particles=16))
    params = svi.run(fit_key, num_steps, progress_bar=False).params
    # One particle a draw, so that their spread gives the standard error.
    loss = jax.vmap(lambda key: Trace_ELBO().loss(key, params, model, guide))
    log_w = -jax.jit(loss)(jax.random.split(draw_key, 4096))
    q = guide.get_posterior(params)
    return {
        "elbo": float(log_w.mean()),
        "std_error": float(log_w.std(ddof=1) / len(log_w) ** 0.5),
        "mean": q.mean.tolist(),
        "std": (q.variance**0.5).tolist(),
    }


if __name__ == "__main__":
    fit = main()
    means = np.round(fit["mean"], 3)
    print(f"ELBO {fit['elbo']:.3f} ± {fit['std_error']:.3f}, means {means}")
