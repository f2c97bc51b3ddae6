"""What `diagnose` tries: to climb on, to start elsewhere, to use a richer family. Each gain in nats, by fresh draws."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float, Key

from vi_lab import _checks as check
from vi_lab._checks import LogJoint
from vi_lab.diagnostics.importance import _log_weights
from vi_lab.diagnostics.tails import local_axes
from vi_lab.divergences import Estimate
from vi_lab.families import Bernoulli, Family, Flow, FullRank, LowRank, MeanField, Mixture
from vi_lab.fit import fit
from vi_lab.fit.verdict import estimate

NUM_DRAWS = 4000
STEPS = 400
ROUNDS = 4  # of continuing, while each still gains
FLOW_STEPS = 800
POOL = 20_000  # wide draws, from which the starts are chosen
REACH = (3.0, 32.0)  # of the wide draws, in q's standard deviations
STARTS = 6
APART = 0.3  # of a start's distance from q: within it no second start is taken
OVERLAP = 0.3  # Bhattacharyya coefficient: two q's that share less are two finds
VALLEY = 1.0  # nats by which log p must dip between two modes


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
        if not is_more(step, 0.1):
            break
    return Tried(best, total, f"climbing on for {rounds * STEPS} steps")


def start_elsewhere(q: Family, key: Key[Array, ""], log_joint: LogJoint, prior: Family | None) -> Tried:
    """Mean fields from other places, and the mixture of q with the modes that they found, weighted by their ELBOs."""
    start_key, run_key, gain_key = jax.random.split(key, 3)
    starts = promising_starts(q, start_key, log_joint, prior)
    keys = jax.random.split(run_key, len(starts))
    fits = [fit(s, k, log_joint, num_steps=STEPS, progress=False) for s, k in zip(starts, keys, strict=True)]
    fits = sorted((f for f in fits if np.isfinite(f.elbo.value)), key=lambda f: -f.elbo.value)
    kept = [(q, float(weigh(q, gain_key, log_joint).mean()))]
    for found in fits:
        if all(is_apart(found.q, other, start_key, log_joint) for other, _ in kept):
            kept.append((found.q, float(found.elbo.value)))
    what = f"{len(starts)} restarts from the best of {POOL} wide draws"
    if len(kept) == 1:
        return Tried(q, Estimate(0.0, 0.0), f"{what}, no other mode")
    mixture = Mixture(jnp.array([elbo for _, elbo in kept]), tuple(each for each, _ in kept))
    what = f"{what} found {len(kept) - 1} more mode{'s' * (len(kept) > 2)}, the mixture of all"
    return Tried(mixture, gain_of(mixture, q, gain_key, log_joint), what)


def promising_starts(q: Family, key: Key[Array, ""], log_joint: LogJoint, prior: Family | None) -> list[MeanField]:
    """Around the draws of highest log joint, out of many wide ones, that lie outside q and apart from each other.

    Wide: up to 32 of q's standard deviations away, and draws of the prior. Choosing them by log p costs one
    evaluation each, where a climb from every one of them would cost thousands.
    """
    way_key, axes_key, prior_key = jax.random.split(key, 3)
    center, axes = local_axes(q, axes_key)
    std = jnp.sqrt(jnp.sum(axes**2, axis=0))
    radii = jnp.geomspace(*REACH, POOL)[:, None]
    z = center + radii * std * jax.random.normal(way_key, (POOL, q.dim), std.dtype)
    if prior is not None:
        z = jnp.concatenate([z[::2], prior.sample(prior_key, POOL // 2)])
    log_p = np.asarray(_evaluate(log_joint, z))
    away = np.asarray((z - center) / std)
    log_p = np.where(np.isfinite(log_p) & (np.abs(away).max(axis=1) > REACH[0]), log_p, -np.inf)
    starts = []
    while len(starts) < STARTS and np.isfinite(log_p).any():
        best = int(np.argmax(log_p))
        starts.append(MeanField(z[best], jnp.log(std)))
        apart = np.linalg.norm(away - away[best], axis=1) > APART * np.linalg.norm(away[best])
        log_p = np.where(apart, log_p, -np.inf)
    return starts


@jax.jit
def _evaluate(log_joint: LogJoint, z: Float[Array, "n dim"]) -> Float[Array, " n"]:
    return check.evaluate(log_joint, z)


def is_apart(found: Family, other: Family, key: Key[Array, ""], log_joint: LogJoint) -> bool:
    """Two finds are two modes if they hardly overlap, and log p dips on the straight way from one to the other."""
    overlap, valley = _between(found, other, key, log_joint)
    return bool(overlap < OVERLAP) and bool(valley > VALLEY)


@jax.jit
def _between(one: Family, other: Family, key: Array, log_joint: LogJoint) -> tuple[Array, Array]:
    """The Bhattacharyya coefficient, from draws of the first, and the depth of the valley between the means."""
    z = one.sample(key, 500)
    overlap = jnp.mean(jnp.exp((other.log_prob(z) - one.log_prob(z)) / 2))
    along = jnp.linspace(0, 1, 101)[:, None]
    values = check.evaluate(log_joint, (1 - along) * z.mean(axis=0) + along * other.sample(key, 500).mean(axis=0))
    return overlap, jnp.minimum(values[0], values[-1]) - values.min()


def enrich(q: Family, key: Key[Array, ""], log_joint: LogJoint) -> list[Tried]:
    """Richer families started *at* q: a full covariance, then coupling layers; in one dimension three components."""
    full_key, flow_key, gain_key = jax.random.split(key, 3)
    tried, best = [], q
    if isinstance(q, Bernoulli | Mixture | Flow):
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
    whitened = Partial(_whitened, best, check.as_pytree(log_joint))
    start = Flow.standard(q.dim, num_layers=4, hidden=16)
    flow = fit(start, flow_key, whitened, num_steps=FLOW_STEPS, progress=False).q
    gains = weigh(flow, gain_key, whitened) - weigh(q, gain_key, log_joint)
    return [*tried, Tried(flow, estimate(gains), "coupling layers")]


def _whitened(q: FullRank, log_joint: LogJoint, u: Float[Array, " dim"]) -> Float[Array, ""]:
    """The log joint in the coordinates in which q is N(0, I), so that a flow which starts there starts at q."""
    return log_joint(q.mean + q.scale_tril @ u) + jnp.sum(q.log_diag)
