"""Fits of a good family to a good model, by a climb that went wrong."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.tree_util import Partial
from jaxtyping import Array, Float, Key

from vi_lab import draws, models
from vi_lab.families import Family, FullRank, MeanField
from vi_lab.gradients import reparameterized, score_function
from vi_lab.models import Model
from vi_lab.museum.exhibit import Case

X = np.array([-1.9, -1.4, -1.1, -0.6, -0.2, 0.3, 0.7, 1.0, 1.5, 1.7])
Y = np.array([-2.1, -2.2, -0.3, 0.1, 0.4, 1.6, 2.4, 2.2, 4.6, 4.1])
DESIGN = np.stack([np.ones(10), X], 1)
NOISE_STD = 0.7


def line() -> Model:
    """A straight line through ten points, x centered: a posterior that mean field fits to 1e-4 nats."""
    return models.conjugate_regression(DESIGN, Y, noise_std=NOISE_STD, prior_std=5.0)


def fixed(key: Key[Array, ""], num_samples: int, noise_dim: int) -> Float[Array, "num_samples noise_dim"]:
    """The same draws whatever the key: a deterministic objective, so that any optimizer will do."""
    return draws.iid(jax.random.key(11), num_samples, noise_dim)


def wrong_entropy(q: Family, key: Key[Array, ""], log_joint: Partial, *, num_samples: int, noise=draws.iid) -> tuple:
    """E_q[log p] + E_q[log q] in place of E_q[log p] - E_q[log q]."""

    def objective(q: Family) -> Array:
        z = q.sample(key, num_samples, noise=noise)
        return jnp.mean(jax.vmap(log_joint)(z) + q.log_prob(z))

    return jax.value_and_grad(objective)(q)


def unscaled(model: Model) -> Partial:
    """The batch's log likelihood as it is, `scale` = N / B unused."""
    return Partial(_unscaled, model.prior)


def _unscaled(prior: Family, z: Float[Array, " 2"], batch: tuple[Array, Array], scale: float) -> Float[Array, ""]:
    x, y = batch
    return prior.log_prob(z) + jnp.sum(jax.scipy.stats.norm.logpdf(y, x @ z, NOISE_STD))


STANDARD = {"model": line, "start": lambda: MeanField.standard(2)}

CASES = {
    "stuck": Case(
        title="It has converged",
        story="A straight line through ten points, from a narrow start at zero. `fit` says that it has converged.",
        model=line,
        start=lambda: MeanField.from_std([0.0, 0.0], [0.1, 0.1]),
        fault="unfinished",
        diagnostic="gradient_snr",
        settings={"num_steps": 1000, "num_samples": 1024, "optimizer": optax.adam(1e-6)},
        explanation="The rate is 1e-6: a thousand steps move the mean by 0.001. A trace that does not rise says that "
        "the climb stands still, not that it is at the top. The gradient is loud and clear all the while.",
        cure="A larger rate, or the default one, which is in units of q's own width.",
    ),
    "wide-start": Case(
        title="Started wide, to be safe",
        story="A straight line through ten points; q started with standard deviations of 55, to miss nothing.",
        model=line,
        start=lambda: MeanField([0.0, 0.0], [4.0, 4.0]),
        fault="unfinished",
        diagnostic="gradient_snr",
        settings={"num_steps": 200, "optimizer": optax.adam(0.01)},
        explanation="Adam moves a log standard deviation by about its rate a step: 200 steps of 0.01 are two of the "
        "five and a half nats between a standard deviation of 55 and one of 0.2. The trace has risen all the way, and "
        "looks flat on the scale of where it came from.",
        cure="More steps, or a start on the scale of the answer; plot the last third of the trace by itself.",
    ),
    "wrong-entropy": Case(
        title="Sharp estimates",
        story="A straight line through ten points, own estimator of the ELBO's gradient. The means are right.",
        fault="unfinished",
        diagnostic="gradient_snr",
        settings={"num_steps": 500, "optimizer": optax.adam(0.02), "gradient": wrong_entropy},
        explanation="The entropy entered with the wrong sign: the objective rewards a q that is sharp, and q collapses "
        "on the mode for as long as it is left to climb. The means are right, the intervals have no width.",
        cure="Check an estimator at q = the exact posterior of a conjugate model: there every draw must give log p(x).",
        **STANDARD,
    ),
    "lost-scale": Case(
        title="A batch at a time",
        story="A straight line through ten points, two of them a step. Means plausible, intervals wide.",
        fault="unfinished",
        diagnostic="gradient_snr",
        climbed=unscaled,
        settings={"num_steps": 2000, "data": (np.array(DESIGN), np.array(Y)), "batch_size": 2},
        explanation="The log likelihood of a batch of B = 2 stands for all N = 10 rows and must be multiplied by N / "
        "B = 5. Without it the prior counts five times too much, and q is wider by about sqrt 5.",
        cure="Use the `scale` that `fit` passes, on the likelihood alone; compare with a full-batch ELBO.",
        **STANDARD,
    ),
    "one-draw": Case(
        title="A lively trace",
        story="A straight line through ten points, one draw a step, as in the paper.",
        fault="noisy",
        diagnostic="gradient_snr",
        settings={
            "num_steps": 1500,
            "num_samples": 1,
            "gradient": reparameterized,
            "optimizer": optax.adam(0.3),
        },
        explanation="At a constant rate the noise of one-draw gradients keeps q in motion around the optimum. Where it "
        "stops is chance.",
        cure="A rate that falls, more draws, an average of the iterates, or sticking the landing.",
        **STANDARD,
    ),
    "no-baseline": Case(
        title="Gradients for everything",
        story="A straight line through ten points, by the score function, which needs no derivative of the model.",
        fault="noisy",
        diagnostic="gradient_snr",
        settings={
            "num_steps": 1500,
            "num_samples": 8,
            "gradient": partial(score_function, baseline=None),
            "optimizer": optax.adam(0.1),
        },
        explanation="The score function without a baseline multiplies the whole log joint, some -20 nats, with the "
        "score: its noise is that of a walk in the dark, though its mean is the gradient.",
        cure="A leave-one-out baseline, or the reparameterization wherever the model can be differentiated.",
        **STANDARD,
    ),
    "oscillating": Case(
        title="Big steps, quickly there",
        story="A straight line through ten points, at a rate that was fine for another model.",
        fault="noisy",
        diagnostic="gradient_snr",
        settings={"num_steps": 600, "num_samples": 8, "optimizer": optax.sgd(0.064), "gradient": reparameterized},
        explanation="Plain gradient ascent is stable up to a rate of 2 / curvature, 0.070 for this slope; at 0.064 "
        "each step overshoots to the other side, and the noise of the draws is amplified instead of averaged: q keeps "
        "jumping about the optimum, and stops wherever the steps end.",
        cure="A smaller rate, or one that falls to zero.",
        **STANDARD,
    ),
    "fixed-draws": Case(
        title="No noise at all",
        story="A straight line through ten points, full covariance. Four draws, chosen once: a smooth objective, "
        "climbed to its top.",
        model=line,
        start=lambda: FullRank.standard(2),
        fault="noisy",
        diagnostic="optimism",
        settings={
            "num_steps": 1500,
            "num_samples": 4,
            "noise": fixed,
            "gradient": reparameterized,
            "optimizer": optax.adam(0.02),
        },
        explanation="Four fixed draws are a data set that q can overfit: the objective at those draws lies above the "
        "evidence, and the ELBO by fresh draws far below.",
        cure="Fresh draws at each step; or fixed ones, many more than q has parameters, and a check by fresh draws.",
    ),
}
