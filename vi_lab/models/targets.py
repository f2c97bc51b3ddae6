"""Targets without data: densities of a known shape, normalised, so that their log evidence is zero."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from vi_lab import _checks as check
from vi_lab.families import Family, FullRank, MeanField, Mixture
from vi_lab.models._base import Model


def bimodal(*, separation: float = 6.0, weight: float = 0.5, std: float = 1.0) -> Model:
    """Two Gaussians on a line: weight N(-separation/2, std^2) + (1 - weight) N(separation/2, std^2).

    Raises:
        ValueError: a weight outside (0, 1), a std that is not above zero, a separation that is not finite.
    """
    separation, weight, std = check.as_floats(separation, weight, std)
    for name, value in {"separation": separation, "weight": weight, "std": std}.items():
        check.check_scalar(name, value)
    check.check_finite("separation", separation)
    check.check_positive("std", std)
    if check.is_concrete(weight) and not 0 < float(weight) < 1:
        check.reject("weight", f"{float(weight):g}", "a number between 0 and 1, both excluded")
    logits = jnp.stack([jnp.log(weight), jnp.log1p(-weight)])
    modes = tuple(MeanField.from_std(sign * separation[None] / 2, std[None]) for sign in (-1, 1))
    return _from_family(Mixture(logits, modes))


def gaussian(mean: ArrayLike, cov: ArrayLike) -> Model:
    """N(mean, cov) as a target, mean of shape (dim,); ValueError unless cov is symmetric positive
    definite.
    """
    return _from_family(FullRank.from_cov(mean, cov))


def _from_family(posterior: Family) -> Model:
    log_joint = jax.tree_util.Partial(_log_prob, posterior)
    return Model(log_joint, posterior.dim, log_evidence=jnp.zeros(()), posterior=posterior)


def _log_prob(posterior: Family, z: Float[Array, " dim"]) -> Float[Array, ""]:
    return posterior.log_prob(z)
