"""The banana: a Gaussian bent along a parabola, normalized and with exact draws."""

import jax.numpy as jnp
from jax.scipy.stats import norm
from jaxtyping import Array, Float

from vi_lab import _checks as check
from vi_lab.families import Family
from vi_lab.families._base import family
from vi_lab.models._base import Model, from_family


@family
class Banana(Family):
    """z_1 = u, z_2 = curvature (u^2 - s_1^2) + v with u ~ N(0, s_1^2), v ~ N(0, s_2^2), s = exp(log_std).

    The bend preserves areas, so that density and entropy are those of (u, v). The mean is zero, and z_1 and z_2
    are uncorrelated, whatever the curvature.
    """

    log_std: Float[Array, " 2"]
    curvature: Float[Array, ""]

    @property
    def dim(self) -> int:
        return 2

    @property
    def mean(self) -> Float[Array, " 2"]:
        return jnp.zeros_like(self.log_std)

    def cov(self) -> Float[Array, "2 2"]:
        """Diagonal; Var u^2 = 2 s_1^4 comes on top of v's variance."""
        first, second = jnp.exp(2 * self.log_std)
        return jnp.diag(jnp.stack([first, second + 2 * (self.curvature * first) ** 2]))

    def _bend(self, u: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
        return self.curvature * (u**2 - jnp.exp(2 * self.log_std[0]))

    def transform(self, eps: Float[Array, "*batch 2"]) -> Float[Array, "*batch 2"]:
        eps = jnp.asarray(eps)
        check.check_points("eps", eps, 2)
        u, v = jnp.moveaxis(jnp.exp(self.log_std) * eps, -1, 0)
        return jnp.stack([u, v + self._bend(u)], axis=-1)

    def log_prob(self, z: Float[Array, "*batch 2"]) -> Float[Array, "*batch"]:
        z = jnp.asarray(z)
        check.check_points("z", z, 2)
        u, bent = jnp.moveaxis(z, -1, 0)
        first, second = jnp.exp(self.log_std)
        return norm.logpdf(u, scale=first) + norm.logpdf(bent - self._bend(u), scale=second)

    def entropy(self) -> Float[Array, ""]:
        return jnp.sum(self.log_std) + jnp.log(2 * jnp.pi) + 1


def banana(*, curvature: float = 0.5, std: float = 2.0) -> Model:
    """z_1 ~ N(0, std^2) and z_2 | z_1 ~ N(curvature (z_1^2 - std^2), 1): log evidence 0, dim 2 (chapter 4).

    `posterior` is a family: exact draws by `.sample`, moments and entropy in closed form.

    Raises:
        ValueError: a std that is not above zero, a curvature that is not finite.

    Source: the shape is that of Haario, Saksman and Tamminen (1999).
    """
    curvature, std = check.as_floats(curvature, std)
    check.check_scalar("curvature", curvature)
    check.check_finite("curvature", curvature)
    check.check_scales(std=std)
    return from_family(Banana(jnp.stack([jnp.log(std), jnp.zeros_like(std)]), curvature))
