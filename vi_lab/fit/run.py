"""`fit`: steps, cycles of steps, and when to stop (chapter 5)."""

from collections.abc import Callable
from functools import partial
from math import ceil
from typing import Any, Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key
from tqdm import tqdm

from vi_lab import _checks as check
from vi_lab import draws
from vi_lab._checks import LogJoint
from vi_lab.divergences import Estimate
from vi_lab.draws import Noise
from vi_lab.families import Family
from vi_lab.fit import verdict
from vi_lab.fit.defaults import default_gradient, default_optimizer, with_noise
from vi_lab.fit.minibatch import DataLogJoint, check_data, full_log_weights, of_batch

Q = TypeVar("Q", bound=Family)
BLOCK = 250  # steps between two looks at the state: a failed run wastes at most so many
CYCLE = 1000  # steps, where their number is left to `fit`
MAX_CYCLES = 20
FINAL_DRAWS = 4096  # for the ELBO that is reported, and for what a cycle gained
PATIENCE = 2.0  # seconds without a progress bar


class Fit(NamedTuple, Generic[Q]):
    """What `fit` returns.

    Attributes:
        q: the fitted distribution; after a failure, the last whose ELBO and gradient were finite.
        elbo: its ELBO by draws that no step used, in nats, with standard error.
        trace: the noisy ELBO of each step that was taken, in nats.
        converged: whether the ELBO is shown to have moved by less than 0.1 nats: over the last cycle, or, where
            `num_steps` was given, from the third quarter of the trace to the fourth. It says that the climb stands
            still, not that the top is reached: a rate near zero stands still anywhere.
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
    failed_at: Array  # the first bad step, after which nothing moves; -1 while all is well


def fit(
    q: Q,
    key: Key[Array, ""],
    log_joint: LogJoint | DataLogJoint,
    *,
    num_steps: int | None = None,
    num_samples: int = 32,
    optimizer: optax.GradientTransformation | None = None,
    gradient: Callable[..., tuple[Array, Q]] | None = None,
    noise: Noise = draws.iid,
    data: Any = None,
    batch_size: int | None = None,
    progress: bool | None = None,
) -> Fit[Q]:
    """Climbs the ELBO, in nats, from q by stochastic gradient steps (chapter 5).

    Args:
        q: where to start; its class is the family, e.g. `MeanField.standard(dim)`.
        log_joint: log p(z, x) of one point z of shape (dim,). A function that is defined anew for each call
            is compiled anew; a `jax.tree_util.Partial`, such as a model's `log_joint`, has its data traced
            and is not.
        num_steps: steps to take. By default cycles of 1,000, each with a fresh optimizer, until one gains less
            than 0.01 nats or than can be told from noise, and at most 20.
        num_samples: draws of q in each step (of each component, for a `Mixture`).
        optimizer: any optax transformation; by default Adam in local coordinates (`vi_lab.fit.defaults`), its rate
            falling from 0.1 (`Flow`: 0.01) to 0. A new object compiles anew: make it once where you fit often.
        gradient: an estimator of `vi_lab.gradients`; by default `sticking_the_landing`, `stratified` for a
            `Mixture`, `rao_blackwellized` for a `Bernoulli`.
        noise: the base draws of each step: `draws.iid`, `draws.antithetic` or `draws.sobol` (chapter 6).
        data: an array, or several in a tuple or dictionary, one row for each observation. Each step then draws
            `batch_size` rows with replacement and calls log_joint(z, batch, scale): scale = N / batch_size belongs
            on the log-likelihood of the batch, and on nothing else. The ELBO that is reported is of all data.
        progress: a bar on stderr: always, never, or (None) on a terminal, once a run has taken two seconds.

    A step whose ELBO or gradient is not finite ends the run: `reason` says at which step, `q` is the last
        good one.

    Raises:
        ValueError: an argument of the wrong kind, a count below one, a log joint that returns no scalar, data of
            unequal lengths or fewer rows than a batch.
        NotImplementedError: a family that the gradient estimator cannot serve.
    """
    _check_settings(q, optimizer, gradient, num_steps=num_steps, num_samples=num_samples)
    check_data(data, batch_size)
    length, cycles = (num_steps, 1) if num_steps else (CYCLE, MAX_CYCLES)
    optimizer = default_optimizer(q, length) if optimizer is None else optimizer
    gradient = with_noise(default_gradient(q) if gradient is None else gradient, noise)
    inputs = check.as_pytree(log_joint), jax.tree.map(jnp.asarray, data)
    run_key, final_key = jax.random.split(key)
    static = {"gradient": gradient, "optimizer": optimizer, "num_samples": num_samples, "batch_size": batch_size}
    advance = partial(_advance, run_key, *inputs, **static)
    weigh = partial(_final_log_weights, final_key, *inputs)
    silent = None if progress is None else not progress  # tqdm's None: silent unless on a terminal
    with tqdm(total=num_steps, unit=" steps", delay=PATIENCE, disable=silent) as bar:
        return _climb(q, advance, optimizer, weigh, length, cycles, bar)


def _climb(
    q: Q,
    advance: Callable,
    optimizer: optax.GradientTransformation,
    weigh: Callable,
    length: int,
    cycles: int,
    bar: tqdm,
) -> Fit[Q]:
    """Cycles of `length` steps, until one gains nothing that can be told from noise."""
    trace, before, gain = np.empty(0), None, None
    block = ceil(length / ceil(length / BLOCK))  # blocks of one size, where that divides: one compilation
    for cycle in range(cycles):
        # Of a dtype: a weakly typed number would come back strong, and the second block be compiled anew.
        state = _State(q, q, optimizer.init(q), jnp.full((), -1, int))
        for start in range(cycle * length, (cycle + 1) * length, block):
            steps = jnp.arange(start, min(start + block, (cycle + 1) * length))
            state, values = advance(state, steps)
            trace = np.append(trace, values)
            bar.update(len(steps))
            bar.set_postfix_str(f"ELBO {values.mean():.3f}", refresh=False)
            if state.failed_at >= 0:
                return _failed(state, trace, int(state.failed_at), weigh)
        q, log_w = state.q, weigh(state.q)
        elbo = verdict.estimate(log_w)
        if not np.isfinite(elbo.value):  # the last step may be the one that broke it
            return _failed(state, np.append(trace, elbo.value), len(trace), weigh)
        if before is not None:
            gain = verdict.estimate(log_w - before[1])
            if verdict.is_falling(gain):
                q, elbo = before[0], verdict.estimate(before[1])
            if not verdict.is_rising(gain):
                break
        before = q, log_w
    judged = verdict.judge_trace(trace) if gain is None else verdict.judge_cycles(len(trace), length, gain)
    return Fit(q, elbo, trace, *judged)


def _failed(state: _State, trace: np.ndarray, step: int, weigh: Callable) -> Fit:
    """The last q whose ELBO and gradient were finite, and what `trace` shows of the step that broke it."""
    kept = verdict.estimate(weigh(state.last_finite))
    reason = verdict.failure(step, trace[step], kept)
    return Fit(state.last_finite, kept, trace[:step], False, reason)


@partial(jax.jit, static_argnames=("gradient", "optimizer", "num_samples", "batch_size"))
def _advance(key, log_joint, data, state, steps, *, gradient, optimizer, num_samples, batch_size):
    """The state after `steps`, whose numbers make their keys, and the ELBO that each step saw."""

    def step(state: _State, index: Array) -> tuple[_State, Array]:
        draws_key, batch_key = jax.random.split(jax.random.fold_in(key, index))
        target = of_batch(log_joint, data, batch_key, batch_size)
        value, grad = gradient(state.q, draws_key, target, num_samples=num_samples)
        descent = jax.tree.map(jnp.negative, grad)  # optax minimises
        updates, optimizer_state = optimizer.update(descent, state.optimizer, state.q)
        moved = _State(optax.apply_updates(state.q, updates), state.q, optimizer_state, state.failed_at)
        good = (state.failed_at < 0) & _all_finite((value, grad))
        stopped = state._replace(failed_at=jnp.where(state.failed_at < 0, index, state.failed_at))
        return jax.tree.map(partial(jnp.where, good), moved, stopped), value

    return jax.lax.scan(step, state, steps)


def _all_finite(tree: Any) -> Array:
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()


@jax.jit
def _final_log_weights(key: Key[Array, ""], log_joint: Callable, data: Any, q: Family) -> Float[Array, " draws"]:
    return full_log_weights(q, key, log_joint, data, FINAL_DRAWS)


def _check_settings(q: Any, optimizer: Any, gradient: Any, *, num_steps: int | None, num_samples: int) -> None:
    if not isinstance(q, Family):
        check.reject("q", f"a {type(q).__name__}", "a distribution to start from, such as MeanField.standard(dim)")
    if not callable(gradient) and gradient is not None:
        check.reject("gradient", repr(gradient), "an estimator such as vi_lab.reparameterized")
    if not hasattr(optimizer, "update") and optimizer is not None:
        check.reject("optimizer", repr(optimizer), "an optax optimizer such as optax.adam(0.01)")
    if num_steps is not None:
        check.check_count("num_steps", num_steps)
    check.check_count("num_samples", num_samples)
