"""KL of two Gaussians in closed form."""

import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

from vi_lab import _checks as check
from vi_lab.families import FullRank, LowRank, MeanField

Gaussian = MeanField | FullRank | LowRank
WAYS = (
    "kl_monte_carlo(q, p, key, num_samples=...), or, for densities in one or two dimensions, "
    "kl_quadrature(q, p, lower, upper)"
)


def kl(q: Gaussian, p: Gaussian) -> Float[Array, ""]:
    r"""KL(q || p) = E_q[log q(z) - log p(z)] of two Gaussians in closed form, in nats (chapter 1).

    With q = N(m, L L^T), p = N(n, K K^T), both factors lower triangular, and M = K^-1 L:

        KL(q || p) = 1/2 [ sum_{i>j} M_ij^2 + sum_i (M_ii^2 - 1 - 2 log M_ii) + |K^-1 (m - n)|^2 ]

    Every summand is non-negative, and none is a difference of large numbers.

    Raises:
        ValueError: q and p of different dimensions.
        NotImplementedError: a family without a closed form; the message names the ways to estimate it.

    Source: Kullback (1959), chapter 9, rearranged.
    """
    require_gaussians("kl", q, p, WAYS)
    delta = q.log_diag - p.log_diag
    if isinstance(q, MeanField) and isinstance(p, MeanField):
        shift, off_diagonal = (q.mean - p.mean) / p.std, 0.0
    else:
        ratio = solve_triangular(p.scale_tril, q.scale_tril, lower=True)
        shift = solve_triangular(p.scale_tril, q.mean - p.mean, lower=True)
        off_diagonal = jnp.sum(jnp.tril(ratio, -1) ** 2)
    return 0.5 * (off_diagonal + jnp.sum(jnp.expm1(2 * delta) - 2 * delta) + jnp.sum(shift**2))


def require_gaussians(name: str, q: object, p: object, way: str) -> None:
    """NotImplementedError with the `way` to estimate unless both are Gaussian; ValueError for different dimensions."""
    if not isinstance(q, Gaussian) or not isinstance(p, Gaussian):
        pair = f"{type(q).__name__} and {type(p).__name__}"
        raise NotImplementedError(f"{name}: no closed form for {pair}. Estimate it with {way}.")
    check.check_same_dim(q, p)
