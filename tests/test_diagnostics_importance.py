"""Pareto k-hat against the true k of Gaussians; evidence and effective sample size against closed forms.

True k: with the eigenvalues lambda of L^T P L, the weight of q = N(m, L L^T) under a posterior of precision P is
w = c exp(sum_i (1 - lambda_i) e_i^2 / 2) at standard normal e, up to a shift, so that E_q[w^r] is finite exactly for
r (1 - lambda_i) < 1: k = 1 - min lambda_i, if that is positive.
"""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from zscores import LIMIT, assert_mean, assert_variance

from vi_lab import Bernoulli, FullRank, MeanField, Mixture, chi2, models, renyi
from vi_lab.diagnostics import importance_evidence, pareto_k

SEED = jax.random.key(3)
REPEATS = 50
ONE = models.gaussian([0.0], [[1.0]])
SCHOOLS = models.eight_schools()


def correlated(rho):
    return models.gaussian([0.0, 0.0], [[1.0, rho], [rho, 1.0]])


def narrow(k):
    """q = N(0, s^2) for N(0, 1), whose k is 1 - s^2."""
    return MeanField.from_std([0.0], [np.sqrt(1 - k)]), ONE


def mean_field(rho):
    """The optimum, variances 1 / P_ii = 1 - rho^2, whose k is |rho|."""
    return MeanField.from_std(np.zeros(2), np.full(2, np.sqrt(1 - rho**2))), correlated(rho)


CASES = {"narrow": narrow, "mean field": mean_field}


def slope_at_threshold(k, num_samples, num_tail):
    """What a generalized Pareto fit to exp(k e^2 / 2) sees: the derivative of the inverse hazard (von Mises) where the
    tail begins, k u m + m / u + u m - 1 with u = Phi^-1(1 - M / 2n) and Mills' ratio m. It tends to k as u does to inf.
    """
    u = stats.norm.isf(num_tail / num_samples / 2)
    mills = stats.norm.sf(u) / stats.norm.pdf(u)
    return k * u * mills + mills / u + u * mills - 1


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("k", [0.3, 0.9])
def test_true_k_is_where_the_moments_of_the_weights_end(case, k):
    """E_q[w^r] is a Rényi divergence of order 1 - r, finite just below r = 1 / k and infinite just above."""
    q, model = CASES[case](k)
    assert np.isfinite(renyi(q, model.posterior, 1 - 0.99 / k))
    assert np.isneginf(renyi(q, model.posterior, 1 - 1.01 / k))


BIAS = {0.1: (0.0, 0.08), 0.3: (-0.02, 0.05), 0.5: (-0.06, 0.01), 0.7: (-0.10, -0.02), 0.9: (-0.14, -0.05)}


@pytest.mark.parametrize(("case", "k"), [("narrow", k) for k in BIAS] + [("mean field", k) for k in (0.5, 0.7, 0.9)])
def test_pareto_k_of_gaussians(case, k, key):
    """4,000 draws: the mean over runs lies in the band, low near 1, and where the slope at the threshold says it does;
    the spread is that of maximum likelihood, (1 + k) / sqrt(M), give or take ArviZ's prior and the threshold.
    """
    q, model = CASES[case](k)
    found = [pareto_k(q, one, model.log_joint) for one in jax.random.split(key, REPEATS)]
    values, num_tail = np.array(found, float), found[0].num_tail
    assert num_tail == 190 and found[0].num_zero == 0
    std_error = values.std(ddof=1) / np.sqrt(REPEATS)
    low, high = BIAS[k]
    assert k + low - 3 * std_error < values.mean() < k + high + 3 * std_error
    assert abs(values.mean() - slope_at_threshold(k, 4000, num_tail)) < 0.02 + LIMIT * std_error
    expected = (1 + k) / np.sqrt(num_tail)
    assert 0.45 * expected < values.std(ddof=1) < 1.5 * expected  # 50 runs know a spread to a tenth
    inside = np.mean([one.lower <= k <= one.upper for one in found])
    stated = 0.95 if k <= 0.5 else 0.9
    assert inside > stated - LIMIT * np.sqrt(stated * (1 - stated) / REPEATS)


def test_pareto_k_agrees_with_maximum_likelihood(key):
    """SciPy's generalized Pareto fit to the same 190 exceedances, apart from ArviZ's ten draws' worth of prior."""
    q, model = mean_field(0.8)
    k = pareto_k(q, key, model.log_joint)
    z = np.asarray(q.sample(key, 4000))
    w = np.sort(np.exp(np.asarray(model.posterior.log_prob(z) - q.log_prob(z))))
    fitted = stats.genpareto.fit(w[-190:] - w[-191], floc=0)[0]
    assert abs(k - (190 * fitted + 5) / 200) < 0.03
    np.testing.assert_allclose([k.lower, k.upper], [k - 2 * (1 + k) / 190**0.5, k + 2 * (1 + k) / 190**0.5])


def test_bounded_weights():
    """A q that is wider in all of `dim` directions has k = -2 / dim; in many dimensions no draw comes near the bound,
    and k-hat reads high, as its docstring says.
    """
    reads = {}
    for dim in (1, 2, 4, 40):
        q, p = MeanField.from_std(np.zeros(dim), np.full(dim, np.sqrt(2))), models.gaussian(np.zeros(dim), np.eye(dim))
        found = [float(pareto_k(q, one, p.log_joint)) for one in jax.random.split(SEED, 6)]
        reads[dim] = np.mean(found)
    for dim in (1, 2, 4):
        assert abs(reads[dim] + 2 / dim) < 0.25 / dim + 0.12
    assert 0.7 < reads[40] < 1.2


