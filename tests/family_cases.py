"""One member of every family, what each is by other means, and exact expectations under it."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from vi_lab import Bernoulli, Flow, FullRank, LowRank, MeanField, Mixture
from vi_lab.quadrature import grid

COV = np.array([[1.3, -0.6], [-0.6, 0.8]])
MEAN_FIELD_1D = MeanField([0.4], [-0.3])
MEAN_FIELD = MeanField([0.5, -1.0], [0.2, -0.4])
FULL_RANK = FullRank.from_cov([0.3, -0.2], COV)


def bent(dim: int, **sizes) -> Flow:
    """A flow away from its start, where all its layers move something."""
    q = Flow.standard(dim, jax.random.key(4), **sizes)
    leaves, structure = jax.tree.flatten(q)
    keys = jax.random.split(jax.random.key(5), len(leaves))
    moved = [leaf + 0.25 * jax.random.normal(k, leaf.shape) for k, leaf in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(structure, moved)


FAMILIES = {
    "mean-field-1d": MEAN_FIELD_1D,
    "mean-field": MEAN_FIELD,
    "full-rank": FULL_RANK,
    "low-rank": LowRank([0.3, -0.2], [[0.9], [-1.1]], [-0.4, 0.1]),
    "mixture-1d": Mixture([0.3, -0.5], (MEAN_FIELD_1D, MeanField([-2.0], [0.1]))),
    "mixture": Mixture([0.0, 0.7, -0.2], (MEAN_FIELD, FULL_RANK, MeanField([3.0, 1.0], [0.0, 0.3]))),
    "flow": bent(2, num_layers=3, hidden=4),
    "bernoulli": Bernoulli([0.4, -1.5]),
}
WITH_TRANSFORM = [name for name, q in FAMILIES.items() if not isinstance(q, Mixture | Bernoulli)]
WITH_ENTROPY = [name for name, q in FAMILIES.items() if not isinstance(q, Mixture | Flow)]
WITH_MOMENTS = [name for name, q in FAMILIES.items() if not isinstance(q, Flow)]
WITH_PEER = WITH_MOMENTS  # NumPyro has all but the flow, which autodiff and quadrature check


def peer(q):
    """The same distribution, built by NumPyro."""
    if isinstance(q, Mixture):
        parts = [peer(component) for component in q.components]
        return dist.MixtureGeneral(dist.Categorical(logits=q.logits), parts)
    if isinstance(q, LowRank):
        return dist.LowRankMultivariateNormal(q.mean, q.factor, jnp.exp(2 * q.log_std))
    if isinstance(q, Bernoulli):
        return dist.Bernoulli(logits=q.logits).to_event(1)
    return dist.MultivariateNormal(q.mean, covariance_matrix=q.cov())


def support(q) -> tuple[jax.Array, jax.Array]:
    """Points and weights: the integral (for discrete q, the sum) of f is `weights @ f(points)`."""
    if isinstance(q, Bernoulli):
        points = jnp.array(list(product([0.0, 1.0], repeat=q.dim)))
        return points, jnp.ones(len(points))
    return grid(-14, 14, dim=q.dim, num_points=150)


def expectation(q, f) -> np.ndarray:
    """E_q[f(z)] by quadrature or enumeration, f of many rows."""
    points, weights = support(q)
    return np.tensordot(weights * jnp.exp(q.log_prob(points)), f(points), axes=1)


def waves(q):
    """Bounded functions of z that tell two laws apart: cosines and sines of a few directions."""
    directions = np.linspace(-1.5, 2.0, 4 * q.dim).reshape(q.dim, 4)
    return lambda z: jnp.concatenate([jnp.cos(z @ directions), jnp.sin(z @ directions)], axis=-1)
