"""Eight schools: joint and evidence against SciPy and NumPyro, moments against the reference of posteriordb."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import scipy.integrate
import scipy.stats
from zscores import assert_mean, assert_variance

from vi_lab import data, models
from vi_lab.quadrature import grid

SCHOOLS = {centered: models.eight_schools(centered=centered) for centered in (False, True)}
EFFECTS = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
STD_ERRORS = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
PUBLISHED = data.reference_posterior("eight_schools-eight_schools_noncentered")


def schools_joint(z, centered):
    """NumPyro's half-Cauchy with the Jacobian tau of its logarithm, normals by SciPy."""
    mu, tau, last = z[0], np.exp(z[1]), z[2:]
    norm = scipy.stats.norm
    prior = norm.logpdf(mu, 0, 5) + float(dist.HalfCauchy(5.0).log_prob(tau)) + z[1]
    effects = last if centered else mu + tau * last
    prior += norm.logpdf(last, mu, tau).sum() if centered else norm.logpdf(last).sum()
    return prior + norm.logpdf(EFFECTS, effects, STD_ERRORS).sum()


@pytest.mark.parametrize("centered", SCHOOLS)
def test_schools_joint_agrees_with_scipy(centered, key):
    model = SCHOOLS[centered]
    for z in np.asarray(jax.random.normal(key, (20, 10))):
        np.testing.assert_allclose(model.log_joint(z), schools_joint(z, centered), rtol=1e-9)
        np.testing.assert_allclose(model.log_joint(z), model.prior.log_prob(z) + model.log_likelihood(z), rtol=1e-12)
        expected = model.log_joint(z) - model.log_evidence
        np.testing.assert_allclose(model.posterior.log_prob(z), expected, rtol=1e-12)


def test_schools_evidence_agrees_with_scipy():
    """By SciPy's adaptive rule over tau itself, with the eight-dimensional marginal Gaussian of y."""

    def integrand(tau):
        cov = np.diag(STD_ERRORS**2 + tau**2) + 25
        return scipy.stats.multivariate_normal(np.zeros(8), cov).pdf(EFFECTS) * scipy.stats.halfcauchy(0, 5).pdf(tau)

    pieces = [
        scipy.integrate.quad(integrand, *ends, epsabs=0, epsrel=1e-10)[0]
        for ends in itertools.pairwise([0, 5, 30, np.inf])
    ]
    for model in SCHOOLS.values():
        np.testing.assert_allclose(model.log_evidence, np.log(sum(pieces)), rtol=0, atol=1e-9)


def test_schools_evidence_agrees_with_sums_in_the_other_order():
    """Each school's effect first, on a grid of its own; then mu and log tau: no Gaussian is integrated by algebra."""
    nodes, weights = np.polynomial.legendre.leggauss(120)
    mu, log_tau = 30 * nodes, 13 * nodes - 7
    eta, step = np.linspace(-9, 9, 401, retstep=True)
    theta = mu[:, None, None] + np.exp(log_tau)[:, None] * eta
    standard, half_cauchy = scipy.stats.norm.pdf(eta) * step, scipy.stats.halfcauchy(0, 5)
    likelihoods = [scipy.stats.norm.pdf(y, theta, std) @ standard for y, std in zip(EFFECTS, STD_ERRORS, strict=True)]
    over_mu = 30 * weights * scipy.stats.norm.pdf(mu, 0, 5)
    over_tau = 13 * weights * half_cauchy.pdf(np.exp(log_tau)) * np.exp(log_tau)
    expected = np.log(over_mu @ np.prod(likelihoods, axis=0) @ over_tau)
    for model in SCHOOLS.values():
        np.testing.assert_allclose(model.log_evidence, expected, rtol=0, atol=1e-6)


def test_one_density_in_both_coordinates(key):
    """theta = mu + tau eta has the Jacobian tau^8; `constrain` names the same quantities in both."""
    for z in jax.random.normal(key, (5, 10)):
        moved = jnp.concatenate([z[:2], z[0] + jnp.exp(z[1]) * z[2:]])
        np.testing.assert_allclose(SCHOOLS[True].log_joint(moved) + 8 * z[1], SCHOOLS[False].log_joint(z), rtol=1e-10)
        one, other = SCHOOLS[False].constrain(z), SCHOOLS[True].constrain(moved)
        assert one.keys() == other.keys() == {"mu", "tau", "theta"}
        for name in one:
            np.testing.assert_allclose(one[name], other[name], rtol=1e-12)
        np.testing.assert_allclose(other["theta"], moved[2:])


