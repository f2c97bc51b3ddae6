"""Every family, one set of properties; then what is particular to each."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import scipy.stats
from jax.flatten_util import ravel_pytree
from zscores import assert_mean

from vi_lab import FullRank, MeanField, Mixture
from vi_lab.quadrature import grid

COV = np.array([[1.3, -0.6], [-0.6, 0.8]])
MEAN_FIELD_1D = MeanField([0.4], [-0.3])
MEAN_FIELD = MeanField([0.5, -1.0], [0.2, -0.4])
FULL_RANK = FullRank.from_cov([0.3, -0.2], COV)
FAMILIES = {
    "mean-field-1d": MEAN_FIELD_1D,
    "mean-field": MEAN_FIELD,
    "full-rank": FULL_RANK,
    "mixture-1d": Mixture([0.3, -0.5], (MEAN_FIELD_1D, MeanField([-2.0], [0.1]))),
    "mixture": Mixture([0.0, 0.7, -0.2], (MEAN_FIELD, FULL_RANK, MeanField([3.0, 1.0], [0.0, 0.3]))),
}
GAUSSIANS = [name for name in FAMILIES if "mixture" not in name]


def peer(q):
    """The same distribution, built by NumPyro."""
    if isinstance(q, Mixture):
        parts = [peer(component) for component in q.components]
        return dist.MixtureGeneral(dist.Categorical(logits=q.logits), parts)
    return dist.MultivariateNormal(q.mean, covariance_matrix=q.cov())


@pytest.fixture(params=FAMILIES)
def q(request):
    return FAMILIES[request.param]


@pytest.fixture(params=GAUSSIANS)
def gaussian(request):
    return FAMILIES[request.param]


def in_float32(q):
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32), q)


def test_density_integrates_to_one_and_has_the_stated_moments(q):
    z, weights = grid(-14, 14, dim=q.dim, num_points=150)
    mass = weights * jnp.exp(q.log_prob(z))
    np.testing.assert_allclose(mass.sum(), 1, rtol=1e-9)
    np.testing.assert_allclose(mass @ z, q.mean, atol=1e-9)
    np.testing.assert_allclose((z - q.mean).T @ (mass[:, None] * (z - q.mean)), q.cov(), atol=1e-8)


def test_draws_follow_the_density(q, key):
    """Moments by z-score; each coordinate's law by Kolmogorov-Smirnov against the distribution function by
    quadrature.
    """
    z = q.sample(key, 20_000)
    centered = z - q.mean
    assert_mean(z, q.mean, "mean of the draws")
    assert_mean(jnp.einsum("ni,nj->nij", centered, centered), q.cov(), "covariance of the draws")
    direction = jnp.arange(1.0, q.dim + 1)
    reference = np.asarray(peer(q).sample(jax.random.fold_in(key, 1), (20_000,)))
    assert scipy.stats.ks_2samp(z @ direction, reference @ direction).pvalue > 1e-6


def test_log_prob_agrees_with_numpyro(q, key):
    z = 3 * jax.random.normal(key, (50, q.dim))
    np.testing.assert_allclose(q.log_prob(z), peer(q).log_prob(z), rtol=1e-10)


def test_transform_and_its_log_determinant_agree_with_autodiff(gaussian, key):
    eps = jax.random.normal(key, (gaussian.noise_dim,))
    jacobian = jax.jacfwd(gaussian.transform)(eps)
    log_det = np.linalg.slogdet(jacobian)[1]
    log_noise = scipy.stats.norm.logpdf(eps).sum()
    np.testing.assert_allclose(gaussian.log_prob(gaussian.transform(eps)), log_noise - log_det, rtol=1e-12)


def test_entropy_agrees_with_monte_carlo_and_numpyro(gaussian, key):
    assert_mean(-gaussian.log_prob(gaussian.sample(key, 20_000)), gaussian.entropy(), "entropy")
    np.testing.assert_allclose(gaussian.entropy(), peer(gaussian).entropy(), rtol=1e-12)


def test_pytree_round_trip_changes_nothing(q):
    flat, unravel = ravel_pytree(q)
    again = unravel(flat)
    assert type(again) is type(q) and jax.tree.structure(again) == jax.tree.structure(q)
    assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(q), jax.tree.leaves(again), strict=True))


def test_gradient_of_the_log_density_is_an_object_of_the_family_and_right(q):
    z, flat_and_back = jnp.full(q.dim, 0.7), ravel_pytree(q)
    grad = jax.grad(lambda q: q.log_prob(z))(q)
    assert type(grad) is type(q)
    flat, unravel = flat_and_back
    step = 1e-6
    for i, slope in enumerate(ravel_pytree(grad)[0]):
        high, low = (unravel(flat.at[i].add(sign * step)).log_prob(z) for sign in (1, -1))
        np.testing.assert_allclose(slope, (high - low) / (2 * step), atol=1e-7)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_jit_vmap_and_both_dtypes(q, key, dtype):
    q = q if dtype == jnp.float64 else in_float32(q)
    z = jax.jit(lambda q: q.sample(key, 5))(q)
    values = jax.jit(lambda q, z: q.log_prob(z))(q, z)
    assert z.dtype == values.dtype == q.mean.dtype == q.cov().dtype == dtype
    one_by_one = jax.vmap(q.log_prob)(z)
    np.testing.assert_allclose(values, one_by_one, rtol=1e-4 if dtype == jnp.float32 else 1e-12)
    assert q.log_prob(z.reshape(5, 1, q.dim)).shape == (5, 1)
    np.testing.assert_allclose(values, peer(q).log_prob(z), rtol=2e-4)


def test_constant_parameters_are_checked_under_jit_as_well():
    """Inside a trace, checks on arrays that are known must still run on numbers and not on tracers."""
    np.testing.assert_allclose(jax.jit(lambda z: MeanField([0.0], [0.0]).log_prob(z))(jnp.zeros(1)), -0.918938533)
    value = jax.jit(lambda z: FullRank.from_cov([0.0], [[1.0]]).log_prob(z))(jnp.zeros(1))
    np.testing.assert_allclose(value, -0.918938533)


def test_integers_and_lists_become_floats():
    q = MeanField([0, 1], [0, 0])
    assert q.mean.dtype == jnp.asarray(0.0).dtype


def test_full_rank_reads_only_the_lower_triangle_and_keeps_its_diagonal_positive():
    q = FullRank([0.0, 0.0], [[1.0, 99.0], [0.5, 2.0]])
    np.testing.assert_allclose(q.scale_tril, [[1.0, 0.0], [0.5, 2.0]])
    pushed = jax.tree.map(lambda leaf: leaf - 50.0, q)  # what a wild optimizer step does
    assert bool(jnp.all(jnp.diag(pushed.scale_tril) > 0))
    np.testing.assert_allclose(q.std, np.sqrt(np.diag(q.cov())))


def test_standard_starts():
    for q in (MeanField.standard(3), FullRank.standard(3)):
        np.testing.assert_array_equal(q.mean, np.zeros(3))
        np.testing.assert_array_equal(q.cov(), np.eye(3))
    mixture = Mixture.standard(2, 3, jax.random.key(0))
    means = np.stack([component.mean for component in mixture.components])
    assert np.min(scipy.spatial.distance.pdist(means)) > 0.01, "components that coincide never separate"


def test_mixture_names_the_monte_carlo_way():
    mixture = FAMILIES["mixture"]
    with pytest.raises(NotImplementedError, match="Monte Carlo"):
        mixture.entropy()
    with pytest.raises(NotImplementedError, match="sample"):
        mixture.transform(jnp.zeros(2))
    with pytest.raises(NotImplementedError, match="sample"):
        _ = mixture.noise_dim


BAD = {
    "mean of two axes": (
        lambda: MeanField([[0.0]], [[0.0]]),
        r"mean: got shape \(1, 1\), needs shape \(dim,\)",
    ),
    "lengths differ": (
        lambda: MeanField([0.0, 1.0], [0.0]),
        r"log_std: got shape \(1,\), needs shape \(2,\)",
    ),
    "NaN mean": (lambda: MeanField([np.nan], [0.0]), "mean: got a value that is NaN"),
    "infinite log_std": (lambda: MeanField([0.0], [np.inf]), "log_std: got a value that is NaN or infinite"),
    "std zero": (
        lambda: MeanField.from_std([0.0], [0.0]),
        "std: got a smallest value of 0, needs .* above zero",
    ),
    "std too short": (lambda: MeanField.from_std([0.0, 0.0], [1.0]), r"std: got shape \(1,\), needs shape \(2,\)"),
    "NaN cov": (lambda: FullRank.from_cov([0.0], [[np.nan]]), "cov: got a value that is NaN"),
    "one component, no tuple": (lambda: Mixture([0.0], MEAN_FIELD_1D), "components: got a MeanField, needs a tuple"),
    "noise as a list": (lambda: MEAN_FIELD.transform([0.0]), r"eps: got shape \(1,\)"),
    "dim zero": (lambda: MeanField.standard(0), "dim: got 0, needs a whole number of at least 1"),
    "scale_tril shape": (lambda: FullRank([0.0, 0.0], np.eye(3)), r"scale_tril: got shape \(3, 3\)"),
    "negative diagonal": (lambda: FullRank([0.0], [[-1.0]]), "diagonal: got a smallest value of -1"),
    "indefinite cov": (
        lambda: FullRank.from_cov([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]]),
        "cov: got smallest eigenvalue -1",
    ),
    "asymmetric cov": (lambda: FullRank.from_cov([0.0, 0.0], [[1.0, 0.5], [0.1, 1.0]]), "cov: .* symmetric"),
    "too few components": (lambda: Mixture([0.0, 0.0], (MEAN_FIELD,)), "components: got 1 of them, needs 2"),
    "dimensions differ": (
        lambda: Mixture([0.0, 0.0], (MEAN_FIELD, MEAN_FIELD_1D)),
        r"components: got dimensions \[2, 1\]",
    ),
    "point of another dim": (
        lambda: MEAN_FIELD.log_prob(jnp.zeros(3)),
        r"z: got shape \(3,\), needs shape \(..., 2\)",
    ),
    "scalar point": (lambda: FULL_RANK.log_prob(1.0), r"z: got shape \(\)"),
    "noise of another dim": (lambda: FULL_RANK.transform(jnp.zeros(3)), r"eps: got shape \(3,\)"),
    "no draws": (lambda: MEAN_FIELD.sample(jax.random.key(0), 0), "num_samples: got 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()
