"""Logistic regression: a posterior with one mode, nearly Gaussian where there are many data."""

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, ArrayLike, Float, Key

from vi_lab import _checks as check
from vi_lab.families import MeanField
from vi_lab.models._base import Model, posterior_model


def logistic_regression(x: ArrayLike, y: ArrayLike, *, prior_std: float = 2.5) -> Model:
    """P(y_i = 1) = logistic(x_i z) for the rows x_i of a design matrix of shape (n, dim), y in {0, 1} (chapter 5).

    Prior: z ~ N(0, prior_std^2 I), one scale for all coefficients, on the scale that x comes in: center and scale
    its columns first. No intercept is added: give x a column of ones. Posterior and evidence have no closed form.

    Raises:
        ValueError: x that is not a matrix, y of another length or with values beside 0 and 1, values that are not
            finite, a scale not above zero.
    """
    x, y, prior_std = check.as_floats(x, y, prior_std)
    check.check_binary("y", y)
    check.check_design(x, y)
    check.check_scales(prior_std=prior_std)
    mean = jnp.zeros(x.shape[1], x.dtype)
    return posterior_model(
        MeanField.from_std(mean, jnp.full_like(mean, prior_std)),
        Partial(_log_likelihood, x, y),
        simulate=Partial(_simulate, x),
    )


def _log_likelihood(x: Array, y: Array, z: Float[Array, " dim"]) -> Float[Array, ""]:
    logits = x @ z
    return jnp.sum(y * logits - jax.nn.softplus(logits))


def _simulate(x: Array, key: Key[Array, ""], z: Float[Array, " dim"]) -> Float[Array, " n"]:
    return jax.random.bernoulli(key, jax.nn.sigmoid(x @ z)).astype(x.dtype)
