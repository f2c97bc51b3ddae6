"""Proofs of chapter 7's second page on eight schools and on the two masts: quadrature in NumPy and SciPy."""

from functools import cache

import numpy as np
import pytest
from scipy import stats

from claims import proves
from vi_lab import FullRank, data, fit, mcmc, models

Y = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
STD = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])


@cache
def tau_moments():
    """Mean and standard deviation of tau, an integral over log tau: y given tau is normal."""
    log_tau = np.linspace(-12, 8, 4001)
    tau, log_p = np.exp(log_tau), []
    for t in tau:
        cov = np.diag(STD**2 + t**2) + 25.0
        log_p.append(stats.multivariate_normal.logpdf(Y, np.zeros(8), cov) + stats.halfcauchy.logpdf(t, scale=5))
    p = np.exp(np.array(log_p) + log_tau)
    p /= p.sum()
    return p @ tau, np.sqrt(p @ tau**2 - (p @ tau) ** 2)


@proves(
    "handover-schools-mended",
    oracle="tau's moments by a sum over log tau in NumPy and SciPy; posteriordb's own; a fit and weights of other keys",
    tolerance="posteriordb within 5 of its standard errors; plain fit within 6 points; weighed mean within 10 percent",
)
def test_weights_and_chains_mend_the_schools(page, key):
    mean, std = tau_moments()
    published = data.reference_posterior("eight_schools-eight_schools_noncentered")["tau"]
    assert abs(published.mean - mean) < 5 * published.mcse_mean and published.sd == pytest.approx(std, rel=0.05)
    schools = models.eight_schools()
    q = fit(FullRank.standard(10), key, schools.log_joint, num_samples=16, num_steps=2000).q
    tau = np.exp(np.asarray(q.mean[1] + q.std[1] ** 2 / 2))  # log-normal under q
    plain = 100 * abs(tau - mean) / std, 100 * abs(tau * np.sqrt(np.expm1(float(q.std[1]) ** 2)) - std) / std
    np.testing.assert_allclose(page["ch7hand-schools"]["full rank"][:2], plain, atol=6)
    mended = mcmc.correct(q, key, schools.log_joint, num_samples=20_000)
    assert abs(mended.weights @ np.exp(mended.draws[:, 1]) - mean) < 0.1 * std
    errors = {name: np.array(e) for name, e in page["ch7hand-schools"].items()}
    assert all(max(e[0], e[2]) <= page["ch7hand-mended-mean"] < 10 for n, e in errors.items() if "," in n)
    assert all(max(e[1], e[3]) <= page["ch7hand-mended-sd"] < 12 for n, e in errors.items() if "," in n)
    assert all(errors[n][0] > errors[n][2] and errors[n][1] > errors[n][3] for n in ("mean field", "full rank"))
    for name, suffix in (("full rank", ""), ("full rank, weighed", "-weighed")):
        assert [page[f"ch7hand-tau-{what}{suffix}"] for what in ("mean", "sd")] == list(errors[name][:2])
    assert page["ch7hand-tau-mean-weighed"] < page["ch7hand-tau-mean"] / 2
    assert page["ch7hand-tau-sd-weighed"] < page["ch7hand-tau-sd"] / 2
    assert page["ch7hand-worst-mean"] == max(*(errors[n][:3:2].max() for n in ("mean field", "full rank")), 0)
    assert page["ch7hand-k-high"] < 0.7


MASTS, SIDE = (
    np.array([[-2.0, 0.0], [2.0, 0.0]]),
    np.linspace(-5, 5, 1000),
)  # no point on the line between north and south


def log_joint(x, y):
    distance = np.sqrt((x[..., None] - MASTS[:, 0]) ** 2 + y[..., None] ** 2)
    return stats.norm.logpdf(x) + stats.norm.logpdf(y, 0.4) + stats.norm.logpdf(3.0, distance, 0.2).sum(axis=-1)


