"""Divergences of an order alpha between two Gaussians, in closed form: Rényi, alpha (Amari), chi-square.

One integral stands behind all three, int q^alpha p^(1 - alpha). Here alpha -> 1 is KL(q || p) throughout:

| library or author | its order, in terms of alpha here |
|---|---|
| NumPyro's RenyiELBO, BlackJAX | alpha: their order -> 1 is KL(q || p) |
| TFP's amari_alpha | 1 - alpha: its order 0 is KL(q || p), its order 1 KL(p || q) |
| viabel's AlphaDivergence | 1 - alpha: it averages w^(1 - alpha), w = p / q, over draws of q |
| Minka (2005), D_alpha(p || q) | 1 - alpha: his order -> 0 is KL(q || p), order -> 1 KL(p || q) |
"""

import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

from vi_lab import _checks as check
from vi_lab.divergences.closed import Gaussian, kl, require_gaussians

BY_DRAWS = "-renyi_bound(q, key, p.log_prob, num_samples=..., alpha={}), p being normalized"


def renyi(q: Gaussian, p: Gaussian, alpha: float) -> Float[Array, ""]:
    r"""Rényi divergence of order alpha of two Gaussians, in nats (chapter 1).

        D_alpha(q || p) = 1 / (alpha - 1) log \int q(z)^alpha p(z)^(1 - alpha) dz

    Convention: alpha -> 1 is KL(q || p), as in NumPyro's RenyiELBO and BlackJAX. TFP's amari_alpha and viabel's
    AlphaDivergence call 1 - alpha what is alpha here. Orders below zero are defined by the same formula and are
    not positive. Skew symmetry: D_alpha(q || p) = alpha / (1 - alpha) D_(1 - alpha)(p || q).

    With q = N(m, L L^T), p = N(n, K K^T), M = K^-1 L, s = K^-1 (m - n), B = alpha I + (1 - alpha) M M^T and the
    eigenvalues lambda_i of M M^T, the closed form is

        1/2 [ alpha s^T B^-1 s + sum_i ( log(1 + (1 - alpha)(lambda_i - 1)) / (1 - alpha) - log lambda_i ) ].

    Where B is not positive definite the integral diverges: +inf for alpha > 1, -inf for alpha < 0.

    Raises:
        ValueError: different dimensions, alpha that is not a finite number.
        NotImplementedError: a family that is not Gaussian.

    Source: Gil, Alajaji and Linder (2013), rearranged so that alpha near 1 loses no digits.
    """
    alpha = check.check_number("alpha", alpha)
    require_gaussians("renyi", q, p, BY_DRAWS.format(alpha))
    if alpha == 1:
        return kl(q, p)
    ratio = solve_triangular(p.scale_tril, q.scale_tril, lower=True)
    shift = solve_triangular(p.scale_tril, q.mean - p.mean, lower=True)
    excess = (1 - alpha) * (ratio @ ratio.T - jnp.eye(q.dim, dtype=ratio.dtype))  # B - I
    eigenvalues = jnp.linalg.eigvalsh(excess)
    finite = ~jnp.any(eigenvalues <= -1)  # NaN is not infinity: it stays NaN
    excess, eigenvalues = jnp.where(finite, excess, 0), jnp.where(finite, eigenvalues, 0)  # gradients stay finite
    quadratic = alpha * shift @ jnp.linalg.solve(excess + jnp.eye(q.dim, dtype=ratio.dtype), shift)
    log_dets = jnp.sum(jnp.log1p(eigenvalues) / (1 - alpha) - 2 * (q.log_diag - p.log_diag))
    return jnp.where(finite, 0.5 * (quadratic + log_dets), jnp.inf if alpha > 1 else -jnp.inf)


def alpha_divergence(q: Gaussian, p: Gaussian, alpha: float) -> Float[Array, ""]:
    r"""Amari's alpha-divergence of two Gaussians (chapter 4); a number without a unit, in nats at alpha 0 and 1.

        D(q || p) = ( \int q(z)^alpha p(z)^(1 - alpha) dz - 1 ) / (alpha (alpha - 1)) >= 0

    alpha -> 1 is KL(q || p), alpha -> 0 is KL(p || q), alpha = 1/2 four times the squared Hellinger distance
    1 - \int sqrt(q p), alpha = 2 half of chi2(q, p). Orders below zero are defined and non-negative as well: the order
    alpha of (q, p) is the order 1 - alpha of (p, q). TFP's amari_alpha, viabel's AlphaDivergence and Minka's
    D_alpha(p || q) call 1 - alpha what is alpha here; NumPyro and BlackJAX have Rényi's form, and the same alpha.
    +inf where the integral diverges.

    Computed from `renyi`, D = expm1((alpha - 1) D_alpha) / (alpha (alpha - 1)), on the side of the duality where alpha
    is at least 1/2, so that neither limit loses digits.

    Raises:
        ValueError: different dimensions, alpha that is not a finite number.
        NotImplementedError: a family that is not Gaussian.

    Source: Amari (1985); in this parametrization Minka (2005), "Divergence measures and message passing".
    """
    alpha = check.check_number("alpha", alpha)
    way = f"expm1((alpha - 1) * D) / (alpha * (alpha - 1)), where D is {BY_DRAWS.format(alpha)}"
    require_gaussians("alpha_divergence", q, p, way)
    if alpha < 0.5:
        return alpha_divergence(p, q, 1 - alpha)
    if alpha == 1:
        return kl(q, p)
    return jnp.expm1((alpha - 1) * renyi(q, p, alpha)) / (alpha * (alpha - 1))


def chi2(q: Gaussian, p: Gaussian) -> Float[Array, ""]:
    r"""Chi-square divergence of two Gaussians: \int q(z)^2 / p(z) dz - 1 = exp(D_2(q || p)) - 1 (chapter 4).

    A number without a unit; exp(D_2) - 1 with the Rényi divergence D_2 in nats. It is the variance of the weight
    q(z) / p(z) under p, and twice the alpha-divergence of order 2, an order that TFP, viabel and Minka call -1, NumPyro
    and BlackJAX 2. +inf where q is so wide that the integral diverges.

    Raises:
        ValueError: different dimensions.
        NotImplementedError: a family that is not Gaussian.

    Source: Dieng et al. (2017), whose bound has the order 2 of (p, q).
    """
    require_gaussians("chi2", q, p, f"expm1(D), where D is {BY_DRAWS.format(2)}")
    return jnp.expm1(renyi(q, p, 2.0))
