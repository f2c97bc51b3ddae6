"""Gradients through the draws: z = g_lambda(eps), so that log p(z, x) is differentiated as well (chapter 5)."""

from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from vi_lab import _checks as check
from vi_lab import draws
from vi_lab._checks import LogJoint
from vi_lab.bounds import elbo, weighted_sum
from vi_lab.draws import Noise
from vi_lab.families import Bernoulli, Family, Mixture

Q = TypeVar("Q", bound=Family)


def reparameterized(
    q: Q, key: Key[Array, ""], log_joint: LogJoint, *, num_samples: int = 1, noise: Noise = draws.iid
) -> tuple[Float[Array, ""], Q]:
    """(ELBO, its gradient in q), in nats, to ascend: `elbo` differentiated through its draws (chapter 5).

        z = g_lambda(eps),  grad L = E_eps[ d/d lambda ( log p(g_lambda(eps), x) - log q_lambda(g_lambda(eps)) ) ]

    Unbiased where log p(z, x) is differentiable in z. The gradient is an object of q's class. Where log p(z, x) is
    -inf at a draw, the value is -inf too, and the gradient is worth nothing.

    Raises:
        NotImplementedError: a family without `transform`; the message names the estimators that serve it.
        ValueError: see `log_weights`.

    Source: Kingma and Welling (2014); Titsias and Lázaro-Gredilla (2014).
    """
    _require_transform(q)
    return jax.value_and_grad(lambda q: elbo(q, key, log_joint, num_samples=num_samples, noise=noise))(q)


def sticking_the_landing(
    q: Q, key: Key[Array, ""], log_joint: LogJoint, *, num_samples: int = 1, noise: Noise = draws.iid
) -> tuple[Float[Array, ""], Q]:
    """(ELBO, its gradient in q), in nats: `reparameterized` without the score of q (chapter 5).

        grad L = E_eps[ (dz / d lambda)^T  grad_z ( log p(z, x) - log q(z) ) ],  z = g_lambda(eps)

    The term left out, grad_lambda log q_lambda(z) at a fixed z, has mean zero. Without it every draw's gradient
    is zero where q is the posterior; where q is much narrower than the posterior the variance is larger than
    with it.

    Raises: see `reparameterized`. Source: Roeder, Wu and Duvenaud (2017).
    """
    _require_transform(q)
    return _path_gradient(q, key, log_joint, num_samples, noise)


def stratified(
    q: Q, key: Key[Array, ""], log_joint: LogJoint, *, num_samples: int = 1, noise: Noise = draws.iid
) -> tuple[Float[Array, ""], Q]:
    """(ELBO, its gradient in q), in nats, for mixtures: a sum over the components, draws within each (chapter 4).

        L = sum_k w_k E_{q_k}[ log p(z, x) - log q(z) ]

    No label is drawn, so that the weights w are differentiated exactly and the components through their draws;
    as in `sticking_the_landing`, the score of q is left out. `num_samples` draws are taken of *each* component.

    Raises:
        NotImplementedError: a component without `transform`, at any depth. ValueError: see `log_weights`.

    Source: Roeder, Wu and Duvenaud (2017), section 4; Morningstar et al. (2021).
    """
    _require_strata(q)
    return _path_gradient(q, key, log_joint, num_samples, noise)


def doubly_reparameterized(
    q: Q, key: Key[Array, ""], log_joint: LogJoint, *, num_samples: int, num_repeats: int = 1
) -> tuple[Float[Array, ""], Q]:
    """(Importance-weighted bound, its gradient in q), in nats, from K = `num_samples` weights (chapter 5).

        grad L_K = E[ sum_k w~_k^2 (dz_k / d lambda)^T grad_z log w(z_k) ],  w~_k = w_k / sum_j w_j

    The gradient of log mean_k w_k through its draws has a second part, the score of q; reparameterizing that as
    well gives the squares. Its signal-to-noise ratio grows as sqrt(K), where the plain one's falls, if E_q[w^4] is
    finite (a Gaussian q: more than 3/4 of the posterior's variance); well below that it falls as well. K = 1 is
    `sticking_the_landing`.

    Takes independent draws alone: each draw's score is reparameterized with the other draws held still.

    Args:
        num_repeats: independent copies of the whole, averaged: less noise, the same bound.

    Raises: see `reparameterized`; ValueError for a count below one.
    Source: Tucker, Lawson, Gu and Maddison (2019), equation 7.
    """
    try:
        _require_transform(q)
    except NotImplementedError as refusal:
        what = f"no estimator of the importance-weighted bound serves a {type(q).__name__}"
        raise NotImplementedError(f"doubly_reparameterized: {what}; of the ELBO some do. {refusal}") from None
    check.check_count("num_samples", num_samples)
    check.check_count("num_repeats", num_repeats)
    frozen = jax.lax.stop_gradient(q)

    def surrogate(q: Q) -> tuple[Array, Array]:
        z = q.sample(key, num_repeats * num_samples)
        log_w = (check.evaluate(log_joint, z) - frozen.log_prob(z)).reshape(num_repeats, num_samples)
        share = jax.lax.stop_gradient(jax.nn.softmax(log_w, axis=1))
        bound = jax.nn.logsumexp(log_w, axis=1) - jnp.log(num_samples)
        return jnp.mean(jnp.sum(share**2 * log_w, axis=1)), jnp.mean(bound)

    grad, value = jax.grad(surrogate, has_aux=True)(q)
    return value, grad


def _path_gradient(q: Q, key: Key[Array, ""], log_joint: LogJoint, num_samples: int, noise: Noise) -> tuple[Array, Q]:
    """The ELBO's value, and its gradient with log q held still: only the draws move with q."""
    frozen = jax.lax.stop_gradient(q)

    def value(q: Q) -> Array:
        z, weights = q.strata(key, num_samples, noise=noise)
        return weighted_sum(weights, check.evaluate(log_joint, z) - frozen.log_prob(z))

    return jax.value_and_grad(value)(q)


def _require_strata(q: Family) -> None:
    parts = q.components if isinstance(q, Mixture) else ()
    if any(isinstance(part, Bernoulli) for part in parts):
        raise NotImplementedError(
            "stratified: differentiates the components of a mixture through their draws, and those of a Bernoulli "
            "jump between 0 and 1. score_function serves every family."
        )
    for part in parts:  # mixtures of mixtures are summed as well
        _require_strata(part)
    if not parts:
        _require_transform(q)


def _require_transform(q: Family) -> None:
    q.noise_dim  # noqa: B018 - raises, with what to do instead, before `sample` hides that no gradient passes
