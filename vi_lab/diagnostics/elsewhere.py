"""Where else could q have ended? Restarts, and the mixture of what they find (chapter 6)."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from vi_lab import _checks as check
from vi_lab._checks import LogJoint
from vi_lab.diagnostics.tails import local_axes
from vi_lab.diagnostics.tried import STEPS, Tried, compare, compare_weights, weigh
from vi_lab.divergences import Estimate
from vi_lab.families import Family, MeanField, Mixture
from vi_lab.fit import fit

POOL = 20_000  # wide draws, from which the starts are chosen
REACH = (3.0, 32.0)  # of the wide draws, in q's standard deviations
STARTS = 6
APART = 0.3  # of a start's distance from q: within it no second start is taken
OVERLAP = 0.3  # Bhattacharyya coefficient: two q's that share less are two finds
VALLEY = 1.0  # nats by which log p must dip between two modes


def start_elsewhere(q: Family, key: Key[Array, ""], log_joint: LogJoint, prior: Family | None) -> Tried:
    """Mean fields from other places, and the mixture of q with the modes that they found, weighted by their ELBOs."""
    start_key, run_key, gain_key = jax.random.split(key, 3)
    starts = promising_starts(q, start_key, log_joint, prior)
    keys = jax.random.split(run_key, len(starts))
    fits = [fit(s, k, log_joint, num_steps=STEPS, progress=False) for s, k in zip(starts, keys, strict=True)]
    fits = sorted((f for f in fits if np.isfinite(f.elbo.value)), key=lambda f: -f.elbo.value)
    own = weigh(q, gain_key, log_joint)
    if not np.isfinite(own).all():  # no ELBO by which to weigh q against what was found
        return compare_weights(q, own, own, "restarts")
    kept = [(q, float(own.mean()))]
    for found in fits:
        if has_left(found.q, q, start_key) and all(is_apart(found.q, each, start_key, log_joint) for each, _ in kept):
            kept.append((found.q, float(found.elbo.value)))
    what = f"{len(starts)} restarts from the best of {POOL} wide draws"
    if len(kept) == 1:
        return Tried(q, Estimate(0.0, 0.0), f"{what}, no other mode")
    mixture = Mixture(jnp.array([elbo for _, elbo in kept]), tuple(each for each, _ in kept))
    what = f"{what} found {len(kept) - 1} more mode{'s' * (len(kept) > 2)}, the mixture of all"
    return compare(mixture, q, gain_key, log_joint, what)


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


def has_left(found: MeanField, q: Family, key: Key[Array, ""]) -> bool:
    """Whether the mean of what was found lies away from that of q: most restarts end where q is, at no more cost."""
    center, axes = local_axes(q, key)
    return bool(np.any(np.abs(found.mean - center) > np.sqrt(np.sum(np.square(axes), axis=0))))


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
