"""A Gaussian whose covariance is a few directions plus a diagonal: between mean field and full rank."""

from typing import Self

import jax.numpy as jnp
from jax.scipy.linalg import cho_solve
from jaxtyping import Array, ArrayLike, Float

from vi_lab import _checks as check
from vi_lab.families._base import Family, family
from vi_lab.families.gaussian import LOG_2PI


@family
class LowRank(Family):
    """N(mean, F F^T + D): F = factor of shape (dim, rank), D = diag(exp(2 log_std)), log_std of shape (dim,).

    It has dim (rank + 2) parameters, where a full covariance has dim (dim + 3) / 2. A draw consumes
    noise_dim = dim + rank standard normals (chapter 4). ValueError on wrong shapes or values that are not finite.

    Source: Ong, Nott and Smith (2018), "Gaussian variational approximation with a factor covariance structure".
    """

    mean: Float[Array, " dim"]
    factor: Float[Array, "dim rank"]
    log_std: Float[Array, " dim"]

    def __init__(self, mean: ArrayLike, factor: ArrayLike, log_std: ArrayLike):
        mean, factor, log_std = check.as_floats(mean, factor, log_std)
        check.check_vector("mean", mean)
        if factor.ndim != 2 or factor.shape[0] != mean.size or factor.size == 0:
            check.reject("factor", f"shape {factor.shape}", f"shape ({mean.size}, rank) with rank at least 1")
        check.check_shape("log_std", log_std, mean.shape)
        for name, value in {"mean": mean, "factor": factor, "log_std": log_std}.items():
            check.check_finite(name, value)
            object.__setattr__(self, name, value)

    @classmethod
    def standard(cls, dim: int, rank: int = 1) -> Self:
        """Close to N(0, I) in `dim` dimensions: a factor of zero is a saddle that no gradient leaves."""
        check.check_count("dim", dim)
        check.check_count("rank", rank)
        # Cosines of different frequencies: every coordinate takes part, no two columns are alike.
        angles = jnp.pi * (jnp.arange(dim) + 0.5)[:, None] * jnp.arange(1, rank + 1) / dim
        return cls(jnp.zeros(dim), 0.1 * jnp.cos(angles), jnp.zeros(dim))

    @property
    def dim(self) -> int:
        return self.mean.shape[-1]

    @property
    def rank(self) -> int:
        return self.factor.shape[-1]

    @property
    def noise_dim(self) -> int:
        return self.dim + self.rank

    @property
    def std(self) -> Float[Array, " dim"]:
        """Marginal standard deviations: the square roots of the diagonal of `cov()`."""
        return jnp.sqrt(jnp.sum(self.factor**2, axis=-1) + jnp.exp(2 * self.log_std))

    @property
    def scale_tril(self) -> Float[Array, "dim dim"]:
        """By QR of [F, D^(1/2)]^T: `cov()` itself, where D is small, has lost D to rounding."""
        root = jnp.linalg.qr(jnp.concatenate([self.factor.T, jnp.diag(jnp.exp(self.log_std))]), mode="r")
        return root.T * jnp.where(jnp.diag(root) < 0, -1, 1)

    @property
    def log_diag(self) -> Float[Array, " dim"]:
        """Logarithm of the diagonal of `scale_tril`; its sum is half the log determinant of `cov()`."""
        return jnp.log(jnp.diag(self.scale_tril))

    def cov(self) -> Float[Array, "dim dim"]:
        return self.factor @ self.factor.T + jnp.diag(jnp.exp(2 * self.log_std))

    def transform(self, eps: Float[Array, "*batch noise_dim"]) -> Float[Array, "*batch dim"]:
        eps = jnp.asarray(eps)
        check.check_points("eps", eps, self.noise_dim)
        return self.mean + jnp.exp(self.log_std) * eps[..., : self.dim] + eps[..., self.dim :] @ self.factor.T

    def log_prob(self, z: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
        """Woodbury's identity: only a (rank, rank) matrix is factored, never the (dim, dim) covariance."""
        z = jnp.asarray(z)
        check.check_points("z", z, self.dim)
        scaled, root, log_det = self._capacitance()
        white = ((z - self.mean) * jnp.exp(-self.log_std)).reshape(-1, self.dim)
        shared = cho_solve((root, True), scaled.T @ white.T).T  # what the factor explains of each row
        left = white - shared @ scaled.T
        square = jnp.sum(left**2, axis=1) + jnp.sum(shared**2, axis=1)  # and no difference of large numbers
        return (-0.5 * (square + log_det + self.dim * LOG_2PI)).reshape(z.shape[:-1])

    def entropy(self) -> Float[Array, ""]:
        return 0.5 * (self._capacitance()[2] + self.dim * (1 + LOG_2PI))

    def _capacitance(self) -> tuple[Float[Array, "dim rank"], Float[Array, "rank rank"], Float[Array, ""]]:
        """D^-1/2 F, the Cholesky factor of C = I + F^T D^-1 F, and log |F F^T + D| = log |C| + log |D|."""
        scaled = jnp.exp(-self.log_std)[:, None] * self.factor
        root = jnp.linalg.cholesky(jnp.eye(self.rank, dtype=scaled.dtype) + scaled.T @ scaled)
        return scaled, root, 2 * jnp.sum(jnp.log(jnp.diag(root))) + 2 * jnp.sum(self.log_std)
