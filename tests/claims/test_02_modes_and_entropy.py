"""Proofs of chapter 2 on two modes and on the entropy: several minima, and what the dial does to q."""

import numpy as np
import pytest
import reverse_kl_oracles as oracle
from scipy import integrate, stats
from scipy.optimize import approx_fprime, minimize, minimize_scalar

from claims import proves


def minima(separation, weight=0.5):
    """The distinct end points (mean, std, KL) of SciPy's BFGS from a lattice of starts."""
    found = []
    for start in [(m, s) for m in np.linspace(-separation / 2, separation / 2, 7) for s in (-0.5, 0.2, 0.9)]:
        end = oracle.bimodal_minimum(start, separation, weight)
        if not any(np.allclose(end, known, atol=1e-3) for known in found):
            found.append(end)
    return sorted(found)


@proves(
    "close-modes-are-covered",
    oracle="SciPy's BFGS from 21 starts on the KL by trapezoid sum in NumPy",
    tolerance="one end point; mean, std and KL to 5e-3",
)
def test_one_minimum_at_separation_four(page):
    [only] = minima(4.0)
    np.testing.assert_allclose(page["ch2-middle-4"], only, atol=5e-3)
    np.testing.assert_allclose(page["ch2-mode-4"], only, atol=5e-3)


@proves(
    "best-fit-jumps-to-a-mode",
    oracle="SciPy's BFGS on the KL by trapezoid sum in NumPy",
    tolerance="mean, std and KL to 1e-3; the order of the minima reverses between separations 5 and 6",
)
def test_order_of_the_minima(page):
    for separation in (5, 6):
        for name, start in (("middle", (0.0, 1.0)), ("mode", (separation / 2, 0.0))):
            exact = oracle.bimodal_minimum(start, separation)
            np.testing.assert_allclose(page[f"ch2-{name}-{separation}"], exact, atol=1e-3)
            assert page[f"ch2-{name}-{separation}-kl"] == page[f"ch2-{name}-{separation}"][2]
    assert page["ch2-middle-5-kl"] < page["ch2-mode-5-kl"] < page["ch2-middle-6-kl"]
    assert page["ch2-mode-6-kl"] < page["ch2-middle-6-kl"]


def slope_at_separation_six(v):
    return np.ravel(oracle.bimodal_slope(v[:1, None], v[1:, None], 6.0))


@proves(
    "three-local-minima",
    oracle="SciPy's BFGS from 21 starts; a Hessian by differences of a slope written in NumPy",
    tolerance="three end points at separation 6, each with a positive definite Hessian (least eigenvalue above 0.05)",
)
def test_three_minima_at_separation_six():
    found = minima(6.0)
    assert len(found) == 3
    for mean, std, _ in found:
        hessian = approx_fprime(np.array([mean, np.log(std)]), slope_at_separation_six, 1e-5)
        assert np.linalg.eigvalsh((hessian + hessian.T) / 2).min() > 0.05


@proves("a-mode-costs-minus-log-weight", oracle="SciPy quad of the definition of the KL", tolerance="1e-5 nats")
def test_cost_of_a_mode(page):
    narrow, wide = stats.norm(-6.0, 0.5), stats.norm(12.0, 3.0)

    def density(z, q):
        log_p = np.logaddexp(np.log(0.3) + narrow.logpdf(z), np.log(0.7) + wide.logpdf(z))
        return q.pdf(z) * (q.logpdf(z) - log_p)

    for name, q, weight in (("narrow", narrow, 0.3), ("wide", wide, 0.7)):
        kl, _ = integrate.quad(density, q.ppf(1e-15), q.isf(1e-15), args=(q,), points=[q.mean()], limit=200)
        assert abs(page[f"ch2-{name}-kl"] - kl) < 1e-5
        assert abs(kl + np.log(weight)) < 2e-3, "well separated, a component costs minus the log of its weight"


@proves(
    "a-light-mode-keeps-its-starts",
    oracle="SciPy's BFGS from the same starts on the KL by trapezoid sum in NumPy",
    tolerance="mean, std and KL to 1e-3; KL within 0.03 nats of minus the log weight",
)
def test_light_modes(page):
    for weight, row in zip((0.1, 0.2, 1 / 3), page["ch2-light"], strict=True):
        np.testing.assert_allclose(row, oracle.bimodal_minimum((-3.0, 0.0), 6.0, weight), atol=1e-3)
        assert abs(row[2] + np.log(weight)) < 0.03
        assert row[0] < -2.5
    assert page["ch2-minus-log-tenth"] == pytest.approx(-np.log(0.1))


@proves(
    "starts-decide-the-minimum",
    oracle="the same descent in NumPy, with a slope written by hand and a trapezoid sum",
    tolerance="two of the 275 starts",
)
def test_shares_of_the_starts(page):
    m, log_std = np.meshgrid(np.linspace(-6, 6, 25)[12:], np.linspace(-1, 1.75, 11))  # the right half: symmetry
    ends, log_std = m.reshape(-1, 1).copy(), log_std.reshape(-1, 1).copy()
    for _ in range(1500):
        mean_slope, std_slope = oracle.bimodal_slope(ends, log_std, 6.0)
        ends, log_std = ends - 0.02 * mean_slope, log_std - 0.02 * std_slope
    middle, centre = (ends < 1.5).sum(), 11
    share = 100 * (2 * middle - centre) / 275
    assert abs(page["ch2-share-middle"] - share) < 100 * 2 / 275
    assert abs(page["ch2-share-left"] - page["ch2-share-right"]) < 100 * 2 / 275


