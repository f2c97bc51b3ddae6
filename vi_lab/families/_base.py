"""What all families share: registration as a pytree, and sampling by pushing noise through `transform`."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import dataclass_transform

import jax
import jax.numpy as jnp
from jax.tree_util import GetAttrKey
from jaxtyping import Array, Float, Key

from vi_lab import _checks as check
from vi_lab import draws
from vi_lab.draws import Noise


@dataclass_transform(frozen_default=True, eq_default=False)
def family(cls: type) -> type:
    """Class decorator: a frozen dataclass whose fields are the leaves of a pytree.

    Unflattening skips `__init__`, and with it validation: JAX also passes tracers, shapes and
    gradients through here, and the gradient of a scale may well be negative.
    """
    cls = dataclass(frozen=True, eq=False, init="__init__" not in vars(cls))(cls)
    names = [field.name for field in fields(cls)]

    def flatten(q):
        return [(GetAttrKey(name), getattr(q, name)) for name in names], None

    def unflatten(_, leaves):
        q = object.__new__(cls)
        for name, leaf in zip(names, leaves, strict=True):
            object.__setattr__(q, name, leaf)
        return q

    jax.tree_util.register_pytree_with_keys(cls, flatten, unflatten)
    return cls


def undifferentiable(message: str) -> Callable[[Array], Array]:
    """The identity, which raises NotImplementedError(message) where JAX differentiates it.

    For parameters of draws that jump: automatic differentiation would take such draws for constants, without a word.
    """

    def refuse(primals, tangents):
        raise NotImplementedError(message)

    same = jax.custom_jvp(lambda x: x)
    same.defjvp(refuse)
    return same


class Family(ABC):
    """A distribution over z in R^dim. All log densities and entropies are in nats.

    The gradient of a function of q is another object of the same class, holding one derivative a leaf.
    """

    @property
    @abstractmethod
    def dim(self) -> int:
        """Number of coordinates of z."""

    @property
    def noise_dim(self) -> int:
        """Number of standard normals that `transform` consumes a draw."""
        return self.dim

    @abstractmethod
    def transform(self, eps: Float[Array, "*batch noise_dim"]) -> Float[Array, "*batch dim"]:
        """The reparameterization z = g_lambda(eps): standard normal noise in, draws of q out (chapter 5)."""

    @abstractmethod
    def log_prob(self, z: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
        """log q(z), in nats; ValueError if the last axis of z is not `dim`."""

    @abstractmethod
    def entropy(self) -> Float[Array, ""]:
        """-E_q[log q(z)], in nats."""

    @abstractmethod
    def cov(self) -> Float[Array, "dim dim"]:
        """The covariance matrix of z."""

    def sample(
        self, key: Key[Array, ""], num_samples: int, *, noise: Noise = draws.iid
    ) -> Float[Array, "num_samples dim"]:
        """Draws of q, independent unless `noise` says otherwise.

        ValueError unless `num_samples` is a positive number and `noise` a function that returns normals of that shape.
        Differentiable in q where q has a `transform`; where draws jump, differentiating raises NotImplementedError.
        """
        check.check_noise(noise)
        eps = noise(key, num_samples, self._num_normals)
        check.check_shape("noise", eps, (num_samples, self._num_normals))
        return self._draw(eps.astype(jax.tree.leaves(self)[0].dtype))

    @property
    def _num_normals(self) -> int:
        """How many standard normals a draw is made of: `noise_dim` where there is a `transform`."""
        return self.noise_dim

    def _draw(self, eps: Float[Array, "n num_normals"]) -> Float[Array, "n dim"]:
        """One draw of q from each row of normals, be it differentiable or not."""
        return self.transform(eps)

    def strata(
        self, key: Key[Array, ""], num_samples: int, *, noise: Noise = draws.iid
    ) -> tuple[Float[Array, "n dim"], Float[Array, " n"]]:
        """Draws z and weights that sum to one: sum_i weights_i f(z_i) is an unbiased estimate of E_q[f(z)].

        One stratum, n = num_samples and equal weights, unless a family can sum over parts of itself exactly.
        """
        z = self.sample(key, num_samples, noise=noise)
        return z, jnp.full(num_samples, 1 / num_samples, z.dtype)
