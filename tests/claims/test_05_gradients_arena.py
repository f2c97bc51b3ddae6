"""Proofs of chapter 5: the arena, each estimator written once more in NumPy."""

import gradient_oracles as oracle
import numpy as np
import pytest
from scipy import stats
from zscores import LIMIT

from claims import proves

CENTER = np.array([1.0, -1.0, 0.5])
PRECISION = np.linalg.inv(0.4 * np.eye(3) + 0.6)
PLACES = {"start": (np.zeros(3), np.ones(3)), "best": (CENTER, np.diag(PRECISION) ** -0.5)}
COST = {"path": 3, "sticking the landing": 3, "measure-valued": 13, "score, leave-one-out": 1}


def gaussian(place, estimator, repeats=20_000):
    """Gradients in (mean, log_std), rows of one run each, of 16 draws."""
    mean, std = PLACES[place]
    e = np.random.default_rng(5).standard_normal((repeats, 16, 3))
    z = mean + std * e
    pull = -(z - CENTER) @ PRECISION  # grad log p
    if estimator == "path":
        rows = np.concatenate([pull, pull * std * e + 1], axis=2)
    elif estimator == "sticking the landing":
        both = pull + e / std
        rows = np.concatenate([both, both * std * e], axis=2)
    else:
        f = 0.5 * np.einsum("rni,rni->rn", pull, z - CENTER) + 0.5 * (e**2).sum(axis=2)
        f = (f - f.mean(axis=1, keepdims=True)) * 16 / 15
        rows = f[..., None] * np.concatenate([e / std, e**2 - 1], axis=2)
    return rows.mean(axis=1)


def total_variance(rows, num):
    """16 times the summed variance, and the standard error of it from `num` runs."""
    squares = ((rows - rows.mean(axis=0)) ** 2).sum(axis=1)
    return 16 * squares.mean(), 16 * squares.std() / np.sqrt(num)


def arena(page):
    return {(place, name): (bias, variance, cost) for place, name, bias, variance, cost in page["ch5-arena"]}


@proves(
    "arena-has-no-bias",
    oracle="closed-form KL, quadrature and enumeration on the page; for the path NumPy as well",
    tolerance="|z| < 5 for each of 108 slopes (false-fail 6e-5)",
)
def test_bias(page):
    rows = arena(page)
    honest = [bias for (_, name), (bias, *_) in rows.items() if "doubly" not in name]
    assert max(honest) == page["ch5-arena-bias"] < LIMIT and len(honest) == page["ch5-arena-entries"]
    assert page["ch5-arena-dreg-bias"] > 20
    for place, (mean, std) in PLACES.items():
        exact = np.concatenate([-PRECISION @ (mean - CENTER), 1 - std**2 * np.diag(PRECISION)])
        sample = gaussian(place, "path")
        assert np.all(np.abs(sample.mean(axis=0) - exact) < LIMIT * sample.std(axis=0) / np.sqrt(len(sample)))


def checked(page, place, estimator):
    """The page's variance, after it was held against NumPy's."""
    variance, error = total_variance(gaussian(place, estimator), 4000)
    _, shown, cost = arena(page)[f"Gaussian, {place}", estimator]
    assert abs(shown - variance) < LIMIT * error * np.sqrt(1.2), (place, estimator)
    assert cost == COST[estimator]
    return variance


@proves(
    "arena-path-wins-at-the-start",
    oracle="path, landing and leave-one-out in NumPy, 20,000 runs",
    tolerance="|z| < 5 on each variance; the order strict",
)
def test_start(page):
    path, stuck, loo = (checked(page, "start", name) for name in COST if name != "measure-valued")
    assert 3 * stuck < 3 * path < loo
    assert page["ch5-arena-loo-start"] == pytest.approx(loo / (3 * path), rel=0.15)
    assert page["ch5-arena-stuck-start"] == pytest.approx(path / stuck, rel=0.1)


def log_density(z):
    return -0.5 * np.einsum("...i,ij,...j", z - CENTER, PRECISION, z - CENTER)


def mirrored(place, repeats=20_000):
    """Measure-valued gradients, 16 draws a row: Rayleigh pairs for the mean; Maxwell M and M U for the scale."""
    mean, std = PLACES[place]
    rng, shape = np.random.default_rng(7), (repeats, 16)
    columns = np.empty((2, 3, repeats))
    base = mean + std * rng.standard_normal((*shape, 3))
    for i in range(3):

        def at(e, i=i):
            z = base.copy()
            z[..., i] = mean[i] + std[i] * e
            return log_density(z)

        up = stats.rayleigh.rvs(size=shape, random_state=rng)
        wide = stats.maxwell.rvs(size=shape, random_state=rng) * rng.choice([-1, 1], size=shape)
        columns[0, i] = (at(up) - at(-up)).mean(axis=1) / (std[i] * np.sqrt(2 * np.pi))
        columns[1, i] = (at(wide) - at(wide * rng.random(shape))).mean(axis=1) + 1
    return columns.reshape(6, repeats).T


