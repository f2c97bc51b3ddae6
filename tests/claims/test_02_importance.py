"""Proofs of chapter 2: what importance sampling can and cannot lend to the forward KL."""

import jax.numpy as jnp
import numpy as np
import pytest
import reverse_kl_oracles as oracle
from scipy import integrate, stats
from zscores import LIMIT, assert_mean

from claims import proves
from vi_lab import MeanField


@proves(
    "importance-sampling-serves-bioassay",
    oracle="moments, their asymptotic variances and the limit of the ESS by trapezoid sum in NumPy",
    tolerance="|z| < 5 for each of four moments (false-fail 2e-6); 5 percent of the ESS",
)
def test_prior_as_proposal(page):
    ratio = oracle.MASS * np.exp(oracle.LOG_POSTERIOR - oracle.PRIOR.logpdf(oracle.POINTS))
    offsets = oracle.POINTS - oracle.MEAN
    mean_error = np.sqrt(ratio @ offsets**2 / 10_000)
    std_error = np.sqrt(ratio @ (offsets**2 - oracle.STD**2) ** 2 / 10_000) / (2 * oracle.STD)
    assert np.all(np.abs(page["ch2-snis-mean"] - oracle.MEAN) < LIMIT * mean_error)
    assert np.all(np.abs(page["ch2-snis-std"] - oracle.STD) < LIMIT * std_error)
    assert page["ch2-snis-ess"] == pytest.approx(10_000 / ratio.sum(), rel=0.05)


@proves(
    "ess-collapses-exponentially",
    oracle="SciPy quadrature of E[w^2] in one coordinate, raised to the power d",
    tolerance="1e-8 on the law; 20 percent of the simulated ESS up to 5 dimensions",
)
def test_ess_law(page):
    r, p = stats.norm(0, 1), stats.norm(0.5, 1)
    second, _ = integrate.quad(lambda z: p.pdf(z) ** 2 / r.pdf(z), -12, 12)
    assert abs(second - np.exp(0.25)) < 1e-8
    ess = np.array(page["ch2-ess"])
    np.testing.assert_allclose(ess[:5], 10_000 / second ** np.arange(1, 6), rtol=0.2)
    assert ess[-1] > 100 * 10_000 / second**50, "the measured ESS should be far too high in 50 dimensions"
    assert (page["ch2-ess-16"], page["ch2-ess-50"]) == (ess[15], ess[49])
    assert page["ch2-ess-law-16"] == pytest.approx(10_000 / second**16, rel=1e-6)
    assert page["ch2-need-50"] == f"{second**50:,.0f}"
    assert page["ch2-ess-16"] > 1.2 * page["ch2-ess-law-16"], "the report should be too kind"


@proves(
    "ess-exponent-is-twice-the-kl",
    oracle="SciPy quadrature of KL(p || r) and of E[w^2] in one coordinate",
    tolerance="1e-8 nats",
)
def test_exponent_is_twice_the_kl(page):
    r, p = stats.norm(0, 1), stats.norm(0.5, 1)
    kl, _ = integrate.quad(lambda z: p.pdf(z) * (p.logpdf(z) - r.logpdf(z)), -12, 12)
    second, _ = integrate.quad(lambda z: p.pdf(z) ** 2 / r.pdf(z), -12, 12)
    assert abs(np.log(second) - 2 * kl) < 1e-8
    assert page["ch2-need-50"] == f"{np.exp(2 * 50 * kl):,.0f}"


@proves(
    "ess-collapses-exponentially",
    oracle="closed form exp(d/4) of E[w^2]",
    tolerance="|z| < 5 at 10^6 draws in two dimensions (false-fail 6e-7)",
)
def test_second_moment_of_the_weights(key):
    target, proposal = MeanField(jnp.full(2, 0.5), jnp.zeros(2)), MeanField.standard(2)
    z = proposal.sample(key, 1_000_000)
    assert_mean(jnp.exp(2 * (target.log_prob(z) - proposal.log_prob(z))), np.exp(0.5), "E[w^2]")


