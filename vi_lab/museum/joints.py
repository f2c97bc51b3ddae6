"""Fits that climbed well, to the top of the wrong log joint."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import optax
from jax.scipy.stats import norm
from jax.tree_util import Partial
from jaxtyping import Array, Float

from vi_lab import models
from vi_lab.families import Family, MeanField
from vi_lab.models import Model
from vi_lab.models._base import posterior_model
from vi_lab.museum.exhibit import Case

FLAWS = np.array([0.3, 1.9, -0.7, 0.6, 1.1, -0.2])  # deviations of six parts from their measure
VISITORS = np.array([12.0, 14.0])
BUYERS = np.array([1.0, 3.0])
DOSES = np.array([-1.8, -1.5, -0.9, -0.6, -0.2, 0.1, 0.5, 1.0, 1.6, 2.1])
CURED = np.array([0.0, 0, 0, 1, 0, 0, 1, 1, 1, 1])


def scale_model() -> Model:
    """y_i ~ N(z_1, exp(2 z_2)), z_1 ~ N(0, 1) and sigma = exp(z_2) log-normal, z_2 ~ N(0, 1/2^2)."""
    return posterior_model(MeanField.from_std([0.0, 0.0], [1.0, 0.5]), Partial(_scale_likelihood, jnp.array(FLAWS)))


def _scale_likelihood(y: Array, z: Float[Array, " 2"]) -> Float[Array, ""]:
    return jnp.sum(norm.logpdf(y, z[0], jnp.exp(z[1])))


def no_jacobian() -> Model:
    """The same with the prior's density of sigma, which is that of z_2 without the Jacobian exp(z_2)."""
    model = scale_model()
    return dataclasses.replace(model, log_joint=Partial(_no_jacobian, model.prior, model.log_likelihood))


def _no_jacobian(prior: Family, log_likelihood: Partial, z: Float[Array, " 2"]) -> Float[Array, ""]:
    return prior.log_prob(z) - z[1] + log_likelihood(z)  # log p(sigma) = log N(log sigma; 0, 1/4) - log sigma


def no_jacobian_anywhere() -> Model:
    """All that is known of the model is that log joint."""
    return Model(no_jacobian().log_joint, 2)


def cure_model(prior_std: float = 0.5) -> Model:
    return models.logistic_regression(np.stack([np.ones(10), DOSES], 1), CURED, prior_std=prior_std)


def wrong_sign() -> Model:
    model = cure_model()
    return dataclasses.replace(model, log_joint=Partial(_wrong_sign, model.prior, model.log_likelihood))


def _wrong_sign(prior: Family, log_likelihood: Partial, z: Float[Array, " 2"]) -> Float[Array, ""]:
    return prior.log_prob(z) - log_likelihood(z)


def shares() -> Model:
    """Two shares of buyers under a uniform prior on the square: the log joint is -inf outside."""
    return Model(Partial(_log_shares, jnp.array(VISITORS), jnp.array(BUYERS)), 2)


def _log_shares(visitors: Array, buyers: Array, z: Float[Array, " 2"]) -> Float[Array, ""]:
    inside = (z > 0) & (z < 1)
    safe = jnp.where(inside, z, 0.5)
    terms = buyers * jnp.log(safe) + (visitors - buyers) * jnp.log1p(-safe)
    return jnp.sum(jnp.where(inside, terms, -jnp.inf))


MEAN_FIELD = {"start": lambda: MeanField.standard(2)}

CASES = {
    "forgotten-jacobian": Case(
        title="A positive scale, log-transformed",
        story="Six measurements with unknown mean and spread, z = (mean, log sigma). A mean-field Gaussian.",
        model=no_jacobian,
        truth=scale_model,
        box=((-6.0, -3.0), (6.0, 3.0)),
        fault="broken",
        perfect=True,
        explanation="The log joint prices sigma by its own density, log p(sigma), but z is log sigma: the Jacobian, + "
        "log sigma, is missing, and sigma comes out too small. Here the model also states the prior of z, so that "
        "log joint and log prior + log likelihood can be held against each other: they differ by z_2.",
        cure="Add log |d sigma / dz| = z_2 to the log joint, or state the prior in z.",
        **MEAN_FIELD,
    ),
    "jacobian-nowhere": Case(
        title="A positive scale, once more",
        story="Six measurements with unknown mean and spread, z = (mean, log sigma); all there is is a log joint.",
        model=no_jacobian_anywhere,
        truth=scale_model,
        box=((-6.0, -3.0), (6.0, 3.0)),
        fault="broken",
        diagnosable=False,
        diagnostic="calibrate",
        perfect=True,
        explanation="The same forgotten Jacobian, in a model that is nothing but its log joint. q fits it well. It "
        "is the posterior of another prior, and nothing that looks at log joint and q can know which one was meant.",
        cure="Simulation-based calibration: draw sigma from the prior that was meant, data from the model, and fit.",
        **MEAN_FIELD,
    ),
    "wrong-sign": Case(
        title="Doses that do harm",
        story="Ten patients, dose and cure, a logistic regression: z = (intercept, slope). The slope is negative.",
        model=wrong_sign,
        truth=cure_model,
        box=((-9.0, -9.0), (9.0, 9.0)),
        fault="broken",
        explanation="A loss was minimized where a log likelihood had to be maximized: the log joint is log prior - log "
        "likelihood, and prefers whatever the data contradict. (An ELBO above zero could have told: no probability of "
        "yes or no is above one.)",
        cure="Compare the log joint with log prior + log likelihood at a few points; then plot predictions.",
        **MEAN_FIELD,
    ),
    "bounded": Case(
        title="Two shares",
        story="Two shops, 1 of 12 and 3 of 14 visitors bought something; z = the two shares, uniform prior.",
        model=shares,
        start=lambda: MeanField.from_std([0.5, 0.5], [0.05, 0.05]),
        settings={"num_steps": 1000, "num_samples": 2, "optimizer": optax.adam(0.02)},
        box=((0.0, 0.0), (1.0, 1.0)),
        fault="broken",
        diagnostic="importance_evidence",
        explanation="A share lies between 0 and 1, and a Gaussian does not: where q reaches below 0 the log joint is "
        "-inf, and so is the ELBO. As long as no draw fell there the climb went on.",
        cure="Fit the logit of each share, with the log Jacobian log z + log(1 - z) in the log joint.",
    ),
}
