"""Fits that are right about a posterior that nobody should believe: of prior, data and model, not of q."""

import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm
from jax.tree_util import Partial
from jaxtyping import Array, Float

from vi_lab import models
from vi_lab.families import FullRank, MeanField
from vi_lab.models import Model
from vi_lab.models._base import posterior_model
from vi_lab.museum.exhibit import Case
from vi_lab.museum.joints import CURED, DOSES

BY_DOSE = np.stack([np.ones(10), DOSES], 1)
EFFECTS = 2 + DOSES + 0.5 * np.cos(9 * DOSES)
TIMES = np.linspace(-2, 2, 20)
BENT = 0.5 + 0.8 * TIMES + 0.6 * (TIMES**2 - 1.5) + 0.3 * np.sin(13 * TIMES)


def once() -> Model:
    return models.conjugate_regression(BY_DOSE, EFFECTS, noise_std=0.5)


def twice() -> Model:
    """The same rows, each of them two times."""
    return models.conjugate_regression(np.tile(BY_DOSE, (2, 1)), np.tile(EFFECTS, 2), noise_std=0.5)


def straight() -> Model:
    """A straight line through data that bend; the noise is known."""
    return models.conjugate_regression(np.stack([np.ones(20), TIMES], 1), BENT, noise_std=0.3, prior_std=5.0)


def far_prior() -> Model:
    """Effects of the size of 5, under a prior that says 0.3."""
    return models.conjugate_regression(BY_DOSE, 5 - 4 * DOSES, noise_std=1.0, prior_std=0.3)


def faint() -> Model:
    """Ten yes-or-no answers, whose predictors vary by a thousandth."""
    x = 1e-3 * np.stack([np.arange(-5.0, 5.0), np.tile([-2.0, -1, 0, 1, 2], 2)], 1)
    return models.logistic_regression(x, CURED, prior_std=1.0)


def empty() -> Model:
    """A filter that left no row: the log likelihood is a sum over nothing."""
    mask = jnp.zeros(10)
    return posterior_model(MeanField.standard(2), Partial(_masked, mask, jnp.array(DOSES), jnp.array(CURED)))


def _masked(mask: Array, x: Array, y: Array, z: Float[Array, " 2"]) -> Float[Array, ""]:
    return jnp.sum(mask * norm.logpdf(y, z[0] + z[1] * x))


MEAN_FIELD = {"start": lambda: MeanField.standard(2)}
FULL_RANK = {"start": lambda: FullRank.standard(2), "perfect": True}

CASES = {
    "prior-conflict": Case(
        title="A compromise",
        story="Ten doses, a straight line with known noise, full covariance: exact for this model.",
        model=far_prior,
        fault="prior-conflict",
        diagnostic="prior_dominance",
        explanation="The data say intercept 5 and slope -4, the prior says 0 give or take 0.3. The posterior lies "
        "between, where neither puts it, and q fits that exactly: no measure of the *fit* can object.",
        cure="Ask what the prior was meant to say; a wider or heavy-tailed one gives way to the data.",
        **FULL_RANK,
    ),
    "faint-data": Case(
        title="Ten answers",
        story="Ten yes-or-no answers, a logistic regression on two predictors. The fit is excellent.",
        model=faint,
        box=((-9.0, -9.0), (9.0, 9.0)),
        fault="prior-dominated",
        diagnostic="prior_dominance",
        perfect=True,
        explanation="The predictors came in kilometers and vary by meters: for every plausible z the likelihood is ten "
        "tosses of a fair coin, and q is the prior.",
        cure="Predictors on the scale that the prior was meant for; report contraction beside every interval.",
        **MEAN_FIELD,
    ),
    "no-data": Case(
        title="An ELBO without any noise",
        story="Ten patients, a straight line. The ELBO reached its final value to all digits.",
        model=empty,
        fault="prior-dominated",
        diagnostic="prior_dominance",
        box=((-9.0, -9.0), (9.0, 9.0)),
        perfect=True,
        explanation="A filter left no rows, so that the log likelihood is a sum over nothing. q is the prior "
        "exactly, the ELBO is 0 with variance 0: the most perfect fit there is, to no data.",
        cure="Look at the standard deviation of the log likelihood over draws of q: here it is 0.",
        **MEAN_FIELD,
    ),
    "data-twice": Case(
        title="More data, shorter intervals",
        story="Twenty rows, a straight line with known noise, full covariance.",
        model=twice,
        truth=once,
        fault="broken",
        diagnosable=False,
        diagnostic="predictive_check",
        explanation="A join doubled every row. q is exact for the model with twenty rows; the standard deviations are "
        "too short by about sqrt 2.",
        cure="Count rows and unique rows. The model cannot know that two equal rows are one observation.",
        **FULL_RANK,
    ),
    "missing-term": Case(
        title="A straight line",
        story="Twenty points, a straight line with known noise, full covariance. Short intervals, and no noise.",
        model=straight,
        fault="broken",
        diagnosable=False,
        diagnostic="predictive_check",
        explanation="The data bend, the model does not. q is the exact posterior of a model that is wrong: every "
        "measure of the fit is perfect, and no prediction is right.",
        cure="A posterior predictive check with a statistic that the model does not fit: the residuals' curvature.",
        **FULL_RANK,
    ),
}
