"""Proofs of chapter 4 on the orders between forward and reverse, and on what draws make of them."""

import geometry_oracles as oracle
import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq
from scipy.special import logsumexp

from claims import proves


def fit(alpha, start, separation=6.0):
    return oracle.best(oracle.alpha_divergence, start, alpha, separation)


@proves(
    "geometry-alpha-half-covers",
    oracle="SciPy's BFGS from nine starts on a trapezoid sum",
    tolerance="std and divergence to 1e-3; every start ends in the middle; four more orders beside",
)
def test_order_one_half(page):
    for mean in (-3.0, 0.0, 3.0):
        for log_std in (0.0, 0.5, 1.0):
            end = fit(0.5, (mean, log_std))
            np.testing.assert_allclose(end[:2], [0.0, page["ch4-alpha-half-std"]], atol=1e-3)
    for order, std, covering, from_mode in page["ch4-alpha-rows"]:
        np.testing.assert_allclose([std, covering], fit(order, (0.0, 1.0))[1:], atol=1e-3)
        assert from_mode == pytest.approx(fit(order, (2.98, 0.03))[2], abs=1e-3)


@proves(
    "geometry-alpha-tie",
    oracle="SciPy's brentq on the difference of two BFGS minima of a trapezoid sum",
    tolerance="1e-3 in the order; no minimum on a mode one hundredth of an order before its birth on the page's grid",
)
def test_tie_of_the_orders(page):
    tie = brentq(lambda a: fit(a, (0.0, 1.0))[2] - fit(a, (2.98, 0.03))[2], 0.7, 0.98, xtol=1e-6)
    assert page["ch4-alpha-tie"] == pytest.approx(tie, abs=1e-3)
    birth = page["ch4-alpha-birth"]
    assert fit(birth, (2.95, 0.08))[0] > 2.5
    assert abs(fit(birth - 0.02, (2.95, 0.08))[0]) < 1e-2


@proves(
    "geometry-alpha-smooth-at-four",
    oracle="SciPy's BFGS from a mode and from the middle on a trapezoid sum",
    tolerance="std to 1e-3; both starts end in the middle at orders 0.02, 0.5 and 0.98",
)
def test_smooth_where_there_is_one_valley(page):
    for order, std in zip((0.02, 0.5, 0.98), page["ch4-alpha-four"], strict=True):
        for start in ((0.0, 0.5), (2.0, 0.0)):
            np.testing.assert_allclose(fit(order, start, 4.0)[:2], [0.0, std], atol=1e-3)
    assert page["ch4-alpha-four-low"] == page["ch4-alpha-four"][0]
    assert page["ch4-alpha-four-high"] == page["ch4-alpha-four"][2]


def exact_bound(alpha, mean, std):
    mix = alpha * stats.norm.logpdf(oracle.LINE, mean, std) + (1 - alpha) * oracle.log_p(oracle.LINE, 6.0)
    return (logsumexp(mix) + oracle.LOG_CELL) / (1 - alpha)


@proves(
    "geometry-renyi-monotone",
    oracle="a trapezoid sum of the Rényi integral in NumPy",
    tolerance="1e-6 nats; neither the exact bound nor the estimate rises with the order",
)
def test_bounds_fall_with_the_order(page):
    mean, std, *_ = page["ch4-one"]
    exact = [exact_bound(a, mean, std) for a in page["ch4-renyi-alphas"]]
    np.testing.assert_allclose(page["ch4-renyi-exact"], exact, atol=1e-6)
    assert np.all(np.diff(page["ch4-renyi-exact"]) < 0)
    assert np.all(np.diff(page["ch4-renyi-drawn"]) < 0)


@proves(
    "geometry-renyi-draws-lie",
    oracle="2,000 batches of the same size drawn and weighed in NumPy",
    tolerance="medians within 0.02 nats, the share below the evidence within 5 points; the exact bound above both",
)
def test_draws_lie(page):
    mean, std, *_ = page["ch4-one"]
    z = mean + std * np.random.default_rng(0).standard_normal((2000, 1000))
    log_w = oracle.log_p(z, 6.0) - stats.norm.logpdf(z, mean, std)
    batch = {a: (logsumexp((1 - a) * log_w, axis=1) - np.log(1000)) / (1 - a) for a in (-1.0, 0.05)}
    assert page["ch4-renyi-drawn-1"] == pytest.approx(np.median(batch[-1.0]), abs=0.02)
    assert page["ch4-renyi-drawn-005"] == pytest.approx(np.median(batch[0.05]), abs=0.02)
    assert page["ch4-renyi-below"] == pytest.approx(100 * np.mean(batch[-1.0] < 0), abs=5)
    assert page["ch4-renyi-exact-1"] == pytest.approx(exact_bound(-1.0, mean, std), abs=1e-6)
    assert page["ch4-renyi-exact-1"] > 15
    assert page["ch4-renyi-exact-005"] > page["ch4-renyi-drawn-005"] + 0.3
