"""Targets without data: densities of a known shape, normalised, so that their log evidence is zero."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Key

from vi_lab import _checks as check
from vi_lab.families import FullRank, MeanField, Mixture
from vi_lab.models._base import Model, from_family


def bimodal(*, separation: float = 6.0, weight: float = 0.5, std: float = 1.0) -> Model:
    """Two Gaussians on a line: weight N(-separation/2, std^2) + (1 - weight) N(separation/2, std^2).

    Raises:
        ValueError: a weight outside (0, 1), a std that is not above zero, a separation that is not finite.
    """
    separation, weight, std = check.as_floats(separation, weight, std)
    check.check_scalar("separation", separation)
    check.check_finite("separation", separation)
    check.check_fraction("weight", weight)
    check.check_scales(std=std)
    logits = jnp.stack([jnp.log(weight), jnp.log1p(-weight)])
    modes = tuple(MeanField.from_std(sign * separation[None] / 2, std[None]) for sign in (-1, 1))
    return from_family(Mixture(logits, modes))


def gaussian(mean: ArrayLike, cov: ArrayLike) -> Model:
    """N(mean, cov) as a target, mean of shape (dim,); ValueError unless cov is symmetric positive
    definite.
    """
    return from_family(FullRank.from_cov(mean, cov))


def ill_conditioned(dim: int = 20, *, condition: float = 1e4, key: Key[Array, ""] | None = None) -> Model:
    """N(0, U diag(lambda) U^T): eigenvalues from 1/sqrt(condition) to sqrt(condition), evenly in their logarithm, and
    a rotation U drawn from `key` uniformly among all of them: log evidence 0 (chapter 7).

    The scales of the axes multiply to one, and no coordinate is one of them: a rescaling of coordinates mends little.

    Raises:
        ValueError: a dim that is not a whole number of at least 2, a condition that is not a number of at least 1.
    """
    check.check_count("dim", dim, least=2)
    if not check.check_number("condition", condition) >= 1:
        check.reject("condition", f"{condition:g}", "a number of at least 1")
    # Uniform but for the signs of its columns, which leave the covariance as it is.
    rotation, _ = jnp.linalg.qr(jax.random.normal(jax.random.key(0) if key is None else key, (dim, dim)))
    std = condition ** (jnp.linspace(-1, 1, dim) / 4)
    # A Cholesky factor of the covariance itself would lose half of the digits that this one keeps.
    factor = jnp.linalg.qr((rotation * std).T)[1].T
    return from_family(FullRank(jnp.zeros(dim), factor * jnp.sign(jnp.diag(factor))))
