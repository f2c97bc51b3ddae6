"""Does the posterior fall off as a power where q falls off as a Gaussian?"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from vi_lab import _checks as check
from vi_lab._checks import LogJoint
from vi_lab.families import Family, FullRank, MeanField

BEYOND = 5.0  # of q's standard deviations: a Gaussian has 6e-7 of its mass out there
FAR = (20.0, 40.0, 80.0, 160.0)  # radii between which the two slopes are taken
MOST_GROWTH = 1.5  # of the slope, when the radius grows four times: a power law 1, an exponential 4, a Gaussian 16


class Tails(NamedTuple):
    """Along each axis of q: the posterior's share beyond five of q's standard deviations, and its power or None.

    `blind`: from which of q's standard deviations on it is NaN or +inf; infinite where it nowhere is. There the share
    is given as zero.
    """

    share: Float[np.ndarray, " dim"]
    power: tuple[float | None, ...]
    blind: Float[np.ndarray, " dim"]


def tails(q: Family, key: Key[Array, ""], log_joint: LogJoint) -> Tails:
    """The log joint along q's axes through its mean, as far as 200 standard deviations.

    Where it falls as -nu log r, its slope in log r is the constant -nu; a tail that is exponential has a slope that
    grows with r, and a Gaussian one with its square.
    """
    center, axes = local_axes(q, key)
    r = np.sinh(np.linspace(0, np.arcsinh(200.0), 1000))
    r = np.concatenate([-r[:0:-1], r])
    values = np.asarray(_along(check.as_pytree(log_joint), center, axes, np.concatenate([r, FAR, np.negative(FAR)])))
    lines, far = values[:, : len(r)], values[:, len(r) :]
    bad = np.isnan(lines) | np.isposinf(lines)
    blind = np.where(bad, np.abs(r), np.inf).min(axis=1)
    share = [0.0 if np.isfinite(first) else _share(line, r) for line, first in zip(lines, blind, strict=True)]
    with np.errstate(invalid="ignore"):  # -inf, where the model has no mass that far
        return Tails(np.array(share), tuple(map(_power, far)), blind)


def local_axes(q: Family, key: Key[Array, ""]) -> tuple[Float[Array, " dim"], Float[Array, "dim dim"]]:
    """Center, and one scaled axis a row: of a Gaussian the columns of L, else marginal standard deviations."""
    if isinstance(q, MeanField | FullRank):
        return q.mean, q.scale_tril.T
    z = q.sample(key, 2000)
    return z.mean(axis=0), jnp.diag(z.std(axis=0))


@jax.jit
def _along(log_joint: LogJoint, center: Array, axes: Array, r: Array) -> Float[Array, "dim n"]:
    z = center + r[None, :, None] * axes[:, None, :]
    return check.evaluate(log_joint, z.reshape(-1, z.shape[-1])).reshape(z.shape[:-1])


def _share(line: np.ndarray, r: np.ndarray) -> float:
    if not np.isfinite(line.max()):
        return 0.0
    p = np.exp(line - line.max())
    return float(np.trapezoid(np.where(np.abs(r) > BEYOND, p, 0.0), r) / np.trapezoid(p, r))


def _power(values: np.ndarray) -> float | None:
    """The exponent of a power law on either side; None where neither falls as one."""
    for near, middle, farther, farthest in np.split(values, 2):
        first, last = (near - middle) / np.log(2), (farther - farthest) / np.log(2)
        if first > 1 and last / first < MOST_GROWTH and np.isfinite(last):
            return float(last)
    return None
