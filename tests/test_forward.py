"""Forward KL: moment matching, importance sampling and maximum likelihood against SciPy, closed forms and coverage."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.optimize
import scipy.stats
from zscores import LIMIT, assert_mean

from vi_lab import (
    Flow,
    FullRank,
    MeanField,
    Mixture,
    effective_sample_size,
    fit_draws,
    forward_kl,
    importance_moment_match,
    kl,
    models,
    moment_match,
)

RNG = np.random.default_rng(5)
DRAWS = RNG.normal(size=(40, 2)) @ [[1.0, 0.4], [0.0, 0.6]] + [1.0, -2.0]
WEIGHTS = RNG.dirichlet(np.ones(40))
TARGET = FullRank.from_cov([0.4, -0.3], [[0.8, 0.3], [0.3, 0.6]])
Q = MeanField.from_std([0.0, 0.0], [1.2, 1.1])
GAUSSIAN = models.gaussian(TARGET.mean, TARGET.cov())


def shifted_joint(z):
    """An unknown evidence of exp(3): neither the forward KL nor the moments may see it."""
    return TARGET.log_prob(z) + 3.0


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
def test_moments_agree_with_numpy(weights):
    q = moment_match(DRAWS, weights)
    cov = np.cov(DRAWS.T, aweights=np.ones(40) if weights is None else weights, ddof=0)
    np.testing.assert_allclose(q.mean, np.average(DRAWS, axis=0, weights=weights), rtol=1e-12)
    np.testing.assert_allclose(q.cov(), cov, rtol=1e-10)
    field = moment_match(DRAWS, weights, family=MeanField)
    np.testing.assert_allclose(field.std**2, np.diag(cov), rtol=1e-10)


@pytest.mark.parametrize("family", [FullRank, MeanField])
def test_matched_moments_are_the_maximum_of_the_likelihood(family):
    """SciPy climbs the weighted log likelihood over the family's own parameters and ends at the same moments."""
    start, unravel = jax.flatten_util.ravel_pytree(family.standard(2))
    loss = jax.jit(lambda flat: -WEIGHTS @ unravel(flat).log_prob(DRAWS))
    found = unravel(scipy.optimize.minimize(loss, start, jac=jax.jit(jax.grad(loss)), tol=1e-10).x)
    matched = moment_match(DRAWS, WEIGHTS, family=family)
    np.testing.assert_allclose(matched.mean, found.mean, atol=1e-5)
    np.testing.assert_allclose(matched.cov(), found.cov(), atol=1e-5)


