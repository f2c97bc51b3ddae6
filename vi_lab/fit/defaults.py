"""What `fit` does when it is told nothing: chosen by measurement, `benchmarks/fit_defaults.py` (chapter 5)."""

from collections.abc import Callable
from copy import copy
from functools import lru_cache, partial
from inspect import signature

import jax.numpy as jnp
import optax
from jaxtyping import Array

from vi_lab import _checks as check
from vi_lab import draws
from vi_lab.draws import Noise
from vi_lab.families import Bernoulli, Family, Flow, FullRank, LowRank, MeanField, Mixture
from vi_lab.gradients import rao_blackwellized, score_function, sticking_the_landing, stratified

RATE = 0.1  # at the start, in units of q's own width
NETWORK_RATE = 0.01  # for weights of networks, which have no unit: at 0.03 a flow on the banana is thrown off


def default_gradient(q: Family) -> Callable[..., tuple[Array, Family]]:
    """The estimator that serves q's family with the least noise near the optimum.

    `sticking_the_landing`: where q comes close to the posterior its noise vanishes, and a full covariance in 50
    dimensions, 1,325 parameters, is found to rounding error; `reparameterized` stays some 0.1 nats away.
    """
    if isinstance(q, Bernoulli):
        return rao_blackwellized
    if not isinstance(q, Mixture):
        return sticking_the_landing
    return score_function if any(is_discrete(part) for part in q.components) else stratified


def with_noise(gradient: Callable, noise: Noise) -> Callable:
    """The estimator, its base draws made by `noise`; ValueError for one that draws its own, or no such function."""
    check.check_noise(noise)
    if noise is draws.iid:
        return gradient
    if "noise" not in signature(gradient).parameters:
        name = getattr(gradient, "__name__", repr(gradient))
        check.reject("noise", repr(noise), f"an estimator that takes base draws, and {name} does not")
    return _bound(gradient, noise)


@lru_cache  # one object for each pair: JAX compiles anew for every function that it has not seen
def _bound(gradient: Callable, noise: Noise) -> Callable:
    return partial(gradient, noise=noise)


def is_discrete(q: Family) -> bool:
    """Whether draws of q are coins, or of a mixture with coins in it."""
    return isinstance(q, Bernoulli) or (isinstance(q, Mixture) and any(map(is_discrete, q.components)))


def default_optimizer(q: Family, num_steps: int) -> optax.GradientTransformation:
    """Adam in local coordinates, its rate falling from 0.1 (a `Flow`: 0.01) to 0 along a squared cosine.

    The square spends more of the run at small rates, which is where noise is averaged away. Adam's memory of
    squared gradients is 100 steps and not the customary 1,000: far from the optimum they are larger by orders of
    magnitude, and would be divided by for the rest of the run.
    """
    parts = q.components if isinstance(q, Mixture) else [q]
    return _adam(NETWORK_RATE if any(isinstance(part, Flow) for part in parts) else RATE, num_steps)


@lru_cache  # JAX knows an optimizer again only as the same object, and would else compile anew
def _adam(rate: float, num_steps: int) -> optax.GradientTransformation:
    schedule = optax.cosine_decay_schedule(rate, num_steps, exponent=2)
    return in_local_coordinates(optax.adam(schedule, b2=0.99))


def in_local_coordinates(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """`optimizer`, stepping in the coordinates in which q is a standard normal: an optax transformation (chapter 5).

    A mean moves in units of q's scale and a scale by a factor, L -> L (I + D). A step is then as large for a
    posterior of width 0.01 as for one of width 100, and for correlated coordinates as for independent ones.
    Parameters that have no such unit, such as the weights of a flow's networks, stay as they are.
    """

    def update(grad, state, q):
        step, state = optimizer.update(_pull(grad, q), state, q)
        return _push(step, q), state

    return optax.GradientTransformation(optimizer.init, update)


def _pull(grad: Family, q: Family) -> Family:
    """The gradient in local coordinates: the chain rule through `_push`."""
    if not isinstance(q, FullRank):
        return _rescaled(grad, q, _pull)
    lower = jnp.tril(grad.packed, -1) + jnp.diag(jnp.diag(grad.packed) / jnp.exp(q.log_diag))  # in scale_tril
    return _replace(grad, mean=q.scale_tril.T @ grad.mean, packed=jnp.tril(q.scale_tril.T @ lower))


def _push(step: Family, q: Family) -> Family:
    """A step in local coordinates, as one in q's parameters."""
    if not isinstance(q, FullRank):
        return _rescaled(step, q, _push)
    log_diag = jnp.diag(jnp.diag(step.packed))
    lower = jnp.tril(q.scale_tril @ jnp.tril(step.packed), -1)
    return _replace(step, mean=q.scale_tril @ step.mean, packed=lower + log_diag)


def _rescaled(tree: Family, q: Family, each: Callable[[Family, Family], Family]) -> Family:
    """Where the scales are a diagonal, gradient and step are multiplied by the same; a mixture's parts, one by one."""
    if isinstance(q, MeanField):
        return _replace(tree, mean=q.std * tree.mean)
    if isinstance(q, LowRank):
        std = jnp.exp(q.log_std)
        return _replace(tree, mean=std * tree.mean, factor=std[:, None] * tree.factor)
    if isinstance(q, Flow):
        return _replace(tree, location=jnp.exp(q.log_scale) * tree.location)
    if isinstance(q, Mixture):
        return _replace(tree, components=tuple(map(each, tree.components, q.components)))
    return tree


def _replace(tree: Family, **leaves: object) -> Family:
    """`dataclasses.replace` without the checks of `__init__`: they are for parameters, and these are gradients."""
    tree = copy(tree)
    vars(tree).update(leaves)
    return tree
