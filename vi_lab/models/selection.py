"""Variable selection: which columns of a regression matter? A posterior over the corners of a cube."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jax.tree_util import Partial
from jaxtyping import Array, ArrayLike, Float, Key

from vi_lab import _checks as check
from vi_lab.families import Bernoulli
from vi_lab.models._base import Model, Normalized, posterior_model

MAX_DIM = 12  # 4,096 corners are summed in milliseconds; each further column doubles them


@dataclasses.dataclass(frozen=True, eq=False)
class Enumerated(Normalized):
    """An exact posterior on {0, 1}^dim, with every corner (2^dim, dim) and its probability (2^dim,)."""

    corners: Float[Array, "corners dim"]
    probabilities: Float[Array, " corners"]

    @property
    def mean(self) -> Float[Array, " dim"]:
        """The inclusion probabilities P(z_i = 1 | y)."""
        return self.probabilities @ self.corners

    def sample(self, key: Key[Array, ""], num_samples: int) -> Float[Array, "num_samples dim"]:
        """Exact draws; ValueError unless `num_samples` is a positive whole number."""
        check.check_count("num_samples", num_samples)
        return self.corners[jax.random.categorical(key, jnp.log(self.probabilities), shape=(num_samples,))]


def variable_selection(
    x: ArrayLike, y: ArrayLike, *, noise_std: float = 1.0, slab_std: float = 1.0, inclusion: float = 0.5
) -> Model:
    """y ~ N(x (z * b), noise_std^2 I), b ~ N(0, slab_std^2 I) integrated out, z in {0, 1}^dim as floats (chapter 5).

    So y | z ~ N(0, noise_std^2 I + slab_std^2 x diag(z) x^T), and z_i = 1 where column i of the design matrix x, of
    shape (n, dim), is in the model. Prior: each is, independently, with probability `inclusion`. No intercept is
    added: center y and the columns. For dim <= 12 evidence and `posterior` are sums over all 2^dim corners, and
    `posterior.mean` holds the exact inclusion probabilities; above, both are None.

    Raises:
        ValueError: x that is not a matrix, y of another length, values that are not finite, a scale not above zero,
            an inclusion outside (0, 1).

    Source: George and McCulloch (1997), section 2, with the point mass as spike.
    """
    x, y, noise_std, slab_std, inclusion = check.as_floats(x, y, noise_std, slab_std, inclusion)
    check.check_design(x, y)
    check.check_scales(noise_std=noise_std, slab_std=slab_std)
    check.check_fraction("inclusion", inclusion)
    prior = Bernoulli(jnp.full(x.shape[1], jnp.log(inclusion) - jnp.log1p(-inclusion)))
    ratio = slab_std / noise_std
    base = -0.5 * (y @ y / noise_std**2 + y.size * jnp.log(2 * jnp.pi * noise_std**2))
    log_likelihood = Partial(_log_likelihood, ratio**2 * x.T @ x, ratio / noise_std * x.T @ y, base)
    model = posterior_model(prior, log_likelihood, simulate=Partial(_simulate, x, noise_std, slab_std))
    if model.dim > MAX_DIM:
        return model
    posterior = _enumerate(model)
    return dataclasses.replace(model, log_evidence=posterior.log_evidence, posterior=posterior)


def _log_likelihood(gram: Array, scores: Array, base: Array, z: Float[Array, " dim"]) -> Float[Array, ""]:
    """log N(y; 0, noise^2 I + slab^2 x diag(z) x^T) by a matrix of size dim in place of one of size n (Woodbury).

    With D = diag(z) = D^2, gram = slab^2 x'x / noise^2, scores = slab x'y / noise^2 and L L' = I + D gram D, it is
    base - sum log diag L + |L^-1 D scores|^2 / 2, in which base is the value at z = 0.
    """
    factor = jnp.linalg.cholesky(jnp.eye(z.size, dtype=gram.dtype) + z[:, None] * gram * z)
    explained = solve_triangular(factor, z * scores, lower=True)
    return base - jnp.sum(jnp.log(jnp.diag(factor))) + 0.5 * explained @ explained


def _enumerate(model: Model) -> Enumerated:
    corners = (np.arange(2**model.dim)[:, None] >> np.arange(model.dim)) & 1
    corners = jnp.asarray(corners, model.prior.logits.dtype)
    log_joints = _map(model.log_joint, corners)
    log_evidence = jax.nn.logsumexp(log_joints)
    return Enumerated(model.log_joint, model.dim, log_evidence, corners, jnp.exp(log_joints - log_evidence))


@jax.jit
def _map(log_joint: Partial, z: Float[Array, "n dim"]) -> Float[Array, " n"]:
    return jax.vmap(log_joint)(z)


def _simulate(
    x: Array, noise_std: Array, slab_std: Array, key: Key[Array, ""], z: Float[Array, " dim"]
) -> Float[Array, " n"]:
    slab_key, noise_key = jax.random.split(key)
    coefficients = z * slab_std * jax.random.normal(slab_key, z.shape, x.dtype)
    return x @ coefficients + noise_std * jax.random.normal(noise_key, x.shape[:1], x.dtype)
