"""Proofs of chapter 7's first page, the metric: pendulums and closed forms in NumPy, NumPyro's NUTS."""

import math
from functools import cache

import arviz
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reverse_kl_oracles as bioassay
from mcmc_oracles import bioassay_slope
from numpyro.infer import MCMC, NUTS
from scipy.linalg import eigh

from claims import proves
from vi_lab import models


def pendulum(step, omega):
    """One leapfrog step of a pendulum of unit mass: half a kick, a step, half a kick."""
    kick = np.array([[1, 0], [-step / 2 * omega**2, 1]])
    return kick @ np.array([[1, step], [0, 1]]) @ kick


@proves(
    "mcmc-stability-limit",
    oracle="eigenvalues of the product of the three shears, in NumPy",
    tolerance="modulus 1 to 1e-12 below the limit, above 1.1 beyond it",
)
@pytest.mark.parametrize("omega", [0.3, 1.0, 20.0])
def test_the_largest_stable_step(omega):
    for factor in (0.1, 1.0, 1.9, 1.99):
        matrix = pendulum(factor / omega, omega)
        assert np.trace(matrix) == pytest.approx(2 - factor**2) and np.linalg.det(matrix) == pytest.approx(1)
        np.testing.assert_allclose(np.abs(np.linalg.eigvals(matrix)), 1, atol=1e-12)
    for factor in (2.01, 2.1):
        assert np.abs(np.linalg.eigvals(pendulum(factor / omega, omega))).max() > 1.1


@proves(
    "mcmc-reach",
    oracle="powers of the pendulum's matrix along the long axis",
    tolerance="1e-9 standard deviations",
)
def test_how_far_ten_steps_get(page):
    along = math.cos(math.pi / 6) * 0.6 + math.sin(math.pi / 6) * 1.2  # of the kick, with the identity
    cases = {"identity": (0.7 * 0.05, along), "covariance": (0.7, 0.6)}
    for name, (step, kick) in cases.items():
        path = [(np.linalg.matrix_power(pendulum(step, 1.0), n) @ [1.2, kick])[0] for n in range(11)]
        assert page[f"ch7-reach-{name}"] == pytest.approx(np.ptp(path), abs=1e-9)
    assert page["ch7-reach-covariance"] > 2 and page["ch7-reach-identity"] < 0.5


@proves(
    "mcmc-metric-is-a-change-of-variables",
    oracle="the leapfrog of a bioassay in z with covariance metric, and in u with unit mass, both in NumPy",
    tolerance="1e-10",
)
def test_a_metric_is_a_change_of_variables():
    m, L = bioassay.MEAN, np.linalg.cholesky(bioassay.COV)
    z, u, v = m + L @ [0.3, -1.0], np.array([0.3, -1.0]), np.array([1.1, 0.4])
    r = np.linalg.solve(L.T, v)
    for _ in range(30):
        r = r + 0.35 * bioassay_slope(z)
        z = z + 0.7 * bioassay.COV @ r
        r = r + 0.35 * bioassay_slope(z)
        v = v + 0.35 * L.T @ bioassay_slope(m + L @ u)
        u = u + 0.7 * v
        v = v + 0.35 * L.T @ bioassay_slope(m + L @ u)
    np.testing.assert_allclose(m + L @ u, z, atol=1e-10)


COV = np.asarray(models.ill_conditioned().posterior.cov())
PRECISION = np.linalg.inv(COV)


@cache
def numpyro_nuts(name):
    """Gradients a draw and effective draws per 1,000 gradients of NumPyro's NUTS, started in the posterior."""
    metric = {"identity": np.eye(20), "full": COV, "mf": np.diag(1 / np.diag(PRECISION))}[name]
    kernel = NUTS(
        potential_fn=lambda z: 0.5 * z @ jnp.asarray(PRECISION) @ z,
        inverse_mass_matrix=jnp.asarray(metric),
        dense_mass=True,
        adapt_mass_matrix=False,
    )
    chain = MCMC(kernel, num_warmup=150, num_samples=250, num_chains=4, chain_method="vectorized", progress_bar=False)
    starts = np.random.default_rng(0).standard_normal((4, 20)) @ np.linalg.cholesky(COV).T
    chain.run(jax.random.key(0), init_params=jnp.asarray(starts), extra_fields=("num_steps",))
    draws = np.asarray(chain.get_samples(group_by_chain=True))
    steps = np.asarray(chain.get_extra_fields()["num_steps"])
    worth = min(arviz.ess(draws[:, :, i]) for i in range(20))
    return steps.mean(), 1000 * worth / steps.sum()


