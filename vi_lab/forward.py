"""The forward KL, KL(p || q): the expectation is under the target, so it takes draws of p or weights (chapter 4).

What `bounds` and `fit` do with draws of q for KL(q || p), this module does for the other direction.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, ArrayLike, Float, Key

from vi_lab import _checks as check
from vi_lab._checks import LogJoint
from vi_lab.bounds import log_weights
from vi_lab.families import Family, FullRank, MeanField


class ForwardKL(NamedTuple):
    """An estimate of KL(p(z|x) || q), in nats, its standard error, and how many draws of p its draws are worth."""

    value: Float[Array, ""]
    std_error: Float[Array, ""]
    effective_sample_size: Float[Array, ""]


class Matched(NamedTuple):
    """A Gaussian with the moments of p by importance sampling, and the effective sample size behind them."""

    q: MeanField | FullRank
    effective_sample_size: Float[Array, ""]


class DrawsFit(NamedTuple):
    """A family fitted to draws, and the mean log likelihood of the batch of each step, in nats."""

    q: Any
    trace: Float[Array, " num_steps"]


def moment_match(z: ArrayLike, weights: ArrayLike | None = None, *, family: type = FullRank) -> MeanField | FullRank:
    r"""The Gaussian with mean m = sum_i w_i z_i and covariance sum_i w_i (z_i - m)(z_i - m)^T (chapter 4).

    Of all Gaussians it has the smallest KL(p || q), in nats, for every p with these moments, and the highest mean log
    likelihood. A `MeanField`, with the diagonal of that covariance alone, has the smallest of all mean fields.

    Args:
        z: draws, shape (n, dim). weights: shape (n,), non-negative and with sum one; by default all equal.
        family: `FullRank` or `MeanField`.

    Raises:
        ValueError: draws that are not a matrix or not finite, weights that are negative or do not sum to one, draws too
            few for a covariance that is positive definite or on a line or plane, a family that is neither of the two.
            Under jit the last faults of draws make NaN.
    """
    check.check_option("family", family, (FullRank, MeanField))
    (z,) = check.as_floats(z)
    check.check_draws("z", z)
    weights = jnp.full(z.shape[:1], 1 / len(z), z.dtype) if weights is None else jnp.asarray(weights, z.dtype)
    check.check_weights(weights, len(z))
    _check_enough("z", weights, *z.shape, family)
    mean = weights @ z
    offsets = z - mean
    if family is MeanField:
        variance = weights @ offsets**2
        check.check_positive("z, weights: the variance", variance)
        return MeanField.from_std(mean, jnp.sqrt(variance))
    cov = offsets.T @ (weights[:, None] * offsets)
    check.check_cov("z, weights: the covariance", cov)
    return FullRank.from_cov(mean, cov)


def effective_sample_size(log_w: Float[Array, " n"]) -> Float[Array, ""]:
    """(sum w)^2 / sum w^2 for the weights w = exp(log_w), log weights in nats: between 1 and n (chapter 4).

    So many independent draws of p would give a self-normalized mean about the same variance. It sees only the weights
    that were drawn: where q misses a region of p, it is high all the same.

    Raises:
        ValueError: log weights that are no vector, NaN, +inf, or without one that is finite.

    Source: Kong (1992).
    """
    (log_w,) = check.as_floats(log_w)
    check.check_vector("log_w", log_w)
    if check.is_concrete(log_w) and not np.isfinite(np.max(log_w)):
        check.reject("log_w", f"a largest value of {np.max(log_w)}", "log weights below inf, one of them finite")
    return jnp.exp(2 * jax.nn.logsumexp(log_w) - jax.nn.logsumexp(2 * log_w))


def forward_kl(q: Family, key: Key[Array, ""], log_joint: LogJoint, *, num_samples: int) -> ForwardKL:
    """KL(p(z|x) || q), in nats, by self-normalized importance sampling with draws of q (chapter 4).

    With w = p(z, x) / q(z) at draws of q and w~ = w / sum w it is sum w~ log w - log mean w: no evidence needed. The
    standard error is the delta method's. Both are consistent, neither is unbiased: the bias is of the order of
    1 / num_samples where w has finite variance, and where q leaves out a part of p that no draw has met, the value is
    low, the error is small and the effective sample size is high, all wrongly.

    Raises:
        ValueError: fewer than two draws, and see `log_weights` and `effective_sample_size`.

    Source: Owen (2013), Monte Carlo theory, methods and examples, section 9.2, for the delta method.
    """
    check.check_count("num_samples", num_samples, least=2)
    log_w = log_weights(q, key, log_joint, num_samples=num_samples)
    size = effective_sample_size(log_w)
    log_mean = jax.nn.logsumexp(log_w) - jnp.log(num_samples)
    ratio = jnp.exp(log_w - log_mean)  # w over its mean
    log_ratio = jnp.where(ratio > 0, log_w - log_mean, 0.0)
    value = jnp.mean(ratio * log_ratio)
    influence = ratio * (log_ratio - value - 1)  # what each draw moves the estimate by, up to a constant
    return ForwardKL(value, jnp.std(influence, ddof=1) / jnp.sqrt(num_samples), size)


def importance_moment_match(
    q: Family, key: Key[Array, ""], log_joint: LogJoint, *, num_samples: int, family: type = FullRank
) -> Matched:
    """The Gaussian nearest to p(z|x) in forward KL, in nats, by weighted draws of q (chapter 4).

    `moment_match` with the self-normalized weights of `num_samples` draws of q, which may be of any family; believe it
    only where the effective sample size is many times the number of moments. Repeat with the result as q to improve it.

    Raises:
        ValueError: weights that leave too few draws for a positive definite covariance (under jit: NaN), and see
            `moment_match`, `log_weights` and `effective_sample_size`.
    """
    check.check_option("family", family, (FullRank, MeanField))
    z = q.sample(key, num_samples)
    log_w = check.evaluate(log_joint, z) - q.log_prob(z)
    size = effective_sample_size(log_w)
    weights = jax.nn.softmax(log_w)
    _check_enough("num_samples", weights, num_samples, q.dim, family)
    return Matched(moment_match(z, weights, family=family), size)


def fit_draws(
    q: Family,
    key: Key[Array, ""],
    draws: ArrayLike,
    *,
    num_steps: int = 2000,
    batch_size: int = 256,
    learning_rate: float = 0.01,
) -> DrawsFit:
    """Fits q to given draws of p by maximum likelihood: smallest KL(p || q), in nats, but for p's entropy (chapter 4).

    Stochastic gradient ascent on the mean of log q over batches, drawn with replacement: Adam, its rate falling from
    `learning_rate` to 0 along a cosine. For a Gaussian, `moment_match` gives the answer at once. Compiled once for each
    shape of q and draws, number of steps and batch size.

    Args:
        q: where to start, of any family. draws: shape (n, dim).

    Raises:
        ValueError: draws that are not finite or not of q's dimension, a count below one, a rate that is not above zero,
            a log likelihood that stops being finite: the message says at which step (under jit it stays in the trace).
    """
    (draws,) = check.as_floats(draws)
    check.check_draws("draws", draws)
    check.check_points("draws", draws, q.dim)
    check.check_count("num_steps", num_steps)
    check.check_count("batch_size", batch_size)
    learning_rate = check.check_number("learning_rate", learning_rate)
    check.check_positive("learning_rate", jnp.asarray(learning_rate))
    fitted, trace = _ascend(q, key, draws, jnp.asarray(learning_rate, draws.dtype), num_steps, batch_size)
    seen = jnp.append(trace, jnp.mean(fitted.log_prob(draws)))  # the last step may be the one that broke it
    if check.is_concrete(seen) and not np.isfinite(seen).all():
        step = int(np.argmin(np.isfinite(seen)))
        got = f"a mean log likelihood of {seen[step]} before step {step}"
        check.reject("learning_rate, q or draws", got, "a q with density at every draw, or a lower learning_rate")
    return DrawsFit(fitted, trace)


@partial(jax.jit, static_argnames=("num_steps", "batch_size"))
def _ascend(q: Family, key: Array, draws: Array, learning_rate: Array, num_steps: int, batch_size: int) -> tuple:
    optimizer = optax.adam(optax.cosine_decay_schedule(learning_rate, num_steps))

    def step(state: tuple, key: Array) -> tuple[tuple, Array]:
        q, moments = state
        batch = draws[jax.random.randint(key, (batch_size,), 0, len(draws))]
        loss, grad = jax.value_and_grad(lambda q: -jnp.mean(q.log_prob(batch)))(q)
        updates, moments = optimizer.update(grad, moments, q)
        return (optax.apply_updates(q, updates), moments), -loss

    (q, _), trace = jax.lax.scan(step, (q, optimizer.init(q)), jax.random.split(key, num_steps))
    return q, trace


def _check_enough(argument: str, weights: Array, count: int, dim: int, family: type) -> None:
    """A covariance has as many directions as there are draws that count, less one."""
    least = dim + 1 if family is FullRank else 2
    if check.is_concrete(weights) and np.count_nonzero(weights) < least:
        got = f"{count} draws, {np.count_nonzero(weights)} of them with weight"
        check.reject(argument, got, f"at least {least} for a {family.__name__} in {dim} dimensions")
