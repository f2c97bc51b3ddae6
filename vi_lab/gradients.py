"""Estimators of the ELBO's gradient in q: all of one signature, so that `fit` takes any of them (chapter
5).
"""

from typing import TypeVar

import jax
from jaxtyping import Array, Float, Key

from vi_lab._checks import LogJoint
from vi_lab.bounds import elbo
from vi_lab.families import Family

Q = TypeVar("Q", bound=Family)


def reparameterized(
    q: Q, key: Key[Array, ""], log_joint: LogJoint, *, num_samples: int = 1
) -> tuple[Float[Array, ""], Q]:
    """(ELBO, its gradient in q), in nats, to ascend: `elbo` differentiated through its draws (chapter 5).

        z = g_lambda(eps),  grad L = E_eps[ d/d lambda ( log p(g_lambda(eps), x) - log q_lambda(g_lambda(eps)) ) ]

    Unbiased where log p(z, x) is differentiable in z. The gradient is an object of q's class.

    Raises:
        NotImplementedError: a family without `transform`. ValueError: see `log_weights`.

    Source: Kingma and Welling (2014); Titsias and Lázaro-Gredilla (2014).
    """
    q.noise_dim  # noqa: B018 - raises for a family that cannot be reparameterized, before `sample` hides it
    return jax.value_and_grad(lambda q: elbo(q, key, log_joint, num_samples=num_samples))(q)
