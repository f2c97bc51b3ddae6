"""What `diagnose` tries: to climb on, to start elsewhere, to use a richer family. Each gain in nats, by fresh draws."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float, Key

from vi_lab import _checks as check
from vi_lab._checks import LogJoint
from vi_lab.diagnostics.importance import _log_weights, psis
from vi_lab.divergences import Estimate
from vi_lab.families import Family, Flow, FullRank, LowRank, MeanField, Mixture
from vi_lab.fit import Fit, fit
from vi_lab.fit.defaults import is_discrete
from vi_lab.fit.verdict import estimate

GAIN = 0.1  # nats: a mean off by 0.45 of the posterior's standard deviations, or a mode of 10% that is missing
RIGID = 0.2  # nats: a mean field on two coordinates correlated at 0.57, its standard deviations 18% too small
NUM_DRAWS = 4000
K_LIMIT = min(1 - 1 / math.log10(NUM_DRAWS), 0.7)  # of k̂: Vehtari et al. (2024), section 3.2.4
BLOCK = 100  # draws of an importance-weighted bound
STEPS = 400
ROUNDS = 4  # of continuing, while each still gains
FLOW_STEPS = 800


class Tried(NamedTuple):
    """A q that was found, what it gains over the one it started from, in nats, and in words what it is.

    Attributes:
        leaks: draws, of it or of the one it started from, at which the log joint is not finite; the gain is then -inf.
        failed: why the climb that led to it broke off, in `fit`'s words. rising: whether its last steps still gained.
    """

    q: Family
    gain: Estimate
    what: str
    leaks: int = 0
    failed: str | None = None
    rising: bool = False

    @property
    def said(self) -> str:
        lost = f"the log joint is not finite at {self.leaks} of {NUM_DRAWS} draws"
        return f"{self.what}: {lost if self.leaks else said(self.gain)}" + (f"; {self.failed}" if self.failed else "")


def said(gain: Estimate) -> str:
    """An estimate in nats with its standard error, to digits that mean something."""
    return f"{gain.value:+.2f} ± {gain.std_error:.2g} nats" if gain.std_error >= 0.005 else f"{gain.value:+.3f} nats"


def is_more(gain: Estimate, least: float) -> bool:
    """Whether a gain is above `least` nats and above three standard errors."""
    return bool(gain.value > max(least, 3 * gain.std_error))


def weigh(q: Family, key: Key[Array, ""], log_joint: LogJoint) -> Float[np.ndarray, " n"]:
    """Log weights of 4,000 draws of q, by the compiled function of `importance_evidence`."""
    return weigh_and_evaluate(q, key, log_joint)[0]


def weigh_and_evaluate(q: Family, key: Key[Array, ""], log_joint: LogJoint) -> tuple[np.ndarray, np.ndarray]:
    """Log weights of 4,000 draws of q, and the log joint there."""
    log_p, log_w = _log_weights(q, key, check.as_pytree(log_joint), num_samples=NUM_DRAWS)
    return np.asarray(log_w), np.asarray(log_p)


def bad_gradients(q: Family, key: Key[Array, ""], log_joint: LogJoint) -> int:
    """At how many of the same 4,000 draws the gradient of the log joint is not finite."""
    return int(_bad_gradients(q, key, check.as_pytree(log_joint)))


@jax.jit
def _bad_gradients(q: Family, key: Key[Array, ""], log_joint: LogJoint) -> Array:
    gradients = jax.vmap(jax.grad(lambda z: log_joint(z)))(q.sample(key, NUM_DRAWS))
    return jnp.sum(~jnp.isfinite(gradients).all(axis=1))


def compare(better: Family, q: Family, key: Key[Array, ""], log_joint: LogJoint, what: str) -> Tried:
    """ELBO(better) - ELBO(q), in nats; where both transform the same noise, by common draws."""
    return compare_weights(better, weigh(better, key, log_joint), weigh(q, key, log_joint), what)


def compare_weights(better: Family, log_w: np.ndarray, before: np.ndarray, what: str) -> Tried:
    leaks = int(np.sum(~(np.isfinite(log_w) & np.isfinite(before))))
    gain = Estimate(-np.inf, np.inf) if leaks else estimate(log_w - before)
    return Tried(better, gain, what, leaks)


def gap_of(q: Family, key: Key[Array, ""], log_joint: LogJoint) -> tuple[Estimate, float] | None:
    """`gap_from` weights of q, and k̂; None where a draw has no density, or rounding hides how the weights differ."""
    log_w, log_p = weigh_and_evaluate(q, key, log_joint)
    if not np.isfinite(log_w).all():
        return None
    try:
        return gap_from(log_w), float(psis(log_w, log_p)[1])
    except ValueError:
        return None


def gap_from(log_w: Float[np.ndarray, " n"]) -> Estimate:
    """The importance-weighted bound of K = 100 draws minus the ELBO.

    On average at most KL(q || p(z|x)), and so no false alarm. The evidence itself, from all draws at once, would come
    nearer to that, but where k̂ is high one weight decides it, and its standard error means nothing.
    """
    blocks = log_w.reshape(-1, BLOCK)
    bounds = np.logaddexp.reduce(blocks, axis=1) - math.log(BLOCK)
    return estimate(bounds - blocks.mean(axis=1))


def is_far(gap: Estimate, pareto_k: float) -> bool:
    """k̂ asks how weights differ and not how much: of weights that are all but equal it means nothing."""
    return is_more(gap, GAIN if pareto_k > K_LIMIT else RIGID)


def climb_on(q: Family, key: Key[Array, ""], log_joint: LogJoint) -> Tried:
    """The same family from q, with `fit`'s own settings: again, while a round gains."""
    best, total, failed, rising = q, Estimate(0.0, 0.0), None, True
    for rounds in range(1, ROUNDS + 1):
        run_key, gain_key = jax.random.split(jax.random.fold_in(key, rounds))
        run = fit(best, run_key, log_joint, num_steps=STEPS, progress=False)
        failed = why_failed(run)
        step = compare(run.q, best, gain_key, log_joint, "").gain
        rising = is_more(step, GAIN)
        if not is_more(step, 0.0):
            break
        best, total = run.q, compare(run.q, q, gain_key, log_joint, "").gain
        if failed or not rising:
            break
    return Tried(best, total, f"climbing on for {rounds * STEPS} steps", failed=failed, rising=rising)


