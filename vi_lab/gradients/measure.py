"""Gradients as differences: the derivative of a density is itself a difference of two densities (chapter 5)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from vi_lab import _checks as check
from vi_lab._checks import LogJoint
from vi_lab.families import MeanField


def measure_valued(
    q: MeanField, key: Key[Array, ""], log_joint: LogJoint, *, num_samples: int = 1, coupled: bool = True
) -> tuple[Float[Array, ""], MeanField]:
    """(ELBO, its gradient in q), in nats, without a derivative of log p or a score (chapter 5).

    Each coordinate's derivative compares log p at two sets of draws, the other coordinates being drawn from q:

        dL/dmean_i    = ( E log p(z | z_i = m_i + s_i R) - E log p(z | z_i = m_i - s_i R) ) / (s_i sqrt(2 pi))
        dL/dlog_std_i =   E log p(z | z_i = m_i + s_i M) - E log p(z | z_i = m_i + s_i N) + 1

    R is Rayleigh, M double-sided Maxwell (density z^2 phi(z)), N standard normal; the 1 is the entropy's part.
    Costs 4 dim + 1 evaluations of log p a draw, which need not be differentiable. Draws its own, independent, noise.

    Args:
        coupled: draw the two sides together (one R for both; N = M U with U uniform), which makes their
            difference small where log p is smooth; False draws them independently.

    Raises:
        NotImplementedError: a family other than `MeanField`. ValueError: see `log_weights`.

    Source: Mohamed, Rosca, Figurnov and Mnih (2020), sections 6 and 7.
    """
    if not isinstance(q, MeanField):
        raise NotImplementedError(
            f"measure_valued: splits the density of one coordinate at a time, and those of a {type(q).__name__} are "
            "not independent normals. It serves MeanField; score_function serves every family."
        )
    base_key, side_key = jax.random.split(key)
    z = q.sample(base_key, num_samples)
    sides = q.mean + q.std * _sides(side_key, z, coupled)
    own = jnp.eye(q.dim, dtype=bool)
    points = jnp.where(own, sides[:, :, None, :], z[:, None, :])  # (4, n, i, dim): coordinate i is replaced
    log_p = check.evaluate(log_joint, points.reshape(-1, q.dim)).reshape(4, *z.shape).mean(axis=1)
    value = jnp.mean(check.evaluate(log_joint, z) - q.log_prob(z))
    up, down, wide, narrow = log_p
    leaves = [(up - down) / (q.std * jnp.sqrt(2 * jnp.pi)), wide - narrow + 1]  # of mean and of log_std
    return value, jax.tree.unflatten(jax.tree.structure(q), leaves)


def _sides(key: Key[Array, ""], z: Float[Array, "n dim"], coupled: bool) -> Float[Array, "4 n dim"]:
    """Standardized draws: Rayleigh up and down, double-sided Maxwell, normal."""
    keys = jax.random.split(key, 4)
    normals = jax.random.normal(keys[0], (3, *z.shape), z.dtype)
    length = jnp.linalg.norm(normals, axis=0)  # Maxwell
    maxwell = jnp.where(jax.random.bernoulli(keys[1], shape=z.shape), length, -length)
    up, down = jnp.sqrt(2 * jax.random.exponential(keys[2], (2, *z.shape), z.dtype))
    if coupled:
        return jnp.stack([up, -up, maxwell, maxwell * jax.random.uniform(keys[3], z.shape, z.dtype)])
    return jnp.stack([up, -down, maxwell, jax.random.normal(keys[3], z.shape, z.dtype)])
