"""What is particular to each family: starts, what is exact and what is not there, and what bad input is told."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from family_cases import COV, FAMILIES, FULL_RANK, MEAN_FIELD, MEAN_FIELD_1D, bent, expectation
from zscores import assert_mean, assert_variance

from vi_lab import Bernoulli, Flow, FullRank, LowRank, MeanField, Mixture, elbo, kl, renyi
from vi_lab.families import Coupling


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


def test_low_rank_start_is_near_the_standard_normal_and_no_saddle():
    """At a factor of zero the ELBO has no slope in the factor; the start must have one, and columns that differ."""
    q = LowRank.standard(4, 2)
    assert np.abs(q.cov() - np.eye(4)).max() < 0.03 and q.rank == 2 and q.noise_dim == 6
    target = FullRank.from_cov(np.zeros(4), 0.5 * np.eye(4) + 0.5)
    slope = jax.grad(lambda q: -kl(q, target))(q).factor
    assert np.linalg.matrix_rank(slope, tol=1e-3) == 2
    flat = jax.grad(lambda q: -kl(q, target))(jax.tree.map(jnp.zeros_like, q)).factor
    np.testing.assert_array_equal(flat, np.zeros((4, 2)))


@pytest.mark.parametrize("log_std", [-5.0, -7.0, -9.0])
def test_low_rank_loses_no_digits_where_the_diagonal_is_small(log_std, key):
    """A strongly correlated q in 32 bits against the same q in 64: density, entropy, divergences and a gradient."""
    narrow = LowRank(np.zeros(3), np.ones((3, 1)), np.full(3, log_std))
    single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), narrow)
    standard = MeanField(jnp.zeros(3, jnp.float32), jnp.zeros(3, jnp.float32))
    z = single.sample(key, 4)
    assert z.dtype == jnp.float32
    # a rounded z itself moves log q: by a 32-bit ulp over the width
    moved = 10 * float(np.spacing(np.float32(np.abs(z).max()))) / np.exp(log_std)
    np.testing.assert_allclose(single.log_prob(z), narrow.log_prob(z.astype(float)), atol=1e-4 + moved)
    np.testing.assert_allclose(single.entropy(), narrow.entropy(), rtol=1e-5)
    for divergence in (kl, lambda q, p: renyi(q, p, 0.5)):
        np.testing.assert_allclose(divergence(single, standard), divergence(narrow, MeanField.standard(3)), rtol=1e-5)
    slopes = (jax.grad(kl)(q, p) for q, p in ((single, standard), (narrow, MeanField.standard(3))))
    for a, b in zip(*map(jax.tree.leaves, slopes), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_low_rank_of_full_rank_is_the_full_covariance():
    """A factor of as many columns as coordinates reaches any covariance, so the KL to it is zero."""
    root = np.linalg.cholesky(COV - 0.1 * np.eye(2))
    q = LowRank(FULL_RANK.mean, root, np.full(2, 0.5 * np.log(0.1)))
    assert abs(kl(q, FULL_RANK)) < 1e-12 and abs(kl(FULL_RANK, q)) < 1e-12
    np.testing.assert_allclose(q.std, np.sqrt(np.diag(COV)))


def test_flow_starts_as_the_standard_normal_whatever_the_key():
    z = jnp.array([[0.3, -1.0, 2.0], [0.0, 0.0, 0.0]])
    for q in (Flow.standard(3), Flow.standard(3, jax.random.key(7), num_layers=2, hidden=5)):
        np.testing.assert_allclose(q.log_prob(z), scipy.stats.norm.logpdf(z).sum(axis=1), rtol=1e-12)
        np.testing.assert_array_equal(q.transform(z), z)


def test_flow_moves_every_coordinate_by_every_other_one():
    """After a few layers no entry of the Jacobian is zero, in an odd dimension too."""
    jacobian = jax.jacfwd(bent(5, num_layers=4, hidden=8).transform)(jnp.full(5, 0.3))
    assert np.abs(jacobian).min() > 1e-4


def test_bernoulli_off_its_support_and_at_extreme_logits():
    q = Bernoulli([800.0, -800.0])
    assert q.log_prob(jnp.array([0.5, 0.0])) == -jnp.inf
    assert q.log_prob(jnp.array([1.0, 0.0])) == 0 and q.entropy() == 0
    np.testing.assert_allclose(Bernoulli.from_probs([0.2, 0.9]).mean, [0.2, 0.9], rtol=1e-12)


def test_mixture_sums_over_its_components_exactly(key):
    """With n draws of each component the variance of a weighted mean is sum_k w_k^2 Var_k / n: no label, no noise
    of labels. The ELBO's value agrees with quadrature.
    """
    q = FAMILIES["mixture-1d"]
    keys = jax.random.split(key, 20_000)
    z, weights = jax.jit(jax.vmap(lambda k: q.strata(k, 3)))(keys)
    variances = np.array([float(part.cov()[0, 0]) for part in q.components])
    assert_variance((weights * z[..., 0]).sum(axis=1), (q.weights**2 * variances).sum() / 3)
    values = jax.jit(jax.vmap(lambda k: elbo(q, k, lambda z: -jnp.sum(jnp.abs(z)), num_samples=3)))(keys)
    assert_mean(values, expectation(q, lambda z: -jnp.abs(z[:, 0]) - q.log_prob(z)), "ELBO")


@pytest.mark.parametrize(
    ("name", "call"),
    {
        "mixture": lambda q: q.entropy(),
        "flow": lambda q: q.entropy(),
        "flow mean": lambda q: q.mean,
        "flow cov": lambda q: q.cov(),
    }.items(),
)
def test_what_has_no_closed_form_names_the_monte_carlo_way(name, call):
    with pytest.raises(NotImplementedError, match="Monte Carlo"):
        call(FAMILIES[name.split()[0]])


@pytest.mark.parametrize(("name", "serves"), [("mixture", "stratified"), ("bernoulli", "rao_blackwellized")])
def test_what_cannot_be_reparameterized_names_the_estimators_that_serve(name, serves):
    for call in (lambda q: q.transform(jnp.zeros(2)), lambda q: q.noise_dim):
        with pytest.raises(NotImplementedError, match=serves):
            call(FAMILIES[name])


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
    "flow on a line": (lambda: Flow.standard(1), "dim: got 1, needs a whole number of at least 2"),
    "flow without networks": (lambda: Flow([0.0, 0.0], [0.0, 0.0], [1.0]), "layers: got a list, needs a Coupling"),
    "flow with a layer of another size": (
        lambda: Flow([0.0, 0.0], [0.0, 0.0], Coupling(np.ones((1, 2, 3)), np.ones((1, 3)), np.ones((1, 3, 2)))),
        r"layers.weights_in: got shape \(1, 2, 3\), needs shape \(1, 1, 3\)",
    ),
    "factor as a vector": (lambda: LowRank([0.0, 0.0], [1.0, 1.0], [0.0, 0.0]), r"factor: got shape \(2,\)"),
    "factor of NaN": (lambda: LowRank([0.0], [[np.nan]], [0.0]), "factor: got a value that is NaN"),
    "rank zero": (lambda: LowRank.standard(3, 0), "rank: got 0"),
    "certain coin": (lambda: Bernoulli.from_probs([0.5, 1.0]), "probs: .*, both excluded"),
    "infinite logit": (lambda: Bernoulli([np.inf]), "logits: got a value that is NaN or infinite"),
    "no draws": (lambda: MEAN_FIELD.sample(jax.random.key(0), 0), "num_samples: got 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()
