"""Base draws: every row a standard normal, pairs and strata as promised, variances by SciPy's truncated moments."""

from itertools import product

import draws_oracles as oracle
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from zscores import assert_mean, assert_variance

from vi_lab import draws

NOISES = {noise.__name__: noise for noise in (draws.iid, draws.antithetic, draws.sobol)}
each_noise = pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
LUCK = 1e-7  # p-value below which a test of a right answer fails by chance


def many(noise, key, num_samples, dim, repeats):
    """Independent sets of draws, shape (repeats, num_samples, dim)."""
    run = jax.jit(jax.vmap(lambda k: noise(k, num_samples, dim)))
    return np.asarray(run(jax.random.split(key, repeats)))


@each_noise
def test_every_row_is_exactly_a_standard_normal(noise, key):
    """Each row by itself, over keys: the marginals by Kolmogorov and Smirnov, their independence by moments."""
    sets = many(noise, key, 8, 3, 2000)
    for row, coordinate in product((0, 3, 7), range(3)):
        assert stats.kstest(sets[:, row, coordinate], "norm").pvalue > LUCK
    for row in range(8):
        for i, j in ((0, 1), (0, 2), (1, 2)):
            a, b = sets[:, row, i], sets[:, row, j]
            assert_mean(a * b, 0.0, f"covariance in row {row}")
            assert_mean((a**2 - 1) * (b**2 - 1), 0.0, f"covariance of squares in row {row}")


@pytest.mark.parametrize("num_samples", [1, 5, 100])
def test_sobol_rows_are_normal_whatever_their_number(num_samples, key):
    """The first points of a longer sequence: not as even, as normal as ever."""
    sets = many(draws.sobol, key, num_samples, 2, 2000)
    assert sets.shape == (2000, num_samples, 2)
    assert stats.kstest(sets[:, -1, 1], "norm").pvalue > LUCK
    assert_mean(sets.mean(axis=1), 0.0)


def test_independent_draws_are_independent(key):
    first, second = np.moveaxis(many(draws.iid, key, 2, 1, 4000)[..., 0], 1, 0)
    assert_mean(first * second, 0.0, "covariance of two rows")
    assert_variance(many(draws.iid, key, 16, 1, 4000).mean(axis=1)[:, 0], 1 / 16, "variance of a mean")


def test_antithetic_draws_come_in_opposite_pairs(key):
    eps = np.asarray(draws.antithetic(key, 10, 4))
    np.testing.assert_array_equal(eps[:5], -eps[5:])
    assert np.unique(np.abs(eps)).size == 20, "nothing else is shared"
    squares = many(draws.antithetic, key, 8, 1, 4000)[..., 0] ** 2
    assert_variance(squares.mean(axis=1), 2 / 4, "what is even: as by half as many draws")


@pytest.mark.parametrize("num_samples", [2, 16, 1024])
def test_sobol_has_one_point_in_each_stratum_of_each_coordinate(num_samples, key):
    u = stats.norm.cdf(np.asarray(draws.sobol(key, num_samples, 12)))
    strata = np.floor(u * num_samples).astype(int)
    np.testing.assert_array_equal(np.sort(strata, axis=0), np.tile(np.arange(num_samples)[:, None], 12))


def test_sobol_is_a_net_in_its_first_two_coordinates(key):
    """Every box of sides 2^-a and 2^-b with a + b = 8 holds one of 256 points; the scramble keeps that."""
    u = stats.norm.cdf(np.asarray(draws.sobol(key, 256, 2)))
    for a in range(9):
        boxes = np.floor(u * [2**a, 2 ** (8 - a)]).astype(int) @ [2 ** (8 - a), 1]
        assert np.unique(boxes).size == 256, f"boxes of 2^-{a} by 2^-{8 - a}"


@pytest.mark.parametrize("num_samples", [4, 16])
def test_sobol_means_have_the_variance_of_owens_scramble(num_samples, key):
    """Two points are independent within their strata, so that the variance of a coordinate's mean is a sum over them.

    A digital shift alone, or one scramble for all coordinates, would give another.
    """
    eps = many(draws.sobol, key, num_samples, 3, 4000)
    assert_mean(eps.mean(axis=1), 0.0)
    assert_variance(eps.mean(axis=1), oracle.stratified_variance(num_samples, 1), "of the mean of eps")
    assert_variance((eps**2).mean(axis=1), oracle.stratified_variance(num_samples, 2), "of the mean of eps^2")
    u = stats.norm.cdf(eps).mean(axis=1)
    assert_variance(u, 1 / (12 * num_samples**3), "of the mean of uniforms")
    assert_mean(eps.mean(axis=1)[:, 0] * eps.mean(axis=1)[:, 1], 0.0, "covariance of two coordinates' means")


