"""Neal's funnel: the scale of all other coordinates is a coordinate itself; normalized and with exact draws."""

import jax.numpy as jnp
from jax.scipy.stats import norm
from jaxtyping import Array, Float

from vi_lab import _checks as check
from vi_lab.families import Family
from vi_lab.families._base import family
from vi_lab.families.gaussian import LOG_2PI
from vi_lab.models._base import Model, from_family


@family
class Funnel(Family):
    """z = (v, z_1, ..., z_{dim-1}) with v ~ N(mean_0, exp(log_std)^2) and z_i | v ~ N(mean_i, exp(v)), independent.

    All z_i are uncorrelated with v and with each other; that they share a scale is all that couples them.
    """

    mean: Float[Array, " dim"]
    log_std: Float[Array, ""]

    @property
    def dim(self) -> int:
        return self.mean.shape[-1]

    def cov(self) -> Float[Array, "dim dim"]:
        """Diagonal: Var v = std^2, and Var z_i = E exp(v) = exp(mean_0 + std^2 / 2)."""
        var = jnp.exp(2 * self.log_std)
        wide = jnp.exp(self.mean[0] + var / 2)
        return jnp.diag(jnp.concatenate([var[None], jnp.broadcast_to(wide, self.mean[1:].shape)]))

    def transform(self, eps: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
        eps = jnp.asarray(eps)
        check.check_points("eps", eps, self.dim)
        v = self.mean[0] + jnp.exp(self.log_std) * eps[..., :1]
        return jnp.concatenate([v, self.mean[1:] + jnp.exp(v / 2) * eps[..., 1:]], axis=-1)

    def log_prob(self, z: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
        z = jnp.asarray(z)
        check.check_points("z", z, self.dim)
        v, rest = z[..., :1], z[..., 1:]
        neck = norm.logpdf(v[..., 0], self.mean[0], jnp.exp(self.log_std))
        return neck + jnp.sum(norm.logpdf(rest, self.mean[1:], jnp.exp(v / 2)), axis=-1)

    def entropy(self) -> Float[Array, ""]:
        """That of v, and of a Gaussian whose log standard deviation has the mean mean_0 / 2 for each z_i."""
        return self.log_std + 0.5 * (self.dim * (1 + LOG_2PI) + (self.dim - 1) * self.mean[0])


def funnel(dim: int = 2, *, std: float = 3.0) -> Model:
    """v ~ N(0, std^2) and z_i | v ~ N(0, exp(v)) for i = 1, ..., dim - 1: log evidence 0 (chapter 6).

    `posterior` is a family: exact draws by `.sample`, moments and entropy in closed form. All moments of z_i exist,
    but they are those of a far heavier tail than a Gaussian's: the kurtosis is 3 exp(std^2), 24,309 at std = 3, so that
    no number of draws that one can afford shows the variance exp(std^2 / 2). Against a Gaussian q, whatever its
    covariance, the weights p/q grow without bound along the mouth, where v and the z_i are large.

    Raises:
        ValueError: a dim that is not a whole number of at least 2, a std that is not above zero.

    Source: Neal (2003), Slice sampling, section 8, whose funnel has dim = 10 and std = 3.
    """
    check.check_count("dim", dim, least=2)
    (std,) = check.as_floats(std)
    check.check_scales(std=std)
    return from_family(Funnel(jnp.zeros(dim, std.dtype), jnp.log(std)))
