"""Modes that chains found, as Gaussians, and the mixture of them that a fit starts from (chapter 7)."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vi_lab import _checks as check
from vi_lab._checks import LogJoint
from vi_lab.families import Family, FullRank, MeanField, Mixture
from vi_lab.forward import moment_match

APART = 1.0  # standard deviations between the means of what counts as two modes
RIDGE = 1e-12  # of a variance: keeps a covariance invertible and moves no distance that can be told from another
LEAST_WEIGHT = 1e-3  # of a component; one with less costs draws and gains nothing that could be told from noise
ELBO_DRAWS = 1000


def components_of(q: Family) -> tuple[Family, ...]:
    return q.components if isinstance(q, Mixture) else (q,)


def modes(draws: Float[np.ndarray, "num_chains num_samples dim"], q: Family, family: type) -> list[Family]:
    """A Gaussian for each group of chains, and the components of q that none of these comes near.

    Chains that moved fewer times than z has coordinates say nothing of a covariance and are left out; ValueError where
    all are such.
    """
    num_moves = (np.diff(draws, axis=1) != 0).any(axis=-1).sum(axis=1)
    left, groups = [int(i) for i in np.flatnonzero(num_moves >= draws.shape[-1])], []
    if not left:
        got = f"none that moved {draws.shape[-1]} times or more"
        check.reject("chains", got, "a log joint in which NUTS moves: longer warmup, or other coordinates")
    while left:
        group, left = [left[0]], left[1:]
        for member in group:  # grows while it is walked through: neighbors of neighbors belong to one mode
            near = [i for i in left if apart(draws[member], draws[i]) < APART]
            group += near
            left = [i for i in left if i not in near]
        groups.append(draws[group].reshape(-1, draws.shape[-1]))
    found = [moment_match(group, family=family) for group in groups]
    kept = [part for part in components_of(q) if all(_distance(part, new) >= APART for new in found)]
    return found + [part if isinstance(part, family) else _as_family(part, family) for part in kept]


def apart(a: Float[np.ndarray, "n dim"], b: Float[np.ndarray, "n dim"]) -> float:
    """The distance of two chains' means, in standard deviations of the draws within them."""
    pooled = (np.atleast_2d(np.cov(a.T)) + np.atleast_2d(np.cov(b.T))) / 2
    std = np.sqrt(np.where(np.diag(pooled) > 0, np.diag(pooled), 1))
    correlation = pooled / std / std[:, None] + RIDGE * np.eye(len(std))
    offset = (a.mean(axis=0) - b.mean(axis=0)) / std
    return float(np.sqrt(offset @ np.linalg.solve(correlation, offset)))


def _distance(part: Family, new: Family) -> float:
    offset = part.mean - new.mean
    return float(jnp.sqrt(offset @ jnp.linalg.solve((part.cov() + new.cov()) / 2, offset)))


def _as_family(part: Family, family: type) -> Family:
    if family is FullRank:
        return FullRank.from_cov(part.mean, part.cov())
    return MeanField.from_std(part.mean, jnp.sqrt(jnp.diag(part.cov())))


def weighed(components: list[Family], key: Array, log_joint: LogJoint) -> Family:
    """The components as one `Mixture`, weights in proportion to exp(ELBO_k); those of next to none are left out."""
    elbos = jnp.stack([_elbo(part, key, log_joint) for part in components])
    weights = jax.nn.softmax(jnp.where(jnp.isfinite(elbos), elbos, -jnp.inf))
    kept = [k for k in range(len(components)) if weights[k] > LEAST_WEIGHT]
    if len(kept) < 2:
        return components[kept[0] if kept else 0]
    return Mixture(jnp.log(weights[jnp.array(kept)]), tuple(components[k] for k in kept))


@jax.jit
def _elbo(q: Family, key: Array, log_joint: LogJoint) -> Float[Array, ""]:
    z = q.sample(key, ELBO_DRAWS)
    return jnp.mean(check.evaluate(log_joint, z) - q.log_prob(z))
