"""Central intervals of a distribution, one coordinate at a time."""

import jax.numpy as jnp
from jax.scipy.special import ndtri
from jaxtyping import Array, Float, Key

from vi_lab import _checks as check
from vi_lab.divergences import Gaussian
from vi_lab.families import Family


def central_interval(
    q: Family, key: Key[Array, ""], level: float, num_samples: int
) -> tuple[Float[Array, " dim"], Float[Array, " dim"]]:
    """Lower and upper end of each coordinate's central interval: exact for a Gaussian, else of q's draws."""
    if isinstance(q, Gaussian):
        half = ndtri((1 + level) / 2) * jnp.sqrt(jnp.diag(q.cov()))
        return q.mean - half, q.mean + half
    z = q.sample(key, num_samples)
    check.check_draws("draws of q", z)
    return tuple(jnp.quantile(z, jnp.array([(1 - level) / 2, (1 + level) / 2]), axis=0))


def interval_coverage(
    q: Family, key: Key[Array, ""], reference: Array, *, level: float = 0.9, num_samples: int = 4000
) -> Float[Array, " dim"]:
    """The share of reference draws inside q's central interval, for each coordinate (chapter 6).

    `level` for a q with the posterior's marginals; the mean-field optimum on a two-dimensional Gaussian with
    correlation rho has 2 Phi(c sqrt(1 - rho^2)) - 1, c the normal quantile of (1 + level) / 2. It sees one coordinate
    at a time, and is worth no more than the reference. A share, without a unit; nothing here is in nats.

    Args:
        reference: draws of the posterior, shape (n, dim), such as those of a long run of MCMC.
        level: of the interval, between 0 and 1. num_samples: draws of a q that is not Gaussian.

    Raises:
        ValueError: draws that are no matrix of q's dimension or not finite, a level outside (0, 1).
    """
    check.check_family(q)
    reference = jnp.asarray(reference)
    check.check_draws("reference", reference)
    check.check_points("reference", reference, q.dim)
    check.check_fraction("level", jnp.asarray(level))
    check.check_count("num_samples", num_samples)
    lower, upper = central_interval(q, key, level, num_samples)
    return jnp.mean((reference >= lower) & (reference <= upper), axis=0, dtype=float)
