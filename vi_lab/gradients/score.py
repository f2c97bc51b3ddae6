"""Gradients without a derivative of log p: only log q is differentiated, so that z may be discrete (chapter 5)."""

from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from vi_lab import _checks as check
from vi_lab import draws
from vi_lab._checks import LogJoint
from vi_lab.draws import Noise
from vi_lab.families import Bernoulli, Family

Q = TypeVar("Q", bound=Family)
BASELINES = ("leave_one_out", "running_mean", "optimal", None)


def score_function(
    q: Q,
    key: Key[Array, ""],
    log_joint: LogJoint,
    *,
    num_samples: int = 64,
    baseline: str | float | Array | None = "leave_one_out",
    noise: Noise = draws.iid,
) -> tuple[Float[Array, ""], Q]:
    """(ELBO, its gradient in q), in nats, by the score of q (chapter 5); also known as REINFORCE.

        grad L = E_q[ (f(z) - b) grad_lambda log q_lambda(z) ],  f(z) = log p(z, x) - log q(z)

    Any b that does not depend on z leaves the mean as it is, since E_q[grad log q] = 0:

    - `None`: no baseline. A number: that number, for instance a running mean of earlier values.
    - `"leave_one_out"`: for each draw, the mean f of the other draws; no variance where f is constant, which it
      is at the posterior.
    - `"running_mean"`: the mean f of the draws before it (0 for the first).
    - `"optimal"`: the linear control variate of least variance, one coefficient for each parameter,
      b_i = E[f s_i^2] / E[s_i^2] with the score s = grad log q, estimated from the other draws.

    The family needs a `log_prob` that can be differentiated in its parameters, and nothing else.

    Raises:
        ValueError: an unknown baseline, one that is not a single finite number; for one made of the other draws,
            fewer than two, or `noise` under which they depend on each other; see `log_weights`.

    Source: Williams (1992); Ranganath, Gerrish and Blei (2014); Kool, van Hoof and Welling (2019).
    """
    named = baseline is None or isinstance(baseline, str)
    if named:
        check.check_option("baseline", baseline, BASELINES)
    elif check.is_concrete(baseline):
        baseline = check.check_number("baseline", baseline)
    else:
        check.check_scalar("baseline", baseline)
    check.check_count("num_samples", num_samples, least=2 if named and baseline else 1)
    if named and baseline and noise is not draws.iid:
        needs = f"draws.iid: baseline={baseline!r} is made of the other draws; baseline=None or a number takes any"
        check.reject("noise", getattr(noise, "__name__", repr(noise)), needs)
    z = q.sample(key, num_samples, noise=noise)
    f = check.evaluate(log_joint, z) - q.log_prob(z)
    z, f = jax.lax.stop_gradient((z, f))
    if named and baseline == "optimal":
        return jnp.mean(f), _optimal(q, z, f)
    centered = f - (_baseline(baseline, f) if named else baseline)
    return jnp.mean(f), jax.grad(lambda q: jnp.mean(centered * q.log_prob(z)))(q)


def _baseline(name: str | None, f: Float[Array, " n"]) -> Float[Array, " n"] | float:
    if name is None:
        return 0.0
    if name == "leave_one_out":
        return (jnp.sum(f) - f) / (f.size - 1)
    before = jnp.arange(f.size, dtype=f.dtype)
    return (jnp.cumsum(f) - f) / jnp.maximum(before, 1)


def _optimal(q: Q, z: Float[Array, "n dim"], f: Float[Array, " n"]) -> Q:
    """Mean of (f - b_i) s_i, where the b_i of each draw is made of the *others*: unbiased."""
    scores = jax.vmap(lambda one: jax.grad(lambda q: q.log_prob(one))(q))(z)

    def one_leaf(s: Array) -> Array:
        weight = f.reshape(-1, *[1] * (s.ndim - 1))
        top, bottom = (jnp.sum(x, axis=0) - x for x in (weight * s**2, s**2))
        b = top / jnp.where(bottom > 0, bottom, 1)  # a score that is always zero, as above a triangle, stays so
        return jnp.mean((weight - b) * s, axis=0)

    return jax.tree.map(one_leaf, scores)


def rao_blackwellized(
    q: Bernoulli, key: Key[Array, ""], log_joint: LogJoint, *, num_samples: int = 1, noise: Noise = draws.iid
) -> tuple[Float[Array, ""], Bernoulli]:
    """(ELBO, its gradient in q), in nats: the score function, averaged over one coordinate at a time (chapter 5).

        dL/dlogit_i = m_i (1 - m_i) E[ f(z with z_i = 1) - f(z with z_i = 0) ],  f = log p(z, x) - log q(z)

    It is the conditional expectation of the score-function term of logit_i given all other coordinates, hence
    never of larger variance (Rao and Blackwell); m = q.mean. Costs dim + 1 evaluations of log p a draw.

    Raises:
        NotImplementedError: a family other than `Bernoulli`. ValueError: see `log_weights`.

    Source: Titsias and Lázaro-Gredilla (2015), "Local expectation gradients".
    """
    if not isinstance(q, Bernoulli):
        raise NotImplementedError(
            f"rao_blackwellized: sums over the values of one coordinate, and a {type(q).__name__} has too many. "
            "It serves Bernoulli; score_function serves every family."
        )
    z = q.sample(key, num_samples, noise=noise)
    flips = jnp.abs(z[:, None, :] - jnp.eye(q.dim, dtype=z.dtype))  # (n, dim, dim): row i has z_i changed
    f = check.evaluate(log_joint, z) - q.log_prob(z)
    flipped = (check.evaluate(log_joint, flips.reshape(-1, q.dim)) - q.log_prob(flips).reshape(-1)).reshape(z.shape)
    difference = (2 * z - 1) * (f[:, None] - flipped)  # f at z_i = 1 minus f at z_i = 0
    return jnp.mean(f), jax.tree.map(lambda _: jnp.diag(q.cov()) * jnp.mean(difference, axis=0), q)
