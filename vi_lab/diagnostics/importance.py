"""What the importance weights of q's own draws tell: their tail, the evidence, how many draws they are worth."""

import warnings
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from vi_lab import _checks as check
from vi_lab._checks import LogJoint
from vi_lab.families import Family
from vi_lab.forward import effective_sample_size

FEWEST = 25  # weights above zero: a fifth of them are the tail, and five draws the least that ArviZ fits
ROUNDING = 100  # units in the last place of log p: log weights no further apart are equal


class ParetoK(float):
    """An estimate of the tail shape k: a number, with what is needed to judge it.

    Attributes:
        num_tail: M, the largest weights, to which the generalized Pareto distribution was fitted.
        num_zero: draws of q where the model has no mass; their weights are zero.
        lower, upper: k ± 2 (1 + k) / sqrt(M), the noise of maximum likelihood. For Gaussians and 4,000 draws they
            hold the true k in about 95% of cases up to 0.5, 92% at 0.7, 90% at 0.9: the bias is not in them.
    """

    def __new__(cls, value: float, num_tail: int = 0, num_zero: int = 0):
        k = super().__new__(cls, value)
        k.num_tail, k.num_zero = num_tail, num_zero
        return k

    @property
    def lower(self) -> float:
        return float(self) - self._margin()

    @property
    def upper(self) -> float:
        return float(self) + self._margin()

    def _margin(self) -> float:
        """The formula holds for k > -1/2; lower down it would shrink to nothing."""
        return 2 * (1 + max(self, -0.5)) / self.num_tail**0.5 if np.isfinite(self) else 0.0


class Evidence(NamedTuple):
    """log p(x) by importance sampling, in nats, and whether to believe it.

    Attributes:
        log_evidence, std_error: log mean w, and its standard error by the delta method, in nats.
        effective_sample_size: how many draws of the posterior the weighted draws are worth.
        pareto_k: above 1/2 the weights have no variance, and `std_error` means nothing; above 0.7 the estimate is
            not to be believed at any affordable number of draws.
    """

    log_evidence: Float[Array, ""]
    std_error: Float[Array, ""]
    effective_sample_size: Float[Array, ""]
    pareto_k: ParetoK


def pareto_k(q: Family, key: Key[Array, ""], log_joint: LogJoint, *, num_samples: int = 4000) -> ParetoK:
    """Pareto k-hat: the tail of the importance weights w = p(z, x) / q(z), log w in nats, at draws of q (chapter 6).

        P(w > t) ~ t^(-1/k):  E_q[w^r] is finite for r < 1/k

    Below 0.5 the weights have a variance; up to 0.7 importance sampling still works, at a price; above, q is too far
    from the posterior in the directions where its tails are too light; above 1 the weights have no mean within reach.
    For q = N(m, L L^T) and a posterior of precision P, k = 1 - (smallest eigenvalue of L^T P L) where that is positive:

    - q = N(0, s^2) for N(0, 1), s < 1: k = 1 - s^2;
    - the mean-field optimum, variances 1 / P_ii, of a Gaussian with correlation rho in two dimensions: k = |rho|;
    - q wider than the posterior in all directions: bounded weights, k = -2 / dim.

    The estimate is ArviZ's, with its weak prior of ten draws' worth at 0.5, and reads the tail where its draws lie, not
    at infinity. In the first two examples it is low by 0.02 at k = 0.5, 0.06 at 0.7 and 0.09 at 0.9 with 4,000 draws,
    little less with 100,000; in 40 dimensions bounded weights may read 0.9, and rightly so: no affordable number of
    draws reaches the bound. It is blind to a mode that no draw has met.

    Returns:
        a float with `lower`, `upper`, `num_tail` and `num_zero`. -inf where all weights are equal up to rounding, as
        where q is the posterior; +inf where fewer than five weights stand above zero beside the largest.

    Raises:
        ValueError: a log joint that is NaN or +inf at a draw, or -inf at all but 24 of them; fewer than 25 draws; see
            `log_weights`.

    Source: Vehtari, Simpson, Gelman, Yao and Gabry (2024); for variational inference, Yao et al. (2018).
    """
    return _shape_of_tail(*_weigh(q, key, log_joint, num_samples))


