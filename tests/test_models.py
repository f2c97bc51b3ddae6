"""Models against joints written independently in SciPy, and evidences against quadrature and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from zscores import assert_mean, assert_variance

from vi_lab import kl_quadrature, models
from vi_lab.quadrature import grid

RNG = np.random.default_rng(3)
X = RNG.normal(size=(12, 3))
Y = X @ [1.0, -2.0, 0.5] + 0.7 * RNG.normal(size=12)
DATA = np.array([1.2, 0.4, 2.2, 1.9])

MODELS = {
    "conjugate-normal": models.conjugate_normal(DATA, noise_std=0.8, prior_mean=0.5, prior_std=2.0),
    "conjugate-regression": models.conjugate_regression(X, Y, noise_std=0.7, prior_std=1.5),
    "bioassay": models.bioassay(),
    "bimodal": models.bimodal(separation=5.0, weight=0.3, std=0.8),
    "gaussian": models.gaussian([1.0, -1.0], [[2.0, 0.6], [0.6, 0.5]]),
    "ill-conditioned": models.ill_conditioned(4, condition=100.0, key=jax.random.key(7)),
}


def bioassay_joint(alpha, beta):
    dose, deaths = np.array([-0.86, -0.30, -0.05, 0.73]), np.array([0, 1, 3, 5])
    prior = scipy.stats.multivariate_normal([0, 10], [[4, 10], [10, 100]]).logpdf([alpha, beta])
    logits = alpha + beta * dose
    dead, alive = scipy.special.log_expit(logits), scipy.special.log_expit(-logits)
    return prior + (np.log(scipy.special.comb(5, deaths)) + deaths * dead + (5 - deaths) * alive).sum()


def joint_by_scipy(name, z):
    norm = scipy.stats.norm
    match name:
        case "conjugate-normal":
            return norm.logpdf(z[0], 0.5, 2.0) + norm.logpdf(DATA, z[0], 0.8).sum()
        case "conjugate-regression":
            return norm.logpdf(z, 0, 1.5).sum() + norm.logpdf(Y, X @ z, 0.7).sum()
        case "bioassay":
            return bioassay_joint(*z)
        case "bimodal":
            return np.log(0.3 * norm.pdf(z[0], -2.5, 0.8) + 0.7 * norm.pdf(z[0], 2.5, 0.8))
        case "gaussian":
            return scipy.stats.multivariate_normal([1, -1], [[2, 0.6], [0.6, 0.5]]).logpdf(z)
        case "ill-conditioned":
            return scipy.stats.multivariate_normal(np.zeros(4), MODELS[name].posterior.cov()).logpdf(z)


@pytest.fixture(params=MODELS)
def named(request):
    return request.param, MODELS[request.param]


def test_log_joint_agrees_with_scipy(named, key):
    name, model = named
    for z in np.asarray(2 * jax.random.normal(key, (20, model.dim))):
        np.testing.assert_allclose(model.log_joint(z), joint_by_scipy(name, z), rtol=1e-9)


def test_posterior_is_joint_over_evidence(named, key):
    _, model = named
    z = jax.random.normal(key, (20, model.dim))
    expected = jax.vmap(model.log_joint)(z) - model.log_evidence
    np.testing.assert_allclose(model.posterior.log_prob(z), expected, rtol=1e-9)


def test_joint_is_prior_times_likelihood(named, key):
    _, model = named
    if model.prior is not None:
        z = jax.random.normal(key, (model.dim,))
        np.testing.assert_allclose(model.log_joint(z), model.prior.log_prob(z) + model.log_likelihood(z), rtol=1e-12)


def test_data_are_traced_and_not_compiled_in(named):
    _, model = named
    assert isinstance(model.log_joint, jax.tree_util.Partial)
    assert jax.tree.leaves(model.log_joint), "a Partial without leaves has its data compiled in"


def test_conjugate_evidence_is_that_of_the_marginal_gaussian():
    """y ~ N(x m0, noise^2 I + prior^2 x x'): the n-dimensional marginal, where the code works in dim dimensions."""
    normal = scipy.stats.multivariate_normal(np.full(4, 0.5), 0.64 * np.eye(4) + 4.0 * np.ones((4, 4)))
    np.testing.assert_allclose(MODELS["conjugate-normal"].log_evidence, normal.logpdf(DATA), rtol=1e-12)
    regression = scipy.stats.multivariate_normal(np.zeros(12), 0.49 * np.eye(12) + 2.25 * X @ X.T)
    np.testing.assert_allclose(MODELS["conjugate-regression"].log_evidence, regression.logpdf(Y), rtol=1e-12)


def test_more_coefficients_than_data():
    wide = models.conjugate_regression(X[:2], Y[:2])
    marginal = scipy.stats.multivariate_normal(np.zeros(2), np.eye(2) + X[:2] @ X[:2].T)
    np.testing.assert_allclose(wide.log_evidence, marginal.logpdf(Y[:2]), rtol=1e-10)


def test_bioassay_evidence_agrees_with_scipy():
    total, _ = scipy.integrate.dblquad(
        lambda beta, alpha: np.exp(bioassay_joint(alpha, beta)), -9, 11, -12, 62, epsabs=0, epsrel=1e-7
    )
    np.testing.assert_allclose(MODELS["bioassay"].log_evidence, np.log(total), atol=1e-6)


def test_bioassay_quadrature_has_converged():
    """Another box and another rule give the evidence to twelve digits."""
    model = MODELS["bioassay"]
    z, weights = grid([-25, -70], [30, 130], dim=2, num_points=500)
    again = jax.nn.logsumexp(jax.vmap(model.log_joint)(z), b=weights)
    np.testing.assert_allclose(model.log_evidence, again, rtol=1e-12)


def test_bimodal_has_two_modes_where_it_says():
    model = MODELS["bimodal"]
    z = jnp.linspace(-5, 5, 2001)[:, None]
    density = model.posterior.log_prob(z)
    peaks = z[1:-1, 0][(density[1:-1] > density[:-2]) & (density[1:-1] > density[2:])]
    np.testing.assert_allclose(peaks, [-2.5, 2.5], atol=0.01)
    np.testing.assert_allclose(kl_quadrature(model.posterior, model.posterior, -9, 9), 0, atol=1e-12)


@pytest.mark.parametrize(("dim", "condition"), [(2, 1.0), (20, 1e4), (5, 1e12)])
def test_ill_conditioned_has_the_spectrum_it_states(dim, condition, key):
    model = models.ill_conditioned(dim, condition=condition, key=key)
    singular = np.linalg.svd(model.posterior.scale_tril, compute_uv=False)
    np.testing.assert_allclose(singular[::-1] ** 2, np.geomspace(condition**-0.5, condition**0.5, dim), rtol=1e-6)
    assert model.log_evidence == 0 and not np.any(model.posterior.mean)


def test_ill_conditioned_rotations_are_uniform(key):
    """Under a uniform rotation the diagonal of U diag(lambda) U' has the mean of the eigenvalues and 2 / (dim + 2) of
    their variance; what stands off it has mean zero.
    """
    keys = jax.random.split(key, 4_000)
    covs = jax.vmap(lambda k: models.ill_conditioned(4, condition=1e6, key=k).posterior.cov())(keys) / 1e3
    diagonals = np.asarray(jnp.diagonal(covs, axis1=1, axis2=2))
    values = np.geomspace(1e-6, 1, 4)
    assert_mean(diagonals, values.mean(), "variances")
    assert_variance(diagonals, values.var() * 2 / 6, "variances")
    assert_mean(covs[:, 0, 1], 0.0, "covariance")


def test_ill_conditioned_without_a_key_is_one_rotation():
    again, other = models.ill_conditioned(), models.ill_conditioned(key=jax.random.key(1))
    np.testing.assert_array_equal(models.ill_conditioned().posterior.cov(), again.posterior.cov())
    assert np.abs(again.posterior.cov() - other.posterior.cov()).max() > 1
    off = again.posterior.cov() - np.diag(np.diag(again.posterior.cov()))
    assert np.abs(off).max() > 1, "the axes are not the coordinates"


@pytest.mark.parametrize(
    ("name", "z"),
    [("conjugate-normal", [0.3]), ("conjugate-regression", [0.5, -1.0, 2.0]), ("bioassay", [0.8, 7.0])],
)
def test_simulated_data_have_the_moments_of_the_likelihood(name, z, key):
    z = jnp.array(z)
    data = jax.vmap(lambda k: MODELS[name].simulate(k, z))(jax.random.split(key, 20_000))
    if name == "bioassay":
        rate = scipy.special.expit(z[0] + z[1] * np.array([-0.86, -0.30, -0.05, 0.73]))
        mean, variance = 5 * rate, 5 * rate * (1 - rate)
    else:
        design, noise_std = (np.ones((4, 1)), 0.8) if name == "conjugate-normal" else (X, 0.7)
        mean, variance = design @ z, np.full(len(design), noise_std**2)
    assert_mean(data, mean, "simulated mean")
    assert_variance(data, variance, "simulated variance")


def test_bioassay_names_its_quantities():
    assert MODELS["bioassay"].constrain(jnp.array([1.0, 10.0])) == {"alpha": 1.0, "beta": 10.0, "LD50": -0.1}


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_dtypes(dtype):
    model = models.conjugate_regression(X.astype(dtype), Y.astype(dtype), noise_std=0.7, prior_std=1.5)
    assert model.log_evidence.dtype == model.posterior.mean.dtype == dtype
    np.testing.assert_allclose(model.log_evidence, MODELS["conjugate-regression"].log_evidence, rtol=1e-5)


BAD = {
    "data of two axes": (lambda: models.conjugate_normal([[1.0]]), r"x: got shape \(1, 1\)"),
    "no data": (lambda: models.conjugate_normal([]), r"x: got shape \(0,\)"),
    "NaN data": (lambda: models.conjugate_normal([np.nan]), "x: got a value that is NaN"),
    "noise": (lambda: models.conjugate_normal(DATA, noise_std=0.0), "noise_std: got a smallest value of 0"),
    "prior": (lambda: models.conjugate_regression(X, Y, prior_std=-1.0), "prior_std: got a smallest value of -1"),
    "noise vector": (
        lambda: models.conjugate_regression(X, Y, noise_std=[1.0, 2.0, 3.0]),
        r"noise_std: got shape \(3,\)",
    ),
    "prior vector": (lambda: models.conjugate_normal(DATA, prior_std=[1.0, 2.0]), r"prior_std: got shape \(2,\)"),
    "prior mean": (lambda: models.conjugate_normal(DATA, prior_mean=np.nan), "prior_mean: got a value that is NaN"),
    "mean vector": (lambda: models.conjugate_normal(DATA, prior_mean=[0.0, 1.0]), r"prior_mean: got shape \(2,\)"),
    "two widths": (lambda: models.bimodal(std=[1.0, 2.0]), r"std: got shape \(2,\), needs a single number"),
    "design": (lambda: models.conjugate_regression(Y, Y), r"x: got shape \(12,\), needs a design matrix"),
    "lengths": (lambda: models.conjugate_regression(X, Y[:5]), r"y: got shape \(5,\), needs shape \(12,\)"),
    "weight": (lambda: models.bimodal(weight=1.0), "weight: got 1, needs a number between 0 and 1"),
    "std": (lambda: models.bimodal(std=0.0), "std: got a smallest value of 0"),
    "separation": (lambda: models.bimodal(separation=np.inf), "separation: got"),
    "dim": (lambda: models.ill_conditioned(1), "dim: got 1, needs a whole number of at least 2"),
    "condition": (lambda: models.ill_conditioned(condition=0.5), "condition: got 0.5, needs a number of at least 1"),
    "covariance": (lambda: models.gaussian([0.0], [[-1.0]]), "cov: got smallest eigenvalue -1"),
    "point": (lambda: MODELS["bioassay"].posterior.log_prob(jnp.zeros(3)), r"z: got shape \(3,\)"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()