@proves(
    "mcmc-full-rank-metric-gains",
    oracle="NumPyro's NUTS with the exact covariance and with the identity; condition numbers by SciPy",
    tolerance="more than 100 times in both; gradients a draw within 40 percent",
)
def test_full_rank_gains_a_hundredfold(page):
    (many, slow), (few, fast) = numpyro_nuts("identity"), numpyro_nuts("full")
    assert fast / slow > 100 and page["ch7-rate-full"] / page["ch7-rate-id"] > 100
    assert page["ch7-gain"] >= 100 and page["ch7-gain"] % 100 == 0
    assert page["ch7-per-draw-id"] == pytest.approx(many, rel=0.4)
    assert page["ch7-per-draw-full"] == pytest.approx(few, rel=0.4)
    assert page["ch7-fit-kl"] < 1e-6 and page["ch7-kappa-full"] == pytest.approx(1, abs=1e-3)
    assert page["ch7-per-draw-id"] > math.pi / 4 * 100
    assert page["ch7-fit-in-draws"] == pytest.approx(8000 / page["ch7-per-draw-id"])
    assert float(page["ch7-fit-in-draws-text"]) == pytest.approx(page["ch7-fit-in-draws"], rel=0.2)


@proves(
    "mcmc-mean-field-metric-gains-nothing",
    oracle="NumPyro's NUTS with the variances 1/Lambda_ii and with the identity",
    tolerance="between half and twice the identity's rate, in both",
)
def test_mean_field_gains_next_to_nothing(page):
    assert 0.5 < numpyro_nuts("mf")[1] / numpyro_nuts("identity")[1] < 2
    assert 0.5 < page["ch7-mf-gain"] < 2 == page["ch7-mf-ceiling"]
    assert page["ch7-mf-gain"] == pytest.approx(page["ch7-rate-mf"] / page["ch7-rate-id"])


@proves(
    "mcmc-wrong-way-round",
    oracle="SciPy's generalized eigenvalues: the condition number of the squared precision",
    tolerance="1 percent; trajectories within 10 percent of 1,023 steps",
)
def test_the_wrong_way_squares_the_condition(page):
    scales = eigh(COV, eigvals_only=True)
    assert page["ch7-kappa-wrong"] == pytest.approx((scales[-1] / scales[0]) ** 2, rel=0.01)
    assert page["ch7-per-draw-wrong"] > 0.9 * 1023 and math.pi / 4 * page["ch7-kappa-wrong"] ** 0.5 > 7 * 1023
    assert page["ch7-rate-wrong"] < page["ch7-rate-id"] / 10


def left_over(diagonal, precision):
    """The condition number of D Lambda, by SciPy as a generalized problem."""
    values = eigh(precision, np.diag(1 / np.asarray(diagonal)), eigvals_only=True)
    return values[-1] / values[0]


@proves(
    "mcmc-diagonal-metric",
    oracle="SciPy's generalized eigenvalues at random angles and in 20 dimensions; the bound at random metrics",
    tolerance="1e-6 relative in the closed form, 1e-6 in the page's numbers",
)
def test_what_variances_leave(page):
    rng = np.random.default_rng(0)
    for _ in range(50):
        theta, kappa = rng.uniform(0, np.pi / 2), 10 ** rng.uniform(0, 4)
        turn = np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])
        precision = turn @ np.diag([1.0, kappa]) @ turn.T
        rest = 1 / (1 + (kappa - 1) ** 2 / (4 * kappa) * np.sin(2 * theta) ** 2)
        r = math.sqrt(max(1 - rest, 0))
        assert left_over(1 / np.diag(precision), precision) == pytest.approx((1 + r) / (1 - r), rel=1e-6)
        metric = np.exp(rng.standard_normal(20))
        assert left_over(metric, PRECISION) >= np.linalg.cond(PRECISION) / (metric.max() / metric.min()) * (1 - 1e-9)
    assert page["ch7-kappa-mf"] == pytest.approx(left_over(1 / np.diag(PRECISION), PRECISION), rel=1e-6)
    spread = np.diag(PRECISION).max() / np.diag(PRECISION).min()
    assert page["ch7-spread"] == pytest.approx(spread, rel=1e-6)
    assert page["ch7-floor"] == pytest.approx(1e4 / spread, rel=1e-6) and page["ch7-kappa-id"] == pytest.approx(1e4)
    theta = math.radians(5)
    turn = np.array([[math.cos(theta), -math.sin(theta)], [math.sin(theta), math.cos(theta)]])
    precision = turn @ np.diag([1.0, 1e4]) @ turn.T
    assert page["ch7-five-degrees"] == pytest.approx(left_over(1 / np.diag(precision), precision), rel=1e-6)