def importance_evidence(q: Family, key: Key[Array, ""], log_joint: LogJoint, *, num_samples: int = 4000) -> Evidence:
    """log p(x) = log E_q[w], in nats, from weights w = p(z, x) / q(z) at draws of q (chapter 6).

    mean w is unbiased for p(x); its logarithm is low by about std_error^2 / 2. Like every average over q's draws it
    knows nothing of a region that no draw has met: what is missing there is missing here, with a small error.

    Raises: see `pareto_k`. Source: Owen (2013), chapter 9; for k-hat, Vehtari et al. (2024).
    """
    log_w, scale = _weigh(q, key, log_joint, num_samples)
    log_mean = jax.nn.logsumexp(log_w) - jnp.log(num_samples)
    std_error = jnp.std(jnp.exp(log_w - log_mean), ddof=1) / jnp.sqrt(num_samples)
    return Evidence(log_mean, std_error, effective_sample_size(log_w), _shape_of_tail(log_w, scale))


def _weigh(q: Family, key: Key[Array, ""], log_joint: LogJoint, num_samples: int) -> tuple[Float[Array, " n"], float]:
    """log w at draws of q, and what `check_log_weights` says of them."""
    check.check_family(q)
    check.check_count("num_samples", num_samples, least=FEWEST)
    log_p, log_w = _log_weights(q, key, check.as_pytree(log_joint), num_samples=num_samples)
    return log_w, check_log_weights(log_p, log_w)


def check_log_weights(log_p: Float[Array, " n"], log_w: Float[Array, " n"]) -> float:
    """The size of log p, from which the rounding of log w follows; ValueError for weights that are of no use."""
    for bad, name in ((jnp.isnan(log_w), "NaN"), (jnp.isposinf(log_w), "+inf")):
        if bad.any():
            check.reject("log_joint", f"{name} at {bad.sum()} of {len(log_w)} draws of q", "numbers or -inf")
    finite = jnp.isfinite(log_w)
    if finite.sum() < FEWEST:
        got = f"-inf at {len(log_w) - finite.sum()} of {len(log_w)} draws of q"
        check.reject("log_joint", got, f"a model with mass at {FEWEST} of them or more")
    return float(jnp.max(jnp.abs(log_p), where=finite, initial=1.0))


@partial(jax.jit, static_argnames="num_samples")
def _log_weights(q: Family, key: Key[Array, ""], log_joint: LogJoint, *, num_samples: int) -> tuple[Array, Array]:
    z = q.sample(key, num_samples)
    log_p = check.evaluate(log_joint, z)
    return log_p, log_p - q.log_prob(z)


def _shape_of_tail(log_w: Float[Array, " n"], scale: float) -> ParetoK:
    return psis(log_w, scale)[1]


def psis(log_w: Float[Array, " n"], scale: float) -> tuple[Float[np.ndarray, " n"], ParetoK]:
    """Pareto-smoothed weights with sum one, and k-hat of those above zero: zeros belong to no upper tail."""
    rounding = ROUNDING * scale * float(jnp.finfo(log_w.dtype).eps)
    log_w = np.asarray(log_w, float)
    above = np.isfinite(log_w)
    in_order, num_zero = np.sort(log_w[above]), int(np.sum(~above))
    num_tail = int(np.ceil(min(len(in_order) / 5, 3 * len(in_order) ** 0.5)))  # Vehtari et al. (2024), equation 3
    weights = np.zeros(len(log_w))
    if in_order[-1] - in_order[-num_tail - 1] <= rounding:
        weights[above] = np.exp(log_w[above] - in_order[-1])
        return weights / weights.sum(), ParetoK(-np.inf, 0, num_zero)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # ArviZ announces its next version to whoever imports it
        from arviz import psislw  # here, because it costs more to import than all of vi_lab

        smoothed, k = psislw(log_w[above])
    weights[above] = np.exp(smoothed)
    return weights / weights.sum(), ParetoK(float(k), num_tail, num_zero)
