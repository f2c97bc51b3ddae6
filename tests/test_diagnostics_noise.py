"""The gradient's signal-to-noise ratio against its moments by exact quadrature."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gradient_oracles import NODES, WEIGHTS
from zscores import assert_mean

from vi_lab import Bernoulli, MeanField, Mixture, draws, models, reparameterized, sticking_the_landing
from vi_lab.diagnostics import gradient_snr

SEED = jax.random.key(4)
COV = np.array([[1.0, 0.6], [0.6, 0.8]])
PRECISION = np.linalg.inv(COV)
MEAN = np.array([0.5, -0.3])
TARGET = models.gaussian(MEAN, COV)
Q = MeanField.from_std([1.5, 0.2], [0.7, 1.2])
OPTIMUM = MeanField.from_std(MEAN, np.diag(PRECISION) ** -0.5)


def moments(q):
    """Mean and trace of the covariance of one draw's gradient (means, log scales) on TARGET, by Gauss and Hermite.

    d/dm = -P (z - mu) and d/dlog s_i = -(P (z - mu))_i s_i e_i + 1; the score of q sums to zero in the first, 1 in the
    second. The integrands are polynomials, so that the sums are exact.
    """
    eps = np.array(list(product(NODES, repeat=2)))
    mass = np.array([a * b for a, b in product(WEIGHTS, repeat=2)])
    std = np.asarray(q.std)
    pull = -(np.asarray(q.mean) + std * eps - MEAN) @ PRECISION
    g = np.concatenate([pull, pull * std * eps + 1], axis=1)
    mean = mass @ g
    return mean, float(mass @ ((g - mean) ** 2).sum(axis=1))


def snr(q):
    mean, trace = moments(q)
    return np.sqrt(mean @ mean / trace)


@pytest.mark.parametrize("num_samples", [1, 16])
def test_snr_of_a_gaussian_target(num_samples, key):
    """Mean and variance over runs: snr^2 is unbiased but for a part in R, and its variance follows from that of |g|^2,
    4 snr^2 / R to leading order, which skewness and the trace's own noise change by less than a half.
    """
    found = [
        gradient_snr(Q, one, TARGET.log_joint, num_samples=num_samples, num_repeats=2000, gradient=reparameterized)
        for one in jax.random.split(key, 30)
    ]
    expected = snr(Q) * np.sqrt(num_samples)
    assert_mean(np.square(found), expected**2, "squared ratio")
    assert 0.3 * expected / 2000**0.5 < np.std(found) < 3 * max(expected, 1) / 2000**0.5


def test_snr_at_the_optimum_is_told_from_zero_no_more(key):
    """E g = 0 there: what is left is below 2 / sqrt(R), as the docstring says, in nearly all of 40 runs, and where the
    mean square came out below its expectation it is zero.
    """
    found = np.array([gradient_snr(OPTIMUM, one, TARGET.log_joint) for one in jax.random.split(key, 40)])
    assert np.mean(found < 2 / np.sqrt(256)) > 0.9
    assert np.mean(found == 0) > 0.2
    assert snr(OPTIMUM) < 1e-12


def test_snr_of_exact_fits_and_constant_gradients():
    """Sticking the landing leaves nothing but rounding at the posterior, 0; without noise, inf; NaN in neither."""
    for dtype in (np.float64, np.float32):
        posterior = jax.tree.map(lambda leaf: leaf.astype(dtype), TARGET.posterior)  # noqa: B023
        assert gradient_snr(posterior, SEED, posterior.log_prob, gradient=sticking_the_landing) == 0

    def constant(q, key, log_joint, *, num_samples):
        return 0.0, jax.tree.map(jnp.ones_like, q)

    assert gradient_snr(Q, SEED, TARGET.log_joint, gradient=constant) == np.inf


def test_snr_serves_every_family_by_the_gradient_that_fit_chooses():
    """A coin's gradient by local expectation is exact where log p is linear: no noise at all."""
    coins = Bernoulli([0.3, -1.0])
    assert gradient_snr(coins, SEED, lambda z: z @ jnp.array([1.0, 2.0])) > 1e6
    mixture = Mixture([0.0, 0.0], (MeanField([-1.0], [0.0]), MeanField([2.0], [0.0])))
    assert 0 < gradient_snr(mixture, SEED, models.bimodal().log_joint, num_samples=4) < np.inf


def test_snr_gains_by_better_draws():
    """Antithetic draws estimate the means' gradient on a Gaussian without noise."""
    far = MeanField(MEAN + 3, np.log(np.diag(PRECISION)) / -2)
    plain, paired = (
        gradient_snr(far, SEED, TARGET.log_joint, num_samples=8, gradient=reparameterized, noise=noise)
        for noise in (draws.iid, draws.antithetic)
    )
    np.testing.assert_allclose(plain, snr(far) * np.sqrt(8), rtol=0.2)
    assert paired > plain


def broken(z):
    return jnp.where(z[0] > 1, jnp.nan, -(z[0] ** 2))


ONE = MeanField.standard(1)
BAD = {
    "gradient": (
        lambda: gradient_snr(Q, SEED, TARGET.log_joint, gradient="path"),
        "gradient: got 'path', needs an est",
    ),
    "repeats": (lambda: gradient_snr(Q, SEED, TARGET.log_joint, num_repeats=1), "num_repeats: got 1"),
    "NaN": (lambda: gradient_snr(ONE, SEED, broken), r"log_joint: got a value or a gradient .* in \d+ of 256 est"),
    "no q": (lambda: gradient_snr(3, SEED, broken), "q: got a int, needs a distribution"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_families_that_the_gradient_cannot_serve():
    with pytest.raises(NotImplementedError, match="score_function"):
        gradient_snr(Bernoulli([0.0]), SEED, lambda z: z[0], gradient=reparameterized)
