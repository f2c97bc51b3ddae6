"""Fits that hold one mode and believe it is all there is."""

import jax
import jax.numpy as jnp
from jax.scipy.stats import norm
from jax.tree_util import Partial
from jaxtyping import Array, Float

from vi_lab import models
from vi_lab.families import MeanField, Mixture
from vi_lab.models import Model
from vi_lab.models._base import from_family, posterior_model
from vi_lab.museum.exhibit import Case

HEIGHTS = (-2.3, -1.8, -2.1, -1.6, 1.9, 2.4, 1.7, 2.2)  # four from each of two groups


def two_gaussians(offset: float, weight: float) -> Model:
    """weight N(0, I) + (1 - weight) N((offset, offset), I)."""
    logits = jnp.log(jnp.array([weight, 1 - weight]))
    return from_family(Mixture(logits, tuple(MeanField([x, x], [0.0, 0.0]) for x in (0.0, offset))))


def labels() -> Model:
    """y_i ~ N(z_1, 1/2^2) / 2 + N(z_2, 1/2^2) / 2, z ~ N(0, 3^2 I): nothing tells the two groups apart."""
    return posterior_model(MeanField.from_std([0.0, 0.0], [3.0, 3.0]), Partial(_log_likelihood, jnp.array(HEIGHTS)))


def _log_likelihood(y: Array, z: Float[Array, " 2"]) -> Float[Array, ""]:
    return jnp.sum(jax.nn.logsumexp(norm.logpdf(y[:, None], z, 0.5), axis=1) - jnp.log(2))


def near(*mean: float) -> MeanField:
    return MeanField(jnp.array(mean), jnp.zeros(len(mean)))


CASES = {
    "one-of-two-modes": Case(
        title="Every draw says the same",
        story="Two parameters, a mean-field Gaussian. It settled within a few hundred steps, without noise.",
        model=lambda: two_gaussians(8.0, 0.5),
        start=lambda: near(1.0, -1.0),
        settings={"num_steps": 1000},
        fault="mode-seeking",
        diagnostic="elbo_restarts",
        perfect=True,
        explanation="The posterior has two equal modes, eleven standard deviations apart, and q is one of them "
        "exactly. Every log weight is then log 1/2, so that the ELBO has no variance, k̂ sees no tail, and nothing "
        "is left to climb: the missing half costs log 2 = 0.69 nats, which only someone who knows the evidence can "
        "see.",
        cure="Start from many wide places, and give the modes that are found to one mixture.",
    ),
    "minor-mode": Case(
        title="Started from yesterday's answer",
        story="Two parameters, a mean-field Gaussian, started where last week's smaller data set had ended.",
        model=lambda: two_gaussians(7.0, 0.05),
        start=lambda: near(0.5, 0.5),
        settings={"num_steps": 1000},
        fault="mode-seeking",
        diagnostic="elbo_restarts",
        perfect=True,
        explanation="q fits a mode that holds 5% of the posterior. The way to the other 95% leads through a valley "
        "that reverse KL pays for with every draw; the ELBO is log 20 = 3 nats below what another start reaches.",
        cure="Start more than once, and keep the best ELBO, or a mixture of what was found.",
    ),
    "far-mode": Case(
        title="Nothing to remark",
        story="Two parameters, a mean-field Gaussian, a thousand steps. Restarts nearby end in the same place.",
        model=lambda: two_gaussians(3000.0, 0.5),
        start=lambda: near(1.0, -1.0),
        settings={"num_steps": 1000},
        fault="mode-seeking",
        diagnosable=False,
        diagnostic="importance_evidence",
        perfect=True,
        explanation="Half of the posterior lies 4,000 of q's standard deviations away. No draw, no weight and no "
        "restart of a sensible width comes near it. No diagnostic that looks from q, or from around q, can.",
        cure="Knowledge of the model: its symmetries, its scales, starts from the prior, a tempered sampler.",
    ),
    "label-switching": Case(
        title="Two groups, neatly told apart",
        story="Eight heights from two groups; z holds the groups' means, under one and the same prior. "
        "A mean-field Gaussian finds one mean near -2 and one near 2.",
        model=labels,
        start=lambda: near(-1.0, 1.0),
        settings={"num_steps": 1000},
        box=((-6.0, -6.0), (6.0, 6.0)),
        fault="mode-seeking",
        diagnostic="elbo_restarts",
        perfect=True,
        explanation="Exchanging the groups changes nothing in the model, so that every mode has a mirror image. q "
        "holds one of the two: E z_1 is -2 under q, and 0 under the posterior.",
        cure="None is needed for predictions, which the labels do not touch; elsewhere, order the means in the model.",
    ),
    "both-on-one": Case(
        title="A mixture, to be safe",
        story="Two parameters; to be safe against two modes, q is a mixture of two Gaussians, started close together.",
        model=lambda: two_gaussians(8.0, 0.5),
        start=lambda: Mixture(jnp.zeros(2), (near(-0.5, 0.0), near(0.5, 0.2))),
        settings={"num_steps": 1000},
        fault="mode-seeking",
        diagnostic="elbo_restarts",
        perfect=True,
        explanation="Both components sit on the same mode, a local optimum of the mixture's ELBO: to reach the other "
        "mode, one of them would have to cross the valley. A family that could hold both modes is no proof that it "
        "does.",
        cure="Start the components as far apart as the prior is wide, or add components where restarts have found "
        "modes.",
    ),
    "two-moons": Case(
        title="A small blob that fits",
        story="Two parameters, a mean-field Gaussian.",
        model=models.two_moons,
        start=lambda: near(0.0, 0.5),
        settings={"num_steps": 1500},
        fault="mode-seeking",
        diagnostic="elbo_restarts",
        explanation="The posterior is two interlocking crescents. q is a blob on a piece of one of them.",
        cure="A mixture of many components, or a flow (chapter 4).",
    ),
}
