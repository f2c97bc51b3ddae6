"""KL by quadrature and by Monte Carlo, for anything that has a log density."""

from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Key

from vi_lab import _checks as check
from vi_lab.quadrature import grid


class Density(Protocol):
    """All that a divergence needs to know of a distribution."""

    @property
    def dim(self) -> int: ...
    def log_prob(self, z: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]: ...


class Estimate(NamedTuple):
    """A Monte Carlo estimate and its standard error, in the same unit."""

    value: Float[Array, ""]
    std_error: Float[Array, ""]


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
