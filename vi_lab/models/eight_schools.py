"""Eight schools: ten latent quantities, and a funnel where the schools' spread meets zero."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr
from jax.scipy.stats import norm
from jax.tree_util import Partial
from jaxtyping import Array, Float, Key

from vi_lab import _checks as check
from vi_lab.families import Family
from vi_lab.families._base import family
from vi_lab.models._base import Model, Normalized, posterior_model
from vi_lab.quadrature import grid

EFFECTS = (28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0)  # of coaching, in points of the test
STD_ERRORS = (15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0)
NO_CLOSED_FORM = "{}: tau has no finite mean, so that not all moments exist. Draw with .sample(key, num_samples)."


@family
class NoncenteredPrior(Family):
    """z = (mu, log tau, eta), independent: mu ~ N(0, mu_std^2), tau ~ Cauchy+(0, tau_scale), eta_i ~ N(0, 1).

    log tau has the density of a half-Cauchy times the Jacobian tau: 1 / (pi cosh(log tau - log tau_scale)).
    """

    mu_std: Float[Array, ""]
    tau_scale: Float[Array, ""]

    @property
    def dim(self) -> int:
        return 2 + len(EFFECTS)

    @property
    def mean(self) -> Float[Array, " dim"]:
        raise NotImplementedError(NO_CLOSED_FORM.format("mean"))

    def cov(self) -> Float[Array, "dim dim"]:
        raise NotImplementedError(NO_CLOSED_FORM.format("cov"))

    def entropy(self) -> Float[Array, ""]:
        raise NotImplementedError(
            "Estimate the entropy by Monte Carlo: -mean(prior.log_prob(prior.sample(key, num_samples)))."
        )

    def transform(self, eps: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
        """log tau by inversion: |Cauchy| has the quantile function tan(pi u / 2), u = Phi(eps), and
        tan(pi u / 2) = sin / cos, whose two arguments are taken from the lower tails of eps and -eps.
        """
        eps = jnp.asarray(eps)
        check.check_points("eps", eps, self.dim)
        lower, upper = (jnp.log(jnp.sin(jnp.pi / 2 * ndtr(side))) for side in (eps[..., 1], -eps[..., 1]))
        log_tau = jnp.log(self.tau_scale) + lower - upper
        head = jnp.stack([self.mu_std * eps[..., 0], log_tau], axis=-1)
        return jnp.concatenate([head, self._effects(head, eps[..., 2:])], axis=-1)

    def log_prob(self, z: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
        z = jnp.asarray(z)
        check.check_points("z", z, self.dim)
        scaled = z[..., 1] - jnp.log(self.tau_scale)
        log_cosh = jnp.logaddexp(scaled, -scaled) - jnp.log(2)
        head = norm.logpdf(z[..., 0], scale=self.mu_std) - log_cosh - jnp.log(jnp.pi)
        return head + self._log_prob_effects(z)

    def _effects(self, head: Float[Array, "*batch 2"], eta: Float[Array, "*batch 8"]) -> Float[Array, "*batch 8"]:
        """The last eight coordinates from standard normals."""
        return eta

    def _log_prob_effects(self, z: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
        return jnp.sum(norm.logpdf(z[..., 2:]), axis=-1)


@family
class CenteredPrior(NoncenteredPrior):
    """The same in the coordinates z = (mu, log tau, theta), theta_i = mu + tau eta_i: N(mu, tau^2) given the others."""

    def _effects(self, head: Float[Array, "*batch 2"], eta: Float[Array, "*batch 8"]) -> Float[Array, "*batch 8"]:
        return head[..., :1] + jnp.exp(head[..., 1:]) * eta

    def _log_prob_effects(self, z: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
        return jnp.sum(norm.logpdf(z[..., 2:], z[..., :1], jnp.exp(z[..., 1:2])), axis=-1)


def eight_schools(*, centered: bool = False) -> Model:
    """y_i ~ N(theta_i, s_i^2) with theta_i ~ N(mu, tau^2) for eight schools: dim = 10 (chapter 6).

    Priors: mu ~ N(0, sd 5), tau ~ Cauchy+(0, 5). Coordinates: z = (mu, log tau, theta) if `centered`, else
    z = (mu, log tau, eta) with theta = mu + tau eta; the Jacobian of log tau is included, so that both have one
    evidence. It is an integral over log tau alone: the normal mu and theta are integrated out exactly.
    `constrain` names mu, tau and theta.

    Raises:
        ValueError: `centered` that is neither True nor False.

    Source: Rubin (1981); priors as in posteriordb's eight_schools (Magnusson et al., 2025).
    """
    check.check_option("centered", centered, (True, False))
    y, std = jnp.array(EFFECTS), jnp.array(STD_ERRORS)
    prior = (CenteredPrior if centered else NoncenteredPrior)(jnp.array(5.0), jnp.array(5.0))
    effects = _centered if centered else _noncentered
    model = posterior_model(
        prior,
        Partial(_log_likelihood, effects, y, std),
        simulate=Partial(_simulate, effects, std),
        constrain=Partial(_constrain, effects),
    )
    log_evidence = _log_evidence(prior, y, std, *grid(-40.0, 15.0, dim=1, num_points=400))
    posterior = Normalized(model.log_joint, model.dim, log_evidence)
    return dataclasses.replace(model, log_evidence=log_evidence, posterior=posterior)


_centered = Partial(lambda z: z[2:])
_noncentered = Partial(lambda z: z[0] + jnp.exp(z[1]) * z[2:])


@jax.jit
def _log_evidence(prior: Family, y: Array, std: Array, log_tau: Array, weights: Array) -> Float[Array, ""]:
    """The sum over log tau of its prior times p(y | tau), in which y ~ N(0, diag(s^2 + tau^2) + mu_std^2 1 1^T).

    Both determinant and inverse of that matrix follow from those of its diagonal (Sherman and Morrison).
    """
    precision = 1 / (std**2 + jnp.exp(2 * log_tau))  # (nodes, 8)
    gain = 1 + prior.mu_std**2 * precision.sum(-1)
    squares = precision @ y**2 - prior.mu_std**2 * (precision @ y) ** 2 / gain
    log_given_tau = 0.5 * (jnp.log(precision / (2 * jnp.pi)).sum(-1) - jnp.log(gain) - squares)
    scaled = log_tau[:, 0] - jnp.log(prior.tau_scale)
    log_prior = jnp.log(2 / jnp.pi) - jnp.logaddexp(scaled, -scaled)
    return jax.nn.logsumexp(log_prior + log_given_tau, b=weights)


def _log_likelihood(effects: Partial, y: Array, std: Array, z: Float[Array, " 10"]) -> Float[Array, ""]:
    return jnp.sum(norm.logpdf(y, effects(z), std))


def _simulate(effects: Partial, std: Array, key: Key[Array, ""], z: Float[Array, " 10"]) -> Float[Array, " 8"]:
    return effects(z) + std * jax.random.normal(key, std.shape, std.dtype)


def _constrain(effects: Partial, z: Float[Array, " 10"]) -> dict[str, Any]:
    return {"mu": z[0], "tau": jnp.exp(z[1]), "theta": effects(z)}
