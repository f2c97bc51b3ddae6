"""Is the climb lost in noise, did it fit the noise, and is this the top?"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Key

from vi_lab import _checks as check
from vi_lab import draws
from vi_lab._checks import LogJoint
from vi_lab.bounds import log_weights
from vi_lab.divergences import Estimate
from vi_lab.families import Family
from vi_lab.fit import Fit, fit
from vi_lab.fit.defaults import default_gradient, with_noise

AT_ONCE = 4096  # draws of q: more are taken one block after the other
ROUNDING = 1e4  # units in the last place of a gradient's terms: what is left below has cancelled


def gradient_snr(
    q: Family,
    key: Key[Array, ""],
    log_joint: LogJoint,
    *,
    num_samples: int = 1,
    num_repeats: int = 256,
    gradient: Callable[..., tuple[Array, Family]] | None = None,
    noise: draws.Noise = draws.iid,
) -> Float[Array, ""]:
    """Signal-to-noise ratio of the ELBO's gradient g in q's parameters, |E g| / sqrt(tr Cov g) (chapter 6).

    From R = `num_repeats` estimates of `num_samples` draws each, g in nats for a unit of a parameter, with the share
    of noise in the squared mean taken off, and never below zero:

        snr^2 = (|mean g|^2 - tr S / R) / tr S,  S = covariance of the estimates

    Of independent draws it grows as sqrt(num_samples). A step sees the way up where it is above 1; at an optimum
    E g = 0 and the ratio is *zero*, however good the estimator: a low value says that noise rules the steps, which is
    a fault only where there is still way to go. Ratios below about 2 / sqrt(R) are not told from zero.

    Args:
        gradient: an estimator of `vi_lab.gradients`; by default the one that `fit` chooses.
        noise: the base draws, of `vi_lab.draws`.

    Returns:
        0 where all estimates vanish up to rounding, inf where they agree and do not.

    Raises:
        ValueError: fewer than two repeats; an ELBO or a gradient that is not finite, as where q has mass and the model
            has none: the message says in how many estimates; see `log_weights`.
        NotImplementedError: a family that the estimator does not serve.

    Source: Rainforth et al. (2018), who ask for it one parameter at a time.
    """
    check.check_count("num_samples", num_samples)
    check.check_count("num_repeats", num_repeats, least=2)
    check.check_family(q)
    gradient = default_gradient(q) if gradient is None else gradient
    if not callable(gradient):
        check.reject("gradient", repr(gradient), "an estimator such as vi_lab.reparameterized")
    mean_square, trace, floor, num_bad = _gradient_moments(
        q,
        key,
        check.as_pytree(log_joint),
        gradient=with_noise(gradient, noise),
        num_samples=num_samples,
        num_repeats=num_repeats,
    )
    if num_bad:
        got = f"a value or a gradient that is NaN or infinite in {num_bad} of {num_repeats} estimates"
        check.reject("log_joint", got, "finite ones wherever q has mass")
    signal = jnp.maximum(mean_square - trace / num_repeats, 0)
    if mean_square + trace <= floor:
        return jnp.zeros_like(signal)
    return jnp.sqrt(signal / trace)


@partial(jax.jit, static_argnames=("gradient", "num_samples", "num_repeats"))
def _gradient_moments(q, key, log_joint, *, gradient, num_samples, num_repeats) -> tuple[Array, ...]:
    """|mean g|^2, tr S, the square of rounding errors in g, and how many estimates are not finite."""

    def estimate(key: Array, log_joint: LogJoint) -> Array:
        value, grad = gradient(q, key, log_joint, num_samples=num_samples)
        worthless = jnp.where(jnp.isfinite(value), 0, jnp.nan)  # -inf: the gradient is finite, and of another function
        return jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(grad)]) + worthless

    keys = jax.random.split(key, num_repeats)
    at_once = min(num_repeats, max(1, AT_ONCE // num_samples))
    g = jax.lax.map(lambda key: estimate(key, log_joint), keys, batch_size=at_once)
    terms = estimate(key, lambda z: jnp.zeros((), z.dtype))  # what log p has to cancel at an optimum
    floor = jnp.sum((ROUNDING * jnp.finfo(g.dtype).eps * terms) ** 2)
    num_bad = num_repeats - jnp.isfinite(g).all(axis=1).sum()
    return jnp.sum(g.mean(axis=0) ** 2), jnp.sum(g.var(axis=0, ddof=1)), floor, num_bad


def optimism(
    q: Family, key: Key[Array, ""], log_joint: LogJoint, eps: ArrayLike, *, num_samples: int = 4000
) -> Estimate:
    r"""How much a fit with its draws held fixed flatters itself: training ELBO minus ELBO, in nats (chapter 6).

        1/n sum_i log w(g(eps_i)) - E_q[log w],  log w(z) = log p(z, x) - log q(z)

    The first term is that of the noise which the fit has seen, the second of fresh draws; the standard error is that of
    the fresh ones. For an honest q, one that does not depend on eps, the expectation is zero. On a Gaussian target,
    the q that maximizes the first term has, averaged over eps, an optimism of exactly

        (number of parameters) / (n - dim - 2) for a `FullRank`,  2 dim / (n - 3) for a `MeanField`, independent target

    Args:
        eps: the fixed standard normals, shape (n, noise_dim). num_samples: fresh draws.

    Returns:
        an `Estimate`; infinite, with an infinite error, where a fresh draw has no mass under the model.

    Raises:
        ValueError: eps of another shape or not finite, a log joint that is NaN or +inf at a draw or -inf at eps.
        NotImplementedError: a family without `transform`.

    Source: the problem, Giordano, Ingram and Broderick (2024); the closed forms are derived in chapter 6.
    """
    check.check_family(q)
    check.check_count("num_samples", num_samples, least=2)
    eps = jnp.asarray(eps, jax.tree.leaves(q)[0].dtype)
    check.check_draws("eps", eps)
    check.check_points("eps", eps, q.noise_dim)
    seen, fresh = _seen_and_fresh(q, key, check.as_pytree(log_joint), eps, num_samples=num_samples)
    check.check_finite("log_joint at the draws of eps", seen)
    if jnp.isnan(fresh).any() or jnp.isposinf(fresh).any():
        check.reject("log_joint", "NaN or +inf at a draw of q", "numbers or -inf")
    value = seen.mean() - fresh.mean()
    std_error = jnp.where(jnp.isfinite(value), fresh.std(ddof=1) / jnp.sqrt(num_samples), jnp.inf)
    return Estimate(value, std_error)


@partial(jax.jit, static_argnames="num_samples")
def _seen_and_fresh(
    q: Family, key: Key[Array, ""], log_joint: LogJoint, eps: Float[Array, "n noise_dim"], *, num_samples: int
) -> tuple[Float[Array, " n"], Float[Array, " num_samples"]]:
    """log w at the draws that eps makes, and at fresh ones."""
    z = q.transform(eps)
    seen = check.evaluate(log_joint, z) - q.log_prob(z)
    return seen, log_weights(q, key, log_joint, num_samples=num_samples)


class Restarts(NamedTuple):
    """What `elbo_restarts` returns.

    Attributes:
        fits: one for each start, in their order.
        best: the one with the highest ELBO.
        elbos: their ELBOs by draws that no step has seen, shape (num_starts,), in nats.
            One that is NaN or +inf counts as -inf.
        spread: the highest minus the lowest, in nats; infinite where a fit has no finite ELBO.
    """

    fits: tuple[Fit, ...]
    best: Fit
    elbos: Float[Array, " num_starts"]
    spread: Estimate


def elbo_restarts(starts: Iterable[Family], key: Key[Array, ""], log_joint: LogJoint, **fit_settings: Any) -> Restarts:
    """Fits from several starts, and how far their ELBOs, in nats, lie apart (chapter 6).

    A spread beyond its error and beyond a tenth of a nat says that where a fit ends depends on where it began: some of
    the tops are local. No spread says less: all starts may have ended on one local top.

    Args:
        starts: distributions to start from, at least two, for instance with means drawn from the prior.
        fit_settings: those of `fit`; every fit draws under a key of its own.

    Raises:
        ValueError: fewer than two starts; see `fit`.
    """
    starts = tuple(starts) if isinstance(starts, Iterable) else (starts,)
    if len(starts) < 2:
        check.reject("starts", f"{len(starts)} of them", "at least two distributions to start from")
    keys = jax.random.split(key, len(starts))
    fits = tuple(fit(q, k, log_joint, **fit_settings) for q, k in zip(starts, keys, strict=True))
    elbos = jnp.stack([result.elbo.value for result in fits])
    elbos = jnp.where(jnp.isfinite(elbos), elbos, -jnp.inf)
    high, low = (fits[int(index)] for index in (elbos.argmax(), elbos.argmin()))
    if not jnp.isfinite(elbos).all():
        return Restarts(fits, high, elbos, Estimate(jnp.inf, jnp.inf))
    spread = Estimate(elbos.max() - elbos.min(), jnp.hypot(high.elbo.std_error, low.elbo.std_error))
    return Restarts(fits, high, elbos, spread)