def why_failed(run: Fit) -> str | None:
    """Why a run broke off, of those that did."""
    return run.reason if run.reason.startswith("stopped") else None


def enrich(q: Family, key: Key[Array, ""], log_joint: LogJoint) -> list[Tried]:
    """Richer families started *at* q: a full covariance; where that is not enough, coupling layers.

    In one dimension, where neither is any richer, a mixture of three.
    """
    full_key, flow_key, gain_key = jax.random.split(key, 3)
    tried, best = [], q
    if is_discrete(q) or isinstance(q, Mixture | Flow):
        return tried
    if q.dim == 1:
        std = jnp.sqrt(jnp.diag(q.cov()))
        parts = tuple(MeanField(q.mean + shift * std, jnp.log(std)) for shift in (-1.0, 0.0, 1.0))
        best = fit(Mixture(jnp.zeros(3), parts), full_key, log_joint, num_steps=STEPS, progress=False).q
        return [compare(best, q, gain_key, log_joint, "a mixture of three")]
    if isinstance(q, MeanField | LowRank):
        start = FullRank(q.mean, jnp.linalg.cholesky(q.cov()))
        best = fit(start, full_key, log_joint, num_steps=STEPS, progress=False).q
        tried.append(compare(best, q, gain_key, log_joint, "a full covariance"))
        left = gap_of(best, gain_key, log_joint)
        if left and not is_far(*left):
            return tried
    whitened = Partial(_whitened, best, check.as_pytree(log_joint))
    start = Flow.standard(q.dim, num_layers=4, hidden=16)
    flow = fit(start, flow_key, whitened, num_steps=FLOW_STEPS, progress=False).q
    log_w = weigh(flow, gain_key, whitened), weigh(q, gain_key, log_joint)
    return [*tried, compare_weights(flow, *log_w, "coupling layers")]


def _whitened(q: FullRank, log_joint: LogJoint, u: Float[Array, " dim"]) -> Float[Array, ""]:
    """The log joint in the coordinates in which q is N(0, I), so that a flow which starts there starts at q."""
    return log_joint(q.mean + q.scale_tril @ u) + jnp.sum(q.log_diag)
