"""Proofs of chapter 5: the noisy hill, the path through the draws, the score and its baselines."""

import elbo_oracles
import gradient_oracles as oracle
import numpy as np
import pytest
from scipy import stats
from zscores import LIMIT

from claims import proves

POSTERIOR = elbo_oracles.POSTERIOR
MU, V = POSTERIOR.mean(), POSTERIOR.var()
M, S = 0.8, 0.6  # q of the page
R = S**2 / V
SLOPES = -(M - MU) / V, 1 - R


def log_weight(e, mean=M):
    """log p(z, x) - log q(z) at z = mean + S e: prior, likelihood and q in NumPy and SciPy."""
    at = np.array([elbo_oracles.sleep_joint(z) for z in (MU - 1, MU, MU + 1)])
    curve = np.polyfit([-1, 0, 1], at, 2)  # the log joint is a parabola
    return np.polyval(curve, mean + S * e - MU) + 0.5 * e**2 + 0.5 * np.log(2 * np.pi) + np.log(S)


def spread_error(samples: np.ndarray, num: int) -> float:
    """Standard error of a variance estimated from `num` draws of the law that `samples` shows."""
    return float(np.std((samples - samples.mean()) ** 2) / np.sqrt(num))


@proves(
    "elbo-standard-error-needs-draws",
    oracle="NumPy simulation of the interval, 100,000 times; the ELBO by Gauss-Hermite quadrature",
    tolerance="|z| < 5 of a binomial share (false-fail 6e-7)",
)
def test_coverage_of_the_standard_error(page):
    exact = oracle.expect(log_weight)
    assert page["ch5-exact"][0] == pytest.approx(exact, abs=1e-8)
    rng = np.random.default_rng(0)
    for draws, repeats in ((5, 100_000), (200, 20_000)):
        log_w = log_weight(rng.standard_normal((repeats, draws)))
        std_error = log_w.std(axis=1, ddof=1) / np.sqrt(draws)
        share = np.mean(np.abs(log_w.mean(axis=1) - exact) < 1.96 * std_error)
        error = np.sqrt(share * (1 - share) * (1 / 4000 + 1 / repeats))
        assert abs(page[f"ch5-coverage-{draws}"] / 100 - share) < LIMIT * error
    assert page["ch5-coverage-5"] < 90 < 94 < page["ch5-coverage-200"]


@proves(
    "elbo-standard-error-of-few-draws",
    oracle="Student's t with 4 degrees of freedom by simulation in NumPy; skewness of simulated log weights",
    tolerance="|z| < 5 of a binomial share; the order strict",
)
def test_two_reasons(page):
    e = np.random.default_rng(4).standard_normal((200_000, 5))
    share = np.mean(np.abs(e.mean(axis=1)) < 1.96 * e.std(axis=1, ddof=1) / np.sqrt(5))
    shown = page["ch5-coverage-normal"] / 100
    assert abs(shown - share) < LIMIT * np.sqrt(share * (1 - share) / 200_000)
    assert stats.t.ppf(0.975, 4) == pytest.approx(2.78, abs=0.005)
    assert page["ch5-coverage-5"] / 100 < shown and R > 1
    assert stats.skew(log_weight(e), axis=None) < -1


@proves(
    "fresh-draws-drown-the-slope",
    oracle="closed form of the variance of a quadratic in a normal",
    tolerance="6 percent of each standard deviation, from 4,000 runs (false-fail 1e-6)",
)
def test_noise_of_a_difference(page):
    def variance(a):
        return a**2 * S**2 / V**2 + (1 - R) ** 2 / 2

    for h, fresh, same in zip(
        (1.0, 0.3, 0.1, 0.03, 0.01), page["ch5-noise-fresh"], page["ch5-noise-same"], strict=True
    ):
        law = np.sqrt((variance(M - MU + h) + variance(M - MU - h)) / 10) / (2 * h)
        assert fresh == pytest.approx(law, rel=0.06)
        assert same == pytest.approx(S / V / np.sqrt(10), rel=0.06)
    assert page["ch5-slope"] == pytest.approx(SLOPES[0], abs=1e-8)


@proves(
    "sketch-gradient-is-unbiased",
    oracle="central differences of the ELBO, which is Gauss-Hermite quadrature in NumPy",
    tolerance="|z| < 5 at 20,000 draws (false-fail 1e-6)",
)
def test_sketch(page):
    def elbo(at):
        mean, log_std = at
        curve = np.polyfit([-1, 0, 1], [elbo_oracles.sleep_joint(z) for z in (MU - 1, MU, MU + 1)], 2)
        return oracle.expect(lambda e: np.polyval(curve, mean + np.exp(log_std) * e - MU)) + log_std

    exact = oracle.slope(elbo, [M, np.log(S)])
    np.testing.assert_allclose(exact, SLOPES, atol=1e-6)
    np.testing.assert_allclose(page["ch5-exact"][1:], exact, atol=1e-6)
    for name, slope in zip(("mean", "log_std"), exact, strict=True):
        mean, error = page[f"ch5-sketch-{name}"]
        assert abs(mean - slope) < LIMIT * error


