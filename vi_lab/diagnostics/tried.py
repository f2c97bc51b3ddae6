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
from vi_lab.diagnostics.importance import _log_weights, importance_evidence
from vi_lab.divergences import Estimate
from vi_lab.families import Family, Flow, FullRank, LowRank, MeanField, Mixture
from vi_lab.fit import fit
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
    """A q that was found, what it gains over the one it started from, in nats, and in words what it is."""

    q: Family
    gain: Estimate
    what: str

    @property
    def said(self) -> str:
        return f"{self.what}: {said(self.gain)}"


def said(gain: Estimate) -> str:
    """An estimate in nats with its standard error, to digits that mean something."""
    return f"{gain.value:+.2f} ± {gain.std_error:.2g} nats" if gain.std_error >= 0.005 else f"{gain.value:+.3f} nats"


def is_more(gain: Estimate, least: float) -> bool:
    """Whether a gain is above `least` nats and above three standard errors."""
    return bool(gain.value > max(least, 3 * gain.std_error))


def weigh(q: Family, key: Key[Array, ""], log_joint: LogJoint) -> Float[np.ndarray, " n"]:
    """Log weights of 4,000 draws of q, by the compiled function of `importance_evidence`."""
    return np.asarray(_log_weights(q, key, check.as_pytree(log_joint), num_samples=NUM_DRAWS)[1])


def gain_of(better: Family, q: Family, key: Key[Array, ""], log_joint: LogJoint) -> Estimate:
    """ELBO(better) - ELBO(q), in nats; where both transform the same noise, by common draws."""
    return estimate(weigh(better, key, log_joint) - weigh(q, key, log_joint))


def gap_of(q: Family, key: Key[Array, ""], log_joint: LogJoint) -> tuple[Estimate, float] | None:
    """The importance-weighted bound of K = 100 draws minus the ELBO, and k̂; None where a draw has no density.

    On average at most KL(q || p(z|x)), and so no false alarm. The evidence itself, from all draws at once, would come
    nearer to that, but where k̂ is high one weight decides it, and its standard error means nothing.
    """
    log_w = weigh(q, key, log_joint)
    if not np.isfinite(log_w).all():
        return None
    blocks = log_w.reshape(-1, BLOCK)
    bounds = np.logaddexp.reduce(blocks, axis=1) - math.log(BLOCK)
    k = importance_evidence(q, key, log_joint, num_samples=len(log_w)).pareto_k
    return estimate(bounds - blocks.mean(axis=1)), float(k)


def is_far(gap: Estimate, pareto_k: float) -> bool:
    """k̂ asks how weights differ and not how much: of weights that are all but equal it means nothing."""
    return is_more(gap, GAIN if pareto_k > K_LIMIT else RIGID)


def climb_on(q: Family, key: Key[Array, ""], log_joint: LogJoint) -> Tried:
    """The same family from q, with `fit`'s own settings: again, while a round gains."""
    best, total = q, Estimate(0.0, 0.0)
    for rounds in range(1, ROUNDS + 1):
        run_key, gain_key = jax.random.split(jax.random.fold_in(key, rounds))
        further = fit(best, run_key, log_joint, num_steps=STEPS, progress=False).q
        step = gain_of(further, best, gain_key, log_joint)
        if not is_more(step, 0.0):
            break
        best, total = further, gain_of(further, q, gain_key, log_joint)
        if not is_more(step, GAIN):
            break
    return Tried(best, total, f"climbing on for {rounds * STEPS} steps")


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
        return [Tried(best, gain_of(best, q, gain_key, log_joint), "a mixture of three")]
    if isinstance(q, MeanField | LowRank):
        start = FullRank(q.mean, jnp.linalg.cholesky(q.cov()))
        best = fit(start, full_key, log_joint, num_steps=STEPS, progress=False).q
        tried.append(Tried(best, gain_of(best, q, gain_key, log_joint), "a full covariance"))
        left = gap_of(best, gain_key, log_joint)
        if left and not is_far(*left):
            return tried
    whitened = Partial(_whitened, best, check.as_pytree(log_joint))
    start = Flow.standard(q.dim, num_layers=4, hidden=16)
    flow = fit(start, flow_key, whitened, num_steps=FLOW_STEPS, progress=False).q
    gains = weigh(flow, gain_key, whitened) - weigh(q, gain_key, log_joint)
    return [*tried, Tried(flow, estimate(gains), "coupling layers")]


def _whitened(q: FullRank, log_joint: LogJoint, u: Float[Array, " dim"]) -> Float[Array, ""]:
    """The log joint in the coordinates in which q is N(0, I), so that a flow which starts there starts at q."""
    return log_joint(q.mean + q.scale_tril @ u) + jnp.sum(q.log_diag)
