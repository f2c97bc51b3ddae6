"""Fits whose family cannot take the posterior's shape: correlation, bends, funnels, tails."""

import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import t as student
from jax.tree_util import Partial
from jaxtyping import Array, Float

from vi_lab import models
from vi_lab.families import FullRank, MeanField
from vi_lab.models import Model
from vi_lab.museum.exhibit import Case, Reference
from vi_lab.museum.schools import schools_moments

YEARS = np.arange(2015.0, 2025.0)
SALES = np.array([3.1, 3.9, 3.6, 4.8, 5.1, 5.4, 6.5, 6.3, 7.4, 7.6])
DEGREES = 3.0


def slope_and_intercept() -> Model:
    """Sales against the year since 2010, not centered: slope and intercept trade against each other."""
    return models.conjugate_regression(np.stack([np.ones(10), YEARS - 2010], 1), SALES, noise_std=0.5, prior_std=10.0)


def ridge() -> Model:
    """y ~ N(z_1 + z_2, 0.3^2): only the sum is identified; the prior N(0, 5^2 I) holds the difference."""
    return models.conjugate_regression(np.ones((10, 2)), np.linspace(1.2, 2.8, 10), noise_std=0.3, prior_std=5.0)


def heavy() -> Model:
    """Two independent coordinates with Student's t, three degrees of freedom: log evidence 0."""
    return Model(Partial(_log_student), 2, log_evidence=jnp.zeros(()))


def _log_student(z: Float[Array, " 2"]) -> Float[Array, ""]:
    return jnp.sum(student.logpdf(z, DEGREES))


def _student_moments(model: Model) -> Reference:
    return Reference(np.zeros(2), np.full(2, np.sqrt(DEGREES / (DEGREES - 2))), "the moments of Student's t")


SCHOOLS = {
    "model": lambda: models.eight_schools(centered=True),
    "reference": schools_moments,
    "settings": {"num_steps": 3000},
    "fault": "rigid",
    "diagnostic": "pareto_k",
}

CASES = {
    "correlated": Case(
        title="A very certain slope",
        story="Ten years of sales, a straight line: z = (intercept, slope), noise known. A mean-field Gaussian.",
        model=slope_and_intercept,
        start=lambda: MeanField.standard(2),
        fault="rigid",
        diagnostic="pareto_k",
        explanation="The year is counted from 2010 and not from the middle of the data, so that intercept and slope "
        "are correlated at -0.96. Mean field has the variances 1 / Lambda_ii, which are those of one coordinate with "
        "the other known: intervals far too short, means right.",
        cure="Full rank, which is exact here; or center the predictor, after which mean field is nearly so.",
    ),
    "ridge": Case(
        title="Two effects from one measurement",
        story="Ten measurements of the sum of two effects. A mean-field Gaussian reports both effects.",
        model=ridge,
        start=lambda: MeanField.standard(2),
        fault="rigid",
        diagnostic="pareto_k",
        explanation="The data know z_1 + z_2 and nothing of z_1 - z_2: the posterior is a ridge as long as the prior "
        "is wide, and a mean-field q is a dot on it, nearly forty times too narrow in each coordinate.",
        cure="Full rank shows the ridge; a prior that says more, or one parameter less, removes it.",
    ),
    "neal-funnel": Case(
        title="One scale, one effect",
        story="A log scale v and an effect x of that scale. A mean-field Gaussian.",
        model=models.funnel,
        start=lambda: MeanField.standard(2),
        fault="rigid",
        diagnostic="pareto_k",
        explanation="The width of x goes with exp(v / 2). A Gaussian has one width for all v, and reverse KL makes it "
        "avoid the narrow neck, where a draw would be priced at exp(large).",
        cure="Reparameterize: x = exp(v / 2) times a standard normal, and the posterior of the two is Gaussian.",
    ),
    "schools-mean-field": Case(
        title="Eight schools",
        story="Eight schools as the textbook writes them: z = (mu, log tau, theta_1 ... theta_8), mean field.",
        start=lambda: MeanField.standard(10),
        explanation="Where tau is small all theta must lie close to mu: a funnel in ten dimensions. Mean field stays "
        "in its wide part, where log tau is large, and is a fifth as wide in it as the posterior.",
        cure="The non-centered form, theta = mu + tau eta.",
        **SCHOOLS,
    ),
    "schools-full-rank": Case(
        title="Eight schools, all correlations included",
        story="Eight schools, z = (mu, log tau, theta_1 ... theta_8), this time with a full covariance.",
        start=lambda: FullRank.standard(10),
        explanation="The funnel is no correlation: the *width* of theta depends on tau, and a covariance has one "
        "width. A full covariance costs 65 parameters and does not mend it.",
        cure="The non-centered form, with which even mean field does better.",
        **SCHOOLS,
    ),
    "banana": Case(
        title="Two uncorrelated parameters",
        story="Two parameters whose posterior correlation is zero, so mean field should do.",
        model=lambda: models.banana(curvature=1.0, std=2.0),
        start=lambda: MeanField.standard(2),
        fault="rigid",
        diagnostic="pareto_k",
        explanation="Uncorrelated is not independent: z_2 goes with the square of z_1. q fits a short piece at the "
        "bend.",
        cure="A flow of coupling layers, which bends; full rank cannot.",
    ),
    "heavy-tails": Case(
        title="Next to no gap",
        story="Two parameters, room for outliers, and an evidence that is known: log p(x) = 0. A mean-field Gaussian.",
        model=heavy,
        start=lambda: MeanField.standard(2),
        reference=_student_moments,
        fault="heavy-tails",
        diagnostic="pareto_k",
        perfect=True,
        explanation="The posterior has the tails of Student's t with three degrees of freedom, q those of a Gaussian. "
        "There is little mass out there, and reverse KL, which asks where q is, hardly minds: the ELBO is within a "
        "tenth of a nat of the evidence. But the weights p/q have no bound, which k̂ sees, and standard deviations and "
        "tail probabilities come out too small.",
        cure="A family with heavy tails, or a transformation of z that makes them light.",
    ),
}
