"""The clutter problem: a signal in a background, a posterior of 2^n Gaussians."""

import dataclasses
import math

import jax
import jax.numpy as jnp
from jax.scipy.stats import norm
from jax.tree_util import Partial
from jaxtyping import Array, ArrayLike, Float, Key

from vi_lab import _checks as check
from vi_lab.families import MeanField
from vi_lab.models._base import Model, Normalized, Sites, posterior_model

MOST_POINTS = 200_000  # of the evidence's quadrature; beyond them the evidence stays unknown


def clutter(x: ArrayLike, *, w: float = 0.5, a: float = 10.0, b: float = 100.0) -> Model:
    """x_i ~ (1 - w) N(z, 1) + w N(0, a) for the n numbers x, z ~ N(0, b); z is one number, dim = 1 (chapter 4).

    A share w of the data is background and says nothing of z. As in the source, a and b are *variances*: the
    background has standard deviation sqrt(a) and the prior sqrt(b). The posterior is a mixture of 2^n Gaussians,
    one for each set of data that could be signal. The evidence, in nats, is the trapezoidal rule on a box that
    holds every component to twelve prior standard deviations, four nodes to the narrowest component's standard
    deviation; None where that needs more than 200,000 nodes, or while JAX traces the data.

    Raises:
        ValueError: data that are not a vector of finite numbers, w outside (0, 1), a variance not above zero.

    Source: Minka, Expectation propagation for approximate Bayesian inference, UAI 2001, section 3.2.
    """
    x, w, a, b = check.as_floats(x, w, a, b)
    check.check_vector("x", x)
    check.check_finite("x", x)
    check.check_fraction("w", w)
    check.check_scales(a=a, b=b)
    model = posterior_model(
        MeanField.from_std(jnp.zeros_like(b)[None], jnp.sqrt(b)[None]),
        Partial(_log_likelihood, x, w, a),
        simulate=Partial(_simulate, x, w, a),
        sites=Sites(jnp.ones((x.size, 1), x.dtype), Partial(_log_z, x, w, a)),
    )
    if not check.is_concrete(x, w, a, b):
        return model
    return _with_evidence(model, x, float(b))


def _with_evidence(model: Model, x: Array, b: float) -> Model:
    """Every component's mean lies between 0 and the data, its standard deviation between narrow and sqrt(b)."""
    low, high = min(0.0, float(x.min())) - 12 * b**0.5, max(0.0, float(x.max())) + 12 * b**0.5
    narrow = (x.size + 1 / b) ** -0.5
    num_points = math.ceil(4 * (high - low) / narrow)
    if num_points > MOST_POINTS:
        return model
    z = jnp.linspace(low, high, num_points, dtype=x.dtype)
    log_evidence = _log_integral(model.log_joint, z[:, None]) + math.log((high - low) / (num_points - 1))
    posterior = Normalized(model.log_joint, model.dim, log_evidence)
    return dataclasses.replace(model, log_evidence=log_evidence, posterior=posterior)


@jax.jit
def _log_integral(log_joint: Partial, z: Float[Array, "n 1"]) -> Float[Array, ""]:
    return jax.nn.logsumexp(jax.lax.map(log_joint, z, batch_size=10_000))


def _log_z(x: Array, w: Array, a: Array, i: Array, mean: Array, var: Array) -> Float[Array, ""]:
    """log of the integral of p(x_i|s) N(s; mean, var) over s: the signal's Gaussian widens, the background stays."""
    signal = jnp.log1p(-w) + norm.logpdf(x[i], mean, jnp.sqrt(1 + var))
    return jnp.logaddexp(signal, jnp.log(w) + norm.logpdf(x[i], 0, jnp.sqrt(a)))


def _log_likelihood(x: Array, w: Array, a: Array, z: Float[Array, " 1"]) -> Float[Array, ""]:
    return jnp.sum(jax.vmap(lambda i: _log_z(x, w, a, i, z[0], 0.0))(jnp.arange(x.size)))


def _simulate(x: Array, w: Array, a: Array, key: Key[Array, ""], z: Float[Array, " 1"]) -> Float[Array, " n"]:
    choose, noise = jax.random.split(key)
    background = jax.random.bernoulli(choose, w, x.shape)
    eps = jax.random.normal(noise, x.shape, x.dtype)
    return jnp.where(background, jnp.sqrt(a) * eps, z + eps)
