"""KL divergences: closed form, quadrature and Monte Carlo against each other and against NumPyro
and SciPy.
"""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import scipy.integrate
import scipy.stats
from zscores import LIMIT, assert_mean, assert_variance

from vi_lab import Estimate, FullRank, MeanField, Mixture, kl, kl_monte_carlo, kl_quadrature

DTYPES = [jnp.float32, jnp.float64]


def random_gaussian(rng, dim: int, full_rank: bool, spread: float = 1.0):
    mean = spread * rng.normal(size=dim)
    if not full_rank:
        return MeanField(mean, 0.4 * spread * rng.normal(size=dim))
    factor = rng.normal(size=(dim, dim + 2)) / np.sqrt(dim + 2)
    return FullRank.from_cov(mean, np.eye(dim) * 0.3 + factor @ factor.T)


def random_pairs(count: int, dims=(1, 2, 3, 6)):
    rng = np.random.default_rng(7)
    for i in range(count):
        dim = dims[i % len(dims)]
        yield tuple(random_gaussian(rng, dim, full_rank) for full_rank in [(0, 0), (0, 1), (1, 0), (1, 1)][i // 4 % 4])


def to(dtype, q):
    return jax.tree.map(lambda leaf: leaf.astype(dtype), q)


def by_numpyro(q, p) -> float:
    """KL(q || p): NumPyro's order of arguments is (q, p) as well, which `test_direction` pins by hand."""
    q, p = (dist.MultivariateNormal(g.mean, covariance_matrix=g.cov()) for g in (q, p))
    return float(dist.kl_divergence(q, p))


@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.float32, 2e-5), (jnp.float64, 1e-11)])
def test_closed_form_agrees_with_numpyro_on_240_pairs(dtype, tolerance):
    for q, p in random_pairs(240):
        value = kl(to(dtype, q), to(dtype, p))
        assert value.dtype == dtype and value >= 0
        np.testing.assert_allclose(value, by_numpyro(q, p), rtol=tolerance, atol=tolerance)


def test_direction():
    """KL(N(0,1) || N(0,s^2)) = log s + 1/(2 s^2) - 1/2: by hand, expectation under the first argument."""
    q, p = MeanField.from_std([0.0], [1.0]), MeanField.from_std([0.0], [3.0])
    np.testing.assert_allclose(kl(q, p), np.log(3) + 1 / 18 - 0.5, rtol=1e-12)
    np.testing.assert_allclose(kl(p, q), -np.log(3) + 9 / 2 - 0.5, rtol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_closed_form_is_zero_at_equality_and_exact_near_it(dtype):
    q = to(dtype, MeanField([0.3, -2.0], [0.5, -1.0]))
    assert kl(q, q) == 0
    assert kl(to(dtype, FullRank.standard(3)), to(dtype, FullRank.standard(3))) == 0
    near = to(dtype, MeanField([0.3, -2.0], [0.5 + 2.0**-10, -1.0]))
    np.testing.assert_allclose(kl(near, q), 2.0**-20, rtol=1e-2)  # KL ~ (change of log_std)^2


@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.float32, 1e-4), (jnp.float64, 1e-9)])
def test_quadrature_agrees_with_the_closed_form_on_200_pairs(dtype, tolerance):
    for q, p in random_pairs(200, dims=(1, 1, 1, 2)):
        half = 9 * np.asarray(q.std)
        value = kl_quadrature(to(dtype, q), to(dtype, p), q.mean - half, q.mean + half, num_points=80)
        np.testing.assert_allclose(value, kl(q, p), rtol=tolerance, atol=tolerance)