@proves(
    "reverse-error-grows-as-root-d",
    oracle="closed form: log w is normal with standard deviation sqrt(d)/2",
    tolerance="|z| < 5 in each of 50 dimensions (false-fail 3e-5)",
)
def test_error_of_the_reverse_kl(page):
    exact = np.sqrt(np.arange(1, 51)) / 200
    z = (np.array(page["ch2-error"]) / exact - 1) * np.sqrt(2 * 10_000)
    assert np.abs(z).max() < LIMIT
    assert page["ch2-error-50"] == page["ch2-error"][49]
    assert page["ch2-kl-50"] == 50 * 0.5**2 / 2


@proves(
    "importance-weights-are-blind",
    oracle="SciPy's binomial probability that no draw crosses zero; the mixture's moments in closed form",
    tolerance="1e-6 percent on the chance; |z| < 5 on the page's mean (false-fail 6e-7)",
)
def test_no_draw_sees_the_other_mode(page):
    chance = stats.binom.pmf(0, 10_000, stats.norm.sf(5.0))
    assert abs(page["ch2-blind-chance"] - 100 * chance) < 1e-6
    assert page["ch2-blind-ess"] > 9_999
    assert abs(page["ch2-blind-mean"] - 5) < LIMIT / np.sqrt(10_000), "the estimate should see one mode only"
    assert abs(page["ch2-blind-std"] - 1) < LIMIT / np.sqrt(20_000)


@proves(
    "reverse-fit-is-no-proposal",
    oracle="NumPy eigenvalues; the integrand of E[w^2] in NumPy along the eigenvector",
    tolerance="1e-6 on the eigenvalue; the integrand grows without end",
)
def test_weights_have_no_variance(page):
    std = np.array(page["ch2-fit-std"])
    values, vectors = np.linalg.eigh(2 * oracle.PRIOR_PRECISION - np.diag(std**-2))
    assert abs(page["ch2-tail-eigenvalue"] - values[0]) < 1e-6
    assert values[0] < 0
    assert page["ch2-tail-eigenvalue-text"] == f"−{-values[0]:.2f}"
    ray = np.array([20.0, 40.0, 80.0, 160.0])[:, None] * vectors[:, 0]
    log_normal = stats.norm(page["ch2-fit-mean"], std).logpdf(ray).sum(axis=1)
    assert np.all(np.diff(2 * oracle.bioassay(*ray.T) - log_normal) > 100)


@proves(
    "fit-as-proposal-is-erratic",
    oracle="200 runs of 10,000 NumPy draws with a joint written in NumPy",
    tolerance="|z| < 5 on the page's median (false-fail 6e-7); its lowest below a tenth of the median",
)
def test_fit_as_proposal(page):
    mean, std = np.array(page["ch2-fit-mean"]), np.array(page["ch2-fit-std"])
    rng = np.random.default_rng(0)
    ess, heaviest = np.transpose([run_of_fit(rng, mean, std) for _ in range(200)])
    below = np.mean(ess < page["ch2-tail-ess-median"])
    assert abs(below - 0.5) < LIMIT * 0.5 * np.sqrt(1 / 100 + 1 / 200)
    assert page["ch2-tail-ess-lowest"] < page["ch2-tail-ess-median"] / 10
    assert ess.min() < np.median(ess) / 10
    assert heaviest[ess.argmin()] > 500, "one draw should weigh as much as hundreds of average ones"


def run_of_fit(rng, mean, std):
    eps = rng.standard_normal((10_000, 2))
    log_w = oracle.bioassay(*(mean + std * eps).T) + (eps**2).sum(axis=1) / 2
    w = np.exp(log_w - log_w.max())
    return w.sum() ** 2 / (w**2).sum(), w.max() / w.mean()
