"""Does the model predict data such as were observed?"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Key

from vi_lab import _checks as check
from vi_lab.families import Family
from vi_lab.models import Model


class PredictiveCheck(NamedTuple):
    """The statistic of the observed data, of each replicated data set (n,), and the share of those at or above it."""

    observed: Float[Array, ""]
    replicated: Float[Array, " n"]
    p_value: Float[Array, ""]


def predictive_check(
    q: Family,
    key: Key[Array, ""],
    model: Model,
    observed: ArrayLike,
    statistic: Callable[[Array], Array],
    *,
    num_samples: int = 1000,
) -> PredictiveCheck:
    """Data drawn from the fitted model beside those observed, by one statistic T (chapter 6).

        z ~ q,  x_rep ~ p(x|z),  p = P( T(x_rep) >= T(x) )

    p near 0 or 1: data such as these are not what the model predicts. Not a test at a level: the data were used for q
    as well, so that p keeps to the middle, the more the more T is a thing the model fits. Nor does it say who is at
    fault, the model or q. A probability, without a unit; nothing here is in nats.

    Args:
        model: with `simulate`. observed: a data set of the shape that `simulate` returns.
        statistic: data -> a number, in JAX. num_samples: data sets.

    Raises:
        ValueError: a model without `simulate` or of another dimension, data of another shape, a statistic that is no
            number or is NaN.

    Source: Rubin (1984); Gelman, Meng and Stern (1996).
    """
    if getattr(model, "simulate", None) is None:
        check.reject("model", "one without `simulate`", "a Model that can draw data")
    check.check_family(q)
    if q.dim != model.dim:
        check.reject("model", f"dim {model.dim}", f"dim {q.dim}, that of q")
    check.check_count("num_samples", num_samples)
    draw_key, data_key = jax.random.split(key)
    z = q.sample(draw_key, num_samples)
    replicas = jax.vmap(model.simulate)(jax.random.split(data_key, num_samples), z)
    observed = jnp.asarray(observed)
    check.check_shape("observed", observed, replicas.shape[1:])
    value, replicated = jnp.asarray(statistic(observed)), jax.vmap(statistic)(replicas)
    check.check_scalar("statistic", value)
    if jnp.isnan(value) or jnp.isnan(replicated).any():
        got = f"NaN of the observed data: {bool(jnp.isnan(value))}; of {jnp.isnan(replicated).sum()} data sets drawn"
        check.reject("statistic", got, "one that is a number for each of them")
    return PredictiveCheck(value, replicated, jnp.mean(replicated >= value, dtype=float))