def test_effective_sample_size_by_hand():
    log_w = jnp.log(jnp.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(effective_sample_size(log_w + 700), 36 / 14, rtol=1e-10)
    np.testing.assert_allclose(effective_sample_size(jnp.zeros(9)), 9, rtol=1e-12)
    np.testing.assert_allclose(effective_sample_size(jnp.array([0.0, -jnp.inf])), 1, rtol=1e-12)


def repeats(key, q, log_joint, num_samples, count):
    return jax.jit(jax.vmap(lambda k: forward_kl(q, k, log_joint, num_samples=num_samples)))(
        jax.random.split(key, count)
    )


def test_forward_kl_is_consistent_and_its_standard_error_is_right(key):
    """400 runs: bias of the order of 1/n removed by Richardson's rule, spread against the stated standard error."""
    near = MeanField.from_std([0.4, -0.3], [1.0, 0.85])  # here log mean w takes a third off the standard error
    few, many = (repeats(key, near, shifted_joint, n, 400) for n in (1000, 2000))
    assert_mean(2 * many.value - few.value, kl(TARGET, near), "forward KL, extrapolated")
    spread, stated = many.value.std(ddof=1), many.std_error.mean()
    assert abs(spread / stated - 1) < LIMIT / np.sqrt(2 * 400), "the standard error is the spread of the runs"
    covered = np.abs(many.value - kl(TARGET, near)) < 1.96 * many.std_error
    assert abs(covered.mean() - 0.95) < LIMIT * np.sqrt(0.95 * 0.05 / 400), f"covered {covered.mean()}"


def test_forward_kl_effective_sample_size(key):
    """n / (1 + chi2(p, q)), the closed form by SciPy's sum on a grid, to within a percent at 100,000 draws."""
    axis = np.linspace(-9, 9, 601)
    points = np.stack(np.meshgrid(axis, axis), axis=-1)
    log_p = scipy.stats.multivariate_normal.logpdf(points, TARGET.mean, TARGET.cov())
    log_q = scipy.stats.multivariate_normal.logpdf(points, Q.mean, Q.cov())
    second_moment = np.exp(2 * log_p - log_q).sum() * (axis[1] - axis[0]) ** 2
    result = forward_kl(Q, key, shifted_joint, num_samples=100_000)
    np.testing.assert_allclose(result.effective_sample_size, 100_000 / second_moment, rtol=0.02)


def test_forward_kl_of_the_posterior_itself_is_zero(key):
    result = forward_kl(TARGET, key, shifted_joint, num_samples=50)
    np.testing.assert_allclose([result.value, result.std_error], 0, atol=1e-12)
    np.testing.assert_allclose(result.effective_sample_size, 50, rtol=1e-10)


def test_forward_kl_is_blind_to_what_no_draw_has_met(key):
    """As its docstring says: q on one of two far modes gives the KL to that mode, nothing, with weights all equal."""
    result = forward_kl(MeanField([5.0], [0.0]), key, models.bimodal(separation=10.0).log_joint, num_samples=500)
    assert result.value < 1e-3 and result.effective_sample_size > 499


def test_draws_outside_the_support_weigh_nothing(key):
    """p = half of a Gaussian, q the whole: KL(p || q) = log 2."""
    half = lambda z: jnp.where(z[0] > 0, MeanField.standard(1).log_prob(z), -jnp.inf)  # noqa: E731
    result = forward_kl(MeanField.standard(1), key, half, num_samples=100_000)
    assert abs(result.value - np.log(2)) < LIMIT * result.std_error


def test_importance_moment_match_finds_the_moments(key):
    keys = jax.random.split(key, 200)
    q = jax.jit(jax.vmap(lambda k: importance_moment_match(Q, k, GAUSSIAN.log_joint, num_samples=5000).q))(keys)
    assert_mean(q.mean, TARGET.mean, "mean")
    bias = 3 / 5000  # a covariance by n weighted draws is low by about a draw's share
    covs = jax.vmap(lambda q: q.cov())(q)
    error = np.abs(covs.mean(0) - TARGET.cov()) - bias
    assert np.all(error < LIMIT * covs.std(0) / np.sqrt(200)), "covariance"


def test_mean_field_by_forward_kl_has_the_marginal_variances(key):
    matched = importance_moment_match(Q, key, GAUSSIAN.log_joint, num_samples=100_000, family=MeanField)
    np.testing.assert_allclose(matched.q.std**2, jnp.diag(TARGET.cov()), rtol=0.05)
    assert 20_000 < matched.effective_sample_size < 100_000


def test_fitting_draws_reaches_the_matched_gaussian(key):
    result = fit_draws(FullRank.standard(2), key, DRAWS, num_steps=3000, batch_size=400)
    best = moment_match(DRAWS)
    likelihood = lambda q: np.mean(scipy.stats.multivariate_normal.logpdf(DRAWS, q.mean, q.cov()))  # noqa: E731
    assert likelihood(best) - 1e-3 < likelihood(result.q) <= likelihood(best) + 1e-9
    assert result.trace.shape == (3000,)
    tail = np.asarray(result.trace[-500:])
    assert_mean(tail, likelihood(result.q), "trace")  # batches are independent, and q hardly moves any more


def test_fitting_draws_serves_a_mixture_and_a_flow(key):
    """The entropy of the banana bounds the mean log likelihood of any q: a mixture has to close half of the gap that a
    Gaussian leaves, a flow nine tenths.
    """
    posterior = models.banana(curvature=0.5, std=1.5).posterior
    draws = posterior.sample(jax.random.key(1), 4000)
    fresh = posterior.sample(jax.random.key(2), 4000)
    gap = lambda q: float(np.mean(posterior.log_prob(fresh) - q.log_prob(fresh)))  # noqa: E731
    gaussian = gap(moment_match(draws))
    mixture, flow = Mixture.standard(2, 4, key), Flow.standard(2, key=key)
    assert gap(fit_draws(mixture, key, draws, num_steps=1500, learning_rate=0.03).q) < 0.5 * gaussian
    assert gap(fit_draws(flow, key, draws, num_steps=1500, batch_size=512).q) < 0.1 * gaussian


def test_one_step_of_fitting_is_adams(key):
    """All draws alike: the batch is known, and the step is optax's own."""
    point, q = jnp.array([[2.0, -1.0]]), MeanField.standard(2)
    grad = jax.grad(lambda q: -q.log_prob(point[0]))(q)
    updates, _ = optax.adam(0.2).update(grad, optax.adam(0.2).init(q), q)
    result = fit_draws(q, key, jnp.repeat(point, 5, axis=0), num_steps=1, batch_size=3, learning_rate=0.2)
    np.testing.assert_allclose(result.q.mean, q.mean + updates.mean, rtol=1e-10)
    np.testing.assert_allclose(result.trace, [q.log_prob(point[0])], rtol=1e-10)


def test_fitting_works_under_jit_where_nothing_can_be_raised(key):
    run = lambda k, rate: fit_draws(Q, k, DRAWS, num_steps=5, learning_rate=rate)  # noqa: E731
    compiled, plain = jax.jit(lambda k: run(k, 0.01))(key), run(key, jnp.float32(0.01))
    np.testing.assert_allclose(compiled.trace, plain.trace, rtol=1e-6)
    assert not np.isfinite(jax.vmap(lambda k: run(k, 1e4).trace)(key[None])).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_singular_covariance_is_refused_whatever_its_rounding(dtype):
    """d draws in d dimensions lie in a plane: a Cholesky of their covariance fails about every second time."""
    for seed in range(30):
        z = np.random.default_rng(seed).normal(size=(3, 3)).astype(dtype) * [1, 1e3, 1e-3]
        with pytest.raises(ValueError, match=r"cov: .* positive definite beyond rounding"):
            FullRank.from_cov(np.zeros(3, dtype), np.cov(z.T).astype(dtype))
        repeated = np.concatenate([z, z]).astype(dtype)  # six draws, three places
        with pytest.raises(ValueError, match=r"z, weights: the covariance: .* positive definite"):
            moment_match(repeated)


def test_extreme_units_and_correlations_are_no_singularity():
    for cov in (np.diag([1e-12, 1e12]), np.array([[1.0, 1 - 1e-5], [1 - 1e-5, 1.0]])):
        for dtype in (np.float32, np.float64):
            q = FullRank.from_cov(np.zeros(2, dtype), cov.astype(dtype))
            np.testing.assert_allclose(q.cov(), cov, rtol=1e-6)


BAD = {
    "draws": (lambda: moment_match(DRAWS[0]), r"z: got shape \(2,\), needs draws of shape \(n, dim\)"),
    "NaN": (lambda: moment_match(DRAWS * np.nan), "z: got a value that is NaN"),
    "sum": (lambda: moment_match(DRAWS, 2 * WEIGHTS), "weights: got a sum of 2, needs weights that sum to one"),
    "sign": (lambda: moment_match(DRAWS, np.append(-0.1, WEIGHTS[1:])), "weights: got a smallest value of -0.1"),
    "NaN weight": (lambda: moment_match(DRAWS, np.append(np.nan, WEIGHTS[1:])), "weights: got a smallest value of nan"),
    "length": (lambda: moment_match(DRAWS, WEIGHTS[1:]), r"weights: got shape \(39,\), needs shape \(40,\)"),
    "few": (lambda: moment_match(DRAWS[:2]), "z: got 2 draws, 2 of them with weight, needs at least 3 for a FullRank"),
    "few by weight": (lambda: moment_match(DRAWS[:3], [0.5, 0.5, 0.0]), "z: got 3 draws, 2 of them with weight"),
    "one": (lambda: moment_match(DRAWS[:1], family=MeanField), "z: got 1 draws, .* at least 2 for a MeanField"),
    "on a line": (lambda: moment_match(DRAWS[:, :1] * [1.0, 0.3]), "z, weights: the covariance: got smallest eigenv"),
    "constant": (
        lambda: moment_match(DRAWS * [1.0, 0.0], family=MeanField),
        "z, weights: the variance: got a smallest value of 0",
    ),
    "few draws of q": (
        lambda: importance_moment_match(Q, jax.random.key(0), shifted_joint, num_samples=2),
        "num_samples: got 2 draws, 2 of them with weight, needs at least 3",
    ),
    "family": (lambda: moment_match(DRAWS, family=Mixture), "family: got .*Mixture.* needs one of .*FullRank"),
    "family by name": (
        lambda: importance_moment_match(Q, jax.random.key(0), shifted_joint, num_samples=9, family="full"),
        "family: got 'full'",
    ),
    "matrix": (lambda: effective_sample_size(jnp.zeros((2, 2))), r"log_w: got shape \(2, 2\)"),
    "all zero": (lambda: effective_sample_size(jnp.array([-jnp.inf])), "log_w: got a largest value of -inf"),
    "NaN log": (lambda: effective_sample_size(jnp.array([0.0, jnp.nan])), "log_w: got a largest value of nan"),
    "one draw": (lambda: forward_kl(Q, jax.random.key(0), shifted_joint, num_samples=1), "num_samples: got 1"),
    "dimension": (lambda: fit_draws(Q, jax.random.key(0), np.ones((5, 3))), r"draws: got shape \(5, 3\)"),
    "steps": (lambda: fit_draws(Q, jax.random.key(0), DRAWS, num_steps=0), "num_steps: got 0"),
    "batch": (lambda: fit_draws(Q, jax.random.key(0), DRAWS, batch_size=0), "batch_size: got 0"),
    "rate": (lambda: fit_draws(Q, jax.random.key(0), DRAWS, learning_rate=-1.0), "learning_rate: got a smallest"),
    "overflow": (
        lambda: fit_draws(Q, jax.random.key(0), DRAWS, num_steps=20, learning_rate=1e4),
        r"learning_rate, q or draws: got a mean log likelihood of .* before step \d+, needs .* a lower learning_rate",
    ),
    "overflow in the last step": (
        lambda: fit_draws(
            MeanField.standard(1), jax.random.key(0), 0.1 * np.ones((5, 1)), num_steps=1, learning_rate=1e4
        ),
        "learning_rate, q or draws: got a mean log likelihood of -inf before step 1, needs",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()
