"""Simulation-based calibration: over data sets of the model's own, does q cover the truth as often as it says?"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri
from jax.scipy.stats import chi2
from jaxtyping import Array, Float, Int, Key

from vi_lab import _checks as check
from vi_lab.families import Family

NAMED = 3.0  # standard errors: under calibration one coordinate in 370 is named by chance, for each of two reasons
FEWEST = 20  # simulations: below, no shape shows, and the chi-square has no two bins of ten


class Calibration(NamedTuple):
    """Ranks of the true z among draws of q, and what their histogram looks like, for each coordinate.

    Attributes:
        ranks: shape (num_simulations, dim), of 0, ..., num_draws: how many draws of q lie below the truth.
        num_draws: draws of each q.
        asymmetry: z-score of the mean of the normal scores Phi^-1((rank + 1/2) / (num_draws + 1)), shape (dim,): above
            zero, the truth lies above q's middle too often, and q is too low.
        dispersion: z-score of their variance, shape (dim,): above zero, a U, as the truth lies in q's tails too often,
            and q is too narrow; below zero, too wide. For a Gaussian posterior and a Gaussian q that is off by b of its
            deviations and c times as wide the scores are about N(-b / c, 1 / c^2): none is taken for the other.
        uniformity: p-value of a chi-square test of the histogram, shape (dim,).
    """

    ranks: Int[np.ndarray, "num_simulations dim"]
    num_draws: int
    asymmetry: Float[Array, " dim"]
    dispersion: Float[Array, " dim"]
    uniformity: Float[Array, " dim"]

    def coverage(self, level: float = 0.9) -> Float[Array, " dim"]:
        """The share of truths inside q's central interval of `level`, or of the nearest that ranks can tell.

        Exact for (1 - level) / 2 a multiple of 1 / (num_draws + 1), as 0.9 is with 99 draws.
        """
        check.check_fraction("level", jnp.asarray(level))
        out = round((1 - level) / 2 * (self.num_draws + 1))
        return jnp.mean((self.ranks >= out) & (self.ranks <= self.num_draws - out), axis=0, dtype=float)

    @property
    def shapes(self) -> tuple[str, ...]:
        """For each coordinate "calibrated", or what q is: "too low" or "too high", "too narrow" or "too wide"."""
        names = []
        for shift, spread in zip(self.asymmetry, self.dispersion, strict=True):
            found = ["too low" if shift > 0 else "too high"] * bool(abs(shift) > NAMED)
            found += ["too narrow" if spread > 0 else "too wide"] * bool(abs(spread) > NAMED)
            names.append(" and ".join(found) or "calibrated")
        return tuple(names)


def calibrate(
    prior: Family,
    simulate: Callable[[Key[Array, ""], Float[Array, " dim"]], Array],
    approximate: Callable[[Key[Array, ""], Any], Family],
    key: Key[Array, ""],
    *,
    num_simulations: int = 200,
    num_draws: int = 99,
    vectorize: bool = False,
) -> Calibration:
    """Simulation-based calibration of a way to approximate posteriors, VSBC (chapter 6).

        z* ~ prior,  x ~ p(x|z*),  q = approximate(x),  rank_i = number of q's draws with z_i < z*_i

    Averaged over the prior, the exact posterior has uniform ranks. A histogram that leans to one side shows a bias of
    q, a U a q that is too narrow, a hill one that is too wide. It judges the method, over data sets as the prior makes
    them, and each coordinate alone: a fit to one odd data set it cannot clear, and with q = prior it finds no fault
    at all. Ties, as of discrete z, are broken at random. Ranks and z-scores have no unit; nothing here is in nats.

    Args:
        prior: p(z). simulate: (key, z) -> data, as `Model.simulate`.
        approximate: (key, data) -> q, for instance `lambda key, x: fit(start, key, log_joint(x)).q`.
        num_simulations: at least 20; each costs one approximation. num_draws: of each q.
        vectorize: run all simulations at once by `jax.vmap`, for an `approximate` that JAX can trace: no `fit`.

    Raises:
        ValueError: a prior that is no distribution, what is no function, too few simulations, an `approximate` that
            returns no distribution of the prior's dimension or one whose draws are not finite: the message says in
            which simulation.

    Source: Talts et al. (2018); for variational inference Yao, Vehtari, Simpson and Gelman (2018), who test for
        asymmetry alone, since q is expected to be too narrow.
    """
    if not hasattr(prior, "sample"):
        check.reject("prior", f"a {type(prior).__name__}", "a distribution: of a Model that has one, its .prior")
    for name, given in (("simulate", simulate), ("approximate", approximate)):
        if not callable(given):
            check.reject(name, f"a {type(given).__name__}", "a function, as described above")
    check.check_count("num_simulations", num_simulations, least=FEWEST)
    check.check_count("num_draws", num_draws)
    truth_key, *keys = jax.random.split(key, 1 + num_simulations)
    truths = prior.sample(truth_key, num_simulations)

    def one(key: Array, truth: Array, simulate: Callable = simulate) -> tuple[Array, Array]:
        data_key, fit_key, rank_key = jax.random.split(key, 3)
        q = approximate(fit_key, simulate(data_key, truth))
        if not isinstance(q, Family):
            check.reject("approximate", f"a {type(q).__name__}", "a distribution; of a Fit, its .q")
        check.check_same_dim(prior, q)
        return _rank(q, rank_key, truth, num_draws)

    if vectorize:
        ranks, finite = jax.jit(jax.vmap(one))(jnp.stack(keys), truths)
    else:
        pairs = [one(key, truth) for key, truth in zip(keys, truths, strict=True)]
        ranks, finite = (np.stack(side) for side in zip(*pairs, strict=True))
    if not np.all(finite):
        got = f"a q whose draws are not finite, first in simulation {int(np.argmin(finite))}"
        check.reject("approximate", got, "finite draws; of a failed fit, look at its `reason`")
    return _judge(np.asarray(ranks), num_draws)


@partial(jax.jit, static_argnames="num_draws")
def _rank(q: Family, key: Key[Array, ""], truth: Float[Array, " dim"], num_draws: int) -> tuple[Array, Array]:
    draw_key, tie_key = jax.random.split(key)
    z = q.sample(draw_key, num_draws)
    ties = jnp.sum(z == truth, axis=0)
    lucky = jnp.floor(jax.random.uniform(tie_key, ties.shape) * (ties + 1)).astype(int)
    return jnp.sum(z < truth, axis=0) + lucky, jnp.isfinite(z).all()


def _judge(ranks: Int[np.ndarray, "n dim"], num_draws: int) -> Calibration:
    """z-scores under the uniform distribution on 0, ..., num_draws: the moments of the scores are sums over it."""
    n, count = len(ranks), num_draws + 1
    of_rank = np.asarray(ndtri((np.arange(count) + 0.5) / count))
    variance, fourth = np.mean(of_rank**2), np.mean(of_rank**4)
    scores = of_rank[ranks]
    spread = scores.var(axis=0, ddof=1)  # the scores' own: a q of the wrong width is not for that off to one side
    asymmetry = scores.mean(axis=0) / np.sqrt(np.maximum(spread, 1e-12 * variance) / n)
    # The variance of a sample variance; its second term alone remains where scores have but two values.
    noise = (fourth - variance**2) / n + 2 * variance**2 / (n * (n - 1))
    dispersion = (spread - variance) / np.sqrt(noise)
    return Calibration(ranks, num_draws, *map(jnp.asarray, (asymmetry, dispersion, _chi_square(ranks, count))))


def _chi_square(ranks: Int[np.ndarray, "n dim"], count: int) -> Float[Array, " dim"]:
    """p-values of a histogram of at most 20 bins, ten truths expected in each, and as many ranks as divide evenly."""
    n = len(ranks)
    bins = min(20, n // 10, count)
    edges = np.round(np.linspace(0, count, bins + 1)).astype(int)
    expected = np.diff(edges) / count * n
    observed = np.stack([np.histogram(column, edges - 0.5)[0] for column in ranks.T])
    return chi2.sf(jnp.asarray(((observed - expected) ** 2 / expected).sum(axis=1)), bins - 1)
