"""What happens before draws are kept: the search for a step size, and for a metric (chapter 7)."""

# BlackJAX is imported where it is used: `import vi_lab` stays light.

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from vi_lab._checks import LogJoint

SEARCHED_ACCEPTANCE = 0.8  # of one leapfrog step, at the step size where dual averaging begins


class Info(NamedTuple):
    """What a transition says of itself, the same for both kernels."""

    acceptance_rate: Array
    is_divergent: Array
    num_integration_steps: Array


class Warm(NamedTuple):
    """Where warmup ends: the chains' states, step sizes and metrics, and the gradients that it took."""

    states: Any
    step_sizes: Array
    metrics: Array
    num_gradients: Array


def transition(kernel: str, log_joint: LogJoint, num_leapfrog: int) -> Callable:
    """(key, state, step_size, metric) -> the next state of one chain, and its `Info`."""
    import blackjax

    if kernel == "nuts":
        step, settings = blackjax.nuts.build_kernel(), ()
    else:
        step, settings = blackjax.hmc.build_kernel(), (num_leapfrog,)

    def one(key: Array, state: Any, step_size: Array, metric: Any) -> tuple[Any, Info]:
        state, info = step(key, state, log_joint, step_size, metric, *settings)
        return state, Info(info.acceptance_rate, info.is_divergent, jnp.asarray(info.num_integration_steps))

    return one


def adapt_step_size(
    step: Callable,
    log_joint: LogJoint,
    key: Array,
    states: Any,
    step_size: Array,
    inverse_mass: Array,
    target: Array,
    num_warmup: int,
    *,
    adapt: bool,
) -> Warm:
    """`num_warmup` iterations of all chains; if `adapt`, with dual averaging of the step size that they share.

    The chains' mean acceptance is one observation for each iteration, less noisy than a chain's own.
    """
    from blackjax.adaptation.step_size import dual_averaging_adaptation
    from blackjax.mcmc.metrics import default_metric

    metric, count = default_metric(inverse_mass), len(states.position)
    advance = jax.vmap(lambda key, state, size: step(key, state, size, metric), in_axes=(0, 0, None))
    searched = 0
    search_key, key = jax.random.split(key)
    if adapt:
        step_size, searched = _search(log_joint, search_key, states, step_size, metric)
    init, update, final = dual_averaging_adaptation(target)

    def one(carry: tuple, key: Array) -> tuple:
        states, adaptation = carry
        size = jnp.exp(adaptation.log_step_size) if adapt else step_size
        states, info = advance(jax.random.split(key, count), states, size)
        moved = update(adaptation, jnp.mean(info.acceptance_rate)) if adapt else adaptation
        return (states, _like(adaptation, moved)), info.num_integration_steps

    start = jax.tree.map(lambda leaf: jnp.asarray(leaf, step_size.dtype), init(step_size))
    (states, adaptation), gradients = jax.lax.scan(one, (states, start), jax.random.split(key, num_warmup))
    size = final(adaptation) if adapt else step_size
    return Warm(states, jnp.full(count, size), inverse_mass, 1 + searched + gradients.sum(axis=0, dtype=int))


def _like(carry: Any, moved: Any) -> Any:
    """In the carry's dtypes: where 64 bits are on, BlackJAX's counter turns numbers of 32 bits into such of 64."""
    return jax.tree.map(lambda old, new: jnp.asarray(new, old.dtype), carry, moved)


def _search(log_joint: LogJoint, key: Array, states: Any, step_size: Array, metric: Any) -> tuple[Array, Array]:
    """A step size of the right order, doubled or halved until one leapfrog step is accepted as often as it should.

    Returns it and how many gradients a chain spent on it.
    """
    import blackjax
    from blackjax.adaptation.step_size import find_reasonable_step_size

    hmc = blackjax.hmc.build_kernel()

    def kernel(size: Array) -> Callable:
        one = jax.vmap(lambda key, state: hmc(key, state, log_joint, size, metric, 1)[1].acceptance_rate)

        def all_chains(key: Array, states: Any) -> tuple[Any, Info]:
            rates = one(jax.random.split(key, len(states.position)), states)
            return states, Info(jnp.mean(rates), jnp.array(False), jnp.array(1))

        return all_chains

    found = find_reasonable_step_size(key, kernel, states, step_size, SEARCHED_ACCEPTANCE)
    trials = 1 + jnp.round(jnp.abs(jnp.log2(found / step_size))).astype(int)  # every one of them a factor of two
    return found, trials


def adapt_windows(
    kernel: str,
    log_joint: LogJoint,
    key: Array,
    positions: Array,
    step_size: Array,
    inverse_mass: Array,
    target: Array,
    num_warmup: int,
    num_leapfrog: int,
) -> Warm:
    """BlackJAX's window adaptation, in each chain by itself.

    It runs in JAX's default precision, as it does not compile in another.
    """
    import blackjax

    dtype, wide = positions.dtype, jnp.result_type(float)

    algorithm = {"nuts": blackjax.nuts, "hmc": blackjax.hmc}[kernel]
    adaptation = blackjax.window_adaptation(
        algorithm,
        log_joint,
        is_mass_matrix_diagonal=inverse_mass.ndim == 1,
        initial_inverse_mass_matrix=inverse_mass.astype(wide),
        initial_step_size=step_size.astype(wide),
        target_acceptance_rate=target.astype(wide),
        adaptation_info_fn=lambda state, info, _: jnp.asarray(info.num_integration_steps),
        **({"num_integration_steps": num_leapfrog} if kernel == "hmc" else {}),
    )
    run = jax.vmap(partial(adaptation.run, num_steps=num_warmup))
    (states, parameters), gradients = run(jax.random.split(key, len(positions)), positions.astype(wide))
    sizes, metrics = (parameters[name].astype(dtype) for name in ("step_size", "inverse_mass_matrix"))
    states = jax.vmap(lambda z: blackjax.hmc.init(z, log_joint))(states.position.astype(dtype))
    return Warm(states, sizes, metrics, 2 + gradients.sum(axis=1, dtype=int))
