"""`sample`: many chains of NUTS or HMC, warmup and all, in one compiled call on BlackJAX (chapter 7)."""

# BlackJAX is imported where it is used: `import vi_lab` stays light.

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Key

from vi_lab import _checks as check
from vi_lab._checks import LogJoint
from vi_lab.mcmc.chains import LONGEST_TRAJECTORY, Chains
from vi_lab.mcmc.warmup import adapt_step_size, adapt_windows, transition

KERNELS = ("nuts", "hmc")
WARMUPS = ("step_size", "window", None)


def sample(
    log_joint: LogJoint,
    key: Key[Array, ""],
    positions: Float[ArrayLike, "num_chains dim"],
    *,
    num_samples: int = 1000,
    inverse_mass_matrix: ArrayLike | None = None,
    kernel: str = "nuts",
    num_leapfrog: int = 16,
    step_size: float | None = None,
    num_warmup: int = 500,
    warmup: str | None = "step_size",
    target_acceptance: float = 0.8,
) -> Chains:
    """Chains of Hamiltonian Monte Carlo for exp(log_joint), log_joint in nats (chapter 7).

    All chains run side by side in one compiled call. A second call of the same shapes and settings compiles nothing if
    `log_joint` is a `jax.tree_util.Partial`, such as a model's, or the same function.

    Args:
        log_joint: log p(z, x) of one point z of shape (dim,), differentiable.
        positions: where the chains start, shape (num_chains, dim): `warm_start(q, key, num_chains)`, or draws of the
            prior.
        num_samples: draws that each chain keeps.
        inverse_mass_matrix: shape (dim, dim) or, diagonal, (dim,): `inverse_mass_matrix(q)`. By default the identity.
        kernel: "nuts" (as many leapfrog steps as it takes to turn around, at most 1,023) or "hmc" (`num_leapfrog` each
            time; it does not mix where steps times step size meet a period of the motion).
        step_size: of the leapfrog, in units of the metric; where warmup adapts it, the first to try.
        num_warmup: iterations of each chain before those that are kept; they are dropped.
        warmup: what these iterations adapt. "step_size": one step size for all chains, by dual averaging of their mean
            acceptance, after a search for the order of magnitude. "window": BlackJAX's window adaptation (Stan's), in
            each chain by itself: step size and metric, a diagonal one, or what `inverse_mass_matrix` starts it with.
            None: nothing; `step_size` is then needed.
        target_acceptance: what the step size is adapted to.

    Returns:
        `Chains`; its `notes` say in words what went wrong: divergences, chains that never moved, trajectories cut off.

    Raises:
        ValueError: positions of a wrong shape or where log_joint or its gradient is not finite, a metric that is not
            positive definite, an unknown kernel or warmup, a step size that is missing or not above zero, a count too
            small.

    Source: Hoffman and Gelman (2014), algorithms 5 and 6; Betancourt (2017); BlackJAX (Cabezas et al., 2024).
    """
    check.check_option("kernel", kernel, KERNELS)
    check.check_option("warmup", warmup, WARMUPS)
    for name, count in {"num_samples": num_samples, "num_leapfrog": num_leapfrog}.items():
        check.check_count(name, count)
    check.check_count("num_warmup", num_warmup, least=0)
    positions = _as_positions(positions)
    log_joint = check.as_pytree(log_joint)
    _check_start(*evaluate(log_joint, positions))
    metric = _metric(inverse_mass_matrix, positions)
    warmup = warmup if num_warmup else None
    step_size = _first_step_size(step_size, warmup, positions)
    target = jnp.asarray(check.check_number("target_acceptance", target_acceptance), positions.dtype)
    check.check_fraction("target_acceptance", target)
    counts = {"num_samples": num_samples, "num_warmup": num_warmup, "num_leapfrog": num_leapfrog}
    return _run(log_joint, key, positions, step_size, metric, target, kernel=kernel, warmup=warmup, **counts)


def _as_positions(positions: ArrayLike) -> Float[Array, "num_chains dim"]:
    try:
        (positions,) = check.as_floats(positions)
    except TypeError:  # JAX's, which names neither the argument nor what it needs
        needs = "an array of shape (num_chains, dim), such as warm_start(q, key, num_chains)"
        check.reject("positions", f"a {type(positions).__name__}", needs)
    check.check_draws("positions", positions)
    return positions