@proves(
    "arena-measure-valued-bill",
    oracle="the estimator in NumPy and SciPy, 20,000 runs",
    tolerance="|z| < 5 on the variance at both places; 15 percent on the bill",
)
def test_measure_valued_bill(page):
    for place in PLACES:
        variance, error = total_variance(mirrored(place), 4000)
        _, shown, cost = arena(page)[f"Gaussian, {place}", "measure-valued"]
        path = checked(page, place, "path")
        assert abs(shown - variance) < LIMIT * error * np.sqrt(1.2) and cost == COST["measure-valued"] == 4 * 3 + 1
        assert variance < path and page[f"ch5-arena-measure-{place}"] == pytest.approx(
            13 * variance / (3 * path), rel=0.15
        )
        assert page[f"ch5-arena-measure-{place}"] > 1.5


@proves(
    "arena-order-changes-at-the-top",
    oracle="path, landing and leave-one-out in NumPy, 20,000 runs",
    tolerance="|z| < 5 on each variance; the order strict",
)
def test_top(page):
    path, stuck, loo = (checked(page, "best", name) for name in COST if name != "measure-valued")
    assert 3 * stuck < loo < 3 * path
    assert page["ch5-arena-loo-best"] == pytest.approx(loo / (3 * path), rel=0.15)
    assert page["ch5-arena-stuck-best"] == pytest.approx(path / stuck, rel=0.1)


WEIGHTS = np.exp([0.3, 0.0]) / np.exp([0.3, 0.0]).sum()
MEANS, STDS = np.array([-2.5, 3.5]), np.exp([-0.2, 0.2])


def log_weight(z):
    log_p = np.logaddexp(stats.norm(-3).logpdf(z), stats.norm(3).logpdf(z)) - np.log(2)
    parts = np.log(WEIGHTS) + stats.norm(MEANS, STDS).logpdf(z[..., None])
    log_q = np.logaddexp(parts[..., 0], parts[..., 1])
    return log_p - log_q, np.exp(parts - log_q[..., None])


def mixture(estimator, repeats=20_000):
    rng = np.random.default_rng(6)
    if estimator == "score":
        label = rng.choice(2, size=(repeats, 16), p=WEIGHTS)
        z = MEANS[label] + STDS[label] * rng.standard_normal((repeats, 16))
        f, share = log_weight(z)
        e = (z[..., None] - MEANS) / STDS
        scores = np.concatenate([share - WEIGHTS, share * e / STDS, share * (e**2 - 1)], axis=2)
        f = (f - f.mean(axis=1, keepdims=True)) * 16 / 15
        return (f[..., None] * scores).mean(axis=1)
    e = rng.standard_normal((repeats, 8, 2))
    z = MEANS + STDS * e
    f = log_weight(z)[0].mean(axis=1) * WEIGHTS
    slope = (log_weight(z + 1e-5)[0] - log_weight(z - 1e-5)[0]) / 2e-5 * WEIGHTS
    logits = f - WEIGHTS * f.sum(axis=1, keepdims=True)
    return np.concatenate([logits, slope.mean(axis=1), (slope * STDS * e).mean(axis=1)], axis=1)


@proves(
    "arena-mixture-and-coins",
    oracle="both mixture estimators in NumPy, 20,000 runs; enumeration of the sixteen models",
    tolerance="|z| < 5 on the mixture's variances; 15 percent on the coins'",
)
def test_mixture_and_coins(page):
    rows, totals = arena(page), {}
    for name, kind in (("stratified", "strata"), ("score, leave-one-out", "score")):
        totals[name], error = total_variance(mixture(kind), 4000)
        assert abs(rows["Mixture", name][1] - totals[name]) < LIMIT * error * np.sqrt(1.2), name
    ratio = totals["score, leave-one-out"] / totals["stratified"]
    assert page["ch5-arena-mixture"] == pytest.approx(ratio, rel=0.2)
    assert ratio > 3, "cheaper after paying for the gradients as well"
    _, best, local = oracle.discrete_variances(np.zeros(4), oracle.cars_table())
    assert page["ch5-arena-local"] == pytest.approx(best.sum() / local.sum(), rel=0.15)
    assert page["ch5-arena-coins"] == pytest.approx(best.sum() / (5 * local.sum()), rel=0.15)
    assert rows["Coins", "Rao-Blackwell"][2] == 5 and page["ch5-arena-coins"] < 1
