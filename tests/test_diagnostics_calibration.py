"""Simulation-based calibration: uniform ranks of the exact posterior, the shapes of wrong ones in closed form."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from zscores import LIMIT, assert_mean, assert_variance

from vi_lab import Bernoulli, FullRank, MeanField, fit, models
from vi_lab.diagnostics import Calibration, calibrate
from vi_lab.diagnostics.calibration import _judge

SEED = jax.random.key(6)
NORMAL = models.conjugate_normal(np.zeros(3), noise_std=1.5)
DESIGN = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])  # intercept and slope, whose posterior is correlated
PRECISION = DESIGN.T @ DESIGN + np.eye(2)
COV = np.linalg.inv(PRECISION)
GAIN = COV @ DESIGN.T
REGRESSION = models.conjugate_regression(DESIGN, np.zeros(3))


def posterior(key, x, shift=0.0, width=1.0):
    """The exact one of NORMAL's mean by hand, moved by `shift` of its deviations and stretched by `width`."""
    std = (1 + 3 / 1.5**2) ** -0.5
    return MeanField.from_std(std**2 * jnp.sum(x, keepdims=True) / 1.5**2 + shift * std, jnp.array([width * std]))


def run(model, approximate, key, num_simulations=2000, **settings):
    return calibrate(
        model.prior, model.simulate, approximate, key, num_simulations=num_simulations, vectorize=True, **settings
    )


def rank_probabilities(shift, width, num_draws=99):
    """Given the truth at e of the posterior's deviations, each draw of q is below it with u = Phi((e - shift) / width),
    and the rank is binomial; its probabilities are an integral over the standard normal e, here by trapezoids.
    """
    e = np.linspace(-8, 8, 4001)
    u = stats.norm.cdf((e - shift) / width)
    return (stats.norm.pdf(e) * (e[1] - e[0])) @ stats.binom.pmf(np.arange(num_draws + 1), num_draws, u[:, None])


def test_exact_posteriors_have_uniform_ranks(key):
    """z-scores below 5 and p-values above 1e-5, six statistics: a right answer fails once in 20,000 keys."""
    found = run(REGRESSION, lambda key, y: FullRank(GAIN @ y, np.linalg.cholesky(COV)), key)
    assert found.ranks.shape == (2000, 2) and found.ranks.min() >= 0 and found.ranks.max() <= 99
    assert np.all(np.abs(found.asymmetry) < LIMIT) and np.all(np.abs(found.dispersion) < LIMIT)
    assert np.all(found.uniformity > 1e-5)
    for level in (0.5, 0.9):
        assert np.all(np.abs(found.coverage(level) - level) < LIMIT * np.sqrt(level * (1 - level) / 2000))


WRONG = {
    "too low": (-0.5, 1.0),
    "too high": (0.5, 1.0),
    "too narrow": (0.0, 0.6),
    "too wide": (0.0, 1.6),
    "too high and too narrow": (0.4, 0.5),
}


@pytest.mark.parametrize("shape", WRONG)
def test_wrong_posteriors_are_named(shape, key):
    """The name, and the ranks against their distribution: mean and variance of scores, coverage, histogram."""
    shift, width = WRONG[shape]
    found = run(NORMAL, partial(posterior, shift=shift, width=width), key)
    assert shape.split(" and ")[0] in found.shapes[0] and shape.split(" and ")[-1] in found.shapes[0]
    assert found.uniformity[0] < 1e-4
    p = rank_probabilities(shift, width)
    scores = stats.norm.ppf((np.arange(100) + 0.5) / 100)
    assert_mean(scores[found.ranks[:, 0]], p @ scores, "score")
    assert_variance(scores[found.ranks[:, 0]], p @ scores**2 - (p @ scores) ** 2, "score")
    inside = p[5:95].sum()
    assert abs(found.coverage()[0] - inside) < LIMIT * np.sqrt(inside * (1 - inside) / 2000)
    counts = np.bincount(found.ranks[:, 0], minlength=100).reshape(20, 5).sum(axis=1)
    assert stats.chisquare(counts, 2000 * p.reshape(20, 5).sum(axis=1)).pvalue > 1e-6


def test_shapes_are_named_beyond_three_standard_errors():
    scores = {"calibrated": (2.9, -2.9), "too low": (3.1, 0), "too high and too wide": (-3.1, -4), "too narrow": (0, 9)}
    for name, (asymmetry, dispersion) in scores.items():
        assert Calibration(None, 9, np.array([asymmetry]), np.array([dispersion]), None).shapes == (name,)


def test_scores_are_those_of_their_definition():
    """A mean over its standard error, and a sample variance over that of uniform ranks; these ranks are not uniform."""
    ranks = np.random.default_rng(0).binomial(19, 0.3, (40, 1))
    found = _judge(ranks, 19)
    table = stats.norm.ppf((np.arange(20) + 0.5) / 20)
    drawn, variance = table[ranks[:, 0]], table @ table / 20
    np.testing.assert_allclose(found.asymmetry[0], drawn.mean() / np.sqrt(drawn.var(ddof=1) / 40))
    assert _judge(np.full((40, 1), 5), 10).shapes == ("too wide",)  # no spread at all, and no NaN
    noise = np.mean(table**4) / 40 - variance**2 * 37 / (40 * 39)  # in every table of k-statistics
    np.testing.assert_allclose(found.dispersion[0], (drawn.var(ddof=1) - variance) / np.sqrt(noise))


