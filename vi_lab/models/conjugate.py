"""Conjugate models: posterior and evidence in closed form."""

import dataclasses

import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_solve
from jax.scipy.stats import norm
from jax.tree_util import Partial
from jaxtyping import Array, ArrayLike, Float, Key

from vi_lab import _checks as check
from vi_lab.families import FullRank, MeanField
from vi_lab.models._base import Model, posterior_model


def conjugate_normal(x: ArrayLike, *, noise_std: float = 1.0, prior_mean: float = 0.0, prior_std: float = 1.0) -> Model:
    """x_i ~ N(z, noise_std^2) for the n numbers x, z ~ N(prior_mean, prior_std^2); z is one number, dim = 1.

    Raises:
        ValueError: data that are not a vector of finite numbers, a scale that is not above zero.
    """
    x, noise_std, prior_mean, prior_std = check.as_floats(x, noise_std, prior_mean, prior_std)
    check.check_vector("x", x)
    check.check_finite("x", x)
    check.check_scalar("prior_mean", prior_mean)
    check.check_finite("prior_mean", prior_mean)
    design = jnp.ones((x.size, 1), x.dtype)
    return _linear(design, x, noise_std, prior_mean[None], prior_std, MeanField)


def conjugate_regression(x: ArrayLike, y: ArrayLike, *, noise_std: float = 1.0, prior_std: float = 1.0) -> Model:
    """y ~ N(x z, noise_std^2 I) for a design matrix x of shape (n, dim), z ~ N(0, prior_std^2 I).

    No intercept is added: give x a column of ones. dim may exceed n.

    Raises:
        ValueError: x that is not a matrix, y of another length, values that are not finite, a scale not above
            zero.
    """
    x, y, noise_std, prior_std = check.as_floats(x, y, noise_std, prior_std)
    check.check_design(x, y)
    return _linear(x, y, noise_std, jnp.zeros(x.shape[1], x.dtype), prior_std, FullRank)


def _linear(x: Array, y: Array, noise_std: Array, prior_mean: Array, prior_std: Array, family: type) -> Model:
    """Gaussian linear model, with posterior precision P = x'x / noise_std^2 + I / prior_std^2.

    log p(y) = log p(y, z) - log p(z|y) at any z; the posterior mean is where rounding hurts least.
    """
    check.check_scales(noise_std=noise_std, prior_std=prior_std)
    mean, cov = _posterior(x, y, noise_std, prior_mean, prior_std)
    if family is MeanField:
        posterior = MeanField.from_std(mean, jnp.sqrt(jnp.diag(cov)))
    else:
        posterior = FullRank.from_cov(mean, cov)
    model = posterior_model(
        MeanField.from_std(prior_mean, jnp.full_like(prior_mean, prior_std)),
        Partial(_log_likelihood, x, y, noise_std),
        posterior=posterior,
        simulate=Partial(_simulate, x, noise_std),
    )
    return dataclasses.replace(model, log_evidence=_log_evidence(model.log_joint, posterior))


@jax.jit  # one compiled call for each shape, where a dozen small ones would take longer to compile than to run
def _posterior(
    x: Array, y: Array, noise_std: Array, prior_mean: Array, prior_std: Array
) -> tuple[Float[Array, " dim"], Float[Array, "dim dim"]]:
    identity = jnp.eye(x.shape[1], dtype=x.dtype)
    precision = jnp.linalg.cholesky(x.T @ x / noise_std**2 + identity / prior_std**2)
    cov = cho_solve((precision, True), identity)
    return cov @ (x.T @ y / noise_std**2 + prior_mean / prior_std**2), (cov + cov.T) / 2


@jax.jit
def _log_evidence(log_joint: Partial, posterior: MeanField | FullRank) -> Float[Array, ""]:
    return log_joint(posterior.mean) - posterior.log_prob(posterior.mean)


def _log_likelihood(x: Array, y: Array, noise_std: Array, z: Float[Array, " dim"]) -> Float[Array, ""]:
    return jnp.sum(norm.logpdf(y, x @ z, noise_std))


def _simulate(x: Array, noise_std: Array, key: Key[Array, ""], z: Float[Array, " dim"]) -> Float[Array, " n"]:
    return x @ z + noise_std * jax.random.normal(key, x.shape[:1], x.dtype)
