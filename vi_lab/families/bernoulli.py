"""Independent coin flips: the family for discrete latents, and the one that no reparameterization serves."""

from typing import Self

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr
from jaxtyping import Array, ArrayLike, Float

from vi_lab import _checks as check
from vi_lab.families._base import Family, family, undifferentiable

NO_TRANSFORM = (
    "Bernoulli has no reparameterization: z jumps between 0 and 1, so it is not differentiable in the logits. "
    "Draw with .sample(key, num_samples); gradients: score_function or rao_blackwellized."
)

_drawn = undifferentiable(NO_TRANSFORM)


@family
class Bernoulli(Family):
    """z in {0, 1}^dim, independent coordinates, P(z_i = 1) = sigmoid(logits_i); z is held as floats (chapter 5).

    `logits` has shape (dim,); ValueError if it is no vector or not finite.
    """

    logits: Float[Array, " dim"]

    def __init__(self, logits: ArrayLike):
        (logits,) = check.as_floats(logits)
        check.check_vector("logits", logits)
        check.check_finite("logits", logits)
        object.__setattr__(self, "logits", logits)

    @classmethod
    def from_probs(cls, probs: ArrayLike) -> Self:
        """From P(z_i = 1), shape (dim,); ValueError unless all lie strictly between 0 and 1."""
        (probs,) = check.as_floats(probs)
        check.check_vector("probs", probs)
        if check.is_concrete(probs) and not bool(((probs > 0) & (probs < 1)).all()):
            check.reject("probs", f"{probs}", "probabilities between 0 and 1, both excluded")
        return cls(jnp.log(probs) - jnp.log1p(-probs))

    @classmethod
    def standard(cls, dim: int) -> Self:
        """Fair coins."""
        check.check_count("dim", dim)
        return cls(jnp.zeros(dim))

    @property
    def dim(self) -> int:
        return self.logits.shape[-1]

    @property
    def mean(self) -> Float[Array, " dim"]:
        """The probabilities of a one."""
        return jax.nn.sigmoid(self.logits)

    def cov(self) -> Float[Array, "dim dim"]:
        return jnp.diag(self.mean * jax.nn.sigmoid(-self.logits))

    def log_prob(self, z: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
        """log q(z), in nats: -inf unless every coordinate is 0 or 1."""
        z = jnp.asarray(z)
        check.check_points("z", z, self.dim)
        terms = z * self.logits - jax.nn.softplus(self.logits)
        return jnp.sum(jnp.where((z == 0) | (z == 1), terms, -jnp.inf), axis=-1)

    @property
    def _num_normals(self) -> int:
        return self.dim

    def _draw(self, eps: Float[Array, "n dim"]) -> Float[Array, "n dim"]:
        return (ndtr(eps) < jax.nn.sigmoid(_drawn(self.logits))).astype(self.logits.dtype)

    def entropy(self) -> Float[Array, ""]:
        # softplus(l) - l sigmoid(l) in |l|, in which it is even: both terms then stay small where the entropy is
        size = jnp.abs(self.logits)
        return jnp.sum(jax.nn.softplus(-size) + size * jax.nn.sigmoid(-size))

    @property
    def noise_dim(self) -> int:
        raise NotImplementedError(NO_TRANSFORM)

    def transform(self, eps: Float[Array, "*batch noise_dim"]) -> Float[Array, "*batch dim"]:
        raise NotImplementedError(NO_TRANSFORM)