def test_mean_field_is_too_narrow(key):
    """Its optimum has the right means and variances 1 / P_ii: coverage 2 Phi(c sqrt(1 - rho^2)) - 1."""
    found = run(REGRESSION, lambda key, y: MeanField(GAIN @ y, -0.5 * np.log(np.diag(PRECISION))), key)
    assert all("too narrow" in name for name in found.shapes)
    rho2 = PRECISION[0, 1] ** 2 / PRECISION[0, 0] / PRECISION[1, 1]
    expected = 2 * stats.norm.cdf(stats.norm.ppf(0.95) * np.sqrt(1 - rho2)) - 1
    assert np.all(np.abs(found.coverage() - expected) < LIMIT * np.sqrt(expected * (1 - expected) / 2000) + 0.01)


def test_scores_are_standard_under_uniform_ranks():
    """Mean 0 and variance 1 of both z-scores, and p-values that are uniform, for ranks drawn by NumPy; 99 draws, and 6
    with a histogram of unequal bins.
    """
    for num_draws, size in ((99, 200), (6, 50)):
        ranks = np.random.default_rng(num_draws).integers(0, num_draws + 1, (size, 4000))
        found = _judge(ranks, num_draws)
        for z in (found.asymmetry, found.dispersion):
            assert abs(np.mean(z)) < LIMIT / np.sqrt(4000)
            assert abs(np.var(z) - 1) < LIMIT * np.sqrt(2.5 / 4000)  # 200 scores are not quite normal
        assert abs(np.mean(found.uniformity < 0.1) - 0.1) < LIMIT * np.sqrt(0.09 / 4000) + 0.015  # chi2 is an asymptote


def test_what_it_cannot_see(key):
    """The prior in place of the posterior, whatever the data: perfectly calibrated."""
    found = run(NORMAL, lambda key, x: NORMAL.prior, key)
    assert abs(found.asymmetry[0]) < LIMIT and abs(found.dispersion[0]) < LIMIT


def test_ties_are_broken_at_random(key):
    """Coins: with q the prior the ranks are uniform only if ties are shared out."""
    coins = Bernoulli([0.3, -1.5])
    found = calibrate(coins, lambda key, z: z, lambda key, x: coins, key, num_simulations=2000, vectorize=True)
    assert np.all(np.abs(found.asymmetry) < LIMIT) and np.all(np.abs(found.dispersion) < LIMIT)


def test_simulations_one_by_one_are_the_same():
    """Also by `fit`, which cannot be vectorized; its q is the exact posterior here, and the ranks nearly the same."""
    settings = {"num_simulations": 20, "num_draws": 19}
    at_once = run(NORMAL, posterior, SEED, **settings)
    one_by_one = calibrate(NORMAL.prior, NORMAL.simulate, posterior, SEED, **settings)
    np.testing.assert_array_equal(at_once.ranks, one_by_one.ranks)
    start = MeanField.standard(1)
    approximate = lambda key, x: fit(start, key, models.conjugate_normal(x, noise_std=1.5).log_joint, num_steps=200).q  # noqa: E731
    fitted = calibrate(NORMAL.prior, NORMAL.simulate, approximate, SEED, **settings)
    assert np.max(np.abs(fitted.ranks - at_once.ranks)) <= 1


def calibrated_by(approximate, **settings):
    return lambda: calibrate(NORMAL.prior, NORMAL.simulate, approximate, SEED, **settings)


def diverging(key, x):
    q = posterior(key, x)
    return jax.tree.map(lambda leaf: jnp.where(x.sum() > 0, jnp.nan, leaf), q)


BAD = {
    "few": (calibrated_by(posterior, num_simulations=19), "num_simulations: got 19, needs .* at least 20"),
    "draws": (calibrated_by(posterior, num_draws=0), "num_draws: got 0"),
    "no q": (calibrated_by(lambda key, x: x.mean()), "approximate: got a ArrayImpl, needs a distribution; of a Fit"),
    "dimension": (calibrated_by(lambda key, x: MeanField.standard(2)), "p: got dim 2, needs dim 1"),
    "NaN": (calibrated_by(diverging), r"approximate: got a q whose draws are not finite, first in simulation \d+"),
    "no prior": (
        lambda: calibrate(None, NORMAL.simulate, posterior, SEED),
        "prior: got a NoneType, needs a distribution",
    ),
    "no simulate": (
        lambda: calibrate(NORMAL.prior, None, posterior, SEED),
        "simulate: got a NoneType, needs a function",
    ),
    "level": (lambda: _judge(np.zeros((20, 1), int), 9).coverage(1.0), "level: got 1, needs"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()
