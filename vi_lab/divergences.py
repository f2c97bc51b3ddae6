"""Divergences between distributions, in nats: closed forms, quadrature, Monte Carlo (chapter 1).

Direction: `kl(q, p)` is KL(q || p), the expectation under its *first* argument.
"""

from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, ArrayLike, Float, Key

from vi_lab import _checks as check
from vi_lab.families import FullRank, LowRank, MeanField
from vi_lab.quadrature import grid

Gaussian = MeanField | FullRank | LowRank


class Density(Protocol):
    """All that a divergence needs to know of a distribution."""

    @property
    def dim(self) -> int: ...
    def log_prob(self, z: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]: ...


class Estimate(NamedTuple):
    """A Monte Carlo estimate and its standard error, in the same unit."""

    value: Float[Array, ""]
    std_error: Float[Array, ""]


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
    _require_gaussians("kl", q, p)
    delta = q.log_diag - p.log_diag
    if isinstance(q, MeanField) and isinstance(p, MeanField):
        shift, off_diagonal = (q.mean - p.mean) / p.std, 0.0
    else:
        ratio = solve_triangular(p.scale_tril, q.scale_tril, lower=True)
        shift = solve_triangular(p.scale_tril, q.mean - p.mean, lower=True)
        off_diagonal = jnp.sum(jnp.tril(ratio, -1) ** 2)
    return 0.5 * (off_diagonal + jnp.sum(jnp.expm1(2 * delta) - 2 * delta) + jnp.sum(shift**2))


def kl_quadrature(
    q: Density, p: Density, lower: ArrayLike, upper: ArrayLike, *, num_points: int = 200
) -> Float[Array, ""]:
    """KL(q || p), in nats, as an integral over the box [lower, upper] in one or two dimensions (chapter 1).

    Where q(z) = 0 the integrand is zero, whatever p is there; where p(z) = 0 < q(z) it is infinite, and so is
    the KL.

    Args:
        q, p: anything with `dim` and `log_prob`.
        lower, upper: corners of the box, numbers or vectors of shape (dim,).
        num_points: Gauss-Legendre nodes a coordinate.

    Raises:
        ValueError: different dimensions, more than two of them, or a box (or a grid) that misses more than
            1e-4 of q's mass (what is cut off would go missing from the KL in silence), a log density of NaN.
    """
    check.check_same_dim(q, p)
    z, weights = grid(lower, upper, dim=q.dim, num_points=num_points)
    log_q, log_p = q.log_prob(z), p.log_prob(z)
    check.check_not_nan("q", log_q)
    check.check_not_nan("p", log_p)
    mass = weights * jnp.exp(log_q)
    total = jnp.sum(mass)
    if check.is_concrete(total) and not abs(float(total) - 1) < 1e-4:
        check.reject(
            "lower, upper",
            f"a box on which q integrates to {float(total):.6f}",
            "a box that holds q, or more points",
        )
    return jnp.sum(jnp.where(mass > 0, mass * (log_q - log_p), 0.0))


_ESTIMATORS = {  # of KL(q || p), from log r = log p(z) - log q(z) at one draw z of q
    "k1": lambda log_r: -log_r,
    "k2": lambda log_r: log_r**2 / 2,
    "k3": lambda log_r: jnp.expm1(log_r) - log_r,
}


def kl_monte_carlo(q: Density, p: Density, key: Key[Array, ""], *, num_samples: int, estimator: str = "k1") -> Estimate:
    """KL(q || p), in nats, from draws of q, with its standard error (chapter 1).

    With log r = log p(z) - log q(z), the mean over draws z of q of

    - `"k1"`: -log r. Unbiased; single draws may be negative.
    - `"k2"`: (log r)^2 / 2. Biased, by a third-order term where q is near p; never negative.
    - `"k3"`: r - 1 - log r. Unbiased if p is normalised and q is positive wherever p is, since the control
      variate r - 1 has mean zero only then; low by the mass of p that q leaves out. Never negative. Its variance
      is infinite where p's tails are much heavier than q's.

    and, where p is known only up to a constant,

    - `"self_normalized"`: mean(-log r) + log mean(r). Consistent if q is positive wherever p is,
      biased low by about Var(r) / (2 num_samples) for the normalised r.

    A draw where p is zero makes the estimate infinite, as the KL is, and `std_error` with it.

    Raises:
        ValueError: different dimensions, fewer than two draws (one has no standard error), an unknown
            estimator, a log density of NaN.

    Source: Schulman (2020), "Approximating KL divergence"; the name of each estimator is his.
    """
    check.check_same_dim(q, p)
    check.check_count("num_samples", num_samples, least=2)
    check.check_option("estimator", estimator, (*_ESTIMATORS, "self_normalized"))
    z = q.sample(key, num_samples)
    log_r = p.log_prob(z) - q.log_prob(z)
    check.check_not_nan("q, p", log_r)
    if estimator == "self_normalized":
        log_mean_r = jax.nn.logsumexp(log_r) - jnp.log(num_samples)
        value = jnp.where(jnp.isneginf(log_r).any(), jnp.inf, log_mean_r - jnp.mean(log_r))
        terms = jnp.exp(log_r - log_mean_r) - log_r  # the delta method: what each draw moves the estimate by
    else:
        terms = _ESTIMATORS[estimator](log_r)
        value = jnp.mean(terms)
    std_error = jnp.std(terms, ddof=1) / jnp.sqrt(num_samples)
    return Estimate(value, jnp.where(jnp.isfinite(value), std_error, jnp.inf))


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
    check.check_number("alpha", alpha)
    _require_gaussians("renyi", q, p)
    if alpha == 1:
        return kl(q, p)
    ratio = solve_triangular(p.scale_tril, q.scale_tril, lower=True)
    shift = solve_triangular(p.scale_tril, q.mean - p.mean, lower=True)
    excess = (1 - alpha) * (ratio @ ratio.T - jnp.eye(q.dim, dtype=ratio.dtype))  # B - I
    eigenvalues = jnp.linalg.eigvalsh(excess)
    finite = jnp.all(eigenvalues > -1)
    excess, eigenvalues = jnp.where(finite, excess, 0), jnp.where(finite, eigenvalues, 0)  # gradients stay finite
    quadratic = alpha * shift @ jnp.linalg.solve(excess + jnp.eye(q.dim, dtype=ratio.dtype), shift)
    log_dets = jnp.sum(jnp.log1p(eigenvalues) / (1 - alpha) - 2 * (q.log_diag - p.log_diag))
    return jnp.where(finite, 0.5 * (quadratic + log_dets), jnp.inf if alpha > 1 else -jnp.inf)


def _require_gaussians(name: str, q: object, p: object) -> None:
    if not isinstance(q, Gaussian) or not isinstance(p, Gaussian):
        raise NotImplementedError(
            f"{name}: no closed form for {type(q).__name__} and {type(p).__name__}. Estimate it with "
            "kl_monte_carlo(q, p, key, num_samples=...), or in one or two dimensions kl_quadrature(q, p, lower, upper)."
        )
    check.check_same_dim(q, p)
