"""Gaussian families: independent coordinates, and a full covariance."""

from typing import Self

import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, ArrayLike, Float

from vi_lab import _checks as check
from vi_lab.families._base import Family, family

LOG_2PI = float(np.log(2 * np.pi))


@family
class MeanField(Family):
    """A Gaussian with independent coordinates: N(mean, diag(exp(2 log_std))).

    `mean` and `log_std` have shape (dim,). ValueError if they are not vectors of one length or not finite.
    """

    mean: Float[Array, " dim"]
    log_std: Float[Array, " dim"]

    def __init__(self, mean: ArrayLike, log_std: ArrayLike):
        mean, log_std = check.as_floats(mean, log_std)
        check.check_vector("mean", mean)
        check.check_shape("log_std", log_std, mean.shape)
        check.check_finite("mean", mean)
        check.check_finite("log_std", log_std)
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "log_std", log_std)

    @classmethod
    def from_std(cls, mean: ArrayLike, std: ArrayLike) -> Self:
        """From standard deviations, one for each mean; ValueError unless all are finite and above zero."""
        mean, std = check.as_floats(mean, std)
        check.check_shape("std", std, mean.shape)
        check.check_positive("std", std)
        return cls(mean, jnp.log(std))

    @classmethod
    def standard(cls, dim: int) -> Self:
        """N(0, I) in `dim` dimensions."""
        check.check_count("dim", dim)
        return cls(jnp.zeros(dim), jnp.zeros(dim))

    @property
    def dim(self) -> int:
        return self.mean.shape[-1]

    @property
    def std(self) -> Float[Array, " dim"]:
        return jnp.exp(self.log_std)

    @property
    def scale_tril(self) -> Float[Array, "dim dim"]:
        return jnp.diag(self.std)

    @property
    def log_diag(self) -> Float[Array, " dim"]:
        """Logarithm of the diagonal of `scale_tril`; its sum is half the log determinant of `cov()`."""
        return self.log_std

    def cov(self) -> Float[Array, "dim dim"]:
        return jnp.diag(self.std**2)

    def transform(self, eps: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
        eps = jnp.asarray(eps)
        check.check_points("eps", eps, self.dim)
        return self.mean + self.std * eps

    def log_prob(self, z: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
        z = jnp.asarray(z)
        check.check_points("z", z, self.dim)
        return _standard_log_prob((z - self.mean) / self.std) - jnp.sum(self.log_std)

    def entropy(self) -> Float[Array, ""]:
        return jnp.sum(self.log_std) + 0.5 * self.dim * (1 + LOG_2PI)


@family
class FullRank(Family):
    """A Gaussian with any covariance: N(mean, L L^T), L = scale_tril lower triangular, shape (dim, dim).

    The leaf `packed` holds L's strict lower triangle and, on its diagonal, the *logarithm* of L's diagonal,
    so that no step of an optimizer can make a scale negative. Only the lower triangle of `scale_tril` is
    read. ValueError on wrong shapes, values that are not finite, or a diagonal that is not above zero.
    """

    mean: Float[Array, " dim"]
    packed: Float[Array, "dim dim"]

    def __init__(self, mean: ArrayLike, scale_tril: ArrayLike):
        mean, scale_tril = check.as_floats(mean, scale_tril)
        check.check_vector("mean", mean)
        check.check_shape("scale_tril", scale_tril, 2 * mean.shape)
        check.check_finite("mean", mean)
        check.check_finite("scale_tril", jnp.tril(scale_tril))
        check.check_positive("scale_tril's diagonal", jnp.diag(scale_tril))
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "packed", jnp.tril(scale_tril, -1) + jnp.diag(jnp.log(jnp.diag(scale_tril))))

    @classmethod
    def from_cov(cls, mean: ArrayLike, cov: ArrayLike) -> Self:
        """From a covariance matrix; ValueError unless it is symmetric and, beyond rounding, positive definite."""
        mean, cov = check.as_floats(mean, cov)
        check.check_vector("mean", mean)
        check.check_shape("cov", cov, 2 * mean.shape)
        check.check_finite("cov", cov)
        check.check_cov("cov", cov)
        return cls(mean, jnp.linalg.cholesky(cov))

    @classmethod
    def standard(cls, dim: int) -> Self:
        """N(0, I) in `dim` dimensions."""
        check.check_count("dim", dim)
        return cls(jnp.zeros(dim), jnp.eye(dim))

    @property
    def dim(self) -> int:
        return self.mean.shape[-1]

    @property
    def log_diag(self) -> Float[Array, " dim"]:
        """Logarithm of the diagonal of `scale_tril`; its sum is half the log determinant of `cov()`."""
        return jnp.diag(self.packed)

    @property
    def scale_tril(self) -> Float[Array, "dim dim"]:
        return jnp.tril(self.packed, -1) + jnp.diag(jnp.exp(self.log_diag))

    @property
    def std(self) -> Float[Array, " dim"]:
        """Marginal standard deviations: the square roots of the diagonal of `cov()`."""
        return jnp.sqrt(jnp.sum(self.scale_tril**2, axis=-1))

    def cov(self) -> Float[Array, "dim dim"]:
        return self.scale_tril @ self.scale_tril.T

    def transform(self, eps: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
        eps = jnp.asarray(eps)
        check.check_points("eps", eps, self.dim)
        return self.mean + eps @ self.scale_tril.T

    def log_prob(self, z: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
        z = jnp.asarray(z)
        check.check_points("z", z, self.dim)
        rows = (z - self.mean).reshape(-1, self.dim)
        eps = solve_triangular(self.scale_tril, rows.T, lower=True).T.reshape(z.shape)
        return _standard_log_prob(eps) - jnp.sum(self.log_diag)

    def entropy(self) -> Float[Array, ""]:
        return jnp.sum(self.log_diag) + 0.5 * self.dim * (1 + LOG_2PI)


def _standard_log_prob(eps: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
    """log N(eps; 0, I)."""
    return -0.5 * jnp.sum(eps**2 + LOG_2PI, axis=-1)
