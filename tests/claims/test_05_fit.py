"""Proofs of chapter 5's second page, the wells: optima without draws, a long NUTS run, a climb written in NumPy."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import test_frameworks
from fit_oracles import best_elbo, logistic_elbo
from kl_oracles import gaussian_kl
from minibook import ROOT
from numpyro.infer import MCMC, NUTS

from claims import proves
from vi_lab import FullRank, MeanField, fit, kl, models, sticking_the_landing

PRIOR_STD = 2.5
ROWS = np.loadtxt(ROOT / "vi_lab/data/wells.csv", delimiter=",", skiprows=1)
Y = ROWS[:, 0]
PREDICTORS = ROWS[:, [2, 1, 3, 4]] * [0.01, 1, 0.25, 1]
CENTER = PREDICTORS.mean(axis=0)
X = np.column_stack([np.ones(len(Y)), PREDICTORS - CENTER])
RAW = np.column_stack([np.ones(len(Y)), PREDICTORS])
LOGGED = X.copy()
LOGGED[:, 2] = np.log(ROWS[:, 1]) - np.log(ROWS[:, 1]).mean()
DESIGNS = {"centered": X, "raw": RAW, "logged": LOGGED}


@cache
def optimum(design="centered", family=FullRank, weight=1.0):
    x = DESIGNS[design]
    width = 0.1 / np.sqrt(weight)
    start = (
        FullRank(np.zeros(5), width * np.eye(5)) if family is FullRank else MeanField.from_std(np.zeros(5), [width] * 5)
    )
    return best_elbo(lambda q: logistic_elbo(x, Y, PRIOR_STD, q, weight), start)


@proves(
    "fit-wells-optimum",
    oracle="the ELBO as one Gauss-Hermite integral a household, maximized by SciPy's L-BFGS",
    tolerance="ELBO to 0.01 nats, means to 0.02 posterior standard deviations, widths to 1 percent",
)
def test_the_first_fit_is_the_optimum(page):
    best, q = optimum()
    assert page["ch5fit-elbo"] == pytest.approx(best, abs=0.01)
    assert np.abs((np.array(page["ch5fit-means"]) - q.mean) / q.std).max() < 0.02
    np.testing.assert_allclose(page["ch5fit-stds"], q.std, rtol=0.01)
    assert page["ch5fit-z-distance"] == pytest.approx(float(-q.mean[1] / q.std[1]), rel=0.02)
    assert page["ch5fit-std-low"] > 0.038 and page["ch5fit-std-high"] < 0.105
    assert page["ch5fit-share"] == pytest.approx(100 * Y.mean(), abs=1e-9)


def climb(rate, rng, steps=600, draws=8):
    """Adam on the reparameterized gradient of a full-rank q, in NumPy: mean, and L with the log of its diagonal."""
    mean, packed = np.zeros(5), np.zeros((5, 5))
    first, second = np.zeros((6, 5)), np.zeros((6, 5))
    for t in range(1, steps + 1):
        scale = np.tril(packed, -1) + np.diag(np.exp(np.diag(packed)))
        eps = rng.standard_normal((draws, 5))
        z = mean + eps @ scale.T
        slope = (Y - 1 / (1 + np.exp(-z @ X.T))) @ X - z / PRIOR_STD**2
        into_scale = np.tril(slope.T @ eps / draws)
        diagonal = np.diag(into_scale) * np.diag(scale) + 1  # the entropy's part
        grad = np.vstack([slope.mean(axis=0), np.tril(into_scale, -1) + np.diag(diagonal)])
        first, second = 0.9 * first + 0.1 * grad, 0.999 * second + 0.001 * grad**2
        step = rate * (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8)
        mean, packed = mean + step[0], packed + step[1:]
    return FullRank(mean, np.tril(packed, -1) + np.diag(np.exp(np.diag(packed))))


@proves(
    "fit-three-rates",
    oracle="Adam and the gradient written in NumPy, with other draws; gaps by quadrature",
    tolerance="small rate to 10 percent, middle rate within a factor of 3, large rate above 5 nats in both",
)
def test_three_rates(page):
    best, _ = optimum()
    small, middle, large = (
        best - float(logistic_elbo(X, Y, PRIOR_STD, climb(rate, np.random.default_rng(0))))
        for rate in (0.001, 0.1, 1.0)
    )
    assert page["ch5fit-gap-small"] == pytest.approx(small, rel=0.1)
    assert middle / 3 < page["ch5fit-gap-middle"] < 3 * middle and page["ch5fit-gap-middle"] < 3
    assert large > 5 and 10 < page["ch5fit-gap-large"] < 100


@proves(
    "fit-unit-free",
    oracle="equivariance: the fit in another unit, scaled back, is the same q; KL by NumPy's closed form",
    tolerance="1e-6 nats, 1e-9 in the scaled parameters; plain Adam above 10 nats, where 75 is all it can walk",
)
def test_the_unit_changes_nothing(page):
    shape, fitted = np.array([[1.0, 0.9], [0.9, 1.0]]), []
    for unit in (1.0, 250.0):
        p = models.gaussian([3 * unit, -3 * unit], unit**2 * shape)
        q = fit(FullRank([0.0, 0.0], unit * np.eye(2)), jax.random.key(5), p.log_joint, num_steps=2000).q
        assert gaussian_kl(q.mean, q.cov(), [3 * unit, -3 * unit], unit**2 * shape) < 1e-6
        fitted.append((q.mean / unit, q.cov() / unit**2))
    np.testing.assert_allclose(fitted[0][0], fitted[1][0], rtol=1e-9)
    np.testing.assert_allclose(fitted[0][1], fitted[1][1], rtol=1e-9)
    reached = {(unit, name): value for unit, name, value in page["ch5fit-units"]}
    assert max(value for (_, name), value in reached.items() if name == "local") < 1e-6
    rates = 0.1 * (0.5 + 0.5 * np.cos(np.pi * np.arange(2000) / 2000)) ** 2
    assert rates.sum() < 76 and page["ch5fit-unit-plain"] == reached[1000.0, "plain"] > 10


@proves(
    "fit-landing-is-exact",
    oracle="closed-form KL in NumPy, of fits from other keys",
    tolerance="1e-6 nats for one, between 0.003 and 0.03 for the other",
)
def test_sticking_the_landing_is_limited_by_rounding(page, key):
    scale = np.geomspace(0.1, 10, 20)
    cov = 0.9 ** abs(np.subtract.outer(np.arange(20), np.arange(20))) * np.outer(scale, scale)
    target = models.gaussian(scale, cov)
    q = fit(FullRank.standard(20), key, target.log_joint, num_steps=2000, gradient=sticking_the_landing).q
    assert gaussian_kl(q.mean, q.cov(), scale, cov) < 1e-6
    assert kl(q, target.posterior) < 1e-6 and page["ch5fit-20-stl"] < 1e-6
    assert 0.003 < page["ch5fit-20-rep"] < 0.03


@proves(
    "fit-forgotten-scale",
    oracle="the optimum of the ELBO with the likelihood weighed by 100/3020, by quadrature and L-BFGS",
    tolerance="10 percent of each ratio; the square root of 30.2 within 5 percent of their mean",
)
def test_without_the_scale_the_intervals_are_too_wide(page):
    (_, wide), (_, right) = optimum(weight=100 / 3020), optimum()
    np.testing.assert_allclose(page["ch5fit-wide"], wide.std / right.std, rtol=0.1)
    assert page["ch5fit-wide-mean"] == pytest.approx(np.sqrt(30.2), rel=0.05)
    assert page["ch5fit-root"] == pytest.approx(np.sqrt(30.2))
    assert np.abs((wide.mean - right.mean) / wide.std).max() < 0.5


@proves(
    "fit-batches-reach",
    oracle="the optimum on all data by quadrature and L-BFGS, from which another key's batches end as far",
    tolerance="gaps between 0 and 0.4 nats, widths to 10 percent",
)
def test_batches_with_the_scale_reach_the_optimum(page, key):
    def log_joint(z, batch, scale):
        x, y = batch
        return -0.5 * z @ z / PRIOR_STD**2 + scale * jnp.sum(y * (x @ z) - jnp.logaddexp(0, x @ z))

    best, best_q = optimum()
    q = fit(FullRank.standard(5), key, log_joint, data=(X, Y), batch_size=100, num_steps=3000).q
    for gap in (page["ch5fit-batch-gap"], best - float(logistic_elbo(X, Y, PRIOR_STD, q))):
        assert 0 < gap < 0.4
    np.testing.assert_allclose(q.std / best_q.std, 1, atol=0.1)
    np.testing.assert_allclose(page["ch5fit-right"], 1, atol=0.1)


@proves(
    "fit-centering-saves-mean-field",
    oracle="both families' optima for both designs, by quadrature and L-BFGS",
    tolerance="0.03 in each of ten ratios",
)
def test_centering_saves_mean_field(page):
    for design, name in (("centered", "ch5fit-centered"), ("raw", "ch5fit-raw")):
        (_, narrow), (_, full) = optimum(design, MeanField), optimum(design)
        np.testing.assert_allclose(page[name], narrow.std / full.std, atol=0.03)
    assert page["ch5fit-centered-least"] > 90 and page["ch5fit-raw-intercept"] < 45
    assert page["ch5fit-raw-intercept"] == pytest.approx(100 * page["ch5fit-raw"][0])


def evidence(x, q, rng, draws=4000):
    """log p(y) by importance sampling in NumPy from a t distribution about q, with 8 degrees of freedom."""
    scale = np.asarray(q.scale_tril)
    normal, heavy = rng.standard_normal((draws, 5)), np.sqrt(8 / rng.chisquare(8, (draws, 1)))
    z = q.mean + (normal * heavy) @ scale.T
    log_t = (
        dist.MultivariateStudentT(8.0, np.zeros(5), np.eye(5)).log_prob(normal * heavy) - np.log(np.diag(scale)).sum()
    )
    logits = np.asarray(z) @ x.T
    log_p = (Y * logits - np.logaddexp(0, logits)).sum(axis=1) + dist.Normal(0, PRIOR_STD).log_prob(z).sum(axis=1)
    return float(np.logaddexp.reduce(np.asarray(log_p - log_t)) - np.log(draws))


def low_residual(x, q):
    """Percentage points too many that the mean of q predicts for the tenth with the least arsenic."""
    lowest = np.argsort(ROWS[:, 1], kind="stable")[:302]
    return 100 * np.mean(1 / (1 + np.exp(-x[lowest] @ np.asarray(q.mean))) - Y[lowest])


@proves(
    "fit-gap-is-closed",
    oracle="the ELBO's optimum by quadrature and L-BFGS; the evidence by importance sampling from a t in NumPy",
    tolerance="0.05 nats, five times the standard error of the evidence; the page's gap below 0.005 nats",
)
def test_the_gap_to_the_evidence_is_closed(page):
    elbo, q = optimum()
    assert evidence(X, q, np.random.default_rng(1)) - elbo == pytest.approx(page["ch5fit-bound-gap"], abs=0.05)
    assert 0 < page["ch5fit-bound-gap"] < 0.005


@proves(
    "fit-log-arsenic",
    oracle="ELBO optima by quadrature and L-BFGS; evidences by importance sampling in NumPy; residuals at the mean",
    tolerance="0.02 nats in the gain; gaps to the evidence below 0.1 nats; 0.5 points in both residuals",
)
def test_the_logarithm_of_arsenic_gains(page):
    (plain, q), (logged, better) = optimum(), optimum("logged")
    assert page["ch5fit-log-gain"] == pytest.approx(logged - plain, abs=0.02)
    assert page["ch5fit-log-elbo"] == pytest.approx(logged, abs=0.02)
    assert page["ch5fit-low-residual"] == pytest.approx(low_residual(X, q), abs=0.5)
    assert page["ch5fit-low-residual-log"] == pytest.approx(low_residual(LOGGED, better), abs=0.5)
    assert 2 * 2.8 < page["ch5fit-low-residual-log"] < 0.6 * page["ch5fit-low-residual"]
    rng = np.random.default_rng(0)
    for x, elbo, fitted in ((X, plain, q), (LOGGED, logged, better)):
        assert abs(evidence(x, fitted, rng) - elbo) < 0.1


@cache
def nuts():
    def model():
        z = numpyro.sample("z", dist.Normal(0, PRIOR_STD).expand([5]).to_event(1))
        numpyro.sample("y", dist.Bernoulli(logits=LOGGED @ z), obs=Y)

    chain = MCMC(NUTS(model), num_warmup=300, num_samples=4000, progress_bar=False)
    chain.run(jax.random.key(0))
    return np.asarray(chain.get_samples()["z"])


@proves(
    "fit-half-distance",
    oracle="4,000 draws of NumPyro's NUTS",
    tolerance="2 m in each of three quantiles (Monte Carlo errors below 0.5 m)",
)
def test_the_distance_at_which_half_switch(page):
    z = nuts()
    offset = np.log(1.3) - np.log(ROWS[:, 1]).mean()
    next_door = 1 / (1 + np.exp(z[:, 1] * CENTER[0] - z[:, 0] - z[:, 2] * offset))
    assert page["ch5fit-next-door"] == pytest.approx(100 * np.median(next_door), abs=0.5)
    half = 100 * CENTER[0] - 100 * (z[:, 0] + z[:, 2] * offset) / z[:, 1]
    np.testing.assert_allclose(page["ch5fit-half"], np.quantile(half, [0.05, 0.5, 0.95]), atol=2)
    assert [page[f"ch5fit-half-{name}"] for name in ("low", "middle", "high")] == page["ch5fit-half"]


@proves(
    "fit-frameworks-agree",
    oracle="a fixed point with Gauss-Hermite integrals in NumPy; each script runs where its framework is installed",
    tolerance="five standard errors and 0.02 nats",
)
@pytest.mark.parametrize("name", test_frameworks.NEEDS)
def test_the_scripts_reach_the_elbo_of_the_page(page, name):
    reached, (best, *_) = test_frameworks.reached(name), test_frameworks.optimum()
    assert abs(reached["elbo"] - best) < 5 * reached["std_error"] + 0.02
    assert page["ch5fit-elbo"] == pytest.approx(best, abs=0.01)
    assert page["ch5fit-reported"] == pytest.approx(best, abs=0.02)
