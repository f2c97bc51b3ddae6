"""What the data have taught: how far q has moved from the prior, and how much the likelihood has to say."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float, Key

from vi_lab import _checks as check
from vi_lab.diagnostics.intervals import central_interval
from vi_lab.divergences import Estimate, Gaussian, kl, kl_monte_carlo
from vi_lab.families import Family
from vi_lab.fit.defaults import is_discrete
from vi_lab.models import Model


class PriorDominance(NamedTuple):
    """What `prior_dominance` returns.

    Attributes:
        kl: KL(q || prior), in nats: what the data have taught, if q is the posterior.
        contraction: of each coordinate, shape (dim,): 0 where q is as wide as the prior, near 1 where it is much
            narrower, below 0 where it is wider.
        log_likelihood_std: standard deviation of log p(x|z) over draws of the *prior*, in nats; well below 1, the
            likelihood is flat where the prior has its mass; above, it speaks, be it of the prior's tails alone. inf
            where it is -inf at some of the draws.
        log_likelihood_std_q: the same over draws of q: about sqrt(d / 2) for d directions that the data alone decide.
    """

    kl: Estimate
    contraction: Float[Array, " dim"]
    log_likelihood_std: Float[Array, ""]
    log_likelihood_std_q: Float[Array, ""]


def prior_dominance(q: Family, key: Key[Array, ""], model: Model, *, num_samples: int = 4000) -> PriorDominance:
    """Does the prior dominate? KL(q || prior) in nats, contraction, and how flat the likelihood is (chapter 6).

        contraction_i = 1 - (IQR_i of q / IQR_i of the prior)^2

    Interquartile ranges serve priors without moments as well; for Gaussians they are exact, and the contraction is that
    of the variances, as it is for coins, whose quartiles say little. It sees each coordinate alone: data that
    decide only a sum of coordinates contract none of them by much. Nor does it tell a q that is too narrow from data
    that say much: this is about q, and about the posterior only if q is near it.

    Args:
        model: with `prior` and `log_likelihood`. num_samples: draws of q, and of the prior.

    Raises:
        ValueError: a model without prior or likelihood, a prior of width zero, dimensions that differ, a log likelihood
            of NaN or +inf, fewer than two draws.

    Source: contraction, Schad, Betancourt and Vasishth (2021), there of variances.
    """
    for name in ("prior", "log_likelihood"):
        if getattr(model, name, None) is None:
            check.reject("model", f"one without `{name}`", "a Model that has it, such as those of `vi_lab.models`")
    prior = model.prior
    check.check_family(q)
    check.check_same_dim(q, prior)
    check.check_count("num_samples", num_samples, least=2)
    kl_key, q_key, prior_key = jax.random.split(key, 3)
    if isinstance(q, Gaussian) and isinstance(prior, Gaussian):
        divergence = Estimate(kl(q, prior), jnp.zeros(()))
    else:
        divergence = kl_monte_carlo(q, prior, kl_key, num_samples=num_samples)
    spreads = [_log_likelihood_std(p, q_key, model.log_likelihood, num_samples) for p in (prior, q)]
    width = partial(_width, discrete=is_discrete(q) or is_discrete(prior), num_samples=num_samples)
    before = width(prior, prior_key)
    if not jnp.all(before > 0):
        check.reject("model.prior", "a coordinate of width zero", "one that leaves something to learn in each")
    ratio = width(q, q_key) / before
    return PriorDominance(divergence, 1 - ratio**2, *spreads)


def _width(q: Family, key: Key[Array, ""], *, discrete: bool, num_samples: int) -> Float[Array, " dim"]:
    """In units in which two distributions of one kind compare: standard deviations of coins, else quartiles."""
    if discrete:
        return jnp.sqrt(jnp.diag(q.cov()))
    lower, upper = central_interval(q, key, 0.5, num_samples)
    return upper - lower


def _log_likelihood_std(q: Family, key: Key[Array, ""], log_likelihood: Partial, num_samples: int) -> Array:
    values = _log_likelihoods(q, key, check.as_pytree(log_likelihood), num_samples=num_samples)
    if jnp.isnan(values).any() or jnp.isposinf(values).any():
        check.reject("model.log_likelihood", "NaN or +inf at a draw", "numbers or -inf")
    return jnp.where(jnp.isneginf(values).any(), jnp.inf, jnp.std(values, ddof=1))


@partial(jax.jit, static_argnames="num_samples")
def _log_likelihoods(q: Family, key: Key[Array, ""], log_likelihood: Partial, *, num_samples: int) -> Array:
    return check.evaluate(log_likelihood, q.sample(key, num_samples))
