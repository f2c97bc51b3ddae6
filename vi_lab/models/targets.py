"""Targets without data: densities of a known shape, normalised, so that their log evidence is zero."""

import jax.numpy as jnp
from jaxtyping import ArrayLike

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