@proves(
    "a-constant-ruins-the-bare-score",
    oracle="Gauss-Hermite quadrature of the estimator's second moment in NumPy",
    tolerance="1e-6 where nothing changes; 10 percent of the standard deviation from 4,000 runs of 16 draws",
)
def test_a_constant(page):
    for name in ("path", "leave-one-out"):
        before, after = page[f"ch5-lift-{name}"]
        assert after == pytest.approx(before, rel=1e-6)
    for lift, shown in zip((0, 1000), page["ch5-lift-none"], strict=True):
        second = oracle.expect(lambda e, lift=lift: ((log_weight(e) + lift) * e / S) ** 2)
        assert shown == pytest.approx(np.sqrt((second - SLOPES[0] ** 2) / 16), rel=0.1)
    assert page["ch5-lift-none"] == [page["ch5-lift-none-before"], page["ch5-lift-none-after"]]


def slopes(e: np.ndarray, kind: str) -> np.ndarray:
    """The slope in the mean for rows of draws, f(z) = -(z + 1)^2, q = N(0, 1), in NumPy; sign as for +f."""
    f, n = (1 + e) ** 2, e.shape[1]
    if kind == "estimated optimum":
        return oracle.estimated_optimal(e, 1.0, 1.0)
    before = np.cumsum(f, axis=1) - f
    baseline = {
        "none": 0.0,
        "leave-one-out": (f.sum(axis=1, keepdims=True) - f) / (n - 1),
        "running mean": before / np.maximum(np.arange(n), 1),
    }[kind]
    return ((f - baseline) * e).mean(axis=1)


@proves(
    "baselines-have-the-variance-of-theory",
    oracle="closed forms: normal moments, and the variance of a sample covariance",
    tolerance="|z| < 5 of a variance from 20,000 runs, its error by simulation in NumPy (false-fail 5e-6)",
)
def test_baselines(page):
    rng = np.random.default_rng(1)
    laws = {
        "none": lambda n: 30 / n,
        "running mean": lambda n: oracle.running_mean_variance(1.0, 1.0, n),
        "leave-one-out": lambda n: oracle.leave_one_out_variance(1.0, 1.0, n),
    }
    assert oracle.score_variance(1, 1) == pytest.approx(1 + 14 + 15)
    assert oracle.score_variance(1, 1, baseline=1 + 3) == pytest.approx(8 + 6)
    for name, law in laws.items():
        for n, shown in zip((2, 8, 64), page[f"ch5-baseline-{name}"], strict=True):
            error = n * spread_error(slopes(rng.standard_normal((50_000, n)), name), 20_000)
            assert abs(shown - n * law(n)) < LIMIT * error, (name, n)


@proves(
    "estimated-optimum-needs-draws",
    oracle="the same formula in NumPy, 50,000 runs",
    tolerance="|z| < 5 of a variance; the order at 8 and at 64 draws strict",
)
def test_estimated_optimum(page):
    rng, name = np.random.default_rng(2), "estimated optimum"
    for n, shown in zip((2, 8, 64), page[f"ch5-baseline-{name}"], strict=True):
        samples = slopes(rng.standard_normal((50_000, n)), name)
        error = n * spread_error(samples, 20_000) * np.sqrt(1 + 20_000 / 50_000)
        assert abs(shown - n * samples.var()) < LIMIT * error
        if n > 2:
            better = oracle.leave_one_out_variance(1.0, 1.0, n)
            assert (samples.var() > better) == (n == 8)
    assert page["ch5-optimum-8"] > page["ch5-loo-8"] and page["ch5-optimum-64"] < page["ch5-loo-64"]


@proves(
    "score-variance-grows-with-dimension",
    oracle="closed forms from normal moments, with d = s = 1",
    tolerance="|z| < 5 of a variance from 4,000 runs, its error by simulation in NumPy (false-fail 5e-6)",
)
def test_dimension(page):
    rng = np.random.default_rng(3)
    for i, n in enumerate((1, 2, 5, 10, 20)):
        others = n - 1
        bare = 30 + 2 * others * 2 * 4 + (6 * others + 4 * others**2)
        both, cov, var_f = 22 + 6 * others, 2.0, 6.0 * n
        left_out = both - 14 / 15 * cov**2 + var_f / 15
        e = rng.standard_normal((20_000, 16, n))
        f = ((1 + e) ** 2).sum(axis=2)
        plain = (f * e[..., 0]).mean(axis=1)
        loo = ((f - f.mean(axis=1, keepdims=True)) * e[..., 0]).sum(axis=1) / 15
        for law, samples, shown in (
            (bare, plain, page["ch5-dim-none"][i]),
            (left_out, loo, page["ch5-dim-leave-one-out"][i]),
        ):
            assert abs(shown - law) < LIMIT * 16 * spread_error(samples, 4000), n
        assert page["ch5-dim-path"][i] == pytest.approx(4, rel=0.12)
    assert page["ch5-dim-path-20"] == page["ch5-dim-path"][-1]
