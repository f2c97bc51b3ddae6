"""Two moons: two bent modes, each reaching into the hollow of the other; normalized and with exact draws."""

import jax
import jax.numpy as jnp
from jax.scipy.stats import norm
from jaxtyping import Array, Float

from vi_lab import _checks as check
from vi_lab.families import Family, Mixture
from vi_lab.families._base import family
from vi_lab.models._base import Model, from_family

WINDINGS = (-1, 0, 1)  # whole turns: with a spread below 1, all others together hold less than 1e-19


@family
class Crescent(Family):
    """An arc of the unit circle around `center`, open at the bottom: z = center + turn r (sin a, cos a), with

        a ~ N(0, spread^2),   log r ~ N(0, width^2),   turn 1 or -1 (open at the top).

    Angles that differ by whole turns give one point, so the density sums over them: a wrapped normal.
    """

    center: Float[Array, " 2"]
    spread: Float[Array, ""]
    width: Float[Array, ""]
    turn: Float[Array, ""]

    @property
    def dim(self) -> int:
        return 2

    @property
    def mean(self) -> Float[Array, " 2"]:
        """E cos a = exp(-spread^2 / 2) and E r = exp(width^2 / 2)."""
        height = jnp.exp((self.width**2 - self.spread**2) / 2)
        return self.center + self.turn * jnp.stack([jnp.zeros_like(height), height])

    def cov(self) -> Float[Array, "2 2"]:
        """Diagonal: E sin^2 a = (1 - E cos 2a) / 2, E cos 2a = exp(-2 spread^2) and E r^2 = exp(2 width^2)."""
        square, cos_2a = jnp.exp(2 * self.width**2), jnp.exp(-2 * self.spread**2)
        along = square * (1 - cos_2a) / 2
        across = square * (1 + cos_2a) / 2 - jnp.exp(self.width**2 - self.spread**2)
        return jnp.diag(jnp.stack([along, across]))

    def transform(self, eps: Float[Array, "*batch 2"]) -> Float[Array, "*batch 2"]:
        eps = jnp.asarray(eps)
        check.check_points("eps", eps, 2)
        angle, r = self.spread * eps[..., 0], jnp.exp(self.width * eps[..., 1])
        return self.center + self.turn * r[..., None] * jnp.stack([jnp.sin(angle), jnp.cos(angle)], axis=-1)

    def log_prob(self, z: Float[Array, "*batch 2"]) -> Float[Array, "*batch"]:
        """Area r dr da = r^2 d(log r) da: the density of (log r, a) over r^2."""
        z = jnp.asarray(z)
        check.check_points("z", z, 2)
        x, y = jnp.moveaxis(self.turn * (z - self.center), -1, 0)
        away = (x != 0) | (y != 0)  # at the center itself the density is zero, and its logarithm inf - inf
        x, y = jnp.where(away, x, 0.0), jnp.where(away, y, 1.0)
        log_r = 0.5 * jnp.log(x**2 + y**2)
        turns = jnp.arctan2(x, y)[..., None] + 2 * jnp.pi * jnp.array(WINDINGS)
        log_angle = jax.nn.logsumexp(norm.logpdf(turns, scale=self.spread), axis=-1)
        return jnp.where(away, log_angle + norm.logpdf(log_r, scale=self.width) - 2 * log_r, -jnp.inf)

    def entropy(self) -> Float[Array, ""]:
        raise NotImplementedError(
            "The entropy of a Crescent has no closed form. "
            "Estimate it by Monte Carlo: -mean(q.log_prob(q.sample(key, num_samples)))."
        )


def two_moons(*, width: float = 0.1) -> Model:
    """Two interlocking crescents of equal weight, `width` thick for a radius of one: log evidence 0, dim 2 (chapter 4).

    `posterior` is a `Mixture`: exact draws by `.sample`, mean and covariance in closed form.

    Raises:
        ValueError: a width that is not above zero.
    """
    (width,) = check.as_floats(width)
    check.check_scales(width=width)
    center, spread = jnp.array([-0.5, -0.25], width.dtype), jnp.full_like(width, 0.7)
    moons = [Crescent(turn * center, spread, width, jnp.full_like(width, turn)) for turn in (1, -1)]
    return from_family(Mixture(jnp.zeros_like(center), tuple(moons)))