def test_quadrature_agrees_with_scipy_on_a_mixture():
    q, p = MeanField([0.5], [-0.2]), Mixture([0.2, -0.4], (MeanField([-1.0], [0.0]), MeanField([2.0], [0.3])))

    def integrand(z):
        w = np.exp([0.2, -0.4]) / np.exp([0.2, -0.4]).sum()
        log_q = scipy.stats.norm.logpdf(z, 0.5, np.exp(-0.2))
        return np.exp(log_q) * (log_q - np.log(w @ scipy.stats.norm.pdf(z, [-1, 2], np.exp([0, 0.3]))))

    expected = scipy.integrate.quad(integrand, -8, 9, epsabs=1e-12)[0]
    np.testing.assert_allclose(kl_quadrature(q, p, -8, 9), expected, rtol=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("estimator", ["k1", "k3"])
def test_unbiased_estimators_agree_with_numpyro_on_200_pairs(estimator, dtype, key):
    """Scales are close, so that r = p/q has four moments and a z-score of 6 has a false-fail rate below 2e-6
    in all.
    """
    rng = np.random.default_rng(11)
    for i in range(200):
        dim = 1 + i % 4
        p = random_gaussian(rng, dim, full_rank=False, spread=0.3)
        q = MeanField(p.mean + 0.4 * rng.normal(size=dim), p.log_std + rng.uniform(-0.05, 0.3, size=dim))
        if i % 8 >= 4:  # correlations of 0.2 between neighbors
            tilt = np.eye(dim) + 0.2 * (np.eye(dim, k=1) + np.eye(dim, k=-1))
            q = FullRank.from_cov(q.mean, q.scale_tril @ tilt @ q.scale_tril)
        run = jax.random.fold_in(key, i)
        value, std_error = kl_monte_carlo(to(dtype, q), to(dtype, p), run, num_samples=8192, estimator=estimator)
        assert value.dtype == dtype
        assert abs(value - by_numpyro(q, p)) < 6 * std_error, f"pair {i}: {value} ± {std_error}"


# q = N(0,1), p = N(m,1), so log r = m z - m^2/2 at z ~ N(0,1) and KL = m^2/2; the moments of one draw's term:
MOMENTS = {
    "k1": lambda m: (m**2 / 2, m**2),
    "k2": lambda m: (m**2 / 2 + m**4 / 8, m**4 / 2 + m**6 / 4),
    "k3": lambda m: (m**2 / 2, np.exp(m**2) - 1 - m**2),
}


@pytest.mark.parametrize("m", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("estimator", MOMENTS)
def test_bias_and_standard_deviation_have_their_closed_forms(estimator, m, key):
    q, p, n = MeanField.standard(1), MeanField([m], [0.0]), 256
    mean, variance = MOMENTS[estimator](m)
    keys = jax.random.split(key, 8192)
    run = jax.jit(jax.vmap(lambda k: kl_monte_carlo(q, p, k, num_samples=n, estimator=estimator)))
    values, std_errors = run(keys)
    assert_mean(values, mean, f"{estimator}'s mean")
    assert_variance(values, variance / n, f"{estimator}'s variance")
    assert_mean(std_errors**2, variance / n, f"{estimator}'s squared standard error")


def test_self_normalized_does_not_see_a_constant_and_has_its_first_order_bias_and_variance(key):
    """log mean(r) adds about -Var(r) / (2n) of bias; to first order the terms are those of k3."""
    m, n = 0.5, 1024

    class Unnormalized:
        dim = 1

        def log_prob(self, z):
            return MeanField([m], [0.0]).log_prob(z) + 3.0

    def run(k):
        return kl_monte_carlo(MeanField.standard(1), Unnormalized(), k, num_samples=n, estimator="self_normalized")

    values, std_errors = jax.jit(jax.vmap(run))(jax.random.split(key, 8192))
    assert_mean(values, m**2 / 2 - np.expm1(m**2) / (2 * n), "self-normalised mean")
    variance = (np.expm1(m**2) - m**2) / n
    assert abs(np.var(values) / variance - 1) < 0.1
    assert abs(np.mean(std_errors**2) / variance - 1) < 0.1


class Uniform:
    """Uniform on [low, high]: a density that is zero somewhere."""

    dim = 1

    def __init__(self, low, high):
        self.low, self.high = low, high

    def log_prob(self, z):
        inside = (z[..., 0] >= self.low) & (z[..., 0] <= self.high)
        return jnp.where(inside, -jnp.log(self.high - self.low), -jnp.inf)

    def sample(self, key, num_samples):
        return jax.random.uniform(key, (num_samples, 1), minval=self.low, maxval=self.high)


def test_support_mismatch():
    """Zero weight where q = 0, infinite where p = 0 < q; KL(U(0,1) || N(0,1)) by hand."""
    q, p = Uniform(0.0, 1.0), MeanField.standard(1)
    by_hand = 0.5 * np.log(2 * np.pi) + 1 / 6
    np.testing.assert_allclose(kl_quadrature(q, p, 0, 1), by_hand, rtol=1e-12)
    assert kl_quadrature(p, q, -9, 9) == np.inf
    for estimator in ("k1", "k2", "k3", "self_normalized"):
        for target in (q, Uniform(50.0, 60.0)):  # some draws outside its support, and all of them
            estimate = kl_monte_carlo(p, target, jax.random.key(0), num_samples=100, estimator=estimator)
            assert estimate == Estimate(np.inf, np.inf)


class Broken(Uniform):
    def log_prob(self, z):
        return jnp.where(z[..., 0] > 0.5, jnp.nan, super().log_prob(z))


BROKEN = Broken(0.0, 1.0)
TWO, ONE = MeanField.standard(2), MeanField.standard(1)
KEY = jax.random.key(0)
BAD = {
    "kl dims": (lambda: kl(TWO, ONE), "p: got dim 1, needs dim 2, that of q"),
    "monte carlo dims": (lambda: kl_monte_carlo(TWO, ONE, KEY, num_samples=10), "p: got dim 1"),
    "one draw": (
        lambda: kl_monte_carlo(ONE, ONE, KEY, num_samples=1),
        "num_samples: got 1, needs .* at least 2",
    ),
    "fraction of a draw": (lambda: kl_monte_carlo(ONE, ONE, KEY, num_samples=2.5), "num_samples: got 2.5"),
    "estimator": (
        lambda: kl_monte_carlo(ONE, ONE, KEY, num_samples=9, estimator="k4"),
        "estimator: got 'k4', needs one of 'k1'",
    ),
    "quadrature dims": (lambda: kl_quadrature(TWO, ONE, -9, 9), "p: got dim 1"),
    "three dimensions": (
        lambda: kl_quadrature(MeanField.standard(3), MeanField.standard(3), -9, 9),
        "dim: got 3",
    ),
    "box upside down": (lambda: kl_quadrature(ONE, ONE, 9, -9), "lower, upper: got .* needs a finite box"),
    "box too small": (
        lambda: kl_quadrature(ONE, ONE, -1, 1),
        "lower, upper: got a box on which q integrates to 0.682",
    ),
    "NaN in p": (lambda: kl_quadrature(Uniform(0.0, 1.0), BROKEN, 0, 1), "p: got a log density that is NaN"),
    "NaN in q": (lambda: kl_quadrature(BROKEN, ONE, 0, 1), "q: got a log density that is NaN"),
    "NaN in a draw": (lambda: kl_monte_carlo(ONE, BROKEN, KEY, num_samples=99), "q, p: got a log density that is NaN"),
    "infinite box": (lambda: kl_quadrature(ONE, ONE, -np.inf, np.inf), "lower, upper: got"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_no_closed_form_names_the_other_ways():
    mixture = Mixture([0.0], (ONE,))
    for call in (lambda: kl(mixture, ONE), lambda: kl(ONE, mixture)):
        with pytest.raises(NotImplementedError, match=r"kl_monte_carlo[(].*densities in one or two.*kl_quadrature"):
            call()


def test_limit_is_what_the_docstrings_say():
    assert 2 * scipy.stats.norm.sf(LIMIT) < 6e-7
