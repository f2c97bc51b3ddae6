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
ROUNDING = 100  # units in the last place of log p and log q: log weights no further apart are equal
HIDDEN = 0.05  # nats: if that is not even what such weights lie apart, they are equal for every purpose


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
        if not np.isfinite(self):
            return 0.0
        return 2 * (1 + max(self, -0.5)) / self.num_tail**0.5 if self.num_tail else np.inf


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
        ValueError: a log joint that is NaN or +inf at a draw, or -inf at all but 24 of them, or so large that its
            rounding hides how the weights differ; fewer than 25 draws; see `log_weights`. Not for use under jit.

    Source: Vehtari, Simpson, Gelman, Yao and Gabry (2024); for variational inference, Yao et al. (2018).
    """
    return psis(*_weigh(q, key, log_joint, num_samples))[1]


def importance_evidence(q: Family, key: Key[Array, ""], log_joint: LogJoint, *, num_samples: int = 4000) -> Evidence:
    """log p(x) = log E_q[w], in nats, from weights w = p(z, x) / q(z) at draws of q (chapter 6).

    mean w is unbiased for p(x); its logarithm is low by about std_error^2 / 2. Like every average over q's draws it
    knows nothing of a region that no draw has met: what is missing there is missing here, with a small error.

    Raises: see `pareto_k`. Source: Owen (2013), chapter 9; for k-hat, Vehtari et al. (2024).
    """
    return evidence_of(*_weigh(q, key, log_joint, num_samples))


def evidence_of(log_w: Float[Array, " n"], log_p: Float[Array, " n"]) -> Evidence:
    """`importance_evidence` from log weights, and the log joint, at draws of q."""
    log_mean = jax.nn.logsumexp(log_w) - jnp.log(len(log_w))
    std_error = jnp.std(jnp.exp(log_w - log_mean), ddof=1) / jnp.sqrt(len(log_w))
    return Evidence(log_mean, std_error, effective_sample_size(log_w), psis(log_w, log_p)[1])


def _weigh(q: Family, key: Key[Array, ""], log_joint: LogJoint, num_samples: int) -> tuple[Array, Array]:
    """log w and log p at draws of q: weights that are of use."""
    check.check_family(q)
    check.check_count("num_samples", num_samples, least=FEWEST)
    log_p, log_w = _log_weights(q, key, check.as_pytree(log_joint), num_samples=num_samples)
    check_log_weights(log_w)
    return log_w, log_p


def check_log_weights(log_w: Float[Array, " n"]) -> None:
    """ValueError for weights that are of no use."""
    for bad, name in ((jnp.isnan(log_w), "NaN"), (jnp.isposinf(log_w), "+inf")):
        if bad.any():
            check.reject("log_joint", f"{name} at {bad.sum()} of {len(log_w)} draws of q", "numbers or -inf")
    finite = jnp.isfinite(log_w)
    if finite.sum() < FEWEST:
        got = f"-inf at {len(log_w) - finite.sum()} of {len(log_w)} draws of q"
        check.reject("log_joint", got, f"a model with mass at {FEWEST} of them or more")


@partial(jax.jit, static_argnames="num_samples")
def _log_weights(q: Family, key: Key[Array, ""], log_joint: LogJoint, *, num_samples: int) -> tuple[Array, Array]:
    z = q.sample(key, num_samples)
    log_p = check.evaluate(log_joint, z)
    return log_p, log_p - q.log_prob(z)


def psis(log_w: Float[Array, " n"], log_p: Float[Array, " n"]) -> tuple[Float[np.ndarray, " n"], ParetoK]:
    """Pareto-smoothed weights with sum one, and k-hat of those above zero: zeros belong to no upper tail."""
    eps = float(jnp.finfo(log_w.dtype).eps)
    log_w, log_p = np.asarray(log_w, float), np.asarray(log_p, float)
    above = np.isfinite(log_w)
    kept, num_zero = log_w[above], int(np.sum(~above))
    num_tail = int(np.ceil(min(len(kept) / 5, 3 * len(kept) ** 0.5)))  # Vehtari et al. (2024), equation 3
    tail = np.argsort(kept)[-num_tail - 1 :]
    weights = np.zeros(len(log_w))
    if are_equal(kept[tail], log_p[above][tail], eps):
        weights[above] = np.exp(kept - kept[tail[-1]])
        return weights / weights.sum(), ParetoK(-np.inf, 0, num_zero)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # ArviZ announces its next version to whoever imports it
        from arviz import psislw  # here, because it costs more to import than all of vi_lab

        smoothed, k = psislw(kept)
    weights[above] = np.exp(smoothed)
    return weights / weights.sum(), ParetoK(float(k), num_tail, num_zero)


def are_equal(log_w: Float[np.ndarray, " n"], log_p: Float[np.ndarray, " n"], eps: float) -> bool:
    """Whether log weights, in order, differ by no more than rounding; ValueError where rounding hides whether they do.

    By the log p and log q of these draws alone: one that lies far out, where log p is huge, says nothing of them.
    """
    scale = max(1.0, np.abs(log_p).max(), np.abs(log_p - log_w).max())
    spread = log_w[-1] - log_w[0]
    if spread <= ROUNDING * eps * scale and max(spread, eps * scale) > HIDDEN:
        got = f"values of size {scale:.1e}, whose rounding ({eps:.0e} of that) hides how the weights differ"
        check.reject("log_joint", got, "64 bits, or a constant taken off")
    return bool(spread <= ROUNDING * eps * scale)