@proves("dial-sets-the-variance", oracle="closed form tau (1 - 0.8^2)", tolerance="1e-3 relative")
def test_dial(page):
    for tau, variance, mean in page["ch2-dial"][1:]:
        assert variance == pytest.approx(tau * (1 - 0.8**2), rel=1e-3)
        assert mean == pytest.approx(1.0, abs=1e-6)
    assert page["ch2-dial-match"] == pytest.approx(1 / (1 - 0.8**2))


@proves(
    "without-entropy-q-collapses",
    oracle="the recursion of gradient descent on the closed-form loss s^2 Lambda / 2, in NumPy",
    tolerance="1e-6 relative; each further step lowers the variance",
)
def test_no_entropy(page):
    log_std, trace = 0.0, []
    for _ in range(700):
        log_std -= 0.2 * np.exp(2 * log_std) / (1 - 0.8**2)
        trace.append(np.exp(2 * log_std))
    assert page["ch2-tau-zero-variance"] == pytest.approx(trace[599], rel=1e-6)
    assert np.all(np.diff(trace) < 0)


@proves(
    "bioassay-cools-onto-the-map",
    oracle="SciPy's minimizers on the loss by Gauss-Hermite sums, and on the joint itself for the MAP",
    tolerance="2e-3 of each mean and std; at tau = 0.03 std / sqrt(tau) within 2 percent of the curvature's",
)
def test_cooling(page):
    peak = minimize(lambda z: -oracle.bioassay(*z), [1.0, 8.0], method="Nelder-Mead", options={"xatol": 1e-8}).x
    np.testing.assert_allclose(page["ch2-map"], peak, rtol=2e-3)
    rows = np.array(page["ch2-cooling"])
    for tau, *row in rows:
        mean, std, _ = oracle.best(oracle.tempered(tau), start_std=np.sqrt(tau) * np.array([0.7, 3.0]))
        np.testing.assert_allclose(row, [*mean, *std], rtol=2e-3)
    assert np.all(np.diff(np.abs(rows[:, 1:3] - peak), axis=0) < 0), "the means should approach the MAP"
    np.testing.assert_allclose(rows[-1, 3:] / np.sqrt(rows[-1, 0]), oracle.curvature(*peak) ** -0.5, rtol=0.02)


@proves(
    "width-is-inverse-average-curvature",
    oracle="SciPy's optimum of J, the curvature in closed form, Gauss-Hermite sums",
    tolerance="1e-4",
)
def test_curvature(page):
    mean, std, _ = oracle.best(oracle.tempered(1.0))
    average = oracle.HERMITE_WEIGHTS @ oracle.curvature(*(mean + std * oracle.HERMITE).T)
    np.testing.assert_allclose(std**2 * average, 1.0, atol=1e-4)
    np.testing.assert_allclose(page["ch2-curvature"], 1.0, atol=1e-4)


def energy(mean, std, separation):
    """-E_q[log p] of a Gaussian q: its KL plus its entropy."""
    return oracle.bimodal_kl((mean, np.log(std)), separation) + stats.norm(0, std).entropy()


@proves(
    "entropy-covers-close-modes",
    oracle="trapezoid sum in NumPy at the minimum of SciPy's BFGS; SciPy's entropy of a normal",
    tolerance="1e-3 nats; without the entropy the order of the two reverses",
)
def test_entropy_covers(page):
    mean, std, _ = oracle.bimodal_minimum((0.0, 0.7), 4.0)
    middle, mode = energy(mean, std, 4.0), energy(2.0, 1.0, 4.0)
    gain = stats.norm(0, std).entropy() - stats.norm(0, 1).entropy()
    assert abs(page["ch2-energy-middle"] - middle) < 1e-3
    assert abs(page["ch2-energy-mode"] - mode) < 1e-3
    assert abs(page["ch2-entropy-gain"] - gain) < 1e-3
    assert mode < middle < mode + gain


@proves(
    "entropy-cannot-bridge-far-modes",
    oracle="SciPy's scalar minimizer over the std; closed forms (1 - 2/pi) d^2/8 and d/sqrt(2 pi) for separation d",
    tolerance="2 percent of both at separations 40 and 80; the mode wins from 6 on",
)
def test_entropy_loses_far_apart():
    for separation in (6.0, 20.0, 40.0, 80.0):
        best = minimize_scalar(lambda v: oracle.bimodal_kl((0.0, v), separation), bracket=(0.0, np.log(separation)))  # noqa: B023
        std = np.exp(best.x)
        price = energy(0.0, std, separation) - energy(separation / 2, 1.0, separation)
        assert price > np.log(std), "the entropy gained, log std, should not pay for the energy"
        if separation >= 40:
            assert price == pytest.approx((1 - 2 / np.pi) * separation**2 / 8, rel=0.02)
            assert std == pytest.approx(separation / np.sqrt(2 * np.pi), rel=0.02)
