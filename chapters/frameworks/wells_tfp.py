"""The wells with TensorFlow Probability: the same regression, the same q."""

from pathlib import Path

import jax
import numpy as np
import optax
from tensorflow_probability.substrates import jax as tfp

jax.config.update("jax_enable_x64", True)
tfd = tfp.distributions

path = Path(__file__).parents[2] / "vi_lab/data/wells.csv"
wells = np.genfromtxt(path, delimiter=",", names=True)
names = ["distance_m", "arsenic", "education_years", "association"]
x = np.stack([wells[name] for name in names], axis=1) / [100, 1, 4, 1]
x = np.insert(x - x.mean(axis=0), 0, 1, axis=1)  # the intercept first
y = wells["switched"]


def log_joint(z):  # z: (draws, 5)
    prior = tfd.Sample(tfd.Normal(np.float64(0), 2.5), x.shape[1])
    likelihood = tfd.Independent(tfd.Bernoulli(logits=z @ x.T), 1)
    return prior.log_prob(z) + likelihood.log_prob(y)


def main(num_steps=2000):
    start_key, fit_key, draw_key = jax.random.split(jax.random.key(0), 3)
    initialize, build = tfp.experimental.util.make_trainable_stateless(
        tfd.MultivariateNormalTriL,
        batch_and_event_shape=x.shape[1:],
        parameter_dtype=np.float64,
    )
    params, _ = tfp.vi.fit_surrogate_posterior_stateless(
        log_joint,
        build,
        initialize(start_key),
        optimizer=optax.adam(optax.cosine_decay_schedule(0.1, num_steps)),
        num_steps=num_steps,
        sample_size=16,
        seed=fit_key,
    )
    q = build(*params)
    z = q.sample(4096, seed=draw_key)
    log_w = log_joint(z) - q.log_prob(z)
    return {
        "elbo": float(log_w.mean()),
        "std_error": float(log_w.std(ddof=1) / len(log_w) ** 0.5),
        "mean": q.mean().tolist(),
        "std": q.stddev().tolist(),
    }


if __name__ == "__main__":
    fit = main()
    means = np.round(fit["mean"], 3)
    print(f"ELBO {fit['elbo']:.3f} ± {fit['std_error']:.3f}, means {means}")
