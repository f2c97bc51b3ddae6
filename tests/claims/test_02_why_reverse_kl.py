"""Proofs of the first half of chapter 2: the constant, and the draws that the forward KL needs."""

import jax.numpy as jnp
import numpy as np
import pytest
import reverse_kl_oracles as oracle
from scipy import integrate, stats
from zscores import LIMIT, assert_mean

from claims import proves
from vi_lab import MeanField, kl_quadrature, models


@proves("bioassay-evidence", oracle="SciPy dblquad of a joint written in NumPy", tolerance="1e-6 nats")
def test_evidence(page):
    evidence, _ = integrate.dblquad(
        lambda beta, alpha: np.exp(oracle.bioassay(alpha, beta)), -8, 10, -15, 65, epsabs=1e-11, epsrel=1e-7
    )
    assert abs(page["ch2-log-evidence"] - np.log(evidence)) < 1e-6
    assert page["ch2-log-evidence-text"] == f"−{-np.log(evidence):.4f}"
    assert (page["ch2-evaluations"], page["ch2-ten-dims"]) == (f"{200**2:,}", len(str(200**10)))


@proves(
    "bioassay-identity",
    oracle="trapezoid sum in NumPy of both sides, over a joint written in NumPy",
    tolerance="1e-8 nats",
)
def test_identity(page):
    kl = oracle.reverse_kl([1.0, 10.0], [0.7, 3.0])
    assert abs(page["ch2-identity-left"] - kl) < 1e-8
    assert abs(page["ch2-identity-right"] - kl) < 1e-8


@proves(
    "constant-leaves-gradient",
    oracle="central differences of the KL by trapezoid sum in NumPy",
    tolerance="1e-7 against the differences; 1e-7 between the three gradients",
)
def test_gradient_ignores_the_constant(page):
    at = np.array([1.0, 10.0, np.log(0.7), np.log(3.0)])
    ends = [[oracle.reverse_kl(v[:2], np.exp(v[2:])) for v in (at - h, at + h)] for h in 1e-4 * np.eye(4)]
    np.testing.assert_allclose(page["ch2-gradient"], np.diff(ends)[:, 0] / 2e-4, atol=1e-7)
    assert page["ch2-gradient-spread"] < 1e-7


@proves("dropped-coefficients-shift-j", oracle="log of SciPy's binomial coefficients", tolerance="1e-9 nats")
def test_coefficients(page):
    assert abs(page["ch2-shift"] - oracle.COEFFICIENTS) < 1e-9


@proves(
    "fit-reaches-best-mean-field",
    oracle="SciPy's BFGS on the KL by trapezoid sum in NumPy",
    tolerance="0.01 nats above the minimum, as the page says; 1e-6 on the fit's own KL",
)
def test_fit_is_near_the_best(page):
    kl = oracle.reverse_kl(page["ch2-fit-mean"], page["ch2-fit-std"])
    assert abs(kl - page["ch2-fit-kl"]) < 1e-6
    _, _, smallest = oracle.best(oracle.reverse_kl)
    assert smallest - 1e-6 < kl < smallest + 0.01


@proves(
    "forward-fit-matches-moments",
    oracle="SciPy's BFGS on the forward KL by trapezoid sum in NumPy, on the bioassay",
    tolerance="1e-3 of each mean and standard deviation",
)
def test_forward_fit(page):
    mean, std, _ = oracle.best(oracle.forward_kl)
    np.testing.assert_allclose(mean, page["ch2-exact-mean"], rtol=1e-3)
    np.testing.assert_allclose(std, page["ch2-exact-std"], rtol=1e-3)


@proves(
    "missed-mode-is-dear-not-infinite",
    oracle="SciPy quad of the forward KL; the second moment of the mixture in closed form",
    tolerance="1e-6 nats; above 20 nats, where a q that is zero on the other mode is charged infinity",
)
def test_missed_mode():
    target, q = models.bimodal(separation=10.0).posterior, MeanField.from_std([5.0], [1.0])
    left, right = stats.norm(-5, 1), stats.norm(5, 1)

    def log_p(z):
        return np.logaddexp(left.logpdf(z), right.logpdf(z)) - np.log(2)

    entropy, _ = integrate.quad(lambda z: -np.exp(log_p(z)) * log_p(z), -15, 15, points=[-5, 5])
    exact = np.log(2 * np.pi) / 2 + (1 + 10**2 / 2) / 2 - entropy  # E_p[(z - 5)^2] = 1 + 10^2 / 2
    assert abs(float(kl_quadrature(target, q, -15.0, 15.0, num_points=400)) - exact) < 1e-6
    assert 20 < exact < np.inf
    z = np.linspace(-8, 8, 161)
    zero_on_the_left = stats.truncnorm.logpdf(z, -5, np.inf, loc=5)  # N(5, 1) cut at zero
    assert np.mean(np.exp(log_p(z)) * (log_p(z) - zero_on_the_left)) == np.inf


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
