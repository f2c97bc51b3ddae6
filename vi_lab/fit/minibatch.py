"""Log joints over data that are drawn anew for each step, and over all of them in bounded memory (chapter 5)."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from vi_lab import _checks as check
from vi_lab._checks import LogJoint
from vi_lab.bounds import log_weights
from vi_lab.families import Family

BUDGET = 2**22  # numbers of the data times draws of q, at once: some 32 MiB for each intermediate of a log joint
EVALUATIONS = 2**24  # rows of the data times draws of q, in all: a check should not cost more than the climb
FEWEST_DRAWS = 64
DataLogJoint = Callable[[Array, Any, float], Array]  # log_joint(z, batch, scale)


def check_data(data: Any, batch_size: int | None) -> None:
    """ValueError unless every leaf of `data` has as many rows as the others, and `batch_size` is at most that."""
    if data is None:
        if batch_size is not None:
            check.reject("batch_size", repr(batch_size), "data=, and a log joint of (z, batch, scale)")
        return
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(data)]
    if not shapes or not all(shapes) or len({shape[0] for shape in shapes}) > 1:
        check.reject("data", f"shapes {shapes}", "arrays whose first axes are equal, one row for each observation")
    rows = shapes[0][0]
    if batch_size is None:
        check.reject("batch_size", "None", f"how many of the {rows} rows of data each step draws")
    check.check_count("batch_size", batch_size)
    if batch_size > rows:
        check.reject("batch_size", repr(batch_size), f"at most {rows}, the number of rows of data")


def of_batch(log_joint: Callable, data: Any, key: Key[Array, ""], batch_size: int | None) -> LogJoint:
    """log p(z, x) estimated from `batch_size` rows of the data, unbiased: scale = N / batch_size.

    Rows are drawn with replacement, so that every draw has mean (1/N) sum_i and no epoch has to be kept.
    """
    if data is None:
        return log_joint
    rows = len(jax.tree.leaves(data)[0])
    index = jax.random.randint(key, (batch_size,), 0, rows)
    batch = jax.tree.map(lambda leaf: leaf[index], data)
    return lambda z: log_joint(z, batch, rows / batch_size)


def full_log_weights(
    q: Family, key: Key[Array, ""], log_joint: Callable, data: Any, num_samples: int
) -> Float[Array, " draws"]:
    """log w at draws of q, from all data; fewer draws of large data, and no more at once than memory should hold."""
    if data is None:
        return log_weights(q, key, log_joint, num_samples=num_samples)
    rows = len(jax.tree.leaves(data)[0])
    num_samples = min(num_samples, max(FEWEST_DRAWS, EVALUATIONS // rows))
    size = sum(leaf.size for leaf in jax.tree.leaves(data))
    z = q.sample(key, num_samples)
    at_once = min(num_samples, max(1, BUDGET // size))
    return jax.lax.map(lambda z: log_joint(z, data, 1.0), z, batch_size=at_once) - q.log_prob(z)
