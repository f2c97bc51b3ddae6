"""Proofs of chapter 7's second page on q as a proposal: chains as matrices, quadrature and simulation in NumPy."""

from functools import cache

import numpy as np
import pytest
from scipy import integrate, optimize, stats
from zscores import assert_mean

from claims import proves
from vi_lab import MeanField, mcmc, models

S = 0.5


def weight(z, s=S):
    return stats.norm.pdf(z) / stats.norm.pdf(z, scale=s)


@proves(
    "handover-acceptance-is-symmetric",
    oracle="2 P(w(z') > w(z)) by SciPy's quad over z with normal tails inside; mean acceptance of independent chains",
    tolerance="1e-9 for the formula; |z| < 5 for 400 chains of the wide proposal; 0.05 for the page's chains",
)
def test_narrow_and_wide_accept_the_same_share(page, key):
    narrow = 2 * integrate.quad(lambda z: stats.norm.pdf(z) * 2 * stats.norm.sf(abs(z) / S), -12, 12, points=[0])[0]
    wide = (
        2 * integrate.quad(lambda z: stats.norm.pdf(z) * (1 - 2 * stats.norm.sf(abs(z) * S)), -12, 12, points=[0])[0]
    )  # P(|2 z'| < |z|)
    assert narrow == pytest.approx(page["ch7hand-arctan"], abs=1e-9)
    assert wide == pytest.approx(page["ch7hand-arctan"], abs=1e-9)
    for name in ("narrow", "wide"):
        assert np.mean(page[f"ch7hand-accepted-{name}"]) == pytest.approx(narrow, abs=0.05)
    q = MeanField.from_std([0.0], [1 / S])
    chains = mcmc.propose(q, key, models.gaussian([0.0], [[1.0]]).log_joint, num_chains=400, num_samples=60)
    assert_mean(np.asarray(chains.acceptance)[:, 20:].mean(axis=1), wide)  # 20 steps forget the start: 2^-20


def stay(z):
    """Iterations at z: the probability of leaving it is an integral over the proposals."""
    leave = integrate.quad(
        lambda y: stats.norm.pdf(y, scale=S) * min(1, weight(y) / weight(z)), -5, 5, points=[-z, z], epsabs=1e-14
    )[0]
    return 1 / leave


@proves(
    "handover-narrow-chain-sticks",
    oracle="the integral over all proposals by SciPy's quad; chains written in NumPy",
    tolerance="1e-5 of each stay; the narrow chain's longest stay above five times that of the wide one in both",
)
def test_the_narrow_chain_sticks(page):
    np.testing.assert_allclose(page["ch7hand-stays"], [stay(z) for z in (1.0, 2.0, 3.0)], rtol=1e-5)
    assert page["ch7hand-stay-3"] == page["ch7hand-stays"][2]
    longest = {s: max(longest_stay(chain(s, np.random.default_rng(seed))) for seed in range(4)) for s in (S, 1 / S)}
    assert longest[S] > 5 * longest[1 / S]
    assert page["ch7hand-longest-narrow"] > 5 * page["ch7hand-longest-wide"]


def chain(s, rng, steps=2000):
    z, states = s * rng.standard_normal(), []
    for y, u in zip(s * rng.standard_normal(steps), rng.random(steps), strict=True):
        z = y if u < weight(y, s) / weight(z, s) else z
        states.append(z)
    return np.array(states)


def longest_stay(states):
    return np.diff(np.flatnonzero(np.r_[True, np.diff(states) != 0, True])).max()


def law_after(proposal, steps, width=10.0, points=1200):
    """Total variation after each number of steps, and a step of the chain, on the midpoints of equal cells."""
    z = (np.arange(points) + 0.5) / points * 2 * width - width
    q, p = proposal(z), stats.norm.pdf(z)
    q, p = q / q.sum(), p / p.sum()
    w = p / q
    move = np.minimum(1, w / w[:, None]) * q
    move[np.diag_indices(points)] += 1 - move.sum(axis=1)
    law, found = q.copy(), []
    for _ in range(steps + 1):
        found.append(abs(law - p).sum() / 2)
        law = law @ move
    return np.array(found), (z, p, move)


def normal(s):
    return lambda z: stats.norm.pdf(z, scale=s)


def mixed(z):
    return 0.9 * stats.norm.pdf(z, scale=S) + 0.1 * stats.norm.pdf(z, scale=1 / S)


