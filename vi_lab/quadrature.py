"""Gauss-Legendre quadrature on boxes: the exact side of every comparison in one or two dimensions."""

from functools import lru_cache

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from vi_lab import _checks as check


@lru_cache
def _nodes(num_points: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(num_points)


def grid(
    lower: ArrayLike, upper: ArrayLike, *, dim: int, num_points: int = 200
) -> tuple[Float[Array, "n dim"], Float[Array, " n"]]:
    """Points and weights of the product Gauss-Legendre rule on the box [lower, upper].

    The integral of f over the box is close to `weights @ f(points)`: exactly so for polynomials of a degree
    below 2 num_points in each coordinate, and to rounding for the smooth densities of this course.

    Args:
        lower, upper: corners of the box, numbers or vectors of shape (dim,).
        dim: 1 or 2.
        num_points: nodes a coordinate, so that n = num_points ** dim.

    Raises:
        ValueError: a dimension above two, a corner of another one, a lower corner not below the upper one.
    """
    check.check_option("dim", dim, (1, 2))
    check.check_count("num_points", num_points)
    for name, corner in {"lower": lower, "upper": upper}.items():
        if np.shape(corner) not in ((), (dim,)):
            check.reject(name, f"shape {np.shape(corner)}", f"a number or shape ({dim},)")
    low, high = (np.broadcast_to(np.asarray(corner, dtype=float), (dim,)) for corner in (lower, upper))
    if not np.all(low < high) or not np.all(np.isfinite([low, high])):
        check.reject("lower, upper", f"{low.tolist()}, {high.tolist()}", "a finite box with lower below upper")
    nodes, weights = _nodes(num_points)
    half = (high - low) / 2
    axes = np.meshgrid(*(middle + h * nodes for middle, h in zip((low + high) / 2, half, strict=True)), indexing="ij")
    products = np.prod(np.meshgrid(*(h * weights for h in half), indexing="ij"), axis=0)
    return jnp.asarray(np.stack(axes, axis=-1).reshape(-1, dim)), jnp.asarray(products.reshape(-1))
