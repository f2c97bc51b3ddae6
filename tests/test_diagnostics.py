"""Prior dominance, predictive checks and interval coverage against closed forms and SciPy."""

import dataclasses
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kl_oracles import gaussian_kl
from scipy import integrate, stats
from zscores import LIMIT, assert_mean

from vi_lab import Bernoulli, FullRank, MeanField, Mixture, diagnostics, models
from vi_lab.diagnostics import interval_coverage, predictive_check, prior_dominance

SEED = jax.random.key(5)
X = np.array([1.2, -0.4, 2.0, 0.3, 1.1])
NORMAL = models.conjugate_normal(X, noise_std=1.5, prior_std=0.8)
DESIGN = np.array([[1.0, 0.5], [1.0, -0.7], [1.0, 2.0]])
REGRESSION = models.conjugate_regression(DESIGN, [1.0, 0.2, 3.0], prior_std=2.0)
SCHOOLS = models.eight_schools()
GAUSSIAN = models.gaussian([1.0, -1.0], [[1.0, 0.8], [0.8, 1.0]])


@pytest.mark.parametrize("model", [NORMAL, REGRESSION], ids=["normal", "regression"])
def test_kl_and_contraction_of_conjugate_models(model):
    """Exact, both: the textbook KL, and one minus the ratio of marginal variances."""
    q, prior = model.posterior, model.prior
    found = prior_dominance(q, SEED, model)
    np.testing.assert_allclose(found.kl.value, gaussian_kl(q.mean, q.cov(), prior.mean, prior.cov()), rtol=1e-10)
    assert found.kl.std_error == 0
    np.testing.assert_allclose(found.contraction, 1 - np.diag(q.cov()) / np.diag(prior.cov()), rtol=1e-10)


def test_contraction_of_one_mean():
    """1 - 1 / (1 + n s0^2 / s^2)."""
    found = prior_dominance(NORMAL.posterior, SEED, NORMAL).contraction
    np.testing.assert_allclose(found, 1 - 1 / (1 + 5 * 0.8**2 / 1.5**2), rtol=1e-10)


def test_spread_of_the_log_likelihood(key):
    """log p(x|z) is a (z - mean x)^2, a = -n / 2 s^2; under N(m, v) variance a^2 (2 v^2 + 4 v (m - mean x)^2)."""
    found = [prior_dominance(NORMAL.posterior, one, NORMAL, num_samples=1000) for one in jax.random.split(key, 40)]
    for name, q in (("log_likelihood_std", NORMAL.prior), ("log_likelihood_std_q", NORMAL.posterior)):
        variance, offset = float(q.std[0]) ** 2, float(q.mean[0]) - X.mean()
        expected = (5 / 2 / 1.5**2) ** 2 * (2 * variance**2 + 4 * variance * offset**2)
        assert_mean(np.square([getattr(one, name) for one in found]), expected, name)


def test_a_prior_without_moments(key):
    """Eight schools: of log tau, whose prior has quantiles log 5 tan(pi u / 2), by draws; of the rest as of normals.
    KL by Monte Carlo: the prior's own is zero.
    """
    stds = np.array([2.0, 0.5] + 8 * [0.9])
    found = [prior_dominance(MeanField.from_std(np.zeros(10), stds), one, SCHOOLS) for one in jax.random.split(key, 15)]
    widths = 2 * stats.norm.ppf(0.75) * np.array([5.0, 0.0] + 8 * [1.0])
    widths[1] = np.log(np.tan(0.375 * np.pi) / np.tan(0.125 * np.pi))
    expected = 1 - (2 * stats.norm.ppf(0.75) * stds / widths) ** 2
    ratios = np.array([1 - one.contraction for one in found]) ** -0.5  # the prior's width: its bias is one in n
    assert_mean(ratios, (1 - expected) ** -0.5, "width of the prior")
    z = MeanField.from_std(np.zeros(10), stds).sample(SEED, 200_000)
    plain = np.asarray(MeanField.from_std(np.zeros(10), stds).log_prob(z) - SCHOOLS.prior.log_prob(z))
    kls = [one.kl.value for one in found]
    spread = np.hypot(np.std(kls) / np.sqrt(15), plain.std() / np.sqrt(200_000))
    assert abs(np.mean(kls) - plain.mean()) < LIMIT * spread
    same = prior_dominance(SCHOOLS.prior, key, SCHOOLS)
    assert same.kl.value == 0 and np.all(np.abs(same.contraction) < 0.2)


def test_coins_contract_by_their_variances():
    model = models._base.posterior_model(Bernoulli([0.0, 0.0]), jax.tree_util.Partial(jnp.sum))
    found = prior_dominance(Bernoulli.from_probs([0.9, 0.5]), SEED, model)
    np.testing.assert_allclose(found.contraction, [1 - 0.09 / 0.25, 0], atol=1e-12)


@pytest.mark.parametrize("prior", [Bernoulli([0.0, 0.0]), Mixture([0.0, 0.0], 2 * (Bernoulli([0.0, 0.0]),))])
def test_mixtures_of_coins_contract_by_their_variances(prior):
    q = Mixture([0.0, 0.0], (Bernoulli.from_probs([0.8, 0.5]), Bernoulli.from_probs([1 - 1e-9, 0.5])))
    model = models._base.posterior_model(prior, jax.tree_util.Partial(jnp.sum))
    np.testing.assert_allclose(prior_dominance(q, SEED, model).contraction, [1 - 0.09 / 0.25, 0], atol=1e-6)


def test_a_likelihood_of_bounded_support():
    """-inf at some draws of the prior: the spread is infinite, and not NaN."""
    model = dataclasses.replace(NORMAL, log_likelihood=lambda z: jnp.where(z[0] > 0, 0.0, -jnp.inf))
    found = prior_dominance(MeanField([9.0], [0.0]), SEED, model)
    assert found.log_likelihood_std == np.inf and found.log_likelihood_std_q == 0


