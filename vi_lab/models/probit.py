"""Probit regression: yes or no, by the side of a line on which a noisy score falls."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr
from jax.tree_util import Partial
from jaxtyping import Array, ArrayLike, Float, Key

from vi_lab import _checks as check
from vi_lab.families import MeanField
from vi_lab.models._base import Model, Normalized, Sites, posterior_model
from vi_lab.quadrature import grid

EDGE = 40.0  # nats below the peak that count as nothing


def probit(x: ArrayLike, y: ArrayLike, *, prior_std: float = 1.0) -> Model:
    """p(y_i = 1|z) = Phi(x_i z), y_i in {0, 1}, for a design matrix x (n, dim); z ~ N(0, prior_std^2 I) (chapter 4).

    Phi is the standard normal distribution function. No intercept is added: give x a column of ones, which has
    the prior of every other coefficient. In one and two dimensions the evidence, in nats, is a quadrature in
    coordinates whitened at the mode, on a box at whose edge the joint lies 40 nats below its peak; None in more
    dimensions, where no two rules agree (a boundary far sharper than the posterior is wide), or while JAX traces
    the data.

    Raises:
        ValueError: x that is not a matrix, y of another length or with values other than 0 and 1, values that are
            not finite, a prior_std that is not above zero.
    """
    x, y, prior_std = check.as_floats(x, y, prior_std)
    check.check_binary("y", y)
    check.check_design(x, y)
    check.check_scales(prior_std=prior_std)
    dim = x.shape[1]
    model = posterior_model(
        MeanField.from_std(jnp.zeros(dim, x.dtype), jnp.full(dim, prior_std)),
        Partial(_log_likelihood, x, y),
        simulate=Partial(_simulate, x),
        sites=Sites(x, Partial(_log_z, y)),
    )
    if dim > 2 or not check.is_concrete(x, y, prior_std):
        return model
    log_evidence = _log_integral(model.log_joint, dim)
    if log_evidence is None:
        return model
    posterior = Normalized(model.log_joint, dim, log_evidence)
    return dataclasses.replace(model, log_evidence=log_evidence, posterior=posterior)


def _log_z(y: Array, i: Array, mean: Array, var: Array) -> Float[Array, ""]:
    """log of the integral of p(y_i|s) N(s; mean, var) over s: the score's own noise adds to that of s."""
    return log_ndtr((2 * y[i] - 1) * mean / jnp.sqrt(1 + var))


def _log_likelihood(x: Array, y: Array, z: Float[Array, " dim"]) -> Float[Array, ""]:
    return jnp.sum(log_ndtr((2 * y - 1) * (x @ z)))


def _simulate(x: Array, key: Key[Array, ""], z: Float[Array, " dim"]) -> Float[Array, " n"]:
    return (x @ z + jax.random.normal(key, x.shape[:1], x.dtype) > 0).astype(x.dtype)


def _log_integral(log_joint: Partial, dim: int) -> Float[Array, ""] | None:
    """By two rules that agree, or None: a factor that turns sharply within a wide posterior needs many nodes."""
    mode, scale = _laplace(log_joint, dim)

    def box(reach: float, num_points: int) -> tuple[Array, Array, float]:
        u, weights = grid(-reach, reach, dim=dim, num_points=num_points)
        values = _values(log_joint, mode + u.astype(mode.dtype) @ scale.T)
        edge = np.max(np.asarray(values)[np.max(np.abs(u), axis=1) > 0.99 * reach])
        return values, weights.astype(values.dtype), float(values.max() - edge)

    reach = 8.0
    while box(reach, 100)[2] < EDGE and reach < 500:  # log-concave: beyond an edge far below the peak it only falls
        reach *= 1.5
    rules, agree = [], float(jnp.finfo(mode.dtype).eps) ** 0.6  # 4e-10 nats in 64 bits
    for num_points in (200, 300, 450, 700, 1000):
        values, weights, _ = box(reach, num_points)
        rules.append(jax.nn.logsumexp(values, b=weights) + jnp.sum(jnp.log(jnp.diag(scale))))
        if len(rules) > 1 and abs(rules[-1] - rules[-2]) < agree:
            return rules[-1]
    return None


@jax.jit
def _values(log_joint: Partial, z: Float[Array, "n dim"]) -> Float[Array, " n"]:
    return jax.lax.map(log_joint, z, batch_size=10_000)


@jax.jit(static_argnames="dim")
def _laplace(log_joint: Partial, dim: int) -> tuple[Float[Array, " dim"], Float[Array, "dim dim"]]:
    """The mode, by Newton steps that are halved until they rise, and the Cholesky factor of the covariance there."""

    def step(z: Array, _: None) -> tuple[Array, None]:
        direction = -jnp.linalg.solve(jax.hessian(log_joint)(z), jax.grad(log_joint)(z))
        tries = z + direction * halves[:, None]
        values = jax.vmap(log_joint)(tries)
        best = jnp.argmax(values)
        return jnp.where(values[best] > log_joint(z), tries[best], z), None

    dtype = jax.tree.leaves(log_joint)[0].dtype
    halves = 0.5 ** jnp.arange(30, dtype=dtype)
    mode, _ = jax.lax.scan(step, jnp.zeros(dim, dtype), None, length=50)
    return mode, jnp.linalg.cholesky(jnp.linalg.inv(-jax.hessian(log_joint)(mode)))