@jax.jit
def evaluate(log_joint: LogJoint, positions: Array) -> tuple[Array, Array]:
    """The log joint at each position, and whether its gradient there is finite."""
    values = check.evaluate(log_joint, positions)
    return values, jnp.isfinite(jax.vmap(jax.grad(log_joint))(positions)).all(axis=-1)


def _check_start(values: Array, smooth: Array) -> None:
    if not check.is_concrete(values):
        return
    for what, good in (("log joint", jnp.isfinite(values)), ("gradient", smooth)):
        if not good.all():
            bad = [int(i) for i in jnp.flatnonzero(~good)]
            got = f"a {what} that is NaN or infinite at rows {bad[:5]}" + (" and others" if bad[5:] else "")
            check.reject("positions", got, "points where log_joint and its gradient are finite")


def _metric(inverse_mass_matrix: ArrayLike | None, positions: Array) -> Array:
    dim = positions.shape[1]
    if inverse_mass_matrix is None:
        return jnp.ones(dim, positions.dtype)
    metric = jnp.asarray(inverse_mass_matrix, positions.dtype)
    if metric.shape not in ((dim,), (dim, dim)):
        check.reject("inverse_mass_matrix", f"shape {metric.shape}", f"shape {(dim, dim)} or {(dim,)}")
    check.check_finite("inverse_mass_matrix", metric)
    (check.check_positive if metric.ndim == 1 else check.check_cov)("inverse_mass_matrix", metric)
    return metric


def _first_step_size(step_size: float | None, warmup: str | None, positions: Array) -> Array:
    if step_size is None:
        if warmup is None:
            check.reject("step_size", "None", "a number above zero, or a warmup that finds one")
        step_size = 1.0
    if check.is_concrete(step_size):
        step_size = check.check_number("step_size", step_size)
    step_size = jnp.asarray(step_size, positions.dtype)
    check.check_scales(step_size=step_size)
    return step_size


@partial(jax.jit, static_argnames=("kernel", "warmup", "num_samples", "num_warmup", "num_leapfrog"))
def _run(
    log_joint, key, positions, step_size, metric, target, *, kernel, warmup, num_samples, num_warmup, num_leapfrog
):
    import blackjax

    warmup_key, key = jax.random.split(key)
    log_joint = _widened(log_joint)
    step = transition(kernel, log_joint, num_leapfrog)
    if warmup == "window":
        found = adapt_windows(
            kernel, log_joint, warmup_key, positions, step_size, metric, target, num_warmup, num_leapfrog
        )
    else:
        states = jax.vmap(lambda z: blackjax.hmc.init(z, log_joint))(positions)
        found = adapt_step_size(
            step, log_joint, warmup_key, states, step_size, metric, target, num_warmup, adapt=warmup is not None
        )
    states, step_sizes, metrics, warmup_gradients = found
    run = jax.vmap(partial(_chain, step, num_samples), in_axes=(0, 0, 0, 0 if warmup == "window" else None))
    states, info = run(jax.random.split(key, len(positions)), states, step_sizes, metrics)
    return Chains(
        draws=states.position,
        log_joint=states.logdensity,
        acceptance=info.acceptance_rate,
        diverging=info.is_divergent,
        num_gradients=info.num_integration_steps,
        warmup_gradients=warmup_gradients,
        step_size=step_sizes,
        inverse_mass_matrix=metrics,
        cut_off=info.num_integration_steps >= LONGEST_TRAJECTORY if kernel == "nuts" else None,
    )


def _widened(log_joint: LogJoint) -> LogJoint:
    """In JAX's default precision: BlackJAX's NUTS does not compile for energies of 32 bits where 64 are on."""
    return lambda z: jnp.asarray(log_joint(z), jnp.result_type(float))


def _chain(step: Callable, num_samples: int, key: Array, state: Any, step_size: Array, inverse_mass: Array) -> tuple:
    """The states of one chain, and what each transition says of itself."""
    from blackjax.mcmc.metrics import default_metric

    metric = default_metric(inverse_mass)  # its Cholesky factor is taken here, once, and not in every transition

    def one(state: Any, key: Array) -> tuple:
        state, info = step(key, state, step_size, metric)
        return state, (state, info)

    return jax.lax.scan(one, state, jax.random.split(key, num_samples))[1]
