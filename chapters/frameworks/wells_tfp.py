"""The wells with TensorFlow Probability on JAX: logistic regression, a full-rank Gaussian, reparameterized."""

from pathlib import Path

import jax
import numpy as np
import optax
from tensorflow_probability.substrates import jax as tfp

jax.config.update("jax_enable_x64", True)
tfd = tfp.distributions

wells = np.genfromtxt(Path(__file__).parents[2] / "vi_lab/data/wells.csv", delimiter=",", names=True)
x = np.stack([wells["distance_m"] / 100, wells["arsenic"], wells["education_years"] / 4, wells["association"]], axis=1)
x = np.insert(x - x.mean(axis=0), 0, 1, axis=1)  # the intercept first
y = wells["switched"]

model = tfd.JointDistributionSequential(
    [
        tfd.Sample(tfd.Normal(np.float64(0), 2.5), x.shape[1]),
        lambda z: tfd.Independent(tfd.Bernoulli(logits=z @ x.T, dtype=np.float64), 1),
    ]
)


def log_joint(z):  # z: (draws, 5)
    return model.log_prob(z, y)


def main(num_steps=2000):
    fit_key, draw_key = jax.random.split(jax.random.key(0))
    initialize, build = tfp.experimental.util.make_trainable_stateless(
        tfd.MultivariateNormalTriL, batch_and_event_shape=x.shape[1:], parameter_dtype=np.float64
    )
    params, _ = tfp.vi.fit_surrogate_posterior_stateless(
        log_joint,
        build,
        initialize(fit_key),
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
    print(f"TFP: ELBO {fit['elbo']:.3f} ± {fit['std_error']:.3f}, means {np.round(fit['mean'], 3)}")
