"""Ten fits that are as they should be: what `diagnose` must keep quiet about."""

import jax
import jax.numpy as jnp
import numpy as np

from vi_lab import models
from vi_lab.families import Bernoulli, Flow, FullRank, LowRank, MeanField, Mixture
from vi_lab.models import Model
from vi_lab.museum.climbs import line
from vi_lab.museum.exhibit import Case, Reference
from vi_lab.museum.joints import cure_model
from vi_lab.museum.modes import near, two_gaussians

WAITS = np.array([3.1, 2.2, 4.0, 2.7, 3.6])


def mild() -> Model:
    """Correlation 0.4: a mean field has standard deviations 8% too small."""
    return models.gaussian(jnp.array([1.0, -2.0]), jnp.array([[1.0, 0.6], [0.6, 2.25]]))


def columns() -> Model:
    """Which of four columns matter? Their columns are nearly orthogonal, so that coins are nearly exact."""
    x = np.kron(np.array([[1.0, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]), np.ones((3, 1)))
    return models.variable_selection(x, x @ [0.9, 0.0, 0.3, 0.0] + 0.4 * np.cos(5 * np.arange(12)), noise_std=0.5)


def _inclusion(model: Model) -> Reference:
    mean = model.posterior.mean
    return Reference(mean, np.sqrt(mean * (1 - mean)), "sum over all 16 corners")


def _case(title: str, model, start, **more) -> Case:
    return Case(title, title + ".", model, start, **more)


CASES = {
    "normal-mean": _case(
        "A mean of five numbers",
        lambda: models.conjugate_normal(WAITS, noise_std=0.8, prior_std=5.0),
        lambda: MeanField.standard(1),
    ),
    "straight-line": _case("A straight line, mean field", line, lambda: MeanField.standard(2)),
    "straight-line-full": _case("A straight line, full rank", line, lambda: FullRank.standard(2)),
    "mild-correlation": _case("A correlation of 0.4, mean field", mild, lambda: MeanField.standard(2)),
    "logistic": _case(
        "A logistic regression, full rank",
        cure_model,
        lambda: FullRank.standard(2),
        box=((-9.0, -9.0), (9.0, 9.0)),
    ),
    "ill-conditioned": _case(
        "A rotated Gaussian, full rank",
        lambda: models.ill_conditioned(4, condition=100.0),
        lambda: FullRank.standard(4),
    ),
    "low-rank": _case(
        "One strong direction, low rank",
        lambda: models.gaussian(jnp.zeros(3), jnp.eye(3) + 4 * jnp.ones((3, 3))),
        lambda: LowRank.standard(3),
    ),
    "two-modes-mixture": _case(
        "Two modes, two components",
        lambda: two_gaussians(6.0, 0.4),
        lambda: Mixture(jnp.zeros(2), (near(-1.0, 0.0), near(5.0, 7.0))),
    ),
    "banana-flow": _case(
        "A banana, coupling layers",
        lambda: models.banana(curvature=0.5, std=1.0),
        lambda: Flow.standard(2, jax.random.key(1), num_layers=4, hidden=16),
        settings={"num_steps": 3000},
    ),
    "columns": _case("Four columns, coins", columns, lambda: Bernoulli(jnp.zeros(4)), reference=_inclusion),
}
