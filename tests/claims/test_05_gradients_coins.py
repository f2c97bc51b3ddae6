"""Proofs of chapter 5: the discrete model, exact by enumeration, and the derivative as a difference."""

import gradient_oracles as oracle
import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize
from zscores import LIMIT

from claims import proves

TABLE = oracle.cars_table()
CORNERS = oracle.corners(4)
FAIR = np.zeros(4)


@proves(
    "local-sums-tame-the-coins",
    oracle="enumeration of the 16 models, each a 50-dimensional normal density by SciPy",
    tolerance="|z| < 5 on each mean; 15 percent on each variance from 4,000 runs",
)
def test_coins(page):
    exact = oracle.slope(lambda at: oracle.discrete_elbo(at, TABLE), FAIR)
    plain, best, local = oracle.discrete_variances(FAIR, TABLE)
    for name, variance in (("none", plain), ("leave-one-out", best), ("Rao-Blackwell", local)):
        mean, shown = (np.array(v) for v in page[f"ch5-coins-{name}"])
        assert np.all(np.abs(mean - exact) < LIMIT * np.sqrt(shown / 16 / 4000))
        np.testing.assert_allclose(shown, variance, rtol=0.15)
    assert page["ch5-coins-ratio-none"] == pytest.approx(plain[0] / best[0], rel=0.2)
    assert page["ch5-coins-ratio-local"] == pytest.approx(best[0] / local[0], rel=0.2)
    assert np.all(local < best) and np.all(best < plain / 100)
    assert page["ch5-coins-level"] == pytest.approx(-TABLE.mean(), abs=1e-6)


@proves(
    "the-climb-reaches-the-best-coins",
    oracle="SciPy's minimizer on the enumerated ELBO, from five starts",
    tolerance="0.005 nats",
)
def test_climb(page):
    starts = [FAIR, *np.random.default_rng(0).normal(size=(4, 4))]
    found = [minimize(lambda at: -oracle.discrete_elbo(at, TABLE), start) for start in starts]
    evidence = np.logaddexp.reduce(TABLE)
    gaps = np.array([evidence + one.fun for one in found])
    assert page["ch5-coins-gap"] == pytest.approx(gaps.min(), abs=0.005)
    posterior = np.exp(TABLE - evidence) @ CORNERS
    np.testing.assert_allclose(page["ch5-coins-posterior"], posterior, atol=1e-6)
    best = 1 / (1 + np.exp(-found[int(gaps.argmin())].x))
    np.testing.assert_allclose(page["ch5-coins-fitted"], best, atol=0.02)
    assert page["ch5-coins-square"] > 0.99 and page["ch5-coins-square-exact"] < 0.7


@proves(
    "forward-coins-keep-the-probabilities",
    oracle="SciPy's minimizer on the forward KL, enumerated",
    tolerance="1e-4 in each probability",
)
def test_forward_coins(page):
    mass = np.exp(TABLE - np.logaddexp.reduce(TABLE))
    found = minimize(lambda at: -mass @ oracle.bernoulli_log_prob(CORNERS, at), FAIR, options={"gtol": 1e-9})
    np.testing.assert_allclose(page["ch5-coins-posterior"], 1 / (1 + np.exp(-found.x)), atol=1e-4)


@proves(
    "measure-valued-law",
    oracle="closed form 4 d^2 (4/pi - 1); Rayleigh moments by SciPy",
    tolerance="|z| < 5 at 20,000 draws (false-fail 3e-6)",
)
def test_measure_valued(page):
    slopes, variances = page["ch5-measure"]
    kurtosis = stats.rayleigh.stats(moments="k") + 3
    for d, slope, variance in zip((0.0, 1.0, 2.0), slopes, variances, strict=True):
        law = 16 * d**2 / (2 * np.pi) * stats.rayleigh.var()
        assert law == pytest.approx(4 * d**2 * (4 / np.pi - 1))
        assert abs(slope + 2 * d) < LIMIT * np.sqrt(law / 20_000) + 1e-9
        assert abs(variance - law) < LIMIT * law * np.sqrt((kurtosis - 1) / 20_000) + 1e-9
    assert (4 / np.pi - 1) * 3.66 == pytest.approx(1, abs=0.001), "below the path's 4 s^2 while d^2 < 3.66 s^2"