@cache
def quadrature():
    """P(north), log p(x), and mean and standard deviations of the northern mode."""
    x, y = np.meshgrid(SIDE, SIDE, indexing="ij")
    p = np.exp(log_joint(x, y)) * (SIDE[1] - SIDE[0]) ** 2
    up = np.where(y > 0, p, 0) / p[y > 0].sum()
    mean = np.array([(up * x).sum(), (up * y).sum()])
    std = np.sqrt([(up * (x - mean[0]) ** 2).sum(), (up * (y - mean[1]) ** 2).sum()])
    return p[y > 0].sum() / p.sum(), np.log(p.sum()), mean, std


@proves(
    "handover-each-alone-fails",
    oracle="a sum over a NumPy grid: the mass of the north, its mean and widths, and -log of that mass for the gap",
    tolerance="0.1 points; 0.03 nats; 0.05 km and 15 percent; no chain crosses",
)
def test_fit_and_chains_alone_miss_what_the_other_has(page):
    north, _, mean, std = quadrature()
    assert page["ch7hand-north"] == pytest.approx(100 * north, abs=0.1)
    assert page["ch7hand-lone-gap"] == pytest.approx(-np.log(north), abs=0.03)
    np.testing.assert_allclose(page["ch7hand-lone"][:2], mean, atol=0.05)
    np.testing.assert_allclose(page["ch7hand-lone"][2:], std, rtol=0.15)
    assert page["ch7hand-warm-share"] == 100 and page["ch7hand-crossings"] == 0
    assert page["ch7hand-chains-share"] == pytest.approx(100 * page["ch7hand-chains-north"] / 24)
    assert page["ch7hand-chains-share"] < 100 * north - 10


@proves(
    "handover-alternation-weighs-modes",
    oracle="the mass of the north by a sum over a NumPy grid",
    tolerance="0.5 points by the fit, 1.5 by 20,000 weighted draws (standard error 0.3); gap below 0.03 nats",
)
def test_alternation_weighs_both_modes(page):
    north = 100 * quadrature()[0]
    assert page["ch7hand-boost-modes"] == [1, 2]
    assert page["ch7hand-boost-north"] == pytest.approx(north, abs=0.5)
    assert page["ch7hand-boost-weighed"] == pytest.approx(north, abs=1.5)
    assert -0.02 < page["ch7hand-boost-gap"] < 0.03


@proves(
    "handover-alternation-needs-starts",
    oracle="the normal tail of SciPy at the northern mode's mean and width on a NumPy grid, blown up fourfold",
    tolerance="1 percentage point",
)
def test_without_the_prior_the_south_is_out_of_reach(page):
    *_, mean, std = quadrature()
    assert page["ch7hand-blown-south"] == pytest.approx(100 * stats.norm.sf(mean[1] / (4 * std[1])), abs=1)
    assert page["ch7hand-blown-south"] < 2 and page["ch7hand-blind-modes"] == [1, 1]


@proves(
    "handover-starts-miss",
    oracle="the normal tail of SciPy; steepest ascent from 2,000 draws of the prior in NumPy",
    tolerance="1e-6 of the powers; |z| < 5 for the share of starts that end in the south",
)
def test_starts_on_the_other_side_end_there(page):
    south = stats.norm.cdf(-0.4)
    assert page["ch7hand-miss-2"] == pytest.approx(100 * (1 - south) ** 2)
    assert page["ch7hand-miss-8"] == pytest.approx(100 * (1 - south) ** 8)
    assert 1 - south == pytest.approx(0.66, abs=0.005)
    z = np.random.default_rng(0).normal([0.0, 0.4], 1.0, (2000, 2))
    for _ in range(2000):
        offsets = z[:, None, :] - MASTS
        distance = np.linalg.norm(offsets, axis=-1, keepdims=True)
        slope = ((3.0 - distance) / 0.04 * offsets / distance).sum(axis=1) - (z - [0.0, 0.4])
        z = z + 0.005 * slope
    share = np.mean(z[:, 1] < 0)
    assert abs(share - south) < 5 * np.sqrt(south * (1 - south) / 2000)
