"""Proofs of chapter 7's second page on the bioassay: everything on a grid, and with chains, written in NumPy."""

from functools import cache

import numpy as np
import pytest
from scipy import optimize, special, stats

from claims import proves

DOSE, DEATHS = np.array([-0.86, -0.30, -0.05, 0.73]), np.array([0, 1, 3, 5])
PRIOR = stats.multivariate_normal([0.0, 10.0], [[4.0, 10.0], [10.0, 100.0]])
NAMES = "mean field", "full rank", "full rank x 1.5", "order 1/2"


def log_likelihood(z):
    logits = z[..., :1] + z[..., 1:] * DOSE
    return stats.binom.logpmf(DEATHS, 5, special.expit(logits)).sum(axis=-1)


def log_joint(z):
    return PRIOR.logpdf(z) + log_likelihood(z)


@cache
def posterior(points=500):
    """Midpoints of equal cells, with an edge at beta = 20, their probabilities, and log p(x)."""
    a = -5 + 18 * (np.arange(points) + 0.5) / points
    b = -10 + 75 * (np.arange(points) + 0.5) / points
    z = np.stack(np.meshgrid(a, b, indexing="ij"), axis=-1).reshape(-1, 2)
    mass = np.exp(log_joint(z)) * (18 / points) * (75 / points)
    return z, mass / mass.sum(), np.log(mass.sum())


def report(z, p):
    m = p @ z
    cov = (z - m).T @ (p[:, None] * (z - m))
    return np.array([m[1], cov[1, 1] ** 0.5, p @ (z[:, 1] > 20), cov[0, 1] / np.sqrt(cov[0, 0] * cov[1, 1])])


@cache
def exact():
    z, p, _ = posterior()
    return report(z, p)


def proposals(page):
    rows = np.array(page["ch7hand-proposals"])
    return {n: stats.multivariate_normal(r[:2], r[2:].reshape(2, 2)) for n, r in zip(NAMES, rows, strict=True)}


def acceptance(q):
    """2 P(w' > w) with z from the posterior and z' from q, both on the grid: one sort and a cumulative sum."""
    z, p, _ = posterior()
    q_z = q.pdf(z)
    order = np.argsort(p / q_z)
    q_z = (q_z / q_z.sum())[order]
    return 2 * p[order] @ (1 - np.cumsum(q_z) + q_z / 2)


def worth_chained(q, runs=200, steps=1000):
    """1,000 densities as independent draws for the mean of beta, by chains from q."""
    rng = np.random.default_rng(3)
    z = q.rvs((runs, steps + 1), random_state=rng)
    log_w, at, total = log_joint(z) - q.logpdf(z), np.zeros(runs, int), np.zeros(runs)
    rows = np.arange(runs)
    for t in range(1, steps + 1):
        moved = np.log(rng.random(runs)) < log_w[rows, t] - log_w[rows, at]
        at = np.where(moved, t, at)
        total += z[rows, at, 1]
    mean, std, *_ = exact()
    return std**2 / np.mean((total / steps - mean) ** 2)


def worth_weighed(q, runs=200):
    z = q.rvs((runs, 1000), random_state=np.random.default_rng(4))
    w = np.exp(log_joint(z) - q.logpdf(z))
    means = np.sum(w * z[..., 1], axis=1) / np.sum(w, axis=1)
    return exact()[1] ** 2 / np.mean((means - exact()[0]) ** 2)


@proves(
    "handover-bioassay-mends",
    oracle="mean acceptance by a sort over a NumPy grid; 200 runs of chains and of weights in NumPy",
    tolerance="0.02 in acceptance; a factor of 2 in worth (rare long stays rule the narrow ones), and its order",
)
def test_spreading_mends_the_proposal(page):
    found, q = page["ch7hand-mends"], proposals(page)
    for name in NAMES:
        assert found[name][0] == pytest.approx(acceptance(q[name]), abs=0.02)
    simulated = {name: worth_chained(q[name]) for name in NAMES[:3]}
    flat, full, spread = (found[name][2] for name in NAMES[:3])
    assert simulated["mean field"] < simulated["full rank"] / 2 and flat < full / 2
    assert simulated["full rank"] < simulated["full rank x 1.5"] / 1.5 and full < spread / 1.5
    assert 0.5 < spread / simulated["full rank x 1.5"] < 2
    assert found["full rank x 1.5"][0] < found["full rank"][0]
    assert 1 / 1.7 < found["full rank x 1.5"][3] / worth_weighed(q["full rank x 1.5"]) < 1.7
    assert [page[f"ch7hand-chained-{name}"] for name in ("flat", "full", "spread")] == [flat, full, spread]
    assert page["ch7hand-stay-flat"] == found["mean field"][1] > 5 * found["full rank x 1.5"][1]
    assert page["ch7hand-weighed-spread"] == found["full rank x 1.5"][3]
    assert found["full rank + prior"][2] > 1.3 * full and found["order 1/2"][2] > 1.3 * full


