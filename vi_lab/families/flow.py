"""Normalizing flows: a standard normal bent by invertible layers whose Jacobian is triangular."""

from typing import NamedTuple, Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Key

from vi_lab import _checks as check
from vi_lab.families._base import Family, family
from vi_lab.families.gaussian import LOG_2PI

MAX_LOG_SCALE = 2.0  # one layer stretches by at most e^2 = 7.4, so that no step can make it overflow


class Coupling(NamedTuple):
    """A network of one hidden layer: what the kept coordinates say about how the others move."""

    weights_in: Float[Array, "*layers kept hidden"]
    bias: Float[Array, "*layers hidden"]
    weights_out: Float[Array, "*layers hidden two_moved"]

    def __call__(self, kept: Float[Array, "*batch kept"]) -> tuple[Array, Array]:
        """(shift, log_scale), each of shape (*batch, moved)."""
        out = jnp.tanh(kept @ self.weights_in + self.bias) @ self.weights_out
        shift, log_scale = jnp.split(out, 2, axis=-1)
        return shift, MAX_LOG_SCALE * jnp.tanh(log_scale / MAX_LOG_SCALE)


@family
class Flow(Family):
    """Affine coupling layers, then a shift and a scale: z = location + exp(log_scale) f_n(... f_1(eps)), eps ~ N(0, I).

    Each layer keeps the first half of the coordinates and moves the others, u -> shift(kept) + exp(log_scale(kept)) u,
    with shift and log_scale from its network; then the moved ones come first, so that the next layer keeps them.
    Each layer is inverted by hand and its Jacobian is triangular, so that log q(z) is exact.

    `location`, `log_scale`: shape (dim,), dim at least 2. `layers`: one `Coupling`, the networks of all layers along
    the first axis of its arrays, so that a scan compiles one layer and not all of them.
    ValueError on wrong shapes or values that are not finite. Source: Dinh, Sohl-Dickstein and Bengio (2017).
    """

    location: Float[Array, " dim"]
    log_scale: Float[Array, " dim"]
    layers: Coupling

    def __init__(self, location: ArrayLike, log_scale: ArrayLike, layers: Coupling):
        location, log_scale = check.as_floats(location, log_scale)
        check.check_vector("location", location)
        if location.size < 2:
            check.reject("location", f"shape {location.shape}", "at least two coordinates: one moves, one is kept")
        check.check_shape("log_scale", log_scale, location.shape)
        if not isinstance(layers, Coupling):
            check.reject("layers", f"a {type(layers).__name__}", "a Coupling, as Flow.standard makes")
        layers = Coupling(*check.as_floats(*layers))
        _check_layers(layers, location.size)
        for name, value in {"location": location, "log_scale": log_scale, "layers": layers}.items():
            for leaf in jax.tree.leaves(value):
                check.check_finite(name, leaf)
            object.__setattr__(self, name, value)

    @classmethod
    def standard(cls, dim: int, key: Key[Array, ""] | None = None, *, num_layers: int = 6, hidden: int = 32) -> Self:
        """N(0, I) exactly, whatever the key: the last weights of every layer start at zero.

        `hidden`: width of the networks. `key` draws their first weights (by default `jax.random.key(0)`).
        """
        check.check_count("dim", dim, least=2)
        check.check_count("num_layers", num_layers)
        check.check_count("hidden", hidden)
        weights_key, bias_key = jax.random.split(jax.random.key(0) if key is None else key)
        kept = dim // 2
        weights_in = jax.random.normal(weights_key, (num_layers, kept, hidden)) / jnp.sqrt(kept)
        bias = jax.random.normal(bias_key, (num_layers, hidden))
        weights_out = jnp.zeros((num_layers, hidden, 2 * (dim - kept)))
        return cls(jnp.zeros(dim), jnp.zeros(dim), Coupling(weights_in, bias, weights_out))

    @property
    def dim(self) -> int:
        return self.location.shape[-1]

    @property
    def _turn(self) -> int:
        """By how many places the layers together have turned the coordinates."""
        return len(self.layers.bias) * (self.dim // 2)

    def transform(self, eps: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
        eps = jnp.asarray(eps)
        check.check_points("eps", eps, self.dim)

        def layer(u: Array, network: Coupling) -> tuple[Array, None]:
            kept, moved = jnp.split(u, [self.dim // 2], axis=-1)
            shift, log_scale = network(kept)
            return jnp.concatenate([shift + jnp.exp(log_scale) * moved, kept], axis=-1), None

        u, _ = jax.lax.scan(layer, eps, self.layers)
        return self.location + jnp.exp(self.log_scale) * jnp.roll(u, self._turn, axis=-1)

    def log_prob(self, z: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
        """log N(eps; 0, I) - log |det dz/d eps| at the eps that `transform` takes to z: the layers, undone."""
        z = jnp.asarray(z)
        check.check_points("z", z, self.dim)

        def undo(state: tuple[Array, Array], network: Coupling) -> tuple[tuple[Array, Array], None]:
            u, log_det = state
            moved, kept = jnp.split(u, [self.dim - self.dim // 2], axis=-1)
            shift, log_scale = network(kept)
            u = jnp.concatenate([kept, (moved - shift) * jnp.exp(-log_scale)], axis=-1)
            return (u, log_det + jnp.sum(log_scale, axis=-1)), None

        u = jnp.roll((z - self.location) * jnp.exp(-self.log_scale), -self._turn, axis=-1)
        log_det = jnp.broadcast_to(jnp.sum(self.log_scale), u.shape[:-1])
        (u, log_det), _ = jax.lax.scan(undo, (u, log_det), self.layers, reverse=True)
        return -0.5 * jnp.sum(u**2 + LOG_2PI, axis=-1) - log_det

    @property
    def mean(self) -> Float[Array, " dim"]:
        raise NotImplementedError(_no_closed_form("mean", "q.sample(key, num_samples).mean(axis=0)"))

    def cov(self) -> Float[Array, "dim dim"]:
        raise NotImplementedError(_no_closed_form("covariance", "jnp.cov(q.sample(key, num_samples).T)"))

    def entropy(self) -> Float[Array, ""]:
        raise NotImplementedError(_no_closed_form("entropy", "-q.log_prob(q.sample(key, num_samples)).mean()"))


def _no_closed_form(what: str, way: str) -> str:
    return f"The {what} of a Flow has no closed form. Estimate it by Monte Carlo: {way}."


def _check_layers(layers: Coupling, dim: int) -> None:
    if layers.bias.ndim != 2 or layers.bias.size == 0:
        check.reject("layers.bias", f"shape {layers.bias.shape}", "shape (num_layers, hidden)")
    num_layers, hidden = layers.bias.shape
    check.check_shape("layers.weights_in", layers.weights_in, (num_layers, dim // 2, hidden))
    check.check_shape("layers.weights_out", layers.weights_out, (num_layers, hidden, 2 * (dim - dim // 2)))