def test_each_coordinate_has_a_scramble_of_its_own(key):
    """Two points, which before the scramble differ in their first digit alone, and after it in later ones by chance."""
    digits = np.floor(stats.norm.cdf(np.asarray(draws.sobol(key, 2, 400))) * 2**30).astype(int)
    flips = digits[0] ^ digits[1]
    assert np.all(flips >> 29 == 1) and np.unique(flips).size == 400
    assert_mean(flips[:, None] >> np.arange(29) & 1, 0.5, "share of later digits flipped")


def test_sobol_is_as_even_as_scipys_own(key):
    """A function of all coordinates at once: the same variance as with SciPy's scrambled points, and far below iid."""
    ours = np.cos(many(draws.sobol, key, 64, 4, 1000).sum(axis=-1) / 2).mean(axis=1)
    scipys = np.array([np.cos(oracle.scipy_sobol(64, 4, seed).sum(axis=-1) / 2).mean() for seed in range(500)])
    expected = np.exp(-0.5)  # the characteristic function of N(0, 4) at 1/2
    assert_mean(ours, expected)
    ratio = ours.var() / scipys.var()
    assert 0.65 < ratio < 1.5, "500 of one, 1,000 of the other: a standard error of a tenth, with tails"
    assert ours.var() < (0.5 * (1 + np.exp(-2)) - expected**2) / 64 / 5


@each_noise
def test_they_trace_and_repeat(noise):
    key = jax.random.key(2)
    eager, traced = noise(key, 32, 3), jax.jit(lambda k: noise(k, 32, 3))(key)
    np.testing.assert_allclose(eager, traced, rtol=1e-12)
    np.testing.assert_array_equal(eager, noise(key, 32, 3))
    assert not np.any(eager == noise(jax.random.key(3), 32, 3)), "another key, other draws"
    scanned = jax.jit(lambda k: jax.lax.scan(lambda c, k: (c, noise(k, 4, 2)), 0, jax.random.split(k, 5))[1])(key)
    assert scanned.shape == (5, 4, 2) and bool(jnp.isfinite(scanned).all())


@each_noise
@pytest.mark.parametrize("wide", [True, False], ids=["float64", "float32"])
def test_they_are_finite_in_either_precision(noise, wide):
    """In 32 bits a uniform must not round to 1, whose quantile is infinite."""
    with jax.enable_x64(wide):
        eps = noise(jax.random.key(0), 2**16, 8)
        assert eps.dtype == (jnp.float64 if wide else jnp.float32)
        assert bool(jnp.isfinite(eps).all()) and 4 < float(jnp.abs(eps).max()) < 7
        assert abs(float(eps.mean())) < 0.01 and abs(float((eps**2).mean()) - 1) < 0.02


@pytest.mark.parametrize("wide", [True, False], ids=["float64", "float32"])
def test_the_last_of_all_points_is_finite(wide, monkeypatch):
    """The first point of the sequence is 0; shifted by ones alone it is the largest that there is."""
    monkeypatch.setattr(jax.random, "bits", lambda key, shape, dtype: jnp.full(shape, 2**32 - 1, dtype))
    with jax.enable_x64(wide):
        last = draws.sobol(jax.random.key(0), 1, 1)
    assert 5 < float(last[0, 0]) < 7


@each_noise
@pytest.mark.parametrize(
    ("num_samples", "dim", "word"), [(0, 2, "num_samples"), (2.5, 2, "num_samples"), (2, 0, "dim")]
)
def test_counts_are_checked(noise, num_samples, dim, word):
    with pytest.raises(ValueError, match=word):
        noise(jax.random.key(0), num_samples, dim)


def test_what_only_some_can_do():
    with pytest.raises(ValueError, match="num_samples: got 7, needs an even number"):
        draws.antithetic(jax.random.key(0), 7, 2)
    with pytest.raises(ValueError, match="noise_dim: got 21202, needs at most 21201"):
        draws.sobol(jax.random.key(0), 2, 21202)