def test_schools_moments_are_those_of_posteriordb():
    """Given tau, mu and theta are Gaussian: p(tau | y) on a grid then gives all means, to quadrature's precision.

    p(tau | y) is the library's joint at the conditional means, over the Gaussian density there. Each mean must agree
    with the published one within 5 of its Monte Carlo errors.
    """
    log_tau, weights = (np.asarray(part).reshape(-1) for part in grid(-25, 12, dim=1, num_points=600))
    moments = [_conditional(tau) for tau in np.exp(log_tau)]
    mass = weights * np.exp(np.array([value for value, *_ in moments]) - SCHOOLS[True].log_evidence)
    np.testing.assert_allclose(mass.sum(), 1, atol=1e-6)
    theta = mass @ np.array([theta for *_, theta in moments])
    exact = {"mu": mass @ [mu for _, mu, _ in moments], "tau": mass @ np.exp(log_tau), "theta": theta}
    for name, row in PUBLISHED.items():
        assert np.all(abs(exact[name] - row.mean) < 5 * row.mcse_mean), f"{name}: {exact[name]}, published {row}"


def _conditional(tau):
    """log p(y, log tau), E[mu | tau, y] and E[theta | tau, y]; the first from the library's joint, by Bayes' rule."""
    precision = 1 / (STD_ERRORS**2 + tau**2)
    mu_var = 1 / (precision.sum() + 1 / 25)
    mu = mu_var * precision @ EFFECTS
    shrink = tau**2 * precision
    theta, theta_std = mu + shrink * (EFFECTS - mu), np.sqrt(STD_ERRORS**2 * shrink)
    log_joint = float(_schools_joint(jnp.array([mu, np.log(tau), *theta])))
    log_conditional = scipy.stats.norm.logpdf(0, 0, np.sqrt(mu_var)) - np.log(theta_std * np.sqrt(2 * np.pi)).sum()
    return log_joint - log_conditional, mu, theta


_schools_joint = jax.jit(SCHOOLS[True].log_joint)


@pytest.mark.parametrize("centered", SCHOOLS)
def test_schools_prior_draws_follow_its_density(centered, key):
    """The quantile of every conditional at its draw is uniform: mu, tau, and each school's effect given them."""
    z = np.asarray(SCHOOLS[centered].prior.sample(key, 20_000))
    quantiles = [scipy.stats.norm(0, 5).cdf(z[:, 0]), scipy.stats.halfcauchy(0, 5).cdf(np.exp(z[:, 1]))]
    scaled = (z[:, 2:] - z[:, :1]) / np.exp(z[:, 1:2]) if centered else z[:, 2:]
    quantiles = np.column_stack([*quantiles, scipy.stats.norm.cdf(scaled)])
    for column in quantiles.T:
        assert scipy.stats.kstest(column, "uniform").pvalue > 1e-6
    correlations = np.corrcoef(quantiles.T)[np.triu_indices(10, 1)] * np.sqrt(20_000)
    assert np.abs(correlations).max() < 6, "the quantiles are independent"


@pytest.mark.parametrize("centered", SCHOOLS)
def test_schools_data_have_the_moments_of_the_likelihood(centered, key):
    model, z = SCHOOLS[centered], jnp.linspace(-1, 2, 10)
    data = jax.vmap(lambda k: model.simulate(k, z))(jax.random.split(key, 20_000))
    assert_mean(data, model.constrain(z)["theta"], "simulated mean")
    assert_variance(data, STD_ERRORS**2, "simulated variance")


@pytest.mark.parametrize("name", ["mean", "cov", "entropy"])
def test_moments_of_the_schools_prior_that_do_not_exist_say_so(name):
    prior = SCHOOLS[True].prior
    with pytest.raises(NotImplementedError, match=r"sample\(key, num_samples\)"):
        value = getattr(prior, name)
        value()


@pytest.mark.parametrize("model", SCHOOLS.values(), ids=["eta", "theta"])
def test_data_are_traced_and_single_precision_works(model):
    single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), model.log_joint)
    z = jnp.linspace(0.2, 0.7, 10)
    value = jax.jit(lambda joint, z: joint(z))(single, z.astype(jnp.float32))
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, model.log_joint(z), rtol=1e-4)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="centered: got 'yes', needs one of True, False"):
        models.eight_schools(centered="yes")
    with pytest.raises(ValueError, match=r"z: got shape \(8,\), needs shape \(..., 10\)"):
        SCHOOLS[True].prior.log_prob(jnp.zeros(8))