@proves(
    "handover-prior-bounds-weights",
    oracle="the largest ratio by SciPy's Nelder-Mead from the grid's best point; the bound from the largest likelihood",
    tolerance="1 percent",
)
def test_the_prior_bounds_the_weights(page):
    z, _, log_evidence = posterior()
    q = proposals(page)["full rank"]

    def log_ratio(z):
        return log_joint(z) - log_evidence - np.logaddexp(np.log(0.9) + q.logpdf(z), np.log(0.1) + PRIOR.logpdf(z))

    best = optimize.minimize(lambda z: -log_ratio(z), z[np.argmax(log_ratio(z))], method="Nelder-Mead")
    assert page["ch7hand-prior-top"] == pytest.approx(np.exp(-best.fun), rel=0.01)
    most_likely = optimize.minimize(lambda z: -log_likelihood(z), [1.0, 10.0], method="Nelder-Mead")
    assert page["ch7hand-prior-top"] <= np.exp(-most_likely.fun - log_evidence) / 0.1


@proves(
    "handover-tails-suffer-most",
    oracle="the posterior on a NumPy grid; the fits' own numbers in closed form",
    tolerance="1 percent of the exact values; 3 points in each error of the plain fits",
)
def test_tails_suffer_most(page):
    np.testing.assert_allclose(page["ch7hand-truth"], exact(), rtol=0.01)
    for name in ("mean field", "full rank"):
        q = proposals(page)[name]
        std = np.sqrt(np.diag(q.cov))
        own = np.array([q.mean[1], std[1], stats.norm.sf(20, q.mean[1], std[1]), q.cov[0, 1] / std.prod()])
        expected = 100 * abs(own - exact()) / np.array([exact()[1], exact()[1], exact()[2], 1.0])
        np.testing.assert_allclose(page["ch7hand-percent"][name], expected, atol=3)
    mean, sd, tail, _ = page["ch7hand-percent"]["full rank"]
    assert 3 * mean < sd < tail / 3
    assert [page[f"ch7hand-full-{name}"] for name in ("mean", "sd", "tail")] == [mean, sd, tail]
    assert page["ch7hand-flat-tail"] == page["ch7hand-percent"]["mean field"][2] > 90


def weighed_errors(q, runs=60, draws=4000):
    """Root mean squared errors of the report by plain importance weights, in the page's percent."""
    rng, found = np.random.default_rng(5), []
    for _ in range(runs):
        z = q.rvs(draws, random_state=rng)
        w = np.exp(log_joint(z) - q.logpdf(z) - posterior()[2])
        found.append(report(z, w / w.sum()))
    return 100 * np.sqrt(np.mean((np.array(found) - exact()) ** 2, axis=0)) / [exact()[1], exact()[1], exact()[2], 1.0]


@proves(
    "handover-weights-mend",
    oracle="importance sampling without smoothing in NumPy, 60 runs; 1,000 independent draws as the floor for NUTS",
    tolerance="a factor of 2 in each error; sd below 10 percent, tail between 15 and 60, NUTS within 3 of its floor",
)
def test_weights_mend_the_width_and_half_of_the_tail(page):
    ratio = np.array(page["ch7hand-percent"]["full rank, weighed"]) / weighed_errors(proposals(page)["full rank"])
    assert np.all((ratio > 0.5) & (ratio < 2)), ratio
    mean, sd, tail, _ = page["ch7hand-percent"]["full rank, weighed"]
    assert [page[f"ch7hand-weighed-{name}"] for name in ("mean", "sd", "tail")] == [mean, sd, tail]
    assert sd < 10 and 15 < tail < 60 and mean > page["ch7hand-full-mean"]
    assert page["ch7hand-nuts-tail"] == page["ch7hand-percent"]["full rank, NUTS"][2]
    floor = 100 * np.sqrt((1 / exact()[2] - 1) / 1000)
    assert floor / 2 < page["ch7hand-nuts-tail"] < 3 * floor
