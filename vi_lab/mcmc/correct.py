"""VI corrected by importance sampling: draws of q, weighted to be draws of the posterior (chapter 7)."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from vi_lab import _checks as check
from vi_lab._checks import LogJoint
from vi_lab.diagnostics.importance import FEWEST, ParetoK, check_log_weights, psis
from vi_lab.families import Family
from vi_lab.forward import effective_sample_size
from vi_lab.mcmc.chains import to_inference_data


class Corrected(NamedTuple):
    """Draws of q with weights that make them stand for the posterior.

    Attributes:
        draws: shape (num_samples, dim).
        weights: their smoothed weights, with sum one, shape (num_samples,).
        pareto_k: k-hat of the raw weights. Above 0.7 smoothing does not save them: believe none of the results.
        effective_sample_size: how many draws of the posterior the raw weights are worth.
        log_evidence: log of the mean raw weight, in nats, an estimate of log p(x).
    """

    draws: Float[Array, "num_samples dim"]
    weights: Float[Array, " num_samples"]
    pareto_k: ParetoK
    effective_sample_size: Float[Array, ""]
    log_evidence: Float[Array, ""]

    def mean(self) -> Float[Array, " dim"]:
        """Posterior means: sum_i w_i z_i."""
        return self.weights @ self.draws

    def std(self) -> Float[Array, " dim"]:
        """Posterior standard deviations."""
        return jnp.sqrt(self.weights @ (self.draws - self.mean()) ** 2)

    def std_error(self) -> Float[Array, " dim"]:
        """Of `mean()`, by the delta method: sqrt(sum_i w_i^2 (z_i - mean)^2); too small where k-hat is high."""
        return jnp.sqrt(self.weights**2 @ (self.draws - self.mean()) ** 2)

    def resample(self, key: Key[Array, ""], num_samples: int) -> Float[Array, "num_samples dim"]:
        """Draws of equal weight: rows of `draws`, each as often as its weight says, with replacement."""
        check.check_count("num_samples", num_samples)
        return self.draws[jax.random.choice(key, len(self.draws), (num_samples,), p=self.weights)]

    def to_inference_data(self, key: Key[Array, ""], constrain: Callable[[Array], dict[str, Any]] | None = None) -> Any:
        """An `arviz.InferenceData` of one chain: as many resampled draws as there are weighted ones.

        They are independent given the weighted draws but repeat them, so that ArviZ's ESS says too much: use
        `effective_sample_size`.
        """
        return to_inference_data(self.resample(key, len(self.draws))[None], constrain)


def correct(q: Family, key: Key[Array, ""], log_joint: LogJoint, *, num_samples: int = 4000) -> Corrected:
    """Pareto-smoothed importance sampling with q as proposal: log w = log p(z, x) - log q(z), in nats (chapter 7).

    It mends the shape of q where q has draws, and nowhere else: a mode that q leaves out stays out, and k-hat does not
    tell. `num_samples` log densities, no gradients.

    Raises:
        ValueError: log weights that are NaN or +inf, or -inf at all but 24 draws; fewer than 25 draws.

    Source: Vehtari, Simpson, Gelman, Yao and Gabry (2024); Yao et al. (2018) for VI.
    """
    check.check_family(q)
    check.check_count("num_samples", num_samples, least=FEWEST)
    z, log_p, log_w = _weigh(q, key, check.as_pytree(log_joint), num_samples=num_samples)
    check_log_weights(log_w)
    smoothed, k = psis(log_w, log_p)
    log_evidence = jax.nn.logsumexp(log_w) - jnp.log(num_samples)
    return Corrected(z, jnp.asarray(smoothed, z.dtype), k, effective_sample_size(log_w), log_evidence)


@partial(jax.jit, static_argnames="num_samples")
def _weigh(q: Family, key: Array, log_joint: LogJoint, *, num_samples: int) -> tuple[Array, Array, Array]:
    z = q.sample(key, num_samples)
    log_p = check.evaluate(log_joint, z)
    return z, log_p, log_p - q.log_prob(z)
