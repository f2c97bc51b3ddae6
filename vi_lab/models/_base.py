"""What a model is: an unnormalised log density of z, with everything about it that is known exactly."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vi_lab import _checks as check
from vi_lab._checks import LogJoint
from vi_lab.families import Family


@dataclass(frozen=True, eq=False)
class Normalized:
    """The density exp(log_joint(z) - log_evidence): a posterior whose evidence is known, e.g. by
    quadrature.
    """

    log_joint: LogJoint
    dim: int
    log_evidence: Float[Array, ""]

    def log_prob(self, z: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
        """log p(z|x), in nats; ValueError if the last axis of z is not `dim`."""
        z = jnp.asarray(z)
        check.check_points("z", z, self.dim)
        return check.evaluate(self.log_joint, z.reshape(-1, self.dim)).reshape(z.shape[:-1]) - self.log_evidence


class Sites(NamedTuple):
    """The factors of a likelihood p(x|z) = t_1 ... t_n, each a function of one projection a_i . z (chapter 4).

    Attributes:
        directions: the vectors a_i, shape (n, dim).
        log_z: (i, mean, var) -> log of the integral of t_i(u) N(u; mean, var) over u, in nats, for var >= 0;
            twice differentiable in the mean. A `jax.tree_util.Partial` that holds the data.
    """

    directions: Float[Array, "n dim"]
    log_z: Callable[..., Float[Array, ""]]


@dataclass(frozen=True, eq=False)
class Model:
    """A joint density p(z, x) with the data x inside, and None for what has no exact answer.

    Attributes:
        log_joint: log p(z, x) of one point z of shape (dim,), in nats, with every constant, so that the
            evidence is the integral of its exponential. A `jax.tree_util.Partial`: its data are traced, not
            compiled in.
        dim: number of coordinates of z.
        log_evidence: log p(x), in nats.
        posterior: p(z|x), a family or a `Normalized`.
        prior: p(z), a family.
        log_likelihood: log p(x|z) of one point z.
        simulate: (key, z) -> a data set of the same shape, drawn from p(x|z).
        constrain: z -> a dictionary of the model's own named quantities.
        sites: the factors of the likelihood, for expectation propagation.
    """

    log_joint: LogJoint
    dim: int
    log_evidence: Float[Array, ""] | None = None
    posterior: Family | Normalized | None = None
    prior: Family | None = None
    log_likelihood: LogJoint | None = None
    simulate: Callable[..., Array] | None = None
    constrain: Callable[[Float[Array, " dim"]], dict[str, Any]] | None = None
    sites: Sites | None = None


def posterior_model(prior: Family, log_likelihood: LogJoint, **exact: Any) -> Model:
    """A model from its prior and its likelihood; `exact` holds the remaining fields."""
    log_joint = jax.tree_util.Partial(_log_joint, prior, log_likelihood)
    return Model(log_joint, prior.dim, prior=prior, log_likelihood=log_likelihood, **exact)


def _log_joint(prior: Family, log_likelihood: LogJoint, z: Float[Array, " dim"]) -> Float[Array, ""]:
    return prior.log_prob(z) + log_likelihood(z)


def from_family(posterior: Family) -> Model:
    """A normalised target: its log joint is the log density of `posterior`, its log evidence zero."""
    log_joint = jax.tree_util.Partial(_log_prob, posterior)
    return Model(log_joint, posterior.dim, log_evidence=jnp.zeros(()), posterior=posterior)


def _log_prob(posterior: Family, z: Float[Array, " dim"]) -> Float[Array, ""]:
    return posterior.log_prob(z)