@proves(
    "handover-wide-is-geometric",
    oracle="the chain as a NumPy matrix on another grid; the largest weight in closed form, s at zero",
    tolerance="1e-3 in total variation, 1e-2 in the weight; below (1 - 1/2)^n throughout",
)
def test_the_wide_proposal_is_geometric(page):
    found, _ = law_after(normal(1 / S), 20)
    np.testing.assert_allclose(page["ch7hand-tv-wide"], found[[0, 1, 5, 10, 20]], atol=1e-3)
    assert page["ch7hand-top-wide"] == pytest.approx(1 / S, abs=1e-2)
    assert np.all(found <= 0.5 ** np.arange(21)) and np.all(found[1:] <= found[:-1] / 2 + 1e-12)


@proves(
    "handover-narrow-is-a-power",
    oracle="the chain as a NumPy matrix on another grid; the mass of weights above n in closed form",
    tolerance="3 percent of each distance; eight times the steps leave 0.4 to 0.55; the mass within a factor of 2",
)
def test_the_narrow_proposal_follows_a_power(page):
    found, _ = law_after(normal(S), 1000)
    np.testing.assert_allclose(page["ch7hand-tv-late"], found[[100, 200, 800, 1000]], rtol=0.03)
    assert page["ch7hand-tv-late"][0] == page["ch7hand-tv-100"]
    assert 0.4 < page["ch7hand-tv-800"] / page["ch7hand-tv-100"] < 0.55
    for n, distance in ((100, page["ch7hand-tv-100"]), (800, page["ch7hand-tv-800"])):
        edge = np.sqrt(np.log(n / S) * 2 / (S**-2 - 1))  # where w = n
        assert 0.5 < 2 * stats.norm.sf(edge) / distance < 2


@proves(
    "handover-defensive-is-geometric",
    oracle="the chain as a NumPy matrix on another grid; the largest weight by SciPy's bounded minimizer",
    tolerance="1e-3 in total variation, 1e-2 in the weight",
)
def test_a_tenth_of_width_is_enough(page):
    found, _ = law_after(mixed, 60)
    np.testing.assert_allclose(page["ch7hand-tv-defensive"], found[[0, 1, 5, 10, 20]], atol=1e-3)
    top = -optimize.minimize_scalar(lambda z: -stats.norm.pdf(z) / mixed(z), bounds=(0, 5), method="bounded").fun
    assert page["ch7hand-top-defensive"] == pytest.approx(top, abs=1e-2)
    assert np.all(found <= (1 - 1 / top) ** np.arange(61)) and found[60] < 2e-6


@cache
def worths(s):
    """What 1,000 densities are worth for E[z^2], as their number grows: chained by the resolvent, weighed by quad."""
    _, (z, p, move) = law_after(normal(s), 0, points=800)
    f = z**2 - p @ z**2
    summed = np.linalg.solve(np.eye(len(z)) - move + p, f)  # f + P f + P^2 f + ...
    weighed = integrate.quad(lambda y: weight(y, s) * stats.norm.pdf(y) * (y**2 - 1) ** 2, -12, 12)[0]
    return 1000 * 2 / (2 * p @ (f * summed) - p @ f**2), 1000 * 2 / weighed


@proves(
    "handover-weigh-rather-than-chain",
    oracle="asymptotic variances: the chain's by its resolvent as a NumPy matrix, the weights' by SciPy's quad",
    tolerance="a factor of 1.5 at s = 2 and of 2 at s = 0.8 (100 runs, heavy tails); the order in all four rows",
)
def test_weighing_beats_chaining(page):
    for s, factor in ((2.0, 1.5), (0.8, 2.0)):
        for measured, expected in zip(page[f"ch7hand-worth-{s:g}"], worths(s), strict=True):
            assert 1 / factor < measured / expected < factor, (s, measured, expected)
        assert worths(s)[0] < worths(s)[1]
    assert all(page[f"ch7hand-worth-{s:g}"][0] < page[f"ch7hand-worth-{s:g}"][1] for s in (2.0, 0.8, 0.6, 0.5))
    assert max(page["ch7hand-worth-0.6"] + page["ch7hand-worth-0.5"]) < 60


@proves(
    "handover-spreading-costs-dimensions",
    oracle="the F distribution of SciPy, 2 P(F < 1/s^2); 200,000 pairs of draws in NumPy",
    tolerance="1e-9; |z| < 5",
)
def test_spreading_costs_in_many_dimensions(page):
    rng = np.random.default_rng(0)
    for d, rate in zip((1, 10, 50), page["ch7hand-dimension-rates"], strict=True):
        assert rate == pytest.approx(2 * stats.f.cdf(1 / 1.5**2, d, d), abs=1e-9)
        ahead = 1.5**2 * rng.chisquare(d, 200_000) < rng.chisquare(d, 200_000)
        assert_mean(2.0 * ahead, rate)
    assert page["ch7hand-rate-50"] == pytest.approx(100 * rate) and rate < 0.01
