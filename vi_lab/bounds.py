"""Bounds on the log evidence log p(x), in nats: all of them averages of importance weights (chapter 3).

A log joint is a function of *one* point: `log_joint(z) -> log p(z, x)`, z of shape (dim,). Mapping over draws
is done here. The weights are w = p(z, x) / q(z) at draws z of q, and always appear as
log w = log p(z, x) - log q(z).
"""

from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from vi_lab import _checks as check
from vi_lab import draws
from vi_lab._checks import LogJoint
from vi_lab.draws import Noise
from vi_lab.families import Family, MeanField


def log_weights(
    q: Family, key: Key[Array, ""], log_joint: LogJoint, *, num_samples: int, noise: Noise = draws.iid
) -> Float[Array, " num_samples"]:
    """log w = log p(z, x) - log q(z), in nats, at `num_samples` draws z of q (chapter 3).

    Differentiable in q through the draws (the reparameterization) and through log q. The coins of a `Bernoulli` and
    the labels of a `Mixture` carry no gradient, and differentiating raises NotImplementedError: `vi_lab.gradients`.

    Args:
        noise: the base draws that q turns into z: `draws.iid`, `draws.antithetic` or `draws.sobol` (chapter 6).

    Raises:
        ValueError: a log joint that does not return a scalar for one point; `num_samples` below one.
    """
    z = q.sample(key, num_samples, noise=noise)
    return check.evaluate(log_joint, z) - q.log_prob(z)


def elbo(
    q: Family, key: Key[Array, ""], log_joint: LogJoint, *, num_samples: int = 1, noise: Noise = draws.iid
) -> Float[Array, ""]:
    """The evidence lower bound E_q[log p(z, x) - log q(z)] = log p(x) - KL(q || p(z|x)), in nats (chapter 3).

    The mean of `num_samples` log weights: unbiased, and free of variance where q is the exact posterior. For a
    `Mixture` the sum over components is exact, and `num_samples` is the number of draws of each (chapter 4).

    Raises: see `log_weights`. Source: Jordan et al. (1999); the sum over components, Morningstar et al. (2021).
    """
    z, weights = q.strata(key, num_samples, noise=noise)
    return weighted_sum(weights, check.evaluate(log_joint, z) - q.log_prob(z))


def weighted_sum(weights: Float[Array, " n"], values: Float[Array, " n"]) -> Float[Array, ""]:
    """sum_i weights_i values_i, where a weight of zero is worth nothing, even if the value is -inf."""
    return weights @ jnp.where(weights > 0, values, 0.0)


def mean_field_elbo(params: Mapping[str, Array], key: Key[Array, ""], log_joint: LogJoint) -> Float[Array, ""]:
    """The ELBO of a mean-field Gaussian by one draw, in nats, with a plain dictionary for q (chapter 5).

    Args:
        params: {"mean": (dim,), "log_std": (dim,)}. `jax.vmap` over keys averages over more draws.

    Raises:
        ValueError: a key that is missing or unknown; see `MeanField` and `log_weights` for the rest.
    """
    if set(params) != {"mean", "log_std"}:
        check.reject("params", f"keys {sorted(params)}", "keys ['log_std', 'mean']")
    return elbo(MeanField(**params), key, log_joint)


def importance_weighted_bound(
    q: Family,
    key: Key[Array, ""],
    log_joint: LogJoint,
    *,
    num_samples: int,
    num_repeats: int = 1,
    noise: Noise = draws.iid,
) -> Float[Array, ""]:
    """The importance-weighted bound E[log mean_k w_k] of K = `num_samples` weights, in nats (chapter 3).

    K = 1 is the ELBO; the bound does not fall with K and tends to log p(x).

    Args:
        num_repeats: independent copies of log mean_k w_k, averaged: less noise, the same bound.

    Raises: see `log_weights`. Source: Burda, Grosse and Salakhutdinov (2016).
    """
    counts = {"num_samples": num_samples, "num_repeats": num_repeats}
    return renyi_bound(q, key, log_joint, **counts, alpha=0.0, noise=noise)


def renyi_bound(
    q: Family,
    key: Key[Array, ""],
    log_joint: LogJoint,
    *,
    num_samples: int,
    alpha: float,
    num_repeats: int = 1,
    noise: Noise = draws.iid,
) -> Float[Array, ""]:
    """The variational Rényi bound, estimated from K = `num_samples` weights, in nats (chapter 3).

        L_alpha = log E_q[w^(1 - alpha)] / (1 - alpha) = log p(x) - D_alpha(q || p(z|x))

    It falls as alpha grows: alpha = 1 is the ELBO, alpha = 0 is log p(x) itself, alpha < 0 is an *upper*
    bound. The logarithm of a finite average is biased towards the ELBO for every alpha != 1: from K weights,
    alpha = 0 gives the importance-weighted bound and not the evidence, and a negative alpha may give a number
    below log p(x).

    The convention of alpha, and its names in other libraries, are those of `renyi`.

    Raises:
        ValueError: alpha that is not a finite number; see `log_weights` for the rest.

    Source: Li and Turner (2016).
    """
    check.check_count("num_repeats", num_repeats)
    alpha = check.check_number("alpha", alpha)
    check.check_count("num_samples", num_samples)
    log_w = _repeated(q, key, log_joint, num_repeats, num_samples, noise)
    if alpha == 1:
        return jnp.mean(log_w)
    powers = (1 - alpha) * log_w
    return jnp.mean(jax.nn.logsumexp(powers, axis=1) - jnp.log(num_samples)) / (1 - alpha)


def _repeated(
    q: Family, key: Key[Array, ""], log_joint: LogJoint, num_repeats: int, num_samples: int, noise: Noise
) -> Float[Array, "num_repeats num_samples"]:
    """Log weights in independent copies: `noise` ties together the draws of one copy and no others."""
    if noise is draws.iid:
        log_w = log_weights(q, key, log_joint, num_samples=num_samples * num_repeats)
        return log_w.reshape(num_repeats, num_samples)
    one_copy = partial(log_weights, q, log_joint=log_joint, num_samples=num_samples, noise=noise)
    return jax.vmap(one_copy)(jax.random.split(key, num_repeats))


def upper_bound(
    q: Family,
    key: Key[Array, ""],
    log_joint: LogJoint,
    *,
    num_samples: int,
    num_repeats: int = 1,
    noise: Noise = draws.iid,
) -> Float[Array, ""]:
    """The Rényi bound of order -1, log E_q[w^2] / 2 >= log p(x), in nats (chapter 3).

    The *bound* lies above the evidence; its *estimate* is biased low and may lie below it, the more often
    the heavier the tail of the weights. Trust it as a bracket only where a closed form or quadrature
    stands behind it.

    Raises: see `log_weights`. Source: Dieng et al. (2017), the CUBO with n = 2.
    """
    counts = {"num_samples": num_samples, "num_repeats": num_repeats}
    return renyi_bound(q, key, log_joint, **counts, alpha=-1.0, noise=noise)