def test_predictive_p_value_of_the_mean(key):
    """x_rep's mean is N(m, v + s^2 / n): a normal tail, of an exact posterior and of a q that is far off."""
    for q in (NORMAL.posterior, MeanField.from_std([-1.0], [0.3])):
        found = predictive_check(q, key, NORMAL, X, jnp.mean, num_samples=20_000)
        variance = float(q.std[0]) ** 2 + 1.5**2 / 5
        expected = stats.norm(float(q.mean[0]), variance**0.5).sf(X.mean())
        assert abs(found.p_value - expected) < LIMIT * np.sqrt(expected * (1 - expected) / 20_000)
        np.testing.assert_allclose(found.observed, X.mean())
        assert found.replicated.shape == (20_000,)
        np.testing.assert_allclose(np.var(found.replicated), variance, rtol=LIMIT * np.sqrt(2 / 20_000))


def test_predictive_p_value_of_the_largest(key):
    """P(max < t) is the integral of Phi((t - z) / s)^n over q, by SciPy."""
    q = stats.norm(float(NORMAL.posterior.mean[0]), float(NORMAL.posterior.std[0]))
    below = integrate.quad(lambda z: q.pdf(z) * stats.norm(z, 1.5).cdf(X.max()) ** 5, -8, 8)[0]
    found = predictive_check(NORMAL.posterior, key, NORMAL, X, jnp.max, num_samples=20_000)
    assert abs(found.p_value - (1 - below)) < LIMIT * np.sqrt(below * (1 - below) / 20_000)


def test_ties_count_as_at_or_above():
    assert predictive_check(NORMAL.posterior, SEED, NORMAL, X, jnp.size).p_value == 1


def test_coverage_of_the_mean_field_optimum(key):
    """2 Phi(c sqrt(1 - rho^2)) - 1 in both coordinates, from exact quantiles, by draws of a known marginal."""
    q = MeanField.from_std([1.0, -1.0], [0.6, 0.6])
    reference = GAUSSIAN.posterior.sample(key, 40_000)
    for level in (0.5, 0.9):
        expected = 2 * stats.norm.cdf(stats.norm.ppf((1 + level) / 2) * 0.6) - 1
        found = interval_coverage(q, SEED, reference, level=level)
        assert np.all(np.abs(found - expected) < LIMIT * np.sqrt(expected * (1 - expected) / 40_000))


def test_coverage_by_draws_of_a_family_without_quantiles(key):
    """The prior of eight schools as its own reference: `level`, and the noise of 4,000 draws on both sides."""
    found = interval_coverage(SCHOOLS.prior, key, SCHOOLS.prior.sample(SEED, 4000), level=0.8)
    assert np.all(np.abs(found - 0.8) < LIMIT * np.sqrt(2 * 0.8 * 0.2 / 4000))


def test_a_reference_outside_is_covered_by_nothing():
    q = FullRank.standard(2)
    found = interval_coverage(q, SEED, [[9.0, 0.0], [8.0, 9.0]])
    np.testing.assert_array_equal(found, [0.0, 0.5])


def of(model, **fields):
    return lambda: prior_dominance(NORMAL.posterior, SEED, dataclasses.replace(model, **fields))


def check_with(statistic, observed=X, model=NORMAL):
    return lambda: predictive_check(model.posterior, SEED, model, observed, statistic, num_samples=10)


nan_above = lambda z: jnp.where(z[0] > 0, jnp.nan, 0.0)  # noqa: E731
BAD = {
    "no prior": (lambda: prior_dominance(GAUSSIAN.posterior, SEED, GAUSSIAN), "model: got one without `prior`"),
    "log joint": (lambda: prior_dominance(NORMAL.posterior, SEED, NORMAL.log_joint), "model: got one without `prior`"),
    "no likelihood": (of(NORMAL, log_likelihood=None), "model: got one without `log_likelihood`"),
    "NaN likelihood": (of(NORMAL, log_likelihood=nan_above), r"model.log_likelihood: got NaN or \+inf"),
    "dimension": (of(REGRESSION), "p: got dim 2, needs dim 1"),
    "few": (lambda: prior_dominance(NORMAL.posterior, SEED, NORMAL, num_samples=1), "num_samples: got 1"),
    "no simulate": (check_with(jnp.mean, model=GAUSSIAN), "model: got one without `simulate`"),
    "model's dimension": (
        lambda: predictive_check(MeanField.standard(3), SEED, NORMAL, X, jnp.sum),
        "model: got dim 1, needs dim 3, that of q",
    ),
    "data": (check_with(jnp.mean, X[:4]), r"observed: got shape \(4,\), needs shape \(5,\)"),
    "statistic": (check_with(jnp.abs), r"statistic: got shape \(5,\), needs a single number"),
    "NaN": (check_with(lambda x: jnp.log(-jnp.abs(x[0]))), "statistic: got NaN of the observed data: True; of 10 data"),
    "matrix": (lambda: interval_coverage(NORMAL.posterior, SEED, X), r"reference: got shape \(5,\), needs draws"),
    "columns": (lambda: interval_coverage(NORMAL.posterior, SEED, np.ones((3, 2))), r"reference: got shape \(3, 2\)"),
    "level": (lambda: interval_coverage(NORMAL.posterior, SEED, X[:, None], level=90.0), "level: got 90, needs"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("name", diagnostics.__all__)
def test_every_public_name_is_documented(name):
    thing = getattr(diagnostics, name)
    assert (
        inspect.isclass(thing)
        or not callable(thing)
        or all(word in thing.__doc__ for word in ("nats", "Raises", "chapter 6"))
    )
