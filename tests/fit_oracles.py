"""The best q of a family without a single draw: ELBOs as integrals, climbed by SciPy. Oracles for `fit`."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from numpy.polynomial.hermite_e import hermegauss
from scipy.optimize import minimize

EFFECTS = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
STD_ERRORS = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])


def normal_nodes(num: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Hermite: sum(weights * f(nodes)) is E f(eps) with eps ~ N(0, 1)."""
    nodes, weights = hermegauss(num)
    return nodes, weights / weights.sum()


def best_elbo(elbo, start) -> tuple[float, object]:
    """The optimum of a deterministic ELBO(q), in nats, and the q that has it, from `start` by L-BFGS."""
    flat, rebuild = ravel_pytree(start)
    slope = jax.jit(jax.value_and_grad(lambda vector: -elbo(rebuild(vector))))

    def loss(vector):
        return tuple(np.asarray(part, float) for part in slope(vector))

    options = {"maxiter": 20_000, "maxfun": 40_000, "ftol": 1e-15, "gtol": 1e-8}
    done = minimize(loss, flat, jac=True, method="L-BFGS-B", options=options)
    return -done.fun, rebuild(jnp.array(done.x))


def plane_elbo(log_joint, q) -> jax.Array:
    """The ELBO of a Gaussian q in two dimensions by a product of two Gauss-Hermite rules."""
    nodes, weights = normal_nodes(40)
    eps = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)
    z = q.mean + eps @ q.scale_tril.T
    return np.outer(weights, weights).ravel() @ jax.vmap(log_joint)(z) + gaussian_entropy(q)


def gaussian_entropy(q) -> jax.Array:
    return 0.5 * jnp.linalg.slogdet(2 * jnp.pi * jnp.e * q.cov())[1]


def eight_schools_elbo(q) -> jax.Array:
    """The ELBO of a Gaussian q for eight schools, non-centered, z = (mu, log tau, eta): moments of a log-normal.

    With t = exp(z_1): E[t f(z)] = E[t] E f(z + c), c = Cov(z, z_1), and likewise with 2 c for t^2. Only the prior
    of log tau needs quadrature, in one dimension.
    """
    mean, cov = q.mean, q.cov()
    mu, log_tau, eta, shift = mean[0], mean[1], mean[2:], cov[1]
    t, t_squared = jnp.exp(log_tau + cov[1, 1] / 2), jnp.exp(2 * log_tau + 2 * cov[1, 1])
    effect = mu + t * (eta + shift[2:])  # E theta
    square = mu**2 + cov[0, 0] + t_squared * ((eta + 2 * shift[2:]) ** 2 + jnp.diag(cov)[2:])
    square = square + 2 * t * ((mu + shift[0]) * (eta + shift[2:]) + cov[0, 2:])  # E theta^2
    misfit = EFFECTS**2 - 2 * EFFECTS * effect + square
    likelihood = -0.5 * jnp.sum(misfit / STD_ERRORS**2 + np.log(2 * np.pi * STD_ERRORS**2))
    nodes, weights = normal_nodes(100)
    scaled = log_tau + jnp.sqrt(cov[1, 1]) * nodes - np.log(5)
    prior = -weights @ jnp.log(np.pi * jnp.cosh(scaled)) - (mu**2 + cov[0, 0]) / 50 - 0.5 * np.log(50 * np.pi)
    prior = prior - 0.5 * jnp.sum(eta**2 + jnp.diag(cov)[2:] + np.log(2 * np.pi))
    return likelihood + prior + gaussian_entropy(q)


def logistic_elbo(x, y, prior_std, q, weight=1.0) -> jax.Array:
    """The ELBO of a Gaussian q for logistic regression: each row's predictor is normal, one integral a row.

    `weight` stands before the likelihood, as the scale of a minibatch does.
    """
    mean, cov, dim = q.mean, q.cov(), x.shape[1]
    nodes, weights = normal_nodes(30)
    center, width = x @ mean, jnp.sqrt(jnp.sum(x @ cov * x, axis=1))
    likelihood = y @ center - jnp.sum(jnp.logaddexp(0, center[:, None] + width[:, None] * nodes) @ weights)
    prior = -0.5 * dim * np.log(2 * np.pi * prior_std**2) - (mean @ mean + jnp.trace(cov)) / (2 * prior_std**2)
    return weight * likelihood + prior + gaussian_entropy(q)
