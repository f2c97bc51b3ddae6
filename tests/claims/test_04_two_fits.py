"""Proofs of chapter 4 on the two fits of one Gaussian, on moment matching, and on what the weights report."""

import geometry_oracles as oracle
import numpy as np
import pytest
from scipy import stats

from claims import proves


@proves(
    "geometry-two-fits",
    oracle="SciPy's BFGS on trapezoid sums of both KLs in NumPy",
    tolerance="mean, std and both KLs to 1e-4; the mirror image costs the same",
)
def test_two_fits(page):
    ends = {
        "one": oracle.best(oracle.reverse_kl, (3.0, 0.0), 6.0),
        "middle": oracle.best(oracle.reverse_kl, (0.0, 0.7), 6.0),
        "wide": oracle.best(oracle.forward_kl, (0.0, 0.7), 6.0),
    }
    for name, (mean, std, _) in ends.items():
        v = mean, np.log(std)
        exact = [mean, std, oracle.reverse_kl(v, 6.0), oracle.forward_kl(v, 6.0)]
        np.testing.assert_allclose(page[f"ch4-{name}"], exact, atol=1e-4)
    assert page["ch4-one-reverse"] == page["ch4-one"][2] < page["ch4-middle"][2]
    assert 0 < np.log(2) - page["ch4-one-reverse"] < 0.01
    mirror = oracle.best(oracle.reverse_kl, (-3.0, 0.0), 6.0)
    assert mirror[2] == pytest.approx(page["ch4-one-reverse"], abs=1e-6)


@proves("geometry-forward-peaks-in-the-gap", oracle="normal densities by SciPy", tolerance="1e-6 relative")
def test_density_in_the_gap(page):
    ratio = stats.norm.pdf(0, 0, 10**0.5) / stats.norm.pdf(3)
    assert page["ch4-wide-ratio"] == pytest.approx(ratio, rel=1e-6)


@proves(
    "geometry-missed-mode-is-finite",
    oracle="the cross entropy from p's moments in closed form, its entropy by SciPy quad",
    tolerance="1e-5 nats; at separation 12 the price is more than three times as high",
)
def test_missed_mode(page):
    def price(mean, std, separation):
        second_moment = 1 + separation**2 / 4 + mean**2  # of z - mean, p's own mean being zero
        cross = np.log(std) + 0.5 * np.log(2 * np.pi) + second_moment / (2 * std**2)
        peaks = -separation / 2, 0.0, separation / 2
        negentropy = oracle.quad(lambda z: np.exp(oracle.log_p(z, separation)) * oracle.log_p(z, separation), *peaks)
        return negentropy + cross

    mean, std, *_ = page["ch4-one"]
    assert page["ch4-one-forward"] == pytest.approx(price(mean, std, 6.0), abs=1e-5)
    assert np.isfinite(price(6.0, 1.0, 12.0)) and price(6.0, 1.0, 12.0) > 3 * page["ch4-one-forward"]


@proves(
    "geometry-forward-matches-moments",
    oracle="SciPy's BFGS on a trapezoid sum; moments of the mixture in closed form",
    tolerance="slope below 1e-9; std sqrt(10) to 1e-6 on the page, to 1e-4 by SciPy",
)
def test_moment_matching(page):
    assert np.abs(page["ch4-slope"]).max() < 1e-9
    mean, std, _ = oracle.best(oracle.forward_kl, (1.0, 0.0), 6.0)
    assert abs(mean) < 1e-4 and abs(std - 10**0.5) < 1e-4
    assert page["ch4-wide-std"] == pytest.approx(10**0.5, abs=1e-6)
    assert page["ch4-wide"][0] == pytest.approx(0.0, abs=1e-6)


@proves(
    "geometry-pythagoras",
    oracle="trapezoid sum for KL(p || q); SciPy quad for KL(q* || q)",
    tolerance="1e-6 nats",
)
def test_pythagoras(page):
    left, right = page["ch4-pythagoras"]
    mean, std, *_ = page["ch4-one"]
    matched, q = stats.norm(0, 10**0.5), stats.norm(mean, std)
    apart = oracle.quad(lambda z: matched.pdf(z) * (matched.logpdf(z) - q.logpdf(z)))
    total = oracle.forward_kl((0.0, np.log(10) / 2), 6.0) + apart
    assert left == pytest.approx(right, abs=1e-6)
    assert left == pytest.approx(total, abs=1e-6)


@proves(
    "geometry-ess-lies",
    oracle="SciPy quad of p^2 / r; 200 simulations of the same size in NumPy",
    tolerance="worth to 1e-6 relative; the report lies within the range of the simulations",
)
def test_effective_sample_size(page):
    worth = np.array(page["ch4-ess-true"])
    for index in (4, 8, 12):  # separations 1, 2, 3
        d = index / 4
        second = oracle.quad(lambda z, d=d: np.exp(2 * oracle.log_p(z, d) - stats.norm.logpdf(z, d / 2)), -1.5 * d, 0)
        assert worth[index] == pytest.approx(1e4 / second, rel=1e-6)
    assert worth[16] < 1
    rng = np.random.default_rng(0)
    for index in (16, 32):
        d = index / 4
        reports = []
        for _ in range(200):
            z = d / 2 + rng.standard_normal(10_000)
            w = np.exp(oracle.log_p(z, d) - stats.norm.logpdf(z, d / 2))
            reports.append(w.sum() ** 2 / (w**2).sum())
        assert min(reports) <= page[f"ch4-ess-at-{index // 4}"] <= max(reports)
        assert page[f"ch4-ess-at-{index // 4}"] == page["ch4-ess-reported"][index]
    assert page["ch4-ess-at-4"] > 50 * worth[16] and page["ch4-ess-at-8"] > 9000
