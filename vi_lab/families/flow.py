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

    weights_in: Float[Array, "kept hidden"]
    bias: Float[Array, " hidden"]
    weights_out: Float[Array, "hidden two_moved"]

    def __call__(self, kept: Float[Array, "*batch kept"]) -> tuple[Array, Array]:
        """(shift, log_scale), each of shape (*batch, moved)."""
        out = jnp.tanh(kept @ self.weights_in + self.bias) @ self.weights_out
        shift, log_scale = jnp.split(out, 2, axis=-1)
        return shift, MAX_LOG_SCALE * jnp.tanh(log_scale / MAX_LOG_SCALE)


@family
class Flow(Family):
    """Affine coupling layers, then a shift and a scale: z = location + exp(log_scale) f_n(... f_1(eps)), eps ~ N(0, I).

    Layer l keeps one half of the coordinates and moves the other: u -> shift(kept) + exp(log_scale(kept)) u,
    with shift and log_scale from the network `Coupling`; the halves change roles from layer to layer. Each
    layer is inverted by hand and its Jacobian is triangular, so that log q(z) is exact (chapter 4).

    `location`, `log_scale`: shape (dim,), dim at least 2. `layers`: a tuple of `Coupling`.
    ValueError on wrong shapes or values that are not finite. Source: Dinh, Sohl-Dickstein and Bengio (2017).
    """

    location: Float[Array, " dim"]
    log_scale: Float[Array, " dim"]
    layers: tuple[Coupling, ...]

    def __init__(self, location: ArrayLike, log_scale: ArrayLike, layers: tuple[Coupling, ...]):
        location, log_scale = check.as_floats(location, log_scale)
        check.check_vector("location", location)
        if location.size < 2:
            check.reject("location", f"shape {location.shape}", "at least two coordinates: one moves, one is kept")
        check.check_shape("log_scale", log_scale, location.shape)
        if not isinstance(layers, tuple | list) or not all(isinstance(layer, Coupling) for layer in layers):
            check.reject("layers", f"a {type(layers).__name__}", "a tuple of Coupling networks, as Flow.standard makes")
        layers = tuple(Coupling(*check.as_floats(*layer)) for layer in layers)
        for i, layer in enumerate(layers):
            _check_layer(f"layers[{i}]", layer, *_sizes(location.size, i))
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
        keys = jax.random.split(jax.random.key(0) if key is None else key, (num_layers, 2))
        layers = []
        for i, (k1, k2) in enumerate(keys):
            kept, moved = _sizes(dim, i)
            weights_in = jax.random.normal(k1, (kept, hidden)) / jnp.sqrt(kept)
            layers.append(Coupling(weights_in, jax.random.normal(k2, (hidden,)), jnp.zeros((hidden, 2 * moved))))
        return cls(jnp.zeros(dim), jnp.zeros(dim), tuple(layers))

    @property
    def dim(self) -> int:
        return self.location.shape[-1]

    def transform(self, eps: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
        u = jnp.asarray(eps)
        check.check_points("eps", u, self.dim)
        for i, layer in enumerate(self.layers):
            kept, moved = _halves(u, i)
            shift, log_scale = layer(kept)
            u = _join(kept, shift + jnp.exp(log_scale) * moved, i)
        return self.location + jnp.exp(self.log_scale) * u

    def log_prob(self, z: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
        """log N(eps; 0, I) - log |det dz/d eps| at the eps that `transform` takes to z: the layers, undone."""
        z = jnp.asarray(z)
        check.check_points("z", z, self.dim)
        u = (z - self.location) * jnp.exp(-self.log_scale)
        log_det = jnp.sum(self.log_scale)
        for i, layer in reversed(list(enumerate(self.layers))):
            kept, moved = _halves(u, i)
            shift, log_scale = layer(kept)
            u = _join(kept, (moved - shift) * jnp.exp(-log_scale), i)
            log_det = log_det + jnp.sum(log_scale, axis=-1)
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


def _sizes(dim: int, layer: int) -> tuple[int, int]:
    """How many coordinates this layer keeps, and how many it moves."""
    first = dim // 2
    return (first, dim - first) if layer % 2 == 0 else (dim - first, first)


def _halves(u: Float[Array, "*batch dim"], layer: int) -> tuple[Array, Array]:
    first, second = jnp.split(u, [u.shape[-1] // 2], axis=-1)
    return (first, second) if layer % 2 == 0 else (second, first)


def _join(kept: Array, moved: Array, layer: int) -> Float[Array, "*batch dim"]:
    return jnp.concatenate([kept, moved] if layer % 2 == 0 else [moved, kept], axis=-1)


def _check_layer(name: str, layer: Coupling, kept: int, moved: int) -> None:
    hidden = layer.bias.shape[-1] if layer.bias.ndim else 0
    for part, shape in zip(layer._fields, [(kept, hidden), (hidden,), (hidden, 2 * moved)], strict=True):
        check.check_shape(f"{name}.{part}", getattr(layer, part), shape)
