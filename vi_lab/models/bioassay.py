"""The bioassay of Gelman et al.: four groups of five animals, four doses, a posterior with a bent
correlation.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln
from jax.tree_util import Partial
from jaxtyping import Array, Float, Key

from vi_lab._checks import LogJoint
from vi_lab.families import FullRank
from vi_lab.models._base import Model, Normalized, posterior_model
from vi_lab.quadrature import grid

LOG_DOSE = (-0.86, -0.30, -0.05, 0.73)  # log g/ml
ANIMALS = (5, 5, 5, 5)
DEATHS = (0, 1, 3, 5)


def bioassay() -> Model:
    """Deaths_i ~ Binomial(animals_i, logistic(alpha + beta log_dose_i)), z = (alpha, beta), dim = 2.

    Prior: alpha ~ N(0, sd 2), beta ~ N(10, sd 10), correlation 1/2. The likelihood is the full binomial
    probability, coefficients included. The evidence is a quadrature over a box that holds the prior to nine
    standard deviations in alpha, and in beta all but 1e-9 of the posterior; `posterior` is the density that
    it normalises.

    Source: Gelman et al., Bayesian Data Analysis, 3rd edition, section 3.7 (data) and exercise 3.11 (prior).
    """
    prior = FullRank.from_cov(jnp.array([0.0, 10.0]), jnp.array([[4.0, 10.0], [10.0, 100.0]]))
    x, n, y = (jnp.array(values, dtype=prior.mean.dtype) for values in (LOG_DOSE, ANIMALS, DEATHS))
    model = posterior_model(
        prior,
        Partial(_log_likelihood, x, n, y),
        simulate=Partial(_simulate, x, n),
        constrain=lambda z: {"alpha": z[0], "beta": z[1], "LD50": -z[0] / z[1]},
    )
    log_evidence = _log_integral(model.log_joint, *grid([-18.0, -40.0], [18.0, 90.0], dim=2, num_points=300))
    posterior = Normalized(model.log_joint, model.dim, log_evidence)
    return dataclasses.replace(model, log_evidence=log_evidence, posterior=posterior)


@jax.jit  # run operation by operation, it takes ten times as long
def _log_integral(log_joint: LogJoint, z: Float[Array, "n 2"], weights: Float[Array, " n"]) -> Float[Array, ""]:
    return jax.nn.logsumexp(jax.vmap(log_joint)(z), b=weights)


def _log_likelihood(x: Array, n: Array, y: Array, z: Float[Array, " 2"]) -> Float[Array, ""]:
    logits = z[0] + z[1] * x
    coefficients = gammaln(n + 1) - gammaln(y + 1) - gammaln(n - y + 1)
    return jnp.sum(coefficients + y * logits - n * jax.nn.softplus(logits))


def _simulate(x: Array, n: Array, key: Key[Array, ""], z: Float[Array, " 2"]) -> Float[Array, " 4"]:
    return jax.random.binomial(key, n, jax.nn.sigmoid(z[0] + z[1] * x))
