"""Proofs of chapter 6: signal and noise, Sobol and antithetic draws, on Gaussian targets."""

import draws_oracles as oracle
import numpy as np
import pytest

from claims import proves

SIZES, M, S, DIM = (16, 128, 1024), 0.5, 0.8, 10
INDEX = np.arange(DIM)
CORRELATED = np.linalg.inv(0.8 ** abs(INDEX[:, None] - INDEX))


def exact(n, noise):
    """Total variance on the isotropic target: in each coordinate -(m + s e) and 1 - s m e - s^2 e^2, n draws."""
    if noise == "iid":
        return DIM * (S**2 + M**2 * S**2 + 2 * S**4) / n
    in_log_std = oracle.stratified_variance_of(n, S * M, S**2)
    return DIM * (S**2 * oracle.stratified_variance(n, 1) + in_log_std)


def measured(page):
    return {(name, n): (free, even) for name, n, free, even in page["ch6-sobol"]}


@proves(
    "diagnosis-sobol-isotropic",
    oracle="one draw in each stratum of each coordinate: truncated moments of the normal, in closed form",
    tolerance="25 percent of each variance, 64 gradients or more in ten coordinates; the floors 5, 50 and 200 in both",
)
def test_sobol_on_an_isotropic_target(page):
    for n, floor in zip(SIZES, (5, 50, 200), strict=True):
        free, even = measured(page)["isotropic", n]
        assert free == pytest.approx(exact(n, "iid"), rel=0.2)
        assert even == pytest.approx(exact(n, "sobol"), rel=0.25)
        assert page[f"ch6-iso-{n}"] > floor and exact(n, "iid") / exact(n, "sobol") > floor


@proves(
    "diagnosis-sobol-rate",
    oracle="the slope of the closed form, log variance on log n",
    tolerance="0.1",
)
def test_rate(page):
    slope = np.polyfit(np.log(SIZES), [np.log(exact(n, "sobol")) for n in SIZES], 1)[0]
    assert page["ch6-rate-iso"] == pytest.approx(-slope, abs=0.1) and 1.8 < -slope < 2.2
    tail = [oracle.stratified_variance(n, 2) for n in (2**14, 2**16)]
    assert np.log(tail[1] / tail[0]) / np.log(4) == pytest.approx(-2, abs=0.2), "the outermost stratum decides"


@proves(
    "diagnosis-sobol-correlated",
    oracle="gradients in NumPy with SciPy's own scrambled points, 300 scrambles",
    tolerance="a factor of 1.5 in each ratio; between 2 and the isotropic ratio",
)
def test_what_remains_under_correlation(page):
    for n in SIZES:
        slopes = [
            oracle.gaussian_slopes(oracle.scipy_sobol(n, DIM, seed), M, S, CORRELATED)
            for seed in range(300 if n < 1000 else 150)
        ]
        even = sum(np.var(np.array(side), axis=0, ddof=1).sum() for side in zip(*slopes, strict=True))
        eps = np.random.default_rng(0).standard_normal((100_000, 1, DIM))
        free = sum(side.var(axis=0).sum() for side in oracle.gaussian_slopes(eps, M, S, CORRELATED)) / n
        shown = page[f"ch6-cor-{n}"]
        assert free / even / 1.5 < shown < 1.5 * free / even, n
        assert 2 < shown < 1.1 * page[f"ch6-iso-{n}"]


@proves(
    "diagnosis-antithetic-doubles",
    oracle="closed form: 0, and 4 s^4 / n over 2 s^4 / n",
    tolerance="1e-20 of the other; 2 to 15 percent (256 gradients in ten coordinates)",
)
def test_antithetic(page):
    pairs_mean, pairs_scale, free_mean, free_scale = page["ch6-antithetic"]
    assert pairs_mean < 1e-20 * free_mean
    assert free_mean == pytest.approx(DIM * S**2 / 16, rel=0.15)
    assert pairs_scale / free_scale == pytest.approx(2, rel=0.15)


@proves(
    "diagnosis-antithetic-reverses",
    oracle="closed form 4 s^2 / (m^2 + 2 s^2), and the same by NumPy with 20,000 gradients",
    tolerance="20 percent of each ratio on the page, 5 percent in NumPy; equal at m = sqrt(2) s",
)
def test_the_order_reverses(page):
    for m, shown in page["ch6-harm"]:
        law = 4 * S**2 / (m**2 + 2 * S**2)
        assert shown == pytest.approx(law, rel=0.2)
        half = np.random.default_rng(1).standard_normal((20_000, 8, 1))
        free = np.random.default_rng(2).standard_normal((20_000, 16, 1))
        pairs = np.concatenate([half, -half], axis=1)
        ratio = np.divide(*(oracle.gaussian_slopes(eps, m, S, np.eye(1))[1].var() for eps in (pairs, free)))
        assert ratio == pytest.approx(law, rel=0.07)
        assert (law < 1) == (m > np.sqrt(2) * S)


@proves(
    "diagnosis-snr-vanishes",
    oracle="independent draws: the ratio grows as the root of their number; and a gradient of mean zero has none",
    tolerance="10 percent of the factor 4; 0.3 at the optimum, which 256 gradients do not tell from zero",
)
def test_signal_to_noise(page):
    start, halfway, optimum = page["ch6-snr"]
    assert start[1] / start[0] == pytest.approx(4, rel=0.15)
    assert optimum[0] < 0.2 and optimum[1] < 0.3
    assert start[1] > 1
    for ratio in (start, halfway):
        assert ratio[1] > optimum[1]


@proves(
    "diagnosis-sobol-stills-a-fit",
    oracle="in NumPy: plain steps on a quadratic leave a gap in proportion to the gradient's variance; SciPy's points",
    tolerance="20 percent of the law; a factor above 2 on the page, where SciPy's points have a factor above 3",
)
def test_plain_steps_profit_from_quiet_gradients(page):
    assert left_below(0.1, 1.0) / left_below(0.1, 0.5) == pytest.approx(4, rel=0.2)
    free, even = page["ch6-trembling"]
    assert free > 2 * even > 0 and page["ch6-tremble-ratio"] == pytest.approx(free / even)
    rows = [oracle.scipy_sobol(64, 2, seed) for seed in range(400)]
    product = np.array([(eps[:, 0] * eps[:, 1]).mean() for eps in rows]).var()
    assert product < 1 / 64 / 3, "the noisiest part of a full-rank gradient in two dimensions"


def left_below(rate, noise, steps=400, walkers=2000):
    """Mean of x^2 / 2 at the end of a descent on x^2 / 2 with noisy slopes, from the bottom."""
    rng, x = np.random.default_rng(3), np.zeros(walkers)
    for _ in range(steps):
        x = x - rate * (x + noise * rng.standard_normal(walkers))
    return np.mean(x**2) / 2