def test_evidence_is_unbiased_and_its_error_honest(key):
    """mean w has mean p(x), and the delta-method error is the spread of log mean w. k is 0.2: four moments and more."""
    q = MeanField.from_std([0.2], [np.sqrt(0.8)])
    found = [importance_evidence(q, one, ONE.log_joint, num_samples=2000) for one in jax.random.split(key, 100)]
    logs = np.array([one.log_evidence for one in found])
    assert_mean(np.exp(logs), 1.0, "evidence")
    assert_variance(logs, np.mean([one.std_error**2 for one in found]), "log evidence")
    np.testing.assert_allclose(np.mean([one.std_error**2 for one in found]) * 2000, chi2(ONE.posterior, q), rtol=0.1)


def test_effective_sample_size_is_the_closed_form(key):
    """n / (1 + chi2(p, q)), where the weights have a fourth moment."""
    q = MeanField.from_std([0.3, 0.0], [1.1, 1.0])
    model = correlated(0.5)
    result = importance_evidence(q, key, model.log_joint, num_samples=100_000)
    np.testing.assert_allclose(result.effective_sample_size, 100_000 / (1 + chi2(model.posterior, q)), rtol=0.03)


def test_evidence_of_conjugate_regression_and_eight_schools(key):
    """z-scores of the estimate against the exact evidence. Eight schools: half of q is the prior, so that the weights
    are bounded by twice the largest likelihood, and a z-test holds.
    """
    design, y = np.random.default_rng(1).normal(size=(6, 2)), np.arange(6.0)
    regression = models.conjugate_regression(design, y)
    wide = FullRank(regression.posterior.mean, 1.3 * regression.posterior.scale_tril)
    center = MeanField.from_std([4.4, 0.8] + 8 * [0.0], [3.3, 1.2] + 8 * [1.0])
    for q, model in ((wide, regression), (Mixture([0.0, 0.0], (center, SCHOOLS.prior)), SCHOOLS)):
        result = importance_evidence(q, key, model.log_joint, num_samples=20_000)
        assert abs(result.log_evidence - model.log_evidence) < LIMIT * result.std_error
        assert result.std_error < 0.05
        assert result.pareto_k < 0.5


def test_equal_weights_have_no_tail():
    """Where q is the posterior what is left is rounding, in 32 bits as well as in 64."""
    model = correlated(0.6)
    result = importance_evidence(model.posterior, SEED, model.log_joint)
    assert result.pareto_k == result.pareto_k.lower == result.pareto_k.upper == -np.inf
    np.testing.assert_allclose(result.effective_sample_size, 4000)
    single = jax.tree.map(lambda leaf: leaf.astype(np.float32), model.posterior)
    assert pareto_k(single, SEED, lambda z: 300 + single.log_prob(z)) == -np.inf
    coins = Bernoulli([0.0, 1.0])
    assert pareto_k(coins, SEED, lambda z: coins.log_prob(z) + 0.1 * z[0]) == -np.inf  # the tail is one tie


def test_draws_without_mass_are_counted():
    """p is half of N(0, 1): the weights that are not zero all equal 1 but for q's width, and k is that of the rest."""
    q = narrow(0.4)[0]
    half = lambda z: jnp.where(z[0] > 0, ONE.log_joint(z), -jnp.inf)  # noqa: E731
    k = pareto_k(q, SEED, half, num_samples=8000)
    assert abs(k.num_zero - 4000) < LIMIT * np.sqrt(2000)
    assert k.lower < 0.4 < k.upper
    result = importance_evidence(q, SEED, half, num_samples=8000)
    assert abs(result.log_evidence - np.log(0.5)) < LIMIT * result.std_error
    assert copy.copy(k).num_zero == k.num_zero and f"{k:.2f}" == f"{float(k):.2f}"


def test_a_single_weight_that_outweighs_all_is_infinite():
    """Weights that are 700 nats apart leave nothing to fit a tail to: ArviZ's answer, and no NaN in the interval."""
    k = pareto_k(MeanField([0.0], [0.0]), SEED, lambda z: 1e4 * z[0] ** 2)
    assert k == k.lower == k.upper == np.inf


BAD = {
    "NaN": (lambda z: jnp.where(z[0] > 2, jnp.nan, 0.0), r"log_joint: got NaN at \d+ of 4000 draws of q, needs"),
    "infinite": (lambda z: jnp.where(z[0] > 2, jnp.inf, 0.0), r"log_joint: got \+inf at \d+ of 4000 draws"),
    "all zero": (lambda z: -jnp.inf * jnp.exp(z[0]), "log_joint: got -inf at 4000 of 4000 draws of q, .* mass at 25"),
    "vector": (lambda z: z, r"log_joint: got a result of shape \(1,\)"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("measure", [pareto_k, importance_evidence])
def test_bad_log_joints_are_named(measure, case):
    log_joint, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        measure(MeanField.standard(1), SEED, log_joint)


def test_other_bad_input_is_named():
    with pytest.raises(ValueError, match="num_samples: got 24, needs a whole number of at least 25"):
        pareto_k(MeanField.standard(1), SEED, ONE.log_joint, num_samples=24)
    with pytest.raises(ValueError, match="q: got a float, needs a distribution"):
        importance_evidence(1.0, SEED, ONE.log_joint)
