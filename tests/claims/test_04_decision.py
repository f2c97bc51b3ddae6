"""Proofs of chapter 4 on the decision: what each report of one posterior loses under four losses."""

import geometry_oracles as oracle
import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq

from claims import proves

PARTS = ((0.7, -3.0), (0.3, 3.0))


def cdf(t, std=1.0):
    return sum(w * stats.norm.cdf(t, m, std) for w, m in PARTS)


def above(t, std=1.0):
    """E[(z - t)_+] in closed form."""
    return sum(w * ((m - t) * stats.norm.sf(t, m, std) + std**2 * stats.norm.pdf(t, m, std)) for w, m in PARTS)


def below(t, std=1.0):
    return t - sum(w * m for w, m in PARTS) + above(t, std)


def losses(spot, lower, upper, reach):
    miss = 1 - (cdf(spot + 1) - cdf(spot - 1))
    square = 1 + sum(w * (m - spot) ** 2 for w, m in PARTS)
    cordon = upper - lower + 20 * (below(lower) + above(upper))
    return np.array([miss, square, cordon, 0.99 * above(reach, 2**0.5) + 0.01 * below(reach, 2**0.5)])


def regret(mean, std):
    point = lambda level, s: brentq(lambda t: cdf(t, s) - level, -20, 20)  # noqa: E731
    spots = np.linspace(-5, 5, 10_001)
    spot = spots[np.argmax(cdf(spots + 1) - cdf(spots - 1))]
    ideal = losses(spot, point(0.05, 1), point(0.95, 1), point(0.99, 2**0.5))
    ideal[1] = losses(-1.2, 0, 0, 0)[1]
    reach = mean + 2.326 * np.hypot(std, 1)
    return losses(mean, mean - 1.645 * std, mean + 1.645 * std, reach) - ideal


def check(page, name, index, tolerance):
    exact = regret(*page[f"ch4-report-{name}"])[index]
    assert page[f"ch4-regret-{name}"][index] == pytest.approx(exact, abs=tolerance)


@proves(
    "geometry-reverse-wins-the-spot",
    oracle="normal distribution functions by SciPy; the reports by BFGS and in closed form",
    tolerance="reports to 1e-3, regret to 2e-3, chances to 0.2 percent",
)
def test_helicopter(page):
    reverse = oracle.best(oracle.reverse_kl, (-3.0, 0.0), 6.0, 0.7)
    np.testing.assert_allclose(page["ch4-report-reverse"], reverse[:2], atol=1e-3)
    np.testing.assert_allclose(page["ch4-report-forward"], [-1.2, np.sqrt(1 + 9 - 1.2**2)], atol=1e-6)
    starts = ((-3.0, 0.0), (-1.0, 1.0), (3.0, 0.0))
    half = min((oracle.best(oracle.alpha_divergence, v, 0.5, 6.0, 0.7) for v in starts), key=lambda end: end[2])
    np.testing.assert_allclose(page["ch4-report-half"], half[:2], atol=1e-3)
    for name in ("reverse", "half", "forward"):
        check(page, name, 0, 2e-3)
    for name in ("reverse", "forward"):
        hit = 100 * (1 - losses(page[f"ch4-report-{name}"][0], 0, 0, 0)[0])
        assert page[f"ch4-miss-{name}"] == pytest.approx(hit, abs=0.2)
    assert page["ch4-regret-reverse"][0] < 0.01 < 0.3 < page["ch4-regret-forward"][0]


@proves(
    "geometry-forward-wins-the-square", oracle="closed form: the squared distance to the mean", tolerance="1e-3 km^2"
)
def test_square(page):
    for name in ("reverse", "half", "forward"):
        mean, _ = page[f"ch4-report-{name}"]
        assert page[f"ch4-regret-{name}"][1] == pytest.approx((mean + 1.2) ** 2, abs=1e-3)
    assert page["ch4-squared-reverse"] == page["ch4-regret-reverse"][1] > 3
    assert page["ch4-regret-forward"][1] < 1e-3


@proves(
    "geometry-covering-wins-the-interval",
    oracle="partial expectations of normals in closed form; best actions by SciPy's brentq",
    tolerance="0.01 in the interval score, 1e-4 in the tail loss; the order of the three reports",
)
def test_cordon_and_relay(page):
    for name in ("reverse", "half", "forward"):
        check(page, name, 2, 0.01)
        check(page, name, 3, 1e-4)
        assert page[f"ch4-cordon-{name}"] == page[f"ch4-regret-{name}"][2]
    for index in (2, 3):
        half, forward, reverse = (regret(*page[f"ch4-report-{n}"])[index] for n in ("half", "forward", "reverse"))
        assert 0 < half < forward < reverse / 10
