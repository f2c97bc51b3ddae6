"""Stochastic gradient ascent on the ELBO (chapter 5)."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.tree_util import Partial
from jaxtyping import Array, Float, Key

from vi_lab import _checks as check
from vi_lab._checks import LogJoint
from vi_lab.bounds import log_weights
from vi_lab.divergences import Estimate
from vi_lab.families import Bernoulli, Family, Mixture
from vi_lab.gradients import rao_blackwellized, reparameterized, stratified

Q = TypeVar("Q", bound=Family)
BLOCK = 250  # steps between two looks at the state: a failed run wastes at most so many
FINAL_DRAWS = 4096  # for the ELBO that is reported
SETTLED = 0.1  # nats: a run has converged when its last quarter is shown to have moved it by less


class Fit(NamedTuple, Generic[Q]):
    """What `fit` returns.

    Attributes:
        q: the fitted distribution; after a failure, the last whose ELBO and gradient were finite.
        elbo: its ELBO by fresh draws, in nats, with standard error.
        trace: the noisy ELBO of each step that was taken, in nats.
        converged: whether the trace shows that the ELBO moved by less than 0.1 nats in its last quarter.
        reason: why it stopped, in words.
    """

    q: Q
    elbo: Estimate
    trace: Float[Array, " steps"]
    converged: bool
    reason: str


class _State(NamedTuple):
    q: Any
    last_finite: Any
    optimizer: Any
    failed: Array  # a bool: once true, nothing moves


def fit(
    q: Q,
    key: Key[Array, ""],
    log_joint: LogJoint,
    *,
    num_steps: int = 2000,
    num_samples: int = 16,
    optimizer: optax.GradientTransformation | None = None,
    gradient: Callable[..., tuple[Array, Q]] | None = None,
) -> Fit[Q]:
    """Climbs the ELBO, in nats, from q by stochastic gradient steps (chapter 5).

    Args:
        q: where to start; its class is the family, e.g. `MeanField.standard(dim)`.
        num_steps: steps to take. num_samples: draws of q in each.
        log_joint: log p(z, x) of one point z of shape (dim,). A function that is defined anew for each call
            is compiled anew; a `jax.tree_util.Partial`, such as a model's `log_joint`, has its data traced
            and is not.
        optimizer: any optax transformation; by default Adam, its rate falling from 0.1 to 0 along a cosine.
            A new object compiles anew: make it once where you fit often.
        gradient: an estimator of `vi_lab.gradients`; by default the one that serves q's family best.

    A step whose ELBO or gradient is not finite ends the run: `reason` says at which step, `q` is the last
        good one.

    Raises:
        ValueError: an argument of the wrong kind, a count below one, a log joint that returns no scalar.
        NotImplementedError: a family that the gradient estimator cannot serve.
    """
    if not isinstance(q, Family):
        check.reject("q", f"a {type(q).__name__}", "a distribution to start from, such as MeanField.standard(dim)")
    if not callable(gradient) and gradient is not None:
        check.reject("gradient", repr(gradient), "an estimator such as vi_lab.reparameterized")
    if not hasattr(optimizer, "update") and optimizer is not None:
        check.reject("optimizer", repr(optimizer), "an optax optimizer such as optax.adam(0.01)")
    check.check_count("num_steps", num_steps)
    check.check_count("num_samples", num_samples)
    gradient = _default_gradient(q) if gradient is None else gradient
    optimizer = _default_optimizer(num_steps) if optimizer is None else optimizer
    log_joint = _as_pytree(log_joint)
    run_key, final_key = jax.random.split(key)
    advance = partial(_advance, gradient=gradient, optimizer=optimizer, num_samples=num_samples)
    state, blocks = _State(q, q, optimizer.init(q), jnp.zeros((), bool)), []
    for start in range(0, num_steps, BLOCK):
        steps = jnp.arange(start, min(start + BLOCK, num_steps))
        state, block = advance(state, run_key, log_joint, steps)
        blocks.append(block)
        if state.failed:
            break
    trace, failed = (np.concatenate(column) for column in zip(*blocks, strict=True))
    elbo = _final_elbo(state.q, final_key, log_joint)
    failed = np.append(failed, not np.isfinite(elbo.value))  # the last step may be the one that broke it
    if not failed.any():
        return Fit(state.q, elbo, trace, *_judge(trace))
    step = int(failed.argmax())
    kept = _final_elbo(state.last_finite, final_key, log_joint)
    reason = _failure(step, np.append(trace, elbo.value)[step], kept)
    return Fit(state.last_finite, kept, trace[:step], False, reason)


def _default_gradient(q: Family) -> Callable[..., tuple[Array, Family]]:
    if isinstance(q, Mixture):
        return stratified
    return rao_blackwellized if isinstance(q, Bernoulli) else reparameterized


@lru_cache
def _default_optimizer(num_steps: int) -> optax.GradientTransformation:
    """Cached, since JAX knows an optimizer again only as the same object and would else compile anew."""
    return optax.adam(optax.cosine_decay_schedule(0.1, num_steps))


def _as_pytree(log_joint: LogJoint) -> LogJoint:
    """A plain function becomes a `Partial` without arguments: one treatment for both, no data compiled in."""
    if not callable(log_joint) or not jax.tree_util.all_leaves([log_joint]):
        return log_joint
    return Partial(log_joint)


@partial(jax.jit, static_argnames=("gradient", "optimizer", "num_samples"))
def _advance(state, key, log_joint, steps, *, gradient, optimizer, num_samples):
    def step(state: _State, index: Array) -> tuple[_State, tuple[Array, Array]]:
        value, grad = gradient(state.q, jax.random.fold_in(key, index), log_joint, num_samples=num_samples)
        descent = jax.tree.map(jnp.negative, grad)  # optax minimises
        updates, optimizer_state = optimizer.update(descent, state.optimizer, state.q)
        moved = _State(optax.apply_updates(state.q, updates), state.q, optimizer_state, state.failed)
        failed = state.failed | ~_all_finite((value, grad))
        stopped = state._replace(failed=failed)
        return jax.tree.map(partial(jnp.where, failed), stopped, moved), (value, failed)

    return jax.lax.scan(step, state, steps)


def _all_finite(tree: Any) -> Array:
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()


@jax.jit
def _final_elbo(q: Family, key: Key[Array, ""], log_joint: LogJoint) -> Estimate:
    log_w = log_weights(q, key, log_joint, num_samples=FINAL_DRAWS)
    return Estimate(jnp.mean(log_w), jnp.std(log_w, ddof=1) / jnp.sqrt(FINAL_DRAWS))


def _judge(trace: np.ndarray) -> tuple[bool, str]:
    """Whether the trace has stopped rising, and what was seen, in words."""
    if len(trace) < 40:
        return False, f"took all {len(trace)} steps, too few to judge convergence"
    third, fourth = np.split(trace[-2 * (len(trace) // 4) :], 2)  # quarters of the run
    rise = fourth.mean() - third.mean()
    std_error = np.sqrt(third.var(ddof=1) / len(third) + fourth.var(ddof=1) / len(fourth))
    seen = f"from the third quarter to the fourth the ELBO rose by {rise:.3g} nats (standard error {std_error:.2g})"
    converged = bool(abs(rise) + 3 * std_error < SETTLED)
    if converged:
        verdict = "it has settled"
    elif abs(rise) > 3 * std_error:
        verdict = "take more steps, or larger ones" if rise > 0 else "lower the step size"
    else:
        verdict = f"noise could hide a change of {SETTLED} nats, so take more draws or more steps"
    return converged, f"took all {len(trace)} steps; {seen}: {verdict}"


def _failure(step: int, value: float, kept: Estimate) -> str:
    what = "the gradient was not finite" if np.isfinite(value) else f"the ELBO was {value:g}"
    q = "q is the last one with a finite ELBO"
    if not np.isfinite(kept.value):
        q = f"and {FINAL_DRAWS} fresh draws of the q before it give an ELBO of {kept.value:g}, so that no q is good"
    advice = "Look at log_joint where q has mass, lower the step size, or start nearer."
    return f"stopped at step {step}: {what}; {q}. {advice}"
