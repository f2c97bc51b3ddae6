"""Mixtures: several distributions of one dimension, with weights."""

from typing import Self

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr
from jaxtyping import Array, ArrayLike, Float, Key

from vi_lab import _checks as check
from vi_lab import draws
from vi_lab.draws import Noise
from vi_lab.families._base import Family, family, undifferentiable
from vi_lab.families.gaussian import MeanField

NO_TRANSFORM = (
    "Mixture has no reparameterization: the label of a draw is discrete, so z is not differentiable in the logits. "
    "Draw with .sample(key, num_samples); gradients: stratified, which sums over the labels, or score_function."
)

_drawn = undifferentiable(NO_TRANSFORM)


@family
class Mixture(Family):
    """sum_k w_k q_k(z), with weights w = softmax(logits), logits of shape (num_components,) (chapter 4).

    `components` is a tuple of families of one dimension; ValueError when numbers or dimensions differ.
    """

    logits: Float[Array, " num_components"]
    components: tuple[Family, ...]

    def __init__(self, logits: ArrayLike, components: tuple[Family, ...]):
        (logits,) = check.as_floats(logits)
        if not isinstance(components, tuple | list) or not all(isinstance(q, Family) for q in components):
            check.reject("components", f"a {type(components).__name__}", "a tuple of families")
        components = tuple(components)
        check.check_vector("logits", logits)
        check.check_finite("logits", logits)
        if len(components) != logits.size:
            check.reject("components", f"{len(components)} of them", f"{logits.size}, one for each of the logits")
        dims = [component.dim for component in components]
        if len(set(dims)) != 1:
            check.reject("components", f"dimensions {dims}", "one dimension for all")
        object.__setattr__(self, "logits", logits)
        object.__setattr__(self, "components", components)

    @classmethod
    def standard(cls, dim: int, num_components: int, key: Key[Array, ""]) -> Self:
        """Equal weights, unit scales, means drawn from N(0, I): identical components never separate."""
        check.check_count("dim", dim)
        check.check_count("num_components", num_components)
        means = jax.random.normal(key, (num_components, dim))
        return cls(jnp.zeros(num_components), tuple(MeanField(mean, jnp.zeros(dim)) for mean in means))

    @property
    def dim(self) -> int:
        return self.components[0].dim

    @property
    def weights(self) -> Float[Array, " num_components"]:
        return jax.nn.softmax(self.logits)

    @property
    def mean(self) -> Float[Array, " dim"]:
        return self.weights @ jnp.stack([component.mean for component in self.components])

    def cov(self) -> Float[Array, "dim dim"]:
        """Law of total covariance: the mean of the covariances plus the covariance of the means."""
        offsets = jnp.stack([component.mean for component in self.components]) - self.mean
        within = jnp.stack([component.cov() for component in self.components])
        return jnp.einsum("k,kij->ij", self.weights, within + offsets[:, :, None] * offsets[:, None, :])

    def log_prob(self, z: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
        log_weights = jax.nn.log_softmax(self.logits)
        terms = [log_w + q.log_prob(z) for log_w, q in zip(log_weights, self.components, strict=True)]
        return jax.nn.logsumexp(jnp.stack(terms), axis=0)

    @property
    def _num_normals(self) -> int:
        return 1 + max(q._num_normals for q in self.components)

    def _draw(self, eps: Float[Array, "n num_normals"]) -> Float[Array, "n dim"]:
        """The first normal chooses the label, the others serve whichever component it names."""
        steps = jnp.cumsum(jax.nn.softmax(_drawn(self.logits)))[:-1]
        labels = jnp.sum(ndtr(eps[:, :1]) > steps, axis=1)
        parts = jnp.stack([q._draw(eps[:, 1 : 1 + q._num_normals]) for q in self.components])
        return parts[labels, jnp.arange(len(eps))]

    def strata(
        self, key: Key[Array, ""], num_samples: int, *, noise: Noise = draws.iid
    ) -> tuple[Float[Array, "n dim"], Float[Array, " n"]]:
        """`num_samples` draws of *each* component, weighted by w_k / num_samples: the sum over the labels is exact.

        Differentiable in q: in the components through their draws, in the logits through the weights.
        """
        keys = jax.random.split(key, len(self.components))
        parts = [q.strata(k, num_samples, noise=noise) for k, q in zip(keys, self.components, strict=True)]
        weights = [w * inner for w, (_, inner) in zip(self.weights, parts, strict=True)]
        return jnp.concatenate([z for z, _ in parts]), jnp.concatenate(weights)

    @property
    def noise_dim(self) -> int:
        raise NotImplementedError(NO_TRANSFORM)

    def transform(self, eps: Float[Array, "*batch noise_dim"]) -> Float[Array, "*batch dim"]:
        raise NotImplementedError(NO_TRANSFORM)

    def entropy(self) -> Float[Array, ""]:
        raise NotImplementedError(
            "The entropy of a Mixture has no closed form. "
            "Estimate it by Monte Carlo: -mean(q.log_prob(q.sample(key, num_samples)))."
        )
